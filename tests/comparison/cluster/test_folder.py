"""A run's folder, on a disk and in an object store: whole files, one first writer, plain errors."""

from __future__ import annotations

import errno
import os
import shutil
import stat
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from llmwidgets.comparison.cluster.replies import storage
from llmwidgets.comparison.cluster.replies.folder import RunFolder
from llmwidgets.comparison.cluster.replies.manifest import Manifest, claim_folder, identify_texts
from llmwidgets.comparison.cluster.runs import name_folder
from llmwidgets.comparison.runs import RunOptions
from llmwidgets.engine.journal import Journal
from llmwidgets.engine.request_builder import Document
from llmwidgets.errors import FieldError
from llmwidgets.schemas import read_schema
from tests.comparison.cluster.object_store import BUCKET, ObjectStore, serving_objects

SCHEMA = read_schema([{"name": "total", "type": "number"}])
ODD = "replies/variant=gpt-6 é#?%41+'&-1a2b3c4d/part-00000.parquet"


@pytest.fixture(scope="module")
def serving() -> Iterator[ObjectStore]:
    with serving_objects() as store:
        yield store


@pytest.fixture
def store(serving: ObjectStore) -> ObjectStore:
    serving.objects.clear()
    serving.requests.clear()
    serving.refused = ""
    return serving


@pytest.fixture(params=["path", "file://", "s3://"])
def folder(request, tmp_path) -> RunFolder:
    place = tmp_path / "run 1 é"
    if request.param == "s3://":
        store = request.getfixturevalue("store")
        return RunFolder(f"s3://{BUCKET}/runs/run 1 é{store.parameters}")
    return RunFolder(place if request.param == "path" else place.as_uri())


def test_files_are_written_found_and_removed(folder) -> None:
    assert folder.read("lease/1") is None
    assert folder.names("replies") == []
    folder.write("lease/1", b"1")
    folder.write("lease/1", b"2", lasting=True)
    assert RunFolder(folder.place).read("lease/1") == b"2"
    assert folder.write_new(ODD, b"first")
    assert not folder.write_new(ODD, b"second")
    assert folder.read(ODD) == b"first"
    folder.write("replies/z", bytes(100_000))
    assert folder.names("replies") == sorted([ODD, "replies/z"])
    folder.remove(ODD)
    folder.remove(ODD)
    assert folder.names("replies") == ["replies/z"]
    assert folder.read("replies/z") == bytes(100_000)


def test_a_log_has_all_that_was_appended(folder, monkeypatch) -> None:
    monkeypatch.setattr(storage, "SEGMENT_ROWS", 3)
    log = folder.open_log("journal/part-00000/ab.log")
    for at in range(8):
        log.append(f"{at}\n".encode())
    log.close()
    names = folder.names("journal")
    assert all(each.startswith("journal/part-00000/ab.log") for each in names)
    found = b"".join(folder.read(each) for each in names)
    # That of a disk begins with an empty line.
    assert found.lstrip() == b"".join(f"{at}\n".encode() for at in range(8))


def test_a_log_of_an_object_store_is_there_within_two_seconds(store, monkeypatch) -> None:
    monkeypatch.setattr(storage, "FLUSH_SECONDS", 0.05)
    folder = RunFolder(f"s3://{BUCKET}/run{store.parameters}")
    log = folder.open_log("journal/ab.log")
    log.append(b"1")
    never = threading.Event()
    while b"1" not in store.objects.values():
        assert not never.wait(0.01)
    log.close()
    # One request for each piece, none for what is empty.
    assert store.requests == [f"PUT /{BUCKET}/run/journal/ab.log.0000{at}" for at in (0, 1)]


def test_what_a_store_did_not_take_is_in_the_next_piece(store, monkeypatch) -> None:
    monkeypatch.setattr(storage, "FLUSH_SECONDS", 0.05)
    folder = RunFolder(f"s3://{BUCKET}/run{store.parameters}")
    log = folder.open_log("journal/ab.log")
    store.refused = "AccessDenied"
    log.append(b"1")
    never = threading.Event()
    while len(store.requests) < 2:
        assert not never.wait(0.01)

    def go_on() -> None:
        while True:
            log.append(b"2")
            never.wait(0.01)

    with pytest.raises(FieldError, match="does not allow it") as caught:
        go_on()
    assert "s3://bucket/run" in str(caught.value)
    assert "made-up" not in str(caught.value)
    store.refused = ""
    log.close()
    found = b"".join(store.objects[each] for each in sorted(store.objects))
    assert found.strip(b"2") == b"1"
    assert found.startswith(b"12") or found == b"1"


