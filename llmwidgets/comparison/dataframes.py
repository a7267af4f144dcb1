"""Frames: a comparison as pandas tables, cell by cell or record by record."""

from __future__ import annotations

import json
import math
import os
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmwidgets import __version__
from llmwidgets.analysis.grounding import SourceText, ground
from llmwidgets.analysis.leaves import NOTHING, leaves_of
from llmwidgets.analysis.normalize import parse_value
from llmwidgets.comparison.differences import TextResult, read_text_results
from llmwidgets.comparison.field_metrics import TextGrounding
from llmwidgets.comparison.scored import CellKey, has_data, score_extraction
from llmwidgets.errors import FieldError
from llmwidgets.report import writers

if TYPE_CHECKING:
    import pandas as pd

    from llmwidgets.comparison.comparison import Comparison
    from llmwidgets.engine.extraction import Extraction
    from llmwidgets.engine.request_builder import Document


COLUMNS = (
    "variant", "text_id", "repeat", "field", "value", "truth", "right", "status", "grounded",
    "copied",
)  # fmt: skip


def long_frame(comparison: Comparison) -> pd.DataFrame:
    """One row per field of each extraction; `right` is None where it is not labelled or not scored.

    `grounded` says how the value stands in the text: exact, normalised, fuzzy, absent or
    not applicable; `copied` whether it stands in an example and not in the text. An extraction
    without a record and without a label keeps one row. `.attrs["notes"]` has a sentence for each
    place of a text that was too large to compare in full.
    """
    import pandas as pd

    found: list[list[tuple[Any, ...]]] = [[] for _ in comparison.variants]
    notes: dict[str, None] = {}
    for at, text in enumerate(comparison.texts):
        grounds = TextGrounding(text, comparison.copyings)
        for answers in read_text_results(comparison, at):
            for variant, rows in enumerate(found):
                rows += _cells(answers, variant, grounds)
                start = f"{comparison.labels[variant]}, {text.id}"
                notes |= {f"{start}: {each}": None for each in answers.marks[variant].notes}
    frame = pd.DataFrame(
        [row for rows in found for row in rows], columns=pd.Index(COLUMNS), dtype=object
    )
    frame = frame.astype({"repeat": int})
    frame.attrs["notes"] = list(notes)
    return frame


def _cells(answers: TextResult, variant: int, grounds: TextGrounding) -> Iterator[tuple[Any, ...]]:
    extraction, marked = answers.extractions[variant], answers.marks[variant]
    start = (extraction.variant, answers.document.id, answers.repeat)
    for cell in marked.cells:
        value, truth = _shown(cell.value), _shown(cell.truth)
        grounded = copied = None
        if value is not None and answers.document.text:
            located = grounds.locate(value, cell.pattern)
            grounded = located.kind if located else "not applicable"
            copied = grounds.flag(value, cell.pattern, variant) == "copied"
        yield (*start, cell.path, value, truth, cell.right, extraction.status, grounded, copied)
    if not marked.cells:
        yield (*start, "", None, None, None, extraction.status, None, None)


def doubtful_frame(comparison: Comparison) -> pd.DataFrame:
    """One row per label that variants contradict with one and the same value.

    At least two do, and more than half of those that answered; the surest come first.
    """
    import pandas as pd

    rows = []
    for found in comparison.differing():
        answered = [each for each in found.said if each.state != "failed"]
        against = Counter(
            _written(each.value) for each in answered if each.state not in ("agree", "failed")
        )
        if found.truth is NOTHING or not against:
            continue
        said, count = against.most_common(1)[0]
        if count >= 2 and 2 * count > len(answered):
            value = next(each.value for each in answered if _written(each.value) == said)
            rows.append(
                (
                    found.text_id, found.repeat, found.field, _shown(found.truth), _shown(value),
                    count, len(answered),
                )
            )  # fmt: skip
    rows.sort(key=lambda row: (-row[5] / row[6], -row[5]))
    names = ["text_id", "repeat", "field", "truth", "value", "variants", "answered"]
    return pd.DataFrame(rows, columns=pd.Index(names), dtype=object)


def _written(value: Any) -> str:
    """A value as variants have it in common: case, accents and ways of writing set aside."""
    if value is None or value is NOTHING:
        return ""
    reading = parse_value(value)
    if reading.number is not None:
        return f"n{reading.number.value.normalize()}"
    return f"d{reading.day}" if reading.day else f"t{reading.text}"


