"""Scripts: how writing systems spell letters, join words and numbers, and mark decimals."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
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
    """What each character becomes in `str.translate`, computed once."""

    def __init__(self, convert: Callable[[str], str]) -> None:
        self._convert = convert

    def __missing__(self, code: int) -> str:
        self[code] = out = self._convert(chr(code))
        return out


def _even(each: str) -> str:
    if "\uff01" <= each <= "\uff5e":
        return chr(ord(each) - 0xFEE0)
    if each in _SAME:
        return _SAME[each]
    if each.isdecimal():
        return str(unicodedata.decimal(each))
    return "-" if unicodedata.category(each) == "Pd" else each


_EVEN = _Table(_even)
_FOREIGN = re.compile("[^\\x00-\\x7f]+")


def evened(text: str) -> str:
    """The text with one dash, one apostrophe and ASCII digits, character for character.

    >>> evened("１２–１５ ٪")
    '12-15 %'
    """
    return _FOREIGN.sub(lambda match: match.group().translate(_EVEN), text)


def spelled_out(text: str) -> str | None:
    """The text with umlauts as two letters (Mueller); None if it has none."""
    composed = unicodedata.normalize("NFC", text)
    out = composed.translate(_UMLAUTS)
    return None if out == composed else out


def drops_marks(base: str) -> bool:
    """Whether accents on this letter carry no meaning: Latin and Greek."""
    code = ord(base)
    return code < 0x0400 or 0x1E00 <= code < 0x2000 or 0xA720 <= code < 0xA800


@lru_cache(maxsize=8192)
def folded(each: str) -> str:
    """A letter, digit or symbol without case, and without accents if its script allows."""
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
    return _VOWEL_MARK.sub("", whole)


ALONE = "\0"
"""In place of what must be looked at together with the letter before."""

_FOLDS = _Table(
    lambda each: ALONE if joins(each) or unicodedata.category(each) == "No" else folded(each)
)


def folded_word(word: str) -> str:
    """The letters of a word folded, `ALONE` in place of those that join the one before."""
    return word.translate(_FOLDS)


def joins(each: str) -> bool:
    """Whether a letter is part of the one before: a sound mark of Japanese, a vowel of Korean."""
    return each in "\uff9e\uff9f" or "\u1160" <= each <= "\u11ff"


_COMPARED = {"≥": ">=", "≤": "<=", "≠": "!=", "≧": ">=", "≦": "<=", "−": "-"}


_VOWEL_MARK = re.compile(
    "[\u0591-\u05bd\u05bf\u05c1\u05c2\u05c4\u05c5\u05c7\u0640\u064b-\u0652\u0656-\u065f\u0670\u06d6-\u06ed]"
)
"""Marks that Arabic and Hebrew may leave out."""


def with_mark(base: str, mark: str) -> str:
    """A folded character and a mark behind it, as one: the mark is dropped if it means nothing.

    >>> with_mark("e", "\\u0301"), with_mark("и", "\\u0306"), with_mark("=", "\\u0338")
    ('e', 'й', '!=')
    """
    if not base or _VOWEL_MARK.match(mark) or "\ufe00" <= mark <= "\ufe0f":
        return base
    whole = unicodedata.normalize("NFC", base + mark)
    if len(whole) == 1 and not whole.isalpha():
        return folded(whole)
    if base.isalnum() and drops_marks(base):
        return base
    if mark in "\u0300\u0301" and base in _VOWELS:
        return base
    return folded(whole) if len(whole) == 1 else base + mark


# -- where a word or a number begins and ends ------------------------------------------------------

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

_PARTICLE = """
    입니다 이었습니다 이라고 이라는 이지만 이면서 이므로 이다 이며 이고 이나 이랑 이란 이라 이든
    은 는 이 가 을 를 의 에게서 에게 에서 에 께서 께 한테 으로부터 부터 까지 으로서 로서 으로써
    로써 으로 로 와 과 랑 도 만 마다 밖에 보다 처럼 같은 조차 라는 라고 라 며 고 든 나 들 님 씨
    군 양 및 였다 이었다 였습니다 아 야
