"""Estimate: what a plan would send, cost and take; calls nothing."""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import NamedTuple

from llmwidgets import formatting
from llmwidgets.analysis.intervals import quantile
from llmwidgets.connections.catalog import own_price
from llmwidgets.dialects.types import Usage
from llmwidgets.engine import defaults, server_facts
from llmwidgets.engine.budget import cost_of_usage
from llmwidgets.engine.network import egress
from llmwidgets.engine.request_builder import Document, Plan, RequestBuilder, ResolvedVariant
from llmwidgets.formatting import count, dollars, duration, join_listed
from llmwidgets.providers.prices import price_changes
from llmwidgets.report import html
from llmwidgets.schemas import Schema
from llmwidgets.visible import escape_controls

_SECONDS_A_CALL = 1.5
_SECONDS_A_TOKEN = 0.012
_SUREST = 0.05
"""However alike the answers that were tried are, the rest can differ by so much."""


@dataclass(frozen=True, slots=True)
class TooLongText:
    """A text that is longer than a model's window, told before the run."""

    text_id: str
    variant: str
    tokens: int
    limit: int


@dataclass(frozen=True, slots=True, repr=False)
class Estimate:
    """What a run would take. Costs in US dollars, of the priced columns alone; None without any.

    Tokens are worked out from characters (four of Latin text, one of Chinese, Japanese or
    Korean); the real number lies between 0.75 and 1.5 times that, and the costs say so.
    `unpriced` names the columns with no known price; `hosts` where texts would go. `tried` is
    how many answers the range rests on besides, 0 where it is worked out alone;
    `price_changes` are sentences on prices that change within 60 days.
    """

    calls: int
    tokens_in: int
    tokens_out: int
    cost_low: float | None
    cost_high: float | None
    unpriced: tuple[str, ...]
    seconds: float
    hosts: tuple[str, ...]
    too_long: tuple[TooLongText, ...]
    tried: int = 0
    price_changes: tuple[str, ...] = ()

    @property
    def cost(self) -> float | None:
        """The likely cost: between low and high; None where no price is known."""
        if self.cost_low is None or self.cost_high is None:
            return None
        return (self.cost_low * self.cost_high) ** 0.5 if self.cost_low else self.cost_high / 2

    def __repr__(self) -> str:
        return escape_controls(" ".join(estimate_sentences(self)))

    def _repr_html_(self) -> str:
        return html.notice(estimate_sentences(self))


@dataclass(frozen=True, slots=True)
class TrialMeasure:
    """One answer to a text of a plan's column: what it took."""

    text: Document
    usage: Usage
    seconds: float | None = None


def estimate(plan: Plan, tried: Mapping[str, Sequence[TrialMeasure]] | None = None) -> Estimate:
    """What the plan would take, were nothing reused.

    `tried` has answers by the label of their column: from two on they narrow its range.
    """
    asked = [_Column(column, plan) for column in plan.columns]
    for each in asked:
        each.learn((tried or {}).get(each.column.label, ()))
    low, high = ([each.cost(low=end) for each in asked] for end in (True, False))
    return Estimate(
        calls=plan.asked * len(plan.columns),
        tokens_in=sum(each.tokens_in.likely for each in asked),
        tokens_out=sum(each.tokens_out.likely for each in asked),
        cost_low=_sum(low),
        cost_high=_sum(high),
        unpriced=tuple(
            each.column.label for each, price in zip(asked, low, strict=True) if price is None
        ),
        seconds=max((each.seconds for each in asked), default=0.0),
        hosts=tuple(dict.fromkeys(column.connection.host for column in plan.columns)),
        too_long=tuple(text for each in asked for text in each.too_long),
        tried=sum(each.tried for each in asked),
        price_changes=tuple(dict.fromkeys(said for each in asked for said in each.price_changes())),
    )


def _sum(prices: list[float | None]) -> float | None:
    """Of the known ones; unknown where none is, and nothing where nothing is asked."""
    known = [price for price in prices if price is not None]
    return sum(known) if known or not prices else None


