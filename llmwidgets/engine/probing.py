"""Probing: test questions that show what a server holds a reply to, and what shows nothing."""

from __future__ import annotations

import secrets
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar

from llmwidgets.connections.connection import Connection
from llmwidgets.dialects.types import (
    BEST,
    Capability,
    Enforcement,
    HTTPResponse,
    Reply,
    Request,
    ResponseFormat,
    TextPart,
    Usage,
)
from llmwidgets.engine import server_facts
from llmwidgets.engine.network import egress
from llmwidgets.engine.network.retry import Attempts, Clock, Pace, retry_until_answered
from llmwidgets.engine.request_builder import DroppedParameters, resolve_effort
from llmwidgets.errors import (
    BadRequest,
    CallError,
    Failure,
    FailureCode,
    Filtered,
    InvalidJSON,
    Overloaded,
    RateLimited,
    Refused,
    TooLong,
    Truncated,
    Unreachable,
)
from llmwidgets.providers.base import ModelFacts
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
        self.tried: list[tuple[ResponseFormat, str, bool]] = []
        self.spoke = False
        self._dropped = DroppedParameters()
        self._silent: Failure | None = None
        self._failing: list[ResponseFormat] = []

    async def climb(self) -> Capability:
        """Climb down the ladder of forms until one is obeyed; without one, text alone.

        Each rung asks for any JSON under a schema whose one property and value nobody would
        guess: a reply that has them shows that the schema was enforced. A 200 proves nothing.
        """
        accepted: ResponseFormat | None = None
        for form in self.dialect.LADDER:
            if form is ResponseFormat.TEXT or (accepted and BEST[form] is not Enforcement.SCHEMA):
                continue
            if await self._rung(form):
                if BEST[form] is Enforcement.SCHEMA:
                    return await self._concluded(form, Enforcement.SCHEMA)
                accepted = form
        if accepted is not None:
            return await self._concluded(accepted, Enforcement.JSON)
        await self._rung(ResponseFormat.TEXT)
        if self._silent is not None and self.tried[-1][1] == SILENT:
            raise self._silent
        return await self._concluded(ResponseFormat.TEXT, Enforcement.TEXT)

    async def greet(self) -> None:
        """The smallest question: the model says a word, or is cut while it thinks; else raises."""
        try:
            reply = await self._asked(ResponseFormat.TEXT, _GREETING, _GREETING_TOKENS)
        except Truncated:
            return
        if not reply.text.strip() and not _cut(reply, _GREETING_TOKENS):
            raise self._without_words(reply)

    async def _concluded(self, form: ResponseFormat, mode: Enforcement) -> Capability:
        # A form that the server failed on each time is beyond it only if it fails again now,
        # after another form was answered.
        for each in self._failing:
            if await self._rung(each):
                form, mode = each, BEST[each]
                break
        return Capability(form, mode, tuple(sorted(self.tried, key=self._place)))

    def _place(self, row: tuple[ResponseFormat, str, bool]) -> int:
        return int(self.dialect.LADDER.index(row[0]))

    async def _rung(self, form: ResponseFormat) -> bool:
        """Whether the reply under this form is what the form promises."""
        self.tried = [row for row in self.tried if row[0] is not form]
        try:
            reply = await self._answer(form)
        except (BadRequest, Overloaded) as error:
            if form is ResponseFormat.TEXT or not (_of_the_form(error) or self._fails(form, error)):
                raise
            if error.code == FailureCode.RESPONSE_FORMAT and error.status is None:
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

    def _fails(self, form: ResponseFormat, error: CallError) -> bool:
        """Whether the server may have failed on this form alone, which is looked at later."""
        if isinstance(error, Overloaded) and not failed_itself(error):
            return False
        self._failing = [each for each in self._failing if each is not form] + [form]
        return True

    def _posed(self) -> tuple[dict[str, str], Compiled]:
        """A riddle of its own for each rung: an answer that a gateway kept is no obedience."""
        riddle = {f"zq_{secrets.token_hex(3)}_index": f"okapi-{secrets.randbelow(9000) + 1000}"}
        return riddle, read_schema(_under(riddle)).compile(self.dialect.SUBSET)

    async def _answer(self, form: ResponseFormat) -> Reply:
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

    async def _asked(self, form: ResponseFormat, question: str, limit: int) -> Reply:
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
            return await retry_until_answered(self.pace, once, Attempts())

        return await (self.patience.through(paced) if self.patience else paced())

    async def _once(self, form: ResponseFormat, question: str, limit: int) -> Reply:
        request = Request(
            model=self.model,
            instructions="",
            parts=(TextPart(question),),
            schema=self._schema,
            form=form,
            max_output_tokens=limit,
            effort_sent=resolve_effort(self.facts, "least"),
        )
        request, target = self._dropped.apply(request, self.connection.target(self.model))
        call = self.dialect.encode(request, target)
        payload: HTTPResponse = await egress.send_guarded(
            self.connection,
            self.model,
            call,
            policy=self.policy,
            total=egress.total_seconds(self.connection, thinking=self.room.thinking),
        )
        if payload.status >= 400:
            raise self.dialect.explain(payload, call=call)
        reply: Reply = self.dialect.decode(payload, call=call)
        server_facts.learn_from_reply(self.connection, self.model, reply.served_model)
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
        error.code in {FailureCode.RESPONSE_FORMAT, FailureCode.INVALID_SCHEMA}
        or error.status in _CONTENT_REFUSED
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


