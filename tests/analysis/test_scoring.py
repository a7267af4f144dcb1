"""What counts as right: the rules a user reads in the documentation, one by one."""

from __future__ import annotations

import json
import random
import time
from collections import Counter

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from llmwidgets.analysis.alignment import align
from llmwidgets.analysis.comparators import read_scoring
from llmwidgets.analysis.leaves import NOTHING, leaves_of
from llmwidgets.analysis.scoring import failed_score, score
from llmwidgets.errors import FieldError
from llmwidgets.schemas import read_schema

ROWS = [
    {"name": "number"},
    {"name": "total", "type": "number"},
    {"name": "day", "type": "date"},
    {"name": "kind", "values": ["Invoice", "Credit"]},
    {"name": "paid", "type": "boolean"},
    {"name": "mail", "type": "email"},
    {"name": "at", "type": "time"},
    {"name": "lines[].name"},
    {"name": "lines[].total", "type": "number"},
    {"name": "tags", "list": True},
]
SCHEMA = read_schema(ROWS)

any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(
            st.sampled_from(["number", "total", "lines", "name", "tags", "x"]), inner, max_size=4
        )
    ),
    max_leaves=15,
)
labelled_json = st.recursive(
    st.none() | st.booleans() | st.integers(0, 3) | st.sampled_from(["a", "b", "1.25", "x y"]),
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.sampled_from(["a", "b", "c"]), inner, max_size=3)
    ),
    max_leaves=16,
)


def is_right(field: str, value: object, truth: object, **scoring: str) -> bool:
    (cell,) = score(SCHEMA, {field: value}, {field: truth}, scoring=scoring or None).cells
    assert cell.right is not None
    return cell.right


@pytest.mark.parametrize(
    ("field", "value", "truth"),
    [
        ("number", "acme  gmbh", "ACME GmbH."),
        ("number", "Muller", "Müller"),
        ("number", "INV 2024 001", "INV-2024-001"),
        ("number", "1,250.00", "1250"),
        ("number", "$1,250", "1250.0 USD"),
        ("number", "12 March 2024", "2024-03-12"),
        ("number", "5%", "5 %"),
        ("number", "(1,200)", "-1200"),
        ("total", 1250, 1250.0),
        ("total", 0.30000000000000004, 0.3),
        ("total", "1.250,00", 1250),
        ("day", "12.03.2024", "2024-03-12"),
        ("day", "2024-03-12T00:00:00", "2024-03-12"),
        ("day", "2024-03-12T08:00:00", "2024-03-12"),
        ("paid", "true", True),
        ("at", "10:30", "10:30:00"),
        ("at", "2:05 pm", "14:05"),
        ("kind", "Invoice", "Invoice"),
        ("paid", False, False),
        ("mail", "Ada@Example.org", "ada@example.org"),
    ],
)
def test_equal_after_normalisation(field, value, truth):
    assert is_right(field, value, truth)
    assert is_right(field, truth, value)


@pytest.mark.parametrize(
    ("field", "value", "truth"),
    [
        ("number", "125", "1.25"),
        ("number", "125 kg", "1.25 kg"),
        ("number", "12", "1/2"),
        ("number", "7", "007"),
        ("number", "€5", "$5"),
        ("number", "5", "-5"),
        ("number", "2024-04-03", "03/04/2024"),
        ("number", "C", "C#"),
        ("total", 1000000001, 1000000000),
        ("total", 1000000.001, 1000000.002),
        ("total", True, 1),
        ("day", "2024-03-13", "2024-03-12"),
        ("kind", "invoice", "Invoice"),
        ("paid", "false", True),
        ("paid", 1, True),
        ("mail", "johndoe@example.org", "john.doe@example.org"),
    ],
)
def test_different_after_normalisation(field, value, truth):
    assert not is_right(field, value, truth)
    assert not is_right(field, truth, value)


def test_null_where_truth_is_null_is_right():
    result = score(SCHEMA, {"number": None}, {"number": None, "total": None})
    assert (result.labelled, result.right, result.invented, result.missed) == (2, 2, 0, 0)
    assert result.perfect


