"""Whatever a server's reply is packed in, it is read, or called by its name, and never scored."""

from __future__ import annotations

import gzip
import json
import re
import zlib
from collections.abc import Iterator

import pytest

import llmwidgets as lw
from llmwidgets.engine.network import compression, transport
from llmwidgets.errors import FailureCode
from tests.engine.conftest import Seen, Wire, serving

SCHEMA = {
    "title": "Bill",
    "type": "object",
    "properties": {"total": {"type": "number"}, "buyer": {"type": "string"}},
    "required": ["total", "buyer"],
    "additionalProperties": False,
}
RECORD = {"total": 12.5, "buyer": "Zürich"}
KEY = "made-up-key-0004711-aa55cc"
ZSTD, BR = b"\x28\xb5\x2f\xfd\x04\x58\xf9\x00" * 9, b"\x8b\x0f\x80\xff\xfe\x00" * 9


def chat(content: object = None, **usage: object) -> str:
    text = content if isinstance(content, str) else json.dumps(RECORD, ensure_ascii=False)
    choice = {"index": 0, "finish_reason": "stop", "message": {"content": text}}
    counts = usage or {"prompt_tokens": 600, "completion_tokens": 10}
    whole = {"id": "r", "object": "chat.completion", "model": "m", "choices": [choice]}
    return json.dumps({**whole, "usage": counts}, ensure_ascii=False)


JSON = chat().encode()


def packed(
    body: bytes, encoding: str = "", kind: str = "application/json", more: str = ""
) -> bytes:
    named = f"content-encoding: {encoding}\r\n" if encoding else ""
    head = f"HTTP/1.1 200 OK\r\ncontent-type: {kind}\r\n{named}{more}"
    return f"{head}content-length: {len(body)}\r\n\r\n".encode() + body


def headers(count: int, length: int = 1) -> str:
    return "".join(f"x-{n}: {'a' * length}\r\n" for n in range(count))


READ = {
    "latin-1": packed(chat().encode("latin-1")),
    "latin-1 declared": packed(chat().encode("latin-1"), kind="text/plain; charset=iso-8859-1"),
    "UTF-16": packed(chat().encode("utf-16")),
    "UTF-16 without a mark": packed(chat().encode("utf-16-le")),
    "a mark in front": packed(chat().encode("utf-8-sig")),
    "gzip": packed(gzip.compress(JSON), "gzip"),
    "x-gzip": packed(gzip.compress(JSON), "X-GZIP"),
    "gzip in members": packed(gzip.compress(JSON[:50]) + gzip.compress(JSON[50:]), "gzip"),
    "gzip with padding": packed(gzip.compress(JSON) + b"\x00" * 9, "gzip"),
    "gzip that nobody names": packed(gzip.compress(JSON)),
    "gzip twice": packed(gzip.compress(gzip.compress(JSON)), "gzip, gzip"),
    "gzip twice, named once": packed(gzip.compress(gzip.compress(JSON)), "gzip"),
    "gzip named, not done": packed(JSON, "gzip"),
    "gzip named twice, done once": packed(gzip.compress(JSON), "gzip, gzip"),
    "deflate": packed(zlib.compress(JSON), "deflate"),
    "deflate, bare": packed(zlib.compress(JSON)[2:-4], "deflate"),
    "deflate, then gzip": packed(gzip.compress(zlib.compress(JSON)), "deflate, gzip"),
    "deflate named, not done": packed(JSON, "deflate"),
    "br named, not done": packed(JSON, "br"),
    "zstd named, gzip done": packed(gzip.compress(JSON), "zstd"),
    "a charset as an encoding": packed(JSON, "UTF-8"),
    "identity": packed(JSON, "identity"),
    "a header of 9 kB": packed(JSON, more=headers(1, 9_000)),
    "a header of 60 kB": packed(JSON, more=headers(1, 60_000)),
    "100 headers": packed(JSON, more=headers(100)),
    "200 headers": packed(JSON, more=headers(200)),
    "usage beyond any": packed(chat(prompt_tokens=10**30, completion_tokens=-1).encode()),
    "usage of 5000 digits": packed(JSON.replace(b"600", b"6" * 5000)),
    "half a character as an id": packed(JSON.replace(b'"id": "r"', b'"id": "\\ud800"')),
    "half a character as a model": packed(JSON.replace(b'"model": "m"', b'"model": "\\ud800"')),
    "the same key twice": packed(JSON[:-1] + b', "id": "r"}'),
}
NAMED = {
    "br": (packed(BR, "br"), FailureCode.COMPRESSED, "br (Brotli)"),
    "br under gzip": (packed(gzip.compress(BR), "br, gzip"), FailureCode.COMPRESSED, "br (Brotli)"),
    "zstd": (packed(ZSTD, "zstd"), FailureCode.COMPRESSED, "zstd (Zstandard)"),
    "zstd that nobody names": (packed(ZSTD), FailureCode.COMPRESSED, "zstd (Zstandard)"),
    "one that nobody knows": (packed(BR, "x-snappy"), FailureCode.COMPRESSED, "x-snappy"),
    "gzip cut": (packed(gzip.compress(JSON)[:-20], "gzip"), FailureCode.CUT_SHORT, "middle"),
    "gzip broken": (packed(b"\x1f\x8bnot gzip", "gzip"), FailureCode.CUT_SHORT, "middle"),
    "gzip that unpacks to 40 MB": (
        packed(gzip.compress(b" " * 40_000_000), "gzip"), FailureCode.TOO_BIG, "16 MB"
    ),
    "gzip twice that unpacks to 40 MB": (
        packed(gzip.compress(gzip.compress(b" " * 40_000_000)), "gzip"),
        FailureCode.TOO_BIG,
        "16 MB",
    ),
    "a header of 90 kB": (packed(JSON, more=headers(1, 90_000)), FailureCode.LONG_HEADER, "header"),
    "2000 headers": (packed(JSON, more=headers(2_000)), FailureCode.LONG_HEADER, "headers"),
    "half of it": (packed(JSON[:60]), FailureCode.BROKE_OFF, "breaks off"),
    "damaged": (packed(JSON.replace(b",", b";", 2)), FailureCode.DAMAGED, "not valid JSON"),
    "nested": (packed(b'{"a":' + b"[" * 200_000 + b"]" * 200_000 + b"}"), FailureCode.DAMAGED,
               "nested too deeply"),
    "nothing": (packed(b""), FailureCode.EMPTY, "empty reply (200)"),
    "no content": (b"HTTP/1.1 204 No Content\r\n\r\n", FailureCode.EMPTY, "empty reply (204)"),
}  # fmt: skip


