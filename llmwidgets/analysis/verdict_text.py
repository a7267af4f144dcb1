"""Verdict text: what the texts show, and what was lost or not answered, in sentences."""

from __future__ import annotations

from collections.abc import Sequence

from llmwidgets.analysis.intervals import FEWEST_TEXTS, Spread, can_show, texts_needed
from llmwidgets.analysis.verdict import MATTERS, Outcome, Pair, Shown, Standing, Verdict
from llmwidgets.formatting import (
    count,
    dollars,
    format_times,
    join_listed,
    margin,
    percent,
    rough_count,
    rough_share,
)

_MANY = 3


def losses(verdict: Verdict) -> str:
    """Who lost replies, in a sentence each; nothing if none was lost."""
    losers = sorted((each for each in verdict.standings if each.lost), key=lambda each: -each.lost)
    if not losers:
        return ""
    said = [_lost(each) for each in losers[:_MANY]]
    if len(losers) > _MANY:
        said.append(f"{count(len(losers) - _MANY, 'more variant')} lost replies too.")
    none = _without_losses(verdict)
    return " ".join([*said, f"{join_listed(none)} lost none."] if none else said)


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
    end = f"; {join_listed(none)} lost none." if none else "."
    return f"{join_listed(said)}, counted as wrong{end}"


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
    """The leader and the recommended one, if they lost nothing."""
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


# -- the verdict -----------------------------------------------------------------------------------


def words_for(
    verdict: Verdict, left_out: Sequence[tuple[str, int]], repeats: int
) -> tuple[str, str, tuple[str, ...]]:
    """Headline, details and notes of a verdict whose values are known.

    `left_out` are columns that could not be compared, with their number of scored texts.
    """
    if not verdict.standings:
        return _joined("Nothing was compared.", _left_out(left_out)), "", ()
    notes = tuple(
        each for each in (_looks(verdict), _grouped(verdict.groups), _noise(repeats)) if each
    )
    best = verdict.standings[0]
    if verdict.outcome is None:
        said = (
            f"{best.label} got {percent(best.accuracy)} in 100 fields right on "
            f"{_texts(best.scored)} ({percent(best.low)} to {percent(best.high)}; 95 %)."
        )
        return said, _joined(losses(verdict), *unanswered([best]), _left_out(left_out)), notes
    headline, details = _found(verdict, verdict.outcome)
    details = _joined(details, losses(verdict), *unanswered(verdict.standings))
    if verdict.outcome is not Outcome.BETTER:
        details = _joined(details, _worse(verdict))
    return headline, _joined(details, _left_out(left_out)), notes


def brief(verdict: Verdict) -> str:
    """The details in a few lines, for a reader who has the table of all variants before them.

    The sentences about the leader and the recommended one are never cut.
    """
    if verdict.outcome is None:
        return verdict.details
    _, details = _found(verdict, verdict.outcome)
    wanted = (verdict.leader, verdict.recommended)
    concerned = [each for each in verdict.standings if each.label in wanted]
    return _joined(details, losses_in_brief(verdict), *unanswered(concerned))


# -- the three outcomes ----------------------------------------------------------------------------


def _found(verdict: Verdict, outcome: Outcome) -> tuple[str, str]:
    """Headline of an outcome, and what it rests on."""
    words = {
        Outcome.BETTER: _better,
        Outcome.AS_GOOD_AND_CHEAPER: _as_good,
        Outcome.NOT_ENOUGH_TEXTS: _not_enough,
    }
    return words[outcome](verdict)


def _better(verdict: Verdict) -> tuple[str, str]:
    best, others = verdict.standings[0], verdict.standings[1:]
    second = others[0]
    low, high, seen = _lead(verdict, second)
    than = second.label if len(others) == 1 else f"the next best, {second.label}"
    least = f"reads at least {percent(low)} fields in 100 more right"
    if low < 0.0005:
        least = "reads more right"
    on = _texts(_shared(verdict, best, second))
    said = f"On {on} it {least} than {than} (95 %; {percent(seen)} seen)."
    if high < verdict.matters:
        said += f" That is less than the {margin(verdict.matters)} in 100 that matter here."
    if len(others) > 1:
        said += f" As the best of {len(others) + 1}, its own figure is likely a little too good."
    headline = f"{best.label} is better than {_several(others)}."
    return headline, _joined(said, _price_of(best, second))


def _as_good(verdict: Verdict) -> tuple[str, str]:
    best, *others = verdict.standings
    chosen = _standing(verdict, verdict.recommended)
    than = best.label if chosen is not best else "any other" if len(others) > 1 else others[0].label
    shared = verdict.texts if chosen is best else _shared(verdict, best, chosen)
    details = (
        f"On {_texts(shared)} it is {_at_most(chosen)} than {than} "
        f"(95 %; you allow {margin(verdict.matters)})."
    )
    if chosen is not best:
        headline = f"{chosen.label} is as good as the best and {_cheaper(chosen, best)}."
        return headline, _joined(details, _better_by_little(verdict, chosen))
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
        details = _joined(details, f"The price of {join_listed(unknown)} is unknown.")
    if not undecided and unknown:
        return f"{as_good}, and all that is known to be cheaper is worse.", details
    if not undecided:
        return f"{as_good}, and all that is cheaper is worse.", details
    headline = f"{best.label} leads, and nothing cheaper is shown to be as good."
    maybe = [_maybe(each, verdict) for each in undecided] if len(undecided) <= _MANY else []
    return headline, _joined(details, *maybe, _would_show(verdict, undecided))


