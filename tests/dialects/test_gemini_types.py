"""Google's own request types judge every body that is sent in its format."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from pydantic import BaseModel, ConfigDict, ValidationError

from llmwidgets.connections import Connection
from llmwidgets.dialects import gemini
from llmwidgets.dialects.gemini import SUBSET
from llmwidgets.dialects.types import Example, Request, ResponseFormat, TextPart
from llmwidgets.engine.request_builder import resolve_effort
from llmwidgets.providers import PROVIDERS
from llmwidgets.schemas import read_schema
from tests.dialects.strict import recorded

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
FORMS = [ResponseFormat.JSON_SCHEMA, ResponseFormat.JSON_OBJECT, ResponseFormat.TEXT]
CONNECTIONS = {
    "gemini": Connection("gemini", api_key="AQ.a"),
    "vertex_ai": Connection(
        "vertex_ai", credentials='{"type": "service_account"}', project="acme-1"
    ),
}


@pytest.fixture(scope="module")
def judge():
    """Raises ValidationError for a body that Google's types do not allow."""
    from google.genai import types

    class Body(BaseModel):
        model_config = ConfigDict(extra="forbid")

        contents: list[types.Content]
        systemInstruction: types.Content | None = None
        generationConfig: types.GenerationConfig | None = None

    return Body.model_validate


def a_body(
    kind: str, model: str, form: ResponseFormat = ResponseFormat.JSON_SCHEMA, **rest: Any
) -> Any:
    compiled = SCHEMA.compile(SUBSET)
    request = Request(model, "Extract.", (TextPart("Bill 7."),), compiled, form, 500, **rest)
    return gemini.encode(request, CONNECTIONS[kind].target(model)).body


def test_every_form_model_and_option_of_both_kinds_is_allowed(judge):
    """All forms x schema in prompt x examples x every thinking level of every model."""
    from google.genai import types

    levels = {each.value for each in types.ThinkingLevel}
    shown, count = (Example("Bill 6.", {"number": "6"}),), 0
    for kind in CONNECTIONS:
        for facts in PROVIDERS[kind].models:
            efforts, prompts = (None, *facts.efforts), (False, True)
            for form, put, examples, effort in itertools.product(
                FORMS, prompts, ((), shown), efforts
            ):
                body = a_body(
                    kind, facts.id, form, schema_in_prompt=put, examples=examples,
                    effort_sent=effort, temperature=0.5 if facts.sampling else None,
                )  # fmt: skip
                judge(body)
                config = body["generationConfig"].get("thinkingConfig", {})
                assert len(config) <= 1
                assert config.get("thinkingLevel", "LOW") in levels
                count += 1
    assert count > 800


def test_every_level_a_variant_can_ask_for_is_one_the_model_has():
    for kind in CONNECTIONS:
        for facts in PROVIDERS[kind].models:
            for effort in ("least", "low", "medium", "high"):
                sent = resolve_effort(facts, effort)
                assert sent in facts.efforts
                body = a_body(kind, facts.id, effort_sent=sent)
                assert "thinkingConfig" in body["generationConfig"]


@pytest.mark.parametrize(
    "spoil",
    [
        lambda body: body.update(surprise=1),
        lambda body: body["contents"][0].update(surprise=1),
        lambda body: body["contents"][0]["parts"][0].update(txt="x"),
        lambda body: body["generationConfig"].update(maxTokens=1),
        lambda body: body["generationConfig"].update(maxOutputTokens="many"),
        lambda body: body["generationConfig"].update(thinkingConfig={"level": "LOW"}),
        lambda body: body.pop("contents"),
    ],
)
def test_the_judge_refuses_what_is_wrong(judge, spoil):
    """Without this the tests above could not fail."""
    body = a_body("gemini", "gemini-3.8-flash", effort_sent="LOW")
    judge(body)
    spoil(body)
    with pytest.raises(ValidationError):
        judge(body)


def test_every_recorded_reply_is_one_of_the_vendors_responses():
    from google.genai import types

    for row in recorded("gemini_replies"):
        types.GenerateContentResponse.model_validate(row["body"])
