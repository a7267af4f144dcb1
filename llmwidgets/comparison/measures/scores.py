"""The scores: each variant's figures, the verdict, and what a mean share right leaves out."""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import chain, combinations
from typing import TYPE_CHECKING

from llmwidgets import formatting
from llmwidgets.analysis.leaves import NOTHING, is_empty
from llmwidgets.analysis.rules import (
    RECORD,
    FieldWeights,
    LostFunction,
    plain_digits,
    split_weight,
    weighted_share,
    weights_of,
)
from llmwidgets.analysis.scoring import failed_score
from llmwidgets.analysis.statistics import significance
from llmwidgets.analysis.statistics.intervals import FEWEST_TEXTS
from llmwidgets.analysis.statistics.significance import Scores, Tested
from llmwidgets.analysis.statistics.verdict import MATTERS, Standing, Verdict, read_matters
from llmwidgets.analysis.statistics.verdict_sentences import conclude_unscored
from llmwidgets.comparison.core import CellKey, ResultData, Rules, measure_once
from llmwidgets.comparison.measures.aggregate import aggregate
from llmwidgets.comparison.measures.causes import explain_failures
from llmwidgets.comparison.measures.slices import By, frame_by
from llmwidgets.comparison.measures.stability import measure_stability
from llmwidgets.comparison.measures.text_result import (
    DOCUBENCH,
    function_in_code,
    is_labelled,
    name_in_code,
    rule_text,
)
from llmwidgets.comparison.measures.variant_stats import VariantStats
from llmwidgets.comparison.texts import spread_evenly
from llmwidgets.comparison.truth import blank_note
from llmwidgets.comparison.variants import own_schema_words
from llmwidgets.engine.journal_runs import RunScores, digest, has_runs, put_scores, token_of
from llmwidgets.errors import FAILURES
from llmwidgets.formatting import join_truncated
from llmwidgets.report.scoreboard import Figures, ScoreRow
from llmwidgets.schemas.python_code import python_literal

if TYPE_CHECKING:
    import pandas as pd


def scoreboard_frame(results: ResultData, by: By | None = None) -> pd.DataFrame:
    """One row per variant: accuracy with its interval, losses, failures, times, tokens, cost.

    Shares are 0–1, times seconds, money US dollars; NaN is unknown or not scored, never 0.
    `accuracy` is the mean over texts, `accuracy_low` to `accuracy_high` its 95 % interval,
    `pooled` the share of the labelled fields of all texts together; where `scoring` has weights,
    both count by weight, and a note says by which. `lost` counts the scored
    texts whose reply left no usable record (refused, filtered, truncated, not JSON; wrong in
    `accuracy`), with the exact 95 % interval `loss_low` to `loss_high` of their share and the
    `answered_accuracy` of the replies that came. The intervals are those of the verdict: they
    allow for groups and for how often the truth was looked at.
    `unanswered` counts the labelled texts that were asked and got no answer (in no
    `accuracy`), `accuracy_if_wrong` counts them as wrong. `timed_out` calls took too long;
    their time is not in `p50_seconds` and `p95_seconds`. `cost` is that of all replies,
    `paid_now` what this run paid: a reply that was there already costs nothing now. `stability`
    is the share of pairs of repeats that say the same (see `stability()`), NaN with one repeat.
    `.attrs["notes"]` has a sentence for each rule that a file could not keep, for each variant
    that was not compared in full, for blank labels, and where most fields have no value or texts
    and fields differ in their figures.

    `by` is a column or key of the texts, "group", or a list of them: then there is one row per
    slice and variant, with the slice first and every figure of its texts alone. More than 12
    different numbers or days are in bands, empty cells are "(none)", and the notes name slices
    with too few texts. FieldError for an unknown name.
    """
    if by is not None:
        return frame_by(results, by, scoreboard_frame)
    frame = _frame_of(score_rows(results))
    notes = (
        weight_note(results),
        lost_functions(results),
        not_in_full(results),
        caveat_sentences(results),
        blank_note(results.texts),
    )
    frame.attrs["notes"] = list(chain(*notes))
    return frame


