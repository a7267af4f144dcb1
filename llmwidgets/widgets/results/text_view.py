"""What the text view shows, as JSON for the page: the source, its spans, the list of fields."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmwidgets import formatting
from llmwidgets.analysis.leaves import NOTHING, is_empty
from llmwidgets.comparison.answers import Field, answers_to
from llmwidgets.comparison.grounded import FLAG_WORDS, FLAGS, Grounds
from llmwidgets.visible import in_place
from llmwidgets.widgets.comparison.grid_model import GridIndex
from llmwidgets.widgets.results.grid_cells import flag_of, name_of, shown, spelled_out, truth_of

if TYPE_CHECKING:
    from llmwidgets.comparison.grounded import Flag
    from llmwidgets.engine.plan import Text


LONGEST_TEXT = 200_000


def text_view(index: GridIndex, at: int) -> dict[str, Any]:
    """The source with the spans of every variant, and the list of fields."""
    comparison, unit = index.comparison, index.place(at)
    text = comparison.texts[unit.text]
    fields = sorted(
        answers_to(comparison, unit.text, unit.repeat).values, key=lambda field: -field.disagreeing
    )
    grounds = Grounds(text, comparison.copyings)
    grouped = [(field, _groups(field, grounds)) for field in fields]
    content = {
        "index": at,
        "id": name_of(text, unit.repeat, comparison.repeats),
        "total": index.total,
        "text": in_place(text.text[:LONGEST_TEXT]),
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


def _groups(field: Field, grounds: Grounds) -> list[dict[str, Any]]:
    """Who says the same: the truth with those that agree, then each other value."""
    agreeing = [at for at, said in enumerate(field.said) if said.state == "agree"]
    labelled = field.truth is not NOTHING
    found: list[dict[str, Any]] = []
    if labelled or agreeing:
        value = field.truth if labelled else field.said[agreeing[0]].value
        flags = [flag_of(field, at, grounds) for at in agreeing]
        words, kind = truth_of(field.truth) if labelled else truth_of(value)
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
    for at, said in enumerate(field.said):
        if said.state not in ("agree", "failed"):
            flag = flag_of(field, at, grounds)
            others.setdefault((said.state, shown(said.value), flag), []).append(at)
    for (state, words, flag), whose in others.items():
        said = field.said[whose[0]]
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
    return "".join(formatting.letter(at) for at in variants)


def _spans(
    field: Field, groups: list[dict[str, Any]], grounds: Grounds, text: Text
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
