"""The plain text of a comparison: the verdict and a compact table, for terminals and diffs."""

from __future__ import annotations

from collections.abc import Sequence

from llmwidgets.report import figures
from llmwidgets.report.summary import LEADING, Row, Summary
from llmwidgets.visible import visible

_LABEL = 36


def render(summary: Summary) -> str:
    """The sentence, a row a variant, and the notes; no extracted value and no text."""
    scored = any(row.accuracy is not None for row in summary.rows)
    agreed = not scored and any(row.agreement is not None for row in summary.rows)
    head = ["", "variant"]
    leading = [name.lower() for name in LEADING] if any(row.leading for row in summary.rows) else []
    head += [*leading, "% right", "95 %"] if scored else ["% the same"] if agreed else []
    head += ["valid", "p50 s", "p95 s", "$ per 1,000", "failures"]
    body = [_cells(row, scored, agreed) for row in summary.rows]
    lines = [summary.sentence, "", *_table([head, *body])]
    if summary.differing:
        lines.append("")
        lines.append(f"{summary.differing} rows differ; .differences() shows them.")
    return visible("\n".join([*lines, *summary.notes, summary.footer]))


def _cells(row: Row, scored: bool, agreed: bool) -> list[str]:
    share = [figures.percent(row.agreement)] if agreed else []
    if scored:
        share = [figures.percent(row.accuracy), figures.interval(row.low, row.high)]
    return [
        row.letter,
        figures.shorten(row.label, _LABEL),
        *map(figures.percent, row.leading),
        *share,
        f"{row.valid} of {row.asked}",
        figures.seconds(row.p50_seconds),
        figures.seconds(row.p95_seconds),
        figures.money(row.cost_per_1000),
        figures.failures(row.failures),
    ]


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if at in (0, 1, len(row) - 1) else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
