"""Filling a schema from a document by rules: each field by its name, type, description, format."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from llmwidgets.demo.conform import Disobeyed, Node
from llmwidgets.demo.extractor.document import (
    Document,
    Field,
    Profile,
    concepts,
    fold,
    is_said,
    pattern,
    read_field,
    words_of,
)
from llmwidgets.demo.extractor.finders import Amount, amounts_in, find_entries
from llmwidgets.demo.extractor.values import choose, find_number, find_string, says_so

_DEEPEST = 6


def fill(schema: Any, text: str, care: Profile) -> Any:
    """What the rules find in the text for a schema; it need not obey the schema yet."""
    if not isinstance(schema, Mapping):
        return None
    document = Document(text, quotes=not care.reads_prose)
    try:
        field = read_field(str(schema.get("title", "")), schema, schema)
        return _Filling(document, schema, care).value(field, 0)
    except (Disobeyed, TypeError, AttributeError, ValueError, RecursionError):
        # a schema that cannot be read is answered by whoever makes the record obey it
        return None


class _Filling:
    def __init__(self, document: Document, root: Node, care: Profile) -> None:
        self.document = document
        self.root = root
        self.care = care

    def value(self, field: Field, depth: int) -> Any:
        if field.values is not None:
            return choose(self.document, field.values, field.name, field.description, self.care)
        match field.type:
            case "object" if depth < _DEEPEST:
                return self._object(field, depth)
            case "array" if depth < _DEEPEST:
                return self._array(field)
            case "boolean":
                return says_so(self.document, field.name, field.description, self.care)
            case "number" | "integer":
                return find_number(self.document, field, self.care)
            case "string":
                return find_string(self.document, field, self.care)
            case _:
                return None

    def _object(self, field: Field, depth: int) -> dict[str, Any]:
        around = (*field.around, *words_of(field.name)) if depth else ()
        return {
            name: self.value(read_field(name, node, self.root, around), depth + 1)
            for name, node in field.node.get("properties", {}).items()
        }

    def _array(self, field: Field) -> list[Any]:
        item = read_field("", field.node.get("items", {}), self.root)
        if item.type != "object":
            if item.type == "string" and item.values is None:
                return list(find_entries(self.document, field.name, field.description, self.care))
            return []
        inner = {
            name: read_field(name, node, self.root)
            for name, node in item.node.get("properties", {}).items()
        }
        fields = {
            name: (each.type in ("number", "integer"), each.description)
            for name, each in inner.items()
        }
        rows = [read_row(row, fields, self.care) for row in find_rows(self.document, self.care)]
        return rows if self.care.whole_lists else rows[:1]


# -- Lists of objects: tables with and without rules, bullets, and sentences of `3 x thing: 9.00`.

_BULLET = re.compile(r"^\s*(?:[-*•–]|\d{1,2}[.)])\s+(?P<text>\S.*)$")
_COUNTED = re.compile(
    r"^\s*(?P<count>\d+(?:[.,]\d+)?)(?:\s*+(?:x|×|pcs\.?|stk\.?))?\s++(?P<text>[^\W\d].*)$"
)
_CELLS = re.compile(r"\s{2,}|\t+|\s*\|\s*")
_SUM = ("total", "net", "tax", "discount", "paid")
_MARK = re.compile(
    r"(?<!\s)\s*+(?:[=:@]|\bat\b|\bà\b|\bfor\b|\bzu je\b|[€$£]|\b(?:CHF|EUR|USD|GBP)\b).*$"
)


@dataclass(frozen=True, slots=True)
class Row:
    """One row: its cells from left to right and the header's, if the table has one."""

    cells: tuple[str, ...]
    header: tuple[str, ...] = ()


def find_rows(document: Document, care: Profile) -> list[Row]:
    """The rows of the document's table, or else of its bullets, or else of its counted lines."""
    return _table(document, care) or _listed(document)


def _table(document: Document, care: Profile) -> list[Row]:
    rows: list[Row] = []
    header: tuple[str, ...] = ()
    for line in document.lines:
        cells = split_cells(line)
        if len(cells) < 2 or set(line.strip()) <= set("|-+= :"):
            continue
        if _is_header(cells, care):
            header = cells
        elif _is_row(cells, care) and (header or len(cells) > 2):
            rows.append(Row(cells, header if len(header) == len(cells) else ()))
    return rows


