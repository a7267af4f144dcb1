"""Diagnosis: what an error means for this connection, and which change of a field mends it."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from urllib.parse import urlsplit

from llmwidgets.connections.connection import Connection
from llmwidgets.engine.proxies import is_loopback
from llmwidgets.errors import (
    CallError,
    LLMWidgetsError,
    QuotaExhausted,
    RateLimited,
    Unauthorized,
    UnknownModel,
    Unreachable,
)
from llmwidgets.providers.azure_endpoint import read_endpoint


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A sentence, the next step, and the fields to change where that is known."""

    sentence: str
    hint: str = ""
    fix: Mapping[str, str] | None = None
    code: str = ""


@dataclass(frozen=True, slots=True)
class Case:
    """An error of one connection; `listed` are the models the server lists, where it does."""

    error: LLMWidgetsError
    connection: Connection
    model: str = ""
    listed: tuple[str, ...] = ()

    @property
    def code(self) -> str:
        return str(getattr(self.error, "code", ""))

    @property
    def status(self) -> int | None:
        return getattr(self.error, "status", None)

    @property
    def endpoint(self) -> str:
        return str(getattr(self.connection.fields, "endpoint", "") or "")

    @property
    def path(self) -> str:
        return urlsplit(self.endpoint).path.rstrip("/")

    @property
    def successor(self) -> str:
        facts = self.connection.facts(self.model)
        known = facts.successor if facts else None
        return known or self.connection.provider.retired.get(self.model, "")

    @property
    def deployment(self) -> str:
        """The deployment that a pasted target URI names."""
        try:
            return read_endpoint(self.endpoint).deployment or ""
        except ValueError:
            return ""

    @property
    def nearest(self) -> str:
        return next(iter(difflib.get_close_matches(self.model, self.listed, 1, 0.5)), "")

    @property
    def doubt(self) -> str:
        """The warning about the key's shape, where there is one."""
        plain = [
            self.connection.provider.warn(name, value)
            for name, value in self.connection.plain_fields.items()
            if isinstance(value, str)
        ]
        said = [each for each in self.connection.warnings if each not in plain]
        return said[0] if said and self.connection.secret_fields else ""

    @property
    def words(self) -> dict[str, str]:
        """What a sentence can name."""
        return {
            "label": self.connection.label,
            "title": self.connection.provider.title,
            "host": self.connection.host,
            "model": self.model,
            "endpoint": self.endpoint,
            "successor": self.successor,
            "deployment": self.deployment,
            "nearest": self.nearest,
            "doubt": self.doubt,
            "listed": ", ".join(self.listed[:5]),
            "message": self.error.message,
            "step": self.error.hint,
        }


@dataclass(frozen=True, slots=True)
class Symptom:
    """When a case is this one, what to say, and what to change."""

    when: Callable[[Case], bool]
    sentence: str
    hint: str = "{step}"
    fix: Callable[[Case], dict[str, str]] | None = None


def _unreachable(*codes: str) -> Callable[[Case], bool]:
    return lambda case: isinstance(case.error, Unreachable) and case.code in codes


def _wrong_path(case: Case) -> bool:
    custom = case.connection.kind == "custom" and isinstance(case.error, Unreachable)
    return custom and case.code == "no OpenAI format"


def _port(number: str) -> Callable[[Case], bool]:
    return lambda case: _here(case) and case.connection.host.endswith(f":{number}")


def _here(case: Case) -> bool:
    return case.code == "refused" and is_loopback(case.connection.host.rsplit(":", 1)[0])


def _with_v1(case: Case) -> dict[str, str]:
    base = case.endpoint.partition("?")[0].rstrip("/")
    for native in ("/api/generate", "/api/chat", "/api/tags", "/api", "/v1/v1"):
        base = base.removesuffix(native)
    return {"endpoint": f"{base}/v1"}


def _own(value: Callable[[Case], str]) -> Callable[[Case], dict[str, str]]:
    return lambda case: {case.connection.provider.model_field or "": value(case)}


