"""Objects: listed properties sent all of them, open ones as a list of key and value."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmwidgets.schemas.canonical import NEVER, Node
from llmwidgets.schemas.merging import key_of
from llmwidgets.schemas.nulls import nullable, takes_null
from llmwidgets.schemas.place import any_name, step
from llmwidgets.schemas.sent_forms import entries
from llmwidgets.schemas.shape import Entries, Properties, Shape

if TYPE_CHECKING:
    from llmwidgets.schemas.compiling import Compiling, Part

_ON_PRESENCE = frozenset({
    "allOf", "anyOf", "oneOf", "not", "if", "dependentRequired", "dependentSchemas",
    "minProperties", "maxProperties", "propertyNames", "$ref",
})  # fmt: skip


def compile_object(work: Compiling, node: Node, path: str, origin: Node) -> Part:
    """An object; `origin` is its schema before merging, which judges it as a whole."""
    from llmwidgets.schemas.compiling import Part

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
    shapes: dict[str, Shape | None] = {}
    droppable, kept_null = _fill(work, node, listed, path, properties, shapes)
    carrier, carried = _carry_rest(work, rest, listed, path, properties)
    sent = {
        "type": "object",
        "properties": properties,
        "required": list(properties) if work.subset.all_required else _required(node, listed),
        "additionalProperties": False,
        **keep,
    }
    shape: Shape | None = None
    if droppable or kept_null or carrier or any(shapes.values()):
        hangs = kept_null and not _ON_PRESENCE.isdisjoint(origin)
        accepts = work.judge(origin) if hangs else None
        shape = Properties(shapes, droppable, kept_null, carrier, carried, accepts)
    return Part(work.described(sent, node, notes), shape)


def _fill(
    work: Compiling,
    node: Node,
    listed: dict[str, Node],
    path: str,
    properties: dict[str, Node],
    shapes: dict[str, Shape | None],
) -> tuple[frozenset[str], frozenset[str]]:
    """Compile the listed properties; the optional ones where null means absent, or may stay."""
    droppable, kept_null = set(), set()
    for name, inner in listed.items():
        part = work.part(inner, step(path, name))
        if not part.possible and name not in node.get("required", ()):
            continue
        properties[name], shapes[name] = part.node, part.shape
        if work.subset.all_required and name not in node.get("required", ()):
            if takes_null(part.node, work.defs):
                kept_null.add(name)
            else:
                properties[name] = nullable(part.node)
                droppable.add(name)
    return frozenset(droppable), frozenset(kept_null)


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


def _required(node: Node, listed: dict[str, Node]) -> list[str]:
    return [name for name in listed if name in node.get("required", ())]


def _open(
    work: Compiling,
    node: Node,
    path: str,
    kept: tuple[Node, list[str]],
    listed: dict[str, Node],
) -> Part:
    """An object for a dialect that takes open ones as they are."""
    from llmwidgets.schemas.compiling import Part

    keep, notes = kept
    properties: dict[str, Node] = {}
    shapes: dict[str, Shape | None] = {}
    droppable, kept_null = _fill(work, node, listed, path, properties, shapes)
    sent: Node = {"type": "object", "properties": properties, **keep}
    sent["required"] = list(properties) if work.subset.all_required else _required(node, listed)
    rest = node.get("additionalProperties")
    if isinstance(rest, dict) and rest:
        # Values of open properties are not mapped back, so they are sent without a mapping.
        part = work.part(rest, any_name(path))
        sent["additionalProperties"] = part.node if part.shape is None else {}
    elif rest is not None:
        sent["additionalProperties"] = rest is not False
    mapped = droppable or any(shapes.values())
    shape = Properties(shapes, droppable, kept_null, keeps_others=True) if mapped else None
    return Part(work.described(sent, node, notes), shape)
