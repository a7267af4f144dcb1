"""compare asks real servers on loopback: every mistake is said first, nothing is paid twice."""

from __future__ import annotations

import _thread
import http.server
import io
import re
import sqlite3
import sys
import threading
from contextlib import closing
from dataclasses import fields
from inspect import signature
from pathlib import Path
from types import SimpleNamespace

import pytest

from llmwidgets.comparison import Comparison, Variant, compare, estimate, extract, load
from llmwidgets.comparison.runs import RunOptions
from llmwidgets.connections import Connection
from llmwidgets.demo import demo_url, invoices, stop_demo
from llmwidgets.engine.capability import forget_capabilities
from llmwidgets.errors import (
    FAILURES,
    AlreadyConnected,
    DamagedStore,
    FieldError,
    LLMWidgetsError,
    PolicyError,
    StoreLocked,
    UnknownConnection,
)
from llmwidgets.store.store import Store

TEXTS = invoices.texts[:3]
TRUTH = {text["id"]: invoices.truth[text["id"]] for text in TEXTS}


def ask(models="demo-careful", texts=TEXTS, truth=TRUTH, **more):
    more = {"journal": False, "progress": False, **more}
    return compare(invoices.Schema, texts, models, truth=truth, **more)


def answering(reply: bytes, *, status: int = 200, kind: str = "application/json") -> tuple:
    """A server on loopback that gives one answer to everything."""

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.do_GET()

        def do_GET(self) -> None:
            self.send_response(status)
            self.send_header("content-type", kind)
            self.send_header("content-length", str(len(reply)))
            self.end_headers()
            self.wfile.write(reply)

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    return server, thread


@pytest.fixture
def serve():
    running = []

    def start(reply: bytes, **more) -> str:
        server, thread = answering(reply, **more)
        running.append((server, thread))
        return f"http://127.0.0.1:{server.server_port}"

    yield start
    for server, thread in running:
        server.shutdown()
        thread.join()
        server.server_close()


def custom(endpoint: str, name: str = "model") -> Connection:
    return Connection("custom", name=name, endpoint=endpoint, api_key="made-up-key-0001")


def test_every_demo_model_is_asked_about_every_text(demo) -> None:
    result = ask("demo")
    board = result.scoreboard()
    assert list(board.variant) == [connection.label for connection in demo]
    assert list(board[list(FAILURES)].sum(axis=1) + board.valid * board.texts) == [3] * len(demo)
    assert board.cost.isna().all()
    assert set(board["mode"]) <= {"schema enforced", "JSON only", "text only"}
    assert board.p50_seconds.between(0, 30).all()
    assert result.notes[0].startswith("Rule-based demo models, no LLM")


def test_a_second_run_pays_nothing_and_says_so(demo, tmp_path) -> None:
    first = ask("demo-careful", journal=tmp_path / "journal.sqlite")
    assert "already answered" not in repr(first)
    second = ask("demo-careful", journal=tmp_path / "journal.sqlite")
    said = r"3 texts were already answered and cost nothing now, paid before on \d+ \w+ \d{4}\."
    assert re.search(said, repr(second))
    assert [e.data for e in second] == [e.data for e in first]
    assert all(e.paid_before for e in second)
    anew = ask("demo-careful", journal=tmp_path / "journal.sqlite", reuse=False)
    assert "already answered" not in repr(anew)


def test_a_rerun_needs_no_server_where_all_is_answered(tmp_path) -> None:
    """A journal beside a notebook is enough: no key, no network."""
    from llmwidgets.demo.server import DemoServer

    server = DemoServer()
    connection = custom(server.url, "demo-careful")
    first = ask(connection, journal=tmp_path / "journal.sqlite")
    server.close()
    again = ask(connection, journal=tmp_path / "journal.sqlite")
    assert [e.data for e in again] == [e.data for e in first]
    assert all(e.paid_before for e in again)


def test_rerun_asks_only_the_new_model(demo, tmp_path) -> None:
    result = ask([demo[0]], journal=tmp_path / "journal.sqlite")
    again = result.rerun(progress=False)
    assert all(e.paid_before for e in again)
    more = result.rerun([demo[0], demo[1]], progress=False)
    assert [bool(e.paid_before) for e in more] == [True] * 3 + [False] * 3


