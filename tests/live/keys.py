"""Tries every kind that has a real key here, for at most 1 US dollar: `make live`.

    python -m tests.live.keys [REFERENCE…]

The keys are those of variables and policy files. Of each connection the cheapest model is asked,
or the one that a reference names (`azure_openai/gpt-6-luna`, where variables name a server alone).
A call is made only if its worst case fits into what is left, so a model without a known price is
not asked; `[facts.KIND."MODEL"] price` in a policy file gives it one. Results are written to
`docs/live.json`; then `python -m tests.tables` quotes them.
"""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from llmwidgets.comparison import Variant
from llmwidgets.comparison.runs import build_plan, read_documents
from llmwidgets.comparison.variants import ConnectionResolver
from llmwidgets.connections import Connection, Policy
from llmwidgets.connections.discovery import environment_connections
from llmwidgets.dialects.types import Call, Enforcement, Usage
from llmwidgets.engine import event_loop
from llmwidgets.engine.check import CheckReport, apply_fix, check_connection
from llmwidgets.engine.extraction import Extraction
from llmwidgets.engine.journal import Journal
from llmwidgets.engine.network import egress
from llmwidgets.engine.probe import ProbeRoom
from llmwidgets.engine.request_builder import ResolvedVariant
from llmwidgets.engine.run import Run
from llmwidgets.errors import LLMWidgetsError
from llmwidgets.formatting import dollars
from tests.live.record import RECORD, Try, last_tried, read_record, write_record

BUDGET = 1.0
"""US dollars for all kinds together."""

SCHEMA = {
    "title": "Bill",
    "type": "object",
    "properties": {"name": {"type": "string"}, "total": {"type": "number"}},
    "required": ["name", "total"],
}
TEXT = "Invoice 17. Bolt & Sons bill Ada Lovelace 12.50 EUR for one box of screws."

_CUT_AT = 16
_GREETING, _QUESTION = 16, 1000
_TRIES = 4
_CALL_SECONDS = 120.0


class OverBudget(Exception):
    """The rest of the budget does not cover the worst case of what comes next."""


class NothingSent(LLMWidgetsError):
    """The check ended before anything was sent: without a network, say. That is not a try."""


@dataclass
class Trial:
    """One connection and model, and what may still be spent."""

    connection: Connection
    model: str
    policy: Policy
    left: float

    def __post_init__(self) -> None:
        self.spent = 0.0
        self.variant = self._plan().columns[0]

    def run(self) -> Iterator[tuple[str, str]]:
        """Each part with how it ended; OverBudget before a part that could cost too much.

        NothingSent if the check never reached the server.
        """
        report = self._check()
        if not report.hosts:
            raise NothingSent(report.sentence, report.hint)
        yield "check", report.status
        if not report.ok:
            return
        if report.capability is None:
            # A run would find out by itself, with questions that no budget holds back.
            yield "enforced schema", "undetermined"
            return
        record = self._ask()
        held = record.mode is Enforcement.SCHEMA or not record.ok
        yield "enforced schema", record.status if held else str(record.mode)
        yield "truncation", self._ask(max_output_tokens=_CUT_AT).status
        yield "stop", self._ask(stop=True).status

    def _plan(self, **settings: Any) -> Any:
        texts = read_documents(SCHEMA, [TEXT])
        variant = Variant((self.connection, self.model), **settings)
        return build_plan(texts, [variant]).plan

    def _check(self) -> CheckReport:
        worst = _check_cost(self.variant)
        if worst is None or self.spent + worst > self.left:
            raise OverBudget
        # Only the model of this trial is asked, whichever comes first in the whitelist.
        others = [each for each in self.policy.allowed(self.connection) if each != self.model]
        denied = [*self.policy.denials, *((self.connection.label, each) for each in others)]
        narrow = replace(self.policy, denials=denied)
        with egress.watch_calls() as calls:
            report = event_loop.run_blocking(check_connection(self.connection, policy=narrow))
        self.spent += sum(_worst_cost(self.variant, call) for call in calls)
        return report

    def _ask(self, *, stop: bool = False, **settings: Any) -> Extraction:
        """One extraction; the engine holds back a call that could cost too much."""
        plan, left = self._plan(**settings), self.left - self.spent
        with closing(Journal(False)) as journal, egress.watch_calls() as calls:
            run = Run(plan, journal=journal, policy=self.policy, budget=left)
            run.start()
            if stop:
                _wait_for(lambda: bool(calls) or run.finished)
                run.stop()
            run.wait()
            self.spent += run.budget.spent
            extraction = run.extraction(0, 0)
        if extraction.status == "OverBudget":
            raise OverBudget
        return extraction


