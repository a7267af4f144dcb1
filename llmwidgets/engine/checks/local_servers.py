"""Discovery: model servers on this computer, looked for only when the user asks."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from llmwidgets.dialects import openai
from llmwidgets.dialects.types import Target
from llmwidgets.errors import LLMWidgetsError

_SECONDS = 1.5


@dataclass(frozen=True, slots=True)
class Usual:
    """A server by its usual port; `key` is the word it takes where one must be given."""

    title: str
    port: int
    key: str = ""


USUAL: tuple[Usual, ...] = (
    Usual("Ollama", 11434, "ollama"),
    Usual("LM Studio", 1234),
    Usual("vLLM", 8000),
    Usual("sglang", 30000),
    Usual("llama.cpp", 8080),
)


@dataclass(frozen=True, slots=True)
class LocalServer:
    """A server that answered on this computer, and the models it lists."""

    title: str
    endpoint: str
    models: tuple[str, ...]
    key: str = ""


async def discover(usual: tuple[Usual, ...] = USUAL) -> list[LocalServer]:
    """The servers that answer GET /v1/models on their usual port; loopback only, no key sent."""
    found = await asyncio.gather(*(_look(each) for each in usual))
    return [server for server in found if server is not None]


async def _look(usual: Usual) -> LocalServer | None:
    from llmwidgets.engine.network import transport

    endpoint = f"http://localhost:{usual.port}/v1"
    call = openai.models_call(Target(url=endpoint, model=""))
    try:
        payload = await transport.send_call(call, connect=_SECONDS, total=_SECONDS)
        if payload.status != 200:
            return None
        listed, _ = openai.listed_models(payload)
    except LLMWidgetsError:
        return None
    return LocalServer(usual.title, endpoint, tuple(each.id for each in listed), usual.key)
