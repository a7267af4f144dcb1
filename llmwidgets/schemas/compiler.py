"""Compiling: a canonical schema cut to a dialect's subset, with its losses and the way back."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from llmwidgets.schemas import passes
from llmwidgets.schemas import passes as limits
from llmwidgets.schemas.canonical import ANY_JSON, NEVER, Canonical, Node, ref_name
from llmwidgets.schemas.fields import says_something, types_of
from llmwidgets.schemas.mapping import (
    ENTRIES,
    AnyValue,
    Choice,
    Definition,
    Entries,
    Items,
    JSONText,
    Option,
    Properties,
    Tuple,
    ValueMapping,
    Wrapped,
)
from llmwidgets.schemas.passes import ANNOTATIONS, ConflictError, Economy, key_of, loosen, merge
from llmwidgets.schemas.paths import any_name, item_path, property_path
from llmwidgets.schemas.presence import (
    NULL,
    accepts_null,
    any_json,
    closed,
    entries,
    nullable,
    without_null,
)
from llmwidgets.schemas.subset import Compiled, Loss, SchemaCapabilities
from llmwidgets.schemas.validation import LazyValidator


@dataclass(slots=True)
class Part:
    """A sent schema and how its values map back."""

    node: Node
    shape: ValueMapping | None = None
    possible: bool = True
    """False where no value satisfies the user's schema at this place."""


