"""A file of the store on disk: read, lock, and replace in one step that no crash can halve."""

from __future__ import annotations

import errno
import glob
import os
import secrets
import stat
import time
from contextlib import AbstractContextManager, suppress
from datetime import datetime
from itertools import pairwise
from pathlib import Path

from llmwidgets.errors import StoreError

BACKUPS = 3
_NO_FLOCK = {errno.ENOLCK, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP}
_NO_RENAME = {errno.EBUSY, errno.EXDEV}
_PATIENCE = 20.0
_LEFTOVER_AGE = 60.0
_NO_FOLLOW = getattr(os, "O_NOFOLLOW", 0)
_NO_WAIT = getattr(os, "O_NONBLOCK", 0)
_CHECK = "Check that it is a file of yours, or name another store."


class StoreFile:
    """A sealed file that is replaced as a whole, behind a symlink or not.

    A symlink stays; what it points to is replaced, next to which lock, backups and the temporary
    file are. Only sealed bytes are ever given to this class.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    @property
    def target(self) -> Path:
        """The file itself, every symlink followed."""
        return Path(os.path.realpath(self.path))

    @property
    def exists(self) -> bool:
        """Whether something is there, readable or not."""
        try:
            os.stat(self.path)
        except (FileNotFoundError, NotADirectoryError):
            return False
        except OSError:
            pass  # `read` tells what is wrong
        return True

    def read(self) -> bytes:
        """The file's bytes; StoreError if it is not there or cannot be read."""
        data = self.read_if_exists()
        if data is None:
            message = f"{self.path} cannot be read: no such file or directory."
            raise StoreError(message, _CHECK)
        return data

    def read_if_exists(self) -> bytes | None:
        """The file's bytes, None if it is not there; a mode that lets others in is corrected."""
        try:
            descriptor = os.open(self.path, os.O_RDONLY | _NO_WAIT)
            try:
                status = os.fstat(descriptor)
                if not stat.S_ISREG(status.st_mode):
                    raise OSError(errno.EINVAL, "it is not a regular file")
                with os.fdopen(descriptor, "rb", closefd=False) as file:
                    data = file.read()
                open_to_others = stat.S_IMODE(status.st_mode) & 0o077 and hasattr(os, "fchmod")
                # A link can be planted, and lead to any file of the user's.
                if open_to_others and not os.path.islink(self.path):
                    with suppress(OSError):
                        os.fchmod(descriptor, 0o600)
                return data
            finally:
                os.close(descriptor)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError as error:
            reason = explain_error(error)
        message = f"{self.path} cannot be read: {reason}."
        raise StoreError(message, _CHECK)

    def backups(self) -> list[Path]:
        """The backups that exist, newest first."""
        return [path for path in self._backup_paths() if os.path.exists(path)]

    def locked(self) -> AbstractContextManager[object]:
        """Hold the store's lock against every other process; StoreError if it stays taken."""
        import filelock

        # Without flock the lock is a file that exists: it has a name of its own, since the file
        # that flock locks stays when nobody holds it.
        path = self.target.parent / ".lock"
        soft = getattr(filelock, "StrictSoftFileLock", filelock.SoftFileLock)
        for kind, place in ((filelock.FileLock, path), (soft, path.with_name(".lock.taken"))):
            if place.is_symlink():
                # Opening the lock would cut what it points to, and change its mode.
                message = f"The store in {path.parent} cannot be locked: {place} is a link."
                raise StoreError(message, "Delete the link; nothing of the store is in it.")
            lock: filelock.BaseFileLock = kind(place, timeout=_PATIENCE, mode=0o600)
            try:
                return lock.acquire(poll_interval=0.002)
            except filelock.Timeout:
                message = f"Another program has been writing the store in {path.parent} too long."
                raise StoreError(message, "Close it and try again.") from None
            except NotImplementedError:
                continue  # a network file system without flock
            except OSError as error:
                if error.errno in _NO_FLOCK and kind is not soft:
                    continue
                message = f"The store in {path.parent} cannot be locked: {explain_error(error)}."
                raise StoreError(message, "Check that the folder is yours to write.") from None
        message = f"The file system of {path.parent} has no locks."
        raise StoreError(message, "Keep the store in a local folder.")

    def replace(self, data: bytes) -> None:
        """Put new bytes in place of the old; the lock is held by the caller.

        They reach the disk under another name first, the old ones become the newest backup, and
        one rename changes over. A file that is mounted by itself into a container takes no rename:
        it is written in place, after its backup has reached the disk. StoreError if the disk
        refuses; then the file is as it was.
        """
        target = self.target
        temporary = target.with_name(f".{target.name}.{secrets.token_hex(4)}.tmp")
        try:
            for path in self.leftovers():  # of killed processes: who holds the lock is alone
                with suppress(OSError):
                    if time.time() - path.stat().st_mtime > _LEFTOVER_AGE:
                        path.unlink()
            try:
                write_new(temporary, data)
                self._rotate(target)
                if not _change_over(temporary, target):
                    _write_in_place(target, data, self._backup_paths()[0])
            finally:
                temporary.unlink(missing_ok=True)
            sync_folder(target.parent)
        except OSError as error:
            reason = explain_error(error)
        else:
            return
        message = f"{self.path} could not be written: {reason}."
        raise StoreError(message, "What was saved before is kept; make room or check the folder.")

    def leftovers(self) -> list[Path]:
        """What killed processes left half-written, or whole and not in place."""
        target = self.target
        return list(target.parent.glob(f".{glob.escape(target.name)}.*.tmp"))

    def _backup_paths(self) -> list[Path]:
        target = self.target
        return [target.with_name(f"{target.name}.bak{number}") for number in range(1, BACKUPS + 1)]

    def _rotate(self, target: Path) -> None:
        """Make each backup the next older one, and the file's second name the newest."""
        if not target.exists():
            return
        paths = self._backup_paths()
        for newer, older in reversed(list(pairwise(paths))):
            if newer.exists():
                os.replace(newer, older)
        newest = paths[0]
        newest.unlink(missing_ok=True)
        try:
            os.link(target, newest)
        except OSError:  # a file system without hard links
            write_new(newest, target.read_bytes())


