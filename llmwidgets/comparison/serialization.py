"""A comparison as a file: saved and loaded as JSON, and exported in the formats of others."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass, fields, replace
from datetime import datetime
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, NamedTuple, TypeVar

from pydantic import BaseModel, Field, ValidationError

from llmwidgets import __version__
from llmwidgets.analysis.grounding import SourceText, ground
from llmwidgets.analysis.leaves import NOTHING, leaves_of
from llmwidgets.analysis.rules import RECORD, LostFunction, split_weight
from llmwidgets.comparison.core import NONE, CellKey, ResultData, Results, Rules, results_of_rows
from llmwidgets.comparison.dataframes import read_frames
from llmwidgets.comparison.measures.text_result import has_data, rule_text, score_extraction
from llmwidgets.comparison.summary import render_page
from llmwidgets.comparison.texts import file_notes
from llmwidgets.comparison.truth import Correction
from llmwidgets.comparison.values import find_repeated, to_jsonable
from llmwidgets.comparison.variants import SETTINGS, Variant
from llmwidgets.dialects.types import Example
from llmwidgets.engine.journal import NO_OUTPUT, Row, current_status, is_sound
from llmwidgets.engine.request_builder import Document
from llmwidgets.errors import FieldError, read_file, read_json, read_path
from llmwidgets.formatting import join_truncated
from llmwidgets.report.writers import (
    write_csv,
    write_excel,
    write_json,
    write_jsonl,
    write_parquet,
    write_text,
)
from llmwidgets.schemas import Schema
from llmwidgets.schemas.loaders import from_json

if TYPE_CHECKING:
    from llmwidgets.engine.extraction import Extraction


T = TypeVar("T")
StrPath = str | os.PathLike[str]

FORMAT = "llmwidgets comparison"
VERSION = 1

_ASKED = ("label", *SETTINGS)
_OF_A_TEXT = ("by_record", "group", "blanks", "metadata")


class SavedText(BaseModel):
    """A text as a file has it: with its words, or at a place of the files that have them."""

    id: str
    text: str
    at: int | None = None
    schema_digest: str = Field(alias="schema")
    truth: Any = NOTHING
    by_record: bool = False
    group: str = ""
    blanks: int = 0
    metadata: dict[str, str | int | Annotated[float, Field(allow_inf_nan=False)] | bool] = {}


class _SavedFunction(BaseModel):
    """What a file can hold of a function that scored a field."""

    function: str
    weight: Annotated[float, Field(ge=0, allow_inf_nan=False)] | None = None


class SavedComparison(BaseModel):
    """What a file has besides its format and version."""

    made_at: datetime
    notes: tuple[str, ...]
    scoring: str | dict[str, str | _SavedFunction] | None
    repeats: int
    schemas: dict[str, Any]
    judged: dict[str, dict[str, Any]] = {}
    texts: tuple[SavedText, ...]
    looks: set[int] = set()
    corrections: tuple[Correction, ...] = ()
    slice_by: str = ""
    variants: tuple[dict[str, Any], ...]
    rows: tuple[Row, ...]


def save(results: ResultData, path: StrPath) -> Path:
    """Write the comparison with its texts, truth and replies to one JSON file."""
    saved = {
        **describe_comparison(results),
        "texts": map(describe_text, results.texts),
        "rows": (_row(results, cell) for cell in results.rows.cells()),
    }
    return write_json(path, saved)


def describe_comparison(results: ResultData) -> dict[str, Any]:
    """What a file has of a comparison besides its texts and rows."""
    schemas = {text.schema.digest: text.schema for text in results.texts}
    own = ((_schema_key(each), each.schema) for each in results.variants if each.schema is not None)
    schemas |= own
    return {
        "format": FORMAT,
        "version": VERSION,
        "llmwidgets": __version__,
        "made_at": results.made_at.isoformat(),
        "notes": [*file_notes(results.texts), *results.notes],
        "scoring": _scoring(results.scoring),
        "repeats": results.repeats,
        "schemas": {digest: schema.json for digest, schema in schemas.items()},
        **_judged(schemas),
        "looks": sorted(results.looks),
        **({"slice_by": results.slice_by} if results.slice_by else {}),
        "corrections": [_correction(each) for each in results.label_log],
        "variants": [
            _variant(variant, model)
            for variant, model in zip(results.variants, results.models, strict=True)
        ],
    }


def _judged(schemas: dict[str, Schema]) -> dict[str, Any]:
    """The schemas without formats that a class reads itself: they are not judged anew."""
    judged = {key: each.judged for key, each in schemas.items() if not each.canonical.formats}
    return {"judged": judged} if judged else {}


def load(kind: type[Results], path: StrPath) -> Results:
    """The comparison that was saved; records are plain JSON, whatever class the schema was.

    FieldError for another file, or one that a newer llmwidgets wrote.
    """
    place = read_path(path)
    try:
        data = read_file(place)
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise FieldError(f"{path} cannot be read: {why}.", "Check the path.") from None
    return read_saved(str(path), data, partial(_read_results, kind))


def read_saved(path: str, data: bytes, read: Callable[[dict[str, Any], Place], Results]) -> Results:
    """The results that `read` makes of the JSON of a comparison; FieldError where it is damaged."""
    saved = _read(path, data)
    # A file that was changed by hand is refused here, not by whichever view meets it first.
    where = Place()
    try:
        return read(saved, where)
    except ValidationError as error:
        first = error.errors(include_input=False, include_url=False)[0]
        where.name = ", ".join(map(_step_name, first["loc"]))
        where.problem = f"is wrong: {first['msg'][:1].lower()}{first['msg'][1:]}"
    except FieldError as error:
        where.problem = f"is wrong: {error.message.removesuffix('.')}"
    except KeyError as error:
        where.problem = f"has or finds no {error.args[0]}"
    except _BROKEN:
        pass
    raise FieldError(
        f"{path} is a damaged comparison: {where.name} {where.problem}.",
        "Save it again, or run the comparison anew.",
    )


_BROKEN = (
    AttributeError, TypeError, ValueError, ArithmeticError, RecursionError,
    IndexError,
)  # fmt: skip
"""What reading values of other kinds than ours can raise."""


@dataclass(slots=True)
class Place:
    """Where in a saved file the reader is."""

    name: str = "what it has"
    problem: str = "is not what this package writes"

    def entries(self, name: str, values: Iterable[T]) -> Iterator[T]:
        """The values, each of them the place while it is read."""
        for at, each in enumerate(values):
            self.name = f"{name}, {_step_name(at)}"
            yield each


def _step_name(step: int | str) -> str:
    """A step as a reader counts: from 1."""
    return f"entry {step + 1}" if isinstance(step, int) else step


MakeText = Callable[["SavedText", Schema], Document]
"""Makes the document of what was saved of a text, and its schema."""


def more_of(text: SavedText) -> dict[str, Any]:
    """What a document has of a saved text besides its words, schema and truth."""
    return {name: getattr(text, name) for name in _OF_A_TEXT}


def _make_text(saved: SavedText, schema: Schema) -> Document:
    return Document(saved.id, saved.text, schema, saved.truth, **more_of(saved))


class Inputs(NamedTuple):
    """What a file has of a comparison besides its rows."""

    saved: SavedComparison
    models: tuple[str, ...]
    variants: tuple[Variant, ...]
    texts: tuple[Document, ...]

    @property
    def more(self) -> dict[str, Any]:
        """What results have besides, by their own names."""
        return {
            "scoring": _read_scoring(self.saved.scoring), "notes": self.saved.notes,
            "label_log": self.saved.corrections, "looks": self.saved.looks,
            "slice_by": self.saved.slice_by, "made_at": self.saved.made_at,
        }  # fmt: skip


def read_inputs(saved: dict[str, Any], where: Place, make: MakeText = _make_text) -> Inputs:
    """What was compared; KeyError, FieldError and others where a file is not what was written."""
    read = SavedComparison(**saved)
    schemas = {
        digest: Schema(replace(from_json(schema), judged=read.judged.get(digest)))
        for digest, schema in where.entries("schemas", read.schemas.items())
    }
    models = tuple(str(each["model"]) for each in where.entries("variants", read.variants))
    variants = tuple(
        _read_variant(each, schemas) for each in where.entries("variants", read.variants)
    )
    texts = tuple(
        make(each, schemas[each.schema_digest]) for each in where.entries("texts", read.texts)
    )
    for where.name, names in (
        ("texts", [each.id for each in texts]),
        ("variants", [each.label for each in variants]),
    ):
        if twice := find_repeated(map(str, names)):
            raise FieldError(f"{join_truncated(twice)} more than once")
    return Inputs(read, models, variants, texts)


def _read_results(kind: type[Results], saved: dict[str, Any], where: Place) -> Results:
    rows = [dict(each) for each in where.entries("rows", saved["rows"])]
    records = [each.pop("record", NOTHING) for each in rows]
    reused = [bool(each.pop("reused", False)) for each in rows]
    inputs = read_inputs(saved | {"rows": [{"key": "", **each} for each in rows]}, where)
    cells = tuple(map(_as_now, where.entries("rows", inputs.saved.rows)))
    where.name = "rows"
    where.problem = f"are {len(cells)} and not one for each text, variant and repeat"
    return results_of_rows(
        kind,
        cells,
        variants=inputs.variants,
        models=inputs.models,
        texts=inputs.texts,
        repeats=inputs.saved.repeats,
        records=records,
        reused=reused,
        **inputs.more,
    )


def _correction(correction: Correction) -> dict[str, Any]:
    """The correction as JSON; no `old` or `new` if there was not, or is not, a label."""
    values = {each.name: getattr(correction, each.name) for each in fields(correction)}
    kept = {name: value for name, value in values.items() if value is not NOTHING}
    return {**kept, "made_at": correction.made_at.isoformat()}


def _scoring(rules: Rules) -> dict[str, Any] | None:
    """The rules as JSON; of a function, its name is all that a file can keep."""
    if rules is None:
        return None
    return {
        path: rule if isinstance(rule, str) else _function(rule) for path, rule in rules.items()
    }


def _function(rule: Any) -> dict[str, Any]:
    bare, weight = split_weight(rule)
    name = bare.name if isinstance(bare, LostFunction) else rule_text(bare)
    return {"function": name} if weight is None else {"function": name, "weight": weight}


def _read_scoring(saved: Any) -> Rules:
    if saved is None:
        return None
    if isinstance(saved, str):
        # The name of a set of rules for whole records, which once were in this package.
        return {RECORD: LostFunction(saved)}
    return {
        path: rule if isinstance(rule, str) else _read_function(rule)
        for path, rule in saved.items()
    }


def _read_function(saved: _SavedFunction) -> Any:
    lost = LostFunction(saved.function)
    return lost if saved.weight is None else {"rule": lost, "weight": saved.weight}


def describe_text(text: Document) -> dict[str, Any]:
    """A text with its truth as a file has it."""
    return {**describe_truth(text), "text": text.text}


def describe_truth(text: Document) -> dict[str, Any]:
    """What a file has of a text besides its words."""
    truth = {} if text.truth is NOTHING else {"truth": text.truth}
    more = {name: getattr(text, name) for name in _OF_A_TEXT if getattr(text, name)}
    return {"id": text.id, "schema": text.schema.digest, **truth, **more}


def _variant(variant: Variant, model: str) -> dict[str, Any]:
    kept = {name: getattr(variant, name) for name in _ASKED}
    shots = variant.examples if isinstance(variant.examples, tuple) else ()
    examples = [asdict(each) if isinstance(each, Example) else each for each in shots]
    own = {} if variant.schema is None else {"schema": _schema_key(variant)}
    return {"model": model, "reference": variant.reference, "examples": examples, **kept, **own}


def _schema_key(variant: Variant) -> str:
    """The key of a variant's own schema: its digest can be that of a text's, in another order."""
    return f"of {variant.label}"


def _read_variant(saved: dict[str, Any], schemas: dict[str, Schema]) -> Variant:
    examples = [(each["text"], each["record"]) for each in saved["examples"]]
    own = schemas[saved["schema"]] if "schema" in saved else None
    kept = {name: saved[name] for name in _ASKED}
    return Variant(saved["reference"], examples=examples or None, schema=own, **kept)


_LEFT_OUT = ("id", "key", "form", "known_as", "output_limit")


def _row(results: ResultData, cell: CellKey) -> dict[str, Any]:
    row = results.row(cell)
    kept = {name: value for name, value in asdict(row).items() if name not in _LEFT_OUT and value}
    extraction = results.read(row, cell)
    if extraction.data is not None:
        # In the user's own shape: what a provider wraps is unwrapped already.
        kept["reply"] = json.dumps(extraction.data, ensure_ascii=False)
    elif extraction.status == "ok":
        kept["reply"] = "null"
    if extraction.ok and results.texts[cell.text].by_record:
        # The class that read it is not saved.
        kept["record"] = to_jsonable(extraction.record)
    if results.rows.reused(cell):
        kept["reused"] = True
    return {**kept, "seconds": row.seconds, "cost": row.cost}


def _as_now(row: Row) -> Row:
    """A saved row under the names of today; ValueError for a number that no run has."""
    code = NO_OUTPUT if row.status == "Stopped" and row.message == NONE else row.code
    now = replace(row, status=current_status(row.status, code), code=code)
    if not is_sound(now):
        raise ValueError(row.status)
    return now


_HALF = re.compile(r"\\u[dD][89a-fA-F]")


def _read(path: str, data: bytes) -> dict[str, Any]:
    hint = "Give a file that comparison.save(path) wrote."
    try:
        text = data.decode("utf-8-sig")
        del data
        saved = read_json(text, "it")
        if _HALF.search(text):
            # Half a character, which `save` never writes, would end whichever view meets it.
            json.dumps(saved, ensure_ascii=False).encode()
    except FieldError as error:
        raise FieldError(f"{path} is not a saved comparison: {error.message}", hint) from None
    except (ValueError, RecursionError):
        saved = None
    if not isinstance(saved, dict) or saved.get("format") != FORMAT:
        raise FieldError(f"{path} is not a saved comparison.", hint)
    version = saved.get("version")
    if type(version) is not int or version < VERSION:
        raise FieldError(f"{path} is a damaged comparison: version is not a number of ours.", hint)
    if version != VERSION:
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
    name = name or read_path(path).suffix.lower().removeprefix(".")
    if name not in [*WRITERS]:  # a name of any type, hashable or not
        raise FieldError(
            {"format": f"must be one of {', '.join(WRITERS)}."},
            "Give one as format=…, or a path that ends in one, such as result.csv.",
        )
    return WRITERS[name](results, path, table, values)


def _write_label_studio(results: ResultData, path: StrPath, _table: str, _values: bool) -> Path:
    """Tasks with each variant's record as a prediction, spans where a value is in the text.

    Labels are named like fields (`lines[].total`), the text control `label`, its text `text`.
    """
    return write_json(path, (_task(results, at) for at in range(len(results.texts))))


def _task(results: ResultData, at: int) -> dict[str, Any]:
    text = results.texts[at]
    predictions = []
    for variant, label in enumerate(results.labels):
        extraction = results.extraction(CellKey(variant, at, 0))
        if not has_data(extraction):
            continue
        accuracy = score_extraction(extraction, text, results.scoring).accuracy
        prediction = {
            "model_version": label,
            "result": list(_spans(text, variant, extraction)),
        }
        predictions.append(prediction if accuracy is None else {**prediction, "score": accuracy})
    data = {"text": text.text, "id": text.id}
    return {"data": data, "meta": {"llmwidgets": __version__}, "predictions": predictions}


def _spans(text: Document, variant: int, extraction: Extraction) -> Iterator[dict[str, Any]]:
    source = SourceText(text.text)
    leaves = {leaf.path: leaf for leaf in text.schema.leaves}
    for path, pattern, value in leaves_of(text.schema, extraction.data):
        grounding = ground(value, source, leaves.get(pattern))
        if grounding.span is None:
            continue
        start, end = grounding.span
        yield {
            "id": f"{variant}-{path}",
            "from_name": "label",
            "to_name": "text",
            "type": "labels",
            "value": {
                "start": start,
                "end": end,
                "text": text.text[start:end],
                "labels": [pattern or "value"],
            },
            "meta": {"field": path, "value": value, "found": grounding.kind}
            | ({"page": grounding.page} if grounding.page else {}),
        }


def _write_jsonl(results: ResultData, path: StrPath, table: str, _values: bool) -> Path:
    frames = read_frames(results, table)
    return write_jsonl(
        chain.from_iterable(each.astype(object).to_dict("records") for each in frames), path
    )


WRITERS: dict[str, Writer] = {
    "csv": lambda results, path, table, _: write_csv(read_frames(results, table), path),
    "jsonl": _write_jsonl,
    "parquet": lambda results, path, table, _: write_parquet(read_frames(results, table), path),
    "xlsx": lambda results, path, table, _: write_excel(read_frames(results, table), path),
    "html": lambda results, path, _, values: write_text(path, render_page(results, values=values)),
    "json": lambda results, path, _table, _values: save(results, path),
    "label_studio": _write_label_studio,
}
"""How each format is written; the name is the suffix that chooses it."""