def _not_enough(verdict: Verdict) -> tuple[str, str]:
    best = verdict.standings[0]
    if not best.accuracy and verdict.texts >= FEWEST_TEXTS:
        return "No variant got a field right.", "No variant is recommended."
    headline = f"Not enough texts to tell: {best.label} leads."
    if verdict.can_show is None:
        verb = "is" if verdict.texts == 1 else "are"
        few = f"Only {_texts(verdict.texts)} {verb}" if verdict.texts else "No text is"
        if verdict.texts >= FEWEST_TEXTS:
            few = f"The {_texts(verdict.texts)}, in {count(verdict.groups, 'group')}, are"
        return headline, (
            f"{few} labelled and answered by {_all(verdict.standings)}, and under {FEWEST_TEXTS} a "
            "difference can be chance. No variant is recommended yet."
        )
    many = _units(verdict, verdict.groups or verdict.texts)
    said = f"{many} can show differences of about {rough_share(verdict.can_show)} in 100 or more"
    needed = verdict.texts_needed
    if needed and needed > (verdict.groups or verdict.texts):
        said += f"; about {needed:,} would show {margin(verdict.matters)}"
    return headline, f"{said}. No variant is recommended yet."


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
    return count(number, "group") if verdict.groups else _texts(number)


def _at_most(each: Standing) -> str:
    bound = each.worse_by or 0.0
    if bound <= 0:
        return "not worse"
    return f"at most {percent(max(0.001, bound))} fields in 100 worse"


def _maybe(each: Standing, verdict: Verdict) -> str:
    if each.worse_by is None:
        return ""
    return (
        f"{each.label}, {_cheaper(each, verdict.standings[0])}, may be as good or up to "
        f"{percent(each.worse_by)} in 100 worse."
    )


def _worse(verdict: Verdict) -> str:
    worse = [each for each in verdict.standings if each.shown is Shown.WORSE]
    found = [
        f"{each.label} (by at least {percent(each.at_least)} in 100)"
        if each.at_least is not None and each.at_least >= 0.0005
        else each.label
        for each in worse
    ]
    if not found:
        return ""
    if len(found) > _MANY:
        return f"{len(found)} variants are worse than {verdict.standings[0].label}."
    verb = "is" if len(found) == 1 else "are"
    return f"{join_listed(found)} {verb} worse than {verdict.standings[0].label}."


# -- prices, and notes ----------------------------------------------------------------------------


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
    said = []
    if bare:
        verb = "is" if len(bare) == 1 else "are"
        said.append(f"{join_listed(bare)} {verb} left out: none of the texts could be scored.")
    if few:
        verb = "is" if len(few) == 1 else "are"
        said.append(f"{join_listed(few)} {verb} left out: too few texts could be scored.")
    if apart:
        verb, whose = ("is", "its") if len(apart) == 1 else ("are", "their")
        said.append(
            f"{join_listed(apart)} {verb} left out: too few of {whose} texts can be compared."
        )
    return " ".join(said)


def _looks(verdict: Verdict) -> str:
    if len(verdict.looks) < 2:
        return ""
    at = join_listed([f"{each:,}" for each in verdict.looks[-_MANY:]])
    last = "" if len(verdict.looks) <= _MANY else "last "
    return f"Looked at {len(verdict.looks)} times, {last}at {at} texts; the bounds allow for it."


def _grouped(groups: int) -> str:
    return (
        f"The texts make {count(groups, 'group')}; errors within a group are taken as one."
        if groups
        else ""
    )


def _noise(repeats: int) -> str:
    return "Run-to-run noise is inside (1 repeat)." if repeats == 1 else ""


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
        few = f"{_texts(labelled)} cannot show a difference"
        asked = f"{few}: a verdict asks for {FEWEST_TEXTS} or more"
        return f"{asked}; {show} one of {margin(matters)} in 100." if show else f"{asked}."
    least = rough_share(can_show(spread, labelled, variants))
    asked = f"{labelled:,} labelled texts and {variants} variants"
    said = f"{asked} can show a difference of about {least} in 100 or more"
    if needed and needed <= labelled:
        return f"{said}."
    return f"{said}; {show} {margin(matters)}." if show else f"{said}."


# -- small words -----------------------------------------------------------------------------------


def _pair(verdict: Verdict, one: str, other: str) -> Pair | None:
    return next((each for each in verdict.table if {each.a, each.b} == {one, other}), None)


def _shared(verdict: Verdict, one: Standing, other: Standing) -> int:
    """How many texts both answered."""
    pair = _pair(verdict, one.label, other.label)
    return pair.texts if pair is not None else verdict.texts


def _lead(verdict: Verdict, second: Standing) -> tuple[float, float, float]:
    """The interval of how much better the best is, and what was seen."""
    best = verdict.standings[0].label
    pair = _pair(verdict, best, second.label)
    if pair is None:
        return 0.0, 1.0, 0.0
    if pair.a == best:
        return pair.low, pair.high, pair.difference
    return -pair.high, -pair.low, -pair.difference


def _standing(verdict: Verdict, label: str | None) -> Standing:
    return next(each for each in verdict.standings if each.label == label)


def _texts(number: int) -> str:
    return count(number, "text")


def _several(standings: Sequence[Standing]) -> str:
    if len(standings) > _MANY:
        return f"the {len(standings)} others"
    return join_listed([each.label for each in standings])


def _all(standings: Sequence[Standing]) -> str:
    return "both variants" if len(standings) == 2 else f"all {len(standings)} variants"


def _joined(*sentences: str) -> str:
    """Sentences one after the other; empty ones are left out."""
    return " ".join(each for each in sentences if each)
