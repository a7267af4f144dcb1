"""Identifiers: invoice numbers, order numbers, tax ids."""

from __future__ import annotations

import re

from llmwidgets.demo.dates import find_dates
from llmwidgets.demo.extractor.document import Document, Found, fold
from llmwidgets.demo.extractor.finders import amounts_in

_CODE = re.compile(
    r"(?<![\w@.+-])#?(?P<code>"
    r"[A-Za-z]{0,5}[-/]?\d[\w/-]{0,30}(?:[.][\w-]{1,30}){0,4}"
    r"|[A-Z]{2,}\w*-[\w/-]*\d[\w/-]*"
    r")(?![\w@])"
)
_TAX = re.compile(
    r"(?<![\w@-])(?P<code>(?:[A-Z]{2}|CHE)[ -]?[A-Z]?\d(?:[ .]?[\dA-Z]){5,16}(?<=\d))(?![\w@])"
)


def find_codes(document: Document) -> list[Found]:
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
        found.append(Found(code, start, start + len(code)))
    return found


def _is_money(document: Document, code: str, start: int, end: int) -> bool:
    around = document.folded[max(0, start - 4) : end + 5]
    amounts = amounts_in(around)
    if re.fullmatch(r"\d+[.,]\d\d?|\d{1,3}(?:[.,]\d{3})+(?:[.,]\d\d?)?", code):
        return True
    return any(each.currency and fold(each.figure) in code for each in amounts)


def find_tax_ids(document: Document) -> list[Found]:
    """Everything shaped as a VAT identification number: country letters and digits."""
    found = []
    for match in _TAX.finditer(document.text):
        code = match["code"].strip()
        if sum(letter.isdigit() for letter in code) >= 7:
            found.append(Found(code, *match.span("code")))
    return found
