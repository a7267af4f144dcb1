"""Grounding: where in a text a value occurs, as it is or written in another way."""

from __future__ import annotations

import re
import unicodedata
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import time
from decimal import Decimal
from functools import cached_property
from importlib import import_module
from typing import Any, Literal, NamedTuple

from llmwidgets.analysis.leaves import leaves_of, says_no_value
from llmwidgets.analysis.mentions import DateMentions, NumberMentions, Place
from llmwidgets.analysis.normalize import (
    Parsed,
    code_in,
    parse_value,
    plain,
    plain_with_offsets,
    says_nothing,
)
from llmwidgets.analysis.parsing import NUMBER_WORDS, Day, Number
from llmwidgets.analysis.scripts import alone, places, spelled_out
from llmwidgets.analysis.text_matching import digits, is_denied, is_fixed, is_name, passage_of
from llmwidgets.schemas import Leaf

Kind = Literal["exact", "normalised", "fuzzy", "absent", "not applicable"]
FUZZY_FROM = 85.0
"""From this similarity on (0 to 100), a passage counts as the value in other words."""

_SHORTEST_FUZZY = 5
_LOOKED_THROUGH = 10_000_000_000
"""The characters of a text that are searched, over all values: some seconds."""

_FUZZY_AT_ONCE, _FUZZY = 100_000_000, 300_000_000
_LONGEST_NAME = 60
_IN_WORDS = {number: plain(word) for word, number in NUMBER_WORDS.items()}
_MONTH = re.compile(r"(\d{4})-(\d{2})")
_SENTENCE_ENDS = re.compile(r"[^\W\d_]{5}[.!?]\s+(?=[^\W\d_])")
_BETWEEN_NAMES = re.compile(r"\s*,?\s+|,")
_AMBIGUOUS = re.compile(r"(?<![\d.,])[1-9]\d{0,2}[.,]\d{3}(?![\d.,])")
_TWO_LETTERS = re.compile("([aou])e|a(?=a)")
PAGE_BREAK = re.compile(
    r"(?:(?:\r?\n)?\f|\A(?=\[page 1\]))(?:\[page (?P<number>\d{1,7})\](?:\r?\n)?)?"
)
"""Between two pages. The mark with a number is what `mark_pages` adds, and not text."""


@dataclass(frozen=True, slots=True)
class Grounding:
    """Where a value occurs in a text: `text[start:end]`; None if it does not.

    `exact`: to the letter. `normalised`: in other case, spacing, number or date writing, a name
    turned round. `fuzzy`: nearly, with the same digits, identifiers and denials, or a date without
    its year. `absent`: nowhere. `not applicable`: null, also in words such as N/A, yes or no,
    allowed values that a text need not spell out, and what is too long, or one of too many values,
    to be looked for in a long text.

    `page` is where it starts, counted from 1; None in a text without pages.
    """

    kind: Kind
    start: int | None = None
    end: int | None = None
    page: int | None = None

    @property
    def span(self) -> tuple[int, int] | None:
        """`start` and `end`; None if the value does not occur."""
        return None if self.start is None or self.end is None else (self.start, self.end)


_ABSENT = Grounding("absent")
_NOT_APPLICABLE = Grounding("not applicable")


def mark_pages(pages: Sequence[str]) -> str:
    """Pages as one text; a form feed and a mark begin each if there are several.

    >>> mark_pages(["One", "Two"])
    '\\x0c[page 1]\\nOne\\n\\x0c[page 2]\\nTwo'
    """
    if len(pages) == 1:
        return pages[0]
    return "\n".join(f"\f[page {number}]\n{page}" for number, page in enumerate(pages, 1))


class _Page(NamedTuple):
    """Where a page starts in what is searched and in the whole text, and its number."""

    start: int
    whole_start: int
    number: int


