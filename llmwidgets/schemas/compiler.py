"""Compiling: a canonical schema cut to a dialect's capabilities, with its losses and the way back.

One visitor goes through the schema place by place; each place becomes a Part, the schema to send
there and the mapping of its values. The passes over the whole sent schema follow it.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

from llmwidgets.schemas import mapping, passes
from llmwidgets.schemas.canonical import (
    ANNOTATIONS,
    ANY_JSON,
    NEVER,
    Canonical,
    ConflictError,
    Node,
    any_name,
    any_of,
    item_path,
    key_of,
    listed_types,
    merge,
    property_path,
    ref_name,
    says_something,
    types_of,
)
from llmwidgets.schemas.mapping import Compiled, Loss, ValueMapping
from llmwidgets.schemas.passes import NULL, Economy, EnumBudget, SchemaCapabilities, Size
from llmwidgets.schemas.validation import LazyValidator

_MAX_WORK = 10_000
"""Places compiled before unions are no longer multiplied out."""


def compile_schema(schema: Canonical, subset: SchemaCapabilities) -> Compiled:
    """The schema to send, what it lost, what it has too much of, and the way back."""
    compiler = Compiler(schema, subset)
    compiled, size = compiler.compile()
    if size.too_many_properties(subset):
        compiler = Compiler(schema, subset, multiply=False)
        compiled, size = compiler.compile()
    enum_chars = size.enum_chars_allowed(subset)
    if enum_chars is not None:
        compiler = Compiler(schema, subset, compiler.multiply, enum_chars)
        compiled, size = compiler.compile()
    if size.too_many_choices(subset):
        economy = Economy.left_by(compiled.schema, subset)
        spared, _ = Compiler(schema, subset, compiler.multiply, enum_chars, economy).compile()
        return compiled if spared.excess else spared
    return compiled


@dataclass(slots=True)
class Part:
    """A sent schema and how its values map back."""

    node: Node
    shape: ValueMapping | None = None
    possible: bool = True
    """False if no value satisfies the user's schema at this place."""

    def wrapped(self, name: str) -> Part:
        """The same as the only property of an object."""
        return Part(mapping.closed({name: self.node}), mapping.Wrapped(name, self.shape))


_IMPOSSIBLE = Part(NULL, possible=False)


@dataclass(slots=True)
class _Fields:
    """The listed properties of an object as they are sent, and how the optional ones are."""

    nodes: dict[str, Node] = field(default_factory=dict)
    shapes: dict[str, ValueMapping | None] = field(default_factory=dict)
    droppable: set[str] = field(default_factory=set)
    """Null means absent, which is all it can mean."""
    nullable: set[str] = field(default_factory=set)
    """Null may mean absent."""
    filled: set[str] = field(default_factory=set)
    """Null is sent for absence."""
    left_out: set[str] = field(default_factory=set)
    """Absence means null as well."""


