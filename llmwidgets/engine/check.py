"""The check of a connection: does it work the way a run would use it, and what would fix it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TypeVar

from llmwidgets.connections import catalog
from llmwidgets.connections.catalog import own_price
from llmwidgets.connections.connection import Connection, named_by
from llmwidgets.connections.policy import Policy
from llmwidgets.dialects import openai
from llmwidgets.dialects.types import Capability, Enforcement, ListedModel, Target
from llmwidgets.engine import event_loop
from llmwidgets.engine.network import egress
from llmwidgets.engine.network.pacing import Clock
from llmwidgets.engine.network.patience import Patience, ProgressCallback
from llmwidgets.engine.network.tally import Tally, keep_tally
from llmwidgets.engine.probe import MOST_QUESTIONS, Prober, proof_of
from llmwidgets.engine.shared_calls import shared_calls
from llmwidgets.engine.troubleshooting import CheckFailure, diagnoses
from llmwidgets.errors import (
    BadRequest,
    CallError,
    Failure,
    FailureCode,
    FieldError,
    Forbidden,
    InvalidJSON,
    LLMWidgetsError,
    Overloaded,
    RateLimited,
    Refused,
    StoreError,
    Truncated,
    Unauthorized,
    UnknownModel,
    Unreachable,
)
from llmwidgets.formatting import count, dollars, escape_controls, join_listed
from llmwidgets.providers.base import ModelFacts
from llmwidgets.report import html
from llmwidgets.secret import redact

T = TypeVar("T")

_NAMED = 5
_PROVES_NOTHING = (Overloaded, RateLimited, Unreachable, Truncated, InvalidJSON, Refused)
"""What a probe can end in that shows nothing of the form of the reply."""


@dataclass(frozen=True, slots=True, repr=False)
class CheckReport:
    """What a check found: a sentence, and what to do if something is wrong.

    `fix` maps field names to the values that fix the connection. `models` are reachable and
    allowed; `facts` is what is known of each now, the provider's live list first. `mode` is
    None if it was not looked at, or could not be determined, which the sentence then says.
    `details` are (label, value) rows for who wants to know more; `code` is the server's own
    short word, `status` "ok" or the class of the failure. `command` is a line for the shell of
    whoever can put it right: the owner of a resource, say. `sign_in` is the way to sign in that is
    left; it was not tried, since nobody chose to send a token there. `asked` is how many questions
    reached a model, `tokens` and `cost` (US dollars) what their answers took, None if that is not
    known; `hosts` is everybody who was sent something, those who give tokens too.
    """

    ok: bool
    sentence: str
    hint: str = ""
    fix: Mapping[str, str] | None = None
    models: tuple[str, ...] = ()
    mode: Enforcement | None = None
    capability: Capability | None = field(default=None, repr=False)
    seconds: float = 0.0
    details: tuple[tuple[str, str], ...] = ()
    code: str = ""
    facts: tuple[ModelFacts, ...] = field(default=(), repr=False)
    status: str = "ok"
    command: str = ""
    asked: int = 0
    tokens: int | None = 0
    cost: float | None = 0.0
    hosts: tuple[str, ...] = ()
    sign_in: str = ""

    def __post_init__(self) -> None:
        # All of these can quote a server.
        for name in ("sentence", "hint", "code", "command"):
            object.__setattr__(self, name, escape_controls(getattr(self, name)))
        details = tuple((label, escape_controls(value)) for label, value in self.details)
        object.__setattr__(self, "details", details)

    def __bool__(self) -> bool:
        return self.ok

    def __repr__(self) -> str:
        return escape_controls(" ".join(self._sentences))

    def _repr_html_(self) -> str:
        return html.notice(self._sentences)

    @property
    def sent(self) -> str:
        """What was really sent, and to whom, in a sentence; its own sentence can say to whom."""
        hosts, known = join_listed(self.hosts), all(host in self.sentence for host in self.hosts)
        if not self.asked:
            to = "" if known else f"; sent to {hosts}"
            return f"No question was asked{to}." if hosts else "Nothing was sent."
        tokens = "" if self.tokens is None else f"{count(self.tokens, 'token')}, "
        took = f" ({tokens}cost {dollars(self.cost)})" if self.tokens != 0 else ""  # 0: no answer
        to = "" if known else f" to {hosts}:"
        return f"Sent{to} {count(self.asked, 'question')}{took}."

    @property
    def _sentences(self) -> tuple[str, ...]:
        shown, left = self.models[:_NAMED], len(self.models) - _NAMED
        models = join_listed([*shown, *([f"{left:,} more"] if left > 0 else [])])
        sentences = (
            self.sentence,
            self.hint,
            f"Another {join_listed(tuple(self.fix))} fixes it: see .fix." if self.fix else "",
            f"The command for it: {self.command}" if self.command else "",
            f"Models: {models}." if models else "",
            f"Replies: {self.mode.value}." if self.mode else "",
            self.sent,
        )
        return tuple(redact(each) for each in sentences if each)


def check(
    connection: Connection | str,
    *,
    policy: Policy | None = None,
    tell: ProgressCallback | None = None,
) -> CheckReport:
    """Whether the connection works, by its own path; never raises for what a server does.

    A connection of the default store, or of the environment, is named by its label.

    Its host is sent the key and one short question, or several where only answers show what it
    enforces (at most 16, also if it is busy); Vertex AI's is sent a word to count, and no question.
    A sign-in without a key asks its own service for a token first. The report's `sent` says what
    was really sent, and to whom. A key that is surely another vendor's is not sent to a vendor's
    own address: `base_url` names the address if it is meant all the same.

    The rules are those of `policy`, else of the default store and this machine. A server that is
    overloaded or starting is asked again for about 20 seconds; `tell` hears of each wait.
    FieldError for what is not a connection, UnknownConnection and StoreLocked for a label.

    >>> check(Connection("openai", api_key="env:OPENAI_API_KEY")).sentence   # doctest: +SKIP
    'Key accepted. 12 of 14 whitelisted models can be used.'
    """
    event_loop.refuse_await("check")
    if isinstance(connection, str):
        connection = _of_label(connection)
    if not isinstance(connection, Connection):
        raise FieldError(
            {"connection": f"{connection!r:.60} is not a connection."},
            'Give one: store["openai"], or Connection("openai", api_key="env:OPENAI_API_KEY").',
        )
    return event_loop.run_blocking(check_connection(connection, policy=policy, tell=tell))


def _of_label(label: str) -> Connection:
    from llmwidgets.connections.discovery import environment_connections
    from llmwidgets.store.store import Store

    found = {each.label: each for each in environment_connections()}
    return found.get(label) or Store()[label]


async def check_connection(
    connection: Connection,
    *,
    policy: Policy | None = None,
    tell: ProgressCallback | None = None,
    clock: Clock | None = None,
) -> CheckReport:
    """`check` as a coroutine for the engine's loop."""
    from llmwidgets.engine.network.sign_in import tokens

    begun = time.perf_counter()
    patience = Patience(connection.host, clock or Clock(), tell)
    checker = _Checker(connection, policy or _default_policy(), patience)
    with keep_tally(MOST_QUESTIONS) as tally:
        try:
            report = await checker.run()
        except LLMWidgetsError as error:
            report = await checker.explain(error)
        except Exception as error:  # noqa: BLE001 - its words may contain a key
            report = CheckReport(
                False,
                f"An internal error ({type(error).__name__}) ended the check.",
                "Report it with the class named here.",
                code=FailureCode.INTERNAL.value,
                status="InternalError",
            )
    account = tokens.known_account(connection)
    details = [("Signed in as", account)] if account else []
    if not report.ok:
        # The next test asks again: another account may have signed in by then.
        tokens.forget_token(connection)
    # The price list takes a while to load.
    cost = await asyncio.to_thread(_cost, connection, tally) if tally.usages else 0.0
    return replace(
        report,
        details=(*details, *report.details),
        seconds=time.perf_counter() - begun,
        asked=tally.questions,
        tokens=_sum_known(used.total_tokens for _, used in tally.usages),
        cost=cost,
        hosts=tuple(tally.hosts),
    )


