"""The code of a comparison runs as pasted into a fresh notebook, whatever it was made of."""

from __future__ import annotations

from typing import Any

import pytest

import llmwidgets as lw
from llmwidgets.demo import invoices, jobs

SCHEMA = [{"name": "total", "type": "number"}, {"name": "city", "type": "string"}]


def same_city(value: Any, truth: Any) -> bool:
    return str(value)[:1] == str(truth)[:1]


def named(name: str) -> Any:
    made: dict[str, Any] = {}
    exec(f"def {name}(value, truth): return True", made)
    return made[name]


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
    "functions of its own names": lambda: demo(
        ["Ulm"], truth=[{"city": "Ulm"}],
        scoring={"city": named("schema_2"), "total": named("globals"), "": named("len")},
    ),
    "outputs": outputs,
    "outputs, repeated": lambda: lw.Comparison.from_outputs(
        SCHEMA, ["x"], {"A": [[None], [None]]}, repeats=2
    ),
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


def test_outputs_of_a_demo_task_are_as_many_as_its_texts():
    for repeats in (1, 2):
        given = {"A": [[None] * 2] * repeats if repeats > 1 else [None] * 2}
        made = lw.Comparison.from_outputs(
            invoices.Schema, invoices.texts[:2], given, repeats=repeats,
            scoring={"total": named("invoices")},
        )  # fmt: skip
        assert len(run(made.code())) == 2 * repeats


def test_schemas_of_texts_and_of_variants_stand_beside_each_other():
    own = [{"name": "a", "type": "string", "description": "The first."}]
    other = [{"name": "b", "type": "string", "description": "The second."}]
    texts = [{"text": name, "schema": [{"name": name, "type": "string"}]} for name in "ab"]
    variants = [lw.Variant("demo-careful", schema=each) for each in (own, other)]
    made = lw.compare(None, texts, variants, journal=False, progress=False)
    assert run(made.code()).labels == made.labels


@pytest.mark.parametrize("made", MADE)
def test_texts_that_are_there_are_taken_whatever_else_is_missing(made, monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    texts = [{"text": name, "mail": "a", "schema": SCHEMA} for name in "abc"]
    result = run(MADE[made]().code(), texts=texts, same_city=same_city)
    assert len(result.texts) == 3
    if made == "function":
        assert result.scoring == {"city": same_city}


def run(code: str, **known: Any) -> lw.Comparison:
    """What the code gives as `result`, next to names that are known already."""
    names: dict[str, Any] = {"__name__": "__main__", **known}
    exec(compile(code, "pasted", "exec"), names)
    found: lw.Comparison = names["result"]
    return found
