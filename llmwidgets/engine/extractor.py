"""Asking: the one path from a question to its row. Encode, send, decode, restore, judge."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from llmwidgets.connections.catalog import own_price
from llmwidgets.dialects.token_limits import TokenLimits
from llmwidgets.dialects.types import BEST, Capability, Form, Mode, Payload, Reply, Request, Usage
from llmwidgets.engine import capability as capabilities
from llmwidgets.engine import server_facts
from llmwidgets.engine.budget import Budget, dollars
from llmwidgets.engine.diagnosis import diagnose
from llmwidgets.engine.endings import as_failure, ending_of, internal
from llmwidgets.engine.enforcement import BROKE, OTHERS_BROKE, UNHELD, relied_on, unheld_row
from llmwidgets.engine.free_calls import list_models
from llmwidgets.engine.journal.row import Row
from llmwidgets.engine.model_substitution import served_note
from llmwidgets.engine.network import echoes, egress
from llmwidgets.engine.network.retry import Pace, Tried, persist
from llmwidgets.engine.plan import Column, Text
from llmwidgets.engine.request_builder import Dropped, Manner
from llmwidgets.engine.token_count import output_limit, tokens_in, tokens_out
from llmwidgets.engine.truncation import cut_input
from llmwidgets.errors import (
    BadRequest,
    Failure,
    Forbidden,
    LLMWidgetsError,
    QuotaExhausted,
    TooLong,
    Unauthorized,
    UnknownModel,
    Unreachable,
)
from llmwidgets.schemas import Schema, parse_json
from llmwidgets.visible import visible

if TYPE_CHECKING:
    from llmwidgets.connections.policy import Policy


_OF_THE_CONNECTION = (Unreachable, Unauthorized, Forbidden, UnknownModel, QuotaExhausted)
"""Failures that a change of the connection mends, so that they are told as its check tells them."""
_TOLD = ("status", "message", "hint", "label", "model", "code")
Key = Callable[[Form], str]


class Asker:
    """Asks one column's questions; what the server refused once is left out of the next ones."""

    def __init__(
        self, column: Column, *, policy: Policy, pace: Pace, budget: Budget | None = None
    ) -> None:
        self.column, self.policy, self.pace = column, policy, pace
        self.budget = budget or Budget()
        self.connection, self.model = column.connection, column.model
        echoes.watch_connection(column.connection)
        self.dialect = column.connection.dialect
        self.target = column.connection.target(column.model)
        self.capability = capabilities.known(self.connection, self.model)
        self.dropped = Dropped()
        self._own_price = column.price or own_price(self.connection, column.model)
        self._manners: dict[tuple[Schema, server_facts.Learned, bool], Manner] = {}
        self._first = asyncio.Lock()

    def manner(self, schema: Schema) -> Manner:
        """How this column asks about this schema now; made anew when more is known."""
        known = server_facts.of(self.connection, self.model)
        key = schema, known, self.dropped.levels
        if key not in self._manners:
            made = Manner(self.column, schema, known, levels=self.dropped.levels)
            made.unheld = capabilities.unheld(self.connection, self.model, schema)
            self._manners[key] = made
        return self._manners[key]

    def unhold(self, schema: Schema) -> None:
        """From now on this schema counts as not enforced, and is put into the prompt as well."""
        for (of, *_), manner in self._manners.items():
            manner.unheld = manner.unheld or of == schema
        capabilities.unhold(self.connection, self.model, schema)

    async def learn(self) -> Capability:
        """Find out what the model enforces, by a probe where nothing is known.

        Raises what the calls raise.
        """
        if self.capability is None:
            await self._read_window()
            self.capability = await capabilities.find(
                self.connection, self.model, policy=self.policy, pace=self.pace
            )
        return self.capability

    async def _read_window(self) -> None:
        """Ask a server of the user's own how long its window is; many do not say."""
        hosted = self.connection.provider.self_hosted
        if hosted and not server_facts.of(self.connection, self.model).window:
            with contextlib.suppress(LLMWidgetsError):
                listed = await list_models(self.connection, self.model, policy=self.policy)
                server_facts.from_list(self.connection, self.model, listed)

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
            row = Row.of_failure("", internal(error, self.column, tried), tries=tried.tries)
        try:
            return replace(row, **self._circumstances(text, key, tried))
        except Exception:  # noqa: BLE001 - the same bug again: the row says enough
            return row

    def _told(self, row: Row, error: LLMWidgetsError) -> Row:
        """The row in the words of the form, where a change of the connection mends the error."""
        if not isinstance(error, _OF_THE_CONNECTION):
            return row
        told = diagnose(error, self.connection, model=self.model)
        message = told.sentence + self.pace.outage.told(error)
        return replace(row, message=message, hint=told.hint or row.hint)

    async def _ask(self, text: Text, key: Key, tried: Tried) -> Row:
        await self.learn()
        await capabilities.warm(self.connection, self.model, policy=self.policy)
        # What answers for a deployment is told by its first answer: the others wait for that.
        if self._unknown(text.schema):
            async with self._first:
                if self._unknown(text.schema):
                    return await self._answered(text, key, tried)
        return await self._answered(text, key, tried)

    def _known_late(self, asked: _Asked) -> str:
        """A sentence where this very answer told what the model is, too late for itself."""
        if asked.manner.facts is not None or self.column.effort == "vendor":
            return ""
        now = server_facts.of(self.connection, self.model)
        if now.facts is None:
            return ""
        return (
            f"This answer showed that {self.model} is {now.served}: it was asked with the vendor's "
            "own thinking, and the other texts are asked with the level that was chosen."
        )

    def _unknown(self, schema: Schema) -> bool:
        if not self.connection.provider.deployments:
            return False
        manner = self.manner(schema)
        return manner.facts is None and not manner.learned.answered

    async def _answered(self, text: Text, key: Key, tried: Tried) -> Row:
        lowered: int | None = None
        while True:
            sent = self.capability, self.dropped
            asked = self._asked(text, lowered)
            try:
                answer = await persist(self.pace, partial(self._once, text, asked), tried)
            except Failure as error:
                room = None if lowered else self._room(error, text, asked)
                if room is None and not self._adapted(error, *sent):
                    raise
                lowered = room or lowered
                continue
            return self._judged(text, key, answer, tried, asked)

    def _room(self, error: Failure, text: Text, asked: _Asked) -> int | None:
        """How many tokens an answer can have by the words of a refusal; None where it tells none.

        What it tells is remembered for the other texts. Where it names the window alone, the
        question is estimated.
        """
        limits = getattr(error, "limits", None)
        if not isinstance(error, TooLong | BadRequest) or not isinstance(limits, TokenLimits):
            return None
        room = limits.room(asked.limit)
        if room is None and limits.window is not None:
            room = limits.window - tokens_in(asked.manner, text).high
        if room is None or not tokens_out(asked.manner).low <= room < asked.limit:
            return None
        server_facts.from_refusal(self.connection, self.model, limits)
        return room

    async def _once(self, text: Text, asked: _Asked) -> _Answer:
        manner = asked.manner
        assert self.capability is not None
        question = manner.request(text, self.capability, asked.limit)
        request, target = self.dropped.apply(question, manner.target)
        call = self.dialect.encode(request, target)
        async with self.budget.reserve(self._worst(text, asked)) as bill:
            try:
                payload = await egress.send(
                    self.connection,
                    self.model,
                    call,
                    policy=self.policy,
                    total=egress.total_seconds(self.connection, thinking=manner.thinking),
                )
                if payload.status >= 400:
                    raise self.dialect.explain(payload, call=call)
                reply = self.dialect.decode(payload, call=call)
            except LLMWidgetsError as error:
                bill.dollars = None if getattr(error, "perhaps_answered", False) else 0.0
                raise
            bill.dollars = self.cost(reply.usage, reply.served_model)
        server_facts.from_reply(self.connection, self.model, reply.served_model)
        return _Answer(payload, reply, request, bill.dollars)

    def _asked(self, text: Text, lowered: int | None = None) -> _Asked:
        manner = self.manner(text.schema)
        # Another column of this model may have seen it meanwhile.
        if not manner.unheld and capabilities.unheld(self.connection, self.model, text.schema):
            self.unhold(text.schema)
        # What the server counted is more exact than the estimate.
        most = output_limit(manner, text) if lowered is None else lowered
        return _Asked(manner, min(manner.max_output_tokens, most))

    def _worst(self, text: Text, asked: _Asked) -> float | None:
        """The most that a call can cost; not worked out where there is no budget."""
        if self.budget.dollars is None:
            return None
        usage = Usage(tokens_in(asked.manner, text).high, asked.limit)
        return self.cost(usage, asked.manner.learned.served)

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
        self.capability = Capability(lower, BEST[lower], tried, sent.doubt)
        if getattr(error, "code", "") == "response_format" and not sent.doubt:
            capabilities.learn(self.connection, self.model, self.capability)
        return True

    def _below(self, form: Form) -> Iterator[Form]:
        """The looser forms of this dialect; none that promises as much as the refused one."""
        ladder = self.dialect.LADDER
        looser = ladder[ladder.index(form) + 1 :] if form in ladder else ()
        return (each for each in looser if BEST[each] is not Mode.SCHEMA)

    def _judged(self, text: Text, key: Key, answer: _Answer, tried: Tried, asked: _Asked) -> Row:
        payload, reply, sent_as, paid = answer
        cut = cut_input(self.connection, asked.manner, text, reply.usage.input_tokens)
        ended = ending_of(reply, asked.limit, cut)
        broken = ended is None and self._broken(asked, reply, sent_as)
        row = Row(
            status="ok",
            reply=reply.explanation if reply.ending == "refused" else reply.text,
            usage=reply.usage,
            seconds=payload.seconds,
            waiting_seconds=payload.first_byte_seconds,
            cost=paid,
            served_model=reply.served_model and visible(reply.served_model),
            request_id=reply.request_id and visible(reply.request_id),
            **self._circumstances(text, key, tried, asked),
        )
        told = served_note(self.connection, self.model, reply.served_model)
        late = self._known_late(asked)
        row = replace(row, notes=(*row.notes, *(visible(each) for each in (told, late) if each)))
        if asked.manner.unheld and relied_on(sent_as):
            row = unheld_row(row, BROKE if broken else OTHERS_BROKE)
        try:
            return self.judge(row, text, ended)
        except Exception as error:  # noqa: BLE001 - the reply is paid, so it is kept with its cost
            failed = Row.of_failure("", internal(error, self.column))
            return replace(row, **{name: getattr(failed, name) for name in _TOLD})

    def _broken(self, asked: _Asked, reply: Reply, sent_as: Request) -> bool:
        """Whether the reply shows that the server does not enforce the schema it was sent."""
        broken = relied_on(sent_as) and asked.manner.enforcement.broken_by(reply, asked.limit)
        if broken:
            self.unhold(asked.manner.schema)
        return broken

    def judge(self, row: Row, text: Text, ended: Failure | None = None) -> Row:
        """The row with the class that the user's own schema gives its reply."""
        try:
            if ended is not None:
                raise ended
            data = text.schema.compile(self.dialect.SUBSET).restore(parse_json(row.reply or ""))
            text.schema.judge(data)
        except LLMWidgetsError as error:
            told = Row.of_failure(row.key, as_failure(error, self.column))
            return replace(row, status=told.status, message=told.message, hint=told.hint)
        return row if row.status == "ok" else replace(row, status="ok", message="", hint="")

    def cost(self, usage: Usage, served: str | None = None) -> float | None:
        """US dollars by the column's own price, the connection's, or the price list."""
        return dollars(self._own_price, self.connection, self.target, usage, served)

    def _circumstances(
        self, text: Text, key: Key, tried: Tried, asked: _Asked | None = None
    ) -> dict[str, Any]:
        asked = asked or self._asked(text)
        known, manner = self.capability, asked.manner
        form, mode = manner.sent(known) if known else (None, None)
        notes = asked.notes + self.dropped.notes
        if known and known.doubt:
            notes += (f"{known.doubt} The schema was put into the prompt as well.",)
        elif mode is Mode.JSON and manner.unheld:
            notes += (UNHELD,)
        if tried.perhaps_answered:
            notes += (f"{tried.perhaps_answered} try was perhaps answered and paid unseen.",)
        return {
            "key": key(known.form) if known else "",
            "form": form,
            "mode": mode,
            "tries": tried.tries,
            "timed_out": tried.timed_out,
            "notes": notes,
            "dropped": tuple(sorted(self.dropped.names)),
            "known_as": manner.learned.served if manner.learned.facts else "",
            "output_limit": asked.limit,
        }


class _Answer(NamedTuple):
    """What came back for a text, the question as it was sent, and its price in US dollars."""

    payload: Payload
    reply: Reply
    sent_as: Request
    cost: float | None


@dataclass(frozen=True, slots=True)
class _Asked:
    """How one text is asked: in which manner, and how many tokens its answer can have."""

    manner: Manner
    limit: int

    @property
    def notes(self) -> tuple[str, ...]:
        """What was asked for and is not sent, each in a sentence."""
        said = self.manner.notes
        if self.limit < self.manner.max_output_tokens:
            said += (
                f"The output limit was lowered to {self.limit:,} tokens: the window of "
                f"{self.manner.column.model} leaves no more beside this text.",
            )
        return said
