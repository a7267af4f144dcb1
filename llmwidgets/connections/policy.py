"""Policy: which models may be called, and by whose rule one is refused."""

from __future__ import annotations

import difflib
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date

from llmwidgets.connections.catalog import facts_of, find_end, known_as_of, models_of
from llmwidgets.connections.connection import Connection, named_by
from llmwidgets.connections.policy_file import Rules, machine_rules
from llmwidgets.errors import PolicyError
from llmwidgets.secret import refuse_key

_SHIPPED = "the shipped whitelist of llmwidgets"
_MOST_KEPT = 1_000
_TODAY = "what this version of llmwidgets can call"


@dataclass(frozen=True)
class Policy:
    """Allowed = (the shipped whitelist ∪ additions) − denials, layer by layer.

    `additions` and `denials` are the organization's own pairs (label, model). `layers` are the
    rules of the policy files of this machine, which take precedence: what one layer denies no
    later one allows. Kinds that name one model are allowed by being connected.

    >>> Policy(denials=[("openai", "gpt-4o")]).allowed(Connection("openai", api_key="env:KEY"))[0]
    'gpt-6-luna'
    """

    additions: Collection[tuple[str, str]] = ()
    denials: Collection[tuple[str, str]] = ()
    organization: str = field(default="", kw_only=True)
    layers: tuple[Rules, ...] = field(default_factory=machine_rules, kw_only=True)
    _permitted: dict[tuple[Connection, str | None], tuple[date, int]] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def __post_init__(self) -> None:
        # A pair given as a list, or read once and gone, denies as well as any other.
        for name in ("additions", "denials"):
            object.__setattr__(self, name, tuple(map(tuple, getattr(self, name))))

    @property
    def whose(self) -> str:
        """Whose the additions and denials are, in a sentence."""
        return f"the organization {self.organization}" if self.organization else "this store"

    @property
    def closed_by(self) -> str:
        """Whose rule forbids that the organization adds models; empty if it may."""
        return next((rules.whose for rules in self.layers if not rules.allow_additions), "")

    @property
    def notice(self) -> str:
        """Why nothing may be called, if a policy file cannot be followed; else empty."""
        return next((" ".join(rules.damage) for rules in self.layers if rules.damage), "")

    def budget(self, asked: float | None) -> tuple[float | None, str]:
        """The US dollars that a run may spend, and whose rule that is; empty for the user's own."""
        bounds = [(r.max_budget, r.whose) for r in self.layers if r.max_budget is not None]
        smallest = min(bounds, default=(None, ""), key=lambda bound: bound[0])
        if smallest[0] is None or (asked is not None and asked <= smallest[0]):
            return asked, ""
        return smallest

    def allowed(self, connection: Connection) -> tuple[str, ...]:
        """The models of this connection that may be called, the whitelist's order first."""
        added = self._added(connection)
        models = dict.fromkeys([*models_of(connection, self.layers), *added])
        return tuple(
            model
            for model in models
            if self._denial(connection, model) is None
            and (model in added or self._lives(connection, model))
        )

    def permit(self, connection: Connection, model: str | None) -> None:
        """Raise PolicyError if the model may not be called; it says whose rule that is.

        None for the model asks about the connection alone, for calls that name no model.
        """
        # Every call asks. Rules and connections never change; the day does, and what servers list.
        asked, now = (connection, model), known_as_of()
        if self._permitted.get(asked) != now:
            self._refuse(connection, model)
            if len(self._permitted) >= _MOST_KEPT:
                self._permitted.clear()
            self._permitted[asked] = now

    def _refuse(self, connection: Connection, model: str | None) -> None:
        refuse_key("model", model or "")
        denial = self._denial(connection, model)
        if denial is not None:
            raise denial
        if model is None:
            return
        if connection.provider.model_field is not None:
            if model not in connection.models and not (connection.any_model and model):
                one = f"a {named_by(connection.provider)} that the reference names"
                named = ", ".join(connection.models) or one
                raise PolicyError(
                    f"{connection.label} serves {named} and no other model, so not "
                    f"{model or 'an empty name'}.",
                    f"Write the reference {connection.label}, or add a connection for {model}.",
                    rule=f"one model for each {connection.provider.title} connection",
                )
            return
        # A dated snapshot is allowed where its alias is.
        names = {model, connection.provider.alias(model)}
        if names.isdisjoint(self._added(connection)) and (
            names.isdisjoint(models_of(connection, self.layers))
            or not self._lives(connection, model)
        ):
            raise self._not_listed(connection, model)

    def permit_host(self, host: str) -> None:
        """Raise PolicyError if nothing may be sent to this host, where tokens come from, say."""
        for rules in self.layers:
            if rules.damage is not None:
                raise PolicyError(*rules.damage, rule=rules.whose)
            if not rules.hosts.permit([host]):
                raise PolicyError(
                    f"The host {host} is not allowed by {rules.whose}.",
                    "Ask whoever keeps that file to add the host.",
                    rule=rules.whose,
                )

    def _lives(self, connection: Connection, model: str) -> bool:
        """Whether a model is not past its end; one that a connection names is its keeper's."""
        if connection.provider.model_field is not None:
            return True
        facts = facts_of(connection, model, self.layers)
        if facts is None:
            return connection.provider.successor(model) is None
        return facts.status != "retired"

    def _added(self, connection: Connection) -> list[str]:
        models: list[str] = []
        if connection.provider.model_field is not None:
            return models
        for rules in self.layers:
            models += rules.added(connection)
            if not rules.allow_additions:
                return models
        return models + [model for label, model in self.additions if label == connection.label]

    def _denial(self, connection: Connection, model: str | None) -> PolicyError | None:
        for rules in self.layers:
            if rules.damage is not None:
                return PolicyError(*rules.damage, rule=rules.whose)
            denied = rules.denied(connection, model)
            if denied:
                return PolicyError(
                    f"{denied} not allowed by {rules.whose}.",
                    "Choose another, or ask whoever keeps that file.",
                    rule=rules.whose,
                )
        names = [] if model is None else [model, connection.provider.alias(model)]
        model = next((name for name in names if (connection.label, name) in self.denials), None)
        if model is None:
            return None
        return PolicyError(
            f"{_capitalize(self.whose)} does not allow {model} on {connection.label}.",
            f'Whoever keeps the store can lift this: store.allow("{connection.label}", "{model}").',
            rule=self.whose,
        )

    def _not_listed(self, connection: Connection, model: str) -> PolicyError:
        label, title = connection.label, connection.provider.title
        offer = f': store.allow("{label}", "{model}").'
        ended = find_end(connection, model)
        if ended is not None:
            day = f" on {ended.since:%Y-%m-%d}" if ended.since else ""
            successor = (
                ended.successor and f"Use {ended.successor} instead: {label}/{ended.successor}."
            )
            allow = "" if self.closed_by else f"Where the account still has it{offer}"
            hint = f"{successor} {allow}".strip()
            return PolicyError(f"{title} has retired {model}{day}.", hint, rule=_SHIPPED)
        allowed, served = self.allowed(connection), connection.provider.served_as(model)
        if why := connection.provider.not_yet.get(served):
            example = f", such as {label}/{allowed[0]}" if allowed else ""
            said = f"{served} of {title} cannot be called yet: {why}."
            return PolicyError(said, f"Take another model{example}.", rule=_TODAY)
        if served != model and served in models_of(connection, self.layers):
            said = f"{title} serves this model as {served}, and not as {model}."
            return PolicyError(said, f"Write {label}/{served}.", rule=_SHIPPED)
        unknown = f"{title} knows no ids such as {model}. " if served != model else ""
        model, offer = served, f': store.allow("{label}", "{served}").'
        close = difflib.get_close_matches(model, allowed, n=1, cutoff=0.5)
        nearest = f" The nearest that is: {label}/{close[0]}." if close else ""
        closed = f"{_capitalize(self.closed_by)} lets no models be added: ask whoever keeps it."
        return PolicyError(
            f"{unknown}{model} is not on {_SHIPPED} for {title}.{nearest}",
            closed if self.closed_by else f"Allow it for this organization{offer}",
            rule=self.closed_by or _SHIPPED,
        )


def _capitalize(words: str) -> str:
    return words[:1].upper() + words[1:]
