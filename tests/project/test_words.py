"""English: phrases that are wrong wherever they occur stay out of messages and docstrings."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "llmwidgets"

WRONG = re.compile(
    r"""
    (?<!here\ )\bis\ no\ (?!longer\b|more\b|older\b|and\b)[a-z]+  # is not a …
    | (?<!here\ )\bis\ none\b                         # is not one of …
    | \b(?:[Aa]|[Oo]ne)\ (?:row|line|cell|column|file)\ an?\b   # one row per …
    | \bof\ the\ way\b | \bthe\ way\ on\b             # of the connection; the next step
    | \bgoe?s?\ before\b                              # takes precedence over
    | \bleads?\ to\ no\b                              # cannot resolve
    | \bwants\ https\b                                # requires HTTPS
    | \b[Ss]o\ many\b                                    # a number
    """,
    re.VERBOSE,
)


def sentences(path: Path) -> Iterator[tuple[int, str]]:
    """Every text in a Python file, each in one line; of a page's source file every line."""
    source = path.read_text("utf-8")
    if path.suffix != ".py":
        yield from enumerate(source.split("\n"), start=1)
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, " ".join(node.value.split())


@pytest.mark.parametrize(
    "text",
    [
        "total is no number",
        "place: is none.",
        "One line, a row a variant.",
        "A failure of the way, never scored.",
        "it goes before the tables",
        "The name x leads to no address.",
        "x wants https: it hangs up",
        "Have so many texts read.",
    ],
)
def test_what_is_wrong_is_seen(text: str) -> None:
    assert WRONG.search(text)


@pytest.mark.parametrize(
    "text",
    ["There is no connection for x.", "it is no longer sold", "there is none", "1 row per variant"],
)
def test_what_is_right_is_left(text: str) -> None:
    assert not WRONG.search(text)


@pytest.mark.parametrize("suffix", [".py", ".ts", ".tsx"])
def test_no_phrase_is_one_that_a_native_reader_stumbles_over(suffix: str) -> None:
    files = [each for each in PACKAGE.rglob(f"*{suffix}") if "node_modules" not in each.parts]
    assert files
    found = [
        f"{path.relative_to(PACKAGE)}:{line}: {match[0]}"
        for path in files
        for line, text in sentences(path)
        for match in WRONG.finditer(text)
    ]
    assert found == []
