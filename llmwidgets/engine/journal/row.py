"""Row: how one question ended, and how a journal's file writes it."""

from __future__ import annotations

import json
import time
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from typing import Any

from llmwidgets.dialects.types import Enforcement, ResponseFormat, Usage
from llmwidgets.errors import FAILURES, CallError, Failure, InternalError, NotAsked

NO_OUTPUT = "no output"
"""The code of a row for a text to which another place's model gave no answer."""

Packed = tuple[str, float, str, int, str | None, str]
"""A row as the file has it: key, at, status, answered, reply, facts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """How one question ended. `at` is seconds since 1970; `id` is 0 until it is put down.

    A row holds no text and no id of a text: rows that say the same (all those a stop left
    unasked) are one row. `schema_shown` is False where the schema did not stand in the prompt
    although the mode says that it was not enforced, which only the replies showed. `known_as` is
    the served model by whose facts the question was put, `output_limit` the tokens that its answer
    could have; `timed_out` of the `tries` took too long.
    """

    key: str
    status: str
    at: float = field(default_factory=time.time)
    reply: str | None = None
    usage: Usage = field(default_factory=Usage)
    seconds: float | None = None
    waiting_seconds: float | None = None
    cost: float | None = None
    form: ResponseFormat | None = None
    mode: Enforcement | None = None
    schema_shown: bool | None = None
    served_model: str | None = None
    request_id: str | None = None
    tries: int = 0
    timed_out: int = 0
    notes: tuple[str, ...] = ()
    dropped: tuple[str, ...] = ()
    known_as: str = ""
    output_limit: int | None = None
    message: str = ""
    hint: str = ""
    label: str = ""
    model: str = ""
    code: str = ""
    http_status: int | None = None
    perhaps_answered: bool = False
    id: int = 0

    @property
    def answered(self) -> bool:
        """Whether the model itself answered: such a row is never asked again."""
        return self.status == "ok" or getattr(FAILURES.get(self.status), "scored", False)

    @property
    def asked(self) -> bool:
        """Whether the question was put, here or elsewhere; it may have had no answer."""
        if issubclass(FAILURES.get(self.status, object), NotAsked):
            return self.code == NO_OUTPUT
        return self.answered or self.tries > 0 or self.status == "InternalError"

    @property
    def when(self) -> datetime:
        """When the question ended, in UTC."""
        return datetime.fromtimestamp(self.at, UTC)

    def failure(self) -> Failure | None:
        """The failure as it was, or None for `ok`."""
        kind = FAILURES.get(self.status)
        if kind is None:
            return None
        if issubclass(kind, InternalError):
            return kind(
                self.message,
                self.hint,
                label=self.label,
                model=self.model,
                code=self.code,
                perhaps_answered=self.perhaps_answered,
            )
        if not issubclass(kind, CallError):
            return kind(self.message, self.hint)
        return kind(
            self.message,
            self.hint,
            label=self.label,
            model=self.model,
            status=self.http_status,
            request_id=self.request_id,
            code=self.code,
            perhaps_answered=self.perhaps_answered,
        )

    @classmethod
    def of_failure(cls, key: str, failure: Failure, **more: Any) -> Row:
        """The row of a question that ended in `failure`."""
        told = Row(
            key=key,
            status=type(failure).__name__,
            message=failure.message,
            hint=failure.hint,
            label=getattr(failure, "label", ""),
            model=getattr(failure, "model", ""),
            code=getattr(failure, "code", ""),
            http_status=getattr(failure, "status", None),
            request_id=getattr(failure, "request_id", None),
            perhaps_answered=getattr(failure, "perhaps_answered", False),
        )
        return replace(told, **more)


_FACTS = tuple(
    each.name for each in fields(Row) if each.name not in ("id", "key", "at", "status", "reply")
)
_TOKENS = tuple(each.name for each in fields(Usage))


def pack_output(row: Row) -> Packed:
    """The row as the file has it."""
    facts = {name: getattr(row, name) for name in _FACTS}
    usage = row.usage
    facts["usage"] = {name: getattr(usage, name) for name in _TOKENS}
    reply = row.reply
    if reply is not None and not reply.isascii():
        # Half a pair of surrogates, which a server may well send, has no bytes.
        reply = reply.encode("utf-8", "replace").decode()
    return row.key, row.at, row.status, int(row.answered), reply, json.dumps(facts)


def _row(at: int, packed: Packed) -> Row:
    key, when, status, _, reply, words = packed
    told = json.loads(words)
    # A row of another version of this package has other facts: what is known here is read.
    facts = {name: told[name] for name in _FACTS if name in told}
    facts["usage"] = Usage(**facts["usage"])
    facts["form"] = facts["form"] and ResponseFormat(facts["form"])
    facts["mode"] = facts["mode"] and Enforcement(facts["mode"])
    facts["notes"] = tuple(facts["notes"])
    facts["dropped"] = tuple(facts["dropped"])
    status = current_status(status, facts.get("code", ""))
    return Row(id=at, key=key, at=when, status=status, reply=reply, **facts)


def read_row(at: int, packed: Packed | None) -> Row | None:
    """The row, or None where somebody else's hand has broken it."""
    try:
        return None if packed is None else _row(at, packed)
    except (ValueError, KeyError, TypeError, AttributeError):
        return None


def current_status(status: str, code: str) -> str:
    """The class of a row as it is called now: failures of this package were bad requests once."""
    return "InternalError" if (status, code) == ("BadRequest", "internal") else status
