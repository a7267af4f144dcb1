"""What Google says in place of an answer becomes one class, one sentence and one next step."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmwidgets import errors
from llmwidgets.connections import Connection
from llmwidgets.dialects import gemini
from llmwidgets.dialects.error_meanings import form_refused
from llmwidgets.dialects.gemini import SUBSET, explain
from llmwidgets.dialects.types import Call, HTTPResponse, Request, ResponseFormat, TextPart
from llmwidgets.schemas import read_schema
from tests.dialects.strict import payload_of, recorded

DOCUMENT = "Marigold Trading owes 1234 EUR to Peter Quill since the third of May."
COMPILED = read_schema({"type": "object", "properties": {"a": {"type": "string"}}}).compile(SUBSET)
CREDENTIALS = '{"type": "service_account", "project_id": "p-1", "private_key": "canary"}'


def a_call(
    kind: str = "gemini",
    location: str | None = None,
    form: ResponseFormat = ResponseFormat.JSON_SCHEMA,
) -> Call:
    if kind == "gemini":
        connection = Connection("gemini", api_key="AQ.canary-canary", label="mine")
    else:
        given = {"credentials": CREDENTIALS, "location": location, "label": "mine"}
        connection = Connection("vertex_ai", **given)
    request = Request("m", "Extract.", (TextPart(DOCUMENT),), COMPILED, form, 100)
    return gemini.encode(request, connection.target("m"))


@pytest.mark.parametrize("row", recorded("gemini_errors"), ids=lambda row: row["what"])
def test_each_recorded_error_is_told(row):
    call = a_call(row["kind"], row.get("location"))
    failure = explain(payload_of(row), call=call)
    assert type(failure).__name__ == row["failure"]
    assert row["says"] in str(failure)
    assert failure.hint
    for name in ("code", "retry_after", "perhaps_answered"):
        if name in row:
            assert getattr(failure, name) == row[name]
    assert "canary" not in str(failure)


def test_a_schema_is_blamed_only_where_one_was_sent():
    """The same words without a schema in the request are a refusal of the request."""
    body = {"error": {"code": 400, "message": "Request contains an invalid argument.",
                      "status": "INVALID_ARGUMENT"}}  # fmt: skip
    failure = explain(
        payload_of({"status": 400, "body": body}), call=a_call(form=ResponseFormat.TEXT)
    )
    assert not form_refused(failure)


def test_an_error_that_repeats_the_document_is_not_quoted():
    body = {"error": {"code": 400, "status": "INVALID_ARGUMENT",
                      "message": f"Cannot read '{DOCUMENT}' here"}}  # fmt: skip
    failure = explain(payload_of({"status": 400, "body": body}), call=a_call())
    assert isinstance(failure, errors.BadRequest)
    assert "Marigold" not in str(failure)


_JSON = st.recursive(
    st.none() | st.text() | st.integers(),
    lambda inner: (
        st.lists(inner)
        | st.dictionaries(
            st.sampled_from(["error", "status", "message", "details", "@type", "violations"]), inner
        )
    ),
)


@given(
    st.integers(min_value=200, max_value=599),
    st.binary() | st.builds(lambda value: json.dumps(value).encode(), _JSON),
)
def test_no_body_makes_the_reader_fail(status, body):
    failure = explain(HTTPResponse(status, {}, body, 0.1), label="mine", model="m")
    assert isinstance(failure, errors.Failure)


@pytest.mark.parametrize(
    "details",
    [
        [{"@type": "x/google.rpc.QuotaFailure", "violations": ["PerDay"]}],
        [{"@type": "x/google.rpc.QuotaFailure", "violations": "PerDay"}],
        [{"@type": "x/google.rpc.ErrorInfo", "reason": 7, "metadata": "x"}],
        [{"@type": "x/google.rpc.ErrorInfo", "reason": "SERVICE_DISABLED", "metadata": "x"}],
        [{"@type": "x/google.rpc.Help", "links": ["x"]},
         {"@type": "x/google.rpc.ErrorInfo", "reason": "SERVICE_DISABLED"}],
        [{"@type": "x/google.rpc.RetryInfo", "retryDelay": 7}],
        "details", [7], {"a": 1},
    ],
)  # fmt: skip
@pytest.mark.parametrize("status", [400, 403, 429])
def test_details_of_another_shape_are_read_past(status, details):
    body = {"error": {"code": status, "message": "No.", "details": details}}
    failure = explain(payload_of({"status": status, "body": body}), call=a_call())
    assert isinstance(failure, errors.CallError)
