"""Progress where no bar can be drawn: plain lines, now and then, on stderr alone."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from functools import partial
from itertools import count
from pathlib import Path

import pytest

from llmwidgets.cli import main
from llmwidgets.demo import stop_demo
from llmwidgets.engine.run import VariantProgress, VariantState
from llmwidgets.engine.runs import watch
from llmwidgets.engine.runs.watch import ProgressLines


@pytest.fixture(autouse=True)
def demo() -> Iterator[None]:
    yield
    stop_demo()


def variant(label: str, done: int, *, state: VariantState = VariantState.ASKING, lost: int = 0):
    over = done == 30 or state is VariantState.STOPPED
    return VariantProgress(
        label=label, total=30, done=done, failures={"Timeout": lost} if lost else {}, reused=0,
        median_seconds=None, cost=None, paid_before=0.0, finished=over, at_once=2,
        state=VariantState.DONE if done == 30 else state,
    )  # fmt: skip


def test_a_line_comes_every_ten_seconds_and_as_each_variant_ends() -> None:
    file, clock = io.StringIO(), [100.0]
    show = ProgressLines(file, lambda: clock[0])
    done = {"slow": 0, "quick": 0}
    for second in range(1, 61):
        clock[0] += 1
        done["slow"] += second % 2
        done["quick"] = min(30, done["quick"] + 2)
        lost = 1 if second == 60 else 0
        show([variant("slow", done["slow"], lost=lost), variant("quick", done["quick"])])
    assert file.getvalue().splitlines() == [
        "llmwidgets: After about 10 s: slow 5 of 30, 2 at a time; quick 20 of 30, 2 at a time",
        "llmwidgets: After about 15 s: quick 30 of 30, done",
        "llmwidgets: After about 20 s: slow 10 of 30, 2 at a time",
        "llmwidgets: After about 30 s: slow 15 of 30, 2 at a time",
        "llmwidgets: After about 40 s: slow 20 of 30, 2 at a time",
        "llmwidgets: After about 50 s: slow 25 of 30, 2 at a time",
        "llmwidgets: After about 59 s: slow 30 of 30, done",
    ]


def test_one_that_ended_at_once_or_was_stopped_is_in_a_line_once() -> None:
    file, clock = io.StringIO(), [0.0]
    show = ProgressLines(file, lambda: clock[0])
    for clock[0] in (1.0, 10.0, 12.0, 20.0):
        state = VariantState.STOPPED if clock[0] == 20 else VariantState.AWAY
        show([variant("a", 30), variant("b\x1b[31m\n", 3, state=state, lost=2)])
    first, last = file.getvalue().splitlines()
    assert "a 30 of 30, done; b␛[31m 3 of 30, the server does not answer" in first
    assert last.endswith("b␛[31m 3 of 30, stopped, 2 timeout")
    assert "a 30" not in last


@pytest.mark.parametrize("seconds", [0, 11], ids=["short", "long"])
def test_a_comparison_without_a_terminal_says_how_far_it_is(
    seconds: int, tmp_path: Path, monkeypatch, capsys
) -> None:
    """On stderr, also where a log wants colours; what is on stdout is for programs."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.chdir(tmp_path)
    Path("schema.json").write_text('{"type": "object", "properties": {"number": {}}}')
    Path("texts.jsonl").write_text("\n".join(json.dumps({"text": f"No. {n}"}) for n in range(3)))
    clock = count(0, seconds)
    monkeypatch.setattr(watch, "ProgressLines", partial(ProgressLines, now=lambda: next(clock)))
    words = "compare --schema schema.json --texts texts.jsonl --models demo-careful --journal none"
    assert main(words.split()) == 0
    shown = capsys.readouterr()
    lines = shown.err.splitlines()
    assert "at a time" not in shown.out
    if not seconds:
        assert lines == []
        return
    assert lines[-1].endswith("demo-careful 3 of 3, done")
    assert all(each.startswith("llmwidgets: After about ") for each in lines)
    assert not {*shown.err} & {"\x1b", "\r"}
