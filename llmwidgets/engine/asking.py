"""Asking: the one path from a question to its row. Encode, send, decode, restore, judge."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from llmwidgets.dialects.messages import BEST, Capability, Form, Mode, Payload, Reply, Usage
from llmwidgets.engine import capability as capabilities
from llmwidgets.engine import gate
from llmwidgets.engine.budget import Budget
from llmwidgets.engine.cut_input import cut_input
from llmwidgets.engine.diagnosis import diagnose
from llmwidgets.engine.journal import Row
from llmwidgets.engine.pacing import Pace, Tried, persist
from llmwidgets.engine.plan import Column, Text
from llmwidgets.engine.question import Dropped, Manner
from llmwidgets.engine.served import served_note
from llmwidgets.engine.token_count import tokens_in
from llmwidgets.errors import (
    BadRequest,
    CutInput,
    Failure,
    Filtered,
    Forbidden,
    LLMWidgetsError,
    PolicyError,
    QuotaExhausted,
    Refused,
    Truncated,
    Unauthorized,
    UnknownModel,
    Unreachable,
)
from llmwidgets.providers.prices import cost
from llmwidgets.schemas import Schema, parse_json

if TYPE_CHECKING:
    from llmwidgets.connections.policy import Policy

_DEPLOYED = frozenset({"azure_openai", "azure_ai_foundry"})
_OF_THE_CONNECTION = (Unreachable, Unauthorized, Forbidden, UnknownModel, QuotaExhausted)
"""Failures that a change of the connection mends, so that they are told as its check tells them."""
Key = Callable[[Form], str]


class Asker:
    """Asks one column's questions; what the server refused once is left out of the next ones."""

    def __init__(
        self, column: Column, *, policy: Policy, pace: Pace, budget: Budget | None = None
    ) -> None:
        self.column, self.policy, self.pace = column, policy, pace
        self.budget = budget or Budget()
        self.connection, self.model = column.connection, column.model
        self.dialect = column.connection.dialect
        self.target = column.connection.target(column.model)
        self.capability = capabilities.known(self.connection, self.model)
        self.dropped = Dropped()
        self._manners: dict[Schema, Manner] = {}

    def manner(self, schema: Schema) -> Manner:
        """How this column asks about this schema; made once."""
        if schema not in self._manners:
            self._manners[schema] = Manner(self.column, schema)
        return self._manners[schema]

    async def learn(self) -> Capability:
        """Find out what the model enforces, by a probe where nothing is known.

        Raises what the calls raise.
        """
        if self.capability is None:
            self.capability = await capabilities.find(
                self.connection, self.model, policy=self.policy, pace=self.pace
            )
        return self.capability

    async def ask(self, text: Text, key: Key = lambda _form: "") -> Row:
        """How the question ended; every failure is a row, nothing but a cancel is raised.

        `key` gives the journal's key for the form in which the question was put.
        """
        tried = Tried()
        try:
            return await self._ask(text, key, tried)
        except LLMWidgetsError as error:
            failure = as_failure(error, self.column)
            row = replace(Row.of_failure("", failure), **self._circumstances(text, key, tried))
            return self._told(row, error)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - one odd text must not lose the run
            failure = internal(error, self.column)
        return replace(Row.of_failure("", failure), **self._circumstances(text, key, tried))

    def _told(self, row: Row, error: LLMWidgetsError) -> Row:
        """The row in the words of the form, where a change of the connection mends the error."""
        if not isinstance(error, _OF_THE_CONNECTION):
            return row
        told = diagnose(error, self.connection, model=self.model)
        return replace(row, message=told.sentence, hint=told.hint or row.hint)

    async def _ask(self, text: Text, key: Key, tried: Tried) -> Row:
        await self.learn()
        await capabilities.warm(self.connection, self.model, policy=self.policy)
        while True:
            sent = self.capability, self.dropped
            try:
                payload, reply = await persist(self.pace, lambda: self._once(text), tried)
            except Failure as error:
                if not self._adapted(error, *sent):
                    raise
                continue
            return self._judged(text, key, payload, reply, tried)

    async def _once(self, text: Text) -> tuple[Payload, Reply]:
        manner = self.manner(text.schema)
        assert self.capability is not None
        request, target = self.dropped.apply(manner.request(text, self.capability), self.target)
        call = self.dialect.encode(request, target)
        async with self.budget.reserve(self._worst(text)) as bill:
            try:
                payload = await gate.send(
                    self.connection,
                    self.model,
                    call,
                    policy=self.policy,
                    total=gate.total_seconds(self.connection, thinking=manner.thinking),
                )
                if payload.status >= 400:
                    raise self.dialect.explain(payload, call=call)
                reply = self.dialect.decode(payload, call=call)
            except LLMWidgetsError as error:
                bill.dollars = None if getattr(error, "perhaps_answered", False) else 0.0
                raise
            bill.dollars = self.cost(reply.usage, reply.served_model)
        return payload, reply

    def _worst(self, text: Text) -> float | None:
        """The most that a call can cost; not worked out where there is no budget."""
        if self.budget.dollars is None:
            return None
        manner = self.manner(text.schema)
        return self.cost(Usage(tokens_in(manner, text).high, manner.max_output_tokens))

    def _adapted(self, error: Failure, sent: Capability | None, left_out: Dropped) -> bool:
        """Whether the question can be put in another way that the server may take."""
        if (self.capability, self.dropped) != (sent, left_out):
            return getattr(error, "code", "").startswith(("unsupported", "response", "invalid_sch"))
        dropped = self.dropped.with_refused(error, self.dialect)
        if dropped is not None:
            self.dropped = dropped
            return True
        if sent is None or not self.dialect.form_refused(error):
            return False
        lower = next(self._below(sent.form), None)
        if lower is None:
            return False
        tried = (*sent.tried, (sent.form, f"refused, {getattr(error, 'status', 0)}", False))
        self.capability = Capability(lower, BEST[lower], tried)
        if getattr(error, "code", "") == "response_format":
            capabilities.learn(self.connection, self.model, self.capability)
        return True

    def _below(self, form: Form) -> Iterator[Form]:
        """The looser forms of this dialect; none that promises as much as the refused one."""
        ladder = self.dialect.LADDER
        looser = ladder[ladder.index(form) + 1 :] if form in ladder else ()
        return (each for each in looser if BEST[each] is not Mode.SCHEMA)

    def _judged(self, text: Text, key: Key, payload: Payload, reply: Reply, tried: Tried) -> Row:
        row = Row(
            status="ok",
            reply=reply.explanation if reply.ending == "refused" else reply.text,
            usage=reply.usage,
            seconds=payload.seconds,
            waiting_seconds=payload.first_byte_seconds,
            cost=self.cost(reply.usage, reply.served_model),
            served_model=reply.served_model,
            request_id=reply.request_id,
            **self._circumstances(text, key, tried),
        )
        told = served_note(self.connection, self.model, reply.served_model)
        row = replace(row, notes=(*row.notes, told)) if told else row
        manner = self.manner(text.schema)
        cut = cut_input(self.connection, manner, text, reply.usage.input_tokens)
        return self.judge(row, text, ending_of(reply, manner, cut))

    def judge(self, row: Row, text: Text, ended: Failure | None = None) -> Row:
        """The row with the class that the user's own schema gives its reply."""
        try:
            if ended is not None:
                raise ended
            data = self.manner(text.schema).compiled.restore(parse_json(row.reply or ""))
            text.schema.judge(data)
        except LLMWidgetsError as error:
            told = Row.of_failure(row.key, as_failure(error, self.column))
            return replace(row, status=told.status, message=told.message, hint=told.hint)
        return row if row.status == "ok" else replace(row, status="ok", message="", hint="")

    def cost(self, usage: Usage, served: str | None = None) -> float | None:
        """US dollars by the column's own price, the connection's, or the price list.

        A deployment's own name is in no price list; the model that answered for it is.
        """
        own = self.column.price or self.connection.fields.price
        provider, now = self.connection.provider, datetime.now(UTC)
        priced = cost(own, provider, self.model, usage, now, self.target.url)
        if priced is None and served and self.connection.kind in _DEPLOYED:
            return cost(own, provider, served, usage, now, self.target.url)
        return priced

    def _circumstances(self, text: Text, key: Key, tried: Tried) -> dict[str, Any]:
        known, manner = self.capability, self.manner(text.schema)
        form, mode = manner.sent(known) if known else (None, None)
        notes = manner.notes + self.dropped.notes
        if tried.perhaps_answered:
            notes += (f"{tried.perhaps_answered} try was perhaps answered and paid unseen.",)
        return {
            "key": key(known.form) if known else "",
            "form": form,
            "mode": mode,
            "tries": tried.tries,
            "notes": notes,
            "dropped": tuple(sorted(self.dropped.names)),
        }