@dataclass(frozen=True)
class SourceText:
    """A text, read once for all values that are looked for in it."""

    whole: str
    _left: dict[str, float] = field(
        default_factory=lambda: {"exact": _LOOKED_THROUGH, "fuzzy": _FUZZY}, repr=False
    )

    def takes(self, kind: str, work: float) -> bool:
        """Whether this much more work may go into this text; if so, it is counted."""
        self._left[kind] -= work
        return self._left[kind] >= 0

    @cached_property
    def text(self) -> str:
        """What is searched: the whole with a line end wherever a page ends."""
        return PAGE_BREAK.sub("\n", self.whole) if "\f" in self.whole else self.whole

    @cached_property
    def _pages(self) -> list[_Page]:
        pages = [_Page(0, 0, 1)]
        for match in PAGE_BREAK.finditer(self.whole.rstrip()) if "\f" in self.whole else ():
            last = pages[-1]
            start = last.start + match.start() - last.whole_start + 1
            number = int(match["number"] or last.number + 1)
            pages.append(_Page(start, match.end(), number))
        return pages

    def to_whole(self, found: Grounding) -> Grounding:
        """What was found in the text, by its place in the whole and its page."""
        if found.start is None or found.end is None or len(self._pages) == 1:
            return found
        first, last = self._page_at(found.start), self._page_at(found.end - 1)
        return replace(
            found,
            start=found.start + first.whole_start - first.start,
            end=found.end + last.whole_start - last.start,
            page=first.number,
        )

    def _page_at(self, at: int) -> _Page:
        return self._pages[bisect_right(self._pages, at, key=lambda page: page.start) - 1]

    @cached_property
    def plain(self) -> tuple[str, list[int]]:
        return plain_with_offsets(self.text)

    @cached_property
    def numbers(self) -> NumberMentions:
        return NumberMentions(self.text)

    @cached_property
    def datings(self) -> DateMentions:
        return DateMentions(self.numbers)

    @cached_property
    def codes(self) -> tuple[str, list[int]]:
        """Only the letters and digits, in capitals, for identifiers written in groups."""
        kept = [(each, at) for at, each in enumerate(self.numbers.even) if each.isalnum()]
        return "".join(each.upper()[0] for each, _ in kept), [at for _, at in kept]


def get_ready() -> None:
    """Load what finds a paraphrase: else the first search would take 30 ms longer."""
    import_module("rapidfuzz.fuzz")


def ground(value: Any, text: str | SourceText, leaf: Leaf | None = None) -> Grounding:
    """Locate a value in a text.

    >>> ground(1250, "a total of 1,250.00 euro")
    Grounding(kind='normalised', start=11, end=19, page=None)
    >>> ground("Ada", "no such name")
    Grounding(kind='absent', start=None, end=None, page=None)
    """
    source = SourceText(text) if isinstance(text, str) else text
    return source.to_whole(_ground(value, source, leaf))


def _ground(value: Any, source: SourceText, leaf: Leaf | None) -> Grounding:
    if isinstance(value, bool) or not isinstance(value, str | int | float) or says_nothing(value):
        return _NOT_APPLICABLE
    if not source.takes("exact", len(source.text)):
        return _NOT_APPLICABLE
    reading = parse_value(value)
    # A number is looked for among the numbers, so that its minus counts.
    is_text = isinstance(value, str) and not reading.number
    if is_text and (span := _whole_words(source.text, str(value).strip())):
        return Grounding("exact", *span)
    if grounding := _other_writing(value, reading, source):
        return grounding
    if says_no_value(value) or (leaf is not None and leaf.type in {"enum", "boolean"}):
        return _NOT_APPLICABLE
    figure = reading.number or reading.days or reading.clock or reading.quantity or reading.code
    return _ABSENT if figure or not isinstance(value, str) else _fuzzy(value, source)


def _whole_words(text: str, wanted: str) -> Place | None:
    """The first place where `wanted` occurs and is not part of a longer word or number."""
    spans = ((start, start + len(wanted)) for start in places(text, wanted))
    return next((span for span in spans if _is_whole(text, *span)), None)


def _is_whole(text: str, start: int, end: int) -> bool:
    """Whether a passage is not part of a word, a number or an address of mail."""
    if not alone(text, start, end):
        return False
    in_mail = start and text[start - 1] in "._-+" and text[start - 2 : start - 1].isalnum()
    return not (in_mail and "@" in text[start:end])


def _other_writing(
    value: str | int | float, reading: Parsed, source: SourceText
) -> Grounding | None:
    if reading.number and (span := _number(reading.number, value, source)):
        written = value.strip() if isinstance(value, str) else repr(value)
        if source.text[slice(*span)] == written:
            return Grounding("exact", *span)
        # A currency or the point of "Mio." that the value has too belongs to the passage.
        whole = _whole_words(source.text, written) if isinstance(value, str) else None
        if whole and whole[0] <= span[0] and span[1] <= whole[1]:
            return Grounding("exact", *whole)
        return Grounding("normalised", *span)
    if reading.days:
        return _day(reading.days, source)
    span = None
    if isinstance(value, str) and (month := _MONTH.fullmatch(value.strip())):
        span = source.datings.by_month.get((int(month[1]), int(month[2])))
    if not span and reading.clock:
        span = source.datings.by_clock.get(reading.clock)
    if not span and reading.code:
        span = _code(reading.code, source)
    if not span and isinstance(value, str) and not reading.number:
        span = _text(value, reading, source)
    return Grounding("normalised", *span) if span else None


