"""FormDraft: one form being filled in. What was typed, the secrets received, what a check found."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from llmwidgets.connections.catalog import local_today
from llmwidgets.connections.connection import Connection, secret_warning
from llmwidgets.connections.foreign_keys import base_url_of_vendor, foreign_key_error
from llmwidgets.connections.policy import Policy
from llmwidgets.dialects.types import Call, Enforcement
from llmwidgets.errors import FieldError
from llmwidgets.formatting import parse_number
from llmwidgets.providers import find_provider
from llmwidgets.providers.presets import hands_on
from llmwidgets.secret import Secret, redact
from llmwidgets.widgets.connection.check_view import (
    ModelRow,
    RefusedState,
    model_rows,
    off_whitelist,
    proposed_changes,
    refused_rows,
    refused_view,
)
from llmwidgets.widgets.connection.preset_view import PresetChoice
from llmwidgets.widgets.panel import Content
from llmwidgets.widgets.secret_field import SecretField

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

    from llmwidgets.engine.check import CheckReport
    from llmwidgets.providers.base import FieldWarning, Kind


STAND_IN = "not-typed-yet-0000"
"""In place of a secret while a form is being filled in; no warning about it counts."""
_FAILURE_FACTS = {
    "Unauthorized": "key refused",
    "Forbidden": "no access",
    "UnknownModel": "not found",
    "RateLimited": "limited",
    "QuotaExhausted": "limited",
    "Unreachable": "no answer",
}
"""The one fact about a connection whose check ended in this class of failure; else `failed`."""


Icon = Literal["ok", "none", "warn", "fail"]
Intent = Literal["save", "session", "none"]
"""What follows a check that succeeds."""


class FormDraft:
    """A form of one kind, empty or over a connection that exists.

    `rev` grows when the kernel changes what the inputs contain; the page then takes the new values.
    `added` reports models connected from here. `touched` means that something was typed since it
    was last kept; `apart` is why its connection is out of reach meanwhile.
    """

    def __init__(self, kind: Kind, connection: Connection | None = None) -> None:
        self.provider = find_provider(kind)
        self.connection: Connection | None = None
        self.named = ""
        self.values: dict[str, Any] = {}
        self.secrets: dict[str, SecretField] = {}
        self.headers: dict[str, SecretField] = {}
        if connection is not None:
            self._load(connection)
        self.credentials: Credentials | None = None
        self.presets = PresetChoice(self.provider)
        self.problems: dict[str, str] = {}
        self.hint = ""
        self.doubts: list[FieldWarning] = []
        self.report: CheckReport | None = None
        self.tested: Connection | None = None
        self.calls: Sequence[Call] = ()
        self.refused: RefusedState | None = None
        self.checked_at = connection.checked_at if connection else None
        self.rows: list[ModelRow] | None = None
        self._looking: object = None
        self.off_whitelist: list[str] = []
        self.said = self.added = self.busy = ""
        self.intent: Intent = "save"
        self.rev = 0
        self.touched = False
        self.apart = ""

    def _load(self, connection: Connection) -> None:
        self.connection, self.named = connection, connection.label
        self.values = dict(connection.plain_fields)
        self.secrets = _beside(connection.secret_fields, {})
        self.headers = _beside(connection.fields.headers, {})

    @property
    def way(self) -> str:
        """The way to sign in that is chosen."""
        return str(self.values.get("sign_in") or "key")

    @property
    def asked(self) -> dict[str, FieldInfo]:
        """The fields of the form that signs in as chosen; only a key ends on a day."""
        fields = self.provider.form(self.way).model_fields
        keyed = any(name in fields for name in self.provider.secret_fields)
        return {name: info for name, info in fields.items() if keyed or name != "expires"}

    @property
    def asked_secrets(self) -> dict[str, SecretField]:
        """The secrets of that form; one of another way is kept, and not used."""
        return {name: kept for name, kept in self.secrets.items() if name in self.asked}

    @property
    def key(self) -> str:
        """What the page calls this form; a message for another form is dropped."""
        return f"{self.provider.kind}/{self.named}"

    @property
    def read_only(self) -> bool:
        """Whether an administrator provides the connection: it can be tested, and not changed."""
        return self.connection is not None and self.connection.read_only

    @property
    def passed(self) -> bool:
        """Whether the newest check of the form succeeded."""
        return self.report is not None and self.report.ok

    @property
    def replaces_working(self) -> bool:
        """Whether keeping the form would replace a connection that passed a check."""
        return self.connection is not None and self.connection.checked_at is not None

    def take(self, values: Mapping[str, Any]) -> None:
        """Keep what was typed; secrets never come this way."""
        if "sign_in" in values:
            self.choose_way(values["sign_in"])
        closed = {"headers", "sign_in", *self.provider.secret_fields}
        known = [*self.provider.all_fields, "label"]
        for name, value in values.items():
            if name in known and name not in closed:
                self.touched |= str(value or "") != str(self.values.get(name) or "")
                old = self.values.get(name)
                self.values[name] = _price(value, old) if name == "price" else value

    def choose_way(self, way: object) -> None:
        """Sign in in another way: what was typed stays, what a check found was of the old one."""
        if way not in [*self.provider.ways] or way == self.way:
            return
        self.values["sign_in"] = way
        self.touched = True
        self.report, self.tested, self.refused, self.calls = None, None, None, ()
        self.problems, self.hint, self.doubts, self.said = {}, "", [], ""

    def look(self) -> None:
        """See what is wrong with the fields that are filled in; nothing is sent."""
        self.problems, self.hint = {}, ""
        filled = {name for name, value in self.values.items() if value}
        if self.presets.is_open(self.values):
            # What the address leaves open is asked for below it.
            filled.discard("endpoint")
        try:
            stand_in(self, self.values)
        except FieldError as error:
            found = {name: error.problems[name] for name in error.problems if name in filled}
            self.problems = _redacted(found)
            self.hint = redact(error.hint) if self.problems else ""
        self._blame_credentials()

    def receive(self, name: str, secret: Secret, header: str = "") -> None:
        """Keep a secret that arrived, in place of the stored one until saved or cleared."""
        self.touched = True
        secret = secret if header else self.provider.read_key(name, secret)
        fields = self.headers if header else self.secrets
        key = header or name
        fields[key] = SecretField(fields.get(key, SecretField()).stored, secret or None)
        self._forget_problems(name)
        if not header:
            self.doubt()
        if name == "credentials":
            # What is wrong with the file itself is shown where it is read.
            self.doubts = [each for each in self.doubts if each.owner]

    def clear(self, name: str, header: str = "") -> None:
        """Drop the secret received; a header goes altogether."""
        if header:
            self.headers.pop(header, None)
        elif name in self.secrets:
            self.secrets[name] = SecretField(self.secrets[name].stored)
        self._forget_problems(name)

    def _forget_problems(self, name: str) -> None:
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
        self._blame_credentials()

    def _blame_credentials(self) -> None:
        read = self.credentials if "credentials" in self.asked else None
        if read is not None and read.problem:
            self.problems["credentials"] = read.problem

    def apply_fix(self) -> None:
        """Put the values the check proposes into the form."""
        changes = proposed_changes(self.report) if self.report is not None else {}
        if changes:
            self.values.update(changes)
            self.rev += 1

    def build(self) -> Connection | None:
        """The connection of the form as it is, or None with a sentence at each field."""
        if self.read_only:
            return self.connection
        self.problems, self.hint = {}, ""
        secrets = {name: kept.secret for name, kept in self.asked_secrets.items() if kept.secret}
        headers = {name: kept.secret for name, kept in self.headers.items() if kept.secret}
        values = {name: value for name, value in self.values.items() if name in self.asked}
        label = self.connection.label if self.connection else self.values.get("label") or None
        try:
            built = Connection(
                self.provider.kind, label=label, **values, **secrets, headers=headers
            )
        except FieldError as error:
            self.problems = _redacted(error.problems)
            self.hint = redact(error.hint)
            built = None
        if self.presets.needs_key(self.values) and not secrets and not headers:
            self.problems.setdefault("api_key", "API key is needed.")
        self._blame_credentials()
        return None if self.problems else built

    def doubt(self) -> bool:
        """Whether a secret looks like another provider's; then nothing is sent before a yes.

        What is wrong with a key of this very provider is shown, and nobody has to say yes.
        """
        values = self.values
        endpoint = "" if values.get("base_url") else str(values.get("endpoint") or "")
        warnings = (
            secret_warning(self.provider, name, each.secret, endpoint)
            for name, each in ({} if self.read_only else self.asked_secrets).items()
            if each.secret
        )
        own = self.provider.kind
        self.doubts = [each for each in warnings if each is not None and each.owner != own]
        return bool(self.doubts)

    def insist(self) -> None:
        """Let the key go to its vendor's own address, though it looks like another vendor's.

        The base URL names that address from now on, so that runs send it there as well.
        """
        connection = None if self.read_only else self.build()
        if connection is not None and foreign_key_error(connection) is not None:
            self.values["base_url"] = base_url_of_vendor(connection)
            self.rev += 1

    async def check(
        self, connection: Connection, policy: Policy | None, tell: Callable[[str], None]
    ) -> CheckReport:
        """Check the connection as a run would call it; report and requests stay in the draft.

        `tell` hears what the check waits for.
        """
        from llmwidgets.engine.check import check_connection, mark_checked
        from llmwidgets.engine.network.egress import watch_calls

        self.report, self.rows, self.said, self.added, self.refused = None, None, "", "", None
        with watch_calls() as calls:
            report = await check_connection(connection, policy=policy, tell=tell)
        if report.ok:
            connection = mark_checked(connection, report)
            self.checked_at = connection.checked_at
        else:
            kept = self.connection is not None and self.connection.origin in {"store", "policy"}
            self.refused = refused_view(connection, policy or Policy(), kept=kept)
        self.report, self.tested, self.calls = report, connection, calls
        self.forget_rows()
        return report

    def forget_rows(self) -> None:
        """What is known of the models is to be looked up anew; a look-up under way is too old."""
        self.rows = self._looking = None

    async def look_up(self, policy: Policy | None) -> None:
        """Find prices and notes of the models; off the loop, for the price list takes a while."""
        await self.read_credentials()
        connection = self.tested or self.connection
        if connection is None or self.rows is not None or not self.provider.single:
            return
        rules = policy or Policy()
        reachable = self.report.models if self.report and self.passed else None
        allowed, today = rules.allowed(connection), local_today()
        mine = self._looking = object()
        rows = await asyncio.to_thread(model_rows, connection, allowed, reachable, today)
        if self._looking is not mine:
            return
        self.rows = rows + refused_rows(connection, rules)
        self.off_whitelist = off_whitelist(connection, rules)

    def settle(self, connection: Connection, said: str) -> None:
        """The connection is kept now: what was received is what is stored."""
        self._load(connection)
        if "credentials" not in self.asked:
            self.credentials = None
        self.said, self.touched, self.apart = said, False, ""
        self.rev += 1

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
        """Its connection was saved elsewhere: the new values come in, what was typed stays."""
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

    @property
    def fact(self) -> tuple[Icon, str]:
        """The status icon and the one fact next to the name."""
        if self.report is not None and not self.report.ok:
            return "fail", _FAILURE_FACTS.get(self.report.status, "failed")
        return ("none", "") if self.connection is None else connection_fact(self.connection)

    def preview(self) -> Connection | None:
        """The connection with stand-ins for what is not typed yet; None while nobody can say."""
        with contextlib.suppress(FieldError):
            return stand_in(self, self.values)
        return None


def may_list_upstreams(draft: FormDraft) -> bool:
    """Whether the form names a model whose server hands its calls on to others."""
    values = draft.values
    return bool(values.get("name")) and hands_on(str(values.get("endpoint") or ""))


def stand_in(draft: FormDraft, given: Mapping[str, Any]) -> Connection:
    """The connection of these values, with stand-ins for secrets and a model; or FieldError."""
    asked, provider = draft.asked, draft.provider
    values = {name: value for name, value in given.items() if name in asked}
    values |= {name: Secret(STAND_IN) for name in provider.secret_fields if name in asked}
    own = provider.model_field
    try:
        return Connection(provider.kind, **values)
    except FieldError:
        if own is None or values.get(own):
            raise
        return Connection(provider.kind, **{**values, own: "model"})


def _redacted(problems: Mapping[str, str]) -> dict[str, str]:
    return {name: redact(problem) for name, problem in problems.items()}


def connection_fact(connection: Connection) -> tuple[Icon, str]:
    """Icon and fact of a connection that exists: tick, triangle or ring."""
    if connection.origin == "demo":
        return "ok", "demo"
    if not connection.provider.single:
        seen = connection.capability(connection.models[0]) if connection.models else None
        if seen and seen.mode is not Enforcement.SCHEMA:
            return "warn", seen.mode.value
        if seen is None and connection.checked_at is not None:
            return "warn", "reply form unknown"
    if connection.checked_at is None:
        return "none", "not tested"
    return "ok", f"{len(connection.models)} allowed" if connection.provider.single else ""


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
    price = {name: amount for name, amount in value.items() if amount not in ("", None)}
    if price and isinstance(old, Mapping) and "cached" in old:
        # The form has no field for it; what code set stays.
        price = {"cached": old["cached"], **price}
    try:
        return {name: parse_number(str(amount).strip()) for name, amount in price.items()} or None
    except (TypeError, ValueError):
        return price


class OpenForms:
    """The forms that a panel has begun, by their keys; `selected` is the one that is shown."""

    def __init__(self) -> None:
        self.drafts: dict[str, FormDraft] = {}
        self.selected: str | None = None

    @property
    def current(self) -> FormDraft | None:
        return self.drafts.get(self.selected or "")

    def open(self, kind: Kind, connection: Connection | None, *, anew: bool = False) -> FormDraft:
        """Show the form of a connection, or a fresh one of its kind.

        One that was begun goes on, unless it is to begin `anew`.
        """
        draft = FormDraft(kind, connection)
        begun = self.drafts.get(draft.key)
        if begun is not None and not anew:
            draft = begun
        elif begun is not None:
            draft.rev = begun.rev + 1
        self.drafts[draft.key] = draft
        self.selected = draft.key
        return draft

    def settle(self, draft: FormDraft, connection: Connection, said: str) -> None:
        """The form is that of this connection now, whatever it was before."""
        old = draft.key
        draft.settle(connection, said)
        if self.drafts.get(old) is draft:
            del self.drafts[old]
        self.drafts[draft.key] = draft
        if self.selected == old:
            self.selected = draft.key

    def clear(self) -> None:
        self.drafts, self.selected = {}, None

    def find_addressed(self, content: Content, *, change: bool = True) -> FormDraft | None:
        """The open form, if the message is for it, it is not busy and takes the change."""
        draft = self.current
        if draft is None or draft.busy or content.get("form") != draft.key:
            return None
        return None if change and draft.read_only else draft

    def follow(self, connections: Sequence[Connection], *, locked: bool) -> None:
        """Bring the forms in line with connections that changed outside the panel."""
        present = {f"{each.kind}/{each.label}": each for each in connections}
        for key, draft in list(self.drafts.items()):
            now, kept = present.get(key), draft.connection
            in_hand = draft.touched and key == self.selected
            changed = kept and now and (now.saved_at, now.origin) != (kept.saved_at, kept.origin)
            if now is not None and not draft.busy and (draft.apart or changed):
                if draft.touched:
                    draft.follow(now)
                else:
                    self.drafts[key] = fresh = FormDraft(now.kind, now)
                    fresh.rev = draft.rev + 1
            elif now is None and draft.named and not in_hand:
                del self.drafts[key]
            elif now is None and kept is not None:
                draft.part(locked=locked)
        if self.selected and self.selected not in self.drafts:
            self.selected = None
        if self.selected is None and connections:
            self.open(connections[0].kind, connections[0])


@dataclass(frozen=True, slots=True)
class Credentials:
    """What a user may see of a Google credentials file: names that are not secrets, or the problem.

    `facts` are rows: the account and the project.
    """

    facts: list[list[str]] = field(default_factory=list)
    problem: str = ""


def read_credentials(secret: Secret) -> Credentials:
    """Read the file as a token would be asked for with it; nothing is sent."""
    from llmwidgets.engine.network.sign_in.google_credentials import Problem, account_of

    account = account_of(secret)
    if isinstance(account, Problem):
        return Credentials(problem=redact(f"{account.sentence} {account.hint}".strip()))
    email = str(getattr(account.google, "service_account_email", "") or "")
    facts = [["service account", email], ["project", secret.public_part("project_id")]]
    return Credentials([fact for fact in facts if fact[1]])
