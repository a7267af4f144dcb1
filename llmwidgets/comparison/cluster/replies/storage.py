"""What keeps the files of a run: a disk that machines share, or an object store."""

from __future__ import annotations

import errno
import os
import secrets
import threading
from contextlib import suppress
from pathlib import Path
from typing import Protocol

FLUSH_SECONDS = 2.0
"""How long a log can be neither on its disk nor in its store; a machine that dies loses that."""
SEGMENT_ROWS = 100
"""An object store has a log in pieces of this many entries, or of what FLUSH_SECONDS brought."""

_NO_LINKS = frozenset({errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK})


class Log(Protocol):
    """A file of one writer that only grows."""

    def append(self, data: bytes) -> None:
        """Write an entry behind the rest, which outlives this process as the storage says."""

    def close(self) -> None:
        """Nothing is appended any more, and all of it is kept."""


class Storage(Protocol):
    """Files by names with slashes, written whole or not at all; what fails is an OSError."""

    def read(self, name: str) -> bytes | None:
        """The bytes of a file; None if there is none."""

    def write(self, name: str, data: bytes, *, lasting: bool) -> None:
        """Write a file, in the place of one that is there; `lasting` outlives the machine."""

    def write_new(self, name: str, data: bytes) -> bool:
        """Write a file that is not there yet; whether it was not."""

    def names(self, prefix: str) -> list[str]:
        """The names of all files below a folder, sorted."""

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""

    def open_log(self, name: str) -> Log:
        """A new log; its files have names that begin with this one."""


class _TimedLog:
    """What a log does besides each append: something every FLUSH_SECONDS, on a thread."""

    def __init__(self) -> None:
        self._over, self._wake = False, threading.Event()
        self._error: OSError | None = None
        self._thread = threading.Thread(target=self._tick, name="llmwidgets-log", daemon=True)
        self._thread.start()

    def _tick(self) -> None:
        while not self._over:
            self._wake.wait(FLUSH_SECONDS)
            self._wake.clear()
            try:
                self._flush()
            except OSError as error:
                self._error = error

    def _flush(self) -> None:
        raise NotImplementedError

    def _raise_late_error(self) -> None:
        """Some disks refuse what was written long ago; whoever appends next hears of it."""
        error, self._error = self._error, None
        if error is not None:
            raise error

    def _end(self) -> None:
        self._over = True
        self._wake.set()
        self._thread.join()
        self._flush()
        self._raise_late_error()


# -- A folder of a disk, local or shared. What was appended to a log is the system's when `append`
# returns, so that no end of the process takes it; the disk's within FLUSH_SECONDS.


class LocalStorage:
    """A folder. Its files can be read by their owner alone."""

    def __init__(self, root: Path) -> None:
        self._root = root
        self._was_there = root.is_dir()

    def read(self, name: str) -> bytes | None:
        """The bytes of a file; None if there is none."""
        for last in (False, True):
            try:
                return (self._root / name).read_bytes()
            except FileNotFoundError:
                return None
            except OSError as error:
                # A network disk says so where another machine replaced the file just now.
                if error.errno != errno.ESTALE or last:
                    raise
        return None

    def write(self, name: str, data: bytes, *, lasting: bool) -> None:
        """Write a file, in the place of one that is there."""
        draft = self._draft(name, data, lasting=lasting)
        try:
            os.replace(draft, self._root / name)
        except OSError:
            draft.unlink(missing_ok=True)
            raise

    def write_new(self, name: str, data: bytes) -> bool:
        """Write a file that is not there yet: the first writer wins, also over a network disk.

        Where a file system has no links, whoever looks at the same moment can win too.
        """
        draft, path = self._draft(name, data, lasting=True), self._root / name
        try:
            os.link(draft, path)
        except FileExistsError:
            return False
        except OSError as error:
            if error.errno not in _NO_LINKS:
                raise
            if path.exists():
                return False
            os.replace(draft, path)
        finally:
            draft.unlink(missing_ok=True)
        return True

    def names(self, prefix: str) -> list[str]:
        """The names of all files below a folder, sorted; none of a draft."""
        found = []
        for folder, _, files in os.walk(self._root / prefix, onerror=_raise_unless_gone):
            inside = Path(folder).relative_to(self._root).as_posix()
            found += [f"{inside}/{each}" for each in files if not each.startswith(".")]
        return sorted(found)

    def remove(self, name: str) -> None:
        """Remove a file, if it is there, and the folder in which it was the last."""
        path = self._root / name
        path.unlink(missing_ok=True)
        with suppress(OSError):
            path.parent.rmdir()

    def open_log(self, name: str) -> Log:
        """A new log of this name; the end of a line in it shows that there is room for more."""
        log = _FileLog(self._create(self._root / name))
        try:
            log.append(b"\n")
        except OSError:
            with suppress(OSError):
                log.close()
            raise
        return log

    def _draft(self, name: str, data: bytes, *, lasting: bool) -> Path:
        path = self._root / name
        draft = path.with_name(f".{secrets.token_hex(8)}.draft")
        try:
            with open(self._create(draft), "wb") as file:
                file.write(data)
                if lasting:
                    file.flush()
                    os.fsync(file.fileno())
        except OSError:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
            raise
        return draft

    def _create(self, path: Path) -> int:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL
        for last in (False, True):
            self._make_folder(path.parent)
            try:
                return os.open(path, flags, 0o600)
            except FileNotFoundError:
                # Another process can take an empty folder away.
                if last:
                    raise
        raise AssertionError

    def _make_folder(self, folder: Path) -> None:
        was_there = self._was_there  # asked first: another thread may make it in between
        if folder.is_dir():
            return
        if folder == self._root and was_there:
            # A disk that is gone: its folder made anew would be on this machine alone.
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT))
        if folder != folder.parent:
            self._make_folder(folder.parent)
        folder.mkdir(mode=0o700, exist_ok=True)
        self._was_there = self._was_there or folder == self._root


