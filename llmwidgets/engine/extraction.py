"""One extraction, top to bottom: asked, judged, kept as a row; and read from its row again."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, fields, replace
from datetime import datetime
from functools import partial
from operator import attrgetter, is_not
from typing import TYPE_CHECKING, Any, NamedTuple

from llmwidgets import formatting
from llmwidgets.dialects.error_body import TokenLimits
from llmwidgets.dialects.error_meanings import form_refused, parameter_refused
from llmwidgets.dialects.types import (
    BEST,
    Capability,
    Dialect,
    Enforcement,
    HTTPResponse,
    Reply,
    Request,
    ResponseFormat,
    Usage,
    forms_asked,
)
from llmwidgets.engine.capability import (
    NONE_DROPPED,
    DroppedParameters,
    ServerFacts,
    recall_facts,
    record_of,
    substitution_notice,
)
from llmwidgets.engine.endings import (
    classify_ending,
    find_answer,
    internal_failure,
    read_reply,
    to_failure,
)
from llmwidgets.engine.estimate import Budget
from llmwidgets.engine.journal import Row
from llmwidgets.engine.network import egress
from llmwidgets.engine.network.pacing import Pace
from llmwidgets.engine.network.retry import Attempts
from llmwidgets.engine.probe import Prober, find_capability
from llmwidgets.engine.request_builder import (
    Document,
    RequestBuilder,
    ResolvedVariant,
    cut_input,
)
from llmwidgets.engine.shared_calls import shared_calls
from llmwidgets.errors import (
    BadRequest,
    Failure,
    FailureCode,
    FieldError,
    InvalidRecord,
    LLMWidgetsError,
    TooLong,
)
from llmwidgets.formatting import count, escape_controls
from llmwidgets.schemas import Compiled, Loss, Schema, choose_schema, parse_json

if TYPE_CHECKING:
    from llmwidgets.connections.policy import Policy


@dataclass(frozen=True, slots=True, kw_only=True)
class Extraction:
    """How one text asked of one variant ended: a record, or a failure with its class.

    `status` is "ok" or the failure's class. `data` is plain JSON, `record` the pydantic object
    if the schema is a pydantic class, else the JSON; an InvalidRecord has `data` and no
    `record`. `seconds` is the time the model took, waits for a turn left out; the part of it
    until the reply began is `waiting_seconds`, the rest `answering_seconds`; `cost` is in US
    dollars, None if the price is unknown. `paid_before` is when a reused reply was paid.
    `timed_out` of its `tries` took too long; `asked` is False if the question was never put.
    `mode` is how far the server held the reply to the schema, `losses` what of the schema it was
    not sent, `usage` the tokens, `reply_text` the reply as it came; `served_model` is the model
    that the server says answered, `notes` are sentences on what was odd.
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
    encoded: Callable[[], dict[str, Any]] = field(default=dict, repr=False, compare=False)

    def __reduce__(self) -> tuple[Any, ...]:
        # What encodes it has a connection; the request itself has every secret cut.
        values = {each.name: getattr(self, each.name) for each in fields(self)}
        return _restore, (values | {"encoded": None}, self.request)

    @property
    def ok(self) -> bool:
        """Whether there is a valid record."""
        return self.status == "ok"

    @property
    def request(self) -> dict[str, Any]:
        """The request as it was sent, every secret cut; empty if nothing was asked."""
        return self.encoded()

    @property
    def answering_seconds(self) -> float | None:
        """The time from the reply's beginning to its end; None if it was not measured."""
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


def _restore(values: dict[str, Any], request: dict[str, Any]) -> Extraction:
    """The extraction of a pickle or of a copy."""
    return Extraction(**values | {"encoded": partial(dict, request)})


class RecordLater(NamedTuple):
    """In the place of a record: makes it when somebody looks at it, which scoring does not."""

    make: Callable[[], Any]


_held: Any = vars(Extraction)["record"]


def _look_at_record(extraction: Extraction) -> Any:
    record = _held.__get__(extraction)
    if isinstance(record, RecordLater):
        record = record.make()
        _held.__set__(extraction, record)
    return record


type.__setattr__(Extraction, "record", property(_look_at_record, _held.__set__))

_COPIED_FROM_ROW = (
    "mode", "usage", "seconds", "waiting_seconds", "cost", "served_model", "request_id", "tries",
    "timed_out", "asked", "notes",
)  # fmt: skip
_copied = attrgetter(*_COPIED_FROM_ROW)


def facts_of(row: Row) -> dict[str, Any]:
    """What an extraction has from its row as it is."""
    return dict(zip(_COPIED_FROM_ROW, _copied(row), strict=True))


class AnsweredVariant(NamedTuple):
    """What there is to know of a variant whose replies are read: no connection, so no key."""

    label: str
    model: str
    schema: Schema | None
    dialect: Dialect


