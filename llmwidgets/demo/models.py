"""The demo's models: rules of different care, and not an LLM behind any of them."""

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
    """What a model answers; a `refusal` is in place of the text."""

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

    def seconds(self, length: int) -> float:
        """How long an answer about a document of this length takes at least."""
        return min(0.12, self.base_seconds + self.seconds_per_1000 * length / 1000)

    def answer(self, prompt: Prompt, response_format: str = "text", sent: Any = None) -> DemoReply:
        """Answer a prompt; `sent` is the schema of response_format.

        Raises Disobeyed if no record can be made that obeys the schema.
        """
        schema = prompt.schema if sent is None else sent
        if schema is None:
            note = json.dumps({"note": _WHAT_THIS_IS})
            return DemoReply(note if response_format == "json_object" else _WHAT_THIS_IS)
        record = conform(schema, fill(schema, prompt.document, self.profile))
        text = json.dumps(record, ensure_ascii=False)
        if not self.fails or len(prompt.document) < _SHORT:
            return DemoReply(text)
        return _fail_sometimes(text, prompt.document)


def _fail_sometimes(text: str, document: str) -> DemoReply:
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

_Markers = tuple[re.Pattern[str], re.Pattern[str]]


def _compile(opening: str, closing: str) -> _Markers:
    return re.compile(opening, re.I | re.M), re.compile(closing, re.I | re.M)


_TAGS = ("document", "text", "doc", "input", "content")
_RULE = "[-=#*]{3,}+|\"{3}|'{3}|`{3,}+"
_MARKERS = (
    [_compile(rf"<{tag}\b[^<>]*+>\r?\n?", rf"</{tag}\s*+>") for tag in _TAGS],
    [_compile(r"(?<!<)<<<+[ \w]*+\n", r"\n[ \w]*+>>>+")],
    [_compile(r"^-{3,}+\s*+BEGIN[^\n]*\n", r"\n-{3,}+\s*+END[^\n]*$")],
    [_compile(rf"^(?:{_RULE}\w*+)[ \t]*+\n", rf"\n(?:{_RULE})[ \t]*+$")],
)
"""How a text may be marked, by openings and closings; of several alike the widest counts."""
_CHEVRONS = _MARKERS[1][0]
_SCHEMA_KEYS = frozenset({"properties", "$defs", "anyOf", "oneOf", "allOf", "items", "enum"})


@dataclass(frozen=True, slots=True)
class Prompt:
    """The document of the last user message, and the JSON Schema found outside it, or None."""

    document: str
    schema: dict[str, Any] | None


def read_prompt(messages: Sequence[Mapping[str, Any]]) -> Prompt:
    """Take document and schema out of chat messages, tolerant of how they are laid out."""
    by_user = [_content(message) for message in messages if message.get("role") == "user"]
    others = [_content(message) for message in messages if message.get("role") != "user"]
    last = by_user[-1] if by_user else ""
    document, rest = _between_markers(last)
    schemas = [schema for text in (*others, rest) for schema, _, _ in _find_schemas(text)]
    if document is None:
        document = last
        for _, start, end in reversed(list(_find_schemas(last))):
            document = document[:start] + document[end:]
    return Prompt(document.strip(), schemas[-1] if schemas else None)


def _content(message: Mapping[str, Any]) -> str:
    content = message.get("content")
    parts = [{"text": content}] if isinstance(content, str) else content
    texts = (
        part.get("text")
        for part in (parts if isinstance(parts, list) else ())
        if isinstance(part, Mapping)
    )
    return "\n".join(text for text in texts if isinstance(text, str))


def _between_markers(text: str) -> tuple[str | None, str]:
    """The text inside the first kind of markers that fits, and the rest."""
    for kind in _MARKERS:
        spans = (span for markers in kind for span in _find_spans(text, markers))
        start, inside, outside, end = max(
            spans, key=lambda span: span[2] - span[1], default=(0, 0, 0, 0)
        )
        # a rule or fence inside a document without markers is not a marker
        if end and (outside - inside) * 3 >= len(text):
            return text[inside:outside], text[:start] + text[end:]
    return None, text


def _find_spans(text: str, markers: _Markers) -> Iterator[tuple[int, int, int, int]]:
    """From the first opening to the last closing, so that no text between can end it.

    Chevrons are also put around each of several texts, so they close at the next closing.
    """
    opening, closing = markers
    first = opening.search(text)
    while first:
        closings = closing.finditer(text, first.end())
        last = next(closings if markers is _CHEVRONS else iter(deque(closings, 1)), None)
        if last is None:
            return
        yield *first.span(), *last.span()
        first = opening.search(text, last.end())


def _find_schemas(text: str) -> Iterator[tuple[dict[str, Any], int, int]]:
    decoder = json.JSONDecoder()
    position = text.find("{")
    while position >= 0:
        try:
            value, end = decoder.raw_decode(text, position)
        except json.JSONDecodeError as error:
            # What was read up to here is not JSON; it is not read again from each brace in it.
            end = max(error.pos, position + 1)
        except RecursionError:
            return
        else:
            if isinstance(value, dict) and _SCHEMA_KEYS & value.keys():
                yield value, position, end
        position = text.find("{", end)
