"""ComparisonPanel without a browser: what is shown before, during and after a run."""

from __future__ import annotations

import json
import re
import sqlite3
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from datetime import date, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import ipywidgets
import numpy as np
import pytest

import llmwidgets as lw
from llmwidgets import Comparison, ComparisonPanel, Connection, Store, Variant, compare, demo
from llmwidgets.analysis.statistics.verdict import Verdict
from llmwidgets.analysis.statistics.verdict_sentences import brief
from llmwidgets.demo import invoices
from llmwidgets.engine import capability, estimate, journal_file
from llmwidgets.widgets.comparison import setup_controller
from llmwidgets.widgets.comparison.grid import Layout
from llmwidgets.widgets.comparison.grid_model import Filter, GridIndex
from llmwidgets.widgets.comparison.grid_rows import Metrics, heights
from tests.samples import TEXTS, TRUTH

MARKER = "Larkfield Joinery"
PASSPHRASE = "copper lantern orbit mellow"
KEY = "sk-made-up-canary-0004711-3fQz"
NAME = {
    "type": "object",
    "title": "Person",
    "properties": {"name": {"type": "string"}, "age": {"type": ["integer", "null"]}},
    "required": ["name"],
}


@pytest.fixture
def store() -> Store:
    return Store.in_memory()


def panel(store: Store, **more: Any) -> ComparisonPanel:
    given = {"schema": invoices.Schema, "texts": TEXTS, "truth": TRUTH, **more}
    return ComparisonPanel(store=store, **given)


def last(page: Any, kind: str) -> dict[str, Any]:
    return next(each for each in reversed(page.messages) if each["type"] == kind)


@pytest.fixture(scope="module")
def compared(tmp_path_factory: pytest.TempPathFactory) -> Comparison:
    """The demo models over the sample invoices, run once."""
    journal = tmp_path_factory.mktemp("journal") / "replies.sqlite"
    return compare(
        invoices.Schema,
        TEXTS,
        "demo",
        truth=TRUTH,
        journal=journal,
        progress=False,
    )


@pytest.fixture
def finished(wire, store: Store, compared: Comparison) -> Any:
    """A panel that shows what the demo models said about the sample invoices."""
    widget = panel(store, models="demo")
    widget.controllers["run"].show(compared)
    return wire(widget)


def test_a_run_ends_in_its_result(wire, store: Store) -> None:
    """Run, and the differences are there: all extractions, each in one class, and the value."""
    page = wire(panel(store, models="demo"))
    assert page.widget.comparison is None
    page.send("run.start")
    assert page.state["screen"] == "results", page.widget.last_error
    assert len(list(page.widget.comparison)) == 32
    screens = [each["screen"] for each in page.messages if each["type"] == "state"]
    assert "running" in screens


# -- before the run --------------------------------------------------------------------------------


def test_the_setup_says_what_is_asked_of_whom_and_where_it_goes(wire, store: Store) -> None:
    """Models with letters, fields with types, texts with truth, the hosts, the number of calls."""
    page = wire(panel(store, models="demo"))
    setup = page.state["setup"]
    rows = [row for group in setup["groups"] for row in group["rows"]]
    assert [(row["ref"], row["letter"]) for row in rows] == list(
        zip(demo.DEMO_MODELS, "ABCD", strict=True)
    )
    assert setup["schema"]["said"] == "10, from Invoice"
    assert {field["path"]: field["type"] for field in setup["schema"]["fields"]}["due_date"] == (
        "date or none"
    )
    assert setup["texts"]["said"].startswith("8, all with truth")
    assert setup["run"] == "Run 32 calls"
    assert setup["missing"] == ""
    said = " ".join(setup["estimate"]["lines"])
    assert "4 columns × 8 texts = 32 calls" in said
    assert re.search(r"The texts go to 127\.0\.0\.1:\d+ on this computer, and to no other", said)
    assert setup["estimate"]["head"] == "Cost unknown"


def test_nothing_connected_shows_the_two_ways_on(wire, store: Store) -> None:
    """Without a model the panel says so; the demo button connects and ticks the demo models."""
    page = wire(panel(store))
    assert page.state["setup"]["empty"]["sentence"] == "No model to compare"
    page.send("setup.demo")
    assert page.state["setup"]["empty"] is None
    assert page.state["setup"]["ticked"] == "4 ticked of 4"


def test_without_material_a_sample_can_be_used(wire, store: Store) -> None:
    """An empty panel says what is missing and offers the sample tasks."""
    page = wire(ComparisonPanel(models="demo", store=store))
    assert page.state["setup"]["missing"] == "There are no fields and no texts yet."
    page.send("setup.sample", name="emails")
    assert page.state["setup"]["missing"] == ""
    assert page.widget.schema is demo.emails.Schema
    page.send("setup.sample", name="../../etc")
    assert page.widget.schema is demo.emails.Schema


def test_ticks_letters_and_columns_follow_each_other(wire, store: Store) -> None:
    """Unticking moves the letters up; a duplicate column goes away with its model."""
    page = wire(panel(store, models=["demo-quick", "demo-careful"]))
    page.send("setup.duplicate", ref="demo-quick")

    def letters() -> dict[str, str]:
        rows = [row for group in page.state["setup"]["groups"] for row in group["rows"]]
        found = {row["ref"]: row["letter"] for row in rows if row["ticked"]}
        copies = {copy["label"]: copy["letter"] for row in rows for copy in row["copies"]}
        return {**found, **copies}

    assert letters() == {"demo-quick": "A", "demo-careful": "B", "demo-quick · 2": "C"}
    assert page.state["setup"]["run"] == "Run 24 calls"
    page.send("setup.tick", ref="demo-quick", on=False)
    assert letters() == {"demo-careful": "A"}
    page.send("setup.tick_all", label=page.state["setup"]["groups"][0]["label"], on=False)
    assert page.state["setup"]["missing"] == "Tick a model first."
    assert page.state["setup"]["run"] == "Run"


def test_a_duplicate_column_is_edited_and_asked_its_own_way(wire, store: Store) -> None:
    """Own instructions and thinking reach the variant; the first column's replies are reused."""
    page = wire(panel(store, models=["demo-quick"]))
    page.send("run.start")
    page.send("run.again")
    page.send("setup.duplicate", ref="demo-quick")
    copy = page.state["setup"]["groups"][0]["rows"][0]["copies"][0]
    page.send(
        "setup.edit_copy", key=copy["key"], label="terse", instructions="Read it.", effort="low"
    )
    page.send("run.start")
    first, second = page.widget.comparison.variants
    assert (second.label, second.instructions, second.effort) == ("terse", "Read it.", "low")
    assert first.instructions != "Read it."
    paid = [(each.variant, each.paid_before is not None) for each in page.widget.comparison]
    assert {again for name, again in paid if name == "demo-quick"} == {True}
    assert {again for name, again in paid if name == "terse"} == {False}


