"""The bars of llmwidgets compare: which were not met and why, in a line and as JUnit XML."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator
from itertools import chain
from pathlib import Path

from llmwidgets import formatting
from llmwidgets.analysis.statistics.changes import ChangeVerdict
from llmwidgets.analysis.statistics.verdict import MATTERS
from llmwidgets.cli.arguments import CompareOptions
from llmwidgets.comparison import Comparison, load
from llmwidgets.comparison.history import compare_with_earlier
from llmwidgets.comparison.measures.causes import find_causes
from llmwidgets.comparison.measures.scores import score_rows
from llmwidgets.errors import FAILURES, CallError, FieldError
from llmwidgets.report.junit import TestCase, write_junit
from llmwidgets.report.scoreboard import ScoreRow

NOT_WORSE = "not worse"


class Bars:
    """What was asked of every variant. What it is compared with is read before the first call."""

    def __init__(self, options: CompareOptions) -> None:
        self._options, self._begun = options, time.monotonic()
        if options.margin is not None and options.not_worse_than is None:
            raise FieldError(
                {"--margin": "is what --not-worse-than allows."}, "Give --not-worse-than FILE too."
            )
        self._earlier = load(options.not_worse_than) if options.not_worse_than else None
        self._margin = MATTERS if options.margin is None else options.margin

    def judge(self, comparison: Comparison) -> tuple[list[TestCase], ChangeVerdict | None]:
        """One case per variant and bar, and what has changed since the earlier run."""
        bars = ("accuracy", self._options.min_accuracy), ("valid", self._options.min_valid)
        rows = score_rows(comparison)
        cases = [_finished(row) for row in rows]
        for name, bar in bars:
            if bar is not None:
                cases += [_case(row, name, bar) for row in rows]
        if self._earlier is None:
            return cases, None
        verdict = compare_with_earlier(comparison, self._earlier, self._margin).verdict
        fails = verdict.fails("--margin ")
        if not verdict.changes:
            cases.append(TestCase("all", NOT_WORSE, "no variant is in both runs"))
        names = (each.label for each in verdict.changes)
        return [
            *cases,
            *(TestCase(each, NOT_WORSE, fails.get(each, "")) for each in names),
        ], verdict

    def missed(self, cases: Iterable[TestCase], comparison: Comparison) -> Iterator[str]:
        """What was not met, as one line says it."""
        by_bar: dict[str, list[TestCase]] = {}
        for case in cases:
            if case.reason and not case.ended_early:
                by_bar.setdefault(case.name, []).append(case)
        for row in filter(_unanswered, score_rows(comparison)):
            yield f"any answer from {row.variant} ({row.failed})"
        shares = {row.variant: row for row in score_rows(comparison)}
        bars = ("accuracy", self._options.min_accuracy), ("valid", self._options.min_valid)
        for name, bar in bars:
            if low := by_bar.get(name):
                said = (f"{each.variant} {_share(shares[each.variant], name)}" for each in low)
                yield f"{name} {bar:g} by {', '.join(said)}"
        if over := sum(row.failures["OverBudget"] for row in shares.values()):
            budget = self._options.budget
            limit = "of the policy" if budget is None else f"{budget:g} US$"
            calls = formatting.count(len(comparison), "call")
            yield f"budget {limit}, {over} of {calls} {'was' if over == 1 else 'were'} left out"
        if worse := by_bar.get(NOT_WORSE):
            reasons = ". ".join(each.reason for each in worse)
            yield f"not worse than {self._options.not_worse_than}: {reasons}"

    def write(
        self,
        path: Path,
        cases: list[TestCase],
        comparison: Comparison,
        changes: ChangeVerdict | None,
    ) -> Path:
        """JUnit XML, with the figures of each variant as properties; no text and no value."""
        figures = dict(chain.from_iterable(map(_figures, score_rows(comparison))))
        if changes is not None:
            figures["since"] = changes.since.isoformat(timespec="seconds")
            figures["margin"] = f"{changes.margin:g}"
            for each in changes.changes:
                for name in ("change", "low", "high", "worse_by", "to_wrong", "to_right"):
                    value = getattr(each, name)
                    figures[f"{each.label}.{name}"] = _number(value)
        seconds = time.monotonic() - self._begun
        return write_junit(
            path, "llmwidgets compare", cases, figures, made_at=comparison.made_at, seconds=seconds
        )


def _case(row: ScoreRow, name: str, bar: float) -> TestCase:
    share = getattr(row, name)
    met = share is not None and share >= bar
    return TestCase(row.variant, name, "" if met else f"{_share(row, name)} is under {bar:g}")


def _share(row: ScoreRow, name: str) -> str:
    share = getattr(row, name)
    return formatting.plain_share(float("nan") if share is None else share)


def _finished(row: ScoreRow) -> TestCase:
    """Whether every text was asked: not where the run was interrupted or its budget reached."""
    calls = formatting.count(row.asked, "call")
    if stopped := row.failures["Stopped"]:
        reason = f"interrupted: {stopped} of {calls} not made"
        return TestCase(row.variant, "finished", reason, ended_early=True)
    over = row.failures["OverBudget"]
    reason = f"budget: {over} of {calls} left out" if over else ""
    if _unanswered(row):
        reason = f"no answer: {row.failed}"
    return TestCase(row.variant, "finished", reason)


def explain_silence(comparison: Comparison) -> list[str]:
    """Why a variant answered nothing at all, and what to do: its most frequent cause."""
    silent = {row.variant for row in filter(_unanswered, score_rows(comparison))}
    first: dict[str, str] = {}
    for cause in find_causes(comparison) if silent else ():
        if cause.variant in silent:
            first.setdefault(cause.variant, cause.sentence)
    return list(first.values())


def _unanswered(row: ScoreRow) -> bool:
    """Whether no call reached the model: its connection does not work."""
    return 0 < row.asked == sum(row.failures[name] for name in _NOT_REACHED)


_NOT_REACHED = [name for name, each in FAILURES.items() if issubclass(each, CallError)]
_OF_A_ROW = (
    "accuracy", "accuracy_low", "accuracy_high", "scored", "valid", "lost", "unanswered", "cost",
)  # fmt: skip


def _figures(row: ScoreRow) -> Iterator[tuple[str, str]]:
    for name in _OF_A_ROW:
        yield f"{row.variant}.{name}", _number(getattr(row, name))


def _number(value: float | None) -> str:
    return formatting.UNKNOWN if value is None else f"{round(value, 9) + 0.0:.6g}"
