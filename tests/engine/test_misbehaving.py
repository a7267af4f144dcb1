"""Whatever a server does, each text ends in its own class, and nothing wrong is called right."""

from __future__ import annotations

import asyncio
import json
import re
from collections import Counter
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import llmwidgets as lw
from llmwidgets.dialects.types import Enforcement
from llmwidgets.engine import capability, run
from llmwidgets.engine.network import egress, retry
from llmwidgets.errors import FAILURES
from tests.engine.conftest import Seen, Wire, serving

SCHEMA = {
    "title": "Bill",
    "type": "object",
    "properties": {"total": {"type": "number"}, "buyer": {"type": "string"}},
    "required": ["total", "buyer"],
    "additionalProperties": False,
}
RIGHT = {"total": 12.5, "buyer": "Bolt"}
LONG = "The insured party reported the damage on Monday and asked for an appraisal. " * 300
DEAD = {"Unreachable", "Unauthorized", "Forbidden", "UnknownModel", "QuotaExhausted", "RateLimited"}


@dataclass(frozen=True)
class Act:
    """What the server does with one text, and the class that the text ends in."""

    does: Callable[[Wire], Awaitable[None]]
    expected: str
    note: str = ""


def says(
    content: object, finish: str = "stop", **more: object
) -> Callable[[Wire], Awaitable[None]]:
    text = content if isinstance(content, str) else json.dumps(content)
    message = {"role": "assistant", "content": text, **dict(more.pop("message", {}))}  # type: ignore[call-overload]
    choice = {"index": 0, "finish_reason": finish, "message": message}
    whole = {
        "id": "r",
        "model": "m",
        "choices": [choice],
        "usage": {"prompt_tokens": 6000, "completion_tokens": 10},
        **more,
    }

    async def act(wire: Wire) -> None:
        wire.answer(whole)

    return act


def refuses(status: int, body: object) -> Callable[[Wire], Awaitable[None]]:
    async def act(wire: Wire) -> None:
        wire.answer(body, status)

    return act


def writes(
    *pieces: bytes, pause: float = 0.0, close: bool = True
) -> Callable[..., Awaitable[None]]:
    async def act(wire: Wire) -> None:
        for piece in pieces:
            wire.write(piece)
            await wire.drain()
            await asyncio.sleep(pause)
        if close:
            wire.close()

    return act


def _dripped() -> list[bytes]:
    body = json.dumps(
        {"choices": [{"finish_reason": "stop", "message": {"content": json.dumps(RIGHT)}}]}
    ).encode()
    head = f"HTTP/1.1 200 OK\r\ncontent-length: {len(body)}\r\n\r\n".encode()
    return [head, *(body[i : i + 9] for i in range(0, len(body), 9))]


def error(message: str, code: object = None) -> dict[str, object]:
    return {"error": {"message": message, "type": "x", "param": None, "code": code}}


