"""A response's body as JSON: in any encoding of its letters, whole or streamed in pieces.

A streamed reply becomes the one that the server would have sent whole, so that all that comes
after reads one kind of reply.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import Any

from llmwidgets.dialects.types import HTTPResponse

DONE = "[DONE]"
"""What stands among the events of a stream if the server said that it was all."""

Join = Callable[[list[dict[str, Any]], bool], dict[str, Any]]
"""Makes one reply of the events of a stream; the flag says that the server called it ended."""


# -- Letters: UTF-8, whatever came.

_CHARSET = re.compile(r"charset\s*=\s*[\"']?([\w.:-]{1,40})", re.I)
_CHARSETS = ("iso8859", "cp", "gb", "big5", "shift_jis", "euc_", "koi8", "mac_")
"""How the codecs of text begin; others unpack, or take long."""


def to_utf8(body: bytes, content_type: str = "") -> bytes:
    """The body in UTF-8, without a mark in front.

    What is UTF-8 is read as that, whatever the header declares: servers declare more than they
    know. Where some letters are and others are not, those were broken on the way, and become
    U+FFFD.
    """
    with suppress(UnicodeDecodeError):
        # Nearly all bodies: an object in an encoding whose letters have no zeros.
        plain = body.startswith(b"{") and b"\0" not in body[:4]
        encoding = "utf-8" if plain else json.detect_encoding(body)
        if encoding != "utf-8":
            return body.decode(encoding).encode("utf-8", "replace")
        body.decode()
        return body
    declared = _declared(content_type)
    if declared:
        with suppress(UnicodeDecodeError):
            return body.decode(declared).encode()
    text = body.decode("utf-8", "surrogateescape")
    if any(letter > "\x7f" and not "\udc80" <= letter <= "\udcff" for letter in text):
        return body.decode("utf-8", "replace").encode()
    with suppress(UnicodeDecodeError):
        return body.decode("cp1252").encode()
    return body.decode("latin-1").encode()


def _declared(content_type: str) -> str:
    """The codec that a header declares; empty if that is not one of text, or is Latin-1.

    What is declared as Latin-1 has the letters of Windows as well.
    """
    match = _CHARSET.search(content_type)
    with suppress(LookupError):
        name = codecs.lookup(match[1]).name if match else ""
        return name if name.startswith(_CHARSETS) and name != "iso8859-1" else ""
    return ""


# -- JSON, and streams of it.

_LINE_END = re.compile(r"\r\n|\n|\r")
_FIELD = re.compile(r"\s*(?:data|event|id|retry)?:")
_SPACE = re.compile(r"\s*+")
_DECODER = json.JSONDecoder()
_MOST_BROKEN = 100
"""Lines of an event that are tried in vain; a server that goes on so sends no stream."""


def read_body(payload: HTTPResponse) -> Any:
    """The JSON of a body, the list of its events if it is a stream, or None if it is neither."""
    with suppress(ValueError, RecursionError):
        return load_json(payload.body)
    text = to_utf8(payload.body, payload.headers.get("content-type", "")).decode("utf-8", "replace")
    with suppress(ValueError, RecursionError):
        return load_json(text)
    return list(_events(text)) or None


def load_json(text: str | bytes) -> Any:
    """The JSON value; a number with more digits than Python counts is an infinite one."""
    try:
        return json.loads(text)
    except (json.JSONDecodeError, UnicodeDecodeError):
        raise
    except ValueError:
        return json.loads(text, parse_int=float)


def _events(text: str) -> Iterator[Any]:
    """The events of a stream: of server-sent events, of JSON values in a row, or of both.

    JSON comes first where a server sends a whole reply and ends it as a stream.
    """
    at = 0
    with suppress(ValueError, RecursionError):
        while (start := skip_blanks(text, at)) < len(text) and text[start] in "{[":
            value, at = _DECODER.raw_decode(text, start)
            yield value
    if _FIELD.match(text, at):
        for name, data in _sent_events(text[at:]):
            yield from _values(name, data)


def skip_blanks(text: str, at: int) -> int:
    """Where the blanks from here on end."""
    match = _SPACE.match(text, at)
    return match.end() if match else at


def _sent_events(text: str) -> Iterator[tuple[str, list[str]]]:
    """The name and the lines of data of each event; the last one needs no blank line after it."""
    name, data = "", list[str]()
    for line in (*_LINE_END.split(text), ""):
        known, _, value = line.partition(":")
        if not line:
            if data:
                yield name, data
            name, data = "", []
        elif known == "data":
            data.append(value.removeprefix(" "))
        elif known == "event":
            name = value.strip()


def _values(name: str, data: list[str]) -> Iterator[Any]:
    """The values of one event; where its lines are no value together, each that is one itself.

    What is not JSON is a remark, except that an event called so is an error.
    """
    whole = "\n".join(data)
    try:
        values = [load_json(whole)]
    except (ValueError, RecursionError):
        values = list(_of_lines(data))
    if name == "error":
        said = values[0] if values and isinstance(values[0], dict) else {"message": whole.strip()}
        yield said if said.get("error") else {"error": said}
    else:
        yield from values


def _of_lines(lines: list[str]) -> Iterator[Any]:
    broken = 0
    for line in lines:
        if line.strip() == DONE:
            yield DONE
        elif line.lstrip().startswith("{") and broken < _MOST_BROKEN:
            try:
                yield load_json(line)
            except (ValueError, RecursionError):
                broken += 1


def join_stream(payload: HTTPResponse, join: Join) -> tuple[HTTPResponse, Any]:
    """The payload with its JSON; a streamed one as the whole reply that it would have been."""
    body = read_body(payload)
    events = [each for each in body if isinstance(each, dict)] if isinstance(body, list) else []
    if not events:
        return payload, body
    # Spelled and read again, the halves of a character that came in two pieces are one.
    spelled = json.dumps(join(events, DONE in body)).encode()
    return replace(payload, body=spelled), load_json(spelled)


_NAMES = frozenset({"role", "type", "id", "name"})
"""Texts that come whole, however often they come."""


@dataclass(slots=True)
class Pieces:
    """An object that comes in pieces: its texts are put together, of the rest the last counts."""

    texts: dict[str, list[str]] = field(default_factory=dict)
    others: dict[str, Any] = field(default_factory=dict)

    def add(self, piece: dict[str, Any]) -> None:
        """Take one more piece; nulls say nothing."""
        for name, value in piece.items():
            if isinstance(value, str) and name not in _NAMES:
                self.texts.setdefault(name, []).append(value)
            elif value is not None and value != "":
                self.others[name] = value

    def whole(self) -> dict[str, Any]:
        # Joined once: a text that grew piece by piece would be copied each time.
        return {**self.others, **{name: "".join(each) for name, each in self.texts.items()}}
