"""The plain text of a comparison: the verdict and a compact table, for terminals and diffs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from llmwidgets.formatting import escape_controls
from llmwidgets.report.view_model import ScoreRow, Summary, scoreboard_columns


def render(summary: Summary) -> str:
    """The verdict, one row per variant in groups, and the notes; no extracted value and no text."""
    ranked, columns = summary.ranked, scoreboard_columns(summary, "text")
    head = [name for name, _ in columns]
    first, *rows = _table([head, *([each.cell(row) for _, each in columns] for row in ranked)])
    verdict = [summary.headline, *([summary.details] if summary.details else [])]
    lines = [*verdict, "", first, *_grouped(ranked, rows)]
    if summary.differing:
        lines += ["", f"{summary.differing} rows differ; .differences() shows them."]
    return escape_controls("\n".join([*lines, *summary.notes, summary.footer]))


def _grouped(rows: Sequence[ScoreRow], lines: Sequence[str]) -> Iterator[str]:
    """The lines, each group under its name, and under each line what failed."""
    group = ""
    for row, line in zip(rows, lines, strict=True):
        if row.wording.group != group:
            group = row.wording.group
            yield f"-- {group}"
        yield line
        late = row.late and f"{row.late}, in no p50 and p95"
        if under := "; ".join(filter(None, [row.failed, row.wording.unanswered, late])):
            yield f"   {under}"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if at in (0, 1) else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
