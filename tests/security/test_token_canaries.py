"""Exchanged tokens go through every surface that a process has; none shows them.

Each way to sign in at Google, also acting as another account: a token for the source, one for the
account, and what they are exchanged for.
"""

from __future__ import annotations

import copy
import gc
import json
import logging
import pickle
import traceback
from pathlib import Path
from typing import Any

import pytest
from IPython.core.ultratb import FormattedTB, VerboseTB

import llmwidgets as lw
from llmwidgets import errors
from llmwidgets.connections import Policy
from llmwidgets.dialects import gemini
from llmwidgets.engine import event_loop
from llmwidgets.engine.network import egress
from llmwidgets.engine.network.sign_in import tokens
from tests.google_cloud import (
    MODEL,
    NO_ROLE,
    READER,
    GoogleCloud,
    a_login,
    an_external_account,
    an_impersonation,
    connected,
    exchanged,
    written,
)
from tests.google_keys import a_private_key, a_service_account

WAYS = ("machine", "gcloud", "federation", "file")
TOKEN = "ya29.Canary7Q2vXw9KpLr4TzB8n"
SUBJECT = "eyJhbGciOiJub25lIn0.Canary5Hd8sYq3MfWj6Nc2kZp.made-up"
REFRESH, SECRET = "1//Canary3Wd6uYb1NsGt0HcF5j", "GOCSPX-Canary9Lp4Rt2Vm8Qz1Bx"
PLAIN = "Canary8Vn3Jx6Rw1Kc4-of-no-shape"
"""A token of the other service that is not a JWT."""
SCHEMA = {"type": "object", "properties": {"total": {"type": "number"}}, "required": ["total"]}


