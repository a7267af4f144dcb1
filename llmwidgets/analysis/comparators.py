"""Comparators: when a value counts as the same as truth, by type of leaf or as the user says."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from functools import lru_cache
from ipaddress import ip_address
from typing import Any

from llmwidgets.analysis.likeness import Likeness
from llmwidgets.analysis.normalize import Reading, clock_in, plain, read
from llmwidgets.analysis.parsing import Number, number_meant
from llmwidgets.analysis.scoring_rules import Comparator, FunctionFailed, ScoringFunction
from llmwidgets.analysis.scripts import spelled_out
from llmwidgets.schemas import Leaf
from llmwidgets.schemas.place import shown

_CLOSE = Decimal("1e-12")

_DEFAULTS = {
    "enum": Comparator("exact"), "boolean": Comparator("truth"), "email": Comparator("caseless"),
    "number": Comparator("number"), "integer": Comparator("number"), "date": Comparator("day"),
    "datetime": Comparator("date"), "time": Comparator("clock"),
}  # fmt: skip
_CASELESS_FORMATS = {
    "uri": "place", "uri-reference": "place", "iri": "place", "uuid": "uuid", "ipv4": "host",
    "ipv6": "host", "hostname": "caseless",
}  # fmt: skip


def default_for(leaf: Leaf | None) -> Comparator:
    """How values of a leaf are compared unless the user says otherwise."""
    if leaf is None:
        return Comparator("text")
    if leaf.type == "string" and leaf.format in _CASELESS_FORMATS:
        return Comparator(_CASELESS_FORMATS[leaf.format])
    return _DEFAULTS.get(leaf.type, Comparator("text"))


@dataclass(slots=True)
class FieldComparator:
    """Compares values at leaf patterns; each value is read once.

    `notes` has a sentence for each place that could not be compared in full: the texts were too
    long, or the user's function failed.
    """

    leaves: Mapping[str, Leaf]
    chosen: Mapping[str, Comparator | ScoringFunction]
    _comparators: dict[str, Comparator | ScoringFunction] = field(default_factory=dict)
    _shares: dict[tuple[Any, ...], float] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)
    _readings: dict[tuple[type, Any], Reading] = field(default_factory=dict)
    _likeness: Likeness = field(default_factory=Likeness)

    def same(self, pattern: str, truth: Any, value: Any) -> bool:
        """Whether the value at this place counts as the truth. Both say something."""
        if isinstance(truth, dict | list) or isinstance(value, dict | list):
            return False
        comparator = self._comparators.get(pattern)
        if comparator is None:
            comparator = self.chosen.get(pattern) or default_for(self.leaves.get(pattern))
            self._comparators[pattern] = comparator
        if isinstance(comparator, ScoringFunction):
            return self.share(pattern, truth, value) == 1
        if isinstance(truth, bool) or isinstance(value, bool):
            return truth is value or (comparator.kind == "truth" and _yes(truth) is _yes(value))
        equal = bool(truth == value)
        # By every rule below, a value that is the truth itself is right.
        if equal and type(truth) is type(value):
            return True
        if comparator.kind == "exact":
            return equal
        if comparator.kind in _SPELLINGS:
            spell = _SPELLINGS[comparator.kind]
            return spell(str(truth).strip().casefold()) == spell(str(value).strip().casefold())
        readings, raw = (self._read(truth), self._read(value)), (truth, value)
        if comparator.kind == "similar":
            if _text(*readings, raw, 0.0):
                return True
            # Words alone, of however long a text, have no figures to look for.
            one, other = (
                [] if each.text.isalpha() else _FIGURES.findall(each.text) for each in readings
            )
            return one == other and self._alike(pattern, raw, comparator.amount)
        return _RULES[comparator.kind](*readings, raw, comparator.amount)

    def share(self, pattern: str, truth: Any, value: Any) -> float:
        """How much of a value is right, 0 to 1, by the user's function; 0 where there is none.

        It is asked once for each two values. Where it fails the value is wrong: nobody can say
        that it is right.
        """
        function = self.chosen.get(pattern)
        folded = isinstance(truth, dict | list) or isinstance(value, dict | list)
        if folded or not isinstance(function, ScoringFunction):
            return 0.0
        key = (pattern, type(truth), truth, type(value), value)
        if key not in self._shares:
            try:
                self._shares[key] = function.share(value, truth)
            except FunctionFailed as failed:
                self._shares[key] = 0.0
                self.notes[f"{shown(pattern)}: {failed}, so the value counts as wrong."] = None
        return self._shares[key]

    def _alike(self, pattern: str, raw: Raw, amount: float) -> bool:
        alike = self._likeness.alike(str(raw[0]), str(raw[1]), amount)
        if self._likeness.unsure:
            self._likeness.unsure = False
            self.notes[
                f"{shown(pattern)}: too much text to compare letter by letter; values not found "
                "to be alike counts as different."
            ] = None
        return alike

    def _read(self, value: Any) -> Reading:
        key = (type(value), value)
        try:
            if key not in self._readings:
                self._readings[key] = read(value)
        except TypeError:
            return read(value)
        return self._readings[key]


_FIGURES = re.compile(r"[-0-9][0-9]*(?:[^\w\s,]+[0-9]+)*")
"""The numbers of a plain text, with the marks inside them: likeness never crosses those."""

Raw = tuple[Any, Any]


def _text(one: Reading, other: Reading, raw: Raw, amount: float) -> bool:
    if one.number and other.number:
        return _same_number(one.number, other.number, 0.0)
    if one.days and other.days:
        return _same_instants(one, other)
    if one.clock and other.clock:
        return one.clock == other.clock
    if one.quantity and other.quantity:
        return one.quantity == other.quantity
    if one.code and other.code:
        return one.code == other.code
    if one.text == other.text:
        return True
    first, second = one.written, other.written
    lists = "," in first and "," in second and len(first) + len(second) <= _LONGEST_LIST
    if lists and plain(first.replace(",", ", ")) == plain(second.replace(",", ", ")):
        return True
    if first.isascii() and second.isascii():
        return False
    return _spelled_alike(one, other) or _spelled_alike(other, one)


def _spelled_alike(one: Reading, other: Reading) -> bool:
    """Whether two texts are the same once the umlauts of one are two letters."""
    spelled = spelled_out(one.written)
    return spelled is not None and plain(spelled) == other.text


_LONGEST_LIST = 1_000


def _number(one: Reading, other: Reading, raw: Raw, amount: float) -> bool:
    numbers = [
        each.number or (number_meant(value) if isinstance(value, str) else None)
        for each, value in zip((one, other), raw, strict=True)
    ]
    left, right = numbers
    if left is None or right is None:
        return _text(one, other, raw, amount)
    return _same_number(left, right, amount) or _same_share(left, right, amount)


def _same_share(one: Number, other: Number, amount: float) -> bool:
    """Whether a bare number is what a per cent sign makes of the other: 0.05 and 5 %."""
    if "%" not in (one.unit, other.unit) or one.unit == other.unit:
        return False
    bare, share = (one, other) if other.unit == "%" else (other, one)
    return not bare.unit and _same_number(bare, Number(share.value / 100), amount)


def _same_number(one: Number, other: Number, amount: float) -> bool:
    if not one.agrees(other):
        return False
    left, right = one.value, other.value
    if left == right:
        return True
    if not (left.is_finite() and right.is_finite()):
        return False
    gap, allowed = abs(left - right), _written(amount)
    if gap <= allowed:
        return True
    # The tolerance swallows what binary floats add, never a digit that was written.
    if gap > allowed + _CLOSE * max(abs(left), abs(right)):
        return False
    return left != left.to_integral_value() or right != right.to_integral_value()


@lru_cache(maxsize=64)
def _written(amount: float) -> Decimal:
    return Decimal(repr(amount))


def _date(one: Reading, other: Reading, raw: Raw, amount: float) -> bool:
    if len(one.days) == len(other.days) == 1 and not one.days[0].has_clock:
        return one.days[0].day == other.days[0].day
    return _same_instants(one, other) if one.days and other.days else _text(one, other, raw, amount)


def _day(one: Reading, other: Reading, raw: Raw, amount: float) -> bool:
    """The field of a date: what time of day is said with it does not count."""
    if one.days and other.days:
        return [each.day for each in one.days] == [each.day for each in other.days]
    return _text(one, other, raw, amount)


def _same_instants(one: Reading, other: Reading) -> bool:
    return [each.at for each in one.days] == [each.at for each in other.days]


_YES_WORDS = "true yes ja oui sí si sim sì tak да y evet так はい 是 예 네 نعم हाँ हां"
_NO_WORDS = "false no nein non não nao nee nej nie нет n hayır ні いいえ 否 아니오 아니요 لا नहीं"
_YES, _NO = frozenset(_YES_WORDS.split()), frozenset(_NO_WORDS.split())


def _yes(value: Any) -> bool | None:
    """What a word says in the field of yes or no; None where it says neither."""
    word = value.strip(" \t\n.!。").casefold() if isinstance(value, str) else value
    if word in _YES:
        return True
    return False if word in _NO else word if isinstance(word, bool) else None


def _host(text: str) -> str:
    try:
        return str(ip_address(text.strip("[]")))
    except ValueError:
        return text


_SPELLINGS: dict[str, Callable[[str], str]] = {
    "caseless": str,
    "place": lambda text: text.rstrip("/"),
    "uuid": lambda text: text.removeprefix("urn:uuid:").strip("{}").replace("-", ""),
    "host": _host,
}
"""How a value of a format is written once: the same address, identifier or host."""


def _clock(one: Reading, other: Reading, raw: Raw, amount: float) -> bool:
    left, right = (each.clock or clock_in(each.written) for each in (one, other))
    return left == right if left and right else _text(one, other, raw, amount)


_RULES: dict[str, Callable[[Reading, Reading, Raw, float], bool]] = {
    "text": _text,
    "truth": _text,
    "number": _number,
    "date": _date,
    "day": _day,
    "clock": _clock,
}
