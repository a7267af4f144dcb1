"""A comparison as a file: saved and loaded as JSON, and exported in the formats of others."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Callable, Iterator
from dataclasses import asdict, fields
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from llmwidgets import __version__
from llmwidgets.analysis.comparators import RECORD, LostFunction
from llmwidgets.analysis.grounding import SourceText, ground
from llmwidgets.analysis.leaves import NOTHING, leaves_of
from llmwidgets.comparison.core import NONE, CellKey, ResultData, Results, Rules, results_of_rows
from llmwidgets.comparison.dataframes import read_table
from llmwidgets.comparison.text_result import has_data, rule_text, score_extraction
from llmwidgets.comparison.texts import to_jsonable
from llmwidgets.comparison.truth import Correction
from llmwidgets.comparison.variants import SETTINGS, Variant
from llmwidgets.comparison.view_model import render_page
from llmwidgets.dialects.types import Enforcement, Example, Usage
from llmwidgets.engine.journal import NO_OUTPUT, Row, current_status
from llmwidgets.engine.request_builder import Document
from llmwidgets.errors import FieldError
from llmwidgets.report.writers import write_csv, write_jsonl, write_parquet, write_text
from llmwidgets.schemas import read_schema

if TYPE_CHECKING:
    from llmwidgets.engine.extraction import Extraction

StrPath = str | os.PathLike[str]

FORMAT = "llmwidgets comparison"
VERSION = 1

_ASKED = ("label", *SETTINGS)
_OF_A_TEXT = ("by_record", "group", "blanks")


def save(results: ResultData, path: StrPath) -> Path:
    """Write the comparison, with its texts and replies, to a file of the user's."""
    schemas = {text.schema.digest: text.schema for text in results.texts}
    saved = {
        "format": FORMAT,
        "version": VERSION,
        "llmwidgets": __version__,
        "made_at": results.made_at.isoformat(),
        "notes": list(results.notes),
        "scoring": _scoring(results.scoring),
        "repeats": results.repeats,
        "schemas": {digest: schema.json for digest, schema in schemas.items()},
        "texts": [_text(text) for text in results.texts],
        "looks": sorted(results.looks),
        "corrections": [_correction(each) for each in results.made],
        "variants": [
            _variant(variant, model)
            for variant, model in zip(results.variants, results.models, strict=True)
        ],
        "rows": [_row(results, place) for place in results.rows.places()],
    }
    return write_text(path, json.dumps(saved, ensure_ascii=False, indent=1) + "\n")


def load(kind: type[Results], path: StrPath) -> Results:
    """The comparison that was saved; records are plain JSON, whatever class the schema was.

    FieldError for another file, or one that a newer llmwidgets wrote.
    """
    saved = _read(Path(path).expanduser())
    try:
        return _read_results(kind, saved)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        pass
    raise FieldError(
        f"{path} is a damaged comparison.", "Save it again, or run the comparison anew."
    )


def _read_results(kind: type[Results], saved: dict[str, Any]) -> Results:
    schemas = {digest: read_schema(schema) for digest, schema in saved["schemas"].items()}
    texts = tuple(
        Document(
            each["id"],
            each["text"],
            schemas[each["schema"]],
            each.get("truth", NOTHING),
            **{name: each[name] for name in _OF_A_TEXT if name in each},
        )
        for each in saved["texts"]
    )
    records = [each.pop("record", NOTHING) for each in saved["rows"]]
    reused = [each.pop("reused", False) for each in saved["rows"]]
    return results_of_rows(
        kind,
        map(_read_row, saved["rows"]),
        variants=tuple(map(_read_variant, saved["variants"])),
        models=tuple(each["model"] for each in saved["variants"]),
        texts=texts,
        repeats=saved["repeats"],
        records=records,
        reused=reused,
        scoring=_read_scoring(saved["scoring"]),
        notes=tuple(saved["notes"]),
        made=tuple(map(_read_correction, saved.get("corrections", ()))),
        looks=set(saved.get("looks", ())),
        made_at=datetime.fromisoformat(saved["made_at"]),
    )


