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
MOST_SECONDS, MOST_TIMES, LEAST_SECONDS = 10.0, 25.0, 0.025
MOST_TIMES_OF_TEXTS, LEAST_SECONDS_OF_TEXTS = 18.0, 0.1
"""Fewer times, since there are fewer of them: what grows as the square shows as early."""
ROOT = Path(__file__).parents[2]


def pairs(count: int) -> list[str]:
    """Units side by side, other ones each time where the seed is not fixed."""
    chosen = random.sample(UNITS, 2 * count)
    return [one + other for one, other in zip(chosen[::2], chosen[1::2], strict=True)]


@pytest.mark.parametrize(
    ("phase", "units"),
    [
        ("replies", [*UNITS, *pairs(8)]),
        ("scoring", [*DEAREST, *pairs(2)]),
        ("demo", [*UNITS, *pairs(8)]),
        ("texts", [*WAYS]),
    ],
    ids=["replies", "scoring", "demo", "texts"],
)
def test_work_grows_as_the_text_does(phase: str, units: list[str]) -> None:
    told = "".join(json.dumps(unit) + "\n" for unit in units)
    try:
        done = subprocess.run(
            [sys.executable, "-m", "tests.comparison.linear_time", phase],
            input=told, capture_output=True, text=True, timeout=300, cwd=ROOT, check=False,
        )  # fmt: skip
        said, errors = done.stdout, done.stderr
    except subprocess.TimeoutExpired as late:
        said, errors = (late.stdout or b"").decode(), "out of time"
    took = [json.loads(line) for line in said.splitlines()]
    assert len(took) == len(units), f"{units[len(took)]!r} was not ended: {errors}"
    times, least = MOST_TIMES, LEAST_SECONDS
    if phase == "texts":
        times, least = MOST_TIMES_OF_TEXTS, LEAST_SECONDS_OF_TEXTS
    slow = [
        each for each in took if each[2] > MOST_SECONDS or each[2] > times * max(each[1], least)
    ]
    assert not slow
