"""A rule of scoring may be a function of the user's: what it may return, and where it shows."""

from __future__ import annotations

import inspect
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import llmwidgets as lw
from llmwidgets.analysis.comparators import ScoringFunction
from llmwidgets.analysis.scoring import score
from llmwidgets.comparison import Comparison
from llmwidgets.demo import invoices, stop_demo
from llmwidgets.errors import FieldError
from llmwidgets.widgets.comparison.scores.score_view import score_view

ROWS = [
    {"name": "name"},
    {"name": "total", "type": "number"},
    {"name": "paid", "type": "boolean"},
    {"name": "lines[].sku"},
    {"name": "tags", "list": True},
]
TRUTH = [{"name": "Ada Lovelace", "total": 100, "paid": True}, {"name": "Bob", "total": 50}]
SAID = [{"name": "A. Lovelace", "total": 104, "paid": True}, {"name": "Bob", "total": 80}]


def within_five(value, truth):
    return abs(value - truth) <= 5


def same_surname(value, truth):
    return value.split()[-1] == truth.split()[-1]


def overlap(value, truth):
    one, other = set(value.split()), set(truth.split())
    return len(one & other) / len(one | other)


@dataclass
class Within:
    """Has an equality and so no hash, as users write them."""

    amount: float

    def __call__(self, value, truth):
        return abs(value - truth) <= self.amount


def whole(value, truth, schema):
    return sum(value.get(name) == truth.get(name) for name in schema["properties"]) / 5


@pytest.fixture(scope="module")
def demo() -> Iterator[None]:
    yield
    stop_demo()


def made(scoring=None, said=SAID) -> Comparison:
    outputs = {"A": said, "B": TRUTH}
    return Comparison.from_outputs(ROWS, ["a", "b"], outputs, TRUTH, scoring=scoring)


def accuracies(comparison: Comparison) -> list[float]:
    return comparison.scoreboard().accuracy.tolist()


def flat(text: str) -> str:
    return " ".join(text.split())


@pytest.mark.parametrize(
    ("scoring", "shares"),
    [
        (None, [1 / 3, 1 / 2]),
        ({"total": within_five}, [2 / 3, 1 / 2]),
        ({"total": Within(5)}, [2 / 3, 1 / 2]),
        ({"total": partial(lambda most, value, truth: abs(value - truth) <= most, 30)}, [2 / 3, 1]),
        ({"total": within_five, "name": same_surname}, [1, 1 / 2]),
        ({"total": within_five, "name": overlap}, [(2 + 1 / 3) / 3, 1 / 2]),
        ({"total": "number:5", "name": same_surname}, [1, 1 / 2]),
        ({"name": lambda value, truth: False}, [1 / 3, 0]),
        (whole, [3 / 5, 4 / 5]),
        ({"": whole}, [3 / 5, 4 / 5]),
        ({"": lambda value, truth: truth["total"] == 50}, [0, 1]),
    ],
)
def test_a_function_decides_in_every_way_in(scoring, shares) -> None:
    direct = made(scoring)
    for result in (direct, made().rescore(scoring), direct.rescore(direct.scoring)):
        found = result.by_text().query("variant == 'A'").accuracy.tolist()
        assert found == pytest.approx(shares)
        assert accuracies(result)[0] == pytest.approx(sum(shares) / 2)
    assert accuracies(direct.rescore(None)) == accuracies(made())


def test_compare_takes_functions_and_a_rerun_keeps_them(demo) -> None:
    texts = list(invoices.texts[:2])
    truth = {each["id"]: invoices.truth[each["id"]] for each in texts}
    scoring = {"total": lambda value, truth: False}
    result = lw.compare(
        invoices.Schema, texts, "demo", truth=truth, scoring=scoring, journal=False, progress=False
    )
    assert result.by_field().query("field == 'total'").right.sum() == 0
    again = result.rerun(progress=False)
    assert again.scoring == scoring
    assert accuracies(again) == accuracies(result)


