"""E-mail addresses, web addresses and telephone numbers."""

from __future__ import annotations

import re

from llmwidgets.demo.extractor.document import Document, Found

_EMAIL = re.compile(r"[\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,6}")
_URL = re.compile(r"https?://[^\s<>\"')\]]+|(?<![\w@.])www\.[\w-]+(?:\.[\w-]+)+[^\s<>\"')\]]*")
_PHONE = re.compile(r"(?<![\w./-])\+?\(?\d[\d ()/-]{5,17}\d(?![\w.]\d)")


def find_emails(document: Document) -> list[Found]:
    """Every e-mail address."""
    return [Found(match[0].rstrip("."), *match.span()) for match in _EMAIL.finditer(document.text)]


def find_urls(document: Document) -> list[Found]:
    """Every web address, the closing stop of a sentence left out."""
    return [Found(match[0].rstrip(".,;"), *match.span()) for match in _URL.finditer(document.text)]


def find_phones(document: Document) -> list[Found]:
    """Everything that reads as a telephone number."""
    return [Found(match[0].strip(), *match.span()) for match in _PHONE.finditer(document.text)]
