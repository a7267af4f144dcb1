"""The static HTML of a comparison: plain tables, glyphs and words, everything escaped."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from llmwidgets import formatting
from llmwidgets.formatting import escape_html
from llmwidgets.report.marked_text import MarkedText, direction, mark_text
from llmwidgets.report.scoreboard import (
    GLYPHS,
    LEGEND,
    Cell,
    Line,
    ScoreRow,
    Summary,
    scoreboard_columns,
)

LIMIT = 60_000
"""The most bytes of a fragment in a notebook."""

_LONG = 120


def fragment(summary: Summary) -> str:
    """The comparison as one element with its style, cut at whole rows to stay under `LIMIT`."""
    text = _fragment(summary)
    while len(text.encode()) > LIMIT and (summary.lines or summary.rows):
        if summary.lines:
            summary = replace(summary, lines=summary.lines[: len(summary.lines) // 2])
        else:
            summary = replace(summary, rows=summary.ranked[: len(summary.rows) // 2])
        text = _fragment(summary)
    return text


def page(
    title: str,
    summary: Summary,
    sections: Sequence[tuple[str, str]] = (),
    texts: Sequence[MarkedText] = (),
    of: int = 0,
) -> str:
    """A whole document that needs nothing from elsewhere; `sections` are (heading, HTML).

    They come between the scoreboard and the disagreements, which can be long. `texts` are shown
    at the end with their values marked, `of` how many there are.
    """
    if texts:
        between = "".join(_section(*each) for each in sections) + '<div id="disagreements"></div>'
        names = [*(name for name, _ in sections), "Disagreements", "Texts"]
        links = "".join(f'<a href="#{_anchor(name)}">{escape_html(name)}</a>' for name in names)
        nav, documents = f"<nav>{links}</nav>", _documents(summary, texts, of)
    else:
        between = "".join(f"<h2>{escape_html(name)}</h2>{body}" for name, body in sections)
        nav = documents = ""
    return (
        '<!doctype html><html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape_html(title)}</title><style>{PAGE}</style></head>"
        f"<body><header><h1>{escape_html(title)}</h1>{nav}</header>"
        f"<main>{_fragment(summary, between, documents)}</main></body></html>\n"
    )


def _section(name: str, body: str) -> str:
    return f'<h2 id="{_anchor(name)}">{escape_html(name)}</h2>{body}'


def _anchor(name: str) -> str:
    return "".join(each if each.isalnum() else "-" for each in name.lower())


def _documents(summary: Summary, texts: Sequence[MarkedText], of: int) -> str:
    """Each text with its marks, and beside it what was read."""
    shown = "" if len(texts) == of else f" The first {len(texts):,} of {of:,} are shown."
    legend = (
        "A value is marked where it was found, with the letters of those that gave it (T is the "
        "truth; no letters: everybody): "
        '<mark class="lw-agree">as the others or the truth</mark>, '
        '<mark class="lw-differ">another value</mark>, '
        f'<mark class="lw-invented">a value where there is none</mark>.{shown}'
    )
    documents = "".join(_document(summary, each) for each in texts)
    return _section("Texts", f'<p class="lw-meta">{legend}</p>{documents}')


def _document(summary: Summary, text: MarkedText) -> str:
    name = escape_html(formatting.shorten(text.name, _LONG))
    cut = f'<p class="lw-meta">{escape_html(text.cut)}</p>' if text.cut else ""
    table = _line_table(summary, text.lines, named=False)
    return (
        f'<section class="lw-document"><h3>{name}</h3><div class="lw-sides">'
        f'<div class="lw-text" dir="auto">{mark_text(text.text, text.marks)}{cut}</div>'
        f"{table}</div></section>"
    )


def table(head: Sequence[str], rows: Sequence[Sequence[str]], right: Sequence[int] = ()) -> str:
    """A plain table of texts; the columns in `right` are aligned right."""
    names = "".join(_cell("th", name, at in right) for at, name in enumerate(head))
    cells = ("".join(_cell("td", text, at in right) for at, text in enumerate(row)) for row in rows)
    return _table(names, "".join(f"<tr>{each}</tr>" for each in cells))


def _table(head: str, body: str, kind: str = "") -> str:
    return (
        f'<div class="lw-scroll"><table{kind}><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def notice(sentences: Sequence[str]) -> str:
    """A few sentences as one element with its style, the first one in bold."""
    first, *rest = sentences
    return _static(first, "".join(f"<p>{escape_html(each)}</p>" for each in rest))


def folded(heading: str, text: str) -> str:
    """A longer text that opens on a click, its lines kept."""
    summary = f"<summary>{escape_html(heading)}</summary>"
    return f"<details>{summary}<pre>{escape_html(text)}</pre></details>"


def _cell(tag: str, text: str, right: bool) -> str:
    kind = ' class="lw-r"' if right else ""
    return f"<{tag}{kind}>{escape_html(text)}</{tag}>"


def _fragment(summary: Summary, between: str = "", after: str = "") -> str:
    notes = "".join(f'<p class="lw-meta">{escape_html(note)}</p>' for note in summary.notes)
    causes = "".join(f'<p class="lw-details">{escape_html(each)}</p>' for each in summary.causes)
    details = f'<p class="lw-details">{escape_html(summary.details)}</p>' if summary.details else ""
    return _static(
        summary.headline,
        f"{details}{_scoreboard(summary)}{causes}{between}{_lines(summary)}{notes}"
        f'{after}<p class="lw-meta">{escape_html(summary.footer)}</p>',
    )


def _static(headline: str, body: str) -> str:
    return (
        f'<div class="lw-static"><style>{FRAGMENT}</style>'
        f'<p class="lw-verdict"><b>{escape_html(headline)}</b></p>{body}</div>'
    )


def _scoreboard(summary: Summary) -> str:
    """One row per variant, under the name of its group; every figure in words."""
    columns = scoreboard_columns(summary, "page")
    head = "".join(_cell("th", name, each.right) for name, each in columns)
    body = []
    group = ""
    for row in summary.ranked:
        words = row.wording
        if words.group != group:
            group = words.group
            title = f"<b>{escape_html(words.title)}</b>{escape_html(words.more)}"
            # JupyterLab drops the <style> of a notebook that it does not trust, not this.
            left = 'class="lw-group" style="text-align:left"'
            body.append(f'<tr><th {left} colspan="{len(columns)}">{title}</th></tr>')
        kind = ' class="lw-rec"' if words.recommended else ""
        cells = "".join(_cell("td", each.cell(row), each.right) for _, each in columns)
        body.append(f"<tr{kind}>{cells}</tr>")
    return _table(head, "".join(body), ' class="lw-board"')


def _lines(summary: Summary) -> str:
    if not summary.differing:
        return ""
    cut = len(summary.lines) < summary.differing
    first = f"the first {len(summary.lines)} of " if cut else ""
    rows = formatting.count(summary.differing, "row")
    title = f"<p><b>Disagreements</b>, {first}{rows} ({LEGEND})</p>"
    return title + _line_table(summary, summary.lines, named=True)


def _line_table(summary: Summary, lines: Sequence[Line], *, named: bool) -> str:
    """A row for each field; `named` has the text that it is of, and whose the columns are."""
    names = "".join(
        f"<th>{escape_html(row.letter)}{' ' if named else ''}"
        f"{escape_html(formatting.shorten(row.variant, 40)) if named else ''}</th>"
        for row in summary.rows
    )
    text = "<th>Text</th>" if named else ""
    truth = "<th>Truth</th>" if summary.values else ""
    body = "".join(_line(line, summary.values, named) for line in lines)
    return _table(f"{text}<th>Field</th>{truth}{names}", body)


def _line(line: Line, values: bool, named: bool) -> str:
    truth = f"<td{direction(line.truth or '')}>{_value(line.truth)}</td>" if values else ""
    field = escape_html(formatting.shorten(line.field, _LONG)) or "<i>all fields</i>"
    cells = "".join(_mark(cell, values) for cell in line.cells)
    name = escape_html(formatting.shorten(line.text_id, _LONG))
    name = f'<td class="lw-n"{direction(line.text_id)}>{name}</td>' if named else ""
    return f'<tr>{name}<td class="lw-m">{field}</td>{truth}{cells}</tr>'


def _mark(cell: Cell, values: bool) -> str:
    words = GLYPHS[cell.state]
    if cell.state == "null in words":
        words += " null in words"
    if values and cell.state in ("differ", "invented", "null in words"):
        words += f" <b{direction(cell.value or '')}>{_value(cell.value)}</b>"
    elif cell.state == "missing":
        words += " no value"
    if cell.note:
        note = escape_html(cell.note)
        words += f" {note}" if cell.state == "failed" else f" ({note})"
    return f'<td class="lw-{cell.state.partition(" ")[0]}">{words}</td>'


def _value(value: str | None) -> str:
    return "<i>none</i>" if value is None else escape_html(formatting.shorten(value, _LONG))


# -- Charts as inline SVG: nothing to load, no script, every figure also in a table.

_WIDE, _HIGH = 520, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 24, 16, 40


def scatter_chart(
    rows: Sequence[ScoreRow], across: str, x_title: str, band: tuple[float, float] | None = None
) -> str:
    """Accuracy (upwards) against a figure of the rows that should be small, intervals as bars.

    `band` are the two ends (0–1) of what is near enough to the best. Empty if fewer than two
    variants have both figures.
    """
    known = [(row, row.accuracy, getattr(row, across)) for row in rows]
    points = [(row, y, x) for row, y, x in known if y is not None and x is not None]
    if len(points) < 2:
        return ""
    lows = [y if row.accuracy_low is None else row.accuracy_low for row, y, _ in points]
    floor, step = _floor([*lows, *(band or ())[:1]])
    most = _ceiling(max(x for _, _, x in points))
    body = [_band(band, floor)] if band is not None else []
    body += [_level(floor, at) for at in range(floor, 101, step)]
    for figure in (most * part / 4 for part in range(5)):
        at = _across(figure, most)
        body.append(_label(at, _HIGH - _BOTTOM + 18, formatting.figure(figure), "middle"))
    body += [
        _dot(row, _across(x, most), 100 * y, floor)
        for row, y, x in sorted(points, key=lambda point: point[2])
    ]
    middle = (_LEFT + _WIDE - _RIGHT) / 2
    body.append(_label(middle, _HIGH - 4, x_title, "middle"))
    description = "; ".join(
        f"{row.letter} {row.variant}: {formatting.percent(y)} % right at {formatting.figure(x)}"
        f"{', recommended' if row.wording.recommended else ''}"
        for row, y, x in points
    )
    title = escape_html(f"% of fields right against {x_title}")
    return (
        f'<svg class="lw-chart" role="img" viewBox="0 0 {_WIDE} {_HIGH}" width="{_WIDE}" '
        f'height="{_HIGH}"><title>{title}</title><desc>{escape_html(description)}</desc>'
        f"{''.join(body)}</svg>"
    )


def _dot(row: ScoreRow, x: float, percent: float, floor: int) -> str:
    y, bar = _up(percent, floor), ""
    if row.accuracy_low is not None and row.accuracy_high is not None:
        low, high = _up(100 * row.accuracy_low, floor), _up(100 * row.accuracy_high, floor)
        ends = (_stroke(x - 4, end, x + 4, end, "lw-bar") for end in (low, high))
        bar = _stroke(x, low, x, high, "lw-bar") + "".join(ends)
    dot = f'<circle class="lw-dot" cx="{x:.1f}" cy="{y:.1f}" r="4"/>'
    chosen = row.wording.recommended
    name = f"{row.letter} ✓ recommended" if chosen else row.letter
    flip = chosen and x > _WIDE - _RIGHT - 110
    words = _label(x - 8, y + 4, name, "end") if flip else _label(x + 8, y + 4, name)
    return f"<g>{bar}{dot}{words}</g>"


def _band(band: tuple[float, float], floor: int) -> str:
    top, bottom = _up(100 * band[1], floor), _up(100 * band[0], floor)
    return (
        f'<rect class="lw-margin" x="{_LEFT}" y="{top:.1f}" width="{_WIDE - _LEFT - _RIGHT}" '
        f'height="{bottom - top:.1f}"/>'
    )


def _level(floor: int, percent: int) -> str:
    y = _up(percent, floor)
    line = _stroke(_LEFT, y, _WIDE - _RIGHT, y, "lw-grid")
    return f"{line}{_label(_LEFT - 6, y + 4, f'{percent} %', 'end')}"


def _stroke(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _label(x: float, y: float, words: str, anchor: str = "start") -> str:
    return f'<text x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}">{escape_html(words)}</text>'


def _across(x: float, most: float) -> float:
    return _LEFT + (_WIDE - _LEFT - _RIGHT) * x / most


def _up(percent: float, floor: int) -> float:
    share = (max(percent, floor) - floor) / (100 - floor)
    return _HIGH - _BOTTOM - (_HIGH - _TOP - _BOTTOM) * share


def _floor(lows: Sequence[float]) -> tuple[int, int]:
    """A round lower end under every interval, in percent, and the step between lines."""
    least = min(100 * low for low in lows)
    step = 5 if least >= 80 else 10 if least >= 50 else 20
    return max(0, min(90, math.floor(least / step) * step)), step


def _ceiling(most: float) -> float:
    """A round upper end: 1, 2, 4 or 8 times a power of ten; 1 where all is 0."""
    if most <= 0:
        return 1.0
    unit: float = 10.0 ** math.floor(math.log10(most))
    return next(unit * times for times in (1, 2, 4, 8, 10) if most <= unit * times * (1 + 1e-9))


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
:root{color-scheme:light dark;--bg:#fff;--text:#212121;--line:#e0e0e0}
@media (prefers-color-scheme:dark){:root{--bg:#212121;--text:#e2e2e2;--line:#424242}}
html{scroll-padding-top:64px}
body{margin:0 auto;padding:0 24px 48px;max-width:1200px;background:var(--bg);color:var(--text);
  font:13px/20px system-ui,-apple-system,"Segoe UI",sans-serif;overflow-wrap:break-word}
header{position:sticky;top:0;z-index:2;display:flex;flex-wrap:wrap;align-items:baseline;
  gap:0 24px;padding:8px 0;background:var(--bg);border-bottom:1px solid var(--line)}
nav{display:flex;flex-wrap:wrap;gap:0 16px;font-size:12px}
nav a{color:inherit}
h1{font-size:16px;line-height:24px;margin:0;min-width:0}
h2,.lw-static h2{font-size:14px;line-height:20px;margin:24px 0 8px}
h3,.lw-static h3{font-size:13px;line-height:20px;margin:0 0 8px}
pre{white-space:pre-wrap;font-size:12px;line-height:16px}
summary{cursor:pointer;font-size:12px}
.lw-static .lw-scroll{max-height:85vh;overflow:auto}
.lw-static thead th{position:sticky;top:0;background:var(--bg)}
.lw-document{margin:16px 0 24px;padding-top:12px;border-top:1px solid var(--line)}
.lw-sides{display:grid;grid-template-columns:minmax(0,1fr) minmax(0,1fr);gap:24px}
.lw-sides td:nth-child(2){max-width:200px}
.lw-sides .lw-scroll{margin:0}
.lw-text{white-space:pre-wrap;overflow-wrap:anywhere;unicode-bidi:plaintext}
mark{color:inherit;border-radius:2px;padding:0 1px}
mark.lw-agree{background:color-mix(in srgb,#00897b 18%,transparent)}
mark.lw-differ{background:color-mix(in srgb,#ef6c00 28%,transparent)}
mark.lw-invented{background:color-mix(in srgb,#7e57c2 30%,transparent)}
sup{font-size:10px;line-height:0;opacity:.75;margin:0 2px;unicode-bidi:isolate}
.lw-chart{max-width:100%;height:auto;font-size:11px}
.lw-chart text{fill:currentColor}
.lw-grid{stroke:currentColor;stroke-opacity:.15}
.lw-bar{stroke:#1565c0;stroke-width:1.5}
.lw-dot{fill:#1565c0}
.lw-margin{fill:#1565c0;fill-opacity:.12}
@media (prefers-color-scheme:dark){.lw-bar{stroke:#90caf9}.lw-dot{fill:#90caf9}}
@media (max-width:800px){body{padding:0 12px 32px}.lw-sides{grid-template-columns:minmax(0,1fr)}}
@media print{body{max-width:none;padding:0}header{position:static}nav{display:none}
  .lw-static .lw-scroll{max-height:none;overflow:visible}thead th{position:static}
  .lw-static td{min-width:0!important;overflow-wrap:anywhere}tr,mark,h3{break-inside:avoid}
  mark,td{print-color-adjust:exact}}
"""
