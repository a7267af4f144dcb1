"""A reference means exactly one connection and one model, or says what was meant."""

from __future__ import annotations

from difflib import SequenceMatcher

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmwidgets.connections import Connection, environment_connections, resolve
from llmwidgets.connections.connection import nearest_reference
from llmwidgets.errors import FieldError, UnknownConnection
from llmwidgets.providers import PROVIDERS


def custom(label: str, name: str = "m") -> Connection:
    return Connection("custom", label=label, name=name, endpoint="http://localhost:1/v1")


OPENAI = Connection("openai", api_key="sk-proj-a")
LAPTOP = custom("laptop", "llama3.2")
WHOLE = [f"{kind}/{each.id}" for kind, of in PROVIDERS.items() for each in of.models if of.single]
KNOWN = [OPENAI, LAPTOP, custom("deepseek-ai/DeepSeek-R1"), custom("openai/eu", "x")]


def test_a_label_alone_is_its_connection_and_model():
    assert resolve("laptop", KNOWN) == (LAPTOP, "llama3.2")
    assert resolve("deepseek-ai/DeepSeek-R1", KNOWN)[1] == "m"


def test_what_follows_the_label_is_the_model_with_slashes_and_colons():
    assert resolve("openai/gpt-6-luna", KNOWN) == (OPENAI, "gpt-6-luna")
    assert resolve("laptop/qwen/qwen3:8b", KNOWN) == (LAPTOP, "qwen/qwen3:8b")


def test_an_exact_label_goes_before_a_shorter_one_and_the_longest_head_wins():
    assert resolve("openai/eu", KNOWN) == (KNOWN[3], "x")
    assert resolve("openai/eu/gpt-6-luna", KNOWN) == (KNOWN[3], "gpt-6-luna")
    assert resolve("openai/eur", KNOWN) == (OPENAI, "eur")


@pytest.mark.parametrize("reference", ["openai", "openai/", "openai/ "])
def test_a_connection_of_many_models_says_how_to_name_one(reference):
    with pytest.raises(FieldError) as caught:
        resolve(reference, KNOWN)
    assert '"openai/gpt-6-luna"' in caught.value.hint


@pytest.mark.parametrize(
    ("reference", "nearest"),
    [
        ("laptpo", "laptop"),
        ("gpt-6-luna", "openai/gpt-6-luna"),
        ("opneai/gpt-6-sol", "openai/gpt-6-sol"),
        ("OpenAI/gpt-6-sol", "openai/gpt-6-sol"),
    ],
)
def test_an_unknown_reference_names_the_nearest(reference, nearest):
    with pytest.raises(UnknownConnection) as caught:
        resolve(reference, KNOWN)
    assert f"The nearest is {nearest}." in caught.value.message
    assert "laptop" in caught.value.hint


@pytest.mark.parametrize(
    ("reference", "told"),
    [
        ("Groq/qwen3", "The nearest is groq/qwen3."),
        ("GROQ/maker/qwen3:8b", "The nearest is groq/maker/qwen3:8b."),
        ("grooq/qwen3", "The nearest is groq/qwen3."),
        ("Groq", "The nearest is groq/llama-3.3-70b-versatile."),
        ("open-router/qwen/qwen3", "The nearest is openrouter/qwen/qwen3."),
        ("qwen3", 'groq serves any model: "groq/qwen3".'),
        ("custom/qwen3", 'groq serves any model: "groq/qwen3".'),
        ("maker/qwen3", 'groq serves any model: "groq/maker/qwen3".'),
    ],
)
def test_a_variable_that_serves_any_model_is_told_how_to_be_named(monkeypatch, reference, told):
    """It said of a variable that was set that it should be set."""
    for name in ("GROQ_API_KEY", "OPENROUTER_API_KEY"):
        monkeypatch.setenv(name, "made-up-0001")
    known = [each for each in environment_connections() if each.any_model]
    with pytest.raises(UnknownConnection) as caught:
        resolve(reference, known)
    assert told in f"{caught.value.message} {caught.value.hint}"
    assert "Set GROQ_API_KEY" not in caught.value.hint


def test_with_nothing_connected_the_demo_is_offered():
    with pytest.raises(UnknownConnection, match="demo"):
        resolve("openai/gpt-6-luna", [])


