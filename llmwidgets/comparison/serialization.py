"""Saved comparisons: one JSON file with schemas, texts, truth and rows; no key, no header."""

from __future__ import annotations

import json
import math
import os
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any

from llmwidgets import __version__
from llmwidgets.analysis.comparators import RECORD, LostFunction
from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.comparison import corrections, inputs
from llmwidgets.comparison.comparison import Comparison
from llmwidgets.comparison.jsonable import to_jsonable
from llmwidgets.comparison.scored import CellKey, Rules, spelled
from llmwidgets.comparison.variants import Variant
from llmwidgets.dialects.types import Enforcement, Example, Usage
from llmwidgets.engine.journal import NO_OUTPUT, Row, current_status
from llmwidgets.engine.request_builder import Document
from llmwidgets.errors import FieldError
from llmwidgets.report.writers import write_text
from llmwidgets.schemas import read_schema

FORMAT = "llmwidgets comparison"
VERSION = 1

_ASKED = ("label", "instructions", "effort", "temperature", "max_output_tokens", "price")
_OF_A_TEXT = ("by_record", "group", "blanks")


def save(comparison: Comparison, path: str | os.PathLike[str]) -> Path:
    """Write the comparison, with its texts and replies, to a file of the user's."""
    schemas = {text.schema.digest: text.schema for text in comparison.texts}
    saved = {
        "format": FORMAT,
        "version": VERSION,
        "llmwidgets": __version__,
        "made_at": comparison.made_at.isoformat(),
        "notes": list(comparison.notes),
        "scoring": _scoring(comparison.scoring),
        "repeats": comparison.repeats,
        "schemas": {digest: schema.json for digest, schema in schemas.items()},
        "texts": [_text(text) for text in comparison.texts],
        "looks": sorted(comparison.looks),
        "corrections": [corrections.correction_to_json(each) for each in comparison.made],
        "variants": [
            _variant(variant, model)
            for variant, model in zip(comparison.variants, comparison.models, strict=True)
        ],
        "rows": [_row(comparison, place) for place in comparison.places()],
    }
    return write_text(path, json.dumps(saved, ensure_ascii=False, indent=1) + "\n")


def load(path: str | os.PathLike[str]) -> Comparison:
    """The comparison that was saved; records are plain JSON, whatever class the schema was.

    FieldError for a file that is none, or that a newer llmwidgets wrote.
    """
    saved = _read(Path(path).expanduser())
    try:
        return _comparison(saved)
    except (KeyError, TypeError, ValueError, AttributeError, RecursionError):
        pass
    raise FieldError(
        f"{path} is a damaged comparison.", "Save it again, or run the comparison anew."
    )


def _comparison(saved: dict[str, Any]) -> Comparison:
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
    variants = tuple(_read_variant(each) for each in saved["variants"])
    models = tuple(each["model"] for each in saved["variants"])
    labels = [variant.label or "" for variant in variants]
    records = [each.pop("record", NOTHING) for each in saved["rows"]]
    again = [each.pop("reused", False) for each in saved["rows"]]
    rows = map(_read_row, saved["rows"])
    given = inputs.journal_outputs(rows, labels, models, texts, saved["repeats"], records, again)
    return Comparison(
        variants=variants,
        models=models,
        texts=texts,
        rows=given.rows,
        journal=given.journal,
        read=given.read,
        scoring=_read_scoring(saved["scoring"]),
        notes=tuple(saved["notes"]),
        made=tuple(map(corrections.correction_from_json, saved.get("corrections", ()))),
        looks=set(saved.get("looks", ())),
        made_at=datetime.fromisoformat(saved["made_at"]),
    )


def _scoring(rules: Rules) -> dict[str, Any] | None:
    """The rules as JSON; of a function, its name is all that a file can hold."""
    if rules is None:
        return None
    return {place: _rule(rule) for place, rule in rules.items()}


def _rule(rule: Any) -> Any:
    if isinstance(rule, str):
        return rule
    return {"function": rule.name if isinstance(rule, LostFunction) else spelled(rule)}


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


def _row(comparison: Comparison, place: CellKey) -> dict[str, Any]:
    row = comparison.row(place)
    kept = {name: value for name, value in asdict(row).items() if name not in _LEFT_OUT and value}
    extraction = comparison.extraction(place)
    if extraction.data is not None:
        # In the user's own shape: what a provider wraps is unwrapped already.
        kept["reply"] = json.dumps(extraction.data, ensure_ascii=False)
    elif extraction.status == "ok":
        kept["reply"] = "null"
    if extraction.ok and comparison.texts[place.text].by_record:
        # The class that read it is not saved.
        kept["record"] = to_jsonable(extraction.record)
    if comparison.rows.reused(place):
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
    if kept["status"] == "Stopped" and kept.get("message") == inputs.NONE:
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
            f"{path} is no saved comparison.", "Give a file that comparison.save(path) wrote."
        )
    if saved.get("version") != VERSION:
        raise FieldError(
            f"{path} was saved by llmwidgets {saved.get('llmwidgets')}, newer than this one.",
            "Install that version to load it.",
        )
    return saved