def _number(number: Number, written: str | float, source: SourceText) -> Place | None:
    for value in _meant(number, written, source):
        for start, end, _ in source.numbers.of(value):
            unit, far_start, far_end = source.numbers.unit_at(start, end)
            if not number.unit:
                return start, end
            if number.agrees(Number(value, unit)):
                return far_start, far_end
    if number.unit or not 1 < number.value < 10_000 or number.value % 1:
        return None
    if number.value >= 1000:
        return source.datings.by_year.get(int(number.value))
    text, span = source.text, _normalised(_IN_WORDS.get(int(number.value), ""), source)
    hyphened = span and "-" in (text[span[0] - 1 : span[0]], text[span[1] : span[1] + 1])
    return None if hyphened else span


def _meant(number: Number, written: str | float, source: SourceText) -> list[Decimal]:
    """What a number means in this text: "1.480" is 1480 where points group thousands."""
    if not isinstance(written, str) or not _AMBIGUOUS.search(written) or not source.numbers.mark:
        return [number.value]
    values = [each.value for each in NumberMentions(written, source.numbers.mark)]
    return values or [number.value]


def _day(days: Sequence[Day], source: SourceText) -> Grounding | None:
    """A day as the text writes it, with its time of day if the value has one.

    A day and month without a year is normalised if the year is elsewhere, else fuzzy.
    """
    datings = source.datings
    for each in days:
        if each.has_clock and (place := datings.by_instant.get(each.at)):
            return Grounding("normalised", *place)
    for each in days:
        clock = each.at.time()
        is_known = not each.has_clock or clock == time() or clock in datings.by_clock
        if is_known and (place := datings.of(each.day)):
            return Grounding("normalised", *place)
    yearless = [
        (place, each.day.year)
        for each in days
        if (place := datings.by_day_of_year.get((each.day.month, each.day.day)))
    ]
    if not yearless:
        return None
    place, year = min(yearless)
    known = _whole_words(source.text, str(year))
    return Grounding("normalised" if known else "fuzzy", *place)


def _code(code: str, source: SourceText) -> Place | None:
    """An identifier of many digits, however it is grouped."""
    flat, offsets = source.codes
    for at in places(flat, code):
        start, end = offsets[at], offsets[at + len(code) - 1] + 1
        start -= source.text[start - 1 : start] == "+"
        if alone(source.text, start, end) and code_in(source.text[start:end].upper()) == code:
            return start, end
    return None


def _text(value: str, reading: Parsed, source: SourceText) -> Place | None:
    """In other case, accents, spacing, punctuation; umlauts as two letters; a name turned round."""
    span = _normalised(reading.text, source, value=value)
    if not span and (out := spelled_out(value)):
        span = _normalised(plain(out), source)
    if not span and (short := _TWO_LETTERS.sub(r"\1", reading.text)) != reading.text:
        span = _normalised(short, source, reading.text)
    if not span and reading.quantity:
        span = _quantity(reading.quantity, source)
    if span and value[:1] != source.text[span[0]] and is_denied(value, source.text, span[0]):
        return None
    return span or _turned_name(value, source)


def _normalised(wanted: str, source: SourceText, meant: str = "", value: str = "") -> Place | None:
    """Where the plain text has `wanted`, which is that of `value`; a name within one sentence.

    `meant` is the passage with umlauts in two letters, if that is looked for.
    """
    text, (flat, offsets) = source.text, source.plain
    for at in places(flat, wanted) if wanted else ():
        start, end = offsets[at], offsets[at + len(wanted) - 1] + 1
        while end < len(text) and unicodedata.combining(text[end]):
            end += 1
        passage = text[start:end]
        if not _is_whole(text, start, end) or _is_torn(value, passage):
            continue
        spelled = plain(spelled_out(passage) or "") if meant else plain(passage)
        if spelled == (meant or wanted):
            return start, end
    return None


def _is_torn(name: str, passage: str) -> bool:
    """Whether a sentence ends within what looks like a name: "met Smith. John said"."""
    ends = _SENTENCE_ENDS.search(passage) and not _SENTENCE_ENDS.search(name)
    return bool(ends) and is_name(name)


def _quantity(quantity: Number, source: SourceText) -> Place | None:
    for start, end, _ in source.numbers.of(quantity.value):
        unit, far = source.numbers.measure_at(end)
        if unit == quantity.unit:
            return start, far
    return None


