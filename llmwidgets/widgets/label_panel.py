"""LabelPanel: truth that grows while the result is read. Take, type, empty, undo, export."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from llmwidgets.analysis.alignment import NOTHING
from llmwidgets.comparison import scoreboard
from llmwidgets.errors import FieldError
from llmwidgets.report import figures
from llmwidgets.report.files import safe_cell
from llmwidgets.widgets.base import Buffers, Content
from llmwidgets.widgets.comparison_grid import Field, fields_in
from llmwidgets.widgets.grid_cells import count, leaf_of, shown
from llmwidgets.widgets.grid_rows import block_of
from llmwidgets.widgets.result_panel import ResultPanel
from llmwidgets.widgets.truth_edits import (
    Edit,
    at_place,
    fitting,
    list_without_truth,
    typed,
    with_value,
)

if TYPE_CHECKING:
    from llmwidgets.comparison.comparison import Comparison

_REST_SECONDS = 0.4
_COLUMNS = ("text_id", "field", "old", "new", "source", "made_at")


class LabelPanel(ResultPanel):
    """A widget in which labels are made beside the values; every score follows."""

    def __init__(self) -> None:
        super().__init__()
        self._edits: list[Edit] = []
        self._given: Comparison | None = None
        self._resting = 0

    # -- what code sees ------------------------------------------------------------------------

    def corrections(self) -> list[dict[str, Any]]:
        """The labels made here, oldest first: text_id, field, old, new, source, made_at.

        `old` and `new` are None for "not in the text" and "" where there was or is no label.
        Each was made after the models' values were seen.
        """
        return [_exported(each) for each in self._edits]

    def show_result(self, comparison: Comparison) -> None:
        """Take a comparison in; labels made on texts of the same id stay."""
        places = {text.id: at for at, text in enumerate(comparison.texts)}
        self._edits = [
            replace(each, text=places[each.text_id])
            for each in self._edits
            if each.text_id in places
        ]
        self._given, corrected = comparison, comparison
        for each in reversed(self._edits):
            self._given = _with_truth(self._given, each.text, each.before)
        for each in self._edits:
            truth = with_value(corrected.texts[each.text].truth, each.path, each.new)
            corrected = _with_truth(corrected, each.text, truth)
        super().show_result(corrected)
        self._name_labels()

    # -- from the page -------------------------------------------------------------------------

    async def act_label(self, content: Content, _buffers: Buffers) -> None:
        """Take a column's value as truth, one that was typed, or none."""
        at, path = self._unit(content), str(content.get("path") or "")
        if at is None or self.comparison is None:
            return
        await self.work(self._label, at, path, content)
        self._labelled()

    async def act_undo(self, _content: Content, _buffers: Buffers) -> None:
        """Take the newest label back."""
        if not self._edits:
            return
        last = self._edits.pop()
        await self.work(self._put, last.text, last.before)
        self._labelled()

    async def act_corrections(self, content: Content, _buffers: Buffers) -> None:
        """The labels made here as a file: CSV, or one JSON object a line."""
        rows = self.corrections()
        if content.get("format") == "jsonl":
            lines = [json.dumps(row, ensure_ascii=False, default=str) + "\n" for row in rows]
            file = {"name": "corrections.jsonl", "mime": "application/jsonl"}
            self.answer("file", file, ["".join(lines).encode()])
            return
        import pandas as pd

        words = pd.DataFrame(rows, columns=list(_COLUMNS)).map(safe_cell).to_csv(index=False)
        file = {"name": "corrections.csv", "mime": "text/csv;charset=utf-8"}
        self.answer("file", file, [words.encode("utf-8-sig")])

    # -- the label -----------------------------------------------------------------------------

    def _label(self, at: int, path: str, content: Mapping[str, Any]) -> None:
        comparison, index = self.comparison, self._index
        assert comparison is not None
        assert index is not None
        place = index.place(at)
        text = comparison.texts[place.text]
        fields = fields_in(comparison, place.text, place.repeat)
        field = next((each for each in fields if each.path == path), None)
        if field is None:
            return
        path, new, source = self._wanted(field, at, content)
        old = at_place(text.truth, path)
        if old is not NOTHING and new is not NOTHING and old == new and type(old) is type(new):
            return
        truth = fitting(text, with_value(text.truth, path, new))
        now = datetime.now(UTC)
        self._edits.append(Edit(place.text, text.id, path, old, new, source, now, text.truth))
        self._put(place.text, truth)

    def _wanted(self, field: Field, at: int, content: Mapping[str, Any]) -> tuple[str, Any, str]:
        """The place to label, the value, and where it came from."""
        comparison, index = self.comparison, self._index
        assert comparison is not None
        assert index is not None
        place = index.place(at)
        text = comparison.texts[place.text]
        whole = list_without_truth(text.truth, field.path)
        column = content.get("column")
        if isinstance(column, int) and 0 <= column < len(field.said):
            said, label = field.said[column], comparison.labels[column]
            if said.state == "failed":
                raise FieldError({label: "There is no usable reply to take a value from."})
            if whole:
                there = replace(place, variant=column)
                return whole, at_place(comparison.extraction(there).data, whole), label
            return field.path, None if said.value is NOTHING else said.value, label
        if whole:
            raise FieldError(
                {whole: "The list has no truth yet."},
                "Take the list of a column first (keys 1 to 9), then correct its items.",
            )
        if content.get("none"):
            return field.path, None, "not in the text"
        return field.path, typed(str(content.get("value") or ""), leaf_of(field, text)), "typed"

    def _put(self, at: int, truth: Any) -> None:
        """Give a text its truth: what the page shows of it is read anew."""
        assert self.comparison is not None
        assert self._index is not None
        self.comparison = _with_truth(self.comparison, at, truth)
        self._verdict = ""
        self._revision += 1
        units = self._index.again(self.comparison, [at])
        self._name_labels()
        self.truth_grew(self.comparison.texts[at].id, truth)
        self._send_changed(units)

    def _send_changed(self, units: list[int]) -> None:
        index = self._index
        assert index is not None
        for laid, (layout, metrics) in list(self._layouts.items()):
            found = []
            for n, each in enumerate(layout):
                if each.unit in units:
                    layout[n] = each.after(index.units[each.unit])
                    found.append([n, block_of(index, layout[n], metrics)])
            if found:
                self.answer("changed", {"layout": laid, "blocks": found})

    def truth_grew(self, text_id: str, truth: Any) -> None:
        """A text has other truth now; a later run uses it."""

    def _name_labels(self) -> None:
        if self._index is not None:
            self._index.labels = {(each.text, each.path): _words(each) for each in self._edits}

    def _labelled(self) -> None:
        self.push()
        self._resting += 1
        self.submit(self._rest(self._resting))

    async def _rest(self, turn: int) -> None:
        """Bring the static output up to date once labelling pauses."""
        await asyncio.sleep(_REST_SECONDS)
        if turn == self._resting and self._index is not None and self._index.whole:
            await self.work(self._show_static, self._index.comparison)

    # -- to the page ---------------------------------------------------------------------------

    def result_view(self) -> Content:
        """What the page knows of the comparison, and how many labels were made here."""
        last = self._edits[-1] if self._edits else None
        return {
            **super().result_view(),
            "labels": len(self._edits),
            "undo": f"Undo {last.path or 'value'} of {last.text_id}" if last else "",
        }

    def _scores(self, comparison: Comparison) -> Content:
        view = super()._scores(comparison)
        given = self._given
        if not self._edits or given is None:
            return view
        made = count(len(self._edits), "label")
        verb = "was" if len(self._edits) == 1 else "were"
        said = f"{made} {verb} made after seeing the models' values."
        shares = [scoreboard.accuracy(tally) for tally in given.reading.tallies]
        known = [
            f"{figures.letter(at)} {figures.percent(share)}"
            for at, share in enumerate(shares)
            if share is not None
        ]
        if known:
            said += f" With the truth as it was given: {', '.join(known)}."
        return {**view, "beside": [said, *view["beside"]]}


def _with_truth(comparison: Comparison, at: int, truth: Any) -> Comparison:
    texts = list(comparison.texts)
    texts[at] = replace(texts[at], truth=truth)
    return replace(comparison, texts=tuple(texts))


def _exported(edit: Edit) -> dict[str, Any]:
    return {
        "text_id": edit.text_id,
        "field": edit.path,
        "old": "" if edit.old is NOTHING else edit.old,
        "new": "" if edit.new is NOTHING else edit.new,
        "source": edit.source,
        "made_at": edit.made_at.isoformat(timespec="seconds"),
    }


def _words(edit: Edit) -> str:
    """Where a label came from and what stood there before, in words."""
    sources = {"typed": "typed here", "not in the text": "set here"}
    source = sources.get(edit.source, f"taken from {edit.source}")
    before = "no label" if edit.old is NOTHING else shown(edit.old, "none")
    return f"{source}; before: {figures.shorten(before, 80)}"
