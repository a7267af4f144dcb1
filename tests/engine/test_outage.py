"""A server that goes away in mid-run is waited for, by one call at a time; then the column ends."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field

import pytest

from llmwidgets.connections import Connection, Policy
from llmwidgets.engine.journal import Journal
from llmwidgets.engine.network.pacing import Pace, PauseReason
from llmwidgets.engine.network.retry import AWAY_SECONDS, PASSING, Attempts
from llmwidgets.engine.request_builder import Document, Plan, ResolvedVariant
from llmwidgets.engine.run import Run, VariantState
from llmwidgets.errors import Overloaded, Unreachable
from llmwidgets.schemas import read_schema
from tests.clocks import hurry
from tests.engine.test_pacing import Hours

SCHEMA = read_schema([{"name": "total", "type": "number", "required": True}])


def away_between(since: float, until: float, failure, texts: int = 300, at_once: int = 100):
    """Ask in a simulated hour; what could not be sent in those seconds, and how all ended."""
    hours = Hours()
    pace, failed, states = Pace(at_once, at_once, hours.clock), [], set()

    async def once() -> str:
        if since <= hours.at < until:
            failed.append(hours.at)
            states.add(pace.pause.reason if pace.pause else None)
            await hours.sleep(0.01)
            raise failure
        await hours.sleep(0.2)
        return "reply"

    left = iter(range(texts))
    ended: list[object] = []

    async def work() -> None:
        for _ in left:
            try:
                ended.append(await pace.retry_until_answered(once, Attempts()))
            except (Unreachable, Overloaded) as error:
                ended.append(error)

    async def everything() -> None:
        await asyncio.gather(*[work() for _ in range(at_once)])

    asyncio.run(hours.run(everything()))
    return ended, failed, states, hours


@pytest.mark.parametrize("code", sorted(PASSING))
@pytest.mark.parametrize("at_once", [1, 100])
def test_a_server_that_was_there_is_waited_for(code, at_once):
    ended, _, states, _ = away_between(0.3, 60.0, Unreachable("no", code=code), 300, at_once)
    assert ended == ["reply"] * 300
    assert PauseReason.OUTAGE in states


def test_one_call_at_a_time_looks_for_it():
    _, failed, _, _ = away_between(0.3, 60.0, Unreachable("no", code="refused"))
    assert len([at for at in failed if at > 2]) < 20


def test_after_ninety_seconds_it_is_given_up_at_once_for_all():
    ended, failed, _, hours = away_between(0.3, 9999.0, Unreachable("no", code="refused"))
    assert ended.count("reply") == 200
    assert all(isinstance(each, Unreachable) for each in ended if each != "reply")
    assert AWAY_SECONDS < hours.at < AWAY_SECONDS + 10
    assert len([at for at in failed if at > 2]) < 25


def test_before_any_answer_it_is_given_up_as_soon_as_ever():
    ended, _, states, hours = away_between(0.0, 9999.0, Unreachable("no", code="refused"), 3, 1)
    assert len(ended) == 3
    assert hours.at < 3 * 2
    assert PauseReason.OUTAGE not in states


def test_what_was_perhaps_answered_is_still_asked_once_more_at_most():
    gone = Unreachable("no", code="hung_up", perhaps_answered=True)
    ended, failed, _, _ = away_between(0.1, 30.0, gone, 101, 1)
    assert any(isinstance(each, Unreachable) for each in ended)
    lost = sum(isinstance(each, Unreachable) for each in ended)
    assert 2 * lost <= len(failed) <= 2 * lost + 1


@pytest.mark.parametrize("status", [502, 503])
def test_a_gateway_whose_server_restarts_loses_no_text(status):
    ended, _, _, _ = away_between(0.3, 20.3, Overloaded("gateway", status=status))
    assert ended == ["reply"] * 300


class Listening:
    """A port that can be closed and opened again, with answers in the OpenAI format behind it."""

    def __init__(self, behind: int, port: int) -> None:
        self.behind, self.port = behind, port
        self.sockets: list[socket.socket] = []
        self.open()

    def open(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", self.port))
        threading.Thread(target=self._accept, args=(self.listener,), daemon=True).start()

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for each in self.sockets:
            _end(each)
        self.sockets.clear()

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                near, _ = listener.accept()
            except OSError:
                return
            far = socket.create_connection(("127.0.0.1", self.behind))
            self.sockets += [near, far]
            for source, sink in ((near, far), (far, near)):
                threading.Thread(target=_copy, args=(source, sink), daemon=True).start()


def _copy(source: socket.socket, sink: socket.socket) -> None:
    try:
        while data := source.recv(65536):
            sink.sendall(data)
    except OSError:
        pass
    _end(source)
    _end(sink)


def _end(each: socket.socket) -> None:
    # Closing alone does not wake the thread that reads.
    with contextlib.suppress(OSError):
        each.shutdown(socket.SHUT_RDWR)
    each.close()


@dataclass
class Course:
    """What a test is told of a run, and what it lets go on; nobody looks at a watch."""

    begun: threading.Event = field(default_factory=threading.Event)
    away: threading.Event = field(default_factory=threading.Event)
    go_on: threading.Event = field(default_factory=threading.Event)
    run: Run | None = None
    answers: int = 0

    async def answer(self, wire) -> None:
        """Five texts are answered; whoever asks next waits for the end of the server."""
        self.answers += 1
        if self.answers > 5:
            self.begun.set()
            await asyncio.to_thread(self.go_on.wait, 60)
        wire.chat({"total": 1})

    async def wait(self) -> None:
        """A wait of the run: over at once, but where it waits for the server as the test says."""
        if self.run and self.run.progress[0].state is VariantState.AWAY:
            self.away.set()
            await asyncio.to_thread(self.go_on.wait, 60)

    def start(self, port: int) -> Run:
        connection = Connection("custom", name="m", endpoint=f"http://127.0.0.1:{port}/v1")
        texts = tuple(Document(f"t{at}", f"text {at}", SCHEMA, None) for at in range(30))
        self.run = Run(
            Plan((ResolvedVariant("m", connection, "m"),), texts), journal=Journal(False),
            policy=Policy(), concurrency=2, clock=hurry(self.wait),
        )  # fmt: skip
        self.run.start()
        return self.run


@pytest.fixture
def port(far_end, model, closed_port) -> Listening:
    return Listening(far_end(model).port, closed_port)


@pytest.fixture
def course(model) -> Iterator[Course]:
    told = Course()
    model.replies = {"text": told.answer}
    yield told
    told.go_on.set()


def test_a_restart_in_mid_run_loses_nothing_and_is_told(port, course):
    run = course.start(port.port)
    assert course.begun.wait(60)
    port.close()
    assert course.away.wait(60)
    port.open()
    course.go_on.set()
    assert run.wait(60)
    port.close()
    assert [run.extraction(0, at).status for at in range(30)] == ["ok"] * 30


def test_stop_works_while_the_server_is_waited_for(port, course):
    run = course.start(port.port)
    assert course.begun.wait(60)
    port.close()
    assert course.away.wait(60)
    run.stop()
    assert run.wait(60)
    assert {run.extraction(0, at).status for at in range(30)} == {"ok", "Stopped"}


def test_a_server_that_stays_away_ends_its_column_and_tells(port, course):
    run = course.start(port.port)
    assert course.begun.wait(60)
    port.close()
    assert course.away.wait(60)
    course.go_on.set()
    assert run.wait(60)
    last = run.extraction(0, 29)
    assert last.status == "Unreachable"
    assert f"could not be reached for {AWAY_SECONDS:g} s" in last.failure.message
    assert "were not asked" in last.failure.message
