"""A Comparison is a value: its figures add up, its views agree, and it survives being saved."""

from __future__ import annotations

import json
import math
import re
from datetime import datetime

import pandas as pd
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from llmwidgets.comparison import Comparison, Variant, estimate, load
from llmwidgets.errors import FAILURES, FieldError
from llmwidgets.widgets.comparison.scores.score_view import score_view

MARKER = "Birkenweg-Marker-8-Ulm"


class Line(BaseModel):
    name: str
    total: float | None = None


class Visit(BaseModel):
    at: datetime
    seats: int


class Letter(BaseModel):
    sender: str | None
    amount: float | None = None
    lines: list[Line] = []


TEXTS = [f"A letter of Ada to {MARKER} about 17.25 euro.", "A letter of Bob.", "Nothing much."]
TRUTH = [
    {"sender": "Ada", "amount": 17.25, "lines": [{"name": "paint", "total": 7}]},
    {"sender": "Bob", "amount": None},
    {"sender": None},
]
GOOD = [
    {"sender": "Ada", "amount": 17.25, "lines": [{"name": "paint", "total": 7}]},
    {"sender": "Bob", "amount": None},
    {"sender": None},
]
BAD = [
    {"sender": "Ada", "amount": 99, "lines": []},
    '{"sender": "Eve", "amount": 3}',
    "no JSON at all",
]


@pytest.fixture
def result() -> Comparison:
    return Comparison.from_outputs(Letter, TEXTS, {"good": GOOD, "bad": BAD}, truth=TRUTH)


def test_the_scoreboard_has_the_columns_of_the_contract_in_order(result: Comparison) -> None:
    assert list(result.scoreboard().columns) == [
        "variant", "model", "effort", "mode", "texts", "scored", "valid", "accuracy",
        "accuracy_low", "accuracy_high", "perfect", "pooled", "invented", "missed",
        "nulls_in_words", "rows_right", "rows_invented", "rows_missed", *FAILURES,
        "p50_seconds", "p95_seconds", "input_tokens", "output_tokens", "reasoning_tokens",
        "cost", "paid_now", "cost_per_1000", "p50_waiting_seconds", "precision", "recall", "f1",
        "lost", "loss_low", "loss_high", "answered_accuracy", "unanswered", "accuracy_if_wrong",
        "timed_out", "stability",
    ]  # fmt: skip


def test_what_is_right_wrong_invented_and_missed_is_counted(result: Comparison) -> None:
    good, bad = (row for _, row in result.scoreboard().iterrows())
    assert (good.accuracy, good.perfect, good.valid, good.invented, good.missed) == (1, 1, 1, 0, 0)
    # Text 1: sender right of four labelled leaves; text 2: none of two; text 3: no JSON.
    assert bad.accuracy == pytest.approx((1 / 4 + 0 + 0) / 3)
    assert (bad.valid, bad.perfect) == (pytest.approx(2 / 3), 0)
    assert bad.InvalidJSON == 1
    assert bad.invented == 1
    assert bad.missed == 2


def test_every_extraction_ends_in_exactly_one_class(result: Comparison) -> None:
    board = result.scoreboard()
    ok = [sum(e.status == "ok" for e in result if e.variant == name) for name in board.variant]
    assert list(board[list(FAILURES)].sum(axis=1) + ok) == list(board.texts)
    assert len(result) == len(list(result)) == 6


def test_unknown_is_nan_and_never_zero(result: Comparison) -> None:
    row = result.scoreboard().iloc[0]
    for name in ("cost", "cost_per_1000", "p50_seconds", "input_tokens", "reasoning_tokens"):
        assert math.isnan(row[name])


def test_a_model_failure_is_not_right_and_a_failure_of_the_way_is_not_scored() -> None:
    none = Comparison.from_outputs(Letter, TEXTS, {"a": [GOOD[0], None, "no JSON"]}, truth=TRUTH)
    row = none.scoreboard().iloc[0]
    assert (row.scored, row.Stopped, row.InvalidJSON) == (2, 1, 1)
    assert row.accuracy == pytest.approx((1 + 0) / 2)


