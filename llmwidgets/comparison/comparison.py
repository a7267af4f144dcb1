"""Comparison: what a run returns. A value that reads its extractions from the journal."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmwidgets.comparison import frames, reading, scoreboard, shown
from llmwidgets.comparison import outputs as outputs_made
from llmwidgets.comparison.differences import Difference, differences_of
from llmwidgets.comparison.marks import Mark, Scoring, mark
from llmwidgets.comparison.rows import Place, Rows
from llmwidgets.comparison.variant import Variant
from llmwidgets.engine.extraction import read as read_extraction
from llmwidgets.engine.journal import Journal, Row
from llmwidgets.errors import FieldError, Stopped
from llmwidgets.report import html, text
from llmwidgets.report.files import write_text

if TYPE_CHECKING:
    import pandas as pd

    from llmwidgets.analysis.significance import Verdict
    from llmwidgets.engine.extraction import Extraction
    from llmwidgets.engine.plan import Text
    from llmwidgets.engine.run import Run

_NOT_ASKED = Row.of_failure(
    "", Stopped("The run was stopped before this text's turn.", "Run it again to go on."), at=0.0
)


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Comparison:
    """Every text asked of every variant, scored where there is truth.

    Shares are 0–1, money US dollars, times seconds. Nothing is held in memory but row ids: the
    extractions are read from the journal when they are looked at.

    >>> result = compare(Invoice, texts, models="demo", truth=truth)   # doctest: +SKIP
    >>> result.scoreboard()[["variant", "accuracy", "cost"]]           # doctest: +SKIP
    """

    variants: tuple[Variant, ...]
    models: tuple[str, ...]
    texts: tuple[Text, ...]
    rows: Rows
    journal: Journal
    read: Callable[[Row, Place], Extraction]
    scoring: Scoring = None
    notes: tuple[str, ...] = ()
    made_at: datetime = field(default_factory=lambda: datetime.now(UTC))

    @property
    def labels(self) -> tuple[str, ...]:
        """The variants' labels, in the order of the columns."""
        return tuple(variant.label or "" for variant in self.variants)

    @property
    def repeats(self) -> int:
        """How often each text was asked of each variant."""
        return self.rows.repeats

    def __len__(self) -> int:
        """How many extractions there are, failures included."""
        return len(self.rows)

    def __iter__(self) -> Iterator[Extraction]:
        """Every extraction: variant by variant, text by text."""
        return (self.extraction(place) for place in self.places())

    def places(self, variant: int | None = None) -> Iterator[Place]:
        """Every place, or those of one variant."""
        return (
            place for place in self.rows.places() if variant is None or place.variant == variant
        )

    def row(self, place: Place) -> Row:
        """The journal's row of a place; a `Stopped` one where nothing was asked."""
        found = self.rows.id(place)
        return self.journal.get(found) if found else _NOT_ASKED

    def status(self, place: Place) -> str:
        """`ok`, or the class of the failure."""
        return self.row(place).status

    def extraction(self, place: Place) -> Extraction:
        """The extraction of a place, read from the journal."""
        return self.read(self.row(place), place)

    def mark(self, place: Place) -> Mark:
        """How the extraction of a place is scored."""
        return mark(self.extraction(place), self.texts[place.text], self.scoring)

    @cached_property
    def reading(self) -> reading.Reading:
        """The sums over all extractions, read once."""
        return reading.read(self)

    def differing(self) -> Iterator[Difference]:
        """Each field where variants disagree or differ from the truth, text by text."""
        for at, document in enumerate(self.texts):
            for repeat in range(self.repeats):
                places = [Place(variant, at, repeat) for variant in range(len(self.variants))]
                found = [self.extraction(place) for place in places]
                marks = [mark(each, document, self.scoring) for each in found]
                yield from differences_of(document, repeat, found, marks, self.scoring)

    def scoreboard(self) -> pd.DataFrame:
        """A row a variant: accuracy with its interval, failures by class, times, tokens, cost.

        Shares are 0–1, times seconds, money US dollars; NaN is unknown or not scored, never 0.
        """
        return scoreboard.scoreboard(self)

    def verdict(self) -> Verdict:
        """Whether the differences are real: .sentence .not_told_apart .recommended .table."""
        return self._verdict

    @cached_property
    def _verdict(self) -> Verdict:
        return scoreboard.verdict(self)

    def to_frame(self) -> pd.DataFrame:
        """Long: variant, text_id, repeat, field, value, truth, right, status, grounded."""
        return frames.long_frame(self)

    def records(self, variant: str) -> pd.DataFrame:
        """One variant's records: a row a text, a column a leaf. FieldError for an unknown label."""
        return frames.record_frame(self, self._at(variant))

    def differences(self) -> pd.DataFrame:
        """A row a field where variants disagree or differ from the truth, a column a variant."""
        return frames.difference_frame(self)

    def rescore(self, scoring: Scoring) -> Comparison:
        """The same replies under other rules of what counts as right; calls nothing."""
        from llmwidgets.comparison.asked import read_rules

        return replace(self, scoring=read_rules(scoring, self.texts))

    def rerun(self, models: Any = None, **more: Any) -> Comparison:
        """Ask the same texts again; pays only for what was not answered.

        `models` takes the place of the variants; `more` are keywords of `compare` such as
        `store`, `budget` or `progress`.
        """
        from llmwidgets.comparison.calls import compare_again

        return compare_again(self, models, **more)

    def against(self, earlier: Comparison) -> pd.DataFrame:
        """What flipped since an earlier comparison: value, right and status, before and now."""
        return frames.flipped_frame(self, earlier)

    @classmethod
    def of_run(
        cls,
        run: Run,
        *,
        variants: tuple[Variant, ...] = (),
        scoring: Scoring = None,
        notes: tuple[str, ...] = (),
    ) -> Comparison:
        """What a run has brought so far; open extractions are `Stopped`.

        `variants` are those the plan's columns came from; without them the columns speak for
        themselves.
        """
        plan = run.plan
        rows = Rows(len(plan.columns), len(plan.texts), plan.repeats)
        for place in rows.places():
            at = (place.variant, place.text, place.repeat)
            rows.put(place, run.row_id(*at), reused=run.reused(*at))

        def read(row: Row, place: Place) -> Extraction:
            column, document = plan.columns[place.variant], plan.texts[place.text]
            again = rows.reused(place)
            return read_extraction(column, document, place.repeat, row, reused=again)

        if run.error is not None:
            notes += (f"The run ended early by an internal error, {type(run.error).__name__}.",)
        return cls(
            variants=variants or tuple(map(Variant.of_column, plan.columns)),
            models=tuple(column.model for column in plan.columns),
            texts=plan.texts,
            rows=rows,
            journal=run.journal,
            read=read,
            scoring=scoring,
            notes=notes,
        )

    @classmethod
    def from_outputs(
        cls,
        schema: Any,
        texts: Any,
        outputs: Mapping[str, Any],
        truth: Any = None,
        scoring: Scoring = None,
    ) -> Comparison:
        """Outputs that were made elsewhere, compared by the same rules; calls nothing.

        Texts may be empty; `schema` is None where each text has its own. An output is JSON, a
        string to parse, or None. FieldError names what does not fit.
        """
        from llmwidgets.comparison.asked import read_documents, read_rules

        documents = read_documents(schema, texts, truth, allow_empty=True)
        listed = outputs_made.read_outputs(outputs, documents)
        labels = tuple(listed)
        rows = (
            outputs_made.row_of(label, output, document)
            for label in labels
            for output, document in zip(listed[label], documents, strict=True)
        )
        given = outputs_made.given(rows, labels, labels, documents)
        return cls(
            variants=tuple(Variant(label, label=label) for label in labels),
            models=labels,
            texts=documents,
            rows=given.rows,
            journal=given.journal,
            read=given.read,
            scoring=read_rules(scoring, documents),
            notes=("Outputs made elsewhere; nothing was called.",),
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the comparison with its texts, truth and replies to one JSON file."""
        from llmwidgets.comparison.saved import save

        return save(self, path)

    def to_html(self, path: str | os.PathLike[str], values: bool = False) -> Path:
        """Write a self-contained page; extracted values and truth only with `values=True`."""
        summary = shown.summary(self, values=values, page=True)
        return write_text(path, html.page("Comparison", summary, shown.sections(self)))

    def explore(self) -> Any:
        """The panel on this comparison, for a notebook."""
        # The panel stands above this layer; the package's lazy names are the one way up.
        import llmwidgets

        panel: Any = llmwidgets.ComparisonPanel
        return panel._on(self)

    def __repr__(self) -> str:
        return text.render(shown.summary(self))

    def _repr_html_(self) -> str:
        return html.fragment(shown.summary(self))

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self._repr_html_()}

    def _at(self, variant: str) -> int:
        if variant in self.labels:
            return self.labels.index(variant)
        raise FieldError(
            f"There is no variant {variant}.", f"The variants are {', '.join(self.labels)}."
        )
