"""Workload identity federation: an external_account file, and the token of another service in it.

Such a file can name any address to ask, file to send and program to run, so it is taken only from
a file of the user's, within these limits:

- tokens come from sts.googleapis.com alone (or from this computer);
- the other service's token is read from a regular file of at most 64 kB that contains one token,
  in a line without blanks, or JSON with the token in the named field; never from below /etc,
  /proc, /sys, /dev, /boot or the folder of Windows, wherever links lead;
- or it is asked for at this computer or at the metadata address (169.254.169.254), without a
  secret in the header where that is not this computer;
- programs are never run; AWS, certificates and workforce pools are not supported.
"""

from __future__ import annotations

import json
import os
import re
import stat
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from llmwidgets.errors import FieldError, read_path
from llmwidgets.providers.urls import METADATA_HOST, host_of, is_this_computer
from llmwidgets.secret import Secret, decode_secret, mask_if_key, read_secret_file

_LARGEST = 1 << 16
_TOKEN = re.compile(r"[A-Za-z0-9._~+/=-]{8,}")
_WORKFORCE = re.compile(r"//iam\.googleapis\.com/locations/[^/]+/workforcePools/")
_PLAIN_HEADERS = frozenset({"metadata", "metadata-flavor", "accept"})
_SYSTEM_FOLDERS = ("/etc", "/proc", "/sys", "/dev", "/boot")
_RULE = (
    "The file must be a regular one of at most 64 kB with one token in it, outside the system's"
    " folders."
)
_BY_FILE = (
    "Have the token written to a file, name that as credential_source.file, or use the key of a"
    " service account."
)


@dataclass(frozen=True, slots=True)
class Problem:
    """Why credentials cannot be used, and the next step; it contains no part of them.

    Without a hint, that of the sign-in holds.
    """

    sentence: str
    hint: str = ""


class SubjectTokenError(Exception):
    """There is no token of the other service to exchange."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        super().__init__(problem.sentence)


_refusal = partial(Problem, hint=_BY_FILE)


def find_problem(info: Mapping[str, Any], *, from_file: bool) -> Problem | None:
    """Why this external_account JSON is not used; None if it is within the limits."""
    if not from_file:
        return Problem(
            "Credentials of the type external_account get their tokens from another service, by a"
            " file or an address that they name: they are not taken from a paste.",
            "Keep them as a file on the machine where the kernel runs, and sign in with Workload"
            ' identity federation: sign_in="federation", credentials_file="PATH". Or use a key: in'
            " the Google Cloud console open the service account, then Keys → Add key → JSON.",
        )
    needed = {"audience": str, "subject_token_type": str, "credential_source": dict}
    lacking = [name for name, kind in needed.items() if not isinstance(info.get(name), kind)]
    if lacking:
        return Problem(f"The file lacks {' and '.join(lacking)}: it is not whole.")
    if _WORKFORCE.match(info["audience"]):
        return Problem(
            "The file is of a workforce pool, by which people sign in: not supported yet.",
            "Sign in with gcloud's login, or use the key of a service account.",
        )
    universe = info.get("universe_domain", "googleapis.com")
    if universe != "googleapis.com":
        return Problem(
            "The file is of another universe than googleapis.com, which is not called from here.",
            "Use a file of a project in googleapis.com.",
        )
    return _source_problem(info["credential_source"], info["subject_token_type"])


def _source_problem(source: Mapping[str, Any], token_type: str) -> Problem | None:
    if "executable" in source:
        return _refusal("The file names a program that gives the token: none is ever run.")
    if "environment_id" in source or "aws4_request" in token_type:
        return _refusal("The file gets its token from AWS, which is not supported.")
    if "certificate" in source:
        return _refusal("The file signs in with a certificate, which is not supported.")
    file, url = source.get("file"), source.get("url")
    if (file is None) == (url is None) or not isinstance(url if file is None else file, str):
        return _refusal("The file names neither a file nor an address with the token, or both.")
    layout = source.get("format") or {}
    kind = layout.get("type", "text") if isinstance(layout, dict) else None
    if kind not in ("text", "json"):
        return _refusal("The file names a format of the token that is neither text nor json.")
    if kind == "json" and not isinstance(layout.get("subject_token_field_name"), str):
        return _refusal(
            "The file does not name the field with the token: subject_token_field_name."
        )
    headers = source.get("headers") or {}
    texts = isinstance(headers, dict) and all(isinstance(each, str) for each in headers.values())
    if not texts or not re.fullmatch(
        "[ -~]*", "".join(f"{each}{headers[each]}" for each in headers)
    ):
        return _refusal("The headers that the file names are not names and texts.")
    return _url_problem(url, headers) if isinstance(url, str) else _path_problem(str(file))


def _url_problem(url: str, headers: Mapping[str, str]) -> Problem | None:
    host = "" if "@" in url.partition("?")[0] else host_of(url)
    scheme = urlsplit(url).scheme if host else ""
    if is_this_computer(host) and scheme in {"http", "https"}:
        return None
    if host != METADATA_HOST or scheme != "http":
        return _refusal(
            f"The file asks for its token at {host or 'an address that cannot be read'}, which is"
            f" neither this computer nor {METADATA_HOST}: nothing was sent there."
        )
    if {name.lower() for name in headers} <= _PLAIN_HEADERS:
        return None
    return _refusal(f"The file would send a secret to {METADATA_HOST} unencrypted.")


def _path_problem(path: str) -> Problem | None:
    try:
        full = os.path.abspath(read_path(path))
    except FieldError:
        sentence = "The path of the file with the token, credential_source.file, cannot be read."
        return Problem(sentence, _RULE)
    folders = (*_SYSTEM_FOLDERS, os.environ.get("SYSTEMROOT", ""))
    barred = [Path(spelled) for each in filter(None, folders) for spelled in _spellings(each)]
    if any(Path(each).is_relative_to(folder) for each in _spellings(full) for folder in barred):
        return Problem(
            f"The file names {mask_if_key(path)} as the file with the token, which is the system's"
            " own: it is not read.",
            _RULE,
        )
    return None


def _spellings(path: str) -> tuple[str, str]:
    return path, os.path.realpath(path)


def split_headers(headers: Mapping[str, str]) -> tuple[dict[str, str], dict[str, Secret]]:
    """The headers that may be shown, and those that may contain a secret."""
    plain = {name: each for name, each in headers.items() if name.lower() in _PLAIN_HEADERS}
    closed = {
        name: Secret(each, literal=True) for name, each in headers.items() if name not in plain
    }
    return plain, closed


def make_credentials(info: Mapping[str, Any], token_url: str, scope: str) -> Any:
    """Google-auth's own object; it reads no file and opens no socket itself."""
    from google.auth import identity_pool

    credentials: Any = identity_pool.Credentials
    return credentials(
        audience=info["audience"],
        subject_token_type=info["subject_token_type"],
        token_url=token_url,
        subject_token_supplier=SubjectToken(info["credential_source"]),
        client_id=info.get("client_id"),
        client_secret=info.get("client_secret"),
        scopes=[scope],
    )


