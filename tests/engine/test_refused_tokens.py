"""A token refused in mid-run is replaced once for all calls, and each call repeated once."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator

import pytest

import llmwidgets as lw
from llmwidgets.connections import Connection, Policy
from llmwidgets.engine import event_loop, probe
from llmwidgets.engine.network import egress
from llmwidgets.engine.network.sign_in import tokens
from tests.engine.conftest import FarEnd, Seen, Wire, serving
from tests.google_keys import a_service_account

SCHEMA = {"type": "object", "properties": {"total": {"type": "number"}}, "required": ["total"]}
MODEL = "gemini-3.8-flash"
REFUSED = {"error": {"code": 401, "message": "Invalid credentials.", "status": "UNAUTHENTICATED"}}


class Google:
    """A token service and an API: it takes the tokens that are not in `bad`, by their number.

    `good_for` calls each token is taken, then refused.
    """

    def __init__(self) -> None:
        self.made = 0
        self.bad: set[int] = set()
        self.good_for: int | None = None
        self.used: Counter[int] = Counter()
        self.statuses: list[int] = []
        self.end: FarEnd | None = None

    async def __call__(self, seen: Seen, wire: Wire) -> None:
        if "/token" in seen.line:
            self.made += 1
            wire.answer({"access_token": f"ya29.made-up-{self.made}", "expires_in": 3599})
            return
        number = int(seen.headers["authorization"].rpartition("-")[2])
        self.used[number] += 1
        spent = self.good_for is not None and self.used[number] > self.good_for
        status = 401 if spent or number in self.bad else 200
        self.statuses.append(status)
        if status == 401:
            wire.answer(REFUSED, 401)
        elif ":countTokens" in seen.line:
            wire.answer({"totalTokens": 1})
        elif seen.line.startswith("GET"):
            wire.answer({"publisherModels": [{"name": f"publishers/google/models/{MODEL}"}]})
        else:
            part = {"text": json.dumps({"total": 12.5})}
            wire.answer({
                "candidates": [{"content": {"parts": [part]}, "finishReason": "STOP"}],
                "usageMetadata": {"promptTokenCount": 300, "candidatesTokenCount": 9},
            })  # fmt: skip


@pytest.fixture
def google() -> Iterator[Google]:
    behaves = Google()
    with serving(behaves) as end:
        behaves.end = end
        yield behaves
        event_loop.stop_engine()
    tokens.forget_tokens()


def connected(google: Google) -> Connection:
    assert google.end is not None
    url = google.end.url.removesuffix("/v1")
    account = json.dumps(a_service_account(f"{url}/token"))
    return Connection("vertex_ai", credentials=account, base_url=url, label="mine")


def compared(google: Google, texts: int, **more: object) -> lw.Comparison:
    return lw.compare(
        SCHEMA,
        [f"Bill {number} of 12.50 EUR." for number in range(texts)],
        [(connected(google), MODEL)],
        journal=False,
        progress=False,
        **more,  # type: ignore[arg-type]
    )


def test_a_token_refused_in_mid_run_is_replaced_and_no_text_is_lost(google):
    google.good_for = 12
    found = compared(google, 30, concurrency=4)
    assert {each.status for each in found} == {"ok"}
    # Each call is repeated once at most.
    assert google.statuses.count(200) == 30
    assert google.made <= 1 + google.statuses.count(401)


def test_a_hundred_refusals_of_one_token_bring_one_exchange(google):
    google.bad = {1}
    found = compared(google, 100, concurrency=100)
    assert {each.status for each in found} == {"ok"}
    assert google.made == 2


def test_a_token_that_was_replaced_already_is_not_exchanged_again(google):
    """A refusal that arrives late, of the token of before, takes the new one."""
    from llmwidgets.dialects import gemini as gemini_content

    connection = connected(google)
    call = gemini_content.count_call(connection.target(MODEL))
    assert call is not None
    old = event_loop.run_blocking(tokens.exchange_credentials(call, Policy()))
    for _ in range(5):
        assert tokens.token_refused(call, old)
        new = event_loop.run_blocking(tokens.exchange_credentials(call, Policy()))
    assert google.made == 2
    assert new.auth[0].secret is not old.auth[0].secret


def test_credentials_refused_for_good_end_as_unauthorized_without_a_loop(google):
    google.bad = set(range(1, 1000))
    found = compared(google, 50, concurrency=8)
    assert {each.status for each in found} == {"Unauthorized"}
    assert "not accepted" in next(iter(found)).failure.message
    # Each call that went out was repeated once; after three in a row none goes out.
    calls = len(google.statuses)
    assert calls <= 2 * (3 + 8)
    assert google.made <= 1 + calls // 2


@pytest.mark.parametrize("way", ["count", "list", "check"])
def test_a_check_and_the_lists_take_the_same_path(google, way):
    google.bad = {1}
    connection = connected(google)
    if way == "check":
        report = lw.check(connection)
        assert report.ok, report
        assert "can be used" in report.sentence
    elif way == "count":
        event_loop.run_blocking(egress.count_tokens(connection, MODEL, policy=Policy()))
    else:
        listed = event_loop.run_blocking(egress.list_models(connection, MODEL, policy=Policy()))
        assert [each.id for each in listed] == [MODEL]
    assert google.made == 2


def test_a_probe_takes_the_same_path(google):

    google.bad = {1}
    prober = probe.Prober(connected(google), MODEL, policy=Policy())
    event_loop.run_blocking(prober.greet())
    assert (google.made, google.statuses) == (2, [401, 200])


def test_a_plain_key_that_is_refused_is_not_sent_again(far_end):
    async def refuse(seen: Seen, wire: Wire) -> None:
        wire.answer({"error": {"message": "Invalid.", "code": "invalid_api_key"}}, 401)

    end = far_end(refuse)
    connection = Connection("custom", name="m", endpoint=end.url, api_key="made-up-0001")
    assert lw.extract(SCHEMA, "Bill", connection, journal=False).status == "Unauthorized"
    assert len([each for each in end.seen if each.line.startswith("POST")]) == 1


def test_no_token_stands_in_what_a_run_or_a_log_says(google, caplog):
    caplog.set_level("DEBUG")
    google.bad = set(range(1, 100))
    found = compared(google, 3, concurrency=1)
    said = caplog.text + "".join(f"{each} {each.failure} {each.notes}" for each in found)
    assert "ya29" not in said + str(lw.check(connected(google)))
