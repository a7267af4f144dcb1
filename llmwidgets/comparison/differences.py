"""Differences: the fields of a text where variants disagree, or differ from the truth."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any

from llmwidgets.analysis.leaves import NOTHING, is_empty
from llmwidgets.analysis.scoring import Cell
from llmwidgets.comparison.scored import (
    CellKey,
    Rules,
    ScoredExtraction,
    data_to_compare,
    has_data,
    score_against,
    score_extraction,
)
from llmwidgets.comparison.texts import spread_evenly
from llmwidgets.errors import FAILURES
from llmwidgets.report.summary import State

if TYPE_CHECKING:
    import pandas as pd

    from llmwidgets.comparison.comparison import Comparison
    from llmwidgets.engine.extraction import Extraction
    from llmwidgets.engine.request_builder import Document


@dataclass(frozen=True, slots=True)
class VariantValue:
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
    said: tuple[VariantValue, ...]


def find_differences(
    text_id: str,
    repeat: int,
    extractions: Sequence[Extraction],
    fields: Iterable[tuple[str, Any, tuple[VariantValue, ...]]],
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
    text: Document,
    extractions: Sequence[Extraction],
    marks: Sequence[ScoredExtraction],
    scoring: Rules,
) -> Iterator[tuple[str, Any, tuple[VariantValue, ...]]]:
    """Every field of one text that can be compared: its path, its truth, what each variant says."""
    answered = [at for at, each in enumerate(extractions) if has_data(each)]
    for path, (truth, said) in _by_path(text, extractions, marks, answered, scoring):
        yield path, truth, _spread(said, len(extractions), answered)


def _spread(
    said: Mapping[int, VariantValue], variants: int, answered: Sequence[int]
) -> tuple[VariantValue, ...]:
    absent = {at: VariantValue("agree") for at in answered}
    return tuple(said.get(at) or absent.get(at) or VariantValue("failed") for at in range(variants))


_ByPath = Iterator[tuple[str, tuple[Any, dict[int, VariantValue]]]]


def _by_path(
    text: Document,
    extractions: Sequence[Extraction],
    marks: Sequence[ScoredExtraction],
    answered: Sequence[int],
    scoring: Rules,
) -> _ByPath:
    labelled: dict[str, tuple[Any, dict[int, VariantValue]]] = {}
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


def _against_truth(cell: Cell) -> VariantValue:
    if cell.right:
        return VariantValue("agree", cell.value)
    if cell.state in ("missing", "invented", "null in words"):
        return VariantValue(cell.state, cell.value)
    return VariantValue("differ", cell.value)


def _among_themselves(
    text: Document,
    extractions: Sequence[Extraction],
    answered: Sequence[int],
    labelled: set[str],
    scoring: Rules,
) -> _ByPath:
    """Fields without a label: the first answer stands in for the truth, to line arrays up."""
    reference = data_to_compare(extractions[answered[0]], text)
    places: dict[str, dict[int, Cell]] = {}
    for at in answered:
        found = score_against(
            text.schema, data_to_compare(extractions[at], text), reference, scoring
        )
        for cell in found.cells:
            if cell.pattern not in labelled:
                places.setdefault(cell.path, {})[at] = cell
    for path, cells in places.items():
        yield path, (NOTHING, _by_majority(cells, answered))


def _by_majority(cells: Mapping[int, Cell], answered: Sequence[int]) -> dict[int, VariantValue]:
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
            said[at] = VariantValue("agree", value)
        else:
            said[at] = VariantValue("missing" if group is None else "differ", value)
    return said


# -- Answers: what every variant said to one text, scored once for whoever looks at it.

DISAGREEING = frozenset({"differ", "missing", "invented", "null in words"})
"""The states of a cell that says something else than the truth, or than the other variants."""

_INDEX = re.compile(r"\[\d+\]")


def pattern_of(path: str) -> str:
    """The schema's path of a place in a record: `lines[].total` for `lines[2].total`."""
    return _INDEX.sub("[]", path)


