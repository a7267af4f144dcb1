"""Filling a schema from a document by rules: each field by its name, type, description, format."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

from llmwidgets.demo.conform import Disobeyed, read_canonical
from llmwidgets.demo.document import (
    PRODUCT,
    PROPER,
    Amount,
    Candidate,
    Document,
    find_amounts,
    fold,
)
from llmwidgets.demo.field import (
    Field,
    Profile,
    Search,
    find_concepts,
    pattern,
    phrases_of,
    read_field,
    words_of,
)
from llmwidgets.schemas.canonical import Canonical, Node

_DEEPEST = 6


def fill(schema: Any, text: str, profile: Profile) -> Any:
    """What the rules find in the text for a schema; it need not obey the schema yet."""
    document = Document(text, quotes=not profile.reads_prose)
    try:
        root = read_canonical(schema)[1]
        field = read_field(str(root.root.get("title", "")), root.root, root)
        return _Filling(document, root, profile).value(field, 0)
    except (Disobeyed, TypeError, AttributeError, ValueError, RecursionError):
        # a schema that cannot be read is answered by whoever makes the record obey it
        return None


@dataclass(frozen=True, slots=True)
class _Filling:
    document: Document
    schema: Canonical
    profile: Profile

    def value(self, field: Field, depth: int) -> Any:
        search = Search(self.document, field, self.profile)
        if field.node.get("enum"):
            return choose(search, [each for each in field.node["enum"] if each is not None])
        match field.type:
            case "object" if depth < _DEEPEST:
                around = tuple(field.own_words) if depth else ()
                fields = self._properties(field.node, around)
                return {each.name: self.value(each, depth + 1) for each in fields}
            case "array" if depth < _DEEPEST:
                return self._list(search)
            case "boolean":
                return affirms(search)
            case "number" | "integer":
                return find_number(search)
            case "string":
                return find_string(search)
            case _:
                return None

    def _properties(self, node: Node, around: tuple[str, ...] = ()) -> list[Field]:
        properties = node.get("properties", {}).items()
        return [read_field(name, inner, self.schema, around) for name, inner in properties]

    def _list(self, search: Search) -> list[Any]:
        item = read_field("", search.field.node.get("items", {}), self.schema)
        found: list[Any] = []
        if item.type == "object":
            searches = [
                Search(self.document, column, self.profile)
                for column in self._properties(item.node)
            ]
            found = [read_row(row, searches) for row in find_rows(self.document, self.profile)]
        elif item.type == "string" and not item.node.get("enum"):
            found = list(dict.fromkeys(find_entries(search)))
        return found if self.profile.whole_lists else found[:1]


# -- Choices and booleans: which value's words the document uses.

_ENDINGS = re.compile(r"(?:ations?|ition|ing|ed|ment|ies|es|s|e|y)$")
_NOT = re.compile(r"\b(?:not|no|never|non|nicht|kein\w*|pas|nie|niet|senza|sin|isn't)\b")
_SMALL = {"from", "some", "what", "where", "when", "before"}


def choose(search: Search, values: Sequence[Any]) -> Any | None:
    """The value whose words the document uses most and earliest; None if it uses none."""
    named = {str(value): value for value in values}
    code = search.document.currency
    if code in named and all(re.fullmatch(r"[A-Z]{3}", name) for name in named):
        return code
    weights = {name: _weigh_choice(search, name, list(named)) for name in named}
    best = max(named, key=weights.__getitem__, default="")
    return named[best] if weights.get(best) else None


def _weigh_choice(search: Search, value: str, values: Sequence[str]) -> float:
    weight = 0.0
    folded = search.document.folded
    exact = " ".join(words_of(value)) or fold(value)
    for worth, phrase in ((1.5, exact), *((1.0, each) for each in _hints(search, value, values))):
        for match in pattern(phrase).finditer(folded):
            weight += worth + (0.5 if match.start() < len(folded) / 3 else 0.0)
            if not search.profile.weighs_context:
                return weight
    return weight


def _hints(search: Search, value: str, values: Sequence[str]) -> list[str]:
    words = words_of(value)
    hints = {_ENDINGS.sub("", word) + "*" for word in words if len(word) > 4}
    if search.profile.weighs_context:
        hints.update(_choice_phrases(search, words))
    if search.profile.reads_descriptions:
        for word in _explained(value, values, search.field.description):
            hints.add(_ENDINGS.sub("", word) + "*" if len(word) > 5 else word)
    return sorted(hint for hint in hints if len(hint) > 2)


def _choice_phrases(search: Search, words: Sequence[str]) -> Iterator[str]:
    for concept in find_concepts("choice", words):
        yield from phrases_of("choice", concept, search.profile)


def _explained(value: str, values: Sequence[str], description: str) -> list[str]:
    """The words by which a description explains one value: `value: words; value: words`."""
    others = "|".join(re.escape(fold(each)) for each in values)
    match = re.search(
        rf"\b{re.escape(fold(value))}\s*[:=(]\s*(.*?)(?=\b(?:{others})\s*[:=(]|$)",
        fold(description),
    )
    words = re.findall(r"[a-z]{4,}", match[1]) if match else []
    return [word for word in words if word not in _SMALL]


def affirms(search: Search) -> bool:
    """Whether the document affirms what a boolean field asks, and does not deny it."""
    words = [w for w in words_of(search.field.name) if w not in ("is", "has", "was", "are")]
    phrases = {_ENDINGS.sub("", word) + "*" for word in words if len(word) > 3}
    folded = search.document.folded
    return any(
        not search.profile.weighs_context
        or not _NOT.search(folded[max(0, match.start() - 20) : match.end() + 12])
        for phrase in (*phrases, *_choice_phrases(search, words))
        for match in pattern(phrase).finditer(folded)
    )


# -- Numbers: amounts of money, the ends of a range, counts.

_LOW = {"min", "minimum", "lowest", "low", "from", "least"}
_HIGH = {"max", "maximum", "highest", "high", "most", "upto"}
_PER_CENT = re.compile(r"\s*+%")
_BETWEEN = re.compile(r"^\s*+(?:[€$£]|eur|usd|gbp|chf)?\s*+(?:to|-|–|bis|a|y|and|et|und|à)\s*$")


def find_number(search: Search) -> float | None:
    """The number that a field asks for; None if nothing speaks for one."""
    numbers, words = search.document.amounts, search.field.words
    if not search.profile.weighs_context:
        near = search.near(numbers, search.cues("amount"))
        pool = near or [number for number in numbers if number.currency] or numbers
        return pool[-1 if words & (_HIGH | {"total"}) else 0].value if pool else None
    if not words & (_LOW | _HIGH):
        money = bool(search.concepts("amount")) or search.field.type == "number"
        best = _weigh_numbers(search, numbers[::-1], money=money)
        return best.value if best else None
    best = _weigh_numbers(search, numbers, money=True)
    if best is None:
        return None
    low, high = _range_around(search.document, numbers, numbers.index(best))
    if words & _LOW:
        return low.value
    return high.value if high is not low or search.profile.reads_descriptions else None


def _weigh_numbers(search: Search, numbers: Sequence[Amount], *, money: bool) -> Amount | None:
    """The number with the best words around it; a currency speaks for money."""
    cues, folded = search.cues("amount"), search.document.folded
    priced = any(number.currency for number in numbers)

    def weigh(number: Amount) -> float:
        score = search.weigh(number, cues)
        if money and priced:
            score += 0.4 if number.currency else -0.2 if "," not in number.figure else 0.0
        if _PER_CENT.match(folded, number.end):
            score -= 2
        if money and not number.currency and re.fullmatch(r"\d\d?", number.figure):
            score -= 1
        return score

    scores = [weigh(number) for number in numbers]
    best = max(scores, default=0.0)
    optional = search.field.nullable and search.profile.knows_absence
    if not scores or (optional and best <= (0.65 if money and priced else 0.25)):
        return None
    return numbers[scores.index(best)]


def _range_around(
    document: Document, numbers: Sequence[Amount], index: int
) -> tuple[Amount, Amount]:
    for first in (index - 1, index):
        if 0 <= first < len(numbers) - 1:
            low, high = numbers[first : first + 2]
            if _BETWEEN.match(document.folded[low.end : high.start]):
                return low, high
    return numbers[index], numbers[index]


# -- Strings: what kind a field asks for, and the finder of that kind.

Finder = Callable[[Search], str | None]
_REMARK = re.compile(r"(?<!\s)\s++\([^()]{1,40}\)\s*$")
_SEEKING = re.compile(
    r"\b(?:looking for|need|hiring|seeking|sucht|suchen|recherch\w+|busca\w*)\b"
    r"[^.\n]{0,15}?\b(?:an?|another|eine[nr]?|une?)\s+"
    r"(?:freelance\s+)?(?P<name>[A-ZÀ-Þ][\w/-]{0,30}(?:\s[A-ZÀ-Þ][\w/-]{0,30}){0,5})"
)
_FOLLOWS = re.compile(rf"[ ]{{1,3}}(?P<name>{PROPER})")


def find_string(search: Search) -> str | None:
    """The text that a string field asks for, by its format or else its words."""
    field = search.field
    finder = _FORMATS.get(field.node.get("format", "")) or _finder_for(field.words)
    if finder is None and search.profile.reads_descriptions:
        finder = _finder_for(field.all_words)
    value = finder(search) if finder else None
    if value is not None or (finder and field.nullable):
        return value
    return _find_labelled(search)


def _finder_for(words: set[str]) -> Finder | None:
    return next((finder for marks, finder in _KINDS if words & set(marks.split())), None)


def _find_labelled(search: Search) -> str | None:
    """The value of the line whose label has most of the field's words."""
    words = {word for word in search.field.words if len(word) > 2}
    labels = search.document.labels
    shared = [sum(word in label for word in words) for label, _ in labels]
    most = max(shared, default=0)
    if not shared or (most == 0 and search.profile.weighs_context):
        return None
    return labels[shared.index(most)][1].value


