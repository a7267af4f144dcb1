"""Leaves: the plain values of a record with their places, and what says nothing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, Final

from llmwidgets.analysis.normalize import says_nothing
from llmwidgets.schemas import Schema
from llmwidgets.schemas.place import any_name, item, prefixes, step


class _Nothing:
    """The one value that stands for no value: not labelled, or not answered."""

    def __repr__(self) -> str:
        return "NOTHING"

    def __bool__(self) -> bool:
        return False

    def __reduce__(self) -> str:
        return "NOTHING"


NOTHING: Final = _Nothing()


def leaves_of(schema: Schema | None, data: Any) -> list[tuple[str, str, Any]]:
    """Every leaf of a record: its place, its pattern, its value. An empty list or object has none.

    >>> leaves_of(None, {"lines": [{"total": 5}]})
    [('lines[0].total', 'lines[].total', 5)]
    """
    return list(leaves_in(patterns_of(schema), data, "", ""))


def is_empty(value: Any) -> bool:
    """Whether a value says nothing: null, blank, or a list or object of nothing but such."""
    if type(value) is str:
        return says_nothing(value)
    if value is NOTHING:
        return True
    if isinstance(value, dict):
        return all(is_empty(each) for each in value.values())
    if isinstance(value, list | tuple):
        return all(is_empty(each) for each in value)
    return says_nothing(value)


@lru_cache(maxsize=64)
def patterns_of(schema: Schema | None) -> frozenset[str]:
    """The pattern of every leaf of a schema, and of every place around one."""
    leaves = schema.leaves if schema is not None else ()
    return frozenset(prefix for leaf in leaves for prefix in prefixes(leaf.path))


@lru_cache(maxsize=64)
def categories_of(schema: Schema | None) -> frozenset[str]:
    """The patterns of the leaves with a few values to choose from."""
    leaves = schema.leaves if schema is not None else ()
    return frozenset(leaf.path for leaf in leaves if leaf.type in {"enum", "boolean"})


def inner_pattern(patterns: frozenset[str], pattern: str, name: str) -> str:
    """The pattern of a property; a name the schema leaves open becomes `*`."""
    named = step(pattern, name)
    starred = any_name(pattern)
    return starred if named not in patterns and starred in patterns else named


def leaves_in(
    patterns: frozenset[str], data: Any, path: str, pattern: str
) -> Iterator[tuple[str, str, Any]]:
    """Every leaf below a place: its place, its pattern, its value."""
    if isinstance(data, dict):
        for name, each in data.items():
            inner = inner_pattern(patterns, pattern, str(name))
            yield from leaves_in(patterns, each, step(path, str(name)), inner)
    elif isinstance(data, list | tuple):
        for index, each in enumerate(data):
            yield from leaves_in(patterns, each, item(path, index), item(pattern))
    else:
        yield path, pattern, data


Field = tuple[Any, str, Any]
"""The name, the pattern and the value of a property."""

Fields = tuple[list[Field], list[Field], bool]


@dataclass(slots=True)
class Properties:
    """The properties of objects, each object read once; they live as long as this does."""

    patterns: frozenset[str]
    _fields: dict[tuple[int, str], Fields] = field(default_factory=dict)
    _silent: dict[int, frozenset[Any]] = field(default_factory=dict)
    _inner: dict[tuple[str, Any], str] = field(default_factory=dict)

    def inner(self, pattern: str, name: Any) -> str:
        """The pattern of a property of the object at this one."""
        inner = self._inner.get((pattern, name))
        if inner is None:
            inner = self._inner[pattern, name] = inner_pattern(self.patterns, pattern, str(name))
        return inner

    def fields(self, truth: dict[Any, Any], pattern: str) -> Fields:
        """The properties that say a plain value, and those to look into; kept for the next pair."""
        fields = self._fields.get((id(truth), pattern))
        if fields is None:
            plain, deeper, flat = list[Field](), list[Field](), True
            for name, each in truth.items():
                folded = isinstance(each, dict | list | tuple)
                says = not folded and not says_nothing(each)
                (plain if says else deeper).append((name, self.inner(pattern, name), each))
                flat = flat and not folded
            fields = self._fields[id(truth), pattern] = (plain, deeper, flat and bool(plain))
        return fields

    def silent(self, value: dict[Any, Any]) -> frozenset[Any]:
        """The properties that say nothing; kept for the next pair."""
        silent = self._silent.get(id(value))
        if silent is None:
            silent = frozenset(name for name, each in value.items() if is_empty(each))
            self._silent[id(value)] = silent
        return silent
