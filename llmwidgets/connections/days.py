"""Days and times as users read them."""

from __future__ import annotations

from datetime import date, datetime


def day(moment: date) -> str:
    """A day as 11 Dec 2026."""
    return f"{moment.day} {moment:%b %Y}"


def since(moment: datetime | None, now: datetime) -> str:
    """`just now`, or the day."""
    if moment is None:
        return ""
    return "just now" if (now - moment).total_seconds() < 120 else day(moment.astimezone())


def in_days(end: date, today: date) -> str:
    """How long it is until a day, in words."""
    days = (end - today).days
    if days < 0:
        return "so it no longer answers"
    return {0: "today", 1: "tomorrow"}.get(days, f"in {days} days")
