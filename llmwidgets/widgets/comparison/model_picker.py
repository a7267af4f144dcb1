"""The models a comparison can be made of, grouped by connection, with what is known of each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date
from typing import TYPE_CHECKING, Any, Literal, TypedDict

from llmwidgets.comparison.variants import count_examples, reference_of
from llmwidgets.widgets.comparison.setup import ColumnChoice, ColumnChoices, Setup, offered_models

if TYPE_CHECKING:
    from llmwidgets.connections.connection import Connection
    from llmwidgets.providers.base import ModelFacts


EFFORTS = (
    ("least", "least: off where the model allows it"),
    ("vendor", "vendor: as the vendor sets it"),
    ("low", "low"),
    ("medium", "medium"),
    ("high", "high"),
)
_SOON_DAYS = 90

Tone = Literal["muted", "warn", "fail"]


class _ExamplesState(TypedDict):
    """How many examples a column shows; `given` where code gave them as pairs."""

    count: int
    given: str


class _CopyState(TypedDict):
    key: str
    letter: str
    label: str
    said: str
    examples: _ExamplesState
    instructions: str
    effort: str
    efforts: list[list[str]]


class _NoteState(TypedDict):
    tone: Tone
    text: str


class ModelRow(TypedDict):
    """One model that can be ticked."""

    ref: str
    id: str
    ticked: bool
    enabled: bool
    letter: str
    mode: str
    price: str
    notes: list[_NoteState]
    spoken: str
    copies: list[_CopyState]


class ModelGroup(TypedDict):
    """The models of one connection, or of one kind."""

    label: str
    title: str
    said: str
    count: int
    pickable: int
    rows: list[ModelRow]


Price = Callable[["Connection", str], tuple[str, str]]


def picker_groups(setup: Setup, price: Price) -> list[ModelGroup]:
    """The models that can be ticked; connections that name one model are grouped by kind.

    `price` gives US dollars for 1,000 texts of this length, and how that changes soon.
    """
    policy = setup.policy()
    # Connections that list their models come first, each with a group of its own.
    groups: dict[tuple[bool, str], list[Connection]] = {}
    connections = setup.connections()
    for each in sorted(connections, key=lambda each: each.provider.model_field is not None):
        single = each.provider.model_field is not None
        groups.setdefault((single, each.kind if single else each.label), []).append(each)
    views = [
        _group(
            label,
            _title(label, members),
            [
                _row(setup, each, model, price)
                for each in members
                for model in offered_models(each, policy, setup.picks)
            ],
        )
        for (_, label), members in groups.items()
    ]
    return [group for group in views if group["rows"]]


def _title(label: str, members: Sequence[Connection]) -> str:
    first = members[0]
    if first.provider.model_field is None and label != first.kind:
        return label
    if first.provider.model_field is not None and all(each.origin == "demo" for each in members):
        return "Demo: rules on this computer, no LLM"
    return first.provider.title


def _group(label: str, title: str, rows: list[ModelRow]) -> ModelGroup:
    ticked = sum(row["ticked"] for row in rows)
    return {
        "label": label,
        "title": title,
        "said": f"{ticked} of {len(rows)}",
        "count": ticked,
        "pickable": sum(row["enabled"] for row in rows),
        "rows": rows,
    }


def _row(setup: Setup, connection: Connection, model: str, price: Price) -> ModelRow:
    picks, usual = setup.picks, setup.options.instructions
    ref = reference_of(connection, model)
    pick = picks.plain(ref)
    capability = connection.capability(model)
    words, moves = price(connection, model)
    notes = model_notes(connection, model) + ([_note("warn", moves)] if moves else [])
    mode = str(capability.mode) if capability else "not probed yet"
    copies = [each for each in picks.listed if each.ref == ref and not each.plain]
    return {
        "ref": ref,
        "id": model if connection.provider.model_field is None else connection.label,
        "ticked": pick is not None,
        "enabled": True,
        "letter": picks.letter(pick),
        "mode": mode,
        "price": words,
        "notes": notes,
        "spoken": ", ".join([ref, mode, f"price {words}", *(note["text"] for note in notes)]),
        "copies": [_copy(each, picks, usual) for each in copies],
    }


def _copy(pick: ColumnChoice, picks: ColumnChoices, usual: str) -> _CopyState:
    changed = []
    if pick.variant.instructions not in (None, usual):
        changed.append("own instructions")
    if pick.variant.effort not in (None, "least"):
        changed.append(f"thinking {pick.variant.effort}")
    if pick.variant.examples:
        many = count_examples(pick.variant.examples)
        changed.append("1 example" if many == 1 else f"{many} examples")
    return {
        "key": pick.key,
        "letter": picks.letter(pick),
        "label": pick.label,
        "said": ", ".join(changed) or "the same as the first, until it is edited",
        "examples": _examples_view(pick.variant.examples),
        "instructions": pick.variant.instructions or usual,
        "effort": pick.variant.effort or "least",
        "efforts": [list(each) for each in EFFORTS],
    }


def _examples_view(examples: Any) -> _ExamplesState:
    pairs = bool(examples) and not isinstance(examples, int)
    return {
        "count": count_examples(examples) if examples else 0,
        "given": "Given in code as pairs of text and record." if pairs else "",
    }


def model_notes(connection: Connection, model: str) -> list[_NoteState]:
    """What a user should know before ticking: end of life, where it answers, what is unchecked."""
    notes: list[_NoteState] = []
    facts = connection.facts(model)
    if facts is not None and facts.status in ("ending", "retired", "preview"):
        notes.append(_lifetime(facts, date.today()))
    if connection.provider.model_field is not None and connection.origin != "demo":
        named = [] if model == connection.label else [model]
        notes.append(_note("muted", " on ".join([*named, connection.host])))
    if connection.origin == "environment":
        notes.append(_note("muted", "from the environment"))
    elif connection.origin == "policy":
        notes.append(_note("muted", "provided by your administrator"))
    elif connection.origin == "store" and connection.checked_at is None:
        notes.append(_note("warn", "saved untested"))
    return notes


def _lifetime(facts: ModelFacts, today: date) -> _NoteState:
    instead = f"; {facts.successor} replaces it" if facts.successor else ""
    if facts.status == "preview":
        return _note("muted", "preview")
    if facts.ends is None:
        return _note("warn", f"{facts.status}{instead}")
    day = f"{facts.ends.day} {facts.ends:%b %Y}"
    left = (facts.ends - today).days
    if left <= 0:
        return _note("fail", f"retired on {day}{instead}")
    days = "1 day" if left == 1 else f"{left} days"
    return _note("warn" if left <= _SOON_DAYS else "muted", f"ends {day}, in {days}{instead}")


def _note(tone: Tone, text: str) -> _NoteState:
    return {"tone": tone, "text": text}