def _obeys(text: str, form: ResponseFormat, riddle: dict[str, str]) -> bool:
    try:
        data = parse_json(text)
    except InvalidJSON:
        return False
    if BEST[form] is Enforcement.SCHEMA:
        return bool(data == riddle)
    return isinstance(data, dict)


# -- Probe room: how many tokens a test question may be answered with.

_FIRST = 2_048
_STEP = 8
_MOST = 65_536
_LEAST = 256
_QUESTION_TOKENS = 256
_REFUSING = frozenset({400, 413, 422})


@dataclass(slots=True)
class ProbeRoom:
    """The output limit: raised while answers are cut, lowered where the server does not take it.

    `taken` is the largest limit that brought a reply so far.

    >>> room = ProbeRoom()
    >>> room.raised(), room.limit
    (True, 16384)
    """

    limit: int = _FIRST
    most: int = _MOST
    taken: int = 0

    @classmethod
    def of(cls, facts: ModelFacts | None) -> ProbeRoom:
        """The room within what is known of the model's limits."""
        output, window = (facts.output_limit, facts.input_limit) if facts else (None, None)
        within = [_MOST, *([output] if output else [])]
        within += [max(_LEAST, window - _QUESTION_TOKENS)] if window else []
        return cls(min(_FIRST, *within), min(within))

    @property
    def thinking(self) -> bool:
        """Whether the model has shown that it needs long to begin."""
        return self.limit > _FIRST

    def took(self, limit: int) -> None:
        """A reply came under this limit, whole or cut."""
        self.taken = max(self.taken, limit)

    def raised(self) -> bool:
        """Whether a cut answer can be asked for anew with more room; `limit` is then larger."""
        wanted = min(self.limit * _STEP, self.most)
        raised, self.limit = wanted > self.limit, max(wanted, self.limit)
        return raised

    def doubtful(self, error: CallError) -> bool:
        """Whether the error may mean that this limit is more than the server takes."""
        if self.limit <= self.taken:
            return False
        if isinstance(error, TooLong):
            return True
        return self.taken > 0 and isinstance(error, BadRequest) and error.status in _REFUSING

    def refused(self) -> bool:
        """Whether a lower limit is left to try; it is not raised above that one any more."""
        lower = max(self.limit // 2, self.taken)
        if lower >= self.limit or lower < _LEAST:
            return False
        self.limit = self.most = lower
        return True


# -- Patience: how long a check waits for a server that is busy, starting or gone for a moment.

ProgressCallback = Callable[[str], None]
"""Hears in a few words what a check is waiting for."""

WAIT_SECONDS = 20.0
"""All the waits of one check together: someone is watching it."""

_LONGEST_STEP = 6.0
_SHORT_TRIES = 3
_BROKEN_OFF = frozenset({
    FailureCode.REFUSED, FailureCode.CONNECT_TIMEOUT, FailureCode.HUNG_UP, FailureCode.CUT_SHORT,
    FailureCode.NETWORK,
})  # fmt: skip


def failed_itself(error: CallError) -> bool:
    """Whether the server failed on this very request (500, 501), and not for lack of room or time.

    Some servers answer so to a form that they do not know, so that only a comparison tells.
    """
    said = {error.status, error.code} & {500, 501, "500", "501"}
    return isinstance(error, Overloaded) and bool(said)


class Patience:
    """The waits of one check, limited in all; `tell` hears each before it begins.

    An overloaded server is waited for from the start, since one that loads its model says the
    same. A limit and a broken connection are waited out only after something has answered: at
    first they are what the check is to tell.
    """

    def __init__(
        self, host: str, *, clock: Clock | None = None, tell: ProgressCallback | None = None
    ) -> None:
        self.host, self.clock, self._tell = host, clock or Clock(), tell
        self.left = WAIT_SECONDS
        self._answered = False

    async def through(self, once: Callable[[], Awaitable[T]]) -> T:
        """Do `once`, again after a wait where that can help; raises its last CallError."""
        failed: list[CallError] = []
        while True:
            try:
                result = await once()
            except CallError as error:
                failed.append(error)
            else:
                self._answered = True
                return result
            wait = self._wait(failed)
            if wait is None:
                raise failed[-1]
            self.left -= wait
            if self._tell is not None:
                self._tell(
                    f"{_words(failed[-1], self.host)}; asking again in {max(1, round(wait))} s"
                )
            await self.clock.sleep(wait)

    def _wait(self, failed: list[CallError]) -> float | None:
        """Seconds until the next try, or None where there is none."""
        error, times = failed[-1], len(failed)
        if not self._worth_waiting(error):
            return None
        few = failed_itself(error) or isinstance(error, RateLimited)
        if few and error.retry_after is None and times >= _SHORT_TRIES:
            return None
        if error.perhaps_answered and sum(each.perhaps_answered for each in failed) > 1:
            return None
        step = min(_LONGEST_STEP, 0.5 * 2 ** (times - 1)) * (0.75 + 0.5 * self.clock.jitter())
        wait = max(step, error.retry_after or 0.0)
        return wait if wait <= self.left else None

    def _worth_waiting(self, error: CallError) -> bool:
        if error.code == FailureCode.NO_RETRY:
            return False
        if isinstance(error, Overloaded):
            return True
        if isinstance(error, RateLimited):
            return self._answered or error.retry_after is not None
        return isinstance(error, Unreachable) and self._answered and error.code in _BROKEN_OFF


def _words(error: CallError, host: str) -> str:
    if isinstance(error, RateLimited):
        return f"{host} accepts no more requests for now"
    if isinstance(error, Unreachable):
        return f"{host} broke off"
    return f"{host} is overloaded or still starting ({error.status})"