@pytest.mark.parametrize("options", [{"repeats": 5}, {"instructions": "x", "retries": 2}])
def test_what_a_rerun_does_not_take_is_named_with_what_it_does(demo, options) -> None:
    result = ask(demo[:1])
    with pytest.raises(FieldError) as caught:
        result.rerun(progress=False, **options)
    assert [*caught.value.problems] == sorted(options)
    takes = [*signature(Comparison.rerun).parameters][1:-1]
    for name in (*takes, "store", *(each.name for each in fields(RunOptions))):
        assert name in caught.value.hint


def test_a_rerun_of_a_run_in_memory_stays_in_memory(demo) -> None:
    again = ask(demo[:1]).rerun(progress=False)
    assert all(e.paid_before for e in again)
    assert not list(Path.home().rglob("*.sqlite"))


def test_repeats_are_averaged_within_the_text(demo) -> None:
    result = ask(demo[:1], repeats=2)
    row = result.scoreboard().iloc[0]
    assert (len(result), row.texts, row.scored) == (6, 3, 3)
    assert result.records(demo[0].label).index.nlevels == 2
    assert set(result.to_frame().repeat) == {0, 1}


def test_named_instructions_cross_with_the_models(demo) -> None:
    words = {"plain": "Extract the fields.", "strict": "Extract the fields, null where silent."}
    result = ask(demo[:2], instructions=words)
    assert result.labels == (
        "demo-careful · plain", "demo-careful · strict", "demo-quick · plain",
        "demo-quick · strict",
    )  # fmt: skip
    asked = next(iter(result)).request
    assert "Extract the fields." in str(asked)


def test_variants_keep_their_own_settings(demo) -> None:
    variants = [Variant("demo-careful", label="brief", instructions="Be brief."), "demo-careful"]
    result = ask(variants)
    assert result.labels == ("brief", "demo-careful")
    assert result.variants[0].instructions == "Be brief."
    assert result.variants[1].effort == "least"
    assert list(result.scoreboard().effort) == ["least", "least"]


def test_an_own_price_makes_a_cost(demo) -> None:
    result = ask([Variant(demo[0], price=(1.0, 2.0))])
    row = result.scoreboard().iloc[0]
    expected = (row.input_tokens * 1.0 + row.output_tokens * 2.0) / 1e6
    assert row.cost == pytest.approx(expected)
    assert row.cost_per_1000 == pytest.approx(expected / 3 * 1000)


def test_examples_of_the_texts_are_shown_and_not_scored(demo) -> None:
    result = ask(demo[:1], texts=invoices.texts, truth=invoices.truth, examples=2)
    row = result.scoreboard().iloc[0]
    assert row.scored == len(invoices.texts) - 2
    assert any("Shown as examples" in note for note in result.notes)
    assert len(result.variants[0].examples) == 2
    with pytest.raises(FieldError, match="examples"):
        ask(demo[:1], examples=3)


def test_pairs_and_connections_need_no_store(demo) -> None:
    pair = (demo[0], demo[0].models[0])
    assert ask([pair]).labels == ("demo-careful",)
    assert ask(demo[1]).labels == ("demo-quick",)


def test_a_saved_run_can_be_asked_again(demo, tmp_path) -> None:
    result = ask("demo-careful", journal=tmp_path / "journal.sqlite")
    loaded = load(result.save(tmp_path / "result.json"))
    assert loaded.scoreboard().accuracy[0] == result.scoreboard().accuracy[0]
    again = loaded.rerun(journal=tmp_path / "journal.sqlite", progress=False)
    assert all(e.paid_before for e in again)


def test_extract_gives_one_extraction(demo) -> None:
    one = extract(invoices.Schema, TEXTS[0], "demo-careful", journal=False)
    assert one.status == "ok"
    assert isinstance(one.record, invoices.Schema)
    assert one.data["currency"] == one.record.currency
    with pytest.raises(FieldError, match="models"):
        extract(invoices.Schema, TEXTS[0], "demo", journal=False)


