"""The tests hold wherever they are run: alone, in any order, under a shell that ignores Ctrl-C."""

from __future__ import annotations

import ast
import signal
import subprocess
import sys
from pathlib import Path

import llmwidgets

ROOT = Path(__file__).parents[2]
INTERRUPTED = "tests/engine/test_event_loop.py::test_an_interrupt_cancels_the_work"


def test_under_a_shell_that_ignores_interrupts() -> None:
    """`trap '' INT` goes down to every child; a test that interrupts would wait for ever."""
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", INTERRUPTED],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_IGN),
    )
    assert done.returncode == 0, done.stdout[-2000:]


def test_nothing_taken_from_the_environment_outlasts_a_test() -> None:
    """One test that opens a store by the variable, before one that is to find its own locked."""
    locked = "test_a_locked_store_says_what_it_takes_and_asks_nobody"
    opened = "test_no_path_calls_a_model_off_the_policy[by_extract-a model by a file]"
    files = [
        f"tests/connections/test_policy_gate.py::{opened}",
        f"tests/cli/test_doctor.py::{locked}",
    ]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *files],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=170,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-2000:]


def _borrowed(source: str) -> list[int]:
    """Lines that reach a module through the package, which only another import put there."""
    return [
        each.lineno
        for each in ast.walk(ast.parse(source))
        if isinstance(each, ast.Attribute)
        and isinstance(each.value, ast.Name)
        and each.value.id in {"lw", "llmwidgets"}
        and each.attr not in llmwidgets.__all__
        and (ROOT / "llmwidgets" / each.attr).is_dir()
    ]


def test_no_test_uses_what_another_imported() -> None:
    """`lw.connections.sealing` is there only if some other file was imported before."""
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in sorted((ROOT / "tests").rglob("*.py"))
        for line in _borrowed(path.read_text())
    ]
    assert found == []
    assert _borrowed("import llmwidgets as lw\nlw.connections.sealing\n") == [2]
