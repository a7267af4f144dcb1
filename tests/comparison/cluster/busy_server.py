"""A model server that takes its time, counts what it is asked, and plans to ask it on a cluster."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from llmwidgets import Comparison, Connection, Variant
from llmwidgets.comparison.cluster.driver import ClusterRun
from llmwidgets.comparison.cluster.runs import make_run, read_results
from llmwidgets.comparison.cluster.texts.inputs import read_stored_documents
from llmwidgets.comparison.runs import RunOptions, RunPlan, build_plan
from tests.servers import FAULTS, OPENAI, ModelServer, Seen

SCHEMA = [{"name": "name"}, {"name": "total", "type": "number"}]
MARK = "Invoice number"
PATIENCE = 60.0
"""Seconds that a busy machine may take for what is over in one or two."""


@dataclass
class BusyServer(ModelServer):
    """`seconds` a call, and no more calls a second than `rate`, with some in store.

    Texts that it is told to hold are answered once it is told otherwise.
    """

    seconds: float = 0.0
    rate: float = 0.0
    tokens: int = 90
    at_once: int = 0
    most_at_once: int = 0
    begun: list[float] = field(default_factory=list)
    refused: list[bool] = field(default_factory=list)
    _left: float = 10.0
    held: int = 0
    _holds: Callable[[int], bool] = field(default=lambda _: False)
    _lock: threading.Condition = field(default_factory=threading.Condition)

    def answer(self, seen: Seen) -> tuple[int, Any]:
        """As ever, but only after a while."""
        if seen.method == "GET":
            return super().answer(seen)
        with self._lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            now, before = time.monotonic(), self.begun[-1] if self.begun else 0.0
            self._left = min(10.0, self._left + (now - before) * self.rate) - 1
            refuse = self.rate > 0 and self._left < 0
            self._left += refuse
            self.begun.append(now)
            self.refused.append(refuse)
        try:
            self._wait_while_held(seen)
            time.sleep(0.0 if refuse else self.seconds)
            status, said = FAULTS[OPENAI]["limit"] if refuse else super().answer(seen)
            if "usage" in said:
                said["usage"] |= {"prompt_tokens": self.tokens}
            return status, said
        finally:
            with self._lock:
                self.at_once -= 1

    def hold(self, holds: Callable[[int], bool]) -> None:
        """Answer no text whose number is such a one; those that were held otherwise go on."""
        with self._lock:
            self._holds = holds
            self._lock.notify_all()

    def let_go(self) -> None:
        """Answer all that is held, and hold nothing any more."""
        self.hold(lambda _: False)

    def _wait_while_held(self, seen: Seen) -> None:
        at = _text_of(seen)
        with self._lock:
            if at is not None and self._holds(at):
                self.held += 1
                self._lock.wait_for(lambda: not self._holds(at), 2 * PATIENCE)
                self.held -= 1

    @property
    def asked_texts(self) -> Counter[int]:
        """How often each text was asked, by the number in it; a probe's are not among them."""
        found = map(_text_of, self.asked(OPENAI))
        return Counter(at for at in found if at is not None)

    def variant(self, label: str = "busy", *, price: Any = None) -> Variant:
        """This server as a variant of a comparison."""
        connection = Connection("custom", name="m", endpoint=f"{self.url}/v1", label="server")
        return Variant(connection, label=label, price=price, max_output_tokens=price and 50)


def _text_of(seen: Seen) -> int | None:
    found = re.search(rf"{MARK} (\d+)\.", str(seen.body))
    return int(found[1]) if found else None


def texts(many: int) -> list[str]:
    """Texts that the server knows again."""
    return [f"{MARK} {at}. Bolt, total 12.5" for at in range(many)]


def truth(many: int) -> list[dict[str, Any]]:
    """Records of which every second one has another name."""
    return [{"name": "Bolt" if at % 2 else "Nut", "total": 12.5} for at in range(many)]


def plan(many: int, *variants: Any, repeats: int = 1) -> RunPlan:
    """The plan of some texts."""
    return build_plan(
        read_stored_documents(SCHEMA, texts(many), truth(many)), list(variants), repeats=repeats
    )


def cluster_run(planned: RunPlan, cluster: Any, folder: Path | str, **options: Any) -> ClusterRun:
    """A run of a plan that is not begun."""
    return make_run(planned, None, RunOptions(journal=str(folder), **options), cluster)


def results(run: ClusterRun, planned: RunPlan) -> Comparison:
    """What it came to."""
    return read_results(Comparison, run, planned, None)


def figures(found: Comparison) -> Any:
    """The scoreboard without how long calls took."""
    board = found.scoreboard()
    return board[[each for each in board.columns if "seconds" not in each]]


def wait_until(condition: Callable[[], object], seconds: float = PATIENCE) -> None:
    """Wait for the condition; AssertionError if it does not come."""
    ends = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < ends, "what the test waits for did not come"
        time.sleep(0.01)
