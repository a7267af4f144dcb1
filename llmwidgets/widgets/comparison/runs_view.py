"""RunsController: earlier runs of the same fields in this journal, and two beside each other."""

from __future__ import annotations

import asyncio
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, TypedDict

from llmwidgets import formatting
from llmwidgets.analysis.statistics.changes import name_days
from llmwidgets.comparison import history
from llmwidgets.comparison.core import ResultData
from llmwidgets.comparison.history import compare_with_earlier
from llmwidgets.comparison.measures.changes import FoundChanges, match_texts
from llmwidgets.comparison.run_settings import match_variants
from llmwidgets.engine.journal import Journal
from llmwidgets.engine.journal_file import journal_location
from llmwidgets.engine.journal_runs import RunRecord, read_runs, token_of
from llmwidgets.formatting import count, join_truncated, percent
from llmwidgets.widgets.comparison.grid_model import display_value
from llmwidgets.widgets.comparison.results import ShownResult
from llmwidgets.widgets.comparison.run import RunController
from llmwidgets.widgets.comparison.setup import ScreenName
from llmwidgets.widgets.comparison.setup_controller import SetupController
from llmwidgets.widgets.panel import Content, Sentence, whole_in

if TYPE_CHECKING:
    from llmwidgets.analysis.statistics.changes import VariantChange
    from llmwidgets.engine.request_builder import Document

_MOST_FLIPS = 50
_LONGEST = 120


class _RunRow(TypedDict):
    """One run; `shown` is the one on the screen that this was opened from."""

    id: int
    ticked: bool
    shown: bool
    date: str
    texts: str
    models: str
    best: str
    calls: str
    cost: str
    unknown: str


class _ChangeRow(TypedDict):
    variant: int
    letter: str
    label: str
    before: str
    now: str
    change: str
    certain: bool
    interval: list[float] | None
    said: str
    to_wrong: str
    to_right: str
    show: str


class _ComparedState(TypedDict):
    headline: str
    details: str
    heads: list[str]
    scale: list[float]
    rows: list[_ChangeRow]


class RunsState(TypedDict):
    """The whole screen; no text and no value."""

    said: str
    empty: Sentence | None
    rows: list[_RunRow]
    pair: str
    ready: bool
    compared: _ComparedState | None


class _FlipRow(TypedDict):
    text: str
    field: str
    truth: str
    before: str
    now: str
    right: bool


class FlipsState(TypedDict):
    """The fields of one variant that flipped, with their values: sent when they are asked for."""

    letter: str
    label: str
    heads: list[str]
    said: str
    rows: list[_FlipRow]


@dataclass(slots=True)
class _Known:
    """What the list was made of."""

    journal: Journal | None
    runs: tuple[RunRecord, ...]
    documents: Sequence[Document]
    shown: int = 0
    """The run whose result is on the screen; 0 if that is of no run here."""


