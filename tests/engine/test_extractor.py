"""One question: what is sent, what is left out, and what becomes of the reply."""

from __future__ import annotations

import asyncio
import inspect
from dataclasses import replace

import pytest

from llmwidgets.connections import Connection, Policy
from llmwidgets.dialects.types import AuthHeader, Call, Enforcement
from llmwidgets.engine import check, event_loop
from llmwidgets.engine.extraction import Extractor
from llmwidgets.engine.network import egress
from llmwidgets.engine.network.pacing import Pace
from llmwidgets.engine.request_builder import (
    DEFAULT_INSTRUCTIONS,
    INSTRUCTIONS_VERSION,
    Document,
    RequestBuilder,
    ResolvedVariant,
    Settings,
)
from llmwidgets.errors import PolicyError
from llmwidgets.providers.base import ModelFacts
from llmwidgets.schemas import read_schema

SCHEMA = read_schema([{"name": "total", "type": "number", "required": True}])
CANARY = "canary-key-7c1f0e9d55aa"


def asker(connection: Connection, model: str = "m", **more) -> Extractor:
    column = ResolvedVariant(connection.label, connection, model, **more)
    return Extractor(column, policy=Policy(), pace=Pace(8))


def custom(end) -> Connection:
    return Connection("custom", name="m", endpoint=end.url, api_key=CANARY)


def openai(end) -> Connection:
    return Connection("openai", api_key=CANARY, base_url=end.url)


def ask(one: Extractor, words: str = "Total 12.50"):
    return event_loop.run_blocking(one.ask(Document("t", words, SCHEMA, None)))


def refusing(*names: str):
    """A server that refuses parameters by name, one at a time, and takes the rest."""

    async def behave(seen, wire):
        name = next((each for each in names if each in seen.json), None)
        if name is not None:
            told = {"message": f"Unsupported parameter: '{name}' is not supported.", "param": name}
            wire.answer({"error": told}, 400)
        else:
            wire.chat({"total": 1})

    return behave


@pytest.mark.parametrize(
    ("name", "more"),
    [
        ("temperature", {"temperature": 0.5}),
        ("reasoning_effort", {}),
        ("store", {}),
        ("max_completion_tokens", {}),
    ],
)
def test_a_refused_parameter_is_left_out_and_told(far_end, name, more):
    end = far_end(refusing(name))
    one = asker(openai(end), "gpt-6-luna", **more)
    row = ask(one)
    assert row.status == "ok"
    assert name in end.seen[0].json
    assert name not in end.seen[1].json
    assert any(name in note for note in row.notes)
    ask(one)
    assert len(end.seen) == 3, "the next question leaves it out at once"


def test_what_is_refused_once_is_sent_by_none_of_those_that_wait(far_end):
    names = ["temperature", "reasoning_effort", "max_completion_tokens"]
    end = far_end(refusing(*names))
    one = asker(openai(end), "gpt-6-luna", temperature=0.5)
    one.pace = Pace(1, 1)
    texts = [Document(str(at), "Total 12.50", SCHEMA, None) for at in range(6)]

    async def ask_all():
        return await asyncio.gather(*map(one.ask, texts))

    rows = event_loop.run_blocking(ask_all())
    assert [row.status for row in rows] == 6 * ["ok"]
    assert {row.dropped for row in rows} == {tuple(sorted(names))}
    assert len(end.seen) == len(names) + len(texts)


def test_the_other_spelling_of_the_limit_is_sent(far_end):
    end = far_end(refusing("max_completion_tokens"))
    ask(asker(openai(end), "gpt-6-luna"))
    assert end.seen[0].json["max_completion_tokens"] == end.seen[1].json["max_tokens"]


def test_a_form_that_is_refused_is_lowered_and_the_mode_says_so(far_end):
    """A listed model behind an old gateway: the reply is JSON only, and says so."""

    async def old(seen, wire):
        form = seen.json.get("response_format", {}).get("type")
        if form == "json_schema":
            wire.answer({"error": {"message": "response_format json_schema is unknown"}}, 400)
        else:
            wire.chat({"total": 1})

    end = far_end(old)
    row = ask(asker(openai(end), "gpt-6-luna"))
    assert (row.status, row.mode) == ("ok", Enforcement.JSON)
    assert '"total"' in repr(end.seen[1].json["messages"]), "the schema stands in the prompt now"


def test_the_document_stands_between_markers_under_the_default_words(far_end, model):
    ask(asker(custom(far_end(model))), "Total 12.50")
    system, document = model.asked[0]["messages"]
    assert system["content"].startswith(DEFAULT_INSTRUCTIONS.strip()[:60])
    assert document["content"] == "<document>\nTotal 12.50\n</document>"


