"""What a call costs in US dollars; None if no source knows it, never 0."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any, NamedTuple

from llmwidgets.dialects.types import Usage
from llmwidgets.providers.base import Provider

Price = tuple[float, float]
"""US dollars per million tokens of input and of output."""


def cost(
    own_price: Mapping[str, float] | None,
    provider: Provider,
    model: str,
    usage: Usage,
    at: datetime,
    base_url: str | None = None,
) -> float | None:
    """US dollars for one call at its moment; None if price or usage is unknown.

    An own price ({"input", "output"} per million tokens, and "cached" for input that the server
    had in its cache, otherwise as `input`) takes precedence over the price list of genai-prices;
    what that lacks may be in the provider's own table. `base_url` finds the price of a Custom
    server that is a known provider's.
    """
    if usage.input_tokens is None or usage.output_tokens is None:
        return None
    if own_price is not None:
        cached = min(usage.cached_tokens or 0, usage.input_tokens)
        spent = (usage.input_tokens - cached) * own_price["input"]
        spent += cached * own_price.get("cached", own_price["input"])
        return (spent + usage.output_tokens * own_price["output"]) / 1_000_000
    listed = _listed_cost(provider, model, usage, at, base_url)
    if listed is not None:
        return listed
    shipped = _shipped(provider, model, at)
    if shipped is None:
        return None
    return (usage.input_tokens * shipped[0] + usage.output_tokens * shipped[1]) / 1_000_000


def price_per_million(
    provider: Provider, model: str, at: datetime, base_url: str | None = None
) -> Price | None:
    """US dollars per million tokens of input and of output, for texts of ordinary length."""
    # Some prices rise with the length of the prompt: a million tokens at once is the long rate.
    listed = _listed(provider, model, Usage(1000, 1000), at, base_url)
    if listed is None:
        return _shipped(provider, model, at)
    return float(listed.input_price * 1000), float(listed.output_price * 1000)


def price_changes(
    provider: Provider, model: str, at: datetime, base_url: str | None = None, days: int = 60
) -> tuple[tuple[date, Price, Price], ...]:
    """Each day within `days` before or after on which the price changes: day, old, new.

    Prices as in `price_per_million`.
    """
    return _changes(provider, model, at.replace(minute=0, second=0, microsecond=0), base_url, days)


@lru_cache(maxsize=256)
def _changes(
    provider: Provider, model: str, at: datetime, base_url: str | None, days: int
) -> tuple[tuple[date, Price, Price], ...]:
    found = _find_model(provider.price_provider, model, base_url)
    known: dict[Any, Price | None] = {}

    # Which price applies on a day is found a hundred times faster than what it comes to.
    def price(moment: datetime) -> Price | None:
        listed = None if found is None else id(found.get_prices(moment))
        applies = listed, _shipped(provider, model, moment)
        if applies not in known:
            known[applies] = price_per_million(provider, model, moment, base_url)
        return known[applies]

    moments = [at + timedelta(days=day) for day in range(-days, days + 1)]
    prices = [price(moment) for moment in moments]
    return tuple(
        (moment.date(), old, new)
        for moment, old, new in zip(moments[1:], prices, prices[1:], strict=False)
        if old is not None and new is not None and new != old
    )


def _shipped(provider: Provider, model: str, at: datetime) -> Price | None:
    """The price of the provider's own table at a moment, by the day in UTC."""
    facts, day = provider.facts(model), at.astimezone(UTC).date()
    prices = facts.prices if facts else ()
    begun = [price for first, *price in prices if first is None or first <= day]
    return (begun[-1][0], begun[-1][1]) if begun else None


def _listed_cost(
    provider: Provider, model: str, usage: Usage, at: datetime, base_url: str | None
) -> float | None:
    """What genai-prices asks for the usage; None if it knows no price.

    Its calculation takes longer than all else that is done with a reply, and is a sum of three
    products.
    """
    found = _find_model(provider.price_provider, model, base_url)
    if found is None:
        return None
    read, said = usage.input_tokens or 0, usage.output_tokens or 0
    rates = _read_rates(found.get_prices(at), read)
    if rates is None:
        listed = _listed(provider, model, usage, at, base_url)
        return None if listed is None else float(listed.total_price)
    cached = min(usage.cached_tokens or 0, read)
    total = (read - cached) * rates.input + cached * rates.cached + said * rates.output
    return float(total) if total > 0 or not (read or said) else None


class _Rates(NamedTuple):
    """US dollars for one token: of input, of input that the server had in its cache, of output."""

    input: Decimal
    cached: Decimal
    output: Decimal


_rates: dict[int, tuple[Any, list[int], list[_Rates | None]]] = {}
"""The lengths of a prompt beyond which a price is another one, and the rates up to each of them.

By the identity of genai-prices' own value, which is kept so that it stays its own.
"""


def _read_rates(prices: Any, read: int) -> _Rates | None:
    """The rates for a prompt of this length; None if the price is not a sum by such rates."""
    kept = _rates.get(id(prices))
    if kept is None or kept[0] is not prices:
        tiers = (getattr(each, "tiers", ()) for each in vars(prices).values())
        ends = sorted({tier.start for each in tiers for tier in each})
        rates = [_work_out_rates(prices, start) for start in (0, *(end + 1 for end in ends))]
        kept = _rates[id(prices)] = prices, ends, rates
    _, ends, rates = kept
    return rates[bisect_left(ends, read)]


def _work_out_rates(prices: Any, read: int) -> _Rates | None:
    import genai_prices

    def price(more: int = 0, cached: int = 0, said: int = 0) -> Decimal:
        spent = genai_prices.Usage(
            input_tokens=read + more, cache_read_tokens=cached, output_tokens=said
        )
        total: Decimal = prices.calc_price(spent)["total_price"]
        return total

    try:
        none = price()
        rates = _Rates(price(1) - none, price(1, 1) - none, price(said=1) - none)
    except ValueError:
        return None
    # What each call costs besides is no rate.
    return rates if none == read * rates.input else None


def _find_model(name: str | None, model: str, base_url: str | None) -> Any:
    """The model as genai-prices knows it; None if it does not."""
    if not name and not base_url:
        return None
    from genai_prices.data_snapshot import get_snapshot

    # A program can fetch a newer list of prices.
    global _snapshot
    snapshot = get_snapshot()
    if snapshot is not _snapshot:
        _snapshot = snapshot
        _find_in_snapshot.cache_clear()
    return _find_in_snapshot(name, model, base_url)


_snapshot: Any = None


@lru_cache(maxsize=256)
def _find_in_snapshot(name: str | None, model: str, base_url: str | None) -> Any:
    where = (name, None) if name else (None, base_url)
    try:
        return _snapshot.find_provider_model(model, None, *where)[1]
    except (LookupError, ValueError):
        return None


def _listed(
    provider: Provider, model: str, usage: Usage, at: datetime, base_url: str | None
) -> Any:
    """What genai-prices asks for the usage; None if it knows no price."""
    name = provider.price_provider
    if not name and not base_url:
        return None
    import genai_prices

    spent = genai_prices.Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=min(usage.cached_tokens or 0, usage.input_tokens or 0),
    )
    where = {"provider_id": name} if name else {"provider_api_url": base_url}
    try:
        price = genai_prices.calc_price(spent, model, genai_request_timestamp=at, **where)
    except (LookupError, ValueError):
        return None
    known = price.total_price > 0 or not (usage.input_tokens or usage.output_tokens)
    return price if known else None
