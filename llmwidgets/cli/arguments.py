"""What can be written after a command: a class of options for each, made into those of argparse."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterator, Mapping
from dataclasses import MISSING, Field, dataclass, field, fields
from pathlib import Path
from typing import Annotated, Any, Literal, get_args, get_origin, get_type_hints

from llmwidgets.formatting import parse_number, parse_whole
from llmwidgets.secret import Secret


def between(number: Callable[[str], float], least: float, most: float) -> dict[str, Any]:
    """For argparse: a number of this range."""

    def read(text: str) -> float:
        try:
            value = number(text)
        except ValueError:
            message = f"{text} is not a number"
            raise argparse.ArgumentTypeError(message) from None
        if not least <= value <= most:
            message = f"{text} is not between {least:g} and {most:g}"
            raise argparse.ArgumentTypeError(message)
        return value

    return {"type": read}


class Once(argparse.Action):
    """For argparse: an option with a value, refused where it is given again.

    By itself argparse drops the first value without a word.
    """

    _given = False

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        if self._given:
            raise argparse.ArgumentError(self, "is given twice, and once is meant")
        self._given = bool(self.option_strings)
        setattr(namespace, self.dest, values)


class OnceEither(Once, argparse.BooleanOptionalAction):
    """For argparse: --NAME or --no-NAME, one of the two."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        chosen = not (option_string or "").startswith("--no-")
        super().__call__(parser, namespace, chosen, option_string)


ASK: Any = object()
"""In place of a secret: the option was given without a value, so that it is asked for."""
REFERENCE = "env:NAME|file:PATH"


def read_reference(text: str) -> Secret:
    """The secret that env:NAME or file:PATH names; what is a key itself is refused.

    A path is kept from the root on: it is read at each use, in whichever folder that is.
    """
    source, _, name = text.partition(":")
    if source == "file" and name and not name.startswith("~"):
        return Secret(f"file:{Path(name).absolute()}")
    if source in ("env", "file") and name:
        return Secret(text)
    del text
    message = (
        "takes env:NAME or file:PATH and no key, which would be left in the shell's history and "
        "in the list of processes: without a value it asks, and shows nothing of what is typed. A "
        "key that was typed here is to be revoked"
    )
    raise argparse.ArgumentTypeError(message)


SECRET = {"type": read_reference, "nargs": "?", "const": ASK, "metavar": REFERENCE}
"""For argparse: an option that takes where a secret is, and never the secret."""

_MARGIN = {**between(parse_number, 0.001, 1), "metavar": "SHARE"}
_SHARE = {**between(parse_number, 0, 1), "metavar": "SHARE"}
_MONEY = {**between(parse_number, 0, 1e9), "metavar": "USD"}
_COUNT = {**between(parse_whole, 1, 100_000), "metavar": "N"}
_PORT = {**between(parse_whole, 0, 65_535), "metavar": "N"}
_TWO = {**between(parse_whole, 1, 1e15), "nargs": 2, "metavar": "RUN"}
_NAME = {"metavar": "NAME"}


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreOptions:
    """Which store is meant: one of the two, or the default one.

    Each field is an option of its name: type, help and perhaps more arguments for argparse.
    """

    store: Annotated[Path | None, "the store in this folder", {"metavar": "FOLDER"}] = None
    organization: Annotated[str | None, "whose store; default: default", _NAME] = None
    no_input: Annotated[bool, "ask nothing, also on a terminal"] = False


@dataclass(frozen=True, kw_only=True)
class OutputOptions:
    """What is shown of a comparison, and the files that it is written to.

    Without slots, so that it can be a second base; its options are the last of a command.
    """

    by: Annotated[str | None, "a key of the texts: the scoreboard for each value", _NAME] = None
    html: Annotated[Path | None, "write a self-contained page"] = None
    share: Annotated[Path | None, "write a page of the texts, their values marked in them"] = None
    csv: Annotated[Path | None, "write every field, with its value, as CSV"] = None
    excel: Annotated[Path | None, "write every field, with its value, as an Excel workbook"] = None
    jsonl: Annotated[Path | None, "write one extraction per line"] = None
    parquet: Annotated[Path | None, "write every field, with its value, as Parquet"] = None
    label_studio: Annotated[Path | None, "write texts and records for Label Studio, as JSON"] = None
    values: Annotated[bool, "show extracted values and truth in the page"] = False