def _find_date(search: Search) -> str | None:
    local = search.profile.weighs_context
    dates = search.document.local_dates if local else search.document.dates
    day = search.best(dates, "date")
    return f"{day}T00:00:00Z" if day and search.field.node.get("format") == "date-time" else day


def _find_email(search: Search) -> str | None:
    document, emails = search.document, search.document.emails
    if not emails or not search.profile.weighs_context:
        return emails[0].value if emails else None
    if search.profile.reads_descriptions and {"answer", "reply"} & search.field.all_words:
        for label, value in document.labels:
            replies = [each.value for each in emails if "reply" in label and each.within(value)]
            if replies:
                return replies[0]
    cues = search.cues("email")
    names = [name for name in (document.sender or "").lower().split() if len(name) > 3]

    def weigh(address: Candidate[str]) -> float:
        alike = any(name in address.value.lower() for name in names)
        return cues.weigh(document.before(address.start), "") + 0.4 * alike

    return max(emails, key=weigh).value


def _find_tax_id(search: Search) -> str | None:
    document, profile = search.document, search.profile
    ids = document.tax_ids or ([] if profile.weighs_context else document.codes)
    return search.best(ids, "code", optional=search.field.nullable and not profile.speaks)


def _find_company(search: Search) -> str | None:
    document, companies = search.document, search.document.companies
    if companies and not search.profile.weighs_context:
        return companies[0].value
    label = search.label("party")
    if label:
        return next((each.value for each in companies if each.within(label)), label.value)
    if companies:
        return search.best(companies, "party", optional=False)
    if not search.profile.reads_prose:
        return document.lines[0].strip() if document.lines else None
    for match in search.cues("party").own.finditer(document.folded):
        if name := _FOLLOWS.match(document.text, match.end()):
            return name["name"]
    signed = next((line for line in document.signature[1:] if "@" not in line), None)
    by_mail = "supplier" in search.concepts("party")
    return signed or (document.header_name if by_mail else None)


