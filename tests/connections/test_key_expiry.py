"""Key life: a key's end is told two weeks ahead, a service account's key when it is old."""

from __future__ import annotations

import json
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from llmwidgets.connections.catalog import key_age_note, key_end_note, key_has_ended, key_notes
from llmwidgets.connections.connection import Connection, replace_parts
from llmwidgets.errors import FieldError
from llmwidgets.keyscan.doctor import examine_ends
from llmwidgets.providers import PROVIDERS
from llmwidgets.secret import Secret
from llmwidgets.store import document
from llmwidgets.store.document import (
    StoreDocument,
    connection_from_json,
    connection_to_json,
)
from llmwidgets.store.store import Store
from tests.kinds import connected

CANARY = "made-up-canary-3d0b8e71c2"
TODAY = date(2026, 12, 2)
ACCOUNT = json.dumps({"type": "service_account", "project_id": "p-1", "private_key": CANARY})
NOW = datetime(2026, 12, 2, 12, tzinfo=UTC)


def openai(expires: Any = "2026-12-11", **fields: Any) -> Connection:
    return Connection("openai", api_key=CANARY, expires=expires, **fields)


def vertex(days: float = 120, credentials: str = ACCOUNT) -> Connection:
    made = Connection("vertex_ai", credentials=credentials)
    return replace_parts(made, saved_at=NOW, keyed_at=NOW - timedelta(days=days))


# -- the day ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", list(PROVIDERS))
def test_every_kind_takes_the_day_and_sends_it_nowhere(kind: str) -> None:
    plain = connected(kind, "http://127.0.0.1:1")
    secrets = plain.secret_fields
    dated = Connection(kind, **plain.plain_fields, **secrets, expires="2031-07-19")
    assert dated.fields.expires == date(2031, 7, 19)
    model = dated.models[0]
    assert dated.target(model) == plain.target(model)
    assert dated.warnings == plain.warnings


@pytest.mark.parametrize("day", ["2026-12-11", date(2026, 12, 11), " 2026-12-11 "])
def test_the_day_is_kept_as_its_text(day: object) -> None:
    connection = openai(day)
    kept = connection_to_json(connection)
    assert kept["fields"]["expires"] == "2026-12-11"
    again = connection_from_json(kept)
    assert isinstance(again, Connection)
    assert again.fields.expires == date(2026, 12, 11)


def test_no_day_is_no_field() -> None:
    assert "expires" not in connection_to_json(openai(""))["fields"]
    assert key_notes(openai(None), TODAY) == []


@pytest.mark.parametrize(
    "said", ["soon", "2026-13-01", "11.12.2026", "20261211", "2026-W50-5", 5, NOW, "٢٠٢٦-12-11"]
)
def test_what_is_no_day_is_a_sentence(said: object) -> None:
    with pytest.raises(FieldError) as caught:
        openai(said)
    assert caught.value.problems == {"expires": "Key ends on must be a day, written as 2026-12-11."}


# -- its end ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("on", "brief", "said"),
    [
        (date(2026, 11, 26), None, None),
        (date(2026, 11, 27), "ends in 14 days", "The key ends 11 Dec 2026, in 14 days."),
        (date(2026, 12, 2), "ends in 9 days", "The key ends 11 Dec 2026, in 9 days."),
        (date(2026, 12, 10), "ends tomorrow", "The key ends 11 Dec 2026, tomorrow."),
        (date(2026, 12, 11), "ends today", "The key ends 11 Dec 2026, today."),
        (date(2026, 12, 12), "ended 11 Dec 2026", "The key ended on 11 Dec 2026."),
    ],
)
def test_the_end_is_told_from_two_weeks_before(
    on: date, brief: str | None, said: str | None
) -> None:
    note = key_end_note(openai(), on)
    assert (note.brief if note else None, note.said if note else None) == (brief, said)
    assert key_has_ended(openai(), on) == (on > date(2026, 12, 11))
    if note is not None:
        assert note.ended == key_has_ended(openai(), on)
        assert "https://platform.openai.com" in note.fix


def test_who_cannot_replace_a_key_is_not_told_to() -> None:
    note = key_end_note(openai().with_origin("policy"), TODAY)
    assert note is not None
    assert note.fix == "Whoever provides this connection replaces the key."


