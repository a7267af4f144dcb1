"""A price is known, dated and by length, or it is None; never a wrong 0."""

from __future__ import annotations

from datetime import UTC, date, datetime

import genai_prices
import pytest
from genai_prices.data_snapshot import DataSnapshot, get_snapshot, set_custom_snapshot

from llmwidgets.dialects.types import Usage
from llmwidgets.providers import PROVIDERS
from llmwidgets.providers.prices import cost, price_changes, price_per_million

NOW = datetime(2026, 11, 23, tzinfo=UTC)
USED = Usage(input_tokens=1000, output_tokens=200)
OPENAI, CUSTOM = PROVIDERS["openai"], PROVIDERS["custom"]


@pytest.mark.parametrize(
    ("kind", "model", "price"),
    [
        ("openai", "gpt-6-luna", (0.1, 0.5)),
        ("openai", "gpt-6-sol", (2, 10)),
        ("openai", "gpt-5", (1.25, 10)),
        ("anthropic", "claude-haiku-5-5", (0.1, 0.5)),
        ("azure_openai", "gpt-6-luna", (0.1, 0.5)),
    ],
)
def test_the_table_shows_the_price_of_ordinary_texts(kind, model, price):
    """Not the rate of a prompt of a million tokens, which some models bill higher."""
    assert price_per_million(PROVIDERS[kind], model, NOW) == pytest.approx(price)


def test_a_price_that_changes_by_date_follows_the_date():
    gemini = PROVIDERS["gemini"]
    before = price_per_million(gemini, "gemini-4-argon", NOW)
    after = price_per_million(gemini, "gemini-4-argon", datetime(2026, 12, 2, tzinfo=UTC))
    assert before == pytest.approx((2, 10))
    assert after == pytest.approx((4, 20))


@pytest.mark.parametrize("kind", ["gemini", "vertex_ai"])
def test_a_price_of_the_table_alone_follows_the_date_in_utc(kind):
    def paid(day: str) -> float | None:
        return cost(None, PROVIDERS[kind], "gemini-4-carbon", USED, datetime.fromisoformat(day))

    assert paid("2026-11-30T23:59:59+00:00") == pytest.approx(0.004)
    assert paid("2026-12-01T00:00:00+00:00") == pytest.approx(0.008)
    assert paid("2026-12-01T00:30:00+02:00") == pytest.approx(0.004)
    changes = price_changes(PROVIDERS[kind], "gemini-4-carbon", NOW)
    assert changes == ((date(2026, 12, 1), (2, 10), (4, 20)),)


@pytest.mark.parametrize(
    ("kind", "model", "price"),
    [
        ("gemini", "gemini-4-hydrogen", (1.5, 7.5)),
        ("vertex_ai", "gemini-4-neon", (3, 15)),
        ("openai", "gpt-6.2-sol", (2, 10)),
        ("openai", "gpt-6.2-astra", (8, 40)),
        ("openai", "gpt-6.2-sol-2026-11-17", (2, 10)),
        ("openai", "gpt-4o-2024-08-06", (2.5, 10)),
        ("anthropic", "claude-fable-5", (10, 50)),
        ("anthropic", "claude-haiku-4-5-20251001", (1, 5)),
    ],
)
def test_what_no_list_prices_the_table_does_and_snapshots_cost_what_their_alias_does(
    kind, model, price
):
    assert price_per_million(PROVIDERS[kind], model, NOW) == pytest.approx(price)


@pytest.mark.parametrize("model", ["gpt-6.3-sol", "claims-luna", ""])
def test_an_unknown_price_is_none(model):
    assert price_per_million(OPENAI, model, NOW) is None
    assert cost(None, OPENAI, model, USED, NOW) is None


