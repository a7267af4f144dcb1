"""Every kind is data from which a form, a table and a command line can be made."""

from __future__ import annotations

import re
from datetime import date
from importlib import import_module

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmwidgets.connections import Connection
from llmwidgets.errors import FieldError
from llmwidgets.providers import FOREIGN, PROVIDERS, find_provider, find_warning, key_prefixes
from llmwidgets.providers.base import KeyPrefix
from llmwidgets.providers.presets import find_preset
from llmwidgets.providers.urls import is_loopback, read_address
from llmwidgets.secret import Secret
from llmwidgets.store.document import connection_from_json, connection_to_json
from tests.kinds import KINDS, MADE_UP, a_connection


def test_the_kinds_come_in_the_order_of_the_panel():
    """What is added stands behind the eight, unless its line is put between them."""
    eight = [
        "openai", "gemini", "vertex_ai", "anthropic", "azure_openai", "azure_ai_foundry", "bedrock",
        "custom",
    ]  # fmt: skip
    assert [kind for kind in KINDS if kind in eight] == eight
    assert [PROVIDERS[kind].single for kind in eight] == [True] * 4 + [False, False, True, False]


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_the_name_of_its_file(kind):
    module = import_module(f"llmwidgets.providers.{kind}")
    assert PROVIDERS[kind] is module.PROVIDER
    assert module.PROVIDER.kind == kind


@pytest.mark.parametrize(
    "typed", ["opnai", "Gemini", "azure", "anthropc", "", None, 7, "sk-proj-made-up-0004711-3fQz"]
)
def test_an_unknown_kind_names_the_nearest_and_never_a_key(typed):
    with pytest.raises(FieldError) as caught:
        find_provider(typed)
    assert "There is no kind of connection" in caught.value.message
    assert all(kind in caught.value.hint for kind in KINDS)
    assert "4711" not in str(caught.value)
    near = {"opnai": "openai", "Gemini": "gemini", "anthropc": "anthropic"}.get(typed)
    assert near is None or f"The nearest is {near}." in caught.value.message


@pytest.mark.parametrize(
    ("kind", "asked"),
    [
        ("openai", {"api_key": True, "organization": False, "project": False}),
        ("gemini", {"api_key": True}),
        ("vertex_ai", {"sign_in": False, "credentials": True, "project": False, "location": False}),
        ("anthropic", {"api_key": True}),
        ("azure_openai", {"sign_in": False, "deployment": True, "endpoint": True, "api_key": True}),
        ("azure_ai_foundry", {"sign_in": False, "model": True, "endpoint": True, "api_key": True}),
        ("bedrock", {"api_key": True, "region": True}),
        (
            "custom",
            {
                "name": True,
                "endpoint": True,
                "api_key": False,
                "auth_token": False,
                "token_as_typed": False,
                "routed_to": False,
            },
        ),
    ],
)
def test_each_form_asks_exactly_what_it_needs(kind, asked):
    """The fields beside the advanced ones that every kind has, and which are required."""
    advanced = {"base_url", "headers", "ca_bundle", "allow_plain_http", "price", "expires"}
    fields = PROVIDERS[kind].fields.model_fields
    own = {name: field.is_required() for name, field in fields.items() if name not in advanced}
    assert own == asked
    assert advanced <= set(fields)


@pytest.mark.parametrize("kind", KINDS)
def test_each_field_explains_itself(kind):
    """A label and a help line for every field; a placeholder for every required one."""
    for name, field in PROVIDERS[kind].fields.model_fields.items():
        assert field.title, name
        assert field.description, name
        assert field.description.endswith("."), name
        assert field.examples or not field.is_required(), name


@pytest.mark.parametrize("kind", KINDS)
def test_links_and_steps_lead_to_a_key(kind):
    provider = PROVIDERS[kind]
    assert provider.links
    assert provider.steps
    assert all(link.url.startswith("https://") for link in provider.links)
    assert all(step.endswith((".", "only once.")) for step in provider.steps)
    if kind != "custom":
        assert any("key" in link.text.lower() for link in provider.links)


def test_the_steps_hold_the_sentences_users_look_for():
    said = {kind: " ".join(provider.steps) for kind, provider in PROVIDERS.items()}
    for words in (
        "ollama run llama3.2", "http://localhost:11434/v1", "API key ollama", "outside address",
        "deepseek-ai/DeepSeek-R1", "https://router.huggingface.co/together/v1",
    ):  # fmt: skip
        assert words in said["custom"]
    assert re.search("create.*resource.*Deploy.*Details", said["azure_openai"], re.S)
    assert re.search("catalogue.*Deploy.*Details → Endpoint", said["azure_ai_foundry"], re.S)
    assert "Create new key → JSON" in said["vertex_ai"]


