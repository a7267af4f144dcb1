"""One column of a run: what is reused, what is asked, and when asking stops making sense."""

from __future__ import annotations

import asyncio
import hashlib
from array import array
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial

from llmwidgets.dialects.types import Form, Mode
from llmwidgets.engine import defaults
from llmwidgets.engine.endings import as_failure, internal
from llmwidgets.engine.enforcement import BROKE, OTHERS_BROKE, unheld_row
from llmwidgets.engine.extractor import Asker
from llmwidgets.engine.journal.journal import Journal
from llmwidgets.engine.journal.row import Row
from llmwidgets.engine.plan import Text
from llmwidgets.engine.progress import Tally
from llmwidgets.engine.request_builder import key_of
from llmwidgets.errors import Failure, LLMWidgetsError
from llmwidgets.schemas import Schema

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
        asker: Asker,
        texts: tuple[Text, ...],
        marks: list[tuple[bytes, int]],
        repeats: int,
        journal: Journal,
        ended: Callable[[int], None],
    ) -> None:
        self.asker, self.texts, self.marks, self.repeats = asker, texts, marks, repeats
        self.journal, self._ended = journal, ended
        self.rows = array("q", bytes(8 * len(texts) * repeats))
        self.reused = bytearray(len(self.rows))
        self.tally = Tally(asker.column.label, len(self.rows))
        self.broken = 0
        """Replies that did not keep to the schema they were sent under, to be enforced."""
        self._relabelled: set[Schema] = set()
        self._prefixes: dict[tuple[Schema, Form], hashlib._Hash] = {}
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
            self.end(self._unasked(as_failure(error, self.asker.column)))
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - the other columns go on
            self.end(self._unasked(internal(error, self.asker.column)))
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

    async def _reuse(self, form: Form) -> None:
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

    def _form_of_before(self) -> Form | None:
        """The form of the newest row of the first questions; None where there is none."""
        found = [
            (row.id, form)
            for form in Form
            for index in range(min(_SAMPLE, len(self.rows)))
            if (row := self.journal.find(self._key(index, form))) is not None
        ]
        return max(found)[1] if found else None

    def _forget(self) -> None:
        for index in range(len(self.rows)):
            self.rows[index] = self.reused[index] = 0
        self.broken = 0
        self.tally = replace(Tally(self.tally.label, self.tally.total), state=self.tally.state)

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
            if row.mode is Mode.SCHEMA:
                self.rows[index] = self.journal.put(unheld_row(row, OTHERS_BROKE))
                self._ended(index)

    def _watch(self, row: Row) -> None:
        self._in_a_row = self._in_a_row + 1 if row.status in _DEAD else 0
        hopeless = self._in_a_row >= defaults.DEAD_AFTER or row.code == "policy"
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

    def _text(self, index: int) -> Text:
        return self.texts[index // self.repeats]

    def _form(self) -> Form:
        assert self.asker.capability is not None
        return self.asker.capability.form

    def _key(self, index: int, form: Form) -> str:
        schema = self._text(index).schema
        prefix = self._prefixes.get((schema, form))
        if prefix is None:
            prefix = self.asker.manner(schema).prefix(form)
            self._prefixes[schema, form] = prefix
        digest, occurrence = self.marks[index // self.repeats]
        return key_of(prefix, digest, occurrence, index % self.repeats)