def test_of_many_writers_at_once_one_is_the_first(tmp_path) -> None:
    folder, results = RunFolder(tmp_path / "run"), list[bool]()
    begin = threading.Barrier(8)

    def write(at: int) -> None:
        begin.wait(10)
        results.append(folder.write_new("part", str(at).encode() * 50_000))

    threads = [threading.Thread(target=write, args=(at,)) for at in range(8)]
    for each in threads:
        each.start()
    for each in threads:
        each.join(10)
    assert sorted(results) == [False] * 7 + [True]
    assert len(set(folder.read("part"))) == 1
    assert os.listdir(tmp_path / "run") == ["part"]


def test_a_folder_that_another_thread_makes_meanwhile_is_no_disk_that_is_gone(
    tmp_path, monkeypatch
) -> None:
    folder, seen = RunFolder(tmp_path / "run"), list[Path]()
    is_dir = Path.is_dir

    def slow(path: Path) -> bool:
        found = is_dir(path)
        if path == tmp_path / "run" and not seen:
            seen.append(path)
            folder.write("part", b"by another")
        return found

    monkeypatch.setattr(Path, "is_dir", slow)
    folder.write("other", b"1")
    assert sorted(os.listdir(tmp_path / "run")) == ["other", "part"]


def test_a_disk_without_links_has_a_first_writer_too(tmp_path, monkeypatch) -> None:
    def link(*_: object) -> None:
        raise OSError(errno.EPERM, "no links here")

    monkeypatch.setattr(os, "link", link)
    folder = RunFolder(tmp_path / "run")
    assert folder.write_new("part", b"1")
    assert not folder.write_new("part", b"2")
    assert folder.read("part") == b"1"
    assert os.listdir(tmp_path / "run") == ["part"]


def test_files_are_for_their_owner_alone(tmp_path) -> None:
    folder = RunFolder(tmp_path / "new" / "run")
    folder.write("a/b", b"1")
    folder.write_new("c", b"1")
    folder.open_log("journal/d.log").close()
    for each in (tmp_path / "new").rglob("*"):
        mode = stat.S_IMODE(each.stat().st_mode)
        assert mode == (0o700 if each.is_dir() else 0o600), each
    assert stat.S_IMODE((tmp_path / "new").stat().st_mode) == 0o700


def test_a_draft_of_a_writer_that_was_killed_is_never_read(tmp_path) -> None:
    folder = RunFolder(tmp_path)
    folder.write("journal/part-00000/1.log", b"1")
    (tmp_path / "journal/part-00000/.0011223344556677.draft").write_bytes(b"half")
    assert folder.names("journal") == ["journal/part-00000/1.log"]


def failing(number: int) -> Callable[..., None]:
    def fail(*_: object, **__: object) -> None:
        raise OSError(number, os.strerror(number))

    return fail


