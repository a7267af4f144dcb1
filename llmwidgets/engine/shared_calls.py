"""Calls under way, shared: whoever asks the same question meanwhile waits for the same answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Hashable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, TypeVar
from weakref import WeakKeyDictionary, WeakSet

from llmwidgets.connections.connection import Connection

T = TypeVar("T")


@dataclass(slots=True, eq=False)
class _Call:
    """A call in a task of its own; `payer` counts its cost, None once that one has left."""

    task: asyncio.Task[Any]
    payer: object | None
    waiting: set[object] = field(default_factory=set)


class SharedCalls:
    """The calls of one event loop that are under way, by their question.

    A call goes on while anybody waits for it, whoever began it, and is forgotten as soon as its
    answer is taken. All of this happens on the loop, so nothing is locked.
    """

    def __init__(self) -> None:
        self._calls: dict[Hashable, _Call] = {}
        self._overlaps: dict[object, bool] = {}
        self._connections: WeakSet[Connection] = WeakSet()

    @contextmanager
    def take_part(self, asker: object) -> Iterator[None]:
        """Know of this asker while the block runs, so that `overlapped` can tell."""
        self._overlaps[asker] = False
        if len(self._overlaps) > 1:
            self._overlaps = dict.fromkeys(self._overlaps, True)
        try:
            yield
        finally:
            del self._overlaps[asker]

    def overlapped(self, asker: object) -> bool:
        """Whether others took part at any time since this asker did."""
        return self._overlaps.get(asker, False)

    def same_access(self, connection: Connection) -> Connection:
        """The first connection in use that sends the same secrets; this one if there is none."""
        alike = next((each for each in self._connections if _alike(each, connection)), connection)
        self._connections.add(alike)
        return alike

    async def join(
        self, question: Hashable, asker: object, ask: Callable[[], Coroutine[Any, Any, T]]
    ) -> tuple[T, bool]:
        """What the call brings, begun by `ask` if none is under way; whether it is ours to pay.

        An asker that puts one question twice at once wants two answers. What the call raises, all
        who wait raise. Whoever is cancelled leaves; the last one takes the call along.
        """
        key = question, 0
        while key in self._calls and asker in self._calls[key].waiting:
            key = question, key[1] + 1
        call = self._calls.get(key)
        if call is None:
            call = self._calls[key] = _Call(asyncio.create_task(ask()), asker)
        call.waiting.add(asker)
        try:
            answer: T = await asyncio.shield(call.task)
        except BaseException:
            call.payer = None if call.payer is asker else call.payer
            raise
        else:
            call.payer = call.payer or asker
            return answer, call.payer is asker
        finally:
            call.waiting.discard(asker)
            # Not before an answer is taken: whoever keeps it does so before anybody else's turn.
            if self._calls.get(key) is call and (call.task.done() or not call.waiting):
                del self._calls[key]
            if not call.waiting and call.task.cancel():
                await asyncio.gather(call.task, return_exceptions=True)


def _alike(one: Connection, other: Connection) -> bool:
    """Whether both send the same secrets in the same way."""
    mine, others = one.secrets, other.secrets
    return (
        (one.kind, one.fields.ca_bundle) == (other.kind, other.fields.ca_bundle)
        and [name for _, name, _ in mine] == [name for _, name, _ in others]
        and all(a.is_same_as(b) for (*_, a), (*_, b) in zip(mine, others, strict=True))
    )


_of_loops: WeakKeyDictionary[asyncio.AbstractEventLoop, SharedCalls] = WeakKeyDictionary()


def shared_calls() -> SharedCalls:
    """Those of the running loop; a fork and a new engine have a loop of their own."""
    return _of_loops.setdefault(asyncio.get_running_loop(), SharedCalls())
