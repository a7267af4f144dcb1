"""The pictures of where things are found, as SVG: gray boxes, and in color what matters.

A picture is 640 wide, less than 6 kB, without scripts and fonts of its own, and follows the color
scheme of the page that shows it. It says at its end that it is a sketch.
"""

from __future__ import annotations

import textwrap
from collections.abc import Mapping
from html import escape
from itertools import pairwise

from llmwidgets.providers import PROVIDERS
from llmwidgets.providers.base import Part, Portal, Preset, Provider, Route, Step

Picture = Portal | Route

WIDTH = 640
_LETTER, _BOLD, _MONO = 7.4, 8.6, 7.3
"""How wide a letter is at most on average, at the sizes of the style."""
_MENU, _LEFT, _HEAD = 172, 24, 34
_EDGE = 14
_STYLE = (
    "text{font:13px system-ui,sans-serif;fill:#262b33}.b{font-weight:600}"
    ".m{font:12px ui-monospace,Menlo,Consolas,'DejaVu Sans Mono',monospace}"
    ".q{fill:#5b6470}.s{font-size:12px}.i{text-anchor:middle}"
    ".n{font-size:12px;font-weight:700;fill:#fff;text-anchor:middle}"
    ".p{fill:#fff;stroke:#c3cad3}.h{fill:#f1f3f6;stroke:#c3cad3}.g{fill:#dde2e8}.o{fill:#f1f3f6}"
    ".l{stroke:#c3cad3;fill:none}.u{fill:#5b6470}.w,.a{fill:#fff}"
    ".r{fill:none;stroke:#b8410a;stroke-width:2}.c{fill:#b8410a}.k{fill:#b8410a;font-weight:600}"
    "@media(prefers-color-scheme:dark){text{fill:#e4e7eb}.q{fill:#a3abb6}.n,.w,.a{fill:#1b1e22}"
    ".p{fill:#1b1e22;stroke:#4b535d}.h{fill:#272b31;stroke:#4b535d}.g{fill:#363c44}.o{fill:#272b31}"
    ".l{stroke:#4b535d}.u{fill:#a3abb6}.r{stroke:#ffa05c}.c,.k{fill:#ffa05c}}"
)
_SKETCH = "A sketch, not the page itself: words and places there can differ."


def pictures_of(preset: Preset | None, provider: Provider) -> tuple[Picture, ...]:
    """The pictures of a form: those of the preset it is about, else those of its kind."""
    return preset.portals if preset is not None else provider.portals


def all_pictures() -> dict[str, tuple[Picture, Provider]]:
    """Every picture by its name, each with the kind whose fields it names."""
    return {
        picture.name: (picture, provider)
        for provider in PROVIDERS.values()
        for source in (None, *provider.presets)
        for picture in pictures_of(source, provider)
    }


def describe_picture(picture: Picture, provider: Provider) -> str:
    """The picture in words: its title, and each number with the field that the thing goes into."""
    titles = _titles(provider)
    said = (
        f"{number}. {step.text}" + (f" → {titles[step.field]}." if step.field else "")
        for number, step in enumerate(picture.steps, 1)
    )
    return " ".join((f"{picture.title}.", *said))


def draw_picture(picture: Picture, provider: Provider) -> str:
    """The picture as one SVG document."""
    canvas = _Canvas()
    if isinstance(picture, Portal):
        _draw_page(canvas, picture)
    else:
        _draw_route(canvas, picture)
    _draw_steps(canvas, picture.steps, _titles(provider))
    page = isinstance(picture, Portal) and "." in picture.address
    canvas.text(0, canvas.y + 14, _SKETCH if page else "A sketch.", "q s")
    width, height = WIDTH + 2 * _EDGE, round(canvas.y + 20) + 2 * _EDGE
    # A ground of its own: it can be read on a page that follows another scheme.
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}" '
        f'viewBox="-{_EDGE} -{_EDGE} {width} {height}" role="img" aria-labelledby="t d">'
        f'<title id="t">{escape(picture.title)}</title>'
        f'<desc id="d">{escape(describe_picture(picture, provider))}</desc>'
        f'<style>{_STYLE}</style><rect x="-{_EDGE}" y="-{_EDGE}" width="{width}" '
        f'height="{height}" rx="6" class="a"/>{"".join(canvas.shapes)}</svg>\n'
    )


