"""LabelPanel: truth that grows while the result is read. Take, type, empty, undo, export."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from llmwidgets import formatting
from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.comparison.text_result import FieldResult, read_text_result
from llmwidgets.comparison.truth import get_at_path, list_without_truth
from llmwidgets.errors import FieldError
from llmwidgets.report.writers import safe_cell
from llmwidgets.widgets.comparison.grid_model import display_value, leaf_at
from llmwidgets.widgets.comparison.results import GrowingPanel
from llmwidgets.widgets.panel import Buffers, Content

if TYPE_CHECKING:
    from llmwidgets.comparison.comparison import Comparison
    from llmwidgets.comparison.core import CellKey
    from llmwidgets.comparison.truth import Correction
    from llmwidgets.schemas import Leaf


_REST_SECONDS = 0.4
TYPED, EMPTY = "typed", "not in the text"


class LabelPanel(GrowingPanel):
    """A widget in which labels are made beside the values; every score follows.

    Each label is a correction of `.comparison`, so `.comparison.corrections()` lists them.
    """

    def __init__(self) -> None:
        super().__init__()
        self._labels: tuple[Correction, ...] = ()
        self._before: list[Comparison] = []

    def show_result(self, comparison: Comparison, *, live: bool = False) -> None:
        """Take a comparison in; labels made here on texts of the same id stay."""
        carried, self._before = comparison, []
        for each in self._labels:
            if each in carried.made:
                continue
            try:
                corrected = carried.correct(each.text_id, each.field, each.new, by=each.by)
            except FieldError:
                continue
            self._before.append(carried)
            carried = corrected
        super().show_result(carried, live=live)
        self._name_labels()

    def forget_labels(self) -> None:
        """Other texts or other truth: the labels made here belong to nothing any more."""
        self._labels, self._before = (), []
        self._deviation, self._foretold = None, ""

    # -- from the page -------------------------------------------------------------------------

    async def act_label(self, content: Content, _buffers: Buffers) -> None:
        """Take a column's value as truth, one that was typed, or none."""
        at = self._unit(content)
        if at is not None:
            await self.work(self._label, at, str(content.get("path") or ""), content)
            self._labelled()

    async def act_undo(self, _content: Content, _buffers: Buffers) -> None:
        """Take the newest label back."""
        if self._before and self.comparison is not None:
            last, before = self.comparison.made[-1], self._before.pop()
            await self.work(self._put, before, last.text_id)
            self._labelled()

    async def act_corrections(self, content: Content, _buffers: Buffers) -> None:
        """The labels made since the run as a file: CSV, or one JSON object a line."""
        if self.comparison is None:
            return
        frame = await self.work(self.comparison.corrections)
        if content.get("format") == "jsonl":
            rows = frame.to_dict("records")
            lines = [json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows]
            file = {"name": "corrections.jsonl", "mime": "application/jsonl"}
            self.answer("file", file, ["".join(lines).encode()])
            return
        file = {"name": "corrections.csv", "mime": "text/csv;charset=utf-8"}
        words = frame.map(safe_cell).to_csv(index=False)
        self.answer("file", file, [words.encode("utf-8-sig")])

    # -- the label -----------------------------------------------------------------------------

    def _label(self, at: int, path: str, content: Mapping[str, Any]) -> None:
        comparison, index = self.comparison, self._index
        assert comparison is not None
        assert index is not None
        place = index.place(at)
        fields = read_text_result(comparison, place.text, place.repeat).values
        field = next((each for each in fields if each.path == path), None)
        if field is None:
            return
        text = comparison.texts[place.text]
        path, new, by = _wanted(comparison, field, place, content)
        old = get_at_path(text.truth, path)
        if old is new or (type(old) is type(new) and old == new):
            return
        corrected = comparison.correct(text.id, path, new, by=by)
        self._before.append(comparison)
        self._put(corrected, text.id)

    def _put(self, comparison: Comparison, text_id: str) -> None:
        """Show a comparison in which one text has other truth; the rest stays as it is."""
        assert self._index is not None
        self.comparison, self._labels = comparison, comparison.made
        self._verdict = ""
        self._revision += 1
        texts = [at for at, text in enumerate(comparison.texts) if text.id == text_id]
        units = self._index.again(comparison, texts)
        self._name_labels()
        self.send_changed(units)

    def _name_labels(self) -> None:
        if self._index is None or self.comparison is None:
            return
        places = {text.id: at for at, text in enumerate(self.comparison.texts)}
        self._index.labels = {
            (places[each.text_id], each.field): _words(each)
            for each in self.comparison.made
            if each.text_id in places
        }

    def _labelled(self) -> None:
        self.push()
        self.submit(self._rest(self._revision))

    async def _rest(self, revision: int) -> None:
        """Bring the static output up to date once labelling pauses."""
        await asyncio.sleep(_REST_SECONDS)
        if revision == self._revision and self._index is not None and self._index.whole:
            await self.work(self._show_static, self._index.comparison)

    # -- to the page ---------------------------------------------------------------------------

    def result_view(self) -> Content:
        """What the page knows of the comparison, and how many labels were made here."""
        made = self.comparison.made if self.comparison is not None else ()
        last = made[-1] if self._before and made else None
        return {
            **super().result_view(),
            "labels": len(made),
            "undo": f"Undo {last.field or 'value'} of {last.text_id}" if last else "",
        }


