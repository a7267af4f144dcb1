"""Where a run on a cluster keeps what outlives its workers: a folder that all of them reach."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Protocol


class Log(Protocol):
    """A file of one writer that only grows."""

    def append(self, data: bytes) -> None:
        """Write it behind the rest; it outlives this process when this returns."""

    def close(self) -> None:
        """Nothing is appended any more."""


class RunFolder:
    """The files of a run by names with slashes; `place` is what another machine opens it by.

    Files are written whole or not at all. Any reader may meet a file that is gone by now.

    >>> folder = RunFolder("/tmp/run-17")               # doctest: +SKIP
    >>> folder.write("lease", b"1"); folder.read("lease")   # doctest: +SKIP
    b'1'
    """

    def __init__(self, place: str) -> None:
        self.place = place
        self._root = Path(place)

    def read(self, name: str) -> bytes | None:
        """The bytes of a file; None if there is none."""
        with suppress(FileNotFoundError):
            return (self._root / name).read_bytes()
        return None

    def write(self, name: str, data: bytes) -> None:
        """Write a file, in the place of one that is there."""
        os.replace(self._draft(name, data), self._root / name)

    def write_new(self, name: str, data: bytes) -> bool:
        """Write a file that is not there yet; whether it was not: the first writer wins."""
        draft = self._draft(name, data)
        try:
            os.link(draft, self._root / name)
        except FileExistsError:
            return False
        finally:
            draft.unlink()
        return True

    def names(self, prefix: str) -> Iterator[str]:
        """The names of the files in a folder of it, sorted."""
        with suppress(FileNotFoundError):
            yield from sorted(
                f"{prefix}/{each.name}"
                for each in (self._root / prefix).iterdir()
                if not each.name.startswith(".")
            )

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        (self._root / name).unlink(missing_ok=True)

    def open_log(self, name: str) -> Log:
        """A new log of this name."""
        return _FileLog(self._made(name))

    def _made(self, name: str) -> Path:
        path = self._root / name
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        return path

    def _draft(self, name: str, data: bytes) -> Path:
        path = self._made(name)
        draft = path.with_name(f".{path.name}.{secrets.token_hex(4)}")
        with open(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb") as file:
            file.write(data)
        return draft


class _FileLog:
    def __init__(self, path: Path) -> None:
        # Unbuffered: what was written is the system's, whatever becomes of this process.
        self._file = open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "wb", 0)  # noqa: SIM115

    def append(self, data: bytes) -> None:
        self._file.write(data)

    def close(self) -> None:
        self._file.close()
