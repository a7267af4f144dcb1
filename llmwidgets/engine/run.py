"""A run: many extractions, variants in parallel, on the engine's loop; reported to an observer."""

from __future__ import annotations

import asyncio
import hashlib
import sys
from collections import Counter
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING

from llmwidgets.engine import event_loop
from llmwidgets.engine.estimate import Budget
from llmwidgets.engine.extraction import (
    Extraction,
    Extractor,
    read_extraction,
)
from llmwidgets.engine.journal import Journal, Row
from llmwidgets.engine.network import egress
from llmwidgets.engine.network.pacing import CONCURRENCY_MOST, Clock, Pace
from llmwidgets.engine.request_builder import Plan
from llmwidgets.engine.runs.background import BackgroundRun
from llmwidgets.engine.runs.commits import TurnCommits
from llmwidgets.engine.runs.progress import (
    CellPosition,
    Observer,
    ProgressEvent,
    VariantProgress,
    VariantState,
    describe_form,
)
from llmwidgets.engine.runs.variant_run import DEAD_AFTER, VariantRun
from llmwidgets.engine.shared_calls import shared_calls
from llmwidgets.errors import Failure
from llmwidgets.store import auto_lock

if TYPE_CHECKING:
    from llmwidgets.connections.policy import Policy

__all__ = [
    "DEAD_AFTER",
    "CellPosition",
    "Observer",
    "ProgressEvent",
    "Run",
    "VariantProgress",
    "VariantState",
]

_NEWS_SECONDS = 0.05
_TICK_SECONDS = 1.0


