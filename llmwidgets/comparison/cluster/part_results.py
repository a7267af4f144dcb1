"""The results over the parts of a run: all texts for its driver, a chunk for a worker."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llmwidgets.comparison.cluster.spec import Chunk
from llmwidgets.comparison.cluster.stored_replies import StoredReplies
from llmwidgets.comparison.core import CellKey, ResultIndex, Results
from llmwidgets.comparison.variants import Variant
from llmwidgets.engine.extraction import Extraction, read_extraction
from llmwidgets.engine.journal import Row
from llmwidgets.engine.request_builder import Document, ResolvedVariant


def index_replies(
    replies: StoredReplies, chunks: Sequence[Chunk], reused: Sequence[Sequence[bytes]], repeats: int
) -> ResultIndex:
    """The rows of consecutive chunks, whose first text has the place 0.

    `reused` tells, by variant and chunk, of each extraction whether it was paid before; it is empty
    for a chunk of which nothing was asked.
    """
    first = chunks[0].start
    rows = ResultIndex(len(reused), chunks[-1].stop - first, repeats)
    for variant, by_chunk in enumerate(reused):
        for chunk, bits in zip(chunks, by_chunk, strict=True):
            for number, again in enumerate(bits):
                text, repeat = divmod(number, repeats)
                cell = CellKey(variant, chunk.start - first + text, repeat)
                row = replies.row_id(variant, chunk.number, number)
                rows.put(cell, row, reused=bool(again))
    return rows


def results_of_parts(
    kind: type[Results], asked: Sequence[ResolvedVariant], texts: tuple[Document, ...],
    rows: ResultIndex, replies: StoredReplies, *, variants: tuple[Variant, ...], **more: Any,
) -> Results:  # fmt: skip
    """These texts with their rows, which are read from the parts when they are looked at."""

    def read(row: Row, cell: CellKey) -> Extraction:
        column, document = asked[cell.variant], texts[cell.text]
        again = rows.reused(cell)
        return read_extraction(column, document, cell.repeat, row, reused=again)

    return kind(
        variants=variants, models=tuple(each.model for each in asked), texts=texts, rows=rows,
        journal=replies, read=read, **more,
    )  # fmt: skip
