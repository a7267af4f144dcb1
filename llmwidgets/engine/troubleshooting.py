"""What is wrong with a connection, and which change fixes it: one table of symptoms, one reader.

A row says what only the connection's own fields, lists and dates can show; for the rest the words
of the error count, which are written once, by the rules that read a response.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlsplit

from llmwidgets.connections import catalog
from llmwidgets.connections.catalog import key_has_ended, local_today
from llmwidgets.connections.connection import Connection
from llmwidgets.dialects.error_meanings import OPEN_IN_BROWSER, PASTE_TARGET_URI
from llmwidgets.engine.network.sign_in.tokens import known_account
from llmwidgets.errors import (
    CallError,
    Failure,
    FailureCode,
    Forbidden,
    LLMWidgetsError,
    QuotaExhausted,
    RateLimited,
    Unauthorized,
    UnknownModel,
    Unreachable,
    name_server,
)
from llmwidgets.formatting import format_day, join_listed
from llmwidgets.providers import PROVIDERS
from llmwidgets.providers.azure_endpoint import AZURE_HOST, DATED_VERSION, read_endpoint
from llmwidgets.providers.base import Ended, KeyPrefix, ModelFacts, Provider
from llmwidgets.providers.urls import host_of, is_loopback

_HUGGING_FACE = "router.huggingface.co"


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """A sentence, the next step, and the fields to change if that is known.

    `status` is the failure's class. `proven` means that the sentence holds only if the fix was
    tried and works.
    """

    sentence: str
    hint: str = ""
    fix: Mapping[str, str] | None = None
    code: str = ""
    status: str = ""
    proven: bool = False


def diagnose(
    error: LLMWidgetsError, connection: Connection, *, model: str = "", listed: tuple[str, ...] = ()
) -> Diagnosis:
    """What the error means for this connection, as far as can be seen without trying anything."""
    listed = listed or catalog.listed_models(connection)
    case = CheckFailure(error, connection, model or next(iter(connection.models), ""), listed)
    return next(each for each in diagnoses(case) if not each.proven)


def diagnoses(case: CheckFailure) -> Iterator[Diagnosis]:
    """What the error can mean, likeliest first; the last one needs no proof."""
    for symptom in SYMPTOMS:
        if isinstance(case.error, symptom.error) and symptom.when(case):
            yield from symptom.diagnose(case)
            if not symptom.proven:
                return
    yield Diagnosis(case.error.message, case.error.hint, None, case.shown_code, case.error_class)


@dataclass(frozen=True, slots=True)
class CheckFailure:
    """An error of one connection; `listed` are the models that the server lists, if it does.

    `nearby` are endpoints of model servers on this computer that list the model.
    """

    error: LLMWidgetsError
    connection: Connection
    model: str = ""
    listed: tuple[str, ...] = ()
    nearby: tuple[str, ...] = ()

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
    def shown_code(self) -> str:
        """The status of the response and the server's own short word."""
        if not isinstance(self.error, CallError):
            return ""
        code = "" if self.code == str(self.status or "") else self.code
        return " ".join(str(part) for part in (self.status, code) if part)

    @property
    def error_class(self) -> str:
        """The class that an extraction would end in for this error."""
        return type(self.error).__name__ if isinstance(self.error, Failure) else "Forbidden"

    @property
    def other_format(self) -> bool:
        """Whether something answers, in another format than the dialect's."""
        answered = isinstance(self.error, Unreachable) and (self.status or 0) > 0
        return answered and self.code == FailureCode.WRONG_FORMAT

    @property
    def wrong_path(self) -> bool:
        """The same of a server of the user's own."""
        return self.provider.self_hosted and self.other_format

    @property
    def refused_here(self) -> bool:
        """Whether nothing listens at an address of this computer."""
        return self.code == FailureCode.REFUSED and is_loopback(self.connection.host)

    @property
    def key_refused(self) -> bool:
        """Whether the key itself is not accepted; its spelling is explained where it is read."""
        by_key = self.connection.fields.way == "key"
        return isinstance(self.error, Unauthorized) and by_key and self.code not in _NOT_THE_KEY

    @property
    def account(self) -> str:
        """Whose token Google refused; empty if it is not known, or was not refused."""
        refused = self.code in {"IAM_PERMISSION_DENIED", "PERMISSION_DENIED"}
        google = self.provider.environment.file
        return known_account(self.connection) if google and refused else ""

    @property
    def keyless(self) -> bool:
        """Whether the connection signs in by a key, and has none."""
        fields = self.connection.fields
        return fields.way == "key" and not self.connection.secret_fields

    @property
    def address_field(self) -> str:
        """The field whose address is called."""
        return "base_url" if self.connection.fields.base_url else "endpoint"

    @property
    def endpoint(self) -> str:
        return str(getattr(self.connection.fields, self.address_field, "") or "")

    @property
    def typed_host(self) -> str:
        """The host of the endpoint as typed, also if a gateway is in front of it."""
        return host_of(str(getattr(self.connection.fields, "endpoint", "") or ""))

    @property
    def path(self) -> str:
        return urlsplit(self.endpoint).path.rstrip("/")

    @property
    def gone(self) -> Ended | None:
        """Who retired the model and when, by the days that count for this connection.

        None while it lives there, and if nothing is known: a server that lacks a model has not
        retired it.
        """
        provider, ended = self.provider, catalog.find_end(self.connection, self.model)
        if ended is not None:
            return replace(ended, whose=provider.vendor or provider.title)
        if self.facts is not None:
            return None
        ended = provider.ended(self.model)
        if ended is not None or not provider.self_hosted:
            return ended
        # The provider whose own address is called, also through a gateway.
        host, known = f".{self.typed_host}", (each for each in PROVIDERS.values() if each.host)
        maker = next((each for each in known if host.endswith(f".{each.host}")), None)
        ended = catalog.find_end_by_provider(maker, self.model) if maker else None
        return replace(ended, whose=maker.title) if maker and ended else None

    @property
    def facts(self) -> ModelFacts | None:
        return self.connection.facts(self.model)

    @property
    def location(self) -> str:
        """Where a model runs, of kinds that ask for it; empty for the others, and for global."""
        if "location" not in self.provider.fields.model_fields:
            return ""
        location = str(getattr(self.connection.fields, "location", "") or "global")
        return "" if location == "global" else location

    @property
    def region(self) -> str:
        """The region of kinds that ask for one; empty for the others."""
        return str(getattr(self.connection.fields, "region", ""))

    @property
    def served_as(self) -> str:
        """The id by which the provider knows the model, if it is another one."""
        served = self.provider.served_as(self.model)
        return "" if served == self.model else served

    @property
    def elsewhere(self) -> str:
        """A sentence with other regions in which the model is known to be."""
        regions = self.facts.regions if self.facts else ()
        others = [each for each in regions if each != self.region]
        return f" It is known to be in {join_listed(others)}." if others else ""

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
        pasted = re.search(r"[?&]api-version=([^&]*)", self.endpoint, re.I)
        return pasted[1] if pasted else ""

    @property
    def nearest(self) -> str:
        known = self.listed or self.connection.models
        others = [each for each in known if not catalog.find_listed(self.model, [each])]
        folded = {each.casefold(): each for each in others}
        close = difflib.get_close_matches(self.model.casefold(), folded, 1, 0.5)
        return folded[close[0]] if close else ""

    @property
    def listed_as(self) -> str:
        """The name under which the server lists the model; empty if it does not."""
        return catalog.find_listed(self.model, self.listed)

    @property
    def gateway(self) -> bool:
        """Whether a gateway's base was pasted, which does not show how Azure is called below it."""
        routes = ("/v1", "/deployments", "/models", "/anthropic")
        own = AZURE_HOST.search(self.connection.host) is not None
        typed = any(route in self.path.lower() for route in routes)
        return self.provider.deployments and not own and not typed and not self.version

    @property
    def doubt(self) -> str:
        """The warning about the key's shape, if there is one."""
        secrets = self.connection.secret_fields
        warnings = (each for each in self.connection.field_warnings if each.field in secrets)
        return next((each.sentence for each in warnings), "")

    @property
    def ended(self) -> str:
        """The day the key ended, by the day saved with it; empty while it is valid."""
        ends = self.connection.fields.key_ends if self.connection.secret_fields else None
        return format_day(ends) if ends and key_has_ended(self.connection, local_today()) else ""

    def begins(self, prefix: str) -> bool:
        return any(each.begins(prefix) for each in self.connection.secret_fields.values())

    @property
    def prefix(self) -> KeyPrefix:
        """How the key begins, if a next step is known for keys of its provider that do so."""
        known = (each for each in self.provider.key_prefixes if each.step)
        return next((each for each in known if self.begins(each.start)), KeyPrefix(""))

    @property
    def words(self) -> dict[str, str]:
        """What a sentence can name."""
        gone, nearest = self.gone, self.nearest
        successor = gone.successor if gone else ""
        ending = catalog.end_note(self.connection, self.model)
        words = {
            "label": self.connection.label,
            "server": name_server(self.connection.label, self.model, self.connection.host),
            "day_source": "the day saved with it"
            if self.connection.fields.expires
            else "what it says of itself",
            "title": self.provider.title,
            "key_problem": self.prefix.problem,
            "key_step": self.prefix.step,
            "whose": gone.whose if gone else "",
            "on": f" on {gone.since:%Y-%m-%d}" if gone and gone.since else "",
            "instead": f"Use {successor} instead." if successor else "Take a model that is served.",
            "ending": f" {ending}" if ending else "",
            "near": f" The nearest name is {nearest}." if nearest else "",
            "host": self.connection.host,
            "location": self.location or "global",
            "nearest": nearest,
            "listed_as": self.listed_as,
            "listed": ", ".join(self.listed[:5]),
            "message": self.error.message,
            "step": self.error.hint,
        }
        for name in (
            "model", "endpoint", "deployment", "version", "doubt", "ended", "account", "region",
            "served_as", "elsewhere",
        ):  # fmt: skip
            words[name] = getattr(self, name)
        for name in ("unknown_model", "no_access"):
            advice = getattr(self.provider, name)
            words[name] = advice.sentence.format(**words) if advice else ""
            words[f"{name}_step"] = advice.step.format(**words) if advice else ""
        return words


