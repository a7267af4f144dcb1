"""A connection is a named, filled-in, closed set of fields that never shows a key."""

from __future__ import annotations

import copy
import json
import logging
import pickle
import traceback
from datetime import UTC, date, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmwidgets.connections import Connection
from llmwidgets.connections.connection import replace_parts
from llmwidgets.dialects.types import Capability, Enforcement, ResponseFormat
from llmwidgets.errors import FieldError
from llmwidgets.secret import Secret
from llmwidgets.store.document import connection_from_json, connection_to_json

KEY = "sk-proj-canary-canary-3fQz"


def openai(**fields: Any) -> Connection:
    return Connection("openai", api_key=KEY, **fields)


def custom(**fields: Any) -> Connection:
    return Connection("custom", **{"name": "m", "endpoint": "https://h.example/v1", **fields})


def kept(connection: Connection) -> Connection:
    """The connection as a store keeps it and opens it again."""
    again = connection_from_json(connection_to_json(connection))
    assert isinstance(again, Connection)
    return again


def test_the_labels_default_to_kind_deployment_model_or_name():
    azure = "https://r.openai.azure.com"
    assert openai().label == "openai"
    assert custom(name="deepseek-ai/DeepSeek-R1").label == "deepseek-ai/DeepSeek-R1"
    assert Connection("azure_openai", deployment="d", endpoint=azure, api_key="k").label == "d"
    assert Connection("azure_ai_foundry", model="mi", endpoint=azure, api_key="k").label == "mi"


@pytest.mark.parametrize("label", ["", "   ", "a\nb", "tab\there", 7])
def test_a_label_that_cannot_be_read_is_refused(label):
    with pytest.raises(FieldError) as caught:
        openai(label=label)
    assert list(caught.value.problems) == ["label"]


@given(st.text(min_size=1, max_size=20))
def test_every_label_is_kept_without_blanks_around_it(label):
    try:
        kept = openai(label=f" {label} ").label
    except FieldError:
        assert not label.strip() or not label.strip().isprintable()
    else:
        assert kept == label.strip()


def test_the_host_is_the_one_place_the_key_goes():
    assert (openai().host, openai().address) == ("api.openai.com", "https://api.openai.com")
    local = custom(endpoint="http://localhost:11434/v1")
    assert (local.host, local.address) == ("localhost:11434", "http://localhost:11434")
    assert openai(base_url="https://eu.api.openai.com").host == "eu.api.openai.com"
    assert custom(base_url="https://gw.example:8443/v1").host == "gw.example:8443"


@pytest.mark.parametrize(
    "fields",
    [
        {"endpoint": "http://h.example/v1"},
        {"endpoint": "http://127.0.0.1.example.com/v1"},
        {"base_url": "http://10.0.0.1/v1"},
    ],
)
def test_plain_http_leaves_this_computer_only_by_a_stored_yes(fields):
    with pytest.raises(FieldError, match="unencrypted") as caught:
        custom(**fields)
    assert list(caught.value.problems) == list(fields)
    assert "allow_plain_http" in caught.value.hint
    allowed = custom(**fields, allow_plain_http=True)
    assert allowed.target("m").allow_plain_http
    assert kept(allowed).target("m").allow_plain_http


def test_blanks_and_quotes_around_pasted_values_are_cut():
    connection = Connection("openai", api_key=f"  '{KEY}'\n", organization=" org-1 ")
    assert connection.secret_fields["api_key"].reveal() == KEY
    assert connection.plain_fields == {"organization": "org-1"}


def test_empty_optional_fields_count_as_left_out():
    connection = custom(api_key="", auth_token=None, base_url=" ", headers={}, price=None)
    assert connection.secret_fields == {}
    assert connection.plain_fields == {"name": "m", "endpoint": "https://h.example/v1"}
    assert connection.target("m").auth == ()


