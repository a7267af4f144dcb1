"""Rules: what a user's scoring says of a place, by which rule and with which weight."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property, partial
from numbers import Real
from typing import TYPE_CHECKING, Any

from llmwidgets.formatting import parse_number, with_article
from llmwidgets.schemas.canonical import prefixes

if TYPE_CHECKING:
    from llmwidgets.schemas import Schema

RECORD = ""
"""The place of a whole record among the rules."""

_ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class Comparator:
    """One way to compare: `number` within ± `amount`, `similar` from `amount` (0 to 1) on.

    `percent` is a number within ± `amount` % of the truth.

    >>> str(Comparator("similar", 0.9)), str(Comparator("percent", 0.5))
    ('similar:0.9', 'number:0.5%')
    """

    kind: str
    amount: float = 0.0

    def __str__(self) -> str:
        if self.kind == "percent":
            return f"number:{plain_digits(self.amount)}%"
        return f"{self.kind}:{plain_digits(self.amount)}" if self.amount else self.kind


@dataclass(frozen=True, slots=True)
class ListRule:
    """How the user's rule recognises the rows of a list: by `names` of leaves or by a `share`.

    >>> str(ListRule(("sku", "date"))), str(ListRule(share=0.7))
    ('key:sku,date', 'match:0.7')
    """

    names: tuple[str, ...] = ()
    share: float = 0.0

    def __str__(self) -> str:
        return f"key:{','.join(self.names)}" if self.names else f"match:{plain_digits(self.share)}"


class FunctionFailed(Exception):
    """A user's function raised, or did not return a share: the message says which."""