def _correction(correction: Correction) -> dict[str, Any]:
    """The correction as JSON; no `old` or `new` if there was not, or is not, a label."""
    values = {each.name: getattr(correction, each.name) for each in fields(correction)}
    kept = {name: value for name, value in values.items() if value is not NOTHING}
    return {**kept, "made_at": correction.made_at.isoformat()}


def _read_correction(saved: dict[str, Any]) -> Correction:
    ends = {name: saved.get(name, NOTHING) for name in ("old", "new")}
    return Correction(**{**saved, **ends, "made_at": datetime.fromisoformat(saved["made_at"])})


def _scoring(rules: Rules) -> dict[str, Any] | None:
    """The rules as JSON; of a function, its name is all that a file can keep."""
    if rules is None:
        return None
    return {place: _rule(rule) for place, rule in rules.items()}


def _rule(rule: Any) -> Any:
    if isinstance(rule, str):
        return rule
    return {"function": rule.name if isinstance(rule, LostFunction) else rule_text(rule)}


def _read_scoring(saved: Any) -> Rules:
    if saved is None:
        return None
    if isinstance(saved, str):
        # The name of a set of rules for whole records, which once were in this package.
        return {RECORD: LostFunction(saved)}
    return {
        place: rule if isinstance(rule, str) else LostFunction(str(rule["function"]))
        for place, rule in saved.items()
    }


def _text(text: Document) -> dict[str, Any]:
    truth = {} if text.truth is NOTHING else {"truth": text.truth}
    more = {name: getattr(text, name) for name in _OF_A_TEXT if getattr(text, name)}
    return {"id": text.id, "text": text.text, "schema": text.schema.digest, **truth, **more}


def _variant(variant: Variant, model: str) -> dict[str, Any]:
    kept = {name: getattr(variant, name) for name in _ASKED}
    shots = variant.examples if isinstance(variant.examples, tuple) else ()
    examples = [asdict(each) if isinstance(each, Example) else each for each in shots]
    return {"model": model, "reference": variant.reference, "examples": examples, **kept}


def _read_variant(saved: dict[str, Any]) -> Variant:
    examples = tuple(Example(each["text"], each["record"]) for each in saved["examples"])
    return Variant(
        saved["reference"], examples=examples or None, **{name: saved[name] for name in _ASKED}
    )


_LEFT_OUT = ("id", "key", "form", "known_as", "output_limit")


def _row(results: ResultData, place: CellKey) -> dict[str, Any]:
    row = results.row(place)
    kept = {name: value for name, value in asdict(row).items() if name not in _LEFT_OUT and value}
    extraction = results.extraction(place)
    if extraction.data is not None:
        # In the user's own shape: what a provider wraps is unwrapped already.
        kept["reply"] = json.dumps(extraction.data, ensure_ascii=False)
    elif extraction.status == "ok":
        kept["reply"] = "null"
    if extraction.ok and results.texts[place.text].by_record:
        # The class that read it is not saved.
        kept["record"] = to_jsonable(extraction.record)
    if results.rows.reused(place):
        kept["reused"] = True
    return {**kept, "seconds": row.seconds, "cost": row.cost}


def _read_row(saved: dict[str, Any]) -> Row:
    kept = dict(saved)
    for name in ("seconds", "cost"):
        if kept.get(name) is not None and not 0 <= kept[name] < math.inf:
            raise ValueError(name)
    kept["usage"] = Usage(**kept.get("usage", {}))
    kept["mode"] = Enforcement(kept["mode"]) if kept.get("mode") else None
    for name in ("notes", "dropped"):
        kept[name] = tuple(kept.get(name, ()))
    if kept["status"] == "Stopped" and kept.get("message") == NONE:
        kept["code"] = NO_OUTPUT
    kept["status"] = current_status(kept["status"], kept.get("code", ""))
    return Row(key="", **kept)