SYMPTOMS: tuple[Symptom, ...] = (
    Symptom(
        lambda case: _wrong_path(case) and not case.path.endswith("/v1"),
        "The server answers, but not at this address. An endpoint of OpenAI format ends in /v1,"
        " and {endpoint} does not.",
        "Change the endpoint, then test again.",
        _with_v1,
    ),
    Symptom(
        _wrong_path,
        "Something answers at {endpoint}, but no model server in OpenAI format.",
        "Open the address in a browser: a login page, a proxy or another program may sit there.",
    ),
    Symptom(
        _port("11434"),
        "Ollama is not running: nothing is listening at {host}.",
        "Start it (ollama serve). When the kernel runs in a container or on another computer,"
        " localhost is that computer: give Ollama's outside address.",
    ),
    Symptom(
        _port("1234"),
        "LM Studio's server is not running: nothing is listening at {host}.",
        "Start it in LM Studio under Developer, then test again.",
    ),
    Symptom(
        # What is wrong with Google's credentials is said in more detail where they are read.
        lambda case: isinstance(case.error, Unauthorized)
        and bool(case.doubt)
        and case.connection.kind != "vertex_ai",
        "The key was not accepted by {label}. {doubt}",
        "Paste the key of {title}.",
    ),
    Symptom(
        lambda case: isinstance(case.error, Unauthorized)
        and not case.code.startswith("key_")
        and not case.connection.secret_fields,
        "The server asks for a key, and none is given.",
        "Fill in the API key, or the auth token.",
    ),
    Symptom(
        lambda case: isinstance(case.error, UnknownModel)
        and bool(case.deployment)
        and case.deployment != case.model,
        "The server and the key are right; the deployment name is not. Azure asks for the name of"
        " the deployment. The address you pasted names the deployment {deployment}, not {model}.",
        "Change the deployment, then test again.",
        _own(lambda case: case.deployment),
    ),
    Symptom(
        lambda case: isinstance(case.error, UnknownModel) and bool(case.successor),
        "{title} has retired {model}.",
        "Use {successor} instead.",
    ),
    Symptom(
        lambda case: isinstance(case.error, UnknownModel)
        and bool(case.nearest)
        and case.connection.kind == "custom",
        "The server answers, but has no model {model}. The nearest it has is {nearest}.",
        "{step}",
        _own(lambda case: case.nearest),
    ),
    Symptom(
        lambda case: isinstance(case.error, UnknownModel) and bool(case.listed),
        "The server answers, but has no model {model}. It has {listed}.",
    ),
    Symptom(
        lambda case: isinstance(case.error, QuotaExhausted),
        "The key is right; the account has no credit or quota left.",
    ),
    Symptom(
        lambda case: isinstance(case.error, RateLimited),
        "The server and the key are right; the limit of requests is reached for now.",
    ),
    Symptom(
        lambda case: _unreachable("dns")(case) and case.connection.kind.startswith("azure"),
        "There is no Azure resource called {host}.",
        "Copy the target URI again; a resource that was just made needs a few minutes.",
    ),
)  # fmt: skip
"""Tried in this order; where none fits, the error's own words hold."""


def diagnose(
    error: LLMWidgetsError, connection: Connection, *, model: str = "", listed: tuple[str, ...] = ()
) -> Diagnosis:
    """What the error means for this connection."""
    case = Case(error, connection, model or next(iter(connection.models), ""), listed)
    for symptom in SYMPTOMS:
        if symptom.when(case):
            words = case.words
            return Diagnosis(
                symptom.sentence.format(**words),
                symptom.hint.format(**words),
                symptom.fix(case) if symptom.fix else None,
                _code(error),
            )
    return Diagnosis(error.message, error.hint, None, _code(error))


def mended(connection: Connection, fix: Mapping[str, str]) -> Connection:
    """The connection with these fields changed; FieldError where they do not fit."""
    fields = {**connection.plain_fields, **connection.secret_fields}
    headers = dict(connection.fields.headers)
    return Connection(
        connection.kind, label=connection.label, **{**fields, "headers": headers, **fix}
    )


def _code(error: LLMWidgetsError) -> str:
    if not isinstance(error, CallError):
        return ""
    code = "" if error.code == str(error.status or "") else error.code
    return " ".join(str(part) for part in (error.status, code) if part)
