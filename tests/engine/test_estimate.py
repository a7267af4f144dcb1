"""The estimate: what a run would take, before anything is sent."""

from __future__ import annotations

import ast
import inspect
import sys
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

import llmwidgets as lw
from llmwidgets import formatting, start_demo
from llmwidgets.connections import Connection
from llmwidgets.engine import event_loop
from llmwidgets.engine.capability import Throughput
from llmwidgets.engine.estimate import estimate
from llmwidgets.engine.request_builder import Document, Plan, ResolvedVariant, count_tokens_in
from llmwidgets.schemas import read_schema

SCHEMA = read_schema([{"name": "total", "type": "number"}])
LOCAL = Connection("custom", name="llama", endpoint="http://localhost:11434/v1")
OPENAI = Connection("openai", api_key="sk-proj-made-up-key-for-tests")


def plan(
    *columns: ResolvedVariant, words: str = "Total 12.50 " * 100, texts: int = 10, repeats: int = 1
):
    return Plan(
        columns, tuple(Document(str(n), words, SCHEMA, None) for n in range(texts)), repeats
    )


LUNA = ResolvedVariant("luna", OPENAI, "gpt-6-luna")
LLAMA = ResolvedVariant("llama", LOCAL, "llama")


def test_it_counts_calls_tokens_and_dollars_and_calls_nothing():
    before = event_loop._engine
    found = estimate(plan(LUNA, repeats=3))
    assert found.calls == 30
    assert found.tokens_in > 30 * 300
    assert 0 < found.cost_low < found.cost < found.cost_high
    assert found.seconds > 0
    assert found.hosts == ("api.openai.com",)
    event_loop.StuckWait().refuse()
    assert event_loop._engine is before


def test_an_unknown_price_is_named_and_never_zero_in_words():
    found = estimate(plan(LUNA, LLAMA))
    assert found.unpriced == ("llama",)
    assert found.hosts == ("api.openai.com", "localhost:11434")
    assert found.cost_high == estimate(plan(LUNA)).cost_high


def test_where_no_price_is_known_the_cost_is_unknown_and_never_zero():
    found = estimate(plan(LLAMA))
    assert (found.cost_low, found.cost_high, found.cost) == (None, None, None)
    assert found.unpriced == ("llama",)


def test_an_own_price_goes_first():
    own = ResolvedVariant("own", LOCAL, "llama", price={"input": 1.0, "output": 0.0})
    found = estimate(plan(own))
    assert found.unpriced == ()
    assert found.cost_low <= found.tokens_in / 1e6 <= found.cost_high


def test_a_text_beyond_the_window_is_told_before_the_run():
    found = estimate(plan(LUNA, words="word " * 1_200_000, texts=1))
    assert [(each.text_id, each.variant, each.limit) for each in found.too_long] == [
        ("0", "luna", 922_000)
    ]
    assert estimate(plan(LUNA)).too_long == ()


def test_an_empty_plan_costs_nothing():
    found = estimate(Plan((), ()))
    assert (found.calls, found.cost_low, found.cost_high, found.seconds) == (0, 0, 0, 0)
    assert estimate(plan(LUNA, texts=0)).calls == 0


@given(st.integers(1, 40), st.integers(1, 3))
def test_more_texts_never_cost_less(texts, repeats):
    less, more = plan(LUNA, texts=texts, repeats=repeats), plan(LUNA, texts=texts + 1, repeats=3)
    assert estimate(less).cost_high <= estimate(more).cost_high
    assert estimate(less).tokens_in <= estimate(more).tokens_in


@pytest.mark.parametrize(
    ("text", "tokens"),
    [("", 0), ("abcd", 1), ("abcde", 2), ("発注書", 3), ("발주서", 3), ("ab発注", 3)],
)
def test_tokens_are_counted_by_characters(text, tokens):
    assert count_tokens_in(text) == tokens


def test_after_a_run_the_time_is_that_of_its_server():
    """A fast server of one's own: between seconds and minutes before, a third to thrice after."""
    texts = [f"INVOICE {number}\nTotal: {number}.50" for number in range(60)]
    demo = start_demo()[0]
    asked = {"journal": False, "progress": False}
    before = lw.estimate(SCHEMA.json, texts, [demo])
    assert before.seconds_least is not None
    assert before.seconds_least < before.seconds
    assert "not been timed yet" in repr(before)
    lw.compare(SCHEMA.json, texts, [demo], **asked)
    likely = lw.estimate(SCHEMA.json, texts, [demo])
    began = time.monotonic()
    lw.compare(SCHEMA.json, texts, [demo], **asked)
    took = time.monotonic() - began
    assert likely.seconds_least is None
    assert took / 3 <= likely.seconds <= took * 3
    assert "timed" not in repr(likely)


@given(st.lists(st.floats(0.001, 50), min_size=2, max_size=300), st.integers(1, 16))
def test_a_throughput_is_that_of_the_clock(times, at_once):
    """Calls one after another take their sum; several at once as much less."""
    alone, together, now = Throughput(), Throughput(), 0.0
    for took in times:
        now += took
        alone.count(took, now)
    assert alone.seconds_each == pytest.approx(alone.seconds / alone.calls)
    assert min(times) - 1e-9 <= alone.seconds_each <= max(times) + 1e-9
    for number in range(200):
        together.count(1.0, 1.0 + number / at_once)
    assert together.seconds_each * 200 <= 200 / at_once + 1


def test_it_shows_as_sentences_and_keeps_its_figures():
    found = estimate(plan(LUNA, LLAMA, words="Grüße, Anna Muster\n" * 20))
    said = repr(found)
    assert "Estimate(" not in said
    for part in (
        f"20 calls, {formatting.time_between(2, found.seconds)} (your own server has not been",
        f"About {formatting.dollars(found.cost)}",
        f"between {formatting.dollars(found.cost_low)} and {formatting.dollars(found.cost_high)}",
        "llama has no known price",
        "The texts go to api.openai.com and localhost:11434, and to no other host.",
    ):
        assert part in said
    assert "Anna" not in said
    assert OPENAI.plain_fields.get("api_key", "made-up") not in said
    long = repr(estimate(plan(LUNA, words="word " * 1_200_000, texts=1)))
    assert "1 call is too long for the model's window: 0 for luna." in long
    assert "Cost unknown" in repr(estimate(plan(LLAMA)))


def test_a_notebook_shows_the_same_sentences_escaped():
    odd = ResolvedVariant("<b>llama</b>\x1b[31m", LOCAL, "llama")
    page = estimate(plan(odd))._repr_html_()
    assert page.startswith('<div class="lw-static"><style>')
    assert "&lt;b&gt;llama&lt;/b&gt;" in page
    assert "<b>llama" not in page
    assert "\x1b" not in page + repr(estimate(plan(odd)))


def test_the_estimate_rounds_nothing_by_itself():
    """Figures and days in its sentences are written by formatting.py alone."""
    tree = ast.parse(inspect.getsource(sys.modules[estimate.__module__]))
    for sentence in (node for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)):
        for node in ast.walk(sentence):
            rounds = isinstance(node, ast.Name) and node.id in {"round", "int"}
            spec = node.format_spec if isinstance(node, ast.FormattedValue) else None
            figure = spec is not None and ast.unparse(spec) not in {"f','"}
            assert (rounds, figure) == (False, False), ast.unparse(sentence)
