"""Truth in the columns of what the texts are: a file, a DataFrame, a data set of Hugging Face."""

from __future__ import annotations

import datetime as dt
from pathlib import Path
from typing import Any

import datasets
import pandas as pd
import pytest
from datasets import ClassLabel, Dataset, DatasetDict, Features, Sequence, Value

import llmwidgets as lw
from llmwidgets.cli.compare import read_truth
from llmwidgets.comparison.files import read_texts
from llmwidgets.errors import FieldError

SCHEMA = {
    "type": "object",
    "properties": {
        "kind": {"enum": ["bill", "note", None]},
        "total": {"type": ["number", "null"]},
        "day": {"type": ["string", "null"], "format": "date"},
        "policy": {"type": "object", "properties": {
            "number": {"type": ["string", "null"]},
            "tags": {"type": "array", "items": {"enum": ["new", "paid"]}},
        }},
        "lines": {"type": "array", "items": {"type": "object", "properties": {
            "name": {"type": "string"}, "total": {"type": "number"}}}},
    },
}  # fmt: skip
FEATURES = Features({
    "text": Value("string"), "id": Value("string"), "kind": ClassLabel(names=["bill", "note"]),
    "total": Value("float32"), "day": Value("date32"), "page": Value("int32"),
    "policy": {"number": Value("string"), "tags": Sequence(ClassLabel(names=["new", "paid"]))},
    "lines": [{"name": Value("string"), "total": Value("float64")}],
    "scan": datasets.Image(),
})  # fmt: skip
DATA = Dataset.from_dict(
    {
        "text": ["One", "Two"], "id": ["a", "b"], "kind": [1, -1], "total": [12.3, None],
        "day": [dt.date(2026, 3, 1), None], "page": [1, 2],
        "policy": [{"number": "7", "tags": [1]}, {"number": None, "tags": []}],
        "lines": [[{"name": "pen", "total": 1.5}], []], "scan": [None, None],
    },
    features=FEATURES,
)  # fmt: skip
RECORD = {
    "kind": "note", "total": 12.3, "day": "2026-03-01", "policy": {"number": "7", "tags": ["paid"]},
    "lines": [{"name": "pen", "total": 1.5}],
}  # fmt: skip


def texts_of(texts: Any, truth: Any = None, outputs: Any = None, **more: Any) -> Any:
    outputs = [None] * 2 if outputs is None else outputs
    return lw.Comparison.from_outputs(SCHEMA, texts, {"A": outputs}, truth, **more).texts


def test_a_data_set_is_texts_truth_and_outputs() -> None:
    one, two = texts_of(DATA, DATA, group="page")
    assert (one.id, one.text, one.truth, one.group) == ("a", "One", RECORD, "1")
    assert two.truth == {"policy": {"tags": []}, "lines": []}
    assert one.notes == (
        "Read as truth: kind, total, day, policy.number, policy.tags and lines. "
        "Not named like a field: page.",
    )
    said = DATA.select_columns(["id", "kind", "total"]).with_format("numpy")
    first, _ = lw.Comparison.from_outputs(SCHEMA, DATA, {"A": said}, DATA["kind"])
    assert first.data == {"kind": "note", "total": 12.3}


def test_a_column_of_a_data_set_is_the_field_that_it_is_named_like() -> None:
    one, two = texts_of(DATA["text"], DATA["kind"])
    assert (one.text, one.truth) == ("One", {"kind": "note"})
    assert two.truth != one.truth


def test_splits_and_streams_are_told() -> None:
    with pytest.raises(FieldError, match=r"train, test\. Give one of them: texts\['train'\]"):
        texts_of(DatasetDict({"train": DATA, "test": DATA}))
    with pytest.raises(FieldError, match="truth: is an IterableDataset, whose rows are not here"):
        texts_of(["a", "b"], DATA.to_iterable_dataset())


def test_a_data_set_with_a_transform_is_not_read_without_it() -> None:
    shouting = DATA.with_transform(lambda rows: {"text": [each.upper() for each in rows["text"]]})
    with pytest.raises(FieldError, match=r"has a transform.*texts\.map\(…\).*with_format\(None\)"):
        texts_of(shouting)
    assert [each.text for each in texts_of(shouting.with_format(None))] == ["One", "Two"]


def test_of_one_table_the_columns_named_like_a_field_are_truth(tmp_path: Path) -> None:
    """Given twice, by whatever path; the other columns tell texts apart."""
    table = pd.DataFrame(
        {"text": ["One", "Two"], "id": ["a", "b"], "total": [1, 2], "policy.number": ["7", None],
         "vendor": ["ACME", "Beta"]}
    )  # fmt: skip
    path = tmp_path / "claims.csv"
    table.to_csv(path, index=False)
    (tmp_path / "claims.json").write_text(table.to_json(orient="records"), "utf-8")
    expected = [{"total": 1, "policy": {"number": "7"}}, {"total": 2}]
    note = "Read as truth: total and policy.number. Not named like a field: vendor."
    for given in (table, path):
        texts = texts_of(given, given)
        assert [text.truth for text in texts] == expected
        assert (texts[0].notes, texts[0].metadata["vendor"]) == ((note,), "ACME")
    rows = table[["text", "id", "total", "vendor"]].to_json(orient="records")
    (tmp_path / "claims.json").write_text(rows, "utf-8")
    texts = texts_of(tmp_path / "claims.json", tmp_path / ".." / tmp_path.name / "claims.json")
    assert [text.truth for text in texts] == [{"total": 1}, {"total": 2}]
    shell = read_truth(str(path), read_texts(path), path, SCHEMA)
    assert list(shell.columns) == ["id", "total", "policy.number"]
    misspelled = table.rename(columns={"total": "tottal"})
    (one, _) = texts_of(misspelled, misspelled)
    assert one.notes[0].endswith("field: tottal (the nearest field is total), vendor.")
    bare = table[["text", "vendor"]]
    with pytest.raises(FieldError, match="truth: has no field among its columns, vendor"):
        texts_of(bare, bare)


URLS = ["https://a.b/claims.csv", "HTTP://a.b", Path("https://a.b/claims.csv"), Path("hf://x/y")]


@pytest.mark.parametrize("url", URLS, ids=str)
def test_nothing_is_fetched(url: Any) -> None:
    for given in ({"texts": url}, {"texts": ["a", "b"], "truth": url}):
        with pytest.raises(FieldError, match="is a URL, and nothing is fetched from one"):
            texts_of(**given)


def test_names_of_files_in_a_list_of_texts_are_told(tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("claim.txt").write_text("A claim", "utf-8")
    with pytest.raises(FieldError, match=r"entry 2 of the list is a str, and claim\.txt is"):
        texts_of(["A text", "claim.txt"])
    with pytest.raises(FieldError, match=r"claims/\*\.csv is the name of files.*list of Paths"):
        texts_of(["claims/*.csv"])
    assert [each.text for each in texts_of(["see other.txt", "*.txt and more"])] == [
        "see other.txt", "*.txt and more",
    ]  # fmt: skip
