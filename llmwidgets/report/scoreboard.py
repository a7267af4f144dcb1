"""The scoreboard: its rows and its columns, the fields that differ, and all as plain text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, fields
from functools import cache
from typing import Any, Literal

from llmwidgets import formatting
from llmwidgets.formatting import escape_controls

State = Literal["agree", "differ", "missing", "invented", "null in words", "failed"]

GLYPHS: dict[State, str] = {
    "agree": "=", "differ": "≠", "missing": "−", "invented": "+", "null in words": "∅",
    "failed": "!",
}  # fmt: skip
"""The mark of each state of a cell; it is enough without colour."""

LEGEND = "= agrees, ≠ differs, − missing, + invented, ∅ null in words, ! failed"


@dataclass(frozen=True, slots=True)
class Wording:
    """A variant's result in words; a text is empty if there is nothing to report.

    `rank` is its position in the scoreboard; `title` and `more`, which follows it, name its group.
    `came` is the percentage right of the replies that came, `lost` names the replies that were
    lost, `failed` the other calls that failed. `worse` is how much worse than the best it can be,
    `bound` what that means. `rows` counts the rows of lists that are wholly right, `other_rows`
    those that were invented or missed.
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
        return f"{self.title}{self.more}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What is known of one variant: the columns of the frame, in this order.

    Shares are 0–1, times seconds, money US dollars; None is unknown or not scored. `failures` has
    a count per class, each a column.
    """

    variant: str
    model: str = ""
    effort: str = ""
    mode: str = ""
    texts: int = 0
    scored: int = 0
    valid: float = 0.0
    accuracy: float | None = None
    accuracy_low: float | None = None
    accuracy_high: float | None = None
    perfect: float | None = None
    pooled: float | None = None
    invented: int = 0
    missed: int = 0
    nulls_in_words: int = 0
    rows_right: float | None = None
    rows_invented: int = 0
    rows_missed: int = 0
    failures: Mapping[str, int] = field(default_factory=dict)
    p50_seconds: float | None = None
    p95_seconds: float | None = None
    input_tokens: int | None = None
    output_tokens: int | None = None
    reasoning_tokens: int | None = None
    cost: float | None = None
    paid_now: float | None = None
    cost_per_1000: float | None = None
    p50_waiting_seconds: float | None = None
    precision: float | None = None
    recall: float | None = None
    f1: float | None = None
    lost: int = 0
    loss_low: float | None = None
    loss_high: float | None = None
    answered_accuracy: float | None = None
    unanswered: int = 0
    accuracy_if_wrong: float | None = None
    timed_out: int = 0
    stability: float | None = None

    def by_column(self) -> dict[str, Any]:
        columns: dict[str, Any] = {}
        for each in fields(Figures):
            value = getattr(self, each.name)
            columns |= value if each.name == "failures" else {each.name: value}
        return columns

    @staticmethod
    @cache
    def numbers() -> frozenset[str]:
        """The columns that may hold fractions, or a number that is unknown."""
        return frozenset(
            each.name
            for each in fields(Figures)
            if each.name != "failures" and str(each.type) not in ("int", "str")
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreRow(Figures):
    """One variant of the scoreboard, with what the views show besides its figures.

    `schema` says how the schema by which it was asked differs from the comparison's.
    """

    letter: str
    schema: str = ""
    asked: int = 0
    valid_replies: int = 0
    agreement: float | None = None
    wording: Wording = field(default_factory=Wording)

    @property
    def failed(self) -> str:
        """The failures that happened, with their counts; empty if there were none."""
        return formatting.failures(self.failures)

    @property
    def late(self) -> str:
        """How many calls took too long, which no quantile of the others' time shows."""
        return f"{self.timed_out:,} timed out" if self.timed_out else ""


@dataclass(frozen=True, slots=True)
class Cell:
    """What one variant gives for one field; `value` is None unless values were asked for."""

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
    """A comparison at a glance. `lines` are the first of `differing` lines.

    `rows` are in the order of their letters. `worse` heads the column that says how much worse
    than the best each can be; empty if nothing is compared. `causes` are why calls brought nothing,
    and what to do. `sparse` says that most fields are
    empty, so that precision, recall and F1 tell most; `values` that extracted values and truth may
    be shown.
    """

    headline: str
    rows: tuple[ScoreRow, ...]
    lines: tuple[Line, ...]
    differing: int
    values: bool
    notes: tuple[str, ...]
    footer: str
    details: str = ""
    worse: str = ""
    causes: tuple[str, ...] = ()
    sparse: bool = False

    @property
    def ranked(self) -> tuple[ScoreRow, ...]:
        """The rows as the scoreboard shows them: best group first."""
        return tuple(sorted(self.rows, key=lambda row: row.wording.rank))


