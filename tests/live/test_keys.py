"""`make live` on loopback: what is tried, that the budget holds, what is written."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any

import pytest

from llmwidgets import PROVIDERS
from llmwidgets.dialects.types import Usage
from llmwidgets.engine.request_builder import ResolvedVariant
from llmwidgets.secret import Secret
from tests import kinds
from tests.live import keys
from tests.live.record import RECORD, Try, last_tried, read_record, write_record
from tests.servers import ModelServer, Seen, serving_models

PARTS = {"check": "ok", "enforced schema": "ok", "truncation": "Truncated", "stop": "Stopped"}
KEY = kinds.KEY
MODEL = "gpt-6-luna"


@dataclass
class Vendor(ModelServer):
    """Cuts an answer that may have 16 tokens, and never ends the second whole one."""

    def __post_init__(self) -> None:
        self.whole, self.ended = 0, threading.Event()

    def answer(self, seen: Seen) -> tuple[int, Any]:
        if keys.TEXT not in json.dumps(seen.body) or self.fault:
            return super().answer(seen)
        limit = keys.output_limit(seen.body)
        self.fault = "truncate" if limit == 16 else ""
        self.whole += limit != 16
        if self.whole == 2:
            self.ended.wait(30)
        try:
            return super().answer(seen)
        finally:
            self.fault = ""


@contextmanager
def serving_vendor() -> Iterator[Vendor]:
    """A vendor whose tables know every model; what it never ended is let go at the end."""
    listed = tuple(facts.id for each in PROVIDERS.values() for facts in each.models)
    with serving_models(Vendor, models=listed) as running, ExitStack() as ending:
        ending.callback(running.ended.set)
        yield running


@pytest.fixture
def vendor() -> Iterator[Vendor]:
    with serving_vendor() as running:
        yield running


@pytest.fixture
def connect(monkeypatch, tmp_path):
    """Provides connections by a policy file, as a person would for `make live`."""

    def provide(vendor: ModelServer, *named: str) -> None:
        policy = tmp_path / "policy.toml"
        lines: list[str] = []
        for kind in named:
            lines += [f"[connections.{kind}]", f'kind = "{kind}"']
            for name, value in kinds.fields_of(kind, vendor.url).items():
                annotation = PROVIDERS[kind].fields.model_fields[name].annotation
                if annotation in (Secret, Secret | None):
                    key = tmp_path / f"{kind}.{name}"
                    key.write_text(value)
                    key.chmod(0o600)
                    value = f"file:{key}"
                lines.append(f"{name} = {json.dumps(value)}")
        policy.write_text("\n".join(lines))
        monkeypatch.setenv("LLMWIDGETS_POLICY", str(policy))

    return provide


@pytest.mark.parametrize("kind", [each for each in PROVIDERS if PROVIDERS[each].single])
def test_a_kind_is_tried_part_by_part_and_recorded(vendor, connect, tmp_path, kind):
    connect(vendor, kind)
    record = tmp_path / "live.json"
    assert keys.try_all([], record) == 0
    last = read_record(record)[kind]
    assert last.tried == PARTS
    assert last.outcome == "ok"
    assert 0 < last.cost < 0.1
    assert last.model in vendor.models
    assert last_tried(kind, read_record(record)) == last.date


def test_a_key_of_a_variable_is_tried(vendor, monkeypatch, tmp_path):
    monkeypatch.setenv("OPENAI_API_KEY", KEY)
    monkeypatch.setenv("OPENAI_BASE_URL", f"{vendor.url}/v1")
    record = tmp_path / "live.json"
    assert keys.try_all([], record) == 0
    assert list(read_record(record)) == ["openai"]
    written = record.read_text()
    for secret in (KEY, vendor.url, keys.TEXT, "Bolt"):
        assert secret not in written


def test_a_deployment_is_named_by_its_reference(vendor, monkeypatch, tmp_path):
    monkeypatch.setenv("AZURE_OPENAI_API_KEY", KEY)
    monkeypatch.setenv("AZURE_OPENAI_ENDPOINT", f"{vendor.url}/openai/v1")
    record = tmp_path / "live.json"
    assert keys.try_all([], record) == 1, "variables name a server and no model"
    assert read_record(record) == {}
    assert keys.try_all([f"azure_openai/{MODEL}"], record) == 0
    assert read_record(record)["azure_openai"].tried == PARTS


@pytest.mark.parametrize(
    ("fault", "status"),
    [("key", "Unauthorized"), ("money", "QuotaExhausted"), ("overload", "Overloaded")],
)
def test_a_failed_try_is_written_with_its_class(vendor, connect, tmp_path, fault, status):
    connect(vendor, "openai")
    vendor.fault = fault
    record = tmp_path / "live.json"
    assert keys.try_all([], record) == 1
    last = read_record(record)["openai"]
    assert last.tried == {"check": status}
    assert last_tried("openai", {"openai": last}) == f"{last.date}, failed (check: {status})"


def test_a_schema_that_is_not_enforced_is_a_failed_try(vendor, connect, tmp_path):
    connect(vendor, "openai")
    vendor.fault = "schema"
    record = tmp_path / "live.json"
    assert keys.try_all([], record) == 1
    assert read_record(record)["openai"].outcome == "enforced schema: InvalidRecord"


def test_nothing_is_asked_that_the_budget_does_not_cover(vendor, connect, tmp_path):
    connect(vendor, "openai")
    record = tmp_path / "live.json"
    assert keys.try_all([], record, budget=0.000001) == 1
    assert vendor.seen == []
    assert read_record(record) == {}


@pytest.mark.parametrize("thousandths", [0.1, 0.5, 1, 2, 5])
def test_the_budget_ends_a_try_between_its_parts(vendor, connect, tmp_path, thousandths, capsys):
    """Whatever is left, the worst case of what was sent is never above it."""
    connect(vendor, "openai")
    record, budget = tmp_path / "live.json", thousandths / 1000
    keys.try_all([], record, budget)
    variant = ResolvedVariant("openai", *next(keys.chosen([], keys.Policy())))
    sent = [each.body for each in vendor.seen if each.method == "POST"]
    # Four characters are a token of Latin text; the engine reserves one and a half times that.
    worst = [Usage(len(json.dumps(body)) // 4, keys.output_limit(body)) for body in sent]
    assert sum(variant.cost(each) for each in worst) <= budget
    assert (read_record(record) == {}) == ("not finished" in capsys.readouterr().out)


def test_what_is_left_is_shared_by_all_kinds(vendor, connect, tmp_path, capsys):
    connect(vendor, "openai", "anthropic")
    record = tmp_path / "live.json"
    keys.try_all([], record)
    (cost,) = (each.cost for kind, each in read_record(record).items() if kind == "openai")
    again = tmp_path / "again.json"
    # Another vendor: a question that was stopped may reach the first one only now.
    with serving_vendor() as another:
        connect(another, "openai", "anthropic")
        keys.try_all([], again, budget=cost * 1.01)
    assert list(read_record(again)) == ["openai"]
    assert "anthropic" in capsys.readouterr().out


def test_a_model_without_a_price_is_not_asked(vendor, connect, tmp_path, capsys):
    connect(vendor, "custom")
    assert keys.try_all([], tmp_path / "live.json") == 1
    assert vendor.seen == []
    assert "no model with a known price" in capsys.readouterr().out


def test_without_a_key_nothing_is_written_and_the_next_step_is_said(tmp_path, capsys):
    assert keys.try_all([], tmp_path / "live.json") == 1
    assert not (tmp_path / "live.json").exists()
    assert "OPENAI_API_KEY" in capsys.readouterr().out


@pytest.mark.parametrize("base_url", ["", "http://127.0.0.1:9/v1"])
def test_what_sent_nothing_is_not_a_try(monkeypatch, tmp_path, capsys, base_url):
    """A foreign key that is held back, a server that is not there: an earlier try stays."""
    record = tmp_path / "live.json"
    write_record([Try("openai", "2026-10-01", "m", PARTS)], record)
    monkeypatch.setenv("OPENAI_API_KEY", "gsk_" + "0a" * 20)
    monkeypatch.setenv("OPENAI_BASE_URL", base_url)
    assert keys.try_all([], record) == 1
    assert last_tried("openai", read_record(record)) == "2026-10-01"
    said = capsys.readouterr().out
    assert "not tried" in said
    assert "Nothing was tried" in said


@pytest.mark.parametrize("references", [["nobody/m"], ["openai/gpt-6-luna", "nobody/m"], ["groq"]])
def test_a_reference_that_leads_nowhere_is_said_before_anything_is_tried(
    vendor, connect, tmp_path, monkeypatch, capsys, references
):
    connect(vendor, "openai")
    monkeypatch.setenv("GROQ_API_KEY", "made-up-0001")
    assert keys.try_all(references, tmp_path / "live.json") == 1
    assert "Nothing was tried. " in capsys.readouterr().out
    assert vendor.seen == []


def test_a_preset_s_model_without_a_price_is_said_as_that(monkeypatch, tmp_path, capsys):
    monkeypatch.setenv("GROQ_API_KEY", "made-up-0001")
    assert keys.try_all(["groq/m"], tmp_path / "live.json") == 1
    assert "groq: not tried, no model with a known price." in capsys.readouterr().out


def test_a_damaged_policy_file_lets_nothing_be_tried_and_is_named(
    vendor, connect, tmp_path, monkeypatch, capsys
):
    connect(vendor, "openai")
    policy = tmp_path / "policy.toml"
    policy.write_text("max_budgets = 1\n" + policy.read_text())
    assert keys.try_all([], tmp_path / "live.json") == 1
    assert vendor.seen == []
    assert "policy.toml" in capsys.readouterr().out


def test_an_earlier_try_stays_until_the_kind_is_tried_again(tmp_path):
    record = tmp_path / "live.json"
    old = [Try("gemini", "2026-10-01", "g", PARTS), Try("openai", "2026-10-01", "m", PARTS)]
    write_record(old, record)
    write_record([Try("openai", "2026-11-01", "m", {"check": "Forbidden"})], record)
    known = read_record(record)
    assert [last_tried(kind, known) for kind in ("openai", "gemini", "anthropic")] == [
        "2026-11-01, failed (check: Forbidden)",
        "2026-10-01",
        "never",
    ]


def test_of_several_connections_of_a_kind_one_that_failed_counts(tmp_path):
    record = tmp_path / "live.json"
    good, bad = Try("custom", "2026-11-01", "a", PARTS), Try("custom", "2026-11-01", "b", {})
    bad.tried["check"] = "Unreachable"
    for order in ([good, bad], [bad, good]):
        write_record(order, record)
        assert read_record(record)["custom"].model == "b"


def test_the_record_that_is_kept_is_of_its_form():
    """Kinds, days, classes and dollars, and nothing else: no key, no address, no text."""
    rows = json.loads(RECORD.read_text("utf-8"))
    assert [row["kind"] for row in rows] == [kind for kind in PROVIDERS if kind in read_record()]
    for row in rows:
        assert set(row) == {"kind", "date", "model", "tried", "cost", "outcome"}
        assert date.fromisoformat(row["date"]) <= datetime.now(UTC).date()
        assert list(row["tried"]) == list(PARTS)[: len(row["tried"])]
        assert all(re.fullmatch("[A-Za-z ]+", status) for status in row["tried"].values())
        assert row["outcome"] == read_record()[row["kind"]].outcome
        assert 0 <= row["cost"] <= keys.BUDGET
