"""Comparators: when a value counts as the same as truth, by type of leaf or by the user's rules."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from decimal import Decimal
from functools import lru_cache, partial
from ipaddress import ip_address
from typing import Any

from llmwidgets.analysis.normalize import Parsed, parse_value, plain
from llmwidgets.analysis.parsing import Number, clock_in, number_meant
from llmwidgets.analysis.rules import (
    RECORD,
    Comparator,
    FunctionFailed,
    ListRule,
    LostFunction,
    ReadRules,
    Rule,
    ScoringFunction,
    Weighted,
    split_weight,
    weights_of,
)
from llmwidgets.analysis.scripts import spelled_out
from llmwidgets.analysis.text_matching import TextSimilarity
from llmwidgets.errors import FieldError
from llmwidgets.formatting import join_truncated, parse_number
from llmwidgets.schemas import Leaf, Schema
from llmwidgets.schemas.canonical import display_path, find_meant, path_words, prefixes

_HINT = (
    'Examples: {"total": "number:0.01", "tax": "number:1% weight:5", "address": "similar:0.9", '
    '"code": "exact", "lines[]": "key:sku", "name": a function of (value, truth) that returns '
    "True, False or a share from 0 to 1}."
)


def read_scoring(
    scoring: Mapping[str, Any] | Callable[..., Any] | None, schema: Schema | None
) -> ReadRules:
    """The rule for each place that the user names; FieldError for an unknown place or rule.

    Keys are patterns of leaves (`lines[].total`); values are `exact`, `text`, `number`,
    `number:0.01` (± 0.01), `number:1%` (± 1 % of the truth), `date`, `similar:0.9` or a function
    of (value, truth) that returns True, False or a share from 0 to 1. Keys can also be patterns of
    a list's rows (`lines[]`), with how a row of the reply is recognised as one of truth: `key:sku`
    (or `key:sku,date`) if and only if these fields of the row are right, or `match:0.7` if at
    least this share of the fields that truth fills is right. A row that is not recognised is one
    missed and one invented row. The key "" is the whole record, scored by a function; a function
    alone means it.

    `weight:5` alone or behind a rule, or {"rule": a function, "weight": 5}, is what a leaf counts
    in the accuracy where others count 1; for the rows of a list or an object (`policy`), each leaf
    in it.
    """
    if isinstance(scoring, ReadRules):
        return scoring
    if callable(scoring):
        scoring = {RECORD: scoring}
    chosen: dict[str, Rule] = {}
    problems: dict[str, str] = {}
    for path, written in (scoring or {}).items():
        rule, problem = _read(path, written, schema)
        if problem or rule is None:
            problems[str(path) or "scoring"] = problem
        else:
            chosen[path] = rule
    if problems:
        raise FieldError(problems, _HINT)
    check_weights(chosen, [] if schema is None else [schema])
    return ReadRules(chosen, schema)


def read_rule(path: str, written: Any, schema: Schema | None) -> Rule:
    """The rule for one place; FieldError if there is no such place or rule."""
    rule, problem = _read(path, written, schema)
    if problem or rule is None:
        raise FieldError({str(path) or "scoring": problem}, _HINT)
    return rule


def _read(path: str, written: Any, schema: Schema | None) -> tuple[Rule | None, str]:
    """The rule for one place, or None and why not."""
    try:
        bare, weight = split_weight(written)
    except ValueError as error:
        return None, str(error)
    places = None if schema is None else places_of(schema, written)
    if path != RECORD and places is not None and path not in places:
        return None, f"The schema has no such field.{_meant(str(path), bare, places)}"
    if path == RECORD and weight is not None:
        return None, "The whole record has no weight; weights are for its fields."
    if bare is None and weight is not None:
        return Weighted(weight), ""
    rule = _read_rule(bare)
    problem = _misfit(path, bare, rule, schema)
    if problem or rule is None or isinstance(rule, Weighted):
        return None, problem or ""
    return rule if weight is None else Weighted(weight, rule), ""


def check_weights(rules: Mapping[str, Rule], schemas: Sequence[Schema]) -> None:
    """Raise FieldError for weights by which nothing counts."""
    leaves = {leaf.path for schema in schemas for leaf in schema.leaves}
    if (weights := weights_of(rules, leaves)) is None:
        return
    if RECORD in rules:
        names = join_truncated(path for path, rule in rules.items() if isinstance(rule, Weighted))
        raise FieldError(
            {"scoring": f"A function scores the whole record, so the weight of {names} would do "
                        "nothing."},
            "Give one of the two: the function, or weights.",
        )  # fmt: skip
    if leaves and not any(weights[each] for each in leaves):
        raise FieldError(
            {"scoring": "Every field has the weight 0, so nothing counts."},
            "Give the fields that matter a weight above 0.",
        )


def _read_rule(written: Any) -> Rule | None:
    if isinstance(written, Rule):
        return written
    if callable(written):
        return ScoringFunction(written)
    kind, _, rest = str(written).partition(":")
    if kind == "key":
        names = dict.fromkeys(name for each in rest.split(",") if (name := each.strip()))
        return ListRule(tuple(names)) if names else None
    if kind not in (*KINDS, "match") or (rest and kind not in {"number", "similar", "match"}):
        return None
    if kind == "number" and rest.endswith("%"):
        kind, rest = "percent", rest[:-1]
    usual = {"similar": 0.9, "match": math.nan, "percent": math.nan}
    try:
        amount = parse_number(rest.strip()) if rest else usual.get(kind, 0.0)
    except ValueError:
        return None
    if kind == "match":
        return ListRule(share=amount) if 0 < amount <= 1 else None
    if kind == "percent" and not amount:
        kind = "number"
    # Within all of the truth, 0 would be right whatever the truth is.
    most = {"similar": 1.0, "percent": math.nextafter(100.0, 0.0)}.get(kind, math.inf)
    return Comparator(kind, amount) if 0 <= amount <= most and math.isfinite(amount) else None


def _misfit(path: str, written: Any, rule: Rule | None, schema: Schema | None) -> str | None:
    """Why this rule does not fit this place; None if it does."""
    if isinstance(rule, LostFunction):
        return None
    if path == RECORD and not isinstance(rule, ScoringFunction):
        return f"{written!r} is not a function; only a function scores a whole record."
    if isinstance(rule, ListRule):
        return _misfit_of_list(path, rule, schema)
    if path != RECORD and schema is not None and path not in {leaf.path for leaf in schema.leaves}:
        name = str(rule) if isinstance(rule, ScoringFunction) else repr(written)
        return f"{name} is not a rule of a list; give key:FIELD or match:0.7."
    if isinstance(rule, ScoringFunction):
        return rule.misfit
    if rule is None:
        if isinstance(written, str) and re.fullmatch(r"number:.*%\s*", written):
            return f"{written!r} is not a tolerance; give one under 100 %, such as number:1%."
        return f"unknown comparator {written!r}; choose {', '.join(KINDS)}, or give a function."
    return None


def places_of(schema: Schema, written: Any = "") -> list[str]:
    """The patterns that a rule can be given for: every leaf, and the rows of every list.

    A weight alone can be given for an object as well.
    """
    leaves = [leaf.path for leaf in schema.leaves]
    around = list(dict.fromkeys(each for leaf in leaves for each in prefixes(leaf)))
    if _is_weight_alone(written):
        return [each for each in around if f"{each}[]" not in around]
    return list(dict.fromkeys([*leaves, *(each for each in around if each.endswith("[]"))]))


def _is_weight_alone(written: Any) -> bool:
    try:
        rule, weight = split_weight(written)
    except ValueError:
        return False
    return rule is None and weight is not None


def _nearest(name: str, known: Iterable[str]) -> str:
    near = find_meant(name, known)
    return f" Nearest is {near[0]}." if near else ""


def _meant(path: str, written: Any, places: Sequence[str]) -> str:
    """Which place was meant by one that the schema does not have, for this rule."""
    words, is_of_list = path_words(path), isinstance(_read_rule(written), ListRule)
    is_weight = written is None
    around = {each for place in places for each in prefixes(place)[:-1]}
    fitting = [
        each for each in places
        if is_weight or is_of_list == (each.endswith("[]") and each in around)
    ]  # fmt: skip
    inside = [each for each in fitting if words and path_words(each)[: len(words)] == words]
    if "[]" not in path and inside and all("[]" in each for each in inside):
        return f" The items of a list are written with []: {', '.join(inside[:5])}."
    if len(inside) > 1:
        return f" Its fields are {', '.join(inside[:5])}."
    same_end = [each for each in fitting if words and path_words(each)[-len(words) :] == words]
    return f" Nearest is {same_end[0]}." if same_end else _nearest(path, inside or places)


def _misfit_of_list(path: str, rule: ListRule, schema: Schema | None) -> str | None:
    """Why the rows of this place cannot be recognised by this rule; None if they can."""
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


def keys_of(pattern: str, rule: ListRule) -> list[str]:
    """The patterns of the leaves that a rule names under the items of a list.

    >>> keys_of("lines[]", ListRule(("sku", "made.on")))
    ['lines[].sku', 'lines[].made.on']
    """
    return [pattern + (each if each.startswith("[") else f".{each}") for each in rule.names]


# -- two values compared ---------------------------------------------------------------------------

_CLOSE = Decimal("1e-12")

_BY_TYPE = {
    "enum": "exact", "boolean": "truth", "email": "caseless", "number": "number",
    "integer": "number", "date": "day", "datetime": "date", "time": "clock",
}  # fmt: skip
_BY_FORMAT = {
    "uri": "place", "uri-reference": "place", "iri": "place", "uuid": "uuid", "ipv4": "host",
    "ipv6": "host", "hostname": "caseless", "duration": "duration",
}  # fmt: skip


@lru_cache(maxsize=64)
def usual_comparators(schema: Schema | None) -> Mapping[str, Comparator]:
    """How the values of each leaf are compared unless the user decides otherwise."""
    return {leaf.path: _usual(leaf) for leaf in schema.leaves} if schema is not None else {}


def _usual(leaf: Leaf) -> Comparator:
    kind = _BY_FORMAT.get(leaf.format or "") if leaf.type == "string" else None
    return Comparator(kind or _BY_TYPE.get(leaf.type, "text"))


def comparator_for(schema: Schema | None, rules: Mapping[str, Rule]) -> FieldComparator:
    """Compares the values of a schema's leaves, by the user's rules where there are some."""
    read = rules if isinstance(rules, ReadRules) else ReadRules(rules)
    return FieldComparator(usual_comparators(schema), read.leaves)


_AS_TEXT = Comparator("text")
_FOLDED = (dict, list)


@dataclass(slots=True)
class FieldComparator:
    """Compares values at leaf patterns; each value is read once.

    `notes` has a sentence for each place that could not be compared in full: the texts were too
    long, or the user's function failed.
    """

    usual: Mapping[str, Comparator]
    chosen: Mapping[str, Comparator | ScoringFunction]
    _shares: dict[tuple[Any, ...], float] = field(default_factory=dict)
    notes: dict[str, None] = field(default_factory=dict)
    _readings: dict[tuple[type, Any], Parsed] = field(default_factory=dict)
    _similarity: TextSimilarity = field(default_factory=TextSimilarity)

    @property
    def own(self) -> frozenset[str]:
        """The patterns at which a function of the user's decides, even about the truth itself."""
        chosen = self.chosen.items()
        return frozenset(path for path, each in chosen if isinstance(each, ScoringFunction))

    def same(self, pattern: str, truth: Any, value: Any) -> bool:
        """Whether the value at this place counts as the truth. Neither is empty."""
        if isinstance(truth, _FOLDED) or isinstance(value, _FOLDED):
            return False
        comparator = self.chosen.get(pattern) or self.usual.get(pattern, _AS_TEXT)
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
        if equal and comparator.kind in _OF_NUMBERS and _are_exact(truth, value):
            return True
        if comparator.kind in _SPELLINGS:
            spell = _SPELLINGS[comparator.kind]
            return spell(str(truth).strip().casefold()) == spell(str(value).strip().casefold())
        if comparator.kind == "number" and _are_far_apart(truth, value, comparator.amount):
            return False
        readings, raw = (self._read(truth), self._read(value)), (truth, value)
        if comparator.kind == "similar":
            if _text(*readings, raw, 0.0):
                return True
            # Words alone have no figures to look for, however long the text is.
            one, other = (
                [] if each.text.isalpha() else _FIGURES.findall(each.text) for each in readings
            )
            return one == other and self._alike(pattern, raw, comparator.amount)
        return _RULES_OF_TYPES[comparator.kind](*readings, raw, comparator.amount)

    def share(self, pattern: str, truth: Any, value: Any) -> float:
        """How much of a value is right, 0 to 1, by the user's function; 0 without one.

        It is called once for each two values. If it fails the value is wrong: nobody can say
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
                note = f"{display_path(pattern)}: {failed}, so the value counts as wrong."
                self.notes[note] = None
        return self._shares[key]

    def _alike(self, pattern: str, raw: Raw, amount: float) -> bool:
        alike = self._similarity.alike(str(raw[0]), str(raw[1]), amount)
        if self._similarity.unsure:
            self._similarity.unsure = False
            note = (
                f"{display_path(pattern)}: too much text to compare letter by letter; values that "
                "are not found to be similar count as different."
            )
            self.notes[note] = None
        return alike

    def _read(self, value: Any) -> Parsed:
        key = (type(value), value)
        try:
            if key not in self._readings:
                self._readings[key] = parse_value(value)
        except TypeError:
            return parse_value(value)
        return self._readings[key]


_FIGURES = re.compile(r"[-0-9][0-9]*(?:[^\w\s,]+[0-9]+)*")
"""The numbers of a plain text, with the marks inside them: similar texts have the same ones."""

Raw = tuple[Any, Any]


def _text(one: Parsed, other: Parsed, raw: Raw, amount: float) -> bool:
    if one.number and other.number:
        return _same_number(one.number, other.number)
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
    # They are the same too once the umlauts of one are written as two letters.
    spelled, respelled = spelled_out(first), spelled_out(second)
    return (spelled is not None and plain(spelled) == other.text) or (
        respelled is not None and plain(respelled) == one.text
    )


_LONGEST_LIST = 1_000


def _number(one: Parsed, other: Parsed, raw: Raw, amount: float, *, percent: bool = False) -> bool:
    left, right = (
        each.number or (number_meant(value) if isinstance(value, str) else None)
        for each, value in zip((one, other), raw, strict=True)
    )
    if left is None or right is None:
        return _text(one, other, raw, amount)
    pairs = [(left, right), *_as_shares(left, right)]
    return any(_same_number(*each, _allowed(each[0], amount, percent)) for each in pairs)


def _allowed(truth: Number, amount: float, percent: bool) -> Decimal:
    """How far a value may be from the truth."""
    allowed = _written(amount)
    return abs(truth.value) * (allowed / 100) if percent else allowed


def _are_far_apart(one: Any, other: Any, amount: float) -> bool:
    """Whether two numbers differ by so much that their decimals need not be looked at."""
    if type(one) not in _NUMBERS or type(other) not in _NUMBERS:
        return False
    largest = max(abs(one), abs(other))
    return largest < _EXACT and bool(abs(one - other) > 1.001 * amount + 1e-9 * largest)


_NUMBERS = (int, float)
_OF_NUMBERS = ("number", "percent")
_EXACT = 1e15
"""Up to here a difference of floats is off by less than what is set aside for it."""


def _are_exact(one: Any, other: Any) -> bool:
    """Whether both are numbers that are written with all their digits."""
    return type(one) in _NUMBERS and type(other) in _NUMBERS and abs(one) < _EXACT


def _as_shares(one: Number, other: Number) -> list[tuple[Number, Number]]:
    """A per cent sign and a bare number as what the sign makes of both: 5 % and 0.05."""
    if {one.unit, other.unit} != {"%", ""}:
        return []
    shares = [Number(each.value / 100 if each.unit else each.value) for each in (one, other)]
    return [(shares[0], shares[1])]


def _same_number(one: Number, other: Number, allowed: Decimal = Decimal(0)) -> bool:
    if not one.agrees(other):
        return False
    left, right = one.value, other.value
    if left == right:
        return True
    if not (left.is_finite() and right.is_finite()):
        return False
    gap = abs(left - right)
    if gap <= allowed:
        return True
    # The tolerance swallows what binary floats add, never a digit that was written.
    if gap > allowed + _CLOSE * max(abs(left), abs(right)):
        return False
    return left != left.to_integral_value() or right != right.to_integral_value()


@lru_cache(maxsize=64)
def _written(amount: float) -> Decimal:
    return Decimal(repr(amount))


def _date(one: Parsed, other: Parsed, raw: Raw, amount: float) -> bool:
    if len(one.days) == len(other.days) == 1 and not one.days[0].has_clock:
        return one.days[0].day == other.days[0].day
    return _same_instants(one, other) if one.days and other.days else _text(one, other, raw, amount)


def _day(one: Parsed, other: Parsed, raw: Raw, amount: float) -> bool:
    """A date field: a time of day given with the date does not count."""
    if one.days and other.days:
        return [each.day for each in one.days] == [each.day for each in other.days]
    return _text(one, other, raw, amount)


def _same_instants(one: Parsed, other: Parsed) -> bool:
    return [each.at for each in one.days] == [each.at for each in other.days]


_YES_WORDS = "true yes ja oui sí si sim sì tak да y evet так はい 是 예 네 نعم हाँ हां"
_NO_WORDS = "false no nein non não nao nee nej nie нет n hayır ні いいえ 否 아니오 아니요 لا नहीं"
_YES, _NO = frozenset(_YES_WORDS.split()), frozenset(_NO_WORDS.split())


def _yes(value: Any) -> bool | None:
    """What a word means in a yes/no field; None if it means neither."""
    word = value.strip(" \t\n.!。").casefold() if isinstance(value, str) else value
    if word in _YES:
        return True
    return False if word in _NO else word if isinstance(word, bool) else None


def same_yes(one: Any, other: Any) -> bool:
    """Whether two values, or words, mean the same in a yes/no field."""
    meant = _yes(one)
    return isinstance(meant, bool) and meant is _yes(other)


def _host(text: str) -> str:
    try:
        return str(ip_address(text.strip("[]")))
    except ValueError:
        return text


def _duration(text: str) -> str:
    """A length of time in whatever units it is given: PT2H is PT120M and 02:00:00."""
    from pydantic import TypeAdapter, ValidationError

    try:
        return str(TypeAdapter(timedelta).validate_python(text.upper()))
    except ValidationError:
        return text


_SPELLINGS: dict[str, Callable[[str], str]] = {
    "caseless": str,
    "place": lambda text: text.rstrip("/"),
    "uuid": lambda text: text.removeprefix("urn:uuid:").strip("{}").replace("-", ""),
    "host": _host,
    "duration": _duration,
}
"""One way to write a value of a format: the same address, identifier, host or length of time."""


def _clock(one: Parsed, other: Parsed, raw: Raw, amount: float) -> bool:
    left, right = (each.clock or clock_in(each.written) for each in (one, other))
    return left == right if left and right else _text(one, other, raw, amount)


_Rule = Callable[[Parsed, Parsed, Raw, float], bool]

_RULES: dict[str, _Rule] = {
    "text": _text,
    "number": _number,
    "date": _date,
}
"""The rules that a user can name: how two values are compared if neither is empty."""

_RULES_OF_TYPES: dict[str, _Rule] = {
    **_RULES, "percent": partial(_number, percent=True),
    "truth": _text, "day": _day, "clock": _clock,
}  # fmt: skip
"""The same, a number within a share of the truth, and what only the type of a field calls for."""

KINDS = ("exact", *_RULES, "similar")
"""All that a user can name."""
