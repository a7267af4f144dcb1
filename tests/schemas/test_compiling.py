"""One schema, cut to OpenAI's strict subset: inside the rules, losses told, replies mapped back."""

from __future__ import annotations

import json
import random
import re
import string
from pathlib import Path
from typing import Annotated, Literal

import jsonschema_rs
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel, Field

from llmwidgets.errors import FieldError
from llmwidgets.schemas import Subset, read_schema

_KEYWORDS = """description const pattern format minimum maximum exclusiveMinimum
    exclusiveMaximum multipleOf minItems maxItems"""
_FORMATS = set("date-time time date duration email hostname ipv4 ipv6 uuid".split())  # noqa: SIM905

OPENAI = Subset(
    name="OpenAI",
    keywords=frozenset(_KEYWORDS.split()),
    formats=frozenset(_FORMATS),
    all_required=True,
    closed=True,
    root_object=True,
    distinct_first_keys=True,
    max_depth=10,
    max_properties=5000,
    max_enum_values=1000,
    large_enum=250,
    max_large_enum_chars=15_000,
    max_chars=120_000,
)

# --- the rules of strict mode, written down again and apart from the compiler -----------------

_STRUCTURE = "type properties required additionalProperties items anyOf enum $ref $defs"
_ALLOWED = {*_STRUCTURE.split(), *_KEYWORDS.split()}


def broken_rules(schema: dict) -> list[str]:
    """Every strict rule that a sent schema breaks, with its place."""
    broken: list[str] = []
    if schema.get("type") != "object" or "anyOf" in schema or "$ref" in schema:
        broken.append("root: no plain object")
    defs = schema.get("$defs", {})
    values, count = 0, 0
    tops = [("root", {k: v for k, v in schema.items() if k != "$defs"})]
    tops += [(f"$defs/{name}", node) for name, node in defs.items()]
    waiting = [(place, node, 1) for place, node in tops]
    chars = sum(map(len, defs))
    while waiting:
        place, node, level = waiting.pop()
        broken += [f"{place}: {said}" for said in _broken_here(node, defs)]
        if level > 10:
            broken.append(f"{place}: nested {level} levels")
        count += len(node.get("properties", ()))
        values += len(node.get("enum", ()))
        chars += sum(map(len, node.get("properties", ())))
        chars += sum(len(str(each)) for each in [*node.get("enum", ()), node.get("const", "")])
        for name, each in node.get("properties", {}).items():
            waiting.append((f"{place}/{name}", each, level + 1))
        if "items" in node:
            waiting.append((f"{place}[]", node["items"], level + 1))
        for each in node.get("anyOf", ()):
            waiting.append((f"{place}|", each, level))
    for name, figure, most in (
        ("properties", count, 5000), ("enum values", values, 1000), ("characters", chars, 120_000)
    ):  # fmt: skip
        if figure > most:
            broken.append(f"{figure} {name}, more than {most}")
    return broken


def _broken_here(node: dict, defs: dict) -> list[str]:
    if "$ref" in node:
        known = node["$ref"] == "#" or node["$ref"].removeprefix("#/$defs/") in defs
        return ([] if set(node) == {"$ref"} else ["$ref with siblings"]) + (
            [] if known else [f"{node['$ref']} is nowhere"]
        )
    broken = [f"{keyword} is not permitted" for keyword in set(node) - _ALLOWED]
    if "type" not in node and "anyOf" not in node:
        broken.append("no type")
    types = node.get("type", [])
    types = [types] if isinstance(types, str) else types
    if "object" in types:
        if node.get("additionalProperties") is not False or "properties" not in node:
            broken.append("open object")
        if list(node.get("required", ())) != list(node.get("properties", ())):
            broken.append("not all properties are required")
    if "array" in types and not isinstance(node.get("items"), dict):
        broken.append("array without items")
    if "format" in node and node["format"] not in _FORMATS:
        broken.append(f"format {node['format']}")
    if re.search(r"\(\?<?[=!]", node.get("pattern", "")):
        broken.append("look-around")
    if len(node.get("enum", ())) > 250 and sum(map(len, map(str, node["enum"]))) > 15_000:
        broken.append("large enum")
    if "anyOf" in node:
        firsts = [key for each in node["anyOf"] for key in _first_keys(each, defs)]
        if len(firsts) != len(set(firsts)):
            broken.append(f"branches share a first key of {sorted(firsts)}")
    return broken


