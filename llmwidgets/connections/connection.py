"""Connection: a named, filled-in set of one provider's fields."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from contextlib import AbstractContextManager
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal, NoReturn, Self

from llmwidgets.connections.catalog import facts_of, form_told, whitelist
from llmwidgets.connections.validation import (
    close_key,
    close_secrets,
    is_secret,
    read_fields,
    read_label,
)
from llmwidgets.dialects.types import (
    BEST,
    AuthHeader,
    Capability,
    Enforcement,
    ResponseFormat,
    Target,
)
from llmwidgets.errors import FieldError
from llmwidgets.known_keys import warn_if_typed
from llmwidgets.providers import PROVIDERS, find_provider, find_warning, shown_kind
from llmwidgets.providers.base import Fields, FieldWarning, Kind, ModelFacts, Provider
from llmwidgets.providers.overrides import Told
from llmwidgets.providers.urls import is_loopback, read_address
from llmwidgets.secret import Secret

if TYPE_CHECKING:
    from llmwidgets.connections.policy_file import Rules


Origin = Literal["given", "store", "session", "environment", "policy", "demo"]


class Connection:
    """A provider's fields, filled in and named: what a store keeps and a run calls.

    FieldError names each field that is not right, never its value. Secrets take `env:NAME` and
    `file:PATH` references. A connection never changes; the `with_…` methods give a new one.

    >>> Connection("openai", api_key="env:OPENAI_API_KEY").label
    'openai'
    """

    __slots__ = (
        "__weakref__", "_capabilities", "any_model", "checked_at", "fields", "keyed_at", "kind",
        "label", "origin", "provider", "saved_at", "told",
    )  # fmt: skip

    kind: Kind
    label: str
    provider: Provider
    fields: Fields
    origin: Origin
    any_model: bool
    """Whether each reference names its deployment, as with a resource of the environment."""
    checked_at: datetime | None
    saved_at: datetime | None
    keyed_at: datetime | None
    """When its present key was saved first; what else is saved later leaves it as it is."""
    _capabilities: dict[str, Capability]
    told: Mapping[str, Told]
    """What the organization's store tells of models, by their ids."""

    def __init__(self, kind: str, *, label: str | None = None, **fields: Any) -> None:
        kind = shown_kind(kind)
        provider = PROVIDERS.get(kind)
        typed, typed_headers = _texts(fields), _texts(fields.get("headers"))
        close_secrets(provider, fields)
        provider = find_provider(kind)
        for name in typed:
            if isinstance(fields[name], Secret):
                warn_if_typed(name, fields[name])
        for name in typed_headers:
            warn_if_typed(f"header {name}", fields["headers"][name])
        secrets = [each for each in fields.values() if isinstance(each, Secret)]
        closed = close_key(label, *secrets)
        del label  # it can be a key as well, and stand in a traceback
        filled = read_fields(provider, fields)
        self._set(
            kind=provider.kind,
            provider=provider,
            fields=filled,
            label=read_label(closed, provider, filled),
            origin="given",
            any_model=False,
            checked_at=None,
            saved_at=None,
            keyed_at=None,
            _capabilities={},
            told={},
        )
        _check_host(self)

    def _set(self, **values: Any) -> None:
        for name, value in values.items():
            object.__setattr__(self, name, value)

    def __setattr__(self, name: str, value: object) -> NoReturn:
        message = f"A connection does not change: {name} cannot be set. Make a new one."
        raise AttributeError(message)

    def __delattr__(self, name: str) -> NoReturn:
        message = f"A connection does not change: {name} cannot be deleted."
        raise AttributeError(message)

    @property
    def read_only(self) -> bool:
        """Whether the environment or a policy file holds it: no store keeps or renames it."""
        return self.origin in {"environment", "policy"}

    @property
    def models(self) -> tuple[str, ...]:
        """The shipped whitelist of a single kind; else the one model the connection names.

        Models that a policy file tells facts of are on the list. Empty where `any_model` is true.
        """
        return self.whitelist()

    def whitelist(self, layers: Iterable[Rules] | None = None) -> tuple[str, ...]:
        """`models` by these layers of the policy; None is the policy files of this machine."""
        if self.provider.model_field is None:
            return whitelist(self, layers)
        return () if self.any_model else (str(getattr(self.fields, self.provider.model_field)),)

    def facts(self, model: str, layers: Iterable[Rules] | None = None) -> ModelFacts | None:
        """What is known of a model; a deployment that bears an OpenAI model's name is that model.

        What a live list said in this process takes precedence over what policy files and the store
        tell, and that over the shipped table. None where nothing is known: then no thinking level
        and no temperature is certain.
        """
        return facts_of(self, model, layers)

    def target(self, model: str) -> Target:
        """Where the model answers, with the label and the extra headers in place."""
        target = self.provider.target(self.fields, model)
        facts = self.facts(model)
        extra = tuple(AuthHeader(name, secret) for name, secret in self.fields.headers.items())
        return replace(
            target,
            auth=target.auth + extra,
            options={**target.options, **(facts.options if facts else {})},
            ca_bundle=self.fields.ca_bundle,
            allow_plain_http=self.fields.allow_plain_http,
            label=self.label,
        )

    @property
    def dialect(self) -> ModuleType:
        """How its server is spoken to: the provider's dialect, or that of a pasted address."""
        return self.provider.speaks(self.fields) or self.provider.dialect

    @property
    def address(self) -> str:
        """Scheme, host and port that the key is bound to: `https://api.openai.com`."""
        target = self.provider.target(self.fields, next(iter(self.whitelist(())), ""))
        return read_address(target.url).origin

    @property
    def host(self) -> str:
        """The host, and the port where one is given: `api.openai.com`, `localhost:11434`."""
        return self.address.partition("://")[2]

    @property
    def secret_fields(self) -> dict[str, Secret]:
        """The secret fields that are filled in, by name, closed."""
        return {
            name: getattr(self.fields, name)
            for name in self.provider.fields.model_fields
            if is_secret(self.provider, name) and getattr(self.fields, name)
        }

    @property
    def plain_fields(self) -> dict[str, Any]:
        """The filled-in fields that are no secrets; headers are secrets and stand apart."""
        return {
            name: value
            for name, value in self.fields
            if name != "headers"
            and not is_secret(self.provider, name)
            and value not in (None, False)
        }

    @property
    def tail(self) -> str:
        """The last four characters of the main secret, to tell two keys apart."""
        return next((secret.tail for secret in self.secret_fields.values()), "")

    @property
    def warnings(self) -> list[str]:
        """Sentences about values that look wrong but may be right; none holds a key."""
        return [each.sentence for each in self.field_warnings] + self.fields.notes()

    @property
    def field_warnings(self) -> list[FieldWarning]:
        """What looks wrong in which field, and whose key a secret seems to be."""
        said = [
            secret_warning(self.provider, name, secret)
            for name, secret in self.secret_fields.items()
        ]
        said += [
            find_warning(self.provider, name, value)
            for name, value in self.plain_fields.items()
            if isinstance(value, str)
        ]
        bundle = self.fields.ca_bundle
        if bundle and not Path(bundle).expanduser().is_file():
            sentence = f"There is no file {bundle}: check the path of the CA bundle."
            said.append(FieldWarning("ca_bundle", sentence))
        return [each for each in said if each is not None]

    def capability(self, model: str) -> Capability | None:
        """What the model was seen, or is known, to enforce; None where only a probe can tell."""
        seen = self._capabilities.get(model)
        if seen is not None:
            return seen
        told = form_told(self, model)
        if told is not None:
            return Capability(told, BEST[told])
        facts = self.provider.facts(model)
        if facts is None and self.provider.probes:
            return None
        return Capability(facts.form if facts else ResponseFormat.JSON_SCHEMA, Enforcement.SCHEMA)

    def with_capability(self, model: str, capability: Capability) -> Self:
        """The same connection, knowing what a probe of the model saw."""
        return self._changed(_capabilities={**self._capabilities, model: capability})

    def with_told(self, told: Mapping[str, Told]) -> Self:
        """The same connection, knowing what its organization tells of models."""
        return self._changed(told=dict(told)) if told or self.told else self

    def with_label(self, label: str) -> Self:
        """The same connection under another label; the model it sends stays as it is."""
        closed = close_key(label, *self.secret_fields.values())
        del label  # it can be a key, and stand in a traceback
        return self._changed(label=read_label(closed, self.provider, self.fields))

    def with_any_model(self) -> Self:
        """The same connection, for whatever deployment a reference names."""
        return self._changed(any_model=True)

    def with_origin(self, origin: Origin) -> Self:
        """The same connection, told where it comes from."""
        return self._changed(origin=origin)

    def with_checked_at(self, moment: datetime | None) -> Self:
        """The same connection, with the time of its last check that succeeded."""
        return self._changed(checked_at=moment)

    def with_saved_at(self, moment: datetime | None) -> Self:
        """The same connection, with the time it was saved."""
        return self._changed(saved_at=moment)

    def with_keyed_at(self, moment: datetime | None) -> Self:
        """The same connection, with the time its key was saved first."""
        return self._changed(keyed_at=moment)

    def _changed(self, **changes: Any) -> Self:
        twin = object.__new__(type(self))
        values = {name: getattr(self, name) for name in self.__slots__ if name != "__weakref__"}
        twin._set(**{**values, **changes})
        return twin

    def client(self) -> Any:
        """The vendor's own client with this key: an exit, behind which no promise holds.

        No policy is asked, and the client can show the key. LLMWidgetsError with the pip command
        where its package is not installed.

        >>> Connection("openai", api_key="env:OPENAI_API_KEY").client()   # doctest: +SKIP
        <openai.OpenAI object …>
        """
        from llmwidgets.connections import sdk_export as outlets

        return outlets.make_client(self)

    def environment(self) -> AbstractContextManager[None]:
        """`with connection.environment():` puts the key into this process's variables: an exit.

        Everything in the process, and each child started meanwhile, can read it. One at a time;
        what was set before comes back at the end. LLMWidgetsError for a second one.
        """
        from llmwidgets.connections import sdk_export as outlets

        return outlets.make_environment(self)

    def to_payload(self) -> dict[str, Any]:
        """What a store seals: plain values as JSON, secrets closed, references as their text."""
        headers = {name: stored_secret(secret) for name, secret in self.fields.headers.items()}
        secrets = {name: stored_secret(secret) for name, secret in self.secret_fields.items()}
        older = self.keyed_at != self.saved_at
        plainly = {name: to_json_value(value) for name, value in self.plain_fields.items()}
        fields = {**plainly, **secrets, **({"headers": headers} if headers else {})}
        return {
            "kind": self.kind,
            "label": self.label,
            "fields": copy.deepcopy(fields),
            "capabilities": {
                model: capability_to_json(seen) for model, seen in self._capabilities.items()
            },
            "checked_at": self.checked_at.isoformat() if self.checked_at else None,
            "saved_at": self.saved_at.isoformat() if self.saved_at else None,
            **({"keyed_at": self.keyed_at.isoformat()} if older and self.keyed_at else {}),
        }

    @classmethod
    def from_payload(cls, payload: Mapping[str, Any], *, origin: Origin = "given") -> Self:
        """The connection a store kept; FieldError where a field no longer fits."""
        connection = cls(payload["kind"], label=payload["label"], **payload["fields"])
        seen = payload.get("capabilities") or {}
        return connection._changed(
            origin=origin,
            _capabilities={model: capability_from_json(said) for model, said in seen.items()},
            checked_at=parse_moment(payload.get("checked_at")),
            saved_at=parse_moment(payload.get("saved_at")),
            keyed_at=parse_moment(payload.get("keyed_at") or payload.get("saved_at")),
        )

    def __repr__(self) -> str:
        # A verbose traceback of a refusal shows the connection that never came to be.
        if not hasattr(self, "fields"):
            return "Connection(unfinished)"
        ends = f", key ends in {self.tail}" if self.tail else ""
        return f"Connection({self.kind!r}, label={self.label!r}, host={self.host!r}{ends})"

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        return self

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        message = "A connection cannot be pickled: save it in a store and refer to it by its label."
        raise TypeError(message)


