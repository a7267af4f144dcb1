"""A value is located where the text says it, however it is written there."""

from __future__ import annotations

import json
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmwidgets.analysis import grounding
from llmwidgets.analysis.grounding import SourceText, ground
from llmwidgets.analysis.leaves import leaves_of
from llmwidgets.analysis.scripts import joined
from llmwidgets.schemas import Leaf

LETTER = (
    "Invoice no. A-1957 of March 12th, 2024, due 01.04.2024.\n"
    "ACME  Gmbh, Kölner Straße 5, owes 1,250.50 euro (5 %), less $-20, by 14:30.\n"
    "Contact: Jonathan Smithers; 12 345 units of 7.5 mm; 3 Jan 2023."
)


def located(value: object, leaf: Leaf | None = None) -> tuple[str, str | None]:
    found = ground(value, LETTER, leaf)
    return found.kind, None if found.start is None else LETTER[found.start : found.end]


@pytest.mark.parametrize(
    ("value", "kind", "passage"),
    [
        ("A-1957", "exact", "A-1957"),
        ("Jonathan Smithers", "exact", "Jonathan Smithers"),
        (7.5, "exact", "7.5"),
        (5, "exact", "5"),
        ("acme gmbh", "normalised", "ACME  Gmbh"),
        ("KOLNER STRASSE 5", "normalised", "Kölner Straße 5"),
        (1250.5, "normalised", "1,250.50"),
        ("1250.50", "normalised", "1,250.50"),
        (-20, "exact", "-20"),
        (12345, "normalised", "12 345"),
        ("2024-03-12", "normalised", "March 12th, 2024"),
        ("2024-04-01", "normalised", "01.04.2024"),
        ("2023-01-03", "normalised", "3 Jan 2023"),
        ("2:30 pm", "normalised", "14:30"),
        ("Jonathon Smithers", "absent", None),
        (957, "absent", None),
        (195, "absent", None),
        (25, "absent", None),
        (250.5, "absent", None),
        ("2024-03-13", "absent", None),
        ("A-1958", "absent", None),
        ("Ada Lovelace", "absent", None),
        ("Smith", "absent", None),
        (None, "not applicable", None),
        ("", "not applicable", None),
        (True, "not applicable", None),
        (["A-1957"], "not applicable", None),
        ({}, "not applicable", None),
    ],
)
def test_where_a_value_stands(value, kind, passage):
    assert located(value) == (kind, passage)


def test_an_allowed_value_need_not_be_spelled_out():
    leaf = Leaf("kind", "enum", values=("invoice", "credit_note"))
    assert located("credit_note", leaf) == ("not applicable", None)
    assert located("invoice", leaf) == ("normalised", "Invoice")


def test_a_fuzzy_match_never_crosses_a_differing_digit():
    text = "Flat 12, Washington Boulevard"
    assert ground("Flat 13, Washington Boulevard", text).kind == "absent"
    assert ground("Flat 12, Washingtn Boulevard", text).kind == "fuzzy"


@given(st.text(max_size=60), st.text(max_size=12) | st.integers() | st.floats())
@settings(max_examples=200, deadline=None)
def test_offsets_always_slice_the_text(text, value):
    found = ground(value, text)
    if found.start is None:
        assert found.kind in {"absent", "not applicable"}
        assert found.end is None
    else:
        assert 0 <= found.start < found.end <= len(text)


WORDS = "harbour lantern velvet copper meadow thunder pocket ribbon saddle marble candle".split()  # noqa: SIM905


MADE_UP = "quartz blizzard jovial zephyr oxygen waltz fjord buzzing".split()  # noqa: SIM905


def test_planted_values_are_found_and_invented_ones_are_not():
    """Precision and recall of `absent` over 300 texts with values copied, rewritten, made up."""
    generator = random.Random(5)
    wrong_alarm = missed_alarm = 0
    for _ in range(300):
        name = " ".join(generator.sample(WORDS, 2)).title()
        amount = generator.randint(1000, 99_999) + 0.25
        other = " ".join(generator.sample(MADE_UP, 2)).title()
        text = f"{' '.join(generator.choices(WORDS, k=60))} {name.upper()} pays {amount:,.2f} now"
        source = SourceText(text)
        wrong_alarm += ground(name, source).kind == "absent"
        wrong_alarm += ground(amount, source).kind == "absent"
        missed_alarm += ground(other, source).kind != "absent"
        missed_alarm += ground(amount + 1, source).kind != "absent"
    assert wrong_alarm == 0
    assert missed_alarm == 0


@pytest.mark.parametrize(
    ("text", "kind", "passage"),
    [
        ("Due on 14 March, as agreed in 2025.", "normalised", "14 March"),
        ("Due on March 14th at noon", "fuzzy", "March 14th"),
        ("fällig am 14.3. in Ulm", "fuzzy", "14.3."),
        ("due 3/14, paid later", "fuzzy", "3/14"),
        ("Due on 15 March", "absent", None),
        ("the score was 14.3 of 20", "absent", None),
        ("March 14:30 on the clock", "absent", None),
    ],
)
def test_a_date_without_a_year_is_found(text, kind, passage):
    found = ground("2025-03-14", text)
    assert found.kind == kind
    assert passage is None or text[found.start : found.end] == passage


def test_the_absent_flag_is_precise_and_finds_what_was_planted(shared_data):
    """Real labels of real texts as they stand and rewritten; invented and copied ones absent."""
    folder = shared_data / "docubench"
    counts = {"true": 0, "missed": 0, "false": 0, "found": 0}
    documents = sorted((folder / "texts").iterdir())
    texts = [path.read_text("utf-8") for path in documents]
    for path, text in zip(documents, texts, strict=True):
        label = json.loads((folder / "labels" / f"{path.stem}.json").read_text("utf-8"))
        source = SourceText(text)
        values = _planted(label, text)
        for value in values:
            for writing in (value, value.upper(), f"  {value.replace(' ', chr(160))} "):
                found = ground(writing, source)
                counts["found" if found.kind != "absent" else "false"] += 1
                assert found.start is None or text[found.start : found.end]
        others = [each for each in texts if each is not text]
        copied = [each for each in _planted(_words(others), "".join(others)) if each not in text]
        invented = [f"{value[::-1]}q" for value in values] + copied[:40]
        for value in invented:
            kind = ground(value, source).kind
            counts["true" if kind == "absent" else "missed"] += 1
    assert counts["found"] > 100
    assert counts["true"] > 200
    assert counts["true"] / (counts["true"] + counts["false"]) >= 0.98
    assert counts["true"] / (counts["true"] + counts["missed"]) >= 0.95


def _planted(label, text):
    """The texts of a label that stand in the document word for word."""
    values = {str(value).strip() for _, _, value in leaves_of(None, label) if value}
    return sorted(value for value in values if len(value) > 4 and f" {value} " in text)[:60]


def _words(texts):
    return [" ".join(text.split()[at : at + 3]) for text in texts for at in range(0, 400, 7)]


@given(st.text("ab1,. ", max_size=40), st.text("ab1,. ", min_size=1, max_size=6))
def test_the_first_place_is_found_though_repeats_are_skipped(text, wanted):
    """Beside a look at every place; the text is repeated so that runs are long."""
    long = f"{text} {wanted * 30} {text}{wanted}"
    places = [at for at in range(len(long)) if long.startswith(wanted, at)]
    alone = [at for at in places if not joined(long, at) and not joined(long, at + len(wanted))]
    found = grounding._whole_words(long, wanted)
    assert (found[0] if found else None) == (alone[0] if alone else None)
