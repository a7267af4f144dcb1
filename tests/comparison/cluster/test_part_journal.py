"""A chunk's journal: what was paid outlives whoever asked, and is not paid for again."""

from __future__ import annotations

import errno
import os
import random
import threading
import time
from array import array
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from dataclasses import replace
from functools import partial

import pytest

from llmwidgets.comparison.cluster.replies.folder import RunFolder
from llmwidgets.comparison.cluster.replies.part_journal import (
    PaidTwice,
    PartJournal,
    count_paid_twice,
)
from llmwidgets.comparison.cluster.replies.parts import (
    log_folder,
    pack_log_entry,
    pack_part,
    part_name,
    read_part,
)
from llmwidgets.engine.journal_rows import Row
from llmwidgets.errors import FieldError
from tests.comparison.cluster.attempts import (
    AT_ONCE,
    DOLLARS,
    CountingServer,
    attempt,
    attempting_elsewhere,
    chunk_of,
)
from tests.comparison.cluster.object_store import BUCKET, ObjectStore, serving_objects
from tests.servers import serving_models

NAME = "luna-1a2b3c4d"
PART, LOGS = part_name(NAME, 0), log_folder(NAME, 0)


@pytest.fixture
def server() -> Iterator[CountingServer]:
    with serving_models(CountingServer) as serving:
        yield serving
        serving.go()


def part_of(place: object, name: str) -> list[Row]:
    return read_part(RunFolder(str(place)).read(part_name(name, 0)) or b"")


def logs_of(place: object, name: str) -> list[str]:
    return RunFolder(str(place)).names(log_folder(name, 0))


# -- Processes that end when nobody expects it.


def test_a_process_that_is_killed_costs_at_most_the_calls_in_flight(tmp_path, server) -> None:
    many, server.hold_after = 30, 12
    _, name = chunk_of(server.url, many)
    with attempting_elsewhere(str(tmp_path), server.url, many):
        server.wait_until_held(AT_ONCE)
    (log,) = logs_of(tmp_path, name)
    with open(tmp_path / log, "ab") as torn:
        torn.write(pack_log_entry(Row(key="torn", status="ok"))[:-5])
    server.go()
    again = attempt(str(tmp_path), server.url, many)
    repeated = sum(server.calls.values()) - many
    assert repeated == AT_ONCE
    assert again.reused.count(True) == 12
    (progress,) = again.run.progress
    assert (progress.reused, progress.paid_before) == (12, pytest.approx(12 * DOLLARS))
    rows = part_of(tmp_path, name)
    assert [each.reply for each in rows] == [f'{{"number": {at}}}' for at in range(many)]
    # No answer came twice: what was in flight is known to the server alone.
    assert count_paid_twice(RunFolder(tmp_path), [name]) == PaidTwice()
    assert logs_of(tmp_path, name) == []


def test_a_process_that_is_killed_after_the_end_costs_nothing(tmp_path, server) -> None:
    many = 12
    _, name = chunk_of(server.url, many)
    with attempting_elsewhere(str(tmp_path), server.url, many) as process:
        assert process.stdout.readline() == "done 0\n"
    assert logs_of(tmp_path, name) == []
    before = (tmp_path / part_name(name, 0)).stat().st_mtime_ns
    again = attempt(str(tmp_path), server.url, many)
    assert again.reused == [True] * many
    assert set(server.calls.values()) == {1}
    assert (tmp_path / part_name(name, 0)).stat().st_mtime_ns == before
    assert logs_of(tmp_path, name) == []


def test_two_attempts_at_once_make_one_part_and_what_was_paid_twice_is_known(
    tmp_path, server
) -> None:
    many, server.hold_after = 20, 0
    _, name = chunk_of(server.url, many)
    # Nothing is answered before both of them ask.
    release = threading.Thread(target=lambda: (server.wait_until_held(2 * AT_ONCE), server.go()))
    with attempting_elsewhere(str(tmp_path), server.url, many) as process:
        release.start()
        server.wait_until_held(AT_ONCE)
        own = attempt(str(tmp_path), server.url, many)
        other = int(process.stdout.readline().removeprefix("done "))
    release.join(10)
    rows = part_of(tmp_path, name)
    assert [each.reply for each in rows] == [f'{{"number": {at}}}' for at in range(many)]
    twice = sum(server.calls.values()) - many
    assert twice >= AT_ONCE
    assert own.journal.paid_twice.rows + other == twice
    found = count_paid_twice(RunFolder(tmp_path), [name])
    assert found == (twice, pytest.approx(twice * DOLLARS))
    assert logs_of(tmp_path, name) == []
    assert part_of(tmp_path, name) == rows


# -- One process.


