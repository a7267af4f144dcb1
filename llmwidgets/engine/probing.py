"""Probing: test questions that show what a server holds a reply to, and what shows nothing."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from llmwidgets.connections.connection import Connection
from llmwidgets.dialects.types import (
    BEST,
    Capability,
    Form,
    Mode,
    Payload,
    Reply,
    Request,
    TextPart,
    Usage,
)
from llmwidgets.engine import server_facts
from llmwidgets.engine.network import egress
from llmwidgets.engine.network.retry import Pace, Tried, persist
from llmwidgets.engine.patience import Patience, failed_itself
from llmwidgets.engine.probe_room import ProbeRoom
from llmwidgets.engine.request_builder import Dropped, effort_sent
from llmwidgets.errors import (
    BadRequest,
    CallError,
    Failure,
    Filtered,
    InvalidJSON,
    Overloaded,
    Refused,
    Truncated,
)
from llmwidgets.schemas import Compiled, parse_json, read_schema

if TYPE_CHECKING:
    from llmwidgets.connections.policy import Policy


T = TypeVar("T")

_QUESTION = "Reply with a JSON object about the weather."
_GREETING = "Reply with OK."
_GREETING_TOKENS = 16
_CONTENT_REFUSED = frozenset({400, 404, 405, 413, 415, 422, 501})
"""What a server answers to the content of a request; other statuses tell of its own state."""
ACCEPTED, SILENT = "accepted", "no answer"


class Prober:
    """Asks one model test questions, each form of answer in turn.

    A reply that was cut or that never came, a server without room or time: none of them tells
    anything of the form, so `climb` raises rather than conclude. `spoke` says whether the model
    answered with a word; `tried` has what was seen so far.
    """

    def __init__(
        self,
        connection: Connection,
        model: str,
        *,
        policy: Policy,
        pace: Pace,
        patience: Patience | None = None,
    ) -> None:
        self.connection, self.model, self.policy = connection, model, policy
        self.pace, self.patience = pace, patience
        self.dialect = connection.dialect
        self.facts = connection.facts(model)
        self._riddle, self._schema = self._posed()
        self.room = ProbeRoom.of(self.facts)
        self.tried: list[tuple[Form, str, bool]] = []
        self.spoke = False
        self._dropped = Dropped()
        self._silent: Failure | None = None
        self._failing: list[Form] = []

    async def climb(self) -> Capability:
        """Climb down the ladder of forms until one is obeyed; without one, text alone.

        Each rung asks for any JSON under a schema whose one property and value nobody would
        guess: a reply that has them shows that the schema was enforced. A 200 proves nothing.
        """
        accepted: Form | None = None
        for form in self.dialect.LADDER:
            if form is Form.TEXT or (accepted and BEST[form] is not Mode.SCHEMA):
                continue
            if await self._rung(form):
                if BEST[form] is Mode.SCHEMA:
                    return await self._concluded(form, Mode.SCHEMA)
                accepted = form
        if accepted is not None:
            return await self._concluded(accepted, Mode.JSON)
        await self._rung(Form.TEXT)
        if self._silent is not None and self.tried[-1][1] == SILENT:
            raise self._silent
        return await self._concluded(Form.TEXT, Mode.TEXT)

    async def greet(self) -> None:
        """The smallest question: the model says a word, or is cut while it thinks; else raises."""
        try:
            reply = await self._asked(Form.TEXT, _GREETING, _GREETING_TOKENS)
        except Truncated:
            return
        if not reply.text.strip() and not _cut(reply, _GREETING_TOKENS):
            raise self._without_words(reply)

    async def _concluded(self, form: Form, mode: Mode) -> Capability:
        # A form that the server failed on each time is beyond it only if it fails again now,
        # after another form was answered.
        for each in self._failing:
            if await self._rung(each):
                form, mode = each, BEST[each]
                break
        return Capability(form, mode, tuple(sorted(self.tried, key=self._place)))

    def _place(self, row: tuple[Form, str, bool]) -> int:
        return int(self.dialect.LADDER.index(row[0]))

    async def _rung(self, form: Form) -> bool:
        """Whether the reply under this form is what the form promises."""
        self.tried = [row for row in self.tried if row[0] is not form]
        try:
            reply = await self._answer(form)
        except (BadRequest, Overloaded) as error:
            if form is Form.TEXT or not (_of_the_form(error) or self._fails(form, error)):
                raise
            if error.code == "response_format" and error.status is None:
                # A form that is not for this kind of server was not sent.
                return False
            self.tried.append((form, f"refused, {error.status or 'no reply'}", False))
            return False
        obeyed = _obeys(reply.text, form, self._riddle)
        spoken = bool(reply.text.strip())
        self.spoke = self.spoke or spoken
        self.tried.append((form, ACCEPTED if spoken else SILENT, obeyed))
        if not obeyed and _cut(reply, self.room.limit):
            self.tried[-1] = (form, ACCEPTED, False)
            raise self._cut_off()
        return obeyed

    def _fails(self, form: Form, error: CallError) -> bool:
        """Whether the server may have failed on this form alone, which is looked at later."""
        if isinstance(error, Overloaded) and not failed_itself(error):
            return False
        self._failing = [each for each in self._failing if each is not form] + [form]
        return True

    def _posed(self) -> tuple[dict[str, str], Compiled]:
        """A riddle of its own for each rung: an answer that a gateway kept is no obedience."""
        riddle = {f"zq_{secrets.token_hex(3)}_index": f"okapi-{secrets.randbelow(9000) + 1000}"}
        return riddle, read_schema(_under(riddle)).compile(self.dialect.SUBSET)

    async def _answer(self, form: Form) -> Reply:
        """The reply; a cut one is asked for again with more room, one without words once more."""
        self._riddle, self._schema = self._posed()
        silent = False
        while True:
            limit = self.room.limit
            try:
                reply = await self._asked(form, _QUESTION, limit)
            except Truncated:
                # Some servers answer with an error where the limit came before the first word.
                reply = Reply("", "truncated", Usage())
            except CallError as error:
                if not (self._of_the_limit(error) and self.room.refused()):
                    raise
                continue
            self.room.took(limit)
            if _obeys(reply.text, form, self._riddle):
                return reply
            if _cut(reply, limit):
                if self.room.raised():
                    continue
                return reply
            if reply.text.strip() and reply.ending == "complete":
                return reply
            self._silent = self._without_words(reply)
            if silent:
                return replace(reply, text="")
            silent = True

    def _of_the_limit(self, error: CallError) -> bool:
        """Whether the server may have refused the output limit, and not the form."""
        return self.room.doubtful(error) and not self.dialect.form_refused(error)

    def _without_words(self, reply: Reply) -> Failure:
        if reply.ending == "refused":
            return Refused(
                f"{self.model} declines to answer even the test question.",
                "Look at the server's own instructions or guardrails, or take another model.",
            )
        return InvalidJSON(
            f"{self.model} answers without any text: its reply is empty, or nothing but thinking.",
            "Look at the server's chat template and its reasoning parser, then test again.",
        )

    def _cut_off(self) -> Truncated:
        began = "before its end" if self.spoke else "before it began"
        return Truncated(
            f"The answer of {self.model} to the test question was cut off {began},"
            f" after {self.room.limit:,} tokens.",
            "Raise the server's own limits (output, context window), or lower the thinking of the"
            " model, then test again.",
        )

    async def _asked(self, form: Form, question: str, limit: int) -> Reply:
        """One reply, parameters that are refused left out; a filter's verdict is raised."""
        while True:
            try:
                reply = await self._persist(lambda: self._once(form, question, limit))
            except Failure as error:
                dropped = self._dropped.with_refused(error, self.dialect)
                if dropped is None:
                    raise
                self._dropped = dropped
                continue
            if reply.ending == "filtered":
                # A filter that stops a question about nothing stops every other one.
                raise Filtered("The provider's safety filter stops even the test question.")
            return reply

    async def _persist(self, once: Callable[[], Awaitable[T]]) -> T:
        async def paced() -> T:
            return await persist(self.pace, once, Tried())

        return await (self.patience.through(paced) if self.patience else paced())

    async def _once(self, form: Form, question: str, limit: int) -> Reply:
        request = Request(
            model=self.model,
            instructions="",
            parts=(TextPart(question),),
            schema=self._schema,
            form=form,
            max_output_tokens=limit,
            effort_sent=effort_sent(self.facts, "least"),
        )
        request, target = self._dropped.apply(request, self.connection.target(self.model))
        call = self.dialect.encode(request, target)
        payload: Payload = await egress.send(
            self.connection,
            self.model,
            call,
            policy=self.policy,
            total=egress.total_seconds(self.connection, thinking=self.room.thinking),
        )
        if payload.status >= 400:
            raise self.dialect.explain(payload, call=call)
        reply: Reply = self.dialect.decode(payload, call=call)
        server_facts.from_reply(self.connection, self.model, reply.served_model)
        return reply


def _cut(reply: Reply, limit: int) -> bool:
    """Whether the reply ended at the limit, also where the server does not say so."""
    used = reply.usage.output_tokens
    return reply.ending == "truncated" or (
        reply.ending == "complete" and used is not None and used >= limit
    )


def _of_the_form(error: CallError) -> bool:
    """Whether it is the content of the request that was refused."""
    return isinstance(error, BadRequest) and (
        error.code in {"response_format", "invalid_schema"} or error.status in _CONTENT_REFUSED
    )


def _under(riddle: dict[str, str]) -> dict[str, Any]:
    """The schema that nothing but this record fits."""
    return {
        "title": "Probe",
        "type": "object",
        "properties": {name: {"type": "string", "enum": [said]} for name, said in riddle.items()},
        "required": list(riddle),
        "additionalProperties": False,
    }


def _obeys(text: str, form: Form, riddle: dict[str, str]) -> bool:
    try:
        data = parse_json(text)
    except InvalidJSON:
        return False
    if BEST[form] is Mode.SCHEMA:
        return bool(data == riddle)
    return isinstance(data, dict)