@dataclass(frozen=True, kw_only=True)
class ShowOptions(OutputOptions):
    """`llmwidgets show RUN`."""

    run: Annotated[
        str, "what --save or save() wrote, or the folder of a run on a cluster", {"metavar": "RUN"}
    ]


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareOptions(OutputOptions, StoreOptions):
    """`llmwidgets compare`."""

    schema: Annotated[str, "a JSON Schema (.json), or file.py:Class, module:Class"]
    texts: Annotated[Path, "a table with text (and id), .txt, .pdf, or a folder"]
    models: Annotated[
        list[str] | None, 'references, or "demo"', {"metavar": "MODEL", "nargs": "+"}
    ] = None
    endpoint: Annotated[
        str | None, "a server in OpenAI format, without a store; needs --name", {"metavar": "URL"}
    ] = None
    name: Annotated[
        list[str] | None, "its models, as --endpoint calls them", {"metavar": "MODEL", "nargs": "+"}
    ] = None
    api_key: Annotated[Secret | None, "the key for --endpoint; no value: it is asked for"] = None
    truth: Annotated[str | None, "a key of the texts, or a file: .json by id, a table"] = None
    group: Annotated[str | None, "a key of the texts: those that belong together", _NAME] = None
    blank: Annotated[
        Literal["null"] | None, "a blank label says: no value", {"choices": ["null"]}
    ] = None
    instructions: Annotated[Path | None, "a text that replaces the default one"] = None
    repeats: Annotated[int, "how often to ask each text; default: 1", _COUNT] = 1
    min_accuracy: Annotated[float | None, "0 to 1, for every variant", _SHARE] = None
    min_valid: Annotated[float | None, "0 to 1, for every variant", _SHARE] = None
    not_worse_than: Annotated[Path | None, "an earlier run, of --save or save()"] = None
    margin: Annotated[float | None, "a loss under this is allowed; default: 0.05", _MARGIN] = None
    junit: Annotated[Path | None, "write which bars were met, as JUnit XML"] = None
    save: Annotated[Path | None, "write the whole comparison, for a later run or load()"] = None
    estimate: Annotated[bool, "say what it would take, and call nothing"] = False
    budget: Annotated[float | None, "most US dollars for new calls", _MONEY] = None
    journal: Annotated[str | None, 'where replies are kept; "none" keeps them in memory'] = None
    concurrency: Annotated[int | None, "most calls at a time for each connection", _COUNT] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ConnectionsOptions(StoreOptions):
    """`llmwidgets connections`: the list."""

    json: Annotated[bool, "for programs"] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckOptions(ConnectionsOptions):
    """`llmwidgets connections check LABEL …`."""

    labels: Annotated[
        list[str], "which ones; without any, all", {"metavar": "LABEL", "nargs": "*"}
    ] = field(default_factory=list)


@dataclass(frozen=True, slots=True, kw_only=True)
class AddOptions(StoreOptions):
    """`llmwidgets connections add KIND`.

    `fields` is what was given of the kind's own fields; `preset` is there for kinds that have some.
    """

    kind: str
    fields: Mapping[str, Any]
    label: Annotated[str | None, "what it is called; default: its model, or its kind", _NAME] = None
    preset: str | None = None
    test: Annotated[bool, "test it before it is saved", {"action": OnceEither}] = True
    anyway: Annotated[bool, "save it although a key looks wrong, or the test fails"] = False
    replace: Annotated[
        bool, "take the place of the one that is there; what is not given stays as it was"
    ] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveOptions(StoreOptions):
    """`llmwidgets connections remove LABEL`."""

    label: Annotated[str, "which connection", {"metavar": "LABEL"}]
    yes: Annotated[bool, "do not ask"] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RenameOptions(StoreOptions):
    """`llmwidgets connections rename LABEL NEW`."""

    label: Annotated[str, "which connection", {"metavar": "LABEL"}]
    new: Annotated[str, "its new label", {"metavar": "NEW"}]