def _wanted(
    comparison: Comparison, field: FieldResult, place: CellKey, content: Mapping[str, Any]
) -> tuple[str, Any, str]:
    """The place to label, the value, and where it comes from; FieldError where there is none."""
    text = comparison.texts[place.text]
    whole = list_without_truth(text.truth, field.path)
    column = content.get("column")
    if isinstance(column, int) and 0 <= column < len(field.values):
        said, label = field.values[column], comparison.labels[column]
        if said.state == "failed":
            raise FieldError({label: "There is no usable reply to take a value from."})
        if whole:
            # One item alone would make the others invented, so the list is taken whole.
            data = comparison.extraction(replace(place, variant=column)).data
            found = get_at_path(data, whole)
            return whole, None if found is NOTHING else found, label
        return field.path, None if said.value is NOTHING else said.value, label
    if whole:
        raise FieldError(
            {whole: "The list has no truth yet."},
            "Take the list of a column first (keys 1 to 9), then correct its items.",
        )
    if content.get("none"):
        return field.path, None, EMPTY
    return field.path, parse_edit(str(content.get("value") or ""), leaf_at(field, text)), TYPED


def _words(made: Correction) -> str:
    """Where a label came from and what stood there before, in words."""
    sources = {TYPED: "typed here", EMPTY: "set here", "": "corrected"}
    source = sources.get(made.by, f"taken from {made.by}")
    before = "no label" if made.old is NOTHING else display_value(made.old, "none")
    return f"{source}; before: {formatting.shorten(before, 80)}"


# -- A value typed into a cell, read by the type of its field.

_YES = {"yes": True, "true": True, "no": False, "false": False}


def parse_edit(words: str, leaf: Leaf | None) -> Any:
    """What was typed, as the field's type; empty takes the label away; FieldError else."""
    said = words.strip()
    if not said:
        return NOTHING
    kind = leaf.type if leaf is not None else "other"
    name = leaf.path if leaf is not None else "this field"
    if kind in ("integer", "number"):
        return _number(said, kind, name)
    if kind == "boolean":
        if said.casefold() not in _YES:
            raise FieldError({name: "This is neither yes nor no."}, "Type yes or no.")
        return _YES[said.casefold()]
    if kind == "enum" and leaf is not None:
        return _one_of(said, leaf)
    if kind in ("array", "other"):
        try:
            return json.loads(said)
        except ValueError:
            return said
    return said


def _number(said: str, kind: str, name: str) -> Any:
    try:
        return int(said) if kind == "integer" else float(said) if "." in said else int(said)
    except ValueError:
        example = "4180" if kind == "integer" else "4180.50"
        raise FieldError({name: "This is not a number."}, f"Type it like {example}.") from None


def _one_of(said: str, leaf: Leaf) -> Any:
    for value in leaf.values or ():
        if said.casefold() == str(value).casefold():
            return value
    listed = ", ".join(str(value) for value in (leaf.values or ())[:12])
    raise FieldError({leaf.path: "This is none of the allowed values."}, f"They are {listed}.")
