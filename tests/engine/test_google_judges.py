"""Google's own client, led to the same server, asks each token as we do: URL, headers and body."""

from __future__ import annotations

import json
from base64 import urlsafe_b64decode
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest

from tests.engine.conftest import Seen
from tests.google_cloud import (
    READER,
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
    written,
)
from tests.google_keys import a_service_account

SCOPES = ["https://www.googleapis.com/auth/cloud-platform"]
_OWN = frozenset({
    "accept", "accept-encoding", "connection", "content-length", "host", "user-agent",
    # What Google's client says of itself and this computer, which we do not.
    "x-goog-api-client",
})  # fmt: skip


def asked(seen: Seen) -> tuple[Any, ...]:
    """A request in parts that can be compared; who signs in is told by the number of a token."""
    method, target, _ = seen.line.split(" ")
    headers = {name: each for name, each in seen.headers.items() if name not in _OWN}
    if "authorization" in headers and "made-up-" in headers["authorization"]:
        headers["authorization"] = "Bearer the token of before"
    kind = headers.get("content-type", "")
    body: Any = seen.body
    if "json" in kind:
        body = seen.json
    elif "form" in kind:
        body = {name: _claims(each) if name == "assertion" else each
                for name, each in form(seen).items()}  # fmt: skip
    return (
        method,
        urlsplit(target).path,
        sorted(parse_qsl(urlsplit(target).query)),
        sorted(headers.items()),
        body,
    )


def _claims(assertion: str) -> dict[str, Any]:
    part = assertion.split(".")[1]
    claims = json.loads(urlsafe_b64decode(part + "=" * (-len(part) % 4)))
    return {name: claims[name] for name in claims if name not in ("iat", "exp")}


def both(cloud: GoogleCloud, connection: Any, theirs: Callable[[], Any]) -> list[tuple[Any, ...]]:
    """What we asked; the same as what Google's client asked, and as good."""
    from google.auth.transport.requests import Request

    assert bearer(exchanged(connection)).startswith("ya29.made-up-")
    ours = [asked(each) for each in cloud.seen]
    cloud.seen.clear()
    credentials = theirs()
    credentials.refresh(Request())
    assert credentials.token.startswith("ya29.made-up-")
    judged = [asked(each) for each in cloud.seen]
    assert sorted(map(repr, ours)) == sorted(map(repr, judged))
    return ours


@pytest.fixture
def metadata(cloud, monkeypatch) -> GoogleCloud:
    """Google's client reads the variable once, when it is imported."""
    from google.auth.compute_engine import _metadata

    monkeypatch.setattr(_metadata, "_GCE_METADATA_HOST", cloud.host)
    return cloud


def test_of_the_machine(metadata):
    from google.auth import compute_engine

    ours = both(metadata, connected(metadata), lambda: compute_engine.Credentials(scopes=SCOPES))
    assert len(ours) == 2


def test_of_the_machine_acting_as_another(metadata):
    from google.auth import compute_engine, iam, impersonated_credentials

    def theirs() -> Any:
        return impersonated_credentials.Credentials(
            compute_engine.Credentials(universe_domain="googleapis.com"), READER, SCOPES,
            iam_endpoint_override=impersonation_url(metadata.url),
        )  # fmt: skip

    ours = both(metadata, connected(metadata, impersonate=READER), theirs)
    assert ("scopes", iam._IAM_SCOPE[0]) in ours[0][2]


LAYOUT = {"type": "json", "subject_token_field_name": "value"}


@pytest.mark.parametrize("acts", [False, True])
@pytest.mark.parametrize("more", [
    {}, {"client_id": "c-1", "client_secret": "made-up-secret-2"}, {"quota_project_id": "acme-2"},
])  # fmt: skip
@pytest.mark.parametrize("source", ["file", "file, json", "url", "url, json"])
def test_of_federation(cloud, tmp_path, source, more, acts):
    from google.auth import identity_pool

    content = json.dumps({"value": SUBJECT}) if "json" in source else SUBJECT
    named = (
        {"file": written(tmp_path, content, "subject")}
        if "file" in source
        else {"url": f"{cloud.url}/subject{source[3:].strip(', ')}", "headers": {"Metadata": "x"}}
    )
    named |= {"format": LAYOUT} if "json" in source else {}
    if "url" in source and "json" in source:
        named["url"] = f"{cloud.url}/subject-json"
    if acts:
        more = {**more, "service_account_impersonation_url": impersonation_url(cloud.url)}
    info = an_external_account(cloud.url, named, **more)
    ours = both(
        cloud,
        by_file(cloud, tmp_path, info),
        lambda: identity_pool.Credentials.from_info(info, scopes=SCOPES),
    )
    assert len(ours) == 1 + ("url" in source) + acts


@pytest.mark.parametrize("more", [{}, {"quota_project_id": "acme-2"}, {"delegates": [READER]}])
@pytest.mark.parametrize("by", ["login", "login, quota", "key"])
def test_of_an_impersonation(cloud, tmp_path, monkeypatch, by, more):
    from google.auth import iam, impersonated_credentials
    from google.oauth2 import credentials

    # Google's client takes no address from this file.
    monkeypatch.setattr(credentials, "_GOOGLE_OAUTH2_TOKEN_ENDPOINT", f"{cloud.url}/token")
    monkeypatch.setattr(iam, "_IAM_ENDPOINT", impersonation_url(cloud.url, "{}"))

    source: dict[str, Any] = a_login(cloud.url)
    if by == "key":
        source = a_service_account(f"{cloud.url}/token")
    elif by == "login, quota":
        source["quota_project_id"] = "acme-3"
    info = an_impersonation(cloud.url, source, **more)
    make: Any = impersonated_credentials.Credentials.from_impersonated_service_account_info
    ours = both(cloud, by_file(cloud, tmp_path, info), lambda: make(info, scopes=SCOPES))
    assert len(ours) == 2
    sent = exchanged(by_file(cloud, tmp_path, info))
    assert sent.headers.get("x-goog-user-project") == more.get("quota_project_id")


@pytest.mark.parametrize("kind", ["key", "login"])
def test_of_a_key_and_of_a_login(cloud, tmp_path, kind):
    from google.oauth2 import credentials, service_account

    if kind == "key":
        info: dict[str, Any] = a_service_account(f"{cloud.url}/token")
        make: Any = service_account.Credentials.from_service_account_info
        both(cloud, by_file(cloud, tmp_path, info), lambda: make(info, scopes=SCOPES))
    else:
        info = a_login(cloud.url)
        user: Any = credentials.Credentials
        named = {name: info[name] for name in info if name != "type"}
        both(cloud, by_file(cloud, tmp_path, info), lambda: user(None, **named))