def _frame_of(rows: Sequence[ScoreRow]) -> pd.DataFrame:
    """The rows as columns: a sixth of the work of a frame whose types are changed afterwards."""
    import numpy as np
    import pandas as pd

    figures, numbers = [each.by_column() for each in rows], Figures.numbers()
    columns = {name: [each[name] for each in figures] for name in figures[0]}
    return pd.DataFrame(
        {
            name: np.array(values, dtype=float) if name in numbers else values
            for name, values in columns.items()
        }
    )


def score_rows(results: ResultData) -> tuple[ScoreRow, ...]:
    """One row per variant, in the order of the letters."""
    return tuple(_row(results, at, stats) for at, stats in enumerate(aggregate(results).stats))


_OF_STATS = (
    "accuracy", "invented", "missed", "nulls_in_words", "rows_invented", "rows_missed",
    "input_tokens", "output_tokens", "reasoning_tokens", "cost_per_1000", "timed_out",
)  # fmt: skip
_OF_VALUES = ("precision", "recall", "f1")
_OF_STANDING = ("loss_low", "loss_high", "answered_accuracy")
"""The figures that a variant's row has under the names of where they are known."""


def _row(results: ResultData, at: int, stats: VariantStats) -> ScoreRow:
    """Every figure of a variant: a new one is a field of Figures and its value here."""
    standing, total = standings(results)[at], stats.total
    bounded = standing is not None and (standing.low, standing.high) != (0.0, 1.0)
    p50, p95 = quantiles(stats.seconds)
    unanswered = len(stats.unanswered)
    same = {name: getattr(stats, name) for name in _OF_STATS}
    same |= {name: getattr(total, name) for name in _OF_VALUES}
    same |= {name: getattr(standing, name, None) for name in _OF_STANDING}
    return ScoreRow(
        variant=results.labels[at],
        model=results.models[at],
        effort=results.variants[at].effort or "",
        schema=own_schema_words(results.variants[at], (text.schema for text in results.texts)),
        mode=" / ".join(stats.modes),
        texts=len(results.texts),
        scored=len(stats.scores),
        valid=stats.statuses["ok"] / (len(results.texts) * results.repeats),
        accuracy_low=standing.low if standing and bounded else None,
        accuracy_high=standing.high if standing and bounded else None,
        perfect=stats.perfect_share,
        pooled=pool(results, stats),
        rows_right=stats.rows_right / stats.rows if stats.rows else None,
        failures={name: stats.statuses[name] for name in FAILURES},
        p50_seconds=p50,
        p95_seconds=p95,
        cost=stats.cost if stats.answered else None,
        paid_now=stats.paid_now if stats.answered else None,
        p50_waiting_seconds=quantiles(stats.waiting)[0],
        lost=len(stats.lost),
        unanswered=unanswered,
        accuracy_if_wrong=standing.accuracy_if_wrong if standing else 0.0 if unanswered else None,
        stability=measure_stability(results)[at].whole.stability,
        letter=formatting.variant_letter(at),
        asked=sum(stats.statuses.values()),
        valid_replies=stats.statuses["ok"],
        **same,
    )


def not_in_full(results: ResultData) -> tuple[str, ...]:
    """A sentence for each variant with answers that were too large to compare in full."""
    sentences = []
    for label, stats in zip(results.labels, aggregate(results).stats, strict=True):
        if stats.notes:
            reasons = list(dict.fromkeys(note for each in stats.notes.values() for note in each))
            more = f" And {len(reasons) - 1} more like it." if len(reasons) > 1 else ""
            first, _, reason = reasons[0].partition(": ")
            was = "was" if len(stats.notes) == 1 else "were"
            sentences.append(
                f"{label}: {join_truncated(stats.notes)} {was} not compared in full. "
                f"In {first}: {reason}{more}"
            )
    return tuple(sentences)


