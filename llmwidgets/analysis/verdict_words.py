"""The verdict in words that a manager can use."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Standing:
    """A variant's accuracy on the texts that all answered, and its cost for 1,000 texts."""

    label: str
    accuracy: float
    cost_per_1000: float | None


class PairLike(Protocol):
    """What the words need of a compared pair."""

    @property
    def a(self) -> str: ...
    @property
    def b(self) -> str: ...
    @property
    def low(self) -> float: ...
    @property
    def high(self) -> float: ...
    @property
    def texts_needed(self) -> int | None: ...
    @property
    def told_apart(self) -> bool: ...


def sentence_for(
    standings: Sequence[Standing],
    tied: Sequence[Standing],
    table: Sequence[PairLike],
    texts: int,
    chosen: Standing | None,
    fewest: int,
    matters: float,
) -> str:
    """What can be said; `standings` are best first, `tied` those not told apart from the best."""
    if not standings:
        return "Nothing was compared."
    if chosen is None:
        return (
            f"No verdict: {_texts(texts)} {'is' if texts == 1 else 'are'} labelled and answered by "
            f"{_all(standings)}, and under {fewest} a difference can be chance. Label more texts."
        )
    if len(standings) == 1:
        return f"On {texts} labelled texts {_right(standings)}."
    if len(tied) == 1:
        return _one_ahead(standings, table, texts, matters)
    return _several_ahead(standings, tied, table, texts, chosen, matters)


def left_out_sentence(scored: Sequence[tuple[str, int]]) -> str:
    """The sentence on variants that cannot be compared, each with its number of scored texts."""
    bare = [label for label, count in scored if not count]
    few = [f"{label} ({count})" for label, count in scored if count]
    said = []
    if bare:
        verb = "is" if len(bare) == 1 else "are"
        said.append(f"{_listed(bare)} {verb} left out: none of the texts could be scored.")
    if few:
        verb = "is" if len(few) == 1 else "are"
        said.append(f"{_listed(few)} {verb} left out: too few texts could be scored.")
    return " ".join(said)


def joined(*sentences: str) -> str:
    """Sentences one after the other; empty ones are left out."""
    return " ".join(each for each in sentences if each)


def _one_ahead(
    standings: Sequence[Standing], table: Sequence[PairLike], texts: int, matters: float
) -> str:
    best, second = standings[0], standings[1]
    low, high = _margin(table, best.label, second.label)
    beaten = "" if len(standings) == 2 else f" than {second.label}"
    said = (
        f"On {texts} labelled texts {_right(standings)}; {best.label} is better{beaten} by "
        f"{_points(max(0.0, low))} to {_points(high)} in 100 (95 %)."
    )
    if high < matters:
        said += f" That is less than the {_points(matters)} in 100 that matter here."
    if len(standings) > 2:
        said += (
            f" As the best of {len(standings)}, its figure is likely a little too good; "
            "expect somewhat less on new texts."
        )
    return said


def _several_ahead(
    standings: Sequence[Standing],
    tied: Sequence[Standing],
    table: Sequence[PairLike],
    texts: int,
    chosen: Standing,
    matters: float,
) -> str:
    best = standings[0]
    labels = {each.label for each in tied}
    among = [each for each in table if {each.a, each.b} <= labels]
    if any(each.told_apart for each in among):
        said = f"{_names(tied[1:])} cannot be told apart from {best.label} on {texts} texts"
    else:
        said = f"{_names(tied)} cannot be told apart on {texts} texts"
    if chosen.cost_per_1000 is None:
        said += "; their prices are unknown"
    else:
        unknown = [each.label for each in tied if each.cost_per_1000 is None]
        known = " of those with a known price" if unknown else ""
        said += f"; cheapest{known} is {chosen.label}, {_money(chosen.cost_per_1000)} for 1,000"
        if chosen.label != best.label:
            worst = max(0.0, _margin(table, best.label, chosen.label)[1])
            said += f"; at most {_points(worst)} fields in 100 worse than the best"
    said += "."
    others = [each for each in standings if each not in tied]
    if others:
        said += f" {_names(others)} {'is' if len(others) == 1 else 'are'} worse than {best.label}."
    if among and all(max(-each.low, each.high) < matters for each in among):
        between = "the two" if len(tied) == 2 else "any two of them"
        return f"{said} Between {between} lies less than the {_points(matters)} in 100 that matter."
    needed = most_needed(among)
    if needed > texts:
        said += f" About {needed:,} texts would show {_shown(matters)}."
    return said


def most_needed(table: Iterable[PairLike]) -> int:
    """How many texts would show a difference that matters between any two of these pairs."""
    return max((each.texts_needed or 0 for each in table), default=0)


def needed_sentence(table: Iterable[PairLike], texts: int) -> str:
    """How many more texts would show a difference that matters, in pairs not told apart yet."""
    needed = most_needed(each for each in table if not each.told_apart)
    if not needed:
        return ""
    if needed > texts:
        return f"About {needed - texts:,} more labelled texts would show it four times in five."
    return f"The {texts:,} labelled texts are enough to show it four times in five."


def _shown(matters: float) -> str:
    return f"a difference of {_points(matters)} in 100 four times in five"


def _margin(table: Sequence[PairLike], better: str, worse: str) -> tuple[float, float]:
    for each in table:
        if (each.a, each.b) == (better, worse):
            return each.low, each.high
        if (each.b, each.a) == (better, worse):
            return -each.high, -each.low
    return -1.0, 1.0


def _right(standings: Sequence[Standing]) -> str:
    best, *others = standings
    said = f"{best.label} got {_points(best.accuracy)} of 100 fields right"
    return ", ".join([said, *(f"{each.label} {_points(each.accuracy)}" for each in others)])


def _points(share: float) -> str:
    """A share in hundredths, one decimal, none where it is .0."""
    return f"{100 * share:.1f}".removesuffix(".0")


def _money(dollars: float) -> str:
    if 0 < dollars < 0.01:
        return "under $0.01"
    return f"${dollars:,.2f}"


def _names(standings: Sequence[Standing]) -> str:
    return _listed([each.label for each in standings])


def _listed(labels: Sequence[str]) -> str:
    return labels[0] if len(labels) == 1 else f"{', '.join(labels[:-1])} and {labels[-1]}"


def _all(standings: Sequence[Standing]) -> str:
    return {1: standings[0].label, 2: "both variants"}.get(
        len(standings), f"all {len(standings)} variants"
    )


def _texts(count: int) -> str:
    return "only 1 text" if count == 1 else f"only {count} texts" if count else "no texts"
