"""The plain text of a comparison: the verdict and a compact table, for terminals and diffs."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from llmwidgets import formatting
from llmwidgets.report.summary import LEADING, Row, Summary
from llmwidgets.visible import escape_controls

_LABEL = 36


def render(summary: Summary) -> str:
    """The verdict, a row a variant in groups, and the notes; no extracted value and no text."""
    scored = any(row.accuracy is not None for row in summary.rows)
    agreed = not scored and any(row.agreement is not None for row in summary.rows)
    head = ["", "variant"]
    head += [name.lower() for name in LEADING] if any(row.leading for row in summary.rows) else []
    head += ["% right", "95 %", "of replies", "loses"] if scored else []
    head += [f"worse by{summary.worse.partition(' by')[2]}"] if summary.worse else []
    head += ["% the same"] if agreed else []
    head += ["valid", "p50 / p95 s", "$ per 1,000"]
    ranked = summary.ranked
    first, *rows = _table([head, *(_cells(row, summary, scored, agreed) for row in ranked)])
    verdict = [summary.headline, *([summary.details] if summary.details else [])]
    lines = [*verdict, "", first, *_grouped(ranked, rows)]
    if summary.differing:
        lines.append("")
        lines.append(f"{summary.differing} rows differ; .differences() shows them.")
    return escape_controls("\n".join([*lines, *summary.notes, summary.footer]))


def _grouped(rows: Sequence[Row], lines: Sequence[str]) -> Iterator[str]:
    """The lines, each group under its name, and under each line what failed."""
    group = ""
    for row, line in zip(rows, lines, strict=True):
        if row.told.group != group:
            group = row.told.group
            yield f"-- {group}"
        yield line
        failed = formatting.failures(row.failures) if row.failures else ""
        late = row.late and f"{row.late}, in no p50 and p95"
        if under := "; ".join(filter(None, [failed, row.told.unanswered, late])):
            yield f"   {under}"


def _cells(row: Row, summary: Summary, scored: bool, agreed: bool) -> list[str]:
    told = row.told
    cells = [row.letter, formatting.shorten(row.label, _LABEL)]
    if told.recommended:
        cells[1] += " (recommended)"
    cells += map(formatting.percent, row.leading)
    if scored:
        cells += [formatting.percent(row.accuracy), formatting.interval(row.low, row.high)]
        cells += [told.came or "–", told.loses or "–"]
    if summary.worse:
        cells.append(f"{told.worse}, {told.bound}" if told.bound else told.worse or "–")
    if agreed:
        cells.append(formatting.percent(row.agreement))
    return [
        *cells,
        f"{row.valid} of {row.asked}",
        _times(row),
        formatting.money(row.cost_per_1000),
    ]


def _times(row: Row) -> str:
    if row.p50_seconds is None:
        return formatting.UNKNOWN
    return f"{formatting.seconds(row.p50_seconds)} / {formatting.seconds(row.p95_seconds)}"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    return [
        "  ".join(
            cell.ljust(width) if at in (0, 1) else cell.rjust(width)
            for at, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    ]
