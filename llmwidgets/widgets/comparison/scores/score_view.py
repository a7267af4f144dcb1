"""What the scoreboard, the charts and the table of fields show."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from itertools import groupby
from typing import TYPE_CHECKING, Annotated, Any, NotRequired, TypedDict

from llmwidgets import formatting
from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.analysis.statistics.intervals import FEWEST_TEXTS
from llmwidgets.analysis.statistics.verdict import MATTERS, Outcome
from llmwidgets.analysis.statistics.verdict_sentences import brief, conclude_unscored
from llmwidgets.comparison import summary
from llmwidgets.comparison.measures.aggregate import (
    aggregate,
    sampled_agreement,
)
from llmwidgets.comparison.measures.groundings import GroundingCount, count_grounding
from llmwidgets.comparison.measures.scores import find_sparse
from llmwidgets.comparison.measures.stability import PairCount, measure_stability
from llmwidgets.comparison.measures.text_result import read_leakage
from llmwidgets.comparison.texts import spread_evenly
from llmwidgets.formatting import count
from llmwidgets.report.scoreboard import Wording
from llmwidgets.widgets.comparison.scores.slice_view import (
    NOT_SLICED,
    SlicesState,
    SlicingState,
    round_scale,
)

if TYPE_CHECKING:
    from llmwidgets.analysis.statistics.verdict import Pair, Verdict
    from llmwidgets.comparison.comparison import Comparison
    from llmwidgets.comparison.measures.variant_stats import FieldCount
    from llmwidgets.report.scoreboard import ScoreRow as Row


_FOOT_UNSCORED = "Without truth nothing is scored: valid replies, time and cost are what is known."
_FOOT_AGREED = (
    "Without truth nothing is scored. “% the same” is the share of values that a model and the "
    "others have in common; models can agree and be wrong."
)


class _ScoreRow(TypedDict):
    """One variant of the scoreboard; `agree` where nothing is scored."""

    letter: str
    label: str
    said: str
    right: str
    interval: list[float | None] | None
    range: str
    words: Annotated[dict[str, Any], Wording]
    leading: list[str]
    valid: str
    failures: str
    seconds: str
    waiting: str
    tokens: list[str]
    cost: str
    paid: str
    late: str
    agree: NotRequired[str]
    agree_of: NotRequired[str]


class _ScoreGroup(TypedDict):
    title: str
    more: str
    rows: list[_ScoreRow]


class _PairState(TypedDict):
    a: str
    b: str
    points: str
    interval: list[float] | None
    range: str
    certain: bool
    needed: str
    verdict: str


class _PairsState(TypedDict):
    pairs: list[_PairState]
    pair_scale: list[float]
    pairs_said: str


class _SharedState(TypedDict):
    a: str
    b: str
    share: str
    of: str


Figure = list[float | int | None]
"""A share in percent, None where there is nothing to divide by, and of how many it is."""

Cell = dict[str, Figure] | None
"""What is known of one field of one variant, by measure."""


class _FieldScores(TypedDict):
    """One field: figures by variant; `least` is the smallest share of the first measure."""

    path: str
    name: str
    cells: list[Cell]
    least: float


class _FieldsTable(TypedDict):
    measures: list[list[str]]
    rows: list[_FieldScores]


STABILITY = ["stability", "% of pairs of repeats that say the same"]
"""What a cell says where texts were asked repeatedly."""


class _Point(TypedDict):
    letter: str
    label: str
    recommended: bool
    right: float | None
    interval: list[float | None] | None
    cost: float | None
    p50: float | None
    p95: float | None
    said: list[str]


class ScoresState(_PairsState):
    """The whole view, of all texts or of one slice; `slices` are all of them, if any are."""

    headline: str
    details: str
    outcome: str
    scored: bool
    agreed: bool
    matters: str
    more: str
    foretold: str
    unlabelled: int
    worse: str
    band: list[float | None] | None
    best: str
    scale: list[int]
    step: int
    groups: list[_ScoreGroup]
    shared: list[_SharedState]
    order: list[str]
    fields: _FieldsTable
    stability: _FieldsTable
    points: list[_Point]
    beside: list[str]
    foot: list[str]
    slicing: SlicingState
    slices: SlicesState | None
    progress: list[int] | None


Shared = tuple[float, int] | None
"""The share of values that a variant and the others have in common, and of how many."""


def partial_view(part: Comparison, total: int) -> ScoresState:
    """The figures of the texts that were read so far, of `total`; no verdict before the last."""
    nothing = conclude_unscored(valid=0, replies=0, variants=len(part.variants), labelled=0,
                                differing=0)  # fmt: skip
    view = _score_view(part, nothing)
    said = f"The figures of the first {len(part.texts):,} of {count(total, 'text')}"
    view["headline"] = f"{said}."
    view["details"] = "They are refined while the others are read; then the verdict comes."
    view["beside"] = []
    view["progress"] = [len(part.texts), total]
    return view


def score_view(comparison: Comparison, matters: float = MATTERS, foretold: str = "") -> ScoresState:
    """Verdict, one row per variant, pairs, fields, and the points of the charts.

    `matters` is the smallest difference in accuracy that counts, 0–1. Without truth, agreement
    takes the place of what is right.
    """
    return _score_view(comparison, comparison.verdict(matters), matters, foretold)


def _score_view(
    comparison: Comparison, verdict: Verdict, matters: float = MATTERS, foretold: str = ""
) -> ScoresState:
    rows = summary.worded_rows(comparison, verdict)
    sparse = find_sparse(comparison) is not None
    scored = any(row.accuracy is not None for row in rows)
    agreed = not scored and len(rows) > 1
    shared = [
        sampled_agreement(comparison).with_others(at).share() if agreed else None
        for at in range(len(rows))
    ]
    order = sorted(range(len(rows)), key=lambda at: _rank(rows[at], shared[at]))
    # Whether some pair shares enough texts for a verdict that depends on what matters.
    enough = any(pair.texts >= FEWEST_TEXTS for pair in verdict.table)
    band = summary.margin(verdict)
    low, high, step = _scale(rows, band)
    return {
        "headline": verdict.headline,
        "details": brief(verdict),
        "outcome": verdict.outcome.name.lower() if verdict.outcome is not None else "",
        "scored": scored,
        "agreed": agreed,
        "matters": f"{100 * matters:g}" if enough else "",
        "more": summary.more_texts(verdict),
        "foretold": foretold,
        "unlabelled": sum(text.truth is NOTHING for text in comparison.texts) if scored else 0,
        "worse": summary.worse_head(verdict),
        "band": None if band is None else [formatting.percentage(end) for end in band],
        "best": summary.best_words(verdict),
        "scale": [low, high],
        "step": step,
        "groups": _groups([(rows[at], shared[at]) for at in order], sparse=sparse, agreed=agreed),
        **pair_view(comparison, verdict),
        "shared": shared_view(comparison) if agreed else [],
        "order": [rows[at].letter for at in order],
        "fields": field_view(comparison, order, scored=scored),
        "stability": stability_view(comparison, order),
        "points": [_point(row) for row in rows],
        "beside": list(summary.side_notes(comparison)),
        "foot": _foot(comparison, verdict, scored=scored, agreed=agreed),
        "slicing": NOT_SLICED,
        "slices": None,
        "progress": None,
    }


def _rank(row: Row, shared: Shared) -> tuple[Any, float]:
    """Where nothing ranks the variants, the one that agrees most with the others comes first."""
    share = row.accuracy if row.accuracy is not None else shared[0] if shared else None
    return row.wording.rank, 1.0 if share is None or row.wording.title else -share


def _foot(comparison: Comparison, verdict: Verdict, *, scored: bool, agreed: bool) -> list[str]:
    notes = summary.foot(comparison, verdict)
    if scored:
        return list(notes)
    if not agreed:
        return [_FOOT_UNSCORED, *notes]
    total, some = len(comparison.texts), sampled_agreement(comparison).texts
    where = f" In {some:,} of {count(total, 'text')}, evenly spread." if some < total else ""
    return [f"{_FOOT_AGREED}{where}", *notes]


def _groups(rows: Sequence[tuple[Row, Shared]], *, sparse: bool, agreed: bool) -> list[_ScoreGroup]:
    return [
        {
            "title": title,
            "more": more,
            "rows": [_row(row, shared, sparse=sparse, agreed=agreed) for row, shared in some],
        }
        for (title, more), some in groupby(
            rows, key=lambda each: (each[0].wording.title, each[0].wording.more)
        )
    ]


def _row(row: Row, shared: Shared, *, sparse: bool, agreed: bool) -> _ScoreRow:
    seconds = formatting.seconds
    p50, waiting = row.p50_seconds, row.p50_waiting_seconds
    view: _ScoreRow = {
        "letter": row.letter,
        "label": row.variant,
        "said": _way_asked(row),
        "right": formatting.percent(row.accuracy),
        "interval": _interval(row),
        "range": formatting.interval(row.accuracy_low, row.accuracy_high),
        "words": asdict(row.wording),
        "leading": [
            formatting.percent(share) for share in (row.precision, row.recall, row.f1) if sparse
        ],
        "valid": f"{row.valid_replies} of {row.asked}",
        "failures": row.failed,
        "seconds": "–" if p50 is None else f"{seconds(p50)} / {seconds(row.p95_seconds)}",
        "waiting": "" if waiting is None else f"{seconds(waiting)} s until the reply began, median",
        "tokens": [
            formatting.format_thousands(number) for number in (row.input_tokens, row.output_tokens)
        ],
        "cost": formatting.money(row.cost_per_1000),
        "paid": "" if row.paid_now is None else formatting.money(row.paid_now),
        "late": row.late,
    }
    if agreed:
        view["agree"] = formatting.percent(shared[0] if shared else None)
        view["agree_of"] = f"of {count(shared[1], 'value')}" if shared else ""
    return view


def _interval(row: Row) -> list[float | None] | None:
    """Both ends around the accuracy, in percent; without ends where they are not known."""
    if row.accuracy is None:
        return None
    bounded = row.accuracy_low is not None and row.accuracy_high is not None
    low, high = (row.accuracy_low, row.accuracy_high) if bounded else (None, None)
    return [
        formatting.percentage(low),
        formatting.percentage(row.accuracy),
        formatting.percentage(high),
    ]


def _way_asked(row: Row) -> str:
    parts = [] if row.effort in ("", "least") else [f"thinking {row.effort}"]
    parts += [row.schema] if row.schema else []
    if row.reasoning_tokens:
        parts.append(f"{formatting.format_thousands(row.reasoning_tokens)} thinking tokens")
    return ", ".join(parts)


def _scale(rows: Sequence[Row], band: tuple[float, float] | None) -> tuple[int, int, int]:
    """The scale around every interval and the band."""
    intervals = [interval for row in rows if (interval := _interval(row)) is not None]
    ends = [end for interval in intervals for end in interval if end is not None]
    return round_scale([*ends, *([100 * band[0]] if band is not None else [])])


def _point(row: Row) -> _Point:
    interval = _interval(row)
    bounded = interval is not None and interval[0] is not None
    right = f"{row.variant} {formatting.percent(row.accuracy)}"
    cost = formatting.dollars(row.cost_per_1000)
    return {
        "letter": row.letter,
        "label": row.variant,
        "recommended": row.wording.recommended,
        "right": None if interval is None else interval[1],
        "interval": interval if bounded else None,
        "cost": row.cost_per_1000,
        "p50": row.p50_seconds,
        "p95": row.p95_seconds,
        "said": [
            f"{right}, {'price unknown' if row.cost_per_1000 is None else cost}"
            f"{', recommended' if row.wording.recommended else ''}",
            f"{right}, {formatting.seconds(row.p50_seconds)} s",
        ],
    }


def pair_view(comparison: Comparison, verdict: Verdict) -> _PairsState:
    """Each pair of variants, how far apart they are, and for which claim the intervals hold."""
    letters = {label: formatting.variant_letter(at) for at, label in enumerate(comparison.labels)}
    pairs = [_pair(each, letters) for each in verdict.table if each.texts]
    claim = "The intervals hold at 95 % for all pairs together."
    if all(each["interval"] is None for each in pairs):
        claim = ""
    elif len(pairs) == 1:
        claim = "The interval holds at 95 %."
    elif verdict.outcome is Outcome.BETTER:
        best = letters.get(verdict.leader or "", "")
        claim = f"The intervals hold at 95 %: for each pair of {best}, and for all others together."
    ends = [end for pair in pairs for end in pair["interval"] or (0.0,)]
    scale = [min([0.0, *ends]) - 1, max([1.0, *ends]) + 1]
    return {"pairs": pairs, "pair_scale": scale, "pairs_said": claim}


def shared_view(comparison: Comparison) -> list[_SharedState]:
    """Each pair of variants and how far they say the same, least first."""
    pairs = [
        (share, formatting.variant_letter(a), formatting.variant_letter(b))
        for (a, b), shared in sampled_agreement(comparison).pairs.items()
        if (share := shared.share())
    ]
    return [
        {"a": a, "b": b, "share": formatting.percent(share), "of": f"{count:,}"}
        for (share, count), a, b in sorted(pairs, key=lambda pair: (pair[0][0], *pair[1:]))
    ]


def _pair(pair: Pair, letters: dict[str, str]) -> _PairState:
    a, b, turn = pair.a, pair.b, 1.0
    if pair.difference < 0:
        a, b, turn = pair.b, pair.a, -1.0
    low, high = sorted(100 * turn * end for end in (pair.low, pair.high))
    points = 100 * turn * pair.difference
    known = pair.texts >= FEWEST_TEXTS and (pair.low, pair.high) != (-1.0, 1.0)
    better = a if low > 0 else b
    winner = letters.get(better, better)
    tie, needed = "not told apart", ""
    if pair.texts < FEWEST_TEXTS:
        tie = "too few texts to tell"
    elif pair.texts_needed and not pair.told_apart:
        enough = pair.texts_needed <= pair.texts
        needed = "enough texts" if enough else f"needs {count(pair.texts_needed, 'text')}"
    return {
        "a": letters.get(a, a),
        "b": letters.get(b, b),
        "points": formatting.signed_points(points),
        "interval": [low, points, high] if known else None,
        "range": f"{formatting.signed_points(low)} … {formatting.signed_points(high)}"
        if known
        else "–",
        "certain": pair.told_apart,
        "needed": needed,
        "verdict": f"{winner} is better" if pair.told_apart else tie,
    }


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


def field_view(comparison: Comparison, order: Sequence[int], *, scored: bool) -> _FieldsTable:
    """One row per field, one cell per variant in this order, the hardest field first."""
    measures = MEASURES if scored else AGREE
    if not scored and len(order) < 2:
        return {"measures": [], "rows": []}
    cells = _scored_cells(comparison, order) if scored else _agreement_cells(comparison, order)
    rows: list[tuple[float, float, _FieldScores]] = []
    for path, row in cells.items():
        shares = [each[measures[0][0]][0] for each in row if each is not None]
        known = [share for share in shares if share is not None]
        if known:
            name, least = path or "value", min(known)
            field: _FieldScores = {"path": path, "name": name, "cells": row, "least": least}
            rows.append((least, sum(known) / len(known), field))
    return {
        "measures": [list(each) for each in measures],
        "rows": [field for *_, field in sorted(rows, key=lambda each: each[:2])],
    }


def stability_view(comparison: Comparison, order: Sequence[int]) -> _FieldsTable:
    """One row per field, the least stable first, one cell per variant; none with one repeat."""
    columns = [measure_stability(comparison)[at] for at in order]
    rows: list[_FieldScores] = []
    for path in dict.fromkeys(path for each in columns for path in each.fields):
        counted = [each.fields.get(path, PairCount()) for each in columns]
        shares = [100 * each.stability for each in counted if each.stability is not None]
        cells: list[Cell] = [
            {STABILITY[0]: _share(each.same, each.pairs, each.texts)} if each.pairs else None
            for each in counted
        ]
        name = path or "value"
        rows.append({"path": path, "name": name, "cells": cells, "least": min(shares)})
    rows.sort(key=lambda row: row["least"])
    return {"measures": [STABILITY], "rows": rows}


def _scored_cells(comparison: Comparison, order: Sequence[int]) -> dict[str, list[Cell]]:
    columns = [aggregate(comparison).stats[at].counts for at in order]
    return {
        path: [_figures(counts[path]) if counts.get(path) else None for counts in columns]
        for path in dict.fromkeys(path for counts in columns for path in counts)
    }


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
    return [100 * part / whole if whole else None, whole if of is None else of]


def _agreement_cells(comparison: Comparison, order: Sequence[int]) -> dict[str, list[Cell]]:
    agreement = sampled_agreement(comparison)
    columns = [agreement.with_others(at) for at in order]
    return {
        path: [
            {"agree": [100 * figure[0], figure[1]]} if (figure := each.share(path)) else None
            for each in columns
        ]
        for path in agreement.fields
    }


_MOST_TEXTS = 500


class GroundingRow(TypedDict):
    """What share of a variant's values is not in the text, or was copied from an example."""

    absent: str
    copied: str
    title: str
    loud: NotRequired[bool]


