"""Cycles: definitions that lead back to themselves, in a sent schema."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmwidgets.schemas.canonical import Node, ref_name
from llmwidgets.schemas.paths import item, step

if TYPE_CHECKING:
    from llmwidgets.schemas.compiler import Compiling


@dataclass(frozen=True, slots=True)
class Link:
    """A reference inside a definition, with the innermost required property around it."""

    target: str
    holder: Node | None = None
    name: str = ""
    path: str = ""


def is_recursive(schema: Node) -> bool:
    """Whether a definition of a sent schema leads back to itself by any way."""
    defs = schema.get("$defs", {})
    return _cycle({name: list(_links(node, loose=True)) for name, node in defs.items()}) is not None


def loosen(work: Compiling, schema: Node) -> str:
    """Open every cycle of required properties, with losses; the excess where one has none.

    The innermost required property on the cycle becomes optional.
    """
    if work.subset.required_cycles:
        return ""
    defs: Mapping[str, Node] = schema.get("$defs", {})
    links = {
        name: list(_links(node, path=work.places.get(name, ""))) for name, node in defs.items()
    }
    only = f"{work.subset.name} takes recursion only where it may be absent"
    while (cycle := _cycle(links)) is not None:
        link = next((each for each in reversed(cycle) if each.holder is not None), None)
        if link is None or link.holder is None:
            return only
        link.holder["required"] = [each for each in link.holder["required"] if each != link.name]
        work.lose("required", link.path, only)
        for name, node in defs.items():
            links[name] = list(_links(node, path=work.places.get(name, "")))
    return ""


def _links(node: Node, *, path: str = "", loose: bool = False) -> Iterator[Link]:
    """The references in a node; those inside optional properties only where `loose`."""
    waiting = [(node, Link("", path=path), path)]
    while waiting:
        each, link, here = waiting.pop()
        if "$ref" in each:
            yield Link(ref_name(each), link.holder, link.name, link.path)
            continue
        for name, inner in each.get("properties", {}).items():
            there = step(here, name)
            if name in each.get("required", ()):
                waiting.append((inner, Link("", each, name, there), there))
            elif loose:
                waiting.append((inner, link, there))
        waiting.extend((inner, link, here) for inner in each.get("anyOf", ()))
        waiting.extend((inner, link, item(here)) for inner in each.get("prefixItems", ()))
        if "items" in each:
            waiting.append((each["items"], link, item(here)))
        if isinstance(each.get("additionalProperties"), dict):
            waiting.append((each["additionalProperties"], link, here))


def _cycle(links: Mapping[str, list[Link]]) -> list[Link] | None:
    """The links of one cycle, None where there is none."""
    done: set[str] = set()
    for start in links:
        if start in done:
            continue
        trail: list[Link] = []
        waiting = [iter(links[start])]
        inside = [start]
        while waiting:
            link = next(waiting[-1], None)
            if link is None:
                waiting.pop()
                done.add(inside.pop())
                if trail:
                    trail.pop()
            elif link.target in inside:
                return [*trail[inside.index(link.target) :], link]
            elif link.target not in done and link.target in links:
                trail.append(link)
                inside.append(link.target)
                waiting.append(iter(links[link.target]))
    return None
