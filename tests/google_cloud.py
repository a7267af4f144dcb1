"""Google's far ends on loopback: metadata server, token services, the API; and files for them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, unquote

import pytest

from llmwidgets import Connection, errors
from llmwidgets.connections import Policy
from llmwidgets.dialects import gemini
from llmwidgets.dialects.types import Call
from llmwidgets.engine import event_loop
from llmwidgets.engine.network.sign_in import google_impersonation, tokens
from tests.engine.conftest import FarEnd, Seen, Wire, serving

ROBOT = "robot@acme-1.iam.gserviceaccount.com"
READER = "reader@acme-1.iam.gserviceaccount.com"
MODEL = "gemini-3.8-flash"
SUBJECT = "eyJhbGciOiJub25lIn0.eyJtYWRlIjoidXAifQ.made-up-subject"
METADATA = "/computeMetadata/v1/"
NO_ROLE = {
    "error": {
        "code": 403,
        "message": "Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may"
        " not exist).",
        "status": "PERMISSION_DENIED",
    }
}
REFUSED = {"error": {"code": 401, "message": "Invalid credentials.", "status": "UNAUTHENTICATED"}}


class GoogleCloud:
    """All of them in one server; each token is `ya29.made-up-NUMBER`.

    `answers` are (status, body) by a part of the path, the first ones first: each is given once,
    and the last one for good. `bad` are the numbers of tokens that the API refuses.
    """

    def __init__(self) -> None:
        self.end = FarEnd(0)
        self.made = 0
        self.seconds = 3599
        self.flavor = "Metadata-Flavor: Google\r\n"
        self.answers: dict[str, list[tuple[int, Any]]] = {}
        self.bad: set[int] = set()

    @property
    def url(self) -> str:
        return self.end.url.removesuffix("/v1")

    @property
    def host(self) -> str:
        return self.url.removeprefix("http://")

    @property
    def seen(self) -> list[Seen]:
        return self.end.seen

    def asked(self, part: str) -> list[Seen]:
        """The requests with this in their first line."""
        return [each for each in self.end.seen if part in unquote(each.line)]

    def token(self) -> str:
        self.made += 1
        return f"ya29.made-up-{self.made}"

    async def __call__(self, seen: Seen, wire: Wire) -> None:
        path = seen.line.split(" ")[1]
        named = next((part for part in self.answers if part in path), None)
        if named is not None:
            row = self.answers[named]
            status, body = row.pop(0) if len(row) > 1 else row[0]
            if status is not None:
                wire.answer(body, status, self.flavor if METADATA in path else "")
                return
            self.answers.pop(named)
        if path == "/":  # by which Google's client sees whether this machine is one of Google's
            wire.answer(b"", 200, self.flavor)
        elif METADATA in path:
            body = self._metadata(path.removeprefix(METADATA))
            if isinstance(body, bytes):
                head = f"content-type: application/text\r\n{self.flavor}content-length: {len(body)}"
                wire.write(f"HTTP/1.1 200 OK\r\n{head}\r\n\r\n".encode() + body)
            else:
                wire.answer(body, 200 if body is not None else 404, self.flavor)
        elif ":generateAccessToken" in path:
            ends = datetime.now(UTC) + timedelta(seconds=self.seconds)
            written = f"{ends:%Y-%m-%dT%H:%M:%SZ}"
            wire.answer({"accessToken": self.token(), "expireTime": written})
        elif "token" in path:
            wire.answer({"access_token": self.token(), "expires_in": self.seconds})
        elif "subject" in path:
            wire.answer({"value": SUBJECT} if "json" in path else SUBJECT.encode())
        elif int(seen.headers["authorization"].rpartition("-")[2]) in self.bad:
            wire.answer(REFUSED, 401)
        elif ":countTokens" in path:
            wire.answer({"totalTokens": 1})
        else:
            part = {"text": json.dumps({"total": 12.5})}
            wire.answer({"candidates": [{"content": {"parts": [part]}, "finishReason": "STOP"}]})

    def _metadata(self, path: str) -> Any:
        if path.startswith("instance/service-accounts/default/token"):
            return {"access_token": self.token(), "expires_in": self.seconds}
        if path.startswith("instance/service-accounts/default/?"):
            return {"email": ROBOT, "scopes": ["https://www.googleapis.com/auth/cloud-platform"]}
        return b"acme-9" if path == "project/project-id" else None


@contextmanager
def google_cloud(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Iterator[GoogleCloud]:
    """Google Cloud, as this machine and gcloud know it."""
    cloud = GoogleCloud()
    for name in ("GOOGLE_CLOUD_PROJECT", "GOOGLE_APPLICATION_CREDENTIALS"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("CLOUDSDK_CONFIG", str(folder))
    monkeypatch.setattr(tokens, "_PAUSE_SECONDS", 0.0)
    with serving(cloud) as end:
        cloud.end = end
        monkeypatch.setenv("GCE_METADATA_HOST", cloud.host)
        monkeypatch.setattr(google_impersonation, "SERVICE", cloud.url)
        yield cloud
        event_loop.stop_engine()
    tokens.forget_tokens()


def fields_of_ways(cloud: GoogleCloud, folder: Path) -> dict[str, dict[str, Any]]:
    """The fields of each way to sign in without a key, whose files are put in place."""
    written(folder, a_login(cloud.url), "application_default_credentials.json")
    source = {"file": written(folder, SUBJECT, "subject")}
    file = written(folder, an_external_account(cloud.url, source), "federation.json")
    return {"machine": {}, "gcloud": {}, "federation": {"credentials_file": file}}


def impersonation_url(url: str, email: str = READER) -> str:
    return f"{url}/v1/projects/-/serviceAccounts/{email}:generateAccessToken"


def a_login(url: str) -> dict[str, Any]:
    """What gcloud keeps of a user who logged in."""
    return {
        "type": "authorized_user", "client_id": "id-1", "client_secret": "made-up-secret-0001",
        "refresh_token": "made-up-refresh-0001", "token_uri": f"{url}/token",
    }  # fmt: skip


def an_impersonation(url: str, source: dict[str, Any], **more: Any) -> dict[str, Any]:
    """What gcloud keeps of a login that acts as a service account."""
    return {
        "type": "impersonated_service_account", "delegates": [],
        "service_account_impersonation_url": impersonation_url(url),
        "source_credentials": source, **more,
    }  # fmt: skip


def an_external_account(url: str, source: dict[str, Any], **more: Any) -> dict[str, Any]:
    """What gcloud writes for a workload of another cloud."""
    return {
        "type": "external_account",
        "audience": "//iam.googleapis.com/projects/7/locations/global/workloadIdentityPools/p"
        "/providers/o",
        "subject_token_type": "urn:ietf:params:oauth:token-type:jwt",
        "token_url": f"{url}/v1/token",
        "credential_source": source,
        **more,
    }


def written(folder: Path, info: Any, name: str = "credentials.json") -> str:
    """A file with this content: where it is."""
    file = folder / name
    file.write_text(info if isinstance(info, str) else json.dumps(info), "utf-8")
    return str(file)


def form(seen: Seen) -> dict[str, str]:
    """The fields of a request's form."""
    return dict(parse_qsl(seen.body.decode()))


# -- connections of each way, and what they are exchanged for


def connected(cloud: GoogleCloud, way: str = "machine", **fields: Any) -> Connection:
    given = {"project": "acme-1", "base_url": cloud.url, **fields}
    return Connection("vertex_ai", sign_in=way, label="mine", **given)


def by_file(cloud: GoogleCloud, tmp_path: Path, info: Any, **fields: Any) -> Connection:
    """With this JSON as the file of federation."""
    return connected(cloud, "federation", credentials_file=written(tmp_path, info), **fields)


def exchanged(connection: Connection, policy: Policy | None = None) -> Call:
    call = gemini.count_call(connection.target(MODEL))
    assert call is not None
    return event_loop.run_blocking(tokens.exchange_credentials(call, policy or Policy()))


def bearer(call: Call) -> str:
    return next(each.secret.reveal() for each in call.auth if each.name == "Authorization")


def refusal(connection: Connection, **more: Any) -> errors.CallError:
    with pytest.raises(errors.CallError) as caught:
        exchanged(connection, **more)
    assert caught.value.hint
    assert caught.value.label == "mine"
    return caught.value
