"""StoreGate: the store of a panel, and the screens before it: unlock it, make it, rescue it."""

from __future__ import annotations

import asyncio
import contextlib
import math
import os
import time
import weakref
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Literal, TypedDict

from llmwidgets.connections.connection import Connection
from llmwidgets.connections.discovery import environment_connections
from llmwidgets.connections.policy import Policy
from llmwidgets.errors import (
    DamagedStore,
    FieldError,
    LLMWidgetsError,
    StoreError,
    StoreLocked,
    WrongPassphrase,
)
from llmwidgets.formatting import format_day, format_moment
from llmwidgets.providers import PROVIDERS
from llmwidgets.providers.base import Kind
from llmwidgets.secret import Secret, redact
from llmwidgets.store import identity_sources
from llmwidgets.store.state import organizations
from llmwidgets.store.store import Store, choose_store
from llmwidgets.widgets.connection.store_settings import Place, SettingsState, places_view
from llmwidgets.widgets.panel import Content, Page, Sentence, error_sentence
from llmwidgets.widgets.secret_field import SecretInbox, shown_to

LONGEST_WAIT = 30.0
"""Seconds; the time after a wrong passphrase doubles from two up to this."""

clock = time.monotonic

Screen = Literal["", "unlock", "create", "store"]
_OPENING = ("unlock", "create")
"""The screens that end once the store is open."""


class GateError(Sentence):
    """Why the store stays closed; `by` is the field that was tried."""

    by: str


class _MakingState(TypedDict):
    count: int
    bits: int


class StoreState(TypedDict):
    """The store as the header and the screens before the rest show it."""

    organization: str
    organizations: list[str]
    exists: bool
    locked: bool
    why: str
    notices: list[str]
    memory: bool
    read_only: bool
    by: str
    locks_after: int
    changed: str
    path: str
    rolled_back: bool
    gate: Screen
    said: GateError | None
    busy: bool
    wait: int
    backup: str
    offered: list[Place]
    making: _MakingState | None
    settings: SettingsState | None


@dataclass(frozen=True)
class GateEvents:
    """What follows at the gate, in the order in which it was registered."""

    opened: list[Callable[[], Awaitable[None]]] = field(default_factory=list)
    """The store is open now."""
    recovered: list[Callable[[], None]] = field(default_factory=list)
    """The recovery identity opened it: its passphrase is lost."""
    left: list[Callable[[], None]] = field(default_factory=list)
    """The user went on without the store."""
    cleared: list[Callable[[], None]] = field(default_factory=list)
    """What a screen showed is of the past."""
    turned: list[Callable[[], None]] = field(default_factory=list)
    """Another store is worked on now."""


