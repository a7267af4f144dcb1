"""What the scoreboard and the charts show, as JSON for the page."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import groupby
from typing import TYPE_CHECKING, Any

from llmwidgets import formatting
from llmwidgets.analysis import verdict_text
from llmwidgets.analysis.intervals import FEWEST_TEXTS
from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.analysis.verdict import MATTERS
from llmwidgets.comparison import scoreboard, scoreboard_text, view_model
from llmwidgets.widgets.results.field_view import field_view
from llmwidgets.widgets.results.pair_view import pair_view, shared_view

if TYPE_CHECKING:
    from llmwidgets.analysis.verdict import Verdict
    from llmwidgets.comparison.aggregate import Tally
    from llmwidgets.comparison.comparison import Comparison
    from llmwidgets.report.summary import Row


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
    verdict = comparison.verdict(matters)
    scored_rows = view_model.scored_rows(comparison, verdict)
    rows = [_row(comparison, at, row) for at, row in enumerate(scored_rows)]
    scored = any(row["share"] is not None for row in rows)
    agreed = not scored and len(rows) > 1
    if agreed:
        _agreeing(comparison, rows)
    ordered = sorted(rows, key=lambda row: (row["rank"], _place(row)))
    band = view_model.margin(verdict)
    low, high, step = _scale(rows, band)
    return {
        "headline": verdict.headline,
        "details": verdict_text.brief(verdict),
        "outcome": verdict.outcome.name.lower() if verdict.outcome is not None else "",
        "scored": scored,
        "agreed": agreed,
        "matters": f"{100 * matters:g}" if _asks_what_matters(verdict) else "",
        "more": scoreboard_text.more_texts(verdict),
        "unlabelled": sum(text.truth is NOTHING for text in comparison.texts) if scored else 0,
        "worse": scoreboard_text.worse_head(verdict) if verdict.outcome is not None else "",
        "band": None if band is None else [round(100 * each, 1) for each in band],
        "best": scoreboard_text.best_words(verdict),
        "scale": [low, high],
        "step": step,
        "groups": _groups(ordered),
        **pair_view(comparison, verdict),
        "shared": shared_view(comparison) if agreed else [],
        "order": [row["letter"] for row in ordered],
        "fields": field_view(comparison, [row["at"] for row in ordered], scored=scored),
        "points": [_point(row) for row in rows],
        "beside": list(view_model.told_beside(comparison)),
        "foot": _foot(comparison, verdict, scored=scored, agreed=agreed),
    }


def _place(row: dict[str, Any]) -> float:
    """Where nothing ranks the variants, who agrees most with the others stands first."""
    share = row["share"] if row["share"] is not None else row.get("agree_share")
    return 1.0 if share is None or row["title"] else -float(share)


def _asks_what_matters(verdict: Verdict) -> bool:
    """Whether some pair shares enough texts for a verdict that depends on it."""
    return any(pair.texts >= FEWEST_TEXTS for pair in verdict.table)


def _agreeing(comparison: Comparison, rows: list[dict[str, Any]]) -> None:
    """How far each variant says the same as all others, in place of what is right."""
    for row in rows:
        found = comparison.agreeing.with_others(row["at"]).share()
        row["agree_share"] = found[0] if found else None
        row["agree"] = formatting.percent(found[0] if found else None)
        row["agree_of"] = f"of {found[1]:,} values" if found else ""


def _foot(comparison: Comparison, verdict: Verdict, *, scored: bool, agreed: bool) -> list[str]:
    said = view_model.foot(comparison, verdict)
    if scored:
        return list(said)
    if not agreed:
        return [_FOOT_UNSCORED, *said]
    total, some = len(comparison.texts), comparison.agreeing.texts
    where = f" In {some:,} of {total:,} texts, evenly spread." if some < total else ""
    return [f"{_FOOT_AGREED}{where}", *said]


def _row(comparison: Comparison, at: int, row: Row) -> dict[str, Any]:
    tally, told = comparison.reading.tallies[at], row.told
    interval = [row.low, row.accuracy, row.high]
    if row.low is None or row.high is None:
        interval = [None, row.accuracy, None]
    return {
        "at": at,
        "letter": row.letter,
        "label": row.label,
        "said": _effort(comparison, at),
        "rank": told.rank,
        "title": told.title,
        "group": told.more,
        "recommended": told.recommended,
        "share": row.accuracy,
        "right": formatting.percent(row.accuracy),
        "interval": None if row.accuracy is None else [_percent(each) for each in interval],
        "range": formatting.interval(row.low, row.high),
        "came": told.came or "–",
        "loses": told.loses,
        "lost": told.lost,
        "failed": told.failed,
        "unanswered": told.unanswered,
        "worse": told.worse,
        "bound": told.bound,
        "rows": told.rows,
        "other_rows": told.other_rows,
        "leading": [formatting.percent(each) for each in row.leading],
        "valid": f"{row.valid} of {row.asked}",
        "failures": formatting.failures(row.failures) if row.failures else "",
        "seconds": _seconds(row),
        "p50": row.p50_seconds,
        "p95": row.p95_seconds,
        "waiting": _waiting(tally),
        "tokens": [formatting.thousands(row.input_tokens), formatting.thousands(row.output_tokens)],
        "cost": formatting.money(row.cost_per_1000),
        "cost_per_1000": row.cost_per_1000,
        "paid": "" if row.paid_now is None else formatting.money(row.paid_now),
        "late": row.late,
    }


def _percent(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 1)


def _seconds(row: Row) -> str:
    if row.p50_seconds is None:
        return "–"
    return f"{formatting.seconds(row.p50_seconds)} / {formatting.seconds(row.p95_seconds)}"


def _waiting(tally: Tally) -> str:
    """How much of the median time passed until the reply began; empty where it is not known."""
    p50 = scoreboard.quantiles(tally.waiting)[0]
    return "" if p50 is None else f"{formatting.seconds(p50)} s until the reply began, median"


def _effort(comparison: Comparison, at: int) -> str:
    variant, tally = comparison.variants[at], comparison.reading.tallies[at]
    said = [] if variant.effort in (None, "least") else [f"thinking {variant.effort}"]
    if tally.reasoning_tokens:
        said.append(f"{formatting.thousands(tally.reasoning_tokens)} thinking tokens")
    return ", ".join(said)


def _scale(
    rows: Sequence[dict[str, Any]], band: tuple[float, float] | None
) -> tuple[int, int, int]:
    """Round ends around every interval and the band, in percent, and the step between lines."""
    least = [
        min(part for part in row["interval"] if part is not None)
        for row in rows
        if row["interval"] is not None
    ]
    if band is not None:
        least.append(100 * band[0])
    if not least:
        return 0, 100, 25
    low = min(math.floor(min(least) / 10) * 10, 90)
    step = 5 if low >= 80 else 10 if low >= 40 else 20
    return low - (100 - low) % step, 100, step


def _groups(rows: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The variants under what is shown of them."""
    return [
        {"title": title, "more": more, "rows": list(some)}
        for (title, more), some in groupby(rows, key=lambda row: (row["title"], row["group"]))
    ]


def _point(row: dict[str, Any]) -> dict[str, Any]:
    interval = row["interval"]
    bounded = interval is not None and interval[0] is not None
    return {
        "letter": row["letter"],
        "label": row["label"],
        "recommended": row["recommended"],
        "right": None if interval is None else interval[1],
        "interval": interval if bounded else None,
        "cost": row["cost_per_1000"],
        "p50": row["p50"],
        "p95": row["p95"],
    }
