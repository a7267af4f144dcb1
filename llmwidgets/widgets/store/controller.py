"""StorePanel: a widget over a store that may be locked, absent, in memory or open."""

from __future__ import annotations

import asyncio
import contextlib
import os
import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any

from llmwidgets.connections.connection import Connection
from llmwidgets.connections.discovery import environment_connections
from llmwidgets.connections.policy import Policy
from llmwidgets.errors import FieldError, StoreError, StoreLocked
from llmwidgets.formatting import format_day
from llmwidgets.providers import PROVIDERS
from llmwidgets.secret import Secret
from llmwidgets.store.store import Store
from llmwidgets.store.transfer import ImportPreview
from llmwidgets.widgets.panel import Buffers, Content, Panel
from llmwidgets.widgets.secret_field import open_secret, public_key


class StorePanel(Panel):
    """Show the state of a store, lock it, and take the secrets that the page sends.

    `gate` is the screen that stands before the rest, or none. A secret that belongs to no form is
    kept in `_typed`, by the name of its field, until the next action takes it.
    """

    _unwatch: Callable[[], None] | None = None

    def __init__(self, store: Store | None = None) -> None:
        super().__init__()
        self.store = store if store is not None else Store()
        self.gate = self._first_gate()
        self._typed: dict[str, Secret] = {}
        self._watch(self.store)

    def _first_gate(self) -> str:
        return "unlock" if self.store.exists and self.store.locked else ""

    def _watch(self, store: Store) -> None:
        panel = weakref.ref(self)

        def changed(*_: Any) -> None:
            alive = panel()
            if alive is not None:
                alive.push_soon()

        self._unwatch = store.observe(changed)
        weakref.finalize(self, self._unwatch)

    def _turn_to(self, store: Store) -> None:
        """Work on another store from now on."""
        if self._unwatch is not None:
            self._unwatch()
        self.store = store
        self._typed.clear()
        self._watch(store)
        self.gate = self._first_gate()

    def close(self) -> None:
        """Stop listening to the store and leave the page."""
        if self._unwatch is not None:
            self._unwatch()
        super().close()

    def connections(self) -> list[Connection]:
        """The store's connections, if it is open, those of this session, those provided."""
        try:
            own = list(self.store)
        except StoreError:
            own = self.store.for_session
        taken = {each.label for each in own}
        return own + [each for each in provided() if each.label not in taken]

    async def open_quietly(self) -> None:
        """Open a store that a key file or a variable opens; one that needs a passphrase waits."""
        if self.store.exists and self.store.locked:
            with contextlib.suppress(StoreLocked):
                await asyncio.to_thread(list, self.store)
        if self.usable and self.gate == "unlock":
            self.gate = ""

    async def act_hello(self, content: Content, buffers: Buffers) -> None:
        """A view was drawn: open the store if nothing needs to be asked, then send the state."""
        try:
            await self.open_quietly()
        finally:
            await super().act_hello(content, buffers)

    @property
    def usable(self) -> bool:
        """Whether the store can be read and written now."""
        return self.store.exists and not self.store.locked

    def push(self) -> None:
        """Send the state, and bring the HTML output up to date."""
        super().push()
        self.refresh_static()

    # -- messages ------------------------------------------------------------------------------

    async def act_sealing(self, _content: Content, _buffers: Buffers) -> None:
        """A page that can seal asks for the kernel's public key."""
        self.send({"type": "sealing", "spki": await public_key()})

    async def act_page_error(self, content: Content, _buffers: Buffers) -> None:
        """Something failed in the page before it could be sent."""
        said = str(content.get("name", ""))[:200]
        sentence = said if " " in said else "The page could not seal the value; nothing was sent."
        raise FieldError(sentence, "Reload the page and type it again.")

    async def act_secret(self, content: Content, buffers: Buffers) -> None:
        """A secret arrives: of a form, or for the action on the store that follows it."""
        secret = open_secret(content, buffers)
        if "form" in content:
            self.receive(content, secret)
            self.push()
        else:
            self._typed[str(content.get("field"))] = secret

    def receive(self, content: Content, secret: Secret) -> None:
        """Take a secret of a form; the base has no form."""

    async def act_lock(self, _content: Content, _buffers: Buffers) -> None:
        """Forget the identity in this process; connections of this session stay."""
        self._typed.clear()
        await asyncio.to_thread(self.store.lock)
        self.gate = "unlock"
        self.push()

    # -- to the page ---------------------------------------------------------------------------

    def store_view(self) -> dict[str, Any]:
        """The store as the header and the screens before the rest show it."""
        store = self.store
        locked = store.exists and store.locked
        by = "" if locked else store.unlocked_by or ""
        changed = store.state.changed_at
        return {
            "organization": store.organization,
            "exists": store.exists,
            "locked": locked,
            "why": store.state.lock_reason if locked else "",
            "notices": _notices(store),
            "memory": store.path is None,
            "read_only": store.read_only,
            "by": by,
            "locks_after": store.auto_lock if by == "passphrase" else 0,
            "changed": format_day(changed) if changed else "",
            "path": shown_path(store.path) if store.path else "",
            "gate": self.gate,
        }


