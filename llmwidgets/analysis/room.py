"""Room: how much work pairing the lists of a record asks for, and how much it may take."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

MOST = 1_500_000
"""About this many comparisons of leaves go into pairing the lists of one record."""

_MOST_PAIRS = 100_000
_FOLDED = (dict, list, tuple)
PER_LISTS = 12
"""Measured: pairing two lists, however short, costs as much as this many comparisons more."""


def size(data: Any, counts: Callable[[Any], bool] | None = None) -> int:
    """How many leaves there are that count; an empty list or object is one.

    >>> size({"lines": [{"total": 1}, {"total": 2}]})
    2
    """
    if not isinstance(data, dict | list | tuple) or not data:
        return 1 if counts is None or counts(data) else 0
    total = 0
    for each in data.values() if isinstance(data, dict) else data:
        if isinstance(each, _FOLDED):
            total += size(each, counts)
        elif counts is None or counts(each):
            total += 1
    return total


def fits(left: Mapping[int, Any], right: Mapping[int, Any], most: float | None) -> bool:
    """Whether these items can be paired exactly within so much work; None is enough for them."""
    if len(left) * len(right) > _MOST_PAIRS:
        return False
    return most is None or work(list(left.values()), list(right.values())) <= most


def work(truth: Any, value: Any) -> int:
    """About how many leaves are compared to pair all lists of two records exactly."""
    ours, theirs = _lists(truth), _lists(value)
    return sum(
        max(each.leaves * other.items, each.items * other.leaves)
        + PER_LISTS * each.lists * other.lists
        for at, each in ours.items()
        if (other := theirs.get(at)) is not None
    )


def shared(truth: Mapping[Any, Any], value: Mapping[Any, Any], most: float) -> dict[Any, float]:
    """The room of each property: what it asks for, or an even part of what smaller ones leave."""
    asked = {
        name: work(each, value[name])
        for name, each in truth.items()
        if name in value and isinstance(each, dict | list | tuple)
    }
    rooms = {}
    for before, name in enumerate(sorted(asked, key=lambda each: (asked[each], str(each)))):
        rooms[name] = min(asked[name], most / (len(asked) - before))
        most -= rooms[name]
    return rooms


@dataclass(slots=True)
class _Lists:
    """The lists at one place: their items together, and leaves in no list further in."""

    lists: int = 0
    items: int = 0
    leaves: int = 0


_Place = tuple[str, ...]
_ITEM = "[]"


def _lists(data: Any) -> dict[_Place, _Lists]:
    found: dict[_Place, _Lists] = defaultdict(_Lists)
    waiting: list[tuple[Any, _Place, _Lists]] = [(data, (), _Lists())]
    while waiting:
        each, at, inside = waiting.pop()
        if isinstance(each, dict) and each:
            waiting += [(inner, (*at, str(name)), inside) for name, inner in each.items()]
        elif isinstance(each, list | tuple) and each:
            place = (*at, _ITEM)
            found[place].lists += 1
            found[place].items += len(each)
            waiting += [(inner, place, found[place]) for inner in each]
        else:
            inside.leaves += 1
    return found
