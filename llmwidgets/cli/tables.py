"""Tables for a terminal: the scoreboard, slices, changes since a run, one text side by side."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from llmwidgets import formatting
from llmwidgets.analysis.statistics.changes import ChangeVerdict
from llmwidgets.cli import print_text
from llmwidgets.comparison import Comparison
from llmwidgets.comparison.measures.kept_scores import VariantValue
from llmwidgets.comparison.measures.text_result import read_text_result
from llmwidgets.comparison.summary import summarize, value_text
from llmwidgets.formatting import escape_controls, percent
from llmwidgets.report.scoreboard import GLYPHS, LEGEND, LOSES, Column, scoreboard_columns

if TYPE_CHECKING:
    from llmwidgets.report.scoreboard import Summary

_STYLES = {
    "agree": "dim", "differ": "yellow", "missing": "italic", "invented": "magenta",
    "null in words": "magenta italic", "failed": "red",
}  # fmt: skip


def scoreboard_table(console: Console, comparison: Comparison, told: Sequence[str] = ()) -> None:
    """One row per variant under the name of its group, then the verdict.

    `told` are causes of failures that are said elsewhere.
    """
    shown = summarize(comparison)
    columns = _fit_columns(shown, console.width)
    console.print(Text("Scoreboard", style="italic"))
    for at, (group, rows) in enumerate(groupby(shown.ranked, key=lambda row: row.wording.group)):
        if group and at:
            console.print(Text(group, style="bold"))
        table = _table(group if group and not at else "")
        table.show_header = not at
        for head, column in columns:
            table.add_column(
                head, justify="right" if column.right else "left", width=column.width,
                min_width=column.least, overflow="fold",
            )  # fmt: skip
        for row in rows:
            table.add_row(*(Text(escape_controls(column.cell(row))) for _, column in columns))
        console.print(table)
    for cause in shown.causes:
        if cause not in told:
            print_text(console, cause)
    console.print(Text(escape_controls(shown.headline), style="bold"))
    for more in (shown.details, *shown.notes, shown.footer):
        if more:
            console.print(Text(escape_controls(more), style="" if more is shown.details else "dim"))


def slices_table(console: Console, comparison: Comparison, by: str) -> None:
    """One row per variant for each slice of the texts, and what to know of slices."""
    frame = comparison.scoreboard(by=by)
    table = _table(f"By {by}")
    table.add_column(by, overflow="fold", max_width=24)
    table.add_column("Variant", overflow="fold")
    for head in ("% right", "95 %", "Scored", "Lost", "Valid, %"):
        table.add_column(head, justify="right", no_wrap=True)
    last = None
    for row in frame.astype(object).where(frame.notna(), None).to_dict("records"):
        name = str(row[frame.columns[0]])
        cells = (
            "" if name == last else name,
            row["variant"],
            formatting.percent(row["accuracy"]),
            formatting.interval(row["accuracy_low"], row["accuracy_high"]),
            f"{row['scored']} of {row['texts']}",
            str(row["lost"]),
            formatting.percent(row["valid"]),
        )
        table.add_row(*(Text(escape_controls(cell)) for cell in cells))
        last = name
    console.print(table)
    for note in frame.attrs["notes"]:
        console.print(Text(escape_controls(note), style="dim"))


def changes_table(console: Console, verdict: ChangeVerdict) -> None:
    """One row per variant that both runs have, then the verdict."""
    then, now = verdict.days
    heads = (f"{then}, % right", f"{now}, % right", "Change in 100", "95 % interval")
    table = _table(f"Since {then}")
    table.add_column("", overflow="fold")
    for head in (*heads, "To wrong", "To right"):
        table.add_column(head, justify="right")
    for each in verdict.changes:
        known = each.low is not None and each.high is not None
        points = (
            "–" if each.change is None else formatting.signed_points(round(100 * each.change, 1))
        )
        ends = f"{_points(each.low)} to {_points(each.high)}" if known else "–"
        cells = (percent(each.before), percent(each.now), points, ends)
        table.add_row(
            Text(escape_controls(each.label)), *cells, f"{each.to_wrong:,}", f"{each.to_right:,}"
        )
    if verdict.changes:
        console.print(table)
    print_text(console, verdict.headline, "bold")
    print_text(console, verdict.details, "dim")


def _points(share: float | None) -> str:
    return formatting.signed_points(round(100 * (share or 0.0), 1))


def _fit_columns(shown: Summary, width: int) -> list[tuple[str, Column]]:
    """The columns; where variants are scored they are as wide in each group."""
    columns = scoreboard_columns(shown, "terminal")
    if not any(column.width == LOSES for _, column in columns if not column.right):
        return columns
    (head, name), *others = columns
    fixed = sum(2 + (column.width or 0) for _, column in others) + 2
    longest = max(len(line) for row in shown.rows for line in name.cell(row).split("\n"))
    first = max(name.least or 0, min(longest, width - fixed))
    spare = min(16, max(0, width - fixed - first))
    return [
        (head, replace(name, width=first)),
        *((each, column if column.right else replace(column, width=LOSES + spare))
          for each, column in others),
    ]  # fmt: skip


def _table(title: str) -> Table:
    return Table(
        title=title, title_justify="left", box=SIMPLE_HEAD, collapse_padding=True, pad_edge=False
    )


def side_by_side_table(console: Console, comparison: Comparison, at: int) -> None:
    """One text, field by field, with values: for texts that may be shown."""
    answers = read_text_result(comparison, at, 0)
    table = _table(formatting.shorten(f"Side by side: {answers.document.id}", 80))
    table.add_column("Field", overflow="ellipsis", no_wrap=True, min_width=20)
    table.add_column("Truth", overflow="ellipsis", no_wrap=True, max_width=16)
    for variant in range(len(comparison.variants)):
        table.add_column(
            formatting.variant_letter(variant), overflow="ellipsis", no_wrap=True, min_width=4
        )
    for field in answers.fields:
        truth = _plain(value_text(field.truth) or "none")
        table.add_row(_plain(field.path), truth, *map(_mark, field.values))
    console.print(table)
    letters = (
        f"{formatting.variant_letter(at)} {label}" for at, label in enumerate(comparison.labels)
    )
    console.print(Text(escape_controls(f"{', '.join(letters)}\n{LEGEND}"), style="dim"))


def _mark(given: VariantValue) -> Text:
    # Agreement is quiet: its value is in the same row, under Truth.
    value = formatting.format_count_words(given.failure)
    if given.state in ("differ", "invented", "null in words"):
        value = value_text(given.value) or "none"
    shown = f"{GLYPHS[given.state]} {value}"
    return Text(formatting.shorten(shown, 40), style=_STYLES[given.state])


def _plain(text: str) -> Text:
    return Text(formatting.shorten(text, 40))
