"""Amounts and numbers: 1,234.56 and 1.234,56 and 1'234.56 and 1 234,56, with their currency."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice

from llmwidgets.demo.extractor.document import Document

_CURRENCIES = {
    "€": "EUR", "eur": "EUR", "euro": "EUR", "euros": "EUR",
    "us$": "USD", "$": "USD", "usd": "USD", "dollars": "USD", "dollar": "USD",
    "£": "GBP", "gbp": "GBP", "pounds": "GBP", "chf": "CHF", "fr.": "CHF", "sfr.": "CHF",
    "¥": "JPY", "jpy": "JPY", "yen": "JPY", "zł": "PLN", "pln": "PLN", "sek": "SEK",
    "nok": "NOK", "dkk": "DKK", "cad": "CAD", "aud": "AUD", "inr": "INR", "₹": "INR",
}  # fmt: skip
_SIGN = "|".join(re.escape(sign) for sign in sorted(_CURRENCIES, key=len, reverse=True))
_FIGURE = r"\d{1,3}(?:[.,'’ ]\d{3})+(?:[.,]\d{1,2})?(?!\d)|\d+(?:[.,]\d+)?"
_MOST = 2000
# A number begins with the blanks before it, which are read from their beginning alone.
_BLANKS = r"(?:(?<![ \t])|(?<=[\w.,/-][ \t]))[ \t]++"
_NUMBER = re.compile(
    rf"(?<![\w.,/-])(?:(?P<before>{_SIGN})[ \t]*+|{_BLANKS})?(?P<minus>[-−])?"
    rf"(?P<figure>{_FIGURE})(?P<thousand>k\b)?"
    rf"(?:[ \t]?(?P<after>{_SIGN})(?![a-z]))?(?![\w/]|[.,-]\w)"
)


@dataclass(frozen=True, slots=True)
class Amount:
    """A number; `currency` is its ISO code or None, `figure` how it is written."""

    value: float | int
    start: int
    end: int
    currency: str | None = None
    figure: str = ""


def find_amounts(document: Document) -> list[Amount]:
    """The numbers of the text in its order, the first two thousand."""
    return amounts_in(document.folded)


def amounts_in(folded: str) -> list[Amount]:
    """The numbers of a folded piece of text."""
    return [
        Amount(
            _value(match["figure"], match["thousand"], match["minus"]),
            *match.span(),
            _CURRENCIES.get(match["before"] or match["after"] or ""),
            match["figure"],
        )
        for match in islice(_NUMBER.finditer(folded), _MOST)
    ]


def _value(figure: str, thousand: str | None, minus: str | None) -> float | int:
    number = read_number(figure) * (1000 if thousand else 1) * (-1 if minus else 1)
    return int(number) if float(number).is_integer() else number


def read_number(figure: str) -> float:
    """The number a figure says: the last of two separators is the decimal one."""
    bare = re.sub(r"['’ ]", "", figure)
    comma, point = bare.rfind(","), bare.rfind(".")
    if comma >= 0 and point >= 0:
        thousands = "." if comma > point else ","
        bare = bare.replace(thousands, "")
    elif bare.count(",") > 1 or bare.count(".") > 1 or re.fullmatch(r"[1-9]\d{0,2}[.,]\d{3}", bare):
        bare = bare.replace(",", "").replace(".", "")
    return float(bare.replace(",", "."))


def currency_of(document: Document) -> str | None:
    """The currency that most amounts carry."""
    seen = [amount.currency for amount in find_amounts(document) if amount.currency]
    return max(seen, key=seen.count) if seen else None
