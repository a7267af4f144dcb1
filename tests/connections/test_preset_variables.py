"""A preset's variable connects it read-only: its model follows the slash, its key its own host."""

from __future__ import annotations

import pytest

import llmwidgets as lw
from llmwidgets.cli import main
from llmwidgets.connections import Connection, Policy, environment_connections, resolve
from llmwidgets.connections.discovery import find_keys_of_other_tools
from llmwidgets.engine import event_loop
from llmwidgets.errors import FieldError, PolicyError, StoreError, UnknownConnection
from llmwidgets.providers.presets import PRESETS, preset_at
from llmwidgets.store.document import connection_to_json
from llmwidgets.store.store import Store
from tests.servers import serving_models

HOSTED = [each for each in PRESETS if each.variable]
PLACES = {"DATABRICKS_HOST": "https://adb-1.2.azuredatabricks.net", "SNOWFLAKE_ACCOUNT": "acme_1"}


@pytest.fixture(autouse=True)
def no_variables(monkeypatch):
    for each in HOSTED:
        monkeypatch.delenv(each.variable, raising=False)
        monkeypatch.delenv(each.place_variable or each.variable, raising=False)


def connect(monkeypatch, preset, value="made-up-canary-0001"):
    monkeypatch.setenv(preset.variable, value)
    if preset.extra:
        monkeypatch.setenv(preset.place_variable, PLACES[preset.place_variable])


@pytest.mark.parametrize("preset", HOSTED, ids=lambda each: each.slug)
def test_each_variable_connects_its_preset(monkeypatch, preset):
    connect(monkeypatch, preset)
    (connection,) = environment_connections()
    assert (connection.kind, connection.label) == ("custom", preset.slug)
    assert (connection.origin, connection.read_only) == ("environment", True)
    assert connection.any_model
    assert connection.models == ()
    assert preset_at(connection.address) is preset
    assert connection.secret_fields["api_key"].reference == f"env:{preset.variable}"
    assert "canary" not in repr(connection_to_json(connection)) + repr(connection)
    found, model = resolve(f"{preset.slug}/maker/model:tag", [connection])
    assert (found, model) == (connection, "maker/model:tag")
    target = connection.target(model)
    assert target.model == model
    assert preset_at(target.url) is preset
    Policy().permit(connection, model)
    with pytest.raises(FieldError, match="name one"):
        resolve(preset.slug, [connection])


@pytest.mark.parametrize("value", ["", "  ", '""', "\ufeff"])
@pytest.mark.parametrize("preset", HOSTED, ids=lambda each: each.slug)
def test_an_empty_variable_connects_nothing_and_is_named(monkeypatch, preset, value):
    connect(monkeypatch, preset, value)
    assert environment_connections() == []
    with pytest.raises(UnknownConnection) as caught:
        lw.compare({"type": "object", "properties": {"a": {"type": "string"}}}, ["x"],
                   models=f"{preset.slug}/m", store=Store.in_memory())  # fmt: skip
    assert f"{preset.variable} is set but empty" in caught.value.message


@pytest.mark.parametrize(
    ("name", "place"),
    [
        ("DATABRICKS", ""), ("DATABRICKS", "https://evil.example"), ("DATABRICKS", "evil.example"),
        ("DATABRICKS", "http://adb-1.2.azuredatabricks.net"), ("DATABRICKS", "https://"),
        ("DATABRICKS", "https://u:p@adb-1.2.azuredatabricks.net"),
        ("SNOWFLAKE", ""), ("SNOWFLAKE", "evil.example/"), ("SNOWFLAKE", "a b"),
        ("SNOWFLAKE", "{account}"), ("SNOWFLAKE", "https://evil.example/.snowflakecomputing.com"),
    ],
)  # fmt: skip
def test_a_key_without_a_place_of_its_own_service_goes_nowhere(monkeypatch, name, place):
    place_variable = "DATABRICKS_HOST" if name == "DATABRICKS" else "SNOWFLAKE_ACCOUNT"
    monkeypatch.setenv(f"{name}_TOKEN", "made-up-0001")
    assert environment_connections() == []
    monkeypatch.setenv(place_variable, place)
    assert environment_connections() == []


BILL = {"type": "object", "properties": {"a": {"type": "string"}}}
A_KEY = {"AWS_BEARER_TOKEN_BEDROCK": "made-up-0001"}
OF_AZURE = {"AZURE_OPENAI_API_KEY": "made-up-0001"}


