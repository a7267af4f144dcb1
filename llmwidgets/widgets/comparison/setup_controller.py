"""SetupController: what is chosen before a run, by code and by clicking, and what it would cost."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from llmwidgets import formatting
from llmwidgets.comparison.files import read_uploads
from llmwidgets.comparison.files.label_studio import Annotation
from llmwidgets.comparison.runs import measure_known
from llmwidgets.connections.catalog import own_price
from llmwidgets.engine.estimate import Estimate, cost_words, estimate
from llmwidgets.errors import FieldError, LLMWidgetsError
from llmwidgets.formatting import count
from llmwidgets.providers.prices import price_changes
from llmwidgets.widgets.comparison.labels import LabelController
from llmwidgets.widgets.comparison.results import ShownResult
from llmwidgets.widgets.comparison.setup import Screen, Setup
from llmwidgets.widgets.comparison.setup_view import SAMPLES, SetupState, setup_view
from llmwidgets.widgets.comparison.table_columns import TableColumns
from llmwidgets.widgets.panel import Content, Page, words_in

if TYPE_CHECKING:
    from llmwidgets.comparison.comparison import Comparison
    from llmwidgets.connections.connection import Connection
    from llmwidgets.engine.journal import Journal
    from llmwidgets.widgets.connection_panel import ConnectionPanel


@dataclass(frozen=True, slots=True)
class CostEstimate:
    """What a run is expected to cost; `estimate` is None while it is reckoned or cannot be.

    `prices` are words by label and model: US dollars for 1,000 texts like these, and what the
    vendor's price does within 60 days.
    """

    estimate: Estimate | None = None
    trouble: LLMWidgetsError | None = None
    prices: Mapping[tuple[str, str], tuple[str, str]] = field(default_factory=dict)
    about: tuple[Any, ...] = ()

    def again(
        self, setup: Setup, after: Comparison | None = None, journal: Journal | None = None
    ) -> CostEstimate:
        """Estimate anew for what is chosen now; prices that still apply are kept. Calls nothing.

        `after` is what was run before: its answers narrow the range, as those in the journal do.
        """
        about = (setup.documents, setup.options.instructions)
        prices = dict(self.prices) if about == self.about else {}
        policy = setup.policy()
        for connection in setup.connections() if setup.documents else []:
            for model in setup.offered(connection, policy):
                if (connection.label, model) not in prices:
                    price = _price_per_1000(setup, connection, model)
                    prices[connection.label, model] = price, _price_changes(connection, model)
        known = CostEstimate(prices=prices, about=about)
        if setup.missing():
            return known
        try:
            planned = setup.asked()
            tried, answered = measure_known(planned, journal, after)
            return replace(known, estimate=estimate(planned.plan, tried, answered=answered))
        except LLMWidgetsError as error:
            return replace(known, trouble=error)

    def price(self, connection: Connection, model: str) -> tuple[str, str]:
        """The price for 1,000 texts as the picker shows it, and what it does soon."""
        return self.prices.get((connection.label, model), ("–", ""))


def _price_changes(connection: Connection, model: str) -> str:
    """How the vendor's price changes within 60 days; empty where it does not."""
    if own_price(connection, model):
        return ""
    url, now = connection.target(model).url, datetime.now(UTC)
    changes = price_changes(connection.provider, model, now, url)
    return "; ".join(price_change_words(*each, now.date()) for each in changes)


def price_change_words(
    day: date, old: tuple[float, float], new: tuple[float, float], today: date
) -> str:
    """A change of price in words: price doubles on 1 Jan 2027."""
    before, after = sum(old), sum(new)
    ahead, past = ("rises", "rose") if after > before else ("falls", "fell")
    if after == 2 * before:
        ahead, past = "doubles", "doubled"
    return f"price {ahead if day > today else past} on {formatting.format_day(day)}"


def _price_per_1000(setup: Setup, connection: Connection, model: str) -> str:
    price = None
    with suppress(LLMWidgetsError):
        likely = estimate(setup.one(connection, model).plan)
        if not likely.unpriced and likely.cost is not None:
            price = likely.cost / max(1, likely.calls) * 1000
    return formatting.money(price)


def whole_words(likely: Estimate | None, texts: int) -> str:
    """What all texts would cost, by the answers that were tried; empty without them."""
    if likely is None or not likely.tried or likely.cost is None:
        return ""
    head, rest = cost_words(likely)
    cost = f"{head[:1].lower()}{head[1:]}{f', {rest}' if rest else ''}"
    return f"All {count(texts, 'text')}: {cost}; by what {count(likely.tried, 'answer')} took."


