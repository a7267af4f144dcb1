"""Pairing: which items of two lists can be one, and which pairs of them make the most right.

`alignment.py` chooses by the work that is left how exactly a list is paired, and counts each pair.
"""

from __future__ import annotations

import json
import marshal
import math
import zlib
from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from itertools import accumulate
from typing import Any, Literal, NamedTuple

from llmwidgets.analysis.comparators import keys_of
from llmwidgets.analysis.normalize import parse_value, plain, says_nothing
from llmwidgets.analysis.rules import ListRule
from llmwidgets.analysis.text_matching import digits


def assign(cost: Sequence[Sequence[int]]) -> dict[int, int]:
    """For each row of a table of whole costs, the column it is paired with.

    The sum of the costs is the smallest possible, also for costs beyond 64 bits. If rows and
    columns differ in number, the rest of the longer side is paired with nothing.

    >>> assign([[4, 1, 7], [2, 9, 8]])
    {0: 1, 1: 0}
    """
    if len(cost) == 1:
        return {0: min(range(len(cost[0])), key=cost[0].__getitem__)}
    if (known := _by_minima(cost)) is not None:
        return known
    from munkres import linear_sum_assignment  # 0.04 s to load, and most records hold no lists

    rows, columns = linear_sum_assignment(cost)
    return {int(row): int(column) for row, column in zip(rows, columns, strict=True)}


def _by_minima(cost: Sequence[Sequence[int]]) -> dict[int, int] | None:
    """Each with its cheapest partner, where all have one of their own: nothing costs as little."""
    wide = len(cost) <= len(cost[0])
    partners = []
    for each in cost if wide else zip(*cost, strict=True):
        least = min(each)
        if each.count(least) > 1:
            return None
        partners.append(each.index(least))
    if len(set(partners)) < len(partners):
        return None
    pairs = enumerate(partners)
    return dict(pairs) if wide else dict(sorted((i, j) for j, i in pairs))


# -- pairs of items --------------------------------------------------------------------------------

_MOST_SHARED = 1_000_000
"""The most pairs sharing a value that are counted, those of the rarest values first."""

_MOST_SHAPES, _TRIED = 16, 4


class PairCounts(NamedTuple):
    """How many leaves are labelled, right, invented and missed.

    `right_or_missed_bits` has, for an object of plain values alone, two bits for each that truth
    fills, the first field lowest: 1 is right, 2 missed. It is -1 for all others. `answered` and
    `whole` count the rows of lists inside that have an answer, and those that are wholly right.
    """

    labelled: int
    right: int
    invented: int
    missed: int
    right_or_missed_bits: int = -1
    answered: int = 0
    whole: int = 0

    def as_row(self) -> PairCounts:
        """The same as an answered row, counted itself."""
        labelled, right, invented, missed, bits, answered, whole = self
        whole += 0 < labelled == right
        return PairCounts(labelled, right, invented, missed, bits, answered + 1, whole)


def cheapest(
    table: Sequence[Sequence[PairCounts]],
    alone: Sequence[PairCounts],
    more: Sequence[PairCounts],
    is_one: Callable[[int, int], bool],
    ties: Sequence[Sequence[int]],
) -> dict[int, int]:
    """The pairs by which most is right, then fewest are labelled, invented and missed.

    Then most rows are answered and wholly right. Where all that is equal, the pairs with the
    smallest sum of `ties` are taken (see `ties_by_content`), so that no order of the lists changes
    a figure. `table` counts each pair; `alone` an item of truth without an answer, `more` an item
    of the value without a truth. Only items that `is_one` says are the same are paired.
    """
    known = None
    if not _all_have_a_partner(table):
        known = [[is_one(i, j) for j in range(len(more))] for i in range(len(alone))]
        if not any(map(any, known)):
            return {}
    cost = _costs(table, alone, more)
    scale = 1 + (1 << 64) * min(len(alone), len(more))
    both = zip(cost, ties, strict=True)
    cost = [[one * scale + tie for one, tie in zip(*rows, strict=True)] for rows in both]
    if known is None:
        # Most answers come from the document itself: then no other pair needs a closer look.
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
    table: Sequence[Sequence[PairCounts]], alone: Sequence[PairCounts], more: Sequence[PairCounts]
) -> list[list[int]]:
    """What each pair costs compared with leaving both alone, which does not depend on other pairs.

    So the rectangle needs no rows for items without a partner.
    """
    most = max(each.labelled for row in table for each in row)
    most += max(each.labelled for each in alone) + max(each.labelled for each in more)
    scale = 1 + 2 * most * min(len(alone), len(more))
    answered = max(each.answered for row in table for each in row)
    fine = 1 + (1 + answered) * min(len(alone), len(more))
    left = [_cost(each, scale, fine) for each in alone]
    over = [_cost(each, scale, fine) for each in more]
    return [
        [_cost(each, scale, fine) - one - other for each, other in zip(row, over, strict=True)]
        for row, one in zip(table, left, strict=True)
    ]


