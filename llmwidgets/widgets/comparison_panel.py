"""ComparisonPanel: choose models, see the cost, run, and read where the models disagree."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Self

from llmwidgets.comparison.comparison import Comparison
from llmwidgets.comparison.run_settings import script_of
from llmwidgets.widgets.comparison.run_view import LiveRun
from llmwidgets.widgets.comparison.schema_editor import SchemaEditor
from llmwidgets.widgets.comparison.setup_view import TRIAL, expected_words, setup_view, whole_words
from llmwidgets.widgets.panel import Buffers, Content

if TYPE_CHECKING:
    from llmwidgets.comparison.truth import Blank
    from llmwidgets.store.store import Store


class ComparisonPanel(SchemaEditor):
    """Compare models on texts by clicking; a run goes on while other cells run.

        lw.ComparisonPanel(Invoice, texts, truth=truth, models=["openai/gpt-6-luna", "demo"])

    `.comparison` is None until something was run, then the Comparison. Texts and values reach
    the page by messages alone, so that a saved notebook holds none of them. `group` (which texts
    belong together) and `blank` are those of `compare`.
    """

    bundle = "comparison_panel"

    def __init__(
        self,
        schema: Any = None,
        texts: Any = None,
        truth: Any = None,
        models: Any = None,
        instructions: str | Mapping[str, str] | None = None,
        store: Store | None = None,
        group: Any = None,
        blank: Blank = None,
    ) -> None:
        super().__init__(schema, texts, truth, models, instructions, store, group, blank)
        self._run: LiveRun | None = None
        self._watched: LiveRun | None = None

    @classmethod
    def _on(cls, comparison: Comparison) -> Self:
        """The panel on a comparison that is there already."""
        panel = cls()
        panel._finish(comparison)
        return panel

    # -- what code sees ------------------------------------------------------------------------

    def stop(self) -> None:
        """Stop the run; every reply that came is kept."""
        if self._run is not None:
            self._run.stop()

    def close(self) -> None:
        """Stop the run and end the widget."""
        self.stop()
        self._unsubscribe()
        super().close()

    async def act_hello(self, content: Content, buffers: Buffers) -> None:
        """A view was drawn: the state, and where a result is shown its first rows right behind."""
        await super().act_hello(content, buffers)
        if self._screen == "results":
            await self.lay_first()

    # -- running -------------------------------------------------------------------------------

    async def act_run(self, content: Content, _buffers: Buffers) -> None:
        """Run all texts, or the first few of them."""
        if self._setup.missing() or (self._run is not None and not self._run.ended):
            return
        await self._begin(TRIAL if content.get("trial") else None)

    async def act_stop(self, _content: Content, _buffers: Buffers) -> None:
        """Stop the run; what came is kept."""
        self.stop()
        self.push()

    async def act_resume(self, _content: Content, _buffers: Buffers) -> None:
        """Ask for the rest: what was answered is read from the journal."""
        if self._run is not None and self._run.ended and not self._setup.missing():
            await self._begin()

    async def act_show(self, _content: Content, _buffers: Buffers) -> None:
        """Show what there is so far."""
        if self._run is None:
            return
        if self._run.ended and self.comparison is not None:
            self._screen = "results"
            self.push()
        elif self._run.ended:
            await self._show(self._run)
        else:
            await asyncio.to_thread(self._watch, self._run)
            self.push()

    async def act_back(self, _content: Content, _buffers: Buffers) -> None:
        """Back from the choices to the result, or to the run."""
        running = self._run is not None and not self._run.ended
        self._screen = "running" if running else "results" if self.comparison else "setup"
        self.push()

    async def act_again(self, _content: Content, _buffers: Buffers) -> None:
        """Back to models, fields and texts."""
        running = self._run is not None and not self._run.ended
        self._screen = "running" if running else "setup"
        self._reckon()
        self.push()

    async def _begin(self, first: int | None = None) -> None:
        asked = await asyncio.to_thread(self._setup.asked)
        run = LiveRun(asked, self._setup, self.push_soon, first)
        self._foretold = expected_words(self._setup, self._matters, self._deviation, first)
        self._run, self._screen = run, "running"
        await asyncio.to_thread(run.start)
        self.push()
        self.submit(self._follow(run))

    async def _follow(self, run: LiveRun) -> None:
        await run.finished()
        if run is not self._run:
            return
        if self._watched is run:
            await asyncio.to_thread(self._end_watch, run)
            self.push()
        elif run.stopped:
            await asyncio.to_thread(lambda: self.show_result(run.comparison()))
            self.push()
        else:
            await self._show(run)

    def _watch(self, run: LiveRun) -> None:
        """Show what there is so far; the rest comes in as it is given."""
        self._screen, self._watched = "results", run
        self.show_live(run.live(self.grew))

    def _end_watch(self, run: LiveRun) -> None:
        """Every reply is there: the grid stays as it is looked at, scores are final."""
        run.settle()
        self.end_growth()

    async def _show(self, run: LiveRun) -> None:
        await asyncio.to_thread(lambda: self._finish(run.comparison()))
        self.push()
        if run.left:
            self._reckon()

    def _finish(self, comparison: Comparison) -> None:
        self._screen = "results"
        self.show_result(comparison)

    # -- to the page ---------------------------------------------------------------------------

    def state(self) -> Content:
        if self._screen == "running" and self._run is not None:
            return {"screen": "running", "running": self._run.view()}
        if self._screen == "results" and self.comparison is not None:
            return {"screen": "results", "again": self._again(), "result": self._result_view()}
        if self._screen == "fields":
            return {"screen": "fields", "fields": self.fields_view()}
        back = "Back to the result" if self.comparison is not None else ""
        view = setup_view(self._setup, self._guess, self._run is not None)
        view["expected"] = expected_words(self._setup, self._matters, self._deviation)
        view["matters"] = f"{100 * self._matters:g}" if view["expected"] else ""
        return {"screen": "setup", "back": back, "setup": view}

    def _again(self) -> str:
        if self._run is not None and not self._run.ended:
            return "Back to the run"
        return "Start over" if self._setup.documents else ""

    def _result_view(self) -> Content:
        facts: list[str] = []
        wrong: list[str] = []
        resume = ""
        if self._run is not None:
            facts, wrong, resume = self._run.part()
            if self._run.left and self._run.ended:
                facts.append(self._whole(self._run.left))
        facts = [fact for fact in facts if fact]
        return {**self.result_view(), "facts": facts, "notes": wrong, "resume": resume}

    def _whole(self, left: int) -> str:
        assert self.comparison is not None
        return whole_words(self._guess.estimate, len(self.comparison.texts) + left)

    def code(self) -> str:
        """The call that makes the same comparison: the one shown, else what is chosen."""
        if self._screen != "results" or self.comparison is None:
            return str(replace(self._setup.script(), matters=self._matters))
        limits = self._setup.options
        again = script_of(
            self.comparison,
            concurrency=limits.concurrency,
            budget=limits.budget,
            matters=self._matters,
        )
        return str(again)

    def summary(self) -> tuple[str, list[str]]:
        if self._verdict:
            return self._verdict, []
        if self.comparison is not None:
            columns, texts = len(self.comparison.variants), len(self.comparison.texts)
            return f"{columns} columns, {texts} texts", []
        columns, texts = self._setup.columns, len(self._setup.documents)
        return f"{columns} columns, {texts} texts, not run yet", []
