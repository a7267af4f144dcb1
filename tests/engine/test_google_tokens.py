"""Google's tokens: fetched by credentials that fit, kept, renewed, and never asked elsewhere."""

from __future__ import annotations

import asyncio
import json
import traceback
from collections.abc import Iterator
from typing import Any

import pytest

from llmwidgets import Connection, check, errors
from llmwidgets.connections import Policy
from llmwidgets.dialects import gemini
from llmwidgets.dialects.types import Call
from llmwidgets.engine import event_loop
from llmwidgets.engine.network.sign_in import tokens
from tests.google_keys import a_private_key, a_service_account
from tests.servers import ModelServer, serving_models


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with serving_models() as running:
        yield running
    tokens.forget_tokens()


def connected(server: ModelServer, info: Any = None, **fields: Any) -> Connection:
    info = a_service_account(f"{server.url}/token") if info is None else info
    text = info if isinstance(info, str) else json.dumps(info)
    return Connection(
        "vertex_ai", credentials=text, label="mine", **{"base_url": server.url, **fields}
    )


def a_call(connection: Connection) -> Call:
    call = gemini.count_call(connection.target("gemini-3.8-flash"))
    assert call is not None
    return call


def exchanged(connection: Connection) -> Call:
    return event_loop.run_blocking(tokens.exchange_credentials(a_call(connection), Policy()))


def refusal(connection: Connection) -> errors.CallError:
    with pytest.raises(errors.CallError) as caught:
        exchanged(connection)
    return caught.value


def bearer(call: Call) -> str:
    (header,) = call.auth
    assert (header.name, header.exchange) == ("Authorization", None)
    return header.template.format(header.secret.reveal())


def test_a_token_takes_the_place_of_the_credentials(server):
    connection = connected(server)
    assert bearer(exchanged(connection)) == "Bearer ya29.made-up-1"
    (asked,) = server.seen
    assert (asked.method, asked.path) == ("POST", "/token")
    assert asked.body["grant_type"] == "urn:ietf:params:oauth:grant-type:jwt-bearer"
    assert "PRIVATE" not in json.dumps(asked.body)
    assert "x-goog-api-client" not in asked.headers


def test_a_token_is_kept_and_shared_by_equal_credentials(server):
    """Many calls, at once and one after the other, of two connections: one token."""
    one, two = connected(server), connected(server, location="europe-west4")

    async def many() -> list[Call]:
        calls = (tokens.exchange_credentials(a_call(one), Policy()) for _ in range(20))
        return await asyncio.gather(*calls)

    sent = {bearer(call) for call in event_loop.run_blocking(many())} | {bearer(exchanged(two))}
    assert sent == {"Bearer ya29.made-up-1"}
    assert len(server.seen) == 1


def test_a_token_is_renewed_before_it_ends(server):
    server.token_seconds = 0
    connection = connected(server)
    assert bearer(exchanged(connection)) != bearer(exchanged(connection))


def test_a_token_is_renewed_minutes_early_and_a_short_one_not_at_once(server):
    import time

    for seconds, early in ((3599, 300), (400, 100)):
        tokens.forget_tokens()
        server.token_seconds = seconds
        exchanged(connected(server))
        (kept,) = tokens._kept.values()
        assert kept.renew_at - time.time() == pytest.approx(seconds - early, abs=10)


def test_a_token_that_the_api_refuses_is_forgotten_unless_another_has_its_place(server):
    connection = connected(server)
    call, sent = a_call(connection), exchanged(connection)
    assert tokens.token_refused(call, sent)
    assert bearer(exchanged(connection)) != bearer(sent)
    assert tokens.token_refused(call, sent)
    exchanged(connection)
    assert len(server.seen) == 2


def test_a_login_of_a_user_is_exchanged_too_and_names_who_pays(server):
    user = {
        "type": "authorized_user", "client_id": "id-1", "client_secret": "made-up-secret-1",
        "refresh_token": "made-up-refresh-1", "quota_project_id": "acme-2",
        "token_uri": f"{server.url}/token",
    }  # fmt: skip
    connection = connected(server, user)
    call = exchanged(connection)
    assert call.headers["x-goog-user-project"] == "acme-2"
    assert "/projects/acme-2/" in call.url
    assert server.seen[0].body["refresh_token"] == "made-up-refresh-1"
    assert connection.warnings == []


def test_a_key_whose_line_ends_were_doubled_is_mended(server):
    info = a_service_account(f"{server.url}/token")
    info["private_key"] = info["private_key"].replace("\n", "\\n")
    assert bearer(exchanged(connected(server, info))).startswith("Bearer ya29.")


