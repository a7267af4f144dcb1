"""llmwidgets compare: the main job on the user's own files."""

from __future__ import annotations

import csv
import importlib
import importlib.util
import io
import json
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

from llmwidgets import cli
from llmwidgets.cli import tables
from llmwidgets.errors import FieldError
from llmwidgets.report.writers import write_jsonl
from llmwidgets.store.store import Store
from llmwidgets.visible import escape_controls

if TYPE_CHECKING:
    from llmwidgets.comparison import Comparison


FINISHED, NOT_MET = 0, 1


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareOptions:
    """The command's options, as they were written."""

    schema: str
    texts: Path
    models: list[str]
    truth: str | None = None
    instructions: Path | None = None
    html: Path | None = None
    jsonl: Path | None = None
    values: bool = False
    organization: str | None = None
    repeats: int = 1
    min_accuracy: float | None = None
    min_valid: float | None = None
    budget: float | None = None
    journal: str | None = None
    concurrency: int | None = None


def run_compare(asked: CompareOptions) -> int:
    """Run the comparison, print its scoreboard, write the files; the exit status."""
    result = _run(asked)
    console = Console(highlight=False)
    tables.scoreboard_table(console, result)
    if asked.jsonl:
        console.print(
            Text(escape_controls(f"Wrote {write_jsonl(extraction_lines(result), asked.jsonl)}"))
        )
    if asked.html:
        console.print(
            Text(escape_controls(f"Wrote {result.to_html(asked.html, values=asked.values)}"))
        )
    if any(result.scoreboard()["Stopped"]):
        cli.say("Interrupted; what was answered is kept. Run the same again to go on.")
        return cli.INTERRUPTED
    missed = list(_missed(asked, result))
    if missed:
        cli.say(f"Not met: {'; '.join(missed)}.")
    return NOT_MET if missed else FINISHED


def extraction_lines(comparison: Comparison) -> Iterator[dict[str, Any]]:
    """Each extraction as one JSON object; `record` is null unless the status is ok."""
    for extraction in comparison:
        yield {
            "text_id": extraction.text_id,
            "variant": extraction.variant,
            "model": extraction.model,
            "repeat": extraction.repeat,
            "status": extraction.status,
            "record": extraction.data if extraction.status == "ok" else None,
            "mode": str(extraction.mode) if extraction.mode else None,
            "seconds": extraction.seconds,
            "input_tokens": extraction.usage.input_tokens,
            "output_tokens": extraction.usage.output_tokens,
            "cost": extraction.cost,
        }


def _run(asked: CompareOptions) -> Comparison:
    from llmwidgets.comparison import compare as run

    texts = read_texts(asked.texts)
    truth = read_truth(asked.truth, texts, asked.texts) if asked.truth else None
    return run(
        read_schema_source(asked.schema),
        texts,
        asked.models,
        truth=truth,
        instructions=read_file(asked.instructions) if asked.instructions else None,
        repeats=asked.repeats,
        store=_store(asked.organization),
        concurrency=asked.concurrency,
        budget=asked.budget,
        journal=False if asked.journal == "none" else asked.journal,
    )


def _store(organization: str | None) -> Store | None:
    if organization is None:
        return None
    store = Store(organization)
    if not store.exists:
        raise FieldError(
            {"organization": f"{organization} has no store on this computer."},
            f'Make one in ConnectionPanel(), or with Store.create("{organization}").',
        )
    return store


def _missed(asked: CompareOptions, comparison: Comparison) -> Iterator[str]:
    board = comparison.scoreboard()
    for name, bar in (("accuracy", asked.min_accuracy), ("valid", asked.min_valid)):
        if bar is None:
            continue
        low = [
            f"{row['variant']} {'unknown' if row[name] != row[name] else format(row[name], '.3f')}"
            for _, row in board.iterrows()
            if not row[name] >= bar
        ]
        if low:
            yield f"{name} {bar:g} by {', '.join(low)}"
    over = int(board["OverBudget"].sum())
    if over:
        limit = "of the policy" if asked.budget is None else f"{asked.budget:g} US$"
        yield f"budget {limit}, {over} of {len(comparison)} calls were left out"


# -- Schema, texts and truth from the user's files; a misfit names the file and the line.

_PDF = (
    "Turn it into text first: from pypdf import PdfReader; "
    'text = "\\n".join(page.extract_text() for page in PdfReader(path).pages)'
)
_TABLES = (".json", ".jsonl", ".csv")


def read_schema_source(name: str) -> Any:
    """A path to a JSON Schema, or the class that file.py:Class or module:Class names."""
    home, colon, attribute = name.rpartition(":")
    if not colon or not attribute.isidentifier():
        _exists(Path(name))
        return Path(name)
    try:
        module = _module_of_file(Path(home)) if home.endswith(".py") else _module(home)
        return getattr(module, attribute)
    except FieldError:
        raise
    except AttributeError:
        raise FieldError(f"{home} has no {attribute}.", "Name a class of it.") from None
    except Exception as error:  # noqa: BLE001 - a module of the user's may raise anything
        raise FieldError(
            f"{home} cannot be imported: {type(error).__name__}.", "Run it with Python to see why."
        ) from None


