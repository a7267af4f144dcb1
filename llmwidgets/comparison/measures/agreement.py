"""In which cells each two variants say the same: no two values are compared twice."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator
from itertools import combinations, combinations_with_replacement, permutations
from typing import Any, NamedTuple

from llmwidgets.analysis.alignment import LeafPair, is_few, state_of
from llmwidgets.analysis.comparators import FieldComparator, comparator_for
from llmwidgets.analysis.leaves import NOTHING, inner_pattern, is_empty, patterns_of
from llmwidgets.analysis.normalize import says_nothing
from llmwidgets.analysis.rules import RECORD, split_weight
from llmwidgets.analysis.scoring import Cell
from llmwidgets.comparison.core import Rules
from llmwidgets.comparison.measures.text_result import TextResult, rules_for, score_against
from llmwidgets.schemas import Schema

Found = dict[str, tuple[int, int]]
"""By pattern, with either value in the place of truth: how many cells are the same, of how many."""

_SILENT, _MOST_GROUPS = 255, 200
_MOST_KNOWN = 20_000


class _Records(NamedTuple):
    """The records of a text, each once; `of` has for each variant which one is its own."""

    records: list[dict[Any, Any]]
    of: bytes


class PairCounter:
    """Counts text by text in which cells each two variants say the same.

    Texts in which a field is answered alike are counted together: which variants have one value,
    and which values say the same.
    """

    def __init__(self, variants: int, scoring: Rules) -> None:
        self._variants, self._scoring = variants, scoring
        fields = {name: how for name, how in (scoring or {}).items() if name != RECORD}
        self._by_function = any(callable(split_weight(each)[0]) for each in fields.values())
        self._counted: Counter[tuple[str, bytes, tuple[tuple[int, int, int, int], ...]]] = Counter()
        self._known: dict[tuple[Any, ...], Found] = {}

    def add(self, result: TextResult) -> Iterator[tuple[tuple[int, int], Found]]:
        """Count a text; what is found is given for each pair where no field stands by itself."""
        schema, read = result.document.schema, self._read(result)
        if read is None:
            yield from self._whole(result)
            return
        alike = read.of.translate(_ALL_ALIKE)
        if alike.count(0) < 2:
            return
        for name in dict.fromkeys(name for record in read.records for name in record):
            values = [record.get(name, NOTHING) for record in read.records]
            groups = _groups(values)
            if len(groups) == 1:
                numbers = alike
                if not isinstance(values[0], dict | list):
                    for pattern in self._compare(schema, name, values[0], values[0]):
                        self._counted[pattern, numbers, _BOTH_WAYS] += 1
                    continue
            else:
                own = {at: number for number, each in enumerate(groups) for at in each}
                numbers = bytes([own.get(at, _SILENT) for at in read.of])
            firsts = [values[each[0]] for each in groups]
            found = {
                (i, j): self._compare(schema, name, firsts[i], firsts[j])
                for i, j in combinations_with_replacement(range(len(firsts)), 2)
                if i != j or numbers.count(i) > 1
            }
            outcomes: dict[str, list[tuple[int, int, int, int]]] = defaultdict(list)
            for (i, j), each in found.items():
                for pattern, (same, of) in each.items():
                    outcomes[pattern].append((i, j, same, of))
            self._counted.update(
                [(pattern, numbers, tuple(listed)) for pattern, listed in outcomes.items()]
            )

    def pairs(self) -> Iterator[tuple[tuple[int, int], Found]]:
        """What was counted so far, for each pair of variants, which starts the count anew."""
        for (pattern, numbers, outcomes), times in self._counted.items():
            known = {(i, j): (same, of) for i, j, same, of in outcomes}
            for a, b in combinations(range(self._variants), 2):
                i, j = sorted((numbers[a], numbers[b]))
                if same_of := known.get((i, j)):
                    yield (a, b), {pattern: (same_of[0] * times, same_of[1] * times)}
        self._counted.clear()

    @property
    def full(self) -> bool:
        """Whether what was counted takes up much room."""
        return len(self._counted) > _MOST_KNOWN

    def _read(self, result: TextResult) -> _Records | None:
        """The records, if their fields can be compared one by one."""
        answered = [at for at, each in enumerate(result.outcomes) if each.has_data]
        records: dict[Any, Any] = {}
        keys: dict[int, Any] = {}
        if self._by_function:
            return None
        if all(result.outcomes[at].flat for at in answered):
            for at in answered:
                keys[at] = id(result.scores[at])
                if keys[at] not in records:
                    records[keys[at]] = {
                        _name(cell[0]): cell[2]
                        for cell in result.scores[at].cells
                        if cell[2] is not NOTHING
                    }
        else:
            for at in answered:
                data = result.extractions[at].data
                keys[at] = json.dumps(data, sort_keys=True)
                records[keys[at]] = data
            listed = list(records.values())
            if not all(isinstance(each, dict) and is_few(each, each) for each in listed):
                return None
        if len(records) > _MOST_GROUPS:
            return None
        numbers = {key: at for at, key in enumerate(records)}
        own = [numbers[keys[at]] if at in keys else _SILENT for at in range(self._variants)]
        return _Records(list(records.values()), bytes(own))

    def _compare(self, schema: Schema, name: Any, one: Any, other: Any) -> Found:
        """Two values of a property, each once in the place of truth."""
        if isinstance(one, dict | list) or isinstance(other, dict | list):
            first, second = ({} if each is NOTHING else {name: each} for each in (one, other))
            return _both_ways(schema, first, second, self._scoring)
        pattern = inner_pattern(patterns_of(schema), "", str(name))
        if one is other:
            blank = one is NOTHING or (one is not None and says_nothing(one))
            return {} if blank else {pattern: (2, 2)}
        key = (schema, pattern, *_key(one), *_key(other))
        if key not in self._known:
            if len(self._known) >= _MOST_KNOWN:
                self._known.clear()
            comparing = comparator_for(schema, rules_for(schema, self._scoring))
            there, back = (
                _leaf(comparing, pattern, *pair) for pair in ((one, other), (other, one))
            )
            of = there[1] + back[1]
            self._known[key] = {pattern: (there[0] + back[0], of)} if of else {}
        return self._known[key]

    def _whole(self, result: TextResult) -> Iterator[tuple[tuple[int, int], Found]]:
        """Each two variants that answered; records that are alike are compared once for all."""
        data = {
            at: each.data
            for at, each in enumerate(result.extractions)
            if result.outcomes[at].has_data
        }
        written = {at: json.dumps(each, sort_keys=True) for at, each in data.items()}
        known: dict[tuple[str, ...], Found] = {}
        for a, b in combinations(data, 2):
            records = tuple(sorted((written[a], written[b])))
            if records not in known:
                found = _both_ways(result.document.schema, data[a], data[b], self._scoring)
                if records[0] == records[1]:
                    found = {pattern: (of, of) for pattern, (_, of) in found.items()}
                known[records] = found
            yield (a, b), known[records]


def _both_ways(schema: Schema, one: Any, other: Any, scoring: Rules) -> Found:
    """Two records, each once in the place of truth."""
    found: dict[str, tuple[int, int]] = {}
    for truth, value in permutations((one, other)):
        for cell in score_against(schema, value, truth, scoring).cells:
            if not _both_silent(cell):
                same, of = found.get(cell.pattern, (0, 0))
                found[cell.pattern] = same + bool(cell.right), of + 1
    return found


def _both_silent(cell: Cell) -> bool:
    """Nothing on either side, an open key on one: no answer to agree on."""
    return (cell.value is NOTHING and is_empty(cell.truth)) or (
        cell.truth is NOTHING and is_empty(cell.value)
    )


_BOTH_WAYS = ((0, 0, 2, 2),)
"""The outcome where all have one value: it is the same whichever stands in the place of truth."""

_ALL_ALIKE = bytes([_SILENT if at == _SILENT else 0 for at in range(256)])


def _leaf(comparing: FieldComparator, pattern: str, truth: Any, value: Any) -> tuple[int, int]:
    """Whether two plain values are the same, and whether they are compared: 0 or 1 each."""
    if truth is NOTHING or (truth is not None and says_nothing(truth)):
        return 0, int(not is_empty(value))
    if truth is None and value is NOTHING:
        return 0, 0
    return int(state_of(LeafPair("", pattern, truth, value), comparing.same) == "agree"), 1


def _groups(values: list[Any]) -> list[list[int]]:
    """The places of values that are the same, those of the first value first."""
    first = values[0]
    # True is 1 and 1.0; a text is only a text.
    alike = values.count(first) == len(values) and not isinstance(first, dict | list)
    if alike and (type(first) is str or len(set(map(type, values))) == 1):
        return [[0]]
    groups: dict[Any, list[int]] = {}
    for at, each in enumerate(values):
        groups.setdefault(_key(each), []).append(at)
    return list(groups.values())


def _key(value: Any) -> tuple[type, Any]:
    folded = isinstance(value, dict | list)
    return type(value), json.dumps(value, sort_keys=True) if folded else value


def _name(path: str) -> str:
    """The property at a path of the outermost object."""
    name: str = json.loads(path[1:-1]) if path.startswith("[") else path
    return name