def _first_keys(node: dict, defs: dict) -> set[str]:
    seen: set[str] = set()
    waiting, keys = [node], set()
    while waiting:
        each = waiting.pop()
        if "$ref" in each:
            name = each["$ref"].removeprefix("#/$defs/")
            if name not in seen:
                seen.add(name)
                waiting.append(defs[name])
        waiting.extend(each.get("anyOf", ()))
        keys.update(list(each.get("properties", {}))[:1])
    return keys


# --- instances -------------------------------------------------------------------------------


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


def real_schemas(folder: Path) -> list[tuple[str, dict]]:
    files = sorted((folder / "json-schemas").glob("*/*.json"))
    return [(f"{each.parent.name}/{each.stem}", json.loads(each.read_text())) for each in files]


# --- over real schemas -----------------------------------------------------------------------


def test_every_real_schema_compiles_inside_the_rules_or_is_refused_by_name(shared_data):
    """600 real schemas: never a crash; what is sent breaks no rule; refusals are remote refs."""
    refused, broken = [], {}
    for name, schema in real_schemas(shared_data):
        try:
            sent = read_schema(schema).compile(OPENAI).schema
        except FieldError as error:
            refused.append((name, error.message))
            continue
        if found := broken_rules(sent):
            broken[name] = found
        jsonschema_rs.validator_for(sent)
    assert broken == {}
    assert [name for name, _ in refused] == ["JsonSchemaStore/swagger-2.0"]
    assert "http://json-schema.org/draft-04/schema#" in refused[0][1]


def test_valid_instances_stay_valid_after_there_and_back(shared_data):
    """Over the real schemas, restore(adapt(x)) is valid under the original wherever x is."""
    worse, unsendable, without, tried = [], [], [], 0
    for name, schema in real_schemas(shared_data):
        if name == "JsonSchemaStore/swagger-2.0":
            continue
        read = read_schema(schema)
        compiled = read.compile(OPENAI)
        sent = jsonschema_rs.validator_for(compiled.schema)
        instances, valid = Instances(schema, seed=7), 0
        for _ in range(8):
            instance = instances.make(schema)
            if read.problems(instance):
                continue
            valid += 1
            adapted = compiled.adapt(instance)
            if not sent.is_valid(adapted):
                unsendable.append(name)
            if read.problems(compiled.restore(adapted)):
                worse.append((name, instance))
        tried += valid
        without += [] if valid else [name]
    assert worse == []
    # Names that a pattern forbids travel as entries with any key, so only the value is at odds.
    assert set(unsendable) <= {"Snowplow/sp_309_Normalized"}
    assert tried > 3500
    assert len(without) <= 70, f"no valid instance was made for {without}"


_NEVER_SENT = {"minLength", "maxLength", "uniqueItems", "minProperties", "maxProperties"}


def _lost_places(node: dict, path: str = "") -> set[tuple[str, str]]:
    """Constraints that strict mode cannot hold, found by walking plain properties and items."""
    found = {
        (key, path) for key in _NEVER_SENT & set(node) if node[key] and _speaks(key, node)
    }  # fmt: skip
    if node.get("type") == "string" and node.get("format", "date") not in _FORMATS:
        found.add(("format", path))
    if node.get("type") == "object":
        for name, each in node.get("properties", {}).items():
            if name.isidentifier() and isinstance(each, dict):
                found |= _lost_places(each, f"{path}.{name}" if path else name)
    if node.get("type") == "array" and isinstance(node.get("items"), dict):
        found |= _lost_places(node["items"], f"{path}[]")
    return found


def _speaks(keyword: str, node: dict) -> bool:
    spoken = {"Length": "string", "Items": "array", "Properties": "object"}
    return any(keyword.endswith(end) and node.get("type") == kind for end, kind in spoken.items())


def test_losses_are_the_keywords_removed(shared_data):
    """Each constraint strict mode cannot hold is a loss; no loss is of a keyword never written."""
    for name, schema in real_schemas(shared_data):
        text = json.dumps(schema)
        if name == "JsonSchemaStore/swagger-2.0":
            continue
        losses = {(loss.keyword, loss.path) for loss in read_schema(schema).compile(OPENAI).losses}
        if not any(f'"{word}"' in text for word in ("$ref", "anyOf", "oneOf", "allOf", "enum")):
            assert _lost_places(schema) <= losses, name
        older = {"dependentRequired": "dependencies", "dependentSchemas": "dependencies"}
        older["prefixItems"] = "items"
        for keyword, path in losses:
            assert f'"{older.get(keyword, keyword)}"' in text, (name, keyword, path)


# --- one by one ------------------------------------------------------------------------------


def compiled(schema: dict):
    return read_schema(schema).compile(OPENAI)


def an_object(**properties) -> dict:
    return {"type": "object", "properties": properties}


