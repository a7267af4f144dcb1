"""Objects: listed properties sent all of them, open ones as a list of key and value."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from llmwidgets.schemas.canonical import NEVER, Node
from llmwidgets.schemas.mapping import Entries, Properties, Shape
from llmwidgets.schemas.merging import key_of
from llmwidgets.schemas.paths import any_name, step
from llmwidgets.schemas.presence import nullable, takes_null, without_null
from llmwidgets.schemas.sent_forms import entries

if TYPE_CHECKING:
    from llmwidgets.schemas.compiler import Compiling, Part


def compile_object(work: Compiling, node: Node, path: str, origin: Node) -> Part:
    """An object; `origin` is its schema before merging, which judges it as a whole."""
    from llmwidgets.schemas.compiler import Part

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
    presence = _fill(work, node, listed, path, properties, shapes)
    carrier, carried = _carry_rest(work, rest, listed, path, properties)
    sent = {
        "type": "object",
        "properties": properties,
        "required": [*presence.required, *([carrier] if carrier else [])],
        "additionalProperties": False,
        **keep,
    }
    shape: Shape | None = None
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
    shapes: dict[str, Shape | None],
) -> Presence:
    """Compile the listed properties, and settle how the optional ones are sent."""
    presence = Presence()
    for name, inner in listed.items():
        part = work.part(inner, step(path, name))
        if not part.possible and name not in node.get("required", ()):
            continue
        properties[name], shapes[name] = part.node, part.shape
        if name in node.get("required", ()):
            continue
        way = _way(work, part.node)
        takes = takes_null(part.node, work.defs)
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
    from llmwidgets.schemas.compiler import Part

    keep, notes = kept
    properties: dict[str, Node] = {}
    shapes: dict[str, Shape | None] = {}
    presence = _fill(work, node, listed, path, properties, shapes)
    sent: Node = {"type": "object", **keep}
    if properties:
        sent |= {"properties": properties, "required": presence.required}
    rest = _rest(node)
    others: Shape | None = None
    if rest:
        part = work.part(rest, any_name(path))
        sent["additionalProperties"], others = part.node, part.shape
    elif rest is not None or "additionalProperties" in node:
        sent["additionalProperties"] = rest is not None or node["additionalProperties"] is not False
    shape: Shape | None = None
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
