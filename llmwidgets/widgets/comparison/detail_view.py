"""What the detail of a cell, the request view and the text view show."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NotRequired, TypedDict

from llmwidgets import formatting
from llmwidgets.analysis.grounding import PAGE_BREAK
from llmwidgets.analysis.leaves import NOTHING, is_empty
from llmwidgets.comparison.core import CellKey
from llmwidgets.comparison.measures.kept_scores import VariantValue
from llmwidgets.comparison.measures.stability import at_repeat
from llmwidgets.comparison.measures.text_result import (
    FLAG_WORDS,
    FLAGS,
    FieldResult,
    TextGrounding,
    ground_text,
)
from llmwidgets.dialects.requests import curl_command
from llmwidgets.dialects.sent import Sent, read_sent
from llmwidgets.dialects.types import AuthHeader, Call
from llmwidgets.engine.request_builder import DEFAULT_INSTRUCTIONS
from llmwidgets.formatting import count, escape_in_place, format_day
from llmwidgets.schemas import choose_schema
from llmwidgets.schemas.canonical import display_path
from llmwidgets.schemas.difference import SPELLING, find_changes, read_facts
from llmwidgets.secret import Secret
from llmwidgets.widgets.comparison.grid_model import (
    LONGEST,
    GridIndex,
    display_value,
    grounding_flag,
    leaf_at,
    may_ask_again,
    share_of_repeats,
    spell_out,
    text_name,
    truth_cell,
    value_words,
)
from llmwidgets.widgets.panel import Sentence

if TYPE_CHECKING:
    from llmwidgets.comparison.comparison import Comparison
    from llmwidgets.comparison.measures.text_result import Flag
    from llmwidgets.engine.extraction import Extraction
    from llmwidgets.engine.request_builder import Document
    from llmwidgets.schemas import Schema
    from llmwidgets.schemas.difference import Change


_QUOTE = 160
_CUT = "••••"
_SENTENCE = re.compile(r"(?<=[.!?])\s+|\n+")
_FOUND = {
    "exact": "found word for word",
    "normalised": "found, written another way",
    "fuzzy": "found, spelled a little differently",
}


class _QuoteState(TypedDict):
    before: str
    mark: str
    after: str


class _FactLabel(TypedDict):
    label: NotRequired[str]
    said: NotRequired[str]


class _RepeatGroup(TypedDict):
    """One of the values that a variant's repeats gave: how often, its state, and in which."""

    times: str
    text: str
    state: str
    repeats: list[int]


class EvidenceState(TypedDict):
    """Where in the text the value of a column comes from, or that it is not there."""

    column: int
    quote: NotRequired[_QuoteState]
    absent: NotRequired[str]


class DetailState(EvidenceState):
    """One cell, or one field with the values of all variants.

    With repeats, `repeat` is the one whose reply this is, and `groups` has all their values.
    """

    index: int
    path: str
    repeat: int
    groups: list[_RepeatGroup]
    name: str
    description: str
    failure: NotRequired[Sentence | None]
    reply: NotRequired[str]
    again: NotRequired[str]
    facts: list[Fact]


class RequestAnswer(TypedDict):
    """The exact request of one call, secrets cut, and what came back."""

    index: int
    column: int
    repeat: int
    id: str
    mode: str
    line: str
    request: str
    turns: list[tuple[str, str, str]]
    schema: str
    parameters: list[list[str]]
    why: str
    losses: list[str]
    failure: Sentence | None
    reply: str
    said: str
    facts: list[list[str]]
    instructions: list[list[str]]
    schemas: list[tuple[str, list[str]]]


Fact = list[str | _FactLabel]
"""Name, value, and what belongs to them."""


def failure_view(extraction: Extraction) -> Sentence | None:
    """Why there is no valid record, and the next step."""
    if extraction.failure is None:
        return None
    name = formatting.format_count_words(extraction.status)
    return {
        "sentence": f"{name[:1].upper()}{name[1:]}: {extraction.failure.message}",
        "hint": extraction.failure.hint,
    }


