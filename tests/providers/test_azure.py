"""A target URI in any form the portal shows leads to the right place, or says where it leads."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmwidgets.connections import Connection
from llmwidgets.connections.connection import replace_parts
from llmwidgets.dialects import anthropic
from llmwidgets.errors import FieldError
from llmwidgets.providers.azure_endpoint import read_endpoint

KEY = "0123456789abcdef0123456789abcdef"
R, S = "https://r.openai.azure.com", "https://r.services.ai.azure.com"
V1, DATED = f"{R}/openai/v1", f"{R}/openai/deployments/d"


@pytest.mark.parametrize(
    ("pasted", "flavour", "url", "version"),
    [
        (f"{R}/", "v1", V1, None),
        ("https://r.cognitiveservices.azure.com", "v1",
         "https://r.cognitiveservices.azure.com/openai/v1", None),
        (f"{DATED}/chat/completions?api-version=2025-01-01-preview", "dated", DATED,
         "2025-01-01-preview"),
        (DATED, "dated", DATED, "2024-10-21"),
        (f"{DATED}?api-version=2024-12-01", "dated", DATED, "2024-12-01"),
        (f"{V1}/", "v1", V1, None),
        (f"{V1}/chat/completions", "v1", V1, None),
        (f"{V1}/responses?api-version=preview", "v1", V1, None),
        (f"{R}/openai/responses?api-version=2025-04-01-preview", "v1", V1, None),
        (f"{S}/models", "models", f"{S}/models", "2024-05-01-preview"),
        (f"{S}/models/chat/completions?api-version=2024-08-01", "models", f"{S}/models",
         "2024-08-01"),
        (f"{S}/openai/v1/chat/completions", "v1", f"{S}/openai/v1", None),
        (f"{S}/api/projects/P/openai/v1", "v1", f"{S}/api/projects/P/openai/v1", None),
        (f"{S}/api/projects/P", "v1", f"{S}/openai/v1", None),
        ("https://n.eastus2.models.ai.azure.com", "serverless",
         "https://n.eastus2.models.ai.azure.com/v1", None),
        ("https://n.eastus2.models.ai.azure.com/v1/chat/completions", "serverless",
         "https://n.eastus2.models.ai.azure.com/v1", None),
        ("https://n.eastus2.inference.ml.azure.com/v1/chat/completions", "serverless",
         "https://n.eastus2.inference.ml.azure.com/v1", None),
        (f"{S}/anthropic", "anthropic", f"{S}/anthropic/v1", None),
        (f"{S}/anthropic/v1/messages", "anthropic", f"{S}/anthropic/v1", None),
        ("https://gw.example/azure/anthropic/", "anthropic",
         "https://gw.example/azure/anthropic/v1", None),
        ("https://r.openai.azure.us/openai/v1", "v1", "https://r.openai.azure.us/openai/v1", None),
        ("http://127.0.0.1:8000/openai/deployments/d", "dated",
         "http://127.0.0.1:8000/openai/deployments/d", "2024-10-21"),
    ],
)  # fmt: skip
def test_each_form_of_the_portal_is_read(pasted, flavour, url, version):
    found = read_endpoint(f"  {pasted} ")
    assert (found.flavour, found.url, found.api_version) == (flavour, url, version)
    assert found.deployment == ("d" if flavour == "dated" else None)
    assert read_endpoint(found.url).url == found.url


@pytest.mark.parametrize(
    ("pasted", "reason"),
    [
        ("https://n.eastus2.inference.ml.azure.com/score", "managed compute"),
        (f"{DATED}/embeddings?api-version=2024-10-21", "embeddings"),
        (f"{S}/models/embeddings", "embeddings"),
        ("https://ai.azure.com/resource/deployments", "page of the portal"),
        (f"{R}/some/where", "not a target URI in any known form"),
        ("r.openai.azure.com", "https://"),
        (f"{V1}?api-key=abc123secret", "key"),
    ],
)
def test_an_address_that_leads_elsewhere_is_refused_with_the_next_step(pasted, reason):
    for kind, name in (("azure_openai", "deployment"), ("azure_ai_foundry", "model")):
        with pytest.raises(FieldError, match=reason) as caught:
            Connection(kind, **{name: "d"}, endpoint=pasted, api_key=KEY)
        assert list(caught.value.problems) == ["endpoint"]
        assert "abc123secret" not in str(caught.value)


def test_claude_in_foundry_is_spoken_to_in_its_own_format():
    """Both headers carry the key; the same address under Azure OpenAI says where it belongs."""
    given = {"endpoint": f"{S}/anthropic/v1/messages", "api_key": KEY}
    connection = Connection("azure_ai_foundry", model="claude-sonnet-5-5", **given)
    target = connection.target("claude-sonnet-5-5")
    assert connection.dialect is anthropic
    assert target.url == f"{S}/anthropic/v1"
    assert [header.name for header in target.auth] == ["x-api-key", "api-key"]
    assert target.headers == {"anthropic-version": "2026-10-21"}
    assert target.options["thinking_off"] == "between_tools"
    with pytest.raises(FieldError, match="Connect it as Azure AI Foundry"):
        Connection("azure_openai", deployment="d", **given)


def test_the_deployment_is_read_from_the_address_where_the_form_leaves_it_empty():
    connection = Connection("azure_openai", deployment=" ", endpoint=DATED, api_key=KEY)
    assert connection.models == ("d",)
    assert connection.label == "d"


def test_a_deployment_named_otherwise_in_the_address_is_told():
    """The form's name is called, so that a column never shows another model than it names."""
    connection = Connection("azure_openai", deployment="luna", endpoint=DATED, api_key=KEY)
    assert connection.target("luna").url == f"{R}/openai/deployments/luna"
    assert len(connection.warnings) == 1
    assert "deployment d" in connection.warnings[0]
    assert "luna" in connection.warnings[0]


def test_a_dated_address_keeps_its_version_and_v1_has_none():
    dated = Connection("azure_openai", endpoint=f"{DATED}?api-version=2025-01-01", api_key=KEY)
    v1 = Connection("azure_openai", deployment="d", endpoint=R, api_key=KEY)
    assert dated.target("d").query == {"api-version": "2025-01-01"}
    assert v1.target("d").query == {}
    assert (v1.target("d").options["store"], dated.target("d").options["store"]) == (True, False)


def test_the_unified_endpoint_knows_max_tokens():
    connection = Connection("azure_ai_foundry", model="m", endpoint=f"{S}/models", api_key=KEY)
    options = connection.target("m").options
    assert (options["token_parameter"], options["effort"]) == ("max_tokens", True)


def test_a_resource_can_leave_the_deployment_to_the_reference():
    connection = Connection("azure_openai", deployment="*", endpoint=DATED, api_key=KEY)
    assert replace_parts(connection, any_model=True).models == ()
    assert replace_parts(connection, any_model=True).address == R
    assert connection.target("other one").url == f"{R}/openai/deployments/other%20one"


@given(st.text(alphabet="abc/:?=&.%@ []1", max_size=40))
def test_no_text_makes_the_reader_fail_otherwise_than_by_a_sentence(text):
    said = ""
    try:
        url = read_endpoint(f"https://{text}").url
    except ValueError as error:
        url, said = "", str(error)
    assert said.endswith(".") or url.startswith("https://")
