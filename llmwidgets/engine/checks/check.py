"""Check: does this connection work, by the way a run would use it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace

from llmwidgets.connections import catalog
from llmwidgets.connections.connection import Connection
from llmwidgets.connections.policy import Policy
from llmwidgets.dialects.types import Capability, Enforcement, ListedModel
from llmwidgets.engine import capability, event_loop
from llmwidgets.engine import capability as capabilities
from llmwidgets.engine.checks import local_servers
from llmwidgets.engine.checks.rules import CheckFailure, Diagnosis, code_of, status_of
from llmwidgets.engine.checks.symptoms import SYMPTOMS
from llmwidgets.engine.network import egress
from llmwidgets.engine.network.egress import count_tokens, list_models
from llmwidgets.engine.network.retry import Clock, Pace
from llmwidgets.engine.probing import Patience, Prober, ProgressCallback
from llmwidgets.errors import (
    BadRequest,
    CallError,
    Failure,
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
from llmwidgets.formatting import join_listed
from llmwidgets.providers.base import ModelFacts
from llmwidgets.report import html
from llmwidgets.secret import redact
from llmwidgets.visible import escape_controls

_NAMED = 5


@dataclass(frozen=True, slots=True, repr=False)
class CheckReport:
    """What a check found: a sentence, and what to do where it is not well.

    `fix` maps field names to the values that mend the connection. `models` are reachable and
    allowed; `facts` tells of each what is known now, the provider's live list first. `mode` is
    None where it was not looked at, or could not be determined, which the sentence then says.
    `details` are (label, value) rows for who wants to know more; `code` is the server's own
    short word, `status` "ok" or the class of the failure.
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

    def __post_init__(self) -> None:
        # A server's own words stand in all of these.
        for name in ("sentence", "hint", "code"):
            object.__setattr__(self, name, escape_controls(getattr(self, name)))
        told = tuple((name, escape_controls(said)) for name, said in self.details)
        object.__setattr__(self, "details", told)

    def __bool__(self) -> bool:
        return self.ok

    def __repr__(self) -> str:
        return escape_controls(" ".join(self._told))

    def _repr_html_(self) -> str:
        return html.notice(self._told)

    @property
    def _told(self) -> tuple[str, ...]:
        shown, left = self.models[:_NAMED], len(self.models) - _NAMED
        models = join_listed([*shown, *([f"{left:,} more"] if left > 0 else [])])
        said = (
            self.sentence,
            self.hint,
            f"Another {join_listed(tuple(self.fix))} mends it: see .fix." if self.fix else "",
            f"Models: {models}." if models else "",
            f"Replies: {self.mode.value}." if self.mode else "",
        )
        return tuple(redact(each) for each in said if each)


def check(
    connection: Connection, *, policy: Policy | None = None, tell: ProgressCallback | None = None
) -> CheckReport:
    """Whether the connection works, by its own path; never raises for what a server does.

    The rules are those of `policy`, else of the default store and this machine. A server that is
    overloaded or starting is asked again for about 20 seconds; `tell` hears of each wait.
    FieldError for what is not a connection, such as a reference.

    >>> check(Connection("openai", api_key="env:OPENAI_API_KEY")).sentence   # doctest: +SKIP
    'Key accepted. 12 of 14 whitelisted models can be used.'
    """
    if not isinstance(connection, Connection):
        raise FieldError(
            {"connection": f"{connection!r:.60} is not a connection."},
            'Give one: store["openai"], or Connection("openai", api_key="env:OPENAI_API_KEY").',
        )
    return event_loop.run_blocking(check_connection(connection, policy=policy, tell=tell))


async def check_connection(
    connection: Connection,
    *,
    policy: Policy | None = None,
    tell: ProgressCallback | None = None,
    clock: Clock | None = None,
) -> CheckReport:
    """`check` as a coroutine for the engine's loop."""
    begun = time.perf_counter()
    patience = Patience(connection.host, clock=clock, tell=tell)
    checker = _Checker(connection, policy or _at_hand(), patience)
    try:
        report = await checker.run()
    except LLMWidgetsError as error:
        report = await checker.explained(error)
    except Exception as error:  # noqa: BLE001 - its words may hold a key
        report = CheckReport(
            False,
            f"An internal error ({type(error).__name__}) ended the check.",
            "Report it with the class named here.",
            code="internal",
            status="InternalError",
        )
    return replace(report, seconds=time.perf_counter() - begun)


def _at_hand() -> Policy:
    from llmwidgets.store.store import Store

    try:
        return Store().policy
    except StoreError:
        return Policy()


_TELLING_NOTHING = (Overloaded, RateLimited, Unreachable, Truncated, InvalidJSON, Refused)
"""What a probe can end in that says nothing of the form of the reply."""


