"""Texts by reference: rows of Parquet files, whose words are read where they are used."""

from __future__ import annotations

import threading
from bisect import bisect_right
from collections import OrderedDict, deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, fields
from datetime import date
from itertools import accumulate
from typing import Any, NamedTuple

from llmwidgets.comparison.texts import spread_evenly
from llmwidgets.comparison.values import decode_text, is_bytes, is_nothing
from llmwidgets.engine.request_builder import Document
from llmwidgets.errors import FieldError

COUNTED = 1_000
"""The texts that are counted for an estimate of more in files."""

_READ_ON = 20_000
"""Rows in which those are looked for: beyond them, a row group would be read for a few."""


class TextFile(NamedTuple):
    """A Parquet file: where it is, the rows of each row group, and what it was when it was read.

    `place` is a path or a URL, `column` the one with the words; `size` is in bytes, `changed` in
    nanoseconds since 1970.
    """

    place: str
    groups: tuple[int, ...]
    column: str = "text"
    size: int = 0
    changed: int = 0


@dataclass(frozen=True)
class TextFiles:
    """The texts of a run in the order of files and rows, counted from 0 through all of them."""

    files: tuple[TextFile, ...]
    _starts: tuple[int, ...] = field(init=False, repr=False, compare=False)
    _groups: tuple[tuple[TextFile, int], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        sizes = [size for each in self.files for size in each.groups]
        groups = [(each, at) for each in self.files for at in range(len(each.groups))]
        object.__setattr__(self, "_starts", tuple(accumulate(sizes, initial=0)))
        object.__setattr__(self, "_groups", tuple(groups))

    def __len__(self) -> int:
        return self._starts[-1]

    def words(self, places: Iterable[int]) -> list[str]:
        """The texts at these places; what lies between places in order is read once.

        FieldError for a file that is gone, or is not what it was when the run was planned.
        """
        found = []
        for place in places:
            at = bisect_right(self._starts, place) - 1
            found.append(_reader_of(*self._groups[at]).words(place - self._starts[at]))
        return found

    def sample(self, most: int = COUNTED) -> list[int]:
        """At most this many places, spread as evenly as few rows can be read."""
        filled = [at for at, (file, group) in enumerate(self._groups) if file.groups[group]]
        chosen = [filled[at] for at in spread_evenly(len(filled), max(1, most // 50))]
        places = []
        for at in chosen:
            start, size = self._starts[at], self._starts[at + 1] - self._starts[at]
            reach = min(size, _READ_ON // len(chosen))
            places += [start + each for each in spread_evenly(reach, most // len(chosen))]
        return places


# -- Reading words: a row group forwards, a batch at a time, and never the whole of a large one.

_BATCH_BYTES, _KEPT_BYTES = 2_000_000, 16_000_000
_BATCH_ROWS = 1_000


class _GroupReader:
    """Reads the words of a row group; the batches that were read last stay in memory."""

    def __init__(self, file: TextFile, group: int) -> None:
        self._file, self._group = file, group
        self._lock = threading.Lock()
        self._begin_again()

    def words(self, row: int) -> str:
        """The words of a row, counted from 0; rows before those in memory are read anew."""
        with self._lock, reading(self._file.place):
            if self._kept and row < self._kept[0][0]:
                self._begin_again()
            while row >= self._next:
                self._read_on()
            for start, batch in reversed(self._kept):
                if row >= start:
                    return as_words(batch[row - start].as_py(), f"row {row + 1:,}")
        raise IndexError(row)

    def _begin_again(self) -> None:
        self._kept: deque[tuple[int, Any]] = deque()
        self._next, self._bytes = 0, 0
        self._batches: Iterator[Any] | None = None

    def _read_on(self) -> None:
        if self._batches is None:
            opened = open_parquet(self._file.place)
            self._batches = opened.iter_batches(
                _rows_a_batch(opened, self._group, self._file.column),
                row_groups=[self._group], columns=[self._file.column], use_threads=False,
            )  # fmt: skip
        batch = next(self._batches, None)
        # Looked at behind each read: what was read before it was what was planned.
        refuse_changed(self._file)
        if batch is None:
            raise changed_error(self._file.place)
        column = batch.column(self._file.column)
        self._kept.append((self._next, column))
        self._next += len(column)
        self._bytes += column.nbytes
        while self._bytes > _KEPT_BYTES and len(self._kept) > 1:
            self._bytes -= self._kept.popleft()[1].nbytes


def _rows_a_batch(opened: Any, group: int, column: str) -> int:
    about = opened.metadata.row_group(group)
    size = sum(
        about.column(at).total_uncompressed_size
        for at in range(about.num_columns)
        if about.column(at).path_in_schema == column
    )
    mean: int = size // max(1, about.num_rows)
    return max(1, min(_BATCH_ROWS, _BATCH_BYTES // max(1, mean)))


_READERS = 4
_readers: OrderedDict[tuple[str, int, int, int], _GroupReader] = OrderedDict()
_readers_lock = threading.Lock()


def _reader_of(file: TextFile, group: int) -> _GroupReader:
    with _readers_lock:
        key = file.place, file.size, file.changed, group
        reader = _readers.pop(key, None) or _GroupReader(file, group)
        _readers[key] = reader
        while len(_readers) > _READERS:
            _readers.popitem(last=False)
        return reader


def as_words(value: Any, name: str) -> str:
    """The cell of a column of texts as its words; empty where it is null."""
    if is_bytes(value):
        return decode_text(value, name)
    if isinstance(value, str):
        return value
    return str(value) if isinstance(value, int | float | date) and not is_nothing(value) else ""


# -- Files, on this machine or in an object store.


def open_source(place: str) -> tuple[Any, str]:
    """The file system of a path or a URL, and the path in it."""
    from pyarrow import fs

    if "://" in place:
        found: tuple[Any, str] = fs.FileSystem.from_uri(place)
        return found
    return fs.LocalFileSystem(), place


def open_parquet(place: str) -> Any:
    """The Parquet file, which is read in pieces."""
    import pyarrow.parquet as pq

    system, path = open_source(place)
    return pq.ParquetFile(system.open_input_file(path), buffer_size=1 << 22, pre_buffer=False)


def describe_file(place: str) -> tuple[int, int]:
    """The size of a file in bytes, and when it was changed; FileNotFoundError if there is none."""
    from pyarrow import fs

    system, path = open_source(place)
    info = system.get_file_info(path)
    if info.type is not fs.FileType.File:
        raise FileNotFoundError(place)
    return info.size, info.mtime_ns or 0


def refuse_changed(file: TextFile) -> None:
    """FieldError for a file that is not what it was when the run was planned."""
    if describe_file(file.place) != (file.size, file.changed):
        raise changed_error(file.place)


def changed_error(place: str) -> FieldError:
    """That the texts of a file may be others by now."""
    return FieldError(
        {"texts": f"{place} was changed since the run was planned."},
        "No text was paired with another's reply: run again, and its texts are read anew.",
    )


@contextmanager
def reading(place: str) -> Iterator[None]:
    """FieldError, with the name of the file, for whatever keeps it from being read."""
    try:
        yield
    except FieldError:
        raise
    except FileNotFoundError:
        raise FieldError(
            {"texts": f"there is no file {place} on this machine."},
            "Name the texts as every machine reaches them: in a shared folder or an object store.",
        ) from None
    except ImportError:
        raise FieldError(
            {"texts": f"{place} is read by pyarrow, which is not installed here."},
            "The extra llmwidgets[dask] has it, and so has: pip install pyarrow.",
        ) from None
    except Exception as error:  # noqa: BLE001 - what reads files raises anything for a damaged one
        why = getattr(error, "strerror", None) or type(error).__name__
        raise FieldError(
            {"texts": f"{place} cannot be read: {why}."},
            "Check the name, the permissions, and that the file is whole.",
        ) from None


# -- A text of such a file.


@dataclass(frozen=True, slots=True, eq=False)
class StoredDocument(Document):
    """A document whose words stay in their file until somebody looks at them.

    It is the text `at` a place of `files`, which it remains with another truth, and in a pickle.
    """

    text: str = field(init=False, repr=False)
    files: TextFiles = field(kw_only=True, repr=False)
    at: int = field(kw_only=True)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Document):
            return NotImplemented
        if not all(getattr(self, each) == getattr(other, each) for each in _BESIDES):
            return False
        if isinstance(other, StoredDocument) and (self.at, self.files) == (other.at, other.files):
            return True
        return self.text == other.text

    __hash__ = Document.__hash__

    def __getstate__(self) -> tuple[Any, ...]:
        return tuple(getattr(self, each) for each in (*_BESIDES, "files", "at"))

    def __setstate__(self, state: tuple[Any, ...]) -> None:
        for name, value in zip((*_BESIDES, "files", "at"), state, strict=True):
            object.__setattr__(self, name, value)


_BESIDES = tuple(each.name for each in fields(Document) if each.name != "text")


def _read_words(document: StoredDocument) -> str:
    return document.files.words([document.at])[0]


# Not a field that is made: whoever makes one anew gives the place, and reads nothing.
type.__setattr__(StoredDocument, "text", property(_read_words))


def files_of(texts: Sequence[Document]) -> TextFiles | None:
    """The files that have all of these texts; None if one of them is here by its words."""
    first = texts[0] if texts else None
    if not isinstance(first, StoredDocument):
        return None
    same = (isinstance(each, StoredDocument) and each.files is first.files for each in texts)
    return first.files if all(same) else None


def texts_to_count(texts: Sequence[Document]) -> tuple[Document, ...]:
    """The texts by which an estimate counts: all that are here, some of those in files."""
    files = files_of(texts)
    if files is None or len(texts) <= COUNTED:
        return tuple(texts)
    places = set(files.sample())
    chosen = tuple(each for each in texts if isinstance(each, StoredDocument) and each.at in places)
    return chosen or tuple(texts[:COUNTED])
