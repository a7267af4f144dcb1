"""Seals bytes and opens them again: strict age v1 with X25519 and scrypt, and the writer's tag.

The only importer of `cryptography` among the connections. No frame here binds key or plaintext
to a name that a traceback could print: keys stay in opaque objects, plaintexts and derived keys
travel as `memoryview`, whose repr shows an address alone.
"""

from __future__ import annotations

import base64
import hmac
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import lru_cache

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers.aead import ChaCha20Poly1305
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF
from cryptography.hazmat.primitives.kdf.scrypt import Scrypt

from llmwidgets.errors import DamagedStore, FieldError, StoreError, StoreLocked, WrongPassphrase
from llmwidgets.secret import Secret

WORK_FACTOR = 17
"""scrypt's log2(N) when writing: about 0.35 s and 129 MB, OWASP's minimum."""
LARGEST_WORK_FACTOR = 20
"""Above it a file is not read: whoever wrote it chooses what opening costs, here over 1 GB."""

_CHUNK = 64 * 1024
_TAG = 16
_NONCE = bytes(12)  # a wrapping key is used once, so age fixes its nonce at zero
_MOST_SHARED = 64
_X25519 = "X25519"
_SCRYPT = "scrypt"


@dataclass(frozen=True, slots=True, eq=False)
class Identity:
    """The key that opens a store; `recipient` is its public half, `age1…`."""

    secret: Secret = field(repr=False)
    recipient: str
    key: X25519PrivateKey = field(repr=False)  # opaque: it has no repr and cannot be pickled
    # An exchange is the most expensive step of reading a file, and a store's writers are few.
    # What is kept here ends with the identity, when the store is locked.
    _shared: dict[str, memoryview] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def generate(cls) -> Identity:
        """A new identity from the system's random source."""
        key = X25519PrivateKey.generate()
        return cls(
            Secret(bech32_encode("age-secret-key-", key.private_bytes_raw()).upper()),
            _recipient(key.public_key()),
            key,
        )

    @classmethod
    def parse(cls, secret: Secret) -> Identity:
        """The identity spelled `AGE-SECRET-KEY-1…`; FieldError if it is not one."""
        key = _private_key(secret.reveal())
        if key is None:
            raise FieldError(
                "This is not an age identity.",
                "It starts with AGE-SECRET-KEY-1 and has 74 characters.",
            )
        return cls(secret, _recipient(key.public_key()), key)

    def tag(self, message: memoryview) -> str:
        """A code in hex that only a holder of this identity can make for the message."""
        own, purpose = memoryview(self.key.private_bytes_raw()), b"llmwidgets/store/v1/writer"
        return hmac.digest(bytes(_derived(own, b"", purpose)), message, "sha256").hex()

    def key_shared_with(self, recipient: str, purpose: bytes) -> memoryview | None:
        """A key that only this identity and the holder of the recipient can work out."""
        shared = self._shared.get(recipient)
        if shared is None:
            raw = read_recipient(recipient)
            shared = None if raw is None else _exchanged(self.key, raw)
            if shared is None:
                return None
            if len(self._shared) < _MOST_SHARED:  # whoever writes a file chooses the names in it
                self._shared[recipient] = shared
        return _derived(shared, b"", purpose)

    def give(self, take: Callable[[str], object]) -> None:
        """Hand the spelled identity to what the user chose to remember it in."""
        take(self.secret.reveal())


def encrypt(plaintext: memoryview, recipients: Sequence[str]) -> bytes:
    """An age file that each of the recipients can open; FieldError for no recipient's name."""
    file_key = memoryview(os.urandom(16))
    return _sealed(plaintext, file_key, [_wrap(file_key, each) for each in recipients])


def decrypt(data: bytes, identities: Sequence[Identity]) -> memoryview:
    """The plaintext of an age file.

    StoreLocked if none of the identities opens it, DamagedStore if it breaks a rule.
    """
    header = read_header(data)
    shares = [_share(stanza) for stanza in header.stanzas if stanza.kind == _X25519]
    for identity in identities:
        for share, body in shares:
            file_key = _unwrap(share, body, identity)
            if file_key is not None:
                return _opened(header, file_key)
    message = "The file is not sealed to this identity."
    raise StoreLocked(message)


