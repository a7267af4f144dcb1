"""What a part of the grid looks like on the wire: heights first, then texts row by row."""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llmwidgets import formatting
from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.comparison.core import CellKey
from llmwidgets.comparison.reference_free import FLAGS, TextGrounding, ground_text
from llmwidgets.comparison.text_result import FieldResult
from llmwidgets.formatting import count
from llmwidgets.widgets.comparison.grid_model import (
    LONGEST,
    WHOLE,
    Filter,
    GridIndex,
    Shown,
    TextRow,
    grounding_flag,
    may_ask_again,
    text_name,
    text_title,
    truth_cell,
    value_words,
)
from llmwidgets.widgets.panel import Content

if TYPE_CHECKING:
    from llmwidgets.comparison.comparison import Comparison


_WIDTH, _LETTER = 960, 7.4
"""Pixels: of a page's panel, and of one character of a cell."""


@dataclass(frozen=True, slots=True)
class Metrics:
    """Heights in pixels, and how many characters fit in a cell; the page measures them."""

    line: int = 16
    pad: int = 9
    group: int = 29
    fold: int = 25
    failed: int = 74
    chars: int = 20
    truth_chars: int = 20

    @classmethod
    def guessed(cls, columns: int, fields: Sequence[str], *, truth: bool) -> Metrics:
        """The measures of a page that has not been asked, which has 960 pixels.

        The page measures its own columns the same way (`measureColumns`), and asks again where
        the guess is off by more than two characters.
        """
        longest = max(map(len, fields), default=0)
        field = max(0.17 * _WIDTH, min(0.22 * _WIDTH, longest * 7.3 + 42))
        labels = max(110.0, 0.15 * _WIDTH) if truth else 0.0
        each = max(150.0, (_WIDTH - field - labels) / max(1, columns))
        return cls(
            chars=max(8, int((each - 34) / _LETTER)),
            truth_chars=max(8, int((labels - 17) / _LETTER)),
        )

    @classmethod
    def read(cls, content: Mapping[str, Any]) -> Metrics:
        """The measures out of a message of the page; anything odd falls back."""
        measured = {**content, **dict(content.get("metrics") or {})}
        names = ("line", "pad", "group", "fold", "failed", "chars", "truth_chars")
        given = {name: measured.get(name) for name in names}
        return cls(
            **{
                name: value
                for name, value in given.items()
                if isinstance(value, int) and 0 < value < 2000
            }
        )

    def row(self, lines: int) -> int:
        """The height of a row with so many lines."""
        return self.pad + self.line * lines


def heights(index: GridIndex, layout: Sequence[Shown], metrics: Metrics) -> bytes:
    """A height for every text, as 32-bit numbers: what is not loaded counts one line a row."""
    found = array("I")
    for each in layout:
        rows = metrics.row(1) * len(each.loud)
        if index.units[each.unit].failed:
            rows = max(rows, metrics.failed)
        found.append(metrics.group + rows + (metrics.fold if each.quiet else 0))
    return found.tobytes()


def blocks(
    index: GridIndex, layout: Sequence[Shown], metrics: Metrics, start: int, count: int
) -> Iterator[dict[str, Any]]:
    """The texts of a layout from `start` on, with their rows, for the page to draw."""
    for each in layout[max(0, start) : max(0, start) + min(count, 200)]:
        yield block_of(index, each, metrics)


def block_of(index: GridIndex, each: Shown, metrics: Metrics) -> dict[str, Any]:
    """One text of a layout with its rows."""
    comparison, unit = index.comparison, index.units[each.unit]
    text = comparison.texts[unit.text]
    fields = {field.path: field for field in index.fields(unit.text, unit.repeat)}
    quiet = set(each.quiet)
    grounds = ground_text(comparison, unit.text)
    rows = [
        _row(fields.get(path), path in quiet, grounds, unit, metrics, len(comparison.variants))
        for path in (*each.loud, *each.quiet)
    ]
    for row in rows:
        if said := index.labels.get((unit.text, row["p"])):
            row["t"].append(said)
    opened = sum(row["h"] for row in rows if not row["q"])
    if unit.failed and opened < metrics.failed:
        # The failed cell spans the open rows and needs room for its sentence.
        rows[len(each.loud) - 1]["h"] += metrics.failed - opened
        opened = metrics.failed
    height = metrics.group + opened
    return {
        "id": text_name(text, unit.repeat, comparison.repeats),
        "index": each.unit,
        "title": text_title(text),
        "said": _said(unit),
        "failed": {
            at: _failure(comparison, CellKey(at, unit.text, unit.repeat)) for at in unit.failed
        }
        or None,
        "fold": _fold(each, unit, len(comparison.variants)),
        "rows": rows,
        "h": height + (metrics.fold if each.quiet else 0),
    }


