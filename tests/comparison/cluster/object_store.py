"""An object store on loopback that speaks as much of S3 as pyarrow asks; nothing is checked."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

import pytest

from tests.servers import Handler, listening

BUCKET = "bucket"


@dataclass
class ObjectStore:
    """Its objects by their keys, and the requests that came; `refused` is S3's word for a no."""

    port: int
    objects: dict[str, bytes] = field(default_factory=dict)
    requests: list[str] = field(default_factory=list)
    refused: str = ""
    lock: Any = field(default_factory=threading.Lock)

    @property
    def parameters(self) -> str:
        """What follows the place in a URL of this store."""
        return f"?endpoint_override=127.0.0.1:{self.port}&scheme=http&region=us-east-1"


class _S3(Handler):
    def handle_expect_100(self) -> bool:
        # At once: the client waits for it.
        super().handle_expect_100()
        self.wfile.flush()
        return True

    def do_GET(self) -> None:
        store, key, query = self._asked()
        if store.refused:
            self._refuse(403, store.refused)
        elif "list-type" in query:
            self.reply(200, _listing(store.objects, query), {"content-type": "application/xml"})
        elif key not in store.objects:
            self._refuse(404, "NoSuchKey")
        else:
            self._tell(store.objects[key])

    do_HEAD = do_GET

    def do_PUT(self) -> None:
        store, key, _ = self._asked()
        data = self._body()
        if store.refused:
            self._refuse(403, store.refused)
            return
        with store.lock:
            store.objects[key] = data
        self.reply(200, b"", {"etag": '"1"'})

    def do_DELETE(self) -> None:
        store, key, _ = self._asked()
        store.objects.pop(key, None)
        self.send_response(204)
        self.end_headers()

    def _asked(self) -> tuple[ObjectStore, str, dict[str, str]]:
        store: ObjectStore = self.server.state  # type: ignore[attr-defined]
        parts = urlsplit(self.path)
        query = {name: each[0] for name, each in parse_qs(parts.query, True).items()}
        store.requests.append(f"{self.command} {unquote(parts.path)}")
        return store, unquote(parts.path).removeprefix(f"/{BUCKET}").removeprefix("/"), query

    def _body(self) -> bytes:
        if self.headers.get("transfer-encoding") != "chunked":
            return self._own(self.rfile.read(int(self.headers.get("content-length", 0))))
        pieces = []
        while size := int(self.rfile.readline().split(b";")[0], 16):
            pieces.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return self._own(b"".join(pieces))

    def _own(self, body: bytes) -> bytes:
        """What is in pieces of S3's own making, which a checksum follows."""
        if "aws-chunked" not in self.headers.get("content-encoding", ""):
            return body
        found = b""
        while body:
            size, _, body = body.partition(b"\r\n")
            many = int(size.split(b";")[0], 16)
            if not many:
                break
            found, body = found + body[:many], body[many + 2 :]
        return found

    def _tell(self, data: bytes) -> None:
        status, headers = 200, {"last-modified": formatdate(usegmt=True), "etag": '"1"'}
        total = len(data)
        if wanted := self.headers.get("range"):
            first, last = wanted.removeprefix("bytes=").split("-")
            end = min(int(last), total - 1) if last else total - 1
            data, status = data[int(first) : end + 1], 206
            headers["content-range"] = f"bytes {first}-{end}/{total}"
        if self.command == "HEAD":
            self.send_response(status)
            for name, value in {**headers, "content-length": str(total)}.items():
                self.send_header(name, value)
            self.end_headers()
        else:
            self.reply(status, data, headers)

    def _refuse(self, status: int, code: str) -> None:
        said = f"<Error><Code>{code}</Code><Message>no</Message></Error>".encode()
        said = b"" if self.command == "HEAD" else said
        self.reply(status, said, {"content-type": "application/xml"})


def _listing(objects: dict[str, bytes], query: dict[str, str]) -> bytes:
    prefix, delimiter = query.get("prefix", ""), query.get("delimiter", "")
    files, folders = [], set[str]()
    for key in sorted(objects):
        if key.startswith(prefix):
            first, more, _ = key[len(prefix) :].partition(delimiter or "\0")
            if more:
                folders.add(prefix + first + delimiter)
            else:
                files.append(key)
    when = "2026-11-01T00:00:00.000Z"
    said = "".join(
        f"<Contents><Key>{escape(key)}</Key><LastModified>{when}</LastModified>"
        f"<Size>{len(objects[key])}</Size></Contents>"
        for key in files
    ) + "".join(
        f"<CommonPrefixes><Prefix>{escape(each)}</Prefix></CommonPrefixes>"
        for each in sorted(folders)
    )
    return f"<ListBucketResult><IsTruncated>false</IsTruncated>{said}</ListBucketResult>".encode()


@contextmanager
def serving_objects() -> Iterator[ObjectStore]:
    """A store on a free port of loopback, until the block ends, and credentials for it."""
    with pytest.MonkeyPatch.context() as patch, listening(_S3) as http:
        for name in [each for each in os.environ if each.startswith("AWS_")]:
            patch.delenv(name)
        patch.setenv("AWS_ACCESS_KEY_ID", "made-up-id-0001")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "made-up-key-0001")
        patch.setenv("AWS_EC2_METADATA_DISABLED", "true")
        http.state = store = ObjectStore(http.server_address[1])  # type: ignore[attr-defined]
        yield store
