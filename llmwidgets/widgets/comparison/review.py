"""ReviewController: the grid in the order of review, the most doubtful fields first."""

from __future__ import annotations

import threading
import time
from array import array
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from llmwidgets import formatting
from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.analysis.statistics.doubt import FEWEST, FEWEST_GROUPS
from llmwidgets.comparison.measures.doubt import (
    LABELS,
    ReviewOrder,
    ReviewRow,
    find_by_label,
    follow_doubts,
)
from llmwidgets.comparison.measures.kept_scores import VariantValue
from llmwidgets.comparison.measures.text_result import FieldResult, ground_text
from llmwidgets.comparison.truth import get_at_path
from llmwidgets.formatting import count
from llmwidgets.widgets.comparison.grid import GridAnswer, Layout, NothingState, ReviewState
from llmwidgets.widgets.comparison.grid_model import CHUNK, GridIndex, Shown, TextRow, text_name
from llmwidgets.widgets.comparison.grid_rows import (
    BlockState,
    Metrics,
    RowState,
    failure_of,
    row_of,
    value_lines,
)
from llmwidgets.widgets.comparison.labels import EMPTY, TYPED
from llmwidgets.widgets.panel import Content, whole_in

if TYPE_CHECKING:
    from llmwidgets.analysis.statistics.doubt import Doubts
    from llmwidgets.comparison.comparison import Comparison
    from llmwidgets.widgets.comparison.grid import GridController
    from llmwidgets.widgets.comparison.results import ShownResult

AT_ONCE = 20
"""How many rows are shown at first, and how many more each time."""

_MOST_KEYS = 9
_ORDERS = 4
_SAY_EVERY = 0.3


@dataclass(frozen=True)
class _Order:
    """An order as it was when it was asked for; labels made later do not move it."""

    index: GridIndex
    rows: ReviewOrder
    revision: int
    found: tuple[str, str]


@dataclass(slots=True)
class _ReviewLayout(Layout):
    """Each row by itself, as it is now; `more` is said of the rows that are not shown."""

    rows: list[ReviewRow] = field(default_factory=list)
    more: str = ""

    def block(self, index: GridIndex, at: int) -> BlockState:
        if at < len(self.rows):
            return review_block(index, self.rows[at], at + 1, self.metrics)
        return {"id": "", "index": -1, "title": "", "said": "", "failed": None, "fold": self.more,
                "rows": [], "h": self.metrics.fold}  # fmt: skip

    def follow(self, index: GridIndex, at: int) -> None:
        """What is shown stays where it is."""

    def heights(self) -> bytes:
        pixels = array("I", [self.metrics.row(2)] * len(self.rows))
        return (pixels + array("I", [self.metrics.fold] * bool(self.more))).tobytes()


