"""A run that brought nothing says why and what to do, wherever its result is shown."""

from __future__ import annotations

from html import unescape

import pytest

import llmwidgets as lw
from llmwidgets.comparison import Comparison
from llmwidgets.comparison.core import results_of_rows
from llmwidgets.comparison.measures.causes import explain_failures, find_causes
from llmwidgets.comparison.runs import read_documents
from llmwidgets.comparison.variants import Variant
from llmwidgets.engine import capability
from llmwidgets.engine.journal import Row
from llmwidgets.errors import (
    Failure,
    InvalidJSON,
    Overloaded,
    QuotaExhausted,
    RateLimited,
    Stopped,
    TooLong,
    Unauthorized,
    Unreachable,
)
from tests.servers import ModelServer, serving_models

SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}
TEXTS = ["one", "two", "three"]
TRUTH = [{"name": "Bolt"}] * len(TEXTS)


@pytest.fixture(autouse=True)
def nothing_known() -> None:
    capability.forget_capabilities()


@pytest.fixture
def server():
    with serving_models() as running:
        running.record = {"name": "Bolt"}
        yield running


def refused(server: ModelServer, label: str = "keyed") -> lw.Connection:
    """A connection whose calls have a fault; those of others have none."""
    server.fault, server.faulty = "key", "m-refused"
    endpoint = f"{server.url}/v1"
    return lw.Connection("custom", name="m-refused", endpoint=endpoint, api_key="k", label=label)


@pytest.mark.parametrize("truth", [TRUTH, None])
def test_a_wrong_key_is_told_once_in_every_view_with_what_to_do(server, truth, tmp_path):
    connection = refused(server)
    result = lw.compare(SCHEMA, TEXTS, connection, truth=truth, journal=False, progress=False)
    failure = next(iter(result)).failure
    assert failure is not None
    sentence = f"keyed: {failure.message} {failure.hint}"
    assert "The key was not accepted by keyed." in sentence
    assert "Check that it was copied whole." in sentence
    page = result.to_html(tmp_path / "page.html").read_text()
    again = lw.load(result.save(tmp_path / "run.json"))
    said = (repr(result), result._repr_html_(), page, repr(again))
    verdicts = (repr(result.verdict()), result.verdict()._repr_html_(), repr(again.verdict()))
    for each in (*said, *verdicts):
        assert unescape(each).count(sentence) == 1, each


def test_one_of_two_that_fails_is_told_beside_the_result_and_not_in_the_verdict(server):
    dead = refused(server)
    alive = lw.Connection("custom", name="m", endpoint=f"{server.url}/v1", api_key="k")
    result = lw.compare(SCHEMA, TEXTS, [dead, alive], truth=TRUTH, journal=False, progress=False)
    assert result.scoreboard()["valid"].tolist() == [0.0, 1.0]
    assert [cause.variant for cause in find_causes(result)] == ["keyed"]
    (sentence,) = explain_failures(result)
    assert sentence in repr(result)
    assert sentence not in repr(result.verdict())


def made(*columns: list[Failure | None]) -> Comparison:
    """A comparison of rows that end in these failures, or in a record."""
    labels = [f"v{at}" for at in range(len(columns))]
    rows = [
        Row(key="", status="ok", reply='{"name": "Bolt"}')
        if failure is None
        else Row.of_failure("", failure, reply="?" if failure.scored else None)
        for column in columns
        for failure in column
    ]
    texts = [f"text {at}" for at in range(len(columns[0]))]
    return results_of_rows(
        Comparison, rows, texts=read_documents(SCHEMA, texts, None), models=tuple(labels),
        variants=tuple(Variant(label, label=label) for label in labels), judged=True,
    )  # fmt: skip


def test_the_most_frequent_cause_comes_first_and_a_few_are_named():
    kinds = (Unreachable, Unauthorized, QuotaExhausted, RateLimited, Overloaded, TooLong)
    failures = [
        kind(f"{kind.__name__}.", "Do.") for kind in kinds for _ in range(kinds.index(kind) + 1)
    ]
    said = explain_failures(made(failures))
    assert said[:2] == ("v0: TooLong. Do.", "v0: Overloaded. Do.")
    assert said[4:] == ("And 2 more causes: .failure of each extraction says what happened to it.",)
    assert [cause.calls for cause in find_causes(made(failures))] == [6, 5, 4, 3, 2, 1]


def test_a_cause_is_told_once_in_its_commonest_words():
    words = [Unauthorized("No.", "Do."), *[Unauthorized("No. 2 more were not asked.", "Do.")] * 2]
    assert explain_failures(made(words)) == ("v0: No. 2 more were not asked. Do.",)


def test_what_the_model_did_is_told_only_where_it_left_nothing():
    odd = InvalidJSON("The reply is empty.", "Check the parser.")
    assert explain_failures(made([odd, odd])) == ("v0: The reply is empty. Check the parser.",)
    assert explain_failures(made([odd, None])) == ()


def test_what_was_stopped_or_has_no_output_needs_no_cause():
    assert explain_failures(made([Stopped("Stopped.", "Run again.")] * 2)) == ()
    missing = lw.Comparison.from_outputs(SCHEMA, TEXTS, {"A": [None] * 3})
    assert explain_failures(missing) == ()


def test_nothing_is_read_where_nothing_failed(monkeypatch):
    result = made([None] * 3)
    repr(result)
    result._measured.pop(find_causes, None)
    monkeypatch.setattr(result.journal, "get_all", None)
    assert find_causes(result) == ()