def test_failures_are_asked_again_and_the_part_is_completed(tmp_path, server) -> None:
    server.refused = frozenset({3, 7})
    _, name = chunk_of(server.url, 10)
    attempt(str(tmp_path), server.url, 10)
    statuses = [each.status for each in part_of(tmp_path, name)]
    assert [at for at, each in enumerate(statuses) if each != "ok"] == [3, 7]
    server.refused = frozenset({7})
    again = attempt(str(tmp_path), server.url, 10)
    assert [at for at, each in enumerate(again.reused) if not each] == [3, 7]
    server.refused = frozenset()
    attempt(str(tmp_path), server.url, 10)
    assert [each.status for each in part_of(tmp_path, name)] == ["ok"] * 10
    assert server.calls == {at: 1 + (at == 3) + 2 * (at == 7) for at in range(10)}
    assert logs_of(tmp_path, name) == []


def test_a_full_disk_is_found_out_before_anything_is_asked(tmp_path, monkeypatch) -> None:
    def full(_file: int, _data: bytes) -> int:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "write", full)
    with pytest.raises(FieldError, match="no space left on"):
        PartJournal(RunFolder(tmp_path), NAME, 0)


def test_a_disk_that_becomes_full_loses_nothing_and_is_said(tmp_path, server, monkeypatch) -> None:
    folder = RunFolder(tmp_path)
    journal = PartJournal(folder, NAME, 0)
    write = os.write

    def full(file: int, data: bytes) -> int:
        # A full disk takes a part of it.
        if len(data) > 20:
            return write(file, data[:20])
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    one, two, three = (answer(at) for at in range(3))
    journal.put(one)
    monkeypatch.setattr(os, "write", full)
    id_ = journal.put(two)
    sentence, hint = journal.trouble
    assert "no space left on" in sentence
    assert str(tmp_path) in sentence
    assert hint
    assert journal.get(id_).reply == two.reply
    monkeypatch.undo()
    journal.put(three)
    assert journal.trouble == ("", "")
    assert PartJournal(folder, NAME, 0).find(two.key) is not None
    journal.finish(array("q", [1, 2, 3]), ["a", "b", "c"], 1)
    assert read_part(folder.read(PART)) == [one, two, three]


def test_a_folder_that_cannot_be_written_is_told_before_anything_is_asked(
    tmp_path, monkeypatch
) -> None:
    folder = RunFolder(tmp_path)

    def refuse(*_: object, **__: object) -> None:
        raise OSError(errno.EROFS, os.strerror(errno.EROFS))

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(FieldError, match="is read-only"):
        PartJournal(folder, NAME, 0)


def answer(at: int, *, when: float = 100.0, **more: object) -> Row:
    return Row(**{"key": f"{at:064}", "status": "ok", "reply": f"{at}", "at": when + at,
                  "seconds": 0.5, "cost": 0.25, **more})  # fmt: skip


def failure(at: int, **more: object) -> Row:
    return answer(at, status="Unreachable", reply=None, cost=None, code="dns", **more)


def write_log(folder: RunFolder, *rows: Row, attempt: str = "00") -> None:
    log = folder.open_log(f"{LOGS}/{attempt}.log")
    for row in rows:
        log.append(pack_log_entry(row))
    log.close()


def finished(journal: PartJournal, *rows: Row) -> PaidTwice:
    ids = array("q", [journal.put(row) for row in rows])
    whole = journal.finish(ids, [f"t{at}" for at in range(len(rows))], 1)
    written = read_part(journal._folder.read(PART))
    assert whole == (written == list(rows))
    return journal.paid_twice


@pytest.fixture(scope="module")
def store() -> Iterator[ObjectStore]:
    with serving_objects() as serving:
        yield serving


@pytest.fixture(params=["path", "s3://"])
def folder(request, tmp_path) -> RunFolder:
    if request.param == "path":
        return RunFolder(tmp_path)
    store = request.getfixturevalue("store")
    store.objects.clear()
    return RunFolder(f"s3://{BUCKET}/run{store.parameters}")


def test_the_first_answer_counts_and_a_failure_hides_none(folder) -> None:
    write_log(folder, failure(1), answer(1, when=300.0), attempt="0a")
    write_log(folder, answer(1), failure(1, when=400.0), attempt="0b")
    journal = PartJournal(folder, NAME, 0)
    assert journal.find(answer(1).key) == replace(answer(1), id=journal.find(answer(1).key).id)
    assert journal.logs == ("0a", "0b")
    assert not journal.had_part
    folder.write(PART, pack_part([answer(1, when=500.0)], ["t1"], 1))
    assert PartJournal(folder, NAME, 0).find(answer(1).key).at == 501.0


def test_who_ends_second_adds_what_the_part_has_no_answer_for(folder) -> None:
    one, two = PartJournal(folder, NAME, 0), PartJournal(folder, NAME, 0)
    assert finished(one, answer(0), answer(1), failure(2), failure(3)) == PaidTwice()
    # Stopped: what was not asked is one row, which has no key.
    stopped = Row(key="", status="Stopped", at=200.0)
    assert finished(two, stopped, answer(1, when=150.0), answer(2), failure(3, when=160.0)) == (
        PaidTwice(1, 0.25)
    )
    expected = [answer(0), answer(1), answer(2), failure(3, when=160.0)]
    assert read_part(folder.read(PART)) == expected
    assert count_paid_twice(folder, [NAME]) == PaidTwice(1, 0.25)
    assert folder.names(LOGS) == []
    # Counted once.
    assert count_paid_twice(folder, [NAME]) == PaidTwice()