def test_two_columns_of_one_name_are_refused(wire, store: Store) -> None:
    """A name that another column has is said, and nothing changes."""
    page = wire(panel(store, models=["demo-quick", "demo-careful"]))
    page.send("setup.duplicate", ref="demo-quick")
    copy = (
        page.state["setup"]["groups"][0]["rows"][0]["copies"]
        or (page.state["setup"]["groups"][0]["rows"][1]["copies"])
    )
    page.send("setup.edit_copy", key=copy[0]["key"], label="demo-careful")
    assert "Another column is named demo-careful." in page.state["error"]["sentence"]
    assert [each.label for each in page.widget.controllers["setup"].setup.variants()][
        -1
    ] == "demo-quick · 2"


@pytest.mark.parametrize(
    ("given", "where", "words", "hint"),
    [
        ({"texts": []}, "texts", "is empty", "at least one text"),
        ({"texts": ["", "b"]}, "texts", "text-01: is empty", "Leave empty texts out"),
        ({"texts": ["claim.pdf"]}, "texts", "is a PDF", "pypdf"),
        ({"texts": [{"id": "a", "text": "x"}] * 2}, "texts", "more than once: a", "an id of its"),
        ({"truth": [{}]}, "truth", "1 row for 8 texts", "one for each text"),
        ({"truth": {"nobody": {}}}, "truth", "no text has the id nobody", "ids of the texts"),
        (
            {"truth": {"workshop-en": {"total": "much"}}},
            "truth",
            "truth of workshop-en, total",
            "Correct the truth",
        ),
        (
            {"schema": {"$ref": "https://example.com/s.json"}},
            "schema",
            "example.com",
            "",
        ),
        ({"schema": 7}, "schema", "", ""),
        ({"models": ["nobody/gpt"]}, "models", "There is no connection for nobody/gpt", "demo"),
    ],
)
def test_bad_input_is_a_sentence_in_the_panel(
    wire, store: Store, given: dict[str, Any], where: str, words: str, hint: str
) -> None:
    """Whatever is wrong, the panel stands, names the thing and the next step, and runs nothing."""
    page = wire(panel(store, **{"models": "demo", **given}))
    problem = next(each for each in page.state["setup"]["problems"] if each["where"] == where)
    assert words in problem["sentence"]
    assert problem["sentence"].endswith(".")
    assert hint in problem["hint"]
    assert page.state["setup"]["missing"]
    page.send("run.start")
    assert page.state["screen"] == "setup"
    assert page.widget.comparison is None