class _Column:
    """One column's sums over all texts."""

    def __init__(self, column: ResolvedVariant, plan: Plan) -> None:
        self.column, self.calls = column, plan.asked
        self.learned = server_facts.facts_of_server(column.connection, column.model)
        self.tried = 0
        self._seconds_a_call: float | None = None
        self.too_long: list[TooLongText] = []
        self._manners: dict[Schema, tuple[RequestBuilder, int, TokenRange]] = {}
        tokens_in, tokens_out = Counter[str](), Counter[str]()
        for text in plan.texts:
            self._add(text, plan.repeats, tokens_in, tokens_out)
        self.tokens_in = TokenRange(tokens_in["likely"], tokens_in["low"], tokens_in["high"])
        self.tokens_out = TokenRange(tokens_out["likely"], tokens_out["low"], tokens_out["high"])

    def _add(
        self, text: Document, repeats: int, tokens_in: Counter[str], tokens_out: Counter[str]
    ) -> None:
        manner, around, out = self._manner(text.schema)
        likely = around + count_tokens_in(text.text)
        # A text is told as too long when it is even by the lower end of the range.
        least, limit = int(likely * 0.75), manner.window
        if limit is None and manner.facts is not None:
            limit = manner.facts.input_limit
        if limit and least > limit:
            self.too_long.append(TooLongText(text.id, self.column.label, likely, limit))
        asked = {"likely": likely, "low": least, "high": int(likely * 1.5) + 1}
        for name in asked:
            tokens_in[name] += asked[name] * repeats
            tokens_out[name] += getattr(out, name) * repeats

    def _manner(self, schema: Schema) -> tuple[RequestBuilder, int, TokenRange]:
        if schema not in self._manners:
            manner = RequestBuilder(self.column, schema, self.learned)
            self._manners[schema] = (manner, count_overhead(manner), tokens_out(manner))
        return self._manners[schema]

    def learn(self, tried: Sequence[TrialMeasure]) -> None:
        """Narrow tokens and time by answers: input as a share of what was worked out."""
        known = [each for each in tried if each.usage.input_tokens and each.usage.output_tokens]
        if len(known) < 2:
            return
        self.tried = len(known)
        shares = [
            (each.usage.input_tokens or 0) / (around + count_tokens_in(each.text.text))
            for each in known
            for around in (self._manner(each.text.schema)[1],)
        ]
        self.tokens_in = _scaled(self.tokens_in.likely, shares)
        self.tokens_out = _scaled(self.calls, [each.usage.output_tokens or 0 for each in known])
        times = [each.seconds for each in known if each.seconds is not None]
        self._seconds_a_call = sum(times) / len(times) if times else None

    def price_changes(self) -> list[str]:
        """A sentence for each change of this column's price within 60 days."""
        connection, model = self.column.connection, self.column.model
        if self.column.price or own_price(connection, model):
            return []
        url, now = connection.target(model).url, datetime.now(UTC)
        return [
            f"{model}: from {day.day} {day:%b %Y} {_pair(new)} for a million tokens, before "
            f"{_pair(old)}."
            for day, old, new in price_changes(connection.provider, model, now, url)
        ]

    def cost(self, *, low: bool) -> float | None:
        """US dollars at one end of the range; None where the price is unknown."""
        pick: Callable[[TokenRange], int] = (lambda t: t.low) if low else (lambda t: t.high)
        calls = max(1, self.calls)
        # Priced by the call: some prices rise with the length of one prompt.
        one = Usage(pick(self.tokens_in) // calls, pick(self.tokens_out) // calls)
        connection, model = self.column.connection, self.column.model
        own = self.column.price or own_price(connection, model)
        price = cost_of_usage(own, connection, connection.target(model), one, self.learned.served)
        return None if price is None else price * calls

    @property
    def seconds(self) -> float:
        """A rough time: columns run side by side, so the slowest one counts."""
        guess = _SECONDS_A_CALL + _SECONDS_A_TOKEN * self.tokens_out.likely / max(1, self.calls)
        each = guess if self._seconds_a_call is None else self._seconds_a_call
        at_once = egress.first_concurrency(self.column.connection)
        grown = at_once if at_once == defaults.CONCURRENCY_LOOPBACK else at_once * 4
        return self.calls * each / max(1, min(grown, self.calls or 1))


def _pair(price: tuple[float, float]) -> str:
    return f"{formatting.dollars(price[0])} in and {formatting.dollars(price[1])} out"


def _scaled(times: int, values: Sequence[float]) -> TokenRange:
    """So many times the mean of the values, and the range that few values leave open."""
    mean, found = sum(values) / len(values), len(values)
    spread = math.sqrt(sum((each - mean) ** 2 for each in values) / (found - 1) / found)
    half = max(quantile(0.975, found - 1) * spread, _SUREST * mean)
    ends = max(0.0, mean - half), mean + half
    return TokenRange(int(times * mean), int(times * ends[0]), math.ceil(times * ends[1]))


# -- What a run would take, in words: for a notebook, a terminal and the panel.

_NAMED = 3


def estimate_sentences(likely: Estimate) -> tuple[str, ...]:
    """The estimate in sentences: calls and time, cost, hosts, what does not fit, price changes."""
    head, rest = cost_words(likely)
    hosts = join_listed(likely.hosts)
    said = [
        f"{count(likely.calls, 'call')}, {duration(likely.seconds)}.",
        f"{head}{f', {rest}' if rest else ''}.",
        f"The texts go to {hosts}, and to no other host." if hosts else "",
        f"By what {count(likely.tried, 'answer')} took." if likely.tried else "",
        _too_long(likely.too_long),
        *likely.price_changes,
    ]
    return tuple(each for each in said if each)


def cost_words(likely: Estimate) -> tuple[str, str]:
    """The cost in bold, and what is to be said beside it; what is unknown is named."""
    unpriced = list(likely.unpriced)
    few = f"{', '.join(unpriced[:3])}{' and others' if len(unpriced) > 3 else ''}"
    verb = "has" if len(unpriced) == 1 else "have"
    low, high, cost = likely.cost_low, likely.cost_high, likely.cost
    if low is None or high is None or cost is None:
        if len(unpriced) > 1:
            return "Cost unknown", "none of these has a known price"
        return "Cost unknown", f"{few} has no known price"
    rest = [f"between {dollars(low)} and {dollars(high)}"] if high > low else []
    if unpriced:
        rest.append(f"{few} {verb} no known price")
    return f"About {dollars(cost)}", "; ".join(rest)


def _too_long(found: tuple[TooLongText, ...]) -> str:
    if not found:
        return ""
    named = [f"{each.text_id} for {each.variant}" for each in found[:_NAMED]]
    more = [f"{len(found) - _NAMED:,} more"] if len(found) > _NAMED else []
    verb = "is" if len(found) == 1 else "are"
    calls = count(len(found), "call")
    return f"{calls} {verb} too long for the model's window: {join_listed([*named, *more])}."


# -- How many tokens a question is likely to have, by its characters; no tokenizer is loaded.
#
# The rule: four characters of Latin text are a token, and one of Chinese, Japanese or Korean. The
# real number lies between 0.75 and 1.5 times that, for tables, code and other languages too.

_WIDE = re.compile("[ᄀ-ᇿ⺀-鿿가-힯豈-﫿︰-﹏\U00020000-\U0003ffff]")
_LOW, _HIGH = 0.75, 1.5
_AROUND = 40


class TokenRange(NamedTuple):
    """A number of tokens: likely, at least, at most."""

    likely: int
    low: int
    high: int


def count_tokens_in(text: str) -> int:
    """The likely number of tokens of a text."""
    wide = sum(1 for _ in _WIDE.finditer(text))
    return wide + (len(text) - wide + 3) // 4


def tokens_in(manner: RequestBuilder, text: Document) -> TokenRange:
    """Tokens of the whole question: instructions, schema, examples and document."""
    likely = count_overhead(manner) + count_tokens_in(text.text)
    return TokenRange(likely, int(likely * _LOW), int(likely * _HIGH) + 1)


def output_limit(manner: RequestBuilder, text: Document) -> int:
    """The most tokens of the answer to this text: no more than the window leaves beside it.

    Where the estimate leaves nothing, the server tells: by its own count it may fit.
    """
    if manner.window is None:
        return manner.max_output_tokens
    asked = tokens_in(manner, text)
    usual = defaults.OUTPUT_TOKENS + defaults.OUTPUT_TOKENS_PER_FIELD * len(manner.schema.leaves)
    room = max(manner.window - asked.high, min(usual, manner.window - asked.likely))
    return max(1, min(manner.max_output_tokens, max(room, _least_out(manner))))


def count_overhead(manner: RequestBuilder) -> int:
    """Tokens of what goes along with every document of this column and schema."""
    # The schema is counted once: as the form, or in the prompt.
    column = manner.column
    shown = sum(
        count_tokens_in(each.text) + count_tokens_in(str(each.record)) for each in column.examples
    )
    schema = count_tokens_in(json.dumps(manner.compiled.schema, ensure_ascii=False))
    return _AROUND + count_tokens_in(column.instructions) + schema + shown


def tokens_out(manner: RequestBuilder) -> TokenRange:
    """Tokens of the answer: its keys and values, and the thinking where that stays on."""
    fields = len(manner.schema.leaves)
    likely = 20 + 14 * fields
    low, high = _least_out(manner), min(manner.max_output_tokens, 60 + 60 * fields)
    if manner.thinking:
        high = min(manner.max_output_tokens, high + 4000)
    if manner.settings.thinking:
        likely += 800
    return TokenRange(min(likely, high), min(low, high), high)


def _least_out(manner: RequestBuilder) -> int:
    return 10 + 6 * len(manner.schema.leaves)