def ending_of(reply: Reply, manner: Manner, cut: CutInput | None) -> Failure | None:
    """The failure that a reply is before it is read, or None; `cut` where the input was cut."""
    if reply.ending == "refused":
        return Refused("The model declined to answer.", "Its own words are kept with the reply.")
    if reply.ending == "filtered":
        category = f" ({reply.explanation})" if reply.explanation else ""
        return Filtered(f"The provider's safety filter stopped this text or its answer{category}.")
    if cut is not None:
        return cut
    if reply.ending == "truncated" and reply.explanation:
        return Truncated(
            reply.explanation, "Ask fewer fields, split the text, or take another model."
        )
    if reply.ending == "truncated":
        return Truncated(
            f"The answer reached the output limit of {manner.max_output_tokens} tokens.",
            "Raise max_output_tokens of this variant, lower its thinking, or ask fewer fields.",
        )
    return None


def as_failure(error: LLMWidgetsError, column: Column) -> Failure:
    """The class an extraction ends in for an error that is no failure by itself."""
    if isinstance(error, Failure):
        return error
    kind = Forbidden if isinstance(error, PolicyError) else BadRequest
    code = "policy" if isinstance(error, PolicyError) else "field"
    return kind(
        error.message, error.hint, label=column.connection.label, model=column.model, code=code
    )


def internal(error: BaseException, column: Column) -> BadRequest:
    """The failure for an error of this package; its words stay here, they may hold the text."""
    return BadRequest(
        f"An internal error ({type(error).__name__}) ended this extraction.",
        "The other texts went on; report it with the class named here.",
        label=column.connection.label,
        model=column.model,
        code="internal",
    )
