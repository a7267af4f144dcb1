"""Where a store's identity comes from, in order; the first hit wins.

Given by code → key file → variable → this process → until this server stops → the system keyring
→ passphrase.
"""

from __future__ import annotations

import getpass
import hashlib
import json
import os
import secrets
import stat
import sys
import threading
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

from llmwidgets.errors import DamagedStore, FieldError, StoreError
from llmwidgets.known_keys import warn_if_typed
from llmwidgets.secret import Secret, decode_secret, read_secret_file
from llmwidgets.store import trust
from llmwidgets.store.file import explain_error, write_new

if TYPE_CHECKING:
    from llmwidgets.store.age import Identity
    from llmwidgets.store.state import StoreState


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
        return IdentitySource(
            _of_key_file(Path(os.path.expanduser(os.environ[KEY_FILE]))), KEY_FILE
        )
    if KEY in os.environ:
        opened, _ = decode_secret(memoryview(os.fsencode(os.environ.pop(KEY))))
        identity = _identity_in(opened)
        if identity is None:
            message = f"{KEY} contains no age identity."
            raise StoreError(message, "It starts with AGE-SECRET-KEY-1 and has 74 characters.")
        _taken = IdentitySource(identity, KEY)
    return _taken


def forget_identity() -> None:
    """Drop the identity that came from the variable."""
    global _taken
    _taken = None


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

    identity = _identity_in(decode_secret(age.decrypt_passphrase(sealed, passphrase))[0])
    if identity is None:
        message = "identity.age opens, but contains no age identity."
        raise DamagedStore(message, "Put back the identity.age that belongs to this store.")
    return identity


def read_given_identity(identity: Secret) -> IdentitySource:
    """The identity that code gave: itself, `env:NAME`, or `file:PATH` as age-keygen writes it.

    FieldError if it is not one.
    """
    if identity.reference is None or not identity.reference.startswith("file:"):
        from llmwidgets.store.age import Identity

        return IdentitySource(Identity.parse(identity), GIVEN)
    path = Path(os.path.expanduser(identity.reference.removeprefix("file:")))
    opened, wrong = read_secret_file(path)
    parsed = _identity_in(opened)
    if parsed is None:
        place = f"{path}, which {wrong}" if wrong else f"{path}"
        message = {"identity": f"is not in the file {place}: no line starts with AGE-SECRET-KEY-1."}
        raise FieldError(message, "Name a file that age-keygen made.")
    return IdentitySource(parsed, GIVEN)


def _of_key_file(path: Path) -> Identity:
    opened, reason = read_secret_file(path, _distrust)
    identity = _identity_in(opened)
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


def _identity_in(opened: Callable[[], str] | None) -> Identity | None:
    """The identity in a text that has exactly one, on a line of its own; else None."""
    lines = map(str.strip, opened().splitlines()) if opened is not None else ()
    keys = [Secret(line) for line in lines if line.startswith(_START)]
    return _parsed(keys[0]) if len(keys) == 1 else None


def _parsed(secret: Secret) -> Identity | None:
    from llmwidgets.store.age import Identity

    with suppress(FieldError):
        return Identity.parse(secret)
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
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    has_terminal = sys.stdin is not None and sys.stdin.isatty()
    if not (hasattr(shell, "kernel") or has_terminal):
        return None
    try:
        return Secret(getpass.getpass(prompt))
    except (NotImplementedError, EOFError):  # a kernel whose front end cannot ask
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


def show_on_terminal(words: str, secret: Secret) -> None:
    """Write words, and below them the secret, to the terminal itself.

    What a command writes may go into a file or a log; this never does. StoreError without one.
    """
    console = "CONOUT$" if os.name == "nt" else "/dev/tty"
    try:
        with open(console, "w", encoding="utf-8") as terminal:
            terminal.write(f"{words}\n\n    {secret.reveal()}\n\n")
            return
    except OSError:
        message = "There is no terminal that it could be shown on."
    raise StoreError(message, "Run it in a terminal of your own.")


