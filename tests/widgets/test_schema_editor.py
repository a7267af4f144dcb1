"""The schema editor: rows to JSON Schema and pydantic, from a schema, from an example."""

from __future__ import annotations

import csv
import json
import re
import sys
import types
from typing import Any

import pytest
from hypothesis import assume
from hypothesis import given as for_any
from hypothesis import strategies as st

from llmwidgets import ComparisonPanel, Store
from llmwidgets.comparison.files import read_uploads
from llmwidgets.demo import emails, invoices, jobs
from llmwidgets.errors import FieldError
from llmwidgets.schemas import read_schema
from llmwidgets.schemas.loaders import schema_from_rows
from llmwidgets.widgets.comparison.schema_editor import (
    FieldDraft,
    FieldRow,
    pydantic_code,
    rows_of_example,
    rows_of_schema,
    usable,
)
from llmwidgets.widgets.comparison.setup_controller import read_pasted

EXAMPLE = json.dumps(
    {
        "amount": 4180.5,
        "incident date": "2026-10-10",
        "lines": [{"total": 1, "date": "2026-10-10"}],
        "tags": ["a"],
        "paid": True,
        "policy": {"number": "HH-1"},
        "class": None,
    }
)


def panel(wire, **more: Any) -> Any:
    return wire(ComparisonPanel(store=Store.in_memory(), **more))


def fields(page: Any) -> dict[str, Any]:
    return page.state["fields"]


def leaves(schema: Any) -> list[tuple[str, str, bool]]:
    return [(each.path, each.type, each.nullable) for each in read_schema(schema).leaves]


def test_an_empty_panel_leads_to_fields_and_texts(wire) -> None:
    """No schema, no texts: both are made in the panel, and the run asks by them."""
    page = panel(wire)
    assert page.state["setup"]["schema"]["edit"] == "Write the fields"
    page.send("fields.open")
    assert fields(page)["wrong"] == "1 row to fix"
    page.send("fields.edit", row=0, name="amount", kind="number")
    assert fields(page)["wrong"] == ""
    page.send("fields.use")
    page.send("setup.paste", text="It cost 4180.50\n---\nNothing")
    page.send("setup.demo")
    assert page.state["setup"]["missing"] == ""
    assert page.state["setup"]["run"] == "Run 8 calls"
    page.send("run.start")
    assert page.state["screen"] == "results", page.widget.last_error
    assert [text.id for text in page.widget.comparison.texts] == ["text-01", "text-02"]


def test_an_example_becomes_rows(wire) -> None:
    """Names and types are taken, values are not; a name that code cannot use has a better one."""
    page = panel(wire)
    page.send("fields.open")
    page.send("fields.example", text=EXAMPLE)
    rows = {row["name"]: row for row in fields(page)["rows"]}
    assert {name: row["type"] for name, row in rows.items()} == {
        "amount": "number", "incident date": "date", "lines[].total": "integer",
        "lines[].date": "date", "tags": "text", "paid": "boolean", "policy.number": "text",
        "class": "text",
    }  # fmt: skip
    assert rows["tags"]["many"] is True
    assert rows["incident date"]["instead"] == "incident_date"
    assert "4180.5" not in json.dumps(page.state)
    page.send("fields.rename", row=1, name="incident_date")
    assert fields(page)["wrong"] == ""


def test_a_required_field_is_pointed_at(wire) -> None:
    """Where the text is silent the model must invent: said while the box is ticked."""
    page = panel(wire, schema=emails.Schema, texts=emails.texts)
    page.send("fields.open")
    page.send("fields.example", text='{"amount": 1}')
    assert fields(page)["warning"] == ""
    page.send("fields.edit", row=0, required=True)
    assert "must invent a value" in fields(page)["warning"]


@pytest.mark.parametrize("task", [invoices, emails, jobs])
def test_a_copy_of_a_schema_asks_for_the_same(task: Any) -> None:
    """Schema to rows to JSON Schema: the same places, types, nulls; and the same as pydantic."""
    given = read_schema(task.Schema)
    draft = FieldDraft(given.name, rows_of_schema(given))
    assert draft.problems() == {}
    assert leaves(draft.schema()) == leaves(task.Schema)
    plain = [
        (path, "string" if kind == "email" else kind, null)
        for path, kind, null in leaves(task.Schema)
    ]
    assert leaves(_classes(draft)) in (plain, leaves(task.Schema))


