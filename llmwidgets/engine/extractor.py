"""Asking: the one path from a question to its row. Encode, send, decode, restore, judge."""

from __future__ import annotations

import asyncio
import contextlib
import os
import sqlite3
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from llmwidgets.connections.catalog import own_price
from llmwidgets.dialects.error_rules import TokenLimits
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
from llmwidgets.engine import capability, server_facts
from llmwidgets.engine.budget import Budget, cost_of_usage
from llmwidgets.engine.checks.check import diagnose
from llmwidgets.engine.estimate import output_limit, tokens_in, tokens_out
from llmwidgets.engine.journal.row import Row
from llmwidgets.engine.model_substitution import substitution_notice
from llmwidgets.engine.network import echoes, egress
from llmwidgets.engine.network.egress import list_models
from llmwidgets.engine.network.retry import Attempts, Pace, retry_until_answered
from llmwidgets.engine.request_builder import (
    BROKE,
    OTHERS_BROKE,
    UNHELD,
    Document,
    DroppedParameters,
    RequestBuilder,
    ResolvedVariant,
    relied_on,
    unheld_row,
)
from llmwidgets.engine.truncation import cut_input
from llmwidgets.errors import (
    BadRequest,
    CutInput,
    Failure,
    FailureCode,
    Filtered,
    Forbidden,
    InternalError,
    LLMWidgetsError,
    PolicyError,
    QuotaExhausted,
    Refused,
    TooLong,
    Truncated,
    Unauthorized,
    UnknownModel,
    Unreachable,
)
from llmwidgets.schemas import Schema, parse_json
from llmwidgets.visible import escape_controls

if TYPE_CHECKING:
    from llmwidgets.connections.policy import Policy


_OF_THE_CONNECTION = (Unreachable, Unauthorized, Forbidden, UnknownModel, QuotaExhausted)
"""Failures that a change of the connection mends, so that they are told as its check tells them."""
_TOLD = ("status", "message", "hint", "label", "model", "code")
Key = Callable[[ResponseFormat], str]


