"""Parts and logs: every row comes back, whatever is in it; what is broken is an error, no crash."""

from __future__ import annotations

import io
from dataclasses import fields, replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmwidgets.comparison.cluster.replies.folder import RunFolder
from llmwidgets.comparison.cluster.replies.parts import (
    find_variants,
    log_folder,
    pack_log_entry,
    pack_part,
    part_name,
    read_log,
    read_part,
    read_text_ids,
)
from llmwidgets.comparison.cluster.replies.stored_replies import StoredReplies
from llmwidgets.dialects.types import Enforcement, ResponseFormat, Usage
from llmwidgets.engine.journal_rows import Row, is_sound
from llmwidgets.errors import FAILURES, InternalError

ANY_TEXT = st.text(st.characters(codec=None), max_size=12)
COUNT = st.integers(0, 99_999_999_999)
WHOLE = st.integers(-(2**200), 2**200)
FIGURE = st.none() | st.floats(0, 9e10) | st.integers(0, 9)
MOMENT = st.floats(0, 9e10)
ODD = st.none() | st.floats() | WHOLE


def rows(figure=FIGURE, count=COUNT, at=MOMENT):
    """Rows of the engine, with figures and counts as given."""
    tokens = st.none() | count
    return st.builds(
        Row,
        key=ANY_TEXT,
        status=st.sampled_from(["ok", *FAILURES]),
        at=at,
        reply=st.none() | ANY_TEXT,
        usage=st.builds(Usage, tokens, tokens, tokens, tokens),
        seconds=figure,
        waiting_seconds=figure,
        cost=figure,
        form=st.none() | st.sampled_from(ResponseFormat),
        mode=st.none() | st.sampled_from(Enforcement),
        schema_shown=st.none() | st.booleans(),
        served_model=st.none() | ANY_TEXT,
        request_id=st.none() | ANY_TEXT,
        tries=count,
        timed_out=count,
        notes=st.lists(ANY_TEXT, max_size=3).map(tuple),
        dropped=st.lists(ANY_TEXT, max_size=2).map(tuple),
        known_as=ANY_TEXT,
        output_limit=st.none() | WHOLE,
        message=ANY_TEXT,
        hint=ANY_TEXT,
        label=ANY_TEXT,
        model=ANY_TEXT,
        code=ANY_TEXT.filter(lambda each: each != "internal"),
        http_status=st.none() | WHOLE,
        perhaps_answered=st.booleans(),
    )


def names(many: int) -> list[str]:
    return [f"text-{at}" for at in range(many)]


def both_ways(listed: list[Row]) -> list[list[Row]]:
    log = b"".join(map(pack_log_entry, listed))
    return [read_part(pack_part(listed, names(len(listed)), 1)), list(read_log(log))]


@settings(max_examples=30)
@given(st.lists(rows(), max_size=4))
def test_a_row_comes_back_as_it_was(listed) -> None:
    assert all(map(is_sound, listed))
    for found in both_ways(listed):
        assert found == listed


@settings(max_examples=30)
@given(st.lists(rows(figure=ODD, count=WHOLE, at=st.floats() | WHOLE), min_size=1, max_size=3))
def test_no_figure_loses_a_row(listed) -> None:
    for found in both_ways(listed):
        assert [(each.key, each.status, each.reply, each.message) for each in found] == [
            (each.key, each.status, each.reply, each.message) for each in listed
        ]
        assert all(map(is_sound, found))


@settings(max_examples=60)
@given(st.lists(rows(), min_size=1, max_size=4), st.data())
def test_a_log_that_was_cut_or_has_a_wrong_byte_has_its_other_rows(listed, data) -> None:
    log = b"".join(map(pack_log_entry, listed))
    at = data.draw(st.integers(0, len(log) - 1))
    cut = list(read_log(log[:at]))
    assert cut == listed[: len(cut)]
    flipped = bytearray(log)
    flipped[at] ^= data.draw(st.integers(1, 255))
    found = list(read_log(bytes(flipped)))
    without = [listed[:gone] + listed[gone + 1 :] for gone in range(len(listed))]
    assert found == listed or found in without


