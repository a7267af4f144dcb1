"""The engine's loop: one thread, begun late, ended cleanly, cancelled by an interrupt."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import wait

import pytest

from llmwidgets.dialects.types import Call
from llmwidgets.engine import event_loop
from llmwidgets.engine.network import transport
from llmwidgets.errors import LLMWidgetsError


async def _name() -> str:
    await asyncio.sleep(0)
    return threading.current_thread().name


def test_everything_runs_on_one_daemon_thread():
    assert {event_loop.run_blocking(_name()) for _ in range(3)} == {"llmwidgets-engine"}
    mine = [each for each in threading.enumerate() if each.name == "llmwidgets-engine"]
    assert len(mine) == 1
    assert mine[0].daemon


def test_importing_starts_no_thread():
    code = (
        "import threading, llmwidgets.engine.event_loop;"
        "print([t.name for t in threading.enumerate()], 'aiohttp' in __import__('sys').modules)"
    )
    said = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert said.stdout.strip() == "['MainThread'] False"


def test_an_error_of_the_work_reaches_the_caller():
    async def fail() -> None:
        raise LookupError("gone")

    with pytest.raises(LookupError, match="gone"):
        event_loop.run_blocking(fail())


def test_an_interrupt_cancels_the_work():
    """KeyboardInterrupt in the waiting thread leaves nothing running on the loop."""
    ended = threading.Event()

    async def long() -> None:
        try:
            os.kill(os.getpid(), 2)
            await asyncio.sleep(60)
        finally:
            ended.set()

    with pytest.raises(KeyboardInterrupt):
        event_loop.run_blocking(long())

    assert ended.wait(5)


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_what_would_end_a_program_does_not_end_the_loop(error):
    async def end() -> None:
        raise error

    with pytest.raises(error):
        event_loop.submit_task(end()).result(10)
    assert event_loop.run_blocking(_name()) == "llmwidgets-engine"


def test_waiting_on_the_loop_for_itself_is_refused():
    async def outer() -> None:
        event_loop.run_blocking(_name())

    with pytest.raises(LLMWidgetsError, match="would wait for itself"):
        event_loop.run_blocking(outer())


def test_stop_cancels_closes_and_a_later_use_starts_afresh():
    closed: list[str] = []

    async def close() -> None:
        closed.append(threading.current_thread().name)

    async def long() -> None:
        await asyncio.sleep(60)

    event_loop.run_blocking(_name())
    event_loop.running_engine().closers.append(close)
    under_way = event_loop.submit_task(long())
    event_loop.stop_engine()
    assert closed == ["llmwidgets-engine"]
    assert under_way.cancelled()
    assert event_loop.run_blocking(_name()) == "llmwidgets-engine"


def test_many_threads_share_the_engine():
    found: list[str] = []
    threads = [
        threading.Thread(target=lambda: found.append(event_loop.run_blocking(_name())))
        for _ in range(20)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == ["llmwidgets-engine"] * 20


@pytest.mark.skipif(not hasattr(os, "fork"), reason="this system has no fork")
def test_a_fork_starts_a_fresh_engine():
    """The child's first use makes a thread of its own; the parent's goes on."""
    code = (
        "import os, asyncio\n"
        "from llmwidgets.engine import event_loop\n"
        "async def pid():\n    return os.getpid()\n"
        "assert event_loop.run_blocking(pid()) == os.getpid()\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    os._exit(0 if event_loop.run_blocking(pid()) == os.getpid() else 1)\n"
        "assert os.waitpid(child, 0)[1] == 0\n"
        "assert event_loop.run_blocking(pid()) == os.getpid()\n"
    )
    begun = time.monotonic()
    subprocess.run([sys.executable, "-c", code], check=True, timeout=30)
    assert time.monotonic() - begun < 30


def test_the_threshold_of_the_garbage_collector_is_as_before_once_the_last_block_ends():
    usual = gc.get_threshold()
    one, other = event_loop.collect_seldom(), event_loop.collect_seldom()
    one.__enter__()
    other.__enter__()
    assert gc.get_threshold()[0] > usual[0]
    one.__exit__(None, None, None)
    assert gc.get_threshold()[0] > usual[0]
    other.__exit__(None, None, None)
    assert gc.get_threshold() == usual


def test_whoever_turned_the_garbage_collector_off_keeps_it_off():
    usual = gc.get_threshold()
    gc.set_threshold(0)
    try:
        with event_loop.collect_seldom():
            assert gc.get_threshold()[0] == 0
        assert gc.get_threshold()[0] == 0
    finally:
        gc.set_threshold(*usual)


def test_a_call_that_a_thread_begins_while_the_engine_ends_leaves_nothing_open(far_end):
    """As one that exchanges a token does: the connection is closed, and no engine begun for it."""

    async def answer(_seen, wire) -> None:
        wire.answer({})

    call = Call("GET", far_end(answer).url)
    ending, ended = threading.Event(), []

    def late(loop: asyncio.AbstractEventLoop) -> None:
        assert ending.wait(10)
        ended.append(asyncio.run_coroutine_threadsafe(transport.send_call(call), loop))
        wait(ended, 10)

    async def work() -> None:
        try:
            await asyncio.to_thread(late, asyncio.get_running_loop())
        finally:
            ending.set()

    begun = event_loop.submit_task(work())
    event_loop.run_blocking(_name())
    event_loop.stop_engine()
    assert begun.cancelled()
    assert ended[0].done()
    assert event_loop._engine is None
    assert transport._transports == {}


@pytest.mark.parametrize("stuck", ["task", "thread"])
def test_work_that_does_not_end_keeps_no_connection_open(stuck):
    let, closed = threading.Event(), threading.Event()

    async def never() -> None:
        while stuck == "task" and not let.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(0.01)
        await asyncio.to_thread(let.wait, 30)

    async def close() -> None:
        closed.set()

    event_loop.submit_task(never())
    event_loop.run_blocking(_name())
    event_loop.running_engine().closers.append(close)
    event_loop.stop_engine()
    let.set()
    assert closed.is_set()


def test_an_engine_that_is_late_to_end_leaves_no_connection_open(far_end, monkeypatch):
    """As on a machine with much else to do: the loop comes round once the wait for it is over."""
    monkeypatch.setattr(event_loop, "_STOP_SECONDS", 1.2)
    stopping = threading.Event()

    async def answer(_seen, wire) -> None:
        wire.answer({})

    async def late() -> None:
        try:
            await asyncio.sleep(60)
        finally:
            assert stopping.wait(10)

    event_loop.run_blocking(transport.send_call(Call("GET", far_end(answer).url)))
    event_loop.submit_task(late())
    engine = event_loop.running_engine()
    threading.Timer(1.6, stopping.set).start()
    event_loop.stop_engine()
    assert transport._transports == {}
    assert engine.loop.is_closed()


LOOKS = """
import gc, sys
from llmwidgets.engine import event_loop

class Cycle:
    def __init__(self):
        self.itself = self
    def __del__(self):
        sys._current_frames()

async def nothing():
    pass

event_loop.submit_task(nothing()).result()
stuck = event_loop.StuckWait()
for left in range(40):
    # One of these many objects before the next collection, it begins within the look.
    gc.collect()
    for _ in range(gc.get_threshold()[0] - left):
        Cycle()
    stuck.refuse()
assert gc.isenabled()
print("looked")
"""


def test_no_garbage_is_collected_while_it_is_seen_where_the_engine_is():
    """What a finalizer does could wait for a lock that Python 3.11 holds then."""
    done = subprocess.run(
        [sys.executable, "-c", LOOKS], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.stdout == "looked\n", done.stderr
