"""Known keys: secrets in every spelling that a search looks for, and a warning for typed ones."""

from __future__ import annotations

import base64
import json
import os
import re
import shlex
import sys
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from html import escape
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

from llmwidgets.errors import FieldError
from llmwidgets.secret import Secret

SHORTEST = 8
"""Shorter secrets (`ollama`, say) are words of any text, and are not searched."""

_SECRET_LEAVES = ("private_key", "client_secret", "refresh_token")


@dataclass(frozen=True, slots=True, eq=False)
class KnownKey:
    """A secret to search for: whose it is, its last four characters, and how it can be spelled.

    A spelling is its kind (`raw`, `base64`, …) and its bytes in a view, whose repr shows an
    address alone.
    """

    name: str
    tail: str
    spellings: tuple[tuple[str, memoryview], ...] = field(repr=False)


def known_keys(secrets: Iterable[tuple[str, str, Secret]]) -> tuple[KnownKey, ...]:
    """The known keys of labelled fields (label, field, secret); of JSON the secret parts."""
    return tuple(
        known
        for label, name, secret in secrets
        for known in known_key(f"{name} of {label}", secret)
    )


def known_key(name: str, secret: Secret) -> list[KnownKey]:
    """The secret as known keys: none for a short one or a reference that leads nowhere."""
    try:
        parts = secret_parts(secret)
    except FieldError:
        return []
    return [KnownKey(name, secret.tail or _ending(part), tuple(_spellings(part))) for part in parts]


def secret_parts(secret: Secret) -> list[memoryview]:
    """The bytes worth searching: of each value its longest line.

    FieldError for a reference that leads nowhere.
    """
    return [part for part in map(_line, secret_values(secret)) if len(part) >= SHORTEST]


def secret_values(secret: Secret) -> list[memoryview]:
    """The value; of JSON its secret leaves; with a scheme (`Bearer …`) also what follows it.

    FieldError for a reference that leads nowhere.
    """
    whole = memoryview(secret.reveal().encode("utf-8", "replace"))
    if bytes(whole[:1]) == b"{":
        return _leaves(whole)
    return [whole, *(memoryview(word) for word in bytes(whole).split()[1:])]


def find_all(data: bytes, word: bytes | memoryview, step: int = 1) -> Iterator[int]:
    """Every place of the word, the next one looked for `step` bytes on."""
    at = data.find(word)
    while at >= 0:
        yield at
        at = data.find(word, at + step)


def _leaves(text: memoryview) -> list[memoryview]:
    try:
        return list(_secret_leaves(json.loads(bytes(text))))
    except (ValueError, AttributeError, RecursionError):
        return []


def _secret_leaves(table: Mapping[str, Any]) -> Iterator[memoryview]:
    """Also of the credentials inside others, by which an account acts as another one."""
    for name, value in table.items():
        if isinstance(value, dict):
            yield from _secret_leaves(value)
        elif name in _SECRET_LEAVES and isinstance(value, str):
            yield memoryview(value.encode("utf-8", "replace"))


def _line(part: memoryview) -> memoryview:
    """A private key is found by its first full line: JSON and PEM part the lines differently."""
    return memoryview(max(bytes(part).splitlines() or [b""], key=len))


def _ending(part: memoryview) -> str:
    return bytes(part[-4:]).decode(errors="replace") if len(part) >= 12 else ""


def _spellings(part: memoryview) -> Iterator[tuple[str, memoryview]]:
    """Each spelling of the bytes in a file, without those that are the same."""
    seen: set[bytes] = set()
    for kind, spelled in _all_spellings(part):
        if bytes(spelled) not in seen:
            seen.add(bytes(spelled))
            yield kind, spelled