def test_estimate_calls_nothing(demo) -> None:
    told = estimate(invoices.Schema, TEXTS, "demo")
    assert told.calls == 3 * len(demo)
    assert set(told.unpriced) == {connection.label for connection in demo}
    assert all("127.0.0.1" in host or "localhost" in host for host in told.hosts)


def test_a_dear_run_asks_for_a_budget_first(demo) -> None:
    dear = [Variant(demo[0], price=5000.0)]
    with pytest.raises(FieldError, match="budget") as caught:
        ask(dear)
    assert "budget=" in caught.value.hint
    board = ask(dear, budget=0.0).scoreboard()
    assert board.OverBudget[0] == 3


def test_an_interrupt_stops_cleanly_and_keeps_what_is_there(demo, monkeypatch) -> None:
    """Ctrl-C in the middle: the answered stay, the rest is Stopped, nothing is raised."""
    from llmwidgets.engine.run import Run

    wait = Run.wait

    def interrupted(self, timeout=None):
        if timeout is not None and sum(each.done for each in self.progress) >= 2:
            _thread.interrupt_main()
        return wait(self, timeout)

    monkeypatch.setattr(Run, "wait", interrupted)
    texts = [f"{text['text']}\n{at}" for at in range(30) for text in TEXTS]
    result = ask(demo[:1], texts=texts, truth=None)
    statuses = [extraction.status for extraction in result]
    assert statuses.count("ok") >= 2
    assert statuses.count("Stopped") >= 1
    assert len(statuses) == 90
    assert result.scoreboard().Stopped[0] == statuses.count("Stopped")


# -- bad input: each a sentence with the next step, before any call -----------------------------


def bad_inputs() -> dict[str, tuple]:
    remote = {"type": "object", "properties": {"a": {"$ref": "https://example.org/a.json"}}}
    good = {"type": "object", "properties": {"total": {"type": "number"}}}
    return {
        "no texts": (good, [], None, "demo", FieldError, "at least one"),
        "an empty text": (good, ["a", ""], None, "demo", FieldError, "empty"),
        "a remote ref": (remote, ["a"], None, "demo", FieldError, "example.org|remote|\\$ref"),
        "no schema": ("not a schema", ["a"], None, "demo", FieldError, "schema"),
        "truth too short": (good, ["a", "b"], [{}], "demo", FieldError, "1 row for 2 texts"),
        "ids twice": (good, [{"id": "x", "text": "a"}] * 2, None, "demo", FieldError, "x"),
        "an unknown id": (good, ["a"], {"text-9": {}}, "demo", FieldError, "text-9"),
        "a refused truth": (good, ["a"], [{"total": "many"}], "demo", FieldError, "text-01, total"),
        "a pdf": (good, ["claim.pdf"], None, "demo", FieldError, "pypdf"),
        "no models": (good, ["a"], None, [], FieldError, "models"),
        "no model": (good, ["a"], None, 7, FieldError, "models"),
        "an unknown reference": (
            good, ["a"], None, "demo-carefull", UnknownConnection, "demo-careful",
        ),
        "asked twice": (good, ["a"], None, ["demo-careful"] * 2, FieldError, "same label"),
        "off the whitelist": (
            good, ["a"], None, (Connection("openai", api_key="sk-made-up-key-000000000"), "gpt-1"),
            PolicyError, "store.allow",
        ),
        "no model named": (
            good, ["a"], None, Connection("openai", api_key="sk-made-up-key-000000000"),
            LLMWidgetsError, "one",
        ),
    }  # fmt: skip


@pytest.mark.parametrize("name", bad_inputs())
def test_bad_input_is_a_sentence_with_the_next_step(name: str, demo) -> None:
    schema, texts, truth, models, kind, said = bad_inputs()[name]
    with pytest.raises(kind) as caught:
        compare(schema, texts, models, truth=truth, journal=False, progress=False)
    assert re.search(said, str(caught.value))
    assert caught.value.hint
    assert "many" not in str(caught.value)


