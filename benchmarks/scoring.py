"""Scoring beside a plain loop over leaves: CPU time and memory, common records and hostile ones.

    python benchmarks/scoring.py

First one record at a time; then a comparison of 80,000 extractions, view by view (`scoring.py run`
measures that alone). deepdiff and stickler stand beside us where they are installed
(pip install deepdiff stickler-eval).

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
from llmwidgets.comparison.comparison import Comparison

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


# -- a comparison of many extractions --------------------------------------------------------------

EXTRACTIONS, SOME = 80_000, 2_000
VIEWS = ("to_frame", "verdict", "differences", "by_field", "by_text", "doubtful_labels",
         "agreement", "grounding", "to_frame again", "error_kinds", "errors", "review")  # fmt: skip
SHAPES = {"10 fields, 8 variants": 8, "10 fields, 1 variant": 1, "list of 3, 8 variants": 8}


def record(at: int, *, lists: bool) -> dict[str, Any]:
    """What is true of one document."""
    generator = random.Random(at)
    if lists:
        lines = [
            {"sku": f"S{generator.randrange(10_000)}", "name": generator.choice(["Acme", "Globex"]),
             "total": round(generator.uniform(1, 900), 2)}
            for _ in range(3)
        ]  # fmt: skip
        return {"number": f"INV-{at:06}", "lines": lines}
    return {
        "number": f"INV-{at:06}", "vendor": f"Acme {at % 997}", "city": generator.choice("KPR"),
        "total": round(generator.uniform(10, 9_000), 2), "quantity": generator.randrange(100),
        "tax": round(generator.uniform(1, 900), 2), "day": f"2024-03-{generator.randrange(10, 29)}",
        "currency": generator.choice(["EUR", "USD"]), "paid": generator.random() < 0.5,
        "note": generator.choice([None, f"note {at % 300} on delivery"]),
    }  # fmt: skip


def answer(truth: dict[str, Any], seed: int) -> dict[str, Any]:
    """What a model answers: mostly the truth, in some fields something else."""
    generator = random.Random(seed)
    if "lines" in truth:
        lines = generator.sample([dict(each) for each in truth["lines"]], 3)
        lines[0]["total"] += generator.random() < 0.2
        return {**truth, "lines": lines[generator.random() < 0.1 :]}
    wrong = {"vendor": truth["vendor"].upper(), "total": truth["total"] + 1, "note": "N/A",
             "city": "Berlin", "day": "2023-01-01"}  # fmt: skip
    return {**truth, **{name: each for name, each in wrong.items() if generator.random() < 0.12}}


def measure_run(shape: str) -> dict[str, float]:
    """CPU microseconds for each extraction: the loop, others, each view, and the bytes kept."""
    variants = SHAPES[shape]
    truth = [record(at, lists="list" in shape) for at in range(EXTRACTIONS // variants)]
    answers = [
        [answer(each, at * 100 + own) for at, each in enumerate(truth)] for own in range(variants)
    ]
    found: dict[str, float] = {}

    def timed(name: str, work: Callable[[], Any], count: int = EXTRACTIONS) -> Any:
        started = time.process_time()
        done = work()
        found[name] = 1e6 * (time.process_time() - started) / count
        return done

    pairs = [pair for own in answers for pair in zip(truth, own, strict=True)]
    timed("plain loop", lambda: [plain_loop(*pair) for pair in pairs])
    for name, compare in others_installed(truth[0]).items():
        timed(name, lambda each=compare: [each(*pair) for pair in pairs[:SOME]], SOME)
    texts = [" ".join(map(str, _values(each))) for each in truth]
    schema = schema_of(truth[0])
    made = timed(
        "from_outputs",
        lambda: Comparison.from_outputs(
            schema, texts, {f"v{at}": own for at, own in enumerate(answers)}, truth=truth
        ),
    )
    timed("scoreboard", made.scoreboard)
    for name in VIEWS:
        timed(name, getattr(made, name.split()[0]))
    found["× the loop"] = sum(found[each] for each in ("scoreboard", "to_frame", "verdict"))
    found["× the loop"] /= found["plain loop"]
    return found


def others_installed(truth: dict[str, Any]) -> dict[str, Callable[[Any, Any], Any]]:
    """How others compare two records, where they are installed."""
    compared: dict[str, Callable[[Any, Any], Any]] = {}
    try:
        from deepdiff import DeepDiff

        compared["deepdiff"] = lambda one, other: DeepDiff(one, other, ignore_order=True)
    except ImportError:
        sys.stderr.write("deepdiff is not installed: pip install deepdiff\n")
    try:
        from stickler import StructuredModel

        model = StructuredModel.from_json_schema(schema_of(truth))
        compared["stickler"] = lambda one, other: model(**one).compare_with(model(**other))
    except ImportError:
        sys.stderr.write("stickler is not installed: pip install stickler-eval\n")
    return compared


def schema_of(value: Any) -> dict[str, Any]:
    """The JSON Schema of records like this one."""
    if isinstance(value, dict):
        properties = {name: schema_of(each) for name, each in value.items()}
        return {"type": "object", "properties": properties}
    if isinstance(value, list):
        return {"type": "array", "items": schema_of(value[0])}
    kinds = {bool: "boolean", int: "integer", float: "number"}
    return {"type": [kinds.get(type(value), "string"), "null"]}


def _values(data: Any) -> Iterator[Any]:
    inner = data.values() if isinstance(data, dict) else data
    for each in inner if isinstance(data, dict | list) else ():
        yield from _values(each)
    if not isinstance(data, dict | list):
        yield data


def show_runs() -> None:
    """A table of every shape, a row for each view."""
    found = {shape: _in_a_process("run", shape) for shape in SHAPES}
    table = Table(title=f"{EXTRACTIONS:,} extractions: CPU µs for each", title_justify="left")
    table.add_column("")
    for shape in SHAPES:
        table.add_column(shape, justify="right")
    for name in dict.fromkeys(name for each in found.values() for name in each):
        cells = (f"{each[name]:,.1f}" if name in each else "–" for each in found.values())
        table.add_row(name, *cells)
    Console(width=140).print(table)


def _in_a_process(*arguments: str) -> dict[str, Any]:
    done = subprocess.run(
        [sys.executable, __file__, *arguments], stdout=subprocess.PIPE, text=True, check=True
    )
    measured: dict[str, Any] = json.loads(done.stdout)
    return measured


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
    if len(sys.argv) > 1 and sys.argv[1:] != ["run"]:
        run = sys.argv[1] == "run"
        sys.stdout.write(json.dumps(measure_run(sys.argv[2]) if run else measure(sys.argv[1])))
        return
    show_runs()
    if len(sys.argv) > 1:
        return
    table = Table(title="Scoring one record", title_justify="left")
    table.add_column("case")
    for head in ("plain loop, ms", "same", "llmwidgets, ms", "right", "of", "MB more", "bound met"):
        table.add_column(head, justify="right")
    for name in CASES:
        each = _in_a_process(name)
        table.add_row(
            name, f"{1000 * each['loop']:,.3f}", f"{each['same']:,}", f"{1000 * each['took']:,.3f}",
            f"{each['right']:,}", f"{each['labelled']:,}", f"{each['grown']:,}",
            "yes" if each["notes"] else "",
        )  # fmt: skip
    Console(width=140).print(table)


if __name__ == "__main__":
    main()
