"""A run: each extraction ends once, in one class; nothing paid is lost or paid again."""

from __future__ import annotations

import asyncio
import sys
import threading
from array import array
from collections import Counter

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmwidgets.connections import Connection, Policy
from llmwidgets.dialects.types import Enforcement, Example
from llmwidgets.engine import event_loop
from llmwidgets.engine import run as run_module
from llmwidgets.engine.journal import Journal
from llmwidgets.engine.request_builder import Document, Plan, ResolvedVariant
from llmwidgets.engine.run import Run, VariantState
from llmwidgets.errors import FAILURES
from llmwidgets.schemas import read_schema
from tests.clocks import hurry

SCHEMA = read_schema([{"name": "total", "type": "number", "required": True}])
CANARY = "canary-key-7c1f0e9d55aa"


def connected(end, name="m", **more) -> Connection:
    return Connection("custom", name=name, endpoint=end.url, api_key=CANARY, **more)


def columns(*connections, **more) -> tuple[ResolvedVariant, ...]:
    return tuple(ResolvedVariant(each.label, each, each.models[0], **more) for each in connections)


def texts(*words: str) -> tuple[Document, ...]:
    return tuple(Document(f"t{at}", word, SCHEMA, None) for at, word in enumerate(words))


def ran(plan: Plan, journal: Journal | None = None, **more) -> Run:
    run = Run(
        plan, journal=journal or Journal(False), policy=Policy(), **{"clock": hurry(), **more}
    )
    run.start()
    assert run.wait(30)
    assert run.error is None
    return run


def statuses(run: Run, column: int = 0) -> list[str]:
    return [
        run.extraction(column, text, repeat).status
        for text in range(len(run.plan.texts))
        for repeat in range(run.plan.repeats)
    ]


def test_a_text_becomes_a_record_with_all_that_is_known_of_it(far_end, model):
    end = far_end(model)
    connection = connected(end, price={"input": 1.0, "output": 10.0})
    run = ran(Plan(columns(connection), texts("Total 12.50")))
    found = run.extraction(0, 0)
    assert found.data == found.record == {"total": 12.5}
    assert (found.status, found.mode, found.tries) == ("ok", Enforcement.SCHEMA, 1)
    assert (found.usage.input_tokens, found.usage.output_tokens) == (100, 10)
    assert found.cost == pytest.approx(0.0002)
    assert found.served_model == "served-m"
    assert found.seconds > 0
    assert found.paid_before is None


def test_the_request_can_be_looked_at_and_is_what_was_sent(far_end, model):
    run = ran(Plan(columns(connected(far_end(model))), texts("Total 12.50")))
    shown = run.extraction(0, 0).request
    assert shown["body"] == model.asked[0]
    assert CANARY not in repr(shown)
    assert shown["headers"]["Authorization"] == "Bearer ••••"


def entries(act) -> Counter[str]:
    """How often each function is entered while `act` runs, on an engine that it starts.

    A coroutine is entered each time it goes on.
    """
    event_loop.stop_engine()
    entered: Counter[str] = Counter()

    def note(frame, event, _argument):
        if event == "call":
            entered[frame.f_code.co_qualname] += 1

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        act()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return entered


def per_run(connection: Connection, words: str) -> Counter[str]:
    """What is entered while a run asks of one model about as many texts as there are letters."""
    return entries(lambda: ran(Plan(columns(connection), texts(*words))))


def test_nothing_is_built_or_parsed_twice_for_a_text(far_end, model):
    """The target is built once for a run, and once for the host that the key is bound to."""
    end, more = far_end(model), {"price": {"input": 1.0, "output": 1.0}}
    ran(Plan(columns(connected(end, **more)), texts("before")))
    few, many = (per_run(connected(end, **more), words) for words in ("abc", "abcdefghijkl"))
    for entered, asked in ((few, 3), (many, 12)):
        for once in ("Connection.target", "Connection.address", "RequestBuilder.__init__"):
            assert entered[once] == 1, once
        for each in ("parse_json", "CallTemplate.call", "Policy.permit"):
            assert entered[each] == asked, each


