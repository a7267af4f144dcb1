"""What is said of replies that were lost, and of texts without an answer."""

from __future__ import annotations

from collections.abc import Sequence

from llmwidgets.analysis.verdict import Standing, Verdict
from llmwidgets.report.figures import count, listed, percent

_MANY = 3


def losses(verdict: Verdict) -> str:
    """Who lost replies, in a sentence each; nothing where none was lost."""
    losers = sorted((each for each in verdict.standings if each.lost), key=lambda each: -each.lost)
    if not losers:
        return ""
    said = [_lost(each) for each in losers[:_MANY]]
    if len(losers) > _MANY:
        said.append(f"{count(len(losers) - _MANY, 'more variant')} lost replies too.")
    none = _without_losses(verdict)
    return " ".join([*said, f"{listed(none)} lost none."] if none else said)


def losses_in_brief(verdict: Verdict) -> str:
    """Who lost replies, in one sentence: the leader and the recommended one first."""
    wanted = (verdict.leader, verdict.recommended)
    losers = sorted(
        (each for each in verdict.standings if each.lost),
        key=lambda each: (each.label not in wanted, -each.lost),
    )
    if not losers:
        return ""
    first, *others = losers[:_MANY]
    said = [f"{first.label} lost {first.lost:,} of {count(first.scored, 'reply', 'replies')}"]
    said += [f"{each.label} {each.lost:,} of {each.scored:,}" for each in others]
    if len(losers) > _MANY:
        said.append(f"{count(len(losers) - _MANY, 'more variant')} some")
    none = _without_losses(verdict)
    end = f"; {listed(none)} lost none." if none else "."
    return f"{listed(said)}, counted as wrong{end}"


def unanswered(standings: Sequence[Standing]) -> list[str]:
    """Who has no answer to which part of the texts, and what that leaves open."""
    return [
        f"{each.label} has no answer to {each.unanswered:,} of "
        f"{count(each.scored + each.unanswered, 'text')}: {percent(each.accuracy)} in 100 right on "
        f"the others, {percent(each.accuracy_if_wrong)} with these counted as wrong"
        + (
            f", {percent(each.common_accuracy)} on the texts that all answered."
            if each.common_accuracy is not None
            else "."
        )
        for each in standings
        if each.unanswered
    ]


def _without_losses(verdict: Verdict) -> list[str]:
    """The leader and the recommended one, where they lost nothing."""
    wanted = (verdict.leader, verdict.recommended)
    return [each.label for each in verdict.standings if each.label in wanted and not each.lost]


def _lost(each: Standing) -> str:
    said = (
        f"{each.label} lost {count(each.lost, 'reply', 'replies')} of {each.scored:,}, counted as "
        f"wrong (at most {percent(each.loss_high)} % of replies)"
    )
    if each.answered_accuracy is None:
        return f"{said}."
    return f"{said}; on the rest it got {percent(each.answered_accuracy)} in 100 right."