@pytest.mark.parametrize(
    ("reference", "said"),
    [
        ("openai/gpt-6-lunna", "The nearest known name is openai/gpt-6-luna."),
        ("dmo", "The nearest known name is demo."),
        ("openai/gpt-6-luna", "and the store is locked."),
    ],
)
def test_a_misspelt_model_is_told_in_the_panel_though_the_store_is_locked(
    wire, tmp_path, monkeypatch, reference: str, said: str
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    locked = Store.create("acme", passphrase="correct horse battery", path=tmp_path / "acme")
    locked.lock()
    page = wire(panel(locked, models=[reference]))
    sentences = [each["sentence"] for each in page.state["setup"]["problems"]]
    assert any(each.endswith(said) for each in sentences), sentences


def test_truth_that_does_not_fit_can_be_left_out(wire, store: Store) -> None:
    """The button at the truth's problem compares without it."""
    page = wire(panel(store, models=["demo-quick"], truth=[{}]))
    action = page.state["setup"]["problems"][0]["action"]
    page.send(action["type"])
    assert page.state["setup"]["problems"] == []
    assert "without truth" in page.state["setup"]["texts"]["said"]


def test_one_misfit_in_many_places_is_one_sentence(wire, store: Store) -> None:
    """Equal problems share their sentence, every place named; others keep their own."""
    schema = {"type": "object", "properties": {"total": {"type": "number"}}}
    truth = [{"sum": 1}, {"sum": 2}, {"total": "x"}]
    page = wire(ComparisonPanel(schema, ["a", "b", "c"], truth=truth, store=store))
    sentence = page.state["setup"]["problems"][0]["sentence"]
    assert sentence.startswith("truth of text-01, sum; truth of text-02, sum: ")
    assert sentence.count("the schema has no field of this name") == 1
    assert "truth of text-03, total: " in sentence


def test_a_model_off_the_whitelist_is_refused_by_name_and_can_be_allowed(wire, tmp_path) -> None:
    """The refusal says whose rule it is; allowing it for the organization ticks it."""
    store = Store.create("acme", passphrase=PASSPHRASE, path=tmp_path / "acme")
    store.save(Connection("openai", api_key=KEY))
    page = wire(panel(store, models=["openai/gpt-99-nova"]))
    problem = page.state["setup"]["problems"][0]
    assert "gpt-99-nova is not on the shipped whitelist" in problem["sentence"]
    page.send(problem["action"]["type"], **problem["action"]["content"])
    assert page.state["setup"]["problems"] == []
    assert [each.label for each in page.widget.controllers["setup"].setup.variants()] == [
        "openai/gpt-99-nova"
    ]


def test_a_dated_snapshot_that_code_names_is_a_row_with_its_price(wire, store: Store) -> None:
    openai = Connection("openai", api_key="sk-test-000")
    model = "gpt-5.4-mini-2026-03-17"
    page = wire(panel(store, models=[(openai, model)]))
    rows = [row for group in page.state["setup"]["groups"] for row in group["rows"]]
    row = next(each for each in rows if each["id"] == model)
    alias = next(each for each in rows if each["id"] == "gpt-5.4-mini")
    assert row["ticked"]
    assert (row["price"], row["mode"]) == (alias["price"], alias["mode"])
    assert page.state["setup"]["problems"] == []


def test_a_retired_model_names_its_successor(wire, store: Store) -> None:
    """A model that was shut down is not asked; the panel says which one replaces it."""
    store.save(Connection("openai", api_key=KEY))
    page = wire(panel(store, models=["openai/gpt-4"]))
    problem = page.state["setup"]["problems"][0]
    assert "retired gpt-4" in problem["sentence"]
    assert "openai/gpt-6-luna" in problem["hint"]


@pytest.fixture
def locked(tmp_path) -> Store:
    """A store on disk with one connection that nothing has unlocked."""
    store = Store.create("acme", passphrase=PASSPHRASE, path=tmp_path / "acme")
    store.save(Connection("openai", api_key=KEY))
    store.lock()
    return store


def test_a_locked_store_is_said_with_the_way_to_unlock_it(wire, locked: Store) -> None:
    """The rules are in the store, so a store that code names must be open; unlocking is enough."""
    page = wire(panel(locked, models="demo"))
    problem = page.state["setup"]["problems"][0]
    assert "locked" in problem["sentence"]
    assert problem["action"]["type"] == "setup.connections"
    assert page.state["setup"]["missing"].startswith("Unlock the store first")
    page.send("setup.connections")
    assert last(page, "embed")["model"] == page.widget.controllers["setup"].connecting.model_id
    locked.unlock(PASSPHRASE)
    page.settle()
    page.send("hello")
    assert page.state["setup"]["problems"] == []
    assert page.state["setup"]["missing"] == ""
    assert KEY not in json.dumps(page.messages)


def test_a_locked_default_store_leaves_given_connections_to_run(wire, tmp_path) -> None:
    """Without a store named in code, what code gave is compared beside a locked default store."""
    Store.create(passphrase=PASSPHRASE).lock()
    page = wire(ComparisonPanel(NAME, ["Ada."], models="demo"))
    assert page.state["setup"]["problems"][0]["where"] == "store"
    assert page.state["setup"]["missing"] == ""
    page.send("run.start")
    assert page.state["screen"] == "results"


def test_a_locked_store_without_anything_else_is_said_once(wire) -> None:
    """In the place of the models, where the way to it is as well."""
    Store.create(passphrase=PASSPHRASE).lock()
    setup = wire(ComparisonPanel(NAME, ["Ada."])).state["setup"]
    assert setup["problems"] == []
    assert "is locked" in setup["empty"]["hint"]
    assert "Unlock it in the connection panel" in setup["empty"]["hint"]


@pytest.mark.parametrize("words", ["much", "-1", "0", "1e9"])
def test_a_budget_that_is_no_amount_is_said(wire, store: Store, words: str) -> None:
    """The limit keeps its value; the sentence says what to write."""
    page = wire(panel(store, models="demo"))
    page.send("setup.budget", budget="1.50")
    page.send("setup.budget", budget=words)
    assert "not an amount" in page.state["error"]["sentence"]
    assert page.state["setup"]["budget"] == "1.50"
    page.send("setup.budget", budget="")
    assert page.state["setup"]["budget"] == ""


def test_a_dear_run_asks_for_a_limit_first(wire, store: Store) -> None:
    """Above five dollars nothing runs until a limit is set; the estimate names what it knows."""
    store.save(Connection("openai", api_key=KEY))
    long = [f"{number} " + "word " * 60_000 for number in range(3)]
    page = wire(panel(store, texts=long, truth=None, models=["openai/gpt-6-sol"]))
    assert page.state["setup"]["missing"] == ""
    page.send("setup.options", repeats="20")
    setup = page.state["setup"]
    assert setup["estimate"]["head"].startswith("About $")
    assert "set a limit" in setup["missing"]
    page.send("setup.budget", budget="3")
    assert page.state["setup"]["missing"] == ""
    assert float(setup["groups"][0]["rows"][0]["price"]) > 0


def test_instructions_by_name_cross_with_the_models(wire, store: Store) -> None:
    """Two sets of instructions make two columns of each model, and the panel says so."""
    words = {"plain": "Read it.", "strict": "Read it twice."}
    page = wire(panel(store, models=["demo-quick"], instructions=words))
    assert "plain, strict" in page.state["setup"]["options"]["crossed"]
    page.send("run.start")
    assert page.widget.comparison.labels == ("demo-quick · plain", "demo-quick · strict")
    page.send("run.again")
    assert page.state["setup"]["run"] == "Run 16 calls, all answered before"


def test_what_the_journal_has_is_told_as_the_estimate_in_python_tells_it(wire, store) -> None:
    """After a restart of the kernel as well: nothing is known then but what is on disk."""
    page = wire(panel(store, models=["demo-quick"]))
    assert page.state["setup"]["run"] == "Run 8 calls"
    page.send("run.start")
    page.send("run.again")
    page.send("setup.options", repeats="2")
    asked = invoices.Schema, TEXTS, "demo-quick"
    for again in (page, wire(panel(store, models=["demo-quick"]))):
        capability.forget_capabilities()
        again.send("setup.options", repeats="2")
        setup, shown = again.state["setup"], again.widget.controllers["setup"].cost.estimate
        likely = lw.estimate(*asked, repeats=2)
        assert setup["run"] == "Run 16 calls, 8 answered before"
        assert "8 of 16 answered before: 8 calls to make" in " ".join(setup["estimate"]["lines"])
        assert (shown.answered, shown.tried) == (likely.answered, likely.tried) == (8, 8)
        assert shown.seconds == likely.seconds
        assert shown.seconds_least == likely.seconds_least
        again.send("setup.options", repeats="1")
        setup = again.state["setup"]
        assert setup["run"] == "Run 8 calls, all answered before"
        assert setup["estimate"]["head"] == "Nothing to pay"
        whole, hosts = setup["estimate"]["lines"]
        assert whole == "1 column × 8 texts = 8 calls · 8 of 8 answered before: nothing to ask"
        assert hosts.endswith("and to no other host.")  # named before any run
        assert str(lw.estimate(*asked)) == "8 of 8 answered before: nothing to ask."


def test_in_memory_the_last_run_is_what_was_answered_before(wire, store, monkeypatch) -> None:
    monkeypatch.setenv("BINDER_SERVICE_HOST", "10.0.0.1")
    page = wire(panel(store, models=["demo-quick"]))
    page.send("run.start")
    page.send("run.again")
    assert page.state["setup"]["run"] == "Run 8 calls, all answered before"


def test_texts_that_can_be_read_once_are_read_once(wire, store: Store) -> None:
    """A generator of texts serves the panel and the run."""
    page = wire(panel(store, texts=(each for each in TEXTS), models=["demo-quick"]))
    assert page.state["setup"]["run"] == "Run 8 calls"


# -- the run ---------------------------------------------------------------------------------------


class _Slow(BaseHTTPRequestHandler):
    """Answers the probe at once and documents when it is let; counts the documents."""

    let = threading.Event()
    free = threading.Semaphore(0)
    documents = 0

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        if "Ada" in body and not self.let.is_set():
            self.free.acquire(timeout=20)
        if "Ada" in body:
            type(self).documents += 1
        answer = {
            "id": "r",
            "object": "chat.completion",
            "model": "slow",
            "choices": [
                {
                    "index": 0,
                    "finish_reason": "stop",
                    "message": {"role": "assistant", "content": '{"name": "Ada", "age": 36}'},
                }
            ],
            "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
        }
        data = json.dumps(answer).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        try:
            self.wfile.write(data)
        except OSError:
            self.close_connection = True

    def log_message(self, *_: object) -> None:
        return


def open_up() -> None:
    """From now on every text is answered at once."""
    _Slow.let.set()
    _Slow.free.release(100)


@pytest.fixture
def slow() -> Iterator[Connection]:
    """A server that answers two texts, and the others when `_Slow.let` is set."""
    _Slow.let.clear()
    _Slow.free = threading.Semaphore(2)
    _Slow.documents = 0
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Slow)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    endpoint = f"http://127.0.0.1:{server.server_port}/v1"
    yield Connection("custom", name="slow", endpoint=endpoint, api_key=KEY)
    open_up()
    server.shutdown()
    thread.join()
    server.server_close()


def post(page: Any, kind: str, **content: Any) -> None:
    """Send an action and do not wait for its end."""
    data = {"method": "custom", "content": {"type": kind, **content}}
    page.widget.comm.handle_msg({"content": {"data": data}, "buffers": []})


def until(page: Any, holds: Any) -> None:
    """Wait until the newest state is as asked."""
    waited = threading.Event()
    for _ in range(1000):
        if holds(page.state):
            return
        waited.wait(0.02)
    pytest.fail(f"the state never came; the newest: {page.state}")


