"""Alignment: which leaf of a record answers which leaf of truth, whatever the order of lists.

Lists are paired here as exactly as the work allows, by the ways and the rules of `pairing.py`.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from llmwidgets.analysis.leaves import (
    NOTHING,
    Field,
    Properties,
    categories_of,
    inner_pattern,
    is_empty,
    is_same_scalar,
    leaves_in,
    patterns_of,
    says_no_value,
)
from llmwidgets.analysis.normalize import says_nothing
from llmwidgets.analysis.pairing import (
    Items,
    Keyed,
    LabelledLeaf,
    PairCounts,
    all_right,
    by_shared,
    cheapest,
    identical,
    reordered,
    ties_by_content,
)
from llmwidgets.analysis.rules import ListRule
from llmwidgets.schemas import Schema
from llmwidgets.schemas.canonical import display_path, item_path, property_path

MOST_WORK = 1_500_000
"""About this many comparisons of leaves go into pairing the lists of one record."""

_MOST_PAIRS = 100_000
_FOLDED = (dict, list, tuple)
_NUMBERS = frozenset({int, float, bool})
_PLAIN = frozenset({str, int, float, bool, type(None)})
PER_LISTS = 12
"""Measured: pairing two lists, however short, costs as much as this many comparisons more."""


def count_leaves(data: Any, counts: Callable[[Any], bool] | None = None) -> int:
    """How many leaves there are that count; an empty list or object is one.

    >>> count_leaves({"lines": [{"total": 1}, {"total": 2}]})
    2
    """
    if not isinstance(data, _FOLDED) or not data:
        return 1 if counts is None or counts(data) else 0
    values = data.values() if isinstance(data, dict) else data
    if counts is None:
        if _PLAIN.issuperset(map(type, values)):
            return len(data)
        folded = [each for each in values if isinstance(each, _FOLDED)]
        return len(data) + sum([count_leaves(each) - 1 for each in folded])
    total = 0
    for value in values:
        if isinstance(value, _FOLDED):
            total += count_leaves(value, counts)
        elif counts(value):
            total += 1
    return total


def is_few(truth: Any, value: Any) -> bool:
    """Whether two records have so few leaves that whatever lists they have are paired exactly."""
    return (3 + PER_LISTS) * count_leaves(truth) * count_leaves(value) <= MOST_WORK


def fits(left: Mapping[int, Any], right: Mapping[int, Any], most: float | None) -> bool:
    """Whether these items can be paired exactly within this much work; None is always enough."""
    if len(left) * len(right) > _MOST_PAIRS:
        return False
    return most is None or work(list(left.values()), list(right.values())) <= most


def work(truth: Any, value: Any) -> int:
    """About how many leaves are compared to pair all lists of two records exactly."""
    ours, theirs = _lists(truth), _lists(value)
    return sum(
        max(each.leaves * other.items, each.items * other.leaves)
        + PER_LISTS * each.lists * other.lists
        for at, each in ours.items()
        if (other := theirs.get(at)) is not None
    )


def shared_room(
    truth: Mapping[Any, Any], value: Mapping[Any, Any], most: float
) -> dict[Any, float]:
    """The work for each property: what it needs, or an even part of what smaller ones leave."""
    asked = {
        name: work(each, value[name])
        for name, each in truth.items()
        if name in value and isinstance(each, dict | list | tuple)
    }
    rooms = {}
    for before, name in enumerate(sorted(asked, key=lambda each: (asked[each], str(each)))):
        rooms[name] = min(asked[name], most / (len(asked) - before))
        most -= rooms[name]
    return rooms


@dataclass(slots=True)
class _Lists:
    """The lists at one place: their items together, and the leaves that are in no inner list."""

    lists: int = 0
    items: int = 0
    leaves: int = 0


_Place = tuple[str, ...]
_ITEM = "[]"


def _lists(data: Any) -> dict[_Place, _Lists]:
    lists_at: dict[_Place, _Lists] = defaultdict(_Lists)
    waiting: list[tuple[Any, _Place, _Lists]] = [(data, (), _Lists())]
    while waiting:
        each, at, inside = waiting.pop()
        if isinstance(each, dict) and each:
            waiting += [(inner, (*at, str(name)), inside) for name, inner in each.items()]
        elif isinstance(each, list | tuple) and each:
            place = (*at, _ITEM)
            lists_at[place].lists += 1
            lists_at[place].items += len(each)
            waiting += [(inner, place, lists_at[place]) for inner in each]
        else:
            inside.leaves += 1
    return lists_at


# -- which leaf answers which ----------------------------------------------------------------------

_MANY_PAIRS = 400
State = Literal["agree", "differ", "missing", "invented", "null in words", "unlabelled", "failed"]


class LeafPair(NamedTuple):
    """A place with its truth and value; NOTHING if it has none.

    A plain value that is the same as the truth is the truth itself. `alone` is True in a row of a
    list of truth that the value does not have.
    """

    path: str
    pattern: str
    truth: Any
    value: Any
    alone: bool = False


Same = Callable[[str, Any, Any], bool]


def align(
    schema: Schema | None,
    value: Any,
    truth: Any,
    same: Same,
    notes: list[str] | None = None,
    rules: Mapping[str, ListRule] | None = None,
    own: frozenset[str] = frozenset(),
) -> list[LeafPair]:
    """One row for each leaf of truth and of the value, with lists paired so that the most is right.

    `same(pattern, truth, value)` compares two leaves. Only items that are recognised as the same
    are paired (see `Items`), or as `rules` say for a list (`lines[]`). A leaf that truth does
    not have comes with truth NOTHING; one of an item that truth's list does not have, or under a
    null of truth, comes with truth None. `notes` gets a sentence for each list that is too long.
    `own` are the patterns at which even the truth itself may be wrong: the user's functions decide.
    """
    known = Properties(patterns_of(schema))
    alignment = Alignment(known, same, categories_of(schema), rules or {}, own)
    # If all pairs of leaves are few, the work that each list needs is not worked out.
    most = None if is_few(truth, value) else MOST_WORK
    rows = alignment.rows(truth, value, "", "", most)
    if notes is not None:
        notes += alignment.notes
    return rows


def state_of(row: LeafPair, same: Same) -> State:
    """`agree`, `differ`, `missing`, `invented`, `null in words` or `unlabelled`.

    Words for nothing ("N/A") are `null in words` if truth is empty, else `missing`.
    """
    if row.truth is NOTHING:
        return "unlabelled"
    if row.alone:
        return "missing"
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


@dataclass(slots=True)
class Alignment:
    """Pairs truth and value, place by place.

    `most` is how much work may go into the lists below a place; None is more than they need.
    """

    known: Properties
    same: Same
    categories: frozenset[str]
    rules: Mapping[str, ListRule]
    own: frozenset[str]
    notes: dict[str, None] = field(default_factory=dict)
    _counted: dict[int, PairCounts] = field(default_factory=dict)
    _pairs: dict[tuple[int, int, str], dict[int, int]] = field(default_factory=dict)

    def rows(
        self, truth: Any, value: Any, path: str, pattern: str, most: float | None
    ) -> list[LeafPair]:
        if isinstance(truth, dict):
            return self._object(truth, value, path, pattern, most)
        if isinstance(truth, list | tuple):
            return self._list(truth, value, path, pattern, most)
        if truth is None:
            return self._null(None, value, path, pattern)
        if truth is NOTHING or says_nothing(truth):
            return self._without_truth(NOTHING, value, path, pattern)
        return [LeafPair(path, pattern, truth, truth if is_same_scalar(truth, value) else value)]

    def _object(
        self, truth: dict[Any, Any], value: Any, path: str, pattern: str, most: float | None
    ) -> list[LeafPair]:
        fields: dict[Any, Any] = value if isinstance(value, dict) else {}
        rows = [] if isinstance(value, dict) else self._extra(value, path, pattern)
        patterns = self.known.patterns
        rooms = {} if most is None else shared_room(truth, fields, most)
        for name in truth if truth.keys() == fields.keys() else {**truth, **fields}:
            one, other = truth.get(name, NOTHING), fields.get(name, NOTHING)
            at, inner = _place(patterns, path, pattern, str(name))
            kind = type(one)
            # Most leaves are plain values, which need no look inside.
            if one.strip() if kind is str else kind in _NUMBERS and one == one:
                rows.append(LeafPair(at, inner, one, one if is_same_scalar(one, other) else other))
            else:
                rows += self.rows(one, other, at, inner, rooms.get(name))
        return rows

    def _list(
        self, truth: Sequence[Any], value: Any, path: str, pattern: str, most: float | None
    ) -> list[LeafPair]:
        if not truth:
            return self._null([], value, path, pattern)
        items: Sequence[Any] = value if isinstance(value, list | tuple) else []
        rows = [] if isinstance(value, list | tuple) else self._extra(value, path, pattern)
        each_of = item_path(pattern)
        paired = self._pair(truth, items, each_of, most)
        inner = None if most is None else most / max(1, len(paired))
        for index, each in enumerate(truth):
            at, partner = item_path(path, index), paired.get(index)
            if partner is None:
                left = self.rows(each, NOTHING, at, each_of, None)
                rows += [row._replace(alone=row.truth is not NOTHING) for row in left]
            else:
                rows += self.rows(each, items[partner], at, each_of, inner)
        extra = sorted(set(range(len(items))) - set(paired.values()))
        for count, index in enumerate(extra, len(truth)):
            rows += self._extra(items[index], item_path(path, count), each_of)
        return rows

    def _null(self, truth: Any, value: Any, path: str, pattern: str) -> list[LeafPair]:
        given = None if isinstance(value, dict | list | tuple) else value
        return self._extra(value, path, pattern) or [LeafPair(path, pattern, truth, given)]

    def _extra(self, value: Any, path: str, pattern: str) -> list[LeafPair]:
        """Rows for values that are given although truth is null."""
        rows = self._without_truth(None, value, path, pattern)
        return [row for row in rows if not is_empty(row.value)]

    def _without_truth(self, truth: Any, value: Any, path: str, pattern: str) -> list[LeafPair]:
        return [
            LeafPair(at, kind, truth, leaf)
            for at, kind, leaf in leaves_in(self.known.patterns, value, path, pattern)
            if leaf is not NOTHING
        ]

    # -- which item answers which ----------------------------------------------------------------

    def _pair(
        self, truth: Sequence[Any], value: Sequence[Any], pattern: str, most: float | None
    ) -> dict[int, int]:
        """Which item of the value answers each item of truth.

        `_counted` has the counts of the pairs afterwards, as far as they were needed.
        """
        self._counted = {}
        if not truth or not value:
            return {}
        # Lists in lists are met again for each list around them.
        key = (id(truth), id(value), pattern)
        if most is None and key in self._pairs:
            return self._pairs[key]
        # By every rule of ours all of these are right, so no other pairs have more.
        if not self.own and (found := reordered(truth, value)) is not None:
            return found
        notes, many = dict(self.notes), len(truth) * len(value) > _MANY_PAIRS
        paired = identical(truth, value) if many else {}
        left, right = _rest(dict(enumerate(truth)), dict(enumerate(value)), paired)
        if left and right:
            exact = fits(left, right, most)
            if exact and self._are_right_in_order(left, right, pattern):
                paired |= zip(left, right, strict=True)
            elif exact:
                paired |= self._optimal(left, right, self._items(truth, value, pattern))
            else:
                items = self._items(truth, value, pattern)
                paired |= self._roughly(left, right, items, most, notes)
            # Notes about pairs that were only tried do not belong to the record.
            self.notes = notes
        if most is None:
            self._pairs[key] = paired
        return paired

    def _are_right_in_order(
        self, left: dict[int, Any], right: dict[int, Any], pattern: str
    ) -> bool:
        """Whether each item has all right with the one in its place, without lists inside.

        Then no other pairs have more, and none need be counted: most answers keep the order.
        """
        if self.own or len(left) != len(right):
            return False
        pairs = zip(left.values(), right.values(), strict=True)
        return all(self._is_right(one, other, pattern) for one, other in pairs)

    def _is_right(self, truth: Any, value: Any, pattern: str) -> bool:
        """Whether all that an item of truth labels is right, in an item without lists inside."""
        if isinstance(truth, dict) and isinstance(value, dict):
            plain, silent, flat = self.known.fields(truth, pattern)
            if not flat:
                return False
            for name, inner, each in plain:
                given = value.get(name, NOTHING)
                same = type(given) is type(each) and given == each
                if not same and (is_empty(given) or not self.same(inner, each, given)):
                    return False
            left = [(each, value.get(name, NOTHING), inner) for name, inner, each in silent]
        else:
            left = [] if isinstance(truth, _FOLDED) else [(truth, value, pattern)]
            if not left:
                return False
        return all(one.right == one.labelled for one in (self.count(*each) for each in left))

    def _roughly(
        self,
        left: dict[int, Any],
        right: dict[int, Any],
        items: Items,
        most: float | None,
        notes: dict[str, None],
    ) -> dict[int, int]:
        """Rows that are entirely right, then the best of the rest as far as the work allows."""
        counted: dict[int, PairCounts] = {}
        pattern = items.pattern

        def is_right(i: int, j: int) -> bool:
            row = counted[i] = self.count(left[i], right[j], pattern).as_row()
            return row.right == row.labelled

        truth, value = self._keyed(left, pattern), self._keyed(right, pattern)
        paired = all_right(truth, value, is_right)
        self._counted = {i: counted[i] for i in paired}
        left, right = _rest(left, right, paired)
        if not left or not right:
            return paired
        if fits(left, right, most):
            return paired | self._optimal(left, right, items)
        notes[
            f"{display_path(pattern.removesuffix('[]'))}: too many rows to pair "
            f"({len(left):,} of truth "
            f"with {len(right):,}); they were paired by the values they share."
        ] = None
        kept = self._counted
        truth, value = {i: truth[i] for i in left}, {j: value[j] for j in right}
        if items.keys:
            truth = {i: each.only(items.keys) for i, each in truth.items()}
            value = {j: each.only(items.keys) for j, each in value.items()}
        paired |= by_shared(truth, value, items.are_one)
        self._counted = kept
        return paired

    def _items(self, truth: Sequence[Any], value: Sequence[Any], pattern: str) -> Items:
        def leaves(item: Any) -> list[tuple[str, Any]]:
            if isinstance(item, dict):
                plain, _, flat = self.known.fields(item, pattern)
                if flat:
                    return [(kind, leaf) for _, kind, leaf in plain]
            return [
                (kind, leaf) for kind, leaf in self._leaves(item, pattern) if not is_empty(leaf)
            ]

        def compared(one: Any, other: Any) -> list[LabelledLeaf]:
            labelled = []
            for _, kind, truth, given, _ in self.rows(one, other, "", pattern, None):
                if truth is not NOTHING:
                    answered, filled = not is_empty(given), not is_empty(truth)
                    right = answered and filled and self.same(kind, truth, given)
                    labelled.append(LabelledLeaf(kind, truth, given, filled, answered, right))
            return labelled

        def fields(item: Any) -> list[Field]:
            return self.known.fields(item, pattern)[0]

        rule = self.rules.get(pattern)
        return Items(truth, value, pattern, rule, self.categories, leaves, compared, fields)

    def _keyed(self, items: dict[int, Any], pattern: str) -> dict[int, Keyed]:
        return {at: Keyed.of(item, self._leaves(item, pattern)) for at, item in items.items()}

    def _leaves(self, item: Any, pattern: str) -> list[tuple[str, Any]]:
        leaves = leaves_in(self.known.patterns, item, "", pattern)
        return [(kind, leaf) for _, kind, leaf in leaves]

    def _optimal(self, left: dict[int, Any], right: dict[int, Any], items: Items) -> dict[int, int]:
        known, pattern = self._counted, items.pattern
        table = [[self.count(one, other, pattern).as_row() for other in right.values()]
                 for one in left.values()]  # fmt: skip
        rows, columns = list(left), list(right)
        near = len(rows) * len(columns) <= _MANY_PAIRS

        def is_one(i: int, j: int) -> bool:
            counts = table[i][j]
            if counts.right == counts.labelled:
                return True
            i, j = rows[i], columns[j]
            return (counts.right > 0 or (near and items.may_be(i, j))) and items.are_one(
                i, j, counts.right_or_missed_bits
            )

        # A row left alone earns nothing, not even for leaves that truth leaves empty too.
        alone = [self.count(one, NOTHING, pattern)._replace(right=0) for one in left.values()]
        more = [self._count_extra(other) for other in right.values()]
        ties = ties_by_content([*left.values()], [*right.values()])
        paired = cheapest(table, alone, more, is_one, ties)
        # Otherwise lists in lists would be paired again for each list around them.
        self._counted = known | {rows[i]: table[i][j] for i, j in paired.items()}
        return {rows[i]: columns[j] for i, j in paired.items()}

    # -- what a pair counts for: the rows as numbers alone ---------------------------------------

    def count(self, truth: Any, value: Any, pattern: str) -> PairCounts:
        """How many of the rows of a truth and a value are labelled, right, invented, missed."""
        if isinstance(truth, dict):
            return self._count_object(truth, value, pattern)
        if isinstance(truth, list | tuple):
            return self._count_list(truth, value, pattern)
        if truth is NOTHING:
            return _UNLABELLED
        if truth is None:
            extra = self._count_extra(value)
            return extra if extra.labelled else _RIGHT
        if says_nothing(truth):
            return _UNLABELLED
        if is_empty(value):
            return _MISSED
        return _RIGHT if self.same(pattern, truth, value) else _WRONG

    def _count_object(self, truth: dict[Any, Any], value: Any, pattern: str) -> PairCounts:
        known = isinstance(value, dict)
        fields = value if known else {}
        labelled, right, invented, missed = (_UNLABELLED if known else self._count_extra(value))[:4]
        answered = whole = 0
        plain, deeper, flat = self.known.fields(truth, pattern)
        silent = self.known.silent(value) if known else ()
        labelled += len(plain)
        bits, bit, same = 0, 1, self.same
        for name, inner, each in plain:
            given = fields.get(name, NOTHING)
            if given is NOTHING or name in silent:
                missed += 1
                bits |= 2 * bit
            # By every rule of ours the truth itself is right.
            elif (type(given) is type(each) and given == each and inner not in self.own) or same(
                inner, each, given
            ):
                right += 1
                bits |= bit
            bit <<= 2
        for name, inner, each in deeper:
            one = self.count(each, fields.get(name, NOTHING), inner)
            labelled += one.labelled
            right += one.right
            invented += one.invented
            missed += one.missed
            answered += one.answered
            whole += one.whole
        bits = bits if known and flat else -1
        return PairCounts(labelled, right, invented, missed, bits, answered, whole)

    def _count_list(self, truth: Sequence[Any], value: Any, pattern: str) -> PairCounts:
        if not truth:
            extra = self._count_extra(value)
            return extra if extra.labelled else _RIGHT
        known = isinstance(value, list | tuple)
        items: Sequence[Any] = value if known else []
        inner = item_path(pattern)
        paired = self._pair(truth, items, inner, None)
        known_counts, counted = self._counted, [_UNLABELLED if known else self._count_extra(value)]
        for i, each in enumerate(truth):
            if i not in paired:
                counted.append(self.count(each, NOTHING, inner)._replace(right=0))
            else:
                one = known_counts.get(i) or self.count(each, items[paired[i]], inner).as_row()
                counted.append(one)
        taken = set(paired.values())
        counted += [self._count_extra(each) for j, each in enumerate(items) if j not in taken]
        labelled, right, invented, missed, _, answered, whole = map(sum, zip(*counted, strict=True))
        return PairCounts(labelled, right, invented, missed, -1, answered, whole)

    def _count_extra(self, value: Any) -> PairCounts:
        """Rows for values that are given although truth is null."""
        if type(value) is dict and _PLAIN.issuperset(map(type, value.values())):
            filled = len(value) - len(self.known.silent(value))
            return PairCounts(filled, 0, filled, 0)
        leaves = count_leaves(value, counts=lambda each: not is_empty(each))
        return PairCounts(leaves, 0, leaves, 0)


_UNLABELLED, _RIGHT = PairCounts(0, 0, 0, 0), PairCounts(1, 1, 0, 0)
_WRONG, _MISSED = PairCounts(1, 0, 0, 0), PairCounts(1, 0, 0, 1)


@lru_cache(maxsize=8192)
def _place(patterns: frozenset[str], path: str, pattern: str, name: str) -> tuple[str, str]:
    """The path and the pattern of a property of the object at these."""
    return property_path(path, name), inner_pattern(patterns, pattern, name)


def _rest(
    left: dict[int, Any], right: dict[int, Any], paired: dict[int, int]
) -> tuple[dict[int, Any], dict[int, Any]]:
    taken = set(paired.values())
    return (
        {i: each for i, each in left.items() if i not in paired},
        {j: each for j, each in right.items() if j not in taken},
    )
