"""Schema: what the user wants to know of each text, read once, judge of every record."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from llmwidgets.errors import InvalidRecord, LLMWidgetsError
from llmwidgets.schemas.canonical import (
    NEVER,
    SAYING,
    Canonical,
    Node,
    any_name,
    canonical,
    item_path,
    property_path,
    ref_name,
    says_something,
    subschemas,
    types_of,
)
from llmwidgets.schemas.compiler import compile_schema
from llmwidgets.schemas.loaders import Source, read_source
from llmwidgets.schemas.mapping import Compiled
from llmwidgets.schemas.passes import SchemaCapabilities
from llmwidgets.schemas.validation import (
    Problem,
    find_problems,
    format_path,
    make_validator,
    without_presence,
)

_SHOWN = 5


MAX_LEAVES = 5000
"""A schema's leaves are listed up to here."""

_FORMATS = {
    "date": "date", "date-time": "datetime", "time": "time", "email": "email",
    "idn-email": "email",
}  # fmt: skip
_NUMBERS = {"integer", "number"}


@dataclass(frozen=True, slots=True)
class Leaf:
    """A scalar place. `path` is a pattern: `policy.number`, `lines[].total`, `tags[]`, `*`.

    `type` is one of string number integer boolean date datetime time email enum array other.
    `values` are the allowed values of an enum. The root of a scalar schema has the path "".
    """

    path: str
    type: str
    nullable: bool = False
    required: bool = False
    description: str = ""
    values: tuple[Any, ...] | None = None
    format: str | None = None


def read_leaves(schema: Canonical) -> tuple[Leaf, ...]:
    """Every scalar place in the order of the schema; a recursive part ends in `other`."""
    leaves: dict[str, Leaf] = {}
    for leaf in _walk(schema, schema.root, Leaf("", "other", required=True), frozenset()):
        known = leaves.get(leaf.path)
        leaves[leaf.path] = leaf if known is None else _either(known, leaf)
        if len(leaves) >= MAX_LEAVES:
            break
    return tuple(leaves.values())


def _either(one: Leaf, other: Leaf) -> Leaf:
    """What is true of a place that two branches of a union describe."""
    kind = one.type
    if one.type != other.type:
        kinds = {one.type, other.type}
        texts = {"string", "date", "datetime", "time", "email"}
        kind = "number" if kinds <= _NUMBERS else "string" if kinds <= texts else "other"
    values = None
    if kind == "enum":
        values = tuple(dict.fromkeys((one.values or ()) + (other.values or ())))
    return replace(
        one,
        type=kind,
        nullable=one.nullable or other.nullable,
        required=one.required and other.required,
        values=values,
        format=one.format if one.format == other.format else None,
    )


def _walk(schema: Canonical, node: Node, at: Leaf, inside: frozenset[str]) -> Iterator[Leaf]:
    """`at` carries the path and what is known of the place from outside."""
    at = replace(at, description=str(node.get("description") or at.description))
    if "$ref" in node:
        name = ref_name(node)
        others = {key: value for key, value in node.items() if key != "$ref"}
        if name in inside:
            yield replace(at, type="other")
        else:
            yield from _walk(schema, {**schema.defs[name], **others}, at, inside | {name})
        return
    inner = list(_structure(schema, node, at, inside))
    for each in node.get("allOf", ()):
        if says_something(each):
            inner += _walk(schema, each, at, inside)
    for keyword in ("anyOf", "oneOf"):
        inner += _options(schema, node, keyword, at, inside)
    yield from inner or [_scalar(node, at)]


def _options(
    schema: Canonical, node: Node, keyword: str, at: Leaf, inside: frozenset[str]
) -> Iterator[Leaf]:
    options = [each for each in node.get(keyword, ()) if each != NEVER]
    real = [each for each in options if not _is_null(schema.resolve(each))]
    inner = replace(at, nullable=at.nullable or len(real) < len(options))
    kind = {"type": node["type"]} if "type" in node else {}
    for each in real:
        if says_something(each):
            yield from _walk(schema, {**kind, **each}, inner, inside)


def _is_null(node: Node) -> bool:
    return types_of(node) == {"null"} or node.get("const", "") is None


def _structure(schema: Canonical, node: Node, at: Leaf, inside: frozenset[str]) -> Iterator[Leaf]:
    types = types_of(node)
    at = replace(at, nullable=at.nullable or "null" in types)
    inner = Leaf("", "other", required=at.required, nullable=at.nullable)
    if not types or "object" in types:
        properties = node.get("properties", {})
        required = node.get("required", ())
        for name, each in properties.items():
            if each != NEVER:
                here = replace(
                    inner,
                    path=property_path(at.path, name),
                    required=name in required and at.required,
                    nullable=False,
                )
                yield from _walk(schema, each, here, inside)
        for each in _open_parts(node, types):
            here = replace(inner, path=any_name(at.path), required=False, nullable=False)
            yield from _walk(schema, each, here, inside)
    if not types or "array" in types:
        for each in [*node.get("prefixItems", ()), *_items(node)]:
            if each != NEVER:
                here = replace(inner, path=item_path(at.path), nullable=False)
                yield from _walk(schema, each, here, inside)


def _items(node: Node) -> list[Node]:
    return [node["items"]] if isinstance(node.get("items"), dict) else []


def _open_parts(node: Node, types: set[str]) -> list[Node]:
    parts = list(node.get("patternProperties", {}).values())
    rest = node.get("additionalProperties")
    if isinstance(rest, dict) and (rest or not node.get("properties")):
        parts.append(rest)
    nothing_listed = not node.get("properties") and not parts and rest is None
    if nothing_listed and types & {"object"} and SAYING.isdisjoint(set(node) - {"type"}):
        parts.append({})
    return parts


