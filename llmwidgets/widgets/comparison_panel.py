"""ComparisonPanel: choose models, see the cost, run, and read where the models disagree."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any, Self

from llmwidgets.comparison.comparison import Comparison
from llmwidgets.connections import Store
from llmwidgets.errors import FieldError
from llmwidgets.widgets.base import Buffers, Content, source, style
from llmwidgets.widgets.comparison_run import LiveRun
from llmwidgets.widgets.comparison_setup import Options, Setup
from llmwidgets.widgets.result_panel import ResultPanel
from llmwidgets.widgets.setup_view import SAMPLES, TRIAL, Guess, setup_view

if TYPE_CHECKING:
    from llmwidgets.engine.plan import Text
    from llmwidgets.widgets.connection_panel import ConnectionPanel


class ComparisonPanel(ResultPanel):
    """Compare models on texts by clicking; a run goes on while other cells run.

        lw.ComparisonPanel(Invoice, texts, truth=truth, models=["openai/gpt-6-luna", "demo"])

    `.comparison` is None until something was run, then the Comparison. Texts and values reach
    the page by messages alone, so that a saved notebook holds none of them.
    """

    _esm = source(
        "dom.js", "comparison_setup.js", "comparison_running.js", "comparison_cells.js",
        "comparison_grid.js", "comparison_text.js", "comparison_scores.js",
        "comparison_charts.js", "comparison_request.js", "comparison_panel.js",
    )  # fmt: skip
    _css = style("comparison.css")

    def __init__(
        self,
        schema: Any = None,
        texts: Any = None,
        truth: Any = None,
        models: Any = None,
        instructions: str | Mapping[str, str] | None = None,
        store: Store | None = None,
    ) -> None:
        super().__init__()
        self._setup = Setup(
            store or Store(),
            store,
            schema,
            _kept(texts),
            _kept(truth),
            options=_options(instructions),
        )
        self._run: LiveRun | None = None
        self._guess = Guess()
        self._reckoning = 0
        self._screen = "setup"
        self._connecting: ConnectionPanel | None = None
        self._setup.read_material()
        self._setup.read_models(models)
        self._unsubscribe = self._setup.store.observe(self._store_changed)

    @classmethod
    def _on(cls, comparison: Comparison) -> Self:
        """The panel on a comparison that is there already."""
        panel = cls()
        panel._finish(comparison)
        return panel

    # -- what code sees ------------------------------------------------------------------------

    @property
    def schema(self) -> Any:
        """The schema as it was given; setting it reads it anew."""
        return self._setup.schema_given

    @schema.setter
    def schema(self, schema: Any) -> None:
        self._setup.schema_given = schema
        self._material_changed()

    @property
    def texts(self) -> Any:
        """The texts as they were given; setting them reads them anew."""
        return self._setup.texts_given

    @texts.setter
    def texts(self, texts: Any) -> None:
        self._setup.texts_given = _kept(texts)
        self._material_changed()

    @property
    def truth(self) -> Any:
        """The truth as it was given; setting it reads it anew."""
        return self._setup.truth_given

    @truth.setter
    def truth(self, truth: Any) -> None:
        self._setup.truth_given = _kept(truth)
        self._material_changed()

    def stop(self) -> None:
        """Stop the run; every reply that came is kept."""
        if self._run is not None:
            self._run.stop()

    def close(self) -> None:
        """Stop the run and end the widget."""
        self.stop()
        self._unsubscribe()
        super().close()

    # -- before the run ------------------------------------------------------------------------

    def _material_changed(self) -> None:
        self._setup.read_material()
        self._reckon()
        self.push()

    def _store_changed(self) -> None:
        if self._screen == "setup":
            self._reckon()
            self.push_soon()

    async def act_hello(self, content: Content, buffers: Buffers) -> None:
        """A view was drawn: send the state, and reckon what a run would cost."""
        await super().act_hello(content, buffers)
        if self._screen == "setup":
            self._reckon()

    async def act_tick(self, content: Content, _buffers: Buffers) -> None:
        """A model was ticked or unticked."""
        self._setup.tick(str(content.get("ref")), bool(content.get("on")))
        self._chosen()

    async def act_tick_all(self, content: Content, _buffers: Buffers) -> None:
        """All models of one connection were ticked or unticked."""
        self._setup.tick_all(str(content.get("label")), bool(content.get("on")))
        self._chosen()

    async def act_duplicate(self, content: Content, _buffers: Buffers) -> None:
        """A column was asked for beside its model's first one."""
        self._setup.duplicate(str(content.get("ref")))
        self._chosen()

    async def act_edit_copy(self, content: Content, _buffers: Buffers) -> None:
        """A column's name, instructions or thinking was edited."""
        self._setup.edit(str(content.get("key")), content)
        self._chosen()

    async def act_drop_copy(self, content: Content, _buffers: Buffers) -> None:
        """A column was taken away."""
        self._setup.picks.drop(str(content.get("key")))
        self._chosen()

    async def act_options(self, content: Content, _buffers: Buffers) -> None:
        """Instructions, repeats or parallel calls were changed."""
        self._setup.set_options(content)
        self._chosen()

    async def act_budget(self, content: Content, _buffers: Buffers) -> None:
        """The limit in US dollars was changed."""
        self._setup.set_budget(content.get("budget"))
        self.push()

    async def act_allow(self, content: Content, _buffers: Buffers) -> None:
        """A model off the whitelist is allowed for the organization, and ticked."""
        label, model = str(content.get("label")), str(content.get("model"))
        await asyncio.to_thread(self._setup.store.allow, label, model)
        self._setup.problems = [
            each for each in self._setup.problems if not each.where.endswith(f"{label}/{model}")
        ]
        self._setup.tick(f"{label}/{model}", True)
        self._chosen()

    async def act_drop_truth(self, _content: Content, _buffers: Buffers) -> None:
        """Compare without the truth that does not fit."""
        self.truth = {}

    async def act_sample(self, content: Content, _buffers: Buffers) -> None:
        """Use one of the sample tasks."""
        name = content.get("name")
        if name not in SAMPLES:
            return
        from llmwidgets import demo

        task = getattr(demo, str(name))
        self._setup.schema_given, self._setup.texts_given = task.Schema, task.texts
        self._setup.truth_given = task.truth
        self._material_changed()

    async def act_demo(self, _content: Content, _buffers: Buffers) -> None:
        """Start the keyless demo server and tick its models."""
        await asyncio.to_thread(self._setup.read_models, "demo")
        self._chosen()

    async def act_connections(self, _content: Content, _buffers: Buffers) -> None:
        """Show the connection panel inside this one."""
        from llmwidgets.widgets.connection_panel import ConnectionPanel

        if self._connecting is None:
            self._connecting = ConnectionPanel(self._setup.store)
        self.send({"type": "embed", "model": self._connecting.model_id})

    def _chosen(self) -> None:
        self._reckon()
        self.push()

    def _reckon(self) -> None:
        """Reckon the cost anew, off the loop; only the newest answer is shown."""
        self._reckoning += 1
        self.submit(self._reckon_now(self._reckoning))

    async def _reckon_now(self, turn: int) -> None:
        await asyncio.sleep(0.05)
        if turn != self._reckoning:
            return
        guess = await asyncio.to_thread(self._guess.again, self._setup)
        if turn == self._reckoning and self._screen == "setup":
            self._guess = guess
            self.push()

    # -- running -------------------------------------------------------------------------------

    async def act_run(self, content: Content, _buffers: Buffers) -> None:
        """Run all texts, or the first few of them."""
        if self._setup.missing() or (self._run is not None and not self._run.ended):
            return
        texts = self._setup.documents[:TRIAL] if content.get("trial") else self._setup.documents
        await self._begin(texts)

    async def act_stop(self, _content: Content, _buffers: Buffers) -> None:
        """Stop the run; what came is kept."""
        self.stop()
        self.push()

    async def act_resume(self, _content: Content, _buffers: Buffers) -> None:
        """Ask for the rest: what was answered is read from the journal."""
        if self._run is not None and self._run.ended and not self._setup.missing():
            await self._begin(self._setup.documents)

    async def act_show(self, _content: Content, _buffers: Buffers) -> None:
        """Show what there is so far."""
        if self._run is None:
            return
        if self._run.ended and self.comparison is not None:
            self._screen = "results"
            self.push()
            return
        await self._show(self._run)

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

    async def _begin(self, texts: tuple[Text, ...]) -> None:
        asked = await asyncio.to_thread(self._setup.asked, texts)
        run = LiveRun(asked, self._setup, self.push_soon)
        self._run, self._screen = run, "running"
        await asyncio.to_thread(run.start)
        self.push()
        self.submit(self._follow(run))

    async def _follow(self, run: LiveRun) -> None:
        await run.finished()
        if run is not self._run:
            return
        if run.stopped:
            await asyncio.to_thread(lambda: self.show_result(run.comparison()))
            self.push()
        else:
            await self._show(run)

    async def _show(self, run: LiveRun) -> None:
        await asyncio.to_thread(lambda: self._finish(run.comparison()))
        self.push()

    def _finish(self, comparison: Comparison) -> None:
        self._screen = "results"
        self.show_result(comparison)

    # -- to the page ---------------------------------------------------------------------------

    def state(self) -> Content:
        if self._screen == "running" and self._run is not None:
            return {"screen": "running", "running": self._run.view()}
        if self._screen == "results" and self.comparison is not None:
            return {"screen": "results", "again": self._again(), "result": self._result_view()}
        back = "Back to the result" if self.comparison is not None else ""
        view = setup_view(self._setup, self._guess, self._run is not None)
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
            facts, wrong, resume = self._run.part(len(self._setup.documents))
        return {**self.result_view(), "facts": facts, "notes": wrong, "resume": resume}

    def code(self) -> str:
        """The call that makes the same comparison."""
        from llmwidgets.widgets.code_view import code_of

        return code_of(self._setup)

    def summary(self) -> tuple[str, list[str]]:
        if self.comparison is not None:
            return self.comparison.verdict().sentence, []
        columns, texts = len(self._setup.picks.listed), len(self._setup.documents)
        return f"{columns} columns, {texts} texts, not run yet", []


def _options(instructions: str | Mapping[str, str] | None) -> Options:
    if isinstance(instructions, str) and instructions.strip():
        return Options(instructions=instructions)
    if isinstance(instructions, Mapping) and instructions:
        return Options(crossed=dict(instructions))
    if instructions is None:
        return Options()
    raise FieldError(
        {"instructions": "are neither a text nor texts by name."},
        'Give one text, or {"name": "text"} to compare several.',
    )


def _kept(given: Any) -> Any:
    """What can be read only once is read here, so that it can be looked at again."""
    return list(given) if isinstance(given, Iterator) else given