@dataclass(slots=True)
class Compiling:
    """The work on one schema; the parts of it that other modules use have no underscore."""

    schema: Canonical
    subset: SchemaCapabilities
    multiply: bool = True
    """Whether what stands beside a union is multiplied into its branches."""
    enum_chars: int | None = None
    """Characters that enums may hold in all."""
    economy: Economy | None = None
    """How optional properties are spread over the two limits that they count towards."""
    losses: dict[tuple[str, str], Loss] = field(default_factory=dict)
    defs: dict[str, Node] = field(default_factory=dict)
    shapes: dict[str, ValueMapping | None] = field(default_factory=dict)
    begun: set[str] = field(default_factory=set)
    inside: list[str] = field(default_factory=list)
    """The definitions being compiled, outermost first."""
    places: dict[str, str] = field(default_factory=dict)
    """Where each definition was first referred to."""
    merging: list[str] = field(default_factory=list)
    enum_values: int = 0
    work: int = 0

    def lose(self, keyword: str, path: str, why: str = "") -> None:
        """Report a constraint that the sent schema does not hold."""
        said = why or f"{self.subset.name} does not enforce it"
        self.losses.setdefault((keyword, path), Loss(keyword, path, said))

    def judge(self, node: Node) -> Callable[[Any], bool]:
        """Whether a value satisfies a canonical schema, compiled when first asked."""
        return LazyValidator(self.schema, node)

    def part(self, node: Node, path: str) -> Part:
        """Compile one place of the record."""
        self.work += 1
        origin = node
        node = self._flat(node, path)
        if "$ref" in node:
            return self._reference(node, path)
        if any(node.get(keyword) for keyword in ("anyOf", "oneOf")):
            return compile_union(self, node, path)
        if node == NEVER:
            return Part(dict(NULL), possible=False)
        if "enum" in node or "const" in node:
            return compile_values(self, node, path)
        types = types_of(node) or passes.implied(node)
        if not types:
            self._report(node, set(passes.ANY_TYPE), path)
            return self.any_value(node)
        if len(types) > 1 and types & {"object", "array"}:
            order = [name for name in passes.listed_types(node) if name in types] or sorted(types)
            split = [{**passes.only(node, name), "type": name} for name in order]
            outside = {key: node[key] for key in node if key in ANNOTATIONS}
            return compile_union(self, {"anyOf": split, **outside}, path)
        if "object" in types:
            return compile_object(self, node, path, origin)
        if "array" in types:
            return self._array(node, path)
        return Part(self._scalar(node, path, types))

    def described(self, node: Node, source: Node, notes: list[str] | None = None) -> Node:
        """The sent node with the description of its source, and notes on what is not enforced."""
        if "description" not in self.subset.keywords:
            return node
        words = [source["description"]] if isinstance(source.get("description"), str) else []
        if notes and self.subset.notes:
            words.append("{" + ", ".join(notes) + "}")
        return {**node, "description": " ".join(words)} if words else node

    @property
    def in_definition(self) -> bool:
        """Whether this place is reached through a reference; the root's own does not count."""
        return any(name != self.root_name for name in self.inside)

    @property
    def root_name(self) -> str:
        """The definition that the root is, where it is nothing but a reference."""
        return ref_name(self.schema.root) if set(self.schema.root) == {"$ref"} else ""

    def any_value(self, source: Node) -> Part:
        """Any JSON at all."""
        if not self.subset.closed:
            return Part(self.described({}, source))
        if not self.subset.recursion:
            node = self.described({"type": "string"}, source, ["any JSON, written as JSON text"])
            return Part(node, JSONText())
        self.defs.setdefault(ANY_JSON, any_json())
        return Part(self._refer(ANY_JSON, source), AnyValue())

    def also(self, name: str, node: Node) -> Node:
        """Keep a variation of a definition beside it; the reference to it."""
        name = re.sub(r"[^A-Za-z0-9_-]", "_", name)
        while self.defs.get(name, node) != node or name in self.schema.defs:
            name += "_"
        self.defs[name] = node
        return {"$ref": f"#/$defs/{name}"}

    def kept(self, node: Node, types: set[str], path: str) -> tuple[Node, list[str]]:
        """The keywords taken as they are, and notes on those that are not, which are reported."""
        relevant = passes.relevant(types)
        keep = {k: v for k, v in node.items() if k in relevant and passes.taken(k, v, self.subset)}
        return keep, self._report(node, (relevant | passes.ANY_TYPE) - set(keep), path)

    def _report(self, node: Node, named: set[str], path: str) -> list[str]:
        notes = []
        for keyword, value in node.items():
            if keyword not in named or passes.held(keyword, value, self.subset):
                continue
            self.lose(keyword, path)
            if isinstance(value, str | int | float) and len(str(value)) <= 80:
                notes.append(f"{keyword}: {value}")
        return notes

    def _flat(self, node: Node, path: str) -> Node:
        """The node without `allOf`, and with a `$ref` only where nothing constrains beside it."""
        parts = list(node.get("allOf", ()))
        own = {key: value for key, value in node.items() if key not in {"allOf", "$ref"}}
        if "$ref" in node:
            parts.insert(0, {"$ref": node["$ref"]})
        if not parts:
            return node
        if len(parts) == 1 and not set(own) - ANNOTATIONS:
            inner = self._flat(parts[0], path) if "$ref" not in parts[0] else parts[0]
            return {**inner, **own}
        for each in parts:
            try:
                own = self.merged(own, each, path)
            except ConflictError:
                self.lose("allOf", path, "no value satisfies all its parts")
        return own

    def merged(self, own: Node, part: Node, path: str) -> Node:
        """Both schemas as one, references looked up; ConflictError where nothing satisfies both."""
        if "$ref" in part:
            return self._merged_reference(own, part, path)
        flat = self._flat(part, path)
        if "$ref" in flat:
            return self._merged_reference(own, flat, path)
        own, lost = merge(own, flat)
        for keyword in lost:
            if keyword in passes.CONSTRAINTS:
                self.lose(keyword, path, "two of them hold at once, and only one is sent")
        return own

    def _merged_reference(self, own: Node, part: Node, path: str) -> Node:
        name = ref_name(part)
        if name in self.merging:
            self.lose("allOf", path, "a definition that contains itself is not merged")
            return own
        beside = {key: value for key, value in part.items() if key != "$ref"}
        self.merging.append(name)
        try:
            return self.merged(merge(own, beside)[0], self.schema.defs[name], path)
        finally:
            self.merging.pop()

    def _reference(self, node: Node, path: str) -> Part:
        name = ref_name(node)
        if name not in self.begun:
            self.begun.add(name)
            self.places[name] = path
            self.inside.append(name)
            part = self.part(self.schema.defs[name], path)
            self.inside.pop()
            self.defs[name], self.shapes[name] = part.node, part.shape
        if name in self.shapes and self.shapes[name] is None:
            return Part(self._refer(name, node))
        return Part(self._refer(name, node), Definition(self.shapes, name))

    def _refer(self, name: str, source: Node) -> Node:
        bare: Node = {"$ref": f"#/$defs/{name}"}
        sent = self.described(bare, source)
        if sent == bare or self.subset.ref_siblings:
            return sent
        return {"anyOf": [bare], "description": sent["description"]}

    def _array(self, node: Node, path: str) -> Part:
        keep, notes = self.kept(node, {"array"}, path)
        if "prefixItems" in keep:
            return self._tuple(node, path, keep, notes)
        options = list(node.get("prefixItems", ()))
        rest = node.get("items")
        if rest == NEVER:
            if "maxItems" in self.subset.keywords:
                keep["maxItems"] = min(len(options), node.get("maxItems", len(options)))
        elif rest is not None or not options:
            options.append(rest or {})
        options = [each for each in options if each != NEVER]
        unique = list({key_of(each): each for each in options}.values())
        inner: Node = {"anyOf": unique} if len(unique) > 1 else unique[0] if unique else NEVER
        part = self.part(inner, item_path(path))
        sent = self.described({"type": "array", "items": part.node, **keep}, node, notes)
        return Part(sent, Items(part.shape) if part.shape else None)

    def _tuple(self, node: Node, path: str, keep: Node, notes: list[str]) -> Part:
        first = [self.part(each, item_path(path)) for each in node["prefixItems"]]
        sent: Node = {"type": "array", **keep, "prefixItems": [part.node for part in first]}
        rest: ValueMapping | None = None
        if node.get("items") == NEVER:
            if "maxItems" in self.subset.keywords:
                sent["maxItems"] = min(len(first), node.get("maxItems", len(first)))
        elif node.get("items"):
            part = self.part(node["items"], item_path(path))
            sent["items"], rest = part.node, part.shape
        mapped = rest or any(part.shape for part in first)
        shape = Tuple(tuple(part.shape for part in first), rest) if mapped else None
        return Part(self.described(sent, node, notes), shape)

    def _scalar(self, node: Node, path: str, types: set[str]) -> Node:
        keep, notes = self.kept(node, types, path)
        order = [each for each in passes.listed_types(node) if each in types] or sorted(types)
        kind = order[0] if len(order) == 1 else order
        return self.described({"type": kind, **keep}, node, notes)


