"""Whatever fails, its message names connection, model and host; and where a call was sent on to."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import llmwidgets as lw
from llmwidgets.connections.policy import Policy
from llmwidgets.dialects.error_body import redirect_target
from llmwidgets.dialects.types import Call
from llmwidgets.engine import capability, event_loop
from llmwidgets.engine.network import egress
from llmwidgets.engine.network.retry import NETWORK_FAILURES, network_error
from llmwidgets.engine.network.sign_in import tokens
from llmwidgets.engine.probe import Prober
from llmwidgets.errors import CallError, Failure, FailureCode, Unauthorized
from tests.kinds import KINDS, fields_of, made_up_key
from tests.servers import FAULTS, OPENAI, Handler, ModelServer, listening, serving_models

SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
LABEL = "the far one"


@pytest.fixture(autouse=True)
def nothing_known() -> Iterator[None]:
    capability.forget_capabilities()
    tokens.forget_tokens()
    yield
    event_loop.stop_engine()


@pytest.fixture
def server() -> Iterator[ModelServer]:
    with serving_models() as running:
        yield running


def connected(kind: str, url: str) -> tuple[lw.Connection, str]:
    key = made_up_key(kind) if kind != "vertex_ai" else "k"
    connection = lw.Connection(kind, **fields_of(kind, url, key), label=LABEL)
    return connection, connection.models[0]


def names_all(message: str, connection: lw.Connection, model: str) -> bool:
    return all(each in message for each in (LABEL, model, connection.host))


@pytest.mark.parametrize("fault", [*FAULTS[OPENAI], "redirect"])
@pytest.mark.parametrize("kind", KINDS)
def test_a_run_a_probe_and_a_list_name_connection_model_and_host(server, kind, fault):
    connection, model = connected(kind, server.url)
    server.fault, server.redirect_to = fault, "https://elsewhere.example"
    failure = lw.extract(SCHEMA, "text", (connection, model), journal=False).failure
    said = [failure] if fault != "schema" else []
    server.fault = fault if fault not in {"schema", "body"} else "key"
    with pytest.raises(CallError) as caught:
        event_loop.run_blocking(egress.list_models(connection, model, policy=Policy()))
    said.append(caught.value)
    with pytest.raises(Failure) as caught:
        event_loop.run_blocking(Prober(connection, model, policy=Policy()).climb())
    for error in [*said, caught.value]:
        assert isinstance(error, Failure)
        assert names_all(error.message, connection, model), error.message
        assert str(error).startswith(error.message)
        if fault == "redirect" and error is not said[-1]:
            assert "https://elsewhere.example/" in error.message


@pytest.mark.parametrize("fault", ["refuse", "truncate", "silent", "away"])
def test_a_probe_names_them_whatever_it_ends_in(fault):
    class Odd(Handler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            if fault == "away":
                self.close_connection = True
                return
            ending = "length" if fault == "truncate" else "stop"
            message: dict[str, Any] = {"role": "assistant", "content": ""}
            if fault == "refuse":
                message["refusal"] = "I will not."
            choice = {"index": 0, "finish_reason": ending, "message": message}
            self.reply(200, {"model": "m", "choices": [choice]})

        def do_GET(self) -> None:
            self.reply(200, {"data": [{"id": "m"}]})

    with listening(Odd) as http:
        connection, model = connected("custom", f"http://127.0.0.1:{http.server_port}")
        for ask in (Prober.climb, Prober.greet):
            if fault == "truncate" and ask is Prober.greet:
                continue
            with pytest.raises(Failure) as caught:
                event_loop.run_blocking(ask(Prober(connection, model, policy=Policy())))
            assert names_all(caught.value.message, connection, model), caught.value.message


def test_a_check_without_a_diagnosis_of_its_own_names_them(server):
    connection, model = connected("openai", server.url)
    server.fault = "overload"
    server.models = (model,)
    report = event_loop.run_blocking(lw_check(connection))
    assert names_all(report.sentence, connection, model), report.sentence


async def lw_check(connection: lw.Connection) -> Any:
    from llmwidgets.engine.check import check_connection
    from tests.clocks import hurry

    return await check_connection(connection, policy=Policy(), clock=hurry())


def test_a_key_that_cannot_be_looked_up_and_a_rule_name_them_too(monkeypatch, tmp_path):
    given = {"endpoint": "http://127.0.0.1:1/v1", "label": LABEL, "name": "m-1"}
    keyless = lw.Connection("custom", **given, api_key="env:NO_SUCH_MADE_UP_KEY")
    assert names_all(
        lw.extract(SCHEMA, "text", keyless, journal=False).failure.message, keyless, "m-1"
    )


@pytest.mark.parametrize("code", NETWORK_FAILURES)
def test_every_failure_of_the_network_names_them(code):
    call = Call("POST", "https://llm.acme.example:8443/v1/chat", label=LABEL, model="m-1")
    error = network_error(code, call)
    error.name_call(LABEL, "m-1", "llm.acme.example:8443")
    for each in (LABEL, "m-1", "llm.acme.example:8443"):
        assert each in error.message
        assert error.message.count(each) == 1


_WORD = st.text("abc-./:m1", min_size=1, max_size=8).filter(lambda each: each.strip(".") == each)


@given(st.text("abc m1./:-", max_size=30), _WORD, _WORD, _WORD)
def test_what_a_message_names_already_is_not_added_and_adding_twice_changes_nothing(
    message, label, model, host
):
    error = Unauthorized(f"The key was refused. It says: {message}", "Do this.")
    error.name_call(label, model, host)
    once = error.message
    assert all(each in once for each in (label, model, host))
    error.name_call(label, model, host)
    assert (error.message, error.args) == (once, (once, "Do this."))


def test_a_part_of_another_name_does_not_name_it():
    error = Unauthorized("Cannot resolve api.openai.com.")
    error.name_call("openai", "gpt-6", "api.openai.com")
    assert error.message == "Cannot resolve api.openai.com. The call was to openai/gpt-6."
    error = Unauthorized("There is no model gpt-6.1 here.")
    error.name_call("gpt-6", "gpt-6", "h")
    assert error.message == "There is no model gpt-6.1 here. The call was to gpt-6 at h."


# -- A connection that has the model's name for its label, as a Custom one has by default.


@pytest.mark.parametrize("fault", ["key", "model"])
def test_a_host_stands_where_a_label_would_repeat_the_model(server, fault):
    server.fault = fault
    bettr = lw.Connection("custom", name="bettr", endpoint=f"{server.url}/v1", api_key="k")
    failure = lw.extract(SCHEMA, "text", bettr, journal=False).failure
    assert isinstance(failure, CallError)
    assert failure.message.count("bettr") == 1, failure.message
    if fault == "key":
        begins = f"The key was not accepted by {bettr.host}. The call was for bettr."
        assert failure.message.startswith(begins)
    else:
        assert "The call was to" not in failure.message
        assert f"by {bettr.host}" in failure.message or f"{bettr.host} has" in failure.message


def test_what_is_refused_before_the_call_says_that_none_was_made(monkeypatch):
    monkeypatch.delenv("NO_SUCH_MADE_UP_KEY", raising=False)
    given = {"endpoint": "http://127.0.0.1:1/v1", "name": "bettr"}
    keyless = lw.Connection("custom", **given, api_key="env:NO_SUCH_MADE_UP_KEY")
    failure = lw.extract(SCHEMA, "text", keyless, journal=False).failure
    assert failure.message.endswith("is not set. No call was made to bettr at 127.0.0.1:1.")
    assert "in the environment" in failure.hint


# -- Redirects.

DOCUMENT = "Peter Quill owes Marigold Bank 1,250 EUR."
ASKED = Call(
    "POST",
    "https://llm.acme.example/v1/chat/completions",
    body={"messages": [{"role": "user", "content": f"<document>\n{DOCUMENT}\n</document>"}]},
)


@pytest.mark.parametrize(
    ("location", "target"),
    [
        ("https://other.example/v1/chat/completions", "https://other.example/v1/chat/completions"),
        ("/login?next=%2Fv1", "https://llm.acme.example/login"),
        ("//other.example:8443/x", "https://other.example:8443/x"),
        ("completions/", "https://llm.acme.example/v1/chat/completions/"),
        ("https://me:secret-word@other.example/a?key=secret-word#secret-word",
         "https://other.example/a"),
        ("https://other.example/sk-proj-a1b2c3d4e5f6g7h8i9j0k1l2m3n4", "https://other.example/"),
        ("https://[fd00::1]:1/x", "https://[fd00::1]:1/x"),
        ("https://\u0430pi.openai.com/v1", ""),
        ("https://[broken", ""),
        ("https://other.example:port/", ""),
    ],
)  # fmt: skip
def test_the_target_of_a_redirect_is_named_without_what_may_be_secret(location, target):
    named = redirect_target(location, ASKED)
    assert named.startswith(target)
    assert bool(named) is bool(target)
    assert "secret-word" not in named
    assert "a1b2c3d4e5f6" not in named


def test_a_redirect_that_repeats_the_document_is_named_without_its_path():
    from urllib.parse import quote

    for text in (quote(DOCUMENT), quote(DOCUMENT, safe=" ").replace("%20", "+")[:0] or DOCUMENT):
        assert redirect_target(f"https://o.example/{text}", ASKED) == "https://o.example"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
@pytest.mark.parametrize("kind", KINDS)
def test_each_redirect_is_told_with_its_target_and_not_followed(kind, status):
    """Its control characters are spelled out; the key that it repeats is masked."""
    asked: list[str] = []

    class Moved(Handler):
        def do_POST(self) -> None:
            asked.append(self.path)
            self.rfile.read(int(self.headers.get("content-length", 0)))
            if self.path == "/token":
                self.reply(200, {"access_token": "ya29.made-up", "expires_in": 3599})
                return
            key = " ".join(self.headers.get(each, "") for each in ("authorization", "api-key",
                           "x-api-key", "x-goog-api-key")).split()  # fmt: skip
            self.reply(status, b"", {"location": f"/moved/%1b[31m/{key[-1]}"})

        do_GET = do_POST

    with listening(Moved) as http:
        connection, model = connected(kind, f"http://127.0.0.1:{http.server_port}")
        failure = lw.extract(SCHEMA, "text", (connection, model), journal=False).failure
        assert failure.code == FailureCode.REDIRECT
        assert f"another address, http://{connection.host}/moved/" in failure.message
        assert "\x1b" not in str(failure)
        assert made_up_key(kind) not in str(failure)
        assert "••••" in failure.message
        report = lw.check(connection)
        assert "/moved/" in report.sentence
        assert not any("moved" in each for each in asked)


# -- A model that a server lists is never the nearest to itself.


def _lists(listed: list[str], model: str) -> Any:
    class Listing(Handler):
        def do_GET(self) -> None:
            self.reply(200, {"data": [{"id": each} for each in listed]})

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            said = {"message": f"The model `{model}` does not exist", "code": "model_not_found"}
            self.reply(404, {"error": said})

    with listening(Listing) as http:
        endpoint = f"http://127.0.0.1:{http.server_port}/v1"
        return lw.check(lw.Connection("custom", name=model, endpoint=endpoint))


@pytest.mark.parametrize(
    ("model", "listed", "fix"),
    [
        ("llama3.2", ["llama3.2"], ""),
        ("llama3.2", ["llama3.2", "llama3.1"], ""),
        ("llama3.2:latest", ["llama3.2:latest", "llama3.2"], ""),
        ("llama3.2", ["qwen3", "llama3.2:latest"], "llama3.2:latest"),
        ("llama3.2:latest", ["llama3.2"], "llama3.2"),
        ("gemma-4", ["models/gemma-4"], "models/gemma-4"),
        ("models/gemma-4", ["gemma-4", "gemma-3"], "gemma-4"),
    ],
)
def test_a_listed_model_is_not_called_the_nearest_to_itself(model, listed, fix):
    report = _lists(listed, model)
    assert not report.ok
    assert "nearest" not in report.sentence
    assert "has no model" not in report.sentence
    assert "lists" in report.sentence
    assert (report.fix or {}).get("name", "") == fix


@pytest.mark.parametrize(
    ("model", "listed", "near"),
    [("LLAMA3.2", ["llama3.2", "qwen3"], "llama3.2"), ("lama3.2", ["llama3.2"], "llama3.2")],
)
def test_another_spelling_is_the_nearest(model, listed, near):
    report = _lists(listed, model)
    assert f"The nearest it has is {near}." in report.sentence
    assert report.fix == {"name": near}


@given(
    st.text("abm:/-", min_size=1, max_size=12),
    st.lists(st.text("abm:/.-", min_size=1), max_size=4),
)
def test_no_list_makes_a_model_the_nearest_to_itself(model, others):
    from llmwidgets.engine.troubleshooting import diagnose
    from llmwidgets.errors import UnknownModel

    connection = lw.Connection("custom", name=model, endpoint="http://127.0.0.1:1/v1", label="l")
    said = diagnose(UnknownModel("No."), connection, listed=(*others, model)).sentence
    assert not re.search(rf"nearest \w+ \w+ is {re.escape(model)}\.$", said)
    assert "has no model" not in said


def test_a_list_with_the_tag_does_not_lack_the_model():
    from llmwidgets.connections import catalog
    from llmwidgets.dialects.types import ListedModel

    connection = lw.Connection("custom", name="m", endpoint="http://127.0.0.1:7/v1")
    catalog.remember_models(connection, (ListedModel("m:latest"),))
    assert catalog.unlisted_note(connection, "m") == ""
    assert "does not list other" in catalog.unlisted_note(connection, "other")
