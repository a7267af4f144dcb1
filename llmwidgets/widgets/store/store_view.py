"""What the screen of a store shows: what opens it, who, and what a file would bring."""

from __future__ import annotations

from typing import Any

from llmwidgets.providers import PROVIDERS
from llmwidgets.store.store import Store
from llmwidgets.store.transfer import Preview

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
        "asks": store.has_passphrase,
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


def preview_view(preview: Preview) -> dict[str, Any]:
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
