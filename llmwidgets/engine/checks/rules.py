"""Symptom: one row of the table of faults, and the case that it is held against."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from llmwidgets.connections import catalog
from llmwidgets.connections.catalog import key_has_ended, local_today
from llmwidgets.connections.connection import Connection
from llmwidgets.engine.network.proxies import is_loopback
from llmwidgets.errors import CallError, Failure, LLMWidgetsError
from llmwidgets.formatting import format_day
from llmwidgets.providers import PROVIDERS
from llmwidgets.providers.azure import read_endpoint
from llmwidgets.providers.base import Ended, KeyPrefix, ModelFacts, Provider

HUGGING_FACE = "router.huggingface.co"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A sentence, the next step, and the fields to change where that is known.

    `status` is the failure's class. `proven` says that the sentence holds only where the fix was
    tried and mends.
    """

    sentence: str
    hint: str = ""
    fix: Mapping[str, str] | None = None
    code: str = ""
    status: str = ""
    proven: bool = False


@dataclass(frozen=True, slots=True)
class CheckFailure:
    """An error of one connection; `listed` are the models the server lists, where it does.

    `nearby` are endpoints of model servers on this computer that list the model.
    """

    error: LLMWidgetsError
    connection: Connection
    model: str = ""
    listed: tuple[str, ...] = ()
    nearby: tuple[str, ...] = field(default=())

    @property
    def provider(self) -> Provider:
        return self.connection.provider

    @property
    def code(self) -> str:
        return str(getattr(self.error, "code", ""))

    @property
    def status(self) -> int | None:
        return getattr(self.error, "status", None)

    @property
    def address_field(self) -> str:
        """The field whose address is called."""
        return "base_url" if self.connection.fields.base_url else "endpoint"

    @property
    def endpoint(self) -> str:
        return str(getattr(self.connection.fields, self.address_field, "") or "")

    @property
    def typed_host(self) -> str:
        """The host of the endpoint as typed, also where a gateway stands in front of it."""
        typed = str(getattr(self.connection.fields, "endpoint", "") or "")
        return urlsplit(typed).hostname or ""

    @property
    def path(self) -> str:
        return urlsplit(self.endpoint).path.rstrip("/")

    @property
    def on_this_computer(self) -> bool:
        return is_loopback(urlsplit(self.connection.address).hostname or "")

    @property
    def gone(self) -> Retirement | None:
        """Who retired the model and when; None where it lives, and where nothing is known."""
        return retirement(self.connection, self.model)

    @property
    def facts(self) -> ModelFacts | None:
        """What is known of the model today."""
        return self.connection.facts(self.model)

    @property
    def ending(self) -> str:
        """The model's end, where it is near; empty otherwise."""
        return catalog.end_note(self.connection, self.model)

    @property
    def deployment(self) -> str:
        """The deployment that a pasted target URI names."""
        try:
            return read_endpoint(self.endpoint).deployment or ""
        except ValueError:
            return ""

    @property
    def version(self) -> str:
        """The api-version that a pasted target URI names."""
        return self.endpoint.partition("api-version=")[2].partition("&")[0]

    @property
    def nearest(self) -> str:
        known = self.listed or self.connection.models
        others = [each for each in known if each != self.model]
        return next(iter(difflib.get_close_matches(self.model, others, 1, 0.5)), "")

    @property
    def doubt(self) -> str:
        """The warning about the key's shape, where there is one."""
        secrets = self.connection.secret_fields
        said = (each for each in self.connection.field_warnings if each.field in secrets)
        return next((each.sentence for each in said), "")

    @property
    def ended(self) -> str:
        """The day the key ended, by the day saved with it; empty while it goes on."""
        ends = self.connection.fields.expires if self.connection.secret_fields else None
        return format_day(ends) if ends and key_has_ended(self.connection, local_today()) else ""

    def begins(self, prefix: str) -> bool:
        """Whether the key starts with a public prefix."""
        return any(each.begins(prefix) for each in self.connection.secret_fields.values())

    @property
    def prefix(self) -> KeyPrefix:
        """How the key begins, where a next step is known for keys of its provider that do so."""
        known = (each for each in self.provider.key_prefixes if each.step)
        return next((each for each in known if self.begins(each.start)), KeyPrefix(""))

    @property
    def words(self) -> dict[str, str]:
        """What a sentence can name."""
        gone, nearest = self.gone, self.nearest
        successor = gone.ended.successor if gone else ""
        words = {
            "label": self.connection.label,
            "title": self.provider.title,
            "key_step": self.prefix.step,
            "whose": gone.whose if gone else "",
            "on": gone.on if gone else "",
            "instead": f"Use {successor} instead." if successor else "Take a model that is served.",
            "ending": f" {self.ending}" if self.ending else "",
            "near": f" The nearest name is {nearest}." if nearest else "",
            "host": self.connection.host,
            "model": self.model,
            "endpoint": self.endpoint,
            "location": str(getattr(self.connection.fields, "location", "") or "global"),
            "deployment": self.deployment,
            "version": self.version,
            "nearest": nearest,
            "doubt": self.doubt,
            "ended": self.ended,
            "listed": ", ".join(self.listed[:5]),
            "message": self.error.message,
            "step": self.error.hint,
        }
        for name, advice in (
            ("unknown", self.provider.unknown_model), ("no_access", self.provider.no_access),
        ):  # fmt: skip
            words[name] = advice.sentence.format(**words) if advice else ""
            words[f"{name}_step"] = advice.step.format(**words) if advice else ""
        return words


