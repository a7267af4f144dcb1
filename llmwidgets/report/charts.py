"""Charts as inline SVG: nothing to load, no script, every figure also in a table beside them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from llmwidgets import formatting
from llmwidgets.visible import escape_html

_WIDE, _HIGH = 520, 260
_LEFT, _RIGHT, _TOP, _BOTTOM = 44, 24, 16, 40


@dataclass(frozen=True, slots=True)
class Point:
    """One variant in a chart: its share right (0–1) with its interval, and where it stands."""

    letter: str
    label: str
    share: float
    low: float | None
    high: float | None
    x: float
    recommended: bool = False


def scatter(
    points: Sequence[Point], title: str, x_title: str, band: tuple[float, float] | None = None
) -> str:
    """Quality (upwards) against something that should be small, intervals as bars.

    `band` are the two ends (0–1) of what is near enough to the best. Empty where fewer than two
    variants have both figures.
    """
    if len(points) < 2:
        return ""
    lows = [each.low if each.low is not None else each.share for each in points]
    floor, step = _floor([*lows, *(band or ())[:1]])
    most = _ceiling(max(each.x for each in points))
    body = [_band(band, floor)] if band is not None else []
    body += [_level(floor, at) for at in range(floor, 101, step)]
    body += [_tick(most * part / 4, most) for part in range(5)]
    body += [_mark(each, floor, most) for each in sorted(points, key=lambda each: each.x)]
    middle = (_LEFT + _WIDE - _RIGHT) / 2
    body.append(_text(middle, _HIGH - 4, x_title, "middle"))
    said = "; ".join(
        f"{each.letter} {each.label}: {formatting.percent(each.share)} % right at {_figure(each.x)}"
        f"{', recommended' if each.recommended else ''}"
        for each in points
    )
    return (
        f'<svg class="lw-chart" role="img" viewBox="0 0 {_WIDE} {_HIGH}" width="{_WIDE}" '
        f'height="{_HIGH}"><title>{escape_html(title)}</title><desc>{escape_html(said)}</desc>'
        f"{''.join(body)}</svg>"
    )


def _mark(point: Point, floor: int, most: float) -> str:
    x, y = _across(point.x, most), _up(100 * point.share, floor)
    bar = ""
    if point.low is not None and point.high is not None:
        low, high = _up(100 * point.low, floor), _up(100 * point.high, floor)
        bar = _line(x, low, x, high, "lw-bar") + "".join(
            _line(x - 4, end, x + 4, end, "lw-bar") for end in (low, high)
        )
    dot = f'<circle class="lw-dot" cx="{x:.1f}" cy="{y:.1f}" r="4"/>'
    name = f"{point.letter} ✓ recommended" if point.recommended else point.letter
    flip = point.recommended and x > _WIDE - _RIGHT - 110
    words = _text(x - 8, y + 4, name, "end") if flip else _text(x + 8, y + 4, name)
    return f"<g>{bar}{dot}{words}</g>"


def _band(band: tuple[float, float], floor: int) -> str:
    top, bottom = _up(100 * band[1], floor), _up(100 * band[0], floor)
    return (
        f'<rect class="lw-margin" x="{_LEFT}" y="{top:.1f}" width="{_WIDE - _LEFT - _RIGHT}" '
        f'height="{bottom - top:.1f}"/>'
    )


def _level(floor: int, percent: int) -> str:
    y = _up(percent, floor)
    line = _line(_LEFT, y, _WIDE - _RIGHT, y, "lw-grid")
    return f"{line}{_text(_LEFT - 6, y + 4, f'{percent} %', 'end')}"


def _tick(x: float, most: float) -> str:
    return _text(_across(x, most), _HIGH - _BOTTOM + 18, _figure(x), "middle")


def _line(x1: float, y1: float, x2: float, y2: float, kind: str) -> str:
    return f'<line class="{kind}" x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}"/>'


def _text(x: float, y: float, words: str, anchor: str = "start") -> str:
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


def _figure(value: float) -> str:
    return f"{value:.3g}"