def test_a_server_of_ones_own_has_no_price_unless_given():
    local = "http://127.0.0.1:8000/v1"
    assert cost(None, CUSTOM, "gpt-6-luna", USED, NOW) is None
    assert cost(None, CUSTOM, "gpt-6-luna", USED, NOW, local) is None
    assert cost({"input": 0.5, "output": 2}, CUSTOM, "x", USED, NOW) == pytest.approx(0.0009)
    assert cost({"input": 0, "output": 0}, CUSTOM, "x", USED, NOW) == 0


def test_cost_counts_input_output_and_the_cheaper_cached_part():
    plain = cost(None, OPENAI, "gpt-6-sol", USED, NOW)
    cached = cost(None, OPENAI, "gpt-6-sol", Usage(1000, 200, cached_tokens=1000), NOW)
    assert plain == pytest.approx(0.004)
    assert cached == pytest.approx(0.0022)


def test_usage_that_a_server_does_not_tell_costs_an_unknown_sum():
    assert cost(None, OPENAI, "gpt-6-sol", Usage(), NOW) is None
    assert cost({"input": 1, "output": 1}, OPENAI, "gpt-6-sol", Usage(5, None), NOW) is None


def test_more_cached_than_read_is_no_error():
    assert cost(None, OPENAI, "gpt-6-sol", Usage(10, 10, cached_tokens=99), NOW) is not None


@pytest.mark.parametrize(
    ("cached", "price", "wanted"),
    [
        (None, {"input": 2, "output": 10}, 1000 * 2 + 200 * 10),
        (600, {"input": 2, "output": 10}, 1000 * 2 + 200 * 10),
        (600, {"input": 2, "output": 10, "cached": 0.5}, 400 * 2 + 600 * 0.5 + 200 * 10),
        (600, {"input": 2, "output": 10, "cached": 0}, 400 * 2 + 200 * 10),
        (5000, {"input": 2, "output": 10, "cached": 0.5}, 1000 * 0.5 + 200 * 10),
    ],
)
def test_an_own_price_knows_input_from_a_cache(cached, price, wanted):
    """Without a price of its own it counts as other input; never more than all input."""
    used = Usage(input_tokens=1000, output_tokens=200, cached_tokens=cached)
    assert cost(price, CUSTOM, "m", used, NOW) == pytest.approx(wanted / 1e6)


@pytest.mark.parametrize("kind", [kind for kind, each in PROVIDERS.items() if each.price_provider])
def test_a_call_costs_what_the_price_list_itself_works_out(kind):
    """For every model of it, at every length at which its price changes, to the last digit."""
    provider, at = PROVIDERS[kind], datetime(2026, 11, 28, 3, 30, tzinfo=UTC)
    listed = next(each for each in get_snapshot().providers if each.id == provider.price_provider)
    compared = 0
    for model in listed.models:
        lengths = {0, 1, 7_001}
        for price in vars(model.get_prices(at)).values():
            ends = [tier.start for tier in getattr(price, "tiers", ())]
            lengths |= {end + more for end in ends for more in (-1, 0, 1, 2)}
        for read in lengths:
            used = Usage(read, 7, cached_tokens=read // 3)
            spent = genai_prices.Usage(
                input_tokens=read, output_tokens=7, cache_read_tokens=read // 3
            )
            where = {"provider_id": provider.price_provider, "genai_request_timestamp": at}
            try:
                known = genai_prices.calc_price(spent, model.id, **where)
            except (LookupError, ValueError):
                continue
            if known.total_price:
                assert cost(None, provider, model.id, used, at) == float(known.total_price)
                compared += 1
    assert compared > 10


def test_a_newer_price_list_counts_at_once():
    def paid() -> float | None:
        return cost(None, OPENAI, "gpt-6-luna", USED, NOW)

    before, kept = paid(), get_snapshot()
    try:
        set_custom_snapshot(DataSnapshot(providers=[], from_auto_update=False))
        assert paid() is None
    finally:
        set_custom_snapshot(None)
    assert (paid(), get_snapshot()) == (before, kept)
