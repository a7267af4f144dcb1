"""The code of the pages: Python is executed, lines of the shell are held against what is there."""

from __future__ import annotations

import re
import shlex
import subprocess
import tomllib
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout, suppress
from functools import cache
from io import StringIO
from itertools import takewhile
from pathlib import Path

import pytest

from llmwidgets import cli
from llmwidgets.demo import stop_demo

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
NOT_RUN = "# Not run: "
"""How a block begins that the tests leave out; the reason follows, for readers too."""

ELSEWHERE = {
    "cluster_security.md": "tests/project/test_cluster_security_page.py",
    "comparison.md": "tests/comparison/test_how_to.py",
    "files.md": "tests/comparison/test_how_to.py",
}
"""Pages whose Python another test runs."""

BEFORE = {
    "scoring.md": "schema = [{'name': 'customer'}, {'name': 'total', 'type': 'number'}]\n"
    "texts, models, truth = ['Ada Wolf, total 12'], 'demo', [{'customer': 'A. Wolf', 'total': 12}]",
    "security.md": "connection = lw.Connection('openai', api_key='env:OPENAI_API_KEY')\n"
    "store, run_other_code = lw.Store.in_memory(), dict",
}
"""What a reader of a page has by then, besides `import llmwidgets as lw`."""


def blocks(path: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", path.read_text("utf-8"), re.S | re.M)


def name_of(path: Path) -> str:
    return path.relative_to(DOCS).as_posix()


PYTHON = [
    path
    for path in sorted(DOCS.rglob("*.md"))
    if name_of(path) not in ELSEWHERE and blocks(path, "python")
]
SHELL = [path for path in sorted(DOCS.rglob("*.md")) if blocks(path, "sh")]


@pytest.fixture(scope="module", autouse=True)
def demo() -> Iterator[None]:
    """The demo's server, started by the first page that asks for it."""
    yield
    stop_demo()


@pytest.mark.parametrize("path", PYTHON, ids=name_of)
def test_the_python_of_a_page_runs(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Block after block in one namespace, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("OPENAI_API_KEY", "made-up-key-0001")
    names: dict[str, object] = {}
    exec(f"import llmwidgets as lw\n{BEFORE.get(name_of(path), '')}", names)
    for block in blocks(path, "python"):
        code = compile(block, path.name, "exec", dont_inherit=True)
        if not block.startswith(NOT_RUN):
            exec(code, names)  # the page is the fixture


def test_few_blocks_are_left_out_and_each_says_why() -> None:
    every = [block for path in PYTHON for block in blocks(path, "python")]
    left = [block for block in every if block.startswith(NOT_RUN)]
    assert len(left) * 4 < len(every)
    assert all(re.match(rf"{NOT_RUN}it \w+ .+\.\n", block) for block in left)
    for test in ELSEWHERE.values():
        assert (ROOT / test).is_file()


@cache
def options(*command: str) -> frozenset[str]:
    """The options that a command of the shell says it has; none if it does not know it."""
    printed = StringIO()
    with redirect_stdout(printed), redirect_stderr(StringIO()), suppress(SystemExit):
        cli.main([*command, "--help"])
    return frozenset(re.findall(r"--[a-z][a-z-]*", printed.getvalue()))


def check_line(words: list[str]) -> None:
    """A line of the shell works in a clone, as far as can be told without running it."""
    while re.fullmatch(r"[A-Z_]+=.*", words[0]):
        words = words[1:]
    if words[0] == "llmwidgets":
        given = {word.partition("=")[0] for word in words[2:] if word.startswith("--")}
        command = list(takewhile(lambda word: not word.startswith("-"), words[1:]))
        known = [options(*command[:end]) for end in range(1, len(command) + 1)]
        assert known[0], words
        assert given - {"--"} <= frozenset().union(*known), words
    if words[0] == "make":
        assert re.search(rf"^{words[1]}:", (ROOT / "Makefile").read_text("utf-8"), re.MULTILINE)
    if words[:2] == ["pip", "install"]:
        project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
        for what in words[2:]:
            # No index holds this project: a name alone would be looked for in vain.
            assert not re.fullmatch(r"llmwidgets(\[.*\])?", what), words
            for extras in re.findall(r"(?:\.|llmwidgets|\.whl)\[([\w,]+)\]", what):
                assert {*extras.split(",")} <= {*project["optional-dependencies"]}, words


@pytest.mark.parametrize("path", SHELL, ids=name_of)
def test_the_lines_of_the_shell_parse(path: Path) -> None:
    for block in blocks(path, "sh"):
        done = subprocess.run(["sh", "-n"], input=block, text=True, check=False)
        assert done.returncode == 0, block
        for line in block.replace("\\\n", " ").splitlines():
            for command in line.split("; "):
                if words := shlex.split(command, comments=True):
                    check_line(words)