def test_the_default_words_carry_every_rule():
    said = DEFAULT_INSTRUCTIONS
    for rule in ("schema", "null", "as they are written", "YYYY-MM-DD", "<document>", "ignore"):
        assert rule in said
    assert INSTRUCTIONS_VERSION >= 1


def test_the_schema_stands_in_the_prompt_where_it_is_not_enforced(far_end, model):
    model.enforces = set()
    ask(asker(custom(far_end(model))))
    assert '"total"' in model.asked[0]["messages"][0]["content"]


def test_no_sampling_is_sent_unasked(far_end, model):
    ask(asker(custom(far_end(model))))
    assert "temperature" not in model.asked[0]
    assert "reasoning_effort" not in model.asked[0]


THINKER = ModelFacts("m", efforts=("none", "low", "high"))
ALWAYS = ModelFacts("m", efforts=("low", "medium", "high"))


@pytest.mark.parametrize(
    ("facts", "effort", "sent", "thinking"),
    [
        (THINKER, "least", "none", False),
        (THINKER, "vendor", None, True),
        (THINKER, "low", "low", True),
        (THINKER, "medium", "low", True),
        (THINKER, "high", "high", True),
        (ALWAYS, "least", "low", True),
        (ModelFacts("m", efforts=("MINIMAL", "HIGH")), "low", "MINIMAL", True),
        (ModelFacts("m", thinking=False), "least", None, False),
        (ModelFacts("m", thinking=False), "high", None, False),
        (ModelFacts("m"), "least", None, None),
        (ModelFacts("m"), "high", "high", True),
        (ModelFacts("m", thinking=True), "least", None, True),
        (None, "least", None, None),
        (None, "vendor", None, None),
        (None, "low", "low", True),
    ],
)
def test_thinking_is_the_models_own_word_nearest_to_what_was_asked(facts, effort, sent, thinking):
    connection = Connection("openai", api_key=CANARY)
    settings = Settings(ResolvedVariant("c", connection, "m", effort=effort), facts, fields=1)
    assert (settings.effort_sent, settings.thinking) == (sent, thinking)


def test_the_output_limit_grows_with_fields_and_thinking_up_to_the_models():
    connection = Connection("openai", api_key=CANARY)

    def limit(model: str, **more) -> int:
        return RequestBuilder(
            ResolvedVariant("c", connection, model, **more), SCHEMA
        ).max_output_tokens

    assert limit("gpt-6-luna") == 4096 + 8
    assert limit("gpt-6.1-sol") == 4096 + 8 + 16_000
    assert limit("gpt-6-luna", max_output_tokens=77) == 77


def test_a_temperature_that_the_model_does_not_take_is_told():
    connection = Connection("openai", api_key=CANARY)
    manner = RequestBuilder(
        ResolvedVariant("c", connection, "gpt-6.1-sol", temperature=0.3), SCHEMA
    )
    assert manner.temperature is None
    assert "temperature" in manner.notes[0]


def test_a_text_the_server_cut_says_nothing_about_the_model(far_end):
    """Ollama reads 4,096 tokens of a longer text and does not say so."""

    async def cutting(seen, wire):
        wire.chat({"total": 1}, prompt_tokens=4096)

    one = asker(custom(far_end(cutting)))
    assert ask(one, "word " * 8000).status == "CutInput"
    assert ask(one, "word " * 3000).status == "ok"


def test_made_up_token_counts_of_a_short_text_prove_nothing(far_end):
    async def odd(seen, wire):
        wire.chat({"total": 1}, prompt_tokens=1)

    assert ask(asker(custom(far_end(odd))), "word " * 1000).status == "ok"


def test_an_error_of_our_own_is_a_row_without_its_words(far_end, model, monkeypatch):
    one = asker(custom(far_end(model)))
    monkeypatch.setattr(one, "_judge_answer", lambda *a: {}["the text itself"])
    row = ask(one)
    assert (row.status, row.code) == ("InternalError", "internal")
    assert "KeyError" in row.message
    assert "the text itself" not in row.message + row.hint


def test_the_same_question_in_anthropics_words(far_end):
    """Another dialect, the same path: the schema, the words and the document are the same."""

    async def claude(seen, wire):
        said = [{"type": "text", "text": '{"total": 12.5}'}]
        usage = {"input_tokens": 100, "output_tokens": 10}
        reply = {"type": "message", "role": "assistant", "content": said, "usage": usage}
        wire.answer({**reply, "model": "claude", "stop_reason": "end_turn"})

    end = far_end(claude)
    base = end.url.removesuffix("/v1")
    row = ask(asker(Connection("anthropic", api_key=CANARY, base_url=base), "claude-haiku-5-5"))
    assert (row.status, row.mode, row.usage.input_tokens) == ("ok", Enforcement.SCHEMA, 100)
    assert "<document>\nTotal 12.50\n</document>" in repr(end.seen[0].json).replace("\\n", "\n")
    assert "temperature" not in end.seen[0].json


