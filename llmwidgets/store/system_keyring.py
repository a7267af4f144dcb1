"""The system keyring: an identity kept by macOS, Windows, GNOME or KDE, and by nothing else.

The only importer of `keyring`, an optional extra. Only back ends known to encrypt are used, what
is written is read back, and an answer is waited for three seconds: a keyring that shows a
question behind the window must not hang the kernel.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmwidgets.errors import StoreError
from llmwidgets.secret import Secret
from llmwidgets.store.identity_sources import IdentitySource, parse_identity

if TYPE_CHECKING:
    from llmwidgets.store.age import Identity


KEYRING = "system keyring"
SECONDS = 3.0

_SERVICE = "llmwidgets store"
_NAMES = {
    "keyring.backends.macOS": "the macOS keychain",
    "keyring.backends.Windows": "the Windows credential manager",
    "keyring.backends.SecretService": "the Secret Service (GNOME, KeePassXC)",
    "keyring.backends.libsecret": "libsecret (GNOME)",
    "keyring.backends.kwallet": "KWallet (KDE)",
}
_HINT = 'Use store.remember("server"), a key file, or the passphrase.'


def remember(folder: Path, identity: Identity) -> str:
    """Keep the identity in the system keyring and read it back; the back end's name. StoreError."""
    name, back_end = _back_end()
    # Spelled on the asked thread alone: none of its frames hangs on an error that is raised here.
    _answered(
        lambda: identity.give(lambda text: back_end.set_password(_SERVICE, str(folder), text))
    )
    found = _get(back_end, folder)
    if found is None or found.identity.recipient != identity.recipient:
        message = f"What was given to {name} did not come back, so it remembers nothing."
        raise StoreError(message, _HINT)
    return name


def find(folder: Path) -> IdentitySource | None:
    """The identity that the keyring holds for this folder, None for none; StoreError."""
    return _get(_back_end()[1], folder)


def forget(folder: Path) -> None:
    """Delete the identity from the keyring; StoreError where it does not answer."""
    back_end = _back_end()[1]
    _answered(lambda: back_end.delete_password(_SERVICE, str(folder)), missing_is_fine=True)


def available() -> bool:
    """Whether a keyring that encrypts is at hand; it may still be locked."""
    try:
        return bool(_back_end()[0])
    except StoreError:
        return False


def back_end_name() -> str:
    """The keyring that would be used, in words; StoreError with the reason where there is none."""
    return _back_end()[0]


def _back_end() -> tuple[str, Any]:
    try:
        import keyring
    except ImportError:
        message = "The package keyring is not installed."
        hint = "Install it with: pip install keyring. Or use a key file."
        raise StoreError(message, hint) from None
    chosen = _answered(keyring.get_keyring)
    for each in (chosen, *_chained(chosen)):
        name = _NAMES.get(type(each).__module__)
        if name is not None:
            return name, each
    message = "No system keyring that encrypts is at hand here."
    raise StoreError(message, _HINT)


def _chained(chosen: object) -> list[object]:
    """What a chain of back ends would try; a chain itself may fall back on a plain file."""
    if type(chosen).__module__ != "keyring.backends.chainer":
        return []
    return list(_answered(lambda: getattr(chosen, "backends", ())))


def _get(back_end: Any, folder: Path) -> IdentitySource | None:
    secret = _answered(lambda: _closed(back_end.get_password(_SERVICE, str(folder))))
    identity = None if secret is None else parse_identity(secret)
    return None if identity is None else IdentitySource(identity, KEYRING)


def _closed(spelled: str | None) -> Secret | None:
    return Secret(spelled) if isinstance(spelled, str) else None


def _answered(ask: Callable[[], Any], *, missing_is_fine: bool = False) -> Any:
    """What the keyring answers within the limit; StoreError, raised away from its frames."""
    answers: list[tuple[str, Any]] = []

    def work() -> None:
        try:
            answers.append(("", ask()))
        except Exception as error:  # noqa: BLE001 - back ends raise errors of every library
            answers.append((type(error).__name__, None))

    thread = threading.Thread(target=work, name="llmwidgets keyring", daemon=True)
    thread.start()
    thread.join(SECONDS)
    if not answers:
        message = f"The system keyring did not answer within {SECONDS:g} seconds."
        raise StoreError(message, f"It may be locked or show a question. {_HINT}")
    failed, answer = answers[0]
    if failed and not (missing_is_fine and failed == "PasswordDeleteError"):
        message = f"The system keyring refuses: {failed}."
        raise StoreError(message, f"Unlock it, or: {_HINT}")
    return answer
