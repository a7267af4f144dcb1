"""Where a run on a cluster keeps what outlives its workers: a folder that all of them reach."""

from __future__ import annotations

import re
import string
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qsl, quote, unquote, urlsplit

from llmwidgets.comparison.cluster.replies.storage import LocalStorage, Log, ObjectStorage, Storage
from llmwidgets.engine.journal_file import reason
from llmwidgets.errors import FieldError, read_path
from llmwidgets.secret import refuse_key

__all__ = ["Log", "RunFolder"]

_OBJECT_STORES = ("s3", "gs", "gcs", "abfs", "abfss")
_PARAMETERS = frozenset({
    "region", "scheme", "endpoint_override", "allow_delayed_open", "tls_verify_certificates",
    "retry_limit_seconds", "blob_storage_authority", "dfs_storage_authority", "enable_tls",
})  # fmt: skip
"""What a URL may say besides its place: nothing of it is a secret."""
_REFUSED = re.compile(r"(?:AWS Error |Status\()([A-Z_]+)|\bHTTP.*?\b([45]\d\d)\b")
_REFUSALS = {
    "ACCESS_DENIED": "its owner does not allow it to this machine",
    "PERMISSION_DENIED": "its owner does not allow it to this machine",
    "FileNotFoundError": "there is no such bucket or container",
    "NO_SUCH_BUCKET": "there is no such bucket",
    "INVALID_ACCESS_KEY_ID": "this machine's credentials are not known there",
    "SIGNATURE_DOES_NOT_MATCH": "this machine's credentials are not right",
    "NETWORK_CONNECTION": "it cannot be reached from this machine",
}


