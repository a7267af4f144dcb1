"""llmwidgets compare: the main job on the user's own files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from llmwidgets import cli
from llmwidgets.cli import files, tables
from llmwidgets.errors import FieldError
from llmwidgets.report.writers import write_jsonl
from llmwidgets.store.store import Store
from llmwidgets.visible import visible

if TYPE_CHECKING:
    from llmwidgets.comparison import Comparison


FINISHED, NOT_MET = 0, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """The command's options, as they were written."""

    schema: str
    texts: Path
    models: list[str]
    truth: str | None = None
    instructions: Path | None = None
    html: Path | None = None
    jsonl: Path | None = None
    values: bool = False
    organization: str | None = None
    repeats: int = 1
    min_accuracy: float | None = None
    min_valid: float | None = None
    budget: float | None = None
    journal: str | None = None
    concurrency: int | None = None


def compare(asked: Asked) -> int:
    """Run the comparison, print its scoreboard, write the files; the exit status."""
    result = _run(asked)
    console = Console(highlight=False)
    tables.scoreboard(console, result)
    if asked.jsonl:
        console.print(Text(visible(f"Wrote {write_jsonl(lines(result), asked.jsonl)}")))
    if asked.html:
        console.print(Text(visible(f"Wrote {result.to_html(asked.html, values=asked.values)}")))
    if any(tally.statuses["Stopped"] for tally in result.reading.tallies):
        cli.say("Interrupted; what was answered is kept. Run the same again to go on.")
        return cli.INTERRUPTED
    missed = list(_missed(asked, result))
    if missed:
        cli.say(f"Not met: {'; '.join(missed)}.")
    return NOT_MET if missed else FINISHED


def lines(comparison: Comparison) -> Iterator[dict[str, Any]]:
    """Each extraction as one JSON object; `record` is null unless the status is ok."""
    for extraction in comparison:
        yield {
            "text_id": extraction.text_id,
            "variant": extraction.variant,
            "model": extraction.model,
            "repeat": extraction.repeat,
            "status": extraction.status,
            "record": extraction.data if extraction.status == "ok" else None,
            "mode": str(extraction.mode) if extraction.mode else None,
            "seconds": extraction.seconds,
            "input_tokens": extraction.usage.input_tokens,
            "output_tokens": extraction.usage.output_tokens,
            "cost": extraction.cost,
        }


def _run(asked: Asked) -> Comparison:
    from llmwidgets.comparison import compare as run

    texts = files.read_texts(asked.texts)
    truth = files.read_truth(asked.truth, texts, asked.texts) if asked.truth else None
    return run(
        files.read_schema_source(asked.schema),
        texts,
        asked.models,
        truth=truth,
        instructions=files.read_file(asked.instructions) if asked.instructions else None,
        repeats=asked.repeats,
        store=_store(asked.organization),
        concurrency=asked.concurrency,
        budget=asked.budget,
        journal=False if asked.journal == "none" else asked.journal,
    )


def _store(organization: str | None) -> Store | None:
    if organization is None:
        return None
    store = Store(organization)
    if not store.exists:
        raise FieldError(
            {"organization": f"{organization} has no store on this computer."},
            f'Make one in ConnectionPanel(), or with Store.create("{organization}").',
        )
    return store


def _missed(asked: Asked, comparison: Comparison) -> Iterator[str]:
    board = comparison.scoreboard()
    for name, bar in (("accuracy", asked.min_accuracy), ("valid", asked.min_valid)):
        if bar is None:
            continue
        low = [
            f"{row['variant']} {'unknown' if row[name] != row[name] else format(row[name], '.3f')}"
            for _, row in board.iterrows()
            if not row[name] >= bar
        ]
        if low:
            yield f"{name} {bar:g} by {', '.join(low)}"
    over = int(board["OverBudget"].sum())
    if over:
        limit = "of the policy" if asked.budget is None else f"{asked.budget:g} US$"
        yield f"budget {limit}, {over} of {len(comparison)} calls were left out"
