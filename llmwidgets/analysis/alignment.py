"""Alignment: which leaf of a record answers which leaf of truth, whatever the order of lists."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final, NamedTuple

from llmwidgets.analysis import pairing, room
from llmwidgets.analysis.pairing import Tally
from llmwidgets.analysis.readings import says_nothing
from llmwidgets.analysis.silence import says_no_value
from llmwidgets.schemas import Schema
from llmwidgets.schemas.place import any_name, item, prefixes, shown, step

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


Same = Callable[[str, Any, Any], bool]


def leaves_of(schema: Schema | None, data: Any) -> list[tuple[str, str, Any]]:
    """Every leaf of a record: its place, its pattern, its value. An empty list or object has none.

    >>> leaves_of(None, {"lines": [{"total": 5}]})
    [('lines[0].total', 'lines[].total', 5)]
    """
    return list(_leaves(_patterns(schema), data, "", ""))


def align(
    schema: Schema | None, value: Any, truth: Any, same: Same, notes: list[str] | None = None
) -> list[Row]:
    """A row for each leaf of truth and of the value; lists paired so that the most is right.

    `same(pattern, truth, value)` compares two leaves. A leaf that truth does not have comes
    with truth NOTHING; one of an item that truth's list does not have, or under a null of
    truth, comes with truth None. `notes` gets a sentence for each list that is too long for that.
    """
    alignment = Alignment(_patterns(schema), same)
    # Where all pairs of leaves are few, no list is looked at for how much work it asks for.
    few = (3 + room.PER_LISTS) * room.size(truth) * room.size(value) <= room.MOST
    rows = alignment.rows(truth, value, "", "", None if few else room.MOST)
    if notes is not None:
        notes += alignment.notes
    return rows


def state_of(row: Row, same: Same) -> str:
    """`agree`, `differ`, `missing`, `invented`, `null in words` or `unlabelled`.

    Words for nothing ("N/A") are `null in words` where truth says nothing, else `missing`.
    """
    if row.truth is NOTHING:
        return "unlabelled"
    empty = is_empty(row.value)
    if is_empty(row.truth):
        if empty:
            return "agree"
        return "null in words" if says_no_value(row.value) else "invented"
    if empty:
        return "missing"
    if same(row.pattern, row.truth, row.value):
        return "agree"
    return "missing" if says_no_value(row.value) else "differ"


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


@dataclass(slots=True)
class Alignment:
    """Pairs truth and value, place by place.

    `most` is how much work may go into the lists below a place; None is more than they ask for.
    """

    patterns: frozenset[str]
    same: Same
    notes: dict[str, None] = field(default_factory=dict)
    _counted: dict[int, Tally] = field(default_factory=dict)
    _inner_of: dict[tuple[str, Any], str] = field(default_factory=dict)

    def rows(
        self, truth: Any, value: Any, path: str, pattern: str, most: float | None
    ) -> list[Row]:
        if isinstance(truth, dict):
            return self._object(truth, value, path, pattern, most)
        if isinstance(truth, list | tuple):
            return self._list(truth, value, path, pattern, most)
        if truth is NOTHING or (truth is not None and says_nothing(truth)):
            return self._unlabelled(value, path, pattern)
        if truth is None:
            return self._more(value, path, pattern) or [Row(path, pattern, None, _bare(value))]
        return [Row(path, pattern, truth, value)]

    def _object(
        self, truth: dict[Any, Any], value: Any, path: str, pattern: str, most: float | None
    ) -> list[Row]:
        found = value if isinstance(value, dict) else {}
        rows = [] if found or isinstance(value, dict) else self._more(value, path, pattern)
        rooms = {} if most is None else room.shared(truth, found, most)
        for name in [*truth, *(each for each in found if each not in truth)]:
            rows += self.rows(
                truth.get(name, NOTHING),
                found.get(name, NOTHING),
                step(path, str(name)),
                self._inner(pattern, name),
                rooms.get(name),
            )
        return rows

    def _list(
        self, truth: Sequence[Any], value: Any, path: str, pattern: str, most: float | None
    ) -> list[Row]:
        if not isinstance(value, list | tuple):
            rows = self._more(value, path, pattern)
            found: Sequence[Any] = []
        else:
            rows, found = [], value
        if not truth:
            return self._more(value, path, pattern) or [Row(path, pattern, [], _bare(value))]
        paired = self._pair(truth, found, item(pattern), most)
        inner = None if most is None else most / max(1, len(paired))
        for index, each in enumerate(truth):
            partner = paired.get(index)
            answer = NOTHING if partner is None else found[partner]
            rows += self.rows(each, answer, item(path, index), item(pattern), inner)
        extra = sorted(set(range(len(found))) - set(paired.values()))
        for count, index in enumerate(extra, len(truth)):
            rows += self._more(found[index], item(path, count), item(pattern))
        return rows

    def _inner(self, pattern: str, name: Any) -> str:
        inner = self._inner_of.get((pattern, name))
        if inner is None:
            inner = self._inner_of[pattern, name] = _inner(self.patterns, pattern, str(name))
        return inner

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

    # -- which item answers which ----------------------------------------------------------------

    def _pair(
        self, truth: Sequence[Any], value: Sequence[Any], pattern: str, most: float | None
    ) -> dict[int, int]:
        """Which item of the value answers each item of truth.

        `_counted` has what the pairs count for afterwards, as far as that was needed.
        """
        self._counted = {}
        if not truth or not value:
            return {}
        if len(truth) == len(value) == 1:
            return {0: 0}
        kept, paired = dict(self.notes), dict[int, int]()
        if len(truth) * len(value) > _MANY_PAIRS:
            paired = pairing.identical(truth, value)
        left, right = _rest(dict(enumerate(truth)), dict(enumerate(value)), paired)
        if not left or not right:
            return paired
        if room.fits(left, right, most):
            paired |= self._optimal(left, right, pattern)
        else:
            paired |= self._roughly(left, right, pattern, most, kept)
        # What was noted of pairs that were only tried is not said of the record.
        self.notes = kept
        return paired

    def _roughly(
        self,
        left: dict[int, Any],
        right: dict[int, Any],
        pattern: str,
        most: float | None,
        notes: dict[str, None],
    ) -> dict[int, int]:
        """Rows that are right in all, then the best of the rest as far as there is room."""

        counted: dict[int, Tally] = {}

        def is_right(i: int, j: int) -> bool:
            found = counted[i] = self.count(left[i], right[j], pattern)
            return found.right == found.labelled

        truth, value = self._keyed(left, pattern), self._keyed(right, pattern)
        paired = pairing.all_right(truth, value, is_right)
        self._counted = {i: counted[i] for i in paired}
        left, right = _rest(left, right, paired)
        if not left or not right:
            return paired
        if room.fits(left, right, most):
            return paired | self._optimal(left, right, pattern)
        notes[
            f"{shown(pattern.removesuffix('[]'))}: too many rows to pair ({len(left):,} of truth "
            f"with {len(right):,}); they were paired by the values they share."
        ] = None
        truth, value = {i: truth[i] for i in left}, {j: value[j] for j in right}
        return paired | pairing.by_shared(truth, value)

    def _keyed(self, items: dict[int, Any], pattern: str) -> dict[int, pairing.Keyed]:
        return {
            at: pairing.Keyed.of(
                each, [(kind, leaf) for _, kind, leaf in _leaves(self.patterns, each, "", pattern)]
            )
            for at, each in items.items()
        }

    def _optimal(self, left: dict[int, Any], right: dict[int, Any], pattern: str) -> dict[int, int]:
        known = self._counted
        table = [[self.count(one, other, pattern) for other in right.values()]
                 for one in left.values()]  # fmt: skip
        alone = [self.count(one, NOTHING, pattern) for one in left.values()]
        more = [self._said(other) for other in right.values()]
        paired = pairing.cheapest(table, alone, more)
        rows, columns = list(left), list(right)
        # Lists in lists would else be paired again for each list around them.
        self._counted = known | {rows[i]: table[i][j] for i, j in paired.items()}
        return {rows[i]: columns[j] for i, j in paired.items()}

    # -- what a pair counts for: the rows as numbers alone ---------------------------------------

    def count(self, truth: Any, value: Any, pattern: str) -> Tally:
        """How many of the rows of a truth and a value are labelled, right, invented, missed."""
        if isinstance(truth, dict):
            return self._count_object(truth, value, pattern)
        if isinstance(truth, list | tuple):
            return self._count_list(truth, value, pattern)
        if truth is NOTHING:
            return _UNLABELLED
        if truth is None:
            said = self._said(value)
            return said if said.labelled else _RIGHT
        if says_nothing(truth):
            return _UNLABELLED
        if is_empty(value):
            return _MISSED
        return _RIGHT if self.same(pattern, truth, value) else _WRONG

    def _count_object(self, truth: dict[Any, Any], value: Any, pattern: str) -> Tally:
        known = isinstance(value, dict)
        found = value if known else {}
        labelled, right, invented, missed = _UNLABELLED if known else self._said(value)
        for name, each in truth.items():
            one = self.count(each, found.get(name, NOTHING), self._inner(pattern, name))
            labelled += one[0]
            right += one[1]
            invented += one[2]
            missed += one[3]
        return Tally(labelled, right, invented, missed)

    def _count_list(self, truth: Sequence[Any], value: Any, pattern: str) -> Tally:
        if not truth:
            said = self._said(value)
            return said if said.labelled else _RIGHT
        known = isinstance(value, list | tuple)
        found: Sequence[Any] = value if known else []
        inner = item(pattern)
        paired = self._pair(truth, found, inner, None)
        there, counted = self._counted, [_UNLABELLED if known else self._said(value)]
        counted += [
            there.get(i) or self.count(each, found[paired[i]] if i in paired else NOTHING, inner)
            for i, each in enumerate(truth)
        ]
        taken = set(paired.values())
        counted += [self._said(each) for j, each in enumerate(found) if j not in taken]
        return Tally(*map(sum, zip(*counted, strict=True)))

    def _said(self, value: Any) -> Tally:
        """What is said where truth says that there is nothing."""
        said = room.size(value, counts=lambda each: not is_empty(each))
        return Tally(said, 0, said, 0)


_UNLABELLED, _RIGHT = Tally(0, 0, 0, 0), Tally(1, 1, 0, 0)
_WRONG, _MISSED = Tally(1, 0, 0, 0), Tally(1, 0, 0, 1)


def _rest(
    left: dict[int, Any], right: dict[int, Any], paired: dict[int, int]
) -> tuple[dict[int, Any], dict[int, Any]]:
    taken = set(paired.values())
    return (
        {i: each for i, each in left.items() if i not in paired},
        {j: each for j, each in right.items() if j not in taken},
    )


def _bare(value: Any) -> Any:
    return None if isinstance(value, dict | list | tuple) else value
