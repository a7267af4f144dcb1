"""Every export holds what is there, runs nowhere, and comes back."""

from __future__ import annotations

import ast
import csv
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import nh3
import openpyxl
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

import llmwidgets
from llmwidgets.comparison import Comparison, Variant, compare, load
from llmwidgets.comparison.run_settings import CompareScript
from llmwidgets.comparison.serialization import WRITERS
from llmwidgets.connections import Connection
from llmwidgets.demo import invoices
from llmwidgets.errors import FieldError
from llmwidgets.store.store import Store

HOSTILE = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "javascript:alert(1)",
    "=HYPERLINK(\"http://x\",\"y\")",
    "@SUM(1+1)*cmd|' /C calc'!A0",
    "`${alert(1)}`",
    "</textarea></title></svg><svg onload=alert(1)>",
    "\u202egnp.exe",
    "\"); import os; os.system(\"x\") #",
    "'''\nimport os\n'''",
    "[x](javascript:alert(1))",
]  # fmt: skip


def hostile() -> Comparison:
    """Field names, labels, ids, truth and values are all of the corpus."""
    schema = {
        "type": "object",
        "properties": {name: {"type": "string", "description": name} for name in HOSTILE},
    }
    texts = [{"id": name, "text": f"{name} stands here"} for name in HOSTILE]
    wrong = [dict.fromkeys(HOSTILE, name) for name in HOSTILE]
    truth = [dict.fromkeys(HOSTILE, f"{name} true") for name in HOSTILE]
    outputs = {HOSTILE[0]: wrong, HOSTILE[1]: truth, HOSTILE[3]: wrong}
    return Comparison.from_outputs(schema, texts, outputs, truth)


class Tags(HTMLParser):
    """The tags, attributes and words of a page."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()
        self.words: list[str] = []
        self.feed(page)

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}

    def handle_data(self, data) -> None:
        self.words.append(data)


@pytest.fixture(scope="module")
def corpus() -> Comparison:
    return hostile()


def test_no_name_or_value_becomes_markup(corpus: Comparison, tmp_path) -> None:
    page = corpus.to_html(tmp_path / "page.html", values=True).read_text("utf-8")
    for shown in (page, corpus._repr_html_()):
        read = Tags(shown)
        assert not {"script", "img", "iframe", "textarea", "a", "object"} & read.tags
        assert not {name for name in read.attributes if name.startswith("on")}
        assert not {"href", "src"} & read.attributes
        assert any(HOSTILE[0] in words for words in read.words)


def test_cleaned_output_still_holds_every_value(corpus: Comparison, tmp_path) -> None:
    """As nbviewer and an untrusted notebook clean it: no style, no class, no script."""
    page = corpus.to_html(tmp_path / "page.html", values=True).read_text("utf-8")
    cleaned = nh3.clean(
        page, tags={"table", "tr", "td", "th", "thead", "tbody", "p", "b"}, attributes={}
    )
    assert "style=" not in cleaned
    assert "class=" not in cleaned
    said = " ".join(" ".join(Tags(cleaned).words).split())
    for name in HOSTILE:
        line = " ".join(name.split()).replace("\u202e", "\ufffd")
        assert line in said
        assert f"{line} true" in said
    verdict = corpus.verdict()
    for part in (verdict.headline, verdict.details, *verdict.notes):
        assert part in said


@pytest.mark.parametrize("table", ["fields", "scoreboard", "by_field", "differences", "verdict"])
def test_no_cell_of_a_csv_is_a_formula(corpus: Comparison, table: str, tmp_path) -> None:
    path = corpus.to_csv(tmp_path / "out.csv", table)
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.reader(file))
    assert len(rows) > 1
    for cell in (cell for row in rows for cell in row):
        number = cell.replace(".", "").replace("-", "").replace("e", "").isdigit()
        assert number or not cell.startswith(("=", "+", "-", "@", "\t", "\r"))


@pytest.mark.parametrize("table", ["fields", "scoreboard", "by_field", "differences", "truth"])
def test_jsonl_and_parquet_hold_the_same_rows(corpus: Comparison, table: str, tmp_path) -> None:
    lines = corpus.to_jsonl(tmp_path / "out.jsonl", table).read_text("utf-8").splitlines()
    rows = [json.loads(line) for line in lines if line]
    frame = pd.read_parquet(corpus.to_parquet(tmp_path / "out.parquet", table))
    assert len(rows) == len(frame) > 0
    assert list(rows[0]) == list(frame.columns)


def test_the_code_of_outputs_compares_outputs(corpus: Comparison) -> None:
    """Models that were called elsewhere are not called by the copied code either."""
    texts = [{"id": text.id, "text": text.text} for text in corpus.texts]
    wrong, right = (
        [dict.fromkeys(HOSTILE, f"{name}{end}") for name in HOSTILE] for end in ("", " true")
    )
    outputs = {HOSTILE[0]: wrong, HOSTILE[1]: right, HOSTILE[3]: wrong}
    scope = {"texts": texts, "truth": right, "outputs": outputs}
    exec(corpus.code(), scope)
    assert scope["result"].scoreboard().equals(corpus.scoreboard())


def test_the_code_is_python_that_asks_the_same_and_holds_no_statement_of_a_name(
    corpus: Comparison,
) -> None:
    tree = ast.parse(corpus.code())
    kinds = [type(each).__name__ for each in tree.body]
    assert kinds == ["Import", "Import", "Assign", *["If"] * 3, "Assign", "Expr"]
    names = {node.names[0].name for node in tree.body if isinstance(node, ast.Import)}
    assert names == {"json", "llmwidgets"}


def test_the_copied_code_runs_the_same_comparison(demo, monkeypatch) -> None:
    store = Store.in_memory()
    for connection in demo:
        store.add_for_session(connection)
    texts, truth = invoices.texts[:3], list(invoices.truth.values())[:3]
    models = [
        Variant("demo-careful", label="one"),
        Variant("demo-hasty", instructions='Be \'short\'\n""".', max_output_tokens=900),
    ]

    def run(*asked, **more):
        return compare(*asked, **more, journal=False, progress=False, store=store)

    first = run(invoices.Schema, texts, models, truth=truth, scoring={"total": "number:0.5"})
    code = first.code()
    assert "api_key" not in code
    assert texts[0]["text"][:40] not in code
    monkeypatch.setattr(llmwidgets, "compare", run, raising=False)
    scope = {"texts": texts, "truth": truth}
    exec(code, scope)
    again = scope["result"]
    assert again.to_frame().equals(first.to_frame())
    assert again.code() == code
    assert again.scoring == first.scoring


