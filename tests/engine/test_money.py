"""Money and time before and after: a range that answers narrow, dated prices, split latency."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from llmwidgets.comparison import Comparison, Variant, compare, load
from llmwidgets.comparison import estimate as estimate_of
from llmwidgets.connections import Connection
from llmwidgets.demo import invoices, start_demo, stop_demo
from llmwidgets.dialects.types import Usage
from llmwidgets.engine.estimate import TrialMeasure, estimate
from llmwidgets.engine.journal import Journal, Row
from llmwidgets.engine.request_builder import Document, Plan, ResolvedVariant
from llmwidgets.providers import PROVIDERS
from llmwidgets.providers.prices import price_changes
from llmwidgets.schemas import read_schema
from tests.old_journals import write_as_before

SCHEMA = read_schema([{"name": "total", "type": "number"}])
LOCAL = Connection("custom", name="llama", endpoint="http://localhost:11434/v1")
OWN = ResolvedVariant("own", LOCAL, "llama", price={"input": 1.0, "output": 2.0})
TEXTS = tuple(Document(str(n), "Total 12.50 " * (20 + n), SCHEMA, None) for n in range(200))
PLAN = Plan((OWN,), TEXTS)


@pytest.fixture(scope="module")
def pilot():
    connections = start_demo()
    priced = [Variant(each, price=1.0) for each in connections[:2]]
    yield compare(invoices.Schema, invoices.texts[:5], priced, journal=False, progress=False)
    stop_demo()


def test_answers_narrow_the_range_and_move_it_to_what_was_paid() -> None:
    wide = estimate(PLAN)
    tried = [TrialMeasure(text, Usage(500 + n, 30 + n), 0.5) for n, text in enumerate(TEXTS[:5])]
    narrow = estimate(PLAN, {"own": tried})
    assert narrow.tried == 5
    assert wide.tried == 0
    ratio = narrow.cost_high / narrow.cost_low, wide.cost_high / wide.cost_low
    assert ratio[0] < ratio[1] / 1.5
    assert 200 * 30 < narrow.tokens_out < 200 * 36
    assert narrow.cost_low < narrow.tokens_in / 1e6 + 2 * narrow.tokens_out / 1e6 < narrow.cost_high


@pytest.mark.parametrize("answers", [0, 1])
def test_one_answer_says_too_little_to_change_the_range(answers: int) -> None:
    tried = [TrialMeasure(text, Usage(500, 30), 0.5) for text in TEXTS[:answers]]
    assert estimate(PLAN, {"own": tried}) == estimate(PLAN)


def test_the_actual_cost_lies_in_the_range_a_pilot_gives(pilot: Comparison) -> None:
    variants = list(pilot.variants)
    narrow = estimate_of(invoices.Schema, invoices.texts, variants, after=pilot)
    paid = compare(invoices.Schema, invoices.texts, variants, journal=False, progress=False)
    assert pilot.notes[0] == "Rule-based demo models, no LLM; prices as given."
    assert narrow.tried == 10
    assert narrow.cost_low <= paid.scoreboard().cost.sum() <= narrow.cost_high
    assert narrow.cost_high / narrow.cost_low < 2


def test_latency_is_split_into_waiting_and_answering(pilot: Comparison, tmp_path) -> None:
    for each in pilot:
        assert each.seconds is not None
        assert 0 < each.waiting_seconds <= each.seconds
        assert each.waiting_seconds + each.answering_seconds == pytest.approx(each.seconds)
    again = load(pilot.save(tmp_path / "saved.json"))
    board = again.scoreboard()
    assert (board.p50_waiting_seconds > 0).all()
    assert (board.p50_waiting_seconds <= board.p50_seconds).all()


def test_a_row_of_an_earlier_version_has_no_waiting_time_and_is_still_read() -> None:
    journal = Journal(False)
    at = journal.put(Row(key="a", status="ok", reply="{}", seconds=1.0))
    database = journal._file.connection
    write_as_before(database, journal.get(at))
    database.execute("UPDATE extraction SET facts = json_remove(facts, '$.waiting_seconds')")
    assert journal.get(at).waiting_seconds is None
    assert journal.get(at).seconds == 1.0


def test_a_price_that_changes_within_60_days_is_said() -> None:
    at = datetime(2026, 11, 23, tzinfo=UTC)
    ((day, old, new),) = price_changes(PROVIDERS["gemini"], "gemini-3.8-flash", at)
    assert day.isoformat() == "2027-01-01"
    assert new > old
    assert price_changes(PROVIDERS["gemini"], "gemini-3.8-flash", at, days=30) == ()


def test_an_own_price_does_not_change() -> None:
    gemini = Connection("gemini", api_key="AIza-made-up-key-for-tests-0000000000000")
    own = ResolvedVariant("own", gemini, "gemini-3.8-flash", price={"input": 1.0, "output": 1.0})
    assert estimate(Plan((own,), TEXTS[:2])).price_changes == ()


def test_a_deployment_is_priced_by_the_model_that_answered() -> None:
    """`claims-prod` is in no price list; what its reply names is."""
    connection = Connection(
        "azure_openai",
        deployment="claims-prod",
        endpoint="https://acme.openai.azure.com/openai/v1",
        api_key="made-up-0000000000000001",
    )
    column = ResolvedVariant("claims", connection, "claims-prod")
    usage = Usage(input_tokens=1000, output_tokens=1000)
    assert column.cost(usage) is None
    assert column.cost(usage, "no-model-anyone-knows") is None
    answered = column.cost(usage, "gpt-6-luna")
    assert answered == pytest.approx((0.1 + 0.5) / 1000)
