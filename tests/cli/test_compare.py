"""llmwidgets compare: the main job over the user's files, and an exit status that scripts trust."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pandas as pd
import pytest

import llmwidgets as lw
from llmwidgets.cli import main
from llmwidgets.comparison.files import read_texts, read_uploads
from llmwidgets.demo import demo_url, invoices, stop_demo
from llmwidgets.report.writers import write_csv
from tests.servers import serving_models

ROOT = Path(__file__).parents[2]
KEYS = [
    "text_id", "variant", "model", "repeat", "status", "record", "mode", "seconds",
    "input_tokens", "output_tokens", "cost",
]  # fmt: skip
SCHEMA = {
    "type": "object",
    "properties": {
        "number": {"type": ["string", "null"], "description": "Invoice number, as printed"},
        "total": {"type": ["number", "null"], "description": "Amount to pay"},
    },
    "required": ["number", "total"],
}


@pytest.fixture(scope="module", autouse=True)
def demo():
    yield
    stop_demo()


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with a schema and three texts with truth, and nowhere else to write."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    rows = [
        {**text, "truth": {"number": invoices.truth[text["id"]]["number"]}}
        for text in invoices.texts[:3]
    ]
    Path("schema.json").write_text(json.dumps(SCHEMA))
    Path("texts.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    return folder


def run(*more: str, texts: str = "texts.jsonl", models: str = "demo-careful") -> int:
    """With the usual options, but for those that are given."""
    usual = {"--schema": "schema.json", "--texts": texts, "--journal": "none"}
    words = [word for pair in usual.items() if pair[0] not in more for word in pair]
    return main(["compare", *words, "--models", *models.split(), *more])


def told(capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on stderr."""
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("llmwidgets: ")
    return lines[0]


def lines_of(path: str) -> list[dict]:
    return [json.loads(line) for line in Path(path).read_text("utf-8").splitlines()]


def test_it_finishes_and_writes_what_was_asked(files: Path, capsys) -> None:
    status = run("--truth", "truth", "--jsonl", "out.jsonl", "--html", "out.html")
    printed = capsys.readouterr()
    assert (status, printed.err) == (0, "")
    assert "A demo-careful" in printed.out
    rows = lines_of("out.jsonl")
    assert [list(row) for row in rows] == [KEYS] * 3
    assert [row["text_id"] for row in rows] == [text["id"] for text in invoices.texts[:3]]
    assert {row["status"] for row in rows} == {"ok"}
    assert all(row["cost"] is None for row in rows)
    page = Path("out.html").read_text("utf-8")
    assert "demo-careful" in page
    numbers = [row["record"]["number"] for row in rows if row["record"]["number"]]
    assert numbers
    assert not any(number in page for number in numbers)


def test_values_stand_in_the_page_where_asked(files: Path) -> None:
    assert run("--html", "out.html", "--values", models="demo-careful demo-hasty") == 0
    assert run("--jsonl", "out.jsonl", models="demo-careful demo-hasty") == 0
    page = Path("out.html").read_text("utf-8")
    numbers = {row["record"]["number"] for row in lines_of("out.jsonl")}
    assert any(number in page for number in numbers if number)


def test_a_bar_that_is_not_met_ends_with_1_and_says_which(files: Path, capsys) -> None:
    assert run("--truth", "truth", "--min-accuracy", "0", "--min-valid", "1") == 0
    Path("letter.txt").write_text("Invoice number: A-17")
    capsys.readouterr()
    assert run("--min-accuracy", "0.5", texts="letter.txt") == 1
    assert "accuracy 0.5 by demo-careful unknown" in told(capsys)
    assert run("--truth", "truth", "--min-accuracy", "1", models="demo") == 1
    assert "demo-hasty" in told(capsys)


def test_a_second_run_is_reused(files: Path, capsys) -> None:
    for _ in range(2):
        assert run("--journal", "journal.sqlite") == 0
    first, second = re.split("Scoreboard", capsys.readouterr().out)[1:]
    assert "already answered" not in first
    said = "3 texts were already answered and cost nothing now, paid before on"
    assert said in " ".join(second.split())


def test_repeats_and_instructions(files: Path) -> None:
    Path("ask.txt").write_text("Extract the fields.")
    assert run("--repeats", "2", "--instructions", "ask.txt", "--jsonl", "out.jsonl") == 0
    assert sorted(row["repeat"] for row in lines_of("out.jsonl")) == [0, 0, 0, 1, 1, 1]