@dataclass(frozen=True, slots=True)
class FieldResult:
    """A field of one text: what the truth says and what each variant says.

    `truth` is NOTHING where it is not labelled.
    """

    path: str
    truth: Any
    said: tuple[VariantValue, ...]

    @property
    def pattern(self) -> str:
        """The schema's path."""
        return pattern_of(self.path)

    @property
    def disagreeing(self) -> int:
        """How many variants say something else."""
        return sum(each.state in DISAGREEING for each in self.said)


@dataclass(frozen=True, slots=True)
class TextResult:
    """One text (and repeat): an extraction and a mark a variant, and the fields they fill."""

    text: int
    repeat: int
    document: Document
    extractions: tuple[Extraction, ...]
    marks: tuple[ScoredExtraction, ...]
    fields: tuple[FieldResult, ...]

    @property
    def differences(self) -> list[Difference]:
        """The fields where variants disagree or differ from the truth, and own failures."""
        found = [(each.path, each.truth, each.said) for each in self.fields]
        return find_differences(self.document.id, self.repeat, self.extractions, found)

    @property
    def values(self) -> tuple[FieldResult, ...]:
        """The fields; what one variant says stands alone where there is nothing to compare with."""
        if self.fields or not any(has_data(each) for each in self.extractions):
            return self.fields
        return _alone(self.extractions, [marked.cells for marked in self.marks])


def read_text_result(comparison: Comparison, text: int, repeat: int) -> TextResult:
    """Read and score what every variant answered to one text."""
    document, scoring = comparison.texts[text], comparison.scoring
    extractions = tuple(
        comparison.extraction(CellKey(variant, text, repeat))
        for variant in range(len(comparison.variants))
    )
    marks = tuple(score_extraction(each, document, scoring) for each in extractions)
    fields = tuple(FieldResult(*each) for each in fields_of(document, extractions, marks, scoring))
    return TextResult(text, repeat, document, extractions, marks, fields)


def read_text_results(comparison: Comparison, text: int) -> list[TextResult]:
    """The answers to one text, one a repeat."""
    return [read_text_result(comparison, text, repeat) for repeat in range(comparison.repeats)]


def read_all_results(comparison: Comparison) -> Iterator[TextResult]:
    """The answers to every text in its order, its repeats one after the other."""
    for at in range(len(comparison.texts)):
        yield from read_text_results(comparison, at)


def _alone(
    extractions: Sequence[Extraction], cells: Sequence[Sequence[Any]]
) -> tuple[FieldResult, ...]:
    paths = dict.fromkeys(cell.path for each in cells for cell in each)
    values = [{cell.path: cell.value for cell in each} for each in cells]
    said = {
        path: tuple(
            VariantValue("agree", values[at].get(path, NOTHING))
            if has_data(each)
            else VariantValue("failed")
            for at, each in enumerate(extractions)
        )
        for path in paths
    }
    return tuple(FieldResult(path, NOTHING, said[path]) for path in paths)


# -- Agreement: how far variants say the same; it needs no truth.

_MOST_TEXTS, _MOST_PAIRS = 500, 3_000


