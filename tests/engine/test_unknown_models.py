"""What is not known of a model is not denied: room for thinking, until its server tells more."""

from __future__ import annotations

import asyncio
import json

import pytest

from llmwidgets.connections import Connection, Policy
from llmwidgets.dialects.error_body import TokenLimits, read_limits
from llmwidgets.engine import capability, event_loop
from llmwidgets.engine.estimate import estimate
from llmwidgets.engine.extraction import Extractor, read_extraction
from llmwidgets.engine.journal import Journal
from llmwidgets.engine.network.pacing import Pace
from llmwidgets.engine.request_builder import Document, Plan, RequestBuilder, ResolvedVariant
from llmwidgets.engine.run import Run
from llmwidgets.schemas import read_schema

SCHEMA = read_schema([{"name": "total", "type": "number", "required": True}])
KEY = "0123456789abcdef0123456789abcdef"
LEAST, ROOM = 4096 + 8, 4096 + 8 + 16_000
LUNA = "gpt-6-luna-2026-03-01"


@pytest.fixture(autouse=True)
def nothing_known():
    capability.forget_capabilities()
    yield
    capability.forget_capabilities()


class Server:
    """A model behind a name: says `served`, refuses what it is told to, keeps what it was asked."""

    def __init__(self, served: str | None, *, listed: dict | None = None, refuse=None) -> None:
        self.served, self.listed, self.refuse = served, listed, refuse or (lambda body: None)
        self.asked: list[dict] = []

    async def __call__(self, seen, wire) -> None:
        if seen.line.startswith("GET"):
            rows = [{"id": "m", **self.listed}] if self.listed is not None else []
            wire.answer({"object": "list", "data": rows})
            return
        body = seen.json
        probe = "weather" in str(body["messages"][-1]["content"])
        if not probe:
            self.asked.append(body)
        refused = self.refuse(body)
        if refused and not probe:
            wire.answer({"error": {"message": refused, "type": "invalid_request_error"}}, 400)
            return
        said = {"total": 1}
        if probe:
            schema = body["response_format"]["json_schema"]["schema"]
            said = {name: rule["enum"][0] for name, rule in schema["properties"].items()}
        await asyncio.sleep(0)
        if "max_completion_tokens" not in body and "system" in body:
            blocks = [{"type": "text", "text": json.dumps(said)}]
            usage = {"input_tokens": 100, "output_tokens": 10}
            wire.answer({"type": "message", "model": self.served, "content": blocks,
                         "stop_reason": "end_turn", "usage": usage})  # fmt: skip
            return
        message = {"role": "assistant", "content": json.dumps(said)}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        usage = {"prompt_tokens": 100, "completion_tokens": 10}
        wire.answer({"id": "r", "model": self.served, "choices": [choice], "usage": usage})


def azure(end) -> Connection:
    url = f"http://127.0.0.1:{end.port}/openai/v1"
    return Connection("azure_openai", deployment="claims", endpoint=url, api_key=KEY)


def custom(end) -> Connection:
    return Connection("custom", name="m", endpoint=end.url)


def asker(connection: Connection, **more) -> Extractor:
    model = connection.models[0]
    return Extractor(ResolvedVariant("c", connection, model, **more), policy=Policy(), pace=Pace(8))


def ask(one: Extractor, text: str = "Total 1"):
    row = event_loop.run_blocking(one.ask(Document("t", text, SCHEMA, None)))
    assert row.status == "ok", row
    return row


def limit_of(body: dict) -> int:
    return body.get("max_completion_tokens") or body["max_tokens"]


def test_a_deployment_is_asked_by_the_facts_of_what_its_first_answer_names(far_end):
    server = Server(LUNA)
    connection = azure(far_end(server))
    one = asker(connection)
    rows = [ask(one), ask(one)]
    first, second = server.asked
    assert (limit_of(first), first.get("reasoning_effort")) == (ROOM, None)
    assert (limit_of(second), second["reasoning_effort"]) == (LEAST, "none")
    # The request that is shown is the one that was sent.
    for row, body in zip(rows, server.asked, strict=True):
        shown = read_extraction(one.variant, Document("t", "Total 1", SCHEMA, None), 0, row)
        assert shown.request["body"] == body
    # Another column of this process knows it from its first text on.
    again = asker(connection, effort="high", temperature=0.5)
    row = ask(again)
    assert (limit_of(server.asked[2]), server.asked[2]["reasoning_effort"]) == (ROOM, "high")
    assert "temperature" not in server.asked[2]
    assert any("only while its thinking is off" in note for note in row.notes)


