"""Every exception of llmwidgets, with the sentence a user reads and the step that leads on.

    LLMWidgetsError(message, hint)
    ├── StoreError      WrongPassphrase · StoreLocked · DamagedStore · NewerStore ·
    │                   UnknownConnection · AlreadyConnected
    ├── FieldError      one or more fields of a form, a schema, texts or truth
    ├── PolicyError     model or host not allowed, and by whose rule
    ├── CallError       Unreachable · Unauthorized · Forbidden · UnknownModel · RateLimited ·
    │                   QuotaExhausted · Overloaded · TooLong · BadRequest
    ├── ReplyError      Refused · Filtered · Truncated · CutInput · InvalidJSON · InvalidRecord
    ├── NotAsked        Stopped · OverBudget
    └── InternalError   this package itself failed: its memory, its journal, its code

No message ever contains a secret, a header, a body, a document's text or an extracted value.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from copy import copy
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from types import FunctionType, UnionType
from typing import Any, ClassVar, NoReturn, Self, TypeVar

from llmwidgets.formatting import escape_controls, file_size

_LONGEST = 4_000
"""Characters of a message: a name out of a file can be as long as the file."""


def _sentence(text: str) -> str:
    return escape_controls(text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…")


class LLMWidgetsError(Exception):
    """What happened, and what to do now; words from elsewhere with their controls spelled out."""

    def __init__(self, message: str, hint: str = "") -> None:
        self.message = _sentence(message)
        self.hint = _sentence(hint)
        super().__init__(self.message, self.hint)

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()

    def __copy__(self) -> Self:
        # Other packages, Dask among them, register a way to copy exceptions that leaves a copy and
        # its original with one set of attributes.
        twin = type(self).__new__(type(self), *self.args)
        vars(twin).update(vars(self))
        return twin

    def _render_traceback_(self) -> list[str]:
        """What IPython shows in place of a traceback: what a user can fix needs none."""
        return [f"{type(self).__name__}: {self.message}", *([self.hint] if self.hint else [])]


class StoreError(LLMWidgetsError):
    """The store of connections cannot do what was asked."""


class WrongPassphrase(StoreError):
    """The passphrase does not open the store."""


class StoreLocked(StoreError):
    """The store is locked and nothing here can unlock it."""


class DamagedStore(StoreError):
    """A file of the store does not pass its integrity check; it is kept as it is."""


class NewerStore(StoreError):
    """The store was written by a newer llmwidgets; it is read-only here."""


class UnknownConnection(StoreError):
    """No connection answers to this label or reference."""


class AlreadyConnected(StoreError):
    """The organization has this connection already."""


class FieldError(LLMWidgetsError):
    """One or more fields of a form, a schema, texts or truth are not right.

    `problems` maps each field's name to its sentence, in the order of the form.
    """

    def __init__(self, problems: Mapping[str, str] | str, hint: str = "") -> None:
        by_field = {"": problems} if isinstance(problems, str) else problems
        self.problems = {_sentence(name): _sentence(each) for name, each in by_field.items()}
        sentences = (f"{name}: {each}" if name else each for name, each in self.problems.items())
        super().__init__(" ".join(sentences), hint)


def check_type(name: str, value: object, kind: type | UnionType, noun: str) -> None:
    """FieldError for an argument of another type, which is not repeated."""
    if not isinstance(value, kind):
        raise FieldError({name: f"must be {noun}, not {type(value).__name__}."})


def read_path(path: str | os.PathLike[str], name: str = "path") -> Path:
    """The path that a user gave; FieldError, by the argument's name, if it cannot be one."""
    check_type(name, path, str | os.PathLike, "text or a Path")
    # A home that nobody has, bytes, half a character.
    with suppress(RuntimeError, TypeError, ValueError):
        read = Path(path).expanduser()
        if b"\0" not in os.fsencode(read):
            return read
    raise FieldError({name: f"{path} does not name a file or folder."}, "Check how it is written.")


_STREAM = 200_000_000
"""Bytes that a pipe may bring."""


def read_file(path: Path) -> bytes:
    """The bytes of a file, or all that a pipe brings until it ends; OSError as reading has it.

    FieldError for one that does not end, such as /dev/zero. A pipe can be read once.
    """
    parts, size = [], 0
    with path.open("rb") as file:
        if stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return file.read()
        while size <= _STREAM and (part := file.read(1 << 20)):
            parts.append(part)
            size += len(part)
    if size > _STREAM:
        hint = "Save what is needed of it as a file, and name that."
        raise FieldError(f"{path} brings more than {file_size(_STREAM)}.", hint)
    return b"".join(parts)


