"""Where an identity is remembered beyond the process: in memory files, in the system keyring.

The only importer of `keyring`, an optional extra. A memory file is bound to the Jupyter server that
runs. Of keyrings only those known to encrypt are used, what is written is read back, and an answer
is waited for three seconds: one that shows a question behind the window must not hang the kernel.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
import threading
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from llmwidgets.errors import FieldError, StoreError
from llmwidgets.secret import Secret
from llmwidgets.store import file as store_file
from llmwidgets.store import trust
from llmwidgets.store.identity_sources import IdentitySource, parse_identity

if TYPE_CHECKING:
    from llmwidgets.store.age import Identity
    from llmwidgets.store.state import StoreState


# -- Until this server stops. The file lies in a folder that the system keeps in memory and empties
# at the latest when it stops; one whose server is gone, or that others could have touched, is
# removed and not used.

SERVER = "this server"

_MEMORY = {"tmpfs", "ramfs"}


def remember_on_server(folder: Path, identity: Identity) -> None:
    """Keep the identity of a folder's store until the Jupyter server stops; StoreError."""
    server, place = _server(), _memory_folder()
    if server is None:
        message = "No Jupyter server runs this process, so nothing can last until it stops."
        raise StoreError(message, 'Use store.remember("keyring"), or a key file.')
    if place is None:
        message = "This computer has no folder in memory, and nothing is put on a disk in clear."
        raise StoreError(message, 'Use store.remember("keyring"), or a key file.')
    file, head = _memory_file(place, folder), json.dumps({"server": server})
    try:
        place.mkdir(0o700, exist_ok=True)
        file.unlink(missing_ok=True)
        identity.give(_writer(file, head))
    except OSError as error:
        reason = (error.strerror or type(error).__name__).lower()
    else:
        return
    message = f"The identity could not be kept until this server stops: {reason}."
    raise StoreError(message, 'Use store.remember("keyring"), or a key file.')


def has_server() -> bool:
    """Whether a Jupyter server runs this process, and there is a folder in memory."""
    return _server() is not None and _memory_folder() is not None


def find_on_server(folder: Path) -> IdentitySource | None:
    """The identity kept for this folder by this very server; a stale file is removed."""
    place = _memory_folder()
    if place is None:
        return None
    file = _memory_file(place, folder)
    try:
        lines = memoryview(_trusted(file))
        end = bytes(lines).find(b"\n")
        server = _server()
        if server is not None and json.loads(bytes(lines[:end]))["server"] == server:
            identity = parse_identity(lines[end + 1 :])
            return None if identity is None else IdentitySource(identity, SERVER)
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError):
        pass
    forget_on_server(folder)
    return None


def forget_on_server(folder: Path) -> None:
    """Remove what was kept for this folder."""
    place = _memory_folder()
    if place is not None:
        with suppress(OSError):
            _memory_file(place, folder).unlink(missing_ok=True)


def _writer(file: Path, head: str) -> Callable[[str], None]:
    return lambda spelled: store_file.write_new(file, f"{head}\n{spelled}\n".encode("ascii"))


def _trusted(file: Path) -> bytes:
    flags = os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    descriptor = os.open(file, flags | getattr(os, "O_CLOEXEC", 0))
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode) or status.st_uid != os.getuid():
            raise OSError
        if stat.S_IMODE(status.st_mode) != 0o600:
            raise OSError
        return os.read(descriptor, 4096)
    finally:
        os.close(descriptor)


def _server() -> str | None:
    """The Jupyter server of this kernel: its process and when that started."""
    pid = os.environ.get("JPY_PARENT_PID", "")
    if not pid.isdigit():
        return None
    try:
        # The name in brackets may contain blanks; the start comes 20 words after it.
        after = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2]
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot} {pid} {after.split()[19]}"
    except (OSError, IndexError):
        return None


def _memory_folder() -> Path | None:
    if not hasattr(os, "getuid"):
        return None
    runtime = os.environ.get("XDG_RUNTIME_DIR")
    if runtime and _in_memory(Path(runtime)):
        return Path(runtime) / "llmwidgets"
    shared = Path("/dev/shm") / f"llmwidgets-{os.getuid()}"
    if not _in_memory(shared.parent):
        return None
    with suppress(OSError):
        status = os.lstat(shared)
        private = stat.S_ISDIR(status.st_mode) and not stat.S_IMODE(status.st_mode) & 0o077
        return shared if private and status.st_uid == os.getuid() else None
    return shared


