"""No public path carries a call of a model that is off the policy: servers count what arrives."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from dataclasses import dataclass, field
from itertools import product
from pathlib import Path

import pytest

from llmwidgets import ComparisonPanel, Connection, Store, check, cli, compare, estimate, extract
from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.connections import Policy
from llmwidgets.engine import capability, event_loop
from llmwidgets.engine.journal import Journal
from llmwidgets.engine.network import egress, transport
from llmwidgets.engine.request_builder import Document, Plan, ResolvedVariant
from llmwidgets.engine.run import Run
from llmwidgets.errors import LLMWidgetsError
from llmwidgets.schemas import read_schema
from tests.servers import Handler, listening

SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}}, "required": ["name"]}


@dataclass
class Far:
    """A server in the OpenAI format: the models it was asked for, None for a list."""

    url: str = ""
    asked: list[str | None] = field(default_factory=list)


@pytest.fixture
def far() -> Iterator[Far]:
    end = Far()

    class Asked(Handler):
        def do_GET(self) -> None:
            end.asked.append(None)
            self.reply(200, {"data": [{"id": each} for each in ("gpt-4o", "gpt-6-luna", "m")]})

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            end.asked.append(body["model"])
            message = {"role": "assistant", "content": '{"name": "x"}'}
            choice = {"index": 0, "finish_reason": "stop", "message": message}
            usage = {"prompt_tokens": 9, "completion_tokens": 3}
            self.reply(200, {"model": body["model"], "choices": [choice], "usage": usage})

    capability.forget_capabilities()
    with listening(Asked) as server:
        end.url = f"http://127.0.0.1:{server.server_port}/v1"
        yield end


@dataclass
class Case:
    """A connection in the default store of this test, and the model that is asked for."""

    connection: Connection
    model: str
    store: Store
    folder: Path

    @property
    def reference(self) -> str:
        own = self.connection.provider.model_field
        return self.connection.label if own else f"{self.connection.label}/{self.model}"

    @property
    def chosen(self) -> tuple[Connection, str]:
        return self.connection, self.model


def by_extract(case: Case) -> None:
    extract(SCHEMA, "text", case.chosen, journal=False)


def by_reference(case: Case) -> None:
    extract(SCHEMA, "text", case.reference, store=case.store, journal=False)


def by_compare(case: Case) -> None:
    compare(SCHEMA, ["a", "b"], [case.chosen], store=case.store, journal=False, progress=False)


def by_estimate(case: Case) -> None:
    estimate(SCHEMA, ["a"], [case.chosen], store=case.store)


def by_rerun(case: Case) -> None:
    from llmwidgets import Comparison

    before = Comparison.from_outputs(SCHEMA, ["a"], {"A": [{"name": "x"}]})
    before.rerun([case.chosen], store=case.store, journal=False, progress=False)


def by_check(case: Case) -> None:
    check(case.connection)


def by_run(case: Case) -> None:
    """What the panel and compare start, without what they look at beforehand."""
    text = Document("t", "text", read_schema(SCHEMA), NOTHING)
    plan = Plan((ResolvedVariant("c", case.connection, case.model),), (text,))
    run = Run(plan, journal=Journal(False), policy=case.store.policy)
    run.start()
    assert run.wait(30)


def by_probe(case: Case) -> None:
    from llmwidgets.engine.probe import Prober

    prober = Prober(case.connection, case.model, policy=case.store.policy)
    event_loop.run_blocking(prober.climb())


def by_panel(case: Case) -> None:
    """The model is chosen while nothing forbids it, and Run is pressed under the policy."""
    with pytest.MonkeyPatch.context() as lifted:
        lifted.setattr(Policy, "permit", lambda *_: None)
        panel = ComparisonPanel(SCHEMA, ["a"], models=[case.chosen], store=case.store)
    panel.comm.handle_msg(
        {"content": {"data": {"method": "custom", "content": {"type": "run.start"}}}, "buffers": []}
    )
    while under_way := set(panel.page.under_way):
        wait(under_way, timeout=30)
    panel.close()


def by_command(case: Case) -> None:
    (case.folder / "schema.json").write_text(json.dumps(SCHEMA))
    (case.folder / "texts.jsonl").write_text('{"id": "a", "text": "b"}\n')
    cli.main(
        ["compare", "--schema", str(case.folder / "schema.json"), "--journal", "none", "--texts",
         str(case.folder / "texts.jsonl"), "--models", case.reference]
    )  # fmt: skip


ENTRIES: dict[str, Callable[[Case], None]] = {
    name: entry for name, entry in globals().items() if name.startswith("by_")
}
RULES = {
    "a model by a file": ("gpt-4o", '[models.openai]\ndeny = ["gpt-4o"]'),
    "a kind by a file": ("gpt-6-luna", '[kinds]\ndeny = ["openai"]'),
    "a host by a file": ("gpt-6-luna", '[hosts]\nallow = ["*.acme.example"]'),
    "all by a damaged file": ("gpt-6-luna", "nonsense"),
    "a model by the store": ("gpt-4o", ""),
    "a model off the whitelist": ("not-a-model", ""),
    "a retired model": ("o1", ""),
    "the one of a server": ("m", '[models.custom]\ndeny = ["m*"]'),
    "the host of a server": ("m", '[hosts]\ndeny = ["127.0.0.1"]'),
}


@pytest.fixture
def case(far, monkeypatch, tmp_path) -> Callable[[str], Case]:
    monkeypatch.setenv("LLMWIDGETS_STORE_KEY", _identity())

    def make(rule: str) -> Case:
        model, file = RULES[rule]
        store = Store.create()
        if model == "m":
            connection = Connection("custom", name="m", endpoint=far.url)
        else:
            connection = Connection("openai", api_key="made-up-key-0001", base_url=far.url)
        store.save(connection)
        if rule == "a model by the store":
            store.deny("openai", model)
        if file:
            (tmp_path / "policy.toml").write_text(file)
            monkeypatch.setenv("LLMWIDGETS_POLICY", str(tmp_path / "policy.toml"))
        return Case(connection, model, store, tmp_path)

    return make


def _identity() -> str:
    from llmwidgets.store.age import Identity

    return Identity.generate().secret.reveal()


def quietly(entry: str, case: Case) -> None:
    try:
        ENTRIES[entry](case)
    except (LLMWidgetsError, SystemExit):
        return


@pytest.mark.parametrize(("entry", "rule"), list(product(ENTRIES, RULES)))
def test_no_path_calls_a_model_off_the_policy(far, case, entry, rule):
    """For every public path and every rule; the list of a key's models names none."""
    made = case(rule)
    quietly(entry, made)
    assert made.model not in far.asked
    if made.model in {"gpt-6-luna", "m"} or entry != "by_check":
        assert far.asked == [], "nothing at all is sent to what is not allowed"


