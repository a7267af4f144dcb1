"""The record of what was tried with real keys: `docs/live.json`, which the documents quote.

It has the last try of each kind: its day, the model, how each part ended, what it cost. No key, no
address, no text.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from llmwidgets import PROVIDERS

RECORD = Path(__file__).parents[2] / "docs" / "live.json"

EXPECTED = {
    "check": {"ok"},
    "enforced schema": {"ok"},
    "truncation": {"Truncated"},
    # A server can be faster than the stop.
    "stop": {"Stopped", "ok"},
}
"""What is tried of a kind, in this order, and how each part should end."""


@dataclass(frozen=True, slots=True)
class Try:
    """One try of a kind with a real key: how each part ended, and its cost in US dollars."""

    kind: str
    date: str
    model: str
    tried: dict[str, str] = field(default_factory=dict)
    cost: float = 0.0

    @property
    def outcome(self) -> str:
        """Whether all was as it should be: `ok`, or the part that was not and its class."""
        wrong = (
            f"{part}: {status}"
            for part, status in self.tried.items()
            if status not in EXPECTED[part]
        )
        return next(wrong, "ok")


def read_record(path: Path = RECORD) -> dict[str, Try]:
    """The last try of each kind; a kind that is not there was never tried."""
    rows = json.loads(path.read_text("utf-8")) if path.exists() else []
    return {row["kind"]: Try(**{k: v for k, v in row.items() if k != "outcome"}) for row in rows}


def write_record(tries: Iterable[Try], path: Path = RECORD) -> None:
    """Put these tries in the place of earlier ones; of several of a kind one that failed counts."""
    kept, new = read_record(path), dict[str, Try]()
    for each in tries:
        if each.kind not in new or new[each.kind].outcome == "ok":
            new[each.kind] = each
    known = {**kept, **new}
    rows = [
        {**asdict(known[kind]), "outcome": known[kind].outcome}
        for kind in PROVIDERS
        if kind in known
    ]
    path.write_text(json.dumps(rows, indent=2) + "\n", "utf-8")


def last_tried(kind: str, record: dict[str, Try]) -> str:
    """When a kind was last tried live, for the documents: a day, a day and a failure, or never."""
    last = record.get(kind)
    if last is None:
        return "never"
    return last.date if last.outcome == "ok" else f"{last.date}, failed ({last.outcome})"
