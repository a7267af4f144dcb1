"""A text as HTML in which values are marked where they were found, all of it escaped."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Literal

from llmwidgets.formatting import escape_html, escape_in_place
from llmwidgets.report.scoreboard import Line

MarkState = Literal["agree", "differ", "invented"]
_STRONGEST: tuple[MarkState, ...] = ("invented", "differ", "agree")
_RIGHT_TO_LEFT = frozenset({"R", "AL", "AN", "RLE", "RLO", "RLI"})


@dataclass(frozen=True, slots=True)
class Mark:
    """Characters of a text, from `start` to before `end`, and what was read there."""

    start: int
    end: int
    label: str
    state: MarkState


@dataclass(frozen=True, slots=True)
class MarkedText:
    """A text with its marks, and what each variant read in each of its fields."""

    name: str
    text: str
    marks: Sequence[Mark]
    lines: Sequence[Line]
    cut: str = ""


def mark_text(text: str, marks: Iterable[Mark]) -> str:
    """The text with its marks, one after the other where they overlap, each label behind its end.

    >>> mark_text("Total 12 EUR", [Mark(6, 8, "total A", "agree")])
    'Total <mark class="lw-agree">12</mark><sup>total A</sup> EUR'
    """
    marks = [each for each in marks if 0 <= each.start < each.end <= len(text)]
    # One character for each, so that places stay what they are.
    shown = escape_in_place(text.replace("\f", "\n"))
    return "".join(_pieces(shown, marks))


def _pieces(text: str, marks: Sequence[Mark]) -> Iterator[str]:
    starting: dict[int, list[Mark]] = {}
    ending: dict[int, list[Mark]] = {}
    for each in marks:
        starting.setdefault(each.start, []).append(each)
        ending.setdefault(each.end, []).append(each)
    open_marks: list[Mark] = []
    places = sorted({0, len(text), *starting, *ending})
    for at, after in zip(places, [*places[1:], None], strict=True):
        if done := ending.get(at):
            yield f"<sup>{escape_html(', '.join(dict.fromkeys(one.label for one in done)))}</sup>"
            open_marks = [each for each in open_marks if each.end != at]
        open_marks += starting.get(at, [])
        if after is None:
            return
        piece = escape(text[at:after])
        states = {each.state for each in open_marks}
        state = next((each for each in _STRONGEST if each in states), None)
        yield f'<mark class="lw-{state}">{piece}</mark>' if state else piece


def direction(text: str) -> str:
    """The attribute that lets a text with letters from right to left have its own direction."""
    mixed = not text.isascii() and any(
        unicodedata.bidirectional(each) in _RIGHT_TO_LEFT for each in text[:2_000]
    )
    return ' dir="auto"' if mixed else ""