def _find_place(search: Search) -> str | None:
    document, label = search.document, search.label("place")
    if label and not document.text[: label.start].rstrip().endswith("http"):
        return label.value
    places = document.places if search.profile.weighs_context else []
    return places[0].value if places else None


def _find_person(search: Search) -> str | None:
    document, weighs = search.document, search.profile.weighs_context
    if "sender" in search.concepts("person"):
        sender = document.sender if weighs else document.header_name
        if sender:
            return sender
    label = search.label("person")
    return label.value if label and weighs else search.best(document.persons, "person")


def _find_title(search: Search) -> str | None:
    document, label = search.document, search.label("title")
    if label is None and search.profile.reads_prose:
        sought = _SEEKING.search(document.text)
        if sought:
            return sought["name"]
    first = next((line.strip() for line in document.lines if line.strip()), None)
    title = label.value if label else first
    return _REMARK.sub("", title).strip() if title and search.profile.weighs_context else title


def _find_url(search: Search) -> str | None:
    return search.best(search.document.urls, "email", optional=False)


_FORMATS: Mapping[str, Finder] = {
    "date": _find_date, "date-time": _find_date, "email": _find_email,
    "uri": _find_url, "url": _find_url,
}  # fmt: skip
_KINDS: tuple[tuple[str, Finder], ...] = (
    ("date day birthday", _find_date),
    ("email mail", _find_email),
    ("url website homepage link", _find_url),
    ("phone telephone mobile fax", lambda search: search.best(search.document.phones, "code")),
    ("vat", _find_tax_id),
    ("number id no nr code reference ref sku identifier",
     lambda search: search.best(search.document.codes, "code")),
    ("supplier company vendor seller employer organisation organization insurer firm issuer",
     _find_company),
    ("location city place town workplace", _find_place),
    ("sender author person contact claimant policyholder holder customer insured", _find_person),
    ("title position vacancy job role", _find_title),
)  # fmt: skip
"""The finder of each kind of string by the words that a field of the kind has, first come first."""