@dataclass(frozen=True, slots=True, kw_only=True)
class RestoreOptions(StoreOptions):
    """`llmwidgets connections restore`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DoctorOptions(StoreOptions):
    """`llmwidgets doctor`, which never asks."""

    json: Annotated[bool, "for programs"] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanOptions(StoreOptions):
    """`llmwidgets scan PATH …`."""

    paths: Annotated[list[Path], "files and folders", {"metavar": "PATH"}]
    clean: Annotated[bool, "offer to clean notebooks and history"] = False
    yes: Annotated[bool, "with --clean: do not ask"] = False


@dataclass(frozen=True, slots=True, kw_only=True)
class JournalOptions:
    """`llmwidgets journal`."""

    journal: Annotated[Path | None, "another journal"] = None
    compare: Annotated[list[int] | None, "two runs by their numbers", _TWO] = None
    clear_before: Annotated[str | None, "delete older rows: 2026-11-30", {"metavar": "DATE"}] = None


@dataclass(frozen=True, slots=True, kw_only=True)
class DemoOptions:
    """`llmwidgets demo`, which takes no options."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LabOptions:
    """`llmwidgets lab -- WORD …`."""

    more: Annotated[
        list[str], "after --: passed on to JupyterLab", {"nargs": argparse.REMAINDER}
    ] = field(default_factory=list)
    port: Annotated[int | None, "where to listen; the next free one if it is taken", _PORT] = None
    no_browser: Annotated[bool, "only tell the address"] = False


@dataclass(frozen=True, slots=True)
class Command:
    """What runs a command: `function` of `module`, with its options.

    `actions` are the words that can follow its name, each with a command of its own.
    """

    module: str
    function: str
    options: type
    help: str
    ends: str | None = None
    positional: tuple[str, ...] = ()
    actions: Mapping[str, Command] = field(default_factory=dict, hash=False)


def add_options(
    parser: argparse.ArgumentParser, command: Command, inherits: type | None = None
) -> None:
    """The options of a command; those that it inherits keep what was given further left."""
    names_a_store = issubclass(command.options, StoreOptions)
    group = parser.add_mutually_exclusive_group() if names_a_store else parser
    inherited = {each.name for each in fields(inherits)} if inherits else set()
    for option, words in _options_of(command):
        if option.name in command.positional:
            parser.add_argument(option.name, **words)
            continue
        if option.name in inherited:
            words["default"] = argparse.SUPPRESS
        target = group if option.name in ("store", "organization") else parser
        target.add_argument(f"--{option.name.replace('_', '-')}", **words)


def option_names(command: Command) -> dict[str, bool]:
    """The options of a command as they are written, each with whether it takes a value."""
    return {
        f"--{option.name.replace('_', '-')}": words.get("action") != "store_true"
        for option, words in _options_of(command)
        if option.name not in command.positional
    }


def _options_of(command: Command) -> Iterator[tuple[Field[Any], dict[str, Any]]]:
    """Each field that has a help line, with its arguments for argparse."""
    hints = get_type_hints(command.options, include_extras=True)
    last = {each.name for each in fields(OutputOptions)}
    for option in sorted(fields(command.options), key=lambda each: each.name in last):
        kind, help_text, *more = (*get_args(hints[option.name]), None, None)[:3]
        if not isinstance(help_text, str):
            continue
        words: dict[str, Any] = {"help": help_text}
        if kind is bool:
            words["action"] = "store_true"
        elif Path in (kind, *get_args(kind)):
            words |= {"type": Path, "metavar": "FILE"}
        elif Secret in get_args(kind):
            words |= SECRET
        if get_origin(kind) is list:
            words["nargs"] = "+"
        words |= more[0] if more and more[0] else {}
        required = option.default is MISSING and option.default_factory is MISSING
        if option.name in command.positional:
            yield option, words
            continue
        if words.get("nargs") == "+":
            words["action"] = "extend"  # several words, also one after the other
        if required:
            words["required"] = True
        else:
            words["default"] = None if option.default is MISSING else option.default
        yield option, words
