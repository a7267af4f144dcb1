"""What a store contains, as a value of Connections: each change, and the JSON that is sealed.

A change is a function from one document to the next, so that it can be applied to the file as it
is. The JSON has one line per connection, which becomes a Connection when it is asked for: so one
of a hundred is opened without making the keys of all. To JSON the lines are white space: a file
that is laid out otherwise opens as well, and any reader of JSON reads this one.
"""

from __future__ import annotations

import difflib
import json
import re
import uuid
from bisect import bisect
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, overload
from weakref import WeakKeyDictionary

from llmwidgets.connections.connection import (
    Connection,
    make_connection,
    replace_parts,
    to_json_value,
)
from llmwidgets.connections.validation import ConnectionForm, restore_fields
from llmwidgets.dialects.types import Capability, Enforcement, ResponseFormat
from llmwidgets.errors import (
    AlreadyConnected,
    DamagedStore,
    FieldError,
    NewerStore,
    UnknownConnection,
)
from llmwidgets.providers import PROVIDERS
from llmwidgets.providers.model_facts import FACTS, DeclaredFacts, FactMisfit, read_declared
from llmwidgets.secret import Secret, mask_if_key, open_before_redacting
from llmwidgets.store import trust
from llmwidgets.store.trust import Recipient, RosterTag

if TYPE_CHECKING:
    from llmwidgets.store.age import Identity


FORMAT = "llmwidgets-store"
SCHEMA = 2

Rule = tuple[str, str]
"""A connection's label and a model's id."""

Fact = tuple[str, str, Mapping[str, Any]]
"""A connection's label, a model's id and what is known of it, as JSON."""


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class UnreadableConnection:
    """A connection that this version cannot read: it is kept, and written as it is."""

    kind: str
    label: str
    json: Mapping[str, Any] = field(repr=False)

    def with_label(self, label: str) -> UnreadableConnection:
        return UnreadableConnection(self.kind, label, {**self.json, "label": label})


StoredConnection = Connection | UnreadableConnection


@dataclass(frozen=True, slots=True)
class StoreDocument:
    """The connections and rules of one organization at one revision.

    `roster` is the revision at which the recipients last changed, `vouchers` the codes of those
    who changed them, carried along by every writer.
    """

    recipients: tuple[Recipient, ...] = ()
    connections: Sequence[StoredConnection] = ()
    allowed: tuple[Rule, ...] = ()
    denied: tuple[Rule, ...] = ()
    facts: tuple[Fact, ...] = ()
    store_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    revision: int = 0
    schema: int = SCHEMA
    roster: int = 0
    vouchers: tuple[RosterTag, ...] = ()

    @property
    def is_newer(self) -> bool:
        """Whether a newer llmwidgets wrote it: then it is only read here."""
        return self.schema > SCHEMA

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the connections, in the order they were saved."""
        return tuple(each.label for each in self.connections)

    def find(self, label: str) -> StoredConnection | None:
        """The connection of this label, or None."""
        if isinstance(self.connections, ConnectionLines):
            return self.connections.find(label)
        return next((each for each in self.connections if each.label == label), None)


def with_connection(
    document: StoreDocument, connection: Connection, *, over: bool
) -> StoreDocument:
    """The document with the connection in it; AlreadyConnected if its place is taken."""
    place, now = _place_of(document, connection, over=over), datetime.now(UTC)
    keyed_at = connection.keyed_at or now
    old = next(iter(document.connections[place : place + 1]), None)
    if isinstance(old, Connection) and _has_key_of(old, connection):
        keyed_at = old.keyed_at or now
    saved = replace_parts(
        connection, origin="store", any_model=False, saved_at=now, keyed_at=keyed_at,
    )  # fmt: skip
    return _spliced(document, place, place + 1, inform(saved, document.facts))


def with_renamed(document: StoreDocument, old: str, new: str) -> StoreDocument:
    """The document with one label changed, in its rules too.

    UnknownConnection if it is gone, AlreadyConnected if the new label is taken.
    """
    place, connection = find_place(document, old)
    if new != old and new in document.labels:
        message = f"There is a connection {new} already."
        raise AlreadyConnected(message, "Choose another label, or delete that one first.")

    def renamed(label: str) -> str:
        return new if label == old else label

    return replace(
        _spliced(document, place, place + 1, connection.with_label(new)),
        allowed=tuple((renamed(label), model) for label, model in document.allowed),
        denied=tuple((renamed(label), model) for label, model in document.denied),
        facts=tuple((renamed(label), model, declared) for label, model, declared in document.facts),
    )


def without_connection(document: StoreDocument, label: str) -> StoreDocument:
    """The document without one connection; the organization's rules for its label stay."""
    place, _ = find_place(document, label)
    return _spliced(document, place, place + 1)


