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
from llmwidgets.analysis.verdict import MATTERS, Outcome
from llmwidgets.comparison import view_model
from llmwidgets.comparison.aggregate import aggregate
from llmwidgets.comparison.reference_free import (
    GroundingCount,
    count_grounding,
    read_leakage,
    sampled_agreement,
)
from llmwidgets.comparison.scoreboard import find_sparse
from llmwidgets.comparison.texts import spread_evenly

if TYPE_CHECKING:
    from llmwidgets.analysis.verdict import Pair, Verdict
    from llmwidgets.comparison.aggregate import FieldCount
    from llmwidgets.comparison.comparison import Comparison
    from llmwidgets.comparison.reference_free import Agreement
    from llmwidgets.report.view_model import ScoreRow


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
    sparse = comparison.cached(find_sparse) is not None
    worded_rows = view_model.worded_rows(comparison, verdict)
    rows = [_row(at, row, sparse=sparse) for at, row in enumerate(worded_rows)]
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
        "more": view_model.more_texts(verdict),
        "unlabelled": sum(text.truth is NOTHING for text in comparison.texts) if scored else 0,
        "worse": view_model.worse_head(verdict),
        "band": None if band is None else [round(100 * each, 1) for each in band],
        "best": view_model.best_words(verdict),
        "scale": [low, high],
        "step": step,
        "groups": _groups(ordered),
        **pair_view(comparison, verdict),
        "shared": shared_view(comparison) if agreed else [],
        "order": [row["letter"] for row in ordered],
        "fields": field_view(comparison, [row["at"] for row in ordered], scored=scored),
        "points": [_point(row) for row in rows],
        "beside": list(view_model.side_notes(comparison)),
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
        found = comparison.cached(sampled_agreement).with_others(row["at"]).share()
        row["agree_share"] = found[0] if found else None
        row["agree"] = formatting.percent(found[0] if found else None)
        row["agree_of"] = f"of {found[1]:,} values" if found else ""


def _foot(comparison: Comparison, verdict: Verdict, *, scored: bool, agreed: bool) -> list[str]:
    said = view_model.foot(comparison, verdict)
    if scored:
        return list(said)
    if not agreed:
        return [_FOOT_UNSCORED, *said]
    total, some = len(comparison.texts), comparison.cached(sampled_agreement).texts
    where = f" In {some:,} of {total:,} texts, evenly spread." if some < total else ""
    return [f"{_FOOT_AGREED}{where}", *said]


def _row(at: int, row: ScoreRow, *, sparse: bool) -> dict[str, Any]:
    words = row.wording
    interval = [row.accuracy_low, row.accuracy, row.accuracy_high]
    return {
        "at": at,
        "letter": row.letter,
        "label": row.variant,
        "said": _effort(row),
        "rank": words.rank,
        "title": words.title,
        "group": words.more,
        "recommended": words.recommended,
        "share": row.accuracy,
        "right": formatting.percent(row.accuracy),
        "interval": None if row.accuracy is None else [_percent(each) for each in interval],
        "range": formatting.interval(row.accuracy_low, row.accuracy_high),
        "came": words.came or "–",
        "loses": words.loses,
        "lost": words.lost,
        "failed": words.failed,
        "unanswered": words.unanswered,
        "worse": words.worse,
        "bound": words.bound,
        "rows": words.rows,
        "other_rows": words.other_rows,
        "leading": [
            formatting.percent(share) for share in (row.precision, row.recall, row.f1) if sparse
        ],
        "valid": f"{row.valid_replies} of {row.asked}",
        "failures": row.failed,
        "seconds": _seconds(row),
        "p50": row.p50_seconds,
        "p95": row.p95_seconds,
        "waiting": _waiting(row),
        "tokens": [
            formatting.format_thousands(row.input_tokens),
            formatting.format_thousands(row.output_tokens),
        ],
        "cost": formatting.money(row.cost_per_1000),
        "cost_per_1000": row.cost_per_1000,
        "paid": "" if row.paid_now is None else formatting.money(row.paid_now),
        "late": row.late,
    }


def _percent(share: float | None) -> float | None:
    return None if share is None else round(100 * share, 1)


def _seconds(row: ScoreRow) -> str:
    if row.p50_seconds is None:
        return "–"
    return f"{formatting.seconds(row.p50_seconds)} / {formatting.seconds(row.p95_seconds)}"


def _waiting(row: ScoreRow) -> str:
    """How much of the median time passed until the reply began; empty where it is not known."""
    p50 = row.p50_waiting_seconds
    return "" if p50 is None else f"{formatting.seconds(p50)} s until the reply began, median"


def _effort(row: ScoreRow) -> str:
    effort = [] if row.effort in ("", "least") else [f"thinking {row.effort}"]
    if row.reasoning_tokens:
        effort.append(f"{formatting.format_thousands(row.reasoning_tokens)} thinking tokens")
    return ", ".join(effort)


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


# -- The scoreboard's pairs as JSON for the page: differences, their intervals, what is told apart.