def test_what_belongs_to_the_run_is_done_once_for_all_texts(far_end, model):
    """Target, address, price, schema text, capability, rules, headers: as often for many."""
    end = far_end(model)
    ran(Plan(columns(connected(end)), texts("before")))
    few, many = (per_run(connected(end), words) for words in ("abc", "abcdefghijkl"))
    for once in (
        "Connection.target", "Connection.address", "Connection.facts", "RequestBuilder.__init__",
        "RequestBuilder.build", "RequestBuilder.prefix", "encode", "system_text", "Policy._refuse",
        "find_capability", "read_address", "origin_of", "read_host", "urlsplit", "host_of",
        "_plain_headers", "_spellings", "_vendors_at", "_work_out_rates", "_find_in_snapshot",
        "DataSnapshot.find_provider_model", "ModelPrice.calc_price", "Settings.__init__",
    ):  # fmt: skip
        assert many[once] == few[once], once


class WatchedRows(array):
    """The rows of a variant, which count how often all of them were gone through."""

    passes = 0

    def __contains__(self, row):
        self.passes += 1
        return super().__contains__(row)

    def count(self, row):
        self.passes += 1
        return super().count(row)


def test_what_a_text_takes_does_not_grow_with_the_number_of_texts(far_end, model):
    connection, passes, entered = connected(far_end(model)), [], []
    ran(Plan(columns(connection), texts("before")))

    def act(number):
        plan = Plan(columns(connection), texts(*map(str, range(number))))
        run = Run(plan, journal=Journal(False), policy=Policy(), clock=hurry())
        variant = run._columns[0]
        variant.rows = rows = WatchedRows("q", variant.rows)
        run.start()
        assert run.wait(30)
        passes.append(rows.passes)

    for number in (20, 80):
        entered.append(entries(lambda: act(number)).total())  # noqa: B023 - called at once
    assert passes[0] == passes[1] <= 6
    assert entered[1] < 4.4 * entered[0]


def test_an_extraction_shows_no_value_and_no_text(far_end, model):
    run = ran(Plan(columns(connected(far_end(model))), texts("Total 12.50")))
    assert "12.5" not in repr(run.extraction(0, 0))


FAILING = {
    "refuse": (b"", "Unreachable"),
    "key": (401, "Unauthorized"),
    "right": (403, "Forbidden"),
    "limit": (429, "RateLimited"),
    "busy": (503, "Overloaded"),
    "request": (400, "BadRequest"),
    "long": (413, "TooLong"),
    "words": ("no JSON at all", "InvalidJSON"),
    "shape": ({"total": "much"}, "InvalidRecord"),
    "absent": ({}, "InvalidRecord"),
    "cut": (lambda wire: _say(wire, finish="length"), "Truncated"),
    "filter": (lambda wire: _say(wire, finish="content_filter"), "Filtered"),
}


async def _say(wire, finish: str) -> None:
    wire.chat('{"total": 1', finish=finish)


@pytest.mark.parametrize("word", FAILING)
def test_every_way_of_failing_has_its_class(far_end, model, word):
    model.replies = {name: happens for name, (happens, _) in FAILING.items()}
    run = ran(Plan(columns(connected(far_end(model))), texts(f"a {word} b", "fine")))
    found = run.extraction(0, 0)
    assert found.status == FAILING[word][1]
    assert type(found.failure).__name__ == found.status
    assert found.failure.message
    assert found.record is None
    assert statuses(run)[1] == "ok"


def test_an_invalid_record_keeps_its_data_for_scoring(far_end, model):
    model.record = {"total": "much"}
    found = ran(Plan(columns(connected(far_end(model))), texts("x"))).extraction(0, 0)
    assert (found.status, found.data, found.record) == ("InvalidRecord", {"total": "much"}, None)
    assert "much" not in str(found.failure)


