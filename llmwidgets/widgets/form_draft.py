"""Draft: one form being filled in. What was typed, the secrets received, what the check said."""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from llmwidgets.connections.connection import Connection
from llmwidgets.errors import FieldError
from llmwidgets.providers import PROVIDERS
from llmwidgets.secret import Secret, redact
from llmwidgets.widgets.check_view import endings, model_rows, report_view, since
from llmwidgets.widgets.form_fields import groups, secret_names
from llmwidgets.widgets.secret_field import SecretField

if TYPE_CHECKING:
    from llmwidgets.connections.policy import Policy
    from llmwidgets.engine.check import CheckReport
    from llmwidgets.providers.base import Kind

_UNSET = "not-typed-yet-0000"
_WORDS = {"401": "key refused", "403": "no access", "404": "not found", "429": "limited"}


class Draft:
    """A form of one kind, empty or over a connection that exists.

    `rev` grows when the kernel changes what the inputs say; the page then takes the new values.
    `intent` is what follows a check that succeeds: `save`, `session` or `none`.
    """

    def __init__(self, kind: Kind, connection: Connection | None = None) -> None:
        self.provider = PROVIDERS[kind]
        self.connection = connection
        self.values: dict[str, Any] = dict(connection.plain_fields) if connection else {}
        self.secrets = _closed(connection.secret_fields if connection else {})
        self.headers = _closed(connection.fields.headers if connection else {})
        self.problems: dict[str, str] = {}
        self.hint = ""
        self.doubts: list[str] = []
        self.report: CheckReport | None = None
        self.tested: Connection | None = None
        self.checked_at = connection.checked_at if connection else None
        self.rows: list[dict[str, Any]] | None = None
        self.said = ""
        self.busy = ""
        self.intent = "save"
        self.rev = 0

    @property
    def key(self) -> str:
        """What the page calls this form; a message for another form is dropped."""
        return f"{self.provider.kind}/{self.connection.label if self.connection else ''}"

    # -- filling in ----------------------------------------------------------------------------

    def take(self, values: Mapping[str, Any]) -> None:
        """Keep what was typed; secrets never come this way."""
        closed = {"headers", *secret_names(self.provider)}
        known = [*self.provider.fields.model_fields, "label"]
        for name, value in values.items():
            if name in known and name not in closed:
                self.values[name] = _price(value) if name == "price" else value

    def receive(self, name: str, secret: Secret, header: str = "") -> None:
        """Keep a secret that arrived, in place of the stored one until saved or cleared."""
        kept = self.headers if header else self.secrets
        place = header or name
        kept[place] = SecretField(kept.get(place, SecretField()).stored, secret if secret else None)
        self.problems.pop(name, None)
        self.doubts = []

    def clear(self, name: str, header: str = "") -> None:
        """Drop the secret received; a header goes altogether."""
        if header:
            self.headers.pop(header, None)
        elif name in self.secrets:
            self.secrets[name] = SecretField(self.secrets[name].stored)
        self.doubts = []

    def apply_fix(self) -> None:
        """Put the values the check proposes into the form."""
        if self.report is not None and self.report.fix:
            self.values.update(self.report.fix)
            self.rev += 1

    # -- checking ------------------------------------------------------------------------------

    def build(self) -> Connection | None:
        """The connection as the form stands, or None with a sentence at each field."""
        self.problems, self.hint = {}, ""
        secrets = {name: kept.secret for name, kept in self.secrets.items() if kept.secret}
        headers = {name: kept.secret for name, kept in self.headers.items() if kept.secret}
        values = {name: value for name, value in self.values.items() if name != "label"}
        label = self.connection.label if self.connection else self.values.get("label") or None
        try:
            return Connection(self.provider.kind, label=label, **values, **secrets, headers=headers)
        except FieldError as error:
            self.problems = {name: redact(said) for name, said in error.problems.items()}
            self.hint = redact(error.hint)
            return None

    def doubt(self, connection: Connection) -> bool:
        """Whether a secret looks like another provider's; then nothing is sent before a yes."""
        plain = {
            self.provider.warn(name, value)
            for name, value in connection.plain_fields.items()
            if isinstance(value, str)
        }
        harmless = plain | set(_notes(connection))
        self.doubts = [redact(said) for said in connection.warnings if said not in harmless]
        return bool(self.doubts)

    async def check(self, connection: Connection, policy: Policy | None) -> CheckReport:
        """Check the connection as a run would call it; the report stays in the draft."""
        from llmwidgets.engine.check import check_connection

        self.report, self.rows, self.said = None, None, ""
        report = await check_connection(connection, policy=policy)
        if report.ok:
            self.checked_at = datetime.now(UTC)
            connection = connection.with_checked_at(self.checked_at)
            if report.capability and connection.models and not self.provider.single:
                connection = connection.with_capability(connection.models[0], report.capability)
        self.report, self.tested = report, connection
        return report

    async def look_up(self, policy: Policy | None) -> None:
        """Find prices and notes of the models; off the loop, for the price list takes a while."""
        connection = self.tested or self.connection
        if connection is None or self.rows is not None or not self.provider.single:
            return
        allowed = policy.allowed(connection) if policy else connection.models
        reachable = self.report.models if self.report and self.report.ok else None
        today = datetime.now().astimezone().date()
        self.rows = await asyncio.to_thread(model_rows, connection, allowed, reachable, today)

    def settle(self, connection: Connection, said: str) -> None:
        """The connection is kept now: what was received is what is stored."""
        self.connection, self.said = connection, said
        self.values = dict(connection.plain_fields)
        self.secrets = _closed(connection.secret_fields)
        self.headers = _closed(connection.fields.headers)
        self.rev += 1

    # -- to the page ---------------------------------------------------------------------------

    @property
    def fact(self) -> tuple[str, str]:
        """The status icon and the one fact that stands beside the name."""
        if self.report is not None and not self.report.ok:
            status, _, _ = self.report.code.partition(" ")
            return "fail", _WORDS.get(status, "failed" if status.isdigit() else "no answer")
        return ("none", "") if self.connection is None else fact_of(self.connection)

    def view(self, reference: str = "") -> dict[str, Any]:
        """The form as JSON; of a secret only its last characters."""
        provider, kept, preview = self.provider, self.connection, self._preview()
        now = datetime.now(UTC)
        return {
            "key": self.key,
            "rev": f"{self.key}:{self.rev}",
            "kind": provider.kind,
            "title": provider.title,
            "label": kept.label if kept else "",
            "about": "" if provider.single else _about(provider.model_field),
            "labelled": not provider.single and kept is None,
            "typed_label": self.values.get("label") or "",
            "origin": kept.origin if kept else "",
            "saved": since(kept.saved_at, now) if kept else "",
            "checked": since(self.checked_at, now),
            "reference": reference,
            "host": preview.host if preview else "",
            "read": read_from(preview, str(self.values.get("endpoint") or "")),
            "notes": _notes(preview),
            "groups": groups(provider, self.values, self.secrets, self.headers, self._problems()),
            "problem": self.problems.get("") or self.problems.get("label") or "",
            "hint": self.hint,
            "links": [{"text": link.text, "url": link.url} for link in provider.links],
            "steps": list(provider.steps),
            "doubts": self.doubts,
            "owners": self._owners(),
            "busy": self.busy,
            "intent": self.intent,
            "said": self.said,
            "report": self._report(),
            "rows": self.rows,
        }

    def _problems(self) -> dict[str, str]:
        """What is wrong with each field: by its own rule, or by what the check proposes."""
        report = self.report
        fix = (report.fix if report is not None and not report.ok else None) or {}
        return {name: f"The check proposes {new}." for name, new in fix.items()} | self.problems

    def _report(self) -> dict[str, Any] | None:
        if self.report is None or self.tested is None:
            return None
        view = report_view(self.report, self.tested, self.values)
        today = datetime.now().astimezone().date()
        view["endings"] = endings(self.tested, self.report.models, today)
        return view

    def _owners(self) -> list[dict[str, str]]:
        """Kinds whose key this seems to be, for one click that takes it there."""
        words = " ".join(self.doubts)
        return [
            {"kind": kind, "title": other.title}
            for kind, other in PROVIDERS.items()
            if other.single and other is not self.provider and f"of {other.title}" in words
        ]

    def _preview(self) -> Connection | None:
        """The connection with stand-ins for what is not typed yet; None while nobody can say."""
        values = {name: value for name, value in self.values.items() if name != "label"}
        values |= {name: Secret(_UNSET) for name in secret_names(self.provider)}
        own = self.provider.model_field
        for stand_in in ({}, {own: "model"} if own else {}):
            with contextlib.suppress(ValueError, FieldError):
                return Connection(self.provider.kind, **{**values, **stand_in})
        return None


