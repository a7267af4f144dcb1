"""Verdict: what can be said about all variants together, as values and then in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from html import escape
from numbers import Real

from llmwidgets.analysis.statistics.intervals import (
    FEWEST_TEXTS,
    LEVEL,
    Spread,
    can_show,
    texts_needed,
)
from llmwidgets.errors import FieldError
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

MATTERS = 0.05
"""The smallest difference in accuracy that counts unless the user gives another."""


def read_matters(given: object, name: str = "matters") -> float:
    """The smallest difference that counts as a share; FieldError, about `name`, for all else."""
    share = 0.0
    if not isinstance(given, bool) and isinstance(given, Real):
        share = float(given)
    if not 0 < share <= 1:
        raise FieldError(
            {name: "must be a number over 0 and at most 1."},
            "It is a share: 0.05 stands for 5 fields in 100.",
        )
    return share


class Outcome(StrEnum):
    """What the texts allow the verdict to say."""

    BETTER = "better"
    AS_GOOD_AND_CHEAPER = "as good and cheaper"
    NOT_ENOUGH_TEXTS = "not enough texts to tell"


class Shown(StrEnum):
    """What is shown of one variant."""

    BEST = "better than all others"
    AS_GOOD = "as good as the best"
    LEADS = "leads, not shown to be better"
    NOT_SHOWN = "not shown either way"
    WORSE = "worse than the best"


@dataclass(frozen=True, slots=True)
class Pair:
    """Two variants compared on the texts both answered.

    `difference` is a minus b; `low` to `high` its interval, in which what one did not answer counts
    as wrong if that could change the claim. `p` is two-sided and comes from the same bounds;
    `p_holm` is corrected for all pairs, but for those of a variant that is better than all others.
    The interval excludes 0 if, and only if, the pair is told apart; `level` is the share of
    misses it allows. `texts_needed` is how many texts would tell apart two variants that
    differ by `matters`, four times in five.
    """

    a: str
    b: str
    texts: int
    difference: float
    low: float = -1.0
    high: float = 1.0
    p: float = 1.0
    p_holm: float = 1.0
    verdict: str = "too few texts"
    texts_needed: int | None = None
    told_apart: bool = False
    level: float = LEVEL
    spread: Spread | None = field(default=None, repr=False)

    @property
    def deviation(self) -> float | None:
        """The standard deviation of the differences; None if there are too few."""
        return self.spread.deviation if self.spread is not None else None

    def lead_of(self, label: str) -> tuple[float, float, float]:
        """The interval of how much better one of both is, and what was seen."""
        if label == self.a:
            return self.low, self.high, self.difference
        return -self.high, -self.low, -self.difference


@dataclass(frozen=True, slots=True)
class Standing:
    """A variant as the verdict sees it; shares are 0 to 1.

    `accuracy` with its 95 % interval counts lost replies as wrong, `answered_accuracy` leaves them
    out. `loss_low` to `loss_high` is the exact 95 % interval of the rate of losses. If the truth
    was looked at more than once, every interval allows for that.
    `accuracy_if_wrong` counts what was not answered as wrong too; `common_accuracy` is that on the
    texts which all answered. `worse_by` is the one-sided 95 % bound of how much worse than the best
    of the others it is, `at_least` the lower end of how much worse if it is told apart.
    """

    label: str
    accuracy: float
    low: float
    high: float
    scored: int
    answered_accuracy: float | None = None
    lost: int = 0
    loss_low: float = 0.0
    loss_high: float = 1.0
    unanswered: int = 0
    accuracy_if_wrong: float = 0.0
    common_accuracy: float | None = None
    cost_per_1000: float | None = None
    worse_by: float | None = None
    at_least: float | None = None
    shown: Shown = Shown.NOT_SHOWN

    def is_cheaper(self, other: Standing) -> bool:
        """Whether it is known to cost less; a free one costs less than any that is not."""
        one, than = self.cost_per_1000, other.cost_per_1000
        return one is not None and than is not None and one < than


@dataclass(frozen=True, slots=True, repr=False)
class Verdict:
    """What can be said about all variants together.

    `outcome` is None if there is nothing to compare. `recommended` is the cheapest variant shown
    to be at most `matters` worse than every other, None if none is; `leader` is the best seen.
    `not_told_apart` are groups of labels of which no two are told apart. `texts` is how many
    texts the best and each other answered, not how many are labelled. `can_show` is the smallest
    difference (0 to 1) that these show four times in five, `texts_needed` how many would show
    `matters`, and `texts_to_equal` how many would show of an equal variant that it is as good.
    If texts belong together, `groups` is how many groups they make, and groups are needed.
    `looks` are the numbers of texts at which the truth was looked at so far. Shares are
    `weighted` where fields count by weight. A notebook shows it as sentences.
    """

    headline: str
    details: str = ""
    outcome: Outcome | None = None
    leader: str | None = None
    recommended: str | None = None
    not_told_apart: tuple[tuple[str, ...], ...] = ()
    table: tuple[Pair, ...] = ()
    standings: tuple[Standing, ...] = ()
    matters: float = MATTERS
    texts: int = 0
    groups: int = 0
    texts_needed: int | None = None
    texts_to_equal: int | None = None
    can_show: float | None = None
    looks: tuple[int, ...] = ()
    weighted: bool = False
    notes: tuple[str, ...] = ()
    caveat: str = ""
    """What was not scored and can decide who leads: said right behind the headline."""
    causes: tuple[str, ...] = ()
    """Why nothing was answered, where nothing was, and what to do."""

    @property
    def sentence(self) -> str:
        """The whole verdict, for a reader who decides by it."""
        return _joined(self.headline, self.caveat, self.details, *self.causes, *self.notes)

    def __repr__(self) -> str:
        return self.sentence

    def _repr_html_(self) -> str:
        rest = _joined(self.caveat, self.details, *self.causes, *self.notes)
        return f"<p><b>{escape(self.headline)}</b></p>" + (f"<p>{escape(rest)}</p>" if rest else "")


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
    return _joined(*sentences, f"{join_listed(none)} lost none." if none else "")


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
        f"wrong (at most {percent(each.loss_high)} % of replies)"
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
        return replace(verdict, headline=_joined("Nothing was compared.", rest))
    best = verdict.standings[0]
    if verdict.outcome is None:
        of_100 = in_100(True) if verdict.weighted else "in 100 fields"
        headline = (
            f"{best.label} got {percent(best.accuracy)} {of_100} right on "
            f"{_texts(best.scored)} ({percent(best.low)} to {percent(best.high)}; 95 %)."
        )
        details = _joined(_losses(verdict), *_unanswered([best]), rest)
    else:
        headline, details = _OUTCOMES[verdict.outcome](verdict)
        worse = _worse(verdict) if verdict.outcome is not Outcome.BETTER else ""
        losses = _losses(verdict)
        details = _joined(details, losses, *_unanswered(verdict.standings), worse, rest)
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
        return _joined(verdict.caveat, verdict.details)
    _, details = _OUTCOMES[verdict.outcome](verdict)
    losses = _losses_in_brief(verdict)
    return _joined(verdict.caveat, details, losses, *_unanswered(_concerned(verdict)))


# -- the three outcomes ----------------------------------------------------------------------------


def _better(verdict: Verdict) -> tuple[str, str]:
    best, others = verdict.standings[0], verdict.standings[1:]
    second = others[0]
    low, high, seen = _lead(verdict, second)
    than = second.label if len(others) == 1 else f"the next best, {second.label}"
    least = f"reads at least {percent(low)} {in_100(verdict.weighted)} more right"
    if low < 0.0005:
        least = "reads more right"
    on = _texts(_shared(verdict, best, second))
    details = f"On {on} it {least} than {than} (95 %; {percent(seen)} seen)."
    if high < verdict.matters:
        details += f" That is less than the {margin(verdict.matters)} in 100 that matter here."
    if len(others) > 1:
        details += f" As the best of {len(others) + 1}, its own figure is likely a little too good."
    worse = join_listed([each.label for each in others])
    if len(others) > _MANY:
        worse = f"the {len(others)} others"
    return f"{best.label} is better than {worse}.", _joined(details, _price_of(best, second))


def _as_good(verdict: Verdict) -> tuple[str, str]:
    best, *others = verdict.standings
    chosen = next(each for each in verdict.standings if each.label == verdict.recommended)
    than = best.label if chosen is not best else "any other" if len(others) > 1 else others[0].label
    shared = verdict.texts if chosen is best else _shared(verdict, best, chosen)
    details = (
        f"On {_texts(shared)} it is {_at_most(chosen, verdict.weighted)} than {than} "
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
    if not undecided:
        known = "known to be " if unknown else ""
        return f"{as_good}, and all that is {known}cheaper is worse.", details
    headline = f"{best.label} leads, and nothing cheaper is shown to be as good."
    maybe = [_maybe(each, verdict) for each in undecided] if len(undecided) <= _MANY else []
    return headline, _joined(details, *maybe, _would_show(verdict, undecided))


def _not_enough(verdict: Verdict) -> tuple[str, str]:
    best = verdict.standings[0]
    if not best.accuracy and verdict.texts >= FEWEST_TEXTS:
        return "No variant got a field right.", "No variant is recommended."
    headline = f"Not enough texts to tell: {_ahead(verdict)}."
    if verdict.can_show is None:
        verb = "is" if verdict.texts == 1 else "are"
        few = f"Only {_texts(verdict.texts)} {verb}" if verdict.texts else "No text is"
        if verdict.texts >= FEWEST_TEXTS:
            few = f"The {_texts(verdict.texts)}, in {count(verdict.groups, 'group')}, are"
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
    best = verdict.standings[0]
    equal = [each.label for each in verdict.standings if each.accuracy == best.accuracy]
    if len(equal) == 1:
        return f"{best.label} leads"
    named = join_listed(equal) if len(equal) <= _MANY else f"the first {len(equal)}"
    return f"{named} are equal so far"


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
    return count(number, "group") if verdict.groups else _texts(number)


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
        few += f": a verdict asks for {FEWEST_TEXTS} or more"
        return f"{few}; {show} one of {margin(matters)} in 100." if show else f"{few}."
    least = rough_share(can_show(spread, labelled, variants))
    texts = f"{count(labelled, 'labelled text')} and {count(variants, 'variant')}"
    expected = f"{texts} can show a difference of about {least} in 100 or more"
    is_enough = needed is not None and needed <= labelled
    return f"{expected}; {show} {margin(matters)}." if show and not is_enough else f"{expected}."


# -- small words -----------------------------------------------------------------------------------


def find_pair(table: Sequence[Pair], one: str, other: str) -> Pair | None:
    """The pair of these two variants; None if they are the same one, or not in the table."""
    return next((each for each in table if {each.a, each.b} == {one, other}), None)


def _shared(verdict: Verdict, one: Standing, other: Standing) -> int:
    """How many texts both answered."""
    pair = find_pair(verdict.table, one.label, other.label)
    return pair.texts if pair is not None else verdict.texts


def _lead(verdict: Verdict, second: Standing) -> tuple[float, float, float]:
    """The interval of how much better the best is, and what was seen."""
    best = verdict.standings[0].label
    pair = find_pair(verdict.table, best, second.label)
    return pair.lead_of(best) if pair is not None else (0.0, 1.0, 0.0)


def _texts(number: int) -> str:
    return count(number, "text")


def _joined(*sentences: str) -> str:
    """Sentences one after the other; empty ones are left out."""
    return " ".join(each for each in sentences if each)
