"""One variant of a run: what is reused, what is asked, and when asking stops making sense."""

from __future__ import annotations

import asyncio
import hashlib
from array import array
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from functools import partial
from typing import TYPE_CHECKING

from llmwidgets.analysis.statistics.running_median import RunningMedian
from llmwidgets.dialects.types import Enforcement, ResponseFormat
from llmwidgets.engine.endings import (
    FENCED,
    find_answer,
    internal_failure,
    parse_reply,
    stopped_early,
    to_failure,
)
from llmwidgets.engine.extraction import (
    BROKE,
    OTHERS_BROKE,
    Extractor,
    unenforced_row,
)
from llmwidgets.engine.journal import Row
from llmwidgets.engine.network.pacing import PauseReason
from llmwidgets.engine.runs.progress import VariantProgress, VariantState
from llmwidgets.engine.shared_calls import shared_calls
from llmwidgets.errors import Failure, FailureCode, LLMWidgetsError
from llmwidgets.formatting import count
from llmwidgets.schemas import Schema

if TYPE_CHECKING:
    from llmwidgets.engine.run import Run


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
    seconds: RunningMedian = field(default_factory=RunningMedian)
    broken: int = 0
    """Replies that did not keep to the schema they were sent under, to be enforced."""
    fenced: int = 0
    """Replies of which only the fenced block was read."""


class VariantRun:
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
        self._questions: dict[Schema, bytes] = {}
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
        return VariantProgress(
            label=self.label,
            total=len(self.rows),
            done=tally.done,
            failures=dict(tally.failures),
            reused=tally.reused,
            median_seconds=tally.seconds.median,
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
                self._turn(VariantState.PROBING)
                known = await self.extractor.learn()
                if reuse:
                    # The probe can find another form than before, and one variant has one form.
                    self.reused, self.tally = bytearray(len(self.rows)), _Tally()
                    self.rows = array("q", bytes(8 * len(self.rows)))
                    await self._reuse(known.form)
            if 0 in self.rows and self._over is None:
                self._turn(VariantState.ASKING)
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

    def _turn(self, state: VariantState) -> None:
        """Do something else, of which the observer hears at once: it can be long until a reply."""
        self.state = state
        self._run.announce()

    def stop(self) -> None:
        """Finish what is open."""
        self.finished = True
        if 0 in self.rows:
            self.state = VariantState.STOPPED
            self._end(Row.of_failure("", stopped_early()))

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
            form = self._form_before()
            if form is not None:
                await self._reuse(form)

    def _form_before(self) -> ResponseFormat | None:
        """The form of the newest row of the first questions; None where none was answered.

        What is known from a list can have been refused, and asked in a lower form.
        """
        before = [
            (row.id, form)
            for form in ResponseFormat
            for index in range(min(_SAMPLE, len(self.rows)))
            if (row := self._journal.find(self._key(index, form))) is not None
        ]
        return max(before)[1] if before else None

    def answered_before(self) -> dict[int, Row]:
        """What a run would reuse before its first call, by index; nothing is taken or asked."""
        known, found = self.extractor.capability, dict[int, Row]()
        forms = [] if known is None else [known.form]
        if known is None or not known.tried:
            forms += filter(None, [self._form_before()])
        for form in forms:
            for index in range(len(self.rows)):
                if index not in found and (row := self._journal.find(self._key(index, form))):
                    found[index] = row
        return found

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
        extractor, text = self.extractor, self.texts[index // self.repeats]
        begun, row_id = False, 0

        async def ask() -> Row:
            nonlocal begun, row_id
            begun = True
            row = await extractor.ask(text, partial(self._key, index))
            # Within the call: whoever asks the same meanwhile finds the call or the row. One that
            # has outlived this run belongs to those who wait for it still.
            if not self.finished:
                row_id = await self._run.commits.put(row)
            return row

        while not begun:
            if not self._run.reuse:
                row = await ask()
                break
            kept = self._answered_meanwhile(index)
            if kept is not None:
                return self._take(index, kept)
            question = self._question(index), self._access
            row, ours = await shared_calls().join(question, self._run, ask)
            if not begun and self._holds_here(row):
                return self._take_shared(index, row, ours=ours)
        self._note(index, row_id or self._journal.put(row), row, reused=False)
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
            tally.seconds.add(row.seconds)
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

    def _question(self, index: int) -> tuple[object, ...]:
        """The question in whatever form: what the server takes is found out on the way."""
        text, repeat = divmod(index, self.repeats)
        schema = self.texts[text].schema
        if schema not in self._questions:
            self._questions[schema] = self._prefix(schema, ResponseFormat.TEXT).digest()
        return self._questions[schema], *self._digests[text], repeat

    def _key(self, index: int, form: ResponseFormat) -> str:
        """The journal's key: the same question, asked the same way, for the n-th time."""
        text, repeat = divmod(index, self.repeats)
        # Identical texts are counted, so that each of them is asked.
        digest, occurrence = self._digests[text]
        whole = self._prefix(self.texts[text].schema, form).copy()
        whole.update(digest + f"{occurrence}:{repeat}".encode())
        return whole.hexdigest()

    def _prefix(self, schema: Schema, form: ResponseFormat) -> hashlib._Hash:
        prefix = self._prefixes.get((schema, form))
        if prefix is None:
            prefix = self._prefixes[schema, form] = self.extractor.builder(schema).prefix(form)
        return prefix
