"""Mapping: how a value of the sent schema becomes one of the user's schema, and back.

A place that needs no mapping has None. Data that does not fit passes unchanged, so
that the user's own schema judges what the model really answered.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from itertools import chain, repeat
from typing import Any, Protocol

from llmwidgets.schemas.canonical import ANY_JSON, Node, display_path, ref_name, types_of

KEY, VALUE = "key", "value"
ENTRIES = "entries"


class ValueMapping(Protocol):
    """The two directions of one place."""

    def restore(self, data: Any) -> Any:
        """From the sent shape to the user's."""
        ...

    def adapt(self, data: Any) -> Any:
        """From the user's shape to the sent one."""
        ...


def to_user_value(shape: ValueMapping | None, data: Any) -> Any:
    """A sent value as the user's schema has it."""
    return shape.restore(data) if shape else data


def to_wire_value(shape: ValueMapping | None, data: Any) -> Any:
    """A value of the user's schema as it is sent."""
    return shape.adapt(data) if shape else data


@dataclass(frozen=True, slots=True)
class Wrapped:
    """A value that is sent as the only property of an object."""

    name: str
    inner: ValueMapping | None

    def restore(self, data: Any) -> Any:
        if isinstance(data, dict) and self.name in data and len(data) == 1:
            return to_user_value(self.inner, data[self.name])
        return to_user_value(self.inner, data)

    def adapt(self, data: Any) -> Any:
        return {self.name: to_wire_value(self.inner, data)}


Convert = Callable[["ValueMapping | None", Any], Any]


class _BothWays:
    """A place whose values are mapped alike in both directions."""

    __slots__ = ()

    def restore(self, data: Any) -> Any:
        return self._map(data, to_user_value)

    def adapt(self, data: Any) -> Any:
        return self._map(data, to_wire_value)

    def _map(self, data: Any, convert: Convert) -> Any:
        raise NotImplementedError


@dataclass(frozen=True, slots=True)
class Items(_BothWays):
    """A list whose items are mapped one by one."""

    inner: ValueMapping

    def _map(self, data: Any, convert: Convert) -> Any:
        return [convert(self.inner, each) for each in data] if isinstance(data, list) else data


@dataclass(frozen=True, slots=True)
class Tuple(_BothWays):
    """A list whose first items are mapped each in its own way, and the rest alike."""

    first: tuple[ValueMapping | None, ...]
    rest: ValueMapping | None = None

    def _map(self, data: Any, convert: Convert) -> Any:
        if not isinstance(data, list):
            return data
        inner = chain(self.first, repeat(self.rest))
        return [convert(each, value) for each, value in zip(inner, data, strict=False)]


