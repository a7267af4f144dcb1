"""Google without a pasted key: what each way asks where, and what it says of what is wrong."""

from __future__ import annotations

import json
import os
import re
from base64 import urlsafe_b64encode
from pathlib import Path
from typing import Any

import pytest

import llmwidgets as lw
from llmwidgets import Connection, errors
from llmwidgets.connections import Policy
from llmwidgets.connections.policy_file import rules_of
from llmwidgets.dialects import gemini
from llmwidgets.dialects.types import AuthHeader, Call
from llmwidgets.engine import event_loop
from llmwidgets.engine.network import proxies, transport
from llmwidgets.engine.network.sign_in import tokens
from llmwidgets.providers.urls import METADATA_HOST
from llmwidgets.secret import Secret
from tests.google_cloud import (
    METADATA,
    MODEL,
    NO_ROLE,
    READER,
    ROBOT,
    SUBJECT,
    GoogleCloud,
    a_login,
    an_external_account,
    an_impersonation,
    bearer,
    by_file,
    connected,
    exchanged,
    form,
    impersonation_url,
    refusal,
    written,
)
from tests.google_keys import a_service_account

SCHEMA = {"type": "object", "properties": {"total": {"type": "number"}}, "required": ["total"]}
WAYS = ("machine", "gcloud", "federation")


# -- each way asks the right one, and what it got serves every call


@pytest.mark.parametrize("way", WAYS)
def test_each_way_checks_and_extracts_with_one_token(cloud, ways, way):
    connection = connected(cloud, way, **ways[way])
    report = lw.check(connection)
    assert report.ok, report
    extraction = lw.extract(SCHEMA, "Bill of 12.50", (connection, MODEL), journal=False)
    assert extraction.data == {"total": 12.5}, extraction.failure
    assert cloud.made == 1
    api = [each for each in cloud.seen if "/publishers/" in each.line]
    assert {each.headers["authorization"] for each in api} == {"Bearer ya29.made-up-1"}


@pytest.mark.parametrize("way", WAYS)
def test_each_way_can_act_as_another_account(cloud, ways, way):
    connection = connected(cloud, way, impersonate=READER, **ways[way])
    assert bearer(exchanged(connection)) == "ya29.made-up-2"
    (asked,) = cloud.asked(":generateAccessToken")
    assert asked.line.split(" ")[:2] == ["POST", impersonation_url("")]
    assert asked.headers["authorization"] == "Bearer ya29.made-up-1"
    scope = ["https://www.googleapis.com/auth/cloud-platform"]
    assert asked.json == {"delegates": None, "scope": scope, "lifetime": "3600s"}
    assert tokens.known_account(connection) == READER


def test_the_account_is_known_once_a_token_was_fetched(cloud, ways):
    known = {}
    for way in WAYS:
        connection = connected(cloud, way, **ways[way])
        assert tokens.known_account(connection) == ""
        exchanged(connection)
        known[way] = tokens.known_account(connection)
    assert known == {"machine": ROBOT, "gcloud": "", "federation": ""}
    key = json.dumps(a_service_account(f"{cloud.url}/token"))
    connection = Connection("vertex_ai", credentials=key, base_url=cloud.url)
    exchanged(connection)
    assert tokens.known_account(connection) == READER
    assert tokens.known_account(Connection("openai", api_key="made-up-key-0001")) == ""


def test_gcloud_names_whose_login_it_is_where_its_file_does(cloud, tmp_path):
    login = {**a_login(cloud.url), "account": "ann@acme.example"}
    written(tmp_path, login, "application_default_credentials.json")
    connection = connected(cloud, "gcloud")
    exchanged(connection)
    assert tokens.known_account(connection) == "ann@acme.example"


@pytest.mark.parametrize(
    ("claims", "account"),
    [({"email": "ann@acme.example"}, "ann@acme.example"), ({}, ""), ({"email": 7}, ""),
     ({"email": "a b\nc"}, ""), ([], ""), (None, "")],
)  # fmt: skip
def test_who_logged_in_is_known_by_what_comes_with_the_token(cloud, ways, claims, account):
    part = urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    made = {"access_token": "ya29.made-up-1", "expires_in": 3599, "id_token": f"eyJ.{part}.made-up"}
    cloud.answers = {"/token": [(200, made if claims is not None else made | {"id_token": "x"})]}
    connection = connected(cloud, "gcloud")
    assert bearer(exchanged(connection)) == "ya29.made-up-1"
    assert tokens.known_account(connection) == account


# -- the machine