@pytest.mark.parametrize(
    ("kind", "fields", "problems"),
    [
        ("openai", {}, {"api_key": "is needed. Get one at https://platform.openai.com"}),
        ("openai", {"api_key": "  "}, {"api_key": "is needed"}),
        ("openai", {"api_key": 7}, {"api_key": "not a text"}),
        ("openai", {"api_key": KEY, "organisation": "o"}, {"organisation": "is organization"}),
        ("openai", {"api_key": KEY, "base_url": "api.openai.com"}, {"base_url": "https://"}),
        ("openai", {"api_key": KEY, "base_url": "ftp://x/v1"}, {"base_url": "https://"}),
        ("openai", {"api_key": KEY, "headers": {"Authorization": "x"}}, {"headers": "by the"}),
        ("openai", {"api_key": KEY, "headers": {"API-Key": "x"}}, {"headers": "by the"}),
        ("openai", {"api_key": KEY, "headers": {"Cookie": "x"}}, {"headers": "by the"}),
        ("openai", {"api_key": KEY, "headers": {"X-A\r\nB": "x"}}, {"headers": "letters"}),
        ("openai", {"api_key": KEY, "headers": "X-A: b"}, {"headers": "dict"}),
        ("openai", {"api_key": KEY, "price": {"input": 1}}, {"price": "million"}),
        ("openai", {"api_key": KEY, "price": {"input": -1, "output": 1}}, {"price": "million"}),
        ("openai", {"api_key": KEY, "price": {"input": float("nan"), "output": 1}},
         {"price": "million"}),
        ("openai", {"api_key": KEY, "price": {"input": 10**400, "output": 1}},
         {"price": "million"}),
        ("custom", {}, {"name": "is needed", "endpoint": "is needed"}),
        ("custom", {"name": "m", "endpoint": "https://me:pw@h.example/v1"},
         {"endpoint": "user name or password"}),
        ("custom", {"name": "m", "endpoint": "https://h.example/v1?api_key=x"},
         {"endpoint": "contains a key"}),
        ("custom", {"name": "m", "endpoint": "https://h.example:port/v1"}, {"endpoint": "port"}),
        ("custom", {"name": "a\nb", "endpoint": "https://h.example/v1"}, {"name": "non-printing"}),
        ("vertex_ai", {"credentials": "{}", "location": "Am Rhein"}, {"location": "global"}),
        ("vertex_ai", {"credentials": "{}", "project": "My Project"}, {"project": "project ID"}),
    ],
)  # fmt: skip
def test_each_field_that_is_not_right_has_its_sentence(kind, fields, problems):
    with pytest.raises(FieldError) as caught:
        Connection(kind, **fields)
    assert list(caught.value.problems) == list(problems)
    for name, words in problems.items():
        assert words in caught.value.problems[name]


def test_an_unknown_kind_is_answered_with_the_nearest():
    with pytest.raises(FieldError, match="nearest is openai") as caught:
        Connection("opnai", api_key=KEY)
    assert "vertex_ai" in caught.value.hint
    with pytest.raises(FieldError) as caught:
        Connection(KEY)
    assert "canary" not in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "fields"),
    [
        ("openai", {"api_key": KEY, "organisation": "org"}),
        ("openai", {"apikey": KEY}),
        ("openai", {"api_key": KEY, "headers": {"Authorization": f"Bearer {KEY}"}}),
        ("openai", {"api_key": [KEY]}),
        ("openai", {"api_key": KEY, "price": KEY}),
        ("custom", {"name": "m", "endpoint": "nowhere", "api_key": KEY, "auth_token": KEY}),
        ("custom", {"name": "m", "endpoint": f"https://h.example/v1?key={KEY}"}),
        ("custom", {"name": "m", "endpoint": f"https://u:{KEY}@h.example/v1"}),
        ("azure_openai", {"deployment": "d", "endpoint": "https://ai.azure.com", "api_key": KEY}),
        ("vertex_ai", {"credentials": KEY, "location": "nowhere at all"}),
    ],
)
def test_a_refused_connection_holds_no_input_in_its_error(kind, fields):
    """Neither message, nor context, nor pydantic's own error keep what was typed."""
    with pytest.raises(FieldError) as caught:
        Connection(kind, **fields)
    error = caught.value
    assert error.__context__ is None
    assert error.__cause__ is None
    assert "canary" not in "".join(traceback.format_exception(error))
    assert "canary" not in repr(vars(error))


def test_a_verbose_traceback_of_a_refusal_shows_no_key():
    """Every local of every frame of ours, as IPython's Verbose mode prints them."""
    given_fields = {"apikey": KEY, "api_key": KEY, "headers": {"Host": KEY, "X": KEY}}
    with pytest.raises(FieldError) as caught:
        Connection("openai", **given_fields)
    frames = [frame for frame, _ in traceback.walk_tb(caught.tb)]
    ours = [frame for frame in frames if "llmwidgets" in str(frame.f_globals.get("__name__"))]
    assert len(ours) >= 2
    assert "canary" not in "".join(repr(frame.f_locals) for frame in ours)


def test_a_connection_shows_its_host_and_the_end_of_its_key():
    assert repr(openai(label="mine")) == (
        "Connection('openai', label='mine', host='api.openai.com', key ends in 3fQz)"
    )
    assert repr(custom(api_key="ollama")) == "Connection('custom', label='m', host='h.example')"
    assert openai().tail == "3fQz"


def test_nothing_that_prints_a_connection_prints_its_key(caplog):
    connection = openai(headers={"X-Team": "canary-team-secret"})
    with caplog.at_level(logging.DEBUG):
        logging.getLogger("test").debug("%s %r %s", connection, connection, connection.fields)
    shown = [
        caplog.text, f"{connection!s:>90}", str(connection.target("gpt-6-luna")),
        str(connection_to_json(connection)),
        str(connection.plain_fields), str(connection.secret_fields),
        str([getattr(connection, name) for name in connection.__slots__ if name != "__weakref__"]),
        connection.fields.model_dump_json(),
    ]  # fmt: skip
    assert "canary" not in "".join(shown)


def test_a_connection_is_not_pickled_and_copies_are_itself():
    connection = openai()
    with pytest.raises(TypeError, match="store"):
        pickle.dumps(connection)
    assert copy.deepcopy([connection])[0] is connection
    assert copy.copy(connection) is connection