# -- A passphrase of six words that can be remembered, from the system's random source.

WORDS = 6

BITS = WORDS * 11
"""How many bits a guesser has to try: each word is one of 2,048."""


def propose_passphrase() -> Secret:
    """Six words such as `copper orbit quiz harbor velvet maple`, closed; 66 bits.

    They come from the English list of BIP-39: common words of which no two begin with the same four
    letters. One may come twice.
    """
    from mnemonic import Mnemonic

    words = Mnemonic("english").wordlist
    return Secret(" ".join(secrets.choice(words) for _ in range(WORDS)))


def propose_recovery() -> Secret:
    """A new identity to keep elsewhere and to make a store with: `Store.create(recovery=…)`."""
    from llmwidgets.store.age import Identity

    return Identity.generate().secret


# -- Remembered until this server stops. The file lies in a folder that the system keeps in memory
# and empties at the latest when it stops; one whose server is gone, or that others could have
# touched, is removed and not used.

SERVER = "this server"

_MEMORY = {"tmpfs", "ramfs"}


def remember_on_server(folder: Path, identity: Identity) -> None:
    """Keep the identity of a folder's store until the Jupyter server stops; StoreError."""
    server, file = _server(), _memory_file(folder)
    hint = 'Use store.remember("keyring"), or a key file.'
    if server is None:
        message = "No Jupyter server runs this process, so nothing can last until it stops."
        raise StoreError(message, hint)
    if file is None:
        message = "This computer has no folder in memory, and nothing is put on a disk in clear."
        raise StoreError(message, hint)
    try:
        file.parent.mkdir(0o700, exist_ok=True)
        file.unlink(missing_ok=True)
        identity.give(lambda key: write_new(file, f"{_head(server)}{key}\n".encode("ascii")))
    except OSError as error:
        reason = explain_error(error)
    else:
        return
    message = f"The identity could not be kept until this server stops: {reason}."
    raise StoreError(message, hint)


def find_on_server(folder: Path) -> IdentitySource | None:
    """The identity kept for this folder by this very server; a stale file is removed."""
    server, file = _server(), _memory_file(folder)
    if file is None or not os.path.lexists(file):
        return None
    opened, _ = (None, "") if file.is_symlink() else read_secret_file(file, _distrust)
    if opened is not None and server is not None and opened().startswith(_head(server)):
        identity = _identity_in(opened)
        if identity is not None:
            return IdentitySource(identity, SERVER)
    forget_on_server(folder)
    return None


def forget_on_server(folder: Path) -> None:
    """Remove what was kept for this folder."""
    file = _memory_file(folder)
    if file is not None:
        with suppress(OSError):
            file.unlink(missing_ok=True)


def _head(server: str) -> str:
    return json.dumps({"server": server}) + "\n"


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


def _memory_file(folder: Path) -> Path | None:
    memory, name = _memory_folder(), hashlib.sha256(os.fsencode(folder)).hexdigest()[:32]
    return None if memory is None else memory / f"{name}.key"


# -- Remembered in the system keyring: macOS, Windows, GNOME or KDE. The package `keyring` is an
# optional extra. Only keyrings known to encrypt are used, what is written is read back, and an
# answer is waited for three seconds: one that shows a question must not hang the kernel.

KEYRING = "system keyring"
SECONDS = 3

_SERVICE = "llmwidgets store"
_NAMES = {
    "keyring.backends.macOS": "the macOS keychain",
    "keyring.backends.Windows": "the Windows credential manager",
    "keyring.backends.SecretService": "the Secret Service (GNOME, KeePassXC)",
    "keyring.backends.libsecret": "libsecret (GNOME)",
    "keyring.backends.kwallet": "KWallet (KDE)",
}
_HINT = 'Use store.remember("server"), a key file, or the passphrase.'


