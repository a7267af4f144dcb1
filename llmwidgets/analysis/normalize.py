"""Normalize: what a value means once case, accents, marks and ways of writing are set aside."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime, time
from decimal import Decimal
from functools import lru_cache
from itertools import compress
from typing import Any

from llmwidgets.analysis.parsing import (
    IP_ADDRESS,
    Day,
    Number,
    clock_in,
    digits_in,
    measured_in,
    number_in,
    read_days,
)
from llmwidgets.analysis.scripts import ALONE, evened, folded, folded_word, joins, with_mark

_WORDS = re.compile(r"[A-Za-z \n]*+(?:[0-9]++(?:\.[0-9]{1,2})?+)?+")
_NO_MATTER = re.compile("[^A-Za-z0-9]+")
_TOKENS = re.compile(
    r"(?P<number>[0-9]++(?:[.,'\u00a0\u2009\u202f][0-9]++)*+)|(?P<word>[^\W0-9_]++)"
)
_EASY = re.compile(
    r"[A-Za-z](?:[A-Za-z \"&'(),./:;?@\[\]_{}`\n\t]+|-(?<=[A-Za-z]-)(?=[A-Za-z])"
    r"|[0-9]++(?=[,.;:)]? [A-FH-JLN-OQ-SU-Za-jl-z]))*+"
)
"""Words, numbers and meaningless marks, up to the next mark that may have a meaning."""

_CHUNK = re.compile("[!-~\u00c0-\u024f\u0300-\u036f\u1e00-\u1eff]+")
_HINTS = re.compile(r"[@\\]|://|[^\s.]\.[A-Za-z]{2}|(?<!\S)[(\"']*/[^/\s]")
_AROUND = "<>()[]{}\"'.,;:!?"
_PREFIXED = {"M": "W Wh Wp V VA A Hz Pa J N eV Bq F Ω Ω Gy Sv bar m", "P": "W Wh Hz J eV F Bq"}
_CASED = {
    **{f"{prefix}{unit}": f"{prefix}{unit.lower()}"
       for prefix, units in _PREFIXED.items() for unit in units.split()},
    **{each: each for each in ("Nm", "mM", "µM", "μM", "nM", "mS", "µS", "μS", "mT", "kN")},
    **{f"{prefix}b": f"{prefix.lower()}bit" for prefix in "kKMGTP"},
}  # fmt: skip
"""Units after a number whose case says how much: MW is a billion mW, Mb are bits, MB bytes."""

_TELLS = re.compile(
    r"[0-9][^A-Za-z0-9]+[0-9]|[$%#+<>=~^|@`\\]|!=|://|-(?=[0-9.$])|-(?![A-Za-z0-9])|[0-9]['\"]"
    rf"|\b[A-Za-z]\*|[A-Za-z0-9]\.[A-Za-z]{{2}}|(?<!\S)/|[0-9]\s*(?:{'|'.join(_CASED)})(?![A-Za-z])"
)
"""What a text of ASCII has in it where a mark may carry meaning."""

_GRADE = re.compile(r"[A-Za-z]{1,4}|[A-Za-z]{0,3}[0-9]{1,3}")
_OPENS = "([{<=>~/:^.,;"
_INCHES_OF_FEET = re.compile(r"[0-9]'\s?[0-9.½¼¾]{1,5}$")
_QUOTED = {each: re.compile(rf"(?<!\w){each}(?=[^\s{each}])[^{each}]*$") for each in "'\""}


def plain_with_offsets(text: str) -> tuple[str, list[int]]:
    """The plain text and, for each of its characters, its place in the original."""
    return _Plain(evened(text)).read()


@dataclass(slots=True)
class _Plain:
    """A text on its way to a plain one; `text` is as long as the original."""

    text: str
    kept: list[str] = field(default_factory=list)
    offsets: list[int] = field(default_factory=list)

    def read(self) -> tuple[str, list[int]]:
        text, at, number = self.text, 0, False
        for start, end in [*_addresses(text), (len(text), len(text))]:
            while match := _TOKENS.search(text, at, start):
                first, last = match.span()
                word = match.group()
                is_number = match.lastgroup == "number"
                # A single blank means nothing except between two numbers.
                if first != at and (first - at != 1 or is_number or text[at] != " "):
                    self._gap(at, first)
                if is_number:
                    self._number(first, word)
                elif not (number and word in _CASED) and (easy := _EASY.match(text, first, start)):
                    last = easy.end()
                    self.kept.append(_NO_MATTER.sub("", easy.group()).lower())
                    self.offsets += compress(range(first, last), map(str.isalnum, easy.group()))
                else:
                    blank = number and not text[at:first].strip(" \u00a0\u202f")
                    # A letter with an accent of its own is another letter than that of the unit.
                    blank = blank and not unicodedata.combining(text[last : last + 1] or " ")
                    self._word(first, word, after_number=blank)
                at, number = last, is_number
            self._gap(at, start)
            at, number = max(at, end), False
            self._address(start, end)
        return "".join(self.kept), self.offsets

    def _say(self, kept: str, start: int, step: int = 1) -> None:
        """Keep these characters, which are from here on, or all of them here (`step` 0)."""
        if not kept:
            return
        self.kept.append(kept)
        if step or len(kept) == 1:
            self.offsets.extend(range(start, start + len(kept)))
        else:
            self.offsets.extend([start] * len(kept))

    @property
    def _last(self) -> str:
        return self.kept[-1][-1] if self.kept else ""

    def _address(self, start: int, end: int) -> None:
        address = self.text[start:end]
        if address[:1] == "<":
            start, address = start + 1, address[1:-1]
        if address.isascii():
            self._say(address.lower(), start)
            return
        for at, each in enumerate(address, start):
            if unicodedata.combining(each):
                self._mark(each, at)
            else:
                self._say(folded(each), at, 0)

    # -- numbers and words -----------------------------------------------------------------------

    def _number(self, start: int, body: str) -> None:
        if start and self.text[start - 1].isalnum() and self._last.isdecimal():
            self._say(" ", start)
        if body.isdecimal():
            self._say(body, start)
            return
        spelled = digits_in(body)
        if spelled is None:
            mark = ", " if body.count(",") > 1 else "."
            parts = [{",": mark}.get(each, " " if each.isspace() else each) for each in body]
            self.kept += parts
            self.offsets += [at for at, each in enumerate(parts, start) for _ in each]
            return
        point = len(body) - len(spelled.partition(".")[2]) - 1 if "." in spelled else -1
        self.kept.append(spelled)
        self.offsets += [
            start + at for at, each in enumerate(body) if each.isdecimal() or at == point
        ]

    def _word(self, start: int, word: str, *, after_number: bool) -> None:
        if after_number and (unit := _CASED.get(word)):
            self._say(unit[:1], start)
            self._say(unit[1:], start + 1, 0)
        elif word.isascii():
            self._say(word.lower(), start)
        elif len(whole := folded_word(word)) == len(word) and ALONE not in whole:
            self._say(whole, start)
        else:
            for at, each in enumerate(word, start):
                if joins(each):
                    self._mark({"\uff9e": "\u3099", "\uff9f": "\u309a"}.get(each, each), at)
                elif unicodedata.category(each) == "No":
                    self._figure(each, at)
                else:
                    self._say(folded(each), at, 0)

    def _figure(self, each: str, at: int) -> None:
        """A raised digit, a fraction or a number in a circle, not joined to the digit before."""
        decomposed = unicodedata.decomposition(each)
        figure = unicodedata.normalize("NFKC", each).replace("\u2044", "/")
        raised = decomposed.startswith("<super>")
        shifted = raised or decomposed.startswith("<sub>")
        before = self.text[at - 1 : at] if at else ""
        inside = before and unicodedata.category(before) == "No"
        if self._last.isdecimal() and not (inside and shifted):
            figure = ("^" if raised else " ") + figure
        self._say(figure, at, 0)

    def _mark(self, mark: str, at: int) -> None:
        base = self._last
        whole = with_mark(base, mark)
        if whole == base:
            return
        if whole.startswith(base):
            self._say(whole[len(base) :], at, 0)
        else:
            self.kept[-1] = self.kept[-1][:-1]
            start = self.offsets.pop()
            self._say(whole, start, 0)

    # -- what is between them --------------------------------------------------------------------

    def _gap(self, start: int, end: int) -> None:
        if start == end:
            return
        text = self.text
        after = text[end : end + 1]
        if after.isdecimal() and start and text[start - 1].isalnum() and self._last.isdecimal():
            self._between(text[start:end], start)
            return
        for at in range(start, end):
            each = text[at]
            if each in _NEVER and each not in _SELDOM:
                continue
            kind = unicodedata.category(each)[0]
            if kind == "M":
                self._mark(each, at)
            elif self._tells(each, kind, at):
                power = each in "⁺⁻" and after in _RAISED and self._last.isdecimal()
                mark = folded(each) if kind == "S" else each
                self._say(f"^{mark}" if power else mark, at, 0)

    def _between(self, gap: str, start: int) -> None:
        """What is between two digits always matters."""
        seen = [each for each in gap if each.isascii() or unicodedata.category(each) != "Cf"]
        marks = "".join(folded(each) if _is_symbol(each) else each
                        for each in seen if not each.isspace())  # fmt: skip
        bare = marks.translate(_NO_QUOTES) or marks
        if not bare:
            self._say(" " if seen else "", start, 0)
        elif bare in {",", "."}:
            self._say(f"{bare} " if len(gap) > 1 else bare, start, 0)
        else:
            self._say(bare, start, 0)

    def _tells(self, each: str, kind: str, at: int) -> bool:
        """Whether a mark that is not between two digits carries meaning."""
        before, after = self.text[at - 1 : at] if at else "", self.text[at + 1 : at + 2]
        if each == "-":
            bracketed = before == "(" and after == ")"
            return bracketed or self._is_minus(before, at) or self._is_grade(before, at)
        if each == "#":
            return self._base(at).isalnum() or before in {"#", "+"}
        if each == "+":
            return bool(self.kept) or not after.isdecimal()
        if each == "!":
            return after == "="
        if each == "*":
            return at > 0 and _STARRED.match(self.text, at - 1) is not None
        if each in _SELDOM:
            return self._is_foot(each, at)
        return each in "%‰" or (kind == "S" and each not in "™®℠©")

    def _base(self, at: int) -> str:
        """The character before, that any accents between belong to."""
        while at and unicodedata.category(self.text[at - 1])[0] == "M":
            at -= 1
        return self.text[at - 1 : at] if at else ""

    def _is_minus(self, before: str, at: int) -> bool:
        ahead = self.text[at + 1 : at + 3].lstrip(".$€£¥₹")
        alone = not before or before.isspace() or before in _OPENS or _is_symbol(before)
        alone = alone or (before in "eE" and self.text[at - 2 : at - 1].isdecimal())
        return alone and (ahead[:1].isnumeric() or ahead[:1] == "∞")

    def _is_foot(self, each: str, at: int) -> bool:
        """Feet, inches, minutes or seconds behind a number that is not in quotes."""
        before, after = self.text[max(0, at - 200) : at], self.text[at + 1 : at + 2]
        if not before[-1:].isnumeric() or (after.isalpha() and not after.isupper()):
            return False
        if each == '"' and _INCHES_OF_FEET.search(before):
            return False
        return not _QUOTED[each].search(before)

    def _is_grade(self, before: str, at: int) -> bool:
        """A minus behind a short word or number and before no other: BBB-, O-, 1,200-, "HIV -"."""
        after, ends = self.text[at + 1 : at + 2], _CLOSES.match(self.text, at + 1) is not None
        if before.isspace():
            return ends and _APART.search(self.text, max(0, at - 6), at - 1) is not None
        if not before.isalnum() or after.isalnum():
            return ends and before == ")"
        if after in {"\n", "\r"} and self.text[at + 2 : at + 4].strip():
            return False
        start = at
        while start and at - start < 5 and self.text[start - 1].isalnum():
            start -= 1
        if self._base(start) != self.text[start - 1 : start]:
            return False
        return _GRADE.fullmatch(self.text, start, at) is not None


_NEVER = frozenset(" \"&'()*,./:;?@[]_{}`\n\t，。、；：（）「」")
"""What carries no meaning except between digits and in addresses."""

_SELDOM = frozenset("'\"*")
"""Of these, what may carry meaning behind a number or a grade."""

_RAISED = frozenset("⁰¹²³⁴⁵⁶⁷⁸⁹")
_CLOSES = re.compile(r"\s*+(?:\Z|[,;)])")
_APART = re.compile(r"(?<![^\W_])[A-Za-z]{1,4}$")
_STARRED = re.compile(r"(?<![\w*])[A-Za-z]\*(?!\w)")
"""The star of a grade: A*."""

_NO_QUOTES = {ord(each): None for each in '"“”„«»'}


def _is_symbol(each: str) -> bool:
    return not each.isascii() and unicodedata.category(each)[0] == "S"


def _addresses(text: str) -> Iterator[tuple[int, int]]:
    """Where addresses of mail, web and files are, in which every mark counts."""
    end = 0
    for match in _HINTS.finditer(text):
        if match.start() < end:
            continue
        start = match.start()
        while start > end and _CHUNK.match(text, start - 1, start):
            start -= 1
        chunk = _CHUNK.match(text, start)
        end = chunk.end() if chunk else match.end()
        bare = text[start:end].lstrip(_AROUND)
        first = end - len(bare)
        bare = bare.rstrip(_AROUND + "/")
        if _is_address(unicodedata.normalize("NFC", bare)):
            last = first + len(bare)
            bracketed = text[first - 1 : first] == "<" and text[last : last + 1] == ">"
            yield first - bracketed, last + bracketed


def _is_address(bare: str) -> bool:
    if len(bare) < 3:
        return False
    if "@" in bare:
        name, _, host = bare.rpartition("@")
        return name[-1:].isalnum() and host[:1].isalnum()
    if "://" in bare:
        return True
    if "\\" in bare:
        return bare.strip("\\") != "" and bare[-1:].isalnum()
    if bare.startswith("/"):
        return "/" in bare[1:]
    host = bare.partition("/")[0].partition("(")[0]
    name, _, last = host.rpartition(".")
    return name[-1:].isalnum() and last.casefold() in _ENDINGS


_ENDS_OF_NAMES = """
com org net edu gov mil int info biz io ai app dev cloud online shop store site tech xyz me tv cc co
eu de at ch fr it es pt nl be lu uk ie dk se no fi is pl cz sk hu ro bg gr tr ru ua hr si rs lt lv
us ca mx br ar cl au nz jp cn kr tw hk sg my th vn ph id in pk ae sa il za ng ke eg ma
local lan internal localhost test example invalid
pdf txt csv tsv doc docx xls xlsx ppt pptx odt ods rtf md jpg jpeg png gif svg tif tiff zip gz tar
html htm xml json yaml yml toml ini log py js ts java cpp sql exe dll mp3 mp4 wav eml msg
"""
_ENDINGS = frozenset(_ENDS_OF_NAMES.split())
"""The endings of hosts and file names; "J.Smith" is neither."""


# -- every way to understand a value ---------------------------------------------------------------

_SHORT = 200
_LONGEST_CODE = 60
_CODE = re.compile(r"\+?[A-Z0-9(][A-Z0-9 ()./-]*")
_GROUP = re.compile(r"[A-Z0-9]+")
_LAST_DIGITS = re.compile(r".*[A-Z]")
_ABROAD = re.compile(r"\A00(?=[1-9]\d{0,2}[ (/-])")
_LEAST_DIGITS = 7
_TOO_LONG = 10**_LONGEST_CODE
_COMPACT_DAY = len("20250304")
_DIGIT = re.compile(r"\d")


@dataclass(slots=True, eq=False)
class Parsed:
    """What a scalar means as a number, a date, a time, a measure, an identifier, and as a text.

    `days` has two entries if day and month can be swapped. `code` is an identifier of many
    digits (a phone, a card, an IBAN) without the marks between its groups. Not frozen, which would
    double the cost of making the hundred thousand of a long list.
    """

    written: str
    number: Number | None = None
    days: tuple[Day, ...] = ()
    clock: time | None = None
    quantity: Number | None = None
    code: str = ""
    _text: str | None = None

    @property
    def text(self) -> str:
        """The plain text, computed when first used."""
        if self._text is None:
            self._text = plain(self.written)
        return self._text

    @property
    def day(self) -> datetime | None:
        """The day, and time if given; None if the text is not one, or may be two."""
        return self.days[0].at if len(self.days) == 1 else None


def parse_value(value: Any) -> Parsed:
    """Every way to understand a scalar. Never fails, whatever the value is."""
    if isinstance(value, str):
        return _read_short(value) if len(value) <= _SHORT else Parsed(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return Parsed(str(value))
    if isinstance(value, float):
        return Parsed(repr(value), Number(Decimal(repr(value))))
    if abs(value) >= _TOO_LONG:
        return Parsed("", Number(Decimal(value)))
    written = str(value)
    if len(written) < _LEAST_DIGITS:
        return Parsed(written, Number(Decimal(value)))
    days = read_days(written) if len(written) == _COMPACT_DAY else ()
    return Parsed(written, Number(Decimal(value)), days, code=code_in(written))


# The same truth is read again for every variant, and names recur from text to text.
@lru_cache(maxsize=8192)
def _read_short(text: str) -> Parsed:
    bare = text.strip()
    if not _DIGIT.search(bare):
        return Parsed(text)
    number = number_in(bare)
    # A number may be a compact date too: 20250304.
    days = () if number and len(bare) != _COMPACT_DAY else read_days(bare)
    if number or days:
        return Parsed(text, number, days, code=code_in(bare) if number else "")
    if not bare[-1].isdecimal() and (quantity := measured_in(bare)):
        return Parsed(text, quantity=quantity)
    clock = clock_in(bare) if bare[0].isdecimal() else None
    code = code_in(bare) if clock is None and len(bare) >= _LEAST_DIGITS else ""
    return Parsed(text, clock=clock, code=code)


def says_nothing(value: Any) -> bool:
    """Whether a scalar is null, blank or NaN."""
    if isinstance(value, str):
        return not value.strip()
    return value is None or value != value


def code_in(text: str) -> str:
    """The letters and digits of an identifier of many digits; "" if the text is not one.

    Blanks, dashes and points only group such digits. Between two groups that may be a range, as
    in 2019-2024, they do more, and the text is not one.

    >>> code_in("+49 (0)30 1234567"), code_in("DE89 3704 0044 0532 0130 00"), code_in("18-65")
    ('49301234567', 'DE89370400440532013000', '')
    """
    if not _LEAST_DIGITS <= len(text) <= _LONGEST_CODE:
        return ""
    bare = evened(text)
    bare = f"+({bare[2:]}" if bare.startswith("(+") else bare
    if not _CODE.fullmatch(bare) or bare.count(".") == 1 or IP_ADDRESS.fullmatch(bare):
        return ""
    bare = bare[1:].replace("(0)", " ") if bare[0] == "+" else _ABROAD.sub("", bare)
    bare = bare.strip()
    groups = _GROUP.findall(bare)
    numeric = [each for each in groups if each.isdecimal()]
    digits, whole = sum(map(str.isdecimal, bare)), "".join(groups)
    if digits < max(_LEAST_DIGITS, 2 * len(numeric), len(whole) / 2):
        return ""
    if "." in bare and min(map(len, groups)) < 2:
        return ""
    if len(numeric) < len(groups) and ("(" in bare or "/" in bare):
        return ""
    ends = [_LAST_DIGITS.sub("", each) for each in groups] if len(groups) == 2 else numeric
    return "" if "-" in bare and _may_be_range(bare, [each for each in ends if each]) else whole


def _may_be_range(bare: str, groups: list[str]) -> bool:
    if " - " in bare and bare[0] not in "0(":
        return True
    if len(groups) != 2:
        return False
    first, last = groups
    return len(first) == len(last) or (len(last) == len(first) + 1 and int(last) > int(first))


def plain(text: str) -> str:
    """The text without case, accents, white space and punctuation if these carry no meaning.

    What tells two values apart stays: any mark between digits, signs before a number or behind a
    grade, symbols, addresses of mail and web. So "1.25 kg" is never "125 kg".

    >>> plain("Müller & Söhne, Köln") == plain("MULLER SOHNE KOLN")
    True
    """
    return _plain(text) if len(text) <= _SHORT else _plain_long(text)


def _plain(text: str) -> str:
    # Most texts are only letters, digits and what does not matter.
    if _WORDS.fullmatch(text):
        kept = "".join(text.split()).lower()
    elif text.isascii() and not _TELLS.search(text):
        kept = _NO_MATTER.sub("", text).lower()
    else:
        # An accent that is a letter of its own would end the grade that it is in.
        kept = plain_with_offsets(unicodedata.normalize("NFC", text))[0]
    return kept or text.strip().casefold()


# A long text takes a while, and each view of a comparison reads it again.
_plain_long = lru_cache(maxsize=16)(_plain)