def test_invented_and_missed():
    result = score(SCHEMA, {"number": "x", "total": None}, {"number": None, "total": 3})
    assert [cell.state for cell in result.cells] == ["invented", "missing"]
    assert (result.invented, result.missed, result.accuracy) == (1, 1, 0.0)


def test_a_blank_answer_is_missed_not_different():
    (cell,) = score(SCHEMA, {"number": "  "}, {"number": "x"}).cells
    assert cell.state == "missing"


def test_absent_and_blank_truth_is_not_labelled():
    result = score(SCHEMA, {"number": "x", "total": 3}, {"number": " "})
    assert {cell.state for cell in result.cells} == {"unlabelled"}
    assert {cell.right for cell in result.cells} == {None}
    assert result.accuracy is None
    assert not result.perfect


def test_lists_are_aligned_whatever_their_order():
    truth = {"lines": [{"name": "a", "total": 1}, {"name": "b", "total": 2}], "tags": ["x", "y"]}
    value = {"lines": [{"name": "b", "total": 2}, {"name": "a", "total": 9}], "tags": ["y", "x"]}
    result = score(SCHEMA, value, truth)
    assert {cell.path: cell.state for cell in result.cells} == {
        "lines[0].name": "agree", "lines[0].total": "differ", "lines[1].name": "agree",
        "lines[1].total": "agree", "tags[0]": "agree", "tags[1]": "agree",
    }  # fmt: skip


def test_alignment_is_optimal_and_not_greedy():
    """Taking the likeliest pair first would leave the other two with nothing in common."""
    truth = [{"a": 1, "b": 1, "c": 1, "d": 9}, {"a": 1, "b": 1, "c": 2, "d": 2}]
    value = [{"a": 1, "b": 1, "c": 1, "d": 2}, {"a": 5, "b": 5, "c": 1, "d": 9}]
    assert score(None, value, truth).right == 5


def test_what_is_right_comes_before_what_is_fewest():
    """The exact item is the partner, though the other one left over has more leaves."""
    result = score(None, {"l": [{"a": 2, "b": 3}, {"a": 1}]}, {"l": [{"a": 1}]})
    assert (result.labelled, result.right, result.invented) == (3, 1, 2)


def test_an_item_too_many_is_invented_and_one_too_few_is_missed():
    """An extra item counts each leaf it has as labelled and not right."""
    two = {"lines": [{"name": "a", "total": 1}, {"name": "b", "total": 2}]}
    one = {"lines": [{"name": "b", "total": 2}]}
    more, fewer = score(SCHEMA, two, one), score(SCHEMA, one, two)
    assert (more.labelled, more.right, more.invented, more.missed) == (4, 2, 2, 0)
    assert (fewer.labelled, fewer.right, fewer.invented, fewer.missed) == (4, 2, 0, 2)


def test_an_empty_list_of_truth_is_a_label():
    assert score(SCHEMA, {"tags": None}, {"tags": []}).right == 1
    assert score(SCHEMA, {"tags": ["x", "y"]}, {"tags": []}).invented == 2


def test_a_record_of_another_shape_is_scored_field_by_field():
    truth = {"number": "x", "lines": [{"name": "a"}], "total": None}
    result = score(SCHEMA, {"number": ["x"], "lines": "a", "total": {"net": 3}}, truth)
    assert {cell.path: cell.state for cell in result.cells} == {
        "number": "differ", "lines": "invented", "lines[0].name": "missing",
        "total.net": "invented",
    }  # fmt: skip


def test_a_failed_reply_leaves_its_labelled_fields_not_right():
    result = failed_score(SCHEMA, {"number": "x", "total": None, "tags": ["a"]})
    assert {cell.state for cell in result.cells} == {"failed"}
    assert (result.labelled, result.right, result.missed, result.accuracy) == (3, 0, 2, 0.0)
    assert all(cell.value is NOTHING for cell in result.cells)


def test_scoring_overrides_a_field():
    assert not is_right("total", 10.004, 10)
    assert is_right("total", 10.004, 10, total="number:0.01")
    assert not is_right("number", "Main Street 12", "Main Str. 12")
    assert is_right("number", "Main Street 12", "Main Str. 12", number="similar:0.8")
    assert is_right("kind", "invoice", "Invoice", kind="text")
    assert not is_right("number", "acme", "ACME", number="exact")


