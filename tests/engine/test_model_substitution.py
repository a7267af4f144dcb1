"""Another model than the one asked for is told; another spelling of the same one is not."""

from __future__ import annotations

import pytest

from llmwidgets.connections import Connection, Policy
from llmwidgets.engine import event_loop
from llmwidgets.engine.capability import substitution_notice
from llmwidgets.engine.extraction import Extractor
from llmwidgets.engine.network.pacing import Pace
from llmwidgets.engine.request_builder import Document, ResolvedVariant
from llmwidgets.schemas import read_schema

OPENAI = Connection("openai", api_key="k")
GEMINI = Connection("gemini", api_key="AQ.k")
CUSTOM = Connection("custom", name="m", endpoint="http://localhost:1/v1")
AZURE = Connection("azure_openai", deployment="d", endpoint="https://r.example", api_key="k")


@pytest.mark.parametrize(
    ("connection", "asked", "served"),
    [
        (OPENAI, "gpt-6-luna", "gpt-6-luna"),
        (OPENAI, "gpt-6-luna", "gpt-6-luna-2026-03-01"),
        (OPENAI, "gpt-6-luna", None),
        (GEMINI, "gemini-3.8-flash", "models/gemini-3.8-flash-001"),
        (CUSTOM, "llama3.2", "llama3.2:latest"),
        (CUSTOM, "deepseek-ai/DeepSeek-R1:together", "deepseek-ai/deepseek-r1"),
        (CUSTOM, "org/Some-Model", "accounts/x/models/some-model"),
        (AZURE, "claims", "gpt-6-luna-2026-03-01"),
        (AZURE, "gpt-6-luna", "gpt-6-luna-2026-03-01"),
    ],
)
def test_the_same_model_by_another_spelling_is_not_told(connection, asked, served):
    assert substitution_notice(connection, asked, served) == ""


@pytest.mark.parametrize(
    ("connection", "asked", "served"),
    [
        (GEMINI, "gemini-2.5-flash", "gemini-3.5-flash-lite"),
        (GEMINI, "gemini-2.5-flash", "gemini-2.5-flash-lite"),
        (OPENAI, "gpt-5", "gpt-5-mini"),
        (OPENAI, "gpt-6-luna", "gpt-6-sol"),
        (CUSTOM, "llama3.2", "llama3.1"),
        (AZURE, "gpt-6-luna", "gpt-4o-mini-2024-07-18"),
    ],
)
def test_another_model_is_told_by_both_names(connection, asked, served):
    said = substitution_notice(connection, asked, served)
    assert served in said
    assert said.endswith(f"not {asked}.")


def test_an_extraction_that_another_model_answered_says_so(far_end):
    async def reroute(_seen, wire):
        wire.chat({"total": 1})

    connection = Connection("openai", api_key="made-up-key", base_url=far_end(reroute).url)
    asker = Extractor(ResolvedVariant("c", connection, "gpt-5.5"), policy=Policy(), pace=Pace(1))
    schema = read_schema([{"name": "total", "type": "number", "required": True}])
    row = event_loop.run_blocking(asker.ask(Document("t", "Total 1", schema, None)))
    assert (row.status, row.served_model) == ("ok", "served-m")
    assert row.notes == ("The server says that served-m answered, not gpt-5.5.",)