def read_json(
    text: str, name: str, hint: str = "Correct the file.", *, line: int | None = None
) -> Any:
    """The JSON value of a user's text; FieldError says where it is broken.

    `name` is what the text is called, `line` the line of a file that it is. An object that has a
    key twice is broken as well: one of the two values would be lost.
    """
    where = f" in line {line}" if line else ""
    try:
        return json.loads(text.removeprefix("\ufeff"), object_pairs_hook=_unique)
    except json.JSONDecodeError as error:
        place = f"line {line or error.lineno}, character {error.colno} on"
        why = f"is not valid JSON from {place}: {error.msg}."
    except RecursionError:
        why = f"is nested too deeply{where} to be read."
    except ValueError as error:
        reason = error if isinstance(error, _TwiceError) else "a number has too many digits"
        why = f"is not valid JSON{where}: {reason}."
    raise FieldError(f"{name} {why}", hint)


class _TwiceError(ValueError):
    """Raised inside the decoder of JSON; the key is the user's own."""


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    whole = dict(pairs)
    if len(whole) < len(pairs):
        twice = Counter(key for key, _ in pairs).most_common(1)[0][0]
        message = f"an object has the key {twice} twice"
        raise _TwiceError(message)
    return whole


class PolicyError(LLMWidgetsError):
    """A rule forbids this model or host. `rule` says whose rule it is."""

    def __init__(self, message: str, hint: str = "", *, rule: str = "") -> None:
        self.rule = escape_controls(rule)
        super().__init__(message, hint)


class Failure(LLMWidgetsError):
    """How an extraction can end other than `ok`. `scored` says whether it counts as not right."""

    scored: ClassVar[bool] = False

    def name_call(self, label: str, model: str, host: str) -> None:
        """Add to the message what it does not name: the connection, the model, the host."""
        made = getattr(self, "code", "") not in _NO_CALL
        self.message = escape_controls(name_call(self.message, label, model, host, made=made))
        self.args = (self.message, self.hint)

    def reworded(self, message: str, hint: str) -> Self:
        """The same failure in other words."""
        twin = copy(self)
        twin.message, twin.hint = escape_controls(message), escape_controls(hint)
        twin.args = (twin.message, twin.hint)
        return twin


def name_call(message: str, label: str, model: str, host: str, *, made: bool = True) -> str:
    """The message, and behind it what it does not name; `made` is False where nothing was sent.

    >>> name_call("The key was refused.", "work", "gpt-6-luna", "api.openai.com")
    'The key was refused. The call was to work/gpt-6-luna at api.openai.com.'
    >>> name_call("Nothing is listening at localhost:9.", "llama", "llama", "localhost:9")
    'Nothing is listening at localhost:9. The call was for llama.'
    """
    missing = [each for each in (label, model) if each and not _names(message, each)]
    where = [host] if host and not _names(message, host) else []
    named = " at ".join(filter(None, ("/".join(dict.fromkeys(missing)), *where)))
    if not named:
        return message
    end = "" if message.endswith((".", "…", "!", "?")) else "."
    # A call goes to a host or a connection; a name of the model alone is neither.
    to = "to" if where or (label != model and label in missing) else "for"
    return f"{message}{end} {'The call was' if made else 'No call was made'} {to} {named}."


def name_server(label: str, model: str, host: str) -> str:
    """Who answers, for a sentence: the connection, or its host if only the model's name labels it.

    >>> name_server("work", "gpt-6-luna", "api.openai.com")
    'work'
    >>> name_server("llama3.2", "llama3.2", "localhost:11434")
    'localhost:11434'
    """
    return host if host and label == model else label


def _names(message: str, word: str) -> bool:
    """Whether a message has a name as a word of its own, not as a part of another name."""
    spelled = re.escape(escape_controls(word))
    return re.search(rf"(?<![\w.-]){spelled}(?![\w-]|\.\w)", message) is not None


