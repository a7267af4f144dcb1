"""How one question ended: a row, and the form in which a journal's file has it."""

from __future__ import annotations

import hashlib
import json
import re
import struct
import time
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime
from functools import lru_cache
from operator import attrgetter
from typing import Any, get_args, get_origin, get_type_hints

from llmwidgets.dialects.types import Enforcement, ResponseFormat, Usage
from llmwidgets.errors import FAILURES, CallError, Failure, InternalError, NotAsked

Packed = tuple[str | bytes, float, str, int, str | None, str | bytes, str]
"""A row as the file has it: key, at, status, answered, reply, facts, the facts that repeat."""

NO_OUTPUT = "no output"
"""The code of a row for a text to which a model asked elsewhere gave no answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """How one question ended. `at` is seconds since 1970; `id` is 0 until it is put down.

    A row contains no text and no id of a text: rows that say the same (all those that a stop left
    unasked) are one row. `schema_shown` is False if the schema was not in the prompt although the
    mode says that it was not enforced, which only the replies showed. `known_as` is the served
    model by whose facts the question was put, `output_limit` the tokens that its answer could
    have; `timed_out` of the `tries` took too long.
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
        more: dict[str, Any] = {}
        if issubclass(kind, CallError | InternalError):
            names = ("label", "model", "code", "perhaps_answered")
            more = {name: getattr(self, name) for name in names}
        if issubclass(kind, CallError):
            more |= {"status": self.http_status, "request_id": self.request_id}
        return kind(self.message, self.hint, **more)

    def ended_in(self, failure: Failure) -> Row:
        """The row of the same reply, which turned out to be this failure."""
        return replace(
            self,
            status=type(failure).__name__,
            message=failure.message,
            hint=failure.hint,
            label=getattr(failure, "label", ""),
            model=getattr(failure, "model", ""),
            code=getattr(failure, "code", ""),
        )

    @classmethod
    def of_failure(cls, key: str, failure: Failure, **more: Any) -> Row:
        """The row of a question that ended in `failure`."""
        row = cls(
            key=key,
            status="",
            http_status=getattr(failure, "status", None),
            request_id=getattr(failure, "request_id", None),
            perhaps_answered=getattr(failure, "perhaps_answered", False),
        )
        return replace(row.ended_in(failure), **more)


_FACTS = tuple(
    each.name for each in fields(Row) if each.name not in ("id", "key", "at", "status", "reply")
)
_TOKENS = tuple(each.name for each in fields(Usage))
_NUMBERS = ("at", "seconds", "waiting_seconds", "cost", "tries", "timed_out")
_LARGEST = 1e11


def _kinds_of(hint: Any) -> tuple[type, ...]:
    kinds = tuple(get_origin(each) or each for each in get_args(hint) or (hint,))
    return (*kinds, int) if float in kinds else kinds


_KINDS = {
    name: (tuple,) if get_origin(hint) is tuple else _kinds_of(hint)
    for name, hint in get_type_hints(Row).items()
}


_typed = attrgetter(*_KINDS)


def is_sound(row: Row) -> bool:
    """Whether a row can be one of ours: a file can be edited by hand, and says anything then."""
    numbers = [getattr(row, name) for name in _NUMBERS]
    tokens = [getattr(row.usage, name, "") for name in _TOKENS]
    return (
        all(map(isinstance, _typed(row), _KINDS.values()))
        and (row.status == "ok" or row.status in FAILURES)
        and all(each is None or 0 <= each < _LARGEST for each in numbers)
        and all(each is None or (type(each) is int and 0 <= each < _LARGEST) for each in tokens)
        and all(isinstance(each, str) for each in (*row.notes, *row.dropped))
    )


# -- The form on disk: what repeats from row to row is a line of its own, found by its hash. The
# rest of the facts are bytes: version, that hash, numbers, the id of the request. What does not
# fit (a number that is too large) is JSON text with all facts, as version 0.1.0 wrote every row.

_HEX = re.compile("[0-9a-f]{64}")
_OWN = struct.Struct("<B8s4I2H3d")
_VERSION = 1
_UNKNOWN, _NO_NUMBER = 2**32 - 1, float("nan")
_IN_ROW = ("usage", "tries", "timed_out", "seconds", "waiting_seconds", "cost", "request_id")
_DEFAULTS = {each.name: each.default for each in fields(Row) if each.name in _FACTS}
_REPEATED = tuple(name for name in _FACTS if name not in _IN_ROW)
_repeated_of = attrgetter(*_REPEATED)


def pack_key(key: str) -> str | bytes:
    """A key as the file has it: a hash as its bytes."""
    return bytes.fromhex(key) if _HEX.fullmatch(key) else key


def repeated_id(facts: str | bytes) -> bytes | None:
    """By what the facts that a row shares with others are found; None if it has its own."""
    return facts[1:9] if isinstance(facts, bytes) else None


