"""Diagnosis: what an error means for this connection, and which change of a field mends it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from llmwidgets.connections import live_list
from llmwidgets.connections.connection import Connection
from llmwidgets.engine.checks.rules import Case, Diagnosis, code_of, status_of
from llmwidgets.engine.symptoms import SYMPTOMS
from llmwidgets.errors import LLMWidgetsError

__all__ = ["SYMPTOMS", "Case", "Diagnosis", "diagnose", "diagnoses", "keyless", "mended"]


def diagnoses(case: Case) -> Iterator[Diagnosis]:
    """What the error can mean, likeliest first; the last one needs no proof."""
    for symptom in SYMPTOMS:
        if symptom.when(case):
            yield from symptom.told(case)
            if not symptom.proven:
                return
    error = case.error
    yield Diagnosis(error.message, error.hint, None, code_of(error), status_of(error))


def diagnose(
    error: LLMWidgetsError, connection: Connection, *, model: str = "", listed: tuple[str, ...] = ()
) -> Diagnosis:
    """What the error means for this connection, as far as can be told without trying anything."""
    listed = listed or live_list.listed(connection)
    case = Case(error, connection, model or next(iter(connection.models), ""), listed)
    return next(each for each in diagnoses(case) if not each.proven)


def mended(connection: Connection, fix: Mapping[str, str]) -> Connection:
    """The connection with these fields changed; FieldError where they do not fit."""
    fields = {**connection.plain_fields, **connection.secret_fields}
    headers = dict(connection.fields.headers)
    return Connection(
        connection.kind, label=connection.label, **{**fields, "headers": headers, **fix}
    )


def keyless(connection: Connection) -> Connection:
    """A Custom connection without its secrets: to look at an address the key is not bound to."""
    return Connection(connection.kind, label=connection.label, **connection.plain_fields)