def remember_in_keyring(folder: Path, identity: Identity) -> None:
    """Keep the identity in the system keyring and read it back; StoreError."""
    name, back_end = _back_end()
    # Spelled on the asked thread alone: none of its frames hangs on an error that is raised here.
    _answered(lambda: identity.give(lambda key: back_end.set_password(_SERVICE, str(folder), key)))
    kept = find_in_keyring(folder)
    if kept is None or kept.identity.recipient != identity.recipient:
        message = f"What was given to {name} did not come back, so it remembers nothing."
        raise StoreError(message, _HINT)


def find_in_keyring(folder: Path) -> IdentitySource | None:
    """The identity that the keyring has for this folder, or None; StoreError."""
    _, back_end = _back_end()
    identity = _answered(
        lambda: _parsed(Secret(back_end.get_password(_SERVICE, str(folder)) or ""))
    )
    return None if identity is None else IdentitySource(identity, KEYRING)


def forget_in_keyring(folder: Path) -> None:
    """Delete the identity from the keyring; StoreError if it does not answer."""
    _, back_end = _back_end()
    _answered(lambda: back_end.delete_password(_SERVICE, str(folder)), missing_is_fine=True)


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
    back_ends = [_answered(keyring.get_keyring)]
    # Of a chain one member is used: the chain itself may fall back on a plain file.
    if type(back_ends[0]).__module__ == "keyring.backends.chainer":
        back_ends = _answered(lambda: list(getattr(back_ends[0], "backends", ())))
    for back_end in back_ends:
        name = _NAMES.get(type(back_end).__module__)
        if name is not None:
            return name, back_end
    message = "No system keyring that encrypts is at hand here."
    raise StoreError(message, _HINT)


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
        message = f"The system keyring did not answer within {SECONDS} seconds."
        raise StoreError(message, f"It may be locked or show a question. {_HINT}")
    failed, answer = answers[0]
    if failed and not (missing_is_fine and failed == "PasswordDeleteError"):
        message = f"The system keyring refuses: {failed}."
        raise StoreError(message, f"Unlock it, or: {_HINT}")
    return answer


# -- Both, by the names that `store.remember` takes, in the order they are tried.


class _Cache(NamedTuple):
    find: Callable[[Path], IdentitySource | None]
    remember: Callable[[Path, Identity], None]
    forget: Callable[[Path], None]


_CACHES = {
    "server": _Cache(find_on_server, remember_on_server, forget_on_server),
    "keyring": _Cache(find_in_keyring, remember_in_keyring, forget_in_keyring),
}


def identity_caches(folder: Path) -> tuple[str, ...]:
    """Where the identity of this folder's store is remembered."""
    remembered = trust.recall_folder(folder).remembered
    return tuple(name for name in _CACHES if name in remembered)


def available_caches() -> tuple[str, ...]:
    """What this computer has of them; the keyring may still be locked."""
    names = ["server"] if _server() and _memory_folder() else []
    with suppress(StoreError):
        names += ["keyring"] if back_end_name() else []
    return tuple(names)


def remember_identity(folder: Path, name: str, identity: Identity) -> None:
    """Keep the identity there; StoreError with the reason if that cannot be."""
    _cache(name).remember(folder, identity)
    remembered = (*trust.recall_folder(folder).remembered, name)
    trust.remember_folder(folder, remembered=tuple(dict.fromkeys(remembered)))


def forget_remembered(folder: Path, name: str) -> None:
    """Remove the identity there; StoreError if the keyring does not answer."""
    cache, remembered = _cache(name), trust.recall_folder(folder).remembered
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
            source = _CACHES[name].find(state.folder)
        except StoreError as error:
            state.trouble = f"{error.message} The passphrase still opens the store."
            continue
        if source is not None:
            return source
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


def _cache(name: object) -> _Cache:
    if not isinstance(name, str) or name not in _CACHES:
        raise FieldError({"place": 'must be "keyring" or "server".'})
    return _CACHES[name]