def test_a_run_is_written_in_every_format(files: Path, capsys) -> None:
    names = {"--csv": "o.csv", "--jsonl": "o.jsonl", "--parquet": "o.parquet", "--html": "o.html",
             "--label-studio": "o.json", "--save": "run.json", "--excel": "o.xlsx",
             "--share": "share.html"}  # fmt: skip
    assert run("--truth", "truth", *(word for each in names.items() for word in each)) == 0
    printed = capsys.readouterr().out
    assert all(f"Wrote {name}" in printed for name in names.values())
    fields, loaded = pd.read_csv("o.csv"), lw.load("run.json")
    assert list(fields.columns) == list(loaded.to_frame().columns)
    assert len(fields) == len(pd.read_parquet("o.parquet")) == len(loaded.to_frame())
    assert len(fields) == len(pd.read_excel("o.xlsx"))
    assert "<mark" in Path("share.html").read_text("utf-8")
    assert "<mark" not in Path("o.html").read_text("utf-8")
    tasks = json.loads(Path("o.json").read_text("utf-8"))
    assert [each["data"]["id"] for each in tasks] == [row["text_id"] for row in lines_of("o.jsonl")]
    assert {each["predictions"][0]["model_version"] for each in tasks} == {"demo-careful"}
    assert run("--csv", "o.csv", "--label-studio", "./o.csv") == 2
    assert "--label-studio: o.csv is that of --csv too." in told(capsys)


@pytest.mark.parametrize(("option", "package"), [("parquet", "pyarrow"), ("excel", "openpyxl")])
def test_a_format_whose_package_is_missing_is_refused_before_a_call(
    files, capsys, monkeypatch, option: str, package: str
) -> None:
    monkeypatch.setattr("llmwidgets.report.writers.find_spec", lambda _: None)
    assert run(f"--{option}", "out", models="no-such-model") == 2
    assert f"pip install {package}" in told(capsys)


def test_one_server_is_compared_by_its_address_without_a_store(files, capsys, monkeypatch) -> None:
    monkeypatch.setenv("THE_KEY", "made-up-key-0001-of-a-server")
    words = ("compare", "--schema", "schema.json", "--texts", "texts.jsonl", "--journal", "none")
    with serving_models(record={"number": "A-17", "total": 1}) as server:
        here = ("--endpoint", f"{server.url}/v1", "--name", "org/m:1", "--api-key", "env:THE_KEY")
        assert main([*words, *here, "--jsonl", "out.jsonl"]) == 0
        assert {each.headers["authorization"] for each in server.seen} == {
            "Bearer made-up-key-0001-of-a-server"
        }
        assert {each.body["model"] for each in server.seen if each.method == "POST"} == {"org/m:1"}
        assert main([*words, *here, "--models", "demo-careful"]) == 0
    printed = capsys.readouterr()
    assert "A demo-careful" in printed.out
    assert "B org/m:1" in printed.out
    assert "made-up-key" not in printed.out + printed.err
    assert {row["variant"] for row in lines_of("out.jsonl")} == {"org/m:1"}


@pytest.mark.parametrize(
    "names", [["--name", "better", "--name", "worse"], ["--name", "better", "worse"]]
)
def test_several_models_of_one_server_are_compared(files, capsys, names: list[str]) -> None:
    words = ("compare", "--schema", "schema.json", "--texts", "texts.jsonl", "--journal", "none")
    with serving_models(record={"number": "A-17", "total": 1}) as server:
        here = ("--endpoint", f"{server.url}/v1", *names)
        assert main([*words, *here, "--jsonl", "out.jsonl"]) == 0
        asked = {each.body["model"] for each in server.seen if each.method == "POST"}
        assert main([*words, *here, "--name", "better"]) == 2
    assert asked == {row["variant"] for row in lines_of("out.jsonl")} == {"better", "worse"}
    assert "these variants have the same label: better" in told(capsys)


SHAPES = {
    "texts.csv": "id,text,number\na,Invoice number: A-17,A-17\nb,Invoice number: B-18,\n",
    "texts.json": json.dumps([{"id": "a", "text": "Invoice A-17"}, "Invoice B-18"]),
    "letter.txt": "Invoice number: A-17",
    "texts.tsv": "id\ttext\na\tInvoice number: A-17\nb\tInvoice number: B-18\n",
    "texts.ndjson": '{"ID": "a", "Text": "Invoice A-17"}\n{"ID": "b", "Text": "Invoice B-18"}\n',
}