def _texts(given: object) -> list[str]:
    """The names of what was given as a bare text; the values stay where they are."""
    if not isinstance(given, dict):
        return []
    return [name for name, value in given.items() if isinstance(value, str)]


def _check_host(connection: Connection) -> None:
    address = connection.address
    scheme, _, host = address.partition("://")
    plain = scheme == "http" and not is_loopback(host)
    if not plain or connection.fields.allow_plain_http:
        return
    overridden = (
        connection.fields.base_url or "endpoint" not in connection.provider.fields.model_fields
    )
    raise FieldError(
        {
            "base_url" if overridden else "endpoint": f"{address} is plain http: the key and the "
            "texts would cross the network unencrypted."
        },
        "Use https, or tick Allow plain http (allow_plain_http=True) for a network you trust.",
    )


def secret_warning(provider: Provider, name: str, secret: Secret) -> FieldWarning | None:
    """What looks wrong with a secret in this field of the form, or why it cannot be looked up."""
    try:
        return find_warning(provider, name, secret.reveal())
    except FieldError as error:
        return FieldWarning(name, str(error))


# -- How a connection's parts are spelled in what a store seals, and read back.


def stored_secret(secret: Secret) -> Secret | str:
    """The secret itself, closed; of a reference its text."""
    return secret.reference or secret


def to_json_value(value: Any) -> Any:
    """The value of a plain field as JSON: a day as 2026-12-11."""
    return value.isoformat() if isinstance(value, date) else value


def capability_to_json(seen: Capability) -> dict[str, Any]:
    """What a probe saw, as JSON."""
    return {
        "form": seen.form.value,
        "mode": seen.mode.value,
        "tried": [[form.value, said, obeyed] for form, said, obeyed in seen.tried],
    }


def capability_from_json(said: Mapping[str, Any]) -> Capability:
    """What a probe saw, from JSON."""
    tried = tuple(
        (ResponseFormat(form), str(did), bool(obeyed)) for form, did, obeyed in said["tried"]
    )
    return Capability(ResponseFormat(said["form"]), Enforcement(said["mode"]), tried)


def parse_moment(said: str | None) -> datetime | None:
    """A time of the store, or None."""
    return datetime.fromisoformat(said) if said else None
