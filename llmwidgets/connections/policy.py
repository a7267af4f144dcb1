"""Policy: which models may be called, and by whose rule one is refused."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field

from llmwidgets.connections.connection import Connection
from llmwidgets.errors import PolicyError

_SHIPPED = "the shipped whitelist of llmwidgets"


@dataclass(frozen=True)
class Policy:
    """Allowed = (the shipped whitelist ∪ the organization's additions) − its denials.

    `additions` and `denials` are pairs (label, model). Kinds that name one model are allowed by
    being connected.

    >>> Policy(denials=[("openai", "gpt-4o")]).allowed(Connection("openai", api_key="env:KEY"))[0]
    'gpt-6-luna'
    """

    additions: Iterable[tuple[str, str]] = ()
    denials: Iterable[tuple[str, str]] = ()
    organization: str = field(default="", kw_only=True)

    def __post_init__(self) -> None:
        for name in ("additions", "denials"):
            pairs = tuple((label, model) for label, model in getattr(self, name))
            object.__setattr__(self, name, pairs)

    def allowed(self, connection: Connection) -> tuple[str, ...]:
        """The models of this connection that may be called, the whitelist's order first."""
        added = [model for label, model in self.additions if label == connection.label]
        single = connection.provider.model_field is None
        models = dict.fromkeys([*connection.models, *(added if single else ())])
        return tuple(model for model in models if (connection.label, model) not in self.denials)

    def permit(self, connection: Connection, model: str) -> None:
        """Raise PolicyError where the model may not be called; it says whose rule that is."""
        label = connection.label
        if (label, model) in self.denials:
            whose = f"the organization {self.organization}" if self.organization else "this store"
            raise PolicyError(
                f"{whose[0].upper()}{whose[1:]} does not allow {model} on {label}.",
                f'Whoever keeps the store can lift this: store.allow("{label}", "{model}").',
                rule=whose,
            )
        if model in self.allowed(connection) or (connection.any_model and model):
            return
        if connection.provider.model_field is not None:
            raise _other_model(connection, model)
        raise _not_listed(connection, model, self.allowed(connection))


def _other_model(connection: Connection, model: str) -> PolicyError:
    named = ", ".join(connection.models) or "a deployment that the reference names"
    return PolicyError(
        f"{connection.label} serves {named} and no other model, so not {model or 'an empty name'}.",
        f"Write the reference {connection.label}, or add a connection for {model}.",
        rule=f"one model for each {connection.provider.title} connection",
    )


def _not_listed(connection: Connection, model: str, allowed: tuple[str, ...]) -> PolicyError:
    label, provider = connection.label, connection.provider
    successor = provider.retired.get(model)
    if successor is not None:
        return PolicyError(
            f"{provider.title} has retired {model}.",
            f"Use {successor} instead: {label}/{successor}.",
            rule=_SHIPPED,
        )
    close = difflib.get_close_matches(model, allowed, n=1, cutoff=0.5)
    nearest = f" The nearest that is: {label}/{close[0]}." if close else ""
    return PolicyError(
        f"{model} is not on {_SHIPPED} for {provider.title}.{nearest}",
        f'Allow it for this organization: store.allow("{label}", "{model}").',
        rule=_SHIPPED,
    )