def test_the_machine_is_asked_by_its_header_alone(cloud):
    exchanged(connected(cloud))
    asked = cloud.asked(METADATA)
    assert [each.line.split(" ")[0] for each in asked] == ["GET", "GET"]
    for each in asked:
        assert each.headers["metadata-flavor"] == "Google"
        assert not {"authorization", "x-goog-api-client"} & each.headers.keys()
        assert each.body == b""


def test_the_project_of_the_machine_is_taken_where_none_is_given(cloud, monkeypatch):
    connection = connected(cloud, project=None)
    assert "/projects/acme-9/locations/global/" in exchanged(connection).url
    assert lw.check(connection).ok
    # A token that was fetched without the project does not serve who needs it.
    tokens.forget_tokens()
    exchanged(connected(cloud))
    assert "/projects/acme-9/" in exchanged(connection).url
    monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "acme-7")
    assert "/projects/acme-7/" in exchanged(connected(cloud, project=None)).url


@pytest.mark.parametrize("named", ["<html>", "a project", "", "x" * 99])
def test_a_project_that_is_none_is_said(cloud, named):
    cloud.answers = {"project-id": [(200, named.encode())]}
    failure = refusal(connected(cloud, project=None))
    assert "names no project" in failure.message
    assert "project ID" in failure.hint


def test_a_metadata_server_that_is_not_there_is_said_at_once(cloud, monkeypatch, closed_port):
    """Asked once: a run does not wait for it again and again."""
    monkeypatch.setenv("GCE_METADATA_HOST", f"127.0.0.1:{closed_port}")
    report = lw.check(connected(cloud))
    assert not report.ok
    assert "no metadata server answers at 127.0.0.1" in report.sentence
    assert "gcloud's login" in report.hint
    extraction = lw.extract(SCHEMA, "Bill", (connected(cloud), MODEL), journal=False)
    assert extraction.status == "Unauthorized"
    assert cloud.seen == []


def test_a_silent_metadata_server_ends_within_five_seconds(far_end, monkeypatch, cloud):
    """The bound that was asked for; the wait is for the server's silence alone."""
    import asyncio
    import time

    async def silent(seen, wire):
        await asyncio.sleep(30)

    end = far_end(silent)
    monkeypatch.setenv("GCE_METADATA_HOST", f"127.0.0.1:{end.port}")
    begun = time.monotonic()
    assert "no metadata server" in refusal(connected(cloud)).message
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    ("answers", "flavor", "kind", "said", "step"),
    [
        ({}, "", errors.Unauthorized, "not Google's metadata server", "gcloud"),
        ({}, "Metadata-Flavor: Other\r\n", errors.Unauthorized, "not Google's", "JSON"),
        ({"token": [(404, b"<html>")]}, "", errors.Unauthorized, "not Google's", "JSON"),
        ({"token": [(302, b"")]}, None, errors.Unauthorized, "no metadata server", "JSON"),
        ({"token": [(404, b"")]}, None, errors.Unauthorized, "no service account", "Vertex AI"),
        ({"token": [(503, b"")]}, None, errors.Overloaded, "error of its own", "minute"),
        ({"token": [(200, b"[]")]}, None, errors.Unauthorized, "gave no token", "gcloud"),
        ({"token": [(200, {"access_token": "a-1"})]}, None, errors.Unauthorized, "no token", "g"),
        ({"token": [(403, {})]}, None, errors.Unauthorized, "gave no token", "gcloud"),
    ],
)
def test_each_fault_of_the_machine_has_its_sentence(cloud, answers, flavor, kind, said, step):
    cloud.answers = answers
    cloud.flavor = cloud.flavor if flavor is None else flavor
    failure = refusal(connected(cloud))
    assert isinstance(failure, kind)
    assert said in failure.message
    assert step in failure.hint


def test_a_machine_whose_account_has_no_name_signs_in_all_the_same(cloud):
    cloud.answers = {"recursive=true": [(404, b"")]}
    connection = connected(cloud)
    assert bearer(exchanged(connection)) == "ya29.made-up-1"
    assert tokens.known_account(connection) == ""


@pytest.mark.parametrize(
    "host", ["evil.example", "10.0.0.1", "169.254.169.253", "127.0.0.1.evil.example", "a b", "@x"]
)
def test_the_variable_leads_to_this_computer_or_the_fixed_address_alone(cloud, monkeypatch, host):
    monkeypatch.setenv("GCE_METADATA_HOST", host)
    failure = refusal(connected(cloud))
    assert "GCE_METADATA_HOST names" in failure.message
    assert "nothing was asked" in failure.message
    assert cloud.seen == []


