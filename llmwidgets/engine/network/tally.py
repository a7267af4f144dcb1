"""Tally: what a check really sends, counted as it goes out. Questions, what they cost, hosts."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from llmwidgets.dialects.types import Call, HTTPResponse, Usage
from llmwidgets.errors import CallError, FailureCode, InvalidJSON
from llmwidgets.formatting import count
from llmwidgets.providers.urls import read_address


@dataclass(slots=True)
class Tally:
    """What was sent so far; `most` is how many questions may be asked.

    A question is what a model answers, also one that the server refused. `usages` are the models
    that answered, by their ids, and the tokens of each answer. `hosts` is everybody who was sent
    something, those who give tokens too.
    """

    most: int
    questions: int = 0
    usages: list[tuple[str, Usage]] = field(default_factory=list)
    hosts: dict[str, None] = field(default_factory=dict)


_tally: ContextVar[Tally | None] = ContextVar("_tally", default=None)


@contextmanager
def keep_tally(most: int) -> Iterator[Tally]:
    """Count what goes out while the block runs, in this task and those that it starts."""
    tally = Tally(most)
    token = _tally.set(tally)
    try:
        yield tally
    finally:
        _tally.reset(token)


def refuse_excess(model: str) -> None:
    """Raise InvalidJSON where all the questions have been asked that may be."""
    tally = _tally.get()
    if tally is not None and tally.questions >= tally.most:
        raise InvalidJSON(
            f"{model} was asked {count(tally.most, 'question')}, and no answer was as asked for.",
            "Look into the server's own log: it may be busy, or refuse what it is sent.",
        )


def count_sent(call: Call, outcome: HTTPResponse | CallError | None) -> None:
    """Note a call that reached its host, whatever came of it."""
    tally, reached = _tally.get(), outcome is not None
    if isinstance(outcome, CallError):
        reached = outcome.perhaps_answered or outcome.code == FailureCode.REDIRECT
    if tally is not None and reached:
        tally.hosts[read_address(call.url.partition("?")[0]).host] = None
        tally.questions += call.question


def count_usage(model: str, usage: Usage) -> None:
    """Note what an answer took."""
    tally = _tally.get()
    if tally is not None:
        tally.usages.append((model, usage))
