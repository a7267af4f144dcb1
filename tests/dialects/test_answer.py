"""Thinking that a server left in an answer is told apart by its marks, and never taken for one."""

from __future__ import annotations

import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmwidgets.dialects import anthropic, gemini, openai
from llmwidgets.dialects.answer import fenced_block, separate_thinking
from llmwidgets.dialects.types import HTTPResponse

DRAFT, ANSWER = '{"total": 1}', '{"total": 2}'
MARKS = {
    "<think>": ("<think>", "</think>"),
    "<thinking>": ("<thinking>", "</thinking>"),
    "<thought>": ("<thought>", "</thought>"),
    "<reasoning>": ("<reasoning>", "</reasoning>"),
    "<thoughts>": ("<thoughts>", "</thoughts>"),
    "<analysis>": ("<|analysis|>", "<|/analysis|>"),
    "<reflection>": ('<reflection time="3 s">', "</reflection>"),
    "<scratchpad>": ("<scratchpad>\n", "</scratchpad>"),
    "<unused94>": ("<unused94>thought\n", "<unused95>"),
    "[THINK]": ("[THINK]", "[/THINK]"),
    "◁think▷": ("◁think▷", "◁/think▷"),
    "<seed:think>": ("<seed:think>", "</seed:think>"),
    "<|begin_of_thought|>": ("<|begin_of_thought|>", "<|end_of_thought|>"),
    "<|START_THINKING|>": ("<|START_THINKING|>", "<|END_THINKING|>"),
    "<|channel>thought": ("<|channel>thought\n", "<channel|>"),
    "my thought process:": ("Here is my thought process:", "Here is my response:"),
    "<|channel|>analysis": (
        "<|channel|>analysis<|message|>",
        "<|end|><|start|>assistant<|channel|>final<|message|>",
    ),
}
BOTH = pytest.mark.parametrize("name", MARKS)


@BOTH
@pytest.mark.parametrize("thought", ["", "hm", DRAFT, f"```json\n{DRAFT}\n```", f"{DRAFT} or so?"])
@pytest.mark.parametrize("blank", ["", "\n\n"])
def test_the_answer_is_what_comes_after_the_thinking(name, thought, blank):
    opening, closing = MARKS[name]
    block = f"{opening}{thought}{closing}{blank}"
    assert separate_thinking(block + ANSWER) == (ANSWER, "")
    assert separate_thinking(blank + block + block + ANSWER) == (ANSWER, "")


@BOTH
@pytest.mark.parametrize("thought", ["hm", f"{DRAFT} or so?", f"Perhaps {DRAFT}?"])
def test_the_end_alone_is_enough(name, thought):
    """Chat templates that open the block themselves leave only its end in the answer."""
    assert separate_thinking(thought + MARKS[name][1] + ANSWER) == (ANSWER, "")


@BOTH
@pytest.mark.parametrize("thought", ["hm", DRAFT, f"```json\n{DRAFT}\n```"])
def test_thinking_without_an_answer_is_no_answer(name, thought):
    opening, closing = MARKS[name]
    for text in (opening + thought, opening + thought + closing, f"{opening}{thought}{closing}\n"):
        assert separate_thinking(text) == ("", name)


@BOTH
def test_what_comes_before_unended_thinking_is_not_read_as_the_answer(name):
    opening, _ = MARKS[name]
    text, mark = separate_thinking(f"{DRAFT}{opening}No, wait.")
    assert (text.strip() == DRAFT, mark) == (False, name)
    assert separate_thinking(f"Well. {opening}{DRAFT}") == ("Well. ", name)


@BOTH
def test_a_mark_in_a_value_is_a_value(name):
    for mark in MARKS[name]:
        record = json.dumps({"a": f"x {mark} y", "b": mark}, ensure_ascii=False)
        for text in (record, f"```json\n{record}\n```"):
            assert separate_thinking(text) == (text, "")
        assert separate_thinking(f"hm</think>{record}") == (record, "")


@pytest.mark.parametrize(
    "text",
    [
        "<|channel|>analysis<|message|>hm<|start|>assistant<|channel|>final<|message|>" + ANSWER,
        "<|start|>assistant<|channel|>final <|constrain|>json<|message|>" + ANSWER + "<|return|>",
        f"<|channel|>analysis<|message|>{DRAFT}<|end|><|start|>assistant<|channel|>commentary"
        f"<|message|>{DRAFT}<|end|><|start|>assistant<|channel|>final<|message|>{ANSWER}",
        f"analysisWe need {DRAFT}, do we?assistantfinal{ANSWER}",
        f"analysisWe need {DRAFT}, do we?assistantfinal json{ANSWER}",
        f"<think>hm</think>\n<answer>\n{ANSWER}\n</answer>",
        f"<|START_THINKING|>hm<|END_THINKING|><|START_RESPONSE|>{ANSWER}<|END_RESPONSE|>",
        f"{ANSWER}<|im_end|>",
        f"{ANSWER}<|eot_id|>\n<|end_of_text|>\n",
        f"<|im_start|>assistant\n{ANSWER}</s>",
        f"<Think>hm</Think>{ANSWER}",
    ],
)
def test_what_a_template_writes_around_an_answer_is_left_out(text):
    assert separate_thinking(text)[0].strip() == ANSWER


