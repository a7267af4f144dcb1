"""A field of the schema as the rules see it: name, description, type, what it allows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from llmwidgets.demo.cues import words_of
from llmwidgets.demo.shapes import Node, nullable, resolve, types, value_branch


@dataclass(frozen=True, slots=True)
class Field:
    """One place to fill. `around` are the words of the objects it lies in."""

    name: str
    description: str
    node: Node
    nullable: bool
    around: tuple[str, ...] = ()

    @property
    def words(self) -> set[str]:
        return set(words_of(self.name)) | set(self.around)

    @property
    def told(self) -> set[str]:
        """Words of name and description."""
        return self.words | set(words_of(self.description))

    @property
    def type(self) -> str:
        said = [kind for kind in types(self.node) if kind != "null"]
        return said[0] if said else "string"

    @property
    def values(self) -> list[Any] | None:
        allowed = self.node.get("enum")
        return [each for each in allowed if each is not None] if allowed else None


def read_field(name: str, node: Any, root: Node, around: tuple[str, ...] = ()) -> Field:
    """The field of a property, its references followed and its null branch noted."""
    inner = resolve(node, root)
    value = value_branch(inner, root)
    words = value.get("description") or inner.get("description") or ""
    title = value.get("title") or inner.get("title") or ""
    description = inner.get("description") or words
    told = f"{title}. {description}" if title and str(title) != name else str(description)
    return Field(name, told, value, nullable(inner, root), around)