def test_optional_properties_are_sent_nullable_and_null_means_absent():
    result = compiled(an_object(name={"type": "string"}, note={"type": ["string", "null"]}))
    assert result.schema["required"] == ["name", "note"]
    assert result.schema["properties"]["name"]["type"] == ["string", "null"]
    assert result.restore({"name": None, "note": None}) == {"note": None}
    assert result.adapt({}) == {"name": None, "note": None}


def test_null_is_dropped_where_the_object_is_only_right_without():
    """A property that takes null stays null, unless its presence breaks the object's own rule."""
    text_or_null = {"type": ["string", "null"]}
    schema = an_object(card=text_or_null, address={"type": "string"})
    schema["dependentRequired"] = {"card": ["address"]}
    result = compiled(schema)
    assert result.restore({"card": None, "address": None}) == {}
    assert result.restore({"card": None, "address": "x"}) == {"card": None, "address": "x"}


def test_a_root_that_is_no_object_is_wrapped_and_unwrapped():
    result = compiled({"type": "array", "items": {"type": "string"}})
    assert result.wrapped
    assert broken_rules(result.schema) == []
    assert result.adapt(["a"]) == {"value": ["a"]}
    assert result.restore({"value": ["a"]}) == ["a"]


def test_a_root_union_is_wrapped():
    result = compiled({"anyOf": [an_object(a={}), an_object(b={})]})
    assert result.wrapped
    assert result.restore({"value": {"a": 1}}) == {"a": 1}


def test_open_dicts_travel_as_key_and_value():
    schema = an_object(totals={"type": "object", "additionalProperties": {"type": "number"}})
    result = compiled({**schema, "required": ["totals"]})
    sent = result.schema["properties"]["totals"]
    assert sent["type"] == "array"
    assert list(sent["items"]["properties"]) == ["key", "value"]
    record = {"totals": {"net": 1.5, "tax": 0.5}}
    assert result.adapt(record)["totals"][0] == {"key": "net", "value": 1.5}
    assert result.restore(result.adapt(record)) == record


def test_an_object_with_listed_and_open_properties_keeps_both():
    schema = {**an_object(a={"type": "string"}), "additionalProperties": {"type": "integer"}}
    result = compiled(schema)
    assert result.restore(result.adapt({"a": "x", "b": 2})) == {"a": "x", "b": 2}
    assert broken_rules(result.schema) == []


def test_a_constraint_not_enforced_is_a_loss_and_told_to_the_model():
    name = {"type": "string", "maxLength": 10, "description": "Name."}
    result = compiled(an_object(name=name))
    assert [str(loss) for loss in result.losses] == [
        "maxLength at name: OpenAI does not enforce it; the reply is still checked."
    ]
    assert result.schema["properties"]["name"]["description"] == "Name. {maxLength: 10}"


def test_annotations_are_no_losses():
    field = {"type": "integer", "default": 3, "title": "N", "examples": [1]}
    result = compiled({**an_object(n=field), "title": "T", "$comment": "c"})
    assert result.losses == ()
    assert result.schema["properties"]["n"] == {"type": ["integer", "null"]}


def test_all_of_is_merged():
    schema = {
        "allOf": [
            {**an_object(a={"type": "string"}), "required": ["a"]},
            an_object(b={"type": "integer", "minimum": 1}, a={"pattern": "x"}),
        ],
        "type": "object",
        "required": ["b"],
    }
    result = compiled(schema)
    assert result.losses == ()
    assert result.schema["required"] == ["a", "b"]
    assert result.schema["properties"]["a"] == {"type": "string", "pattern": "x"}


def test_one_of_becomes_any_of_with_distinct_first_keys():
    """Branches that begin alike are reordered, or wrapped where they have nothing else."""
    cat = {**an_object(kind={"const": "cat"}, lives={"type": "integer"}), "required": ["kind"]}
    dog = {**an_object(kind={"const": "dog"}, bark={"type": "string"}), "required": ["kind"]}
    fox = {**an_object(kind={"const": "fox"}), "required": ["kind"]}
    result = compiled({**an_object(pet={"oneOf": [cat, dog, fox]}), "required": ["pet"]})
    assert broken_rules(result.schema) == []
    for pet in ({"kind": "cat", "lives": 9}, {"kind": "dog", "bark": "u"}, {"kind": "fox"}):
        adapted = result.adapt({"pet": pet})
        assert jsonschema_rs.is_valid(result.schema, adapted)
        assert result.restore(adapted) == {"pet": pet}


