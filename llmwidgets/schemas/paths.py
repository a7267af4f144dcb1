"""Places inside a record, written the way a user reads them: `lines[0].total`, `lines[].total`."""

from __future__ import annotations

import json
import re

_SPECIAL = frozenset(".[]*\"' \n\t")
_PARTS = re.compile(r'\[\d*\]|\["(?:[^"\\]|\\.)*"\]|\.?[^.\[\]]+')


def property_path(path: str, name: str) -> str:
    """The place of property `name` inside the object at `path`.

    >>> step("policy", "number"), step("policy", "a.b")
    ('policy.number', 'policy["a.b"]')
    """
    if not name or not _SPECIAL.isdisjoint(name):
        return f"{path}[{json.dumps(name, ensure_ascii=False)}]"
    return f"{path}.{name}" if path else name


def item_path(path: str, index: int | None = None) -> str:
    """The place of an item of the list at `path`; without `index`, the place of every item."""
    return f"{path}[]" if index is None else f"{path}[{index}]"


def any_name(path: str) -> str:
    """The place of every property of the open object at `path`: `totals.*`."""
    return f"{path}.*" if path else "*"


def display_path(path: str) -> str:
    """The place in a sentence; the root has no path, so it is called the record."""
    return path or "the record"


def prefixes(path: str) -> list[str]:
    """The path and every place around it, outermost first.

    >>> prefixes("lines[].total")
    ['lines', 'lines[]', 'lines[].total']
    """
    return [path[: found.end()] for found in _PARTS.finditer(path)] or [path]
