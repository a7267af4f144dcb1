"""A failure of this package itself, in words: its class, what it was about, and where."""

from __future__ import annotations

import os
import sqlite3
from dataclasses import dataclass

_PACKAGE = "llmwidgets"


@dataclass(frozen=True, slots=True)
class Told:
    """What is said of an error of our own; never its words, which may hold a text or a value."""

    about: str
    sentence: str
    hint: str


def what_failed(error: BaseException) -> Told:
    """The error's class, what it was about (memory, nesting, disk, internal) and the next step."""
    cause = _cause(error)
    name = type(cause).__name__
    if isinstance(cause, MemoryError):
        return Told(
            "memory", f"There was not enough memory ({name}).", "Free some memory and run again."
        )
    if isinstance(cause, RecursionError):
        return Told(
            "nesting",
            f"The reply or the schema is nested too deeply to be read here ({name}).",
            "Ask for a flatter record.",
        )
    if isinstance(cause, OSError | sqlite3.Error):
        why = os.strerror(cause.errno) if isinstance(cause, OSError) and cause.errno else ""
        return Told(
            "disk",
            f"A file could not be read or written ({name}{why and f': {why}'}).",
            "Free space or repair the disk, then run again.",
        )
    return Told(
        "internal",
        f"An internal error ({name}{_place(cause)}) ended this extraction.",
        "The other texts went on; report it with the class and place named here.",
    )


def _cause(error: BaseException) -> BaseException:
    """The first error of a group, which says more than that there was a group."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error


def _place(error: BaseException) -> str:
    """The innermost module of this package that the error passed."""
    found, frame = "", error.__traceback__
    while frame is not None:
        module = str(frame.tb_frame.f_globals.get("__name__", ""))
        found = module if module.split(".")[0] == _PACKAGE else found
        frame = frame.tb_next
    return f" in {found}" if found else ""