class Extractor:
    """Asks one column's questions; what the server refused once is left out of the next ones."""

    def __init__(
        self, column: ResolvedVariant, *, policy: Policy, pace: Pace, budget: Budget | None = None
    ) -> None:
        self.column, self.policy, self.pace = column, policy, pace
        self.budget = budget or Budget()
        self.connection, self.model = column.connection, column.model
        echoes.watch_connection(column.connection)
        self.dialect = column.connection.dialect
        self.target = column.connection.target(column.model)
        self.capability = capability.known_capability(self.connection, self.model)
        self.dropped = DroppedParameters()
        self._own_price = column.price or own_price(self.connection, column.model)
        self._manners: dict[tuple[Schema, server_facts.ServerFacts, bool], RequestBuilder] = {}
        self._first = asyncio.Lock()

    def manner(self, schema: Schema) -> RequestBuilder:
        """How this column asks about this schema now; made anew when more is known."""
        known = server_facts.facts_of_server(self.connection, self.model)
        key = schema, known, self.dropped.levels
        if key not in self._manners:
            made = RequestBuilder(self.column, schema, known, levels=self.dropped.levels)
            made.unheld = capability.unheld(self.connection, self.model, schema)
            self._manners[key] = made
        return self._manners[key]

    def unhold(self, schema: Schema) -> None:
        """From now on this schema counts as not enforced, and is put into the prompt as well."""
        for (of, *_), manner in self._manners.items():
            manner.unheld = manner.unheld or of == schema
        capability.mark_unheld(self.connection, self.model, schema)

    async def learn(self) -> Capability:
        """Find out what the model enforces, by a probe where nothing is known.

        Raises what the calls raise.
        """
        if self.capability is None:
            await self._read_window()
            self.capability = await capability.find_capability(
                self.connection, self.model, policy=self.policy, pace=self.pace
            )
        return self.capability

    async def _read_window(self) -> None:
        """Ask a server of the user's own how long its window is; many do not say."""
        hosted = self.connection.provider.self_hosted
        if hosted and not server_facts.facts_of_server(self.connection, self.model).window:
            with contextlib.suppress(LLMWidgetsError):
                listed = await list_models(self.connection, self.model, policy=self.policy)
                server_facts.learn_from_list(self.connection, self.model, listed)

    async def ask(self, text: Document, key: Key = lambda _form: "") -> Row:
        """How the question ended; every failure is a row, nothing but a cancel is raised.

        `key` gives the journal's key for the form in which the question was put.
        """
        tried = Attempts()
        try:
            return await self._ask(text, key, tried)
        except LLMWidgetsError as error:
            failure = to_failure(error, self.column)
            row = replace(Row.of_failure("", failure), **self._circumstances(text, key, tried))
            return self._told(row, error)
        except asyncio.CancelledError:
            raise
        except Exception as error:  # noqa: BLE001 - one odd text must not lose the run
            row = Row.of_failure("", internal_failure(error, self.column, tried), tries=tried.tries)
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

    async def _ask(self, text: Document, key: Key, tried: Attempts) -> Row:
        await self.learn()
        await capability.warm_up(self.connection, self.model, policy=self.policy)
        # What answers for a deployment is told by its first answer: the others wait for that.
        if self._unknown(text.schema):
            async with self._first:
                if self._unknown(text.schema):
                    return await self._answered(text, key, tried)
        return await self._answered(text, key, tried)

    def _known_late(self, asked: _Attempt) -> str:
        """A sentence where this very answer told what the model is, too late for itself."""
        if asked.manner.facts is not None or self.column.effort == "vendor":
            return ""
        now = server_facts.facts_of_server(self.connection, self.model)
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

    async def _answered(self, text: Document, key: Key, tried: Attempts) -> Row:
        lowered: int | None = None
        while True:
            sent = self.capability, self.dropped
            asked = self._asked(text, lowered)
            try:
                answer = await retry_until_answered(
                    self.pace, partial(self._once, text, asked), tried
                )
            except Failure as error:
                room = None if lowered else self._room(error, text, asked)
                if room is None and not self._adapted(error, *sent):
                    raise
                lowered = room or lowered
                continue
            return self._judged(text, key, answer, tried, asked)

    def _room(self, error: Failure, text: Document, asked: _Attempt) -> int | None:
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
        server_facts.learn_from_refusal(self.connection, self.model, limits)
        return room

    async def _once(self, text: Document, asked: _Attempt) -> _Answer:
        manner = asked.manner
        assert self.capability is not None
        question = manner.request(text, self.capability, asked.limit)
        request, target = self.dropped.apply(question, manner.target)
        call = self.dialect.encode(request, target)
        async with self.budget.reserve(self._worst(text, asked)) as bill:
            try:
                payload = await egress.send_guarded(
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
        server_facts.learn_from_reply(self.connection, self.model, reply.served_model)
        return _Answer(payload, reply, request, bill.dollars)

    def _asked(self, text: Document, lowered: int | None = None) -> _Attempt:
        manner = self.manner(text.schema)
        # Another column of this model may have seen it meanwhile.
        if not manner.unheld and capability.unheld(self.connection, self.model, text.schema):
            self.unhold(text.schema)
        # What the server counted is more exact than the estimate.
        most = output_limit(manner, text) if lowered is None else lowered
        return _Attempt(manner, min(manner.max_output_tokens, most))

    def _worst(self, text: Document, asked: _Attempt) -> float | None:
        """The most that a call can cost; not worked out where there is no budget."""
        if self.budget.dollars is None:
            return None
        usage = Usage(tokens_in(asked.manner, text).high, asked.limit)
        return self.cost(usage, asked.manner.learned.served)

    def _adapted(
        self, error: Failure, sent: Capability | None, left_out: DroppedParameters
    ) -> bool:
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
            capability.learn_capability(self.connection, self.model, self.capability)
        return True

    def _below(self, form: ResponseFormat) -> Iterator[ResponseFormat]:
        """The looser forms of this dialect; none that promises as much as the refused one."""
        ladder = self.dialect.LADDER
        looser = ladder[ladder.index(form) + 1 :] if form in ladder else ()
        return (each for each in looser if BEST[each] is not Enforcement.SCHEMA)

    def _judged(
        self, text: Document, key: Key, answer: _Answer, tried: Attempts, asked: _Attempt
    ) -> Row:
        payload, reply, sent_as, paid = answer
        cut = cut_input(self.connection, asked.manner, text, reply.usage.input_tokens)
        ended = classify_ending(reply, asked.limit, cut)
        broken = ended is None and self._broken(asked, reply, sent_as)
        row = Row(
            status="ok",
            reply=reply.explanation if reply.ending == "refused" else reply.text,
            usage=reply.usage,
            seconds=payload.seconds,
            waiting_seconds=payload.first_byte_seconds,
            cost=paid,
            served_model=reply.served_model and escape_controls(reply.served_model),
            request_id=reply.request_id and escape_controls(reply.request_id),
            **self._circumstances(text, key, tried, asked),
        )
        told = substitution_notice(self.connection, self.model, reply.served_model)
        late = self._known_late(asked)
        row = replace(
            row, notes=(*row.notes, *(escape_controls(each) for each in (told, late) if each))
        )
        if asked.manner.unheld and relied_on(sent_as):
            row = unheld_row(row, BROKE if broken else OTHERS_BROKE)
        try:
            return self.judge(row, text, ended)
        except Exception as error:  # noqa: BLE001 - the reply is paid, so it is kept with its cost
            failed = Row.of_failure("", internal_failure(error, self.column))
            return replace(row, **{name: getattr(failed, name) for name in _TOLD})

    def _broken(self, asked: _Attempt, reply: Reply, sent_as: Request) -> bool:
        """Whether the reply shows that the server does not enforce the schema it was sent."""
        broken = relied_on(sent_as) and asked.manner.enforcement.broken_by(reply, asked.limit)
        if broken:
            self.unhold(asked.manner.schema)
        return broken

    def judge(self, row: Row, text: Document, ended: Failure | None = None) -> Row:
        """The row with the class that the user's own schema gives its reply."""
        try:
            if ended is not None:
                raise ended
            data = text.schema.compile(self.dialect.SUBSET).restore(parse_json(row.reply or ""))
            text.schema.judge(data)
        except LLMWidgetsError as error:
            told = Row.of_failure(row.key, to_failure(error, self.column))
            return replace(row, status=told.status, message=told.message, hint=told.hint)
        return row if row.status == "ok" else replace(row, status="ok", message="", hint="")

    def cost(self, usage: Usage, served: str | None = None) -> float | None:
        """US dollars by the column's own price, the connection's, or the price list."""
        return cost_of_usage(self._own_price, self.connection, self.target, usage, served)

    def _circumstances(
        self, text: Document, key: Key, tried: Attempts, asked: _Attempt | None = None
    ) -> dict[str, Any]:
        asked = asked or self._asked(text)
        known, manner = self.capability, asked.manner
        form, mode = manner.sent(known) if known else (None, None)
        notes = asked.notes + self.dropped.notes
        if known and known.doubt:
            notes += (f"{known.doubt} The schema was put into the prompt as well.",)
        elif mode is Enforcement.JSON and manner.unheld:
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

    payload: HTTPResponse
    reply: Reply
    sent_as: Request
    cost: float | None


@dataclass(frozen=True, slots=True)
class _Attempt:
    """How one text is asked: in which manner, and how many tokens its answer can have."""

    manner: RequestBuilder
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


# -- Endings: the failure that a reply or an error stands for, before a row says it.


def classify_ending(reply: Reply, limit: int, cut: CutInput | None) -> Failure | None:
    """The failure that a reply is before it is read, or None; `cut` where the input was cut.

    `limit` is the number of tokens that the answer could have.
    """
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
            f"The answer reached the output limit of {limit} tokens.",
            "Raise max_output_tokens of this variant, lower its thinking, or ask fewer fields.",
        )
    return None


