"""A run that a panel shows: how far each column is, in words, and the comparison so far."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from llmwidgets import formatting
from llmwidgets.comparison.comparison import Comparison
from llmwidgets.comparison.core import CellKey, ResultIndex, results_of_run
from llmwidgets.comparison.inputs import read_rules
from llmwidgets.comparison.runs import state_words
from llmwidgets.comparison.text_result import read_text_result
from llmwidgets.engine.journal import Journal
from llmwidgets.engine.network import egress
from llmwidgets.engine.run import Run, VariantState
from llmwidgets.errors import FAILURES, NotAsked
from llmwidgets.formatting import count, dollars
from llmwidgets.widgets.comparison.grid_model import may_ask_again
from llmwidgets.widgets.comparison.setup_state import Setup

if TYPE_CHECKING:
    from llmwidgets.comparison.inputs import RunPlan
    from llmwidgets.engine.run import ProgressEvent, VariantProgress


_COUNT_SECONDS = 0.5


class LiveRun:
    """A run and what the page is told of it; `changed` is called at each news.

    `first` asks so many of the texts only; the rest can be asked later.
    """

    def __init__(
        self, asked: RunPlan, setup: Setup, changed: Callable[[], None], first: int | None = None
    ) -> None:
        self._texts = len(asked.plan.texts)
        texts = asked.plan.texts[:first]
        asked = replace(asked, plan=replace(asked.plan, texts=texts))
        self.asked = asked
        self.budget = setup.options.budget
        self.journal = Journal()
        self.run = Run(
            asked.plan,
            journal=self.journal,
            policy=asked.policy,
            concurrency=setup.options.concurrency,
            budget=setup.options.budget,
            observer=self._hear,
        )
        self._changed = changed
        self._begun = time.monotonic()
        self._took = 0.0
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
        """Begin; returns at once."""
        self._begun = time.monotonic()
        self.run.start()

    def stop(self) -> None:
        """Cancel what is under way; what came is kept."""
        self.run.stop()

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
            at = (place.variant, place.text, place.repeat)
            if row := self.run.row_id(*at):
                comparison.rows.put(place, row, reused=self.run.reused(*at))
                grown.add(place.text)
        if grown:
            self._grew(grown)

    # -- what there is so far ------------------------------------------------------------------

    def comparison(self) -> Comparison:
        """Everything that was asked, once the run is over."""
        return self._whole()

    def live(self, grew: Callable[[set[int]], None]) -> Comparison:
        """Every text, replies coming in as they are given; `grew` hears which texts changed."""
        comparison = self._whole()
        self._live, self._grew = comparison, grew
        self.settle()
        return comparison

    def settle(self) -> None:
        """Bring in whatever the last news left out."""
        if self._live is not None:
            rows = self._live.rows
            self._bring(self._live, [place for place in rows.places() if not rows.id(place)])

    def _whole(self) -> Comparison:
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
            if all(self.run.row_id(at, text, repeat) for at in columns for repeat in range(repeats))
        ]

    def _of(self, texts: list[int]) -> Comparison:
        """The comparison of some of the texts."""
        whole = self._whole()
        rows = ResultIndex(len(whole.variants), len(texts), whole.repeats)
        for place in rows.places():
            there = replace(place, text=texts[place.text])
            rows.put(place, whole.rows.id(there), reused=whole.rows.reused(there))
        return replace(
            whole,
            texts=tuple(whole.texts[text] for text in texts),
            rows=rows,
            read=lambda row, place: whole.read(row, replace(place, text=texts[place.text])),
        )

    def _count(self) -> None:
        fresh = [text for text in self._complete() if text not in self._counted]
        if not fresh or len(self.asked.plan.columns) < 2:
            return
        some = self._of(fresh)
        for at in range(len(fresh)):
            for repeat in range(some.repeats):
                fields = read_text_result(some, at, repeat).values
                self._differing += sum(field.disagreeing > 0 for field in fields)
        self._counted.update(fresh)
        self._changed()

    # -- to the page ---------------------------------------------------------------------------

    def view(self) -> dict[str, Any]:
        """How far each column is, who waits for what, what it cost, what can be done now."""
        progress = self.run.progress
        total = sum(each.total for each in progress)
        kept = sum(_answered(each) for each in progress)
        ended = self.ended
        left = total - kept
        over = sum(each.failures.get("OverBudget", 0) for each in progress)
        stopping = self.run.stopped and not ended
        return {
            "status": "Stopped" if ended else "Stopping" if stopping else "Running",
            "said": self._said(progress, kept, total),
            "stop": "" if ended else "Stop",
            "stopping": stopping,
            "again": "Raise the limit" if ended and over else "Start over" if ended else "",
            "resume": f"Resume {count(left, 'call')}" if ended and left and not over else "",
            "show": f"Show the {kept:,}" if ended and kept else "",
            "note": self._note(self._over_budget(progress, kept, total) if over else None),
            "foot": self._foot(ended),
            "differences": str(self._differing) if self._counted and not ended else "",
            "columns": [self._column(at, each) for at, each in enumerate(progress)],
        }

    def _said(self, progress: tuple[VariantProgress, ...], kept: int, total: int) -> str:
        spent, unknown = _spent(progress)
        reused = sum(each.reused for each in progress)
        noun = "reply" if total == 1 else "replies"
        words = [f"{kept:,} of {total:,} {noun}{' kept' if self.ended else ''}"]
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
            return clock(self._took)
        took = time.monotonic() - self._begun
        slowest = 0.0
        for each in progress:
            asked = each.done - each.reused
            if not each.finished and asked:
                slowest = max(slowest, took * (each.total - each.done) / asked)
        return f"{clock(took)}, about {clock(slowest)} left" if slowest else clock(took)

    def _foot(self, ended: bool) -> str:
        """Where the replies are, and what keeps the rest from being asked twice."""
        if self.journal.path is None or any(self.journal.trouble):
            where = "Replies are kept in memory."
        else:
            where = f"Every reply is on disk{'' if ended else ' as it arrives'}."
        if ended:
            return f"{where} Resume asks only for what is missing."
        return f"{where} Stop keeps them; Resume asks only for the rest."

    def _over_budget(
        self, progress: tuple[VariantProgress, ...], kept: int, total: int
    ) -> dict[str, str]:
        limit = dollars(self.budget) if self.budget is not None else "the limit"
        return {
            "sentence": f"Stopped before {limit}.",
            "hint": f"{dollars(_spent(progress)[0])} is spent and the next call could cost more "
            f"than the rest. {kept:,} of {total:,} replies are kept.",
        }

    def _note(self, note: dict[str, str] | None) -> dict[str, str] | None:
        """What there is to be said besides, with what keeps replies from the disk in front."""
        sentence, hint = self.journal.trouble
        if not sentence or note is None:
            return {"sentence": sentence, "hint": hint} if sentence else note
        return {
            "sentence": f"{sentence} {note['sentence']}",
            "hint": f"{hint} {note['hint']}",
        }

    def _column(self, at: int, each: VariantProgress) -> dict[str, Any]:
        answered, failed = _answered(each), _failed(each)
        column = self.asked.plan.columns[at]
        cost = dollars(each.cost)
        if each.cost == 0 and answered == each.reused:
            cost = "–"
        median = (
            "–" if each.median_seconds is None else f"{formatting.seconds(each.median_seconds)} s"
        )
        return {
            "letter": formatting.variant_letter(at),
            "label": each.label,
            "done": answered - failed,
            "failed": failed,
            "total": each.total,
            "count": f"{answered:,} / {each.total:,}",
            "median": median,
            "cost": cost,
            "now": _now(each, egress.is_local(column.connection)),
        }

    def part(self) -> tuple[list[str], list[str], str]:
        """Where a result is not whole: facts, what went wrong, and the label of the way on."""
        facts, notes, way_on = self._part()
        trouble = " ".join(self.journal.trouble)
        return facts, [*notes, trouble] if trouble.strip() else notes, way_on

    def _part(self) -> tuple[list[str], list[str], str]:
        progress = self.run.progress
        kept = sum(_answered(each) for each in progress)
        total = sum(each.total for each in progress)
        mine = len(self.asked.plan.texts)
        if not self.ended:
            return [f"So far: {len(self._complete()):,} of {count(mine, 'text')}."], [], ""
        notes = [said for at, each in enumerate(progress) if (said := self._dead(at, each))]
        if self.left:
            rest = self._texts * self.asked.plan.repeats * len(progress) - kept
            said = f"The first {mine} of {count(self._texts, 'text')}."
            return [said], notes, f"Run the other {count(rest, 'call')}"
        if self.stopped:
            said = f"Stopped: {kept:,} of {total:,} replies are here."
            return [said], notes, f"Resume {count(total - kept, 'call')}"
        lost = sum(
            many for each in progress for name, many in each.failures.items() if may_ask_again(name)
        )
        if not lost:
            return [], notes, ""
        if not notes:
            notes = [f"{count(lost, 'call')} brought no reply of the model."]
        return [], notes, f"Ask the {lost:,} again"

    def _dead(self, at: int, each: VariantProgress) -> str:
        """Why a column brought nothing at all; empty where it brought something."""
        name = next(iter(each.failures), "")
        if each.failures.get(name, 0) < each.total or not may_ask_again(name):
            return ""
        failure = self.run.extraction(at, 0).failure
        words = (
            f"{failure.message} {failure.hint}".strip()
            if failure
            else formatting.format_count_words(name)
        )
        return f"{formatting.variant_letter(at)} {each.label}: {words}"


def _is_unasked(name: str) -> bool:
    return issubclass(FAILURES[name], NotAsked) if name in FAILURES else False


def _unasked(each: VariantProgress) -> int:
    return sum(many for name, many in each.failures.items() if _is_unasked(name))


def _answered(each: VariantProgress) -> int:
    return each.done - _unasked(each)


def _failed(each: VariantProgress) -> int:
    return sum(each.failures.values()) - _unasked(each)


def _spent(progress: tuple[VariantProgress, ...]) -> tuple[float, bool]:
    unknown = any(each.cost is None for each in progress)
    return sum(each.cost or 0.0 for each in progress), unknown


def _now(each: VariantProgress, local: bool) -> dict[str, str]:
    if each.finished and not _unasked(each):
        whole = _failed(each) == each.total
        worst = next(iter(each.failures), "")
        if whole and worst:
            return {
                "icon": "fail",
                "tone": "fail",
                "text": f"failed: {formatting.format_count_words(worst)}",
            }
        return {"icon": "ok", "tone": "ok", "text": "done"}
    words = state_words(each)
    if each.state in (VariantState.LIMITED, VariantState.AWAY):
        return {"icon": "wait", "tone": "warn", "text": words}
    here = ", on this computer" if local and each.state is VariantState.ASKING else ""
    return {"icon": "", "tone": "", "text": f"{words}{here}"}


def clock(seconds: float) -> str:
    """Minutes and seconds: 0:48."""
    whole = round(seconds)
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02}:{left:02}" if hours else f"{minutes}:{left:02}"
