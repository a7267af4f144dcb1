"""Where an identity can be remembered beside the process: this server, the system keyring."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from llmwidgets.errors import FieldError, StoreError
from llmwidgets.store import rollback, session_cache, system_keyring

if TYPE_CHECKING:
    from llmwidgets.store.age import Identity
    from llmwidgets.store.identity_sources import IdentitySource
    from llmwidgets.store.state import StoreState


_PLACES = {"server": session_cache, "keyring": system_keyring}


def identity_caches(folder: Path) -> tuple[str, ...]:
    """Where the identity of this folder's store is remembered, in the order they are tried."""
    there = rollback.recall_folder(folder).remembered
    return tuple(name for name in _PLACES if name in there)


def available_caches() -> tuple[str, ...]:
    """The places that this computer has, in the order they are tried."""
    return tuple(name for name, place in _PLACES.items() if place.available())


def remember_identity(folder: Path, place: str, identity: Identity) -> None:
    """Keep the identity there; StoreError with the reason where that cannot be."""
    _PLACES[_checked(place)].remember(folder, identity)
    before = rollback.recall_folder(folder)
    kept = tuple(dict.fromkeys((*before.remembered, place)))
    rollback.remember_folder(folder, replace(before, remembered=kept))


def forget_remembered(folder: Path, place: str) -> None:
    """Remove the identity there; StoreError where the keyring does not answer."""
    before = rollback.recall_folder(folder)
    if _checked(place) == "server" or place in before.remembered:
        _PLACES[place].forget(folder)
    kept = tuple(name for name in before.remembered if name != place)
    rollback.remember_folder(folder, replace(before, remembered=kept))


def find_remembered(session: StoreState) -> IdentitySource | None:
    """The identity remembered for this folder; what stands in the way is told in the notice.

    The keyring is asked once a session: one that is locked would cost three seconds each time.
    """
    if session.folder is None or session.looked:
        return None
    session.trouble = ""
    for place in identity_caches(session.folder):
        session.looked = session.looked or place == "keyring"
        try:
            found: IdentitySource | None = _PLACES[place].find(session.folder)
        except StoreError as error:
            session.trouble = f"{error.message} The passphrase still opens the store."
            continue
        if found is not None:
            return found
    return None


def renew_remembered(session: StoreState, identity: Identity) -> None:
    """Put a new identity in every place that held the old one; trouble is told in the notice."""
    if session.folder is None:
        return
    for place in identity_caches(session.folder):
        try:
            _PLACES[place].remember(session.folder, identity)
        except StoreError as error:
            session.trouble = error.message


def _checked(place: str) -> str:
    if place not in _PLACES:
        raise FieldError({"place": "is none."}, 'Name "keyring" or "server".')
    return place