def test_what_stands_beside_a_union_is_merged_into_its_branches():
    schema = {
        **an_object(id={"type": "integer"}),
        "required": ["id"],
        "anyOf": [an_object(a={"type": "string"}), an_object(b={"type": "string"})],
    }
    result = compiled(schema)
    branches = result.schema["properties"]["value"]["anyOf"]
    assert {"id"} < set(branches[0]["properties"])
    assert result.losses == ()


def test_a_union_of_mere_presence_is_a_loss():
    schema = {**an_object(a={"type": "string"}, b={"type": "string"})}
    result = compiled({**schema, "anyOf": [{"required": ["a"]}, {"required": ["b"]}]})
    assert [loss.keyword for loss in result.losses] == ["anyOf"]
    assert result.restore({"a": "x", "b": None}) == {"a": "x"}


def test_recursion_is_kept_where_taken_and_asked_for_as_text_where_not():
    tree = {**an_object(name={"type": "string"}), "required": ["name"]}
    tree["properties"]["children"] = {"type": "array", "items": {"$ref": "#"}}
    record = {"name": "a", "children": [{"name": "b", "children": []}]}
    strict = compiled(tree)
    assert strict.restore(strict.adapt(record)) == record
    flat = Subset(name="Flat", keywords=OPENAI.keywords, closed=True, recursion=False)
    result = read_schema(tree).compile(flat)
    assert "$ref" in {loss.keyword for loss in result.losses}
    assert result.restore(result.adapt(record)) == record


@given(
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.text(),
        lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
        max_leaves=12,
    )
)
@settings(max_examples=60, deadline=None)
def test_any_json_goes_there_and_back(value):
    """A place without a type carries every JSON value, objects and empty ones included."""
    schema = read_schema({**an_object(any={}), "required": ["any"]})
    for subset in (OPENAI, Subset(name="Flat", closed=True, recursion=False)):
        result = schema.compile(subset)
        adapted = result.adapt({"any": value})
        assert jsonschema_rs.is_valid(result.schema, adapted)
        assert result.restore(adapted) == {"any": value}


def test_a_definition_of_the_users_may_be_called_like_ours():
    schema = an_object(a={"$ref": "#/$defs/AnyJSON"}, b={})
    result = compiled({**schema, "$defs": {"AnyJSON": {"type": "integer"}}})
    record = {"a": 3, "b": {"x": [1]}}
    assert result.restore(result.adapt(record)) == record
    assert jsonschema_rs.is_valid(result.schema, result.adapt(record))


@given(
    st.recursive(
        st.none() | st.booleans() | st.floats(allow_nan=False) | st.text(),
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["a", "key", "value", "tags", "x"]), inner, max_size=3
            )
        ),
        max_leaves=12,
    )
)
@settings(max_examples=100, deadline=None)
def test_ill_shaped_replies_never_crash_the_way_back(reply):
    class Inner(BaseModel):
        a: str
        x: int | None = None

    class Outer(BaseModel):
        a: Inner | list[Inner] | None = None
        tags: dict[str, Inner] = {}
        value: Literal["u", "v"] | int

    schema = read_schema(Outer)
    schema.problems(schema.compile(OPENAI).restore(reply))


def test_large_enums_become_plain_text_with_a_loss():
    values = [f"value number {each}" for each in range(1001)]
    result = compiled({**an_object(e={"enum": values}), "required": ["e"]})
    assert result.schema["properties"]["e"]["type"] == "string"
    assert [loss.keyword for loss in result.losses] == ["enum"]


def test_deep_nesting_moves_into_definitions():
    node: dict = {"type": "string"}
    for level in range(25):
        node = {**an_object(**{f"p{level}": node}), "required": [f"p{level}"]}
    result = compiled(node)
    assert broken_rules(result.schema) == []
    assert result.losses == ()


def test_pydantic_models_compile_without_a_loss_of_sense():
    class Line(BaseModel):
        name: str
        total: Annotated[float, Field(ge=0)]

    class Invoice(BaseModel):
        """An invoice."""

        number: str
        kind: Literal["invoice", "credit"] = "invoice"
        lines: list[Line] = []
        pair: tuple[int, str] | None = None

    result = read_schema(Invoice).compile(OPENAI)
    assert broken_rules(result.schema) == []
    assert {loss.keyword for loss in result.losses} == {"prefixItems"}
    sent = {"number": "1", "kind": None, "lines": None, "pair": None}
    record = read_schema(Invoice).judge(result.restore(sent))
    assert record == Invoice(number="1")


def test_compiling_happens_once_for_each_subset():
    schema = read_schema(an_object(a={"type": "string"}))
    assert schema.compile(OPENAI) is schema.compile(OPENAI)
    assert schema.compile(OPENAI) is not schema.compile(Subset(name="Other"))
