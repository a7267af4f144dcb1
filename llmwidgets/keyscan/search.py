"""Searches for keys in clear: in bytes, by what is known and by shape; and in files, by place.

Nothing here keeps a key: a leak has its place, its kind and its last four characters.
"""

from __future__ import annotations

import codecs
import json
import os
import re
import sqlite3
import stat
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Any, BinaryIO

from llmwidgets.keyscan.literals import BY_NAME, Leak, end_of, find_literals, find_named, is_random
from llmwidgets.known_keys import KnownKey, find_all
from llmwidgets.providers import key_prefixes, title_of

_LONGEST = 8192
"""No spelling and no shape that is searched for is longer, in bytes."""


# A public part that every such key has, and the whole from there on. Looking for the part first
# goes through a file ten times faster than looking for the whole at every place.
_SHAPES = tuple(
    (kind, anchor, re.compile(re.escape(anchor) + rest))
    for kind, anchor, rest in (
        *(
            (
                f"a key of {prefix.issuer or title_of(owner)}",
                prefix.start.encode(),
                prefix.shape.encode(),
            )
            for owner, prefix in key_prefixes()
            if prefix.shape
        ),
        ("a key of OpenAI's form", b"sk-", rb"[A-Za-z0-9]{32,128}"),
        ("a login of Google", b"1//0", rb"[A-Za-z0-9_-]{30,512}"),
        ("a client secret of Google", b"GOCSPX-", rb"[A-Za-z0-9_-]{24,64}"),
        ("an age identity", b"AGE-SECRET-KEY-1", rb"[A-Z0-9]{58}"),
        (
            "a private key",
            b"-----BEGIN ",
            rb"(?:[A-Z]+ )*PRIVATE KEY-----(?:\\+[rn]|\s|%0[AD])+[A-Za-z0-9+/]{40,200}",
        ),
    )
)
_AZURE, _WORD = b"JQQJ99", re.compile(rb"[A-Za-z0-9]+")
_LINE_ENDS = (rb"\n", rb"\r", rb"\t")
"""As a string of code or JSON spells them; their letter does not belong to a key behind."""
_WORD_BYTES = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")


def find_leaks(data: bytes, known: Sequence[KnownKey]) -> list[Leak]:
    """Every known key, every other key-shaped word, and what else is named a key, in order."""
    leaks = [leak for key in known for leak in _find_known(data, key)]
    shaped = [*_find_shaped(data), *find_named(data)]
    # A mark for each byte that is reported: a log can have a key on every line.
    taken = bytearray(len(data) if shaped else 0)
    for leak in leaks if shaped else ():
        _mark(taken, leak)
    for leak in shaped:
        if taken.find(1, leak.start, leak.end) < 0:
            leaks.append(leak)
            _mark(taken, leak)
    return sorted(set(leaks))


def _mark(taken: bytearray, leak: Leak) -> None:
    taken[leak.start : leak.end] = b"\1" * (leak.end - leak.start)


def find_all_leaks(data: bytes, known: Sequence[KnownKey], *, code: bool) -> list[Leak]:
    """The leaks of a text; of code also the literals that are not among them."""
    leaks = find_leaks(data, known)
    literals = [
        literal
        for literal in (find_literals(data) if code else ())
        if not any(leak.start < literal.end and literal.start < leak.end for leak in leaks)
    ]
    return sorted(leaks + literals)


def _find_known(data: bytes, known: KnownKey) -> Iterator[Leak]:
    for kind, spelled in known.spellings:
        name = known.name if kind == "raw" else f"{known.name} ({kind})"
        for at in find_all(data, spelled, len(spelled)):
            yield Leak(at, at + len(spelled), name, known.tail)
        if kind == "base64" and len(spelled) >= 2 * _PIECE:
            for start, end in _wrapped(data, spelled):
                yield Leak(start, end, name, known.tail)


_PIECE = 16
_BREAK = rb"(?:\r?\n|\\n)?"


def _wrapped(data: bytes, spelled: memoryview) -> Iterator[tuple[int, int]]:
    """Where there is Base64 in the short lines that mail and the shell's tool part it in.

    Lines are longer than two pieces of it, so one of the first two is whole.
    """
    for skipped in (0, _PIECE):
        for at in find_all(data, spelled[skipped : skipped + _PIECE]):
            for more in (0, 1, 2) if skipped else (0,):  # the break in the first piece
                match = re.compile(_BREAK.join(re.escape(bytes([each])) for each in spelled)).match(
                    data, max(at - skipped - more, 0)
                )
                if match:
                    yield match.span()


