"""Where an option may stand, and how often: in front of a command too, or told where; once."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import NoReturn

import pytest

import llmwidgets as lw
from llmwidgets.cli import main
from llmwidgets.cli.arguments import CompareOptions, ConnectionsOptions, Once, RemoveOptions
from llmwidgets.cli.parser import read_arguments

KEY = "sk-proj-madeUpCanary7Q2vXw9KpLr4TzB8n"


def told(capsys: pytest.CaptureFixture[str]) -> str:
    (line,) = capsys.readouterr().err.splitlines()
    return line


COMPARE = ("compare", "--schema", "s.json", "--texts", "t.csv", "--models", "demo")
IN_FRONT = {
    "asks nothing": (["--no-input", *COMPARE], CompareOptions, {"no_input": True}),
    "a folder": (["--store", "here", "connections"], ConnectionsOptions, {"store": Path("here")}),
    "with =": (["--organization=a", "connections"], ConnectionsOptions, {"organization": "a"}),
    "an action": (
        ["--organization", "acme", "--no-input", "connections", "remove", "m"],
        RemoveOptions, {"organization": "acme", "no_input": True, "label": "m"},
    ),
    "the later one counts": (
        ["--organization", "a", "connections", "--organization", "b", "remove", "m"],
        RemoveOptions, {"organization": "b"},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", IN_FRONT)
def test_what_every_command_takes_stands_in_front_of_it_too(name: str) -> None:
    words, kind, given = IN_FRONT[name]
    _, options = read_arguments(words)
    assert type(options) is kind
    assert {each: getattr(options, each) for each in given} == given


@pytest.mark.parametrize("command", ["connections", "demo", "journal", "doctor"])
def test_asking_nothing_is_fine_with_every_command(command: str) -> None:
    read_arguments(["--no-input", command])


def test_add_takes_them_in_front_of_the_kind(tmp_path: Path, capsys) -> None:
    folder = str(tmp_path / "store")
    for words in (
        ["--store", folder, "connections", "add"],
        ["connections", "add", "--store", folder],
    ):
        assert main([*words, "openai", "--no-test", "--no-input"]) == 2
        assert f"The store in {folder} does not exist yet" in told(capsys)


MISPLACED = {
    "of one command": (["--estimate", *COMPARE], "--estimate: goes behind compare."),
    "with a value": (["--schema", "s.json", "compare"], "--schema: goes behind compare."),
    "of several, one is typed": (["--json", "doctor"], "--json: goes behind doctor."),
    "of several, none is typed": (["--json"], "--json: goes behind connections."),
    "of an action": (["connections", "--yes", "remove", "m"], "--yes: goes behind remove."),
    "of an action, at the front": (
        ["--yes", "connections", "remove", "m"], "--yes: goes behind connections remove.",
    ),
    "of a kind": (
        ["connections", "--api-key", "env:KEY", "add", "openai"],
        "--api-key: goes behind add openai.",
    ),
    "of a kind, behind add": (
        ["connections", "add", "--label", "x", "custom"], "--label: goes behind custom.",
    ),
    "a store for what has none": (
        ["--store", "here", "demo"], "--store: means nothing to llmwidgets demo.",
    ),
    "a form that an action lacks": (
        ["connections", "--json", "rename", "a", "b"],
        "--json: means nothing to llmwidgets connections rename.",
    ),
    "two stores": (
        ["--store", "here", "connections", "--organization", "acme"],
        "--store: and --organization name a store each.",
    ),
    "no option at all": (["--nothing", "demo"], "Unrecognized arguments: --nothing."),
    "a second value": ([*COMPARE, "--truth", "a", KEY], "a word too many behind --truth."),
    "a value for what has none": ([*COMPARE, "--estimate", KEY], "too many behind --estimate."),
    "a word for what takes none": (["demo", KEY], "a word too many behind llmwidgets demo."),
}  # fmt: skip


@pytest.mark.parametrize("name", MISPLACED)
def test_another_option_there_is_told_where_it_belongs(name: str, capsys) -> None:
    words, said = MISPLACED[name]
    assert main(words) == 2
    line = told(capsys)
    assert said in line
    assert KEY not in line


def _commands(parser: argparse.ArgumentParser) -> Iterator[argparse.ArgumentParser]:
    """The parser, and those of all words below it."""
    yield parser
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            for below in action.choices.values():
                yield from _commands(below)


LISTS = {"--models", "--name", "--header"}


def test_each_option_of_each_command_is_a_list_or_refused_the_second_time(monkeypatch) -> None:
    """One given again in silence would drop what was given first."""
    made: list[argparse.ArgumentParser] = []
    monkeypatch.setattr(
        argparse.ArgumentParser, "parse_known_args", lambda self, *_: made.append(self) or _stop()
    )
    with pytest.raises(InterruptedError):
        read_arguments(["connections", "add", "custom"])
    checked: set[str] = set()
    for parser in _commands(made[0]):
        for action in parser._actions:
            if not action.option_strings or (action.nargs == 0 and not isinstance(action, Once)):
                continue  # a flag says the same twice
            name, into = action.option_strings[0], argparse.Namespace()
            checked.add(name)
            if not isinstance(action, Once):
                assert name in LISTS, f"{parser.prog} {name}"
                continue
            action(parser, into, "a", name)
            with pytest.raises(argparse.ArgumentError, match=f"{name}.* given twice"):
                action(parser, into, "b", name)
    assert checked >= {*LISTS, "--schema", "--store", "--test", "--price", "--preset", "--port"}


def _stop() -> NoReturn:
    raise InterruptedError


TWICE = {
    "a value": ([*COMPARE, "--truth", "a", "--truth=b"], "--truth: is given twice"),
    "two values": (
        ["journal", "--compare", "1", "2", "--compare", "3", "4"], "--compare: is given twice",
    ),
    "of an action": (
        ["connections", "add", "custom", "--label", "a", "--label", "b"], "--label: is given twice",
    ),
    "either of two": (
        ["connections", "add", "custom", "--test", "--no-test"], "--test/--no-test: is given twice",
    ),
    "a header": (
        ["connections", "add", "custom", "--header", "X-A=one", "--header", "x-a=two"],
        "--header: x-a is given twice",
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TWICE)
def test_what_is_given_twice_is_told_and_nothing_is_dropped(name: str, capsys) -> None:
    words, said = TWICE[name]
    assert main(words) == 2
    assert said in told(capsys)


def test_lists_go_on_where_they_are_given_again() -> None:
    _, options = read_arguments([*COMPARE, "--models", "a", "b", "--name", "c", "--name", "d", "e"])
    assert options.models == ["demo", "a", "b"]
    assert options.name == ["c", "d", "e"]


def test_a_key_in_place_of_an_option_is_not_repeated(capsys) -> None:
    assert main(["connections", "add", f"--{KEY}", "openai"]) == 2
    assert KEY not in told(capsys)


def test_a_store_that_is_named_in_front_is_the_one_that_is_used(tmp_path: Path, capsys) -> None:
    store = lw.Store.create(path=tmp_path / "other", passphrase="made-up crane violet")
    store.save(lw.Connection("openai", api_key="env:OPENAI_API_KEY", label="work"))
    assert main(["--store", str(store.path), "connections"]) == 0
    assert "work" in capsys.readouterr().out