def compile_schema(schema: Canonical, subset: SchemaCapabilities) -> Compiled:
    """The schema to send, what it lost, what it has too much of, and the way back."""
    compiled, work = _compile(Compiling(schema, subset))
    if limits.too_many_properties(subset, compiled.schema):
        compiled, work = _compile(Compiling(schema, subset, multiply=False))
    allowed = limits.enum_chars_allowed(compiled.schema, subset)
    if allowed is not None:
        compiled, work = _compile(
            Compiling(schema, subset, multiply=work.multiply, enum_chars=allowed)
        )
    if limits.too_many_choices(subset, compiled.schema):
        economy = Economy.left_by(compiled.schema, subset)
        spared, _ = _compile(
            Compiling(schema, subset, work.multiply, enum_chars=allowed, economy=economy)
        )
        return spared if not spared.excess else compiled
    return compiled


def _compile(work: Compiling) -> tuple[Compiled, Compiling]:
    root = work.part(work.schema.root, "")
    node, wrapped, shape = root.node, False, root.shape
    if "$ref" in node:
        node = work.defs[ref_name(node)]
    if work.subset.root_object and (node.get("type") != "object" or "anyOf" in node):
        node, wrapped, shape = closed({"value": root.node}), True, Wrapped("value", root.shape)
    limits.hoist(work, node)
    sent = {**node, "$defs": dict(sorted(work.defs.items()))} if work.defs else node
    endless = loosen(work, sent)
    excess = endless or limits.excess(work.subset, sent)
    return Compiled(sent, tuple(work.losses.values()), wrapped, excess, shape), work


# -- Values: enum and const, listed as the dialect takes them, or else given up with a loss.


def compile_values(work: Compiling, node: Node, path: str) -> Part:
    """A place where only the listed values are right."""

    keyword = "const" if "const" in node else "enum"
    values = _possible(node)
    if not values:
        return Part(dict(NULL), possible=False)
    plain = all(each is None or isinstance(each, str | int | float) for each in values)
    names = list(dict.fromkeys(passes.type_of(each) for each in values))
    if not plain or not limits.enum_fits(work, values):
        why = f"{work.subset.name} takes plain values only"
        work.lose(keyword, path, limits.enum_reason(work.subset) if plain else why)
        rest = {key: value for key, value in node.items() if key not in {"const", "enum"}}
        return work.part({**rest, "type": names}, path)
    keep, notes = work.kept(node, set(names), path)
    if set(names) <= work.subset.enum_types:
        exact = _exact(work, keyword, values, names)
        return Part(work.described({**exact, **keep}, node, notes))
    branches = _branches(work, keyword, values, path)
    sent = {"anyOf": branches} if len(branches) > 1 else branches[0]
    return Part(work.described({**sent, **keep}, node, notes))


