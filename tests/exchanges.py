"""Every exchange of a token for tests: a connection by each way, and its service on loopback."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import llmwidgets as lw
from llmwidgets.connections import Policy
from llmwidgets.dialects import gemini, openai
from llmwidgets.dialects.types import Call
from llmwidgets.engine import event_loop
from llmwidgets.engine.network.sign_in import tokens
from tests.engine.conftest import serving
from tests.entra import CLIENT, SECRET, TENANT, Certified, Entra, a_token, a_tool, take_away
from tests.google_cloud import (
    MODEL,
    GoogleCloud,
    a_login,
    an_impersonation,
    by_file,
    connected,
    written,
)
from tests.google_keys import a_service_account

GOOGLE = ("machine", "gcloud", "federation", "impersonation", "key")
ENTRA = ("secret", "federated file", "metadata", "app service", "az")
WAYS = (*GOOGLE, *ENTRA)
FEDERATED, IDENTITY = "federated-token-made-up-0001", "identity-header-made-up-0001"


@dataclass
class Exchanged:
    """A connection by one way, and its service: how often it was asked, and how it is told.

    `each` is how many tokens the service makes for one that a call is sent with.
    """

    connection: lw.Connection
    model: str
    far: Any
    count: Callable[[], int]
    away: Callable[[], None]
    each: int = 1

    def call(self) -> Call:
        target = self.connection.target(self.model)
        call = (gemini.count_call if self.model == MODEL else openai.models_call)(target)
        assert call is not None
        return call

    def signed_at_once(self) -> set[str]:
        """The tokens that a hundred calls are sent with, which were all begun together."""

        async def many() -> list[Call]:
            calls = (tokens.exchange_credentials(self.call(), Policy()) for _ in range(100))
            return await asyncio.gather(*calls)

        return {each.auth[0].secret.reveal() for each in event_loop.run_blocking(many())}


def _at_google(cloud: GoogleCloud, ways: dict[str, Any], folder: Path, way: str) -> Exchanged:
    last = ":generateAccessToken" if way == "impersonation" else "token"
    if way == "key":
        key = json.dumps(a_service_account(f"{cloud.url}/token"))
        connection = lw.Connection("vertex_ai", credentials=key, base_url=cloud.url)
    elif way == "impersonation":
        connection = by_file(cloud, folder, an_impersonation(cloud.url, a_login(cloud.url)))
    else:
        connection = connected(cloud, way, **ways[way])

    def away() -> None:
        cloud.answers = {last: [(503, b""), (None, None)]}

    return Exchanged(
        connection, MODEL, cloud, lambda: len(cloud.asked(last)), away, 1 + (way == "impersonation")
    )


def _variables(monkeypatch: pytest.MonkeyPatch, **values: str) -> None:
    for name, value in values.items():
        monkeypatch.setenv(name, value)


def _at_entra(
    monkeypatch: pytest.MonkeyPatch, folder: Path, way: str, seconds: int, stack: ExitStack
) -> Exchanged:
    certified, there = Certified(folder), Entra(seconds)
    there.refusal = (401, {"error": {"code": "401", "message": "Expired."}})
    tools = take_away(monkeypatch, folder)
    monkeypatch.setattr(tokens, "_PAUSE_SECONDS", 0.0)
    there.signs_in = stack.enter_context(serving(there.sign_in, certified.context))
    there.resource = stack.enter_context(serving(there.serve))
    machine = stack.enter_context(serving(there.sign_in)).url.removesuffix("/v1")
    _variables(monkeypatch, AZURE_AUTHORITY_HOST=there.authority)
    count: Callable[[], int] = lambda: len(there.asked)  # noqa: E731
    if way in {"secret", "federated file"}:
        _variables(monkeypatch, AZURE_TENANT_ID=TENANT, AZURE_CLIENT_ID=CLIENT)
    if way == "secret":
        _variables(monkeypatch, AZURE_CLIENT_SECRET=SECRET)
    elif way == "federated file":
        file = written(folder, FEDERATED, "federated")
        _variables(monkeypatch, AZURE_FEDERATED_TOKEN_FILE=file)
    elif way == "metadata":
        _variables(monkeypatch, AZURE_POD_IDENTITY_AUTHORITY_HOST=machine)
    elif way == "app service":
        _variables(monkeypatch, IDENTITY_ENDPOINT=f"{machine}/msi/token", IDENTITY_HEADER=IDENTITY)
    else:
        notes = tools / "az.notes"
        # The program tells its token by how often it was called.
        said = {"accessToken": f"{a_token(0)[:-1]}'$n'", "expires_on": int(time.time()) + seconds}
        a_tool(
            tools,
            f"n=0; while read -r _; do n=$((n+1)); done < {notes}; echo '{json.dumps(said)}'",
        )
        count = lambda: len(notes.read_text().splitlines()) if notes.exists() else 0  # noqa: E731

    def away() -> None:
        there.replies = [(503, {"error": "temporarily_unavailable"})]

    url = there.resource.url.removesuffix("/v1")
    connection = lw.Connection(
        "azure_openai", sign_in="entra", label="mine", deployment="luna",
        endpoint=f"{url}/openai/v1", ca_bundle=certified.file,
    )  # fmt: skip
    return Exchanged(connection, "luna", there, count, away)


Begin = Callable[..., Exchanged]


@contextmanager
def exchanging(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, folder: Path
) -> Iterator[Begin]:
    """Starts the service of a way, whose tokens last these seconds; it ends with the block."""
    with ExitStack() as stack:

        def start(way: str, seconds: int = 3600) -> Exchanged:
            if way in ENTRA:
                return _at_entra(monkeypatch, folder, way, seconds, stack)
            cloud = request.getfixturevalue("cloud")
            cloud.seconds = seconds
            return _at_google(cloud, request.getfixturevalue("ways"), folder, way)

        yield start
        event_loop.stop_engine()
    tokens.forget_tokens()
