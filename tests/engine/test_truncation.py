"""A server that read only a part of a question is told by its own count of tokens."""

from __future__ import annotations

import base64
import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import llmwidgets as lw
from llmwidgets.connections import Connection
from llmwidgets.dialects.types import Example
from llmwidgets.engine.request_builder import (
    Document,
    ReadRange,
    RequestBuilder,
    ResolvedVariant,
    bound_fewest,
    cut_input,
)
from llmwidgets.schemas import read_schema

SCHEMA = read_schema([{"name": "total", "type": "number", "required": True}])
OLLAMA = Connection("custom", name="m", endpoint="http://localhost:11434/v1")
OTHER = Connection("custom", name="m", endpoint="http://localhost:8000/v1")
OPENAI = Connection("openai", api_key="made-up-key")
PROSE = "The insured party reported the damage on Monday and asked for an appraisal. "


_DICE = random.Random(1)
WHOLE = {
    "English": (PROSE * 300, 4201),
    "call signs": ("alpha bravo charlie delta echo foxtrot golf hotel india juliet kilo"
                   " lima " * 250, 4000),
    "German": ("Die Versicherungsnehmerin meldete den Schaden am Montag und bat um eine"
               " Begutachtung. " * 200, 3801),
    "Polish": ("Ubezpieczony zgłosił szkodę w poniedziałek i poprosił o wycenę rzeczoznawcy. "
               * 200, 6001),
    "Chinese": ("保险公司收到了客户提交的理赔申请书，并且要求对受损的房屋进行评估。"
                "中华人民共和国的经济发展取得了巨大的成就。" * 100, 2300),
    "Japanese": ("保険会社は顧客から提出された保険金請求書を受け取り、"
                 "損傷した家屋の査定を求めました。" * 120, 3000),
    "Korean": ("보험회사는 고객이 제출한 보험금 청구서를 접수하고 손상된 주택에 대한 평가를"
               " 요청했습니다. " * 120, 3241),
    "Thai": ("บริษัทประกันภัยได้รับแบบฟอร์มการเรียกร้องค่าสินไหมทดแทนจากลูกค้า " * 150, 2851),
    "Hindi": ("बीमा कंपनी को ग्राहक द्वारा प्रस्तुत दावा प्रपत्र प्राप्त हुआ और उसने मूल्यांकन का"
              " अनुरोध किया। " * 120, 2162),
    "Arabic": ("تلقت شركة التأمين نموذج المطالبة المقدم من العميل وطلبت تقييم المنزل المتضرر. "
               * 120, 2641),
    "Russian": ("Страховая компания получила заявление клиента и запросила оценку"
                " повреждённого дома. " * 150, 2551),
    "Greek": ("Η ασφαλιστική εταιρεία έλαβε την αίτηση του πελάτη και ζήτησε εκτίμηση του"
              " σπιτιού. " * 150, 4501),
    "digits": ("".join(_DICE.choice("0123456789") for _ in range(12_000)), 4000),
    "base64": (base64.b64encode(_DICE.randbytes(6000)).decode(), 5462),
    "emoji": ("🎉🚀👍🔥✨😀🇩🇪" * 900, 7200),
    "table": ("12.50 EUR 7 x 4711-A | " * 500, 6500),
    "code": ("    if answer is not None:\n        return parse(answer, strict=True)\n\n" * 150,
             2250),
    "rulers": (("Total" + " " * 400 + "12.50\n" + "-" * 120 + "\n") * 600, 7200),
    "one letter": ("X" * 20_000, 1250),
    "long words": ("Internationalization responsibilities; administrative representatives"
                   " communicated. " * 150, 1201),
}  # fmt: skip
"""Texts, and the fewest tokens that any of seven tokenizers makes of each, counted whole: those of
GPT-4o, GPT-4, DeepSeek V3, Qwen 3, Gemma 3, Llama 3.1 and Mistral 7B."""
INSTRUCTIONS = 176
"""The same of the default instructions."""


def builder_of(connection: Connection = OLLAMA, schema=SCHEMA, **more) -> RequestBuilder:
    return RequestBuilder(ResolvedVariant("c", connection, "m", **more), schema)


def found(words: str, read: int | None, connection: Connection = OLLAMA):
    return cut_input(builder_of(connection), Document("t", words, SCHEMA, None), read)


def test_it_names_what_was_read_of_how_much_and_what_to_set():
    failure = found(PROSE * 300, 4096)
    assert failure.message == "Ollama read 4,096 of about 6,000 tokens."
    assert "OLLAMA_CONTEXT_LENGTH" in failure.hint
    assert not failure.scored
    assert found(PROSE * 300, 4096, OTHER).message.startswith("The server read 4,096")


@pytest.mark.parametrize(
    ("words", "read"),
    [
        (PROSE * 300, 2048),
        (PROSE * 300, 3000),
        (PROSE * 260, 4096),
        ("Rechnungsempfänger: Hausverwaltungsgesellschaft mbH. " * 400, 2048),
        ("12.50 EUR 7 x 4711-A | " * 1000, 4096),
        ("保険金請求書を受け取りました。" * 600, 2048),
    ],
)
def test_a_count_far_below_our_own_is_a_cut(words, read):
    assert found(words, read) is not None


