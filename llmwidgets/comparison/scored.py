"""Rows: where each extraction of a comparison stands in its journal."""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Place:
    """One extraction of a comparison, counted from 0."""

    variant: int
    text: int
    repeat: int


class Rows:
    """Journal ids by place, 9 bytes each; 0 where nothing was put down.

    >>> rows = Rows(2, 3, 1)
    >>> rows.put(Place(1, 2, 0), 7)
    >>> rows.id(Place(1, 2, 0)), rows.id(Place(0, 0, 0)), len(rows)
    (7, 0, 6)
    """

    __slots__ = ("_ids", "_reused", "repeats", "texts", "variants")

    def __init__(self, variants: int, texts: int, repeats: int) -> None:
        self.variants, self.texts, self.repeats = variants, texts, repeats
        self._ids = array("q", bytes(8 * variants * texts * repeats))
        self._reused = bytearray(len(self._ids))

    def __len__(self) -> int:
        return len(self._ids)

    def id(self, place: Place) -> int:
        """The journal's id of this place, 0 where there is none."""
        return self._ids[self._at(place)]

    @property
    def ids(self) -> frozenset[int]:
        """All ids of the journal."""
        return frozenset(self._ids)

    @property
    def open(self) -> bool:
        """Whether something is still to come."""
        return 0 in self._ids

    def reused(self, place: Place) -> bool:
        """Whether an earlier run paid for this place's reply."""
        return bool(self._reused[self._at(place)])

    def all_reused(self, text: int) -> bool:
        """Whether earlier runs paid for every reply to this text."""
        return all(
            self.reused(Place(variant, text, repeat))
            for variant in range(self.variants)
            for repeat in range(self.repeats)
        )

    def put(self, place: Place, row: int, *, reused: bool = False) -> None:
        """Note that this place's extraction is the journal's row of this id."""
        at = self._at(place)
        self._ids[at], self._reused[at] = row, reused

    def places(self) -> Iterator[Place]:
        """Every place: variant by variant, each text with its repeats."""
        for variant in range(self.variants):
            for text in range(self.texts):
                for repeat in range(self.repeats):
                    yield Place(variant, text, repeat)

    def _at(self, place: Place) -> int:
        return (place.variant * self.texts + place.text) * self.repeats + place.repeat
