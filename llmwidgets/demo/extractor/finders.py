"""Amounts and numbers: 1,234.56 and 1.234,56 and 1'234.56 and 1 234,56, with their currency."""

from __future__ import annotations

import datetime as dt
import re
from dataclasses import dataclass
from itertools import islice

from llmwidgets.demo.extractor.document import (
    Cues,
    Document,
    Match,
    Profile,
    concepts,
    fold,
    read_cues,
    words_of,
)

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


# -- Identifiers: invoice numbers, order numbers, tax ids.

_CODE = re.compile(
    r"(?<![\w@.+-])#?(?P<code>"
    r"[A-Za-z]{0,5}[-/]?\d[\w/-]{0,30}(?:[.][\w-]{1,30}){0,4}"
    r"|[A-Z]{2,}\w*-[\w/-]*\d[\w/-]*"
    r")(?![\w@])"
)
_TAX = re.compile(
    r"(?<![\w@-])(?P<code>(?:[A-Z]{2}|CHE)[ -]?[A-Z]?\d(?:[ .]?[\dA-Z]){5,16}(?<=\d))(?![\w@])"
)


def find_codes(document: Document) -> list[Match]:
    """Every token with a digit that is no date and carries no currency."""
    taken = find_dates(document, locale=False)
    found = []
    for match in _CODE.finditer(document.text):
        start, end = match.span("code")
        code = match["code"].rstrip("-/.")
        if len(code) < 3 or any(each.start <= start < each.end for each in taken):
            continue
        if _is_money(document, code, start, end):
            continue
        found.append(Match(code, start, start + len(code)))
    return found


def _is_money(document: Document, code: str, start: int, end: int) -> bool:
    around = document.folded[max(0, start - 4) : end + 5]
    amounts = amounts_in(around)
    if re.fullmatch(r"\d+[.,]\d\d?|\d{1,3}(?:[.,]\d{3})+(?:[.,]\d\d?)?", code):
        return True
    return any(each.currency and fold(each.figure) in code for each in amounts)


def find_tax_ids(document: Document) -> list[Match]:
    """Everything shaped as a VAT identification number: country letters and digits."""
    found = []
    for match in _TAX.finditer(document.text):
        code = match["code"].strip()
        if sum(letter.isdigit() for letter in code) >= 7:
            found.append(Match(code, *match.span("code")))
    return found


# -- E-mail addresses, web addresses and telephone numbers.

_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,6}")
_URL = re.compile(r"https?://[^\s<>\"')\]]+|(?<![\w@.])www\.[\w-]+(?:\.[\w-]+)+[^\s<>\"')\]]*")
_PHONE = re.compile(r"(?<![\w./-])\+?\(?\d[\d ()/-]{5,17}\d(?![\w.]\d)")


def find_emails(document: Document) -> list[Match]:
    """Every e-mail address."""
    return [Match(match[0].rstrip("."), *match.span()) for match in _EMAIL.finditer(document.text)]


def find_urls(document: Document) -> list[Match]:
    """Every web address, the closing stop of a sentence left out."""
    return [Match(match[0].rstrip(".,;"), *match.span()) for match in _URL.finditer(document.text)]


def find_phones(document: Document) -> list[Match]:
    """Everything that reads as a telephone number."""
    return [Match(match[0].strip(), *match.span()) for match in _PHONE.finditer(document.text)]


# -- Dates in the forms people write: 2025-03-14, 14.03.2025, 14 March 2025, June 15th, 2025.

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
_MOST_DATES = 500
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


def find_dates(document: Document, *, locale: bool) -> list[Match]:
    """The first five hundred whole dates as ISO days, in the order of the text.

    With `locale`, 06/02/2025 is read by the document's other dates and its currency; without,
    as day first.
    """
    found = [
        Match(iso, *match.span())
        for form in _FORMS
        for match in form.finditer(document.folded)
        if (iso := _iso(match["year"], match["month"], match["day"]))
    ]
    month_first = locale and _month_first(document)
    for match in _SLASHED.finditer(document.folded):
        day, month = (match["b"], match["a"]) if month_first else (match["a"], match["b"])
        iso = _iso(match["year"], month, day) or _iso(match["year"], day, month)
        if iso:
            found.append(Match(iso, *match.span()))
    return sorted(found, key=lambda each: each.start)[:_MOST_DATES]


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


# -- Lists of words: bullets or a comma-separated row under a fitting head, quoted names, products.

