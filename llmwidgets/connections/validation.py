"""Reading what a form or a call gives into a provider's fields, with a sentence a field."""

from __future__ import annotations

import difflib
import math
from typing import Any

from pydantic import ValidationError

from llmwidgets.errors import FieldError
from llmwidgets.providers.base import PRICES, Fields, Provider
from llmwidgets.secret import A_KEY, Secret, looks_like_key

_AUTH_NAMES = frozenset({
    "authorization", "proxy-authorization", "api-key", "x-api-key", "x-goog-api-key", "cookie",
    "set-cookie", "host", "content-length", "content-type", "transfer-encoding", "connection",
})  # fmt: skip
_TOKEN_CHARACTERS = frozenset("!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyz")

_KINDS = {
    "string_type": "is not a text",
    "bool_parsing": "is neither True nor False",
    "bool_type": "is neither True nor False",
    "dict_type": "is not a dict of names and values",
    "float_type": "is not a number",
    "float_parsing": "is not a number",
}


def is_secret(provider: Provider, name: str) -> bool:
    """Whether a field of this name holds a secret."""
    known = provider.fields.model_fields.get(name)
    return known is not None and known.annotation in (Secret, Secret | None)


class ClosedFields:
    """Stands for a value of a wrong type that may hold a secret (a dict, bytes): shows nothing."""

    __slots__ = ()


class MisplacedFields(ClosedFields):
    """Stands for a key in a field that is shown."""

    __slots__ = ()


def close_secrets(provider: Provider | None, given: dict[str, Any]) -> None:
    """Wrap every value that could be a secret, in place, before anything can fail.

    A misspelled field name counts as a secret's, and so does every name where the kind itself is
    misspelled: the values of a refused call stand in the frames of its traceback.
    """
    fields = provider.fields.model_fields if provider else {}
    for name, value in given.items():
        if provider is None or name not in fields or is_secret(provider, name):
            given[name] = _closed(value)
        elif name == "headers":
            given[name] = (
                {key: _closed(said) for key, said in value.items()}
                if isinstance(value, dict)
                else _closed(value)
            )
    secrets = [value for value in given.values() if isinstance(value, Secret)]
    for name, value in given.items():
        given[name] = close_key(value, *secrets)


def close_key(value: Any, *secrets: Secret) -> Any:
    """A value that is shown, as it is; a key in its place is taken away."""
    found = isinstance(value, str) and looks_like_key(value, *secrets)
    return MisplacedFields() if found else value


def _closed(value: Any) -> Secret | ClosedFields | None:
    if isinstance(value, str):
        return Secret(value)
    return value if isinstance(value, Secret) or value is None else ClosedFields()


def read_fields(provider: Provider, given: dict[str, Any]) -> Fields:
    """The filled-in fields, blanks cut; FieldError with a sentence for each that is not right."""
    filled = {name: value for name, value in map(_cut, given.items()) if not _blank(value)}
    problems = _unknown(provider, filled)
    problems |= _header_problems(filled.get("headers"))
    problems |= _price_problems(filled.get("price"))
    problems |= {name: _misplaced(provider, name) for name in filled if _is_misplaced(filled[name])}
    known = {name: value for name, value in filled.items() if name not in problems}
    fields = _validated(provider, known, problems)
    if fields is None or problems:
        order = [*provider.fields.model_fields, *problems]
        raise FieldError(
            {name: problems[name] for name in dict.fromkeys(order) if name in problems}
        )
    return fields


def _cut(item: tuple[str, Any]) -> tuple[str, Any]:
    name, value = item
    return name, value.strip() if isinstance(value, str) else value


def read_label(label: object, provider: Provider, fields: Fields) -> str:
    """The label, blanks cut; the model that the connection names, or its kind, where it is None."""
    if label is None:
        named = str(getattr(fields, provider.model_field or "", provider.kind))
        if not named.isprintable():
            raise FieldError({provider.model_field or "": "The name holds an unseen character."})
        return named
    if isinstance(label, MisplacedFields):
        raise FieldError({"label": f"The label {A_KEY}, so it is not repeated here."})
    cut = label.strip() if isinstance(label, str) else ""
    if not cut:
        raise FieldError({"label": "The label is empty: give the connection a name."})
    if not cut.isprintable():
        raise FieldError({"label": "The label holds a line end or another unseen character."})
    return cut


def _blank(value: Any) -> bool:
    return value is None or value == {} or (isinstance(value, str | Secret) and not value)


def _unknown(provider: Provider, filled: dict[str, Any]) -> dict[str, str]:
    known = list(provider.fields.model_fields)
    return {
        name: f"{provider.title} has no field of this name{_nearest(name, known)}."
        for name in filled
        if name not in known
    }


def _nearest(name: str, known: list[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    plain = ", ".join(known)
    return f"; the nearest is {close[0]}" if close else f"; its fields are {plain}"


def _validated(
    provider: Provider, known: dict[str, Any], problems: dict[str, str]
) -> Fields | None:
    try:
        return provider.fields.model_validate(known)
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False, include_context=False)
    for each in found:
        name = str(each["loc"][0]) if each["loc"] else ""
        said = _sentence(provider, name, each["type"], each["msg"])
        problems.setdefault(name, said)
    return None


def _sentence(provider: Provider, name: str, rule: str, said: str) -> str:
    field = provider.fields.model_fields.get(name)
    title = (field.title if field else None) or name
    if rule == "missing":
        page = next((link for link in provider.links if "key" in link.text.lower()), None)
        where = f" Get one at {page.url}" if page and is_secret(provider, name) else ""
        return f"{title} is needed.{where}"
    if rule == "value_error":
        return f"{title} {said.removeprefix('Value error, ').rstrip('.')}."
    return f"{title} {_KINDS.get(rule, 'is not of the right kind')}."


def _is_misplaced(value: Any) -> bool:
    return isinstance(value, MisplacedFields)


def _misplaced(provider: Provider, name: str) -> str:
    title = provider.fields.model_fields[name].title or name
    return f"{title} {A_KEY}, so it is not repeated here: use the key or token field."


def _header_problems(headers: Any) -> dict[str, str]:
    if not isinstance(headers, dict):
        return {}
    for name in headers:
        if not isinstance(name, str) or not name or not set(name.lower()) <= _TOKEN_CHARACTERS:
            return {"headers": "A header's name has letters, digits and - only."}
        if name.lower() in _AUTH_NAMES:
            return {
                "headers": f"{name} is set by the connection itself and cannot stand among the "
                "extra headers: use the key or token field."
            }
    return {}


def _price_problems(price: Any) -> dict[str, str]:
    if price is None or not isinstance(price, dict):
        return {}
    numbers = [
        value
        for value in price.values()
        if isinstance(value, int | float) and not isinstance(value, bool)
    ]
    right = all(math.isfinite(value) and value >= 0 for value in numbers)
    named = {*PRICES[:2]} <= set(price) <= {*PRICES}
    if named and len(numbers) == len(price) and right:
        return {}
    return {
        "price": 'Own price gives US dollars for a million tokens: {"input": 0.5, "output": 2}, '
        'and "cached" where input from a cache costs less.'
    }