def _find_shaped(data: bytes) -> Iterator[Leak]:
    for kind, anchor, shape in _SHAPES:
        for at in find_all(data, anchor):
            match = None
            if at == 0 or data[at - 1] not in _WORD_BYTES or data[at - 2 : at] in _LINE_ENDS:
                match = shape.match(data, at)
            if match and (kind == "a private key" or is_random(match[0])):
                yield Leak(*match.span(), kind, end_of(match[0]))
    for at in find_all(data, _AZURE):  # it is in the middle of the newer keys of Azure
        before = _WORD.fullmatch(data, max(at - 52, 0), at)
        after = _WORD.match(data, at, at + 40)
        if before and after and len(before[0]) == 52 and 26 <= len(after[0]) <= 40:
            yield Leak(before.start(), after.end(), "a key of Azure", end_of(after[0]))


_CHUNK = 1 << 20
_LARGEST_NOTEBOOK = 256 << 20
_SQLITE = b"SQLite format 3\0"
_PARTS = ("cells", "metadata")

Text = tuple[str, bytes, bool]
"""A place in a file, the text there, and whether it is code."""


@dataclass(frozen=True, slots=True)
class FoundLeak:
    """A leak in a file: where, what kind of key, its last four characters; never the key."""

    path: Path
    place: str
    kind: str
    tail: str

    def __str__(self) -> str:
        ends = f", ends in {self.tail}" if self.tail else ""
        line = f"{self.path}: {self.place}: {self.kind}{ends}"
        # A name can contain what moves a terminal's cursor, or a line that looks like one of ours.
        return "".join(letter if letter.isprintable() else ascii(letter)[1:-1] for letter in line)


@dataclass(frozen=True, slots=True)
class UnreadFile:
    """A file that could not be searched, and why."""

    path: Path
    reason: str


@dataclass(slots=True)
class Coverage:
    """What a search looked at, and how much of what it passed over."""

    files: int = 0
    size: int = 0
    notebooks: int = 0
    cells: int = 0
    outputs: int = 0
    databases: int = 0
    passed: Counter[str] = field(default_factory=Counter)

    def add_notebook(self, notebook: Mapping[str, Any]) -> None:
        cells = notebook.get("cells")
        cells = cells if isinstance(cells, list) else []
        outputs = (each.get("outputs") for each in cells if isinstance(each, dict))
        self.notebooks += 1
        self.cells += len(cells)
        self.outputs += sum(len(each) for each in outputs if isinstance(each, list))


def files_below(path: Path, coverage: Coverage | None = None) -> Iterator[Path | UnreadFile]:
    """The path, or every plain file below it; not what git keeps in `.git`, no link followed."""
    coverage = Coverage() if coverage is None else coverage
    if not path.is_dir():
        yield path
        return
    unread: list[OSError] = []
    for folder, names, files in os.walk(path, onerror=unread.append):
        coverage.passed["git folder"] += names.count(".git")
        coverage.passed["linked folder"] += sum(Path(folder, name).is_symlink() for name in names)
        names[:] = sorted(name for name in names if name != ".git")
        yield from (Path(folder) / name for name in sorted(files))
    for error in unread:
        yield UnreadFile(Path(error.filename), _reason(error))


def search_files(
    path: Path, known: Sequence[KnownKey], coverage: Coverage | None = None
) -> Iterator[FoundLeak | UnreadFile]:
    """Every leak in one file, once for each place; pipes, devices and dangling links are passed."""
    coverage = Coverage() if coverage is None else coverage
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):
            coverage.passed["pipe or device file"] += 1
            return
        with path.open("rb") as file:
            leaks = list(dict.fromkeys(_search_file(path, file, known, coverage)))
    except FileNotFoundError:
        coverage.passed["dangling link"] += 1
        return
    except OSError as error:
        yield UnreadFile(path, _reason(error))
        return
    coverage.files += 1
    coverage.size += status.st_size
    yield from leaks


def _reason(error: OSError) -> str:
    return (error.strerror or type(error).__name__).lower()


def texts_in(notebook: Any) -> Iterator[Text]:
    """The texts of a notebook by place: cell source, output, metadata, widget state."""
    cells = notebook.get("cells")
    for number, cell in enumerate(cells if isinstance(cells, list) else [], 1):
        parts = dict(cell) if isinstance(cell, dict) else {"": cell}
        outputs = parts.pop("outputs", None)
        for name, part in parts.items():
            for text in _strings(part):
                yield f"cell {number}, {name}", text, name == "source"
        for at, output in enumerate(outputs if isinstance(outputs, list) else [], 1):
            for text in _strings(output):
                yield f"cell {number}, output {at}", text, False
    metadata = notebook.get("metadata")
    rest = dict(metadata) if isinstance(metadata, dict) else {"": metadata}
    for text in _strings(rest.pop("widgets", None)):
        yield "widget state", text, False
    for text in _strings([rest, {k: v for k, v in notebook.items() if k not in _PARTS}]):
        yield "metadata", text, False


