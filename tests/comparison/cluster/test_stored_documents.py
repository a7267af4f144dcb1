"""Documents whose words stay in their file: small, and in all else like any other."""

from __future__ import annotations

import pickle
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from llmwidgets.comparison.cluster.texts import text_files
from llmwidgets.comparison.cluster.texts.inputs import read_stored_documents
from llmwidgets.comparison.cluster.texts.text_files import StoredDocument
from llmwidgets.comparison.runs import read_documents
from llmwidgets.engine.request_builder import Document

SCHEMA = {"type": "object", "properties": {"total": {"type": ["number", "null"]}}}
ROWS = [{"id": f"c{at}", "text": f"words {at}", "truth": '{"total": 1}'} for at in range(9)]


@pytest.fixture
def documents(tmp_path: Path) -> tuple[Document, ...]:
    pq.write_table(pa.Table.from_pylist(ROWS), tmp_path / "t.parquet", row_group_size=4)
    return read_stored_documents(SCHEMA, tmp_path / "t.parquet")


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that are opened for their words."""
    seen: list[str] = []
    open_parquet = text_files.open_parquet

    def note(place: str) -> Any:
        seen.append(place)
        return open_parquet(place)

    monkeypatch.setattr(text_files, "open_parquet", note)
    return seen


def test_it_is_small_and_shares_what_all_have(documents: tuple[Document, ...]) -> None:
    one, other = documents[0], documents[8]

    assert isinstance(one, StoredDocument)
    assert sys.getsizeof(one) + sys.getsizeof(one.at) <= 160
    assert not hasattr(one, "__dict__")
    assert one.schema is other.schema
    assert isinstance(other, StoredDocument)
    assert one.files is other.files
    assert (one.notes, one.group) == ((), "")
    assert one.metadata is other.metadata


def test_all_words_in_order_open_a_row_group_once(
    documents: tuple[Document, ...], opened: list[str]
) -> None:
    assert [each.text for each in documents] == [row["text"] for row in ROWS]
    assert len(opened) == 3


def test_it_equals_the_document_with_its_words(documents: tuple[Document, ...]) -> None:
    here = read_documents(SCHEMA, ROWS)

    assert here == documents
    assert documents == here
    assert documents[0] != here[1]
    assert documents[0] != replace(documents[0], truth={"total": 2})
    assert documents[0] != "words 0"


def test_with_another_truth_it_stays_in_its_file(
    documents: tuple[Document, ...], opened: list[str]
) -> None:
    other = replace(documents[5], truth={"total": 7})

    assert isinstance(other, StoredDocument)
    assert opened == []
    assert (other.truth, other.text) == ({"total": 7}, "words 5")


def test_a_pickle_of_it_has_no_words(documents: tuple[Document, ...], opened: list[str]) -> None:
    bare = replace(documents[5], schema="in place of one")  # type: ignore[arg-type]

    data = pickle.dumps(bare)

    assert opened == []
    assert b"words" not in data
    assert pickle.loads(data) == bare
    assert pickle.loads(data).text == "words 5"
