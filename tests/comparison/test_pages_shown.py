"""The page of a value is where its place is shown: panel, tables, report, Label Studio."""

from __future__ import annotations

import json

import pytest

from llmwidgets.analysis.grounding import mark_pages
from llmwidgets.comparison import Comparison
from llmwidgets.widgets.comparison.detail_view import detail_view, text_view
from llmwidgets.widgets.comparison.grid_model import GridIndex

PAGES = ["Invoice of Ada Lovelace", "Total 1,250.00 for the roof\nTo be paid", "Sum 99"]
TRUTH = {"name": "Ada Lovelace", "total": 1250, "note": None}


def compared(text: str) -> Comparison:
    schema = {
        "type": "object",
        "properties": {
            "name": {"type": "string"}, "total": {"type": "number"},
            "note": {"type": ["string", "null"]},
        },
    }  # fmt: skip
    outputs = {"A": [dict(TRUTH)], "B": [{**TRUTH, "total": 99, "note": "2"}]}
    return Comparison.from_outputs(schema, [text], outputs, [dict(TRUTH)])


@pytest.fixture
def paged() -> Comparison:
    return compared(mark_pages(PAGES))


def test_the_text_view_says_the_page_beside_each_value(paged) -> None:
    view = text_view(GridIndex(paged), 0)
    pages = {
        (field["name"], group["letters"]): group["page"]
        for field in view["fields"]
        for group in field["groups"]
    }
    assert pages == {
        ("name", "TAB"): "page 1", ("total", "TA"): "page 2", ("total", "B"): "page 3",
        ("note", "TA"): "", ("note", "B"): "",
    }  # fmt: skip
    shown = view["text"].encode("utf-16-le")
    spans = {(each["name"], each["letters"]): each for each in view["spans"]}
    where = spans["total", "TA"]
    assert shown[2 * where["s"] : 2 * where["e"]].decode("utf-16-le") == "1,250.00"
    assert "\n[page 2]\nTotal" in view["text"]
    assert "␌" not in view["text"]


def test_the_detail_says_the_page_and_quotes_no_mark(paged) -> None:
    view = detail_view(GridIndex(paged), 0, "total", -1)
    assert [row[2]["said"] for row in view["facts"][1:]] == [
        "found, written another way, page 2", "found word for word, page 3",
    ]  # fmt: skip
    quote = view["quote"]
    assert "page" not in quote["before"] + quote["mark"] + quote["after"]


def test_tables_have_a_column_page_where_texts_have_pages(paged, tmp_path) -> None:
    frame = paged.to_frame().set_index(["variant", "field"])
    assert frame["page"].to_dict() == {
        ("A", "name"): 1, ("A", "total"): 2, ("A", "note"): None,
        ("B", "name"): 1, ("B", "total"): 3, ("B", "note"): None,
    }  # fmt: skip
    assert "page" not in compared("\n".join(PAGES)).to_frame().columns
    rows = paged.to_csv(tmp_path / "rows.csv").read_text("utf-8-sig").splitlines()
    assert rows[0].split(",")[-1] == "page"
    paged.to_parquet(tmp_path / "rows.parquet")


def test_the_report_and_label_studio_say_the_page(paged, tmp_path) -> None:
    for values in (True, False):
        html = paged.to_html(tmp_path / "page.html", values=values).read_text("utf-8")
        assert "page 3" in html
    tasks = json.loads(paged.export(tmp_path / "tasks.json", format="label_studio").read_text())
    spans = tasks[0]["predictions"][0]["result"]
    assert {each["meta"]["field"]: each["meta"]["page"] for each in spans} == {
        "name": 1, "total": 2
    }  # fmt: skip
    text = tasks[0]["data"]["text"]
    for each in spans:
        assert text[each["value"]["start"] : each["value"]["end"]] == each["value"]["text"]