View = Literal["page", "text", "terminal"]


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the scoreboard: what it shows of a row, and its head in each view that has it.

    `page` is static HTML, `text` plain text with one line per variant, `terminal` a table whose
    cells have several lines; a view without a head leaves the column out. In a terminal, `width`
    is fixed and `least` the smallest it may become.
    """

    cell: Callable[[ScoreRow], str]
    page: str | None = None
    text: str | None = None
    terminal: str | None = None
    right: bool = True
    width: int | None = None
    least: int | None = None
    shown: bool = True


def scoreboard_columns(summary: Summary, view: View) -> list[tuple[str, Column]]:
    """The columns that a view shows, each with its head; a new column is one entry in the list."""
    columns = [each for each in _list_columns(summary) if each.shown]
    return [(head, each) for each in columns if (head := getattr(each, view)) is not None]


BUDGETS: dict[View, int] = {"text": 140, "terminal": 80}
"""How many characters wide the columns may be together; precision, recall and F1 add 26 to a text.

Both are full, and so are the 1,000 pixels of a panel: what is new is a line of another cell. In
plain text that is a line under the variant's (`_list_under`). A page scrolls.
"""


def _list_columns(summary: Summary) -> tuple[Column, ...]:
    rows, sparse, worse = summary.rows, summary.sparse, summary.worse
    scored = any(row.accuracy is not None for row in rows)
    agreed = not scored and any(row.agreement is not None for row in rows)
    lists = any(row.wording.rows for row in rows)
    paid = any(row.paid_now is not None for row in rows)
    came, same = "Of the replies that came", "% the same as the others"
    return (
        Column(_name(120), page="Variant", right=False),
        Column(_name(60), terminal="Variant", right=False, least=14),
        Column(lambda row: row.letter, text="", right=False),
        Column(_name_in_line, text="variant", right=False),
        Column(_percent("precision"), page="Precision, %", text="precision", shown=sparse),
        Column(_percent("recall"), page="Recall, %", text="recall", shown=sparse),
        Column(_percent("f1"), page="F1, %", text="f1", shown=sparse),
        Column(_of_values, terminal="Precision, recall, F1", width=10, shown=sparse),
        Column(_percent("accuracy"), page="% of fields right", text="% right", shown=scored),
        Column(_interval, page="95 % interval", text="95 %", shown=scored),
        Column(_right_in_lines, terminal="% right, 95 %", width=10, shown=scored),
        Column(lambda row: row.wording.came or "–", page=came, text="of replies", shown=scored),
        Column(_loses, page="Replies lost", right=False, shown=scored),
        Column(lambda row: row.wording.loses or "–", text="replies lost", shown=scored),
        Column(_loses_in_lines, terminal="Replies lost", right=False, width=LOSES, shown=scored),
        Column(_rows_of_lists, page="Rows of lists wholly right", shown=lists),
        Column(_worse(" ({})"), page=worse, shown=bool(worse)),
        Column(_worse(", {}"), text=f"worse by{worse.partition(' by')[2]}", shown=bool(worse)),
        Column(_worse("\n{}"), terminal=worse, width=10 if sparse else 12, shown=bool(worse)),
        Column(_percent("agreement"), page=same, text="% the same", shown=agreed),
        Column(_valid_and_failed if scored else _valid, page="Valid", right=False),
        Column(_valid, text="valid", terminal=None if sparse else "Valid", width=8),
        Column(_failed, page="Failures", right=False, shown=not scored),
        Column(_times, page="p50 / p95", right=False),
        Column(_both_times, text="p50 / p95 s"),
        Column(_median, terminal="p50 s", width=5),
        Column(_tokens, page="Tokens in / out", right=False),
        Column(_money("cost_per_1000"), page="$ per 1,000 texts", right=False),
        Column(_money("cost_per_1000"), text="$ per 1,000", terminal="$/1,000", width=7),
        Column(_money("paid_now"), page="$ paid now", right=False, shown=paid),
        Column(_failed_or_late, terminal="Failures", right=False, shown=not scored),
    )


LOSES = 10
"""How wide a terminal's column of losses is at least."""
_PERCENT = "\u00a0%"
"""A per cent sign that is never alone on a line."""


def _percent(name: str) -> Callable[[ScoreRow], str]:
    return lambda row: formatting.percent(getattr(row, name))


def _money(name: str) -> Callable[[ScoreRow], str]:
    return lambda row: formatting.money(getattr(row, name))


