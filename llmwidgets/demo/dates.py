"""Dates in the forms people write: 2025-03-14, 14.03.2025, 14 March 2025, June 15th, 2025."""

from __future__ import annotations

import datetime as dt
import re

from llmwidgets.demo.extractor.document import Document, Found

_MONTHS = (
    "jan january januar janvier enero gennaio januari ene gen",
    "feb february februar fevrier febrero febbraio februari",
    "mar march marz mars marzo maart",
    "apr april avril abril aprile abr",
    "may mai mayo maggio mei",
    "jun june juni juin junio giugno",
    "jul july juli juillet julio luglio",
    "aug august aout agosto augustus ago",
    "sep sept september septembre septiembre settembre",
    "oct october oktober octobre octubre ottobre okt",
    "nov november novembre noviembre",
    "dec december dezember decembre diciembre dicembre dez",
)
_NUMBER_OF = {word: place for place, words in enumerate(_MONTHS, 1) for word in words.split()}
_MONTH = "(?P<month>" + "|".join(sorted(_NUMBER_OF, key=len, reverse=True)) + r")\.?"
_MOST = 500
_FORMS = (
    re.compile(r"(?<!\d)(?P<year>\d{4})-(?P<month>\d\d?)-(?P<day>\d\d?)(?!\d)"),
    re.compile(r"(?<!\d)(?P<year>\d{4})/(?P<month>\d\d?)/(?P<day>\d\d?)(?!\d)"),
    re.compile(r"(?<![\d.])(?P<day>\d\d?)\.\s?(?P<month>\d\d?)\.\s?(?P<year>\d{4}|\d\d)(?![\d])"),
    re.compile(r"(?<![\d-])(?P<day>\d\d?)-(?P<month>\d\d?)-(?P<year>\d{4})(?!\d)"),
    re.compile(rf"(?<!\d)(?P<day>\d\d?)(?:st|nd|rd|th|er|\.|º)?\s+(?:de\s+|of\s+)?{_MONTH}"
               r"(?:\s+de)?,?\s+(?P<year>\d{4})(?!\d)"),
    re.compile(rf"(?<![a-z]){_MONTH}\s+(?P<day>\d\d?)(?:st|nd|rd|th)?,?\s+(?P<year>\d{{4}})(?!\d)"),
)  # fmt: skip
_SLASHED = re.compile(r"(?<![\d/])(?P<a>\d\d?)/(?P<b>\d\d?)/(?P<year>\d{4}|\d\d)(?![\d/])")


def find_dates(document: Document, *, locale: bool) -> list[Found]:
    """The first five hundred whole dates as ISO days, in the order of the text.

    With `locale`, 06/02/2025 is read by the document's other dates and its currency; without,
    as day first.
    """
    found = [
        Found(iso, *match.span())
        for form in _FORMS
        for match in form.finditer(document.folded)
        if (iso := _iso(match["year"], match["month"], match["day"]))
    ]
    month_first = locale and _month_first(document)
    for match in _SLASHED.finditer(document.folded):
        day, month = (match["b"], match["a"]) if month_first else (match["a"], match["b"])
        iso = _iso(match["year"], month, day) or _iso(match["year"], day, month)
        if iso:
            found.append(Found(iso, *match.span()))
    return sorted(found, key=lambda each: each.start)[:_MOST]


def _iso(year: str, month: str, day: str) -> str | None:
    number = int(month) if month.isdecimal() else _NUMBER_OF[month]
    try:
        return dt.date(int(year) + (2000 if len(year) == 2 else 0), number, int(day)).isoformat()
    except ValueError:
        return None


def _month_first(document: Document) -> bool:
    pairs = [(int(match["a"]), int(match["b"])) for match in _SLASHED.finditer(document.text)]
    if any(first > 12 for first, _ in pairs):
        return False
    if any(second > 12 for _, second in pairs):
        return True
    return "$" in document.text and not {"€", "£"} & set(document.text)