@dataclass
class Compiler:
    """The visitor, with what it has met so far."""

    schema: Canonical
    subset: SchemaCapabilities
    multiply: bool = True
    """Whether what is next to a union is multiplied into its branches."""
    enum_chars: int | None = None
    """Characters that enums may have in all."""
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
    work: int = 0

    def __post_init__(self) -> None:
        self.enums = EnumBudget(self.subset, self.enum_chars)

    def compile(self) -> tuple[Compiled, Size]:
        """The whole schema, with the passes over it, and how large it is."""
        root = self.part(self.schema.root, "")
        node = self.defs[ref_name(root.node)] if "$ref" in root.node else root.node
        wrapped = self.subset.root_object and (node.get("type") != "object" or "anyOf" in node)
        if wrapped:
            root = root.wrapped("value")
            node = root.node
        passes.hoist(node, self.defs, self.subset.max_depth, self.schema.defs)
        sent = {**node, "$defs": dict(sorted(self.defs.items()))} if self.defs else node
        excess = passes.loosen(sent, self.subset, self.places, self.lose)
        size = Size.of(sent)
        if not excess and not self.subset.recursion and passes.is_recursive(sent):
            excess = f"{self.subset.name} takes no recursion"
        excess = excess or size.excess(self.subset)
        return Compiled(sent, tuple(self.losses.values()), wrapped, excess, root.shape), size

    def lose(self, keyword: str, path: str, why: str = "") -> None:
        """Report a constraint that the sent schema does not express."""
        why = why or f"{self.subset.name} does not enforce it"
        self.losses.setdefault((keyword, path), Loss(keyword, path, why))

    def part(self, node: Node, path: str) -> Part:
        """Compile one place of the record."""
        self.work += 1
        origin = node
        node = self._flat(node, path)
        if "$ref" in node:
            return self._reference(node, path)
        if any(node.get(keyword) for keyword in ("anyOf", "oneOf")):
            return self._union(node, path)
        if node == NEVER:
            return _IMPOSSIBLE
        if "enum" in node or "const" in node:
            return self._listed_values(node, path)
        order = listed_types(node) or passes.implied(node)
        types = set(order)
        if not types:
            self._report(node, set(passes.ANY_TYPE), path)
            return self._any_value(node)
        if len(types) > 1 and types & {"object", "array"}:
            split = [{**passes.only(node, name), "type": name} for name in order]
            return self._union({"anyOf": split, **_annotations(node)}, path)
        if "object" in types:
            return self._object(node, path, origin)
        if "array" in types:
            return self._array(node, path)
        keep, notes = self._kept(node, types, path)
        kind = order[0] if len(order) == 1 else order
        return Part(self._described({"type": kind, **keep}, node, notes))

    def _described(self, node: Node, source: Node, notes: list[str] | None = None) -> Node:
        """The sent node with the description of its source, and notes on what is not enforced."""
        if "description" not in self.subset.keywords:
            return node
        words = [source["description"]] if isinstance(source.get("description"), str) else []
        if notes and self.subset.notes:
            words.append("{" + ", ".join(notes) + "}")
        return {**node, "description": " ".join(words)} if words else node

    def _any_value(self, source: Node) -> Part:
        if not self.subset.closed:
            return Part(self._described({}, source))
        if not self.subset.recursion:
            notes = ["any JSON, written as JSON text"]
            return Part(self._described({"type": "string"}, source, notes), mapping.JSONText())
        self.defs.setdefault(ANY_JSON, mapping.any_json())
        return Part(self._refer(ANY_JSON, source), mapping.AnyValue())

    def _kept(self, node: Node, types: set[str], path: str) -> tuple[Node, list[str]]:
        """The keywords taken as they are, and notes on those that are not, which are reported."""
        relevant = passes.relevant(types)
        keep = {k: v for k, v in node.items() if k in relevant and self.subset.takes(k, v)}
        return keep, self._report(node, (relevant | passes.ANY_TYPE) - set(keep), path)

    def _report(self, node: Node, named: set[str], path: str) -> list[str]:
        notes = []
        for keyword, value in node.items():
            if keyword not in named or self.subset.keeps(keyword, value):
                continue
            self.lose(keyword, path)
            if isinstance(value, str | int | float) and len(str(value)) <= 80:
                notes.append(f"{keyword}: {value}")
        return notes

    # -- References and allOf: one node for all that has to be true at a place.

    def _flat(self, node: Node, path: str, inside: frozenset[str] = frozenset()) -> Node:
        """The node without `allOf`, and with a `$ref` only if nothing constrains next to it.

        `inside` are the definitions that it is part of, while they are merged.
        """
        parts = list(node.get("allOf", ()))
        own = {key: value for key, value in node.items() if key not in {"allOf", "$ref"}}
        if "$ref" in node:
            parts.insert(0, {"$ref": node["$ref"]})
        if not parts:
            return node
        if len(parts) == 1 and not set(own) - ANNOTATIONS:
            inner = parts[0] if "$ref" in parts[0] else self._flat(parts[0], path, inside)
            return {**inner, **own}
        for each in parts:
            try:
                own = self._merged(own, each, path, inside)
            except ConflictError:
                self.lose("allOf", path, "no value satisfies all its parts")
        return own

    def _merged(
        self, own: Node, part: Node, path: str, inside: frozenset[str] = frozenset()
    ) -> Node:
        """Both schemas as one, references resolved; ConflictError if nothing satisfies both."""
        flat = part if "$ref" in part else self._flat(part, path, inside)
        if "$ref" not in flat:
            own, lost = merge(own, flat)
            for keyword in filter(passes.CONSTRAINTS.__contains__, lost):
                self.lose(keyword, path, "two of them hold at once, and only one is sent")
            return own
        name = ref_name(flat)
        if name in inside:
            self.lose("allOf", path, "a definition that contains itself is not merged")
            return own
        own, _ = merge(own, {key: value for key, value in flat.items() if key != "$ref"})
        return self._merged(own, self.schema.defs[name], path, inside | {name})

    def _reference(self, node: Node, path: str) -> Part:
        name = ref_name(node)
        if name not in self.begun:
            self.begun.add(name)
            self.places[name] = path
            self.inside.append(name)
            part = self.part(self.schema.defs[name], path)
            self.inside.pop()
            self.defs[name], self.shapes[name] = part.node, part.shape
        mapped = name not in self.shapes or self.shapes[name] is not None
        return Part(
            self._refer(name, node), mapping.Definition(self.shapes, name) if mapped else None
        )

    def _refer(self, name: str, source: Node) -> Node:
        bare: Node = {"$ref": f"#/$defs/{name}"}
        sent = self._described(bare, source)
        if sent == bare or self.subset.ref_siblings:
            return sent
        return {"anyOf": [bare], "description": sent["description"]}

    # -- Values: enum and const, listed as the dialect takes them, or else given up with a loss.

    def _listed_values(self, node: Node, path: str) -> Part:
        keyword = "const" if "const" in node else "enum"
        values = passes.possible_values(node)
        if not values:
            return _IMPOSSIBLE
        plain = all(each is None or isinstance(each, str | int | float) for each in values)
        names = list(dict.fromkeys(passes.type_of(each) for each in values))
        if not plain or not self.enums.pay(values):
            size, kind = (
                "does not take that many or that long allowed values",
                "takes plain values only",
            )
            self.lose(keyword, path, f"{self.subset.name} {size if plain else kind}")
            rest = {key: value for key, value in node.items() if key not in {"const", "enum"}}
            return self.part({**rest, "type": names}, path)
        keep, notes = self._kept(node, set(names), path)
        if set(names) <= self.subset.enum_types:
            sent: Node = {"enum": values}
            if keyword == "const" and "const" in self.subset.keywords:
                sent = {"const": values[0]}
            if self.subset.enum_with_type:
                sent = {"type": names[0] if len(names) == 1 else names, **sent}
        else:
            branches = self._value_branches(keyword, values, path)
            sent = {"anyOf": branches} if len(branches) > 1 else branches[0]
        return Part(self._described({**sent, **keep}, node, notes))

    def _value_branches(self, keyword: str, values: list[Any], path: str) -> list[Node]:
        """A branch for each type of value: listed if an enum may hold it, else the type alone."""
        grouped: dict[str, list[Any]] = {}
        for value in values:
            grouped.setdefault(passes.type_of(value), []).append(value)
        branches: list[Node] = []
        for name, group in grouped.items():
            if name in self.subset.enum_types:
                branches.append({"type": name, "enum": group})
                continue
            branches.append({"type": name})
            if name == "boolean" and len(group) == 1:
                self.lose(keyword, path, f"{self.subset.name} takes no true or false in a list")
        return branches

    # -- Lists.

    def _array(self, node: Node, path: str) -> Part:
        keep, notes = self._kept(node, {"array"}, path)
        options, rest = list(node.get("prefixItems", ())), node.get("items")
        if rest == NEVER and "maxItems" in self.subset.keywords:
            keep["maxItems"] = min(len(options), node.get("maxItems", len(options)))
        if "prefixItems" in keep:
            return self._tuple(node, path, keep, notes)
        if rest != NEVER and (rest is not None or not options):
            options.append(rest or {})
        item = self.part(any_of([each for each in options if each != NEVER]), item_path(path))
        sent = self._described({"type": "array", "items": item.node, **keep}, node, notes)
        return Part(sent, mapping.Items(item.shape) if item.shape else None)

    def _tuple(self, node: Node, path: str, keep: Node, notes: list[str]) -> Part:
        first = [self.part(each, item_path(path)) for each in node["prefixItems"]]
        sent: Node = {"type": "array", **keep, "prefixItems": [part.node for part in first]}
        rest: ValueMapping | None = None
        if node.get("items") and node["items"] != NEVER:
            part = self.part(node["items"], item_path(path))
            sent["items"], rest = part.node, part.shape
        mapped = rest or any(part.shape for part in first)
        shape = mapping.Tuple(tuple(part.shape for part in first), rest) if mapped else None
        return Part(self._described(sent, node, notes), shape)

    # -- Objects: listed properties sent all of them, open ones as they are or as a list of entries.

    def _object(self, node: Node, path: str, origin: Node) -> Part:
        """An object; `origin` is its schema before merging, which judges it as a whole."""
        keep, notes = self._kept(node, {"object"}, path)
        listed, rest = _listed(node), _rest(node)
        if not self.subset.closed:
            return self._open_object(node, path, (keep, notes), self._fields(node, listed, path))
        if not listed and rest is not None:
            item = self.part(rest, any_name(path))
            sent = {**mapping.entries(item.node), **keep}
            return Part(self._described(sent, node, notes), mapping.Entries(item.shape))
        if node.get("additionalProperties") == {} and not node.get("patternProperties"):
            why = f"{self.subset.name} fills listed properties only"
            self.lose("additionalProperties", path, why)
        fields = self._fields(node, listed, path)
        sent = {**mapping.closed(fields.nodes), "required": _required(node, fields), **keep}
        carrier, carried = None, None
        if rest is not None:
            carrier = _unused("additional_properties", listed)
            item = self.part(rest, any_name(path))
            fields.nodes[carrier], carried = mapping.entries(item.node), mapping.Entries(item.shape)
            sent["required"].append(carrier)
        # A valid record may have properties that a closed object has no place for.
        drops = node.get("additionalProperties") is not False
        judge = LazyValidator(self.schema, origin) if fields.nullable else None
        shape = _properties(fields, needed=drops or bool(carrier), rest=carrier,
                            rest_shape=carried, accepts=judge)  # fmt: skip
        return Part(self._described(sent, node, notes), shape)

    def _open_object(
        self, node: Node, path: str, kept: tuple[Node, list[str]], fields: _Fields
    ) -> Part:
        """An object for a dialect that takes open ones as they are."""
        keep, notes = kept
        sent: Node = {"type": "object", **keep}
        if fields.nodes:
            sent |= {"properties": fields.nodes, "required": _required(node, fields)}
        rest, others = _rest(node), None
        if rest:
            part = self.part(rest, any_name(path))
            sent["additionalProperties"], others = part.node, part.shape
        elif rest is not None or "additionalProperties" in node:
            is_open = rest is not None or node["additionalProperties"] is not False
            sent["additionalProperties"] = is_open
        shape = _properties(fields, needed=bool(others), keeps_others=True, others=others)
        return Part(self._described(sent, node, notes), shape)

    def _fields(self, node: Node, listed: dict[str, Node], path: str) -> _Fields:
        """Compile the listed properties, and settle how the optional ones are sent."""
        fields = _Fields()
        for name, inner in listed.items():
            part = self.part(inner, property_path(path, name))
            required = name in node.get("required", ())
            if not part.possible and not required:
                continue
            fields.nodes[name], fields.shapes[name] = part.node, part.shape
            if required:
                continue
            absence = self._absence(part.node)
            takes = passes.accepts_null(part.node, self.defs)
            if not takes:
                fields.droppable.add(name)
            if absence == "null":
                fields.filled.add(name)
                fields.nodes[name] = part.node if takes else passes.nullable(part.node)
                if takes:
                    fields.nullable.add(name)
            elif (
                absence == "absent"
                and takes
                and (bare := passes.without_null(part.node)) != part.node
            ):
                fields.nodes[name] = bare
                fields.left_out.add(name)
        return fields

    def _absence(self, sent: Node) -> str:
        """How the absence of an optional property is sent: `null`, `absent`, or either of them."""
        if self.subset.all_required:
            return "null"
        # The root's own definition does not count as one.
        root = ref_name(self.schema.root) if set(self.schema.root) == {"$ref"} else ""
        if self.economy is None or any(name != root for name in self.inside):
            return ""
        return self.economy.pay(sent)

    # -- Unions: anyOf and oneOf sent as anyOf, told apart by their first property if required.

    def _union(self, node: Node, path: str) -> Part:
        """A union; what is next to it is merged into each branch."""
        keyword = "anyOf" if node.get("anyOf") else "oneOf"
        outside = _annotations(node)
        base = {key: node[key] for key in node if key not in ANNOTATIONS and key != keyword}
        options = self._options(base, node[keyword], path)
        if not options:
            self.lose(keyword, path, "its branches only say what must or must not be there")
            return self.part({**base, **outside}, path)
        if len(options) == 1:
            return self.part({**options[0], **outside}, path)
        branches: dict[str, tuple[Node, Part]] = {}
        for count, option in enumerate(options):
            part = self.part(option, path)
            if part.possible:
                same = key_of(part.node) if part.shape is None else str(count)
                branches.setdefault(same, (option, part))
        originals = [option for option, _ in branches.values()]
        parts = [part for _, part in branches.values()]
        if not parts:
            return _IMPOSSIBLE
        if len(parts) == 1:
            return Part(self._described(parts[0].node, node), parts[0].shape)
        parts = self._objects_told_from_lists(parts)
        if self.subset.distinct_first_keys:
            parts = self._distinct(parts)
        shape = None
        if any(part.shape for part in parts):
            choices = tuple(
                mapping.Option(
                    part.shape,
                    LazyValidator(self.schema, option),
                    mapping.Fits(self.defs, part.node),
                )
                for option, part in zip(originals, parts, strict=True)
            )
            shape = mapping.Choice(choices, LazyValidator(self.schema, node))
        return Part(self._described({"anyOf": [part.node for part in parts]}, node), shape)

    def _options(self, base: Node, listed: list[Node], path: str) -> list[Node]:
        """The branches with the base merged in; none if they say nothing that can be sent."""
        options = [each for each in listed if each != NEVER]
        if not base:
            return options
        plain = not any(says_something(self.schema.resolve(each)) for each in options)
        if plain or not self.multiply or self.work > _MAX_WORK:
            return []
        merged = []
        for each in options:
            types = types_of(self.schema.resolve(each))
            if set(base) == {"type"} and types_of(base) >= types > set():
                merged.append(each)
                continue
            try:
                merged.append(self._merged(base, each, path))
            except ConflictError:
                continue
        return merged

    def _objects_told_from_lists(self, parts: list[Part]) -> list[Part]:
        """Open objects are sent as lists: wrapped if another branch is one, as both may be []."""

        def resolved(part: Part) -> Part:
            name = ref_name(part.node) if "$ref" in part.node else ""
            return Part(self.defs.get(name, {}), self.shapes.get(name)) if name else part

        opened = [isinstance(resolved(part).shape, mapping.Entries) for part in parts]
        lists = [resolved(part).node.get("type") == "array" for part in parts]
        if all(is_open or not is_list for is_open, is_list in zip(opened, lists, strict=True)):
            return parts
        return [
            part.wrapped(mapping.ENTRIES) if is_open else part
            for part, is_open in zip(parts, opened, strict=True)
        ]

    def _distinct(self, parts: list[Part]) -> list[Part]:
        """The branches with no first property in common: reordered, or else wrapped."""
        # A definition that is still being compiled has its first property in the user's schema.
        coming = {name: self.schema.defs[name] for name in self.begun} | self.defs
        firsts = [passes.first_keys(part.node, coming) for part in parts]
        used: set[str] = set()
        settled = []
        for index, part in enumerate(parts):
            if firsts[index].isdisjoint(used):
                used |= firsts[index]
                settled.append(part)
                continue
            taken = used.union(*firsts[index + 1 :])
            moved = self._reordered(part.node, taken)
            if moved is None:
                name = _unused(f"option_{index + 1}", taken)
                settled.append(part.wrapped(name))
                used.add(name)
            else:
                settled.append(Part(moved, part.shape))
                used |= passes.first_keys(moved, self.defs)
        return settled

    def _reordered(self, node: Node, taken: set[str]) -> Node | None:
        """An object schema that begins with a property no other branch begins with."""
        name = ref_name(node) if set(node) == {"$ref"} else ""
        whole = self.defs.get(name, node)
        if whole.get("type") != "object" or "properties" not in whole:
            return None
        free = [each for each in whole["properties"] if each not in taken]
        if not free:
            return None
        order = [free[0], *(each for each in whole["properties"] if each != free[0])]
        properties = {each: whole["properties"][each] for each in order}
        required = [each for each in order if each in whole["required"]]
        moved = {**whole, "properties": properties, "required": required}
        if not name:
            return moved
        # A variation of a definition is kept next to it.
        name = re.sub(r"[^A-Za-z0-9_-]", "_", f"{name}_by_{free[0]}")
        while self.defs.get(name, moved) != moved or name in self.schema.defs:
            name += "_"
        self.defs[name] = moved
        return {"$ref": f"#/$defs/{name}"}


