"""Standings in words: the group of each variant, what it loses, and how much worse it can be."""

from __future__ import annotations

from typing import TYPE_CHECKING

from llmwidgets import formatting
from llmwidgets.analysis.intervals import FEWEST_TEXTS
from llmwidgets.analysis.verdict import Outcome, Shown, Standing, Verdict
from llmwidgets.analysis.verdict_text import expected_sentence
from llmwidgets.errors import FAILURES
from llmwidgets.report.summary import Told

if TYPE_CHECKING:
    from collections.abc import Mapping

    from llmwidgets.comparison.aggregate import Tally


_LEFT_OUT = (
    ": too few of their texts can be compared",
    ": too few texts could be scored",
    ": none of the texts could be scored",
)
"""Why the variants of the last groups stand beside the verdict."""


def told(verdict: Verdict, label: str, tally: Tally) -> Told:
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


def _other_rows(tally: Tally) -> str:
    counts = (tally.rows_invented, "invented"), (tally.rows_missed, "missed")
    return ", ".join(f"{count:,} {word}" for count, word in counts if count)


def _named(counts: Mapping[str, int]) -> str:
    return formatting.failures(tuple(counts.items())) if counts else ""
