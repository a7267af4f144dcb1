"""Names and shapes that people guess: each works, or is answered with the right one."""

from __future__ import annotations

import copy
import pickle
from pathlib import Path
from typing import Any

import openpyxl
import pandas as pd
import pytest

import llmwidgets as lw
from llmwidgets.demo import invoices

SCHEMA = {
    "type": "object",
    "properties": {"number": {"type": "string"}, "total": {"type": "number"}},
}
RECORDS = [{"number": "R-1", "total": 12.5}, {"number": "R-2", "total": 8.0}]
TEXTS = ["Invoice R-1, total 12.50", "Invoice R-2, total 8.00"]
ONE_FIELD = {"type": "object", "properties": {"mood": {"enum": ["glad", "cross"]}}}


def result(texts: Any = TEXTS, truth: Any = RECORDS, schema: Any = SCHEMA) -> lw.Comparison:
    outputs = [{"mood": "glad"}] * 2 if schema is ONE_FIELD else RECORDS
    return lw.Comparison.from_outputs(schema, texts, {"A": outputs}, truth=truth)


def accuracy(compared: lw.Comparison) -> float:
    return compared.scoreboard()["accuracy"].item()


def test_the_package_shows_its_public_names_alone() -> None:
    assert dir(lw) == sorted(lw.__all__)


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("Comparision", "The nearest is Comparison."),
        ("evaluate", "compare(schema, texts, models) runs it."),
        ("connect", "ConnectionPanel()"),
    ],
)
def test_a_name_that_the_package_does_not_have_leads_on(name: str, said: str) -> None:
    with pytest.raises(AttributeError, match=f"llmwidgets has no {name}") as error:
        getattr(lw, name)
    assert said in str(error.value)


@pytest.mark.parametrize(
    ("name", "said"),
    [("to_json", "save(path)"), ("scorebord", "nearest is scoreboard"), ("best", "recommended")],
)
def test_a_name_that_a_comparison_does_not_have_leads_on(name: str, said: str) -> None:
    compared = result()
    with pytest.raises(AttributeError, match=f"has no {name}") as error:
        getattr(compared, name)
    assert said in str(error.value)
    assert not hasattr(compared, "_ipython_canary_method_should_not_exist_")


def test_a_variant_is_looked_up_by_its_label() -> None:
    compared = result()
    pd.testing.assert_frame_equal(compared["A"], compared.records("A"))
    with pytest.raises(lw.errors.FieldError, match="There is no variant B"):
        compared["B"]


@pytest.mark.parametrize(
    ("kind", "name", "said"),
    [
        ("custom", "model", "has the field name for it: write name=."),
        ("custom", "url", "has the field endpoint for it: write endpoint=."),
        (
            "azure_openai",
            "model",
            "has the field deployment for it: write deployment=.",
        ),
        (
            "azure_ai_foundry",
            "deployment",
            "has the field model for it: write model=.",
        ),
        ("openai", "api_base", "has the field base_url for it: write base_url=."),
    ],
)
def test_another_kinds_name_for_a_field_is_answered_with_the_right_one(
    kind: str, name: str, said: str
) -> None:
    with pytest.raises(lw.errors.FieldError) as error:
        lw.Connection(kind, **{name: "http://127.0.0.1:9/v1"})
    assert said in str(error.value)


def test_the_address_of_another_kind_is_answered_with_the_right_one() -> None:
    with pytest.raises(lw.errors.FieldError, match="write endpoint= in place of base_url="):
        lw.Connection("custom", name="llama3.2", base_url="http://localhost:11434/v1")


def test_pairs_of_id_and_text_are_texts() -> None:
    compared = result([("a", TEXTS[0]), (2, TEXTS[1])], {"a": RECORDS[0], "2": RECORDS[1]})
    assert [text.id for text in compared.texts] == ["a", "2"]
    assert accuracy(compared) == 1


@pytest.mark.parametrize(
    "pair",
    [("The whole text, of many words", "glad"), ("line\nline", "x"), ("x", {"mood": "glad"})],
)
def test_a_pair_of_a_text_and_its_label_is_answered_without_repeating_it(pair: Any) -> None:
    with pytest.raises(lw.errors.FieldError, match="A pair is") as error:
        result([pair, pair], None, ONE_FIELD)
    assert "whole text" not in str(error.value)


@pytest.mark.parametrize("kind", ["rows", "frame", "file"])
def test_truth_is_a_column_of_the_texts(kind: str, tmp_path: Path) -> None:
    rows = [{"text": text, "Label": record} for text, record in zip(TEXTS, RECORDS, strict=True)]
    texts: Any = rows
    if kind == "frame":
        texts = pd.DataFrame(rows)
    elif kind == "file":
        texts = tmp_path / "texts.jsonl"
        pd.DataFrame(rows).to_json(texts, orient="records", lines=True)
    assert accuracy(result(texts, "Label")) == 1


def test_a_column_that_is_named_like_a_field_is_the_truth_of_that_field() -> None:
    rows = [{"text": text, "total": 12.5} for text in TEXTS]
    assert accuracy(result(rows, "total")) == 0.5


def test_a_column_of_any_name_is_the_truth_of_the_only_field() -> None:
    rows = [{"text": "a", "label": "glad"}, {"text": "b", "label": "cross"}]
    compared = result(rows, "label", ONE_FIELD)
    assert accuracy(compared) == 0.5
    assert "label" not in compared.metadata().columns


@pytest.mark.parametrize(
    ("truth", "said"),
    [
        ("lable", "the texts have no column or key lable. Did you mean label?"),
        ("vendor", "vendor: the schema has no field of this name"),
    ],
)
def test_a_column_that_is_no_truth_is_answered(truth: str, said: str) -> None:
    rows = [{"text": text, "label": "?", "vendor": "Bolt"} for text in TEXTS]
    with pytest.raises(lw.errors.FieldError) as error:
        result(rows, truth)
    assert said in str(error.value)


def test_a_comparison_is_copied_as_itself_and_saved_by_save() -> None:
    """No secret and no journal travels in a pickle, which joblib, multiprocessing and Dask make."""
    compared = result()
    assert copy.copy(compared) is copy.deepcopy(compared) is compared
    with pytest.raises(TypeError, match=r"save\(path\).*lw\.load\(path\)"):
        pickle.dumps(compared)


def test_a_workbook_has_the_table_and_no_formula(tmp_path: Path) -> None:
    outputs = [{"number": "=1+1", "total": 12.5}, {"number": "R-\x07", "total": 8.0}]
    compared = lw.Comparison.from_outputs(SCHEMA, TEXTS, {"A": outputs}, truth=RECORDS)
    path = compared.to_excel(tmp_path / "fields.xlsx")
    assert compared.export(tmp_path / "board.xlsx", "scoreboard").exists()
    rows = list(openpyxl.load_workbook(path).active.iter_rows())
    frame = compared.to_frame()
    assert [cell.value for cell in rows[0]] == [*frame.columns]
    assert len(rows) == len(frame) + 1
    cells = [cell for row in rows[1:] for cell in row]
    assert {cell.data_type for cell in cells} <= {"n", "s", "b"}
    assert {"'=1+1", "R-", 12.5} <= {cell.value for cell in cells}


def test_the_demo_runs_by_what_people_guess() -> None:
    pairs = [(text["id"], text["text"]) for text in invoices.texts[:2]]
    truth = [invoices.truth[name] for name, _ in pairs]
    compared = lw.compare(
        invoices.Schema, pairs, "demo", truth=truth, journal=False, progress=False
    )
    assert [*compared["demo-careful"].index] == [name for name, _ in pairs]
