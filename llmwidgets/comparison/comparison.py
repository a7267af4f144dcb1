"""Comparison: what a run returns. A value that reads its extractions from the journal."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmwidgets.analysis.grounding import ExampleLeakage
from llmwidgets.analysis.verdict import MATTERS, read_matters
from llmwidgets.comparison import (
    builders,
    corrections,
    dataframes,
    differences,
    field_metrics,
    run_settings,
    scoreboard,
    view_model,
)
from llmwidgets.comparison import dataframes as exports
from llmwidgets.comparison import field_metrics as grounded
from llmwidgets.comparison.aggregate import Aggregates, aggregate
from llmwidgets.comparison.corrections import Correction
from llmwidgets.comparison.differences import Agreement, Difference, read_all_results
from llmwidgets.comparison.inputs import Missing, read_documents, read_rules
from llmwidgets.comparison.scored import (
    CellKey,
    ResultIndex,
    Rules,
    ScoredExtraction,
    Scoring,
    score_extraction,
)
from llmwidgets.comparison.truth import Blank
from llmwidgets.comparison.variants import Variant
from llmwidgets.engine.journal import Journal, Row
from llmwidgets.errors import FieldError, Stopped
from llmwidgets.report import html, text, writers

if TYPE_CHECKING:
    import pandas as pd

    from llmwidgets.analysis.significance import Tested
    from llmwidgets.analysis.verdict import Standing, Verdict
    from llmwidgets.engine.extraction import Extraction
    from llmwidgets.engine.request_builder import Document
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
    texts: tuple[Document, ...]
    rows: ResultIndex
    journal: Journal
    read: Callable[[Row, CellKey], Extraction]
    scoring: Rules = None
    notes: tuple[str, ...] = ()
    made: tuple[Correction, ...] = ()
    looks: set[int] = field(default_factory=set)
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

    def places(self, variant: int | None = None) -> Iterator[CellKey]:
        """Every place, or those of one variant."""
        return (
            place for place in self.rows.places() if variant is None or place.variant == variant
        )

    def row(self, place: CellKey) -> Row:
        """The journal's row of a place; a `Stopped` one where nothing was asked."""
        found = self.rows.id(place)
        return self.journal.get(found) if found else _NOT_ASKED

    def status(self, place: CellKey) -> str:
        """`ok`, or the class of the failure."""
        return self.row(place).status

    def extraction(self, place: CellKey) -> Extraction:
        """The extraction of a place, read from the journal."""
        return self.read(self.row(place), place)

    def mark(self, place: CellKey) -> ScoredExtraction:
        """How the extraction of a place is scored."""
        return score_extraction(self.extraction(place), self.texts[place.text], self.scoring)

    @cached_property
    def reading(self) -> Aggregates:
        """The sums over all extractions, read once."""
        return aggregate(self)

    def differing(self) -> Iterator[Difference]:
        """Each field where variants disagree or differ from the truth, text by text."""
        for answers in read_all_results(self):
            yield from answers.differences

    def scoreboard(self) -> pd.DataFrame:
        """One row per variant: accuracy with its interval, losses, failures, times, tokens, cost.

        Shares are 0–1, times seconds, money US dollars; NaN is unknown or not scored, never 0.
        `accuracy` is the mean over texts, `accuracy_low` to `accuracy_high` its 95 % interval,
        `pooled` the share of the labelled fields of all texts together. `lost` counts the scored
        texts whose reply left no usable record (refused, filtered, truncated, not JSON; wrong in
        `accuracy`), with the exact 95 % interval `loss_low` to `loss_high` of their share and the
        `answered_accuracy` of the replies that came. The intervals are those of the verdict: they
        allow for groups and for how often the truth was looked at.
        `unanswered` counts the labelled texts that were asked and got no answer (in no
        `accuracy`), `accuracy_if_wrong` counts them as wrong. `timed_out` calls took too long;
        their time is not in `p50_seconds` and `p95_seconds`. `cost` is that of all replies,
        `paid_now` what this run paid: a reply that was there already costs nothing now.
        """
        return scoreboard.scoreboard(self)

    def verdict(self, matters: float = MATTERS) -> Verdict:
        """Which variant to take: .sentence .outcome .leader .recommended .not_told_apart .table.

        Recommended is the cheapest variant that is shown to be at most `matters` worse than the
        best (0.05: 5 fields in 100); None where the texts are not enough to tell.
        """
        share, tested = read_matters(matters), self._tested
        return tested.conclude(share) if tested else scoreboard.unscored(self)

    @cached_property
    def standings(self) -> tuple[Standing | None, ...]:
        """Each variant by itself, in the order of the columns; None where none is scored."""
        return scoreboard.standings(self)

    @cached_property
    def _tested(self) -> Tested | None:
        return scoreboard.tested(self)

    def to_frame(self) -> pd.DataFrame:
        """Long: variant, text_id, repeat, field, value, truth, right, status, grounded."""
        return dataframes.long_frame(self)

    def records(self, variant: str) -> pd.DataFrame:
        """One variant's records, one row per text. FieldError for an unknown label."""
        return dataframes.record_frame(self, self._at(variant))

    def differences(self) -> pd.DataFrame:
        """One row per field where variants disagree or differ from the truth, a column for each."""
        return dataframes.difference_frame(self)

    def by_field(self) -> pd.DataFrame:
        """One row per field and variant: labelled, right, accuracy, precision, recall, f1 (0–1)."""
        return field_metrics.field_frame(self)

    def by_text(self) -> pd.DataFrame:
        """One row per scored text and variant, with the figures of `by_field`."""
        return field_metrics.text_frame(self)

    def agreement(self, field: str | None = None) -> pd.DataFrame:
        """The share of cells (0–1) in which each two variants say the same; needs no truth."""
        return differences.agreement_frame(self, field)

    @cached_property
    def agreeing(self) -> Agreement:
        """What each two variants share; in some texts, evenly spread, where there are many."""
        return differences.sampled_agreement(self)

    def grounding(self) -> pd.DataFrame:
        """One row per variant: how many values are found in their text, and how many nowhere."""
        return grounded.grounding_frame(self)

    @cached_property
    def copyings(self) -> tuple[ExampleLeakage, ...]:
        """For each column: tells whether a value was copied from the examples it was shown."""
        shots = (builders.examples_of(each.examples) for each in self.variants)
        return tuple(
            ExampleLeakage.of((each.text, each.record) for each in shown) for shown in shots
        )

    def doubtful_labels(self) -> pd.DataFrame:
        """Where the models agree against the truth: probably wrong labels, most variants first."""
        return dataframes.doubtful_frame(self)

    def correct(
        self, text_id: str, field: str, value: Any, *, by: str = "", seen: bool = True
    ) -> Comparison:
        """The comparison with one label set; every score follows, nothing is called.

        `field` is a place such as `total` or `lines[0].total`; None says that the text holds no
        value. `by` says who or what the label comes from, `seen` whether it was made after the
        models' values were seen. FieldError where the value does not fit the schema.

        >>> result = result.correct("letter-7", "total", 12.5, by="Ada")   # doctest: +SKIP
        """
        made = corrections.correction_of(self.texts, text_id, field, value, by=by, seen=seen)
        texts = corrections.apply_correction(self.texts, made)
        return self._with_truth(texts, (*self.made, made))

    def corrections(self) -> pd.DataFrame:
        """One row per label made since the run: text_id, field, old, new, by, seen, made_at."""
        return corrections.corrections_frame(self.made)

    def as_given(self) -> Comparison:
        """The same replies by the truth as it was given, without labels made after the run."""
        return self._with_truth(corrections.truth_before(self.texts, self.made), ())

    def _with_truth(self, texts: tuple[Document, ...], made: tuple[Correction, ...]) -> Comparison:
        """The same replies by other truth; what was read already is scored again where it moved."""
        changed = replace(self, texts=texts, made=made)
        if self.is_read:
            changed.take(self.reading.after(self, changed))
        return changed

    @property
    def is_read(self) -> bool:
        """Whether the sums over all extractions are there already."""
        return "reading" in self.__dict__

    def take(self, read: Aggregates) -> None:
        """Keep sums that were made while something else went through every extraction."""
        self.__dict__["reading"] = read

    def rescore(self, scoring: Scoring) -> Comparison:
        """The same replies under other rules of what counts as right (see `compare`); no calls."""
        return replace(self, scoring=read_rules(scoring, self.texts))

    def rerun(self, models: Any = None, **more: Any) -> Comparison:
        """Ask the same texts again; pays only for what was not answered.

        `models` takes the place of the variants; `more` are keywords of `compare` such as
        `store`, `budget` or `progress`.
        """
        from llmwidgets.comparison.api import compare_again

        return compare_again(self, models, **more)

    def against(self, earlier: Comparison) -> pd.DataFrame:
        """What flipped since an earlier comparison: value, right and status, before and now.

        `.attrs["changed"]` has the sentences of `changes_since`.
        """
        frame = dataframes.flipped_frame(self, earlier, run_settings.match_variants(self, earlier))
        frame.attrs["changed"] = list(self.changes_since(earlier))
        return frame

    def changes_since(self, earlier: Comparison) -> tuple[str, ...]:
        """What differs from an earlier comparison, other than the answers, in sentences.

        Models, schemas, texts, truth, scoring, instructions, examples, thinking, limits, versions.
        """
        return run_settings.describe_changes(self, earlier)

    @classmethod
    def of_run(
        cls,
        run: Run,
        *,
        variants: tuple[Variant, ...] = (),
        scoring: Rules = None,
        notes: tuple[str, ...] = (),
    ) -> Comparison:
        """What a run has brought so far; open extractions are `Stopped`.

        `variants` are those the plan's columns came from; without them the columns speak for
        themselves.
        """
        return builders.comparison_of_run(cls, run, variants=variants, scoring=scoring, notes=notes)

    @classmethod
    def from_outputs(
        cls,
        schema: Any,
        texts: Any,
        outputs: Mapping[str, Any],
        truth: Any = None,
        scoring: Scoring = None,
        *,
        group: Any = None,
        blank: Blank = None,
        missing: Missing = "unanswered",
    ) -> Comparison:
        """Outputs that were made elsewhere, compared by the same rules; calls nothing.

        Texts may be empty; `schema` is None where each text has its own. An output is JSON, a
        string to parse, or None: no answer came, and the text is not scored, or, with
        `missing="wrong"`, the model failed and its fields are wrong. `group` and `blank` are those
        of `compare`. FieldError names what does not fit.
        """
        documents = read_documents(schema, texts, truth, group=group, blank=blank, allow_empty=True)
        return builders.comparison_of_outputs(cls, documents, outputs, scoring, missing)

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the comparison with its texts, truth and replies to one JSON file."""
        from llmwidgets.comparison.serialization import save

        return save(self, path)

    def to_html(self, path: str | os.PathLike[str], values: bool = False) -> Path:
        """Write a self-contained page; extracted values and truth only with `values=True`."""
        summary = view_model.summarize(self, values=values, page=True)
        return writers.write_text(path, html.page("Comparison", summary, view_model.sections(self)))

    def to_csv(self, path: str | os.PathLike[str], table: str = "fields") -> Path:
        """Write a table as CSV with spreadsheet formulas escaped; it holds extracted values.

        `table` is fields, scoreboard, by_field, differences, corrections, verdict or truth.
        """
        return exports.to_csv(self, path, table)

    def to_jsonl(self, path: str | os.PathLike[str], table: str = "fields") -> Path:
        """Write a table (see `to_csv`) as JSON, one object per line."""
        return exports.to_jsonl(self, path, table)

    def to_parquet(self, path: str | os.PathLike[str], table: str = "fields") -> Path:
        """Write a table (see `to_csv`) as Parquet; FieldError where pyarrow is not installed."""
        return exports.to_parquet(self, path, table)

    def to_label_studio(self, path: str | os.PathLike[str]) -> Path:
        """Write every text with each variant's values as predictions that Label Studio imports."""
        return exports.to_label_studio(self, path)

    def code(self) -> str:
        """Python that runs the same comparison, with no secret and no text in it."""
        from llmwidgets.comparison.run_settings import script_of

        return str(script_of(self))

    def explore(self) -> Any:
        """The panel on this comparison, for a notebook."""
        # The panel stands above this layer; the package's lazy names are the one way up.
        import llmwidgets

        panel: Any = llmwidgets.ComparisonPanel
        return panel._on(self)

    def __repr__(self) -> str:
        return text.render(view_model.summarize(self))

    def _repr_html_(self) -> str:
        return html.fragment(view_model.summarize(self))

    def _repr_mimebundle_(self, **_: Any) -> dict[str, str]:
        return {"text/plain": repr(self), "text/html": self._repr_html_()}

    def _at(self, variant: str) -> int:
        if variant in self.labels:
            return self.labels.index(variant)
        raise FieldError(
            f"There is no variant {variant}.", f"The variants are {', '.join(self.labels)}."
        )
