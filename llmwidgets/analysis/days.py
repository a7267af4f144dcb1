"""Days: the dates and times of day that a text says, in the languages people write them in."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from datetime import UTC, date, datetime, time

from llmwidgets.analysis.month_names import MONTHS, WEEKDAYS
from llmwidgets.analysis.scripts import evened, folded

_LONGEST = 60
_ZONE = r"Z|UTC|GMT|[+-]\d{2}:?(?:\d{2})?"
_TIME = re.compile(
    r"(\d{1,2})(?:(?:[:.]|\s?[h時时]\s?)(\d{2})(?::(\d{2})(?:[.,](\d{1,9}))?)?)?(\s?h|\s?Uhr|[時时点]|分)?"
    rf"\s*([ap]\.?\s?m\.?)?\s*({_ZONE})?",
    re.IGNORECASE,
)
_CLOCK = (
    r"(?:(?:T|,?\s+(?:(?:at|um|kl\.?|à|a las|alle)\s+)?)"
    r"(?P<clock>\d{1,2}(?::\d{2}|\s?h|\s?[ap]\.?m|\s?Uhr).*))?"
)
_BEFORE = r"(?:(?P<w>[^\W\d_]+(?:-[^\W\d_]+)?)\.?,?\s+)?"
_NAME = r"(?P<n>(?:[^\W\d_]|[\u0900-\u094f])+)"
_YEAR = r"(?P<y>\d{4}|'?\d{2})"
_DATES = tuple(
    re.compile(pattern + _CLOCK, re.IGNORECASE)
    for pattern in (
        r"(?P<y>\d{4})(?P<s>[-/.])(?P<m>\d{1,2})(?P=s)(?P<d>\d{1,2})\.?",
        rf"{_BEFORE}(?P<a>\d{{1,2}})(?P<s>[-/.])\s?(?P<b>\d{{1,2}})(?P=s)\s?(?P<y>\d{{4}}|\d{{2}})"
        r"(?:\s?г\.?|\s?r\.?)?",
        rf"{_BEFORE}(?P<d>\d{{1,2}})(?:st|nd|rd|th|er|[ºª°.])?[\s./-]*(?:of\s+|de\s+|d')?"
        rf"{_NAME}\.?,?[\s./-]*(?:del?\s+)?{_YEAR}(?:\s?г\.?|\s?r\.?|\s?р\.?)?",
        rf"{_BEFORE}{_NAME}\.?[\s-]+(?P<d>\d{{1,2}})(?:st|nd|rd|th)?(?:,\s*|[\s-]+){_YEAR}",
        rf"(?P<y>\d{{4}})[\s.-]+{_NAME}\.?[\s.-]+(?P<d>\d{{1,2}})\.?",
        r"(?P<y>\d{4})\s?[年년]\s?(?P<m>\d{1,2})\s?[月월]\s?(?P<d>\d{1,2})\s?[日일]?",
        r"(?:ngày\s+)?(?P<d>\d{1,2})\s+tháng\s+(?P<m>\d{1,2})\s+năm\s+(?P<y>\d{4})",
        r"(?P<y>(?:19|20)\d{2})(?P<m>\d{2})(?P<d>\d{2})",
    )
)
_MAY_BE = re.compile(r"\D*\d+\D+\d|\d{8}\b")
_CENTURY_ENDS = 69
"""Two digits below this are a year of 2000 on, as in POSIX."""


@dataclass(frozen=True, slots=True)
class Day:
    """A day as it is written, and the instant in UTC where a time of day is written with it."""

    day: date
    at: datetime
    has_clock: bool = False


def day_in(text: str) -> datetime | None:
    """The day, and time where given, that the whole text is; None where it is not one.

    Day and month that could be either way round (03/04/2024) are not a date.
    """
    days = days_in(text)
    return days[0] if len(set(days)) == 1 else None


def days_in(text: str) -> list[datetime]:
    """Every day that the whole text may mean: two where day and month can be swapped."""
    return [each.at for each in read_days(text)]


def read_days(text: str) -> tuple[Day, ...]:
    """Every day that the whole text may mean, day first before month first.

    >>> [str(each.day) for each in read_days("4. März 2025")]
    ['2025-03-04']
    """
    bare = text.strip()
    if not 6 <= len(bare) <= _LONGEST or not _MAY_BE.match(bare):
        return ()
    if not bare.isascii():
        bare = evened(unicodedata.normalize("NFC", bare))
    for pattern in _DATES:
        found = pattern.fullmatch(bare)
        if found and (days := _days(found)):
            clock = found["clock"]
            at = clock_in(clock) if clock else time()
            if at is None:
                return ()
            read = (_day(day, at, bool(clock)) for day in days)
            return tuple(each for each in read if each is not None)
    return ()


def _days(found: re.Match[str]) -> list[date]:
    parts = found.groupdict()
    if parts.get("w") and _name(parts["w"]) not in WEEKDAYS:
        return []
    year = _year(parts["y"])
    if parts.get("a"):
        one, other = int(parts["a"]), int(parts["b"])
        orders = [(other, one)] if parts["s"] == "." else [(other, one), (one, other)]
    elif parts.get("n"):
        month = MONTHS.get(_name(parts["n"]))
        orders = [(month, int(parts["d"]))] if month else []
    else:
        orders = [(int(parts["m"]), int(parts["d"]))]
    days = []
    for month, day in dict.fromkeys(orders):
        try:
            days.append(date(year, month, day))
        except ValueError:
            continue
    return days


def _name(word: str) -> str:
    return "".join(folded(each) for each in word if each.isalpha() or "\u0900" <= each <= "\u094f")


def _year(written: str) -> int:
    year = int(written.removeprefix("'"))
    if len(written) >= 4:
        return year
    return year + (2000 if year < _CENTURY_ENDS else 1900)


def _day(day: date, clock: time, has_clock: bool) -> Day | None:
    at = datetime.combine(day, clock)
    if at.tzinfo is not None:
        try:
            at = at.astimezone(UTC).replace(tzinfo=None)
        except (OverflowError, ValueError):
            return None
    return Day(day, at, has_clock)


def clock_in(text: str) -> time | None:
    """The time of day that the whole text is; None where it is not one.

    >>> clock_in("2:30 PM"), clock_in("14h30")
    (datetime.time(14, 30), datetime.time(14, 30))
    """
    bare = text.strip()
    found = _TIME.fullmatch(evened(bare)) if len(bare) <= _LONGEST else None
    if not found:
        return None
    hour, minute, second, part, named, half, zone = found.groups()
    if not (minute and ("." not in bare[:3] or named)) and not half and not named:
        return None
    hours = int(hour)
    if half:
        if not 1 <= hours <= 12:
            return None
        hours = hours % 12 + (12 if half.casefold().startswith("p") else 0)
    spelled = f"{hours:02}:{minute or '00'}:{second or '00'}"
    spelled += f".{part[:6]:0<6}" if part else ""
    try:
        return time.fromisoformat(spelled + _zone(zone))
    except ValueError:
        return None


def _zone(zone: str | None) -> str:
    return "" if not zone else "Z" if zone[0] in "ZzUuGg" else zone