@pytest.mark.parametrize(
    "more",
    [{"repeats": 0}, {"concurrency": 0}, {"budget": -1.0}, {"budget": "5"},
     {"scoring": {"nope": "number"}},
     {"scoring": "strict"}, {"instructions": " "}, {"instructions": {}}],
    ids=str,
)  # fmt: skip
def test_settings_that_are_not_right_are_named(more, demo) -> None:
    with pytest.raises(FieldError) as caught:
        ask(**more)
    assert caught.value.hint


def test_a_dead_endpoint_is_a_row_with_the_next_step(closed_port: int) -> None:
    result = ask(custom(f"http://127.0.0.1:{closed_port}/v1"))
    board = result.scoreboard()
    assert board.Unreachable[0] == 3
    assert math_is_nan(board.accuracy[0])
    failure = next(iter(result)).failure
    assert str(closed_port) in failure.message
    assert failure.hint


def math_is_nan(value: float) -> bool:
    return value != value


def test_a_server_that_answers_html_is_a_row(serve) -> None:
    url = serve(b"<!doctype html><h1>Welcome</h1>", kind="text/html")
    result = ask(custom(f"{url}/v1"))
    (status,) = {extraction.status for extraction in result}
    assert status in ("Unreachable", "BadRequest")
    assert next(iter(result)).failure.hint


def test_an_endpoint_without_v1_is_a_row(demo) -> None:
    """The demo answers below /v1 only, as every OpenAI-format server does."""
    endpoint = demo[0].fields.endpoint.removesuffix("/v1")
    result = ask(custom(endpoint, "demo-careful"))
    failures = {(e.status, bool(e.failure and e.failure.hint)) for e in result}
    assert failures <= {("Unreachable", True), ("BadRequest", True), ("UnknownModel", True)} or {
        status for status, _ in failures
    } == {"ok"}


def test_a_key_with_blanks_around_it_works(demo) -> None:
    connection = Connection(
        "custom", name="demo-careful", endpoint=demo[0].fields.endpoint, api_key="  made-up  \n"
    )
    assert ask(connection).scoreboard().valid[0] == 1


def test_a_locked_store_is_said_and_the_demo_needs_none(demo, tmp_path) -> None:
    store = Store.create("acme", passphrase="correct horse battery", path=tmp_path / "acme")
    store.save(Connection("openai", api_key="sk-made-up-key-000000000"))
    store.lock()
    with pytest.raises(StoreLocked) as caught:
        ask("openai/gpt-6-luna", store=store)
    assert "unlock" in caught.value.hint.lower()
    assert ask("demo-careful").scoreboard().valid[0] == 1


@pytest.mark.parametrize(
    ("reference", "nearest"),
    [
        ("openai/gpt-6-lunna", "openai/gpt-6-luna"),
        ("opnai/gpt-6-luna", "openai/gpt-6-luna"),
        ("gemini/gemini-3.8-flahs", "gemini/gemini-3.8-flash"),
        ("gpt-6-lunna", "openai/gpt-6-luna"),
        ("dmo", "demo"),
        ("openai/gpt-6-luna", ""),
        ("no such thing", ""),
    ],
)
def test_a_misspelt_model_is_told_though_the_store_is_locked(
    tmp_path, monkeypatch, reference, nearest
) -> None:
    for name in ("OPENAI_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY"):
        monkeypatch.delenv(name, raising=False)
    store = Store.create("acme", passphrase="correct horse battery", path=tmp_path / "acme")
    store.lock()
    for models in (reference, Variant(reference, effort="low")):
        with pytest.raises(StoreLocked, match="store is locked") as caught:
            ask(models, store=store)
        assert (f"The nearest known name is {nearest}." in caught.value.message) == bool(nearest)
        assert ("nearest" in caught.value.message) == bool(nearest)
        assert "unlock" in caught.value.hint.lower()


