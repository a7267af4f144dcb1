"""A body that was compressed on the way, as it was before: with a limit to its size."""

from __future__ import annotations

import zlib

from llmwidgets.engine.network.retry import Ended
from llmwidgets.errors import FailureCode

_GZIP, _ZSTD = b"\x1f\x8b", b"\x28\xb5\x2f\xfd"
_GZIP_WINDOW, _ZLIB_WINDOW, _RAW_WINDOW = 31, 15, -15
_LIKE_TEXT = (b"{", b"[", b"<", b'"', b"data:", b"event:", b":")
_UNNAMED = ("", "")
"""Layers of gzip that no header names."""
_MEMBERS = 100


def unpack(body: bytes, content_encoding: str, most: int) -> bytes:
    """The body, of `most` bytes at most; Ended says why it cannot be unpacked.

    What a body begins with counts before what its header names: servers and proxies leave the
    name on what they unpacked, and off what they packed.
    """
    names = [name.strip().lower() for name in content_encoding.split(",") if name.strip()]
    for name in (*reversed(names), *_UNNAMED):
        if body.startswith(_GZIP):
            body = _inflate(body, _GZIP_WINDOW, most)
        elif not body or body.lstrip().startswith(_LIKE_TEXT):
            continue
        elif name == "deflate":
            body = _deflated(body, most)
        elif name in ("gzip", "x-gzip"):
            raise Ended(FailureCode.CUT_SHORT)
        elif body.startswith(_ZSTD) or b"\0" in body[:64] or not body[:64].isascii():
            foreign = "zstd" if body.startswith(_ZSTD) else name
            if foreign and foreign not in _NO_COMPRESSION:
                raise Ended(FailureCode.COMPRESSED, encoding=_FULL.get(foreign, foreign))
    return body


_NO_COMPRESSION = frozenset({"identity", "none", "utf-8", "utf8", "binary", "chunked"})
_FULL = {"br": "br (Brotli)", "zstd": "zstd (Zstandard)"}


def _deflated(body: bytes, most: int) -> bytes:
    """What `deflate` names is zlib's format, and the bare one with some servers."""
    try:
        return _inflate(body, _ZLIB_WINDOW, most)
    except Ended as error:
        if error.code is FailureCode.TOO_BIG:
            raise
    return _inflate(body, _RAW_WINDOW, most)


def _inflate(body: bytes, window: int, most: int) -> bytes:
    pieces, size = list[bytes](), 0
    for _ in range(_MEMBERS):
        unpacker = zlib.decompressobj(window)
        try:
            piece = unpacker.decompress(body, most + 1 - size)
        except zlib.error:
            raise Ended(FailureCode.CUT_SHORT) from None
        size += len(piece)
        if size > most:
            raise Ended(FailureCode.TOO_BIG)
        if not unpacker.eof:
            raise Ended(FailureCode.CUT_SHORT)
        pieces.append(piece)
        body = unpacker.unused_data
        # Some pad what they packed.
        if not body.startswith(_GZIP):
            break
    return b"".join(pieces)