Fixes = Callable[[CheckFailure], tuple[dict[str, str], ...]]


@dataclass(frozen=True, slots=True)
class Symptom:
    """When a case is this one, what to say, and what to change.

    `fixes` are tried in their order. With `proven`, the sentence is said only of a fix that
    mends, and can name its value as {new}. `status` is the class, where the error's own is not.
    """

    when: Callable[[CheckFailure], bool]
    sentence: str
    hint: str = "{step}"
    fixes: Fixes | None = None
    proven: bool = False
    status: str = ""

    def told(self, case: CheckFailure) -> Iterator[Diagnosis]:
        """What this symptom makes of the case: once for each fix that may mend it."""
        fixes = self.fixes(case) if self.fixes else ()
        for fix in fixes or (None,):
            words = {**case.words, "new": next(iter((fix or {}).values()), "")}
            if fix is None and self.proven:
                return
            yield Diagnosis(
                self.sentence.format(**words),
                self.hint.format(**words),
                fix,
                code_of(case.error),
                self.status or status_of(case.error),
                self.proven,
            )


def status_of(error: LLMWidgetsError) -> str:
    """The class that an extraction would end in for this error."""
    return type(error).__name__ if isinstance(error, Failure) else "Forbidden"


def code_of(error: LLMWidgetsError) -> str:
    if not isinstance(error, CallError):
        return ""
    code = "" if error.code == str(error.status or "") else error.code
    return " ".join(str(part) for part in (error.status, code) if part)


# -- Retirement: whether a model is past its end today for a connection, and by whose days.


@dataclass(frozen=True, slots=True)
class Retirement:
    """Who retired a model, since when where a source names the day, and what to use instead."""

    whose: str
    ended: Ended

    @property
    def on(self) -> str:
        """The day as it stands in a sentence; empty where no source names it."""
        return f" on {self.ended.since:%Y-%m-%d}" if self.ended.since else ""


def retirement(connection: Connection, model: str) -> Retirement | None:
    """The retirement of a model by the days that hold for this connection.

    None while it lives there, and where nothing is known: a server that lacks a model has not
    retired it.
    """
    provider, own = connection.provider, catalog.has_ended(connection, model)
    if own is not None:
        return Retirement(provider.vendor or provider.title, own)
    if connection.facts(model) is not None:
        return None
    gone = provider.ended(model)
    if gone is not None:
        return Retirement(gone.whose, gone)
    maker = _maker(connection)
    if maker is None:
        return None
    found = catalog.ended_on(maker, model)
    return Retirement(maker.title, found) if found else None


def _maker(connection: Connection) -> Provider | None:
    """The provider whose own address a server of the user's has, also through a gateway."""
    if not connection.provider.self_hosted:
        return None
    endpoint = str(getattr(connection.fields, "endpoint", "") or "")
    host = urlsplit(endpoint).hostname or ""
    known = (each for each in PROVIDERS.values() if each.host)
    return next((each for each in known if f".{host}".endswith(f".{each.host}")), None)