def test_similarity_never_crosses_a_differing_digit():
    long = "Rue de la Republique 12, Lyon"
    assert not is_right("number", long.replace("12", "13"), long, number="similar:0.5")
    assert is_right("number", long.replace("blique", "blik"), long, number="similar:0.5")
    for one, other in (
        ("1-2 tablets daily", "12 tablets daily"),
        ("–5 °C at night", "5 °C at night"),
        ("Flat 1, 23 High Street", "Flat 12, 3 High Street"),
    ):
        assert not is_right("number", one, other, number="similar:0.5")
    assert is_right("number", "12, 69001 Lyons", "12 69001 Lyon", number="similar:0.8")


@pytest.mark.parametrize(
    ("scoring", "said"),
    [
        ({"totl": "number"}, "Nearest is total"),
        ({"total": "fuzzy"}, "unknown comparator 'fuzzy'"),
        ({"number": "similar:2"}, "unknown comparator"),
        ({"total": "number:-1"}, "unknown comparator"),
        ({"total": "exact:1"}, "unknown comparator"),
    ],
)
def test_a_wrong_override_is_a_field_error(scoring, said):
    with pytest.raises(FieldError) as caught:
        read_scoring(scoring, SCHEMA)
    assert said in caught.value.message
    assert caught.value.hint


PLACES = read_schema({
    "type": "object",
    "properties": {
        "tags": {"type": "array", "items": {"type": "string"}},
        "tag": {"type": "string"},
        "City": {"type": "string"},
        "policy": {"type": "object", "properties": {
            "number": {"type": "string"}, "claim_kind": {"type": "string"}}},
        "lines": {"type": "array", "items": {"type": "object", "properties": {
            "total": {"type": "number"}, "sku": {"type": "string"}}}},
        "a": {"type": "array", "items": {"type": "string"}},
    },
})  # fmt: skip


@pytest.mark.parametrize(
    ("path", "rule", "said"),
    [
        ("tags", "exact", "are written with []: tags[]."),
        ("a", "exact", "are written with []: a[]."),
        ("Tags", "exact", "are written with []: tags[]."),
        ("tags.0", "exact", "are written with []: tags[]."),
        ("tags[0]", "exact", "tags[]."),
        ("tags", lambda value, truth: value == truth, "tags[]."),
        ("lines", "exact", "are written with []: lines[].total, lines[].sku."),
        ("lines", "key:sku", "are written with []: lines[]."),
        ("lines.total", "number", "are written with []: lines[].total."),
        ("lines[0].total", "number", "lines[].total."),
        ("Lines.Total", "number", "lines[].total."),
        ("total", "number", "Nearest is lines[].total."),
        ("CITY", "exact", "Nearest is City."),
        ("policy", "exact", "Its fields are policy.number, policy.claim_kind."),
        ("policy.claimkind", "exact", "Nearest is policy.claim_kind."),
        ("number", "exact", "Nearest is policy.number."),
        (5, "exact", "The schema has no such field."),
    ],
)
def test_a_place_that_is_not_there_names_the_one_that_is_meant(path, rule, said):
    with pytest.raises(FieldError) as caught:
        read_scoring({path: rule}, PLACES)
    assert said in caught.value.message


def test_overrides_reach_leaves_inside_lists():
    result = score(
        SCHEMA, {"lines": [{"total": 2.4}]}, {"lines": [{"total": 2}]},
        scoring={"lines[].total": "number:0.5"},
    )  # fmt: skip
    assert result.perfect


def shuffled(value: object, generator: random.Random) -> object:
    """The same record with every list in another order."""
    if isinstance(value, dict):
        return {name: shuffled(each, generator) for name, each in value.items()}
    if isinstance(value, list):
        items = [shuffled(each, generator) for each in value]
        generator.shuffle(items)
        return items
    return value


def sums(result) -> tuple:
    return result.labelled, result.right, result.invented, result.missed


def figures(result) -> tuple:
    """All that is summed up: over all fields, of each field, and of the rows of each list."""
    fields = Counter((each.pattern, each.right) for each in result.cells if each.right is not None)
    return sums(result), fields, dict(result.lists)


