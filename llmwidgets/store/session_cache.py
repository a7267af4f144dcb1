"""Until this server stops: an identity in memory files, bound to the Jupyter server that runs.

The file lies in a folder that the system keeps in memory and empties at the latest when it
stops; one whose server is gone, or that others could have touched, is not used and removed.
"""

from __future__ import annotations

import hashlib
import json
import os
import stat
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from llmwidgets.errors import StoreError
from llmwidgets.store import file as store_file
from llmwidgets.store.identity_sources import IdentitySource, parse_identity

if TYPE_CHECKING:
    from llmwidgets.store.age import Identity


SERVER = "this server"

_MEMORY = {"tmpfs", "ramfs"}


def remember(folder: Path, identity: Identity) -> None:
    """Keep the identity of a folder's store until the Jupyter server stops; StoreError."""
    server, place = _server(), _place()
    if server is None:
        message = "No Jupyter server runs this process, so nothing can last until it stops."
        raise StoreError(message, 'Use store.remember("keyring"), or a key file.')
    if place is None:
        message = "This computer has no folder in memory, and nothing is put on a disk in clear."
        raise StoreError(message, 'Use store.remember("keyring"), or a key file.')
    file, head = _file(place, folder), json.dumps({"server": server})
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


def available() -> bool:
    """Whether a Jupyter server runs this process, and there is a folder in memory."""
    return _server() is not None and _place() is not None


def find(folder: Path) -> IdentitySource | None:
    """The identity kept for this folder by this very server; a stale file is removed."""
    place = _place()
    if place is None:
        return None
    file = _file(place, folder)
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
    forget(folder)
    return None


def forget(folder: Path) -> None:
    """Remove what was kept for this folder."""
    place = _place()
    if place is not None:
        with suppress(OSError):
            _file(place, folder).unlink(missing_ok=True)


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
        # The name in brackets may hold blanks; the start stands 20 words behind it.
        after = Path(f"/proc/{pid}/stat").read_text("ascii", "replace").rpartition(")")[2]
        boot = Path("/proc/sys/kernel/random/boot_id").read_text("ascii").strip()
        return f"{boot} {pid} {after.split()[19]}"
    except (OSError, IndexError):
        return None


def _place() -> Path | None:
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


def _file(place: Path, folder: Path) -> Path:
    return place / f"{hashlib.sha256(os.fsencode(folder)).hexdigest()[:32]}.key"