def read_extraction(
    variant: ResolvedVariant | AnsweredVariant, text: Document, repeat: int, row: Row, *,
    reused: bool = False, judged: bool = False,
) -> Extraction:  # fmt: skip
    """The extraction that a journal's row contains for this variant and text.

    One that this process has `judged` is not judged a second time. It has the request where the
    variant has a connection.
    """
    schema = choose_schema(variant.schema, text.schema)
    compiled = schema.compile(variant.dialect.SUBSET)
    status, data, record, failure = _read_answer(row, compiled, schema, judged=judged)
    encoded: Callable[[], dict[str, Any]] = dict
    if isinstance(variant, ResolvedVariant):
        encoded = partial(encode_request, variant, text, row)
    return Extraction(
        variant=variant.label,
        text_id=text.id,
        repeat=repeat,
        model=variant.model,
        status=status,
        data=data,
        record=record,
        failure=failure,
        losses=compiled.losses,
        reply_text=row.reply,
        paid_before=row.when if reused else None,
        encoded=encoded,
        **facts_of(row),
    )


def _read_answer(
    row: Row, compiled: Compiled, schema: Schema, *, judged: bool
) -> tuple[str, Any, Any, Failure | None]:
    """The status, data, record and failure of a row, judged by this schema."""
    status, data, record, failure = row.status, None, None, row.failure()
    if row.reply is not None and status in {"ok", "InvalidRecord"}:
        data = compiled.restore(parse_json(find_answer(row.reply, row.mode)))
    if status == "ok" and judged:
        record = RecordLater(partial(schema.judge, data))
    elif status == "ok":
        try:
            record = schema.judge(data)
        except InvalidRecord as error:
            status, failure = "InvalidRecord", error
    return status, data, record, failure


def encode_request(variant: ResolvedVariant, text: Document, row: Row) -> dict[str, Any]:
    """The request about a text in the way that a row was asked, secrets cut; empty if none was."""
    if row.form is None or row.mode is None or not row.tries:
        return {}
    learned = recall_facts(variant.connection, row.known_as)
    dropped = DroppedParameters(frozenset(row.dropped))
    builder = RequestBuilder(variant, text.schema, learned, dropped)
    request = builder.build(text, Capability(row.form, row.mode), row.output_limit)
    if row.schema_shown is not None:
        request = replace(request, schema_in_prompt=row.schema_shown)
    return dict(builder.dialect.encode(request, builder.target).shown())


# -- Asking.

_COLD_AFTER_SECONDS = 240.0
"""Ollama unloads a model that was not used for five minutes."""
UNHELD = (
    "The server does not enforce this schema, whatever it does with others, so the schema"
    " was put into the prompt as well."
)
BROKE = "The reply did not keep to the schema that was sent: the server does not enforce it."
OTHERS_BROKE = "Asked as if the server enforced the schema; other replies showed that it does not."
Key = Callable[[ResponseFormat], str]
_BuilderKey = tuple[Schema, ServerFacts, DroppedParameters]


class _Question(NamedTuple):
    """One text, how it is asked, and how many tokens its answer can have."""

    text: Document
    builder: RequestBuilder
    limit: int


