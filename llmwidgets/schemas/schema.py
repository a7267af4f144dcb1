"""Schema: what the user wants to know of each text, read once, compiled once for each dialect."""

from __future__ import annotations

import copy
import hashlib
import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from itertools import islice
from typing import Any, NamedTuple

from llmwidgets.errors import FieldError
from llmwidgets.formatting import count, join_listed
from llmwidgets.schemas.canonical import (
    NEVER,
    VALUE_KEYWORDS,
    Canonical,
    Node,
    any_name,
    canonical,
    find_meant,
    item_path,
    listed_types,
    property_path,
    ref_name,
    subschemas,
)
from llmwidgets.schemas.compiler import compile_schema
from llmwidgets.schemas.loaders import LoadedSchema, adapter_of, load_schema
from llmwidgets.schemas.mapping import Compiled
from llmwidgets.schemas.passes import SchemaSubset
from llmwidgets.schemas.validation import (
    Problem,
    find_problems,
    judge_record,
    make_partial_validator,
    make_validator,
    refused_paths,
)

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


class Place(NamedTuple):
    """One place of a schema: what is known of it, its node as written, and all that it says.

    `whole` is the node with what its references name; `is_leaf` where no place is inside.
    """

    at: Leaf
    node: Node
    whole: Node
    is_leaf: bool


def walk(schema: Canonical) -> Iterator[Place]:
    """Every place, groups and lists before what is in them; a branch of a union has the same path.

    A recursive part ends in a place that says nothing.
    """
    yield from _walk(schema, schema.root, Leaf("", "other", required=True), frozenset())


def _walk(schema: Canonical, node: Node, at: Leaf, inside: frozenset[str]) -> Iterator[Place]:
    """`at` carries the path and what is known of the place from outside."""
    whole = node
    while "$ref" in whole:
        name = ref_name(whole)
        at = _described(at, whole)
        if name in inside:
            yield Place(at, node, {}, is_leaf=True)
            return
        inside |= {name}
        others = {key: value for key, value in whole.items() if key != "$ref"}
        whole = {**schema.defs[name], **others}
    at = _described(at, whole)
    places = list(_inner_places(schema, whole, at))
    yield Place(at, node, whole, is_leaf=not places)
    for inner, here in places:
        yield from _walk(schema, inner, here, inside)


def _described(at: Leaf, node: Node) -> Leaf:
    """A place with the description nearest to it: a field's own, else that of its type."""
    description = node.get("description")
    return at if at.description or not description else replace(at, description=str(description))


def _inner_places(schema: Canonical, node: Node, at: Leaf) -> Iterator[tuple[Node, Leaf]]:
    """The schemas directly inside a place, each with what is known of its place."""
    types = listed_types(node)
    if not types or "object" in types:
        for name, each in node.get("properties", {}).items():
            required = at.required and name in node.get("required", ())
            if each != NEVER:
                yield each, Leaf(property_path(at.path, name), "other", required=required)
        rest = node.get("additionalProperties")
        parts = list(node.get("patternProperties", {}).values())
        if isinstance(rest, dict) and (rest or not node.get("properties")):
            parts.append(rest)
        # Nothing is said of what an object has.
        if types and not parts and VALUE_KEYWORDS.isdisjoint(node.keys() - {"type"}):
            parts.append({})
        for each in parts:
            yield each, Leaf(any_name(at.path), "other")
    if not types or "array" in types:
        for each in (*node.get("prefixItems", ()), node.get("items", NEVER)):
            if each != NEVER:
                yield each, Leaf(item_path(at.path), "other", required=at.required)
    for each in node.get("allOf", ()):
        if not VALUE_KEYWORDS.isdisjoint(each):
            yield each, at
    kind = {"type": node["type"]} if "type" in node else {}
    for keyword in ("anyOf", "oneOf"):
        options = [each for each in node.get(keyword, ()) if each != NEVER]
        bare = [schema.resolve(each) for each in options]
        nulls = [listed_types(each) == ["null"] or each.get("const", "") is None for each in bare]
        here = replace(at, nullable=at.nullable or any(nulls))
        for each, is_null in zip(options, nulls, strict=True):
            if not is_null and not VALUE_KEYWORDS.isdisjoint(each):
                yield {**kind, **each}, here