def detail_view(
    index: GridIndex, at: int, path: str, column: int, repeat: int | None = None
) -> DetailState:
    """The value, the truth and the words they came from; `column` -1 is the field itself.

    Without `repeat`, it is the first that gave the value shown in the grid.
    """
    comparison, unit = index.comparison, index.place(at)
    text = comparison.texts[unit.text]
    field = index.field(at, path) or FieldResult(path, NOTHING, ())
    cell = field.values[column] if 0 <= column < len(field.values) else None
    if repeat is None:
        repeat = cell.first if cell else 0
    shown = field if column < 0 else _in_repeat(field, repeat)
    own = comparison.variants[column].schema if column >= 0 else None
    leaf = leaf_at(field, choose_schema(own, text.schema))
    grounds = ground_text(comparison, unit.text)
    view: DetailState = {
        "index": at,
        "path": path,
        "column": column,
        "repeat": repeat,
        "groups": _repeat_groups(index, at, column, cell),
        "name": path or "all fields",
        "description": leaf.description if leaf else "",
        "facts": [] if field.truth is NOTHING else [["Truth", truth_cell(field.truth)[0], {}]],
    }
    add_evidence(view, shown, grounds, text)
    view["facts"] += [
        _value_row(comparison, shown, each, grounds)
        for each in range(len(field.values))
        if column in (each, -1)
    ]
    if column >= 0:
        extraction = comparison.extraction(CellKey(column, unit.text, repeat))
        view["failure"] = failure_view(extraction)
        view["reply"] = extraction.reply_text or ""
        view["again"] = "Ask again" if may_ask_again(extraction.status) else ""
        view["facts"] += _facts(extraction)
    return spell_out(view)


def _in_repeat(field: FieldResult, repeat: int) -> FieldResult:
    """The field as every variant gave it in one of its repeats."""
    return replace(field, values=tuple(at_repeat(each, repeat) for each in field.values))


def _repeat_groups(
    index: GridIndex, at: int, column: int, value: VariantValue | None
) -> list[_RepeatGroup]:
    """What the repeats of a variant gave: each value, then what failed and what is to come."""
    if value is None or not value.given:
        return []
    found = {
        (formatting.shorten(value_words(value.given[group[0]]), LONGEST), n): list(group)
        for n, group in enumerate(value.groups)
    }
    rows = index.comparison.rows
    for repeat, each in enumerate(value.given):
        if each.state == "failed":
            waits = index.live and not rows.id(CellKey(column, at, repeat))
            words = "" if waits else formatting.format_count_words(each.failure)
            found.setdefault((words, -1), []).append(repeat)
    return [
        {
            "times": f"{len(repeats)} ×",
            "text": words or "not answered yet",
            "state": value.given[repeats[0]].state if words else "waiting",
            "repeats": repeats,
        }
        for (words, _), repeats in found.items()
    ]


def add_evidence(
    view: EvidenceState, field: FieldResult, grounds: TextGrounding, text: Document
) -> None:
    """Show where in the text the value comes from, or that it is not there."""
    column = view["column"]
    cell = field.values[column] if 0 <= column < len(field.values) else None
    value = cell.value if cell is not None else field.truth
    grounding = grounds.locate(value, field.pattern)
    if grounding is not None and grounding.span is not None:
        view["quote"] = _quote(text.text, *grounding.span)
        return
    view["absent"] = ""
    if grounding is not None and grounding.kind == "absent":
        view["absent"] = f"{formatting.shorten(display_value(value), 80)} is not in the text."
        if cell is not None and grounding_flag(field, column, grounds) == "copied":
            view["absent"] += " It is in an example that this column was shown: copied."
    truth = grounds.locate(field.truth, field.pattern)
    if truth is not None and truth.span is not None:
        view["quote"] = _quote(text.text, *truth.span)
        view["absent"] += " This is where the truth is." if view["absent"] else ""


def _quote(text: str, start: int, end: int) -> _QuoteState:
    """The sentences around the words, cut where they get long."""
    before = _SENTENCE.split(PAGE_BREAK.sub("\n", text[max(0, start - _QUOTE) : start]))[-2:]
    lead = " ".join(part for part in before if part)
    after = _SENTENCE.split(PAGE_BREAK.sub("\n", text[end : end + _QUOTE]))[:2]
    tail = " ".join(part for part in after if part)
    gap = " " if text[:start][-1:].isspace() and lead and not lead[-1:].isspace() else ""
    tail = f" {tail}" if text[end : end + 1].isspace() and tail and not tail[0].isspace() else tail
    return {
        "before": ("“" if lead == text[:start].strip() else "…") + lead + gap,
        "mark": PAGE_BREAK.sub("\n", text[start:end]),
        "after": tail + ("”" if text[end:].strip() == tail.strip() else "…"),
    }


def _value_row(comparison: Comparison, field: FieldResult, at: int, grounds: TextGrounding) -> Fact:
    value = field.values[at]
    words = value_words(value)
    span = grounds.locate(value.value, field.pattern)
    parts = [_FOUND.get(span.kind, ""), formatting.format_page(span.page)] if span else []
    how = ", ".join(part for part in parts if part)
    if value.state == "failed":
        words, how = "no usable reply", ""
    how = FLAG_WORDS[grounding_flag(field, at, grounds)] or how
    if value and value.groups:
        how = ", ".join(part for part in (share_of_repeats(value), how) if part)
    return [formatting.variant_letter(at), words, {"label": comparison.labels[at], "said": how}]


