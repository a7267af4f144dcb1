"""Files: texts and truth out of the files and folders that a user names, by a path or an upload."""

from __future__ import annotations

import codecs
import gzip
import io
import os
import zlib
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import date
from itertools import chain
from pathlib import Path, PurePath
from tempfile import TemporaryDirectory
from typing import Any

from llmwidgets.comparison.files import label_studio
from llmwidgets.comparison.files.names import (
    FOR_GLOB,
    PDF,
    TABLES,
    TEXTS,
    is_glob,
    kind_of,
    kind_of_stream,
    names_one,
    refuse_url,
)
from llmwidgets.comparison.files.outputs import ToolOutputs, read_outputs
from llmwidgets.comparison.files.pdf import PDFReader
from llmwidgets.comparison.files.tables import (
    KEYS,
    LARGEST,
    Row,
    Table,
    match_names,
    missing_text,
    parquet_size,
    read_delimited,
    read_excel,
    read_lines,
    read_list,
    read_parquet,
    read_tabbed,
)
from llmwidgets.comparison.values import find_repeated, is_nothing, name_of
from llmwidgets.engine.estimate.memory import tell_of_memory
from llmwidgets.errors import FieldError, read_file, read_json, read_path
from llmwidgets.formatting import file_size, join_truncated

StrPath = str | os.PathLike[str]

_BY_TEXT: dict[str, Callable[[str, str], Table]] = {
    ".csv": read_delimited,
    ".tsv": read_tabbed,
    ".tab": read_tabbed,
    ".jsonl": read_lines,
    ".ndjson": read_lines,
    ".json": read_list,
}
_BY_BYTES: dict[str, Callable[[bytes, str], Table]] = {
    ".xlsx": read_excel,
    ".xlsm": read_excel,
    ".parquet": read_parquet,
}
_PANDOC = "pandoc {name} -t plain -o {stem}.txt"
_OFFICE = "soffice --headless --convert-to {to} {name}"
_UNPACK = "Unpack it and name what is in it."
_UNREAD: dict[str, tuple[str, str]] = {
    ".docx": ("a Word document", f"Turn it into text: {_PANDOC}"),
    ".odt": ("an OpenDocument text", f"Turn it into text: {_PANDOC}"),
    ".rtf": ("a rich text document", f"Turn it into text: {_PANDOC}"),
    ".doc": ("an old Word document", f"Turn it into text: {_OFFICE.replace('{to}', 'txt:Text')}"),
    ".pptx": ("a presentation", f"Turn it into a PDF: {_OFFICE.replace('{to}', 'pdf')}"),
    ".xls": ("an old Excel workbook", "Save it as .xlsx, or give pd.read_excel({path}): xlrd."),
    ".ods": ("an OpenDocument table", "Save it as .xlsx, or give pd.read_excel({path}): odfpy."),
    **dict.fromkeys((".zip", ".tar", ".tgz", ".7z", ".rar", ".bz2", ".xz", ".zst"),
                    ("a packed file", _UNPACK)),
    **dict.fromkeys((".png", ".jpg", ".jpeg", ".tif", ".tiff", ".gif", ".webp", ".heic"),
                    ("a picture", "Have it read as text first: tesseract {name} {stem}")),
}  # fmt: skip
"""What is told by its name, and what would read it."""

_OF_A_FOLDER = (".docx", ".odt", ".rtf", ".doc")
"""Texts for their owner: a folder with one of them is refused, not read in part."""

_MAGIC = (
    (b"PK\x03\x04", "a zip file, as those of Office are", _UNPACK),
    (b"\xd0\xcf\x11\xe0", "an old Office file", "Save it as text, as .xlsx or as a PDF."),
    (b"SQLite format 3\0", "a database", "Give pd.read_sql(…) of the rows."),
    (b"PAR1", "a Parquet file", "Call it .parquet."),
)
_UTF8 = "Save it as UTF-8."


@dataclass(frozen=True, slots=True)
class File:
    """The bytes of a file by the name that messages say; `path` is where they are as they are.

    `streamed` is what a pipe brought, as the suffix of it: the name of a pipe has none, mostly.
    """

    name: str
    data: bytes
    path: Path | None = None
    streamed: str = ""

    @property
    def kind(self) -> str:
        """The suffix in small letters, without .gz."""
        return kind_of(self.name) or self.streamed


