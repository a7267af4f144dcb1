"""Connection: a named, filled-in set of one provider's fields; and how a reference names one."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import date, datetime
from typing import Any, Literal, NoReturn

from llmwidgets.connections import catalog, sdk_export
from llmwidgets.connections.validation import (
    ConnectionForm,
    close_form,
    hide_key,
    read_form,
    read_label,
    read_origin,
)
from llmwidgets.dialects.types import AuthHeader, Capability, Dialect, Target, exchange_of
from llmwidgets.errors import FieldError, UnknownConnection, name_methods, unpicklable
from llmwidgets.formatting import count, join_listed
from llmwidgets.known_keys import warn_if_typed
from llmwidgets.providers import PROVIDERS, find_warning, owner_of_whole_key, shown_kind
from llmwidgets.providers.base import Fields, FieldWarning, Kind, Preset, Provider
from llmwidgets.providers.model_facts import DeclaredFacts
from llmwidgets.providers.presets import describe_preset, find_preset, preset_at
from llmwidgets.secret import Secret, refuse_key

Origin = Literal["given", "store", "session", "environment", "policy", "demo"]


@unpicklable("A connection cannot be pickled: save it in a store and refer to it by its label.")
@name_methods
class Connection:
    """A provider's fields, filled in and named: what a store keeps and a run calls.

    FieldError names each field that is not right, never its value. Secrets take `env:NAME` and
    `file:PATH` references. A connection never changes; the `with_…` methods give a new one.

    >>> Connection("openai", api_key="env:OPENAI_API_KEY").label
    'openai'
    """

    __slots__ = (
        "__weakref__", "any_model", "capabilities", "checked_at", "declared", "fields",
        "keyed_at", "kind", "label", "origin", "provider", "saved_at",
    )  # fmt: skip

    kind: Kind
    """The kind of its provider: `openai`."""
    label: str
    """Its name, by which references find it: `openai/gpt-6-luna`."""
    provider: Provider
    """What is known of its kind."""
    fields: Fields
    """What its form holds; secrets stay closed."""
    origin: Origin
    """Where it comes from: given, store, session, environment, policy or demo."""
    any_model: bool
    """Whether each reference names its deployment, as with a resource of the environment."""
    checked_at: datetime | None
    """When a check last succeeded."""
    saved_at: datetime | None
    """When it was last saved in a store."""
    keyed_at: datetime | None
    """When its present key was saved first; later saves of the same key leave it as it is."""
    capabilities: Mapping[str, Capability]
    """What probes saw models enforce, by their ids."""
    declared: Mapping[str, DeclaredFacts]
    """What the organization's store says about models, by their ids."""

    def __init__(self, kind: str, *, label: str | None = None, **fields: Any) -> None:
        kind = shown_kind(kind)
        for name, header, secret in close_form(PROVIDERS.get(kind), fields):
            warn_if_typed(name, secret, header=header)
        # Under the same name: a label can be a key as well, and appear in a traceback.
        label = hide_key(label, *(each for each in fields.values() if isinstance(each, Secret)))
        self._set(_parts_of(read_form(kind, label, fields)))

    def _set(self, parts: Mapping[str, Any]) -> None:
        for name, value in parts.items():
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object = None) -> NoReturn:
        message = f"A connection does not change: {name} stays as it is. Make a new one."
        raise AttributeError(message)

    __delattr__ = __setattr__

    @property
    def read_only(self) -> bool:
        """Whether it comes from the environment or a policy file: no store keeps or renames it."""
        return self.origin in {"environment", "policy"}

    @property
    def models(self) -> tuple[str, ...]:
        """The whitelist of a single kind; else the one model that the connection names.

        Models that a policy file adds facts of are on the list. Empty if `any_model` is true.
        """
        return catalog.models_of(self)

    # What is known of its models, and further down the two exits, are written where their work is.
    facts = catalog.facts_of
    capability = catalog.capability_of

    def target(self, model: str) -> Target:
        """Where the model answers, with the label and the extra headers in place."""
        target = self.provider.target(self.fields, model)
        facts = self.facts(model)
        extra = tuple(AuthHeader(name, secret) for name, secret in self.fields.headers.items())
        return replace(
            target,
            auth=target.auth + extra,
            options={**target.options, **(facts.options if facts else {})},
            ca_bundle=self.fields.ca_bundle,
            allow_plain_http=self.fields.allow_plain_http,
            label=self.label,
        )

    @property
    def dialect(self) -> Dialect:
        """The format in which its first model, or its only one, is asked."""
        return self.dialect_for(next(iter(self.models), ""))

    def dialect_for(self, model: str) -> Dialect:
        """The format in which a model is asked: the provider's, or the address's or model's own."""
        return self.provider.dialect_for(model, self.fields)

    @property
    def address(self) -> str:
        """Scheme, host and port that the key is bound to: `https://api.openai.com`."""
        return read_origin(self.provider, self.fields)

    @property
    def first_target(self) -> Target:
        """Where its first model answers, or its only one; `*` where any can be named."""
        return self.target(next(iter(self.models), "*"))

    @property
    def token_hosts(self) -> tuple[str, ...]:
        """The services that give it a token, as a rule; none if it sends its own key."""
        exchange = exchange_of(self.first_target.auth)
        return exchange.hosts if exchange else ()

    @property
    def preset(self) -> Preset | None:
        """The preset whose own host its endpoint is on; None for any other."""
        return preset_at(str(getattr(self.fields, "endpoint", "")))

    @property
    def title(self) -> str:
        """What is connected, as people call it: the preset's or the kind's title."""
        return (self.preset or self.provider).title

    @property
    def host(self) -> str:
        """The host, and the port if one is given: `api.openai.com`, `localhost:11434`."""
        return self.address.partition("://")[2]

    @property
    def secret_fields(self) -> dict[str, Secret]:
        """The secret fields that are filled in, by name, closed."""
        return {name: v for name, v in self.fields if isinstance(v, Secret) and v}

    @property
    def secrets(self) -> list[tuple[str, str, Secret]]:
        """Every secret, those of the extra headers too: this label, the field, the secret."""
        headers = ((f"header {name}", secret) for name, secret in self.fields.headers.items())
        return [(self.label, *each) for each in (*self.secret_fields.items(), *headers)]

    @property
    def plain_fields(self) -> dict[str, Any]:
        """The filled-in fields that are not secrets, without the headers, which are.

        The way to sign in is among them only if it is not by the key.
        """
        return {
            name: value
            for name, value in self.fields
            if not isinstance(value, Secret)
            and value not in (None, False)
            and name != "headers"
            and (name, value) != ("sign_in", "key")
        }

    @property
    def tail(self) -> str:
        """The last four characters of the main secret, to tell two keys apart."""
        return next((secret.tail for secret in self.secret_fields.values()), "")

    @property
    def signed_in_by(self) -> str:
        """What signs it in if that is not a key, in a word or two: `Entra ID`; else empty."""
        way = self.fields.way
        return "" if way == "key" else self.provider.ways[way].removeprefix("Microsoft ")

    @property
    def warnings(self) -> list[str]:
        """Sentences about values that look wrong but may be right; none contains a key."""
        noted = [*self.fields.notes(), *self.fields.key_notes()]
        return [warning.sentence for warning in self.field_warnings] + noted

    @property
    def field_warnings(self) -> list[FieldWarning]:
        """What looks wrong in which field, and whose key a secret seems to be."""
        provider, bundle = self.provider, self.fields.ca_bundle
        texts = {name: v for name, v in self.plain_fields.items() if isinstance(v, str)}
        # A gateway in front of a service's own address can take keys of its own.
        endpoint = "" if self.fields.base_url else str(getattr(self.fields, "endpoint", ""))
        secrets = self.secret_fields.items()
        warnings = [secret_warning(provider, *field, endpoint) for field in secrets]
        warnings += [find_warning(provider, *field) for field in texts.items()]
        if bundle and not os.path.isfile(os.path.expanduser(bundle)):
            sentence = f"There is no file {bundle}: check the path of the CA bundle."
            warnings.append(FieldWarning("ca_bundle", sentence))
        return [warning for warning in warnings if warning is not None]

    def is_same_as(self, other: Connection) -> bool:
        """Whether both call the same with the same keys, under whatever label."""
        if (self.kind, self.plain_fields) != (other.kind, other.plain_fields):
            return False
        mine, others = ({name: key for _, name, key in each.secrets} for each in (self, other))
        return mine.keys() == others.keys() and all(
            key.is_same_as(others[name]) for name, key in mine.items()
        )

    def with_capability(self, model: str, capability: Capability) -> Connection:
        """The same connection with what a probe of the model saw."""
        return replace_parts(self, capabilities={**self.capabilities, model: capability})

    def with_label(self, label: str) -> Connection:
        """The same connection under another label; the model it sends stays as it is."""
        label = hide_key(label, *self.secret_fields.values())  # as in `__init__`
        return replace_parts(self, label=read_label(label, self.provider, self.fields))

    def with_origin(self, origin: Origin) -> Connection:
        """The same connection, as one that comes from elsewhere."""
        return replace_parts(self, origin=origin)

    def with_checked_at(self, moment: datetime | None) -> Connection:
        """The same connection, with the time of its last check that succeeded."""
        return replace_parts(self, checked_at=moment)

    client = sdk_export.make_client
    environment = sdk_export.make_environment

    def __repr__(self) -> str:
        # A verbose traceback of a refusal shows the connection that never came to be.
        if not hasattr(self, "fields"):
            return "Connection(unfinished)"
        ends = f", key ends in {self.tail}" if self.tail else ""
        ends = f", signs in with {self.signed_in_by}" if self.signed_in_by else ends
        return f"Connection({self.kind!r}, label={self.label!r}, host={self.host!r}{ends})"