def _possible(node: Node) -> list[Any]:
    """The listed values that `type` allows as well, each once."""
    listed = [node["const"]] if "const" in node else node["enum"]
    types = types_of(node)
    return list({key_of(each): each for each in listed if passes.is_of(each, types)}.values())


def _exact(work: Compiling, keyword: str, values: list[Any], names: list[str]) -> Node:
    exact: Node = {"enum": values}
    if keyword == "const" and "const" in work.subset.keywords:
        exact = {"const": values[0]}
    if not work.subset.enum_with_type:
        return exact
    return {"type": names[0] if len(names) == 1 else names, **exact}


def _branches(work: Compiling, keyword: str, values: list[Any], path: str) -> list[Node]:
    """A branch for each type of value: listed where an enum may hold it, else the type alone."""
    grouped: dict[str, list[Any]] = {}
    for value in values:
        grouped.setdefault(passes.type_of(value), []).append(value)
    branches: list[Node] = []
    for name, group in grouped.items():
        if name in work.subset.enum_types:
            branches.append({"type": name, "enum": group})
            continue
        branches.append({"type": name})
        if name == "boolean" and len(group) == 1:
            work.lose(keyword, path, f"{work.subset.name} takes no true or false in a list")
    return branches


# -- Objects: listed properties sent all of them, open ones as a list of key and value.


def compile_object(work: Compiling, node: Node, path: str, origin: Node) -> Part:
    """An object; `origin` is its schema before merging, which judges it as a whole."""

    keep, notes = work.kept(node, {"object"}, path)
    listed = _listed(node)
    rest = _rest(node)
    if not work.subset.closed:
        return _open(work, node, path, (keep, notes), listed)
    if not listed and rest is not None:
        listing, mapped = _entries(work, rest, any_name(path))
        return Part(work.described({**listing, **keep}, node, notes), mapped)
    if node.get("additionalProperties") == {} and not node.get("patternProperties"):
        work.lose("additionalProperties", path, f"{work.subset.name} fills listed properties only")
    properties: dict[str, Node] = {}
    shapes: dict[str, ValueMapping | None] = {}
    presence = _fill(work, node, listed, path, properties, shapes)
    carrier, carried = _carry_rest(work, rest, listed, path, properties)
    sent = {
        "type": "object",
        "properties": properties,
        "required": [*presence.required, *([carrier] if carrier else [])],
        "additionalProperties": False,
        **keep,
    }
    shape: ValueMapping | None = None
    if presence.mapped or carrier or any(shapes.values()) or _drops(node):
        shape = Properties(
            shapes,
            frozenset(presence.droppable),
            frozenset(presence.kept_null),
            carrier,
            carried,
            work.judge(origin) if presence.kept_null else None,
            filled=frozenset(presence.filled),
            left_out=frozenset(presence.left_out),
        )
    return Part(work.described(sent, node, notes), shape)


def _drops(node: Node) -> bool:
    """Whether a valid record may hold properties that a closed object has no place for."""
    return node.get("additionalProperties") is not False


@dataclass(slots=True)
class Presence:
    """How the optional properties of an object are sent, by name."""

    droppable: set[str] = field(default_factory=set)
    """Null means absent, which is all it can mean."""
    kept_null: set[str] = field(default_factory=set)
    """Null may mean absent."""
    filled: set[str] = field(default_factory=set)
    """Null is sent for absence."""
    left_out: set[str] = field(default_factory=set)
    """Absence means null as well."""
    required: list[str] = field(default_factory=list)

    @property
    def mapped(self) -> bool:
        return bool(self.droppable or self.filled or self.left_out)


def _fill(
    work: Compiling,
    node: Node,
    listed: dict[str, Node],
    path: str,
    properties: dict[str, Node],
    shapes: dict[str, ValueMapping | None],
) -> Presence:
    """Compile the listed properties, and settle how the optional ones are sent."""
    presence = Presence()
    for name, inner in listed.items():
        part = work.part(inner, property_path(path, name))
        if not part.possible and name not in node.get("required", ()):
            continue
        properties[name], shapes[name] = part.node, part.shape
        if name in node.get("required", ()):
            continue
        way = _way(work, part.node)
        takes = accepts_null(part.node, work.defs)
        if not takes:
            presence.droppable.add(name)
        if way == "null":
            presence.filled.add(name)
            properties[name] = part.node if takes else nullable(part.node)
            if takes:
                presence.kept_null.add(name)
        elif way == "absent" and takes and (bare := without_null(part.node)) != part.node:
            properties[name] = bare
            presence.left_out.add(name)
    presence.required = [
        name for name in properties if name in node.get("required", ()) or name in presence.filled
    ]
    return presence