# -- Lists of words: bullets or a comma-separated row under a fitting head, quoted names, products.

_BULLET = re.compile(r"^\s*(?:[-*•–]|\d{1,2}[.)])\s+(?P<text>\S.*)$")
_AND = re.compile(r"(?<!\s)(?:\s*+[,;]\s*+(?:(?:and|und|et|y|e|en)\s+)?|\s++(?:and|und|et|y)\s+)")
_LONGEST_SENTENCE = 400
_QUOTED = re.compile(r"[\"“„«](?P<text>[^\"”“»\n]{3,50})[\"”“»]")
_GREETING = re.compile(r"^[^\n,.]{2,40},[ \t]*$", re.M)
_ARTICLE = re.compile(r"(?:The|A|Our|Die|Der|Das|Le|La|Les|Il|El|De|Het)\s")
_MAIL_HEAD = re.compile(r"^(?:\w[\w-]*)\s?:\s.*$", re.M)


def find_entries(search: Search) -> list[str]:
    """The entries of a list of words; empty if the document gives none."""
    cues = search.cues("list").own
    entries = _entries_under_head(search.document.lines, cues)
    if not entries and search.profile.reads_prose:
        entries = _entries_in_sentence(search.document, cues)
    if not entries and find_concepts("list", words_of(search.field.name)) == ["products"]:
        entries = _find_products(search)
    return entries


def _entries_under_head(lines: Sequence[str], cues: re.Pattern[str]) -> list[str]:
    for number, line in enumerate(lines, 1):
        head, _, rest = line.partition(":")
        if len(head) > 60 or _BULLET.match(line) or not cues.search(fold(head)):
            continue
        if rest.strip():
            return _split(rest)
        if bullets := list(_bullets(lines[number:])):
            return bullets
    return []


def _bullets(lines: Sequence[str]) -> Iterator[str]:
    begun = False
    for line in lines:
        match = _BULLET.match(line)
        if match:
            begun = True
            yield match["text"].strip(" .;,")
        elif begun or line.strip():
            return


def _split(text: str) -> list[str]:
    return [part.strip(" .;") for part in _AND.split(text.strip()) if part.strip(" .;")]


def _entries_in_sentence(document: Document, cues: re.Pattern[str]) -> list[str]:
    for match in cues.finditer(document.folded):
        reach = document.text[match.end() : match.end() + _LONGEST_SENTENCE]
        rest = re.split(r"[.\n]", reach, maxsplit=1)[0]
        if "," in rest:
            return [part for part in _split(rest) if len(part) < 50]
    return []


def _find_products(search: Search) -> list[str]:
    document = search.document
    bullets = [match["text"] for line in document.lines if (match := _BULLET.match(line))]
    if bullets:
        return bullets
    body = _GREETING.sub("", _MAIL_HEAD.sub("", document.text))
    quoted = [match["text"] for match in _QUOTED.finditer(body)]
    if quoted or not search.profile.weighs_context:
        return quoted
    for day in reversed(Document(body).dates):
        body = body[: day.start] + " " * (day.end - day.start) + body[day.end :]
    return [
        name
        for name in (match[0] for match in PRODUCT.finditer(body))
        if not any(name in line or line in name for line in document.signature)
        and not _ARTICLE.match(name)
    ]


# -- Lists of objects: tables with and without rules, bullets, and sentences of `3 x thing: 9.00`.

_COUNTED = re.compile(
    r"^\s*(?P<count>\d+(?:[.,]\d+)?)(?:\s*+(?:x|×|pcs\.?|stk\.?))?\s++(?P<text>[^\W\d].*)$"
)
_CELLS = re.compile(r"\s{2,}|\t+|\s*\|\s*")
_SUMS = ("total", "net", "tax", "discount", "paid")
_PRICE = re.compile(
    r"(?<!\s)\s*+(?:[=:@]|\bat\b|\bà\b|\bfor\b|\bzu je\b|[€$£]|\b(?:CHF|EUR|USD|GBP)\b).*$"
)


