"""How far a run is: what each variant is doing, and what an observer hears."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import NamedTuple

from llmwidgets.errors import FAILURES, Failure, ReplyError
from llmwidgets.formatting import count


class VariantState(StrEnum):
    """What one variant of a run is doing."""

    WAITING = "waiting"
    """For its turn: nothing was asked yet."""
    PROBING = "probing"
    """It finds out what the server enforces."""
    ASKING = "asking"
    LIMITED = "limited"
    """The server limits the rate, so all calls wait."""
    AWAY = "away"
    """The server does not answer any more, and is looked for."""
    DONE = "done"
    STOPPED = "stopped"
    NO_WORKERS = "no workers"
    """A cluster has none for now."""


@dataclass(frozen=True, slots=True)
class VariantProgress:
    """One variant at one moment. Costs in US dollars, None if a price is unknown.

    `failures` counts by class; `reused` of `done` were paid before. `at_once` calls can run now;
    `seconds_left` is how long a variant still waits that is limited or away.
    """

    label: str
    total: int
    done: int
    failures: dict[str, int]
    reused: int
    median_seconds: float | None
    cost: float | None
    paid_before: float
    state: VariantState
    finished: bool
    at_once: int = 0
    seconds_left: int = 0

    @property
    def replies(self) -> int:
        """How many of `done` the model replied to, whatever the reply is worth."""
        silent = (
            times
            for name, times in self.failures.items()
            if not issubclass(FAILURES.get(name, Failure), ReplyError)
        )
        return self.done - sum(silent)


class CellPosition(NamedTuple):
    """One extraction of a run: variant, text and repeat, each counted from 0."""

    column: int
    text: int
    repeat: int


@dataclass(frozen=True, slots=True)
class ProgressEvent:
    """What an observer hears: every variant, the cells that ended since, whether all is over."""

    progress: tuple[VariantProgress, ...]
    ended: tuple[CellPosition, ...]
    finished: bool


Observer = Callable[[ProgressEvent], None]
"""Called on the engine's thread, about 20 times a second; must return soon."""


def describe_form(
    label: str, done: int, *, broken: int, fenced: int, relabelled: bool
) -> list[str]:
    """What a variant's replies showed of how far its server holds them to a form, in sentences.

    Of `done` replies, `broken` and `fenced` are how many kept to no form; `relabelled` says whether
    that changed the mode of the variant.
    """
    notes = []
    if relabelled:
        some = f"{broken:,} of {count(done, 'reply', 'replies')}" if broken else "Earlier replies"
        notes.append(
            f"{label}: {some} did not keep to the schema that was sent, so the column is JSON"
            " only, not schema enforced."
        )
    if fenced:
        were = "reply was" if fenced == 1 else "replies were"
        notes.append(
            f"{label}: {fenced:,} of {done:,} {were} prose around one fenced block, and only the"
            " block was read: the server holds answers to no form (text only)."
        )
    return notes
