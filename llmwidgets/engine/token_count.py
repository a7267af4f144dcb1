"""How many tokens a question is likely to have, by its characters; no tokenizer is loaded.

The rule: four characters of Latin text are a token, and one of Chinese, Japanese or Korean. The
real number lies between 0.75 and 1.5 times that, for tables, code and other languages too.
"""

from __future__ import annotations

import json
import re
from typing import NamedTuple

from llmwidgets.engine import defaults
from llmwidgets.engine.plan import Text
from llmwidgets.engine.request_builder import Manner

_WIDE = re.compile("[ᄀ-ᇿ⺀-鿿가-힯豈-﫿︰-﹏\U00020000-\U0003ffff]")
_LOW, _HIGH = 0.75, 1.5
_AROUND = 40


class Tokens(NamedTuple):
    """A number of tokens: likely, at least, at most."""

    likely: int
    low: int
    high: int


def count(text: str) -> int:
    """The likely number of tokens of a text."""
    wide = sum(1 for _ in _WIDE.finditer(text))
    return wide + (len(text) - wide + 3) // 4


def tokens_in(manner: Manner, text: Text) -> Tokens:
    """Tokens of the whole question: instructions, schema, examples and document."""
    likely = overhead(manner) + count(text.text)
    return Tokens(likely, int(likely * _LOW), int(likely * _HIGH) + 1)


def output_limit(manner: Manner, text: Text) -> int:
    """The most tokens of the answer to this text: no more than the window leaves beside it.

    Where the estimate leaves nothing, the server tells: by its own count it may fit.
    """
    if manner.window is None:
        return manner.max_output_tokens
    asked = tokens_in(manner, text)
    usual = defaults.OUTPUT_TOKENS + defaults.OUTPUT_TOKENS_PER_FIELD * len(manner.schema.leaves)
    room = max(manner.window - asked.high, min(usual, manner.window - asked.likely))
    return max(1, min(manner.max_output_tokens, max(room, _least_out(manner))))


def overhead(manner: Manner) -> int:
    """Tokens of what goes along with every document of this column and schema."""
    # The schema is counted once: as the form, or in the prompt.
    column = manner.column
    shown = sum(count(each.text) + count(str(each.record)) for each in column.examples)
    schema = count(json.dumps(manner.compiled.schema, ensure_ascii=False))
    return _AROUND + count(column.instructions) + schema + shown


def tokens_out(manner: Manner) -> Tokens:
    """Tokens of the answer: its keys and values, and the thinking where that stays on."""
    fields = len(manner.schema.leaves)
    likely = 20 + 14 * fields
    low, high = _least_out(manner), min(manner.max_output_tokens, 60 + 60 * fields)
    if manner.thinking:
        high = min(manner.max_output_tokens, high + 4000)
    if manner.settings.thinking:
        likely += 800
    return Tokens(min(likely, high), min(low, high), high)


def _least_out(manner: Manner) -> int:
    return 10 + 6 * len(manner.schema.leaves)
