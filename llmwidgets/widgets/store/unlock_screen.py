"""StoreGate: the screens that stand before a store. Unlock it, make it, mend it."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Awaitable, Callable, Mapping
from contextlib import suppress
from typing import Any

from llmwidgets.errors import DamagedStore, FieldError, LLMWidgetsError, StoreError, WrongPassphrase
from llmwidgets.secret import Secret
from llmwidgets.store import identity_sources
from llmwidgets.store.store import Store
from llmwidgets.widgets.panel import Buffers, Content, error_sentence
from llmwidgets.widgets.secret_field import shown_to
from llmwidgets.widgets.store.controller import StorePanel, places_view

LONGEST_WAIT = 30.0
"""Seconds; the time after a wrong passphrase doubles from two up to this."""

clock = time.monotonic


class StoreGate(StorePanel):
    """Unlock the store by passphrase or recovery identity, or make it.

    A passphrase arrives as every secret does. A connection that waits for the store is kept by
    `after_gate` of the subclass.
    """

    def __init__(self, store: Store | None = None) -> None:
        super().__init__(store)
        self._making: StoreDraft | None = None
        self._gate_said: dict[str, str] | None = None
        self._gate_busy, self._gate_by = False, "passphrase"
        self._wrong, self._again_at = 0, 0.0
        self._rescue: Secret | None = None
        self._backup = ""
        self._offered: tuple[str, ...] = ()

    def _turn_to(self, store: Store) -> None:
        super()._turn_to(store)
        self._leave_gate()
        self._wrong, self._again_at = 0, 0.0

    def _leave_gate(self) -> None:
        self._making, self._gate_said, self._rescue, self._backup = None, None, None, ""

    async def act_hello(self, content: Content, buffers: Buffers) -> None:
        """A view was drawn: send the state, and ask where an identity can be remembered."""
        await super().act_hello(content, buffers)
        self.submit(self._look_for_places())

    async def _look_for_places(self) -> None:
        # Apart from all else: a keyring that does not answer is waited for three seconds.
        offered = await asyncio.to_thread(lambda: self.store.can_remember)
        if offered != self._offered:
            self._offered = offered
            self.push()

    # -- messages ------------------------------------------------------------------------------

    async def act_gate(self, content: Content, _buffers: Buffers) -> None:
        """Show a screen of the store, or leave it."""
        screen = str(content.get("screen", ""))
        self._typed.clear()
        self._leave_gate()
        self.show_gate(screen if screen in self.screens else "")
        if not self.gate:
            self.gate_left()
        self.push()

    screens = frozenset({"unlock", "create"})

    def show_gate(self, screen: str) -> None:
        """Put a screen before the rest; for a new store its words and identity are made."""
        self.gate = screen
        if screen == "create" and self._making is None:
            self._making = StoreDraft()

    def gate_left(self) -> None:
        """The user went on without the store."""

    async def after_gate(self) -> None:
        """The store is open now: do what waited for it."""

    def after_recovery(self) -> None:
        """The recovery identity opened the store: its passphrase is lost."""

    async def act_unlock(self, content: Content, _buffers: Buffers) -> None:
        """Open the store with the passphrase, or the recovery identity, that came just before."""
        by = "recovery" if content.get("by") == "recovery" else "passphrase"
        self._gate_by = by
        secret = self._typed.pop(by, None)
        if not secret:
            named = "recovery identity" if by == "recovery" else "passphrase"
            self._say_at_gate(f"The {named} is empty.")
        elif self._wait() > 0 or self._gate_busy:
            self.push()
        else:
            self._rescue = secret if by == "passphrase" else None
            place = str(content.get("remember") or "")
            await self._at_gate(self._unlock(secret, by, place))

    async def act_create(self, content: Content, _buffers: Buffers) -> None:
        """Make the store, sealed by the passphrase that came just before."""
        passphrase, making = self._typed.pop("passphrase", None), self._making
        self._gate_by = "passphrase"
        if self._gate_busy or making is None:
            self.push()
        elif not passphrase:
            self._say_at_gate("The passphrase is empty.")
        else:
            await self._at_gate(self._create(making, passphrase, content))

    async def act_words(self, _content: Content, _buffers: Buffers) -> None:
        """Propose six other words for the passphrase."""
        if self._making is not None:
            self._making.other_words()
            self.push()

    async def act_show(self, content: Content, _buffers: Buffers) -> None:
        """Show one view what it must keep of a store that is about to be made, sealed to it."""
        what, spki = str(content.get("what")), str(content.get("spki") or "")
        secret = self._making.shown(what) if self._making is not None else None
        if secret is not None:
            head = {
                "type": "shown",
                "what": what,
                "view": content.get("view"),
                "sealed": bool(spki),
            }
            self.send(head, shown_to(spki, what, secret))

    async def act_rescue(self, _content: Content, _buffers: Buffers) -> None:
        """Put the newest backup in the place of a damaged file, which is kept."""
        passphrase = self._rescue
        await self._at_gate(asyncio.to_thread(self.store.restore, passphrase=passphrase))

    # -- steps ---------------------------------------------------------------------------------

    async def _unlock(self, secret: Secret, by: str, place: str) -> Callable[[], None]:
        """Open the store; what follows on the page."""
        if by == "recovery":
            await asyncio.to_thread(lambda: self.store.unlock(identity=secret))
        else:
            await asyncio.to_thread(self.store.unlock, secret)
        await self._remember(place)
        return self.after_recovery if by == "recovery" else lambda: None

    async def _create(self, making: StoreDraft, passphrase: Secret, content: Content) -> None:
        making.check(content, passphrase)
        await asyncio.to_thread(making.make, self.store, passphrase)
        await self._remember(str(content.get("remember") or ""))

    async def _remember(self, place: str) -> None:
        """Remember the identity where that was ticked; trouble is told above the open panel."""
        if place not in self._offered:
            return
        try:
            await asyncio.to_thread(self.store.remember, place)
        except StoreError as error:
            self.show_error(error)

    async def _at_gate(self, step: Awaitable[Any]) -> None:
        self._gate_busy, self._gate_said = True, None
        asked = self.gate
        self.push()
        try:
            then = await step
        except LLMWidgetsError as error:
            await self._refused(error)
        else:
            self._wrong, self._again_at = 0, 0.0
            self._leave_gate()
            if self.gate == asked:
                self.gate = ""
            await self.after_gate()
            if callable(then):
                then()
        finally:
            self._gate_busy = False
        self.push()

    async def _refused(self, error: LLMWidgetsError) -> None:
        self._gate_said = _without_name(error_sentence(error))
        if isinstance(error, WrongPassphrase):
            self._wrong += 1
            self._again_at = clock() + min(2.0**self._wrong, LONGEST_WAIT)
        if isinstance(error, DamagedStore):
            with suppress(StoreError):
                backups = await asyncio.to_thread(self.store.backups)
                self._backup = f"{backups[0].saved_at:%d %b %Y at %H:%M}" if backups else ""
        else:
            self._rescue = None

    def _say_at_gate(self, sentence: str) -> None:
        self._gate_said = {"sentence": sentence, "hint": ""}
        self.push()

    def _wait(self) -> float:
        return max(0.0, self._again_at - clock())

    # -- to the page ---------------------------------------------------------------------------

    def store_view(self) -> dict[str, Any]:
        return {
            **super().store_view(),
            "said": self._gate_said and {**self._gate_said, "by": self._gate_by},
            "busy": self._gate_busy,
            "wait": math.ceil(self._wait()),
            "backup": self._backup,
            "offered": places_view(self._offered, ()),
            "making": self._making.view() if self._making else None,
        }


def _without_name(said: dict[str, str]) -> dict[str, str]:
    """A field's sentence as one of its own: `passphrase: has …` reads `The passphrase has …`."""
    prefix = "passphrase: "
    if not said["sentence"].startswith(prefix):
        return said
    return {**said, "sentence": f"The passphrase {said['sentence'].removeprefix(prefix)}"}


