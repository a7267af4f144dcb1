"""llmwidgets compare, the main job on the user's own files, and llmwidgets demo."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from itertools import chain, groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table
from rich.text import Text

from llmwidgets import formatting
from llmwidgets.cli import Exit, print_text, report
from llmwidgets.cli.arguments import ASK, CompareOptions, DemoOptions
from llmwidgets.cli.asking import ask_secret, can_ask
from llmwidgets.cli.bars import Bars, changes_table
from llmwidgets.cli.store_access import find_store, unlock_for
from llmwidgets.comparison import Comparison, compare
from llmwidgets.comparison.files import read_document, read_texts
from llmwidgets.comparison.files.names import TABLES
from llmwidgets.comparison.files.tables import Row, match_names
from llmwidgets.comparison.measures.kept_scores import VariantValue
from llmwidgets.comparison.measures.scores import score_rows
from llmwidgets.comparison.measures.slices import GROUP, column_names, read_names
from llmwidgets.comparison.measures.text_result import read_text_result
from llmwidgets.comparison.records import only_fields
from llmwidgets.comparison.summary import summarize, value_text
from llmwidgets.comparison.texts import read_sources
from llmwidgets.comparison.values import is_nothing
from llmwidgets.connections import Connection
from llmwidgets.demo import invoices, stop_demo
from llmwidgets.errors import FieldError
from llmwidgets.formatting import escape_controls, join_truncated
from llmwidgets.report.scoreboard import GLYPHS, LEGEND, LOSES, Column, scoreboard_columns
from llmwidgets.report.writers import refuse_unwritable, write_jsonl
from llmwidgets.schemas import read_schema
from llmwidgets.store.store import Store

if TYPE_CHECKING:
    from llmwidgets.report.scoreboard import Summary


def run_compare(options: CompareOptions) -> Exit:
    """Run the comparison, print its scoreboard and write the files."""
    bars = Bars(options)
    _check_targets(options)
    models = _read_models(options)
    store = _open_store(options)
    result, by = _ask(options, models, store)
    console = Console(highlight=False)
    scoreboard_table(console, result)
    if by is not None:
        slices_table(console, result, by)
    cases, changes = bars.judge(result)
    missed = list(bars.missed(cases, result))
    if changes is not None:
        console.print()
        changes_table(console, changes)
    if options.junit:
        print_text(console, f"Wrote {bars.write(options.junit, cases, result, changes)}")
    for name, write in _WRITERS.items():
        if path := getattr(options, name):
            print_text(console, f"Wrote {write(result, path, options)}")
    stopped = any(row.failures["Stopped"] for row in score_rows(result))
    if options.save:
        _save(console, options, result, fine=not missed and not stopped)
    if stopped:
        report("Interrupted; what was answered is kept. Run the same command again to go on.")
        return Exit.INTERRUPTED
    if missed:
        report(f"Not met: {'; '.join(missed)}.")
    return Exit.PROBLEM if missed else Exit.FINE


def _read_models(options: CompareOptions) -> list[str | Connection]:
    """The references, and the one server that was named by its address."""
    models: list[str | Connection] = [*(options.models or [])]
    if options.endpoint:
        models.append(_read_server(options))
    elif options.name or options.api_key:
        raise FieldError({"--endpoint": "is needed for --name and --api-key."}, "Give all three.")
    if not models:
        raise FieldError(
            {"--models": "or --endpoint is needed: which models are to be compared?"},
            "Give references such as openai/gpt-6-luna, or demo; or --endpoint URL --name MODEL.",
        )
    return models


def _read_server(options: CompareOptions) -> Connection:
    """The server of --endpoint as a connection of this run alone."""
    key = options.api_key
    if key is ASK:
        if not can_ask(options):
            raise FieldError(
                {"--api-key": "is to be typed, and nobody can be asked here."},
                "Give --api-key env:NAME or file:PATH.",
            )
        key = ask_secret(f"API key for {options.endpoint} (is not shown): ")
    fields: dict[str, Any] = {"name": options.name, "endpoint": options.endpoint}
    try:
        return Connection("custom", **fields, api_key=key or None)
    except FieldError as error:
        problems = {f"--{name.replace('_', '-')}": said for name, said in error.problems.items()}
        wrong = FieldError(problems, _PLAIN_HTTP if _PLAIN in error.hint else error.hint)
    raise wrong


_PLAIN = "allow_plain_http"
_PLAIN_HTTP = (
    "Use https; or save it, for a network you trust, by llmwidgets connections add custom "
    "--allow-plain-http, and name it in --models."
)


def _open_store(options: CompareOptions) -> Store | None:
    """The store that was named, or the default one where a reference needs it, open."""
    store = find_store(options)
    unlock_for(options.models or (), store, options)
    return store if options.store or options.organization else None


def _ask(
    options: CompareOptions, models: list[str | Connection], store: Store | None
) -> tuple[Comparison, str | None]:
    """The comparison, and the column by which its scoreboard is wanted too."""
    texts = read_texts(options.texts)
    schema = read_schema_source(options.schema)
    truth = read_truth(options.truth, texts, options.texts, schema) if options.truth else None
    sources = read_sources(texts, group=options.group)
    # The column of the groups is no metadata: it is known as "group".
    by = GROUP if options.group and options.by == options.group else options.by
    if by is not None:
        read_names(by, column_names(sources))  # before anything is paid for
    result = compare(
        schema,
        sources,
        models,
        truth=truth,
        group=options.group,
        blank=options.blank,
        instructions=read_document(options.instructions) if options.instructions else None,
        repeats=options.repeats,
        store=store,
        concurrency=options.concurrency,
        budget=options.budget,
        journal=False if options.journal == "none" else options.journal,
    )
    return result, by


def _check_targets(options: CompareOptions) -> None:
    """Refuse a file that cannot be written, or that another one would take the place of."""
    asked = {name: getattr(options, name) for name in ("junit", *_WRITERS, "save")}
    for name, package in (("parquet", "pyarrow"), ("excel", "openpyxl")):
        if asked[name] and importlib.util.find_spec(package) is None:
            raise FieldError(
                {f"--{name}": f"needs the package {package}."},
                f"Install it with: pip install {package}. CSV and JSONL need nothing more.",
            )
    named: dict[Path, str] = {}
    for name, path in asked.items():
        if path is None:
            continue
        refuse_unwritable(path)
        option = f"--{name.replace('_', '-')}"
        if other := named.get(path.resolve()):
            raise FieldError({option: f"{path} is that of {other} too."}, "Name another.")
        named[path.resolve()] = option


def _save(console: Console, options: CompareOptions, result: Comparison, *, fine: bool) -> None:
    """Save for the next run; one that is worse does not become what that is compared with."""
    assert options.save is not None
    earlier = options.not_worse_than
    if not fine and earlier is not None and options.save.resolve() == earlier.resolve():
        print_text(console, f"Left {earlier} as it was: this run does not take its place.")
        return
    print_text(console, f"Wrote {result.save(options.save)}")


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


_WRITERS: dict[str, Callable[[Comparison, Path, CompareOptions], Path]] = {
    "jsonl": lambda result, path, _: write_jsonl(extraction_lines(result), path),
    "csv": lambda result, path, _: result.to_csv(path),
    "excel": lambda result, path, _: result.to_excel(path),
    "parquet": lambda result, path, _: result.to_parquet(path),
    "html": lambda result, path, options: result.to_html(path, values=options.values),
    "share": lambda result, path, _: result.to_html(path, values=True, texts=True),
    "label_studio": lambda result, path, _: result.to_label_studio(path),
}
"""The files that a run can be written to, by the names of their options."""


# -- Schema, texts and truth from the user's files; an error names the file and the line.


def read_schema_source(name: str) -> Any:
    """A path to a JSON Schema, or the class that file.py:Class or module:Class names."""
    home, colon, attribute = name.rpartition(":")
    if not colon or not attribute.isidentifier():
        _check_exists(Path(name))
        return Path(name)
    try:
        module = _import_file(Path(home)) if home.endswith(".py") else _import_module(home)
        return getattr(module, attribute)
    except FieldError:
        raise
    except AttributeError:
        raise FieldError(f"{home} has no {attribute}.", "Name a class that it defines.") from None
    except Exception as error:  # noqa: BLE001 - a module of the user's may raise anything
        raise FieldError(
            f"{home} cannot be imported: {type(error).__name__}.", "Run it with Python to see why."
        ) from None


def read_truth(name: str, texts: list[Row], path: Path, schema: Any) -> Any:
    """The truth that `--truth` names: a file, or a key of the texts' rows, taken out of them.

    Of the file of the texts it is the columns that are named like a field.
    """
    import pandas as pd

    if Path(name).suffix.lower() in TABLES or Path(name).is_file():
        _check_exists(Path(name))
        own = path.is_file() and path.samefile(name) and not any("truth" in row for row in texts)
        if not own:
            return Path(name)
        return only_fields(pd.DataFrame(texts, dtype=object), [read_schema(schema)])
    key = next(iter(match_names([name])[0].values()), name)
    if not any(key in row for row in texts):
        raise FieldError(
            f"{path} has no key or column {name}, and there is no file of this name; it has "
            f"{join_truncated(dict.fromkeys(chain(*texts)), 12)}.",
            "Give --truth a key of the texts, or a table or .json file.",
        )
    cells = [None if is_nothing(each := row.pop(key, None)) else each for row in texts]
    return pd.Series(cells, name=key, dtype=object)


def _check_exists(path: Path) -> None:
    if not path.exists():
        raise FieldError(f"There is no file {path}.", "Check the path.")


def _import_module(name: str) -> Any:
    sys.path.insert(0, str(Path.cwd()))
    try:
        return importlib.import_module(name)
    finally:
        sys.path.pop(0)


def _import_file(path: Path) -> Any:
    _check_exists(path)
    spec = importlib.util.spec_from_file_location(path.stem, path)
    if spec is None or spec.loader is None:
        raise FieldError(f"{path} cannot be imported.", "Name a Python file.")
    module = importlib.util.module_from_spec(spec)
    # pydantic looks a class's annotations up by its module's name.
    sys.modules[path.stem] = module
    spec.loader.exec_module(module)
    return module


# -- llmwidgets demo: the whole job without a key, in the terminal.

PAGE = Path("build") / "demo.html"


def run_demo(_: DemoOptions) -> Exit:
    """Compare the demo's models on the sample invoices; nothing is kept but the page."""
    console = Console(highlight=False)
    console.print("llmwidgets demo: rule-based models on this computer, no LLM, cost unknown.\n")
    result = compare(
        invoices.Schema, invoices.texts, models="demo", truth=invoices.truth, journal=False
    )
    side_by_side_table(console, result, 0)
    console.print()
    scoreboard_table(console, result)
    page = result.to_html(PAGE, values=True)
    stop_demo()
    rows = formatting.count(len(result.differences()), "row that differs", "rows that differ")
    console.print(Text(f"\nAll {rows}, as a page: {page}"))
    console.print(Text("The same by clicking: make lab, or llmwidgets lab"))
    return Exit.FINE