class SubjectToken:
    """The other service's token, read anew for each exchange, or a SubjectTokenError."""

    def __init__(self, source: Mapping[str, Any]) -> None:
        self._source = source
        self._sent = Secret("")

    def get_subject_token(self, _context: object, request: Callable[..., Any]) -> str:
        """What google-auth calls; `request` is what it sends its own calls by."""
        opened, place = self._open(request)
        field = (self._source.get("format") or {}).get("subject_token_field_name")
        if (self._source.get("format") or {}).get("type") == "json":
            opened = _field_of(opened, field)
        if opened is None or not _TOKEN.fullmatch(opened().strip()):
            sentence = f"What {place} contains is not a token: it was not sent."
            raise SubjectTokenError(Problem(sentence, _RULE))
        # As long as it lives, texts from elsewhere are masked by it.
        self._sent = Secret(opened().strip())
        return opened().strip()

    def _open(self, request: Callable[..., Any]) -> tuple[Callable[[], str] | None, str]:
        if url := self._source.get("url"):
            reply = request(url=url, method="GET", headers=self._source.get("headers"))
            if reply.status != 200 or len(reply.data) > _LARGEST:
                sentence = (
                    f"{urlsplit(url).hostname} gave no token for the exchange: it answered with"
                    f" the status {reply.status}."
                )
                hint = "Check that this machine has an identity, and the address in the file."
                raise SubjectTokenError(Problem(sentence, hint))
            return decode_secret(memoryview(reply.data))[0], urlsplit(url).hostname or ""
        path = self._source["file"]
        opened, wrong = read_secret_file(Path(path).expanduser(), _distrust)
        if opened is None:
            said = f"The file with the token, {mask_if_key(path)}, {wrong}."
            hint = f"Check credential_source.file. {_RULE}"
            raise SubjectTokenError(Problem(said, hint))
        return opened, mask_if_key(path)


def _distrust(status: os.stat_result) -> str:
    large = stat.S_ISREG(status.st_mode) and status.st_size > _LARGEST
    return "is larger than 64 kB, so it is not a token" if large else ""


def _field_of(opened: Callable[[], str] | None, name: Any) -> Callable[[], str] | None:
    """The text in this field of a JSON object, closed."""
    if opened is None:
        return None
    try:
        if isinstance(json.loads(opened())[name], str):
            return lambda: str(json.loads(opened())[name])
    except (ValueError, KeyError, TypeError, RecursionError):
        pass
    return None
