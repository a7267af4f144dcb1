"""Payload lines: the JSON that a store seals, a line a connection, parsed when it is asked for.

So one of a hundred connections is opened without making the keys of all. The lines are white space
to JSON: a file that is laid out otherwise opens as well, and any reader of JSON reads this one.
"""

from __future__ import annotations

import json
import re
from bisect import bisect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Any, overload

from llmwidgets.errors import DamagedStore
from llmwidgets.secret import Secret, open_before_redacting

Payload = Mapping[str, Any]
"""A connection as `Connection.to_payload` gives it."""

# A secret stands in the JSON as {"secret value": "…"}: no field and no header can bear a name
# with a blank, so nothing else looks like it, and no plain text of a key ever enters a dict.
_SECRET = "secret value"
_LIST = '"connections": []'
_OPENS = b'"connections": ['
_LINE_END = re.compile(rb"\n")
_BETWEEN = b"},\n{"
_NEXT, _NEXT_LINE = b'}, {"kind": ', b'},\n{"kind": '


class PayloadLines(Sequence[Payload]):
    """The payloads in lines of JSON; DamagedStore where a line that is asked for holds none.

    `ends` are the ends of the lines in `plain`: first of the line before the payloads, then of
    each payload's. A view shows an address alone.
    """

    def __init__(self, plain: memoryview, ends: Sequence[int]) -> None:
        self._plain, self._ends = plain, ends
        self._parsed: dict[int, Payload] = {}
        open_before_redacting(self)

    @overload
    def __getitem__(self, place: int) -> Payload: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Payload]: ...
    def __getitem__(self, place: int | slice) -> Payload | Sequence[Payload]:
        if isinstance(place, slice):
            return tuple(self)[place]
        place = range(len(self))[place]
        self._parse([place])
        return self._parsed[place]

    def __iter__(self) -> Iterator[Payload]:
        self._parse(range(len(self)))
        return iter([self._parsed[place] for place in range(len(self))])

    def __len__(self) -> int:
        return len(self._ends) - 1

    def likely(self, label: str) -> Iterator[Payload]:
        """Those whose line holds the label as it is spelled here, then all."""
        spelled = json.dumps(label).encode("ascii")
        start = self._ends[0]
        while (at := bytes(self._plain).find(spelled, start, self._ends[-1])) >= 0:
            place = bisect(self._ends, at) - 1
            yield self[place]
            start = self._ends[place + 1]
        yield from self

    def _line(self, place: int) -> memoryview:
        """The JSON of one payload, without the comma that parts it from the next."""
        comma = 1 if place < len(self) - 1 else 0
        return self._plain[self._ends[place] + 1 : self._ends[place + 1] - comma]

    def _parse(self, places: Iterable[int]) -> None:
        missing = [place for place in places if place not in self._parsed]
        if not missing:
            return
        payloads = _decoded(_joined(b"[", b",".join(map(self._line, missing)), b"]"))
        whole = isinstance(payloads, list) and len(payloads) == len(missing)
        if not whole or not all(map(fits, payloads)):
            wrong = "has no label or kind" if whole else "is not spelled as JSON"
            message = f"connections.age opens, but a connection in it {wrong}."
            raise DamagedStore(message, "store.restore() goes back to what was saved before.")
        for place, payload in zip(missing, payloads, strict=True):
            self._parsed.setdefault(place, payload)  # of two threads' payloads one is kept


def fits(payload: object) -> bool:
    """Whether it is a payload as far as it is looked up: a label and a kind in words."""
    words = [payload.get("label"), payload.get("kind")] if isinstance(payload, dict) else [None]
    return all(isinstance(each, str) for each in words)


def found(payloads: Sequence[Payload], label: str) -> Payload | None:
    """The payload of this label, or None."""
    likely = payloads.likely(label) if isinstance(payloads, PayloadLines) else payloads
    return next((each for each in likely if each["label"] == label), None)


def write(
    document: Mapping[str, Any], payloads: Sequence[Payload], spell: Callable[[Secret], str]
) -> memoryview:
    """The document as JSON, the payloads as its `connections`; `spell` opens a secret."""

    def plain(value: object) -> dict[str, str]:
        if isinstance(value, Secret):
            return {_SECRET: spell(value)}
        message = f"A {type(value).__name__} does not fit in the store."
        raise TypeError(message)

    # Inside a text of JSON each quotation mark has a backslash, so nothing there looks like this.
    before, _, after = json.dumps({**document, "connections": []}).partition(_LIST)
    head, tail = f"{before}{_LIST[:-1]}".encode("ascii"), f"]{after}".encode("ascii")
    listed = memoryview(json.dumps(tuple(payloads), default=plain).encode("ascii"))[1:-1]
    if not payloads or bytes(listed).count(_NEXT) != len(payloads) - 1:
        return _joined(head, listed, tail)
    return _joined(head, b"\n", bytes(listed).replace(_NEXT, _NEXT_LINE), b"\n", tail)


def read(plain: memoryview) -> dict[str, Any] | None:
    """The JSON object of an opened file, its secrets closed; None where it is none."""
    ends = [each.start() for each in _LINE_END.finditer(plain)]
    if _is_laid_out(plain, ends):
        document = _decoded(_joined(plain[: ends[1]], plain[ends[-1] + 1 :]))
        if isinstance(document, dict) and document.get("connections") == []:
            return {**document, "connections": PayloadLines(plain, ends[1:])}
    whole = _decoded(plain)
    return whole if isinstance(whole, dict) else None


def _is_laid_out(plain: memoryview, ends: Sequence[int]) -> bool:
    """Whether each connection has a line of its own.

    `ends` are the ends of lines: the first stands behind the writer's code, the second where the
    list opens, the last before it closes.
    """
    if len(ends) < 3 or bytes(plain[ends[1] - len(_OPENS) : ends[1]]) != _OPENS:
        return False
    braces = bytes((plain[ends[1] + 1], plain[ends[-1] - 1]))
    return braces == b"{}" and bytes(plain).count(_BETWEEN) == len(ends) - 3


def _joined(*parts: bytes | memoryview) -> memoryview:
    return memoryview(b"".join(parts))


def _close(value: dict[str, Any]) -> Any:
    if len(value) == 1 and isinstance(value.get(_SECRET), str):
        return Secret(value[_SECRET])
    return value


_DECODER = json.JSONDecoder(object_hook=_close)


def _decoded(plain: memoryview) -> Any:
    """What the JSON says, its secrets closed; None where it is none."""
    # A JSONDecodeError holds the whole text: it ends here, and nothing is raised within `except`.
    try:
        return _DECODER.decode(str(plain, "utf-8"))
    except (ValueError, RecursionError):
        return None
