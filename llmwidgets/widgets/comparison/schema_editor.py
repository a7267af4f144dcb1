"""FieldsController: the fields of the schema, written as rows inside the panel."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, TypedDict, cast

from llmwidgets.errors import FieldError, read_json
from llmwidgets.formatting import count, parse_number, parse_whole
from llmwidgets.schemas.loaders import TYPES, schema_from_rows
from llmwidgets.schemas.python_code import write_classes
from llmwidgets.widgets.comparison.column_view import TYPE_WORDS
from llmwidgets.widgets.comparison.setup_controller import SetupController
from llmwidgets.widgets.panel import Content, Page, whole_in

if TYPE_CHECKING:
    from llmwidgets.schemas import Schema


class _FieldRowState(TypedDict):
    name: str
    type: str
    many: bool
    required: bool
    description: str
    values: str
    problem: str
    instead: str


class FieldsState(TypedDict):
    """The rows, what is wrong with them, and which must have a value."""

    edition: int
    types: list[list[str]]
    rows: list[_FieldRowState]
    said: str
    wrong: str
    warning: str


class FieldsController:
    """The editor, on a copy of the schema; what code gave stays as it is."""

    def __init__(self, page: Page, choices: SetupController) -> None:
        self._page, self._choices = page, choices
        self._draft = FieldDraft()
        self._copied: list[FieldRow] = []
        self._edition = 0

    async def act_open(self, _content: Content) -> None:
        """Open the editor on a copy of the schema, or on one empty row."""
        setup = self._choices.setup
        schema = setup.schema
        if schema is None and setup.documents:
            schema = setup.documents[0].schema
        rows = rows_of_schema(schema) if schema is not None else [FieldRow()]
        self._draft = FieldDraft(schema.name if schema is not None else "Record", rows)
        self._copied = [] if schema is None else [*rows]
        self._choices.screen.name = "fields"
        self._redraw()

    async def act_edit(self, content: Content) -> None:
        self._draft.change(whole_in(content, "row"), content)
        self._page.push()

    async def act_rename(self, content: Content) -> None:
        """A name that was offered is taken."""
        self._draft.change(whole_in(content, "row"), content)
        self._redraw()

    async def act_add(self, _content: Content) -> None:
        self._draft.rows.append(FieldRow())
        self._page.push()

    async def act_drop(self, content: Content) -> None:
        """Take a row away; the last one is emptied instead."""
        at = whole_in(content, "row")
        if 0 <= at < len(self._draft.rows):
            del self._draft.rows[at]
            self._draft.rows = self._draft.rows or [FieldRow()]
        self._redraw()

    async def act_example(self, content: Content) -> None:
        """The rows of a pasted record replace what was there."""
        self._draft.rows = rows_of_example(str(content.get("text") or ""))
        self._redraw()

    async def act_code(self, content: Content) -> None:
        """The rows as JSON Schema or as pydantic classes, to be copied."""
        if content.get("format") == "json":
            text = json.dumps(self._draft.schema(), indent=2, ensure_ascii=False)
            title = "The fields as JSON Schema"
        else:
            text, title = pydantic_code(self._draft.schema()), "The fields as pydantic classes"
        self._page.send({"type": "code", "title": title, "text": text, "from": content.get("from")})

    async def act_use(self, _content: Content) -> None:
        """Compare by these fields from now on; a copy without an edit is the schema it is of."""
        if self._draft.rows == self._copied:
            self._choices.show()
            return
        schema = self._draft.schema()
        self._choices.screen.name = "setup"
        self._choices.take(schema=schema)

    async def act_close(self, _content: Content) -> None:
        """Leave the editor; the fields stay as they were."""
        self._choices.show()

    def _redraw(self) -> None:
        self._edition += 1
        self._page.push()

    def view(self) -> FieldsState:
        rows, problems = self._draft.rows, self._draft.problems()
        return {
            "edition": self._edition,
            "types": [[name, words] for name, words in TYPE_WORDS.items()],
            "rows": [
                cast("_FieldRowState", {**asdict(row), "problem": problem, "instead": instead})
                for at, row in enumerate(rows)
                for problem, instead in [problems.get(at, ("", ""))]
            ],
            "said": count(len(rows), "field"),
            "wrong": f"{count(len(problems), 'row')} to fix" if problems else "",
            "warning": _warning(sum(row.required for row in rows)),
        }


def _warning(required: int) -> str:
    if not required:
        return ""
    return (
        f"{count(required, 'field is', 'fields are')} required and may not be empty: where a text "
        "is silent, the model must invent a value. Untick Required where that can happen."
    )


_NAME = re.compile(r"[^\W\d_]\w*(\[\])?(\.[^\W\d_]\w*(\[\])?)*")
_FORMATS = (
    ("date", re.compile(r"\d{4}-\d\d-\d\d")),
    ("datetime", re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d.*")),
    ("time", re.compile(r"\d\d:\d\d(:\d\d)?")),
    ("email", re.compile(r"[^@\s]+@[^@\s]+\.[^@\s]+")),
    ("url", re.compile(r"https?://\S+")),
)


@dataclass(frozen=True, slots=True)
class FieldRow:
    """One row of the editor. `values` are the only ones allowed, as typed, commas between."""

    name: str = ""
    type: str = "text"
    many: bool = False
    required: bool = False
    description: str = ""
    values: str = ""

    def given(self) -> dict[str, Any]:
        """The row as `schema_from_rows` reads it."""
        values = [_value(each, self.type) for each in self.values.split(",") if each.strip()]
        described = {"description": self.description.strip(), "values": values}
        optional = {"list": self.many, "required": self.required, **described}
        given = {name: value for name, value in optional.items() if value}
        return {"name": self.name.strip(), "type": self.type, **given}


@dataclass(slots=True)
class FieldDraft:
    """The rows under the editor, and what is wrong with them."""

    title: str = "Record"
    rows: list[FieldRow] = field(default_factory=lambda: [FieldRow()])

    def change(self, at: int, content: Mapping[str, Any]) -> None:
        """Change one row: name, kind (its type), many, required, description, values."""
        if not 0 <= at < len(self.rows):
            return
        words = {"name": "name", "kind": "type", "description": "description", "values": "values"}
        changes: dict[str, Any] = {
            name: str(content[key]) for key, name in words.items() if key in content
        }
        changes |= {key: bool(content[key]) for key in ("many", "required") if key in content}
        if changes.get("type", "text") in TYPES:
            self.rows[at] = replace(self.rows[at], **changes)

    def problems(self) -> dict[int, tuple[str, str]]:
        """What is wrong with each row, and a name that would be right; empty where all is well."""
        problems: dict[int, tuple[str, str]] = {}
        seen: set[str] = set()
        for at, row in enumerate(self.rows):
            name = row.name.strip()
            if not name:
                problems[at] = ("This row has no name.", "")
            elif not _NAME.fullmatch(name):
                problems[at] = ("A name has letters, digits and _ only.", usable(name))
            elif name in seen:
                problems[at] = ("Another row has this name.", "")
            seen.add(name)
        return problems or self._misfits()

    def _misfits(self) -> dict[int, tuple[str, str]]:
        try:
            self.schema()
        except FieldError as error:
            rows = {
                int(match.group(1)) - 1: (f"This row {problem}", "")
                for row, problem in error.problems.items()
                if (match := re.match(r"row (\d+)", row))
            }
            return rows or {0: (error.message, "")}
        return {}

    def schema(self) -> dict[str, Any]:
        """The JSON Schema of the rows; FieldError where a row is not right."""
        return {"title": usable(self.title) or "Record"} | schema_from_rows(
            [row.given() for row in self.rows]
        )


def usable(name: str) -> str:
    """A name near this one that code can use: `incident date` becomes `incident_date`."""
    parts = [re.sub(r"\W+", "_", part.replace("[]", "")).strip("_") for part in name.split(".")]
    named = ".".join(f"field_{part}" if part[:1].isdigit() else part for part in parts if part)
    return named + ("[]" if name.endswith("[]") and named else "")


def _value(words: str, kind: str) -> Any:
    word = words.strip()
    try:
        read = {"integer": parse_whole, "number": parse_number}.get(kind)
        return read(word) if read is not None else word
    except ValueError:
        return word


def rows_of_schema(schema: Schema) -> list[FieldRow]:
    """The rows of a schema; rules beyond the editor's columns are left out."""
    return [
        FieldRow(
            name=leaf.path.removesuffix("[]") or "value",
            type=leaf.type if leaf.type in TYPE_WORDS else "text",
            many=leaf.path.endswith("[]"),
            required=leaf.required and not leaf.nullable,
            description=leaf.description,
            values=", ".join(str(each) for each in leaf.values or () if each is not None),
        )
        for leaf in schema.leaves
    ]


