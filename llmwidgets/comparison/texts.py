"""The texts of a comparison: strings, Series, DataFrame or dicts, each with an id."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from os import PathLike
from typing import Any

from llmwidgets.comparison.jsonable import is_empty_cell
from llmwidgets.errors import FieldError

_KEYS = ("text", "id", "truth", "schema")
_PDF_NAME = re.compile(r"[^\n]{1,1000}\.pdf\s*", re.IGNORECASE)
_PDF_LINES = (
    "Turn it into text first: from pypdf import PdfReader; "
    'text = "\\n".join(page.extract_text() for page in PdfReader(path).pages)'
)


@dataclass(frozen=True, slots=True)
class TextSource:
    """One text as the user gave it; what its row does not have is None."""

    id: str
    text: str
    truth: Any = None
    schema: Any = None
    group: Any = None


def read_sources(
    texts: Any, *, allow_empty: bool = False, group: str | None = None
) -> tuple[TextSource, ...]:
    """The texts with their ids ("text-01"… where none is given); FieldError names each misfit.

    Empty texts are refused unless `allow_empty` (outputs that were made elsewhere). `group` is
    the column or key that says which texts belong together.
    """
    rows = _rows(texts, group)
    if not rows:
        raise FieldError({"texts": "is empty."}, "Give at least one text.")
    width = max(2, len(str(len(rows))))
    problems: dict[str, str] = {}
    sources = []
    for at, row in enumerate(rows, 1):
        default = f"text-{at:0{width}}"
        source, said = _source(row, default, group)
        if not said and not source.text.strip() and not allow_empty:
            said = "is empty."
        if said:
            problems[source.id] = said
        sources.append(source)
    _refuse(problems)
    _refuse_duplicates(sources)
    return tuple(sources)


def join_truncated(names: Iterable[str], most: int = 5) -> str:
    """The first names, and how many more there are."""
    listed = [str(name) for name in names]
    more = f" and {len(listed) - most} more" if len(listed) > most else ""
    return ", ".join(listed[:most]) + more


def _rows(texts: Any, group: str | None = None) -> list[Any]:
    rows = _all_rows(texts, group)
    if group is not None and not any(isinstance(row, Mapping) and group in row for row in rows):
        keys = {key: None for row in rows if isinstance(row, Mapping) for key in row}
        names = [str(name) for name in getattr(texts, "columns", keys)]
        near = get_close_matches(group, names, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]}?" if near else ""
        raise FieldError(
            {"group": f"the texts have no column or key {group}.{hint}"},
            f"Name one of {join_truncated(names)}, or give a list as long as the texts "
            "or a dict by id."
            if names
            else "Give a list as long as the texts, or a dict by id.",
        )
    return rows


def _all_rows(texts: Any, group: str | None) -> list[Any]:
    if isinstance(texts, str | bytes | PathLike):
        return [texts]
    if hasattr(texts, "to_dict") and hasattr(texts, "columns"):
        if "text" not in texts.columns:
            raise FieldError(
                {"texts": "the DataFrame has no column text."},
                'Rename the column that holds the documents: frame.rename(columns={"…": "text"}).',
            )
        wanted = dict.fromkeys((*_KEYS, *([group] if group is not None else [])))
        kept = [key for key in wanted if key in texts.columns]
        return list(texts[kept].to_dict("records"))
    if isinstance(texts, Mapping):
        if "text" in texts:
            return [texts]
        return [{"id": key, "text": text} for key, text in texts.items()]
    if isinstance(texts, Iterable):
        return list(texts)
    raise FieldError(
        {"texts": f"is a {type(texts).__name__}, not texts."},
        "Give a list of strings, a pandas Series, or a DataFrame with a column text.",
    )


def _source(row: Any, default: str, group: str | None) -> tuple[TextSource, str]:
    if not isinstance(row, Mapping):
        return TextSource(default, row if isinstance(row, str) else ""), _said_of(row)
    given = row.get("id")
    name = default if given is None or is_empty_cell(given) else str(given)
    if "text" not in row:
        return TextSource(name, ""), "has no key text."
    text, truth, schema = row["text"], row.get("truth"), row.get("schema")
    return (
        TextSource(
            name,
            text if isinstance(text, str) else "",
            None if is_empty_cell(truth) else truth,
            None if is_empty_cell(schema) else schema,
            None if group is None else row.get(group),
        ),
        _said_of(text),
    )


def _said_of(text: Any) -> str:
    if _is_pdf(text):
        return "is a PDF, not a text."
    if isinstance(text, str) or text is None or is_empty_cell(text):
        return ""
    if isinstance(text, PathLike):
        return "is a path, not a text; read it with .read_text()."
    return f"is a {type(text).__name__}, not a text."


def _is_pdf(text: Any) -> bool:
    if isinstance(text, PathLike):
        return str(text).lower().endswith(".pdf")
    if isinstance(text, bytes):
        return text.lstrip()[:4] == b"%PDF"
    return isinstance(text, str) and (
        text.lstrip()[:4] == "%PDF" or bool(_PDF_NAME.fullmatch(text))
    )


def _refuse(problems: Mapping[str, str]) -> None:
    if not problems:
        return
    shown = dict(list(problems.items())[:5])
    more = len(problems) - len(shown)
    hint = f"{more} more texts have a problem. " if more else ""
    if any("PDF" in said for said in problems.values()):
        hint += _PDF_LINES
    elif any(said == "is empty." for said in problems.values()):
        hint += "Leave empty texts out, or give their text."
    else:
        hint += "Each text is a string, or a dict with the key text."
    raise FieldError(shown, hint)


def _refuse_duplicates(sources: list[TextSource]) -> None:
    seen: set[str] = set()
    twice: dict[str, None] = {}
    for source in sources:
        if source.id in seen:
            twice[source.id] = None
        seen.add(source.id)
    if twice:
        raise FieldError(
            {"texts": f"these ids stand more than once: {join_truncated(twice)}."},
            "Give every text an id of its own, or leave the ids out.",
        )


def spread_evenly(count: int, most: int) -> list[int]:
    """At most `most` places of `count`, evenly spread, counted from 0.

    >>> spread(10, 4)
    [0, 2, 5, 7]
    """
    return list(range(count)) if count <= most else [at * count // most for at in range(most)]
