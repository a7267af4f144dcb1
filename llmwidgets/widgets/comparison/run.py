"""RunController: start and stop a run, show how far it is, and the comparison so far."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Literal, TypedDict

from llmwidgets import formatting
from llmwidgets.comparison.comparison import Comparison
from llmwidgets.comparison.core import CellKey, results_of_run
from llmwidgets.comparison.history import record_run
from llmwidgets.comparison.measures.stability import read_repeated
from llmwidgets.comparison.runs import read_rules
from llmwidgets.engine.journal import Journal
from llmwidgets.engine.network import egress
from llmwidgets.engine.run import Run, VariantState
from llmwidgets.engine.runs.watch import state_words
from llmwidgets.errors import FAILURES, Failure, NotAsked
from llmwidgets.formatting import count, dollars
from llmwidgets.widgets.comparison.grid_model import may_ask_again
from llmwidgets.widgets.comparison.labels import LabelController
from llmwidgets.widgets.comparison.results import Remainder, ShownResult
from llmwidgets.widgets.comparison.setup import Setup
from llmwidgets.widgets.comparison.setup_controller import SetupController, whole_words
from llmwidgets.widgets.comparison.setup_view import TRIAL, expected_words
from llmwidgets.widgets.panel import Content, Sentence

if TYPE_CHECKING:
    from llmwidgets.comparison.runs import RunPlan
    from llmwidgets.engine.run import ProgressEvent, VariantProgress


_COUNT_SECONDS = 0.5


class _NowState(TypedDict):
    icon: Literal["", "ok", "fail", "wait"]
    tone: Literal["", "ok", "fail", "warn"]
    text: str


class _ProgressState(TypedDict):
    letter: str
    label: str
    done: int
    failed: int
    total: int
    count: str
    median: str
    cost: str
    now: _NowState


class RunningState(TypedDict):
    """How far each column is, what it cost, what can be done now."""

    status: str
    said: str
    stop: str
    stopping: bool
    again: str
    resume: str
    show: str
    note: Sentence | None
    foot: str
    differences: str
    columns: list[_ProgressState]


class RunController:
    """The run of a panel: begun from the choices, watched, its result shown."""

    def __init__(
        self, choices: SetupController, result: ShownResult, labels: LabelController
    ) -> None:
        self._choices, self._screen = choices, choices.screen
        self._result, self._labels, self._page = result, labels, result.page
        self.run: LiveRun | None = None
        self._watched: LiveRun | None = None

    @property
    def ongoing(self) -> bool:
        """Whether a run has begun and not ended."""
        return self.run is not None and not self.run.ended

    def stop(self) -> None:
        """Stop the run; every reply that came is kept."""
        if self.run is not None:
            self.run.run.stop()

    close = stop

    async def act_start(self, content: Content) -> None:
        """Run all texts, or the first few of them."""
        if not self.ongoing and not self._choices.setup.missing():
            await self._begin(TRIAL if content.get("trial") else None)

    async def act_stop(self, _content: Content) -> None:
        self.stop()
        self._page.push()

    async def act_resume(self, _content: Content) -> None:
        """Ask for the rest: what was answered is read from the journal."""
        if self.run is not None and self.run.ended and not self._choices.setup.missing():
            await self._begin()

    async def act_show(self, _content: Content) -> None:
        run = self.run
        if run is None:
            return
        if not run.ended:
            await asyncio.to_thread(self._watch, run)
        elif self._result.comparison is None:
            await self._show(run)
            return
        else:
            self._screen.name = "results"
        self._page.push()

    async def act_back(self, _content: Content) -> None:
        """Back from the choices to the result, or to the run."""
        if self.ongoing:
            self._screen.name = "running"
        else:
            self._screen.name = "results" if self._result.comparison else "setup"
        self._page.push()

    async def act_again(self, _content: Content) -> None:
        self._screen.name = "running" if self.ongoing else "setup"
        self._choices.estimate()
        self._page.push()

    async def _begin(self, first: int | None = None) -> None:
        setup, result = self._choices.setup, self._result
        plan = await asyncio.to_thread(setup.asked)
        kept = self.run.journal if self.run is not None else None
        run = LiveRun(plan, setup, self._page.push_soon, first, kept)
        result.foretold = expected_words(setup, result.matters, result.deviation, first)
        self.run, self._screen.name = run, "running"
        self._choices.journal = run.journal
        await asyncio.to_thread(run.start)
        self._page.push()
        self._page.submit(self._follow(run))

    async def _follow(self, run: LiveRun) -> None:
        await run.finished()
        await asyncio.to_thread(record_run, run.run, None)
        if run is not self.run:
            return
        if self._watched is run:
            # Every reply is there: the grid stays as it is looked at, scores are final.
            await asyncio.to_thread(run.settle)
            await asyncio.to_thread(self._labels.grid.end_growth)
            self._page.push()
        elif run.stopped:
            await asyncio.to_thread(lambda: self._labels.show(run.comparison()))
            self._page.push()
        else:
            await self._show(run)

    def _watch(self, run: LiveRun) -> None:
        """Show what there is so far; the rest comes in as it is given."""
        self._screen.name, self._watched = "results", run
        self._labels.show(run.live(self._labels.grid.grew), live=True)

    async def _show(self, run: LiveRun) -> None:
        await asyncio.to_thread(lambda: self.show(run.comparison()))
        self._page.push()
        if run.left:
            self._choices.estimate()

    def show(self, comparison: Comparison) -> None:
        self._screen.name = "results"
        self._labels.show(comparison)

    def again(self) -> str:
        """The label of the step back from a result."""
        if self.ongoing:
            return "Back to the run"
        return "Start over" if self._choices.setup.documents else ""

    def remainder(self) -> Remainder:
        """Where the result that is shown is not whole."""
        if self.run is None or self._result.comparison is None:
            return {"facts": [], "notes": [], "resume": ""}
        remainder = self.run.remainder()
        if self.run.left and self.run.ended:
            texts = len(self._result.comparison.texts) + self.run.left
            whole = whole_words(self._choices.cost.estimate, texts)
            remainder["facts"] += [whole] if whole else []
        return remainder


class LiveRun:
    """A run and what the page is shown of it; `changed` is called at each news.

    `first` asks only that number of the texts; the rest can be asked later.
    """

    def __init__(
        self, asked: RunPlan, setup: Setup, changed: Callable[[], None], first: int | None = None,
        kept: Journal | None = None,
    ) -> None:  # fmt: skip
        self._texts = len(asked.plan.texts)
        plan = replace(asked.plan, texts=asked.plan.texts[:first])
        self.asked, self.budget = replace(asked, plan=plan), setup.options.budget
        # One in memory has the replies of the runs before.
        self.journal = kept if kept is not None and kept.path is None else Journal()
        self.run = Run(
            plan,
            journal=self.journal,
            policy=asked.policy,
            concurrency=setup.options.concurrency,
            budget=self.budget,
            observer=self._hear,
        )
        self._changed = changed
        self._begun, self._took = time.monotonic(), 0.0
        self._over = asyncio.Event()
        self._differing = 0
        self._counted: set[int] = set()
        self._live: Comparison | None = None
        self._grew: Callable[[set[int]], None] = lambda _: None

    @property
    def left(self) -> int:
        """How many texts a run of the first few leaves for later."""
        return self._texts - len(self.asked.plan.texts)

    def start(self) -> None:
        self._begun = time.monotonic()
        self.run.start()

    @property
    def ended(self) -> bool:
        """Whether every extraction has ended."""
        return self.run.finished

    @property
    def stopped(self) -> bool:
        """Whether something was left unasked: by Stop, or by the budget."""
        return self.ended and any(_unasked(each) for each in self.run.progress)

    async def finished(self) -> None:
        """Wait for the end; meanwhile the differences are counted now and then."""
        while not self._over.is_set():
            try:
                async with asyncio.timeout(_COUNT_SECONDS):
                    await self._over.wait()
            except TimeoutError:
                await asyncio.to_thread(self._count)
        if self.run.error is not None:
            raise self.run.error

    def _hear(self, news: ProgressEvent) -> None:
        if news.finished:
            self._took = time.monotonic() - self._begun
            self._over.set()
        self._changed()
        if self._live is not None:
            self._bring(self._live, [CellKey(*each) for each in news.ended])

    def _bring(self, comparison: Comparison, places: Iterable[CellKey]) -> None:
        """Put what came into the comparison that is looked at."""
        grown = set()
        for place in places:
            row, reused = self.run.cell(place.variant, place.text, place.repeat)
            if row:
                comparison.rows.put(place, row, reused=reused)
                grown.add(place.text)
        if grown:
            self._grew(grown)

    def live(self, grew: Callable[[set[int]], None]) -> Comparison:
        """Every text, replies coming in; `grew` is called with the texts that changed."""
        self._live, self._grew = self.comparison(), grew
        self.settle()
        return self._live

    def settle(self) -> None:
        """Bring in whatever the last news left out."""
        if self._live is not None:
            rows = self._live.rows
            self._bring(self._live, [place for place in rows.cells() if not rows.id(place)])

    def comparison(self) -> Comparison:
        """What there is so far; what is still open counts as stopped."""
        asked = self.asked
        notes = asked.notes + ((self.journal.notice,) if self.journal.notice else ())
        rules = read_rules(None, asked.plan.texts)
        return results_of_run(
            Comparison, self.run, variants=asked.variants, scoring=rules, notes=notes
        )

    def _complete(self) -> list[int]:
        repeats, columns = self.asked.plan.repeats, range(len(self.asked.plan.columns))
        return [
            text
            for text in range(len(self.asked.plan.texts))
            if all(
                self.run.cell(at, text, repeat)[0] for at in columns for repeat in range(repeats)
            )
        ]

    def _count(self) -> None:
        """Count in how many fields of the texts that every column answered models disagree."""
        fresh = set(self._complete()) - self._counted
        if not fresh or len(self.asked.plan.columns) < 2:
            return
        comparison = self.comparison()
        for text in fresh:
            fields = read_repeated(comparison, text).values
            self._differing += sum(field.disagreeing > 0 for field in fields)
        self._counted |= fresh
        self._changed()

    def view(self) -> RunningState:
        """How far each column is, who waits for what, what it cost, what can be done now."""
        progress, ended = self.run.progress, self.ended
        kept, total = _counts(progress)
        over = any("OverBudget" in each.failures for each in progress)
        stopping, resumable = self.run.stopped and not ended, ended and kept < total and not over
        return {
            "status": "Stopped" if ended else "Stopping" if stopping else "Running",
            "said": self._said(progress),
            "stop": "" if ended else "Stop",
            "stopping": stopping,
            "again": "Raise the limit" if ended and over else "Start over" if ended else "",
            "resume": f"Resume {count(total - kept, 'call')}" if resumable else "",
            "show": f"Show the {kept:,}" if ended and kept else "",
            "note": self._note(progress, over),
            "foot": self._foot(ended),
            "differences": str(self._differing) if self._counted and not ended else "",
            "columns": [self._column(at, each) for at, each in enumerate(progress)],
        }

    def _said(self, progress: tuple[VariantProgress, ...]) -> str:
        kept, total = _counts(progress)
        reused, (spent, unknown) = sum(each.reused for each in progress), _spent(progress)
        replies = count(total, "reply", "replies")
        words = [f"{kept:,} of {replies}{' kept' if self.ended else ''}"]
        words.append(self._time(progress))
        if reused:
            words.append(f"{reused:,} paid before")
        limit = f" of {dollars(self.budget)}" if self.budget is not None else ""
        if spent or (self.budget is not None and not unknown):
            words.append(f"{dollars(spent)}{limit}{' and unknown prices' if unknown else ''}")
        elif unknown:
            words.append("cost unknown")
        return " · ".join(words)

    def _time(self, progress: tuple[VariantProgress, ...]) -> str:
        if self.ended:
            return _clock(self._took)
        took = time.monotonic() - self._begun
        slowest = max(
            (
                took * (each.total - each.done) / (each.done - each.reused)
                for each in progress
                if not each.finished and each.done > each.reused
            ),
            default=0.0,
        )
        return f"{_clock(took)}, about {_clock(slowest)} left" if slowest else _clock(took)

    def _foot(self, ended: bool) -> str:
        """Where the replies are, and what keeps the rest from being asked twice."""
        where = f"Every reply is on disk{'' if ended else ' as it arrives'}."
        if self.journal.path is None or any(self.journal.trouble):
            where = "Replies are kept in memory."
        if ended:
            return f"{where} Resume asks only for what is missing."
        return f"{where} Stop keeps them; Resume asks only for the rest."

    def _note(self, progress: tuple[VariantProgress, ...], over: bool) -> Sentence | None:
        """What keeps replies from the disk, and that the limit was reached."""
        sentence, hint = self.journal.trouble
        notes: list[Sentence] = [{"sentence": sentence, "hint": hint}] if sentence else []
        if over:
            kept, total = _counts(progress)
            limit = dollars(self.budget) if self.budget is not None else "the limit"
            hint = (
                f"{dollars(_spent(progress)[0])} is spent and the next call could cost more "
                f"than the rest. {_kept_of(kept, total)} kept."
            )
            notes.append({"sentence": f"Stopped before {limit}.", "hint": hint})
        if not notes:
            return None
        return {
            "sentence": " ".join(note["sentence"] for note in notes),
            "hint": " ".join(note["hint"] for note in notes),
        }

    def _column(self, at: int, each: VariantProgress) -> _ProgressState:
        answered, failed = _answered(each), _failed(each)
        free = each.cost == 0 and answered == each.reused
        median = each.median_seconds
        return {
            "letter": formatting.variant_letter(at),
            "label": each.label,
            "done": answered - failed,
            "failed": failed,
            "total": each.total,
            "count": f"{answered:,} / {each.total:,}",
            "median": "–" if median is None else f"{formatting.seconds(median)} s",
            "cost": "–" if free else dollars(each.cost),
            "now": _now(each, egress.is_local(self.asked.plan.columns[at].connection)),
        }

    def remainder(self) -> Remainder:
        """Where the result is not whole, and what the journal could not keep."""
        fact, notes, resume = self._remainder()
        trouble = " ".join(self.journal.trouble).strip()
        notes += [trouble] if trouble else []
        return {"facts": [fact] if fact else [], "notes": notes, "resume": resume}

    def _remainder(self) -> tuple[str, list[str], str]:
        progress, mine = self.run.progress, len(self.asked.plan.texts)
        kept, total = _counts(progress)
        if not self.ended:
            return f"So far: {len(self._complete()):,} of {count(mine, 'text')}.", [], ""
        notes = [words for at, each in enumerate(progress) if (words := self._dead(at, each))]
        if self.left:
            rest = self._texts * self.asked.plan.repeats * len(progress) - kept
            fact = f"The first {mine} of {count(self._texts, 'text')}."
            return fact, notes, f"Run the other {count(rest, 'call')}"
        if self.stopped:
            fact = f"Stopped: {_kept_of(kept, total)} here."
            return fact, notes, f"Resume {count(total - kept, 'call')}"
        lost = sum(_sum_failures(each, may_ask_again) for each in progress)
        if not lost:
            return "", notes, ""
        failed = [f"{count(lost, 'call')} failed before the model replied."]
        return "", notes or failed, f"Ask the {lost:,} again"

    def _dead(self, at: int, each: VariantProgress) -> str:
        """Why a column brought nothing at all; empty where it brought something."""
        name = next(iter(each.failures), "")
        if each.failures.get(name, 0) < each.total or not may_ask_again(name):
            return ""
        failure = self.run.extraction(at, 0).failure
        words = formatting.format_count_words(name)
        if failure is not None:
            words = f"{failure.message} {failure.hint}".strip()
        return f"{formatting.variant_letter(at)} {each.label}: {words}"


def _sum_failures(each: VariantProgress, counts: Callable[[str], bool]) -> int:
    return sum(number for name, number in each.failures.items() if counts(name))


def _unasked(each: VariantProgress) -> int:
    return _sum_failures(each, lambda name: issubclass(FAILURES.get(name, Failure), NotAsked))


def _answered(each: VariantProgress) -> int:
    return each.done - _unasked(each)


def _failed(each: VariantProgress) -> int:
    return sum(each.failures.values()) - _unasked(each)


def _counts(progress: Sequence[VariantProgress]) -> tuple[int, int]:
    """How many calls were answered, and of how many."""
    return sum(map(_answered, progress)), sum(each.total for each in progress)


def _spent(progress: Sequence[VariantProgress]) -> tuple[float, bool]:
    """What is known to be spent, and whether some of it is unknown."""
    costs = [each.cost for each in progress]
    return sum(cost or 0.0 for cost in costs), None in costs


def _now(each: VariantProgress, local: bool) -> _NowState:
    if each.finished and not _unasked(each):
        worst = next(iter(each.failures), "")
        if worst and _failed(each) == each.total:
            words = f"failed: {formatting.format_count_words(worst)}"
            return {"icon": "fail", "tone": "fail", "text": words}
        return {"icon": "ok", "tone": "ok", "text": "done"}
    words = state_words(each)
    if each.state in (VariantState.LIMITED, VariantState.AWAY):
        return {"icon": "wait", "tone": "warn", "text": words}
    here = ", on this computer" if local and each.state is VariantState.ASKING else ""
    return {"icon": "", "tone": "", "text": f"{words}{here}"}


def _clock(seconds: float) -> str:
    """Minutes and seconds: 0:48."""
    minutes, left = divmod(round(seconds), 60)
    hours, rest = divmod(minutes, 60)
    return f"{hours}:{rest:02}:{left:02}" if hours else f"{minutes}:{left:02}"


def _kept_of(kept: int, total: int) -> str:
    """How many replies of all, with the verb: `1 of 3 replies is`."""
    return f"{kept:,} of {count(total, 'reply', 'replies')} {'is' if kept == 1 else 'are'}"
