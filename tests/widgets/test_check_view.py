"""What the page shows of a check: the endings, the models with their prices, the fix."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest

from llmwidgets.connections.connection import Connection
from llmwidgets.dialects.types import Capability, Enforcement, ResponseFormat
from llmwidgets.engine.check import CheckReport
from llmwidgets.formatting import format_since
from llmwidgets.store.document import connection_from_json, connection_to_json
from llmwidgets.widgets.connection.check_view import (
    mode_view,
    model_endings,
    model_rows,
    price_text,
    report_view,
)
from llmwidgets.widgets.connection.form_draft import FormDraft, connection_fact

TODAY = date(2026, 11, 23)


@pytest.fixture
def openai() -> Connection:
    return Connection("openai", api_key="sk-made-up-key-00003fQz")


def test_one_model_that_ends_names_what_replaces_it(openai: Connection) -> None:
    """`gpt-5 is shut down on 11 Dec 2026, in 18 days. gpt-6-sol replaces it.`"""
    assert model_endings(openai, ["gpt-6-luna", "gpt-5"], TODAY) == [
        {
            "models": ["gpt-5"],
            "text": "is shut down on 11 Dec 2026, in 18 days.",
            "successor": "gpt-6-sol",
        }
    ]


def test_models_of_one_day_share_a_sentence(openai: Connection) -> None:
    """Four models that end together are one line, not four."""
    december, january = model_endings(openai, openai.models, TODAY)
    assert len(december["models"]) == 4
    assert december["text"].startswith("are shut down on 11 Dec 2026, in 18 days.")
    assert january["text"].startswith("are shut down on 14 Jan 2027, in 52 days.")


@pytest.mark.parametrize(
    ("today", "said"),
    [(11, "today"), (10, "tomorrow"), (12, "no longer")],
)
def test_the_days_left_are_words(openai: Connection, today: int, said: str) -> None:
    """Today, tomorrow, and past: each in its own words."""
    assert said in model_endings(openai, ["gpt-5"], date(2026, 12, today))[0]["text"]


def test_far_endings_are_not_told(openai: Connection) -> None:
    """An end more than two months away is in the table, not above it."""
    assert model_endings(openai, ["gpt-5"], date(2026, 6, 1)) == []


def test_models_the_key_cannot_use_come_last(openai: Connection) -> None:
    """They are marked off, without reply form; the order of the whitelist holds otherwise."""
    rows = model_rows(openai, openai.models, openai.models[1:4], TODAY)
    assert [row["model"] for row in rows[:3]] == list(openai.models[1:4])
    assert {row["off"] for row in rows[:3]} == {False}
    assert rows[3]["model"] == openai.models[0]
    assert rows[3]["note"] == "this key has no access"
    assert rows[3]["reply"] == "–"


def test_a_price_is_known_own_or_unknown(openai: Connection) -> None:
    """A known price has two numbers; an own one counts; unknown is never 0."""
    low, high = price_text(openai, "gpt-6-luna").split(" / ")
    assert 0 < float(low) < float(high)
    own = Connection("custom", name="m", endpoint="http://localhost:1/v1",
                     price={"input": 0, "output": 0.025})  # fmt: skip
    assert price_text(own, "m") == "0 / 0.025"
    free = Connection("custom", name="no-such-model", endpoint="http://localhost:1/v1")
    assert price_text(free, "no-such-model") == "unknown"


def test_a_failed_report_shows_old_and_new(openai: Connection) -> None:
    """The fix names the field by its label; words that look like a key are masked."""
    report = CheckReport(
        False, "The key sk-made-up-key-00003fQz failed. Look again.", fix={"organization": "org-2"}
    )
    view = report_view(report, openai, {"organization": "org-1"})
    assert view["fix"] == [{"label": "Organization", "old": "org-1", "new": "org-2"}]
    assert view["text"] == "Look again. Nothing was sent."
    assert "3fQz" not in view["title"]


TRIED = (
    (ResponseFormat.JSON_SCHEMA, "refused, 400", False),
    (ResponseFormat.JSON_OBJECT_SCHEMA, "accepted", False),
    (ResponseFormat.JSON_OBJECT, "accepted", False),
)


def test_a_limit_is_told_with_what_follows() -> None:
    """JSON only: the sentence, why it matters, and the probe's rows with the one used."""
    seen = Capability(ResponseFormat.JSON_OBJECT, Enforcement.JSON, TRIED)
    free = Connection("custom", name="m", endpoint="http://localhost:1/v1")
    assert mode_view(free) is None
    view = mode_view(free.with_capability("m", seen))
    assert view is not None
    assert view["icon"] == "warn"
    assert view["sentence"].startswith("JSON only")
    assert [(row["accepted"], row["used"]) for row in view["tried"]] == [
        (False, False), (True, False), (True, True),
    ]  # fmt: skip


