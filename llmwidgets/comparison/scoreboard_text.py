"""Standings in words: the group of each variant, what it loses, and how much worse it can be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING

from llmwidgets import formatting
from llmwidgets.analysis.comparators import RECORD
from llmwidgets.analysis.intervals import FEWEST_TEXTS
from llmwidgets.analysis.leaves import NOTHING, is_empty
from llmwidgets.analysis.scoring import failed_score
from llmwidgets.analysis.verdict import MATTERS, Outcome, Shown, Standing, Verdict
from llmwidgets.analysis.verdict_text import expected_sentence
from llmwidgets.comparison.texts import spread_evenly
from llmwidgets.errors import FAILURES
from llmwidgets.report.summary import Told

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llmwidgets.comparison.aggregate import VariantStats
    from llmwidgets.comparison.comparison import Comparison


_LEFT_OUT = (
    ": too few of their texts can be compared",
    ": too few texts could be scored",
    ": none of the texts could be scored",
)
"""Why the variants of the last groups stand beside the verdict."""


def standing_text(verdict: Verdict, label: str, tally: VariantStats) -> Told:
    """What is said of one variant beside its share right."""
    at = next((n for n, each in enumerate(verdict.standings) if each.label == label), None)
    failed = {name: tally.statuses[name] for name in FAILURES if tally.statuses[name]}
    if at is None:
        if not verdict.standings:
            return Told(failed=formatting.failures(tuple(failed.items())) if failed else "")
        why = 2 if not tally.scores else 1 if len(tally.scores) < FEWEST_TEXTS else 0
        return Told(
            rank=(len(Shown) + 1) * len(verdict.standings) + why,
            title="Left out",
            more=_LEFT_OUT[why],
            failed=_named(failed),
        )
    each = verdict.standings[at]
    lost = {name: count for name, count in failed.items() if FAILURES[name].scored}
    if sum(lost.values()) != each.lost:
        lost = {}  # Of texts without truth, or several a text: they are told with the others.
    chosen = label == verdict.recommended
    several = len(verdict.standings) > 1
    title, more = group_words(verdict, each.shown) if several else ("", "")
    worse, bound = _worse(verdict, each) if several else ("", "")
    return Told(
        rank=list(Shown).index(each.shown) * len(verdict.standings) + (0 if chosen else at + 1),
        title=title,
        more=more,
        recommended=chosen,
        came=formatting.percent(each.answered_accuracy),
        loses=f"{each.lost:,} of {each.scored:,}, at most {formatting.percent(each.loss_high)} %",
        lost=_named(lost),
        failed=_named({name: count for name, count in failed.items() if name not in lost}),
        unanswered=_unanswered(each),
        worse=worse,
        bound=bound,
        rows=f"{tally.rows_right:,} of {tally.rows:,}" if tally.rows or tally.rows_invented else "",
        other_rows=_other_rows(tally),
    )


def group_words(verdict: Verdict, shown: Shown) -> tuple[str, str]:
    """The title of a group of variants: what is said loud of it, and how it goes on."""
    few = f" either way: too few texts to tell within {formatting.margin(verdict.matters)}"
    return {
        Shown.BEST: ("Better than all others", ""),
        Shown.AS_GOOD: ("Shown to be as good as the best", ""),
        Shown.LEADS: ("Leads", ", not shown to be better"),
        Shown.NOT_SHOWN: ("Not shown", few),
        Shown.WORSE: ("Shown to be worse", f" than {best_words(verdict)}"),
    }[shown]


def best_words(verdict: Verdict) -> str:
    """Who all are compared with: nobody is called the best before it is shown."""
    return "the leader" if verdict.outcome is Outcome.NOT_ENOUGH_TEXTS else "the best"


def worse_head(verdict: Verdict) -> str:
    """The head of the column that says how much worse each can be."""
    end = "95 % interval" if verdict.outcome is Outcome.BETTER else "at most"
    between = ", " if verdict.outcome is Outcome.BETTER else " "
    return f"Worse than {best_words(verdict)} by{between}{end}"


def more_texts(verdict: Verdict) -> str:
    """How many more texts would settle what is open; empty where the verdict has said it."""
    is_open = any(each.shown in (Shown.LEADS, Shown.NOT_SHOWN) for each in verdict.standings[1:])
    if not is_open or (verdict.recommended and verdict.recommended == verdict.leader):
        return ""
    if verdict.can_show is None:
        few = 0 if verdict.groups else verdict.texts
        return expected_sentence(few, len(verdict.standings), verdict.matters)
    more = (verdict.texts_needed or 0) - (verdict.groups or verdict.texts)
    if more <= 0:
        return ""
    noun = "group" if verdict.groups else "text"
    return (
        f"{more:,} more labelled {noun}{'' if more == 1 else 's'} would show a difference of "
        f"{formatting.margin(verdict.matters)} in 100, four times in five."
    )


def deviation(verdict: Verdict) -> float | None:
    """How much the difference to the best varies from text to text, where that is known."""
    found = [each.deviation for each in verdict.table if verdict.leader in (each.a, each.b)]
    return max((each for each in found if each), default=None)


def legend(verdict: Verdict) -> str:
    """How the columns of the scoreboard are to be read."""
    counted = "% right counts a lost reply as wrong"
    if any(each.unanswered for each in verdict.standings):
        counted += " and leaves out what got no answer"
    return f"{counted}; its interval is 95 %."


def _worse(verdict: Verdict, each: Standing) -> tuple[str, str]:
    """How much worse than the best, and what that means; a dash for the best itself."""
    best = verdict.standings[0]
    if each is best:
        return "–", best_words(verdict)
    if verdict.outcome is Outcome.BETTER:
        return _interval(verdict, each)
    if each.worse_by is None or each.worse_by >= 1:
        return formatting.UNKNOWN, "too few texts"
    allowed = formatting.margin(verdict.matters)
    if each.worse_by <= 0:
        return "not worse", f"within {allowed}"
    said = formatting.percent(max(0.001, each.worse_by))
    if each.at_least is not None and each.shown is Shown.WORSE:
        return said, f"at least {_least(each.at_least)}"
    return said, f"within {allowed}" if each.worse_by < verdict.matters else f"more than {allowed}"


def _interval(verdict: Verdict, each: Standing) -> tuple[str, str]:
    best = verdict.standings[0].label
    pair = next(pair for pair in verdict.table if {pair.a, pair.b} == {best, each.label})
    turn = 1 if pair.a == best else -1
    low, high = sorted((turn * pair.low, turn * pair.high))
    return formatting.percent(turn * pair.difference), f"{_least(low)}–{formatting.percent(high)}"


def _least(share: float) -> str:
    """A bound that is above 0 is never said to be 0."""
    return "above 0" if 0 < share < 0.0005 else formatting.percent(share)


def _unanswered(each: Standing) -> str:
    if not each.unanswered:
        return ""
    return (
        f"no answer to {each.unanswered:,} of {each.scored + each.unanswered:,}; "
        f"{formatting.percent(each.accuracy_if_wrong)} % right with these wrong"
    )


def _other_rows(tally: VariantStats) -> str:
    counts = (tally.rows_invented, "invented"), (tally.rows_missed, "missed")
    return ", ".join(f"{count:,} {word}" for count, word in counts if count)


def _named(counts: Mapping[str, int]) -> str:
    return formatting.failures(tuple(counts.items())) if counts else ""


# -- Caveats: what a mean share of fields right does not tell by itself, as data and in sentences.

SPARSE = 0.5
"""Under this share of labelled fields with a value, what is right is mostly nothing said."""

_MOST_TEXTS = 200
_MOST_NAMED = 6


@dataclass(frozen=True, slots=True)
class SparseTruth:
    """How many of the labelled fields of a text hold a value, on average; `fields` is of how many.

    `precision`, `recall` and `f1` of the values, one for each variant, tell more than the accuracy.
    """

    filled: float
    fields: float
    precision: tuple[float | None, ...]
    recall: tuple[float | None, ...]
    f1: tuple[float | None, ...]

    @property
    def sentence(self) -> str:
        """What a reader of the accuracies has to know."""
        filled, fields = formatting.average(self.filled), formatting.average(self.fields)
        return (
            f"{filled} of {fields} fields hold a value on average, so most of what is right is a "
            "field rightly left empty: precision, recall and F1 count only the fields with a value."
        )


@dataclass(frozen=True, slots=True)
class PooledShares:
    """Each variant's share right on the average text, and of the fields of all texts together."""

    labels: tuple[str, ...]
    by_text: tuple[float, ...]
    by_field: tuple[float, ...]

    @property
    def reversed(self) -> bool:
        """Whether two variants are in another order by fields than by texts."""
        pairs = combinations(zip(self.by_text, self.by_field, strict=True), 2)
        return any((one[0] - two[0]) * (one[1] - two[1]) < 0 for one, two in pairs)

    @property
    def apart(self) -> float:
        """The largest distance between the two figures of a variant."""
        both = zip(self.by_text, self.by_field, strict=True)
        return max((abs(text - field) for text, field in both), default=0.0)

    @property
    def sentence(self) -> str:
        """Both figures of each variant."""
        said = [
            f"{label} {formatting.percent(text)} and {formatting.percent(field)}"
            for label, text, field in zip(self.labels, self.by_text, self.by_field, strict=True)
        ]
        more = f" and {len(said) - _MOST_NAMED} more" if len(said) > _MOST_NAMED else ""
        order = " The two figures rank the variants differently." if self.reversed else ""
        return (
            "% of fields right on the average text, and of the fields of all texts together, where "
            f"long texts count for more: {', '.join(said[:_MOST_NAMED])}{more}.{order}"
        )