# -- its age ---------------------------------------------------------------------------------------


def test_an_old_key_of_a_service_account_is_told() -> None:
    note = key_age_note(vertex(), TODAY)
    assert note is not None
    assert "120 days old" in note.said
    assert "90 days" in note.said
    assert "Service accounts → Keys" in note.fix
    assert key_age_note(vertex(90), TODAY) is None
    assert key_age_note(vertex(91), TODAY) is not None
    assert CANARY not in repr(note)


def test_a_connection_of_before_counts_from_its_last_save() -> None:
    made = Connection("vertex_ai", credentials=ACCOUNT)
    assert key_age_note(made, TODAY) is None
    assert key_age_note(replace_parts(made, saved_at=NOW - timedelta(days=100)), TODAY) is not None


def test_what_the_store_does_not_hold_has_no_age(tmp_path: Path) -> None:
    """A file can be replaced in its place; a login has no key that anyone replaces."""
    file = tmp_path / "account.json"
    file.write_text(ACCOUNT)
    assert key_age_note(vertex(credentials=f"file:{file}"), TODAY) is None
    assert key_age_note(vertex(credentials='{"type": "authorized_user"}'), TODAY) is None
    assert key_age_note(replace_parts(openai(), keyed_at=NOW - timedelta(days=400)), TODAY) is None


def saved(*connections: Connection) -> Connection:
    """What a store has after these were saved one after the other."""
    kept = StoreDocument()
    for connection in connections:
        kept = document.with_connection(kept, connection, over=True)
    last = connection_from_json(connection_to_json(kept.connections[-1]))
    assert isinstance(last, Connection)
    return last


def test_the_age_is_that_of_the_key_not_of_the_last_save() -> None:
    """A test that passes saves the connection anew; the key is as old as it was."""
    old = replace_parts(vertex(), saved_at=None)
    again = Connection("vertex_ai", credentials=ACCOUNT, location="eu")
    kept = saved(old, again)
    assert kept.keyed_at == NOW - timedelta(days=120)
    assert kept.saved_at is not None
    assert kept.saved_at > kept.keyed_at
    changed = saved(old, Connection("vertex_ai", credentials=ACCOUNT.replace(CANARY, "another")))
    assert changed.keyed_at == changed.saved_at


def test_a_key_saved_by_an_earlier_version_is_as_old_as_its_save() -> None:
    before = {**connection_to_json(vertex()), "saved_at": "2026-06-01T12:00:00+00:00"}
    del before["keyed_at"]
    kept = document.with_connection(
        StoreDocument(connections=(connection_from_json(before),)),
        Connection("vertex_ai", credentials=ACCOUNT),
        over=True,
    )
    assert connection_to_json(kept.connections[0])["keyed_at"] == "2026-06-01T12:00:00+00:00"


def test_a_reference_is_the_same_key_while_it_names_the_same() -> None:
    first = replace_parts(Connection("openai", api_key="env:A"), keyed_at=NOW - timedelta(days=9))
    assert saved(first, Connection("openai", api_key="env:A")).keyed_at == first.keyed_at
    assert saved(first, Connection("openai", api_key="env:B")).keyed_at != first.keyed_at


def test_a_file_keeps_the_day_sealed_and_plain(tmp_path: Path) -> None:
    store = Store.create(path=tmp_path / "store", passphrase="a made-up passphrase 42")
    store.save(openai("2031-07-19"))
    store.lock()
    store.unlock("a made-up passphrase 42")
    assert store["openai"].fields.expires == date(2031, 7, 19)


def test_a_doctor_tells_each_and_that_there_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    from llmwidgets.keyscan import doctor as examination

    monkeypatch.setattr(examination, "local_today", lambda: TODAY)
    assert list(examine_ends([])) == []
    (fine,) = examine_ends([openai("2031-07-19")])
    assert fine.level == "fine"
    listed = [openai(), openai("2026-12-01", label="old"), vertex()]
    found = list(examine_ends(listed))
    assert [each.level for each in found] == ["note", "problem", "note"]
    assert found[1].said == "old: The key ended on 1 Dec 2026."
    assert isinstance(listed[0].secret_fields["api_key"], Secret)
