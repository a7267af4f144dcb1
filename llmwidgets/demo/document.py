"""A document as the rules see it: folded text, lines, labels, and every candidate for a value."""

from __future__ import annotations

import datetime as dt
import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from typing import Generic, TypeVar

_Value = TypeVar("_Value")


@dataclass(frozen=True, slots=True)
class Candidate(Generic[_Value]):
    """A candidate for a value, and where it is in the document."""

    value: _Value
    start: int
    end: int

    def within(self, other: Candidate[str]) -> bool:
        """Whether it begins inside the other one."""
        return other.start <= self.start < other.end


@dataclass(frozen=True, slots=True)
class Amount(Candidate[float]):
    """A number; `currency` is its ISO code or None, `figure` how it is written."""

    currency: str | None
    figure: str


def fold(text: str) -> str:
    """Lower case without accents, letter by letter, so that positions stay the same."""
    return text.lower() if text.isascii() else text.translate(_FOLDED)


class _Folded(dict[int, str]):
    """Each letter as it is folded, worked out when it is met first."""

    def __missing__(self, point: int) -> str:
        letter = chr(point)
        base = unicodedata.normalize("NFD", letter)[0].lower()
        self[point] = base if len(base) == 1 else letter
        return self[point]


_FOLDED = _Folded()


_SENTENCE_END = re.compile(
    r"(?<=[a-zà-ÿ)»\"]{2})[.!?;]\s+(?=[A-ZÀ-Þ\"«])|(?<=\d{4})\.\s+(?=[A-ZÀ-Þ])"
)
_REACH = 300
_SHORT_LINE = 60
_LABEL = re.compile(
    r"(?:^|\|)[ \t>*-]*(?P<label>[^\W\d][^\n:：|=]{1,38}?)"
    r"(?:[ \t]*+:[ \t]++|：[ \t]*+|[ \t]{3,}+)(?P<value>[^\n|]*\S)",
    re.M,
)


