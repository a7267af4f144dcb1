"""A run: many extractions, variants in parallel, on the engine's loop; reported to an observer."""

from __future__ import annotations

import asyncio
import hashlib
import sys
import threading
from array import array
from bisect import insort
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import partial
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple

from llmwidgets.dialects.types import Enforcement, ResponseFormat
from llmwidgets.engine import event_loop
from llmwidgets.engine.estimate import Budget
from llmwidgets.engine.extraction import (
    BROKE,
    OTHERS_BROKE,
    Extraction,
    Extractor,
    internal_failure,
    read_extraction,
    to_failure,
    unenforced_row,
)
from llmwidgets.engine.journal import Journal, Row
from llmwidgets.engine.network import egress
from llmwidgets.engine.network.pacing import CONCURRENCY_MOST, Clock, Pace, PauseReason
from llmwidgets.engine.replies import FENCED, find_answer, parse_reply
from llmwidgets.engine.request_builder import Plan
from llmwidgets.engine.shared_calls import shared_calls
from llmwidgets.errors import Failure, FailureCode, LLMWidgetsError, Stopped
from llmwidgets.formatting import count
from llmwidgets.schemas import Schema
from llmwidgets.store import auto_lock

if TYPE_CHECKING:
    from llmwidgets.connections.policy import Policy


_NEWS_SECONDS = 0.05
_TICK_SECONDS = 1.0


class VariantState(StrEnum):
    """What one variant of a run is doing."""

    WAITING = "waiting"
    """For its turn: nothing was asked yet."""
    PROBING = "probing"
    """It finds out what the server enforces."""
    ASKING = "asking"
    LIMITED = "limited"
    """The server limits the rate, so all calls wait."""
    AWAY = "away"
    """The server does not answer any more, and is looked for."""
    DONE = "done"
    STOPPED = "stopped"
    NO_WORKERS = "no workers"
    """A cluster has none for now."""


@dataclass(frozen=True, slots=True)
class VariantProgress:
    """One variant at one moment. Costs in US dollars, None if a price is unknown.

    `failures` counts by class; `reused` of `done` were paid before. `at_once` calls can run now;
    `seconds_left` is how long a variant still waits that is limited or away.
    """

    label: str
    total: int
    done: int
    failures: dict[str, int]
    reused: int
    median_seconds: float | None
    cost: float | None
    paid_before: float
    state: VariantState
    finished: bool
    at_once: int = 0
    seconds_left: int = 0


class CellPosition(NamedTuple):
    """One extraction of a run: variant, text and repeat, each counted from 0."""

    column: int
    text: int
    repeat: int


@dataclass(frozen=True, slots=True)
class ProgressEvent:
    """What an observer hears: every variant, the cells that ended since, whether all is over."""

    progress: tuple[VariantProgress, ...]
    ended: tuple[CellPosition, ...]
    finished: bool


Observer = Callable[[ProgressEvent], None]
"""Called on the engine's thread, about 20 times a second; must return soon."""


class Run:
    """Asks a plan. `start` returns at once; every extraction asked for ends in one row.

    The observer is called on the engine's thread, after the rows are committed. `concurrency` is
    the most calls at once for each connection; `budget` is in US dollars, and the policy's own
    limit counts if it is smaller.
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
        self.begun = self.stopped = False
        self.error: BaseException | None = None
        self._most = concurrency or CONCURRENCY_MOST
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
            columns.append(_VariantRun(self, extractor, digests, partial(self._note_end, at)))
        self._columns = tuple(columns)
        self._finished = threading.Event()
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
            if column.relabelled:
                of_all = f"{tally.broken:,} of {count(tally.done, 'reply', 'replies')}"
                broken = of_all if tally.broken else "Earlier replies"
                notes.append(
                    f"{column.label}: {broken} did not keep to the schema that was sent, so"
                    " the column is JSON only, not schema enforced."
                )
            if tally.fenced:
                were = "reply was" if tally.fenced == 1 else "replies were"
                notes.append(
                    f"{column.label}: {tally.fenced:,} of {tally.done:,} {were} prose around one"
                    " fenced block, and only the block was read: the server holds answers to no"
                    " form (text only)."
                )
        return tuple(notes)

    @property
    def finished(self) -> bool:
        """Whether every extraction has ended."""
        return self._finished.is_set()

    @property
    def given_up(self) -> tuple[Failure | None, ...]:
        """Why a variant was not asked to its end, for each of them; None if it was."""
        return tuple(column.given_up for column in self._columns)

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

    def end(self, patience: float) -> bool:
        """Stop, and wait at most `patience` seconds for the end. Whether the run is over."""
        self.stop()
        return self._finished.wait(patience)

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end; whatever ends the wait stops the run. Whether the run is over."""
        try:
            event_loop.StuckWait().refuse(begun=True)
            # A wait without an end cannot be interrupted on Windows.
            while timeout is None and not self._finished.wait(0.5):
                pass
            return self._finished.wait(timeout)
        except BaseException:
            self.stop()
            raise

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