def test_the_metadata_address_is_asked_without_a_proxy_and_without_a_secret(monkeypatch):
    """Over http, where any other address is refused; with a key or a body it is refused too."""
    for variable in ("HTTP_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")
    url = f"http://{METADATA_HOST}/computeMetadata/v1/"
    assert proxies.proxy_for(url) is None
    assert transport._refusal(Call("GET", url, headers={"Metadata-Flavor": "Google"})) is None
    key = (AuthHeader("Authorization", Secret("made-up-0001")),)
    for call in (
        Call("GET", url, key),
        Call("POST", url),
        Call("POST", url, body={}),
        Call("GET", url.replace("169.254", "169.253")),
        Call("GET", url.replace(METADATA_HOST, "metadata.google.internal")),
    ):
        assert transport._refusal(call) == errors.FailureCode.PLAIN_HTTP


# -- gcloud's file


def test_gclouds_file_is_found_where_gcloud_puts_it(monkeypatch, tmp_path):
    from llmwidgets.providers import vertex_ai

    name = "application_default_credentials.json"
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(tmp_path))
    assert vertex_ai.gcloud_login() == str(tmp_path / name)
    monkeypatch.delenv("CLOUDSDK_CONFIG")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert vertex_ai.gcloud_login() == str(tmp_path / ".config" / "gcloud" / name)
    monkeypatch.setattr(vertex_ai.sys, "platform", "win32")
    monkeypatch.setenv("APPDATA", str(tmp_path / "roaming"))
    assert vertex_ai.gcloud_login() == os.path.join(str(tmp_path / "roaming"), "gcloud", name)


def test_gclouds_login_is_the_one_that_google_auth_finds(monkeypatch, tmp_path):
    from google.auth import _cloud_sdk

    from llmwidgets.providers.vertex_ai import gcloud_login

    for folder in (str(tmp_path), None):
        if folder is None:
            monkeypatch.delenv("CLOUDSDK_CONFIG")
        else:
            monkeypatch.setenv("CLOUDSDK_CONFIG", folder)
        assert gcloud_login() == _cloud_sdk.get_application_default_credentials_path()


@pytest.mark.parametrize("content", [None, "", "nonsense", '{"type": "authorized_user"}'])
def test_without_a_login_the_command_is_named(cloud, tmp_path, content):
    if content is not None:
        written(tmp_path, content, "application_default_credentials.json")
    failure = refusal(connected(cloud, "gcloud"))
    assert isinstance(failure, errors.Unauthorized)
    assert "gcloud auth application-default login" in failure.hint
    report = lw.check(connected(cloud, "gcloud"))
    assert "gcloud auth application-default login" in report.hint
    assert cloud.seen == []


def test_a_new_login_is_used_at_once(cloud, ways, tmp_path):
    connection = connected(cloud, "gcloud")
    exchanged(connection)
    login = {**a_login(cloud.url), "refresh_token": "made-up-refresh-0002"}
    written(tmp_path, login, "application_default_credentials.json")
    assert bearer(exchanged(connection)) == "ya29.made-up-2"
    assert form(cloud.seen[-1])["refresh_token"] == "made-up-refresh-0002"


def test_an_ended_login_says_how_to_log_in_again(cloud, ways):
    said = {"error": "invalid_grant", "error_description": "Token has been expired or revoked."}
    cloud.answers = {"/token": [(400, said)]}
    failure = refusal(connected(cloud, "gcloud"))
    assert "login behind these credentials has ended" in failure.message
    assert "gcloud auth application-default login" in failure.hint


# -- files of every type, by whichever field or variable they come


def sources(cloud: GoogleCloud, tmp_path: Path) -> dict[str, dict[str, Any]]:
    """A file of each type that is read."""
    key = a_service_account(f"{cloud.url}/token")
    subject = {"file": written(tmp_path, SUBJECT, "subject")}
    acts = {"service_account_impersonation_url": impersonation_url(cloud.url)}
    return {
        "service_account": key,
        "authorized_user": a_login(cloud.url),
        "impersonated, by a login": an_impersonation(cloud.url, a_login(cloud.url)),
        "impersonated, by a key": an_impersonation(cloud.url, key),
        "external_account": an_external_account(cloud.url, subject),
        "external_account, acting": an_external_account(cloud.url, subject, **acts),
    }