def encrypt_passphrase(
    plaintext: memoryview, passphrase: Secret, *, work_factor: int = WORK_FACTOR
) -> bytes:
    """An age file that the passphrase opens."""
    file_key, salt = memoryview(os.urandom(16)), os.urandom(16)
    body = ChaCha20Poly1305(_stretched(passphrase, salt, work_factor)).encrypt(
        _NONCE, file_key, None
    )
    arguments = (padless(salt).decode("ascii"), str(work_factor))
    return _sealed(plaintext, file_key, [Stanza(_SCRYPT, arguments, body)])


def decrypt_passphrase(data: bytes, passphrase: Secret) -> memoryview:
    """The plaintext of an age file sealed by a passphrase.

    WrongPassphrase if it does not open it, StoreLocked if no passphrase opens the file,
    DamagedStore if it breaks a rule or asks for more than 1 GB of memory.
    """
    header = read_header(data)
    if not header.takes_passphrase:
        message = "The file is not sealed by a passphrase."
        raise StoreLocked(message)
    salt, factor, body = _cost(header.stanzas[0])
    file_key = _unwrapped(_stretched(passphrase, salt, factor), body)
    if file_key is None:
        message = "The passphrase does not open the store."
        raise WrongPassphrase(message, "Check Caps Lock and the keyboard's language.")
    return _opened(header, file_key)


def wrap_identity(identity: Identity, passphrase: Secret) -> bytes:
    """An `identity.age`: the identity as `age-keygen` writes it, sealed by the passphrase."""
    first = f"# public key: {identity.recipient}\n"
    return encrypt_passphrase(
        memoryview(f"{first}{identity.secret.reveal()}\n".encode("ascii")),
        passphrase,
        work_factor=WORK_FACTOR,
    )


def _private_key(text: str) -> X25519PrivateKey | None:
    raw = bech32_decode("age-secret-key-", text)
    if raw is None or len(raw) != 32 or not text.isupper():
        return None
    return X25519PrivateKey.from_private_bytes(raw)


def _recipient(key: X25519PublicKey) -> str:
    return bech32_encode("age", key.public_bytes_raw())


@lru_cache(maxsize=256)
def read_recipient(recipient: str) -> bytes | None:
    """The public key that a recipient, `age1…`, spells; None for any other text."""
    raw = bech32_decode("age", recipient)
    return raw if raw is not None and len(raw) == 32 else None


def _derived(key: memoryview, salt: bytes, info: bytes) -> memoryview:
    return memoryview(HKDF(SHA256(), 32, salt, info).derive(key))


def _wrap(file_key: memoryview, recipient: str) -> Stanza:
    raw = read_recipient(recipient)
    if raw is None:
        raise FieldError({"recipient": "is not an age recipient."}, "It starts with age1.")
    once = X25519PrivateKey.generate()
    share = once.public_key().public_bytes_raw()
    shared = memoryview(once.exchange(X25519PublicKey.from_public_bytes(raw)))
    wrapping = _derived(shared, share + raw, b"age-encryption.org/v1/X25519")
    body = ChaCha20Poly1305(wrapping).encrypt(_NONCE, file_key, None)
    return Stanza(_X25519, (padless(share).decode("ascii"),), body)


def _share(stanza: Stanza) -> tuple[bytes, bytes]:
    share = unpadded("".join(stanza.arguments).encode("ascii"))
    if len(stanza.arguments) != 1 or share is None or len(share) != 32 or len(stanza.body) != 32:
        message = "A recipient in the file's header is not as age spells it."
        raise DamagedStore(message)
    return share, stanza.body


