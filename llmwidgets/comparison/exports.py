"""Exports: the tables of a comparison as files, and predictions for Label Studio."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmwidgets import __version__
from llmwidgets.analysis.grounding import SourceText, ground
from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.comparison.marks import has_data, mark
from llmwidgets.comparison.scored import Place
from llmwidgets.errors import FieldError
from llmwidgets.report import writers

if TYPE_CHECKING:
    import pandas as pd

    from llmwidgets.comparison.comparison import Comparison


TABLES = ("fields", "scoreboard", "by_field", "differences", "corrections", "verdict", "truth")


def table(comparison: Comparison, name: str) -> pd.DataFrame:
    """One of the tables by name; FieldError for another name."""
    import pandas as pd

    if name == "fields":
        return comparison.to_frame()
    if name == "verdict":
        pairs = comparison.verdict().table
        columns = ("a", "b", "texts", "difference", "low", "high", "p", "p_holm", "verdict")
        told = [[getattr(pair, each) for each in columns] for pair in pairs]
        return pd.DataFrame(told, columns=pd.Index(columns))
    if name == "truth":
        rows = [
            {"id": text.id, **(text.truth if isinstance(text.truth, dict) else {})}
            for text in comparison.texts
            if text.truth is not NOTHING
        ]
        return pd.DataFrame(rows, dtype=object)
    if name not in TABLES:
        raise FieldError({"table": f"there is no table {name}."}, f"Name one of: {_listed()}.")
    found: pd.DataFrame = getattr(comparison, name)()
    return found


def to_csv(comparison: Comparison, path: str | os.PathLike[str], name: str) -> Path:
    """The table as CSV that no spreadsheet runs."""
    return writers.write_csv(table(comparison, name), path)


def to_jsonl(comparison: Comparison, path: str | os.PathLike[str], name: str) -> Path:
    """One JSON object a row; what is unknown is null."""
    rows = table(comparison, name).astype(object).to_dict("records")
    return writers.write_jsonl(
        ({str(key): _json(value) for key, value in row.items()} for row in rows), path
    )


def to_parquet(comparison: Comparison, path: str | os.PathLike[str], name: str) -> Path:
    """The table as Parquet, values as JSON text; FieldError where pyarrow is not installed."""
    return writers.write_parquet(table(comparison, name), path)


def to_label_studio(comparison: Comparison, path: str | os.PathLike[str]) -> Path:
    """Tasks with each variant's record as a prediction, spans where a value stands in the text.

    Labels are named like fields (`lines[].total`), the text control `label`, its text `text`.
    """
    tasks = [_task(comparison, at) for at in range(len(comparison.texts))]
    return writers.write_text(path, json.dumps(tasks, ensure_ascii=False, indent=1) + "\n")


def _task(comparison: Comparison, at: int) -> dict[str, Any]:
    text = comparison.texts[at]
    predictions = []
    for variant, label in enumerate(comparison.labels):
        place = Place(variant, at, 0)
        extraction = comparison.extraction(place)
        if not has_data(extraction):
            continue
        accuracy = mark(extraction, text, comparison.scoring).accuracy
        said = {"model_version": label, "result": list(_spans(comparison, place))}
        predictions.append(said if accuracy is None else {**said, "score": accuracy})
    data = {"text": text.text, "id": text.id}
    return {"data": data, "meta": {"llmwidgets": __version__}, "predictions": predictions}


def _spans(comparison: Comparison, place: Place) -> Iterator[dict[str, Any]]:
    from llmwidgets.analysis.leaves import leaves_of

    text, data = comparison.texts[place.text], comparison.extraction(place).data
    source = SourceText(text.text)
    leaves = {leaf.path: leaf for leaf in text.schema.leaves}
    for path, pattern, value in leaves_of(text.schema, data):
        found = ground(value, source, leaves.get(pattern))
        if found.start is None or found.end is None:
            continue
        yield {
            "id": f"{place.variant}-{path}",
            "from_name": "label",
            "to_name": "text",
            "type": "labels",
            "value": {
                "start": found.start,
                "end": found.end,
                "text": text.text[found.start : found.end],
                "labels": [pattern or "value"],
            },
            "meta": {"field": path, "value": value, "found": found.kind},
        }


def _json(value: Any) -> Any:
    """A cell as JSON has it: no NaN, no numpy number."""
    value = value.item() if hasattr(value, "item") else value
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _listed() -> str:
    return ", ".join(TABLES)