class ReviewController:
    """The grid in the order of review: what to label first.

    An order is made when a page asks for one, and it stays: whoever labels finds the next row
    below, and asks for a new order when the labels are to count. The page asks for further rows of
    an order by its number; the grid sends them, and what changes in them.
    """

    def __init__(self, result: ShownResult, grid: GridController) -> None:
        self._result, self._grid = result, grid
        self._orders: dict[int, _Order] = {}
        self._made = 0
        self._turn = threading.Lock()

    async def act_lay(self, content: Content) -> None:
        """The first `most` rows of an order, a new one unless the page names one that is known."""
        index = self._result.index
        if index is None:
            return
        number = whole_in(content, "order")
        order = self._orders.get(number)
        if order is None or order.index is not index:
            order = await self._result.work(self._make_order, index)
            if index is not self._result.index:
                return
            self._made = number = self._made + 1
            self._orders[number] = order
            for old in sorted(self._orders)[:-_ORDERS]:
                del self._orders[old]
        answer, pixels = await self._result.work(self._lay, number, order, content)
        if index is self._result.index:
            self._result.answer("grid", answer, [pixels])

    def _make_order(self, index: GridIndex) -> _Order:
        started = said = time.monotonic()

        def say(texts: int) -> None:
            nonlocal said
            if (now := time.monotonic()) - said > _SAY_EVERY and index is self._result.index:
                said = now
                words = f"Reading the values: {texts:,} of {count(index.total, 'text')}."
                self._result.answer("reviewing", {"said": words})

        with self._turn:  # who asks again meanwhile waits for the same
            revision, comparison = self._result.revision, index.comparison
            reviewed = follow_doubts(comparison, say)
        if time.monotonic() - started > _SAY_EVERY:
            self._result.answer("reviewing", {"said": ""})
        rows = ReviewOrder(reviewed, len(comparison.variants))
        return _Order(index, rows, revision, _found_words(reviewed.doubts))

    def _lay(self, number: int, order: _Order, content: Content) -> tuple[GridAnswer, bytes]:
        chosen = self._result.slices.chosen
        texts = chosen.places if chosen is not None else None
        most = max(AT_ONCE, whole_in(content, "most"))
        able = order.rows.reviewed.known
        rows, total = order.rows.within(texts, most + AT_ONCE if able else 0)
        rows, rest = rows[:most], rows[most:]
        metrics = Metrics.read(content)
        shown = [Shown(each.text, (each.path,), ()) for each in rows]
        more = _more_words(rest, total - len(rows))
        if more:
            shown.append(Shown(-1, (), ()))
        layout = _ReviewLayout(shown, metrics, rows=rows, more=more)
        self._grid.keep(layout)
        doubts = order.rows.reviewed.doubts
        view: ReviewState = {
            "order": number,
            "revision": order.revision,
            "next": len(rows) + AT_ONCE,
            "head": _head_words(len(rows), total),
            "found": order.found[0],
            "random": order.found[1],
            "foot": _foot_words(doubts) if rows else "",
        }
        return {
            "layout": layout.number,
            "turn": str(content.get("turn")),
            "chars": metrics.chars,
            "texts": len(shown),
            "lines": len(shown),
            "said": "",
            "slice": self._result.slices.words if chosen is not None else "",
            "read": order.index.answered,
            "empty": None if rows else _nothing(order, total),
            "review": view,
            "from": 0,
            "blocks": list(layout.blocks(order.index, 0, CHUNK)),
        }, layout.heights()


# -- One row.


def review_block(index: GridIndex, each: ReviewRow, place: int, metrics: Metrics) -> BlockState:
    """One field of one text as it is now, with its doubts as they were when it was ordered."""
    comparison, at = index.comparison, each.text
    text = comparison.texts[at]
    unit = index.units[at] if at < len(index.units) else TextRow(at, (), ())
    variants = len(comparison.variants)
    shown = index.field(at, each.path)
    if shown is None:  # a label has put its list into another order
        truth = get_at_path(text.truth, each.path)
        shown = FieldResult(each.path, truth, (VariantValue("agree"),) * variants)
    row = row_of(shown, False, ground_text(comparison, at), unit, metrics, variants)
    for variant, cell in enumerate(row["c"]):
        if cell[0] == "failed":
            cell[1] = failure_of(comparison, variant, at)["name"]
    if origin := index.labels.get((at, each.path)):
        row["t"] += origin
    if shown.truth is NOTHING:
        row["t"][0] = "no truth yet"
    row["d"] = {
        "text": text_name(text),
        "rank": f"rank {place:,}" if all(doubt is None for doubt in each.doubts) else "",
        "set": "" if shown.truth is NOTHING else _set_words(comparison, text.id, each.path),
        "doubts": [
            _percent(doubt) if cell[0] not in ("failed", "waiting") and doubt is not None else None
            for cell, doubt in zip(row["c"], each.doubts, strict=True)
        ],
    }
    row["h"] = metrics.row(_lines(row, metrics))
    return {"id": text_name(text), "index": at, "title": "", "said": "", "failed": None, "fold": "",
            "rows": [row], "h": row["h"]}  # fmt: skip