def lost_functions(results: ResultData) -> tuple[str, ...]:
    """A sentence for each function that scored these results, and that a file could not keep."""
    sentences = []
    for path, kept in (results.scoring or {}).items():
        rule, weight = split_weight(kept)
        if isinstance(rule, LostFunction):
            name = name_in_code(path, rule)
            define = f"define {name}" if rule.name != "docubench" else DOCUBENCH.split(",")[0]
            sentences.append(
                f"{path or 'The whole record'} was scored by the function {rule.name}, which a "
                "file cannot hold: here it is scored by the default rules. To score as before, "
                f"{define} and call "
                f"comparison.rescore({{**comparison.scoring, {python_literal(path)}: "
                f"{function_in_code(name, weight)}}})."
            )
    return tuple(sentences)


@measure_once
def read_weights(results: ResultData) -> FieldWeights | None:
    """What each field counts in the accuracy of a text; None where no weight is given."""
    leaves = dict.fromkeys(leaf.path for text in results.texts for leaf in text.schema.leaves)
    return weights_of(results.scoring, leaves)


def pool(results: ResultData, stats: VariantStats) -> float | None:
    """The share right of the labelled fields of all texts together, by their weights."""
    if (weights := read_weights(results)) is None:
        return stats.total.accuracy
    return weighted_share(
        (weights[name], each.right + each.part, each.labelled)
        for name, each in stats.counts.items()
    )


@measure_once
def weight_note(results: ResultData) -> tuple[str, ...]:
    """By which weights the fields count; empty where all count the same."""
    weights = read_weights(results)
    if weights is None or weights.are_equal():
        return ()
    leaves = (leaf.path for text in results.texts for leaf in text.schema.leaves)
    places = {path: split_weight(rule)[1] for path, rule in (results.scoring or {}).items()}
    given = {path: weight for path, weight in places.items() if weight is not None}
    named = join_truncated((f"{path} {plain_digits(each)}" for path, each in given.items()), 8)
    elsewhere = FieldWeights(dict.fromkeys(given, 0.0))
    others = ", others 1" if any(elsewhere[each] for each in leaves) else ""
    return (f"Fields count by weight: {named}{others}.",)


def quantiles(seconds: list[float]) -> tuple[float | None, float | None]:
    """Median and 95th percentile, None without any."""
    import numpy as np

    if not seconds:
        return None, None
    p50, p95 = np.percentile(seconds, [50, 95])
    return float(p50), float(p95)


# -- The verdict, from the shares right by text.


def verdict_of(results: ResultData, matters: float = MATTERS) -> Verdict:
    """Which variant to take: .sentence .outcome .leader .recommended .not_told_apart .table.

    Recommended is the cheapest variant that is shown to be at most `matters` worse than the
    best (0.05: 5 fields in 100); None where the texts are not enough to tell.
    """
    share, known = read_matters(matters), tested(results)
    verdict = _conclude_unscored(results) if known is None else known.conclude(share)
    return replace(verdict, caveat=" ".join(blank_note(results.texts)))


def _conclude_unscored(results: ResultData) -> Verdict:
    sums = aggregate(results)
    valid = sum(stats.statuses["ok"] for stats in sums.stats)
    concluded = conclude_unscored(
        valid=valid,
        replies=len(results),
        variants=len(results.variants),
        labelled=sum(is_labelled(text, results.scoring) for text in results.texts),
        differing=sums.differing,
    )
    return concluded if valid else replace(concluded, causes=explain_failures(results))


@measure_once
def standings(results: ResultData) -> tuple[Standing | None, ...]:
    """Each variant by itself, with the bounds of the verdict; None where none is scored.

    It is not a look at the verdict, but its bounds allow for the looks there were.
    """
    level, groups = significance.level_after(known_looks(results)), groups_of(results)
    columns = _columns(results)
    if any(column.scores for column in columns):
        note_scores(results)
    return tuple(
        significance.standing(column, groups, level) if column.scores else None
        for column in columns
    )


