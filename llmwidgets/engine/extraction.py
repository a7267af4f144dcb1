"""Extraction: one text asked of one variant, and how it ended; read from its journal row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from llmwidgets import formatting
from llmwidgets.dialects.types import Capability, Enforcement, Usage
from llmwidgets.engine.journal.row import Row
from llmwidgets.engine.request_builder import (
    Document,
    DroppedParameters,
    RequestBuilder,
    ResolvedVariant,
)
from llmwidgets.engine.server_facts import recall_facts
from llmwidgets.errors import Failure, InvalidRecord
from llmwidgets.schemas import Loss, parse_json
from llmwidgets.visible import escape_controls


def _no_request() -> dict[str, Any]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Extraction:
    """How one text asked of one variant ended: a record, or a failure with its class.

    `status` is "ok" or the failure's class. `data` is plain JSON, `record` the pydantic object
    where the schema is a pydantic class, else the JSON; an InvalidRecord has `data` and no
    `record`. `seconds` is the time the model took, waits for a turn left out; the part of it
    until the reply began is `waiting_seconds`, the rest `answering_seconds`; `cost` is in US
    dollars, None where the price is unknown. `paid_before` tells when a reused reply was paid.
    `timed_out` of its `tries` took too long; `asked` is False where the question was never put.
    """

    variant: str
    text_id: str
    repeat: int = 0
    model: str = ""
    status: str = "ok"
    data: Any = field(default=None, repr=False)
    record: Any = field(default=None, repr=False)
    failure: Failure | None = None
    mode: Enforcement | None = None
    usage: Usage = field(default_factory=Usage)
    seconds: float | None = None
    waiting_seconds: float | None = None
    cost: float | None = None
    served_model: str | None = None
    losses: tuple[Loss, ...] = ()
    reply_text: str | None = field(default=None, repr=False)
    request_id: str | None = None
    tries: int = 0
    timed_out: int = 0
    asked: bool = True
    notes: tuple[str, ...] = ()
    paid_before: datetime | None = None
    encoded: Callable[[], dict[str, Any]] = field(default=_no_request, repr=False, compare=False)

    @property
    def ok(self) -> bool:
        """Whether there is a valid record."""
        return self.status == "ok"

    @property
    def request(self) -> dict[str, Any]:
        """The request as it was sent, every secret cut; empty where nothing was asked."""
        return self.encoded()

    @property
    def answering_seconds(self) -> float | None:
        """The time from the reply's beginning to its end; None where it was not measured."""
        if self.seconds is None or self.waiting_seconds is None:
            return None
        return max(0.0, self.seconds - self.waiting_seconds)

    def __repr__(self) -> str:
        parts = [f"{self.variant}, text {self.text_id}", self.status]
        if self.mode:
            parts.append(self.mode)
        if self.seconds is not None:
            parts.append(f"{formatting.seconds(self.seconds)} s")
        parts.append("cost unknown" if self.cost is None else formatting.dollars(self.cost))
        return escape_controls(f"Extraction({', '.join(parts)})")


def read(
    column: ResolvedVariant, text: Document, repeat: int, row: Row, *, reused: bool = False
) -> Extraction:
    """The extraction that a journal's row holds for this column and text."""
    compiled = text.schema.compile(column.connection.dialect.SUBSET)
    status, data, record, failure = row.status, None, None, row.failure()
    if row.reply is not None and status in {"ok", "InvalidRecord"}:
        data = compiled.restore(parse_json(row.reply))
    if status == "ok":
        try:
            record = text.schema.judge(data)
        except InvalidRecord as error:
            status, failure = "InvalidRecord", error
    return Extraction(
        variant=column.label,
        text_id=text.id,
        repeat=repeat,
        model=column.model,
        status=status,
        data=data,
        record=record,
        failure=failure,
        mode=row.mode,
        usage=row.usage,
        seconds=row.seconds,
        waiting_seconds=row.waiting_seconds,
        cost=row.cost,
        served_model=row.served_model,
        losses=compiled.losses,
        reply_text=row.reply,
        request_id=row.request_id,
        tries=row.tries,
        timed_out=row.timed_out,
        asked=row.asked,
        notes=row.notes,
        paid_before=row.when if reused else None,
        encoded=lambda: _encoded(column, text, row),
    )


def _encoded(column: ResolvedVariant, text: Document, row: Row) -> dict[str, Any]:
    if row.form is None or row.mode is None or not row.tries:
        return {}
    dropped, learned = (
        DroppedParameters(frozenset(row.dropped)),
        recall_facts(column.connection, row.known_as),
    )
    manner = RequestBuilder(column, text.schema, learned, levels=dropped.levels)
    question = manner.request(text, Capability(row.form, row.mode), row.output_limit)
    if row.schema_shown is not None:
        question = replace(question, schema_in_prompt=row.schema_shown)
    request, target = dropped.apply(question, manner.target)
    return dict(column.connection.dialect.encode(request, target).shown())