def _classes(draft: FieldDraft) -> Any:
    made = types.ModuleType("made_by_the_editor")
    sys.modules[made.__name__] = made
    exec(pydantic_code(draft.schema()), made.__dict__)
    return getattr(made, draft.title)


def test_the_pydantic_code_runs_whatever_the_names_are() -> None:
    """Fields named like types and like keywords, groups of the same name, values, lists."""
    rows = rows_of_example(EXAMPLE.replace("incident date", "date"))
    rows += [
        FieldRow("cause", values="water, fire", required=True, description='say "why"'),
        FieldRow("other.lines[].total", "integer"),
    ]
    draft = FieldDraft("Claim", rows)
    assert draft.problems() == {}
    record = _classes(draft).model_validate(
        {"date": "2026-10-10", "class": "x", "cause": "fire", "lines": [], "policy": {},
         "other": {"lines": []}}
    )  # fmt: skip
    assert (record.date.year, record.class_, record.cause) == (2026, "x", "fire")


ODD_NAMES = [
    "class", "None", "match", "_", "__init__", "_private", "1st", "a b", "a-b", 'say "x"', "it's",
    "\U0001f600", "\ufb01", "fi", "\u00b2", "\u2460", "\u1369", "model_config", "model_fields",
    "model_validate_x", "model_dump_y", "model_name", "json", "copy", "schema", "validate", "str",
    "int", "float", "bool", "list", "dt", "Literal", "BaseModel", "Field", "field", "base_model",
    "literal", "record", "Record", "Record2", "class_", "true", "back\\slash", "line\nend",
    "\u202e", "e\u0301", "\u00e9", "x", "X", "X_",
]  # fmt: skip
NAMES = st.one_of(
    st.sampled_from(ODD_NAMES),
    st.text(st.characters(exclude_characters=".[]", codec="utf-8"), min_size=1),
).filter(lambda name: name.strip("[] ") == name)
WORDS = st.text(st.characters(codec="utf-8"), max_size=5)
KINDS = st.sampled_from(["text", "number", "integer", "boolean", "date", "time", "datetime"])


@for_any(
    st.dictionaries(
        st.lists(NAMES, min_size=1, max_size=3).map(tuple),
        st.tuples(KINDS, st.booleans(), st.booleans(), WORDS, st.booleans()),
        min_size=1, max_size=6,
    ),
    NAMES,
)  # fmt: skip
def test_the_classes_ask_for_the_same_whatever_the_names_are(given_rows, title) -> None:
    """Keywords, types, pydantic's own names, what Python reads as one name, and what it cannot."""
    rows = []
    for (*outer, last), (kind, many, required, described, other) in given_rows.items():
        name = ".".join([*(f"{part}[]" if other else part for part in outer), last])
        values = ["a\"'", "\0\u202e"] if kind == "text" and other else []
        row = {"name": name, "type": kind, "list": many, "required": required}
        rows.append({**row, "description": described, "values": values})
    try:
        schema = {"title": title} | schema_from_rows(rows)
    except FieldError:
        assume(False)
    code = pydantic_code(schema)
    compile(code.encode("utf-8"), "<copied>", "exec")
    made = types.ModuleType("made_by_the_editor")
    sys.modules[made.__name__] = made
    exec(code, made.__dict__)
    # Not \w: it misses the marks that a name of Python may have.
    names = re.findall(r"^class ([^(]+)\(BaseModel\):$", code, re.MULTILINE)
    assert len(set(names)) == len(names)
    assert plain(getattr(made, names[-1]).model_json_schema(by_alias=True)) == plain(schema)


def plain(node: Any, within: Any = None) -> Any:
    """A JSON Schema without titles, defaults and references, closed objects as open ones."""
    within = within or node
    if "$ref" in node:
        return plain(within["$defs"][node["$ref"].rpartition("/")[2]], within)
    named = ("description", "enum") if "enum" in node else ("description", "type", "format")
    kept = {key: node[key] for key in named if node.get(key)}
    if "properties" in node:
        kept["properties"] = {key: plain(each, within) for key, each in node["properties"].items()}
        kept["required"] = sorted(node.get("required", ()))
    if "anyOf" in node:
        kept["anyOf"] = [plain(each, within) for each in node["anyOf"]]
    if "items" in node:
        kept["items"] = plain(node["items"], within)
    return kept


