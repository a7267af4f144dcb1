"""Federation at Google: what is exchanged, and that nothing outside its limits is read or sent."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest

from llmwidgets import Connection, errors
from llmwidgets.engine.network.sign_in import tokens
from tests.google_cloud import (
    SUBJECT,
    an_external_account,
    an_impersonation,
    by_file,
    connected,
    exchanged,
    form,
    refusal,
    written,
)


def test_the_token_of_an_address_here_is_exchanged(cloud, tmp_path):
    layout = {"type": "json", "subject_token_field_name": "value"}
    headers = {"Metadata": "True", "X-Identity-Header": "made-up-secret-9"}
    for source in (
        {"url": f"{cloud.url}/subject"},
        {"url": f"{cloud.url}/subject-json?a=b", "format": layout, "headers": headers},
    ):
        exchanged(by_file(cloud, tmp_path, an_external_account(cloud.url, source)))
        assert form(cloud.asked("/v1/token")[-1])["subject_token"] == SUBJECT
    asked = cloud.asked("/subject-json")[0]
    assert (asked.headers["metadata"], asked.headers["x-identity-header"]) == (
        "True", "made-up-secret-9",
    )  # fmt: skip


def test_a_token_in_json_and_behind_links_is_read_anew(cloud, tmp_path):
    """As Kubernetes projects it: a link to a link, which is changed in place."""
    folder = tmp_path / "var" / "run" / "secrets" / "tokens"
    (folder / "..1").mkdir(parents=True)
    written(folder / "..1", {"id": SUBJECT}, "token")
    (folder / "..data").symlink_to(folder / "..1")
    (folder / "token").symlink_to(folder / "..data" / "token")
    layout = {"type": "json", "subject_token_field_name": "id"}
    source = {"file": str(folder / "token"), "format": layout}
    connection = by_file(cloud, tmp_path, an_external_account(cloud.url, source))
    exchanged(connection)
    written(folder / "..1", {"id": f"{SUBJECT}-2"}, "token")
    tokens.forget_tokens()
    exchanged(connection)
    sent = [form(each)["subject_token"] for each in cloud.asked("/v1/token")]
    assert sent == [SUBJECT, f"{SUBJECT}-2"]


def test_a_client_of_the_file_is_named_in_the_header_alone(cloud, tmp_path):
    source = {"file": written(tmp_path, SUBJECT, "subject")}
    client = {"client_id": "c-1", "client_secret": "made-up-secret-0002"}
    exchanged(by_file(cloud, tmp_path, an_external_account(cloud.url, source, **client)))
    (asked,) = cloud.asked("/v1/token")
    assert asked.headers["authorization"].startswith("Basic ")
    assert b"made-up-secret-0002" not in asked.body


def outside(**changes: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    source = changes.pop("source", {"file": "subject"})
    return source, changes


@pytest.mark.parametrize(
    ("source", "changes", "said"),
    [
        (*outside(token_url="https://evil.example/v1/token"), "at evil.example, which is not"),
        (*outside(token_url="http://sts.googleapis.com/v1/token"), "which is not Google's"),
        (*outside(token_url="https://sts.googleapis.com.evil.example/t"), "not Google's"),
        (*outside(token_url="https://sts.googleapis.com@evil.example/t"), "not Google's"),
        (*outside(token_url="https://storage.googleapis.com/v1/token"), "which is not Google's"),
        (*outside(token_url="https://sts.evil.example/v1/token", universe_domain="evil.example"),
         "another universe"),
        (*outside(service_account_impersonation_url="https://evil.example/v1/projects/-/"
                  "serviceAccounts/a@b.c:generateAccessToken"), "is not Google's"),
        (*outside(service_account_impersonation_url="https://iamcredentials.googleapis.com/v1/x"),
         "is not Google's"),
        (*outside(service_account_impersonation_url=7), "is not Google's"),
        (*outside(audience="//iam.googleapis.com/locations/global/workforcePools/p/providers/o"),
         "workforce pool"),
        (*outside(audience=None), "lacks audience"),
        (*outside(source={"executable": {"command": "TOUCH"}}), "names a program"),
        (*outside(source={"file": "subject", "executable": {"command": "TOUCH"}}), "a program"),
        (*outside(source={"environment_id": "aws1", "region_url": "http://169.254.169.254/r"}),
         "from AWS"),
        (*outside(subject_token_type="urn:ietf:params:aws:token-type:aws4_request"), "from AWS"),
        (*outside(source={"certificate": {"use_default_certificate_config": True}}),
         "with a certificate"),
        (*outside(source={}), "neither a file nor an address"),
        (*outside(source={"file": "subject", "url": "http://127.0.0.1/x"}), "or both"),
        (*outside(source={"file": ["subject"]}), "neither a file nor an address"),
        (*outside(source={"file": "subject", "format": {"type": "xml"}}), "neither text nor json"),
        (*outside(source={"file": "subject", "format": {"type": "json"}}),
         "subject_token_field_name"),
        (*outside(source={"file": "/etc/passwd"}), "the system's own"),
        (*outside(source={"file": "/etc/hostname"}), "the system's own"),
        (*outside(source={"file": "/proc/self/environ"}), "the system's own"),
        (*outside(source={"file": "/proc/self/root/etc/hostname"}), "the system's own"),
        (*outside(source={"file": "/usr/../etc/hostname"}), "the system's own"),
        (*outside(source={"file": "/dev/stdin"}), "the system's own"),
        (*outside(source={"file": "link-to-etc"}), "the system's own"),
        (*outside(source={"file": "gone"}), "is not there"),
        (*outside(source={"file": "."}), "not a regular file"),
        (*outside(source={"file": "large"}), "larger than 64 kB"),
        (*outside(source={"file": "lines"}), "is not a token"),
        (*outside(source={"file": "words"}), "is not a token"),
        (*outside(source={"file": "empty"}), "is not a token"),
        (*outside(source={"file": "binary"}), "is not text"),
        (*outside(source={"file": "subject", "format": {
            "type": "json", "subject_token_field_name": "x"}}), "is not a token"),
        (*outside(source={"url": "https://evil.example/token"}), "at evil.example, which"),
        (*outside(source={"url": "http://127.0.0.1.evil.example/t"}), "is neither"),
        (*outside(source={"url": "http://169.254.169.254@evil.example/t"}), "is neither"),
        (*outside(source={"url": "http://169.254.169.253/t"}), "is neither"),
        (*outside(source={"url": "file:///etc/passwd"}), "is neither"),
        (*outside(source={"url": "http://169.254.169.254/t", "headers": {"Authorization": "x"}}),
         "a secret to 169.254.169.254"),
    ],
)  # fmt: skip
def test_a_file_outside_the_limits_is_refused_and_nothing_is_sent(
    cloud, tmp_path, monkeypatch, source, changes, said
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("GOOGLE_EXTERNAL_ACCOUNT_ALLOW_EXECUTABLES", "1")
    for name, content in {
        "subject": SUBJECT, "lines": f"{SUBJECT}\n{SUBJECT}", "words": "root x 0", "empty": "",
        "large": "e" * 70_000,
    }.items():  # fmt: skip
        written(tmp_path, content, name)
    (tmp_path / "binary").write_bytes(b"\x00\xff\xfe\x00\x01")
    (tmp_path / "link-to-etc").symlink_to("/etc/hostname")
    run = tmp_path / "was-run"
    source = json.loads(json.dumps(source).replace("TOUCH", f"touch {run}"))
    info = {**an_external_account(cloud.url, source), **changes}
    failure = refusal(by_file(cloud, tmp_path, info))
    assert isinstance(failure, errors.Unauthorized)
    assert said in failure.message
    assert cloud.seen == []
    assert not run.exists()


@pytest.mark.parametrize("form_of", ["paste", "env:FEDERATION"])
def test_a_pasted_file_of_federation_is_refused_with_the_way_on(
    cloud, tmp_path, monkeypatch, form_of
):
    source = {"file": written(tmp_path, SUBJECT, "subject")}
    text = json.dumps(an_external_account(cloud.url, source))
    monkeypatch.setenv("FEDERATION", text)
    given = text if form_of == "paste" else form_of
    fields = {"project": "acme-1", "base_url": cloud.url, "credentials": given}
    failure = refusal(Connection("vertex_ai", label="mine", **fields))
    assert "not taken from a paste" in failure.message
    assert 'sign_in="federation"' in failure.hint
    assert cloud.seen == []


@pytest.mark.parametrize(
    "source",
    [{"type": "external_account"}, {"type": "impersonated_service_account"}, {}, None, "x", []],
)
def test_an_impersonation_by_others_than_a_key_or_a_login_is_refused(cloud, tmp_path, source):
    failure = refusal(by_file(cloud, tmp_path, an_impersonation(cloud.url, source)))
    assert "by others that are not used here" in failure.message
    assert cloud.seen == []


@pytest.mark.parametrize(
    ("error", "description", "said"),
    [
        ("invalid_grant", "The audience in ID Token [a] does not match the expected audience.",
         "another audience"),
        ("invalid_grant", "ID Token issued at 1690000000 is stale to sign-in.", "has ended"),
        ("invalid_target", "The target service indicated by the parameters is invalid. This might "
         "either be because the pool or provider is disabled or deleted.", "no such"),
        ("unauthorized_client", "The given credential is rejected by the attribute condition.",
         "does not let this identity in"),
        ("odd", "Something.", "It says: odd: Something."),
        ({"status": "PERMISSION_DENIED", "message": "Security Token Service API has not been used"},
         "", "PERMISSION_DENIED: Security Token"),
    ],
)  # fmt: skip
def test_what_the_service_of_federation_says_becomes_a_sentence(
    cloud, ways, error, description, said
):
    body = {"error": error, "error_description": description}
    cloud.answers = {"/v1/token": [(400, body)]}
    connection = connected(cloud, "federation", **ways["federation"])
    with pytest.raises(errors.Unauthorized, match=re.escape(said)):
        exchanged(connection)