class FailureCode(StrEnum):
    """The codes that this package gives; any other code is the server's own.

    Their values are stored in journals and saved comparisons.
    """

    # What a server's response means.
    RESPONSE_FORMAT = "response_format"
    INVALID_SCHEMA = "invalid_schema"
    WRONG_FORMAT = "wrong_format"
    NO_RETRY = "x-should-retry: false"
    BROKE_OFF = "broke off"
    DAMAGED = "damaged"
    EMPTY = "empty"
    STREAM_ONLY = "stream only"
    UPSTREAM = "upstream"
    INSUFFICIENT_QUOTA = "insufficient_quota"
    DAILY_QUOTA = "RESOURCE_EXHAUSTED"
    NO_BILLING = "BILLING_DISABLED"
    SWITCHED_OFF = "SERVICE_DISABLED"
    KEYS_OFF = "AuthenticationTypeDisabled"
    NO_ROLE = "PermissionDenied"
    AUDIENCE = "audience"
    TENANT = "tenant"
    ON_HOLD = "organization_on_hold"
    DEACTIVATED = "account_deactivated"
    FIREWALL = "firewall"
    NO_ACCESS = "model_not_found"
    NO_DEPLOYMENT = "DeploymentNotFound"
    REGION = "region"
    OTHER_ENDPOINT = "other endpoint"
    # What became of a call before any response.
    REFUSED = "refused"
    DNS = "dns"
    UNREACHABLE = "unreachable"
    CONNECT_TIMEOUT = "connect_timeout"
    TLS = "tls"
    TLS_SPOKEN = "tls_spoken"
    HUNG_UP = "hung_up"
    CUT_SHORT = "cut_short"
    TOO_SLOW = "too_slow"
    STALLED = "stalled"
    TOO_BIG = "too_big"
    NOT_HTTP = "not_http"
    COMPRESSED = "compressed"
    LONG_HEADER = "long_header"
    REDIRECT = "redirect"
    PROXY_UNREACHABLE = "proxy_unreachable"
    PROXY_REFUSED = "proxy_refused"
    PROXY_KIND = "proxy_kind"
    PLAIN_HTTP = "plain_http"
    ADDRESS = "address"
    CA_BUNDLE = "ca_bundle"
    NETWORK = "network"
    KEY_SHAPE = "key_shape"
    KEY_MISSING = "key_missing"
    OTHER_VENDOR = "other_vendor"
    # What kept a call from being made.
    PROJECT = "project"
    TOKEN = "token"
    TOKEN_SERVICE = "token service"
    NO_SIGN_IN = "no sign-in"
    NO_AUDIENCE = "no audience"
    POLICY = "policy"
    FIELD = "field"
    JOURNAL = "journal"
    INTERNAL = "internal"
    CLUSTER = "cluster"


_NO_CALL = frozenset({
    FailureCode.KEY_MISSING, FailureCode.KEY_SHAPE, FailureCode.OTHER_VENDOR, FailureCode.POLICY,
    FailureCode.PLAIN_HTTP, FailureCode.ADDRESS, FailureCode.CA_BUNDLE, FailureCode.FIELD,
})  # fmt: skip
"""Codes of what is refused here, before anything is sent."""
_TIME_OUT_STATUSES = frozenset({408, 504, 524})
_TIME_OUT_CODES = frozenset({
    FailureCode.CONNECT_TIMEOUT, FailureCode.TOO_SLOW, FailureCode.STALLED,
    "timeout_error", "deadline_exceeded",
})  # fmt: skip


class CallError(Failure):
    """The request failed before the model replied (network, auth, quota); never scored.

    `code` is the server's own word for it, or a FailureCode. `limits` are the numbers of tokens
    that the server names, `parameter` the one parameter that it does not take, `command` a line
    for the shell by which somebody else can put it right.
    """

    limits: object = None
    command: str = ""

    def __init__(
        self,
        message: str,
        hint: str = "",
        *,
        label: str = "",
        model: str = "",
        status: int | None = None,
        request_id: str | None = None,
        code: str = "",
        retry_after: float | None = None,
        perhaps_answered: bool = False,
        parameter: str = "",
    ) -> None:
        self.label = escape_controls(label)
        self.model = escape_controls(model)
        self.status = status
        self.request_id = request_id and escape_controls(request_id)
        self.code = escape_controls(code)
        self.retry_after = retry_after
        self.perhaps_answered = perhaps_answered
        self.parameter = parameter
        super().__init__(message, hint)

    @property
    def timed_out(self) -> bool:
        """Whether it took too long: here, at a gateway or behind the server's own door."""
        return self.status in _TIME_OUT_STATUSES or self.code.lower() in _TIME_OUT_CODES


