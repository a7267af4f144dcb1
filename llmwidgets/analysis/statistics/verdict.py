"""Verdict: what can be said about all variants together, as values."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from html import escape
from numbers import Real

from llmwidgets.analysis.statistics.intervals import LEVEL, Spread
from llmwidgets.errors import FieldError
from llmwidgets.formatting import join_sentences

MATTERS = 0.05
"""The smallest difference in accuracy that counts unless the user gives another."""


def read_matters(given: object, name: str = "matters") -> float:
    """The smallest difference that counts as a share; FieldError, about `name`, for all else."""
    share = float(given) if not isinstance(given, bool) and isinstance(given, Real) else 0.0
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
    def explanation(self) -> str:
        """What follows the headline, without the notes."""
        return join_sentences(self.caveat, self.details)

    @property
    def sentence(self) -> str:
        """The whole verdict, for a reader who decides by it."""
        return join_sentences(self.headline, self.explanation, *self.causes, *self.notes)

    def __repr__(self) -> str:
        return self.sentence

    def _repr_html_(self) -> str:
        rest = join_sentences(self.explanation, *self.causes, *self.notes)
        return f"<p><b>{escape(self.headline)}</b></p>" + (f"<p>{escape(rest)}</p>" if rest else "")


def equal_best(verdict: Verdict) -> tuple[Standing, ...]:
    """The best variant, and those that got as much right and answered as much."""
    figures = [(each.accuracy, each.accuracy_if_wrong) for each in verdict.standings]
    pairs = zip(verdict.standings, figures, strict=True)
    return tuple(each for each, found in pairs if found == figures[0])


def find_pair(table: Sequence[Pair], one: str, other: str) -> Pair | None:
    """The pair of these two variants; None if they are the same one, or not in the table."""
    return next((each for each in table if {each.a, each.b} == {one, other}), None)
