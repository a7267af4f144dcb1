"""Summary: the plain values that the static HTML and the plain text of a comparison show."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

State = Literal["agree", "differ", "missing", "invented", "null in words", "failed"]

GLYPHS: dict[State, str] = {
    "agree": "=",
    "differ": "≠",
    "missing": "−",
    "invented": "+",
    "null in words": "∅",
    "failed": "!",
}
"""The mark of each state of a cell; it is enough without colour."""

LEGEND = "= agrees, ≠ differs, − missing, + invented, ∅ null in words, ! failed"


LEADING = ("Precision", "Recall", "F1")
"""Of the fields that hold a value, in percent: shown first where most fields hold none."""


@dataclass(frozen=True, slots=True)
class Told:
    """What is said of one variant beside its share right, in words; empty says nothing.

    `rank` is its place in the scoreboard; `title` and `more`, which follows it, name its group.
    `came` is the percentage right of the replies that came, `lost` says which replies were lost,
    `failed` which other calls failed. `worse` is how much worse than the best it can be, `bound`
    what that means. `rows` says how many rows of lists are wholly right, `other_rows` how many were
    invented or missed.
    """

    rank: int = 0
    title: str = ""
    more: str = ""
    recommended: bool = False
    came: str = ""
    loses: str = ""
    lost: str = ""
    failed: str = ""
    unanswered: str = ""
    worse: str = ""
    bound: str = ""
    rows: str = ""
    other_rows: str = ""

    @property
    def group(self) -> str:
        """The name of its group."""
        return f"{self.title}{self.more}"


@dataclass(frozen=True, slots=True)
class Row:
    """One variant of the scoreboard. Shares are 0–1, times seconds, money US dollars.

    None is unknown, or, for the accuracy, not scored. `agreement` is the share of values that the
    variant and the others have in common, where nothing is scored. `leading` has the figures of
    `LEADING`, where they tell more than the accuracy.
    """

    letter: str
    label: str
    asked: int
    valid: int
    failures: tuple[tuple[str, int], ...]
    accuracy: float | None
    low: float | None
    high: float | None
    p50_seconds: float | None
    p95_seconds: float | None
    cost_per_1000: float | None
    agreement: float | None = None
    leading: tuple[float | None, ...] = ()
    input_tokens: int | None = None
    output_tokens: int | None = None
    timed_out: int = 0
    paid_now: float | None = None
    told: Told = Told()

    @property
    def late(self) -> str:
        """How many calls took too long, which no quantile of the others' time shows."""
        return f"{self.timed_out:,} timed out" if self.timed_out else ""


@dataclass(frozen=True, slots=True)
class Cell:
    """What one variant says for one field; `value` is None unless values were asked for."""

    state: State
    value: str | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class Line:
    """One field of one text where the variants disagree, or differ from the truth."""

    text_id: str
    field: str
    truth: str | None
    cells: tuple[Cell, ...]


@dataclass(frozen=True, slots=True)
class Summary:
    """What a comparison says at a glance. `lines` are the first of `differing` lines.

    `rows` stand in the order of their letters. `worse` heads the column that says how much worse
    than the best each can be; empty where nothing is compared. `values` tells whether extracted
    values and truth may be shown.
    """

    headline: str
    rows: tuple[Row, ...]
    lines: tuple[Line, ...]
    differing: int
    values: bool
    notes: tuple[str, ...]
    footer: str
    details: str = ""
    worse: str = ""

    @property
    def ranked(self) -> tuple[Row, ...]:
        """The rows as the scoreboard has them: best group first."""
        return tuple(sorted(self.rows, key=lambda row: row.told.rank))
