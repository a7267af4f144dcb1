"""Mentions: the numbers, days and times of day in a text, each with its place."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, time
from decimal import Decimal
from functools import cached_property
from typing import NamedTuple

from llmwidgets.analysis.normalize import plain
from llmwidgets.analysis.parsing import (
    EITHER_SIGN,
    EITHER_UNIT,
    MEASURES,
    MONTHS,
    SCALES,
    SIGNS,
    UNITS,
    clock_in,
    digits_in,
    read_days,
)
from llmwidgets.analysis.scripts import decimal_mark, evened, is_hangul, is_unspaced

_BODY = re.compile("[0-9]\\d*(?:[.,'\u00a0\u2009\u202f]\\d+)*")
_SPACED = re.compile(
    "[0-9](?<![\\d.,'].)(?<![^\\W\\d_].)\\d{0,2}(?:[ \u00a0\u2009\u202f]\\d{3})+(?:[.,]\\d+)?"
    "(?![.,]?\\d)"
)
_AMBIGUOUS = re.compile(r"[1-9]\d{0,2}[.,]\d{3}")
_WITH_CENTS = re.compile(r"[.,]\d\d$")
_LETTERS = re.compile(
    "\\s?([^\\W\\d_\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff\u3400-\u9fff\uac00-\ud7a3]{1,16})"
)
_MEASURE = re.compile(r"\s?(°[CF]|[^\W\d_]{1,16}(?:/[^\W\d_]{1,4}|[23²³])?)(?![^\W_])")
_LETTERS_BEFORE = re.compile(r"(?<![^\W_])[^\W\d_]{1,5}$")
_UNIT_AFTER = re.compile(rf"\s?({EITHER_UNIT})(?:(?<=[円元원])|(?![^\W\d_]))")
_UNIT_BEFORE = re.compile(rf"(?<![^\W\d_])({EITHER_UNIT})\s?-?$")
_MINUS = re.compile(rf"-(?:\s?(?:{EITHER_UNIT})\s?|(?P<apart>\s))?$")
_OPEN = re.compile(rf"\((?:\s?(?:{EITHER_UNIT})\s?)?$")
_CLOSE = re.compile(rf"(?:\s?(?:{EITHER_UNIT}))?\)")
_PER_CENT = re.compile(r"\s?%")
_NO_CENTS = re.compile(r"[.,]-")
_POWER = re.compile(r"[eE][-+]?\d{1,3}(?![\w.,])")
_LOOK_BACK, _MOST_PLACES = 9, 20
_NO_FIGURES = {ord(each): None for each in ".,'- eE+\u00a0\u2009\u202f"}
_QUIET = frozenset(",.;:!?)/'\"\n")
"""What ends a number without adding to it."""


_LABELS = """
    fy q x no nr num n p pp s art qty pos ref tel fax v ver vol ch fig lot
"""
"""Words right before a number, as in No12, that do not make it an identifier."""

_ENDINGS = """
    x st nd rd th er ère e ème eme º ª o a de te ste
