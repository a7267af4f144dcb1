"""Progress of a blocking run: a bar in the terminal or in the notebook, from the main thread."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from importlib import import_module
from typing import TYPE_CHECKING, Any

from llmwidgets import formatting
from llmwidgets.engine.event_loop import StuckWait, refuse_on_loop
from llmwidgets.engine.run import VariantProgress, VariantState
from llmwidgets.errors import LLMWidgetsError
from llmwidgets.visible import escape_controls, escape_html

if TYPE_CHECKING:
    from llmwidgets.engine.run import Run

    Show = Callable[[Sequence[VariantProgress]], None]

_EVERY = 0.1
_PATIENCE = 1.5
"""Seconds that an interrupt waits for a run to stop: a validator can go on for longer."""


def watch_run(run: Run, *, shown: bool) -> None:
    """Start the run and wait for its end; an interrupt stops it, and nothing is lost.

    What has not ended some moments after the interrupt is left behind, and counts as stopped.
    """
    refuse_on_loop()
    with _bars(run) if shown else nullcontext() as show:
        run.start()
        stuck = StuckWait()
        try:
            while not run.wait(_EVERY):
                if show is not None:
                    show(run.progress)
                stuck.refuse(begun=run.begun)
        except KeyboardInterrupt:
            run.end(_PATIENCE)
        except LLMWidgetsError:
            run.stop()
            raise
        if show is not None:
            show(run.progress)


@contextmanager
def _bars(run: Run) -> Iterator[Show]:
    with _notebook() if _in_notebook() else _terminal(run) as show:
        yield show


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and hasattr(shell, "kernel")


@contextmanager
def _terminal(run: Run) -> Iterator[Show]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = Console(stderr=True)
    if not console.is_terminal:
        yield lambda _: None
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[said]}", markup=False),
    )
    with Progress(*columns, console=console, transient=True, auto_refresh=False) as bars:
        tasks = [
            bars.add_task(formatting.shorten(each.label, 40), total=each.total, said="")
            for each in run.progress
        ]

        def show(progress: Sequence[VariantProgress]) -> None:
            for task, each in zip(tasks, progress, strict=True):
                bars.update(task, completed=each.done, said=progress_words(each))
            bars.refresh()

        yield show


@contextmanager
def _notebook() -> Iterator[Show]:
    # Its own names carry no types.
    display: Any = import_module("IPython.display").display
    handle = display(_bundle("", ""), raw=True, display_id=True)
    last = [""]

    def show(progress: Sequence[VariantProgress]) -> None:
        page = bar_html(progress)
        if handle is not None and page != last[0]:
            last[0] = page
            said = ", ".join(f"{each.label} {each.done} of {each.total}" for each in progress)
            handle.update(_bundle(escape_controls(said), page), raw=True)

    try:
        yield show
    finally:
        if handle is not None:
            # The comparison that follows says it all; a finished bar would be saved beside it.
            handle.update(_bundle("", ""), raw=True)


def _bundle(text: str, page: str) -> dict[str, str]:
    return {"text/plain": text, "text/html": page}


def bar_html(progress: Sequence[VariantProgress]) -> str:
    """A small table: label, bar, done of total, state."""
    rows = "".join(
        f"<tr><td>{escape_html(each.label)}</td>"
        f'<td><progress max="{each.total}" value="{each.done}"></progress></td>'
        f"<td>{each.done} of {each.total}</td><td>{escape_html(progress_words(each))}</td></tr>"
        for each in progress
    )
    return f"<table>{rows}</table>"


def progress_words(each: VariantProgress) -> str:
    """What one variant is doing, and what failed so far."""
    failed = formatting.failures(tuple(each.failures.items()))
    state = "" if each.finished else state_words(each)
    return ", ".join(part for part in (state, failed if each.failures else "") if part)


def state_words(each: VariantProgress) -> str:
    """What one variant is doing."""
    if each.state is VariantState.ASKING:
        return f"{each.at_once} at a time"
    return _STATES[each.state].format(seconds=each.seconds_left)


_STATES = {
    VariantState.WAITING: "waiting for its turn",
    VariantState.PROBING: "finding out what the server enforces",
    VariantState.LIMITED: "waiting for the limit, next in {seconds} s",
    VariantState.AWAY: "the server does not answer; trying again, {seconds} s left",
    VariantState.DONE: "done",
    VariantState.STOPPED: "stopped",
}