@dataclass(frozen=True, slots=True, eq=False)
class ScoringFunction:
    """A user's function `(value, truth)` that returns True, False or a share from 0 to 1.

    One that scores a whole record may have a parameter `schema`: the JSON Schema of the text.
    Two are equal if they are the same function, which need not be hashable itself.
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
        """Why it cannot be called; None if it can, or if only calling it will tell."""
        if inspect.iscoroutinefunction(self.function):
            return f"{self} is async; give a plain function."
        if (signature := self._signature) is None:
            return None
        try:
            signature.bind(None, None, **({"schema": None} if self._takes_schema else {}))
        except TypeError:
            return f"{self} cannot be called with (value, truth)."
        return None

    @property
    def _signature(self) -> inspect.Signature | None:
        try:
            return inspect.signature(self.function)
        except (TypeError, ValueError):
            return None

    @property
    def _takes_schema(self) -> bool:
        return self._signature is not None and "schema" in self._signature.parameters

    def share(self, value: Any, truth: Any, **schema: Any) -> float:
        """What it returns for two values, 0 to 1; FunctionFailed if that is not a share.

        `schema` is that of a whole record. What the function raises is reported by its class alone:
        a message may quote the document.
        """
        try:
            given = schema if schema and self._takes_schema else {}
            returned = self.function(value, truth, **given)
            # numpy's and pandas' own booleans are not a bool.
            returned = returned.item() if getattr(returned, "shape", None) == () else returned
            share = float(returned) if isinstance(returned, Real) else math.nan
        except Exception as error:  # noqa: BLE001 (the function is the user's)
            failed = f"{self} raised {type(error).__name__}"
        else:
            if -_ROUNDING <= share <= 1 + _ROUNDING:
                return min(1.0, max(0.0, share))
            telling = returned is None or isinstance(returned, Real)
            kind = f"{returned}" if telling else with_article(type(returned).__name__)
            failed = f"{self} returned {kind}, not True, False or a share from 0 to 1"
        raise FunctionFailed(failed)


@dataclass(frozen=True, slots=True)
class LostFunction:
    """A function by which a saved comparison was scored, and which no file can hold: its name."""

    name: str

    def __str__(self) -> str:
        return f"{self.name}, not in the file"


@dataclass(frozen=True, slots=True)
class Weighted:
    """What an error at a place costs, and the rule of the place if the user gave one.

    >>> str(Weighted(5.0)), str(Weighted(5.0, Comparator("number", 0.01)))
    ('weight:5', 'number:0.01 weight:5')
    """

    weight: float
    rule: Comparator | ListRule | ScoringFunction | LostFunction | None = None

    def __str__(self) -> str:
        rule = "" if self.rule is None else f"{self.rule} "
        return f"{rule}weight:{plain_digits(self.weight)}"


Rule = Comparator | ListRule | ScoringFunction | LostFunction | Weighted


class ReadRules(dict[str, Rule]):
    """Rules by place as they were read for a schema, and what they decide; none is added later."""

    def __init__(
        self, rules: Mapping[str, Rule] | None = None, schema: Schema | None = None
    ) -> None:
        super().__init__(rules or {})
        self._leaves = [leaf.path for leaf in schema.leaves] if schema is not None else []

    @cached_property
    def bare(self) -> dict[str, Rule]:
        """The rules without their weights."""
        bare = {path: each.rule if isinstance(each, Weighted) else each
                for path, each in self.items()}  # fmt: skip
        return {path: each for path, each in bare.items() if each is not None}

    @cached_property
    def lists(self) -> dict[str, ListRule]:
        """How the rows of lists are recognised."""
        return {path: each for path, each in self.bare.items() if isinstance(each, ListRule)}

    @cached_property
    def leaves(self) -> dict[str, Comparator | ScoringFunction]:
        """How the values of leaves are compared."""
        return {
            path: each
            for path, each in self.bare.items()
            if isinstance(each, Comparator | ScoringFunction) and path != RECORD
        }

    @cached_property
    def weights(self) -> FieldWeights | None:
        """What each leaf weighs; None if the user gave no weight."""
        return weights_of(self, self._leaves)


def plain_digits(number: float) -> str:
    """A number of a rule, so that reading it again gives the same number.

    >>> plain_digits(5.0), plain_digits(0.01)
    ('5', '0.01')
    """
    return repr(number).removesuffix(".0")


# -- Weights: what an error costs, by field.

_WEIGHT = re.compile(r"(?:^|(?<=\s))weight:\s*(\S*)")


def split_weight(written: Any) -> tuple[Any, float | None]:
    """A rule as a user writes it, without its weight, and the weight; ValueError says what is odd.

    Either is None where it is not given.

    >>> split_weight("number:0.01 weight:5"), split_weight({"rule": "exact", "weight": 0})
    (('number:0.01', 5.0), ('exact', 0.0))
    """
    if isinstance(written, Weighted):
        return written.rule, written.weight
    if isinstance(written, str) and (found := _WEIGHT.findall(written)):
        if len(found) > 1:
            raise ValueError(f"{written!r} has more than one weight.")
        return _WEIGHT.sub("", written).strip() or None, _read_weight(found[0])
    if not isinstance(written, Mapping):
        return written, None
    if not written or not {*written} <= {"rule", "weight"}:
        raise ValueError('must be a rule, or as in {"rule": a function, "weight": 5}.')
    rule, inner = split_weight(written.get("rule"))
    weight = _read_weight(written["weight"]) if "weight" in written else inner
    if inner is not None and "weight" in written:
        raise ValueError("has more than one weight.")
    return rule, weight


def _read_weight(written: Any) -> float:
    try:
        if isinstance(written, bool) or not isinstance(written, str | Real | Decimal):
            raise TypeError
        weight = parse_number(written) if isinstance(written, str) else float(written)
    except (TypeError, ValueError, OverflowError):
        weight = math.nan
    if not 0 <= weight < math.inf:
        raise ValueError(f"{written!r} is not a weight; give a number, 0 or more.")
    return weight + 0.0  # never -0.0


class FieldWeights(dict[str, float]):
    """The weight of each leaf, by its pattern: that of the nearest place that has one, else 1.

    A list or an object without anything in it is one leaf, and weighs what the `leaves` that a
    schema has in it weigh on average.

    >>> leaves = ["lines[].sku", "lines[].price"]
    >>> weights = FieldWeights({"policy": 2.0, "lines[].sku": 3.0}, leaves)
    >>> weights["policy.number"], weights["lines[].sku"], weights["lines"], weights["total"]
    (2.0, 3.0, 2.0, 1.0)
    """

    def __init__(self, places: Mapping[str, float], leaves: Iterable[str] = ()) -> None:
        super().__init__()
        self._places, self._leaves = places, tuple(leaves)

    def __missing__(self, pattern: str) -> float:
        inside = [
            self._nearest(leaf)
            for leaf in self._leaves
            if not pattern or leaf.startswith((f"{pattern}.", f"{pattern}["))
        ]
        if len({*inside}) > 1:
            weight = math.fsum([each / len(inside) for each in inside])
        else:
            weight = inside[0] if inside else self._nearest(pattern)
        self[pattern] = weight
        return weight

    def _nearest(self, pattern: str) -> float:
        around = reversed(prefixes(pattern))
        return next((self._places[each] for each in around if each in self._places), 1.0)

    def are_equal(self) -> bool:
        """Whether all leaves weigh the same, as if there were no weights."""
        return len({self[each] for each in self._leaves}) < 2


def weights_of(rules: Mapping[str, Any] | None, leaves: Iterable[str]) -> FieldWeights | None:
    """What each leaf weighs by rules that were read before; None if none of them has a weight."""
    given = {path: split_weight(each)[1] for path, each in (rules or {}).items()}
    places = {path: each for path, each in given.items() if each is not None}
    return FieldWeights(places, leaves) if places else None


def weighted_share(counts: Iterable[tuple[float, float, float]]) -> float | None:
    """The share right of leaves that count by weight: of (weight, how many are right, of how many).

    Weights matter relative to each other alone. None if nothing is labelled that has a weight.

    >>> weighted_share([(5, 1, 1), (1, 0, 1), (0, 0, 1)])
    0.8333333333333334
    """
    counted = [each for each in counts if each[0] and each[2]]
    if not counted:
        return None
    most = max(weight for weight, _, _ in counted)
    right = math.fsum([weight / most * right for weight, right, _ in counted])
    share = right / math.fsum([weight / most * of for weight, _, of in counted])
    # What is not wholly right is not 1, however little the wrong part weighs.
    return share if all(right == of for _, right, of in counted) else min(share, _UNDER_1)


_UNDER_1 = math.nextafter(1.0, 0.0)