class Document:
    """A text, and what the rules look up in it, each found once."""

    def __init__(self, text: str, *, quotes: bool = True) -> None:
        kept = text if quotes else re.sub(r"^>.*$", "", text, flags=re.M)
        self.text = kept.replace("\u00a0", " ").replace("\u202f", " ")
        self.lines = self.text.splitlines()

    @cached_property
    def folded(self) -> str:
        return fold(self.text)

    @cached_property
    def labels(self) -> list[tuple[str, Candidate[str]]]:
        """Folded labels with their values: `Label: value` and `Label   value`."""
        return [
            (fold(match["label"]).strip(), Candidate(match["value"].strip(), *match.span("value")))
            for match in _LABEL.finditer(self.text)
        ]

    def before(self, start: int, *, above: bool = True) -> str:
        """Folded words before a position: of its sentence on its line, or else the line above."""
        line = max(self.text.rfind("\n", 0, start) + 1, start - _REACH)
        words = self.folded[line:start]
        cuts = [match.end() for match in _SENTENCE_END.finditer(self.text, line, start)]
        if cuts:
            words = self.folded[cuts[-1] : start]
        elif above and not re.search(r"[^\W\d]", words):
            higher = self.folded[max(0, line - _REACH) : line].rstrip("\n")
            words = higher[higher.rfind("\n") + 1 :] + " " + words
        return words[-90:]

    def after(self, end: int) -> str:
        """Folded words after a position, to the end of its clause."""
        words = self.folded[end : end + _REACH].partition("\n")[0]
        return re.split(r"[.;,:|]\s|\d", words, maxsplit=1)[0][:40]

    # Numbers and dates.

    @cached_property
    def amounts(self) -> list[Amount]:
        """The first two thousand numbers that are not part of a date."""
        return [
            amount
            for amount in islice(find_amounts(self.folded), _MOST_AMOUNTS)
            if not any(day.start < amount.end and amount.start < day.end for day in self.dates)
        ]

    @cached_property
    def currency(self) -> str | None:
        """The currency of most amounts."""
        amounts = islice(find_amounts(self.folded), _MOST_AMOUNTS)
        named = [amount.currency for amount in amounts if amount.currency]
        return max(named, key=named.count) if named else None

    @cached_property
    def dates(self) -> list[Candidate[str]]:
        """Every date as an ISO day, 06/02/2025 read as day first."""
        return self._find_dates(month_first=False)

    @cached_property
    def local_dates(self) -> list[Candidate[str]]:
        """Every date, 06/02/2025 read by the document's other dates and its currency."""
        slashed = [match.group("a", "b") for match in _SLASHED.finditer(self.text)]
        if any(int(first) > 12 for first, _ in slashed):
            return self.dates
        american = "$" in self.text and not {"€", "£"} & set(self.text)
        if not american and all(int(second) <= 12 for _, second in slashed):
            return self.dates
        return self._find_dates(month_first=True)

    def _find_dates(self, *, month_first: bool) -> list[Candidate[str]]:
        """The first five hundred whole dates, in the order of the text."""
        dates = [
            Candidate(day, *match.span())
            for form in _DATES
            for match in form.finditer(self.folded)
            if (day := _iso_day(match["year"], match["month"], match["day"]))
        ]
        for match in _SLASHED.finditer(self.folded):
            day, month = match.group("b", "a") if month_first else match.group("a", "b")
            iso = _iso_day(match["year"], month, day) or _iso_day(match["year"], day, month)
            if iso:
                dates.append(Candidate(iso, *match.span()))
        return sorted(dates, key=lambda date: date.start)[:_MOST_DATES]

    # Codes and addresses.

    @cached_property
    def codes(self) -> list[Candidate[str]]:
        """Every token with a digit that is neither a date nor an amount of money."""
        codes = []
        for match in _CODE.finditer(self.text):
            value, start = match["code"].rstrip("-/."), match.start("code")
            code = Candidate(value, start, start + len(value))
            if len(value) < 3 or any(code.within(day) for day in self.dates):
                continue
            near = self.folded[max(0, start - 4) : match.end("code") + 5]
            priced = (each for each in find_amounts(near) if each.currency)
            if not _MONEY.fullmatch(value) and not any(
                fold(each.figure) in value for each in priced
            ):
                codes.append(code)
        return codes

    @cached_property
    def tax_ids(self) -> list[Candidate[str]]:
        """Everything shaped as a VAT identification number: country letters and digits."""
        ids = self._find(_TAX, "code")
        return [each for each in ids if sum(letter.isdigit() for letter in each.value) >= 7]

    @cached_property
    def emails(self) -> list[Candidate[str]]:
        return self._find(_EMAIL, closing=".")

    @cached_property
    def urls(self) -> list[Candidate[str]]:
        return self._find(_URL, closing=".,;")

    @cached_property
    def phones(self) -> list[Candidate[str]]:
        return self._find(_PHONE)

    def _find(
        self, pattern: re.Pattern[str], group: str | int = 0, closing: str = ""
    ) -> list[Candidate[str]]:
        """Every match of a pattern, without the closing stop of a sentence."""
        return [
            Candidate(match[group].rstrip(closing).strip(), *match.span(group))
            for match in pattern.finditer(self.text)
        ]

    # Names of persons, organisations and places: capitalised words and what is around them.

    @cached_property
    def companies(self) -> list[Candidate[str]]:
        """Every name that ends in a legal form, its article left out."""
        companies = []
        for match in _COMPANY.finditer(self.text):
            name = _ARTICLE.sub("", match[0])
            if not _STOPPED.search(name):
                name = name.removesuffix(".")
            companies.append(Candidate(name, match.end() - len(name), match.end()))
        return companies

    @cached_property
    def persons(self) -> list[Candidate[str]]:
        """Two or three capitalised words in a row; the caller weighs what is around them."""
        return self._find(_PERSON)

    @cached_property
    def places(self) -> list[Candidate[str]]:
        """What follows a company's name and a comma, and capitalised words after `in`, `at`, …"""
        places = self._find(_PLACE, "name")
        for company in self.companies:
            if match := _AFTER_COMMA.match(self.text, company.end):
                places.insert(0, Candidate(match["name"], *match.span("name")))
        return places

    @cached_property
    def signature(self) -> list[str]:
        """The lines under the closing words of a letter; else the last lines, nearest first."""
        lines = [line.strip() for line in self.lines if line.strip()]
        for number, line in enumerate(lines, 1):
            if _CLOSING.match(fold(line)):
                return lines[number : number + 3]
        return [line for line in reversed(lines[-3:]) if len(line) < _SHORT_LINE]

    @cached_property
    def sender(self) -> str | None:
        """Who writes: the From line's name, or else the name under the letter."""
        signed = (line.strip(" ,") for line in self.signature)
        return self.header_name or next(filter(_PERSON.fullmatch, signed), None)

    @cached_property
    def header_name(self) -> str | None:
        header = _HEADER.search(self.folded)
        name = self.text[slice(*header.span("name"))].strip(" \"'") if header else ""
        return name if name and "@" not in name else None


# -- Numbers: 1,234.56 and 1.234,56 and 1'234.56 and 1 234,56, with their currency.