def write_new(path: Path, data: bytes) -> None:
    """Write a file that did not exist, 0600 whatever the umask, down to the disk; all or none."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | _NO_FOLLOW
    file = os.fdopen(os.open(path, flags, 0o600), "wb")
    try:
        with file:
            if hasattr(os, "fchmod"):
                os.fchmod(file.fileno(), 0o600)
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
    except OSError:
        path.unlink(missing_ok=True)
        raise


def make_folder(folder: Path, *, close: bool = True) -> None:
    """Make the folder and its missing parents with mode 0700; `close` an empty one to others.

    A folder that contains other files already keeps its mode: it is not the store's to change.
    """
    try:
        for missing in reversed([each for each in (folder, *folder.parents) if not each.exists()]):
            missing.mkdir(0o700, exist_ok=True)
            missing.chmod(0o700)
        if close and not any(folder.iterdir()):
            folder.chmod(0o700)
    except OSError as error:
        reason = explain_error(error)
    else:
        return
    message = f"The folder {folder} cannot be made: {reason}."
    raise StoreError(message, "Name a folder that is yours to write: Store.create(path=…).")


def writable(folder: Path) -> bool:
    """Whether the folder, or the nearest one above it that exists, takes new files."""
    nearest = next((each for each in (folder, *folder.parents) if os.path.exists(each)), folder)
    return os.access(nearest, os.W_OK | os.X_OK)


def sync_folder(folder: Path) -> None:
    """Bring the folder's names to the disk, if the file system can."""
    if os.name == "nt":
        return
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in (errno.EINVAL, errno.ENOTSUP):
            raise
    finally:
        os.close(descriptor)


def _change_over(temporary: Path, target: Path) -> bool:
    """Rename over the target; False if it is a mount of its own, which nothing replaces."""
    for pause in (0.05, 0.1, 0.2, 0.4, 0.8, 0.0):
        try:
            os.replace(temporary, target)
        except PermissionError:
            # On Windows a virus scanner or a sync client holds the file for a moment.
            if os.name != "nt" or not pause:
                raise
            time.sleep(pause)
        except OSError as error:
            if error.errno in _NO_RENAME:
                return False
            raise
        else:
            return True
    return False


def _write_in_place(target: Path, data: bytes, backup: Path) -> None:
    """Write into the file itself; a crash in between leaves the backup, which is whole."""
    before = target.read_bytes()
    if backup.exists() and os.path.samestat(backup.stat(), target.stat()):
        backup.unlink()  # a second name of the same file would be overwritten with it
        write_new(backup, before)
        sync_folder(backup.parent)
    try:
        _fill(target, data)
    except OSError:
        _fill(target, before)
        raise


def _fill(target: Path, data: bytes) -> None:
    descriptor = os.open(target, os.O_WRONLY | _NO_FOLLOW)
    with os.fdopen(descriptor, "wb") as file:
        file.write(data)
        file.truncate()
        file.flush()
        os.fsync(file.fileno())


def modified_at(path: Path) -> datetime:
    """When a file was last modified, in the user's time."""
    return datetime.fromtimestamp(path.stat().st_mtime).astimezone()


def explain_error(error: OSError) -> str:
    """The reason that the system gives, as the end of a sentence."""
    return (error.strerror or type(error).__name__).lower()
