"""How long a server asks to wait, read out of its headers, a field of the body, or words."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from llmwidgets.dialects.error_body import ErrorBody, read_path, rows_of
from llmwidgets.dialects.types import HTTPResponse
from llmwidgets.formatting import count, parse_number

_LONGEST_WAIT = 10.0**7
"""Seconds: anything longer was not meant as a wait."""
_EPOCH_SECONDS, _EPOCH_MILLISECONDS = 10.0**9, 10.0**11
"""A number from here on is a moment, not a wait."""
_READ_OF_HEADER = 100
"""Characters of a header that are read."""

_UNITS = {
    "ms": 0.001, "millisecond": 0.001, "msec": 0.001,
    "s": 1.0, "sec": 1.0, "second": 1.0,
    "m": 60.0, "min": 60.0, "minute": 60.0,
    "h": 3600.0, "hr": 3600.0, "hour": 3600.0,
    "d": 86_400.0, "day": 86_400.0, "w": 604_800.0, "week": 604_800.0,
}  # fmt: skip
_NUMBER = r"[0-9]{1,15}(?:\.[0-9]{1,15})?"
_PART = (
    rf"(?P<number>{_NUMBER}|\ban?\b|\bone\b)\s*"
    r"(?P<unit>milliseconds?|msecs?|ms|seconds?|secs?|s|minutes?|mins?|m|hours?|hrs?|h"
    r"|days?|d|weeks?|w)(?![a-z])"
)
_PARTS = re.compile(_PART, re.I)
_SPELLED = re.sub(r"\?P<\w+>", "?:", _PART)
_DURATION = rf"{_SPELLED}(?:[\s,]*(?:and\s+)?{_SPELLED})*"
_WHOLE = re.compile(_DURATION, re.I)
_ISO = re.compile(
    rf"P(?=[0-9T])(?:({_NUMBER})D)?(?:T(?:({_NUMBER})H)?(?:({_NUMBER})M)?(?:({_NUMBER})S)?)?", re.I
)
_MOMENT = (
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9:.]{2,18}\s?(?:Z|UTC|[+-][0-9]{2}:?[0-9]{2})?"
)
_WORDS = re.compile(
    r"\b(?:try(?:ing)?\b.{0,20}?\bagain|retry(?:ing)?|retry[_ -]?after|wait(?:ing)?|resets?"
    r"|available|renews?|replenish(?:es)?|refresh(?:es)?)"
    r"(?:\s+(?:your|the|this|again)(?:\s+request)?)?"
    r"(?P<at>\s*[:=]\s*|\s+(?:in|after|for|at|on|until)\s+|\s+)(?:about\s+|approximately\s+|around\s+"
    rf"|at\s+least\s+|another\s+|~\s*)?(?:(?P<moment>{_MOMENT})|(?P<iso>P(?=[0-9T])[0-9.DTHMS]+)\b"
    rf"|(?P<duration>{_DURATION})|(?P<bare>{_NUMBER})(?![\w:%-])(?!\.[0-9])(?!\s*[a-z]))",
    re.I,
)
_HEADERS = ("retry-after-ms", "x-ms-retry-after-ms"), ("retry-after",)
_FIELDS = ("retry_after_ms",), ("retry_after", "retry_after_seconds", "estimated_time")
"""What is written next to a message; like the headers first in milliseconds, then in seconds."""
_RESET = re.compile(r"rate-?limit.*reset")


def read_wait(payload: HTTPResponse, error: ErrorBody, *, limited: bool = False) -> float | None:
    """Seconds that the server asks to wait before the next try, or None.

    The headers made for it are trusted before a field of the body, that before its words; if a
    limit was reached, the moment at which it is free again counts before the words as well.
    """
    now = _moment(payload.headers.get("date", "")) or datetime.now(UTC)
    waits = _waits(payload.headers, error, now, limited)
    return next((seconds for seconds in waits if seconds is not None), None)


def format_wait(seconds: float) -> str:
    """A wait as it is read: `26 s`, `8 min`, `1 h 12 min`, `2 days 3 h`."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    hours, minutes = divmod(math.ceil(seconds / 60), 60)
    if hours >= 48:
        days, hours = divmod(hours, 24)
        return f"{count(days, 'day')} {hours} h" if hours else count(days, "day")
    if not hours:
        return f"{minutes} min"
    return f"{hours} h {minutes} min" if minutes else f"{hours} h"


