"""What Anthropic says in place of an answer becomes one class, one sentence and one next step."""

from __future__ import annotations

import json
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmwidgets import errors
from llmwidgets.connections import Connection
from llmwidgets.dialects import anthropic
from llmwidgets.dialects.anthropic import SUBSET, explain
from llmwidgets.dialects.types import Call, HTTPResponse, Request, ResponseFormat, TextPart
from llmwidgets.schemas import read_schema
from tests.dialects.strict import payload_of, recorded

DOCUMENT = "Marigold Trading owes 1234 EUR to Peter Quill since the third of May."
COMPILED = read_schema({"type": "object", "properties": {"a": {"type": "string"}}}).compile(SUBSET)


def a_call() -> Call:
    connection = Connection("anthropic", api_key="sk-ant-api03-canary-canary", label="mine")
    request = Request(
        "m", "Extract.", (TextPart(DOCUMENT),), COMPILED, ResponseFormat.JSON_SCHEMA, 100
    )
    return anthropic.encode(request, connection.target("m"))


@pytest.mark.parametrize("row", recorded("anthropic_errors"), ids=lambda row: row["what"])
def test_each_recorded_error_is_told(row):
    failure = explain(payload_of(row), call=a_call())
    assert type(failure).__name__ == row["failure"]
    assert row["says"] in str(failure)
    assert failure.hint
    for name in ("code", "retry_after", "request_id", "perhaps_answered"):
        if name in row:
            assert getattr(failure, name) == row[name]
    assert "canary" not in str(failure)


def test_every_type_that_the_vendor_documents_has_a_class():
    """The types of its errors, as its own package lists them."""
    from anthropic.types import shared

    fields = [getattr(getattr(shared, name), "model_fields", {}) for name in dir(shared)]
    literals = [each["type"].annotation for each in fields if "type" in each]
    known = {word for each in literals for word in get_args(each) if word.endswith("_error")}
    assert len(known) >= 8
    for kind in known:
        body = {"type": "error", "error": {"type": kind, "message": "Words."}}
        status = {"authentication_error": 401, "billing_error": 402, "permission_error": 403,
                  "not_found_error": 404, "rate_limit_error": 429, "api_error": 500,
                  "timeout_error": 504, "overloaded_error": 529}.get(kind, 400)  # fmt: skip
        failure = explain(payload_of({"status": status, "body": body}))
        told = {"authentication_error": errors.Unauthorized, "billing_error": errors.QuotaExhausted,
                "permission_error": errors.Forbidden, "rate_limit_error": errors.RateLimited,
                "api_error": errors.Overloaded, "timeout_error": errors.Overloaded,
                "overloaded_error": errors.Overloaded}  # fmt: skip
        assert isinstance(failure, told.get(kind, errors.CallError))


def test_an_error_under_the_status_of_a_success_is_no_reply():
    body = {"type": "error", "error": {"type": "rate_limit_error", "message": "Slow down."}}
    with pytest.raises(errors.RateLimited):
        anthropic.decode(payload_of({"body": body}))


def test_an_error_that_repeats_the_document_is_not_quoted():
    body = {"type": "error", "error": {"type": "invalid_request_error",
            "message": f"messages.0.content: cannot read '{DOCUMENT}' here"}}  # fmt: skip
    failure = explain(payload_of({"status": 400, "body": body}), call=a_call())
    assert isinstance(failure, errors.BadRequest)
    assert "Marigold" not in str(failure)


@given(st.integers(min_value=200, max_value=599), st.one_of(st.binary(), st.builds(
    lambda value: json.dumps(value).encode(),
    st.recursive(st.none() | st.text() | st.integers(), lambda inner: st.lists(inner)
                 | st.dictionaries(st.sampled_from(["error", "type", "message", "details",
                                                    "error_code", "code"]), inner)),
)))  # fmt: skip
def test_no_body_makes_the_reader_fail(status, body):
    failure = explain(HTTPResponse(status, {}, body, 0.1), label="mine", model="m")
    assert isinstance(failure, errors.Failure)
    assert failure.message.endswith((".", "…")) or "It says:" in failure.message
