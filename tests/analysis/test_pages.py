"""A text of several pages: its marks are not text, and what is found says its page."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmwidgets.analysis.grounding import Grounding, ground, mark_pages

WORDS = st.sampled_from(["Ada", "roof", "garage", "12.50", "7", "3 March", "of", "EUR", "Zürich,"])
PAGES = st.lists(st.lists(WORDS, max_size=8).map(" ".join), min_size=2, max_size=6)


def by_itself(value: object, pages: list[str]) -> Grounding:
    """What is found where the pages are only lines."""
    return ground(value, "\n".join(pages))


@given(PAGES, st.one_of(WORDS, st.integers(1, 12), st.sampled_from(["page", "page 2", "[page 3]"])))
def test_marks_change_nothing_but_the_place(pages, value) -> None:
    bare, marked = by_itself(value, pages), mark_pages(pages)
    found = ground(value, marked)
    assert found.kind == bare.kind
    if bare.start is None:
        assert found == bare
        return
    plain = "\n".join(pages)
    assert marked[found.start : found.end] == plain[bare.start : bare.end]
    assert found.page == 1 + plain[: bare.start].count("\n")
    assert marked[: found.start].count("\f") == found.page


@pytest.mark.parametrize(
    ("first", "value", "second"),
    [
        ("signed by Ada", "Ada Lovelace", "Lovelace today"),
        ("the exam-", "example", "ple of it"),
        ("on 12 March", "2024-03-12", "2024 in Bonn"),
        ("call +49 30", "+49 30 1234567", "1234567 now"),
        ("the roof of the garage fell", "the roof of the garge fell in March", "in March"),
    ],
)
def test_a_value_over_a_page_break_is_found_as_over_a_line_break(first, value, second) -> None:
    bare = by_itself(value, [first, second])
    assert bare.start is not None
    text = mark_pages([first, second])
    found = ground(value, text)
    assert (found.kind, found.page) == (bare.kind, 1)
    bare_words = f"{first}\n{second}"[bare.start : bare.end]
    assert text[found.start : found.end] == bare_words.replace("\n", "\n\f[page 2]\n")


@pytest.mark.parametrize("text", ["One\fTwo 42\fThree\f", "One\n\fTwo 42\n\fThree\n\f"])
def test_form_feeds_alone_are_page_breaks(text) -> None:
    """What pdftotext writes, one at the end of each page."""
    found = ground(42, text)
    assert (text[found.start : found.end], found.page) == ("42", 2)
    assert [ground(each, text).page for each in ("One", "Three")] == [1, 3]


def test_a_text_without_pages_has_none() -> None:
    for text in ("42", "42\f", "[page 2]\n42", mark_pages(["42"])):
        assert ground(42, text).page is None
    assert ground(2, "[page 2]\n42").kind == "exact"


@pytest.mark.parametrize("change", [str.strip, lambda text: text.replace("\n", "\r\n")])
def test_marks_are_known_after_a_trip_through_other_tools(change) -> None:
    text = change(mark_pages(["Total 41", "Total 42", ""]))
    assert [ground(each, text).kind for each in (1, 2, 3)] == ["absent"] * 3
    found = ground(42, text)
    assert (text[found.start : found.end], found.page) == ("42", 2)