def test_what_custom_says_of_a_server_is_what_its_preset_says():
    said = {step.split(":")[0]: step for step in PROVIDERS["custom"].steps}
    for preset, name in (
        (find_preset("ollama"), "llama3.2"),
        (find_preset("hugging_face"), "deepseek-ai/DeepSeek-R1:together"),
    ):
        assert f"ame {name}, endpoint {preset.endpoint}" in said[preset.title]
        assert preset.name == name


@pytest.mark.parametrize("kind", [kind for kind in KINDS if PROVIDERS[kind].single])
def test_whitelists_hold_no_id_twice_and_no_retired_one(kind):
    provider = PROVIDERS[kind]
    ids = [facts.id for facts in provider.models]
    assert ids
    assert len(ids) == len(set(ids))
    assert not set(ids) & set(provider.retired)
    assert set(provider.retired.values()) <= set(ids)
    for facts in provider.models:
        assert facts.source
        assert (facts.status == "ending") == (facts.ends is not None)
        assert facts.successor is None or facts.successor in ids
        assert facts.ends is None or facts.ends > date(2026, 11, 23)


def test_what_the_picture_of_the_panel_says_is_in_the_data():
    openai = PROVIDERS["openai"]
    gpt_5 = openai.facts("gpt-5")
    assert gpt_5 is not None
    assert (gpt_5.ends, gpt_5.successor) == (date(2026, 12, 11), "gpt-6-sol")
    assert openai.retired["o1"] == "gpt-6.1-terra"
    luna = openai.facts("gpt-6-luna")
    assert luna is not None
    assert luna.efforts[0] == "none"
    assert openai.facts("gpt-6-astra").efforts[0] == "low"  # type: ignore[union-attr]


@pytest.mark.parametrize("kind", KINDS)
def test_each_target_carries_its_key_closed(kind):
    connection = a_connection(kind)
    target = connection.target(connection.models[0])
    assert read_address(target.url).origin == connection.address
    assert target.label == connection.label
    for header in target.auth:
        assert isinstance(header.secret, Secret)
    assert MADE_UP not in repr(target)


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        ("openai", ["Authorization"]),
        ("gemini", ["x-goog-api-key"]),
        ("vertex_ai", ["Authorization"]),
        ("anthropic", ["x-api-key"]),
        ("azure_openai", ["api-key"]),
        ("azure_ai_foundry", ["api-key", "Authorization"]),
        ("bedrock", ["Authorization"]),
        ("custom", ["Authorization"]),
    ],
)
def test_each_kind_sends_its_key_in_its_own_header(kind, names):
    connection = a_connection(kind)
    assert [header.name for header in connection.target(connection.models[0]).auth] == names


@pytest.mark.parametrize(
    ("kind", "key", "words"),
    [
        ("openai", "sk-ant-api03-xyz", "sk-ant-"),
        ("openai", "sk-admin-xyz", "sk-admin-"),
        ("openai", "AIzaSyxyz", "AIza"),
        ("openai", "hf_xyz", "hf_"),
        ("openai", "nonsense", "start with sk-"),
        ("openai", "sk-one sk-two", "blanks"),
        ("openai", "sk-proj-fine", None),
        ("gemini", "AIzaSyxyz", "ending AIza keys. Make a new key"),
        ("gemini", "sk-xyz", "sk-"),
        ("gemini", "ya29.xyz", "ya29."),
        ("gemini", "eyJhbGciOi", "eyJ"),
        ("gemini", "AQ.fine", None),
        ("anthropic", "sk-ant-admin01-xyz", "sk-ant-admin"),
        ("anthropic", "sk-ant-oat01-xyz", "sk-ant-oat"),
        ("anthropic", "sk-proj-xyz", "sk-ant-api"),
        ("anthropic", "sk-ant-api03-fine", None),
        ("anthropic", "ABSKxyz", "ABSK"),
        ("openai", "bedrock-api-key-xyz", "bedrock-api-key-"),
        ("bedrock", "sk-ant-api03-xyz", "sk-ant-"),
        ("bedrock", "AKIAxyz", "AKIA"),
        ("bedrock", "ABSKfine", None),
        ("bedrock", "bedrock-api-key-fine", None),
        ("azure_openai", "sk-xyz", "sk-"),
        ("azure_ai_foundry", "https://r.azure.com", "address"),
        ("azure_openai", "0123456789abcdef0123456789abcdef", None),
        ("custom", "hf_fine", None),
    ],
)
def test_a_key_of_another_provider_is_told_by_its_public_prefix_only(kind, key, words):
    warning = find_warning(PROVIDERS[kind], "api_key", key)
    if words is None:
        assert warning is None
        return
    assert warning is not None
    said = warning.sentence
    assert words in said
    assert "xyz" not in said
    assert said.endswith(".")


