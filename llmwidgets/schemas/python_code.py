"""Python that users copy: names and literals in it, and a schema as pydantic classes."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Container, Iterable, Iterator, Mapping
from dataclasses import dataclass
from keyword import iskeyword
from typing import Any
from urllib.parse import unquote

from pydantic import BaseModel

# -- Names and literals.


def python_name(words: str, taken: Container[str] = ()) -> str:
    """A name near these words that Python takes as it is, other than the taken ones."""
    # Python itself reads names in this form: two that differ before can be one.
    plain = unicodedata.normalize("NFKC", words)
    kept = (letter if f"a{letter}".isidentifier() else " " for letter in plain)
    name = unicodedata.normalize("NFKC", "_".join("".join(kept).split()))
    if not name.isidentifier():
        name = f"field_{name}".rstrip("_")
    while iskeyword(name) or name in taken:
        name += "_"
    return name


def python_literal(value: Any) -> str:
    """The value as Python writes it: what cannot be seen is escaped, nothing ends the literal."""
    literal = repr(value)
    plain = not isinstance(value, str) or "'" in value or '"' in value
    return literal if plain else f'"{literal[1:-1]}"'


# -- Classes.

_PYTHON = {
    ("string", None): "str", ("number", None): "float", ("integer", None): "int",
    ("boolean", None): "bool", ("null", None): "None", ("string", "date"): "dt.date",
    ("string", "time"): "dt.time", ("string", "date-time"): "dt.datetime",
}  # fmt: skip
_USED = frozenset(
    ["str", "float", "int", "bool", "list", "dict", "dt", "Any", "Literal", "BaseModel", "Field"]
)
"""The names that the code uses for itself."""
_OF_MODELS = _USED | frozenset(dir(BaseModel))
_DEEPEST = 20


@dataclass(frozen=True, slots=True)
class PythonClasses:
    """Pydantic classes as code, inner ones first; `record` is the type of a whole record."""

    record: str
    written: tuple[str, ...]

    @property
    def imports(self) -> list[str]:
        """The lines that the classes and the type need, but for pydantic's own."""
        body = "\n".join([*self.written, self.record])
        typing = [name for name in ("Any", "Literal") if re.search(rf"\b{name}\b(?! *:)", body)]
        lines = ["import datetime as dt"] if re.search(r"\bdt\.", body) else []
        return [*lines, *([f"from typing import {', '.join(typing)}"] if typing else [])]

    @property
    def from_pydantic(self) -> list[str]:
        """What they take from pydantic."""
        names = ["BaseModel"] if self.written else []
        return [*names, "Field"] if "Field(" in "".join(self.written) else names


def write_classes(
    schema: Mapping[str, Any], *, exact: bool = True, taken: Iterable[str] = ()
) -> PythonClasses:
    """A JSON Schema as pydantic classes that ask for the same.

    Without `exact` they are for reading replies: without descriptions, and null is taken for what
    may be left out. `Any` stands for a union of several shapes and for what refers to itself. No
    class has one of the `taken` names.

    >>> bill = {"title": "Bill", "properties": {"total": {"type": "number"}}, "required": ["total"]}
    >>> print(*write_classes(bill).written)
    class Bill(BaseModel):
        total: float
    """
    writer = _Writer(schema, taken, exact=exact)
    record = writer.type_of(str(schema.get("title") or "Record"), schema, ())
    return PythonClasses(record, tuple(writer.written))