class _Checker:
    def __init__(self, connection: Connection, policy: Policy, patience: Patience) -> None:
        self.connection, self.policy, self.patience = connection, policy, patience
        self.dialect = connection.dialect
        self.pace = Pace(1, 1)
        self.pace.patient = False
        self.allowed = policy.allowed(connection)
        self.model = next(iter(self.allowed), next(iter(connection.models), ""))
        self.listed: tuple[ListedModel, ...] | None = None
        self.undetermined = ""

    async def run(self) -> CheckReport:
        if self.connection.provider.single and not self.connection.provider.lists:
            return await self._counted()
        await self._list()
        if self.connection.provider.single:
            return await self._single()
        if self.connection.any_model:
            return CheckReport(True, "Key accepted. Each reference names its deployment.")
        if self.connection.capability(self.model) is None or self.connection.provider.self_hosted:
            return await self._probed()
        await self._greet(self.model)
        return self._named(f"Key accepted. The deployment {self.model} answers.", None)

    async def explained(self, error: LLMWidgetsError) -> CheckReport:
        """The report of a check that failed; a fix is offered only where it was tried."""
        names = tuple(each.id for each in self.listed or ())
        near = await nearby_addresses(self.connection, self.model, error)
        case = CheckFailure(error, self.connection, self.model, names, near)
        for told in diagnoses(case):
            fix = dict(told.fix) if told.fix and await self._mends(told.fix) else None
            if fix is not None or not told.proven:
                break
        details = [("Host", self.connection.host)] if self.connection.models else []
        request_id = getattr(error, "request_id", None)
        if request_id:
            details.append(("Request id", str(request_id)))
        return CheckReport(
            False,
            f"{told.sentence} {self.undetermined}".rstrip(),
            told.hint,
            fix,
            details=tuple(details),
            code=told.code,
            status=told.status,
        )

    async def _mends(self, fix: Mapping[str, str]) -> bool:
        return await fixes_connection(self.connection, fix, self.model, policy=self.policy)

    async def _list(self) -> None:
        """Ask for the list of models, where that tells anything; the calls that follow decide."""
        try:
            self.listed = tuple(await self._list_of_models())
            catalog.remember_models(self.connection, self.listed)
        except Forbidden:
            # A key can be allowed to run models and not to list them.
            return
        except (BadRequest, Overloaded, UnknownModel):
            if self.connection.provider.single:
                raise
        except Unreachable as error:
            # An answer of another format (404, a web page): many servers list nothing.
            if error.status is None or self.connection.provider.single:
                raise
        except CallError:
            raise

    async def _list_of_models(self) -> list[ListedModel]:
        async def once() -> list[ListedModel]:
            return await list_models(self.connection, self.model, policy=self.policy)

        # Where the list decides nothing, its own troubles are not waited for.
        return await (self.patience.through(once) if self.connection.provider.single else once())

    async def _single(self) -> CheckReport:
        if self.listed is None:
            await self._greet(self.model)
            said = f"Key accepted. It may not list models; {self.model} answers."
            return self._named(said, None, self.allowed)
        names = {each.id for each in self.listed if each.lifecycle != "retired"}
        usable = tuple(model for model in self.allowed if model in names)
        if usable:
            # Some keys may list models and run none; an account without credit lists them too.
            await self._count(usable[0])
            await self._greet(usable[0])
        return self._usable(usable, "Key")

    async def _counted(self) -> CheckReport:
        """Which models answer, by the free call that counts tokens, where a list tells nothing."""
        # What is wrong with the whole connection is told by one call, and raised.
        first = await self._answers(self.model, UnknownModel)
        others = [model for model in self.allowed if model != self.model]
        answered = await asyncio.gather(*(self._answers(each, Failure) for each in others))
        refused = dict(zip((self.model, *others), (first, *answered), strict=True))
        if first is not None and all(refused.values()):
            raise first
        # A model that is overloaded is there, and the credentials reached it.
        there = (type(None), Overloaded, RateLimited)
        return self._usable(
            tuple(each for each in self.allowed if isinstance(refused[each], there)), "Credentials"
        )

    async def _answers(self, model: str, expected: type[Failure]) -> Failure | None:
        """None where the model answers, else the failure that was expected."""
        try:
            await self._count(model)
        except expected as failure:
            return failure
        return None

    async def _count(self, model: str) -> None:
        await self.patience.through(
            lambda: count_tokens(self.connection, model, policy=self.policy)
        )

    def _prober(self, model: str) -> Prober:
        return Prober(
            self.connection, model, policy=self.policy, pace=self.pace, patience=self.patience
        )

    async def _greet(self, model: str) -> None:
        await self._prober(model).greet()

    def _usable(self, usable: tuple[str, ...], proof: str) -> CheckReport:
        missing = [model for model in self.allowed if model not in usable]
        details = [("Not available", ", ".join(missing))] if missing else []
        details += [
            (model, note)
            for model in usable
            for note in catalog.model_notes(self.connection, model)
        ]
        count = len(self.allowed)
        said = f"{proof} accepted. {len(usable)} of {count} whitelisted models can be used."
        if not usable:
            return CheckReport(
                False,
                f"{proof} accepted, but none of the {count} whitelisted models can be used.",
                "Ask the owner of the account for access, or allow a model that the key may use.",
                details=tuple(details),
                status="Forbidden",
            )
        known = self.connection.capability(usable[0])
        return CheckReport(
            True,
            said,
            models=usable,
            mode=known.mode if known else None,
            capability=known,
            details=tuple(details),
            facts=self._facts(usable),
        )

    def _facts(self, models: tuple[str, ...]) -> tuple[ModelFacts, ...]:
        known = (self.connection.facts(model) for model in models)
        return tuple(facts for facts in known if facts is not None)

    async def _probed(self) -> CheckReport:
        prober = self._prober(self.model)
        keyed = " and accepts the key" if self.connection.secret_fields else ""
        answers = f"The server answers{keyed}."
        try:
            found = await prober.climb()
        except _TELLING_NOTHING as error:
            if isinstance(error, Unreachable) and not prober.spoke:
                raise
            self.undetermined = "What it enforces of a schema could not be determined."
            if not prober.spoke:
                await self._greeted_instead(error)
            return self._undetermined(answers, error)
        capabilities.conclude_capability(self.connection, self.model, found)
        return self._named(answers, found)

    async def _greeted_instead(self, error: Failure) -> None:
        """Raise the error, unless the model says a word where it is held to no form."""
        if not isinstance(error, CallError) or error.retry_after:
            raise error
        try:
            await self._greet(self.model)
        except Failure:
            raise error from None

    def _undetermined(self, said: str, error: Failure) -> CheckReport:
        later = "Test again later; until then each run finds out by itself."
        return replace(
            self._named(f"{said} {self.undetermined} {error.message}", None),
            hint=error.hint if isinstance(error, Truncated) else later,
            mode=None,
            capability=None,
        )

    def _named(
        self, said: str, found: Capability | None, models: tuple[str, ...] = ()
    ) -> CheckReport:
        known = found or self.connection.capability(self.model)
        names = [each.id for each in self.listed or ()]
        details = [("Models of the server", ", ".join(names[:20]))] if names and found else []
        return CheckReport(
            True,
            said,
            models=models or (self.model,),
            mode=known.mode if known else None,
            capability=known,
            details=tuple(details),
            facts=self._facts(models or (self.model,)),
        )


