"""Making a comparison: from a run, or from outputs that were made elsewhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from llmwidgets.comparison import inputs
from llmwidgets.comparison.inputs import read_rules
from llmwidgets.comparison.scored import CellKey, ResultIndex
from llmwidgets.comparison.variants import Variant
from llmwidgets.dialects.types import Example
from llmwidgets.engine.extraction import read as read_extraction

if TYPE_CHECKING:
    from llmwidgets.comparison.comparison import Comparison
    from llmwidgets.comparison.inputs import Missing
    from llmwidgets.comparison.scored import Rules
    from llmwidgets.engine.extraction import Extraction
    from llmwidgets.engine.journal import Row
    from llmwidgets.engine.request_builder import Document
    from llmwidgets.engine.run import Run


def comparison_of_run(
    kind: type[Comparison],
    run: Run,
    *,
    variants: tuple[Variant, ...],
    scoring: Rules,
    notes: tuple[str, ...],
) -> Comparison:
    """What a run has brought so far; the rows are read from its journal."""
    plan = run.plan
    rows = ResultIndex(len(plan.columns), len(plan.texts), plan.repeats)
    for place in rows.places():
        at = (place.variant, place.text, place.repeat)
        rows.put(place, run.row_id(*at), reused=run.reused(*at))

    def read(row: Row, place: CellKey) -> Extraction:
        column, document = plan.columns[place.variant], plan.texts[place.text]
        again = rows.reused(place)
        return read_extraction(column, document, place.repeat, row, reused=again)

    notes += run.notes
    if run.error is not None:
        notes += (f"The run ended early by an internal error, {type(run.error).__name__}.",)
    return kind(
        variants=variants or tuple(map(Variant.of_column, plan.columns)),
        models=tuple(column.model for column in plan.columns),
        texts=plan.texts,
        rows=rows,
        journal=run.journal,
        read=read,
        scoring=scoring,
        notes=notes,
    )


def comparison_of_outputs(
    kind: type[Comparison],
    documents: Sequence[Document],
    outputs: Mapping[str, Any],
    scoring: Any,
    missing: Missing,
) -> Comparison:
    """Outputs read and judged as rows of a journal in memory."""
    listed = inputs.read_outputs(outputs, documents)
    absent = inputs.read_missing(missing)
    labels = tuple(listed)
    rows = (
        inputs.output_row(label, output, document, absent)
        for label in labels
        for output, document in zip(listed[label], documents, strict=True)
    )
    given = inputs.journal_outputs(rows, labels, labels, documents)
    return kind(
        variants=tuple(Variant(label, label=label) for label in labels),
        models=labels,
        texts=tuple(documents),
        rows=given.rows,
        journal=given.journal,
        read=given.read,
        scoring=read_rules(scoring, documents),
        notes=(inputs.MADE_ELSEWHERE,),
    )


def examples_of(shots: Any) -> Sequence[Example]:
    """The examples a variant was shown; none where they are only a number."""
    if not isinstance(shots, Sequence):
        return ()
    return [each for each in shots if isinstance(each, Example)]