@measure_once
def tested(results: ResultData) -> Tested | None:
    """All variants tested in pairs, by the texts that were scored; None where none was."""
    columns = _columns(results)
    if not any(column.scores for column in columns):
        return None
    note_scores(results)
    found = significance.compare_variants(
        columns,
        groups=groups_of(results),
        looks=record_look(results),
        repeats=results.repeats,
    )
    return replace(found, weighted=bool(weight_note(results)))


def _columns(results: ResultData) -> list[Scores]:
    return [
        Scores(
            label,
            stats.mean_scores,
            stats.cost_per_1000,
            lost=frozenset(stats.lost),
            unanswered=stats.unanswered,
        )
        for label, stats in zip(results.labels, aggregate(results).stats, strict=True)
    ]


def groups_of(results: ResultData) -> dict[str, str] | None:
    """The group of each text; None where no texts belong together."""
    groups = {text.id: text.group for text in results.texts}
    return groups if any(groups.values()) else None


# -- Looks: at how many scored texts a verdict was shown, for the same replies.
#
# Who looks again with every few labels, and stops when models are told apart, finds differences
# that are not there; so each look is counted, also across runs that share replies in a journal.

_KEYS = 8
"""The number of replies kept in place of all those of a variant that a look was at."""


def known_looks(results: ResultData) -> tuple[int, ...]:
    """The looks up to one at the texts scored now, counted or not; none at too few for a verdict.

    A look at as many texts as before is not a new one.
    """
    columns = aggregate(results).stats
    scored = len({text for stats in columns for text in stats.scores})
    if scored < FEWEST_TEXTS:
        return ()
    if not results.slice_by:
        results.looks.update(results.journal.looks(results.rows.ids))
    return tuple(sorted(each for each in {*results.looks, scored} if each <= scored))


def record_look(results: ResultData) -> tuple[int, ...]:
    """The looks up to this one, which is counted.

    While replies are still coming it is not: what is shown then is not yet the result.
    """
    looks = known_looks(results)
    if looks and looks[-1] not in results.looks and not results.rows.open:
        results.looks.add(looks[-1])
        if not results.slice_by:
            results.journal.put_look(looks[-1], _keys(results))
    return looks


def _keys(results: ResultData) -> list[list[str]]:
    """For each variant the journal's keys of some scored replies, evenly spread."""
    keys_by_variant = []
    numbers = {text.id: at for at, text in enumerate(results.texts)}
    for variant, stats in enumerate(aggregate(results).stats):
        texts = [numbers[name] for name in stats.scores]
        some = (texts[at] for at in spread_evenly(len(texts), _KEYS))
        rows = [results.row(CellKey(variant, text, 0)) for text in some]
        if keys := [row.key for row in rows if row.answered and row.key]:
            keys_by_variant.append(keys)
    return keys_by_variant


# -- What a run's record has of its scores, for whoever has no truth.


@measure_once
def note_scores(results: ResultData) -> None:
    """Note with the run how these results of it are scored now, for whoever has no truth."""
    query = results.journal.query
    if results.rows.open or not has_runs(query):
        return
    columns, shares = _columns(results), list[tuple[float | None, bool]]()
    for column in columns:
        for text in results.texts:
            silent = -1.0 if text.id in column.unanswered else None
            shares.append((column.scores.get(text.id, silent), text.id in column.lost))
    numbers: dict[str, int] = {}
    if groups_of(results) is not None:
        for text in results.texts:
            numbers.setdefault(text.group or f"\0{text.id}", len(numbers))
    known = [(stats.accuracy or 0.0, at) for at, stats in enumerate(aggregate(results).stats)]
    share, at = max(each for each in known if columns[each[1]].scores)
    scores = RunScores(
        best=results.labels[at],
        share=share,
        labelled=sum(text.truth is not NOTHING for text in results.texts),
        looks=known_looks(results),
        shares=tuple(shares),
        groups=tuple(numbers[text.group or f"\0{text.id}"] for text in results.texts if numbers),
    )
    token = token_of(array("q", map(results.rows.id, results.rows.cells())))
    put_scores(query, token, digest_rules(results.scoring), scores)