# -- Making: a store that is about to be made, with what its user has to keep.


class StoreDraft:
    """The words proposed and the recovery identity that the new store will also open with.

    Both are made before the store, so that a store never exists whose recovery identity nobody
    could have kept. `count` tells the page when other words are proposed.
    """

    def __init__(self) -> None:
        self.words = identity_sources.propose_passphrase()
        self.recovery = identity_sources.propose_recovery()
        self.count = 0

    def other_words(self) -> None:
        """Propose six other words."""
        self.words = identity_sources.propose_passphrase()
        self.count += 1

    def shown(self, what: object) -> Secret | None:
        """What the user may see by this name: `words` or `recovery`."""
        return {"words": self.words, "recovery": self.recovery}.get(str(what))

    def check(self, content: Mapping[str, Any], typed: Secret) -> None:
        """FieldError where the words shown were not typed, or nobody keeps the identity."""
        if not content.get("own") and not typed.is_same_as(self.words):
            raise FieldError(
                "These are not the six words shown.", "Type them once, or choose Type my own."
            )
        if not content.get("kept"):
            raise FieldError(
                "The recovery identity is not kept yet.",
                "Save its page or copy it, then tick that you keep it elsewhere.",
            )

    def make(self, store: Store, passphrase: Secret) -> None:
        """Make the store's files; a Store over the same folder shares its state with this one."""
        Store.create(
            store.organization, passphrase=passphrase, path=store.path, recovery=self.recovery
        )

    def view(self) -> dict[str, Any]:
        """What the page draws; the words and the identity are asked for apart from it."""
        return {"count": self.count, "bits": int(identity_sources.BITS)}