def test_a_misspelt_model_of_the_environment_is_told_though_the_store_is_locked(
    tmp_path, monkeypatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-made-up-key-000000000")
    store = Store.create("acme", passphrase="correct horse battery", path=tmp_path / "acme")
    store.lock()
    with pytest.raises(StoreLocked, match=r"locked.*nearest that is: openai/gpt-6-luna") as caught:
        ask("openai/gpt-6-lunna", store=store)
    assert "unlock" in caught.value.hint.lower()
    with pytest.raises(PolicyError, match="nearest that is: openai/gpt-6-luna"):
        ask("openai/gpt-6-lunna")


def test_a_damaged_store_is_said_and_kept(tmp_path) -> None:
    folder = tmp_path / "acme"
    store = Store.create("acme", passphrase="correct horse battery", path=folder)
    store.save(Connection("openai", api_key="sk-made-up-key-000000000"))
    file = folder / "connections.age"
    broken = file.read_bytes()[:-7]
    file.write_bytes(broken)
    with pytest.raises(DamagedStore) as caught:
        ask("openai/gpt-6-luna", store=Store("acme", path=folder))
    assert caught.value.hint
    assert file.read_bytes() == broken


def test_a_second_connection_of_a_single_kind_is_said(tmp_path) -> None:
    store = Store.create("acme", passphrase="correct horse battery", path=tmp_path / "acme")
    store.save(Connection("openai", api_key="sk-made-up-key-000000000"))
    with pytest.raises(AlreadyConnected):
        store.save(Connection("openai", api_key="sk-made-up-key-000000001", label="other"))


def test_a_stored_connection_answers_by_its_label(demo, tmp_path) -> None:
    store = Store.in_memory()
    store.save(demo[0].with_label("laptop"))
    assert ask("laptop", store=store).labels == ("laptop",)


def test_an_organizations_denial_holds(demo) -> None:
    store = Store.in_memory()
    store.save(demo[0].with_label("laptop"))
    store.deny("laptop", "demo-careful")
    with pytest.raises(PolicyError):
        ask("laptop", store=store)


def test_no_text_is_written_anywhere(demo, tmp_path) -> None:
    """The journal keeps replies and hashes, never a text; nothing else is written."""
    marker = "Marker-Zq81-of-this-text"
    ask(
        "demo-hasty",
        texts=[f"{TEXTS[0]['text']}\n{marker}"],
        truth=None,
        journal=tmp_path / "j.sqlite",
    )
    for path in [*tmp_path.rglob("*"), *Path.home().rglob("*")]:
        assert path.is_dir() or marker.encode() not in path.read_bytes()


# -- What an estimate says of the journal.


def contents(journal: Path) -> list[str]:
    """All that is in the file, however far its log is put into it by now."""
    with closing(sqlite3.connect(journal)) as connection:
        return list(connection.iterdump())


def test_an_estimate_says_what_the_journal_answers_and_asks_nothing(demo, tmp_path) -> None:
    path = tmp_path / "j.sqlite"
    asked = invoices.Schema, TEXTS, "demo-careful"
    fresh = estimate(*asked, journal=path)
    assert (fresh.answered, fresh.left, path.exists()) == (0, 3, False)
    assert "answered before" not in str(fresh)
    ask(texts=TEXTS[:2], truth=None, journal=path)
    before = contents(path)
    for known in (True, False):
        if not known:
            forget_capabilities()  # as after a restart
        some = estimate(*asked, journal=path)
        assert (some.calls, some.answered, some.left) == (3, 2, 1)
        assert "2 of 3 answered before: 1 call to make" in str(some)
        assert (some.tried, some.seconds_least) == (2, None)
        every = estimate(invoices.Schema, TEXTS[:2], "demo-careful", journal=path)
        assert str(every) == "2 of 2 answered before: nothing to ask."
        assert every._repr_html_().count("nothing to ask") == 1
    assert contents(path) == before
    for other in ({"reuse": False}, {"journal": False}, {"instructions": "Read it anew."}):
        assert estimate(*asked, **{"journal": path, **other}).answered == 0


def test_what_is_answered_before_is_what_a_run_does_not_ask(demo, tmp_path) -> None:
    """Of identical texts and repeats too, and of each variant by itself."""
    path, texts = tmp_path / "j.sqlite", [TEXTS[0], {**TEXTS[0], "id": "twin"}, TEXTS[1]]
    ask("demo-careful", texts[:1], truth=None, journal=path, repeats=2)
    ask("demo-quick", texts[:2], truth=None, journal=path)
    asked = invoices.Schema, texts, ["demo-careful", "demo-quick"]
    likely = estimate(*asked, journal=path, repeats=2)
    result = compare(*asked, journal=path, repeats=2, progress=False)
    reused = sum(each.paid_before is not None for each in result)
    assert (likely.calls, likely.answered) == (12, reused) == (12, 4)


def test_the_progress_bar_of_a_notebook_is_one_small_table(demo) -> None:
    from llmwidgets.engine.run import VariantProgress, VariantState
    from llmwidgets.engine.runs.watch import bar_html

    asking = VariantProgress(
        "<b>", 30, 12, {"RateLimited": 1}, 0, 1.0, None, 0.0, VariantState.ASKING, False, at_once=4
    )
    page = bar_html([asking])
    assert "&lt;b&gt;" in page
    assert "11 of 30" in page  # one of the 12 that ended had no reply
    assert "4 at a time, 1 rate limited" in page
    assert len(page) < 500


@pytest.mark.parametrize(
    ("failures", "replies"),
    [
        ({}, 30),
        ({"Stopped": 30}, 0),
        ({"Unauthorized": 28, "InvalidJSON": 1}, 2),
        ({"Gone": 1}, 29),
    ],
)
def test_a_bar_is_full_of_replies_alone(failures, replies, monkeypatch) -> None:
    """What was stopped or refused before a reply ended, and does not look done."""
    from llmwidgets.engine.run import VariantProgress, VariantState
    from llmwidgets.engine.runs.watch import _terminal, bar_html

    ended = VariantProgress("m", 30, 30, failures, 0, None, 0.0, 0.0, VariantState.DONE, True)
    assert f'value="{replies}"' in bar_html([ended])
    assert f">{replies} of 30<" in bar_html([ended])
    screen = io.StringIO()
    monkeypatch.setattr(screen, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys, "stderr", screen)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    with _terminal(SimpleNamespace(progress=[ended])) as show:
        show([ended])
        drawn = screen.getvalue()
    plain = re.sub(r"\x1b\[[0-9;?]*[a-zA-Z]", "", drawn).replace(" ", "")
    assert re.findall(r"\d+/30", plain)[-1] == f"{replies}/30"


def test_each_state_of_a_variant_has_its_words() -> None:
    """Words are made where they are shown: the engine reports the state and its numbers."""
    from llmwidgets.engine.run import VariantProgress, VariantState
    from llmwidgets.engine.runs.watch import state_words

    words = {
        state: state_words(
            VariantProgress(
                "m", 9, 1, {}, 0, 1.0, None, 0.0, state, False, at_once=4, seconds_left=12
            )
        )
        for state in VariantState
    }
    assert words == {
        VariantState.WAITING: "waiting for its turn",
        VariantState.PROBING: "finding out what the server enforces",
        VariantState.ASKING: "4 at a time",
        VariantState.LIMITED: "waiting for the limit, next in 12 s",
        VariantState.AWAY: "the server does not answer; trying again, 12 s left",
        VariantState.DONE: "done",
        VariantState.STOPPED: "stopped",
        VariantState.NO_WORKERS: "waiting for workers",
    }


def test_the_demo_of_another_process_has_another_port_and_its_rows_are_reused(tmp_path):
    """What the demo answered is told by its name and version, not by the port of the day."""
    journal = tmp_path / "journal.sqlite"
    first = ask("demo", journal=journal)
    port = demo_url()
    stop_demo()
    second = ask("demo", journal=journal)
    assert demo_url() != port
    told = [(each.variant, each.text_id, each.status, each.data) for each in first]
    assert [(each.variant, each.text_id, each.status, each.data) for each in second] == told
    assert all(each.paid_before is not None for each in second if each.status != "Overloaded")
    assert sum(each.paid_before is not None for each in second) >= 9
