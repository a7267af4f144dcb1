"""The page to share: texts with their values marked, asked for twice."""

from __future__ import annotations

from pathlib import Path

import pytest

from llmwidgets.comparison import Comparison, marked_texts
from llmwidgets.errors import FieldError

SCHEMA = {
    "title": "Invoice",
    "type": "object",
    "properties": {
        "supplier": {"type": "string"},
        "total": {"type": "number"},
        "note": {"type": ["string", "null"]},
    },
}
TEXTS = {
    "latin": "Larkfield Joinery <b>\nNet 1,000.00\nTotal 1,250.00",
    "عربي": "شركة النور\nالمجموع 88.50",
}
TRUTH = {
    "latin": {"supplier": "Larkfield Joinery", "total": 1250, "note": None},
    "عربي": {"supplier": "شركة النور", "total": 88.5},
}


@pytest.fixture
def result() -> Comparison:
    right = {**TRUTH, "عربي": {**TRUTH["عربي"], "note": None}}
    wrong = {**right, "latin": {**TRUTH["latin"], "total": 1000, "note": "Net"}}
    return Comparison.from_outputs(SCHEMA, TEXTS, {"A": right, "B": wrong}, TRUTH)


def test_texts_are_shown_where_they_are_asked_for_with_their_values(
    result: Comparison, tmp_path: Path
) -> None:
    plain = result.to_html(tmp_path / "plain.html").read_text("utf-8")
    valued = result.to_html(tmp_path / "valued.html", values=True).read_text("utf-8")
    shared = result.to_html(tmp_path / "shared.html", values=True, texts=True).read_text("utf-8")
    assert "Larkfield" not in plain
    assert "Net 1,000.00" not in valued
    assert "<mark" not in valued
    for piece in (
        '<mark class="lw-agree">Larkfield Joinery</mark><sup>supplier</sup> &lt;b&gt;',
        '<mark class="lw-differ">1,000.00</mark><sup>total B</sup>',
        '<mark class="lw-agree">1,250.00</mark><sup>total T A</sup>',
        '<mark class="lw-invented">Net</mark><sup>note B</sup>',
        '<mark class="lw-agree">شركة النور</mark>',
        '<td dir="auto">شركة النور</td>',
        "<title>Invoice: 2 variants on 2 texts</title>",
    ):
        assert piece in shared
    assert "<script" not in shared
    assert "http" not in shared


def test_texts_without_values_are_refused(result: Comparison, tmp_path: Path) -> None:
    with pytest.raises(FieldError, match="values=True, texts=True"):
        result.to_html(tmp_path / "page.html", texts=True)
    assert not (tmp_path / "page.html").exists()


def test_a_page_has_as_many_texts_as_a_browser_shows_and_says_so(
    result: Comparison, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(marked_texts, "MOST_CHARACTERS", 600)
    monkeypatch.setattr(marked_texts, "_LONGEST", 20)
    page = result.to_html(tmp_path / "page.html", values=True, texts=True).read_text("utf-8")
    assert "The first 1 of 2 are shown." in page
    assert "The first 20 of 49 characters." in page
    assert "1,250.00</mark>" not in page


@pytest.mark.browser
def test_a_shared_page_is_read_on_a_narrow_screen_and_on_paper(
    result: Comparison, tmp_path: Path, browser
) -> None:
    wide = "document.documentElement.scrollWidth <= innerWidth"
    page = browser.new_page(viewport={"width": 640, "height": 900})
    named = {**SCHEMA, "title": "T" * 300}
    long = Comparison.from_outputs(named, {"x" * 300: "y"}, {"A" * 300: [{"supplier": "s" * 300}]})
    page.goto(long.to_html(tmp_path / "long.html", values=True, texts=True).as_uri())
    assert page.evaluate(wide)
    path = result.to_html(tmp_path / "page.html", values=True, texts=True)
    page.goto(path.as_uri())
    assert page.evaluate(wide)
    page.get_by_role("link", name="Texts").click()
    box = page.get_by_role("heading", name="Texts", exact=True).bounding_box()
    assert box is not None
    assert page.locator("header").bounding_box()["y"] == 0
    assert box["y"] >= page.locator("header").bounding_box()["height"]
    page.emulate_media(media="print")
    assert page.evaluate(wide)
    boxes = page.locator(".lw-scroll")
    assert not boxes.evaluate_all("all => all.some(e => e.scrollHeight > e.clientHeight + 1)")
    page.close()
