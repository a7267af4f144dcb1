"""Secret: a value that can be sent and sealed, but not shown; and the redaction of texts."""

from __future__ import annotations

import base64
import codecs
import json
import os
import re
import stat
import weakref
from collections import deque
from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler
from pydantic_core import core_schema

from llmwidgets.errors import FieldError, LLMWidgetsError, unpicklable

_MASK = "••••"
_PUBLIC_PARTS = frozenset({"type", "project_id", "quota_project_id"})
_SIGNED = "bedrock-api-key-"
_SIGNED_PARTS = {
    "made": re.compile(rb"[?&]X-Amz-Date=(\d{8}T\d{6}Z)(?:&|$)"),
    "seconds": re.compile(rb"[?&]X-Amz-Expires=(\d{1,7})(?:&|$)"),
    "region": re.compile(rb"[?&]X-Amz-Credential=[^&]{1,200}?%2F\d{8}%2F([a-z0-9-]{4,30})%2F"),
}
"""What a short-term key of Amazon Bedrock says of itself: it is a signed address in base64."""
# A WeakKeyDictionary by hand, whose entries go without a step of Python: a store that is opened
# makes its Secrets anew, and drops those of the revision before.
_openers: dict[weakref.ref[Secret], Callable[[], str]] = {}
_drop = _openers.pop
_SALT = os.urandom(16).hex()
_unopened: weakref.WeakSet[Iterable[object]] = weakref.WeakSet()