"""
"""What may follow a number directly, besides units."""

_LABELLED, _ENDED = frozenset(_LABELS.split()), frozenset(_ENDINGS.split())
_SCALES = {
    **SCALES, "k": 3, "m": 6, "b": 9, "mn": 6, "tn": 12, "lacs": 5, "mille": 3, "mil": 3,
    "duizend": 3, "tausend": 3, "tis": 3, "tys": 3, "тыс": 3, "тысяч": 3, "тысячи": 3, "bin": 3,
    "ribu": 3, "nghìn": 3, "millón": 6, "milione": 6, "milhão": 6, "milión": 6, "milionów": 6,
    "miliony": 6, "миллион": 6, "миллиона": 6, "миллионов": 6, "juta": 6, "triệu": 6, "milyon": 6,
    "milliard": 9, "miliardo": 9, "miliard": 9, "bilhões": 9, "bilhão": 9, "miljarder": 9,
    "миллиард": 9, "миллиардов": 9, "milyar": 9, "tỷ": 9, "billionen": 12,
}  # fmt: skip
_SIGN = re.compile(rf"\s?({EITHER_SIGN})")

_FIGURES = "[0-9][0-9.,]*+"
_SUM = re.compile(rf"(?:{_FIGURES}\s?(?:{EITHER_SIGN})){{1,4}}{_FIGURES}(?:{EITHER_SIGN})?")


class Passage(NamedTuple):
    """One way to read one number of a text."""

    start: int
    end: int
    value: Decimal


@dataclass(frozen=True)
class NumberMentions:
    """The numbers of a text, each in every way that it can be read there.

    >>> [str(each.value) for each in NumberMentions("EUR1234.56, 5 %, (1,000.00)")]
    ['1234.56', '5', '0.05', '1000.00', '-1000.00']
    """

    text: str
    known_mark: str = ""
    """The mark before decimals, if it is known."""

    _known: dict[Decimal, list[Passage]] = field(default_factory=dict, repr=False)
    """The numbers read so far, by value."""

    @cached_property
    def even(self) -> str:
        """The text with ASCII digits, one dash and one apostrophe, character for character."""
        return evened(self.text)

    @cached_property
    def mark(self) -> str:
        """What the text writes before decimals: a point, a comma, or "" if nothing tells."""
        if self.known_mark:
            return self.known_mark
        return decimal_mark(self.even, (match.group() for match in _BODY.finditer(self.even)))

    def of(self, value: Decimal) -> Sequence[Passage]:
        """Where a number occurs, the first places of many."""
        for start, end in self._waiting.pop(_figures(str(value)), ()):
            self._keep(self._read(start, end))
        return self._known.get(value, ())

    def __iter__(self) -> Iterator[Passage]:
        for start, end in self._spans():
            yield from self._read(start, end)
        yield from self._sums()

    @cached_property
    def _waiting(self) -> dict[str, list[tuple[int, int]]]:
        """The numbers not read yet, by their figures: 1,200 and 1.2 million are 12."""
        spans: dict[str, list[tuple[int, int]]] = {}
        for start, end in self._spans():
            body = self.even[start:end]
            spans.setdefault(_figures(body), []).append((start, end))
            for part in set(body.split(",")) if body.count(",") > 1 else ():
                spans.setdefault(_figures(part), []).append((start, end))
        self._keep(self._sums())
        return spans

    def _keep(self, passages: Iterable[Passage]) -> None:
        for passage in passages:
            places = self._known.setdefault(passage.value, [])
            if len(places) < _MOST_PLACES:
                places.append(passage)

    def _spans(self) -> Iterator[tuple[int, int]]:
        whole = self._spaced()
        inside = 0
        for match in _BODY.finditer(self.even):
            start, end = match.span()
            if start in whole:
                far, sure = whole[start]
                yield start, far
                inside = far if sure else inside
            if start >= inside:
                yield start, end

    def _sums(self) -> Iterator[Passage]:
        """Numbers of several parts: 3億5000万 is one."""
        for match in () if self.even.isascii() else _SUM.finditer(self.even):
            total, part = Decimal(0), match.start()
            while part < match.end() and (body := _BODY.match(self.even, part)):
                first = self._read(*body.span())[:1]
                if not first:
                    break
                total, part = total + first[0].value, first[0].end
            else:
                yield Passage(match.start(), part, total)

    def unit_at(self, start: int, end: int) -> tuple[str, int, int]:
        """The currency or per cent sign next to a passage, and where both together are."""
        if match := _UNIT_AFTER.match(self.even, end):
            return UNITS[match[1]], start, match.end()
        if match := _UNIT_BEFORE.search(self.even, max(0, start - _LOOK_BACK), start):
            return UNITS[match[1]], match.start(), end
        return "", start, end

    def measure_at(self, end: int) -> tuple[str, int]:
        """The unit of measure behind a number, and where it ends."""
        match = _MEASURE.match(self.even, end)
        return (MEASURES.get(match[1], ""), match.end()) if match else ("", end)

    def _spaced(self) -> dict[int, tuple[int, bool]]:
        """Where numbers with spaces between thousands begin and end, and whether they are sure.

        "3 450 €" and "3 450,00" are one number; "room 12 345" may be two.
        """
        places = {}
        for match in _SPACED.finditer(self.even):
            body, end = match.group(), match.end()
            sure = " " not in body or "." in body or "," in body
            sure = sure or self.mark == "," or _UNIT_AFTER.match(self.even, end) is not None
            places[match.start()] = end, sure
        return places

    def _read(self, start: int, end: int) -> list[Passage]:
        """The values that a number may have, the likeliest first."""
        even, scale, bare, far = self.even, 0, True, end
        before, after = even[start - 1 : start], even[end : end + 1]
        if (before.isalnum() or before == "_") and not _begins(even, start):
            return []
        if before == "." and not even[max(0, start - 2) : start - 1].isalnum():
            start -= 1
        if after in {"e", "E"} and (power := _POWER.match(even, end)):
            return _passages(start, power.end(), [even[start : power.end()].replace(",", ".")])
        if after and after not in _QUIET:
            behind = _behind(even, end)
            if behind is None:
                return []
            scale, far, bare = behind
        body = even[start:end]
        values = self._values(body, start, end, scale)
        if not values:
            return _parts(body, start)
        passages = []
        if scale:
            passages += _passages(start, far, [str(Decimal(each).scaleb(scale)) for each in values])
        if bare:
            passages += _passages(start, end, values)
        if after in {" ", "%", "\u00a0", "\u202f"} and (match := _PER_CENT.match(even, end)):
            passages += _passages(start, match.end(), [str(Decimal(each) / 100) for each in values])
        lead = even[max(0, start - _LOOK_BACK) : start]
        if passages and (after == "-" or "-" in lead or "(" in lead):
            passages = _signed(even, body, passages)
        return passages

    def _values(self, body: str, start: int, end: int, scale: int) -> list[str]:
        """The digits of a number in Python's spelling, in each way that the text allows."""
        if body.isdecimal():
            plain = len(body) < 2 or body[0] != "0"
            return [body] if plain else [body[1:]] if len(body) == 2 else []
        if not _AMBIGUOUS.fullmatch(body):
            digits = digits_in(body.replace(" ", "\u00a0"))
            return [] if digits is None else [digits]
        mark = body[-4]
        whole, part = body.replace(mark, ""), body.replace(",", ".")
        if scale:
            return [part]
        if _NO_CENTS.match(self.even, end):
            return [whole]
        if mark != self.mark and (self.mark or mark == ","):
            return [whole]
        money = mark == "." and self.unit_at(start, end)[0] not in {"", "%"}
        if money:
            # Cents have two digits, except at petrol stations.
            return [part, whole] if self.mark else [whole]
        return [part] if self.mark else [part, whole]


