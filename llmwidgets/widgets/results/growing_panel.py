"""GrowingPanel: a result that changes under the eyes; only the rows that changed are sent."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from llmwidgets.widgets.comparison.grid_model import GridIndex
from llmwidgets.widgets.comparison.grid_view import Metrics, block_of
from llmwidgets.widgets.comparison.results import CHUNK, ResultPanel
from llmwidgets.widgets.panel import Content
from llmwidgets.widgets.results.grid_filter import Shown

if TYPE_CHECKING:
    from llmwidgets.comparison.comparison import Comparison


_BATCH_SECONDS = 0.05
_COUNT_EVERY = 10
_QUICK = 2000


class GrowingPanel(ResultPanel):
    """A widget whose rows follow a run, about 20 times a second, and stay where they are."""

    def __init__(self) -> None:
        super().__init__()
        self._grown: set[int] = set()
        self._growing = False
        self._sent: dict[int, set[int]] = defaultdict(lambda: {0})

    def show_live(self, comparison: Comparison) -> None:
        """Take in a comparison whose rows are still coming; `grew` says which came."""
        self.show_result(comparison, live=True)

    def grew(self, texts: Iterable[int]) -> None:
        """These texts have new replies; callable from any thread, cheap, read a moment later."""
        with self._turn:
            self._grown.update(texts)
            if self._growing:
                return
            self._growing = True
        self.submit(self._follow_growth())

    def busy(self) -> bool:
        """Whether something else is wanted now, new replies among it."""
        return self._growing or super().busy()

    async def _follow_growth(self) -> None:
        turn = 0
        while True:
            await asyncio.sleep(_BATCH_SECONDS)
            with self._turn:
                texts, self._grown = self._grown, set()
                if not texts:
                    self._growing = False
                    break
            await asyncio.to_thread(self._take_growth, sorted(texts))
            turn += 1
            if turn % _COUNT_EVERY == 0:
                self._say_growth()
        self._say_growth()

    def _say_growth(self) -> None:
        """New counts; new scores too, where summing up is quick or nothing more comes."""
        index = self._index
        if index is not None and (not index.live or len(index.comparison) <= _QUICK):
            self._revision += 1
        self.push()

    def _take_growth(self, texts: list[int]) -> None:
        index = self._index
        if index is None or self.comparison is None:
            return
        # A comparison sums its replies up once: one with new replies is a new value.
        self.comparison = replace(self.comparison)
        index.comparison = self.comparison
        for first in range(0, len(texts), CHUNK):
            self.send_changed(index.again(index.comparison, texts[first : first + CHUNK]))

    def send_changed(self, units: list[int]) -> None:
        """Send the rows of these texts anew, where the page has them."""
        index, changed = self._index, set(units)
        assert index is not None
        for laid, (layout, metrics) in list(self._layouts.items()):
            found = []
            for chunk in sorted(self._sent[laid]):
                for n, each in enumerate(layout[chunk * CHUNK : (chunk + 1) * CHUNK]):
                    if each.unit in changed:
                        at = chunk * CHUNK + n
                        layout[at] = each.after(index.units[each.unit])
                        found.append([at, block_of(index, layout[at], metrics)])
            if found:
                self.answer("changed", {"layout": laid, "blocks": found})

    def end_growth(self) -> None:
        """The run is over: what was never asked is a failure from now on."""
        index = self._index
        if index is None or not index.live:
            return
        waiting = [unit.text for unit in index.units if unit.waiting]
        index.live = False
        self.send_changed(index.again(index.comparison, dict.fromkeys(waiting)))
        self._revision += 1
        self.submit(self._read_on(index))

    def _send_blocks(
        self, index: GridIndex, laid: tuple[list[Shown], Metrics], content: Content
    ) -> None:
        start, many = int(content.get("from", 0)), int(content.get("count", CHUNK))
        chunks = range(start // CHUNK, -(-(start + max(1, many)) // CHUNK))
        self._sent[content["layout"]].update(chunks)
        super()._send_blocks(index, laid, content)
