"""llmwidgets compare, the main job on the user's own files; llmwidgets show and demo."""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Callable, Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any, TypeVar

from rich.console import Console
from rich.text import Text

from llmwidgets import formatting
from llmwidgets.cli import Exit, print_text, report
from llmwidgets.cli.arguments import ASK, CompareOptions, DemoOptions, OutputOptions, ShowOptions
from llmwidgets.cli.asking import ask_secret, can_ask
from llmwidgets.cli.bars import Bars, explain_silence
from llmwidgets.cli.store_access import find_store, unlock_for
from llmwidgets.cli.tables import (
    changes_table,
    scoreboard_table,
    side_by_side_table,
    slices_table,
)
from llmwidgets.comparison import Comparison, compare, estimate, load
from llmwidgets.comparison.files import read_document, read_texts
from llmwidgets.comparison.files.names import TABLES
from llmwidgets.comparison.files.tables import Row, match_names
from llmwidgets.comparison.measures.scores import score_rows
from llmwidgets.comparison.measures.slices import GROUP, column_names, read_names
from llmwidgets.comparison.records import label_column, only_fields
from llmwidgets.comparison.texts import read_sources
from llmwidgets.connections import Connection
from llmwidgets.demo import invoices, stop_demo
from llmwidgets.errors import FieldError
from llmwidgets.formatting import join_truncated
from llmwidgets.providers import PROVIDERS
from llmwidgets.report.writers import refuse_unwritable, refuse_without_package, write_jsonl
from llmwidgets.schemas import read_schema
from llmwidgets.store.store import Store

T = TypeVar("T")


def run_compare(options: CompareOptions) -> Exit:
    """Run the comparison, print its scoreboard and write the files."""
    bars = Bars(options)
    _check_targets(options, junit=options.junit, save=options.save)
    models = _read_models(options)
    store = _open_store(options)
    console = Console(highlight=False)
    if options.estimate:
        print_text(console, str(_ask(options, models, store, estimate)[0]))
        return Exit.FINE
    result, by = _ask(options, models, store, compare)
    stopped = any(row.failures["Stopped"] for row in score_rows(result))
    silence = [] if stopped else explain_silence(result)
    _print_scores(console, result, by, told=silence)
    cases, changes = bars.judge(result)
    missed = list(bars.missed(cases, result))
    if changes is not None:
        console.print()
        changes_table(console, changes)
    if options.junit:
        print_text(console, f"Wrote {bars.write(options.junit, cases, result, changes)}")
    _write_files(console, result, options)
    if options.save:
        _save(console, options, result, fine=not missed and not stopped)
    if stopped:
        report("Interrupted; what was answered is kept. Run the same command again to go on.")
        return Exit.INTERRUPTED
    if missed:
        report(" ".join([f"Not met: {'; '.join(missed)}.", *silence]))
    return Exit.PROBLEM if missed else Exit.FINE


def run_show(options: ShowOptions) -> Exit:
    """Show a comparison that was saved, and write it to the files that are asked for."""
    _check_targets(options, options.run)
    result = load(options.run)
    if options.by is not None:
        read_names(options.by, column_names(result.texts))
    console = Console(highlight=False)
    _print_scores(console, result, options.by)
    _write_files(console, result, options)
    return Exit.FINE


def _print_scores(
    console: Console, result: Comparison, by: str | None, told: Sequence[str] = ()
) -> None:
    scoreboard_table(console, result, told)
    if by is not None:
        slices_table(console, result, by)


def _write_files(console: Console, result: Comparison, options: OutputOptions) -> None:
    for name, write in _WRITERS.items():
        if path := getattr(options, name):
            print_text(console, f"Wrote {write(result, path, options)}")


def _read_models(options: CompareOptions) -> list[str | Connection]:
    """The references, and each model of the server that was named by its address."""
    models: list[str | Connection] = [*(options.models or [])]
    if options.endpoint:
        models += _read_server(options)
    elif options.name or options.api_key:
        raise FieldError({"--endpoint": "is needed for --name and --api-key."}, "Give all three.")
    if not models:
        raise FieldError(
            {"--models": "or --endpoint is needed: which models are to be compared?"},
            "Give references such as openai/gpt-6-luna, or demo; or --endpoint URL --name MODEL.",
        )
    return models


def _read_server(options: CompareOptions) -> Iterator[Connection]:
    """The models of --endpoint, each as a connection of this run alone."""
    key = options.api_key
    if key is ASK:
        if not can_ask(options):
            raise FieldError(
                {"--api-key": "is to be typed, and nobody can be asked here."},
                "Give --api-key env:NAME or file:PATH.",
            )
        key = ask_secret(f"API key for {options.endpoint} (is not shown): ")
    # Without --name, the form says that it is needed.
    names: list[Any] = [None] if options.name is None else [*options.name]
    try:
        for name in names:
            yield Connection("custom", name=name, endpoint=options.endpoint, api_key=key or None)
        return
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
    store, named = find_store(options), options.models or ()
    if options.estimate:
        # An estimate of a vendor's model needs no connection.
        named = [each for each in named if each.partition("/")[0] not in PROVIDERS]
    unlock_for(named, store, options)
    return store if options.store or options.organization else None


def _ask(
    options: CompareOptions,
    models: list[str | Connection],
    store: Store | None,
    call: Callable[..., T],
) -> tuple[T, str | None]:
    """What `compare` or `estimate` returns, and the column that the scoreboard is wanted by."""
    texts = read_texts(options.texts)
    schema = read_schema_source(options.schema)
    truth = read_truth(options.truth, texts, options.texts, schema) if options.truth else None
    sources = read_sources(texts, group=options.group)
    # The column of the groups is no metadata: it is known as "group".
    by = GROUP if options.group and options.by == options.group else options.by
    if by is not None:
        read_names(by, column_names(sources))  # before anything is paid for
    result = call(
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


def _check_targets(options: OutputOptions, source: str = "", **more: Path | None) -> None:
    """Refuse a file that cannot be written, or that another one would take the place of.

    `source` is the saved run that is read: no output may take its place.
    """
    asked = {**{name: getattr(options, name) for name in _WRITERS}, **more}
    for name, package in (("parquet", "pyarrow"), ("excel", "openpyxl")):
        if asked[name]:
            refuse_without_package(package, f"--{name}")
    named = {Path(source).resolve(): "the run"} if source else {}
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


_WRITERS: dict[str, Callable[[Comparison, Path, OutputOptions], Path]] = {
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
        return read_schema(Path(name))  # once: it may be a pipe
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
    schemas = [read_schema(schema)]
    given = Path(name)
    if given.suffix.lower() in TABLES or (given.exists() and not given.is_dir()):
        _check_exists(given)
        # A pipe has been read already, and is not read twice.
        own = not path.is_dir() and path.samefile(name) and not any("truth" in row for row in texts)
        if not own:
            return Path(name)
        import pandas as pd

        return only_fields(pd.DataFrame(texts, dtype=object), schemas)
    key = next(iter(match_names([name])[0].values()), name)
    if not any(key in row for row in texts):
        raise FieldError(
            f"{path} has no key or column {name}, and there is no file of this name; it has "
            f"{join_truncated(dict.fromkeys(chain(*texts)), 12)}.",
            "Give --truth a key of the texts, or a table or .json file.",
        )
    return label_column(key, [row.pop(key, None) for row in texts], schemas)


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