# -- One variant of a run: what is reused, what is asked, and when asking stops making sense.

DEAD_AFTER = 3
"""After this many connection failures in a row, a variant is not asked any further."""
_DEAD = frozenset(
    {"Unreachable", "Unauthorized", "Forbidden", "UnknownModel", "QuotaExhausted", "RateLimited"}
)
_BREATH = 200
_SAMPLE = 20


@dataclass(slots=True)
class _Tally:
    """The running count of one variant."""

    done: int = 0
    failures: Counter[str] = field(default_factory=Counter)
    reused: int = 0
    cost: float = 0.0
    unpriced: bool = False
    paid_before: float = 0.0
    seconds: array[float] = field(default_factory=lambda: array("d"))
    broken: int = 0
    """Replies that did not keep to the schema they were sent under, to be enforced."""
    fenced: int = 0
    """Replies of which only the fenced block was read."""


class _VariantRun:
    """Asks every text `repeats` times; `rows` has the journal's id of each, 0 while open."""

    def __init__(
        self,
        run: Run,
        extractor: Extractor,
        digests: list[tuple[bytes, int]],
        ended: Callable[[int], None],
    ) -> None:
        plan = run.plan
        self.extractor, self.texts, self.repeats = extractor, plan.texts, plan.repeats
        self.label = extractor.variant.label
        self.state, self.finished = VariantState.WAITING, False
        self._run, self._digests, self._journal, self._ended = run, digests, run.journal, ended
        self.rows = array("q", bytes(8 * plan.asked))
        self.reused = bytearray(plan.asked)
        self.tally = _Tally()
        self.relabelled: set[Schema] = set()
        self._prefixes: dict[tuple[Schema, ResponseFormat], hashlib._Hash] = {}
        self._access = extractor.connection
        self._in_a_row = 0
        self._over: Failure | None = None

    @property
    def progress(self) -> VariantProgress:
        """How far the variant is, and what it is doing."""
        tally, pace, state = self.tally, self.extractor.pace, self.state
        under_way = state in (VariantState.ASKING, VariantState.PROBING)
        pause = pace.pause if under_way else None
        if pause is not None and pause.reason is PauseReason.OUTAGE:
            state = VariantState.AWAY
        elif pause is not None and state is VariantState.ASKING:
            state = VariantState.LIMITED
        middle = len(tally.seconds) // 2
        return VariantProgress(
            label=self.label,
            total=len(self.rows),
            done=tally.done,
            failures=dict(tally.failures),
            reused=tally.reused,
            median_seconds=tally.seconds[middle] if tally.seconds else None,
            cost=None if tally.unpriced else tally.cost,
            paid_before=tally.paid_before,
            state=state,
            finished=self.finished,
            at_once=pace.limit,
            seconds_left=pause.seconds if pause is not None and state is not self.state else 0,
        )

    @property
    def given_up(self) -> Failure | None:
        """Why the rest was not asked."""
        return self._over

    def ask_nothing(self, failure: Failure) -> None:
        """What is not reused ends in this failure."""
        self._over = failure

    async def run(self, *, reuse: bool, most: int) -> None:
        """Reuse what was answered before, ask the rest; only a cancel is raised."""
        try:
            self._access = shared_calls().same_access(self.extractor.connection)
            if reuse:
                await self._reuse_known()
            if 0 in self.rows and self._over is None and self.extractor.capability is None:
                self.state = VariantState.PROBING
                known = await self.extractor.learn()
                if reuse:
                    # The probe can find another form than before, and one variant has one form.
                    self.reused, self.tally = bytearray(len(self.rows)), _Tally()
                    self.rows = array("q", bytes(8 * len(self.rows)))
                    await self._reuse(known.form)
            if 0 in self.rows and self._over is None:
                self.state = VariantState.ASKING
                waiting = (index for index in range(len(self.rows)) if not self.rows[index])
                async with asyncio.TaskGroup() as group:
                    for _ in range(min(most, self.rows.count(0))):
                        group.create_task(self._work(waiting))
        except LLMWidgetsError as error:
            self._over = to_failure(error, self.extractor.variant)
        except Exception as error:  # noqa: BLE001 - the other variants go on
            self._over = internal_failure(error, self.extractor.variant)
        if self._over is not None:
            self._end(self._unasked(self._over))
        self.state, self.finished = VariantState.DONE, True

    def stop(self) -> None:
        """Finish what is open."""
        self.finished = True
        if 0 in self.rows:
            self.state = VariantState.STOPPED
            failure = Stopped(
                "The run was stopped before this text was answered.", "Run it again to go on."
            )
            self._end(Row.of_failure("", failure))

    def _end(self, row: Row) -> None:
        """Finish every open extraction with this row."""
        if 0 in self.rows:
            row_id = self._journal.put(row)
            for index in range(len(self.rows)):
                if not self.rows[index]:
                    self._note(index, row_id, row, reused=False)

    # -- reuse -----------------------------------------------------------------------------------

    async def _reuse_known(self) -> None:
        """Reuse what can be found without a call, which needs neither a key nor the network."""
        known = self.extractor.capability
        if known is not None:
            await self._reuse(known.form)
        if 0 in self.rows and (known is None or not known.tried):
            # What is known from a list can have been refused, and asked in a lower form: that of
            # the newest row of the first questions.
            before = [
                (row.id, form)
                for form in ResponseFormat
                for index in range(min(_SAMPLE, len(self.rows)))
                if (row := self._journal.find(self._key(index, form))) is not None
            ]
            if before:
                await self._reuse(max(before)[1])

    async def _reuse(self, form: ResponseFormat) -> None:
        schemas = set[Schema]()
        for index, row_id in enumerate(self.rows):
            if index % _BREATH == 0:
                await asyncio.sleep(0)
            schemas.add(self.texts[index // self.repeats].schema)
            row = None if row_id else self._journal.find(self._key(index, form))
            if row is not None:
                self._take(index, row)
        for schema in schemas:
            await self._relabel(schema)

    def _take(self, index: int, row: Row, *, reused: bool = True) -> Row:
        text = self.texts[index // self.repeats]
        if row.schema_shown is False:
            self.extractor.mark_unenforced(text.schema)
        # A pydantic class can have changed its own checks under the same JSON Schema.
        judged = row
        said = row.reply or ""
        words = find_answer(said, row.mode)
        # A reply can be from before blocks in prose were read.
        block = row.status == "InvalidJSON" and words is not said
        if block:
            judged = replace(row, notes=(*row.notes, FENCED), id=0)
        if block or row.status in {"ok", "InvalidRecord"}:
            judged = self.extractor.judge(judged, text, parse_reply(words))
        same = row.id and judged.status == row.status
        self._note(index, row.id if same else self._journal.put(judged), judged, reused=reused)
        return judged

    # -- asking ----------------------------------------------------------------------------------

    async def _work(self, waiting: Iterator[int]) -> None:
        for index in waiting:
            if self._over is not None:
                return
            row = await self._ask(index)
            if row.status != "ok":
                self._give_up_if_hopeless(row)
            else:
                self._in_a_row = 0
            await self._relabel(self.texts[index // self.repeats].schema)

    async def _ask(self, index: int) -> Row:
        """How the question ended, noted: asked here, or by another run that asks it just now."""
        extractor, text, begun = self.extractor, self.texts[index // self.repeats], False

        async def ask() -> Row:
            nonlocal begun
            begun = True
            return await extractor.ask(text, partial(self._key, index))

        while not begun:
            if not self._run.reuse:
                row = await ask()
                break
            kept = self._answered_meanwhile(index)
            if kept is not None:
                return self._take(index, kept)
            # In whatever form: what the server takes is found out on the way.
            question = self._key(index, ResponseFormat.TEXT), self._access
            row, ours = await shared_calls().join(question, self._run, ask)
            if not begun and self._holds_here(row):
                return self._take_shared(index, row, ours=ours)
        self._note(index, self._journal.put(row), row, reused=False)
        return row

    def _answered_meanwhile(self, index: int) -> Row | None:
        """What another run was asking when this one looked can be answered by now."""
        known = self.extractor.capability
        if known is None or not shared_calls().overlapped(self._run):
            return None
        return self._journal.find(self._key(index, known.form))

    def _holds_here(self, row: Row) -> bool:
        """Whether what another run's call ended in is true of this one as well.

        A failure that names another connection is not, nor one of the other run itself: that of a
        budget names none, and policies differ.
        """
        named = row.label == self.extractor.connection.label
        return row.answered or (named and row.code != FailureCode.POLICY)

    def _take_shared(self, index: int, row: Row, *, ours: bool) -> Row:
        """Take what another run's call ended in; `ours` to pay if that run was stopped."""
        if ours:
            self.extractor.budget.spent += row.cost or 0.0
        kept = self._journal.find(row.key) if row.answered else None
        paid_there = not ours and (row.answered or row.cost is not None)
        return self._take(index, kept or row, reused=paid_there)

    async def _relabel(self, schema: Schema) -> None:
        """Give all replies one mode if a later one showed that the schema is not enforced."""
        if schema in self.relabelled or not self.extractor.builder(schema).unenforced:
            return
        self.relabelled.add(schema)
        for index in range(len(self.rows)):
            if index % _BREATH == 0:
                await asyncio.sleep(0)
            if not self.rows[index] or self.texts[index // self.repeats].schema != schema:
                continue
            row = self._journal.get(self.rows[index])
            if row.mode is Enforcement.SCHEMA:
                self.rows[index] = self._journal.put(unenforced_row(row, OTHERS_BROKE))
                self._ended(index)

    def _give_up_if_hopeless(self, row: Row) -> None:
        self._in_a_row = self._in_a_row + 1 if row.status in _DEAD else 0
        hopeless = self._in_a_row >= DEAD_AFTER or row.code == FailureCode.POLICY
        if hopeless or row.status == "OverBudget":
            self._over = self._over or row.failure()

    def _note(self, index: int, row_id: int, row: Row, *, reused: bool) -> None:
        self.rows[index], self.reused[index], tally = row_id, reused, self.tally
        tally.done += 1
        tally.broken += BROKE in row.notes
        tally.fenced += FENCED in row.notes
        if row.status != "ok":
            tally.failures[row.status] += 1
        if row.answered and row.seconds is not None:
            insort(tally.seconds, row.seconds)
        if reused:
            tally.reused += 1
            tally.paid_before += row.cost or 0.0
        elif row.cost is not None:
            tally.cost += row.cost
        elif row.answered:
            tally.unpriced = True
        self._ended(index)

    def _unasked(self, failure: Failure) -> Row:
        """The row of every text that is left, with their number."""
        row, left = Row.of_failure("", failure), self.rows.count(0)
        if not self.tally.done:
            sentence = "No text was asked." if left > 1 else ""
        else:
            sentence = f"{count(left, 'more text was', 'more texts were')} not asked."
        return replace(row, message=f"{row.message} {sentence}".rstrip()) if left else row

    def _key(self, index: int, form: ResponseFormat) -> str:
        """The journal's key: the same question, asked the same way, for the n-th time."""
        text, repeat = divmod(index, self.repeats)
        schema = self.texts[text].schema
        if (schema, form) not in self._prefixes:
            self._prefixes[schema, form] = self.extractor.builder(schema).prefix(form)
        # Identical texts are counted, so that each of them is asked.
        digest, occurrence = self._digests[text]
        whole = self._prefixes[schema, form].copy()
        whole.update(digest + f"{occurrence}:{repeat}".encode())
        return whole.hexdigest()
