"""Corrections: labels made after the run, with what stood there before, and who made them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from dataclasses import field as filled
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.comparison.truth_places import at_place, fitting, list_without_truth, with_value
from llmwidgets.errors import FieldError

if TYPE_CHECKING:
    import pandas as pd

    from llmwidgets.engine.plan import Text

COLUMNS = ("text_id", "field", "old", "new", "labelled_before", "by", "seen", "made_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """One label made or changed. `old` and `new` are NOTHING where there was or is none.

    `by` says who made it or where the value came from; `seen` whether the models' values were
    seen before, which makes a label less independent of them.
    """

    text_id: str
    field: str
    old: Any
    new: Any
    by: str = ""
    seen: bool = True
    made_at: datetime = filled(default_factory=lambda: datetime.now(UTC))


def apply(texts: Sequence[Text], correction: Correction) -> tuple[Text, ...]:
    """The texts with this label; FieldError for an unknown text or field, or a value that misfits.

    A place in a list that has no truth yet is refused: a list is labelled whole, then corrected.
    """
    at = _at(texts, correction.text_id)
    text, path = texts[at], correction.field
    if unlabelled := list_without_truth(text.truth, path):
        raise FieldError(
            {path: f"the list {unlabelled} has no truth yet."},
            f"Label the whole list first: correct({text.id!r}, {unlabelled!r}, […]).",
        )
    truth = fitting(text, with_value(text.truth, path, correction.new))
    return (*texts[:at], replace(text, truth=truth), *texts[at + 1 :])


def correction_of(
    texts: Sequence[Text], text_id: str, path: str, value: Any, *, by: str, seen: bool
) -> Correction:
    """The correction that gives a place this value, with what stands there now."""
    old = at_place(texts[_at(texts, text_id)].truth, path)
    return Correction(text_id=text_id, field=path, old=old, new=value, by=by, seen=seen)


def given(texts: Sequence[Text], corrections: Sequence[Correction]) -> tuple[Text, ...]:
    """The texts with the truth as it was before these corrections."""
    known = {text.id: at for at, text in enumerate(texts)}
    before = list(texts)
    for each in reversed(corrections):
        if each.text_id in known:
            at = known[each.text_id]
            truth = with_value(before[at].truth, each.field, each.old)
            bare = each.old is NOTHING and truth in ({}, [])
            before[at] = replace(before[at], truth=NOTHING if bare else truth)
    return tuple(before)


def frame(corrections: Sequence[Correction]) -> pd.DataFrame:
    """One row per correction, oldest first; `labelled_before` tells a label from none."""
    import pandas as pd

    rows = [
        (
            each.text_id,
            each.field,
            None if each.old is NOTHING else each.old,
            None if each.new is NOTHING else each.new,
            each.old is not NOTHING,
            each.by,
            each.seen,
            each.made_at.isoformat(timespec="seconds"),
        )
        for each in corrections
    ]
    return pd.DataFrame(rows, columns=pd.Index(COLUMNS), dtype=object)


def saved(correction: Correction) -> dict[str, Any]:
    """The correction as JSON; no `old` or `new` where there was or is no label."""
    ends = {"old": correction.old, "new": correction.new}
    return {
        "text_id": correction.text_id,
        "field": correction.field,
        **{name: value for name, value in ends.items() if value is not NOTHING},
        "by": correction.by,
        "seen": correction.seen,
        "made_at": correction.made_at.isoformat(),
    }


def read(said: dict[str, Any]) -> Correction:
    """The correction that `saved` wrote."""
    return Correction(
        text_id=said["text_id"],
        field=said["field"],
        old=said.get("old", NOTHING),
        new=said.get("new", NOTHING),
        by=said["by"],
        seen=said["seen"],
        made_at=datetime.fromisoformat(said["made_at"]),
    )


def _at(texts: Sequence[Text], text_id: str) -> int:
    for at, text in enumerate(texts):
        if text.id == text_id:
            return at
    raise FieldError(f"There is no text {text_id}.", "Give the id of a text of this comparison.")
