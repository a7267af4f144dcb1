"""The table of the commands, and the parser that is made from it."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import fields, replace
from typing import Any, NoReturn

import llmwidgets
from llmwidgets.cli.arguments import (
    AddOptions,
    CheckOptions,
    Command,
    CompareOptions,
    ConnectionsOptions,
    DemoOptions,
    DoctorOptions,
    JournalOptions,
    LabOptions,
    Once,
    RemoveOptions,
    RenameOptions,
    RestoreOptions,
    ScanOptions,
    ShowOptions,
    StoreOptions,
    add_options,
    option_names,
)
from llmwidgets.errors import FieldError
from llmwidgets.secret import redact

_ADD = "add"
_ACTIONS = {
    _ADD: Command(
        "add_connection", "run_add", AddOptions, "connect a model: its fields as options",
        "llmwidgets connections add KIND --help tells the fields of a kind, and where each is "
        "found. What is missing is asked for on a terminal; a key is never an option's value.",
    ),
    "check": Command(
        "checks", "run_check", CheckOptions, "test connections",
        "Sends each connection's own host its key and short questions: one, or up to 16 "
        "where only answers show what a server enforces. It says afterwards what was sent, and to "
        "whom. Ends with 0 when all of them work, 1 when one does not, 2 for a mistake.",
        positional=("labels",),
    ),
    "remove": Command(
        "connections", "run_remove", RemoveOptions, "delete a connection from the store",
        positional=("label",),
    ),
    "rename": Command(
        "connections", "run_rename", RenameOptions, "give a connection another label",
        positional=("label", "new"),
    ),
    "restore": Command(
        "connections", "run_restore", RestoreOptions, "go back to what was saved before",
        "Takes the newest backup that opens, also where the store is damaged or its file is gone. "
        "What is there now is kept as a backup.",
    ),
}  # fmt: skip
_COMMANDS = {
    "demo": Command(
        "compare", "run_demo", DemoOptions, "compare the demo's models on sample invoices, no key"
    ),
    "lab": Command(
        "lab", "run_lab", LabOptions, "open the notebook in JupyterLab", positional=("more",)
    ),
    "compare": Command(
        "compare", "run_compare", CompareOptions, "compare models on your own texts",
        "Ends with 0 when finished, 1 when a bar (--min-accuracy, --min-valid, --budget, "
        "--not-worse-than) is not met or a model answered nothing at all, 2 for a mistake or a "
        "store that stays locked, reported in one line, and 130 when interrupted.",
    ),
    "show": Command(
        "compare", "run_show", ShowOptions, "show a saved run, and write it to other files",
        "Asks no model and needs no key: everything comes from what was saved.",
        positional=("run",),
    ),
    "connections": Command(
        "connections", "run_connections", ConnectionsOptions,
        "list connections without their secrets; add, check, remove, rename one; restore them",
        "Without a further word it lists them. For a locked store it asks on a terminal; "
        "elsewhere it ends with 2 and says what opens it.",
        actions=_ACTIONS,
    ),
    "doctor": Command(
        "keys", "run_doctor", DoctorOptions, "check the health of the store",
        "Ends with 0 when all is well, 1 when there is something to fix, 2 for a mistake.",
    ),
    "scan": Command(
        "keys", "run_scan", ScanOptions, "search files for keys",
        "Looks for the keys of the store (raw, base64, URL-encoded) and for everything shaped like "
        "a key. Ends with 0 when there is none, 1 when one is found, cleaned or not (it is to be "
        "revoked all the same), 2 for a mistake or a file that cannot be read.",
        positional=("paths",),
    ),
    "journal": Command(
        "journal", "run_journal", JournalOptions, "show where replies are kept, and earlier runs"
    ),
}  # fmt: skip


_TOP = Command("", "", StoreOptions, "")
"""What may be said in front of every command, as well as behind it."""

_WRONG_CHOICE = re.compile(r"invalid choice: '([^']*)'")


class _Parser(argparse.ArgumentParser):
    """Reports a mistake in one line, as every command does; an option counts once."""

    def __init__(self, **words: Any) -> None:
        super().__init__(**words)
        for name in (None, "store"):
            self.register("action", name, Once)

    def error(self, message: str) -> NoReturn:
        # It repeats what was typed, which is a key if words were pasted in a wrong order.
        head = redact(message)
        if self.prog.endswith(f" {_ADD}") and (wrong := _WRONG_CHOICE.search(message)):
            from llmwidgets.cli.field_options import refuse_kind

            refuse_kind(wrong[1])
        raise FieldError(f"{head[:1].upper()}{head[1:]}.", f"See {self.prog} --help.")


def read_arguments(arguments: Sequence[str] | None) -> tuple[Command, Any]:
    """The command and its options; FieldError for a mistake."""
    words = sys.argv[1:] if arguments is None else arguments
    parser = _Parser(
        prog="llmwidgets",
        description="Which model extracts my fields best from my texts, and what does it cost?",
    )
    parser.add_argument(
        "--version", action="version", version=f"llmwidgets {llmwidgets.__version__}"
    )
    add_options(parser, _TOP)
    _refuse_early(words)
    parsers = parser.add_subparsers(dest="command", required=True, metavar=" | ".join(_COMMANDS))
    for name, command in _COMMANDS.items():
        below = parsers.add_parser(name, help=command.help, epilog=command.ends)
        add_options(below, command, inherits=StoreOptions)
        if command.actions:
            _add_actions(below, command, kinds=_ADD in words)
    parsed, unknown = parser.parse_known_args(words)
    values = vars(parsed)
    if unknown:
        raise _unrecognized(unknown, words, values)
    command = _COMMANDS[values["command"]]
    command = command.actions.get(values.get("action") or "", command)
    _refuse_unused(command, values)
    if command.options is AddOptions:
        from llmwidgets.cli.field_options import take_fields

        values["fields"] = take_fields(values)
    names = {each.name for each in fields(command.options)}
    return command, command.options(**{name: values[name] for name in names & values.keys()})


def _refuse_early(words: Sequence[str]) -> None:
    """FieldError for an option in front of the word that it belongs to, which is named."""
    left, path, command = list(words), "llmwidgets", replace(_TOP, actions=_COMMANDS)
    while left:
        word, *left = left
        name, _, value = word.partition("=")
        known = option_names(_TOP if command.options is AddOptions else command)
        if word in command.actions:
            path, command = f"{path} {word}", command.actions[word]
        elif name in known:
            left = left[1:] if known[name] and not value else left
        else:
            if home := _find_home(name, left, command):
                name = redact(name)
                raise FieldError({name: f"goes behind {home}."}, f"Write {path} {home} {name}.")
            return


def _find_home(name: str, later: Sequence[str], command: Command) -> str:
    """The words below the command that an option belongs to, those typed first; "" for none."""
    if command.options is AddOptions:
        from llmwidgets.providers import PROVIDERS

        kind = next((each for each in later if each in PROVIDERS), "KIND")
        return kind if name.startswith("--") and name != "--help" else ""
    word = next((each for each in later if each in command.actions), "")
    if not word:
        homes = (word for word, each in command.actions.items() if name in option_names(each))
        return next(homes, "")
    below = command.actions[word]
    if below.options is not AddOptions and name in option_names(below):
        return word
    rest = _find_home(name, later[later.index(word) + 1 :], below)
    return f"{word} {rest}" if rest else ""


def _refuse_unused(command: Command, values: Mapping[str, Any]) -> None:
    """FieldError for an option of the words before that would be ignored; asking nothing never is.

    What asks nothing anyway takes --no-input too.
    """
    own = {each.name for each in fields(command.options)} | {"no_input"}
    for name in (each.name for each in fields(ConnectionsOptions)):
        if name not in own and values.get(name):
            path = " ".join(filter(None, (values["command"], values.get("action"))))
            raise FieldError({f"--{name}": f"means nothing to llmwidgets {path}."}, "Leave it out.")


def _unrecognized(
    unknown: Sequence[str], words: Sequence[str], values: Mapping[str, Any]
) -> FieldError:
    """The error for words that belong to no option: only what looks like one is repeated.

    Of others, which may be a secret in a wrong place, it says where they stand.
    """
    path = ["llmwidgets", *filter(None, map(values.get, ("command", "action", "kind")))]
    said = " ".join(_named(word) for word in unknown if word.startswith("-"))
    if not said:
        before = words[: len(words) - 1 - [*reversed(words)].index(unknown[0])]
        options = (_named(word) for word in reversed(before) if word.startswith("-"))
        said = f"a word too many behind {next(options, ' '.join(path))}"
    return FieldError(f"Unrecognized arguments: {said}.", f"See {' '.join(path)} --help.")


def _named(word: str) -> str:
    return redact(word.partition("=")[0])


def _add_actions(parser: argparse.ArgumentParser, command: Command, *, kinds: bool) -> None:
    """The words that can follow a command; those of `add` only where they are needed."""
    parsers = parser.add_subparsers(dest="action", metavar=" | ".join(command.actions))
    for name, action in command.actions.items():
        below = parsers.add_parser(name, help=action.help, epilog=action.ends)
        if action.options is not AddOptions:
            add_options(below, action, inherits=command.options)
            continue
        add_options(below, _TOP, inherits=command.options)
        if kinds:
            from llmwidgets.cli.field_options import add_kinds

            add_kinds(below, action, inherits=command.options)
