"""The benchmarks reach into what they measure: their code is run here on a small comparison."""

from __future__ import annotations

import asyncio
import time
from importlib import import_module
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]


def test_every_benchmark_can_be_loaded() -> None:
    for path in (ROOT / "benchmarks").glob("*.py"):
        if path.stem != "docubench":  # it needs its data, and has a test of its own
            import_module(f"benchmarks.{path.stem}")


def test_the_grid_shows_and_updates_what_the_benchmark_measures() -> None:
    grid = import_module("benchmarks.grid")
    names: dict[str, Any] = {"time": time, "asyncio": asyncio}
    exec(grid.MAKE.format(texts=250), names)
    names |= {"done": [], "taken": []}
    exec(grid.CELLS["llmwidgets"][0], names)
    exec(grid.UPDATE["llmwidgets"], names)
    assert names["panel"].comparison.rows.id(names["places"][0]) == 0
    asyncio.run(names["update"]())
    assert len(names["taken"]) == len(names["held"])
    assert names["done"]
    assert all(names["made"].rows.id(place) for place in names["places"])