class RunsController:
    """The list of earlier runs: opened from the choices or a result, two ticked and compared."""

    def __init__(self, choices: SetupController, result: ShownResult, run: RunController) -> None:
        self._screen, self._setup = choices.screen, choices.setup
        self._result, self._run, self._page = result, run, result.page
        self._from: ScreenName = "setup"
        self._known = _Known(None, (), ())
        self._ticked: list[int] = []
        self._found: FoundChanges | None = None

    @property
    def label(self) -> Literal["", "Earlier runs"]:
        """What leads here; empty where no journal can have a run of these fields."""
        there = self._result.comparison is not None or bool(self._setup.documents)
        return "Earlier runs" if there and self._journal_exists() else ""

    @property
    def back(self) -> str:
        return "Back to the result" if self._from == "results" else "Back to the choices"

    async def act_open(self, _content: Content) -> None:
        """Read the runs; the shown one and the one before it are ticked."""
        if self._screen.name != "runs":
            self._from = self._screen.name
        self._known = await asyncio.to_thread(self._read)
        runs = [each.id for each in self._known.runs]
        at = runs.index(self._known.shown) if self._known.shown in runs else 0
        self._ticked, self._found = runs[at : at + 2], None
        self._screen.name = "runs"
        self._page.push()

    async def act_back(self, _content: Content) -> None:
        self._screen.name, self._found = self._from, None
        self._page.push()

    async def act_tick(self, content: Content) -> None:
        """Tick a run, or take its tick away; of three, the oldest tick goes."""
        run = whole_in(content, "run")
        if run in self._ticked:
            self._ticked.remove(run)
        elif any(run == each.id for each in self._known.runs):
            self._ticked = [*self._ticked[-1:], run]
        self._found = None
        self._page.push()

    async def act_compare(self, _content: Content) -> None:
        """Set the two that are ticked beside each other."""
        pair = self._pair()
        if pair is not None:
            self._found = await self._result.work(self._compare, *pair)
            self._page.push()

    async def act_flips(self, content: Content) -> None:
        """The fields of one variant that flipped, with their values."""
        found, at = self._found, whole_in(content, "variant")
        if found is not None and 0 <= at < len(found.now.variants):
            flips = await self._result.work(_flips_view, found, at)
            self._page.send({"type": "flips", **flips})

    # -- what there is

    def _journal_exists(self) -> bool:
        comparison, run = self._result.comparison, self._run.run
        if run is not None or (comparison is not None and comparison.journal.path is not None):
            return True
        path, _ = journal_location(None)
        return path is not None and path.is_file()

    def _journal(self) -> Journal | None:
        """The journal of what is on the screen; else that of the runs here, else the usual one."""
        comparison, run = self._result.comparison, self._run.run
        if comparison is not None and comparison.journal.path is not None:
            return comparison.journal
        if run is not None:
            return run.journal
        return Journal() if self._journal_exists() else None

    def _read(self) -> _Known:
        comparison = self._result.comparison
        documents = comparison.texts if comparison is not None else self._setup.documents
        journal = self._journal()
        if journal is None:
            return _Known(None, (), documents)
        name = history.name_schemas(documents)
        runs = tuple(each for each in read_runs(journal.query) if each.facts.schema == name)
        token = ""
        if comparison is not None:
            token = token_of(array("q", map(comparison.rows.id, comparison.rows.cells())))
        shown = next((each.id for each in runs if each.token == token), 0)
        return _Known(journal, runs, documents, shown)

    def _pair(self) -> tuple[RunRecord, RunRecord] | None:
        """The two that are ticked: the later one, and the earlier one."""
        some = [each for each in self._known.runs if each.id in self._ticked]
        return (some[0], some[1]) if len(some) == 2 else None

    def _results(self, record: RunRecord) -> ResultData:
        comparison, known = self._result.comparison, self._known
        if comparison is not None and record.id == known.shown:
            return comparison
        scoring = comparison.scoring if comparison is not None else None
        assert known.journal is not None
        return history.results_of_record(record, known.journal, known.documents, scoring)

    def _compare(self, now: RunRecord, before: RunRecord) -> FoundChanges:
        changed = history.changes_between(
            history.Asked.of_record(now), history.Asked.of_record(before)
        )
        sides = self._results(now), self._results(before)
        return compare_with_earlier(*sides, self._result.matters, changed)

    # -- what is shown

    def view(self) -> RunsState:
        """The whole screen."""
        runs, pair = self._known.runs, self._pair()
        name = formatting.shorten(history.name_schemas(self._known.documents), 60)
        empty: Sentence | None = None
        if not runs:
            empty = {
                "sentence": f"There is no earlier run of {name} in this journal.",
                "hint": "Each run from now on leaves its record here when it ends.",
            }
        return {
            "said": f"{count(len(runs), 'run')} of {name} in this journal" if runs else "",
            "empty": empty,
            "rows": [self._row(each) for each in runs],
            "pair": _pair_words(*pair) if pair else "Tick two runs to compare them.",
            "ready": pair is not None,
            "compared": None if self._found is None else _compared_view(self._found),
        }

    def _row(self, run: RunRecord) -> _RunRow:
        labels = [each.label for each in run.facts.variants]
        cost, unknown = history.cost_words(run)
        days = [each.when.astimezone().date() for each in self._known.runs]
        moment = run.when.astimezone()
        several = days.count(moment.date()) > 1
        return {
            "id": run.id,
            "ticked": run.id in self._ticked,
            "shown": run.id == self._known.shown,
            "date": formatting.format_moment(moment) if several else formatting.format_day(moment),
            "texts": history.texts_words(run),
            "models": join_truncated(labels, 6),
            "best": history.best_words(run),
            "calls": f"{run.facts.calls:,}",
            "cost": cost,
            "unknown": unknown,
        }


