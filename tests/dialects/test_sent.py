"""A request read back from its body: the same turns, schema and parameters in every format."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmwidgets.dialects import anthropic, gemini, openai
from llmwidgets.dialects.sent import Sent, read_sent
from llmwidgets.dialects.types import (
    Example,
    Request,
    ResponseFormat,
    Target,
    TextPart,
)
from llmwidgets.schemas import read_schema

SCHEMA = read_schema([{"name": "total", "type": "number"}])
TARGET = Target(url="https://example.test/v1", model="m")
FORMATS = {"openai": openai, "anthropic": anthropic, "gemini": gemini}
SAID = [
    ("system", "Extract."),
    ("user", "<document>\nTotal 5\n</document>"),
    ("assistant", '{"total": 5}'),
    ("user", "<document>\nالمجموع 12\n</document>"),
]


@pytest.mark.parametrize("name", FORMATS)
@pytest.mark.parametrize("form", [ResponseFormat.JSON_SCHEMA, ResponseFormat.TOOL])
def test_the_turns_and_the_schema_are_read_back(name, form):
    """Examples are turns, the schema stands apart, nothing that is sent is left out."""
    if (name, form) == ("gemini", ResponseFormat.TOOL):
        form = ResponseFormat.JSON_OBJECT
    dialect = FORMATS[name]
    request = Request(
        model="m",
        instructions="Extract.",
        parts=(TextPart("المجموع 12"),),
        schema=SCHEMA.compile(dialect.SUBSET),
        examples=(Example("Total 5", {"total": 5}),),
        form=form,
        max_output_tokens=500,
    )
    body = dialect.encode(request, TARGET).body
    sent = read_sent(body)
    assert [role for role, _ in sent.turns] == [role for role, _ in SAID]
    assert [words for _, words in sent.turns[1:]] == [words for _, words in SAID[1:]]
    assert sent.turns[0][1].startswith("Extract.")
    apart = form is not ResponseFormat.JSON_OBJECT
    assert sent.schema == (request.schema.schema if apart else None)
    assert "500" in [value for _, value in sent.parameters]
    shown = " ".join((*(words for _, words in sent.turns), json.dumps(sent.schema)))
    shown += " ".join(f"{name} {value}" for name, value in sent.parameters)
    for part in ("total", "500", "Extract."):
        assert part in shown


_JSON = st.recursive(
    st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
)


@given(_JSON, st.sampled_from(["messages", "contents", "system", "tools", "response_format"]))
def test_any_body_is_read(body, key):
    """A body of an unknown shape is shown as far as it is known, never an error."""
    assert isinstance(read_sent(body), Sent)
    assert isinstance(read_sent({key: body}), Sent)
