"""LabelController: labels that are made next to the values, and what was typed as one."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from llmwidgets import formatting
from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.comparison.core import CellKey
from llmwidgets.comparison.measures.stability import at_repeat
from llmwidgets.comparison.measures.text_result import FieldResult
from llmwidgets.comparison.truth import get_at_path, list_without_truth
from llmwidgets.errors import FieldError, read_json
from llmwidgets.report.writers import format_jsonl
from llmwidgets.widgets.comparison.grid_model import display_value, leaf_at
from llmwidgets.widgets.comparison.results import ShownResult
from llmwidgets.widgets.panel import Content

if TYPE_CHECKING:
    from llmwidgets.comparison.comparison import Comparison
    from llmwidgets.comparison.truth import Correction
    from llmwidgets.schemas import Leaf
    from llmwidgets.widgets.comparison.grid import GridController


_REST_SECONDS = 0.4
TYPED, EMPTY = "typed", "not in the text"


class LabelController:
    """Labels that are made next to the values; every score follows.

    Each label is a correction of the comparison, so `.comparison.corrections()` lists them.
    """

    def __init__(self, result: ShownResult, grid: GridController) -> None:
        self._result, self.grid, self._page = result, grid, result.page
        self._labels: tuple[Correction, ...] = ()
        self._before: list[Comparison] = []

    def show(self, comparison: Comparison, *, live: bool = False) -> None:
        """Show a comparison; labels made here on texts of the same id stay."""
        self._before = []
        for each in self._labels:
            if each in comparison.label_log:
                continue
            try:
                corrected = comparison.correct(each.text_id, each.field, each.new, by=each.by)
            except FieldError:
                continue
            self._before.append(comparison)
            comparison = corrected
        self.grid.show(comparison, live=live)
        self._name_labels()

    def forget(self) -> None:
        """Other texts or other truth: the labels made here belong to nothing any more."""
        self._labels, self._before = (), []
        self._result.deviation, self._result.foretold = None, ""

    @property
    def undo(self) -> str:
        """What Undo takes back; empty where no label was made here."""
        if not self._before or self._result.comparison is None:
            return ""
        last = self._result.comparison.label_log[-1]
        return f"Undo {last.field or 'value'} of {last.text_id}"

    async def act_set(self, content: Content) -> None:
        """Take a column's value as truth, one that was typed, or none."""
        at = self._result.find_text(content)
        if at is not None:
            await self._result.work(self._set, at, str(content.get("path") or ""), content)
            self._push()

    async def act_undo(self, _content: Content) -> None:
        """Take the newest label back."""
        if self._before and self._result.comparison is not None:
            last, before = self._result.comparison.label_log[-1], self._before.pop()
            await self._result.work(self._put, before, last.text_id)
            self._push()

    async def act_export(self, content: Content) -> None:
        """The labels made since the run as a file: CSV, or one JSON object per line."""
        if self._result.comparison is None:
            return
        frame = await self._result.work(self._result.comparison.corrections)
        if content.get("format") != "jsonl":
            self._result.send_csv("corrections.csv", frame)
            return
        text = format_jsonl(frame.to_dict("records"))
        self._result.send_file("corrections.jsonl", "application/jsonl", text.encode())

    def _set(self, at: int, path: str, content: Mapping[str, Any]) -> None:
        index = self._result.index
        assert index is not None
        comparison, place = index.comparison, index.place(at)
        field = index.field(at, path)
        if field is None:
            return
        text = comparison.texts[place.text]
        repeat = self._result.find_repeat(content)
        path, new, by = _read_label(comparison, field, place.text, content, repeat)
        old = get_at_path(text.truth, path)
        if old is new or (type(old) is type(new) and old == new):
            return
        corrected = comparison.correct(text.id, path, new, by=by)
        self._before.append(comparison)
        self._put(corrected, text.id)

    def _put(self, comparison: Comparison, text_id: str) -> None:
        """Show a comparison in which one text has other truth; the rest stays as it is."""
        index, self._labels = self._result.index, comparison.label_log
        assert index is not None
        texts = [at for at, text in enumerate(comparison.texts) if text.id == text_id]
        index.again(comparison, texts)
        # Only now: who asks for the scores of this revision must get the new ones.
        self._result.verdict = ""
        self._result.revision += 1
        self._name_labels()
        self.grid.send_changed(texts)

    def _name_labels(self) -> None:
        if (index := self._result.index) is None:
            return
        places = {text.id: at for at, text in enumerate(index.comparison.texts)}
        given = dict[tuple[str, str], Any]()
        for each in index.comparison.label_log:
            given.setdefault((each.text_id, each.field), each.old)
        index.labels = {
            (places[each.text_id], each.field): _origin(each, given[each.text_id, each.field])
            for each in index.comparison.label_log
            if each.text_id in places
        }

    def _push(self) -> None:
        self._page.push()
        self._page.submit(self._rest(self._result.revision))

    async def _rest(self, revision: int) -> None:
        """Bring the static output up to date once labelling pauses."""
        await asyncio.sleep(_REST_SECONDS)
        if revision == self._result.revision:
            await self._result.refresh_static()


