"""OpenAI's own request type judges every body that is sent in its format."""

from __future__ import annotations

import itertools
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from llmwidgets.connections import Connection
from llmwidgets.dialects import openai
from llmwidgets.dialects.openai import SUBSET
from llmwidgets.dialects.types import Example, Request, ResponseFormat, TextPart
from llmwidgets.providers import PROVIDERS
from llmwidgets.schemas import read_schema
from tests.dialects.strict import judge_of

SCHEMA = read_schema(
    {
        "title": "Invoice",
        "type": "object",
        "properties": {
            "number": {"type": "string", "maxLength": 9},
            "lines": {"type": "array", "items": {"type": "number"}},
        },
        "required": ["number"],
    }
)
FORMS = [
    ResponseFormat.JSON_SCHEMA, ResponseFormat.JSON_OBJECT, ResponseFormat.TOOL, ResponseFormat.TEXT
]  # fmt: skip
AZURE = "https://r.openai.azure.com/openai"


@pytest.fixture(scope="module")
def judge():
    """Raises ValidationError for a body that OpenAI's type does not allow."""
    from openai.types.chat import completion_create_params as params

    return judge_of(params.CompletionCreateParamsNonStreaming)


def a_request(
    model: str, form: ResponseFormat = ResponseFormat.JSON_SCHEMA, **rest: Any
) -> Request:
    compiled = SCHEMA.compile(SUBSET)
    return Request(model, "Extract.", (TextPart("Bill 7."),), compiled, form, 500, **rest)


def connections() -> list[Connection]:
    return [
        Connection("openai", api_key="sk-proj-a"),
        Connection("azure_openai", deployment="d", endpoint=AZURE, api_key="k"),
        Connection("azure_openai", endpoint=f"{AZURE}/deployments/d", api_key="k"),
        Connection("azure_ai_foundry", model="m", endpoint="https://r.example/models", api_key="k"),
        Connection("azure_ai_foundry", model="m", endpoint="https://r.example/v1", api_key="k"),
        Connection("custom", name="m", endpoint="http://localhost:1/v1"),
    ]


def test_every_form_and_option_of_every_kind_is_allowed(judge):
    """All forms x schema in prompt x examples x thinking x temperature."""
    examples = (Example("Bill 6.", {"number": "6"}),)
    options = itertools.product(FORMS, (False, True), ((), examples), (None, "low"), (None, 0.0))
    for form, in_prompt, shown, effort, temperature in options:
        for connection in connections():
            model = connection.models[0]
            request = a_request(
                model, form, schema_in_prompt=in_prompt, examples=shown, effort_sent=effort,
                temperature=temperature,
            )  # fmt: skip
            judge(openai.encode(request, connection.target(model)).body)


def test_every_thinking_level_of_every_whitelisted_model_is_allowed(judge):
    connection = Connection("openai", api_key="sk-proj-a")
    for facts in PROVIDERS["openai"].models:
        for effort in (None, *facts.efforts):
            request = a_request(facts.id, effort_sent=effort)
            judge(openai.encode(request, connection.target(facts.id)).body)


def test_a_schema_beside_json_object_is_not_of_openai(judge):
    """It is sent to Custom servers, which ask for it, and OpenAI's type refuses it."""
    custom = Connection("custom", name="m", endpoint="http://localhost:1/v1").target("m")
    body = openai.encode(a_request("m", ResponseFormat.JSON_OBJECT_SCHEMA), custom).body
    with pytest.raises(ValidationError):
        judge(body)
    body["response_format"].pop("schema")
    judge(body)


@pytest.mark.parametrize(
    "spoil",
    [
        lambda body: body.update(surprise=1),
        lambda body: body["messages"][0].update(role="boss"),
        lambda body: body["messages"][1].update(surprise=1),
        lambda body: body["messages"][1].update(content=7),
        lambda body: body["response_format"]["json_schema"].pop("name"),
        lambda body: body.update(reasoning_effort="heroic"),
        lambda body: body.pop("model"),
    ],
)
def test_the_judge_refuses_what_is_wrong(judge, spoil):
    """Without this the tests above could not fail."""
    connection = Connection("openai", api_key="sk-proj-a")
    body = openai.encode(a_request("gpt-6-luna"), connection.target("gpt-6-luna")).body
    judge(body)
    spoil(body)
    with pytest.raises(ValidationError):
        judge(body)


def test_the_name_of_every_shipped_id_is_known_to_the_vendor_or_newer():
    """A misspelled id in the whitelist would be called and refused."""
    from openai.types.shared import ChatModel

    known = set(get_args(ChatModel))
    assert {facts.id for facts in PROVIDERS["openai"].models} <= known
    assert not set(PROVIDERS["openai"].retired) & {facts.id for facts in PROVIDERS["openai"].models}
