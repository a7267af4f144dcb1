"""A value typed into a cell, read by the type of its field."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.errors import FieldError

if TYPE_CHECKING:
    from llmwidgets.schemas import Leaf

_YES = {"yes": True, "true": True, "no": False, "false": False}


def typed(words: str, leaf: Leaf | None) -> Any:
    """What was typed, as the field's type; empty takes the label away; FieldError else."""
    said = words.strip()
    if not said:
        return NOTHING
    kind = leaf.type if leaf is not None else "other"
    name = leaf.path if leaf is not None else "this field"
    if kind in ("integer", "number"):
        return _number(said, kind, name)
    if kind == "boolean":
        if said.casefold() not in _YES:
            raise FieldError({name: "This is neither yes nor no."}, "Type yes or no.")
        return _YES[said.casefold()]
    if kind == "enum" and leaf is not None:
        return _one_of(said, leaf)
    if kind in ("array", "other"):
        try:
            return json.loads(said)
        except ValueError:
            return said
    return said


def _number(said: str, kind: str, name: str) -> Any:
    try:
        return int(said) if kind == "integer" else float(said) if "." in said else int(said)
    except ValueError:
        example = "4180" if kind == "integer" else "4180.50"
        raise FieldError({name: "This is not a number."}, f"Type it like {example}.") from None


def _one_of(said: str, leaf: Leaf) -> Any:
    for value in leaf.values or ():
        if said.casefold() == str(value).casefold():
            return value
    listed = ", ".join(str(value) for value in (leaf.values or ())[:12])
    raise FieldError({leaf.path: "This is none of the allowed values."}, f"They are {listed}.")