def pack_output(row: Row) -> Packed:
    """The row as the file has it."""
    reply = row.reply
    if reply is not None and not reply.isascii():
        # Half a pair of surrogates, which a server may well send, has no bytes.
        reply = reply.encode("utf-8", "replace").decode()
    try:
        repeated, words = _pack_repeated(_repeated_of(row))
        facts: str | bytes = _pack_own(row, repeated)
    except (struct.error, ValueError):
        values = {name: getattr(row, name) for name in _FACTS}
        values["usage"] = {name: getattr(row.usage, name) for name in _TOKENS}
        facts, words = json.dumps(values), ""
    return pack_key(row.key), row.at, row.status, int(row.answered), reply, facts, words


@lru_cache(maxsize=512)
def _pack_repeated(values: tuple[Any, ...]) -> tuple[bytes, str]:
    named = zip(_REPEATED, values, strict=True)
    words = json.dumps({name: value for name, value in named if value != _DEFAULTS[name]})
    return hashlib.sha256(words.encode()).digest()[:8], words


def _pack_own(row: Row, repeated: bytes) -> bytes:
    tokens = _tokens_of(row.usage)
    if row.request_id == "" or _UNKNOWN in tokens:
        raise ValueError  # what would be read as None
    numbers = _OWN.pack(
        _VERSION,
        repeated,
        *(_UNKNOWN if each is None else each for each in tokens),
        row.tries,
        row.timed_out,
        *(_NO_NUMBER if each is None else each for each in _figures_of(row)),
    )
    return numbers + (row.request_id or "").encode()


_tokens_of = attrgetter(*_TOKENS)
_figures_of = attrgetter("seconds", "waiting_seconds", "cost")


def read_row(id: int, packed: Packed | None) -> Row | None:  # noqa: A002
    """The row, or None if somebody else's hand has broken it."""
    if packed is None:
        return None
    try:
        key, at, status, _, reply, facts, repeated = packed
        named = _facts_of(facts, repeated)
        key = key.hex() if isinstance(key, bytes) else key
        status = current_status(status, named.get("code", ""))
        sound = isinstance(key, str) and isinstance(at, (float, int)) and 0 <= at < _LARGEST
        sound = sound and (reply is None or isinstance(reply, str))
        sound = sound and (status == "ok" or status in FAILURES)
        return Row(id=id, key=key, at=at, status=status, reply=reply, **named) if sound else None
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, struct.error):
        return None


@lru_cache(maxsize=1024)  # rows that no call made all have the same facts
def _facts_of(facts: str | bytes, repeated: str) -> dict[str, Any]:
    """The facts of a row; ValueError and its like if they are not sound."""
    if isinstance(facts, bytes):
        return {**_read_repeated(repeated), **_read_own(facts)}
    named = _read_facts(facts)
    named["usage"] = Usage(**named["usage"])
    if not is_sound(Row(key="", status="ok", **named)):
        raise ValueError
    return named


@lru_cache(maxsize=512)
def _read_repeated(words: str) -> dict[str, Any]:
    """The facts that a row shares with others, read once; ValueError if they are not sound."""
    named = {name: each for name, each in _read_facts(words).items() if name not in _IN_ROW}
    if not is_sound(Row(key="", status="ok", **named)):
        raise ValueError
    return named


def _read_own(facts: bytes) -> dict[str, Any]:
    """The facts of a row alone; ValueError for a figure that cannot be one."""
    version, _, *numbers = _OWN.unpack_from(facts)
    if version != _VERSION:
        raise ValueError(version)
    tokens = [None if each == _UNKNOWN else each for each in numbers[:4]]
    figures = [None if each != each else each for each in numbers[6:]]
    if not all(each is None or 0 <= each < _LARGEST for each in figures):
        raise ValueError
    request_id = facts[_OWN.size :].decode() or None
    usage = Usage(**dict(zip(_TOKENS, tokens, strict=True)))
    return dict(zip(_IN_ROW, (usage, *numbers[4:6], *figures, request_id), strict=True))


def _read_facts(words: str) -> dict[str, Any]:
    """Facts that are JSON: those of a row of another version are others, and read if known here."""
    saved = json.loads(words)
    facts = {name: saved[name] for name in _FACTS if name in saved}
    for name, kind in (("form", ResponseFormat), ("mode", Enforcement)):
        facts[name] = facts.get(name) and kind(facts[name])
    for name in ("notes", "dropped"):
        listed = facts.get(name, [])
        facts[name] = tuple(listed) if isinstance(listed, list) else None
    return facts


def current_status(status: str, code: str) -> str:
    """The class of a row as it is called now: failures of this package were bad requests once."""
    return "InternalError" if (status, code) == ("BadRequest", "internal") else status