def _scalar(node: Node, at: Leaf) -> Leaf:
    types = types_of(node)
    nullable = at.nullable or "null" in types
    values = node["enum"] if "enum" in node else [node["const"]] if "const" in node else None
    if values is not None:
        nullable = at.nullable or (None in values and (not types or "null" in types))
        plain = tuple(each for each in values if each is not None)
        simple = all(isinstance(each, str | int | float) for each in plain)
        if plain and simple:
            return replace(at, type="enum", nullable=nullable, values=plain)
        return replace(at, type="other", nullable=nullable)
    kind, text_format = _kind(types - {"null"}), node.get("format")
    if not isinstance(text_format, str):
        text_format = None
    if kind == "string" and text_format in _FORMATS:
        kind = _FORMATS[text_format]
    return replace(at, type=kind, nullable=nullable, format=text_format)


def _kind(types: set[str]) -> str:
    if len(types) == 1:
        (only,) = types
        return "other" if only == "object" else only
    return "number" if types and types <= _NUMBERS else "other"


class Schema:
    """A schema as read by `read_schema`: immutable, equal and hashable by content.

    >>> schema = read_schema([{"name": "total", "type": "number"}])
    >>> [leaf.path for leaf in schema.leaves]
    ['total']
    >>> schema.problems({"total": "much"})
    [Problem(path='total', rule='must be a number or null')]
    """

    def __init__(self, source: Source) -> None:
        self.name: str = source.name
        self.json: dict[str, Any] = source.json
        self.digest: str = hashlib.sha256(_canonical_text(source.json)).hexdigest()
        self._adapter = source.adapter
        self._validator = make_validator(self.json)
        self._compiled: dict[SchemaCapabilities, Compiled] = {}
        self._canonical = canonical(self.json)
        self.leaves: tuple[Leaf, ...] = read_leaves(self._canonical)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Schema):
            return NotImplemented
        return self.digest == other.digest and self._adapter is other._adapter

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"Schema({self.name!r}, {len(self.leaves)} fields)"

    def problems(self, data: Any) -> list[Problem]:
        """Where `data` breaks the JSON Schema; empty if it does not. Values are never named."""
        return list(find_problems(self._validator, data, self._names))

    def judge(self, data: Any) -> Any:
        """The record: a pydantic object if the schema is a Python type, else the JSON itself.

        InvalidRecord names the places and rules broken: JSON Schema's first, then the type's.
        """
        problems = self.problems(data)
        if not problems and self._adapter is None:
            return data
        if not problems:
            record, problems = self._build(data)
            if not problems:
                return record
        raise _invalid(problems)

    def judge_partial(self, data: Any) -> list[Problem]:
        """Where truth breaks the schema, absent keys allowed: what is absent is not labelled."""
        return list(find_problems(self._partial_validator, data, self._names))

    def compile(self, subset: SchemaCapabilities) -> Compiled:
        """The schema in a dialect's subset, made once for each subset."""
        if subset not in self._compiled:
            self._compiled[subset] = compile_schema(self._canonical, subset)
        return self._compiled[subset]

    def _build(self, data: Any) -> tuple[Any, list[Problem]]:
        from pydantic import ValidationError

        try:
            return self._adapter.validate_json(json.dumps(data)), []
        except ValidationError as error:
            refused = error.errors(include_url=False, include_context=False, include_input=False)
        except LLMWidgetsError:
            # A validator that asks a model itself does not make the reply wrong.
            raise
        except BaseException as error:
            # A validator of the user's may raise anything; one Ctrl-C is the user's own.
            if isinstance(error, KeyboardInterrupt) and _on_main_thread():
                raise
            return None, [Problem("", f"is refused by {self.name}: its own check failed")]
        return None, [
            Problem(
                format_path(_known_steps(each["loc"], self._names), self._names),
                f"is refused by {self.name}: {each['type'].replace('_', ' ')}",
            )
            for each in refused
        ]

    @cached_property
    def _names(self) -> frozenset[str]:
        names: set[str] = set()
        waiting: list[Any] = [self.json, *self._canonical.defs.values()]
        while waiting:
            node = waiting.pop()
            if isinstance(node, dict):
                if isinstance(node.get("properties"), dict):
                    names.update(node["properties"])
                waiting.extend(subschemas(node))
        return frozenset(names)

    @cached_property
    def _partial_validator(self) -> Any:
        return make_validator(without_presence(self._canonical))


def _on_main_thread() -> bool:
    """Whether an interrupt of the user's can arrive here: elsewhere it is a validator's own."""
    return threading.current_thread() is threading.main_thread()


def read_schema(source: Any) -> Schema:
    """The schema that `source` describes; FieldError with the next step if it describes none.

    Takes a pydantic class, TypedDict, dataclass, `list[X]` or any type pydantic knows, a JSON
    Schema as dict, JSON text or `Path` to a .json file, and field rows. A Schema comes back as
    it is.

    >>> read_schema({"title": "Invoice", "type": "object", "properties": {"total": {}}}).name
    'Invoice'
    """
    return source if isinstance(source, Schema) else Schema(read_source(source))


def _canonical_text(schema: dict[str, Any]) -> bytes:
    return json.dumps(schema, sort_keys=True, separators=(",", ":")).encode()


def _known_steps(location: tuple[str | int, ...], names: frozenset[str]) -> list[str | int]:
    """A pydantic location without the names of union branches and validators in it."""
    return [part for part in location if isinstance(part, int) or part in names]


def _invalid(problems: list[Problem]) -> InvalidRecord:
    shown = "; ".join(str(each) for each in problems[:_SHOWN])
    more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    return InvalidRecord(
        f"The record does not fit the schema: {shown}{more}.",
        "The raw reply is kept with the extraction.",
    )
