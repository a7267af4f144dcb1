"""llmwidgets demo: the whole job without a key, in the terminal."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console
from rich.text import Text

from llmwidgets.cli import tables
from llmwidgets.comparison import compare
from llmwidgets.demo import invoices, stop_demo

PAGE = Path("build") / "demo.html"


def demo() -> int:
    """Compare the demo's models on the sample invoices; nothing is kept but the page."""
    console = Console(highlight=False)
    console.print(
        Text("llmwidgets demo: rule-based models on this computer, no LLM, cost unknown.\n")
    )
    result = compare(
        invoices.Schema, invoices.texts, models="demo", truth=invoices.truth, journal=False
    )
    tables.side_by_side(console, result, 0)
    console.print()
    tables.scoreboard(console, result)
    page = result.to_html(PAGE, values=True)
    stop_demo()
    console.print(Text(f"\nAll {result.reading.differing} rows that differ, as a page: {page}"))
    console.print(Text("The same by clicking: make lab, or llmwidgets lab"))
    return 0
