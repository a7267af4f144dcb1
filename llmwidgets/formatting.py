"""Figures and words as a reader sees them: rounded in one way, and with nothing that acts."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from html import escape

UNKNOWN = "unknown"
_JOINERS = "\u200c\u200d"
"""Unseen, and a part of spelling in Persian, in the scripts of India and in pictures."""


def percent(share: float | None) -> str:
    """A share 0–1 as a percentage with one decimal; a dash where nothing was scored."""
    return "–" if share is None else f"{share * 100:.1f}"


def percentage(share: float | None) -> float | None:
    """A share 0–1 as the number that a chart draws, rounded as `percent` writes it."""
    return None if share is None else round(share * 100, 1)


def signed_points(points: float) -> str:
    """Percentage points with their sign, a real minus; 0 has none."""
    return f"{'−' if points < 0 else '+' if points else ''}{abs(points):.1f}"


def plain_share(share: float) -> str:
    """A share 0–1 as commands write it, with three decimals; NaN is unknown."""
    return UNKNOWN if math.isnan(share) else f"{share:.3f}"


def margin(share: float) -> str:
    """A share that somebody chose, as a percentage with the digits that were typed."""
    return f"{100 * share:g}"


def rough_share(share: float) -> str:
    """A share that is a rough guess, as a percentage: whole and rounded up from 10 on."""
    return f"{math.ceil(100 * share)}" if share >= 0.0995 else percent(share)


def interval(low: float | None, high: float | None) -> str:
    """An interval of shares, in percent."""
    return "–" if low is None or high is None else f"{percent(low)}–{percent(high)}"


def seconds(value: float | None) -> str:
    """Seconds with as many digits as matter."""
    if value is None:
        return UNKNOWN
    return f"{value:.2f}" if value < 1 else f"{value:.1f}"


def duration(value: float | None) -> str:
    """About how long, in the unit that fits."""
    return "time unknown" if value is None else f"about {_in_unit(value)}"


def time_between(least: float, most: float) -> str:
    """How long at least and at most, `between 2 s and 9 min`; `about 2 s` where both say that."""
    low, high = _in_unit(least), _in_unit(most)
    return f"about {high}" if low == high else f"between {low} and {high}"


def _in_unit(value: float) -> str:
    if value < 90:
        return f"{max(1, round(value))} s"
    return f"{round(value / 60)} min" if value < 5400 else f"{value / 3600:.1f} h"


def money(value: float | None) -> str:
    """US dollars without the sign: cents, two digits below ten cents; never 0 if unknown."""
    if value is None:
        return UNKNOWN
    if value == 0:
        return "0"
    if value >= 0.0995:
        return f"{value:,.2f}"
    return f"{value:.{1 - math.floor(math.log10(value))}f}".rstrip("0")


def dollars(value: float | None) -> str:
    """US dollars with the sign; never 0 if unknown."""
    return UNKNOWN if value is None else f"${money(value)}"


def count(number: int, noun: str, several: str = "") -> str:
    """The number with its noun: `1 text`, `1,200 texts`, `2 replies`."""
    return f"{number:,} {noun if number == 1 else several or f'{noun}s'}"


def with_article(noun: str) -> str:
    """The noun with its article: `an int`, `a str`, `a UUID`."""
    return f"{'an' if noun[:1] in 'aeioAEIO' else 'a'} {noun}"


def rough_count(number: int) -> str:
    """A count that is a rough guess: two digits, rounded up."""
    step = int(10 ** max(0, len(str(number)) - 2))
    return f"{-(-number // step) * step:,}"


def file_size(size: float) -> str:
    """Bytes in the unit that fits, with one decimal."""
    unit, name = next((each for each in _SIZES if size >= each[0]), _SIZES[-1])
    return f"{size / unit:,.1f} {name}"


_SIZES = ((1e9, "GB"), (1e6, "MB"), (1e3, "kB"))


def average(number: float) -> str:
    """A mean of counts: one decimal under 10, where it has one."""
    return f"{number:.0f}" if number >= 10 else f"{number:.1f}".removesuffix(".0")


def format_page(number: int | None) -> str:
    """The page of a text; nothing where it has none."""
    return "" if number is None else f"page {number:,}"


def figure(value: float) -> str:
    """A figure on an axis, with three digits."""
    return f"{value:.3g}"


def format_times(ratio: float) -> str:
    """How many times as much."""
    return f"{ratio:,.0f}"


def join_listed(names: Sequence[str]) -> str:
    """Names as a sentence lists them: `A`, `A and B`, `A, B and C`."""
    return " and ".join(part for part in (", ".join(names[:-1]), *names[-1:]) if part)


def join_sentences(*sentences: str) -> str:
    """Sentences one after the other; empty ones are left out."""
    return " ".join(each for each in sentences if each)


def join_truncated(names: Iterable[str], most: int = 5) -> str:
    """The first names, and how many more there are."""
    listed = [str(name) for name in names]
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(map(_cut, listed[:most])) + more


def _cut(name: str) -> str:
    """The name, without the rest of a text that stands in the place of one."""
    return name if len(name) <= _LONGEST_NAME else f"{name[: _LONGEST_NAME - 1]}…"


_LONGEST_NAME = 100


def format_thousands(number: int | None) -> str:
    """A count of tokens: 812, 20.4k, unknown."""
    if number is None:
        return UNKNOWN
    return f"{number:,}" if number < 10_000 else f"{number / 1000:.1f}k"


def variant_letter(at: int) -> str:
    """A, B … Z, AA, AB: the same letter for a variant in every view and export."""
    name = ""
    at += 1
    while at:
        at, rest = divmod(at - 1, 26)
        name = chr(ord("A") + rest) + name
    return name


def format_count_words(failure: str) -> str:
    """A failure's class as words: InvalidRecord → invalid record, InvalidJSON → invalid JSON."""
    parts = re.findall(r"[A-Z]+(?![a-z])|[A-Z][a-z]+", failure)
    return " ".join(part if part.isupper() and len(part) > 1 else part.lower() for part in parts)


