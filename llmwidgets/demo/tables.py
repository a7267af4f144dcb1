"""Lists of objects: tables with and without rules, bullets, and sentences of `3 x thing: 9.00`."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Any

from llmwidgets.demo.care import Care
from llmwidgets.demo.cues import concepts, pattern, said, words_of
from llmwidgets.demo.extractor.document import Document, fold
from llmwidgets.demo.extractor.finders import Amount, amounts_in

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


def find_rows(document: Document, care: Care) -> list[Row]:
    """The rows of the document's table, or else of its bullets, or else of its counted lines."""
    return _table(document, care) or _listed(document)


def _table(document: Document, care: Care) -> list[Row]:
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


def _is_header(cells: tuple[str, ...], care: Care) -> bool:
    if any(re.search(r"\d", cell) for cell in cells):
        return False
    return sum(1 for cell in cells if column_of(cell, care)) >= 2


def column_of(head: str, care: Care) -> str | None:
    """The concept a column's head stands for; the longest phrase decides."""
    folded = fold(head)
    best: tuple[int, str] | None = None
    for concept in ("description", "quantity", "unit", "amount", "position"):
        for phrase in said("column", concept, care):
            if pattern(phrase).search(folded) and (best is None or len(phrase) > best[0]):
                best = (len(phrase), concept)
    return best[1] if best else None


def _is_row(cells: tuple[str, ...], care: Care) -> bool:
    last = amounts_in(fold(cells[-1]))
    if not last or not any(re.search(r"[^\W\d_]{2}", cell) for cell in cells):
        return False
    label = fold(" ".join(cells[:-1]))
    sums = pattern(*(phrase for name in _SUM for phrase in said("amount", name, care)))
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


def read_row(row: Row, fields: dict[str, tuple[bool, str]], care: Care) -> dict[str, Any]:
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


def _cell(row: Row, known: list[str], words: list[str], care: Care) -> str | None:
    for head, cell in zip(row.header, row.cells, strict=False):
        if column_of(head, care) in known or fold(head) in words:
            return cell
    return None


def _number(cell: str) -> float | int | None:
    seen = amounts_in(fold(cell))
    return seen[0].value if seen else None


def _loose_number(row: Row, known: list[str], care: Care) -> float | int | None:
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


def _loose_text(row: Row, care: Care) -> str | None:
    text = next((cell for cell in row.cells if not _led(cell) or len(row.cells) == 1), None)
    if text is None or not care.weighs_context or len(row.cells) > 1:
        return text
    counted = _COUNTED.match(text)
    return _MARK.sub("", counted["text"] if counted else text).strip(" .,;")