def read_texts(path: Path) -> list[dict[str, Any]]:
    """The texts of a .jsonl, .json, .csv or .txt file, or of a folder of .txt files."""
    _exists(path)
    if path.is_dir():
        return list(_folder(path))
    kind = path.suffix.lower()
    if kind == ".pdf":
        raise FieldError(f"{path} is a PDF, not a text.", _PDF)
    if kind in _TABLES:
        return [_text_row(row, path, where) for row, where in read_rows(path)]
    return [{"id": path.stem, "text": read_file(path)}]


def read_truth(name: str, texts: list[dict[str, Any]], path: Path) -> Any:
    """The truth that `--truth` names: a file, or a key of the texts' own rows."""
    file = Path(name)
    if file.suffix.lower() in _TABLES or file.is_file():
        _exists(file)
        return _truth_file(file)
    if not any(name in row for row in texts):
        raise FieldError(
            f"{path} has no key or column {name}, and there is no file of this name.",
            "Give --truth a key of the texts, or a .json, .jsonl or .csv file.",
        )
    return [_or_nothing(row.get(name)) for row in texts]


def read_file(path: Path) -> str:
    """A text file as UTF-8; FieldError where it cannot be read."""
    _exists(path)
    try:
        text = path.read_text("utf-8-sig")
    except UnicodeDecodeError:
        raise FieldError(
            f"{path} is not UTF-8 text.",
            _PDF if path.suffix.lower() == ".pdf" else "Save it as UTF-8, or name a text file.",
        ) from None
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise FieldError(f"{path} cannot be read: {why}.", "Check its permissions.") from None
    if text.startswith("%PDF"):
        raise FieldError(f"{path} is a PDF, not a text.", _PDF)
    return text


def read_rows(path: Path) -> Iterator[tuple[Any, str]]:
    """The rows of a table file, each with where it stands."""
    text = read_file(path)
    kind = path.suffix.lower()
    if kind == ".csv":
        csv.field_size_limit(sys.maxsize)
        for row in csv.DictReader(io.StringIO(text, newline="")):
            yield {str(name): value or "" for name, value in row.items()}, f"{path}"
    elif kind == ".jsonl":
        for at, line in enumerate(text.split("\n"), 1):
            if line.strip():
                yield _json(line, f"{path}, line {at}"), f"{path}, line {at}"
    else:
        whole = _json(text, str(path))
        rows = whole if isinstance(whole, list) else [whole]
        yield from ((row, f"{path}, entry {at}") for at, row in enumerate(rows, 1))


def _json(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        column = getattr(error, "colno", 1)
        raise FieldError(
            f"{where} is no JSON, from character {column} on.", "Correct the file."
        ) from None


def _text_row(row: Any, path: Path, where: str) -> dict[str, Any]:
    if isinstance(row, str):
        return {"text": row}
    if not isinstance(row, dict) or "text" not in row:
        raise FieldError(
            f"{where} has no {'column' if path.suffix.lower() == '.csv' else 'key'} text.",
            "Name the key or column that holds the document text.",
        )
    return {key: value for key, value in row.items() if key != "id" or value not in ("", None)}


def _folder(path: Path) -> Iterator[dict[str, Any]]:
    files = sorted(each for each in path.iterdir() if each.suffix.lower() in (".txt", ".md"))
    if not files:
        pdf = any(each.suffix.lower() == ".pdf" for each in path.iterdir())
        raise FieldError(
            f"The folder {path} holds no .txt file.",
            f"It holds PDFs. {_PDF}" if pdf else "Name a folder with one .txt file a text.",
        )
    return ({"id": each.stem, "text": read_file(each)} for each in files)


def _truth_file(path: Path) -> Any:
    kind = path.suffix.lower()
    if kind == ".csv":
        import pandas as pd

        return pd.DataFrame([row for row, _ in read_rows(path)], dtype=object)
    if kind == ".jsonl":
        rows = [row for row, _ in read_rows(path)]
        if all(isinstance(row, dict) and "id" in row for row in rows):
            return {str(row["id"]): _record(row) for row in rows}
        return rows
    return _json(read_file(path), str(path))


def _record(row: dict[str, Any]) -> Any:
    return row["truth"] if "truth" in row else {k: v for k, v in row.items() if k != "id"}


def _or_nothing(value: Any) -> Any:
    return None if isinstance(value, str) and not value.strip() else value


def _exists(path: Path) -> None:
    if not path.exists():
        raise FieldError(f"There is no file {path}.", "Check the path.")


def _module(name: str) -> Any:
    sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.pop(0)


def _module_of_file(path: Path) -> Any:
    _exists(path)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise FieldError(f"{path} cannot be imported.", "Name a Python file.")
    module = importlib.util.module_from_spec(spec)
    # pydantic looks a class's annotations up by its module's name.
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module