def test_a_connection_never_changes():
    connection = openai()
    with pytest.raises(AttributeError, match="does not change"):
        connection.label = "other"  # type: ignore[misc]
    with pytest.raises(AttributeError, match="does not change"):
        del connection.label
    renamed = connection.with_label("other")
    assert (connection.label, renamed.label) == ("openai", "other")
    assert custom().with_label("other").models == ("m",)
    assert custom().with_label("other").target("m").label == "other"


def test_extra_headers_travel_closed_beside_the_key():
    target = openai(headers={"X-Team": "canary-team-secret"}).target("gpt-6-luna")
    assert [header.name for header in target.auth] == ["Authorization", "X-Team"]
    assert target.auth[1].secret.reveal() == "canary-team-secret"
    assert "X-Team" not in target.headers


def test_what_is_known_of_a_model_and_what_only_a_probe_can_tell():
    enforced = Capability(ResponseFormat.JSON_SCHEMA, Enforcement.SCHEMA)
    azure = Connection("azure_openai", deployment="gpt-6-luna", endpoint="https://r.example",
                       api_key="k")  # fmt: skip
    assert openai().capability("gpt-6-luna") == enforced
    assert azure.capability("gpt-6-luna") == enforced
    assert custom().capability("m") is None
    facts = azure.facts("gpt-6-luna")
    assert facts is not None
    assert facts.efforts[0] == "none"
    assert openai().facts("gpt-5").ends is not None  # type: ignore[union-attr]
    assert azure.facts("gpt-5").ends > openai().facts("gpt-5").ends  # type: ignore[union-attr]
    assert custom(name="gpt-6-luna").facts("gpt-6-luna") is None


def test_what_a_probe_saw_is_kept_with_the_connection():
    seen = Capability(
        ResponseFormat.JSON_OBJECT, Enforcement.JSON,
        tried=(
            (ResponseFormat.JSON_SCHEMA, "refused, 400", False),
            (ResponseFormat.JSON_OBJECT, "accepted", True),
        ),
    )  # fmt: skip
    connection = custom().with_capability("m", seen)
    assert connection.capability("m") == seen
    assert custom().capability("m") is None


def test_a_connection_comes_back_from_what_a_store_keeps():
    """Through JSON, with only the closed secrets handed over beside it."""
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    seen = Capability(
        ResponseFormat.JSON_OBJECT,
        Enforcement.JSON,
        ((ResponseFormat.JSON_SCHEMA, "refused, 400", False),),
    )
    probed = custom(
        label="laptop", api_key=KEY, auth_token="env:GATEWAY_TOKEN",
        headers={"X-A": "canary-header", "X-B": "file:/tmp/b"},
        price={"input": 0.5, "output": 2.0}, ca_bundle="/tmp/ca.pem", expires="2026-12-11",
    ).with_capability("m", seen)  # fmt: skip
    connection = replace_parts(probed, checked_at=now, saved_at=now, keyed_at=now)
    payload = connection_to_json(connection)
    secrets: list[Secret] = []

    def keep(secret: Secret) -> dict[str, int]:
        secrets.append(secret)
        return {"secret": len(secrets) - 1}

    def back(value: dict[str, Any]) -> Any:
        return secrets[value["secret"]] if set(value) == {"secret"} else value

    text = json.dumps(payload, default=keep)
    assert "canary" not in text
    assert "env:GATEWAY_TOKEN" in text
    again = connection_from_json(json.loads(text, object_hook=back))
    assert isinstance(again, Connection)
    assert (again.label, again.checked_at, again.saved_at) == ("laptop", now, now)
    assert (again.keyed_at, again.fields.expires) == (now, date(2026, 12, 11))
    assert again.capability("m") == seen
    assert again.plain_fields == connection.plain_fields
    assert again.secret_fields["api_key"].reveal() == KEY
    assert again.secret_fields["auth_token"].reference == "env:GATEWAY_TOKEN"
    assert again.fields.headers["X-B"].reference == "file:/tmp/b"
    assert connection_to_json(again) == payload | {"fields": connection_to_json(again)["fields"]}


def test_a_reference_is_looked_up_at_each_use(monkeypatch):
    connection = Connection("openai", api_key="env:SOME_KEY")
    assert "SOME_KEY is not set" in connection.warnings[0]
    monkeypatch.setenv("SOME_KEY", KEY)
    assert connection.warnings == []
    assert connection.tail == "3fQz"


def test_warnings_tell_what_looks_wrong_without_the_key(tmp_path):
    connection = Connection("openai", api_key="sk-ant-api03-canary", ca_bundle=str(tmp_path / "no"))
    said = " ".join(connection.warnings)
    assert "sk-ant-" in said
    assert "CA bundle" in said
    assert "canary" not in said
    assert openai().warnings == []


def test_where_a_connection_comes_from_is_told():
    assert (openai().origin, openai().read_only) == ("given", False)
    found = openai().with_origin("environment")
    assert (found.origin, found.read_only) == ("environment", True)
