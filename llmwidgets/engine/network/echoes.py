"""A key that a server sends back is masked at the door, before anything reads the reply.

So no key of a run comes back in a model's name, an id, a header, an error's words or the answer
itself, and what is judged, kept and shown is the masked text. Looked for are the keys that were
sent and those of every connection of a run: as they are, in Base64, escaped as JSON or HTML,
URL-encoded, and at least half of one.
"""

from __future__ import annotations

import re
import threading
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from weakref import WeakKeyDictionary

from llmwidgets.errors import FieldError
from llmwidgets.known_keys import known_key, secret_parts, secret_values
from llmwidgets.secret import Secret

_MASK = "••••".encode()
_LONG = 16
"""A key without a digit is looked for from this length on: shorter ones are words."""

_HALF = 12
_OF_MANY = 40
"""The other lines of a private key are looked for from this length on."""


@dataclass(frozen=True, slots=True, eq=False)
class _Key:
    """What is looked for, in views, whose repr shows an address alone."""

    raw: memoryview
    coded: tuple[memoryview, ...]
    halves: tuple[memoryview, ...]
    """One of these is in every text that contains at least half of the key unescaped."""

    @classmethod
    def of(cls, raw: memoryview, coded: tuple[memoryview, ...] = ()) -> _Key:
        begun = tuple(word[: _half(word)] for word in (raw, *coded))
        return cls(raw, coded, (*begun, raw[-_half(raw) :]))


_watched: WeakKeyDictionary[Secret, list[_Key]] = WeakKeyDictionary()
_turn = threading.Lock()


def watch(secrets: Iterable[Secret]) -> None:
    """Mask these in every reply from now on, as long as they live."""
    for secret in secrets:
        known = _watched.get(secret)
        # A reference can resolve to another value by now.
        if known is None or (secret.reference and not _is_same(known, secret)):
            keys = list(_spellings(secret))
            with _turn:
                _watched[secret] = keys


def masked(data: bytes) -> bytes:
    """The bytes of a reply, with every watched key masked."""
    with _turn:
        keys = [each for known in _watched.values() for each in known]
    plain = all(data.find(half) < 0 for key in keys for half in key.halves)
    if plain and not _ESCAPED.search(data):
        return data
    kept: list[bytes] = []
    at = 0
    for start, end in sorted(_spans(data, keys)):
        if start > at or not kept:
            kept += [data[at:start], _MASK]
        at = max(at, end)
    return b"".join([*kept, data[at:]]) if kept else data


def masked_headers(headers: Mapping[str, str]) -> dict[str, str]:
    """A reply's headers, their values masked."""
    plain = dict(headers.items())
    # One search for all of them: nearly always there is nothing to mask.
    whole = "\n".join(plain.values()).encode("utf-8", "surrogateescape")
    if masked(whole) is whole:
        return plain
    return {
        name: masked(value.encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")
        for name, value in plain.items()
    }


def _is_same(known: list[_Key], secret: Secret) -> bool:
    try:
        parts = [part for part in secret_parts(secret) if _is_recognizable(bytes(part))]
    except FieldError:
        return not known
    return [each.raw for each in known[: len(parts)]] == parts


def _is_recognizable(letters: bytes) -> bool:
    """Whether it is a key, and not a word or number of any answer (`ollama`, a year)."""
    digits = any(each in b"0123456789" for each in letters)
    return not letters.isdigit() and (digits or len(letters) >= _LONG)


def _spellings(secret: Secret) -> Iterator[_Key]:
    for known in known_key("", secret):
        raw = known.spellings[0][1]
        if _is_recognizable(bytes(raw)):
            coded = tuple(each for kind, each in known.spellings if kind == "base64")
            yield _Key.of(raw, coded)
    with suppress(FieldError):
        for value in secret_values(secret):
            lines = bytes(value).splitlines()
            yield from (_Key.of(memoryview(line)) for line in lines[1:] if len(line) >= _OF_MANY)


def _spans(data: bytes, keys: list[_Key]) -> Iterator[tuple[int, int]]:
    for key in keys:
        yield from _beginnings(data, key.raw)
        yield from _endings(data, key.raw)
        for each in key.coded:
            yield from _beginnings(data, each)
    if keys and _ESCAPED.search(data):
        unfolded = _Unfolded(data)
        for key in keys:
            for start, end in (
                *_beginnings(unfolded.plain, key.raw),
                *_endings(unfolded.plain, key.raw),
            ):
                yield unfolded.span(start, end)


def _half(word: memoryview) -> int:
    return min(len(word), max(_HALF, (len(word) + 1) // 2))


def _beginnings(data: bytes, word: memoryview) -> Iterator[tuple[int, int]]:
    """Where the first half of a word is, with all that follows of it."""
    size = _half(word)
    for at in _find_all(data, bytes(word[:size])):
        more = size
        while more < len(word) and data[at + more : at + more + 1] == word[more : more + 1]:
            more += 1
        yield at, at + more


def _endings(data: bytes, word: memoryview) -> Iterator[tuple[int, int]]:
    """Where the last half of a word is, with all of it that is in front."""
    size = _half(word)
    for at in _find_all(data, bytes(word[-size:])):
        begin, more = at, len(word) - size
        while more and begin and data[begin - 1 : begin] == word[more - 1 : more]:
            begin, more = begin - 1, more - 1
        yield begin, at + size


def _find_all(data: bytes, word: bytes) -> Iterator[int]:
    at = data.find(word)
    while at >= 0:
        yield at
        at = data.find(word, at + 1)


_ESCAPED = re.compile(
    rb"\\{1,7}(?:u00(?P<json>[2-7][0-9a-fA-F])|(?P<slash>/))|%(?P<url>[2-7][0-9a-fA-F])"
    rb"|&#(?:x(?P<hex>[2-7][0-9a-fA-F])|(?P<html>\d{2,3}));"
)


class _Unfolded:
    """Bytes with every escaped letter in its place, and where each of them stood before."""

    def __init__(self, data: bytes) -> None:
        kept: list[bytes] = []
        self._at: list[int] = []  # in `plain`, the place of each letter that was escaped
        self._spans: list[tuple[int, int]] = []
        end = length = 0
        for match in _ESCAPED.finditer(data):
            kept += [data[end : match.start()], _letter(match)]
            length += match.start() - end
            end = match.end()
            self._at.append(length)
            self._spans.append(match.span())
            length += 1
        self.plain = b"".join([*kept, data[end:]])

    def span(self, start: int, end: int) -> tuple[int, int]:
        """Where a piece of `plain` stood."""
        return self._letter(start)[0], self._letter(end - 1)[1]

    def _letter(self, offset: int) -> tuple[int, int]:
        last = bisect_right(self._at, offset) - 1
        if last < 0:
            return offset, offset + 1
        behind = offset - self._at[last]
        start, end = self._spans[last]
        return (end + behind - 1, end + behind) if behind else (start, end)


def _letter(match: re.Match[bytes]) -> bytes:
    if match["slash"]:
        return b"/"
    if match["html"]:
        return bytes([min(int(match["html"]), 127)])
    return bytes([int(match["json"] or match["url"] or match["hex"], 16)])
