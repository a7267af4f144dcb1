"""Entra ID for tests: made-up tokens, and the far ends that give them out."""

from __future__ import annotations

import json
import ssl
import time
from base64 import urlsafe_b64encode
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import pytest
import trustme

from tests.engine.conftest import FarEnd, Seen, Wire

TENANT = "11111111-2222-3333-4444-555555555555"
CLIENT = "66666666-7777-8888-9999-000000000000"
SECRET = "client-secret-made-up-0001"
WHO = "m.oliveira@acme.example"
_VARIABLES = (
    "AZURE_TENANT_ID", "AZURE_CLIENT_ID", "AZURE_CLIENT_SECRET", "AZURE_AUTHORITY_HOST",
    "AZURE_FEDERATED_TOKEN_FILE", "AZURE_TOKEN_CREDENTIALS", "AZURE_OPENAI_AD_TOKEN",
    "AZURE_CLIENT_CERTIFICATE_PATH", "AZURE_USERNAME", "AZURE_PASSWORD", "MSI_ENDPOINT",
    "MSI_SECRET", "IDENTITY_ENDPOINT", "IDENTITY_HEADER", "IMDS_ENDPOINT",
    "IDENTITY_SERVER_THUMBPRINT", "AZURE_POD_IDENTITY_AUTHORITY_HOST",
    "AZURE_REGIONAL_AUTHORITY_NAME",
)  # fmt: skip


def a_token(number: int, **claims: Any) -> str:
    """A token as Entra ID's look, with claims and without a signature that is one."""
    parts = ({"alg": "none"}, {"upn": WHO, "exp": int(time.time()) + 3600, **claims})
    coded = (urlsafe_b64encode(json.dumps(each).encode()).decode().rstrip("=") for each in parts)
    return ".".join([*coded, f"made-up-signature-{number:04}"])


def number_of(token: str) -> int:
    """Which of the made-up tokens it is; 0 for a key."""
    last = token.rpartition("-")[2]
    return int(last) if last.isdigit() else 0


@dataclass
class Entra:
    """A sign-in service, an identity service of a machine, and the resource that takes tokens.

    `asked` are the scopes or resources that were asked for. `replies` are statuses and bodies that
    come first in place of a token.
    """

    seconds: int = 3600
    asked: list[str] = field(default_factory=list)
    replies: list[tuple[int, Any]] = field(default_factory=list)
    token_endpoint: str = ""
    claims: dict[str, Any] = field(default_factory=dict)
    bad: set[int] = field(default_factory=set)
    takes: str = ""
    """The scope whose tokens the resource takes; empty: of every scope."""
    refusal: tuple[int, Any] = (401, {"error": {"code": "401", "message": (
        "Unauthorized. Access token is missing, invalid, audience is incorrect"
        " (https://cognitiveservices.azure.com), or have expired.")}})  # fmt: skip
    used: list[int] = field(default_factory=list)
    signs_in: FarEnd | None = None
    resource: FarEnd | None = None

    async def sign_in(self, seen: Seen, wire: Wire) -> None:
        """The sign-in service, over TLS, and the metadata service."""
        method, target, _ = seen.line.split(" ")
        path = urlsplit(target).path
        if path.endswith("/.well-known/openid-configuration"):
            wire.answer(self._discovery(path.partition("/v2.0")[0]))
            return
        if method == "GET" and "metadata" not in seen.headers:
            wire.answer({"error": "bad_request"}, 400)
            return
        if self.replies:
            status, body = self.replies.pop(0)
            wire.answer(body, status)
            return
        query = dict(parse_qsl(seen.body.decode() or urlsplit(target).query))
        self.asked.append(query.get("scope") or query["resource"])
        token = a_token(len(self.asked), **self.claims)
        ends = int(time.time()) + self.seconds
        wire.answer({
            "access_token": token, "expires_in": self.seconds, "expires_on": str(ends),
            "token_type": "Bearer", "resource": self.asked[-1],
        })  # fmt: skip

    def _discovery(self, tenant: str) -> dict[str, str]:
        assert self.signs_in is not None
        base = f"{self.signs_in.url.removesuffix('/v1')}{tenant}"
        return {
            "token_endpoint": self.token_endpoint or f"{base}/oauth2/v2.0/token",
            "authorization_endpoint": f"{base}/oauth2/v2.0/authorize",
            "issuer": f"{base}/v2.0",
        }

    async def serve(self, seen: Seen, wire: Wire) -> None:
        """The resource."""
        number = number_of(seen.headers.get("authorization", "-0"))
        self.used.append(number)
        fits = not self.takes or (number > 0 and self.asked[number - 1] == self.takes)
        if number in self.bad or not fits:
            wire.answer(self.refusal[1], self.refusal[0])
        elif seen.line.startswith("GET"):
            wire.answer({"data": []})
        elif "/messages" in seen.line:
            wire.answer({
                "id": "m", "type": "message", "role": "assistant", "model": "claude-haiku-5-5",
                "content": [{"type": "text", "text": json.dumps({"total": 12.5})}],
                "stop_reason": "end_turn", "usage": {"input_tokens": 9, "output_tokens": 9},
            })  # fmt: skip
        else:
            wire.chat({"total": 12.5})

    @property
    def authority(self) -> str:
        """Where the sign-in service is, as AZURE_AUTHORITY_HOST names it."""
        assert self.signs_in is not None
        return self.signs_in.url.removesuffix("/v1")

    @property
    def exchanges(self) -> list[Seen]:
        """What was asked for tokens, without what discovers where."""
        assert self.signs_in is not None
        return [each for each in self.signs_in.seen if "openid-configuration" not in each.line]


class Certified:
    """A certificate authority, its file, and a server's context by it."""

    def __init__(self, folder: Path) -> None:
        made = trustme.CA()
        self.file = str(folder / "ca.pem")
        made.cert_pem.write_to_path(self.file)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        made.issue_cert("127.0.0.1").configure_cert(self.context)


def take_away(monkeypatch: pytest.MonkeyPatch, folder: Path) -> Path:
    """No variable of Azure's and no tool is there; the folder returned is searched for tools."""
    for name in _VARIABLES:
        monkeypatch.delenv(name, raising=False)
    tools = folder / "tools"
    tools.mkdir(exist_ok=True)
    monkeypatch.setenv("PATH", str(tools))
    return tools


def a_tool(folder: Path, body: str, name: str = "az") -> Path:
    """A program of this name that notes how it was called, then does what the body says."""
    notes = folder / f"{name}.notes"
    program = folder / name
    program.write_text(f'#!/bin/sh\necho "$*" >> {notes}\n{body}\n')
    program.chmod(0o755)
    return notes
