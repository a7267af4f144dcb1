"""The static HTML is small, safe, stable, and readable with every style removed."""

from __future__ import annotations

import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmwidgets.report import html
from llmwidgets.report.scoreboard import (
    BUDGETS,
    Cell,
    Line,
    ScoreRow,
    Summary,
    Wording,
    render_text,
)

ROW = ScoreRow(
    letter="A", variant="demo-careful", asked=30, valid_replies=28,
    failures={"InvalidRecord": 1, "RateLimited": 1}, accuracy=0.963,
    accuracy_low=0.937, accuracy_high=0.985,
    p50_seconds=1.34, p95_seconds=2.71, cost_per_1000=None, input_tokens=40_800, output_tokens=812,
    timed_out=2, paid_now=0.005,
    wording=Wording(
        rank=1, title="Shown to be as good as the best", recommended=True, came="98.1",
        loses="1 of 30, at most 17.2 %", lost="1 invalid record", failed="1 rate limited",
        unanswered="no answer to 1 of 30 texts; 93.0 % right with these wrong",
        worse="3.8", bound="within 5",
    ),
)  # fmt: skip
OTHER = replace(
    ROW, letter="B", variant="demo-hasty", accuracy=0.75,
    wording=Wording(rank=5, title="Shown to be worse", more=" than the best", worse="28.0",
              bound="at least 14.6"),
)  # fmt: skip
LINE = Line("claim-07", "amount", "4180.00", (Cell("differ", "4360.00", "not in the text"),))
SUMMARY = Summary(
    headline="demo-careful is as good as the best and 13 times cheaper.",
    details="On 30 texts it is at most 3.8 fields in 100 worse.", rows=(ROW,), lines=(LINE,),
    worse="Worse than the best by at most",
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
        SUMMARY.headline, SUMMARY.details, "A demo-careful ✓ recommended", "96.3", "93.7–98.5",
        "98.1", "1 of 30, at most 17.2 %: 1 invalid record", "28 of 30; 1 rate limited",
        "no answer to 1 of 30 texts; 93.0 % right with these wrong", "3.8 (within 5)",
        "Shown to be as good as the best", "Worse than the best by at most", "40.8k / 812",
        "1.3 / 2.7 s; 2 timed out", "$ paid now", "0.005", "unknown", "first 1 of 68 rows",
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
        headline=HOSTILE, details=HOSTILE, worse=HOSTILE,
        rows=(
            replace(ROW, variant=HOSTILE),
            replace(OTHER, wording=Wording(5, *[HOSTILE] * 2, True, *[HOSTILE] * 7)),
        ),
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
            "colspan",
            "style",
        }
        assert {value for name, value in read.attributes if name == "style"} <= {"text-align:left"}
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
    rows = tuple(replace(ROW, letter=str(at), variant="m" * 300) for at in range(count))
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
    said = render_text(SUMMARY)
    for part in (
        SUMMARY.headline, SUMMARY.details, "demo-careful (recommended)", "96.3", "98.1",
        "1 of 30, at most 17.2 %", "3.8, within 5", "-- Shown to be as good as the best",
        "28 of 30", "unknown", "1 invalid record, 1 rate limited", "68 rows differ",
    ):  # fmt: skip
        assert part in said
    assert "4360.00" not in said
    assert max(map(len, said.split("\n"))) <= BUDGETS["text"]


def test_the_groups_stand_best_first_whatever_the_letters_are() -> None:
    """The scoreboard is ranked; the columns of the disagreements keep the order of the letters."""
    first = replace(OTHER, letter="A", variant="demo-hasty")
    summary = replace(SUMMARY, rows=(first, replace(ROW, letter="B")))
    said = words(html.fragment(summary))
    board, _, lines = said.partition("Disagreements")
    ranked = [
        "Shown to be as good as the best", "B demo-careful", "Shown to be worse than the best",
        "A demo-hasty", "28.0 (at least 14.6)",
    ]  # fmt: skip
    assert sorted(ranked, key=board.index) == ranked
    assert lines.index("A demo-hasty") < lines.index("B demo-careful")
    plain = render_text(summary)
    assert sorted(ranked[:4:2], key=plain.index) == ranked[:4:2]