def test_a_budget_holds_for_a_deployment_once_its_first_answer_names_the_model(far_end):
    server = Server(LUNA)
    one = asker(azure(far_end(server)))
    one.budget.dollars = 1e-6
    assert ask(one).cost > one.budget.dollars
    row = event_loop.run_blocking(one.ask(Document("t", "Total 2", SCHEMA, None)))
    assert (row.status, len(server.asked)) == ("OverBudget", 1)


@pytest.mark.parametrize("served", ["openai/gpt-6-luna", LUNA, "nobody/knows-1"])
def test_an_answer_that_names_its_model_as_before_teaches_nothing(far_end, served):
    connection = custom(far_end(Server(served)))
    one = asker(connection)
    ask(one)
    known = capability.record_of(connection, "m").facts
    ask(one)
    assert capability.record_of(connection, "m").facts is known


def test_of_many_texts_one_alone_is_asked_without_knowing(far_end):
    server = Server(LUNA)
    connection = azure(far_end(server))
    texts = tuple(Document(str(n), f"Total {n}", SCHEMA, None) for n in range(20))
    plan = Plan((ResolvedVariant("c", connection, "claims"),), texts)
    journal = Journal(False)
    run = Run(plan, journal=journal, policy=Policy())
    run.start()
    assert run.wait(60)
    assert [limit_of(body) for body in server.asked] == [ROOM] + [LEAST] * 19
    # Another process finds every answer, though it knows nothing yet.
    capability.forget_capabilities()
    later = Run(plan, journal=journal, policy=Policy())
    later.start()
    assert later.wait(60)
    assert len(server.asked) == 20


def test_what_is_learned_leaves_the_journals_key_as_it_is(far_end):
    server = Server(LUNA)
    one = asker(azure(far_end(server)))
    form = one.capability.form
    before = one.builder(SCHEMA).prefix(form).hexdigest()
    ask(one)
    assert one.builder(SCHEMA).effort_sent == "none"
    assert one.builder(SCHEMA).prefix(form).hexdigest() == before


@pytest.mark.parametrize("served", ["claims", None, "phi-9-of-tomorrow"])
def test_a_deployment_of_an_unknown_model_keeps_room_for_thinking(far_end, served):
    server = Server(served)
    one = asker(azure(far_end(server)))
    ask(one)
    ask(one)
    assert [limit_of(body) for body in server.asked] == [ROOM, ROOM]
    assert all("reasoning_effort" not in body for body in server.asked)


def test_a_deployment_that_bears_the_name_of_another_model_is_asked_by_what_answers(far_end):
    server = Server(LUNA)
    url = f"http://127.0.0.1:{far_end(server).port}/openai/v1"
    one = asker(Connection("azure_openai", deployment="gpt-4o", endpoint=url, api_key=KEY))
    ask(one)
    ask(one)
    assert server.asked[1]["reasoning_effort"] == "none"


def test_claude_behind_a_name_of_its_own_is_spelled_as_its_model_wants(far_end):
    server = Server("claude-haiku-4-5-20251001")
    url = f"http://127.0.0.1:{far_end(server).port}/anthropic"
    connection = Connection("azure_ai_foundry", model="claims", endpoint=url, api_key=KEY)
    seen = connection.capability("claude-haiku-4-5")
    connection = connection.with_capability("claims", seen)
    one = asker(connection, effort="high", max_output_tokens=100_000)
    ask(one)
    row = ask(one)
    first, second = server.asked
    assert (first["thinking"], first["max_tokens"]) == ({"type": "adaptive"}, 100_000)
    assert (second["thinking"]["type"], second["max_tokens"]) == ("enabled", 64_000)
    assert any("lowered from 100,000 to 64,000" in note for note in row.notes)
    shown = read_extraction(one.variant, Document("t", "Total 1", SCHEMA, None), 0, row)
    assert shown.request["body"] == second


