"""Enums and booleans: which value's words the document uses."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from typing import Any

from llmwidgets.demo.extractor.document import (
    Cues,
    Document,
    Field,
    Match,
    Profile,
    concepts,
    fold,
    is_said,
    pattern,
    read_cues,
    words_of,
)
from llmwidgets.demo.extractor.finders import (
    Amount,
    currency_of,
    find_amounts,
    find_codes,
    find_companies,
    find_dates,
    find_emails,
    find_persons,
    find_phones,
    find_places,
    find_sender,
    find_tax_ids,
    find_urls,
    named_after,
    signature,
)

_ENDINGS = re.compile(r"(?:ations?|ition|ing|ed|ment|ies|es|s|e|y)$")
_NOT = re.compile(r"\b(?:not|no|never|non|nicht|kein\w*|pas|nie|niet|senza|sin|isn't)\b")
_SMALL = frozenset(
    [
        "the",
        "a",
        "an",
        "of",
        "or",
        "is",
        "it",
        "from",
        "in",
        "to",
        "for",
        "by",
        "some",
        "what",
        "where",
        "when",
        "before",
    ]
)


def choose(
    document: Document, values: Sequence[Any], name: str, description: str, care: Profile
) -> Any | None:
    """The value whose words the document says most and earliest; None where it says none."""
    texts = [value for value in values if isinstance(value, str)]
    if texts and all(re.fullmatch(r"[A-Z]{3}", value) for value in texts):
        code = currency_of(document)
        if code in texts:
            return code
    told = {value: _weight(document, value, texts, description, care) for value in texts}
    best = max(told, key=lambda value: told[value], default=None)
    return best if best is not None and told[best] > 0 else None


def _weight(
    document: Document, value: str, values: Sequence[str], description: str, care: Profile
) -> float:
    weight = 0.0
    exact = pattern(" ".join(words_of(value)) or fold(value))
    for phrase, worth in (
        (exact, 1.5),
        *((p, 1.0) for p in _phrases(value, values, description, care)),
    ):
        for match in phrase.finditer(document.folded):
            early = 1.0 if match.start() < len(document.folded) / 3 else 0.0
            weight += worth + 0.5 * early
            if not care.weighs_context:
                return weight
    return weight


def _phrases(
    value: str, values: Sequence[str], description: str, care: Profile
) -> list[re.Pattern[str]]:
    words = words_of(value)
    phrases = {_ENDINGS.sub("", word) + "*" for word in words if len(word) > 4}
    if care.weighs_context:
        for concept in concepts("choice", words):
            phrases.update(is_said("choice", concept, care))
    if care.reads_descriptions:
        for word in _explained(value, values, description):
            phrases.add(_ENDINGS.sub("", word) + "*" if len(word) > 5 else word)
    return [pattern(phrase) for phrase in sorted(phrases) if len(phrase) > 2]


def _explained(value: str, values: Sequence[str], description: str) -> list[str]:
    """The words by which a description explains one value: `value: words; value: words`."""
    folded = fold(description)
    others = "|".join(re.escape(fold(each)) for each in values)
    match = re.search(
        rf"\b{re.escape(fold(value))}\s*[:=(]\s*(.*?)(?=\b(?:{others})\s*[:=(]|$)", folded
    )
    words = re.findall(r"[a-z]{4,}", match[1]) if match else []
    return [word for word in words if word not in _SMALL]


def says_so(document: Document, name: str, description: str, care: Profile) -> bool:
    """Whether the document says what a boolean field asks, and does not deny it."""
    words = [word for word in words_of(name) if word not in ("is", "has", "was", "are")]
    phrases = {_ENDINGS.sub("", word) + "*" for word in words if len(word) > 3}
    for concept in concepts("choice", words):
        phrases.update(is_said("choice", concept, care))
    for phrase in phrases:
        for match in pattern(phrase).finditer(document.folded):
            if not care.weighs_context:
                return True
            near = document.folded[max(0, match.start() - 20) : match.end() + 12]
            if not _NOT.search(near):
                return True
    return False


# -- Number fields: amounts of money, the ends of a range, counts.

_LOW = {"min", "minimum", "lowest", "low", "from", "least"}
_HIGH = {"max", "maximum", "highest", "high", "most", "upto"}
_BETWEEN = re.compile(r"^\s*+(?:[€$£]|eur|usd|gbp|chf)?\s*+(?:to|-|–|bis|a|y|and|et|und|à)\s*$")


def find_number(document: Document, field: Field, care: Profile) -> float | int | None:
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
    document: Document, numbers: Sequence[Amount], cues: Cues, field: Field, care: Profile
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
    care: Profile,
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
    document: Document, numbers: Sequence[Amount], cues: Cues, field: Field, care: Profile
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


# -- Strings: what kind a field asks for, and the finder of that kind.

Finder = Callable[[Document, Field, Profile], str | None]
_CODE_WORDS = {"number", "id", "no", "nr", "code", "reference", "ref", "sku", "identifier"}
_REMARK = re.compile(r"(?<!\s)\s++\([^()]{1,40}\)\s*$")
_SEEKING = re.compile(
    r"\b(?:looking for|need|hiring|seeking|sucht|suchen|recherch\w+|busca\w*)\b"
    r"[^.\n]{0,15}?\b(?:an?|another|eine[nr]?|une?)\s+"
    r"(?P<name>(?:freelance\s+)?[A-ZÀ-Þ][\w/-]{0,30}(?:\s[A-ZÀ-Þ][\w/-]{0,30}){0,5})"
)


def best(
    document: Document, found: Sequence[Match], cues: Cues, care: Profile, *, optional: bool
) -> Match | None:
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


def find_string(document: Document, field: Field, care: Profile) -> str | None:
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


def _cues(group: str, field: Field, care: Profile) -> Cues:
    return read_cues(group, " ".join((*field.around, field.name)), field.description, care)


def _date(document: Document, field: Field, care: Profile) -> str | None:
    found = find_dates(document, locale=care.weighs_context)
    winner = best(document, found, _cues("date", field, care), care, optional=field.nullable)
    if winner is None:
        return None
    return f"{winner.value}T00:00:00Z" if field.node.get("format") == "date-time" else winner.value


def _email(document: Document, field: Field, care: Profile) -> str | None:
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


def _mails(place: Match, found: Sequence[Match]) -> list[str]:
    return [each.value for each in found if place.start <= each.start < place.end]


def _url(document: Document, field: Field, care: Profile) -> str | None:
    winner = best(document, find_urls(document), _cues("email", field, care), care, optional=False)
    return winner.value if winner else None


def _phone(document: Document, field: Field, care: Profile) -> str | None:
    winner = best(
        document, find_phones(document), _cues("code", field, care), care, optional=field.nullable
    )
    return winner.value if winner else None


def _tax(document: Document, field: Field, care: Profile) -> str | None:
    found = find_tax_ids(document) or ([] if care.weighs_context else find_codes(document))
    cues = _cues("code", field, care)
    winner = best(document, found, cues, care, optional=field.nullable and not care.speaks)
    return winner.value if winner else None


def _code(document: Document, field: Field, care: Profile) -> str | None:
    cues = _cues("code", field, care)
    winner = best(document, find_codes(document), cues, care, optional=field.nullable)
    return winner.value if winner else None


def _company(document: Document, field: Field, care: Profile) -> str | None:
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


def _place(document: Document, field: Field, care: Profile) -> str | None:
    label = _label(document, _cues("place", field, care))
    if label is not None and not document.text[: label.start].rstrip().endswith("http"):
        return label.value
    found = find_places(document) if care.weighs_context else []
    return found[0].value if found else None


def _person(document: Document, field: Field, care: Profile) -> str | None:
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


def _title(document: Document, field: Field, care: Profile) -> str | None:
    label = _label(document, _cues("title", field, care))
    if label is None and care.reads_prose:
        sought = _SEEKING.search(document.text)
        if sought:
            return re.sub(r"^freelance\s+", "", sought["name"])
    first = next((line.strip() for line in document.lines if line.strip()), None)
    said = label.value if label else first
    return _REMARK.sub("", said).strip() if said and care.weighs_context else said


def _label(document: Document, cues: Cues) -> Match | None:
    for label, found in document.labels:
        if len(label) < 40 and cues.label(label):
            return found
    return None


def _labelled(document: Document, field: Field, care: Profile) -> str | None:
    """The value of the line whose label has most of the field's words."""
    words = {word for word in field.words if len(word) > 2}
    rated = [
        (sum(1 for word in words if word in label), -place, found.value)
        for place, (label, found) in enumerate(document.labels)
    ]
    if not rated or (max(rated)[0] == 0 and care.weighs_context):
        return None
    return str(max(rated)[2])
