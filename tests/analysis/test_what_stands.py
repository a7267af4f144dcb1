"""What stands in a text: the rules by example, judged cases, and values planted in any script."""

from __future__ import annotations

import json
import re
from collections import Counter
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmwidgets.analysis import normalize
from llmwidgets.analysis.grounding import ground
from tests.analysis.what_stands import DOCUMENT, RULES, written

_PASSAGES = """
東京電力株式会社|北京华信科技有限公司|王小明|上海|김철수|삼성전자|수원|สมชายใจดี|เชียงใหม่|12500
1,480|3500|45,000|2500|１２|3|550,000|2025年3月4日|2023년 7월 15일|1.480|1.480|12.500|3~450|2.350
1.234,56|7,5|1'250|4 599,99|2.499,90|1.250,00|12,34,567.89|–5|–1.234,56|−42.10|1234.56|1234.56
250.00|4500|5|2 billion|250k|3 thousand|1,234.56|5|17. Oktober 2024|15 février 2024|4 marzo 2025
21 dicembre 2023|4 maart 2025|9 mei 2024|4 marca 2025|11 listopada 2024|25/12/18|4-Mar-25|12.11.24
4th of March 2025|García López, María|MÜLLER, Hans-Peter|Kowalski, Anna
DE89 3704 0044 0532 0130 00|interna-¶tional law|Siobhan O’Brien|INV-2024-001
The roof of the garge was damaged by the falling tree
Water leaked from the the dishwasher into the kitchen
Der Fahrer hat beim Abbiegen das Fahrad übersehen|rear bumper and left tail light were broken
"""
PASSAGES = _PASSAGES.strip().replace("\n", "|").replace("~", "\u00a0").replace("¶", "\n").split("|")
"""What says each value of the judged cases that is in its text, in their order."""


def passage(text: str, value: Any) -> str | None:
    found = ground(value, text)
    return None if found.start is None else text[found.start : found.end]


@pytest.mark.parametrize(
    ("text", "value", "expected"), [each for rule in RULES for each in rule.found]
)
def test_the_passage_of_an_example_is_found_exactly(text, value, expected):
    assert passage(text, value) == expected
    assert passage(f"{text}. {text}\n", value) == expected


@pytest.mark.parametrize(("text", "value"), [each for rule in RULES for each in rule.absent])
def test_an_example_that_does_not_stand_there_is_absent(text, value):
    assert ground(value, text).kind == "absent"


def test_the_table_in_the_documentation_is_that_of_the_tests():
    """`python -m tests.analysis.what_stands` has been run after the last change of an example."""
    document = DOCUMENT.read_text("utf-8")
    assert written(document) == document


def test_judged_cases_are_told_apart(shared_data):
    """Precision and recall of `absent`, over all languages and for each kind of value."""
    cases = json.loads((shared_data / "grounding.json").read_text("utf-8"))
    kinds = {}
    for kind, text, value, present in cases:
        absent = ground(value, text).kind == "absent"
        counts = kinds.setdefault(kind, Counter())
        counts[(absent, not present)] += 1
    together = sum(kinds.values(), Counter())
    for counts in (*kinds.values(), together):
        rightly, wrongly, missed = (counts[key] for key in
                                    ((True, True), (True, False), (False, True)))  # fmt: skip
        assert rightly / (rightly + wrongly) >= 0.95
        assert rightly / (rightly + missed) >= 0.95


def test_judged_passages_are_exact(shared_data):
    cases = json.loads((shared_data / "grounding.json").read_text("utf-8"))
    present = [(text, value) for _, text, value, there in cases if there]
    assert [passage(*case) for case in present] == PASSAGES


def test_words_for_nothing_are_not_looked_for():
    assert ground("N/A", "Dear Ada").kind == "not applicable"
    assert ground("not mentioned", "Dear Ada").kind == "not applicable"
    assert ground("N/A", "total: N/A").kind == "exact"


SPACED = (
    "a letter came for",
    "ein Brief kam an",
    "письмо пришло к",
    "رسالة وصلت إلى",
    "एक पत्र आया",
)
UNSPACED = ("手紙が届きました", "一封信寄到了", "จดหมายมาถึง", "ຈົດໝາຍມາຮອດ")
NAMES = ("Quibble Xanthe", "Жучков Эдем", "زكريا", "गज़ब", "鶴瓶", "王杰", "วัชร", "ຟ້າ", "욕지")


