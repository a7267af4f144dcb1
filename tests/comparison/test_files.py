"""Texts and truth out of real files: every spelling of a table, or a refusal with its line."""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import io
import json
import os
import re
import sys
from pathlib import Path

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from openpyxl import Workbook

import llmwidgets as lw
from llmwidgets import ComparisonPanel, compare, extract
from llmwidgets.comparison import Comparison
from llmwidgets.comparison import files as reading
from llmwidgets.comparison.files import read_labels, read_texts, read_uploads
from llmwidgets.comparison.texts import read_sources
from llmwidgets.errors import FieldError, read_json
from llmwidgets.report.writers import safe_cell
from llmwidgets.schemas import read_schema

SCHEMA = {"type": "object", "properties": {"city": {"type": ["string", "null"]}}}


@pytest.fixture(autouse=True)
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def written(name: str, data: str | bytes) -> Path:
    path = Path(name)
    path.write_bytes(data if isinstance(data, bytes) else data.encode())
    return path


def texts_of(given) -> list[tuple[str, str]]:
    return [(each.id, each.text) for each in read_sources(given)]


def refusal(given) -> str:
    with pytest.raises(FieldError) as caught:
        read_sources(given)
    assert caught.value.hint
    return str(caught.value)


HALLO = [("1", "Hallo")]
ROWS = '{"id": "1", "text": "Hallo"}\n'
SPELLINGS = {
    "comma.csv": "id,text\n1,Hallo\n",
    "semicolon.csv": "id;text;total\r\n1;Hallo;12,5\r\n",
    "tab.csv": "id\ttext\r\n1\tHallo\r\n",
    "bar.csv": "id|text\n1|Hallo\n",
    "sep.csv": "sep=;\r\nid;text\r\n1;Hallo\r\n",
    "SEP.csv": '"SEP=|"\r\nid|text\r\n1|Hallo\r\n',
    "sep, saved again.csv": "sep=;;;\r\nid;text;n\r\n1;Hallo;\r\n",
    "sep of a Mac.csv": "sep=;\rid;text\r1;Hallo\r",
    "blanks.csv": "id, text\n1, Hallo\n",
    "names.csv": "ID,Text\n1,Hallo\n",
    "blank names.csv": " Id ;\xa0TEXT \n1;Hallo\n",
    "commas in a name.csv": 'id;text;"a, b, c, d"\n1;Hallo;x\n',
    "commas beside one semicolon.csv": "Betrag, netto;text;id\n1;Hallo;1\n",
    "a line end in a name.csv": '"id";"text";"sum\nof all"\n1;Hallo;x\n',
    "Mac.csv": "id,text\r1,Hallo\r",
    "empty columns.csv": "id;text;;\r\n1;Hallo;;\r\n;;;\r\n",
    "an index.csv": ",text,id\n0,Hallo,1\n",
    "blank lines.csv": "\n\nid,text\n\n1,Hallo\n\n",
    "no end.csv": "id,text\n1,Hallo",
    "BOM.csv": "\ufeffid,text\n1,Hallo\n",
    "UPPER.CSV": "id,text\n1,Hallo\n",
    "x.tsv": "id\ttext\n1\tHallo\n",
    "x.tab": "id\ttext\n1\tHallo\n",
    "commas.tsv": "id,text\n1,Hallo\n",
    "excel.txt": "id\ttext\r\n1\tHallo\r\n",
    "x.jsonl": ROWS,
    "x.ndjson": ROWS,
    "names.jsonl": '{" Id": 1, "TEXT": "Hallo"}\n',
    "x.json": f"[{ROWS}]",
    "one.json": ROWS,
}


