"""What a store holds, as a value: read from and written to the JSON that is sealed.

A change is a function from Contents to Contents, so that it can be applied to the file as it is.
"""

from __future__ import annotations

import difflib
import uuid
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from llmwidgets.connections.connection import Connection
from llmwidgets.connections.storage import payload_lines
from llmwidgets.connections.storage.payload import moment
from llmwidgets.connections.storage.payload_lines import Payload, PayloadLines
from llmwidgets.errors import (
    AlreadyConnected,
    DamagedStore,
    FieldError,
    NewerStore,
    UnknownConnection,
)
from llmwidgets.secret import Secret, named
from llmwidgets.store import writer_auth
from llmwidgets.store.writer_auth import Voucher

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
class Contents:
    """The connections and rules of one organization at one revision.

    `roster` is the revision at which the recipients last changed, `vouchers` the codes of those
    who changed them, carried along by every writer. `facts` has what is told of a model: label,
    model, and the facts as JSON.
    """

    recipients: tuple[Recipient, ...] = ()
    payloads: Sequence[Payload] = ()
    allowed: tuple[Rule, ...] = ()
    denied: tuple[Rule, ...] = ()
    facts: tuple[tuple[str, str, Mapping[str, Any]], ...] = ()
    store_id: str = field(default_factory=lambda: str(uuid.uuid4()))
    revision: int = 0
    schema: int = SCHEMA
    roster: int = 0
    vouchers: tuple[Voucher, ...] = ()

    @property
    def members(self) -> list[list[str]]:
        """Name and recipient of each who can open the store, as JSON has them."""
        return [[each.name, each.recipient] for each in self.recipients]

    @property
    def labels(self) -> tuple[str, ...]:
        """The labels of the connections, in the order they were saved."""
        return tuple(payload["label"] for payload in self.payloads)


def saved(contents: Contents, connection: Connection, *, over: bool) -> Contents:
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
        keyed_at = moment(there.get("keyed_at") or there.get("saved_at")) or now
    payload = connection.with_saved_at(now).with_keyed_at(keyed_at).to_payload()
    before, after = contents.payloads[:start], contents.payloads[start + 1 :]
    return replace(contents, payloads=(*before, payload, *after))


def renamed(contents: Contents, old: str, new: str) -> Contents:
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


def deleted(contents: Contents, label: str) -> Contents:
    """The contents without one connection; the organization's rules for its label stay."""
    _check_there(contents, label)
    kept = tuple(payload for payload in contents.payloads if payload["label"] != label)
    return replace(contents, payloads=kept)


def put_back(contents: Contents, payload: Payload, place: int) -> Contents:
    """The contents with a deleted connection where it stood; AlreadyConnected if that is taken."""
    connection = Connection.from_payload(payload)
    for each in contents.payloads:
        single = connection.provider.single and each["kind"] == connection.kind
        if single or each["label"] == connection.label:
            raise _taken(each, connection, single=connection.provider.single, more=False)
    before, after = contents.payloads[:place], contents.payloads[place:]
    return replace(contents, payloads=(*before, payload, *after))


def ruled(contents: Contents, rule: Rule, *, allow: bool) -> Contents:
    """The contents with a model allowed or denied; the last word on it counts."""
    allowed = tuple(each for each in contents.allowed if each != rule)
    denied = tuple(each for each in contents.denied if each != rule)
    if allow:
        return replace(contents, allowed=(*allowed, rule), denied=denied)
    return replace(contents, allowed=allowed, denied=(*denied, rule))


def informed(contents: Contents, rule: Rule, told: Mapping[str, Any]) -> Contents:
    """The contents with the facts that are told of a model in place of those told before."""
    others = tuple(each for each in contents.facts if each[:2] != rule)
    return replace(contents, facts=(*others, (*rule, dict(told))))


def write(contents: Contents, identity: Identity, spell: Callable[[Secret], str]) -> memoryview:
    """The JSON to seal, with the tag of the identity that writes it; `spell` opens a secret."""
    body = payload_lines.write(_document(contents), contents.payloads, spell)
    return writer_auth.signed(body, identity, [each.recipient for each in contents.recipients])


def with_recipients(
    contents: Contents, recipients: Iterable[Recipient], identities: Iterable[Identity]
) -> Contents:
    """The contents for other members, whom the holders of these identities vouch for."""
    new = replace(contents, recipients=tuple(recipients), roster=contents.revision + 1)
    vouchers = [
        writer_auth.vouch(each, new.store_id, new.roster, new.members) for each in identities
    ]
    return replace(new, vouchers=tuple(vouchers))


def read(
    plain: memoryview, identity: Identity, trusts: Callable[[Contents, str], bool] | None = None
) -> Contents:
    """The contents in an opened file; `trusts` judges a writer that is not the reader.

    DamagedStore where nobody trusted wrote it, NewerStore where a newer llmwidgets wrote it in a
    form that is not known here.
    """
    document = payload_lines.read(plain)
    if document is None or document.get("format") != FORMAT:
        message = "connections.age opens, but does not hold a store."
        raise DamagedStore(message)
    schema = document.get("schema")
    newer = isinstance(schema, int) and schema > SCHEMA
    contents, writer = described(document), writer_auth.author(plain, identity)
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


def unknown(label: str, labels: Iterable[str]) -> UnknownConnection:
    """The error for a label that nothing bears, with the nearest one that exists."""
    there = list(labels)
    close = difflib.get_close_matches(label, there, n=1, cutoff=0.5)
    hint = f"The nearest is {close[0]}." if close else f"There are: {', '.join(there) or 'none'}."
    return UnknownConnection(f"There is no connection {named(label)!r}.", hint)


def _has_key_of(payload: Payload, connection: Connection) -> bool:
    """Whether the connection's secrets are those that the payload holds."""
    there = payload.get("fields") or {}
    return payload["kind"] == connection.kind and all(
        _is_kept(there.get(name), secret) for name, secret in connection.secret_fields.items()
    )


def _is_kept(kept: object, secret: Secret) -> bool:
    closed = Secret(kept) if isinstance(kept, str) else kept  # of a reference the text is kept
    return isinstance(closed, Secret) and closed.is_same_as(secret)


def _check_there(contents: Contents, label: str) -> None:
    if label not in contents.labels:
        raise unknown(label, contents.labels)


def _document(contents: Contents) -> dict[str, Any]:
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


def described(document: dict[str, Any]) -> Contents | None:
    """The contents that a parsed document holds, whoever wrote it; None where it holds none."""
    try:
        if not _fits(document):
            return None
        listed = document["connections"]
        return Contents(
            recipients=tuple(Recipient(**each) for each in document["recipients"]),
            payloads=listed if isinstance(listed, PayloadLines) else tuple(listed),
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
        isinstance(listed, PayloadLines) or all(map(payload_lines.fits, listed))
    )


def read_connection(payload: Payload) -> Connection | None:
    """The connection that a payload describes; None where this version cannot read it."""
    try:
        return Connection.from_payload(payload, origin="store")
    except (FieldError, KeyError, TypeError, ValueError):
        return None


def _taken(there: Payload, connection: Connection, *, single: bool, more: bool) -> AlreadyConnected:
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
