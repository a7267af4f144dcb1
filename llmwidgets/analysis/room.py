"""Room: how much work pairing the lists of a record asks for, and how much it may take."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

MOST = 3_000_000
"""About this many comparisons of leaves go into pairing the lists of one record."""

_MOST_PAIRS = 100_000


def size(data: Any, counts: Callable[[Any], bool] = lambda _: True) -> int:
    """How many leaves there are that count; an empty list or object is one.

    >>> size({"lines": [{"total": 1}, {"total": 2}]})
    2
    """
    if not isinstance(data, dict | list | tuple) or not data:
        return 1 if counts(data) else 0
    return sum(size(each, counts) for each in (data.values() if isinstance(data, dict) else data))


def fits(left: Mapping[int, Any], right: Mapping[int, Any], most: float | None) -> bool:
    """Whether these items can be paired exactly within so much work; None is enough for them."""
    if len(left) * len(right) > _MOST_PAIRS:
        return False
    return most is None or work(list(left.values()), list(right.values())) <= most


def work(truth: Any, value: Any) -> float:
    """About how many leaves are compared to pair all lists of two records exactly."""
    ours, theirs = _lists(truth), _lists(value)
    return sum(
        sum(ours[at].values()) * sum(theirs[at].values()) / max(len(ours[at]), len(theirs[at]))
        for at in ours
        if at in theirs
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


Place = tuple[str, ...]
_ITEM = "[]"


def _lists(data: Any) -> dict[Place, dict[Place, int]]:
    """The leaves inside lists: by their innermost list, how many there are at each place."""
    found: dict[Place, dict[Place, int]] = defaultdict(lambda: defaultdict(int))
    waiting: list[tuple[Any, Place, Place | None]] = [(data, (), None)]
    while waiting:
        each, at, inside = waiting.pop()
        if isinstance(each, dict) and each:
            waiting += [(inner, (*at, str(name)), inside) for name, inner in each.items()]
        elif isinstance(each, list | tuple) and each:
            place = (*at, _ITEM)
            waiting += [(inner, place, place) for inner in each]
        elif inside is not None:
            found[inside][at] += 1
    return found
