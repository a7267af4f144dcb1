"""Texts that are pasted into the panel, or read from files chosen there."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Sequence
from pathlib import PurePath
from typing import Any

from llmwidgets.errors import FieldError

_BETWEEN = re.compile(r"^[^\S\n]*+-{3,}[^\S\n]*$", re.MULTILINE)
_KEPT = ("id", "text", "truth", "schema")


def pasted(words: str) -> list[dict[str, str]]:
    """The texts between lines of three dashes; FieldError where there is none."""
    found = [part.strip() for part in _BETWEEN.split(words) if part.strip()]
    if not found:
        raise FieldError({"texts": "Nothing was pasted."}, "Paste a text; --- stands between two.")
    return [{"text": part} for part in found]


def of_files(files: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """The texts of files: a .csv or .jsonl has a column or key `text`, others are one text each."""
    found: list[dict[str, Any]] = []
    for name, content in files:
        kind = PurePath(name).suffix.lower()
        if kind == ".csv":
            found += _rows(name, list(csv.DictReader(io.StringIO(content.lstrip("\ufeff")))))
        elif kind == ".jsonl":
            found += _rows(
                name, [_line(name, line) for line in content.splitlines() if line.strip()]
            )
        else:
            found.append({"id": PurePath(name).stem, "text": content})
    if not found:
        raise FieldError({"texts": "The files hold no text."}, "Choose .txt, .csv or .jsonl files.")
    return found


def _rows(name: str, rows: Sequence[Any]) -> list[dict[str, Any]]:
    if not all(isinstance(row, dict) and row.get("text") for row in rows):
        raise FieldError(
            {name: "A row has no text."}, "Name the column or key that holds the documents text."
        )
    return [{key: row[key] for key in _KEPT if row.get(key)} for row in rows]


def _line(name: str, line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        raise FieldError({name: "A line is not JSON."}, "One JSON object a line.") from None
