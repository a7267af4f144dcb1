"""What the scoreboard and the charts show, as JSON for the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from llmwidgets.analysis.power import FEWEST_TEXTS
from llmwidgets.analysis.verdict import MATTERS
from llmwidgets.analysis.verdict_words import needed_sentence
from llmwidgets.comparison import scoreboard
from llmwidgets.comparison.shown import told_beside
from llmwidgets.errors import FAILURES
from llmwidgets.report import figures
from llmwidgets.widgets.results.field_view import field_view

if TYPE_CHECKING:
    from llmwidgets.analysis.verdict import Pair, Verdict
    from llmwidgets.comparison.comparison import Comparison
    from llmwidgets.comparison.tally import Tally

_FOOT = (
    "Failures of the way (unreachable, limited, stopped) are not scored; a model's own failures "
    "leave their fields not right. Intervals are 95 %; pairs use the texts both answered, and what "
    "is said of them is corrected for how many pairs there are."
)
_FOOT_UNSCORED = "Without truth nothing is scored: valid replies, time and cost are what is known."
_FOOT_AGREED = (
    "Without truth nothing is scored. “% the same” is the share of values that a model and the "
    "others have in common; models can agree and be wrong."
)


def score_view(comparison: Comparison, matters: float = MATTERS) -> dict[str, Any]:
    """Verdict, a row a variant, pairs, fields, and the points of the charts.

    `matters` is the smallest difference in accuracy that counts, 0–1. Without truth, agreement
    takes the place of what is right.
    """
    tallies = comparison.reading.tallies
    verdict = comparison.verdict(matters)
    rows = [_row(comparison, at, tally) for at, tally in enumerate(tallies)]
    scored = any(row["share"] is not None for row in rows)
    agreed = not scored and len(rows) > 1
    if agreed:
        _agreeing(comparison, rows)
    low, high, step = _scale(rows)
    pairs = _pairs(comparison, verdict.table)
    ordered = sorted(rows, key=_rank)
    return {
        "verdict": verdict.sentence,
        "beside": list(told_beside(comparison)),
        "scored": scored,
        "agreed": agreed,
        "matters": f"{100 * matters:g}" if _decided(verdict) else "",
        "needed": _needed(verdict),
        "scale": [low, high],
        "step": step,
        "groups": _groups(ordered, verdict, comparison),
        "pairs": pairs,
        "pair_scale": _pair_scale(pairs),
        "shared": _shared(comparison) if agreed else [],
        "order": [row["letter"] for row in ordered],
        "fields": field_view(comparison, [row["at"] for row in ordered], scored=scored),
        "points": [_point(row) for row in rows],
        "foot": _FOOT if scored else _unscored_foot(comparison, agreed),
    }


def _rank(row: dict[str, Any]) -> float:
    share = row["share"] if row["share"] is not None else row.get("agree_share")
    return 1.0 if share is None else -float(share)


def _decided(verdict: Verdict) -> list[Pair]:
    """The pairs that share enough texts for a verdict."""
    return [pair for pair in verdict.table if pair.texts >= FEWEST_TEXTS]


def _needed(verdict: Verdict) -> str:
    enough = _decided(verdict)
    return needed_sentence(enough, min((pair.texts for pair in enough), default=0))


def _agreeing(comparison: Comparison, rows: list[dict[str, Any]]) -> None:
    """How far each variant says the same as all others, in place of what is right."""
    for row in rows:
        found = comparison.agreeing.with_others(row["at"]).share()
        row["agree_share"] = found[0] if found else None
        row["agree"] = figures.percent(found[0] if found else None)
        row["agree_of"] = f"of {found[1]:,} values" if found else ""


def _shared(comparison: Comparison) -> list[dict[str, Any]]:
    """Each two variants and how far they say the same, least first."""
    found = []
    for (a, b), shared in comparison.agreeing.pairs.items():
        share = shared.share()
        if share is not None:
            found.append((share[0], figures.letter(a), figures.letter(b), share[1]))
    return [
        {"a": a, "b": b, "share": figures.percent(share), "of": f"{count:,}"}
        for share, a, b, count in sorted(found)
    ]


def _unscored_foot(comparison: Comparison, agreed: bool) -> str:
    if not agreed:
        return _FOOT_UNSCORED
    total, some = len(comparison.texts), comparison.agreeing.texts
    where = f" In {some:,} of {total:,} texts, evenly spread." if some < total else ""
    return f"{_FOOT_AGREED}{where}"


def _row(comparison: Comparison, at: int, tally: Tally) -> dict[str, Any]:
    share = tally.accuracy
    low, high = scoreboard.bounds(comparison, at)
    p50, p95 = scoreboard.quantiles(tally.seconds)
    known = low is not None and high is not None and share is not None
    failures = tuple((name, tally.statuses[name]) for name in FAILURES if tally.statuses[name])
    return {
        "at": at,
        "letter": figures.letter(at),
        "label": comparison.labels[at],
        "said": _effort(comparison, at),
        "share": share,
        "right": figures.percent(share),
        "interval": _percents(low, share, high) if known else _percents(None, share, None),
        "range": figures.interval(low, high),
        "valid": f"{tally.statuses['ok']} of {sum(tally.statuses.values())}",
        "failures": figures.failures(failures) if failures else "",
        "seconds": "–" if p50 is None else f"{figures.seconds(p50)} / {figures.seconds(p95)}",
        "p50": p50,
        "p95": p95,
        "waiting": _waiting(tally),
        "tokens": f"{thousands(tally.input_tokens)} / {thousands(tally.output_tokens)}",
        "cost": figures.money(tally.cost_per_1000),
        "cost_per_1000": tally.cost_per_1000,
    }


def _waiting(tally: Tally) -> str:
    """How much of the median time passed until the reply began; empty where it is not known."""
    p50 = scoreboard.quantiles(tally.waiting)[0]
    return "" if p50 is None else f"{figures.seconds(p50)} s until the reply began, median"


def _effort(comparison: Comparison, at: int) -> str:
    variant, tally = comparison.variants[at], comparison.reading.tallies[at]
    said = [] if variant.effort in (None, "least") else [f"thinking {variant.effort}"]
    if tally.reasoning_tokens:
        said.append(f"{thousands(tally.reasoning_tokens)} thinking tokens")
    return ", ".join(said)


def _percents(low: float | None, share: float | None, high: float | None) -> list[Any] | None:
    if share is None:
        return None
    return [None if each is None else round(100 * each, 1) for each in (low, share, high)]


def thousands(number: int | None) -> str:
    """A count of tokens: 812, 20.4k, unknown."""
    if number is None:
        return "unknown"
    return f"{number:,}" if number < 10_000 else f"{number / 1000:.1f}k"


def _scale(rows: Sequence[dict[str, Any]]) -> tuple[int, int, int]:
    """Round ends around every interval, in percent, and the step between lines."""
    least = [
        min(part for part in row["interval"] if part is not None)
        for row in rows
        if row["interval"] is not None
    ]
    if not least:
        return 0, 100, 25
    low = min(math.floor(min(least) / 10) * 10, 90)
    step = 5 if low >= 80 else 10 if low >= 40 else 20
    return low - (100 - low) % step, 100, step


def _groups(
    rows: Sequence[dict[str, Any]], verdict: Verdict, comparison: Comparison
) -> list[dict[str, Any]]:
    """The variants that share the first place, then those that read fewer fields right."""
    best = next((row["label"] for row in rows if row["share"] is not None), None)
    together = next((set(group) for group in verdict.not_told_apart if best in group), set())
    first = [row for row in rows if row["label"] in together]
    rest = [row for row in rows if row["label"] not in together]
    if not first or any(pair.texts < FEWEST_TEXTS for pair in verdict.table):
        return [{"title": "", "more": "", "rows": list(rows)}]
    found = [{"title": "Cannot be told apart", "more": "", "rows": first}]
    if rest:
        found.append({"title": "The others", "more": "", "rows": rest})
        if all(_beaten(verdict, row["label"], together) for row in rest):
            found[1].update(title="Fewer fields right", more="than each of those")
    return found


def _beaten(verdict: Verdict, label: str, by: set[str]) -> bool:
    certain = [pair for pair in verdict.table if label in (pair.a, pair.b) and pair.told_apart]
    return all(any(better in (pair.a, pair.b) for pair in certain) for better in by)


def _pairs(comparison: Comparison, table: Sequence[Pair]) -> list[dict[str, Any]]:
    letters = {label: figures.letter(at) for at, label in enumerate(comparison.labels)}
    return [_pair(each, letters) for each in table if each.texts]


def _pair(pair: Pair, letters: dict[str, str]) -> dict[str, Any]:
    a, b, turn = pair.a, pair.b, 1.0
    if pair.difference < 0:
        a, b, turn = pair.b, pair.a, -1.0
    low, high = sorted(100 * turn * end for end in (pair.low, pair.high))
    points = 100 * turn * pair.difference
    certain = pair.told_apart
    return {
        "a": letters.get(a, a),
        "b": letters.get(b, b),
        "points": signed(points),
        "interval": [low, points, high],
        "range": f"{signed(low)} … {signed(high)}",
        "certain": certain,
        "needed": _pair_needed(pair),
        "verdict": f"{letters.get(a, a)} reads more right" if certain else _unclear(pair),
    }


def _pair_needed(pair: Pair) -> str:
    if pair.told_apart or pair.texts < FEWEST_TEXTS or not pair.texts_needed:
        return ""
    if pair.texts_needed <= pair.texts:
        return "enough texts"
    return f"needs {pair.texts_needed:,} texts"


def _unclear(pair: Pair) -> str:
    return "too few texts to tell" if pair.texts < FEWEST_TEXTS else "cannot be told apart"


def signed(points: float) -> str:
    """Points with their sign; a real minus."""
    return f"{'−' if points < 0 else '+'}{abs(points):.1f}"


def _pair_scale(pairs: Sequence[dict[str, Any]]) -> list[float]:
    ends = [end for pair in pairs for end in pair["interval"]]
    return [min([0.0, *ends]) - 1, max([1.0, *ends]) + 1]


def _point(row: dict[str, Any]) -> dict[str, Any]:
    interval = row["interval"]
    bounded = interval is not None and interval[0] is not None
    return {
        "letter": row["letter"],
        "label": row["label"],
        "right": None if interval is None else interval[1],
        "interval": interval if bounded else None,
        "cost": row["cost_per_1000"],
        "p50": row["p50"],
        "p95": row["p95"],
    }
