"""Capability: what a model really enforces of a schema, found out by a probe once per process."""

from __future__ import annotations

import asyncio
import contextlib
import math
import secrets
import time
from typing import TYPE_CHECKING, Any

from llmwidgets.connections.connection import Connection
from llmwidgets.dialects.messages import (
    BEST,
    Capability,
    Form,
    Mode,
    Payload,
    Request,
    Target,
    TextPart,
)
from llmwidgets.engine import gate, learned
from llmwidgets.engine.pacing import Pace, Tried, persist
from llmwidgets.engine.question import Dropped, effort_sent
from llmwidgets.errors import (
    BadRequest,
    CallError,
    Failure,
    Filtered,
    InvalidJSON,
    LLMWidgetsError,
    Overloaded,
)
from llmwidgets.schemas import Compiled, parse_json, read_schema

if TYPE_CHECKING:
    from llmwidgets.connections.policy import Policy

_QUESTION = "Reply with a JSON object about the weather."
_OUTPUT_TOKENS = 2048

_COLD_AFTER_SECONDS = 240.0
"""Ollama puts a model away that was not asked for five minutes."""

_seen: dict[tuple[str, str], Capability] = {}
_answered: dict[tuple[str, str], float] = {}
_under_way: dict[tuple[str, str], asyncio.Lock] = {}


def known(connection: Connection, model: str) -> Capability | None:
    """What is known without a call: from the model's facts, the store, or an earlier probe."""
    return _seen.get(_key(connection, model)) or connection.capability(model)


def learn(connection: Connection, model: str, capability: Capability) -> None:
    """Keep what a call taught, for the rest of the process."""
    _seen[_key(connection, model)] = capability


def forget() -> None:
    """Forget every probe: the next run asks anew."""
    _seen.clear()
    _answered.clear()
    _under_way.clear()
    learned.forget()


async def find(connection: Connection, model: str, *, policy: Policy, pace: Pace) -> Capability:
    """What the model enforces; probed where nothing is known, once even for many who ask.

    Raises what the calls raise where the server does not answer at all.
    """
    key = _key(connection, model)
    async with _under_way.setdefault(key, asyncio.Lock()):
        found = known(connection, model)
        return (
            found if found is not None else await probe(connection, model, policy=policy, pace=pace)
        )


async def probe(connection: Connection, model: str, *, policy: Policy, pace: Pace) -> Capability:
    """Climb down the ladder of forms until one is obeyed; without one, the best accepted.

    Each rung asks for any JSON under a schema whose one property and value nobody would guess:
    a reply that has them shows that the schema was enforced. A 200 alone proves nothing.
    """
    prober = _Prober(connection, model, policy, pace)
    accepted: Form | None = None
    for form in prober.dialect.LADDER:
        if form is Form.TEXT or (accepted and BEST[form] is not Mode.SCHEMA):
            continue
        if await prober.rung(form):
            if BEST[form] is Mode.SCHEMA:
                return prober.concluded(form, Mode.SCHEMA)
            accepted = form
    if accepted is None:
        await prober.rung(Form.TEXT)
        return prober.concluded(Form.TEXT, Mode.TEXT)
    return prober.concluded(accepted, Mode.JSON)


async def greet(connection: Connection, model: str, *, policy: Policy, pace: Pace) -> None:
    """The smallest question: the model answers it, whatever it says; else CallError."""
    greeter = _Prober(connection, model, policy, pace)
    greeter.question, greeter.output_tokens = "Reply with OK.", 16
    await greeter.rung(Form.TEXT)


async def warm(connection: Connection, model: str, *, policy: Policy) -> None:
    """Have a server on this computer load its model, so that no text's time holds the loading.

    A probe has done so; where it is long ago, or what the server enforces was known without one,
    the smallest question is asked. What it raises the first text raises too, and tells.
    """
    if connection.kind != "custom" or not gate.local(connection):
        return
    key = _key(connection, model)
    async with _under_way.setdefault(key, asyncio.Lock()):
        cold = time.monotonic() - _answered.get(key, -math.inf) > _COLD_AFTER_SECONDS
        _answered[key] = time.monotonic()
        if cold:
            once = Pace(1, 1)
            once.patient = False
            with contextlib.suppress(LLMWidgetsError):
                await greet(connection, model, policy=policy, pace=once)
            _answered[key] = time.monotonic()


class _Prober:
    question = _QUESTION
    output_tokens = _OUTPUT_TOKENS

    def __init__(self, connection: Connection, model: str, policy: Policy, pace: Pace) -> None:
        self.connection, self.model, self.policy, self.pace = connection, model, policy, pace
        self.dialect = connection.dialect
        self.riddle = _riddle()
        self.schema: Compiled = read_schema(_under(self.riddle)).compile(self.dialect.SUBSET)
        self.tried: list[tuple[Form, str, bool]] = []
        self.dropped = Dropped()

    def concluded(self, form: Form, mode: Mode) -> Capability:
        found = Capability(form, mode, tuple(self.tried))
        learn(self.connection, self.model, found)
        _answered[_key(self.connection, self.model)] = time.monotonic()
        return found

    async def rung(self, form: Form) -> bool:
        """Whether the reply under this form is what the form promises."""
        try:
            text = await self._ask(form)
        except (BadRequest, Overloaded) as error:
            if form is Form.TEXT:
                raise
            if error.code == "response_format" and error.status is None:
                # A form that is not for this kind of server was not sent.
                return False
            self.tried.append((form, f"refused, {error.status or 'no reply'}", False))
            return False
        except Failure as error:
            # A filter that stops a question about nothing stops every other one.
            if isinstance(error, CallError | Filtered):
                raise
            text = ""
        obeyed = _obeys(text, form, self.riddle)
        self.tried.append((form, "accepted", obeyed))
        return obeyed

    async def _ask(self, form: Form) -> str:
        while True:
            try:
                payload = await persist(self.pace, lambda: self._send(form), Tried())
                reply = self.dialect.decode(payload)
                learned.from_reply(self.connection, self.model, reply.served_model)
                return str(reply.text)
            except Failure as error:
                dropped = self.dropped.with_refused(error, self.dialect)
                if dropped is None:
                    raise
                self.dropped = dropped

    async def _send(self, form: Form) -> Payload:
        request, target = self.dropped.apply(self._request(form), self._target())
        call = self.dialect.encode(request, target)
        payload = await gate.send(
            self.connection,
            self.model,
            call,
            policy=self.policy,
            total=gate.total_seconds(self.connection, thinking=False),
        )
        if payload.status >= 400:
            raise self.dialect.explain(payload, call=call)
        return payload

    def _target(self) -> Target:
        return self.connection.target(self.model)

    def _request(self, form: Form) -> Request:
        return Request(
            model=self.model,
            instructions="",
            parts=(TextPart(self.question),),
            schema=self.schema,
            form=form,
            max_output_tokens=self.output_tokens,
            effort_sent=effort_sent(self.connection.facts(self.model), "least"),
        )


def _riddle() -> dict[str, str]:
    # New each time: an answer out of a gateway's memory must not pass for obedience.
    return {f"zq_{secrets.token_hex(3)}_index": f"okapi-{secrets.randbelow(9000) + 1000}"}


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


def _key(connection: Connection, model: str) -> tuple[str, str]:
    return connection.target(model).url, model
