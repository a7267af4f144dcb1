"""Reads what a form or a call gives into a provider's fields, one sentence per problem."""

from __future__ import annotations

import difflib
import re
from collections.abc import Container, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import unquote

from pydantic import BaseModel, ConfigDict, ValidationError, create_model

from llmwidgets.errors import FieldError
from llmwidgets.providers import find_provider
from llmwidgets.providers.base import Fields, Provider, is_price, way_of
from llmwidgets.providers.urls import host_of, is_loopback, read_address
from llmwidgets.secret import A_KEY, Secret, looks_like_key, redact

_AUTH_NAMES = frozenset({
    "authorization", "proxy-authorization", "api-key", "x-api-key", "x-goog-api-key", "cookie",
    "set-cookie", "host", "content-length", "content-type", "transfer-encoding", "connection",
})  # fmt: skip
_TOKEN = re.compile(r"[\w!#$%&'*+.^`|~-]+", re.ASCII)

_JSON = re.compile(r'\s*\{\s*"')
"""How a file of credentials begins, and no value of a field that is shown."""

_NOUNS = (
    "resource|deployment|endpoint|project|model|region|location|organization|org|company|domain"
    "|host|server|gateway|account|tenant|workspace|name"
)
_PLACEHOLDER = re.compile(
    r"<[^<>:/]{2,60}>|\$?\{[^{}:/]{0,60}\}|\$[A-Z_]{3,60}|\[[a-z][a-z _-]{1,60}\]|…|\.{3,}"
    rf"|(?<![A-Za-z0-9])(?:YOUR[_-][A-Z0-9_-]{{1,60}}|(?i:your[_-]?(?:{_NOUNS})(?:[_-][a-z0-9]+)*)"
    rf"|(?:{_NOUNS.upper()})[_-](?:NAME|ID))(?![A-Za-z0-9])"
)
"""What an example writes where a value of the user's own belongs."""

_KINDS = {
    "string_type": "is not a text",
    "bool_parsing": "is neither True nor False",
    "bool_type": "is neither True nor False",
    "dict_type": "is not a dict of names and values",
    "float_type": "is not a number",
    "float_parsing": "is not a number",
}


_PRICE = (
    'Own price gives US dollars for a million tokens: {"input": 0.5, "output": 2}, '
    'and "cached" where input from a cache costs less.'
)


@dataclass(frozen=True, slots=True)
class ConnectionForm:
    """A form that is right: what a connection is made of."""

    provider: Provider
    fields: Fields
    label: str


class HiddenValue:
    """Replaces a value of a wrong type that may contain a secret (a dict, bytes): shows nothing."""

    __slots__ = ()


class MisplacedKey(HiddenValue):
    """Replaces a key in a field that is shown."""

    __slots__ = ()


def close_form(provider: Provider | None, given: dict[str, Any]) -> list[tuple[str, str, Secret]]:
    """Wrap every value that could be a secret, in place, before anything can fail.

    Returns those that came as bare text: field, extra header, secret. A misspelled field name
    counts as a secret's, and so does every name if the kind itself is misspelled: the values of a
    refused call appear in the frames of its traceback.
    """
    shown: set[str] = set()
    if provider is not None:
        shown = {*provider.all_fields} - {"headers", *provider.secret_fields}
    typed: list[tuple[str, str, Any]] = []
    for name, value in given.items():
        if name == "headers" and provider is not None and isinstance(value, dict):
            given[name] = {header: _close(text) for header, text in value.items()}
            texts = [header for header, text in value.items() if isinstance(text, str)]
            typed += [(name, header, given[name][header]) for header in texts]
        elif name not in shown:
            closed = _close(value)
            if provider is not None and isinstance(closed, Secret):
                closed = provider.read_key(name, closed)
            given[name] = closed
            typed += [(name, "", given[name])] if isinstance(value, str) else []
    secrets = [value for value in given.values() if isinstance(value, Secret)]
    for name, value in given.items():
        given[name] = hide_key(value, *secrets)
    return typed


def _close(value: Any) -> Secret | HiddenValue | None:
    if isinstance(value, str):
        return Secret(value)
    return value if isinstance(value, Secret) or value is None else HiddenValue()


def hide_key(value: Any, *secrets: Secret) -> Any:
    """A value that is shown, as it is; a key or a credentials file in its place is taken away."""
    if not isinstance(value, str):
        return value
    return MisplacedKey() if _JSON.match(value) or looks_like_key(value, *secrets) else value