_PACKED = (
    b"PK\3\4", b"\x1f\x8b", b"BZh", b"\xfd7zXZ", b"\x28\xb5\x2f\xfd", b"7z\xbc\xaf", b"Rar!",
    b"%PDF", b"PAR1",
)  # fmt: skip
"""How files begin that keep their text packed: archives, Office files, PDFs, Parquet."""


def _search_file(
    path: Path, file: BinaryIO, known: Sequence[KnownKey], coverage: Coverage
) -> Iterator[FoundLeak]:
    if path.suffix == ".ipynb" and path.stat().st_size <= _LARGEST_NOTEBOOK:
        notebook = read_notebook(file)
        if notebook is not None:
            coverage.add_notebook(notebook)
            yield from _search_texts(path, texts_in(notebook), known)
            return
        file.seek(0)
    start = file.read(16)
    database = start == _SQLITE
    coverage.databases += database
    coverage.passed["packed file"] += start.startswith(_PACKED)
    rows = _search_tables(path, known) if database else []
    yield from rows
    reported = {(row.kind, row.tail) for row in rows}
    file.seek(0)
    for line, leak in _search_stream(_plain(file, start), known):
        # Between the cells of a page is nothing that ends a value.
        if (leak.kind, leak.tail) not in reported and not (database and leak.kind == BY_NAME):
            place = "a page that is no longer used" if database else f"line {line}"
            yield FoundLeak(path, place, leak.kind, leak.tail)


def _plain(file: BinaryIO, start: bytes) -> BinaryIO:
    """The file, one in UTF-16 as UTF-8: so Windows writes what a shell puts into a file."""
    encoded = start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE))
    if not encoded or os.fstat(file.fileno()).st_size > _LARGEST_NOTEBOOK:
        return file
    return BytesIO(file.read().decode("utf-16", "replace").encode("utf-8", "replace"))


def read_notebook(file: BinaryIO) -> dict[str, Any] | None:
    """The notebook in the file; None for any other file."""
    try:
        notebook = json.loads(file.read())
    except (ValueError, RecursionError):
        return None
    return notebook if isinstance(notebook, dict) else None


def _search_texts(
    path: Path, texts: Iterable[Text], known: Sequence[KnownKey]
) -> Iterator[FoundLeak]:
    for place, text, code in texts:
        for leak in find_all_leaks(text, known, code=code):
            yield FoundLeak(path, place, leak.kind, leak.tail)


def _strings(node: Any) -> Iterator[bytes]:
    """Every text below a JSON value, names too; the lines of a multi-line string as one."""
    if isinstance(node, str):
        yield node.encode("utf-8", "replace")
    elif isinstance(node, dict):
        for name, value in node.items():
            yield name.encode("utf-8", "replace")
            yield from _strings(value)
    elif isinstance(node, list):
        pieces = [each.encode("utf-8", "replace") for each in node if isinstance(each, str)]
        strings = bool(node) and len(pieces) == len(node)
        if strings:
            yield b"".join(pieces)
        if not strings or not are_lines(pieces):
            for each in node:
                yield from _strings(each)


def are_lines(strings: Sequence[bytes]) -> bool:
    """Whether a list of strings is one text in lines, and not words of their own."""
    return all(each.endswith(b"\n") for each in strings[:-1])


def _search_tables(path: Path, known: Sequence[KnownKey]) -> list[FoundLeak]:
    """The leaks in the rows of a database; none if it cannot be opened as one."""
    try:
        address = f"{path.absolute().as_uri()}?mode=ro"
        with closing(sqlite3.connect(address, uri=True, timeout=1.0)) as database:
            return list(_search_texts(path, _cells_of(database), known))
    except sqlite3.Error:
        return []


def _cells_of(database: sqlite3.Connection) -> Iterator[Text]:
    names = database.execute("SELECT name FROM sqlite_master WHERE type = 'table'")
    for (table,) in names.fetchall():
        quoted = table.replace('"', '""')
        for number, row in enumerate(database.execute(f'SELECT * FROM "{quoted}"'), 1):
            for cell in row:
                data = cell if isinstance(cell, bytes) else str(cell).encode("utf-8", "replace")
                yield f"{table}, row {number}", data, table == "history"


def _search_stream(file: BinaryIO, known: Sequence[KnownKey]) -> Iterator[tuple[int, Leak]]:
    """The leaks of a file of any size, each once, with its line."""
    kept, line = b"", 1
    while True:
        chunk = file.read(_CHUNK)
        data = kept + chunk
        # What starts in the last stretch may go on in the next chunk, and is looked at then.
        end = len(data) - _LONGEST if chunk else len(data)
        at = 0
        for leak in find_leaks(data, known):
            if leak.start < max(end, 0):
                line += data.count(b"\n", at, leak.start)
                at = leak.start
                yield line, leak
        if not chunk:
            return
        kept = data[max(end, 0) :]
        line += data.count(b"\n", at, max(end, 0))
