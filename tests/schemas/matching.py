"""A text that matches a pattern, for the kinds of pattern that real schemas hold."""

from __future__ import annotations

import random
import re
import warnings
from functools import lru_cache
from re import _constants as kinds  # type: ignore[attr-defined]
from re import _parser  # type: ignore[attr-defined]

_OF_CATEGORY = {
    kinds.CATEGORY_DIGIT: "0123456789", kinds.CATEGORY_WORD: "abcXYZ019_",
    kinds.CATEGORY_SPACE: " ", kinds.CATEGORY_NOT_DIGIT: "abc", kinds.CATEGORY_NOT_WORD: "-",
    kinds.CATEGORY_NOT_SPACE: "abc019",
}  # fmt: skip
_ANY = "abcdefgABC0123456789-_./: "


def text_for(pattern: str, choose: random.Random, length: int = 0) -> str:
    """A text for the pattern, of at least that length where repetition allows; else "x"."""
    try:
        parsed = _parse(pattern)
    except re.error:
        return "x"
    more = 0
    while True:
        text = "".join(_make(each, choose, more) for each in parsed)
        if len(text) >= length or more > length:
            return text
        more += 1 + length // 3


@lru_cache(maxsize=256)
def _parse(pattern: str) -> list[tuple]:
    # Sets that later versions of Python may read otherwise are warned of.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return list(_parser.parse(pattern.replace(r"\p{L}", "a")))


def _make(part: tuple, choose: random.Random, more: int) -> str:
    kind, value = part
    if kind is kinds.LITERAL:
        return chr(value)
    if kind is kinds.ANY:
        return choose.choice(_ANY)
    if kind is kinds.NOT_LITERAL:
        return choose.choice([each for each in _ANY if ord(each) != value])
    if kind is kinds.IN:
        return choose.choice(_listed(value))
    if kind in {kinds.MAX_REPEAT, kinds.MIN_REPEAT}:
        low, high, inner = value
        times = min(int(high), max(low, low + more if more else low + choose.randint(0, 1)))
        return "".join(_make(each, choose, 0) for _ in range(times) for each in inner)
    if kind is kinds.BRANCH:
        return "".join(_make(each, choose, more) for each in choose.choice(value[1]))
    if kind is kinds.SUBPATTERN:
        return "".join(_make(each, choose, more) for each in value[3])
    return ""


def _listed(value: list[tuple]) -> str:
    chars = ""
    for kind, each in value:
        if kind is kinds.LITERAL:
            chars += chr(each)
        elif kind is kinds.RANGE:
            chars += "".join(map(chr, range(each[0], min(each[1], each[0] + 60) + 1)))
        elif kind is kinds.CATEGORY:
            chars += _OF_CATEGORY[each]
    if value[0][0] is kinds.NEGATE:
        return "".join(each for each in _ANY if each not in chars) or "~"
    return chars
