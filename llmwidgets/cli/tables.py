"""Tables for a terminal: the scoreboard, and one text side by side."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import groupby
from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from llmwidgets import formatting
from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.comparison.differences import VariantValue, read_text_result
from llmwidgets.comparison.view_model import summarize
from llmwidgets.report.summary import GLYPHS, LEGEND
from llmwidgets.visible import escape_controls

if TYPE_CHECKING:
    from llmwidgets.comparison import Comparison
    from llmwidgets.report.summary import Row, Summary


_LOSES = 10
_STYLES = {
    "agree": "dim", "differ": "yellow", "missing": "italic", "invented": "magenta",
    "null in words": "magenta italic", "failed": "red",
}  # fmt: skip


def scoreboard_table(console: Console, comparison: Comparison) -> None:
    """A row a variant under the name of its group, then the verdict."""
    shown = summarize(comparison)
    columns = _columns(shown, console.width)
    console.print(Text("Scoreboard", style="italic"))
    for at, (group, rows) in enumerate(groupby(shown.ranked, key=lambda row: row.told.group)):
        if group and at:
            console.print(Text(group, style="bold"))
        table = _table(group if group and not at else "")
        table.show_header = not at
        for column in columns:
            table.add_column(
                column.name, justify="right" if column.right else "left", width=column.width,
                min_width=column.least, overflow="fold",
            )  # fmt: skip
        for row in rows:
            table.add_row(*(Text(escape_controls(column.said(row))) for column in columns))
        console.print(table)
    console.print(Text(escape_controls(shown.headline), style="bold"))
    for more in (shown.details, *shown.notes, shown.footer):
        if more:
            console.print(Text(escape_controls(more), style="" if more is shown.details else "dim"))


@dataclass(frozen=True)
class _Column:
    """A column of the scoreboard: what it says of a row, and its width where that is fixed."""

    name: str
    said: Callable[[Row], str]
    right: bool = True
    width: int | None = None
    least: int | None = None


def _columns(shown: Summary, width: int) -> list[_Column]:
    """All columns; where variants are scored they are as wide in each group."""
    scored = any(row.accuracy is not None for row in shown.rows)
    found = [_Column("Variant", _name, right=False, least=14)]
    leading = any(row.leading for row in shown.rows)
    if leading:
        found.append(_Column("Precision, recall, F1", _leading, width=10))
    if scored:
        found.append(_Column("% right, 95 %", _right, width=10))
        found.append(_Column("Loses", _loses, right=False, width=_LOSES))
    if shown.worse:
        found.append(_Column(shown.worse, _worse, width=12))
    if not leading:
        found.append(_Column("Valid", lambda row: f"{row.valid} of {row.asked}", width=8))
    found += [
        _Column("p50 s", _median, width=5),
        _Column("$/1,000", lambda row: formatting.money(row.cost_per_1000), width=7),
    ]
    if not scored:
        return [*found, _Column("Failures", _failed, False)]
    fixed = sum(2 + (each.width or 0) for each in found)
    longest = max(max(map(len, _name(row).split("\n"))) for row in shown.rows)
    first = max(14, min(longest, width - fixed))
    spare = max(0, width - fixed - first)
    return [
        replace(each, width=first) if at == 0
        else replace(each, width=_LOSES + min(16, spare)) if each.name == "Loses"
        else each
        for at, each in enumerate(found)
    ]  # fmt: skip


def _table(title: str) -> Table:
    return Table(
        title=title, title_justify="left", box=SIMPLE_HEAD, collapse_padding=True, pad_edge=False
    )


def _name(row: Row) -> str:
    name = f"{row.letter} {formatting.shorten(row.label, 60)}"
    return f"{name}\n✓ recommended" if row.told.recommended else name


def _leading(row: Row) -> str:
    return "\n".join(map(formatting.percent, row.leading))


def _median(row: Row) -> str:
    return "–" if row.p50_seconds is None else formatting.seconds(row.p50_seconds)


def _right(row: Row) -> str:
    return f"{formatting.percent(row.accuracy)}\n{formatting.interval(row.low, row.high)}"


def _worse(row: Row) -> str:
    return f"{row.told.worse}\n{row.told.bound}".strip()


def _loses(row: Row) -> str:
    """What was lost, and what the replies that came are worth; and the calls without an answer."""
    told = row.told
    came = f"{told.came} of the rest right" if told.lost and told.came else ""
    return "\n".join(
        each
        for each in (told.loses, told.lost, came, told.unanswered, told.failed, row.late)
        if each
    )


def _failed(row: Row) -> str:
    failed = formatting.failures(row.failures)
    return f"{failed}; {row.late}" if row.late else failed


def side_by_side_table(console: Console, comparison: Comparison, at: int) -> None:
    """One text, field by field, with values: for texts that may be shown."""
    answers = read_text_result(comparison, at, 0)
    statuses = [each.status for each in answers.extractions]
    table = _table(formatting.shorten(f"Side by side: {answers.document.id}", 80))
    table.add_column("Field", overflow="ellipsis", no_wrap=True, min_width=20)
    table.add_column("Truth", overflow="ellipsis", no_wrap=True, max_width=16)
    for variant in range(len(comparison.variants)):
        table.add_column(
            formatting.variant_letter(variant), overflow="ellipsis", no_wrap=True, min_width=4
        )
    for field in answers.fields:
        cells = (_mark(said, status) for said, status in zip(field.said, statuses, strict=True))
        table.add_row(_plain(field.path), _plain(_spelled(field.truth)), *cells)
    console.print(table)
    letters = (
        f"{formatting.variant_letter(at)} {label}" for at, label in enumerate(comparison.labels)
    )
    console.print(Text(escape_controls(f"{', '.join(letters)}\n{LEGEND}"), style="dim"))


def _mark(said: VariantValue, status: str) -> Text:
    value = ""  # Agreement is quiet: its value stands beside it, under Truth.
    if said.state == "failed":
        value = formatting.format_count_words(status)
    elif said.state in ("differ", "invented", "null in words"):
        value = _spelled(said.value)
    shown = f"{GLYPHS[said.state]} {value}"
    return Text(formatting.shorten(shown, 40), style=_STYLES[said.state])


def _spelled(value: object) -> str:
    if value is None or value is NOTHING:
        return "none"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _plain(text: str) -> Text:
    return Text(formatting.shorten(text, 40))