def _titles(provider: Provider) -> Mapping[str, str]:
    return {name: str(info.title) for name, info in provider.all_fields.items()}


class _Canvas:
    """Shapes in the order in which they are painted; `y` is where the next thing begins."""

    def __init__(self) -> None:
        self.shapes: list[str] = []
        self.y = 0.0

    def box(self, x: float, y: float, width: float, height: float, look: str, r: int = 4) -> None:
        # Half a pixel in, so that a line of one pixel is sharp.
        self.shapes.append(
            f'<rect x="{x + 0.5:g}" y="{y + 0.5:g}" width="{width - 1:g}" height="{height - 1:g}" '
            f'rx="{r}" class="{look}"/>'
        )

    def bar(self, x: float, y: float, width: float) -> None:
        """A word that does not matter."""
        self.shapes.append(
            f'<rect x="{x:g}" y="{y:g}" width="{width:g}" height="8" rx="4" class="g"/>'
        )

    def text(self, x: float, y: float, words: str, look: str = "") -> None:
        named = f' class="{look}"' if look else ""
        self.shapes.append(f'<text x="{x:g}" y="{y:g}"{named}>{escape(words, quote=False)}</text>')

    def path(self, lines: str, look: str) -> None:
        self.shapes.append(f'<path d="{lines}" class="{look}"/>')

    def number(self, x: float, y: float, number: int) -> None:
        self.shapes.append(f'<circle cx="{x:g}" cy="{y:g}" r="9.5" class="c"/>')
        self.text(x, y + 4.5, str(number), "n")

    def ring(self, x: float, y: float, width: float, height: float, step: int) -> None:
        """A ring around what the number is about; nothing without one."""
        if step:
            self.box(x - 5, y - 4, width + 10, height + 8, "r", 7)
            self.number(x - 5, y - 3, step)


def _wide(words: str, letter: float = _LETTER) -> float:
    return round(len(words) * letter)


def _draw_page(canvas: _Canvas, portal: Portal) -> None:
    frame = len(canvas.shapes)
    left = (_MENU if portal.menu else 0) + _LEFT
    canvas.y = _HEAD + 20
    for before, part in zip((None, *portal.parts), portal.parts, strict=False):
        if part.look in {"button", "choice"}:
            _draw_beside(canvas, part)
            continue
        canvas.y += _gap(before, part)
        canvas.y += _DRAWN[part.look](canvas, part, left)
    end = canvas.y + 20
    _draw_menu(canvas, portal)
    end = max(end, canvas.y)
    parts, canvas.shapes[frame:] = canvas.shapes[frame:], []
    _draw_window(canvas, portal, end)
    canvas.shapes += parts
    canvas.y = end


def _draw_window(canvas: _Canvas, portal: Portal, height: float) -> None:
    canvas.box(0, 0, WIDTH, height, "p", 6)
    if portal.menu:
        canvas.path(f"M1 {_HEAD}h{_MENU - 1}v{height - _HEAD - 1:g}H6a5 5 0 0 1-5-5z", "o")
        canvas.path(f"M{_MENU + 0.5} {_HEAD}v{height - _HEAD - 1:g}", "l")
    canvas.path(
        f"M.5 {_HEAD + 0.5}V6A5.5 5.5 0 0 1 6 .5H634a5.5 5.5 0 0 1 5.5 5.5V{_HEAD + 0.5}z", "h"
    )
    canvas.shapes += (f'<circle cx="{x}" cy="17" r="4" class="g"/>' for x in (18, 32, 46))
    if "." not in portal.address:
        canvas.text(64, 21.5, portal.address, "q")
        return
    canvas.box(64, 6, 500, 22, "p", 11)
    canvas.text(78, 21, portal.address, "m q")