def _raise_unless_gone(error: OSError) -> None:
    if not isinstance(error, FileNotFoundError):
        raise error


class _FileLog(_TimedLog):
    def __init__(self, file: int) -> None:
        self._file, self._new = file, False
        super().__init__()

    def append(self, data: bytes) -> None:
        self._raise_late_error()
        while data:
            # A disk that becomes full takes a part of it.
            data = data[os.write(self._file, data) :]
        self._new = True

    def _flush(self) -> None:
        if self._new:
            self._new = False
            os.fsync(self._file)

    def close(self) -> None:
        try:
            self._end()
        finally:
            os.close(self._file)


# -- An object store: a file is one object, put whole. There is no write that fails if the object
# is there, so that two writers who look at the same moment both win, and the later object stays.
# Whoever writes a part keeps its log until it has seen that nobody else has one.


class ObjectStorage:
    """A place in an object store, by pyarrow; the machine's own credentials are used.

    What a log has of the last FLUSH_SECONDS, at most SEGMENT_ROWS entries, ends with its process.
    """

    def __init__(self, url: str) -> None:
        from pyarrow import fs

        self._fs, self._root = fs.FileSystem.from_uri(url)

    def read(self, name: str) -> bytes | None:
        """The bytes of an object; None if there is none."""
        try:
            with self._fs.open_input_stream(f"{self._root}/{name}") as stream:
                data: bytes = stream.read()
        except FileNotFoundError:
            return None
        return data

    def write(self, name: str, data: bytes, *, lasting: bool = True) -> None:
        """Write an object, in the place of one that is there."""
        del lasting
        with self._fs.open_output_stream(f"{self._root}/{name}") as stream:
            stream.write(data)

    def write_new(self, name: str, data: bytes) -> bool:
        """Write an object that is not there yet, by looking first."""
        if self.read(name) is not None:
            return False
        self.write(name, data)
        return True

    def names(self, prefix: str) -> list[str]:
        """The names of all objects below a folder, sorted."""
        from pyarrow import fs

        place = f"{self._root}/{prefix}"
        listed = self._fs.get_file_info(
            fs.FileSelector(place, allow_not_found=True, recursive=True)
        )
        files = (each.path for each in listed if each.type is fs.FileType.File)
        start = len(self._root) + 1
        return sorted(each[start:] for each in files if not each.endswith("/"))

    def remove(self, name: str) -> None:
        """Remove an object, if it is there."""
        with suppress(FileNotFoundError):
            self._fs.delete_file(f"{self._root}/{name}")

    def open_log(self, name: str) -> Log:
        """A new log in pieces; the first, which is empty, shows that they can be written."""
        return _SegmentLog(self, name)


class _SegmentLog(_TimedLog):
    def __init__(self, storage: ObjectStorage, name: str) -> None:
        self._storage, self._name, self._number = storage, name, 0
        self._waiting: list[bytes] = []
        self._changes = threading.Lock()
        self._put(b"")
        super().__init__()

    def append(self, data: bytes) -> None:
        self._raise_late_error()
        with self._changes:
            self._waiting.append(data)
            full = len(self._waiting) >= SEGMENT_ROWS
        if full:
            self._wake.set()

    def _flush(self) -> None:
        with self._changes:
            entries, self._waiting = self._waiting, []
        if not entries:
            return
        try:
            self._put(b"".join(entries))
        except OSError:
            with self._changes:
                self._waiting = entries + self._waiting
            raise
        self._error = None

    def _put(self, data: bytes) -> None:
        self._storage.write(f"{self._name}.{self._number:05}", data)
        self._number += 1

    def close(self) -> None:
        self._end()
