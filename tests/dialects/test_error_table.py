"""The table of errors: one wording for each refusal, codes as data, any server's words taken."""

from __future__ import annotations

import ast
import json
import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import llmwidgets
from llmwidgets.dialects import anthropic, gemini, openai
from llmwidgets.dialects.error_meanings import parameter_refused
from llmwidgets.dialects.types import Call, HTTPResponse
from llmwidgets.errors import CallError, Failure, FailureCode

DIALECTS = [openai, anthropic, gemini]
PACKAGE = Path(llmwidgets.__file__).parent
STATUSES = [200, 302, 400, 401, 402, 403, 404, 405, 408, 410, 413, 418, 422, 429, 500, 504, 529]
URLS = [
    "https://h.example/v1/chat/completions",
    "https://r.example/openai/v1/chat/completions",
    "https://r.example/anthropic/v1/messages",
    "https://g.example/v1/projects/p/locations/{x}/publishers/google/models/m:generateContent",
]
WORDS = st.sampled_from([
    "{", "{who}", "{0}", "}{", "%s", "not supported", "model m not found", "temperature", "schema",
    "quota", "billing", "try pulling", "region", "deployment m does not exist",
])  # fmt: skip
ACTIVATION = "https://console.cloud.google.com/{who}"


def a_payload(status: int, error: dict) -> HTTPResponse:
    return HTTPResponse(status, {}, json.dumps({"error": error}).encode(), 0.1)


@given(
    st.sampled_from(DIALECTS), st.sampled_from(STATUSES), st.lists(WORDS, max_size=5),
    st.sampled_from(["", "{model}", "l"]), st.sampled_from([None, *URLS]),
    st.sampled_from(["SERVICE_DISABLED", "BILLING_DISABLED", "{x}", ""]),
)  # fmt: skip
def test_whatever_the_words_are_one_row_covers_them(dialect, status, words, name, url, reason):
    """Braces in a server's words, a label or an address are words, and not a template."""
    details = [{"@type": "x/google.rpc.ErrorInfo", "reason": reason,
                "metadata": {"activationUrl": ACTIVATION}}]  # fmt: skip
    call = Call("POST", url, label=name, model=name) if url else None
    error = {"message": " ".join(words), "details": details}
    failure = dialect.explain(a_payload(status, error), call=call, label=name, model=name)
    assert isinstance(failure, Failure)
    assert failure.hint
    assert "{who}" not in failure.message.partition(" It says: ")[0]


def test_a_link_of_googles_is_shown_as_it_is():
    error = {"message": "No.", "details": [{
        "@type": "x/google.rpc.ErrorInfo", "reason": "SERVICE_DISABLED",
        "metadata": {"activationUrl": ACTIVATION},
    }]}  # fmt: skip
    failure = gemini.explain(a_payload(403, error))
    assert failure.hint == f"Turn it on: {ACTIVATION}"
    assert failure.code == FailureCode.SWITCHED_OFF


@pytest.mark.parametrize(("dialect", "name"), [
    (openai, "temperature"), (openai, "reasoning_effort"), (anthropic, "thinking"),
    (anthropic, "tool_choice"), (gemini, "temperature"),
])  # fmt: skip
def test_the_parameter_is_known_without_reading_the_code(dialect, name):
    failure = dialect.explain(a_payload(400, {"message": f"{name} is not supported"}))
    assert isinstance(failure, CallError)
    assert parameter_refused(failure) == failure.parameter == name


def sentences_in(folder: str) -> Counter[str]:
    sentences: Counter[str] = Counter()
    for path in sorted((PACKAGE / folder).glob("*.py")):
        tree = ast.parse(path.read_text("utf-8"))
        docs = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
        sentences.update(
            node.value
            for node in ast.walk(tree)
            if isinstance(node, ast.Constant) and isinstance(node.value, str)
            and id(node) not in docs and re.fullmatch(r"\{?[A-Z].{20,}\.", node.value)
        )  # fmt: skip
    return sentences


def test_no_refusal_is_worded_twice():
    """Neither among the formats, nor again as the advice of a provider."""
    sentences = sentences_in("dialects")
    assert len(sentences) > 40
    assert [text for text, count in sentences.items() if count > 1] == []
    assert sentences.keys() & sentences_in("providers").keys() == set()


def test_codes_are_compared_and_never_read_as_words():
    reading = re.compile(
        r"\.code\.(?:startswith|endswith|partition|split)|(?:fullmatch|search|match)\([^)]*\.code\b"
    )
    found = [
        f"{path.name}: {match.group()}"
        for folder in ("dialects", "engine", "comparison", "report")
        for path in sorted((PACKAGE / folder).rglob("*.py"))
        for match in reading.finditer(path.read_text("utf-8"))
    ]
    assert found == []
    assert len(set(FailureCode)) == len(FailureCode.__members__)
