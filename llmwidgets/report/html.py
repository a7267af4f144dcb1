"""The static HTML of a comparison: plain tables, glyphs and words, everything escaped."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from llmwidgets import formatting
from llmwidgets.report.summary import GLYPHS, LEADING, LEGEND, Cell, Line, Row, Summary
from llmwidgets.visible import escape_html

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
    between = "".join(f"<h2>{escape_html(heading)}</h2>{body}" for heading, body in sections)
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape_html(title)}</title><style>{PAGE}</style></head>"
        f"<body><h1>{escape_html(title)}</h1>{_fragment(summary, between)}</body></html>\n"
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
    more = "".join(f"<p>{escape_html(each)}</p>" for each in rest)
    return (
        f'<div class="lw-static"><style>{FRAGMENT}</style>'
        f'<p class="lw-verdict"><b>{escape_html(first)}</b></p>{more}</div>'
    )


def folded(heading: str, text: str) -> str:
    """A longer text that opens on a click, its lines kept."""
    summary = f"<summary>{escape_html(heading)}</summary>"
    return f"<details>{summary}<pre>{escape_html(text)}</pre></details>"


def _cell(tag: str, text: str, right: bool) -> str:
    kind = ' class="lw-r"' if right else ""
    return f"<{tag}{kind}>{escape_html(text)}</{tag}>"


def _fragment(summary: Summary, between: str = "") -> str:
    notes = "".join(f'<p class="lw-meta">{escape_html(note)}</p>' for note in summary.notes)
    details = f'<p class="lw-details">{escape_html(summary.details)}</p>' if summary.details else ""
    return (
        f'<div class="lw-static"><style>{FRAGMENT}</style>'
        f'<p class="lw-verdict"><b>{escape_html(summary.headline)}</b></p>{details}'
        f"{_scoreboard(summary)}{between}{_lines(summary)}{notes}"
        f'<p class="lw-meta">{escape_html(summary.footer)}</p></div>'
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
            words = f"<b>{escape_html(row.told.title)}</b>{escape_html(row.told.more)}"
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
    counts = (row.input_tokens, row.output_tokens)
    return " / ".join(map(formatting.format_thousands, counts))


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
        f"<th>{escape_html(row.letter)} {escape_html(formatting.shorten(row.label, 40))}</th>"
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
    field = escape_html(formatting.shorten(line.field, _LONG)) or "<i>all fields</i>"
    cells = "".join(_mark(cell, values) for cell in line.cells)
    name = escape_html(formatting.shorten(line.text_id, _LONG))
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
        words += (
            f" {escape_html(cell.note)}"
            if cell.state == "failed"
            else f" ({escape_html(cell.note)})"
        )
    return f'<td class="lw-{cell.state.partition(" ")[0]}">{words}</td>'


def _value(value: str | None) -> str:
    return "<i>none</i>" if value is None else escape_html(formatting.shorten(value, _LONG))


# -- The look of a static comparison; everything it shows is readable without it.

# A class twice: JupyterLab sets every cell of an output to the right, by a rule of that weight.
FRAGMENT = """
.lw-static{font-size:13px;line-height:20px;max-width:1200px}
.lw-static .lw-verdict{font-size:16px;line-height:24px;font-weight:600;margin:8px 0}
.lw-static .lw-details{max-width:820px;margin:0 0 8px;opacity:.8}
.lw-static th.lw-group{padding-top:10px;font-weight:400;text-align:left;white-space:normal;
  background:color-mix(in srgb,currentColor 4%,transparent)}
.lw-static .lw-board th{white-space:normal;vertical-align:bottom}
.lw-static .lw-board td{min-width:56px;max-width:220px}
.lw-static .lw-board td:first-child{min-width:136px}
.lw-static .lw-board td:nth-child(3){white-space:nowrap}
.lw-static .lw-board .lw-r{white-space:normal}
.lw-static tr.lw-rec>:first-child{box-shadow:inset 3px 0 0 #00897b}
.lw-static .lw-meta{font-size:12px;line-height:16px;opacity:.75;margin:8px 0}
.lw-static .lw-scroll{overflow-x:auto;margin:8px 0 16px}
.lw-static table{border-collapse:collapse;font-size:12px;line-height:16px;margin:0;
  font-variant-numeric:tabular-nums}
.lw-static th,.lw-static td{padding:4px 8px;text-align:left;vertical-align:top;
  border-bottom:1px solid color-mix(in srgb,currentColor 13%,transparent)}
.lw-static th{font-weight:600;white-space:nowrap}
.lw-static .lw-r{white-space:nowrap}
.lw-static.lw-static :is(th,td){text-align:left}
.lw-static.lw-static .lw-r{text-align:right}
.lw-static .lw-n{white-space:nowrap}
.lw-static td{white-space:pre-line}
.lw-static .lw-m{font-family:var(--jp-code-font-family,ui-monospace,monospace)}
.lw-static td.lw-agree{opacity:.7}
.lw-static td.lw-differ{background:color-mix(in srgb,#ef6c00 13%,transparent)}
.lw-static td.lw-invented{background:color-mix(in srgb,#7e57c2 16%,transparent)}
.lw-static td.lw-null{font-style:italic;background:color-mix(in srgb,#7e57c2 8%,transparent)}
.lw-static td.lw-failed{background:color-mix(in srgb,#d32f2f 14%,transparent)}
.lw-static td.lw-missing{font-style:italic;background:repeating-linear-gradient(135deg,
  transparent 0 4px,color-mix(in srgb,currentColor 8%,transparent) 4px 5px)}
"""

PAGE = """
:root{color-scheme:light dark;--bg:#fff;--text:#212121}
@media (prefers-color-scheme:dark){:root{--bg:#212121;--text:#e2e2e2}}
body{margin:0 auto;padding:16px 24px 48px;max-width:1200px;background:var(--bg);color:var(--text);
  font:13px/20px system-ui,-apple-system,"Segoe UI",sans-serif}
h1{font-size:16px;line-height:24px;margin:8px 0}
h2,.lw-static h2{font-size:14px;line-height:20px;margin:24px 0 8px}
pre{white-space:pre-wrap;font-size:12px;line-height:16px}
summary{cursor:pointer;font-size:12px}
.lw-chart{max-width:100%;height:auto;font-size:11px}
.lw-chart text{fill:currentColor}
.lw-grid{stroke:currentColor;stroke-opacity:.15}
.lw-bar{stroke:#1565c0;stroke-width:1.5}
.lw-dot{fill:#1565c0}
.lw-margin{fill:#1565c0;fill-opacity:.12}
@media (prefers-color-scheme:dark){.lw-bar{stroke:#90caf9}.lw-dot{fill:#90caf9}}
"""
