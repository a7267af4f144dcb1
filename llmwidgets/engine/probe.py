"""The probe: test questions whose replies show what a server enforces of a schema.

They are asked once, by whoever needs the answer first; `capability.py` keeps it.
"""

from __future__ import annotations

import secrets
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from functools import partial
from typing import TYPE_CHECKING, Literal

from llmwidgets.connections import catalog
from llmwidgets.connections.connection import Connection
from llmwidgets.dialects.error_meanings import form_refused
from llmwidgets.dialects.types import (
    BEST,
    Capability,
    Enforcement,
    Reply,
    Request,
    ResponseFormat,
    TextPart,
    Usage,
    forms_asked,
)
from llmwidgets.engine.capability import NONE_DROPPED, record_of, resolve_effort
from llmwidgets.engine.endings import thinking_hint
from llmwidgets.engine.network import egress
from llmwidgets.engine.network.pacing import Pace
from llmwidgets.engine.network.patience import failed_itself
from llmwidgets.engine.shared_calls import shared_calls
from llmwidgets.errors import (
    BadRequest,
    CallError,
    Failure,
    FailureCode,
    Filtered,
    InvalidJSON,
    LLMWidgetsError,
    Overloaded,
    Refused,
    ReplyError,
    TooLong,
    Truncated,
)
from llmwidgets.formatting import count
from llmwidgets.schemas import Compiled, parse_json, read_schema

if TYPE_CHECKING:
    from llmwidgets.connections.policy import Policy


async def find_capability(
    connection: Connection, model: str, *, policy: Policy, pace: Pace
) -> Capability:
    """What the model enforces; probed if nothing is known, once even for many who ask at once.

    If the replies to the probe show nothing, the `doubt` says so, and nothing is kept. Raises
    what the calls raise: a server that is overloaded has shown nothing either.
    """
    record, calls = record_of(connection, model), shared_calls()
    known = record.capability or connection.capability(model)
    if known is not None:
        return known
    prober = Prober(connection, model, policy=policy, retry=pace.retry_until_answered)
    # Who asks under another label or with another key can be refused, and is told so by that name.
    question = "probe", record, connection.label, calls.same_access(connection)
    found, _ = await calls.join(question, prober, partial(_probe, prober))
    return found


async def _probe(prober: Prober) -> Capability:
    connection, model, record = prober.connection, prober.model, prober.record
    if connection.provider.self_hosted and not record.facts.window:
        # Many servers of the user's own do not say how long their window is.
        with suppress(LLMWidgetsError):
            listed = await egress.list_models(connection, model, policy=prober.policy)
            same = catalog.find_listed(model, [each.id for each in listed])
            named = [each for each in listed if each.id == same]
            named = named or (listed if len(listed) == 1 else [])
            window = next((each.input_limit for each in named if each.input_limit), None)
            record.facts = replace(record.facts, window=window or record.facts.window)
    try:
        return await prober.climb()
    except ReplyError as failure:
        doubt = f"What {model} enforces could not be determined. {failure.message}"
    # While it is not known what is enforced, nothing is taken to be.
    accepted = [form for form, answer, _ in prober.tried if answer == ACCEPTED]
    form = next(iter(accepted), ResponseFormat.TEXT)
    mode = Enforcement.JSON if BEST[form] is Enforcement.SCHEMA else BEST[form]
    return Capability(form, mode, tuple(prober.tried), doubt)


# -- What shows that a connection works, and how many questions that takes.

Proof = Literal["count", "list", "greeting", "probe"]
"""What a check asks for: the tokens of a word, which is free, the list of models, a word of one
model, or its answers to test questions."""

MOST_QUESTIONS = 16
"""How many questions a check asks if the server is busy, refuses what it is sent or cuts answers.
No more are sent, whatever comes of them."""


def proof_of(connection: Connection, model: str) -> Proof:
    """What shows that this connection works."""
    provider = connection.provider
    if provider.single:
        return "greeting" if provider.lists else "count"
    if connection.any_model:
        return "list"
    unknown = connection.capability(model) is None or provider.self_hosted
    return "probe" if unknown else "greeting"


def questions_of(connection: Connection, model: str) -> int:
    """How many questions the proof takes at most while each is answered."""
    proof = proof_of(connection, model)
    if proof == "probe":
        return len(forms_asked(connection.dialect_for(model), connection.target(model)))
    return 1 if proof == "greeting" else 0


# -- The questions, each form of answer in turn.

_QUESTION = "Reply with a JSON object about the weather."
_GREETING = "Reply with OK."
_GREETING_TOKENS = 16
_CONTENT_REFUSED = frozenset({400, 404, 405, 413, 415, 422, 501})
"""What a server answers to the content of a request; other statuses are about its own state."""
_FORM_CODES = frozenset({FailureCode.RESPONSE_FORMAT, FailureCode.INVALID_SCHEMA})
ACCEPTED, SILENT = "accepted", "no answer"

Retry = Callable[[Callable[[], Awaitable[Reply]]], Awaitable[Reply]]