# -- Tables for a terminal: the scoreboard, and one text side by side.

_STYLES = {
    "agree": "dim", "differ": "yellow", "missing": "italic", "invented": "magenta",
    "null in words": "magenta italic", "failed": "red",
}  # fmt: skip


def scoreboard_table(console: Console, comparison: Comparison) -> None:
    """One row per variant under the name of its group, then the verdict."""
    shown = summarize(comparison)
    columns = _fit_columns(shown, console.width)
    console.print(Text("Scoreboard", style="italic"))
    for at, (group, rows) in enumerate(groupby(shown.ranked, key=lambda row: row.wording.group)):
        if group and at:
            console.print(Text(group, style="bold"))
        table = _table(group if group and not at else "")
        table.show_header = not at
        for head, column in columns:
            table.add_column(
                head, justify="right" if column.right else "left", width=column.width,
                min_width=column.least, overflow="fold",
            )  # fmt: skip
        for row in rows:
            table.add_row(*(Text(escape_controls(column.cell(row))) for _, column in columns))
        console.print(table)
    console.print(Text(escape_controls(shown.headline), style="bold"))
    for more in (shown.details, *shown.notes, shown.footer):
        if more:
            console.print(Text(escape_controls(more), style="" if more is shown.details else "dim"))


def slices_table(console: Console, comparison: Comparison, by: str) -> None:
    """One row per variant for each slice of the texts, and what to know of slices."""
    frame = comparison.scoreboard(by=by)
    table = _table(f"By {by}")
    table.add_column(by, overflow="fold", max_width=24)
    table.add_column("Variant", overflow="fold")
    for head in ("% right", "95 %", "Scored", "Lost", "Valid, %"):
        table.add_column(head, justify="right", no_wrap=True)
    last = None
    for row in frame.astype(object).where(frame.notna(), None).to_dict("records"):
        name = str(row[frame.columns[0]])
        cells = (
            "" if name == last else name,
            row["variant"],
            formatting.percent(row["accuracy"]),
            formatting.interval(row["accuracy_low"], row["accuracy_high"]),
            f"{row['scored']} of {row['texts']}",
            str(row["lost"]),
            formatting.percent(row["valid"]),
        )
        table.add_row(*(Text(escape_controls(cell)) for cell in cells))
        last = name
    console.print(table)
    for note in frame.attrs["notes"]:
        console.print(Text(escape_controls(note), style="dim"))


