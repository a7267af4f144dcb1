"""Scoreboard and verdict: what a comparison's tallies say about each variant."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmwidgets.analysis import significance
from llmwidgets.analysis.intervals import FEWEST_TEXTS
from llmwidgets.analysis.significance import Scores, Tested
from llmwidgets.analysis.verdict import Standing, Verdict
from llmwidgets.comparison import scoreboard_text
from llmwidgets.comparison.scored import CellKey, is_labelled
from llmwidgets.comparison.texts import join_truncated, spread_evenly
from llmwidgets.errors import FAILURES

if TYPE_CHECKING:
    import pandas as pd

    from llmwidgets.comparison.aggregate import VariantStats
    from llmwidgets.comparison.comparison import Comparison


def scoreboard(comparison: Comparison) -> pd.DataFrame:
    """One row per variant. Shares are 0–1, times seconds, money US dollars; NaN is unknown.

    What the columns mean is said at `Comparison.scoreboard`. `.attrs["notes"]` has a sentence for
    each variant that was not compared in full, and where most fields hold no value or texts and
    fields tell different things.
    """
    import pandas as pd

    frame = pd.DataFrame(
        [_row(comparison, at, tally) for at, tally in enumerate(comparison.reading.tallies)]
    )
    rows_of_lists = ["rows_invented", "rows_missed"]
    values = ["invented", "missed", "nulls_in_words"]
    counts = ["texts", "scored", *values, *rows_of_lists, *FAILURES]
    counts += ["lost", "unanswered", "timed_out"]
    texts = ["variant", "model", "effort", "mode"]
    for name in frame.columns.difference([*counts, *texts], sort=False):
        frame[name] = frame[name].astype(float)
    frame.attrs["notes"] = [*not_in_full(comparison), *scoreboard_text.caveat_sentences(comparison)]
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
                f"{label}: {join_truncated(tally.notes)} "
                f"{'was' if len(tally.notes) == 1 else 'were'} not "
                f"compared in full. In {first}: {reason}{more}"
            )
    return tuple(said)


def _row(comparison: Comparison, at: int, tally: VariantStats) -> dict[str, Any]:
    low, high = bounds(comparison, at)
    asked = len(comparison.texts) * comparison.repeats
    p50, p95 = quantiles(tally.seconds)
    whole = tally.counts.total
    return {
        "variant": comparison.labels[at],
        "model": comparison.models[at],
        "effort": comparison.variants[at].effort or "",
        "mode": " / ".join(tally.modes),
        "texts": len(comparison.texts),
        "scored": len(tally.scores),
        "valid": tally.statuses["ok"] / asked,
        "accuracy": tally.accuracy,
        "accuracy_low": low,
        "accuracy_high": high,
        "perfect": tally.perfect_share,
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
        **_losses(comparison.standings[at], tally),
        "timed_out": tally.timed_out,
    }


def _losses(standing: Standing | None, tally: VariantStats) -> dict[str, Any]:
    """How many labelled texts have no usable reply, and what the others are worth."""
    unanswered = len(tally.unanswered)
    return {
        "lost": len(tally.lost),
        "loss_low": standing.loss_low if standing else None,
        "loss_high": standing.loss_high if standing else None,
        "answered_accuracy": standing.answered_accuracy if standing else None,
        "unanswered": unanswered,
        "accuracy_if_wrong": standing.accuracy_if_wrong
        if standing
        else 0.0
        if unanswered
        else None,
    }


def bounds(comparison: Comparison, at: int) -> tuple[float | None, float | None]:
    """The 95 % interval of an accuracy; None, None where too few texts are scored for one."""
    standing = comparison.standings[at]
    if standing is None or (standing.low, standing.high) == (0.0, 1.0):
        return None, None
    return standing.low, standing.high


def standings(comparison: Comparison) -> tuple[Standing | None, ...]:
    """Each variant by itself, with the bounds of the verdict; None where none is scored.

    It is not a look at the verdict, but its bounds allow for the looks there were.
    """
    level, groups = significance.level_after(known_looks(comparison)), _groups(comparison)
    return tuple(
        significance.standing(column, groups, level) if column.scores else None
        for column in _columns(comparison)
    )


def quantiles(seconds: list[float]) -> tuple[float | None, float | None]:
    """Median and 95th percentile, None without any."""
    import numpy as np

    if not seconds:
        return None, None
    p50, p95 = np.percentile(seconds, [50, 95])
    return float(p50), float(p95)


def tested(comparison: Comparison) -> Tested | None:
    """All variants tested in pairs, by the texts that were scored; None where none was."""
    columns = _columns(comparison)
    if not any(column.scores for column in columns):
        return None
    return significance.compare_variants(
        columns,
        groups=_groups(comparison),
        looks=record_look(comparison),
        repeats=comparison.repeats,
    )


def _columns(comparison: Comparison) -> list[Scores]:
    return [
        Scores(
            label,
            tally.mean_scores,
            tally.cost_per_1000,
            lost=frozenset(tally.lost),
            unanswered=tally.unanswered,
        )
        for label, tally in zip(comparison.labels, comparison.reading.tallies, strict=True)
    ]


def _groups(comparison: Comparison) -> dict[str, str] | None:
    """The group of each text; None where each stands alone."""
    groups = {text.id: text.group for text in comparison.texts}
    return groups if any(groups.values()) else None


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


# -- Looks: at how many scored texts a verdict was shown, for the same replies.
#
# Who looks again with every few labels, and stops when models are told apart, finds differences
# that
# are not there; so each look is counted, also across runs that share replies in a journal.

_KEYS = 8
"""How many replies stand for all those of a variant that a look was at."""


def known_looks(comparison: Comparison) -> tuple[int, ...]:
    """The looks up to one at the texts scored now, counted or not; none at too few for a verdict.

    A look at as many texts as before is not a new one.
    """
    tallies = comparison.reading.tallies
    scored = len({text for tally in tallies for text in tally.scores})
    if scored < FEWEST_TEXTS:
        return ()
    comparison.looks.update(comparison.journal.looks(comparison.rows.ids))
    return tuple(sorted(each for each in {*comparison.looks, scored} if each <= scored))


def record_look(comparison: Comparison) -> tuple[int, ...]:
    """The looks up to this one, which is counted.

    While replies are still coming it is not: what is shown then is not yet the result.
    """
    found = known_looks(comparison)
    if found and found[-1] not in comparison.looks and not comparison.rows.open:
        comparison.looks.add(found[-1])
        comparison.journal.put_look(found[-1], _keys(comparison))
    return found


def _keys(comparison: Comparison) -> list[list[str]]:
    """For each variant the journal's keys of some scored replies, evenly spread."""
    found = []
    places = {text.id: at for at, text in enumerate(comparison.texts)}
    for variant, tally in enumerate(comparison.reading.tallies):
        texts = [places[name] for name in tally.scores]
        some = (texts[at] for at in spread_evenly(len(texts), _KEYS))
        rows = [comparison.row(CellKey(variant, text, 0)) for text in some]
        if keys := [row.key for row in rows if row.answered and row.key]:
            found.append(keys)
    return found