def test_an_invalid_record_is_scored_field_by_field() -> None:
    outputs = {"a": [{"sender": "Ada", "amount": "much"}, *GOOD[1:]]}
    result = Comparison.from_outputs(Letter, TEXTS, outputs, truth=TRUTH)
    row = result.scoreboard().iloc[0]
    assert (row.InvalidRecord, row.scored) == (1, 3)
    assert row.accuracy == pytest.approx((1 / 4 + 1 + 1) / 3)
    assert next(iter(result)).data == {"sender": "Ada", "amount": "much"}


def test_the_long_frame_says_it_cell_by_cell(result: Comparison) -> None:
    frame = result.to_frame()
    assert list(frame.columns) == [
        "variant", "text_id", "repeat", "field", "value", "truth", "right", "status", "grounded",
        "copied",
    ]  # fmt: skip
    cells = frame.set_index(["variant", "text_id", "field"])
    wrong = cells.loc[("bad", "text-01", "amount")]
    assert (wrong.value, wrong.truth, wrong.right, wrong.grounded) == (99, 17.25, False, "absent")
    assert cells.loc[("good", "text-01", "amount")].grounded in ("exact", "normalised")
    failed = frame[(frame.variant == "bad") & (frame.text_id == "text-03")]
    assert set(failed.status) == {"InvalidJSON"}
    assert list(failed.right) == [False]


def test_an_unscored_failure_keeps_a_row() -> None:
    result = Comparison.from_outputs(Letter, TEXTS, {"a": [None] * 3}, truth=TRUTH)
    frame = result.to_frame()
    assert list(frame.text_id) == ["text-01", "text-02", "text-03"]
    assert set(frame.right) == {None}


def test_records_are_a_row_a_text_and_a_column_a_leaf(result: Comparison) -> None:
    records = result.records("good")
    assert list(records.columns) == ["sender", "amount", "lines[].name", "lines[].total"]
    assert list(records.index) == ["text-01", "text-02", "text-03"]
    assert records.loc["text-01", "lines[].name"] == ["paint"]
    assert result.records("bad").loc["text-03"].isna().all()
    with pytest.raises(FieldError, match="good, bad"):
        result.records("other")


def test_differences_show_each_variant_beside_the_truth(result: Comparison) -> None:
    frame = result.differences().set_index(["text_id", "field"])
    row = frame.loc[("text-01", "amount")]
    assert (row.truth, row.good, row.bad, row.marks) == (17.25, 17.25, 99, "= ≠")
    assert frame.loc[("text-02", "amount")].marks == "= +"
    assert frame.loc[("text-01", "lines[0].name")].marks == "= −"
    assert ("text-01", "sender") not in frame.index
    assert frame.loc[("text-03", "")].marks == "= !"


def test_a_failure_of_the_way_is_no_difference() -> None:
    result = Comparison.from_outputs(Letter, TEXTS, {"a": GOOD, "b": [None] * 3}, truth=TRUTH)
    assert result.differences().empty


def test_without_truth_the_majority_agrees() -> None:
    outputs = {name: [{"sender": name[1:]}] for name in ("1Ada", "2ada ", "3Eve")}
    result = Comparison.from_outputs(Letter, ["x"], outputs)
    row = result.differences().iloc[0]
    assert (row.field, row.marks) == ("sender", "= = ≠")
    assert math.isnan(result.scoreboard().accuracy[0])
    assert "Without truth" in result.verdict().sentence


def test_without_truth_the_static_views_show_agreement() -> None:
    """A share in place of what is right, said to be no measure of it; with truth it is gone."""
    outputs = {"A": [{"sender": "Ada"}] * 4, "B": [{"sender": "Ada"}] * 3 + [{"sender": "Eve"}]}
    result = Comparison.from_outputs(Letter, list("wxyz"), outputs)
    for said in result._repr_mimebundle_().values():
        assert "% the same" in said
        assert "75.0" in said
        assert "variants can agree and be wrong" in said
    scored = result.correct("text-01", "sender", "Ada")
    assert "% the same" not in scored._repr_html_()
    alone = Comparison.from_outputs(Letter, ["w"], {"A": [{"sender": "Ada"}]})
    assert "% the same" not in alone._repr_html_()


def test_without_a_majority_nobody_is_right() -> None:
    outputs = {"a": [{"sender": "Ada"}], "b": [{"sender": None}]}
    result = Comparison.from_outputs(Letter, ["x"], outputs)
    assert list(result.differences().marks) == ["≠ −"]