def mark_checked(connection: Connection, report: CheckReport) -> Connection:
    """The connection as a check that succeeded leaves it: with its time, and what a probe saw."""
    checked = connection.with_checked_at(datetime.now(UTC))
    if report.capability and checked.models and not checked.provider.single:
        checked = checked.with_capability(checked.models[0], report.capability)
    return checked


def _cost(connection: Connection, tally: Tally) -> float | None:
    from llmwidgets.providers.prices import cost

    now, provider = datetime.now(UTC), connection.provider
    return _sum_known(
        cost(own_price(connection, model), provider, model, used, now, connection.target(model).url)
        for model, used in tally.usages
    )


Number = TypeVar("Number", int, float)


def _sum_known(numbers: Iterable[Number | None]) -> Number | None:
    """The sum; None if one of the numbers is not known."""
    known = list(numbers)
    return None if None in known else sum(each for each in known if each is not None)


def _default_policy() -> Policy:
    from llmwidgets.store.store import Store

    try:
        return Store().policy
    except StoreError:
        return Policy()


class _Checker:
    def __init__(self, connection: Connection, policy: Policy, patience: Patience) -> None:
        self.connection, self.policy, self.patience = connection, policy, patience
        self.provider = connection.provider
        self.allowed = policy.allowed(connection)
        self.model = next(iter(self.allowed), next(iter(connection.models), ""))
        self.listed: tuple[ListedModel, ...] | None = None
        self.undetermined = ""
        self.proof = "Key" if connection.fields.way == "key" else "Sign-in"

    async def run(self) -> CheckReport:
        proof = proof_of(self.connection, self.model)
        if proof == "count":
            return await self._count_with_each()
        await self._list()
        if self.provider.single:
            return await self._check_single()
        if proof == "list":
            return self._report_any_model()
        if proof_of(self.connection, self.model) == "probe":  # the list may have told more
            return await self._probe()
        await self._prober(self.model).greet()
        return self._success(f"{self.proof} accepted. The deployment {self.model} answers.")

    async def explain(self, error: LLMWidgetsError) -> CheckReport:
        """The report of a check that failed; a fix is offered only if it was tried."""
        names = tuple(each.id for each in self.listed or ())
        nearby = await nearby_addresses(self.connection, self.model, error)
        for diagnosis in diagnoses(CheckFailure(error, self.connection, self.model, names, nearby)):
            fix = dict(diagnosis.fix or {})
            # Nobody chose to send a token there: this one is offered, and not tried.
            sign_in = fix.pop("sign_in", "")
            works = bool(fix) and await fixes_connection(
                self.connection, fix, self.model, policy=self.policy
            )
            if works or sign_in or not diagnosis.proven:
                break
        details = [("Host", self.connection.host)] if self.connection.models else []
        request_id = getattr(error, "request_id", None)
        if request_id:
            details.append(("Request id", str(request_id)))
        return CheckReport(
            False,
            f"{diagnosis.sentence} {self.undetermined}".rstrip(),
            diagnosis.hint,
            fix if works else None,
            details=tuple(details),
            code=diagnosis.code,
            status=diagnosis.status,
            command=getattr(error, "command", ""),
            sign_in=sign_in,
        )

    async def _list(self) -> None:
        """Ask for the list of models, if that shows anything; the calls that follow decide."""
        single = self.provider.single

        async def once() -> list[ListedModel]:
            return await egress.list_models(self.connection, self.model, policy=self.policy)

        try:
            # If the list decides nothing, its own troubles are not waited for.
            self.listed = tuple(await (self.patience.through(once) if single else once()))
            catalog.remember_models(self.connection, self.listed)
        except Forbidden:
            # A key can be allowed to run models and not to list them.
            return
        except (BadRequest, Overloaded, UnknownModel):
            if single:
                raise
        except Unreachable as error:
            # An answer of another format (404, a web page): many servers list nothing.
            if error.status is None or single:
                raise

    def _report_any_model(self) -> CheckReport:
        """What the list alone has shown, since each reference names another model."""
        preset = self.connection.preset
        open_to_all = self.listed is None or (preset is not None and preset.public_list)
        shown = f"{self.proof} accepted." if not open_to_all else (
            "The server answers; whether it takes the key, only a question to a model shows."
        )  # fmt: skip
        return CheckReport(True, f"{shown} Each reference names its {named_by(self.provider)}.")

    async def _check_single(self) -> CheckReport:
        if self.listed is None:
            await self._prober(self.model).greet()
            sentence = f"{self.proof} accepted. It may not list models; {self.model} answers."
            return self._success(sentence, models=self.allowed)
        names = {each.id for each in self.listed if each.lifecycle != "retired"}
        usable = tuple(model for model in self.allowed if model in names)
        if usable:
            # Some keys may list models and run none; an account without credit lists them too.
            await self._count(usable[0])
            await self._prober(usable[0]).greet()
        return self._report_usable(usable, self.proof)

    async def _count_with_each(self) -> CheckReport:
        """Which models answer, one by one, if a list shows nothing."""
        # What is wrong with the whole connection is found by one call, and raised.
        first = await self._count(self.model, UnknownModel)
        others = [model for model in self.allowed if model != self.model]
        answers = await asyncio.gather(*(self._count(each, Failure) for each in others))
        refusals = dict(zip((self.model, *others), (first, *answers), strict=True))
        if first is not None and all(refusals.values()):
            raise first
        # A model that is overloaded exists, and the credentials reached it.
        exists = (type(None), Overloaded, RateLimited)
        usable = tuple(each for each in self.allowed if isinstance(refusals[each], exists))
        return self._report_usable(usable, "Credentials")

    async def _count(self, model: str, *expected: type[Failure]) -> Failure | None:
        """Count tokens, which is free: None if that is answered, else the expected failure."""
        try:
            await self.patience.through(
                lambda: egress.count_tokens(self.connection, model, policy=self.policy)
            )
        except expected as failure:
            return failure
        return None

    def _prober(self, model: str) -> Prober:
        return Prober(self.connection, model, policy=self.policy, retry=self.patience.through)

    def _report_usable(self, usable: tuple[str, ...], proof: str) -> CheckReport:
        missing = [model for model in self.allowed if model not in usable]
        details = [("Not available", ", ".join(missing))] if missing else []
        listed_here = {each.id for each in self.listed or ()}
        for why, later in self._not_yet(listed_here).items():
            details.append(("Not yet", f"{', '.join(later)}: {why}"))
        details += [
            (model, note)
            for model in usable
            for note in catalog.model_notes(self.connection, model)
        ]
        listed = count(len(self.allowed), "whitelisted model")
        if not usable:
            return CheckReport(
                False,
                f"{proof} accepted, but none of the {listed} can be used.",
                "Ask the owner of the account for access, or allow a model that the key may use: "
                f'store.allow("{self.connection.label}", "MODEL").',
                details=tuple(details),
                status="Forbidden",
            )
        sentence = f"{proof} accepted. {len(usable)} of {listed} can be used."
        return self._success(sentence, models=usable, details=details)

    def _not_yet(self, listed: set[str]) -> dict[str, list[str]]:
        """The models that the server lists and that cannot be called yet, by the reason."""
        reasons: dict[str, list[str]] = {}
        for model, why in self.provider.not_yet.items():
            if model in listed and model not in self.allowed:
                reasons.setdefault(why, []).append(model)
        return reasons

    async def _probe(self) -> CheckReport:
        proven = self.connection.secret_fields or self.proof != "Key"
        keyed = f" and accepts the {self.proof.lower()}" if proven else ""
        answers = f"The server answers{keyed}."
        spoke, capability, error = await self._climb()
        if error is not None:
            if not isinstance(error, _PROVES_NOTHING) or (
                isinstance(error, Unreachable) and not spoke
            ):
                raise error
            self.undetermined = "What it enforces of a schema could not be determined."
            if not spoke:
                await self._greet_instead(error)
            later = "Test again later; until then each run finds out by itself."
            return replace(
                self._success(f"{answers} {self.undetermined} {error.message}"),
                hint=error.hint if isinstance(error, Truncated) else later,
                mode=None,
                capability=None,
            )
        names = ", ".join(each.id for each in (self.listed or ())[:20])
        details = [("Models of the server", names)] if names else []
        report = self._success(answers, capability, details=details)
        return replace(report, hint=catalog.unlisted_note(self.connection, self.model))

    async def _climb(self) -> tuple[bool, Capability | None, Failure | None]:
        """Whether the model said a word, and what it enforces, or why that cannot be told.

        Of several checks at once one asks, and the others wait for the same answers.
        """
        self.policy.permit(self.connection, self.model)
        calls, prober = shared_calls(), self._prober(self.model)

        async def ask() -> tuple[bool, Capability | None, Failure | None]:
            try:
                return prober.spoke, await prober.climb(), None
            except Failure as error:
                return prober.spoke, None, error

        access = calls.same_access(self.connection)
        question = "check", prober.record, self.connection.label, access
        return (await calls.join(question, prober, ask))[0]

    async def _greet_instead(self, error: Failure) -> None:
        """Raise the error, unless the model says a word when it is held to no form."""
        if not isinstance(error, CallError) or error.retry_after:
            raise error
        try:
            await self._prober(self.model).greet()
        except Failure:
            raise error from None

    def _success(
        self,
        sentence: str,
        seen: Capability | None = None,
        models: tuple[str, ...] = (),
        details: Sequence[tuple[str, str]] = (),
    ) -> CheckReport:
        models = models or (self.model,)
        capability = seen or self.connection.capability(models[0])
        facts = (self.connection.facts(model) for model in models)
        return CheckReport(
            True,
            sentence,
            models=models,
            mode=capability.mode if capability else None,
            capability=capability,
            details=tuple(details),
            facts=tuple(each for each in facts if each is not None),
        )