def _way(work: Compiling, sent: Node) -> str:
    """How an optional property is sent: `null` or `absent` stand for its absence, or as it is."""
    if work.subset.all_required:
        return "null"
    if work.economy is None or work.in_definition:
        return ""
    return work.economy.way_of(sent)


def _listed(node: Node) -> dict[str, Node]:
    """The properties an object may have by name; required ones that are not listed included."""
    listed = {name: each for name, each in node.get("properties", {}).items() if each != NEVER}
    rest = node.get("additionalProperties", {})
    if rest is not False:
        for name in node.get("required", ()):
            if name not in node.get("properties", {}):
                listed[name] = rest
    return listed


def _rest(node: Node) -> Node | None:
    """The schema of whatever else an open object holds; None where it holds nothing more.

    An object that lists properties and says nothing of others is taken to be complete.
    """
    patterns = [each for each in node.get("patternProperties", {}).values() if each != NEVER]
    rest: Any = node.get("additionalProperties")
    if isinstance(rest, dict) and rest:
        patterns.append(rest)
    if patterns:
        unique = list({key_of(each): each for each in patterns}.values())
        return unique[0] if len(unique) == 1 else {"anyOf": unique}
    return {} if rest is not False and not _listed(node) else None


def _entries(work: Compiling, rest: Node, path: str) -> tuple[Node, Entries]:
    part = work.part(rest, path)
    return entries(part.node), Entries(part.shape)


def _carry_rest(
    work: Compiling,
    rest: Node | None,
    listed: dict[str, Node],
    path: str,
    properties: dict[str, Node],
) -> tuple[str | None, Entries | None]:
    if rest is None:
        return None, None
    name = "additional_properties"
    while name in listed:
        name += "_"
    properties[name], shape = _entries(work, rest, any_name(path))
    return name, shape


def _open(
    work: Compiling,
    node: Node,
    path: str,
    kept: tuple[Node, list[str]],
    listed: dict[str, Node],
) -> Part:
    """An object for a dialect that takes open ones as they are."""

    keep, notes = kept
    properties: dict[str, Node] = {}
    shapes: dict[str, ValueMapping | None] = {}
    presence = _fill(work, node, listed, path, properties, shapes)
    sent: Node = {"type": "object", **keep}
    if properties:
        sent |= {"properties": properties, "required": presence.required}
    rest = _rest(node)
    others: ValueMapping | None = None
    if rest:
        part = work.part(rest, any_name(path))
        sent["additionalProperties"], others = part.node, part.shape
    elif rest is not None or "additionalProperties" in node:
        sent["additionalProperties"] = rest is not None or node["additionalProperties"] is not False
    shape: ValueMapping | None = None
    if presence.mapped or others or any(shapes.values()):
        shape = Properties(
            shapes,
            frozenset(presence.droppable),
            frozenset(presence.kept_null),
            filled=frozenset(presence.filled),
            keeps_others=True,
            others=others,
        )
    return Part(work.described(sent, node, notes), shape)


# -- Unions: anyOf and oneOf sent as anyOf, told apart by their first property where asked.

_MAX_WORK = 10_000
"""Places compiled before unions are no longer multiplied out."""


def compile_union(work: Compiling, node: Node, path: str) -> Part:
    """A union; what stands beside it is merged into each branch."""

    keyword = "anyOf" if node.get("anyOf") else "oneOf"
    outside = {key: node[key] for key in node if key in ANNOTATIONS}
    base = {key: node[key] for key in node if key not in ANNOTATIONS and key != keyword}
    options = _union_branches(work, base, node[keyword], path)
    if not options:
        work.lose(keyword, path, "its branches only say what must or must not be there")
        return work.part({**base, **outside}, path)
    if len(options) == 1:
        return work.part({**options[0], **outside}, path)
    found: dict[str, tuple[Node, Part]] = {}
    for count, option in enumerate(options):
        part = work.part(option, path)
        if part.possible:
            same = key_of(part.node) if part.shape is None else str(count)
            found.setdefault(same, (option, part))
    originals = [option for option, _ in found.values()]
    parts = [part for _, part in found.values()]
    if not parts:
        return Part(dict(NULL), possible=False)
    if len(parts) == 1:
        return Part(work.described(parts[0].node, node), parts[0].shape)
    parts = _objects_told_from_lists(work, parts)
    if work.subset.distinct_first_keys:
        parts = _distinct(work, originals, parts)
    shape = None
    if any(part.shape for part in parts):
        shape = Choice(
            tuple(
                Option(part.shape, work.judge(option), Fits(work.defs, part.node))
                for option, part in zip(originals, parts, strict=True)
            ),
            work.judge(node),
        )
    return Part(work.described({"anyOf": [part.node for part in parts]}, node), shape)


