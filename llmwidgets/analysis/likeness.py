"""Likeness: whether two texts are nearly the same, in work that long texts cannot make large."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass, field
from functools import cached_property

from llmwidgets.analysis.normalize import plain

_AT_ONCE = 1_000_000_000
"""Two texts with more pairs of characters than this are compared in pieces: 20 ms at most."""

_PIECE = 50_000_000
_MOST = 60_000_000_000
_ANCHOR = 32
_TRIED = 16


def digits(text: str) -> str:
    """The digits of a text in their order."""
    return "".join(re.findall(r"\d", text))


@dataclass(frozen=True)
class _Form:
    text: str

    @cached_property
    def digits(self) -> str:
        return digits(self.text)

    @cached_property
    def plain(self) -> str:
        return plain(self.text)

    @cached_property
    def letters(self) -> Counter[str]:
        return Counter(self.plain)


@dataclass(slots=True)
class Likeness:
    """Compares texts; `unsure` once it could not find out whether two of them are alike.

    Each text is read once. Long texts are compared in pieces: alike is said where enough is found
    in common, not alike where lengths or letters rule it out, else it is unsure and says no.
    """

    unsure: bool = False
    _spent: float = 0.0
    _forms: dict[str, _Form] = field(default_factory=dict)

    def alike(self, one: str, other: str, amount: float) -> bool:
        """Whether their likeness, 0 to 1, is `amount` or more; never where any digit differs."""
        a, b = self._form(one), self._form(other)
        if a.digits != b.digits:
            return amount <= 0
        # Of two lengths, twice what is in common is the part that is alike.
        wanted = amount * (len(a.plain) + len(b.plain)) / 2
        if min(len(a.plain), len(b.plain)) < wanted:
            return False
        pairs = len(a.plain) * len(b.plain)
        if pairs <= _AT_ONCE and self._spent + pairs <= _MOST:
            self._spent += pairs
            return _ratio(a.plain, b.plain, amount) >= amount
        if (a.letters & b.letters).total() < wanted:
            return False
        if self._common(a.plain, b.plain) >= wanted:
            return True
        self.unsure = True
        return False

    def _form(self, text: str) -> _Form:
        if text not in self._forms:
            self._forms[text] = _Form(text)
        return self._forms[text]

    def _common(self, one: str, other: str) -> int:
        """At least this many letters are in common, in their order."""
        from rapidfuzz.distance import LCSseq

        found = 0
        waiting = [(one, other)]
        while waiting:
            a, b = waiting.pop()
            ahead = _same_start(a, b)
            a, b = a[ahead:], b[ahead:]
            behind = _same_start(a[::-1], b[::-1])
            a, b = a[: len(a) - behind], b[: len(b) - behind]
            found += ahead + behind
            pairs = len(a) * len(b)
            if not pairs or self._spent > _MOST:
                continue
            self._spent += min(pairs, _PIECE)
            if pairs <= _PIECE:
                found += int(LCSseq.similarity(a, b))
            else:
                i, j = _anchor(a, b)
                waiting += [(a[:i], b[:j]), (a[i:], b[j:])]
        return found


def _ratio(one: str, other: str, amount: float) -> float:
    from rapidfuzz import fuzz

    return float(fuzz.ratio(one, other, score_cutoff=100 * amount - 1e-6)) / 100


def _same_start(one: str, other: str) -> int:
    """How many characters both begin with."""
    low, high = 0, min(len(one), len(other))
    while low < high:
        middle = (low + high + 1) // 2
        low, high = (middle, high) if one[low:middle] == other[low:middle] else (low, middle - 1)
    return low


def _anchor(one: str, other: str) -> tuple[int, int]:
    """Where both are cut: at a passage that stands once in the other, else halfway."""
    for tried in range(_TRIED):
        aside = (tried + 1) // 2 * (1 if tried % 2 else -1) * _ANCHOR
        at = min(max(0, len(one) // 2 + aside), max(0, len(one) - _ANCHOR))
        passage = one[at : at + _ANCHOR]
        found = other.find(passage)
        if found >= 0 and other.find(passage, found + 1) < 0 and (at > 0 or found > 0):
            return at, found
    return len(one) // 2, len(other) // 2
