"""The demo's models: rules of different care, and no LLM behind any of them."""

from __future__ import annotations

import hashlib
import json
import re
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from llmwidgets.demo.conform import conform
from llmwidgets.demo.extractor import fill
from llmwidgets.demo.field import BRISK, CAREFUL, HASTY, QUICK, Profile

Finish = Literal["stop", "length"]
_WHAT_THIS_IS = (
    "This is a rule-based demo and no LLM: it fills the fields of a JSON Schema from a text. "
    "Send a schema in response_format, or write one into the prompt."
)
_SHORT = 200
_FAILS_ONE_IN = 5


@dataclass(frozen=True, slots=True)
class DemoReply:
    """What a model answers; `refusal` stands in place of the text."""

    text: str
    finish: Finish = "stop"
    refusal: str | None = None


@dataclass(frozen=True, slots=True)
class RuleModel:
    """Rules that answer as a chat model would.

    `fails` models break off, refuse or chat on about one text in five, always on the same ones;
    short texts never. `base_seconds` and `seconds_per_1000` characters are simulated latency.
    """

    name: str
    profile: Profile
    base_seconds: float
    seconds_per_1000: float
    fails: bool = False

    def seconds(self, prompt: Prompt) -> float:
        """How long an answer takes at least."""
        return min(0.12, self.base_seconds + self.seconds_per_1000 * len(prompt.document) / 1000)

    def say(self, prompt: Prompt, *, form: str, sent: Any = None) -> DemoReply:
        """Answer a prompt; `sent` is the schema of response_format.

        Raises Disobeyed where no record can be made that obeys the schema.
        """
        schema = prompt.schema if sent is None else sent
        if schema is None:
            note = json.dumps({"note": _WHAT_THIS_IS})
            return DemoReply(note if form == "json_object" else _WHAT_THIS_IS)
        record = conform(schema, fill(schema, prompt.document, self.profile))
        text = json.dumps(record, ensure_ascii=False)
        if not self.fails or len(prompt.document) < _SHORT:
            return DemoReply(text)
        return _perhaps_failed(text, prompt.document)


def _perhaps_failed(text: str, document: str) -> DemoReply:
    """The answer, or a failure chosen by a hash of the document, the same each time."""
    draw = int.from_bytes(hashlib.sha256(document.encode()).digest()[:4])
    if draw % _FAILS_ONE_IN:
        return DemoReply(text)
    match draw // _FAILS_ONE_IN % 3:
        case 0:
            return DemoReply(text[: len(text) * 2 // 3], finish="length")
        case 1:
            return DemoReply("", refusal="This demo model declines to answer some texts.")
        case _:
            return DemoReply(f"Here is what was found in the document: {text[1:-1]}")


MODELS: dict[str, RuleModel] = {
    model.name: model
    for model in (
        RuleModel("demo-careful", CAREFUL, 0.07, 0.04),
        RuleModel("demo-quick", QUICK, 0.03, 0.01),
        RuleModel("demo-hasty", HASTY, 0.015, 0.005),
        RuleModel("demo-flaky", BRISK, 0.045, 0.02, fails=True),
    )
}
"""The demo's models by the id a request names."""


# -- What a chat request asks: the document between its markers, and the schema if it is there.

_TAGS = ("document", "text", "doc", "input", "content")
_RULE = "[-=#*]{3,}+|\"{3}|'{3}|`{3,}+"
_WIDEST = (
    tuple(
        (re.compile(rf"<{tag}\b[^<>]*+>\r?\n?", re.I), re.compile(rf"</{tag}\s*+>", re.I))
        for tag in _TAGS
    ),
    ((re.compile(r"^-{3,}+\s*+BEGIN[^\n]*\n", re.I | re.M),
      re.compile(r"\n-{3,}+\s*+END[^\n]*$", re.I | re.M)),),
    ((re.compile(rf"^(?:{_RULE}\w*+)[ \t]*+\n", re.M),
      re.compile(rf"\n(?:{_RULE})[ \t]*+$", re.M)),),
)  # fmt: skip
"""Markers of which the first opens and the last closes, so that no text between can end it."""

_CHEVRONS = (re.compile(r"(?<!<)<<<+[ \w]*+\n"), re.compile(r"\n[ \w]*+>>>+"))
_Part = tuple[int, int, int, int]
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
    tags, begin, rule = _WIDEST
    for parts in (_widest(text, tags), _next(text), _widest(text, begin), _widest(text, rule)):
        start, inside, outside, end = max(
            parts, key=lambda part: part[2] - part[1], default=(0, 0, 0, 0)
        )
        # a rule or fence inside a document that has no markers is not a marker
        if end and (outside - inside) * 3 >= len(text):
            return text[inside:outside], text[:start] + text[end:]
    return None, text


def _widest(
    text: str, markers: Sequence[tuple[re.Pattern[str], re.Pattern[str]]]
) -> Iterator[_Part]:
    for opening, closing in markers:
        first = opening.search(text)
        last = deque(closing.finditer(text, first.end()), 1) if first else ()
        if first and last:
            yield first.start(), first.end(), last[0].start(), last[0].end()


def _next(text: str) -> Iterator[_Part]:
    """Between chevrons: each opening with the closing that comes next."""
    opening, closing = _CHEVRONS
    first = opening.search(text)
    while first and (last := closing.search(text, first.end())):
        yield first.start(), first.end(), last.start(), last.end()
        first = opening.search(text, last.end())


def _schemas(text: str) -> Iterator[tuple[dict[str, Any], int, int]]:
    decoder = json.JSONDecoder()
    position = text.find("{")
    while position >= 0:
        try:
            value, end = decoder.raw_decode(text, position)
        except json.JSONDecodeError as error:
            # What was read up to here is no JSON; it is not read again from each brace in it.
            end = max(error.pos, position + 1)
        except RecursionError:
            return
        else:
            if isinstance(value, dict) and _SCHEMA_KEYS & value.keys():
                yield value, position, end
        position = text.find("{", end)


def _without_schemas(text: str) -> str:
    for _, start, end in reversed(list(_schemas(text))):
        text = text[:start] + text[end:]
    return text