def _percent(doubt: float) -> int:
    """A chance in percent; nothing is said to be sure."""
    return min(99, max(1, round(100 * doubt)))


def _lines(row: RowState, metrics: Metrics) -> int:
    """The lines of a row: a field with its text, the truth with what set it, values with doubts."""
    said = row["d"]
    truth = min(2, 1 + len(row["t"][0]) // metrics.truth_chars)
    if said["set"]:
        truth += min(2, 1 + len(said["set"]) // metrics.truth_chars)
    cells = zip(row["c"], said["doubts"], strict=True)
    values = [
        value_lines(cell, metrics) + (len(cell) > 3 or doubt is not None) for cell, doubt in cells
    ]
    return max(2, truth, *values)


def _set_words(comparison: Comparison, text_id: str, path: str) -> str:
    """What the newest label of a field was made with; a label of its list is one of its own."""
    for each in reversed(comparison.label_log):
        inside = not each.field or path.startswith((f"{each.field}[", f"{each.field}."))
        if each.text_id == text_id and (inside or path == each.field):
            break
    else:
        return ""
    labels = [*comparison.labels[:_MOST_KEYS]]
    keys = {EMPTY: 0, **{label: at + 1 for at, label in enumerate(labels)}}
    if each.by in keys:
        return f"set with key {keys[each.by]}"
    return {TYPED: "typed here", "": "corrected"}.get(each.by, f"taken from {each.by}")


# -- What is said of an order.


def _head_words(shown: int, total: int) -> str:
    if not shown:
        return "Review"
    if shown == total:
        return f"Review: {count(total, 'value')}, the most doubtful first"
    return f"Review: the {shown:,} most doubtful values"


def _found_words(doubts: Doubts) -> tuple[str, str]:
    """What the first labels held, and what any would; nothing where hardly more are known."""
    found = find_by_label(doubts)
    if found is None:
        return "", ""
    by, random = (formatting.average(found[name].fields) for name in ("doubt", "random"))
    verb = "was" if by == "1" else "were"
    return f"{by} of the first {LABELS} labelled {verb} wrong", f"({random} expected at random)"


def _more_words(rest: Sequence[ReviewRow], total: int) -> str:
    """How many rows come next, and how much they are in doubt."""
    if not rest:
        return ""
    number = f"{total:,} more" if len(rest) == total else f"The next {len(rest)} of {total:,}"
    known = [max(known) for each in rest if (known := [one for one in each.doubts if one])]
    if not known:
        return number
    high, low = _percent(max(known)), _percent(min(known))
    return f"{number}, {f'from {high} % down to {low} %' if high > low else f'at {high} %'}"


def _foot_words(doubts: Doubts) -> str:
    if doubts.calibrated:
        texts = count(doubts.texts, "text")
        return f"%: chance that the value is wrong, learned from {texts} with truth"
    labelled = doubts.wrong + doubts.right
    have = f"{count(labelled, 'labelled value')}, {doubts.wrong:,} wrong"
    return (
        f"ranks only: {have if labelled else 'no labelled value'}; at least {FEWEST} wrong and "
        f"{FEWEST} right ones of {FEWEST_GROUPS} texts are needed"
    )


def _nothing(order: _Order, total: int) -> NothingState:
    """Why there is nothing to look at first."""
    sentence = "There is no value to review"
    hint = "No reply has brought one."
    if total:
        sentence = "These values cannot be ranked"
        hint = (
            "One model was asked once about each text, and none of its values can be looked for in "
            "a text: nothing speaks for or against any of them."
        )
    elif len(order.rows):
        hint = "None of the texts that are shown has one."
    return {"good": False, "sentence": sentence, "hint": hint,
            "ways": [{"label": "Most disagreement first", "filter": {"sort": "loud"}}]}  # fmt: skip