def _all_spellings(part: memoryview) -> Iterator[tuple[str, memoryview]]:
    yield "raw", part
    for safe in ("", "/", "!'()*"):  # the last is what a browser leaves as it is
        for quoted in (quote, quote_plus):
            yield "URL-encoded", memoryview(quoted(bytes(part), safe=safe).encode())
            yield "URL-encoded", _small(memoryview(quoted(bytes(part), safe=safe).encode()))
    escaped = memoryview(json.dumps(bytes(part).decode(errors="replace")).encode())[1:-1]
    yield "JSON-escaped", escaped
    yield "JSON-escaped", memoryview(bytes(escaped).replace(b"/", rb"\/"))
    yield "JSON-escaped", memoryview(_AS_CODE.sub(_as_code, bytes(escaped)))
    yield "JSON-escaped", memoryview(json.dumps(bytes(escaped).decode()).encode())[1:-1]
    for quotes in (True, False):
        html = memoryview(escape(bytes(part).decode(errors="replace"), quotes).encode())
        yield "HTML-escaped", html
        yield "HTML-escaped", memoryview(bytes(html).replace(b"&#x27;", b"&#39;"))
    for order in ("utf-16-le", "utf-16-be"):
        yield "UTF-16", memoryview(bytes(part).decode(errors="replace").encode(order))
    if len(part) >= SHORTEST + 4:
        for before in range(3):
            for encode in (base64.b64encode, base64.urlsafe_b64encode):
                yield (
                    "base64",
                    _inner(memoryview(encode(bytes(before) + bytes(part))), before, part),
                )


def _small(encoded: memoryview) -> memoryview:
    """URL-encoded with the small hex digits that some servers write."""
    return memoryview(re.sub(rb"%..", lambda code: code[0].lower(), bytes(encoded)))


# What careful writers of JSON keep out of it, so that it can be put in a page.
_AS_CODE = re.compile(rb"[+&<>']")


def _as_code(letter: re.Match[bytes]) -> bytes:
    return b"\\u%04X" % letter[0][0]


def _inner(encoded: memoryview, before: int, part: memoryview) -> memoryview:
    """The characters that depend on the secret alone, whatever comes before and after it."""
    first = -(-before * 8 // 6)
    return encoded[first : (before + len(part)) * 8 // 6]


# -- A key or passphrase written as a literal in a cell is in the notebook: a warning, once.

_warned: set[tuple[str, str, str]] = set()


def warn_if_typed(name: str, secret: Secret, *, header: str = "") -> None:
    """Write a note with the command that cleans, if a cell of this session contains the value.

    `header` is the extra header that it is the value of. Once for each; silent outside IPython,
    for references and for values under 8 characters.
    """
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    if shell is None or secret.reference or not _is_in_a_cell(shell, secret):
        return
    if (name, header, secret.tail) not in _warned:
        _warned.add((name, header, secret.tail))
        sys.stderr.write(_note(name, header, shell))


def _is_in_a_cell(shell: Any, secret: Secret) -> bool:
    cells = "\n".join(map(str, getattr(shell.history_manager, "input_hist_raw", [])))
    data = f"{cells}\n{_running(shell)}".encode("utf-8", "replace")
    return any(
        data.find(spelled) >= 0
        for known in known_key("", secret)
        for kind, spelled in known.spellings
        if kind in {"raw", "JSON-escaped"}
    )


def _running(shell: Any) -> str:
    """The cell that runs now, also one that a front end keeps out of the history."""
    try:
        return str(shell.get_parent()["content"]["code"])
    except (AttributeError, KeyError, TypeError, LookupError):
        return ""


def _note(name: str, header: str, shell: Any) -> str:
    history = str(getattr(shell.history_manager, "hist_file", "") or "")
    named = [each for each in (_notebook(shell), history) if each and each != ":memory:"]
    instead = _INSTEAD.get(name, f'Use lw.ConnectionPanel(), or {name}="env:NAME".')
    if header:
        name, instead = f"header {header}", f'Use headers={{"{header}": "env:NAME"}}.'
    return (
        f"llmwidgets: The {name} is written in a cell, so the notebook and IPython's history "
        f"contain it. {instead}\nTake it out of both, once the notebook is saved:\n"
        f"    llmwidgets scan --clean {' '.join(map(shlex.quote, named))}\n"
    )


_INSTEAD = {
    "passphrase": "Leave it out: then a secret field asks.",
    "identity": "Set LLMWIDGETS_STORE_KEY_FILE to the file that contains it.",
}


def _notebook(shell: Any) -> str:
    """The notebook's path as its front end names it; NOTEBOOK.ipynb if it does not."""
    name = shell.user_ns.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME", "")
    for path in (Path(name), Path(name).name):
        if name.endswith(".ipynb") and Path(path).is_file():
            return str(path)
    return "NOTEBOOK.ipynb" if hasattr(shell, "kernel") else ""