def open_file(path: StrPath) -> File:
    """The file, unpacked if it is packed with gzip; FieldError says why it cannot be read."""
    read = _existing(path)
    try:
        if is_file := read.is_file():
            _tell_of_memory(read)
        data = read_file(read)
    except OSError as error:
        raise _unreadable(path, error) from None
    whole = _unpack(data, str(path))
    if not is_file:
        return File(str(path), whole, streamed=kind_of_stream(whole))
    return File(str(path), whole, read if whole is data else None)


_TIMES = {".json": 5, ".jsonl": 5, ".ndjson": 5, ".parquet": 4, ".xlsx": 0, ".xlsm": 0}
"""How many times its size a table needs while it is read, 7 the others; of Excel's it varies."""


def _tell_of_memory(path: Path) -> None:
    kind = kind_of(path.name)
    if kind in TABLES:
        size = parquet_size(path) if kind == ".parquet" else path.stat().st_size
        tell_of_memory(size * _TIMES.get(kind, 7), str(path))


def _existing(path: StrPath) -> Path:
    read = read_path(path, "texts")
    if not os.path.exists(read):
        hint = FOR_GLOB.format(name=str(path)) if is_glob(str(path)) else "Check the path."
        raise FieldError(f"There is no file {path}.", hint)
    return read


def _unreadable(path: StrPath, error: OSError) -> FieldError:
    why = error.strerror or type(error).__name__
    return FieldError(f"{path} cannot be read: {why}.", "Check its permissions.")


def _unpack(data: bytes, name: str) -> bytes:
    if data[:2] != b"\x1f\x8b":
        return data
    try:
        with gzip.GzipFile(fileobj=io.BytesIO(data)) as packed:
            whole = packed.read(LARGEST + 1)
    except (OSError, EOFError, zlib.error):
        raise FieldError(f"{name} is damaged: it cannot be unpacked.", "Copy it again.") from None
    if len(whole) > LARGEST:
        raise FieldError(
            f"{name} unpacks to more than {file_size(LARGEST)}.", "If it may, unpack it: gunzip."
        )
    return whole


# -- Texts.


def read_texts(path: StrPath) -> list[Row]:
    """The texts of a table, of a document, or of a folder of .txt, .md and .pdf files."""
    return read_paths([read_path(path, "texts")])


def read_paths(given: Iterable[Any]) -> list[Any]:
    """The list, with the texts of each path in place of the path.

    FieldError for a string that is the name of a file, or a glob of tables: a list has texts.
    """
    with PDFReader() as reader:
        parts = [_read_entry(each, at, reader) for at, each in enumerate(given, 1)]
    return _tell_apart(list(chain.from_iterable(parts)))


def _read_entry(entry: Any, at: int, reader: PDFReader) -> list[Any]:
    if isinstance(entry, os.PathLike):
        refuse_url(entry, "texts")
        return _read(Path(entry), reader)
    if isinstance(entry, str) and len(entry) <= 1000 and names_one(entry.strip()):
        glob = is_glob(entry)
        hint = f"Give Paths, [Path({entry.strip()!r})], or the text itself."
        raise FieldError(
            {"texts": f"entry {at} of the list is a str, and {entry.strip()} is the name of "
             f"{'files' if glob else 'a file'}."},
            FOR_GLOB.format(name=entry.strip()) if glob else hint,
        )  # fmt: skip
    return [entry]


def _tell_apart(rows: list[Any]) -> list[Any]:
    """The rows; two files may have one name but for the suffix or the folder."""
    documents = [(row, row.path) for row in rows if isinstance(row, Row) and row.path]
    for whole in (False, True):
        times = Counter(row["id"] for row, _ in documents)
        for row, path in documents:
            if times[row["id"]] > 1:
                row["id"] = str(path) if whole else path.name
    return rows


