"""The sentences of a verdict, made from its values, and what a run will be able to show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from llmwidgets.analysis.statistics.intervals import FEWEST_TEXTS, Spread, can_show, texts_needed
from llmwidgets.analysis.statistics.verdict import (
    MATTERS,
    Outcome,
    Shown,
    Standing,
    Verdict,
    equal_best,
    find_pair,
)
from llmwidgets.formatting import (
    count,
    dollars,
    format_times,
    join_listed,
    join_sentences,
    margin,
    percent,
    rough_count,
    rough_share,
)


def in_100(weighted: bool) -> str:
    """Of what a figure in 100 is a share: of fields, or of their weights.

    >>> f"2.5 {in_100(False)} worse, 2.5 {in_100(True)} worse"
    '2.5 fields in 100 worse, 2.5 of 100 (weighted) worse'
    """
    return "of 100 (weighted)" if weighted else "fields in 100"


# -- what was lost or not answered -----------------------------------------------------------------

_MANY = 3


def _losses(verdict: Verdict) -> str:
    """Who lost replies, in a sentence each; nothing if none was lost."""
    losers = sorted((each for each in verdict.standings if each.lost), key=lambda each: -each.lost)
    sentences = [_lost(each) for each in losers[:_MANY]]
    if len(losers) > _MANY:
        sentences.append(f"{count(len(losers) - _MANY, 'more variant')} lost replies too.")
    none = [each.label for each in _concerned(verdict) if losers and not each.lost]
    return join_sentences(*sentences, f"{join_listed(none)} lost none." if none else "")


def _losses_in_brief(verdict: Verdict) -> str:
    """Who lost replies, in one sentence: the leader and the recommended one first."""
    concerned = _concerned(verdict)
    losers = sorted(
        (each for each in verdict.standings if each.lost),
        key=lambda each: (each not in concerned, -each.lost),
    )
    if not losers:
        return ""
    first, *others = losers[:_MANY]
    lost = [f"{first.label} lost {first.lost:,} of {count(first.scored, 'reply', 'replies')}"]
    lost += [f"{each.label} {each.lost:,} of {each.scored:,}" for each in others]
    if len(losers) > _MANY:
        lost.append(f"{count(len(losers) - _MANY, 'more variant')} some")
    none = [each.label for each in concerned if not each.lost]
    end = f"; {join_listed(none)} lost none." if none else "."
    return f"{join_listed(lost)}, counted as wrong{end}"


def _unanswered(standings: Sequence[Standing]) -> list[str]:
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


def _concerned(verdict: Verdict) -> list[Standing]:
    """The leader and the recommended one."""
    wanted = (verdict.leader, verdict.recommended)
    return [each for each in verdict.standings if each.label in wanted]


def _lost(each: Standing) -> str:
    lost = (
        f"{each.label} lost {count(each.lost, 'reply', 'replies')} of {each.scored:,}, counted as "
        f"wrong (at most {percent(each.loss_high)} % of replies in the long run)"
    )
    if each.answered_accuracy is None:
        return f"{lost}."
    return f"{lost}; on the rest it got {percent(each.answered_accuracy)} in 100 right."


# -- the verdict -----------------------------------------------------------------------------------


def put_in_words(verdict: Verdict, left_out: Sequence[tuple[str, int]], repeats: int) -> Verdict:
    """A verdict whose values are known, with its headline, details and notes.

    `left_out` are columns that could not be compared, with their number of scored texts.
    """
    rest = _left_out(left_out)
    if not verdict.standings:
        return replace(verdict, headline=join_sentences("Nothing was compared.", rest))
    best = verdict.standings[0]
    if verdict.outcome is None:
        of_100 = in_100(True) if verdict.weighted else "in 100 fields"
        headline = (
            f"{best.label} got {percent(best.accuracy)} {of_100} right on "
            f"{count(best.scored, 'text')} ({percent(best.low)} to {percent(best.high)}; 95 %)."
        )
        details = join_sentences(_losses(verdict), *_unanswered([best]), rest)
    else:
        headline, details = _OUTCOMES[verdict.outcome](verdict)
        worse = _worse(verdict) if verdict.outcome is not Outcome.BETTER else ""
        losses = _losses(verdict)
        details = join_sentences(details, losses, *_unanswered(verdict.standings), worse, rest)
    return replace(verdict, headline=headline, details=details, notes=_notes(verdict, repeats))


def conclude_unscored(
    *, valid: int, replies: int, variants: int, labelled: int, differing: int
) -> Verdict:
    """What can be said where no reply is scored: on `labelled` texts, none of them answered.

    `differing` is the number of rows in which the variants differ.
    """
    verb = "is a valid record" if 1 in (valid, replies) else "are valid records"
    answers = f"{valid} of {count(replies, 'reply', 'replies')} {verb}"
    if labelled:
        rest = "no labelled text was answered, so nothing is scored."
    elif variants == 1:
        rest = "without truth nothing says whether they are right."
    else:
        rows = count(differing, "row")
        rest = f"the variants differ in {rows}. Without truth nothing says which of them is right."
    return Verdict(f"{answers}; {rest}")


def _notes(verdict: Verdict, repeats: int) -> tuple[str, ...]:
    notes = []
    if len(verdict.looks) > 1:
        at = join_listed([f"{each:,}" for each in verdict.looks[-_MANY:]])
        last = "" if len(verdict.looks) <= _MANY else "last "
        looked = f"Looked at {count(len(verdict.looks), 'time')}, {last}at {at} texts"
        notes.append(f"{looked}; the bounds allow for it.")
    if verdict.groups:
        groups = count(verdict.groups, "group")
        notes.append(f"The texts make {groups}; errors within a group are taken as one.")
    if repeats == 1:
        notes.append("Run-to-run noise is inside (1 repeat).")
    return tuple(notes)


def brief(verdict: Verdict) -> str:
    """The details in a few lines, for a reader who has the table of all variants before them.

    The sentences about the leader and the recommended one are never cut.
    """
    if verdict.outcome is None:
        return verdict.explanation
    _, details = _OUTCOMES[verdict.outcome](verdict)
    losses = _losses_in_brief(verdict)
    return join_sentences(verdict.caveat, details, losses, *_unanswered(_concerned(verdict)))


# -- the three outcomes ----------------------------------------------------------------------------


def _better(verdict: Verdict) -> tuple[str, str]:
    best, others = verdict.standings[0], verdict.standings[1:]
    second = others[0]
    low, high, seen = _lead(verdict, second)
    than = second.label if len(others) == 1 else f"the next best, {second.label}"
    least = f"reads at least {percent(low)} {in_100(verdict.weighted)} more right"
    if low < 0.0005:
        least = "reads more right"
    on = count(_shared(verdict, best, second), "text")
    details = f"On {on} it {least} than {than} (95 %; {percent(seen)} seen)."
    if high < verdict.matters:
        details += f" That is less than the {margin(verdict.matters)} in 100 that matter here."
    if len(others) > 1:
        details += f" As the best of {len(others) + 1}, its own figure is likely a little too good."
    names = [each.label for each in others]
    worse = join_listed(names) if len(names) <= _MANY else f"the {len(names)} others"
    return f"{best.label} is better than {worse}.", join_sentences(details, _price_of(best, second))


def _as_good(verdict: Verdict) -> tuple[str, str]:
    best, *others = verdict.standings
    chosen = next(each for each in verdict.standings if each.label == verdict.recommended)
    than = best.label if chosen is not best else "any other" if len(others) > 1 else others[0].label
    shared = verdict.texts if chosen is best else _shared(verdict, best, chosen)
    details = (
        f"On {count(shared, 'text')} it is {_at_most(chosen, verdict.weighted)} than {than} "
        f"(95 %; you allow {margin(verdict.matters)})."
    )
    if chosen is not best:
        headline = f"{chosen.label} is as good as the best and {_cheaper(chosen, best)}."
        return headline, join_sentences(details, _better_by_little(verdict, chosen))
    price = best.cost_per_1000
    as_good = f"{best.label} is as good as {than}"
    if price is None:
        return f"{as_good}; its price is unknown.", details
    cheaper = [each for each in others if each.is_cheaper(best)]
    unknown = [
        each.label
        for each in others
        if each.cost_per_1000 is None and each.shown is not Shown.WORSE
    ]
    if not cheaper:
        unknown = unknown or [each.label for each in others if each.cost_per_1000 is None]
        if unknown:
            return f"{as_good}; the price of {join_listed(unknown)} is unknown.", details
        if any(each.cost_per_1000 == price for each in others):
            return f"{as_good}, and none is cheaper.", details
        cheaper_by = "the cheapest" if len(others) > 1 else _cheaper(best, others[0])
        return f"{as_good} and {cheaper_by}.", details
    undecided = [each for each in cheaper if each.shown is Shown.NOT_SHOWN]
    if unknown:
        details = join_sentences(details, f"The price of {join_listed(unknown)} is unknown.")
    if not undecided:
        known = "known to be " if unknown else ""
        return f"{as_good}, and all that is {known}cheaper is worse.", details
    headline = f"{best.label} leads, and nothing cheaper is shown to be as good."
    maybe = [_maybe(each, verdict) for each in undecided] if len(undecided) <= _MANY else []
    return headline, join_sentences(details, *maybe, _would_show(verdict, undecided))


def _not_enough(verdict: Verdict) -> tuple[str, str]:
    best = verdict.standings[0]
    if not best.accuracy and verdict.texts >= FEWEST_TEXTS:
        return "No variant got a field right.", "No variant is recommended."
    headline = f"Not enough texts to tell: {_ahead(verdict)}."
    if verdict.can_show is None:
        verb = "is" if verdict.texts == 1 else "are"
        few = f"Only {count(verdict.texts, 'text')} {verb}" if verdict.texts else "No text is"
        if verdict.texts >= FEWEST_TEXTS:
            few = f"The {count(verdict.texts, 'text')}, in {count(verdict.groups, 'group')}, are"
        variants = len(verdict.standings)
        by = "both variants" if variants == 2 else f"all {count(variants, 'variant')}"
        return headline, (
            f"{few} labelled and answered by {by}, and under {FEWEST_TEXTS} a difference can be "
            "chance. No variant is recommended yet."
        )
    many = _units(verdict, verdict.groups or verdict.texts)
    details = f"{many} can show differences of about {rough_share(verdict.can_show)} in 100 or more"
    needed = verdict.texts_needed
    if needed and needed > (verdict.groups or verdict.texts):
        details += f"; about {needed:,} would show {margin(verdict.matters)}"
    return headline, f"{details}. No variant is recommended yet."


def _ahead(verdict: Verdict) -> str:
    """Who leads so far, or who are equal."""
    first, *more = [each.label for each in equal_best(verdict)]
    if not more:
        return f"{first} leads"
    named = more if len(more) < _MANY else [count(len(more), "more variant")]
    are = "lead," if len(more) + 1 < len(verdict.standings) else "are"
    return f"{join_listed([first, *named])} {are} equal so far"


_OUTCOMES = {
    Outcome.BETTER: _better,
    Outcome.AS_GOOD_AND_CHEAPER: _as_good,
    Outcome.NOT_ENOUGH_TEXTS: _not_enough,
}
"""What gives the headline of an outcome, and what it rests on."""


def _better_by_little(verdict: Verdict, chosen: Standing) -> str:
    """That the best is better than the recommended one, if that is shown."""
    low, high, _ = _lead(verdict, chosen)
    if low <= 0 or high >= verdict.matters:
        return ""
    return (
        f"{verdict.leader} is better, by at most {percent(high)} in 100: less than the "
        f"{margin(verdict.matters)} that matter here."
    )


def _would_show(verdict: Verdict, undecided: Sequence[Standing]) -> str:
    """How many texts would show that a variant is as good, if it is."""
    needed = verdict.texts_to_equal
    if needed is None or needed <= (verdict.groups or verdict.texts):
        return ""
    one = undecided[0].label if len(undecided) == 1 else "one of them"
    return f"If {one} is as good, about {_units(verdict, needed)} would show it."


def _units(verdict: Verdict, number: int) -> str:
    return count(number, "group" if verdict.groups else "text")


def _at_most(each: Standing, weighted: bool) -> str:
    bound = each.worse_by or 0.0
    if bound <= 0:
        return "not worse"
    return f"at most {percent(max(0.001, bound))} {in_100(weighted)} worse"


def _maybe(each: Standing, verdict: Verdict) -> str:
    if each.worse_by is None:
        return ""
    return (
        f"{each.label}, {_cheaper(each, verdict.standings[0])}, may be as good or up to "
        f"{percent(each.worse_by)} in 100 worse."
    )


def _worse(verdict: Verdict) -> str:
    worse = [
        f"{each.label} (by at least {percent(each.at_least)} in 100)"
        if each.at_least is not None and each.at_least >= 0.0005
        else each.label
        for each in verdict.standings
        if each.shown is Shown.WORSE
    ]
    if not worse:
        return ""
    names = count(len(worse), "variant") if len(worse) > _MANY else join_listed(worse)
    return f"{names} {'is' if len(worse) == 1 else 'are'} worse than {verdict.standings[0].label}."


# -- prices, and what is left out ------------------------------------------------------------------


def _price_of(best: Standing, second: Standing) -> str:
    one, other = best.cost_per_1000, second.cost_per_1000
    if one is None or other is None or one == other:
        return ""
    if one < other:
        return f"It is also {_cheaper(best, second)}."
    if not other:
        return f"It costs {dollars(one)} for 1,000 texts, {second.label} nothing."
    ratio = one / other
    if ratio < 1.95:
        return f"It costs {dollars(one)} for 1,000 texts, {second.label} {dollars(other)}."
    return f"It costs {format_times(ratio)} times as much as {second.label}."


def _cheaper(one: Standing, other: Standing) -> str:
    less, more = one.cost_per_1000, other.cost_per_1000
    if less is None or more is None:
        return "of unknown price"
    if less and more / less >= 1.95:
        return f"{format_times(more / less)} times cheaper"
    return f"cheaper ({dollars(less)} against {dollars(more)} for 1,000 texts)"


def _left_out(scored: Sequence[tuple[str, int]]) -> str:
    """The sentences on variants that cannot be compared, each with its number of scored texts."""
    bare = [label for label, count in scored if not count]
    few = [f"{label} ({count})" for label, count in scored if 0 < count < FEWEST_TEXTS]
    apart = [label for label, count in scored if count >= FEWEST_TEXTS]
    whose = "its" if len(apart) == 1 else "their"
    reasons = (
        (bare, "none of the texts could be scored."),
        (few, "too few texts could be scored."),
        (apart, f"too few of {whose} texts can be compared."),
    )
    return " ".join(
        f"{join_listed(labels)} {'is' if len(labels) == 1 else 'are'} left out: {why}"
        for labels, why in reasons
        if labels
    )


# -- pairs -----------------------------------------------------------------------------------------


def _shared(verdict: Verdict, one: Standing, other: Standing) -> int:
    """How many texts both answered."""
    pair = find_pair(verdict.table, one.label, other.label)
    return pair.texts if pair is not None else verdict.texts


def _lead(verdict: Verdict, second: Standing) -> tuple[float, float, float]:
    """The interval of how much better the best is, and what was seen."""
    best = verdict.standings[0].label
    pair = find_pair(verdict.table, best, second.label)
    return pair.lead_of(best) if pair is not None else (0.0, 1.0, 0.0)


# -- before a run ----------------------------------------------------------------------------------


def expected_sentence(
    labelled: int, variants: int, matters: float = MATTERS, deviation: float | None = None
) -> str:
    """What a run on these numbers of labelled texts and variants can show, before it is paid for.

    `deviation` is the standard deviation of a difference between two variants from text to text,
    if an earlier run tells it; else that of real models on real documents.

    >>> expected_sentence(200, 2)
    '200 labelled texts and 2 variants can show a difference of about 3.3 in 100 or more.'
    """
    if not labelled or variants < 2:
        return ""
    spread = Spread.usual(deviation) if deviation else Spread.usual()
    needed = texts_needed(spread, matters, variants)
    show = f"about {rough_count(needed)} would show" if needed else ""
    if labelled < FEWEST_TEXTS:
        few = f"{count(labelled, 'text')} cannot show a difference"
        few += f": a verdict asks for {FEWEST_TEXTS} or more"
        return f"{few}; {show} one of {margin(matters)} in 100." if show else f"{few}."
    least = rough_share(can_show(spread, labelled, variants))
    texts = f"{count(labelled, 'labelled text')} and {count(variants, 'variant')}"
    expected = f"{texts} can show a difference of about {least} in 100 or more"
    is_enough = needed is not None and needed <= labelled
    return f"{expected}; {show} {margin(matters)}." if show and not is_enough else f"{expected}."