@settings(max_examples=15, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    words=st.lists(st.sampled_from([*FAILING, "fine"]), min_size=1, max_size=12),
    repeats=st.integers(1, 2),
    budget=st.sampled_from([None, 0.01, 1000.0]),
    concurrency=st.sampled_from([None, 1, 3]),
)
def test_the_classes_add_up(far_end, model, words, repeats, budget, concurrency):
    """Whatever a server does, each extraction asked for ends in exactly one known class."""
    model.replies = {name: happens for name, (happens, _) in FAILING.items()}
    connection = connected(far_end(model), price={"input": 1.0, "output": 1.0})
    plan = Plan(columns(connection, connection), texts(*words), repeats)
    run = ran(plan, budget=budget, concurrency=concurrency)
    for column, progress in enumerate(run.progress):
        ended = statuses(run, column)
        assert len(ended) == progress.total == progress.done == len(words) * repeats
        assert set(ended) <= {"ok", *FAILURES}
        assert progress.failures == {name: ended.count(name) for name in set(ended) - {"ok"}}
        assert progress.finished


def test_a_second_run_pays_nothing_and_says_so(far_end, model, tmp_path):
    end, journal = far_end(model), Journal(tmp_path / "j.sqlite")
    plan = Plan(columns(connected(end)), texts("a", "b"), 2)
    ran(plan, journal)
    asked = len(model.asked)
    again = ran(plan, Journal(tmp_path / "j.sqlite"))
    assert (asked, len(model.asked)) == (4, 4)
    assert again.progress[0].reused == 4
    assert again.extraction(0, 0).paid_before is not None
    assert again.extraction(0, 0).record == {"total": 12.5}


def test_a_rerun_needs_no_server(far_end, model, tmp_path):
    """Nothing is known of the server in this process, and nothing is asked of it."""
    from llmwidgets.engine import capability

    end, journal = far_end(model), Journal(tmp_path / "j.sqlite")
    plan = Plan(columns(connected(end)), texts("a", "b"))
    ran(plan, journal)
    before = len(end.seen)
    capability.forget_capabilities()
    assert ran(plan, journal).progress[0].reused == 2
    assert len(end.seen) == before


def test_only_what_was_not_answered_is_asked_again(far_end, model, tmp_path):
    end, journal = far_end(model), Journal(tmp_path / "j.sqlite")
    model.replies = {"second": 503, "third": "no JSON"}
    plan = Plan(columns(connected(end)), texts("first", "second", "third"))
    assert statuses(ran(plan, journal)) == ["ok", "Overloaded", "InvalidJSON"]
    model.replies, model.asked = {}, []
    assert statuses(ran(plan, journal)) == ["ok", "ok", "InvalidJSON"]
    assert len(model.asked) == 1


@pytest.mark.parametrize(
    "changed",
    [
        {"instructions": "Other words."},
        {"effort": "high"},
        {"temperature": 0.5},
        {"max_output_tokens": 99},
        {"examples": (Example("text", {"total": 1}),)},
    ],
)
def test_another_question_is_not_answered_from_the_journal(far_end, model, changed):
    connection, journal = connected(far_end(model)), Journal(False)
    ran(Plan(columns(connection), texts("a")), journal)
    other = ran(Plan(columns(connection, **changed), texts("a")), journal)
    assert other.progress[0].reused == 0


def test_another_schema_or_text_is_another_question(far_end, model):
    connection, journal = connected(far_end(model)), Journal(False)
    ran(Plan(columns(connection), texts("a")), journal)
    assert ran(Plan(columns(connection), texts("b")), journal).progress[0].reused == 0
    wide = read_schema([{"name": "total", "type": "number"}, {"name": "note", "type": "string"}])
    plan = Plan(columns(connection), (Document("t0", "a", wide, None),))
    assert ran(plan, journal).progress[0].reused == 0


def test_identical_texts_and_repeats_are_each_asked(far_end, model):
    """Three times the same text, twice each: six questions, none answered by another's reply."""
    connection, journal = connected(far_end(model)), Journal(False)
    plan = Plan(columns(connection), texts("same", "same", "same"), 2)
    assert ran(plan, journal).progress[0].reused == 0
    assert len(model.asked) == 6
    assert ran(plan, journal).progress[0].reused == 6


def test_without_reuse_everything_is_asked_again(far_end, model):
    connection, journal = connected(far_end(model)), Journal(False)
    plan = Plan(columns(connection), texts("a"))
    ran(plan, journal)
    assert ran(plan, journal, reuse=False).progress[0].reused == 0
    assert len(model.asked) == 2


