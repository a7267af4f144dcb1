"""What each dialect makes of hard schemas: optional, nullable, open, recursive, large, hostile."""

from __future__ import annotations

import json
from types import ModuleType

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmwidgets.dialects import anthropic, gemini, openai
from llmwidgets.schemas import Compiled, SchemaSubset, read_schema
from tests.schemas import rules_anthropic, rules_gemini, rules_openai
from tests.schemas.instances import valid_instances

OPENAI, ANTHROPIC, GEMINI = (each.SUBSET for each in (openai, anthropic, gemini))
RULES: list[tuple[SchemaSubset, ModuleType]] = [
    (OPENAI, rules_openai), (ANTHROPIC, rules_anthropic), (GEMINI, rules_gemini),
]  # fmt: skip
TEXT = {"type": "string"}
TEXT_OR_NULL = {"type": ["string", "null"]}


def an_object(**properties) -> dict:
    return {"type": "object", "properties": properties}


def an_object_of(properties: dict, required: list[str]) -> dict:
    return {**an_object(**properties), "required": required, "additionalProperties": False}


def compiled(schema: dict, subset: SchemaSubset) -> Compiled:
    return read_schema(schema).compile(subset)


def check(schema: dict, *records: object) -> None:
    """In each dialect: no rule broken, the excess known, and records go there and back valid."""
    read = read_schema(schema)
    for subset, rules in RULES:
        result = read.compile(subset)
        assert rules.broken(result.schema) == [], subset.name
        assert bool(rules.over_limits(result.schema)) == bool(result.excess), subset.name
        sent = jsonschema_rs.validator_for(result.schema)
        for record in records:
            assert not read.problems(record)
            adapted = result.adapt(record)
            assert sent.is_valid(adapted), (subset.name, record, adapted)
            assert not read.problems(result.restore(adapted)), (subset.name, record)


# --- any schema ------------------------------------------------------------------------------

HOSTILE = [
    "a.b", "a[]", "[0]", '"', "'", "\\", "", " ", "\n", "é", "名", "\u202e", "__proto__",
    "constructor", "$ref", "$defs", "properties", "key", "value", "entries", "option_1",
    "additional_properties", "required", "type", "anyOf", "x" * 300,
]  # fmt: skip
names = st.sampled_from([*HOSTILE, "name", "total", "kind"]) | st.text(max_size=6)
scalars = st.sampled_from([
    TEXT, {"type": "integer"}, {"type": "number", "minimum": 0, "exclusiveMaximum": 9},
    {"type": "boolean"}, {"type": "null"}, {"type": ["integer", "null"]}, {},
    {"type": "string", "maxLength": 5, "minLength": 2}, {"type": "string", "format": "uri"},
    {"type": "string", "pattern": "^[a-z]+$"}, {"enum": ["a", None]}, {"enum": [1, 2.5, "a"]},
    {"enum": [True, "x"]}, {"const": False}, {"const": "c"}, {"const": None}, {"const": 0},
    {"enum": [{"a": 1}, [2]]}, {"type": "object"}, {"type": "array"}, {"multipleOf": 3},
    {"type": "integer", "multipleOf": 5, "description": "Fives."}, {"$ref": "#/$defs/node"},
    {"$ref": "#/$defs/leaf", "description": "A leaf."}, {"allOf": [{"$ref": "#/$defs/leaf"}]},
])  # fmt: skip


def _objects(inner: st.SearchStrategy) -> st.SearchStrategy:
    def made(parts: tuple[dict, list, object]) -> dict:
        properties, kept, rest = parts
        whole = {"type": "object", "properties": properties}
        whole["required"] = [name for name, keep in zip(properties, kept, strict=False) if keep]
        return whole if rest is None else {**whole, "additionalProperties": rest}

    rest = st.none() | st.booleans() | inner
    kept = st.lists(st.booleans(), max_size=4)
    return st.tuples(st.dictionaries(names, inner, max_size=4), kept, rest).map(made)