def test_what_could_not_be_determined_is_told_as_that() -> None:
    """A test that passed and saw no form: a warning with the next step, and nothing is promised."""
    free = Connection("custom", name="m", endpoint="http://localhost:1/v1")
    kept = free.with_checked_at(datetime(2026, 11, 23, tzinfo=UTC))
    view = mode_view(kept)
    assert view is not None
    assert (view["icon"], view["tried"]) == ("warn", [])
    assert view["sentence"].startswith("Not determined")
    assert "Test again" in view["text"]
    assert connection_fact(kept) == ("warn", "reply form unknown")
    assert connection_fact(free) == ("none", "not tested")


@pytest.mark.parametrize(
    ("status", "fact"),
    [
        ("Unauthorized", "key refused"),
        ("Forbidden", "no access"),
        ("UnknownModel", "not found"),
        ("RateLimited", "limited"),
        ("Unreachable", "no answer"),
        ("Overloaded", "failed"),
    ],
)
@pytest.mark.parametrize("code", ["", "418 teapot", "ENOTFOUND"])
def test_the_fact_of_a_failed_check_is_that_of_its_class(status: str, fact: str, code: str) -> None:
    """Whatever short word the server has for it."""
    draft = FormDraft("openai")
    draft.report = CheckReport(False, "It failed.", code=code, status=status)
    assert draft.fact == ("fail", fact)


def test_a_form_without_an_answer_is_not_an_accepted_one() -> None:
    """Of the three things that a server does with a form only one is an acceptance."""
    tried = ((ResponseFormat.JSON_SCHEMA, "no answer", False), *TRIED)
    seen = Capability(ResponseFormat.JSON_OBJECT, Enforcement.JSON, tried)
    free = Connection("custom", name="m", endpoint="http://localhost:1/v1")
    view = mode_view(free.with_capability("m", seen))
    assert view is not None
    assert [row["accepted"] for row in view["tried"]] == [False, False, True, True]


def test_a_saved_connection_still_tells_its_probe() -> None:
    """What the store kept of a probe is shown without another test."""
    seen = Capability(ResponseFormat.JSON_OBJECT, Enforcement.JSON, TRIED)
    free = Connection("custom", name="m", endpoint="http://localhost:1/v1")
    kept = connection_from_json(connection_to_json(free.with_capability("m", seen)))
    view = mode_view(kept)
    assert view is not None
    assert len(view["tried"]) == 3


def test_the_mode_of_whitelisted_kinds_stands_in_their_table(openai: Connection) -> None:
    """Each model of a single kind has its own mode, so there is none for the connection."""
    assert mode_view(openai) is None


def test_times_are_just_now_or_a_day() -> None:
    """A check of the last two minutes is just now; an older one has its day; none is empty."""
    now = datetime(2026, 11, 23, 12, tzinfo=UTC)
    assert format_since(now - timedelta(seconds=30), now) == "just now"
    assert format_since(now - timedelta(days=1), now) == "22 Nov 2026"
    assert format_since(None, now) == ""