@pytest.mark.parametrize("given_", [True, 1, 1.0, np.bool_(True), np.float32(1), 1 + 1e-12])
def test_what_counts_as_right(given_) -> None:
    assert accuracies(made({"total": lambda value, truth: given_}))[0] == pytest.approx(5 / 6)


@pytest.mark.parametrize("given_", [False, 0, 0.0, np.bool_(False), np.int64(0)])
def test_what_counts_as_wrong_says_nothing(given_) -> None:
    result = made({"total": lambda value, truth: given_})
    assert result.by_field().query("field == 'total'").right.sum() == 0
    assert not result.scoreboard().attrs["notes"]


@given(st.floats(0, 1))
def test_a_share_counts_as_that_share_everywhere(share: float) -> None:
    result = made({"total": lambda value, truth: share})
    text = result.by_text().query("variant == 'A'").accuracy
    assert text.tolist() == pytest.approx([(1 + share) / 3, (1 + share) / 2])
    field = result.by_field().query("variant == 'A' and field == 'total'").iloc[0]
    assert field.accuracy == pytest.approx(share)
    assert field.right == (2 if share == 1 else 0)


@given(st.none() | st.text() | st.integers() | st.floats() | st.lists(st.booleans()))
def test_whatever_a_function_returns_is_a_share_or_told(given_) -> None:
    found = score(None, {"total": 1}, {"total": 2}, scoring={"total": lambda value, truth: given_})
    is_share = isinstance(given_, int | float) and -1e-9 <= given_ <= 1 + 1e-9
    assert found.accuracy == pytest.approx(given_ if is_share else 0, abs=1e-8)
    assert bool(found.notes) is not is_share


def test_rows_are_paired_by_what_a_function_says_and_not_by_what_is_the_same() -> None:
    """Also a value that is the truth itself is right only if the function says so."""
    rows = [{"sku": "ab", "name": "Steel bolt"}, {"sku": "ba", "name": "Wall clock"}]
    turned = [{"sku": each["sku"][::-1], "name": each["name"]} for each in rows]

    def reversed_(value, truth):
        return value == truth[::-1]

    for value, right in ((turned, 4), (rows, 2), (rows[::-1], 2)):
        found = score(None, {"lines": value}, {"lines": rows}, scoring={"lines[].sku": reversed_})
        assert found.right == right
    bare = [{"sku": each["sku"]} for each in rows]
    found = score(None, {"lines": bare}, {"lines": bare}, scoring={"lines[].sku": reversed_})
    assert found.right == 2


def raises(value, truth):
    raise ZeroDivisionError(f"{value} is in the document")


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (raises, "raises raised ZeroDivisionError"),
        (lambda value, truth: [][1], "<lambda> raised IndexError"),
        (lambda value, truth: lw.nonsense, "<lambda> raised AttributeError"),
        (lambda value, truth: None, "<lambda> returned None, not True, False or a share"),
        (lambda value, truth: "yes", "returned a str, not"),
        (lambda value, truth: 2, "returned 2, not"),
        (lambda value, truth: -0.1, "returned -0.1, not"),
        (lambda value, truth: math.nan, "returned nan, not"),
        (lambda value, truth: [value], "returned a list, not"),
    ],
)
@pytest.mark.parametrize("place", ["total", ""])
def test_a_function_that_fails_is_a_sentence_and_the_value_wrong(function, said, place) -> None:
    """It names variant, texts, field, function and class, and quotes nothing of a document."""
    result = made({place: function})
    by_text = result.by_text().query("variant == 'A'").accuracy.tolist()
    assert by_text == pytest.approx([1 / 3, 1 / 2] if place else [0, 0])
    where = "In total" if place else "In the record"
    notes = result.scoreboard().attrs["notes"]
    assert notes[0].startswith(f"A: text-01, text-02 were not compared in full. {where}: ")
    assert said in notes[0]
    assert "counts as wrong" in notes[0]
    for shown in (repr(result), result._repr_html_(), str(score_view(result))):
        assert "in the document" not in shown
        assert "not compared in full" in flat(shown)
    assert said.split(",")[0] in flat(repr(result))
    assert result.to_frame().attrs["notes"][0].startswith("A, text-01: ")