class StoreGate:
    """The store that a panel works on: locked, absent, in memory or open.

    `screen` is shown before the rest of the panel. A passphrase arrives as every secret does.
    """

    def __init__(self, page: Page, inbox: SecretInbox, store: Store | None = None) -> None:
        self.store = choose_store(store)
        self.events = GateEvents()
        self._page, self._inbox = page, inbox
        self._offered: tuple[str, ...] = ()
        self._busy, self._tried = False, "passphrase"
        self._watch()

    def _watch(self) -> None:
        """Follow the store, from its first screen on."""
        self.screen: Screen = "unlock" if self.locked else ""
        self._wrong, self._again_at, self._skipped = 0, 0.0, False
        self.clear()
        gate = weakref.ref(self)

        def changed(*_: Any) -> None:
            if alive := gate():
                alive._follow_change()

        self.close = self.store.observe(changed)
        weakref.finalize(self, self.close)

    def _follow_change(self) -> None:
        """Something changed the store, on any thread; once it is open, nothing is asked."""
        self._skipped &= self.locked
        if self.usable and self.screen in _OPENING and not self._busy:
            self._page.submit(self._follow_opened())
        self._page.push_soon()

    def clear(self) -> None:
        self._making: StoreDraft | None = None
        self._said: Sentence | None = None
        self._rescue: Secret | None = None
        self._backup = ""
        _call(self.events.cleared)

    @property
    def usable(self) -> bool:
        """Whether the store can be read and written now."""
        return self.store.exists and not self.store.locked

    @property
    def locked(self) -> bool:
        """Whether there is a store that something has to open first."""
        return self.store.exists and self.store.locked

    @property
    def policy(self) -> Policy | None:
        """The organization's policy; None while the store is closed."""
        return self.store.policy if self.usable else None

    def connections(self) -> list[Connection]:
        """The store's connections, if it is open, those of this session, those provided."""
        try:
            own = list(self.store)
        except StoreError:
            own = self.store.for_session
        taken = {each.label for each in own}
        provided = (each for each in environment_connections() if each.origin == "policy")
        return own + [each for each in provided if each.label not in taken]

    def find_single(self, kind: Kind) -> Connection | None:
        """The connection of a kind that can be connected once; None for the others."""
        if not PROVIDERS[kind].single:
            return None
        return next((each for each in self.connections() if each.kind == kind), None)

    def ask(self) -> None:
        """Put a screen before the rest, for what needs the store: unlock it, or make it."""
        self._show("unlock" if self.store.exists else "create")

    def ask_if_locked(self) -> None:
        """Put the screen to unlock before a panel that has nothing else to show."""
        if self.locked and not self.screen and not self._skipped:
            self.screen = "unlock"

    def _show(self, screen: Screen) -> None:
        self.screen = screen
        if screen == "create" and self._making is None:
            self._making = StoreDraft()

    async def hello(self) -> None:
        """Open the store if nothing needs to be asked, and see where it can be remembered."""
        try:
            await self._open_quietly()
        finally:
            self._page.push()
        self._page.submit(self._look_for_places())

    async def _open_quietly(self) -> None:
        """Open a store that a key file or a variable opens; one that needs a passphrase waits."""
        if self.locked:
            with contextlib.suppress(StoreLocked):
                await asyncio.to_thread(list, self.store)
        if self.usable and self.screen == "unlock":
            self.screen = ""

    async def _look_for_places(self) -> None:
        # Apart from all else: a keyring that does not answer is waited for three seconds.
        offered = await asyncio.to_thread(lambda: self.store.can_remember)
        if offered != self._offered:
            self._offered = offered
            self._page.push()

    async def act_screen(self, content: Content) -> None:
        """Show a screen of the store, or leave it."""
        screen = content.get("screen")
        self._inbox.clear()
        self.clear()
        self._show(screen if screen in ("unlock", "create") else "")
        if not self.screen:
            self._skipped = True
            _call(self.events.left)
        self._page.push()

    async def act_organization(self, content: Content) -> None:
        """Work on the store of another organization; it is made at its first save."""
        name = str(content.get("name") or "").strip()
        if name and name != self.store.organization:
            self.close()
            self.store = Store(name)
            self._inbox.clear()
            self._watch()
            _call(self.events.turned)
            await self._open_quietly()
        self._page.push()

    async def act_lock(self, _content: Content) -> None:
        """Forget the identity in this process; connections of this session stay."""
        self.clear()
        self._inbox.clear()
        await asyncio.to_thread(self.store.lock)
        self.screen = "unlock"
        self._page.push()

    async def act_unlock(self, content: Content) -> None:
        """Open the store with the passphrase, or the recovery identity, that came just before."""
        self._tried = "recovery" if content.get("by") == "recovery" else "passphrase"
        recovery = self._tried == "recovery"
        secret = self._inbox.take(self._tried)
        if not secret:
            self._refuse(f"The {'recovery identity' if recovery else 'passphrase'} is empty.")
        elif clock() < self._again_at or self._busy:
            self._page.push()
        else:
            self._rescue = None if recovery else secret
            unlock = self.store.unlock
            step = partial(unlock, identity=secret) if recovery else partial(unlock, secret)
            await self._attempt(step, content.get("remember"))

    async def act_create(self, content: Content) -> None:
        """Make the store, sealed by the passphrase that came just before."""
        passphrase, making = self._inbox.take("passphrase"), self._making
        self._tried = "passphrase"
        if self._busy or making is None:
            self._page.push()
        elif not passphrase:
            self._refuse("The passphrase is empty.")
        else:
            step = partial(making.make, self.store, passphrase, content)
            await self._attempt(step, content.get("remember"))

    async def act_words(self, _content: Content) -> None:
        if self._making is not None:
            self._making.propose_words()
            self._page.push()

    async def act_show(self, content: Content) -> None:
        """Show one view what it must keep of a store that is about to be made, sealed to it."""
        what, spki = str(content.get("what")), str(content.get("spki") or "")
        secret = self._making.secrets.get(what) if self._making is not None else None
        if secret is not None:
            head = {"type": "shown", "what": what, "view": content.get("view")}
            self._page.send({**head, "sealed": bool(spki)}, shown_to(spki, what, secret))

    async def act_rescue(self, _content: Content) -> None:
        """Put the newest backup in the place of a damaged file, which is kept."""
        self._tried = "passphrase"
        await self._attempt(partial(self.store.restore, passphrase=self._rescue))

    async def act_accept_rollback(self, _content: Content) -> None:
        """Go on from a file older than one seen before: the user put it back."""
        await asyncio.to_thread(self.store.accept_rollback)
        self._page.push()

    async def _remember(self, place: object) -> None:
        """Remember the identity where that was ticked; trouble is shown above the open panel."""
        if isinstance(place, str) and place in self._offered:
            try:
                await asyncio.to_thread(self.store.remember, place)
            except StoreError as error:
                self._page.show_error(error)

    async def _attempt(self, step: Callable[[], object], place: object = None) -> None:
        """Take a step that opens the store, and remember its identity in a place."""
        self._busy, self._said = True, None
        recovered = self._tried == "recovery"
        self._page.push()
        try:
            await asyncio.to_thread(step)
            await self._remember(place)
        except LLMWidgetsError as error:
            await self._fail(error)
        else:
            self._wrong, self._again_at = 0, 0.0
            await self._follow_opened()
            if recovered:
                _call(self.events.recovered)
        finally:
            self._busy = False
        self._page.push()

    async def _follow_opened(self) -> None:
        """The store is open, by whoever: what waited for it goes on."""
        self.clear()
        if self.screen in _OPENING:
            self.screen = ""
        for follow in self.events.opened:
            await follow()
        if not self._busy:
            self._page.push()

    async def _fail(self, error: LLMWidgetsError) -> None:
        self._said = error_sentence(error)
        if isinstance(error, FieldError) and "passphrase" in error.problems:
            # A sentence of its own: `The passphrase has …`.
            self._said["sentence"] = redact(f"The passphrase {error.problems['passphrase']}")
        if isinstance(error, WrongPassphrase):
            self._wrong += 1
            self._again_at = clock() + min(2.0**self._wrong, LONGEST_WAIT)
        if isinstance(error, DamagedStore):
            with contextlib.suppress(StoreError):
                backups = await asyncio.to_thread(self.store.backups)
                self._backup = format_moment(backups[0].saved_at) if backups else ""
        else:
            self._rescue = None

    def _refuse(self, sentence: str) -> None:
        self._said = {"sentence": sentence, "hint": ""}
        self._page.push()

    def view(self, settings: SettingsState | None = None) -> StoreState:
        """The store, with the settings where their screen is open."""
        store, locked = self.store, self.locked
        by = "" if locked else store.unlocked_by or ""
        changed = store.state.changed_at
        return {
            "organization": store.organization,
            "organizations": _organizations(store),
            "exists": store.exists,
            "locked": locked,
            "why": store.state.lock_reason if locked else "",
            "notices": _notices(store),
            "memory": store.path is None,
            "read_only": store.read_only,
            "by": by,
            "locks_after": store.auto_lock if by == "passphrase" else 0,
            "changed": format_day(changed) if changed else "",
            "path": _shorten_path(store.path) if store.path else "",
            "rolled_back": store.state.rolled_back is not None,
            "gate": self.screen,
            "said": {**self._said, "by": self._tried} if self._said else None,
            "busy": self._busy,
            "wait": math.ceil(max(0.0, self._again_at - clock())),
            "backup": self._backup,
            "offered": places_view(self._offered, ()),
            "making": self._making.view() if self._making else None,
            "settings": settings,
        }


