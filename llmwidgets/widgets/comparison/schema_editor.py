"""SchemaEditor: the fields written as rows inside the panel, and texts pasted or chosen there."""

from __future__ import annotations

import json
from typing import Any

from llmwidgets.errors import FieldError
from llmwidgets.formatting import count
from llmwidgets.widgets.comparison.choices import ChoicePanel
from llmwidgets.widgets.panel import Buffers, Content
from llmwidgets.widgets.setup.field_draft import (
    WORDS,
    FieldDraft,
    FieldRow,
    rows_of_example,
    rows_of_schema,
)
from llmwidgets.widgets.setup.given_texts import of_files, pasted


class SchemaEditor(ChoicePanel):
    """A panel in which the schema can be written or changed; what code gave stays as it is."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self._draft = FieldDraft()
        self._drafted = 0

    # -- fields --------------------------------------------------------------------------------

    async def act_fields(self, _content: Content, _buffers: Buffers) -> None:
        """Open the editor on a copy of the schema, or on one empty row."""
        schema = self._setup.schema
        if schema is None and self._setup.documents:
            schema = self._setup.documents[0].schema
        rows = rows_of_schema(schema) if schema is not None else [FieldRow()]
        self._draft = FieldDraft(schema.name if schema is not None else "Record", rows)
        self._screen = "fields"
        self._redrafted()

    async def act_field_edit(self, content: Content, _buffers: Buffers) -> None:
        """One row was changed; it is checked at once."""
        self._draft.change(int(content.get("row", -1)), content)
        self.push()

    async def act_field_rename(self, content: Content, _buffers: Buffers) -> None:
        """A name that was offered is taken."""
        self._draft.change(int(content.get("row", -1)), content)
        self._redrafted()

    async def act_field_add(self, _content: Content, _buffers: Buffers) -> None:
        """An empty row at the end."""
        self._draft.rows.append(FieldRow())
        self.push()

    async def act_field_drop(self, content: Content, _buffers: Buffers) -> None:
        """A row was taken away; the last one is emptied instead."""
        at = int(content.get("row", -1))
        if 0 <= at < len(self._draft.rows):
            del self._draft.rows[at]
            self._draft.rows = self._draft.rows or [FieldRow()]
        self._redrafted()

    async def act_field_example(self, content: Content, _buffers: Buffers) -> None:
        """The rows of a pasted record take the place of what was there."""
        self._draft.rows = rows_of_example(str(content.get("text") or ""))
        self._redrafted()

    async def act_fields_code(self, content: Content, _buffers: Buffers) -> None:
        """The rows as JSON Schema or as pydantic classes, to be copied."""
        if content.get("format") == "json":
            text = json.dumps(self._draft.schema(), indent=2, ensure_ascii=False)
            title = "The fields as JSON Schema"
        else:
            text, title = self._draft.code(), "The fields as pydantic classes"
        self.send({"type": "code", "title": title, "text": text, "from": content.get("from")})

    async def act_fields_use(self, _content: Content, _buffers: Buffers) -> None:
        """Compare by these fields from now on."""
        schema = self._draft.schema()
        self._screen = "setup"
        self.schema = schema

    async def act_fields_close(self, _content: Content, _buffers: Buffers) -> None:
        """Leave the editor; the fields stay as they were."""
        self._screen = "setup"
        self._reckon()
        self.push()

    def _redrafted(self) -> None:
        self._drafted += 1
        self.push()

    def fields_view(self) -> Content:
        """The rows, what is wrong with each, and which must have a value."""
        draft = self._draft
        problems = draft.problems()
        required = sum(row.required for row in draft.rows)
        return {
            "edition": self._drafted,
            "types": [[name, words] for name, words in WORDS.items()],
            "rows": [
                {
                    "name": row.name,
                    "type": row.type,
                    "many": row.many,
                    "required": row.required,
                    "description": row.description,
                    "values": row.values,
                    "problem": problems.get(at, ("", ""))[0],
                    "instead": problems.get(at, ("", ""))[1],
                }
                for at, row in enumerate(draft.rows)
            ],
            "said": count(len(draft.rows), "field"),
            "wrong": count(len(problems), "row") + " to mend" if problems else "",
            "warning": _warning(required),
        }

    # -- texts ---------------------------------------------------------------------------------

    async def act_paste(self, content: Content, _buffers: Buffers) -> None:
        """Texts that were pasted take the place of what was there."""
        self._take(pasted(str(content.get("text") or "")))

    async def act_files(self, content: Content, buffers: Buffers) -> None:
        """Texts out of files that were chosen; names come in the message, contents beside it."""
        names = [str(name) for name in content.get("names") or ()]
        self._take(of_files([_file(*each) for each in zip(names, buffers, strict=False)]))

    def _take(self, texts: list[dict[str, Any]]) -> None:
        self._setup.truth_given = self._setup.group = None
        self.texts = texts


def _file(name: str, content: memoryview) -> tuple[str, str]:
    try:
        return name, bytes(content).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise FieldError(
            {name: "The file is no UTF-8 text."}, "Save it as UTF-8, or turn a PDF into text first."
        ) from None


def _warning(required: int) -> str:
    if not required:
        return ""
    verb = "is" if required == 1 else "are"
    return (
        f"{count(required, 'field')} {verb} required and may not be empty: where a text is silent, "
        "the model must invent a value. Untick Required where that can happen."
    )