@pytest.mark.parametrize("name", SHAPES)
def test_texts_of_every_shape(files: Path, name: str) -> None:
    Path(name).write_text(SHAPES[name], "utf-8")
    assert run("--jsonl", "out.jsonl", texts=name) == 0
    ids = [row["text_id"] for row in lines_of("out.jsonl")]
    known = {"texts.json": ["a", "text-02"], "letter.txt": ["letter"]}
    assert ids == known.get(name, ["a", "b"])


def test_a_folder_of_texts(files: Path) -> None:
    Path("letters").mkdir()
    for name in ("b.txt", "a.txt", "notes.md"):
        Path("letters", name).write_text(f"Invoice {name}")
    assert run("--jsonl", "out.jsonl", texts="letters") == 0
    assert [row["text_id"] for row in lines_of("out.jsonl")] == ["a", "b", "notes"]


TRUTHS = {
    "truth.json": lambda ids: json.dumps({ids[0]: {"number": "x"}}),
    "truth.jsonl": lambda ids: json.dumps({"id": ids[0], "number": "x"}) + "\n",
    "truth.csv": lambda ids: f"id,number,total\n{ids[0]},x,\n{ids[1]},,12.5\n",
}


@pytest.mark.parametrize("name", TRUTHS)
def test_truth_of_every_shape(files: Path, name: str, capsys) -> None:
    Path(name).write_text(TRUTHS[name]([text["id"] for text in invoices.texts[:3]]), "utf-8")
    texts = [{key: row[key] for key in ("id", "text")} for row in lines_of("texts.jsonl")]
    Path("texts.jsonl").write_text("\n".join(map(json.dumps, texts)))
    assert run("--truth", name) == 0
    assert "% right" in capsys.readouterr().out


def test_a_class_as_schema(files: Path) -> None:
    Path("fields.py").write_text(
        "from __future__ import annotations\nfrom pydantic import BaseModel\n"
        "class Invoice(BaseModel):\n    number: str | None\n"
    )
    words = ["compare", "--texts", "texts.jsonl", "--models", "demo-careful", "--journal", "none"]
    assert main([*words, "--schema", "fields.py:Invoice"]) == 0
    assert main([*words, "--schema", "llmwidgets.demo.invoices:Schema"]) == 0
    assert main([*words, "--schema", "fields.py:Other"]) == 2


def mistakes() -> dict[str, tuple[list[str], str]]:
    return {
        "no command": ([], "demo | lab | compare | show"),
        "an unknown command": (["compere"], "--help"),
        "no models": (["compare", "--schema", "schema.json", "--texts", "texts.jsonl"], "--models"),
        "a server alone": (["--endpoint", "http://127.0.0.1:9/v1"], "--name: Name is needed"),
        "a model without a server": (["--name", "m"], "--endpoint: is needed"),
        "a key in the shell": (["--api-key", "made-up-MANY-VALUE"], "shell's history"),
        "a key to be typed": (["--endpoint", "http://127.0.0.1:9/v1", "--name", "m", "--api-key"],
                              "nobody can be asked"),
        "a server in clear": (["--endpoint", "http://a.example/v1", "--name", "m"],
                              "http://a.example is plain http.*add custom --allow-plain-http"),
        "a share above 1": (["--min-accuracy", "90"], "between 0 and 1"),
        "no number": (["--budget", "much"], "much is not a number"),
        "no such texts": (["--texts", "nothing.jsonl"], "no file nothing.jsonl"),
        "no such schema": (["--schema", "nothing.json"], "no file nothing.json"),
        "no such truth": (["--truth", "nothing.csv"], "no file nothing.csv"),
        "no such key": (["--truth", "labels"], "no key or column labels"),
        "a bad line": (["--texts", "bad.jsonl"], "line 2"),
        "a line without text": (["--texts", "mute.jsonl"], "line 1 has no key text"),
        "a pdf": (["--texts", "claim.pdf"], "damaged"),
        "a pdf by another name": (["--texts", "claim.txt"], "damaged"),
        "no UTF-8": (["--texts", "latin.txt"], "UTF-8"),
        "an empty folder": (["--texts", "empty"], "no .txt"),
        "a broken schema": (["--schema", "bad.jsonl"], "bad.jsonl|JSON"),
        "an unknown model": (["--models", "demo-carefull"], "demo-careful"),
        "no store": (["--models", "openai/gpt-6-luna"], "openai/gpt-6-luna"),
        "no such organization": (["--organization", "acme"], r'exist yet.*Store\.create\("acme"\)'),
        "a schema in Python": (["--schema", "fields.py"], "is Invoice.*fields.py:Invoice"),
        "a text as journal": (["--journal", "texts.jsonl"], "texts.jsonl is a file of another"),
        "a table with a fault": (["--texts", "bad.csv"], "bad.csv, line 3 has 3 cells"),
        "another name": (["--texts", "other.csv"], r'it has id, body.*columns=\{"body": "text"\}'),
        "a Word file": (["--texts", "claim.docx"], "pandoc"),
        "a fault of JSON": (["--texts", "bad.json"], "bad.json.*line 302, character 14"),
        "a fault of a schema": (["--schema", "bad.json"], "bad.json.*line 302, character 14"),
        "a fault of truth": (["--truth", "bad.json"], "bad.json.*line 302, character 14"),
        "a refused truth": (["--truth", "wrong.json"], "total"),
        "a place that cannot be written": (["--html", "texts.jsonl/out.html"], "cannot be written"),
    }  # fmt: skip


