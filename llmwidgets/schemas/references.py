"""References: finding what a `$ref` names inside its own document, and nowhere else."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import unquote, urljoin

from llmwidgets.errors import FieldError
from llmwidgets.schemas.paths import shown

MAPS = ("properties", "patternProperties", "$defs", "definitions", "dependentSchemas")
"""Keywords whose value maps names to schemas."""
LISTS = ("anyOf", "oneOf", "allOf", "prefixItems")
"""Keywords whose value lists schemas."""
SINGLES = (
    "items", "additionalItems", "additionalProperties", "contains", "propertyNames", "not", "if",
    "then", "else", "unevaluatedItems", "unevaluatedProperties",
)  # fmt: skip
"""Keywords whose value is a schema."""


def outside(reference: str, place: str = "") -> FieldError:
    """The error for a `$ref` to another document, on the net or on the disk."""
    return FieldError(
        f"$ref{place} leads outside the schema, to {reference}.",
        "Copy what it names under $defs and point there; nothing is fetched.",
    )


@dataclass(frozen=True, slots=True)
class Found:
    """What a reference names, with the base that references inside it are relative to."""

    node: Any
    base: str


@dataclass(slots=True)
class Document:
    """One schema document with its identifiers and anchors indexed."""

    root: Any
    identifier: str = "$id"
    resources: dict[str, Any] = field(default_factory=dict)
    anchors: dict[tuple[str, str], Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._index(self.root, "")
        self.resources[""] = self.root

    def base_of(self, node: Any, base: str) -> str:
        """The base inside `node`, which changes where the node has an identifier of its own."""
        own = node.get(self.identifier) if isinstance(node, dict) else None
        if not isinstance(own, str) or own.startswith("#"):
            return base
        return urljoin(base, own).partition("#")[0]

    def find(self, reference: str, base: str, path: str) -> Found:
        """The schema that `reference` names; FieldError where it lies outside or nowhere."""
        target, _, fragment = reference.partition("#")
        uri = urljoin(base, target) if target else base
        if uri not in self.resources:
            raise outside(reference, f" at {shown(path)}")
        fragment = unquote(fragment)
        if fragment and not fragment.startswith("/"):
            if (uri, fragment) in self.anchors:
                return Found(self.anchors[uri, fragment], uri)
            raise _nowhere(reference, path)
        return self._follow(Found(self.resources[uri], uri), fragment, reference, path)

    def _follow(self, start: Found, pointer: str, reference: str, path: str) -> Found:
        node, base = start.node, start.base
        for part in pointer.split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            if isinstance(node, dict) and key in node:
                node = node[key]
            elif isinstance(node, list) and key.isdecimal() and int(key) < len(node):
                node = node[int(key)]
            else:
                raise _nowhere(reference, path)
            base = self.base_of(node, base)
        if not isinstance(node, dict | bool):
            raise _nowhere(reference, path)
        return Found(node, base)

    def _index(self, root: Any, base: str) -> None:
        waiting = [(root, base)]
        while waiting:
            node, base = waiting.pop()
            if not isinstance(node, dict):
                continue
            inner = self.base_of(node, base)
            if inner != base:
                self.resources.setdefault(inner, node)
            for name in ("$anchor", "$dynamicAnchor"):
                if isinstance(node.get(name), str):
                    self.anchors.setdefault((inner, node[name]), node)
            own = node.get(self.identifier)
            if isinstance(own, str) and own.startswith("#"):
                self.anchors.setdefault((inner, own[1:]), node)
            waiting.extend((child, inner) for child in subschemas(node))


def subschemas(node: dict[str, Any]) -> Iterator[Any]:
    """Every schema that stands directly in this one, in whatever keyword."""
    for name in (*MAPS, "dependencies"):
        if isinstance(node.get(name), dict):
            yield from node[name].values()
    for name in LISTS:
        if isinstance(node.get(name), list):
            yield from node[name]
    for name in SINGLES:
        if name in node:
            yield from node[name] if isinstance(node[name], list) else [node[name]]


def _nowhere(reference: str, path: str) -> FieldError:
    return FieldError(
        f"$ref at {shown(path)} points to {reference}, which the schema does not have.",
        "Add it under $defs, or correct the reference.",
    )