def _shown(value: Any) -> Any:
    return None if value is NOTHING else value


def record_frame(comparison: Comparison, variant: int) -> pd.DataFrame:
    """One row per text, one column per leaf; in an array it is a list. Failed rows are empty."""
    import pandas as pd

    patterns = list(
        dict.fromkeys(leaf.path for text in comparison.texts for leaf in text.schema.leaves)
    )
    rows, index = [], []
    for at, text in enumerate(comparison.texts):
        for repeat in range(comparison.repeats):
            extraction = comparison.extraction(CellKey(variant, at, repeat))
            rows.append(_record(extraction, text))
            index.append((text.id, repeat))
    frame = pd.DataFrame(rows, columns=pd.Index([name or "value" for name in patterns]))
    frame.index = pd.MultiIndex.from_tuples(index, names=["text_id", "repeat"])
    return frame if comparison.repeats > 1 else frame.droplevel("repeat")


def _record(extraction: Extraction, text: Document) -> dict[str, Any]:
    if not has_data(extraction):
        return {}
    record: dict[str, Any] = {}
    for _path, pattern, value in leaves_of(text.schema, extraction.data):
        name = pattern or "value"
        if "[]" in pattern:
            record.setdefault(name, []).append(_shown(value))
        else:
            record[name] = _shown(value)
    return record


def difference_frame(comparison: Comparison) -> pd.DataFrame:
    """One row per field where variants disagree or differ from the truth, a column for each.

    `marks` has a glyph for each variant, in the order of the columns: = agrees, ≠ differs,
    − missing, + invented, ∅ null in words, ! failed.
    """
    import pandas as pd

    from llmwidgets.report.summary import GLYPHS

    rows = []
    for found in comparison.differing():
        rows.append(
            (
                found.text_id,
                found.repeat,
                found.field,
                _shown(found.truth),
                *(_shown(each.value) for each in found.said),
                " ".join(GLYPHS[each.state] for each in found.said),
            )
        )
    names = ["text_id", "repeat", "field", "truth", *comparison.labels, "marks"]
    return pd.DataFrame(rows, columns=pd.Index(names), dtype=object).astype({"repeat": int})


def flipped_frame(
    comparison: Comparison, earlier: Comparison, pairs: Sequence[tuple[int, int]]
) -> pd.DataFrame:
    """One row per field whose value, rightness or status has changed since the earlier one.

    `pairs` say which columns answer to one another, now and earlier; others are left out, and
    so are texts that only one of the two has.
    """
    import pandas as pd

    names = {earlier.labels[there]: comparison.labels[at] for at, there in pairs}
    ids = {text.id for text in comparison.texts} & {text.id for text in earlier.texts}

    key = ["variant", "text_id", "repeat", "field"]
    kept = [*key, "value", "right", "status"]
    old, new = earlier.to_frame()[kept], comparison.to_frame()[kept]
    old = old[old.variant.isin(list(names)) & old.text_id.isin(ids)]
    new = new[new.variant.isin(list(names.values())) & new.text_id.isin(ids)]
    both = pd.merge(
        old.assign(variant=old.variant.map(names)),
        new,
        how="outer",
        on=key,
        suffixes=("_before", "_now"),
    ).astype(object)
    both = both.where(both.notna(), None)
    changed = [
        (row.value_before, row.right_before, row.status_before)
        != (row.value_now, row.right_now, row.status_now)
        for row in both.itertuples()
    ]
    return both[changed].reset_index(drop=True)


# -- Exports: the tables of a comparison as files, and predictions for Label Studio.

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
        place = CellKey(variant, at, 0)
        extraction = comparison.extraction(place)
        if not has_data(extraction):
            continue
        accuracy = score_extraction(extraction, text, comparison.scoring).accuracy
        said = {"model_version": label, "result": list(_spans(comparison, place))}
        predictions.append(said if accuracy is None else {**said, "score": accuracy})
    data = {"text": text.text, "id": text.id}
    return {"data": data, "meta": {"llmwidgets": __version__}, "predictions": predictions}


def _spans(comparison: Comparison, place: CellKey) -> Iterator[dict[str, Any]]:
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