def naming_model(connection: Connection, model: str) -> Connection:
    """The connection with the model that a reference named in it, where it serves any."""
    own = connection.provider.model_field
    if not connection.any_model or own is None:
        return connection
    fields = connection.fields.model_copy(update={own: model})
    return replace_parts(connection, fields=fields, any_model=False)


def make_connection(form: ConnectionForm, **parts: Any) -> Connection:
    """The connection of a form that is known to be right, with these further parts."""
    connection = object.__new__(Connection)
    connection._set(_parts_of(form) | parts)
    return connection


def replace_parts(connection: Connection, **parts: Any) -> Connection:
    """The same connection with other parts, by the names of its attributes."""
    names = (name for name in Connection.__slots__ if name != "__weakref__")
    twin = object.__new__(Connection)
    twin._set({name: getattr(connection, name) for name in names} | parts)
    return twin


def _parts_of(form: ConnectionForm) -> dict[str, Any]:
    return {
        "kind": form.provider.kind, "provider": form.provider, "fields": form.fields,
        "label": form.label, "origin": "given", "any_model": False, "checked_at": None,
        "saved_at": None, "keyed_at": None, "capabilities": {}, "declared": {},
    }  # fmt: skip


def secret_warning(
    provider: Provider, name: str, secret: Secret, endpoint: str = ""
) -> FieldWarning | None:
    """What looks wrong with a secret in this field of the form, or why it cannot be looked up.

    `endpoint` is where it would go, if no gateway is in front of that.
    """
    try:
        return find_warning(provider, name, secret.reveal(), endpoint)
    except FieldError as error:
        return FieldWarning(name, str(error))


