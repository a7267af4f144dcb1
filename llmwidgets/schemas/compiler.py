"""Compiling: a canonical schema cut to a dialect's subset, with its losses and the way back."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from llmwidgets.schemas import limits, passes
from llmwidgets.schemas.canonical import ANY_JSON, NEVER, Canonical, Node, ref_name
from llmwidgets.schemas.compiling_objects import compile_object
from llmwidgets.schemas.compiling_unions import compile_union
from llmwidgets.schemas.compiling_values import compile_values
from llmwidgets.schemas.cycles import loosen
from llmwidgets.schemas.economy import Economy
from llmwidgets.schemas.fields import types_of
from llmwidgets.schemas.judge import Judge
from llmwidgets.schemas.mapping import AnyValue, Definition, Items, JSONText, Shape, Tuple, Wrapped
from llmwidgets.schemas.merging import ANNOTATIONS, ConflictError, key_of, merge
from llmwidgets.schemas.paths import item
from llmwidgets.schemas.presence import NULL
from llmwidgets.schemas.sent_forms import any_json, closed
from llmwidgets.schemas.subset import Compiled, Loss, Subset


@dataclass(slots=True)
class Part:
    """A sent schema and how its values map back."""

    node: Node
    shape: Shape | None = None
    possible: bool = True
    """False where no value satisfies the user's schema at this place."""


@dataclass(slots=True)
class Compiling:
    """The work on one schema; the parts of it that other modules use have no underscore."""

    schema: Canonical
    subset: Subset
    multiply: bool = True
    """Whether what stands beside a union is multiplied into its branches."""
    enum_chars: int | None = None
    """Characters that enums may hold in all."""
    economy: Economy | None = None
    """How optional properties are spread over the two limits that they count towards."""
    losses: dict[tuple[str, str], Loss] = field(default_factory=dict)
    defs: dict[str, Node] = field(default_factory=dict)
    shapes: dict[str, Shape | None] = field(default_factory=dict)
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
        return Judge(self.schema, node)

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
        part = self.part(inner, item(path))
        sent = self.described({"type": "array", "items": part.node, **keep}, node, notes)
        return Part(sent, Items(part.shape) if part.shape else None)

    def _tuple(self, node: Node, path: str, keep: Node, notes: list[str]) -> Part:
        first = [self.part(each, item(path)) for each in node["prefixItems"]]
        sent: Node = {"type": "array", **keep, "prefixItems": [part.node for part in first]}
        rest: Shape | None = None
        if node.get("items") == NEVER:
            if "maxItems" in self.subset.keywords:
                sent["maxItems"] = min(len(first), node.get("maxItems", len(first)))
        elif node.get("items"):
            part = self.part(node["items"], item(path))
            sent["items"], rest = part.node, part.shape
        mapped = rest or any(part.shape for part in first)
        shape = Tuple(tuple(part.shape for part in first), rest) if mapped else None
        return Part(self.described(sent, node, notes), shape)

    def _scalar(self, node: Node, path: str, types: set[str]) -> Node:
        keep, notes = self.kept(node, types, path)
        order = [each for each in passes.listed_types(node) if each in types] or sorted(types)
        kind = order[0] if len(order) == 1 else order
        return self.described({"type": kind, **keep}, node, notes)


def compile_schema(schema: Canonical, subset: Subset) -> Compiled:
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
