"""Draft: one form being filled in. What was typed, the secrets received, what the check said."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from llmwidgets.connections.connection import Connection, secret_warning
from llmwidgets.connections.policy import Policy
from llmwidgets.dialects.types import Call
from llmwidgets.errors import FieldError
from llmwidgets.providers import find_provider
from llmwidgets.secret import Secret, redact
from llmwidgets.widgets.connection.check_view import (
    model_rows,
    off_whitelist,
    refused_rows,
    refused_view,
)
from llmwidgets.widgets.connection.credentials import Credentials, read_credentials
from llmwidgets.widgets.connection.form_fields import secret_names
from llmwidgets.widgets.secret_field import SecretField

if TYPE_CHECKING:
    from llmwidgets.engine.check import CheckReport
    from llmwidgets.providers.base import FieldWarning, Kind, Preset


_STAND_IN = "not-typed-yet-0000"
"""What stands for a secret while a form is being filled in; no warning about it counts."""
_WORDS = {"401": "key refused", "403": "no access", "404": "not found", "429": "limited"}


class FormState:
    """A form of one kind, empty or over a connection that exists.

    `rev` grows when the kernel changes what the inputs say; the page then takes the new values.
    `intent` is what follows a check that succeeds: `save`, `session` or `none`. `added` is what
    was said of models connected from here. `touched` says that something was typed since it was
    last kept; `apart` why its connection is out of reach meanwhile.
    """

    def __init__(self, kind: Kind, connection: Connection | None = None) -> None:
        self.provider = find_provider(kind)
        self.connection = connection
        self.values: dict[str, Any] = dict(connection.plain_fields) if connection else {}
        self.secrets = _closed(connection.secret_fields if connection else {})
        self.headers = _closed(connection.fields.headers if connection else {})
        self.credentials: Credentials | None = None
        self.preset: Preset | None = None
        self.problems: dict[str, str] = {}
        self.hint = ""
        self.doubts: list[FieldWarning] = []
        self.report: CheckReport | None = None
        self.tested: Connection | None = None
        self.calls: Sequence[Call] = ()
        self.refused: dict[str, Any] | None = None
        self.checked_at = connection.checked_at if connection else None
        self.rows: list[dict[str, Any]] | None = None
        self.off_whitelist: list[str] = []
        self.said = self.added = self.busy = ""
        self.intent = "save"
        self.rev = 0
        self.touched = False
        self.apart = ""
        self.named = connection.label if connection else ""

    @property
    def key(self) -> str:
        """What the page calls this form; a message for another form is dropped."""
        return f"{self.provider.kind}/{self.named}"

    @property
    def read_only(self) -> bool:
        """Whether an administrator provides the connection: it can be tested, and not changed."""
        return self.connection is not None and self.connection.read_only

    # -- filling in ----------------------------------------------------------------------------

    def take(self, values: Mapping[str, Any]) -> None:
        """Keep what was typed; secrets never come this way."""
        closed = {"headers", *secret_names(self.provider)}
        known = [*self.provider.fields.model_fields, "label"]
        for name, value in values.items():
            if name in known and name not in closed:
                self.touched |= str(value or "") != str(self.values.get(name) or "")
                old = self.values.get(name)
                self.values[name] = _price(value, old) if name == "price" else value

    def look(self) -> None:
        """Tell what is wrong with the fields that are filled in; nothing is sent."""
        self.problems, self.hint = {}, ""
        filled = {name for name, value in self.values.items() if value}
        try:
            self._stand_in()
        except FieldError as error:
            wrong = {name: said for name, said in error.problems.items() if name in filled}
            self.problems = {name: redact(said) for name, said in wrong.items()}
            self.hint = redact(error.hint) if wrong else ""
        self._tell_credentials()

    def use_preset(self, title: str) -> None:
        """Fill in the address of a server that is often connected; a second click takes it out."""
        presets = self.provider.presets
        preset = next((each for each in presets if each.title == title), None)
        if preset is None:
            return
        old = self.preset
        self.preset = None if preset is old else preset
        typed = str(self.values.get("endpoint") or "")
        if typed in {"", *(each.endpoint for each in presets)}:
            self.values["endpoint"] = self.preset.endpoint if self.preset else ""
        self.rev += 1

    def receive(self, name: str, secret: Secret, header: str = "") -> None:
        """Keep a secret that arrived, in place of the stored one until saved or cleared."""
        self.touched = True
        kept = self.headers if header else self.secrets
        place = header or name
        kept[place] = SecretField(kept.get(place, SecretField()).stored, secret if secret else None)
        self.problems.pop(name, None)
        self.doubts, self.hint = [], ""
        if not header:
            self.doubt()
        if name == "credentials":
            self.credentials = None
            # What is wrong with the file itself is told where it is read.
            self.doubts = [each for each in self.doubts if each.owner]

    def clear(self, name: str, header: str = "") -> None:
        """Drop the secret received; a header goes altogether."""
        if header:
            self.headers.pop(header, None)
        elif name in self.secrets:
            self.secrets[name] = SecretField(self.secrets[name].stored)
        self.problems.pop(name, None)
        self.doubts, self.hint = [], ""
        if name == "credentials":
            self.credentials = None

    async def read_credentials(self) -> None:
        """Look at what a credentials file is, in a thread: whose it is, or what is wrong."""
        kept = self.secrets.get("credentials")
        if kept is None or kept.secret is None or self.credentials is not None:
            return
        self.credentials = await asyncio.to_thread(read_credentials, kept.secret)
        self._tell_credentials()

    def _tell_credentials(self) -> None:
        if self.credentials is not None and self.credentials.problem:
            self.problems["credentials"] = self.credentials.problem

    def apply_fix(self) -> None:
        """Put the values the check proposes into the form."""
        if self.report is not None and self.report.fix:
            self.values.update(self.report.fix)
            self.rev += 1

    # -- checking ------------------------------------------------------------------------------

    def build(self) -> Connection | None:
        """The connection as the form stands, or None with a sentence at each field."""
        if self.read_only:
            return self.connection
        self.problems, self.hint = {}, ""
        secrets = {name: kept.secret for name, kept in self.secrets.items() if kept.secret}
        headers = {name: kept.secret for name, kept in self.headers.items() if kept.secret}
        values = {name: value for name, value in self.values.items() if name != "label"}
        label = self.connection.label if self.connection else self.values.get("label") or None
        try:
            built = Connection(
                self.provider.kind, label=label, **values, **secrets, headers=headers
            )
        except FieldError as error:
            self.problems = {name: redact(said) for name, said in error.problems.items()}
            self.hint = redact(error.hint)
            built = None
        self._tell_credentials()
        return None if self.problems else built

    def doubt(self) -> bool:
        """Whether a secret looks like another provider's; then nothing is sent before a yes.

        What is wrong with a key of this very provider is told, and nobody has to say yes.
        """
        kept = {} if self.read_only else self.secrets
        said = (
            secret_warning(self.provider, name, each.secret)
            for name, each in kept.items()
            if each.secret
        )
        own = self.provider.kind
        self.doubts = [each for each in said if each is not None and each.owner != own]
        return bool(self.doubts)

    async def check(
        self, connection: Connection, policy: Policy | None, tell: Callable[[str], None]
    ) -> CheckReport:
        """Check the connection as a run would call it; report and requests stay in the draft.

        `tell` hears what the check waits for.
        """
        from llmwidgets.engine.check import check_connection
        from llmwidgets.engine.network.egress import watch_calls as watched

        self.report, self.rows, self.said, self.added, self.refused = None, None, "", "", None
        with watched() as calls:
            report = await check_connection(connection, policy=policy, tell=tell)
        if report.ok:
            self.checked_at = datetime.now(UTC)
            connection = connection.with_checked_at(self.checked_at)
            if report.capability and connection.models and not self.provider.single:
                connection = connection.with_capability(connection.models[0], report.capability)
        else:
            kept = self.connection is not None and self.connection.origin in {"store", "policy"}
            self.refused = refused_view(connection, policy or Policy(), kept=kept)
        self.report, self.tested, self.calls = report, connection, calls
        return report

    async def look_up(self, policy: Policy | None) -> None:
        """Find prices and notes of the models; off the loop, for the price list takes a while."""
        await self.read_credentials()
        connection = self.tested or self.connection
        if connection is None or self.rows is not None or not self.provider.single:
            return
        rules = policy or Policy()
        reachable = self.report.models if self.report and self.report.ok else None
        today = datetime.now().astimezone().date()
        rows = await asyncio.to_thread(
            model_rows, connection, rules.allowed(connection), reachable, today
        )
        self.rows = rows + refused_rows(connection, rules)
        self.off_whitelist = off_whitelist(connection, rules)

    def settle(self, connection: Connection, said: str) -> None:
        """The connection is kept now: what was received is what is stored."""
        self.connection, self.said, self.named = connection, said, connection.label
        self.touched, self.apart = False, ""
        self.values = dict(connection.plain_fields)
        self.secrets = _closed(connection.secret_fields)
        self.headers = _closed(connection.fields.headers)
        self.rev += 1

    # -- what happens elsewhere ----------------------------------------------------------------

    def part(self, *, locked: bool) -> None:
        """Its connection is out of reach: what was typed stays, what was stored does not."""
        self.secrets, self.headers = _without_stored(self.secrets), _without_stored(self.headers)
        self.report, self.tested = None, None
        if locked:
            self.apart = "The store is locked: unlock it to go on with this connection."
        else:
            self.apart = f"{self.named} is no longer in the store: saving connects it anew."
            self.connection = None

    @property
    def out_of_reach(self) -> bool:
        """Whether its connection, and with it the stored secrets, is behind a lock."""
        return bool(self.apart) and self.connection is not None

    def follow(self, now: Connection) -> None:
        """Its connection was saved elsewhere: the new values come in beside what was typed."""
        was = self.connection.plain_fields if self.connection else {}
        typed = {
            name: value
            for name, value in self.values.items()
            if str(value or "") != str(was.get(name) or "")
        }
        self.connection, self.apart = now, ""
        self.values = {**now.plain_fields, **typed}
        self.secrets = _beside(now.secret_fields, self.secrets)
        self.headers = _beside(now.fields.headers, self.headers)
        self.rev += 1

    # -- as it stands --------------------------------------------------------------------------

    @property
    def fact(self) -> tuple[str, str]:
        """The status icon and the one fact that stands beside the name."""
        if self.report is not None and not self.report.ok:
            status, _, _ = self.report.code.partition(" ")
            return "fail", _WORDS.get(status, "failed" if status.isdigit() else "no answer")
        return ("none", "") if self.connection is None else connection_fact(self.connection)

    def preview(self) -> Connection | None:
        """The connection with stand-ins for what is not typed yet; None while nobody can say."""
        with contextlib.suppress(FieldError):
            return self._stand_in()
        return None

    def _stand_in(self) -> Connection:
        values = {name: value for name, value in self.values.items() if name != "label"}
        values |= {name: Secret(_STAND_IN) for name in secret_names(self.provider)}
        own = self.provider.model_field
        try:
            return Connection(self.provider.kind, **values)
        except FieldError:
            if own is None or values.get(own):
                raise
            return Connection(self.provider.kind, **{**values, own: "model"})


def connection_fact(connection: Connection) -> tuple[str, str]:
    """Icon and fact of a connection that exists: tick, triangle or ring."""
    if connection.origin == "demo":
        return "ok", "demo"
    if not connection.provider.single:
        seen = connection.capability(connection.models[0]) if connection.models else None
        if seen and seen.mode.value != "schema enforced":
            return "warn", seen.mode.value
        if seen is None and connection.checked_at is not None:
            return "warn", "reply form unknown"
    if connection.checked_at is None:
        return "none", "not tested"
    return "ok", f"{len(connection.models)} allowed" if connection.provider.single else ""


def _closed(secrets: Mapping[str, Secret]) -> dict[str, SecretField]:
    return {name: SecretField(secret) for name, secret in secrets.items()}


def _without_stored(secrets: Mapping[str, SecretField]) -> dict[str, SecretField]:
    kept = {name: SecretField(None, each.received) for name, each in secrets.items()}
    return {name: each for name, each in kept.items() if each.received}


def _beside(
    stored: Mapping[str, Secret], known: Mapping[str, SecretField]
) -> dict[str, SecretField]:
    names = [*stored, *(name for name in _without_stored(known) if name not in stored)]
    blank = SecretField()
    return {name: SecretField(stored.get(name), known.get(name, blank).received) for name in names}


def _price(value: Any, old: Any) -> Any:
    if not isinstance(value, Mapping):
        return None
    given = {name: said for name, said in value.items() if said not in ("", None)}
    if given and isinstance(old, Mapping) and "cached" in old:
        # The form has no place for it; what code set stays.
        given = {"cached": old["cached"], **given}
    try:
        return {name: float(said) for name, said in given.items()} or None
    except (TypeError, ValueError):
        return given