def spoilt(**changes: Any) -> dict[str, Any]:
    info = a_service_account("https://oauth2.googleapis.com/token") | changes
    return {name: value for name, value in info.items() if value is not None}


@pytest.mark.parametrize(
    ("credentials", "said"),
    [
        ("/keys/key.json", "the path of a file, not its content"),
        ("C:\\keys\\key.json", "the path of a file, not its content"),
        ("nonsense", "not JSON"),
        (json.dumps(a_service_account("x"))[:-40], "not copied whole"),
        (spoilt(type="external_account"), "get their tokens from another service"),
        (spoilt(type="impersonated_service_account"), "lack service_account_impersonation_url"),
        (spoilt(type="external_account_authorized_user"), "get their tokens from another service"),
        (spoilt(type="bot"), "the type bot"),
        (spoilt(type=None), "no known type"),
        (spoilt(type="<b>x y</b>"), "no known type"),
        ({"installed": {"client_id": "x"}}, "the file of an OAuth client"),
        (spoilt(private_key=None), "lack private_key"),
        (spoilt(private_key=None, client_email=""), "lack client_email and private_key"),
        (spoilt(token_uri=None), "lack token_uri"),
        ({"type": "authorized_user", "client_id": "x", "quota_project_id": "acme-2"},
         "lack client_secret and refresh_token"),
        (spoilt(private_key="-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----"),
         "private key of the credentials is damaged"),
        (spoilt(private_key=a_private_key()[:-200]), "private key of the credentials is damaged"),
        (spoilt(token_uri="https://evil.example/token"), "at evil.example, which is not Google's"),
        (spoilt(token_uri="http://oauth2.googleapis.com/token"), "which is not Google's"),
        (spoilt(token_uri="https://oauth2.googleapis.com.evil.example/t"), "not Google's"),
        (spoilt(token_uri="https://googleapis.com@evil.example/t"), "not Google's"),
        (spoilt(token_uri="https://[evil"), "not Google's"),
        (spoilt(project_id=None), "name no project"),
    ],
)  # fmt: skip
def test_each_fault_of_the_credentials_has_its_sentence_and_nothing_is_sent(
    server, credentials, said
):
    fields = {} if isinstance(credentials, dict) else {"project": "acme-1"}
    failure = refusal(connected(server, credentials, **fields))
    assert said in failure.message
    assert failure.hint
    assert failure.label == "mine"
    assert server.seen == []
    whole = "".join(traceback.format_exception(failure))
    assert a_private_key()[100:140] not in whole + repr(failure)


def test_a_reference_that_leads_nowhere_says_so(server, tmp_path):
    connection = connected(server, f"file:{tmp_path / 'gone.json'}", project="acme-1")
    failure = refusal(connection)
    assert isinstance(failure, errors.Unauthorized)
    assert "There is no file" in failure.message


def test_a_file_that_changes_is_read_anew(server, tmp_path):
    file = tmp_path / "key.json"
    file.write_text(json.dumps(a_service_account(f"{server.url}/token")))
    connection = connected(server, f"file:{file}")
    first = bearer(exchanged(connection))
    file.write_text(json.dumps(a_service_account(f"{server.url}/token") | {"client_id": "2"}))
    assert bearer(exchanged(connection)) != first


@pytest.mark.parametrize(
    ("status", "body", "kind", "said"),
    [
        (400, {"error": "invalid_grant", "error_description": "Invalid JWT Signature."},
         errors.Unauthorized, "signature"),
        (400, {"error": "invalid_grant", "error_description": "Invalid grant: account not found"},
         errors.Unauthorized, "no such account"),
        (400, {"error": "invalid_grant", "error_description": "Invalid JWT: Token must be a "
               "short-lived token (60 minutes) and in a reasonable timeframe. Check your iat and "
               "exp values in the JWT claim."}, errors.Unauthorized, "clock"),
        (400, {"error": "invalid_grant", "error_description": "Token has been expired or revoked."},
         errors.Unauthorized, "login behind these credentials has ended"),
        (401, {"error": "invalid_client", "error_description": "Unauthorized"},
         errors.Unauthorized, "client"),
        (400, {"error": "odd", "error_description": "Key sk-made-up-000001 is odd."},
         errors.Unauthorized, "It says: odd"),
        (404, {"nothing": 1}, errors.Unreachable, "is not Google's token service"),
        (200, {"nothing": 1}, errors.Unreachable, "is not Google's token service"),
    ],
)  # fmt: skip
def test_what_the_token_service_says_becomes_a_sentence(far_end, server, status, body, kind, said):
    async def behave(seen, wire):
        wire.answer(body, status)

    end = far_end(behave)
    info = a_service_account(end.url.removesuffix("/v1") + "/token")
    failure = refusal(connected(server, info))
    assert isinstance(failure, kind)
    assert said in failure.message
    assert failure.hint or "It says" in failure.message
    assert failure.perhaps_answered is False
    assert "sk-made-up" not in str(failure)


