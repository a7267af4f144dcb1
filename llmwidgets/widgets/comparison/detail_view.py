"""What the detail of a cell and the request view show, as JSON for the page."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING, Any

from llmwidgets import formatting
from llmwidgets.analysis.leaves import NOTHING, is_empty
from llmwidgets.comparison.core import CellKey
from llmwidgets.comparison.reference_free import FLAG_WORDS, FLAGS, TextGrounding, ground_text
from llmwidgets.comparison.text_result import FieldResult, read_text_result
from llmwidgets.dialects.requests import curl_command
from llmwidgets.dialects.types import AuthHeader, Call
from llmwidgets.engine.defaults import DEFAULT_INSTRUCTIONS
from llmwidgets.secret import Secret
from llmwidgets.visible import escape_in_place
from llmwidgets.widgets.comparison.grid_model import (
    GridIndex,
    display_value,
    grounding_flag,
    leaf_at,
    may_ask_again,
    spelled_out,
    text_name,
    truth_cell,
    value_words,
)

if TYPE_CHECKING:
    from llmwidgets.comparison.comparison import Comparison
    from llmwidgets.comparison.reference_free import Flag
    from llmwidgets.engine.extraction import Extraction
    from llmwidgets.engine.request_builder import Document


_QUOTE = 160
_CUT = "••••"
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_FOUND = {
    "exact": "found word for word",
    "normalised": "found, written another way",
    "fuzzy": "found, spelled a little differently",
}


def failure_view(extraction: Extraction) -> dict[str, str] | None:
    """Why there is no valid record, and the next step."""
    if extraction.failure is None:
        return None
    name = formatting.format_count_words(extraction.status)
    return {
        "sentence": f"{name[:1].upper()}{name[1:]}: {extraction.failure.message}",
        "hint": extraction.failure.hint,
    }


# ---- one cell ------------------------------------------------------------------------------------


def detail_view(index: GridIndex, at: int, path: str, column: int) -> dict[str, Any]:
    """The value, the truth and the words they came from; `column` -1 is the field itself."""
    comparison, unit = index.comparison, index.place(at)
    text = comparison.texts[unit.text]
    fields = read_text_result(comparison, unit.text, unit.repeat).values
    field = next((each for each in fields if each.path == path), FieldResult(path, NOTHING, ()))
    leaf, grounds = leaf_at(field, text), ground_text(comparison, unit.text)
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
    extraction = comparison.extraction(CellKey(column, unit.text, unit.repeat))
    failure = failure_view(extraction)
    content |= {
        "failure": failure,
        "reply": extraction.reply_text or "",
        "again": "Ask again" if may_ask_again(extraction.status) else "",
        "facts": _one(comparison, field, column, grounds) + _facts(extraction),
    }
    return spelled_out(content)


def _evidence(
    field: FieldResult, column: int, grounds: TextGrounding, text: Document
) -> dict[str, Any]:
    said = field.values[column] if 0 <= column < len(field.values) else None
    value = said.value if said is not None else field.truth
    found = grounds.locate(value, field.pattern)
    if found is not None and found.start is not None and found.end is not None:
        return {"quote": _quote(text.text, found.start, found.end)}
    absent = ""
    if found is not None and found.kind == "absent":
        absent = f"{formatting.shorten(display_value(value), 80)} is not in the text."
        if said is not None and grounding_flag(field, column, grounds) == "copied":
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


def _one(
    comparison: Comparison, field: FieldResult, column: int, grounds: TextGrounding
) -> list[Any]:
    rows = _truth_row(field)
    if column < len(field.values):
        rows.append(_value_row(comparison, field, column, grounds))
    return rows


def _everyone(comparison: Comparison, field: FieldResult, grounds: TextGrounding) -> list[Any]:
    return _truth_row(field) + [
        _value_row(comparison, field, at, grounds) for at in range(len(field.values))
    ]


def _truth_row(field: FieldResult) -> list[Any]:
    return [] if field.truth is NOTHING else [["Truth", truth_cell(field.truth)[0], {}]]


def _value_row(
    comparison: Comparison, field: FieldResult, at: int, grounds: TextGrounding
) -> list[Any]:
    said = field.values[at]
    words = value_words(said)
    found = grounds.locate(said.value, field.pattern)
    how = _FOUND.get(found.kind, "") if found is not None else ""
    if said.state == "failed":
        words, how = "no usable reply", ""
    how = FLAG_WORDS[grounding_flag(field, at, grounds)] or how
    return [formatting.variant_letter(at), words, {**_named(comparison.labels[at]), "said": how}]


def _facts(extraction: Extraction) -> list[Any]:
    reply = "valid" if extraction.ok else formatting.format_count_words(extraction.status)
    parts = [reply, str(extraction.mode or ""), count_tries(extraction.tries)]
    return [
        ["Reply", ", ".join(part for part in parts if part), {}],
        ["Cost", cost_view(extraction), {}],
    ]


def count_tries(tries: int) -> str:
    """How often the call was made; empty where it was not."""
    return "" if not tries else "1 try" if tries == 1 else f"{tries} tries"


def cost_view(extraction: Extraction) -> str:
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
    extraction = comparison.extraction(CellKey(column, unit.text, unit.repeat))
    request = extraction.request
    content = {
        "index": at,
        "column": column,
        "id": text_name(text, unit.repeat, comparison.repeats),
        "mode": str(extraction.mode or ""),
        "line": f"{request.get('method', '')} {request.get('url', '')}".strip(),
        "request": _pretty({key: request[key] for key in ("headers", "body") if key in request}),
        "why": "This comparison was made from outputs, or the call was never made.",
        "losses": [str(loss) for loss in extraction.losses],
        "failure": failure_view(extraction),
        "reply": _pretty_text(extraction.reply_text),
        "said": "valid" if extraction.ok else formatting.format_count_words(extraction.status),
        "facts": _exchange_facts(extraction),
        "instructions": [
            [formatting.variant_letter(each), variant.instructions or DEFAULT_INSTRUCTIONS]
            for each, variant in enumerate(comparison.variants)
        ],
    }
    return spelled_out(content)


def _exchange_facts(extraction: Extraction) -> list[list[str]]:
    rows = [
        ["Model", extraction.model],
        ["Served by", extraction.served_model or "not said"],
        ["Cost", cost_view(extraction)],
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


def request_curl(extraction: Extraction) -> str:
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
    return curl_command(
        Call(
            method=request["method"],
            url=request["url"],
            auth=auth,
            headers=plain,
            body=request.get("body"),
        )
    )


# -- What the text view shows, as JSON for the page: the source, its spans, the list of fields.

LONGEST_TEXT = 200_000


def text_view(index: GridIndex, at: int) -> dict[str, Any]:
    """The source with the spans of every variant, and the list of fields."""
    comparison, unit = index.comparison, index.place(at)
    text = comparison.texts[unit.text]
    fields = sorted(
        read_text_result(comparison, unit.text, unit.repeat).values,
        key=lambda field: -field.disagreeing,
    )
    grounds = ground_text(comparison, unit.text)
    grouped = [(field, _groups(field, grounds)) for field in fields]
    content = {
        "index": at,
        "id": text_name(text, unit.repeat, comparison.repeats),
        "total": index.total,
        "text": escape_in_place(text.text[:LONGEST_TEXT]),
        "cut": f"The first {LONGEST_TEXT:,} characters." if len(text.text) > LONGEST_TEXT else "",
        "spans": [
            span for field, groups in grouped for span in _spans(field, groups, grounds, text)
        ],
        "fields": [
            {
                "path": field.path,
                "name": field.path or "value",
                "groups": [
                    {key: group[key] for key in group if key != "value"} for group in groups
                ],
            }
            for field, groups in grouped
        ],
    }
    return spelled_out(content)


def _groups(field: FieldResult, grounds: TextGrounding) -> list[dict[str, Any]]:
    """Who says the same: the truth with those that agree, then each other value."""
    agreeing = [at for at, said in enumerate(field.values) if said.state == "agree"]
    labelled = field.truth is not NOTHING
    found: list[dict[str, Any]] = []
    if labelled or agreeing:
        value = field.truth if labelled else field.values[agreeing[0]].value
        flags = [grounding_flag(field, at, grounds) for at in agreeing]
        words, kind = truth_cell(field.truth) if labelled else truth_cell(value)
        alone = not field.disagreeing
        found.append(
            {
                "letters": ("T" if labelled else "") + _letters(agreeing),
                "state": "agree" if alone and agreeing else "truth",
                "text": words if kind != "blank" else "none",
                "kind": "value" if kind == "value" else "none",
                "flag": FLAG_WORDS[max(flags, default="", key=FLAGS.index)],
                "value": value,
            }
        )
    others: dict[tuple[str, str, Flag], list[int]] = {}
    for at, said in enumerate(field.values):
        if said.state not in ("agree", "failed"):
            flag = grounding_flag(field, at, grounds)
            others.setdefault((said.state, display_value(said.value), flag), []).append(at)
    for (state, words, flag), whose in others.items():
        said = field.values[whose[0]]
        missing = state == "missing" and is_empty(said.value)
        found.append(
            {
                "letters": _letters(whose),
                "state": state,
                "text": "no value" if missing else words or "none",
                "kind": "none" if missing or not words else "value",
                "flag": FLAG_WORDS[flag],
                "value": NOTHING if missing else said.value,
            }
        )
    return found


def _letters(variants: list[int]) -> str:
    return "".join(formatting.variant_letter(at) for at in variants)


def _spans(
    field: FieldResult, groups: list[dict[str, Any]], grounds: TextGrounding, text: Document
) -> list[dict[str, Any]]:
    spans = []
    for group in groups:
        found = grounds.locate(group["value"], field.pattern)
        if found is None or found.start is None or found.end is None or found.end > LONGEST_TEXT:
            continue
        spans.append(
            {
                "s": _utf16(text.text, found.start),
                "e": _utf16(text.text, found.end),
                "letters": group["letters"],
                "path": field.path,
                "name": field.path or "value",
                "state": "agree" if group["state"] in ("agree", "truth") else group["state"],
            }
        )
    return spans


def _utf16(text: str, offset: int) -> int:
    """The offset as the page counts it: characters beyond the first 65,536 count twice."""
    return len(text[:offset].encode("utf-16-le", "surrogatepass")) // 2