def _fit_columns(shown: Summary, width: int) -> list[tuple[str, Column]]:
    """The columns; where variants are scored they are as wide in each group."""
    columns = scoreboard_columns(shown, "terminal")
    if not any(column.width == LOSES for _, column in columns if not column.right):
        return columns
    (head, name), *others = columns
    fixed = sum(2 + (column.width or 0) for _, column in others) + 2
    longest = max(len(line) for row in shown.rows for line in name.cell(row).split("\n"))
    first = max(name.least or 0, min(longest, width - fixed))
    spare = min(16, max(0, width - fixed - first))
    return [
        (head, replace(name, width=first)),
        *((each, column if column.right else replace(column, width=LOSES + spare))
          for each, column in others),
    ]  # fmt: skip


def _table(title: str) -> Table:
    return Table(
        title=title, title_justify="left", box=SIMPLE_HEAD, collapse_padding=True, pad_edge=False
    )


def side_by_side_table(console: Console, comparison: Comparison, at: int) -> None:
    """One text, field by field, with values: for texts that may be shown."""
    answers = read_text_result(comparison, at, 0)
    table = _table(formatting.shorten(f"Side by side: {answers.document.id}", 80))
    table.add_column("Field", overflow="ellipsis", no_wrap=True, min_width=20)
    table.add_column("Truth", overflow="ellipsis", no_wrap=True, max_width=16)
    for variant in range(len(comparison.variants)):
        table.add_column(
            formatting.variant_letter(variant), overflow="ellipsis", no_wrap=True, min_width=4
        )
    for field in answers.fields:
        truth = _plain(value_text(field.truth) or "none")
        table.add_row(_plain(field.path), truth, *map(_mark, field.values))
    console.print(table)
    letters = (
        f"{formatting.variant_letter(at)} {label}" for at, label in enumerate(comparison.labels)
    )
    console.print(Text(escape_controls(f"{', '.join(letters)}\n{LEGEND}"), style="dim"))


def _mark(given: VariantValue) -> Text:
    # Agreement is quiet: its value is in the same row, under Truth.
    value = formatting.format_count_words(given.failure)
    if given.state in ("differ", "invented", "null in words"):
        value = value_text(given.value) or "none"
    shown = f"{GLYPHS[given.state]} {value}"
    return Text(formatting.shorten(shown, 40), style=_STYLES[given.state])


def _plain(text: str) -> Text:
    return Text(formatting.shorten(text, 40))