def test_a_schema_beyond_the_strictest_form_travels_in_another(far_end):
    """Anthropic's grammar takes 24 optional fields; with more, the mode no longer says enforced."""
    wide = read_schema([{"name": f"f{n}", "type": "string"} for n in range(40)])
    connection = Connection("anthropic", api_key=CANARY)
    manner = RequestBuilder(ResolvedVariant("c", connection, "claude-haiku-5-5"), wide)
    capability = connection.capability("claude-haiku-5-5")
    form, mode = manner.form_and_mode(capability)
    assert form == connection.provider.dialect.form_for(capability.form, manner.compiled)
    assert (mode is Enforcement.SCHEMA) == (form is capability.form)


def test_a_missing_variable_is_an_unauthorized_row(far_end, model):
    connection = Connection("custom", name="m", endpoint=far_end(model).url, api_key="env:NONE")
    row = ask(asker(connection))
    assert (row.status, row.code) == ("Unauthorized", "key_missing")


def test_a_key_travels_to_its_own_host_only(far_end, model):
    """A call that somehow points elsewhere is stopped before anything is sent."""
    end = far_end(model)
    connection = custom(end)
    elsewhere = connection.target("m").auth
    call = Call("POST", "http://127.0.0.1:1/v1/chat/completions", elsewhere, body={})
    with pytest.raises(PolicyError, match="bound to"):
        event_loop.run_blocking(egress.send_guarded(connection, "m", call, policy=Policy()))
    assert not end.seen


def test_a_denied_model_is_stopped_before_anything_is_sent(far_end, model):
    end = far_end(model)
    connection = custom(end)
    call = Call("POST", f"{end.url}/chat/completions", connection.target("m").auth, body={})
    with pytest.raises(PolicyError):
        event_loop.run_blocking(
            egress.send_guarded(connection, "m", call, policy=Policy(denials=[("m", "m")]))
        )
    assert not end.seen


def test_every_call_of_the_engine_goes_through_the_gate():
    """Only the gate sends calls of a connection; discovery sends none that has a key, and the
    token exchange asks Google's token service alone."""
    from pathlib import Path

    engine = Path(egress.__file__).parents[1]
    sends = "transport.send_call("
    senders = {path.name for path in engine.rglob("*.py") if sends in path.read_text("utf-8")}
    assert senders == {"egress.py", "check.py", "tokens.py"}
    assert (engine / "check.py").read_text("utf-8").count(sends) == 1
    assert sends in inspect.getsource(check._look)
    assert "auth" not in inspect.getsource(check._look)


def test_limits_are_longer_for_patience():
    hosted = Connection("openai", api_key=CANARY)
    local = Connection("custom", name="m", endpoint="http://localhost:11434/v1")
    distant = Connection("custom", name="m", endpoint="https://llm.example/v1")
    assert egress.total_seconds(hosted, thinking=False) == 120
    assert egress.total_seconds(hosted, thinking=True) == 600
    assert egress.total_seconds(local, thinking=False) == 600
    assert [egress.first_concurrency(each) for each in (local, distant, hosted)] == [1, 4, 8]


def test_no_header_value_is_in_a_call_that_is_shown():
    call = Call("POST", "https://x", (AuthHeader("a", custom_secret(), "Bearer {}"),))
    assert CANARY not in repr(replace(call, body={}).shown())


def custom_secret():
    from llmwidgets.secret import Secret

    return Secret(CANARY)


@pytest.mark.parametrize(
    ("status", "body", "key", "ends", "said", "hint"),
    [
        (200, "<html>Welcome</html>", CANARY, "Unreachable",
         "An endpoint of OpenAI format ends in /v1", "Change the endpoint"),
        (401, {"error": {"message": "no"}}, None, "Unauthorized",
         "The server asks for a key, and none is given.", "Fill in the API key"),
        (429, {"error": {"message": "slow down"}}, CANARY, "RateLimited", "", ""),
    ],
)  # fmt: skip
def test_a_failure_of_a_run_is_told_as_the_check_of_the_connection_tells_it(
    far_end, status, body, key, ends, said, hint
):
    """The sentence names the field of the form; what no form mends keeps the server's own class."""

    async def behave(_seen, wire):
        wire.answer(body, status)

    end = far_end(behave)
    address = end.url.removesuffix("/v1")
    row = ask(asker(Connection("custom", name="m", endpoint=address, api_key=key)))
    assert row.status == ends
    assert said in row.message
    assert hint in row.hint
    assert CANARY not in row.message + row.hint
