"""What a test of the open form will send, and to whom, before it is pressed."""

from __future__ import annotations

import contextlib

from llmwidgets.connections.connection import Connection
from llmwidgets.errors import FieldError
from llmwidgets.formatting import join_listed
from llmwidgets.widgets.connection.form_draft import FormDraft, stand_in

_NOWHERE = "https://server.invalid/openai/v1"
"""In place of an endpoint that is not typed yet; every kind that asks for one can read it."""


def describe_sending(draft: FormDraft) -> str:
    """What a test of this form sends, and to whom; empty while nobody can say."""
    from llmwidgets.engine.probe import MOST_QUESTIONS, proof_of, questions_of

    typed = draft.preview()
    connection = typed or _example(draft)
    if connection is None:
        return ""
    model = next(iter(connection.models), "*")
    givers, where = connection.token_hosts, typed.host if typed else "the server"
    signs_in = f"Signs in at {join_listed(givers)}. " if givers else ""
    proof, questions = proof_of(connection, model), questions_of(connection, model)
    if proof == "count":
        return f"{signs_in}Sends one word to {where}: each model counts it, which costs nothing."
    if proof == "list":
        return f"{signs_in}Asks {where} for its list of models, which costs nothing."
    keyed = " and your key" if _has_key(draft) and not givers else ""
    short = f"1 to {questions} short questions" if questions > 1 else "one short question"
    again = f"More if it is busy or gives no whole answer: {MOST_QUESTIONS} questions at most."
    return f"{signs_in}Sends {short}{keyed} to {where}. {again}"


def _example(draft: FormDraft) -> Connection | None:
    """A connection as this form makes them, to an address that is nobody's."""
    needed = {name: info for name, info in draft.asked.items() if info.is_required()}
    values = {name: (info.examples or ["model"])[0] for name, info in needed.items()}
    with contextlib.suppress(FieldError):
        return stand_in(draft, {**values, "endpoint": _NOWHERE, "sign_in": draft.way})
    return None


def _has_key(draft: FormDraft) -> bool:
    """Whether a test sends a key or token: one is filled in, or has to be."""
    needed = (name for name in draft.provider.secret_fields if name in draft.asked)
    filled = any(each.secret for each in {**draft.secrets, **draft.headers}.values())
    return filled or any(draft.asked[name].is_required() for name in needed)
