"""Served: whether the model that answered is the one that was asked for."""

from __future__ import annotations

import re

from llmwidgets.connections.connection import Connection

# A dated snapshot, a revision or a tag behind the id is that model: `gpt-6-luna-2026-03-01`,
# `gemini-3.8-flash-001`, `llama3.2:latest`.
_SNAPSHOT = re.compile(r"[-@:](?:latest|[\d-]+)")
_LONGEST = 120


def substitution_notice(connection: Connection, asked: str, served: str | None) -> str:
    """A sentence where another model answered than was asked for; empty otherwise.

    A deployment's own name says nothing of its model, so it is compared only where it is the
    name of a known one.
    """
    provider = connection.provider
    if not served or (provider.deployments and provider.facts(asked) is None):
        return ""
    wanted, came = _bare(asked), _bare(served)
    rest = came.removeprefix(wanted) if came.startswith(wanted) else None
    if rest == "" or (rest is not None and _SNAPSHOT.fullmatch(rest)):
        return ""
    # Behind a router the id can carry where it is to be answered: `org/model:provider`.
    if wanted.partition(":")[0] == came:
        return ""
    return f"The server says that {served[:_LONGEST]} answered, not {asked}."


def _bare(model: str) -> str:
    return model.lower().rpartition("/")[2]