def with_restored(document: StoreDocument, old: StoredConnection, place: int) -> StoreDocument:
    """The document with a deleted connection where it was; AlreadyConnected if that is taken."""
    _place_of(document, old, over=False)
    return _spliced(document, place, place, old)


def with_rule(
    document: StoreDocument, rule: Rule, *, allow: bool, facts: Mapping[str, Any]
) -> StoreDocument:
    """The document with a model allowed or denied, with its facts; the last call counts."""
    allowed = tuple(each for each in document.allowed if each != rule)
    denied = tuple(each for each in document.denied if each != rule)
    allowed, denied = ((*allowed, rule), denied) if allow else (allowed, (*denied, rule))
    ruled = replace(document, allowed=allowed, denied=denied)
    if not facts:
        return ruled
    known = (*(each for each in document.facts if each[:2] != rule), (*rule, dict(facts)))
    ruled = replace(ruled, facts=known)
    for place, each in enumerate(document.connections):
        if isinstance(each, Connection) and each.label == rule[0]:
            return _spliced(ruled, place, place + 1, inform(each, known))
    return ruled


def with_recipients(
    document: StoreDocument, recipients: Iterable[Recipient], identities: Iterable[Identity]
) -> StoreDocument:
    """The document for other members, whom the holders of these identities vouch for."""
    new = replace(document, recipients=tuple(recipients), roster=document.revision + 1)
    return replace(new, vouchers=tuple(trust.sign_roster(new, each) for each in identities))


def inform(connection: Connection, facts: Iterable[Fact]) -> Connection:
    """The connection with what its organization says of its models, of that what is known here."""
    declared: dict[str, DeclaredFacts] = {}
    for label, model, values in facts:
        if label == connection.label:
            with suppress(FactMisfit):
                known = {name: value for name, value in values.items() if name in FACTS}
                declared[model] = read_declared(connection.kind, known)
    if not declared and not connection.declared:
        return connection
    return replace_parts(connection, declared=declared)


def unknown_label(label: object, labels: Iterable[str]) -> UnknownConnection:
    """The error for a label that no connection has, with the nearest that exists."""
    known = list(labels)
    hint = f"There are: {', '.join(known) or 'none'}."
    if not isinstance(label, str):
        return UnknownConnection(f"A label is text, not {type(label).__name__}.", hint)
    close = difflib.get_close_matches(label, known, n=1, cutoff=0.5)
    hint = f"The nearest is {close[0]}." if close else hint
    return UnknownConnection(f"There is no connection {mask_if_key(label)!r}.", hint)


def find_place(document: StoreDocument, label: str) -> tuple[int, StoredConnection]:
    """Where the connection of this label is in the file, and the connection; UnknownConnection."""
    for place, connection in enumerate(document.connections):
        if connection.label == label:
            return place, connection
    raise unknown_label(label, document.labels)


def _spliced(
    document: StoreDocument, start: int, end: int, *new: StoredConnection
) -> StoreDocument:
    old = document.connections
    return replace(document, connections=(*old[:start], *new, *old[end:]))


