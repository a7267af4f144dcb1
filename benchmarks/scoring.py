"""Scoring beside a plain loop over leaves: CPU time and memory, common records and hostile ones.

    python benchmarks/scoring.py

The baseline compares leaf by leaf, in the order they come, once case and blanks are set aside: it
pairs nothing, so it finds less. Each case runs in a process of its own, which tells its memory.
"""

from __future__ import annotations

import json
import random
import resource
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

from rich.console import Console
from rich.table import Table

from llmwidgets.analysis.scoring import score

Case = tuple[Any, Any, dict[str, str]]


def rows(count: int, tag: str = "") -> list[dict[str, Any]]:
    """Items as of an invoice."""
    return [
        {"name": f"{tag}item {at}", "quantity": at % 7, "total": f"{tag}{at}.50",
         "day": f"2024-03-{at % 28 + 1:02}", "note": f"{tag}note {at % 50}"}
        for at in range(count)
    ]  # fmt: skip


def others(count: int) -> list[dict[str, Any]]:
    """Items of another document: only small counts and some days are the same."""
    return [{**each, "name": f"chair no. {at}", "total": 7_000 + at, "note": "made of oak"}
            for at, each in enumerate(rows(count))]  # fmt: skip


def shuffled(items: list[Any]) -> list[Any]:
    """The same items in another order."""
    return random.Random(1).sample(items, len(items))


def said(words: int, wrong: float = 0.0) -> str:
    """A long text, some of its words others."""
    generator, other = random.Random(2), random.Random(3)
    spelled = ["".join(generator.choices("abcdefghijklmnopqrst", k=6)) for _ in range(words)]
    return " ".join(f"{each}x" if other.random() < wrong else each for each in spelled)


def _nested(tag: str, size: int) -> list[list[str]]:
    return [[f"{tag}{i}.{j}" for j in range(size)] for i in range(size)]


def _kinds(tag: str) -> list[dict[str, str]]:
    return [{"kind": "A", "name": f"{tag}{at}"} for at in range(2_000)]


SIMILAR = {"l": "similar:0.9"}
CASES: dict[str, Callable[[], Case]] = {
    "10 fields, flat": lambda: ({f"f{n}": f"value {n}" for n in range(10)},) * 2 + ({},),
    "10 rows, one field wrong": lambda: (
        rows(10), shuffled([{**each, "note": "x"} for each in rows(10)]), {}),
    "20 × 400 rows": lambda: (rows(20), rows(400, "z"), {}),
    "20 × 400 rows of other things": lambda: (rows(20), others(400), {}),
    "10 × 2,000 rows": lambda: (rows(10), rows(2_000, "z"), {}),
    "10 × 4,000 rows": lambda: (rows(10), rows(4_000, "z"), {}),
    "4,000 × 10 rows": lambda: (rows(4_000, "z"), rows(10), {}),
    "lists of lists, 10 × 10 and 80 × 80": lambda: (_nested("a", 10), _nested("b", 80), {}),
    "2,000 rows in another order": lambda: (rows(2_000), shuffled(rows(2_000)), {}),
    "2,000 × 2,000 sharing one value": lambda: (_kinds("t"), _kinds("v"), {}),
    "100,000 numbers in another order": lambda: (
        list(range(100_000)), shuffled(list(range(100_000))), {}),
    "100,000 others": lambda: (list(range(100_000)), [f"x{n}" for n in range(100_000)], {}),
    "similar:0.9, 1 MB, 5 % of words": lambda: (said(150_000), said(150_000, 0.05), SIMILAR),
    "similar:0.9, 1 MB, 30 % of words": lambda: (said(150_000), said(150_000, 0.3), SIMILAR),
}  # fmt: skip


def plain_loop(truth: Any, value: Any) -> int:
    """How many leaves are the same in their order, once case and blanks are set aside."""
    return sum(one == other for one, other in zip(_leaves(truth), _leaves(value), strict=False))


def _leaves(data: Any) -> Iterator[str]:
    if isinstance(data, dict):
        for name in sorted(data):
            yield from _leaves(data[name])
    elif isinstance(data, list):
        for each in data:
            yield from _leaves(each)
    else:
        yield "".join(str(data).lower().split())


def _timed(work: Callable[[], Any]) -> tuple[float, Any]:
    """The CPU seconds of a call, the best of some where it is short."""
    best, found, spent = float("inf"), None, 0.0
    while spent < 0.3:
        started = time.process_time()
        found = work()
        took = time.process_time() - started
        best, spent = min(best, took), spent + max(took, 1e-4)
    return best, found


def measure(name: str) -> dict[str, Any]:
    """One case: seconds of both, what is right, and how much memory grew."""
    truth, value, scoring = CASES[name]()
    score(None, [{"a": 1}, 2], [2, {"a": 1}])  # load what is loaded on use
    loop, same = _timed(lambda: plain_loop(truth, value))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    took, found = _timed(lambda: score(None, {"l": value}, {"l": truth}, scoring=scoring))
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    return {"loop": loop, "same": same, "took": took, "right": found.right,
            "labelled": found.labelled, "grown": grown // 1024,
            "notes": len(found.notes)}  # fmt: skip


def main() -> None:
    """Measure every case and print a table."""
    if len(sys.argv) > 1:
        sys.stdout.write(json.dumps(measure(sys.argv[1])))
        return
    table = Table(title="Scoring one record", title_justify="left")
    table.add_column("case")
    for head in ("plain loop, ms", "same", "llmwidgets, ms", "right", "of", "MB more", "bound met"):
        table.add_column(head, justify="right")
    for name in CASES:
        done = subprocess.run(
            [sys.executable, __file__, name], capture_output=True, text=True, check=True
        )
        each = json.loads(done.stdout)
        table.add_row(
            name, f"{1000 * each['loop']:,.3f}", f"{each['same']:,}", f"{1000 * each['took']:,.3f}",
            f"{each['right']:,}", f"{each['labelled']:,}", f"{each['grown']:,}",
            "yes" if each["notes"] else "",
        )  # fmt: skip
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
