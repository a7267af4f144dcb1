"""Pipes and devices in place of files: read to their end, once; never written to."""

from __future__ import annotations

import json
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import llmwidgets as lw
from llmwidgets import errors
from llmwidgets.cli import main
from llmwidgets.comparison.files import read_document, read_labels, read_texts
from llmwidgets.demo import stop_demo
from llmwidgets.errors import FieldError
from llmwidgets.report.writers import refuse_unwritable, write_text
from llmwidgets.schemas import read_schema

pytestmark = pytest.mark.skipif(not os.path.exists("/dev/fd"), reason="no pipes by name here")

ROWS = [
    {"id": "one", "text": "Total: 12.5", "total": 12.5},
    {"id": "two", "text": "Total: 7", "total": 7},
]
LINES = "\n".join(map(json.dumps, ROWS)) + "\n"
SCHEMA = json.dumps({"type": "object", "properties": {"total": {"type": ["number", "null"]}}})


@pytest.fixture(scope="module", autouse=True)
def demo():
    yield
    stop_demo()


@contextmanager
def piped(data: str | bytes) -> Iterator[str]:
    """The name of a pipe that brings this, as a shell's <(…) is one."""
    read, write = os.pipe()
    whole = data.encode() if isinstance(data, str) else data

    def send() -> None:
        with os.fdopen(write, "wb") as file:
            file.write(whole)

    sender = threading.Thread(target=send)
    sender.start()
    try:
        yield f"/dev/fd/{read}"
    finally:
        os.close(read)
        sender.join()


def parquet() -> bytes:
    file = BytesIO()
    pd.DataFrame(ROWS).to_parquet(file)
    return file.getvalue()


def excel() -> bytes:
    file = BytesIO()
    pd.DataFrame(ROWS).to_excel(file, index=False)
    return file.getvalue()


TABLES: dict[str, Any] = {
    "JSON lines": lambda: LINES,
    "a list": lambda: json.dumps(ROWS),
    "a list, written out": lambda: json.dumps(ROWS, indent=2),
    "CSV": lambda: pd.DataFrame(ROWS).to_csv(index=False),
    "CSV of a spreadsheet": lambda: "\ufeff" + pd.DataFrame(ROWS).to_csv(index=False, sep=";"),
    "tabs": lambda: pd.DataFrame(ROWS).to_csv(index=False, sep="\t"),
    "Parquet": parquet,
    "Excel": excel,
}


@pytest.mark.parametrize("name", TABLES)
def test_a_table_is_told_by_how_it_begins(name: str) -> None:
    with piped(TABLES[name]()) as path:
        rows = read_texts(path)
    assert [(row["id"], row["text"], float(row["total"])) for row in rows] == [
        ("one", "Total: 12.5", 12.5), ("two", "Total: 7", 7),
    ]  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        "Total: 12, text",
        "Dear Sir,\nthe text, as agreed",
        "[Page 1] Total",
        "total;text",
        "12,5",
    ],
)
def test_what_is_no_table_is_one_text(text: str) -> None:
    with piped(text) as path:
        assert [dict(row) for row in read_texts(path)] == [{"id": "stdin", "text": text}]


def test_one_object_is_one_row() -> None:
    with piped(json.dumps(ROWS[0], indent=1)) as path:
        assert [row["id"] for row in read_texts(path)] == ["one"]


def test_instructions_are_a_text_whatever_they_begin_with() -> None:
    with piped('{"text": "be short"}\n{"text": 1}') as path:
        assert read_document(path) == '{"text": "be short"}\n{"text": 1}'


def test_truth_and_schema_come_through_a_pipe() -> None:
    with piped(json.dumps({"one": {"total": 1}})) as path:
        assert read_labels(path)[0] == {"one": {"total": 1}}
    with piped(SCHEMA) as path:
        assert read_schema(Path(path)).json == json.loads(SCHEMA)
    with pytest.raises(FieldError, match="There is no schema file"):
        read_schema(Path("/dev/fd"))


def test_a_pipe_with_a_name_is_waited_for_and_told_by_its_suffix(tmp_path: Path) -> None:
    pipe = tmp_path / "texts.jsonl"
    os.mkfifo(pipe)
    writer = threading.Thread(target=lambda: pipe.write_text(LINES))
    writer.start()
    assert len(read_texts(pipe)) == 2
    writer.join()


def test_one_that_does_not_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(errors, "_STREAM", 3_000_000)
    for read in (read_texts, read_labels, lambda path: read_schema(Path(path)), lw.load):
        with pytest.raises(FieldError, match="brings more than 3"):
            read("/dev/zero")


# -- In the shell.


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    Path("schema.json").write_text(SCHEMA)
    Path("texts.jsonl").write_text(LINES)
    return tmp_path


def run(*more: str, schema: str = "schema.json", texts: str = "texts.jsonl") -> int:
    words = ["compare", "--schema", schema, "--texts", texts, "--models", "demo-careful"]
    return main([*words, "--journal", "none", *more])


def scored(path: str) -> int:
    """How many values were scored in a table that a comparison wrote."""
    return int(pd.read_csv(path)["right"].notna().sum())


@pytest.mark.parametrize("truth", ["total", "the same"])
def test_texts_with_their_truth_come_through_one_pipe(files, truth: str) -> None:
    with piped(LINES) as path:
        assert (
            run("--truth", path if truth == "the same" else truth, "--csv", "out.csv", texts=path)
            == 0
        )
    assert scored("out.csv") == 2


def test_truth_schema_and_an_earlier_run_come_through_pipes_of_their_own(files, capsys) -> None:
    truth = json.dumps({"one": {"total": 12.5}, "two": {"total": 7}})
    with piped(SCHEMA) as schema, piped(truth) as labels:
        assert run("--truth", labels, "--csv", "out.csv", "--save", "run.json", schema=schema) == 0
    assert scored("out.csv") == 2
    with piped(Path("run.json").read_bytes()) as earlier:
        assert run("--truth", "total", "--not-worse-than", earlier, "--margin", "1") in (0, 1)
    assert "Since" in capsys.readouterr().out


@pytest.fixture(params=["a pipe", "a link to a device", "a link as /dev/stdout is one"])
def no_file(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Path]:
    """What a file must not take the place of. No device itself: root could replace it."""
    path = tmp_path / "target.csv"
    with (tmp_path / "open.txt").open("w") as opened:
        if request.param == "a pipe":
            os.mkfifo(path)
        else:
            device = request.param == "a link to a device"
            path.symlink_to("/dev/null" if device else f"/proc/self/fd/{opened.fileno()}")
        yield path


def test_nothing_is_written_in_place_of_a_pipe_or_a_device(no_file: Path) -> None:
    before = stat.S_IFMT(no_file.lstat().st_mode)
    for write in (refuse_unwritable, lambda path: write_text(path, "words")):
        with pytest.raises(FieldError, match="is a pipe or a device"):
            write(no_file)
    assert stat.S_IFMT(no_file.lstat().st_mode) == before
    assert not [each for each in no_file.parent.iterdir() if each.name.endswith(".part")]


def test_the_shell_says_so_before_anything_is_asked(files, no_file: Path, capsys) -> None:
    assert run("--csv", str(no_file)) == 2
    told = capsys.readouterr()
    assert "is a pipe or a device" in told.err
    assert told.out == ""