def _place_of(document: StoreDocument, new: StoredConnection, *, over: bool) -> int:
    """Where a connection belongs: over the one of its label or single kind, else at the end.

    AlreadyConnected if another is there and is not to be replaced, or two are.
    """
    provider = PROVIDERS.get(new.kind)
    single = provider is not None and provider.single
    taken = [
        (place, each)
        for place, each in enumerate(document.connections)
        if each.label == new.label or (single and each.kind == new.kind)
    ]
    if not taken:
        return len(document.connections)
    (place, old), title = taken[0], provider.title if provider else new.kind
    if over and len(taken) == 1:
        return place
    hint = "Give this one another label, or replace it: replace=True."
    message = f"There is a connection {old.label} already."
    if len(taken) > 1:
        hint = f"Choose another label than {new.label}."
        message = (
            f"{title} is connected as {old.label} already, "
            f"and {new.label} is the label of another connection."
        )
    elif single and old.kind == new.kind:
        hint = "One organization has one of these: replace it with replace=True."
        message = f"{title} is connected already, as {old.label}."
    raise AlreadyConnected(message, hint)


def _has_key_of(old: Connection, new: Connection) -> bool:
    before = old.secret_fields
    return old.kind == new.kind and all(
        name in before and before[name].is_same_as(secret)
        for name, secret in new.secret_fields.items()
    )


# -- The document as JSON, signed by its writer.

_NEWER = (
    "It was written by a newer llmwidgets, in a form that is not known here.",
    "Update llmwidgets.",
)


def serialize_document(document: StoreDocument, identity: Identity) -> memoryview:
    """The JSON to seal, signed by the identity that writes it."""
    head = {
        "format": FORMAT,
        "schema": document.schema,
        "store_id": document.store_id,
        "rev": document.revision,
        "recipients": [{"name": r.name, "recipient": r.recipient} for r in document.recipients],
        "allowed": document.allowed,
        "denied": document.denied,
        **({"facts": document.facts} if document.facts else {}),
        "roster": document.roster,
        "vouchers": document.vouchers,
    }
    body = write_json(head, map(_line_of, document.connections))
    return trust.sign_body(body, identity, [each.recipient for each in document.recipients])


def parse_document(plain: memoryview, identity: Identity, folder: Path | None) -> StoreDocument:
    """The document in an opened file of this folder.

    DamagedStore if nobody trusted wrote it, NewerStore if a newer llmwidgets wrote it in a form
    that is not known here.
    """
    document, writer = read_document(plain), trust.read_author(plain, identity)
    if writer is not None and (
        writer == identity.recipient or trust.is_trusted(document, writer, identity, folder)
    ):
        return document
    if document.is_newer:
        raise NewerStore(*_NEWER)
    message = "connections.age opens, but was not written by a holder of the store's identity."
    hint = "" if writer is None else (
        f"{writer} wrote it, whom this computer does not know. Only if the invitation, or "
        f'whoever keeps the store, names exactly this one: store.trust("{writer}").'
    )  # fmt: skip
    raise DamagedStore(message, hint)


def read_document(plain: memoryview) -> StoreDocument:
    """The document in an opened file, whoever wrote it; DamagedStore, NewerStore."""
    data = read_json(plain)
    if data is None or data.get("format") != FORMAT:
        message = "The file opens, but does not contain a store."
        raise DamagedStore(message)
    with suppress(KeyError, TypeError, ValueError):
        if type(data["rev"]) is int and type(data["schema"]) is int:
            return _document_from_json(data)
    if isinstance(data.get("schema"), int) and data["schema"] > SCHEMA:
        raise NewerStore(*_NEWER)
    message = "The file opens, but the store in it is not complete."
    raise DamagedStore(message)


def _document_from_json(data: dict[str, Any]) -> StoreDocument:
    facts = tuple((str(a), str(b), dict(values)) for a, b, values in data.get("facts", ()))
    connections: Sequence[StoredConnection] = data["connections"]
    if isinstance(connections, ConnectionLines):
        connections.facts = facts
    else:
        connections = tuple(connection_from_json(each, facts) for each in connections)
    return StoreDocument(
        recipients=tuple(Recipient(**each) for each in data["recipients"]),
        connections=connections,
        allowed=tuple((label, model) for label, model in data["allowed"]),
        denied=tuple((label, model) for label, model in data["denied"]),
        facts=facts,
        store_id=data["store_id"],
        revision=data["rev"],
        schema=data["schema"],
        roster=int(data.get("roster", 0)),
        vouchers=tuple(data.get("vouchers", ())),
    )


# -- A connection as JSON: plain values, secrets closed, references as their text.