@dataclass(frozen=True, slots=True)
class Entries:
    """An open object that is sent as a list of `{"key": …, "value": …}`."""

    inner: ValueMapping | None

    def restore(self, data: Any) -> Any:
        if not isinstance(data, list) or not all(is_entry(each) for each in data):
            return data
        return {each[KEY]: to_user_value(self.inner, each[VALUE]) for each in data}

    def adapt(self, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        return [
            {KEY: name, VALUE: to_wire_value(self.inner, value)} for name, value in data.items()
        ]


def is_entry(data: object) -> bool:
    """Whether this is `{"key": a text, "value": anything}`."""
    return isinstance(data, dict) and set(data) == {KEY, VALUE} and isinstance(data[KEY], str)


@dataclass(frozen=True, slots=True)
class Properties:
    """An object with listed properties, all of them sent.

    `droppable` are optional properties that refuse null: null means absent. `nullable`
    are optional ones that take null: null stays, unless the object as a whole is only right
    without (`accepts` judges the whole object, None if nothing depends on presence).
    `rest` names the property that carries whatever else an open object has; `keeps_others`
    means that the dialect takes open objects as they are, `others` maps what else they have.
    Of the optional properties, `filled` are sent as null if they are absent, and `left_out`
    are absent if they are null.
    """

    shapes: Mapping[str, ValueMapping | None]
    droppable: frozenset[str] = frozenset()
    nullable: frozenset[str] = frozenset()
    rest: str | None = None
    rest_shape: Entries | None = None
    accepts: Callable[[Any], bool] | None = None
    keeps_others: bool = False
    others: ValueMapping | None = None
    filled: frozenset[str] = frozenset()
    left_out: frozenset[str] = frozenset()

    def restore(self, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        whole = {
            name: to_user_value(self.shapes.get(name, self.others), value)
            for name, value in data.items()
            if name != self.rest and not (value is None and name in self.droppable)
        }
        if self.rest is not None and self.rest_shape is not None:
            others = self.rest_shape.restore(data.get(self.rest))
            if isinstance(others, dict):
                whole = {**others, **whole}
        return self._settle(whole)

    def _settle(self, whole: dict[str, Any]) -> dict[str, Any]:
        if self.accepts is None or self.accepts(whole):
            return whole
        fewer = {k: v for k, v in whole.items() if v is not None or k not in self.nullable}
        return fewer if len(fewer) < len(whole) and self.accepts(fewer) else whole

    def adapt(self, data: Any) -> Any:
        if not isinstance(data, dict):
            return data
        sent: dict[str, Any] = {}
        for name, shape in self.shapes.items():
            if name in data:
                if data[name] is None and name in self.left_out:
                    continue
                sent[name] = to_wire_value(shape, data[name])
            elif name in self.filled:
                sent[name] = None
        others = {k: to_wire_value(self.others, v) for k, v in data.items() if k not in self.shapes}
        if self.rest is not None and self.rest_shape is not None:
            sent[self.rest] = self.rest_shape.adapt(others)
        return {**sent, **others} if self.keeps_others else sent


@dataclass(frozen=True, slots=True)
class Option:
    """One branch of a union: its mapping, and the judge of the branch in the user's schema.

    `fits` tells from the outside of a sent value whether it can belong to this branch.
    """

    shape: ValueMapping | None
    accepts: Callable[[Any], bool]
    fits: Callable[[Any], bool]


@dataclass(frozen=True, slots=True)
class Choice:
    """A union: the first branch whose own schema takes the result decides.

    `accepts` judges by the whole union, which may rule out what one branch takes (`oneOf`).
    """

    options: tuple[Option, ...]
    accepts: Callable[[Any], bool]

    def restore(self, data: Any) -> Any:
        fallback: list[Any] = []
        for option in self.options:
            if option.fits(data):
                whole = to_user_value(option.shape, data)
                if option.accepts(whole) and self.accepts(whole):
                    return whole
                fallback.append(whole)
        return next(filter(self.accepts, fallback), fallback[0]) if fallback else data

    def adapt(self, data: Any) -> Any:
        for option in self.options:
            if option.accepts(data):
                return to_wire_value(option.shape, data)
        return data


@dataclass(frozen=True, slots=True)
class Fits:
    """Tells from the outside whether a sent value can belong to a sent schema."""

    defs: Mapping[str, Node]
    node: Node

    def __call__(self, data: Any) -> bool:
        return _fits(self.node, data, self.defs, frozenset())


def _fits(node: Node, data: Any, defs: Mapping[str, Node], seen: frozenset[str]) -> bool:
    if "$ref" in node:
        name = ref_name(node)
        return name not in seen and _fits(defs.get(name, {}), data, defs, seen | {name})
    if "anyOf" in node:
        return any(_fits(each, data, defs, seen) for each in node["anyOf"])
    if "const" in node or "enum" in node:
        return data in ([node["const"]] if "const" in node else node["enum"])
    types = types_of(node)
    if isinstance(data, dict):
        return (not types or "object" in types) and _fits_object(node, data, defs)
    if isinstance(data, list):
        return not types or "array" in types
    if isinstance(data, str):
        return not types or "string" in types
    if data is None or isinstance(data, bool):
        return not types or ("null" if data is None else "boolean") in types
    return not types or bool(types & {"integer", "number"})


def _fits_object(node: Node, data: dict[str, Any], defs: Mapping[str, Node]) -> bool:
    properties = node.get("properties", {})
    closed = node.get("additionalProperties") is False
    if closed and not data.keys() <= properties.keys():
        return False
    return all(
        _fits(inner, data[name], defs, frozenset())
        for name, inner in properties.items()
        if name in data and ("const" in inner or "enum" in inner)
    )


@dataclass(frozen=True, slots=True)
class Definition(_BothWays):
    """A reference to a shared mapping, looked up at use because definitions may be recursive."""

    table: Mapping[str, ValueMapping | None] = field(repr=False)
    name: str

    def _map(self, data: Any, convert: Convert) -> Any:
        return convert(self.table.get(self.name), data)


@dataclass(frozen=True, slots=True)
class AnyValue:
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
        if isinstance(data, dict):
            return {ENTRIES: Entries(self).adapt(data)}
        return data


@dataclass(frozen=True, slots=True)
class JSONText:
    """A value that is sent as its JSON text, if no schema takes it."""

    def restore(self, data: Any) -> Any:
        if not isinstance(data, str):
            return data
        try:
            return json.loads(data)
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
    shape: ValueMapping | None = field(default=None, repr=False, compare=False)

    def restore(self, data: Any) -> Any:
        """The reply in the shape of the user's schema: unwrapped, absent if null was sent for it.

        Data of another shape comes back as it is; the user's schema judges it.
        """
        return self.shape.restore(data) if self.shape else data

    def adapt(self, data: Any) -> Any:
        """A record of the user's schema in the shape that is sent, for examples."""
        return self.shape.adapt(data) if self.shape else data
