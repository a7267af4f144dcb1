"""Provider: one kind of connection as data, and its parts: links, key prefixes, presets."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any, Literal

from pydantic.fields import FieldInfo

from llmwidgets.dialects.types import Dialect, Target
from llmwidgets.errors import unpicklable
from llmwidgets.providers.base.clients import SDK, Environment, openai_sdk
from llmwidgets.providers.base.fields import Fields, Link, SignIn
from llmwidgets.providers.base.models import Ended, ModelFacts
from llmwidgets.providers.base.portal import Portal, Route
from llmwidgets.secret import Secret

Kind = str
"""A kind of connection: a name of the registry, which `find_provider` looks up."""


@dataclass(frozen=True, slots=True)
class FieldWarning:
    """What looks wrong in one field but may be right.

    `owner` is whose key the value seems to be: a kind, or the name of a service that is not one.
    """

    field: str
    sentence: str
    owner: str = ""


@dataclass(frozen=True, slots=True)
class KeyPrefix:
    """How keys of one service begin, which is public and can be quoted.

    `shape` is a regular expression for the rest of a whole key, by which files are searched;
    `issuer` names a hit if others of the vendor's services accept such keys too.
    `problem` is a sentence about such a key in its own provider's form; `step` says what to do
    about it, there and when the server refuses it. `manages` keys run no model, whatever the
    server replies. If this is not a lasting key, `what` says what it is; with `never`, no server
    at all accepts it.
    """

    start: str
    shape: str = ""
    issuer: str = ""
    what: str = ""
    never: bool = False
    problem: str = ""
    step: str = ""
    manages: bool = False


@dataclass(frozen=True, slots=True)
class Advice:
    """A sentence and the next step, as templates: `{model}`, `{title}`, `{location}` and others."""

    sentence: str
    step: str


@dataclass(frozen=True, slots=True)
class Preset:
    """A server that many connect as this kind: what its form contains, and what to do there first.

    `key` is the placeholder of the key field; it is sent only if it is typed. `key_page` is where
    the key is found, `variable` the environment variable that contains it, `issuer` whose keys it
    takes by the table of key shapes, if that is not the title.

    `enforces` is what it is known to do with a schema, in a few words, `level` whether that holds
    for all its models, `watch_out` its trap; a probe decides. `options` are the arguments of the
    dialect for this server, and `sent` says what they change in a call.

    `extra` are the placeholders in the endpoint, with what to put there; `place_variable` is the
    variable that contains it. `hosts` are the patterns of its hosts, if the endpoint's is not the
    only one, `paths` the other paths where it speaks the format. With `public_list` its list of
    models proves no key. `portals` are the pictures of where things are found.
    """

    title: str
    endpoint: str
    name: str
    key: str
    steps: tuple[str, ...]
    key_page: str = ""
    variable: str = ""
    issuer: str = ""
    enforces: str = ""
    level: Literal["ok", "warn"] = "ok"
    watch_out: str = ""
    sent: str = ""
    options: Mapping[str, Any] = field(default_factory=dict, hash=False)
    extra: Mapping[str, str] = field(default_factory=dict, hash=False)
    place_variable: str = ""
    hosts: tuple[str, ...] = ()
    paths: tuple[str, ...] = ()
    public_list: bool = False
    portals: tuple[Portal | Route, ...] = ()

    @property
    def key_start(self) -> str:
        """How its keys begin; empty if they have no beginning of their own."""
        start, shortened, _ = self.key.partition("…")
        return start if shortened else ""

    @property
    def slug(self) -> str:
        """Its name in code and in references.

        >>> Preset("Hugging Face", "https://router.huggingface.co/v1", "", "", ()).slug
        'huggingface'
        """
        return spell_slug(self.title)


def spell_slug(name: str) -> str:
    """The name of a preset as it is looked up: small letters and digits alone."""
    return re.sub("[^a-z0-9]+", "", name.lower())


@unpicklable(
    "A provider cannot be pickled: it is functions of this package. Its kind says which one "
    "it is, and lw.PROVIDERS[kind] is it."
)
@dataclass(frozen=True, slots=True, eq=False)
class Provider:
    """A kind of connection: its form, its address, the models it may call.

    `target(fields, model)` is where a model answers. `dialect` is a module of
    `llmwidgets.dialects`; `speaks(fields, model)` is another one if the address or the model needs
    it. `sdk` is the vendor's own client for the same fields.

    `fields` is the form that signs in by a key, called `key_title`; `sign_ins` are the other ways.
    `portals` are the pictures of where what it asks is found; a kind can have none.

    `single` kinds exist once per organization and have a whitelist; the others name one model each,
    in the field `model_field`. `lists` means that the live list has what a key may call, `probes`
    that only a probe shows what a model enforces. With `deployments` the name in the form is the
    deployment's own, and says nothing about its model. A `self_hosted` server is slow to start,
    takes few calls at once, cuts long texts silently and accepts any key.

    `key_hint` ends a sentence about a key of another provider; if `keys_start_with` is set, every
    key must. `warn(field, value)` returns a sentence for a value of the wrong shape that
    no key prefix tells, or None. It sees the value of a secret only inside the one expression
    that calls it and never quotes it.

    `host` is the vendor's own, by which a gateway's models are recognised; `vendor` names who
    announces the ends of its models. `find_facts` takes the place of `models` if it serves another
    provider's models, `ended(model)` is what is known of a model that is gone. `snapshots` is how
    this vendor writes the day behind the id of a dated snapshot; empty if it has none. `not_yet`
    are models that the vendor serves and this package cannot call, each with the reason, and
    `served_as(model)` is the id that this kind's address knows a model by.
    `llm_names` are those under which the tool LLM keeps its keys. `no_access` is the advice if the
    key may not use a model that exists, `unknown_model` if the server has no such model,
    `rotation` is how an old key is replaced.
    """

    kind: Kind
    title: str
    fields: type[Fields]
    links: tuple[Link, ...]
    steps: tuple[str, ...]
    dialect: Dialect
    target: Callable[[Fields, str], Target]
    sdk: Callable[[Fields, Target], SDK] = openai_sdk
    key_title: str = "API key"
    sign_ins: tuple[SignIn, ...] = ()
    models: tuple[ModelFacts, ...] = ()
    retired: Mapping[str, str] = field(default_factory=dict)
    single: bool = False
    model_field: str | None = None
    deployments: bool = False
    self_hosted: bool = False
    probes: bool = False
    lists: bool = True
    key_prefixes: tuple[KeyPrefix, ...] = ()
    keys_start_with: str = ""
    key_hint: str = ""
    warn: Callable[[str, str], str | None] = lambda _field, _value: None
    environment: Environment = field(default_factory=Environment)
    llm_names: tuple[str, ...] = ()
    price_provider: str | None = None
    not_yet: Mapping[str, str] = field(default_factory=dict)
    served_as: Callable[[str], str] = lambda model: model
    speaks: Callable[[Fields | None, str], Dialect | None] = lambda _fields, _model: None
    host: str = ""
    vendor: str = ""
    find_facts: Callable[[str], ModelFacts | None] | None = None
    ended: Callable[[str], Ended | None] = lambda _model: None
    snapshots: Literal["", "%Y-%m-%d", "%Y%m%d"] = ""
    presets: tuple[Preset, ...] = ()
    portals: tuple[Portal | Route, ...] = ()
    no_access: Advice | None = None
    unknown_model: Advice | None = None
    rotation: str = ""

    secret_fields: tuple[str, ...] = field(init=False)
    """The fields that take one secret each."""
    key_field: str = field(init=False)
    """The secret field that the key belongs in: the first one of the form."""

    forms: Mapping[str, type[Fields]] = field(init=False)
    """The form of each way to sign in."""

    def __post_init__(self) -> None:
        forms = {"key": self.fields, **{way.name: way.fields for way in self.sign_ins}}
        object.__setattr__(self, "forms", forms)
        secret = [
            name
            for form in forms.values()
            for name, info in form.model_fields.items()
            if info.annotation in (Secret, Secret | None)
        ]
        object.__setattr__(self, "secret_fields", tuple(dict.fromkeys(secret)))
        object.__setattr__(self, "key_field", next(iter(secret), ""))

    @property
    def ways(self) -> dict[str, str]:
        """Every way to sign in, today's first: its name in code, and its title."""
        return {"key": self.key_title, **{way.name: way.title for way in self.sign_ins}}

    def find_sign_in(self, name: str) -> SignIn | None:
        """The way to sign in of this name; None for the key and for what is not one."""
        return next((each for each in self.sign_ins if each.name == name), None)

    def steps_for(self, sign_in: str) -> tuple[str, ...]:
        """What to do first to sign in in this way; those of the kind if it has none of its own."""
        way = self.find_sign_in(sign_in)
        return (way.steps if way else ()) or self.steps

    def links_for(self, sign_in: str) -> tuple[Link, ...]:
        """The pages that this way needs; those of the kind if it has none of its own."""
        way = self.find_sign_in(sign_in)
        return (way.links if way else ()) or self.links

    def form(self, sign_in: object) -> type[Fields]:
        """The fields of the form that signs in in this way; of an unknown one, by the key."""
        return self.forms.get(sign_in, self.fields) if isinstance(sign_in, str) else self.fields

    @property
    def all_fields(self) -> dict[str, FieldInfo]:
        """The fields of the forms of every way to sign in, by name."""
        merged: dict[str, FieldInfo] = {}
        for form in reversed([*self.forms.values()]):
            merged |= form.model_fields
        return merged

    def dialect_for(self, model: str, fields: Fields | None = None) -> Dialect:
        """The format in which a model is asked, as far as can be told without the fields."""
        return self.speaks(fields, model) or self.dialect

    def read_key(self, name: str, secret: Secret) -> Secret:
        """The secret of this field, of a key field the key alone; a token keeps its scheme."""
        if name not in self.secret_fields or self.environment.file:
            return secret
        return secret.as_key(scheme=name != self.key_field)

    @property
    def required(self) -> list[str]:
        """The plain fields that must be filled in."""
        needed = [name for name, info in self.fields.model_fields.items() if info.is_required()]
        return [name for name in needed if name not in self.secret_fields]

    def facts(self, model: str) -> ModelFacts | None:
        """The facts of a whitelisted model, or None.

        A dated snapshot has those of its alias, with the alias's end: the vendors end both on one
        day, and a snapshot that ended earlier is among the retired.
        """
        if self.find_facts is not None:
            return self.find_facts(model)
        alias = self.alias(model)
        known = next((facts for facts in self.models if facts.id in (model, alias)), None)
        if known is None or known.id == model:
            return known
        return None if model in self.retired else replace(known, id=model)

    def alias(self, model: str) -> str:
        """The id of which this is a dated snapshot; the id itself if it is not one.

        >>> from llmwidgets.providers import PROVIDERS
        >>> PROVIDERS["openai"].alias("gpt-4o-2024-08-06")
        'gpt-4o'
        """
        match = _SNAPSHOT.fullmatch(model)
        if match is None or not self.snapshots:
            return model
        try:
            datetime.strptime(match["day"], self.snapshots)
        except ValueError:
            return model
        return match["alias"]

    def successor(self, model: str) -> str | None:
        """What replaces a retired model or a snapshot of one; None for any other."""
        return self.retired.get(model) or self.retired.get(self.alias(model))


_SNAPSHOT = re.compile(r"(?P<alias>.+)-(?P<day>\d{4}-\d\d-\d\d|\d{8})", re.ASCII)
