"""Sharing a store and carrying it elsewhere: members, backups, exported files."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path

from llmwidgets.errors import FieldError, StoreError, StoreLocked
from llmwidgets.secret import Secret
from llmwidgets.store import document, identity_sources, recipients, repository, transfer, trust
from llmwidgets.store import identity_sources as passphrase_field
from llmwidgets.store import transfer as backups
from llmwidgets.store.document import Recipient, StoreDocument
from llmwidgets.store.opening import StoreOpening, closed
from llmwidgets.store.recipients import Invitation, Member, Removal
from llmwidgets.store.state import default_folder
from llmwidgets.store.transfer import Backup, ImportPreview


class StoreSharing(StoreOpening):
    """The part of a Store that more than one person, or more than one computer, uses."""

    @staticmethod
    def organizations() -> tuple[str, ...]:
        """The organizations that have a store in the default place, by name."""
        place = default_folder("x").parent
        if not place.is_dir():
            return ()
        there = (each for each in place.iterdir() if (each / repository.CONNECTIONS).exists())
        return tuple(sorted(each.name for each in there))

    @property
    def recipient(self) -> str:
        """The public name, `age1…`, of the identity that opened the store; StoreLocked."""
        return self._identity().recipient

    @property
    def members(self) -> tuple[Member, ...]:
        """Everyone who can open the store, with fingerprints to compare; StoreLocked."""
        now = repository.read_store(self._session)
        return recipients.list_members(now, self.recipient) if now and self._session.folder else ()

    @property
    def held_keys(self) -> tuple[str, ...]:
        """The labels whose key lies in the file itself, so that all who opened it have seen it."""
        now = repository.read_store(self._session)
        return recipients.seen_keys(now) if now else ()

    def invite(self, recipient: str, name: str) -> Invitation:
        """Let one more person open the store, by the public key that age-keygen printed.

        Returns the lines to send. FieldError for a key or a name that is wrong or there already.
        """
        folder = self._require_folder()
        new = Recipient(name.strip(), recipients.check_recipient(recipient))
        by = self._identity()
        self._change(lambda now: recipients.with_member(now, new, by))
        return recipients.invitation(str(folder), new.name, new.recipient, by.recipient)

    def remove(self, name: str) -> Removal:
        """Seal the store to everyone but this member, and tell which provider keys to revoke.

        UnknownConnection where nobody bears the name, StoreError for the owner.
        """
        self._require_folder()
        by = self._identity()
        self._change(lambda now: recipients.without_member(now, name, by))
        now = self._session.last
        return Removal(name, recipients.seen_keys(now) if now else ())

    def trust(self, recipient: str) -> None:
        """Take this store from a writer whom this computer does not know, after comparing names.

        Needed once where somebody else made the store that was shared with you.
        """
        trust.trust_author(self._session, recipients.check_recipient(recipient))
        self._session.changed()

    def accept_rollback(self) -> None:
        """Go on from a file that is older than one seen before: a copy you put back yourself."""
        repository.read_store(self._session)
        trust.accept_rollback(self._session)
        self._session.changed()

    def backups(self) -> tuple[Backup, ...]:
        """What was saved before, newest first: date and count; the count needs an open store."""
        if not self._session.unlocked and self._session.folder:
            with suppress(StoreError):
                repository.read_store(self._session)
        return backups.list_backups(self._session)

    def restore(
        self, backup: Backup | None = None, *, passphrase: str | Secret | None = None
    ) -> Backup:
        """Go back to a backup, by default the newest that opens; what is there now is kept.

        A damaged store is locked: then the passphrase is needed unless a key file or variable is
        there. Returns the backup. StoreError where none opens.
        """
        passphrase = closed(passphrase)
        self._require_folder()
        done = backups.restore_backup(self._session, backup, passphrase, self._spell)
        self._session.changed()
        return done

    def export(
        self,
        path: str | Path,
        *,
        passphrase: str | Secret | None = None,
        recipient: str | None = None,
    ) -> None:
        """Write the connections to one new file, sealed to a passphrase or to an `age1…`.

        References stay references. FieldError for both or neither, StoreError for a file that is
        there already.
        """
        passphrase = closed(passphrase)
        if (passphrase is None) == (recipient is None):
            raise FieldError({"passphrase": "or recipient: give exactly one to seal the file to."})
        seal_to: Secret | str = recipient or ""
        if passphrase is not None:
            seal_to = passphrase
            passphrase_field.check_passphrase(seal_to)
        now = repository.read_store(self._session) or StoreDocument()
        transfer.export_connections(
            now, Path(path).expanduser(),
            identity=self._identity(), seal_to=seal_to, spell=self._spell,
        )  # fmt: skip

    @staticmethod
    def asks_for_passphrase(path: str | Path) -> bool:
        """Whether an exported file opens with a passphrase; DamagedStore for no age file."""
        return transfer.decrypt_export(Path(path).expanduser())

    def preview(
        self,
        path: str | Path,
        *,
        passphrase: str | Secret | None = None,
        identity: str | Secret | None = None,
    ) -> ImportPreview:
        """What an exported file would bring, by label, host and key end; nothing is saved.

        WrongPassphrase, StoreLocked where nothing at hand opens the file, DamagedStore.
        """
        passphrase, identity = closed(passphrase), closed(identity)
        path, given = Path(path).expanduser(), None
        if transfer.decrypt_export(path):
            given = passphrase or passphrase_field.ask_passphrase("Passphrase of the file: ")
            if given is None:
                message = f"{path} opens with a passphrase, and nobody can be asked for it here."
                raise StoreLocked(message, "Call store.preview(path, passphrase=…).")
        own = [] if identity is None else [identity_sources.read_given_identity(identity).identity]
        if self._session.unlocked is not None:
            own.append(self._session.unlocked.identity)
        here = repository.read_store(self._session) if self._session.unlocked else None
        return transfer.preview_import(
            path, here or self._session.last or StoreDocument(), passphrase=given, identities=own
        )

    def take(
        self, preview: ImportPreview, labels: Iterable[str] | None = None, *, replace: bool = False
    ) -> tuple[str, ...]:
        """Save what a preview offers: these labels, or all that are new; all or nothing.

        AlreadyConnected where a place is taken, unless `replace`. Returns the labels.
        """
        chosen = preview.chosen(labels, replace=replace)

        def all_of_them(now: StoreDocument) -> StoreDocument:
            for connection in chosen:
                now = document.with_connection(now, connection, over=replace)
            return now

        if chosen:
            self._change(all_of_them)
        return tuple(each.label for each in chosen)

    def _apply(self, operation: Callable[[StoreDocument], StoreDocument]) -> None:
        repository.change_store(self._session, operation, self._spell)

    def _change(self, operation: Callable[[StoreDocument], StoreDocument]) -> None:
        self._apply(operation)
        self._session.changed()
