"""The static HTML is small, safe, stable, and readable with every style removed."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmwidgets.report import html, text
from llmwidgets.report.summary import Cell, Line, Row, Summary

ROW = Row(
    letter="A", label="demo-careful", asked=30, valid=28,
    failures=(("InvalidRecord", 1), ("RateLimited", 1)), accuracy=0.963, low=0.937, high=0.985,
    p50_seconds=1.34, p95_seconds=2.71, cost_per_1000=None,
)  # fmt: skip
LINE = Line("claim-07", "amount", "4180.00", (Cell("differ", "4360.00", "not in the text"),))
SUMMARY = Summary(
    sentence="A and B cannot be told apart on these 30 texts.", rows=(ROW,), lines=(LINE,),
    differing=68, values=True, notes=("30 of 30 replies reused.",), footer="9 fields, 30 texts.",
)  # fmt: skip


class Words(HTMLParser):
    """What is left of a page without styles and scripts, and every tag and attribute in it."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.words: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.muted = 0
        self.feed(page)

    def handle_starttag(self, tag, attrs) -> None:
        self.tags.append(tag)
        self.attributes += attrs
        self.muted += tag in ("style", "script")

    def handle_endtag(self, tag) -> None:
        self.muted -= tag in ("style", "script")

    def handle_data(self, data) -> None:
        if not self.muted:
            self.words.append(data)


def words(page: str) -> str:
    return " ".join(" ".join(Words(page).words).split())


def test_everything_is_there_without_any_style() -> None:
    said = words(html.fragment(SUMMARY))
    for part in (
        SUMMARY.sentence, "A demo-careful", "96.3", "93.7–98.5", "28 of 30",
        "1 invalid record, 1 rate limited", "1.3 / 2.7 s", "unknown", "first 1 of 68 rows",
        "claim-07", "amount", "4180.00", "≠ 4360.00 (not in the text)", "reused", "9 fields",
    ):  # fmt: skip
        assert part in said


def test_values_and_truth_stay_out_unless_asked() -> None:
    said = html.fragment(replace(SUMMARY, values=False))
    assert "4360.00" not in said
    assert "4180.00" not in said
    assert "≠" in words(said)


HOSTILE = '<script>alert(1)</script><img src=x onerror="alert(2)">\' & "'


def test_hostile_names_and_values_are_text() -> None:
    """Labels, ids, fields, values, truth, notes: none of them can become markup."""
    summary = Summary(
        sentence=HOSTILE, rows=(replace(ROW, label=HOSTILE),),
        lines=(Line(HOSTILE, HOSTILE, HOSTILE, (Cell("differ", HOSTILE, HOSTILE),)),),
        differing=1, values=True, notes=(HOSTILE,), footer=HOSTILE,
    )  # fmt: skip
    for page in (html.fragment(summary), html.page(HOSTILE, summary, [(HOSTILE, "")])):
        read = Words(page)
        assert not {"script", "img"} & set(read.tags)
        assert {name for name, _ in read.attributes} <= {
            "class",
            "lang",
            "charset",
            "name",
            "content",
        }
        assert "<script>alert(1)</script>" in words(page)


@given(st.text(max_size=200))
def test_any_value_comes_back_as_text(value: str) -> None:
    line = Line("a", "b", None, (Cell("differ", value),))
    page = html.fragment(replace(SUMMARY, lines=(line,)))
    assert set(Words(page).tags) == set(Words(html.fragment(SUMMARY)).tags) | {"i"}
    shown = "".join(Words(page).words)
    kept = [
        each if each.isprintable() or each in "\u200c\u200d" else "\ufffd"
        for each in " ".join(value.split())[:119]
    ]
    assert "".join(kept) in shown


@pytest.mark.parametrize("count", [1, 8, 200])
def test_a_fragment_stays_under_60_kb(count: int) -> None:
    rows = tuple(replace(ROW, letter=str(at), label="m" * 300) for at in range(count))
    line = Line("t" * 300, "f" * 300, "v" * 300, LINE.cells * count)
    summary = replace(SUMMARY, rows=rows, lines=(line,) * 60, differing=60)
    assert len(html.fragment(summary).encode()) <= 60_000


def test_the_same_summary_is_the_same_bytes() -> None:
    assert html.fragment(SUMMARY) == html.fragment(SUMMARY)
    assert not re.search(r' id="', html.page("Comparison", SUMMARY))


def test_a_page_needs_nothing_from_elsewhere() -> None:
    page = html.page("Comparison", SUMMARY)
    assert not re.search(r"https?://|src=|href=|@import|url\(", page)
    assert "prefers-color-scheme:dark" in page


def test_the_plain_text_has_the_same_figures() -> None:
    said = text.render(SUMMARY)
    for part in (SUMMARY.sentence, "demo-careful", "96.3", "28 of 30", "unknown", "68 rows differ"):
        assert part in said
    assert "4360.00" not in said
    assert max(map(len, said.split("\n"))) <= 140