@pytest.mark.parametrize("name", mistakes())
def test_a_mistake_is_one_line_and_ends_with_2(files: Path, capsys, name: str) -> None:
    Path("bad.jsonl").write_text('{"text": "a"}\n{"text": \n')
    Path("mute.jsonl").write_text('{"body": "a"}\n')
    Path("claim.pdf").write_bytes(b"%PDF-1.7\n\xff\xfe")
    Path("claim.txt").write_bytes(b"%PDF-1.7\n1 0 obj")
    Path("latin.txt").write_bytes("Gruß".encode("latin-1"))
    Path("empty").mkdir()
    Path("fields.py").write_text("class Invoice: ...\n")
    Path("bad.csv").write_text("id,text\n1,a\n2,b,c\n")
    Path("other.csv").write_text("id,body\n1,Invoice A-17\n")
    Path("claim.docx").write_bytes(b"PK\x03\x04")
    rows = "".join(f'  {{"id": "{at}", "text": "t"}},\n' for at in range(300))
    Path("bad.json").write_text(f'[\n{rows}  {{"id": "z" "text": "t"}}\n]\n')
    Path("wrong.json").write_text(json.dumps({invoices.texts[0]["id"]: {"total": "MANY-VALUE"}}))
    words, said = mistakes()[name]
    status = (
        main(words) if name.startswith(("no command", "an unknown c", "no models")) else run(*words)
    )
    assert status == 2
    line = told(capsys)
    assert re.search(said, line)
    assert "MANY-VALUE" not in line
    assert Path("texts.jsonl").is_file()
    assert "Traceback" not in line