@pytest.mark.parametrize("way", ["credentials", "variable", "federation", "gcloud"])
@pytest.mark.parametrize("kind", [
    "service_account", "authorized_user", "impersonated, by a login", "impersonated, by a key",
    "external_account", "external_account, acting",
])  # fmt: skip
def test_a_file_of_each_type_serves_by_whichever_way(cloud, tmp_path, monkeypatch, way, kind):
    info = sources(cloud, tmp_path)[kind]
    path = written(tmp_path, info, "application_default_credentials.json")
    if way == "variable":
        from llmwidgets.connections.discovery import environment_connections

        monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", path)
        monkeypatch.setenv("GOOGLE_CLOUD_PROJECT", "acme-1")
        (connection,) = (each for each in environment_connections() if each.kind == "vertex_ai")
        call = gemini.count_call(connection.target(MODEL))
        assert call is not None
        assert "/projects/acme-1/" in call.url
        sent = event_loop.run_blocking(tokens.exchange_credentials(call, Policy()))
    elif way == "credentials":
        given = {"project": "acme-1", "base_url": cloud.url, "credentials": f"file:{path}"}
        connection = Connection("vertex_ai", label="mine", **given)
        sent = exchanged(connection)
    else:
        sent = exchanged(connected(cloud, way, **_file_field(way, path)))
    acts = "impersonated" in kind or "acting" in kind
    assert bearer(sent) == ("ya29.made-up-2" if acts else "ya29.made-up-1")
    assert len(cloud.asked(":generateAccessToken")) == acts
    assert connection.warnings == [] if way in ("credentials", "variable") else True


def _file_field(way: str, path: str) -> dict[str, str]:
    return {"credentials_file": path} if way == "federation" else {}


def test_accounts_in_between_and_a_life_of_its_own_are_passed_on(cloud, tmp_path):
    delegate = "between@acme-1.iam.gserviceaccount.com"
    info = an_impersonation(cloud.url, a_login(cloud.url), delegates=[delegate])
    exchanged(by_file(cloud, tmp_path, info))
    assert cloud.asked(":generateAccessToken")[0].json["delegates"] == [delegate]
    subject = {"file": written(tmp_path, SUBJECT, "subject")}
    info = an_external_account(
        cloud.url, subject,
        service_account_impersonation_url=impersonation_url(cloud.url),
        service_account_impersonation={"token_lifetime_seconds": 1200},
    )  # fmt: skip
    exchanged(by_file(cloud, tmp_path, info))
    assert cloud.asked(":generateAccessToken")[1].json["lifetime"] == "1200s"


def test_the_file_acts_first_and_the_form_after_it(cloud, tmp_path):
    last = "last@acme-1.iam.gserviceaccount.com"
    info = an_impersonation(cloud.url, a_login(cloud.url))
    connection = by_file(cloud, tmp_path, info, impersonate=last)
    assert bearer(exchanged(connection)) == "ya29.made-up-3"
    first, second = cloud.asked(":generateAccessToken")
    assert READER in first.line
    assert first.json["scope"] == ["https://www.googleapis.com/auth/iam"]
    assert last in second.line
    assert second.headers["authorization"] == "Bearer ya29.made-up-2"
    assert tokens.known_account(connection) == last


@pytest.mark.parametrize(
    ("status", "body", "kind", "said", "step"),
    [
        (403, NO_ROLE, errors.Forbidden, f"{ROBOT} may not act as {READER}",
         f"Give {ROBOT} the role Service Account Token Creator on {READER}"),
        (403, {"error": {"code": 403, "message": "IAM Service Account Credentials API has not been "
                         "used in project 7 before or it is disabled."}},
         errors.Forbidden, "API is turned off", "gcloud services enable"),
        (404, {"error": {"code": 404, "message": "Not found; Gaia id not found"}},
         errors.Unauthorized, f"knows no service account {READER}", "Check"),
        (401, {"error": {"code": 401, "message": "Bad"}}, errors.Unauthorized, "did not accept",
         "Sign in"),
        (503, {}, errors.Overloaded, "error of its own", "minute"),
        (403, b"<html>", errors.Unreachable, "is not Google's service", "proxy"),
        (200, {"nothing": 1}, errors.Unreachable, "is not Google's service", "proxy"),
        (200, {"accessToken": 7, "expireTime": "soon"}, errors.Unreachable, "not Google's", "pro"),
    ],
)  # fmt: skip
def test_why_an_account_may_not_be_acted_as(cloud, status, body, kind, said, step):
    cloud.answers = {":generateAccessToken": [(status, body)]}
    failure = refusal(connected(cloud, impersonate=READER))
    assert isinstance(failure, kind)
    assert said in failure.message
    assert step in failure.hint


# -- the mechanism: asked for once, once more, and of hosts that the policy allows