def key_owner(secret: Secret) -> str:
    """Whose key this is beyond doubt, as a title; empty if that cannot be told, or looked up.

    A token can have a scheme in front.
    """
    try:
        return owner_of_whole_key(secret.reveal().rpartition(" ")[2])
    except FieldError:
        return ""


def to_json_value(value: Any) -> Any:
    """The value of a plain field as JSON: a day as 2026-12-11."""
    return value.isoformat() if isinstance(value, date) else value


def resolve(reference: str, connections: Iterable[Connection]) -> tuple[Connection, str]:
    """The connection and model id a reference means.

    One equal to a label is that connection; else the longest label followed by `/` is the
    connection and all the rest, slashes and colons included, the model id. UnknownConnection
    names the nearest; FieldError if a connection of several models is named alone.
    """
    refuse_key("models", reference)
    known = list(connections)
    connection = next((each for each in known if each.label == reference), None)
    if connection is None:
        heads = [each for each in known if reference.startswith(f"{each.label}/")]
        if not heads:
            raise _unknown(reference, known)
        connection = max(heads, key=lambda head: len(head.label))
        model = reference[len(connection.label) + 1 :]
        problem = f"{reference} names no model."
    else:
        known_models = len(connection.models)
        model = connection.models[0] if known_models == 1 else ""
        models = count(known_models, "model") if known_models else "any models"
        problem = f"{connection.label} gives access to {models}: name one."
    if model.strip():
        return connection, model
    example = next(iter(connection.models), f"name-of-the-{named_by(connection.provider)}")
    raise FieldError(problem, f'Write it as "{connection.label}/{example}".')


def named_by(provider: Provider) -> str:
    """What the model after the slash of a reference is, where any can be named."""
    return "deployment" if provider.deployments else "model"


def example_model(connection: Connection) -> str:
    """A model as this server names them; empty where none is known."""
    if connection.preset is not None:
        return connection.preset.name
    own = connection.provider.fields.model_fields.get(connection.provider.model_field or "")
    return str(own.examples[0]) if own is not None and own.examples else ""


def variables_of(connection: Connection) -> str:
    """The variables that its secrets or its token are in: `GROQ_API_KEY`; several by "and"."""
    references = (each.reference or "" for each in connection.secret_fields.values())
    named = [each.partition(":")[2] for each in references if each]
    ways = connection.provider.environment.signs_in.items()
    return " and ".join(named or [name for name, way in ways if way == connection.fields.way])


