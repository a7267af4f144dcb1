"""Scoring on a cluster, once the chunks were asked: workers sum up parts, the driver joins them."""

from __future__ import annotations

import time
from array import array
from collections import deque
from collections.abc import Collection, Iterator, Sequence
from itertools import repeat
from typing import TYPE_CHECKING, Any, NamedTuple

from llmwidgets.comparison.cluster.replies.folder import RunFolder
from llmwidgets.comparison.cluster.replies.saved_run import RunEnd, stored_results
from llmwidgets.comparison.cluster.spec import (
    Chunk,
    digest_of,
    pack,
    unpack,
)
from llmwidgets.comparison.cluster.sums import Names, pack_sums, read_sums
from llmwidgets.comparison.cluster.worker import RunContext, open_run
from llmwidgets.comparison.cluster.workers import room_for_tasks, slots_of
from llmwidgets.comparison.core import ResultData
from llmwidgets.comparison.measures.aggregate import Accumulator, Aggregates
from llmwidgets.comparison.measures.text_result import read_all_results
from llmwidgets.comparison.measures.variant_stats import VariantStats
from llmwidgets.comparison.variants import Variant
from llmwidgets.engine.extraction import AnsweredVariant
from llmwidgets.engine.request_builder import Plan

if TYPE_CHECKING:
    from llmwidgets.comparison.cluster.workers import Cluster

_TRIES = 2
_NO_WORKERS_SECONDS = 5.0
"""A cluster that has had no worker for so long is not waited for: the driver can score as well."""


class ChunkSums(NamedTuple):
    """The sums of a chunk; `others` is the digest of the file with the names told by number."""

    sums: bytes
    others: str = ""


# -- On a worker.


def score_chunk(place: str, digest: str, chunk: Chunk, end: RunEnd) -> ChunkSums | None:
    """The sums of a chunk of every variant; None where its parts cannot be read or scored.

    `digest` is that of the run's spec, `end` how the chunk ended, as if there were no other. No
    text is read for it.
    """
    try:
        return _score_chunk(open_run(place, digest), chunk, end)
    except Exception:  # noqa: BLE001 - its words may contain a value; who looks meets it again
        return None


def _score_chunk(run: RunContext, chunk: Chunk, end: RunEnd) -> ChunkSums:
    spec, texts = run.spec, tuple(run.documents(chunk, repeat("", chunk.size)))
    answered = [
        AnsweredVariant(
            each.label, each.model, None if each.schema is None else run.schemas[each.schema],
            each.dialect,
        )
        for each in spec.variants
    ]  # fmt: skip
    results = stored_results(
        ResultData, run.folder, [each.name for each in spec.variants], [len(texts)], end, answered,
        first=chunk.number, texts=texts, repeats=spec.repeats, scoring=spec.scoring, notes=(),
        variants=tuple(Variant(each.label, label=each.label, schema=each.schema)
                       for each in answered),
    )  # fmt: skip
    total = Accumulator(results)
    for result in read_all_results(results, keep=False):
        total.add(result)
    names, places = Names(run.schemas), {each.id: at for at, each in enumerate(texts)}
    sums = pack_sums(total.running, places, names)
    if not names.others:
        return ChunkSums(sums)
    data = pack(names.others)
    run.folder.write(_names_of(chunk), data)
    return ChunkSums(sums, digest_of(data))


def _names_of(chunk: Chunk) -> str:
    return f"scoring/names-{chunk.number:05}"


# -- On the driver.


class ScoringRun:
    """Has workers score the chunks of a run, and joins their sums in the order of the texts."""

    def __init__(
        self, cluster: Cluster, folder: RunFolder, digest: str, chunks: Sequence[Chunk],
        plan: Plan, unready: Collection[str] = (),
    ) -> None:  # fmt: skip
        self._cluster, self._folder, self._digest = cluster, folder, digest
        self._chunks, self._texts, self._unready = chunks, plan.texts, unready
        self._stats = tuple(VariantStats() for _ in plan.columns)
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
            workers, now = self._cluster.workers, time.monotonic()
            slots = slots_of(workers)
            here_at = now if slots else here_at
            if not slots and (not under_way or now - here_at > _NO_WORKERS_SECONDS):
                return
            while left and room_for_tasks(workers, len(under_way)) > 0:
                at = left.popleft()
                tries[at] += 1
                chunk = self._chunks[at]
                arguments = self._folder.place, self._digest, chunk, end.of_chunk(chunk.number)
                name = "score", at, tries[at]
                key = self._cluster.submit(name, score_chunk, *arguments, avoid=self._unready)
                under_way[key] = at
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
