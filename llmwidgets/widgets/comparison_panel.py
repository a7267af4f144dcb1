"""ComparisonPanel: choose models, see the cost, run, and read where the models disagree."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Literal, Self, TypedDict

from llmwidgets.comparison.comparison import Comparison
from llmwidgets.comparison.run_settings import script_of
from llmwidgets.formatting import count
from llmwidgets.store.store import Store, choose_store
from llmwidgets.widgets.comparison.grid import GridController
from llmwidgets.widgets.comparison.labels import LabelController
from llmwidgets.widgets.comparison.results import (
    ResultController,
    ResultState,
    ScoresController,
    ShownResult,
    make_views,
)
from llmwidgets.widgets.comparison.review import ReviewController
from llmwidgets.widgets.comparison.run import RunController, RunningState
from llmwidgets.widgets.comparison.runs_view import RunsController, RunsState
from llmwidgets.widgets.comparison.schema_editor import FieldsController, FieldsState
from llmwidgets.widgets.comparison.scores.kinds_view import KindsController
from llmwidgets.widgets.comparison.setup import RunOptions, Screen, Setup, files_of
from llmwidgets.widgets.comparison.setup_controller import SetupController, read_once
from llmwidgets.widgets.comparison.setup_view import SetupState
from llmwidgets.widgets.panel import Panel

if TYPE_CHECKING:
    from llmwidgets.comparison.truth import Blank


class _SetupScreen(TypedDict):
    """Before the run; `back` and `runs` lead to a result and to earlier runs, where there are."""

    screen: Literal["setup"]
    back: str
    runs: str
    setup: SetupState


class _FieldsScreen(TypedDict):
    screen: Literal["fields"]
    fields: FieldsState


class _RunningScreen(TypedDict):
    screen: Literal["running"]
    running: RunningState


class _ResultsScreen(TypedDict):
    """A result; `again` and `runs` lead to the choices and to earlier runs, where there are."""

    screen: Literal["results"]
    again: str
    runs: str
    result: ResultState


class _RunsScreen(TypedDict):
    screen: Literal["runs"]
    back: str
    earlier: RunsState


State = _SetupScreen | _FieldsScreen | _RunningScreen | _ResultsScreen | _RunsScreen


class ComparisonPanel(Panel):
    """Compare models on texts by clicking; a run goes on while other cells run.

        lw.ComparisonPanel(Invoice, texts, truth=truth, models=["openai/gpt-6-luna", "demo"])

    `.comparison` is None until something was run, then the Comparison. Texts and values reach
    the page by messages alone, so that a saved notebook holds none of them. `group` (which texts
    belong together) and `blank` are those of `compare`.
    """

    bundle, parts = "comparison_panel", ("run", "sheet", "views")
    heading = "Comparison"

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
        self._setup = Setup(
            choose_store(store),
            store,
            schema,
            read_once(texts),
            read_once(truth),
            read_once(group),
            blank,
            options=RunOptions.of(instructions),
        )
        self._setup.read_material()
        self._setup.read_models(models)
        self._screen, self._result = Screen(), ShownResult(self.page)
        self._grid = GridController(self._result)
        self._labels = LabelController(self._result, self._grid)
        self._choices = SetupController(
            self.page, self._setup, self._screen, self._result, self._labels
        )
        self._fields = FieldsController(self.page, self._choices)
        self._run = RunController(self._choices, self._result, self._labels)
        self._runs = RunsController(self._choices, self._result, self._run)
        self.controllers = {
            "runs": self._runs,
            "setup": self._choices,
            "fields": self._fields,
            "run": self._run,
            "grid": self._grid,
            "review": ReviewController(self._result, self._grid),
            "labels": self._labels,
            "scores": ScoresController(self._result),
            "kinds": KindsController(self._result),
            "result": ResultController(self._result, self.code),
            **make_views(self._result),
        }
        super().__init__()

    @classmethod
    def _on(cls, comparison: Comparison) -> Self:
        """The panel on a comparison that is there already."""
        panel = cls()
        panel._run.show(comparison)
        return panel

    @property
    def comparison(self) -> Comparison | None:
        """The comparison that is shown, with the labels made in it."""
        return self._result.comparison

    @property
    def schema(self) -> Any:
        """The schema as it was given; setting it reads it anew."""
        return self._setup.schema_given

    @schema.setter
    def schema(self, schema: Any) -> None:
        self._choices.take(schema=schema)

    @property
    def texts(self) -> Any:
        """The texts as they were given; setting them reads them anew."""
        return self._setup.texts_given

    @texts.setter
    def texts(self, texts: Any) -> None:
        self._choices.take(texts=texts)

    @property
    def truth(self) -> Any:
        """The truth as it was given; setting it reads it anew."""
        return self._setup.truth_given

    @truth.setter
    def truth(self, truth: Any) -> None:
        self._choices.take(truth=truth)

    def stop(self) -> None:
        """Stop the run; every reply that came is kept."""
        self._run.stop()

    def code(self) -> str:
        """The call that makes the same comparison: the one shown, else what is chosen."""
        matters = self._result.matters
        if self._screen.name != "results" or self.comparison is None:
            return str(replace(self._setup.script(), matters=matters))
        options = self._setup.options
        script = script_of(
            self.comparison,
            concurrency=options.concurrency,
            budget=options.budget,
            matters=matters,
        )
        files, some = files_of(self._setup, self.comparison.texts)
        return str(replace(script, files=files, some=some))

    async def hello(self) -> None:
        """A view was drawn: the state, and where a result is shown its first rows right behind."""
        self.page.push()
        if self._screen.name == "setup":
            self._choices.estimate()
        elif self._screen.name == "results":
            await self._grid.send_first()

    def state(self) -> State:
        screen, run = self._screen.name, self._run.run
        if screen == "running" and run is not None:
            return {"screen": "running", "running": run.view()}
        if screen == "results" and self.comparison is not None:
            result = self._result.view(self._labels.undo, self._run.remainder())
            again, runs = self._run.again(), self._runs.label
            return {"screen": "results", "again": again, "runs": runs, "result": result}
        if screen == "runs":
            return {"screen": "runs", "back": self._runs.back, "earlier": self._runs.view()}
        if screen == "fields":
            return {"screen": "fields", "fields": self._fields.view()}
        back = "Back to the result" if self.comparison is not None else ""
        setup = self._choices.view(ran=run is not None)
        return {"screen": "setup", "back": back, "runs": self._runs.label, "setup": setup}

    def summary(self) -> tuple[str, list[str]]:
        if self._result.verdict:
            return self._result.verdict, []
        if self.comparison is not None:
            columns, texts = len(self.comparison.variants), len(self.comparison.texts)
            return f"{count(columns, 'column')}, {count(texts, 'text')}", []
        columns, texts = self._setup.columns, len(self._setup.documents)
        return f"{count(columns, 'column')}, {count(texts, 'text')}", []

    def static_html(self, now: str = "") -> str:
        """The newest result without a value or a text; before there is one, a summary."""
        run = self._run.run
        if self.comparison is None:
            now = "not run yet" if run is None else "stopped" if run.ended else "running"
        return self._result.fragment or super().static_html(now)