def digest_rules(scoring: Rules) -> str:
    """What tells whether two runs were scored by the same rules."""
    rules = {path: rule_text(rule) for path, rule in (scoring or {}).items()}
    return digest(rules) if rules else ""


# -- Caveats: what a mean share of fields right does not tell by itself, as data and sentences.

SPARSE = 0.5
"""Under this share of labelled fields with a value, what is right is mostly left empty."""

_MOST_TEXTS = 200
_MOST_NAMED = 6


@dataclass(frozen=True, slots=True)
class SparseTruth:
    """How many of the labelled fields of a text have a value, on average; `fields` is of how many.

    Precision, recall and F1 of the values then tell more than the accuracy.
    """

    filled: float
    fields: float

    @property
    def sentence(self) -> str:
        """What a reader of the accuracies has to know."""
        filled, fields = formatting.average(self.filled), formatting.average(self.fields)
        return (
            f"{filled} of {fields} fields have a value on average, so most of what is right is a "
            "field rightly left empty: precision, recall and F1 count only the fields with a value."
        )


@dataclass(frozen=True, slots=True)
class PooledShares:
    """Each variant's share right on the average text, and of the fields of all texts together."""

    variants: tuple[tuple[str, float, float], ...]

    @property
    def reversed(self) -> bool:
        """Whether two variants are in another order by fields than by texts."""
        pairs = combinations(self.variants, 2)
        return any((a[1] - b[1]) * (a[2] - b[2]) < 0 for a, b in pairs)

    @property
    def apart(self) -> float:
        """The largest distance between the two figures of a variant."""
        return max((abs(text - field) for _, text, field in self.variants), default=0.0)

    @property
    def sentence(self) -> str:
        """Both figures of each variant."""
        shares = [
            f"{label} {formatting.percent(text)} and {formatting.percent(field)}"
            for label, text, field in self.variants
        ]
        order = " The two figures rank the variants differently." if self.reversed else ""
        return (
            "% of fields right on the average text, and of the fields of all texts together, where "
            f"long texts count for more: {join_truncated(shares, _MOST_NAMED)}.{order}"
        )


@measure_once
def find_sparse(results: ResultData) -> SparseTruth | None:
    """How few labelled fields have a value; None if half of them do, or nothing is scored."""
    labelled = [text for text in results.texts if text.truth is not NOTHING]
    columns = aggregate(results).stats
    if not labelled or not any(stats.scores for stats in columns):
        return None
    looked_at = [labelled[at] for at in spread_evenly(len(labelled), _MOST_TEXTS)]
    cells = [cell for text in looked_at for cell in failed_score(text.schema, text.truth).cells]
    filled = sum(not is_empty(cell.truth) for cell in cells)
    if not cells or filled >= SPARSE * len(cells):
        return None
    return SparseTruth(filled / len(looked_at), len(cells) / len(looked_at))


def find_pooled(results: ResultData) -> PooledShares | None:
    """By texts and by fields, where the two orders differ or a figure by what matters usually.

    None where a function scores whole records: then no accuracy is a share of fields.
    """
    if callable((results.scoring or {}).get(RECORD)):
        return None
    known = [
        (label, accuracy, share)
        for label, stats in zip(results.labels, aggregate(results).stats, strict=True)
        if (accuracy := stats.accuracy) is not None and (share := pool(results, stats)) is not None
    ]
    pooled = PooledShares(tuple(known))
    return pooled if pooled.reversed or pooled.apart > MATTERS else None


def caveat_sentences(results: ResultData) -> tuple[str, ...]:
    """What applies, in sentences."""
    caveats = find_sparse(results), find_pooled(results)
    return tuple(each.sentence for each in caveats if each is not None)
