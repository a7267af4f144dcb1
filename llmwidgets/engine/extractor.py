"""One extraction, top to bottom: build the request, send it, decode, judge, and make its row."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from llmwidgets.dialects.error_rules import TokenLimits, form_refused, parameter_refused
from llmwidgets.dialects.types import (
    BEST,
    Capability,
    Enforcement,
    HTTPResponse,
    Reply,
    Request,
    ResponseFormat,
    Usage,
)
from llmwidgets.engine.capability import (
    DroppedParameters,
    ServerFacts,
    find_capability,
    greet_server,
    known_capability,
    record_of,
)
from llmwidgets.engine.estimate import Budget, output_limit, tokens_in, tokens_out
from llmwidgets.engine.extraction import (
    classify_ending,
    cut_input,
    internal_failure,
    parse_reply,
    substitution_notice,
    to_failure,
)
from llmwidgets.engine.journal import Row
from llmwidgets.engine.network import egress
from llmwidgets.engine.network.pacing import Pace
from llmwidgets.engine.network.retry import Attempts
from llmwidgets.engine.request_builder import Document, RequestBuilder, ResolvedVariant
from llmwidgets.engine.troubleshooting import diagnose
from llmwidgets.errors import (
    BadRequest,
    Failure,
    FailureCode,
    Forbidden,
    LLMWidgetsError,
    QuotaExhausted,
    TooLong,
    Unauthorized,
    UnknownModel,
    Unreachable,
)
from llmwidgets.schemas import Schema
from llmwidgets.visible import escape_controls

if TYPE_CHECKING:
    from llmwidgets.connections.policy import Policy


_OF_THE_CONNECTION = (Unreachable, Unauthorized, Forbidden, UnknownModel, QuotaExhausted)
"""Failures that a change of the connection fixes, so that they read as in its check."""
_COLD_AFTER_SECONDS = 240.0
"""Ollama unloads a model that was not used for five minutes."""
UNHELD = (
    "The server does not enforce this schema, whatever it does with others, so the schema"
    " was put into the prompt as well."
)
BROKE = "The reply did not keep to the schema that was sent: the server does not enforce it."
OTHERS_BROKE = "Asked as if the server enforced the schema; other replies showed that it does not."
Key = Callable[[ResponseFormat], str]


@dataclass(frozen=True, slots=True)
class _Question:
    """One text, how it is asked, and how many tokens its answer can have."""

    text: Document
    builder: RequestBuilder
    limit: int

    @property
    def notes(self) -> tuple[str, ...]:
        """What was asked for and is not sent, each in a sentence."""
        if self.limit >= self.builder.max_output_tokens:
            return self.builder.notes
        return (
            *self.builder.notes,
            f"The output limit was lowered to {self.limit:,} tokens: the window of "
            f"{self.builder.variant.model} leaves no more besides this text.",
        )


class _Answer(NamedTuple):
    """What came back for a question, the request as it was sent, and its price in US dollars."""

    response: HTTPResponse
    reply: Reply
    request: Request
    cost: float | None


class Extractor:
    """Asks one variant's questions; what the server refused once is left out of the next ones."""

    def __init__(
        self, variant: ResolvedVariant, *, policy: Policy, pace: Pace, budget: Budget | None = None
    ) -> None:
        self.variant, self.policy, self.pace = variant, policy, pace
        self.budget = budget or Budget()
        self.connection, self.model = variant.connection, variant.model
        self.dialect, self.provider = variant.connection.dialect, variant.connection.provider
        self.record = record_of(self.connection, self.model, variant.target)
        self.capability = known_capability(self.connection, self.model)
        self.dropped = DroppedParameters()
        self._builders: dict[tuple[Schema, ServerFacts, bool], RequestBuilder] = {}
        self._first = asyncio.Lock()
        self._loads_model = self.provider.self_hosted and egress.is_local(self.connection)

    def builder(self, schema: Schema) -> RequestBuilder:
        """How this variant asks about this schema now; made anew when more is known."""
        key = schema, self.record.facts, self.dropped.levels
        builder = self._builders.get(key)
        if builder is None:
            builder = RequestBuilder(self.variant, *key[:2], levels=self.dropped.levels)
            self._builders[key] = builder
        # Another variant of this model may have seen it meanwhile.
        builder.unheld = builder.unheld or schema.digest in self.record.unheld
        return builder

    def mark_unheld(self, schema: Schema) -> None:
        """From now on this schema counts as not enforced, and is put into the prompt as well."""
        self.record.unheld.add(schema.digest)
        for (of, *_), builder in self._builders.items():
            builder.unheld = builder.unheld or of == schema

    async def learn(self) -> Capability:
        """Find out what the model enforces, by a probe if nothing is known.

        Raises what the calls raise.
        """
        if self.capability is None:
            target = self.variant.target
            if self.provider.self_hosted and not self.record.facts.window:
                # Many servers of the user's own do not say how long their window is.
                with suppress(LLMWidgetsError):
                    listed = await egress.list_models(
                        self.connection, self.model, policy=self.policy, target=target
                    )
                    self.record.learn_from_list(self.model, listed)
            self.capability = await find_capability(
                self.connection, self.model, policy=self.policy, pace=self.pace, target=target
            )
        return self.capability

    async def ask(self, text: Document, key: Key = lambda _form: "") -> Row:
        """How the question ended; every failure is a row, nothing but a cancel is raised.

        `key` gives the journal's key for the form in which the question was put.
        """
        attempts = Attempts()
        try:
            return await self._ask(text, key, attempts)
        except LLMWidgetsError as error:
            failure = to_failure(error, self.variant)
            circumstances = self._circumstances(self._question(text), key, attempts)
            row = replace(Row.of_failure("", failure), **circumstances)
            if not isinstance(error, _OF_THE_CONNECTION):
                return row
            diagnosis = diagnose(error, self.connection, model=self.model)
            message = diagnosis.sentence + self.pace.outage.explain(error)
            return replace(row, message=message, hint=diagnosis.hint or row.hint)
        except Exception as error:  # noqa: BLE001 - one odd text must not lose the run
            answered = bool(attempts.perhaps_answered)
            failure = internal_failure(error, self.variant, perhaps_answered=answered)
            row = Row.of_failure("", failure, tries=attempts.tries)
        try:
            return replace(row, **self._circumstances(self._question(text), key, attempts))
        except Exception:  # noqa: BLE001 - the same bug again: the row says enough
            return row

    async def _ask(self, text: Document, key: Key, attempts: Attempts) -> Row:
        await self.learn()
        if self._loads_model:
            await self._warm_up()
        # The first answer shows what answers for a deployment: the others wait for that.
        if self.provider.deployments and self._is_unknown(text.schema):
            async with self._first:
                if self._is_unknown(text.schema):
                    return await self._answer(text, key, attempts)
        return await self._answer(text, key, attempts)

    async def _warm_up(self) -> None:
        """Have a server on this computer load its model, so that no text's time includes that.

        A probe has done so; if that was long ago, or none was needed, the smallest question is
        asked. What it raises the first text raises too, and reports.
        """
        async with self.record.lock:
            cold = time.monotonic() - self.record.answered_at > _COLD_AFTER_SECONDS
            self.record.answered_at = time.monotonic()
            if cold:
                with suppress(LLMWidgetsError):
                    await greet_server(
                        self.connection,
                        self.model,
                        policy=self.policy,
                        pace=Pace(1, 1, patient=False),
                    )
                self.record.answered_at = time.monotonic()

    def _is_unknown(self, schema: Schema) -> bool:
        return self.builder(schema).facts is None and not self.record.facts.answered

    async def _answer(self, text: Document, key: Key, attempts: Attempts) -> Row:
        lowered: int | None = None
        while True:
            sent = self.capability, self.dropped
            question = self._question(text, lowered)
            try:
                answer = await self.pace.retry_until_answered(
                    partial(self._send, question), attempts
                )
            except Failure as error:
                room = None if lowered else self._room_left(error, question)
                if room is None and not self._adapt(error, *sent):
                    raise
                lowered = room or lowered
                continue
            return self._judge_answer(question, answer, key, attempts)

    def _question(self, text: Document, lowered: int | None = None) -> _Question:
        builder = self.builder(text.schema)
        # What the server counted is more exact than the estimate.
        most = output_limit(builder, text) if lowered is None else lowered
        return _Question(text, builder, min(builder.max_output_tokens, most))

    async def _send(self, question: _Question) -> _Answer:
        assert self.capability is not None
        builder = question.builder
        request, target = self.dropped.apply(
            builder.build(question.text, self.capability, question.limit), builder.target
        )
        worst = None
        if self.budget.dollars is not None:
            usage = Usage(tokens_in(builder, question.text).high, question.limit)
            worst = self.variant.cost(usage, builder.learned.served)
        async with self.budget.reserve(worst) as reservation:
            try:
                response, reply = await egress.ask_model(
                    self.connection, request, target, policy=self.policy, thinking=builder.thinking
                )
            except LLMWidgetsError as error:
                perhaps = getattr(error, "perhaps_answered", False)
                reservation.dollars = None if perhaps else 0.0
                raise
            reservation.dollars = self.variant.cost(reply.usage, reply.served_model)
        self.record.learn_from_reply(self.connection, reply.served_model)
        return _Answer(response, reply, request, reservation.dollars)

    def _room_left(self, error: Failure, question: _Question) -> int | None:
        """How many tokens an answer can have by the words of a refusal; None if it names none.

        What it names is remembered for the other texts. If it names the window alone, the
        question is estimated.
        """
        limits = getattr(error, "limits", None)
        if not isinstance(error, TooLong | BadRequest) or not isinstance(limits, TokenLimits):
            return None
        room = limits.room(question.limit)
        if room is None and limits.window is not None:
            room = limits.window - tokens_in(question.builder, question.text).high
        if room is None or not tokens_out(question.builder).low <= room < question.limit:
            return None
        self.record.learn_from_refusal(limits)
        return room

    def _adapt(self, error: Failure, sent: Capability | None, left_out: DroppedParameters) -> bool:
        """Whether the question can be put in another way that the server may take."""
        refuses_form = form_refused(error)
        if (self.capability, self.dropped) != (sent, left_out):
            return refuses_form or parameter_refused(error) is not None
        dropped = self.dropped.with_refused(error)
        if dropped is not None:
            self.dropped = dropped
            return True
        lower = next(self._looser_forms(sent.form), None) if sent and refuses_form else None
        if sent is None or lower is None:
            return False
        tried = (*sent.tried, (sent.form, f"refused, {getattr(error, 'status', 0)}", False))
        self.capability = Capability(lower, BEST[lower], tried, sent.doubt)
        if getattr(error, "code", "") == FailureCode.RESPONSE_FORMAT and not sent.doubt:
            self.record.capability = self.capability
        return True

    def _looser_forms(self, form: ResponseFormat) -> Iterator[ResponseFormat]:
        """The looser forms of this dialect; none that promises as much as the refused one."""
        ladder = self.dialect.LADDER
        looser = ladder[ladder.index(form) + 1 :] if form in ladder else ()
        return (each for each in looser if BEST[each] is not Enforcement.SCHEMA)

    def _judge_answer(
        self, question: _Question, answer: _Answer, key: Key, attempts: Attempts
    ) -> Row:
        (response, reply, request, cost), builder = answer, question.builder
        cut = cut_input(self.connection, builder, question.text, reply.usage.input_tokens)
        ending = classify_ending(reply, question.limit, cut)
        relied = BEST[request.form] is Enforcement.SCHEMA and not request.schema_in_prompt
        parsed = parse_reply(reply.text) if ending is None else ending
        broke = relied and ending is None and builder.broken_by(reply, question.limit, parsed)
        if broke:
            self.mark_unheld(question.text.schema)
        circumstances = self._circumstances(question, key, attempts)
        circumstances["notes"] += self._notes_of_answer(question, reply)
        row = Row(
            status="ok",
            reply=reply.explanation if reply.ending == "refused" else reply.text,
            usage=reply.usage,
            seconds=response.seconds,
            waiting_seconds=response.first_byte_seconds,
            cost=cost,
            served_model=reply.served_model and escape_controls(reply.served_model),
            request_id=reply.request_id and escape_controls(reply.request_id),
            **circumstances,
        )
        if relied and builder.unheld:
            row = unheld_row(row, BROKE if broke else OTHERS_BROKE)
        try:
            return self.judge(row, question.text, parsed)
        except Exception as error:  # noqa: BLE001 - the reply is paid, so it is kept with its cost
            return row.ended_in(internal_failure(error, self.variant))

    def _notes_of_answer(self, question: _Question, reply: Reply) -> tuple[str, ...]:
        """What this answer shows of the model that gave it."""
        notice = substitution_notice(self.connection, self.model, reply.served_model)
        notes = [escape_controls(notice)] if notice else []
        now = self.record.facts
        if question.builder.facts is None and now.facts and self.variant.effort != "vendor":
            notes.append(
                f"This answer showed that {self.model} is {escape_controls(now.served)}: it was"
                " asked with the vendor's own thinking, and the other texts are asked with the"
                " level that was chosen."
            )
        return tuple(notes)

    def judge(self, row: Row, text: Document, parsed: Any) -> Row:
        """The row with the class that the user's own schema gives its reply.

        `parsed` is the JSON of the reply, or the error that it ends in before it is judged.
        """
        try:
            if isinstance(parsed, Exception):
                raise parsed
            text.schema.judge(text.schema.compile(self.dialect.SUBSET).restore(parsed))
        except LLMWidgetsError as error:
            return row.ended_in(to_failure(error, self.variant))
        return row if row.status == "ok" else replace(row, status="ok", message="", hint="")

    def _circumstances(self, question: _Question, key: Key, attempts: Attempts) -> dict[str, Any]:
        known, builder = self.capability, question.builder
        form, mode = builder.form_and_mode(known) if known else (None, None)
        notes = question.notes + self.dropped.notes
        if known and known.doubt:
            notes += (f"{known.doubt} The schema was put into the prompt as well.",)
        elif mode is Enforcement.JSON and builder.unheld:
            notes += (UNHELD,)
        if attempts.perhaps_answered:
            notes += (f"{attempts.perhaps_answered} try was perhaps answered and paid unseen.",)
        return {
            "key": key(known.form) if known else "",
            "form": form,
            "mode": mode,
            "tries": attempts.tries,
            "timed_out": attempts.timed_out,
            "notes": notes,
            "dropped": tuple(sorted(self.dropped.names)),
            "known_as": builder.learned.served if builder.learned.facts else "",
            "output_limit": question.limit,
        }


def unheld_row(row: Row, note: str) -> Row:
    """The row of a reply that was asked for under a schema that turned out not to be enforced."""
    notes = tuple(each for each in row.notes if each != UNHELD)
    return replace(row, mode=Enforcement.JSON, schema_shown=False, notes=(*notes, note), id=0)
