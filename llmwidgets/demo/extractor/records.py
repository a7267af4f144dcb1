"""Filling a schema from a document by rules: each field by its name, type, description, format."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llmwidgets.demo.care import Care
from llmwidgets.demo.cues import words_of
from llmwidgets.demo.entries import find_entries
from llmwidgets.demo.extractor.document import Document
from llmwidgets.demo.extractor.values import choose, says_so
from llmwidgets.demo.field import Field, read_field
from llmwidgets.demo.numbers import find_number
from llmwidgets.demo.shapes import Disobeyed, Node
from llmwidgets.demo.strings import find_string
from llmwidgets.demo.tables import find_rows, read_row

_DEEPEST = 6


def fill(schema: Any, text: str, care: Care) -> Any:
    """What the rules find in the text for a schema; it need not obey the schema yet."""
    if not isinstance(schema, Mapping):
        return None
    document = Document(text, quotes=not care.reads_prose)
    try:
        field = read_field(str(schema.get("title", "")), schema, schema)
        return _Filling(document, schema, care).value(field, 0)
    except (Disobeyed, TypeError, AttributeError, ValueError, RecursionError):
        # a schema that cannot be read is answered by whoever makes the record obey it
        return None


class _Filling:
    def __init__(self, document: Document, root: Node, care: Care) -> None:
        self.document = document
        self.root = root
        self.care = care

    def value(self, field: Field, depth: int) -> Any:
        if field.values is not None:
            return choose(self.document, field.values, field.name, field.description, self.care)
        match field.type:
            case "object" if depth < _DEEPEST:
                return self._object(field, depth)
            case "array" if depth < _DEEPEST:
                return self._array(field)
            case "boolean":
                return says_so(self.document, field.name, field.description, self.care)
            case "number" | "integer":
                return find_number(self.document, field, self.care)
            case "string":
                return find_string(self.document, field, self.care)
            case _:
                return None

    def _object(self, field: Field, depth: int) -> dict[str, Any]:
        around = (*field.around, *words_of(field.name)) if depth else ()
        return {
            name: self.value(read_field(name, node, self.root, around), depth + 1)
            for name, node in field.node.get("properties", {}).items()
        }

    def _array(self, field: Field) -> list[Any]:
        item = read_field("", field.node.get("items", {}), self.root)
        if item.type != "object":
            if item.type == "string" and item.values is None:
                return list(find_entries(self.document, field.name, field.description, self.care))
            return []
        inner = {
            name: read_field(name, node, self.root)
            for name, node in item.node.get("properties", {}).items()
        }
        fields = {
            name: (each.type in ("number", "integer"), each.description)
            for name, each in inner.items()
        }
        rows = [read_row(row, fields, self.care) for row in find_rows(self.document, self.care)]
        return rows if self.care.whole_lists else rows[:1]
