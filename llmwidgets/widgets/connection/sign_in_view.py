"""How the open form signs in: the choice of a way, whose token is used, what becomes of a key."""

from __future__ import annotations

import os
from typing import TypedDict

from llmwidgets.connections.connection import Connection
from llmwidgets.formatting import with_article
from llmwidgets.providers.base import Provider, SignIn
from llmwidgets.secret import Secret, redact
from llmwidgets.widgets.connection.form_draft import FormDraft

_NOTE = (
    "No key is stored. A token is fetched when needed, kept in memory, and sent to {host} and to "
    "no other host."
)
"""What becomes of keys and tokens, for a way that says nothing of its own."""
_SENT = "The token is sent to {host} and to no other host."
"""Behind what a way says of its own, unless that names the host as well."""


class _WayState(TypedDict):
    name: str
    title: str


class SignInState(TypedDict):
    """The choice. Without a key there is a `note`, and `account` once a token was fetched.

    `source` is what the account was signed in by, `unnamed` what signed in if nobody says who it
    is, once the connection works as the form has it. `back` leads to the key, and `dropped` is
    about a key that the chosen way does not use.
    """

    way: str
    ways: list[_WayState]
    keyless: bool
    account: str
    source: str
    unnamed: str
    note: str
    back: str
    dropped: str


def sign_in_view(draft: FormDraft, preview: Connection | None) -> SignInState | None:
    """How the form signs in; None for a kind with one way. `preview` is its connection so far."""
    provider, way = draft.provider, draft.way
    if not provider.sign_ins:
        return None
    chosen = provider.find_sign_in(way)
    shown = draft.connection if draft.read_only else preview
    account, _, source = _account(shown).partition(" by ") if chosen else ("", "", "")
    return {
        "way": way,
        "ways": [{"name": name, "title": title} for name, title in provider.ways.items()],
        "keyless": chosen is not None and not any(n in draft.asked for n in provider.secret_fields),
        "account": account,
        "source": source,
        "unnamed": _unnamed(shown) if chosen and draft.passed and not account else "",
        "note": _note(chosen, shown) if chosen else "",
        "back": f"Use {_name_key(provider)}" if chosen else "",
        "dropped": _dropped(draft),
    }


def own_fields(draft: FormDraft) -> set[str]:
    """The fields that the chosen way asks for and another one does not."""
    forms = [draft.provider.form(way).model_fields for way in draft.provider.ways]
    return {name for name in draft.asked if not all(name in form for form in forms)}


def _note(chosen: SignIn, connection: Connection | None) -> str:
    note = chosen.note or _NOTE
    note = note if "{host}" in note else f"{note} {_SENT}"
    return note.replace("{host}", connection.host if connection else "the connection's own host")


def _account(connection: Connection | None) -> str:
    """Whose token is in memory for the connection, such as `ada@acme.example by Azure CLI`."""
    from llmwidgets.engine.network.sign_in.tokens import known_account

    return redact(known_account(connection)) if connection is not None else ""


def _unnamed(connection: Connection | None) -> str:
    """What signed in where the token does not say as whom: the file, and the project in it."""
    auth = connection.target("*").auth if connection is not None else ()
    exchanged = next((each.secret for each in auth if each.exchange is not None), Secret(""))
    place, _, path = (exchanged.reference or "").partition(":")
    if place != "file":
        return "Signed in; the token does not say as whom."
    home = os.path.expanduser("~")
    inside = path.startswith(f"{home}{os.sep}")
    said = f"Signed in by {f'~{path[len(home) :]}' if inside else path}"
    project = exchanged.public_part("quota_project_id")
    return redact(
        f"{said}, which does not say whose it is{f'; its project is {project}' if project else ''}."
    )


def _dropped(draft: FormDraft) -> str:
    provider, asked = draft.provider, draft.asked_secrets
    unused = [name for name, kept in draft.secrets.items() if kept.secret and name not in asked]
    if not unused:
        return ""
    titles = " and ".join(str(provider.all_fields[name].title) for name in unused)
    return f"{titles}: not used to sign in like this, and gone once the form is saved."


def _name_key(provider: Provider) -> str:
    """The key in a sentence: `an API key`; several things have no article."""
    title = provider.key_title
    return title if title.endswith("s") else with_article(title)
