"""Scoring rules: what the user may say of how a field, a list or a whole record is scored."""

from __future__ import annotations

import inspect
import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from functools import partial
from numbers import Real
from typing import Any

from llmwidgets.errors import FieldError
from llmwidgets.schemas import Schema
from llmwidgets.schemas.place import prefixes

KINDS = ("exact", "text", "number", "date", "similar")
RECORD = ""
"""The place of a whole record among the rules."""

_HINT = (
    'Examples: {"total": "number:0.01", "address": "similar:0.9", "code": "exact", '
    '"lines[]": "key:sku", "name": a function of (value, truth) that returns True, False or a '
    "share from 0 to 1}."
)
_ROUNDING = 1e-9


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


@dataclass(frozen=True, slots=True)
class ListRule:
    """How the user has the rows of one list recognised: by `names` of leaves, or from a `share`.

    >>> str(ListRule(("sku", "date"))), str(ListRule(share=0.7))
    ('key:sku,date', 'match:0.7')
    """

    names: tuple[str, ...] = ()
    share: float = 0.0

    def __str__(self) -> str:
        return f"key:{','.join(self.names)}" if self.names else f"match:{self.share:g}"


class FunctionFailed(Exception):
    """A function of the user's raised, or returned what is not a share: the message says which."""


@dataclass(frozen=True, slots=True, eq=False)
class ScoringFunction:
    """A function of the user's, `(value, truth)` → True, False or a share from 0 to 1.

    One that scores a whole record may have a parameter `schema`: the JSON Schema of the text.
    Two are equal where they are the same function, which need not be hashable itself.
    """

    function: Callable[..., Any]

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ScoringFunction) and self.function is other.function

    def __hash__(self) -> int:
        return id(self.function)

    def __str__(self) -> str:
        inner = self.function
        while isinstance(inner, partial):
            inner = inner.func
        return getattr(inner, "__name__", type(inner).__name__)

    @property
    def misfit(self) -> str | None:
        """Why it cannot be called; None where it can, or where that is only known by calling."""
        if inspect.iscoroutinefunction(self.function):
            return f"{self} is async; give a plain function."
        try:
            signature = inspect.signature(self.function)
        except (TypeError, ValueError):
            return None
        try:
            signature.bind(None, None, **({"schema": None} if self._takes_schema else {}))
        except TypeError:
            return f"{self} cannot be called with (value, truth)."
        return None

    @property
    def _takes_schema(self) -> bool:
        try:
            return "schema" in inspect.signature(self.function).parameters
        except (TypeError, ValueError):
            return False

    def share(self, value: Any, truth: Any) -> float:
        """What it returns for two values, 0 to 1; FunctionFailed where that is not a share.

        What it raises is told by its class alone: a message may quote the document.
        """
        return self._called(value, truth)

    def share_of_record(self, value: Any, truth: Any, schema: Any) -> float:
        """What it returns for a whole record, 0 to 1; FunctionFailed as in `share`."""
        more = {"schema": schema} if self._takes_schema else {}
        return self._called(value, truth, **more)

    def _called(self, value: Any, truth: Any, **more: Any) -> float:
        try:
            given = self.function(value, truth, **more)
            # numpy's and pandas' own yes and no are not a bool.
            given = given.item() if getattr(given, "shape", None) == () else given
            share = float(given) if isinstance(given, Real) else math.nan
        except Exception as error:  # noqa: BLE001 (the function is the user's)
            failed = f"{self} raised {type(error).__name__}"
        else:
            if -_ROUNDING <= share <= 1 + _ROUNDING:
                return min(1.0, max(0.0, share))
            kind = f"{given}" if isinstance(given, Real) else f"a {type(given).__name__}"
            failed = f"{self} returned {kind}, not True, False or a share from 0 to 1"
        raise FunctionFailed(failed)


@dataclass(frozen=True, slots=True)
class LostFunction:
    """A function by which a saved comparison was scored, and which no file can hold: its name."""

    name: str

    def __str__(self) -> str:
        return f"{self.name}, not in the file"


