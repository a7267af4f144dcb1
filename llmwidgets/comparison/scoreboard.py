"""Scoreboard and verdict: what a comparison's tallies say about each variant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmwidgets.analysis import significance
from llmwidgets.analysis.bounds import loss_interval
from llmwidgets.analysis.significance import Column, Tested, mean_interval
from llmwidgets.analysis.verdict import Verdict
from llmwidgets.comparison import caveats, looks
from llmwidgets.comparison.marks import is_labelled
from llmwidgets.comparison.texts import few
from llmwidgets.errors import FAILURES

if TYPE_CHECKING:
    import pandas as pd

    from llmwidgets.comparison.comparison import Comparison
    from llmwidgets.comparison.tally import Tally


def scoreboard(comparison: Comparison) -> pd.DataFrame:
    """One row per variant. Shares are 0–1, times seconds, money US dollars; NaN is unknown.

    What the columns mean is said at `Comparison.scoreboard`. `.attrs["notes"]` has a sentence for
    each variant that was not compared in full, and where most fields hold no value or texts and
    fields tell different things.
    """
    import pandas as pd

    rows = [
        _row(comparison, at, tally) for at, tally in enumerate(comparison.reading.tallies)
    ]  # fmt: skip
    frame = pd.DataFrame(rows)
    rows_of_lists = ["rows_invented", "rows_missed"]
    values = ["invented", "missed", "nulls_in_words"]
    counts = ["texts", "scored", *values, *rows_of_lists, *FAILURES]
    counts += ["lost", "unanswered", "timed_out"]
    texts = ["variant", "model", "effort", "mode"]
    for name in frame.columns.difference([*counts, *texts], sort=False):
        frame[name] = frame[name].astype(float)
    frame.attrs["notes"] = [*not_in_full(comparison), *caveats.sentences(comparison)]
    return frame


def not_in_full(comparison: Comparison) -> tuple[str, ...]:
    """A sentence for each variant with answers that were too large to compare in full."""
    said = []
    for label, tally in zip(comparison.labels, comparison.reading.tallies, strict=True):
        if tally.notes:
            reasons = list(dict.fromkeys(note for each in tally.notes.values() for note in each))
            more = f" And {len(reasons) - 1} more like it." if len(reasons) > 1 else ""
            first, _, reason = reasons[0].partition(": ")
            said.append(
                f"{label}: {few(tally.notes)} {'was' if len(tally.notes) == 1 else 'were'} not "
                f"compared in full. In {first}: {reason}{more}"
            )
    return tuple(said)


def _row(comparison: Comparison, at: int, tally: Tally) -> dict[str, Any]:
    scores = tally.mean_scores
    low, high = bounds(tally)
    asked = len(comparison.texts) * comparison.repeats
    p50, p95 = quantiles(tally.seconds)
    whole = tally.counts.total
    return {
        "variant": comparison.labels[at],
        "model": comparison.models[at],
        "effort": comparison.variants[at].effort or "",
        "mode": " / ".join(tally.modes),
        "texts": len(comparison.texts),
        "scored": len(scores),
        "valid": tally.statuses["ok"] / asked,
        "accuracy": _mean(list(scores.values())),
        "accuracy_low": low,
        "accuracy_high": high,
        "perfect": _mean([sum(each) / len(each) for each in tally.perfect.values()]),
        "pooled": whole.accuracy,
        "invented": tally.invented,
        "missed": tally.missed,
        "nulls_in_words": tally.nulls_in_words,
        "rows_right": tally.rows_right / tally.rows if tally.rows else None,
        "rows_invented": tally.rows_invented,
        "rows_missed": tally.rows_missed,
        **{name: tally.statuses[name] for name in FAILURES},
        "p50_seconds": p50,
        "p95_seconds": p95,
        "input_tokens": tally.input_tokens,
        "output_tokens": tally.output_tokens,
        "reasoning_tokens": tally.reasoning_tokens,
        "cost": tally.total_cost,
        "paid_now": tally.total_paid_now,
        "cost_per_1000": tally.cost_per_1000,
        "p50_waiting_seconds": quantiles(tally.waiting)[0],
        "precision": whole.precision,
        "recall": whole.recall,
        "f1": whole.f1,
        **_losses(tally),
        "timed_out": tally.timed_out,
    }


def _losses(tally: Tally) -> dict[str, Any]:
    """How many labelled texts have no usable reply, and what the others are worth."""
    scores, lost, silent = tally.mean_scores, len(tally.lost), len(tally.unanswered)
    low, high = loss_interval(lost, len(scores)) if scores else (None, None)
    return {
        "lost": lost,
        "loss_low": low,
        "loss_high": high,
        "answered_accuracy": _mean(list(tally.came_scores.values())),
        "unanswered": silent,
        "accuracy_if_wrong": _mean([*scores.values(), *[0.0] * silent]),
    }


def bounds(tally: Tally) -> tuple[float | None, float | None]:
    """The 95 % interval of the accuracy; None, None where too few texts are scored for one."""
    scores = list(tally.mean_scores.values())
    if len(scores) < 2:
        return None, None
    low, high = mean_interval(scores)
    return float(low), float(high)


def accuracy(tally: Tally) -> float | None:
    """The mean over scored texts of the share of labelled fields right; None without any."""
    return _mean(list(tally.mean_scores.values()))


def quantiles(seconds: list[float]) -> tuple[float | None, float | None]:
    """Median and 95th percentile, None without any."""
    import numpy as np

    if not seconds:
        return None, None
    p50, p95 = np.percentile(seconds, [50, 95])
    return float(p50), float(p95)


def tested(comparison: Comparison) -> Tested | None:
    """All variants tested in pairs, by the texts that were scored; None where none was."""
    tallies = comparison.reading.tallies
    if not any(tally.scores for tally in tallies):
        return None
    columns = [
        Column(
            label,
            tally.mean_scores,
            tally.cost_per_1000,
            lost=frozenset(tally.lost),
            unanswered=tally.unanswered,
        )
        for label, tally in zip(comparison.labels, tallies, strict=True)
    ]
    groups = {text.id: text.group for text in comparison.texts}
    return significance.in_pairs(
        columns,
        groups=groups if any(groups.values()) else None,
        looks=looks.taken(comparison),
        repeats=comparison.repeats,
    )


def unscored(comparison: Comparison) -> Verdict:
    """The verdict where nothing was scored: what is known without truth."""
    return Verdict(_unscored(comparison))


def _unscored(comparison: Comparison) -> str:
    labelled = any(is_labelled(text) for text in comparison.texts)
    valid = sum(tally.statuses["ok"] for tally in comparison.reading.tallies)
    total = len(comparison)
    answers = f"{valid} of {total} replies are valid records"
    if labelled:
        return f"{answers}; no labelled text was answered, so nothing is scored."
    if len(comparison.variants) == 1:
        return f"{answers}; without truth nothing says whether they are right."
    rows = comparison.reading.differing
    return (
        f"{answers}; the variants differ in {rows} {'row' if rows == 1 else 'rows'}. "
        "Without truth nothing says which of them is right."
    )


def _mean(values: list[float]) -> float | None:
    return sum(values) / len(values) if values else None
