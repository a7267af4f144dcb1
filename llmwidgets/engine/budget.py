"""Budget: what a run may spend; the worst case of a call is set aside before it is sent."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

from llmwidgets import formatting
from llmwidgets.connections.connection import Connection
from llmwidgets.dialects.types import Target, Usage
from llmwidgets.errors import OverBudget
from llmwidgets.providers.prices import cost


def cost_of_usage(
    own: Mapping[str, float] | None,
    connection: Connection,
    target: Target,
    usage: Usage,
    served: str | None = None,
) -> float | None:
    """US dollars for one call now: by an own price, else by the price list.

    A deployment's own name is in no price list; the model that answered for it is.
    """
    provider, now = connection.provider, datetime.now(UTC)
    priced = cost(own, provider, target.model, usage, now, target.url)
    if priced is None and served and provider.deployments:
        return cost(own, provider, served, usage, now, target.url)
    return priced


@dataclass(slots=True)
class Reservation:
    """What one call turned out to cost; None until it is known."""

    dollars: float | None = None


class Budget:
    """US dollars for a whole run; None is no limit. Calls of unknown price are not held back.

    `whose` names whose limit it is where it is not the user's own.
    """

    def __init__(self, dollars: float | None = None, whose: str = "") -> None:
        self.dollars, self.whose = dollars, whose
        self.spent = 0.0
        self.reserved = 0.0
        self._changed: asyncio.Event | None = None

    @asynccontextmanager
    async def reserve(self, worst: float | None) -> AsyncIterator[Reservation]:
        """Set the worst case aside while the call runs, then count what the bill says.

        A call that ends without a bill was perhaps answered, so it counts in full unless
        `bill.dollars` is set to 0. OverBudget where the rest is too small.
        """
        bill = Reservation()
        if worst is None or self.dollars is None:
            yield bill
            self.spent += bill.dollars or 0.0
            return
        await self._wait_for(worst, self.dollars)
        self.reserved += worst
        try:
            yield bill
        finally:
            self.reserved -= worst
            self.spent += worst if bill.dollars is None else bill.dollars
            if self._changed is not None:
                self._changed.set()

    async def _wait_for(self, worst: float, dollars: float) -> None:
        # What others have set aside is mostly given back: only when nothing is under way is the
        # rest really too small.
        while self.spent + self.reserved + worst > dollars:
            if self.reserved < 1e-12:
                raise OverBudget(
                    f"{formatting.dollars(self.spent)} of {formatting.dollars(dollars)} is spent, "
                    "and "
                    f"the next call could cost {formatting.dollars(worst)}.",
                    f"The limit is set by {self.whose}: run fewer texts or a cheaper model."
                    if self.whose
                    else "Raise the budget and run it again: what is answered is not paid twice.",
                )
            self._changed = self._changed or asyncio.Event()
            self._changed.clear()
            await self._changed.wait()