class SetupController:
    """Schema, texts, truth and columns; the cost of a run is estimated anew at each change."""

    def __init__(
        self,
        page: Page,
        setup: Setup,
        screen: Screen,
        result: ShownResult,
        labels: LabelController,
    ) -> None:
        self._page, self.setup, self.screen = page, setup, screen
        self._result, self._labels = result, labels
        self.cost = CostEstimate()
        self._turn, self._reading = 0, ""
        self.connecting: ConnectionPanel | None = None
        self.journal: Journal | None = None
        """That of the last run; None for the usual one, which is opened for a look."""
        self.close = setup.store.observe(self._store_changed)

    def take(self, **material: Any) -> None:
        """Take another `schema`, `texts` or `truth`, and what belongs to it, and read them."""
        if "texts" in material:
            self.setup.table = None
        for name, value in material.items():
            setattr(self.setup, name if name == "group" else f"{name}_given", read_once(value))
        self._read()

    def _read(self) -> None:
        self._labels.forget()
        self.setup.read_material()
        self._show_choice()

    def show(self) -> None:
        self.screen.name = "setup"
        self._show_choice()

    def _store_changed(self, *_: object) -> None:
        if self.screen.name == "setup":
            self.estimate()
            self._page.push_soon()

    async def act_tick(self, content: Content) -> None:
        self.setup.tick(str(content.get("ref")), bool(content.get("on")))
        self._show_choice()

    async def act_tick_all(self, content: Content) -> None:
        self.setup.tick_all(str(content.get("label")), bool(content.get("on")))
        self._show_choice()

    async def act_name_model(self, content: Content) -> None:
        """A model was named for a connection that serves any; it is ticked."""
        self.setup.name_model(str(content.get("label")), str(content.get("model") or ""))
        self._show_choice()

    async def act_duplicate(self, content: Content) -> None:
        """Add a column of the same model, to be asked another way."""
        self.setup.duplicate(str(content.get("ref")))
        self._show_choice()

    async def act_edit_copy(self, content: Content) -> None:
        self.setup.edit(str(content.get("key")), content)
        self._show_choice()

    async def act_drop_copy(self, content: Content) -> None:
        self.setup.drop(str(content.get("key")))
        self._show_choice()

    async def act_options(self, content: Content) -> None:
        """Instructions, repeats or parallel calls were changed."""
        self.setup.options.take(content)
        self._show_choice()

    async def act_budget(self, content: Content) -> None:
        self.setup.options.take_budget(content.get("budget"))
        self._page.push()

    async def act_allow(self, content: Content) -> None:
        """A model off the whitelist is allowed for the organization, and ticked."""
        label, model = str(content.get("label")), str(content.get("model"))
        await asyncio.to_thread(self.setup.store.allow, label, model)
        self.setup.tick(f"{label}/{model}", True)
        self._show_choice()

    async def act_demo(self, _content: Content) -> None:
        """Start the keyless demo server and tick its models."""
        await asyncio.to_thread(self.setup.read_models, "demo")
        self._show_choice()

    async def act_connections(self, _content: Content) -> None:
        """Show the connection panel inside this one."""
        from llmwidgets.widgets.connection_panel import ConnectionPanel

        if self.connecting is None:
            self.connecting = ConnectionPanel(self.setup.store)
        self._page.send({"type": "embed", "model": self.connecting.model_id})

    async def act_paste(self, content: Content) -> None:
        """Texts that were pasted replace what was there."""
        self.take(texts=read_pasted(str(content.get("text") or "")), truth=None, group=None)

    async def act_files(self, content: Content) -> None:
        """Texts from files that were chosen; names come in the message, contents in its buffers."""
        names = words_in(content, "names")
        files = list(zip(names, map(bytes, content["buffers"]), strict=False))
        # PDFs take their time: many seconds, where there are many pages.
        self._reading = f"reading {names[0] if len(names) == 1 else count(len(names), 'file')}…"
        self._page.push()
        try:
            texts = await asyncio.to_thread(read_uploads, files, own_names=True)
        finally:
            self._reading = ""
        annotated = any(isinstance(each.get("truth"), Annotation) for each in texts)
        if annotated or all(each.path for each in texts):
            self.take(texts=texts, truth=None, group=None)
            return
        self.setup.table, self.setup.truth_given = TableColumns(texts), None
        self._read()

    async def act_column(self, content: Content) -> None:
        """A column of the table is used as something else."""
        table, use = self.setup.table, content.get("use")
        if table is None or content.get("name") not in table.samples or not isinstance(use, str):
            return
        table.choose(str(content.get("name")), use)
        self._read()

    async def act_sample(self, content: Content) -> None:
        name = content.get("name")
        if name in SAMPLES:
            from llmwidgets import demo

            task = getattr(demo, str(name))
            self.take(schema=task.Schema, texts=task.texts, truth=task.truth, group=None)

    async def act_drop_truth(self, _content: Content) -> None:
        """Compare without the truth that does not fit."""
        if self.setup.table is not None:
            self.setup.table.drop_truth(self.setup.schema)
        self.take(truth={} if self.setup.table is None else None)

    def _show_choice(self) -> None:
        self.estimate()
        self._page.push()

    def estimate(self) -> None:
        """Estimate the cost anew, off the loop; only the newest answer is shown."""
        self._turn += 1
        self._page.submit(self._estimate(self._turn))

    async def _estimate(self, turn: int) -> None:
        await asyncio.sleep(0.05)
        if turn != self._turn:
            return
        cost = await asyncio.to_thread(
            self.cost.again, self.setup, self._result.comparison, self.journal
        )
        if turn == self._turn:
            self.cost = cost
            if self.screen.name in ("setup", "results"):
                self._page.push()

    def view(self, *, ran: bool) -> SetupState:
        """The whole screen; `ran` where something was run before."""
        result = self._result
        view = setup_view(
            self.setup, self.cost, ran=ran, matters=result.matters, deviation=result.deviation
        )
        view["texts"]["said"] = self._reading or view["texts"]["said"]
        return view


def read_once(given: Any) -> Any:
    """What can be read only once is read here, so that it can be looked at again."""
    return list(given) if isinstance(given, Iterator) else given


_BETWEEN = re.compile(r"^[^\S\n]*+-{3,}[^\S\n]*$", re.MULTILINE)


def read_pasted(words: str) -> list[dict[str, str]]:
    """The texts between lines of three dashes; FieldError if nothing was pasted."""
    parts = [part.strip() for part in _BETWEEN.split(words) if part.strip()]
    if not parts:
        raise FieldError({"texts": "Nothing was pasted."}, "Paste a text; write --- between two.")
    return [{"text": part} for part in parts]