def _scalar(node: Node, at: Leaf) -> Leaf:
    types = {*listed_types(node)}
    nullable = at.nullable or "null" in types
    values = node["enum"] if "enum" in node else [node["const"]] if "const" in node else None
    if values is not None:
        nullable = at.nullable or (None in values and (not types or "null" in types))
        plain = tuple(each for each in values if each is not None)
        simple = all(isinstance(each, str | int | float) for each in plain)
        if plain and simple:
            return replace(at, type="enum", nullable=nullable, values=plain)
        return replace(at, type="other", nullable=nullable)
    types -= {"null"}
    kind = "number" if types and types <= _NUMBERS else "other"
    if len(types) == 1 and types != {"object"}:
        (kind,) = types
    text_format = node.get("format")
    if not isinstance(text_format, str):
        text_format = None
    if kind == "string":
        kind = _FORMATS.get(text_format or "", kind)
    return replace(at, type=kind, nullable=nullable, format=text_format)


class Schema:
    """A schema as read by `read_schema`: immutable, equal and hashable by content.

    >>> schema = read_schema([{"name": "total", "type": "number"}])
    >>> [leaf.path for leaf in schema.leaves]
    ['total']
    >>> schema.problems({"total": "much"})
    [Problem(path='total', rule='must be a number or null')]
    """

    def __init__(self, loaded: LoadedSchema) -> None:
        self.name: str = loaded.name
        self.json: dict[str, Any] = loaded.json
        text = json.dumps(loaded.json, sort_keys=True, separators=(",", ":"))
        self.digest: str = hashlib.sha256(text.encode()).hexdigest()
        self._adapter, self._type = loaded.adapter, loaded.type
        self.judged: dict[str, Any] = loaded.judged or loaded.json
        """The JSON Schema by which replies are judged: a format that a type reads is not in it."""
        self._format_validator = make_validator(self.json)
        """With all formats, those included that a type of the user's reads itself."""
        self._validator = make_validator(self.judged) if loaded.judged else self._format_validator
        self._compiled: dict[SchemaSubset, Compiled] = {}
        own_formats = self.judged == self.json
        self.canonical: Canonical = replace(canonical(self.json), formats=own_formats)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Schema):
            return NotImplemented
        return self.digest == other.digest and bool(self._type == other._type)

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"Schema({self.name!r}, {count(len(self.leaves), 'field')})"

    def __copy__(self) -> Schema:
        twin = Schema.__new__(Schema)
        vars(twin).update(vars(self))
        return twin

    def __reduce__(self) -> tuple[Any, ...]:
        # Validators are compiled, adapters made again; the type goes by its name.
        judged = None if self.canonical.formats else self.judged
        return _restore, (self.json, self.name, judged, self._type)

    @cached_property
    def leaves(self) -> tuple[Leaf, ...]:
        """Every scalar place in the order of the schema; a recursive part ends in `other`."""
        leaves: dict[str, Leaf] = {}
        for place in walk(self.canonical):
            if not place.is_leaf:
                continue
            leaf = _scalar(place.whole, place.at)
            known = leaves.get(leaf.path)
            leaves[leaf.path] = leaf if known is None else _either(known, leaf)
            if len(leaves) >= MAX_LEAVES:
                break
        return tuple(leaves.values())

    @cached_property
    def paths(self) -> frozenset[str]:
        """The paths of the leaves: the fields by which records are aligned."""
        return frozenset(leaf.path for leaf in self.leaves)

    def described(self, descriptions: Mapping[str, str]) -> Schema:
        """The same fields with other descriptions, by path; an empty one takes it away.

        `lines` is the list, `lines[].total` a field of its rows, "" the record. Fields that share
        a definition share its descriptions. Records are still of the same class. FieldError for a
        path that there is not.
        """
        copy = deepcopy(self.canonical)
        nodes: dict[str, Node] = {}
        for place in islice(walk(copy), MAX_LEAVES):
            nodes.setdefault(place.at.path, place.node)
        for path, words in descriptions.items():
            if path not in nodes:
                meant = join_listed(find_meant(path, nodes))
                hint = f"Did you mean {meant}?" if meant else "Name a field, a group or a list."
                raise FieldError({path: "is not a field of the schema."}, hint)
            nodes[path].pop("description", None)
            if words.strip():
                nodes[path]["description"] = words.strip()
        whole = {**copy.root, **({"$defs": copy.defs} if copy.defs else {})}
        judged = None if self.canonical.formats else self.judged
        return Schema(LoadedSchema(whole, self.name, self._adapter, judged, self._type))

    def problems(self, data: Any) -> list[Problem]:
        """Where `data` breaks the JSON Schema; empty if it does not. Values are never named.

        A format that a type reads is broken only where the type refuses the value as well.
        """
        return self._find_problems(data, self._validator, partial=False)

    def judge(self, data: Any) -> Any:
        """The record: a pydantic object if the schema is a Python type, else the JSON itself.

        InvalidRecord names the places and rules broken: JSON Schema's first, then the type's.
        """
        return judge_record(data, self._validator, self._names, self._adapter, self.name)

    def judge_partial(self, data: Any) -> list[Problem]:
        """Where truth breaks the schema, absent keys allowed: what is absent is not labelled.

        A date and time need not name its zone.
        """
        return self._find_problems(data, self._partial_validator, partial=True)

    def _find_problems(self, data: Any, validator: Any, *, partial: bool) -> list[Problem]:
        problems = list(find_problems(validator, data, self._names))
        if self._adapter is None or self.canonical.formats:
            return problems
        strict = self._partial_format_validator if partial else self._format_validator
        by_format = find_problems(strict, data, self._names)
        doubtful = [each for each in by_format if each not in problems]
        refused = refused_paths(data, self._adapter, self._names) if doubtful else set()
        return problems + [each for each in doubtful if each.path in refused]

    def compile(self, subset: SchemaSubset) -> Compiled:
        """The schema in a dialect's subset, made once for each subset."""
        if subset not in self._compiled:
            self._compiled[subset] = compile_schema(self.canonical, subset)
        return self._compiled[subset]

    @cached_property
    def _names(self) -> frozenset[str]:
        names: set[str] = set()
        waiting: list[Any] = [self.json, *self.canonical.defs.values()]
        while waiting:
            node = waiting.pop()
            if isinstance(node, dict):
                if isinstance(node.get("properties"), dict):
                    names.update(node["properties"])
                waiting.extend(subschemas(node))
        return frozenset(names)

    @cached_property
    def _partial_validator(self) -> Any:
        return make_partial_validator(canonical(self.judged), zones=False)

    @cached_property
    def _partial_format_validator(self) -> Any:
        return make_partial_validator(replace(self.canonical, formats=True))