def _figures(body: str) -> str:
    """The digits of a number without the zeros around them, whatever its scale."""
    return body.partition("E")[0].translate(_NO_FIGURES).strip("0")


def _begins(even: str, start: int) -> bool:
    """Whether a number begins here, and not an identifier or a longer number goes on."""
    before = even[start - 1]
    times = before in "xX" and start >= 2 and even[start - 2].isdecimal()
    if times or is_unspaced(before) or is_hangul(before):
        return True
    match = _LETTERS_BEFORE.search(even, max(0, start - 6), start)
    word = match.group() if match else ""
    return word.upper() in UNITS or word in UNITS or word.casefold() in _LABELLED


def _behind(even: str, end: int) -> tuple[int, int, bool] | None:
    """The scale that follows a number, where it ends, and whether the number may be bare.

    None if the number goes on as an identifier.
    """
    after = even[end : end + 1]
    near = even[end : end + 2]
    if not near.isascii() and (match := _SIGN.match(even, end)):
        return SIGNS[match[1]], match.end(), False
    if not (after.isalnum() or after.isspace()):
        return None if after == "_" else (0, end, True)
    if (after.isspace() and not near[1:].isalpha()) or is_unspaced(after) or is_hangul(after):
        return 0, end, True
    match = _LETTERS.match(even, end)
    if not match:
        return None if after.isalnum() else (0, end, True)
    word, attached = match[1], after.isalpha()
    following = even[match.end() : match.end() + 1]
    following = "" if is_unspaced(following) or is_hangul(following) else following
    scale = _SCALES.get(word.casefold(), 0) if attached or len(word) > 1 else 0
    if scale and not following.isalnum():
        return scale, match.end(), word.casefold() not in {"k", "b"}
    if not attached:
        return 0, end, True
    known = word in UNITS or word in MEASURES or word.upper() in UNITS
    known = known or word.casefold() in _ENDED
    ended = not following.isalnum() or following in "23²³"
    times = word in {"x", "X"} and following.isdecimal()
    return (0, end, True) if known and (ended or times) else None


