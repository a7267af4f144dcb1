"""A schema as Python: the lines of pydantic classes that read its records."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from keyword import iskeyword
from typing import Any

from llmwidgets.schemas.schema import Schema

_SCALARS = {"string": "str", "integer": "int", "number": "float", "boolean": "bool", "null": "None"}
_FORMATS = {"date": "dt.date", "date-time": "dt.datetime"}
_TAKEN = frozenset({"Any", "BaseModel", "Field", "Literal", "Record", "dt"})
_DEEPEST = 20


@dataclass(frozen=True, slots=True)
class PythonClasses:
    """Classes as lines, nested ones first; `annotation` is the type of a whole record.

    `names` are what the lines take from other modules: `dt`, `Any`, `Literal`, `Field`.
    """

    annotation: str
    lines: tuple[str, ...]
    names: frozenset[str]


def write_classes(schema: Schema) -> PythonClasses:
    """Classes with the fields of the schema, each with its type; descriptions are left out.

    They take what the schema takes, and more where it says what a type does not: `Any` stands
    for a union of several shapes and for what refers to itself. A field that may be left out is
    None then.

    >>> from llmwidgets.schemas import read_schema
    >>> bill = read_schema({"title": "Bill", "properties": {"total": {"type": "number"}}})
    >>> print(*write_classes(bill).lines, sep="\\n")
    class Bill(BaseModel):
        total: float | None = None
    """
    writer = _Writer(schema.json)
    annotation = writer.annotation(schema.json, schema.name or "Record", ())
    text = "\n".join([annotation, *writer.lines])
    names = {name for name in ("Any", "Literal", "dt") if _uses(text, name)}
    return PythonClasses(
        annotation, tuple(writer.lines), frozenset(names | ({"Field"} if writer.aliased else set()))
    )


def _uses(text: str, name: str) -> bool:
    return bool(re.search(rf"[:\[| ]{name}\b|^{name}\b", text))


@dataclass(slots=True)
class _Writer:
    root: Any
    lines: list[str] = field(default_factory=list)
    known: dict[str, str] = field(default_factory=dict)
    aliased: bool = False

    def annotation(self, node: Any, name: str, inside: tuple[str, ...]) -> str:
        """The type of one place, its classes written before it."""
        if not isinstance(node, dict) or len(inside) > _DEEPEST:
            return "Any"
        if isinstance(reference := node.get("$ref"), str):
            if reference in inside:
                return "Any"
            name = reference.rpartition("/")[2] or name
            return self.annotation(self._find(reference), name, (*inside, reference))
        for union in ("anyOf", "oneOf"):
            if union in node:
                return self._union(node[union], name, inside)
        if "allOf" in node:
            only = node["allOf"]
            single = isinstance(only, list) and len(only) == 1 and "properties" not in node
            return self.annotation(only[0], name, inside) if single else "Any"
        values = [node["const"]] if "const" in node else node.get("enum")
        if isinstance(values, list):
            return _literal(values)
        kinds = node.get("type")
        kinds = kinds if isinstance(kinds, list) else [kinds]
        return _either([self._of_kind(node, kind, name, inside) for kind in kinds])

    def _find(self, reference: str) -> Any:
        found = self.root
        for step in reference.removeprefix("#").strip("/").split("/") if reference != "#" else []:
            step = step.replace("~1", "/").replace("~0", "~")
            found = found.get(step) if isinstance(found, dict) else None
        return found

    def _union(self, branches: Any, name: str, inside: tuple[str, ...]) -> str:
        branches = branches if isinstance(branches, list) else []
        shapes = [each for each in branches if each != {"type": "null"}]
        if len([each for each in shapes if _is_object(each)]) > 1:
            return "Any"
        kinds = [self.annotation(each, name, inside) for each in shapes]
        return _either([*kinds, *(["None"] if len(shapes) < len(branches) else [])])

    def _of_kind(self, node: dict[str, Any], kind: Any, name: str, inside: tuple[str, ...]) -> str:
        if kind == "array":
            item = node.get("items")
            inner = self.annotation(item, _singular(name), inside) if item else "Any"
            return f"list[{inner}]"
        if kind == "object" or (kind is None and "properties" in node):
            return self._class(node, name, inside) if node.get("properties") else "dict[str, Any]"
        if kind == "string":
            return _FORMATS.get(str(node.get("format")), "str")
        return _SCALARS.get(str(kind), "Any")

    def _class(self, node: dict[str, Any], name: str, inside: tuple[str, ...]) -> str:
        title = node.get("title")
        own = _class_name(title if isinstance(title, str) and title.strip() else name)
        needed = node.get("required")
        needed = needed if isinstance(needed, list) else []
        properties = node["properties"].items()
        kinds = {key: self.annotation(each, key, inside) for key, each in properties}
        # A field of the name of a type would hide the type from the fields below it.
        used = {"Field", *re.findall(r"(?<![.\w])\w+", " ".join(kinds.values()))}
        fields = []
        for key, kind in kinds.items():
            attribute = _attribute(key, used)
            used.add(attribute)
            default = "" if key in needed else " = None"
            if attribute != key:
                self.aliased = True
                start = "None, " if default else ""
                default = f" = Field({start}alias={json.dumps(key, ensure_ascii=False)})"
            if key not in needed and kind != "Any":
                kind = _either([kind, "None"])
            fields.append(f"    {attribute}: {kind}{default}")
        written = "\n".join(fields)
        while self.known.setdefault(own, written) != written or own in _TAKEN:
            own += "_"
        lines = [f"class {own}(BaseModel):", *fields]
        if lines[0] not in self.lines:
            self.lines += ["", "", *lines] if self.lines else lines
        return own


def _is_object(node: Any) -> bool:
    return isinstance(node, dict) and ("properties" in node or node.get("type") == "object")


def _either(kinds: list[str]) -> str:
    """A union of types without repeats, None last."""
    parts = dict.fromkeys(part for kind in kinds for part in _parts(kind))
    if "Any" in parts or not parts:
        return "Any"
    return " | ".join(sorted(parts, key=lambda part: part == "None"))


def _parts(kind: str) -> list[str]:
    return kind.split(" | ") if "[" not in kind else _split(kind)


def _split(kind: str) -> list[str]:
    """The members of a union, those inside brackets and quotes left whole."""
    if kind.endswith(" | None"):
        return [*_split(kind.removesuffix(" | None")), "None"]
    return [kind]


def _literal(values: list[Any]) -> str:
    plain = [each for each in values if each is None or type(each) in (str, int, bool)]
    if len(plain) < len(values) or not values:
        return "Any"
    # JSON's spelling of a text is Python's too, except for half a pair of surrogates.
    named = ", ".join(
        json.dumps(each) if isinstance(each, str) else repr(each)
        for each in plain
        if each is not None
    )
    kinds = [f"Literal[{named}]"] if named else []
    return _either([*kinds, *(["None"] if None in plain else [])])


def _singular(name: str) -> str:
    return name[:-1] if len(name) > 3 and name.endswith("s") and not name.endswith("ss") else name


def _class_name(words: str) -> str:
    parts = re.findall(r"[^\W_]+", words)
    name = "".join(part[:1].upper() + part[1:] for part in parts)
    return name if name.isidentifier() and not iskeyword(name) else f"Record{name}"


_OF_MODELS = re.compile("model_|copy$|json$|dict$|schema|construct$|validate$|parse_|from_orm$")


def _attribute(key: str, used: set[str]) -> str:
    """A name near the key that a class can have."""
    name = re.sub(r"\W+", "_", key).strip("_") or "field"
    if not name.isidentifier() or iskeyword(name) or _OF_MODELS.match(name):
        name = f"{name}_" if name.isidentifier() else f"field_{name}"
    while name in used or hasattr(object, name):
        name += "_"
    return name