def _turned_name(value: str, source: SourceText) -> Place | None:
    """A name with its parts in another order: "Smith, John" for John Smith."""
    if len(value) > _LONGEST_NAME or not is_name(value) or "\n" in value:
        return None
    head, comma, tail = value.partition(",")
    words = value.split()
    turns = [(tail, head)] if comma else [
        (" ".join(words[at:]), " ".join(words[:at])) for at in range(1, min(len(words), 4))
    ]  # fmt: skip
    for first, second in turns:
        span = _normalised(plain(first) + plain(second), source) if first and second else None
        if span and _meet(source.text, *span, len(plain(first))):
            return span
    return None


def _meet(text: str, start: int, end: int, letters: int) -> bool:
    """Whether only a blank or comma is between both parts of a name."""
    offsets = plain_with_offsets(text[start:end])[1]
    if not 0 < letters < len(offsets):
        return False
    between = text[start + offsets[letters - 1] + 1 : start + offsets[letters]]
    return _BETWEEN_NAMES.fullmatch(between.lstrip("\u0300\u0301")) is not None


def _fuzzy(value: str, source: SourceText) -> Grounding:
    flat, offsets = source.plain
    wanted = plain(value)
    if len(wanted) < _SHORTEST_FUZZY or not flat:
        return _ABSENT
    if len(value) <= _LONGEST_NAME and is_name(value):
        other = any(plain(word) not in flat for word in value.split())
        if other or is_fixed(value):
            return _ABSENT
    # Measured: up to some hundred characters a passage costs the same, then its length cubed.
    work = len(flat) * (1 + (len(wanted) / 330) ** 3)
    if work > _FUZZY_AT_ONCE or not source.takes("fuzzy", work):
        return _NOT_APPLICABLE
    rough = _rough_place(wanted, flat)
    place = rough and passage_of(value, source.text, offsets[rough[0]], offsets[rough[1] - 1] + 1)
    if not place:
        return _ABSENT
    passage = source.text[slice(*place)]
    same = (
        not _is_torn(value, passage)
        and digits(passage) == digits(value)
        and _nearly(wanted, plain(passage))
    )
    return Grounding("fuzzy", *place) if same else _ABSENT


def _rough_place(wanted: str, flat: str) -> Place | None:
    """Which part of a plain text is most like `wanted`; the whole of a shorter one."""
    from rapidfuzz import fuzz

    if len(flat) <= len(wanted):
        return (0, len(flat)) if _nearly(wanted, flat) else None
    near = fuzz.partial_ratio_alignment(wanted, flat, score_cutoff=FUZZY_FROM)
    return (near.dest_start, near.dest_end) if near and near.dest_end > near.dest_start else None


def _nearly(one: str, other: str) -> bool:
    from rapidfuzz import fuzz

    return fuzz.ratio(one, other) >= FUZZY_FROM


# -- whether a value was taken from an example instead ---------------------------------------------


@dataclass(frozen=True, slots=True)
class ExampleLeakage:
    """The examples that were shown: their texts, and the values of their records."""

    sources: tuple[SourceText, ...] = ()
    values: frozenset[str] = frozenset()

    @classmethod
    def of(cls, examples: Iterable[tuple[str, Any]]) -> ExampleLeakage:
        """Read (text, record) pairs once for all values that are looked for in them."""
        shown = list(examples)
        return cls(
            tuple(SourceText(text) for text, _ in shown if text),
            frozenset(
                plain(str(value))
                for _, record in shown
                for _, _, value in leaves_of(None, record)
                if _can_be_copied(value)
            ),
        )

    def is_copied(self, value: Any, text: SourceText, leaf: Leaf | None = None) -> bool:
        """Whether a value occurs in an example and not in the text.

        >>> copying = ExampleLeakage.of([("Bill of Ada for 12 euro", {"name": "Ada"})])
        >>> copying.is_copied("Ada", SourceText("Bill of Bob for 9 euro"))
        True
        """
        if not (self.sources or self.values) or not _can_be_copied(value) or not text.text:
            return False
        if ground(value, text, leaf).kind != "absent":
            return False
        if plain(str(value)) in self.values:
            return True
        written = ("exact", "normalised")
        return any(ground(value, source, leaf).kind in written for source in self.sources)


def _can_be_copied(value: Any) -> bool:
    readable = isinstance(value, str | int | float) and not isinstance(value, bool)
    return readable and not says_nothing(value)