def _draw_menu(canvas: _Canvas, portal: Portal) -> None:
    y = _HEAD + 20.0
    for entry, width in zip(portal.menu, (72, 88, 60, 80, 68), strict=False):
        if not entry:
            canvas.bar(28, y + 6, width)
        elif entry == portal.at:
            canvas.box(18, y - 3, _MENU - 32, 26, "g")
            canvas.text(28, y + 14.5, entry, "b")
            canvas.ring(18, y - 3, _MENU - 32, 26, portal.menu_step)
        else:
            canvas.text(28, y + 14.5, entry, "q")
        y += 36
    canvas.y = y + 2 if portal.menu else 0


def _gap(before: Part | None, part: Part) -> float:
    if before is None:
        return 0
    if before.look == part.look and part.look in {"row", "line", "reply"} and not part.step:
        return 0
    return 22 if part.look == "heading" else 18 if part.step or before.step else 12


def _draw_beside(canvas: _Canvas, part: Part) -> None:
    """A button or a choice, at the right of the heading before it."""
    choice = part.look == "choice"
    words = f"{part.text}: {part.value}" if choice else part.text
    width = _wide(words) + (40 if choice else 28)
    x, y = WIDTH - _LEFT - width, canvas.y - 26
    canvas.box(x, y, width, 28, "h" if choice else "u")
    middle = x + (width - (14 if choice else 0)) / 2
    canvas.text(middle, y + 18.5, words, "i" if choice else "w i")
    if choice:
        canvas.path(f"M{x + width - 20:g} {y + 12:g}l4 4 4-4", "l")
    canvas.ring(x, y, width, 28, part.step)
    canvas.y += 2


def _heading(canvas: _Canvas, part: Part, x: float) -> float:
    canvas.text(x, canvas.y + 17, part.text, "b")
    return 24


def _value(canvas: _Canvas, part: Part, x: float) -> float:
    y, width = canvas.y, WIDTH - _LEFT - x - 92
    canvas.text(x, y + 18.5, part.text, "q")
    canvas.box(x + 92, y, width, 28, "p")
    canvas.text(x + 104, y + 18.5, part.value, "m")
    right = WIDTH - _LEFT - 24
    canvas.box(right + 3, y + 7, 9, 11, "l", 2)
    canvas.box(right, y + 10, 9, 11, "p", 2)
    canvas.ring(x + 92, y, width, 28, part.step)
    return 28


def _row(canvas: _Canvas, part: Part, x: float) -> float:
    y, width = canvas.y, WIDTH - _LEFT - x
    canvas.path(f"M{x} {y + 32.5:g}h{width}", "l")
    if part.text:
        canvas.text(x + 8, y + 20.5, part.text)
    else:
        canvas.bar(x + 8, y + 12, 108)
    canvas.bar(x + width * 0.62, y + 12, 56)
    canvas.bar(x + width - 48, y + 12, 40)
    canvas.ring(x, y + 2, width, 29, part.step)
    return 33


def _tabs(canvas: _Canvas, part: Part, x: float) -> float:
    y, at = canvas.y, x
    canvas.path(f"M{x} {y + 28.5:g}H{WIDTH - _LEFT}", "l")
    for tab in part.text.split("|"):
        width = _wide(tab, _BOLD) + 24 if tab else 84
        if tab == part.value:
            canvas.text(at + 12, y + 18, tab, "b")
            canvas.box(at, y + 26, width, 3, "u", 1)
            canvas.ring(at, y, width, 28, part.step)
        elif tab:
            canvas.text(at + 12, y + 18, tab, "q")
        else:
            canvas.bar(at + 12, y + 10, 56)
        at += width + 8
    return 29


def _tick(canvas: _Canvas, part: Part, x: float) -> float:
    y = canvas.y
    canvas.box(x + 4, y + 3, 16, 16, "p", 3)
    if part.text:
        canvas.path(f"M{x + 8:g} {y + 11:g}l3 3 5.5-6.5", "r" if part.step else "l")
        canvas.text(x + 30, y + 15.5, part.text)
        canvas.ring(x, y, 44 + _wide(part.text), 22, part.step)
    else:
        canvas.bar(x + 30, y + 7, 132)
    return 22


def _file(canvas: _Canvas, part: Part, x: float) -> float:
    y = canvas.y
    width = 56 + _wide(part.text, _MONO)
    canvas.box(x, y, width, 36, "h")
    canvas.path(f"M{x + 15.5:g} {y + 9.5:g}h8l5 5v12h-13zm8 0v5h5", "l")
    canvas.text(x + 40, y + 22.5, part.text, "m")
    canvas.ring(x, y, width, 36, part.step)
    return 36


