"""Connections of the environment: found without a store, read-only, keys only referred to."""

from __future__ import annotations

import pytest

from llmwidgets.connections import Connection, Policy, environment_connections, resolve
from llmwidgets.connections.discovery import find_keys_of_other_tools
from llmwidgets.errors import FieldError, StoreError
from llmwidgets.store.document import connection_to_json
from llmwidgets.store.store import Store

_BESIDE = (
    "OPENAI_BASE_URL", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "ANTHROPIC_BASE_URL",
    "AZURE_OPENAI_DEPLOYMENT",
)  # fmt: skip


@pytest.fixture(autouse=True)
def clean_environment(monkeypatch):
    for name in _BESIDE:
        monkeypatch.delenv(name, raising=False)


def found() -> dict[str, Connection]:
    return {connection.kind: connection for connection in environment_connections()}


def test_an_empty_environment_connects_nothing(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "  ")
    assert environment_connections() == []


@pytest.mark.parametrize(
    ("variable", "kind"),
    [
        ("OPENAI_API_KEY", "openai"),
        ("ANTHROPIC_API_KEY", "anthropic"),
        ("GEMINI_API_KEY", "gemini"),
        ("GOOGLE_API_KEY", "gemini"),
    ],
)
def test_each_variable_connects_its_kind_by_reference(monkeypatch, variable, kind):
    """The connection keeps the variable's name, so a new value counts at once."""
    monkeypatch.setenv(variable, "canary-canary-0001")
    (connection,) = environment_connections()
    assert (connection.kind, connection.label) == (kind, kind)
    assert (connection.origin, connection.read_only) == ("environment", True)
    secret = connection.secret_fields["api_key"]
    assert secret.reference == f"env:{variable}"
    assert "canary" not in repr(connection_to_json(connection))
    monkeypatch.setenv(variable, "canary-canary-0002")
    assert connection.tail == "0002"


def test_gemini_is_connected_once(monkeypatch):
    monkeypatch.setenv("GOOGLE_API_KEY", "one")
    monkeypatch.setenv("GEMINI_API_KEY", "two")
    (connection,) = environment_connections()
    assert connection.secret_fields["api_key"].reference == "env:GEMINI_API_KEY"


def test_a_key_set_up_for_a_gateway_goes_to_the_gateway(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    monkeypatch.setenv("OPENAI_BASE_URL", "https://gw.example/v1")
    assert found()["openai"].host == "gw.example"
    monkeypatch.setenv("OPENAI_BASE_URL", "not an address")
    assert found() == {}


def test_azure_needs_key_and_endpoint(monkeypatch):
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "k")
    assert found() == {}
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://r.openai.azure.com/openai/deployments/d")
    assert found()["azure_openai"].label == "d"
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://r.openai.azure.com/")
    monkeypatch.setenv("AZURE_OPENAI_DEPLOYMENT", "luna")
    assert found()["azure_openai"].models == ("luna",)


def test_azure_without_a_deployment_takes_the_one_that_a_reference_names(monkeypatch):
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "k")
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://r.openai.azure.com/")
    connection, model = resolve("azure_openai/luna", environment_connections())
    assert (connection.label, model) == ("azure_openai", "luna")
    assert connection.target(model).model == "luna"


def test_google_credentials_are_referred_to_where_the_file_is(monkeypatch, tmp_path):
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(tmp_path / "none.json"))
    assert found() == {}
    file = tmp_path / "key.json"
    file.write_text('{"type": "service_account"}', "utf-8")
    monkeypatch.setenv("GOOGLE_APPLICATION_CREDENTIALS", str(file))
    assert found()["vertex_ai"].secret_fields["credentials"].reference == f"file:{file}"
    assert found()["vertex_ai"].warnings == []


def test_a_path_in_the_home_of_an_unknown_user_is_a_file_that_is_not_there(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    nowhere = "~nobody-0/made-up"
    bundled = Connection("openai", api_key="env:OPENAI_API_KEY", ca_bundle=nowhere)
    assert any(f"no file {nowhere}" in warning for warning in bundled.warnings)
    for name in ("GOOGLE_APPLICATION_CREDENTIALS", "LLM_USER_PATH", "XDG_DATA_HOME"):
        monkeypatch.setenv(name, nowhere)
    assert environment_connections() == []
    assert find_keys_of_other_tools(tmp_path) == []
    monkeypatch.setenv("LLMWIDGETS_STORE_KEY_FILE", nowhere)
    with pytest.raises(StoreError, match="it is not there"):
        Store.create(path=tmp_path / "store")
    with pytest.raises(FieldError, match=nowhere):
        Store.create(path=tmp_path / "store", recovery=f"file:{nowhere}")
    monkeypatch.setenv("LLMWIDGETS_POLICY", nowhere)
    assert f"{nowhere} is not there" in Policy().notice
