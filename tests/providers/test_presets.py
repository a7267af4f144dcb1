"""Presets: every row is right in itself, and recognised by its host however that is pasted."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

import llmwidgets as lw
from llmwidgets.connections import Connection, resolve
from llmwidgets.connections.policy_file import rules_of
from llmwidgets.dialects.types import ResponseFormat
from llmwidgets.errors import FieldError, UnknownConnection
from llmwidgets.providers import PROVIDERS, find_provider
from llmwidgets.providers.presets import (
    PRESETS,
    complete_endpoint,
    find_preset,
    preset_at,
    preset_endpoint,
)
from llmwidgets.providers.urls import host_of, is_loopback
from llmwidgets.store.document import connection_from_json, connection_to_json

BY_SLUG = {each.slug: each for each in PRESETS}
PLACES = {"snowflake": "acme-prod", "databricks": "adb-123.4.azuredatabricks.net"}
ENDPOINTS = {each.slug: preset_endpoint(each, PLACES.get(each.slug, "")) for each in PRESETS}
LOCAL = {slug for slug, url in ENDPOINTS.items() if is_loopback(host_of(url))}


def test_the_presets_are_those_that_were_promised():
    assert BY_SLUG.keys() == {
        "mistral", "groq", "xai", "deepseek", "together", "fireworks", "openrouter", "cerebras",
        "databricks", "snowflake", "huggingface", "litellm", "ollama", "sglang", "vllm",
        "lmstudio", "llamacpp",
    }  # fmt: skip
    # No kind and no second preset has the name of one.
    assert len(BY_SLUG) == len(PRESETS)
    assert BY_SLUG.keys().isdisjoint(PROVIDERS)
    assert [each.title for each in PROVIDERS["custom"].presets] == [each.title for each in PRESETS]


@pytest.mark.parametrize("slug", BY_SLUG)
def test_each_row_is_whole(slug):
    row = BY_SLUG[slug]
    hosted = slug not in LOCAL
    assert bool(row.variable) is hosted
    assert row.variable == row.variable.upper()
    assert row.key_page.startswith("https://") or not hosted
    assert row.enforces
    assert 0 < len(row.watch_out) <= 60
    assert row.watch_out.endswith((".", "…"))
    assert len(row.enforces) <= 60
    assert all(step.endswith(".") for step in row.steps)
    assert row.steps
    assert row.name
    assert row.key
    # What holds for some models only is marked, JSON without a schema too.
    assert (row.level == "ok") is (row.enforces == "schema")
    places = set(re.findall(r"\{(\w+)\}", row.endpoint))
    assert places == row.extra.keys()
    assert bool(places) is bool(row.place_variable)
    forms = row.options.get("forms", ())
    assert all(isinstance(form, ResponseFormat) for form in forms)
    assert not forms or forms[-1] is ResponseFormat.TEXT


@pytest.mark.parametrize("slug", BY_SLUG)
def test_each_endpoint_is_taken_as_it_is_and_without_a_warning(slug):
    row, endpoint = BY_SLUG[slug], ENDPOINTS[slug]
    connection = Connection("custom", name=row.name, endpoint=endpoint, api_key="env:MADE_UP_0001")
    assert connection.fields.endpoint == endpoint
    assert [each for each in connection.field_warnings if each.field != "api_key"] == []
    assert connection.target(row.name).url == endpoint
    assert preset_at(endpoint) is (None if slug in LOCAL else row)
    again = connection_from_json(connection_to_json(connection))
    assert again.target(row.name).options == connection.target(row.name).options


@pytest.mark.parametrize("slug", sorted(BY_SLUG.keys() - LOCAL))
@pytest.mark.parametrize(
    "spell",
    [
        lambda url: f"  {url}/  ",
        lambda url: f"{url}/chat/completions",
        lambda url: f"{url}/models",
        lambda url: url.removeprefix("https://"),
        lambda url: f'"{url}"'.replace('"', ""),
        lambda url: "/".join(url.split("/")[:3]),
        lambda url: "/".join(url.split("/")[2:3]),
        lambda url: "/".join(url.split("/")[:3]).upper().replace("HTTPS", "https"),
    ],
)
def test_an_address_by_hand_is_asked_as_the_preset_is(slug, spell):
    typed = Connection("custom", name="m", endpoint=spell(ENDPOINTS[slug]))
    filled = Connection("custom", name="m", endpoint=ENDPOINTS[slug])
    assert typed.target("m").url.lower() == filled.target("m").url.lower()
    assert typed.target("m").options == filled.target("m").options


@pytest.mark.parametrize(
    ("pasted", "kept"),
    [
        ("https://adb-1.2.azuredatabricks.net/?o=12", "adb-1.2.azuredatabricks.net"),
        ("adb-1.2.azuredatabricks.net", "adb-1.2.azuredatabricks.net"),
        ("https://dbc-a1.cloud.databricks.com/ml/endpoints/x?o=1", "dbc-a1.cloud.databricks.com"),
        ("https://1.2.gcp.databricks.com/browse/folders/3#x", "1.2.gcp.databricks.com"),
        ("https://acme.cloud.databricks.com/serving-endpoints/x/invocations",
         "acme.cloud.databricks.com"),
        ("https://adb-1.2.databricks.azure.us/", "adb-1.2.databricks.azure.us"),
    ],
)  # fmt: skip
def test_any_page_of_a_workspace_gives_its_endpoint(pasted, kept):
    connection = Connection("custom", name="m", endpoint=pasted)
    assert connection.fields.endpoint == f"https://{kept}/serving-endpoints"


def test_a_path_that_speaks_the_format_stays():
    url = "https://adb-1.2.azuredatabricks.net/ai-gateway/mlflow/v1"
    assert Connection("custom", name="m", endpoint=f"{url}/chat/completions").address in url
    assert complete_endpoint(url) == url
    for url in ("https://router.huggingface.co/together/v1", "https://api.deepseek.com/v1",
                "https://api.together.ai/v1", "https://gw.example/anything"):  # fmt: skip
        assert Connection("custom", name="m", endpoint=url).fields.endpoint == url


@pytest.mark.parametrize(
    "pasted",
    [
        "https://acme_prod.snowflakecomputing.com", "ACME_PROD.snowflakecomputing.com",
        "https://acme-prod.snowflakecomputing.com/console#/worksheet",
        "https://acme-prod.snowflakecomputing.com/api/v2/cortex/v1/chat/completions",
        "https://acme-prod.snowflakecomputing.com/api/v2/cortex/inference:complete",
    ],
)  # fmt: skip
def test_an_account_of_snowflake_is_spelled_as_its_host(pasted):
    connection = Connection("custom", name="m", endpoint=pasted)
    host = "acme-prod.snowflakecomputing.com"
    assert connection.fields.endpoint == f"https://{host}/api/v2/cortex/v1"


@pytest.mark.parametrize(
    ("slug", "place", "host"),
    [
        ("snowflake", "acme_prod", "acme-prod.snowflakecomputing.com"),
        ("snowflake", "XY12345.us-east-1", "xy12345.us-east-1.snowflakecomputing.com"),
        ("snowflake", "https://a-b.snowflakecomputing.com/", "a-b.snowflakecomputing.com"),
        ("databricks", "https://adb-1.2.azuredatabricks.net/", "adb-1.2.azuredatabricks.net"),
        ("databricks", "adb-1.2.azuredatabricks.net", "adb-1.2.azuredatabricks.net"),
        ("databricks", "HTTPS://ADB-1.2.azuredatabricks.net", "adb-1.2.azuredatabricks.net"),
        ("databricks", '"https://a-1.azuredatabricks.net"', "a-1.azuredatabricks.net"),
        ("snowflake", "'acme_prod'", "acme-prod.snowflakecomputing.com"),
        ("databricks", "'https://evil.example'", ""), ("snowflake", '"evil.example/"', ""),
        ("databricks", "https://evil.example", ""), ("databricks", "evil.example", ""),
        ("databricks", "http://adb-1.2.azuredatabricks.net", ""), ("databricks", "", ""),
        ("databricks", "azuredatabricks.net.evil.example", ""),
        ("databricks", "evil.example/x.azuredatabricks.net", ""),
        ("databricks", "evil.example#.azuredatabricks.net", ""),
        ("snowflake", "evil.example/", ""), ("snowflake", "evil.example#", ""),
        ("snowflake", "evil.example?", ""), ("snowflake", "a@evil.example/", ""),
        ("snowflake", "evil.example:443/", ""), ("snowflake", "\\evil.example", ""),
        ("snowflake", "", ""),
    ],
)  # fmt: skip
def test_a_place_is_put_into_the_preset_s_own_host_or_nowhere(slug, place, host):
    assert host_of(preset_endpoint(BY_SLUG[slug], place)) == host


@given(st.text(max_size=40) | st.from_regex(r"[a-z.:/@#?\\%-]{1,30}", fullmatch=True))
def test_no_place_leads_elsewhere(place):
    for slug in PLACES:
        url = preset_endpoint(BY_SLUG[slug], place)
        assert url == "" or preset_at(url) is BY_SLUG[slug]


@pytest.mark.parametrize("around", ["{}", "<>", ("${", "}"), ("%7B", "%7D")])
@pytest.mark.parametrize("slug", PLACES)
def test_a_placeholder_is_refused_with_what_to_put_there(slug, around):
    ((word, meant),), (before, after) = BY_SLUG[slug].extra.items(), around
    endpoint = BY_SLUG[slug].endpoint.replace("{", before).replace("}", after)
    assert f"{before}{word}{after}" in endpoint
    with pytest.raises(FieldError) as caught:
        Connection("custom", name="m", endpoint=endpoint)
    assert f"put {meant} in its place" in caught.value.problems["endpoint"]


# -- what is named as if it were a kind


@pytest.mark.parametrize("slug", BY_SLUG)
def test_a_preset_in_place_of_a_kind_says_how_it_is_connected(slug):
    row = BY_SLUG[slug]
    for name in {slug, row.title, row.title.upper(), row.title.replace(" ", "_").lower()}:
        for ask in (find_provider, Connection, lw.ConnectionForm):
            with pytest.raises(FieldError) as caught:
                ask(name)
            assert f"{row.title} is connected as custom." in caught.value.message
            assert 'Connection("custom", name=' in caught.value.hint
            assert f'endpoint="{row.endpoint}"' in caught.value.hint


@pytest.mark.parametrize("slug", BY_SLUG)
def test_the_call_that_is_shown_connects(slug, monkeypatch):
    row = BY_SLUG[slug]
    monkeypatch.setenv(row.variable or "MADE_UP", "made-up-0001")
    with pytest.raises(FieldError) as caught:
        Connection(slug)
    call = re.fullmatch(r"Write (Connection\(.*\))\.", caught.value.hint)
    assert call is not None
    if row.extra:
        return
    connection = eval(call[1], {"Connection": Connection})
    assert connection.fields.endpoint == row.endpoint
    assert connection.models == (row.name,)


@pytest.mark.parametrize(
    ("typed", "title"),
    [
        ("olama", "Ollama"), ("mistrall", "Mistral"), ("open_router", "OpenRouter"),
        ("together_ai", "Together"), ("fireworks-ai", "Fireworks"), ("x.ai", "xAI"),
        ("hugging face", "Hugging Face"), ("LM-Studio", "LM Studio"), ("llama_cpp", "llama.cpp"),
    ],
)  # fmt: skip
def test_other_spellings_are_known(typed, title):
    assert find_preset(typed).title == title


@pytest.mark.parametrize("kind", [*PROVIDERS, "bedrock", "", "gsk_made-up-0001-3fQz", "model"])
def test_what_is_a_kind_or_nothing_is_no_preset(kind):
    assert find_preset(kind) is None


def test_a_key_in_place_of_a_preset_is_not_repeated():
    with pytest.raises(FieldError) as caught:
        Connection("gsk_made-up-0001-3fQz")
    assert "3fQz" not in str(caught.value)


def test_a_policy_file_says_it_too(tmp_path):
    for content in (b'[connections.a]\nkind = "ollama"\n', b'[kinds]\nallow = ["ollama"]\n'):
        rules = rules_of(content, tmp_path / "policy.toml")
        assert "Ollama is connected as custom" in rules.damage[0]
        assert "http://localhost:11434/v1" in rules.damage[0]


def test_a_reference_to_a_preset_says_it_too():
    for known in ([], [Connection("openai", api_key="env:OPENAI_API_KEY")]):
        with pytest.raises(UnknownConnection) as caught:
            resolve("groq/llama-3.1-8b", known)
        assert "Groq is connected as custom." in caught.value.message
        assert "Set GROQ_API_KEY before Jupyter starts" in caught.value.hint
        assert 'name="llama-3.1-8b"' in caught.value.hint
    saved = Connection("custom", name="llama3.2", endpoint="http://localhost:11434/v1")
    with pytest.raises(UnknownConnection, match=r"The nearest is llama3\.2\."):
        resolve("lama3.2", [saved])


# -- whose key it is


@pytest.mark.parametrize(
    ("key", "endpoint", "owner"),
    [
        ("gsk_made0up", "https://openrouter.ai/api/v1", "Groq"),
        ("sk-or-v1-made0up", "https://api.groq.com/openai/v1", "OpenRouter"),
        ("hf_made0up", "https://api.fireworks.ai/inference/v1", "Hugging Face"),
        ("fw_made0up", "https://api.cerebras.ai/v1", "Fireworks AI"),
        ("csk-made0up", "https://api.x.ai/v1", "Cerebras"),
        ("xai-made0up", "https://api.mistral.ai/v1", "xAI"),
        ("tgp_v1_made0up", "https://router.huggingface.co/v1", "Together AI"),
        ("dapi0made0up", "https://acme-prod.snowflakecomputing.com", "Databricks"),
        ("sk-ant-api03-made0up", "https://api.deepseek.com", "anthropic"),
        ("sk-proj-made0up", "https://api.groq.com/openai/v1", "openai"),
        ("gsk_made0up", "https://api.groq.com/openai/v1", None),
        ("sk-or-v1-made0up", "https://openrouter.ai/api/v1", None),
        ("hf_made0up", "https://router.huggingface.co/v1", None),
        ("api_org_made0up", "https://router.huggingface.co/v1", None),
        ("fw_made0up", "https://api.fireworks.ai/inference/v1", None),
        ("tgp_v1_made0up", "https://api.together.xyz/v1", None),
        ("sk-0made0up", "https://api.deepseek.com", None),
        ("0made0up0made0up", "https://api.mistral.ai/v1", None),
        ("eyJ0made0up", "https://acme-prod.snowflakecomputing.com", None),
        ("gsk_made0up", "http://localhost:11434/v1", None),
        ("gsk_made0up", "https://llm.acme.example/v1", None),
    ],
)
def test_a_key_of_another_vendor_is_told_at_a_vendor_s_own_address(key, endpoint, owner):
    for fields in ({"api_key": key}, {"auth_token": f"Bearer {key}"}):
        connection = Connection("custom", name="m", endpoint=endpoint, **fields)
        (name,) = fields
        assert [(each.field, each.owner) for each in connection.field_warnings] == (
            [(name, owner)] if owner else []
        )
        assert "0up" not in " ".join(connection.warnings)
        # A gateway in front of it may have keys of its own.
        gateway = Connection(
            "custom", name="m", endpoint=endpoint, base_url="https://gw.acme.example/v1", **fields
        )
        assert gateway.field_warnings == []


# -- the pinned provider


@pytest.mark.parametrize(
    ("typed", "order"),
    [
        ("fireworks", ["fireworks"]), (" Fireworks ", ["fireworks"]),
        ("Google Vertex", ["google-vertex"]), ("deepinfra/turbo", ["deepinfra/turbo"]),
        ("together, Fireworks", ["together", "fireworks"]),
    ],
)  # fmt: skip
def test_a_pinned_provider_is_the_only_one_asked(typed, order):
    connection = Connection("custom", name="m", endpoint="openrouter.ai", routed_to=typed)
    assert connection.target("m").options["body"] == {
        "provider": {"require_parameters": True, "order": order, "allow_fallbacks": False}
    }
    again = connection_from_json(connection_to_json(connection))
    assert again.target("m").options == connection.target("m").options


def test_without_one_nobody_is_pinned():
    options = (
        Connection("custom", name="m", endpoint="https://openrouter.ai/api/v1").target("m").options
    )
    assert options["body"] == {"provider": {"require_parameters": True}}
    assert "answered_by" not in options


@pytest.mark.parametrize("endpoint", ["https://api.groq.com/openai/v1", "http://localhost:4000/v1"])
def test_only_a_router_has_providers_to_pin(endpoint):
    with pytest.raises(FieldError, match="is for OpenRouter only"):
        Connection("custom", name="m", endpoint=endpoint, routed_to="fireworks")


@pytest.mark.parametrize("typed", ["a b!", ",", "fire'works", "\x00", "ünicode"])
def test_what_is_no_name_of_a_provider_is_refused(typed):
    with pytest.raises(FieldError) as caught:
        Connection("custom", name="m", endpoint="https://openrouter.ai/api/v1", routed_to=typed)
    assert list(caught.value.problems) == ["routed_to"]
