"""A server that read only a part of a text is told by its own count of tokens."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmwidgets.connections import Connection
from llmwidgets.engine.request_builder import (
    Document,
    RequestBuilder,
    ResolvedVariant,
    cut_input,
)
from llmwidgets.schemas import read_schema

SCHEMA = read_schema([{"name": "total", "type": "number", "required": True}])
OLLAMA = Connection("custom", name="m", endpoint="http://localhost:11434/v1")
OTHER = Connection("custom", name="m", endpoint="http://localhost:8000/v1")
OPENAI = Connection("openai", api_key="made-up-key")
PROSE = "The insured party reported the damage on Monday and asked for an appraisal. "


def found(words: str, read: int | None, connection: Connection = OLLAMA):
    manner = RequestBuilder(ResolvedVariant("c", connection, "m"), SCHEMA)
    return cut_input(manner, Document("t", words, SCHEMA, None), read)


def test_it_names_what_was_read_of_how_much_and_what_to_set():
    failure = found(PROSE * 300, 4096)
    assert failure.message == "Ollama read 4,096 of about 6,000 tokens."
    assert "OLLAMA_CONTEXT_LENGTH" in failure.hint
    assert not failure.scored
    assert found(PROSE * 300, 4096, OTHER).message.startswith("The server read 4,096")


@pytest.mark.parametrize(
    ("words", "read"),
    [
        (PROSE * 300, 2048),
        (PROSE * 300, 3000),
        (PROSE * 260, 4096),
        ("Rechnungsempfänger: Hausverwaltungsgesellschaft mbH. " * 400, 2048),
        ("12.50 EUR 7 x 4711-A | " * 1000, 4096),
        ("保険金請求書を受け取りました。" * 600, 2048),
    ],
)
def test_a_count_far_below_our_own_is_a_cut(words, read):
    assert found(words, read) is not None


@pytest.mark.parametrize(
    ("words", "read"),
    [
        (PROSE * 300, 5200),
        (PROSE * 300, 4100),
        (PROSE * 10, 3),
        (PROSE * 300, None),
        ("保険金請求書を受け取りました。" * 600, 5400),
        ("Total" + " " * 400 + "12.50\n" + "-" * 120 + "\n", 60),
        (("Total" + " " * 400 + "12.50\n" + "-" * 120 + "\n") * 100, 2600),
    ],
)
def test_a_tokenizer_of_another_measure_is_no_cut(words, read):
    """Blanks and rulers are few tokens; a short text proves nothing."""
    assert found(words, read) is None


def test_vendors_refuse_what_is_too_long_and_are_not_doubted():
    assert found(PROSE * 300, 2048, OPENAI) is None


@settings(deadline=None)
@given(st.integers(300, 2000), st.floats(0.75, 1.5))
def test_whatever_is_read_within_the_range_of_tokenizers_is_no_cut(times, measure):
    words = PROSE * times
    # A count that is a context's very size is no accident.
    read = int(len(words) / 4 * measure) // 1000 * 1000 + 7
    assert found(words, read) is None