@given(
    st.lists(st.sampled_from((*SPACED, *UNSPACED)), max_size=4),
    st.lists(st.sampled_from((*SPACED, *UNSPACED)), max_size=4),
    st.sampled_from(NAMES) | st.integers(10_000, 99_999).map(str) | st.integers(10_000, 99_999),
)
@settings(max_examples=300, deadline=None)
def test_the_span_is_what_was_planted(before, after, value):
    """Between blanks anywhere; without any in a script that writes none."""
    head, tail, planted = " ".join(before), " ".join(after), str(value)
    text = f"{head} {planted} {tail}"
    found = ground(value, text)
    assert (found.kind, found.start, found.end) == ("exact", len(head) + 1, len(head + planted) + 1)
    if planted in NAMES[4:8] or planted.isdecimal():
        text = f"{UNSPACED[0]}{planted}{UNSPACED[1]}"
        found = ground(value, text)
        assert (found.start, found.end) == (len(UNSPACED[0]), len(UNSPACED[0]) + len(planted))


AMOUNTS = st.integers(1_000, 9_999_999).map(lambda cents: cents / 100)
STYLES = {
    "The total of the invoice is {} for you": ("{:,.2f}", ",."),
    "Der Betrag der Rechnung ist {} und nicht mehr": ("{:,.2f}", ".,"),
    "Le montant de la facture est {} pour vous": ("{:,.2f}", "\u202f,"),
    "合計は{}円です": ("{:,.2f}", ",."),
}


@given(AMOUNTS, st.sampled_from(sorted(STYLES)), st.booleans(), st.booleans())
@settings(max_examples=300, deadline=None)
def test_an_amount_is_found_as_its_language_writes_it(amount, sentence, owed, wide):
    form, marks = STYLES[sentence]
    shown = form.format(amount).translate(str.maketrans(",.", marks))
    if wide:
        shown = "".join(chr(ord(each) + 0xFEE0) if each.isdecimal() else each for each in shown)
    shown = f"−{shown}" if owed else shown
    value = -amount if owed else amount
    assert passage(sentence.format(shown), value) == shown
    assert ground(-value, sentence.format(shown)).kind == "absent"
    assert ground(value * 1000, sentence.format(shown)).kind == "absent"


DENIED = {
    "We {}cover damages by water in the cellar": "do not ",
    "Der Vertrag deckt Schäden am Haus {}ab": "nicht ",
    "La póliza {}cubre daños por agua": "no ",
    "Polisa {}obejmuje szkody od wody": "nie ",
    "Il contratto {}copre i danni da acqua": "non ",
    "De polis dekt {}schade door water": "geen ",
    "Полис {}покрывает ущерб от воды": "не ",
    "Försäkringen täcker {}skador av vatten": "inte ",
}


@pytest.mark.parametrize(("sentence", "denial"), DENIED.items())
def test_a_denial_dropped_or_added_is_an_invention(sentence, denial):
    said, denied = sentence.format(""), sentence.format(denial)
    assert ground(said, denied).kind == "absent"
    assert ground(denied, said).kind == "absent"
    assert ground(said, said).kind == ground(denied, denied).kind == "exact"


@given(st.from_regex(r"[A-Z]{2}[0-9]{5}[A-Z]?", fullmatch=True), st.integers(0, 7), st.data())
@settings(max_examples=200, deadline=None)
def test_an_identifier_with_one_other_character_is_absent(code, at, data):
    at %= len(code)
    same = "0123456789" if code[at].isdecimal() else "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
    other = data.draw(st.sampled_from([each for each in same if each != code[at]]))
    changed = code[:at] + other + code[at + 1 :]
    text = f"The policy {code} covers the house and the garden."
    assert passage(text, code) == code
    assert ground(changed, text).kind == "absent"
    assert ground(f"The policy {changed} covers the house", text).kind == "absent"


PIECES = st.sampled_from(
    [
        *"abMkG150 .,-/:@!#%+_'\"()\n\t=&é京\u0e34€",
        " kb",
        "5 MW",
        "1,234",
        "x.com",
        "a@b.de",
        "1'000",
    ]
)


@given(st.lists(PIECES, max_size=14).map("".join))
@settings(max_examples=300, deadline=None)
def test_plain_stretches_are_read_at_once_as_one_by_one(text):
    at_once = normalize.plain_with_offsets(text)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(normalize, "_EASY", re.compile(r"(?!)"))
        assert normalize.plain_with_offsets(text) == at_once
    assert len(at_once[0]) == len(at_once[1])
