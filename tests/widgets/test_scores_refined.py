"""The scoreboard of results that are not read yet: first figures at once, then ever more texts."""

from __future__ import annotations

import threading
from dataclasses import replace
from typing import Any

import pytest

from llmwidgets.comparison.comparison import Comparison
from llmwidgets.widgets.comparison import results as shown_results

NAME = {"type": "object", "properties": {"name": {"type": "string"}}}
TEXTS = 300


@pytest.fixture
def gated(monkeypatch: pytest.MonkeyPatch) -> tuple[Comparison, threading.Semaphore]:
    """Texts of which each is read only once the test lets it."""
    monkeypatch.setattr(shown_results, "_REFINE_SECONDS", 0.01)
    outputs = {"A": [{"name": "Ada"}] * TEXTS, "B": [{"name": "Bob"}] * TEXTS}
    made = Comparison.from_outputs(NAME, ["Ada"] * TEXTS, outputs, [{"name": "Ada"}] * TEXTS)
    gate = threading.Semaphore(2 * 40)

    def read(row: Any, cell: Any) -> Any:
        gate.acquire()
        return made.read(row, cell)

    return replace(made, read=read), gate


def show(page: Any) -> None:
    data = {"method": "custom", "content": {"type": "scores.show"}}
    page.widget.comm.handle_msg({"content": {"data": data}, "buffers": []})


def joined(wire: Any, comparison: Comparison) -> Any:
    """A page that is drawn, while the texts behind the first ones are not read."""
    from tests.widgets.conftest import Wire

    page = Wire(comparison.explore())
    data = {"method": "custom", "content": {"type": "hello"}}
    page.widget.comm.handle_msg({"content": {"data": data}, "buffers": []})
    return page


def scores_of(page: Any) -> list[dict[str, Any]]:
    return [each for each in page.messages if each["type"] == "scores"]


def wait_for(page: Any, holds: Any) -> None:
    """Wait for a message after which this holds."""
    came, published = threading.Event(), page.widget.comm.publish_msg

    def hear(*arguments: Any, **more: Any) -> None:
        published(*arguments, **more)
        if holds():
            came.set()

    page.widget.comm.publish_msg = hear
    assert holds() or came.wait(30)
    page.widget.comm.publish_msg = published


def test_first_figures_come_before_all_is_read_and_the_verdict_with_the_last(wire, gated) -> None:
    comparison, gate = gated
    page = joined(wire, comparison)
    try:
        show(page)
        wait_for(page, lambda: scores_of(page))
        first = scores_of(page)[0]
        read, total = first["progress"]
        assert 0 < read < total == TEXTS
        assert first["headline"] == f"The figures of the first {read} of {TEXTS} texts."
        rows = [row for group in first["groups"] for row in group["rows"]]
        assert [(row["letter"], row["right"]) for row in rows] == [("A", "100.0"), ("B", "0.0")]
        assert rows[0]["valid"] == f"{read} of {read}"
        # Nothing is claimed, and nothing counts as a look at the verdict.
        assert (first["outcome"], first["pairs"], first["worse"]) == ("", [], "")
        assert [group["title"] for group in first["groups"]] == [""]
        assert not comparison.looks
        assert not page.widget.comparison.looks
        for _ in range(2 * TEXTS):
            gate.release()
        wait_for(page, lambda: scores_of(page)[-1]["progress"] is None)
        reads = [each["progress"][0] for each in scores_of(page)[:-1]]
        assert reads == sorted(reads)
        last = scores_of(page)[-1]
        assert last["outcome"] == "better"
        assert page.widget.comparison.looks == {TEXTS}
    finally:
        for _ in range(2 * TEXTS):
            gate.release()
        page.settle()
        page.widget.close()


def test_who_leaves_the_scores_is_sent_no_more_of_them(wire, gated) -> None:
    comparison, gate = gated
    page = joined(wire, comparison)
    try:
        show(page)
        wait_for(page, lambda: scores_of(page))
        data = {"method": "custom", "content": {"type": "scores.leave"}}
        page.widget.comm.handle_msg({"content": {"data": data}, "buffers": []})
    finally:
        for _ in range(2 * TEXTS):
            gate.release()
        page.settle()
        page.widget.close()
    assert all(each["progress"] for each in scores_of(page))


def test_the_figures_of_some_texts_are_those_of_a_comparison_of_them(wire) -> None:
    outputs = {"A": ["x", *[{"name": "Ada"}] * 39], "B": [{"name": "Bob"}, None] * 20}
    texts, truth = [f"Ada {at}" for at in range(40)], [{"name": "Ada"}] * 40
    made = Comparison.from_outputs(NAME, texts, outputs, truth)
    index = shown_results.GridIndex(replace(made))
    index.read_first()
    part = index.so_far()
    assert part is not None
    count = len(part.texts)
    assert 0 < count < 40
    alone = Comparison.from_outputs(
        NAME, texts[:count], {label: each[:count] for label, each in outputs.items()}, truth[:count]
    )
    for view in ("scoreboard", "by_field", "by_text", "to_frame"):
        assert getattr(part, view)().equals(getattr(alone, view)()), view
    index.grow()
    assert index.so_far() is None
