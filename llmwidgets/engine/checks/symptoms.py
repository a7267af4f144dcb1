"""Symptoms of models: why a server lacks the model it was asked for, or keeps it from this key."""

from __future__ import annotations

import re
from collections.abc import Callable
from urllib.parse import urlsplit

from llmwidgets.dialects import gemini
from llmwidgets.engine.checks.rules import HUGGING_FACE, CheckFailure, Symptom
from llmwidgets.errors import (
    FailureCode,
    Filtered,
    Forbidden,
    LLMWidgetsError,
    QuotaExhausted,
    RateLimited,
    Unauthorized,
    UnknownModel,
    Unreachable,
)
from llmwidgets.providers.azure import DATED_VERSION


def _unknown(*, known: bool | None = None) -> Callable[[CheckFailure], bool]:
    """The server has no such model; `known`: whether a table or a live list has it."""
    return lambda case: (
        isinstance(case.error, UnknownModel)
        and (known is None or known is (case.facts is not None))
    )


def _without_access(case: CheckFailure) -> bool:
    """The provider serves the model, and not to this key."""
    refused = isinstance(case.error, Forbidden) and case.code == FailureCode.NO_ACCESS
    return case.provider.no_access is not None and (_unknown(known=True)(case) or refused)


def _deployment(case: CheckFailure) -> bool:
    """What the server lacks is called a deployment there."""
    return _unknown()(case) and case.provider.model_field == "deployment"


def _among_others(case: CheckFailure) -> bool:
    """The server lists other models than the one that the connection names."""
    return _unknown()(case) and bool(case.provider.model_field and case.listed)


def _elsewhere_than_global(case: CheckFailure) -> bool:
    placed = "location" in case.provider.fields.model_fields
    return placed and _unknown()(case) and case.words["location"] != "global"


def _named(
    value: Callable[[CheckFailure], str],
) -> Callable[[CheckFailure], tuple[dict[str, str], ...]]:
    return lambda case: ({case.provider.model_field or "": value(case)},)


MODELS: tuple[Symptom, ...] = (
    Symptom(
        lambda case: _unknown()(case) and case.deployment not in {"", case.model},
        "The server and the key are right; the deployment name is not. Azure expects the"
        " deployment's name. The address you pasted names the deployment {deployment}, not"
        " {model}.",
        "Change the deployment, then test again.",
        _named(lambda case: case.deployment),
    ),
    Symptom(
        lambda case: _deployment(case)
        and case.gone is not None
        and case.code != FailureCode.REGION,
        "There is no deployment called {model} on this resource. {whose} has retired the model"
        " {model}{on}.",
        "{instead} {unknown_step}",
    ),
    Symptom(
        lambda case: _unknown()(case) and case.gone is not None,
        "{whose} has retired {model}{on}.",
        "{instead}",
    ),
    Symptom(
        lambda case: _unknown()(case) and case.code == FailureCode.REGION,
        "{message}{ending}",
    ),
    Symptom(
        lambda case: _deployment(case) and case.facts is not None,
        "There is no deployment called {model} on this resource. {model} is the name of a model;"
        " its deployment can have another.",
        "{unknown_step}",
    ),
    Symptom(
        lambda case: _unknown()(case) and case.provider.unknown_model is not None,
        "{unknown}",
        "{unknown_step}",
    ),
    Symptom(
        lambda case: _unknown()(case) and case.typed_host == HUGGING_FACE,
        "No provider that this token may use serves {model}.",
        "Name a provider that serves it, in the endpoint (…/together/v1) or behind the name"
        " ({model}:together); providers are turned on in the settings of Hugging Face.",
    ),
    Symptom(
        lambda case: _among_others(case) and bool(case.nearest),
        "The server answers, but has no model {model}. The nearest it has is {nearest}.",
        "{step}",
        _named(lambda case: case.nearest),
    ),
    Symptom(
        _among_others,
        "The server answers, but has no model {model}. It has {listed}.",
    ),
    Symptom(
        lambda case: _elsewhere_than_global(case) and case.facts is not None,
        "The credentials are right, but {model} is not offered in {location}.{ending}",
        "Change the location to global, or to eu or us where texts have to stay there.",
        lambda _case: ({"location": "global"},),
    ),
    Symptom(
        _elsewhere_than_global,
        "The credentials are right, but {location} has no model {model}: it is misspelled, or not"
        " offered there.{near}",
        "Check the name, or change the location to global.",
        lambda _case: ({"location": "global"},),
    ),
    Symptom(
        _without_access,
        "{no_access}",
        "{no_access_step}",
    ),
    Symptom(
        lambda case: _unknown()(case) and case.provider.single,
        "{title} has no model {model}, or this key has no access to it.{near}",
        "Check the name; a test of the connection tells which models the key may use.",
    ),
    Symptom(
        lambda case: isinstance(case.error, Filtered),
        "The provider's safety filter stops even the test question.",
        "Look at the content filter of the deployment, or take another model.",
    ),
)  # fmt: skip


