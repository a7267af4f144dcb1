"""Readings: what a value says once case, accents, punctuation and ways of writing are set aside."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Any

_UNITS = {
    "$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY", "₹": "INR", "%": "%", "USD": "USD",
    "EUR": "EUR", "GBP": "GBP", "JPY": "JPY", "INR": "INR", "CHF": "CHF", "CAD": "CAD",
    "AUD": "AUD", "CNY": "CNY", "SEK": "SEK", "NOK": "NOK", "DKK": "DKK", "PLN": "PLN",
}  # fmt: skip
_UNIT = "|".join(re.escape(each) for each in _UNITS)
_SHORT = 200
_SIMPLE = re.compile(r"[A-Za-z0-9\s!\"'()*;?@\[\]\\_{}&]*")
"""Texts in which every character is a letter, a digit, or of no matter."""

_NO_MATTER = re.compile("[^A-Za-z0-9]+")
_SPACES = " \u00a0\u2009\u202f'’"
_NUMBER = re.compile(
    rf"(?P<open>\()?(?P<sign>[-+−])?\s*(?P<before>{_UNIT})?\s*(?P<late>[-−])?"
    rf"(?P<body>\d[\d.,{_SPACES}]*\d|\d|\.\d+)\s*(?P<after>{_UNIT})?(?P<close>\))?"
)
_MONTHS = {
    name: number
    for number, names in enumerate(
        ("jan january", "feb february", "mar march", "apr april", "may", "jun june", "jul july",
         "aug august", "sep sept september", "oct october", "nov november", "dec december"), 1,
    )
    for name in names.split()
}  # fmt: skip
_MONTH = "|".join(sorted(_MONTHS, key=len, reverse=True))
_CLOCK = r"(?P<clock>[T\s]+\d{1,2}:\d{2}[^\s]*(?:\s*[ap]\.?m\.?)?)?"
_DATES = tuple(
    re.compile(pattern + _CLOCK, re.IGNORECASE)
    for pattern in (
        r"(?P<y>\d{4})[-/.](?P<m>\d{1,2})[-/.](?P<d>\d{1,2})",
        r"(?P<a>\d{1,2})(?P<s>[-/.])(?P<b>\d{1,2})(?P=s)(?P<y>\d{4})",
        rf"(?:[a-z]+,?\s+)?(?P<d>\d{{1,2}})(?:st|nd|rd|th|\.)?[\s-]+(?:of\s+)?"
        rf"(?P<n>{_MONTH})\.?,?[\s-]+(?P<y>\d{{4}})",
        rf"(?:[a-z]+,?\s+)?(?P<n>{_MONTH})\.?\s+(?P<d>\d{{1,2}})(?:st|nd|rd|th)?,?\s+(?P<y>\d{{4}})",
    )
)
_TIME = re.compile(
    r"(\d{1,2}):(\d{2})(?::(\d{2})(\.\d{1,6})?\d*)?\s*([ap]\.?m\.?)?\s*(Z|[+-]\d{2}:?\d{2})?",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Number:
    """A number and the currency or per cent sign it was written with."""

    value: Decimal
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Reading:
    """What a scalar says as a number, as a date, and as a text."""

    text: str
    number: Number | None = None
    day: datetime | None = None


def read(value: Any) -> Reading:
    """Every way to understand a scalar. Never fails, whatever the value is."""
    if isinstance(value, bool) or value is None:
        return Reading(str(value).casefold())
    if isinstance(value, int | float):
        return Reading("", number=Number(Decimal(value) if isinstance(value, int) else _of(value)))
    if isinstance(value, str):
        return _read_short(value) if len(value) <= _SHORT else _read_text(value)
    return Reading(plain(str(value)))


def _read_text(text: str) -> Reading:
    number = number_in(text)
    return Reading(plain(text), number, None if number else day_in(text))


# The same truth is read again for every variant, and names recur from text to text.
_read_short = lru_cache(maxsize=8192)(_read_text)


def _of(value: float) -> Decimal:
    return Decimal(repr(value))


def says_nothing(value: Any) -> bool:
    """Whether a scalar is null, blank or not a number."""
    if isinstance(value, str):
        return not value.strip()
    return value is None or value != value


def number_in(text: str) -> Number | None:
    """The number that the whole text is; None where it is none.

    Thousands separators and decimal commas are understood: "1,250" is 1250 and "1,25" is 1.25.
    A whole number with a leading zero is an identifier, not a number.

    >>> number_in("$1,250.00")
    Number(value=Decimal('1250.00'), unit='USD')
    >>> number_in("007") is None
    True
    """
    bare = text.strip()
    if len(bare) > 60 or not (found := _NUMBER.fullmatch(bare)):
        return None
    if bool(found["open"]) != bool(found["close"]) or (found["sign"] and found["late"]):
        return None
    digits = _digits(found["body"])
    if digits is None:
        return None
    minus = found["sign"] in {"-", "−"} or found["late"] or found["open"]
    unit = _UNITS.get(found["before"] or found["after"] or "", "")
    try:
        return Number(Decimal(digits) * (-1 if minus else 1), unit)
    except InvalidOperation:
        return None


def _digits(body: str) -> str | None:
    """The body of a number in Python's spelling; None where its separators make no sense."""
    for space in _SPACES:
        if space in body and not re.fullmatch(rf"\d{{1,3}}({space}\d{{3}})+([.,]\d+)?", body):
            return None
        body = body.replace(space, "")
    comma, point = body.rfind(","), body.rfind(".")
    if comma >= 0 and point >= 0:
        decimal, group = (",", ".") if comma > point else (".", ",")
        return _grouped(body, group, decimal)
    mark = "," if comma >= 0 else "."
    count = body.count(mark)
    groups = re.fullmatch(rf"[1-9]\d{{0,2}}({re.escape(mark)}\d{{3}})+", body)
    if count > 1 or (mark == "," and groups):
        return body.replace(mark, "") if groups else None
    body = body.replace(",", ".")
    return None if re.match(r"0\d", body) or not body.isascii() else body