def read_form(kind: str, label: object, given: Mapping[str, Any]) -> ConnectionForm:
    """The form that these closed values fill in; FieldError, with one sentence per problem."""
    provider = find_provider(kind)
    fields = _read_fields(provider, given)
    label = read_label(label, provider, fields)
    origin = read_origin(provider, fields)
    scheme, _, host = origin.partition("://")
    if scheme == "http" and not is_loopback(host) and not fields.allow_plain_http:
        own = fields.base_url or "endpoint" not in provider.fields.model_fields
        problem = (
            f"{origin} is plain http: the key and the texts would cross the network unencrypted."
        )
        raise FieldError(
            {"base_url" if own else "endpoint": problem},
            "Use https, or tick Allow plain http (allow_plain_http=True) for a network you trust.",
        )
    return ConnectionForm(provider, fields, label)


def restore_fields(provider: Provider, kept: Mapping[str, Any]) -> Fields:
    """The fields that a store kept; ValueError if one is missing, unknown or of another type.

    What they mean was read when they were saved, and is not read again; of what a reference leads
    to, a key field takes the key alone at each use.
    """
    form = provider.forms.get(kept.get("sign_in", "key"))
    if form is None:
        message = "is not a way to sign in that this version knows."
        raise ValueError(message)
    typed, values = _types_of(form).model_validate(kept), dict[str, Any]()
    for name in kept:
        value = getattr(typed, name)
        refers = isinstance(value, Secret) and value.reference
        values[name] = provider.read_key(name, value) if refers else value
    return form.model_construct(**values)


@cache
def _types_of(fields: type[Fields]) -> type[BaseModel]:
    """The same fields by their types alone, without the provider's own checks."""
    typed: dict[str, Any] = {}
    for name, field in fields.model_fields.items():
        typed[name] = field.annotation, ... if field.is_required() else field.default
    config = ConfigDict(extra="forbid", hide_input_in_errors=True)
    return create_model(f"{fields.__name__}Types", __config__=config, **typed)


def read_origin(provider: Provider, fields: Fields) -> str:
    """Scheme, host and port that a key of these fields is bound to."""
    first = provider.models[0].id if provider.models else ""
    model = getattr(fields, provider.model_field) if provider.model_field else first
    return read_address(provider.target(fields, model).url).origin


def read_label(label: object, provider: Provider, fields: Fields) -> str:
    """The label, blanks cut; for None the model that the connection names, or its kind."""
    if label is None:
        name = str(getattr(fields, provider.model_field or "", provider.kind))
        if not name.isprintable():
            problem = "The name contains a non-printing character."
            raise FieldError({provider.model_field or "": problem})
        return name
    if isinstance(label, MisplacedKey):
        raise FieldError({"label": f"The label {A_KEY}, so it is not repeated here."})
    label = label.strip() if isinstance(label, str) else ""
    if not label:
        raise FieldError({"label": "The label is empty: give the connection a name."})
    if not label.isprintable():
        problem = "The label contains a line break or another non-printing character."
        raise FieldError({"label": problem})
    return label


def _read_fields(provider: Provider, given: Mapping[str, Any]) -> Fields:
    """The fields filled in, blanks cut and empty ones left out."""
    filled: dict[str, Any] = {}
    for name, value in given.items():
        cut = value.strip() if isinstance(value, str) else value
        if not (cut is None or cut == {} or (isinstance(cut, str | Secret) and not cut)):
            filled[name] = cut
    form = provider.form(filled.get("sign_in"))
    if "sign_in" not in form.model_fields and filled.get("sign_in") == "key":
        del filled["sign_in"]  # the only way there is
    problems = dict(_problems(provider, form, filled))
    known = {name: value for name, value in filled.items() if name not in problems}
    try:
        fields = form.model_validate(known)
    except ValidationError as error:
        # The errors it lists carry the input unless told otherwise, and so does the error itself.
        for each in error.errors(include_input=False, include_url=False):
            name = str(each["loc"][0]) if each["loc"] else ""
            said = _sentence(provider, form, name, each["type"], each.get("ctx", {}), filled)
            problems.setdefault(name, said)
    else:
        if not problems:
            return fields
    order = dict.fromkeys([*form.model_fields, *problems])
    raise FieldError({name: problems[name] for name in order if name in problems})


