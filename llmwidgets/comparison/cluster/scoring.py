"""Scoring on a cluster, once the chunks were asked: workers sum up parts, the driver joins them."""

from __future__ import annotations

import time
from array import array
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple, cast

from llmwidgets.comparison.cluster.replies.folder import RunFolder
from llmwidgets.comparison.cluster.replies.saved_run import RunEnd, stored_results
from llmwidgets.comparison.cluster.spec import (
    Chunk,
    RunSpec,
    SchemaSpec,
    TextSpec,
    digest_of,
    pack,
    rebuild_schema,
    unpack,
)
from llmwidgets.comparison.cluster.sums import Names, pack_sums, read_sums
from llmwidgets.comparison.core import CellKey, ResultData, Rules
from llmwidgets.comparison.measures.aggregate import Accumulator, Aggregates
from llmwidgets.comparison.measures.text_result import read_all_results
from llmwidgets.comparison.measures.variant_stats import VariantStats
from llmwidgets.comparison.variants import Variant
from llmwidgets.dialects.types import Dialect
from llmwidgets.engine.extraction import Extraction, read_extraction
from llmwidgets.engine.journal import Row
from llmwidgets.engine.request_builder import Document, Plan, ResolvedVariant
from llmwidgets.schemas import Schema

if TYPE_CHECKING:
    from llmwidgets.comparison.cluster.workers import Cluster

_WAVE, _TRIES = 2, 2
_NO_WORKERS_SECONDS = 5.0
"""A cluster that has had no worker for so long is not waited for: the driver can score as well."""


class AnsweredVariant(NamedTuple):
    """What there is to know of a variant whose replies are read: no connection, so no key."""

    label: str
    model: str
    schema: Schema | None
    dialect: Dialect


class AnsweredSpec(NamedTuple):
    """The same for a worker: the schema by its number."""

    label: str
    model: str
    schema: int | None
    dialect: Dialect


@dataclass(frozen=True, slots=True)
class ScoringSpec:
    """What workers are told of a run whose replies are there: how to read and to score them."""

    variants: tuple[AnsweredSpec, ...]
    names: tuple[str, ...]
    schemas: tuple[SchemaSpec, ...]
    repeats: int
    scoring: Rules


def describe_answered(spec: RunSpec, plan: Plan) -> ScoringSpec:
    """The same run as one whose replies are there."""
    variants = tuple(
        AnsweredSpec(each.label, each.model, each.schema, column.dialect)
        for each, column in zip(spec.variants, plan.columns, strict=True)
    )
    names = tuple(each.name for each in spec.variants)
    return ScoringSpec(variants, names, spec.schemas, spec.repeats, spec.scoring)


class ChunkSums(NamedTuple):
    """The sums of a chunk; `others` is the digest of the file with the names told by number."""

    sums: bytes
    others: str = ""


# -- On a worker.


@lru_cache(maxsize=4)
def _open_scoring(place: str, digest: str) -> tuple[RunFolder, ScoringSpec, tuple[Schema, ...]]:
    folder = RunFolder(place)
    spec: ScoringSpec = unpack(folder.read(_spec_name(digest)), digest)
    return folder, spec, tuple(map(rebuild_schema, spec.schemas))


def score_chunk(place: str, digest: str, chunk: Chunk, end: RunEnd) -> ChunkSums | None:
    """The sums of a chunk of every variant; None where its parts cannot be read or scored.

    `end` is how it ended, as if there were no other. No text is read for it.
    """
    try:
        folder, spec, schemas = _open_scoring(place, digest)
        return _score_chunk(folder, spec, schemas, chunk, end)
    except Exception:  # noqa: BLE001 - its words may contain a value; who looks meets it again
        return None


