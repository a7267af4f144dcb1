"""What a chat request asks: the document between its markers, and the schema if it is there."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_MARKERS = (
    re.compile(r"<(document|text|doc|input|content)\b[^>]*>\r?\n?(.*)</\1\s*>", re.S | re.I),
    re.compile(r"<<<+[ \w]*\n(.*?)\n[ \w]*>>>+", re.S),
    re.compile(r"^-{3,}\s*BEGIN[^\n]*\n(.*)\n-{3,}\s*END[^\n]*$", re.S | re.I | re.M),
    re.compile(
        r"^([-=#*]{3,}|\"{3}|'{3}|`{3,}\w*)[ \t]*\n(.*)\n(?:[-=#*]{3,}|\"{3}|'{3}|`{3,})[ \t]*$",
        re.S | re.M,
    ),
)
_SCHEMA_KEYS = frozenset({"properties", "$defs", "anyOf", "oneOf", "allOf", "items", "enum"})


@dataclass(frozen=True, slots=True)
class Prompt:
    """The document of the last user message, and the JSON Schema found beside it or None."""

    document: str
    schema: dict[str, Any] | None


def read_prompt(messages: Sequence[Mapping[str, Any]]) -> Prompt:
    """Take document and schema out of chat messages, tolerant of how they are laid out."""
    said = [_content(message) for message in messages if message.get("role") == "user"]
    last = said[-1] if said else ""
    document, rest = _between_markers(last)
    around = [_content(message) for message in messages if message.get("role") != "user"]
    found = [schema for text in (*around, rest) for schema in _schemas(text)]
    if document is None:
        document = _without_schemas(last)
    return Prompt(document.strip(), found[-1][0] if found else None)


def _content(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    if isinstance(content, str):
        return content
    if isinstance(content, list):
        parts = (part.get("text") for part in content if isinstance(part, Mapping))
        return "\n".join(part for part in parts if isinstance(part, str))
    return ""


def _between_markers(text: str) -> tuple[str | None, str]:
    for pattern in _MARKERS:
        matches = list(pattern.finditer(text))
        if matches:
            best = max(matches, key=lambda match: len(match.group(match.lastindex or 0)))
            inside = best.group(best.lastindex or 0)
            # a rule or fence inside a document that has no markers is not a marker
            if len(inside) * 2 >= len(text) - len(inside):
                return inside, text[: best.start()] + text[best.end() :]
    return None, text


def _schemas(text: str) -> Iterator[tuple[dict[str, Any], int, int]]:
    decoder = json.JSONDecoder()
    position = text.find("{")
    while position >= 0:
        try:
            value, end = decoder.raw_decode(text, position)
        except ValueError:
            end = position + 1
        else:
            if isinstance(value, dict) and _SCHEMA_KEYS & value.keys():
                yield value, position, end
        position = text.find("{", end)


def _without_schemas(text: str) -> str:
    for _, start, end in reversed(list(_schemas(text))):
        text = text[:start] + text[end:]
    return text