def provided() -> list[Connection]:
    """The connections that an administrator provides by a policy file."""
    return [each for each in environment_connections() if each.origin == "policy"]


def binder_notice() -> str:
    """What to know where the kernel runs on a public Binder; else nothing."""
    if not {"BINDER_SERVICE_HOST", "BINDER_REPO_URL"} & os.environ.keys():
        return ""
    return (
        "This kernel runs on Binder, a public service: connections end with this session, and a "
        "real key is better not typed here. The demo server needs none."
    )


def shown_path(path: Path) -> str:
    """A path with `~` for the user's own folder."""
    shown, home = str(path), str(Path.home())
    return "~" + shown.removeprefix(home) if shown.startswith(home) else shown


def _notices(store: Store) -> list[str]:
    """What to know above everything; on Binder memory needs no second sentence."""
    public = binder_notice()
    return [
        said
        for said in (Policy().notice, public, "" if public and store.path is None else store.notice)
        if said
    ]


# -- What the screen of a store shows: what opens it, who, and what a file would bring.

_PLACES = {
    "keyring": ("Remember on this computer", "in the system keyring"),
    "server": ("Remember until this Jupyter server stops", "in memory, on no disk"),
}
_STATES = {
    "new": "",
    "same label": "replaces the one of this label",
    "same kind": "replaces the one of this kind",
}


def places_view(offered: tuple[str, ...], remembered: tuple[str, ...]) -> list[dict[str, Any]]:
    """A row for each place that can remember, or remembers, the identity."""
    return [
        {"place": place, "words": words, "where": where, "on": place in remembered}
        for place, (words, where) in _PLACES.items()
        if place in offered or place in remembered
    ]


def opening_view(store: Store) -> dict[str, Any]:
    """What opens the store, where its identity is remembered, when it locks itself."""
    return {
        "places": places_view(store.can_remember, store.remembered),
        "auto_lock": store.auto_lock,
        "asks": store.state.has_passphrase,
        "needs_old": store.unlocked_by in {"passphrase", "this server", "system keyring"},
        "recipient": store.recipient,
    }


def members_view(store: Store) -> list[dict[str, Any]]:
    """Everyone who can open the store; who keeps it cannot be removed."""
    return [
        {
            "name": each.name,
            "fingerprint": each.fingerprint,
            "you": each.you,
            "fixed": each.you or each.name == "owner",
        }
        for each in store.members
    ]


def preview_view(preview: ImportPreview) -> dict[str, Any]:
    """What an exported file would bring; a key only by its last characters."""
    return {
        "path": str(preview.path),
        "caution": preview.caution,
        "unreadable": list(preview.unreadable),
        "rows": [
            {
                "label": each.label,
                "kind": PROVIDERS[each.kind].title,
                "host": each.host,
                "tail": each.tail,
                "new": each.state == "new",
                "state": _STATES[each.state],
            }
            for each in preview.offers
        ],
    }