class Stage:
    """A server that obeys the probe and sends the bytes that a text asks for by name."""

    async def __call__(self, seen: Seen, wire: Wire) -> None:
        asked = re.search(r"Act: (.+)#", str(seen.json["messages"][-1]["content"]))
        if asked is None:
            rules = seen.json["response_format"]["json_schema"]["schema"]["properties"]
            wire.chat({name: rule["enum"][0] for name, rule in rules.items()})
        else:
            wire.write(READ[asked[1]] if asked[1] in READ else NAMED[asked[1]][0])
        await wire.drain()


@pytest.fixture
def connection() -> Iterator[lw.Connection]:
    with serving(Stage()) as end:
        yield lw.Connection("custom", name="m", endpoint=end.url)


@pytest.mark.parametrize("name", READ)
def test_a_reply_is_read_whatever_it_is_packed_in(connection, name, tmp_path):
    told = lw.extract(SCHEMA, f"Act: {name}#", connection, journal=tmp_path / "j.db")
    assert (told.status, told.record, told.tries) == ("ok", RECORD, 1)


@pytest.mark.parametrize("name", NAMED)
def test_what_cannot_be_read_is_called_by_its_name_and_not_scored(connection, name):
    _, code, words = NAMED[name]
    compared = lw.compare(
        SCHEMA, [f"Act: {name}#"], [connection], truth=[RECORD], journal=False, progress=False
    )
    (told,) = compared
    assert told.failure.code == code
    assert words in told.failure.message
    assert "web page" not in told.failure.message
    assert told.failure.hint
    assert not told.failure.scored
    assert told.tries <= 2
    assert compared.scoreboard().iloc[0]["scored"] == 0


@pytest.mark.parametrize("name", ["br", "zstd that nobody names", "2000 headers"])
def test_a_check_says_it_as_well(name):
    async def behave(_seen: Seen, wire: Wire) -> None:
        wire.write(NAMED[name][0])
        await wire.drain()

    with serving(behave) as end:
        report = lw.check(lw.Connection("custom", name="m", endpoint=end.url))
    assert not report.ok
    assert NAMED[name][2] in report.sentence
    assert report.hint


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16", "utf-16-be", "latin-1"])
def test_a_key_is_masked_in_every_encoding_and_under_every_compression(encoding):
    async def echo(seen: Seen, wire: Wire) -> None:
        body = chat().replace('"model": "m"', f'"model": "m {KEY}"').encode(encoding)
        wire.answer(gzip.compress(body), 200, "content-encoding: gzip\r\n")

    with serving(echo) as end:
        connection = lw.Connection("custom", name="m", endpoint=end.url, api_key=KEY)
        told = lw.extract(SCHEMA, "Bill", connection, journal=False)
    assert told.served_model == "m ••••"


def test_the_limit_holds_for_what_is_read_at_the_end():
    most = transport._REPLY_BYTES
    assert len(compression.unpack(gzip.compress(b" " * most), "gzip", most)) == most
    for body in (
        gzip.compress(b" " * (most + 1)),
        gzip.compress(b" " * most) + gzip.compress(b"x"),
    ):
        with pytest.raises(compression.Ended) as caught:
            compression.unpack(body, "gzip", most)
        assert caught.value.code is FailureCode.TOO_BIG


@pytest.mark.parametrize("digits", ["7" * 400, "1e400", "7" * 5000], ids=["400", "1e400", "5000"])
@pytest.mark.parametrize("typed", [True, False])
def test_a_number_beyond_any_is_kept_or_named_and_never_infinite(far_end, model, digits, typed):
    import pydantic

    class Bill(pydantic.BaseModel):
        total: float
        buyer: str

    model.replies["Huge"] = f'{{"total": {digits}, "buyer": "Bolt"}}'
    connection = lw.Connection("custom", name="m", endpoint=far_end(model).url)
    told = lw.extract(Bill if typed else SCHEMA, "Huge", connection, journal=False)
    if told.ok:
        assert str(told.data["total"]) == digits
        assert not typed
    else:
        assert told.status == "InvalidJSON"
        assert "number" in told.failure.message
    assert "inf" not in repr(told.record)


def test_a_tool_that_nobody_offered_is_named_in_a_note(far_end, model):
    calls = [{"function": {"name": "save\x1b", "arguments": json.dumps(RECORD)}}]
    choice = {"finish_reason": "tool_calls", "message": {"content": None, "tool_calls": calls}}

    async def hand_over(wire: Wire) -> None:
        wire.answer({"id": "r", "model": "m", "choices": [choice]})

    model.replies["Tool"] = hand_over
    connection = lw.Connection("custom", name="m", endpoint=far_end(model).url)
    told = lw.extract(SCHEMA, "Tool", connection, journal=False)
    assert told.record == RECORD
    assert any("not offered (save␛)" in note for note in told.notes)