@given(
    kind=st.sampled_from(KINDS),
    known=st.sampled_from([*key_prefixes(), ("", KeyPrefix(""))]),
    rest=st.text(alphabet="bcdfghjkqwxz0123456789 \n", min_size=12, max_size=40),
)
def test_a_warning_is_a_value_that_names_its_field_and_never_the_key(kind, known, rest):
    """Whatever is typed: the field, one sentence, and as owner a kind or a known service."""
    provider, (_, prefix) = PROVIDERS[kind], known
    warning = find_warning(provider, provider.key_field, prefix.start + rest)
    if warning is None:
        return
    assert warning.field == provider.key_field
    assert warning.sentence.endswith(".")
    assert rest not in warning.sentence
    assert warning.owner in {"", *KINDS, *(owner for owner, _ in FOREIGN)}


@pytest.mark.parametrize(
    ("key", "token", "sent"),
    [
        (None, None, {}),
        ("k1", None, {"Authorization": "Bearer {}"}),
        (None, "tok", {"Authorization": "Bearer {}"}),
        (None, "Basic dXNlcg==", {"Authorization": "{}"}),
        ("k1", "tok", {"Authorization": "Bearer {}", "x-api-key": "{}", "api-key": "{}"}),
    ],
)
def test_custom_sends_key_and_token_as_the_server_needs_them(key, token, sent):
    """A token with a scheme goes as typed, without one as Bearer; the key stands beside it."""
    connection = Connection(
        "custom", name="m", endpoint="https://h.example/v1", api_key=key, auth_token=token
    )
    auth = connection.target("m").auth
    assert {header.name: header.template for header in auth} == sent
    if token:
        assert auth[0].secret is connection.secret_fields["auth_token"]


def test_a_bare_token_can_be_sent_exactly_as_typed():
    """With the choice no word stands before the token."""
    connection = Connection(
        "custom", name="m", endpoint="https://h.example/v1", auth_token="tok", token_as_typed=True
    )
    assert connection.target("m").auth[0].template == "{}"
    again = connection_from_json(connection_to_json(connection))
    assert isinstance(again, Connection)
    assert again.fields.token_as_typed is True


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        (" http://localhost:11434/v1 ", "http://localhost:11434/v1"),
        ("https://h.example/v1/chat/completions", "https://h.example/v1"),
        ("https://h.example:443/v1/", "https://h.example/v1"),
        ("https://H.example/a/v1/models", "https://h.example/a/v1"),
        ("http://[::1]:8000/v1", "http://[::1]:8000/v1"),
        ("https://h.example/v1?tenant=a", "https://h.example/v1?tenant=a"),
    ],
)
def test_a_pasted_endpoint_is_cut_to_its_base(typed, kept):
    connection = Connection("custom", name="m", endpoint=typed)
    assert connection.plain_fields["endpoint"] == kept
    assert connection.warnings == []


def test_an_endpoint_without_v1_is_a_warning_and_no_refusal():
    connection = Connection("custom", name="m", endpoint="http://localhost:11434")
    assert len(connection.warnings) == 1
    assert "/v1" in connection.warnings[0]


@pytest.mark.parametrize(
    ("base", "url"),
    [
        (None, "https://api.openai.com/v1"),
        ("https://eu.api.openai.com", "https://eu.api.openai.com/v1"),
        ("https://eu.api.openai.com/v1/", "https://eu.api.openai.com/v1"),
        ("https://gw.example/openai", "https://gw.example/openai"),
    ],
)
def test_openai_takes_a_base_url_with_and_without_v1(base, url):
    connection = Connection("openai", api_key="sk-proj-abc", base_url=base)
    assert connection.target("gpt-6-luna").url == url


def test_organization_and_project_travel_as_headers():
    connection = Connection("openai", api_key="sk-a", organization="org-1", project="proj_1")
    assert connection.target("gpt-6-luna").headers == {
        "OpenAI-Organization": "org-1", "OpenAI-Project": "proj_1",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("location", "host"),
    [
        (None, "aiplatform.googleapis.com"),
        ("eu", "aiplatform.eu.rep.googleapis.com"),
        ("europe-west4", "europe-west4-aiplatform.googleapis.com"),
    ],
)
def test_vertex_finds_its_host_by_location(location, host):
    connection = Connection("vertex_ai", credentials="{}", location=location)
    assert connection.host == host


@pytest.mark.parametrize(
    ("host", "own"),
    [
        ("localhost", True), ("127.0.0.1:80", True), ("[::1]:80", True), ("a.localhost", True),
        ("127.0.0.1.example.com", False), ("localhost.example.com", False), ("10.0.0.1", False),
        ("", False),
    ],
)  # fmt: skip
def test_loopback_is_this_computer_alone(host, own):
    assert is_loopback(host) is own
