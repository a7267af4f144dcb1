"""The rows of a run's parts: found by arithmetic, read a part at a time, whatever became of it."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from llmwidgets.comparison.cluster.replies import stored_replies
from llmwidgets.comparison.cluster.replies.folder import RunFolder
from llmwidgets.comparison.cluster.replies.parts import pack_part, part_name
from llmwidgets.comparison.cluster.replies.stored_replies import StoredReplies, index_replies
from llmwidgets.comparison.core import CellKey
from llmwidgets.dialects.types import Enforcement
from llmwidgets.engine.extraction import OTHERS_BROKE
from llmwidgets.engine.journal import Row
from llmwidgets.errors import OverBudget

NAMES = ("quick-0001", "slow-0002")
SIZES = (3, 3, 2)


def key(variant: int, at: int) -> str:
    return f"{variant:02}{at:02}".rjust(64, "0")


@pytest.fixture
def folder(tmp_path: Path) -> RunFolder:
    """A run of two variants and eight texts in three chunks; every reply says whose it is."""
    folder = RunFolder(str(tmp_path / "run"))
    for variant, name in enumerate(NAMES):
        for chunk, size in enumerate(SIZES):
            start = sum(SIZES[:chunk])
            rows = [
                Row(
                    key=key(variant, at), status="ok", reply=f'"{variant}-{at}"',
                    mode=Enforcement.SCHEMA,
                )
                for at in range(start, start + size)
            ]  # fmt: skip
            ids = [f"t{at}" for at in range(start, start + size)]
            folder.write(part_name(name, chunk), pack_part(rows, ids, 1))
    return folder


ALL = {(variant, chunk): b"" for variant in range(2) for chunk in range(3)}


def test_each_cell_has_its_reply(folder: RunFolder) -> None:
    replies = StoredReplies(folder, NAMES, SIZES)
    rows = index_replies(replies, 8, 1, ALL | {(1, 2): b"\0\1"}, {})

    found = {cell: replies.get(rows.id(cell)) for cell in rows.cells()}

    assert {cell: row.reply for cell, row in found.items()} == {
        cell: f'"{cell.variant}-{cell.text}"' for cell in rows.cells()
    }
    assert all(row.id == rows.id(cell) for cell, row in found.items())
    assert [cell for cell in rows.cells() if rows.reused(cell)] == [CellKey(1, 7, 0)]
    assert replies.get_all(list(map(rows.id, rows.cells()))) == list(found.values())


def test_chunks_without_a_part_are_rows_of_their_class(folder: RunFolder) -> None:
    replies = StoredReplies(folder, NAMES, SIZES)
    spent = Row.of_failure("", OverBudget("The budget is spent.", "Give more."))
    known = {at: flags for at, flags in ALL.items() if at not in ((0, 1), (0, 2), (1, 0))}

    rows = index_replies(replies, 8, 1, known, {(0, 1): spent, (0, 2): spent})

    ids = [rows.id(CellKey(0, at, 0)) for at in range(3, 8)]
    assert len(set(ids)) == 1
    assert replies.get(ids[0]).status == "OverBudget"
    assert [rows.id(CellKey(1, at, 0)) for at in range(3)] == [0, 0, 0]
    assert replies.get(rows.id(CellKey(1, 3, 0))).reply == '"1-3"'


@pytest.mark.parametrize("harm", ["gone", "cut", "another's"])
def test_a_harmed_part_leaves_the_others_readable(folder: RunFolder, harm: str) -> None:
    name = part_name(NAMES[0], 1)
    data = folder.read(name)
    assert data is not None
    if harm == "gone":
        folder.remove(name)
    else:
        other = folder.read(part_name(NAMES[0], 2)) or b""
        folder.write(name, data[:200] if harm == "cut" else other)
    replies = StoredReplies(folder, NAMES, SIZES)
    rows = index_replies(replies, 8, 1, ALL, {})

    states = [replies.get(rows.id(CellKey(0, at, 0))).status for at in range(8)]

    assert states == ["ok"] * 3 + ["InternalError"] * 3 + ["ok"] * 2
    lost = replies.get(rows.id(CellKey(0, 4, 0)))
    assert (lost.code, lost.id) == ("journal", rows.id(CellKey(0, 4, 0)))


@pytest.mark.parametrize("large", ["rows", "reply"])
def test_a_part_that_would_fill_the_memory_is_not_unpacked(
    folder: RunFolder, large: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A few kilobytes that somebody else wrote can be any size."""
    many = 50_000 if large == "rows" else 3
    reply = "A" * (1 if large == "rows" else 23_000_000)
    rows = [Row(key=key(0, at), status="ok", reply=f"{reply}{at}") for at in range(many)]
    data = pack_part(rows, [""] * many, 1)
    assert len(data) < 1_000_000
    folder.write(part_name(NAMES[0], 0), data)

    def unpack(*_: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(stored_replies, "read_part", unpack)
    replies = StoredReplies(folder, NAMES, SIZES)

    assert replies.get(replies.row_id(0, 0, 0)).status == "InternalError"


def test_an_unknown_id_is_a_key_error(folder: RunFolder) -> None:
    replies = StoredReplies(folder, NAMES, SIZES)

    for unknown in (0, 5, replies.row_id(0, 0, 3), replies.row_id(2, 0, 0)):
        with pytest.raises(KeyError):
            replies.get(unknown)


def test_a_schema_that_one_reply_broke_is_enforced_nowhere(folder: RunFolder) -> None:
    replies = StoredReplies(
        folder, NAMES, SIZES, lambda variant, place: variant == 1 and place != 4
    )
    rows = index_replies(replies, 8, 1, ALL, {})

    modes = [[replies.get(rows.id(CellKey(variant, at, 0))).mode for at in range(8)]
             for variant in range(2)]  # fmt: skip

    assert modes[0] == [Enforcement.SCHEMA] * 8
    assert modes[1] == [Enforcement.SCHEMA if at == 4 else Enforcement.JSON for at in range(8)]
    row = replies.get(rows.id(CellKey(1, 0, 0)))
    assert (row.notes, row.schema_shown, row.id) == (
        (OTHERS_BROKE,),
        False,
        rows.id(CellKey(1, 0, 0)),
    )


def test_replies_are_found_by_their_question(folder: RunFolder) -> None:
    replies = StoredReplies(folder, NAMES, SIZES)
    folder.remove(part_name(NAMES[0], 0))

    found = replies.find(key(1, 4))
    assert found is not None
    assert found.reply == '"1-4"'
    assert replies.find(key(0, 1)) is None
    put = replies.put(Row(key=key(0, 1), status="ok", reply="1"))
    again = replies.find(key(0, 1))
    assert again is not None
    assert (again.reply, again.id) == ("1", put)
    assert replies.get(put).reply == "1"


def test_looks_count_for_every_process(folder: RunFolder) -> None:
    one, two = (StoredReplies(folder, NAMES, SIZES) for _ in range(2))
    rows = index_replies(one, 8, 1, ALL, {})
    for cell in rows.cells():
        one.get(rows.id(cell))

    one.put_look(8, [[key(0, 1), key(0, 5)], [key(1, 1)]])

    assert two.looks(rows.ids) == {8}
    assert two.looks(rows.ids - {rows.id(CellKey(1, 1, 0))}) == set()
    assert StoredReplies(folder, NAMES[:1], SIZES).looks(rows.ids) == set()
    folder.write("looks/odd.json", b'{"scored": 1, "rows": [[1]]}')
    assert two.looks(rows.ids) == {8}


def test_memory_holds_the_parts_that_were_looked_at_last(
    folder: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stored_replies, "_KEPT_BYTES", 8_000)
    replies = StoredReplies(folder, NAMES, SIZES)
    rows = index_replies(replies, 8, 1, ALL, {})

    for cell in rows.cells():
        replies.get(rows.id(cell))
        assert len(replies._parts) == 1 or replies._bytes <= 8_000
    assert 1 <= len(replies._parts) < len(ALL)


def test_many_threads_read_the_same(folder: RunFolder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stored_replies, "_KEPT_BYTES", 6_000)
    replies = StoredReplies(folder, NAMES, SIZES)
    rows = index_replies(replies, 8, 1, ALL, {})
    cells = [*rows.cells()] * 6

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda cell: replies.get(rows.id(cell)).reply, cells))

    assert found == [f'"{cell.variant}-{cell.text}"' for cell in cells]
    assert replies._bytes == sum(map(stored_replies._size_of, replies._parts.values()))


def test_an_index_of_a_million_cells_is_made_at_once(tmp_path: Path) -> None:
    replies = StoredReplies(RunFolder(str(tmp_path)), NAMES, [500] * 1_000)
    parts = {(variant, chunk): bytes(500) for variant in range(2) for chunk in range(1_000)}

    begun = time.process_time()
    rows = index_replies(replies, 500_000, 1, parts, {})

    assert time.process_time() - begun < 2
    assert rows.id(CellKey(1, 499_999, 0)) == replies.row_id(1, 999, 499)
