"""What a run is expected to cost and take, and where its texts would go, in words."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any

from llmwidgets import formatting
from llmwidgets.comparison.api import tried_in
from llmwidgets.connections.catalog import own_price
from llmwidgets.engine.estimate import Estimate, estimate
from llmwidgets.engine.estimate_words import cost_words
from llmwidgets.errors import LLMWidgetsError
from llmwidgets.providers.prices import price_changes
from llmwidgets.widgets.comparison.model_picker import offered

if TYPE_CHECKING:
    from llmwidgets.comparison.comparison import Comparison
    from llmwidgets.connections.connection import Connection
    from llmwidgets.widgets.comparison.setup_state import Setup


@dataclass(frozen=True, slots=True)
class Guess:
    """What a run is expected to cost; `estimate` is None while it is reckoned or cannot be.

    `prices` are US dollars for 1,000 texts like these, by label and model; None is unknown.
    `moves` says of the same models what their price does within 60 days.
    """

    estimate: Estimate | None = None
    trouble: LLMWidgetsError | None = None
    prices: Mapping[tuple[str, str], float | None] = field(default_factory=dict)
    moves: Mapping[tuple[str, str], str] = field(default_factory=dict)
    about: tuple[Any, ...] = ()

    def again(self, setup: Setup, after: Comparison | None = None) -> Guess:
        """Reckon anew for what is chosen now; a price that still holds is kept. Calls nothing.

        `after` is what was run before: its answers narrow the range.
        """
        about = (setup.documents, setup.options.instructions)
        prices = dict(self.prices) if about == self.about else {}
        moves = dict(self.moves)
        policy = setup.policy()
        for connection in setup.connections() if setup.documents else []:
            for model in offered(connection, policy, setup.picks):
                if (connection.label, model) not in prices:
                    prices[connection.label, model] = _per_1000(setup, connection, model)
                    moves[connection.label, model] = _moves(connection, model)
        known = Guess(None, None, prices, moves, about)
        if setup.missing():
            return known
        try:
            plan = setup.asked().plan
            tried = tried_in(after, plan) if after is not None else None
            return replace(known, estimate=estimate(plan, tried))
        except LLMWidgetsError as error:
            return replace(known, trouble=error)

    def price(self, connection: Connection, model: str) -> tuple[str, str]:
        """The price for 1,000 texts as the picker shows it, and what it does soon."""
        key = (connection.label, model)
        if key not in self.prices:
            return "–", ""
        return formatting.money(self.prices[key]), self.moves.get(key, "")


def _moves(connection: Connection, model: str) -> str:
    """How the vendor's price changes within 60 days; empty where it does not."""
    if own_price(connection, model):
        return ""
    url, now = connection.target(model).url, datetime.now(UTC)
    changes = price_changes(connection.provider, model, now, url)
    return "; ".join(moved(*each, now.date()) for each in changes)


def moved(day: date, old: tuple[float, float], new: tuple[float, float], today: date) -> str:
    """A change of price in words: price doubles on 1 Jan 2027."""
    before, after = sum(old), sum(new)
    ahead, past = ("rises", "rose") if after > before else ("falls", "fell")
    if after == 2 * before:
        ahead, past = "doubles", "doubled"
    return f"price {ahead if day > today else past} on {day.day} {day:%b %Y}"


def _per_1000(setup: Setup, connection: Connection, model: str) -> float | None:
    try:
        asked = setup.one(connection, model)
        likely = estimate(asked.plan)
    except LLMWidgetsError:
        return None
    if likely.unpriced or likely.cost is None:
        return None
    return likely.cost / max(1, likely.calls) * 1000


def whole_words(likely: Estimate | None, texts: int) -> str:
    """What all texts would cost, by the answers that were tried; empty where none says."""
    if likely is None or not likely.tried or likely.cost is None:
        return ""
    head, rest = cost_words(likely)
    said = f"{head[:1].lower()}{head[1:]}{f', {rest}' if rest else ''}"
    answers = "1 answer" if likely.tried == 1 else f"{likely.tried:,} answers"
    return f"All {texts:,} texts: {said}; by what {answers} took."


def hosts_words(hosts: Sequence[str], connections: Sequence[Connection]) -> str:
    """Where the texts go, every host named."""
    listed = list(dict.fromkeys(hosts))
    if not listed:
        return ""
    demo = {each.host for each in connections if each.origin == "demo"}
    here = " on this computer" if set(listed) <= demo else ""
    return f"The texts go to {formatting.listed(listed)}{here}, and to no other host."