# -- Symptoms: the table of what goes wrong with a connection, and what mends it.

_CHANGE = "Change the endpoint, then test again."


def _is(kind: type[LLMWidgetsError], *codes: str) -> Callable[[CheckFailure], bool]:
    return lambda case: isinstance(case.error, kind) and (not codes or case.code in codes)


def _elsewhere(case: CheckFailure) -> bool:
    """Something answers, in another format than the dialect's."""
    return case.code == FailureCode.WRONG_FORMAT


def _wrong_path(case: CheckFailure) -> bool:
    return case.provider.self_hosted and _elsewhere(case)


def _port(number: str) -> Callable[[CheckFailure], bool]:
    return lambda case: _refused_here(case) and case.connection.host.endswith(f":{number}")


def _refused_here(case: CheckFailure) -> bool:
    return case.code == FailureCode.REFUSED and case.on_this_computer


def _key_refused(case: CheckFailure) -> bool:
    # What is wrong with the value itself is said where it is read.
    told = case.code in {FailureCode.KEY_SHAPE, FailureCode.KEY_MISSING, FailureCode.KEYS_OFF}
    return isinstance(case.error, Unauthorized) and not told


def _hugging_face(kind: type[LLMWidgetsError]) -> Callable[[CheckFailure], bool]:
    return lambda case: isinstance(case.error, kind) and case.typed_host == HUGGING_FACE


def _not_listed(case: CheckFailure) -> bool:
    """The address is right, since it lists models; this one is not among them."""
    return _wrong_path(case) and bool(case.listed) and case.model not in case.listed


def _unknown_version(case: CheckFailure) -> bool:
    refused = _elsewhere(case) or case.status == 400
    return bool(case.version) and refused and "/deployments/" in case.path


# -- fixes, likeliest first ------------------------------------------------------------------


def _with_v1(case: CheckFailure) -> tuple[dict[str, str], ...]:
    base = case.endpoint.partition("?")[0].rstrip("/")
    for native in ("/api/generate", "/api/chat", "/api/tags", "/api"):
        base = base.removesuffix(native)
    # What stands behind the first /v1 is no part of the address.
    cut = re.sub(r"/v1(?:/.*)?$", "", base, count=1) if "/v1" in case.path else base
    return ({case.address_field: f"{cut.partition('/v1/')[0]}/v1"},)


def _other_place(case: CheckFailure) -> tuple[dict[str, str], ...]:
    """The other address of this computer, and the servers found on it."""
    parts = urlsplit(case.endpoint)
    host = parts.hostname or ""
    other = {"::1": "127.0.0.1", "127.0.0.1": "[::1]"}.get(host)
    same_port = parts._replace(netloc=f"{other}:{parts.port}").geturl() if other else None
    places = ((same_port,) if same_port and parts.port else ()) + case.nearby
    return tuple({case.address_field: each} for each in places)


def _other_scheme(case: CheckFailure) -> tuple[dict[str, str], ...]:
    parts = urlsplit(case.endpoint)
    if parts.scheme == "https" and not case.on_this_computer:
        return ()
    scheme = "http" if parts.scheme == "https" else "https"
    return ({case.address_field: parts._replace(scheme=scheme).geturl()},)


def _known_version(case: CheckFailure) -> tuple[dict[str, str], ...]:
    return ({case.address_field: case.endpoint.replace(case.version, DATED_VERSION)},)