@pytest.mark.parametrize(
    ("reference", "variables", "said", "step"),
    [
        ("bedrock/m", A_KEY, "Region is needed", "Set AWS_REGION"),
        ("bedrock", {**A_KEY, "AWS_REGION": "evil.example/"}, "not a region", "Set AWS_REGION"),
        ("bedrock/m", {**A_KEY, "AWS_REGION": ""}, "Region is needed", "Set AWS_REGION"),
        ("bedrock/m", {**A_KEY, "AWS_REGION": "us-east-1",
                       "ANTHROPIC_BEDROCK_MANTLE_BASE_URL": "gw"},
         "Base URL is not a web address", "Set ANTHROPIC_BEDROCK_MANTLE_BASE_URL"),
        ("azure_openai/d", OF_AZURE, "Endpoint is needed", "Set AZURE_OPENAI_ENDPOINT"),
        ("azure_openai/d", {**OF_AZURE, "AZURE_OPENAI_ENDPOINT": "http://r.openai.azure.com"},
         "plain http", "Set AZURE_OPENAI_ENDPOINT"),
        ("databricks/m", {"DATABRICKS_TOKEN": "made-up-0001"},
         "DATABRICKS_HOST does not name a host of Databricks", "Set DATABRICKS_HOST to the host"),
        ("databricks/m", {"DATABRICKS_TOKEN": "made-up-0001", "DATABRICKS_HOST": "evil.example"},
         "DATABRICKS_HOST does not name a host of Databricks", "Set DATABRICKS_HOST to the host"),
        ("snowflake/m", {"SNOWFLAKE_TOKEN": "made-up-0001", "SNOWFLAKE_ACCOUNT": "../.."},
         "SNOWFLAKE_ACCOUNT does not name", "Set SNOWFLAKE_ACCOUNT to the identifier"),
        ("snowflake/m", {"SNOWFLAKE_TOKEN": "made-up-0001", "SNOWFLAKE_ACCOUNT": ""},
         "SNOWFLAKE_ACCOUNT is set but empty", "Put its value into SNOWFLAKE_ACCOUNT"),
    ],
)  # fmt: skip
def test_variables_that_connect_nothing_say_why(monkeypatch, reference, variables, said, step):
    for name in ("AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(UnknownConnection) as caught:
        lw.estimate(BILL, ["x"], models=reference, store=Store.in_memory())
    assert said in caught.value.message
    assert caught.value.hint.startswith(step)
    assert "evil" not in str(caught.value)
    assert "before Jupyter starts" in caught.value.hint


@pytest.mark.parametrize(("reference", "variable"), [
    ("groq/m", "GROQ_API_KEY"), ("openai/gpt-6-luna", "OPENAI_API_KEY"),
    ("databricks/m", "DATABRICKS_TOKEN"), ("bedrock/m", "AWS_BEARER_TOKEN_BEDROCK"),
])  # fmt: skip
def test_a_policy_that_forbids_variables_is_named(monkeypatch, tmp_path, reference, variable):
    file = tmp_path / "policy.toml"
    file.write_text("environment = false\n", "utf-8")
    monkeypatch.setenv("LLMWIDGETS_POLICY", str(file))
    monkeypatch.setenv(variable, "made-up-0001")
    with pytest.raises(UnknownConnection) as caught:
        lw.compare(BILL, ["x"], models=reference, store=Store.in_memory(), journal=False)
    assert f"{variable} is set, but the file {file}" in caught.value.message
    assert f"et {variable}" not in caught.value.hint


def test_one_of_a_label_counts_the_policy_s_then_the_kind_s(monkeypatch, tmp_path):
    monkeypatch.setenv("GROQ_API_KEY", "made-up-0001")
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", "made-up-0002")
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", "https://r.openai.azure.com/")
    monkeypatch.setenv("AZURE_OPENAI_DEPLOYMENT", "groq")
    (connection,) = environment_connections()
    assert connection.kind == "azure_openai"
    file = tmp_path / "policy.toml"
    file.write_text(
        '[connections.groq]\nkind = "custom"\nname = "m"\nendpoint = "https://gw.example/v1"\n',
        "utf-8",
    )
    monkeypatch.setenv("LLMWIDGETS_POLICY", str(file))
    (connection,) = environment_connections()
    assert (connection.origin, connection.host) == ("policy", "gw.example")


def test_a_saved_connection_of_the_label_counts_before_the_variable(monkeypatch):
    monkeypatch.setenv("GROQ_API_KEY", "made-up-0001")
    store = Store.in_memory()
    store.save(Connection("custom", label="groq", name="own", endpoint="http://127.0.0.1:9/v1"))
    plan = lw.estimate({"type": "object", "properties": {"a": {"type": "string"}}}, ["x"],
                       models="groq", store=store)  # fmt: skip
    assert "127.0.0.1" in str(plan)


def test_a_policy_can_forbid_variables_and_hosts(monkeypatch, tmp_path):
    monkeypatch.setenv("GROQ_API_KEY", "made-up-0001")
    file = tmp_path / "policy.toml"
    monkeypatch.setenv("LLMWIDGETS_POLICY", str(file))
    file.write_text("environment = false\n", "utf-8")
    assert environment_connections() == []
    file.write_text('[hosts]\nallow = ["api.openai.com"]\n', "utf-8")
    (connection,) = environment_connections()
    with pytest.raises(PolicyError, match=r"api\.groq\.com"):
        Policy().permit(connection, "m")


def test_it_is_saved_as_custom_one_for_each_model(monkeypatch):
    monkeypatch.setenv("GROQ_API_KEY", "made-up-0001")
    (connection,) = environment_connections()
    store = Store.in_memory()
    with pytest.raises(StoreError, match="comes from the environment"):
        store.save(connection)
    for model in ("llama-3.1-8b", "gpt-oss-20b"):
        store.save(Connection("custom", name=model, endpoint=connection.fields.endpoint,
                              api_key="env:GROQ_API_KEY"))  # fmt: skip
    assert [(each.kind, each.models) for each in store] == [
        ("custom", ("llama-3.1-8b",)), ("custom", ("gpt-oss-20b",)),
    ]  # fmt: skip


# -- in other tools' files


def test_a_key_in_a_file_is_offered_with_its_endpoint(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text(
        "GROQ_API_KEY=made-up-key-0001\nSNOWFLAKE_TOKEN=made-up-key-0002\n"
        "SNOWFLAKE_ACCOUNT=acme_1\nDATABRICKS_TOKEN=made-up-key-0003\n"
        "DATABRICKS_HOST=https://evil.example\n", "utf-8",
    )  # fmt: skip
    found = {each.label: each for each in find_keys_of_other_tools(tmp_path)}
    assert found.keys() == {"groq", "snowflake", "databricks"}
    assert found["groq"].title == "Groq"
    assert "It still needs name." in found["groq"].note
    assert (
        found["snowflake"].beside["endpoint"].startswith("https://acme-1.snowflakecomputing.com/")
    )
    assert "endpoint" not in found["databricks"].beside
    store = Store.in_memory()
    said = found["groq"].take(store, name="llama-3.1-8b")
    (saved,) = store
    assert (saved.kind, saved.label, saved.host) == ("custom", "llama-3.1-8b", "api.groq.com")
    assert saved.tail == "0001"
    assert "llama-3.1-8b is saved." in said


# -- in the shell


def test_the_shell_checks_the_model_of_a_reference(monkeypatch):
    """Without a model in it nothing is asked of any."""
    with serving_models() as server:
        monkeypatch.setenv("AZURE_OPENAI_API_KEY", "0123456789abcdef0123456789abcdef")
        monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", f"{server.url}/openai/v1")
        assert main(["connections", "check", "azure_openai/luna"]) == 0
        assert {each.body["model"] for each in server.seen if each.method == "POST"} == {"luna"}
    event_loop.stop_engine()


@pytest.mark.parametrize("label", ["groq", "groq/llama-3.1-8b", "ollama", "lm-studio/qwen"])
def test_the_shell_says_how_a_preset_is_connected(label, capsys):
    assert main(["connections", "check", label]) != 0
    said = capsys.readouterr().err
    assert "is connected as custom" in said
    assert 'Connection("custom", name=' in said


@pytest.mark.parametrize(("model", "said"), [
    ("openai.gpt-6-sol", "cannot be called yet"),
    ("us.anthropic.claude-opus-5-20260301-v1:0", "Write bedrock/anthropic.claude-opus-5."),
    ("anthropic.claude-opus-55", "not on the shipped whitelist"),
])  # fmt: skip
def test_the_shell_says_of_a_model_that_it_cannot_be_called(monkeypatch, capsys, model, said):
    """The check of a whole connection would say nothing of it."""
    with serving_models() as server:
        for name, value in {"AWS_BEARER_TOKEN_BEDROCK": "made-up-0001", "AWS_REGION": "us-east-1",
                            "ANTHROPIC_BEDROCK_MANTLE_BASE_URL": server.url}.items():  # fmt: skip
            monkeypatch.setenv(name, value)
        assert main(["connections", "check", f"bedrock/{model}"]) != 0
        assert said in capsys.readouterr().err
        assert not server.seen