_CURRENCIES = {
    "€": "EUR", "eur": "EUR", "euro": "EUR", "euros": "EUR",
    "us$": "USD", "$": "USD", "usd": "USD", "dollars": "USD", "dollar": "USD",
    "£": "GBP", "gbp": "GBP", "pounds": "GBP", "chf": "CHF", "fr.": "CHF", "sfr.": "CHF",
    "¥": "JPY", "jpy": "JPY", "yen": "JPY", "zł": "PLN", "pln": "PLN", "sek": "SEK",
    "nok": "NOK", "dkk": "DKK", "cad": "CAD", "aud": "AUD", "inr": "INR", "₹": "INR",
}  # fmt: skip
_SIGN = "|".join(re.escape(sign) for sign in sorted(_CURRENCIES, key=len, reverse=True))
_FIGURE = r"\d{1,3}(?:[.,'’ ]\d{3})+(?:[.,]\d{1,2})?(?!\d)|\d+(?:[.,]\d+)?"
_MOST_AMOUNTS = 2000
# A number begins with the blanks before it, which are read from their beginning alone.
_BLANKS = r"(?:(?<![ \t])|(?<=[\w.,/-][ \t]))[ \t]++"
_NUMBER = re.compile(
    rf"(?<![\w.,/-])(?:(?P<before>{_SIGN})[ \t]*+|{_BLANKS})?(?P<minus>[-−])?"
    rf"(?P<figure>{_FIGURE})(?P<thousand>k\b)?"
    rf"(?:[ \t]?(?P<after>{_SIGN})(?![a-z]))?(?![\w/]|[.,-]\w)"
)
_MONEY = re.compile(r"\d+[.,]\d\d?|\d{1,3}(?:[.,]\d{3})+(?:[.,]\d\d?)?")


def find_amounts(folded: str) -> Iterator[Amount]:
    """The numbers of a folded text in its order."""
    for match in _NUMBER.finditer(folded):
        number = _read_number(match["figure"])
        number *= (1000 if match["thousand"] else 1) * (-1 if match["minus"] else 1)
        yield Amount(
            int(number) if number.is_integer() else number,
            *match.span(),
            _CURRENCIES.get(match["before"] or match["after"] or ""),
            match["figure"],
        )


def _read_number(figure: str) -> float:
    """The number that a figure denotes: the last of two separators is the decimal one."""
    bare = re.sub(r"['’ ]", "", figure)
    comma, point = bare.rfind(","), bare.rfind(".")
    if comma >= 0 and point >= 0:
        bare = bare.replace("." if comma > point else ",", "")
    elif bare.count(",") > 1 or bare.count(".") > 1 or re.fullmatch(r"[1-9]\d{0,2}[.,]\d{3}", bare):
        bare = bare.replace(",", "").replace(".", "")
    return float(bare.replace(",", "."))


# -- Dates in the forms people write: 2025-03-14, 14.03.2025, 14 March 2025, 2025年3月14日.

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
_NUMBER_OF = {word: number for number, words in enumerate(_MONTHS, 1) for word in words.split()}
_MONTH = "(?P<month>" + "|".join(sorted(_NUMBER_OF, key=len, reverse=True)) + r")\.?"
_MOST_DATES = 500
_DATES = (
    re.compile(r"(?<!\d)(?P<year>\d{4})-(?P<month>\d\d?)-(?P<day>\d\d?)(?!\d)"),
    re.compile(r"(?<!\d)(?P<year>\d{4})/(?P<month>\d\d?)/(?P<day>\d\d?)(?!\d)"),
    re.compile(r"(?<!\d)(?P<year>\d{4})年\s?(?P<month>\d\d?)月\s?(?P<day>\d\d?)日"),
    re.compile(r"(?<![\d.])(?P<day>\d\d?)\.\s?(?P<month>\d\d?)\.\s?(?P<year>\d{4}|\d\d)(?![\d])"),
    re.compile(r"(?<![\d-])(?P<day>\d\d?)-(?P<month>\d\d?)-(?P<year>\d{4})(?!\d)"),
    re.compile(rf"(?<!\d)(?P<day>\d\d?)(?:st|nd|rd|th|er|\.|º)?\s+(?:de\s+|of\s+)?{_MONTH}"
               r"(?:\s+de)?,?\s+(?P<year>\d{4})(?!\d)"),
    re.compile(rf"(?<![a-z]){_MONTH}\s+(?P<day>\d\d?)(?:st|nd|rd|th)?,?\s+(?P<year>\d{{4}})(?!\d)"),
)  # fmt: skip
_SLASHED = re.compile(r"(?<![\d/])(?P<a>\d\d?)/(?P<b>\d\d?)/(?P<year>\d{4}|\d\d)(?![\d/])")


