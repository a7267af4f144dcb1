"""Run: many extractions, columns side by side, on the engine's loop; told to an observer."""

from __future__ import annotations

import asyncio
import hashlib
import threading
from array import array
from bisect import insort
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING, NamedTuple

from llmwidgets.dialects.types import Enforcement, ResponseFormat
from llmwidgets.engine import defaults, event_loop
from llmwidgets.engine.budget import Budget
from llmwidgets.engine.extraction import Extraction, read
from llmwidgets.engine.extractor import Extractor, internal_failure, to_failure
from llmwidgets.engine.journal.journal import Journal
from llmwidgets.engine.journal.row import Row
from llmwidgets.engine.network import egress
from llmwidgets.engine.network.retry import Clock, Pace
from llmwidgets.engine.request_builder import (
    BROKE,
    OTHERS_BROKE,
    Document,
    Plan,
    ResolvedVariant,
    cache_key,
    digest_of,
    unheld_row,
)
from llmwidgets.errors import Failure, FailureCode, LLMWidgetsError, Stopped
from llmwidgets.schemas import Schema
from llmwidgets.store import state

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
        self._news: list[CellPosition] = []
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
        event_loop.submit_task(self._main())

    def stop(self) -> None:
        """Cancel the calls under way; what is open ends as Stopped. Returns at once."""
        self.stopped = True
        if not self.finished:
            event_loop.submit_task(self._cancel())

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
        asker = Extractor(column, policy=self.policy, pace=self._pace(column), budget=self.budget)
        return ColumnRun(
            asker,
            self.plan.texts,
            marks,
            repeats,
            self.journal,
            lambda index: self._tell(CellPosition(at, index // repeats, index % repeats)),
        )

    def _pace(self, column: ResolvedVariant) -> Pace:
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
        with state.hold_open():
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

    def _tell(self, place: CellPosition) -> None:
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
            self.observer(ProgressEvent(self.progress, ended, self.finished))
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


# -- One column of a run: what is reused, what is asked, and when asking stops making sense.

_DEAD = frozenset(
    {"Unreachable", "Unauthorized", "Forbidden", "UnknownModel", "QuotaExhausted", "RateLimited"}
)
_LEARNING = "finding out what the server enforces"
_BREATH = 200
_SAMPLE = 20


class ColumnRun:
    """Asks every text `repeats` times; `rows` holds the journal's id of each, 0 while open."""

    def __init__(
        self,
        asker: Extractor,
        texts: tuple[Document, ...],
        marks: list[tuple[bytes, int]],
        repeats: int,
        journal: Journal,
        ended: Callable[[int], None],
    ) -> None:
        self.asker, self.texts, self.marks, self.repeats = asker, texts, marks, repeats
        self.journal, self._ended = journal, ended
        self.rows = array("q", bytes(8 * len(texts) * repeats))
        self.reused = bytearray(len(self.rows))
        self.tally = RunTally(asker.column.label, len(self.rows))
        self.broken = 0
        """Replies that did not keep to the schema they were sent under, to be enforced."""
        self._relabelled: set[Schema] = set()
        self._prefixes: dict[tuple[Schema, ResponseFormat], hashlib._Hash] = {}
        self._in_a_row = 0
        self._over: Failure | None = None

    @property
    def state(self) -> str:
        """What the column is doing, in words."""
        pace = self.asker.pace
        if self.tally.state == "asking" or (
            self.tally.state == _LEARNING and pace.outage.since is not None
        ):
            return pace.state
        return self.tally.state

    async def run(self, *, reuse: bool, most: int) -> None:
        """Reuse what was answered before, ask the rest; only a cancel is raised."""
        try:
            if reuse:
                await self._reuse_known()
            if self.left:
                await self._learn(reuse=reuse)
                self.tally.state = "asking"
                await self._ask_open(most)
        except LLMWidgetsError as error:
            self.end(self._unasked(to_failure(error, self.asker.column)))
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - the other columns go on
            self.end(self._unasked(internal_failure(error, self.asker.column)))
        if self._over is not None:
            self.end(self._unasked(self._over))
        self.tally.state, self.tally.finished = "done", True

    @property
    def notes(self) -> tuple[str, ...]:
        """What is to be known of the column's replies as a whole."""
        known, said = self.asker.capability, []
        if known is not None and known.doubt:
            said.append(known.doubt)
        if self._relabelled:
            count = f"{self.broken:,} of {self.tally.done:,}" if self.broken else "Earlier"
            said.append(
                f"{count} replies did not keep to the schema that was sent, so the column is JSON"
                " only, not schema enforced."
            )
        return tuple(f"{self.tally.label}: {each}" for each in said)

    @property
    def left(self) -> int:
        """How many have not ended."""
        return self.tally.total - self.tally.done

    def end(self, row: Row) -> None:
        """All that are still open end in this one row."""
        if not self.left:
            return
        row_id = self.journal.put(row)
        for index in range(len(self.rows)):
            if not self.rows[index]:
                self._note(index, row_id, row, reused=False)

    # -- reuse -----------------------------------------------------------------------------------

    async def _reuse_known(self) -> None:
        """Reuse what can be found without a call, which needs neither a key nor the network."""
        known = self.asker.capability
        if known is not None:
            await self._reuse(known.form)
        if self.left and (known is None or not known.tried):
            # What is known from a list can have been refused, and asked in a lower form.
            before = self._form_of_before()
            if before is not None:
                await self._reuse(before)

    async def _learn(self, *, reuse: bool) -> None:
        if self.asker.capability is not None:
            return
        self.tally.state = _LEARNING
        await self.asker.learn()
        if reuse:
            # The probe can find another form than before, and one column has one form.
            self._forget()
            await self._reuse(self._form())

    async def _reuse(self, form: ResponseFormat) -> None:
        for index in range(len(self.rows)):
            if index % _BREATH == 0:
                await asyncio.sleep(0)
            if self.rows[index]:
                continue
            found = self.journal.find(self._key(index, form))
            if found is not None:
                self._take(index, found)
        for schema in {text.schema for text in self.texts}:
            await self._relabel(schema)

    def _take(self, index: int, found: Row) -> None:
        if found.schema_shown is False:
            self.asker.unhold(self._text(index).schema)
        # A pydantic class can have changed its own checks under the same JSON Schema.
        judged = found
        if found.status in {"ok", "InvalidRecord"}:
            judged = self.asker.judge(found, self._text(index))
        row_id = found.id if judged.status == found.status else self.journal.put(judged)
        self._note(index, row_id, judged, reused=True)

    def _form_of_before(self) -> ResponseFormat | None:
        """The form of the newest row of the first questions; None where there is none."""
        found = [
            (row.id, form)
            for form in ResponseFormat
            for index in range(min(_SAMPLE, len(self.rows)))
            if (row := self.journal.find(self._key(index, form))) is not None
        ]
        return max(found)[1] if found else None

    def _forget(self) -> None:
        for index in range(len(self.rows)):
            self.rows[index] = self.reused[index] = 0
        self.broken = 0
        self.tally = replace(RunTally(self.tally.label, self.tally.total), state=self.tally.state)

    # -- asking ----------------------------------------------------------------------------------

    async def _ask_open(self, most: int) -> None:
        waiting = (index for index in range(len(self.rows)) if not self.rows[index])
        async with asyncio.TaskGroup() as group:
            for _ in range(min(most, self.left)):
                group.create_task(self._work(waiting))

    async def _work(self, waiting: Iterator[int]) -> None:
        for index in waiting:
            if self._over is not None:
                return
            row = await self.asker.ask(self._text(index), partial(self._key, index))
            self._note(index, self.journal.put(row), row, reused=False)
            self._watch(row)
            await self._relabel(self._text(index).schema)

    async def _relabel(self, schema: Schema) -> None:
        """Give all replies one mode where a later one showed that the schema is not enforced."""
        if schema in self._relabelled or not self.asker.manner(schema).unheld:
            return
        self._relabelled.add(schema)
        for index in range(len(self.rows)):
            if index % _BREATH == 0:
                await asyncio.sleep(0)
            if not self.rows[index] or self._text(index).schema != schema:
                continue
            row = self.journal.get(self.rows[index])
            if row.mode is Enforcement.SCHEMA:
                self.rows[index] = self.journal.put(unheld_row(row, OTHERS_BROKE))
                self._ended(index)

    def _watch(self, row: Row) -> None:
        self._in_a_row = self._in_a_row + 1 if row.status in _DEAD else 0
        hopeless = self._in_a_row >= defaults.DEAD_AFTER or row.code == FailureCode.POLICY
        failure = row.failure()
        if failure is not None and (hopeless or row.status == "OverBudget"):
            self._over = self._over or failure

    def _note(self, index: int, row_id: int, row: Row, *, reused: bool) -> None:
        self.rows[index] = row_id
        self.reused[index] = reused
        self.broken += BROKE in row.notes
        self.tally.count(row, reused=reused)
        self._ended(index)

    def _unasked(self, failure: Failure) -> Row:
        """The row of every text that is left, which says how many they are beside the asked."""
        row, left, asked = Row.of_failure("", failure), self.left, len(self.rows) - self.left
        if not left or (not asked and left == 1):
            return row
        told = f"{left} more texts were not asked." if asked else "No text was asked."
        told = "1 more text was not asked." if asked and left == 1 else told
        return replace(row, message=f"{row.message} {told}")

    def _text(self, index: int) -> Document:
        return self.texts[index // self.repeats]

    def _form(self) -> ResponseFormat:
        assert self.asker.capability is not None
        return self.asker.capability.form

    def _key(self, index: int, form: ResponseFormat) -> str:
        schema = self._text(index).schema
        prefix = self._prefixes.get((schema, form))
        if prefix is None:
            prefix = self.asker.manner(schema).prefix(form)
            self._prefixes[schema, form] = prefix
        digest, occurrence = self.marks[index // self.repeats]
        return cache_key(prefix, digest, occurrence, index % self.repeats)


# -- Progress: how far each column of a run is, in numbers and words.


class CellPosition(NamedTuple):
    """One extraction of a run: column, text and repeat, each counted from 0."""

    column: int
    text: int
    repeat: int


@dataclass(frozen=True, slots=True)
class ColumnProgress:
    """One column at one moment. Costs in US dollars, None where a price is unknown.

    `failures` counts by class; `reused` of `done` were paid before; `state` is said in words.
    """

    label: str
    total: int
    done: int
    failures: dict[str, int]
    reused: int
    median_seconds: float | None
    cost: float | None
    paid_before: float
    state: str
    finished: bool


@dataclass(frozen=True, slots=True)
class ProgressEvent:
    """What an observer hears: every column, the places that ended since, whether all is over."""

    progress: tuple[ColumnProgress, ...]
    ended: tuple[CellPosition, ...]
    finished: bool


Observer = Callable[[ProgressEvent], None]
"""Called on the engine's thread, about 20 times a second; must return soon."""


@dataclass(slots=True)
class RunTally:
    """The running count of one column."""

    label: str
    total: int
    done: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    reused: int = 0
    cost: float = 0.0
    unpriced: bool = False
    paid_before: float = 0.0
    state: str = "waiting for its turn"
    finished: bool = False
    seconds: array[float] = field(default_factory=lambda: array("d"))

    def count(self, row: Row, *, reused: bool) -> None:
        """Count one extraction that ended so."""
        self.done += 1
        if row.status != "ok":
            self.failures[row.status] = self.failures.get(row.status, 0) + 1
        if row.answered and row.seconds is not None:
            insort(self.seconds, row.seconds)
        if reused:
            self.reused += 1
            self.paid_before += row.cost or 0.0
        elif row.cost is not None:
            self.cost += row.cost
        elif row.answered:
            self.unpriced = True

    def now(self, state: str) -> ColumnProgress:
        """The count as a value."""
        middle = len(self.seconds) // 2
        return ColumnProgress(
            label=self.label,
            total=self.total,
            done=self.done,
            failures=dict(self.failures),
            reused=self.reused,
            median_seconds=self.seconds[middle] if self.seconds else None,
            cost=None if self.unpriced else self.cost,
            paid_before=self.paid_before,
            state=state,
            finished=self.finished,
        )
