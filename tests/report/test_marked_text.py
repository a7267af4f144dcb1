"""A text with its values marked is the text: nothing lost, nothing that acts."""

from __future__ import annotations

import re
from html import unescape

from hypothesis import given
from hypothesis import strategies as st

from llmwidgets.formatting import escape_in_place
from llmwidgets.report.marked_text import Mark, direction, mark_text

MARKS = st.builds(
    Mark,
    st.integers(-2, 40),
    st.integers(-2, 40),
    st.sampled_from(["total A", "<b>", "name"]),
    st.sampled_from(["agree", "differ", "invented"]),
)


@given(st.text(max_size=40), st.lists(MARKS, max_size=8))
def test_without_marks_the_text_is_left(text: str, marks: list[Mark]) -> None:
    html = mark_text(text, marks)
    bare = re.sub(r"<sup>.*?</sup>", "", html, flags=re.DOTALL)
    bare = re.sub(r'<mark class="lw-(agree|differ|invented)">|</mark>', "", bare)
    assert unescape(bare) == escape_in_place(text.replace("\f", "\n"))
    assert "<" not in bare


@given(st.text(max_size=40), st.lists(MARKS, max_size=8))
def test_every_character_of_a_mark_is_marked_and_its_label_is_behind_it(
    text: str, marks: list[Mark]
) -> None:
    marks = [each for each in marks if 0 <= each.start < each.end <= len(text)]
    html = mark_text(text, marks)
    assert html.count("<mark") == html.count("</mark>")
    marked = unescape("".join(re.findall(r"<mark[^>]*>(.*?)</mark>", html, re.DOTALL)))
    inside = {at for each in marks for at in range(each.start, each.end)}
    assert len(marked) == len(inside)
    assert html.count("<sup>") == len({each.end for each in marks})


def test_the_worst_of_overlapping_marks_is_seen() -> None:
    marks = [Mark(0, 4, "name A", "agree"), Mark(2, 6, "name B", "differ")]
    assert mark_text("Ada & Co", marks) == (
        '<mark class="lw-agree">Ad</mark><mark class="lw-differ">a </mark><sup>name A</sup>'
        '<mark class="lw-differ">&amp; </mark><sup>name B</sup>Co'
    )


def test_what_reads_from_right_to_left_has_its_own_direction() -> None:
    assert direction("INV 771, שלום") == direction("فاتورة") == ' dir="auto"'
    assert direction("Größe 12") == direction("請求書") == ""
