"""Compiling: a canonical schema cut to a dialect's capabilities, with its losses and the way back.

One visitor goes through the schema place by place; each place becomes a Part, the schema to send
there and the mapping of its values. The passes over the whole sent schema follow it.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from llmwidgets.schemas import mapping, passes
from llmwidgets.schemas.canonical import (
    ANNOTATIONS,
    ANY_JSON,
    NEVER,
    VALUE_KEYWORDS,
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
    type_of,
)
from llmwidgets.schemas.mapping import UNCHANGED, Compiled, Loss, Properties, ValueMapping
from llmwidgets.schemas.passes import ANY_TYPE, NULL, Economy, SchemaSubset, Size
from llmwidgets.schemas.validation import LazyValidator

_MAX_WORK = 10_000
"""Places compiled before unions are no longer multiplied out."""
_MOST_PROPERTIES = 5000
"""More properties than this come of unions multiplied out, and no model minds them all."""


def compile_schema(schema: Canonical, subset: SchemaSubset) -> Compiled:
    """The schema to send, what it lost, what it has too much of, and the way back."""
    compiler = Compiler(schema, subset)
    compiled, size = compiler.compile()
    if size.counts["max_properties"] > (subset.max_properties or _MOST_PROPERTIES):
        compiler = Compiler(schema, subset, multiply=False)
        compiled, size = compiler.compile()
    chars = None
    if size.exceeds("max_chars") and subset.max_chars is not None:
        chars = max(0, subset.max_chars - size.name_chars)
        compiled, size = Compiler(schema, subset, compiler.multiply, chars).compile()
    if size.exceeds("max_optional", "max_unions"):
        economy = Economy.left_by(compiled.schema, subset)
        spared, _ = Compiler(schema, subset, compiler.multiply, chars, economy).compile()
        return compiled if spared.excess else spared
    return compiled


@dataclass(slots=True)
class Part:
    """A sent schema and how its values map back."""

    node: Node
    shape: ValueMapping = UNCHANGED
    possible: bool = True
    """False if no value satisfies the user's schema at this place."""

    def wrapped(self, name: str) -> Part:
        """The same as the only property of an object."""
        return Part(mapping.closed({name: self.node}), mapping.Wrapped(name, self.shape))


_IMPOSSIBLE = Part(NULL, possible=False)


