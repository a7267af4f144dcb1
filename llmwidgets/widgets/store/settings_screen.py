"""StoreSettings: the screen on which a store is kept. What opens it, who, copies, backups."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

from llmwidgets.errors import FieldError, LLMWidgetsError, StoreError, StoreLocked
from llmwidgets.secret import Secret
from llmwidgets.store.state import organizations
from llmwidgets.store.store import Store
from llmwidgets.store.transfer import ImportPreview, asks_for_passphrase
from llmwidgets.widgets.panel import Buffers, Content, error_sentence
from llmwidgets.widgets.store.controller import members_view, opening_view, preview_view
from llmwidgets.widgets.store.unlock_screen import StoreGate

SCREEN = "store"
PARTS = ("opening", "passphrase", "members", "backups", "export", "import", "identity")


class StoreSettings(StoreGate):
    """Change what opens the store, share it, carry it elsewhere, go back to a backup.

    Every part of the screen says by itself what came of its last step; `_told` holds that, by the
    part's name. Nothing here is known while the store is locked.
    """

    screens = StoreGate.screens | {SCREEN}

    def __init__(self, store: Store | None = None) -> None:
        super().__init__(store)
        self._kept: dict[str, Any] | None = None
        self._told: dict[str, dict[str, str]] = {}
        self._preview: ImportPreview | None = None
        self._invitation = self._working = ""

    def _leave_gate(self) -> None:
        super()._leave_gate()
        self._told, self._preview, self._kept, self._invitation = {}, None, None, ""

    def show_gate(self, screen: str) -> None:
        super().show_gate(screen)
        if screen == SCREEN:
            self.submit(self._look_and_push())

    def after_recovery(self) -> None:
        self.show_gate(SCREEN)
        self._told["passphrase"] = {
            "state": "warn",
            "sentence": "The recovery identity opened the store: choose a new passphrase now.",
        }

    async def act_lock(self, content: Content, buffers: Buffers) -> None:
        self._leave_gate()
        await super().act_lock(content, buffers)

    # -- which store ---------------------------------------------------------------------------

    async def act_organization(self, content: Content, _buffers: Buffers) -> None:
        """Work on the store of another organization; it is made at its first save."""
        name = str(content.get("name") or "").strip()
        if name and name != self.store.organization:
            self._turn_to(Store(name))
            self.turned()
            await self.open_quietly()
        self.push()

    def turned(self) -> None:
        """Another store is worked on now."""

    # -- what opens it -------------------------------------------------------------------------

    async def act_remember(self, content: Content, _buffers: Buffers) -> None:
        """Remember the identity in a place, or take that back."""
        place, on = str(content.get("place")), bool(content.get("on"))
        change = self.store.remember if on else self.store.forget
        await self._do("opening", lambda: change(place))

    async def act_auto_lock(self, content: Content, _buffers: Buffers) -> None:
        """Choose the idle minutes after which the passphrase is needed again."""
        minutes = content.get("minutes")
        if isinstance(minutes, int):
            await self._do("opening", lambda: setattr(self.store, "auto_lock", minutes))

    async def act_change_passphrase(self, _content: Content, _buffers: Buffers) -> None:
        """Take another passphrase: the old one and the new one came just before."""
        old, new = self._typed.pop("old", None), self._typed.pop("new", None)
        if not new:
            self._tell("passphrase", "fail", "The new passphrase is empty.")
        else:
            await self._do(
                "passphrase", lambda: self.store.change_passphrase(old, new),
                "The passphrase is changed; the old one opens nothing any more.",
            )  # fmt: skip

    async def act_new_identity(self, _content: Content, _buffers: Buffers) -> None:
        """Seal the store to a new identity, for when the old one leaked."""
        passphrase = self._typed.pop("identity", None)
        if not passphrase:
            self._tell("identity", "fail", "The passphrase is empty.")
            return

        def renew() -> str:
            keys = ", ".join(self.store.held_keys)
            self.store.new_identity(passphrase)
            revoke = f" Revoke at their providers, and replace here: {keys}." if keys else ""
            return f"The store has a new identity, and its backups are deleted.{revoke}"

        await self._do("identity", renew)

    # -- who opens it --------------------------------------------------------------------------

    async def act_invite(self, content: Content, _buffers: Buffers) -> None:
        """Let one more person open the store; the lines to send are shown."""
        recipient, name = str(content.get("recipient") or ""), str(content.get("name") or "")

        def invite() -> str:
            made = self.store.invite(recipient, name)
            self._invitation = made.text
            return f"{made.name} can open the store. Send these lines, and compare fingerprints."

        await self._do("members", invite)

    async def act_remove_member(self, content: Content, _buffers: Buffers) -> None:
        """Let a person open the store no more, and tell which keys they have seen."""
        name, self._invitation = str(content.get("name")), ""
        await self._do("members", lambda: str(self.store.remove(name)))

    # -- copies --------------------------------------------------------------------------------

    async def act_restore(self, content: Content, _buffers: Buffers) -> None:
        """Go back to a backup; what is there now becomes one."""
        name = str(content.get("backup"))

        def restore() -> str:
            chosen = next((each for each in self.store.backups() if each.path.name == name), None)
            if chosen is None:
                message = f"The backup {name} is no longer there."
                raise StoreError(message, "Choose one of those listed now.")
            return f"Back to {self.store.restore(chosen)}. What was there is a backup now."

        await self._do("backups", restore)

    async def act_accept_rollback(self, _content: Content, _buffers: Buffers) -> None:
        """Go on from a file older than one seen before: the user put it back."""
        await asyncio.to_thread(self.store.accept_rollback)
        self.push()

    async def act_export(self, content: Content, _buffers: Buffers) -> None:
        """Write the connections to a new file, sealed to a passphrase or to a recipient."""
        path, passphrase = str(content.get("path") or "").strip(), self._typed.pop("export", None)
        recipient = str(content.get("recipient") or "").strip()
        if not path:
            self._tell("export", "fail", "Name the file to write.")
            return
        await self._do(
            "export",
            lambda: self.store.export(path, passphrase=passphrase, recipient=recipient or None),
            f"Written to {path}. Nothing in it is readable without what it was sealed to.",
        )

    async def act_preview(self, content: Content, _buffers: Buffers) -> None:
        """Look what an exported file would bring."""
        path, passphrase = str(content.get("path") or "").strip(), self._typed.pop("import", None)
        self._preview = None
        if not path:
            self._tell("import", "fail", "Name the file that was exported.")
            return

        def look() -> None:
            self._preview = self._looked_at(path, passphrase)

        await self._do("import", look)

    def _looked_at(self, path: str, passphrase: Secret | None) -> ImportPreview:
        if passphrase is None and asks_for_passphrase(Path(path).expanduser()):
            message = f"{path} opens with a passphrase."
            raise StoreLocked(message, "Type the passphrase it was exported with.")
        return self.store.preview(path, passphrase=passphrase)

    async def act_take(self, content: Content, _buffers: Buffers) -> None:
        """Save the ticked connections of the file; those whose place is taken replace it."""
        preview, labels = self._preview, content.get("labels")
        if preview is None or not isinstance(labels, list) or not labels:
            self._tell("import", "fail", "Tick at least one connection.")
            return

        def take() -> str:
            taken = self.store.take(preview, [str(each) for each in labels], replace=True)
            self._preview = None
            return f"Saved, untested: {', '.join(taken)}."

        await self._do("import", take)

    # -- how -----------------------------------------------------------------------------------

    async def _do(self, part: str, step: Callable[[], str | None], done: str = "") -> None:
        """Run a step off the loop; what came of it stands in its part of the screen."""
        if self._working:
            return
        self._working = part
        self._told.pop(part, None)
        self.push()
        try:
            said = await asyncio.to_thread(step)
        except LLMWidgetsError as error:
            told = error_sentence(error)
            self._told[part] = {"state": "fail", **told}
        else:
            if said or done:
                self._told[part] = {"state": "ok", "sentence": said or done}
        finally:
            self._working = ""
        await self._look_and_push()

    def _tell(self, part: str, state: str, sentence: str) -> None:
        self._told[part] = {"state": state, "sentence": sentence}
        self.push()

    async def _look_and_push(self) -> None:
        """Read what the screen shows: members, backups and places are on disk."""
        self._kept = None
        with suppress(StoreError, FieldError):
            self._kept = await asyncio.to_thread(self._look)
        self.push()

    def _look(self) -> dict[str, Any]:
        return {
            "opening": opening_view(self.store),
            "members": members_view(self.store),
            "backups": [
                {
                    "name": each.path.name,
                    "saved": f"{each.saved_at:%d %b %Y at %H:%M}".lstrip("0"),
                    "connections": each.connections,
                }
                for each in self.store.backups()
            ],
        }

    def store_view(self) -> dict[str, Any]:
        settings = None
        if self.gate == SCREEN and self._kept is not None and self.usable:
            settings = {
                **self._kept,
                "told": {part: self._told.get(part) for part in PARTS},
                "working": self._working,
                "invitation": self._invitation,
                "preview": preview_view(self._preview) if self._preview else None,
            }
        return {
            **super().store_view(),
            "organizations": self._organizations(),
            "rolled_back": self.store.state.rolled_back is not None,
            "settings": settings,
        }

    def _organizations(self) -> list[str]:
        """Those one can turn to; none where the panel was given a folder of its own."""
        if self.store.path is None or not self.store.state.in_default_folder:
            return []
        return sorted({*organizations(), self.store.organization})