ADDRESSES: tuple[Symptom, ...] = (
    Symptom(
        lambda case: _refused_here(case) and case.provider.self_hosted,
        "Nothing is listening at {host}; a model server answers at {new}.",
        _CHANGE,
        _other_place,
        proven=True,
    ),
    Symptom(
        lambda case: case.provider.self_hosted
        and case.endpoint.startswith("http:")
        and case.code in {FailureCode.HUNG_UP, FailureCode.NOT_HTTP, FailureCode.CUT_SHORT},
        "{host} wants https: it hangs up on plain http.",
        _CHANGE,
        _other_scheme,
        proven=True,
    ),
    Symptom(
        lambda case: case.provider.self_hosted and case.code == FailureCode.TLS_SPOKEN,
        "{host} does not speak https: it answers to http://.",
        "Change the endpoint to http://, then test again.",
        _other_scheme,
        proven=True,
    ),
    Symptom(
        _not_listed,
        "The server answers, but has no model {model}. It has {listed}.",
        "Correct the name, or load the model on the server.",
        status="UnknownModel",
    ),
    Symptom(
        lambda case: _wrong_path(case) and not case.path.endswith("/v1"),
        "The server answers, but not at this address. An endpoint of OpenAI format ends in /v1,"
        " and {endpoint} does not.",
        _CHANGE,
        _with_v1,
    ),
    Symptom(
        lambda case: _wrong_path(case) and "/v1/" in case.path,
        "The server answers, but not at {endpoint}: it does at {new}.",
        _CHANGE,
        _with_v1,
        proven=True,
    ),
    Symptom(
        _wrong_path,
        "Something answers at {endpoint}, but no model server in OpenAI format.",
        "Open the address in a browser: a login page, a proxy or another program may sit there.",
    ),
    Symptom(
        _unknown_version,
        "The resource does not know the api-version {version} of the address.",
        _CHANGE,
        _known_version,
        proven=True,
    ),
    Symptom(
        lambda case: _elsewhere(case) and case.provider.deployments,
        "Nothing that serves a deployment answers at this address.",
        "Paste the target URI anew: it stands under Details of the deployment.",
    ),
    Symptom(
        lambda case: _elsewhere(case) and case.provider.single,
        "What answers at {host} is not {title}: it is a web page, or of another format.",
        "A proxy, a firewall or the network's login page may stand in between. With a base URL,"
        " check its path.",
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
        lambda case: _is(Unreachable, FailureCode.DNS)(case) and case.provider.deployments,
        "There is no Azure resource called {host}.",
        "Copy the target URI again; a resource that was just made needs a few minutes.",
    ),
)  # fmt: skip

KEYS: tuple[Symptom, ...] = (
    Symptom(
        lambda case: isinstance(case.error, Unauthorized | Forbidden)
        and case.prefix.manages,
        "The key was not accepted by {label}. {doubt}",
        "{key_step}",
    ),
    Symptom(
        lambda case: _key_refused(case) and bool(case.ended),
        "The key was not accepted by {label}. It ended on {ended}, by the day saved with it.",
        "Make a new key and save it with its own day.",
    ),
    Symptom(
        lambda case: _key_refused(case) and bool(case.prefix.step),
        "The key was not accepted by {label}. {doubt}",
        "{key_step}",
    ),
    Symptom(
        # What is wrong with Google's credentials is said in more detail where they are read.
        lambda case: _key_refused(case) and bool(case.doubt) and not case.provider.environment.file,
        "The key was not accepted by {label}. {doubt}",
        "Paste the key of {title}.",
    ),
    Symptom(
        lambda case: _hugging_face(Unauthorized)(case) and not case.begins("hf_"),
        "The key was not accepted by {label}: the router takes a token of Hugging Face.",
        "Make a token (it starts with hf_) with the permission Make calls to Inference"
        " Providers, and paste it as API key.",
    ),
    Symptom(
        lambda case: _key_refused(case) and not case.connection.secret_fields,
        "The server asks for a key, and none is given.",
        "Fill in the API key, or the auth token.",
    ),
    Symptom(
        _hugging_face(Forbidden),
        "The token is valid but has no right to call inference providers.",
        "Give it the permission Make calls to Inference Providers, on Hugging Face under"
        " Settings → Access Tokens.",
    ),
)  # fmt: skip

MONEY: tuple[Symptom, ...] = (
    Symptom(
        lambda case: _is(QuotaExhausted)(case) and case.connection.dialect is gemini,
        "The key is right; there is no credit or quota left. {message}",
    ),
    Symptom(
        _is(QuotaExhausted),
        "The key is right; the account has no credit or quota left.",
    ),
    Symptom(
        _is(RateLimited),
        "The server and the key are right; the limit of requests is reached for now.",
    ),
)  # fmt: skip

SYMPTOMS: tuple[Symptom, ...] = (*ADDRESSES, *KEYS, *MODELS, *MONEY)
"""Tried in this order; where none fits, the error's own words hold."""