def test_rows_are_checked_while_they_are_typed(wire) -> None:
    """No name, a bad one, one that stands twice, one that is also a group: each is said."""
    page = panel(wire)
    page.send("fields.open")
    page.send("fields.add")
    page.send("fields.edit", row=0, name="a")
    page.send("fields.edit", row=1, name="a")
    assert [row["problem"] for row in fields(page)["rows"]] == ["", "Another row has this name."]
    page.send("fields.edit", row=1, name="a.b")
    assert fields(page)["rows"][1]["problem"].startswith("This row appears twice")
    page.send("fields.drop", row=1)
    assert fields(page)["wrong"] == ""
    page.send("fields.close")
    assert page.state["screen"] == "setup"
    assert page.widget.schema is None


def test_what_is_shown_as_code_is_what_is_used(wire) -> None:
    """JSON Schema and pydantic are shown to copy; using the rows gives the panel the schema."""
    page = panel(wire, texts=["one"])
    page.send("fields.open")
    page.send("fields.edit", row=0, name="amount", kind="number", required=True)
    page.send("fields.code", format="json")
    shown = next(each for each in reversed(page.messages) if each["type"] == "code")
    page.send("fields.use")
    assert page.widget.schema == json.loads(shown["text"])


def test_a_copy_that_is_used_without_an_edit_changes_nothing(wire) -> None:
    page = panel(wire, schema=invoices.Schema, texts=["one"])
    page.send("fields.open")
    page.send("fields.use")
    assert page.state["screen"] == "setup"
    assert page.widget.schema is invoices.Schema
    page.send("fields.open")
    page.send("fields.edit", row=0, description="As printed")
    page.send("fields.use")
    assert page.widget.schema["properties"]["number"]["description"] == "As printed"


@pytest.mark.parametrize(
    ("name", "after"),
    [
        ("incident date", "incident_date"),
        ("2nd", "field_2nd"),
        ("a-b.c d[]", "a_b.c_d[]"),
        ("!", ""),
    ],
)
def test_a_usable_name_is_near(name: str, after: str) -> None:
    """Letters, digits and _ stay; nothing is made up where nothing is left."""
    assert usable(name) == after


def test_texts_come_from_files(wire) -> None:
    """A .txt is one text, a .csv and a .jsonl have a column text; ids and truth come along."""
    page = panel(wire, schema=emails.Schema)
    page.send(
        "setup.files",
        [b"One", b"id,text\n7,Two\n", b'{"text": "Three", "truth": {}}\n'],
        names=["one.txt", "two.csv", "three.jsonl"],
    )
    assert [each["id"] for each in page.state["setup"]["texts"]["first"]] == ["one", "7", "text-03"]
    page.send(
        "setup.files",
        ["id;text\r\n8;Größe".encode("utf-16"), b'{"ID": 9, "Text": "Nine"}'],
        names=["excel.csv", "lines.ndjson"],
    )
    assert [each["id"] for each in page.state["setup"]["texts"]["first"]] == ["8", "9"]
    page.send("setup.files", [b"id,text\n1,a,b"], names=["many.csv"])
    assert "many.csv, line 2 has 3 cells" in page.state["error"]["sentence"]
    page.send("setup.files", [b"\xff\xfe\x00"], names=["bad.txt"])
    assert "UTF-8" in page.state["error"]["sentence"]
    assert page.state["error"]["of"] == "setup.files"


def test_what_was_read_of_files_is_said_before_the_run(wire) -> None:
    """While they are read, what was assumed, and the columns that are truth; none if not wanted."""
    schema = {"type": "object", "properties": {"total": {"type": ["number", "null"]}}}
    page = panel(wire)
    page.send("setup.files", ["Text;total\nGröße;1,5".encode("cp1252")], names=["a.csv"])
    states = [each["setup"]["texts"] for each in page.messages if each["type"] == "state"]
    assert "reading a.csv…" in [each["said"] for each in states]
    page.widget.schema = schema
    page.settle()
    texts = page.state["setup"]["texts"]
    assert texts["said"].startswith("1, all with truth")
    assert [each.partition(" ")[0] for each in texts["notes"]] == ["a.csv", "The", "Decimal"]
    assert "truth=truth" in page.widget.code()
    page.send("setup.files", [b"text,total\nOne,many"], names=["b.csv"])
    [problem] = page.state["setup"]["problems"]
    assert problem["action"]["type"] == "setup.drop_truth"
    page.send("setup.drop_truth")
    texts = page.state["setup"]["texts"]
    assert (texts["said"].partition(" ·")[0], texts["notes"]) == ("1, without truth", [])
    page.send("setup.files", [b"text,total,truth\nOne,1,"], names=["c.csv"])
    assert "1, all with truth" in page.state["setup"]["texts"]["said"]