_NOT_THE_KEY = frozenset({
    FailureCode.KEY_SHAPE, FailureCode.KEY_MISSING, FailureCode.KEYS_OFF, FailureCode.OTHER_VENDOR,
})  # fmt: skip

_TOLD_WITH_ITS_STEP = frozenset({"", "AccessDeniedException"})
"""Codes of a refusal whose own next step says more than the kind's."""

Fixes = tuple[dict[str, str], ...]


@dataclass(frozen=True, slots=True)
class Symptom:
    """When a case is this one, what to say, and what to change.

    `fixes` are tried in their order. With `proven`, the sentence is said only of a fix that
    works, and can name its value as {new}. `status` is the class, if not the error's own.
    """

    error: type[LLMWidgetsError] | tuple[type[LLMWidgetsError], ...]
    when: Callable[[CheckFailure], object]
    sentence: str
    hint: str = "{step}"
    fixes: Callable[[CheckFailure], Fixes] | None = None
    proven: bool = False
    status: str = ""

    def diagnose(self, case: CheckFailure) -> Iterator[Diagnosis]:
        """What this symptom makes of the case: once for each fix that may work."""
        fixes = self.fixes(case) if self.fixes else ()
        if self.proven and not fixes:
            return
        words = case.words
        for fix in fixes or (None,):
            named = {**words, "new": next(iter((fix or {}).values()), "")}
            yield Diagnosis(
                self.sentence.format(**named).rstrip(),
                self.hint.format(**named),
                fix,
                case.shown_code,
                self.status or case.error_class,
                self.proven,
            )


