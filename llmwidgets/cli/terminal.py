"""Tables for a terminal: the scoreboard, and one text side by side."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from llmwidgets.analysis.alignment import NOTHING
from llmwidgets.comparison.answers import answers_to
from llmwidgets.comparison.differences import Said
from llmwidgets.comparison.shown import summary
from llmwidgets.report import figures
from llmwidgets.report.summary import GLYPHS, LEADING, LEGEND
from llmwidgets.visible import visible

if TYPE_CHECKING:
    from llmwidgets.comparison import Comparison
    from llmwidgets.report.summary import Row

_STYLES = {
    "agree": "dim", "differ": "yellow", "missing": "italic", "invented": "magenta",
    "null in words": "magenta italic", "failed": "red",
}  # fmt: skip


def scoreboard(console: Console, comparison: Comparison) -> None:
    """The verdict and a row a variant."""
    shown = summary(comparison)
    scored = any(row.accuracy is not None for row in shown.rows)
    table = _table("Scoreboard")
    table.add_column("Variant", overflow="fold", min_width=16)
    if any(row.leading for row in shown.rows):
        for name in LEADING:
            table.add_column(name, justify="right", no_wrap=True)
    if scored:
        table.add_column("% right", justify="right")
        table.add_column("95 %", justify="right", no_wrap=True)
    for name in ("Valid", "p50 s", "$ / 1,000"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("Failures", overflow="fold")
    for row in shown.rows:
        table.add_row(*(Text(visible(cell)) for cell in _cells(row, scored)))
    console.print(table)
    console.print(Text(visible(shown.sentence), style="bold"))
    for note in (*shown.notes, shown.footer):
        console.print(Text(visible(note), style="dim"))


def _table(title: str) -> Table:
    return Table(
        title=title, title_justify="left", box=SIMPLE_HEAD, collapse_padding=True, pad_edge=False
    )


def _cells(row: Row, scored: bool) -> list[str]:
    share = [figures.percent(row.accuracy), figures.interval(row.low, row.high)] if scored else []
    return [
        f"{row.letter} {figures.shorten(row.label, 60)}",
        *map(figures.percent, row.leading),
        *share,
        f"{row.valid} of {row.asked}",
        figures.seconds(row.p50_seconds),
        figures.money(row.cost_per_1000),
        figures.failures(row.failures),
    ]


def side_by_side(console: Console, comparison: Comparison, at: int) -> None:
    """One text, field by field, with values: for texts that may be shown."""
    answers = answers_to(comparison, at, 0)
    statuses = [each.status for each in answers.extractions]
    table = _table(figures.shorten(f"Side by side: {answers.document.id}", 80))
    table.add_column("Field", overflow="ellipsis", no_wrap=True, min_width=20)
    table.add_column("Truth", overflow="ellipsis", no_wrap=True, max_width=16)
    for variant in range(len(comparison.variants)):
        table.add_column(figures.letter(variant), overflow="ellipsis", no_wrap=True, min_width=4)
    for field in answers.fields:
        cells = (_mark(said, status) for said, status in zip(field.said, statuses, strict=True))
        table.add_row(_plain(field.path), _plain(_spelled(field.truth)), *cells)
    console.print(table)
    letters = (f"{figures.letter(at)} {label}" for at, label in enumerate(comparison.labels))
    console.print(Text(visible(f"{', '.join(letters)}\n{LEGEND}"), style="dim"))


def _mark(said: Said, status: str) -> Text:
    value = ""  # Agreement is quiet: its value stands beside it, under Truth.
    if said.state == "failed":
        value = figures.words(status)
    elif said.state in ("differ", "invented", "null in words"):
        value = _spelled(said.value)
    shown = f"{GLYPHS[said.state]} {value}"
    return Text(figures.shorten(shown, 40), style=_STYLES[said.state])


def _spelled(value: object) -> str:
    if value is None or value is NOTHING:
        return "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _plain(text: str) -> Text:
    return Text(figures.shorten(text, 40))
