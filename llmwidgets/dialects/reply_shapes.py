"""What a model said, in every shape that servers hand it on in, and the word for how it ended."""

from __future__ import annotations

import json
import re
from typing import Any

from llmwidgets.dialects.error_body import dicts, read_path
from llmwidgets.dialects.types import Ending

# -- What was said: a text, its parts, or JSON that the server has parsed already.

_SPOKEN = frozenset({"text", "output_text", "input_text"})
_SILENT = frozenset({"thinking", "redacted_thinking", "reasoning", "tool_use", "tool_call"})
_PARTS = _SPOKEN | _SILENT | {"refusal"}
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|(-?)Infinity')


def read_content(content: Any) -> tuple[str, str]:
    """The words of an answer, and those of a refusal among its parts.

    What is not a text and has no parts is a record that the server parsed: it is spelled again.

    >>> read_content([{"type": "thinking", "thinking": "Hm."}, {"type": "text", "text": "{}"}])
    ('{}', '')
    >>> read_content({"total": 12.5})
    ('{"total": 12.5}', '')
    """
    if content is None or isinstance(content, str):
        return content or "", ""
    one = isinstance(content, dict) and content.get("type") in _SPOKEN and "text" in content
    parts = [content] if one else content
    if not isinstance(parts, list) or (parts and not any(map(_is_part, parts))):
        return spell_json(content), ""
    refused = [str(part.get("refusal") or "") for part in dicts(parts)]
    return "".join(map(_words, parts)), "".join(refused)


def _is_part(part: Any) -> bool:
    if not isinstance(part, dict):
        return isinstance(part, str)
    kind = part.get("type")
    return kind.lower() in _PARTS if isinstance(kind, str) else part.keys() == {"text"}


def _words(part: Any) -> str:
    if isinstance(part, str):
        return part
    spoken = isinstance(part, dict) and str(part.get("type", "text")).lower() in _SPOKEN
    text = part.get("text", part.get("content")) if spoken else ""
    # Some wrap the words once more.
    text = read_path(text, "value") if isinstance(text, dict) else text
    return text if isinstance(text, str) else ""


def spell_json(value: Any) -> str:
    """A parsed value as the text that it was; a number beyond any stays one.

    >>> spell_json({"total": float("inf"), "name": "Infinity"})
    '{"total": 1e999, "name": "Infinity"}'
    """
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False)
    except ValueError:
        spelled = json.dumps(value, ensure_ascii=False)
        return _TOKEN.sub(lambda each: each[0] if each[1] is None else f"{each[1]}1e999", spelled)


def read_call(name: Any, arguments: Any, *, offered: bool = False) -> tuple[str, str]:
    """The record that a model handed to a tool, as text; and what to say of a tool of its own."""
    text = arguments if isinstance(arguments, str) else spell_json(arguments)
    return text, "" if offered else _UNASKED.format(str(name)[:_LONGEST_NAME])


def may_be_record(said: str) -> bool:
    """Whether what was said beside a call of a tool can be the answer: it has JSON in it."""
    return "{" in said or "[" in said


_UNASKED = (
    "The model called a tool that was not offered ({}) instead of answering: what it handed over"
    " was read as its answer."
)
_LONGEST_NAME = 60


# -- How it ended: gateways hand on the words of the format behind them, in any spelling.

_WORDS: dict[Ending, str] = {
    "truncated": (
        "length max_tokens max_output_tokens max_completion_tokens max_new_tokens token_limit"
        " model_length model_context_window_exceeded pause_turn continuation incomplete max_length"
        " max_output output_limit length_limit length_limit_reached"
    ),
    "filtered": (
        "content_filter content_filtered guardrail_intervened safety recitation blocklist"
        " prohibited_content spii model_armor image_safety image_prohibited_content"
        " image_recitation sensitive"
    ),
    "refused": "refusal",
    "complete": "stop tool_calls function_call eos eos_token stop_sequence end_turn tool_use",
}
_NO_LETTER = re.compile(r"[^a-z]+")
_ENDINGS = {
    _NO_LETTER.sub("", word): ending for ending, words in _WORDS.items() for word in words.split()
}


def name_ending(word: Any) -> str:
    """What to say of an empty answer that ended with a word which no format has."""
    known = not isinstance(word, str) or not word or read_ending(word)
    return "" if known else f"The server ended it with {word[:_LONGEST_NAME]}."


def read_ending(word: Any) -> Ending | None:
    """How an answer ended by the server's word for it; None if the word does not tell.

    >>> read_ending("MAX_TOKENS"), read_ending("contentFilter"), read_ending("STOP")
    ('truncated', 'filtered', 'complete')
    >>> read_ending("FinishReason.LENGTH"), read_ending(None)
    ('truncated', None)
    """
    letters = _NO_LETTER.sub("", word.lower()) if isinstance(word, str) else ""
    return _ENDINGS.get(letters.removeprefix("finishreason"))