def _problems(
    provider: Provider, form: type[Fields], filled: Mapping[str, Any]
) -> Iterator[tuple[str, str]]:
    """What is wrong with fields that no type tells: their names, headers, prices, a key in them."""
    known = form.model_fields
    for name, value in filled.items():
        if name == "sign_in" and value not in [*provider.ways]:
            yield name, unknown_way(provider, value)
            continue
        if name not in known and name in provider.all_fields:
            yield name, _other_way(provider, form, provider.all_fields[name].title or name)
            continue
        if name not in known:
            yield name, _no_such_field(provider, form, name)
            continue
        title, text = known[name].title or name, value if isinstance(value, str) else ""
        example = _PLACEHOLDER.search(unquote(text)) if name != "ca_bundle" else None
        if isinstance(value, MisplacedKey):
            yield name, f"{title} {A_KEY}, so it is not repeated here: use the key or token field."
        elif example:
            said = f"contains the placeholder {redact(example[0])}"
            word = example[0].strip("<>{}[]$").lower()
            known_places = (each.extra.get(word) for each in provider.presets)
            value = next(filter(None, known_places), "your own value")
            yield name, f"{title} {said}: put {value} in its place."
        elif name in ("endpoint", "base_url") and _no_host(text):
            yield name, f"{title} is not a web address: the host cannot be read."
        elif name == "headers" and isinstance(value, dict):
            for header in value:
                if not isinstance(header, str) or not _TOKEN.fullmatch(header):
                    yield name, "A header's name has letters, digits and - only."
                elif header.lower() in _AUTH_NAMES:
                    yield (
                        name,
                        f"{header} is set by the connection itself and cannot be one of the extra "
                        "headers: use the key or token field.",
                    )
        elif name == "price" and isinstance(value, dict) and not is_price(value):
            yield name, _PRICE


def unknown_way(provider: Provider, value: object) -> str:
    """That a kind does not sign in like this, and how it does."""
    names = [*provider.ways]
    close = difflib.get_close_matches(str(value), names, n=1, cutoff=0.4)
    nearest = f" The nearest is {close[0]}." if close else ""
    ways = f"ways are {', '.join(names)}" if len(names) > 1 else "only way is key"
    return f"{provider.title} has no such way to sign in; its {ways}.{nearest}"


_MEANT = {
    "model": ("deployment", "name"),
    "name": ("deployment", "model"),
    "deployment": ("model", "name"),
    "url": ("endpoint", "base_url"),
    "api_base": ("endpoint", "base_url"),
    "azure_endpoint": ("endpoint",),
    "token": ("auth_token", "api_key"),
    "region_name": ("region",),
    "credentials_path": ("credentials",),
}
"""Names of other kinds and of the vendors' clients, each with the fields that may be meant."""


def _no_such_field(provider: Provider, form: type[Fields], name: str) -> str:
    """That a form has no field of this name, and which one is meant."""
    known = form.model_fields
    if meant := next((each for each in _MEANT.get(name, ()) if each in known), None):
        return f"{provider.title} has the field {meant} for it: write {meant}=."
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    nearest = f"the nearest is {close[0]}" if close else f"its fields are {', '.join(known)}"
    return f"{provider.title} has no field of this name; {nearest}."


def _other_way(provider: Provider, form: type[Fields], title: str) -> str:
    """That a field belongs to the form of another way to sign in than the one that was chosen."""
    way = way_of(form)
    return f"{title} is not used by sign_in={way!r} ({provider.ways[way]}): leave it out."


def _no_host(value: str) -> bool:
    """Whether it is a web address, except that its host cannot be the name of one."""
    with suppress(ValueError):
        return not host_of(read_address(value).url)
    return False


def _sentence(
    provider: Provider,
    form: type[Fields],
    name: str,
    rule: str,
    context: Mapping[str, Any],
    given: Container[str],
) -> str:
    field = form.model_fields.get(name)
    title = (field.title if field else None) or name
    if rule == "missing" and name == "endpoint" and "base_url" in given:
        return f"{title} is needed: write endpoint= in place of base_url=."
    if rule == "missing":
        page = next((link for link in provider.links if "key" in link.text.lower()), None)
        where = f" Get one at {page.url}" if page and name in provider.secret_fields else ""
        return f"{title} is needed.{where}"
    if rule == "value_error":  # a sentence of one of the provider's own checks
        return f"{title} {str(context['error']).rstrip('.')}."
    return f"{title} {_KINDS.get(rule, 'is not of the right kind')}."