class Prober:
    """Asks one model test questions, each form of answer in turn.

    A reply that was cut or that never came, or a server without room or time, shows nothing about
    the form, so `climb` raises rather than conclude; what it concludes is kept. `spoke` is whether
    the model answered with a word; `tried` has what was seen so far; `retry` does a call,
    again where that may help; without it every call is tried once.
    """

    def __init__(
        self,
        connection: Connection,
        model: str,
        *,
        policy: Policy,
        retry: Retry | None = None,
    ) -> None:
        self.connection, self.model = connection, model
        self.policy, self.retry = policy, retry
        self.dialect, self.target = connection.dialect_for(model), connection.target(model)
        self.forms = forms_asked(self.dialect, self.target)
        self.record = record_of(connection, model)
        facts = connection.facts(model)
        self._effort = resolve_effort(facts, "least")
        most = min(_MOST, (facts and facts.output_limit) or _MOST)
        if facts is not None and facts.input_limit:
            most = min(most, max(_LEAST, facts.input_limit - _QUESTION_TOKENS))
        self.room = ProbeRoom(min(_FIRST, most), most)
        self._riddle, self._schema = self._pose()
        self.tried: list[tuple[ResponseFormat, str, bool]] = []
        self.spoke = False
        self._dropped = NONE_DROPPED.learnt_by(self.record)
        self._silent: Failure | None = None
        self._failing: list[ResponseFormat] = []

    async def climb(self) -> Capability:
        """Climb down the ladder of forms until one is obeyed; without one, text alone.

        Each rung asks for any JSON under a schema whose one property and value nobody would
        guess: a reply that has them shows that the schema was enforced. A 200 proves nothing.
        """
        with egress.named(self.connection, self.model, Failure):
            return await self._climb()

    async def _climb(self) -> Capability:
        accepted: ResponseFormat | None = None
        for form in self.forms:
            if form is ResponseFormat.TEXT or (accepted and BEST[form] is not Enforcement.SCHEMA):
                continue
            if await self._rung(form):
                if BEST[form] is Enforcement.SCHEMA:
                    return await self._conclude(form, Enforcement.SCHEMA)
                accepted = form
        if accepted is not None:
            return await self._conclude(accepted, Enforcement.JSON)
        await self._rung(ResponseFormat.TEXT)
        if self._silent is not None and self.tried[-1][1] == SILENT:
            raise self._silent
        return await self._conclude(ResponseFormat.TEXT, Enforcement.TEXT)

    async def greet(self) -> None:
        """The smallest question: the model says a word, or is cut while it thinks; else raises."""
        with egress.named(self.connection, self.model, Failure):
            try:
                reply = await self._ask(ResponseFormat.TEXT, _GREETING, _GREETING_TOKENS)
            except Truncated:
                return
            if not reply.text.strip() and not _is_cut(reply, _GREETING_TOKENS):
                raise self._wordless(reply)

    async def _conclude(self, form: ResponseFormat, mode: Enforcement) -> Capability:
        # A form that the server failed on each time is beyond it only if it fails again now,
        # after another form was answered.
        for each in self._failing:
            if await self._rung(each):
                form, mode = each, BEST[each]
                break
        order = self.forms.index
        tried = tuple(sorted(self.tried, key=lambda row: order(row[0])))
        record, capability = self.record, Capability(form, mode, tried)
        record.capability, record.answered_at = capability, time.monotonic()
        # What was learnt of single schemas before no longer counts.
        record.unenforced.clear()
        return capability

    async def _rung(self, form: ResponseFormat) -> bool:
        """Whether the reply under this form is what the form promises."""
        self.tried = [row for row in self.tried if row[0] is not form]
        try:
            reply = await self._answer(form)
        except (BadRequest, Overloaded) as error:
            if form is ResponseFormat.TEXT or not self._may_be_the_form(form, error):
                raise
            self.tried.append((form, f"refused, {error.status or 'no reply'}", False))
            return False
        obeyed = _obeys(reply.text, form, self._riddle)
        spoken = bool(reply.text.strip())
        self.spoke = self.spoke or spoken
        self.tried.append((form, ACCEPTED if spoken else SILENT, obeyed))
        if not obeyed and _is_cut(reply, self.room.limit):
            self.tried[-1] = (form, ACCEPTED, False)
            began = "before its end" if self.spoke else "before it began"
            raise Truncated(
                f"The answer of {self.model} to the test question was cut off {began},"
                f" after {count(self.room.limit, 'token')}.",
                "Raise the server's own limits (output, context window), or lower the thinking of"
                " the model, then test again.",
            )
        return obeyed

    def _may_be_the_form(self, form: ResponseFormat, error: CallError) -> bool:
        """Whether the form was refused, or the server may have failed on this form alone.

        The latter is looked at again at the end.
        """
        if isinstance(error, BadRequest) and (
            error.code in _FORM_CODES or error.status in _CONTENT_REFUSED
        ):
            return True
        if isinstance(error, Overloaded) and not failed_itself(error):
            return False
        self._failing = [each for each in self._failing if each is not form] + [form]
        return True

    def _pose(self) -> tuple[dict[str, str], Compiled]:
        """A riddle of its own for each rung, so that an answer cached by a gateway never obeys."""
        name = f"zq_{secrets.token_hex(3)}_index"
        riddle = {name: f"okapi-{secrets.randbelow(9000) + 1000}"}
        schema = {
            "title": "Probe",
            "type": "object",
            "properties": {name: {"type": "string", "enum": [riddle[name]]}},
            "required": [name],
            "additionalProperties": False,
        }
        return riddle, read_schema(schema).compile(self.dialect.SUBSET)

    async def _answer(self, form: ResponseFormat) -> Reply:
        """The reply; a cut one is asked for again with more room, one without words once more."""
        self._riddle, self._schema = self._pose()
        silent = False
        while True:
            limit = self.room.limit
            try:
                reply = await self._ask(form, _QUESTION, limit)
            except Truncated:
                # Some servers answer with an error if the limit came before the first word.
                reply = Reply("", "truncated", Usage())
            except CallError as error:
                # The server may have refused the output limit, and not the form.
                of_the_limit = self.room.doubtful(error) and not form_refused(error)
                if not (of_the_limit and self.room.refused()):
                    raise
                continue
            self.room.taken = max(self.room.taken, limit)
            if _obeys(reply.text, form, self._riddle):
                return reply
            if _is_cut(reply, limit):
                if self.room.raised():
                    continue
                return reply
            if reply.text.strip() and reply.ending == "complete":
                return reply
            self._silent = self._wordless(reply)
            if silent:
                return replace(reply, text="")
            silent = True

    def _wordless(self, reply: Reply) -> Failure:
        if reply.ending == "refused":
            return Refused(
                f"{self.model} declines to answer even the test question.",
                "Look at the server's own instructions or guardrails, or take another model.",
            )
        what = f"nothing but thinking ({reply.thinking})" if reply.thinking else "empty"
        return InvalidJSON(
            f"{self.model} answers without any text: its reply is {what}.",
            thinking_hint(self_hosted=self.connection.provider.self_hosted),
        )

    async def _ask(self, form: ResponseFormat, question: str, limit: int) -> Reply:
        """One reply, parameters that are refused left out; a filter's verdict is raised."""
        once = partial(self._once, form, question, limit)
        while True:
            try:
                reply = await (once() if self.retry is None else self.retry(once))
            except Filtered:
                raise self._filtered() from None
            except Failure as error:
                dropped = self._dropped.with_refused(error)
                if dropped is None:
                    raise
                self._dropped = dropped.learnt_by(self.record)
                continue
            if reply.ending == "filtered":
                raise self._filtered()
            return reply

    def _filtered(self) -> Filtered:
        # A filter that stops a question about nothing stops every other one.
        return Filtered(
            "The provider's safety filter stops even the test question.",
            "Look at the content filter of the deployment, or take another model.",
        )

    async def _once(self, form: ResponseFormat, question: str, limit: int) -> Reply:
        request = Request(
            model=self.model,
            instructions="",
            parts=(TextPart(question),),
            schema=self._schema,
            form=form,
            max_output_tokens=limit,
            effort_sent=self._effort if self._dropped.levels else None,
        )
        _, reply = await egress.ask_model(
            self.connection,
            request,
            self._dropped.respell(self.target),
            policy=self.policy,
            thinking=self.room.limit > _FIRST,
        )
        self.record.learn_from_reply(self.connection, reply.served_model)
        return reply