HALF = b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\ncontent-length: 400\r\n\r\n{"
ACTS: dict[str, Act] = {
    "honours": Act(says(RIGHT), "ok"),
    "fences": Act(says(f"```json\n{json.dumps(RIGHT)}\n```"), "ok"),
    "thinks": Act(says(f"<think>{{\"total\": 9}} or so?</think>{json.dumps(RIGHT)}"), "ok"),
    "drips": Act(writes(*_dripped(), pause=0.005), "ok"),
    "anothermodel": Act(says(RIGHT, model="other-model"), "ok", "other-model"),
    "ignores": Act(says({"weather": "fine"}), "InvalidRecord"),
    "wrongtype": Act(says({"total": "much", "buyer": "Bolt"}), "InvalidRecord"),
    "addsakey": Act(says({**RIGHT, "comment": "sure"}), "InvalidRecord"),
    "list": Act(says([RIGHT]), "InvalidRecord"),
    "talks": Act(says(f"Here it is: {json.dumps(RIGHT)}"), "InvalidJSON"),
    "repeatskeys": Act(says('{"total": 12.5, "buyer": "Bolt", "total": 99}'), "InvalidJSON"),
    "nan": Act(says('{"total": NaN, "buyer": "Bolt"}'), "InvalidJSON"),
    "empty": Act(says(""), "InvalidJSON"),
    "cutquietly": Act(says(json.dumps(RIGHT)[:14]), "InvalidJSON"),
    "neverstopsthinking": Act(says("<think>Let me see. The total may"), "InvalidJSON"),
    "truncates": Act(says(json.dumps(RIGHT)[:14], "length"), "Truncated"),
    "wholebutlimit": Act(says(RIGHT, "length"), "Truncated"),
    "declines": Act(says("", message={"refusal": "I will not."}), "Refused"),
    "filters": Act(says("", "content_filter"), "Filtered"),
    "filterstext": Act(refuses(400, error("filtered", "content_filter")), "Filtered"),
    "cutsprompt": Act(
        says(RIGHT, usage={"prompt_tokens": 2048, "completion_tokens": 9}), "CutInput"
    ),
    "errorbody": Act(refuses(200, error("busy", 503)), "Overloaded"),
    "failsbehind": Act(says(RIGHT, "error"), "Overloaded"),
    "errorinchoice": Act(
        refuses(200, {"choices": [{"finish_reason": "error", "error": {"code": 502, "message": "x"},
                                   "message": {"content": json.dumps(RIGHT)[:14]}}]}), "Overloaded"
    ),
    "limitinchoice": Act(
        refuses(200, {"choices": [{"error": {"code": 429, "message": "slow down"}}]}), "RateLimited"
    ),
    "keyinchoice": Act(
        refuses(200, {"choices": [{"error": {"code": 401, "message": "no"}}]}), "Unauthorized"
    ),
    "breaksoff": Act(says(json.dumps(RIGHT)[:14], None), "Overloaded"),  # type: ignore[arg-type]
    "nullchoices": Act(refuses(200, {"id": "r", "choices": None}), "Overloaded"),
    "overloaded": Act(refuses(503, error("busy")), "Overloaded"),
    "broken": Act(refuses(500, {"error": "CUDA out of memory"}), "Overloaded"),
    "html": Act(writes(b"HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 13\r\n\r\n"
                       b"<html></html>", close=False), "Unreachable"),
    "nochoice": Act(refuses(200, {"choices": []}), "Unreachable"),
    "otherjson": Act(refuses(200, {"hello": "world"}), "Unreachable"),
    "resets": Act(writes(HALF), "Unreachable"),
    "hangsup": Act(writes(), "Unreachable"),
    "fallssilent": Act(writes(HALF, pause=60), "Unreachable"),
    "redirects": Act(writes(b"HTTP/1.1 302 Found\r\nlocation: https://elsewhere.example/\r\n"
                            b"content-length: 0\r\n\r\n", close=False), "Unreachable"),
    "nonsense": Act(writes(b"SSH-2.0-OpenSSH_9.6\r\n"), "Unreachable"),
    "key": Act(refuses(401, {"error": "Unauthorized"}), "Unauthorized"),
    "noright": Act(refuses(403, error("no")), "Forbidden"),
    "nomodel": Act(refuses(404, error("model m not found")), "UnknownModel"),
    "nocredit": Act(refuses(402, error("Insufficient Balance")), "QuotaExhausted"),
    "limits": Act(refuses(429, error("slow down")), "RateLimited"),
    "toolong": Act(refuses(400, error("maximum context length is 4096 tokens")), "TooLong"),
    "badrequest": Act(refuses(400, error("no")), "BadRequest"),
}  # fmt: skip


class Stage:
    """A server that does with each text what the text's own word says; it obeys the probe."""

    def __init__(self) -> None:
        self.asked: Counter[str] = Counter()

    async def __call__(self, seen: Seen, wire: Wire) -> None:
        form = seen.json.get("response_format", {})
        schema = form.get("json_schema", form).get("schema", {})
        document = str(seen.json["messages"][-1]["content"])
        word = re.search(r"Act: (\w+)", document)
        if word is None:
            probe = {name: rule["enum"][0] for name, rule in schema["properties"].items()}
            wire.chat(probe)
            return
        self.asked[word[1]] += 1
        await ACTS[word[1]].does(wire)


@pytest.fixture
def stage() -> Iterator[tuple[Stage, lw.Connection]]:
    played = Stage()
    with serving(played) as end:
        yield played, lw.Connection("custom", name="m", endpoint=end.url)


def text_for(word: str) -> str:
    return f"Act: {word}\n{LONG}"


@pytest.fixture
def impatient(monkeypatch: pytest.MonkeyPatch, word: str) -> None:
    """A server that falls silent is not waited for as long as it may be."""
    if word == "fallssilent":
        monkeypatch.setattr(egress, "PATIENT_SECONDS", 0.2)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("word", ACTS)
def test_each_misbehaviour_ends_in_its_class(stage, word):
    played, connection = stage
    told = lw.extract(SCHEMA, text_for(word), connection, journal=False)
    act = ACTS[word]
    assert told.status == act.expected
    assert told.record == (RIGHT if told.ok else None)
    assert told.failure is None if told.ok else type(told.failure) is FAILURES[act.expected]
    assert [note for note in told.notes if act.note in note] or not act.note
    assert played.asked[word] <= max(retry.RATE_LIMIT_TRIES, retry.OVERLOADED_TRIES)


@pytest.mark.usefixtures("impatient")
@pytest.mark.parametrize("word", ["resets", "hangsup", "fallssilent", "breaksoff", "nullchoices"])
def test_what_was_perhaps_answered_is_asked_at_most_once_more(stage, word):
    played, connection = stage
    told = lw.extract(SCHEMA, text_for(word), connection, journal=False)
    assert played.asked[word] == told.tries == retry.PERHAPS_ANSWERED_TRIES
    assert any("perhaps answered" in note for note in told.notes)


def test_input_that_was_cut_is_never_scored(stage):
    _, connection = stage
    texts = [text_for("honours"), text_for("cutsprompt")]
    compared = lw.compare(
        SCHEMA, texts, [connection], truth=[RIGHT, RIGHT], journal=False, progress=False
    )
    row = compared.scoreboard().iloc[0]
    assert (row["scored"], row["accuracy"], row["CutInput"]) == (1, 1.0, 1)


def _expected(words: list[str]) -> list[str]:
    """One after the other; three failures of the way in a row end the column in the third's."""
    found: list[str] = []
    in_a_row = 0
    for word in words:
        status = ACTS[word].expected
        in_a_row = in_a_row + 1 if status in DEAD else 0
        found.append(status)
        if in_a_row >= run.DEAD_AFTER:
            return found + [status] * (len(words) - len(found))
    return found


QUICK = sorted(set(ACTS) - {"fallssilent"})


def test_in_any_order_each_text_has_its_class_and_the_classes_add_up(stage):
    _, connection = stage

    @settings(max_examples=25, deadline=None)
    @given(st.lists(st.sampled_from(QUICK), min_size=1, max_size=9))
    def any_order(words: list[str]) -> None:
        texts = [{"id": str(n), "text": text_for(word)} for n, word in enumerate(words)]
        compared = lw.compare(
            SCHEMA, texts, [connection], truth=[RIGHT] * len(words), journal=False,
            progress=False, concurrency=1,
        )  # fmt: skip
        assert [each.status for each in compared] == _expected(words)
        board = compared.scoreboard().iloc[0]
        failures = sum(int(board[name]) for name in FAILURES if name in board)
        assert board["valid"] * len(words) + failures == pytest.approx(len(words))
        assert all(each.data == RIGHT for each in compared if each.ok)

    any_order()


class Former:
    """A server that takes some forms, obeys some, and refuses the others as it is told."""

    def __init__(self, obeys: set[str], takes: set[str], refusal: object) -> None:
        self.obeys, self.takes, self.refusal = obeys, takes, refusal
        self.forms: list[str] = []

    async def __call__(self, seen: Seen, wire: Wire) -> None:
        form = seen.json.get("response_format", {"type": "text"})
        beside = form["type"] == "json_object" and "schema" in form
        name = "json_object + schema" if beside else form["type"]
        self.forms.append(name)
        if name not in self.takes:
            wire.answer(self.refusal, 400)
            return
        schema = form.get("json_schema", form).get("schema", {})
        rules = schema.get("properties", {})
        riddle = {key: rule["enum"][0] for key, rule in rules.items() if "enum" in rule}
        if "total" in json.dumps(seen.json):
            wire.chat(RIGHT)
        elif name in self.obeys:
            wire.chat(riddle or {"weather": "fine"})
        else:
            wire.chat({"weather": "fine"} if form["type"] == "json_object" else "Sunny.")


ALL = {"json_schema", "json_object + schema", "json_object", "text"}
LM_STUDIO = {"error": "'response_format.type' must be 'json_schema' or 'text'"}
UNSUPPORTED = {"error": {"message": "response_format is not supported by this model"}}


@pytest.mark.parametrize(
    ("obeys", "takes", "refusal", "mode", "form"),
    [
        ({"json_schema"}, ALL, {}, Enforcement.SCHEMA, "json_schema"),
        ({"json_schema"}, {"json_schema", "text"}, LM_STUDIO, Enforcement.SCHEMA, "json_schema"),
        ({"json_object + schema"}, ALL, {}, Enforcement.SCHEMA, "json_object + schema"),
        (
            {"json_object + schema"},
            ALL - {"json_schema"},
            UNSUPPORTED,
            Enforcement.SCHEMA,
            "json_object + schema",
        ),
        ({"json_object"}, ALL, {}, Enforcement.JSON, "json_object"),
        ({"json_object"}, {"json_object", "text"}, UNSUPPORTED, Enforcement.JSON, "json_object"),
        (set(), {"text"}, UNSUPPORTED, Enforcement.TEXT, "text"),
        (set(), {"text"}, LM_STUDIO, Enforcement.TEXT, "text"),
    ],
)
def test_the_form_and_the_mode_are_what_the_server_was_seen_to_do(
    obeys, takes, refusal, mode, form
):
    """Nothing is called schema-enforced that was not."""
    former = Former(obeys, takes, refusal)
    with serving(former) as end:
        connection = lw.Connection("custom", name="m", endpoint=end.url)
        told = lw.extract(SCHEMA, "Bill of Bolt", connection, journal=False)
    assert (told.status, told.mode) == ("ok", mode)
    assert former.forms[-1] == form


def test_a_mode_found_once_holds_for_every_later_text(stage):
    played, connection = stage
    for _ in range(2):
        lw.extract(SCHEMA, text_for("honours"), connection, journal=False)
    assert played.asked["honours"] == 2
    assert capability.record_of(connection, "m").capability.mode is Enforcement.SCHEMA