def _signed(even: str, body: str, passages: list[Passage]) -> list[Passage]:
    """Passages with the minus before or behind them, or in brackets."""
    start, end, _ = passages[0]
    lead = even[max(0, start - _LOOK_BACK) : start]
    cents = _WITH_CENTS.search(body) is not None
    if even[end : end + 1] == "-" and cents and not even[end + 1 : end + 2].isalnum():
        return [Passage(each.start, each.end + 1, -each.value) for each in passages]
    if "-" in lead and (match := _MINUS.search(lead)):
        at = start - len(lead) + match.start()
        turned = [Passage(at, each.end, -each.value) for each in passages]
        if not match["apart"]:
            return passages if _is_hyphen(even, at) else turned
        if even[max(0, at - 2) : at].strip() in {"", ":", "="}:
            return [*passages, *turned]
    elif "(" in lead and (match := _OPEN.search(lead)) and (close := _CLOSE.match(even, end)):
        money = cents or len(match.group()) > 1 or len(close.group()) > 1
        if money:
            opens = start - len(match.group())
            return [*passages, *(Passage(opens, close.end(), -each.value) for each in passages)]
    return passages


def _is_hyphen(even: str, at: int) -> bool:
    before = even[at - 1] if at else " "
    letter = before.isalnum() and not (is_unspaced(before) or is_hangul(before))
    return letter or before in ")]"


def _parts(body: str, start: int) -> list[Passage]:
    """The numbers of a list without spaces: "1,2,3"."""
    if "." in body or "'" in body:
        return []
    return [
        Passage(start + match.start(), start + match.end(), Decimal(match.group()))
        for match in re.finditer(r"(?<!\d)[1-9]\d*", body)
    ]


def _passages(start: int, end: int, values: list[str]) -> list[Passage]:
    return [Passage(start, end, Decimal(value)) for value in values]


# -- days and times of day -------------------------------------------------------------------------

_SUFFIX = r"(?:st|nd|rd|th|er|[ºª°.])?"
_NAME = r"(?:[^\W\d_]|[\u0900-\u094f]){2,14}+"
_FIRST = r"[0-9](?<![\dA-Za-z_].)(?<!\d[-/.,:].)"
"""The first digit of a date. Each expression begins with it, which makes them quick."""

