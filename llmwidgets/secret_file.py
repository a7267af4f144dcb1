"""Secret files: a user's file that holds a key, read as text, or refused without a byte of it.

Nothing here raises with the content in reach: what was read comes back closed, in a function that
gives it, and what is wrong comes back as the end of a sentence. No exception of a decoder is ever
made, since that would carry the whole content along.
"""

from __future__ import annotations

import codecs
import os
import stat
from collections.abc import Callable
from pathlib import Path

LARGEST = 1 << 20
"""Bytes; what holds a key is small, and what is larger is something else."""

ABSENT = "is not there (no such file)"

_MARKS = (
    (codecs.BOM_UTF32_LE, ""),
    (codecs.BOM_UTF32_BE, ""),
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
"""The mark of each encoding, the longer first; UTF-32 is not read."""
_NOT_TEXT = "is not text in UTF-8 or UTF-16"
_CLOSE_ON_EXEC = getattr(os, "O_CLOEXEC", 0)
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)  # a pipe in place of the file must not hang the kernel

Opened = tuple[Callable[[], str] | None, str]
"""A function that gives the text, or None and why there is none, as the end of a sentence."""


def read(path: Path, distrust: Callable[[os.stat_result], str] = lambda _status: "") -> Opened:
    """The text of a file, closed; `distrust` may say why a file of this status is not read."""
    try:
        descriptor = os.open(path, os.O_RDONLY | _CLOSE_ON_EXEC | _NO_WAIT)
    except FileNotFoundError:
        return None, ABSENT
    except (OSError, ValueError) as error:
        why = (getattr(error, "strerror", None) or "the path cannot be read").lower()
        return None, f"cannot be opened ({why})"
    try:
        status = os.fstat(descriptor)
        wrong = _odd(status) or distrust(status)
        return (None, wrong) if wrong else text_of(memoryview(_all(descriptor)))
    except OSError as error:
        return None, f"cannot be read ({(error.strerror or type(error).__name__).lower()})"
    finally:
        os.close(descriptor)


def text_of(content: memoryview) -> Opened:
    """The text in the bytes of a file, closed: UTF-8 or UTF-16, with a mark in front or without."""
    mark, encoding = next(
        (each for each in _MARKS if bytes(content[: len(each[0])]) == each[0]), (b"", None)
    )
    encoding = _unmarked(content) if encoding is None else encoding
    if not encoding or not _fits(content[len(mark) :], encoding):
        return None, _NOT_TEXT
    return lambda: str(content[len(mark) :], encoding), ""


def _unmarked(content: memoryview) -> str:
    """UTF-16 shows itself by a zero beside each letter of a key; all else is read as UTF-8."""
    if not len(content) or len(content) % 2:
        return "utf-8"
    even, odd = bytes(content[::2]), bytes(content[1::2])
    if not any(odd) and all(even):
        return "utf-16-le"
    return "utf-16-be" if not any(even) and all(odd) else "utf-8"


def _fits(content: memoryview, encoding: str) -> bool:
    """Whether the bytes are text of this encoding, zeros being none."""
    return not {"\0", "\ufffd"} & set(str(content, encoding, "replace"))


def _odd(status: os.stat_result) -> str:
    if stat.S_ISDIR(status.st_mode):
        return "is a folder, not a regular file"
    if not stat.S_ISREG(status.st_mode):
        return "is a pipe or a device, not a regular file"
    if status.st_size > LARGEST:
        return f"is larger than {LARGEST >> 20} MB, so it is not a key file"
    return ""


def _all(descriptor: int) -> bytes:
    # Files of /proc tell no size of theirs.
    with os.fdopen(descriptor, "rb", closefd=False) as file:
        return file.read(LARGEST)
