"""What has changed since an earlier run, variant by variant: as values, and then in sentences."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import StrEnum
from html import escape
from typing import TYPE_CHECKING, Any

from llmwidgets import formatting
from llmwidgets.analysis.statistics.intervals import (
    FEWEST_TEXTS,
    LEVEL,
    Spread,
    if_lost,
    texts_to_equal,
)
from llmwidgets.analysis.statistics.significance import RunTest
from llmwidgets.analysis.statistics.verdict import MATTERS, read_matters
from llmwidgets.analysis.statistics.verdict_sentences import in_100
from llmwidgets.formatting import count, join_listed, join_truncated, percent

if TYPE_CHECKING:
    import pandas as pd


class ChangeOutcome(StrEnum):
    """What is shown of one variant since the earlier run."""

    WORSE = "worse"
    BETTER = "better"
    NOT_WORSE = "not worse by more than the margin"
    NOT_TOLD_APART = "not told apart"
    TOO_FEW = "too few texts"
    UNSCORED = "not scored"


@dataclass(frozen=True, slots=True, kw_only=True)
class VariantChange:
    """One variant now and in the earlier run, on the `texts` of both; shares are 0 to 1.

    `change` is now minus before, `low` to `high` its interval, which excludes 0 if and only if it
    is shown to be worse or better. `worse_by` is the one-sided 95 % bound of how much worse it is;
    `at_best` what that bound is if not one field differs. `changed` counts the values that are
    others than before, of `values`; it is counted where nothing is scored.
    """

    label: str
    texts: int = 0
    units: int = 0
    before: float | None = None
    now: float | None = None
    change: float | None = None
    low: float | None = None
    high: float | None = None
    p_holm: float | None = None
    worse_by: float | None = None
    at_best: float | None = None
    texts_needed: int | None = None
    outcome: ChangeOutcome = ChangeOutcome.UNSCORED
    fields: int = 0
    to_wrong: int = 0
    to_right: int = 0
    lost_before: int = 0
    lost_now: int = 0
    unanswered_before: int = 0
    unanswered_now: int = 0
    changed: int | None = None
    values: int | None = None

    @property
    def told_apart(self) -> bool:
        return self.outcome in (ChangeOutcome.WORSE, ChangeOutcome.BETTER)

    @property
    def is_answered(self) -> bool:
        """Whether each text with truth got an answer, now and before."""
        return not (self.unanswered_now or self.unanswered_before)

    @property
    def only_better(self) -> bool:
        """Whether nothing is worse than before on any text: no field, no reply, no answer."""
        known = self.now is not None and self.before is not None
        return (
            known
            and (self.now or 0.0) >= (self.before or 0.0)
            and not self.to_wrong
            and self.lost_now <= self.lost_before
            and self.unanswered_now <= self.unanswered_before
        )


@dataclass(frozen=True, slots=True, repr=False, kw_only=True)
class ChangeVerdict:
    """What can be said about all variants since the earlier run; `.sentence` says it.

    `changes` has one entry per matched variant, `table` the same as a frame. `changed` is what else
    differs from then, `rescored` whether truth or rules do. A loss of less than `margin` (0 to 1)
    is allowed.
    """

    since: datetime
    until: datetime
    margin: float = MATTERS
    level: float = LEVEL
    grouped: bool = False
    changes: tuple[VariantChange, ...] = ()
    texts: int = 0
    repeats: tuple[int, int] = (1, 1)
    reused: bool = False
    whole_records: bool = False
    weighted: bool = False
    changed: tuple[str, ...] = ()
    rescored: bool = False
    tests: tuple[RunTest, ...] = field(default=(), repr=False)

    def at(self, margin: float) -> ChangeVerdict:
        """The same by another margin, a share; FieldError for what is not one."""
        margin = read_matters(margin, "margin")
        changes = (
            _concluded(each, test, margin, self.level)
            for each, test in zip(self.changes, self.tests, strict=True)
        )
        return replace(self, margin=margin, changes=tuple(changes))

    @property
    def days(self) -> tuple[str, str]:
        """When both runs were, in words that tell them apart where that is possible."""
        return name_days(self.since, self.until)

    @property
    def headline(self) -> str:
        """Who got worse or better, and by how much; else what can be said instead."""
        since = f"Since {self.days[0]}"
        told = [each for each in self.changes if each.told_apart]
        if told:
            told.sort(
                key=lambda each: (each.outcome is not ChangeOutcome.WORSE, each.change or 0.0)
            )
            sentences = [self._told(each) for each in told]
            return " ".join([f"{since} {sentences[0]}", *sentences[1:]])
        if not self.changes:
            return f"{since} no variant and no text is the same, so nothing can be compared."
        scored = [each for each in self.changes if each.texts]
        if not scored:
            return f"{since} {self._unscored()}"
        enough = [each for each in scored if each.outcome is not ChangeOutcome.TOO_FEW]
        if not enough:
            most = max(each.units for each in scored)
            unit, known = "group" if self.grouped else "text", _known(scored)
            units = count(most, f"{unit} {known} is", f"{unit}s {known} are")
            return (
                f"{since} nothing can be told: {units} in both runs, "
                f"and at least {FEWEST_TEXTS} are needed."
            )
        if len(self.changes) == 1:
            (each,) = enough
            return f"{since} {each.label} cannot be told apart from before: {self._seen(each)}"
        return f"{since} no variant can be told apart from before."

    @property
    def details(self) -> str:
        """The other variants, what was compared, and what else is another than then."""
        return " ".join(filter(None, (*self._others(), self._compared(), *self._notes())))

    @property
    def sentence(self) -> str:
        """The whole verdict."""
        return f"{self.headline} {self.details}".strip()

    @property
    def table(self) -> pd.DataFrame:
        """One row per matched variant."""
        import pandas as pd

        names = [name for name in VariantChange.__dataclass_fields__ if name != "units"]
        rows = [[_plain(getattr(each, name)) for name in names] for each in self.changes]
        return pd.DataFrame(rows, columns=pd.Index(names)).rename(columns={"label": "variant"})

    def fails(self, option: str = "margin=") -> dict[str, str]:
        """The variants that may have lost more than the margin, each with a reason.

        One passes if it is shown to have lost less (95 %), or if nothing at all got worse on these
        texts, however few they are: `details` says then how much that shows. One that the earlier
        run does not have neither fails nor passes. `option` is how the reader gives another margin.
        """
        reasons = ((each.label, self._reason(each, option)) for each in self.changes)
        return {label: reason for label, reason in reasons if reason}

    def __repr__(self) -> str:
        return self.sentence

    def _repr_html_(self) -> str:
        return f"<p><b>{escape(self.headline)}</b></p><p>{escape(self.details)}</p>"

    # -- words

    def _told(self, each: VariantChange) -> str:
        return f"{each.label} got {self._by(each)}: {self._flipped(each)}"

    def _flipped(self, each: VariantChange) -> str:
        if self.whole_records:
            return f"{count(each.to_wrong, 'text')} got worse, {each.to_right:,} better."
        return f"{count(each.to_wrong, 'field')} flipped to wrong, {each.to_right:,} to right."

    def _seen(self, each: VariantChange) -> str:
        low, high = max(0.0, -(each.low or 0.0)), max(0.0, each.high or 0.0)
        points = formatting.signed_points(round(100 * (each.change or 0.0), 1))
        ends = f"{percent(low)} worse to {percent(high)} better"
        return f"{points} {in_100(self.weighted)} ({ends}); {self._flipped(each)}"

    def _by(self, each: VariantChange) -> str:
        """1.8 fields in 100 worse (0.3 to 3.3)."""
        low, high = sorted((abs(each.low or 0.0), abs(each.high or 0.0)))
        ends = f"{_least(low)} to {percent(high)}"
        points = percent(abs(each.change or 0.0))
        return f"{points} {in_100(self.weighted)} {each.outcome} ({ends})"

    def _unscored(self) -> str:
        if not self.texts:
            return f"nothing can be compared, since {_NO_TEXT}."
        if all(each.values is None for each in self.changes):
            return "nothing can be compared, since one of the two runs was not scored."
        said = [
            f"{each.label} gives another value in {each.changed:,} of "
            f"{count(each.values or 0, 'field')}"
            for each in self.changes
            if each.changed
        ]
        why = f"nothing is scored, since no text {_known(self.changes)} is in both runs"
        if not any(each.values for each in self.changes):
            return f"{why}."
        return f"{why}: {join_truncated(said, 3) or 'every value is as before'}."

    def _others(self) -> Iterator[str]:
        """Who is not named in the headline; what was lost, and what has no answer."""
        told = [each for each in self.changes if each.told_apart]
        rest = [each for each in self.changes if each.worse_by is not None and each not in told]
        few = [each for each in self.changes if each.outcome is ChangeOutcome.TOO_FEW]
        if told and rest:
            yield f"The {_others_words(len(rest))} cannot be told apart from before."
        if kept := [each for each in rest if each.outcome is ChangeOutcome.NOT_WORSE]:
            at_most = percent(max(0.0, *(each.worse_by or 0.0 for each in kept)))
            names = _named(kept, self.changes)
            yield (
                f"{names} {'is' if len(kept) == 1 else 'are'} shown not to be worse by more than "
                f"{self._margin} (at most {at_most}; 95 %)."
            )
        ruled_out: dict[str, list[VariantChange]] = {}
        for each in self.changes:
            if each.only_better and not each.told_apart and not self._is_shown(each):
                ruled_out.setdefault(self._ruled_out(each), []).append(each)
        for words, alike in ruled_out.items():
            names = join_listed([each.label for each in alike])
            yield f"{names}: nothing got worse on these texts, but {words}."
        if few and (told or rest):
            names = join_listed([each.label for each in few])
            yield f"{names}: too few texts {_known(few)} are in both runs."
        for each in self.changes:
            if each.lost_before or each.lost_now:
                yield (
                    f"{each.label} lost {count(each.lost_now, 'reply', 'replies')} "
                    f"({each.lost_before:,} before) of {each.texts:,}, counted as wrong."
                )
            if each.unanswered_before or each.unanswered_now:
                yield (
                    f"{each.label} has no answer to {count(each.unanswered_now, 'text')} "
                    f"({each.unanswered_before:,} before)."
                )

    def _ruled_out(self, each: VariantChange) -> str:
        units = count(each.units, "group" if self.grouped else "text")
        if each.at_best is None:
            return f"{units} rule out no loss"
        least = formatting.rough_share(each.at_best)
        return f"{units} can rule out a loss of {least} in 100, not a smaller one"

    def _compared(self) -> str:
        fields = max((each.fields for each in self.changes), default=0)
        texts = count(max((each.texts for each in self.changes), default=0), "text")
        scored = (
            f"{count(fields, 'field')} of {texts} in both runs"
            if fields
            else f"{texts} with truth in both runs"
        )
        same = "" if self.changed else "same instructions, schema and settings"
        scored = scored if any(each.texts for each in self.changes) else ""
        line = "; ".join(filter(None, (scored, same)))
        return f"{line[:1].upper()}{line[1:]}." if line else ""

    def _notes(self) -> Iterator[str]:
        yield from self.changed
        if self.rescored:
            yield "Both runs are scored by the truth and the rules of now."
        if self.repeats[0] != self.repeats[1]:
            fewest = min(self.repeats)
            first = count(fewest, "repeat") if fewest > 1 else "repeat"
            yield f"Shares are averages over the repeats; flips are counted in the first {first}."
        if self.reused:
            yield "Every reply was there already, so nothing was asked of the models anew."

    @property
    def _margin(self) -> str:
        return f"{formatting.margin(self.margin)} in 100"

    def _reason(self, each: VariantChange, option: str) -> str:
        unit = "groups" if self.grouped else "texts"
        if each.outcome is ChangeOutcome.UNSCORED:
            why = "give truth for texts that are in both runs"
            if not self.texts:
                why = _NO_TEXT
            elif not each.is_answered:
                why = f"no text {_known([each])} is in both runs"
            return f"{each.label} is not scored: {why}"
        if each.only_better:
            return ""
        if each.worse_by is None or each.at_best is None:
            few = count(each.units, unit[:-1])
            return (
                f"{each.label} has {few} {_known([each])} in both runs, and at least "
                f"{FEWEST_TEXTS} are needed; to show {self._margin}, {self._needed(each)}"
            )
        if self._is_shown(each):
            return ""
        allowed = f"{self._margin} are allowed"
        if each.outcome is ChangeOutcome.WORSE:
            return f"{each.label} got {self._by(each)}; {allowed}"
        if each.at_best >= self.margin:
            least = formatting.rough_share(each.at_best)
            return (
                f"{each.label}: {count(each.units, unit[:-1])} can show {least} in 100 at best; "
                f"give {option}{_next_margin(each.worse_by)} or {self._needed(each)}"
            )
        return (
            f"{each.label} can be up to {percent(each.worse_by)} in 100 worse; {allowed}, "
            f"which {self._needed(each)} would show"
        )

    def _is_shown(self, each: VariantChange) -> bool:
        """Whether a loss of the margin or more is excluded."""
        return each.worse_by is not None and each.worse_by < self.margin

    def _needed(self, each: VariantChange) -> str:
        unit = "groups" if self.grouped else "texts"
        if each.texts_needed is None or each.texts_needed <= each.units:
            return f"more {unit} with truth"
        return f"about {formatting.rough_count(each.texts_needed)} {unit} with truth"


_NO_TEXT = "no text is in both runs with the same words"


def _known(some: Sequence[VariantChange]) -> str:
    """What a text needs to be compared, where that is not there for each."""
    answered = all(each.is_answered for each in some)
    return "with truth" if answered else "with truth and an answer"


def _plain(value: Any) -> Any:
    return str(value) if isinstance(value, StrEnum) else value


def name_days(since: datetime, until: datetime) -> tuple[str, str]:
    """Two days as 21 November, with a year that is not this one; two of a day by their time."""
    one, other = since.astimezone(), until.astimezone()
    same, today = one.date() == other.date(), datetime.now().astimezone()
    exact = "%H:%M:%S" if f"{one:%H:%M}" == f"{other:%H:%M}" else "%H:%M"

    def name(moment: datetime) -> str:
        if same and moment.date() == today.date():
            return f"{moment:{exact}}"
        year = f" {moment.year}" if moment.year != today.year else ""
        return f"{moment.day} {moment:%B}{year}" + (f" at {moment:{exact}}" if same else "")

    return name(one), name(other)


def _least(share: float) -> str:
    """A bound that is above 0 is never shown as 0."""
    return "above 0" if share < 0.0005 else percent(share)


_WORDS = ("", "other", "other two", "other three", "other four", "other five")


def _others_words(number: int) -> str:
    return _WORDS[number] if number < len(_WORDS) else f"other {number}"


def _named(some: Sequence[VariantChange], of: Sequence[VariantChange]) -> str:
    """Some of these variants: by name, or as all of them."""
    if len(some) == len(of):
        return {1: "It", 2: "Both"}.get(len(of), "All")
    return join_listed([each.label for each in some])


def _next_margin(share: float) -> str:
    """The smallest round margin above a bound."""
    step = 0.01 if share >= 0.01 else 0.001
    return f"{(int(share / step) + 1) * step:g}"


# -- what the tests show ---------------------------------------------------------------------------


def _concluded(change: VariantChange, test: RunTest, margin: float, level: float) -> VariantChange:
    """The change with what its test shows."""
    if not change.texts:
        return change
    pair = test.pair
    if test.worse_by is None:
        alike = Spread.of([0.0] * FEWEST_TEXTS, if_lost([change.before or 0.0]))
        return replace(
            change,
            units=test.units,
            change=pair.difference,
            texts_needed=texts_to_equal(alike, margin, level),
            outcome=ChangeOutcome.TOO_FEW,
        )
    outcome = ChangeOutcome.NOT_TOLD_APART
    if pair.told_apart:
        outcome = ChangeOutcome.WORSE if pair.high < 0 else ChangeOutcome.BETTER
    elif test.worse_by < margin:
        outcome = ChangeOutcome.NOT_WORSE
    return replace(
        change,
        units=test.units,
        change=pair.difference,
        low=pair.low,
        high=pair.high,
        p_holm=pair.p_holm,
        worse_by=test.worse_by,
        at_best=test.at_best,
        texts_needed=texts_to_equal(pair.spread, margin, level) if pair.spread else None,
        outcome=outcome,
    )