# -- Fixes, likeliest first.


def _named(value: Callable[[CheckFailure], str]) -> Callable[[CheckFailure], Fixes]:
    return lambda case: ({case.provider.model_field or "": value(case)},)


def _with_v1(case: CheckFailure) -> Fixes:
    base = case.endpoint.partition("?")[0].rstrip("/")
    for native in ("/api/generate", "/api/chat", "/api/tags", "/api"):
        base = base.removesuffix(native)
    # What follows the first /v1 is not part of the address.
    cut = re.sub(r"/v1(?:/.*)?$", "", base, count=1) if "/v1" in case.path else base
    return ({case.address_field: f"{cut.partition('/v1/')[0]}/v1"},)


def _other_address(case: CheckFailure) -> Fixes:
    """The other address of this computer, and the servers found on it."""
    parts = urlsplit(case.endpoint)
    other = {"::1": "127.0.0.1", "127.0.0.1": "[::1]"}.get(parts.hostname or "")
    same_port = other and parts.port and parts._replace(netloc=f"{other}:{parts.port}").geturl()
    addresses = (*([same_port] if same_port else []), *case.nearby)
    return tuple({case.address_field: each} for each in addresses)


def _other_scheme(case: CheckFailure) -> Fixes:
    parts = urlsplit(case.endpoint)
    here = is_loopback(case.connection.host)
    if parts.scheme == "https" and not here:
        return ()
    scheme = "http" if parts.scheme == "https" else "https"
    return ({case.address_field: parts._replace(scheme=scheme).geturl()},)


