"""Datings: the days and times of day that stand in a text, each with its place."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time
from functools import cached_property

from llmwidgets.analysis.days import clock_in, read_days
from llmwidgets.analysis.mentions import Numbers
from llmwidgets.analysis.month_names import MONTHS
from llmwidgets.analysis.normalize import plain

_SUFFIX = r"(?:st|nd|rd|th|er|[ºª°.])?"
_NAME = r"(?:[^\W\d_]|[\u0900-\u094f]){2,14}+"
_FIRST = r"[0-9](?<![\dA-Za-z_].)(?<!\d[-/.,:].)"
"""The first digit of a date. It stands first in each expression, which makes them quick."""

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
class Datings:
    """The days and times of a text, of which the numbers are known.

    03/04/2025 is read as the text writes its other days, else as its language does, else both ways.
    """

    numbers: Numbers
    _known: dict[date, Place] = field(default_factory=dict)

    @property
    def even(self) -> str:
        return self.numbers.even

    @cached_property
    def _places(self) -> list[Place]:
        """Where dates with a year stand, or what looks like one."""
        return sorted((start, end) for start, end, _ in self._spans())

    @cached_property
    def _by_year(self) -> dict[str, list[Place]]:
        """The dates by the last two figures of a year that they may be of."""
        found: dict[str, list[Place]] = {}
        for start, end in self._places:
            written = self.even[start:end]
            for year in {written[2:4], written[-2:]}:
                found.setdefault(year, []).append((start, end))
        return found

    @cached_property
    def _order(self) -> tuple[int, ...]:
        """Which of two days is meant by 03/04/2025: the one with the day first, the other, or both.

        A text that writes 25/12 anywhere writes the day first, and one with 12/25 the month.
        """
        first = second = False
        for found in _NUMERIC.finditer(self.even):
            if found["mark"] in {"-", "/"}:
                first |= int(found.group().partition(found["mark"])[0]) > 12
                second |= int(found["two"]) > 12
        if not (first or second):
            first = self.numbers.mark == ","
        return (0, 1) if first == second else (0,) if first else (1,)

    def of(self, day: date) -> Place | None:
        """Where a day stands first."""
        for start, end in self._by_year.pop(f"{day.year % 100:02}", ()):
            days = read_days(_APART.sub(r"\1.\2.", self.even[start:end]))
            for at in self._order if len(days) == 2 else range(len(days)):
                self._known.setdefault(days[at].day, (start, end))
        return self._known.get(day)

    def _spans(self) -> Iterator[tuple[int, int, re.Match[str]]]:
        for found in _NUMERIC.finditer(self.even):
            yield *found.span(), found
        for found in _NAMED.finditer(self.even):
            if _is_month(found["n"] or found["m"]):
                yield *found.span(), found
        for found in _DAY_AND_YEAR.finditer(self.even):
            if (start := self._month_before(found.start())) is not None:
                yield start, found.end(), found

    def _month_before(self, at: int) -> int | None:
        """Where the name of a month that stands right before a place begins."""
        if not self.even[max(0, at - 3) : at].rstrip(" .-\n")[-1:].isalpha():
            return None
        found = _NAME_BEFORE.search(self.even, max(0, at - _LONGEST_NAME), at)
        return found.start() if found and _is_month(found["n"]) else None

    @cached_property
    def by_year(self) -> dict[int, Place]:
        """Where each year of four digits stands first within a date."""
        found: dict[int, Place] = {}
        for start, end in self._places:
            for year in _YEAR.finditer(self.even, start, end):
                found.setdefault(int(year.group()), year.span())
        return found

    @cached_property
    def by_instant(self) -> dict[datetime, Place]:
        """Where each day with a time of day stands first."""
        found: dict[datetime, Place] = {}
        for start, end in self._places:
            if clock := _CLOCK.match(self.even, end):
                for each in read_days(self.even[start : clock.end()]):
                    found.setdefault(each.at, (start, clock.end()))
        return found

    @cached_property
    def by_clock(self) -> dict[time, Place]:
        """Where each time of day stands first."""
        found: dict[time, Place] = {}
        for place in _TIMES.finditer(self.even):
            clock = clock_in(place.group())
            if clock is not None:
                found.setdefault(clock, place.span())
        return found

    @cached_property
    def by_day_of_year(self) -> dict[tuple[int, int], Place]:
        """Where each month and day stands first that has no year."""
        found: dict[tuple[int, int], Place] = {}
        whole = {at for start, end in self._places for at in range(start, end)}
        for start, end in self._yearless():
            if start in whole or end - 1 in whole:
                continue
            # A leap year has every day.
            for each in read_days(_in_leap_year(self.even[start:end])):
                found.setdefault((each.day.month, each.day.day), (start, end))
        return found

    @cached_property
    def by_month(self) -> dict[tuple[int, int], Place]:
        """Where each month of a year stands first, alone or in a date."""
        found: dict[tuple[int, int], Place] = {}
        for each in _NAMED_MONTH.finditer(self.even):
            if month := MONTHS.get(plain(each["n"])):
                found.setdefault((int(each["y"]), month), each.span())
        for each in _MONTH.finditer(self.even):
            year, number = each["y"] or each["yy"], each["n"] or each["nn"]
            found.setdefault((int(year), int(number)), each.span())
        return found

    def _yearless(self) -> Iterator[Place]:
        for found in _YEARLESS.finditer(self.even):
            if not found["n"] or _is_month(found["n"]):
                yield found.span()
        for found in _DAY_AFTER_NAME.finditer(self.even):
            if (start := self._month_before(found.start())) is not None:
                yield start, found.end()


def _is_month(name: str) -> bool:
    return plain(name) in MONTHS


def _in_leap_year(passage: str) -> str:
    if _CJK_YEARLESS.match(passage):
        return f"2024年{passage}"
    mark = "" if passage.endswith(".") else "/" if "/" in passage else " "
    return f"{passage}{mark}2024"