def _line(canvas: _Canvas, part: Part, x: float) -> float:
    y = canvas.y
    canvas.text(x, y + 16, "$", "m q")
    canvas.text(x + 24, y + 16, part.text, "m b")
    canvas.ring(x + 18, y, _wide(part.text, _MONO) + 12, 22, part.step)
    return 24


def _reply(canvas: _Canvas, part: Part, x: float) -> float:
    y = canvas.y
    canvas.text(x + 24, y + 16, part.text, "m")
    canvas.text(x + 176, y + 16, part.value, "m q")
    canvas.ring(x + 18, y, _wide(part.text, _MONO) + 12, 22, part.step)
    return 24


def _text(canvas: _Canvas, part: Part, x: float) -> float:
    canvas.text(x, canvas.y + 16, part.text, "q")
    return 22


_DRAWN = {
    "heading": _heading,
    "value": _value,
    "row": _row,
    "tabs": _tabs,
    "tick": _tick,
    "file": _file,
    "line": _line,
    "reply": _reply,
    "text": _text,
}


_TOP, _TALL = 70, 128
_BOXES = ((0, 172), (212, 232), (484, 156))
"""Where the boxes of a route begin, and how wide they are."""


def _draw_route(canvas: _Canvas, route: Route) -> None:
    """Three boxes: above them the address that leads nowhere, between them the way that works."""
    for (x, width), parts in zip(_BOXES, (route.kernel, route.outside, route.server), strict=True):
        _draw_end(canvas, x, width, parts)
    address, why = route.dead
    # From the kernel's machine back to itself.
    canvas.path(f"M60.5 {_TOP}V28.5a6 6 0 0 1 6-6H84", "l")
    canvas.path("M88 16l13 13m0-13l-13 13", "r")
    canvas.text(112, 19, address, "m")
    canvas.text(112, 37, why, "q s")
    y = _TOP + _TALL // 2
    for (x, width), (end, _) in pairwise(_BOXES):
        canvas.path(f"M{x + width + 4} {y}H{end - 12}", "r")
        canvas.path(f"M{end - 14} {y - 6}l11 6-11 6z", "c")
    canvas.y = _TOP + _TALL


def _draw_end(canvas: _Canvas, x: int, width: int, parts: tuple[Part, ...]) -> None:
    heading, *lines = parts
    canvas.box(x, _TOP, width, _TALL, "r" if heading.step else "h", 6)
    canvas.text(x + 18, _TOP + 27, heading.text, "b")
    if heading.step:
        canvas.number(x + 1, _TOP + 1, heading.step)
    for line, y in zip(lines, (_TOP + 44, _TOP + 84), strict=False):
        at = y if line.look == "reply" else _TOP + 40 + (y - _TOP - 44) // 2
        canvas.text(x + 18, at + 16, line.text, "m" if line.look == "reply" else "q")
        canvas.ring(x + 13, at, _wide(line.text, _MONO) + 10, 23, line.step)


def _draw_steps(canvas: _Canvas, steps: tuple[Step, ...], titles: Mapping[str, str]) -> None:
    """Below the drawing: what each number says, and at the right the field of our form."""
    canvas.y += 18
    for number, step in enumerate(steps, 1):
        title = titles[step.field] if step.field else ""
        room = WIDTH - 30 - (_wide(title, _BOLD) + 70 if title else 0)
        lines = textwrap.wrap(step.text, int(room / _LETTER))
        canvas.number(10, canvas.y + 10, number)
        for at, line in enumerate(lines):
            canvas.text(30, canvas.y + 14.5 + 18 * at, line)
        if title:
            x, width = WIDTH - _wide(title, _BOLD) - 21, _wide(title, _BOLD) + 20
            canvas.text(x - 34, canvas.y + 14.5, "into", "q s")
            canvas.box(x, canvas.y - 1, width, 22, "r")
            canvas.text(x + width / 2, canvas.y + 14.5, title, "k i")
        canvas.y += 10 + 18 * len(lines)
