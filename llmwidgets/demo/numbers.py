"""Number fields: amounts of money, the ends of a range, counts."""

from __future__ import annotations

import re
from collections.abc import Sequence

from llmwidgets.demo.care import Care
from llmwidgets.demo.cues import Cues, concepts, read_cues
from llmwidgets.demo.dates import find_dates
from llmwidgets.demo.extractor.document import Document
from llmwidgets.demo.extractor.finders import Amount, find_amounts
from llmwidgets.demo.field import Field

_LOW = {"min", "minimum", "lowest", "low", "from", "least"}
_HIGH = {"max", "maximum", "highest", "high", "most", "upto"}
_BETWEEN = re.compile(r"^\s*+(?:[€$£]|eur|usd|gbp|chf)?\s*+(?:to|-|–|bis|a|y|and|et|und|à)\s*$")


def find_number(document: Document, field: Field, care: Care) -> float | int | None:
    """The number that a field asks for; None where nothing speaks for one."""
    cues = read_cues("amount", " ".join((*field.around, field.name)), field.description, care)
    words = field.words | (field.told if care.reads_descriptions else set())
    money = bool(concepts("amount", words)) or field.type == "number"
    taken = find_dates(document, locale=False)
    numbers = [
        amount
        for amount in find_amounts(document)
        if not any(day.start <= amount.end - 1 and amount.start < day.end for day in taken)
    ]
    if not care.weighs_context:
        return _first(document, numbers, cues, field, care)
    if field.words & (_LOW | _HIGH):
        return _end_of_range(document, numbers, cues, field, care)
    winner = _weighed(document, numbers, cues, field, care, money=money)
    return winner.value if winner else None


def _first(
    document: Document, numbers: Sequence[Amount], cues: Cues, field: Field, care: Care
) -> float | int | None:
    near = [n for n in numbers if cues.near(document.before(n.start, above=False), "")]
    pool = near or [n for n in numbers if n.currency] or numbers
    if not pool:
        return None
    return pool[-1 if field.words & (_HIGH | {"total"}) else 0].value


def _weighed(
    document: Document,
    numbers: Sequence[Amount],
    cues: Cues,
    field: Field,
    care: Care,
    *,
    money: bool,
) -> Amount | None:
    """The number with the best words around it; a currency speaks for money."""
    priced = any(number.currency for number in numbers)
    rated = []
    for place, number in enumerate(numbers):
        score = cues.weigh(document.before(number.start), document.after(number.end))
        if money and priced:
            score += 0.4 if number.currency else -0.2 if "," not in number.figure else 0.0
        if document.folded[number.end :].lstrip().startswith("%"):
            score -= 2
        if money and not number.currency and re.fullmatch(r"\d\d?", number.figure):
            score -= 1
        rated.append((score, place, number))
    if not rated:
        return None
    score, _, winner = max(rated, key=lambda each: each[:2])
    needed = 0.65 if money and priced else 0.25
    return winner if score > needed or not (field.nullable and care.knows_absence) else None


def _end_of_range(
    document: Document, numbers: Sequence[Amount], cues: Cues, field: Field, care: Care
) -> float | int | None:
    winner = _weighed(document, list(reversed(numbers)), cues, field, care, money=True)
    if winner is None:
        return None
    low, high = _range_around(document, numbers, numbers.index(winner))
    if field.words & _LOW:
        return low.value
    return high.value if high is not low or care.reads_descriptions else None


def _range_around(
    document: Document, numbers: Sequence[Amount], place: int
) -> tuple[Amount, Amount]:
    here = numbers[place]
    for other in (place - 1, place + 1):
        if 0 <= other < len(numbers):
            low, high = sorted((here, numbers[other]), key=lambda number: number.start)
            if _BETWEEN.match(document.folded[low.end : high.start]):
                return low, high
    return here, here
