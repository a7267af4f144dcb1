"""The header of an age v1 file, read strictly and written: https://age-encryption.org/v1."""

from __future__ import annotations

import base64
import re
from collections.abc import Iterable
from dataclasses import dataclass

from llmwidgets.errors import DamagedStore

_VERSION = b"age-encryption.org/v1\n"
_BASE64 = re.compile(rb"[A-Za-z0-9+/]*\Z")
_ARGUMENTS = re.compile(rb"->(?: [!-~]+)+\Z")
_COLUMNS = 64


@dataclass(frozen=True, slots=True)
class Stanza:
    """One way to the file key: its kind, its arguments and the wrapped key."""

    kind: str
    arguments: tuple[str, ...]
    body: bytes


@dataclass(frozen=True, slots=True)
class Header:
    """What stands before the payload; `mac` signs the bytes `signed`."""

    stanzas: tuple[Stanza, ...]
    signed: bytes
    mac: bytes


def read_header(data: bytes) -> tuple[Header, memoryview]:
    """The header and the payload of an age file; DamagedStore where a single rule is broken."""
    if not data.startswith(_VERSION):
        message = "The file does not start like an age file."
        raise DamagedStore(message)
    place, stanzas = len(_VERSION), []
    while data[place : place + 2] == b"->":
        stanza, place = _read_stanza(data, place)
        stanzas.append(stanza)
    line, after = _line(data, place)
    mac = unpadded(line[4:]) if line.startswith(b"--- ") else None
    if not stanzas or mac is None or len(mac) != 32:
        message = "The header of the file does not end as an age header does."
        raise DamagedStore(message)
    return Header(tuple(stanzas), data[: place + 3], mac), memoryview(data)[after:]


def signed_part(stanzas: Iterable[Stanza]) -> bytes:
    """The header up to the three dashes that its code signs."""
    return _VERSION + b"".join(_spell(stanza) for stanza in stanzas) + b"---"


def finished(signed: bytes, mac: bytes) -> bytes:
    """The whole header, ready for the payload to follow."""
    return signed + b" " + padless(mac) + b"\n"


def padless(data: bytes) -> bytes:
    """Base64 without padding, as age writes it."""
    return base64.b64encode(data).rstrip(b"=")


def unpadded(text: bytes) -> bytes | None:
    """The bytes of canonical Base64 without padding; None for any other spelling."""
    if not _BASE64.match(text) or len(text) % 4 == 1:
        return None
    data = base64.b64decode(text + b"=" * (-len(text) % 4))
    return data if padless(data) == text else None


def _spell(stanza: Stanza) -> bytes:
    body = padless(stanza.body)
    rows = [body[at : at + _COLUMNS] for at in range(0, len(body) + 1, _COLUMNS)]
    first = " ".join(("->", stanza.kind, *stanza.arguments)).encode("ascii")
    return b"".join(row + b"\n" for row in (first, *rows))


def _read_stanza(data: bytes, place: int) -> tuple[Stanza, int]:
    line, place = _line(data, place)
    if not _ARGUMENTS.match(line):
        message = "A stanza of the file's header is not as age spells it."
        raise DamagedStore(message)
    kind, *arguments = line.decode("ascii").split(" ")[1:]
    body = b""
    while True:
        line, place = _line(data, place)
        piece = unpadded(line)
        if piece is None or len(line) > _COLUMNS:
            message = "A stanza of the file's header has a body that age does not write."
            raise DamagedStore(message)
        body += piece
        if len(line) < _COLUMNS:
            return Stanza(kind, tuple(arguments), body), place


def _line(data: bytes, place: int) -> tuple[bytes, int]:
    end = data.find(b"\n", place)
    if end < 0:
        message = "The file ends within its header."
        raise DamagedStore(message)
    return data[place:end], end + 1
