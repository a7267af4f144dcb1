"""Mapping: how a value of the sent schema becomes one of the user's schema, and back.

Data that does not fit passes unchanged, so that the user's own schema judges what the model
really answered.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import chain, repeat
from operator import call
from typing import Any

from llmwidgets.schemas.canonical import (
    ANY_JSON,
    Node,
    display_path,
    listed_types,
    ref_name,
    type_of,
)

KEY, VALUE = "key", "value"
ENTRIES = "entries"
_NUMBERS = {"integer", "number"}


class ValueMapping:
    """The two directions of one place; this one changes nothing."""

    __slots__ = ()

    @property
    def restores(self) -> bool:
        """Whether `restore` may return something else than it is given."""
        return type(self) is not ValueMapping

    def restore(self, data: Any) -> Any:
        """From the sent shape to the user's."""
        return data

    def adapt(self, data: Any) -> Any:
        """From the user's shape to the sent one."""
        return data


UNCHANGED = ValueMapping()


@dataclass(frozen=True, slots=True)
class Wrapped(ValueMapping):
    """A value that is sent as the only property of an object."""

    name: str
    inner: ValueMapping

    def restore(self, data: Any) -> Any:
        alone = isinstance(data, dict) and self.name in data and len(data) == 1
        return self.inner.restore(data[self.name] if alone else data)

    def adapt(self, data: Any) -> Any:
        return {self.name: self.inner.adapt(data)}


@dataclass(frozen=True, slots=True)
class Items(ValueMapping):
    """A list whose first items are mapped each in its own way, and the rest alike."""

    rest: ValueMapping
    first: tuple[ValueMapping, ...] = ()

    @property
    def restores(self) -> bool:
        return any(each.restores for each in (self.rest, *self.first))

    def restore(self, data: Any) -> Any:
        each = (inner.restore for inner in chain(self.first, repeat(self.rest)))
        return list(map(call, each, data)) if isinstance(data, list) else data

    def adapt(self, data: Any) -> Any:
        each = (inner.adapt for inner in chain(self.first, repeat(self.rest)))
        return list(map(call, each, data)) if isinstance(data, list) else data


