"""Rules: what one layer of the policy allows and denies, and whose word it is."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from urllib.parse import urlsplit

from llmwidgets.connections.connection import Connection
from llmwidgets.providers.overrides import NOTHING, Told


@dataclass(frozen=True, slots=True)
class Patterns:
    """Shell patterns for names, whatever their case: `allow` None is every name."""

    allow: tuple[str, ...] | None = None
    deny: tuple[str, ...] = ()

    def permit(self, names: Iterable[str]) -> bool:
        """Whether a thing of these names fits what is allowed and nothing that is denied.

        >>> Patterns(("gpt-6*",), ("*-astra",)).permit(["gpt-6-astra"])
        False
        """
        known = [name.lower() for name in names]
        return (self.allow is None or _fit(known, self.allow)) and not _fit(known, self.deny)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """One layer. `whose` names its keeper in a sentence: "the file /etc/…/policy.toml".

    `models` and `additions` are by kind or label, as a pattern; `facts` are what the layer tells
    of models, by (kind, model). `max_budget` is in US dollars for one run. `damage` has message
    and hint where the layer could not be read: nothing may be called then.
    """

    whose: str
    kinds: Patterns = Patterns()
    hosts: Patterns = Patterns()
    models: tuple[tuple[str, Patterns], ...] = ()
    additions: tuple[tuple[str, str], ...] = ()
    facts: Mapping[tuple[str, str], Told] = field(default_factory=dict)
    max_budget: float | None = None
    environment: bool = True
    allow_additions: bool = True
    connections: tuple[Connection, ...] = field(default=(), repr=False)
    damage: tuple[str, str] | None = None

    def denied(self, connection: Connection, model: str | None) -> str:
        """What this layer has against a model of a connection, as the start of a sentence.

        Empty where it has nothing. None for the model asks about kind and host alone.
        """
        if not self.kinds.permit([connection.kind]):
            return f"{connection.provider.title} connections are"
        if self.hosts != Patterns() and not self.hosts.permit(host_names(connection)):
            return f"The host {connection.host} is"
        # A rule for a model holds for its dated snapshots as well.
        names = [] if model is None else [model, connection.provider.alias(model)]
        if names and any(
            _concerns(name, connection) and not patterns.permit(names)
            for name, patterns in self.models
        ):
            return f"{model} on {connection.label} is"
        return ""

    def added(self, connection: Connection) -> list[str]:
        """The models this layer adds to the shipped whitelist of a connection."""
        return [model for name, model in self.additions if _concerns(name, connection)]

    def told(self, kind: str, model: str) -> Told:
        """The facts that this layer tells of a model."""
        return self.facts.get((kind, model), NOTHING)

    def told_of(self, kind: str) -> list[str]:
        """The models of a kind of which this layer tells facts."""
        return [model for told_kind, model in self.facts if told_kind == kind]


def host_names(connection: Connection) -> tuple[str, str]:
    """The host of a connection with its port and without, a dot at its end cut."""
    bare = urlsplit(connection.address).hostname or ""
    return connection.host, bare.rstrip(".")


def _concerns(name: str, connection: Connection) -> bool:
    return _fit([connection.kind, connection.label.lower()], (name,))


def _fit(names: Iterable[str], patterns: Iterable[str]) -> bool:
    return any(fnmatchcase(name, each.lower()) for each in patterns for name in names)
