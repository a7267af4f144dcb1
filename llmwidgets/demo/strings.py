"""Strings: what kind a field asks for, and the finder of that kind."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence

from llmwidgets.demo.care import Care
from llmwidgets.demo.codes import find_codes, find_tax_ids
from llmwidgets.demo.contacts import find_emails, find_phones, find_urls
from llmwidgets.demo.cues import Cues, concepts, read_cues
from llmwidgets.demo.dates import find_dates
from llmwidgets.demo.extractor.document import Document, Found
from llmwidgets.demo.field import Field
from llmwidgets.demo.names import (
    find_companies,
    find_persons,
    find_places,
    find_sender,
    named_after,
    signature,
)

Finder = Callable[[Document, Field, Care], str | None]
_CODE_WORDS = {"number", "id", "no", "nr", "code", "reference", "ref", "sku", "identifier"}
_REMARK = re.compile(r"(?<!\s)\s++\([^()]{1,40}\)\s*$")
_SEEKING = re.compile(
    r"\b(?:looking for|need|hiring|seeking|sucht|suchen|recherch\w+|busca\w*)\b"
    r"[^.\n]{0,15}?\b(?:an?|another|eine[nr]?|une?)\s+"
    r"(?P<name>(?:freelance\s+)?[A-ZÀ-Þ][\w/-]{0,30}(?:\s[A-ZÀ-Þ][\w/-]{0,30}){0,5})"
)


def best(
    document: Document, found: Sequence[Found], cues: Cues, care: Care, *, optional: bool
) -> Found | None:
    """The candidate that the words around it speak for; None where none does and none need be."""
    if not found:
        return None
    if not care.weighs_context:
        near = (each for each in found if cues.near(document.before(each.start, above=False), ""))
        return next(near, None if care.knows_absence and optional else found[0])
    scored = [
        (cues.weigh(document.before(each.start), document.after(each.end)), -place, each)
        for place, each in enumerate(found)
    ]
    score, _, winner = max(scored, key=lambda each: each[:2])
    return winner if score > 0.25 or not (optional and care.knows_absence) else None


def find_string(document: Document, field: Field, care: Care) -> str | None:
    """The text that a string field asks for, by its format or else its words."""
    finder = _by_format(field) or _by_words(field.words)
    if finder is None and care.reads_descriptions:
        finder = _by_words(field.told)
    if finder is not None:
        value = finder(document, field, care)
        if value is not None or field.nullable:
            return value
    return _labelled(document, field, care)


def _by_format(field: Field) -> Finder | None:
    match field.node.get("format"):
        case "date" | "date-time":
            return _date
        case "email":
            return _email
        case "uri" | "url":
            return _url
    return None


def _by_words(words: set[str]) -> Finder | None:
    for marks, finder in (
        ({"date", "day", "birthday"}, _date),
        ({"email", "mail"}, _email),
        ({"url", "website", "homepage", "link"}, _url),
        ({"phone", "telephone", "mobile", "fax"}, _phone),
        ({"vat"} , _tax),
        (_CODE_WORDS, _code),
        ({"supplier", "company", "vendor", "seller", "employer", "organisation", "organization",
          "insurer", "firm", "issuer"}, _company),
        ({"location", "city", "place", "town", "workplace"}, _place),
        ({"sender", "author", "person", "contact", "claimant", "policyholder", "holder",
          "customer", "insured"}, _person),
        ({"title", "position", "vacancy", "job", "role"}, _title),
    ):  # fmt: skip
        if marks & words:
            return finder
    return None


def _cues(group: str, field: Field, care: Care) -> Cues:
    return read_cues(group, " ".join((*field.around, field.name)), field.description, care)


def _date(document: Document, field: Field, care: Care) -> str | None:
    found = find_dates(document, locale=care.weighs_context)
    winner = best(document, found, _cues("date", field, care), care, optional=field.nullable)
    if winner is None:
        return None
    return f"{winner.value}T00:00:00Z" if field.node.get("format") == "date-time" else winner.value


def _email(document: Document, field: Field, care: Care) -> str | None:
    found = find_emails(document)
    if not care.weighs_context:
        return found[0].value if found else None
    cues = _cues("email", field, care)
    sender = (find_sender(document, prose=True) or "").lower().split()
    rated = []
    for place, each in enumerate(found):
        alike = sum(1 for name in sender if len(name) > 3 and name in each.value.lower())
        score = cues.weigh(document.before(each.start), "") + 0.4 * min(1, alike)
        rated.append((score, -place, each.value))
    if not rated:
        return None
    if care.reads_descriptions and {"answer", "reply"} & field.told:
        replies = [v for label, f in document.labels if "reply" in label for v in _mails(f, found)]
        if replies:
            return replies[0]
    return str(max(rated)[2])


def _mails(place: Found, found: Sequence[Found]) -> list[str]:
    return [each.value for each in found if place.start <= each.start < place.end]


def _url(document: Document, field: Field, care: Care) -> str | None:
    winner = best(document, find_urls(document), _cues("email", field, care), care, optional=False)
    return winner.value if winner else None


def _phone(document: Document, field: Field, care: Care) -> str | None:
    winner = best(
        document, find_phones(document), _cues("code", field, care), care, optional=field.nullable
    )
    return winner.value if winner else None


def _tax(document: Document, field: Field, care: Care) -> str | None:
    found = find_tax_ids(document) or ([] if care.weighs_context else find_codes(document))
    cues = _cues("code", field, care)
    winner = best(document, found, cues, care, optional=field.nullable and not care.speaks)
    return winner.value if winner else None


def _code(document: Document, field: Field, care: Care) -> str | None:
    cues = _cues("code", field, care)
    winner = best(document, find_codes(document), cues, care, optional=field.nullable)
    return winner.value if winner else None


def _company(document: Document, field: Field, care: Care) -> str | None:
    cues = _cues("party", field, care)
    found = find_companies(document)
    if found and not care.weighs_context:
        return found[0].value
    label = _label(document, cues)
    if label:
        inside = [f.value for f in found if label.start <= f.start < label.end]
        return inside[0] if inside else label.value
    winner = best(document, found, cues, care, optional=False)
    if winner is not None:
        return winner.value
    if not care.reads_prose:
        return document.lines[0].strip() if document.lines else None
    named = named_after(document, cues)
    under = [line.value for line in signature(document)[1:] if "@" not in line.value]
    return named or (under[0] if under else None)


def _place(document: Document, field: Field, care: Care) -> str | None:
    label = _label(document, _cues("place", field, care))
    if label is not None and not document.text[: label.start].rstrip().endswith("http"):
        return label.value
    found = find_places(document) if care.weighs_context else []
    return found[0].value if found else None


def _person(document: Document, field: Field, care: Care) -> str | None:
    words = field.words if concepts("person", field.words) else field.told
    if "sender" in concepts("person", words):
        sender = find_sender(document, prose=care.weighs_context)
        if sender:
            return sender
    cues = _cues("person", field, care)
    label = _label(document, cues)
    if label and care.weighs_context:
        return label.value
    winner = best(document, find_persons(document), cues, care, optional=field.nullable)
    return winner.value if winner else None


def _title(document: Document, field: Field, care: Care) -> str | None:
    label = _label(document, _cues("title", field, care))
    if label is None and care.reads_prose:
        sought = _SEEKING.search(document.text)
        if sought:
            return re.sub(r"^freelance\s+", "", sought["name"])
    first = next((line.strip() for line in document.lines if line.strip()), None)
    said = label.value if label else first
    return _REMARK.sub("", said).strip() if said and care.weighs_context else said


def _label(document: Document, cues: Cues) -> Found | None:
    for label, found in document.labels:
        if len(label) < 40 and cues.label(label):
            return found
    return None


def _labelled(document: Document, field: Field, care: Care) -> str | None:
    """The value of the line whose label has most of the field's words."""
    words = {word for word in field.words if len(word) > 2}
    rated = [
        (sum(1 for word in words if word in label), -place, found.value)
        for place, (label, found) in enumerate(document.labels)
    ]
    if not rated or (max(rated)[0] == 0 and care.weighs_context):
        return None
    return str(max(rated)[2])
