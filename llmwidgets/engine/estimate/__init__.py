"""What a plan would send, cost and take, and the budget that a run keeps to; calls nothing."""

from __future__ import annotations

import asyncio
import math
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Literal

from llmwidgets.analysis.statistics.intervals import quantile
from llmwidgets.dialects.types import Usage
from llmwidgets.engine.capability import ServerRecord, record_of
from llmwidgets.engine.estimate.memory import Memory, free_memory, memory_words, needed_memory
from llmwidgets.engine.network import egress
from llmwidgets.engine.request_builder import (
    Document,
    Plan,
    RequestBuilder,
    ResolvedVariant,
    TokenRange,
)
from llmwidgets.errors import OverBudget
from llmwidgets.formatting import (
    count,
    dollars,
    duration,
    escape_controls,
    format_day,
    join_listed,
    time_between,
)
from llmwidgets.providers.prices import price_changes
from llmwidgets.report import html
from llmwidgets.schemas import Schema

ASK_BUDGET_ABOVE = 5.0
"""US dollars: a run estimated above this asks for a budget first."""

_SECONDS_A_CALL = 1.5
_SECONDS_A_TOKEN = 0.012
_FASTEST_CALL = 0.05
"""Seconds: a server of one's own can take that, or as long as any other."""
_SUREST = 0.05
"""However alike the answers that were tried are, the rest can differ by so much."""


@dataclass(frozen=True, slots=True)
class TooLongText:
    """A text that is longer than a model's window, found before the run."""

    text_id: str
    variant: str
    tokens: int
    limit: int


@dataclass(frozen=True, slots=True, repr=False)
class Estimate:
    """What a run would take. Costs in US dollars, of the priced variants alone; None without any.

    Tokens are worked out from characters (four of Latin text, one of Chinese, Japanese or
    Korean); the real number lies between 0.75 and 1.5 times that, and the costs say so.
    `unpriced` names the variants without a known price, `hosts` where texts would go. `tried` is
    how many answers the range rests on besides, 0 if it is worked out alone;
    `price_changes` are sentences on prices that change within 60 days. `token_hosts` give tokens to
    connections that sign in without a key: no text goes there. `memory` is what the run is likely
    to need, and what is free. `counted` has how many of how many texts were counted, where it was
    not all of them. `seconds_least` is how fast it can be where a server of one's own has not been
    timed yet: then `seconds` is a bound. `answered` of the calls are in the journal and are not
    made again; the other figures are those of all calls.
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
    token_hosts: tuple[str, ...] = ()
    memory: Memory | None = None
    counted: tuple[int, int] | None = None
    seconds_least: float | None = None
    answered: int = 0

    @property
    def left(self) -> int:
        """How many calls are still to be made."""
        return self.calls - self.answered

    @property
    def cost(self) -> float | None:
        """The likely cost: between low and high; None if no price is known."""
        if self.cost_low is None or self.cost_high is None:
            return None
        return (self.cost_low * self.cost_high) ** 0.5 if self.cost_low else self.cost_high / 2

    def __repr__(self) -> str:
        return escape_controls(" ".join(estimate_sentences(self)))

    def _repr_html_(self) -> str:
        return html.notice(estimate_sentences(self))


@dataclass(frozen=True, slots=True)
class TrialMeasure:
    """One answer to a text of a plan's variant: what it took."""

    text: Document
    usage: Usage
    seconds: float | None = None


