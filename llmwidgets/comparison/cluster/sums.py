"""The sums of a chunk as bytes: texts by their places, and no word but the schema's and ours."""

from __future__ import annotations

import marshal
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from itertools import chain
from typing import Any

from llmwidgets.analysis.scoring import Rows
from llmwidgets.comparison.measures.aggregate import Aggregates
from llmwidgets.comparison.measures.variant_stats import CellKind, VariantStats
from llmwidgets.dialects.types import Enforcement
from llmwidgets.errors import FAILURES
from llmwidgets.schemas import Schema
from llmwidgets.schemas.canonical import prefixes

_PLAIN = frozenset({"ok", *FAILURES, *map(str, Enforcement)})


class Names:
    """The names in sums: those of the schemas and ours as they are, all others by number.

    A reply can have names of its own, and a note can quote a value: `others` has these.
    """

    def __init__(self, schemas: Iterable[Schema], others: Iterable[str] = ()) -> None:
        paths = (leaf.path for each in schemas for leaf in each.leaves)
        self._plain = _PLAIN.union(chain.from_iterable(map(prefixes, paths)))
        self._numbers = {name: number for number, name in enumerate(others)}

    @property
    def others(self) -> list[str]:
        """The names that are told by number."""
        return list(self._numbers)

    def pack(self, name: str) -> str | int:
        """The name, or the number that stands for it."""
        if name in self._plain:
            return name
        return self._numbers.setdefault(name, len(self._numbers))


def pack_sums(sums: Aggregates, places: Mapping[str, int], names: Names) -> bytes:
    """The sums without differences; `places` are those of the texts by their ids."""
    packed = [_pack_stats(each, places, names) for each in sums.stats]
    return marshal.dumps((packed, sums.rows.tobytes()))


def read_sums(data: bytes, ids: Sequence[str], others: Sequence[str]) -> Aggregates:
    """What was packed, for the texts with these ids; `others` are the names told by number."""
    packed, rows = marshal.loads(data)
    stats = tuple([_read_stats(each, ids, others) for each in packed])
    return Aggregates(stats, array("I", rows), {})


_BY_TEXT, _TEXTS = ("scores", "perfect", "notes"), ("lost", "silent")
_BY_NAME = ("statuses", "modes")


def _pack_stats(stats: VariantStats, places: Mapping[str, int], names: Names) -> dict[str, Any]:
    pack, paid = names.pack, stats.paid_before
    packed = {each.name: getattr(stats, each.name) for each in fields(stats)}
    for name in _BY_TEXT:
        packed[name] = {places[text]: given for text, given in packed[name].items()}
    for name in _TEXTS:
        packed[name] = [places[text] for text in packed[name]]
    for name in _BY_NAME:
        packed[name] = [(pack(each), times) for each, times in packed[name].items()]
    packed["notes"] = {at: list(map(pack, notes)) for at, notes in packed["notes"].items()}
    packed["lists"] = [(pack(name), *rows) for name, rows in stats.lists.items()]
    # By kind and not added up yet: parts of values are then added in the order of one process.
    packed["_to_count"] = [
        (pack(name), *kind, times) for (name, kind), times in stats._to_count.items()
    ]
    packed["paid_before"] = paid and paid.timestamp()
    return packed


def _read_stats(packed: dict[str, Any], ids: Sequence[str], others: Sequence[str]) -> VariantStats:
    def read(name: str | int) -> str:
        return others[name] if isinstance(name, int) else name

    paid = packed["paid_before"]
    for name in _BY_TEXT:
        packed[name] = {ids[at]: given for at, given in packed[name].items()}
    for name in _TEXTS:
        packed[name] = {ids[at] for at in packed[name]}
    for name in _BY_NAME:
        packed[name] = Counter({read(each): times for each, times in packed[name]})
    packed["notes"] = {text: tuple(map(read, notes)) for text, notes in packed["notes"].items()}
    packed["lists"] = {read(name): Rows(*rows) for name, *rows in packed["lists"]}
    packed["_to_count"] = Counter(
        {(read(name), CellKind(*kind)): times for name, *kind, times in packed["_to_count"]}
    )
    packed["paid_before"] = None if paid is None else datetime.fromtimestamp(paid, UTC)
    return VariantStats(**packed)
