"""Why calls brought nothing, and what to do: a sentence for each variant and cause."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from llmwidgets.comparison.core import CellKey, ResultData, measure_once
from llmwidgets.comparison.measures.aggregate import aggregate
from llmwidgets.engine.journal_rows import NO_OUTPUT
from llmwidgets.errors import FAILURES
from llmwidgets.formatting import count

_NAMED = 4
"""Causes that are told; of any more, only their number."""
_READ = 2_000
"""Rows of a variant that are read; what failed once behind them is in its own extraction."""
_AT_ONCE = 200


class Cause(NamedTuple):
    """What went wrong with some calls of a variant, in the words of its commonest failure."""

    variant: str
    calls: int
    sentence: str


@measure_once
def find_causes(results: ResultData) -> tuple[Cause, ...]:
    """Every cause of every variant, the most frequent first.

    Calls that the model did not answer always count, its own failures where it left no record at
    all. Nothing is read of a variant without either.
    """
    causes = []
    for at, stats in enumerate(aggregate(results).stats):
        no_record = not stats.statuses["ok"]
        wanted = {
            name
            for name, kind in FAILURES.items()
            if stats.statuses[name] and name != "Stopped" and (no_record or not kind.scored)
        }
        if wanted:
            causes += _causes_of(results, at, wanted)
    return tuple(sorted(causes, key=lambda cause: -cause.calls))


def explain_failures(results: ResultData) -> tuple[str, ...]:
    """The causes in sentences: what happened, why, and what to do now; at most a few."""
    causes = find_causes(results)
    said = [cause.sentence for cause in causes[:_NAMED]]
    if len(causes) > _NAMED:
        more = count(len(causes) - _NAMED, "more cause")
        said.append(f"And {more}: .failure of each extraction says what happened to it.")
    return tuple(said)


def _causes_of(results: ResultData, variant: int, wanted: set[str]) -> list[Cause]:
    times = Counter(
        results.rows.id(CellKey(variant, text, repeat))
        for text in range(results.rows.texts)
        for repeat in range(results.repeats)
    )
    times.pop(0, None)
    # What a run did not ask any more is one row: it stands for most calls, and is read first.
    ids = [id_ for id_, _ in times.most_common(_READ)]
    alike: dict[tuple[str, str], Counter[str]] = {}
    for first in range(0, len(ids), _AT_ONCE):
        some = ids[first : first + _AT_ONCE]
        for id_, row in zip(some, results.journal.get_all(some), strict=True):
            if row.status in wanted and row.code != NO_OUTPUT:
                words = f"{row.message} {row.hint}".strip()
                alike.setdefault((row.status, row.code), Counter())[words] += times[id_]
    label = results.labels[variant]
    return [
        Cause(label, words.total(), f"{label}: {words.most_common(1)[0][0]}")
        for words in alike.values()
    ]