def test_a_token_service_with_an_error_of_its_own_is_asked_again(far_end, server, monkeypatch):
    monkeypatch.setattr(tokens, "_PAUSE_SECONDS", 0.0)

    async def behave(seen, wire):
        wire.answer({"error": "internal_failure"} if len(end.seen) > 1 else b"<html>", 503)

    end = far_end(behave)
    info = a_service_account(end.url.removesuffix("/v1") + "/token")
    failure = refusal(connected(server, info))
    assert isinstance(failure, errors.Overloaded)
    assert len(end.seen) == 2


def test_a_token_service_that_cannot_be_reached_is_named(server):
    failure = refusal(connected(server, a_service_account("http://127.0.0.1:9/token")))
    assert isinstance(failure, errors.Unreachable)
    assert "127.0.0.1:9" in failure.message


def verbose_trace(connection: Connection) -> str:
    """What a notebook in Verbose mode prints of a failure: each frame with its locals."""
    from IPython.core.ultratb import VerboseTB

    try:
        exchanged(connection)
    except errors.CallError as error:
        lines = VerboseTB().structured_traceback(type(error), error, error.__traceback__)
        return "\n".join(lines)
    return ""


def test_neither_key_nor_token_stands_in_a_log_or_a_verbose_traceback(server, caplog):
    """At DEBUG, of every library on the way; and with the locals of every frame."""
    caplog.set_level("DEBUG")
    token = bearer(exchanged(connected(server)))
    shown = [
        verbose_trace(connected(server, spoilt(type="external_account"))),
        verbose_trace(connected(server, a_service_account("http://127.0.0.1:9/token"))),
    ]
    for text in shown:
        assert "exchanged" in text
    for text in (*shown, caplog.text):
        # The signed request for a token is worth one.
        assert "eyJ" not in text
        assert token.removeprefix("Bearer ") not in text
        assert a_private_key().splitlines()[5] not in text


def test_a_check_counts_tokens_with_each_model(server):
    """The publisher's list says nothing of what a project may call."""
    server.faulty, server.fault = "", ""
    report = check(connected(server))
    assert report.ok, report
    most = len(Policy().allowed(connected(server)))
    assert (
        report.sentence == f"Credentials accepted. {most} of {most} whitelisted models can be used."
    )
    counted = [each for each in server.seen if each.path.endswith(":countTokens")]
    assert len(counted) == most
    assert len(server.asked("token")) == 1


def test_a_check_says_what_is_wrong_with_the_credentials(server):
    report = check(connected(server, spoilt(type="external_account"), project="acme-1"))
    assert not report.ok
    assert "get their tokens from another service" in report.sentence
    assert "Add key" in report.hint


def test_no_text_of_credentials_makes_the_reader_fail(tmp_path):
    from hypothesis import given
    from hypothesis import strategies as st

    from llmwidgets.engine.network.sign_in.google_credentials import Problem, account_of
    from llmwidgets.secret import Secret

    keys = ["type", "private_key", "client_email", "token_uri", "client_id", "client_secret",
            "refresh_token", "source_credentials", "service_account_impersonation_url", "audience",
            "subject_token_type", "credential_source", "file", "url", "format", "headers",
            "token_url", "delegates"]  # fmt: skip
    types = ["service_account", "authorized_user", "impersonated_service_account",
             "external_account", "text", "json"]  # fmt: skip
    words = st.sampled_from([*types, "http://127.0.0.1/", "http://[", 7, None, [], True])
    tables = st.recursive(
        words | st.text(), lambda inner: st.dictionaries(st.sampled_from(keys), inner), max_leaves=9
    )
    texts = st.text() | tables.map(json.dumps)
    file = tmp_path / "credentials.json"

    @given(texts)
    def read(text: str) -> None:
        file.write_text(text, "utf-8", "replace")
        for secret in (Secret(text), Secret(f"file:{file}")):
            found = account_of(secret)
            assert isinstance(found, Problem) or found.kind in (types[1], types[3])
            assert isinstance(found, Problem) <= bool(getattr(found, "hint", ""))

    read()
