"""Alignment: which leaf of a record answers which leaf of truth, whatever the order of lists."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, NamedTuple

from llmwidgets.analysis.assignment import assign
from llmwidgets.analysis.readings import says_nothing
from llmwidgets.schemas import Schema
from llmwidgets.schemas.place import any_name, item, prefixes, step

MAX_PAIRS = 40_000
"""Two lists with more pairs of items than this are paired greedily by what they have in common."""

_MANY_PAIRS = 400


class _Nothing:
    """The one value that stands for no value: not labelled, or not answered."""

    def __repr__(self) -> str:
        return "NOTHING"

    def __bool__(self) -> bool:
        return False

    def __reduce__(self) -> str:
        return "NOTHING"


NOTHING: Final = _Nothing()


class Row(NamedTuple):
    """A place with its truth and value; NOTHING where there is none."""

    path: str
    pattern: str
    truth: Any
    value: Any


class Tally(NamedTuple):
    """How many leaves are labelled, right, invented and missed."""

    labelled: int
    right: int
    invented: int
    missed: int


Same = Callable[[str, Any, Any], bool]


def leaves_of(schema: Schema | None, data: Any) -> list[tuple[str, str, Any]]:
    """Every leaf of a record: its place, its pattern, its value. An empty list or object has none.

    >>> leaves_of(None, {"lines": [{"total": 5}]})
    [('lines[0].total', 'lines[].total', 5)]
    """
    return list(_leaves(_patterns(schema), data, "", ""))


def align(schema: Schema | None, value: Any, truth: Any, same: Same) -> list[Row]:
    """A row for each leaf of truth and of the value; lists paired so that the most is right.

    `same(pattern, truth, value)` compares two leaves. A leaf that truth does not have comes
    with truth NOTHING; one of an item that truth's list does not have, or under a null of
    truth, comes with truth None.
    """
    return Alignment(_patterns(schema), same).rows(truth, value, "", "")


def tally(rows: Sequence[Row], same: Same) -> Tally:
    """Count rows by what they say."""
    labelled = right = invented = missed = 0
    for row in rows:
        state = state_of(row, same)
        if state != "unlabelled":
            labelled += 1
            right += state == "agree"
            invented += state == "invented"
            missed += state == "missing"
    return Tally(labelled, right, invented, missed)


def state_of(row: Row, same: Same) -> str:
    """`agree`, `differ`, `missing`, `invented` or `unlabelled`."""
    if row.truth is NOTHING:
        return "unlabelled"
    empty = is_empty(row.value)
    if is_empty(row.truth):
        return "agree" if empty else "invented"
    if empty:
        return "missing"
    return "agree" if same(row.pattern, row.truth, row.value) else "differ"


def is_empty(value: Any) -> bool:
    """Whether a value says nothing: null, blank, or a list or object of nothing but such."""
    if value is NOTHING:
        return True
    if isinstance(value, dict):
        return all(is_empty(each) for each in value.values())
    if isinstance(value, list | tuple):
        return all(is_empty(each) for each in value)
    return says_nothing(value)


@lru_cache(maxsize=64)
def _patterns(schema: Schema | None) -> frozenset[str]:
    leaves = schema.leaves if schema is not None else ()
    return frozenset(prefix for leaf in leaves for prefix in prefixes(leaf.path))


def _inner(patterns: frozenset[str], pattern: str, name: str) -> str:
    """The pattern of a property; a name the schema leaves open becomes `*`."""
    named = step(pattern, name)
    starred = any_name(pattern)
    return starred if named not in patterns and starred in patterns else named


def _leaves(
    patterns: frozenset[str], data: Any, path: str, pattern: str
) -> Iterator[tuple[str, str, Any]]:
    if isinstance(data, dict):
        for name, each in data.items():
            inner = _inner(patterns, pattern, str(name))
            yield from _leaves(patterns, each, step(path, str(name)), inner)
    elif isinstance(data, list | tuple):
        for index, each in enumerate(data):
            yield from _leaves(patterns, each, item(path, index), item(pattern))
    else:
        yield path, pattern, data


@dataclass(frozen=True, slots=True)
class Alignment:
    """Pairs truth and value, place by place."""

    patterns: frozenset[str]
    same: Same

    def rows(self, truth: Any, value: Any, path: str, pattern: str) -> list[Row]:
        if isinstance(truth, dict):
            return self._object(truth, value, path, pattern)
        if isinstance(truth, list | tuple):
            return self._list(truth, value, path, pattern)
        if truth is NOTHING or (truth is not None and says_nothing(truth)):
            return self._unlabelled(value, path, pattern)
        if truth is None:
            return self._more(value, path, pattern) or [Row(path, pattern, None, _bare(value))]
        return [Row(path, pattern, truth, value)]

    def _object(self, truth: dict[Any, Any], value: Any, path: str, pattern: str) -> list[Row]:
        found = value if isinstance(value, dict) else {}
        rows = [] if found or isinstance(value, dict) else self._more(value, path, pattern)
        for name in [*truth, *(each for each in found if each not in truth)]:
            rows += self.rows(
                truth.get(name, NOTHING),
                found.get(name, NOTHING),
                step(path, str(name)),
                _inner(self.patterns, pattern, str(name)),
            )
        return rows

    def _list(self, truth: Sequence[Any], value: Any, path: str, pattern: str) -> list[Row]:
        if not isinstance(value, list | tuple):
            rows = self._more(value, path, pattern)
            found: Sequence[Any] = []
        else:
            rows, found = [], value
        if not truth:
            return self._more(value, path, pattern) or [Row(path, pattern, [], _bare(value))]
        paired = self._pair(truth, found, item(pattern))
        for index, each in enumerate(truth):
            partner = paired.get(index)
            answer = NOTHING if partner is None else found[partner]
            rows += self.rows(each, answer, item(path, index), item(pattern))
        extra = sorted(set(range(len(found))) - set(paired.values()))
        for count, index in enumerate(extra, len(truth)):
            rows += self._more(found[index], item(path, count), item(pattern))
        return rows

    def _unlabelled(self, value: Any, path: str, pattern: str) -> list[Row]:
        return [
            Row(at, kind, NOTHING, each)
            for at, kind, each in _leaves(self.patterns, value, path, pattern)
            if each is not NOTHING
        ]

    def _more(self, value: Any, path: str, pattern: str) -> list[Row]:
        """What is said where truth says that there is nothing."""
        return [
            Row(at, kind, None, each)
            for at, kind, each in _leaves(self.patterns, value, path, pattern)
            if not is_empty(each)
        ]

    def _pair(self, truth: Sequence[Any], value: Sequence[Any], pattern: str) -> dict[int, int]:
        """Which item of the value answers each item of truth."""
        if not truth or not value:
            return {}
        if len(truth) == len(value) == 1:
            return {0: 0}
        paired: dict[int, int] = {}
        if len(truth) * len(value) > _MANY_PAIRS:
            paired = _identical(truth, value)
        left = [each for each in range(len(truth)) if each not in paired]
        taken = set(paired.values())
        right = [each for each in range(len(value)) if each not in taken]
        if not left or not right:
            return paired
        if len(left) * len(right) > MAX_PAIRS:
            return paired | self._greedy(truth, value, left, right)
        return paired | self._optimal(truth, value, left, right, pattern)

    def _optimal(
        self,
        truth: Sequence[Any],
        value: Sequence[Any],
        left: list[int],
        right: list[int],
        pattern: str,
    ) -> dict[int, int]:
        def count(one: Any, other: Any) -> Tally:
            return tally(self.rows(one, other, "", pattern), self.same)

        size = max(len(left), len(right))
        table = [[count(truth[i], value[j]) for j in right] for i in left]
        for row, i in zip(table, left, strict=True):
            row.extend([count(truth[i], NOTHING)] * (size - len(row)))
        for _ in range(size - len(left)):
            table.append([tally(self._more(value[j], "", pattern), self.same) for j in right])
        scale = 1 + sum(max(each.labelled for each in row) for row in table)
        paired = assign([[_cost(each, scale) for each in row] for row in table])
        return {
            left[row]: right[column]
            for row, column in enumerate(paired)
            if row < len(left) and column < len(right)
        }

    def _greedy(
        self, truth: Sequence[Any], value: Sequence[Any], left: list[int], right: list[int]
    ) -> dict[int, int]:
        """Pairs by leaves that are written alike; ties by content, so that order is without say."""
        holders: dict[tuple[str, str], list[int]] = defaultdict(list)
        for j in right:
            for _, pattern, each in _leaves(self.patterns, value[j], "", ""):
                holders[pattern, str(each).casefold()].append(j)
        ranked = []
        for i in left:
            common: Counter[int] = Counter()
            for _, pattern, each in _leaves(self.patterns, truth[i], "", ""):
                common.update(holders.get((pattern, str(each).casefold()), ()))
            ranked += [
                (-count, _key(truth[i]), _key(value[j]), i, j) for j, count in common.items()
            ]
        paired: dict[int, int] = {}
        taken: set[int] = set()
        for _, _, _, i, j in sorted(ranked):
            if i not in paired and j not in taken:
                paired[i] = j
                taken.add(j)
        rest = sorted((_key(value[j]), j) for j in right if j not in taken)
        waiting = sorted((_key(truth[i]), i) for i in left if i not in paired)
        paired.update((i, j) for (_, i), (_, j) in zip(waiting, rest, strict=False))
        return paired


def _cost(each: Tally, scale: int) -> int:
    """Most right first, then fewest labelled, invented and missed: one number for all four."""
    worst = each.labelled * scale**2 + each.invented * scale + each.missed
    return worst - each.right * scale**3


def _identical(truth: Sequence[Any], value: Sequence[Any]) -> dict[int, int]:
    """Items that are the same to the letter; pairing them first costs nothing."""
    holders: dict[str, list[int]] = defaultdict(list)
    for j, each in enumerate(value):
        holders[_key(each)].append(j)
    paired = {}
    for i, each in enumerate(truth):
        if free := holders.get(_key(each)):
            paired[i] = free.pop()
    return paired


def _key(value: Any) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _bare(value: Any) -> Any:
    return None if isinstance(value, dict | list | tuple) else value
