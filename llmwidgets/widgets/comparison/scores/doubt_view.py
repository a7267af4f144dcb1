"""What the charts show of the doubt: said beside seen, by tenths, and what its order finds."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from llmwidgets import formatting
from llmwidgets.comparison.measures.doubt import doubt_basis, found_sentence, read_doubts
from llmwidgets.formatting import count

if TYPE_CHECKING:
    from llmwidgets.analysis.statistics.doubt import Bin, Doubts
    from llmwidgets.comparison.comparison import Comparison


class DoubtBin(TypedDict):
    """Values of about the same doubt, in percent: said, and wrong with the ends of its interval."""

    said: float
    wrong: float
    low: float
    high: float
    values: int
    words: str


class DoubtState(TypedDict):
    """The reliability curve, without bins where the values are only ranked."""

    basis: str
    figure: str
    found: str
    bins: list[DoubtBin]


def doubt_view(comparison: Comparison) -> DoubtState:
    """How far the doubts can be relied on, by the labels there are."""
    doubts = read_doubts(comparison).doubts
    return {
        "basis": doubt_basis(comparison),
        "figure": _figure(doubts),
        "found": found_sentence(doubts),
        "bins": [_bin(each) for each in doubts.reliability()] if doubts.calibrated else [],
    }


def _figure(doubts: Doubts) -> str:
    own, alone = doubts.auc(), doubts.auc_of_disagreement()
    if own is None or alone is None:
        return ""
    return (
        f"A wrong value ranks above a right one in {formatting.percent(own)} % of pairs (the AUC), "
        f"by disagreement alone in {formatting.percent(alone)} %."
    )


def _bin(each: Bin) -> DoubtBin:
    said, wrong, low, high = (
        100 * share for share in (each.doubt, each.wrong, each.low, each.high)
    )
    return {
        "said": said,
        "wrong": wrong,
        "low": low,
        "high": high,
        "values": each.values,
        "words": f"doubt {formatting.percent(each.doubt)} %: {formatting.percent(each.wrong)} % of "
        f"{count(each.values, 'value')} wrong ({formatting.interval(each.low, each.high)})",
    }
