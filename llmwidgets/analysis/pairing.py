"""Pairing: which item of a list answers which item of truth's, exactly or as far as work allows."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from llmwidgets.analysis.assignment import assign
from llmwidgets.analysis.readings import read, says_nothing

_MOST_SHARED = 1_000_000
"""So many pairs that share a value are counted, those of the rarest values first."""

_MOST_SHAPES = 16
_TRIED = 4


class Tally(NamedTuple):
    """How many leaves are labelled, right, invented and missed."""

    labelled: int
    right: int
    invented: int
    missed: int


def cheapest(
    table: Sequence[Sequence[Tally]], alone: Sequence[Tally], more: Sequence[Tally]
) -> dict[int, int]:
    """The pairs by which most is right, then fewest are labelled, invented and missed.

    `table` counts each pair; `alone` an item of truth without an answer, `more` an item of the
    value without a truth. Every item of the shorter list is paired.
    """
    # Beside what leaves both alone, a pair is worth the same whatever else is paired: so the
    # rectangle needs no rows that stand for nothing.
    most = max(each.labelled for row in table for each in row)
    most += max(each.labelled for each in alone) + max(each.labelled for each in more)
    scale = 1 + 2 * most * min(len(alone), len(more))
    left, over = [_cost(each, scale) for each in alone], [_cost(each, scale) for each in more]
    cost = [
        [_cost(each, scale) - one - other for each, other in zip(row, over, strict=True)]
        for row, one in zip(table, left, strict=True)
    ]
    return assign(cost)


def _cost(each: Tally, scale: int) -> int:
    """One whole number for all four."""
    labelled, right, invented, missed = each
    return ((labelled - right * scale) * scale + invented) * scale + missed


def identical(truth: Sequence[Any], value: Sequence[Any]) -> dict[int, int]:
    """Items that are the same to the letter; pairing them first costs nothing."""
    holders: dict[str, list[int]] = defaultdict(list)
    for j, each in enumerate(value):
        holders[written(each)].append(j)
    paired = {}
    for i, each in enumerate(truth):
        if free := holders.get(written(each)):
            paired[i] = free.pop()
    return paired


def written(value: Any) -> str:
    """An item as one text, by which its place in the list is without say."""
    return json.dumps(value, sort_keys=True, default=str)


Leaves = Sequence[tuple[str, Any]]


@dataclass(frozen=True, slots=True)
class Keyed:
    """An item as what it says: a key for each of its leaves, alike however a value is written."""

    text: str
    patterns: frozenset[str]
    keys: tuple[tuple[str, Hashable], ...]

    @classmethod
    def of(cls, data: Any, leaves: Leaves) -> Keyed:
        """Read an item; a blank text labels nothing, and null says nothing."""
        patterns = frozenset(kind for kind, each in leaves if each is None or _says(each))
        keys = tuple((kind, _key(each)) for kind, each in leaves if _says(each))
        return cls(written(data), patterns, keys)

    def within(self, patterns: frozenset[str]) -> frozenset[tuple[tuple[str, Hashable], int]]:
        """What it says at these patterns alone."""
        return frozenset(Counter(each for each in self.keys if each[0] in patterns).items())


def _says(value: Any) -> bool:
    return not says_nothing(value)


def _key(value: Any) -> Hashable:
    if isinstance(value, bool):
        return value
    reading = read(value)
    if reading.number is not None:
        # Binary floats add digits of their own behind the twelfth.
        return ("number", f"{reading.number.value:.11e}")
    if reading.days:
        return ("day", *(each.at for each in reading.days))
    return reading.code or reading.text


def all_right(
    truth: Mapping[int, Keyed], value: Mapping[int, Keyed], is_right: Callable[[int, int], bool]
) -> dict[int, int]:
    """Pairs in which all that truth labels is right, found by what they say and not by trying.

    The work grows with the number of items, not of pairs. Truth that labels more goes first.
    """
    shapes: dict[frozenset[str], list[int]] = defaultdict(list)
    for i in _ordered(truth):
        shapes[truth[i].patterns].append(i)
    common = sorted(shapes, key=lambda each: (-len(shapes[each]), sorted(each)))[:_MOST_SHAPES]
    paired: dict[int, int] = {}
    taken: set[int] = set()
    order = _ordered(value)
    for shape in sorted(common, key=lambda each: (-len(each), sorted(each))):
        holders: dict[Hashable, list[int]] = defaultdict(list)
        for j in reversed(order):
            if j not in taken:
                holders[value[j].within(shape)].append(j)
        for i in shapes[shape]:
            free = holders.get(truth[i].within(shape), [])
            found = next((j for j in reversed(free[-_TRIED:]) if is_right(i, j)), None)
            if found is not None:
                free.remove(found)
                paired[i] = found
                taken.add(found)
    return paired


def by_shared(truth: Mapping[int, Keyed], value: Mapping[int, Keyed]) -> dict[int, int]:
    """Pairs by the values they share, rare ones before common ones; ties by content.

    Values that very many items share tell no two apart: their holders are paired in order.
    """
    rows, columns = _ordered(truth), _ordered(value)
    ours, theirs = _holders(rows, truth), _holders(columns, value)
    shared = sorted(
        (len(ours[key]) * len(theirs[key]), repr(key), key) for key in ours if key in theirs
    )
    told: list[Hashable] = []
    common: list[Hashable] = []
    total = 0
    for many, _, key in shared:
        total += many
        (told if total <= _MOST_SHARED else common).append(key)
    taken = _Taken({}, set())
    for i, j in _ranked([(ours[key], theirs[key]) for key in told], len(columns)):
        taken.pair(rows[i], columns[j])
    for key in common:
        taken.in_order([rows[i] for i in ours[key]], [columns[j] for j in theirs[key]])
    taken.in_order(rows, columns)
    return taken.paired


@dataclass(frozen=True, slots=True)
class _Taken:
    paired: dict[int, int]
    partners: set[int]

    def pair(self, i: int, j: int) -> None:
        if i not in self.paired and j not in self.partners:
            self.paired[i] = j
            self.partners.add(j)

    def in_order(self, rows: Iterable[int], columns: Iterable[int]) -> None:
        free = [i for i in rows if i not in self.paired]
        others = [j for j in columns if j not in self.partners]
        for i, j in zip(free, others, strict=False):
            self.pair(i, j)


def _ordered(items: Mapping[int, Keyed]) -> list[int]:
    return sorted(items, key=lambda each: items[each].text)


def _holders(order: Sequence[int], items: Mapping[int, Keyed]) -> dict[Hashable, list[int]]:
    """For each key, the ranks of the items that have it."""
    holders: dict[Hashable, list[int]] = defaultdict(list)
    for rank, each in enumerate(order):
        for key in set(items[each].keys):
            holders[key].append(rank)
    return holders


def _ranked(groups: Sequence[tuple[list[int], list[int]]], width: int) -> Iterator[tuple[int, int]]:
    """Every pair of a group, those in most groups first."""
    if not groups:
        return
    import numpy as np

    cells = np.concatenate(
        [np.add.outer(np.array(ours) * width, np.array(theirs)).ravel() for ours, theirs in groups]
    )
    pairs, counts = np.unique(cells, return_counts=True)
    for cell in pairs[np.argsort(-counts, kind="stable")].tolist():
        yield divmod(cell, width)