def test_an_interrupt_is_not_swallowed() -> None:
    def stopped(value, truth):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        made({"total": stopped}).scoreboard()


async def later(value, truth):
    return True


@pytest.mark.parametrize(
    ("scoring", "said"),
    [
        ({"total": lambda value: True}, "total: <lambda> cannot be called with (value, truth)."),
        ({"total": later}, "total: later is async; give a plain function."),
        ({"lines[]": within_five}, "lines[]: within_five is not a rule of a list"),
        ({"totl": within_five}, "Nearest is total."),
        ({"": "exact"}, "'exact' is not a function; only a function scores a whole record."),
        (lambda record: 1, "scoring: <lambda> cannot be called with (value, truth)."),
        ({"total": 5}, "total: unknown comparator 5; choose exact,"),
        (5, "scoring: must be rules by field or a function, not int."),
    ],
)
def test_what_cannot_be_a_function_is_said_before_a_call(scoring, said: str) -> None:
    with pytest.raises(FieldError) as caught:
        made(scoring)
    assert said in str(caught.value)
    with pytest.raises(FieldError):
        made().rescore(scoring)


def test_a_function_is_asked_once_for_two_values_and_never_about_nothing() -> None:
    asked = []

    def note(value, truth):
        asked.append((value, truth))
        return value == truth

    truth = {"name": "x", "total": None, "lines": [{"sku": "a"}, {"sku": "b"}]}
    value = {"name": "", "total": 3, "lines": [{"sku": "b"}, {"sku": "a"}]}
    scoring = {"name": note, "total": note, "lines[].sku": note}
    found = score(None, value, truth, scoring=scoring)
    assert (found.right, found.missed, found.invented) == (2, 1, 1)
    assert sorted(asked) == sorted(set(asked)) == [(a, b) for a in "ab" for b in "ab"]


def test_a_function_is_not_asked_about_lists_and_objects_in_place_of_a_value() -> None:
    found = score(None, {"total": {"x": 1}}, {"total": 3}, scoring={"total": raises})
    assert (found.accuracy, found.notes) == (0, ())


def test_a_record_may_be_changed_by_the_function_that_scores_it() -> None:
    def greedy(value, truth, schema):
        value.clear()
        truth.clear()
        schema.clear()
        return 1

    result = made(greedy)
    assert accuracies(result) == [1, 1]
    assert accuracies(result.rescore(None)) == accuracies(made())


def test_failed_replies_are_wrong_and_never_given_to_a_function() -> None:
    result = made(lambda value, truth: 1.0 / len(value), said=["no JSON", SAID[1]])
    assert accuracies(result)[0] == pytest.approx(1 / 4)
    assert not result.scoreboard().attrs["notes"]


def test_variants_are_compared_with_each_other_by_fields_alone() -> None:
    asked = []

    def note(value, truth):
        asked.append(value)
        return 1

    result = made({"": note})
    assert result.agreement().loc["A", "B"] == made().agreement().loc["A", "B"]
    assert asked == []


def test_a_function_is_known_again_even_if_it_cannot_be_hashed() -> None:
    """Its rules are read once for all extractions."""
    within = Within(5)
    assert len({ScoringFunction(within), ScoringFunction(within)}) == 1
    assert ScoringFunction(within) != ScoringFunction(Within(5))


def test_every_view_names_the_functions(tmp_path) -> None:
    result = made({"total": within_five, "name": "exact", "": whole})
    said = "Scored by custom functions: total by within_five, the whole record by whole."
    assert said in flat(repr(result))
    assert said in result._repr_html_()
    assert said in score_view(result)["beside"]
    assert said in result.to_html(tmp_path / "page.html").read_text("utf-8")
    assert "custom functions" not in repr(made({"name": "exact"}))


