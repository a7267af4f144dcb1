"""A model's answer is read strictly: JSON is JSON, and nothing is repaired."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmwidgets.errors import InvalidJSON
from llmwidgets.schemas import parse_json

CANARY = "canary-7341"


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(),
        lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    )
)  # fmt: skip
def test_any_json_is_read_bare_or_in_one_fence(value):
    text = json.dumps(value)
    assert parse_json(text) == value
    assert parse_json(f"```json\n{text}\n```") == value
    assert parse_json(f"\n```\n{text}\n```\n") == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "is empty"),
        ("  \n", "is empty"),
        (f'Here you are: {{"a": "{CANARY}"}}', "is not JSON"),
        (f'{{"a": 1}} {CANARY}', "goes on after"),
        (f'{{"a": "{CANARY}', "is not JSON"),
        ('{"a": 1', "ends before"),
        (f"{{'a': '{CANARY}'}}", "is not JSON"),
        (f'{{"{CANARY}": 1, "{CANARY}": 2}}', "same key twice"),
        ('{"a": NaN}', "NaN"),
        ('{"a": 1e999}', "too large"),
        ('{"a": ' + "9" * 5000 + "}", "too many digits"),
        ("[" * 500 + "]" * 500, "nested"),
        ("[" * 100_000, "nested"),
        ('{"a": "\\ud800"}', "not Unicode"),
        ('```json\n{"a": 1}\n```\nand more', "is not JSON"),
        ('{"a": 1,}', "is not JSON"),
        ("undefined", "is not JSON"),
    ],
)
def test_what_is_no_strict_json_is_refused_without_its_words(text, said):
    with pytest.raises(InvalidJSON) as caught:
        parse_json(text)
    assert said in caught.value.message
    assert CANARY not in f"{caught.value}{caught.value.__cause__!r}"


@pytest.mark.parametrize("tail", [" ", "\t", "\n", "` ", "``"])
def test_a_fence_that_is_never_closed_is_refused_at_once(tail):
    started = time.process_time()
    with pytest.raises(InvalidJSON):
        parse_json("```json\n{}\n" + tail * 300_000)
    assert time.process_time() - started < 2