def _unknown(reference: str, known: list[Connection]) -> UnknownConnection:
    kind, _, model = reference.partition("/")
    near, preset = nearest_reference(reference, known), find_preset(kind)
    serving = [each for each in known if each.any_model]
    if meant := next((each for each in serving if preset and each.preset is preset), None):
        near, preset = f"{meant.label}/{model or example_model(meant)}", None
    missing = _unconnected(kind, known) or _unconnected(near.partition("/")[0], known)
    sentence = f"There is no connection for {reference}."
    if preset and _likeness(reference, near, _SURELY) <= _SURELY:
        return _preset_unconnected(sentence, preset, model)
    if near and near != reference:
        sentence += f" The nearest is {near}."
    labels = ", ".join(dict.fromkeys(each.label for each in known))
    hint = f"Connected are {labels}." if labels else 'Or use models="demo".'
    if missing is not None:
        sentence += f" {missing.title} is not connected."
        hint = f"{how_to_connect(missing)} {hint}"
    elif serving and not near:
        named = model if kind in PROVIDERS and model else reference
        hint = f'{serving[0].label} serves any model: "{serving[0].label}/{named}". {hint}'
    elif not labels:
        hint = 'Connect one in ConnectionPanel(), or use models="demo".'
    return UnknownConnection(sentence, hint)


def _preset_unconnected(sentence: str, preset: Preset, model: str) -> UnknownConnection:
    said, call = describe_preset(preset, model)
    variables = [name for name in (preset.place_variable, preset.variable) if name]
    first = (
        f"Set {join_listed(variables)} before Jupyter starts, or write" if variables else "Write"
    )
    return UnknownConnection(f"{sentence} {said}", f"{first} {call}.")


def nearest_reference(reference: str, known: Iterable[Connection]) -> str:
    """What is spelled most like this reference: connected, else a model that can be connected.

    What is not connected is named only if it is surely meant: any word is a bit like some model.
    """
    spelled, others = _spellings(list(known))
    ends = [each for each in spelled if each.endswith(f"/{reference}")]
    if reference in spelled or ends:
        return spelled[reference if reference in spelled else ends[0]]
    best, nearest = _ALIKE, ""
    for each, meant in spelled.items():
        least = max(best, _SURELY) if each in others else best
        share = _likeness(reference, each, least)
        # Of two that are spelled as much alike, the one that is connected.
        if share > least:
            best, nearest = share, meant
    # A word of a model's name, such as `haiku`.
    word = f"-{reference.casefold()}-"
    return nearest or next((meant for each, meant in spelled.items() if word in f"-{each}-"), "")


def _spellings(known: list[Connection]) -> tuple[dict[str, str], set[str]]:
    """What a reference can be meant by, with the reference; and what of it is not connected.

    What is connected comes first.
    """
    spelled = {"demo": "demo"}
    for each in known:
        alone = len(each.models) == 1
        spelled[each.label] = each.label
        if each.provider.single:
            spelled.setdefault(each.kind, each.label)
        for model in each.models:
            reference = each.label if alone else f"{each.label}/{model}"
            spelled |= {f"{each.label}/{model}": reference, f"{each.kind}/{model}": reference}
    connected = set(spelled)
    for provider in PROVIDERS.values():
        models = [facts.id for facts in provider.models if provider.single]
        if models and not any(each.kind == provider.kind for each in known):
            whole = {f"{provider.kind}/{model}": f"{provider.kind}/{model}" for model in models}
            # A model by its id alone, unless a connection has it.
            own = [each for each in models if not any(n.endswith(f"/{each}") for n in connected)]
            bare = {model: f"{provider.kind}/{model}" for model in own}
            spelled = {**spelled, provider.kind: next(iter(whole)), **whole, **bare, **spelled}
    return spelled, spelled.keys() - connected


_ALIKE, _SURELY = 0.5, 0.8


def _likeness(one: str, other: str, least: float) -> float:
    """How much two names have in common, from 0 to 1; 0 if it is surely not more than `least`."""
    matcher = difflib.SequenceMatcher(None, one.casefold(), other.casefold())
    rough = min(matcher.real_quick_ratio(), matcher.quick_ratio())
    return matcher.ratio() if rough > least else 0.0


def _unconnected(kind: str, known: Iterable[Connection]) -> Provider | None:
    """The provider of this kind, if there is one and none of its connections."""
    provider = PROVIDERS.get(kind)
    return None if any(each.kind == kind for each in known) else provider


def how_to_connect(provider: Provider) -> str:
    """The next step for a kind that is not connected."""
    variable = next(iter(provider.environment.keys), provider.environment.file)
    also = f", or set {variable} before Jupyter starts" if variable else ""
    return f"Connect {provider.title} in ConnectionPanel(){also}."
