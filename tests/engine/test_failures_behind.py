"""What fails behind a server, under the status of a success, is asked again and never scored."""

from __future__ import annotations

import json
from typing import Any

import pytest

import llmwidgets as lw
from llmwidgets.connections import Policy
from llmwidgets.engine import event_loop, probe
from llmwidgets.engine.network import egress
from llmwidgets.engine.network.pacing import Pace
from llmwidgets.engine.network.sign_in import tokens
from llmwidgets.errors import Overloaded
from tests.engine.conftest import Seen, Wire
from tests.google_keys import a_service_account

SCHEMA = {"type": "object", "properties": {"total": {"type": "number"}}, "required": ["total"]}
PARTIAL = '{"total": 9'


class Behind:
    """A server that answers the first questions after the probe with these bodies, then well."""

    def __init__(self, *first: Any, probes: tuple[Any, ...] = ()) -> None:
        self.first, self.probes = list(first), list(probes)
        self.asked = 0

    async def __call__(self, seen: Seen, wire: Wire) -> None:
        if seen.line.startswith("GET"):
            wire.answer({"object": "list", "data": [{"id": "m"}]})
            return
        probe = "weather" in seen.json["messages"][-1]["content"]
        self.asked += not probe
        failing = self.probes if probe else self.first
        if failing:
            wire.answer(failing.pop(0))
            return
        if not probe:
            wire.chat({"total": 12.5})
            return
        schema = seen.json["response_format"]["json_schema"]["schema"]
        wire.chat({name: rule["enum"][0] for name, rule in schema["properties"].items()})


def choice(finish: str | None, text: str | None = PARTIAL, **more: Any) -> dict[str, Any]:
    first = {"index": 0, "finish_reason": finish, "message": {"content": text}, **more}
    return {"id": "gen-1", "object": "chat.completion", "model": "m", "choices": [first]}


@pytest.mark.parametrize(
    "failure",
    [
        choice("error"),
        choice("error", '{"total": 9}'),
        choice("error", None, error={"code": 502, "message": "Provider returned error"}),
        choice("stop", '{"total": 9}', error={"code": 503, "message": "No provider"}),
        choice(None, error={"code": 429, "message": "Retry in 350ms."}),
        choice(None),
        {"id": "gen-1", "choices": None},
        {"error": {"code": 502, "message": "Bad gateway"}},
    ],
    ids=json.dumps,
)
def test_a_failure_behind_the_server_is_asked_again_and_its_text_not_taken(far_end, failure):
    behind = Behind(failure)
    connection = lw.Connection("custom", name="m", endpoint=far_end(behind).url)
    told = lw.extract(SCHEMA, "Bill of 12.50", connection, journal=False)
    assert (told.status, told.data, told.tries) == ("ok", {"total": 12.5}, 2)


def test_a_failure_that_stays_is_overloaded_and_not_scored(far_end):
    behind = Behind(*[choice("error", '{"total": 9}')] * 30)
    connection = lw.Connection("custom", name="m", endpoint=far_end(behind).url)
    found = lw.compare(
        SCHEMA, ["Bill of 12.50"], [connection], truth=[{"total": 9}], journal=False,
        progress=False,
    )  # fmt: skip
    row = found.scoreboard().iloc[0]
    assert (row["scored"], row["Overloaded"]) == (0, 1)
    assert next(iter(found)).data is None


def test_a_probe_that_fails_behind_the_server_says_nothing_of_the_form(far_end):
    """It is asked again like a question, by whoever is patient."""
    behind = Behind(probes=(choice("error"), choice("error", error={"code": 503, "message": "x"})))
    connection = lw.Connection("custom", name="m", endpoint=far_end(behind).url)
    found = event_loop.run_blocking(
        probe.find_capability(connection, "m", policy=Policy(), pace=Pace(1, 1))
    )
    assert found.mode == "schema enforced"


def test_a_count_that_fails_under_200_proves_nothing(far_end):
    async def behave(seen: Seen, wire: Wire) -> None:
        if "/token" in seen.line:
            wire.answer({"access_token": "ya29.made-up", "expires_in": 3599})
        else:
            wire.answer({"error": {"code": 503, "status": "UNAVAILABLE", "message": "busy"}})

    url = far_end(behave).url.removesuffix("/v1")
    account = json.dumps(a_service_account(f"{url}/token"))
    connection = lw.Connection("vertex_ai", credentials=account, base_url=url)
    try:
        with pytest.raises(Overloaded):
            event_loop.run_blocking(
                egress.count_tokens(connection, "gemini-3.8-flash", policy=Policy())
            )
        assert lw.check(connection).status == "Overloaded"
    finally:
        tokens.forget_tokens()


def test_a_wait_longer_than_a_run_waits_ends_the_text_and_says_when(far_end):
    limit = {"error": {"message": "Limit reached. Please try again in 1h12m0s.", "code": 429}}
    behind = Behind(*[limit] * 9)
    connection = lw.Connection("custom", name="m", endpoint=far_end(behind).url)
    told = lw.extract(SCHEMA, "Bill of 12.50", connection, journal=False)
    assert (told.status, told.tries, behind.asked) == ("RateLimited", 1, 1)
    assert "1 h 12 min" in told.failure.hint
