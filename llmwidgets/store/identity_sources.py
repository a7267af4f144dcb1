"""Where a store's identity comes from, in order; the first hit wins. Nothing here asks.

Given by code → key file → variable → this process → until this server stops → the system keyring
→ passphrase.
"""

from __future__ import annotations

import getpass
import math
import os
import secrets
import stat
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, overload

from llmwidgets.errors import DamagedStore, FieldError, StoreError
from llmwidgets.known_keys import warn_if_typed
from llmwidgets.secret import Secret, decode_secret, read_secret_file

if TYPE_CHECKING:
    from llmwidgets.store.age import Identity


KEY_FILE = "LLMWIDGETS_STORE_KEY_FILE"
MOUNTED = "LLMWIDGETS_STORE_KEY_FILE_MOUNTED"
KEY = "LLMWIDGETS_STORE_KEY"
GIVEN = "identity"
PASSPHRASE = "passphrase"

_START = "AGE-SECRET-KEY-1"

WITHOUT_A_SCREEN = (
    f"Without a screen, set {KEY_FILE} to a file of mode 0600 that contains the identity, "
    f"or {KEY} to the identity itself."
)
REMEDIES = (
    "Unlock it in lw.ConnectionPanel(), or call store.unlock(passphrase). " + WITHOUT_A_SCREEN
)


@dataclass(frozen=True, slots=True)
class IdentitySource:
    """An identity and the source it came from, in the words the panel shows."""

    identity: Identity
    by: str


_taken: IdentitySource | None = None


def find_headless_identity() -> IdentitySource | None:
    """The identity that the surroundings hold: the key file, else the variable; None for neither.

    The variable is read once and removed, so that no child process inherits it; the identity
    stays in this process until `forget`. StoreError for a source that cannot be trusted or read.
    """
    global _taken
    if os.environ.get(KEY_FILE):
        return IdentitySource(_of_key_file(Path(os.environ[KEY_FILE]).expanduser()), KEY_FILE)
    if KEY in os.environ:
        identity = parse_identity(memoryview(os.fsencode(os.environ.pop(KEY))))
        if identity is None:
            message = f"{KEY} contains no age identity."
            raise StoreError(message, "It starts with AGE-SECRET-KEY-1 and has 74 characters.")
        _taken = IdentitySource(identity, KEY)
    return _taken


def forget_identity() -> None:
    """Drop the identity that came from the variable."""
    global _taken
    _taken = None


@overload
def close_typed(spelled: None) -> None: ...
@overload
def close_typed(spelled: str | Secret) -> Secret: ...
def close_typed(spelled: str | Secret | None) -> Secret | None:
    """A passphrase or identity that code gave, as a Secret; one typed in a cell is warned of.

    What is not a text becomes an empty one, which opens nothing: an error raised here would show
    it in the frame of the caller.
    """
    if spelled is None or isinstance(spelled, Secret):
        return spelled
    secret = Secret(spelled if isinstance(spelled, str) else "")
    warn_if_typed("identity" if secret.begins("AGE-") else "passphrase", secret)
    return secret


def passphrase_identity(sealed: bytes, passphrase: Secret) -> Identity:
    """The identity in the bytes of an `identity.age`; WrongPassphrase or DamagedStore."""
    from llmwidgets.store import age

    identity = parse_identity(age.decrypt_passphrase(sealed, passphrase))
    if identity is None:
        message = "identity.age opens, but contains no age identity."
        raise DamagedStore(message, "Put back the identity.age that belongs to this store.")
    return identity


def parse_identity(spelled: Secret | memoryview) -> Identity | None:
    """The identity in a text that has one on a line of its own; None for any other text."""
    if isinstance(spelled, Secret):
        return _parsed(spelled)
    opened, _ = decode_secret(spelled)
    return None if opened is None else _parsed(_identity_in(opened))


def read_given_identity(identity: Secret) -> IdentitySource:
    """The identity that code gave: itself, `env:NAME`, or `file:PATH` as age-keygen writes it.

    FieldError if it is not one.
    """
    if identity.reference is None or not identity.reference.startswith("file:"):
        from llmwidgets.store.age import Identity

        return IdentitySource(Identity.parse(identity), GIVEN)
    path = Path(identity.reference.removeprefix("file:")).expanduser()
    opened, wrong = read_secret_file(path)
    found = None if opened is None else _parsed(_identity_in(opened))
    if found is None:
        place = f"{path}, which {wrong}" if wrong else f"{path}"
        message = {"identity": f"is not in the file {place}: no line starts with AGE-SECRET-KEY-1."}
        raise FieldError(message, "Name a file that age-keygen made.")
    return IdentitySource(found, GIVEN)


