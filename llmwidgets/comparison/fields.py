"""The fields of a schema by name: which keys a truth or a column of it may have."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from difflib import get_close_matches
from typing import Any

from llmwidgets.schemas.paths import item, step

ITEM = "[]"
_ANY = "*"
_PART = re.compile(r'\[("(?:[^"\\]|\\.)*")\]|(\[\])|([^.\[]+)')

Tree = dict[str, "Tree"]
"""The names of a schema, nested; "[]" leads into a list, "*" means any name."""


def parts(path: str) -> tuple[str, ...]:
    """The steps of a place: names, and "[]" for each list.

    >>> parts('lines[].unit["a.b"]')
    ('lines', '[]', 'unit', 'a.b')
    """
    return tuple(
        json.loads(quoted) if quoted else brackets or name
        for quoted, brackets, name in _PART.findall(path)
    )


def tree_of(paths: Iterable[str]) -> Tree:
    """The places as nested names."""
    tree: Tree = {}
    for path in paths:
        inside = tree
        for part in parts(path):
            inside = inside.setdefault(part, {})
    return tree


def columns_of(paths: Iterable[str]) -> dict[str, tuple[str, ...]]:
    """The column names a table of truth may have, each with its steps: up to the first list."""
    columns: dict[str, tuple[str, ...]] = {}
    for path in paths:
        steps = parts(path)
        steps = steps[: steps.index(ITEM)] if ITEM in steps else steps
        if steps:
            columns.setdefault(".".join(steps), steps)
            columns.setdefault(path.split(ITEM)[0], steps)
    return columns


def unknown_keys(value: Any, tree: Tree, path: str = "") -> Iterator[tuple[str, str]]:
    """The keys of a record that the schema does not name, each with its sentence."""
    if isinstance(value, list):
        for each in value:
            yield from unknown_keys(each, tree.get(ITEM, {}), item(path))
    if not isinstance(value, dict) or _ANY in tree:
        return
    names = [name for name in tree if name != ITEM]
    for key, inside in value.items():
        if not names:
            continue
        if key in tree:
            yield from unknown_keys(inside, tree[key], step(path, key))
        else:
            yield step(path, key), no_such_field(key, names)


def no_such_field(name: str, known: Iterable[str]) -> str:
    """The sentence for a name that the schema does not have, with the nearest it has."""
    near = get_close_matches(name, sorted(known), 1)
    nearest = f"; the nearest is {near[0]}" if near else ""
    return f"the schema has no field of this name{nearest}."