def test_rescore_calls_nothing_and_leaves_the_first_as_it_was(result: Comparison) -> None:
    before = result.scoreboard()
    again = result.rescore({"amount": "number:100"})
    assert again.scoreboard().accuracy[1] > before.accuracy[1]
    pd.testing.assert_frame_equal(result.scoreboard(), before)
    with pytest.raises(FieldError, match="amount"):
        result.rescore({"amuont": "number"})
    with pytest.raises(FieldError):
        result.rescore({"amount": "roughly"})


def test_against_says_what_flipped(result: Comparison) -> None:
    better = Comparison.from_outputs(
        Letter, TEXTS, {"good": GOOD, "bad": [GOOD[0], *BAD[1:]]}, truth=TRUTH
    )
    flipped = better.against(result).set_index(["variant", "field"])
    assert set(flipped.index.get_level_values("variant")) == {"bad"}
    row = flipped.loc[("bad", "amount")]
    assert (row.value_before, row.value_now) == (99, 17.25)
    assert (row.right_before, row.right_now) == (False, True)
    assert better.against(better).empty


def test_saved_and_loaded_it_says_the_same(result: Comparison, tmp_path) -> None:
    path = result.save(tmp_path / "result.json")
    loaded = load(path)
    pd.testing.assert_frame_equal(loaded.scoreboard(), result.scoreboard())
    pd.testing.assert_frame_equal(loaded.to_frame(), result.to_frame())
    pd.testing.assert_frame_equal(loaded.differences(), result.differences())
    assert [e.status for e in loaded] == [e.status for e in result]
    assert str(loaded.verdict().sentence) == str(result.verdict().sentence)
    again = load(loaded.save(tmp_path / "again.json"))
    assert json.loads((tmp_path / "again.json").read_text()) == json.loads(path.read_text())
    assert len(again) == 6


@pytest.mark.parametrize("levels", [150, 400])
def test_a_truth_of_many_levels_is_saved_and_loaded(tmp_path, levels: int) -> None:
    value = "x"
    for _ in range(levels):
        value = [value]
    schema = {"title": "A", "type": "object", "properties": {"a": {}}}
    made = Comparison.from_outputs(schema, ["t"], {"A": [{"a": "x"}]}, truth=[{"a": value}])
    loaded = load(made.save(tmp_path / "result.json"))
    assert loaded.texts[0].truth == {"a": value}


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "not a saved comparison"),
        ("[1, 2]", "not a saved comparison"),
        ('{"format": "other"}', "not a saved comparison"),
        ('{"format": "llmwidgets comparison", "\\ud800": 1}', "not a saved comparison"),
        ('{"format": "llmwidgets comparison", "version": 99}', "newer"),
        ('{"format": "llmwidgets comparison", "version": 1, "texts": 7}', "damaged"),
    ],
)
def test_a_file_that_is_none_is_said(tmp_path, content: str, said: str) -> None:
    path = tmp_path / "result.json"
    path.write_text(content)
    with pytest.raises(FieldError, match=said):
        load(path)
    with pytest.raises(FieldError, match="cannot be read"):
        load(tmp_path / "missing.json")


def _places(value, path=()):
    """Where something is in a saved file."""
    if path:
        yield path
    inside = value.items() if isinstance(value, dict) else ()
    inside = enumerate(value) if isinstance(value, list) else inside
    for step, each in inside:
        yield from _places(each, (*path, step))


ODD = [
    None, True, -1, 5, 1.5, 1e308, 10**30, float("nan"), "x", "", "\ud800", [], ["x"], [1], [[]],
    {}, {"a": 1}, [{}], 10**400, float("inf"), "ok", "0001-01-01T00:00:00+00:00",
    json.loads("[" * 300 + "]" * 300),
]  # fmt: skip


@pytest.fixture
def whole(result, tmp_path) -> str:
    """A saved comparison with a label and rules of one's own."""
    made = result.correct("text-01", "amount", 3)
    made = made.rescore({"amount": "number:0.1", "sender": _any})
    return made.save(tmp_path / "whole.json").read_text("utf-8")