def test_a_gateway_is_known_from_the_probe_on(far_end):
    server = Server(f"openai/{LUNA}")
    ask(asker(custom(far_end(server))))
    assert (limit_of(server.asked[0]), server.asked[0]["reasoning_effort"]) == (LEAST, "none")


def test_a_gateway_to_another_vendor_is_asked_in_its_own_format(far_end):
    server = Server("gemini-3.8-flash")
    one = asker(custom(far_end(server)), temperature=0.3)
    ask(one)
    assert (limit_of(server.asked[0]), server.asked[0]["reasoning_effort"]) == (ROOM, "low")
    assert "temperature" not in server.asked[0]
    known = capability.record_of(one.connection, "m").facts
    assert (known.served, known.model_facts.options) == ("gemini-3.8-flash", {})


def test_a_server_of_ones_own_has_room_for_thinking(far_end):
    server = Server("qwen3-8b")
    one = asker(custom(far_end(server)), temperature=0.3)
    ask(one)
    body = server.asked[0]
    assert (limit_of(body), body["temperature"]) == (ROOM, 0.3)
    assert "reasoning_effort" not in body
    assert one.builder(SCHEMA).thinking


@pytest.mark.parametrize("make", [azure, custom])
def test_a_level_that_was_asked_for_is_sent_where_nothing_is_known(far_end, make):
    server = Server("qwen3-8b")
    ask(asker(make(far_end(server)), effort="low"))
    assert (limit_of(server.asked[0]), server.asked[0]["reasoning_effort"]) == (ROOM, "low")


@pytest.mark.parametrize(("make", "served"), [(azure, "x"), (custom, "x"), (custom, LUNA)])
def test_a_level_that_is_refused_is_left_out_with_a_note_and_room(far_end, make, served):
    def refuse(body):
        return "Unrecognized request argument: reasoning_effort" if (
            "reasoning_effort" in body) else None  # fmt: skip

    server = Server(served, refuse=refuse)
    row = ask(asker(make(far_end(server)), effort="low"))
    assert "reasoning_effort" not in server.asked[1]
    assert limit_of(server.asked[1]) == ROOM
    assert "reasoning_effort was refused by the server and left out." in row.notes


# -- limits of the server ------------------------------------------------------------------------


@pytest.mark.parametrize(
    "listed",
    [{"max_model_len": 8192}, {"context_length": 8192}, {"max_context_length": 8192},
     {"meta": {"n_ctx": 8192, "n_ctx_train": 131_072}}, {"meta": {"n_ctx_train": 8192}}],
)  # fmt: skip
def test_a_listed_window_holds_question_and_answer(far_end, listed):
    server = Server("qwen3-8b", listed=listed)
    row = ask(asker(custom(far_end(server))))
    assert LEAST < limit_of(server.asked[0]) < 8192
    assert any("window" in note for note in row.notes)
    shown = read_extraction(
        asker(custom(far_end(server))).variant, Document("t", "Total 1", SCHEMA, None), 0, row
    )
    assert shown.request["body"]["max_tokens"] == limit_of(server.asked[0])


def windowed(window: int, prompt: int):
    def refuse(body):
        asked = limit_of(body)
        return None if prompt + asked <= window else (
            f"This model's maximum context length is {window} tokens. However, you requested "
            f"{prompt + asked} tokens ({prompt} in the messages, {asked} in the completion)."
        )  # fmt: skip

    return refuse


@pytest.mark.parametrize("make", [azure, custom])
def test_a_window_told_by_a_refusal_is_kept_to_at_once_and_remembered(far_end, make):
    server = Server("qwen3-8b", refuse=windowed(8192, 400))
    one = asker(make(far_end(server)))
    row = ask(one)
    assert [limit_of(body) for body in server.asked] == [ROOM, 8192 - 400]
    assert any("lowered to 7,792 tokens" in note for note in row.notes)
    ask(one)
    ask(asker(one.connection))
    assert len(server.asked) == 4, "no other text is refused for it"


@pytest.mark.parametrize("make", [azure, custom])
@pytest.mark.parametrize("named", ["8192", "8,192"])
def test_a_window_told_without_the_size_of_the_question_is_kept_to(far_end, make, named):
    def refuse(body):
        fits = limit_of(body) + 400 <= 8192
        return None if fits else f"maximum context length is {named} tokens"

    server = Server("qwen3-8b", refuse=refuse)
    one = asker(make(far_end(server)))
    ask(one)
    ask(one)
    first, *others = map(limit_of, server.asked)
    assert first == ROOM
    assert len(others) == 2
    assert all(LEAST < each < 8192 for each in others)


