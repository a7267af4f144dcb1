"""What was scored is kept: a further view reads no reply and scores nothing, and says the same."""

from __future__ import annotations

import gc
import marshal
import threading
import tracemalloc
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmwidgets.analysis.grounding import mark_pages
from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.comparison.comparison import Comparison
from llmwidgets.comparison.core import CellKey
from llmwidgets.comparison.measures import kept_scores as kept
from llmwidgets.comparison.measures.text_result import (
    KINDS,
    ground_text,
    read_all_results,
    read_text_result,
)
from llmwidgets.dialects.types import Enforcement, Example, Usage
from llmwidgets.engine.extraction import Extraction
from llmwidgets.engine.journal import Row

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": ["string", "null"]},
        "total": {"type": ["number", "null"]},
        "paid": {"type": ["boolean", "null"]},
        "tags": {"type": "array", "items": {"type": "string"}},
        "lines": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {"sku": {"type": "string"}, "total": {"type": ["number", "null"]}},
            },
        },
        "more": {"type": "object", "additionalProperties": {"type": "number"}},
    },
}
NAMES = st.sampled_from(["Ada", "ADA", "Bob", "", "N/A", "Köln", "Koeln", "\ud800"[:0], "12.5"])
NUMBERS = st.sampled_from([0, 0.0, -0.0, 1, 1.0, 12.5, 2**70, None])
LINES = st.lists(st.fixed_dictionaries({"sku": NAMES}, optional={"total": NUMBERS}), max_size=4)
RECORDS = st.fixed_dictionaries(
    {},
    optional={
        "name": NAMES | st.none(), "total": NUMBERS, "paid": st.booleans() | st.none(),
        "tags": st.lists(NAMES, max_size=3), "lines": LINES,
        "more": st.dictionaries(st.sampled_from(["a", "b.c", ""]), st.integers(0, 3)),
    },
)  # fmt: skip
OUTPUTS = RECORDS | st.none() | st.just("no JSON") | st.just({"name": 7})
VIEWS: dict[str, Callable[[Comparison], Any]] = {
    "scoreboard": lambda made: made.scoreboard(),
    "verdict": lambda made: repr(made.verdict()),
    "to_frame": lambda made: made.to_frame(),
    "differences": lambda made: made.differences(),
    "by_field": lambda made: made.by_field(),
    "by_text": lambda made: made.by_text(),
    "doubtful_labels": lambda made: made.doubtful_labels(),
    "grounding": lambda made: made.grounding(),
    "error_kinds": lambda made: made.error_kinds(),
    "errors": lambda made: made.errors(),
    "review": lambda made: made.review(),
    "by who": lambda made: made.scoreboard(by="who"),
    "where": lambda made: made.where(who="A").scoreboard(),
}


def part(value: Any, truth: Any) -> float:
    """A user's own rule, by which some values are right in part."""
    return 0.5 if str(value).casefold() == str(truth).casefold() else value == truth


@st.composite
def made(draw: st.DrawFn) -> Comparison:
    """Three variants on four texts, labelled or not, scored by the usual rules or by one's own."""
    texts = [
        {"text": f"{draw(NAMES)} owes {draw(NUMBERS)}", "who": who} for who in ("A", "A", "B", "C")
    ]
    outputs = {label: [draw(OUTPUTS) for _ in texts] for label in "ABC"}
    truth = [draw(RECORDS | st.none()) for _ in texts]
    scoring = draw(
        st.sampled_from(
            [
                None,
                {"name": part},
                {"lines[]": "key:sku"},
                {"total": "number:1"},
                {"total": "number:20% weight:5", "lines[]": "weight:0", "tags[]": "weight:2"},
                {"name": {"rule": part, "weight": 3}, "tags[]": "weight:0.1"},
            ]
        )
    )
    return Comparison.from_outputs(SCHEMA, texts, outputs, truth, scoring, missing="wrong")


def text_results(comparison: Comparison) -> list[Any]:
    return [
        (repr(each.scores), each.statuses, repr(each.fields), repr(each.values), each.differences)
        for each in read_all_results(comparison)
    ]


def watched(comparison: Comparison) -> tuple[Comparison, list[CellKey]]:
    """The same comparison, and the cells whose replies are read."""
    read: list[CellKey] = []

    def counted(row: Row, cell: CellKey) -> Any:
        read.append(cell)
        return comparison.read(row, cell)

    return replace(comparison, read=counted), read