def test_a_class_with_new_checks_judges_old_replies_anew(far_end, model):
    from pydantic import BaseModel, field_validator

    class Loose(BaseModel):
        total: float

    class Strict(BaseModel):
        total: float

        @field_validator("total")
        @classmethod
        def _small(cls, value: float) -> float:
            if value > 10:
                raise ValueError("too much")
            return value

    Strict.__name__ = "Loose"
    connection, journal = connected(far_end(model)), Journal(False)
    loose, strict = read_schema(Loose), read_schema(Strict)
    first = ran(Plan(columns(connection), (Document("t", "a", loose, None),)), journal)
    assert isinstance(first.extraction(0, 0).record, Loose)
    if loose.digest != strict.digest:
        pytest.skip("the two classes have different JSON Schemas")
    second = ran(Plan(columns(connection), (Document("t", "a", strict, None),)), journal)
    assert second.extraction(0, 0).status == "InvalidRecord"
    assert second.progress[0].reused == 1


def test_an_error_while_old_replies_are_judged_ends_one_text_alone(far_end, model, monkeypatch):
    schema, journal = read_schema([{"name": "total", "type": "number"}]), Journal(False)
    documents = tuple(Document(f"t{at}", word, schema, None) for at, word in enumerate("ab"))
    plan = Plan(columns(connected(far_end(model))), documents)
    ran(plan, journal)
    judge, judged = schema.judge, []

    def fail_once(data):
        judged.append(data)
        return judge(data) if judged[1:] else {}["a bug"]

    monkeypatch.setattr(schema, "judge", fail_once)
    assert statuses(ran(plan, journal)) == ["InternalError", "ok"]
    assert len(model.asked) == 2


def test_the_journal_holds_no_text_and_no_key(far_end, model, tmp_path):
    path = tmp_path / "j.sqlite"
    model.replies = {"fail": 500}
    marker = "a marker sentence of the document"
    ran(Plan(columns(connected(far_end(model))), texts(marker, f"{marker} fail")), Journal(path))
    said = b"".join(each.read_bytes() for each in tmp_path.glob("j.sqlite*"))
    assert b"12.5" in said
    assert marker.encode() not in said
    assert CANARY.encode() not in said


def test_a_dead_endpoint_is_not_asked_a_thousand_times(far_end, model):
    model.replies = {"": 401}
    run = ran(Plan(columns(connected(far_end(model))), texts(*["x"] * 50)), concurrency=2)
    assert set(statuses(run)) == {"Unauthorized"}
    assert len(model.asked) <= 4
    assert "were not asked" in run.extraction(0, 49).failure.message


def test_a_server_that_is_gone_ends_its_column_and_no_other(far_end, model):
    gone = Connection("custom", name="gone", endpoint="http://127.0.0.1:9/v1")
    run = ran(Plan(columns(gone, connected(far_end(model))), texts("a", "b")))
    assert statuses(run, 0) == ["Unreachable"] * 2
    assert statuses(run, 1) == ["ok"] * 2
    assert run.progress[0].finished


def test_columns_of_different_connections_run_side_by_side(far_end, model):
    """Each server waits until the other one was asked too."""
    both = threading.Barrier(2)

    async def meet(wire):
        await asyncio.get_running_loop().run_in_executor(None, both.wait, 10)
        wire.chat({"total": 1})

    model.replies = {"meet": meet}
    first, second = far_end(model), far_end(model)
    plan = Plan(columns(connected(first, "m1"), connected(second, "m2")), texts("meet"))
    run = ran(plan)
    assert statuses(run, 0) == statuses(run, 1) == ["ok"]


def test_stop_cancels_what_is_in_flight_and_keeps_what_is_there(far_end, model):
    waiting = threading.Event()

    async def hang(wire):
        waiting.set()
        await asyncio.sleep(60)

    model.replies = {"hang": hang}
    plan = Plan(columns(connected(far_end(model))), texts("a", "hang", "c", "d"))
    run = Run(plan, journal=Journal(False), policy=Policy(), concurrency=1)
    run.start()
    assert waiting.wait(10)
    run.stop()
    assert run.wait(10)
    assert statuses(run) == ["ok", "Stopped", "Stopped", "Stopped"]
    assert run.progress[0].state is VariantState.STOPPED


