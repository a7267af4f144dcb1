"""How a connection's parts are spelled in what a store seals, and read back."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import date, datetime
from typing import Any

from llmwidgets.dialects.types import Capability, Form, Mode
from llmwidgets.secret import Secret


def kept(secret: Secret) -> Secret | str:
    """The secret itself, closed; of a reference its text."""
    return secret.reference or secret


def plain(value: Any) -> Any:
    """The value of a plain field as JSON: a day as 2026-12-11."""
    return value.isoformat() if isinstance(value, date) else value


def spelled(seen: Capability) -> dict[str, Any]:
    """What a probe saw, as JSON."""
    return {
        "form": seen.form.value,
        "mode": seen.mode.value,
        "tried": [[form.value, said, obeyed] for form, said, obeyed in seen.tried],
    }


def read_capability(said: Mapping[str, Any]) -> Capability:
    """What a probe saw, from JSON."""
    tried = tuple((Form(form), str(did), bool(obeyed)) for form, did, obeyed in said["tried"])
    return Capability(Form(said["form"]), Mode(said["mode"]), tried)


def moment(said: str | None) -> datetime | None:
    """A time of the store, or None."""
    return datetime.fromisoformat(said) if said else None