def fact_of(connection: Connection) -> tuple[str, str]:
    """Icon and fact of a connection that exists: tick, triangle or ring."""
    if connection.origin == "demo":
        return "ok", "demo"
    if not connection.provider.single:
        seen = connection.capability(connection.models[0]) if connection.models else None
        if seen and seen.mode.value != "schema enforced":
            return "warn", seen.mode.value
    if connection.checked_at is None:
        return "none", "not tested"
    return "ok", f"{len(connection.models)} allowed" if connection.provider.single else ""


def read_from(connection: Connection | None, typed: str) -> list[list[str]]:
    """What a pasted address says beside its host: deployment, version, the form it is used in."""
    if connection is None or not typed:
        return []
    model = next(iter(connection.models), "*")
    version = connection.target(model).query.get("api-version")
    deployment = re.search(r"/deployments/([^/?]+)", typed)
    used = str(getattr(connection.fields, "endpoint", typed))
    said = [["deployment", deployment[1]]] if deployment else []
    said += [["API version", version]] if version else []
    said += [["used as", used]] if used.rstrip("/") != typed.strip().rstrip("/") else []
    return [["host", connection.host], *said] if said else []


def _notes(connection: Connection | None) -> list[str]:
    notes = getattr(connection.fields, "notes", None) if connection else None
    return [redact(said) for said in notes()] if notes else []


def _closed(secrets: Mapping[str, Secret]) -> dict[str, SecretField]:
    return {name: SecretField(secret) for name, secret in secrets.items()}


def _about(model_field: str | None) -> str:
    return f"one connection per {'deployment' if model_field == 'deployment' else 'model'}"


def _price(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return None
    given = {name: said for name, said in value.items() if said not in ("", None)}
    try:
        return {name: float(said) for name, said in given.items()} or None
    except (TypeError, ValueError):
        return given
