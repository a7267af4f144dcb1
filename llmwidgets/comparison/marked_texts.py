"""The texts of a comparison for a page to share: where each value was found, and by whom."""

from __future__ import annotations

from collections.abc import Iterator

from llmwidgets import formatting
from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.comparison.core import ResultData
from llmwidgets.comparison.measures.text_result import (
    FieldResult,
    TextGrounding,
    TextResult,
    ground_text,
    read_all_results,
)
from llmwidgets.comparison.summary import word_line
from llmwidgets.report.marked_text import Mark, MarkedText, MarkState

MOST_CHARACTERS = 3_000_000
"""Of all texts on a page together: a browser shows it at once."""
_LONGEST = 50_000


def mark_texts(results: ResultData) -> list[MarkedText]:
    """The texts in their order with the values of their first repeat, as many as a page holds."""
    marked: list[MarkedText] = []
    room = MOST_CHARACTERS
    for result in read_all_results(results, keep=False):
        if result.repeat:
            continue
        room -= min(len(result.document.text), _LONGEST) + 500
        if room < 0 and marked:
            break
        marked.append(_mark(results, result))
    return marked


def _mark(results: ResultData, result: TextResult) -> MarkedText:
    document, grounds = result.document, ground_text(results, result.text)
    fields = [field for field in result.fields if field.path or field.disagreeing]
    text = document.text
    whole = formatting.count(len(text), "character")
    cut = f"The first {_LONGEST:,} of {whole}." if len(text) > _LONGEST else ""
    marks = [each for field in fields for each in _marks(field, grounds)]
    return MarkedText(
        name=document.id,
        text=text[:_LONGEST],
        marks=[each for each in marks if each.end <= _LONGEST],
        lines=[word_line(document.id, field, grounds, values=True) for field in fields],
        cut=cut,
    )


def _marks(field: FieldResult, grounds: TextGrounding) -> Iterator[Mark]:
    """Where the field's values are, each place with the letters of those that gave it.

    What the truth and all variants gave needs no letters.
    """
    found: dict[tuple[int, int], tuple[MarkState, list[str]]] = {}

    def add(value: object, letter: str, state: MarkState) -> None:
        grounding = grounds.locate(value, field.pattern)
        if grounding is None or grounding.span is None:
            return
        known, letters = found.get(grounding.span, ("agree", []))
        stronger = state if known == "agree" else known
        found[grounding.span] = stronger, [*letters, letter]

    if field.truth is not NOTHING:
        add(field.truth, "T", "agree")
    for at, own in enumerate(field.values):
        if own.state in ("agree", "differ", "invented"):
            add(own.value, formatting.variant_letter(at), own.state)
    everybody = len(field.values) + (field.truth is not NOTHING)
    for (start, end), (state, letters) in found.items():
        whose = "" if len(letters) == everybody else f" {' '.join(letters)}"
        yield Mark(start, end, f"{field.path or 'value'}{whose}", state)
