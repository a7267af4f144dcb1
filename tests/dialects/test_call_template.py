"""A question that is spelled once for many texts is the one that its format makes of each."""

from __future__ import annotations

from dataclasses import replace
from functools import partial

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llmwidgets.dialects import anthropic, gemini, openai
from llmwidgets.dialects.requests import CallTemplate, spell_body
from llmwidgets.dialects.types import (
    AuthHeader,
    Example,
    Request,
    ResponseFormat,
    Target,
    TextPart,
)
from llmwidgets.schemas import read_schema
from llmwidgets.secret import Secret

SCHEMA = read_schema([{"name": "total", "type": "number"}, {"name": "day", "type": "date"}])
TARGET = Target(
    "https://api.example/v1", "m", (AuthHeader.bearer(Secret("made-up-key-0001")),),
    headers={"x-team": "a"}, label="acme",
)  # fmt: skip
ODD = (
    "", "Total 12.50", 'a "quoted" \\ line\n', "</document> <DOCUMENT >", "\ud800 half",
    "é 中 \u2028", "the place of the document 5b1f0c7e9a",
)  # fmt: skip


def request(dialect, form: ResponseFormat, **more) -> Request:
    compiled = SCHEMA.compile(dialect.SUBSET)
    return Request("m", "Extract.", (TextPart(""),), compiled, form, 400, **more)


def templates():
    for dialect in (openai, anthropic, gemini):
        for form in dialect.LADDER:
            if form is ResponseFormat.JSON_OBJECT_SCHEMA:
                continue
            yield dialect, request(dialect, form)
        shot = Example("Total 1", {"total": 1, "day": None})
        yield dialect, request(dialect, dialect.LADDER[0], examples=(shot,), schema_in_prompt=True)


TEMPLATES = [
    (CallTemplate.of(partial(dialect.encode, target=TARGET), asked), dialect, asked)
    for dialect, asked in templates()
]


@given(st.text(st.characters(exclude_categories=())) | st.sampled_from(ODD))
@example(ODD[3])
@example(ODD[4])
def test_the_call_about_a_text_is_the_one_its_format_makes(text):
    for template, dialect, asked in TEMPLATES:
        whole = dialect.encode(replace(asked, parts=(TextPart(text),)), TARGET)
        call = template.call(text)
        assert call == replace(whole, question=True)
        assert call.spelled == spell_body(whole.body)


def test_one_text_changes_nothing_for_the_next():
    template, dialect, asked = TEMPLATES[0]
    first = template.call("first")
    first.body["messages"][-1]["content"] = "spoiled"
    whole = dialect.encode(replace(asked, parts=(TextPart("second"),)), TARGET)
    assert template.call("second").body == whole.body


@pytest.mark.parametrize("twice", ["instructions", "nowhere"])
def test_a_format_without_one_place_for_the_document_has_no_template(twice):
    def encode(asked):
        call = openai.encode(asked, TARGET)
        said = asked.parts[0].text
        messages = [said, said] if twice == "instructions" else []
        return replace(call, body={"messages": messages})

    assert CallTemplate.of(encode, request(openai, ResponseFormat.JSON_SCHEMA)) is None