def to_failure(error: LLMWidgetsError, column: ResolvedVariant) -> Failure:
    """The class an extraction ends in for an error that is no failure by itself."""
    if isinstance(error, Failure):
        return error
    kind = Forbidden if isinstance(error, PolicyError) else BadRequest
    code = FailureCode.POLICY if isinstance(error, PolicyError) else FailureCode.FIELD
    return kind(
        error.message, error.hint, label=column.connection.label, model=column.model, code=code
    )


def internal_failure(
    error: BaseException, column: ResolvedVariant, tried: Attempts | None = None
) -> InternalError:
    """The failure for an error of this package; its words stay here, they may hold the text."""
    told = describe_failure(error)
    return InternalError(
        f"{told.sentence} The model is not at fault, and this text is not scored.",
        told.hint,
        label=column.connection.label,
        model=column.model,
        code=told.about,
        perhaps_answered=bool(tried and tried.perhaps_answered),
    )


# -- A failure of this package itself, in words: its class, what it was about, and where.

_PACKAGE = "llmwidgets"


@dataclass(frozen=True, slots=True)
class FailureNotice:
    """What is said of an error of our own; never its words, which may hold a text or a value."""

    about: str
    sentence: str
    hint: str


def describe_failure(error: BaseException) -> FailureNotice:
    """The error's class, what it was about (memory, nesting, disk, internal) and the next step."""
    cause = _cause(error)
    name = type(cause).__name__
    if isinstance(cause, MemoryError):
        return FailureNotice(
            "memory", f"There was not enough memory ({name}).", "Free some memory and run again."
        )
    if isinstance(cause, RecursionError):
        return FailureNotice(
            "nesting",
            f"The reply or the schema is nested too deeply to be read here ({name}).",
            "Ask for a flatter record.",
        )
    if isinstance(cause, OSError | sqlite3.Error):
        why = os.strerror(cause.errno) if isinstance(cause, OSError) and cause.errno else ""
        return FailureNotice(
            "disk",
            f"A file could not be read or written ({name}{why and f': {why}'}).",
            "Free space or repair the disk, then run again.",
        )
    return FailureNotice(
        "internal",
        f"An internal error ({name}{_place(cause)}) ended this extraction.",
        "The other texts went on; report it with the class and place named here.",
    )


def _cause(error: BaseException) -> BaseException:
    """The first error of a group, which says more than that there was a group."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _place(error: BaseException) -> str:
    """The innermost module of this package that the error passed."""
    found, frame = "", error.__traceback__
    while frame is not None:
        module = str(frame.tb_frame.f_globals.get("__name__", ""))
        found = module if module.split(".")[0] == _PACKAGE else found
        frame = frame.tb_next
    return f" in {found}" if found else ""