@pytest.mark.parametrize(
    ("number", "why"),
    [
        (errno.ENOSPC, "no space left on"), (errno.EDQUOT, "a quota or a limit"),
        (errno.EACCES, "may not be written"), (errno.EROFS, "is read-only"),
        (errno.EIO, "cannot be used"),
    ],
)  # fmt: skip
def test_trouble_with_a_disk_names_folder_reason_and_next_step(
    tmp_path, monkeypatch, number, why
) -> None:
    folder = RunFolder(tmp_path / "run")
    log = folder.open_log("1.log")
    for act in (os.open, os.write, os.fsync, os.replace):
        monkeypatch.setattr(os, act.__name__, failing(number))
    for act in (lambda: folder.write("a", b"1"), lambda: log.append(b"1")):
        with pytest.raises(FieldError, match=why) as caught:
            act()
        assert list(caught.value.problems) == ["journal"]
        assert str(tmp_path) in caught.value.message
        assert "run again with the same journal=" in caught.value.hint
    monkeypatch.undo()
    log.close()
    assert os.listdir(tmp_path / "run") == ["1.log"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_folder_without_the_right_to_write(tmp_path) -> None:
    folder = RunFolder(tmp_path)
    tmp_path.chmod(0o500)
    with pytest.raises(FieldError, match="may not be written"):
        folder.write("a/b", b"1")
    tmp_path.chmod(0o700)


def test_a_journal_that_is_a_file_is_told_of_as_one(tmp_path) -> None:
    (tmp_path / "run.sqlite").write_text("another journal")

    with pytest.raises(FieldError, match="is a file or lies in one") as said:
        RunFolder(tmp_path / "run.sqlite").write_new("run.json", b"{}")
    assert "the folder is made" in said.value.hint
    with pytest.raises(FieldError, match="journal: is False"):
        name_folder(RunOptions(journal=False))

    single = Journal(tmp_path)
    single.close()
    assert f"{tmp_path} is a folder; without cluster= a journal is a file" in single.notice


@pytest.mark.parametrize("first", [True, False], ids=["made by it", "was there"])
def test_a_disk_that_went_away_is_not_made_anew_on_this_machine(tmp_path, first: bool) -> None:
    place = tmp_path / "mounted"
    if not first:
        place.mkdir()
    folder = RunFolder(place)
    if first:
        folder.write("a/b", b"1")
        shutil.rmtree(place)
    else:
        place.rmdir()
    with pytest.raises(FieldError, match="is not there on this machine") as caught:
        folder.write("a/b", b"1")
    assert "every worker reaches" in caught.value.hint
    assert not place.exists()


@pytest.mark.parametrize(
    "url",
    [
        "s3://made-up-id:made-up-key-0001@bucket/run", "s3://made-up-key-0001@bucket/run",
        "s3://bucket/run?secret_key=made-up-key-0001", "s3://bucket/run?made-up-key-0001",
        "gs://bucket/run?access_token=made-up-key-0001",
        "abfs://c:made-up-key-0001@account.dfs.core.windows.net/run",
        "abfs://c@account.dfs.core.windows.net/run?sig=made-up-key-0001",
        "https://user:made-up-key-0001@host/run", "ftp://made-up-key-0001@host/run",
        "file://user:made-up-key-0001@host/run", "s3://bucket/run#made-up-key-0001",
        "s3://[made-up-key-0001/run", "file:///run?made-up-key-0001", "s3://",
    ],
)  # fmt: skip
def test_a_url_with_a_credential_is_refused_and_never_shown(url) -> None:
    with pytest.raises(FieldError) as caught:
        RunFolder(url)
    assert list(caught.value.problems) == ["journal"]
    assert "made-up" not in f"{caught.value!r}{caught.value}{caught.value.problems}"
    assert caught.value.hint


@pytest.mark.parametrize("url", ["gs://anonymous@bucket/run", "abfs://c@a.dfs.core.windows.net/r"])
def test_stores_of_other_vendors_are_opened(url) -> None:
    assert RunFolder(url).place == url


def test_a_place_is_the_same_for_whoever_opens_it_elsewhere(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    assert RunFolder("run").place == str(tmp_path / "run")
    assert RunFolder("~/run").place == str(tmp_path / "home" / "run")
    assert RunFolder((tmp_path / "a b").as_uri()).place == str(tmp_path / "a b")


# -- Whose folder it is.


def texts(*words: str, truth: object = None) -> list[Document]:
    return [Document(f"t{at}", word, SCHEMA, truth) for at, word in enumerate(words)]


def manifest(*words: str, repeats: int = 1, **more: object) -> Manifest:
    return Manifest(identify_texts(texts(*words, **more), None), 500, repeats)


def test_the_same_texts_go_on_in_a_folder_and_others_do_not(folder) -> None:
    claim_folder(folder, manifest("a", "b"))
    claim_folder(folder, manifest("a", "b", truth={"total": 1}))
    for other in (manifest("a", "c"), manifest("a"), manifest("a", "b", repeats=2)):
        with pytest.raises(FieldError, match="cannot be used") as caught:
            claim_folder(folder, other)
        assert "Give a folder of its own." in caught.value.hint
    for foreign in (b"", b"[]", b"{", b'{"format": 2}'):
        folder.write("run.json", foreign)
        with pytest.raises(FieldError, match="cannot be used"):
            claim_folder(folder, manifest("a", "b"))


def test_a_manifest_has_no_text_and_no_id(tmp_path: Path) -> None:
    folder = RunFolder(tmp_path)
    claim_folder(folder, manifest("canary-text-7c1f", "b"))
    said = folder.read("run.json") or b""
    assert b"canary" not in said
    assert b"t0" not in said