@given(st.text(st.characters(exclude_characters="<[◁"), max_size=40), st.sampled_from(list(MARKS)))
def test_whatever_was_thought_the_answer_is_read_and_no_draft_is(thought, name):
    opening, closing = MARKS[name]
    if "thought process" in thought or "assistantfinal" in thought:
        return
    assert separate_thinking(opening + thought + closing + ANSWER) == (ANSWER, "")
    assert separate_thinking(opening + thought + DRAFT) == ("", name)


@given(st.recursive(
    st.none() | st.integers() | st.sampled_from([*sum(MARKS.values(), ()), "<|im_end|>", "```"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner),
))  # fmt: skip
def test_json_is_left_as_it_is(value):
    text = json.dumps({"value": value}, ensure_ascii=False)
    assert separate_thinking(text) == (text, "")


@pytest.mark.parametrize(
    "piece",
    [
        '</think>{"a":"', "<think></think>", "</think><think>", "<|im_end|>", " \n", "```json\n{",
        "<|start|> ", "<|channel|> ", '</think>{"\\', '</think>["', "assistantfinal ", "<",
    ],
)  # fmt: skip
def test_no_reply_takes_long(piece):
    """Linear, which takes a quarter of a second: a quadratic search would take a minute."""
    text = piece * (300_000 // len(piece))
    started = time.process_time()
    separate_thinking(f"<{text}")
    separate_thinking(f"{text}<")
    fenced_block(text)
    assert time.process_time() - started < 3


@pytest.mark.parametrize(
    ("text", "block"),
    [
        (f"Here it is:\n```json\n{ANSWER}\n```\nAnything else?", ANSWER),
        (f"Here it is: ```json\n{ANSWER}\n```", ANSWER),
        (f"```json {ANSWER}``` as you asked.", ANSWER),
        (f"Sure:\n\n```\n{ANSWER}\n```", ANSWER),
        (f"Sure:\r\n```JSON\r\n{ANSWER}\r\n```\r\n", ANSWER),
        ('So: ```json\n{"a": "```"}\n``` [1]', '{"a": "```"}'),
        ("So:\n```json\n[1]\n```", "[1]"),
        (f"```json\n{DRAFT}\n```\nor\n```json\n{ANSWER}\n```", None),
        (f"First {DRAFT}, so:\n```json\n{ANSWER}\n```", None),
        (f"```json\n{ANSWER}\n```\nor rather {DRAFT}", None),
        (f"Well <think>\n```json\n{DRAFT}\n```", None),
        (f"It is {ANSWER}.", None),
        (f"So:\n```json\n{ANSWER}", None),
        ("So:\n```json\n{'a': 1}\n```", None),
        ("So:\n```json\nno\n```", None),
        ("``````", None),
    ],
)
def test_a_block_in_prose_is_found_if_it_is_the_only_json(text, block):
    assert fenced_block(text) == block


def payload(body: object) -> HTTPResponse:
    return HTTPResponse(200, {}, json.dumps(body).encode(), 0.1)


def chat(content: object, **message: object) -> HTTPResponse:
    choice = {"finish_reason": "stop", "message": {"content": content, **message}}
    return payload({"id": "r", "choices": [choice]})


def messages(*blocks: dict) -> HTTPResponse:
    return payload({"type": "message", "content": list(blocks), "stop_reason": "end_turn"})


def contents(*parts: dict) -> HTTPResponse:
    return payload({"candidates": [{"content": {"parts": list(parts)}, "finishReason": "STOP"}]})


THOUGHT = {"type": "thinking", "thinking": DRAFT}


@pytest.mark.parametrize(
    ("dialect", "response", "text", "thinking"),
    [
        (openai, chat(None, reasoning_content=DRAFT), "", "reasoning_content"),
        (openai, chat("", reasoning=DRAFT), "", "reasoning"),
        (openai, chat("\n", reasoning_details=[{"text": DRAFT}]), "\n", "reasoning_details"),
        (openai, chat([THOUGHT]), "", "thinking"),
        (openai, chat(f"[THINK]{DRAFT}"), "", "[THINK]"),
        (openai, chat(ANSWER, reasoning_content=DRAFT), ANSWER, ""),
        (openai, chat(None), "", ""),
        (anthropic, messages(THOUGHT), "", "thinking"),
        (anthropic, messages({"type": "redacted_thinking", "data": "x"}), "", "redacted_thinking"),
        (anthropic, messages({"type": "text", "text": f"<think>{DRAFT}"}), "", "<think>"),
        (anthropic, messages(THOUGHT, {"type": "text", "text": ANSWER}), ANSWER, ""),
        (gemini, contents({"text": DRAFT, "thought": True}), "", "thought"),
        (gemini, contents({"text": f"<thought>{DRAFT}</thought>{ANSWER}"}), ANSWER, ""),
        (gemini, contents({"text": DRAFT, "thought": True}, {"text": ANSWER}), ANSWER, ""),
    ],
)
def test_each_format_says_where_the_thinking_is_if_it_took_the_answers_place(
    dialect, response, text, thinking
):
    reply = dialect.decode(response)
    assert (reply.text, reply.thinking) == (text, thinking)


@pytest.mark.parametrize("fence", ["```", "````", "~~~"])
@pytest.mark.parametrize("label", ["", "json", " json", "JSON", "json5", "javascript", "json\r"])
def test_a_block_is_found_under_any_fence_and_label(fence, label):
    assert fenced_block(f"Here:\n{fence}{label}\n{ANSWER}\n{fence}\nAnything else?") == ANSWER