def _objects_told_from_lists(work: Compiling, parts: list[Part]) -> list[Part]:
    """Open objects travel as lists: wrapped where another branch is one, since both may be []."""

    def shape_of(part: Part) -> ValueMapping | None:
        return work.shapes.get(ref_name(part.node)) if "$ref" in part.node else part.shape

    def is_list(part: Part) -> bool:
        whole = work.defs.get(ref_name(part.node), {}) if "$ref" in part.node else part.node
        return whole.get("type") == "array"

    opened = [isinstance(shape_of(part), Entries) for part in parts]
    if all(opened[index] or not is_list(part) for index, part in enumerate(parts)):
        return parts
    return [
        Part(closed({ENTRIES: part.node}), Wrapped(ENTRIES, part.shape)) if opened[index] else part
        for index, part in enumerate(parts)
    ]


def _union_branches(work: Compiling, base: Node, listed: list[Node], path: str) -> list[Node]:
    """The branches with the base merged in; none where they say nothing that can be sent."""
    options = [each for each in listed if each != NEVER]
    if not base:
        return options
    plain = not any(says_something(work.schema.resolve(each)) for each in options)
    if plain or not work.multiply or work.work > _MAX_WORK:
        return []
    merged = []
    for each in options:
        if set(base) == {"type"} and types_of(base) >= types_of(work.schema.resolve(each)) > set():
            merged.append(each)
            continue
        try:
            merged.append(work.merged(base, each, path))
        except ConflictError:
            continue
    return merged


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


def _distinct(work: Compiling, originals: list[Node], parts: list[Part]) -> list[Part]:
    """The branches with no first property in common: reordered, or else wrapped in an object."""

    firsts = [
        first_keys(part.node, work.defs) | _coming_first_keys(work, original)
        for original, part in zip(originals, parts, strict=True)
    ]
    used: set[str] = set()
    settled = []
    for index, part in enumerate(parts):
        if firsts[index].isdisjoint(used):
            used |= firsts[index]
            settled.append(part)
            continue
        taken = used.union(*firsts[index + 1 :])
        moved = _reordered(work, part.node, taken)
        if moved is None:
            name = _unused(f"option_{index + 1}", taken)
            wrapped = closed({name: part.node})
            settled.append(Part(wrapped, Wrapped(name, part.shape)))
            used.add(name)
        else:
            settled.append(Part(moved, part.shape))
            used |= first_keys(moved, work.defs)
    return settled


def _unused(name: str, taken: set[str]) -> str:
    while name in taken:
        name += "_"
    return name


def first_keys(node: Node, defs: Mapping[str, Node]) -> set[str]:
    """The names of the first properties of every object that a sent union can be."""
    waiting, seen, firsts = [node], set(), set()
    while waiting:
        each = waiting.pop()
        if "$ref" in each:
            name = ref_name(each)
            if name not in seen and name in defs:
                seen.add(name)
                waiting.append(defs[name])
        elif "anyOf" in each:
            waiting.extend(each["anyOf"])
        elif each.get("properties"):
            firsts.add(next(iter(each["properties"])))
    return firsts


def _coming_first_keys(work: Compiling, original: Node) -> set[str]:
    """The first properties of a definition that is still being compiled."""
    if "$ref" not in original or ref_name(original) in work.defs:
        return set()
    properties = work.schema.resolve(original).get("properties", {})
    return set(list(properties)[:1])


def _reordered(work: Compiling, node: Node, taken: set[str]) -> Node | None:
    """An object schema that begins with a property no other branch begins with."""
    name = ref_name(node) if set(node) == {"$ref"} else ""
    whole = work.defs.get(name, node)
    if whole.get("type") != "object" or "properties" not in whole:
        return None
    free = [each for each in whole["properties"] if each not in taken]
    if not free:
        return None
    order = [free[0], *(each for each in whole["properties"] if each != free[0])]
    properties = {each: whole["properties"][each] for each in order}
    required = [each for each in order if each in whole["required"]]
    moved = {**whole, "properties": properties, "required": required}
    return work.also(f"{name}_by_{free[0]}", moved) if name else moved
