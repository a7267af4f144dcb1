"""A test in a live JupyterLab waits for what it asserts: a page is drawn a moment after an act."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

TESTS = Path(__file__).parents[1]
AT_ONCE = frozenset({
    "all", "all_inner_texts", "all_text_contents", "bounding_box", "content", "count", "evaluate",
    "evaluate_all", "get_attribute", "inner_html", "inner_text", "input_value", "is_checked",
    "is_disabled", "is_editable", "is_enabled", "is_hidden", "is_visible", "text_content",
})  # fmt: skip
"""What Playwright reads at once, where `expect` and `becomes` wait until it is so."""

FIXTURES = frozenset({"lab", "page"})


def _functions(tree: ast.AST) -> list[ast.FunctionDef]:
    return [each for each in ast.walk(tree) if isinstance(each, ast.FunctionDef)]


def _in_a_lab(tree: ast.AST) -> bool:
    return any(
        "lab" in (names := {argument.arg for argument in each.args.args}) and FIXTURES & names
        for each in _functions(tree)
    )


def _read_at_once(node: ast.AST, readers: frozenset[str]) -> bool:
    """Whether an expression asks the page, itself or through a function of the same file."""
    for each in ast.walk(node):
        if not isinstance(each, ast.Call):
            continue
        called = each.func
        if isinstance(called, ast.Attribute) and called.attr in AT_ONCE:
            return True
        if isinstance(called, ast.Name) and called.id in readers:
            return True
    return False


def _names_read(function: ast.FunctionDef, readers: frozenset[str]) -> set[str]:
    """The names that a function gives to what it reads at once."""
    return {
        target.id
        for line in ast.walk(function)
        if isinstance(line, ast.Assign | ast.AnnAssign)
        if line.value and _read_at_once(line.value, readers)
        for target in (line.targets if isinstance(line, ast.Assign) else [line.target])
        if isinstance(target, ast.Name)
    }


def _returns_a_reading(function: ast.FunctionDef) -> bool:
    read = _names_read(function, frozenset())
    returned = [line.value for line in ast.walk(function) if isinstance(line, ast.Return)]
    return any(
        _read_at_once(each, frozenset()) or (isinstance(each, ast.Name) and each.id in read)
        for each in returned
        if each
    )


def asserted_at_once(source: str) -> list[int]:
    """The lines of a file whose assert looks at a live page without waiting."""
    tree = ast.parse(source)
    readers = frozenset(each.name for each in _functions(tree) if _returns_a_reading(each))
    found = []
    for function in _functions(tree):
        read = _names_read(function, readers)
        for line in ast.walk(function):
            if isinstance(line, ast.Assert):
                names = {each.id for each in ast.walk(line.test) if isinstance(each, ast.Name)}
                if _read_at_once(line.test, readers) or names & read:
                    found.append(line.lineno)
    return sorted(set(found))


def test_browser_tests_wait_for_what_they_assert() -> None:
    """No assert on the state of a locator: `expect(locator)…`, or `becomes(locator, condition)`."""
    files = [path for path in sorted(TESTS.rglob("*.py")) if path != Path(__file__)]
    live = {path: path.read_text() for path in files}
    live = {path: text for path, text in live.items() if _in_a_lab(ast.parse(text))}
    assert len(live) > 5
    found = [
        f"{path.relative_to(TESTS)}:{line}"
        for path in live
        for line in asserted_at_once(live[path])
    ]
    assert found == []


@pytest.mark.parametrize(
    "line",
    [
        "assert page.output().inner_text() == 'x'",
        "assert not panel.locator('a').first.is_visible()",
        "assert panel.locator('a').count() == 1",
        "said = panel.evaluate('1')\n    assert said == 1",
        "assert names() == ['x']",
        "assert named() == ['x']",
    ],
)
def test_an_assert_that_does_not_wait_is_found(line: str) -> None:
    """The rule sees it as written, by a name, and through a function."""
    names = "def names():\n    return panel.locator('a').all_inner_texts()\n"
    names += (
        "def named():\n    said: list = panel.locator('a').all_inner_texts()\n    return said\n"
    )
    assert asserted_at_once(f"{names}def test(lab, page):\n    {line}\n")