def _facts(extraction: Extraction) -> list[Fact]:
    reply = "valid" if extraction.ok else formatting.format_count_words(extraction.status)
    tries = count(extraction.tries, "try", "tries") if extraction.tries else ""
    parts = [reply, str(extraction.mode or ""), tries]
    return [
        ["Reply", ", ".join(part for part in parts if part), {}],
        ["Cost", _cost(extraction), {}],
    ]


def _cost(extraction: Extraction) -> str:
    """Tokens, seconds and dollars of one call; an unknown price is named."""
    usage, seconds = extraction.usage, formatting.seconds
    waiting, answering = extraction.waiting_seconds, extraction.answering_seconds
    parts = []
    if usage.input_tokens is not None and usage.output_tokens is not None:
        parts.append(f"{usage.input_tokens:,} + {usage.output_tokens:,} tokens")
    if extraction.seconds is not None:
        measured = waiting is not None and answering is not None
        split = f" ({seconds(waiting)} waiting, {seconds(answering)} answering)" if measured else ""
        parts.append(f"{seconds(extraction.seconds)} s{split}")
    known = extraction.cost is not None
    parts.append(formatting.dollars(extraction.cost) if known else "price unknown")
    if extraction.paid_before is not None:
        parts.append(f"paid before on {format_day(extraction.paid_before.astimezone())}")
    return ", ".join(parts)


def request_view(index: GridIndex, at: int, column: int, repeat: int = 0) -> RequestAnswer:
    """The exact request of one call, secrets cut, and what came back."""
    comparison, unit = index.comparison, index.place(at)
    text = comparison.texts[unit.text]
    extraction = comparison.extraction(CellKey(column, unit.text, repeat))
    request = extraction.request
    sent = {key: request[key] for key in ("headers", "body") if key in request}
    read = read_sent(request.get("body"))
    view: RequestAnswer = {
        "index": at,
        "column": column,
        "repeat": repeat,
        "id": text_name(text),
        "mode": str(extraction.mode or ""),
        "line": f"{request.get('method', '')} {request.get('url', '')}".strip(),
        "request": json.dumps(sent, indent=2, ensure_ascii=False, default=str) if sent else "",
        "turns": _turns(read),
        "schema": _indented(read.schema) if read.schema is not None else "",
        "parameters": [list(each) for each in read.parameters],
        "why": "This comparison was made from outputs, or the call was never made.",
        "losses": [str(loss) for loss in extraction.losses],
        "failure": failure_view(extraction),
        "reply": _indented_reply(extraction.reply_text or ""),
        "said": "valid" if extraction.ok else formatting.format_count_words(extraction.status),
        "facts": [
            ["Model", extraction.model],
            ["Served by", extraction.served_model or "not said"],
            ["Cost", _cost(extraction)],
            ["Tries", str(extraction.tries)],
            ["Request id", extraction.request_id or "not said"],
            *(["Note", note] for note in extraction.notes),
        ],
        "instructions": [
            [formatting.variant_letter(each), variant.instructions or DEFAULT_INSTRUCTIONS]
            for each, variant in enumerate(comparison.variants)
        ],
        "schemas": _schemas_beside(
            [choose_schema(each.schema, text.schema) for each in comparison.variants], text.schema
        ),
    }
    return spell_out(view)


def _turns(sent: Sent) -> list[tuple[str, str, str]]:
    """Each turn of a request as (role, what it is, words)."""
    turns, examples = [], 0
    spoken = [at for at, (role, _) in enumerate(sent.turns) if role != "system"]
    for at, (role, words) in enumerate(sent.turns):
        said = ""
        if role != "system" and at != spoken[-1]:
            examples += role == "user"
            said = f"example {examples}" if role == "user" else f"its answer, example {examples}"
        turns.append((role, said, words))
    return turns


def _schemas_beside(schemas: list[Schema], usual: Schema) -> list[tuple[str, list[str]]]:
    """What the columns' schemas say differently: the place and aspect, and each column's words."""
    changes = {change.name: change for own in schemas for change in find_changes(usual, own)}
    facts = [read_facts(own) for own in schemas] if changes else []
    return [
        (
            f"{display_path(change.path)}: {change.aspect}",
            [_aspect_words(each, change) for each in facts]
            if change.aspect != SPELLING
            else [_indented(each.json) for each in schemas],
        )
        for change in changes.values()
    ]