def test_changes_name_the_function() -> None:
    before, now = made({"total": "number:1"}), made({"total": within_five})
    assert now.changes_since(before) == (
        "Scoring: own rules for total (number:1), now own rules for total (within_five).",
    )
    assert made(whole).changes_since(made()) == (
        "Scoring: the default rules, now own rules for the whole record (whole).",
    )
    assert now.changes_since(made({"total": within_five})) == ()
    assert made({"total": Within(1)}).changes_since(made({"total": Within(1)})) == ()


@pytest.mark.parametrize(
    ("rule", "name"),
    [
        (within_five, "within_five"),
        (lambda value, truth: True, "compare_total"),
        (partial(within_five), "within_five"),
        (Within(3), "Within"),
    ],
)
def test_code_writes_the_function_by_its_name(rule, name: str) -> None:
    code = made({"total": rule, "name": "exact"}).code()
    assert f'    scoring={{"total": {name}, "name": "exact"}},\n' in code
    compile(code, "copied", "exec")
    assert f'    scoring={{"": {name if name != "compare_total" else "compare_records"}}},\n' in (
        made(rule).code()
    )


def test_a_saved_comparison_keeps_the_name_and_says_what_to_do(tmp_path) -> None:
    result = made({"total": within_five, "name": same_surname, "paid": "exact"})
    result.save(tmp_path / "kept.json")
    assert json.loads((tmp_path / "kept.json").read_text("utf-8"))["scoring"] == {
        "total": {"function": "within_five"}, "name": {"function": "same_surname"},
        "paid": "exact",
    }  # fmt: skip
    loaded = lw.load(tmp_path / "kept.json")
    assert accuracies(loaded) == accuracies(made())
    said = (
        "total was scored by the function within_five, which a file cannot hold: here it is "
        "scored by the default rules. To score as before, define within_five and call "
        'comparison.rescore({**comparison.scoring, "total": within_five}).'
    )
    assert said in flat(repr(loaded))
    assert said in loaded._repr_html_().replace("&quot;", '"')
    for table in (loaded.scoreboard(), loaded.to_frame(), loaded.by_field(), loaded.by_text()):
        assert said in table.attrs["notes"]
    assert loaded.changes_since(result)
    half = loaded.rescore({**loaded.scoring, "total": within_five})
    assert said not in flat(repr(half))
    assert "name was scored by the function same_surname" in flat(repr(half))
    again = half.rescore({**half.scoring, "name": same_surname})
    assert accuracies(again) == accuracies(result)
    assert again.changes_since(result) == ()
    # Saved once more before that, it still says so.
    half.save(tmp_path / "half.json")
    assert "same_surname" in flat(repr(lw.load(tmp_path / "half.json")))
    assert 'scoring={"total": within_five, "name": same_surname, "paid": "exact"}' in loaded.code()


def test_a_function_without_a_name_gets_one_to_define(tmp_path) -> None:
    made({"lines[].sku": lambda value, truth: True}).save(tmp_path / "kept.json")
    said = flat(repr(lw.load(tmp_path / "kept.json")))
    assert "lines[].sku was scored by the function <lambda>, which" in said
    assert 'comparison.rescore({**comparison.scoring, "lines[].sku": compare_lines_sku}).' in said


def test_a_damaged_rule_is_a_damaged_file(tmp_path) -> None:
    made().save(tmp_path / "kept.json")
    saved = json.loads((tmp_path / "kept.json").read_text("utf-8"))
    for wrong in ({"total": {"name": "x"}}, {"total": 5}, [1]):
        (tmp_path / "bad.json").write_text(json.dumps({**saved, "scoring": wrong}), "utf-8")
        with pytest.raises(FieldError, match="damaged"):
            lw.load(tmp_path / "bad.json")


def test_values_are_compared_without_a_look_at_the_signature() -> None:
    """Which takes longer than most functions of two values."""

    class Equal:
        looks = 0

        @property
        def __signature__(self):
            Equal.looks += 1
            return inspect.signature(within_five)

        def __call__(self, value, truth):
            return value == truth

    rule = ScoringFunction(Equal())
    assert (rule.share(1, 1), rule.share(1, 2), Equal.looks) == (1, 0, 0)
