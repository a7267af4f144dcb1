"""Tables for a terminal: the scoreboard, and one text side by side."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console
from rich.table import Table
from rich.text import Text

from llmwidgets.comparison.shown import summary
from llmwidgets.report import figures
from llmwidgets.report.summary import GLYPHS, LEGEND

if TYPE_CHECKING:
    from llmwidgets.comparison import Comparison
    from llmwidgets.report.summary import Cell, Row

_STYLES = {
    "agree": "dim", "differ": "yellow", "missing": "italic", "invented": "magenta", "failed": "red",
}  # fmt: skip


def scoreboard(console: Console, comparison: Comparison) -> None:
    """The verdict and a row a variant."""
    shown = summary(comparison)
    scored = any(row.accuracy is not None for row in shown.rows)
    table = Table(title="Scoreboard", title_justify="left")
    table.add_column("Variant", overflow="fold", min_width=12)
    if scored:
        table.add_column("% right", justify="right")
        table.add_column("95 %", justify="right", no_wrap=True)
    for name in ("Valid", "p50 s", "$ / 1,000"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("Failures", overflow="fold")
    for row in shown.rows:
        table.add_row(*(Text(cell) for cell in _cells(row, scored)))
    console.print(table)
    console.print(Text(shown.sentence, style="bold"))
    for note in (*shown.notes, shown.footer):
        console.print(Text(note, style="dim"))


def _cells(row: Row, scored: bool) -> list[str]:
    share = [figures.percent(row.accuracy), figures.interval(row.low, row.high)] if scored else []
    return [
        f"{row.letter} {figures.shorten(row.label, 60)}",
        *share,
        f"{row.valid} of {row.asked}",
        figures.seconds(row.p50_seconds),
        figures.money(row.cost_per_1000),
        figures.failures(row.failures),
    ]


def side_by_side(console: Console, comparison: Comparison, most: int) -> None:
    """The first fields where variants differ, with values: for texts that may be shown."""
    shown = summary(comparison, values=True)
    table = Table(title="Where they differ", title_justify="left", caption=LEGEND)
    table.add_column("Text", overflow="ellipsis", max_width=16, no_wrap=True)
    table.add_column("Field", overflow="ellipsis", max_width=22, no_wrap=True)
    table.add_column("Truth", overflow="ellipsis", max_width=18, no_wrap=True)
    for row in shown.rows:
        table.add_column(f"{row.letter} {row.label}", overflow="ellipsis", no_wrap=True)
    for line in shown.lines[:most]:
        truth = Text("none", style="italic") if line.truth is None else _plain(line.truth)
        cells = (_mark(cell) for cell in line.cells)
        table.add_row(_plain(line.text_id), _plain(line.field), truth, *cells)
    console.print(table)
    if shown.differing > most:
        console.print(Text(f"{most} of {shown.differing} rows that differ.", style="dim"))


def _mark(cell: Cell) -> Text:
    value = cell.value if cell.value is not None else cell.note
    return Text(
        figures.shorten(f"{GLYPHS[cell.state]} {value or ''}", 40), style=_STYLES[cell.state]
    )


def _plain(text: str) -> Text:
    return Text(figures.shorten(text, 40))
