"""Who answers for a server that hands its calls on: the providers that offer one model."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import quote

from llmwidgets.connections.connection import Connection
from llmwidgets.connections.policy import Policy
from llmwidgets.dialects import openai
from llmwidgets.dialects.error_body import read_path, read_word
from llmwidgets.dialects.response_body import read_body
from llmwidgets.dialects.types import Call
from llmwidgets.engine.network import egress


@dataclass(frozen=True, slots=True)
class Upstream:
    """A provider by the name that pins it, and whether it says that it takes a schema."""

    name: str
    takes_schema: bool


async def list_upstreams(connection: Connection, *, policy: Policy) -> tuple[Upstream, ...]:
    """The providers of the connection's model, those that take a schema first.

    The list is public: no key is sent. Raises what the calls raise.
    """
    (model,) = connection.models
    url = f"{connection.target(model).url}/models/{quote(model, safe='/:')}/endpoints"
    call = Call("GET", url, ())
    with egress.named(connection, model):
        response = await egress.send_guarded(
            connection, model, call, policy=policy, total=egress.SECONDS
        )
        rows = read_path(read_body(response), "data", "endpoints")
        if response.status >= 400 or not isinstance(rows, list):
            raise openai.explain(response, call=call)
    takes: dict[str, bool] = {}
    for row in rows:
        if name := read_word(row, "tag"):
            parameters = read_path(row, "supported_parameters")
            listed = isinstance(parameters, list) and "structured_outputs" in parameters
            takes[name] = takes.get(name, False) or listed
    ordered = sorted(takes.items(), key=lambda each: not each[1])
    return tuple(Upstream(*each) for each in ordered)