def _pair_words(now: RunRecord, before: RunRecord) -> str:
    """What two runs have in common."""
    texts = len(match_texts(now.texts(), before.texts()))
    sides = history.Asked.of_record(now), history.Asked.of_record(before)
    models = len(match_variants(*sides))
    then, day = name_days(before.when, now.when)
    common = f"{count(texts, 'text')} and {count(models, 'model')}"
    return f"{day} with {then}: both have {common} in common."


def _compared_view(found: FoundChanges) -> _ComparedState:
    verdict, labels = found.verdict, found.now.labels
    rows = [_change_row(each, labels.index(each.label)) for each in verdict.changes]
    ends = [abs(end) for row in rows for end in row["interval"] or ()]
    widest = max([1.0, *ends])
    return {
        "headline": verdict.headline,
        "details": verdict.details,
        "heads": [f"{day}, % right" for day in verdict.days],
        "scale": [-widest, widest],
        "rows": rows,
    }


def _change_row(each: VariantChange, at: int) -> _ChangeRow:
    interval, said = None, "too few texts" if each.texts else "not scored"
    if each.low is not None and each.high is not None and each.change is not None:
        low, change, high = (round(100 * end, 1) for end in (each.low, each.change, each.high))
        interval = [low, change, high]
        said = f"{_side(change)}, {_side(low)} to {_side(high)}"
    flips = each.to_wrong + each.to_right
    points = "–" if each.change is None else formatting.signed_points(round(100 * each.change, 1))
    return {
        "variant": at,
        "letter": formatting.variant_letter(at),
        "label": each.label,
        "before": percent(each.before),
        "now": percent(each.now),
        "change": points,
        "certain": each.told_apart,
        "interval": interval,
        "said": said,
        "to_wrong": f"{each.to_wrong:,}",
        "to_right": f"{each.to_right:,}",
        "show": f"Show the {flips:,}" if flips else "",
    }


def _side(points: float) -> str:
    return f"{abs(points):.1f} {'worse' if points < 0 else 'better'}" if points else "0"


def _flips_view(found: FoundChanges, at: int) -> FlipsState:
    """The first flips of a variant, to wrong before to right."""
    before = dict(match_variants(found.now, found.before))[at]
    flips = sorted(
        (each for each in found.flips if each.variant == at), key=lambda each: each.to_right
    )
    rows: list[_FlipRow] = []
    for flip in flips[:_MOST_FLIPS]:
        values = (
            formatting.shorten(display_value(each, "no value"), _LONGEST)
            for each in found.values(flip, before)
        )
        truth, then, now = values
        rows.append(
            {
                "text": found.now.texts[flip.text].id,
                "field": flip.path or "all fields",
                "truth": truth,
                "before": then,
                "now": now,
                "right": flip.to_right,
            }
        )
    more = len(flips) - len(rows)
    return {
        "letter": formatting.variant_letter(at),
        "label": found.now.labels[at],
        "heads": list(found.verdict.days),
        "said": f"{more:,} more: comparison.against(earlier) has every one." if more else "",
        "rows": rows,
    }
