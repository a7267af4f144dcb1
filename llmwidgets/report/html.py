"""The static HTML of a comparison: plain tables, glyphs and words, everything escaped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from llmwidgets import formatting
from llmwidgets.report import style
from llmwidgets.report.summary import GLYPHS, LEADING, LEGEND, Cell, Line, Row, Summary
from llmwidgets.visible import markup

LIMIT = 60_000
"""Most bytes of a fragment that stands in a notebook."""

_LONG = 120
_WHOLE = "\u00a0%"
"""A per cent sign that never stands alone on a line."""


def fragment(summary: Summary, *, limit: int = LIMIT) -> str:
    """The comparison as one element with its style, cut at whole rows to stay under `limit`."""
    text = _fragment(summary)
    while len(text.encode()) > limit and (summary.lines or summary.rows):
        if summary.lines:
            summary = replace(summary, lines=summary.lines[: len(summary.lines) // 2])
        else:
            summary = replace(summary, rows=summary.ranked[: len(summary.rows) // 2])
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
    details = f'<p class="lw-details">{markup(summary.details)}</p>' if summary.details else ""
    return (
        f'<div class="lw-static"><style>{style.FRAGMENT}</style>'
        f'<p class="lw-verdict"><b>{markup(summary.headline)}</b></p>{details}'
        f"{_scoreboard(summary)}{between}{_lines(summary)}{notes}"
        f'<p class="lw-meta">{markup(summary.footer)}</p></div>'
    )


def _scoreboard(summary: Summary) -> str:
    """A row a variant, under the name of its group; every figure in words."""
    columns = _columns(summary)
    head = "".join(_cell("th", name, right) for name, right, _ in columns)
    body = []
    group = ""
    for row in summary.ranked:
        if row.told.group != group:
            group = row.told.group
            words = f"<b>{markup(row.told.title)}</b>{markup(row.told.more)}"
            body.append(f'<tr><th class="lw-group" colspan="{len(columns)}">{words}</th></tr>')
        kind = ' class="lw-rec"' if row.told.recommended else ""
        cells = "".join(_cell("td", said(row), right) for _, right, said in columns)
        body.append(f"<tr{kind}>{cells}</tr>")
    return (
        f'<div class="lw-scroll"><table class="lw-board"><thead><tr>{head}</tr></thead>'
        f"<tbody>{''.join(body)}</tbody></table></div>"
    )


def _columns(summary: Summary) -> list[tuple[str, bool, Callable[[Row], str]]]:
    """Each column's name, whether it stands at the right, and what it says of a row."""
    scored = any(row.accuracy is not None for row in summary.rows)
    agreed = not scored and any(row.agreement is not None for row in summary.rows)
    found: list[tuple[str, bool, Callable[[Row], str]]] = [("Variant", False, _name)]
    if any(row.leading for row in summary.rows):
        found += [(f"{name}, %", True, _leading(at)) for at, name in enumerate(LEADING)]
    if scored:
        found += [
            ("% of fields right", True, lambda row: formatting.percent(row.accuracy)),
            ("95 % interval", True, lambda row: formatting.interval(row.low, row.high)),
            ("Of the replies that came", True, lambda row: row.told.came or "–"),
            ("Loses", False, _loses),
        ]
    if any(row.told.rows for row in summary.rows):
        found.append(("Rows of lists wholly right", True, _rows))
    if summary.worse:
        found.append((summary.worse, True, _worse))
    if agreed:
        found.append(
            ("% the same as the others", True, lambda row: formatting.percent(row.agreement))
        )
    paid = any(row.paid_now is not None for row in summary.rows)
    valid = _valid if scored else lambda row: f"{row.valid} of {row.asked}"
    found.append(("Valid", False, valid))
    if not scored:
        found.append(("Failures", False, lambda row: formatting.failures(row.failures)))
    return [
        *found,
        ("p50 / p95", False, _times),
        ("Tokens in / out", False, _tokens),
        ("$ per 1,000 texts", False, lambda row: formatting.money(row.cost_per_1000)),
        *([("$ paid now", False, lambda row: formatting.money(row.paid_now))] if paid else []),
    ]


def _leading(at: int) -> Callable[[Row], str]:
    return lambda row: formatting.percent(row.leading[at])


def _name(row: Row) -> str:
    mark = "\n✓ recommended" if row.told.recommended else ""
    return f"{row.letter} {formatting.shorten(row.label, _LONG)}{mark}"


def _loses(row: Row) -> str:
    how = f": {row.told.lost}" if row.told.lost else ""
    more = f";\n{row.told.unanswered}" if row.told.unanswered else ""
    return f"{row.told.loses.replace(' %', _WHOLE)}{how}{more}" or "–"


def _worse(row: Row) -> str:
    return f"{row.told.worse} ({row.told.bound})" if row.told.bound else row.told.worse or "–"


def _rows(row: Row) -> str:
    other = f" ({row.told.other_rows})" if row.told.other_rows else ""
    return f"{row.told.rows}{other}" or "–"


def _valid(row: Row) -> str:
    how = f"; {row.told.failed}" if row.told.failed else ""
    return f"{row.valid} of {row.asked}{how}"


def _tokens(row: Row) -> str:
    return f"{formatting.thousands(row.input_tokens)} / {formatting.thousands(row.output_tokens)}"


def _times(row: Row) -> str:
    if row.p50_seconds is None:
        return row.late or formatting.UNKNOWN
    times = f"{formatting.seconds(row.p50_seconds)} / {formatting.seconds(row.p95_seconds)} s"
    return f"{times}; {row.late}" if row.late else times


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
        f"<th>{markup(row.letter)} {markup(formatting.shorten(row.label, 40))}</th>"
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
    field = markup(formatting.shorten(line.field, _LONG)) or "<i>all fields</i>"
    cells = "".join(_mark(cell, values) for cell in line.cells)
    name = markup(formatting.shorten(line.text_id, _LONG))
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
    return "<i>none</i>" if value is None else markup(formatting.shorten(value, _LONG))