ASKING = [entry for entry in ENTRIES if entry not in {"by_estimate", "by_check"}]


@pytest.mark.parametrize("entry", ASKING)
def test_without_the_policy_each_path_would_call_it(far, case, monkeypatch, entry):
    """The test above can fail: the same calls go out where nothing is permitted or refused."""
    made = case("a model by the store")
    monkeypatch.setattr(Policy, "permit", lambda *_: None)
    quietly(entry, made)
    assert "gpt-4o" in far.asked


@pytest.mark.parametrize("entry", ["by_run", "by_probe"])
def test_the_gate_is_what_holds_the_engine(far, case, monkeypatch, entry):
    """With the gate taken out of the way, the engine's paths call what the policy denies."""

    async def no_gate(connection, model, call, *, policy, connect=10.0, total=30.0):
        return await transport.send_call(call, connect=connect, total=total)

    made = case("a model by the store")
    monkeypatch.setattr(egress, "send_guarded", no_gate)
    quietly(entry, made)
    assert "gpt-4o" in far.asked


@pytest.mark.parametrize("entry", [*ASKING, "by_check"])
def test_what_is_allowed_is_called(far, case, entry, monkeypatch):
    made = case("the one of a server")
    monkeypatch.delenv("LLMWIDGETS_POLICY")
    quietly(entry, made)
    assert "m" in far.asked