@pytest.mark.parametrize("name", SPELLINGS)
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be"])
def test_every_spelling_of_a_table_is_read(name: str, encoding: str) -> None:
    mark = "\ufeff" if encoding.endswith("e") and not SPELLINGS[name].startswith("\ufeff") else ""
    data = f"{mark}{SPELLINGS[name]}".encode(encoding)
    assert texts_of(written(name, data)) == HALLO
    assert read_uploads([(name, data)]) == read_texts(name)
    if not name.endswith(".txt"):
        assert texts_of(written(f"{name}.gz", gzip.compress(data))) == HALLO
        assert texts_of(name) == texts_of([Path(name)]) == HALLO


CELLS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=8)
# Eight letters beyond ASCII beside seventeen: a table that is mostly beyond is in another encoding.
WESTERN = st.text("abcdeßéöÜ ,;|\t\"'\r\n ", max_size=8).map("Hallo alle zusammen {}".format)
TEXTS = st.lists(st.tuples(CELLS, CELLS.filter(str.strip)), min_size=1, max_size=5)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
@given(st.data())
@settings(
    max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_every_table_comes_back(encoding: str, separator: str, data) -> None:
    """Whatever its cells, in each dialect and encoding; those like a formula are marked."""
    cells = TEXTS if encoding != "cp1252" else st.lists(st.tuples(WESTERN, WESTERN), min_size=1)
    rows = data.draw(cells)
    quoting = data.draw(st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL]))
    table = io.StringIO(newline="")
    writer = csv.writer(table, delimiter=separator, quoting=quoting)
    writer.writerows([("note", "text"), *(map(safe_cell, row) for row in rows)])
    written("table.csv", table.getvalue().encode(encoding))
    assert [(row["note"], row["text"]) for row in read_texts("table.csv")] == rows
    frame, _ = read_labels("table.csv")
    assert list(frame.itertuples(index=False, name=None)) == rows


