"""The code of a comparison runs as pasted into a fresh notebook, whatever it was made of."""

from __future__ import annotations

from typing import Any

import pytest

import llmwidgets as lw
from llmwidgets.demo import invoices, jobs

SCHEMA = [{"name": "total", "type": "number"}, {"name": "city", "type": "string"}]


def same_city(value: Any, truth: Any) -> bool:
    return str(value)[:1] == str(truth)[:1]


def demo(texts: Any, schema: Any = SCHEMA, **more: Any) -> lw.Comparison:
    return lw.compare(schema, texts, "demo-careful", journal=False, progress=False, **more)


def outputs(**more: Any) -> lw.Comparison:
    given = {"A": [{"total": 1, "city": "Ulm"}], 'B "b"': [None]}
    return lw.Comparison.from_outputs(SCHEMA, ["x"], given, **more)


MADE = {
    "own texts": lambda: demo(["Ulm, 3 EUR"]),
    "truth": lambda: demo(["Ulm, 3 EUR"], truth=[{"total": 3, "city": "Ulm"}]),
    "group": lambda: demo([{"text": "Ulm", "mail": "a"}], group="mail"),
    "examples": lambda: demo(["Ulm"], examples=[("Rom, 2 EUR", {"total": 2, "city": "Rom"})]),
    "function": lambda: demo(["Ulm"], truth=[{"city": "Ulm"}], scoring={"city": same_city}),
    "weights": lambda: demo(
        ["Ulm"], truth=[{"city": "Ulm"}],
        scoring={"city": {"rule": same_city, "weight": 2}, "total": "number:1% weight:5"},
    ),
    "nameless functions": lambda: demo(
        ["Ulm"], truth=[{"city": "Ulm"}],
        scoring={"city": lambda value, truth: value == truth, "total": lambda value, truth: True},
    ),
    "schemas of the texts": lambda: demo(
        [{"text": name, "schema": [{"name": name, "type": "string"}]} for name in "ab"], None
    ),
    "repeats": lambda: demo(["Ulm"], repeats=2, instructions={"a": "Short.", "b": "Say \"no\"."}),
    "outputs": outputs,
    "outputs with truth": lambda: outputs(truth=[{"city": "Ulm"}], missing="wrong"),
}  # fmt: skip


@pytest.mark.parametrize("made", MADE)
def test_it_runs_as_it_is(made, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    code = MADE[made]().code()
    fresh: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(code, "pasted", "exec"), fresh)
    assert isinstance(fresh["result"], lw.Comparison)
    assert len(fresh["result"].texts) == 1


@pytest.mark.parametrize("some", [None, 3])
def test_texts_of_a_demo_task_are_taken_from_it(some):
    for task in (invoices, jobs):
        texts = task.texts[:some]
        truth = {each["id"]: task.truth[each["id"]] for each in texts}
        code = demo(texts, task.Schema, truth=truth).code()
        assert f"from llmwidgets.demo import {task.name}" in code
        assert f"    {task.name}.Schema," in code
        fresh: dict[str, Any] = {"__name__": "__main__"}
        exec(compile(code, "pasted", "exec"), fresh)
        result = fresh["result"]
        assert [text.id for text in result.texts] == [each["id"] for each in texts]
        assert result.scoreboard().scored[0] == len(texts)


def test_a_changed_text_of_a_demo_task_is_the_users_own():
    texts = [{**invoices.texts[0], "text": "Bolt, 3 EUR"}]
    assert "llmwidgets.demo" not in demo(texts, invoices.Schema).code()
