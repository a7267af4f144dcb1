"""Letters: one writing for what differs only in how it is typed, by the rules of each script."""

from __future__ import annotations

import re
import unicodedata
from functools import lru_cache

_SAME = {
    "\u2018": "'", "\u2019": "'", "\u201b": "'", "\u02bc": "'", "\u2032": "'", "\u00b4": "'",
    "\u2033": '"',
    "\u2212": "-", "\ufe63": "-", "\u3000": " ", "\u066a": "%", "\u066b": ".", "\u066c": ",",
    "\u060c": ",", "\u3001": ",", "\u2044": "/", "\u2215": "/", "\u2236": ":", "\u00d7": "x",
    "\u301c": "~", "\uffe5": "\u00a5", "\uffe1": "\u00a3", "\uffe0": "\u00a2", "\uffe6": "\u20a9",
}  # fmt: skip
_LATIN = {
    "ł": "l", "ø": "o", "đ": "d", "ħ": "h", "ŧ": "t", "ı": "i", "ð": "d", "þ": "th", "æ": "ae",
    "œ": "oe", "ɖ": "d", "ƀ": "b", "ɨ": "i", "ŀ": "l", "ŋ": "n",
}  # fmt: skip
_SPELLED_OUT = {"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa"}
_UMLAUTS = {ord(form): out for each, out in _SPELLED_OUT.items() for form in (each, each.upper())}
_UNTAGGED = ("<wide>", "<narrow>", "<small>", "<square>", "<compat>", "<sub>", "<super>")
_VOWELS = frozenset("аеиоуыэюяіє")


class _Table(dict[int, str]):
    """Each character's even writing, found out once."""

    def __missing__(self, code: int) -> str:
        self[code] = even = _even(chr(code))
        return even


def _even(each: str) -> str:
    if "\uff01" <= each <= "\uff5e":
        return chr(ord(each) - 0xFEE0)
    if each in _SAME:
        return _SAME[each]
    if each.isdecimal():
        return str(unicodedata.decimal(each))
    return "-" if unicodedata.category(each) == "Pd" else each


_EVEN = _Table()
_FOREIGN = re.compile("[^\\x00-\\x7f]+")


def _evened(found: re.Match[str]) -> str:
    return found.group().translate(_EVEN)


def evened(text: str) -> str:
    """The text with one dash, one apostrophe and ASCII digits, character for character.

    >>> evened("１２–１５ ٪")
    '12-15 %'
    """
    return _FOREIGN.sub(_evened, text)


def spelled_out(text: str) -> str | None:
    """The text with umlauts as two letters (Mueller); None where it has none."""
    composed = unicodedata.normalize("NFC", text)
    out = composed.translate(_UMLAUTS)
    return None if out == composed else out


def drops_marks(base: str) -> bool:
    """Whether accents on this letter carry no meaning: Latin and Greek."""
    code = ord(base)
    return code < 0x0400 or 0x1E00 <= code < 0x2000 or 0xA720 <= code < 0xA800


@lru_cache(maxsize=8192)
def folded(each: str) -> str:
    """A letter, digit or symbol without case, and without accents where its script allows."""
    if unicodedata.category(each)[0] == "S":
        tag = unicodedata.decomposition(each).partition(" ")[0]
        even = unicodedata.normalize("NFKC", each) if tag in _UNTAGGED else each
        return _COMPARED.get(even, even).casefold()
    parts = unicodedata.normalize("NFKD", each.casefold())
    if drops_marks(parts[0]):
        bare = "".join(mark for mark in parts if not unicodedata.combining(mark))
        return "".join(_LATIN.get(mark, mark) for mark in bare).casefold()
    if each in "ёЁ":
        return "е"
    whole = unicodedata.normalize("NFKC", each).casefold()
    return "".join(mark for mark in whole if not is_vowel_mark(mark))


class _Folds(dict[int, str]):
    """Each letter folded, and `ALONE` for what must be looked at beside the one before."""

    def __missing__(self, code: int) -> str:
        each = chr(code)
        self[code] = out = (
            ALONE if joins(each) or unicodedata.category(each) == "No" else folded(each)
        )
        return out


ALONE = "\0"
_FOLDS = _Folds()


def folded_word(word: str) -> str:
    """The letters of a word folded, `ALONE` in place of those that join the one before."""
    return word.translate(_FOLDS)


def joins(each: str) -> bool:
    """Whether a letter is part of the one before: a sound mark of Japanese, a vowel of Korean."""
    return each in "\uff9e\uff9f" or "\u1160" <= each <= "\u11ff"


_COMPARED = {"≥": ">=", "≤": "<=", "≠": "!=", "≧": ">=", "≦": "<=", "−": "-"}


def is_vowel_mark(mark: str) -> bool:
    """Whether a mark is one of those that Arabic and Hebrew may leave out."""
    return (
        "\u064b" <= mark <= "\u0652"
        or mark in "\u0640\u0670"
        or "\u0656" <= mark <= "\u065f"
        or "\u06d6" <= mark <= "\u06ed"
        or ("\u0591" <= mark <= "\u05c7" and unicodedata.category(mark) == "Mn")
    )


def with_mark(base: str, mark: str) -> str:
    """A folded character and a mark behind it, as one: the mark dropped where it says nothing.

    >>> with_mark("e", "\\u0301"), with_mark("и", "\\u0306"), with_mark("=", "\\u0338")
    ('e', 'й', '!=')
    """
    if not base or is_vowel_mark(mark) or "\ufe00" <= mark <= "\ufe0f":
        return base
    whole = unicodedata.normalize("NFC", base + mark)
    if len(whole) == 1 and not whole.isalpha():
        return folded(whole)
    if base.isalnum() and drops_marks(base):
        return base
    if mark in "\u0300\u0301" and base in _VOWELS:
        return base
    return folded(whole) if len(whole) == 1 else base + mark
