"""Nothing that a comparison does holds the user: no call waits for itself, an interrupt ends all.

Each phase runs in a process of its own, on more than can be done in the time, and is interrupted
once it says that it has begun. That it ends within 2 s is the promise; the test gives it more,
for a busy machine.
"""

from __future__ import annotations

import asyncio
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest
from pydantic import BaseModel, field_validator

from llmwidgets.comparison import compare, extract
from llmwidgets.engine import check, event_loop
from tests.clocks import busy_seconds

ROOT = Path(__file__).parents[2]
pytestmark = pytest.mark.long

MOST_SECONDS = 4.0
TEXTS = ["Invoice 12 of Ada Ltd", "Invoice 13 of Bob Ltd"]


class Plain(BaseModel):
    number: str | None = None


def on_engine() -> bool:
    return threading.current_thread().name == "llmwidgets-engine"


class Asks(BaseModel):
    number: str | None = None

    @field_validator("number")
    @classmethod
    def ask(cls, value: object) -> object:
        if on_engine():
            extract(Plain, TEXTS[0], "demo-careful", journal=False)
        return value


class AsksInAThread(BaseModel):
    number: str | None = None

    @field_validator("number")
    @classmethod
    def ask(cls, value: object) -> object:
        if on_engine() and not raised:
            thread = threading.Thread(target=ask_and_keep)
            thread.start()
            thread.join()
        return value


raised: list[BaseException] = []


def ask_and_keep() -> None:
    try:
        extract(Plain, TEXTS[0], "demo-careful", journal=False)
    except Exception as error:  # noqa: BLE001 - looked at by the test
        raised.append(error)


def test_a_validator_that_asks_is_told_so_and_is_not_the_models_fault(demo) -> None:
    result = compare(Asks, TEXTS, "demo-careful", truth=[{}, {}], journal=False, progress=False)
    for each in result:
        assert each.status == "BadRequest"
        assert "would wait for itself" in str(each.failure)
        assert "compare first" in str(each.failure)
        assert each.reply_text  # it was paid
    assert result.scoreboard().scored.tolist() == [0]


def test_a_validator_that_checks_is_told_so(demo) -> None:
    class Checks(BaseModel):
        number: str | None = None

        @field_validator("number")
        @classmethod
        def ask(cls, value: object) -> object:
            if on_engine():
                check.check(demo[0])
            return value

    (one,) = compare(Checks, TEXTS[:1], "demo-careful", journal=False, progress=False)
    assert "would wait for itself" in str(one.failure)


def test_a_validator_whose_thread_asks_goes_on_after_some_seconds(demo, monkeypatch) -> None:
    raised.clear()
    monkeypatch.setattr(event_loop, "STUCK_SECONDS", 0.1)
    (one,) = compare(AsksInAThread, TEXTS[:1], "demo-careful", journal=False, progress=False)
    assert one.status == "ok"
    assert "would wait for itself" in str(raised[0])


@pytest.mark.parametrize(
    "error",
    [KeyboardInterrupt, SystemExit, GeneratorExit, asyncio.CancelledError, MemoryError, KeyError],
)
def test_whatever_a_validator_raises_ends_its_own_text_alone(demo, error) -> None:
    class Raises(BaseModel):
        number: str | None = None

        @field_validator("number")
        @classmethod
        def end(cls, value: object) -> object:
            if on_engine():
                raise error
            return value

    result = compare(Raises, TEXTS, "demo-careful", journal=False, progress=False)
    assert {each.status for each in result} == {"InvalidRecord"}
    assert all("its own check failed" in str(each.failure) for each in result)
    assert extract(Plain, TEXTS[0], "demo-careful", journal=False).status == "ok"


PREPARED = """
import sys, time
import llmwidgets as lw
from pydantic import BaseModel, field_validator
SCHEMA = {"type": "object", "title": "Bill", "properties": {"lines": {"type": "array", "items": {
    "type": "object", "properties": {n: {"type": "string"} for n in "abcdef"}}}}}
def rows(count, tag): return [{n: f"{tag} {n} {at}" for n in "abcdef"} for at in range(count)]
def made(texts=400, lines=120):
    truth = [{"lines": rows(lines, at)} for at in range(texts)]
    said = [{"lines": [{**row, "a": "x"} for row in each["lines"]]} for each in truth]
    many = " ".join(map(str, range(10**6, 10**9, 333_333)))
    words = [f"{at} {many}" for at in range(texts)]
    return words, said, truth
class Slow(BaseModel):
    number: str | None = None
    @field_validator("number")
    @classmethod
    def wait(cls, value):
        begun()
        while True: sum(range(1000))
def begun(): print("begun", flush=True)
"""
MADE = "w, s, t = made(60); c = lw.Comparison.from_outputs(SCHEMA, w, {'A': s, 'B': s[::-1]}, t)\n"
PHASES = {
    "truth": "w, s, t = made(3000); begun(); lw.estimate(SCHEMA, w, 'demo', truth=t)\n"
             "while True: lw.estimate(SCHEMA, w, 'demo', truth=t)",
    "outputs": "w, s, t = made(3000); begun()\n"
               "while True: lw.Comparison.from_outputs(SCHEMA, w, {'A': s}, t)",
    "running": "lw.start_demo(); begun()\n"
               "lw.compare(SCHEMA, ['Bill ' + 'a 12 ' * 7000] * 400, 'demo',"
               " journal=False, progress=False); raise KeyboardInterrupt",
    "judging": "lw.compare(Slow, ['Invoice 12'], 'demo-careful', journal=False, progress=False)\n"
               "raise KeyboardInterrupt",
    "scoreboard": MADE + "begun(); c.scoreboard()",
    "to_frame": MADE + "begun(); c.to_frame()",
    "differences": MADE + "begun(); c.differences()",
    "verdict": MADE + "begun(); c.verdict()",
    "agreement": MADE + "begun(); c.agreement()",
    "to_html": MADE + "begun(); c.to_html('page.html')",
    "save": MADE + "begun()\nwhile True: c.save('made.json')",
    "similar": "w, s, t = made(2); text = ' '.join(f'{a:x}' for a in range(10**5)) * 4\n"
               "S = {'type': 'object', 'properties': {'x': {'type': 'string'}}}\nbegun()\n"
               "while True: lw.Comparison.from_outputs(S, ['a'], {'A': [{'x': text[::-1]}]},"
               " [{'x': text}], scoring={'x': 'similar:0.5'}).scoreboard()",
}  # fmt: skip


@pytest.mark.skipif(sys.platform == "win32", reason="Windows sends no SIGINT to one process")
@pytest.mark.parametrize("phase", PHASES)
def test_an_interrupt_ends_every_phase(phase: str, tmp_path: Path) -> None:
    lines = "".join(f"    {line}\n" for line in PHASES[phase].splitlines())
    code = (
        # A shell that ignores SIGINT hands that down.
        "import signal\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        f"{PREPARED}\ntry:\n{lines}    print('done', flush=True)\n"
        "except KeyboardInterrupt:\n    print('ended', flush=True)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code],
        stdout=subprocess.PIPE, text=True, cwd=tmp_path, env={"PYTHONPATH": str(ROOT)},
    ) as process:  # fmt: skip
        assert process.stdout is not None
        try:
            assert process.stdout.readline() == "begun\n"
            process.send_signal(signal.SIGINT)
            started = time.monotonic()
            assert process.stdout.readline() == "ended\n"
            assert time.monotonic() - started < busy_seconds(MOST_SECONDS)
        finally:
            process.kill()
