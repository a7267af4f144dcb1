"""The states of the views: the kernel's types and the page's have the same keys, level by level."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import is_dataclass
from functools import cache
from pathlib import Path
from typing import Any, get_args, get_type_hints, is_typeddict

import pytest

from llmwidgets.widgets import comparison_panel, connection_panel
from llmwidgets.widgets.comparison import detail_view, grid, runs_view
from llmwidgets.widgets.comparison.scores import doubt_view, kinds_view, score_view

SOURCES = Path(connection_panel.__file__).with_name("javascript") / "src"
ENVELOPE = {"type", "act", "error"}
"""What every message has, whatever it is about."""

_COMMENT = re.compile(r"/\*.*?\*/|//[^\n]*", re.DOTALL)
_INTERFACE = re.compile(r"\binterface (\w+)(?: extends ([\w, <>]+?))? \{")
_ALIAS = re.compile(r"\btype (\w+) =")
_IMPORT = re.compile(r'import (?:type )?\{([^}]*)\} from "(\.[^"]*)"')

Keys = dict[str, list[tuple[Path, str]]]
"""The keys of a type of the page, each with the texts of its types and where they are written."""


def _end(text: str, start: int, until: str) -> int:
    """Where what starts here ends: at one of these characters outside of all brackets."""
    depth = 0
    for at in range(start, len(text)):
        if depth == 0 and text[at] in until:
            return at
        depth += (text[at] in "{[(<") - (text[at] in "}])>")
    return len(text)


@cache
def _read(path: Path) -> str:
    return _COMMENT.sub("", path.read_text("utf-8"))


@cache
def _definition(path: Path, name: str) -> tuple[Path, str] | None:
    """The text of the type of this name, as this file knows it."""
    text = _read(path)
    for match in _INTERFACE.finditer(text):
        if match[1] == name:
            body = text[match.end() : _end(text, match.end(), "}")]
            return path, f"{match[2] or ''} {{{body}}}"
    for match in _ALIAS.finditer(text):
        if match[1] == name:
            return path, text[match.end() : _end(text, match.end(), ";")]
    for names, origin in _IMPORT.findall(text):
        if name in re.findall(r"\w+", names):
            found = [(path.parent / f"{origin}.{kind}").resolve() for kind in ("ts", "tsx")]
            return _definition(next(each for each in found if each.exists()), name)
    return None


def page_keys(path: Path, text: str) -> Keys:
    """The keys of everything that a type names or spells out, unions and intersections joined."""
    keys: Keys = {}
    rest, at = "", 0
    while (start := text.find("{", at)) >= 0:
        rest += text[at:start]
        at = _end(text, start + 1, "}") + 1
        body = text[start + 1 : at - 1]
        for member in _split(body):
            name, _, inner = member.partition(":")
            keys.setdefault(name.strip().rstrip("?").strip('"'), []).append((path, inner))
    for name in re.findall(r"\b[A-Z]\w*", rest + text[at:]):
        if definition := _definition(path, name):
            for key, types in page_keys(*definition).items():
                keys.setdefault(key, []).extend(types)
    return keys


def _split(body: str) -> Iterator[str]:
    at = 0
    while at < len(body):
        end = _end(body, at, ";")
        if body[at:end].strip():
            yield body[at:end].strip()
        at = end + 1


def kernel_types(hint: Any) -> list[Any]:
    """The TypedDicts in a type of the kernel, and the dataclasses that are sent as dicts."""
    if is_typeddict(hint) or is_dataclass(hint):
        return [hint]
    return [found for each in get_args(hint) for found in kernel_types(each)]


def differences(at: str, hint: Any, places: list[tuple[Path, str]]) -> Iterator[str]:
    """Where the kernel's type and the page's types of the same thing have other keys."""
    page: Keys = {}
    for path, text in places:
        for key, types in page_keys(path, text).items():
            page.setdefault(key, []).extend(types)
    kernel: dict[str, list[Any]] = {}
    for each in kernel_types(hint):
        for key, inner in get_type_hints(each, include_extras=True).items():
            kernel.setdefault(key, []).append(inner)
    for key in sorted(set(kernel) - set(page)):
        yield f"{at}.{key}: only the kernel knows it"
    for key in sorted(set(page) - set(kernel) - ENVELOPE):
        yield f"{at}.{key}: only the page knows it"
    for key in sorted(set(kernel) & set(page)):
        for inner in kernel[key]:
            yield from differences(f"{at}.{key}", inner, page[key])


ROOTS = [
    (connection_panel.ConnectionPanelState, "connection_panel.tsx", "State"),
    (connection_panel.ConnectionFormState, "connection_form.tsx", "State"),
    (comparison_panel.State, "comparison/state.ts", "State"),
    (grid.GridAnswer, "comparison/state.ts", "GridAnswer"),
    (detail_view.DetailState, "comparison/state.ts", "Detail"),
    (detail_view.TextAnswer, "comparison/answers.ts", "TextAnswer"),
    (detail_view.RequestAnswer, "comparison/answers.ts", "RequestAnswer"),
    (score_view.ScoresState, "comparison/answers.ts", "Scores"),
    (kinds_view.KindsState, "comparison/answers.ts", "Kinds"),
    (kinds_view.KindRowsState, "comparison/answers.ts", "KindRows"),
    (score_view.GroundingState, "comparison/answers.ts", "Grounding"),
    (doubt_view.DoubtState, "comparison/answers.ts", "Doubt"),
    (runs_view.FlipsState, "comparison/state.ts", "Flips"),
]


@pytest.mark.parametrize(("hint", "file", "name"), ROOTS, ids=[f"{r[1]}:{r[2]}" for r in ROOTS])
def test_kernel_and_page_have_the_same_keys(hint: Any, file: str, name: str) -> None:
    """A key that one side alone knows is a view that shows nothing, or is sent for nobody."""
    definition = _definition(SOURCES / file, name)
    assert definition is not None
    assert list(differences(name, hint, [definition])) == []
    assert page_keys(*definition), "the page's type was read"


def test_a_key_too_many_on_either_side_is_found() -> None:
    """The comparison itself: it reads inline types, unions, other files, and says where."""
    path = SOURCES / "comparison" / "answers.ts"
    said = list(
        differences(
            "x", score_view.GroundingRow, [(path, "{ absent: string; copied: string; more: Row }")]
        )
    )
    assert said == [
        "x.loud: only the kernel knows it",
        "x.title: only the kernel knows it",
        "x.more: only the page knows it",
    ]
    joined = page_keys(path, 'Sentence & ({ screen: "a"; inner: { deep: Row }[] } | null)')
    assert set(joined) == {"sentence", "hint", "screen", "inner"}
    assert set(page_keys(*joined["inner"][0])) == {"deep"}
