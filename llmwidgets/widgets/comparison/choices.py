"""ChoicePanel: what is chosen before a run, by code and by clicking."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from llmwidgets.store.store import Store
from llmwidgets.widgets.comparison.labels import LabelPanel
from llmwidgets.widgets.comparison.run_options import RunOptions
from llmwidgets.widgets.comparison.setup_state import Setup
from llmwidgets.widgets.comparison.setup_view import SAMPLES, EstimateView
from llmwidgets.widgets.panel import Buffers, Content

if TYPE_CHECKING:
    from llmwidgets.comparison.truth import Blank
    from llmwidgets.widgets.connection_panel import ConnectionPanel


class ChoicePanel(LabelPanel):
    """A widget that holds schema, texts, truth and columns, and reckons what they would cost."""

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
        super().__init__()
        self._setup = Setup(
            store or Store(),
            store,
            schema,
            _kept(texts),
            _kept(truth),
            _kept(group),
            blank,
            options=RunOptions.of(instructions),
        )
        self._guess = EstimateView()
        self._reckoning = 0
        self._screen = "setup"
        self._connecting: ConnectionPanel | None = None
        self._setup.read_material()
        self._setup.read_models(models)
        self._unsubscribe = self._setup.store.observe(self._store_changed)

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

    # -- before the run ------------------------------------------------------------------------

    def _material_changed(self) -> None:
        self.forget_labels()
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
        self._setup.options.take(content)
        self._chosen()

    async def act_budget(self, content: Content, _buffers: Buffers) -> None:
        """The limit in US dollars was changed."""
        self._setup.options.take_budget(content.get("budget"))
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
        self._setup.truth_given, self._setup.group = task.truth, None
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
        guess = await asyncio.to_thread(self._guess.again, self._setup, self.comparison)
        if turn == self._reckoning:
            self._guess = guess
            if self._screen in ("setup", "results"):
                self.push()


def _kept(given: Any) -> Any:
    """What can be read only once is read here, so that it can be looked at again."""
    return list(given) if isinstance(given, Iterator) else given