@given(made())
@settings(max_examples=80, deadline=None)
def test_what_is_kept_is_what_was_scored(comparison: Comparison) -> None:
    """Signs of zero, types of numbers, order, notes and shares included."""
    watching, read = watched(comparison)
    first = text_results(watching)
    count = len(read)
    assert text_results(watching) == first == text_results(replace(comparison))
    assert len(read) == count == len(comparison)


@given(made(), st.sampled_from(sorted(VIEWS)), st.sampled_from(sorted(VIEWS)))
@settings(max_examples=60, deadline=None)
def test_a_view_after_another_says_what_it_says_alone(
    comparison: Comparison, first: str, then: str
) -> None:
    alone = VIEWS[then](replace(comparison))
    VIEWS[first](comparison)
    after = VIEWS[then](comparison)
    assert str(after) == str(alone) if isinstance(after, str) else after.equals(alone)


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_of_scored_results_reads_no_reply(view: str) -> None:
    comparison, read = watched(
        Comparison.from_outputs(
            SCHEMA, [{"text": "Ada 5", "who": "A"}, {"text": "Bob 6", "who": "B"}],
            {"A": [{"name": "Ada"}, None], "B": ["x", {"name": "B"}]},
            [{"name": "Ada"}, {"name": "Bob"}],
        )
    )  # fmt: skip
    comparison.scoreboard()
    read.clear()
    VIEWS[view](comparison)
    assert read == []


def test_a_label_has_its_text_scored_again_and_other_rules_all() -> None:
    outputs = {"A": [{"name": "Ada"}] * 3, "B": [{"name": "Bob"}] * 3}
    comparison, read = watched(
        Comparison.from_outputs(SCHEMA, list("abc"), outputs, [{"name": "Ada"}] * 3)
    )
    comparison.scoreboard()
    read.clear()
    corrected = comparison.correct("text-02", "name", "Bob")
    frame = corrected.to_frame()
    assert {cell.text for cell in read} == {1}
    assert list(frame[frame.text_id == "text-02"].right) == [False, True]
    assert list(comparison.to_frame().right) == [True, True, True, False, False, False]
    read.clear()
    never = comparison.rescore({"name": lambda value, truth: False})
    assert not never.to_frame().right.any()
    assert len(read) == len(comparison)


def test_a_reply_that_comes_is_seen_though_its_text_was_scored() -> None:
    comparison = Comparison.from_outputs(SCHEMA, ["a"], {"A": [{"name": "Ada"}], "B": [None]})
    cell = CellKey(1, 0, 0)
    assert read_text_result(comparison, 0, 0).statuses == ("ok", "Stopped")
    row = comparison.journal.put(Row(key="", status="ok", reply='{"name": "Bob"}'))
    comparison.rows.put(cell, row)
    result = read_text_result(comparison, 0, 0)
    assert result.statuses == ("ok", "ok")
    assert [each.record["name"] for each in result.extractions] == ["Ada", "Bob"]


class Meanwhile(list[Any]):
    """A list at which something else is done the first time that somebody has read of it."""

    doing: Callable[[], None] | None = None

    def __getitem__(self, at: Any) -> Any:
        found = super().__getitem__(at)
        doing, self.doing = self.doing, None
        if doing:
            doing()
        return found


@pytest.mark.parametrize("version", [0, 1])
def test_scores_of_an_earlier_reply_are_never_taken_for_those_of_a_later_one(version: int) -> None:
    """A thread looks while another, to which a reply has come, scores the text again."""
    made = [
        Comparison.from_outputs(SCHEMA, ["a"], {"A": [{"name": name}]}, [{"name": "Ada"}])
        for name in ("Bob", "Ada")
    ]
    (old,), (new,) = ([each.scores for each in read_all_results(each)] for each in made)
    outcome = (kept.Outcome("ok", True, True),)
    both = [kept.Scored(outcome, ((),), scores) for scores in (old, new)]
    scores = kept.KeptScores(1)
    scores.put(0, 0, both[0])
    units = scores._units = Meanwhile(scores._units)
    units.doing = lambda: scores.put(0, 1, both[1])
    found = scores.get(0, version)
    assert found is None or found == both[version]


def test_many_threads_at_once_see_the_same() -> None:
    outputs = {
        label: [{"name": label, "lines": [{"sku": str(n)}]} for n in range(40)] for label in "AB"
    }
    truth = [{"name": "A", "lines": [{"sku": str(n)}]} for n in range(40)]
    comparison = Comparison.from_outputs(SCHEMA, ["x"] * 40, outputs, truth)
    alone, found = text_results(replace(comparison)), []
    threads = [
        threading.Thread(target=lambda: found.append(text_results(comparison))) for _ in range(4)
    ]
    for each in threads:
        each.start()
    for each in threads:
        each.join()
    assert found == [alone] * 4