class GroundingState(TypedDict):
    """The shares by letter; `said` where not every text was counted."""

    rows: dict[str, GroundingRow]
    any: bool
    said: str


def grounding_view(comparison: Comparison) -> GroundingState:
    """The shares in every text, or in 500 texts evenly spread where there are more."""
    total = len(comparison.texts)
    texts = spread_evenly(total, _MOST_TEXTS)
    counts = count_grounding(comparison, texts)
    shown = any(copying.values for copying in read_leakage(comparison))
    of_all = f"{len(texts):,} of {count(total, 'text')}"
    few = f"“Not in the text” is counted in {of_all}, evenly spread."
    return {
        "rows": {
            formatting.variant_letter(at): _grounding_row(each, shown)
            for at, each in enumerate(counts)
        },
        "any": any(each.values for each in counts),
        "said": few if len(texts) < total else "",
    }


def _grounding_row(found: GroundingCount, shown: bool) -> GroundingRow:
    if not found.values:
        return {"absent": "–", "copied": "", "title": "No value was looked for in a text."}
    are = "is" if found.copied == 1 else "are"
    return {
        "absent": formatting.percent(found.absent / found.values),
        "copied": f"{formatting.percent(found.copied / found.values)} copied" if shown else "",
        "loud": found.copied > 0,
        "title": f"{found.absent:,} of {count(found.values, 'value')}"
        + (f", {found.copied:,} of them {are} in an example" if shown else ""),
    }
