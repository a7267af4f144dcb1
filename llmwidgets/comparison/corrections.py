"""Corrections: labels made after the run, with what stood there before, and who made them."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from dataclasses import field as filled
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.comparison.texts import TextSource
from llmwidgets.comparison.truth import read_truth
from llmwidgets.errors import FieldError

if TYPE_CHECKING:
    import pandas as pd

    from llmwidgets.engine.request_builder import Document


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


def apply_correction(texts: Sequence[Document], correction: Correction) -> tuple[Document, ...]:
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
    truth = check_value(text, set_at_path(text.truth, path, correction.new))
    return (*texts[:at], replace(text, truth=truth), *texts[at + 1 :])


def correction_of(
    texts: Sequence[Document], text_id: str, path: str, value: Any, *, by: str, seen: bool
) -> Correction:
    """The correction that gives a place this value, with what stands there now."""
    old = get_at_path(texts[_at(texts, text_id)].truth, path)
    return Correction(text_id=text_id, field=path, old=old, new=value, by=by, seen=seen)


def truth_before(
    texts: Sequence[Document], corrections: Sequence[Correction]
) -> tuple[Document, ...]:
    """The texts with the truth as it was before these corrections."""
    known = {text.id: at for at, text in enumerate(texts)}
    before = list(texts)
    for each in reversed(corrections):
        if each.text_id in known:
            at = known[each.text_id]
            truth = set_at_path(before[at].truth, each.field, each.old)
            bare = each.old is NOTHING and truth in ({}, [])
            before[at] = replace(before[at], truth=NOTHING if bare else truth)
    return tuple(before)


def corrections_frame(corrections: Sequence[Correction]) -> pd.DataFrame:
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


def correction_to_json(correction: Correction) -> dict[str, Any]:
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


def correction_from_json(said: dict[str, Any]) -> Correction:
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


def _at(texts: Sequence[Document], text_id: str) -> int:
    for at, text in enumerate(texts):
        if text.id == text_id:
            return at
    raise FieldError(f"There is no text {text_id}.", "Give the id of a text of this comparison.")


# -- Truth places: one place of a text's truth read or set, the rest left as it is.

_STEP = re.compile(r'\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]|([^.\[\]]+)')


def parse_path(path: str) -> list[str | int]:
    """The steps of a place: names, and numbers inside lists.

    >>> steps_of('lines[0].unit["a.b"]')
    ['lines', 0, 'unit', 'a.b']
    """
    return [
        int(number) if number else json.loads(quoted) if quoted else name
        for number, quoted, name in _STEP.findall(path)
    ]


def get_at_path(truth: Any, path: str) -> Any:
    """What the truth says at a place; NOTHING where it is not labelled."""
    here = truth
    for step in parse_path(path):
        if isinstance(step, int) and isinstance(here, list) and step < len(here):
            here = here[step]
        elif isinstance(step, str) and isinstance(here, dict):
            here = here.get(step, NOTHING)
        else:
            return NOTHING
    return here


def list_without_truth(truth: Any, path: str) -> str:
    """The outermost list around the place that has no truth yet; empty where there is none."""
    here, so_far = truth, ""
    for step in parse_path(path):
        if isinstance(step, int):
            if not isinstance(here, list):
                return so_far
            here = here[step] if step < len(here) else {}
        else:
            here = here.get(step, NOTHING) if isinstance(here, dict) else NOTHING
        so_far = _longer(path, so_far)
    return ""


def _longer(path: str, so_far: str) -> str:
    found = _STEP.search(path, len(so_far))
    return path[: found.end()] if found else path


def set_at_path(truth: Any, path: str, value: Any) -> Any:
    """The truth with one place set; NOTHING takes the label away, the rest stays as it is.

    An item set to null leaves its list; an item beyond the end is added.
    """
    steps = parse_path(path)
    if not steps:
        return value
    first: Any = {} if isinstance(steps[0], str) else []
    whole = copy.deepcopy(truth) if isinstance(truth, dict | list) else first
    _set(whole, steps, value)
    return whole


def _set(here: Any, steps: Sequence[str | int], value: Any) -> None:
    step, *rest = steps
    if isinstance(step, int) and isinstance(here, list):
        if not rest:
            _set_item(here, step, value)
            return
        if step >= len(here):
            here.append({} if isinstance(rest[0], str) else [])
            step = len(here) - 1
        here[step] = _inside(here[step], rest)
        _set(here[step], rest, value)
    elif isinstance(step, str) and isinstance(here, dict):
        if not rest:
            if value is NOTHING:
                here.pop(step, None)
            else:
                here[step] = value
            return
        here[step] = _inside(here.get(step), rest)
        _set(here[step], rest, value)


def _set_item(here: list[Any], step: int, value: Any) -> None:
    if value is None or value is NOTHING:
        del here[step : step + 1]
    elif step < len(here):
        here[step] = value
    else:
        here.append(value)


def _inside(found: Any, rest: Sequence[str | int]) -> Any:
    wanted = dict if isinstance(rest[0], str) else list
    return found if isinstance(found, wanted) else wanted()


def check_value(text: Document, truth: Any) -> Any:
    """The truth, if it fits the text's schema by the rules for truth; FieldError else."""
    if truth is NOTHING:
        return NOTHING
    return read_truth([truth], [TextSource(text.id, text.text)], [text.schema])[0]