class _Answer(NamedTuple):
    """What came back for a question, the request as it was sent, and its price in US dollars."""

    question: _Question
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
        self.dialect, self.provider = variant.dialect, variant.connection.provider
        self.record = record_of(self.connection, self.model, variant.target)
        self.capability = self.record.capability or self.connection.capability(self.model)
        self.dropped = NONE_DROPPED
        self._builders: dict[_BuilderKey, RequestBuilder] = {}
        self._newest: tuple[_BuilderKey, RequestBuilder] | None = None
        self._first = asyncio.Lock()
        self._loads_model = self.provider.self_hosted and egress.is_local(self.connection)

    def builder(self, schema: Schema) -> RequestBuilder:
        """How this variant asks texts of this schema now; made anew when more is known."""
        key = schema, self.record.facts, self.dropped
        # The same three as for the last text, as a rule, and to hash them takes longer than to see.
        if self._newest is None or any(map(is_not, self._newest[0], key)):
            builder = self._builders.get(key)
            if builder is None:
                builder = self._builders[key] = RequestBuilder(self.variant, *key)
            self._newest = key, builder
        builder = self._newest[1]
        # Another variant of this model may have seen it meanwhile.
        builder.unenforced = builder.unenforced or builder.schema.digest in self.record.unenforced
        return builder

    def mark_unenforced(self, schema: Schema) -> None:
        """From now on texts of this schema are asked with it in the prompt as well."""
        self.record.unenforced.add(choose_schema(self.variant.schema, schema).digest)
        for (of, *_), builder in self._builders.items():
            builder.unenforced = builder.unenforced or of == schema

    async def learn(self) -> Capability:
        """What the model enforces, probed if nothing is known; raises what the calls raise."""
        if self.capability is None:
            self.capability = await find_capability(
                self.connection, self.model, policy=self.policy, pace=self.pace
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
            return replace(row, message=row.message + self.pace.outage.explain(error))
        except Exception as error:  # noqa: BLE001 - one odd text must not lose the run
            answered = bool(attempts.perhaps_answered)
            failure = internal_failure(error, self.variant, perhaps_answered=answered)
            row = Row.of_failure("", failure, tries=attempts.tries)
        try:
            return replace(row, **self._circumstances(self._question(text), key, attempts))
        except Exception:  # noqa: BLE001 - the same bug again: the row says enough
            return row

    async def _ask(self, text: Document, key: Key, attempts: Attempts) -> Row:
        if not text.text or text.text.isspace():
            raise FieldError("The text is empty.", "Leave empty texts out, or give their text.")
        await self.learn()
        if self._loads_model:
            # So that no text's time includes it. A probe has loaded the model; if that was long
            # ago, or none was needed, the smallest question is asked. What it raises the first
            # text raises too, and reports.
            if time.monotonic() - self.record.answered_at > _COLD_AFTER_SECONDS:
                await shared_calls().join(("greeting", self.record), object(), self._greet)
            self.record.answered_at = time.monotonic()
        # The first answer shows what answers for a deployment: the others wait for that.
        if self.provider.deployments and self._is_unknown(text.schema):
            async with self._first:
                if self._is_unknown(text.schema):
                    return await self._answer(text, key, attempts)
        return await self._answer(text, key, attempts)

    async def _greet(self) -> None:
        with suppress(LLMWidgetsError):
            await Prober(self.connection, self.model, policy=self.policy).greet()

    def _is_unknown(self, schema: Schema) -> bool:
        return self.builder(schema).facts is None and not self.record.facts.answered

    async def _answer(self, text: Document, key: Key, attempts: Attempts) -> Row:
        lowered: int | None = None
        self.dropped = self.dropped.learnt_by(self.record)
        capability, question = self.capability, None

        async def once() -> _Answer:
            # Put when its turn has come, so that what the others met while it waited counts for it.
            nonlocal capability, question
            capability, question = self.capability, self._question(text, lowered)
            return await self._send(question)

        while True:
            try:
                answer = await self.pace.retry_until_answered(once, attempts)
            except Failure as error:
                room = None if lowered or not question else self._room_left(error, question)
                if room is None and not (question and self._adapt(error, question, capability)):
                    raise
                lowered = room or lowered
            else:
                return self._judge_answer(answer, key, attempts)

    def _question(self, text: Document, lowered: int | None = None) -> _Question:
        builder = self.builder(text.schema)
        # What the server counted is more exact than the estimate.
        most = builder.output_limit(text) if lowered is None else lowered
        return _Question(text, builder, min(builder.max_output_tokens, most))

    async def _send(self, question: _Question) -> _Answer:
        assert self.capability is not None
        builder = question.builder
        request, call = builder.spell(question.text, self.capability, question.limit)
        worst = None
        if self.budget.dollars is not None:
            usage = Usage(builder.tokens_in(question.text).high, question.limit)
            worst = self.variant.cost(usage, builder.learned.served)
        async with self.budget.reserve(worst) as reservation:
            try:
                response, reply = await egress.ask_model(
                    self.connection,
                    request,
                    builder.target,
                    policy=self.policy,
                    thinking=builder.thinking,
                    call=call,
                )
            except LLMWidgetsError as error:
                perhaps = getattr(error, "perhaps_answered", False)
                reservation.dollars = None if perhaps else 0.0
                raise
            reservation.dollars = self.variant.cost(reply.usage, reply.served_model)
        self.record.learn_from_reply(self.connection, reply.served_model)
        return _Answer(question, response, reply, request, reservation.dollars)

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
            room = limits.window - question.builder.tokens_in(question.text).high
        if room is None or not question.builder.tokens_out.low <= room < question.limit:
            return None
        known = self.record.facts
        self.record.facts = replace(
            known,
            window=limits.window or known.window,
            output_limit=limits.output or known.output_limit,
        )
        return room

    def _adapt(self, error: Failure, question: _Question, sent: Capability | None) -> bool:
        """Whether the question can be put in another way that the server may take."""
        refuses_form = form_refused(error)
        if (self.capability, self.dropped) != (sent, question.builder.dropped):
            return refuses_form or parameter_refused(error) is not None
        dropped = self.dropped.with_refused(error)
        if dropped is not None:
            self.dropped = dropped.learnt_by(self.record)
            return True
        if sent is None or not refuses_form:
            return False
        ladder = forms_asked(self.dialect, self.variant.target)
        looser = ladder[ladder.index(sent.form) + 1 :] if sent.form in ladder else ()
        # None that promises as much as the refused one.
        lower = next((form for form in looser if BEST[form] is not Enforcement.SCHEMA), None)
        if lower is None:
            return False
        tried = (*sent.tried, (sent.form, f"refused, {getattr(error, 'status', 0)}", False))
        self.capability = Capability(lower, BEST[lower], tried, sent.doubt)
        if getattr(error, "code", "") == FailureCode.RESPONSE_FORMAT and not sent.doubt:
            self.record.capability = self.capability
        return True

    def _judge_answer(self, answer: _Answer, key: Key, attempts: Attempts) -> Row:
        question, response, reply, request, cost = answer
        builder = question.builder
        shown, read = request.schema_in_prompt, reply.usage.input_tokens
        cut = cut_input(builder, question.text, read, schema_in_prompt=shown)
        ending = classify_ending(reply, question.limit, cut)
        relied = BEST[request.form] is Enforcement.SCHEMA and not request.schema_in_prompt
        parsed, notes = ending, tuple[str, ...]()
        if ending is None:
            mode, hosted = BEST[request.form], self.provider.self_hosted
            parsed, notes = read_reply(reply, mode, self_hosted=hosted)
        broke = relied and ending is None and builder.broken_by(reply, question.limit, parsed)
        if broke:
            self.mark_unenforced(question.text.schema)
        circumstances = self._circumstances(question, key, attempts)
        served = escape_controls(reply.served_model or "")
        notice = substitution_notice(self.connection, self.model, served)
        odd = escape_controls(reply.explanation) if reply.ending == "complete" else ""
        circumstances["notes"] += (*notes, *filter(None, (notice, odd)))
        now = self.record.facts
        if builder.facts is None and now.model_facts and self.variant.effort != "vendor":
            circumstances["notes"] += (
                f"This answer showed that {self.model} is {escape_controls(now.served)}: it was"
                " asked with the vendor's own thinking, and the other texts are asked with the"
                " level that was chosen.",
            )
        self.record.throughput.count(response.seconds, time.monotonic())
        row = Row(
            status="ok",
            reply=reply.explanation if reply.ending == "refused" else reply.text,
            usage=reply.usage,
            seconds=response.seconds,
            waiting_seconds=response.first_byte_seconds,
            cost=cost,
            served_model=served or reply.served_model,
            request_id=reply.request_id and escape_controls(reply.request_id),
            **circumstances,
        )
        if relied and builder.unenforced:
            row = unenforced_row(row, BROKE if broke else OTHERS_BROKE)
        return self.judge(row, question.text, parsed)

    def judge(self, row: Row, text: Document, parsed: Any) -> Row:
        """The row with the class that the user's own schema gives its reply.

        `parsed` is the JSON of the reply, or the error that it ends in before it is judged.
        """
        try:
            if isinstance(parsed, Exception):
                raise parsed
            schema = choose_schema(self.variant.schema, text.schema)
            schema.judge(schema.compile(self.dialect.SUBSET).restore(parsed))
        except LLMWidgetsError as error:
            return row.ended_in(to_failure(error, self.variant))
        except Exception as error:  # noqa: BLE001 - the reply is paid, so it is kept with its cost
            return row.ended_in(internal_failure(error, self.variant))
        return row if row.status == "ok" else replace(row, status="ok", message="", hint="")

    def _circumstances(self, question: _Question, key: Key, attempts: Attempts) -> dict[str, Any]:
        known, builder = self.capability, question.builder
        form, mode = builder.form_and_mode(known) if known else (None, None)
        notes = builder.notes
        if question.limit < builder.max_output_tokens:
            notes += (
                f"The output limit was lowered to {count(question.limit, 'token')}: the window of"
                f" {self.model} leaves no more besides this text.",
            )
        if known and known.doubt:
            notes += (f"{known.doubt} The schema was put into the prompt as well.",)
        elif mode is Enforcement.JSON and builder.unenforced:
            notes += (UNHELD,)
        if attempts.perhaps_answered:
            were = count(attempts.perhaps_answered, "try was", "tries were")
            notes += (f"{were} perhaps answered and paid unseen.",)
        return {
            "key": key(known.form) if known else "",
            "form": form,
            "mode": mode,
            "tries": attempts.tries,
            "timed_out": attempts.timed_out,
            "notes": notes,
            "dropped": tuple(sorted(builder.dropped.names)),
            "known_as": builder.learned.served if builder.learned.model_facts else "",
            "output_limit": question.limit,
        }


def unenforced_row(row: Row, note: str) -> Row:
    """The row of a reply that was asked for under a schema that turned out not to be enforced."""
    notes = tuple(each for each in row.notes if each != UNHELD)
    return replace(row, mode=Enforcement.JSON, schema_shown=False, notes=(*notes, note), id=0)
