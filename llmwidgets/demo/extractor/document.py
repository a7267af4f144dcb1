"""A document as the rules see it: folded text, lines, labels, quotations."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from functools import cached_property

_SENTENCE = re.compile(r"(?<=[a-zà-ÿ)»\"]{2})[.!?;]\s+(?=[A-ZÀ-Þ\"«])|(?<=\d{4})\.\s+(?=[A-ZÀ-Þ])")
_REACH = 300
_LABEL = re.compile(
    r"(?:^|\|)[ \t>*-]*(?P<label>[^\W\d][^\n:|=]{1,38}?)"
    r"(?:[ \t]*+:[ \t]++|[ \t]{3,}+)(?P<value>[^\n|]*\S)",
    re.M,
)


@dataclass(frozen=True, slots=True)
class Found:
    """A candidate for a value, with its place in the document."""

    value: str
    start: int
    end: int


def fold(text: str) -> str:
    """Lower case without accents, letter by letter, so that places stay the same."""
    return "".join(_letter(letter) for letter in text)


def _letter(letter: str) -> str:
    if letter < "\x80":
        return letter.lower()
    base = unicodedata.normalize("NFD", letter)[0].lower()
    return base if len(base) == 1 else letter


class Document:
    """A text with what the rules look up in it."""

    def __init__(self, text: str, *, quotes: bool = True) -> None:
        kept = text if quotes else re.sub(r"^>.*$", "", text, flags=re.M)
        self.text = kept.replace("\u00a0", " ").replace("\u202f", " ")

    @cached_property
    def folded(self) -> str:
        return fold(self.text)

    @cached_property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @cached_property
    def labels(self) -> list[tuple[str, Found]]:
        """Folded labels with their values: `Label: value` and `Label   value`."""
        return [
            (fold(match["label"]).strip(), Found(match["value"].strip(), *match.span("value")))
            for match in _LABEL.finditer(self.text)
        ]

    def before(self, start: int, *, above: bool = True) -> str:
        """Folded words before a place: of its sentence on its line, or else the line above."""
        line = max(self.text.rfind("\n", 0, start) + 1, start - _REACH)
        words = self.folded[line:start]
        cuts = [match.end() for match in _SENTENCE.finditer(self.text, line, start)]
        if cuts:
            words = self.folded[cuts[-1] : start]
        if above and not cuts and not re.search(r"[^\W\d]", words):
            higher = self.folded[max(0, line - _REACH) : line].rstrip("\n")
            words = higher[higher.rfind("\n") + 1 :] + " " + words
        return words[-90:]

    def after(self, end: int) -> str:
        """Folded words after a place, to the end of its clause."""
        words = self.folded[end : end + _REACH].partition("\n")[0]
        return re.split(r"[.;,:|]\s|\d", words, maxsplit=1)[0][:40]