# -- Whether a proposed change of a field makes the connection work, found by trying it.

_ADDRESSES = frozenset({"endpoint", "base_url"})


def apply_fix(connection: Connection, fix: Mapping[str, str]) -> Connection:
    """The connection with these fields changed; FieldError if they do not fit.

    With another way to sign in it loses what only the former one uses: the key, say.
    """
    fields = {**connection.plain_fields, **connection.secret_fields}
    if "sign_in" in fix:
        asked = connection.provider.form(fix["sign_in"]).model_fields
        fields = {name: value for name, value in fields.items() if name in asked}
    headers = dict(connection.fields.headers)
    return Connection(
        connection.kind, label=connection.label, **{**fields, "headers": headers, **fix}
    )


async def fixes_connection(
    connection: Connection, fix: Mapping[str, str], model: str, *, policy: Policy
) -> bool:
    """Whether the connection works with the fix; a key is never taken to another address."""
    moved = False
    try:
        other = apply_fix(connection, fix)
        moved = bool(_ADDRESSES & set(fix)) and other.address != connection.address
        if moved:
            # An address that the key is not bound to is looked at without it.
            other = Connection(other.kind, label=other.label, **other.plain_fields)
        await _try(other, fix, model, policy)
    except Unauthorized:
        # A server that asks for the key is one: the address is right.
        return moved
    except LLMWidgetsError:
        return False
    return True