def test_an_interrupt_of_the_wait_stops_the_run(far_end, model):
    import os

    async def interrupt(wire):
        os.kill(os.getpid(), 2)
        await asyncio.sleep(60)

    model.replies = {"x": interrupt}
    run = Run(
        Plan(columns(connected(far_end(model))), texts("x")),
        journal=Journal(False),
        policy=Policy(),
    )
    run.start()
    with pytest.raises(KeyboardInterrupt):
        run.wait()
    assert run.wait(10)
    assert statuses(run) == ["Stopped"]


def test_the_rest_of_a_budget_is_not_asked(far_end, model):
    """Each call can cost 5 cents and costs 1.1: of ten, as many are asked as surely fit."""
    connection = connected(far_end(model), price={"input": 100.0, "output": 100.0})
    plan = Plan(columns(connection, max_output_tokens=100), texts(*["x"] * 10))
    run = ran(plan, budget=0.15)
    ended = statuses(run)
    assert set(ended) == {"ok", "OverBudget"}
    assert run.progress[0].cost <= 0.15
    assert run.budget.spent == pytest.approx(run.progress[0].cost)
    assert len(model.asked) == ended.count("ok")


def test_an_unknown_price_is_unknown_and_not_held_back(far_end, model):
    run = ran(Plan(columns(connected(far_end(model))), texts("a")), budget=0.0001)
    assert statuses(run) == ["ok"]
    assert run.progress[0].cost is None
    assert run.extraction(0, 0).cost is None


def test_a_model_that_the_policy_denies_is_never_called(far_end, model):
    end = far_end(model)
    connection = connected(end)
    policy = Policy(denials=[(connection.label, "m")])
    run = Run(Plan(columns(connection), texts("a")), journal=Journal(False), policy=policy)
    run.start()
    assert run.wait(10)
    found = run.extraction(0, 0)
    assert (found.status, found.failure.code) == ("Forbidden", "policy")
    assert not end.seen


def test_the_observer_hears_of_each_end_once_and_only_after_it_is_committed(far_end, model):
    journal, heard, finished = Journal(False), [], []

    def observe(news):
        for place in news.ended:
            assert journal.get(run.cell(*place)[0]).status == "ok"
        heard.extend(news.ended)
        finished.append(news.finished)

    run = Run(
        Plan(columns(connected(far_end(model))), texts("a", "b", "c"), 2),
        journal=journal,
        policy=Policy(),
        observer=observe,
    )
    run.start()
    assert run.wait(10)
    event_loop.run_blocking(asyncio.sleep(0))
    assert run.error is None
    assert sorted(heard) == [(0, text, repeat) for text in range(3) for repeat in range(2)]
    assert finished[-1] is True


def test_the_observer_hears_that_a_server_is_probed_before_it_answers(far_end, model, monkeypatch):
    """Not by the tick, which would come much later here: the server answers once it is heard."""
    monkeypatch.setattr(run_module, "_TICK_SECONDS", 600)
    probed = threading.Event()

    async def behave(request, wire) -> None:
        while not probed.is_set():
            await asyncio.sleep(0.005)
        await model(request, wire)

    def observe(news):
        if news.progress[0].state is VariantState.PROBING:
            probed.set()

    run = Run(
        Plan(columns(connected(far_end(behave))), texts("a")),
        journal=Journal(False),
        policy=Policy(),
        observer=observe,
    )
    run.start()
    assert probed.wait(10)
    assert run.wait(10)


def test_a_view_that_fails_does_not_lose_the_run(far_end, model):
    def broken(news):
        raise LookupError

    run = Run(
        Plan(columns(connected(far_end(model))), texts("a")),
        journal=Journal(False),
        policy=Policy(),
        observer=broken,
    )
    run.start()
    assert run.wait(10)
    assert statuses(run) == ["ok"]
    assert isinstance(run.error, LookupError)


def test_an_empty_plan_is_over_at_once():
    assert ran(Plan((), ())).progress == ()


def test_a_loopback_server_begins_with_one_call_at_a_time(far_end, model):
    end = far_end(model)
    ran(Plan(columns(connected(end)), texts("a", "b", "c")))
    assert end.most_at_once == 1
