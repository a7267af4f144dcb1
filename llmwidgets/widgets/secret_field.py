"""SecretField: a key on its way between the page and a Secret; no trait, message or log has it.

The page empties its input in the tick in which it reads it, then sends
`{type: "secret.typed", field, sealed}`, or `form.secret` for a field of a form, with the bytes in
binary buffers only. Where the browser has
`crypto.subtle` (https, or this computer) the buffers are an AES-256-GCM key wrapped with
RSA-OAEP to the key of this kernel, a nonce, and the sealed bytes; elsewhere the bytes as typed,
and the form says so. What the kernel made and the user has to see once (proposed words, a recovery
identity) goes the other way in the same form, sealed to a key that one view made.
"""

from __future__ import annotations

import asyncio
import base64
import codecs
import os
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any, Literal, NotRequired, TypedDict

from llmwidgets.errors import FieldError
from llmwidgets.secret import Opened, Secret, decode_secret
from llmwidgets.widgets.panel import Content, Page

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey


MOST_BYTES = 64 * 1024
_MARKS = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_RSA_BITS = 2048
_generating = threading.Lock()


class SecretState(TypedDict):
    """What the page may know of a secret."""

    state: Literal["empty", "received", "stored"]
    tail: NotRequired[str]
    reference: NotRequired[str | None]
    replaces: NotRequired[bool]


@dataclass(frozen=True, slots=True)
class SecretField:
    """What a form knows of one secret: the value stored, the value received since, or neither."""

    stored: Secret | None = None
    received: Secret | None = None

    @property
    def secret(self) -> Secret | None:
        """The value that the connection will have."""
        return self.received or self.stored

    def view(self, *, told: bool = True) -> SecretState:
        """The state, and the last four characters or the reference.

        `told=False` leaves the characters out, where the end of a value says nothing (a file).
        """
        if self.secret is None:
            return {"state": "empty"}
        return {
            "state": "received" if self.received else "stored",
            "tail": self.secret.tail if told else "",
            "reference": self.secret.reference,
            "replaces": bool(self.received and self.stored),
        }


class SecretInbox:
    """Takes the secrets that the page sends for an action of the store, until it takes them."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self._typed: dict[str, Secret] = {}

    def take(self, field: str) -> Secret | None:
        """What was typed into a field just before, once."""
        return self._typed.pop(field, None)

    def clear(self) -> None:
        """Forget what no action has taken."""
        self._typed.clear()

    async def act_sealing(self, _content: Content) -> None:
        """A page that can seal asks for the kernel's public key."""
        self._page.send({"type": "sealing", "spki": await public_key()})

    async def act_typed(self, content: Content) -> None:
        """A secret arrives for the action that follows it."""
        self._typed[str(content.get("field"))] = open_secret(content, content["buffers"])

    async def act_failed(self, content: Content) -> None:
        """Something failed in the page before the secret could be sent."""
        if content.get("name") == "TooLarge":
            raise FieldError("The file is larger than 64 kB, so it is not a key.")
        raise FieldError(
            "The page could not seal the value; nothing was sent.",
            "Reload the page and type it again.",
        )


async def public_key() -> str:
    """The kernel's public key (SPKI, base64); made once a process, off the calling thread."""
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    public = (await asyncio.to_thread(_private_key)).public_key()
    der = public.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return base64.b64encode(der).decode()


def open_secret(content: Mapping[str, Any], buffers: Sequence[memoryview]) -> Secret:
    """The Secret in a message of the page; FieldError for one that cannot be opened."""
    opened, wrong = None, ""
    if content.get("sealed") and len(buffers) == 3:
        opened, wrong = _unsealed(str(content.get("field", "")), buffers)
    elif not content.get("sealed") and len(buffers) == 1 and len(buffers[0]) <= MOST_BYTES:
        opened, wrong = _text(buffers[0])
    if opened is not None:
        return Secret(opened())
    if wrong:
        raise FieldError(f"The value {wrong}.", "Save the file as UTF-8, or paste what is in it.")
    raise FieldError(
        "The value did not arrive whole.", "Run the cell again, then type or paste it again."
    )


def shown_to(spki: str, field: str, secret: Secret) -> list[memoryview]:
    """The buffers that show a secret to the view whose public key this is; plain without a key."""
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM
    from cryptography.hazmat.primitives.serialization import load_der_public_key

    if not spki:
        return [memoryview(secret.reveal().encode("utf-8", "replace"))]
    public = load_der_public_key(base64.b64decode(spki))
    if not isinstance(public, RSAPublicKey) or public.key_size < _RSA_BITS:
        raise FieldError("The page's key cannot seal.", "Reload the page.")
    once, nonce = AESGCM.generate_key(256), os.urandom(12)
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    sealed = AESGCM(once).encrypt(
        nonce, secret.reveal().encode("utf-8", "replace"), field.encode("utf-8", "replace")
    )
    return [memoryview(each) for each in (public.encrypt(once, oaep), nonce, sealed)]


def _text(content: memoryview) -> Opened:
    """What was typed, whatever its characters, or the text of a chosen file, UTF-16 as well."""
    if bytes(content[:2]) in _MARKS:
        return decode_secret(content) if len(content) > 2 else (None, "")
    try:
        str(content, "utf-8")
    except UnicodeDecodeError:
        return None, "is not text in UTF-8 or UTF-16"
    return lambda: str(content, "utf-8"), ""


def _unsealed(field: str, buffers: Sequence[memoryview]) -> Opened:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.asymmetric import padding
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    wrapped, nonce, sealed = (bytes(each) for each in buffers)
    oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
    if len(sealed) > MOST_BYTES + 16:
        return None, ""
    name = field.encode("utf-8", "replace")
    try:
        cipher = AESGCM(_private_key().decrypt(wrapped, oaep))
        return _text(memoryview(cipher.decrypt(nonce, sealed, name)))
    except (InvalidTag, ValueError):
        return None, ""


def _private_key() -> RSAPrivateKey:
    with _generating:
        return _generate_key()


@cache
def _generate_key() -> RSAPrivateKey:
    from cryptography.hazmat.primitives.asymmetric import rsa

    return rsa.generate_private_key(public_exponent=65537, key_size=_RSA_BITS)