def _wait_for(condition: Callable[[], bool]) -> None:
    end = time.monotonic() + _CALL_SECONDS
    while not condition() and time.monotonic() < end:
        time.sleep(0.005)


def _check_cost(variant: ResolvedVariant) -> float | None:
    """The most that a check can cost in US dollars; None if the price is unknown."""
    questions, connection = [_GREETING], variant.connection
    if connection.provider.self_hosted or connection.capability(variant.model) is None:
        room = ProbeRoom()
        while room.raised():
            questions.append(room.limit)
        questions = [*questions, ProbeRoom().limit] * len(connection.dialect.LADDER)
    costs = [variant.cost(Usage(_QUESTION, limit)) for limit in questions]
    return None if None in costs else _TRIES * sum(filter(None, costs))


def _worst_cost(variant: ResolvedVariant, call: Call) -> float:
    """The most that a call can have cost: a token for each character, and the whole limit."""
    body = call.body if isinstance(call.body, dict) else {}
    usage = Usage(len(json.dumps(body)), output_limit(body))
    return (variant.cost(usage) or 0.0) if usage.output_tokens else 0.0


def output_limit(body: Mapping[str, Any]) -> int:
    """How many tokens an answer may have by its request; 0 of a call that asks no question."""
    settings = {**body, **body.get("generationConfig", {})}
    names = ("max_tokens", "max_completion_tokens", "maxOutputTokens")
    return next((settings[name] for name in names if name in settings), 0)


def cheapest_model(connection: Connection, policy: Policy) -> str | None:
    """The allowed model that a question costs least with; None if no price is known."""
    costs = {model: _cost(connection, model) for model in policy.allowed(connection)}
    priced = {model: cost for model, cost in costs.items() if cost is not None}
    return min(priced, key=priced.__getitem__) if priced else None


def _cost(connection: Connection, model: str) -> float | None:
    return ResolvedVariant(connection.label, connection, model).cost(Usage(1000, 1000))


def chosen(references: Sequence[str], policy: Policy) -> Iterator[tuple[Connection, str | None]]:
    """The connections to try, each with its model; None for the model if none has a price."""
    if references:
        resolver = ConnectionResolver()
        for connection, model in map(resolver.resolve, references):
            named = {str(connection.provider.model_field): model}
            one = apply_fix(connection, named) if connection.any_model else connection
            yield one, None if _cost(one, model) is None else model
        return
    for connection in environment_connections():
        yield connection, cheapest_model(connection, policy)


def try_all(references: Sequence[str], path: Path = RECORD, budget: float = BUDGET) -> int:
    """Try them one after the other and write the record; 1 if one failed, or none was tried."""
    policy, left, done = Policy(), budget, list[Try]()
    day = f"{datetime.now(UTC):%Y-%m-%d}"
    if policy.notice:
        _say(policy.notice)
    try:
        named = [*chosen(references, policy)]
    except LLMWidgetsError as error:
        _say(f"Nothing was tried. {error}")
        return 1
    for connection, model in named:
        if model is None:
            _say(f"{connection.label}: not tried, no model with a known price.")
            continue
        tried = Trial(connection, model, policy, left)
        parts: dict[str, str] = {}
        try:
            parts.update(tried.run())
        except OverBudget:
            _say(f"{connection.label}/{model}: not finished, {dollars(left)} is not enough.")
            continue
        except LLMWidgetsError as error:
            _say(f"{connection.label}/{model}: not tried. {error}")
            continue
        finally:
            left -= tried.spent
        done.append(Try(connection.kind, day, model, parts, round(tried.spent, 6)))
        _say(f"{connection.label}/{model}: {done[-1].outcome}, {dollars(tried.spent)} at most.")
    if not done:
        _say("Nothing was tried: set a key's variable (OPENAI_API_KEY, say) or name a reference.")
        return 1
    write_record(done, path)
    for kind, last in read_record(path).items():
        _say(f"{kind}: last tried {last_tried(kind, {kind: last})}")
    _say(f"{dollars(budget - left)} of {dollars(budget)} spent at most.")
    return 0 if all(each.outcome == "ok" for each in done) else 1


def _say(line: str) -> None:
    sys.stdout.write(line + "\n")


if __name__ == "__main__":
    sys.exit(try_all(sys.argv[1:]))
