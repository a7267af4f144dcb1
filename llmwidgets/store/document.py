"""What a store holds, as a value: read from and written to the JSON that is sealed.

A change is a function from Contents to Contents, so that it can be applied to the file as it is.
"""

from __future__ import annotations

import difflib
import json
import re
import uuid
from bisect import bisect
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, overload

from llmwidgets.connections.connection import Connection, parse_moment
from llmwidgets.errors import (
    AlreadyConnected,
    DamagedStore,
    FieldError,
    NewerStore,
    UnknownConnection,
)
from llmwidgets.secret import Secret, named, open_before_redacting
from llmwidgets.store import trust
from llmwidgets.store.trust import RosterTag

if TYPE_CHECKING:
    from llmwidgets.store.age import Identity


FORMAT = "llmwidgets-store"
SCHEMA = 2

OWNER, RECOVERY = "owner", "recovery"

Rule = tuple[str, str]
"""A connection's label and a model's id."""


@dataclass(frozen=True, slots=True)
class Recipient:
    """Who can open the store."""

    name: str
    recipient: str


@dataclass(frozen=True, slots=True)
class StoreDocument:
    """The connections and rules of one organization at one revision.

    `roster` is the revision at which the recipients last changed, `vouchers` the codes of those
    who changed them, carried along by every writer. `facts` has what is told of a model: label,
    model, and the facts as JSON.
    """

    recipients: tuple[Recipient, ...] = ()
    payloads: Sequence[StoredConnection] = ()
    allowed: tuple[Rule, ...] = ()
    denied: tuple[Rule, ...] = ()
    facts: tuple[tuple[str, str, Mapping[str, Any]], ...] = ()
    store_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    revision: int = 0
    schema: int = SCHEMA
    roster: int = 0
    vouchers: tuple[RosterTag, ...] = ()

    @property
    def members(self) -> list[list[str]]:
        """Name and recipient of each who can open the store, as JSON has them."""
        return [[each.name, each.recipient] for each in self.recipients]

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the connections, in the order they were saved."""
        return tuple(payload["label"] for payload in self.payloads)


def with_connection(
    contents: StoreDocument, connection: Connection, *, over: bool
) -> StoreDocument:
    """The contents with the connection in them; AlreadyConnected where its place is taken."""
    single = connection.provider.single
    taken = [
        place
        for place, payload in enumerate(contents.payloads)
        if payload["label"] == connection.label or (single and payload["kind"] == connection.kind)
    ]
    if len(taken) > 1 or (taken and not over):
        raise _taken(contents.payloads[taken[0]], connection, single=single, more=len(taken) > 1)
    now, start = datetime.now(UTC), taken[0] if taken else len(contents.payloads)
    keyed_at = connection.keyed_at or now
    if taken and _has_key_of(contents.payloads[start], connection):
        there = contents.payloads[start]
        keyed_at = parse_moment(there.get("keyed_at") or there.get("saved_at")) or now
    payload = connection.with_saved_at(now).with_keyed_at(keyed_at).to_payload()
    before, after = contents.payloads[:start], contents.payloads[start + 1 :]
    return replace(contents, payloads=(*before, payload, *after))


def with_renamed(contents: StoreDocument, old: str, new: str) -> StoreDocument:
    """The contents with one label changed, in its rules too.

    UnknownConnection where it is gone, AlreadyConnected where the new label is taken.
    """
    _check_there(contents, old)
    if new != old and new in contents.labels:
        message = f"There is a connection {new} already."
        raise AlreadyConnected(message, "Choose another label, or delete that one first.")
    return replace(
        contents,
        payloads=tuple(
            {**payload, "label": new} if payload["label"] == old else payload
            for payload in contents.payloads
        ),
        allowed=tuple((new if label == old else label, model) for label, model in contents.allowed),
        denied=tuple((new if label == old else label, model) for label, model in contents.denied),
        facts=tuple(
            (new if label == old else label, model, told) for label, model, told in contents.facts
        ),
    )


def without_connection(contents: StoreDocument, label: str) -> StoreDocument:
    """The contents without one connection; the organization's rules for its label stay."""
    _check_there(contents, label)
    kept = tuple(payload for payload in contents.payloads if payload["label"] != label)
    return replace(contents, payloads=kept)


def with_restored(contents: StoreDocument, payload: StoredConnection, place: int) -> StoreDocument:
    """The contents with a deleted connection where it stood; AlreadyConnected if that is taken."""
    connection = Connection.from_payload(payload)
    for each in contents.payloads:
        single = connection.provider.single and each["kind"] == connection.kind
        if single or each["label"] == connection.label:
            raise _taken(each, connection, single=connection.provider.single, more=False)
    before, after = contents.payloads[:place], contents.payloads[place:]
    return replace(contents, payloads=(*before, payload, *after))


def with_rule(contents: StoreDocument, rule: Rule, *, allow: bool) -> StoreDocument:
    """The contents with a model allowed or denied; the last word on it counts."""
    allowed = tuple(each for each in contents.allowed if each != rule)
    denied = tuple(each for each in contents.denied if each != rule)
    if allow:
        return replace(contents, allowed=(*allowed, rule), denied=denied)
    return replace(contents, allowed=allowed, denied=(*denied, rule))