@dataclass
class Compiler:
    """The visitor, with what it has met so far."""

    schema: Canonical
    subset: SchemaSubset
    multiply: bool = True
    """Whether what is next to a union is multiplied into its branches."""
    enum_chars: int | None = None
    """Characters that are left for enums; None for any number."""
    economy: Economy | None = None
    """How optional properties are spread over the two limits that they count towards."""
    enum_values: int = 0
    losses: dict[tuple[str, str], Loss] = field(default_factory=dict)
    defs: dict[str, Node] = field(default_factory=dict)
    shapes: dict[str, ValueMapping] = field(default_factory=dict)
    inside: list[str] = field(default_factory=list)
    """The definitions being compiled, outermost first."""
    places: dict[str, str] = field(default_factory=dict)
    """Where each definition was first referred to."""
    work: int = 0

    def compile(self) -> tuple[Compiled, Size]:
        """The whole schema, with the passes over it, and how large it is."""
        subset = self.subset
        root = self.part(self.schema.root, "")
        node = self.defs[ref_name(root.node)] if "$ref" in root.node else root.node
        wrapped = subset.root_object and (node.get("type") != "object" or "anyOf" in node)
        if wrapped:
            root = root.wrapped("value")
            node = root.node
        if subset.max_depth is not None:
            passes.hoist(node, self.defs, subset.max_depth, self.schema.defs)
        sent = {**node, "$defs": dict(sorted(self.defs.items()))} if self.defs else node
        excess = ""
        if not subset.required_cycles:
            excess = passes.loosen(sent, subset, self.places, self.lose)
        size = Size.of(sent, subset)
        if not excess and not subset.recursion and passes.is_recursive(sent):
            excess = f"{subset.name} takes no recursion"
        excess = excess or size.exceeds()
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
        if len(types) > 1 and types & {"object", "array"}:
            about = {name: passes.BY_TYPE[name] | ANY_TYPE for name in order}
            split = [
                {**{key: node[key] for key in node if key in about[name]}, "type": name}
                for name in order
            ]
            outside = {key: node[key] for key in node if key in ANNOTATIONS}
            return self._union({"anyOf": split, **outside}, path)
        if "object" in types:
            return self._object(node, path, origin)
        if "array" in types:
            return self._array(node, path)
        keep, notes = self._kept(node, types, path)
        if not types:
            return self._any_value(node)
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
        relevant = set().union(*(passes.BY_TYPE[each] for each in types)) - passes.STRUCTURE
        keep, notes = {}, []
        for keyword, value in node.items():
            if keyword in relevant and self.subset.takes(keyword, value):
                keep[keyword] = value
            elif keyword in relevant | ANY_TYPE and not self.subset.keeps(keyword, value):
                self.lose(keyword, path)
                if isinstance(value, str | int | float) and len(str(value)) <= 80:
                    notes.append(f"{keyword}: {value}")
        return keep, notes

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
        if name not in self.places:
            self.places[name] = path
            self.inside.append(name)
            part = self.part(self.schema.defs[name], path)
            self.inside.pop()
            self.defs[name], self.shapes[name] = part.node, part.shape
        unchanged = self.shapes.get(name) is UNCHANGED
        shape = UNCHANGED if unchanged else mapping.Definition(self.shapes, name)
        return Part(self._refer(name, node), shape)

    def _refer(self, name: str, source: Node) -> Node:
        bare: Node = {"$ref": f"#/$defs/{name}"}
        sent = self._described(bare, source)
        if sent == bare or self.subset.ref_siblings:
            return sent
        return {"anyOf": [bare], "description": sent["description"]}

    # -- Values: enum and const, listed as the dialect takes them, or else given up with a loss.

    def _listed_values(self, node: Node, path: str) -> Part:
        keyword = "const" if "const" in node else "enum"
        listed, types = [node["const"]] if keyword == "const" else node["enum"], listed_types(node)
        # What `type` allows as well, each value once.
        values = list({key_of(each): each for each in listed if passes.is_of(each, types)}.values())
        if not values:
            return _IMPOSSIBLE
        plain = all(each is None or isinstance(each, str | int | float) for each in values)
        names = list(dict.fromkeys(type_of(each) for each in values))
        if not plain or not self._affords(values):
            too_many = "does not take that many or that long allowed values"
            why = too_many if plain else "takes plain values only"
            self.lose(keyword, path, f"{self.subset.name} {why}")
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

    def _affords(self, values: list[Any]) -> bool:
        """Whether these enum values may be sent along with those before; counts them if so."""
        subset, chars = self.subset, sum(len(str(each)) for each in values)
        most, number = subset.max_enum_values, self.enum_values + len(values)
        if most is not None:
            large = subset.large_enum is not None and len(values) > subset.large_enum
            most_chars = subset.max_large_enum_chars
            if number > most or (large and most_chars is not None and chars > most_chars):
                return False
        if self.enum_chars is not None:
            if chars > self.enum_chars:
                return False
            self.enum_chars -= chars
        self.enum_values = number
        return True

    def _value_branches(self, keyword: str, values: list[Any], path: str) -> list[Node]:
        """A branch for each type of value: listed if an enum may hold it, else the type alone."""
        grouped: dict[str, list[Any]] = {}
        for value in values:
            grouped.setdefault(type_of(value), []).append(value)
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
        inner = item_path(path)
        options, rest = list(node.get("prefixItems", ())), node.get("items")
        if rest == NEVER and "maxItems" in self.subset.keywords:
            keep["maxItems"] = min(len(options), node.get("maxItems", len(options)))
        sent: Node = {"type": "array"}
        first: list[Part] = []
        if "prefixItems" in keep:
            first = [self.part(each, inner) for each in options]
            keep["prefixItems"] = [part.node for part in first]
            options = [rest] if rest and rest != NEVER else []
        elif rest != NEVER and (rest is not None or not options):
            options.append(rest or {})
        item = Part({})
        if options or "prefixItems" not in keep:
            item = self.part(any_of([each for each in options if each != NEVER]), inner)
            (keep if first else sent)["items"] = item.node
        shapes = tuple(part.shape for part in first)
        mapped = any(each is not UNCHANGED for each in (item.shape, *shapes))
        shape = mapping.Items(item.shape, shapes) if mapped else UNCHANGED
        return Part(self._described({**sent, **keep}, node, notes), shape)

    # -- Objects: listed properties sent all of them, open ones as they are or as a list of entries.

    def _object(self, node: Node, path: str, origin: Node) -> Part:
        """An object; `origin` is its schema before merging, which judges it as a whole."""
        keep, notes = self._kept(node, {"object"}, path)
        closed, others = self.subset.closed, node.get("additionalProperties")
        listed, rest = _split_properties(node)
        if closed and not listed and rest is not None:
            item = self.part(rest, any_name(path))
            sent = {**mapping.entries(item.node), **keep}
            return Part(self._described(sent, node, notes), mapping.Entries(item.shape))
        if closed and others == {} and not node.get("patternProperties"):
            why = f"{self.subset.name} fills listed properties only"
            self.lose("additionalProperties", path, why)
        nodes, shape = self._properties(node, listed, path)
        asked = {*node.get("required", ()), *shape.filled}
        required = [name for name in nodes if name in asked]
        item = Part({})
        if rest or (closed and rest is not None):
            item = self.part(rest, any_name(path))
        if closed:
            if rest is not None:
                carrier = _unused("additional_properties", listed)
                nodes[carrier] = mapping.entries(item.node)
                required.append(carrier)
                shape.rest = carrier, mapping.Entries(item.shape)
            sent = {**mapping.closed(nodes), "required": required, **keep}
        else:
            sent = {"type": "object", **keep}
            if nodes:
                sent |= {"properties": nodes, "required": required}
            if rest is not None or others is not None:
                is_open = rest is not None or others is not False
                sent["additionalProperties"] = item.node if rest else is_open
            shape.others = item.shape
        if shape.filled - shape.droppable:
            shape.accepts = LazyValidator(self.schema, origin)
        # A valid record may have properties that a closed object has no place for.
        dropping = closed and (shape.rest is not None or others is not False)
        settled = shape.droppable or shape.filled or shape.left_out
        mapped = any(each is not UNCHANGED for each in (item.shape, *shape.shapes.values()))
        changed = dropping or settled or mapped
        return Part(self._described(sent, node, notes), shape if changed else UNCHANGED)

    def _properties(
        self, node: Node, listed: dict[str, Node], path: str
    ) -> tuple[dict[str, Node], Properties]:
        """The listed properties compiled, and how the optional ones are sent."""
        nodes, mapped = dict[str, Node](), Properties()
        for name, inner in listed.items():
            part = self.part(inner, property_path(path, name))
            required = name in node.get("required", ())
            if not part.possible and not required:
                continue
            nodes[name], mapped.shapes[name] = part.node, part.shape
            if required:
                continue
            absence = self._absence(part.node)
            takes_null = mapping.fits(self.defs, part.node, None)
            if not takes_null:
                mapped.droppable.add(name)
            if absence == "null":
                mapped.filled.add(name)
                nodes[name] = part.node if takes_null else passes.nullable(part.node)
            elif absence == "absent" and takes_null:
                nodes[name] = passes.without_null(part.node)
                if nodes[name] != part.node:
                    mapped.left_out.add(name)
        return nodes, mapped

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
        outside = {key: node[key] for key in node if key in ANNOTATIONS}
        base = {key: node[key] for key in node if key not in ANNOTATIONS and key != keyword}
        options = self._options(base, node[keyword], path)
        if not options:
            self.lose(keyword, path, "its branches only say what must or must not be there")
            return self.part({**base, **outside}, path)
        if len(options) == 1:
            return self.part({**options[0], **outside}, path)
        branches: dict[str, tuple[Node, Part]] = {}
        for number, option in enumerate(options):
            part = self.part(option, path)
            if part.possible:
                same = key_of(part.node) if part.shape is UNCHANGED else str(number)
                branches.setdefault(same, (option, part))
        parts = [part for _, part in branches.values()]
        if not parts:
            return _IMPOSSIBLE
        if len(parts) == 1:
            return Part(self._described(parts[0].node, node), parts[0].shape)
        parts = self._told_from_lists(parts)
        if self.subset.distinct_first_keys:
            parts = self._distinct(parts)
        shape = UNCHANGED
        if any(part.shape is not UNCHANGED for part in parts):
            choices = tuple(
                mapping.Option(
                    part.shape,
                    LazyValidator(self.schema, option),
                    partial(mapping.fits, self.defs, part.node),
                )
                for (option, _), part in zip(branches.values(), parts, strict=True)
            )
            shape = mapping.Choice(choices, LazyValidator(self.schema, node))
        return Part(self._described({"anyOf": [part.node for part in parts]}, node), shape)

    def _options(self, base: Node, listed: list[Node], path: str) -> list[Node]:
        """The branches with the base merged in; none if they say nothing that can be sent."""
        options = [each for each in listed if each != NEVER]
        if not base:
            return options
        silent = all(VALUE_KEYWORDS.isdisjoint(self.schema.resolve(each)) for each in options)
        if silent or not self.multiply or self.work > _MAX_WORK:
            return []
        merged = []
        for each in options:
            types = set(listed_types(self.schema.resolve(each)))
            if set(base) == {"type"} and set(listed_types(base)) >= types > set():
                merged.append(each)
                continue
            try:
                merged.append(self._merged(base, each, path))
            except ConflictError:
                continue
        return merged

    def _told_from_lists(self, parts: list[Part]) -> list[Part]:
        """Open objects are sent as lists: wrapped if another branch is one, as both may be []."""
        opened, is_list = [], False
        for part in parts:
            name = ref_name(part.node) if "$ref" in part.node else ""
            shape = self.shapes.get(name) if name else part.shape
            opened.append(isinstance(shape, mapping.Entries))
            node = self.defs.get(name, {}) if name else part.node
            is_list |= node.get("type") == "array" and not opened[-1]
        if not is_list:
            return parts
        return [
            part.wrapped(mapping.ENTRIES) if is_open else part
            for part, is_open in zip(parts, opened, strict=True)
        ]

    def _distinct(self, parts: list[Part]) -> list[Part]:
        """The branches with no first property in common: reordered, or else wrapped."""
        # A definition that is still being compiled has its first property in the user's schema.
        coming = {name: self.schema.defs[name] for name in self.places} | self.defs
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


def _unused(name: str, taken: Collection[str]) -> str:
    while name in taken:
        name += "_"
    return name


def _split_properties(node: Node) -> tuple[dict[str, Node], Node | None]:
    """The properties an object may have by name, and the schema of whatever else it has.

    Required properties that are not listed are named as well. An object that lists properties and
    says nothing of others is taken to be complete: it has nothing else, which is None.
    """
    properties, rest = node.get("properties", {}), node.get("additionalProperties")
    named = {name: each for name, each in properties.items() if each != NEVER}
    if rest is not False:
        missing = (name for name in node.get("required", ()) if name not in properties)
        named |= dict.fromkeys(missing, rest or {})
    others = [each for each in node.get("patternProperties", {}).values() if each != NEVER]
    if isinstance(rest, dict) and rest:
        others.append(rest)
    if others:
        return named, any_of(others)
    return named, {} if rest is not False and not named else None