def _grouped(body: str, group: str, decimal: str) -> str | None:
    pattern = rf"[1-9]\d{{0,2}}({re.escape(group)}\d{{3}})+{re.escape(decimal)}\d+"
    if not body.isascii() or not re.fullmatch(pattern, body):
        return None
    return body.replace(group, "").replace(decimal, ".")


def day_in(text: str) -> datetime | None:
    """The day, and time where given, that the whole text is; None where it is none.

    Day and month that could be either way round (03/04/2024) are no date.
    """
    days = days_in(text)
    return days[0] if len(set(days)) == 1 else None


def days_in(text: str) -> list[datetime]:
    """Every day that the whole text may mean: two where day and month can be swapped."""
    bare = text.strip()
    if len(bare) > 60 or not any(each.isdigit() for each in bare):
        return []
    for pattern in _DATES:
        if found := pattern.fullmatch(bare):
            clock = clock_in(found["clock"].lstrip("Tt ").strip()) if found["clock"] else time()
            if clock is None:
                return []
            return [at for day in _days(found) if (at := _at(day, clock)) is not None]
    return []


def _days(found: re.Match[str]) -> list[date]:
    parts = found.groupdict()
    year = int(parts["y"])
    if parts.get("a"):
        one, other = int(parts["a"]), int(parts["b"])
        orders = [(other, one)] if parts["s"] == "." else [(other, one), (one, other)]
    elif parts.get("n"):
        orders = [(_MONTHS[parts["n"].casefold()], int(parts["d"]))]
    else:
        orders = [(int(parts["m"]), int(parts["d"]))]
    days = []
    for month, day in dict.fromkeys(orders):
        try:
            days.append(date(year, month, day))
        except ValueError:
            continue
    return days


def _at(day: date, clock: time) -> datetime | None:
    at = datetime.combine(day, clock)
    if at.tzinfo is None:
        return at
    try:
        return at.astimezone(UTC).replace(tzinfo=None)
    except (OverflowError, ValueError):
        return None


def clock_in(text: str) -> time | None:
    """The time of day that the whole text is; None where it is none."""
    bare = text.strip()
    found = _TIME.fullmatch(bare) if len(bare) <= 60 else None
    if not found:
        return None
    hour, minute, second, part, half, zone = found.groups()
    hours = int(hour)
    if half:
        if not 1 <= hours <= 12:
            return None
        hours = hours % 12 + (12 if half.casefold().startswith("p") else 0)
    spelled = f"{hours:02}:{minute}:{second or '00'}{(part or '').ljust(7, '0') if part else ''}"
    try:
        return time.fromisoformat(spelled + (zone or "").upper())
    except ValueError:
        return None


def plain(text: str) -> str:
    """The text without case, accents, white space and punctuation.

    What tells numbers apart stays: a point, slash or colon between digits, a minus before one,
    per cent and number signs. So "1.25 kg" is never "125 kg".

    >>> plain("Müller & Söhne, Köln") == plain("MULLER SOHNE KOLN")
    True
    """
    return _plain(text) if len(text) <= _SHORT else _plain_long(text)


def _plain(text: str) -> str:
    simple = text.isascii() and _SIMPLE.fullmatch(text)
    kept = _NO_MATTER.sub("", text).lower() if simple else plain_with_offsets(text)[0]
    return kept or text.strip().casefold()


# A long text takes a while, and each view of a comparison reads it again.
_plain_long = lru_cache(maxsize=16)(_plain)


def plain_with_offsets(text: str) -> tuple[str, list[int]]:
    """The plain text and, for each of its characters, where it stands in the original."""
    kept: list[str] = []
    offsets: list[int] = []
    for index, each in enumerate(text):
        if each.isascii() and each.isalnum():
            kept.append(each.lower())
            offsets.append(index)
            continue
        for mark in _kept(text, index, each):
            kept.append(mark)
            offsets.append(index)
    return "".join(kept), offsets


def _kept(text: str, index: int, each: str) -> str:
    if each.isspace():
        return ""
    if each in ".,/:":
        return _between_digits(text, index, each)
    if each in "-−":
        alone = index == 0 or not (text[index - 1].isalnum() or text[index - 1] in ")]")
        return "-" if alone and text[index + 1 : index + 2].isdigit() else ""
    if each in "%#":
        return each
    if unicodedata.category(each)[0] in "PZC":
        return ""
    parts = unicodedata.normalize("NFKD", each)
    return "".join(mark for mark in parts if not "\u0300" <= mark <= "\u036f").casefold()


def _between_digits(text: str, index: int, mark: str) -> str:
    before, after = text[index - 1 : index] if index else "", text[index + 1 : index + 5]
    if not (before.isdigit() and after[:1].isdigit()):
        return ""
    if mark == ",":
        thousands = after[:3].isdigit() and len(after[:3]) == 3 and not after[3:].isdigit()
        return "" if thousands else "."
    return mark
