"""Unions: anyOf and oneOf sent as anyOf, told apart by their first property where asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llmwidgets.schemas.canonical import NEVER, Node, ref_name
from llmwidgets.schemas.fields import says_something, types_of
from llmwidgets.schemas.mapping import ENTRIES, Choice, Entries, Option, Shape, Wrapped
from llmwidgets.schemas.merging import ANNOTATIONS, ConflictError, key_of
from llmwidgets.schemas.presence import NULL
from llmwidgets.schemas.sent_forms import closed

if TYPE_CHECKING:
    from llmwidgets.schemas.compiler import Compiling, Part


_MAX_WORK = 10_000
"""Places compiled before unions are no longer multiplied out."""


def compile_union(work: Compiling, node: Node, path: str) -> Part:
    """A union; what stands beside it is merged into each branch."""
    from llmwidgets.schemas.compiler import Part

    keyword = "anyOf" if node.get("anyOf") else "oneOf"
    outside = {key: node[key] for key in node if key in ANNOTATIONS}
    base = {key: node[key] for key in node if key not in ANNOTATIONS and key != keyword}
    options = _branches(work, base, node[keyword], path)
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
    from llmwidgets.schemas.compiler import Part

    def shape_of(part: Part) -> Shape | None:
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


def _branches(work: Compiling, base: Node, listed: list[Node], path: str) -> list[Node]:
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
    from llmwidgets.schemas.compiler import Part

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
