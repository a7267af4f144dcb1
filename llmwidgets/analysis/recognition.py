"""Recognition: whether a row of a list is the row of truth it is held against, or another one."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Literal, NamedTuple

from llmwidgets.analysis.likeness import digits
from llmwidgets.analysis.normalize import plain, read
from llmwidgets.analysis.pairing import key_of
from llmwidgets.analysis.scoring_rules import ListRule, keys_of

_RELATIVE = 0.8
"""A value is among the telling ones of its row where it weighs nearly as much as the heaviest."""

_NAMED = 0.55
_HALF, _MOST = 0.5, 0.75
_NEAR, _OTHER_DIGIT, _UNSAID = 0.6, 0.4, 0.25
"""How much of its weight counts for a text nearly right, for one with another digit (codes of one
list are often so alike), and against a row for what is not said."""

_TELLING, _NAMING = 700, 400
"""Hundredths of a bit: from here on a value is telling, or names its row, beside any other."""

_OF_A_KIND = 1
"""What is known of a kind of value counts as much as one row of the list."""

_FEW = 2
"""A row of few leaves may be known by a text that is nearly right, with nothing else right."""

_PART, _PART_OF = 6, 0.3
"""A text of so many letters that is so large a part of a longer one says it in fewer words."""

_LONG = 200
_IDEOGRAPHS = "\u2e80"
_CODE = 5


_Answer = Literal["yes", "no", "by near texts"]
_Kind = Literal["text", "day", "other"]
"""Texts, codes and days name a row; other values do not."""

Column = Mapping[tuple[str, Hashable], int]
"""How many items of a list of truth say a value, by pattern."""


class Leaf(NamedTuple):
    """One leaf that truth labels: whether it fills it, whether a value says anything, and right."""

    pattern: str
    truth: Any
    value: Any
    filled: bool
    said: bool
    right: bool


class _Weighed(NamedTuple):
    """A leaf with what it weighs, in hundredths of a bit, and how much of that agrees."""

    weight: int
    agrees: int
    right: bool
    said: bool
    names: bool


@dataclass(slots=True)
class Items:
    """Two lists of items, and which item of the one is which of the other.

    `leaves` gives what an item says, by pattern; `compared` the leaves of an item of truth beside
    an item of the value; `fields` name, pattern and value of what an object says plainly.
    """

    truth: Sequence[Any]
    value: Sequence[Any]
    pattern: str
    rule: ListRule | None
    categories: frozenset[str]
    leaves: Callable[[Any], Sequence[tuple[str, Any]]]
    compared: Callable[[Any, Any], Sequence[Leaf]]
    fields: Callable[[Any], Sequence[tuple[Any, str, Any]]]
    _weights: Weights | None = None
    _known: dict[tuple[int, int], _Answer] = field(default_factory=dict)

    @property
    def keys(self) -> frozenset[str]:
        """The patterns of the leaves that the user named as key of this list."""
        return frozenset(keys_of(self.pattern, self.rule)) if self.rule else frozenset()

    def are_one(self, i: int, j: int, which: int = -1) -> bool:
        """Whether this item of the value is this one of truth, by the user's rule or by ours.

        `which` is what their `Tally` has. It decides alone, but for texts that are nearly right.
        """
        if which < 0:
            return self._decided(self.compared(self.truth[i], self.value[j]))
        known = self._known.get((i, which))
        if known is None:
            known = self._known[i, which] = self._decided_by_bits(i, which)
        if known == "by near texts":
            return self._decided(self._by_bits(i, which, self.value[j]))
        return known == "yes"

    def _decided_by_bits(self, i: int, which: int) -> _Answer:
        leaves = self._by_bits(i, which)
        if self._decided(leaves):
            return "yes"
        near = self.rule is None and leaves and self.weights.recognise(leaves, self._depth, True)
        return "by near texts" if near else "no"

    def _by_bits(self, i: int, which: int, value: Any = None) -> list[Leaf]:
        leaves = []
        for name, pattern, truth in self.fields(self.truth[i]):
            said = value[name] if value is not None and not which & 2 else None
            leaves.append(Leaf(pattern, truth, said, True, not which & 2, bool(which & 1)))
            which >>= 2
        return leaves

    def _decided(self, compared: Sequence[Leaf]) -> bool:
        leaves = [each for each in compared if each.filled]
        if self.rule is not None and self.rule.names:
            keys = self.keys
            named = [each.right for each in leaves if each.pattern in keys]
            if named:
                return all(named)
        if not leaves:
            return not any(each.said for each in compared)
        if self.rule is not None and self.rule.share:
            return sum(each.right for each in leaves) >= self.rule.share * len(leaves)
        return self.weights.recognise(leaves, self._depth)

    @property
    def _depth(self) -> int:
        return self.pattern.count("[]")

    @property
    def weights(self) -> Weights:
        """What the values of truth tell; worked out where it is first asked for.

        Those of the reply have no say: else to mend one of its rows could undo another.
        """
        if self._weights is None:
            said = Counter(
                (kind, _key(leaf)) for each in self.truth for kind, leaf in self.leaves(each)
            )
            self._weights = Weights(said, len(self.truth) - 1, self.categories)
        return self._weights

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


@dataclass(frozen=True, slots=True)
class Weights:
    """What the values of a list of truth tell: the fewer rows share one, the more it weighs.

    A value weighs what it would take to agree by chance (`-log2 p`). How often rows of other
    things share it is counted, and where the list is short known of its kind: a text
    or a code is seldom shared, a small count or a category often. A row is recognised by the value
    that names it (its heaviest text, code or date), or by half of what its values weigh, a telling
    one among them, or by three quarters of that. A text that is nearly the same counts in part.
    """

    truth: Column
    others: int
    categories: frozenset[str]

    def recognise(self, leaves: Sequence[Leaf], depth: int, all_near: bool = False) -> bool:
        """Whether these leaves, all that truth fills, are of one row; `depth` is the list's own.

        With `all_near` each text that is wrong counts as nearly right.
        """
        weighed = [self._weigh(each, all_near) for each in leaves]
        pairs = zip(weighed, leaves, strict=True)
        own = [each for each, leaf in pairs if leaf.pattern.count("[]") == depth]
        return _is_named(own or weighed) or _is_alike(weighed)

    def _weigh(self, leaf: Leaf, all_near: bool) -> _Weighed:
        key = (leaf.pattern, _key(leaf.truth))
        others = self.truth.get(key, 1) - 1
        shown = leaf.truth[:_LONG] if isinstance(leaf.truth, str) else leaf.truth
        chance, kind = _known_of(shown, leaf.pattern in self.categories)
        chance = (others + _OF_A_KIND * chance) / (self.others + _OF_A_KIND)
        weight = round(-100 * math.log2(min(0.95, chance)))
        agrees = weight if leaf.right else 0
        if not leaf.right and leaf.said and kind == "text" and (all_near or self._is_near(leaf)):
            alike = all_near or digits(str(leaf.truth)) == digits(str(leaf.value))
            agrees = round((_NEAR if alike else _OTHER_DIGIT) * weight)
        return _Weighed(weight, agrees, leaf.right, leaf.said, kind != "other")

    def _is_near(self, leaf: Leaf) -> bool:
        """A slip of the pen, and not what another row of truth says."""
        if not are_near(leaf.truth, leaf.value):
            return False
        return (leaf.pattern, _key(leaf.value)) not in self.truth


def are_near(one: Any, other: Any) -> bool:
    """Whether two texts differ by a letter, or by one in six, or one says more than the other.

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
    """The text, code or date that names the row is right, and so are most of its like."""
    names = [each for each in weighed if each.names]
    right = [each.weight for each in names if each.right]
    if not right:
        return False
    if sum(right) < _NAMED * sum(map(_counted, names)):
        return False
    best = max(right)
    if best < _RELATIVE * max(each.weight for each in names if each.said):
        return False
    return best >= min(_NAMING, _RELATIVE * max(each.weight for each in weighed if each.said))


def _is_alike(weighed: Sequence[_Weighed]) -> bool:
    said = [each.weight for each in weighed if each.said]
    agree = [each.weight for each in weighed if each.agrees]
    if not agree:
        return False
    telling = max(agree) >= min(_TELLING, _RELATIVE * max(said))
    least = _HALF if telling else _MOST
    return sum(each.agrees for each in weighed) >= least * sum(map(_counted, weighed))


def _counted(each: _Weighed) -> float:
    """What is not said speaks less against a row than what is said otherwise."""
    return each.weight if each.said else _UNSAID * each.weight


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
    reading = read(text)
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
    """By the digits that are not nought at an end: 5 is shared often, 1,234.5 hardly ever."""
    figures = "".join(filter(str.isdigit, written)).strip("0")
    return (0.5, 0.3, 0.15, 0.05, 0.02)[min(len(figures), 4)]