def _of_key_file(path: Path) -> Identity:
    opened, reason = read_secret_file(path, _distrust)
    identity = None if opened is None else _parsed(_identity_in(opened))
    if identity is not None:
        return identity
    message = f"The key file {path} of {KEY_FILE} is not used: "
    message += f"it {reason or 'contains no line that starts with AGE-SECRET-KEY-1'}."
    raise StoreError(
        message,
        "It is a regular file of yours with mode 0600 that age-keygen made. For a secret that "
        f"Docker or Kubernetes mounts, which is root's, set {MOUNTED}=1.",
    )


def _distrust(status: os.stat_result) -> str:
    """Why a key file cannot be trusted; empty if it can."""
    if not hasattr(os, "getuid"):
        return ""
    # Docker and Kubernetes mount a secret as root's, readable by all in the container.
    root_alone_writes = status.st_uid == 0 and not stat.S_IMODE(status.st_mode) & 0o022
    if root_alone_writes and os.environ.get(MOUNTED) == "1":
        return ""
    if status.st_uid != os.getuid():
        return "belongs to another user"
    if stat.S_IMODE(status.st_mode) & 0o177:
        return f"is not private: others can reach it (mode {stat.S_IMODE(status.st_mode):04o})"
    return ""


def _identity_in(opened: Callable[[], str]) -> Secret:
    """The one line that spells an identity, closed; an empty Secret if there is not exactly one."""
    lines = map(str.strip, opened().splitlines())
    keys = [Secret(line) for line in lines if line.startswith(_START)]
    return keys[0] if len(keys) == 1 else Secret("")


def _parsed(secret: Secret) -> Identity | None:
    from llmwidgets.store.age import Identity

    try:
        return Identity.parse(secret)
    except FieldError:
        return None


# -- The passphrase: its one rule, and the secret field of a front end that can ask for it.

SHORTEST = 12


def check_passphrase(passphrase: Secret) -> None:
    """FieldError for a passphrase under 12 characters, for none, or of letters that came broken."""
    if len(passphrase.reveal()) < SHORTEST:
        raise FieldError(
            {"passphrase": f"has fewer than {SHORTEST} characters, or is not a text."},
            "Six random words are easy to keep in mind and hard to guess.",
        )
    if any("\ud800" <= letter <= "\udfff" for letter in passphrase.reveal()):
        raise FieldError(
            {"passphrase": "has a letter that did not arrive whole."},
            "Set the terminal to UTF-8, or use letters without accents.",
        )


def ask_passphrase(prompt: str) -> Secret | None:
    """What the user typed into the secret field of the notebook or the terminal, closed.

    None at once if nobody can be asked: a kernel whose front end takes no input (a run by
    nbclient, a pipeline), or no terminal. The front end shows dots and keeps nothing.
    """
    if not _somebody_is_there():
        return None
    try:
        return Secret(getpass.getpass(prompt))
    except (NotImplementedError, EOFError):  # how a kernel says that its front end cannot ask
        return None


def ask_new_passphrase(organization: str) -> Secret | None:
    """A new passphrase, typed twice; FieldError if the two differ or it is too short."""
    first = ask_passphrase(f"New passphrase for the store {organization}: ")
    if first is None:
        return None
    check_passphrase(first)
    second = ask_passphrase("The same again: ")
    if second is None or not second.is_same_as(first):
        raise FieldError(
            {"passphrase": "was not typed the same twice."}, "Run the cell again and type it twice."
        )
    return first


def _somebody_is_there() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if hasattr(shell, "kernel"):
        return True
    return sys.stdin is not None and sys.stdin.isatty()


# -- A passphrase of six made-up words that can be said, from the system's random source.

WORDS = 6

_CONSONANTS = "bdfgjklmnprstvz"
_VOWELS = "aeiou"
_SYLLABLES = tuple(consonant + vowel for consonant in _CONSONANTS for vowel in _VOWELS)

BITS = WORDS * math.log2(len(_SYLLABLES) * (len(_SYLLABLES) - 1))
"""How many bits a guesser has to try: 74.6, each word being two different syllables of 75."""


def propose_passphrase() -> Secret:
    """Six words such as `ravo kimu teda solu bipo nafe`, closed; 74.6 bits.

    The words mean nothing in any language on purpose: a list of real words would have to be
    shipped and kept, and two syllables are as quick to type.
    """
    return Secret(" ".join(_word() for _ in range(WORDS)))


def propose_recovery() -> Secret:
    """A new identity to keep elsewhere and to make a store with: `Store.create(recovery=…)`."""
    from llmwidgets.store.age import Identity

    return Identity.generate().secret


def _word() -> str:
    first = secrets.choice(_SYLLABLES)
    return first + secrets.choice([each for each in _SYLLABLES if each != first])
