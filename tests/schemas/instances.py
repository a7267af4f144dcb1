"""Random instances of real schemas; jsonschema-rs says which of them are valid."""

from __future__ import annotations

import random
import string

from llmwidgets.schemas import Schema
from tests.schemas.matching import text_for


class Instances:
    """Random instances of a schema; most are valid, and jsonschema-rs says which."""

    def __init__(self, schema: dict, seed: int) -> None:
        self.schema = schema
        self.random = random.Random(seed)

    def pointer(self, reference: str) -> object:
        node: object = self.schema
        for part in reference.removeprefix("#").split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~").replace("%24", "$")
            node = node[int(key)] if isinstance(node, list) else node[key]  # type: ignore[index]
        return node

    def make(self, node: object, depth: int = 0) -> object:
        if not isinstance(node, dict):
            return "x"
        pick = self.random.choice
        if "$ref" in node:
            return self.make(self.pointer(node["$ref"]), depth + 1) if depth < 14 else None
        if "const" in node:
            return node["const"]
        if node.get("enum"):
            return pick(node["enum"])
        for keyword in ("anyOf", "oneOf"):
            if node.get(keyword):
                branch = pick(node[keyword])
                return self.make({**_without(node, keyword), **branch}, depth + 1)
        if node.get("allOf"):
            whole = _without(node, "allOf")
            for each in node["allOf"]:
                found = self.pointer(each["$ref"]) if "$ref" in each else each
                whole = {
                    **whole, **found,
                    "properties": {**whole.get("properties", {}), **found.get("properties", {})},
                    "required": [*whole.get("required", ()), *found.get("required", ())],
                }  # fmt: skip
            return self.make(whole, depth + 1)
        kind = node.get("type")
        if isinstance(kind, list):
            kind = pick(kind)
        if kind is None:
            hints = {"properties": "object", "additionalProperties": "object", "items": "array"}
            kind = next((v for k, v in hints.items() if k in node), None)
            kind = kind or ("object" if "required" in node else pick(["string", "integer"]))
        return getattr(self, f"_{kind}")(node, depth)

    def _object(self, node: dict, depth: int) -> dict:
        listed = node.get("properties", {})
        required = set(node.get("required", ()))
        few = depth > 4
        whole = {
            name: self.make(each, depth + 1)
            for name, each in listed.items()
            if name in required or (not few and self.random.random() < 0.5)
        }
        for pattern, each in node.get("patternProperties", {}).items():
            if not few and self.random.random() < 0.5:
                whole[text_for(pattern, self.random)] = self.make(each, depth + 1)
        for name in required - set(listed):
            whole[name] = self.make(node.get("additionalProperties", {}), depth + 1)
        rest = node.get("additionalProperties")
        if not few and isinstance(rest, dict) and self.random.random() < 0.7:
            whole["zz top"] = self.make(rest, depth + 1)
        if rest is None and not listed and self.random.random() < 0.5:
            whole["free"] = {"a": [1, {"key": "k", "value": None}]}
        return whole

    def _array(self, node: dict, depth: int) -> list:
        items = node.get("items", {})
        fewest = node.get("minItems", 0)
        count = max(fewest, 0 if depth > 5 else self.random.randint(0, 2))
        if isinstance(items, list):
            return [self.make(each, depth + 1) for each in items]
        return [self.make(items, depth + 1) for _ in range(min(count, 4))]

    def _string(self, node: dict, depth: int) -> str:
        known = {
            "date": "2024-02-29", "date-time": "2024-02-29T10:00:00Z", "email": "a@b.org",
            "uri": "https://a.org/b", "uuid": "9b2d5c1e-7a1f-4a52-9e1a-3f6d2c9b8a70",
            "time": "10:00:00Z", "hostname": "a.org", "ipv4": "1.2.3.4", "iri": "https://a.org",
        }  # fmt: skip
        if node.get("format") in known:
            return known[node["format"]]
        if "pattern" in node:
            return text_for(node["pattern"], self.random, node.get("minLength", 0))
        length = max(node.get("minLength", 0), min(node.get("maxLength", 6), 6))
        return "".join(self.random.choice(string.ascii_letters) for _ in range(length))

    def _integer(self, node: dict, depth: int) -> int:
        low = int(node.get("minimum", node.get("exclusiveMinimum", 0) or 0))
        return low + self.random.randint(0, 3) * int(node.get("multipleOf", 1) or 1)

    def _number(self, node: dict, depth: int) -> float:
        return self._integer(node, depth) + (0 if "multipleOf" in node else 0.5)

    def _boolean(self, node: dict, depth: int) -> bool:
        return self.random.random() < 0.5

    def _null(self, node: dict, depth: int) -> None:
        return None

    _any = _string


def _without(node: dict, keyword: str) -> dict:
    return {key: value for key, value in node.items() if key != keyword}


def valid_instances(schema: Schema, *, most: int = 4, tries: int = 40) -> list:
    """Some valid instances; none where no try was valid. The same each time."""
    maker, made = Instances(schema.json, seed=7), []
    for _ in range(tries):
        instance = maker.make(schema.json)
        if not schema.problems(instance):
            made.append(instance)
        if len(made) == most:
            break
    return made
