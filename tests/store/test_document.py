"""Payload lines: any layout of the same JSON opens, and only what is asked for is parsed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmwidgets.connections import Connection
from llmwidgets.errors import DamagedStore
from llmwidgets.secret import Secret, redact
from llmwidgets.store.document import (
    ConnectionLines,
    connection_from_json,
    connection_to_json,
    read_json,
    spell_line,
    write_json,
)

CANARY = "made-up-canary-9e41c07d55"
AUTH = {"auth": {"by": "age1madeup", "tags": {"age1madeup": "00"}}}

texts = st.text(alphabet=st.sampled_from('ab{}[]",:\\\n é\ud800'), max_size=12)
values = st.recursive(
    st.none() | st.booleans() | st.integers() | texts,
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(texts, inner, max_size=2),
    max_leaves=4,
)
connections = st.lists(
    st.fixed_dictionaries(
        {"kind": texts, "label": texts, "fields": st.dictionaries(texts, values, max_size=2)}
    ),
    max_size=3,
)


def connection(label: str, key: str = CANARY, **more: Any) -> dict[str, Any]:
    return {"kind": "openai", "label": label, "fields": {"api_key": Secret(key)}, **more}


def written(listed: list[dict[str, Any]], **more: Any) -> memoryview:
    """The plain text as the store signs it: the writer's code on a line of its own."""
    body = write_json({"format": "made up", **more}, map(spell_line, listed))
    return memoryview(json.dumps(AUTH).encode()[:-1] + b",\n" + bytes(body[1:]))


def in_json(connections: Any) -> list[dict[str, Any]]:
    """What was read, as JSON: a kind and fields that are made up are kept as they are."""
    if isinstance(connections, ConnectionLines):
        return [dict(connection_to_json(each)) for each in connections]
    return [dict(connection_to_json(connection_from_json(each))) for each in connections]


def listed(plain: memoryview) -> ConnectionLines:
    document = read_json(plain)
    assert document is not None
    assert isinstance(document["connections"], ConnectionLines)
    return document["connections"]


@given(connections, st.dictionaries(texts, values, max_size=3))
def test_what_is_written_is_read(given: list[dict[str, Any]], more: dict[str, Any]) -> None:
    more.pop("connections", None)
    plain = write_json(more, map(spell_line, given))
    whole = {**more, "connections": given}
    assert json.loads(bytes(plain)) == whole
    for text in (bytes(plain), b'{"auth": 1,\n' + bytes(plain[1:])):
        document = read_json(memoryview(text))
        assert document is not None
        kept = in_json(document.pop("connections"))
        document.pop("auth", None)
        more.pop("auth", None)
        assert (document, kept) == (more, given)


@given(connections, st.sampled_from([None, 0, 1]), st.sampled_from([",", ", ", ",\n"]))
def test_any_layout_opens(given: list[dict[str, Any]], indent: int | None, comma: str) -> None:
    """Lines that part the JSON elsewhere are not taken for connections."""
    whole = {"auth": 1, "connections": given, "allowed": [{"kind": 1}, {"kind": 2}]}
    text = json.dumps(whole, indent=indent, separators=(comma, ": "))
    document = read_json(memoryview(text.encode()))
    assert document is not None
    assert {**document, "connections": in_json(document["connections"])} == json.loads(text)


def test_only_what_is_asked_for_is_parsed() -> None:
    plain = written([connection(f"c{number}", f"{CANARY}-{number}") for number in range(5)])
    assert len(bytes(plain).splitlines()) == 8
    there = listed(plain)
    assert len(there) == 5
    kept = there.find("c3")
    assert isinstance(kept, Connection)
    assert kept.secret_fields["api_key"].reveal() == f"{CANARY}-3"
    assert list(there._made) == [3]
    assert there[3] is kept
    assert list(there)[3] is kept
    assert [each.label for each in there[1:3]] == ["c1", "c2"]
    assert there.find("c9") is None


def test_a_label_is_found_however_it_is_spelled() -> None:
    labels = ['a "b"', "é", "a\\", "openai", "kind"]
    plain = written([connection(label) for label in labels])
    for label in labels:
        assert listed(plain).find(label).label == label  # type: ignore[union-attr]
    spelled = bytes(plain).replace(b'"openai", "fields"', b'"\\u006fpenai", "fields"')
    assert spelled != bytes(plain)
    assert listed(memoryview(spelled)).find("openai") is not None


def test_a_key_that_was_not_asked_for_is_masked() -> None:
    there = listed(written([connection("openai")]))
    assert redact(f"The key {CANARY} was refused.") == "The key •••• was refused."
    assert there


def test_no_plain_text_shows() -> None:
    there = listed(written([connection("openai")]))
    assert CANARY not in repr(vars(there))
    assert CANARY not in repr(there)
    assert list(there)
    assert CANARY not in repr(vars(there))


def test_a_line_that_is_no_json_is_told_where_it_is_asked_for() -> None:
    plain = written([connection("good"), connection("bad")])
    broken = bytes(plain).replace(b'"bad", "fields"', b'"bad", fields')
    there = listed(memoryview(broken))
    assert there[0].label == "good"
    with pytest.raises(DamagedStore, match="not spelled as JSON"):
        there[1]
    with pytest.raises(DamagedStore, match="not spelled as JSON") as caught:
        list(there)
    assert caught.value.__context__ is None
    assert redact("It goes on without it.") == "It goes on without it."


def test_a_line_without_a_label_in_words_is_told() -> None:
    """Whoever may write can still write nonsense: it is damage, and no error of Python's."""
    plain = bytes(written([connection("good"), connection("bad")]))
    there = listed(memoryview(plain.replace(b'"label": "bad"', b'"label": [1, 2]')))
    with pytest.raises(DamagedStore, match="no label or kind"):
        there[1]


def test_two_connections_in_one_line_are_not_taken_for_one() -> None:
    twins = bytes(written([connection("a"), connection("b")])).replace(b"},\n{", b"}, {")
    with pytest.raises(DamagedStore):
        listed(memoryview(twins))[0]


def test_a_connection_of_another_version_is_read_from_one_line() -> None:
    """One that does not start as ours do is not parted from the others by mistake."""
    strange = {"fields": [{"a": 1}, {"kind": "b"}], "label": "strange", "kind": "b"}
    plain = written([connection("a"), strange])
    document = read_json(plain)
    assert document is not None
    assert [each.label for each in document["connections"]] == ["a", "strange"]
