"""Names of persons, organisations and places: capitalised words and what stands around them."""

from __future__ import annotations

import re

from llmwidgets.demo.cues import Cues
from llmwidgets.demo.extractor.document import Document, Found, fold

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


def find_companies(document: Document) -> list[Found]:
    """Every name that ends in a legal form, its article left out."""
    found = []
    for match in _COMPANY.finditer(document.text):
        name = _ARTICLES.sub("", match["name"])
        if name.endswith(".") and not re.search(r"(?:\.\w+\.|Inc\.|Co\.|Corp\.|Ltd\.)$", name):
            name = name[:-1]
        found.append(Found(name, match.end() - len(name), match.end()))
    return found


def signature(document: Document) -> list[Found]:
    """The lines under the closing words of a letter; else the last lines, nearest first."""
    places = _places(document)
    for number, (_, line) in enumerate(places):
        if _CLOSING.match(fold(line)):
            return [
                Found(text.strip(), at, at + len(text)) for at, text in places[number + 1 :][:3]
            ]
    last = [(at, text) for at, text in reversed(places[-3:]) if len(text) < _LINE]
    return [Found(text.strip(), at, at + len(text)) for at, text in last]


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


def find_persons(document: Document) -> list[Found]:
    """Two or three capitalised words in a row; the caller weighs what stands around them."""
    return [Found(match[0], *match.span()) for match in _PERSON.finditer(document.text)]


def find_places(document: Document) -> list[Found]:
    """Capitalised words after a preposition of place, and after a company's name and a comma."""
    found = [Found(match["name"], *match.span("name")) for match in _PLACE.finditer(document.text)]
    for company in find_companies(document):
        after = _AFTER_COMMA.match(document.text, company.end)
        if after:
            found.insert(0, Found(after["name"], *after.span("name")))
    return found


def named_after(document: Document, cues: Cues) -> str | None:
    """The capitalised words that follow a cue at once, such as a client's name."""
    for match in cues.own.finditer(document.folded):
        name = _FOLLOWS.match(document.text, match.end())
        if name:
            return name["name"]
    return None


def capitalised(text: str) -> list[Found]:
    """Runs of two or more capitalised words, each perhaps closed by a model number."""
    return [Found(match[0], *match.span()) for match in _RUN.finditer(text)]