def _in_memory(folder: Path) -> bool:
    """Whether the folder is on a file system without a disk."""
    try:
        real = os.path.realpath(folder, strict=True)
        rows = Path("/proc/self/mountinfo").read_text("utf-8", "replace").splitlines()
    except OSError:
        return False
    mounts = [(row.split(" ")[4], row.partition(" - ")[2].split(" ")[0]) for row in rows]
    above = [each for each in mounts if f"{real}/".startswith(each[0].rstrip("/") + "/")]
    return bool(above) and max(above, key=lambda each: len(each[0]))[1] in _MEMORY


def _memory_file(place: Path, folder: Path) -> Path:
    return place / f"{hashlib.sha256(os.fsencode(folder)).hexdigest()[:32]}.key"


# -- The system keyring: macOS, Windows, GNOME or KDE.

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


def remember_in_keyring(folder: Path, identity: Identity) -> str:
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


def find_in_keyring(folder: Path) -> IdentitySource | None:
    """The identity that the keyring has for this folder, or None; StoreError."""
    return _get(_back_end()[1], folder)


def forget_in_keyring(folder: Path) -> None:
    """Delete the identity from the keyring; StoreError if it does not answer."""
    back_end = _back_end()[1]
    _answered(lambda: back_end.delete_password(_SERVICE, str(folder)), missing_is_fine=True)


def has_keyring() -> bool:
    """Whether a keyring that encrypts is at hand; it may still be locked."""
    try:
        return bool(_back_end()[0])
    except StoreError:
        return False


def back_end_name() -> str:
    """The keyring that would be used, in words; StoreError with the reason if there is none."""
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


# -- Both, by the names that `store.remember` takes.


class _Cache(NamedTuple):
    available: Callable[[], bool]
    find: Callable[[Path], IdentitySource | None]
    remember: Callable[[Path, Identity], object]
    forget: Callable[[Path], None]


_CACHES = {
    "server": _Cache(has_server, find_on_server, remember_on_server, forget_on_server),
    "keyring": _Cache(has_keyring, find_in_keyring, remember_in_keyring, forget_in_keyring),
}


def identity_caches(folder: Path) -> tuple[str, ...]:
    """Where the identity of this folder's store is remembered, in the order they are tried."""
    remembered = trust.recall_folder(folder).remembered
    return tuple(name for name in _CACHES if name in remembered)


def available_caches() -> tuple[str, ...]:
    """What this computer has of them, in the order they are tried."""
    return tuple(name for name, cache in _CACHES.items() if cache.available())


def remember_identity(folder: Path, name: str, identity: Identity) -> None:
    """Keep the identity there; StoreError with the reason if that cannot be."""
    _cache(name).remember(folder, identity)
    remembered = (*trust.recall_folder(folder).remembered, name)
    trust.remember_folder(folder, remembered=tuple(dict.fromkeys(remembered)))


def forget_remembered(folder: Path, name: str) -> None:
    """Remove the identity there; StoreError if the keyring does not answer."""
    remembered = trust.recall_folder(folder).remembered
    cache = _cache(name)
    if name == "server" or name in remembered:
        cache.forget(folder)
    trust.remember_folder(folder, remembered=tuple(each for each in remembered if each != name))


def find_remembered(state: StoreState) -> IdentitySource | None:
    """The identity remembered for this folder; what prevents it goes into the store's notice.

    The keyring is asked once per session: one that is locked would cost three seconds each time.
    """
    if state.folder is None or state.keyring_asked:
        return None
    state.trouble = ""
    for name in identity_caches(state.folder):
        state.keyring_asked |= name == "keyring"
        try:
            found = _CACHES[name].find(state.folder)
        except StoreError as error:
            state.trouble = f"{error.message} The passphrase still opens the store."
            continue
        if found is not None:
            return found
    return None


def renew_remembered(state: StoreState, identity: Identity) -> None:
    """Put a new identity wherever the old one was; trouble goes into the store's notice."""
    if state.folder is None:
        return
    for name in identity_caches(state.folder):
        try:
            _CACHES[name].remember(state.folder, identity)
        except StoreError as error:
            state.trouble = error.message


def _cache(name: str) -> _Cache:
    if name not in _CACHES:
        raise FieldError({"place": 'must be "keyring" or "server".'})
    return _CACHES[name]