# Two rows count for as much: which is taken decides whether the lists around them are the same,
@example([[None, [None, 2, "1.25"]]], [[[None, "1.25"], False, True, [None, 2]]], 0)
@example([[[None, 2, "1.25"]]], [[False, [None, False, "1.25"], [None, 2]]], 0)
# how many rows are invented,
@example([[[], 2], "1.25"], ["", [], ["ham"]], 1)
# and which field is right.
@example(
    [{"a": "Anna", "b": "May", "c": "Anna"}, {"a": "Anna", "b": 2, "c": 2}],
    [{"a": "Bob", "b": "May", "c": "Bob"}, {"a": "Anna", "b": "May", "c": 2}],
    1,
)
@given(labelled_json, labelled_json, st.integers(0, 999))
@settings(max_examples=150, deadline=None)
def test_permuting_lists_changes_no_score(value, truth, seed):
    generator = random.Random(seed)
    expected = figures(score(None, value, truth))
    assert figures(score(None, shuffled(value, generator), truth)) == expected
    assert figures(score(None, value, shuffled(truth, generator))) == expected


@given(any_json, any_json)
@settings(max_examples=200, deadline=None)
def test_any_value_is_scored_against_any_truth(value, truth):
    """Never a crash; the sums are those of the cells; no share outside 0 to 1."""
    result = score(SCHEMA, value, truth)
    assert 0 <= result.right <= result.labelled
    assert result.right + result.invented + result.missed <= result.labelled
    assert result.accuracy is None or 0 <= result.accuracy <= 1
    assert sum(cell.right is not None for cell in result.cells) == result.labelled


@given(labelled_json)
@settings(max_examples=100, deadline=None)
def test_truth_itself_is_perfect(truth):
    result = score(None, truth, truth)
    assert result.right == result.labelled
    assert (result.invented, result.missed) == (0, 0)


@given(labelled_json, labelled_json)
@settings(max_examples=100, deadline=None)
def test_every_labelled_leaf_of_truth_is_counted(value, truth):
    """What a model says adds to the labelled leaves but never takes one away."""
    assert score(None, value, truth).labelled >= failed_score(None, truth).labelled - len(
        [1 for _, _, each in leaves_of(None, truth) if each is None]
    )


def test_long_lists_are_paired_quickly_and_right():
    truth = [{"id": f"n{i}", "total": i, "note": "same"} for i in range(250)]
    value = [{**each, "note": "other"} for each in truth]
    random.Random(3).shuffle(value)
    started = time.process_time()
    result = score(None, value, truth)
    assert result.right == 500
    assert time.process_time() - started < 20


def test_a_hundred_items_without_an_exact_partner_are_paired_optimally():
    truth = [{"id": f"n{i}", "total": i % 7, "note": "same"} for i in range(60)]
    value = [{**each, "note": "other"} for each in reversed(truth)]
    assert score(None, value, truth).right == 120


def test_names_that_an_open_object_invents_share_one_pattern():
    schema = read_schema({"type": "object", "additionalProperties": {"type": "number"}})
    assert leaves_of(schema, {"a": 1, "b c": 2}) == [("a", "*", 1), ('["b c"]', "*", 2)]


def test_align_gives_a_row_for_each_leaf():
    rows = align(None, {"a": 1}, {"a": 1, "b": 2}, lambda _, one, other: one == other)
    assert [(row.path, row.truth, row.value) for row in rows] == [("a", 1, 1), ("b", 2, NOTHING)]


def test_three_real_models_over_real_documents(shared_data):
    """Real outputs of real models, invalid ones included, are scored within sane bounds."""
    folder = shared_data / "docubench"
    means = {}
    for model in ("gpt", "claude", "gemini"):
        shares = []
        for path in sorted((folder / "labels").glob("*.json")):
            schema = read_schema(folder / "schemas" / path.name)
            value = json.loads((folder / "results" / model / path.name).read_text())["data"]
            shares.append(score(schema, value, json.loads(path.read_text())).accuracy)
        assert None not in shares
        means[model] = sum(shares) / len(shares)
    assert means["claude"] < means["gpt"] < means["gemini"]
    assert all(0.88 < each < 0.98 for each in means.values())