@pytest.mark.parametrize(
    ("words", "read"),
    [
        (PROSE * 300, 5200),
        (PROSE * 300, 4100),
        (PROSE * 10, 3),
        (PROSE * 300, None),
        ("保険金請求書を受け取りました。" * 600, 5400),
        ("Total" + " " * 400 + "12.50\n" + "-" * 120 + "\n", 60),
        (("Total" + " " * 400 + "12.50\n" + "-" * 120 + "\n") * 100, 2600),
    ],
)
def test_a_tokenizer_of_another_measure_is_no_cut(words, read):
    """Blanks and rulers are few tokens; a short text proves nothing."""
    assert found(words, read) is None


@pytest.mark.parametrize("name", WHOLE)
def test_no_whole_text_is_called_cut_by_the_thriftiest_tokenizer(name):
    words, fewest = WHOLE[name]
    # The instructions are read as well, and the template's own tokens.
    assert found(words, fewest + INSTRUCTIONS) is None
    assert found(words * 3, 3 * fewest + INSTRUCTIONS) is None


@settings(deadline=None, max_examples=60)
@given(st.lists(st.sampled_from(list(WHOLE)), min_size=1, max_size=6), st.floats(1, 4))
def test_nor_is_any_mixture_of_them_by_any_tokenizer(names, measure):
    fewest = sum(WHOLE[name][1] for name in names) + INSTRUCTIONS
    # An odd number is no context's size.
    read = int(fewest * measure) | 1
    assert found("\n".join(WHOLE[name][0] for name in names), read) is None


@pytest.mark.parametrize("name", ["English", "call signs", "German", "Chinese", "code", "digits"])
def test_half_a_text_is_called_cut(name):
    words, fewest = WHOLE[name]
    assert found(words * 2, fewest + INSTRUCTIONS) is not None


@pytest.mark.parametrize("context", [4096, 8192, 16_384, 32_768, 65_536])
@pytest.mark.parametrize("name", ["English", "Polish", "Chinese", "Thai", "Arabic", "table"])
def test_half_a_context_of_ollama_is_called_cut_in_any_script(name, context):
    """Of what is longer than its context it keeps two tokens more than half of it."""
    words, fewest = WHOLE[name]
    longer = words * (context // fewest + 1)
    assert found(longer, context // 2 + 2) is not None


# -- all that was sent ----------------------------------------------------------------------------

_SAID = "the value of this field as it stands in the document, copied as written, else null"
ROWS = [{"name": f"field_{at}", "type": "string", "description": _SAID} for at in range(40)]
FIELDS = read_schema(ROWS)
CALL_SIGNS = "alpha bravo charlie delta echo foxtrot golf hotel india juliet " * 200


@pytest.mark.parametrize(
    ("read", "in_prompt", "cut"),
    [
        (2051, True, True),
        (2051, False, False),
        (2401, True, True),
        (2401, False, False),
        (4201, True, False),
        (4201, False, False),
        # Half of a context of 4,096 in Ollama.
        (2050, True, True),
        (2050, False, True),
    ],
)
def test_the_schema_counts_where_the_model_reads_it(read, in_prompt, cut):
    """2,000 words and 40 described fields: a grammar is made of a schema that is enforced."""
    failure = cut_input(
        builder_of(OTHER, FIELDS),
        Document("t", CALL_SIGNS, FIELDS, None),
        read,
        schema_in_prompt=in_prompt,
    )
    assert (failure is not None) is cut


def test_instructions_and_examples_count_as_well():
    short = Document("t", PROSE * 20, SCHEMA, None)
    assert cut_input(builder_of(), short, 801) is None
    told = cut_input(builder_of(instructions=PROSE * 300), short, 801)
    assert told.message == "Ollama read 801 of about 6,100 tokens."
    examples = (Example(PROSE * 150, {"total": 1}), Example(PROSE * 150, {"total": 2}))
    assert cut_input(builder_of(examples=examples), short, 801) is not None


@pytest.mark.parametrize(
    ("enforces", "read", "status"),
    [
        ("json_schema", 2401, "ok"),
        ("json_schema", 2050, "CutInput"),
        ("nothing", 2401, "CutInput"),
        ("nothing", 4601, "ok"),
    ],
)
def test_what_a_server_reads_is_judged_by_what_it_does_with_the_schema(
    far_end, model, enforces, read, status
):
    async def answer(wire) -> None:
        wire.chat(json.dumps(dict.fromkeys((f"field_{at}" for at in range(40)), "x")),
                  prompt_tokens=read)  # fmt: skip

    model.enforces, model.replies = {enforces}, {"alpha": answer}
    connection = Connection("custom", name="m", endpoint=far_end(model).url)
    told = lw.extract(ROWS, CALL_SIGNS, connection, journal=False)
    assert told.status == status


def test_vendors_refuse_what_is_too_long_and_are_not_doubted():
    assert found(PROSE * 300, 2048, OPENAI) is None


@settings(deadline=None)
@given(st.integers(300, 2000), st.floats(0.75, 1.5))
def test_whatever_is_read_within_the_range_of_tokenizers_is_no_cut(times, measure):
    words = PROSE * times
    # A count that is a context's very size is no accident.
    read = int(len(words) / 4 * measure) // 1000 * 1000 + 7
    assert found(words, read) is None


@given(
    st.text(st.sampled_from("abXYZ 0189.,;-_!…—“é ñЖяԀ中日。、한글ꀀ😀αβעקآ\u0301\n\t\x03҂×"))
    | st.text()
)
def test_the_quick_bound_is_never_below_the_fewest(text):
    """So that what it lets pass unlooked is never a cut."""
    assert bound_fewest(text) >= ReadRange.of(text).fewest - 1e-9
