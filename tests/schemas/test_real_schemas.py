"""600 real schemas in three dialects: inside the rules, losses told, valid records kept valid."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache
from pathlib import Path
from types import ModuleType

import jsonschema_rs
import pytest

from llmwidgets.dialects import anthropic, gemini, openai
from llmwidgets.errors import FieldError
from llmwidgets.schemas import Schema, SchemaSubset, read_schema
from tests.schemas import rules_anthropic, rules_gemini, rules_openai
from tests.schemas.instances import valid_instances
from tests.schemas.removed import Sent, Written

DIALECTS = [
    pytest.param(openai.SUBSET, rules_openai, id="OpenAI"),
    pytest.param(anthropic.SUBSET, rules_anthropic, id="Anthropic"),
    pytest.param(gemini.SUBSET, rules_gemini, id="Gemini"),
]
REMOTE = "JsonSchemaStore/swagger-2.0"
NEVER_TRUE = {"Github_hard/o72527"}
"""A union with branches that no value satisfies; what only they ask for is not sent."""
NARROWER = {
    # Properties whose names no pattern covers may hold anything; only what one covers is asked for.
    "Snowplow/sp_309_Normalized", "Github_hard/o66237",
    # A format without a type lets numbers pass as well; a text is asked for.
    "Github_hard/o21335", "Github_hard/o21362", "Github_hard/o21391", "Github_hard/o21395",
    "Github_ultra/o21416",
}  # fmt: skip
"""Schemas that allow more than is asked for: what is sent is right, but not all that is."""
_STRUCTURE = {"anyOf", "oneOf", "allOf", "additionalProperties"}
"""Losses of these are looked for in the user's schema alone: the sent one has others of its own."""
EXCESSES = {"OpenAI": 0, "Anthropic": 39, "Gemini": 0}


@cache
def schemas(folder: Path) -> dict[str, Schema]:
    """All of them by name, without the one whose reference leads outside."""
    files = sorted((folder / "json-schemas").glob("*/*.json"))
    names = {f"{each.parent.name}/{each.stem}": each for each in files}
    return {name: read_schema(each) for name, each in names.items() if name != REMOTE}


@cache
def written(folder: Path) -> dict[str, Written]:
    return {name: Written(each.json) for name, each in schemas(folder).items()}


@cache
def instances(folder: Path) -> dict[str, list]:
    return {name: valid_instances(each) for name, each in schemas(folder).items()}


@pytest.fixture(scope="module", autouse=True)
def nothing_kept() -> Iterator[None]:
    """Later files of this process do not drag hundreds of schemas along."""
    yield
    for each in (schemas, written, instances):
        each.cache_clear()


def test_the_schema_with_a_remote_reference_is_refused_by_name(shared_data):
    assert len(schemas(shared_data)) == 599
    with pytest.raises(FieldError, match=r"leads outside the schema, to http://json-schema\.org"):
        read_schema(shared_data / "json-schemas" / f"{REMOTE}.json")


@pytest.mark.parametrize(("subset", "rules"), DIALECTS)
def test_what_is_sent_breaks_no_rule_of_the_dialect(
    shared_data, subset: SchemaSubset, rules: ModuleType
):
    """Never a crash; the form is always right, and what exceeds a limit is known as such."""
    broken, misjudged, excesses = {}, {}, 0
    for name, schema in schemas(shared_data).items():
        compiled = schema.compile(subset)
        if found := rules.broken(compiled.schema):
            broken[name] = found
        if bool(over := rules.over_limits(compiled.schema)) != bool(compiled.excess):
            misjudged[name] = (over, compiled.excess)
        excesses += bool(compiled.excess)
        jsonschema_rs.validator_for(compiled.schema)
    assert broken == {}
    assert misjudged == {}
    assert excesses == EXCESSES[subset.name]


@pytest.mark.parametrize(("subset", "rules"), DIALECTS)
def test_losses_are_the_keywords_removed(shared_data, subset: SchemaSubset, rules: ModuleType):
    """Each constraint that is no longer there is a loss, and each loss is no longer there."""
    silent, unfounded, removed_in_all = {}, {}, 0
    for name, schema in schemas(shared_data).items():
        compiled = schema.compile(subset)
        lost = {(loss.keyword, loss.path) for loss in compiled.losses}
        sent = Sent(compiled.schema, wrapped=compiled.wrapped)
        removed, text = set(), str(schema.json)
        for each in written(shared_data)[name].constraints():
            gone = {path for path in each.paths if not sent.holds(each.keyword, each.value, path)}
            removed |= {(each.keyword, path) for path in gone}
            # A definition used in several places is reported at the first of them.
            told = any((each.keyword, path) in lost for path in each.paths) or each.unions & lost
            if gone and not told:
                silent[name] = (each.keyword, sorted(gone)[:3])
        removed_in_all += len(removed)
        if extra := {each for each in lost - removed if each[0] not in _STRUCTURE}:
            unfounded[name] = sorted(extra)
        if absent := {key for key, _ in lost if key in _STRUCTURE and f"'{key}'" not in text}:
            unfounded[name] = sorted(absent)
    assert set(silent) <= NEVER_TRUE, silent
    assert unfounded == {}
    assert removed_in_all > 1500


@pytest.mark.parametrize(("subset", "rules"), DIALECTS)
def test_valid_records_go_there_and_back(shared_data, subset: SchemaSubset, rules: ModuleType):
    """A valid record is valid under the sent schema, and comes back valid and the same.

    The same, except that null may stand for a property that was absent, or the other way
    round; and except properties that the schema does not list where the dialect has no place
    for them, which is a loss.
    """
    worse, unsendable, changed = [], set(), set()
    for name, schema in schemas(shared_data).items():
        compiled = schema.compile(subset)
        sent = jsonschema_rs.validator_for(compiled.schema)
        dropping = any(loss.keyword == "additionalProperties" for loss in compiled.losses)
        for record in instances(shared_data)[name]:
            adapted = compiled.adapt(record)
            if not sent.is_valid(adapted):
                unsendable.add(name)
            back = compiled.restore(adapted)
            if schema.problems(back):
                worse.append((name, record, back))
            if not dropping and _without_nulls(back) != _without_nulls(record):
                changed.add(name)
    assert worse == []
    assert unsendable <= NARROWER
    assert changed == set()


def _without_nulls(data: object) -> object:
    if isinstance(data, dict):
        return {name: _without_nulls(each) for name, each in data.items() if each is not None}
    return [_without_nulls(each) for each in data] if isinstance(data, list) else data


def test_a_valid_record_was_made_for_all_but_the_schemas_named(shared_data, record_property):
    """The proof above speaks of every schema but these."""
    without = {name for name, made in instances(shared_data).items() if not made}
    named = set((Path(__file__).parent / "without_instance.txt").read_text().split())
    record_property("schemas without an instance", f"{len(without)}: {', '.join(sorted(without))}")
    assert without == named
    assert sum(map(len, instances(shared_data).values())) > 2000