def _annotations(node: Node) -> Node:
    return {key: value for key, value in node.items() if key in ANNOTATIONS}


def _unused(name: str, taken: Collection[str]) -> str:
    while name in taken:
        name += "_"
    return name


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
    """The schema of whatever else an open object has; None if it has nothing more.

    An object that lists properties and says nothing of others is taken to be complete.
    """
    patterns = [each for each in node.get("patternProperties", {}).values() if each != NEVER]
    rest: Any = node.get("additionalProperties")
    if isinstance(rest, dict) and rest:
        patterns.append(rest)
    if patterns:
        return any_of(patterns)
    return {} if rest is not False and not _listed(node) else None


def _required(node: Node, fields: _Fields) -> list[str]:
    required = node.get("required", ())
    return [name for name in fields.nodes if name in required or name in fields.filled]


def _properties(fields: _Fields, *, needed: bool, **rest: Any) -> mapping.Properties | None:
    """The mapping of an object's properties; None if every value is sent as it is."""
    changed = fields.droppable or fields.filled or fields.left_out or any(fields.shapes.values())
    if not needed and not changed:
        return None
    return mapping.Properties(
        fields.shapes,
        frozenset(fields.droppable),
        frozenset(fields.nullable),
        filled=frozenset(fields.filled),
        left_out=frozenset(fields.left_out),
        **rest,
    )
