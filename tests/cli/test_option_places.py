"""Where an option may stand: those of every command also in front of it, others are told where."""

from __future__ import annotations

from pathlib import Path

import pytest

import llmwidgets as lw
from llmwidgets.cli import main
from llmwidgets.cli.arguments import CompareOptions, ConnectionsOptions, RemoveOptions
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
}  # fmt: skip


@pytest.mark.parametrize("name", MISPLACED)
def test_another_option_there_is_told_where_it_belongs(name: str, capsys) -> None:
    words, said = MISPLACED[name]
    assert main(words) == 2
    assert said in told(capsys)


def test_a_key_in_place_of_an_option_is_not_repeated(capsys) -> None:
    assert main(["connections", "add", f"--{KEY}", "openai"]) == 2
    assert KEY not in told(capsys)


def test_a_store_that_is_named_in_front_is_the_one_that_is_used(tmp_path: Path, capsys) -> None:
    store = lw.Store.create(path=tmp_path / "other", passphrase="made-up crane violet")
    store.save(lw.Connection("openai", api_key="env:OPENAI_API_KEY", label="work"))
    assert main(["--store", str(store.path), "connections"]) == 0
    assert "work" in capsys.readouterr().out
