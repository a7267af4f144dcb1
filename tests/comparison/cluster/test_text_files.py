"""Texts by reference: what names them, what is known of them before any word is read."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path
from typing import Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel

import llmwidgets as lw
from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.comparison.cluster.texts import inputs, text_files
from llmwidgets.comparison.cluster.texts.data_sets import find_places, read_text_files
from llmwidgets.comparison.cluster.texts.inputs import read_stored_documents
from llmwidgets.comparison.cluster.texts.text_files import TextFiles, files_of
from llmwidgets.comparison.runs import build_plan, read_documents
from llmwidgets.engine.request_builder import Document
from llmwidgets.errors import FieldError


class Claim(BaseModel):
    """What a claim says."""

    number: str | None = None
    total: float | None = None


def write(path: Path, rows: int | list[dict[str, Any]], *, group: int = 1_000) -> Path:
    """A Parquet file of these rows, or of so many texts that say the file's name and their row."""
    if isinstance(rows, int):
        rows = [{"text": f"{path.stem} {at}"} for at in range(rows)]
    pq.write_table(pa.Table.from_pylist(rows), path, row_group_size=group)
    return path


def read(texts: Any, **more: Any) -> tuple[Document, ...]:
    return read_stored_documents(Claim, texts, **more)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Three files of texts, one of them with a number above nine."""
    for name in ("part.2", "part.10", "part.1"):
        write(tmp_path / f"{name}.parquet", 3, group=2)
    return tmp_path


@pytest.mark.parametrize(
    "name",
    [
        lambda folder: folder,
        lambda folder: str(folder),
        lambda folder: f"{folder}/*.parquet",
        lambda folder: folder / "part*.parquet",
        lambda folder: folder.as_uri(),
        lambda folder: folder.as_uri() + "/part.*.parquet",
        lambda folder: [folder / "part.10.parquet", f"{folder}/part.[12].parquet"],
        lambda folder: [(folder / f"part.{at}.parquet").as_uri() for at in (10, 2, 1)],
    ],
    ids=["folder", "its name", "glob", "glob path", "URL", "glob URL", "paths", "URLs"],
)
def test_files_are_in_the_order_of_their_numbers(folder: Path, name: Any) -> None:
    documents = read(name(folder))

    assert [each.text for each in documents] == [
        f"part.{number} {at}" for number in (1, 2, 10) for at in range(3)
    ]
    assert [each.id for each in documents] == [f"text-{at:02}" for at in range(1, 10)]


def test_ids_truth_and_further_columns_are_read_by_their_names(tmp_path: Path) -> None:
    texts = write(
        tmp_path / "claims.parquet",
        [
            {"ID": 7, " Text ": "one", "truth": {"total": 1.5}, "vendor": "ACME", "page": 1},
            {"ID": 8, " Text ": "two", "truth": None, "vendor": None, "page": 1},
        ],
    )

    one, two = read(texts, group="page")

    assert (one.id, one.text, one.truth) == ("7", "one", {"total": 1.5})
    assert (one.metadata, one.group) == ({"vendor": "ACME"}, "1")
    assert (two.id, two.truth, two.metadata, two.group) == ("8", NOTHING, {}, "1")


def test_what_is_read_is_what_a_table_of_one_machine_gives(tmp_path: Path) -> None:
    rows = [
        {
            "id": f"c{at}", "text": f"text {at}", "truth": f'{{"total": {at}}}', "number": None,
            "paid": at % 2 == 0, "day": pd.Timestamp("2026-01-01"), "share": at / 4,
        }
        for at in range(5)
    ]  # fmt: skip
    path = tmp_path / "claims.parquet"
    pd.DataFrame(rows).to_parquet(path)

    assert read(path, group="paid") == read_documents(Claim, path, group="paid")


def test_files_may_differ_in_their_columns(tmp_path: Path) -> None:
    write(tmp_path / "a.parquet", [{"text": "one", "vendor": "ACME"}])
    write(tmp_path / "b.parquet", [{"Text": "two", "id": "b", "total": 3}])

    one, two = read(tmp_path)

    assert (one.id, one.text, one.metadata) == ("text-01", "one", {"vendor": "ACME"})
    assert (two.id, two.text, two.metadata) == ("b", "two", {"total": 3})


def test_a_file_without_texts_names_the_column_that_may_be_meant(tmp_path: Path) -> None:
    path = write(tmp_path / "claims.parquet", [{"body": "a long story", "n": 1}])

    with pytest.raises(FieldError) as said:
        read(path)

    assert "has no column text; it has body, n" in said.value.message
    assert 'rename(columns={"body": "text"})' in said.value.hint


@pytest.mark.parametrize("empty", [None, "", " \n"])
def test_an_empty_text_is_named_before_the_run(tmp_path: Path, empty: str | None) -> None:
    rows = [{"id": f"c{at}", "text": f"words {at}"} for at in range(5)]
    rows[3]["text"] = empty  # type: ignore[assignment]

    with pytest.raises(FieldError, match=r"c3: is empty\."):
        read(write(tmp_path / "claims.parquet", rows, group=2))


def test_an_id_may_not_be_twice_in_all_the_files(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(inputs, "_ROWS_AT_ONCE", 1)
    for name in "ab":
        write(tmp_path / f"{name}.parquet", [{"id": "same", "text": name}])

    with pytest.raises(FieldError, match="these ids appear more than once: same"):
        read(tmp_path)


def test_truth_is_read_from_files_too(tmp_path: Path) -> None:
    texts = write(tmp_path / "claims.parquet", [{"id": at, "text": f"t {at}"} for at in "ab"])
    write(tmp_path / "truth-1.parquet", [{"id": "b", "total": 2.5, "text": "unread"}])
    write(tmp_path / "truth-2.parquet", [{"id": "a", "total": 1.0, "text": "unread"}])

    one, two = read(texts, truth=f"{tmp_path}/truth-*.parquet")

    assert (one.truth, two.truth) == ({"total": 1}, {"total": 2.5})
    assert read(texts, truth={"b": {"total": 3}})[1].truth == {"total": 3}


# -- What one machine does not read.


@pytest.mark.parametrize(
    "texts", ["s3://bucket/claims/", "claims/*.parquet", ["gs://b/x.parquet"], Path("c/*.parquet")]
)
def test_only_a_cluster_reads_globs_and_urls(texts: Any) -> None:
    with pytest.raises(FieldError, match="names files that are read where a cluster asks") as said:
        lw.compare(Claim, texts, "demo", journal=False)
    assert "cluster=" in said.value.hint
    with pytest.raises(FieldError, match="truth: "):
        read_documents(Claim, ["one"], texts)


@pytest.mark.parametrize("url", ["s3://bucket/*.csv", "gs://b/claims.jsonl", "file:///a.csv.gz"])
def test_a_url_of_another_table_than_parquet_is_refused_by_its_name(url: str) -> None:
    for reading in (lambda: read(url), lambda: lw.compare(Claim, url, "demo", journal=False)):
        with pytest.raises(FieldError, match="is not Parquet") as said:
            reading()
        assert "to_parquet" in said.value.hint


@pytest.mark.parametrize("kind", [str, Path])
def test_a_glob_of_another_table_is_told_how_a_list_is_made(kind: Any) -> None:
    with pytest.raises(FieldError, match="here is no file") as said:
        read(kind("claims/*.csv"))
    assert "sorted(glob.glob('claims/*.csv'))" in said.value.hint


def test_a_folder_of_parquet_files_leads_to_a_cluster(tmp_path: Path) -> None:
    folder = tmp_path / "language=en"
    folder.mkdir()
    pd.DataFrame({"text": ["one"]}).to_parquet(folder / "a.parquet")

    with pytest.raises(FieldError) as said:
        lw.compare(Claim, folder, "demo", journal=False)
    assert "cluster=" in said.value.hint
    with pytest.raises(FieldError) as said:
        read(tmp_path)
    (glob,) = re.findall("'(.*)'", said.value.hint)
    assert len(read(glob)) == 1


def test_without_pyarrow_it_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pd.DataFrame({"text": ["one"]}).to_parquet(tmp_path / "a.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow.parquet", None)

    with pytest.raises(FieldError, match="pyarrow, which is not installed") as said:
        read(tmp_path / "a.parquet")
    assert "pip install pyarrow" in said.value.hint


def test_a_text_that_has_stars_in_it_is_a_text() -> None:
    (text,) = read_documents(Claim, "Is *this* a file? See s3://bucket and more.")

    assert text.text.startswith("Is *this*")


def test_a_dask_frame_needs_a_cluster() -> None:
    dask = pytest.importorskip("dask.dataframe")
    frame = dask.from_pandas(pd.DataFrame({"text": ["one"]}), npartitions=1)

    with pytest.raises(FieldError, match="Dask DataFrame") as said:
        lw.compare(Claim, frame, "demo", journal=False)
    assert "texts.compute()" in said.value.hint
    with pytest.raises(FieldError, match="nothing is written before a run"):
        lw.estimate(Claim, frame, "demo", cluster=object())


def test_many_texts_by_value_are_to_be_written_as_parquet() -> None:
    whole = ["x" * 1_000_000] * 17

    assert len(read(whole[:16])) == 16
    with pytest.raises(FieldError) as said:
        read(whole)
    assert 'to_parquet("texts.parquet")' in said.value.hint


def test_a_name_without_files_is_said(tmp_path: Path) -> None:
    with pytest.raises(FieldError, match="there is no Parquet file"):
        read(f"{tmp_path}/*.parquet")


# -- Words.


@given(
    sizes=st.lists(st.integers(0, 9), min_size=1, max_size=4).filter(any),
    group=st.integers(1, 5),
    data=st.data(),
)
def test_every_place_has_its_own_words(
    tmp_path_factory: pytest.TempPathFactory, sizes: list[int], group: int, data: st.DataObject
) -> None:
    folder = tmp_path_factory.mktemp("texts")
    schema = pa.schema([("text", pa.string())])
    for at, size in enumerate(sizes):
        rows = [{"text": f"{at}-{row}"} for row in range(size)]
        table = pa.Table.from_pylist(rows, schema)
        pq.write_table(table, folder / f"{at}.parquet", row_group_size=group)
    whole = [f"{at}-{row}" for at, size in enumerate(sizes) for row in range(size)]
    files = read_text_files(find_places(folder))
    places = data.draw(st.lists(st.integers(0, len(whole) - 1), max_size=20))

    assert files.words(places) == [whole[at] for at in places]
    assert files.words(range(len(files))) == whole


def test_a_large_row_group_is_read_a_part_at_a_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(text_files, "_BATCH_BYTES", 20_000)
    monkeypatch.setattr(text_files, "_KEPT_BYTES", 60_000)
    rows = [{"text": f"{at} ".rjust(1_000, "x")} for at in range(2_000)]
    files = read_text_files(find_places(write(tmp_path / "large.parquet", rows, group=2_000)))

    for at in (0, 700, 1_999, 3):
        assert files.words([at]) == [rows[at]["text"]]
        reader = text_files._reader_of(files.files[0], 0)
        assert 0 < reader._bytes <= 60_000


def test_a_file_that_was_changed_is_never_paired(tmp_path: Path) -> None:
    path = write(tmp_path / "claims.parquet", 4, group=2)
    documents = read(path)
    assert documents[0].text == "claims 0"
    moment = os.stat(path).st_mtime_ns

    write(path, [{"text": f"claims {3 - at}"} for at in range(4)], group=2)
    os.utime(path, ns=(moment + 10**9, moment + 10**9))

    with pytest.raises(FieldError, match="was changed since the run was planned"):
        _ = documents[3].text
    path.unlink()
    with pytest.raises(FieldError, match="there is no file"):
        _ = documents[3].text


def test_texts_shown_as_examples_leave_the_others_in_place(tmp_path: Path) -> None:
    rows = [
        {"id": f"c{at}", "text": f"words {at}", "truth": {"number": "A", "total": 1.0 * at}}
        for at in range(6)
    ]
    documents = read(write(tmp_path / "claims.parquet", rows, group=4))

    plan = build_plan(documents, "demo-quick", examples=2).plan

    assert [each.text for each in plan.columns[0].examples] == ["words 0", "words 1"]
    assert [(each.id, each.text) for each in plan.texts] == [
        (f"c{at}", f"words {at}") for at in range(2, 6)
    ]


# -- An estimate of many.


def test_an_estimate_counts_a_sample_and_scales(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write(tmp_path / "claims.parquet", [{"text": "some words " * 9}] * 3_000, group=500)
    whole = lw.estimate(Claim, [{"text": "some words " * 9}] * 3_000, "demo-quick")
    read_places: list[int] = []
    words = TextFiles.words

    def count(files: TextFiles, places: Any) -> list[str]:
        places = list(places)
        read_places.extend(places)
        return words(files, places)

    monkeypatch.setattr(TextFiles, "words", count)

    counted = lw.estimate(Claim, path, "demo-quick", cluster=object())

    assert len(set(read_places)) <= 1_000
    assert {at // 500 for at in read_places} == set(range(6))
    assert counted.calls == whole.calls == 3_000
    assert counted.tokens_in == pytest.approx(whole.tokens_in, rel=0.01)
    assert counted.counted is not None
    assert f"Worked out from {counted.counted[0]:,} of 3,000 texts." in repr(counted)


def test_the_files_of_documents_are_those_of_all_of_them(tmp_path: Path) -> None:
    documents = read(write(tmp_path / "claims.parquet", 2))

    assert files_of(documents) is files_of(documents[1:])
    assert files_of((*documents, *read_documents(Claim, ["one"]))) is None