def failures(counts: Mapping[str, int]) -> str:
    """The failures that happened, with their counts; empty if there were none."""
    return ", ".join(f"{n} {format_count_words(name)}" for name, n in counts.items() if n)


def shorten(text: str, most: int) -> str:
    """The text on one line, cut to `most` characters; unseen characters (an escape) are marked."""
    line = " ".join(text.split())
    line = "".join(
        each if each.isprintable() or each in _JOINERS else "\ufffd" for each in line[: most + 1]
    )
    return line if len(line) <= most else line[: most - 1] + "…"


# -- Days and times as users read them.


def format_day(moment: date) -> str:
    """A day as 11 Dec 2026."""
    return f"{moment.day} {moment:%b %Y}"


def format_days_since(moment: datetime, now: datetime) -> str:
    """How many whole days ago it was, in words."""
    days = (now - moment).days
    return "today" if days < 1 else f"{count(days, 'day')} ago" if days > 1 else "yesterday"


def format_moment(moment: datetime) -> str:
    """A moment as 11 Dec 2026 at 09:30."""
    return f"{format_day(moment)} at {moment:%H:%M}"


def format_since(moment: datetime | None, now: datetime) -> str:
    """`just now`, or the day."""
    if moment is None:
        return ""
    return "just now" if (now - moment).total_seconds() < 120 else format_day(moment.astimezone())


def format_days_until(end: date, today: date) -> str:
    """How long it is until a day, in words."""
    days = (end - today).days
    if days < 0:
        return "so it no longer answers"
    return {0: "today", 1: "tomorrow"}.get(days, f"in {count(days, 'day')}")


# -- Words from elsewhere: unseen controls spelled out, so that none of them acts when shown.
#
# What a server sends or a document contains can move a terminal's cursor, ring its bell, set its
# title, or turn the order of a line around. Writing in any script, from right to left as well,
# stays as it is: only characters that command are replaced.

# C0 but tab and line feed, DEL, C1; marks, embeddings and isolates of direction, also the old ones;
# separators of lines and paragraphs; anchors of annotations; half characters, which no terminal
# can be sent.
_ACTING = re.compile(
    "\r(?!\n)|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f\ufff9-\ufffb"
    "\ud800-\udfff]"
)


def escape_controls(text: str) -> str:
    r"""The text with each acting character replaced by its picture or its number.

    Tabs and line ends stay.

    >>> escape_controls("red\x1b[31m, \u202edesrever")
    'red␛[31m, ⟨U+202E⟩desrever'
    """
    return _ACTING.sub(_spell_out, text)


def escape_in_place(text: str) -> str:
    """The same, one character for each, for a text in which places are counted."""
    return _ACTING.sub(lambda match: _PICTURES.get(match[0], "\ufffd"), text)


def escape_html(text: str) -> str:
    """The text as HTML shows it: nothing of it is a tag, and nothing of it acts."""
    return escape(escape_controls(text))


_PICTURES = {**{chr(code): chr(0x2400 + code) for code in range(0x20)}, "\x7f": "␡"}


def _spell_out(match: re.Match[str]) -> str:
    return _PICTURES.get(match[0]) or f"⟨U+{ord(match[0]):04X}⟩"


_PLAIN = re.compile(r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]+)?")


def parse_number(text: str) -> float:
    """The number that somebody else's text writes in plain digits; ValueError for anything else.

    Python reads 1_0, blanks around a number, nan and digits of other scripts as well, which no
    server and no form means.

    >>> parse_number("1.50")
    1.5
    """
    number = float(text) if _PLAIN.fullmatch(text) else math.nan
    if not math.isfinite(number):
        message = "This is not a number in plain digits."
        raise ValueError(message)
    return number


def parse_whole(text: str) -> int:
    """The whole number that somebody else's text writes in plain digits; ValueError otherwise."""
    parse_number(f"{text}.0")
    return int(text)