"""
_PARTICLES = re.compile(rf"(?:{'|'.join(_PARTICLE.split())}){{1,3}}(?![\uac00-\ud7a3])")
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
    """Where `wanted` occurs; of many places that overlap only the first and the last ones."""
    start, over = text.find(wanted), 0
    while start >= 0:
        yield start
        following = text.find(wanted, start + 1)
        step = following - start
        over = over + 1 if 0 < step < len(wanted) else 0
        if over == _OVERLAPS:
            # The same few letters again and again: one place in the middle is like another.
            end = following + common_prefix(text, text, start, following)
            following = text.find(wanted, max(following, end - len(wanted) - step))
            over = 0
        start = following


def common_prefix(one: str, other: str, i: int = 0, j: int = 0) -> int:
    """How many characters of two texts, from these places on, are the same."""
    low, high = 0, min(len(one) - i, len(other) - j)
    while low < high:
        middle = (low + high + 1) // 2
        same = one[i + low : i + middle] == other[j + low : j + middle]
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
    # A mark (an accent, a vowel sign) belongs to the letter next to it.
    if unicodedata.category(after)[0] == "M" or (before in _LEANS_ON and after.isalpha()):
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
    particles = _PARTICLES.match(text, at) if is_hangul(text[at - 1]) else None
    return particles is not None and particles.end() - at <= _LONGEST_PARTICLES


# -- which mark a text writes before decimals ------------------------------------------------------

_LOOKED_AT = 50_000
_SURE, _HINT = 3, 1
_LETTERS = re.compile(r"[^\W\d_]+")
_GROUPED = re.compile(r"\d{1,3}([.,])\d{3}(?:\1\d{3})+|\d{1,2},\d\d(?:,\d\d)*,\d{3}")
_POINT = """
    the of and to is for with by at from this that which are was has have will be total due
    amount invoice your our we you it between an on not
"""
_COMMA = """
    der das und ist mit für von den dem ein eine einen im am zum zur auf nicht sind hat wird
    wurde die betrag preis gesamt summe rechnung zzgl inkl stück einwohner le les des du et est
    pour avec dans une un sur au aux par sont prix montant facture habitants el los las y con
    por para del una es son importe precio factura il della che per gli sono importo prezzo
    fattura os do da dos com uma não são valor preço fatura het een van voor met bij zijn bedrag
    prijs totaal factuur na jest się dla nie kwota cena je pro částka och att är för på ett som
    belopp pris og til ikke beløb beløp ve için toplam tutar fiyat yang dan untuk jumlah harga
    dengan và của là cho hinta summa yhteensä és egy hogy ár összesen și cu pentru suma
"""
_POINT_WORDS, _COMMA_WORDS = frozenset(_POINT.split()), frozenset(_COMMA.split())
_BY_SCRIPT = re.compile(
    "(?P<comma>[\u0370-\u03ff\u0400-\u04ff])"
    "|(?P<point>[\u0590-\u06ff\u0900-\u0dff\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff"
    "\u3400-\u9fff\uac00-\ud7a3])"
)


def decimal_mark(text: str, bodies: Iterable[str]) -> str:
    """The mark before decimals in a text: a point, a comma, or "" if nothing tells.

    `bodies` are its numbers, as digits with marks in between. Numbers that can be read in only
    one way tell most, then the words.

    >>> decimal_mark("Preis der Ware: 1.480", ["1.480"])
    ','
    """
    votes = Counter[str]()
    for body in bodies:
        mark, weight = _vote(body)
        votes[mark] += weight
    point, comma = votes["."], votes[","]
    if max(point, comma) >= 3 * min(point, comma) and point != comma:
        return "." if point > comma else ","
    return _by_words(text[:_LOOKED_AT])


def _vote(body: str) -> tuple[str, int]:
    point, comma = body.rfind("."), body.rfind(",")
    if point < 0 and comma < 0:
        return "", 0
    if point >= 0 and comma >= 0:
        return ("." if point > comma else ","), _SURE
    if _GROUPED.fullmatch(body):
        return ("," if point > 0 else "."), _SURE
    mark = "." if point >= 0 else ","
    once = body.count(mark) == 1 and len(body) - body.rfind(mark) - 1 in (1, 2)
    return (mark, _HINT) if once else ("", 0)


def _by_words(text: str) -> str:
    votes = Counter(match.lastgroup for match in _BY_SCRIPT.finditer(text))
    latin = 0
    for match in _LETTERS.finditer(text.casefold()):
        word = match.group()
        latin += len(word) if word[0] < "\u0250" else 0
        votes["point"] += 4 * (word in _POINT_WORDS)
        votes["comma"] += 4 * (word in _COMMA_WORDS)
    if votes["point"] == votes["comma"]:
        return ""
    return "." if votes["point"] > votes["comma"] else ","