Rule = Comparator | ListRule | ScoringFunction | LostFunction


def read_scoring(
    scoring: Mapping[str, Any] | Callable[..., Any] | None, schema: Schema | None
) -> dict[str, Rule]:
    """The rule for each place the user names; FieldError for a place or a rule unknown.

    Keys are patterns of leaves (`lines[].total`); values are `exact`, `text`, `number`,
    `number:0.01` (± 0.01), `date`, `similar:0.9` or a function of (value, truth) that returns
    True, False or a share from 0 to 1. Keys can also be patterns of a list's rows (`lines[]`),
    with how a row of the reply is recognised as one of truth: `key:sku` (or `key:sku,date`), where
    these fields of the row are right and only there, or `match:0.7`, where at least this share of
    the fields that truth fills is right. A row that is not recognised is one missed and one
    invented row. The key "" is the whole record, scored by a function; a function alone means it.
    """
    if callable(scoring):
        scoring = {RECORD: scoring}
    chosen: dict[str, Rule] = {}
    problems: dict[str, str] = {}
    places = None if schema is None else places_of(schema)
    for path, said in (scoring or {}).items():
        if path != RECORD and places is not None and path not in places:
            problems[str(path)] = f"The schema has no such field.{_nearest(str(path), places)}"
            continue
        rule = _read_rule(said)
        problem = _misfit(path, said, rule, schema)
        if problem is None and rule is not None:
            chosen[path] = rule
        else:
            problems[str(path) or "scoring"] = problem or ""
    if problems:
        raise FieldError(problems, _HINT)
    return chosen


def _read_rule(said: Any) -> Rule | None:
    if isinstance(said, Rule):
        return said
    if callable(said):
        return ScoringFunction(said)
    return read_list_rule(str(said)) or _read_comparator(str(said))


def _misfit(path: str, said: Any, rule: Rule | None, schema: Schema | None) -> str | None:
    """Why this rule does not fit this place; None where it does."""
    if isinstance(rule, LostFunction):
        return None
    if path == RECORD and not isinstance(rule, ScoringFunction):
        return f"{said!r} is not a function; only a function scores a whole record."
    if isinstance(rule, ListRule):
        return _misfit_of_list(path, rule, schema)
    if path != RECORD and schema is not None and not _is_leaf(path, schema):
        name = str(rule) if isinstance(rule, ScoringFunction) else repr(said)
        return f"{name} is not a rule of a list; give key:FIELD or match:0.7."
    if isinstance(rule, ScoringFunction):
        return rule.misfit
    if rule is None:
        return f"unknown comparator {said!r}; choose {', '.join(KINDS)}, or give a function."
    return None


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


def _misfit_of_list(path: str, rule: ListRule, schema: Schema | None) -> str | None:
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


def _read_comparator(said: str) -> Comparator | None:
    kind, _, amount = said.partition(":")
    if kind not in KINDS or (amount and kind not in {"number", "similar"}):
        return None
    try:
        figure = float(amount) if amount else (0.9 if kind == "similar" else 0.0)
    except ValueError:
        return None
    most = 1.0 if kind == "similar" else math.inf
    return Comparator(kind, figure) if 0 <= figure <= most and math.isfinite(figure) else None


def read_list_rule(said: str) -> ListRule | None:
    """The rule of a list as the user writes it: `key:sku,date` or `match:0.7`; None for others."""
    kind, _, rest = said.partition(":")
    if kind == "key":
        names = tuple(name for each in rest.split(",") if (name := each.strip()))
        return ListRule(tuple(dict.fromkeys(names))) if names else None
    if kind != "match":
        return None
    try:
        share = float(rest)
    except ValueError:
        return None
    return ListRule(share=share) if 0 < share <= 1 else None


def keys_of(pattern: str, rule: ListRule) -> list[str]:
    """The patterns of the leaves that a rule names under the items of a list.

    >>> keys_of("lines[]", ListRule(("sku", "made.on")))
    ['lines[].sku', 'lines[].made.on']
    """
    return [pattern + (each if each.startswith("[") else f".{each}") for each in rule.names]