def test_label_studio_gets_every_variant_with_spans_that_slice_back(tmp_path) -> None:
    class Bill(BaseModel):
        name: str | None = None
        total: float | None = None

    text = "A bill of Ada Lovelace for 1,250.00 euro."
    said = {"name": "Ada Lovelace", "total": 1250}
    result = Comparison.from_outputs(Bill, [text], {"A": [said], "B": [None]}, [said])
    (task,) = json.loads(result.to_label_studio(tmp_path / "tasks.json").read_text("utf-8"))
    assert task["data"]["text"] == text
    (prediction,) = task["predictions"]
    assert (prediction["model_version"], prediction["score"]) == ("A", 1)
    spans = [each["value"] for each in prediction["result"]]
    assert [(span["labels"], span["text"]) for span in spans] == [
        (["name"], "Ada Lovelace"),
        (["total"], "1,250.00"),
    ]
    assert all(text[span["start"] : span["end"]] == span["text"] for span in spans)


def test_the_page_draws_quality_against_cost_and_time_and_says_the_figures(tmp_path, demo) -> None:
    from dataclasses import replace

    priced = [Variant(each, price=at + 1.0) for at, each in enumerate(demo[:2])]
    result = compare(
        invoices.Schema, invoices.texts[:12], priced, truth=list(invoices.truth.values())[:12],
        journal=False, progress=False,
    )  # fmt: skip
    page = result.to_html(tmp_path / "page.html").read_text("utf-8")
    assert page.count("<svg") == 2
    assert page.index("Quality against cost") < page.index("% right by field")
    assert "% of fields right against US$ for 1,000 texts" in page
    assert result.texts[0].truth["number"] not in page
    hostile_page = replace(
        result, variants=tuple(replace(v, label=f"{HOSTILE[6]} {v.label}") for v in result.variants)
    )
    shown = hostile_page.to_html(tmp_path / "other.html").read_text("utf-8")
    assert shown.count("<svg") == 2
    assert "onload" not in Tags(shown).attributes