def ties_by_content(truth: Sequence[Any], value: Sequence[Any]) -> list[list[int]]:
    """A whole number for each pair of items, of what they hold and not of its order.

    Products, since by them no exchange of partners leaves the sum as it is.
    """
    ours, theirs = ([_digest(each) for each in side] for side in (truth, value))
    return [[one * other for other in theirs] for one in ours]


def _digest(value: Any) -> int:
    """A number under 2³² for what a value holds, the same for every order of the lists in it."""
    if isinstance(value, dict):
        folded = (each for each in value.items() if isinstance(each[1], dict | list | tuple))
        value = {**value, **{name: _digest(each) for name, each in folded}}
    elif isinstance(value, list | tuple):
        value = sorted(map(_digest, value))
    return zlib.crc32(written(value).encode())


def _all_have_a_partner(table: Sequence[Sequence[PairCounts]]) -> bool:
    """Whether each item of the shorter list has something right with one of the other."""
    shorter = table if len(table) <= len(table[0]) else zip(*table, strict=True)
    return all(any(each.right for each in row) for row in shorter)


def _cost(each: PairCounts, scale: int, fine: int) -> int:
    """One whole number for all that is counted, the most important in the highest digits."""
    labelled, right, invented, missed, _, answered, whole = each
    leaves = ((labelled - right * scale) * scale + invented) * scale + missed
    return (leaves * fine - answered) * fine - whole


def identical(truth: Sequence[Any], value: Sequence[Any]) -> dict[int, int]:
    """Items that are the same to the letter; pairing them first loses nothing."""
    holders: dict[str, list[int]] = defaultdict(list)
    for j, each in enumerate(value):
        holders[written(each)].append(j)
    paired = {}
    for i, each in enumerate(truth):
        if free := holders.get(written(each)):
            paired[i] = free.pop()
    return paired


def reordered(truth: Sequence[Any], value: Sequence[Any]) -> dict[int, int] | None:
    """Which item is which if both have the same ones to the letter, in any order; else None."""
    if len(truth) != len(value):
        return None
    holders: dict[bytes, list[int]] = {}
    try:
        for j in reversed(range(len(value))):
            holders.setdefault(marshal.dumps(value[j], 2), []).append(j)
        return {i: holders[marshal.dumps(each, 2)].pop() for i, each in enumerate(truth)}
    except (KeyError, IndexError, ValueError):
        return None


def written(value: Any) -> str:
    """An item as one text, which does not depend on its place in the list."""
    return json.dumps(value, sort_keys=True, default=str)


Leaves = Sequence[tuple[str, Any]]


@dataclass(frozen=True, slots=True)
class Keyed:
    """An item by meaning: a key for each of its leaves, the same however a value is written."""

    text: str
    patterns: frozenset[str]
    keys: tuple[tuple[str, Hashable], ...]

    @classmethod
    def of(cls, data: Any, leaves: Leaves) -> Keyed:
        """Read an item; a blank text labels nothing, and null is empty."""
        keys = tuple((kind, key_of(leaf)) for kind, leaf in leaves if not says_nothing(leaf))
        empty = [kind for kind, leaf in leaves if leaf is None]
        return cls(written(data), frozenset([*empty, *(kind for kind, _ in keys)]), keys)

    def only(self, patterns: frozenset[str]) -> Keyed:
        """The same item by these patterns alone; by all of them if it has none of these."""
        keys = tuple(each for each in self.keys if each[0] in patterns)
        return Keyed(self.text, self.patterns, keys or self.keys)

    def within(self, patterns: frozenset[str]) -> frozenset[tuple[tuple[str, Hashable], int]]:
        """Its keys at these patterns alone."""
        return frozenset(Counter(each for each in self.keys if each[0] in patterns).items())