def _read(path: Path) -> dict[str, Any]:
    try:
        saved = json.loads(path.read_text("utf-8"))
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise FieldError(f"{path} cannot be read: {why}.", "Check the path.") from None
    except (ValueError, RecursionError):
        saved = None
    if not isinstance(saved, dict) or saved.get("format") != FORMAT:
        raise FieldError(
            f"{path} is not a saved comparison.", "Give a file that comparison.save(path) wrote."
        )
    if saved.get("version") != VERSION:
        raise FieldError(
            f"{path} was saved by llmwidgets {saved.get('llmwidgets')}, newer than this one.",
            "Install that version to load it.",
        )
    return saved


# -- Exports: one entry in WRITERS for each format.

Writer = Callable[[ResultData, StrPath, str, bool], Path]
"""Writes results to a path: the table of this name, or all of them, with values or without."""


def export(results: ResultData, path: StrPath, table: str, name: str | None, values: bool) -> Path:
    """Write the results in this format, by default that of the path's suffix."""
    name = name or Path(path).suffix.lower().removeprefix(".")
    if name not in WRITERS:
        raise FieldError(
            {"format": f"must be one of {', '.join(WRITERS)}."},
            "Give one as format=…, or a path that ends in one, such as result.csv.",
        )
    return WRITERS[name](results, path, table, values)


def _write_label_studio(results: ResultData, path: StrPath, _table: str, _values: bool) -> Path:
    """Tasks with each variant's record as a prediction, spans where a value is in the text.

    Labels are named like fields (`lines[].total`), the text control `label`, its text `text`.
    """
    tasks = [_task(results, at) for at in range(len(results.texts))]
    return write_text(path, json.dumps(tasks, ensure_ascii=False, indent=1) + "\n")


def _task(results: ResultData, at: int) -> dict[str, Any]:
    text = results.texts[at]
    predictions = []
    for variant, label in enumerate(results.labels):
        place = CellKey(variant, at, 0)
        extraction = results.extraction(place)
        if not has_data(extraction):
            continue
        accuracy = score_extraction(extraction, text, results.scoring).accuracy
        prediction = {
            "model_version": label,
            "result": list(_spans(text, place.variant, extraction)),
        }
        predictions.append(prediction if accuracy is None else {**prediction, "score": accuracy})
    data = {"text": text.text, "id": text.id}
    return {"data": data, "meta": {"llmwidgets": __version__}, "predictions": predictions}


def _spans(text: Document, variant: int, extraction: Extraction) -> Iterator[dict[str, Any]]:
    source = SourceText(text.text)
    leaves = {leaf.path: leaf for leaf in text.schema.leaves}
    for path, pattern, value in leaves_of(text.schema, extraction.data):
        place = ground(value, source, leaves.get(pattern))
        if place.start is None or place.end is None:
            continue
        yield {
            "id": f"{variant}-{path}",
            "from_name": "label",
            "to_name": "text",
            "type": "labels",
            "value": {
                "start": place.start,
                "end": place.end,
                "text": text.text[place.start : place.end],
                "labels": [pattern or "value"],
            },
            "meta": {"field": path, "value": value, "found": place.kind},
        }


def _write_jsonl(results: ResultData, path: StrPath, table: str, _values: bool) -> Path:
    return write_jsonl(read_table(results, table).astype(object).to_dict("records"), path)


WRITERS: dict[str, Writer] = {
    "csv": lambda results, path, table, _: write_csv(read_table(results, table), path),
    "jsonl": _write_jsonl,
    "parquet": lambda results, path, table, _: write_parquet(read_table(results, table), path),
    "html": lambda results, path, _, values: write_text(path, render_page(results, values=values)),
    "json": lambda results, path, _table, _values: save(results, path),
    "label_studio": _write_label_studio,
}
"""How each format is written; the name is the suffix that chooses it."""
