"""The engine's loop: one daemon thread with one event loop, begun on first use."""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import dis
import gc
import os
import sys
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import Future, wait
from dataclasses import dataclass
from functools import lru_cache
from types import CodeType, FrameType
from typing import Any, TypeVar

from llmwidgets.errors import FieldError, LLMWidgetsError

T = TypeVar("T")

_POLL_SECONDS = 0.5
_STOP_SECONDS = 5.0
_CANCEL_SECONDS = 0.05
STUCK_SECONDS = 5.0


class _Engine:
    """A thread that runs one event loop, and what has to be closed before the loop ends."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.closers: list[Callable[[], Awaitable[None]]] = []
        self.thread = threading.Thread(target=self._run, name="llmwidgets-engine", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        _own.engine = self
        asyncio.set_event_loop(self.loop)
        for work in (self.loop.run_forever, self._close):
            while True:
                # asyncio lets these two through a task and out of the loop, although nobody means
                # this thread by them: whoever waits for the task gets them, the others go on.
                with contextlib.suppress(KeyboardInterrupt, SystemExit):
                    work()
                    break

    def _close(self) -> None:
        """Close the connections, however little was ended of what was under way."""
        with contextlib.suppress(Exception):
            self.loop.run_until_complete(self._close_connections())

    async def _close_connections(self) -> None:
        async with asyncio.timeout(_STOP_SECONDS - 1):
            for close in self.closers:
                await close()
            await self.loop.shutdown_asyncgens()

    def stop(self) -> None:
        """Cancel what is under way, close the connections, end the thread."""
        if self.loop.is_closed():
            return
        with contextlib.suppress(Exception):
            asyncio.run_coroutine_threadsafe(self._wind_up(), self.loop).result(_STOP_SECONDS)
        self.loop.call_soon_threadsafe(self.loop.stop)
        self.thread.join(_STOP_SECONDS)
        if not self.thread.is_alive():
            self.loop.close()

    async def _wind_up(self) -> None:
        # A task or a thread that does not end keeps no connection open.
        ends = self.loop.time() + _STOP_SECONDS - 1
        await self._cancel_tasks(ends)
        # A thread that is still at work can begin a call here, which opens a connection.
        threads = asyncio.create_task(self.loop.shutdown_default_executor())
        while not threads.done() and self.loop.time() < ends:
            await asyncio.wait([threads], timeout=_CANCEL_SECONDS)
            await self._cancel_tasks(ends, threads)

    async def _cancel_tasks(self, ends: float, *kept: asyncio.Task[None]) -> None:
        tasks = asyncio.all_tasks() - {asyncio.current_task(), *kept}
        for task in tasks:
            task.cancel()
        ended = asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.wait([ended], timeout=max(0.0, ends - self.loop.time()))


_own = threading.local()
"""The engine whose thread this is; while it winds up it is not the running one any more."""
_engine: _Engine | None = None
_lock = threading.Lock()
_looking = threading.RLock()
_left_by_parents: list[_Engine] = []


def submit_task(work: Coroutine[Any, Any, T]) -> Future[T]:
    """Start the coroutine on the engine's loop and return at once; safe from any thread."""
    return asyncio.run_coroutine_threadsafe(work, running_engine().loop)


def refuse_await(name: str) -> None:
    """FieldError where the caller of the public function `name` awaits what it returns.

    A call that is awaited would fail only after everything was asked and paid.
    """
    caller = sys._getframe(1).f_back
    if caller is not None and _is_awaited(caller.f_code, caller.f_lasti):
        raise FieldError(
            f"{name} waits by itself until it has its result, so it cannot be awaited.",
            f"Leave await out: result = {name}(…). Nothing was called.",
        )


@lru_cache(maxsize=256)
def _is_awaited(code: CodeType, at: int) -> bool:
    """Whether what the instruction at this offset returns is awaited."""
    later = (each for each in dis.get_instructions(code) if each.offset > at)
    following = next(later, None)
    return following is not None and following.opname == "GET_AWAITABLE"


