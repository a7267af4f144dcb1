"""StoreSettings: the screen on which a store is kept. What opens it, who, copies, backups."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NotRequired, TypedDict

from llmwidgets.errors import FieldError, LLMWidgetsError, StoreError, StoreLocked, read_path
from llmwidgets.formatting import format_moment
from llmwidgets.providers import PROVIDERS
from llmwidgets.store.sharing import ImportPreview, asks_for_passphrase, preview_import
from llmwidgets.store.store import Store
from llmwidgets.widgets.panel import Content, Page, error_sentence
from llmwidgets.widgets.secret_field import SecretInbox

if TYPE_CHECKING:
    from llmwidgets.widgets.connection.store_gate import StoreGate


PARTS = ("opening", "passphrase", "members", "backups", "export", "import", "identity")


class Place(TypedDict):
    """A place that can remember, or remembers, the identity."""

    place: str
    words: str
    where: str
    on: bool


class Outcome(TypedDict):
    """What came of the last step of a part of the screen."""

    state: Literal["ok", "warn", "fail"]
    sentence: str
    hint: NotRequired[str]


class _OpeningState(TypedDict):
    places: list[Place]
    auto_lock: int
    asks: bool
    needs_old: bool
    recipient: str


class _MemberState(TypedDict):
    """One who can open the store; `fixed` cannot be removed."""

    name: str
    fingerprint: str
    you: bool
    fixed: bool


class _BackupState(TypedDict):
    name: str
    saved: str
    connections: int | None


class _PreviewRow(TypedDict):
    label: str
    kind: str
    host: str
    tail: str
    sign_in: str
    new: bool
    state: str


class _PreviewState(TypedDict):
    path: str
    caution: str
    unreadable: list[str]
    rows: list[_PreviewRow]


class _KeptState(TypedDict):
    opening: _OpeningState
    members: list[_MemberState]
    backups: list[_BackupState]


class SettingsState(_KeptState):
    """The whole screen."""

    told: dict[str, Outcome | None]
    working: str
    invitation: str
    preview: _PreviewState | None


class StoreSettings:
    """Change what opens the store, share it, carry it elsewhere, go back to a backup.

    Every part of the screen says by itself what came of its last step. Nothing here is known while
    the store is locked.
    """

    def __init__(self, page: Page, inbox: SecretInbox, gate: StoreGate) -> None:
        self._page, self._inbox, self._gate = page, inbox, gate
        self._working = ""
        self._clear()
        gate.events.cleared.append(self._clear)
        gate.events.recovered.append(self._recovered)

    def _clear(self) -> None:
        self._kept: _KeptState | None = None
        self._outcomes: dict[str, Outcome] = {}
        self._preview: ImportPreview | None = None
        self._invitation = ""

    @property
    def _store(self) -> Store:
        return self._gate.store

    async def act_open(self, _content: Content) -> None:
        self._inbox.clear()
        self._gate.clear()
        self._open()
        self._page.push()

    def _open(self) -> None:
        self._gate.screen = "store"
        self._page.submit(self._look_and_push())

    def _recovered(self) -> None:
        self._open()
        self._outcomes["passphrase"] = {
            "state": "warn",
            "sentence": "The recovery identity opened the store: choose a new passphrase now.",
        }

    async def act_remember(self, content: Content) -> None:
        """Remember the identity in a place, or take that back."""
        place = str(content.get("place"))
        change = self._store.remember if content.get("on") else self._store.forget
        await self._do("opening", lambda: change(place))

    async def act_auto_lock(self, content: Content) -> None:
        """Choose the idle minutes after which the passphrase is needed again."""
        minutes = content.get("minutes")
        if isinstance(minutes, int):
            await self._do("opening", lambda: setattr(self._store, "auto_lock", minutes))

    async def act_change_passphrase(self, _content: Content) -> None:
        """Take another passphrase: the old one and the new one came just before."""
        old, new = self._inbox.take("old"), self._inbox.take("new")
        if not new:
            self._refuse("passphrase", "The new passphrase is empty.")
            return
        done = "The passphrase is changed; the old one opens nothing any more."
        await self._do("passphrase", lambda: self._store.change_passphrase(old, new), done)

    async def act_new_identity(self, _content: Content) -> None:
        """Seal the store to a new identity, for when the old one leaked."""
        passphrase = self._inbox.take("identity")
        if not passphrase:
            self._refuse("identity", "The passphrase is empty.")
            return

        def renew() -> str:
            keys = ", ".join(self._store.held_keys)
            self._store.new_identity(passphrase)
            revoke = f" Revoke at their providers, and replace here: {keys}." if keys else ""
            return f"The store has a new identity, and its backups are deleted.{revoke}"

        await self._do("identity", renew)

    async def act_invite(self, content: Content) -> None:
        """Let one more person open the store; the lines to send are shown."""
        recipient, name = str(content.get("recipient") or ""), str(content.get("name") or "")

        def invite() -> str:
            invitation = self._store.invite(recipient, name)
            self._invitation = invitation.text
            return (
                f"{invitation.name} can open the store. Send these lines, and compare fingerprints."
            )

        await self._do("members", invite)

    async def act_remove_member(self, content: Content) -> None:
        """Let a person open the store no more, and name the keys they have seen."""
        name, self._invitation = str(content.get("name")), ""
        await self._do("members", lambda: str(self._store.remove(name)))

    async def act_restore(self, content: Content) -> None:
        """Go back to a backup; what is there now becomes one."""
        name = str(content.get("backup"))

        def restore() -> str:
            for backup in self._store.backups():
                if backup.path.name == name:
                    restored = self._store.restore(backup)
                    return f"Back to {restored}. What was there is a backup now."
            message = f"The backup {name} is no longer there."
            raise StoreError(message, "Choose one of those listed now.")

        await self._do("backups", restore)

    async def act_export(self, content: Content) -> None:
        """Write the connections to a new file, sealed to a passphrase or to a recipient."""
        path, passphrase = str(content.get("path") or "").strip(), self._inbox.take("export")
        recipient = str(content.get("recipient") or "").strip()
        if not path:
            self._refuse("export", "Name the file to write.")
            return
        await self._do(
            "export",
            lambda: self._store.export(path, passphrase=passphrase, recipient=recipient or None),
            f"Written to {path}. Nothing in it is readable without what it was sealed to.",
        )

    async def act_preview(self, content: Content) -> None:
        """Look what an exported file would bring: one named here, or one that the page sent."""
        path, passphrase = str(content.get("path") or "").strip(), self._inbox.take("import")
        sent = [bytes(each) for each in content.get("buffers") or ()]
        data = sent[0] if sent else None
        self._preview = None
        if not path:
            self._refuse("import", "Name the file that was exported.")
            return

        def look() -> None:
            file = Path(path) if sent else read_path(path)
            if passphrase is None and asks_for_passphrase(file, data):
                message = f"{path} opens with a passphrase."
                raise StoreLocked(message, "Type the passphrase it was exported with.")
            state = self._store.state
            self._preview = preview_import(
                state, file, passphrase=passphrase, identity=None, data=data
            )

        await self._do("import", look)

    async def act_take(self, content: Content) -> None:
        """Save the ticked connections of the file; those whose place is taken replace it."""
        preview, labels = self._preview, content.get("labels")
        if preview is None or not isinstance(labels, list) or not labels:
            self._refuse("import", "Tick at least one connection.")
            return

        def take() -> str:
            taken = self._store.take(preview, [str(each) for each in labels], replace=True)
            self._preview = None
            return f"Saved, untested: {', '.join(taken)}."

        await self._do("import", take)

    async def _do(self, part: str, step: Callable[[], str | None], done: str = "") -> None:
        """Run a step off the loop; what came of it is shown in its part of the screen."""
        if self._working:
            return
        self._working = part
        self._outcomes.pop(part, None)
        self._page.push()
        try:
            sentence = await asyncio.to_thread(step) or done
        except LLMWidgetsError as error:
            self._outcomes[part] = {"state": "fail", **error_sentence(error)}
        else:
            if sentence:
                self._outcomes[part] = {"state": "ok", "sentence": sentence}
        finally:
            self._working = ""
        await self._look_and_push()

    def _refuse(self, part: str, sentence: str) -> None:
        self._outcomes[part] = {"state": "fail", "sentence": sentence}
        self._page.push()

    async def _look_and_push(self) -> None:
        """Read what the screen shows: members, backups and places are on disk."""
        self._kept = None
        with suppress(StoreError, FieldError):
            self._kept = await asyncio.to_thread(_read_kept, self._store)
        self._page.push()

    def view(self) -> SettingsState | None:
        """The screen, where it is open and the store can be read."""
        if self._gate.screen != "store" or self._kept is None or not self._gate.usable:
            return None
        return {
            **self._kept,
            "told": {part: self._outcomes.get(part) for part in PARTS},
            "working": self._working,
            "invitation": self._invitation,
            "preview": _preview_view(self._preview) if self._preview else None,
        }


def _read_kept(store: Store) -> _KeptState:
    return {
        "opening": {
            "places": places_view(store.can_remember, store.remembered),
            "auto_lock": store.auto_lock,
            "asks": store.state.has_passphrase,
            "needs_old": store.unlocked_by in {"passphrase", "this server", "system keyring"},
            "recipient": store.recipient,
        },
        "members": [
            {
                "name": each.name,
                "fingerprint": each.fingerprint,
                "you": each.you,
                "fixed": each.you or each.name == "owner",
            }
            for each in store.members
        ],
        "backups": [
            {
                "name": each.path.name,
                "saved": format_moment(each.saved_at),
                "connections": each.connections,
            }
            for each in store.backups()
        ],
    }


_PLACES = {
    "keyring": ("Remember on this computer", "in the system keyring"),
    "server": ("Remember until this Jupyter server stops", "in memory, on no disk"),
}


def places_view(offered: tuple[str, ...], remembered: tuple[str, ...]) -> list[Place]:
    """One row per place that can remember, or remembers, the identity."""
    return [
        {"place": place, "words": words, "where": where, "on": place in remembered}
        for place, (words, where) in _PLACES.items()
        if place in offered or place in remembered
    ]


_STATES = {
    "new": "",
    "same label": "replaces the one of this label",
    "same kind": "replaces the one of this kind",
}


def _preview_view(preview: ImportPreview) -> _PreviewState:
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
                "sign_in": each.sign_in,
                "new": each.state == "new",
                "state": _STATES[each.state],
            }
            for each in preview.offers
        ],
    }