WRONG = {
    "a cell too many": ("x.csv", "id,text\n1,a\n2,Hello, world\n", "line 3 has 3 cells"),
    "a cell too few": ("x.csv", "id,text,n\n1,a,3\n2,Hello\n", "line 3 has 2 cells"),
    "an open quote": ("x.csv", 'id,text\n1,a\n2,"Hello\n3,b\n', "line 3 has a quote"),
    "a quote in the middle": ("x.csv", 'id,text\n1,"a"b\n', "line 2 has a quote"),
    "an open quote in the header": ("x.csv", '"id,text\n1,a\n', "line 1 has a quote"),
    "a column twice": ("x.csv", "id,text,text\n1,a,b\n", "line 1 has the column text twice"),
    "twice, below sep": ("x.csv", "sep=;\nid;id\n", "line 2 has the column id twice"),
    "an empty header": ("x.csv", ",,\n1,a,b\n", "line 1 is empty"),
    "an empty file": ("x.csv", "", "line 1 is empty"),
    "a header alone": ("x.csv", "id,text\n", "has no rows"),
    "NUL": ("x.csv", "id,text\n1,a\n2,b\0\n", "line 3 contains a NUL"),
    "two texts": ("x.csv", "Text,TEXT\na,b\n", "x.csv has Text and TEXT"),
    "no text": ("x.csv", "id;body\n1;Hallo Welt\n", "has no column text; it has id, body"),
    "no text at all": ("x.csv", "a,b\n1,2\n", "it has a, b"),
    "a line": ("x.jsonl", '{"text": "a"}\n\n{"text" "b"}\n', "line 3, character 9 on"),
    "a cut line": ("x.jsonl.gz", gzip.compress(b'{"text": "a"}\n{"te'), "line 2, character 2"),
    "a key twice": ("x.jsonl", '{"text": "a"}\n{"text": "a", "text": "b"}', "line 2: an object"),
    "a line without text": ("x.jsonl", '{"text": "a"}\n{"body": "b"}', "line 2 has no key text"),
    "a line that is a number": ("x.jsonl", '{"text": "a"}\n7', "line 2 is not a row"),
    "an entry": ("x.json", '[\n{"text": "a"},\n{"text": }\n]', "line 3, character 10 on"),
    "too deep": ("x.json", "[" * 100_000, "nested too deeply"),
    "a long number": ("x.json", "9" * 5000, "too many digits"),
    "another alphabet": ("x.csv", "id,text\n1,Привет\n".encode("cp1251"), "is not UTF-8"),
    "Japanese": ("x.csv", "id,text\n1,日本語です\n".encode("shift-jis"), "is not UTF-8"),
    "half of a letter": ("x.csv", "id,text\n1,Größe\n".encode()[:-3], "is not UTF-8"),
    "bytes": ("x.csv", b"\x80\x05id,text\n\x01", "is not UTF-8"),
    "half of UTF-16": ("x.csv", "id,text".encode("utf-16")[:-1], "is not UTF-8"),
    "cut": ("x.csv.gz", gzip.compress(b"id,text\n1,a\n")[:-4], "cannot be unpacked"),
    "no gzip": ("x.csv.gz", b"\x1f\x8b", "cannot be unpacked"),
    "a PDF": ("x.csv", b"%PDF-1.7", "Call it .pdf"),
    "a workbook by another name": ("x.csv", b"PK\x03\x04", "is a zip file"),
    "a workbook that is none": ("x.xlsx", b"PK\x03\x04<worksheet/>", "as an Excel workbook"),
    "a Parquet file that is none": ("x.parquet", b"PAR1", "as a Parquet file"),
    "Word": ("x.docx", b"PK\x03\x04", "pandoc x.docx -t plain -o x.txt"),
    "a locked workbook": ("x.xlsx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "without a password"),
    "an old workbook": ("x.xls", b"\xd0\xcf\x11\xe0", 'pd.read_excel("x.xls")'),
    "OpenDocument": ("x.ods", b"PK\x03\x04", "OpenDocument table"),
    "a picture": ("x.png", b"\x89PNG", "tesseract x.png x"),
    "zip": ("x.zip", b"PK\x03\x04", "packed file"),
    "a text of Windows": ("x.txt", "Gruß".encode("cp1252"), 'read_text("cp1252")'),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_may_be_read_wrongly_is_refused_with_its_place(name: str) -> None:
    file, data, said = WRONG[name]
    words = refusal(written(file, data))
    assert said in words
    assert file in words


def test_the_line_that_renames_is_whole(here) -> None:
    """What the message offers runs, and its table is read."""
    for name, data in {
        "x.csv": "id;note;body\n1;a;Hallo\n",
        "x.jsonl": '{"id": "1", "note": "a", "body": "Hallo"}\n',
        "x.json": '[{"id": "1", "note": "a", "body": "Hallo"}]',
    }.items():
        line = refusal(written(name, data)).rpartition("so: ")[2].removesuffix(".")
        assert texts_of(eval(line, {"pd": pd})) == HALLO
    frame = pd.DataFrame({"id": ["1"], "note": ["a"], "body": ["Hallo"]})
    line = refusal(frame).rpartition("documents: ")[2].removesuffix(".")
    assert texts_of(eval(line, {"texts": frame})) == HALLO
    rows = frame.to_dict("records")
    line = refusal(rows).rpartition("key: texts = ")[2].removesuffix(".")
    assert texts_of(eval(line, {"texts": rows})) == HALLO
    assert 'columns={0: "text"}' in refusal(pd.DataFrame([["Hallo"]]))


@pytest.mark.parametrize("names", [("Text", "ID"), (" text", "id "), ("TEXT", "\ufeffId")])
def test_names_differ_in_case_and_blanks(names) -> None:
    text, name = names
    row = {name: "7", text: "Hallo", "Truth ": {"city": "Bonn"}}
    for given_ in ([row], pd.DataFrame([row]), written("x.jsonl", json.dumps(row))):
        (source,) = read_sources(given_)
        assert (source.id, source.text, source.truth) == ("7", "Hallo", {"city": "Bonn"})
    assert texts_of({name: "7", text: "Hallo"}) == [("7", "Hallo")]
    exact = [{"text": "a", "Text": "b", "id": 1, "ID": 2}]
    for given_ in (exact, pd.DataFrame(exact)):
        assert texts_of(given_) == [("1", "a")]
    unclear = [{"Text": "a", "TEXT": "b"}]
    for given_ in (unclear, pd.DataFrame(unclear)):
        assert "has Text and TEXT" in refusal(given_)


def test_a_column_twice_in_a_frame_is_refused() -> None:
    frame = pd.DataFrame([["a", "b"]], columns=["text", "text"])
    assert "has the column text twice" in refusal(frame)


def test_a_table_with_more_letters_beyond_ascii_than_half_of_the_others_is_not_western() -> None:
    """Sixteen of ASCII, those of the header among them, and eight or nine others."""
    western, other = (f"id;text\n1;Grrrrrrüsse{'é' * many}\n".encode("cp1252") for many in (7, 8))
    assert texts_of(written("x.csv", western)) == [("1", f"Grrrrrrüsse{'é' * 7}")]
    assert "is not UTF-8" in refusal(written("x.csv", other))


def test_windows_1252_is_read_and_said(demo) -> None:
    rows = "id;text\r\n1;Grüße aus Köln – 5 € für alles\r\n"
    path = written("x.csv", rows.encode("cp1252"))
    labels = written("made.json", '{"1": {"city": "Köln"}}'.encode("cp1252"))
    made = Comparison.from_outputs(SCHEMA, {"1": "x"}, {"A": labels}, truth=labels)
    assert repr(made).count("made.json is not in UTF-8") == 1
    made = Comparison.from_outputs(SCHEMA, {"1": "x"}, {"A": labels})
    assert "made.json is not in UTF-8" in repr(made)
    assert texts_of(path) == [("1", "Grüße aus Köln – 5 € für alles")]
    result = compare(SCHEMA, path, demo, journal=False, progress=False)
    said = "x.csv is not in UTF-8 and was read as Windows-1252"
    assert said in repr(result)
    assert any(said in note for note in result.notes) or said in result._repr_html_()
    result.save("saved.json")
    from llmwidgets import load

    assert repr(load("saved.json")).count(said) == 1


@pytest.fixture(scope="module")
def demo():
    from llmwidgets.demo import stop_demo

    yield "demo-careful"
    stop_demo()


def test_what_names_a_file_is_read_wherever_texts_are_taken(demo) -> None:
    written("texts.csv", "id,text\n1,City: Bonn\n2,City: Rome\n")
    written("truth.csv", "ID,city\n2,Rome\n1,Bonn\n")
    written("truth.jsonl", '{"Id": 1, "city": "Bonn"}\n{"Id": 2, "truth": {"city": "Rome"}}\n')
    written("truth.json", '{"1": {"city": "Bonn"}, "2": {"city": "Rome"}}')
    written("rows.json", '[{"Id": 2.0, "city": "Rome"}, {"Id": 1.0, "city": "Bonn"}]')
    labels = [{"city": "Bonn"}, {"city": "Rome"}]
    for texts in ("texts.csv", Path("texts.csv"), [Path("texts.csv")]):
        for truth in ("truth.csv", Path("truth.jsonl"), "truth.json", "rows.json"):
            made = Comparison.from_outputs(SCHEMA, texts, {"A": labels}, truth=truth)
            assert [each.truth for each in made.texts] == labels
            panel = ComparisonPanel(SCHEMA, texts, truth=truth)
            assert [each.truth for each in panel._setup.documents] == labels
            assert panel._setup.problems == []
    written(
        "made.jsonl", '{"ID": 2, "output": "{\\"city\\": \\"Rome\\"}"}\n{"ID": 1, "city": "Bonn"}\n'
    )
    for outputs in ("made.jsonl", Path("made.jsonl"), Path("truth.json"), "truth.csv", "rows.json"):
        made = Comparison.from_outputs(SCHEMA, "texts.csv", {"A": outputs}, truth=labels)
        assert made.scoreboard()["accuracy"].tolist() == [1]
    result = compare(SCHEMA, "texts.csv", demo, truth="truth.csv", journal=False, progress=False)
    assert [each.id for each in result.texts] == ["1", "2"]
    assert extract(SCHEMA, written("x.txt", "City: Bonn"), demo, journal=False).failure is None
    for table in (Path("texts.csv"), "texts.csv"):
        with pytest.raises(FieldError, match="is a table, not one text"):
            extract(SCHEMA, table, demo, journal=False)
    with pytest.raises(FieldError, match=r"there is no file x\.pdf"):
        extract(SCHEMA, "x.pdf", demo, journal=False)


def test_a_name_without_a_file_is_not_sent_as_a_text() -> None:
    assert "there is no file nothing.csv" in refusal("nothing.csv")
    assert "there is no file 'nothing.csv\\n'" in refusal("nothing.csv\n")
    assert "There is no file nothing.csv" in refusal(Path("nothing.csv"))
    assert "There is no file no.txt" in refusal([Path("no.txt")])
    Path("letters").mkdir()
    written("letter.txt", "Hallo")
    for name in ("letters", "letter.txt"):
        assert "the name of a file or folder as well" in refusal(name)
    for text in ("A letter about invoices", "See the table.\nIt is in x.csv", "x" * 5000 + ".csv"):
        assert [each.text for each in read_sources(text)] == [text]
    assert [each.text for each in read_sources(["nothing.csv", "letters"])] == [
        "nothing.csv",
        "letters",
    ]


def test_paths_in_rows_and_lists_are_read() -> None:
    """A document in each row; a list may have tables, folders and texts side by side."""
    one, two = written("one.txt", "Hallo"), written("two.md", "Welt")
    whole = [("a", "Hallo"), ("b", "Welt")]
    assert texts_of([{"id": "a", "text": one}, {"id": "b", "text": two}]) == whole
    assert texts_of(pd.DataFrame({"id": ["a", "b"], "text": [one, two]})) == whole
    assert texts_of({"a": one, "b": two}) == whole
    assert texts_of(pd.Series([one, two])) == [("one", "Hallo"), ("two", "Welt")]
    assert texts_of(Path().glob("one.*")) == [("one", "Hallo")]
    written("x.csv", "id,text\n7,Sieben\n")
    assert texts_of([one, Path("x.csv"), "plain"]) == [
        ("one", "Hallo"), ("7", "Sieben"), ("text-03", "plain"),
    ]  # fmt: skip


def test_files_of_one_name_have_ids_of_their_own() -> None:
    for folder in ("2025", "2026"):
        Path(folder).mkdir()
        written(f"{folder}/1.txt", folder)
    written("2026/1.md", "more")
    ids = [name for name, _ in texts_of([Path("2025"), Path("2026")])]
    assert ids == ["2025/1.txt", "1.md", "2026/1.txt"]
    assert [name for name, _ in texts_of(Path("2025"))] == ["1"]


def test_an_index_names_no_texts_of_a_folder() -> None:
    Path("both").mkdir()
    one, two = written("both/one.txt", "Hallo"), written("both/two.txt", "Welt")
    whole = [("one", "Hallo"), ("two", "Welt")]
    assert texts_of(pd.Series([Path("both")])) == whole
    assert texts_of(pd.Series([Path("both")], index=["x"])) == whole
    assert texts_of(pd.Series([one, two], index=["x", "y"])) == whole


def test_a_folder_is_read_whole_or_refused(monkeypatch) -> None:
    """PDFs stand among texts; tables and hidden files beside them are left alone."""
    folder = Path("letters")
    folder.mkdir()
    assert "contains no .txt" in refusal(folder)
    for name in ("b.txt", "a.md", ".hidden.txt", "truth.csv", "schema.json"):
        written(f"letters/{name}", name)
    written("letters/c.pdf", b"%PDF-1.7")
    read: list[str] = []

    class Reader:
        def __enter__(self):
            return self

        def __exit__(self, *_):
            return None

        def read(self, path: Path) -> str:
            read.append(path.name)
            return "a page"

    monkeypatch.setattr(reading, "PDFReader", Reader)
    whole = [("a", "a.md"), ("b", "b.txt"), ("c", "a page")]
    assert texts_of(folder) == whole
    assert texts_of([Path("letters/c.pdf")]) == texts_of("letters/c.pdf") == [("c", "a page")]
    written("d.pdf.gz", gzip.compress(b"%PDF-1.7"))
    assert texts_of(Path("d.pdf.gz")) == [("d", "a page")]
    assert read.pop() == "upload.pdf"
    assert read == ["c.pdf"] * 3
    assert read_uploads([("c.pdf", b"%PDF-1.7")]) == [{"id": "c", "text": "a page"}]
    assert not Path(read[-1]).exists()
    written("letters/d.docx", b"PK\x03\x04")
    words = refusal(folder)
    assert "contains texts that cannot be read: d.docx" in words
    assert "pandoc d.docx" in words


SUFFIXES = [
    "", ".txt", ".csv", ".tsv", ".json", ".jsonl", ".csv.gz", ".xlsx", ".parquet", ".pdf", ".doc",
]  # fmt: skip


def samples() -> list[bytes]:
    frame = pd.DataFrame({"id": ["a"], "text": ["Hallo"], "n": [1.5]})
    workbook("sample.xlsx", [["id", "text"], [1, "a"], [dt.datetime(2026, 1, 1), 7]])
    frame.to_parquet("sample.parquet")
    data = [each.encode(code) for each in SPELLINGS.values() for code in ("utf-8", "utf-16")]
    data += [Path("sample.xlsx").read_bytes(), Path("sample.parquet").read_bytes()]
    return [*data, gzip.compress(data[0])]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_whatever_a_file_holds_it_is_read_or_refused(suffix: str) -> None:
    """Any bytes under any name, and real files with a piece that is cut, doubled or changed."""
    known = samples()

    @given(st.data())
    # What reads a PDF is a process of its own, and PDFs have tests of their own.
    @settings(max_examples=20 if suffix == ".pdf" else 60, deadline=None)
    def holds(data) -> None:
        content = data.draw(st.one_of(st.binary(max_size=40), st.sampled_from(known)))
        begin, end = sorted(data.draw(st.tuples(*[st.integers(0, len(content))] * 2)))
        piece = data.draw(st.one_of(st.binary(max_size=4), st.just(content[begin:end] * 2)))
        content = content[:begin] + piece + content[end:]
        path = written(f"file{suffix}", content)
        for read in (
            lambda: read_texts(path),
            lambda: read_labels(path),
            lambda: read_uploads([(path.name, content)]),
        ):
            refused = None
            try:
                read()
            except FieldError as error:
                refused = error
            assert refused is None or (path.name in refused.message and refused.hint)

    holds()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_folder_without_rights_is_refused() -> None:
    folder = Path("closed")
    folder.mkdir(mode=0)
    assert "closed cannot be read" in refusal(folder)


def workbook(name: str, *sheets: list[list]) -> Path:
    book = Workbook()
    book.remove(book.active)
    for number, rows in enumerate(sheets, 1):
        sheet = book.create_sheet(f"Sheet{number}")
        for row in rows:
            sheet.append(row)
    book.save(name)
    return Path(name)


def test_a_workbook_is_read_as_it_is_shown() -> None:
    day, moment = dt.datetime(2026, 11, 28), dt.datetime(2026, 11, 28, 9, 30)
    rows = [
        ["ID", " Text", "when", "count", "share", "paid"],
        [7.0, "NA", day, 3.0, 0.5, True],
        [8, 12345, moment, None, None, None],
        [None] * 6,
    ]
    path = workbook("x.xlsx", [], [])
    assert "has no rows" in refusal(path) or "is empty" in refusal(path)
    path = workbook("x.xlsx", rows)
    assert texts_of(path) == texts_of("x.xlsx") == [("7", "NA"), ("8", "12345")]
    first, second = read_labels(path)[0].to_dict("records")
    assert first["when"] == dt.date(2026, 11, 28)
    assert (first["count"], first["share"], first["paid"]) == (3, 0.5, True)
    assert isinstance(first["count"], int)
    assert second["when"] == moment
    assert second["count"] is None
    (source, _) = read_sources(workbook("x.xlsx", rows, [["other"]]))
    assert source.note == "x.xlsx has 2 sheets; only the first, Sheet1, was read."
    assert source.note in refusal(workbook("x.xlsx", [["about"], ["a"]], rows))


def test_a_workbook_labels_numbers_days_and_nothing() -> None:
    schema = {
        "type": "object",
        "properties": {
            "day": {"type": "string", "format": "date"},
            "count": {"type": "integer"},
            "city": {"type": "string"},
        },
    }
    path = workbook(
        "truth.xlsx",
        [["id", "day", "count", "city"], ["a", dt.datetime(2026, 11, 28), 3.0, None]],
        [["notes"]],
    )
    made = Comparison.from_outputs(schema, {"a": "x"}, {"A": [{}]}, truth=path)
    assert made.texts[0].truth == {"day": "2026-11-28", "count": 3}
    assert "truth.xlsx has 2 sheets" in repr(made)


def test_a_workbook_that_has_no_values_is_refused_by_its_cell() -> None:
    formula = workbook("x.xlsx", [["id", "text"], [1, "a"], [2, '="b"&"c"']])
    assert "cell B3 has a formula that was never computed" in refusal(formula)
    error = workbook("y.xlsx", [["id", "text"], [1, "#REF!"]])
    assert "cell B2 has the error #REF!" in refusal(error)
    late = workbook("z.xlsx", [["Report"], [], ["id", "text"], [1, "a"]])
    assert "z.xlsx has no column text; it has Report" in refusal(late)
    twice = workbook("w.xlsx", [["text", "text"], ["a", "b"]])
    assert "row 1 has the column text twice" in refusal(twice)


def test_a_workbook_that_would_fill_the_memory_is_refused(monkeypatch) -> None:
    from llmwidgets.comparison.files import tables

    path = workbook("x.xlsx", [["text"], ["x" * 30_000]])
    monkeypatch.setattr(tables, "LARGEST", 10_000)
    assert "unpacks to" in refusal(path)
    monkeypatch.setattr(reading, "LARGEST", 10)
    assert "unpacks to more" in refusal(written("x.csv.gz", gzip.compress(b"text\n" * 9)))


def test_parquet_is_read_with_its_index() -> None:
    frame = pd.DataFrame({"id": ["a", "b"], "Text": ["x", "y"], "tags": [["p"], []]})
    frame.to_parquet("x.parquet")
    assert texts_of("x.parquet") == [("a", "x"), ("b", "y")]
    frame.set_index("id").to_parquet("indexed.parquet")
    assert texts_of(Path("indexed.parquet")) == [("a", "x"), ("b", "y")]
    labels = {"id": ["a", "b"], "tags": [["p"], []]}
    pd.DataFrame(labels).to_parquet("truth.parquet")
    schema = {"properties": {"tags": {"type": "array", "items": {"type": "string"}}}}
    made = Comparison.from_outputs(
        schema, "x.parquet", {"A": [{}, {}]}, truth="truth.parquet"
    )  # fmt: skip
    assert [each.truth for each in made.texts] == [{"tags": ["p"]}, {"tags": []}]


@pytest.mark.parametrize(
    ("name", "package", "extra"),
    [("x.xlsx", "openpyxl", "excel"), ("x.parquet", "pyarrow", "parquet")],
)
def test_without_the_extra_the_line_that_installs_it_is_said(
    name: str, package: str, extra: str, monkeypatch
) -> None:
    workbook("x.xlsx", [["text"], ["a"]])
    pd.DataFrame({"text": ["a"]}).to_parquet("x.parquet")
    monkeypatch.setitem(sys.modules, package, None)
    words = refusal(Path(name))
    assert f"llmwidgets[{extra}]" in words
    assert f"pip install {package}" in words
    assert name in words


@pytest.mark.parametrize("text", ['{"a": 1,\n "b" 2}', '{"a": 1,\n "b": 2'])
def test_a_fault_of_json_says_its_line_wherever_json_is_read(text: str) -> None:
    from llmwidgets.widgets.comparison.schema_editor import rows_of_example

    path = written("x.json", text)
    for read in (
        lambda: read_json(text, "this"),
        lambda: read_schema(text),
        lambda: read_schema(path),
        lambda: read_schema("x.json"),
        lambda: rows_of_example(text),
        lambda: read_texts(path),
        lambda: read_labels(path),
    ):
        with pytest.raises(FieldError, match=r"not valid JSON from line 2, character \d"):
            read()


def test_a_schema_in_python_names_its_classes() -> None:
    path = written("fields.py", "class Line: ...\nclass Invoice: ...\n")
    with pytest.raises(FieldError, match="its classes are Line and Invoice") as caught:
        read_schema(path)
    assert "fields.py:Line" in caught.value.hint
    with pytest.raises(FieldError, match="without a class"):
        read_schema(written("none.py", "x = ("))


def test_an_upload_is_refused_by_the_name_it_had() -> None:
    for name, (file, data, said) in WRONG.items():
        with pytest.raises(FieldError) as caught:
            read_uploads([(file, data if isinstance(data, bytes) else data.encode())])
        assert said in str(caught.value), name
    with pytest.raises(FieldError, match=r"^scan\.pdf "):
        read_uploads([("scan.pdf", b"%PDF-1.7")])


def test_ids_of_lines_are_unique() -> None:
    path = written("truth.jsonl", '{"id": 1, "city": "a"}\n{"id": "1", "city": "b"}\n')
    with pytest.raises(FieldError, match="these ids more than once: 1"):
        read_labels(path)


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("begin", ["", "sep=;\n"])
@pytest.mark.parametrize("name", ["table.csv", "table.csv.gz"])
def test_the_line_that_reads_a_table_in_another_way_works(encoding, begin, name) -> None:
    """Its separator, its encoding and a first line that names the separator are in it."""
    data = f'{begin}Nr;Inhalt\n1;"Größe; zwei Worte"\n'.encode(encoding)
    Path(name).write_bytes(gzip.compress(data) if name.endswith(".gz") else data)
    with pytest.raises(FieldError) as raised:
        read_texts(name)
    code = re.search(r"pd\..*\)", raised.value.hint)
    frame = eval(code[0], {"pd": pd})
    assert list(frame["text"]) == ["Größe; zwei Worte"]


def test_a_name_as_long_as_a_text_is_cut_in_a_message(tmp_path: Path) -> None:
    """Of a table without a header the first text is where the names of the columns are."""
    file = tmp_path / "bare.csv"
    file.write_text(f'7,"{"Dear Sir, " * 5000}Ada Byron"\n8,"Dear Madam"\n')
    with pytest.raises(FieldError, match="no column text") as caught:
        lw.Comparison.from_outputs(SCHEMA, file, {"A": [None]})
    assert len(str(caught.value)) < 500
    assert "Ada Byron" not in str(caught.value)
    file = tmp_path / "twice.json"
    file.write_text(f'[{{"text": "a", "{"k" * 99_999}": 1, "{"k" * 99_999}": 2}}]')
    with pytest.raises(FieldError, match="has the key k") as caught:
        lw.Comparison.from_outputs(SCHEMA, file, {"A": [None]})
    assert len(str(caught.value)) < 5000
