"""How every column of a run is asked: instructions, repeats, parallel calls, the limit."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

from llmwidgets.engine.defaults import CONCURRENCY_MOST, DEFAULT_INSTRUCTIONS
from llmwidgets.errors import FieldError

_MOST_REPEATS = 20


@dataclass(slots=True)
class RunOptions:
    """How every column is asked. `budget` is in US dollars; None means no limit."""

    instructions: str = DEFAULT_INSTRUCTIONS
    crossed: Mapping[str, str] | None = None
    repeats: int = 1
    concurrency: int | None = None
    budget: float | None = None

    @classmethod
    def of(cls, instructions: str | Mapping[str, str] | None) -> Self:
        """The defaults with these instructions: a text, or texts by name; FieldError else."""
        if isinstance(instructions, str) and instructions.strip():
            return cls(instructions=instructions)
        if isinstance(instructions, Mapping) and instructions:
            return cls(crossed=dict(instructions))
        if instructions is None:
            return cls()
        raise FieldError(
            {"instructions": "are neither a text nor texts by name."},
            'Give one text, or {"name": "text"} to compare several.',
        )

    def take(self, content: Mapping[str, Any]) -> None:
        """Instructions, repeats, parallel calls out of the form; FieldError for what is wrong."""
        if "instructions" in content:
            said = str(content["instructions"])
            self.instructions = said if said.strip() else DEFAULT_INSTRUCTIONS
        if "repeats" in content:
            self.repeats = read_whole("repeats", content["repeats"], _MOST_REPEATS) or 1
        if "concurrency" in content:
            self.concurrency = read_whole(
                "parallel calls", content["concurrency"], CONCURRENCY_MOST
            )

    def take_budget(self, said: object) -> None:
        """US dollars to stop before, out of the form; empty means no limit."""
        words = str(said or "").strip().lstrip("$").replace(",", ".").strip()
        if not words:
            self.budget = None
            return
        try:
            budget = float(words)
        except ValueError:
            budget = -1.0
        if not 0 < budget < 1e6:
            raise FieldError(
                {"Stop before": "This is not an amount of US dollars."},
                "Write a number such as 1.50, or leave it empty for no limit.",
            )
        self.budget = budget


def read_whole(name: str, said: object, most: int, *, least: int = 1) -> int | None:
    """A whole number out of the form, None where it is empty; FieldError for anything else."""
    words = str(said if said is not None else "").strip()
    if not words:
        return None
    if not words.isdigit() or not least <= int(words) <= most:
        raise FieldError({name: f"This is not a whole number from {least} to {most}."})
    return int(words)


def read_points(said: object) -> float:
    """A difference in fields of 100 as a share, 0–1; FieldError for what is none."""
    try:
        points = float(str(said or "").strip().replace(",", "."))
    except ValueError:
        points = -1.0
    if not 0.1 <= points <= 50:
        raise FieldError(
            {"A difference matters from": "This is not a number from 0.1 to 50."},
            "Write how many fields in 100 make a difference to you, such as 2.",
        )
    return points / 100