def _unwrap(share: bytes, body: bytes, identity: Identity) -> memoryview | None:
    shared = _exchanged(identity.key, share)
    if shared is None:
        message = "A recipient in the file's header is a point that age forbids."
        raise DamagedStore(message)
    salt = share + identity.key.public_key().public_bytes_raw()
    return _unwrapped(_derived(shared, salt, b"age-encryption.org/v1/X25519"), body)


def _exchanged(key: X25519PrivateKey, share: bytes) -> memoryview | None:
    try:
        return memoryview(key.exchange(X25519PublicKey.from_public_bytes(share)))
    except ValueError:  # a point of low order: the shared key would be zero
        return None


def _unwrapped(wrapping: memoryview, body: bytes) -> memoryview | None:
    with suppress(InvalidTag):
        return memoryview(ChaCha20Poly1305(wrapping).decrypt(_NONCE, body, None))
    return None


def _cost(stanza: Stanza) -> tuple[bytes, int, bytes]:
    salt, factor = (*stanza.arguments, "", "")[:2]
    raw = unpadded(salt.encode("ascii"))
    spelled = re.fullmatch(r"[1-9][0-9]{0,8}", factor)
    if len(stanza.arguments) != 2 or raw is None or len(raw) != 16 or not spelled:
        message = "The passphrase's line in the file's header is not as age spells it."
        raise DamagedStore(message)
    if len(stanza.body) != 32:
        message = "The key in the file's header has not the length age gives it."
        raise DamagedStore(message)
    if int(factor) > LARGEST_WORK_FACTOR:
        needed = f"2^{int(factor) - 20} GB" if int(factor) > 30 else f"{2 ** (int(factor) - 20)} GB"
        message = f"Opening the file would take {needed} of memory; the limit is 1 GB."
        raise DamagedStore(message, "Seal the identity again with a work factor of 20 or less.")
    return raw, int(factor), stanza.body


def _stretched(passphrase: Secret, salt: bytes, factor: int) -> memoryview:
    salt = b"age-encryption.org/v1/scrypt" + salt
    with suppress(MemoryError):
        return memoryview(
            Scrypt(salt, 32, 2**factor, 8, 1).derive(passphrase.reveal().encode("utf-8", "replace"))
        )
    message = f"There is too little memory here to open the file: {2**factor // 1024} MB."
    raise StoreError(message, "Close other programs, or unlock with a key file.")


def _mac(file_key: memoryview, signed: bytes) -> bytes:
    return hmac.digest(bytes(_derived(file_key, b"", b"header")), signed, "sha256")


def _sealed(plaintext: memoryview, file_key: memoryview, stanzas: Sequence[Stanza]) -> bytes:
    signed, nonce = signed_part(stanzas), os.urandom(16)
    cipher = ChaCha20Poly1305(_derived(file_key, nonce, b"payload"))
    sealed = b"".join(
        cipher.encrypt(counter, plaintext[at : at + _CHUNK], None)
        for counter, at in _counted(len(plaintext), _CHUNK)
    )
    return signed + b" " + padless(_mac(file_key, signed)) + b"\n" + nonce + sealed


def _opened(header: Header, file_key: memoryview) -> memoryview:
    if not hmac.compare_digest(_mac(file_key, header.signed), header.mac):
        message = "The file's header was changed after it was sealed."
        raise DamagedStore(message)
    nonce, sealed, size = bytes(header.payload[:16]), header.payload[16:], _CHUNK + _TAG
    last = len(sealed) % size
    if len(nonce) == 16 and (last != _TAG or len(sealed) == _TAG):
        cipher = ChaCha20Poly1305(_derived(file_key, nonce, b"payload"))
        with suppress(InvalidTag):
            return memoryview(
                b"".join(
                    cipher.decrypt(counter, sealed[at : at + size], None)
                    for counter, at in _counted(len(sealed), size)
                )
            )
    message = "The content of the file was changed or cut after it was sealed."
    raise DamagedStore(message)


def _counted(length: int, size: int) -> Iterator[tuple[bytes, int]]:
    """The nonce and the start of every chunk; an empty text is one empty chunk."""
    starts = range(0, max(length, 1), size)
    for number, at in enumerate(starts):
        yield number.to_bytes(11, "big") + bytes([at == starts[-1]]), at