class Unreachable(CallError):
    """Nothing, or nothing useful, answers at the address."""


class Unauthorized(CallError):
    """The key was not accepted."""


class Forbidden(CallError):
    """The key is valid but has no right to this."""


class UnknownModel(CallError):
    """The server has no such model or deployment."""


class RateLimited(CallError):
    """Too many requests, also after waiting as asked."""


class QuotaExhausted(CallError):
    """The account has no credit or quota left; waiting does not help."""


class Overloaded(CallError):
    """The server is overloaded or had an error of its own."""


class TooLong(CallError):
    """The text is longer than the model's window."""


class BadRequest(CallError):
    """The server does not take the request as it is."""


class InternalError(Failure):
    """This package itself failed on a text: never the model's fault, never scored.

    `code` says what it was about: memory, nesting, disk, journal, cluster or internal. A rerun
    asks again.
    """

    def __init__(
        self,
        message: str,
        hint: str = "",
        *,
        label: str = "",
        model: str = "",
        code: str = "",
        perhaps_answered: bool = False,
    ) -> None:
        self.label = label
        self.model = model
        self.code = code
        self.perhaps_answered = perhaps_answered
        super().__init__(message, hint)


class ReplyError(Failure):
    """The model answered, and the reply is not a valid record."""

    scored: ClassVar[bool] = True


class Refused(ReplyError):
    """The model declined to answer."""


class Filtered(ReplyError):
    """The provider's safety filter stopped the text or the answer."""


class Truncated(ReplyError):
    """The answer reached the output limit before its end."""


class CutInput(ReplyError):
    """The server read only a part of the text; says nothing about the model, so not scored."""

    scored: ClassVar[bool] = False


class InvalidJSON(ReplyError):
    """The reply is not valid JSON."""


class InvalidRecord(ReplyError):
    """The answer is JSON that the user's schema refuses; scored field by field."""


class NotAsked(Failure):
    """The model was not asked."""


class Stopped(NotAsked):
    """The run was stopped before this text's turn, or during it."""


class OverBudget(NotAsked):
    """The next call could cost more than what is left of the budget."""


FAILURES: dict[str, type[Failure]] = {
    each.__name__: each
    for each in (
        Refused, Filtered, Truncated, CutInput, InvalidJSON, InvalidRecord,
        Unreachable, Unauthorized, Forbidden, UnknownModel, RateLimited, QuotaExhausted,
        Overloaded, TooLong, BadRequest, InternalError, Stopped, OverBudget,
    )
}  # fmt: skip
"""Every class an extraction can end in besides `ok`, by name, in the order tables show them."""


def no_such_name(
    owner: str, name: str, known: Iterable[str], meant: Mapping[str, str]
) -> AttributeError:
    """The error for a name that an object does not have, with the one that was probably meant.

    `meant` has what people guess, each with what to write instead.

    >>> str(no_such_name("llmwidgets", "Stor", ["Store"], {}))
    'llmwidgets has no Stor. The nearest is Store.'
    """
    near = get_close_matches(name, [each for each in known if each[:1] != "_"], n=1, cutoff=0.6)
    hint = f" The nearest is {near[0]}." if near else ""
    if name in meant:
        hint = f" {meant[name]}"
    return AttributeError(f"{owner} has no {name}.{hint}", name=name)


_T = TypeVar("_T")


def unpicklable(why: str) -> Callable[[type[_T]], type[_T]]:
    """Decorates what is joined to this process or to a secret: its copy is itself.

    `why` is what a pickle is answered with, and says what to do.
    """

    def copy_itself(self: _T, memo: object = None) -> _T:
        return self

    def refuse(self: _T, protocol: object) -> NoReturn:
        raise TypeError(why)

    def decorate(kind: type[_T]) -> type[_T]:
        for name, method in (
            ("__copy__", copy_itself), ("__deepcopy__", copy_itself), ("__reduce_ex__", refuse),
        ):  # fmt: skip
            setattr(kind, name, method)
        return kind

    return decorate


def name_methods(kind: type[_T]) -> type[_T]:
    """Decorates a class with methods that other modules wrote: a wrong call names the method."""
    for name, method in vars(kind).items():
        if isinstance(method, FunctionType) and method.__module__ != kind.__module__:
            method.__qualname__ = f"{kind.__name__}.{name}"
    return kind