def clean(said: str | bytes) -> bool:
    """Whether neither a token nor what it is exchanged for is in it, nor half of one."""
    data = said if isinstance(said, bytes) else said.encode("utf-8", "replace")
    key = a_private_key().splitlines()[5].encode()
    halves = (word[: len(word) // 2].encode() for word in (TOKEN, REFRESH, SECRET, PLAIN))
    return not any(word in data for word in (*halves, SUBJECT.encode(), b"Canary", key))


@pytest.fixture
def signed(cloud, tmp_path, monkeypatch) -> GoogleCloud:
    """Google's far ends, which give these tokens for these secrets."""

    def token() -> str:
        cloud.made += 1
        return f"{TOKEN}-made-up-{cloud.made}"

    monkeypatch.setattr(cloud, "token", token)
    login = {**a_login(cloud.url), "refresh_token": REFRESH, "client_secret": SECRET}
    written(tmp_path, login, "application_default_credentials.json")
    source = {"file": written(tmp_path, SUBJECT, "subject")}
    info = an_external_account(cloud.url, source, client_id="c-1", client_secret=SECRET)
    written(tmp_path, info, "federation.json")
    written(tmp_path, an_impersonation(cloud.url, a_service_account(f"{cloud.url}/token")), "file")
    return cloud


def made(cloud: GoogleCloud, folder: Path, way: str) -> lw.Connection:
    if way == "file":
        given = {"project": "acme-1", "base_url": cloud.url, "credentials": f"file:{folder}/file"}
        return lw.Connection("vertex_ai", label="mine", **given)
    fields = {"credentials_file": str(folder / "federation.json")} if way == "federation" else {}
    return connected(cloud, way, impersonate=READER, **fields)


@pytest.mark.parametrize("way", WAYS)
def test_a_run_shows_no_token_in_journal_log_repr_or_export(signed, tmp_path, caplog, way):
    caplog.set_level(logging.DEBUG)
    logging.getLogger("google").setLevel(logging.DEBUG)
    logging.getLogger("google").debug("What is logged is caught.")
    connection = made(signed, tmp_path, way)
    report = lw.check(connection)
    assert report.ok, report
    journal = tmp_path / "journal" / "run.db"
    journal.parent.mkdir()
    models = [(connection, MODEL)]
    result = lw.compare(SCHEMA, ["Bill"], models, journal=journal, progress=False)
    assert {each.status for each in result} == {"ok"}
    assert signed.made >= 2
    result.to_html(tmp_path / "out.html")
    result.save(tmp_path / "out.llmw")
    places = [*journal.parent.iterdir(), tmp_path / "out.html", tmp_path / "out.llmw"]
    written_down = b"".join(each.read_bytes() for each in places if each.is_file())
    assert b"mine" in written_down
    assert clean(written_down)
    said = [caplog.text, repr(report), repr(connection), repr(result), repr(next(iter(result)))]
    said.append(json.dumps(next(iter(result)).request, default=repr))
    for each in said:
        assert each
        assert clean(each)


@pytest.mark.parametrize("way", WAYS)
def test_what_holds_a_token_shows_copies_and_pickles_none(signed, tmp_path, way):
    connection = made(signed, tmp_path, way)
    sent = exchanged(connection)
    (kept,) = tokens._kept.values()
    assert kept.token.secret.begins(TOKEN)
    for each in (sent, kept, kept.token, sent.auth, connection, connection.target(MODEL)):
        assert clean(repr(each))
        assert clean(str(each))
        with pytest.raises(TypeError, match="pickled"):
            pickle.dumps(each)
    assert clean(repr(copy.deepcopy(kept)))
    assert clean(json.dumps(sent.shown()))
    assert clean(repr(vars(tokens)))


FAULTS: dict[str, dict[str, list[tuple[int, Any]]]] = {
    "no role": {":generateAccessToken": [(403, NO_ROLE)]},
    "said again": {":generateAccessToken": [(400, {"error": {"message": f"{TOKEN}-made-up-1"}})]},
    "odd": {":generateAccessToken": [(200, {"accessToken": TOKEN, "expireTime": TOKEN})]},
    "odd token": {"token": [(200, {"access_token": TOKEN, "expires_in": "soon"})]},
    "none": {"token": [(200, {"id_token": TOKEN, "refresh_token": REFRESH})]},
    "refused": {},
    "page": {"token": [(502, f"<html>{SUBJECT}".encode())]},
}


def misbehave(cloud: GoogleCloud, fault: str, way: str) -> None:
    # Not in a frame of the test, which a traceback shows.
    cloud.answers = {name: list(rows) for name, rows in FAULTS[fault].items()}
    if fault == "refused":
        words = {"gcloud": REFRESH, "federation": PLAIN}.get(way, SUBJECT)
        cloud.answers = {
            "token": [(400, {"error": "odd", "error_description": f"Not so: {words}"})]
        }


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("way", WAYS)
def test_a_failed_exchange_shows_no_token_in_any_traceback(signed, tmp_path, caplog, way, fault):
    caplog.set_level(logging.DEBUG)
    misbehave(signed, fault, way)
    written(tmp_path, PLAIN, "subject")
    connection = made(signed, tmp_path, way)
    try:
        event_loop.run_blocking(egress.count_tokens(connection, MODEL, policy=Policy()))
    except errors.LLMWidgetsError as error:
        parts = (type(error), error, error.__traceback__)
        said = [
            "".join(traceback.format_exception(error)),
            "\n".join(VerboseTB().structured_traceback(*parts)),
            *("\n".join(FormattedTB(mode=mode).structured_traceback(*parts))
              for mode in ("Plain", "Context", "Minimal")),
            "".join(str(line) for line in traceback.TracebackException.from_exception(
                error, capture_locals=True).format()),
            repr(error), error.message, error.hint, repr(error.__context__), repr(error.__cause__),
            caplog.text,
        ]  # fmt: skip
    else:
        pytest.fail("nothing was refused")
    for each in said:
        assert clean(each)


@pytest.mark.parametrize("way", WAYS)
def test_a_server_that_says_the_token_again_is_masked(signed, tmp_path, way):
    connection = made(signed, tmp_path, way)
    final = {"machine": 2, "gcloud": 2, "federation": 2, "file": 2}[way]
    words = f"{TOKEN}-made-up-{final}"
    part = {"text": json.dumps({"total": 1.0, "note": words})}
    body = {"candidates": [{"content": {"parts": [part]}, "finishReason": "STOP"}],
            "modelVersion": words}  # fmt: skip
    signed.answers = {":generateContent": [(200, body)], ":streamGenerateContent": [(200, body)]}
    extraction = lw.extract(SCHEMA, "Bill", (connection, MODEL), journal=False)
    assert "••••" in extraction.reply_text
    for each in (repr(extraction), extraction.reply_text, str(extraction.served_model)):
        assert clean(each)


def test_no_object_that_is_left_holds_a_token_as_a_text(signed, tmp_path):
    """The closure of the Secret alone; a token that was exchanged further is gone."""
    for way in WAYS:
        exchanged(made(signed, tmp_path, way))
    gc.collect()
    holders = [
        sorted(map(str, each))
        for each in gc.get_objects()
        if isinstance(each, dict)
        and any(isinstance(word, str) and f"{TOKEN}-made-up" in word for word in [*each.values()])
    ]
    assert holders == []


def test_a_pasted_file_in_the_field_of_a_path_is_repeated_nowhere(signed, tmp_path):
    """Neither in the sentence nor in a frame of the refused call."""
    key = a_service_account("https://oauth2.googleapis.com/token")
    login = {**a_login(signed.url), "refresh_token": REFRESH, "client_secret": SECRET}
    for info in (key, login):
        pasted = [json.dumps(info, indent=1)]
        with pytest.raises(errors.FieldError) as caught:
            lw.Connection("vertex_ai", sign_in="federation", credentials_file=pasted.pop())
        error = caught.value
        # Of the frames of the call alone: the text is the test's own.
        frames = error.__traceback__.tb_next
        assert clean("\n".join(VerboseTB().structured_traceback(type(error), error, frames)))
        assert clean(str(error))
        assert "credentials_file" in error.problems


def test_no_token_is_left_of_a_policy_that_refuses(signed, tmp_path):
    from llmwidgets.connections.policy_file import rules_of

    rules = rules_of(b'[hosts]\ndeny = ["127.0.0.1"]\n', tmp_path / "policy.toml")
    call = gemini.count_call(made(signed, tmp_path, "gcloud").target(MODEL))
    assert call is not None
    work = tokens.exchange_credentials(call, Policy(layers=(rules,)))
    with pytest.raises(errors.PolicyError) as caught:
        event_loop.run_blocking(work)
    assert clean("\n".join(VerboseTB().structured_traceback(
        type(caught.value), caught.value, caught.value.__traceback__)))  # fmt: skip
    assert signed.seen == []


def test_the_secrets_inside_other_credentials_are_searched_for_too():
    from llmwidgets.known_keys import secret_values
    from llmwidgets.secret import Secret

    login = {**a_login("http://127.0.0.1:9"), "refresh_token": REFRESH, "client_secret": SECRET}
    values = secret_values(Secret(json.dumps(an_impersonation("http://127.0.0.1:9", login))))
    assert {bytes(each).decode() for each in values} == {REFRESH, SECRET}
