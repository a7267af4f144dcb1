"""The models a comparison can be made of, grouped by connection, with what is known of each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Any

from llmwidgets import formatting
from llmwidgets.comparison.variants import Variant, count_examples, reference_of
from llmwidgets.widgets.comparison.run_options import read_whole

if TYPE_CHECKING:
    from llmwidgets.connections.connection import Connection
    from llmwidgets.connections.policy import Policy
    from llmwidgets.providers.base import ModelFacts


EFFORTS = (
    ("least", "least: off where the model allows it"),
    ("vendor", "vendor: as the vendor sets it"),
    ("low", "low"),
    ("medium", "medium"),
    ("high", "high"),
)
_SOON_DAYS = 90
_MOST_EXAMPLES = 50


@dataclass(slots=True)
class ColumnChoice:
    """One column that is chosen: a model and the way it is asked.

    `plain` is the tick of a row; the others are columns made from it.
    """

    key: str
    connection: Connection
    model: str
    variant: Variant
    plain: bool = True

    @property
    def ref(self) -> str:
        """The reference of the model."""
        return reference_of(self.connection, self.model)

    @property
    def label(self) -> str:
        """What heads the column."""
        return self.variant.label or self.ref

    def asked(self) -> Variant:
        """The variant with connection and label in place."""
        from dataclasses import replace

        return replace(self.variant, model=(self.connection, self.model), label=self.label)


@dataclass(slots=True)
class ColumnChoices:
    """The chosen columns in the order of their letters."""

    listed: list[ColumnChoice] = field(default_factory=list)
    _serial: int = 0

    def add(
        self, connection: Connection, model: str, variant: Variant | None = None, *, plain: bool
    ) -> ColumnChoice:
        """Choose a column; a variant of its own stands beside the model's plain one."""
        self._serial += 1
        own = variant or Variant((connection, model))
        pick = ColumnChoice(f"c{self._serial}", connection, model, own, plain)
        self.listed.append(pick)
        return pick

    def plain(self, ref: str) -> ColumnChoice | None:
        """The tick of this model, if it is ticked."""
        return next((pick for pick in self.listed if pick.plain and pick.ref == ref), None)

    def drop_ref(self, ref: str) -> None:
        """Untick a model; columns made from it go with it."""
        self.listed = [pick for pick in self.listed if pick.ref != ref]

    def drop(self, key: str) -> None:
        """Take one column away."""
        self.listed = [pick for pick in self.listed if pick.key != key]

    def find(self, key: str) -> ColumnChoice | None:
        """The column of this key."""
        return next((pick for pick in self.listed if pick.key == key), None)

    def letter(self, pick: ColumnChoice | None) -> str:
        """The letter the column has in every view."""
        return formatting.variant_letter(self.listed.index(pick)) if pick in self.listed else ""

    def free_label(self, stem: str) -> str:
        """A label that no column has."""
        taken = {pick.label for pick in self.listed}
        number = 2
        while f"{stem} · {number}" in taken:
            number += 1
        return f"{stem} · {number}"


def offered_models(connection: Connection, policy: Policy, picks: ColumnChoices) -> tuple[str, ...]:
    """The models of a connection that can be ticked: the allowed, and what code chose beside them.

    A dated snapshot is on no list and can be chosen where its alias can.
    """
    chosen = (each.model for each in picks.listed if each.connection.label == connection.label)
    return tuple(dict.fromkeys((*policy.allowed(connection), *chosen)))


Price = Callable[["Connection", str], tuple[str, str]]


def picker_groups(
    connections: Sequence[Connection],
    policy: Policy,
    picks: ColumnChoices,
    price: Price,
    usual: str,
) -> list[dict[str, Any]]:
    """The rows of the picker; connections that name one model stand together by kind.

    `price` says US dollars for 1,000 texts of this length, and how that changes soon; `usual`
    are the instructions that a copy starts from.
    """
    several = [each for each in connections if each.provider.model_field is None]
    single = [each for each in connections if each.provider.model_field is not None]
    found = [
        _group(
            each.label,
            each.label if each.label != each.kind else each.provider.title,
            [
                _row(each, model, picks, price, usual)
                for model in offered_models(each, policy, picks)
            ],
        )
        for each in several
    ]
    kinds = dict.fromkeys(each.kind for each in single)
    for kind in kinds:
        mine = [each for each in single if each.kind == kind]
        rows = [
            _row(each, model, picks, price, usual)
            for each in mine
            for model in offered_models(each, policy, picks)
        ]
        demo = all(each.origin == "demo" for each in mine)
        title = "Demo: rules on this computer, no LLM" if demo else mine[0].provider.title
        found.append(_group(kind, title, rows))
    return [group for group in found if group["rows"]]


def _group(label: str, title: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    ticked = sum(row["ticked"] for row in rows)
    return {
        "label": label,
        "title": title,
        "said": f"{ticked} of {len(rows)}",
        "count": ticked,
        "pickable": sum(row["enabled"] for row in rows),
        "rows": rows,
    }


def _row(
    connection: Connection, model: str, picks: ColumnChoices, price: Price, usual: str
) -> dict[str, Any]:
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


def _copy(pick: ColumnChoice, picks: ColumnChoices, usual: str) -> dict[str, Any]:
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
        "examples": _shown(pick.variant.examples),
        "instructions": pick.variant.instructions or usual,
        "effort": pick.variant.effort or "least",
        "efforts": [list(each) for each in EFFORTS],
    }


def _shown(examples: Any) -> dict[str, Any]:
    """How many examples a column shows; those that code gave as pairs are kept as they are."""
    given = bool(examples) and not isinstance(examples, int)
    said = "Given in code as pairs of text and record." if given else ""
    return {"count": count_examples(examples) if examples else 0, "given": said}


def model_notes(connection: Connection, model: str) -> list[dict[str, str]]:
    """What a user should know before ticking: end of life, where it answers, what is unchecked."""
    notes: list[dict[str, str]] = []
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


def _lifetime(facts: ModelFacts, today: date) -> dict[str, str]:
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
    tone = "warn" if left <= _SOON_DAYS else "muted"
    return _note(tone, f"ends {day}, in {days}{instead}")


def _note(tone: str, text: str) -> dict[str, str]:
    return {"tone": tone, "text": text}


def edit_variant(variant: Variant, content: Mapping[str, Any], usual: str) -> Variant:
    """The variant with what a form says; empty or usual instructions follow the comparison's."""
    from dataclasses import replace

    changes: dict[str, Any] = {}
    if "label" in content:
        changes["label"] = str(content["label"]).strip() or variant.label
    if "instructions" in content:
        said = str(content["instructions"]).strip()
        changes["instructions"] = None if said in ("", usual.strip()) else said
    if "effort" in content:
        changes["effort"] = content["effort"]
    if "examples" in content:
        changes["examples"] = read_whole("examples", content["examples"], _MOST_EXAMPLES, least=0)
    return replace(variant, **changes)
