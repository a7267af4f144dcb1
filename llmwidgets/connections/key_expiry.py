"""Key life: when a connection's key ends, and when it is old enough to be replaced."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date, datetime

from llmwidgets.connections.connection import Connection
from llmwidgets.formatting import format_day, format_days_until

SOON_DAYS = 14
"""From so many days before its end on a key is told of."""
OLD_DAYS = 90
"""By this age organizations usually replace the key of a service account."""


@dataclass(frozen=True, slots=True)
class KeyNote:
    """What is to be known of a key: in a few words, in a sentence, and the next step."""

    brief: str
    said: str
    fix: str
    ended: bool = False


def today() -> date:
    """The day by which keys end: the user's own."""
    return datetime.now().astimezone().date()


def key_notes(connection: Connection, on: date) -> list[KeyNote]:
    """What is to be known of the connection's key on a day; mostly nothing."""
    notes = (end_note(connection, on), age_note(connection, on))
    return [note for note in notes if note is not None]


def has_ended(connection: Connection, on: date) -> bool:
    """Whether the day saved as the key's last has passed; the provider decides all the same."""
    ends = connection.fields.expires
    return ends is not None and ends < on


def end_note(connection: Connection, on: date) -> KeyNote | None:
    """The end of the key, from two weeks before it on; None until then."""
    ends = connection.fields.expires
    if ends is None or (ends - on).days > SOON_DAYS:
        return None
    if has_ended(connection, on):
        fix = f"Where it is refused, {_new_key(connection)}; where it still works, correct the day."
        said = f"The key ended on {format_day(ends)}."
        return KeyNote(f"ended {format_day(ends)}", said, _step(connection, fix), ended=True)
    when = format_days_until(ends, on)
    fix = f"Before that, {_new_key(connection)}, with its own day."
    return KeyNote(
        f"ends {when}", f"The key ends {format_day(ends)}, {when}.", _step(connection, fix)
    )


def age_note(connection: Connection, on: date) -> KeyNote | None:
    """The age of a service account's key that the store holds; None while it is young.

    Google puts no day of making into the file, so the age counts from the first save.
    """
    since = connection.keyed_at or connection.saved_at
    key = connection.secret_fields.get("credentials")
    if since is None or key is None or key.reference:
        return None
    age = (on - since.astimezone().date()).days
    rotation = connection.provider.rotation
    if not rotation or age <= OLD_DAYS or key.public_part("type") != "service_account":
        return None
    return KeyNote(
        f"{age} days old",
        f"The key is {age} days old; organizations usually replace the key of a service account "
        f"by {OLD_DAYS} days.",
        rotation,
    )


def _new_key(connection: Connection) -> str:
    page = next((each for each in connection.provider.links if "key" in each.text.lower()), None)
    return f"make a new key{f' at {page.url}' if page else ''} and save it here"


def _step(connection: Connection, fix: str) -> str:
    return "Whoever provides this connection replaces the key." if connection.read_only else fix