_CHANGE = "Change the endpoint, then test again."
_HUNG_UP_ON_HTTP = frozenset({FailureCode.HUNG_UP, FailureCode.NOT_HTTP, FailureCode.CUT_SHORT})

SYMPTOMS: tuple[Symptom, ...] = (
    # Addresses.
    Symptom(Unreachable, lambda case: case.refused_here and case.provider.self_hosted,
        "Nothing is listening at {host}; a model server answers at {new}.",
        _CHANGE,
        _other_address,
        proven=True),
    Symptom(Unreachable,
        lambda case: case.provider.self_hosted
            and case.endpoint.startswith("http:")
            and case.code in _HUNG_UP_ON_HTTP,
        "{host} requires https; it closes plain http connections.",
        _CHANGE,
        _other_scheme,
        proven=True),
    Symptom(Unreachable,
        lambda case: case.provider.self_hosted and case.code == FailureCode.TLS_SPOKEN,
        "{host} does not speak https: it answers to http://.",
        "Change the endpoint to http://, then test again.",
        _other_scheme,
        proven=True),
    # The address is right, since it lists models; this one is not among them.
    Symptom(Unreachable,
        lambda case: case.wrong_path and case.listed and not case.listed_as,
        "The server answers, but has no model {model}. It has {listed}.",
        "Correct the name, or load the model on the server.",
        status="UnknownModel"),
    Symptom(Unreachable, lambda case: case.wrong_path and not case.path.endswith("/v1"),
        "The server answers, but not at this address. An endpoint of OpenAI format ends in /v1,"
        " and {endpoint} does not.",
        _CHANGE,
        _with_v1),
    Symptom(Unreachable, lambda case: case.wrong_path and "/v1/" in case.path,
        "The server answers, but not at {endpoint}: it does at {new}.",
        _CHANGE,
        _with_v1,
        proven=True),
    Symptom(Unreachable, lambda case: case.wrong_path,
        "Something answers at {endpoint}, but it is not a model server in OpenAI format.",
        OPEN_IN_BROWSER),
    Symptom(CallError,
        lambda case: case.version
            and "/deployments/" in case.path
            and (case.other_format or case.status == 400),
        "The resource does not know the api-version {version} of the address.",
        _CHANGE,
        lambda case: ({case.address_field: case.endpoint.replace(case.version, DATED_VERSION)},),
        proven=True),
    Symptom((Unreachable, UnknownModel),
        lambda case: case.gateway and case.status == 404,
        "The gateway answers by deployment, and not in Azure's v1 format.",
        _CHANGE,
        lambda case: ({case.address_field: f"{case.endpoint}?api-version={DATED_VERSION}"},),
        proven=True),
    Symptom(Unreachable, lambda case: case.other_format and case.provider.deployments,
        "Nothing that serves a deployment answers at this address.",
        PASTE_TARGET_URI),
    Symptom(Unreachable, lambda case: case.other_format and case.provider.single,
        "What answers at {host} is not {title}: it is a web page, or of another format.",
        "A proxy, a firewall or the network's login page may be in between. With a base URL,"
        " check its path."),
    Symptom(Unreachable, lambda case: case.refused_here and case.connection.host.endswith(":11434"),
        "Ollama is not running: nothing is listening at {host}.",
        "Start it (`ollama serve`). When the kernel runs in a container or on another computer,"
        " localhost is that computer: give Ollama's outside address."),
    Symptom(Unreachable, lambda case: case.refused_here and case.connection.host.endswith(":1234"),
        "LM Studio's server is not running: nothing is listening at {host}.",
        "Start it in LM Studio under Developer, then test again."),
    Symptom(Unreachable, lambda case: case.code == FailureCode.DNS and case.provider.deployments,
        "There is no Azure resource called {host}.",
        "Copy the target URI again; a resource that was just made needs a few minutes."),
    # Keys.
    Symptom((Unauthorized, Forbidden),
        lambda case: case.code == FailureCode.KEYS_OFF and "entra" in case.provider.ways,
        "{message}",
        fixes=lambda _case: ({"sign_in": "entra"},)),
    Symptom((Unauthorized, Forbidden), lambda case: case.prefix.manages,
        "The key was not accepted by {server}. {key_problem}",
        "{key_step}"),
    Symptom(Unauthorized, lambda case: case.key_refused and case.ended,
        "{message} It ended on {ended}, by {day_source}.",
        "Make a new key and save it with its own day."),
    Symptom(Unauthorized, lambda case: case.key_refused and case.prefix.step,
        "{message} {key_problem}",
        "{key_step}"),
    # What is wrong with Google's credentials is explained in more detail where they are read.
    Symptom(Unauthorized,
        lambda case: case.key_refused and case.doubt and not case.provider.environment.file,
        "{message} {doubt}",
        "Paste the key of {title}."),
    Symptom(Unauthorized,
        lambda case: case.key_refused
            and case.typed_host == _HUGGING_FACE
            and not case.begins("hf_"),
        "{message} The router takes a token of Hugging Face.",
        "Make a token (it starts with hf_) with the permission Make calls to Inference"
        " Providers, and paste it as API key."),
    Symptom(Unauthorized, lambda case: case.key_refused and case.keyless,
        "The server asks for a key, and none is given.",
        "Fill in the API key, or the auth token."),
    Symptom(Forbidden, lambda case: case.typed_host == _HUGGING_FACE,
        "The token is valid but has no right to call inference providers.",
        "Give it the permission Make calls to Inference Providers, on Hugging Face under"
        " Settings → Access Tokens."),
    Symptom(Forbidden, lambda case: case.account,
        "{account} has no right to {model}.",
        "{step} A new role can take some minutes to work."),
    Symptom(Forbidden, lambda case: case.region and case.code not in _TOLD_WITH_ITS_STEP,
        "{message}",
        "{no_access_step}"),
    # Models: why a server lacks the one it was asked for, or keeps it from this key.
    Symptom(UnknownModel, lambda case: case.deployment not in {"", case.model},
        "The server and the key are right; the deployment name is not. Azure expects the"
        " deployment's name. The address you pasted names the deployment {deployment}, not"
        " {model}.",
        "Change the deployment, then test again.",
        _named(lambda case: case.deployment)),
    Symptom(UnknownModel,
        lambda case: case.provider.model_field == "deployment"
            and case.gone
            and case.code != FailureCode.REGION,
        "{unknown_model} {whose} has retired the model {model}{on}.",
        "{instead} {unknown_model_step}"),
    Symptom(UnknownModel, lambda case: case.served_as,
        "{title} serves this model as {served_as}, and not as {model}.",
        "Write {label}/{served_as}."),
    Symptom(UnknownModel, lambda case: case.code == FailureCode.OTHER_ENDPOINT,
        "{message}"),
    Symptom(UnknownModel, lambda case: case.region and case.facts,
        "{no_access}",
        "{no_access_step}"),
    Symptom(UnknownModel, lambda case: case.gone,
        "{whose} has retired {model}{on}.",
        "{instead}"),
    Symptom(UnknownModel, lambda case: case.code in {FailureCode.REGION, FailureCode.UPSTREAM},
        "{message}{ending}"),
    Symptom(UnknownModel, lambda case: case.provider.model_field == "deployment" and case.facts,
        "{unknown_model} {model} is the name of a model; its deployment can have another.",
        "{unknown_model_step}"),
    Symptom(UnknownModel, lambda case: case.provider.unknown_model,
        "{unknown_model}",
        "{unknown_model_step}"),
    Symptom(UnknownModel, lambda case: case.typed_host == _HUGGING_FACE,
        "No provider that this token may use serves {model}.",
        "Name a provider that serves it, in the endpoint (…/together/v1) or behind the name"
        " ({model}:together); providers are turned on in the settings of Hugging Face."),
    Symptom(UnknownModel,
        lambda case: case.provider.model_field and case.listed_as == case.model,
        "The server lists {model}, but answers that it has no such model.",
        "It may still be loading, or closed to this key: look into the server's own log."),
    Symptom(UnknownModel, lambda case: case.provider.model_field and case.listed_as,
        "The server answers, and lists the model as {listed_as}, not as {model}.",
        fixes=_named(lambda case: case.listed_as)),
    Symptom(UnknownModel, lambda case: case.provider.model_field and case.listed and case.nearest,
        "The server answers, but has no model {model}. The nearest it has is {nearest}.",
        fixes=_named(lambda case: case.nearest)),
    Symptom(UnknownModel, lambda case: case.provider.model_field and case.listed,
        "The server answers, but has no model {model}. It has {listed}."),
    Symptom(UnknownModel, lambda case: case.location and case.facts,
        "The credentials are right, but {model} is not offered in {location}.{ending}",
        "Change the location to global, or to eu or us where texts have to stay there.",
        lambda _case: ({"location": "global"},)),
    Symptom(UnknownModel, lambda case: case.location,
        "The credentials are right, but {location} has no model {model}: it is misspelled, or not"
        " offered there.{near}",
        "Check the name, or change the location to global.",
        lambda _case: ({"location": "global"},)),
    # The provider serves the model, and not to this key.
    Symptom((UnknownModel, Forbidden),
        lambda case: case.provider.no_access
            and (case.facts if isinstance(case.error, UnknownModel)
            else case.code == FailureCode.NO_ACCESS),
        "{no_access}",
        "{no_access_step}"),
    Symptom(UnknownModel, lambda case: case.provider.single,
        "{title} has no model {model}, or this key has no access to it.{near}",
        "Check the name; a test of the connection shows which models the key may use."),
    # Money and limits.
    Symptom(QuotaExhausted, lambda _case: True,
        "The key is right. {message}"),
    Symptom(RateLimited, lambda _case: True,
        "The server and the key are right; the limit of requests is reached for now."),
)  # fmt: skip
"""Read in this order; if none fits, the error's own words count."""
