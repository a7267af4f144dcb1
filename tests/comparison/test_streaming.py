"""Saving and exporting go row by row: the same files as written whole, in memory that stays."""

from __future__ import annotations

import gc
import json
import tracemalloc
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

import llmwidgets as lw
from llmwidgets.comparison.dataframes import CHUNKED, TABLES, read_frames
from llmwidgets.report.writers import (
    format_csv,
    format_jsonl,
    write_csv,
    write_json,
    write_jsonl,
    write_parquet,
    write_text,
)

FIELDS = [{"name": "name", "type": "string"}, {"name": "total", "type": "number"}]


def made(size: int) -> lw.Comparison:
    """Two variants that differ; the first is wrong, formulas and odd letters among the values."""
    records = [{"name": f"=é{number}\n\ud800", "total": number + 0.5} for number in range(size)]
    other = [{**each, "total": 3} if at % 2 else None for at, each in enumerate(records)]
    texts = [f"{each['name']} has {each['total']}" for each in records]
    truth = [None if at % 3 == 2 else {**each, "name": "a"} for at, each in enumerate(records)]
    return lw.Comparison.from_outputs(FIELDS, texts, {"A": other, "B": records}, truth)


@pytest.fixture(scope="module")
def seven() -> lw.Comparison:
    return made(7)


@pytest.mark.parametrize("name", ["json", "label_studio"])
def test_json_is_what_would_be_written_whole(seven: lw.Comparison, name: str, tmp_path) -> None:
    written = seven.export(tmp_path / "file", format=name).read_text("utf-8")
    whole = json.dumps(json.loads(written), ensure_ascii=False, indent=1)
    assert written == whole + "\n"


@pytest.mark.parametrize(
    "value", [[], {}, [[]], {"a": []}, ["x\n y"], [1, {"a": [1, {"b": []}]}], {"a": [{}], "b": 1}]
)
def test_an_iterator_is_written_as_the_list_of_its_entries(value: Any, tmp_path) -> None:
    given = iter(value) if isinstance(value, list) else value
    if isinstance(value, dict):
        given = {name: iter(each) if isinstance(each, list) else each
                 for name, each in value.items()}  # fmt: skip
    written = write_json(tmp_path / "file", given).read_text("utf-8")
    assert written == json.dumps(value, indent=1) + "\n"


@pytest.mark.parametrize("most", [1, 3, 1000])
@pytest.mark.parametrize("table", TABLES)
def test_a_table_in_chunks_is_the_table(
    seven: lw.Comparison, table: str, most: int, tmp_path
) -> None:
    whole = TABLES[table](seven)
    frames = list(read_frames(seven, table, most))
    assert len(frames) > 1 or table not in CHUNKED or most > 1
    pd.testing.assert_frame_equal(pd.concat(frames, ignore_index=True), whole)
    path = write_csv(read_frames(seven, table, most), tmp_path / "out.csv")
    assert path.read_bytes() == format_csv(whole).encode("utf-8", "replace")
    path = write_parquet(read_frames(seven, table, most), tmp_path / "in chunks")
    whole_too = pd.read_parquet(write_parquet(whole, tmp_path / "whole"))
    pd.testing.assert_frame_equal(pd.read_parquet(path), whole_too)


@pytest.mark.parametrize("table", TABLES)
def test_lines_of_json_are_those_of_the_table(seven: lw.Comparison, table: str, tmp_path) -> None:
    path = seven.to_jsonl(tmp_path / "out.jsonl", table)
    rows = TABLES[table](seven).astype(object).to_dict("records")
    assert path.read_bytes() == format_jsonl(rows).encode("utf-8", "replace")


def test_the_column_of_pages_is_in_every_chunk_or_in_none() -> None:
    """Whether any value is on a page is known when the last one was looked for."""
    texts = ["no page here"] * 4 + ["first\f[page 2]\nAda"]
    outputs = {"A": [{"name": "x"}] * 4 + [{"name": "Ada"}]}
    paged = lw.Comparison.from_outputs(FIELDS[:1], texts, outputs)
    assert all("page" in frame for frame in read_frames(paged, "fields", 1))
    assert paged.to_frame()["page"].tolist()[-1] == 2
    plain = lw.Comparison.from_outputs(FIELDS[:1], texts[:4], {"A": outputs["A"][:4]})
    assert not any("page" in frame for frame in read_frames(plain, "fields", 1))


def test_what_fails_half_way_leaves_the_old_file(tmp_path) -> None:
    def parts() -> Iterator[str]:
        yield "half"
        raise RuntimeError

    path = tmp_path / "out"
    path.write_text("what was there")
    for write in (
        lambda: write_text(path, parts()),
        lambda: write_json(path, {"a": parts()}),
        lambda: write_jsonl(({"a": each} for each in parts()), path),
        lambda: write_csv((pd.DataFrame({"a": [each]}) for each in parts()), path),
        lambda: write_parquet((pd.DataFrame({"a": [each]}) for each in parts()), path),
    ):
        with pytest.raises(RuntimeError):
            write()
    assert path.read_text() == "what was there"
    assert [each for each in tmp_path.iterdir() if each.is_file()] == [path]


def peak(write: Callable[[], object]) -> int:
    """The most bytes that a call has at a time, over what is there before."""
    gc.collect()
    tracemalloc.start()
    try:
        write()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


WRITES: dict[str, Callable[[lw.Comparison, Path], object]] = {
    "save": lambda result, path: result.save(path),
    "label_studio": lambda result, path: result.to_label_studio(path),
    "csv": lambda result, path: write_csv(read_frames(result, "fields", 200), path),
    "differences": lambda result, path: write_csv(read_frames(result, "differences", 60), path),
    "parquet": lambda result, path: write_parquet(read_frames(result, "fields", 200), path),
}


@pytest.fixture(scope="module")
def few_and_many() -> tuple[lw.Comparison, lw.Comparison]:
    return made(120), made(600)


@pytest.mark.parametrize("name", WRITES)
def test_five_times_the_texts_take_no_more_memory(
    few_and_many: tuple[lw.Comparison, lw.Comparison], name: str, tmp_path
) -> None:
    """Written whole, it would be five times as much; Python clears up after itself now and then."""
    path = tmp_path / "file"
    few, many = few_and_many
    for result in (few, many):  # what is kept of them is kept by now
        WRITES[name](result, path)
    assert peak(lambda: WRITES[name](many, path)) < 3 * peak(lambda: WRITES[name](few, path))
