"""Files of version 0.1.0 are read as they were: saved comparisons, and a journal."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import pandas as pd

from llmwidgets.comparison import compare, load
from llmwidgets.connections import Connection

AS_TEXT: dict[str, Any] = {"dtype": str, "keep_default_na": False}
FROZEN = Path(__file__).parent / "frozen"
BOUNDS = {"accuracy_low", "accuracy_high", "loss_low", "loss_high"}


def test_a_saved_comparison_is_scored_as_it_was(tmp_path) -> None:
    """With groups, corrections, a blank label, missing outputs, failures and a lost function."""
    loaded = load(FROZEN / "comparison-1.json")
    for name, table in (
        ("comparison-1.csv", "fields"),
        ("comparison-1-scoreboard.csv", "scoreboard"),
    ):
        written = pd.read_csv(loaded.to_csv(tmp_path / name, table=table), **AS_TEXT)
        frozen = pd.read_csv(FROZEN / name, **AS_TEXT)
        # A column that came later is not in the file; a bound is a root, found to twelve digits.
        bounds = [each for each in frozen.columns if each in BOUNDS]
        for each in (written, frozen):
            each[bounds] = each[bounds].astype(float)
        pd.testing.assert_frame_equal(written[list(frozen.columns)], frozen, rtol=1e-9, atol=1e-12)
    made = loaded.corrections()
    assert made[["text_id", "field", "old", "new", "by", "seen"]].values.tolist() == [
        ["t1", "total", 12.5, 13, "Ada", True],
        ["t1", "lines[0].sku", "a1", "a2", "", False],
    ]
    assert "scored by the function half" in repr(loaded)


def test_a_saved_comparison_is_written_as_it_was(tmp_path) -> None:
    for name in ("comparison-1.json", "comparison-of-run-1.json"):
        again = load(FROZEN / name).save(tmp_path / name)
        assert json.loads(again.read_text("utf-8")) == json.loads(
            (FROZEN / name).read_text("utf-8")
        )


def test_a_journal_answers_again_without_a_server(tmp_path) -> None:
    """The same question has the same key, and its row is read as the reply it was."""
    journal = tmp_path / "journal.sqlite"
    with closing(sqlite3.connect(journal)) as file, file:
        file.executescript((FROZEN / "journal-1.sql").read_text("utf-8"))
    file.close()
    saved = json.loads((FROZEN / "comparison-of-run-1.json").read_text("utf-8"))
    connection = Connection("custom", name="small-model", endpoint="http://127.0.0.1:18765/v1")
    again = compare(
        next(iter(saved["schemas"].values())),
        [{"id": text["id"], "text": text["text"]} for text in saved["texts"]],
        connection,
        truth=[text["truth"] for text in saved["texts"]],
        journal=journal,
        progress=False,
    )
    assert [each.data for each in again] == [text["truth"] for text in saved["texts"]]
    assert all(each.paid_before for each in again)