@unpicklable("A Secret cannot be pickled; save the connection in a store instead.")
class Secret:
    """A key, token or passphrase that no repr, pickle, comparison or traceback shows.

    The value lives in a closure outside the object, so `vars`, `__slots__` and a debugger's list
    of locals have nothing to print. `reveal` is called where a key is sent, sealed, searched for or
    handed out, in the files that `tests/project/test_project.py` lists.

    A text that starts with `env:` or `file:` is a reference: it is looked up at each use, and
    it is the reference that a store keeps. With `literal` it is a value all the same: what comes
    from elsewhere names no file to be sent. Blanks, quotes and line ends around a value are cut.

    >>> Secret("made-up-key-0001")
    Secret(ends in 0001)
    >>> Secret("env:OPENAI_API_KEY").reference
    'env:OPENAI_API_KEY'
    """

    __slots__ = ("__weakref__", "reference")

    reference: str | None
    """`env:NAME` or `file:PATH` where the value is looked up at use; None for a value itself."""

    def __init__(self, value: str, *, literal: bool = False) -> None:
        self.reference = None
        if not issubclass(type(value), str):
            del value  # it may be the key all the same, as bytes say, and appear in a traceback
            message = "A Secret is made from a text."
            raise TypeError(message)
        if value.startswith(("env:", "file:")) and not literal:
            self.reference = value
            _openers[weakref.ref(self, _drop)] = lambda: _look_up(value)
            return
        _openers[weakref.ref(self, _drop)] = partial(_strip, value)

    def reveal(self) -> str:
        """The value itself; FieldError if a reference leads nowhere. Never bind it to a name."""
        return _openers[weakref.ref(self)]()

    @property
    def tail(self) -> str:
        """The last four characters, to tell two keys apart; empty for a short value."""
        try:
            return self.reveal()[-4:] if len(self.reveal()) >= 12 else ""
        except FieldError:
            return ""

    @property
    def has_scheme(self) -> bool:
        """Whether a blank parts the value in two, as in `Basic …` or `Bearer …`."""
        try:
            return " " in self.reveal()
        except FieldError:
            return False

    def is_same_as(self, other: Secret) -> bool:
        """Whether both are one value, or one reference; `==` never compares them."""
        if self.reference or other.reference:
            return self.reference == other.reference
        return self.reveal() == other.reveal()

    @property
    def fingerprint(self) -> int:
        """A number that is another one once a reference leads to another value.

        It says nothing outside of this process; 0 if a reference leads nowhere.
        """
        try:
            # The hashes of workers of Dask can be counted out: all have the same seed.
            return hash(_SALT + self.reveal())
        except FieldError:
            return 0

    def begins(self, prefix: str) -> bool:
        """Whether the value starts with this public prefix, as a kind of key does."""
        try:
            return self.reveal().startswith(prefix)
        except FieldError:
            return False

    def public_part(self, name: str) -> str:
        """A part of a JSON credential that is not secret (`project_id`, say); else empty."""
        if name not in _PUBLIC_PARTS:
            message = f"{name} is not a public part of a credential."
            raise ValueError(message)
        try:
            return _part(json.loads(self.reveal()), name)
        except (FieldError, ValueError, RecursionError):
            return ""

    def signed_part(self, name: str) -> str:
        """When a signed key was `made`, for how many `seconds` and for which `region`; else empty.

        A key that is not a signed address says nothing of the kind.
        """
        pattern = _SIGNED_PARTS[name]
        if not self.begins(_SIGNED):
            return ""
        try:
            found = pattern.search(base64.b64decode(self.reveal()[len(_SIGNED) :] + "=="))
        except (FieldError, ValueError):
            return ""
        return found[1].decode() if found else ""

    def as_key(self, *, scheme: bool = False) -> Secret:
        """The same secret, of which a key field takes the key alone.

        Cut is what a copied line has around it: `export NAME=`, `Authorization: Bearer`, quotes,
        a comma; with `scheme` the word Bearer stays. A reference is cut at each use.

        >>> Secret('OPENAI_API_KEY="made-up-key-0001",').as_key()
        Secret(ends in 0001)
        """
        opener = _openers[weakref.ref(self)]
        if isinstance(opener, partial) and opener.func in _OPEN_KEY:
            return self
        made = Secret("")
        made.reference = self.reference
        _openers[weakref.ref(made, _drop)] = (
            partial(_look_up_key, self, scheme)
            if self.reference
            else partial(_kept_key, self, _cut_key(self.reveal(), scheme))
        )
        return made

    @property
    def is_cut_out(self) -> bool:
        """Whether `as_key` left out something around the key."""
        opener = _openers[weakref.ref(self)]
        if not isinstance(opener, partial) or opener.func not in _OPEN_KEY:
            return False
        try:
            return bool(opener.args[0].reveal() != self.reveal())
        except FieldError:
            return False

    def __bool__(self) -> bool:
        return bool(self.reference) or bool(self.reveal())

    def __repr__(self) -> str:
        # Of a refused value, a verbose traceback shows what never came to be.
        if weakref.ref(self) not in _openers:
            return "Secret()"
        if self.reference:
            return f"Secret({mask_if_key(self.reference)})"
        return f"Secret(ends in {self.tail})" if self.tail else "Secret()"

    __str__ = __repr__

    def __format__(self, spec: str) -> str:
        return format(repr(self), spec)

    @classmethod
    def __get_pydantic_core_schema__(
        cls, source: Any, handler: GetCoreSchemaHandler
    ) -> core_schema.CoreSchema:
        # Anything but a str or a Secret is refused by type alone: pydantic keeps the input of a
        # failed check in `errors()`, so a value must be wrapped before it can fail.
        return core_schema.no_info_plain_validator_function(
            _wrap, serialization=core_schema.plain_serializer_function_ser_schema(repr)
        )

    @classmethod
    def __get_pydantic_json_schema__(
        cls, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"type": "string", "format": "password", "writeOnly": True}


def _wrap(value: object) -> Secret:
    if isinstance(value, Secret):
        return value
    if isinstance(value, str):
        return Secret(value)
    message = "is not a text"
    raise ValueError(message)


_UNSEEN = "\ufeff\u200b"
"""What editors and web pages leave at the ends of a text, and `strip` does not know."""


def _strip(value: str) -> str:
    bare = value.strip().strip(_UNSEEN).strip()
    if len(bare) >= 2 and bare[0] == bare[-1] and bare[0] in "\"'":
        return bare[1:-1].strip()
    return bare


