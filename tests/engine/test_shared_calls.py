"""The same question asked by several threads at once is one call, and each of them is answered."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, field_validator

import llmwidgets as lw
from llmwidgets.connections import Connection, Policy
from llmwidgets.dialects.types import Capability, Enforcement, ResponseFormat
from llmwidgets.engine import capability, event_loop
from llmwidgets.engine.journal import Journal
from llmwidgets.engine.request_builder import Document, Plan, ResolvedVariant
from llmwidgets.engine.run import Run, VariantState
from llmwidgets.engine.shared_calls import shared_calls
from llmwidgets.schemas import read_schema
from tests.clocks import busy_seconds, hurry

FIELDS = [{"name": "total", "type": "number", "required": True}]
SCHEMA = read_schema(FIELDS)
PRICE = {"input": 1.0, "output": 10.0}
COST = 0.0002
ROOT = Path(__file__).parents[2]
KEY, OTHER_KEY = "canary-key-7c1f0e9d55aa", "canary-key-0000aaaa1111"


def until(happened: Callable[[], object]) -> None:
    """Wait for a condition."""
    ends = time.monotonic() + 30
    while not happened():
        assert time.monotonic() < ends, "what was waited for did not happen"
        time.sleep(0.005)


def connected(end, *, key: str = KEY, label: str | None = None, **more) -> Connection:
    return Connection(
        "custom", name="m", endpoint=end.url, api_key=key, label=label, price=PRICE, **more
    )


def texts(*words: str, schema=SCHEMA) -> tuple[Document, ...]:
    return tuple(Document(f"t{at}", word, schema, None) for at, word in enumerate(words))


def planned(connection: Connection, *words: str, repeats: int = 1, **more) -> Plan:
    column = ResolvedVariant(connection.label, connection, connection.models[0])
    return Plan((column,), texts(*words, **more), repeats)


def a_run(plan: Plan, journal: Journal | None = None, **more) -> Run:
    more = {"policy": Policy(), "clock": hurry(), **more}
    return Run(plan, journal=journal or Journal(False), **more)


def waiting() -> list[int]:
    """How many wait for each call that is under way."""

    async def look() -> list[int]:
        return [len(call.waiting) for call in shared_calls()._calls.values()]

    return event_loop.run_blocking(look())


def statuses(run: Run) -> list[str]:
    cells = [(text, n) for text in range(len(run.plan.texts)) for n in range(run.plan.repeats)]
    return [run.extraction(0, *cell).status for cell in cells]


class Held:
    """A reply that the server holds back until it is told to give it."""

    def __init__(self, status: int = 200) -> None:
        self.status, self.given = status, threading.Event()

    async def __call__(self, wire) -> None:
        while not self.given.is_set():
            await asyncio.sleep(0.005)
        if self.status == 200:
            wire.chat({"total": 12.5})
        else:
            wire.answer({"error": {"message": "no"}}, self.status)


@pytest.fixture
def held(model) -> Held:
    model.replies = {"held": Held()}
    return model.replies["held"]


def both_wait(*plans: Plan, **more) -> list[Run]:
    """Runs of these plans: the first has begun its calls when the next one joins it."""
    runs = []
    for plan in plans:
        runs.append(a_run(plan, **more))
        runs[-1].start()
        until(lambda: sum(waiting()) == sum(len(run.plan.texts) for run in runs))
    return runs


def ended(runs: list[Run]) -> None:
    for run in runs:
        assert run.wait(30)
        assert run.error is None
    assert waiting() == []


# -- one call


@pytest.mark.parametrize("kept", ["path", "object", "memory"])
def test_fifty_threads_ask_once(far_end, model, held, tmp_path, kept):
    """Each through the public call, with a connection of its own that says the same."""
    end, journal = far_end(model), tmp_path / "journal.sqlite"
    with closing(Journal(journal)) as opened, ThreadPoolExecutor(50) as pool:
        place = {"path": journal, "object": opened, "memory": False}[kept]

        def ask(_: int) -> lw.Extraction:
            return lw.extract(FIELDS, "held", connected(end), journal=place)

        asked = [pool.submit(ask, at) for at in range(50)]
        until(lambda: waiting() == [50])
        held.given.set()
        found = [each.result(30) for each in asked]
    assert [each.data for each in found] == [{"total": 12.5}] * 50
    assert len(model.asked) == 1
    assert sum(each.paid_before is None for each in found) == 1
    assert waiting() == []


def test_two_comparisons_at_once_cost_as_much_as_one(far_end, model, held):
    plan = planned(connected(far_end(model)), "held", "held too", "held as well")
    runs = both_wait(plan, plan, concurrency=8)
    held.given.set()
    ended(runs)
    assert [run.extraction(0, 0).data for run in runs] == [{"total": 12.5}] * 2
    assert len(model.asked) == 3
    shown = [run.progress[0] for run in runs]
    assert [(each.done, each.reused) for each in shown] == [(3, 0), (3, 3)]
    assert [each.cost for each in shown] == pytest.approx([3 * COST, 0.0])
    assert [each.paid_before for each in shown] == pytest.approx([0.0, 3 * COST])


@pytest.mark.parametrize("at_once", [(1, 1), (1, 8), (8, 1), (None, None)])
def test_no_text_is_asked_twice_however_fast_each_run_is(far_end, model, tmp_path, at_once):
    """What one run has done already is in the journal when the slower one comes to it."""
    connection, words = connected(far_end(model)), [f"text {n}" for n in range(40)]
    with (
        closing(Journal(tmp_path / "journal.sqlite")) as one,
        closing(Journal(tmp_path / "journal.sqlite")) as other,
    ):
        runs = [
            a_run(planned(connection, *words), one, concurrency=at_once[0]),
            a_run(planned(connection, *reversed(words)), other, concurrency=at_once[1]),
        ]
        for run in runs:
            run.start()
        ended(runs)
        assert [statuses(run) for run in runs] == [["ok"] * 40] * 2
    asked = Counter(each["messages"][-1]["content"] for each in model.asked)
    assert len(asked) == 40
    assert set(asked.values()) == {1}


@settings(max_examples=25, deadline=None, suppress_health_check=list(HealthCheck))
@given(
    st.lists(
        st.tuples(
            st.lists(st.sampled_from("abcdef"), min_size=1, unique=True),
            st.integers(1, 3),
            st.integers(1, 4),
        ),
        min_size=2,
        max_size=5,
    )
)
def test_every_question_is_asked_once_and_every_run_ends(far_end, model, tmp_path, runs_of):
    """Whatever the runs have in common, and in whichever order they come to it."""
    model.asked.clear()
    connection, journal = connected(far_end(model)), Journal(False)
    runs = [
        a_run(planned(connection, *words, repeats=repeats), journal, concurrency=at_once)
        for words, repeats, at_once in runs_of
    ]
    for run in runs:
        run.start()
    ended(runs)
    most = Counter[str]()
    for words, repeats, _ in runs_of:
        for word in words:
            most[word] = max(most[word], repeats)
    assert len(model.asked) == most.total()
    assert all(set(statuses(run)) == {"ok"} for run in runs)
    assert sum(run.progress[0].cost for run in runs) == pytest.approx(COST * most.total())


# -- calls of their own


def test_repeats_are_calls_of_their_own_and_shared_by_number(far_end, model, held):
    plan = planned(connected(far_end(model)), "held", repeats=3)
    runs = [a_run(plan, concurrency=8) for _ in range(2)]
    for run in runs:
        run.start()
    until(lambda: waiting() == [2, 2, 2])
    held.given.set()
    ended(runs)
    assert len(model.asked) == 3


def test_the_same_text_twice_in_a_run_is_asked_twice(far_end, model, held):
    plan = planned(connected(far_end(model)), "held", "held")
    runs = both_wait(plan, plan, concurrency=8)
    held.given.set()
    ended(runs)
    assert len(model.asked) == 2


def test_two_columns_that_ask_alike_are_asked_each(far_end, model, held):
    """They are compared with each other, so that the noise of a model can be seen."""
    connection = connected(far_end(model))
    column = planned(connection, "held").columns[0]
    plan = Plan((column, replace(column, label="again")), texts("held"))
    runs = [a_run(plan, concurrency=8) for _ in range(2)]
    for run in runs:
        run.start()
    until(lambda: waiting() == [2, 2])
    held.given.set()
    ended(runs)
    assert len(model.asked) == 2


def test_without_reuse_each_asks_for_itself(far_end, model, held):
    plan = planned(connected(far_end(model)), "held")
    runs = [a_run(plan, reuse=reuse) for reuse in (True, False, False)]
    for run in runs:
        run.start()
    until(lambda: len(model.asked) == 3)
    held.given.set()
    ended(runs)
    assert [run.progress[0].reused for run in runs] == [0, 0, 0]


@pytest.mark.parametrize("differs", ["key", "header", "host", "instructions", "text", "schema"])
def test_another_question_or_another_key_is_a_call_of_its_own(far_end, model, held, differs):
    end = far_end(model)
    plan = other = planned(connected(end), "held")
    wide = read_schema([*FIELDS, {"name": "note", "type": "string"}])
    match differs:
        case "key":
            other = planned(connected(end, key=OTHER_KEY), "held")
        case "header":
            other = planned(connected(end, headers={"X-Team": "b"}), "held")
        case "host":
            other = planned(connected(far_end(model)), "held")
        case "instructions":
            other = replace(plan, columns=(replace(plan.columns[0], instructions="Be quick."),))
        case "text":
            other = planned(connected(end), "held too")
        case "schema":
            other = planned(connected(end), "held", schema=wide)
    both_wait(plan, other)
    until(lambda: len(model.asked) == 2)
    assert waiting() == [1, 1]
    held.given.set()
    until(lambda: waiting() == [])


def test_the_same_key_under_another_label_is_the_same_question(far_end, model, held):
    end = far_end(model)
    runs = both_wait(planned(connected(end), "held"), planned(connected(end, label="b"), "held"))
    held.given.set()
    ended(runs)
    assert len(model.asked) == 1
    assert [run.extraction(0, 0).variant for run in runs] == ["m", "b"]


# -- how it ends


@pytest.mark.parametrize("leaves", [0, 1])
def test_whoever_is_stopped_does_not_stop_the_other(far_end, model, held, leaves):
    plan = planned(connected(far_end(model)), "held", "held too")
    runs = both_wait(plan, plan, concurrency=8)
    runs[leaves].stop()
    assert runs[leaves].wait(10)
    assert statuses(runs[leaves]) == ["Stopped", "Stopped"]
    assert waiting() == [1, 1]
    held.given.set()
    ended(runs)
    stays = runs[1 - leaves].progress[0]
    assert statuses(runs[1 - leaves]) == ["ok", "ok"]
    assert (stays.reused, stays.paid_before) == (0, 0.0)
    assert stays.cost == pytest.approx(2 * COST)
    assert len(model.asked) == 2


def test_the_last_one_who_leaves_takes_the_call_along(far_end, model, held):
    async def under_way() -> int:
        return sum("ask" in task.get_coro().__qualname__ for task in asyncio.all_tasks())

    plan = planned(connected(far_end(model)), "held")
    runs = both_wait(plan, plan)
    assert event_loop.run_blocking(under_way()) > 0
    for run in runs:
        run.stop()
    ended(runs)
    assert [statuses(run) for run in runs] == [["Stopped"], ["Stopped"]]
    assert event_loop.run_blocking(under_way()) == 0
    held.given.set()
    again = a_run(plan)
    again.start()
    ended([again])
    assert statuses(again) == ["ok"]


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to one process")
@pytest.mark.parametrize("first", ["interrupted", "other"])
def test_an_interrupt_ends_one_call_and_not_the_thread_beside_it(far_end, model, held, first):
    end, found = far_end(model), []

    def ask() -> lw.Extraction:
        return lw.extract(FIELDS, "held", connected(end), journal=False)

    def interrupt() -> None:
        until(lambda: waiting() == [2])
        began.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    def beside() -> None:
        until(lambda: first == "other" or waiting() == [1])
        found.append(ask())

    began: list[float] = []
    others = [threading.Thread(target=each) for each in (beside, interrupt)]
    for each in others:
        each.start()
    until(lambda: first == "interrupted" or waiting() == [1])
    assert ask().status == "Stopped"
    assert time.monotonic() - began[0] < busy_seconds(4.0), "the promise is 2 s"
    held.given.set()
    for each in others:
        each.join(30)
    assert [each.status for each in found] == ["ok"]
    assert len(model.asked) == 1


def test_the_end_of_the_engine_ends_all_who_wait(far_end, model, held):
    plan = planned(connected(far_end(model)), "held")
    runs = both_wait(plan, plan)
    event_loop.stop_engine()
    assert all(run.wait(10) for run in runs)
    held.given.set()
    again = a_run(plan)
    again.start()
    ended([again])
    assert statuses(again) == ["ok"]


FAILURES = {401: "Unauthorized", 429: "RateLimited", 500: "Overloaded", 400: "BadRequest"}


@pytest.mark.parametrize("status", FAILURES)
def test_a_failure_is_shared_and_no_storm(far_end, model, status):
    """Ten who wait make as many calls as one alone; each has the failure in its own journal."""
    plan = planned(connected(far_end(model)), "held")
    model.replies = {"held": status}
    alone = a_run(plan)
    alone.start()
    ended([alone])
    calls, model.asked = len(model.asked), []
    held = Held(status)
    model.replies = {"held": held}
    runs = both_wait(*[plan] * 10)
    held.given.set()
    ended(runs)
    assert len(model.asked) == calls
    assert {each for run in runs for each in statuses(run)} == {FAILURES[status]}
    assert [run.progress[0].reused for run in runs] == [0] * 10
    assert all(run.extraction(0, 0).paid_before is None for run in runs)


def test_a_failure_that_names_another_connection_is_not_shared(far_end, model):
    end, held = far_end(model), Held(401)
    model.replies = {"held": held}
    runs = both_wait(planned(connected(end), "held"), planned(connected(end, label="b"), "held"))
    held.given.set()
    ended(runs)
    assert [run.extraction(0, 0).failure.label for run in runs] == ["m", "b"]


def test_the_budget_of_one_is_not_the_budget_of_the_other(far_end, model, held):
    """What is too dear for one is asked by the other; what one pays the other does not count."""

    async def dear(wire) -> None:
        while not held.given.is_set():
            await asyncio.sleep(0.005)
        wire.chat({"total": 12.5}, prompt_tokens=100_000)

    model.replies = {"held": dear}
    plan = planned(connected(far_end(model)), "held", "b")
    poor, rich = runs = [a_run(plan, budget=each, concurrency=8) for each in (0.25, 10.0)]
    for at, run in enumerate(runs, 1):
        run.start()
        until(lambda at=at: waiting() == [at, at])
    held.given.set()
    ended(runs)
    assert [statuses(run) for run in runs] == [["ok", "OverBudget"], ["ok", "ok"]]
    assert len(model.asked) == 2
    assert poor.budget.spent == pytest.approx(0.1001)
    assert rich.budget.spent == pytest.approx(COST)


def test_the_policy_of_one_is_not_the_policy_of_the_other(far_end, model):
    """The call of the one that is refused waits for its turn when the other joins it."""
    turn = threading.Event()

    async def wait() -> None:
        while not turn.is_set():
            await asyncio.sleep(0.005)

    connection = connected(far_end(model))
    known = Capability(ResponseFormat.JSON_SCHEMA, Enforcement.SCHEMA)
    plan = planned(connection.with_capability("m", known), "a")
    denied = a_run(plan, policy=Policy(denials=[("m", "m")]), clock=hurry(wait))
    denied._columns[0].extractor.pace.limited(5.0)
    runs = [denied, a_run(plan)]
    for at, run in enumerate(runs, 1):
        run.start()
        until(lambda at=at: waiting() == [at])
    turn.set()
    ended(runs)
    assert [statuses(run) for run in runs] == [["Forbidden"], ["ok"]]


def test_who_takes_a_call_over_counts_it(far_end, model, held):
    plan = planned(connected(far_end(model)), "held")
    runs = [a_run(plan, budget=1.0) for _ in range(2)]
    for at, run in enumerate(runs, 1):
        run.start()
        until(lambda at=at: waiting() == [at])
    runs[0].stop()
    assert runs[0].wait(10)
    held.given.set()
    ended(runs)
    assert runs[1].budget.spent == pytest.approx(COST)


def test_each_judges_a_shared_reply_by_its_own_class(far_end, model, held):
    class Loose(BaseModel):
        total: float

    class Bill(Loose):
        @field_validator("total")
        @classmethod
        def small(cls, value: float) -> float:
            if value > 10:
                raise ValueError("too much")
            return value

    strict = type("Loose", (Bill,), {"__module__": __name__})
    connection = connected(far_end(model))
    schemas = [read_schema(Loose), read_schema(strict)]
    assert schemas[0].digest == schemas[1].digest
    runs = both_wait(*(planned(connection, "held", schema=each) for each in schemas))
    held.given.set()
    ended(runs)
    assert [statuses(run) for run in runs] == [["ok"], ["InvalidRecord"]]
    assert len(model.asked) == 1


# -- test questions


def probes_of_one(far_end, model) -> int:
    run = a_run(planned(connected(far_end(model)), "a"))
    run.start()
    ended([run])
    count, model.probes, model.asked = len(model.probes), [], []
    return count


@pytest.mark.parametrize("forms", [{"json_schema"}, {"json_object"}, set()])
def test_a_server_is_probed_once_for_all_who_begin_at_once(far_end, model, forms):
    model.enforces = forms
    alone = probes_of_one(far_end, model)
    connection = connected(far_end(model))
    runs = [a_run(planned(connection, f"text {n}")) for n in range(10)]
    for run in runs:
        run.start()
    ended(runs)
    assert len(model.probes) == alone
    assert {each for run in runs for each in statuses(run)} == {"ok"}


@pytest.mark.parametrize("leaves", [0, 1])
def test_a_probe_goes_on_while_anybody_waits_for_it(far_end, model, leaves):
    alone = probes_of_one(far_end, model)
    held, seen = Held(), model.__call__

    async def behave(request, wire) -> None:
        while "weather" in request.body.decode() and not held.given.is_set():
            probing.set()
            await asyncio.sleep(0.005)
        await seen(request, wire)

    probing = threading.Event()
    connection = connected(far_end(behave))
    runs = both_wait(planned(connection, "a"), planned(connection, "a"))
    assert probing.wait(10)
    assert {run.progress[0].state for run in runs} == {VariantState.PROBING}
    runs[leaves].stop()
    assert runs[leaves].wait(10)
    held.given.set()
    ended(runs)
    assert statuses(runs[1 - leaves]) == ["ok"]
    assert len(model.probes) == alone


def test_a_probe_that_fails_is_not_made_by_everybody(far_end, model):
    asked: list[str] = []
    held = Held()

    async def busy(request, wire) -> None:
        asked.append(request.line)
        while not held.given.is_set():
            await asyncio.sleep(0.005)
        wire.answer({"error": {"message": "busy"}}, 503)

    def calls_of(count: int) -> int:
        capability.forget_capabilities()
        asked.clear()
        held.given.clear()
        connection = connected(far_end(busy))
        runs = both_wait(*(planned(connection, "a") for _ in range(count)))
        held.given.set()
        ended(runs)
        assert {each for run in runs for each in statuses(run)} == {"Overloaded"}
        return len(asked)

    assert calls_of(5) == calls_of(1)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_forked_child_waits_for_no_call_of_its_parent(far_end, model, held, tmp_path):
    """It has no part in the parent's calls, so it asks for itself."""
    code = (
        "import os, sys, threading, llmwidgets as lw\n"
        "def ask(): return lw.extract(FIELDS, 'held', CONNECTION, journal=False).status\n"
        f"FIELDS = {FIELDS!r}\n"
        f"CONNECTION = lw.Connection('custom', name='m', endpoint={far_end(model).url!r})\n"
        "parent = threading.Thread(target=ask)\n"
        "parent.start()\n"
        "sys.stdin.readline()\n"
        "child = os.fork()\n"
        "if child == 0:\n    os._exit(0 if ask() == 'ok' else 1)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "parent.join()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, cwd=tmp_path, text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    ) as process:  # fmt: skip
        until(lambda: len(model.asked) == 1)
        process.stdin.write("\n")
        process.stdin.flush()
        until(lambda: len(model.asked) == 2)
        held.given.set()
        assert process.wait(30) == 0