class RunFolder:
    """The files of a run by names with slashes; `place` is what another machine opens it by.

    A place is a folder, also as `file://`, that every machine has under the same name, or a URL of
    an object store (`s3://`, `gs://`, `abfs://`), for which each machine uses its own credentials.
    Files are written whole or not at all, for their owner alone. Any reader may meet a file that
    is gone by now. FieldError, by `journal`, for a place that cannot be one, a URL with a
    credential in it, and whatever the disk or the store refuses.

    What a process appended to a log outlives the process on a disk; of an object store its last
    100 rows, or those of the last 2 seconds, are not there yet, and are asked again after a kill.

    >>> folder = RunFolder("/tmp/run-17")               # doctest: +SKIP
    >>> folder.write("lease", b"1"); folder.read("lease")   # doctest: +SKIP
    b'1'
    """

    def __init__(self, place: str | Path) -> None:
        url = str(place) if re.match("[A-Za-z][A-Za-z0-9+.-]+://", str(place)) else ""
        self.place = _shown(url) if url else str(place)
        self._storage: Storage
        if url and not url.lower().startswith("file:"):
            _check_url(url)
            self.place = url
            with self._told():
                self._storage = _open_object_store(url)
        else:
            path = read_path(_local_path(url) if url else place, "journal").absolute()
            self.place = str(path)
            with self._told():
                self._storage = LocalStorage(path)

    def read(self, name: str) -> bytes | None:
        """The bytes of a file; None if there is none."""
        with self._told():
            return self._storage.read(name)

    def write(self, name: str, data: bytes, *, lasting: bool = False) -> None:
        """Write a file, in the place of one that is there.

        A `lasting` one is on the disk, not only the system's, when this returns.
        """
        with self._told():
            self._storage.write(name, data, lasting=lasting)

    def write_new(self, name: str, data: bytes) -> bool:
        """Write a lasting file that is not there yet; whether it was not: the first writer wins.

        In an object store two that write at the same moment can both be first: the later file
        stays.
        """
        with self._told():
            return self._storage.write_new(name, data)

    def names(self, prefix: str) -> list[str]:
        """The names of all files below a folder of it, sorted."""
        with self._told():
            return self._storage.names(prefix)

    def remove(self, name: str) -> None:
        """Remove a file, if it is there."""
        with self._told():
            self._storage.remove(name)

    def open_log(self, name: str) -> Log:
        """A new log: a file of this name, or files whose names begin with it."""
        with self._told():
            return _ToldLog(self, self._storage.open_log(name))

    @contextmanager
    def _told(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:
            raise self.explain(error) from None

    def explain(self, error: OSError) -> FieldError:
        """What is wrong with the folder, and what to do now."""
        again = "and run again with the same journal=: what was answered is not asked again."
        if "://" not in self.place:
            if isinstance(error, FileNotFoundError):
                return FieldError(
                    {"journal": f"{self.place} is not there on this machine."},
                    "Give journal= a folder that every worker reaches by the same name, or mount "
                    f"it there {again}",
                )
            if isinstance(error, NotADirectoryError | FileExistsError):
                return FieldError(
                    {"journal": f"{self.place} is a file or lies in one, and a run on a cluster "
                                "has a folder."},
                    "Give another name: the folder is made. The journal of runs without a cluster "
                    "stays a file of its own.",
                )  # fmt: skip
            why, step = reason(error, Path(self.place))
            return FieldError({"journal": f"{why}."}, f"{step}, {again}")
        code = _REFUSED.search(str(error))
        said = (code[1] or code[2]) if code else type(error).__name__
        why = _REFUSALS.get(said, said)
        return FieldError(
            {"journal": f"{self.place} cannot be used: {why}."},
            f"Correct that (credentials, region and endpoint are those of each machine), {again}",
        )


class _ToldLog:
    def __init__(self, folder: RunFolder, log: Log) -> None:
        self._folder, self._log = folder, log

    def append(self, data: bytes) -> None:
        try:
            self._log.append(data)
        except OSError as error:
            raise self._folder.explain(error) from None

    def close(self) -> None:
        try:
            self._log.close()
        except OSError as error:
            raise self._folder.explain(error) from None


def _shown(url: str) -> str:
    """The scheme of a URL and nothing else, before it is known what is in it."""
    return f"{url.partition('://')[0].lower()}://…"


def _local_path(url: str) -> str:
    try:
        parts = urlsplit(url)
        local = parts.netloc in ("", "localhost") and not parts.query
    except ValueError:
        local = False
    if not local:
        raise FieldError(
            {"journal": "a file:// URL names a folder of this machine and nothing else."},
            "Write file:///folder, with three slashes, or the folder itself.",
        )
    return unquote(parts.path)


def _check_url(url: str) -> None:
    """FieldError unless it names a place in an object store, without any credential.

    The error does not repeat what stands where a credential does.
    """
    refuse_key("journal", url)
    try:
        parts = urlsplit(url)
        given = {name for name, _ in parse_qsl(parts.query, keep_blank_values=True)}
    except ValueError:
        raise FieldError({"journal": f"{_shown(url)} is not a URL."}, _HOW) from None
    if parts.scheme not in _OBJECT_STORES:
        raise FieldError({"journal": f"nothing is written to {_shown(url)}"}, _HOW)
    user, at, _ = parts.netloc.rpartition("@")
    # Of Azure's URLs it is the container that stands before the @.
    named = parts.scheme.startswith("abfs") and ":" not in user
    secret = bool(at) and not named and user != "anonymous"
    if parts.fragment or not parts.netloc:
        raise FieldError({"journal": f"{_shown(url)} names no bucket and no folder in it."}, _HOW)
    if secret or given - _PARAMETERS:
        what = "a credential" if secret else "what may be a credential"
        raise FieldError(
            {"journal": f"the {parts.scheme} URL has {what} in it, so it is not used."},
            "Workers use the credentials of their own machine (its role, environment or "
            f"configuration). A URL may have, after ?, {', '.join(sorted(_PARAMETERS))}.",
        )


def _open_object_store(url: str) -> Storage:
    try:
        return ObjectStorage(_spelled(url))
    except ImportError:
        raise FieldError(
            {"journal": "pyarrow, which writes to object stores, is not installed here."},
            "The extra llmwidgets[dask] has it, and so has: pip install pyarrow.",
        ) from None
    except (ValueError, NotImplementedError):
        raise FieldError({"journal": f"pyarrow does not take {url}."}, _HOW) from None


_HOW = "Give a folder, or a URL such as s3://bucket/run-17, gs://… or abfs://…."


def _spelled(url: str) -> str:
    """The URL as pyarrow takes it: spaces and the like are spelled out."""
    spelled = quote(url.rstrip("/"), safe=string.punctuation)
    if urlsplit(url).scheme == "s3" and "allow_delayed_open" not in url:
        # A small file is one request, not three.
        spelled += f"{'&' if '?' in spelled else '?'}allow_delayed_open=true"
    return spelled