def key_of(value: Any) -> Hashable:
    """One key for all ways to write a value."""
    if isinstance(value, bool):
        return value
    reading = parse_value(value)
    if reading.number is not None:
        # Binary floats add digits of their own behind the twelfth.
        return ("number", f"{reading.number.value:.11e}")
    if reading.days:
        return ("day", *(each.at for each in reading.days))
    return reading.code or reading.text


def all_right(
    truth: Mapping[int, Keyed], value: Mapping[int, Keyed], is_right: Callable[[int, int], bool]
) -> dict[int, int]:
    """Pairs in which all that truth labels is right, found by their keys and not by trying.

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
            partner = next((j for j in reversed(free[-_TRIED:]) if is_right(i, j)), None)
            if partner is not None:
                free.remove(partner)
                paired[i] = partner
                taken.add(partner)
    return paired


def by_shared(
    truth: Mapping[int, Keyed], value: Mapping[int, Keyed], is_one: Callable[[int, int], bool]
) -> dict[int, int]:
    """Pairs by the values they share, rare ones before common ones; ties by content.

    Values that very many items share tell no two apart. Only items that `is_one` says are the same
    are paired.
    """
    rows, columns = _ordered(truth), _ordered(value)
    ours, theirs = _holders(rows, truth), _holders(columns, value)
    shared = sorted(
        (len(ours[key]) * len(theirs[key]), repr(key), key) for key in ours if key in theirs
    )
    totals = accumulate(many for many, *_ in shared)
    rare = [key for (*_, key), total in zip(shared, totals, strict=True) if total <= _MOST_SHARED]
    paired: dict[int, int] = {}
    partners: set[int] = set()
    tried = Counter[int]()
    for row, column in _ranked([(ours[key], theirs[key]) for key in rare], len(columns)):
        i, j = rows[row], columns[column]
        if i in paired or j in partners:
            continue
        tried[i] += 1
        if tried[i] <= _TRIED and is_one(i, j):
            paired[i] = j
            partners.add(j)
    return paired


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


# -- whether a row of a list is the row of truth it is held against --------------------------------

_RELATIVE = 0.8
"""A value is one of the telling ones of its row if it weighs nearly as much as the heaviest."""

_NAMED, _HALF, _MOST = 0.55, 0.5, 0.75
_NEAR, _OTHER_DIGIT, _UNSAID = 0.6, 0.4, 0.25
"""How much of its weight counts for a text nearly right, for one with another digit (codes of one
list are often that similar), and against a row for a value that is missing."""

_TELLING, _NAMING = 700, 400
"""Hundredths of a bit: from here on a value is telling, or names its row, whatever else counts."""

_OF_A_KIND = 1
"""What is known of a kind of value counts as much as one row of the list."""

_FEW = 2
"""A row of few leaves may be known by a text that is nearly right, with nothing else right."""

_PART, _PART_OF = 6, 0.3
"""A text of this many letters that is this large a part of a longer one means the same."""

_LONG, _CODE = 200, 5
_IDEOGRAPHS = "\u2e80"

_Answer = Literal["yes", "no", "by near texts"]
_Kind = Literal["text", "day", "other"]
"""Texts, codes and days name a row; other values do not."""


class LabelledLeaf(NamedTuple):
    """A leaf that truth labels: whether truth fills it, whether the value does, and is right."""

    pattern: str
    truth: Any
    value: Any
    filled: bool
    answered: bool
    right: bool


class _Weighed(NamedTuple):
    """A leaf with what it weighs, in hundredths of a bit, and how much of that agrees."""

    weight: int
    agrees: int
    right: bool
    answered: bool
    names: bool


@dataclass
class Items:
    """Two lists of items, and which item of one is which of the other.

    The fewer rows of truth share a value, the more it weighs: what it would take to agree by chance
    (`-log2 p`). How often rows of other things share it is counted, and if the list is short
    estimated by its kind: a text or a code is seldom shared, a small count or a category often. A
    row is recognised by the value that names it (its heaviest text, code or date), or by half of
    what its values weigh, a telling one among them, or by three quarters of that. A text that is
    nearly the same counts in part.

    `leaves` gives the values of an item, by pattern; `compared` the leaves of an item of truth with
    an item of the value; `fields` name, pattern and value of the plain properties of an object.
    """

    truth: Sequence[Any]
    value: Sequence[Any]
    pattern: str
    rule: ListRule | None
    categories: frozenset[str]
    leaves: Callable[[Any], Sequence[tuple[str, Any]]]
    compared: Callable[[Any, Any], Sequence[LabelledLeaf]]
    fields: Callable[[Any], Sequence[tuple[Any, str, Any]]]
    _known: dict[tuple[int, int], _Answer] = field(default_factory=dict)
    _weights: dict[tuple[str, type, Any], tuple[int, _Kind]] = field(default_factory=dict)

    @cached_property
    def keys(self) -> frozenset[str]:
        """The patterns of the leaves that the user named as key of this list."""
        return frozenset(keys_of(self.pattern, self.rule)) if self.rule else frozenset()

    def are_one(self, i: int, j: int, bits: int = -1) -> bool:
        """Whether this item of the value is this one of truth, by the user's rule or by ours.

        `bits` are the `right_or_missed_bits` of their counts. They decide alone, except for texts
        that are nearly right.
        """
        if bits < 0:
            return self._decided(self.compared(self.truth[i], self.value[j]))
        known = self._known.get((i, bits))
        if known is None:
            known = self._known[i, bits] = self._decided_by_bits(i, bits)
        if known == "by near texts":
            return self._decided(self._by_bits(i, bits, self.value[j]))
        return known == "yes"

    def _decided_by_bits(self, i: int, bits: int) -> _Answer:
        leaves = self._by_bits(i, bits)
        if self._decided(leaves):
            return "yes"
        near = self.rule is None and leaves and self._recognise(leaves, all_near=True)
        return "by near texts" if near else "no"

    def _by_bits(self, i: int, bits: int, value: Any = None) -> list[LabelledLeaf]:
        leaves = []
        for name, pattern, truth in self.fields(self.truth[i]):
            answer = value[name] if value is not None and not bits & 2 else None
            leaves.append(LabelledLeaf(pattern, truth, answer, True, not bits & 2, bool(bits & 1)))
            bits >>= 2
        return leaves

    def _decided(self, compared: Sequence[LabelledLeaf]) -> bool:
        leaves = [each for each in compared if each.filled]
        keys = self.keys
        if keys and (named := [each.right for each in leaves if each.pattern in keys]):
            return all(named)
        if not leaves:
            return not any(each.answered for each in compared)
        if self.rule is not None and self.rule.share:
            return sum(each.right for each in leaves) >= self.rule.share * len(leaves)
        return self._recognise(leaves)

    @cached_property
    def _shared(self) -> Counter[tuple[str, Hashable]]:
        """How many items of truth have a value, by pattern.

        Those of the reply do not count: otherwise correcting one of its rows could undo another.
        """
        return Counter(
            (kind, _key(leaf)) for item in self.truth for kind, leaf in self.leaves(item)
        )

    def _recognise(self, leaves: Sequence[LabelledLeaf], all_near: bool = False) -> bool:
        """Whether these leaves, all that truth fills, are of one row.

        With `all_near` each text that is wrong counts as nearly right.
        """
        depth = self.pattern.count("[]")
        weighed = [self._weigh(each, all_near) for each in leaves]
        pairs = zip(weighed, leaves, strict=True)
        own = [each for each, leaf in pairs if leaf.pattern.count("[]") == depth]
        return _is_named(own or weighed) or _is_alike(weighed)

    def _weigh(self, leaf: LabelledLeaf, all_near: bool) -> _Weighed:
        weight, kind = self._weight_of(leaf.pattern, leaf.truth)
        agrees = weight if leaf.right else 0
        wrong = leaf.answered and not leaf.right
        if wrong and kind == "text" and (all_near or self._is_near(leaf)):
            alike = all_near or digits(str(leaf.truth)) == digits(str(leaf.value))
            agrees = round((_NEAR if alike else _OTHER_DIGIT) * weight)
        return _Weighed(weight, agrees, leaf.right, leaf.answered, kind != "other")

    def _weight_of(self, pattern: str, truth: Any) -> tuple[int, _Kind]:
        at = pattern, type(truth), truth
        if at not in self._weights:
            others = self._shared.get((pattern, _key(truth)), 1) - 1
            shown = truth[:_LONG] if isinstance(truth, str) else truth
            chance, kind = _known_of(shown, pattern in self.categories)
            chance = (others + _OF_A_KIND * chance) / (len(self.truth) - 1 + _OF_A_KIND)
            self._weights[at] = round(-100 * math.log2(min(0.95, chance))), kind
        return self._weights[at]

    def _is_near(self, leaf: LabelledLeaf) -> bool:
        """A slip of the pen, and not the value of another row of truth."""
        near = are_near(leaf.truth, leaf.value)
        return near and (leaf.pattern, _key(leaf.value)) not in self._shared

    def may_be(self, i: int, j: int) -> bool:
        """Whether two items of a field or two, with nothing right, can be one by a near text."""
        if self.rule is not None:
            return False
        one, other = self.truth[i], self.value[j]
        if not isinstance(one, dict):
            return are_near(one, other)
        if not isinstance(other, dict) or len(self.leaves(one)) > _FEW:
            return False
        return any(are_near(each, other.get(name)) for name, each in one.items())


def are_near(one: Any, other: Any) -> bool:
    """Whether two texts differ by a letter, or by one in six, or one is a longer form of the other.

    >>> are_near("hedge trimming", "hedge trimming, six hours")
    True
    """
    if not isinstance(one, str) or not isinstance(other, str):
        return False
    if max(len(one), len(other)) > _LONG:
        return False
    short, long = sorted((plain(one), plain(other)), key=len)
    if len(short) >= max(_PART, _PART_OF * len(long)) and short in long:
        return True
    most = max(1, len(long) // 6)
    if len(short) < 4 or len(long) - len(short) > most:
        return False
    from rapidfuzz.distance import OSA

    return OSA.distance(short, long, score_cutoff=most) <= most


def _is_named(weighed: Sequence[_Weighed]) -> bool:
    """The text, code or date that names the row is right, and so are most others of that kind."""
    names = [each for each in weighed if each.names]
    right = [each.weight for each in names if each.right]
    if not right or sum(right) < _NAMED * sum(map(_counted, names)):
        return False
    best = max(right)
    if best < _RELATIVE * max(each.weight for each in names if each.answered):
        return False
    return best >= min(_NAMING, _RELATIVE * max(each.weight for each in weighed if each.answered))


def _is_alike(weighed: Sequence[_Weighed]) -> bool:
    weights = [each.weight for each in weighed if each.answered]
    agree = [each.weight for each in weighed if each.agrees]
    if not agree:
        return False
    telling = max(agree) >= min(_TELLING, _RELATIVE * max(weights))
    least = _HALF if telling else _MOST
    return sum(each.agrees for each in weighed) >= least * sum(map(_counted, weighed))


def _counted(each: _Weighed) -> float:
    """A missing value counts less against a row than a different one."""
    return each.weight if each.answered else _UNSAID * each.weight


# The same values come again with each variant and each repeat; long ones are not worth keeping.
_kept_key = lru_cache(maxsize=8192, typed=True)(key_of)


def _key(value: Any) -> Hashable:
    return key_of(value) if isinstance(value, str) and len(value) > _LONG else _kept_key(value)


@lru_cache(maxsize=8192, typed=True)
def _known_of(value: Any, category: bool) -> tuple[float, _Kind]:
    """How often rows of other things share a value of this kind, and whether such values name."""
    if category or isinstance(value, bool):
        return 0.3, "other"
    if not isinstance(value, str):
        return _of_number(str(value)), "other"
    return _of_text(value)


def _of_text(text: str) -> tuple[float, _Kind]:
    reading = parse_value(text)
    if reading.day is not None:
        return 0.1, "day"
    code = text.strip().isdigit() and len(text.strip()) >= _CODE
    if reading.number is not None and not code:
        return _of_number(text), "other"
    bare = plain(text)
    ideographs = sum(each >= _IDEOGRAPHS for each in bare)
    size = len(bare) + ideographs
    if size <= 4:
        return (0.3, 0.3, 0.2, 0.1, 0.1)[size], "text"
    word = bare.isalpha() and not ideographs and not any(map(str.isspace, text.strip()))
    return (0.03 if word or size <= 7 else 0.005), "text"


def _of_number(written: str) -> float:
    """By its digits without zeros at either end: 5 is shared often, 1,234.5 hardly ever."""
    figures = "".join(filter(str.isdigit, written)).strip("0")
    return (0.5, 0.3, 0.15, 0.05, 0.02)[min(len(figures), 4)]