def connection_to_json(connection: StoredConnection) -> Mapping[str, Any]:
    """What is sealed of a connection."""
    if isinstance(connection, UnreadableConnection):
        return connection.json
    plain = {name: to_json_value(value) for name, value in connection.plain_fields.items()}
    secrets = {name: s.reference or s for name, s in connection.secret_fields.items()}
    headers = {name: s.reference or s for name, s in connection.fields.headers.items()}
    checked_at, saved_at, keyed_at = (
        moment.isoformat() if moment else None
        for moment in (connection.checked_at, connection.saved_at, connection.keyed_at)
    )
    return {
        "kind": connection.kind,
        "label": connection.label,
        "fields": {**plain, **secrets, **({"headers": headers} if headers else {})},
        "capabilities": {
            model: {
                "form": seen.form.value,
                "mode": seen.mode.value,
                "tried": [[form.value, answer, obeyed] for form, answer, obeyed in seen.tried],
            }
            for model, seen in connection.capabilities.items()
        },
        "checked_at": checked_at,
        "saved_at": saved_at,
        **({"keyed_at": keyed_at} if keyed_at and keyed_at != saved_at else {}),
    }


def connection_from_json(data: Any, facts: Iterable[Fact] = ()) -> StoredConnection:
    """The connection that a store sealed; ValueError without a label and a kind in words.

    It was checked when it was saved, and the file is signed: only its types are looked at again.
    """
    if not (isinstance(data, dict) and isinstance(data.get("kind"), str)
            and isinstance(data.get("label"), str)):  # fmt: skip
        message = "has no label or kind"
        raise ValueError(message)
    try:
        provider = PROVIDERS[data["kind"]]
        fields = restore_fields(provider, data["fields"])
        moments = {
            name: datetime.fromisoformat(data[name])
            for name in ("checked_at", "saved_at", "keyed_at")
            if data.get(name)
        }
        seen = data.get("capabilities")
        connection = make_connection(
            ConnectionForm(provider, fields, data["label"]),
            origin="store",
            **{"keyed_at": moments.get("saved_at"), **moments},
            capabilities=_capabilities_from_json(seen) if seen else {},
        )
        return inform(connection, facts)
    except (FieldError, KeyError, TypeError, ValueError):
        return UnreadableConnection(data["kind"], data["label"], data)


def _capabilities_from_json(seen: Mapping[str, Any]) -> dict[str, Capability]:
    return {
        model: Capability(
            ResponseFormat(each["form"]),
            Enforcement(each["mode"]),
            tuple((ResponseFormat(f), str(answer), bool(o)) for f, answer, o in each["tried"]),
        )
        for model, each in seen.items()
    }


# A secret is {"secret value": "…"} in the JSON: no field and no header can have a name with a
# blank, so nothing else looks like it, and no plain text of a key ever enters a dict.
_SECRET = "secret value"
_LIST = '"connections": []'
_OPENS = b'"connections": ['
_LINE_END = re.compile(rb"\n")
_BETWEEN = b"},\n{"


class ConnectionLines(Sequence[StoredConnection]):
    """The connections in lines of JSON; DamagedStore if a line that is asked for contains none.

    `ends` are the ends of the lines in `plain`: first of the line before the connections, then of
    each connection's. A view shows an address alone.
    """

    def __init__(self, plain: memoryview, ends: Sequence[int]) -> None:
        self.facts: tuple[Fact, ...] = ()
        self._plain, self._ends = plain, ends
        self._made: dict[int, StoredConnection] = {}
        open_before_redacting(self)

    @overload
    def __getitem__(self, place: int) -> StoredConnection: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[StoredConnection]: ...
    def __getitem__(self, place: int | slice) -> StoredConnection | Sequence[StoredConnection]:
        if isinstance(place, slice):
            return tuple(self)[place]
        place = range(len(self))[place]
        return self._made.get(place) or self._make(place)

    def __iter__(self) -> Iterator[StoredConnection]:
        return iter([self[place] for place in range(len(self))])

    def __len__(self) -> int:
        return len(self._ends) - 1

    def find(self, label: str) -> StoredConnection | None:
        """The connection of this label, or None: first in lines where it is spelled like this."""
        spelled, start = json.dumps(label).encode("ascii"), self._ends[0]
        while (at := bytes(self._plain).find(spelled, start, self._ends[-1])) >= 0:
            place = bisect(self._ends, at) - 1
            connection = self._made.get(place) or self._make(place)
            if connection.label == label:
                return connection
            start = self._ends[place + 1]
        return next((each for each in self if each.label == label), None)

    def _make(self, place: int) -> StoredConnection:
        end = self._ends[place + 1] - (place < len(self._ends) - 2)  # without the comma
        line = self._plain[self._ends[place] + 1 : end]
        data = _decode(line)
        try:
            # Of two threads' connections one is kept.
            kept = self._made.setdefault(place, connection_from_json(data, self.facts))
            _LINES[kept] = memoryview(bytes(line))  # its own alone, since it may outlive the rest
            return kept
        except ValueError:
            wrong = "is not spelled as JSON" if data is None else "has no label or kind"
        message = f"connections.age opens, but a connection in it {wrong}."
        raise DamagedStore(message, "store.restore() goes back to what was saved before.")


