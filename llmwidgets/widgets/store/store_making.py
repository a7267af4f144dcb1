"""Making: a store that is about to be made, with what its user has to keep."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llmwidgets.connections.opening import words
from llmwidgets.errors import FieldError
from llmwidgets.secret import Secret
from llmwidgets.store.store import Store


class Making:
    """The words proposed and the recovery identity that the new store will also open with.

    Both are made before the store, so that a store never exists whose recovery identity nobody
    could have kept. `count` tells the page when other words are proposed.
    """

    def __init__(self) -> None:
        self.words = Store.proposed_passphrase()
        self.recovery = Store.proposed_recovery()
        self.count = 0

    def other_words(self) -> None:
        """Propose six other words."""
        self.words = Store.proposed_passphrase()
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
        return {"count": self.count, "bits": int(words.BITS)}