def _worse(bound: str) -> Callable[[ScoreRow], str]:
    def cell(row: ScoreRow) -> str:
        words = row.wording
        return (words.worse + bound.format(words.bound)) if words.bound else words.worse or "–"

    return cell


def _name(most: int) -> Callable[[ScoreRow], str]:
    def cell(row: ScoreRow) -> str:
        name = f"{row.letter} {formatting.shorten(row.variant, most)}"
        mark = "✓ recommended" if row.wording.recommended else ""
        return "\n".join(filter(None, (name, mark, row.schema)))

    return cell


def _name_in_line(row: ScoreRow) -> str:
    mark = " (recommended)" if row.wording.recommended else ""
    return f"{formatting.shorten(row.variant, 36)}{mark}"


def _of_values(row: ScoreRow) -> str:
    return "\n".join(map(formatting.percent, (row.precision, row.recall, row.f1)))


def _right_in_lines(row: ScoreRow) -> str:
    return f"{formatting.percent(row.accuracy)}\n{_interval(row)}"


def _interval(row: ScoreRow) -> str:
    return formatting.interval(row.accuracy_low, row.accuracy_high)


def _loses(row: ScoreRow) -> str:
    words = row.wording
    how = f": {words.lost}" if words.lost else ""
    more = f";\n{words.unanswered}" if words.unanswered else ""
    return f"{words.loses.replace(' %', _PERCENT)}{how}{more}" or "–"


def _loses_in_lines(row: ScoreRow) -> str:
    """What was lost, what the replies that came are worth, and the calls without an answer."""
    words = row.wording
    came = f"{words.came} of the rest right" if words.lost and words.came else ""
    lines = (words.loses, words.lost, came, words.unanswered, words.failed, row.late)
    return "\n".join(filter(None, lines))


def _rows_of_lists(row: ScoreRow) -> str:
    other = f" ({row.wording.other_rows})" if row.wording.other_rows else ""
    return f"{row.wording.rows}{other}" or "–"


def _valid(row: ScoreRow) -> str:
    return f"{row.valid_replies} of {row.asked}"


def _valid_and_failed(row: ScoreRow) -> str:
    return _joined(_valid(row), row.wording.failed)


def _failed(row: ScoreRow) -> str:
    return row.failed or "none"


def _failed_or_late(row: ScoreRow) -> str:
    return _joined(_failed(row), row.late)


def _tokens(row: ScoreRow) -> str:
    return " / ".join(map(formatting.format_thousands, (row.input_tokens, row.output_tokens)))


def _median(row: ScoreRow) -> str:
    return "–" if row.p50_seconds is None else formatting.seconds(row.p50_seconds)


def _both_times(row: ScoreRow) -> str:
    if row.p50_seconds is None:
        return formatting.UNKNOWN
    return f"{formatting.seconds(row.p50_seconds)} / {formatting.seconds(row.p95_seconds)}"


def _times(row: ScoreRow) -> str:
    times = "" if row.p50_seconds is None else f"{_both_times(row)} s"
    return _joined(times, row.late) or formatting.UNKNOWN


def _joined(*words: str) -> str:
    return "; ".join(filter(None, words))


# -- as plain text, for terminals and diffs --------------------------------------------------------


def render_text(summary: Summary) -> str:
    """The verdict, one row per variant in groups, and the notes; no extracted value and no text."""
    ranked, columns = summary.ranked, scoreboard_columns(summary, "text")
    head = [name for name, _ in columns]
    first, *rows = _table([head, *([each.cell(row) for _, each in columns] for row in ranked)])
    verdict = [summary.headline, *([summary.details] if summary.details else [])]
    lines = [*verdict, "", first, *_grouped(ranked, rows), *summary.causes]
    if summary.differing:
        differing = formatting.count(summary.differing, "row differs", "rows differ")
        them = "it" if summary.differing == 1 else "them"
        lines += ["", f"{differing}; .differences() shows {them}."]
    return escape_controls("\n".join([*lines, *summary.notes, summary.footer]))


def _grouped(rows: Sequence[ScoreRow], lines: Sequence[str]) -> Iterator[str]:
    """The lines, each group under its name, and under each line what failed."""
    group = ""
    for row, line in zip(rows, lines, strict=True):
        if row.wording.group != group:
            group = row.wording.group
            yield f"-- {group}"
        yield line
        if under := _joined(*_list_under(row)):
            yield f"   {under}"


def _list_under(row: ScoreRow) -> tuple[str, ...]:
    """What plain text has no column for; what is empty is left out."""
    return (
        row.schema,
        row.failed,
        row.wording.unanswered,
        row.late and f"{row.late}, in no p50 and p95",
    )


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if at in (0, 1) else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