def _row(
    field: FieldResult | None,
    quiet: bool,
    grounds: TextGrounding,
    unit: TextRow,
    metrics: Metrics,
    variants: int,
) -> dict[str, Any]:
    if field is None:
        cells = [["failed" if at in unit.failed else "agree", "", 0] for at in range(variants)]
        return {"p": "", "name": WHOLE, "t": ["", "blank"], "c": cells, "q": 0, "h": metrics.row(1)}
    cells = [
        ["waiting", "", 0] if at in unit.waiting else _cell(field, at, grounds)
        for at in range(len(field.values))
    ]
    truth = truth_cell(field.truth)
    lines = [min(2, 1 + len(str(cell[1])) // metrics.chars) + bool(cell[2]) for cell in cells]
    most = max([*lines, min(2, 1 + len(truth[0]) // metrics.truth_chars)])
    return {
        "p": field.path,
        "name": field.path or "value",
        "t": truth,
        "c": cells,
        "q": int(quiet),
        "h": metrics.row(most),
    }


def _cell(field: FieldResult, at: int, grounds: TextGrounding) -> list[Any]:
    said = field.values[at]
    if said.state == "failed":
        return ["failed", "", 0]
    flag = FLAGS.index(grounding_flag(field, at, grounds))
    return [said.state, formatting.shorten(value_words(said), LONGEST), flag]


def _said(unit: TextRow) -> str:
    disagree = sum(field.disagreeing > 0 for field in unit.fields)
    words = []
    if unit.fields:
        words.append(f"{disagree} of {count(len(unit.fields), 'field')} disagree")
    if unit.failed:
        words.append(f"{count(len(unit.failed), 'model')} failed")
    return ", ".join(words)


def _fold(each: Shown, unit: TextRow, variants: int) -> str:
    if not each.quiet:
        return ""
    known = {field.path: field for field in unit.fields}
    if any(known[path].disagreeing for path in each.quiet):
        return f"{count(len(each.quiet), 'more field')}"
    answered = variants - len(unit.failed) - len(unit.waiting)
    whom = "the one model that answered" if answered == 1 else f"the {answered} that answered"
    if not unit.failed and not unit.waiting:
        whom = "the one model" if variants == 1 else f"all {variants} models"
    verb = "agrees" if len(each.quiet) == 1 else "agree"
    return f"{count(len(each.quiet), 'field')} {verb} in {whom}"


def _failure(comparison: Comparison, place: CellKey) -> dict[str, Any]:
    extraction = comparison.extraction(place)
    name = formatting.format_count_words(extraction.status)
    said = extraction.failure.message if extraction.failure is not None else ""
    again = may_ask_again(extraction.status)
    return {"name": name[:1].upper() + name[1:], "said": said, "again": again}


# -- What the page shows where no row fits: why, and the ways on.


def nothing_view(index: GridIndex, wanted: Filter) -> Content:
    """A sentence, why, and what leads on, as a change of the filter each."""
    counts = index.counts()
    whole = {"only": "all", "states": [], "field": "", "query": ""}
    if wanted.query:
        where = f" in {wanted.field}" if wanted.field else ""
        found = index.matching_elsewhere(wanted) if wanted.field else 0
        ways = [{"label": "Clear search", "filter": {"query": ""}}]
        if found:
            ways.insert(0, {"label": "Search all fields", "filter": {"field": ""}})
        hint = f"{count(found, 'row')} match in other fields." if found else ""
        return {"good": False, "sentence": f"No row matches the search{where}", "hint": hint,
                "ways": ways}  # fmt: skip
    everything = {"label": f"Show all {count(counts['rows'], 'row')}", "filter": whole}
    if counts["disagree"] or counts["failed"] or not counts["rows"]:
        return {"good": False, "sentence": "No row fits these filters", "hint": "",
                "ways": [everything] if counts["rows"] else []}  # fmt: skip
    labelled = any(text.truth is not NOTHING for text in index.comparison.texts)
    hint = "They also agree with the truth. " if labelled else ""
    return {
        "good": True,
        "sentence": f"All models agree on all {count(counts['rows'], 'value')}",
        "hint": f"{hint}Harder texts would tell more than more texts of this sort.",
        "ways": [everything],
    }
