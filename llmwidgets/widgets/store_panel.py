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
from llmwidgets.connections.environment import environment_connections
from llmwidgets.connections.policy import Policy
from llmwidgets.connections.store import Store
from llmwidgets.errors import FieldError, LLMWidgetsError, StoreError, StoreLocked
from llmwidgets.secret import Secret
from llmwidgets.widgets.base import Buffers, Content, Panel, sentence_of
from llmwidgets.widgets.secret_field import open_secret, public_key

PASSPHRASE = "passphrase"


class StorePanel(Panel):
    """Lock, unlock and create the store; the passphrase arrives as every secret does.

    `gate` is the screen that stands before the rest: `unlock`, `create` or none. A connection
    that waits for the store is kept by `after_gate` of the subclass.
    """

    _unwatch: Callable[[], None] | None = None

    def __init__(self, store: Store | None = None) -> None:
        super().__init__()
        self.store = store if store is not None else Store()
        self.gate = "unlock" if self.store.exists and self.store.locked else ""
        self._passphrase: Secret | None = None
        self._gate_said: dict[str, str] | None = None
        self._gate_busy = False
        self._watch(self.store)

    def _watch(self, store: Store) -> None:
        panel = weakref.ref(self)

        def changed(*_: Any) -> None:
            alive = panel()
            if alive is not None:
                alive.push_soon()

        self._unwatch = store.observe(changed)
        weakref.finalize(self, self._unwatch)

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
        """A secret arrives: the passphrase here, every other one in the subclass."""
        secret = open_secret(content, buffers)
        if content.get("field") == PASSPHRASE:
            self._passphrase = secret
        else:
            self.receive(content, secret)
            self.push()

    def receive(self, content: Content, secret: Secret) -> None:
        """Take a secret of a form; the base has no form."""

    async def act_unlock(self, _content: Content, _buffers: Buffers) -> None:
        """Open the store with the passphrase that came just before."""
        passphrase, self._passphrase = self._passphrase, None
        if passphrase is None or not passphrase:
            self._gate_said = {"sentence": "The passphrase is empty.", "hint": ""}
            self.push()
            return
        await self._at_gate(self._unlock(passphrase))

    async def act_create(self, _content: Content, _buffers: Buffers) -> None:
        """Make the store, sealed by the passphrase that came just before."""
        passphrase, self._passphrase = self._passphrase, None
        if passphrase is None or not passphrase:
            self._gate_said = {"sentence": "The passphrase is empty.", "hint": ""}
            self.push()
            return
        await self._at_gate(self._create(passphrase))

    async def act_lock(self, _content: Content, _buffers: Buffers) -> None:
        """Forget the identity in this process; connections of this session stay."""
        await asyncio.to_thread(self.store.lock)
        self.gate = "unlock"
        self.push()

    async def act_gate(self, content: Content, _buffers: Buffers) -> None:
        """Show a screen of the store, or leave it."""
        screen = str(content.get("screen", ""))
        self.gate = screen if screen in {"unlock", "create"} else ""
        self._gate_said, self._passphrase = None, None
        if not self.gate:
            self.gate_left()
        self.push()

    def gate_left(self) -> None:
        """The user went on without the store."""

    async def after_gate(self) -> None:
        """The store is open now: do what waited for it."""

    async def _unlock(self, passphrase: Secret) -> None:
        await asyncio.to_thread(self.store.unlock, passphrase)

    async def _create(self, passphrase: Secret) -> None:
        # A new Store over the same folder shares its state, so `self.store` is made as well.
        store = self.store
        await asyncio.to_thread(
            Store.create, store.organization, passphrase=passphrase, path=store.path
        )

    async def _at_gate(self, step: Any) -> None:
        self._gate_busy, self._gate_said = True, None
        self.push()
        try:
            await step
        except LLMWidgetsError as error:
            self._gate_said = _without_name(sentence_of(error))
        else:
            self.gate = ""
            await self.after_gate()
        finally:
            self._gate_busy = False
        self.push()

    # -- to the page ---------------------------------------------------------------------------

    def store_view(self) -> dict[str, Any]:
        """The store as the header and the gate show it."""
        store = self.store
        return {
            "organization": store.organization,
            "exists": store.exists,
            "locked": store.exists and store.locked,
            "notices": _notices(store),
            "memory": store.path is None,
            "read_only": store.read_only,
            "by": "" if store.locked else store.unlocked_by or "",
            "path": _short(str(store.path)) if store.path else "",
            "gate": self.gate,
            "said": self._gate_said,
            "busy": self._gate_busy,
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


def _notices(store: Store) -> list[str]:
    """What to know above everything; on Binder memory needs no second sentence."""
    public = binder_notice()
    return [
        said
        for said in (Policy().notice, public, "" if public and store.path is None else store.notice)
        if said
    ]


def _short(path: str) -> str:
    home = str(Path.home())
    return "~" + path.removeprefix(home) if path.startswith(home) else path


def _without_name(said: dict[str, str]) -> dict[str, str]:
    """A field's sentence as one of its own: `passphrase: has …` reads `The passphrase has …`."""
    prefix = f"{PASSPHRASE}: "
    if not said["sentence"].startswith(prefix):
        return said
    return {**said, "sentence": f"The passphrase {said['sentence'].removeprefix(prefix)}"}
