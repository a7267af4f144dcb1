"""A column's own descriptions in the panel, without a browser: edited, asked, shown, taken back."""

from __future__ import annotations

import json
from typing import Any

import pytest
from pydantic import BaseModel, Field

from llmwidgets import ComparisonPanel, Store, Variant
from llmwidgets.demo import invoices
from llmwidgets.schemas import read_schema


class Bill(BaseModel):
    """A bill."""

    total: float | None = Field(default=None, description="The amount.")
    tags: list[str] = Field(default=[], description="All tags.")


TEXTS = ["Net 100, gross 119.", "Net 50, gross 60."]


def panel(**more: Any) -> ComparisonPanel:
    given = {"schema": Bill, "texts": TEXTS, "models": ["demo-quick"], **more}
    return ComparisonPanel(store=Store.in_memory(), **given)


def copy_in(page: Any) -> dict[str, Any]:
    rows = [row for group in page.state["setup"]["groups"] for row in group["rows"]]
    return next(copy for row in rows for copy in row["copies"])


@pytest.fixture
def page(wire) -> Any:
    page = wire(panel())
    assert page.state["setup"]["places"] == []
    page.send("setup.duplicate", ref="demo-quick")
    return page


def describe(page: Any, **descriptions: str) -> dict[str, Any]:
    page.send("setup.edit_copy", key=copy_in(page)["key"], schema=descriptions)
    return copy_in(page)


def test_every_place_can_be_described_and_its_fields_stay(page) -> None:
    places = page.state["setup"]["places"]
    assert [(each["path"], each["type"], each["description"]) for each in places] == [
        ("", "group", "A bill."),
        ("total", "number or none", "The amount."),
        ("tags", "list", "All tags."),
        ("tags[]", "list of text", ""),
    ]
    assert (copy_in(page)["schema"], copy_in(page)["descriptions"]) == ("", {})
    copy = describe(page, total="The gross amount.")
    assert copy["said"] == copy["schema"] == "schema: 1 description differs"
    copy = describe(page, **{"tags[]": "One tag."})
    assert copy["schema"] == "schema: 2 descriptions differ"
    assert copy["descriptions"] == {"total": "The gross amount.", "tags[]": "One tag."}
    # What is not a place of the schema changes nothing.
    assert describe(page, amount="x")["descriptions"] == copy["descriptions"]
    assert "amount: is not a field of the schema." in page.state["error"]["sentence"]
    copy = describe(page, total="")
    assert copy["descriptions"]["total"] == ""


def test_the_old_words_or_a_reset_make_it_the_comparison_s_again(page) -> None:
    describe(page, total="The gross amount.")
    assert describe(page, total="The amount.")["schema"] == ""
    describe(page, total="The gross amount.", tags="Each tag.")
    page.send("setup.edit_copy", key=copy_in(page)["key"], schema=None)
    assert copy_in(page)["schema"] == ""
    (_, copy) = page.widget.controllers["setup"].setup.variants()
    assert copy.schema is None


@pytest.mark.parametrize("odd", [[], "x", 3, {}, {"total": None}])
def test_an_odd_message_breaks_nothing(page, odd: Any) -> None:
    page.send("setup.edit_copy", key=copy_in(page)["key"], schema=odd)
    assert page.state["setup"]["run"] == "Run 4 calls"


def test_a_described_column_is_run_and_every_view_tells(page) -> None:
    """Duplicate column, a description, run: record of the class, scoreboard, request, code."""
    describe(page, total="The gross amount.")
    page.send("result.code")
    code = next(each["text"] for each in reversed(page.messages) if each["type"] == "code")
    assert "  # your class Bill serves as well\n" in code
    assert 'lw.Variant("demo-quick", label="demo-quick · 2", schema=schema_2)' in code
    assert "The gross amount." in code
    page.send("run.start")
    comparison = page.widget.comparison
    own = comparison.variants[1].schema
    assert own.json["properties"]["total"]["description"] == "The gross amount."
    assert {type(each.record) for each in comparison} == {Bill}
    rows = [row for group in page.ask("scores")["groups"] for row in group["rows"]]
    assert [row["said"] for row in sorted(rows, key=lambda row: row["letter"])] == [
        "", "schema: 1 description differs",
    ]  # fmt: skip
    request = page.ask("request", index=0, column=1)
    assert request["schemas"] == [["total: description", ["The amount.", "The gross amount."]]]
    assert "The gross amount." in request["request"]
    assert "The amount." in page.ask("request", index=0, column=0)["request"]
    page.send("result.curl", index=0, column=1)
    curl = next(each["text"] for each in reversed(page.messages) if each["type"] == "code")
    assert "The gross amount." in curl


def test_columns_of_one_schema_show_no_difference(wire) -> None:
    page = wire(panel(models=[Variant("demo-quick"), Variant("demo-quick", schema=Bill)]))
    page.send("run.start")
    assert page.ask("request", index=0, column=0)["schemas"] == []


def test_schemas_of_code_are_shown_and_can_be_taken_back(wire) -> None:
    described = [read_schema(Bill).described({"total": words}) for words in ("net", "gross")]
    page = wire(panel(models=[Variant("demo-quick", schema=each) for each in described]))
    rows = [row for group in page.state["setup"]["groups"] for row in group["rows"]]
    copies = [copy for row in rows for copy in row["copies"]]
    assert [copy["label"] for copy in copies] == [
        "demo-quick · schema Bill", "demo-quick · schema Bill · 2",
    ]  # fmt: skip
    assert [copy["descriptions"] for copy in copies] == [{"total": "net"}, {"total": "gross"}]
    assert page.state["setup"]["missing"] == ""


def test_fields_that_no_longer_fit_are_said_and_reset(wire) -> None:
    page = wire(panel())
    page.send("setup.duplicate", ref="demo-quick")
    describe(page, total="The gross amount.")
    page.send("setup.sample", name="invoices")
    assert any("lacks" in each["sentence"] for each in page.state["setup"]["problems"])
    assert page.state["setup"]["missing"] == "Fix the problem above first."
    page.send("setup.edit_copy", key=copy_in(page)["key"], schema=None)
    assert page.state["setup"]["problems"] == []
    assert page.widget.schema is invoices.Schema


def test_texts_of_several_schemas_have_no_editor_of_one(wire) -> None:
    texts = [{"text": "a", "schema": Bill}, {"text": "b", "schema": invoices.Schema}]
    page = wire(panel(schema=None, texts=texts))
    page.send("setup.duplicate", ref="demo-quick")
    assert page.state["setup"]["places"] == []
    assert describe(page, total="x")["schema"] == ""


def test_the_state_holds_each_description_once(wire) -> None:
    words = "The gross amount as it stands at the foot of the bill. " * 20
    page = wire(panel(schema=read_schema(Bill).described({"total": words})))
    before = json.dumps(page.state).count(words.strip())
    for _ in range(3):
        page.send("setup.duplicate", ref="demo-quick")
    assert json.dumps(page.state).count(words.strip()) == before + 1


def test_a_cell_s_detail_has_the_words_that_its_column_was_asked_by(page) -> None:
    describe(page, total="The gross amount.")
    page.send("run.start")
    words = [
        page.ask("detail", index=0, path="total", column=column)["description"]
        for column in (-1, 0, 1)
    ]
    assert words == ["The amount.", "The amount.", "The gross amount."]