def test_a_log_goes_on_behind_an_entry_that_was_cut() -> None:
    one, two = Row(key="1", status="ok", reply="1"), Row(key="2", status="ok", reply="2")
    half = pack_log_entry(one)[:-9]
    assert list(read_log(half + pack_log_entry(two))) == [two]


# Dask's own call, which the newest pandas warns of.
@pytest.mark.filterwarnings("ignore:The inplace keyword")
def test_any_reader_of_parquet_reads_the_data_set(tmp_path) -> None:
    import dask.dataframe as dd
    import pandas as pd

    folder = RunFolder(tmp_path / "run 1")
    odd = Row(key="k", status="ok", reply="half \ud800", cost=0.5, output_limit=2**70, at=1.0)
    for chunk, row in enumerate([odd, replace(odd, status="Refused", cost=None)]):
        data = pack_part([row, row], ["a"], 2)
        folder.write(part_name("luna-1a2b3c4d", chunk), data)
        assert read_text_ids(data) == (["a"], 2)
        assert read_part(data) == [row, row]
    # What a writer left that was killed is no part.
    (tmp_path / "run 1/replies/variant=luna-1a2b3c4d/.0011223344556677.draft").write_bytes(b"PAR1")
    assert find_variants(folder) == {"luna-1a2b3c4d"}
    place = tmp_path / "run 1/replies"
    for frame in (pd.read_parquet(place), dd.read_parquet(place).compute()):
        assert list(frame["repeat"]) == [0, 1, 0, 1]
        assert list(frame["text_id"]) == ["a"] * 4
        assert set(frame["variant"]) == {"luna-1a2b3c4d"}
        assert list(frame["status"]) == ["ok", "ok", "Refused", "Refused"]
        assert frame["cost"].sum() == 1.0
        assert list(frame["reply"]) == ["half ?"] * 4
        assert {each.name for each in fields(Row)} - {"id", "usage"} <= set(frame.columns)


def broken_parts() -> dict[str, bytes]:
    import pyarrow as pa
    import pyarrow.parquet as pq

    whole, foreign = pack_part([Row(key="k", status="ok")] * 9, names(9), 1), io.BytesIO()
    pq.write_table(pa.table({"a": [1]}), foreign)
    return {"empty": b"", "text": b"hello", "cut": whole[:-20], "foreign": foreign.getvalue(),
            "wrong": whole[:40] + bytes(200) + whole[240:]}  # fmt: skip


@pytest.mark.parametrize("kind", ["empty", "text", "cut", "foreign", "wrong"])
def test_a_broken_part_is_a_row_that_says_where(tmp_path, kind) -> None:
    folder, name = RunFolder(tmp_path), part_name("luna-1a2b3c4d", 1)
    folder.write(name, broken_parts()[kind])
    with pytest.raises(InternalError, match=name):
        read_part(folder.read(name), name)
    replies = StoredReplies(folder, ["luna-1a2b3c4d"], [9, 9])
    found = replies.get(replies.row_id(0, 1, 4))
    assert (found.status, found.code) == ("InternalError", "journal")
    assert name in found.message
    gone = replies.get(replies.row_id(0, 0, 0))
    assert "part-00000.parquet" in gone.message
    with pytest.raises(KeyError):
        replies.get(replies.row_id(1, 0, 0))


def test_one_row_with_a_wrong_value_leaves_the_others(tmp_path) -> None:
    import pyarrow as pa
    import pyarrow.parquet as pq

    listed = [Row(key=f"{at}", status="ok", reply="{}") for at in range(3)]
    table = pq.read_table(io.BytesIO(pack_part(listed, names(3), 1)))
    at = table.column_names.index("status")
    table, changed = table.set_column(at, "status", pa.array(["ok", "fine", "ok"])), io.BytesIO()
    pq.write_table(table, changed)
    found = read_part(changed.getvalue(), "part-00007")
    assert [each.status for each in found] == ["ok", "InternalError", "ok"]
    assert "part-00007" in found[1].message
    assert (found[0], found[2]) == (listed[0], listed[2])


def test_names_are_those_of_the_data_set() -> None:
    assert part_name("m-1a2b3c4d", 7) == "replies/variant=m-1a2b3c4d/part-00007.parquet"
    assert log_folder("m-1a2b3c4d", 123456) == "journal/variant=m-1a2b3c4d/part-123456"