def test_stop_keeps_what_came_and_resume_asks_for_the_rest(wire, store, slow) -> None:
    """Two replies, Stop, then Resume: every text is asked once, none is paid twice."""
    texts = [f"Ada number {number}" for number in range(6)]
    page = wire(ComparisonPanel(NAME, texts, models=[slow], store=store))
    post(page, "run.start")
    until(
        page, lambda now: now["screen"] == "running" and now["running"]["columns"][0]["done"] == 2
    )
    running = page.state["running"]
    assert running["columns"][0]["count"] == "2 / 6"
    assert "2 of 6 replies" in running["said"]
    assert "1 column, 6 texts, running. Run this cell" in page.widget.static_html()
    post(page, "run.stop")
    page.settle()
    stopped = page.state["running"]
    assert stopped["status"] == "Stopped"
    assert stopped["resume"] == "Resume 4 calls"
    assert stopped["show"] == "Show the 2"
    page.send("run.show")
    assert page.state["result"]["facts"] == ["Stopped: 2 of 6 replies are here."]
    assert sorted(each.status for each in page.widget.comparison) == ["Stopped"] * 4 + ["ok"] * 2
    open_up()
    page.send("run.resume")
    assert page.state["screen"] == "results"
    statuses = [each.status for each in page.widget.comparison]
    assert statuses == ["ok"] * 6
    assert sum(each.paid_before is not None for each in page.widget.comparison) == 2
    assert page.state["result"]["facts"] == []


def test_the_kernel_is_free_while_a_run_goes_on(wire, store, slow) -> None:
    """The callback returns at once, and what is there can be looked at before the end."""
    texts = [f"Ada number {number}" for number in range(4)]
    page = wire(ComparisonPanel(NAME, texts, models=[slow], store=store))
    post(page, "run.start")
    until(
        page, lambda now: now["screen"] == "running" and now["running"]["columns"][0]["done"] == 2
    )
    assert page.widget.controllers["run"].ongoing
    post(page, "run.show")
    until(page, lambda now: now["screen"] == "results")
    assert page.state["result"]["facts"] == ["So far: 2 of 4 texts."]
    assert page.state["again"] == "Back to the run"
    assert len(page.widget.comparison) == 4
    open_up()
    page.settle()
    assert [each.status for each in page.widget.comparison] == ["ok"] * 4


def test_an_open_grid_follows_the_run(wire, store, slow) -> None:
    """Rows come in where they are, what is not answered yet is no failure, nothing is reset."""
    other = Connection("custom", name="b", endpoint=slow.fields.endpoint, label="b", api_key="k")
    texts = [f"Ada number {number}" for number in range(4)]
    page = wire(ComparisonPanel(NAME, texts, models=[slow, other], store=store))
    post(page, "run.start")
    until(
        page,
        lambda now: (
            now["screen"] == "running"
            and sum(each["done"] for each in now["running"]["columns"]) == 2
        ),
    )
    post(page, "run.show")
    until(page, lambda now: now["screen"] == "results")
    shown = page.state["result"]
    assert shown["live"] is True
    assert shown["counts"]["failed"] == 0
    post(page, "grid.lay", only="all")
    open_up()
    page.settle()
    after = page.state["result"]
    assert (after["edition"], after["live"], after["read"]) == (shown["edition"], False, 4)
    for message in page.messages:
        for _, block in message.get("blocks", []) if message["type"] == "changed" else []:
            assert block["failed"] is None
    assert [each.status for each in page.widget.comparison] == ["ok"] * 8


def test_a_journal_in_trouble_is_told_while_it_runs_and_with_the_result(wire, store, slow) -> None:
    """Another process holds the file: what is in memory, and what to do; then it is over."""
    texts = [f"Ada number {number}" for number in range(4)]
    page = wire(ComparisonPanel(NAME, texts, models=[slow], store=store))
    post(page, "run.start")
    until(
        page, lambda now: now["screen"] == "running" and now["running"]["columns"][0]["done"] == 2
    )
    assert page.state["running"]["note"] is None
    assert page.state["running"]["foot"].startswith("Every reply is on disk as it arrives.")
    path = journal_file.default_journal_path()
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN EXCLUSIVE")
        _Slow.free.release(1)
        until(page, lambda now: now["running"]["note"] is not None)
        told = page.state["running"]
        said = f"journal: {path} is locked by another process. 1 reply is kept"
        assert told["note"]["sentence"].startswith(said)
        assert "run again" in told["note"]["hint"]
        assert told["foot"].startswith("Replies are kept in memory. Stop keeps them;")
        assert told["columns"][0]["done"] == 3
        post(page, "run.show")
        until(page, lambda now: now["screen"] == "results")
        open_up()
        page.settle()
        assert [each.status for each in page.widget.comparison] == ["ok"] * 4
        assert "2 replies are kept in memory" in " ".join(page.state["result"]["notes"])
    page.widget.controllers["run"].run.journal.settle()
    page.widget.page.push()
    assert page.state["result"]["notes"] == []
    with closing(sqlite3.connect(journal_file.default_journal_path())) as other:
        assert other.execute("SELECT count(*) FROM extraction").fetchone() == (4,)


def test_in_memory_no_reply_is_said_to_be_on_disk(wire, store, slow, monkeypatch) -> None:
    monkeypatch.setenv("BINDER_SERVICE_HOST", "10.0.0.1")
    page = wire(ComparisonPanel(NAME, ["Ada 1", "Ada 2", "Ada 3"], models=[slow], store=store))
    post(page, "run.start")
    until(
        page, lambda now: now["screen"] == "running" and now["running"]["columns"][0]["done"] == 2
    )
    assert "disk" not in page.state["running"]["foot"]
    open_up()
    page.settle()


def test_five_texts_first_then_the_others(wire, store: Store) -> None:
    """The trial says that it is one; the rest is asked for without asking the five again."""
    page = wire(panel(store, models=["demo-careful"]))
    assert page.state["setup"]["trial"] == "Try 5 texts first"
    page.send("run.start", trial=True)
    assert len(page.widget.comparison) == 5
    assert page.state["result"]["facts"][0] == "The first 5 of 8 texts."
    assert page.state["result"]["resume"] == "Run the other 3 calls"
    page.send("run.resume")
    assert len(page.widget.comparison) == 8


def test_what_was_tried_narrows_what_all_texts_are_expected_to_cost(wire, store) -> None:
    """The trial's answers stand in the estimate of the rest, until they are asked another way."""
    priced = Variant("demo-careful", label="own", price={"input": 100.0, "output": 500.0})
    page = wire(panel(store, models=[priced]))
    wide = page.widget.controllers["setup"].cost.estimate
    page.send("run.start", trial=True)
    narrow = page.widget.controllers["setup"].cost.estimate
    assert (wide.tried, narrow.tried) == (0, 5)
    assert narrow.cost_high / narrow.cost_low < wide.cost_high / wide.cost_low
    (first, whole) = page.state["result"]["facts"]
    assert first == "The first 5 of 8 texts."
    assert re.fullmatch(
        r"All 8 texts: about \$[\d.]+, between \$[\d.]+ and \$[\d.]+; by what 5 answers took\.",
        whole,
    )
    page.send("run.again")
    assert "By what 5 answers took" in " ".join(page.state["setup"]["estimate"]["lines"])
    page.send("setup.options", instructions="Read it another way.")
    assert page.widget.controllers["setup"].cost.estimate.tried == 0
    page.send("setup.options", instructions="")
    page.send("run.resume")
    assert narrow.cost_low <= page.widget.comparison.scoreboard().cost[0] <= narrow.cost_high