@dataclass(frozen=True, slots=True)
class Entries(ValueMapping):
    """An open object that is sent as a list of `{"key": …, "value": …}`."""

    inner: ValueMapping

    def restore(self, data: Any) -> Any:
        if not isinstance(data, list) or not all(is_entry(each) for each in data):
            return data
        return {each[KEY]: self.inner.restore(each[VALUE]) for each in data}

    def adapt(self, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return [{KEY: name, VALUE: self.inner.adapt(value)} for name, value in data.items()]


def is_entry(data: object) -> bool:
    """Whether this is `{"key": a text, "value": anything}`."""
    return isinstance(data, dict) and set(data) == {KEY, VALUE} and isinstance(data[KEY], str)


@dataclass(slots=True)
class Properties(ValueMapping):
    """An object with listed properties.

    Of the optional properties, `droppable` refuse null: null means absent. `filled` are sent as
    null if they are absent: if such a null may stay, it does, unless the object as a whole is only
    right without it (`accepts` judges the whole object, None if nothing depends on presence).
    `left_out` are absent if they are null. `rest` is the property that carries whatever else an
    open object has, with its mapping; `others` maps it, if the dialect takes open objects as they
    are.
    """

    shapes: dict[str, ValueMapping] = field(default_factory=dict)
    droppable: set[str] = field(default_factory=set)
    filled: set[str] = field(default_factory=set)
    left_out: set[str] = field(default_factory=set)
    rest: tuple[str, ValueMapping] | None = None
    others: ValueMapping | None = None
    accepts: Callable[[Any], bool] | None = None

    @property
    def restores(self) -> bool:
        inner = (*self.shapes.values(), self.others or UNCHANGED)
        nulls = self.droppable or (self.accepts is not None and self.filled)
        return bool(nulls or self.rest is not None or any(each.restores for each in inner))

    def restore(self, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        carrier, carried = self.rest or (None, UNCHANGED)
        whole = {
            name: self.shapes.get(name, self.others or UNCHANGED).restore(value)
            for name, value in data.items()
            if name != carrier and not (value is None and name in self.droppable)
        }
        others = carried.restore(data.get(carrier))
        if isinstance(others, dict):
            whole = {**others, **whole}
        if self.accepts is None or self.accepts(whole):
            return whole
        nullable = self.filled - self.droppable
        fewer = {k: v for k, v in whole.items() if v is not None or k not in nullable}
        return fewer if len(fewer) < len(whole) and self.accepts(fewer) else whole

    def adapt(self, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        sent: dict[str, Any] = {}
        for name, shape in self.shapes.items():
            if name not in data and name in self.filled:
                sent[name] = None
            elif name in data and not (data[name] is None and name in self.left_out):
                sent[name] = shape.adapt(data[name])
        others = {name: value for name, value in data.items() if name not in self.shapes}
        if self.rest is not None:
            carrier, carried = self.rest
            sent[carrier] = carried.adapt(others)
        if self.others is not None:
            sent |= {name: self.others.adapt(value) for name, value in others.items()}
        return sent


@dataclass(frozen=True, slots=True)
class Option:
    """One branch of a union: its mapping, and the judge of the branch in the user's schema.

    `fits` tells from the outside of a sent value whether it can belong to this branch.
    """

    shape: ValueMapping
    accepts: Callable[[Any], bool]
    fits: Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class Choice(ValueMapping):
    """A union: the first branch whose own schema takes the result decides.

    `accepts` judges by the whole union, which may rule out what one branch takes (`oneOf`).
    """

    options: tuple[Option, ...]
    accepts: Callable[[Any], bool]

    def restore(self, data: Any) -> Any:
        fallback: list[Any] = []
        for option in self.options:
            if option.fits(data):
                whole = option.shape.restore(data)
                if option.accepts(whole) and self.accepts(whole):
                    return whole
                fallback.append(whole)
        return next(filter(self.accepts, fallback), fallback[0]) if fallback else data

    def adapt(self, data: Any) -> Any:
        shapes = (option.shape for option in self.options if option.accepts(data))
        return next(shapes, UNCHANGED).adapt(data)


def fits(
    defs: Mapping[str, Node], node: Node, data: Any, seen: frozenset[str] = frozenset()
) -> bool:
    """Whether a sent value, seen from the outside, can belong to a sent schema.

    It cannot belong to a definition that is still being made.
    """
    if "$ref" in node:
        name = ref_name(node)
        return name in defs and name not in seen and fits(defs, defs[name], data, seen | {name})
    if "anyOf" in node:
        return any(fits(defs, each, data, seen) for each in node["anyOf"])
    if "const" in node or "enum" in node:
        return data in ([node["const"]] if "const" in node else node["enum"])
    if types := listed_types(node):
        kind = type_of(data)
        if kind not in types and not (kind in _NUMBERS and not _NUMBERS.isdisjoint(types)):
            return False
    if not isinstance(data, dict):
        return True
    properties = node.get("properties", {})
    if node.get("additionalProperties") is False and not data.keys() <= properties.keys():
        return False
    return all(
        fits(defs, inner, data[name])
        for name, inner in properties.items()
        if name in data and ("const" in inner or "enum" in inner)
    )


@dataclass(frozen=True, slots=True)
class Definition(ValueMapping):
    """A reference to a shared mapping, looked up at use because definitions may be recursive."""

    table: Mapping[str, ValueMapping] = field(repr=False)
    name: str

    def restore(self, data: Any) -> Any:
        return self.table[self.name].restore(data)

    def adapt(self, data: Any) -> Any:
        return self.table[self.name].adapt(data)


@dataclass(frozen=True, slots=True)
class AnyValue(ValueMapping):
    """Any JSON: objects are sent as `{"entries": [{"key": …, "value": …}]}`, all else as it is."""

    def restore(self, data: Any) -> Any:
        if isinstance(data, list):
            return [self.restore(each) for each in data]
        if isinstance(data, dict) and set(data) == {ENTRIES} and isinstance(data[ENTRIES], list):
            return Entries(self).restore(data[ENTRIES])
        return data

    def adapt(self, data: Any) -> Any:
        if isinstance(data, list):
            return [self.adapt(each) for each in data]
        return {ENTRIES: Entries(self).adapt(data)} if isinstance(data, dict) else data


class JSONText(ValueMapping):
    """A value that is sent as its JSON text, if no schema takes it."""

    def restore(self, data: Any) -> Any:
        try:
            return json.loads(data) if isinstance(data, str) else data
        except (ValueError, RecursionError):
            return data

    def adapt(self, data: Any) -> Any:
        return json.dumps(data, ensure_ascii=False)


# -- Sent forms: the objects that only the sent schema has, spelled once.


def closed(properties: Node) -> Node:
    """An object with exactly these properties, all of them required."""
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def entries(value: Node) -> Node:
    """The list of key and value that an open object is sent as."""
    return {"type": "array", "items": closed({KEY: {"type": "string"}, VALUE: value})}


def any_json() -> Node:
    """Any JSON value; its one property tells an object from a list."""
    again: Node = {"$ref": f"#/$defs/{ANY_JSON}"}
    scalars: list[Node] = [{"type": name} for name in ("string", "number", "boolean", "null")]
    listed: Node = {"type": "array", "items": again}
    return {"anyOf": [*scalars, listed, closed({ENTRIES: entries(again)})]}


# -- Compiled: the result.


@dataclass(frozen=True, slots=True)
class Loss:
    """A constraint of the user's schema that the sent schema does not express, and why.

    `path` is the place it belonged to, such as `lines[].total`; empty for the record itself.

    >>> str(Loss("maxLength", "name", "OpenAI does not enforce it"))
    'maxLength at name: OpenAI does not enforce it; the reply is still checked.'
    """

    keyword: str
    path: str
    why: str

    def __str__(self) -> str:
        return (
            f"{self.keyword} at {display_path(self.path)}: {self.why}; the reply is still checked."
        )


@dataclass(frozen=True, slots=True)
class Compiled:
    """A schema as it is sent, what it lost on the way, and the way back for replies.

    `wrapped`: the root is not an object, and is sent as the property `value` of one.

    `excess` is empty if the provider can enforce the schema, and else names in a few
    words which of its limits cannot be kept, such as "Anthropic takes no recursion". A schema
    with an excess must not be sent to be enforced (the provider would answer 400): the dialect
    takes the form below that one (Anthropic a tool without `strict`, OpenAI and Gemini JSON mode
    with the schema in the prompt), and the excess is reported with the result.
    """

    schema: dict[str, Any]
    losses: tuple[Loss, ...] = ()
    wrapped: bool = False
    excess: str = ""
    shape: ValueMapping = field(default=UNCHANGED, repr=False, compare=False)
    _restores: bool = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_restores", self.shape.restores)

    def restore(self, data: Any) -> Any:
        """The reply in the shape of the user's schema: unwrapped, absent if null was sent for it.

        Data of another shape comes back as it is; the user's schema judges it.
        """
        return self.shape.restore(data) if self._restores else data

    def adapt(self, data: Any) -> Any:
        """A record of the user's schema in the shape that is sent, for examples."""
        return self.shape.adapt(data)
