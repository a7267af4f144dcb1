"""A run that somebody waits for: a bar in a terminal or a notebook, else plain lines."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from importlib import import_module
from typing import IO, Any

from llmwidgets import formatting
from llmwidgets.engine.event_loop import StuckWait
from llmwidgets.engine.runs.background import BackgroundRun
from llmwidgets.engine.runs.progress import VariantProgress, VariantState
from llmwidgets.errors import LLMWidgetsError
from llmwidgets.formatting import escape_controls, escape_html

Show = Callable[[Sequence[VariantProgress]], None]

_EVERY = 0.1
_PATIENCE = 1.5
"""Seconds that an interrupt waits for a run to stop: a validator can go on for longer."""


def watch_run(run: BackgroundRun, *, shown: bool) -> None:
    """Start the run and wait for its end; an interrupt stops it, and nothing is lost.

    What has not ended some moments after the interrupt is left behind, and counts as stopped.
    """
    stuck = StuckWait()
    stuck.refuse()
    bar: AbstractContextManager[Show] = nullcontext(lambda _: None)
    if shown:
        bar = _notebook() if _in_notebook() else _terminal(run)
    with bar as show:
        run.start()
        try:
            while not run.wait(_EVERY):
                show(run.progress)
                stuck.refuse(begun=run.begun)
        except KeyboardInterrupt:
            run.end(_PATIENCE)
        except LLMWidgetsError:
            run.stop()
            raise
        show(run.progress)


def _in_notebook() -> bool:
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and hasattr(shell, "kernel")


@contextmanager
def _terminal(run: BackgroundRun) -> Iterator[Show]:
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

    console = Console(stderr=True)
    # Rich takes a log for a terminal where colours are forced, but a bar would be a line a look.
    if not console.is_terminal or console.is_dumb_terminal or not console.file.isatty():
        yield ProgressLines(console.file)
        return
    columns = (
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[state]}", markup=False),
    )
    with Progress(*columns, console=console, transient=True, auto_refresh=False) as bars:
        tasks = [
            bars.add_task(formatting.shorten(each.label, 40), total=each.total, state="")
            for each in run.progress
        ]

        def show(progress: Sequence[VariantProgress]) -> None:
            for task, each in zip(tasks, progress, strict=True):
                bars.update(task, completed=each.replies, state=progress_words(each))
            bars.refresh()

        yield show


LINE_SECONDS = 10


class ProgressLines:
    """Progress as plain lines, for a log: one every ten seconds, and one as a variant ends.

    What takes less than ten seconds says nothing.
    """

    def __init__(self, file: IO[str], now: Callable[[], float] = time.monotonic) -> None:
        self._file, self._now = file, now
        self._begun = self._looked_at = now()
        self._over: set[str] = set()

    def __call__(self, progress: Sequence[VariantProgress]) -> None:
        now = self._now()
        if now - self._begun < LINE_SECONDS:
            return
        ended = {each.label for each in progress if each.finished} - self._over
        due = now - self._looked_at >= LINE_SECONDS
        going = {each.label for each in progress if due and not each.finished}
        if shown := [_in_words(each) for each in progress if each.label in ended | going]:
            self._write(f"After {formatting.duration(now - self._begun)}: {'; '.join(shown)}")
        self._over |= ended
        self._looked_at = now if due else self._looked_at

    def _write(self, line: str) -> None:
        self._file.write(f"llmwidgets: {escape_controls(' '.join(line.split()))}\n")
        self._file.flush()


def _in_words(each: VariantProgress) -> str:
    said = (state_words(each) if each.finished else "", progress_words(each))
    return ", ".join((f"{each.label} {each.done:,} of {each.total:,}", *filter(None, said)))


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
            text = ", ".join(f"{each.label} {each.replies} of {each.total}" for each in progress)
            handle.update(_bundle(escape_controls(text), page), raw=True)

    try:
        yield show
    finally:
        if handle is not None:
            # The comparison that follows has it all; a finished bar would be saved with it.
            handle.update(_bundle("", ""), raw=True)


def _bundle(text: str, page: str) -> dict[str, str]:
    return {"text/plain": text, "text/html": page}


def bar_html(progress: Sequence[VariantProgress]) -> str:
    """A small table: label, bar, replies of total, state: what got none does not look done."""
    rows = "".join(
        f"<tr><td>{escape_html(each.label)}</td>"
        f'<td><progress max="{each.total}" value="{each.replies}"></progress></td>'
        f"<td>{each.replies} of {each.total}</td><td>{escape_html(progress_words(each))}</td></tr>"
        for each in progress
    )
    return f"<table>{rows}</table>"


def progress_words(each: VariantProgress) -> str:
    """What one variant is doing, and what failed so far."""
    state = "" if each.finished else state_words(each)
    return ", ".join(filter(None, (state, formatting.failures(each.failures))))


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
    VariantState.NO_WORKERS: "waiting for workers",
}
