"""Texts by reference: rows of Parquet files, whose words are read where they are used."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import accumulate
from typing import Any, NamedTuple

from llmwidgets.engine.request_builder import Document


class TextFile(NamedTuple):
    """A Parquet file: where it is, and how many rows each of its row groups has."""

    place: str
    groups: tuple[int, ...]


@dataclass(frozen=True)
class TextFiles:
    """The texts of a run in the order of files and rows, counted from 0 through all of them."""

    files: tuple[TextFile, ...]
    column: str = "text"
    _starts: tuple[int, ...] = field(init=False, repr=False, compare=False)
    _groups: tuple[tuple[str, int], ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        sizes = [size for each in self.files for size in each.groups]
        groups = [(each.place, at) for each in self.files for at in range(len(each.groups))]
        object.__setattr__(self, "_starts", tuple(accumulate(sizes, initial=0)))
        object.__setattr__(self, "_groups", tuple(groups))

    def __len__(self) -> int:
        return self._starts[-1]

    def words(self, places: Sequence[int]) -> list[str]:
        """The texts at these places; a row group is read once for places in order."""
        found = []
        for place in places:
            at = bisect_right(self._starts, place) - 1
            column = _read_group(*self._groups[at], self.column)
            found.append(column[place - self._starts[at]].as_py())
        return found

    def rows(self) -> Iterator[Mapping[str, Any]]:
        """Every row without its text: its id, truth and further columns."""
        import pyarrow.parquet as pq

        for file in self.files:
            with pq.ParquetFile(file.place) as opened:
                names = [name for name in opened.schema_arrow.names if name != self.column]
                for batch in opened.iter_batches(columns=names):
                    yield from batch.to_pylist() if names else [{}] * batch.num_rows


@lru_cache(maxsize=4)
def _read_group(place: str, group: int, column: str) -> Any:
    import pyarrow.parquet as pq

    with pq.ParquetFile(place) as opened:
        return opened.read_row_group(group, [column]).column(0).combine_chunks()


class TextPlace(NamedTuple):
    """Where the words of a text are."""

    files: TextFiles
    at: int


class StoredDocument(Document):
    """A document whose words stay in their file until somebody looks at them.

    It is made with a TextPlace in the place of the text; one with other truth keeps the words.
    """

    __slots__ = ("_words",)

    _words: str | TextPlace

    @property
    def text(self) -> str:
        """The words, read anew at each look."""
        words = self._words
        return words if isinstance(words, str) else words.files.words([words.at])[0]

    @text.setter
    def text(self, words: str | TextPlace) -> None:
        object.__setattr__(self, "_words", words)


def find_text_files(texts: Any) -> TextFiles | None:
    """The files that texts by reference name; None for texts by value."""
    from pathlib import Path

    import pyarrow.parquet as pq

    if not isinstance(texts, Path) or texts.suffix != ".parquet":
        return None
    with pq.ParquetFile(texts) as opened:
        groups = tuple(
            opened.metadata.row_group(at).num_rows for at in range(opened.num_row_groups)
        )
    return TextFiles((TextFile(str(texts), groups),))