@pytest.mark.parametrize("limit", [8192, 20])
def test_a_text_beyond_a_window_told_alone_is_too_long_and_asked_once(far_end, limit):
    server = Server("qwen3-8b", refuse=lambda _: f"maximum context length is {limit} tokens")
    one = asker(custom(far_end(server)))
    text = "Total 1. " * (5000 if limit == 8192 else 1)
    assert event_loop.run_blocking(one.ask(Document("t", text, SCHEMA, None))).status == "TooLong"
    assert len(server.asked) == 1


def test_a_text_that_fills_the_window_is_too_long_and_asked_once(far_end):
    server = Server("qwen3-8b", refuse=windowed(8192, 8190))
    one = asker(custom(far_end(server)))
    row = event_loop.run_blocking(one.ask(Document("t", "Total 1", SCHEMA, None)))
    assert row.status == "TooLong"
    assert len(server.asked) == 1


def test_an_output_limit_told_by_a_refusal_is_kept_to(far_end):
    def refuse(body):
        asked = limit_of(body)
        return None if asked <= 4096 else (
            f"max_tokens is too large: {asked}. This model supports at most 4096 completion "
            f"tokens, whereas you provided {asked}."
        )  # fmt: skip

    server = Server("x", refuse=refuse)
    one = asker(azure(far_end(server)), max_output_tokens=9000)
    ask(one)
    row = ask(one)
    assert [limit_of(body) for body in server.asked] == [9000, 4096, 4096]
    assert any("lowered from 9,000 to 4,096" in note for note in row.notes)


@pytest.mark.parametrize(
    ("said", "room"),
    [
        ("This model's maximum context length is 8192 tokens. However, you requested 20500 tokens "
         "(404 in the messages, 20096 in the completion). Please reduce the length.", 7788),
        ("This model's maximum context length is 2048 tokens, however you requested 20500 tokens "
         "(404 in your prompt; 20096 for the completion). Please reduce your prompt.", 1644),
        ("Requested token count exceeds the model's maximum context length of 8192 tokens. You "
         "requested a total of 20500 tokens: 404 tokens from the input messages and 20096 tokens "
         "for the completion.", 7788),
        ("'max_tokens' or 'max_completion_tokens' is too large: 20096. This model's maximum "
         "context length is 8192 tokens and your request has 404 input tokens (20096 > 8192 - "
         "404).", 7788),
        ("This model's maximum context length is 8192 tokens. However, you requested 20096 output "
         "tokens and your prompt contains at least 404 input tokens.", 7788),
        ("This model's maximum context length is 8192 tokens. However, you requested 20500 "
         "tokens.", 7788),
        ("input length and `max_tokens` exceed context limit: 190000 + 20096 > 200000, decrease "
         "input length or `max_tokens` and try again", 10_000),
        ("Input validation error: `inputs` tokens + `max_new_tokens` must be <= 4096. Given: 404 "
         "`inputs` tokens and 20096 `max_new_tokens`", 3692),
        ("max_tokens is too large: 20096. This model supports at most 16384 completion tokens, "
         "whereas you provided 20096.", 16_384),
        ("max_tokens: 20096 > 8192, which is the maximum allowed number of output tokens for "
         "claude-x", 8192),
        ("Invalid max_tokens value, the valid range of max_tokens is [1, 8192]", 8192),
        ("`max_tokens` must be less than or equal to `8192`, the maximum value", 8192),
        ("Invalid 'max_tokens': integer above maximum value. Expected a value <= 8192, but got "
         "20096 instead.", 8192),
        ("<400> InternalError.Algo.InvalidParameter: Range of max_tokens should be [1, 8192]",
         8192),
        ("The maximum tokens you requested exceeds the model limit of 8192. Try again with a "
         "maximum tokens value that is lower than 8192.", 8192),
        ("Unable to submit request because it has a maxOutputTokens value of 20096 but the "
         "supported range is from 1 (inclusive) to 8193 (exclusive).", 8192),
        ("This model's maximum context length is 8,192 tokens. However, your messages resulted in "
         "9,000 tokens.", -808),
        ("This model's maximum context length is 8192 tokens.", None),
        ("The request exceeds the available context size.", None),
        ("Slow down.", None),
        ("", None),
    ],
)  # fmt: skip
def test_the_words_of_known_servers_tell_how_much_room_there_is(said, room):
    limits = read_limits(said)
    assert (limits.room(20_096) if limits else None) == room