@contextmanager
def no_space(most: int = 100) -> Iterator[None]:
    """No file of this process may become longer, as on a disk that is full."""
    resource = pytest.importorskip("resource", reason="this system has no limits on files")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (most, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


@pytest.mark.parametrize("name", WRITERS)
def test_a_full_disk_keeps_the_old_file_and_leaves_no_half_one(
    corpus: Comparison, name: str, tmp_path
) -> None:
    path = tmp_path / "folder" / "out"
    path.parent.mkdir()
    path.write_text("what was there")
    with no_space(), pytest.raises(FieldError, match="cannot be written: File too large") as caught:
        corpus.export(path, format=name)
    assert str(path) in caught.value.message
    assert "Free space" in caught.value.hint
    assert "what was there is unchanged" in caught.value.hint
    assert path.read_text() == "what was there"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("name", WRITERS)
def test_a_folder_that_cannot_be_one_is_told(corpus: Comparison, name: str, tmp_path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FieldError, match="cannot be written"):
        corpus.export(tmp_path / "file" / "out", format=name)
    corpus.export(tmp_path / "new" / "out", format=name)
    assert [each.name for each in (tmp_path / "new").iterdir()] == ["out"]


@pytest.mark.parametrize("name", WRITERS)
def test_each_method_and_each_suffix_write_what_the_registry_does(
    corpus: Comparison, name: str, tmp_path
) -> None:
    named = corpus.export(tmp_path / "named", format=name)
    method = {"json": "save", "xlsx": "to_excel"}.get(name, f"to_{name}")
    by_method = getattr(corpus, method)(tmp_path / "method")
    assert what_is_in(by_method, name) == what_is_in(named, name)
    by_suffix = corpus.export(tmp_path / f"file.{name.upper()}")
    assert what_is_in(by_suffix, name) == what_is_in(named, name)


def what_is_in(path: Path, name: str) -> Any:
    """The bytes, or the cells of a workbook, whose bytes have the time."""
    if name != "xlsx":
        return path.read_bytes()
    with path.open("rb") as file:
        return list(openpyxl.load_workbook(file).active.values)


def takers_of_a_path(result: Comparison) -> dict[str, Callable[[Any], object]]:
    store = Store.in_memory()
    store.save(Connection("openai", api_key="env:NO_SUCH_KEY"))
    key = {"passphrase": "a long made-up passphrase"}
    return {
        "save": result.save,
        "load": load,
        "export": result.export,
        **{
            name: getattr(result, f"to_{name}")
            for name in ("html", "csv", "jsonl", "parquet", "excel", "label_studio")
        },
        "journal": lambda path: result.rerun(journal=path, progress=False),
        "Store": lambda path: Store(path=path),
        "Store.create": lambda path: Store.create(path=path, **key),
        "store.export": lambda path: store.export(path, **key),
        "store.preview": lambda path: store.preview(path, **key),
    }


@pytest.mark.parametrize(
    "path", [7, 1.5, b"out.csv", ["out.csv"], "\0.csv", "~nobody-0/o.csv", "\ud800.csv"]
)
def test_what_is_not_a_path_is_refused_by_all_that_take_one(path, demo, tmp_path, monkeypatch):
    (here := tmp_path / "here").mkdir()
    monkeypatch.chdir(here)
    result = compare(invoices.Schema, invoices.texts[:1], demo[:1], journal=False, progress=False)
    for name, take in takers_of_a_path(result).items():
        with pytest.raises(FieldError) as caught:
            take(path)
        assert [*caught.value.problems] == ["journal" if name == "journal" else "path"], name
    assert not [*here.iterdir()]


@pytest.mark.parametrize("path", ["", ".", ".."])
def test_a_folder_is_not_written_over(path, demo, tmp_path, monkeypatch):
    (here := tmp_path / "here").mkdir()
    monkeypatch.chdir(here)
    result = compare(invoices.Schema, invoices.texts[:1], demo[:1], journal=False, progress=False)
    for write in (result.save, result.to_csv, result.to_html):
        with pytest.raises(FieldError, match="cannot be written"):
            write(path)
    assert not [*here.iterdir()]


def test_any_object_that_is_a_path_is_taken(corpus: Comparison, tmp_path) -> None:
    class Place:
        def __fspath__(self) -> str:
            return str(tmp_path / "saved.json")

    assert load(corpus.save(Place())).labels == load(Place()).labels == corpus.labels


def test_a_format_that_is_not_known_is_named_with_those_that_are(
    corpus: Comparison, tmp_path
) -> None:
    for path, name in ((tmp_path / "out.docx", None), (tmp_path / "out", None), ("out.csv", "x")):
        with pytest.raises(FieldError, match=r"must be one of csv, jsonl, .*label_studio"):
            corpus.export(path, format=name)
    assert not list(tmp_path.glob("out*"))


def test_a_table_that_is_not_known_is_named(corpus: Comparison, tmp_path) -> None:
    with pytest.raises(FieldError, match="scores"):
        corpus.to_csv(tmp_path / "out.csv", "scores")


def test_a_hostile_comparison_survives_saving(corpus: Comparison, tmp_path) -> None:
    again = load(corpus.save(tmp_path / "saved.json"))
    assert again.to_frame().equals(corpus.to_frame())
    assert again._repr_html_() == corpus._repr_html_()


@given(
    st.dictionaries(
        st.text(st.characters(codec="utf-8"))
        | st.sampled_from(["a.b", "a_b", "ﬁ", "fi", "1", "²"]),
        st.sampled_from(
            ["exact", "<lambda>", "class", "lw", "texts", "_ok", "ﬁ", "fi", "a b", "²"]
        ),
        min_size=1,
    )
)
def test_code_names_each_function_apart_by_a_name_that_python_takes(given_names) -> None:
    """Keywords, names of the code's own, lambdas at places that read alike."""
    rules = {}
    for path, name in given_names.items():
        rule = (lambda _value, _truth: True) if name != "exact" else "exact"
        if name != "exact":
            rule.__name__ = name
        rules[path] = rule
    code = str(CompareScript(variants=[Variant("m")], scoring=rules))
    tree = ast.parse(code.encode("utf-8"))
    (written,) = (each.value for each in ast.walk(tree) if getattr(each, "arg", "") == "scoring")
    assert ast.literal_eval(ast.unparse(ast.List(written.keys))) == list(rules)
    names = [each.id for each in written.values if isinstance(each, ast.Name)]
    assert len(names) == len({*names}) == sum(callable(rule) for rule in rules.values())
    assert not {"lw", "texts", "json", "result"} & {*names}
    kept = [path for path, name in given_names.items() if name == "_ok"]
    assert not kept or "_ok" in names