def run_blocking(work: Coroutine[Any, Any, T]) -> T:
    """Run the coroutine on the engine's loop and wait for its result.

    Whatever ends the wait (an interrupt of the kernel too) cancels the coroutine.
    """
    stuck = StuckWait()
    try:
        stuck.refuse()
    except LLMWidgetsError:
        work.close()
        raise
    tasks: list[asyncio.Task[Any] | None] = []
    given_up = threading.Event()

    async def watched() -> T:
        tasks.append(asyncio.current_task())
        if given_up.is_set():
            work.close()
            raise asyncio.CancelledError
        return await work

    # An interrupt can come between the start of the work and the return of its future.
    future = None
    try:
        future = submit_task(watched())
        while not future.done():
            # A wait without an end cannot be interrupted on Windows.
            wait([future], timeout=_POLL_SECONDS)
            stuck.refuse(begun=bool(tasks))
        return future.result()
    except BaseException:
        given_up.set()
        if future is not None:
            future.cancel()
        for task in tasks:
            if task is not None and not task.done():
                task.get_loop().call_soon_threadsafe(task.cancel)
        raise


@dataclass(slots=True)
class StuckWait:
    """Ends a wait that would never end: on the engine's own thread, or for work that never begins.

    The engine waits in its selector alone. If its thread is in a lock or a join for some seconds,
    a validator waits there for a thread which in turn asks a model.
    """

    _since: float | None = None

    def refuse(self, *, begun: bool = False) -> None:
        """Refuse to wait, or to wait on; on another thread only until the work has begun."""
        engine = _engine
        if engine is None:
            return
        if threading.current_thread() is not engine.thread:
            frame = None if begun else _frame_of(engine.thread)
            if frame is None or frame.f_code.co_filename != threading.__file__:
                self._since = None
                return
            self._since = self._since or time.monotonic()
            if time.monotonic() - self._since <= STUCK_SECONDS:
                return
        raise LLMWidgetsError(
            "A model cannot be asked from here: a validator, an observer or a rule of scoring runs"
            " while the engine waits for it, so the call would wait for itself.",
            "Ask in a separate call: compare first, then extract from its records.",
        )


def _frame_of(thread: threading.Thread) -> FrameType | None:
    """Where a thread is just now.

    Python 3.11 looks with a lock of its own held, which it also wants for threads that begin and
    end. Garbage that is collected meanwhile can wait for such a thread, and then all wait for ever.
    """
    with _looking:
        collects = gc.isenabled()
        try:
            gc.disable()
            return sys._current_frames().get(thread.ident or 0)
        finally:
            if collects:
                gc.enable()


def stop_engine() -> None:
    """End the engine; the next use starts a fresh one."""
    global _engine
    with _lock:
        engine, _engine = _engine, None
    if engine is not None:
        engine.stop()


def running_engine() -> _Engine:
    """The engine, begun on first use; on an engine's own thread that engine.

    Its `closers` are awaited on its loop before that ends.
    """
    global _engine
    own: _Engine | None = getattr(_own, "engine", None)
    if own is not None:
        return own
    with _lock:
        if _engine is None:
            _engine = _Engine()
        return _engine


def _forget_after_fork() -> None:
    # The parent's sockets and its selector are shared with this child: closing anything here
    # would close it there. The object is kept, so that nothing is collected either.
    global _engine, _lock, _looking, _own
    _lock, _looking, _own = threading.Lock(), threading.RLock(), threading.local()
    if _engine is not None:
        _left_by_parents.append(_engine)
        _engine = None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_forget_after_fork)
atexit.register(stop_engine)


# -- Garbage.

_MANY = 20_000
_thresholds: list[tuple[int, int, int]] = []
"""What counted as each block of `collect_seldom` began."""


@contextlib.contextmanager
def collect_seldom() -> Iterator[None]:
    """Let Python look for cycles less often while the block runs.

    Calls under way make and drop objects by the thousand, so that by the usual threshold all that
    the process keeps is looked through over and over: a fifth of the CPU of a run.
    """
    _thresholds.append(gc.get_threshold())
    young, *older = _thresholds[0]
    if 0 < young < _MANY:
        gc.set_threshold(_MANY, *older)
    try:
        yield
    finally:
        usual = _thresholds[0]
        _thresholds.pop()
        if not _thresholds:
            gc.set_threshold(*usual)
