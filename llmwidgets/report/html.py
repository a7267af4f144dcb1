"""The static HTML of a comparison: plain tables, glyphs and words, everything escaped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from llmwidgets.report import figures, style
from llmwidgets.report.summary import GLYPHS, LEADING, LEGEND, Cell, Line, Row, Summary
from llmwidgets.visible import markup

LIMIT = 60_000
"""Most bytes of a fragment that stands in a notebook."""

_LONG = 120


def fragment(summary: Summary, *, limit: int = LIMIT) -> str:
    """The comparison as one element with its style, cut at whole rows to stay under `limit`."""
    text = _fragment(summary)
    while len(text.encode()) > limit and (summary.lines or summary.rows):
        if summary.lines:
            summary = replace(summary, lines=summary.lines[: len(summary.lines) // 2])
        else:
            summary = replace(summary, rows=summary.rows[: len(summary.rows) // 2])
        text = _fragment(summary)
    return text


def page(title: str, summary: Summary, sections: Sequence[tuple[str, str]] = ()) -> str:
    """A whole document that needs nothing from elsewhere; `sections` are (heading, HTML).

    They stand between the scoreboard and the disagreements, which can be long.
    """
    between = "".join(f"<h2>{markup(heading)}</h2>{body}" for heading, body in sections)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{markup(title)}</title><style>{style.PAGE}</style></head>"
        f"<body><h1>{markup(title)}</h1>{_fragment(summary, between)}</body></html>\n"
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """A plain table of texts; the columns in `right` stand at the right."""
    names = "".join(_cell("th", name, at in right) for at, name in enumerate(head))
    body = "".join(
        "<tr>" + "".join(_cell("td", text, at in right) for at, text in enumerate(row)) + "</tr>"
        for row in rows
    )
    return (
        f'<div class="lw-scroll"><table><thead><tr>{names}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def told(sentences: Sequence[str]) -> str:
    """A few sentences as one element with its style, the first one in bold."""
    first, *rest = sentences
    more = "".join(f"<p>{markup(each)}</p>" for each in rest)
    return (
        f'<div class="lw-static"><style>{style.FRAGMENT}</style>'
        f'<p class="lw-verdict"><b>{markup(first)}</b></p>{more}</div>'
    )


def folded(heading: str, text: str) -> str:
    """A longer text that opens on a click, its lines kept."""
    return f"<details><summary>{markup(heading)}</summary><pre>{markup(text)}</pre></details>"


def _cell(tag: str, text: str, right: bool) -> str:
    kind = ' class="lw-r"' if right else ""
    return f"<{tag}{kind}>{markup(text)}</{tag}>"


def _fragment(summary: Summary, between: str = "") -> str:
    notes = "".join(f'<p class="lw-meta">{markup(note)}</p>' for note in summary.notes)
    return (
        f'<div class="lw-static"><style>{style.FRAGMENT}</style>'
        f'<p class="lw-verdict"><b>{markup(summary.sentence)}</b></p>'
        f"{_scoreboard(summary.rows)}{between}{_lines(summary)}{notes}"
        f'<p class="lw-meta">{markup(summary.footer)}</p></div>'
    )


def _scoreboard(rows: Sequence[Row]) -> str:
    scored = any(row.accuracy is not None for row in rows)
    head = ["Variant"]
    agreed = not scored and any(row.agreement is not None for row in rows)
    leading = [f"{name}, %" for name in LEADING] if any(row.leading for row in rows) else []
    head += [*leading, "% of fields right", "95 % interval"] if scored else []
    head += ["% the same as the others"] if agreed else []
    head += ["Valid", "Failures", "p50 / p95", "$ per 1,000 texts"]
    body = []
    for row in rows:
        share = [figures.percent(row.accuracy), figures.interval(row.low, row.high)]
        body.append(
            [
                f"{row.letter} {figures.shorten(row.label, _LONG)}",
                *map(figures.percent, row.leading),
                *(share if scored else []),
                *([figures.percent(row.agreement)] if agreed else []),
                f"{row.valid} of {row.asked}",
                figures.failures(row.failures),
                _times(row),
                figures.money(row.cost_per_1000),
            ]
        )
    right = range(1, 3 + len(leading)) if scored else range(1, 2) if agreed else ()
    return table(head, body, right=right)


def _times(row: Row) -> str:
    if row.p50_seconds is None:
        return figures.UNKNOWN
    return f"{figures.seconds(row.p50_seconds)} / {figures.seconds(row.p95_seconds)} s"


def _lines(summary: Summary) -> str:
    if not summary.differing:
        return ""
    first = (
        f"the first {len(summary.lines)} of {summary.differing} rows"
        if len(summary.lines) < summary.differing
        else f"{summary.differing} rows"
    )
    truth = "<th>Truth</th>" if summary.values else ""
    names = "".join(
        f"<th>{markup(row.letter)} {markup(figures.shorten(row.label, 40))}</th>"
        for row in summary.rows
    )
    body = "".join(_line(line, summary.values) for line in summary.lines)
    return (
        f"<p><b>Disagreements</b>, {first} ({LEGEND})</p>"
        f'<div class="lw-scroll"><table><thead><tr><th>Text</th><th>Field</th>{truth}{names}</tr>'
        f"</thead><tbody>{body}</tbody></table></div>"
    )


def _line(line: Line, values: bool) -> str:
    truth = f"<td>{_value(line.truth)}</td>" if values else ""
    field = markup(figures.shorten(line.field, _LONG)) or "<i>all fields</i>"
    cells = "".join(_mark(cell, values) for cell in line.cells)
    name = markup(figures.shorten(line.text_id, _LONG))
    return f'<tr><td class="lw-n">{name}</td><td class="lw-m">{field}</td>{truth}{cells}</tr>'


def _mark(cell: Cell, values: bool) -> str:
    words = GLYPHS[cell.state]
    if cell.state == "null in words":
        words += " null in words"
    if values and cell.state in ("differ", "invented", "null in words"):
        words += f" <b>{_value(cell.value)}</b>"
    elif cell.state == "missing":
        words += " no value"
    if cell.note:
        words += f" {markup(cell.note)}" if cell.state == "failed" else f" ({markup(cell.note)})"
    return f'<td class="lw-{cell.state.partition(" ")[0]}">{words}</td>'


def _value(value: str | None) -> str:
    return "<i>none</i>" if value is None else markup(figures.shorten(value, _LONG))