def _aspect_words(facts: dict[str, dict[str, Any]], change: Change) -> str:
    said = facts.get(change.path, {}).get(change.aspect, "")
    return said if isinstance(said, str) else _indented(said)


def _indented(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def _indented_reply(reply: str) -> str:
    try:
        return _indented(json.loads(reply))
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
    method, url, body = request["method"], request["url"], request.get("body")
    return curl_command(Call(method=method, url=url, auth=auth, headers=plain, body=body))


class _SpanState(TypedDict):
    s: int
    e: int
    letters: str
    path: str
    name: str
    state: str


class _ValueGroup(TypedDict):
    letters: str
    state: str
    text: str
    kind: str
    flag: str
    page: str


class _FieldGroups(TypedDict):
    path: str
    name: str
    groups: list[_ValueGroup]


class TextAnswer(TypedDict):
    """One text with the spans of every variant."""

    index: int
    repeat: int
    id: str
    total: int
    text: str
    cut: str
    spans: list[_SpanState]
    fields: list[_FieldGroups]


LONGEST_TEXT = 200_000


def text_view(index: GridIndex, at: int, repeat: int = 0) -> TextAnswer:
    """The source with the spans of every variant, and the list of fields, in one repeat."""
    comparison, unit = index.comparison, index.place(at)
    text = comparison.texts[unit.text]
    answered = [_in_repeat(each, repeat) for each in index.answers(at).values]
    fields = sorted(answered, key=lambda field: -field.disagreeing)
    grounds = ground_text(comparison, unit.text)
    grouped = [(field, _groups(field, grounds)) for field in fields]
    view: TextAnswer = {
        "index": at,
        "repeat": repeat,
        "id": text_name(text),
        "total": index.total,
        "text": escape_in_place(text.text[:LONGEST_TEXT].replace("\f", "\n")),
        "cut": f"The first {LONGEST_TEXT:,} characters." if len(text.text) > LONGEST_TEXT else "",
        "spans": [
            span for field, groups in grouped for span in _spans(field, groups, grounds, text)
        ],
        "fields": [
            {
                "path": field.path,
                "name": field.path or "value",
                "groups": [group for group, _value in groups],
            }
            for field, groups in grouped
        ],
    }
    return spell_out(view)


def _groups(field: FieldResult, grounds: TextGrounding) -> list[tuple[_ValueGroup, Any]]:
    """Variants with the same value, and that value: those that agree with the truth first."""
    agreeing = [at for at, cell in enumerate(field.values) if cell.state == "agree"]
    labelled = field.truth is not NOTHING
    groups: list[tuple[_ValueGroup, Any]] = []
    if labelled or agreeing:
        value = field.truth if labelled else field.values[agreeing[0]].value
        flags = [grounding_flag(field, at, grounds) for at in agreeing]
        words, kind = truth_cell(value)
        group: _ValueGroup = {
            "letters": ("T" if labelled else "") + _letters(agreeing),
            "state": "agree" if agreeing and not field.disagreeing else "truth",
            "text": words if kind != "blank" else "none",
            "kind": "value" if kind == "value" else "none",
            "flag": FLAG_WORDS[max(flags, default="", key=FLAGS.index)],
            "page": formatting.format_page(grounds.page(value, field.pattern)),
        }
        groups.append((group, value))
    others: dict[tuple[str, str, Flag], list[int]] = {}
    for at, cell in enumerate(field.values):
        if cell.state not in ("agree", "failed"):
            flag = grounding_flag(field, at, grounds)
            others.setdefault((cell.state, display_value(cell.value), flag), []).append(at)
    for (state, words, flag), whose in others.items():
        cell = field.values[whose[0]]
        missing = state == "missing" and is_empty(cell.value)
        group = {
            "letters": _letters(whose),
            "state": state,
            "text": "no value" if missing else words or "none",
            "kind": "none" if missing or not words else "value",
            "flag": FLAG_WORDS[flag],
            "page": formatting.format_page(grounds.page(cell.value, field.pattern)),
        }
        groups.append((group, NOTHING if missing else cell.value))
    return groups


def _letters(variants: list[int]) -> str:
    return "".join(formatting.variant_letter(at) for at in variants)


def _spans(
    field: FieldResult,
    groups: list[tuple[_ValueGroup, Any]],
    grounds: TextGrounding,
    text: Document,
) -> list[_SpanState]:
    spans: list[_SpanState] = []
    for group, value in groups:
        grounding = grounds.locate(value, field.pattern)
        if grounding is None or grounding.span is None:
            continue
        start, end = grounding.span
        if end > LONGEST_TEXT:
            continue
        spans.append(
            {
                "s": _utf16(text.text, start),
                "e": _utf16(text.text, end),
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
