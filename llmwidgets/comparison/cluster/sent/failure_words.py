"""A failure in words, as it travels between a worker and the driver."""

from __future__ import annotations

import os
from typing import NamedTuple

from llmwidgets.engine.endings import stopped_early
from llmwidgets.errors import (
    FAILURES,
    CallError,
    Failure,
    FailureCode,
    InternalError,
    LLMWidgetsError,
    PolicyError,
)

_LOG = "Look into the worker's log, then run it again with the same journal to go on."


class FailureWords(NamedTuple):
    """A `Failure` without the exception, which would bring its traceback: its class by name."""

    kind: str
    message: str
    hint: str
    code: str = ""

    @classmethod
    def of(cls, failure: Failure) -> FailureWords:
        """The words of a failure."""
        code = getattr(failure, "code", "")
        return cls(type(failure).__name__, failure.message, failure.hint, code)

    @classmethod
    def of_cluster(cls, message: str, hint: str) -> FailureWords:
        """A failure of the cluster itself."""
        return cls("InternalError", message, hint, FailureCode.CLUSTER)

    def failure(self) -> Failure:
        """The failure; one of the cluster for a class that no extraction ends in."""
        kind = FAILURES.get(self.kind, InternalError)
        code = FailureCode.CLUSTER if self.kind not in FAILURES else self.code
        if issubclass(kind, CallError | InternalError):
            return kind(self.message, self.hint, code=code)
        return kind(self.message, self.hint)


STOPPED = FailureWords.of(stopped_early())


def describe_error(error: Exception) -> FailureWords:
    """The words of an error; of a foreign one its class alone, since it may contain a text."""
    if isinstance(error, Failure):
        return FailureWords.of(error)
    name = type(error).__name__
    if isinstance(error, PolicyError):
        return FailureWords("Forbidden", error.message, error.hint, FailureCode.POLICY)
    if isinstance(error, LLMWidgetsError):
        return FailureWords(name, error.message, error.hint)
    why = f": {os.strerror(error.errno)}" if isinstance(error, OSError) and error.errno else ""
    return FailureWords(name, f"An internal error ({name}{why}) ended this chunk.", _LOG)