def _is_cut(reply: Reply, limit: int) -> bool:
    """Whether the reply ended at the limit, also if the server does not say so."""
    used = reply.usage.output_tokens
    return reply.ending == "truncated" or (
        reply.ending == "complete" and used is not None and used >= limit
    )


def _obeys(text: str, form: ResponseFormat, riddle: dict[str, str]) -> bool:
    try:
        data = parse_json(text)
    except InvalidJSON:
        return False
    return bool(data == riddle) if BEST[form] is Enforcement.SCHEMA else isinstance(data, dict)


# -- How long an answer to a question may be.

_FIRST, _STEP, _MOST, _LEAST = 2_048, 8, 65_536, 256
_QUESTION_TOKENS = 256
_LIMIT_REFUSED = frozenset({400, 413, 422})


@dataclass(slots=True)
class ProbeRoom:
    """The output limit of a test question: raised while answers are cut, lowered if refused.

    Above the first limit the model has shown that it needs long to begin. `taken` is the largest
    limit that brought a reply so far.

    >>> room = ProbeRoom()
    >>> room.raised(), room.limit
    (True, 16384)
    """

    limit: int = _FIRST
    most: int = _MOST
    taken: int = 0

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
        return self.taken > 0 and isinstance(error, BadRequest) and error.status in _LIMIT_REFUSED

    def refused(self) -> bool:
        """Whether a lower limit is left to try; it is not raised above that one any more."""
        lower = max(self.limit // 2, self.taken)
        if lower >= self.limit or lower < _LEAST:
            return False
        self.limit = self.most = lower
        return True
