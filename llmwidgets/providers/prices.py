"""What a call costs in US dollars; None if no source knows it, never 0."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from typing import Any

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
    listed = _listed(provider, model, usage, at, base_url)
    if listed is not None:
        return float(listed.total_price)
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
    moments = [at + timedelta(days=day) for day in range(-days, days + 1)]
    prices = [price_per_million(provider, model, moment, base_url) for moment in moments]
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
