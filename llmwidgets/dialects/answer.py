"""The answer in what a model wrote, apart from thinking left in and from words around it.

A server with the right reasoning parser takes the thinking out; others leave it in, between the
marks below. Nothing between them is ever an answer, whatever it looks like.
"""

from __future__ import annotations

import json
import re

from llmwidgets.dialects.response_body import skip_blanks
from llmwidgets.errors import InvalidJSON
from llmwidgets.schemas import parse_json

_HEADER = r"(?:<\|start\|>\s*+assistant\s*+)?<\|channel\|>\s*+"
_HEADER_END = r"[^<]{0,80}(?:<\|constrain\|>[^<]{0,40})?<\|message\|>"
_FINAL = rf"{_HEADER}final{_HEADER_END}"
_CHANNELS = "<|channel|>analysis"

_TAGS = (
    "think", "thinking", "thought", "thoughts", "thought_process", "reasoning", "reasoning_content",
    "reflection", "scratchpad", "analysis", "seed:think",
)  # fmt: skip

_MARKS = (
    *((f"<{tag}>", rf"<\|?{tag}\|?(?:\s[^<>]{{0,80}})?>", rf"<\|?/{tag}\|?>") for tag in _TAGS),
    ("[THINK]", r"\[THINK\]", r"\[/THINK\]"),
    ("◁think▷", r"◁think▷", r"◁/think▷"),
    ("<unused94>", r"<unused94>", r"<unused95>"),
    ("<|begin_of_thought|>", r"<\|begin_of_thought\|>", r"<\|end_of_thought\|>"),
    ("<|START_THINKING|>", r"<\|START_THINKING\|>", r"<\|END_THINKING\|>"),
    ("<|channel>thought", r"<\|channel>thought", r"<channel\|>"),
    ("my thought process:", r"Here(?:'s| is) my thought process:", r"Here(?:'s| is) my response:"),
    (
        _CHANNELS,
        rf"{_HEADER}(?:analysis|commentary){_HEADER_END}",
        r"<\|end\|>|(?=<\|start\|>|<\|channel\|>)",
    ),
)
"""Each kind of thinking: what it is called here, how it begins and how it ends."""

_CLOSINGS = (
    *((name, end) for name, _, end in _MARKS if name != _CHANNELS),
    # Where the special tokens were taken out, two words are left of the header.
    (_CHANNELS, rf"{_FINAL}|assistantfinal(?:\s*+json)?(?=\s*+[{{\[`])"),
)
"""What ends thinking whose beginning was in the prompt: a template that opens it is common."""

_BEGINNINGS = (
    _FINAL, r"<answer>", r"<\|begin_of_solution\|>", r"<\|START_RESPONSE\|>", r"<\|begin_of_box\|>",
    r"<\|im_start\|>assistant", r"<\|start_header_id\|>assistant<\|end_header_id\|>", r"<s>",
)  # fmt: skip
_ENDS = (
    "</answer>", "<|end_of_solution|>", "<|END_RESPONSE|>", "<|end_of_box|>", "<|im_end|>",
    "<|eot_id|>", "<|eom_id|>", "<|end|>", "<|return|>", "<|endoftext|>", "<|end_of_text|>",
    "<|END_OF_TURN_TOKEN|>", "<end_of_turn>", "<turn|>", "<eos>", "</s>", "<｜end▁of▁sentence｜>",
)  # fmt: skip
"""What a chat template writes around an answer, and a server that does not know it leaves in."""
_MOST_ENDS = 4

_HINTS = ("<", "THINK]", "think]", "◁", "assistantfinal", "my thought", "my response:")
"""Each mark has one of these: most replies have none, and are not looked at again."""

_LONGEST = 1_000_000
"""A longer reply is longer than any model's output: it is not searched, which would take long."""

_FLAGS = re.IGNORECASE
_BLOCKS = tuple((name, re.compile(at, _FLAGS), re.compile(end, _FLAGS)) for name, at, end in _MARKS)
_OPENING = re.compile("|".join(f"({each})" for _, each, _ in _MARKS), _FLAGS)
_CLOSING = re.compile("|".join(f"({each})" for _, each in _CLOSINGS), _FLAGS)
_BEGINNING = re.compile("|".join(_BEGINNINGS), _FLAGS)
_FENCE = "```"
_JSON = ("{", "[", _FENCE)
_FENCES = re.compile(r"`{3,}|~{3,}")
_LABEL = re.compile(r"[^\S\n]*+[\w.+-]*+\s*+")