LABELS = st.text(alphabet="ab/:", min_size=1, max_size=6)


@given(st.lists(LABELS, unique=True, max_size=5), LABELS)
def test_the_rule_of_references_holds_for_every_label(labels, reference):
    """Exact label; else the longest label followed by a slash, and all the rest; else unknown."""
    known = [custom(label) for label in labels]
    heads = [label for label in labels if reference.startswith(f"{label}/")]
    try:
        connection, model = resolve(reference, known)
    except UnknownConnection:
        assert reference not in labels
        assert not heads
    except FieldError:
        assert f"{max(heads, key=len)}/" == reference
    else:
        if reference in labels:
            assert (connection.label, model) == (reference, "m")
        else:
            assert connection.label == max(heads, key=len)
            assert f"{connection.label}/{model}" == reference


WORK = OPENAI.with_label("work")
VERTEX = Connection("vertex_ai", credentials="env:CREDENTIALS", project="made-up-project")


@pytest.mark.parametrize(
    ("reference", "known", "nearest", "missing"),
    [
        ("openai/gpt-6-lunna", [], "openai/gpt-6-luna", "OpenAI"),
        ("openai/gpt-6-lunna", [LAPTOP], "openai/gpt-6-luna", "OpenAI"),
        ("opnai/gpt-6-luna", [LAPTOP], "openai/gpt-6-luna", "OpenAI"),
        ("gpt-6-lunna", [LAPTOP], "openai/gpt-6-luna", "OpenAI"),
        ("Anthropic/Claude-Sonet-5-5", [OPENAI], "anthropic/claude-sonnet-5-5", "Anthropic"),
        ("openai/gpt-6-luna", [LAPTOP], "", "OpenAI"),
        ("azure_openai/claims", [OPENAI], "", "Azure OpenAI"),
        ("OpenAI", [], "openai/gpt-6-luna", "OpenAI"),
        ("dmo", [], "demo", ""),
        ("openai/gpt-6-luna", [WORK], "work/gpt-6-luna", ""),
        ("openai/gpt-6-lunna", [WORK], "work/gpt-6-luna", ""),
        ("openai", [WORK], "work", ""),
        ("custom/llama3.2", [LAPTOP], "laptop", ""),
        ("nothing like it at all", [LAPTOP], "", ""),
        # A bit like a vendor, and surely not meant for it.
        ("nope", [LAPTOP], "", ""),
        ("nope", [], "", ""),
        ("laptop", [], "", ""),
        ("claims", [WORK], "", ""),
        ("openai/nope", [LAPTOP], "", "OpenAI"),
        ("gemini-3.8-flash", [VERTEX], "vertex_ai/gemini-3.8-flash", ""),
        ("haiku", [LAPTOP], "anthropic/claude-haiku-5-5", "Anthropic"),
        ("Claude", [], "anthropic/claude-haiku-5-5", "Anthropic"),
        ("claude-sonet-5-5", [LAPTOP], "anthropic/claude-sonnet-5-5", "Anthropic"),
    ],
)
def test_what_is_not_connected_is_said_with_the_nearest_and_the_way(
    reference, known, nearest, missing
):
    with pytest.raises(UnknownConnection) as caught:
        resolve(reference, known)
    said = caught.value.message
    assert (f"The nearest is {nearest}." in said) == bool(nearest)
    assert ("The nearest is" in said) == bool(nearest)
    assert (f"{missing} is not connected." in said) == bool(missing)
    assert ("is not connected" in said) == bool(missing)
    if missing:
        assert f"Connect {missing} in ConnectionPanel(), or set " in caught.value.hint


@given(st.sampled_from(WHOLE), st.data())
def test_a_wrong_letter_in_any_model_of_any_whitelist_is_told(reference, data):
    """What is named is at least as like what was typed as the model that was meant."""
    at = data.draw(st.integers(0, len(reference) - 1))
    typed = reference[:at] + "~" + reference[at + 1 :]
    nearest = nearest_reference(typed, [LAPTOP])
    likeness = [SequenceMatcher(None, typed, each).ratio() for each in (nearest, reference)]
    assert likeness[0] >= likeness[1]
