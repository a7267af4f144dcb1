"""DocuBench: its rules of what counts as right, as a preset of scoring beside the default ones.

Rules of github.com/DocuPipe/DocuBench, commit 43fae2e: values are compared after a normalisation,
arrays are paired greedily by likeness and weighted by their size, a text's score is the weighted
mean of its arrays and of everything else.
"""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

from llmwidgets.analysis.pairing import Keyed, by_shared

NAME = "docubench"
_NO_WORD = re.compile(r"\W")
_EMPTY: tuple[Any, ...] = ("", [], {})
_MISSING = object()
_MOST_PAIRS = 100_000
"""Arrays with more pairs of rows are paired by the values they share."""

Row = dict[str, Any]


class Part(NamedTuple):
    """The score (0 to 1) of one array, or of all that is in none, and its weight."""

    score: float
    weight: float


def docubench_share(schema: dict[str, Any], value: Any, truth: Any) -> float:
    """The share of a text that is right, 0 to 1, by DocuBench's rules.

    >>> fields = {"type": "object", "properties": {"city": {"type": "string"}, "n": {}}}
    >>> docubench_share(fields, {"city": "KÖLN.", "n": 2}, {"city": "Köln", "n": 3})
    0.5
    """
    found, labelled = normalised(value), normalised(truth)
    parts = [_array(_at(labelled, path), _at(found, path)) for path in _arrays(schema, ())]
    parts.append(_outside(schema, labelled, found))
    weight = sum(part.weight for part in parts)
    if not weight:
        return 1.0 if len(parts) > 1 else parts[0].score
    return sum(part.score * part.weight for part in parts) / weight


def same(truth: Any, value: Any) -> bool:
    """Whether two leaves are equal once normalised."""
    return bool(normalised(truth) == normalised(value))


def normalised(value: Any) -> Any:
    """Empty texts, lists and objects of objects dropped, numbers rounded, texts made plain."""
    if isinstance(value, dict):
        kept = {key: normalised(each) for key, each in value.items() if not _is_blank(each)}
        return {key: each for key, each in kept.items() if not _is_blank(each)}
    if isinstance(value, list | tuple):
        return [normalised(each) for each in value]
    if isinstance(value, int | float) and not isinstance(value, bool):
        return round(float(value), 6)
    return _NO_WORD.sub("", value.lower()) if isinstance(value, str) else value


def _is_blank(value: Any) -> bool:
    return isinstance(value, str | list | dict) and value in _EMPTY


def _arrays(schema: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Where the schema has arrays that lie in no other."""
    for name, each in _properties(schema):
        if _is(each, "array"):
            yield (*path, name)
        else:
            yield from _arrays(each, (*path, name))


def _properties(schema: Any) -> Sequence[tuple[str, Any]]:
    found = schema.get("properties") if isinstance(schema, dict) else None
    return list(found.items()) if isinstance(found, dict) else []


def _is(schema: Any, kind: str) -> bool:
    said = schema.get("type") if isinstance(schema, dict) else None
    return said == kind or (isinstance(said, list) and kind in said)


def _at(data: Any, path: Sequence[str]) -> Any:
    for name in path:
        data = data.get(name) if isinstance(data, dict) else None
    return data


def _array(truth: Any, value: Any) -> Part:
    labelled = truth if isinstance(truth, list) else []
    found = value if isinstance(value, list) else []
    rows, others = [_leaves(each) for each in labelled], [_leaves(each) for each in found]
    size = max(len(rows), len(others))
    full = [max(1, sum(not _is_empty(each) for each in row.values())) for row in rows]
    weight = size * (sum(full) / len(full) if full else 1)
    if not rows or not others:
        return Part(float(not size), weight)
    return Part(_paired(rows, others) / size, weight)


def _paired(rows: Sequence[dict[str, Any]], others: Sequence[dict[str, Any]]) -> float:
    """The sum of likenesses when pairs are taken greedily, highest first."""
    total, rows, others = _equal(rows, others)
    if len(rows) * len(others) > _MOST_PAIRS:
        keyed = [
            {at: Keyed.of(each, list(each.items())) for at, each in enumerate(side)}
            for side in (rows, others)
        ]
        pairs = by_shared(keyed[0], keyed[1])
        return total + sum(_likeness(rows[i], others[j]) for i, j in pairs.items())
    return total + _greedily(rows, others)


def _equal(rows: Sequence[Row], others: Sequence[Row]) -> tuple[int, list[Row], list[Row]]:
    """How many rows have an equal one, which greed takes first, and what is left of both."""
    waiting: dict[str, list[int]] = defaultdict(list)
    for j, each in enumerate(others):
        waiting[_written(each)].append(j)
    left, taken = [], set()
    for row in rows:
        free = waiting.get(_written(row))
        if free:
            taken.add(free.pop())
        else:
            left.append(row)
    return len(taken), left, [each for j, each in enumerate(others) if j not in taken]


def _written(row: Row) -> str:
    said = {name: each for name, each in row.items() if not _is_empty(each)}
    return json.dumps(said, sort_keys=True, default=str)


def _greedily(rows: Sequence[Row], others: Sequence[Row]) -> float:
    ranked = sorted(
        (-_likeness(row, other), i, j)
        for i, row in enumerate(rows)
        for j, other in enumerate(others)
    )
    taken: tuple[set[int], set[int]] = (set(), set())
    total = 0.0
    for score, i, j in ranked:
        if i not in taken[0] and j not in taken[1]:
            taken[0].add(i)
            taken[1].add(j)
            total -= score
    return total


def _likeness(row: dict[str, Any], other: dict[str, Any]) -> float:
    names = [
        name
        for name in {**row, **other}
        if not (_is_empty(row.get(name)) and _is_empty(other.get(name)))
    ]
    if not names:
        return 1.0
    equal = [name for name in names if row.get(name, _MISSING) == other.get(name, _MISSING)]
    return len(equal) / len(names)


def _leaves(data: Any, path: str = "") -> dict[str, Any]:
    if isinstance(data, dict):
        found: dict[str, Any] = {}
        for name, each in data.items():
            found |= _leaves(each, f"{path}.{name}" if path else str(name))
        return found
    return {path: json.dumps(data, sort_keys=True) if isinstance(data, list) else data}


def _outside(schema: Any, truth: Any, value: Any) -> Part:
    right = scored = 0
    for path in _singles(schema, ()):
        labelled, found = _at(truth, path), _at(value, path)
        if _is_empty(labelled) and _is_empty(found):
            continue
        scored += 1
        right += labelled == found
    return Part(right / scored if scored else 1.0, scored)


def _singles(schema: Any, path: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    for name, each in _properties(schema):
        if _is(each, "array"):
            continue
        if _properties(each):
            yield from _singles(each, (*path, name))
        else:
            yield (*path, name)


def _is_empty(value: Any) -> bool:
    return value is None or _is_blank(value)
