"""Takes the CPU time of the public calls on repeated units of text: run by test_linear_time.

    python -m tests.comparison.linear_time < UNITS

Reads lines of JSON, each a phase (replies, scoring, demo, texts) with a unit, and writes for each
both of them and the CPU seconds at a tenth of the size and at the whole; for `texts` a unit is the
name of a way to give many texts. It is a process of its own: an expression that backtracks holds
the interpreter, and no time-out of a test could end it.
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd

import llmwidgets as lw
from tests.servers import Handler, listening

SCHEMA = {
    "type": "object", "title": "Letter",
    "properties": {
        "sender": {"type": "string"}, "total": {"type": "number"},
        "day": {"type": "string", "format": "date"}, "at": {"type": "string", "format": "time"},
        "lines": {"type": "array", "items": {"type": "object", "properties": {
            "name": {"type": "string"}, "total": {"type": "number"}}}},
        "tags": {"type": "array", "items": {"type": "string"}},
    },
}  # fmt: skip
TRUTH = {"sender": "Ada", "total": 3, "lines": [{"name": "a", "total": 1}], "tags": ["x"]}
"""What is labelled; the unit stands in the replies, in the text and in one label."""
SIMILAR = {"sender": "similar:0.8", "tags[]": "exact", "lines[].name": "similar:0.5"}
SIZES = (6_000, 60_000)
SIZES_OF_TEXTS = (1_200, 12_000)
SIZES_OF_DEMO = (2_600, 26_000)
"""As small as they can be for one search that backtracks, or one list that is searched, to show."""


class _Handler(Handler):
    said = ""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        message = {"role": "assistant", "content": self.said}
        choice = {"index": 0, "finish_reason": "stop", "message": message}
        self.reply(200, {"id": "r", "model": "m", "choices": [choice]})


Work = Callable[[str, int], Callable[[], None]]


def replies_of(text: str) -> list[Any]:
    """The text as a model may say it: bare, after a fence that is never closed, as values."""
    some = max(1, len(text) // 300)
    return [
        text,
        "```json\n{}\n" + text,
        "```" + text + "```",
        '{"sender": "' + text,
        {"sender": text, "tags": [text[at : at + 30] for at in range(0, 30 * some, 30)]},
        {"sender": text[: len(text) // 2], "lines": [{"name": text[:20], "total": 1}] * some},
        "[" * min(90, some) + text,
    ]


def ask_replies(text: str, connection: lw.Connection) -> None:
    """One text asked for each reply; the unit is in the document as well."""
    for said in replies_of(text)[:5]:
        _Handler.said = said if isinstance(said, str) else json.dumps(said)
        lw.extract(SCHEMA, f"Dear Ada, <{text} end", connection, journal=False)


def score_replies(text: str, folder: Path) -> None:
    """What was made elsewhere: scored by two sets of rules, located, shown, saved."""
    one, other = replies_of(text)[4:6]
    document = f"Dear Ada, on 3 May 2024 {text}"
    truth = [{**TRUTH, "sender": text[1:]}]
    outputs = {"A": [one], "B": [other]}
    made = lw.Comparison.from_outputs(SCHEMA, [document], outputs, truth, scoring=SIMILAR)
    made.rescore(None).scoreboard()
    made.verdict()
    made.to_frame()
    made.differences()
    made.errors()
    made.to_html(folder / "page.html", values=True)
    made.save(folder / "made.json")


def ask_demo(text: str) -> None:
    """The rules of the demo's models read the document."""
    lw.compare(SCHEMA, [f"Dear Ada, <{text} end"], ["demo-careful", "demo-hasty"],
               journal=False, progress=False)  # fmt: skip


def numbered(count: int) -> tuple[list[str], list[dict[str, Any]], pd.DataFrame]:
    """Ids, records and a frame of both."""
    ids = [f"letter {number}" for number in range(count)]
    records = [{"sender": f"Ada {number % 7}", "total": number} for number in range(count)]
    return ids, records, pd.DataFrame(records).assign(id=ids)


WAYS: dict[str, Callable[[list[str], list[dict[str, Any]], pd.DataFrame], dict[str, Any]]] = {
    "frame": lambda ids, records, frame: {"truth": frame, "outputs": {"A": frame}},
    "frame that repeats ids": lambda ids, records, frame: {"truth": pd.concat([frame, frame])},
    "index": lambda ids, records, frame: {
        "truth": frame.set_index("id"), "outputs": {"A": frame.set_index("id")},
        "group": pd.Series(ids, index=pd.Index(ids, name="id")),
    },
    "dict": lambda ids, records, frame: {
        "truth": dict(zip(ids, records, strict=True)), "group": dict(zip(ids, ids, strict=True)),
        "outputs": {"A": dict(zip(ids, records, strict=True))},
    },
    "dict of others": lambda ids, records, frame: {"truth": {f"x{each}": {} for each in ids}},
    "list with ids": lambda ids, records, frame: {
        "truth": frame.to_dict("records"), "outputs": {"A": frame.to_dict("records")},
    },
    "list of misfits": lambda ids, records, frame: {"truth": [{f"key {each}": 1} for each in ids]},
    "texts that repeat ids": lambda ids, records, frame: {
        "texts": [{"id": each, "text": "x"} for each in [*ids, *ids]],
    },
    "texts in a frame": lambda ids, records, frame: {
        "texts": frame[["id"]].assign(text="x", page=ids), "group": "page",
    },
}  # fmt: skip
"""How texts, truth, outputs and groups are given, and what is wrong with them."""


def give_texts(way: str, count: int) -> None:
    """Many short texts given in this way, and the label of the last one corrected."""
    ids, records, frame = numbered(count)
    given = {
        "texts": [{"id": each, "text": "x"} for each in ids],
        "outputs": {"A": records}, "truth": records,
        **WAYS[way](ids, records, frame),
    }  # fmt: skip
    try:
        made = lw.Comparison.from_outputs(SCHEMA, **given)
    except lw.errors.FieldError:
        return
    made.correct(ids[-1], "total", 1.5)


def seconds_of(work: Callable[[], None]) -> float:
    """The CPU time of a call, all threads together."""
    started = time.process_time()
    work()
    return time.process_time() - started


def works(folder: Path, connection: lw.Connection) -> dict[str, tuple[tuple[int, int], Work]]:
    """The sizes of each phase, and what it does with a unit at a size."""

    def of_text(work: Callable[[str], None]) -> Work:
        work("warm ")
        return lambda unit, size: partial(work, unit * (size // len(unit)))

    return {
        "replies": (SIZES, of_text(lambda text: ask_replies(text, connection))),
        "scoring": (SIZES, of_text(lambda text: score_replies(text, folder))),
        "demo": (SIZES_OF_DEMO, of_text(ask_demo)),
        "texts": (SIZES_OF_TEXTS, lambda unit, size: partial(give_texts, unit, size)),
    }


def main() -> None:
    """Measure each unit of the standard input."""
    with listening(_Handler) as http, tempfile.TemporaryDirectory() as folder:
        here = f"http://127.0.0.1:{http.server_address[1]}/v1"
        known = works(Path(folder), lw.Connection("custom", name="m", endpoint=here))
        for line in sys.stdin:
            phase, unit = json.loads(line)
            sizes, work = known[phase]
            took = [seconds_of(work(unit, size)) for size in sizes]
            sys.stdout.write(json.dumps([phase, unit, *took]) + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    main()