@pytest.mark.parametrize("way", WAYS)
def test_a_hundred_calls_share_one_refusal_each_with_its_own_name(cloud, ways, way):
    import asyncio

    cloud.answers = {"token": [(400, {"error": "invalid_grant"})]}
    connection = connected(cloud, way, **ways[way])
    call = gemini.count_call(connection.target(MODEL))
    assert call is not None
    from dataclasses import replace

    async def many() -> list[Any]:
        calls = (replace(call, label=f"c{number}") for number in range(100))
        each = (tokens.exchange_credentials(one, Policy()) for one in calls)
        return await asyncio.gather(*each, return_exceptions=True)

    failures = event_loop.run_blocking(many())
    assert {each.label for each in failures} == {f"c{number}" for number in range(100)}
    assert {type(each) for each in failures} == {errors.Unauthorized}
    assert len(cloud.asked("token")) == 1


def test_a_call_that_is_stopped_leaves_the_token_to_the_others(cloud):
    import asyncio

    connection = connected(cloud)
    call = gemini.count_call(connection.target(MODEL))
    assert call is not None

    async def some() -> Call:
        first = asyncio.create_task(tokens.exchange_credentials(call, Policy()))
        second = asyncio.create_task(tokens.exchange_credentials(call, Policy()))
        await asyncio.sleep(0)
        first.cancel()
        return await second

    assert bearer(event_loop.run_blocking(some())) == "ya29.made-up-1"
    assert cloud.made == 1


@pytest.mark.parametrize("way", WAYS)
def test_a_refused_token_is_replaced_once_and_the_second_refusal_is_the_answer(cloud, ways, way):
    connection = connected(cloud, way, **ways[way])
    cloud.bad = {1}
    assert lw.extract(SCHEMA, "Bill", (connection, MODEL), journal=False).status == "ok"
    assert cloud.made == 2
    cloud.bad = {2, 3}
    extraction = lw.extract(SCHEMA, "Bill", (connection, MODEL), journal=False)
    assert extraction.status == "Unauthorized"
    assert cloud.made == 3
    cloud.bad = set(range(100))
    report = lw.check(connection)
    assert not report.ok
    assert "none is given" not in report.sentence


def test_the_same_token_given_again_is_used_as_it_came(cloud, monkeypatch):
    """A metadata server keeps its token: it is in use already, and must not be masked."""
    connection = connected(cloud)
    monkeypatch.setattr(cloud, "token", lambda: "ya29.made-up-the-same-1")
    cloud.bad = {1}
    assert lw.extract(SCHEMA, "Bill", (connection, MODEL), journal=False).status == "Unauthorized"
    api = [each.headers["authorization"] for each in cloud.asked("/publishers/")]
    assert api == ["Bearer ya29.made-up-the-same-1"] * 2


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("rule", ['deny = ["127.0.0.1"]', 'allow = ["*.googleapis.com"]'])
def test_the_policy_is_asked_before_any_token_service(cloud, ways, way, rule, tmp_path):
    policy = Policy(layers=(rules_of(f"[hosts]\n{rule}\n".encode(), tmp_path / "policy.toml"),))
    with pytest.raises(errors.PolicyError, match=r"host 127\.0\.0\.1 is not allowed") as caught:
        exchanged(connected(cloud, way, **ways[way]), policy)
    assert caught.value.rule == f"the file {tmp_path / 'policy.toml'}"
    assert cloud.seen == []


# -- a role that is missing at the model


DENIED = "Permission 'aiplatform.endpoints.predict' denied on resource '//aiplatform…'."


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("reason", [[], [{"reason": "IAM_PERMISSION_DENIED"}]])
def test_a_missing_role_at_the_model_names_role_project_and_account(cloud, ways, way, reason):
    details = [{"@type": "type.googleapis.com/google.rpc.ErrorInfo", **each} for each in reason]
    error = {"code": 403, "status": "PERMISSION_DENIED", "message": DENIED, "details": details}
    cloud.answers = {"/publishers/": [(403, {"error": error})]}
    connection = connected(cloud, way, **ways[way])
    report = lw.check(connection)
    assert not report.ok
    whose = ROBOT if way == "machine" else "The account that signs in"
    assert re.match(f"{whose} has no right to (?:the model )?{MODEL}", report.sentence)
    assert "role Vertex AI User in the project acme-1" in report.hint
    extraction = lw.extract(SCHEMA, "Bill", (connection, MODEL), journal=False)
    assert extraction.status == "Forbidden"
    assert "has no right" in extraction.failure.message
    if way == "machine":
        hint = lw.check(connected(cloud, project=None)).hint
        assert "in the project of the machine" in hint