async def _try(other: Connection, fix: Mapping[str, str], model: str, policy: Policy) -> None:
    named = next(iter(other.models), model) if other.provider.model_field else model
    if other.provider.self_hosted:
        # A name comes from the server's own list; only an address has to be looked at.
        if _ADDRESSES & set(fix):
            await egress.list_models(other, named, policy=policy)
    elif other.provider.single:
        await egress.count_tokens(other, named, policy=policy)
    else:
        await Prober(other, named, policy=policy).greet()


async def nearby_addresses(
    connection: Connection, model: str, error: LLMWidgetsError
) -> tuple[str, ...]:
    """Model servers on this computer that list the model, if nothing listens as typed."""
    here = connection.provider.self_hosted and egress.is_local(connection)
    if not here or getattr(error, "code", "") != FailureCode.REFUSED:
        return ()
    return tuple(each.endpoint for each in await discover() if model in each.models)


# -- Model servers on this computer, looked for only when the user asks, or nothing answers.

_SECONDS = 1.5


@dataclass(frozen=True, slots=True)
class Usual:
    """A server by its usual port; `key` is the word it takes if one must be given."""

    title: str
    port: int
    key: str = ""


USUAL: tuple[Usual, ...] = (
    Usual("Ollama", 11434, "ollama"),
    Usual("LM Studio", 1234),
    Usual("vLLM", 8000),
    Usual("sglang", 30000),
    Usual("llama.cpp", 8080),
)


@dataclass(frozen=True, slots=True)
class LocalServer:
    """A server that answered on this computer, and the models it lists."""

    title: str
    endpoint: str
    models: tuple[str, ...]
    key: str = ""


async def discover(usual: tuple[Usual, ...] | None = None) -> list[LocalServer]:
    """The servers that answer GET /v1/models on their usual port; loopback only, no key sent."""
    servers = await asyncio.gather(*(_look(each) for each in usual or USUAL))
    return [server for server in servers if server is not None]


async def _look(usual: Usual) -> LocalServer | None:
    from llmwidgets.engine.network import transport

    endpoint = f"http://localhost:{usual.port}/v1"
    call = openai.models_call(Target(url=endpoint, model=""))
    try:
        response = await transport.send_call(call, connect=_SECONDS, total=_SECONDS)
        if response.status != 200:
            return None
        listed, _ = openai.listed_models(response)
    except LLMWidgetsError:
        return None
    return LocalServer(usual.title, endpoint, tuple(each.id for each in listed), usual.key)
