"""No text that a model or a document holds makes a call grow faster than the text itself.

Nor does the number of texts, in whatever way they, their truth and their outputs are given.

The bound is one of CPU time, and generous: a call that is linear takes ten times as long for ten
times the text; one that is quadratic a hundred times, and at these sizes minutes or days.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.comparison.linear_time import WAYS

pytestmark = pytest.mark.long

UNITS = (
    " ", "\t", "\n", "\r", "1,", "1 ", "[", "{", '{"a":', "\\", '\\"', "<", "< ", '"', "'", "`",
    "```", "a-", "a", "A ", "Aa, ", "0", ".", "-", "=", "#", "|", "(", ": ", "x\n", " \n",
    "\n---\n", "$1 ", "1:", "12:30 ", "3 May ", "12/5 ", "A.", "a@a.", "sk-", "-eyJ", "<document>",
    "</document", "<<<\n", "e\u0301", "\u0301", "１", "字", "🙂", "\u202e",
)  # fmt: skip
"""Each has once been, or could be, the undoing of an expression that looks harmless."""

DEAREST = (" ", "1,", "[", "\\", "<", '"', "```", "a-", "0", ".", "e\u0301", "１")
MOST_SECONDS = 10.0
MOST_TIMES = {"replies": 12.0, "scoring": 12.0, "demo": 12.0, "texts": 16.0}
"""Of what is linear a part is the same at each size, in all but `texts`."""
LEAST_SECONDS = {"replies": 0.025, "scoring": 0.025, "demo": 0.025, "texts": 0.05}
"""What a call at the tenth of the size counts at least as having taken."""
ROOT = Path(__file__).parents[2]


def pairs(count: int) -> list[str]:
    """Units side by side, other ones each time where the seed is not fixed."""
    chosen = random.sample(UNITS, 2 * count)
    return [one + other for one, other in zip(chosen[::2], chosen[1::2], strict=True)]


PHASES = {
    "replies": [*UNITS, *pairs(8)],
    "scoring": [*DEAREST, *pairs(2)],
    "demo": [*UNITS, *pairs(8)],
    "texts": [*WAYS],
}


@pytest.fixture(scope="module")
def measured() -> tuple[list[list[Any]], str]:
    """What one process took for each unit of each phase, and why it ended early if it did."""
    told = [json.dumps([phase, unit]) + "\n" for phase, units in PHASES.items() for unit in units]
    try:
        done = subprocess.run(
            [sys.executable, "-m", "tests.comparison.linear_time"], input="".join(told),
            capture_output=True, text=True, timeout=280, cwd=ROOT, check=False,
        )  # fmt: skip
        said, errors = done.stdout, done.stderr
    except subprocess.TimeoutExpired as late:
        said, errors = (late.stdout or b"").decode(), "out of time"
    return [json.loads(line) for line in said.splitlines()], errors


@pytest.mark.parametrize("phase", PHASES)
def test_work_grows_as_the_text_does(phase: str, measured: tuple[list[list[Any]], str]) -> None:
    units, errors = PHASES[phase], measured[1]
    took = [each[1:] for each in measured[0] if each[0] == phase]
    assert len(took) == len(units), f"{units[len(took)]!r} was not ended: {errors}"
    slow = [
        (unit, few, many)
        for unit, few, many in took
        if many > MOST_SECONDS or many > MOST_TIMES[phase] * max(few, LEAST_SECONDS[phase])
    ]
    assert not slow
