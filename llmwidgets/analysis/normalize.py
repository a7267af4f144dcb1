"""Readings: what a value says once case, accents, punctuation and ways of writing are set aside."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime, time
from decimal import Decimal
from functools import lru_cache
from typing import Any

from llmwidgets.analysis.days import Day, clock_in, day_in, days_in, read_days
from llmwidgets.analysis.parsing import Number, measured_in, number_in
from llmwidgets.analysis.plain_text import plain_with_offsets, shortly
from llmwidgets.analysis.scripts import evened

__all__ = [
    "Number", "Reading", "clock_in", "code_in", "day_in", "days_in", "number_in", "plain",
    "plain_with_offsets", "read", "says_nothing",
]  # fmt: skip

_SHORT = 200
_LONGEST_CODE = 60
_CODE = re.compile(r"\+?[A-Z0-9(][A-Z0-9 ()./-]*")
_GROUP = re.compile(r"[A-Z0-9]+")
_LAST_DIGITS = re.compile(r".*[A-Z]")
_ADDRESS = re.compile(r"\d{1,3}(?:\.\d{1,3}){3}")
_ABROAD = re.compile(r"\A00(?=[1-9]\d{0,2}[ (/-])")
_LEAST_DIGITS = 7
_TOO_LONG = 10**_LONGEST_CODE
_COMPACT_DAY = len("20250304")
_DIGIT = re.compile(r"\d")


@dataclass(slots=True, eq=False)
class Reading:
    """What a scalar says as a number, a date, a time, a measure, an identifier, and as a text.

    `days` has two entries where day and month can be swapped. `code` is an identifier of many
    digits (a phone, a card, an IBAN) without the marks between its groups. Not frozen, which would
    double what it costs to make the hundred thousand of a long list.
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
        """The plain text, worked out once it is asked for."""
        if self._text is None:
            self._text = plain(self.written)
        return self._text

    @property
    def day(self) -> datetime | None:
        """The day, and time where given; None where the text is not one, or may be two."""
        return self.days[0].at if len(self.days) == 1 else None


def read(value: Any) -> Reading:
    """Every way to understand a scalar. Never fails, whatever the value is."""
    if isinstance(value, str):
        return _read_short(value) if len(value) <= _SHORT else Reading(value)
    if isinstance(value, bool) or not isinstance(value, int | float):
        return Reading(str(value))
    if isinstance(value, float):
        return Reading(repr(value), Number(Decimal(repr(value))))
    if abs(value) >= _TOO_LONG:
        return Reading("", Number(Decimal(value)))
    written = str(value)
    if len(written) < _LEAST_DIGITS:
        return Reading(written, Number(Decimal(value)))
    days = read_days(written) if len(written) == _COMPACT_DAY else ()
    return Reading(written, Number(Decimal(value)), days, code=code_in(written))


def _read_text(text: str) -> Reading:
    bare = text.strip()
    if not _DIGIT.search(bare):
        return Reading(text)
    number = number_in(bare)
    # A number may be a compact date too: 20250304.
    days = () if number and len(bare) != _COMPACT_DAY else read_days(bare)
    if number or days:
        return Reading(text, number, days, code=code_in(bare) if number else "")
    if not bare[-1].isdecimal() and (quantity := measured_in(bare)):
        return Reading(text, quantity=quantity)
    clock = clock_in(bare) if bare[0].isdecimal() else None
    code = code_in(bare) if clock is None and len(bare) >= _LEAST_DIGITS else ""
    return Reading(text, clock=clock, code=code)


# The same truth is read again for every variant, and names recur from text to text.
_read_short = lru_cache(maxsize=8192)(_read_text)


def says_nothing(value: Any) -> bool:
    """Whether a scalar is null, blank or not a number."""
    if isinstance(value, str):
        return not value.strip()
    return value is None or value != value


def code_in(text: str) -> str:
    """The letters and digits of an identifier of many digits; "" where the text is not one.

    Blanks, dashes and points only group such digits. Between two groups that may be a range, as
    in 2019-2024, they do more, and the text is not one.

    >>> code_in("+49 (0)30 1234567"), code_in("DE89 3704 0044 0532 0130 00"), code_in("18-65")
    ('49301234567', 'DE89370400440532013000', '')
    """
    if not _LEAST_DIGITS <= len(text) <= _LONGEST_CODE:
        return ""
    bare = evened(text)
    bare = f"+({bare[2:]}" if bare.startswith("(+") else bare
    if not _CODE.fullmatch(bare) or bare.count(".") == 1 or _ADDRESS.fullmatch(bare):
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
    """The text without case, accents, white space and punctuation where these carry no meaning.

    What tells two values apart stays: any mark between digits, signs before a number or behind a
    grade, symbols, addresses of mail and web. So "1.25 kg" is never "125 kg".

    >>> plain("Müller & Söhne, Köln") == plain("MULLER SOHNE KOLN")
    True
    """
    return _plain(text) if len(text) <= _SHORT else _plain_long(text)


def _plain(text: str) -> str:
    kept = shortly(text)
    if kept is None:
        kept = plain_with_offsets(text)[0]
    return kept or text.strip().casefold()


# A long text takes a while, and each view of a comparison reads it again.
_plain_long = lru_cache(maxsize=16)(_plain)
