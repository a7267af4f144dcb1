"""Whom this computer takes a store's contents from, and whether an older file was put back."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

from llmwidgets.connections.storage import known
from llmwidgets.errors import StoreError
from llmwidgets.store import writer_auth
from llmwidgets.store.document import RECOVERY, Contents

if TYPE_CHECKING:
    from llmwidgets.store.age import Identity
    from llmwidgets.store.state import Session


def trusts(session: Session, identity: Identity) -> Callable[[Contents, str], bool]:
    """Whether a writer other than the reader is believed.

    Believed are the members of the store as this computer last read it, whom the user named
    (`store.trust`), whom one of these or the reader vouches for in a list of members that is no
    older than the last one read, and, for the recovery identity, every member: its recipient
    stands nowhere but in the sealed file, so whoever signs for it has read that.
    """

    def judge(contents: Contents, writer: str) -> bool:
        members = {each.recipient: each.name for each in contents.recipients}
        last, named = _before(session, contents.store_id)
        sure = {identity.recipient, *last.writers, *named}
        if writer in sure:
            return True
        if writer not in members or identity.recipient not in members:
            return False
        if members[identity.recipient] == RECOVERY:
            return True
        vouched = writer_auth.vouched_by(
            contents.vouchers, identity, contents.store_id, contents.roster, contents.members
        )
        return contents.roster >= last.roster and not vouched.isdisjoint(sure)

    return judge


def is_older(contents: Contents) -> bool:
    """Whether this computer has seen a higher revision of the store."""
    return contents.revision < known.store(contents.store_id).revision


def note(session: Session, contents: Contents) -> None:
    """Remember contents that were read or written; an older revision is only told."""
    last = known.store(contents.store_id)
    session.rolled_back = last.revision if contents.revision < last.revision else None
    if session.rolled_back is None:
        writers = tuple(sorted(each.recipient for each in contents.recipients))
        seen = known.KnownStore(contents.revision, contents.roster, writers)
        if seen != last:
            known.remember_store(contents.store_id, seen)
    if session.folder is not None:
        before = known.folder(session.folder)
        now = replace(before, store_id=contents.store_id, trusted=())
        if now != before:
            known.remember_folder(session.folder, now)


def trust(session: Session, recipient: str) -> None:
    """Take the next file of this writer."""
    if session.folder is not None:
        before = known.folder(session.folder)
        named = tuple(dict.fromkeys((*before.trusted, recipient)))
        known.remember_folder(session.folder, replace(before, trusted=named))


def accept_rollback(session: Session) -> None:
    """Go on from the older file: its revision is the highest from now on."""
    if session.last is not None:
        known.remember_store(
            session.last.store_id,
            replace(known.store(session.last.store_id), revision=session.last.revision, roster=0),
        )
        note(session, session.last)


def rolled_back(session: Session) -> StoreError:
    """The error for a change to a file that is older than one seen before."""
    message = f"{session.name} is older than this computer saw it; nothing is changed."
    return StoreError(message, ROLLBACK_HINT)


ROLLBACK_HINT = (
    "If you put an older copy back yourself, go on with store.accept_rollback(); else look for "
    "the newer file, and revoke keys that were replaced meanwhile."
)

ROLLED_BACK = (
    "The store's file is older than this computer saw it, so nothing is saved in it. "
    + ROLLBACK_HINT
)


def _before(session: Session, store_id: str) -> tuple[known.KnownStore, tuple[str, ...]]:
    """What is known of the store that lay in this folder; a file cannot name another one."""
    if session.folder is None:
        return known.KnownStore(), ()
    there = known.folder(session.folder)
    return known.store(there.store_id or store_id), there.trusted
