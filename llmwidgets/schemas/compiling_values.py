"""Values: enum and const, listed as the dialect takes them, or else given up with a loss."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmwidgets.schemas import limits, passes
from llmwidgets.schemas.canonical import Node
from llmwidgets.schemas.fields import types_of
from llmwidgets.schemas.merging import key_of
from llmwidgets.schemas.presence import NULL

if TYPE_CHECKING:
    from llmwidgets.schemas.compiler import Compiling, Part


def compile_values(work: Compiling, node: Node, path: str) -> Part:
    """A place where only the listed values are right."""
    from llmwidgets.schemas.compiler import Part

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