def test_a_dead_endpoint_is_a_row_and_no_traceback(
    files: Path, capsys, monkeypatch, closed_port
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-made-up-key-000000000")
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{closed_port}/v1")
    assert run("--jsonl", "out.jsonl", "--min-valid", "1", models="openai/gpt-6-luna") == 1
    assert {row["status"] for row in lines_of("out.jsonl")} == {"Unreachable"}
    assert "valid 1 by openai/gpt-6-luna 0.000" in told(capsys)


@pytest.mark.parametrize("beside", [(), ("demo-careful",)])
def test_a_model_that_answered_nothing_at_all_is_not_fine(
    files: Path, capsys, monkeypatch, beside, closed_port
) -> None:
    """Without any bar: a build whose connection is dead has compared nothing."""
    monkeypatch.setenv("OPENAI_API_KEY", "sk-made-up-key-000000000")
    monkeypatch.setenv("OPENAI_BASE_URL", f"http://127.0.0.1:{closed_port}/v1")
    options = ("--models", "openai/gpt-6-luna", *beside, "--junit", "bars.xml")
    words = ("compare", "--schema", "schema.json", "--texts", "texts.jsonl", "--journal", "none")
    assert main([*words, *options]) == 1
    out, said = capsys.readouterr()
    assert "Not met: any answer from openai/gpt-6-luna (3 unreachable)." in said
    assert "openai/gpt-6-luna: Nothing is listening at http://127.0.0.1" in said
    assert "Nothing is listening" not in out  # said once
    report = Path("bars.xml").read_text()
    assert (report.count("<failure"), "no answer: 3 unreachable" in report) == (1, True)


def test_an_estimate_says_what_is_answered_before(files: Path, capsys) -> None:
    words = ("--journal", "j.sqlite")
    assert run(*words, "--estimate") == 0
    assert "answered before" not in capsys.readouterr().out
    assert not Path("j.sqlite").exists()
    assert run(*words) == 0
    capsys.readouterr()
    assert run(*words, "--estimate") == 0
    assert capsys.readouterr().out == "3 of 3 answered before: nothing to ask.\n"


def test_what_failed_in_part_is_told_under_the_table(files: Path, capsys) -> None:
    """No bar is missed by it, so that no line on stderr says it."""
    with serving_models() as server:
        server.record, server.fault = {"number": "1", "total": 1}, "money"
        server.faulty = lines_of("texts.jsonl")[1]["truth"]["number"]
        options = ("--endpoint", f"{server.url}/v1", "--name", "m-1", "--journal", "none")
        words = ("compare", "--schema", "schema.json", "--texts", "texts.jsonl")
        assert main([*words, *options]) == 0
    out, said = capsys.readouterr()
    assert said == ""
    assert " ".join(out.split()).count("has no credit or quota left.") == 1
    assert "billing page" in out


def test_a_key_of_another_vendor_is_a_row_for_each_text(files: Path, capsys, monkeypatch) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-proj-" + "0a" * 20)
    monkeypatch.delenv("ANTHROPIC_BASE_URL", raising=False)
    assert run("--jsonl", "out.jsonl", models="anthropic/claude-sonnet-5-5") == 1
    assert {row["status"] for row in lines_of("out.jsonl")} == {"Unauthorized"}
    assert "(3 unauthorized)" in told(capsys)


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("openai/gpt-6-lunna", r"nearest is openai/gpt-6-luna\. OpenAI is not connected"),
        ("dmo", r"nearest is demo\."),
        ("demo-carefull", r"nearest is demo-careful\."),
    ],
)
def test_a_misspelt_model_is_told_with_the_nearest(
    files: Path, capsys, monkeypatch, reference, said
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert run(models=reference) == 2
    assert re.search(said, told(capsys))


def test_a_budget_that_is_too_small_ends_with_1(files: Path, capsys, monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-made-up-key-000000000")
    monkeypatch.setenv("OPENAI_BASE_URL", demo_url())
    assert run("--budget", "0", "--jsonl", "out.jsonl", models="openai/gpt-6-luna") == 1
    assert {row["status"] for row in lines_of("out.jsonl")} == {"OverBudget"}
    assert "budget 0 US$, 3 of 3 calls were left out" in told(capsys)


def test_an_interrupt_writes_what_is_there_and_ends_with_130(files: Path) -> None:
    """Ctrl-C during a long run of a real process."""
    rows = [{"text": f"Invoice number: A-{at}\n" + "word " * 400} for at in range(3000)]
    Path("many.jsonl").write_text("\n".join(map(json.dumps, rows)))
    process = subprocess.Popen(
        [
            sys.executable, "-u", "-m", "llmwidgets", "compare", "--schema", "schema.json",
            "--texts", "many.jsonl", "--models", "demo-careful", "--journal", "j.sqlite",
            "--jsonl", "out.jsonl",
        ],
        env={**os.environ, "PYTHONPATH": str(ROOT)}, stdout=subprocess.PIPE,
        stderr=subprocess.PIPE, text=True,
    )  # fmt: skip
    try:
        while process.poll() is None and _answered(Path("j.sqlite")) <= 3:
            time.sleep(0.05)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
        process.wait()
    assert process.returncode == 130, err
    assert "Traceback" not in err
    assert "Interrupted; what was answered is kept." in err
    statuses = [row["status"] for row in lines_of("out.jsonl")]
    assert len(statuses) == 3000
    assert statuses.count("ok") > 3
    assert statuses.count("Stopped") > 0
    assert "stopped" in out


def _answered(path: Path) -> int:
    import sqlite3

    if not path.exists():
        return 0
    database = sqlite3.connect(f"file:{path}?mode=ro", uri=True)
    try:
        return database.execute("SELECT count(*) FROM extraction").fetchone()[0]
    except sqlite3.Error:
        return 0
    finally:
        database.close()


def test_the_insurance_claims_add_up(shared_data: Path, tmp_path: Path, capsys) -> None:
    """30 real claims × every demo model: one class each, and the totals add up."""
    folder = shared_data / "insurance-claims"
    out = tmp_path / "out.jsonl"
    status = main(
        [
            "compare", "--schema", str(folder / "schema.json"), "--texts",
            str(folder / "claims.jsonl"), "--truth", "truth", "--models", "demo", "--jsonl",
            str(out), "--journal", "none",
        ]
    )  # fmt: skip
    assert status == 0
    rows = [json.loads(line) for line in out.read_text("utf-8").splitlines()]
    models = {row["variant"] for row in rows}
    assert len(models) >= 3
    assert len(rows) == 30 * len(models)
    assert len({(row["variant"], row["text_id"]) for row in rows}) == len(rows)
    printed = " ".join(capsys.readouterr().out.split())
    for model in models:
        mine = [row for row in rows if row["variant"] == model]
        ok = sum(row["status"] == "ok" for row in mine)
        assert f"{ok} of 30" in printed
        assert all((row["record"] is not None) == (row["status"] == "ok") for row in mine)


def test_what_a_csv_of_ours_marks_is_read_as_it_was(tmp_path: Path) -> None:
    """By the shell and by the panel, in the head as well."""
    rows = [{"text": "=1+1; and more", "truth": "@Ada"}, {"text": "'=quoted", "truth": "-5"}]
    path = write_csv(pd.DataFrame(rows), tmp_path / "marked.csv")
    assert "'=1+1" in path.read_text("utf-8")
    assert read_texts(path) == rows
    assert read_uploads([(path.name, path.read_bytes())]) == rows


def test_a_column_of_one_field_is_its_truth(files: Path, capsys) -> None:
    """A German Excel's table: Windows-1252, semicolons, decimal commas; the output says so."""
    rows = [f'{text["id"]};"{text["text"]}";1.2{at},50' for at, text in enumerate(invoices.texts)]
    table = "ID;Text;total\n" + "\n".join(rows[:3]).replace("1.2", "1.23")
    Path("table.csv").write_bytes(table.encode("cp1252", "replace"))
    assert run("--truth", "total", texts="table.csv") == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "Decimal commas were read in the truth of total." in printed
    assert "% right" in printed
    assert run("--truth", "Total", texts="table.csv") == 2
    assert "it has id, text, total." in told(capsys)


# -- Slices, groups, blanks.


def table(path: str, rows: list[dict]) -> None:
    pd.DataFrame(rows).to_csv(path, index=False)


ROWS = [
    {"id": f"t{n}", "text": f"Invoice {n}, total {n} EUR", "vendor": "ACME" if n % 3 else "NORDA",
     "total": n if n else None, "mail": n // 2}
    for n in range(6)
]  # fmt: skip


def test_a_table_prints_the_scoreboard_for_each_value_of_a_column(files, capsys) -> None:
    table("texts.csv", ROWS)
    assert run("--by", "vendor", "--truth", "total", texts="texts.csv") == 0
    printed = capsys.readouterr().out
    assert "By vendor" in printed
    assert re.search(r"ACME +demo-careful .* 4 of 4 ", printed)
    assert re.search(r"NORDA +demo-careful .* 1 of 2 ", printed)
    assert "Too few texts to tell, under 10: ACME (4 texts), NORDA (1 text)." in printed


@pytest.mark.parametrize("by", ["vendr", "total", "text"])
def test_an_unknown_column_is_a_mistake_before_anything_is_asked(files, capsys, by: str) -> None:
    """The key of the truth is truth, and no column to slice by."""
    table("texts.csv", ROWS)
    assert run("--by", by, "--truth", "total", texts="texts.csv", models="no-such-model") == 2
    said = told(capsys)
    assert f"no column or key {by}" in said
    assert "Name one of vendor, mail." in said


def test_groups_and_blanks_are_those_of_compare(files, capsys) -> None:
    table("texts.csv", ROWS)
    more = ("--truth", "total", "--group", "mail", "--blank", "null")
    assert run(*more, "--by", "mail", "--jsonl", "out.jsonl", texts="texts.csv") == 0
    printed = capsys.readouterr().out
    assert "6 texts in 3 groups" in printed
    assert re.search(r"By group[^%]+% right", printed)
    assert re.search(r" 0 +demo-careful .* 2 of 2 ", printed), "the blank label is: no value"
    assert len(lines_of("out.jsonl")) == 6
    assert run("--group", "mial", texts="texts.csv") == 2
    assert "Did you mean mail?" in told(capsys)
    assert run("--blank", "zero", texts="texts.csv") == 2
    assert "blank" in told(capsys)


def test_an_estimate_of_a_vendor_needs_no_connection(files, capsys) -> None:
    assert run("--estimate", models="openai/gpt-6-luna") == 0
    printed = capsys.readouterr().out
    assert "3 calls" in printed
    assert "api.openai.com" in printed
    assert run("--estimate", models="openai/no-such-model") == 2
