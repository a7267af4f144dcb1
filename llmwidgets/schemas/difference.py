"""Difference: what two schemas of the same fields say differently, place by place, as data."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import islice
from typing import Any

from llmwidgets.schemas.canonical import LISTS, MAPS, key_of, listed_types, prefixes
from llmwidgets.schemas.schema import MAX_LEAVES, Place, Schema, walk

FIELD, ORDER, REQUIRED, SPELLING = "field", "order", "required", "spelling"
"""Aspects that are not keywords: whether there is the place, in which order its fields are, whether
it must be there, and how a schema is written that says the same."""

_WALKED = {*MAPS, *LISTS, "items", "$ref", "required", "type", "nullable", ORDER}
_OPEN = "additionalProperties"


@dataclass(frozen=True, slots=True)
class Change:
    """One aspect of a place that two schemas put differently; None where one says nothing of it.

    `path` is "" for the record. An aspect is a keyword of JSON Schema (description, title, type,
    enum, format, minimum …) or one of those above.
    """

    path: str
    aspect: str
    old: Any
    new: Any

    @property
    def name(self) -> str:
        """The place and what changed of it: `total.description`."""
        return f"{self.path}.{self.aspect}" if self.path else self.aspect


def find_changes(old: Schema, new: Schema) -> tuple[Change, ...]:
    """What the new schema says differently, in the order of its fields; empty if nothing.

    >>> from llmwidgets.schemas import read_schema
    >>> schema = read_schema([{"name": "total", "type": "number"}])
    >>> changes = find_changes(schema, schema.described({"total": "in euros"}))
    >>> [change.name for change in changes]
    ['total.description']
    """
    before, after = read_facts(old), read_facts(new)
    changes = []
    for path in dict.fromkeys((*after, *before)):
        one, other = before.get(path), after.get(path)
        if one is None or other is None:
            changes.append(Change(path, FIELD, one is not None, other is not None))
            continue
        for aspect in dict.fromkeys((*one, *other)):
            pair = one.get(aspect), other.get(aspect)
            if aspect == ORDER:
                pair = _in_common(*pair)
            if key_of(pair[0]) != key_of(pair[1]):
                changes.append(Change(path, aspect, *pair))
    changed = {(change.path, change.aspect) for change in changes}
    # What is inside follows what is around it.
    first = [
        each for each in changes
        if each.aspect not in (FIELD, REQUIRED) or not any(
            (around, each.aspect) in changed for around in prefixes(each.path)[:-1]
        )
    ]  # fmt: skip
    if not first and old.digest != new.digest:
        return (Change("", SPELLING, None, None),)
    return tuple(first)


def _in_common(one: list[str] | None, other: list[str] | None) -> tuple[Any, Any]:
    """Both orders without the fields that only one has."""
    both = {*(one or ())} & {*(other or ())}
    left, right = ([name for name in names or () if name in both] for names in (one, other))
    return left, right


def read_facts(schema: Schema) -> dict[str, dict[str, Any]]:
    """What a schema says of each place, by path and aspect: groups and lists before their fields.

    Where the branches of a union differ, an aspect lists what they say.
    """
    said: dict[str, dict[str, list[Any]]] = {}
    for place in islice(walk(schema.canonical), MAX_LEAVES):
        facts = said.setdefault(place.at.path, {})
        for aspect, value in _facts(place).items():
            values = facts.setdefault(aspect, [])
            if value not in values:
                values.append(value)
    return {
        path: {aspect: _one(aspect, values) for aspect, values in facts.items()}
        for path, facts in said.items()
    }


def _facts(place: Place) -> dict[str, Any]:
    node, at = place.whole, place.at
    facts = {
        keyword: value for keyword, value in node.items()
        if keyword not in _WALKED and not (keyword == _OPEN and isinstance(value, dict))
    }  # fmt: skip
    facts |= {"type": listed_types(node), REQUIRED: at.required}
    if at.description:
        facts["description"] = at.description
    if at.nullable or node.get("nullable"):
        facts["type"].append("null")
    if "properties" in node:
        facts[ORDER] = list(node["properties"])
    return facts


def _one(aspect: str, values: list[Any]) -> Any:
    """One value for what the visits of a place said."""
    if aspect in ("description", "title"):
        return values[0]
    if aspect == REQUIRED:
        return all(values)
    if aspect == "type":
        return sorted({name for names in values for name in names})
    if aspect == ORDER:
        return list(dict.fromkeys(name for names in values for name in names))
    return values[0] if len(values) == 1 else values


def find_misfits(own: Schema, usual: Schema) -> tuple[list[str], list[str]]:
    """The fields that a schema lacks, and those that it has besides, of those that are compared."""
    lacking = [leaf.path for leaf in usual.leaves if leaf.path not in own.paths]
    return lacking, [leaf.path for leaf in own.leaves if leaf.path not in usual.paths]
