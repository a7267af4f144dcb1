"""Comparators: when a value counts as the same as truth, by type of leaf or as the user says."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from difflib import get_close_matches
from functools import lru_cache
from typing import Any

from llmwidgets.analysis import docubench
from llmwidgets.analysis.likeness import Likeness
from llmwidgets.analysis.list_rules import ListRule, keys_of, read_list_rule
from llmwidgets.analysis.readings import Number, Reading, clock_in, plain, read
from llmwidgets.errors import FieldError
from llmwidgets.schemas import Leaf, Schema
from llmwidgets.schemas.place import prefixes, shown

KINDS = ("exact", "text", "number", "date", "similar")
PRESETS = (docubench.NAME,)
"""Whole sets of rules by name, in place of rules by field."""

_CLOSE = Decimal("1e-12")
_HINT = (
    'Examples: {"total": "number:0.01", "address": "similar:0.9", "code": "exact", '
    '"lines[]": "key:sku"}.'
)


@dataclass(frozen=True, slots=True)
class Comparator:
    """One way to compare: `number` within ± `amount`, `similar` from `amount` (0 to 1) on.

    >>> str(Comparator("similar", 0.9))
    'similar:0.9'
    """

    kind: str
    amount: float = 0.0

    def __str__(self) -> str:
        return f"{self.kind}:{self.amount:g}" if self.amount else self.kind


Rule = Comparator | ListRule


def read_scoring(
    scoring: Mapping[str, str | Rule] | None, schema: Schema | None
) -> dict[str, Rule]:
    """The rule for each leaf or list the user names; FieldError for a field or rule unknown.

    Keys are patterns of leaves (`lines[].total`); values are `exact`, `text`, `number`,
    `number:0.01` (± 0.01), `date` or `similar:0.9`. Keys can also be patterns of a list's rows
    (`lines[]`), with how a row of the reply is recognised as one of truth: `key:sku` (or
    `key:sku,date`), where these fields of the row are right and only there, or `match:0.7`, where
    at least this share of the fields that truth fills is right. A row that is not recognised is
    one missed and one invented row.
    """
    chosen: dict[str, Rule] = {}
    problems: dict[str, str] = {}
    places = None if schema is None else places_of(schema)
    for path, said in (scoring or {}).items():
        if places is not None and path not in places:
            problems[str(path)] = f"The schema has no such field.{_nearest(str(path), places)}"
            continue
        rule = said if isinstance(said, ListRule) else read_list_rule(str(said))
        if rule is not None:
            if problem := _misfit(path, rule, schema):
                problems[path] = problem
            else:
                chosen[path] = rule
            continue
        if schema is not None and not _is_leaf(path, schema):
            problems[path] = f"{said!r} is not a rule of a list; give key:FIELD or match:0.7."
            continue
        comparator = said if isinstance(said, Comparator) else _parse(str(said))
        if comparator is None:
            problems[str(path)] = f"{said!r} is no comparator; they are {', '.join(KINDS)}."
        else:
            chosen[path] = comparator
    if problems:
        raise FieldError(problems, _HINT)
    return chosen


def places_of(schema: Schema) -> list[str]:
    """The patterns that a rule can be given for: every leaf, and the rows of every list."""
    leaves = [leaf.path for leaf in schema.leaves]
    around = [each for leaf in leaves for each in prefixes(leaf) if each.endswith("[]")]
    return list(dict.fromkeys([*leaves, *around]))


def _nearest(name: str, known: Iterable[str]) -> str:
    near = get_close_matches(name, list(known), 1)
    return f" Nearest is {near[0]}." if near else ""


def _is_leaf(path: str, schema: Schema) -> bool:
    return any(leaf.path == path for leaf in schema.leaves)


def _misfit(path: str, rule: ListRule, schema: Schema | None) -> str | None:
    """Why the rows of this place cannot be recognised by this rule; None where they can."""
    if not path.endswith("[]"):
        return f"{str(rule)!r} is a rule of a list; {path} is not one. Name its rows: lines[]."
    if schema is None or not rule.names:
        return None
    fields = {leaf.path.removeprefix(path).removeprefix("."): leaf.path for leaf in schema.leaves
              if leaf.path.startswith((f"{path}.", f"{path}["))}  # fmt: skip
    for name, pattern in zip(rule.names, keys_of(path, rule), strict=True):
        if pattern not in fields.values():
            return f"Its rows have no field {name!r} to be a key.{_nearest(name, fields)}"
    return None


def read_preset(name: str, paths: Iterable[str]) -> dict[str, Comparator]:
    """The comparators of a preset; FieldError where there is no preset of this name."""
    if name not in PRESETS:
        raise FieldError(
            {"scoring": f"{name!r} is no set of rules; there is {', '.join(PRESETS)}."}, _HINT
        )
    return dict.fromkeys(paths, Comparator(name))


def _parse(said: str) -> Comparator | None:
    kind, _, amount = said.partition(":")
    if kind not in KINDS or (amount and kind not in {"number", "similar"}):
        return None
    try:
        figure = float(amount) if amount else (0.9 if kind == "similar" else 0.0)
    except ValueError:
        return None
    most = 1.0 if kind == "similar" else math.inf
    return Comparator(kind, figure) if 0 <= figure <= most and math.isfinite(figure) else None


_DEFAULTS = {
    "enum": Comparator("exact"), "boolean": Comparator("exact"), "email": Comparator("caseless"),
    "number": Comparator("number"), "integer": Comparator("number"), "date": Comparator("date"),
    "datetime": Comparator("date"), "time": Comparator("clock"),
}  # fmt: skip
_CASELESS_FORMATS = {"uri", "uri-reference", "iri", "uuid", "hostname", "ipv4", "ipv6"}


def default_for(leaf: Leaf | None) -> Comparator:
    """How values of a leaf are compared unless the user says otherwise."""
    if leaf is None:
        return Comparator("text")
    if leaf.type == "string" and leaf.format in _CASELESS_FORMATS:
        return Comparator("caseless")
    return _DEFAULTS.get(leaf.type, Comparator("text"))


@dataclass(slots=True)
class Comparing:
    """Compares values at leaf patterns; each value is read once.

    `notes` has a sentence for each place where the texts were too long to compare in full.
    """

    leaves: Mapping[str, Leaf]
    chosen: Mapping[str, Comparator]
    default: Comparator | None = None
    _comparators: dict[str, Comparator] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)
    _readings: dict[tuple[type, Any], Reading] = field(default_factory=dict)
    _likeness: Likeness = field(default_factory=Likeness)

    def same(self, pattern: str, truth: Any, value: Any) -> bool:
        """Whether the value at this place counts as the truth. Both say something."""
        if isinstance(truth, dict | list) or isinstance(value, dict | list):
            return False
        comparator = self._comparators.get(pattern)
        if comparator is None:
            comparator = self.chosen.get(pattern) or self.default
            comparator = comparator or default_for(self.leaves.get(pattern))
            self._comparators[pattern] = comparator
        if isinstance(truth, bool) or isinstance(value, bool):
            return truth is value
        if comparator.kind == docubench.NAME:
            return docubench.same(truth, value)
        equal = bool(truth == value)
        # By every rule below, a value that is the truth itself is right.
        if equal and type(truth) is type(value):
            return True
        if comparator.kind == "exact":
            return equal
        if comparator.kind == "caseless":
            return str(truth).strip().casefold() == str(value).strip().casefold()
        readings, raw = (self._read(truth), self._read(value)), (truth, value)
        if comparator.kind == "similar":
            return _text(*readings, raw, 0.0) or self._alike(pattern, raw, comparator.amount)
        return _RULES[comparator.kind](*readings, raw, comparator.amount)

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


Raw = tuple[Any, Any]


def _text(one: Reading, other: Reading, raw: Raw, amount: float) -> bool:
    if one.number and other.number:
        return _same_number(one.number, other.number, 0.0)
    if one.day and other.day:
        return one.day == other.day
    texts = [each.text or plain(str(value)) for each, value in zip((one, other), raw, strict=True)]
    return texts[0] == texts[1]


def _number(one: Reading, other: Reading, raw: Raw, amount: float) -> bool:
    if one.number and other.number:
        return _same_number(one.number, other.number, amount)
    return _text(one, other, raw, amount)


def _same_number(one: Number, other: Number, amount: float) -> bool:
    if one.unit and other.unit and one.unit != other.unit:
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
    if one.day and other.day:
        return one.day == other.day
    return _text(one, other, raw, amount)


def _clock(one: Reading, other: Reading, raw: Raw, amount: float) -> bool:
    clocks = [clock_in(str(each)) for each in raw]
    if clocks[0] is not None and clocks[1] is not None:
        return clocks[0] == clocks[1]
    return _text(one, other, raw, amount)


_RULES: dict[str, Callable[[Reading, Reading, Raw, float], bool]] = {
    "text": _text,
    "number": _number,
    "date": _date,
    "clock": _clock,
}