def test_labelled_texts_shown_as_examples_are_chosen_in_the_copy(wire, store: Store) -> None:
    """Two texts are shown and left out for all columns; the first column is not asked again."""
    page = wire(panel(store, models=["demo-quick"]))
    page.send("run.start")
    page.send("run.again")
    page.send("setup.duplicate", ref="demo-quick")
    copy = page.state["setup"]["groups"][0]["rows"][0]["copies"][0]
    assert copy["examples"] == {"count": 0, "given": ""}
    page.send("setup.edit_copy", key=copy["key"], examples="many")
    assert "whole number from 0 to 50" in page.state["error"]["sentence"]
    page.send("setup.edit_copy", key=copy["key"], examples="2")
    setup = page.state["setup"]
    assert setup["run"] == "Run 12 calls, 6 answered before"
    assert "2 texts shown as examples" in " ".join(setup["estimate"]["lines"])
    assert setup["groups"][0]["rows"][0]["copies"][0]["said"] == "2 examples"
    page.send("run.start")
    result = page.state["result"]
    assert (result["facts"], result["resume"], result["texts"]) == ([], "", 6)
    paid = {each.variant: each.paid_before is not None for each in page.widget.comparison}
    assert paid == {"demo-quick": True, "demo-quick · 2": False}
    shown = page.widget.comparison.variants[1].examples
    assert [each.text for each in shown] == [each["text"] for each in invoices.texts[:2]]


def test_a_trial_with_examples_asks_five_of_the_texts_that_are_left(wire, store: Store) -> None:
    page = wire(panel(store, models=[Variant("demo-quick", label="own", examples=2)]))
    page.send("run.start", trial=True)
    assert page.state["result"]["facts"][0] == "The first 5 of 6 texts."
    assert page.state["result"]["resume"] == "Run the other 1 call"
    page.send("run.resume")
    assert len(page.widget.comparison) == 6
    assert page.state["result"]["facts"] == []