def test_an_answer_that_a_part_lacks_is_put_into_it_at_the_end(folder) -> None:
    folder.write(PART, pack_part([answer(0), failure(1)], ["t0", "t1"], 1))
    write_log(folder, answer(1), attempt="0a")
    write_log(folder, answer(1, when=300.0), answer(0, when=300.0), attempt="0b")
    assert count_paid_twice(folder, [NAME, "other-00000000"]) == PaidTwice(2, 0.5)
    assert read_part(folder.read(PART)) == [answer(0), answer(1)]
    assert folder.names(LOGS) == []


def test_answers_without_a_part_stay_in_their_logs(folder) -> None:
    write_log(folder, answer(0), attempt="0a")
    write_log(folder, answer(0, when=300.0), attempt="0b")
    assert count_paid_twice(folder, [NAME]) == PaidTwice(1, 0.25)
    again = PartJournal(folder, NAME, 0)
    assert again.logs == ("0a", "0b")
    assert again.find(answer(0).key).at == 100.0


def test_a_new_judgement_is_no_second_call(folder) -> None:
    folder.write(PART, pack_part([answer(0)], ["t0"], 1))
    journal = PartJournal(folder, NAME, 0)
    judged = answer(0, status="InvalidRecord", message="is no longer valid")
    assert finished(journal, judged) == PaidTwice()
    assert read_part(folder.read(PART)) == [judged]
    assert count_paid_twice(folder, [NAME]) == PaidTwice()


def test_answers_to_the_question_in_another_form_are_kept_beside_the_part(folder) -> None:
    folder.write(PART, pack_part([answer(0), answer(1)], ["t0", "t1"], 1))
    finished(PartJournal(folder, NAME, 0), answer(10), answer(11))
    assert [each.key for each in read_part(folder.read(PART))] == [answer(10).key, answer(11).key]
    assert count_paid_twice(folder, [NAME]) == PaidTwice()
    again = PartJournal(folder, NAME, 0)
    assert all(again.find(answer(at).key) for at in (0, 1, 10, 11))


def test_a_broken_part_is_kept_and_another_one_written(folder) -> None:
    folder.write(PART, b"PAR1 broken")
    journal = PartJournal(folder, NAME, 0)
    assert journal.find(answer(0).key) is None
    finished(journal, answer(0))
    assert read_part(folder.read(PART)) == [answer(0)]
    (kept,) = folder.names(LOGS)
    assert folder.read(kept) == b"PAR1 broken"
    assert PartJournal(folder, NAME, 0).logs == ()


def one_attempt(place: str, paid: list[tuple[str, float]], seed: str) -> None:
    """Ask six questions, some of which fail; end, be stopped, or be killed on the way."""
    chance, journal, ids = random.Random(seed), PartJournal(RunFolder(place), NAME, 0), array("q")
    fate, asked = chance.choice(["ends", "ends", "stopped", "killed"]), chance.randrange(6)
    for at in range(6 if fate == "ends" else asked):
        row = journal.find(answer(at).key)
        if row is None:
            time.sleep(chance.random() / 500)
            make = failure if chance.random() < 0.2 else answer
            row = make(at, when=chance.random() * 1e9)
            if row.answered:
                paid.append((row.key, row.at))
            ids.append(journal.put(row))
        else:
            ids.append(row.id)
    if fate != "killed":
        stopped = journal.put(Row(key="", status="Stopped"))
        ids.extend([stopped] * (6 - len(ids)))
        journal.finish(ids, [f"t{at}" for at in range(6)], 1)


def test_whatever_attempts_there_are_no_answer_is_lost_and_each_counts_once(folder) -> None:
    stored = "://" in folder.place
    for seed in range(2 if stored else 10):
        where, query, more = folder.place.partition("?")
        place, paid = f"{where}/{seed}{query}{more}", list[tuple[str, float]]()
        for wave in range(2):
            with ThreadPoolExecutor(3) as pool:
                seeds = [f"{seed} {wave} {at}" for at in range(3)]
                list(pool.map(partial(one_attempt, place, paid), seeds))
        here, answered = RunFolder(place), {key for key, _ in paid}
        assert count_paid_twice(here, [NAME]).rows == len(set(paid)) - len(answered)
        part = here.read(PART)
        rows = [] if part is None else read_part(part)
        keys = [each.key if each.answered else "" for each in rows]
        assert all(key in ("", answer(at).key) for at, key in enumerate(keys))
        again = PartJournal(here, NAME, 0)
        assert {key for key in map(str, answered) if again.find(key)} == answered
        # A failure stands only where nobody has an answer.
        assert not {each.key for each in rows if not each.answered} & answered


def test_a_run_that_breaks_off_leaves_its_log_whole(folder) -> None:
    journal = PartJournal(folder, NAME, 0)
    journal.put(answer(0))
    del journal
    assert PartJournal(folder, NAME, 0).find(answer(0).key) is not None
    with suppress(KeyError):
        PartJournal(folder, NAME, 0).get(2)
        pytest.fail("there is no such row")