_KEY_NAME = r"[A-Za-z_$][\w$:.-]*(?:key|token)"
_BEFORE_KEY = re.compile(
    r"(?:(?:!?export|setx?|%(?:set_)?env|ENV|-e|--env|-)\s+)?[\"'`]*(?:os\.environ\[\s*[\"'])?"
    rf"(?:{_KEY_NAME}|key|token)[\"'`]*(?:\s*\])?\s*:?=\s*"
    r"|(?:(?:-H|--header)[\s=]*)?[\"'`]*"
    r"(?:(?:proxy-)?authorization|(?:x-)?(?:goog-)?api[-_ ]?key|(?:ocp-apim-)?subscription-key)"
    r"[\"'`]*\s*[:=]\s*"
    rf"|(?:-\s+)?[\"'`]*(?:{_KEY_NAME}|key|token)(?:[\"'`]+\s*:|:\s)\s*"
    rf"|(?:setx|%(?:set_)?env|ENV)\s+{_KEY_NAME}\s+|--(?:[\w-]*-)?(?:key|token)[\s=]+",
    re.IGNORECASE,
)
"""A name and what parts it from its key: in shells, magics, headers, settings and code."""
_SCHEME = re.compile(r"(?:bearer(?:\s*:\s*|\s+)|(?:token|api-key):?\s+)", re.IGNORECASE)
_CALLED = re.compile(
    r"(?:\$?\s*curl\s|[\w\s.=]{0,80}\().{0,4000}?\b(?:authorization|api[-_]?key)[\"']?\s*[:=]"
    r"\s*[\"']?(?:(?:bearer|token)\s+)?([\w.+/=-]{8,})",
    re.IGNORECASE | re.DOTALL,
)
"""A whole command or call, with the key as one of its arguments."""
_UNSEEN_IN_KEY = dict.fromkeys(
    [0xAD, *range(0x200B, 0x2010), *range(0x202A, 0x202F), *range(0x2060, 0x2070), 0xFEFF]
)
_QUOTES = "\"'`\u2018\u2019\u201c\u201d\u201e\u00ab\u00bb"


def _look_up_key(secret: Secret, scheme: bool) -> str:
    return _cut_key(secret.reveal(), scheme)


def _kept_key(_: Secret, key: str) -> str:
    """The key as it was cut once: it is revealed for each call."""
    return key


_OPEN_KEY = (_look_up_key, _kept_key)


def _cut_key(value: str, scheme: bool) -> str:
    """The key in a copied line; a value that begins with { is JSON and stays whole."""
    rest = value.translate(_UNSEEN_IN_KEY)
    if called := _CALLED.match(rest.strip()):
        return f"Bearer {called[1]}" if scheme else called[1]
    while not rest.startswith("{"):
        rest = rest.strip().rstrip(",;\\").strip(_QUOTES).strip()
        found = _BEFORE_KEY.match(rest) or (None if scheme else _SCHEME.match(rest))
        # A key can end in = itself, behind what reads as a name.
        if found is None or not any(letter.isalnum() for letter in rest[found.end() :]):
            break
        rest = re.sub(r"\s+#.*$", "", rest[found.end() :])
    return " ".join(rest.split()) if scheme else rest


def _part(value: Any, name: str) -> str:
    part = value.get(name) if isinstance(value, dict) else None
    return part if isinstance(part, str) else ""


def _look_up(reference: str) -> str:
    source, _, name = reference.partition(":")
    opened, wrong = _variable(name) if source == "env" else _file(name)
    if opened is not None:
        return opened()
    if source == "env":
        where = "in the environment (for a notebook: before Jupyter starts)"
        hint = f"Set {mask_if_key(name)} {where}, or type the key."
        raise FieldError(f"The variable {mask_if_key(name)} {wrong}.", hint)
    if wrong == ABSENT:
        raise FieldError(f"There is no file {mask_if_key(name)}.", "Check the path after file:.")
    hint = "Put only the key into the file, as text in UTF-8, or name another file."
    raise FieldError(f"The file {mask_if_key(name)} {wrong}.", hint)


def _variable(name: str) -> Opened:
    if name not in os.environ:
        return None, "is not set"
    if not os.environ[name].isascii() and any(
        "\ud800" <= letter <= "\udfff" for letter in os.environ[name]
    ):
        return None, "is not text in UTF-8"
    return _value(lambda: os.environ.get(name, ""))


def _file(name: str) -> Opened:
    try:
        path = Path(name).expanduser()
    except RuntimeError:
        return None, "is in the home folder of an unknown user"
    opened, wrong = read_secret_file(path)
    return (None, wrong) if opened is None else _value(opened)


def _value(opened: Callable[[], str]) -> Opened:
    """The one value that a text holds: a line, or JSON of as many as it likes."""
    if not _strip(opened()):
        return None, "is empty"
    if not _strip(opened()).startswith("{") and len(_strip(opened()).splitlines()) > 1:
        return None, "has several lines, but a key is a single line"
    return lambda: _strip(opened()), ""


