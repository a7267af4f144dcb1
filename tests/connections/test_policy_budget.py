"""What a policy file says counts in a run: its budget, its connections, its closed doors."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import ThreadingHTTPServer

import pytest

from llmwidgets import Connection, Store, check, compare, extract
from llmwidgets.errors import FieldError, PolicyError, UnknownConnection
from tests.servers import Handler, listening

SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


@pytest.fixture
def far() -> Iterator[ThreadingHTTPServer]:
    """A server in the OpenAI format; `seen` are the Authorization headers of its questions."""
    seen: list[str] = []

    class Far(Handler):
        def do_GET(self) -> None:
            listed = [{"id": "gpt-6-luna"}, {"id": "gpt-6-sol", "shutdown_date": "2099-01-01"}]
            self.reply(200, {"data": listed})

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            seen.append(self.headers["authorization"])
            message = {"role": "assistant", "content": '{"name": "x"}'}
            choice = {"index": 0, "finish_reason": "stop", "message": message}
            usage = {"prompt_tokens": 1000, "completion_tokens": 100}
            self.reply(200, {"choices": [choice], "usage": usage})

    with listening(Far) as server:
        server.seen = seen  # type: ignore[attr-defined]
        yield server


@pytest.fixture
def url(far) -> str:
    return f"http://127.0.0.1:{far.server_port}/v1"


@pytest.fixture
def policy(monkeypatch, tmp_path):
    def write(text: str) -> str:
        path = tmp_path / "policy.toml"
        path.write_text(text, "utf-8")
        monkeypatch.setenv("LLMWIDGETS_POLICY", str(path))
        return str(path)

    return write


def openai(url: str) -> Connection:
    price = {"input": 1000.0, "output": 1000.0}
    return Connection("openai", api_key="made-up-key-0001", base_url=url, price=price)


@pytest.mark.parametrize("asked", [None, 100.0])
def test_a_run_stops_at_the_policys_budget_whatever_it_asked_for(far, url, policy, asked):
    """Each call costs 1.1 US$ and could cost more; the rest is not asked, and says whose rule."""
    path = policy("max_budget = 8.0")
    if asked is None:
        with pytest.raises(FieldError, match="allows 8 a run"):
            run(url, asked)
        return
    result = run(url, asked)
    over = [each for each in result if each.status == "OverBudget"]
    assert far.seen
    assert len(far.seen) < 20
    assert len(over) == 20 - len(far.seen)
    assert path in over[0].failure.hint
    assert "Raise the budget" not in over[0].failure.hint


def test_a_smaller_budget_of_the_user_stays_the_users_own(url, policy):
    policy("max_budget = 80.0")
    over = [each for each in run(url, 8.0) if each.status == "OverBudget"]
    assert "Raise the budget" in over[0].failure.hint


def run(url: str, budget: float | None):
    texts = [f"text {number}" for number in range(20)]
    return compare(
        SCHEMA, texts, [(openai(url), "gpt-6-luna")], budget=budget, journal=False,
        concurrency=1, progress=False,
    )  # fmt: skip


def test_a_provided_connection_answers_with_the_users_own_token(far, url, policy, monkeypatch):
    """The gateway's recipe: the file names the gateway, the user's token is looked up at use."""
    monkeypatch.setenv("GATEWAY_TOKEN", "token-of-this-user")
    policy(
        f'environment = false\n[hosts]\nallow = ["127.0.0.1"]\n[connections.gateway]\n'
        f'kind = "openai"\nbase_url = "{url}"\napi_key = "env:GATEWAY_TOKEN"\n'
    )
    found = extract(SCHEMA, "a text", "gateway/gpt-6-luna", journal=False)
    assert found.status == "ok"
    assert far.seen == ["Bearer token-of-this-user"]
    monkeypatch.setenv("OPENAI_API_KEY", "made-up-key-0002")
    with pytest.raises(UnknownConnection):
        extract(SCHEMA, "a text", "openai/gpt-6-luna", journal=False)


def test_a_provided_connection_without_its_token_says_which_variable(far, url, policy):
    policy(
        f'[connections.gateway]\nkind = "openai"\nbase_url = "{url}"\napi_key = "env:NOT_THERE"\n'
    )
    found = extract(SCHEMA, "a text", "gateway/gpt-6-luna", journal=False)
    assert "NOT_THERE" in found.failure.message
    assert far.seen == []


def test_a_check_tells_what_the_live_list_says(url):
    report = check(openai(url))
    assert report.ok
    facts = {each.id: each for each in report.facts}
    assert str(facts["gpt-6-sol"].ends) == "2099-01-01"
    assert facts["gpt-6-luna"].ends is None


def test_a_check_obeys_the_default_store(far, url, monkeypatch):
    from llmwidgets.store.age import Identity

    monkeypatch.setenv("LLMWIDGETS_STORE_KEY", Identity.generate().secret.reveal())
    store, server = Store.create(), Connection("custom", name="m", endpoint=url)
    store.save(server)
    assert check(server).ok
    store.deny("m", "m")
    far.seen.clear()
    report = check(server)
    assert not report.ok
    assert "does not allow m" in report.sentence
    assert far.seen == []


def test_a_damaged_file_is_told_before_the_first_call(far, url, policy):
    path = policy("max_budget = nonsense")
    with pytest.raises(PolicyError, match="not valid TOML") as caught:
        run(url, 1.0)
    assert path in caught.value.message
    report = check(openai(url))
    assert not report.ok
    assert path in report.sentence
    assert far.seen == []