def _larger(inner: st.SearchStrategy) -> st.SearchStrategy:
    some = st.lists(inner, min_size=1, max_size=3)
    return st.one_of(
        _objects(inner),
        inner.map(lambda each: {"type": "array", "items": each, "minItems": 1, "maxItems": 3}),
        some.map(lambda each: {"type": "array", "prefixItems": each, "minItems": len(each)}),
        some.map(lambda each: {"anyOf": each}),
        some.map(lambda each: {"oneOf": [*each, {"type": "null"}]}),
        st.tuples(_objects(inner), _objects(inner)).map(lambda both: {"allOf": list(both)}),
        inner.map(lambda each: {"type": "object", "additionalProperties": each}),
        inner.map(lambda each: {"type": "object", "patternProperties": {"^x-": each}}),
    )


any_schema = st.recursive(scalars, _larger, max_leaves=10)
definitions = st.fixed_dictionaries({
    "node": st.sampled_from([
        an_object_of({"name": TEXT, "next": {"$ref": "#/$defs/node"}}, ["name"]),
        an_object_of({"all": {"type": "array", "items": {"$ref": "#/$defs/node"}}}, ["all"]),
        {"anyOf": [TEXT, {"type": "array", "items": {"$ref": "#/$defs/node"}}]},
    ]),
    "leaf": st.sampled_from([TEXT, {"enum": ["a", "b"]}, an_object_of({"v": TEXT}, ["v"])]),
})  # fmt: skip


def _names(data: object) -> list:
    """The names of all properties that hold a value, at any depth."""
    if isinstance(data, dict):
        held = {name: each for name, each in data.items() if each is not None}
        return sorted([*held, *(name for each in held.values() for name in _names(each))])
    return [name for each in data for name in _names(each)] if isinstance(data, list) else []


@given(any_schema, definitions)
@settings(max_examples=150, deadline=None)
def test_any_schema_compiles_inside_the_rules_of_every_dialect(node, defs):
    """Whatever is combined: no crash, no rule broken, excess known, valid records stay valid."""
    schema = {**node, "$defs": defs} if "$ref" not in node else {"allOf": [node], "$defs": defs}
    read = read_schema(schema)
    made = valid_instances(read, most=2, tries=4)
    for subset, rules in RULES:
        result = read.compile(subset)
        assert rules.broken(result.schema) == []
        assert bool(rules.over_limits(result.schema)) == bool(result.excess)
        for record in made:
            back = result.restore(result.adapt(record))
            # Properties that the schema does not list are dropped, and oneOf may hang on them.
            assert _names(back) != _names(record) or not read.problems(back), subset.name
        json.dumps(result.schema)


@given(st.dictionaries(names, st.sampled_from([TEXT, {"type": "integer"}]), max_size=6), st.data())
@settings(max_examples=100, deadline=None)
def test_hostile_names_arrive_as_they_are(properties, data):
    """Whatever properties are called, sent and received records have exactly those names."""
    names_of = sorted(properties)
    required = data.draw(st.lists(st.sampled_from(names_of), unique=True)) if names_of else []
    record = {name: "x" if each == TEXT else 3 for name, each in properties.items()}
    present = {name: record[name] for name in required}
    schema = an_object_of(properties, required)
    check(schema, record, present)
    for subset, _ in RULES:
        result = compiled(schema, subset)
        assert result.restore(result.adapt(record)) == record
        assert result.restore(result.adapt(present)) == present


# --- one by one ------------------------------------------------------------------------------


def test_optional_is_not_nullable():
    """OpenAI writes null for absence; the others leave out what is optional, null kept apart."""
    schema = an_object_of({"a": TEXT, "b": TEXT_OR_NULL, "c": TEXT}, ["c"])
    check(schema, {"c": "x"}, {"c": "x", "b": None}, {"a": "y", "b": "z", "c": "x"})
    for subset in (ANTHROPIC, GEMINI):
        result = compiled(schema, subset)
        assert result.schema["required"] == ["c"]
        assert result.adapt({"c": "x", "b": None}) == {"c": "x", "b": None}


def test_gemini_takes_open_objects_and_the_others_lists_of_key_and_value():
    schema = an_object_of({"totals": {"type": "object", "additionalProperties": TEXT}}, ["totals"])
    check(schema, {"totals": {}}, {"totals": {"net": "1", "": "2"}})
    assert compiled(schema, GEMINI).schema["properties"]["totals"] == {
        "type": "object", "additionalProperties": TEXT,
    }  # fmt: skip
    sent = compiled(schema, ANTHROPIC).schema["properties"]["totals"]
    assert sent["items"]["required"] == ["key", "value"]