_BULLET = re.compile(r"^\s*(?:[-*•–]|\d{1,2}[.)])\s+(?P<text>\S.*)$")
_AND = re.compile(r"(?<!\s)(?:\s*+[,;]\s*+(?:(?:and|und|et|y|e|en)\s+)?|\s++(?:and|und|et|y)\s+)")
_SENTENCE = 400
_QUOTED = re.compile(r"[\"“„«](?P<text>[^\"”“»\n]{3,50})[\"”“»]")
_GREETING = re.compile(r"^[^\n,.]{2,40},[ \t]*$", re.M)
_ARTICLE = re.compile(r"(?:The|A|Our|Die|Der|Das|Le|La|Les|Il|El|De|Het)\s")
_MAIL_HEAD = re.compile(r"^(?:\w[\w-]*)\s?:\s.*$", re.M)


def find_entries(document: Document, name: str, description: str, care: Profile) -> list[str]:
    """The entries of a list of words; empty where the document gives none."""
    cues = read_cues("list", name, description, care)
    entries = _under_head(document, cues)
    if not entries and care.reads_prose:
        entries = _in_sentence(document, cues)
    if not entries and concepts("list", words_of(name)) == ["products"]:
        entries = _products(document, care)
    if not care.whole_lists:
        return entries[:1]
    return list(dict.fromkeys(entries))


def _under_head(document: Document, cues: Cues) -> list[str]:
    lines = document.lines
    for number, line in enumerate(lines):
        head, _, rest = line.partition(":")
        if len(head) > 60 or _BULLET.match(line) or not cues.label(fold(head)):
            continue
        if rest.strip():
            return _split(rest)
        bullets = _bullets(lines[number + 1 :])
        if bullets:
            return bullets
    return []


def _bullets(lines: list[str]) -> list[str]:
    taken: list[str] = []
    for line in lines:
        match = _BULLET.match(line)
        if match:
            taken.append(match["text"].strip(" .;,"))
        elif taken or line.strip():
            break
    return taken


def _split(text: str) -> list[str]:
    return [part.strip(" .;") for part in _AND.split(text.strip()) if part.strip(" .;")]


def _in_sentence(document: Document, cues: Cues) -> list[str]:
    for match in cues.own.finditer(document.folded):
        reach = document.text[match.end() : match.end() + _SENTENCE]
        rest = re.split(r"[.\n]", reach, maxsplit=1)[0]
        if "," in rest:
            return [part for part in _split(rest) if len(part) < 50]
    return []


def _products(document: Document, care: Profile) -> list[str]:
    bullets = [match["text"] for line in document.lines if (match := _BULLET.match(line))]
    if bullets:
        return bullets
    body = _GREETING.sub("", _MAIL_HEAD.sub("", document.text))
    quoted = [match["text"] for match in _QUOTED.finditer(body)]
    for day in reversed(find_dates(Document(body), locale=False)):
        body = body[: day.start] + " " * (day.end - day.start) + body[day.end :]
    if quoted or not care.weighs_context:
        return quoted
    signed = {line.value for line in signature(document)}
    return [
        found.value
        for found in capitalised(body)
        if not any(found.value in line or line in found.value for line in signed)
        and not _ARTICLE.match(found.value)
    ]


# -- Names of persons, organisations and places: capitalised words and what stands around them.