@given(st.data())
@settings(
    max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
def test_a_file_that_was_changed_by_hand_is_refused_or_can_be_used(
    result, whole, tmp_path, data
) -> None:
    """Whatever stands where: no view fails over it later, and loading fails in words."""
    content = json.loads(whole)
    content["variants"][0]["examples"] = [{"text": "x", "record": {"name": "Ada"}}]
    content["rows"][0] |= {"reused": True, "usage": {"input_tokens": 3}}
    *way, last = data.draw(st.sampled_from(list(_places(content))))
    inside = content
    for step in way:
        inside = inside[step]
    if data.draw(st.booleans()):
        inside[last] = data.draw(st.sampled_from(ODD))
    elif isinstance(inside, list) and data.draw(st.booleans()):
        inside.append(inside[last])
    else:
        del inside[last]
    (tmp_path / "changed.json").write_text(json.dumps(content))
    try:
        loaded = load(tmp_path / "changed.json")
    except FieldError:
        return
    list(loaded)
    repr(loaded), loaded._repr_html_(), loaded.code(), loaded.verdict(), loaded.as_given()
    loaded.scoreboard(), loaded.to_frame(), loaded.by_field(), loaded.grounding()
    loaded.against(result), loaded.corrections(), loaded.records(loaded.labels[0])
    loaded.save(tmp_path / "again.json")


def _without(content, *way):
    *outer, last = way
    for step in outer:
        content = content[step]
    del content[last]


DAMAGE = {
    "texts, entry 2, id is wrong": lambda saved: saved["texts"][1].update(id=5),
    "texts, entry 1, text is wrong: field required": lambda saved: _without(
        saved, "texts", 0, "text"
    ),
    "texts, entry 2 has or finds no": lambda saved: saved["texts"][1].update(schema="x"),
    "texts is wrong: text-01 more than once": lambda saved: saved["texts"][1].update(id="text-01"),
    "variants is wrong: A more than once": lambda saved: [
        each.update(label="A") for each in saved["variants"]
    ],
    "variants, entry 1 has or finds no model": lambda saved: _without(
        saved, "variants", 0, "model"
    ),
    "variants, entry 1 is wrong: temperature": lambda saved: saved["variants"][0].update(
        temperature="hot"
    ),
    "schemas, entry 1 is wrong": lambda saved: saved["schemas"].update(
        {key: {"type": "objekt"} for key in saved["schemas"]}
    ),
    "rows, entry 2, usage, input_tokens is wrong": lambda saved: saved["rows"][1].update(
        usage={"input_tokens": "many"}
    ),
    "rows, entry 3": lambda saved: saved["rows"][2].update(cost=-1),
    "rows, entry 1": lambda saved: saved["rows"][0].update(usage={"input_tokens": 10**40}),
    "rows are 5 and not one for each": lambda saved: saved["rows"].pop(),
    "what it has has or finds no rows": lambda saved: saved.pop("rows"),
    "corrections, entry 1": lambda saved: saved.update(corrections=[{"field": 1}]),
    "version is not": lambda saved: saved.update(version=None),
}


@pytest.mark.parametrize("said", DAMAGE)
def test_damage_is_said_by_its_place(result, tmp_path, said: str) -> None:
    content = json.loads(result.save(tmp_path / "whole.json").read_text("utf-8"))
    DAMAGE[said](content)
    (tmp_path / "changed.json").write_text(json.dumps(content))
    with pytest.raises(FieldError) as caught:
        load(tmp_path / "changed.json")
    assert f"damaged comparison: {said}" in caught.value.message
    assert caught.value.hint
    (tmp_path / "cut.json").write_text(json.dumps(content, indent=1)[:-20])
    with pytest.raises(FieldError, match=r"not a saved comparison: .* line \d+, character \d+"):
        load(tmp_path / "cut.json")


@pytest.mark.parametrize("wrong", [None, 5, 1.5, True, [[]], "objekt", {}])
def test_a_schema_that_was_changed_by_hand_is_refused(tmp_path, wrong) -> None:
    """Also where replies are judged by another one, since a class reads some formats itself."""

    path = Comparison.from_outputs(Visit, ["x"], {"A": [None]}).save(tmp_path / "saved.json")
    content = json.loads(path.read_text("utf-8"))
    (schema,) = content["schemas"].values()
    schema["properties"]["seats"]["type"] = wrong
    path.write_text(json.dumps(content))
    with pytest.raises(FieldError, match="schemas, entry 1 is wrong"):
        load(path)


@pytest.mark.parametrize(
    ("reply", "status"), [("x", "InvalidJSON"), ('{"sender": 5}', "InvalidRecord")]
)
def test_a_saved_reply_is_judged_again(result, tmp_path, reply: str, status: str) -> None:
    content = json.loads(result.save(tmp_path / "whole.json").read_text("utf-8"))
    content["rows"][0]["reply"] = reply
    (tmp_path / "changed.json").write_text(json.dumps(content))
    loaded = load(tmp_path / "changed.json")
    assert next(iter(loaded)).status == status
    assert loaded.scoreboard()[status].tolist()[0] == 1


def _any(value, truth) -> bool:
    return True


@pytest.mark.parametrize("other", ["x", None, 5, {"a": 1}])
def test_only_a_comparison_is_compared_with_another(result: Comparison, other) -> None:
    for ask in (
        result.against,
        result.changes_since,
        lambda other: estimate(Letter, ["x"], "demo", after=other or 0),
    ):
        with pytest.raises(FieldError, match=r"is an? \w+, not a comparison"):
            ask(other)


@pytest.mark.parametrize("other", [5, None, ["x"], 2.5])
def test_what_names_nothing_is_refused_in_words(result: Comparison, other, tmp_path) -> None:
    path = tmp_path / "result.zz"
    for ask in (
        lambda: result.correct("text-01", other, 1),
        lambda: result.to_csv(path, other),
        lambda: result.export(path, format=other),
        lambda: result.records(other),
        lambda: Variant("a", examples=other if other not in (5, None) else 2.5),
    ):
        with pytest.raises(FieldError):
            ask()


def test_rules_that_left_the_package_are_named_with_their_home(result: Comparison) -> None:
    for name in ("docubench", "DocuBench"):
        with pytest.raises(FieldError, match=r"benchmarks/docubench\.py.*scoring=docubench"):
            result.rescore(name)
    with pytest.raises(FieldError) as caught:
        result.rescore("strict")
    assert "docubench" not in str(caught.value)


def test_a_notebook_shows_scores_and_marks_but_no_value_and_no_text(result: Comparison) -> None:
    bundle = result._repr_mimebundle_()
    assert set(bundle) == {"text/plain", "text/html"}
    for said in bundle.values():
        assert "good" in said
        for kept in (MARKER, "Ada", "Eve", "99", "17.25", "paint"):
            assert kept not in re.sub(r"<style>.*?</style>", "", said, flags=re.S)
    assert "≠" in bundle["text/html"]
    assert len(bundle["text/html"].encode()) < 60_000
    assert bundle == result._repr_mimebundle_()


def test_the_page_shows_values_only_where_asked(result: Comparison, tmp_path) -> None:
    quiet = result.to_html(tmp_path / "quiet.html").read_text("utf-8")
    loud = result.to_html(tmp_path / "loud.html", values=True).read_text("utf-8")
    assert "Eve" in loud
    assert "Eve" not in quiet
    assert MARKER not in quiet
    for page in (quiet, loud):
        assert "% right by field" in page
        assert "<script" not in page


def test_hostile_names_and_values_stay_text(tmp_path) -> None:
    hostile = "<script>alert(1)</script>"
    schema = {"type": "object", "properties": {hostile: {"type": "string"}}}
    outputs = {hostile: [{hostile: hostile}], "b": [{hostile: "other"}]}
    result = Comparison.from_outputs(schema, [{"id": hostile, "text": hostile}], outputs)
    for page in (
        result._repr_html_(), result.to_html(tmp_path / "p.html", values=True).read_text("utf-8"),
    ):  # fmt: skip
        assert "<script" not in page
        assert "&lt;script&gt;" in page


MISFITS = {
    "too few": ({"a": GOOD[:1]}, "1 output for 3 texts"),
    "unknown id": ({"a": {"text-99": {}}}, "text-99"),
    "no outputs": ({}, "no|not a dict"),
    "a list": ([GOOD], "not a dict"),
}


@pytest.mark.parametrize(("outputs", "said"), MISFITS.values(), ids=MISFITS.keys())
def test_outputs_that_do_not_fit_are_said(outputs, said: str) -> None:
    with pytest.raises(FieldError, match=said) as caught:
        Comparison.from_outputs(Letter, TEXTS, outputs)
    assert caught.value.hint


def test_outputs_by_id_may_leave_texts_out() -> None:
    result = Comparison.from_outputs(Letter, TEXTS, {"a": {"text-02": GOOD[1]}})
    assert [e.status for e in result] == ["Stopped", "ok", "Stopped"]


def test_what_was_made_elsewhere_without_texts_cannot_be_asked_again() -> None:
    texts = [{"id": "a", "text": ""}]
    result = Comparison.from_outputs(Letter, texts, {"x": [{"sender": "Ada"}]})
    with pytest.raises(FieldError, match="no text") as caught:
        result.rerun(models="demo")
    assert caught.value.hint


VALUES = st.one_of(
    st.none(),
    st.text(max_size=8),
    st.fixed_dictionaries(
        {},
        optional={
            "sender": st.none() | st.text(max_size=5),
            "amount": st.none() | st.floats(-1e6, 1e6) | st.text(max_size=3),
            "lines": st.lists(st.fixed_dictionaries({"name": st.text(max_size=3)}), max_size=3),
        },
    ),
)


@given(st.lists(st.tuples(VALUES, VALUES), min_size=1, max_size=4))
@settings(max_examples=60, deadline=None)
def test_whatever_the_outputs_are_the_sums_add_up(rows) -> None:
    outputs = {"a": [row[0] for row in rows], "b": [row[1] for row in rows]}
    truth = [TRUTH[at % 3] for at in range(len(rows))]
    result = Comparison.from_outputs(Letter, ["some text"] * len(rows), outputs, truth)
    board = result.scoreboard()
    assert (
        list(board[list(FAILURES)].sum(axis=1) + (board.valid * board.texts).round())
        == [len(rows)] * 2
    )
    assert (board.scored <= board.texts).all()
    assert board.accuracy.dropna().between(0, 1).all()
    frame = result.to_frame()
    assert set(zip(frame.variant, frame.text_id, strict=True)) == {
        (each.variant, each.text_id) for each in result
    }
    assert len(result._repr_html_().encode()) < 60_000


def test_explore_asks_the_panel_for_itself(result: Comparison, monkeypatch) -> None:
    import llmwidgets

    class Panel:
        @classmethod
        def _on(cls, comparison: Comparison) -> tuple:
            return ("panel on", comparison)

    monkeypatch.setattr(llmwidgets, "ComparisonPanel", Panel, raising=False)
    assert result.explore() == ("panel on", result)


def test_docubench_runs_with_a_schema_a_text(shared_data) -> None:
    """50 documents × 3 real models, each document with its own schema and hand-made truth."""
    folder = shared_data / "docubench"

    def read(part: str, name: str):
        return json.loads((folder / part / f"{name}.json").read_text("utf-8"))

    ids = sorted(path.stem for path in (folder / "schemas").glob("*.json"))
    texts = [{"id": name, "text": "", "schema": read("schemas", name)} for name in ids]
    outputs = {
        model: [read(f"results/{model}", name)["data"] for name in ids]
        for model in ("gpt", "claude", "gemini")
    }
    truth = {name: read("labels", name) for name in ids}
    result = Comparison.from_outputs(None, texts, outputs, truth)
    board = result.scoreboard().set_index("variant")
    assert list(board.texts) == list(board.scored) == [50, 50, 50]
    assert board.accuracy.between(0.75, 1).all()
    assert board.accuracy["gemini"] == board.accuracy.max()
    assert len(result.verdict().table) == 3
    assert len(result._repr_html_().encode()) < 60_000


def test_what_was_too_large_to_compare_in_full_is_said_wherever_scores_are(tmp_path) -> None:
    truth = [{"sender": "A", "lines": [{"name": f"t{at}"} for at in range(400)]}]
    said = [{"sender": "A", "lines": [{"name": f"v{at}"} for at in range(400)]}]
    made = Comparison.from_outputs(Letter, ["A letter"], {"long": said, "right": truth}, truth)
    board = made.scoreboard()
    (note,) = board.attrs["notes"]
    assert note.startswith(
        "long: text-01 was not compared in full. In lines: too many rows to pair"
    )
    assert "too many rows to pair (400 of truth with 400)" in made.to_frame().attrs["notes"][0]
    assert note in repr(made)
    assert "too many rows to pair" in made.to_html(tmp_path / "page.html").read_text()
    assert note in score_view(made)["beside"]
    assert made.as_given().scoreboard().attrs["notes"] == [note]