def test_an_empty_open_object_is_told_from_an_empty_list():
    either = {"oneOf": [{"type": "object", "additionalProperties": TEXT}, {"type": "array"}]}
    schema = an_object_of({"either": either}, ["either"])
    check(schema)
    for subset, _ in RULES:
        result = compiled(schema, subset)
        for record in ({"either": {}}, {"either": []}, {"either": {"a": "b"}}):
            assert result.restore(result.adapt(record)) == record


def test_gemini_lists_texts_and_numbers_only():
    """true, false and null are types beside the list; one of true and false alone is a loss."""
    schema = an_object_of({"a": {"enum": ["x", None, 2]}, "b": {"const": True}}, ["a", "b"])
    check(schema, {"a": None, "b": True}, {"a": 2, "b": True})
    result = compiled(schema, GEMINI)
    assert result.schema["properties"]["a"]["anyOf"] == [
        {"type": "string", "enum": ["x"]}, {"type": "null"}, {"type": "integer", "enum": [2]},
    ]  # fmt: skip
    assert result.schema["properties"]["b"] == {"type": "boolean"}
    assert [str(each) for each in result.losses] == [
        "const at b: Gemini takes no true or false in a list; the reply is still checked."
    ]


def test_constants_are_lists_of_one_at_gemini():
    result = compiled(an_object_of({"kind": {"const": "invoice"}}, ["kind"]), GEMINI)
    assert result.schema["properties"]["kind"] == {"type": "string", "enum": ["invoice"]}
    assert result.losses == ()


def test_gemini_takes_tuples():
    pair = {"type": "array", "prefixItems": [TEXT, {"type": "integer"}], "items": False}
    schema = an_object_of({"pair": pair}, ["pair"])
    check(schema, {"pair": ["a", 1]}, {"pair": []})
    result = compiled(schema, GEMINI)
    assert result.losses == ()
    assert result.schema["properties"]["pair"]["maxItems"] == 2


def test_gemini_breaks_required_cycles_with_a_loss():
    """Recursion is taken only inside properties that may be absent."""
    tree = an_object_of({"name": TEXT, "all": {"type": "array", "items": {"$ref": "#"}}}, ["all"])
    check(tree, {"all": []}, {"all": [{"name": "a", "all": []}]})
    result = compiled(tree, GEMINI)
    assert {loss.keyword for loss in result.losses} == {"required"}
    assert "all" not in result.schema["$defs"]["Record"]["required"]


def test_a_cycle_without_a_property_is_an_excess_at_gemini():
    nested = {"anyOf": [TEXT, {"type": "array", "items": {"$ref": "#/$defs/nested"}}]}
    schema = {**an_object_of({"a": {"$ref": "#/$defs/nested"}}, ["a"]), "$defs": {"nested": nested}}
    check(schema, {"a": [["x"], "y"]})
    assert compiled(schema, GEMINI).excess == "Gemini takes recursion only where it may be absent"
    assert compiled(schema, ANTHROPIC).excess == "Anthropic takes no recursion"
    assert compiled(schema, OPENAI).excess == ""


def test_null_for_an_optional_property_means_absent_in_every_dialect():
    """The instructions ask for null where a text gives no value, also of who could leave it out."""
    schema = an_object_of({"a": TEXT, "b": TEXT_OR_NULL, "in": an_object(c=TEXT)}, [])
    for subset, _ in RULES:
        restored = compiled(schema, subset).restore({"a": None, "b": None, "in": {"c": None}})
        assert restored == {"b": None, "in": {}}


