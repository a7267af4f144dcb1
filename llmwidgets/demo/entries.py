"""Lists of words: bullets or a comma-separated row under a fitting head, quoted names, products."""

from __future__ import annotations

import re

from llmwidgets.demo.care import Care
from llmwidgets.demo.cues import Cues, concepts, read_cues, words_of
from llmwidgets.demo.dates import find_dates
from llmwidgets.demo.extractor.document import Document, fold
from llmwidgets.demo.names import capitalised, signature

_BULLET = re.compile(r"^\s*(?:[-*•–]|\d{1,2}[.)])\s+(?P<text>\S.*)$")
_AND = re.compile(r"(?<!\s)(?:\s*+[,;]\s*+(?:(?:and|und|et|y|e|en)\s+)?|\s++(?:and|und|et|y)\s+)")
_SENTENCE = 400
_QUOTED = re.compile(r"[\"“„«](?P<text>[^\"”“»\n]{3,50})[\"”“»]")
_GREETING = re.compile(r"^[^\n,.]{2,40},[ \t]*$", re.M)
_ARTICLE = re.compile(r"(?:The|A|Our|Die|Der|Das|Le|La|Les|Il|El|De|Het)\s")
_MAIL_HEAD = re.compile(r"^(?:\w[\w-]*)\s?:\s.*$", re.M)


def find_entries(document: Document, name: str, description: str, care: Care) -> list[str]:
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


def _products(document: Document, care: Care) -> list[str]:
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