def _iso_day(year: str, month: str, day: str) -> str | None:
    number = int(month) if month.isdecimal() else _NUMBER_OF[month]
    try:
        return dt.date(int(year) + (2000 if len(year) == 2 else 0), number, int(day)).isoformat()
    except ValueError:
        return None


# -- Codes (invoice numbers, order numbers, tax ids), addresses and telephone numbers.

_CODE = re.compile(
    r"(?<![\w@.+-])#?(?P<code>"
    r"[A-Za-z]{0,5}[-/]?\d[\w/-]{0,30}(?:[.][\w-]{1,30}){0,4}"
    r"|[A-Z]{2,}\w*-[\w/-]*\d[\w/-]*"
    r")(?![\w@])"
)
_TAX = re.compile(
    r"(?<![\w@-])(?P<code>(?:[A-Z]{2}|CHE)[ -]?[A-Z]?\d(?:[ .]?[\dA-Z]){5,16}(?<=\d))(?![\w@])"
)
_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,6}")
_URL = re.compile(r"https?://[^\s<>\"')\]]+|(?<![\w@.])www\.[\w-]+(?:\.[\w-]+)+[^\s<>\"')\]]*")
_PHONE = re.compile(r"(?<![\w./-])\+?\(?\d[\d ()/-]{5,17}\d(?![\w.]\d)")


# -- Names: runs of capitalised words, their small words between, legal forms behind.

_WORD = r"[A-ZÀ-Þ][\w'’-]{0,30}"
_JOINED = r"(?:[ ](?:&|of|de|du|des|del|di|da|van|von|der|la|les|el|y|et|und|and)){1,2}"
PROPER = rf"{_WORD}(?:(?:{_JOINED})?[ ]{_WORD}){{0,6}}"
_FORM = (
    r"(?:GmbH|AG|KG|OHG|SE|UG|Ltd|LLC|LLP|Inc|Corp|PLC|plc|SARL|SAS|SA|S\.A\.|S\.L\.|SL|B\.V\.|BV|"
    r"N\.V\.|NV|S\.p\.A\.|S\.r\.l\.|Srl|Oy|AB|ApS|A/S|Co|Kft|Sp\. z o\.o\.)"
)
_COMPANY = re.compile(rf"{PROPER}?,?[ ]{_FORM}(?!\w)\.?(?<!\.\.)(?:[ ]&[ ]Co\.?[ ]KG)?")
_STOPPED = re.compile(r"(?:\.\w+\.|Inc\.|Co\.|Corp\.|Ltd\.)$")
_ARTICLE = re.compile(r"^(?:Die|Der|Das|The|Our|Unsere|La|Le|El|Il|De)[ ](?=[A-ZÀ-Þ])")
_PERSON = re.compile(
    rf"(?:Dr\.?[ ]|Prof\.?[ ])?{_WORD}(?:[ ](?:van|von|de|da|di|del))?(?:[ ]{_WORD}){{1,2}}"
)
PRODUCT = re.compile(
    rf"(?<![\w.@]){_WORD}(?:[ ]{_WORD}){{1,6}}(?:[ ]\d{{1,4}})?"
    rf"|(?<![\w.@]){_WORD}(?:[ ]{_WORD}){{0,6}}[ ]\d{{1,4}}(?![\d/.])"
)
"""Two or more capitalised words, perhaps closed by a model number."""
_PLACE = re.compile(rf"\b(?:in|at|à|bei|en|a|te)[ ](?P<name>{_WORD}(?:[ ]{_WORD}){{0,2}})")
_AFTER_COMMA = re.compile(rf",[ ](?P<name>{_WORD}(?:[ ]{_WORD})?)[ ]*$", re.M)
_CLOSING = re.compile(
    r"^\s*(?:(?:kind|best|warm)(?: regards| wishes)?|regards|yours \w+|thanks|thank you|cheers|"
    r"sincerely|mit freundlichen gru(?:ss|ß)en|"
    r"(?:viele|freundliche|herzliche|liebe|beste) gru(?:ss|ß)e|"
    r"cordialement|bien a vous|saludos|un saludo|atentamente|distinti saluti|cordiali saluti|"
    r"met vriendelijke groet|groeten)[\s,!.]*$"
)
_HEADER = re.compile(r"^(?:from|von|de|da|van)\s*:\s*(?P<name>[^<\n]+?)\s*(?:<|$)", re.M)
