"""Label Studio: what it exports, tasks with annotations, read as rows of texts with their truth."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from llmwidgets.comparison.files.tables import Row, Table, match_names
from llmwidgets.comparison.values import is_nothing, name_of
from llmwidgets.errors import FieldError
from llmwidgets.formatting import count, join_listed, join_truncated

_SPANS = ("labels", "hypertextlabels", "paragraphlabels")
_VALUES = {
    "textarea": "text", "choices": "choices", "number": "number", "rating": "rating",
    "datetime": "datetime", "taxonomy": "taxonomy",
}  # fmt: skip
"""The kinds of results that are values, each with the key under which they have them."""
_AGAIN = "Export the project again, as JSON."
_OF_FLAT = {"annotation_id", "annotator", "lead_time"}
_NO_DATA = ("annotation_id", "lead_time", "created_at", "updated_at", "agreement")
"""What the flat exports, JSON-MIN and CSV, say of an annotation beside its values."""


@dataclass(frozen=True, slots=True)
class Result:
    """One thing that an annotator said: of which field by name, and the values.

    `kind` is that of Label Studio's control; a span has its text. `place` and `value` are those of
    a span that llmwidgets wrote: the path of a field, and what a model said.
    """

    name: str
    kind: str
    values: tuple[Any, ...]
    place: str = ""
    value: Any = None


@dataclass(frozen=True, slots=True)
class Annotation:
    """What an annotator said of one task, until it is known which schema its fields are of.

    `names` are the controls and labels with results anywhere in the file. In a flat export they
    cannot be told from the task's own data: then only what is named like a field is `meant`.
    """

    task: str
    results: tuple[Result, ...]
    names: frozenset[str]
    meant: bool = True


def is_export(rows: Sequence[Any]) -> bool:
    """Whether these rows of JSON are tasks of Label Studio."""
    return bool(rows) and _is_task(rows[0])


def _is_task(row: Any) -> bool:
    listed = isinstance(row, dict) and any(
        isinstance(row.get(key), list) for key in ("annotations", "predictions")
    )
    return listed and isinstance(row.get("data"), dict)


def is_flat_export(rows: Sequence[Any]) -> bool:
    """Whether these rows are those of its exports JSON-MIN and CSV."""
    return bool(rows) and isinstance(rows[0], dict) and rows[0].keys() >= _OF_FLAT


def read_tasks(table: Table, listed: Sequence[tuple[Any, str]]) -> list[Row]:
    """A row for each task: its text, its id and the annotation that counts; a note says which.

    The id is that of the data, else of the task. FieldError names an entry that is not a task.
    """
    for row, where in listed:
        if not _is_task(row):
            raise FieldError(
                f"{where} is not a task of Label Studio, as those before it are.", _AGAIN
            )
    tasks = [row for row, _ in listed]
    key, note = _text_key([task["data"] for task in tasks], table.name)
    chosen = [_choose(task.get("annotations") or [], where) for task, where in listed]
    read = [
        None if best is None else tuple(_results(best, task, key, where))
        for (best, _, _), (task, where) in zip(chosen, listed, strict=True)
    ]
    names = frozenset(each.name for results in read for each in results or ())
    note = " ".join(filter(None, (note, _say_chosen(table.name, chosen))))
    rows = []
    for at, (task, results) in enumerate(zip(tasks, read, strict=True), 1):
        row = Row()
        row.note = note
        data = task["data"]
        found = {each: name for name, each in match_names(data)[0].items() if each == "id"}
        own = data.get(found.get("id"))
        row["id"] = name_of(task.get("id", at) if is_nothing(own) else own)
        row["text"] = data.get(key)
        row |= {name: data[name] for name in data if name not in (key, *found.values())}
        if results is not None:
            row["truth"] = Annotation(row["id"], results, names)
        rows.append(row)
    return rows


def _text_key(datas: Sequence[Mapping[str, Any]], name: str) -> tuple[str, str]:
    """The key of the tasks' data that is the text; the only one that is text in all of them."""
    found, unclear = match_names(datas[0])
    if unclear:
        raise FieldError(f"{name}: the data of a task {unclear}", "Rename the others.")
    for key, role in found.items():
        if role == "text":
            return key, ""
    texts = [key for key in datas[0] if found.get(key) != "id"
             and all(isinstance(data.get(key), str) for data in datas)]  # fmt: skip
    if len(texts) == 1:
        return texts[0], f"{name}: the text of each task is its {texts[0]}."
    has = f"; it has {join_truncated(datas[0], 12)}" if datas[0] else ""
    raise FieldError(
        f"{name}: the data of a task has no key text{has}.",
        "Rename the key with the document to text in the export.",
    )


Chosen = tuple[Mapping[str, Any] | None, int, bool]
"""The annotation that counts, how many there are, and whether another says something else."""


def _choose(annotations: Any, where: str) -> Chosen:
    """The one marked as ground truth, else the latest; what was skipped does not count."""
    if not isinstance(annotations, list) or not all(isinstance(each, dict) for each in annotations):
        raise FieldError(f"{where} has an annotation that is not an object.", _AGAIN)
    said = [each for each in annotations if not each.get("was_cancelled")]
    if not said:
        return None, 0, False

    def rank(at: int) -> tuple[bool, str, int]:
        each = said[at]
        when = each.get("updated_at") or each.get("created_at") or ""
        return bool(each.get("ground_truth")), str(when), at

    best = said[max(range(len(said)), key=rank)]
    other = any(_meaning(each) != _meaning(best) for each in said)
    return best, len(said), other


