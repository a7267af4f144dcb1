"""What the detail of a cell and the request view show, as JSON for the page."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from llmwidgets import formatting
from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.comparison.answers import Field, answers_to
from llmwidgets.comparison.grounded import FLAG_WORDS, Grounds
from llmwidgets.comparison.scored import Place
from llmwidgets.dialects.curl import curl
from llmwidgets.dialects.types import AuthHeader, Call
from llmwidgets.engine.defaults import DEFAULT_INSTRUCTIONS
from llmwidgets.secret import Secret
from llmwidgets.widgets.comparison.grid_model import GridIndex
from llmwidgets.widgets.results.grid_cells import (
    flag_of,
    leaf_of,
    may_ask_again,
    name_of,
    shown,
    spelled_out,
    truth_of,
    words_of,
)

if TYPE_CHECKING:
    from llmwidgets.comparison.comparison import Comparison
    from llmwidgets.engine.extraction import Extraction
    from llmwidgets.engine.plan import Text


_QUOTE = 160
_CUT = "••••"
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_FOUND = {
    "exact": "found word for word",
    "normalised": "found, written another way",
    "fuzzy": "found, spelled a little differently",
}


def failure_of(extraction: Extraction) -> dict[str, str] | None:
    """Why there is no valid record, and the next step."""
    if extraction.failure is None:
        return None
    name = formatting.words(extraction.status)
    return {
        "sentence": f"{name[:1].upper()}{name[1:]}: {extraction.failure.message}",
        "hint": extraction.failure.hint,
    }


# ---- one cell ------------------------------------------------------------------------------------


def detail_view(index: GridIndex, at: int, path: str, column: int) -> dict[str, Any]:
    """The value, the truth and the words they came from; `column` -1 is the field itself."""
    comparison, unit = index.comparison, index.place(at)
    text = comparison.texts[unit.text]
    fields = answers_to(comparison, unit.text, unit.repeat).values
    field = next((each for each in fields if each.path == path), Field(path, NOTHING, ()))
    leaf, grounds = leaf_of(field, text), Grounds(text, comparison.copyings)
    content: dict[str, Any] = {
        "index": at,
        "path": path,
        "column": column,
        "name": path or "all fields",
        "description": leaf.description if leaf else "",
        **_evidence(field, column, grounds, text),
    }
    if column < 0:
        return spelled_out({**content, "facts": _everyone(comparison, field, grounds)})
    extraction = comparison.extraction(Place(column, unit.text, unit.repeat))
    failure = failure_of(extraction)
    content |= {
        "failure": failure,
        "reply": extraction.reply_text or "",
        "again": "Ask again" if may_ask_again(extraction.status) else "",
        "facts": _one(comparison, field, column, grounds) + _facts(extraction),
    }
    return spelled_out(content)


def _evidence(field: Field, column: int, grounds: Grounds, text: Text) -> dict[str, Any]:
    said = field.said[column] if 0 <= column < len(field.said) else None
    value = said.value if said is not None else field.truth
    found = grounds.locate(value, field.pattern)
    if found is not None and found.start is not None and found.end is not None:
        return {"quote": _quote(text.text, found.start, found.end)}
    absent = ""
    if found is not None and found.kind == "absent":
        absent = f"{formatting.shorten(shown(value), 80)} is not in the text."
        if said is not None and flag_of(field, column, grounds) == "copied":
            absent += " It stands in an example that this column was shown: copied."
    meant = grounds.locate(field.truth, field.pattern)
    if meant is not None and meant.start is not None and meant.end is not None:
        absent += " This is where the truth stands." if absent else ""
        return {"quote": _quote(text.text, meant.start, meant.end), "absent": absent}
    return {"absent": absent}


def _quote(text: str, start: int, end: int) -> dict[str, str]:
    """The sentences around the words, cut where they get long."""
    before = _SENTENCE.split(text[max(0, start - _QUOTE) : start])[-2:]
    lead = " ".join(part for part in before if part)
    after = _SENTENCE.split(text[end : end + _QUOTE])[:2]
    tail = " ".join(part for part in after if part)
    gap = " " if text[:start][-1:].isspace() and lead and not lead[-1:].isspace() else ""
    return {
        "before": ("“" if lead == text[:start].strip() else "…") + lead + gap,
        "mark": text[start:end],
        "after": tail + ("”" if text[end:].strip() == tail.strip() else "…"),
    }


def _named(label: str) -> dict[str, str]:
    return {"label": label}


def _one(comparison: Comparison, field: Field, column: int, grounds: Grounds) -> list[Any]:
    rows = _truth_row(field)
    if column < len(field.said):
        rows.append(_value_row(comparison, field, column, grounds))
    return rows


def _everyone(comparison: Comparison, field: Field, grounds: Grounds) -> list[Any]:
    return _truth_row(field) + [
        _value_row(comparison, field, at, grounds) for at in range(len(field.said))
    ]


def _truth_row(field: Field) -> list[Any]:
    return [] if field.truth is NOTHING else [["Truth", truth_of(field.truth)[0], {}]]


def _value_row(comparison: Comparison, field: Field, at: int, grounds: Grounds) -> list[Any]:
    said = field.said[at]
    words = words_of(said)
    found = grounds.locate(said.value, field.pattern)
    how = _FOUND.get(found.kind, "") if found is not None else ""
    if said.state == "failed":
        words, how = "no usable reply", ""
    how = FLAG_WORDS[flag_of(field, at, grounds)] or how
    return [formatting.letter(at), words, {**_named(comparison.labels[at]), "said": how}]


def _facts(extraction: Extraction) -> list[Any]:
    reply = "valid" if extraction.ok else formatting.words(extraction.status)
    parts = [reply, str(extraction.mode or ""), count_tries(extraction.tries)]
    return [
        ["Reply", ", ".join(part for part in parts if part), {}],
        ["Cost", cost_of(extraction), {}],
    ]


def count_tries(tries: int) -> str:
    """How often the call was made; empty where it was not."""
    return "" if not tries else "1 try" if tries == 1 else f"{tries} tries"


def cost_of(extraction: Extraction) -> str:
    """Tokens, seconds and dollars of one call, what is unknown said."""
    usage = extraction.usage
    parts = []
    if usage.input_tokens is not None and usage.output_tokens is not None:
        parts.append(f"{usage.input_tokens:,} + {usage.output_tokens:,} tokens")
    if extraction.seconds is not None:
        parts.append(f"{formatting.seconds(extraction.seconds)} s{_split(extraction)}")
    known = extraction.cost is not None
    parts.append(formatting.dollars(extraction.cost) if known else "price unknown")
    if extraction.paid_before is not None:
        day = extraction.paid_before.astimezone()
        parts.append(f"paid before on {day.day} {day:%b %Y}")
    return ", ".join(parts)


def _split(extraction: Extraction) -> str:
    """The seconds as waiting for the reply to begin and answering; empty where not measured."""
    waiting, answering = extraction.waiting_seconds, extraction.answering_seconds
    if waiting is None or answering is None:
        return ""
    return f" ({formatting.seconds(waiting)} waiting, {formatting.seconds(answering)} answering)"


def request_view(index: GridIndex, at: int, column: int) -> dict[str, Any]:
    """The exact request of one call, secrets cut, and what came back."""
    comparison, unit = index.comparison, index.place(at)
    text = comparison.texts[unit.text]
    extraction = comparison.extraction(Place(column, unit.text, unit.repeat))
    request = extraction.request
    content = {
        "index": at,
        "column": column,
        "id": name_of(text, unit.repeat, comparison.repeats),
        "mode": str(extraction.mode or ""),
        "line": f"{request.get('method', '')} {request.get('url', '')}".strip(),
        "request": _pretty({key: request[key] for key in ("headers", "body") if key in request}),
        "why": "This comparison was made from outputs, or the call was never made.",
        "losses": [str(loss) for loss in extraction.losses],
        "failure": failure_of(extraction),
        "reply": _pretty_text(extraction.reply_text),
        "said": "valid" if extraction.ok else formatting.words(extraction.status),
        "facts": _exchange_facts(extraction),
        "instructions": [
            [formatting.letter(each), variant.instructions or DEFAULT_INSTRUCTIONS]
            for each, variant in enumerate(comparison.variants)
        ],
    }
    return spelled_out(content)


def _exchange_facts(extraction: Extraction) -> list[list[str]]:
    rows = [
        ["Model", extraction.model],
        ["Served by", extraction.served_model or "not said"],
        ["Cost", cost_of(extraction)],
        ["Tries", str(extraction.tries)],
        ["Request id", extraction.request_id or "not said"],
    ]
    return rows + [["Note", note] for note in extraction.notes]


def _pretty(value: dict[str, Any]) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False, default=str) if value else ""


def _pretty_text(reply: str | None) -> str:
    if not reply:
        return ""
    try:
        return json.dumps(json.loads(reply), indent=2, ensure_ascii=False)
    except ValueError:
        return reply


def curl_of(extraction: Extraction) -> str:
    """The request as a curl command with `$KEY` where a secret was cut."""
    request = extraction.request
    if not request:
        return ""
    headers = {name: str(value) for name, value in dict(request.get("headers") or {}).items()}
    auth = tuple(
        AuthHeader(name, Secret("env:KEY"), value.replace(_CUT, "{}"))
        for name, value in headers.items()
        if _CUT in value
    )
    plain = {name: value for name, value in headers.items() if _CUT not in value}
    return curl(
        Call(
            method=request["method"],
            url=request["url"],
            auth=auth,
            headers=plain,
            body=request.get("body"),
        )
    )