TABLE = b"""Nr;Brief;total;Summe;Haus
7;Zu zahlen 12;12;12,5;A
8;Zu zahlen 7;sieben;7,0;A
"""


def test_the_columns_of_a_table_are_chosen(wire) -> None:
    """Which is the text, the id, the truth of which field, the group; misfits with their value."""
    leaf = {"type": ["number", "null"]}
    policy = {"type": "object", "properties": {"sum": leaf}}
    page = panel(wire, schema={"type": "object", "properties": {"total": leaf, "policy": policy}})

    def use(name: str, use: str) -> dict[str, Any]:
        page.send("setup.column", name=name, use=use)
        return page.state["setup"]["texts"]

    page.send("setup.files", [TABLE], names=["briefe.csv"])
    texts = page.state["setup"]["texts"]
    assert [(each["name"], each["sample"], each["use"]) for each in texts["columns"]] == [
        ("Nr", "7", ""), ("Brief", "Zu zahlen 12", ""), ("total", "12", "field:total"),
        ("Summe", "12,5", ""), ("Haus", "A", ""),
    ]  # fmt: skip
    assert ["field:policy.sum", "Truth: policy.sum"] in texts["uses"]
    assert page.state["setup"]["missing"] == "Fix the texts above first."
    use("Nr", "id")
    texts = use("Brief", "text")
    assert [each["id"] for each in texts["first"]] == ["7", "8"]
    assert texts["columns"][2]["misfits"] == "8: “sieben” must be null or a number."
    [problem] = page.state["setup"]["problems"]
    assert "sieben" not in problem["sentence"] + problem["hint"]
    texts = use("total", "unused")
    assert texts["said"].startswith("2, without truth")
    assert texts["columns"][2]["misfits"] == ""
    texts = use("Summe", "field:policy.sum")
    assert texts["said"].startswith("2, all with truth")
    assert texts["notes"] == ["Decimal commas were read in the truth of policy.sum."]
    use("Haus", "group")
    documents = page.widget._setup.documents
    assert [each.truth for each in documents] == [{"policy": {"sum": 12.5}}, {"policy": {"sum": 7}}]
    assert [(each.group, dict(each.metadata)) for each in documents] == [
        ("A", {"Summe": "12,5"}), ("A", {"Summe": "7,0"}),
    ]  # fmt: skip
    # What only one column can be, the other is no more.
    texts = use("total", "group")
    assert [each["use"] for each in texts["columns"]][-1] == ""
    page.send("setup.column", name="not there", use="text")
    page.send("setup.paste", text="One")
    assert page.state["setup"]["texts"]["columns"] == []
    assert page.widget._setup.documents[0].group == ""


@pytest.mark.parametrize(
    "begin", ["\f[page 1]\n", "[page 1]\n", "\n", "\f[page 1]\n\n\f[page 2]\n"]
)
def test_the_mark_of_a_page_is_not_the_title_of_a_text(wire, begin) -> None:
    page = panel(wire, schema=emails.Schema, texts=[f"{begin}Dear Ada"])
    assert page.state["setup"]["texts"]["first"][0]["line"] == "Dear Ada"


def test_what_is_no_text_is_refused() -> None:
    """Nothing pasted, a table without texts, a line that is no JSON: each says what to do."""
    assert read_pasted("a\n---\n\n----\nb") == [{"text": "a"}, {"text": "b"}]
    for given in (lambda: read_pasted(" \n"), lambda: read_uploads([("a.csv", b"id\n1\n")]),
                  lambda: read_uploads([("a.jsonl", b"{")])):  # fmt: skip
        with pytest.raises(FieldError) as raised:
            given()
        assert raised.value.hint


def test_lines_of_files_end_where_the_file_says() -> None:
    """A line separator inside a JSON string, a line end in a quoted cell, a cell of 200 kB; the
    limit on a cell is one that every platform takes."""
    told = json.dumps({"text": "a\u2028b"}, ensure_ascii=False)
    assert read_uploads([("a.jsonl", f"{told}\r\n{told}\n".encode())]) == [{"text": "a\u2028b"}] * 2
    long = "x" * 200_000
    table = f'id,text\r\n1,"a\r\nb"\r\n2,{long}\r\n'
    assert read_uploads([("a.csv", table.encode())]) == [
        {"id": "1", "text": "a\r\nb"},
        {"id": "2", "text": long},
    ]
    assert csv.field_size_limit() < 2**31