@dataclass(slots=True)
class SharedCells:
    """The cells that two variants were compared in, by field: those that say the same, and all.

    Each cell counts twice: once with either record in the place of truth.
    """

    same: Counter[str] = field(default_factory=Counter)
    of: Counter[str] = field(default_factory=Counter)

    def add(self, more: SharedCells) -> None:
        """Count what was found in one text."""
        self.same.update(more.same)
        self.of.update(more.of)

    def share(self, name: str | None = None) -> tuple[float, int] | None:
        """The share that is the same, 0–1, and of how many cells; None where there is none."""
        same, of = (each.total() if name is None else each[name] for each in (self.same, self.of))
        return (same / of, (of + 1) // 2) if of else None


@dataclass(frozen=True, slots=True)
class Agreement:
    """Each two variants, counted from 0, with what they share in a number of texts."""

    variants: int
    pairs: dict[tuple[int, int], SharedCells]
    texts: int

    @property
    def fields(self) -> list[str]:
        """The schema's paths that were compared."""
        return list(dict.fromkeys(name for each in self.pairs.values() for name in each.of))

    def between(self, a: int, b: int) -> SharedCells:
        """What two variants share."""
        return self.pairs[min(a, b), max(a, b)]

    def with_others(self, variant: int) -> SharedCells:
        """What one variant shares with all others together."""
        whole = SharedCells()
        for other in range(self.variants):
            if other != variant:
                whole.add(self.between(variant, other))
        return whole


def measure_agreement(comparison: Comparison, texts: Sequence[int] | None = None) -> Agreement:
    """Compare every two variants in these texts, all of them by default, by the same rules."""
    count = len(comparison.variants)
    pairs = {pair: SharedCells() for pair in combinations(range(count), 2)}
    texts = range(len(comparison.texts)) if texts is None else texts
    for at in texts:
        for repeat in range(comparison.repeats):
            places = [CellKey(variant, at, repeat) for variant in range(count)]
            found = [comparison.extraction(place) for place in places]
            data = {n: each.data for n, each in enumerate(found) if has_data(each)}
            for pair, shared in _in_text(comparison.texts[at], data, comparison.scoring):
                pairs[pair].add(shared)
    return Agreement(count, pairs, len(texts))


def sampled_agreement(comparison: Comparison) -> Agreement:
    """The agreement in so few texts, evenly spread, that it is there at once."""
    variants = len(comparison.variants)
    pairs = max(1, variants * (variants - 1) // 2)
    most = max(10, min(_MOST_TEXTS, _MOST_PAIRS // pairs))
    return measure_agreement(comparison, spread_evenly(len(comparison.texts), most))


def agreement_frame(comparison: Comparison, field: str | None = None) -> pd.DataFrame:
    """How far each two variants say the same: shares 0–1 of the cells both answered.

    One variant's record stands in for the truth, and the other's is compared by the same rules;
    the share is the mean of both directions. `field` keeps one field.
    """
    import pandas as pd

    labels, agreement = comparison.labels, measure_agreement(comparison)
    table = [[1.0 if a == b else float("nan") for b in labels] for a in labels]
    for (a, b), shared in agreement.pairs.items():
        found = shared.share(field)
        if found is not None:
            table[a][b] = table[b][a] = found[0]
    return pd.DataFrame(table, index=pd.Index(labels), columns=pd.Index(labels))


def _in_text(
    text: Document, data: dict[int, Any], scoring: Rules
) -> Iterator[tuple[tuple[int, int], SharedCells]]:
    """Each two variants that answered; records that are alike are compared once for all."""
    written = {at: json.dumps(each, sort_keys=True) for at, each in data.items()}
    known: dict[tuple[str, str], SharedCells] = {}
    for a, b in combinations(data, 2):
        first, second = sorted((written[a], written[b]))
        if (first, second) not in known:
            shared = known[first, second] = SharedCells()
            for one, other in ((data[a], data[b]), (data[b], data[a])):
                _compare(shared, text, one, other, scoring, alike=first == second)
        yield (a, b), known[first, second]


def _compare(
    shared: SharedCells, text: Document, one: Any, other: Any, scoring: Rules, *, alike: bool
) -> None:
    for cell in score_against(text.schema, other, one, scoring).cells:
        if not _both_silent(cell):
            shared.same[cell.pattern] += alike or bool(cell.right)
            shared.of[cell.pattern] += 1


def _both_silent(cell: Cell) -> bool:
    """Nothing said on either side, an open key on one: no answer to agree on."""
    return (cell.value is NOTHING and is_empty(cell.truth)) or (
        cell.truth is NOTHING and is_empty(cell.value)
    )