# -- Diagnosis: what an error means for this connection, and which change of a field mends it.


def diagnoses(case: CheckFailure) -> Iterator[Diagnosis]:
    """What the error can mean, likeliest first; the last one needs no proof."""
    for symptom in SYMPTOMS:
        if symptom.when(case):
            yield from symptom.told(case)
            if not symptom.proven:
                return
    error = case.error
    yield Diagnosis(error.message, error.hint, None, code_of(error), status_of(error))


def diagnose(
    error: LLMWidgetsError, connection: Connection, *, model: str = "", listed: tuple[str, ...] = ()
) -> Diagnosis:
    """What the error means for this connection, as far as can be told without trying anything."""
    listed = listed or catalog.listed_models(connection)
    case = CheckFailure(error, connection, model or next(iter(connection.models), ""), listed)
    return next(each for each in diagnoses(case) if not each.proven)


def mended(connection: Connection, fix: Mapping[str, str]) -> Connection:
    """The connection with these fields changed; FieldError where they do not fit."""
    fields = {**connection.plain_fields, **connection.secret_fields}
    headers = dict(connection.fields.headers)
    return Connection(
        connection.kind, label=connection.label, **{**fields, "headers": headers, **fix}
    )


def keyless(connection: Connection) -> Connection:
    """A Custom connection without its secrets: to look at an address the key is not bound to."""
    return Connection(connection.kind, label=connection.label, **connection.plain_fields)


# -- Mending: whether a proposed change of a field makes the connection work, found by trying it.

_ADDRESSES = frozenset({"endpoint", "base_url"})


async def fixes_connection(
    connection: Connection, fix: Mapping[str, str], model: str, *, policy: Policy
) -> bool:
    """Whether the connection works with the fix; a key is never taken to another address."""
    moved = False
    try:
        other = mended(connection, fix)
        moved = bool(_ADDRESSES & set(fix)) and other.address != connection.address
        await _try(keyless(other) if moved else other, fix, model, policy)
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
            await list_models(other, named, policy=policy)
    elif other.provider.single:
        await count_tokens(other, named, policy=policy)
    else:
        once = Pace(1, 1)
        once.patient = False
        await capability.greet_server(other, named, policy=policy, pace=once)


async def nearby_addresses(
    connection: Connection, model: str, error: LLMWidgetsError
) -> tuple[str, ...]:
    """Model servers on this computer that list the model, where nothing listens as typed."""
    here = connection.provider.self_hosted and egress.is_local(connection)
    if not here or getattr(error, "code", "") != "refused":
        return ()
    found = await local_servers.discover(local_servers.USUAL)
    return tuple(each.endpoint for each in found if model in each.models)


__all__ = [
    "SYMPTOMS",
    "CheckFailure",
    "Diagnosis",
    "diagnose",
    "diagnoses",
    "keyless",
    "mended",
]