def choose_schema(own: Schema | None, usual: Schema) -> Schema:
    """The schema by which a text is asked: one of the variant's own, where it has its fields."""
    return usual if own is None or own.paths != usual.paths else own


def read_schema(source: Any) -> Schema:
    """The schema that `source` describes; FieldError with the next step if it describes none.

    Takes a pydantic class, TypedDict, dataclass, `list[X]` or any type pydantic knows, a JSON
    Schema as dict, JSON text or `Path` to a .json file, and field rows. A Schema comes back as
    it is.

    A format such as `date-time` is read by the type where a Python type is given: `datetime` takes
    one without a zone. A JSON Schema and field rows mean by it what JSON Schema does, a date and
    time with a zone.

    >>> read_schema({"title": "Invoice", "type": "object", "properties": {"total": {}}}).name
    'Invoice'
    """
    return source if isinstance(source, Schema) else _schema_of(load_schema(source))


def _restore(whole: dict[str, Any], name: str, judged: dict[str, Any] | None, kind: Any) -> Schema:
    """The schema of a pickle or of a deep copy."""
    adapter = None if kind is None else adapter_of(kind)
    return Schema(LoadedSchema(whole, name, adapter, judged, kind))


def _schema_of(loaded: LoadedSchema) -> Schema:
    """The schema, which shares all that does not depend on its type with others of its content."""
    common = _common(json.dumps(loaded.json), json.dumps(loaded.judged), loaded.name)
    if (common.json, common.judged) != (loaded.json, loaded.judged or loaded.json):
        # Somebody wrote into it.
        return Schema(loaded)
    schema = copy.copy(common)
    schema._adapter, schema._type = loaded.adapter, loaded.type
    return schema


@lru_cache(maxsize=64)
def _common(text: str, judged: str, name: str) -> Schema:
    """A schema without a type, with what each use of it needs made."""
    schema = Schema(LoadedSchema(json.loads(text), name, judged=json.loads(judged)))
    _ = schema.leaves, schema._names
    return schema
