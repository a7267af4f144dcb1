"""What a run on a cluster is given: texts whose words stay in their files, or few by value."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice
from typing import Any

from llmwidgets.comparison.cluster.texts.data_sets import (
    find_empty,
    find_places,
    read_rows,
    read_text_files,
    read_truth_files,
)
from llmwidgets.comparison.cluster.texts.text_files import StoredDocument, TextFiles
from llmwidgets.comparison.files.tables import match_names, missing_text
from llmwidgets.comparison.records import columns_of, is_dask_frame
from llmwidgets.comparison.runs import read_documents
from llmwidgets.comparison.values import find_repeated
from llmwidgets.engine import event_loop
from llmwidgets.engine.request_builder import Document
from llmwidgets.errors import FieldError
from llmwidgets.formatting import file_size, join_truncated
from llmwidgets.schemas import read_schema

MOST_BY_VALUE = 16_000_000
"""Bytes of texts that may travel through the scheduler, which keeps them in its memory."""

_ROWS_AT_ONCE = 20_000
_STAND_IN = "…"
"""In the place of words that are not read."""

_SHARED_STRINGS = 50_000


def read_stored_documents(
    schema: Any, texts: Any, truth: Any = None, *, group: Any = None, blank: Any = None,
    write_frame: Callable[[Any], str] | None = None,
) -> tuple[Document, ...]:  # fmt: skip
    """The texts, their words left in their files where they are given by reference.

    `write_frame` writes a Dask DataFrame, and gives the folder that has its files. FieldError names
    what misfits, as for texts by value, of which only a few may be.
    """
    notes: tuple[str, ...] = ()
    if is_dask_frame(texts):
        texts = _write_frame(texts, write_frame)
        notes = (f"The workers wrote the texts of the Dask DataFrame as Parquet into {texts}.",)
    schema = None if schema is None else read_schema(schema)
    fields = columns_of(leaf.path for leaf in schema.leaves) if schema is not None else ()
    truth = read_truth_files(truth, fields)
    places = find_places(texts)
    if not places:
        documents = read_documents(schema, texts, truth, group=group, blank=blank)
        _refuse_large(documents)
        return documents
    files = read_text_files(places)
    at_once = truth is None and (group is None or isinstance(group, str))
    found: list[Document] = []
    with event_loop.collect_seldom():
        for rows in _batches(files, _ROWS_AT_ONCE if at_once else len(files)):
            documents = read_documents(schema, rows, truth, group=group, blank=blank)
            found += _leave_words(documents, files, len(found), notes)
    if twice := find_repeated(each.id for each in found):
        raise FieldError(
            {"texts": f"these ids appear more than once: {join_truncated(twice)}."},
            "Give every text an id of its own, or leave the ids out.",
        )
    return tuple(found)


def _batches(files: TextFiles, size: int) -> Iterator[list[dict[str, Any]]]:
    empty = find_empty(files)
    rows = read_rows(files)
    start = 0
    while batch := list(islice(rows, size)):
        for at, row in enumerate(batch, start):
            row["text"] = "" if at in empty else _STAND_IN
        yield batch
        start += len(batch)


def _leave_words(
    documents: Sequence[Document], files: TextFiles, start: int, notes: tuple[str, ...]
) -> Iterator[Document]:
    """The documents without their stand-ins; what many have in common is there once."""
    shared: dict[Any, Any] = {}

    def one(value: Any) -> Any:
        known = isinstance(value, str | tuple) and len(shared) < _SHARED_STRINGS
        return shared.setdefault(value, value) if known else value

    for at, each in enumerate(documents, start):
        metadata: Mapping[str, Any] = each.metadata
        if metadata:
            metadata = {one(name): one(value) for name, value in metadata.items()}
        yield StoredDocument(
            each.id, each.schema, each.truth, each.by_record, one(each.group), each.blanks,
            one((*notes, *each.notes)), metadata, files=files, at=at,
        )  # fmt: skip


def _refuse_large(documents: Sequence[Document]) -> None:
    """FieldError for more by value than a scheduler should hold."""
    size = 0
    for each in documents:
        size += len(each.text.encode("utf-8", "replace"))
    if size > MOST_BY_VALUE:
        raise FieldError(
            {"texts": f"are {file_size(size)} by value; up to {file_size(MOST_BY_VALUE)} travel "
                      "through the scheduler."},
            'Write them where every worker reads them, frame.to_parquet("texts.parquet"), and give '
            'the name: texts="texts.parquet" (docs/scale.md).',
        )  # fmt: skip


def _write_frame(frame: Any, write: Callable[[Any], str] | None) -> str:
    found, unclear = match_names(frame.columns)
    if not unclear and "text" not in found.values():
        unclear, _ = missing_text([dict.fromkeys(frame.columns)])
    if unclear:
        raise FieldError(
            {"texts": f"the Dask DataFrame {unclear}"},
            'Rename the column with the documents: texts.rename(columns={"…": "text"}).',
        )
    if write is None:
        raise FieldError(
            {"texts": "is a Dask DataFrame, of which nothing is written before a run."},
            'Write it first, texts.to_parquet("texts"), and give the name of the folder.',
        )
    return write(frame)
