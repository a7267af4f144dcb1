"""What a call costs in US dollars; None if no source knows it, never 0."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

from llmwidgets.dialects.types import Usage
from llmwidgets.providers.base import DatedPrice, Provider


def cost(
    own_price: Mapping[str, float] | None,
    provider: Provider | None,
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
        cached = _cached(usage)
        spent = (usage.input_tokens - cached) * own_price["input"]
        spent += cached * own_price.get("cached", own_price["input"])
        return (spent + usage.output_tokens * own_price["output"]) / 1_000_000
    name = provider.price_provider if provider else None
    price = _listed(name, model, usage, at, base_url)
    if price is not None:
        return float(price.total_price)
    shipped = _on(_shipped(provider, model), at)
    if shipped is None:
        return None
    return (usage.input_tokens * shipped[0] + usage.output_tokens * shipped[1]) / 1_000_000


def _cached(usage: Usage) -> int:
    """How many of the input tokens came from a cache."""
    return min(usage.cached_tokens or 0, usage.input_tokens or 0)


def _shipped(provider: Provider | None, model: str) -> tuple[DatedPrice, ...]:
    facts = provider.facts(model) if provider else None
    return facts.prices if facts else ()


def _on(prices: tuple[DatedPrice, ...], at: datetime) -> tuple[float, float] | None:
    """The price at a moment, by the day in UTC."""
    today = at.astimezone(UTC).date()
    begun = [each[1:] for each in prices if each[0] is None or each[0] <= today]
    return begun[-1] if begun else None


def price_per_million(
    provider: Provider | None, model: str, at: datetime, base_url: str | None = None
) -> tuple[float, float] | None:
    """US dollars per million tokens of input and of output, for texts of ordinary length."""
    name = provider.price_provider if provider else None
    return _per_million(name, model, at, base_url, _shipped(provider, model))


def _per_million(
    name: str | None,
    model: str,
    at: datetime,
    base_url: str | None,
    shipped: tuple[DatedPrice, ...],
) -> tuple[float, float] | None:
    # Some prices rise with the length of the prompt: a million tokens at once is the long rate.
    thousand = Usage(input_tokens=1000, output_tokens=1000)
    price = _listed(name, model, thousand, at, base_url)
    if price is None:
        return _on(shipped, at)
    return float(price.input_price * 1000), float(price.output_price * 1000)


def price_changes(
    provider: Provider | None,
    model: str,
    at: datetime,
    base_url: str | None = None,
    days: int = 60,
) -> tuple[tuple[date, tuple[float, float], tuple[float, float]], ...]:
    """Each day within `days` before or after on which the price changes: day, old, new.

    Prices as in `price_per_million`.
    """
    name, shipped = provider.price_provider if provider else None, _shipped(provider, model)
    hour = at.replace(minute=0, second=0, microsecond=0)
    return _changes(name, model, hour, base_url, days, shipped)


@lru_cache(maxsize=256)
def _changes(
    name: str | None,
    model: str,
    at: datetime,
    base_url: str | None,
    days: int,
    shipped: tuple[DatedPrice, ...],
) -> tuple[tuple[date, tuple[float, float], tuple[float, float]], ...]:
    found = []
    before = _per_million(name, model, at - timedelta(days=days), base_url, shipped)
    for day in range(1 - days, days + 1):
        when = at + timedelta(days=day)
        now = _per_million(name, model, when, base_url, shipped)
        if before is not None and now is not None and now != before:
            found.append((when.date(), before, now))
        before = now
    return tuple(found)


def _listed(name: str | None, model: str, usage: Usage, at: datetime, base_url: str | None) -> Any:
    if not name and not base_url:
        return None
    import genai_prices

    spent = genai_prices.Usage(
        input_tokens=usage.input_tokens,
        output_tokens=usage.output_tokens,
        cache_read_tokens=_cached(usage),
    )
    where = {"provider_id": name} if name else {"provider_api_url": base_url}
    try:
        price = genai_prices.calc_price(spent, model, genai_request_timestamp=at, **where)
    except (LookupError, ValueError):
        return None
    known = price.total_price > 0 or not (usage.input_tokens or usage.output_tokens)
    return price if known else None
