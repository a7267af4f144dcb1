"""Leaks: where known keys, and what is shaped like a key, stand in bytes. Pure; keeps no value."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from llmwidgets.connections.known_keys import KnownKey

LONGEST = 8192
"""No spelling and no shape that is searched for is longer, in bytes."""


@dataclass(frozen=True, slots=True, order=True)
class Leak:
    """One hit: from where to where, whose key or what kind of key, and its last four characters."""

    start: int
    end: int
    kind: str
    tail: str


# A public part that every such key has, and the whole from there on. Looking for the part first
# goes through a file ten times faster than looking for the whole at every place.
_SHAPES = tuple(
    (kind, anchor, re.compile(re.escape(anchor) + rest))
    for kind, anchor, rest in (
        ("a key of Anthropic", b"sk-ant-", rb"[a-z0-9]+-[A-Za-z0-9_-]{20,300}"),
        ("a key of OpenRouter", b"sk-or-v1-", rb"[0-9a-f]{32,128}"),
        ("a key of OpenAI", b"sk-", rb"(?:proj|svcacct|admin|None)-[A-Za-z0-9_-]{20,300}"),
        ("a key of OpenAI's form", b"sk-", rb"[A-Za-z0-9]{32,128}"),
        ("a key of Google", b"AIza", rb"[A-Za-z0-9_-]{35}"),
        ("a key of Google", b"AQ.", rb"[A-Za-z0-9_-]{30,300}"),
        ("a token of Google", b"ya29.", rb"[A-Za-z0-9_.-]{30,2048}"),
        ("a token of Hugging Face", b"hf_", rb"[A-Za-z0-9]{30,80}"),
        ("an age identity", b"AGE-SECRET-KEY-1", rb"[A-Z0-9]{58}"),
        (
            "a private key",
            b"-----BEGIN ",
            rb"(?:[A-Z]+ )*PRIVATE KEY-----(?:\\+[rn]|\s|%0[AD])+[A-Za-z0-9+/]{40,200}",
        ),
    )
)
_AZURE, _WORD = b"JQQJ99", re.compile(rb"[A-Za-z0-9]+")
_WORD_BYTES = frozenset(b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_")
_WRITTEN = re.compile(
    rb"(?:\b(?:api_key|auth_token|passphrase|credentials|password)[\"']?\s*[=:]|\.unlock\()\s*"
    rb"(?:r|b|rb|f)?(?P<quote>[\"'])(?P<value>(?!env:|file:)[^\"'\n]{12,400})(?P=quote)"
)
_PLACEHOLDER = re.compile(
    rb"\.\.\.|\xe2\x80\xa6|\xe2\x80\xa2|[<>{}]|x{4}|(?i:your|example|placeholder|changeme|removed)"
)
_PREFIX = re.compile(rb"^(?:sk-(?:[a-z]+\d*-)*|AIza|AQ\.|hf_|ya29\.)")


def leaks_in(data: bytes, known: Sequence[KnownKey]) -> list[Leak]:
    """Every known key and every key-shaped word, in order; a known one goes before its shape."""
    found = [leak for each in known for leak in _known(data, each)]
    taken = [(leak.start, leak.end) for leak in found]
    for leak in _shaped(data):
        if not any(start < leak.end and leak.start < end for start, end in taken):
            found.append(leak)
            taken.append((leak.start, leak.end))
    return sorted(set(found))


def written_in(source: bytes) -> list[Leak]:
    """Keys and passphrases written as a literal of code, `api_key="…"`, whatever their shape.

    Placeholders and the names of variables are none.
    """
    return [
        Leak(*match.span("value"), "a literal in code", _tail(match["value"]))
        for match in _WRITTEN.finditer(source)
        if not _PLACEHOLDER.search(match["value"]) and _varied(match["value"])
    ]


def _known(data: bytes, known: KnownKey) -> Iterator[Leak]:
    for kind, spelled in known.spellings:
        at = data.find(spelled)
        while at >= 0:
            said = known.name if kind == "raw" else f"{known.name} ({kind})"
            yield Leak(at, at + len(spelled), said, known.tail)
            at = data.find(spelled, at + len(spelled))


def _shaped(data: bytes) -> Iterator[Leak]:
    for kind, anchor, shape in _SHAPES:
        for at in _places(data, anchor):
            match = shape.match(data, at) if _begins(data, at) else None
            if match and (kind == "a private key" or _random(match[0])):
                yield Leak(*match.span(), kind, _tail(match[0]))
    for at in _places(data, _AZURE):  # it stands in the middle of the newer keys of Azure
        before = _WORD.fullmatch(data, max(at - 52, 0), at)
        after = _WORD.match(data, at, at + 40)
        if before and after and len(before[0]) == 52 and 26 <= len(after[0]) <= 40:
            yield Leak(before.start(), after.end(), "a key of Azure", _tail(after[0]))


def _places(data: bytes, anchor: bytes) -> Iterator[int]:
    at = data.find(anchor)
    while at >= 0:
        yield at
        at = data.find(anchor, at + 1)


def _begins(data: bytes, at: int) -> bool:
    return at == 0 or data[at - 1] not in _WORD_BYTES


def _random(word: bytes) -> bool:
    """Whether it is no placeholder: keys have digits and many different characters."""
    rest = _PREFIX.sub(b"", word)
    digits = any(character in b"0123456789" for character in rest)
    return digits and len(set(rest)) >= 8 and not _PLACEHOLDER.search(word)


def _varied(word: bytes) -> bool:
    return len(set(word)) >= 6 and not re.fullmatch(rb"[A-Z][A-Z_]*", word)


def _tail(word: bytes) -> str:
    return word[-4:].decode("utf-8", "replace")