def rows_of_example(words: str) -> list[FieldRow]:
    """The rows of one pasted record; FieldError if it is not a JSON object."""
    data = read_json(
        words,
        "The example",
        'Paste one record, such as {"amount": 4180.0, "incident_date": "2026-10-10"}.',
    )
    if isinstance(data, list) and data and isinstance(data[0], dict):
        data = data[0]
    if not isinstance(data, dict) or not data:
        raise FieldError({"The example": "This is not a JSON object."}, "Paste one record in { }.")
    return list(_rows_of(data, ""))


def _rows_of(data: Mapping[str, Any], before: str) -> Iterator[FieldRow]:
    for key, value in data.items():
        name = f"{before}{key}"
        many = isinstance(value, list)
        first = next((each for each in value if each is not None), None) if many else value
        if isinstance(first, dict) and first:
            yield from _rows_of(first, f"{name}[]." if many else f"{name}.")
        else:
            yield FieldRow(name=name, type=_type_of(first), many=many)


def _type_of(value: Any) -> str:
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, int | float):
        return "integer" if isinstance(value, int) else "number"
    text = value if isinstance(value, str) else ""
    return next((name for name, shape in _FORMATS if shape.fullmatch(text)), "text")


def pydantic_code(schema: Mapping[str, Any]) -> str:
    """The JSON Schema of field rows as pydantic classes, inner ones first."""
    classes = write_classes(schema)
    imports = "\n".join(classes.imports)
    lines = [imports, ""] if imports else []
    names = ", ".join(classes.from_pydantic)
    body = "\n\n\n".join(classes.written)
    return "\n".join([*lines, f"from pydantic import {names}", "", "", body, ""])