def _waits(
    headers: Mapping[str, str], error: ErrorBody, now: datetime, limited: bool
) -> Iterator[float | None]:
    metadata = read_path(error.whole, "metadata")
    # A router hands on the headers of the provider behind it.
    inner = read_path(metadata, "headers")
    passed = {str(k).lower(): str(v) for k, v in inner.items()} if isinstance(inner, dict) else {}
    yield _named(headers, _HEADERS, now)
    yield from (_named(fields, _FIELDS, now) for fields in (error.whole, metadata))
    yield _named(passed, _HEADERS, now)
    if limited:
        yield _freed(headers, now)
        yield _freed(passed, now)
    for match in _WORDS.finditer(error.message):
        # "Retry 3": a number of tries, as likely as of seconds.
        if not match["bare"] or match["at"].strip():
            named = match["moment"] or match["iso"] or match["duration"] or match["bare"]
            yield _seconds(named, now)
            return


def _named(fields: Any, names: tuple[tuple[str, ...], ...], now: datetime) -> float | None:
    """The wait in a header or a field made for it; Google writes it among the details."""
    if not isinstance(fields, Mapping):
        return None
    for row in rows_of(fields.get("details"), "RetryInfo"):
        return _seconds(str(row.get("retryDelay", "")), now)
    milliseconds, others = names
    for name in milliseconds:
        exact = _number(fields.get(name))
        if exact is not None:
            return _sane(exact / 1000)
    for name in others:
        value = fields.get(name)
        if value is not None and not isinstance(value, bool | dict | list):
            return _seconds(str(value), now)
    return None


def _freed(headers: Mapping[str, str], now: datetime) -> float | None:
    """When the limits that are used up are free again; the others do not count.

    If a server does not report what is left, the nearest of its moments is tried.
    """
    used_up, unknown = list[float](), list[float]()
    for name, text in headers.items():
        seconds = _seconds(text, now) if _RESET.search(name) else None
        if seconds is None:
            continue
        left = headers.get(name.replace("reset", "remaining"))
        number = _number(left.partition(";")[0].lstrip("-")) if left else None
        if number is None:
            unknown.append(seconds)
        elif number == 0 or (left or "").startswith("-"):
            used_up.append(seconds)
    return max(used_up) if used_up else min(unknown, default=None)


def _seconds(text: str, now: datetime) -> float | None:
    """Seconds until what a text names: a number, a duration or a moment; None if it is neither."""
    text = text[:_READ_OF_HEADER].strip()
    number = _number(text)
    if number is not None:
        if number < _EPOCH_SECONDS:
            return _sane(number)
        since = number / 1000 if number >= _EPOCH_MILLISECONDS else number
        return _sane(max(0.0, since - now.timestamp()))
    iso = _ISO.fullmatch(text)
    if iso:
        sizes = (86_400.0, 3600.0, 60.0, 1.0)
        return _sane(
            sum(float(part or 0) * size for part, size in zip(iso.groups(), sizes, strict=True))
        )
    if _WHOLE.fullmatch(text):
        seconds = 0.0
        for match in _PARTS.finditer(text):
            unit = match["unit"].lower()
            amount = float(match["number"]) if match["number"][0].isdigit() else 1.0
            seconds += amount * (_UNITS.get(unit) or _UNITS[unit.removesuffix("s")])
        return _sane(seconds)
    moment = _moment(text)
    return None if moment is None else _sane(max(0.0, (moment - now).total_seconds()))


def _sane(seconds: float) -> float | None:
    return seconds if 0 <= seconds < _LONGEST_WAIT else None


def _number(value: Any) -> float | None:
    """A number that is not negative, from a text or a field; None for nonsense."""
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        return None
    try:
        number = parse_number(value.strip()) if isinstance(value, str) else float(value)
    except (ValueError, OverflowError):
        return None
    return number if math.isfinite(number) and number >= 0 else None


def _moment(text: str) -> datetime | None:
    """The moment that a text names, by ISO 8601 or as the date of a header."""
    iso = text.replace("UTC", "Z").replace(" Z", "Z")
    for parse, spelled in ((datetime.fromisoformat, iso), (parsedate_to_datetime, text)):
        try:
            moment = parse(spelled)
        except (ValueError, TypeError, OverflowError, IndexError):
            continue
        return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
    return None
