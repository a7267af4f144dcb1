"""Anthropic's own request type judges every body that is sent in its format."""

from __future__ import annotations

import itertools
from typing import Any, get_args

import pytest
from pydantic import ValidationError

from llmwidgets.connections import Connection
from llmwidgets.dialects import anthropic as anthropic_messages
from llmwidgets.dialects.anthropic import SUBSET
from llmwidgets.dialects.types import Example, Request, ResponseFormat, TextPart
from llmwidgets.engine.request_builder import resolve_effort
from llmwidgets.providers import PROVIDERS
from llmwidgets.schemas import read_schema
from tests.dialects.strict import judge_of, recorded

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
FORMS = [ResponseFormat.JSON_SCHEMA, ResponseFormat.TOOL, ResponseFormat.TEXT]
FOUNDRY = "https://r.services.ai.azure.com/anthropic"


@pytest.fixture(scope="module")
def judge():
    """Raises ValidationError for a body that Anthropic's type does not allow."""
    from anthropic.types.message_create_params import MessageCreateParamsNonStreaming

    return judge_of(MessageCreateParamsNonStreaming)


def a_body(
    connection: Connection,
    model: str,
    form: ResponseFormat = ResponseFormat.JSON_SCHEMA,
    **rest: Any,
) -> Any:
    compiled = SCHEMA.compile(SUBSET)
    request = Request(model, "Extract.", (TextPart("Bill 7."),), compiled, form, 500, **rest)
    return anthropic_messages.encode(request, connection.target(model)).body


def test_every_form_model_and_option_of_both_kinds_is_allowed(judge):
    """All forms x schema in prompt x examples x every thinking level of every model."""
    anthropic = Connection("anthropic", api_key="sk-ant-api03-a")
    shown = (Example("Bill 6.", {"number": "6"}),)
    count = 0
    for facts in PROVIDERS["anthropic"].models:
        foundry = Connection("azure_ai_foundry", model=facts.id, endpoint=FOUNDRY, api_key="k")
        options = itertools.product(FORMS, (False, True), ((), shown), (None, *facts.efforts))
        for form, in_prompt, examples, effort in options:
            for connection in (anthropic, foundry):
                judge(
                    a_body(
                        connection, facts.id, form, schema_in_prompt=in_prompt, examples=examples,
                        effort_sent=effort, temperature=0.5,
                    )
                )  # fmt: skip
                count += 1
    assert count > 1000


def test_every_level_a_variant_can_ask_for_is_one_the_model_has():
    for facts in PROVIDERS["anthropic"].models:
        for effort in ("least", "low", "medium", "high"):
            assert resolve_effort(facts, effort) in facts.efforts
        assert resolve_effort(facts, "vendor") is None


@pytest.mark.parametrize(
    "spoil",
    [
        lambda body: body.update(temperature=0.0),
        lambda body: body.update(surprise=1),
        lambda body: body["messages"][0].update(role="boss"),
        lambda body: body["messages"][0].update(content=7),
        lambda body: body["output_config"]["format"].update(name="x"),
        lambda body: body["output_config"]["format"].update(strict=True),
        lambda body: body["output_config"].update(effort="heroic"),
        lambda body: body.update(thinking={"type": "enabled"}),
        lambda body: body.update(tools=[{"name": "x"}]),
        lambda body: body.pop("max_tokens"),
    ],
)
def test_the_judge_refuses_what_is_wrong(judge, spoil):
    """Without this the tests above could not fail."""
    body = a_body(Connection("anthropic", api_key="sk-ant-api03-a"), "claude-opus-5-5")
    judge(body)
    spoil(body)
    with pytest.raises(ValidationError):
        judge(body)


def test_every_recorded_reply_is_one_of_the_vendors_messages():
    from anthropic.types import Message

    for row in recorded("anthropic_replies"):
        Message.model_validate(row["body"], strict=False)


def test_the_whitelist_holds_ids_that_the_vendor_knows_and_its_version():
    from anthropic._constants import ANTHROPIC_API_VERSION
    from anthropic.types.model import Model

    known = {name for part in get_args(Model) for name in get_args(part)}
    assert {facts.id for facts in PROVIDERS["anthropic"].models} <= known
    assert anthropic_messages.VERSION == ANTHROPIC_API_VERSION
