"""Truth places: one place of a text's truth read or set, the rest left as it is."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.comparison.texts import Source
from llmwidgets.comparison.truth import read_truth

if TYPE_CHECKING:
    from llmwidgets.engine.plan import Text

_STEP = re.compile(r'\[(\d+)\]|\[("(?:[^"\\]|\\.)*")\]|([^.\[\]]+)')


def steps_of(path: str) -> list[str | int]:
    """The steps of a place: names, and numbers inside lists.

    >>> steps_of('lines[0].unit["a.b"]')
    ['lines', 0, 'unit', 'a.b']
    """
    return [
        int(number) if number else json.loads(quoted) if quoted else name
        for number, quoted, name in _STEP.findall(path)
    ]


def at_place(truth: Any, path: str) -> Any:
    """What the truth says at a place; NOTHING where it is not labelled."""
    here = truth
    for step in steps_of(path):
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
    for step in steps_of(path):
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


def with_value(truth: Any, path: str, value: Any) -> Any:
    """The truth with one place set; NOTHING takes the label away, the rest stays as it is.

    An item set to null leaves its list; an item beyond the end is added.
    """
    steps = steps_of(path)
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


def fitting(text: Text, truth: Any) -> Any:
    """The truth, if it fits the text's schema by the rules for truth; FieldError else."""
    if truth is NOTHING:
        return NOTHING
    return read_truth([truth], [Source(text.id, text.text)], [text.schema])[0]
