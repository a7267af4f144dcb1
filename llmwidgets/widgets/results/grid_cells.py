"""A value, its truth and its text as one cell of a view says them."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

from llmwidgets import formatting
from llmwidgets.analysis.leaves import NOTHING, is_empty
from llmwidgets.errors import FAILURES, ReplyError
from llmwidgets.visible import visible

if TYPE_CHECKING:
    from llmwidgets.comparison.answers import Field
    from llmwidgets.comparison.differences import Said
    from llmwidgets.comparison.grounded import Flag, Grounds
    from llmwidgets.engine.plan import Text
    from llmwidgets.schemas import Leaf


LONGEST = 400


def leaf_of(field: Field, text: Text) -> Leaf | None:
    """The schema's leaf that the field fills."""
    return next((leaf for leaf in text.schema.leaves if leaf.path == field.pattern), None)


def flag_of(field: Field, variant: int, grounds: Grounds) -> Flag:
    """What is to be said beside a value that was not found in its text."""
    said = field.said[variant]
    if said.state in ("failed", "missing", "null in words"):
        return ""
    return grounds.flag(said.value, field.pattern, variant)


def truth_of(truth: Any) -> list[str]:
    """The truth as a cell: its words, and whether it is a value, none, or not labelled."""
    if truth is NOTHING:
        return ["not labelled", "blank"]
    return (
        ["none", "none"] if truth is None else [formatting.shorten(shown(truth), LONGEST), "value"]
    )


def shown(value: Any, nothing: str = "") -> str:
    """A value as a reader sees it: text as it is, everything else as JSON."""
    if value is None or value is NOTHING:
        return nothing
    if value == "":
        return "“”"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def words_of(said: Said) -> str:
    """What a variant says for a field: words for nothing too, where it did not leave it out."""
    if said.state == "missing" and is_empty(said.value):
        return "no value"
    return shown(said.value, "none")


def spelled_out(content: dict[str, Any]) -> dict[str, Any]:
    """What a view shows, its controls spelled out; a `path` comes back from the page as it is."""
    return {name: each if name == "path" else _seen(each) for name, each in content.items()}


def _seen(each: Any) -> Any:
    if isinstance(each, dict):
        return spelled_out(each)
    if isinstance(each, list | tuple):
        return [_seen(one) for one in each]
    return visible(each) if isinstance(each, str) else each


def name_of(text: Text, repeat: int, repeats: int) -> str:
    """The id of a text, and which repeat where there are several."""
    return visible(f"{text.id} · {repeat + 1}" if repeats > 1 else text.id)


def title_of(text: Text) -> str:
    """The first line of the text that says something, shortened."""
    first = next((line for line in text.text.splitlines() if line.strip()), "")
    return formatting.shorten(first, 90)


def may_ask_again(status: str) -> bool:
    """Whether asking again can help: the model itself did not answer."""
    failure = FAILURES.get(status)
    return failure is not None and not issubclass(failure, ReplyError)
