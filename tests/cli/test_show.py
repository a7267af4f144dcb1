"""llmwidgets show: what was saved, shown and written to other files without a model or a key."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

import llmwidgets as lw
from llmwidgets.cli import main
from llmwidgets.cli.arguments import OutputOptions
from llmwidgets.cli.compare import _WRITERS

SCHEMA = [{"name": "total", "type": "number"}]
TEXTS = [
    {"id": "one", "text": "Total: 12.5", "vendor": "ACME"},
    {"id": "two", "text": "Total: 7", "vendor": "Rossi"},
]
OUTPUTS = {"A": [{"total": 12.5}, {"total": 7}], "B": [{"total": 12.5}, {"total": 99.25}]}
TRUTH = [{"total": 12.5}, {"total": 7}]
ENDINGS = {"excel": ".xlsx", "share": ".html", "label_studio": ".json"}


@pytest.fixture
def saved(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> lw.Comparison:
    """A comparison of outputs, saved as run.json in the folder."""
    monkeypatch.chdir(tmp_path)
    result = lw.Comparison.from_outputs(SCHEMA, TEXTS, OUTPUTS, TRUTH)
    result.save("run.json")
    return result


def told(capsys: pytest.CaptureFixture[str]) -> str:
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_it_shows_the_scores_and_the_verdict(saved, capsys) -> None:
    assert main(["show", "run.json"]) == 0
    out = " ".join(capsys.readouterr().out.split())
    for words in ("Scoreboard", "100.0", "50.0", "1 field, 2 texts, 2 variants"):
        assert words in out


def test_every_file_is_the_one_that_the_comparison_writes(saved, capsys) -> None:
    words = []
    for name in _WRITERS:
        path = f"shown_{name}{ENDINGS.get(name, f'.{name}')}"
        words += [f"--{name.replace('_', '-')}", path]
    assert main(["show", "run.json", *words]) == 0
    out = capsys.readouterr().out
    assert out.count("Wrote shown_") == len(_WRITERS)
    loaded = lw.load("run.json")
    same = {
        "csv": loaded.to_csv("csv"), "html": loaded.to_html("html"),
        "share": loaded.to_html("share", values=True, texts=True),
        "label_studio": loaded.to_label_studio("studio"),
    }  # fmt: skip
    for name, path in same.items():
        written = Path(f"shown_{name}{ENDINGS.get(name, f'.{name}')}")
        assert written.read_bytes() == path.read_bytes(), name
    rows = [json.loads(line) for line in Path("shown_jsonl.jsonl").read_text().splitlines()]
    assert [(row["variant"], row["record"]) for row in rows if row["text_id"] == "two"] == [
        ("A", {"total": 7}), ("B", {"total": 99.25}),
    ]  # fmt: skip
    assert "99.25" not in Path("shown_html.html").read_text("utf-8")


def test_values_are_in_the_page_where_asked(saved) -> None:
    assert main(["show", "run.json", "--html", "page.html", "--values"]) == 0
    assert "99.25" in Path("page.html").read_text("utf-8")


def test_the_scoreboard_by_a_column(saved, capsys) -> None:
    assert main(["show", "run.json", "--by", "vendor"]) == 0
    out = capsys.readouterr().out
    assert "By vendor" in out
    assert "Rossi" in out
    assert main(["show", "run.json", "--by", "vendr"]) == 2
    assert "Did you mean vendor?" in told(capsys)


def test_no_store_is_opened_and_no_model_called(saved, monkeypatch) -> None:
    monkeypatch.setattr(
        "llmwidgets.store.repository.unlock_store", lambda *_: pytest.fail("it opened a store")
    )
    monkeypatch.setattr("socket.socket.connect", lambda *_: pytest.fail("it called somebody"))
    assert main(["show", "run.json", "--csv", "fields.csv"]) == 0


@pytest.mark.parametrize("words", [["--csv", "run.json"], ["--share", "./run.json"]])
def test_no_file_takes_the_place_of_the_run(saved, words: list[str], capsys) -> None:
    before = Path("run.json").read_bytes()
    assert main(["show", "run.json", *words]) == 2
    assert "is that of the run too" in told(capsys)
    assert Path("run.json").read_bytes() == before


def test_two_files_of_one_name_are_refused_before_any_is_written(saved, capsys) -> None:
    assert main(["show", "run.json", "--html", "one", "--csv", "one"]) == 2
    assert "--csv" in told(capsys)
    assert not Path("one").exists()


def test_what_is_no_saved_run_is_told(tmp_path: Path, monkeypatch, capsys) -> None:
    monkeypatch.chdir(tmp_path)
    Path("other.json").write_text("[]")
    for name, said in (("other.json", "is not a saved comparison"), ("none.json", "No such file")):
        assert main(["show", name]) == 2
        assert said in told(capsys)


def test_compare_and_show_write_the_same_kinds_of_files() -> None:
    assert set(_WRITERS) | {"by", "values"} == {*OutputOptions.__dataclass_fields__}


@pytest.mark.skipif(os.name == "nt", reason="no pipes by name")
def test_a_run_can_come_through_a_pipe(saved, capsys) -> None:
    read, write = os.pipe()
    data = Path("run.json").read_bytes()
    assert len(data) < 60_000, "it fits into the pipe"
    os.write(write, data)
    os.close(write)
    try:
        assert main(["show", f"/dev/fd/{read}"]) == 0
    finally:
        os.close(read)
    assert "1 field, 2 texts, 2 variants" in " ".join(capsys.readouterr().out.split())