@pytest.mark.parametrize(
    "said",
    [
        "input length and `max_tokens` exceed context limit: 3500 + 600 > 4096, decrease it",
        "`inputs` tokens + `max_new_tokens` must be <= 4096. Given: 3500 `inputs` tokens and 600 "
        "`max_new_tokens`",
    ],
)
def test_a_limit_of_question_and_answer_is_none_of_the_answer_alone(said):
    assert read_limits(said) == TokenLimits(window=4096, prompt=3500)


# -- what is known is settled before sending -----------------------------------------------------


def settled(kind: str, model: str, **more) -> RequestBuilder:
    key = {"gemini": "AQ.k"}.get(kind, "k")
    return RequestBuilder(
        ResolvedVariant("c", Connection(kind, api_key=key), model, **more), SCHEMA
    )


@pytest.mark.parametrize(
    ("kind", "model", "most"),
    [
        ("openai", "gpt-4o", 16_384),
        ("openai", "gpt-4o-mini-2024-07-18", 16_384),
        ("openai", "gpt-4.1", 32_768),
        ("openai", "gpt-6-luna", 128_000),
        ("anthropic", "claude-haiku-4-5-20251001", 64_000),
        ("gemini", "gemini-3.8-flash", 65_536),
    ],
)
def test_a_limit_above_the_models_own_is_lowered_and_told(kind, model, most):
    manner = settled(kind, model, max_output_tokens=200_000)
    assert manner.max_output_tokens == most
    assert f"lowered from 200,000 to {most:,} tokens" in manner.notes[0]
    assert settled(kind, model, max_output_tokens=most).notes == ()


@pytest.mark.parametrize(
    ("kind", "model", "effort", "sent"),
    [
        ("openai", "gpt-6-luna", "least", True),
        ("openai", "gpt-6-luna", "high", False),
        ("openai", "gpt-6-luna", "vendor", False),
        ("openai", "gpt-5.4", "low", False),
        ("openai", "gpt-5.1", "least", True),
        ("openai", "gpt-6.2-sol", "least", False),
        ("openai", "gpt-5-mini", "least", False),
        ("openai", "gpt-4o", "high", True),
        ("anthropic", "claude-sonnet-4-6", "least", False),
        ("anthropic", "claude-haiku-4-5", "high", False),
        ("gemini", "gemini-3.5-flash", "high", True),
        ("gemini", "gemini-3.8-flash", "least", False),
    ],
)
def test_a_temperature_that_would_be_refused_beside_thinking_is_not_sent_and_told(
    kind, model, effort, sent
):
    manner = settled(kind, model, effort=effort, temperature=0.2)
    assert (manner.temperature is not None) is sent
    told = [note for note in manner.notes if note.startswith("The temperature was not sent")]
    assert bool(told) is not sent


def test_a_level_for_a_model_that_does_not_think_is_not_sent_and_told():
    manner = settled("openai", "gpt-4o", effort="high")
    assert (manner.effort_sent, manner.max_output_tokens) == (None, LEAST)
    assert manner.notes == ("The thinking level was not sent: gpt-4o does not think.",)


def test_the_estimate_goes_by_what_is_sent(far_end):
    server = Server(LUNA)
    connection = azure(far_end(server))
    plan = Plan(
        (ResolvedVariant("c", connection, "claims"),), (Document("t", "Total 1", SCHEMA, None),)
    )
    before = estimate(plan)
    assert before.unpriced == ("c",)
    ask(asker(connection))
    after = estimate(plan)
    luna = ResolvedVariant("c", Connection("openai", api_key="k"), "gpt-6-luna")
    known = estimate(Plan((luna,), plan.texts))
    assert (after.unpriced, after.cost_high, after.tokens_out) == (
        (), known.cost_high, known.tokens_out,
    )  # fmt: skip
    assert capability.record_of(connection, "claims").facts.served == LUNA
