"""Names of variants in a run's folder: the same question has the same one, another never has it."""

from __future__ import annotations

import re

from hypothesis import given, settings
from hypothesis import strategies as st

from llmwidgets.comparison.cluster.spec import find_names, name_variant
from llmwidgets.connections import Connection
from llmwidgets.dialects.types import Example
from llmwidgets.engine.request_builder import ResolvedVariant
from llmwidgets.schemas import read_schema

SCHEMA = read_schema([{"name": "total", "type": "number"}])
OTHER = read_schema([{"name": "total", "type": "integer"}])


def named(label="work/m", model="m", at="http://127.0.0.1:9/v1", schemas=(SCHEMA,), **more) -> str:
    connection = Connection("custom", name=model, endpoint=at, label="work")
    return name_variant(ResolvedVariant(label, connection, model, **more), schemas)


def test_whatever_changes_the_question_changes_the_name() -> None:
    names = [
        named(), named(model="m2"), named(at="http://127.0.0.1:8/v1"), named(effort="high"),
        named(instructions="Read."), named(examples=(Example("a", {"total": 1}),)),
        named(temperature=0.5), named(schemas=[OTHER]), named(schemas=[SCHEMA, OTHER]),
    ]  # fmt: skip
    assert len(set(names)) == len(names)
    assert named(schemas=[OTHER, SCHEMA]) == named(schemas=[SCHEMA, OTHER])
    assert named(schema=OTHER) == named(schemas=[OTHER])
    # What a call costs is none of the question.
    assert named(price={"input": 1, "output": 1}) == named()


@settings(max_examples=30)
@given(st.text())
def test_a_name_is_one_for_any_file_system(label) -> None:
    assert re.fullmatch("[a-z0-9][a-z0-9-]{0,39}-[0-9a-f]{8}", named(label)), label


def test_another_label_finds_the_replies_of_the_same_question() -> None:
    before = named("luna")
    assert find_names([named("Luna, again")], [before, "sol-00000000"]) == [before]
    assert find_names([named("luna")], []) == [before]
    # Two variants that ask the same have folders of their own.
    two = find_names([named("luna"), named("luna")], [before])
    assert two[0] == before
    assert two[1] != before
    assert find_names([named("one"), named("luna")], [before])[1] == before


NAMES = st.sampled_from(["a-00000000", "b-00000000", "b-2-00000000", "c-11111111"])


@given(st.lists(NAMES, max_size=5), st.lists(NAMES, max_size=3))
def test_no_two_variants_of_a_run_share_a_name(wanted, found) -> None:
    names = find_names(wanted, found)
    assert len(set(names)) == len(wanted)
    assert [each[-8:] for each in names] == [each[-8:] for each in wanted]