class KeyShape(NamedTuple):
    """How the keys of one service look: their start, which is public, and the rest of a whole one.

    `rest` is a regular expression.
    """

    issuer: str
    start: str
    rest: str


KEY_SHAPES = (
    KeyShape("OpenRouter", "sk-or-", r"v1-[0-9A-Za-z]{32,128}"),
    KeyShape("Hugging Face", "hf_", r"[A-Za-z0-9]{30,80}"),
    KeyShape("Hugging Face", "api_org_", r"[A-Za-z0-9]{30,80}"),
    KeyShape("Groq", "gsk_", r"[A-Za-z0-9]{20,80}"),
    KeyShape("xAI", "xai-", r"[A-Za-z0-9]{20,120}"),
    KeyShape("Fireworks AI", "fw_", r"[A-Za-z0-9]{20,64}"),
    KeyShape("Cerebras", "csk-", r"[A-Za-z0-9]{20,80}"),
    KeyShape("Databricks", "dapi", r"[0-9a-f]{32}(?:-[0-9])?"),
    KeyShape("Replicate", "r8_", r"[A-Za-z0-9]{30,60}"),
    KeyShape("Together AI", "tgp_v1_", r"[A-Za-z0-9_-]{30,80}"),
    KeyShape("Perplexity", "pplx-", r"[A-Za-z0-9]{30,80}"),
    KeyShape("NVIDIA", "nvapi-", r"[A-Za-z0-9_-]{40,100}"),
    KeyShape("GitHub", "github_pat_", r"[A-Za-z0-9_]{50,100}"),
    *(KeyShape("GitHub", f"gh{kind}_", r"[A-Za-z0-9]{36,255}") for kind in "pousr"),
    KeyShape("Google", "ya29.", r"[A-Za-z0-9_.-]{30,2048}"),
)
"""The keys of services that are not a kind of connection; a kind's own are in its file.

Files are searched by them, and texts from elsewhere masked. Mistral, Cohere and the older Azure
keys have no shape of their own: they are found by their name.
"""
BEDROCK_SHAPES = (
    KeyShape("Amazon Bedrock", "ABSK", r"[A-Za-z0-9+/]{60,200}={0,2}"),
    KeyShape("Amazon Bedrock", _SIGNED, r"[A-Za-z0-9+/]{60,4000}={0,2}"),
)
"""Those of a kind that no shorter pattern below tells: the lasting keys, and the signed ones."""
_SHAPED = (*KEY_SHAPES, *BEDROCK_SHAPES)
_WHOLE = "|".join(rf"\b{re.escape(shape.start)}{shape.rest}" for shape in _SHAPED)
_HALF = "|".join(re.escape(shape.start) for shape in _SHAPED)

_KEY_LIKE = re.compile(
    r"(?:\bsk-|\bAQ\.|\bAIza|\bhf_|\bya29\.|\bgsk_|\bxai-|\beyJ|AGE-SECRET-KEY-1)"
    r"(?=[A-Za-z_.-]{0,99}\d)[A-Za-z0-9_.-]{13,}"
    rf"|{_WHOLE}"
)


def looks_like_key(text: str, *secrets: Secret) -> bool:
    """Whether a text that names something (a model, say) has a key in it.

    By its shape, or because it is one of these secrets.
    """
    return bool(_KEY_LIKE.search(text)) or any(_is_in(text, each) for each in secrets)


def refuse_key(place: str, text: str, *secrets: Secret) -> None:
    """FieldError for a key in place of a name; it does not repeat the name."""
    if not looks_like_key(text, *secrets):
        return
    del text
    raise FieldError(
        {place: f"{A_KEY}, so it is not repeated here."},
        "Give a key only in the key field of its connection.",
    )


A_KEY = "contains what looks like a key"


def _is_in(text: str, secret: Secret) -> bool:
    try:
        return len(secret.reveal()) >= _SHORTEST_NAMED and secret.reveal() in text
    except FieldError:
        return False


def mask_if_key(text: str) -> str:
    """A name to be shown: masked if a key was put in its place by mistake."""
    return _MASK if looks_like_key(text) else text