def pair_view(comparison: Comparison, verdict: Verdict) -> dict[str, Any]:
    """Each two variants, how far apart they are, and for which claim the intervals hold."""
    letters = {label: formatting.variant_letter(at) for at, label in enumerate(comparison.labels)}
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
    for (a, b), shared in comparison.cached(sampled_agreement).pairs.items():
        share = shared.share()
        if share is not None:
            found.append(
                (share[0], formatting.variant_letter(a), formatting.variant_letter(b), share[1])
            )
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


# -- What the table of fields by variants shows, as JSON for the page.

MEASURES = (
    ("right", "% right"),
    ("precision", "Precision, %"),
    ("recall", "Recall, %"),
    ("f1", "F1, %"),
    ("invented", "Invented, %"),
    ("missed", "Missed, %"),
    ("nulls_in_words", "Null in words, %"),
)
"""What a cell can say; `invented` and `nulls_in_words` of the places where the truth has nothing,
`missed` of those where it has a value."""
AGREE = (("agree", "% the same as the others"),)

Figure = tuple[float | None, int]
"""A share in percent, None where there is nothing to divide by, and of how many it is."""


def field_view(comparison: Comparison, order: Sequence[int], *, scored: bool) -> dict[str, Any]:
    """A row a field, a cell a variant in this order; the first measure's hardest field first."""
    measures = MEASURES if scored else AGREE if len(order) > 1 else ()
    found = (
        _scored(comparison, order)
        if scored
        else _field_agreement(comparison.cached(sampled_agreement), order)
    )
    first = measures[0][0] if measures else ""
    rows = [_field_row(name, cells, first) for name, cells in found if measures]
    return {
        "measures": [list(each) for each in measures],
        "rows": sorted(
            (row for row in rows if row["least"] is not None),
            key=lambda row: (row["least"], row["mean"]),
        ),
    }


def _field_row(path: str, cells: list[dict[str, Figure] | None], first: str) -> dict[str, Any]:
    shares = [each[first][0] for each in cells if each is not None]
    known = [share for share in shares if share is not None]
    return {
        "path": path,
        "name": path or "value",
        "cells": [each and {name: list(figure) for name, figure in each.items()} for each in cells],
        "least": min(known, default=None),
        "mean": sum(known) / len(known) if known else None,
    }


def _scored(
    comparison: Comparison, order: Sequence[int]
) -> list[tuple[str, list[dict[str, Figure] | None]]]:
    columns = [comparison.cached(aggregate).stats[at] for at in order]
    names = dict.fromkeys(name for stats in columns for name in stats.counts)
    found = []
    for name in names:
        counts = [stats.counts.get(name) for stats in columns]
        found.append((name, [_figures(each) if each else None for each in counts]))
    return found


def _figures(count: FieldCount) -> dict[str, Figure]:
    empty = count.labelled - count.wanted
    return {
        "right": _share(count.right + count.part, count.labelled),
        "precision": _share(count.found, count.given),
        "recall": _share(count.found, count.wanted),
        "f1": _share(2 * count.found, count.given + count.wanted, count.labelled),
        "invented": _share(count.invented, empty),
        "missed": _share(count.missed, count.wanted),
        "nulls_in_words": _share(count.nulls_in_words, empty),
    }


def _share(part: float, whole: int, of: int | None = None) -> Figure:
    return (100 * part / whole if whole else None), whole if of is None else of


def _field_agreement(
    agreement: Agreement, order: Sequence[int]
) -> list[tuple[str, list[dict[str, Figure] | None]]]:
    shared = [agreement.with_others(at) for at in order]
    return [
        (
            name,
            [
                {"agree": (100 * found[0], found[1])} if (found := each.share(name)) else None
                for each in shared
            ],
        )
        for name in agreement.fields
    ]


# -- How many values stand nowhere in their text, a row a variant, as JSON for the page.

_MOST_TEXTS = 500


def grounding_view(comparison: Comparison) -> dict[str, Any]:
    """By letter: the share of values that are not in their text, and of those that were copied.

    Over 500 texts evenly spread where there are more; `said` tells so.
    """
    total = len(comparison.texts)
    texts = spread_evenly(total, _MOST_TEXTS)
    counts = count_grounding(comparison, texts)
    shown = any(copying.values for copying in comparison.cached(read_leakage))
    few = f"“Not in the text” is counted in {len(texts):,} of {total:,} texts, evenly spread."
    return {
        "rows": {
            formatting.variant_letter(at): _grounding_row(count, shown)
            for at, count in enumerate(counts)
        },
        "any": any(count.values for count in counts),
        "said": few if len(texts) < total else "",
    }


def _grounding_row(count: GroundingCount, shown: bool) -> dict[str, Any]:
    if not count.values:
        return {"absent": "–", "copied": "", "title": "No value was looked for in a text."}
    return {
        "absent": formatting.percent(count.absent / count.values),
        "copied": f"{formatting.percent(count.copied / count.values)} copied" if shown else "",
        "loud": count.copied > 0,
        "title": f"{count.absent:,} of {count.values:,} values"
        + (f", {count.copied:,} of them stand in an example" if shown else ""),
    }