_WORD = r"[A-ZÀ-Þ][\w'’-]{0,30}"
_JOINED = r"(?:[ ](?:&|of|de|du|des|del|di|da|van|von|der|la|les|el|y|et|und|and)){1,2}"
_PROPER = rf"{_WORD}(?:(?:{_JOINED})?[ ]{_WORD}){{0,6}}"
_FORM = (
    r"(?:GmbH|AG|KG|OHG|SE|UG|Ltd|LLC|LLP|Inc|Corp|PLC|plc|SARL|SAS|SA|S\.A\.|S\.L\.|SL|B\.V\.|BV|"
    r"N\.V\.|NV|S\.p\.A\.|S\.r\.l\.|Srl|Oy|AB|ApS|A/S|Co|Kft|Sp\. z o\.o\.)"
)
_COMPANY = re.compile(
    rf"(?P<name>{_WORD}(?:(?:{_JOINED})?[ ]{_WORD}){{0,6}}?,?[ ]{_FORM}(?!\w)\.?(?<!\.\.)"
    r"(?:[ ]&[ ]Co\.?[ ]KG)?)"
)
_PERSON = re.compile(
    rf"(?:Dr\.?[ ]|Prof\.?[ ])?{_WORD}(?:[ ](?:van|von|de|da|di|del))?(?:[ ]{_WORD}){{1,2}}"
)
_RUN = re.compile(
    rf"(?<![\w.@]){_WORD}(?:[ ]{_WORD}){{1,6}}(?:[ ]\d{{1,4}})?"
    rf"|(?<![\w.@]){_WORD}(?:[ ]{_WORD}){{0,6}}[ ]\d{{1,4}}(?![\d/.])"
)
_PLACE = re.compile(rf"\b(?:in|at|à|bei|en|a|te)[ ](?P<name>{_WORD}(?:[ ]{_WORD}){{0,2}})")
_FOLLOWS = re.compile(rf"[ ]{{1,3}}(?P<name>{_PROPER})")
_AFTER_COMMA = re.compile(rf",[ ](?P<name>{_WORD}(?:[ ]{_WORD})?)[ ]*$", re.M)
_LINE = 60
_ARTICLES = re.compile(r"^(?:Die|Der|Das|The|Our|Unsere|La|Le|El|Il|De)[ ](?=[A-ZÀ-Þ])")
_CLOSING = re.compile(
    r"^\s*(?:(?:kind|best|warm)(?: regards| wishes)?|regards|yours \w+|thanks|thank you|cheers|"
    r"sincerely|mit freundlichen gru(?:ss|ß)en|viele gru(?:ss|ß)e|freundliche gru(?:ss|ß)e|"
    r"cordialement|bien a vous|saludos|un saludo|atentamente|distinti saluti|cordiali saluti|"
    r"met vriendelijke groet|groeten)[\s,!.]*$"
)
_HEADER = re.compile(r"^(?:from|von|de|da|van)\s*:\s*(?P<name>[^<\n]+?)\s*(?:<|$)", re.M)


def find_companies(document: Document) -> list[Match]:
    """Every name that ends in a legal form, its article left out."""
    found = []
    for match in _COMPANY.finditer(document.text):
        name = _ARTICLES.sub("", match["name"])
        if name.endswith(".") and not re.search(r"(?:\.\w+\.|Inc\.|Co\.|Corp\.|Ltd\.)$", name):
            name = name[:-1]
        found.append(Match(name, match.end() - len(name), match.end()))
    return found


def signature(document: Document) -> list[Match]:
    """The lines under the closing words of a letter; else the last lines, nearest first."""
    places = _places(document)
    for number, (_, line) in enumerate(places):
        if _CLOSING.match(fold(line)):
            return [
                Match(text.strip(), at, at + len(text)) for at, text in places[number + 1 :][:3]
            ]
    last = [(at, text) for at, text in reversed(places[-3:]) if len(text) < _LINE]
    return [Match(text.strip(), at, at + len(text)) for at, text in last]


def _places(document: Document) -> list[tuple[int, str]]:
    places, start = [], 0
    for line in document.text.splitlines(keepends=True):
        if line.strip():
            places.append((start, line.rstrip()))
        start += len(line)
    return places


def find_sender(document: Document, *, prose: bool) -> str | None:
    """Who writes: the From line's name, or else the name under the letter."""
    header = _HEADER.search(document.folded)
    if header:
        name = document.text[slice(*header.span("name"))].strip(" \"'")
        if "@" not in name and name:
            return name
    if not prose:
        return None
    for line in signature(document):
        match = _PERSON.fullmatch(line.value.strip(" ,"))
        if match:
            return match[0]
    return None


def find_persons(document: Document) -> list[Match]:
    """Two or three capitalised words in a row; the caller weighs what stands around them."""
    return [Match(match[0], *match.span()) for match in _PERSON.finditer(document.text)]


def find_places(document: Document) -> list[Match]:
    """Capitalised words after a preposition of place, and after a company's name and a comma."""
    found = [Match(match["name"], *match.span("name")) for match in _PLACE.finditer(document.text)]
    for company in find_companies(document):
        after = _AFTER_COMMA.match(document.text, company.end)
        if after:
            found.insert(0, Match(after["name"], *after.span("name")))
    return found


def named_after(document: Document, cues: Cues) -> str | None:
    """The capitalised words that follow a cue at once, such as a client's name."""
    for match in cues.own.finditer(document.folded):
        name = _FOLLOWS.match(document.text, match.end())
        if name:
            return name["name"]
    return None


def capitalised(text: str) -> list[Match]:
    """Runs of two or more capitalised words, each perhaps closed by a model number."""
    return [Match(match[0], *match.span()) for match in _RUN.finditer(text)]
