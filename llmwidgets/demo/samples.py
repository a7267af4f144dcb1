"""The sample texts and their truth, read from the files beside this one."""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any


@dataclass(frozen=True, slots=True)
class Samples:
    """Texts with their truth, in the order of their ids.

    `texts` are dicts with `id` and `text`; `truth` gives the record of each id as plain JSON.
    """

    texts: list[dict[str, str]]
    truth: dict[str, Any]


def read_samples(task: str) -> Samples:
    """The samples of a task: one .txt file a text, and `truth.json` with a record for each."""
    folder = files("llmwidgets.demo") / "sample_texts" / task
    truth: dict[str, Any] = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    texts = [
        {"id": name, "text": (folder / f"{name}.txt").read_text(encoding="utf-8").strip()}
        for name in truth
    ]
    return Samples(texts, truth)