def estimate(
    plan: Plan,
    tried: Mapping[str, Sequence[TrialMeasure]] | None = None,
    counted: Sequence[Document] | None = None,
    *,
    journal_on_disk: bool = True,
    answered: int = 0,
) -> Estimate:
    """What the plan would take, were nothing reused; `answered` calls are.

    `tried` has answers by the label of their variant: from two on they narrow its range. `counted`
    are texts of the plan that stand for all of them.
    """
    tried, texts = tried or {}, plan.texts if counted is None else counted
    sums = [_VariantSums(each, plan, tried.get(each.label, ()), texts) for each in plan.columns]
    low, high = ([each.cost(end) for each in sums] for end in ("low", "high"))
    return Estimate(
        calls=plan.asked * len(plan.columns),
        tokens_in=sum(each.tokens_in.likely for each in sums),
        tokens_out=sum(each.tokens_out.likely for each in sums),
        cost_low=_sum_known(low),
        cost_high=_sum_known(high),
        unpriced=tuple(
            each.variant.label for each, price in zip(sums, low, strict=True) if price is None
        ),
        seconds=_seconds(sums),
        seconds_least=None if all(each.timed for each in sums) else _seconds(sums, least=True),
        hosts=tuple(dict.fromkeys(variant.connection.host for variant in plan.columns)),
        too_long=tuple(text for each in sums for text in each.too_long),
        tried=sum(each.tried for each in sums),
        price_changes=tuple(
            dict.fromkeys(change for each in sums for change in each.price_changes())
        ),
        token_hosts=tuple(
            dict.fromkeys(host for each in plan.columns for host in each.connection.token_hosts)
        ),
        memory=Memory(needed_memory(plan, counted, journal_on_disk=journal_on_disk), free_memory()),
        counted=None if len(texts) == len(plan.texts) else (len(texts), len(plan.texts)),
        answered=answered,
    )


def _seconds(sums: Sequence[_VariantSums], *, least: bool = False) -> float:
    """The time of a run: servers answer side by side, and what one is asked adds up."""
    servers: dict[int, float] = {}
    for each in sums:
        seconds = each.seconds_least if least else each.seconds
        known = servers.get(id(each.record), 0.0)
        timed = each.record.throughput.seconds_each is not None
        servers[id(each.record)] = known + seconds if timed else max(known, seconds)
    return max(servers.values(), default=0.0)


def _sum_known(prices: list[float | None]) -> float | None:
    """The sum of the known prices; None if none is known, and 0 if nothing is asked."""
    known = [price for price in prices if price is not None]
    return sum(known) if known or not prices else None