_SHAPES = re.compile(
    r"(?i:bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}"
    r"|\bsk-[A-Za-z0-9_*-]{6,}"
    r"|\bAQ\.[A-Za-z0-9_-]{8,}"
    r"|\bAIza[A-Za-z0-9_-]{8,}"
    r"|\bhf_[A-Za-z0-9]{8,}"
    r"|\bya29\.[A-Za-z0-9_-]{8,}"
    r"|(?<![A-Za-z0-9_-])(?=[A-Za-z0-9_-]++\.)[A-Za-z0-9_-]*?\beyJ[A-Za-z0-9_-]{10,}+\.[A-Za-z0-9_.-]+"
    r"|AGE-SECRET-KEY-1[A-Z0-9]+"
    rf"|{_WHOLE}|\b(?:{_HALF})[A-Za-z0-9_-]{{0,40}}\*[A-Za-z0-9_*-]*"
    r"|-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?(?:-----END [A-Z ]*PRIVATE KEY-----|$)"
)
_PASSWORD_IN_URL = re.compile(r"(?<=://)[^/\s:@]+:[^/\s@]+(?=@)")


def open_before_redacting(secrets: Iterable[object]) -> None:
    """Iterate over these before redacting: they make their Secrets only when asked for them.

    They are held weakly.
    """
    _unopened.add(secrets)


def redact(text: str) -> str:
    """The text with every live secret and everything shaped like a key masked.

    For words that come from elsewhere (a provider's error, a log line) before they are shown.
    All places are found in the text as it came: a mask put in early would hide where a longer
    key begins or ends.
    """
    for secrets in list(_unopened):
        with suppress(LLMWidgetsError):
            deque(secrets, maxlen=0)
    places = [found.span() for shape in _SHAPES_OF_SECRETS for found in shape.finditer(text)]
    for opener in list(_openers.values()):
        places += _places(text, opener)
    kept: list[str] = []
    at = 0
    for start, end in sorted(places):
        if start > at or not kept:
            kept += [text[at:start], _MASK]
        at = max(at, end)
    return "".join([*kept, text[at:]])


_SHAPES_OF_SECRETS = (_SHAPES, _PASSWORD_IN_URL)
_SHORTEST_MASKED = 6
_SHORTEST_NAMED = 16
"""Shorter secrets (`ollama`, say) can be a part of a model's name."""


def _places(text: str, opener: Callable[[], str]) -> list[tuple[int, int]]:
    try:
        length = len(opener())
        if length < _SHORTEST_MASKED:
            return []
        found: list[tuple[int, int]] = []
        start = text.find(opener())
        while start >= 0:
            found.append((start, start + length))
            start = text.find(opener(), start + 1)
    except FieldError:
        return []
    return found


# -- Secret files: a user's file with a key, read as text, or refused without a byte of it.
#
# Nothing here raises with the content in reach: what was read comes back closed, in a function that
# gives it, and what is wrong comes back as the end of a sentence. No exception of a decoder is ever
# made, since that would carry the whole content along.

LARGEST = 1 << 20
"""Bytes; a file with a key is small, and a larger one is something else."""

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


def read_secret_file(
    path: Path, distrust: Callable[[os.stat_result], str] = lambda _status: ""
) -> Opened:
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
        return (None, wrong) if wrong else decode_secret(memoryview(_all(descriptor)))
    except OSError as error:
        return None, f"cannot be read ({(error.strerror or type(error).__name__).lower()})"
    finally:
        os.close(descriptor)


def decode_secret(content: memoryview) -> Opened:
    """The text in the bytes of a file, closed: UTF-8 or UTF-16, with a mark in front or without."""
    mark, encoding = next(
        (each for each in _MARKS if bytes(content[: len(each[0])]) == each[0]), (b"", None)
    )
    encoding = _unmarked(content) if encoding is None else encoding
    if not encoding or not _fits(content[len(mark) :], encoding):
        return None, _NOT_TEXT
    return lambda: str(content[len(mark) :], encoding), ""


def _unmarked(content: memoryview) -> str:
    """UTF-16 has a zero next to each letter of a key; all else is read as UTF-8."""
    if not len(content) or len(content) % 2:
        return "utf-8"
    even, odd = bytes(content[::2]), bytes(content[1::2])
    if not any(odd) and all(even):
        return "utf-16-le"
    return "utf-16-be" if not any(even) and all(odd) else "utf-8"


def _fits(content: memoryview, encoding: str) -> bool:
    """Whether the bytes are text of this encoding, without zeros."""
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
    # Files of /proc report no size.
    with os.fdopen(descriptor, "rb", closefd=False) as file:
        return file.read(LARGEST)