def with_facts(contents: StoreDocument, rule: Rule, told: Mapping[str, Any]) -> StoreDocument:
    """The contents with the facts that are told of a model in place of those told before."""
    others = tuple(each for each in contents.facts if each[:2] != rule)
    return replace(contents, facts=(*others, (*rule, dict(told))))


def serialize_document(
    contents: StoreDocument, identity: Identity, spell: Callable[[Secret], str]
) -> memoryview:
    """The JSON to seal, with the tag of the identity that writes it; `spell` opens a secret."""
    body = write_lines(_document(contents), contents.payloads, spell)
    return trust.sign_body(body, identity, [each.recipient for each in contents.recipients])


def with_recipients(
    contents: StoreDocument, recipients: Iterable[Recipient], identities: Iterable[Identity]
) -> StoreDocument:
    """The contents for other members, whom the holders of these identities vouch for."""
    new = replace(contents, recipients=tuple(recipients), roster=contents.revision + 1)
    vouchers = [
        trust.sign_roster(each, new.store_id, new.roster, new.members) for each in identities
    ]
    return replace(new, vouchers=tuple(vouchers))


def parse_document(
    plain: memoryview,
    identity: Identity,
    trusts: Callable[[StoreDocument, str], bool] | None = None,
) -> StoreDocument:
    """The contents in an opened file; `trusts` judges a writer that is not the reader.

    DamagedStore where nobody trusted wrote it, NewerStore where a newer llmwidgets wrote it in a
    form that is not known here.
    """
    document = read_lines(plain)
    if document is None or document.get("format") != FORMAT:
        message = "connections.age opens, but does not hold a store."
        raise DamagedStore(message)
    schema = document.get("schema")
    newer = isinstance(schema, int) and schema > SCHEMA
    contents, writer = describe_document(document), trust.read_author(plain, identity)
    if (
        contents is not None
        and writer is not None
        and (writer == identity.recipient or (trusts is not None and trusts(contents, writer)))
    ):
        return contents
    if newer:
        message = "The store was written by a newer llmwidgets, in a form that is not known here."
        raise NewerStore(message, "Update llmwidgets.")
    message = "connections.age opens, but was not written by a holder of the store's identity."
    raise DamagedStore(message, "" if writer is None else _by_a_stranger(writer))


def _by_a_stranger(writer: str) -> str:
    return (
        f"{writer} wrote it, whom this computer does not know. Only if the invitation, or whoever "
        f'keeps the store, names exactly this one: store.trust("{writer}").'
    )


def unknown_label(label: str, labels: Iterable[str]) -> UnknownConnection:
    """The error for a label that nothing bears, with the nearest one that exists."""
    there = list(labels)
    close = difflib.get_close_matches(label, there, n=1, cutoff=0.5)
    hint = f"The nearest is {close[0]}." if close else f"There are: {', '.join(there) or 'none'}."
    return UnknownConnection(f"There is no connection {named(label)!r}.", hint)


def _has_key_of(payload: StoredConnection, connection: Connection) -> bool:
    """Whether the connection's secrets are those that the payload holds."""
    there = payload.get("fields") or {}
    return payload["kind"] == connection.kind and all(
        _is_kept(there.get(name), secret) for name, secret in connection.secret_fields.items()
    )


def _is_kept(kept: object, secret: Secret) -> bool:
    closed = Secret(kept) if isinstance(kept, str) else kept  # of a reference the text is kept
    return isinstance(closed, Secret) and closed.is_same_as(secret)


def _check_there(contents: StoreDocument, label: str) -> None:
    if label not in contents.labels:
        raise unknown_label(label, contents.labels)


def _document(contents: StoreDocument) -> dict[str, Any]:
    return {
        "format": FORMAT,
        "schema": contents.schema,
        "store_id": contents.store_id,
        "rev": contents.revision,
        "recipients": [
            {"name": each.name, "recipient": each.recipient} for each in contents.recipients
        ],
        "allowed": contents.allowed,
        "denied": contents.denied,
        **({"facts": contents.facts} if contents.facts else {}),
        "roster": contents.roster,
        "vouchers": contents.vouchers,
    }


def describe_document(document: dict[str, Any]) -> StoreDocument | None:
    """The contents that a parsed document holds, whoever wrote it; None where it holds none."""
    try:
        if not _fits(document):
            return None
        listed = document["connections"]
        return StoreDocument(
            recipients=tuple(Recipient(**each) for each in document["recipients"]),
            payloads=listed if isinstance(listed, StoredConnections) else tuple(listed),
            allowed=tuple((label, model) for label, model in document["allowed"]),
            denied=tuple((label, model) for label, model in document["denied"]),
            facts=tuple(
                (str(label), str(model), dict(told))
                for label, model, told in document.get("facts", ())
            ),
            store_id=document["store_id"],
            revision=document["rev"],
            schema=document["schema"],
            roster=int(document.get("roster", 0)),
            vouchers=tuple(document.get("vouchers", ())),
        )
    except (KeyError, TypeError, ValueError):
        return None


