"""Pairing: which item of a list answers which item of truth's, exactly or as far as work allows."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from llmwidgets.analysis.assignment import assign
from llmwidgets.analysis.normalize import read, says_nothing

_MOST_SHARED = 1_000_000
"""So many pairs that share a value are counted, those of the rarest values first."""

_MOST_SHAPES = 16
_TRIED = 4


class Tally(NamedTuple):
    """How many leaves are labelled, right, invented and missed.

    `which` has, for an object of plain values alone, two bits for each that truth fills, the first
    field lowest: 1 is right, 2 missed. It is -1 for all others. `answered` and `whole` count the
    rows of lists inside that have an answer, and those that are wholly right.
    """

    labelled: int
    right: int
    invented: int
    missed: int
    which: int = -1
    answered: int = 0
    whole: int = 0

    def as_row(self) -> Tally:
        """The same as an answered row: counted itself."""
        labelled, right, invented, missed, which, answered, whole = self
        whole += 0 < labelled == right
        return Tally(labelled, right, invented, missed, which, answered + 1, whole)


def cheapest(
    table: Sequence[Sequence[Tally]],
    alone: Sequence[Tally],
    more: Sequence[Tally],
    is_one: Callable[[int, int], bool],
) -> dict[int, int]:
    """The pairs by which most is right, then fewest are labelled, invented and missed.

    Then most rows are answered and wholly right, so that no order of the lists changes a sum.
    `table` counts each pair; `alone` an item of truth without an answer, `more` an item of the
    value without a truth. Only items that `is_one` says are the same are paired.
    """
    known = None
    if not _all_have_a_partner(table):
        known = [[is_one(i, j) for j in range(len(more))] for i in range(len(alone))]
        if not any(map(any, known)):
            return {}
    cost = _costs(table, alone, more)
    if known is None:
        # Most answers are of the document itself: then no other pair needs a closer look.
        paired = assign(cost)
        if all(is_one(i, j) for i, j in paired.items()):
            return paired
        known = [[is_one(i, j) for j in range(len(more))] for i in range(len(alone))]
    cost = [
        [each if one else 0 for each, one in zip(row, ones, strict=True)]
        for row, ones in zip(cost, known, strict=True)
    ]
    return {i: j for i, j in assign(cost).items() if known[i][j]}


def _costs(
    table: Sequence[Sequence[Tally]], alone: Sequence[Tally], more: Sequence[Tally]
) -> list[list[int]]:
    """What each pair costs beside leaving both alone, which is the same whatever else is paired.

    So the rectangle needs no rows that stand for nothing.
    """
    most = max(each.labelled for row in table for each in row)
    most += max(each.labelled for each in alone) + max(each.labelled for each in more)
    scale = 1 + 2 * most * min(len(alone), len(more))
    fine = 1 + (1 + max(each[5] for row in table for each in row)) * min(len(alone), len(more))
    left = [_cost(each, scale, fine) for each in alone]
    over = [_cost(each, scale, fine) for each in more]
    return [
        [_cost(each, scale, fine) - one - other for each, other in zip(row, over, strict=True)]
        for row, one in zip(table, left, strict=True)
    ]


def _all_have_a_partner(table: Sequence[Sequence[Tally]]) -> bool:
    """Whether each item of the shorter list has something right beside one of the other."""
    shorter = table if len(table) <= len(table[0]) else zip(*table, strict=True)
    return all(any(each.right for each in row) for row in shorter)


def _cost(each: Tally, scale: int, fine: int) -> int:
    """One whole number for all that is counted, what matters more before what matters less."""
    labelled, right, invented, missed, _, answered, whole = each
    leaves = ((labelled - right * scale) * scale + invented) * scale + missed
    return (leaves * fine - answered) * fine - whole


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
        keys = tuple((kind, key_of(each)) for kind, each in leaves if _says(each))
        return cls(written(data), patterns, keys)

    def only(self, patterns: frozenset[str]) -> Keyed:
        """The same item by what it says at these patterns alone; at all of them if it says none."""
        keys = tuple(each for each in self.keys if each[0] in patterns)
        return Keyed(self.text, self.patterns, keys or self.keys)

    def within(self, patterns: frozenset[str]) -> frozenset[tuple[tuple[str, Hashable], int]]:
        """What it says at these patterns alone."""
        return frozenset(Counter(each for each in self.keys if each[0] in patterns).items())


def _says(value: Any) -> bool:
    return not says_nothing(value)


def key_of(value: Any) -> Hashable:
    """One key for all ways to write a value."""
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


def by_shared(
    truth: Mapping[int, Keyed],
    value: Mapping[int, Keyed],
    is_one: Callable[[int, int], bool] | None = None,
) -> dict[int, int]:
    """Pairs by the values they share, rare ones before common ones; ties by content.

    Values that very many items share tell no two apart: their holders are paired in order, and
    then all others. Where `is_one` says which items are the same, only such are paired.
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
    taken = _Taken({}, set(), is_one, Counter())
    for i, j in _ranked([(ours[key], theirs[key]) for key in told], len(columns)):
        taken.pair(rows[i], columns[j])
    if is_one is None:
        for key in common:
            taken.in_order([rows[i] for i in ours[key]], [columns[j] for j in theirs[key]])
        taken.in_order(rows, columns)
    return taken.paired


@dataclass(frozen=True, slots=True)
class _Taken:
    paired: dict[int, int]
    partners: set[int]
    is_one: Callable[[int, int], bool] | None
    tried: Counter[int]

    def pair(self, i: int, j: int) -> None:
        if i in self.paired or j in self.partners:
            return
        if self.is_one is not None:
            self.tried[i] += 1
            if self.tried[i] > _TRIED or not self.is_one(i, j):
                return
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
