"""What Label Studio exports, read as texts with their truth; and what is exported to it."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any, Literal

import pytest
from pydantic import BaseModel

import llmwidgets as lw
from llmwidgets.errors import FieldError

TEXT = "Bill R-7 of Ada Lovelace, 3 March 2026: 2 pens 1,250.00 and ink 8.50. Paid."


class Line(BaseModel):
    name: str | None = None
    total: float | None = None


class Vendor(BaseModel):
    name: str | None = None


class Bill(BaseModel):
    number: str | None = None
    total: float | None = None
    day: str | None = None
    kind: Literal["invoice", "reminder"] | None = None
    paid: bool | None = None
    stars: int | None = None
    tags: list[str] = []
    vendor: Vendor = Vendor()
    lines: list[Line] = []


def result_of(name: str, kind: str, value: Any, **more: Any) -> dict[str, Any]:
    key = {"textarea": "text", "labels": "labels"}.get(kind, kind)
    return {"from_name": name, "to_name": "text", "type": kind, "value": {key: value, **more}}


def span(label: str, words: str) -> dict[str, Any]:
    start = TEXT.index(words)
    return result_of("label", "labels", [label], start=start, end=start + len(words), text=words)


ALL = [
    result_of("number", "textarea", ["R-7"]),
    span("total", "1,250.00"),
    result_of("day", "datetime", "2026-03-03"),
    result_of("kind", "choices", ["Invoice"]),
    result_of("paid", "choices", ["Yes"]),
    result_of("stars", "rating", 4),
    result_of("tags", "taxonomy", [["office", "pens"], ["office", "ink"]]),
    span("vendor.name", "Ada Lovelace"),
    result_of("lines", "textarea", ['[{"name": "ink", "total": 8.5}]']),
    {"type": "relation", "from_id": "a", "to_id": "b", "direction": "right"},
]
RECORD = {
    "number": "R-7", "total": 1250, "day": "2026-03-03", "kind": "invoice", "paid": True,
    "stars": 4, "tags": ["pens", "ink"], "vendor": {"name": "Ada Lovelace"},
    "lines": [{"name": "ink", "total": 8.5}],
}  # fmt: skip


def task(*annotations: dict[str, Any], number: int = 1, **data: Any) -> dict[str, Any]:
    listed = [{"id": at, **each} for at, each in enumerate(annotations, 1)]
    return {"id": number, "data": {"text": TEXT, **data}, "annotations": listed}


def written(folder: Path, *tasks: Any, name: str = "export.json") -> Path:
    path = folder / name
    path.write_text(json.dumps(list(tasks)), "utf-8")
    return path


def read(path: Path, texts: Any = None, **more: Any) -> Any:
    """The texts, compared with outputs that are not there."""
    texts = path if texts is None else texts
    number = len(json.loads(path.read_text("utf-8"))) if texts is path else len(texts)
    return lw.Comparison.from_outputs(Bill, texts, {"A": [None] * number}, **more).texts


def test_every_kind_of_result_is_a_value_of_its_field(tmp_path) -> None:
    (text,) = read(written(tmp_path, task({"result": ALL}, id="letter-7", page=3)))
    assert (text.id, text.text, text.truth) == ("letter-7", TEXT, RECORD)
    assert text.metadata == {"page": 3}
    assert text.notes[0].endswith("the annotations of its 1 task are their truth.")


def test_truth_may_be_an_export_of_texts_from_elsewhere(tmp_path) -> None:
    path = written(tmp_path, task({"result": ALL}, number=7))
    one, two = read(path, {"7": "a", "8": "b"}, truth=path)
    assert (one.truth, two.notes) == (RECORD, one.notes)
    assert two.truth != RECORD


def test_of_several_annotations_one_counts_and_it_is_said(tmp_path) -> None:
    def total(value: float, **more: Any) -> dict[str, Any]:
        return {"result": [result_of("total", "number", value)], **more}

    late, early = {"updated_at": "2026-03-02T10:00:00Z"}, {"updated_at": "2026-03-01T10:00:00Z"}
    path = written(
        tmp_path,
        task(total(1, **late), total(2, **early), number=1),
        task(total(1, **late), total(2, **early, ground_truth=True), number=2),
        task(total(1, **early), total(3, **late, was_cancelled=True), number=3),
        task(total(3, was_cancelled=True), number=4),
        task(total(5), total(5), number=5),
        task(number=6),
    )
    truths = [text.truth for text in read(path)]
    assert [each["total"] if isinstance(each, dict) else None for each in truths] == [
        1, 2, 1, None, 5, None,
    ]  # fmt: skip
    (note,) = read(path)[0].notes
    assert "the annotations of 4 of 6 tasks are their truth. 3 tasks have several" in note
    assert note.endswith("was taken; in 2 of them others say something else.")


def test_a_control_that_was_left_empty_says_null_where_blanks_do(tmp_path) -> None:
    number = {"result": [result_of("number", "textarea", ["R-7"])]}
    path = written(tmp_path, task(number), task({"result": ALL[1:2]}, number=2))
    plainly = read(path)
    assert [text.truth for text in plainly] == [{"number": "R-7"}, {"total": 1250}]
    assert [text.blanks for text in plainly] == [1, 1]
    assert [text.truth for text in read(path, blank="null")] == [
        {"number": "R-7", "total": None}, {"number": None, "total": 1250},
    ]  # fmt: skip


MISFITS = {
    "another name": (result_of("totale", "number", 1), "task 1, totale: .*the nearest is total"),
    "two values": (result_of("number", "textarea", ["a", "b"]), "task 1, number: has 2 values"),
    "a picture": (result_of("box", "rectanglelabels", ["x"]), "task 1, box: is of the kind rect"),
    "a row": (span("lines[].total", "8.50"), r"lines\[\]\.total: is of a row of a list, and of"),
    "another type": (result_of("stars", "textarea", ["many"]), "truth of 1, stars"),
    "no value": ({"from_name": "x", "type": "choices"}, "entry 1 has a result without from_name"),
}


@pytest.mark.parametrize("name", MISFITS)
def test_what_fits_no_field_is_named_by_task_and_field(tmp_path, name) -> None:
    result, words = MISFITS[name]
    with pytest.raises(FieldError, match=words) as caught:
        read(written(tmp_path, task({"result": [result]})))
    assert caught.value.hint


HOSTILE: dict[str, Any] = {
    "no text": [{"id": 1, "data": {"a": "x", "b": "y"}, "annotations": []}],
    "no task": [task(), {"id": 2}],
    "no object": [{**task(), "annotations": ["x"]}],
    "no list": [{**task(), "annotations": 1.5, "predictions": []}],
    "no name of a kind": [
        {
            **task(),
            "annotations": [
                {"result": [{**result_of("number", "textarea", ["a"]), "type": ["textarea"]}]}
            ],
        }
    ],
    "no results": [{**task(), "annotations": [{"result": "x"}]}],
    "no result": [{**task(), "annotations": [{"result": [1]}]}],
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_broken_export_is_refused_with_a_sentence(tmp_path, name) -> None:
    with pytest.raises(FieldError, match=r"export\.json"):
        read(written(tmp_path, *HOSTILE[name]))


def test_the_text_may_have_another_name_if_it_is_the_only_one(tmp_path) -> None:
    export = {"id": 4, "data": {"letter": TEXT, "page": 3}, "annotations": []}
    (text,) = read(written(tmp_path, export))
    assert (text.id, text.text) == ("4", TEXT)
    assert text.notes == (
        f"{tmp_path / 'export.json'}: the text of each task is its letter. "
        f"{tmp_path / 'export.json'} is an export of Label Studio, without annotations.",
    )


def test_the_short_exports_are_read_by_the_names_of_fields(tmp_path) -> None:
    """JSON-MIN and CSV: a row for each annotation, in which data and controls are alike."""
    start = {"lead_time": 2.5, "created_at": "2026-03-01", "annotator": 1}
    rows = [
        {"id": 1, "text": TEXT, "page": 3, "number": "R-8", "annotation_id": 1,
         "updated_at": "2026-03-01", **start},
        {"id": 1, "text": TEXT, "page": 3, "number": "R-7", "annotation_id": 2,
         "kind": "invoice", "tags": {"choices": ["pens", "ink"]}, "stars": [{"rating": 4}],
         "label": [{"start": 40, "end": 48, "text": "1,250.00", "labels": ["total"]}],
         "updated_at": "2026-03-02", **start},
    ]  # fmt: skip
    expected = {
        "number": "R-7", "kind": "invoice", "tags": ["pens", "ink"], "stars": 4, "total": 1250,
    }  # fmt: skip
    path = written(tmp_path, *rows)
    (text,) = lw.Comparison.from_outputs(Bill, path, {"A": [None]}).texts
    assert text.truth == expected
    assert text.metadata["page"] == 3
    assert "1 task has several annotations: of these the latest was taken." in text.notes[0]
    table = tmp_path / "export.csv"
    with table.open("w", newline="") as file:
        names = list(dict.fromkeys(key for row in rows for key in row))
        writer = csv.DictWriter(file, names)
        writer.writeheader()
        for row in rows:
            cells = row.items()
            writer.writerow(
                {name: each if isinstance(each, str) else json.dumps(each) for name, each in cells}
            )
    (text,) = lw.Comparison.from_outputs(Bill, table, {"A": [None]}).texts
    assert text.truth == expected


def test_what_is_exported_comes_back_as_truth(tmp_path) -> None:
    """Our tasks, annotated by accepting a prediction: spans that keep their meta."""
    said = {"number": "R-7", "total": 1250, "lines": [{"name": "pens", "total": 1250},
            {"name": "ink", "total": 8.5}]}  # fmt: skip
    result = lw.Comparison.from_outputs(Bill, {"a": TEXT}, {"A": {"a": said}})
    path = result.to_label_studio(tmp_path / "tasks.json")
    (text,) = lw.Comparison.from_outputs(Bill, path, {"A": {"a": said}}).texts
    assert (text.id, text.text) == ("a", TEXT)
    (exported,) = json.loads(path.read_text("utf-8"))
    accepted = exported["predictions"][0]["result"]
    back = written(tmp_path, {"id": 9, **exported, "annotations": [{"result": accepted}]})
    again = lw.Comparison.from_outputs(Bill, back, {"A": {"a": said}})
    assert again.texts[0].truth == said
    assert again.scoreboard().accuracy[0] == 1
    # Somebody drags a span to another place: what it covers now is the value.
    moved = next(each for each in accepted if each["meta"]["field"] == "lines[1].total")
    moved["value"] |= {"start": 40, "end": 48, "text": "1,250.00"}
    back = written(tmp_path, {"id": 9, **exported, "annotations": [{"result": accepted}]})
    again = lw.Comparison.from_outputs(Bill, back, {"A": {"a": said}})
    assert again.texts[0].truth["lines"][1] == {"name": "ink", "total": 1250}
