"""Finds known keys, and what is shaped like a key, in bytes. Pure; keeps no value."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from llmwidgets.known_keys import KnownKey
from llmwidgets.providers import key_prefixes, title_of

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
        *(
            (
                f"a key of {prefix.issuer or title_of(owner)}",
                prefix.start.encode(),
                prefix.shape.encode(),
            )
            for owner, prefix in key_prefixes()
            if prefix.shape
        ),
        ("a key of OpenAI's form", b"sk-", rb"[A-Za-z0-9]{32,128}"),
        ("a login of Google", b"1//0", rb"[A-Za-z0-9_-]{30,512}"),
        ("a client secret of Google", b"GOCSPX-", rb"[A-Za-z0-9_-]{24,64}"),
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


def _literal(name: str) -> bytes:
    """A literal of one line between quotes of either kind, one or three."""
    text = (
        rf"""(?:r|b|rb|f)?(?P<q_{name}>"{{3}}|'{{3}}|["'])"""
        rf"""(?P<{name}>(?!env:|file:)(?:\\.|(?!(?P=q_{name}))[^\\\n]){{12,400}})(?P=q_{name})"""
    )
    return text.encode()


_WRITTEN = re.compile(
    rb"(?:\b(?:api_key|auth_token|passphrase|credentials|password)[\"']?\s*[=:]\s*\(?"
    rb"|\.(?:unlock|new_identity)\()\s*" + _literal("value")
)
_CHANGED = re.compile(
    rb"\.change_passphrase\(\s*(?:(?:old|new)\s*=\s*)?" + _literal("value")
    + rb"(?:\s*,\s*(?:(?:old|new)\s*=\s*)?" + _literal("second") + rb")?"
)  # fmt: skip
_HEADERS, _HEADER = (
    re.compile(rb"\bheaders[\"']?\s*[=:]\s*\{[^{}]*\}"),
    re.compile(rb":\s*" + _literal("value")),
)
_PLACEHOLDER = re.compile(
    rb"\.\.\.|\xe2\x80\xa6|\xe2\x80\xa2|[<>{}]|x{4}|(?i:your|example|placeholder|changeme|removed)"
)
_PREFIX = re.compile(rb"^(?:sk-(?:[a-z]+\d*-)*|AIza|AQ\.|hf_|ya29\.)")


def find_leaks(data: bytes, known: Sequence[KnownKey]) -> list[Leak]:
    """Every known key and every other key-shaped word, in order."""
    found = [leak for each in known for leak in _known(data, each)]
    shaped = list(_shaped(data))
    # A mark for each byte that is reported: a log can have a key on every line.
    taken = bytearray(len(data) if shaped else 0)
    for leak in found if shaped else ():
        _mark(taken, leak)
    for leak in shaped:
        if taken.find(1, leak.start, leak.end) < 0:
            found.append(leak)
            _mark(taken, leak)
    return sorted(set(found))


def _mark(taken: bytearray, leak: Leak) -> None:
    taken[leak.start : leak.end] = b"\1" * (leak.end - leak.start)


def find_literals(source: bytes) -> list[Leak]:
    """Keys and passphrases written as a literal of code, `api_key="…"`, whatever their shape.

    Placeholders and the names of variables are not reported.
    """
    found = [(match.span("value"), match["value"]) for match in _WRITTEN.finditer(source)]
    for match in _CHANGED.finditer(source):
        found += [(match.span(name), match[name]) for name in ("value", "second") if match[name]]
    for headers in _HEADERS.finditer(source):
        found += [
            (match.span("value"), match["value"])
            for match in _HEADER.finditer(source, *headers.span())
            if _random(match["value"])
        ]
    return [
        Leak(*span, "a literal in code", _tail(word))
        for span, word in found
        if not _PLACEHOLDER.search(word) and _varied(word)
    ]


def _known(data: bytes, known: KnownKey) -> Iterator[Leak]:
    for kind, spelled in known.spellings:
        at = data.find(spelled)
        while at >= 0:
            name = known.name if kind == "raw" else f"{known.name} ({kind})"
            yield Leak(at, at + len(spelled), name, known.tail)
            at = data.find(spelled, at + len(spelled))
        if kind == "base64" and len(spelled) >= 2 * _PIECE:
            for start, end in _wrapped(data, spelled):
                yield Leak(start, end, f"{known.name} (base64)", known.tail)


_PIECE = 16
_BREAK = rb"(?:\r?\n|\\n)?"


def _wrapped(data: bytes, spelled: memoryview) -> Iterator[tuple[int, int]]:
    """Where there is Base64 in the short lines that mail and the shell's tool part it in.

    Lines are longer than two pieces of it, so one of the first two is whole.
    """
    for skipped in (0, _PIECE):
        for at in _places(data, bytes(spelled[skipped : skipped + _PIECE])):
            for more in (0, 1, 2) if skipped else (0,):  # the break in the first piece
                found = re.compile(_BREAK.join(re.escape(bytes([each])) for each in spelled)).match(
                    data, max(at - skipped - more, 0)
                )
                if found:
                    yield found.span()


def _shaped(data: bytes) -> Iterator[Leak]:
    for kind, anchor, shape in _SHAPES:
        for at in _places(data, anchor):
            match = shape.match(data, at) if _begins(data, at) else None
            if match and (kind == "a private key" or _random(match[0])):
                yield Leak(*match.span(), kind, _tail(match[0]))
    for at in _places(data, _AZURE):  # it is in the middle of the newer keys of Azure
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
    """Whether it is not a placeholder: keys have digits and many different characters."""
    rest = _PREFIX.sub(b"", word)
    digits = any(character in b"0123456789" for character in rest)
    return digits and len(set(rest)) >= 8 and not _PLACEHOLDER.search(word)


def _varied(word: bytes) -> bool:
    return len(set(word)) >= 6 and not re.fullmatch(rb"[A-Z][A-Z_]*", word)


def _tail(word: bytes) -> str:
    return word[-4:].decode("utf-8", "replace")