class _VariantSums:
    """One variant's sums over all texts."""

    def __init__(
        self, variant: ResolvedVariant, plan: Plan, tried: Sequence[TrialMeasure],
        texts: Sequence[Document],
    ) -> None:  # fmt: skip
        self.variant, self.calls = variant, plan.asked
        self.record: ServerRecord = record_of(variant.connection, variant.model, variant.target)
        self.learned = self.record.facts
        self.tried = 0
        self._seconds_a_call: float | None = None
        self.too_long: list[TooLongText] = []
        self._builders: dict[Schema, RequestBuilder] = {}
        self.tokens_in = self.tokens_out = TokenRange(0, 0, 0)
        for text in texts:
            builder = self._builder(text.schema)
            asked = builder.tokens_in(text)
            limit = builder.window or (builder.facts and builder.facts.input_limit)
            # A text counts as too long if it is even by the lower end of the range.
            if limit and asked.low > limit:
                self.too_long.append(TooLongText(text.id, variant.label, asked.likely, limit))
            self.tokens_in = self.tokens_in.plus(asked, plan.repeats)
            self.tokens_out = self.tokens_out.plus(builder.tokens_out, plan.repeats)
        if len(texts) != len(plan.texts):
            share = len(plan.texts) / len(texts)
            self.tokens_in = self.tokens_in.times(share)
            self.tokens_out = self.tokens_out.times(share)
        self._learn(tried)

    def _builder(self, schema: Schema) -> RequestBuilder:
        if schema not in self._builders:
            self._builders[schema] = RequestBuilder(self.variant, schema, self.learned)
        return self._builders[schema]

    def _learn(self, tried: Sequence[TrialMeasure]) -> None:
        """Narrow tokens and time by answers: input as a share of what was worked out."""
        known = [each for each in tried if each.usage.input_tokens and each.usage.output_tokens]
        if len(known) < 2:
            return
        self.tried = len(known)
        shares = [
            (each.usage.input_tokens or 0)
            / self._builder(each.text.schema).tokens_in(each.text).likely
            for each in known
        ]
        self.tokens_in = _scaled(self.tokens_in.likely, shares)
        self.tokens_out = _scaled(self.calls, [each.usage.output_tokens or 0 for each in known])
        times = [each.seconds for each in known if each.seconds is not None]
        self._seconds_a_call = sum(times) / len(times) if times else None

    def price_changes(self) -> list[str]:
        """A sentence for each change of this variant's price within 60 days."""
        variant, now = self.variant, datetime.now(UTC)
        if variant.own_price:
            return []
        provider, url = variant.connection.provider, variant.target.url
        return [
            f"{variant.model}: from {format_day(day)} {_pair(new)} for a million tokens, before"
            f" {_pair(old)}."
            for day, old, new in price_changes(provider, variant.model, now, url)
        ]

    def cost(self, end: Literal["low", "high"]) -> float | None:
        """US dollars at one end of the range; None if the price is unknown."""
        calls = max(1, self.calls)
        # Priced by the call: some prices rise with the length of one prompt.
        tokens = (getattr(each, end) // calls for each in (self.tokens_in, self.tokens_out))
        price = self.variant.cost(Usage(*tokens), self.learned.served)
        return None if price is None else price * calls

    @property
    def timed(self) -> bool:
        """Whether it is known how fast the server is: by its answers, or as a vendor's."""
        return (
            self.record.throughput.seconds_each is not None
            or self._seconds_a_call is not None
            or not egress.is_local(self.variant.connection)
        )

    @property
    def seconds_least(self) -> float:
        """The time if a server of one's own is as fast as can be."""
        return self.seconds if self.timed else min(self.seconds, self.calls * _FASTEST_CALL)

    @property
    def seconds(self) -> float:
        """The time by the pace of earlier answers; a rough one without them."""
        if (paced := self.record.throughput.seconds_each) is not None:
            return self.calls * paced
        guess = _SECONDS_A_CALL + _SECONDS_A_TOKEN * self.tokens_out.likely / max(1, self.calls)
        each = guess if self._seconds_a_call is None else self._seconds_a_call
        at_once = egress.first_concurrency(self.variant.connection)
        grown = at_once if at_once == egress.CONCURRENCY_LOOPBACK else at_once * 4
        return self.calls * each / max(1, min(grown, self.calls or 1))


def _pair(price: tuple[float, float]) -> str:
    return f"{dollars(price[0])} in and {dollars(price[1])} out"


def _scaled(times: int, values: Sequence[float]) -> TokenRange:
    """`times` the mean of the values, and the range that few values leave open."""
    mean, many = sum(values) / len(values), len(values)
    spread = math.sqrt(sum((each - mean) ** 2 for each in values) / (many - 1) / many)
    half = max(quantile(0.975, many - 1) * spread, _SUREST * mean)
    ends = max(0.0, mean - half), mean + half
    return TokenRange(int(times * mean), int(times * ends[0]), math.ceil(times * ends[1]))


# -- What a run would take, in words: for a notebook, a terminal and the panel.

_NAMED = 3


def estimate_sentences(likely: Estimate) -> tuple[str, ...]:
    """The estimate in sentences: calls and time, cost, hosts, what does not fit, price changes."""
    before = answered_words(likely)
    if before and not likely.left:
        return (f"{before}.",)
    head, rest = cost_words(likely)
    hosts = join_listed(likely.hosts)
    sentences = [
        f"{count(likely.calls, 'call')}, {time_words(likely)}.",
        f"{before}." if before else "",
        f"{head}{f', {rest}' if rest else ''}.",
        f"The texts go to {hosts}, and to no other host." if hosts else "",
        token_words(likely),
        "Worked out from {:,} of {:,} texts.".format(*likely.counted) if likely.counted else "",
        f"By what {count(likely.tried, 'answer')} took." if likely.tried else "",
        _too_long(likely.too_long),
        memory_words(likely.memory),
        *likely.price_changes,
    ]
    return tuple(each for each in sentences if each)


def time_words(likely: Estimate) -> str:
    """About how long, or between what where nobody can know yet."""
    if likely.seconds_least is None:
        return duration(likely.seconds)
    between = time_between(likely.seconds_least, likely.seconds)
    return f"{between} (your own server has not been timed yet)"


def answered_words(likely: Estimate) -> str:
    """How many of the calls need not be made; empty if all have to be."""
    if not likely.answered:
        return ""
    answered = f"{likely.answered:,} of {likely.calls:,} answered before"
    if not likely.left:
        return f"{answered}: nothing to ask"
    return f"{answered}: {count(likely.left, 'call')} to make; time and cost are of all"


def token_words(likely: Estimate) -> str:
    """Who is asked for tokens; empty if every connection sends its own key."""
    hosts = join_listed(likely.token_hosts)
    return f"Sign-in tokens come from {hosts}; no text goes there." if hosts else ""


def cost_words(likely: Estimate) -> tuple[str, str]:
    """The cost in bold, and what to add to it; what is unknown is named."""
    unpriced = list(likely.unpriced)
    few = f"{', '.join(unpriced[:3])}{' and others' if len(unpriced) > 3 else ''}"
    low, high, cost = likely.cost_low, likely.cost_high, likely.cost
    if low is None or high is None or cost is None:
        if len(unpriced) > 1:
            return "Cost unknown", "none of these has a known price"
        return "Cost unknown", f"{few} has no known price"
    rest = [f"between {dollars(low)} and {dollars(high)}"] if high > low else []
    if unpriced:
        rest.append(f"{few} {'has' if len(unpriced) == 1 else 'have'} no known price")
    return f"About {dollars(cost)}", "; ".join(rest)


def _too_long(texts: tuple[TooLongText, ...]) -> str:
    if not texts:
        return ""
    named = [f"{each.text_id} for {each.variant}" for each in texts[:_NAMED]]
    more = [f"{len(texts) - _NAMED:,} more"] if len(texts) > _NAMED else []
    calls = count(len(texts), "call is", "calls are")
    return f"{calls} too long for the model's window: {join_listed([*named, *more])}."


# -- Budget: what a run may spend; the worst case of a call is set aside before it is sent.


def over_budget(spent: float, limit: float, whose: str, worst: str) -> OverBudget:
    """The failure of what cannot be paid: `worst` is what the next call could cost, in words."""
    return OverBudget(
        f"{dollars(spent)} of {dollars(limit)} is spent, and the next call could cost {worst}.",
        f"The limit is set by {whose}: run fewer texts or a cheaper model."
        if whose
        else "Raise the budget and run it again: what is answered is not paid twice.",
    )


@dataclass(slots=True)
class Reservation:
    """What one call turned out to cost; None until it is known."""

    dollars: float | None = None


@dataclass(slots=True)
class Budget:
    """US dollars for a whole run; None means no limit. Calls of unknown price are not held back.

    `whose` is who set the limit if it is not the user's own.
    """

    dollars: float | None = None
    whose: str = ""
    spent: float = 0.0
    reserved: float = 0.0
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    @asynccontextmanager
    async def reserve(self, worst: float | None) -> AsyncIterator[Reservation]:
        """Set the worst case aside while the call runs, then count what it turned out to cost.

        A call that ends without a cost was perhaps answered, so it counts in full unless
        `dollars` is set to 0. OverBudget if the rest is too small.
        """
        reservation = Reservation()
        if worst is None or self.dollars is None:
            yield reservation
            self.spent += reservation.dollars or 0.0
            return
        await self._wait_for(worst, self.dollars)
        self.reserved += worst
        try:
            yield reservation
        finally:
            self.reserved -= worst
            self.spent += worst if reservation.dollars is None else reservation.dollars
            self._changed.set()

    async def _wait_for(self, worst: float, limit: float) -> None:
        # What others have set aside is mostly given back: only when nothing is under way is the
        # rest really too small.
        while self.spent + self.reserved + worst > limit:
            if self.reserved < 1e-12:
                raise over_budget(self.spent, limit, self.whose, dollars(worst))
            self._changed.clear()
            await self._changed.wait()
