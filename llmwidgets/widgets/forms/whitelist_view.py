"""What a policy keeps from being called: which models, by whose rule, and what can be lifted."""

from __future__ import annotations

from typing import Any

from llmwidgets.connections import live_list
from llmwidgets.connections.connection import Connection
from llmwidgets.connections.days import day
from llmwidgets.connections.policies.policy_layers import machine_rules
from llmwidgets.connections.policy import Policy
from llmwidgets.errors import PolicyError
from llmwidgets.providers.deprecation import FACTS_OF
from llmwidgets.secret import redact


def refused_rows(connection: Connection, policy: Policy) -> list[dict[str, Any]]:
    """A row for each known model that may not be called: denied by a rule, or retired."""
    allowed, retired = set(policy.allowed(connection)), connection.provider.retired
    shipped = [model for model in connection.models if model not in allowed]
    gone = [model for model in retired if model not in {*allowed, *shipped}]
    return [_row(connection, policy, model) for model in (*shipped, *gone)]


def facts_of() -> str:
    """Of which day the shipped facts about models are."""
    return f"Facts of {day(FACTS_OF)}."


def _row(connection: Connection, policy: Policy, model: str) -> dict[str, Any]:
    ended = _ended(connection, model)
    refusal = _refusal(connection, policy, model)
    note = f"not allowed by {refusal.rule}" if refusal else ""
    return {
        "model": model,
        "reply": "–",
        "price": "–",
        "note": redact(ended or note),
        "loud": False,
        "off": True,
        "allow": not ended and _liftable(policy, refusal),
    }


def _ended(connection: Connection, model: str) -> str:
    """`retired 23 Oct 2026, then gpt-6-sol`; empty for a model that lives."""
    gone = live_list.ended(connection, model)
    if gone is None:
        return ""
    then = f", then {gone.successor}" if gone.successor else ""
    return f"retired {day(gone.since)}{then}" if gone.since else f"retired{then}"


def off_whitelist(connection: Connection, policy: Policy) -> list[str]:
    """Models that the key can use beside the whitelist; none where none may be added."""
    if not connection.provider.single or policy.closed_by:
        return []
    listed, shipped = live_list.listed(connection), {*policy.allowed(connection)}
    return [
        model
        for model in listed
        if model not in shipped
        and model not in connection.models
        and _liftable(policy, _refusal(connection, policy, model))
    ]


def refused_view(connection: Connection, policy: Policy, *, kept: bool) -> dict[str, Any] | None:
    """Why the connection's own model may not be called, and whether one click can allow it."""
    model = next(iter(connection.models), None)
    if connection.provider.single:
        model = None
    refusal = _refusal(connection, policy, model)
    if refusal is None:
        return None
    may = kept and model is not None and _liftable(policy, refusal)
    return {"model": model or "", "rule": redact(refusal.rule), "allow": may}


def keeper_of(connection: Connection) -> str:
    """Whose connection this is, where a policy file provides it."""
    if connection.origin != "policy":
        return ""
    rules = (each for each in machine_rules())
    found = next(
        (each.whose for each in rules if connection.label in {c.label for c in each.connections}),
        "a policy file",
    )
    return redact(found)


def _refusal(connection: Connection, policy: Policy, model: str | None) -> PolicyError | None:
    try:
        policy.permit(connection, model)
    except PolicyError as error:
        return error
    return None


def _liftable(policy: Policy, refusal: PolicyError | None) -> bool:
    """Whether the organization can allow it: no policy file denies it or forbids additions."""
    files = {rules.whose for rules in policy.layers}
    return refusal is not None and not policy.closed_by and refusal.rule not in files