def _call(listeners: Iterable[Callable[[], None]]) -> None:
    for listener in listeners:
        listener()


def _organizations(store: Store) -> list[str]:
    """Those one can turn to; none where the panel was given a folder of its own."""
    if store.path is None or not store.state.in_default_folder:
        return []
    return sorted({*organizations(), store.organization})


_BINDER_NOTICE = (
    "This kernel runs on Binder, a public service: connections end with this session, and a "
    "real key is better not typed here. The demo server needs none."
)


def _notices(store: Store) -> list[str]:
    """What to know above everything; on a public Binder memory needs no second sentence."""
    binder = {"BINDER_SERVICE_HOST", "BINDER_REPO_URL"} & os.environ.keys()
    memory = "" if binder and store.path is None else store.notice
    notices = (Policy().notice, _BINDER_NOTICE if binder else "", memory)
    return [notice for notice in notices if notice]


def _shorten_path(path: Path) -> str:
    """A path with `~` for the user's own folder."""
    home = Path.home()
    return str("~" / path.relative_to(home) if path.is_relative_to(home) else path)


class StoreDraft:
    """A store that is about to be made: proposed words, and a recovery identity to keep.

    Both are made before the store, so that a store never exists whose recovery identity nobody
    could have kept. `secrets` are what the user may see, by name; `count` shows the page when other
    words are proposed.
    """

    def __init__(self) -> None:
        self.count = -1
        self.secrets = {"recovery": identity_sources.propose_recovery()}
        self.propose_words()

    def propose_words(self) -> None:
        """Propose six other words."""
        self.secrets["words"] = identity_sources.propose_passphrase()
        self.count += 1

    def make(self, store: Store, passphrase: Secret, content: Content) -> None:
        """Make the files of the store; a Store over the same folder shares its state.

        FieldError where the words shown were not typed, or nobody keeps the identity.
        """
        if not content.get("own") and not passphrase.is_same_as(self.secrets["words"]):
            raise FieldError(
                "These are not the six words shown.", "Type them once, or choose Type my own."
            )
        if not content.get("kept"):
            raise FieldError(
                "The recovery identity is not kept yet.",
                "Save its page or copy it, then tick that you keep it elsewhere.",
            )
        Store.create(
            store.organization,
            passphrase=passphrase,
            path=store.path,
            recovery=self.secrets["recovery"],
        )

    def view(self) -> _MakingState:
        """What the page draws before it asks for the secrets."""
        return {"count": self.count, "bits": int(identity_sources.BITS)}
