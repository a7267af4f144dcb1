"""The form of a journal's rows: half as large as in 0.1.0, whose files are read as they are."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmwidgets.cli import main
from llmwidgets.dialects.types import Enforcement, ResponseFormat, Usage
from llmwidgets.engine.journal import Journal, Row
from llmwidgets.errors import Unreachable
from tests.old_journals import write_old_journal

ONE, TWO, THREE, FOUR = (digit * 64 for digit in "1234")
ROW = Row(
    key=FOUR, status="ok", at=1_700_000_009.5, reply='{"a": 4}', usage=Usage(300, 40, 0, None),
    seconds=0.75, waiting_seconds=0.125, cost=0.00012, form=ResponseFormat.JSON_SCHEMA,
    mode=Enforcement.SCHEMA, schema_shown=False, served_model="m-1", request_id="req-é", tries=1,
    notes=("a note",), known_as="m", output_limit=4096,
)  # fmt: skip


@pytest.fixture
def path(tmp_path) -> Path:
    return tmp_path / "j.sqlite"


def changed(path: Path, *statements: str) -> list[Any]:
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        return [other.execute(each).fetchall() for each in statements]


def test_a_file_of_the_first_version_is_read_as_it_is_and_goes_on(path) -> None:
    write_old_journal(path)
    journal = Journal(path)
    assert journal.notice == ""
    found = journal.find(ONE)
    assert (found.id, found.reply, found.tries, found.usage.input_tokens) == (2, '{"a": 2}', 2, 100)
    assert journal.get(1).reply == '{"a": 1, "é": "ü"}'
    assert journal.get(1).request_id == "req-1"
    assert journal.find(TWO).status == "Truncated"
    assert journal.find(THREE) is None
    assert str(journal.get(4).failure()) == str(Unreachable("gone", "Wait."))
    assert journal.looks([1, 3]) == {5}
    before = changed(path, "SELECT * FROM extraction")
    newest = journal.put(replace(ROW, key=ONE))
    assert journal.find(ONE) == replace(ROW, key=ONE, id=newest)
    assert journal.looks([newest, 3]) == {5}
    assert len(journal) == 5
    journal.close()
    assert changed(path, "SELECT * FROM extraction WHERE id < 5") == before


# What version 0.1.0 does with a file, word for word.
OPENS = (
    "SELECT name FROM sqlite_master WHERE type = 'table'",
    "PRAGMA journal_mode = WAL",
    "CREATE TABLE IF NOT EXISTS extraction (id INTEGER PRIMARY KEY, key TEXT NOT NULL, at REAL NOT "
    "NULL, status TEXT NOT NULL, answered INTEGER NOT NULL, reply TEXT, facts TEXT NOT NULL)",
    "CREATE INDEX IF NOT EXISTS answered_by_key ON extraction (key) WHERE answered",
    "SELECT key, at, status, answered, reply, facts FROM extraction LIMIT 1",
)
FINDS = (
    "SELECT id, key, at, status, answered, reply, facts FROM extraction"
    f" WHERE key = '{FOUR}' AND answered ORDER BY id DESC LIMIT 1"
)
WRITES = (
    "INSERT INTO extraction (key, at, status, answered, reply, facts)"
    f" SELECT '{FOUR}', 1700000010.0, status, answered, '{{}}', facts FROM extraction WHERE id = 1"
)


def test_the_first_version_goes_on_with_a_file_that_this_one_wrote(path) -> None:
    """It does not see the new rows; what it writes among them is found."""
    write_old_journal(path)
    journal = Journal(path)
    ours = journal.put(ROW)
    assert changed(path, *OPENS)[0][0] == ("extraction",)
    assert changed(path, FINDS) == [[]]
    changed(path, WRITES)
    assert len(changed(path, FINDS)[0]) == 1
    assert journal.find(FOUR).reply == "{}"
    assert journal.get(ours) == replace(ROW, id=ours)
    journal.close()


def test_a_row_takes_half_of_what_it_did(path) -> None:
    """1,108 bytes on disk before, with the index, of a call with a reply of some 290 bytes."""
    rows = 3_000
    journal = Journal(path)
    for number in range(rows):
        request = f"req_{number:032x}"
        journal.put(
            replace(ROW, key=f"{number:064x}"[::-1], reply="x" * 290, seconds=number / 7,
                    cost=number / 11e6, request_id=request, usage=Usage(number, 40, 0, 0))
        )  # fmt: skip
    journal.close()
    assert path.stat().st_size / rows < 554
    assert changed(path, "SELECT count(*) FROM fact") == [[(1,)]]


TEXTS = st.text(max_size=8).map(lambda text: text.encode("utf-8", "replace").decode())
TOKENS = st.none() | st.integers(0, 10**10) | st.sampled_from([2**32 - 1, 2**32])
AMOUNTS = st.none() | st.floats(0, 1e10)


@given(
    st.sampled_from([ONE, ONE.upper(), "ab" * 32, "k", "ab"]),
    st.builds(Usage, TOKENS, TOKENS, TOKENS, TOKENS),
    st.tuples(AMOUNTS, AMOUNTS, AMOUNTS, st.integers(0, 100_000), st.integers(0, 100_000)),
    st.none() | TEXTS,
    st.lists(TEXTS, max_size=3).map(tuple),
    TEXTS,
    st.none() | st.sampled_from([*ResponseFormat]),
    st.none() | st.booleans(),
)
def test_whatever_a_row_says_comes_back(
    key, usage, numbers, request_id, notes, message, form, schema_shown
) -> None:
    seconds, waiting, cost, tries, timed_out = numbers
    row = Row(
        key=key, status="ok", reply="{}", usage=usage, seconds=seconds, waiting_seconds=waiting,
        cost=cost, tries=tries, timed_out=timed_out, request_id=request_id, notes=notes,
        dropped=notes, message=message, form=form, schema_shown=schema_shown,
    )  # fmt: skip
    with closing(Journal(False)) as journal:
        at = journal.put(row)
        assert journal.get(at) == journal.find(key) == replace(row, id=at)


@pytest.fixture
def mixed(path) -> Iterator[Journal]:
    """A file of both forms; of the new rows, two share their facts."""
    write_old_journal(path)
    journal = Journal(path)
    for number in range(3):
        journal.put(replace(ROW, at=1_600_000_000.0 + number * 1e8, known_as=f"m{number // 2}"))
    yield journal
    journal.close()


def test_clearing_takes_the_facts_that_no_row_has_any_more(mixed, path, capsys) -> None:
    mixed.close()
    assert changed(path, "SELECT count(*) FROM fact") == [[(2,)]]
    assert main(["journal", "--journal", str(path), "--clear-before", "2024-01-01"]) == 0
    assert "Deleted 6 rows" in capsys.readouterr().out
    assert changed(path, "SELECT count(*) FROM fact") == [[(1,)]]
    assert Journal(path).find(FOUR).known_as == "m1"
    assert main(["journal", "--journal", str(path), "--clear-before", "2028-01-01"]) == 0
    assert changed(path, "SELECT count(*) FROM fact") == [[(0,)]]


def test_a_file_of_the_first_version_is_cleared(path, capsys) -> None:
    write_old_journal(path)
    assert main(["journal", "--journal", str(path), "--clear-before", "2024-01-01"]) == 0
    assert "Deleted 4 rows" in capsys.readouterr().out


def test_a_journal_in_use_goes_on_when_another_process_clears_the_file(mixed, path) -> None:
    """The facts that its rows share may be gone: they are written with the next one."""
    main(["journal", "--journal", str(path), "--clear-before", "2028-01-01"])
    at = mixed.put(ROW)
    mixed.close()
    assert Journal(path).get(at) == replace(ROW, id=at)


@pytest.mark.parametrize(
    "change",
    [
        "DELETE FROM fact",
        "UPDATE fact SET words = '5'",
        "UPDATE fact SET words = x'ff'",
        'UPDATE fact SET words = \'{"mode": "x"}\'',
        "UPDATE extraction SET facts = x''",
        "UPDATE extraction SET facts = substr(facts, 1, 20)",
        "UPDATE extraction SET facts = CAST(x'02' || substr(facts, 2) AS BLOB)",
        "UPDATE extraction SET facts = CAST(facts || x'ff' AS BLOB)",
        "UPDATE extraction SET key = x'00'",
        "UPDATE extraction SET facts = replace(hex(zeroblob(60000)), '00', '[')",
        "UPDATE fact SET words = replace(hex(zeroblob(60000)), '00', '[')",
        "UPDATE extraction SET reply = CAST(x'c328' AS TEXT)",
        "UPDATE extraction SET facts = CAST(x'c328' AS TEXT)",
        "UPDATE fact SET words = CAST(x'c328' AS TEXT)",
    ],
)
def test_a_row_of_another_hand_is_told_and_asked_again(path, change) -> None:
    journal = Journal(path)
    at = journal.put(ROW)
    journal.close()
    changed(path, change)
    journal = Journal(path)
    assert journal.find(FOUR) is None
    assert "key" in change or journal.get(at).status == "InternalError"
    later = journal.put(ROW)
    assert "words" in change or journal.find(FOUR) == replace(ROW, id=later)
    journal.close()


def test_rows_that_waited_bring_their_facts(path) -> None:
    journal = Journal(path)
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        ids = [journal.put(replace(ROW, key=digit * 64, known_as=digit)) for digit in "56"]
        other.execute("ROLLBACK")
    journal.settle()
    assert [journal.get(at).known_as for at in ids] == ["5", "6"]
    journal.close()
    again = Journal(path)
    assert [again.find(digit * 64).known_as for digit in "56"] == ["5", "6"]
    again.close()
