"""Run: many extractions, columns side by side, on the engine's loop; told to an observer."""

from __future__ import annotations

import asyncio
import threading
from collections import Counter
from typing import TYPE_CHECKING

from llmwidgets.connections.opening import autolock
from llmwidgets.engine import defaults, event_loop
from llmwidgets.engine.budget import Budget
from llmwidgets.engine.column_run import ColumnRun
from llmwidgets.engine.extraction import Extraction, read
from llmwidgets.engine.extractor import Asker
from llmwidgets.engine.journal.journal import Journal
from llmwidgets.engine.journal.row import Row
from llmwidgets.engine.network import egress
from llmwidgets.engine.network.retry import Clock, Pace
from llmwidgets.engine.plan import Column, Plan
from llmwidgets.engine.progress import ColumnProgress, News, Observer, Place
from llmwidgets.engine.request_builder import digest_of
from llmwidgets.errors import Stopped

if TYPE_CHECKING:
    from llmwidgets.connections.policy import Policy


_NEWS_SECONDS = 0.05
_TICK_SECONDS = 1.0


class Run:
    """Asks a plan. `start` returns at once; every extraction asked for ends in one row.

    `rows[column][text * repeats + repeat]` is the journal's id of an extraction, 0 while it is
    open. The observer is called on the engine's thread, after the rows are committed.
    `concurrency` is the most calls at once for each connection; `budget` is in US dollars, and
    the policy's own limit counts where it is smaller.
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
    ) -> None:
        self.plan, self.journal, self.policy = plan, journal, policy
        self.concurrency, self.reuse, self.observer = concurrency, reuse, observer
        self.clock = clock or Clock()
        self.budget = Budget(*policy.budget(budget))
        self.stopped = False
        self.error: BaseException | None = None
        self._most = concurrency or defaults.CONCURRENCY_MOST
        self._paces: dict[tuple[str, str], Pace] = {}
        marks = _marks(plan)
        self._columns = tuple(self._column(at, marks) for at in range(len(plan.columns)))
        self._finished = threading.Event()
        self._news: list[Place] = []
        self._task: asyncio.Task[None] | None = None
        self._told = asyncio.Event()

    @property
    def rows(self) -> tuple[object, ...]:
        """The journal's ids: one array a column."""
        return tuple(column.rows for column in self._columns)

    @property
    def progress(self) -> tuple[ColumnProgress, ...]:
        """How far each column is; safe from any thread."""
        return tuple(column.tally.now(column.state) for column in self._columns)

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be known of the replies so far, beside each of them."""
        return tuple(note for column in self._columns for note in column.notes)

    @property
    def begun(self) -> bool:
        """Whether the engine has come to it."""
        return self._task is not None

    @property
    def finished(self) -> bool:
        """Whether every extraction has ended."""
        return self._finished.is_set()

    def start(self) -> None:
        """Begin on the engine's loop and return."""
        event_loop.submit(self._main())

    def stop(self) -> None:
        """Cancel the calls under way; what is open ends as Stopped. Returns at once."""
        self.stopped = True
        if not self.finished:
            event_loop.submit(self._cancel())

    def end(self, patience: float) -> bool:
        """Stop, and wait at most so many seconds for the end. Whether the run is over."""
        self.stop()
        return self._finished.wait(patience)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end; whatever ends the wait stops the run. Whether the run is over."""
        try:
            event_loop.refuse_on_loop()
            # A wait without an end cannot be interrupted on Windows.
            while timeout is None and not self._finished.wait(0.5):
                pass
            return self._finished.wait(timeout)
        except BaseException:
            self.stop()
            raise

    def row_id(self, column: int, text: int, repeat: int = 0) -> int:
        """The journal's id of one extraction, 0 while it is open."""
        return self._columns[column].rows[text * self.plan.repeats + repeat]

    def reused(self, column: int, text: int, repeat: int = 0) -> bool:
        """Whether the reply was paid by an earlier run."""
        return bool(self._columns[column].reused[text * self.plan.repeats + repeat])

    def extraction(self, column: int, text: int, repeat: int = 0) -> Extraction:
        """One extraction, read from the journal; KeyError while it is open."""
        row = self.journal.get(self.row_id(column, text, repeat))
        again = self.reused(column, text, repeat)
        return read(self.plan.columns[column], self.plan.texts[text], repeat, row, reused=again)

    def _column(self, at: int, marks: list[tuple[bytes, int]]) -> ColumnRun:
        column, repeats = self.plan.columns[at], self.plan.repeats
        asker = Asker(column, policy=self.policy, pace=self._pace(column), budget=self.budget)
        return ColumnRun(
            asker,
            self.plan.texts,
            marks,
            repeats,
            self.journal,
            lambda index: self._tell(Place(at, index // repeats, index % repeats)),
        )

    def _pace(self, column: Column) -> Pace:
        connection = column.connection
        key = (connection.label, connection.target(column.model).url)
        if key not in self._paces:
            first = self.concurrency or egress.first_concurrency(connection)
            self._paces[key] = Pace(first, self._most, self.clock)
        return self._paces[key]

    # -- on the engine's loop ------------------------------------------------------------------

    async def _main(self) -> None:
        self.journal.begin()
        self._task = asyncio.create_task(self._ask_all())
        teller = asyncio.create_task(self._tell_observer())
        try:
            if self.stopped:
                self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
            if not self._task.cancelled():
                self.error = self._task.exception()
        finally:
            self._end_open()
            teller.cancel()
            settled = asyncio.to_thread(self.journal.settle)
            await asyncio.gather(teller, settled, return_exceptions=True)
            self._finished.set()
            self._call_observer()

    async def _ask_all(self) -> None:
        await asyncio.to_thread(_load)
        with autolock.held():
            async with asyncio.TaskGroup() as group:
                for column in self._columns:
                    group.create_task(column.run(reuse=self.reuse, most=self._most))

    async def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()

    def _end_open(self) -> None:
        stopped = Row.of_failure(
            "",
            Stopped("The run was stopped before this text was answered.", "Run it again to go on."),
        )
        for column in self._columns:
            if column.left:
                try:
                    column.end(stopped)
                except Exception as error:  # noqa: BLE001 - a full disk must not hang who waits
                    self.error = self.error or error
                column.tally.state = "stopped"
            column.tally.finished = True

    def _tell(self, place: Place) -> None:
        if self.observer is not None:
            self._news.append(place)
            self._told.set()

    async def _tell_observer(self) -> None:
        while self.observer is not None:
            try:
                async with asyncio.timeout(_TICK_SECONDS):
                    await self._told.wait()
                await asyncio.sleep(_NEWS_SECONDS)
            except TimeoutError:
                pass
            self._call_observer()

    def _call_observer(self) -> None:
        if self.observer is None:
            return
        ended, self._news = tuple(self._news), []
        self._told.clear()
        try:
            self.observer(News(self.progress, ended, self.finished))
        except Exception as error:  # noqa: BLE001 - a broken view must not lose the run
            self.error = self.error or error


def _marks(plan: Plan) -> list[tuple[bytes, int]]:
    """Each text's hash, and which of the identical texts it is."""
    seen: Counter[bytes] = Counter()
    marks = []
    for text in plan.texts:
        digest = digest_of(text.text)
        marks.append((digest, seen[digest]))
        seen[digest] += 1
    return marks


def _load() -> None:
    # Loaded beside the loop, so that a panel stays quick while the first run starts.
    import genai_prices  # noqa: F401

    from llmwidgets.engine.network import transport  # noqa: F401