def test_a_price_that_is_about_to_change_stands_beside_its_model(wire, store, monkeypatch) -> None:
    """In the picker and in the estimate, with the day."""

    class Then(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return datetime(2026, 11, 23, tzinfo=tz)

    for module in (setup_controller, estimate):
        monkeypatch.setattr(module, "datetime", Then)
    store.save(Connection("gemini", api_key="AIza-made-up-key-for-tests-0000000000000"))
    page = wire(panel(store, models=["gemini/gemini-3.8-flash"]))
    rows = {row["ref"]: row for group in page.state["setup"]["groups"] for row in group["rows"]}
    notes = [note["text"] for note in rows["gemini/gemini-3.8-flash"]["notes"]]
    assert "price doubles on 1 Jan 2027" in notes
    assert any("from 1 Jan 2027 $" in line for line in page.state["setup"]["estimate"]["lines"])


def test_too_little_memory_is_said_beside_the_estimate(wire, store, monkeypatch, tmp_path) -> None:
    (tmp_path / "proc").mkdir()
    (tmp_path / "proc" / "meminfo").write_text("MemAvailable: 20 kB\n")
    monkeypatch.setattr(estimate.memory, "_ROOT", tmp_path)
    lines = wire(panel(store, models="demo-quick")).state["setup"]["estimate"]["lines"]
    assert any(line.startswith("! About ") and "20.5 kB are free" in line for line in lines)


@pytest.mark.parametrize(
    ("new", "today", "said"),
    [
        ((2, 4), date(2026, 12, 1), "price doubles on 1 Jan 2027"),
        ((1, 3), date(2026, 12, 1), "price rises on 1 Jan 2027"),
        ((1, 1), date(2026, 12, 1), "price falls on 1 Jan 2027"),
        ((1, 1), date(2027, 1, 9), "price fell on 1 Jan 2027"),
        ((2, 4), date(2027, 1, 1), "price doubled on 1 Jan 2027"),
    ],
)
def test_a_change_of_price_is_said_in_words(new, today: date, said: str) -> None:
    assert setup_controller.price_change_words(date(2027, 1, 1), (1, 2), new, today) == said


def test_a_dead_endpoint_is_named_and_the_others_go_on(wire, store: Store) -> None:
    """One connection without a server: its column says why; the way on is to ask again."""
    dead = Connection("custom", name="gone", endpoint="http://127.0.0.1:9/v1")
    page = wire(panel(store, models=["demo-quick", dead]))
    page.send("run.start")
    result = page.state["result"]
    assert result["resume"] == "Ask the 8 again"
    assert len(result["notes"]) == 1
    assert result["notes"][0].startswith("B gone: ")
    grid = page.ask("grid", only="disagree", states=["failed"], chars=20)
    assert grid["texts"] == 8
    failed = grid["blocks"][0]["failed"]["1" if "1" in grid["blocks"][0]["failed"] else 1]
    assert failed["name"] == "Unreachable"
    assert failed["again"] is True


# -- the result ------------------------------------------------------------------------------------


def test_the_counts_of_the_result_add_up(finished) -> None:
    """Rows that disagree are those of the comparison itself; every cell has one state."""
    result, comparison = finished.state["result"], finished.widget.comparison
    counts = result["counts"]
    cells = sum(counts[name] for name in ("agree", "differ", "missing", "invented", "failed"))
    assert cells == 4 * counts["rows"]
    marks = comparison.differences()["marks"]
    assert counts["disagree"] == sum(bool(set(each.split()) & set("≠−+")) for each in marks)
    for name, glyph in {"differ": "≠", "missing": "−", "invented": "+"}.items():
        assert counts[name] == sum(each.split().count(glyph) for each in marks)


def test_the_grid_shows_disagreement_first_and_folds_the_rest(finished) -> None:
    """Texts with most disagreement come first; agreeing fields of a text are folded and said."""
    grid = finished.ask("grid", only="disagree", chars=20)
    loud = [sum(not row["q"] for row in block["rows"]) for block in grid["blocks"]]
    assert loud == sorted(loud, reverse=True)
    first = grid["blocks"][0]
    assert all(row["q"] for row in first["rows"][loud[0] :])
    folded = len(first["rows"]) - loud[0]
    assert first["fold"].startswith(f"{folded} field")
    assert first["said"].startswith(f"{loud[0]} of {len(first['rows'])} fields disagree")
    raw = next(each for each in reversed(finished.raw) if each[1])[1][0]
    estimated = np.frombuffer(raw, dtype=np.uint32)
    assert len(estimated) == grid["texts"] == 8
    for block, least in zip(grid["blocks"], estimated, strict=True):
        assert block["h"] >= least


@pytest.mark.parametrize("state", ["differ", "missing", "invented"])
def test_a_chip_shows_rows_of_its_state_only(finished, state: str) -> None:
    """Each open row has a cell of the state; all such cells of the comparison are there."""
    grid = finished.ask("grid", only="disagree", states=[state], chars=20)
    rows = [row for block in grid["blocks"] for row in block["rows"] if not row["q"]]
    rows = [row for row in rows if row["name"] != "all fields"]
    assert rows
    assert all(any(cell[0] == state for cell in row["c"]) for row in rows)
    found = sum(cell[0] == state for row in rows for cell in row["c"])
    assert found == finished.state["result"]["counts"][state]


def test_search_and_field_narrow_the_grid(finished) -> None:
    """A search finds values of truth and variants; nothing found says how to find more."""
    grid = finished.ask("grid", only="disagree", query="LJ-20417", chars=20)
    rows = [row for block in grid["blocks"] for row in block["rows"]]
    assert [row["name"] for row in rows] == ["number"]
    assert rows[0]["t"] == ["LJ-20417", "value"]
    grid = finished.ask("grid", only="all", field="currency", chars=20)
    assert {row["name"] for block in grid["blocks"] for row in block["rows"]} == {"currency"}
    grid = finished.ask("grid", only="all", field="currency", query="LJ-20417", chars=20)
    assert grid["texts"] == 0
    assert grid["empty"]["sentence"] == "No row matches the search in currency"
    assert grid["empty"]["hint"] == "1 row matches in other fields."
    assert [way["label"] for way in grid["empty"]["ways"]] == ["Search all fields", "Clear search"]


def test_values_of_the_grid_are_the_extractions_values(finished) -> None:
    """What a cell shows stands in the record of its variant, whatever was sorted or aligned."""
    comparison = finished.widget.comparison
    records = {(each.variant, each.text_id): json.dumps(each.data) for each in comparison}
    grid = finished.ask("grid", only="all", chars=20)
    checked = 0
    for block in grid["blocks"]:
        for row in block["rows"]:
            for label, (state, words, _absent) in zip(comparison.labels, row["c"], strict=True):
                if state in ("differ", "invented") and not words.endswith("…"):
                    plain = json.dumps(words)[1:-1]
                    assert plain in records[label, block["id"]], (row["name"], words)
                    checked += 1
    assert checked > 20


def test_a_detail_shows_the_words_a_value_came_from(finished) -> None:
    """The marked words stand in the text; the facts name truth, value, reply and cost."""
    text = next(each for each in invoices.texts if each["id"] == "workshop-en")["text"]
    detail = finished.ask("detail", index=0, path="number", column=1)
    quote = detail["quote"]
    assert quote["mark"] in text
    names = [row[0] for row in detail["facts"]]
    assert names == ["Truth", "B", "Reply", "Cost"]
    assert "price unknown" in detail["facts"][3][1]
    assert re.search(r"[\d.]+ s \([\d.]+ waiting, [\d.]+ answering\)", detail["facts"][3][1])
    everyone = finished.ask("detail", index=0, path="number", column=-1)
    assert [row[0] for row in everyone["facts"]] == ["Truth", "A", "B", "C", "D"]


def test_spans_slice_to_their_words_also_beyond_the_first_plane(wire, store: Store) -> None:
    """Offsets are counted as the page counts them: an emoji before the words moves nothing."""
    text = "🧾🧾 Invoice for Ada Lovelace, aged 36."
    outputs = {"A": [{"name": "Ada Lovelace", "age": 36}], "B": [{"name": "Ada", "age": 41}]}
    made = Comparison.from_outputs(NAME, [text], outputs, truth=[{"name": "Ada Lovelace"}])
    page = wire(made.explore())
    view = page.ask("text", index=0)
    wide = text.encode("utf-16-le")
    found = {
        (span["letters"], wide[2 * span["s"] : 2 * span["e"]].decode("utf-16-le"))
        for span in view["spans"]
    }
    assert ("TA", "Ada Lovelace") in found
    assert ("B", "Ada") in found
    fields = {field["path"]: field["groups"] for field in view["fields"]}
    assert [group["letters"] for group in fields["name"]] == ["TA", "B"]
    assert [(group["text"], group["flag"]) for group in fields["age"]][-1] == (
        "41",
        "not in the text",
    )


def told_in(page: str, verdict: Verdict) -> bool:
    """Whether a page says all of a verdict."""
    return all(each in page for each in (verdict.headline, verdict.details, *verdict.notes))


def test_the_scoreboard_keeps_letters_and_says_what_the_verdict_says(finished) -> None:
    """Best first, each with its own letter, intervals around the value, fields hardest first."""
    scores = finished.ask("scores")
    comparison = finished.widget.comparison
    verdict = comparison.verdict()
    assert (scores["headline"], scores["details"]) == (verdict.headline, brief(verdict))
    rows = [row for group in scores["groups"] for row in group["rows"]]
    assert {row["letter"]: row["label"] for row in rows} == dict(
        zip("ABCD", comparison.labels, strict=True)
    )
    shares = [float(row["right"]) for row in rows]
    assert shares == sorted(shares, reverse=True)
    for row in rows:
        low, value, high = row["interval"]
        assert scores["scale"][0] <= low <= value <= high <= scores["scale"][1]
    least = [field["least"] for field in scores["fields"]["rows"]]
    assert least == sorted(least)
    assert all(row["cost"] == "unknown" for row in rows)
    assert len(scores["pairs"]) == 6


def test_the_grid_and_the_scoreboard_read_each_text_once_between_them(wire) -> None:
    """What the grid read is not scored again for the scores, the charts and the static output."""
    texts = [f"Ada {number}" for number in range(40)]
    outputs = {"A": [{"name": "Ada"}] * 40, "B": [{"name": "Bob"}] * 40}
    made = Comparison.from_outputs(NAME, texts, outputs, truth=[{"name": "Ada"}] * 40)
    read: Counter[Any] = Counter()

    def counted(row: Any, place: Any) -> Any:
        read[place] += 1
        return made.read(row, place)

    page = wire(replace(made, read=counted).explore())
    assert set(read.values()) == {1}
    assert len(read) == 80
    assert page.ask("scores")["scored"] is True
    assert page.widget.comparison.verdict().recommended == "A"
    assert set(read.values()) == {1}


def test_a_certain_difference_stands_in_a_group_of_its_own(wire) -> None:
    """Twenty texts where B is always wrong: A alone reads more fields right, and B stands below."""
    texts = [f"The name is Ada {number}." for number in range(20)]
    right = [{"name": f"Ada {number}"} for number in range(20)]
    outputs = {"A": right, "B": [{"name": "Bob"}] * 20}
    page = wire(Comparison.from_outputs(NAME, texts, outputs, truth=right).explore())
    scores = page.ask("scores")
    (pair,) = scores["pairs"]
    assert (pair["a"], pair["b"], pair["certain"]) == ("A", "B", True)
    assert (pair["points"], pair["verdict"]) == ("+100.0", "A is better")
    assert scores["outcome"] == "better"
    titles = [group["title"] + group["more"] for group in scores["groups"]]
    assert titles == ["Better than all others", "Shown to be worse than the best"]
    assert [row["letter"] for group in scores["groups"] for row in group["rows"]] == ["A", "B"]


def test_a_variant_without_a_score_stands_last(wire) -> None:
    """Outputs that are all missing give no share; they never stand above one that has a share."""
    outputs = {"none": [None, None], "some": [{"name": "Ada"}, {"name": "x"}]}
    truth = [{"name": "Ada"}, {"name": "Bob"}]
    made = Comparison.from_outputs(NAME, ["Ada.", "Bob."], outputs, truth=truth)
    scores = wire(made.explore()).ask("scores")
    rows = [row for group in scores["groups"] for row in group["rows"]]
    assert [(row["label"], row["right"]) for row in rows] == [("some", "50.0"), ("none", "–")]


def test_requests_are_shown_whole_with_every_secret_cut(wire, store, slow) -> None:
    """The request, its curl and everything the page ever heard hold no key."""
    open_up()
    page = wire(ComparisonPanel(NAME, ["Ada is 36."], models=[slow], store=store))
    page.send("run.start")
    request = page.ask("request", index=0, column=0)
    assert "Ada is 36." in request["request"]
    assert "••••" in request["request"]
    page.send("result.curl", index=0, column=0)
    assert "${KEY}" in last(page, "code")["text"]
    assert KEY not in json.dumps(page.messages)
    assert KEY not in json.dumps([str(each) for each in page.raw])
    page.send("result.request", index=99, column=0)
    page.send("result.request", index=0, column=7)
    page.send("result.text", index="0")
    assert page.state["error"] is None


def test_csv_is_whole_and_no_spreadsheet_runs_it(wire, tmp_path) -> None:
    """Every value is in the file; one that starts like a formula is quoted."""
    outputs = {"A": [{"name": "=cmd|' /C calc'!A0"}]}
    comparison = Comparison.from_outputs(NAME, ["a text"], outputs)
    page = wire(comparison.explore())
    page.send("result.csv")
    data = next(each for each in reversed(page.raw) if each[1])[1][0]
    assert data.decode("utf-8-sig").splitlines()[0].startswith("variant,text_id")
    assert "'=cmd|" in data.decode("utf-8-sig")
    exported = comparison.to_csv(tmp_path / "comparison.csv").read_bytes()
    assert data.decode("utf-8-sig").encode() == exported
    assert last(page, "file")["name"] == "comparison.csv"


def test_the_report_holds_values_only_where_they_were_asked_for(finished) -> None:
    """Without values: verdict and marks; with values: the records too; never the texts."""

    def report(values: bool) -> str:
        finished.send("result.html", values=values)
        return next(each for each in reversed(finished.raw) if each[1])[1][0].decode()

    without, with_values = report(False), report(True)
    assert "LJ-20417" not in without
    assert "LJ-20417" in with_values
    for page in (without, with_values):
        assert told_in(page, finished.widget.comparison.verdict())
        assert "Please quote the invoice number" not in page


def test_the_code_makes_the_same_comparison(finished) -> None:
    """Copied code runs as it is and gives the same labels and the same records."""
    finished.send("result.code")
    code = last(finished, "code")["text"]
    names = {"Invoice": invoices.Schema, "texts": TEXTS, "truth": TRUTH}
    exec(code, names)
    made = names["result"]
    assert made.labels == finished.widget.comparison.labels
    assert [each.data for each in made] == [each.data for each in finished.widget.comparison]


def test_one_column_is_copied_as_code_of_its_own(finished) -> None:
    """By the vendor's client, with nothing of the texts in it."""
    finished.send("result.code")
    alone = last(finished, "code")["alone"]
    assert [each["label"] for each in alone] == list(finished.widget.comparison.labels)
    finished.send("result.plain", column=1)
    shown = last(finished, "code")
    assert shown["text"] == finished.widget.comparison.code(alone[1]["label"], plain=True)
    assert "by openai; its key" in shown["said"]
    finished.send("result.plain", column=99)
    assert finished.state["error"] is None


@pytest.mark.parametrize("kind", [str, Path])
def test_code_names_the_file_that_the_panel_read(wire, store, tmp_path, kind) -> None:
    """Before and after a run, of all texts or the first; not for a result of other texts."""
    path = tmp_path / "claims.csv"
    rows = "".join(f"m{at},Ada is {at + 30}.,Ada,Ulm\n" for at in range(6))
    path.write_text(f"id,text,name,agee\n{rows}", "utf-8")
    page = wire(ComparisonPanel(NAME, kind(path), str(path), "demo-quick", store=store))
    assert page.state["setup"]["texts"]["notes"] == [
        "Read as truth: name. Not named like a field: agee (the nearest field is age)."
    ]
    named = f'"{path}"' if kind is str else f'Path("{path}")'
    lines = [f"texts = {named}", "truth = texts"]
    page.send("result.code")
    assert set(lines) < set(last(page, "code")["text"].splitlines())
    page.send("run.start", trial=True)
    page.send("result.code")
    first = last(page, "code")["text"]
    assert f"texts = {named}  # all of them; what was shown is of 5 texts" in first.splitlines()
    page.send("run.resume")
    page.send("result.code")
    after = last(page, "code")["text"]
    assert set(lines) < set(after.splitlines())
    names: dict[str, Any] = {}
    exec(after, names)
    assert (
        names["result"].scoreboard()["accuracy"][0]
        == (page.widget.comparison.scoreboard()["accuracy"][0])
    )
    page.widget.texts = TEXTS
    assert str(path) not in str(page.widget.code())


def test_what_is_chosen_is_copied_before_a_run_and_what_is_shown_after_it(wire, store) -> None:
    """One home writes both: limits, instructions and columns are in it, no key and no text."""
    odd = {"plain": "Read it, “as written” 🧾.", "strict": "Line one.\nLine 'two'."}
    page = wire(panel(store, models=["demo-quick"], instructions=odd))
    page.send("setup.options", repeats="2", concurrency="3")
    page.send("setup.budget", budget="1.5")
    page.send("result.code")
    before = last(page, "code")["text"]
    names = {"Invoice": invoices.Schema, "texts": TEXTS, "truth": TRUTH}
    assert "    invoices.Schema,\n" in before
    for words in ("repeats=2", "concurrency=3", "budget=1.5", "🧾"):
        assert words in before
    page.send("run.start")
    page.send("result.code")
    after = last(page, "code")["text"]
    exec(after, names)
    again = names["result"]
    assert again.labels == page.widget.comparison.labels
    assert [each.instructions for each in again.variants] == list(odd.values())
    assert all(each.paid_before for each in again)
    assert MARKER not in before + after


def test_a_new_view_gets_its_first_rows_with_its_first_state(wire) -> None:
    """No second question: state, then rows; what changed since they were laid out is in them."""
    outputs = {label: [{"name": f"{label} {n}"} for n in range(30)] for label in ("A", "B")}
    texts = [f"text {n}" for n in range(30)]
    page = wire(Comparison.from_outputs(NAME, texts, outputs).explore())
    kinds = [each["type"] for each in page.messages if each["type"] in {"state", "grid"}]
    assert kinds[:2] == ["state", "grid"]
    first = next(each for each in page.messages if each["type"] == "grid")
    assert first["turn"] == "first"
    assert len(first["blocks"]) == 10
    page.send("labels.set", index=0, path="name", column=0)
    page.send("hello")
    again = [each for each in page.messages if each["type"] == "grid"][-1]
    assert again["turn"] == "first"
    states = {each["id"]: [cell[0] for cell in each["rows"][0]["c"]] for each in again["blocks"]}
    assert ["agree", "differ"] in states.values()
    assert ["differ", "differ"] in states.values()


def test_a_comparison_that_is_explored_is_copied_as_it_is(wire) -> None:
    """The panel was given nothing to choose from, and still writes the whole call."""
    made = Comparison.from_outputs(NAME, ["Ada."], {"A": [{"name": "Ada"}]}, [{"name": "Ada"}])
    page = wire(made.explore())
    page.send("result.code")
    code = last(page, "code")["text"]
    assert code == made.code()
    assert "truth=truth" in code
    assert "json.loads" in code


def test_what_is_saved_holds_no_text_and_no_value(finished) -> None:
    """Traits, mimebundle and static output: the verdict, no text, no value, under 60 kB."""
    widget = finished.widget
    state = widget.get_state()
    assert set(state) <= {key for key in state if key.startswith("_")} | {
        "layout", "tabbable", "tooltip"
    }  # fmt: skip
    saved = json.dumps(state, default=str)
    bundle = json.dumps(widget._repr_mimebundle_()[0])
    static = widget._repr_mimebundle_()[0]["text/html"]
    for words in (MARKER, "LJ-20417", "Oak reception desk"):
        assert words in json.dumps([*finished.messages, finished.ask("text", index=0)])
        assert words not in saved
        assert words not in bundle
        assert words not in static
    assert told_in(static, widget.comparison.verdict())
    assert len(static.encode()) < 60_000


def test_before_a_run_the_static_output_says_that_nothing_ran(store: Store) -> None:
    """Without a kernel a panel that never ran says so, in words and without an address; the text of
    its own output, which stays as it was, does not."""
    widget = panel(store)
    data = widget._repr_mimebundle_()[0]
    assert "0 columns, 8 texts, not run yet. Run this cell" in data["text/html"]
    assert data["text/plain"] == repr(widget) == "ComparisonPanel(0 columns, 8 texts)"
    assert isinstance(ipywidgets.VBox([widget]), ipywidgets.VBox)
    widget.close()


def test_a_comparison_can_be_explored(wire) -> None:
    """The panel on a comparison that is there already shows it at once and offers no run."""
    outputs = {"A": [{"name": "Ada"}, {"name": "Bob"}], "B": [{"name": "Ada"}, {"name": "Bob"}]}
    made = Comparison.from_outputs(NAME, ["Ada.", "Bob."], outputs)
    page = wire(made.explore())
    assert page.state["screen"] == "results"
    assert page.state["again"] == ""
    assert page.widget.comparison is made
    grid = page.ask("grid", only="disagree", chars=20)
    assert grid["empty"]["sentence"] == "All models agree on all 2 values"
    assert grid["empty"]["good"] is True


def test_values_alone_are_shown_where_there_is_nothing_to_compare_with(wire) -> None:
    """One variant, no truth: its values stand in the grid, nothing is called different."""
    made = Comparison.from_outputs(NAME, ["Ada is 36."], {"A": [{"name": "Ada", "age": None}]})
    page = wire(made.explore())
    grid = page.ask("grid", only="all", chars=20)
    rows = {row["name"]: row["c"][0] for row in grid["blocks"][0]["rows"]}
    assert rows["name"][:2] == ["agree", "Ada"]
    assert page.state["result"]["counts"]["disagree"] == 0


def test_hostile_names_and_values_stay_text(wire) -> None:
    """Markup in names and values reaches the page as plain JSON strings."""
    evil = "<img src=x onerror=window.hacked=1>"
    schema = {"type": "object", "properties": {evil: {"type": "string"}}}
    made = Comparison.from_outputs(schema, [evil], {evil: [{evil: evil}], "B": [{evil: "b"}]})
    page = wire(made.explore())
    grid = page.ask("grid", only="disagree", chars=20)
    row = grid["blocks"][0]["rows"][0]
    assert evil in row["name"]
    assert row["c"][0][1] == evil
    assert evil not in page.widget._repr_mimebundle_()[0]["text/html"]


def test_a_large_grid_is_laid_out_without_reading_its_values() -> None:
    """Heights come from counts; rows are read for the texts that are asked for, and no others."""
    texts = [f"Ada {number}" for number in range(300)]
    outputs = {"A": [{"name": "Ada"}] * 300, "B": [{"name": "Bob"}] * 300}
    index = GridIndex(Comparison.from_outputs(NAME, texts, outputs))
    index.grow(0)
    assert len(index.units) == 1
    index.grow()
    assert index.whole
    layout = Layout(index.layout(Filter()), Metrics())
    assert len(heights(index, layout.texts, Metrics())) == 4 * 300
    some = list(layout.blocks(index, 290, 40))
    assert [block["id"] for block in some] == [f"text-{number:03}" for number in range(291, 301)]
    assert list(layout.blocks(index, 5000, 40)) == []


def test_odd_measures_of_a_page_change_nothing() -> None:
    """Heights out of a message are whole numbers above 0, or the defaults."""
    odd = {"metrics": {"line": "16", "pad": -4, "group": None, "fold": 10**9}, "chars": 0}
    assert Metrics.read(odd) == Metrics()
    assert Metrics.read({"metrics": {"line": 20}, "chars": 33}) == Metrics(line=20, chars=33)


def test_a_variant_given_in_code_is_a_column_of_its_own(wire, store: Store) -> None:
    """A Variant with a label stands under its model and keeps its settings."""
    page = wire(
        panel(store, models=["demo-quick", Variant("demo-quick", label="low", effort="low")])
    )
    row = page.state["setup"]["groups"][0]["rows"]
    copies = [copy for each in row for copy in each["copies"]]
    assert [(copy["label"], copy["effort"], copy["letter"]) for copy in copies] == [
        ("low", "low", "B")
    ]
    assert [each.label for each in page.widget.controllers["setup"].setup.variants()] == [
        "demo-quick",
        "low",
    ]


def test_a_changed_copy_alone_is_called_and_its_instructions_stand_beside(wire, store) -> None:
    """Duplicate, change the instructions, run again: only the new column is asked."""
    page = wire(panel(store, models=["demo-careful"]))
    page.send("run.start")
    page.send("run.again")
    page.send("setup.duplicate", ref="demo-careful")
    key = page.state["setup"]["groups"][0]["rows"][0]["copies"][0]["key"]
    page.send("setup.edit_copy", key=key, instructions="Extract what the schema asks for.")
    page.send("run.start")
    found = list(page.widget.comparison)
    paid = [each.paid_before is not None for each in found]
    assert paid == [True] * 8 + [False] * 8
    request = page.ask("request", index=0, column=1)
    assert [letter for letter, _ in request["instructions"]] == ["A", "B"]
    assert request["instructions"][1][1] == "Extract what the schema asks for."
    assert request["instructions"][0][1] != request["instructions"][1][1]