def split_cells(line: str) -> tuple[str, ...]:
    """The cells of a line: by bars, tabs or two blanks; a lone currency joins its number."""
    bare = re.sub(r"(?<=[€$£])\s+(?=\d)|(?<=\b[A-Z]{3})\s+(?=\d)", " ", line.strip().strip("|"))
    return tuple(cell.strip() for cell in _CELLS.split(bare.strip()) if cell.strip())


def _is_header(cells: tuple[str, ...], care: Profile) -> bool:
    if any(re.search(r"\d", cell) for cell in cells):
        return False
    return sum(1 for cell in cells if column_of(cell, care)) >= 2


def column_of(head: str, care: Profile) -> str | None:
    """The concept a column's head stands for; the longest phrase decides."""
    folded = fold(head)
    best: tuple[int, str] | None = None
    for concept in ("description", "quantity", "unit", "amount", "position"):
        for phrase in is_said("column", concept, care):
            if pattern(phrase).search(folded) and (best is None or len(phrase) > best[0]):
                best = (len(phrase), concept)
    return best[1] if best else None


def _is_row(cells: tuple[str, ...], care: Profile) -> bool:
    last = amounts_in(fold(cells[-1]))
    if not last or not any(re.search(r"[^\W\d_]{2}", cell) for cell in cells):
        return False
    label = fold(" ".join(cells[:-1]))
    sums = pattern(*(phrase for name in _SUM for phrase in is_said("amount", name, care)))
    return not sums.search(label) and ":" not in cells[0]


def _listed(document: Document) -> list[Row]:
    rows: list[Row] = []
    for line in document.lines:
        match = _BULLET.match(line) or _COUNTED.match(line)
        if match is None:
            continue
        text = match["text"] if _BULLET.match(line) else line.strip()
        if amounts_in(fold(text)):
            rows.append(Row((text,)))
    return rows


def read_row(row: Row, fields: dict[str, tuple[bool, str]], care: Profile) -> dict[str, Any]:
    """The row as a record; `fields` gives each field's (is a number, description)."""
    record: dict[str, Any] = {}
    for name, (number, description) in fields.items():
        words = words_of(name)
        known = concepts("column", words)
        if not known and care.reads_descriptions:
            known = concepts("column", words_of(description))
        cell = _cell(row, known, words, care)
        if cell is not None:
            record[name] = _number(cell) if number else cell
        elif number:
            record[name] = _loose_number(row, known, care)
        else:
            record[name] = _loose_text(row, care)
    return record


def _cell(row: Row, known: list[str], words: list[str], care: Profile) -> str | None:
    for head, cell in zip(row.header, row.cells, strict=False):
        if column_of(head, care) in known or fold(head) in words:
            return cell
    return None


def _number(cell: str) -> float | int | None:
    seen = amounts_in(fold(cell))
    return seen[0].value if seen else None


def _loose_number(row: Row, known: list[str], care: Profile) -> float | int | None:
    numbers = _numbers(row)
    if not numbers:
        return None
    if "quantity" in known:
        first = numbers[0] if len(numbers) > 1 else None
        return first.value if first and not first.currency else 1
    return numbers[-1].value if care.weighs_context else max(each.value for each in numbers)


def _numbers(row: Row) -> list[Amount]:
    """Every number of a single cell; else one of each cell that begins with one."""
    if len(row.cells) == 1:
        return amounts_in(fold(row.cells[0]))
    return [amount for cell in row.cells if _led(cell) for amount in amounts_in(fold(cell))[:1]]


def _led(cell: str) -> bool:
    return re.match(r"\s*(?:[€$£]|[A-Z]{3}\s)?\s*[-−]?\d", cell) is not None


def _loose_text(row: Row, care: Profile) -> str | None:
    text = next((cell for cell in row.cells if not _led(cell) or len(row.cells) == 1), None)
    if text is None or not care.weighs_context or len(row.cells) > 1:
        return text
    counted = _COUNTED.match(text)
    return _MARK.sub("", counted["text"] if counted else text).strip(" .,;")