def read_document(path: StrPath) -> str:
    """The text of one file that is one text; FieldError if it is not."""
    file = open_file(path)
    file = replace(file, streamed="")  # a text may read like a table
    if _is_table(file):
        raise FieldError(f"{path} is a table, not one text.", "Give its path as the texts.")
    with PDFReader() as reader:
        return _document(file, reader)


def read_uploads(uploads: Iterable[tuple[str, bytes]], *, own_names: bool = False) -> list[Row]:
    """The texts of files that came through the page.

    With `own_names` the rows of a table are as it has them, whatever its columns are called.
    """
    read = _own_row if own_names else _text_row
    with PDFReader() as reader:
        parts = [_rows_of(File(name, _unpack(data, name)), reader, read) for name, data in uploads]
    return _tell_apart(list(chain.from_iterable(parts)))


def _read(path: Path, reader: PDFReader) -> list[Row]:
    folder = _existing(path)
    if not folder.is_dir():
        return _rows_of(open_file(path), reader, _text_row)
    return [
        row for each in _list_folder(folder) for row in _rows_of(open_file(each), reader, _text_row)
    ]


def _list_folder(folder: Path) -> list[Path]:
    try:
        files = sorted(each for each in folder.iterdir() if not each.name.startswith("."))
    except OSError as error:
        raise _unreadable(folder, error) from None
    if unread := [each.name for each in files if kind_of(each.name) in _OF_A_FOLDER]:
        raise FieldError(
            f"The folder {folder} contains texts that cannot be read: {join_truncated(unread)}.",
            _hint_for(unread[0]),
        )
    texts = [each for each in files if kind_of(each.name) in (*TEXTS, PDF) and each.is_file()]
    if not texts:
        raise FieldError(
            f"The folder {folder} contains no .txt, .md or .pdf file.", _hint_for_folder(folder)
        )
    return texts


def _hint_for_folder(folder: Path) -> str:
    if any(folder.glob("*.parquet")):
        return (
            "Its Parquet files are read where a cluster asks: give cluster= (docs/scale.md), or a "
            f"DataFrame: pd.read_parquet({str(folder)!r})."
        )
    if any(folder.rglob("*.parquet")):
        return f"Name the Parquet files in its folders: {str(folder / '**' / '*.parquet')!r}."
    return "Name a folder with one such file for each text, or name a table."


def _rows_of(file: File, reader: PDFReader, read: Callable[[Any, str, Table], Row]) -> list[Row]:
    """The texts of a file; `read` makes one of a row of a table."""
    if not _is_table(file):
        # The number of a pipe is another one each time.
        unnamed = file.streamed and not kind_of(file.name)
        name = "stdin" if unnamed else PurePath(file.name.removesuffix(".gz")).stem
        row = Row(id=name, text=_document(file, reader))
        row.path = PurePath(file.name)
        return [row]
    table = _table_of(file)
    listed = list(table.rows)
    if not listed:
        raise FieldError(f"{file.name} has no rows.", "Name a file with a text in it.")
    if table.noun == "key" and label_studio.is_export([row for row, _ in listed[:1]]):
        return _in_depth(file.name, lambda: label_studio.read_tasks(table, listed))
    rows = [read(row, where, table) for row, where in listed]
    for each in rows if table.note else ():
        each.note = table.note
    if label_studio.is_flat_export(rows):
        return _in_depth(file.name, lambda: label_studio.read_flat(table, rows))
    return rows


def _in_depth(name: str, read: Callable[[], list[Row]]) -> list[Row]:
    """What is read; FieldError where it is nested more deeply than can be looked at."""
    try:
        return read()
    except RecursionError:
        raise FieldError(f"{name} is nested too deeply to be read.", "Correct the file.") from None


def _own_row(row: Any, where: str, table: Table) -> Row:
    if isinstance(row, Mapping):
        return Row({name: each for name, each in row.items() if name != ""})
    return _text_row(row, where, table)


