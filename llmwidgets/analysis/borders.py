"""Borders: where a word or a number begins and ends, by the script it is written in."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

_UNSPACED = re.compile(
    "[\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u19e0-\u19ff\u1a20-\u1aaf\u3005-\u3007\u3040-\u30ff"
    "\u31f0-\u31ff\u3400-\u4dbf\u4e00-\u9fff\ua9e0-\ua9ff\uaa60-\uaa7f\uf900-\ufaff\uff66-\uff9f"
    "\U00020000-\U0003ffff]"
)
"""Letters of scripts that write no space between words: Thai, Lao, Burmese, Khmer, Han, kana."""

_LEANS_BACK = frozenset("ーっッぁぃぅぇぉァィゥェォゃゅょャュョ々ะาำະາຳ")
"""Belongs to the letter before it, as a combining mark does."""

_LEANS_ON = frozenset("เแโใไເແໂໃໄ\u17d2\u1039\u094d")
"""Belongs to the letter that follows: vowels written first, and signs that stack letters."""

_POINTS = frozenset(".,'’٫٬．，")
_SIGNS = frozenset("-−–－﹣")
_GRADED = re.compile(r"(?<![^\W_])[A-Z]{1,3}$")
"""A grade, blood group or language, whose sign is part of it: BBB-, O+, C#."""

_PARTICLES = """
    입니다 이었습니다 이라고 이라는 이지만 이면서 이므로 이다 이며 이고 이나 이랑 이란 이라 이든
    은 는 이 가 을 를 의 에게서 에게 에서 에 께서 께 한테 으로부터 부터 까지 으로서 로서 으로써
    로써 으로 로 와 과 랑 도 만 마다 밖에 보다 처럼 같은 조차 라는 라고 라 며 고 든 나 들 님 씨
    군 양 및 였다 이었다 였습니다 아 야
"""
_PARTICLE = re.compile(f"(?:{'|'.join(sorted(_PARTICLES.split(), key=len, reverse=True))}){{1,3}}")
_LONGEST_PARTICLES, _OVERLAPS = 12, 8


def is_unspaced(letter: str) -> bool:
    """Whether a letter is of a script that writes no space between words.

    >>> is_unspaced("京"), is_unspaced("k")
    (True, False)
    """
    return letter > "\u0dff" and _UNSPACED.match(letter) is not None


def is_hangul(letter: str) -> bool:
    """Whether a letter is a Korean syllable, whose words take particles without a space."""
    return "\uac00" <= letter <= "\ud7a3"


def alone(text: str, start: int, end: int) -> bool:
    """Whether a passage is not part of a longer word or number.

    >>> alone("Adam", 0, 3), alone("担当は田中さん", 3, 5), alone("서울에서", 0, 2)
    (False, True, True)
    """
    if joined(text, start):
        return False
    return not joined(text, end) or _before_particles(text, end)


def places(text: str, wanted: str) -> Iterator[int]:
    """Where `wanted` stands; of many places that overlap only the first and the last ones."""
    start, over = text.find(wanted), 0
    while start >= 0:
        yield start
        following = text.find(wanted, start + 1)
        step = following - start
        over = over + 1 if 0 < step < len(wanted) else 0
        if over == _OVERLAPS:
            # The same few letters again and again: one place in the middle is like another.
            end = following + _same(text, start, following)
            following = text.find(wanted, max(following, end - len(wanted) - step))
            over = 0
        start = following


def _same(text: str, one: int, other: int) -> int:
    """How many characters from two places on are the same."""
    low, high = 0, len(text) - other
    while low < high:
        middle = (low + high + 1) // 2
        same = text[one + low : one + middle] == text[other + low : other + middle]
        low, high = (middle, high) if same else (low, middle - 1)
    return low


def joined(text: str, at: int) -> bool:
    """Whether the characters on both sides of a place belong to one word or number."""
    if at <= 0 or at >= len(text):
        return False
    before, after = text[at - 1], text[at]
    if before.isalnum() and after.isalnum():
        return _one_word(before, after)
    if before.isspace() or after.isspace():
        return False
    if not (before.isascii() and after.isascii()) and _leans(before, after):
        return True
    return _in_number(text, at, before, after) or _sign_of_grade(text, at, after)


def _one_word(before: str, after: str) -> bool:
    if before.isascii() and after.isascii():
        return True
    if before.isdecimal() and after.isdecimal():
        return True
    if after in _LEANS_BACK or before in _LEANS_ON:
        return not (before.isdecimal() or after.isdecimal())
    if is_unspaced(before) or is_unspaced(after):
        return False
    return is_hangul(before) == is_hangul(after)


def _leans(before: str, after: str) -> bool:
    """Whether a mark (an accent, a vowel sign) belongs to the letter beside it."""
    return unicodedata.category(after)[0] == "M" or (before in _LEANS_ON and after.isalpha())


def _in_number(text: str, at: int, before: str, after: str) -> bool:
    if before.isdigit() and after in _POINTS:
        return text[at + 1 : at + 2].isdigit()
    if not after.isdigit():
        return False
    far = text[at - 2] if at >= 2 else " "
    if before in _POINTS:
        return far.isdigit()
    return before in _SIGNS and not (far.isalnum() or far in ")]")


def _sign_of_grade(text: str, at: int, after: str) -> bool:
    if after not in "+#-−" or text[at + 1 : at + 2].isalnum():
        return False
    return _GRADED.search(text, max(0, at - 4), at) is not None


def _before_particles(text: str, at: int) -> bool:
    """Whether only particles follow up to the end of a Korean word."""
    if not (is_hangul(text[at - 1]) and is_hangul(text[at])):
        return False
    end = at
    while end < len(text) and is_hangul(text[end]):
        end += 1
        if end - at > _LONGEST_PARTICLES:
            return False
    return _PARTICLE.fullmatch(text, at, end) is not None