def _meaning(annotation: Mapping[str, Any]) -> list[str]:
    """What an annotation says, whatever the order and the ids of its results."""
    listed = annotation.get("result")
    return sorted(
        json.dumps([each.get("from_name"), each.get("value")], sort_keys=True)
        for each in (listed if isinstance(listed, list) else ())
        if isinstance(each, dict)
    )


def _say_chosen(name: str, chosen: Sequence[Chosen]) -> str:
    annotated = sum(best is not None for best, _, _ in chosen)
    said = f"{name} is an export of Label Studio"
    if not annotated:
        return f"{said}, without annotations."
    tasks = f"its {count(len(chosen), 'task')}"
    if annotated < len(chosen):
        tasks = f"{annotated:,} of {count(len(chosen), 'task')}"
    several = sum(number > 1 for _, number, _ in chosen)
    differ = sum(other for _, _, other in chosen)
    said += f"; the annotations of {tasks} are their truth."
    if several:
        said += (
            f" {count(several, 'task has', 'tasks have')} several: of these the one marked as "
            "ground truth, else the latest, was taken"
        )
        said += f"; in {differ:,} of them others say something else." if differ else "."
    return said


def _results(
    annotation: Mapping[str, Any], task: Mapping[str, Any], key: str, where: str
) -> Iterator[Result]:
    listed = annotation.get("result")
    if not isinstance(listed, list):
        raise FieldError(f"{where} has an annotation without results.", _AGAIN)
    text = task["data"].get(key)
    for each in listed:
        kind, value = (each.get("type"), each.get("value")) if isinstance(each, dict) else ("", "")
        if kind == "relation":
            continue
        name = each.get("from_name") if isinstance(each, dict) else None
        if not (isinstance(name, str) and isinstance(kind, str) and isinstance(value, dict)):
            raise FieldError(f"{where} has a result without from_name, type or value.", _AGAIN)
        if kind in _SPANS:
            yield from _span(each, kind, value, text)
        elif kind in _VALUES:
            yield Result(name, kind, _listed(value.get(_VALUES[kind])))
        else:
            raise FieldError(
                {f"task {name_of(task.get('id', where))}, {name}": f"is of the kind {kind}, which "
                 "no field can take."},
                f"Read are {join_listed(list(_VALUES))} and labels of text; take the control "
                f"{name} out of the export.",
            )  # fmt: skip


def _span(
    each: Mapping[str, Any], kind: str, value: Mapping[str, Any], text: Any
) -> Iterator[Result]:
    """A span of the text says the value of each field that it is labelled with."""
    words = value.get("text")
    start, end = value.get("start"), value.get("end")
    if not isinstance(words, str) and isinstance(text, str) and type(start) is type(end) is int:
        words = text[start:end]
    meta = each.get("meta")
    meta = meta if isinstance(meta, dict) else {}
    place = meta.get("field")
    for name in _listed(value.get(kind)):
        yield Result(
            name_of(name), "labels", _listed(words), place if isinstance(place, str) else "",
            meta.get("value"),
        )  # fmt: skip


def _listed(values: Any) -> tuple[Any, ...]:
    listed = values if isinstance(values, list) else [values]
    return tuple(each for each in listed if not is_nothing(each))


# -- The flat exports: a row for each annotation, the values under the names of the controls.


def read_flat(table: Table, rows: Sequence[Row]) -> list[Row]:
    """The rows of JSON-MIN or CSV with their annotations as truth, one for each task."""
    latest: dict[str, Row] = {}
    several: set[str] = set()
    for row in rows:
        task = name_of(row.get("id"))
        known = latest.get(task)
        if known is not None:
            several.add(task)
        if known is None or str(row.get("updated_at")) >= str(known.get("updated_at")):
            latest[task] = row
    note = f"{table.name} is an export of Label Studio; what is named like a field is truth."
    if several:
        note += (
            f" {count(len(several), 'task has', 'tasks have')} several annotations: of these the "
            "latest was taken."
        )
    read = []
    for task, row in latest.items():
        values = {name: row[name] for name in row if name not in ("id", "text", *_NO_DATA)}
        results = tuple(
            each for name, value in values.items() for each in _flat_results(name, value)
        )
        kept = Row(id=row.get("id"), text=row.get("text"), **values)
        kept["truth"] = Annotation(task, results, frozenset(values), meant=False)
        kept.note = " ".join(filter(None, (row.note, note)))
        read.append(kept)
    return read


def _flat_results(name: str, value: Any) -> Iterator[Result]:
    """What one cell says: a value, values, or objects as the whole export has them."""
    if isinstance(value, str) and value[:1] in ("[", "{"):
        with suppress(ValueError, RecursionError):
            value = json.loads(value)
    plain = []
    for each in _listed(value):
        kind = next((key for key in _SPANS if isinstance(each, dict) and key in each), None)
        if kind is not None:
            yield from _span({}, kind, each, None)
        elif isinstance(each, dict):
            kind = next((kind for kind, key in _VALUES.items() if key in each), None)
            if kind is not None:
                yield Result(name, kind, _listed(each[_VALUES[kind]]))
        else:
            plain.append(each)
    if plain:
        kind = "taxonomy" if any(isinstance(each, list) for each in plain) else "textarea"
        yield Result(name, kind, tuple(plain))