def _score_chunk(
    folder: RunFolder, spec: ScoringSpec, schemas: tuple[Schema, ...], chunk: Chunk, end: RunEnd
) -> ChunkSums:
    described: list[tuple[int, TextSpec]]
    described = unpack(folder.read(chunk.documents), chunk.digest)
    texts = tuple(
        Document(each.id, "", schemas[each.schema], each.truth, each.by_record, each.group)
        for _, each in described
    )
    columns = [
        AnsweredVariant(
            each.label, each.model, None if each.schema is None else schemas[each.schema],
            each.dialect,
        )
        for each in spec.variants
    ]  # fmt: skip
    asked = cast("Sequence[ResolvedVariant]", columns)

    def read(row: Row, cell: CellKey, again: bool) -> Extraction:
        text = texts[cell.text]
        return read_extraction(asked[cell.variant], text, cell.repeat, row, reused=again)

    results = stored_results(
        ResultData, folder, spec.names, [len(texts)], end, read, first=chunk.number, texts=texts,
        variants=tuple(Variant(each.label, label=each.label, schema=each.schema)
                       for each in columns),
        models=tuple(each.model for each in columns), repeats=spec.repeats, scoring=spec.scoring,
        notes=(),
    )  # fmt: skip
    total = Accumulator(results)
    for result in read_all_results(results, keep=False):
        total.add(result)
    names, places = Names(schemas), {each.id: at for at, each in enumerate(texts)}
    sums = pack_sums(total.running, places, names)
    if not names.others:
        return ChunkSums(sums)
    data = pack(names.others)
    folder.write(_names_of(chunk), data)
    return ChunkSums(sums, digest_of(data))


def _spec_name(digest: str) -> str:
    return f"scoring/{digest[:16]}"


def _names_of(chunk: Chunk) -> str:
    return f"scoring/names-{chunk.number:05}"


# -- On the driver.


class ScoringRun:
    """Has workers score the chunks of a run, and joins their sums in the order of the texts."""

    def __init__(
        self, cluster: Cluster, folder: RunFolder, spec: ScoringSpec, chunks: Sequence[Chunk],
        texts: Sequence[Document],
    ) -> None:  # fmt: skip
        self._cluster, self._folder, self._chunks, self._texts = cluster, folder, chunks, texts
        data = pack(spec)
        self._digest = digest_of(data)
        folder.write(_spec_name(self._digest), data)
        self._stats = tuple(VariantStats() for _ in spec.variants)
        self._rows = array("I")

    def run(self, end: RunEnd) -> Aggregates | None:
        """The sums of all texts; None where some are not to be had, or after an interrupt.

        `end` is how the chunks ended.
        """
        joined = 0
        try:
            for chunk, found in self._in_order(end):
                if not self._join(chunk, found):
                    return None
                joined += 1
        except (KeyboardInterrupt, Exception):  # noqa: BLE001 - whoever looks scores here
            return None
        return Aggregates(self._stats, self._rows, {}) if joined == len(self._chunks) else None

    def _in_order(self, end: RunEnd) -> Iterator[tuple[Chunk, ChunkSums | None]]:
        """The sums of each chunk in their order; None for one that two workers did not score."""
        left, tries = deque(range(len(self._chunks))), [0] * len(self._chunks)
        under_way: dict[Any, int] = {}
        ended: dict[int, ChunkSums | None] = {}
        following, here_at = 0, time.monotonic()
        while following < len(self._chunks):
            slots, now = sum((self._cluster.workers or {}).values()), time.monotonic()
            here_at = now if slots else here_at
            if not slots and (not under_way or now - here_at > _NO_WORKERS_SECONDS):
                return
            while left and len(under_way) < _WAVE * max(1, slots):
                at = left.popleft()
                tries[at] += 1
                chunk = self._chunks[at]
                arguments = self._folder.place, self._digest, chunk, end.of_chunk(chunk.number)
                name = "score", at, tries[at]
                under_way[self._cluster.submit(name, score_chunk, *arguments)] = at
            for future, result in self._cluster.ended(0.2):
                if (at := under_way.pop(future, -1)) < 0:
                    continue
                if isinstance(result, ChunkSums):
                    ended[at] = result
                elif tries[at] < _TRIES:
                    left.appendleft(at)
                else:
                    ended[at] = None
            while following in ended:
                yield self._chunks[following], ended.pop(following)
                following += 1

    def _join(self, chunk: Chunk, found: ChunkSums | None) -> bool:
        if found is None:
            return False
        names: list[str] = []
        if found.others:
            names = unpack(self._folder.read(_names_of(chunk)), found.others)
        ids = [each.id for each in self._texts[chunk.start : chunk.stop]]
        sums = read_sums(found.sums, ids, names)
        for own, more in zip(self._stats, sums.stats, strict=True):
            own.extend(more)
        self._rows += sums.rows
        return True