def _text_row(row: Any, where: str, table: Table) -> Row:
    if isinstance(row, str):
        return Row(text=row)
    if not isinstance(row, Mapping):
        raise FieldError(f"{where} is not a row with a text.", 'Write {"text": "…"}.')
    found, unclear = match_names(row)
    place = where if table.noun == "key" else table.name
    if unclear:
        raise FieldError(f"{place} {unclear}", "Rename the others.")
    if "text" not in found.values():
        problem, likely = missing_text([row], table.noun)
        hint = f"Name the {table.noun} that contains the document text."
        if likely:
            renamed = f'{table.code}.rename(columns={{{likely}: "text"}})'
            hint = f"Rename {likely} to text in the file, or in Python read it so: {renamed}."
        raise FieldError(f"{place} {problem} {table.note}".rstrip(), hint)
    kept = Row()
    for name, value in row.items():
        key = found.get(name) or name
        if key == "text" and table.noun == "column" and isinstance(value, int | float | date):
            value = "" if is_nothing(value) else str(value)  # so a workbook has a text of digits
        if key not in KEYS[1:] or not is_nothing(value):
            kept[key] = value
    return kept


def _document(file: File, reader: PDFReader) -> str:
    if not _is_pdf(file):
        text, note = decode(file)
        if note:
            raise _not_utf8(file)
        return text
    if file.path is not None:
        return reader.read(file.path)
    # What reads PDFs is another process, which is given a file.
    with TemporaryDirectory(prefix="llmwidgets-") as folder:
        path = Path(folder, "upload.pdf")
        path.write_bytes(file.data)
        try:
            return reader.read(path)
        except FieldError as error:
            raise FieldError(error.message.replace(str(path), file.name), error.hint) from None


def _is_pdf(file: File) -> bool:
    return file.kind == PDF or file.data[:1024].lstrip().startswith(b"%PDF")


def _is_table(file: File) -> bool:
    """Whether the name is that of a table; a .txt is one if its header, with tabs, has a text."""
    if file.kind != ".txt":
        return file.kind in TABLES
    head = file.data[:4096].decode(_encoding_of(file.data), "ignore").partition("\n")[0]
    return "\t" in head and "text" in match_names(head.split("\t"))[0].values()


def _table_of(file: File) -> Table:
    if file.kind in _BY_BYTES:
        return _BY_BYTES[file.kind](file.data, file.name)
    text, note = decode(file)
    table = _BY_TEXT.get(file.kind, read_tabbed)(text, file.name)
    encoding = "cp1252" if note else _encoding_of(file.data)
    code = table.code
    if encoding != "utf-8":
        code = f"{code.removesuffix(')')}, encoding={encoding!r})"
    return replace(table, note=note, code=code)


# -- Labels: truth, or outputs that were made elsewhere.


def read_labels(path: StrPath, key: str = "truth") -> tuple[Any, str]:
    """What a file has for each text, and what its reader assumed.

    It is a DataFrame of a table, a dict by id or a list of JSON. In rows of JSON a label is under
    `key`, or is the row without its id.
    """
    file = open_file(path)
    if file.kind == ".json" or not _is_table(file):
        text, note = decode(file)
        whole = read_json(text, file.name)
        if key == "truth" and isinstance(whole, list) and _is_annotated(whole):
            return _annotations_by_id(file)
        return (rows_by_id(whole, key, file.name) if isinstance(whole, list) else whole), note
    table = _table_of(file)
    listed = list(table.rows)
    if key == "truth" and _is_annotated([row for row, _ in listed[:1]]):
        return _annotations_by_id(file)
    if table.noun == "column":
        return replace(table, rows=listed).frame(), table.note
    return rows_by_id([row for row, _ in listed], key, file.name), table.note


def _is_annotated(rows: list[Any]) -> bool:
    return label_studio.is_export(rows) or label_studio.is_flat_export(rows)


def _annotations_by_id(file: File) -> tuple[dict[str, Any], str]:
    """The annotations of an export of Label Studio by the ids of its tasks."""
    with PDFReader() as reader:
        rows = _rows_of(file, reader, _text_row)
    if twice := find_repeated(name_of(row["id"]) for row in rows):
        raise _ids_twice(file.name, twice)
    return {name_of(row["id"]): row.get("truth") for row in rows}, rows[0].note


