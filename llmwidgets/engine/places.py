"""Where the journal lies: the user's cache folder, local temporary space, or memory."""

from __future__ import annotations

import errno
import os
import tempfile
import time
from contextlib import suppress
from pathlib import Path

_NETWORK = frozenset(
    {"nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "9p", "lustre", "gpfs", "beegfs", "ceph"}
    | {"glusterfs", "fuse.sshfs", "fuse.glusterfs", "fuse.ceph", "fuse.s3fs", "fuse.gcsfuse"}
    | {"fuse.rclone", "fuse.blobfuse", "fuse.blobfuse2"}
)
_BESIDE = ("-wal", "-shm", "-journal")


def journal_place(wanted: str | Path | bool | None) -> tuple[Path | None, str]:
    """The journal's file (None: memory), and a sentence where it is not the usual place."""
    if wanted is False:
        return None, "The journal is in memory: results last as long as this process."
    if isinstance(wanted, (str, Path)):
        return Path(wanted).expanduser().absolute(), ""
    if "BINDER_SERVICE_HOST" in os.environ:
        return None, "On Binder the journal is in memory: save the comparison to keep it."
    usual = default_path()
    if not on_network(usual):
        return usual, ""
    local = _own_folder() / usual.name
    return local, (
        f"The cache folder {usual.parent} is on a network file system, so the journal is at"
        f" {local}; give journal=PATH to keep it elsewhere."
    )


def default_path() -> Path:
    """The journal in the user's cache folder."""
    import platformdirs

    return Path(platformdirs.user_cache_dir("llmwidgets", appauthor=False)) / "journal.sqlite"


def on_network(path: Path, mounts: Path = Path("/proc/self/mounts")) -> bool:
    """Whether the path lies on a network file system, where SQLite's locks cannot be trusted.

    Read from the list of mounts; False where the system has no such list.
    """
    try:
        lines = mounts.read_text("utf-8", "replace").splitlines()
    except OSError:
        return False
    kinds = {}
    for line in lines:
        parts = line.split(" ")
        if len(parts) > 2:
            kinds[parts[1].replace("\\040", " ")] = parts[2]
    place = Path(os.path.realpath(path))
    for folder in (place, *place.parents):
        if str(folder) in kinds:
            return kinds[str(folder)] in _NETWORK
    return False


def make_private(path: Path) -> None:
    """The file exists and only its owner can read it, from its first byte on.

    OSError where the file, or one that SQLite keeps beside it, is a link: what it leads to would
    be written into.
    """
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    for each in (path, *(path.with_name(path.name + end) for end in _BESIDE)):
        if each.is_symlink():
            raise OSError(errno.ELOOP, f"{each.name} is a link")
    # Another process may make it in the same moment.
    with suppress(FileExistsError):
        os.close(os.open(path, os.O_CREAT | os.O_EXCL | os.O_RDWR, 0o600))


def set_aside(path: Path) -> Path:
    """Rename a damaged file so that it is kept; its new place."""
    name = f"{path.name}.damaged-{time.strftime('%Y%m%d-%H%M%S')}"
    names = (name, *(f"{name}-{number}" for number in range(2, 1000)))
    kept = next(each for each in map(path.with_name, names) if not each.exists())
    path.replace(kept)
    for suffix in ("-wal", "-shm"):
        extra = path.with_name(path.name + suffix)
        if extra.exists():
            extra.replace(kept.with_name(kept.name + suffix))
    return kept


def _own_folder() -> Path:
    if not hasattr(os, "getuid"):
        return Path(tempfile.gettempdir()) / "llmwidgets"
    folder = Path(tempfile.gettempdir()) / f"llmwidgets-{os.getuid()}"
    try:
        folder.mkdir(mode=0o700, exist_ok=True)
        # The name can be foreseen, so on a shared machine somebody else may have made the folder.
        if folder.is_symlink() or folder.stat().st_uid != os.getuid():
            return Path(tempfile.mkdtemp(prefix="llmwidgets-"))
    except OSError:
        # Told where the journal is opened there, with what is wrong.
        pass
    return folder
