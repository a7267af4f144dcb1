"""The scoreboard's pairs as JSON for the page: differences, their intervals, what is told apart."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from llmwidgets import formatting
from llmwidgets.analysis.intervals import FEWEST_TEXTS
from llmwidgets.analysis.verdict import Outcome

if TYPE_CHECKING:
    from llmwidgets.analysis.verdict import Pair, Verdict
    from llmwidgets.comparison.comparison import Comparison


def pair_view(comparison: Comparison, verdict: Verdict) -> dict[str, Any]:
    """Each two variants, how far apart they are, and for which claim the intervals hold."""
    letters = {label: formatting.letter(at) for at, label in enumerate(comparison.labels)}
    pairs = [_pair(each, letters) for each in verdict.table if each.texts]
    said = "The intervals hold at 95 % for all pairs together."
    if all(each["interval"] is None for each in pairs):
        said = ""
    elif len(pairs) == 1:
        said = "The interval holds at 95 %."
    elif verdict.outcome is Outcome.BETTER:
        best = letters.get(verdict.leader or "", "")
        said = f"The intervals hold at 95 %: for each pair of {best}, and for all others together."
    return {"pairs": pairs, "pair_scale": _pair_scale(pairs), "pairs_said": said}


def shared_view(comparison: Comparison) -> list[dict[str, Any]]:
    """Each two variants and how far they say the same, least first."""
    found = []
    for (a, b), shared in comparison.agreeing.pairs.items():
        share = shared.share()
        if share is not None:
            found.append((share[0], formatting.letter(a), formatting.letter(b), share[1]))
    return [
        {"a": a, "b": b, "share": formatting.percent(share), "of": f"{count:,}"}
        for share, a, b, count in sorted(found)
    ]


def _pair(pair: Pair, letters: dict[str, str]) -> dict[str, Any]:
    a, b, turn = pair.a, pair.b, 1.0
    if pair.difference < 0:
        a, b, turn = pair.b, pair.a, -1.0
    low, high = sorted(100 * turn * end for end in (pair.low, pair.high))
    points = 100 * turn * pair.difference
    known = pair.texts >= FEWEST_TEXTS and (pair.low, pair.high) != (-1.0, 1.0)
    better = a if low > 0 else b
    return {
        "a": letters.get(a, a),
        "b": letters.get(b, b),
        "points": signed(points),
        "interval": [low, points, high] if known else None,
        "range": f"{signed(low)} … {signed(high)}" if known else "–",
        "certain": pair.told_apart,
        "needed": _needed(pair),
        "verdict": f"{letters.get(better, better)} is better" if pair.told_apart else _open(pair),
    }


def _needed(pair: Pair) -> str:
    if pair.told_apart or pair.texts < FEWEST_TEXTS or not pair.texts_needed:
        return ""
    if pair.texts_needed <= pair.texts:
        return "enough texts"
    return f"needs {pair.texts_needed:,} texts"


def _open(pair: Pair) -> str:
    return "too few texts to tell" if pair.texts < FEWEST_TEXTS else "not told apart"


def signed(points: float) -> str:
    """Points with their sign, a real minus; 0 has none."""
    return f"{'−' if points < 0 else '+' if points else ''}{abs(points):.1f}"


def _pair_scale(pairs: Sequence[dict[str, Any]]) -> list[float]:
    ends = [end for pair in pairs for end in pair["interval"] or (0.0,)]
    return [min([0.0, *ends]) - 1, max([1.0, *ends]) + 1]