def rows_by_id(rows: list[Any], key: str, name: str) -> Any:
    """The labels of rows by their id; the rows as they are if one of them has none."""
    labels: list[tuple[str, Any]] = []
    for row in rows:
        found, unclear = match_names(row) if isinstance(row, dict) else ({}, "")
        if unclear:
            raise FieldError(f"A row of {name} {unclear}", "Rename the others.")
        if "id" not in found.values():
            return rows
        named = {found[each] if found.get(each) in ("id", key) else each: row[each] for each in row}
        labels.append((name_of(named.pop("id")), named.get(key, named)))
    if twice := find_repeated(each for each, _ in labels):
        raise _ids_twice(name, twice)
    return dict(labels)


def _ids_twice(name: str, twice: list[str]) -> FieldError:
    return FieldError(
        f"{name} has these ids more than once: {join_truncated(twice)}.",
        "Keep one row for each id.",
    )


def read_tool_outputs(given: Any) -> ToolOutputs | None:
    """What another tool wrote, of the path of its file or a list of paths; else None."""
    paths = [given] if isinstance(given, os.PathLike) else given
    if not isinstance(paths, list | tuple) or not paths:
        return None
    if not all(isinstance(each, os.PathLike) for each in paths):
        return None
    for each in paths:
        refuse_url(each, "outputs")
    files = [open_file(each) for each in paths]
    return read_outputs([(file.name.removesuffix(".gz"), file.data) for file in files])


# -- Bytes as text.

_MARKS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)
_HIGH = bytes(range(0x80, 0x100))
_LETTERS = bytes(range(ord("A"), ord("Z") + 1)) + bytes(range(ord("a"), ord("z") + 1))
_CONTROLS = bytes(each for each in range(0x20) if each not in b"\t\n\f\r") + b"\x7f"


def decode(file: File) -> tuple[str, str]:
    """The file as text, and what was assumed about its encoding; FieldError if it is not text."""
    data = file.data
    if file.kind in _UNREAD:
        raise FieldError(
            f"{file.name} is {_UNREAD[file.kind][0]}, not a text.", _hint_for(file.name)
        )
    for mark, noun, hint in _MAGIC:
        if data.startswith(mark):
            raise FieldError(f"{file.name} is not text: it is {noun}.", hint)
    if _is_pdf(file):
        hint = "Name a table." if file.kind == PDF else "Call it .pdf."
        raise FieldError(f"{file.name} is a PDF, not a table.", hint)
    try:
        text = data.decode(_encoding_of(data))
    except UnicodeDecodeError:
        if not _is_windows_1252(data):
            raise _not_utf8(file) from None
        note = f"{file.name} is not in UTF-8 and was read as Windows-1252, the encoding of Excel."
        return data.decode("cp1252"), note
    if "\0" in text:
        line = text.count("\n", 0, text.index("\0")) + 1
        raise FieldError(f"{file.name} is not text: line {line} contains a NUL byte.", _UTF8)
    return text, ""


def _encoding_of(data: bytes) -> str:
    return next((name for mark, name in _MARKS if data.startswith(mark)), "utf-8")


def _is_windows_1252(data: bytes) -> bool:
    """Whether this is Western text of a Windows program.

    UTF-8 with one wrong byte in it is not, and a text that is mostly beyond ASCII is in another
    encoding: Cyrillic, Greek, Japanese.
    """
    if len(data.translate(None, _CONTROLS)) < len(data) or _encoding_of(data) != "utf-8":
        return False
    if not data.decode("utf-8", "ignore").isascii() or data.translate(None, _HIGH) == data:
        return False
    high = len(data) - len(data.translate(None, _HIGH))
    letters = len(data) - len(data.translate(None, _LETTERS))
    return 2 * high <= letters and not set(data) & {0x81, 0x8D, 0x8F, 0x90, 0x9D}


def _not_utf8(file: File) -> FieldError:
    hint = "Save it as UTF-8, or name a text file."
    if _is_windows_1252(file.data):
        hint = (
            f'Save it as UTF-8, or give Path("{file.name}").read_text("cp1252") if that is right.'
        )
    return FieldError(f"{file.name} is not UTF-8 text.", hint)


def _hint_for(name: str) -> str:
    path = PurePath(name)
    return _UNREAD[kind_of(name)][1].format(name=name, stem=path.stem, path=f'"{name}"')