_NUMERIC = re.compile(
    rf"{_FIRST}(?:\d{{3}}([-/.])\d{{1,2}}\1\d{{1,2}}|\d?(?P<mark>[-/.])\s?(?P<two>\d{{1,2}})"
    r"(?P=mark)\s?(?:\d{4}|\d{2}))(?!(?!T\d)[\dA-Za-z_]|[-/.,:]\d)"
    r"|[0-9](?<![\w.,/-].)(?<=[12])\d{7}(?![\w]|[-/.,:]\d)"
    r"|[0-9](?<!\d.)\d{3}\.\s\d{1,2}\.\s\d{1,2}(?!\d)"
    r"|[0-9](?<!\d.)\d{3}\s?[年년]\s?\d{1,2}\s?[月월]\s?\d{1,2}(?:\s?[日일])?"
    r"|[0-9](?<![\w.,/-].)\d?\stháng\s\d{1,2}\snăm\s\d{4}(?!\d)"
)
_DAY_AND_NAME = rf"{_FIRST}\d?{_SUFFIX}[\s./-]{{0,3}}(?:of\s+|de\s+|d')?(?P<n>{_NAME})"
_NAMED = re.compile(
    rf"{_DAY_AND_NAME}\.?,?[\s./-]{{0,3}}(?:del?\s+)?"
    r"(?:\d{4}(?!\d)|'\d{2}(?!\w)|\d{2}(?!\w|[:.,]\d|\s+[^\W\d_]))"
    rf"|{_FIRST}\d{{3}}[\s.-]{{1,3}}(?P<m>{_NAME})\.?[\s.-]{{1,3}}\d{{1,2}}(?!\w)"
)
_DAY_AND_YEAR = re.compile(
    r"[0-9](?<=[\s-].)\d?(?:st|nd|rd|th)?(?:,\s{0,2}|[\s-]{1,3})(?:\d{4}(?!\d)|'\d{2}(?!\w))"
)
_NAME_BEFORE = re.compile(r"(?<![^\W\d_])(?P<n>[^\W\d_]{3,14})\.?[\s-]{1,3}$")
_CLOCK = re.compile(
    r"(?:T|,?\s{1,2}(?:[^\W\d_]{1,4}\.?\s){0,2})"
    r"\d{1,2}(?:[:h]\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?(?:\s?Uhr)?|\s?(?:h|Uhr)\b|(?=\s?[ap]\.?m\b))"
    r"(?:\s?[ap]\.?m\b\.?)?(?:\s?(?:Z|UTC|GMT|[+-]\d{2}:?\d{2}))?(?!\w)",
    re.IGNORECASE,
)
_TIMES = re.compile(
    r"(?<![\w:.])\d{1,2}(?::\d{2}(?::\d{2}(?:[.,]\d{1,9})?)?|\s?h\s?\d{2}|(?:\.\d{2})?\s?(?:h|Uhr)\b"
    r"|(?=\s?[ap]\.?m\b))(?:\s?Uhr)?(?:\s?[ap]\.?m\b\.?)?(?![\w:])"
    r"|(?<!\d)\d{1,2}[時时]\d{2}分",
    re.IGNORECASE,
)
_YEARLESS = re.compile(
    rf"{_DAY_AND_NAME}|{_FIRST}\d?\.\s?\d{{1,2}}\.(?!\d)|{_FIRST}\d?/\d{{1,2}}(?![\d/.])"
    r"|[0-9](?<!\d.)\d?\s?[月월]\s?\d{1,2}\s?[日일]"
)
_DAY_AFTER_NAME = re.compile(r"[0-9](?<=\s.)\d?(?:st|nd|rd|th)?(?![\w:]|[.,]\d)")
_NAMED_MONTH = re.compile(
    r"(?<![^\W_])(?P<n>[^\W\d_]{3,14}+)\.?,?\s{1,2}(?:del?\s+)?(?P<y>\d{4})(?!\d)"
)
_MONTH = re.compile(
    r"(?<![\d./-])(?P<n>\d{1,2})\s?[/.-]\s?(?P<y>\d{4})(?!\d|[-/.]\d)"
    r"|(?<!\d)(?P<yy>\d{4})\s?[年년]\s?(?P<nn>\d{1,2})\s?[月월]"
)
_APART = re.compile(r"(\d{4})\.\s(\d{1,2})\.\s")
_CJK_YEARLESS = re.compile(r"\d{1,2}\s?[月월]")
_YEAR = re.compile(r"(?<!\d)\d{4}(?!\d)")
_LONGEST_NAME = 20
Place = tuple[int, int]