def separate_thinking(text: str) -> tuple[str, str]:
    """The answer without thinking and template tokens, and the mark that hides one, if any does.

    The mark is named if nothing but thinking was written, or if it cannot be told apart.

    >>> separate_thinking('[THINK]{"a": 1}? No.[/THINK]{"a": 2}')
    ('{"a": 2}', '')
    >>> separate_thinking('<think>{"a": 1}')
    ('', '<think>')
    """
    if len(text) > _LONGEST or not any(hint in text for hint in _HINTS):
        return text, ""
    text = _without_ends(text)
    begin, mark = _after_blocks(text, 0)
    # A mark inside the strings of an answer is a value.
    value_end = _end_of_value(text, begin)
    after = len(text) if value_end is None else value_end
    closings = list(_CLOSING.finditer(text, after))
    if closings:
        # Behind the first one, or behind the last one if the thinking has such a mark itself.
        rest, end = _after_blocks(text, closings[0].end())[0], None
        if text.startswith(_JSON, rest) and (end := _end_of_value(text, rest)) is not None:
            end = skip_blanks(text, end)
        if end != len(text):
            rest = _after_blocks(text, closings[-1].end())[0]
        if rest < len(text):
            return text[rest:], ""
        # What came before thinking that nothing follows is not known to be the answer.
        return "" if value_end == begin else text[begin:], _name(closings[-1], _CLOSINGS)
    opening = _OPENING.search(text, after)
    if opening is None:
        return text[begin:], "" if begin < len(text) else mark
    end = opening.start() if value_end == begin else len(text)
    return text[begin:end], _name(opening, _MARKS)


def _name(found: re.Match[str], rows: tuple[tuple[str, ...], ...]) -> str:
    return rows[(found.lastindex or 1) - 1][0]


def _without_ends(text: str) -> str:
    for _ in range(_MOST_ENDS):
        bare = text.rstrip()
        end = next((each for each in _ENDS if bare.endswith(each)), None)
        if end is None:
            break
        text = bare.removesuffix(end)
    return text


def _after_blocks(text: str, begin: int) -> tuple[int, str]:
    """Where the thinking that begins here is over, and the mark of its last block."""
    mark = ""
    while True:
        begin = skip_blanks(text, begin)
        if around := _BEGINNING.match(text, begin):
            begin = around.end()
            continue
        for name, opening, closing in _BLOCKS:
            if opened := opening.match(text, begin):
                closed = closing.search(text, opened.end())
                begin, mark = closed.end() if closed else len(text), name
                break
        else:
            return begin, mark


def _end_of_value(text: str, begin: int) -> int | None:
    """Where the JSON or fenced block that begins here ends; `begin` without one, None if cut."""
    if text.startswith(_FENCE, begin):
        end = text.find(_FENCE, begin + len(_FENCE))
        return None if end < 0 else end + len(_FENCE)
    if not text.startswith(("{", "["), begin):
        return begin
    try:
        return json.JSONDecoder().raw_decode(text, begin)[1]
    except (ValueError, RecursionError):
        return None


def fenced_block(text: str) -> str | None:
    """What is in the one fenced block of a prose that has no other JSON; None without such a block.

    >>> fenced_block('Here it is: ```json\\n{"a": 1}\\n``` Anything else?')
    '{"a": 1}'
    """
    fences = list(_FENCES.finditer(text))
    if len(fences) < 2:
        return None
    (start, begin), (end, after) = fences[0].span(), fences[-1].span()
    block, prose = _LABEL.sub("", text[begin:end], count=1).strip(), text[:start] + text[after:]
    # A draft outside the block makes it unsure which is meant, and so do two blocks.
    if block[:1] not in ("{", "[") or block[:1] in prose or _OPENING.search(prose):
        return None
    try:
        parse_json(block)
    except InvalidJSON:
        return None
    return block