class _Writer:
    """The code of each class, and the names given so far.

    Inside of a class its fields hide what has their name, so no class has the name of a field.
    """

    def __init__(self, schema: Mapping[str, Any], taken: Iterable[str], *, exact: bool) -> None:
        self._root, self._exact = schema, exact
        self.written: list[str] = []
        self._known: dict[str, str] = {}
        self._taken = {*_USED, *taken, *_list_members(schema)}

    def type_of(self, words: str, node: Any, inside: tuple[str, ...]) -> str:
        """The type of one place; the classes that it needs are written."""
        if not isinstance(node, Mapping) or len(inside) > _DEEPEST:
            return "Any"
        if isinstance(reference := node.get("$ref"), str):
            if reference in inside:
                return "Any"
            if reference not in self._known:
                found, name = self._find(reference), reference.rpartition("/")[2]
                self._known[reference] = self.type_of(name, found, (*inside, reference))
            return self._known[reference]
        if branches := node.get("anyOf") or node.get("oneOf"):
            return self._union(words, branches, inside)
        if "allOf" in node:
            whole = node["allOf"]
            alone = len(whole) == 1 and "properties" not in node
            return self.type_of(words, whole[0], inside) if alone else "Any"
        values = [node["const"]] if "const" in node else node.get("enum")
        if isinstance(values, list):
            return _literal(values)
        kinds = node.get("type", "object" if "properties" in node else None)
        kinds = kinds if isinstance(kinds, list) else [kinds]
        return _either(self._of_kind(words, node, kind, inside) for kind in kinds)

    def _find(self, reference: str) -> Any:
        found: Any = self._root
        for step in filter(None, reference.removeprefix("#").split("/")):
            step = unquote(step).replace("~1", "/").replace("~0", "~")
            found = found.get(step) if isinstance(found, Mapping) else None
        return found

    def _union(self, words: str, branches: list[Any], inside: tuple[str, ...]) -> str:
        shapes = [each for each in branches if each != {"type": "null"}]
        if sum(isinstance(each, Mapping) and "properties" in each for each in shapes) > 1:
            return "Any"
        kinds = [self.type_of(words, each, inside) for each in shapes]
        return _either([*kinds, *["None"] * (len(shapes) < len(branches))])

    def _of_kind(
        self, words: str, node: Mapping[str, Any], kind: Any, inside: tuple[str, ...]
    ) -> str:
        if kind == "array":
            item = node.get("items")
            return f"list[{self.type_of(words, item, inside) if item else 'Any'}]"
        if kind == "object":
            return self._class(words, node, inside) if node.get("properties") else "dict[str, Any]"
        return _PYTHON.get((kind, node.get("format")), _PYTHON.get((kind, None), "Any"))

    def _class(self, words: str, node: Mapping[str, Any], inside: tuple[str, ...]) -> str:
        """Write the class of an object, and return its name."""
        joined = "".join(part[:1].upper() + part[1:] for part in re.split(r"\W+|_", words))
        name = python_name(joined if joined.isidentifier() else f"Record{joined}", self._taken)
        self._taken.add(name)
        required = node.get("required", ())
        lines = [f"class {name}(BaseModel):"]
        for key, member in _name_members(node).items():
            place = node["properties"][key]
            kind = self.type_of(key, place, inside)
            lines.append(f"    {self._member(key, member, kind, place, key in required)}")
        self.written.append("\n".join(lines))
        return name

    def _member(self, key: str, name: str, kind: str, place: Any, needed: bool) -> str:
        description = place.get("description") if isinstance(place, Mapping) else None
        more = [f"alias={python_literal(key)}"] if name != key else []
        if description and self._exact:
            more.append(f"description={python_literal(description)}")
        if needed:
            return f"{name}: {kind}" + (f" = Field({', '.join(more)})" if more else "")
        if self._exact and kind.startswith("list[") and not kind.endswith("| None"):
            empty, default = "[]", "default_factory=list"
        else:
            kind = kind if kind == "Any" or self._exact else _either([kind, "None"])
            empty, default = "None", "default=None"
        return f"{name}: {kind} = " + (f"Field({', '.join([default, *more])})" if more else empty)


def _either(kinds: Iterator[str] | list[str]) -> str:
    """A union of types without repeats, None last."""
    known: dict[str, None] = {}
    for kind in kinds:
        inner = kind.removesuffix(" | None")
        known |= dict.fromkeys((inner, "None") if inner != kind else (kind,))
    if "Any" in known or not known:
        return "Any"
    return " | ".join(sorted(known, key=lambda kind: kind == "None"))


def _literal(values: list[Any]) -> str:
    plain = [each for each in values if each is None or type(each) in (str, int, bool)]
    if len(plain) < len(values) or not values:
        return "Any"
    named = ", ".join(python_literal(each) for each in plain if each is not None)
    return _either([*([f"Literal[{named}]"] if named else []), *["None"] * (None in plain)])


def _name_members(schema: Mapping[str, Any]) -> dict[str, str]:
    """The name of each property's field, for which the property itself is an alias if need be."""
    names: dict[str, str] = {}
    # Those that stay as they are come first, so that none of them is taken.
    for key in sorted(schema["properties"], key=lambda key: _member_name(key) != key):
        names[key] = _member_name(key, *names.values())
    return {key: names[key] for key in schema["properties"]}


def _member_name(key: str, *others: str) -> str:
    # What begins with _ is not a field to pydantic.
    name = python_name(python_name(key).lstrip("_"), {*_OF_MODELS, *others})
    kept = name.startswith(("model_validate", "model_dump"))  # by pydantic, for its own methods
    return python_name(f"field_{name}", others) if kept else name


def _list_members(node: Any) -> Iterator[str]:
    """The names of all fields, those of inner objects too."""
    if isinstance(node, list):
        for each in node:
            yield from _list_members(each)
    if not isinstance(node, Mapping):
        return
    if isinstance(node.get("properties"), Mapping):
        yield from _name_members(node).values()
    for each in node.values():
        yield from _list_members(each)