@dataclass(frozen=True)
class DateMentions:
    """The days and times of a text, of which the numbers are known.

    03/04/2025 is read as the text writes its other days, else as its language does, else both ways.
    """

    numbers: NumberMentions
    _known: dict[date, Place] = field(default_factory=dict)

    @property
    def even(self) -> str:
        return self.numbers.even

    @cached_property
    def _places(self) -> list[Place]:
        """Where dates with a year are, or what looks like one."""
        return sorted((start, end) for start, end, _ in self._spans())

    @cached_property
    def _by_year(self) -> dict[str, list[Place]]:
        """The dates by the last two figures of the year that they may have."""
        places: dict[str, list[Place]] = {}
        for start, end in self._places:
            written = self.even[start:end]
            for year in {written[2:4], written[-2:]}:
                places.setdefault(year, []).append((start, end))
        return places

    @cached_property
    def _order(self) -> tuple[int, ...]:
        """Which of two days is meant by 03/04/2025: the one with the day first, the other, or both.

        A text that writes 25/12 anywhere writes the day first, and one with 12/25 the month.
        """
        first = second = False
        for match in _NUMERIC.finditer(self.even):
            if match["mark"] in {"-", "/"}:
                first |= int(match.group().partition(match["mark"])[0]) > 12
                second |= int(match["two"]) > 12
        if not (first or second):
            first = self.numbers.mark == ","
        return (0, 1) if first == second else (0,) if first else (1,)

    def of(self, day: date) -> Place | None:
        """Where a day occurs first."""
        for start, end in self._by_year.pop(f"{day.year % 100:02}", ()):
            days = read_days(_APART.sub(r"\1.\2.", self.even[start:end]))
            for at in self._order if len(days) == 2 else range(len(days)):
                self._known.setdefault(days[at].day, (start, end))
        return self._known.get(day)

    def _spans(self) -> Iterator[tuple[int, int, re.Match[str]]]:
        for match in _NUMERIC.finditer(self.even):
            yield *match.span(), match
        for match in _NAMED.finditer(self.even):
            if _is_month(match["n"] or match["m"]):
                yield *match.span(), match
        for match in _DAY_AND_YEAR.finditer(self.even):
            if (start := self._month_before(match.start())) is not None:
                yield start, match.end(), match

    def _month_before(self, at: int) -> int | None:
        """Where the name of a month right before a place begins."""
        if not self.even[max(0, at - 3) : at].rstrip(" .-\n")[-1:].isalpha():
            return None
        match = _NAME_BEFORE.search(self.even, max(0, at - _LONGEST_NAME), at)
        return match.start() if match and _is_month(match["n"]) else None

    @cached_property
    def by_year(self) -> dict[int, Place]:
        """Where each year of four digits occurs first within a date."""
        places: dict[int, Place] = {}
        for place in self._places:
            for year in _YEAR.finditer(self.even, *place):
                places.setdefault(int(year.group()), year.span())
        return places

    @cached_property
    def by_instant(self) -> dict[datetime, Place]:
        """Where each day with a time of day occurs first."""
        places: dict[datetime, Place] = {}
        for start, end in self._places:
            if clock := _CLOCK.match(self.even, end):
                for each in read_days(self.even[start : clock.end()]):
                    places.setdefault(each.at, (start, clock.end()))
        return places

    @cached_property
    def by_clock(self) -> dict[time, Place]:
        """Where each time of day occurs first."""
        places: dict[time, Place] = {}
        for match in _TIMES.finditer(self.even):
            if (clock := clock_in(match.group())) is not None:
                places.setdefault(clock, match.span())
        return places

    @cached_property
    def by_day_of_year(self) -> dict[tuple[int, int], Place]:
        """Where each month and day without a year occurs first."""
        places: dict[tuple[int, int], Place] = {}
        whole = {at for start, end in self._places for at in range(start, end)}
        for start, end in self._yearless():
            if start in whole or end - 1 in whole:
                continue
            # A leap year has every day.
            for each in read_days(_in_leap_year(self.even[start:end])):
                places.setdefault((each.day.month, each.day.day), (start, end))
        return places

    @cached_property
    def by_month(self) -> dict[tuple[int, int], Place]:
        """Where each month of a year occurs first, alone or in a date."""
        places: dict[tuple[int, int], Place] = {}
        for each in _NAMED_MONTH.finditer(self.even):
            if month := MONTHS.get(plain(each["n"])):
                places.setdefault((int(each["y"]), month), each.span())
        for each in _MONTH.finditer(self.even):
            year, number = each["y"] or each["yy"], each["n"] or each["nn"]
            places.setdefault((int(year), int(number)), each.span())
        return places

    def _yearless(self) -> Iterator[Place]:
        for match in _YEARLESS.finditer(self.even):
            if not match["n"] or _is_month(match["n"]):
                yield match.span()
        for match in _DAY_AFTER_NAME.finditer(self.even):
            if (start := self._month_before(match.start())) is not None:
                yield start, match.end()


def _is_month(name: str) -> bool:
    return plain(name) in MONTHS


def _in_leap_year(passage: str) -> str:
    if _CJK_YEARLESS.match(passage):
        return f"2024年{passage}"
    mark = "" if passage.endswith(".") else "/" if "/" in passage else " "
    return f"{passage}{mark}2024"