def test_what_texts_have_in_common_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """Open keys have paths of their own in every text: these stand with the text then."""
    monkeypatch.setattr(kept._Common, "_MOST", 30)
    outputs = {"A": [{"more": {f"k{n}": n, "z": 1}} for n in range(60)]}
    truth = [{"more": {f"k{n}": n, "y": 2}} for n in range(60)]
    comparison = Comparison.from_outputs(SCHEMA, ["x"] * 60, outputs, truth)
    assert text_results(comparison) == text_results(comparison) == text_results(replace(comparison))
    common = kept.kept_scores(comparison)
    assert all(each._size <= 40 for each in (common._shapes, common._sums, common._outcomes))


def test_ten_fields_are_kept_in_few_bytes() -> None:
    count, names = 600, [f"field_{n}" for n in range(10)]
    schema = {"type": "object", "properties": {name: {"type": "string"} for name in names}}
    truth = [{name: f"{name} of {n}" for name in names} for n in range(count)]
    outputs = {"A": [{**each, names[n % 10]: f"wrong {n}"} for n, each in enumerate(truth)]}
    comparison = Comparison.from_outputs(schema, ["x"] * count, outputs, truth)
    list(read_all_results(replace(comparison)))
    gc.collect()
    tracemalloc.start()
    for _ in read_all_results(comparison):
        pass
    gc.collect()  # what is not kept goes, whenever Python would have cleared it up
    grown, _ = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert grown / count < 400


@given(made(), st.booleans())
@settings(max_examples=60, deadline=None)
def test_groundings_are_those_of_each_value_by_itself(comparison: Comparison, pages: bool) -> None:
    """Also for a value that was copied from an example, and in a text with pages."""
    examples = (Example("Bob owes 12.5", {"name": "Bob"}),)
    shown = [replace(comparison.variants[0], examples=examples), *comparison.variants[1:]]
    texts = [
        replace(each, text=mark_pages(["Nothing", each.text]) if pages else each.text)
        for each in comparison.texts
    ]
    comparison = replace(comparison, variants=tuple(shown), texts=tuple(texts))
    alone = []
    for result in read_all_results(replace(comparison)):
        grounds = ground_text(comparison, result.text)
        for variant, score in enumerate(result.scores):
            for cell in score.cells:
                if cell.value in (None, NOTHING):
                    alone.append((variant, None, None, None))
                    continue
                located = grounds.locate(cell.value, cell.pattern)
                copied = grounds.flag(cell.value, cell.pattern, variant) == "copied"
                kind = located.kind if located else "not applicable"
                alone.append((variant, kind, copied, located.page if located else None))
    frame = comparison.to_frame()
    frame = frame[frame.field != ""]
    found = list(
        zip(
            frame.variant.map("ABC".index), frame.grounded, frame.copied,
            frame.get("page", frame.field.map(lambda _: None)), strict=True,
        )
    )  # fmt: skip
    assert sorted(map(repr, found)) == sorted(map(repr, alone))
    counted = comparison.grounding().set_index("variant")
    for at, label in enumerate("ABC"):
        kinds = [kind for variant, kind, *_ in alone if variant == at]
        assert counted.loc[label, "exact"] == kinds.count("exact")
        assert counted.loc[label, "values"] == sum(kind in KINDS for kind in kinds)
        copied = sum(bool(copied) for variant, _, copied, _ in alone if variant == at)
        assert counted.loc[label, "copied"] == copied


@given(
    st.sampled_from([None, *Enforcement]), st.tuples(*[st.none() | st.integers(0, 2**40)] * 4),
    st.tuples(*[st.none() | st.floats(0, 1e6)] * 3), st.tuples(*[st.integers(0, 9)] * 2),
    st.none() | st.datetimes(datetime(2020, 1, 1), datetime(2090, 1, 1), timezones=st.just(UTC)),
)  # fmt: skip
def test_the_facts_of_a_reply_are_kept_as_they_were(mode, tokens, figures, counts, paid) -> None:
    """A new column is a sum of what an extraction says by the same names."""
    seconds, waiting, cost = figures
    asked = Extraction(
        variant="A", text_id="a", mode=mode, usage=Usage(*tokens), seconds=seconds,
        waiting_seconds=waiting, cost=cost, tries=counts[0], timed_out=counts[1], paid_before=paid,
    )  # fmt: skip
    facts = kept.unpack_facts("ok", marshal.loads(marshal.dumps(kept.pack_facts(asked))))
    for name in kept.Facts._fields:
        assert getattr(facts, name) == getattr(asked, name)