# -- The header of an age v1 file, read strictly and written: https://age-encryption.org/v1.

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
    """The parts of an age file; `mac` signs the bytes `signed`, and the rest is the payload."""

    stanzas: tuple[Stanza, ...]
    signed: bytes
    mac: bytes
    payload: memoryview = field(repr=False)

    @property
    def takes_passphrase(self) -> bool:
        """Whether a passphrase opens the file, which then nothing else does."""
        return self.stanzas[0].kind == _SCRYPT


def read_header(data: bytes) -> Header:
    """The header in front of an age file's payload; DamagedStore where a single rule is broken."""
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
    if len(stanzas) > 1 and any(stanza.kind == _SCRYPT for stanza in stanzas):
        message = "The file's header mixes a passphrase with other keys, which age forbids."
        raise DamagedStore(message)
    return Header(tuple(stanzas), data[: place + 3], mac, memoryview(data)[after:])


def signed_part(stanzas: Iterable[Stanza]) -> bytes:
    """The header up to the three dashes that its code signs."""
    lines = []
    for stanza in stanzas:
        body = padless(stanza.body)
        lines.append(" ".join(("->", stanza.kind, *stanza.arguments)).encode("ascii"))
        lines += [body[at : at + _COLUMNS] for at in range(0, len(body) + 1, _COLUMNS)]
    return _VERSION + b"".join(line + b"\n" for line in lines) + b"---"


def padless(data: bytes) -> bytes:
    """Base64 without padding, as age writes it."""
    return base64.b64encode(data).rstrip(b"=")


def unpadded(text: bytes) -> bytes | None:
    """The bytes of canonical Base64 without padding; None for any other spelling."""
    if not _BASE64.match(text) or len(text) % 4 == 1:
        return None
    data = base64.b64decode(text + b"=" * (-len(text) % 4))
    return data if padless(data) == text else None


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


# -- Bech32, the spelling of age's keys: `age1…` recipients and `AGE-SECRET-KEY-1…` identities.

_CHARSET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


def bech32_encode(prefix: str, data: bytes) -> str:
    """The bytes as a lower-case Bech32 text with this prefix and a checksum (BIP 173)."""
    count = -(-len(data) * 8 // 5)
    number = int.from_bytes(data, "big") << (count * 5 - len(data) * 8)
    values = [number >> 5 * place & 31 for place in reversed(range(count))]
    polymod = _polymod([*_expand(prefix), *values, 0, 0, 0, 0, 0, 0]) ^ 1
    values += [(polymod >> 5 * (5 - place)) & 31 for place in range(6)]
    return prefix + "1" + "".join(_CHARSET[value] for value in values)


def bech32_decode(prefix: str, text: str) -> bytes | None:
    """The bytes of a Bech32 text with this prefix; None for any other text.

    It returns rather than raises, since a raise would show the text in a traceback.
    """
    lower = text.lower()
    if text not in {lower, text.upper()} or not lower.startswith(prefix + "1"):
        return None
    values = [_CHARSET.find(letter) for letter in lower[len(prefix) + 1 :]]
    if len(values) < 6 or -1 in values or _polymod([*_expand(prefix), *values]) != 1:
        return None
    count, spare = divmod((len(values) - 6) * 5, 8)
    number = sum(value << 5 * place for place, value in enumerate(reversed(values[:-6])))
    if spare >= 5 or number & ((1 << spare) - 1):
        return None
    return (number >> spare).to_bytes(count, "big")


def _expand(prefix: str) -> list[int]:
    return [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]


def _polymod(values: Iterable[int]) -> int:
    checksum = 1
    for value in values:
        top = checksum >> 25
        checksum = (checksum & 0x1FFFFFF) << 5 ^ value
        for place, factor in enumerate(_GENERATOR):
            checksum ^= factor if (top >> place) & 1 else 0
    return checksum