_LINES: WeakKeyDictionary[StoredConnection, memoryview] = WeakKeyDictionary()
"""The line of each connection that was read or written: what is not changed is not spelled anew."""


def _line_of(connection: StoredConnection) -> memoryview:
    if connection not in _LINES:
        _LINES[connection] = spell_line(connection_to_json(connection))
    return _LINES[connection]


def spell_line(data: Mapping[str, Any]) -> memoryview:
    """A connection's JSON as its line, with its secrets in clear."""
    return memoryview(json.dumps(data, default=_spell).encode("ascii"))


def write_json(head: Mapping[str, Any], connections: Iterable[memoryview]) -> memoryview:
    """The document as JSON, with the lines of its connections."""
    # Inside a text of JSON each quotation mark has a backslash, so nothing there looks like this.
    before, _, after = json.dumps({**head, "connections": []}).partition(_LIST)
    lines = memoryview(b",\n".join(connections))
    parted = (b"\n", lines, b"\n") if len(lines) else ()
    first, last = f"{before}{_LIST[:-1]}".encode("ascii"), f"]{after}".encode("ascii")
    return memoryview(b"".join((first, *parted, last)))


def read_json(plain: memoryview) -> dict[str, Any] | None:
    """The JSON object of an opened file, its secrets closed; None for anything else."""
    ends = [each.start() for each in _LINE_END.finditer(plain)]
    if _is_laid_out(plain, ends):
        data = _decode(memoryview(b"".join((plain[: ends[1]], plain[ends[-1] + 1 :]))))
        if isinstance(data, dict) and data.get("connections") == []:
            return {**data, "connections": ConnectionLines(plain, ends[1:])}
    data = _decode(plain)
    return data if isinstance(data, dict) else None


def _is_laid_out(plain: memoryview, ends: Sequence[int]) -> bool:
    """Whether each connection has a line of its own.

    The first end of a line is that of the writer's code, the second is where the list opens, the
    last is before it closes.
    """
    if len(ends) < 3 or bytes(plain[ends[1] - len(_OPENS) : ends[1]]) != _OPENS:
        return False
    braces = bytes((plain[ends[1] + 1], plain[ends[-1] - 1]))
    return braces == b"{}" and bytes(plain).count(_BETWEEN) == len(ends) - 3


def _spell(value: object) -> dict[str, str]:
    """How a secret is sealed: a reference as such, a value as it is."""
    if isinstance(value, Secret):
        return {_SECRET: value.reference or value.reveal()}
    message = f"A {type(value).__name__} does not fit in the store."
    raise TypeError(message)


def _close(value: dict[str, Any]) -> Any:
    if len(value) == 1 and isinstance(value.get(_SECRET), str):
        return Secret(value[_SECRET])
    return value


_DECODER = json.JSONDecoder(object_hook=_close)


def _decode(plain: memoryview) -> Any:
    """The value of a JSON text, its secrets closed; None for anything else."""
    # A JSONDecodeError holds the whole text: it ends here, and nothing is raised within `except`.
    try:
        return _DECODER.decode(str(plain, "utf-8"))
    except (ValueError, RecursionError):
        return None
