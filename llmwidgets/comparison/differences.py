"""Differences: the fields of a text where variants disagree, or differ from the truth."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.analysis.scoring import Cell
from llmwidgets.comparison.marks import Mark, Rules, against, compared, has_data
from llmwidgets.errors import FAILURES
from llmwidgets.report.summary import State

if TYPE_CHECKING:
    from llmwidgets.engine.extraction import Extraction
    from llmwidgets.engine.plan import Text


@dataclass(frozen=True, slots=True)
class Said:
    """What one variant says for a field; `value` is NOTHING where it says nothing."""

    state: State
    value: Any = NOTHING


@dataclass(frozen=True, slots=True)
class Difference:
    """One field of one text. `truth` is NOTHING where it is not labelled.

    `field` is empty where a variant failed and no field differs otherwise.
    """

    text_id: str
    repeat: int
    field: str
    truth: Any
    said: tuple[Said, ...]


def differences_of(
    text_id: str,
    repeat: int,
    extractions: Sequence[Extraction],
    fields: Iterable[tuple[str, Any, tuple[Said, ...]]],
) -> list[Difference]:
    """Those of the fields that differ, in the order of the schema; failures stand in every row.

    `fields` is what `fields_of` gave. Where nothing else differs, a failure of the model's own
    has a row; one of the way has none.
    """
    found = [
        Difference(text_id, repeat, path, truth, said)
        for path, truth, said in fields
        if any(each.state not in ("agree", "failed") for each in said)
    ]
    if not found and any(_is_own_failure(each) for each in extractions):
        answered = [at for at, each in enumerate(extractions) if has_data(each)]
        blank = _spread({}, len(extractions), answered)
        return [Difference(text_id, repeat, "", NOTHING, blank)]
    return found


def _is_own_failure(extraction: Extraction) -> bool:
    failure = FAILURES.get(extraction.status)
    return failure is not None and failure.scored and not has_data(extraction)


def fields_of(
    text: Text,
    extractions: Sequence[Extraction],
    marks: Sequence[Mark],
    scoring: Rules,
) -> Iterator[tuple[str, Any, tuple[Said, ...]]]:
    """Every field of one text that can be compared: its path, its truth, what each variant says."""
    answered = [at for at, each in enumerate(extractions) if has_data(each)]
    for path, (truth, said) in _by_path(text, extractions, marks, answered, scoring):
        yield path, truth, _spread(said, len(extractions), answered)


def _spread(said: Mapping[int, Said], variants: int, answered: Sequence[int]) -> tuple[Said, ...]:
    absent = {at: Said("agree") for at in answered}
    return tuple(said.get(at) or absent.get(at) or Said("failed") for at in range(variants))


_ByPath = Iterator[tuple[str, tuple[Any, dict[int, Said]]]]


def _by_path(
    text: Text,
    extractions: Sequence[Extraction],
    marks: Sequence[Mark],
    answered: Sequence[int],
    scoring: Rules,
) -> _ByPath:
    labelled: dict[str, tuple[Any, dict[int, Said]]] = {}
    patterns: set[str] = set()
    unlabelled = False
    for at in answered:
        for cell in marks[at].cells:
            if cell.state == "unlabelled":
                unlabelled = True
                continue
            patterns.add(cell.pattern)
            place = labelled.setdefault(cell.path, (cell.truth, {}))
            place[1][at] = _against_truth(cell)
    yield from labelled.items()
    if unlabelled and len(answered) > 1:
        yield from _among_themselves(text, extractions, answered, patterns, scoring)


def _against_truth(cell: Cell) -> Said:
    if cell.right:
        return Said("agree", cell.value)
    if cell.state in ("missing", "invented", "null in words"):
        return Said(cell.state, cell.value)
    return Said("differ", cell.value)


def _among_themselves(
    text: Text,
    extractions: Sequence[Extraction],
    answered: Sequence[int],
    labelled: set[str],
    scoring: Rules,
) -> _ByPath:
    """Fields without a label: the first answer stands in for the truth, to line arrays up."""
    reference = compared(extractions[answered[0]], text)
    places: dict[str, dict[int, Cell]] = {}
    for at in answered:
        found = against(text.schema, compared(extractions[at], text), reference, scoring)
        for cell in found.cells:
            if cell.pattern not in labelled:
                places.setdefault(cell.path, {})[at] = cell
    for path, cells in places.items():
        yield path, (NOTHING, _by_majority(cells, answered))


def _by_majority(cells: Mapping[int, Cell], answered: Sequence[int]) -> dict[int, Said]:
    """Without truth a cell agrees with what more than half of the variants say."""
    groups: dict[int, str | None] = {}
    for at in answered:
        cell = cells.get(at)
        if cell is None or cell.value is None or cell.value is NOTHING:
            groups[at] = None
        else:
            groups[at] = "" if cell.right else json.dumps(cell.value, default=str).casefold()
    common, count = Counter(groups.values()).most_common(1)[0]
    agreed = count * 2 > len(answered)
    said = {}
    for at, group in groups.items():
        value = cells[at].value if at in cells else NOTHING
        if agreed and group == common:
            said[at] = Said("agree", value)
        else:
            said[at] = Said("missing" if group is None else "differ", value)
    return said