class Run(BackgroundRun):
    """Asks a plan. `start` returns at once; every extraction asked for ends in one row.

    The observer is called on the engine's thread, after the rows are committed. `concurrency` is
    the most calls at once for each connection; `budget` is in US dollars, and the policy's own
    limit counts if it is smaller. `paces` are those of earlier runs of this process, by label and
    address: a known one is taken over, a new one added.
    """

    def __init__(
        self,
        plan: Plan,
        *,
        journal: Journal,
        policy: Policy,
        concurrency: int | None = None,
        budget: float | None = None,
        reuse: bool = True,
        observer: Observer | None = None,
        clock: Clock | None = None,
        paces: dict[tuple[str, str], Pace] | None = None,
    ) -> None:
        self.plan, self.journal, self.policy = plan, journal, policy
        self.reuse, self.observer = reuse, observer
        self.budget = Budget(*policy.budget(budget))
        super().__init__()
        self._most = concurrency or CONCURRENCY_MOST
        self.commits = TurnCommits(journal)
        clock, columns = clock or Clock(), []
        paces = {} if paces is None else paces
        # Each text's hash, and which of the identical texts it is.
        seen, digests = Counter[bytes](), list[tuple[bytes, int]]()
        for text in plan.texts:
            digest = hashlib.sha256(text.text.encode("utf-8", "replace")).digest()
            digests.append((digest, seen[digest]))
            seen[digest] += 1
        for at, variant in enumerate(plan.columns):
            key = (variant.connection.label, variant.target.url)
            if key not in paces:
                first = concurrency or egress.first_concurrency(variant.connection)
                paces[key] = Pace(first, self._most, clock)
            extractor = Extractor(variant, policy=policy, pace=paces[key], budget=self.budget)
            columns.append(VariantRun(self, extractor, digests, partial(self._note_end, at)))
        self._columns = tuple(columns)
        self._news: list[CellPosition] = []
        self._task: asyncio.Task[None] | None = None
        self._has_news = asyncio.Event()

    @property
    def progress(self) -> tuple[VariantProgress, ...]:
        """How far each variant is; safe from any thread."""
        return tuple(column.progress for column in self._columns)

    @property
    def notes(self) -> tuple[str, ...]:
        """What to know of the replies so far, besides each of them."""
        notes = []
        for column in self._columns:
            known, tally = column.extractor.capability, column.tally
            if known is not None and known.doubt:
                notes.append(f"{column.label}: {known.doubt}")
            notes += describe_form(
                column.label, tally.done, broken=tally.broken, fenced=tally.fenced,
                relabelled=bool(column.relabelled),
            )  # fmt: skip
        return tuple(notes)

    @property
    def given_up(self) -> tuple[Failure | None, ...]:
        """Why a variant was not asked to its end, for each of them; None if it was."""
        return tuple(column.given_up for column in self._columns)

    def answered_before(self) -> tuple[dict[int, Row], ...]:
        """Of each variant, the rows that a start would reuse without a call, by index.

        An index is that of the text times the repeats, and the repeat. For any thread.
        """
        return tuple(column.answered_before() for column in self._columns)

    def ask_nothing(self, failure: Failure) -> None:
        """Before the start: what no earlier run answered ends in this failure."""
        for column in self._columns:
            column.ask_nothing(failure)

    def start(self) -> None:
        """Begin on the engine's loop and return."""
        event_loop.submit_task(self._main())

    def stop(self) -> None:
        """Cancel the calls under way; what is open ends as Stopped. Returns at once."""
        self.stopped = True
        if not self.finished:
            event_loop.submit_task(self._cancel())

    def cell(self, column: int, text: int, repeat: int = 0) -> tuple[int, bool]:
        """The journal's id of one extraction, 0 while open; whether an earlier run paid for it."""
        index, variant = text * self.plan.repeats + repeat, self._columns[column]
        return variant.rows[index], bool(variant.reused[index])

    def extraction(self, column: int, text: int, repeat: int = 0) -> Extraction:
        """One extraction, read from the journal; KeyError while it is open."""
        row_id, again = self.cell(column, text, repeat)
        row = self.journal.get(row_id)
        return read_extraction(
            self.plan.columns[column], self.plan.texts[text], repeat, row, reused=again
        )

    def _note_end(self, column: int, index: int) -> None:
        if self.observer is not None:
            self._news.append(CellPosition(column, *divmod(index, self.plan.repeats)))
            self.announce()

    def announce(self) -> None:
        """Have the observer hear of how things are now."""
        self._has_news.set()

    # -- on the engine's loop ------------------------------------------------------------------

    async def _main(self) -> None:
        self.begun = True
        self.journal.begin()
        self._task = asyncio.create_task(self._ask_all())
        observer = self.observer
        news = [asyncio.create_task(self._report(observer))] if observer is not None else []
        try:
            if self.stopped:
                self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            if not self._task.cancelled():
                self.error = self._task.exception()
        finally:
            self.commits.flush()
            for column in (each for each in self._columns if not each.finished):
                try:
                    column.stop()
                except Exception as error:  # noqa: BLE001 - a full disk must not hang who waits
                    self.error = self.error or error
            for task in news:
                task.cancel()
            settled = [asyncio.to_thread(self.journal.settle)] if self.journal.on_disk else []
            await asyncio.gather(*news, *settled, return_exceptions=True)
            self._finished.set()
            if observer is not None:
                self._call_observer(observer)

    async def _ask_all(self) -> None:
        with (
            auto_lock.hold_open(),
            event_loop.collect_seldom(),
            shared_calls().take_part(self),
        ):
            await self._prepare()
            async with asyncio.TaskGroup() as group:
                for column in self._columns:
                    group.create_task(column.run(reuse=self.reuse, most=self._most))

    async def _prepare(self) -> None:
        """Load what takes long, and have the keys of every connection masked in every reply."""
        if "genai_prices" not in sys.modules:
            # In a thread, so that a panel stays quick while the first run starts.
            await asyncio.to_thread(import_module, "genai_prices")
        from llmwidgets.engine.network import transport

        for connection in (each.connection for each in self.plan.columns):
            headers = connection.fields.headers
            transport.watch_secrets([*connection.secret_fields.values(), *headers.values()])

    async def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    async def _report(self, observer: Observer) -> None:
        while True:
            try:
                async with asyncio.timeout(_TICK_SECONDS):
                    await self._has_news.wait()
                await asyncio.sleep(_NEWS_SECONDS)
            except TimeoutError:
                pass
            self._call_observer(observer)

    def _call_observer(self, observer: Observer) -> None:
        ended, self._news = tuple(self._news), []
        self._has_news.clear()
        try:
            observer(ProgressEvent(self.progress, ended, self.finished))
        except Exception as error:  # noqa: BLE001 - a broken view must not lose the run
            self.error = self.error or error