@pytest.mark.parametrize(("count", "excess"), [(24, False), (40, False), (41, True)])
@pytest.mark.parametrize("field", [TEXT, TEXT_OR_NULL, {"anyOf": [TEXT, {"type": "null"}]}])
def test_anthropic_spreads_optional_fields_over_its_two_limits(field, count, excess):
    """24 may be absent and 16 nullable; above that the schema is known to exceed the limits."""
    if field is not TEXT and count == 24:
        count = 16
    schema = an_object_of({f"f{each}": field for each in range(count)}, [])
    check(schema, {}, {"f3": "x", f"f{count - 1}": "y"})
    result = compiled(schema, ANTHROPIC)
    assert bool(result.excess) == excess
    assert result.losses == ()
    if count == 40:
        assert len(result.schema["properties"]) - len(result.schema["required"]) == 24


def test_anthropic_counts_no_enum():
    """An optional enum takes null as one of its values, and counts towards no limit."""
    fields = {f"f{each}": {"enum": ["a", "b"]} for each in range(60)}
    schema = an_object_of(fields, [])
    check(schema, {}, {"f1": "a"})
    result = compiled(schema, ANTHROPIC)
    assert result.excess == ""
    assert result.schema["properties"]["f1"] == {"enum": ["a", "b", None]}
    assert result.restore({"f1": None, "f2": "a"}) == {"f2": "a"}


def test_anthropic_excess_says_how_much_there_is():
    schema = an_object_of({f"f{each}": TEXT for each in range(60)}, [])
    said = "Anthropic takes at most 24 properties that may be absent, and there are 60"
    assert compiled(schema, ANTHROPIC).excess == said


def test_anthropic_is_told_in_words_what_it_does_not_enforce():
    price = {"type": "number", "minimum": 0, "maximum": 9, "description": "In euros."}
    result = compiled(an_object_of({"price": price}, ["price"]), ANTHROPIC)
    said = "In euros. {minimum: 0, maximum: 9}"
    assert result.schema["properties"]["price"] == {"type": "number", "description": said}
    assert {loss.keyword for loss in result.losses} == {"minimum", "maximum"}


def test_a_place_without_a_type_travels_as_json_text_at_anthropic():
    schema = an_object_of({"any": {}}, ["any"])
    check(schema, {"any": None}, {"any": {"a": [1]}}, {"any": "text"}, {"any": "3"})
    result = compiled(schema, ANTHROPIC)
    assert result.schema["properties"]["any"]["type"] == "string"
    for value in ("3", 3, {"a": [None]}):
        assert result.restore(result.adapt({"any": value})) == {"any": value}


@given(st.integers(900, 1300), st.integers(1, 90))
@settings(max_examples=15, deadline=None)
def test_big_enums_are_sent_or_lost_and_never_half(count, length):
    values = [f"{each:0{length}d}" for each in range(count)]
    values = list(dict.fromkeys(values))
    schema = an_object_of({"code": {"enum": values}, "other": TEXT}, ["code"])
    check(schema, {"code": values[-1]}, {"code": values[0], "other": "x"})
    result = compiled(schema, OPENAI)
    fits = len(values) <= 1000 and sum(map(len, values)) <= 15_000
    assert ("enum" in result.schema["properties"]["code"]) == fits
    assert [loss.keyword for loss in result.losses] == ([] if fits else ["enum"])


def test_openai_knows_a_schema_that_is_too_large_in_any_form():
    wide = an_object_of({f"f{each}": TEXT for each in range(5001)}, [])
    check(wide, {"f1": "x"})
    said = "OpenAI takes at most 5,000 properties, and there are 5,001"
    assert compiled(wide, OPENAI).excess == said
    long = an_object_of({f"{each}{'x' * 1300}": TEXT for each in range(100)}, [])
    check(long)
    assert "characters of names and values" in compiled(long, OPENAI).excess


def test_a_schema_within_the_limits_has_no_excess():
    schema = an_object_of({"a": TEXT, "b": TEXT_OR_NULL}, ["a"])
    assert [compiled(schema, subset).excess for subset, _ in RULES] == ["", "", ""]


def test_dependencies_are_a_loss_in_every_draft():
    """The judge of replies heeds `dependencies` also where the draft has renamed it."""
    schema = {**an_object_of({"a": TEXT, "b": TEXT}, []), "dependencies": {"a": ["b"]}}
    assert read_schema(schema).problems({"a": "x"})
    for subset, _ in RULES:
        losses = compiled(schema, subset).losses
        assert [loss.keyword for loss in losses] == ["dependentRequired"]
