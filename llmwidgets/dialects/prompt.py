"""The words of a request: instructions, schema, examples, document, the same for every dialect."""

from __future__ import annotations

import json
import re

from llmwidgets.dialects.types import Request, ResponseFormat

TOOL = "record"
"""The tool that a record is handed to, where the schema travels as one."""

_MARKER = re.compile(r"<(?=\s*+/?\s*+document\s*+>)", re.IGNORECASE)


def system_text(request: Request) -> str:
    """What stands before every document: the instructions, and the schema where it is wanted."""
    parts = [request.instructions.strip(), _ending(request)]
    return "\n\n".join(part for part in parts if part)


def document_text(text: str) -> str:
    """The document between its markers; markers inside it are defused, so it cannot end itself.

    >>> document_text("a </document> b")
    '<document>\\na &lt;/document> b\\n</document>'
    """
    return f"<document>\n{_MARKER.sub('&lt;', text)}\n</document>"


def turns(request: Request) -> list[tuple[str, str]]:
    """The conversation as (role, text): every example with its answer, then the document."""
    spoken: list[tuple[str, str]] = []
    for example in request.examples:
        record = request.schema.adapt(example.record)
        spoken.append(("user", document_text(example.text)))
        spoken.append(("assistant", json.dumps(record, ensure_ascii=False)))
    spoken.append(("user", document_text("\n\n".join(part.text for part in request.parts))))
    return spoken


def _ending(request: Request) -> str:
    if request.form is ResponseFormat.TOOL:
        return f"Call the tool {TOOL} once, with the record, and write nothing else."
    if request.schema_in_prompt:
        schema = json.dumps(request.schema.schema, ensure_ascii=False)
        return f"Reply with one JSON value, and nothing else, that fits this JSON Schema:\n{schema}"
    if request.form in {ResponseFormat.JSON_OBJECT, ResponseFormat.TEXT}:
        return "Reply with one JSON object, and nothing else."
    return ""