def find_sparse(comparison: Comparison) -> SparseTruth | None:
    """How few labelled fields hold a value; None where half of them do, or nothing is scored."""
    labelled = [text for text in comparison.texts if text.truth is not NOTHING]
    tallies = comparison.reading.tallies
    if not labelled or not any(tally.scores for tally in tallies):
        return None
    looked_at = [labelled[at] for at in spread_evenly(len(labelled), _MOST_TEXTS)]
    cells = [cell for text in looked_at for cell in failed_score(text.schema, text.truth).cells]
    filled = sum(not is_empty(cell.truth) for cell in cells)
    if not cells or filled >= SPARSE * len(cells):
        return None
    whole = [tally.counts.total for tally in tallies]
    return SparseTruth(
        filled / len(looked_at),
        len(cells) / len(looked_at),
        tuple(each.precision for each in whole),
        tuple(each.recall for each in whole),
        tuple(each.f1 for each in whole),
    )


def find_pooled(comparison: Comparison) -> PooledShares | None:
    """By texts and by fields, where the two orders differ or a figure by what matters usually.

    None where a function scores whole records: then no accuracy is a share of fields.
    """
    if callable((comparison.scoring or {}).get(RECORD)):
        return None
    known = [
        (label, accuracy, share)
        for label, tally in zip(comparison.labels, comparison.reading.tallies, strict=True)
        if (accuracy := tally.accuracy) is not None
        and (share := tally.counts.total.accuracy) is not None
    ]
    found = PooledShares(*(tuple(each) for each in zip(*known, strict=True))) if known else None
    return found if found and (found.reversed or found.apart > MATTERS) else None


def caveat_sentences(comparison: Comparison) -> tuple[str, ...]:
    """What applies, in sentences."""
    found: Sequence[SparseTruth | PooledShares | None] = (
        find_sparse(comparison),
        find_pooled(comparison),
    )
    return tuple(each.sentence for each in found if each is not None)