def _fits(document: dict[str, Any]) -> bool:
    """Whether what is counted are numbers, and what is looked up by words has them.

    Lines that are parsed when they are asked for are looked at then.
    """
    numbers, listed = (document["rev"], document["schema"]), document["connections"]
    return all(type(each) is int for each in numbers) and (
        isinstance(listed, StoredConnections) or all(map(is_stored_connection, listed))
    )


def parse_connection(payload: StoredConnection) -> Connection | None:
    """The connection that a payload describes; None where this version cannot read it."""
    try:
        return Connection.from_payload(payload, origin="store")
    except (FieldError, KeyError, TypeError, ValueError):
        return None


def _taken(
    there: StoredConnection, connection: Connection, *, single: bool, more: bool
) -> AlreadyConnected:
    if more:
        message = (
            f"{connection.provider.title} is connected as {there['label']} already, "
            f"and {connection.label} is the label of another connection."
        )
        return AlreadyConnected(message, f"Choose another label than {connection.label}.")
    if single and there["kind"] == connection.kind:
        message = f"{connection.provider.title} is connected already, as {there['label']}."
        return AlreadyConnected(
            message, "One organization has one of these: replace it with replace=True."
        )
    message = f"There is a connection {there['label']} already."
    return AlreadyConnected(message, "Give this one another label, or replace it: replace=True.")


# -- Payload lines: the JSON that a store seals, a line a connection, parsed when it is asked for.
#
# So one of a hundred connections is opened without making the keys of all. The lines are white
# space
# to JSON: a file that is laid out otherwise opens as well, and any reader of JSON reads this one.

StoredConnection = Mapping[str, Any]
"""A connection as `Connection.to_payload` gives it."""

# A secret stands in the JSON as {"secret value": "…"}: no field and no header can bear a name
# with a blank, so nothing else looks like it, and no plain text of a key ever enters a dict.
_SECRET = "secret value"
_LIST = '"connections": []'
_OPENS = b'"connections": ['
_LINE_END = re.compile(rb"\n")
_BETWEEN = b"},\n{"
_NEXT, _NEXT_LINE = b'}, {"kind": ', b'},\n{"kind": '


class StoredConnections(Sequence[StoredConnection]):
    """The payloads in lines of JSON; DamagedStore where a line that is asked for holds none.

    `ends` are the ends of the lines in `plain`: first of the line before the payloads, then of
    each payload's. A view shows an address alone.
    """

    def __init__(self, plain: memoryview, ends: Sequence[int]) -> None:
        self._plain, self._ends = plain, ends
        self._parsed: dict[int, StoredConnection] = {}
        open_before_redacting(self)

    @overload
    def __getitem__(self, place: int) -> StoredConnection: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[StoredConnection]: ...
    def __getitem__(self, place: int | slice) -> StoredConnection | Sequence[StoredConnection]:
        if isinstance(place, slice):
            return tuple(self)[place]
        place = range(len(self))[place]
        self._parse([place])
        return self._parsed[place]

    def __iter__(self) -> Iterator[StoredConnection]:
        self._parse(range(len(self)))
        return iter([self._parsed[place] for place in range(len(self))])

    def __len__(self) -> int:
        return len(self._ends) - 1

    def likely(self, label: str) -> Iterator[StoredConnection]:
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
        if not whole or not all(map(is_stored_connection, payloads)):
            wrong = "has no label or kind" if whole else "is not spelled as JSON"
            message = f"connections.age opens, but a connection in it {wrong}."
            raise DamagedStore(message, "store.restore() goes back to what was saved before.")
        for place, payload in zip(missing, payloads, strict=True):
            self._parsed.setdefault(place, payload)  # of two threads' payloads one is kept


def is_stored_connection(payload: object) -> bool:
    """Whether it is a payload as far as it is looked up: a label and a kind in words."""
    words = [payload.get("label"), payload.get("kind")] if isinstance(payload, dict) else [None]
    return all(isinstance(each, str) for each in words)


def find_stored(payloads: Sequence[StoredConnection], label: str) -> StoredConnection | None:
    """The payload of this label, or None."""
    likely = payloads.likely(label) if isinstance(payloads, StoredConnections) else payloads
    return next((each for each in likely if each["label"] == label), None)


def write_lines(
    document: Mapping[str, Any],
    payloads: Sequence[StoredConnection],
    spell: Callable[[Secret], str],
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


def read_lines(plain: memoryview) -> dict[str, Any] | None:
    """The JSON object of an opened file, its secrets closed; None where it is none."""
    ends = [each.start() for each in _LINE_END.finditer(plain)]
    if _is_laid_out(plain, ends):
        document = _decoded(_joined(plain[: ends[1]], plain[ends[-1] + 1 :]))
        if isinstance(document, dict) and document.get("connections") == []:
            return {**document, "connections": StoredConnections(plain, ends[1:])}
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