def _read_label(
    comparison: Comparison,
    field: FieldResult,
    at: int,
    content: Mapping[str, Any],
    repeat: int | None,
) -> tuple[str, Any, str]:
    """The path to label, the value, and where it comes from; FieldError if there is no value.

    A column's value is its most frequent one, or that of the repeat.
    """
    text = comparison.texts[at]
    whole = list_without_truth(text.truth, field.path)
    column = content.get("column")
    if isinstance(column, int) and 0 <= column < len(field.values):
        cell, label = field.values[column], comparison.labels[column]
        if repeat is None:
            repeat = cell.first if cell else 0
        cell = at_repeat(cell, repeat)
        if cell.state == "failed":
            raise FieldError({label: "There is no usable reply to take a value from."})
        if whole:
            # One item alone would make the others invented, so the list is taken whole.
            data = comparison.extraction(CellKey(column, at, repeat)).data
            value = get_at_path(data, whole)
            return whole, None if value is NOTHING else value, label
        return field.path, None if cell.value is NOTHING else cell.value, label
    if whole:
        raise FieldError(
            {whole: "The list has no truth yet."},
            "Take the list of a column first (keys 1 to 9), then correct its items.",
        )
    if content.get("none"):
        return field.path, None, EMPTY
    return (
        field.path,
        parse_edit(str(content.get("value") or ""), leaf_at(field, text.schema)),
        TYPED,
    )


def _origin(made: Correction, old: Any) -> tuple[str, str]:
    """Where a label came from, and the words of the truth that was given; empty without one."""
    sources = {TYPED: "typed here", EMPTY: "set here", "": "corrected"}
    source = sources.get(made.by, f"taken from {made.by}")
    if old is NOTHING:
        return source, ""
    return source, formatting.shorten(display_value(old, "none"), 80)


_YES = {"yes": True, "true": True, "no": False, "false": False}


def parse_edit(words: str, leaf: Leaf | None) -> Any:
    """What was typed, as the field's type; empty takes the label away; FieldError else."""
    typed = words.strip()
    if not typed:
        return NOTHING
    kind = leaf.type if leaf is not None else "other"
    name = leaf.path if leaf is not None else "this field"
    if kind in ("integer", "number"):
        try:
            decimal = kind == "number" and "." in typed
            read = formatting.parse_number if decimal else formatting.parse_whole
            return read(typed)
        except ValueError:
            example = "4180" if kind == "integer" else "4180.50"
            raise FieldError({name: "This is not a number."}, f"Type it like {example}.") from None
    if kind == "boolean":
        if typed.casefold() not in _YES:
            raise FieldError({name: "This is neither yes nor no."}, "Type yes or no.")
        return _YES[typed.casefold()]
    if kind == "enum" and leaf is not None:
        return _one_of(typed, leaf)
    if kind in ("array", "other"):
        if typed[:1] in ("[", "{"):
            return read_json(typed, name, "Type it as JSON.")
        try:
            return json.loads(typed)
        except ValueError:
            return typed
    return typed


def _one_of(typed: str, leaf: Leaf) -> Any:
    for value in leaf.values or ():
        if typed.casefold() == str(value).casefold():
            return value
    listed = ", ".join(str(value) for value in (leaf.values or ())[:12])
    raise FieldError({leaf.path: "This is not one of the allowed values."}, f"They are {listed}.")