Row = list[tuple[str, str]]
"""The cells of a row from left to right, each behind its column's head, which may be empty."""


def find_rows(document: Document, profile: Profile) -> list[Row]:
    """The rows of the document's table, or else of its bullets, or else of its counted lines."""
    rows = _table_rows(document, profile)
    for line in [] if rows else document.lines:
        bullet = _BULLET.match(line)
        text = bullet["text"] if bullet else line.strip()
        if (bullet or _COUNTED.match(line)) and _has_amount(text):
            rows.append([("", text)])
    return rows


def _has_amount(text: str) -> bool:
    return next(find_amounts(fold(text)), None) is not None


def _table_rows(document: Document, profile: Profile) -> list[Row]:
    rows: list[Row] = []
    header: list[str] = []
    sums = pattern(*(p for concept in _SUMS for p in phrases_of("amount", concept, profile)))
    for line in document.lines:
        cells = split_cells(line)
        if len(cells) < 2 or set(line.strip()) <= set("|-+= :"):
            continue
        if not re.search(r"\d", line) and sum(1 for cell in cells if column_of(cell, profile)) >= 2:
            header = cells
        elif _is_row(cells, sums) and (header or len(cells) > 2):
            heads = header if len(header) == len(cells) else [""] * len(cells)
            rows.append(list(zip(heads, cells, strict=True)))
    return rows


def split_cells(line: str) -> list[str]:
    """The cells of a line: by bars, tabs or two blanks; a lone currency joins its number."""
    bare = re.sub(r"(?<=[€$£])\s+(?=\d)|(?<=\b[A-Z]{3})\s+(?=\d)", " ", line.strip().strip("|"))
    return [cell.strip() for cell in _CELLS.split(bare.strip()) if cell.strip()]


def column_of(head: str, profile: Profile) -> str | None:
    """The concept that a column's head names; the longest phrase decides."""
    folded = fold(head)
    named = [
        (len(phrase), concept)
        for concept in ("description", "quantity", "unit", "amount", "position")
        for phrase in phrases_of("column", concept, profile)
        if pattern(phrase).search(folded)
    ]
    return max(named, key=lambda each: each[0])[1] if named else None


def _is_row(cells: Sequence[str], sums: re.Pattern[str]) -> bool:
    return (
        _has_amount(cells[-1])
        and any(re.search(r"[^\W\d_]{2}", cell) for cell in cells)
        and not sums.search(fold(" ".join(cells[:-1])))
        and ":" not in cells[0]
    )


def read_row(row: Row, searches: Sequence[Search]) -> dict[str, Any]:
    """The row as a record, one value for each column's search."""
    return {search.field.name: _read_cell(row, search) for search in searches}


def _read_cell(row: Row, search: Search) -> Any:
    known, words = search.concepts("column"), words_of(search.field.name)
    number = search.field.type in ("number", "integer")
    for head, cell in row:
        if head and (column_of(head, search.profile) in known or fold(head) in words):
            amount = next(find_amounts(fold(cell)), None)
            return (amount.value if amount else None) if number else cell
    cells = [cell for _, cell in row]
    if number:
        return _loose_number(cells, known, search.profile)
    return _loose_text(cells, search.profile)


def _loose_number(cells: Sequence[str], known: list[str], profile: Profile) -> float | None:
    """The number of a column without a head: any of a single cell, else one that leads a cell."""
    single = len(cells) == 1
    numbers = [
        amount
        for cell in cells
        if single or _leads(cell)
        for amount in islice(find_amounts(fold(cell)), None if single else 1)
    ]
    if not numbers:
        return None
    if "quantity" in known:
        return numbers[0].value if len(numbers) > 1 and not numbers[0].currency else 1
    values = [number.value for number in numbers]
    return values[-1] if profile.weighs_context else max(values)


def _leads(cell: str) -> bool:
    return re.match(r"\s*(?:[€$£]|[A-Z]{3}\s)?\s*[-−]?\d", cell) is not None


def _loose_text(cells: Sequence[str], profile: Profile) -> str | None:
    single = len(cells) == 1
    text = next((cell for cell in cells if single or not _leads(cell)), None)
    if text is None or not profile.weighs_context or not single:
        return text
    counted = _COUNTED.match(text)
    return _PRICE.sub("", counted["text"] if counted else text).strip(" .,;")
