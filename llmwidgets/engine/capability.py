"""What is known of a model's server: what it reported of itself, enforces and refuses.

Kept for the rest of the process. What a server enforces of a schema is found out by `probe.py`.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field, replace
from weakref import WeakKeyDictionary

from llmwidgets.connections.connection import Connection
from llmwidgets.dialects.error_meanings import parameter_refused
from llmwidgets.dialects.types import (
    Capability,
    Target,
)
from llmwidgets.errors import (
    Failure,
)
from llmwidgets.providers import PROVIDERS
from llmwidgets.providers.base import ModelFacts


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What is known of the model behind a name that says nothing: a deployment's, a server's.

    `served` is the id that it answers by, `spelled` the same as the server writes it (with its
    maker in front, say), `model_facts` what is known of that id. Limits are in tokens: `window` for
    question and answer together, `output_limit` for one answer. `answered` is whether it has
    answered at all.
    """

    served: str = ""
    spelled: str = ""
    model_facts: ModelFacts | None = None
    window: int | None = None
    output_limit: int | None = None
    answered: bool = False


NOTHING = ServerFacts()

_REMEMBERED = 200
"""Calls that a server's throughput rests on: what it was before counts less and less."""


@dataclass(slots=True)
class Throughput:
    """How fast a model's server answered this process.

    `seconds` are those of the clock for `calls` answers: with several calls at once it is what lies
    between one answer and the next, and a rest in which nothing was asked does not count.
    """

    calls: float = 0
    seconds: float = 0.0
    last: float = -math.inf

    def count(self, took: float, now: float) -> None:
        """One more answer, `took` seconds after it was asked for, `now` on the monotonic clock."""
        self.seconds += max(0.0, min(took, now - self.last))
        self.calls, self.last = self.calls + 1, now
        if self.calls > _REMEMBERED:
            self.calls, self.seconds = self.calls / 2, self.seconds / 2

    @property
    def seconds_each(self) -> float | None:
        """Seconds of the clock for one answer; None before the second one."""
        return self.seconds / self.calls if self.calls > 1 else None


@dataclass(slots=True, eq=False)
class ServerRecord:
    """What this process has found out about one model at one address."""

    facts: ServerFacts = NOTHING
    capability: Capability | None = None
    """What a call showed; None until then."""
    unenforced: set[str] = field(default_factory=set)
    """The digests of schemas that were sent to be enforced, and not kept to by a reply."""
    refused: frozenset[str] = frozenset()
    """What the server refuses of how a reply is asked for, whatever the question (`_STREAMING`)."""
    answered_at: float = -math.inf
    throughput: Throughput = field(default_factory=Throughput)

    def learn_from_reply(self, connection: Connection, served: str | None) -> None:
        """Keep the id by which a reply names its model."""
        known = self.facts
        if connection.provider.model_field is None:
            return
        if not known.answered or (served and served != known.spelled):
            self.facts = replace(
                recall_facts(connection, served or ""),
                window=known.window,
                output_limit=known.output_limit,
                answered=True,
            )


_records: dict[tuple[str, str, str], ServerRecord] = {}
_keys: WeakKeyDictionary[Connection, dict[str, tuple[str, str, str]]] = WeakKeyDictionary()


def record_of(connection: Connection, model: str, target: Target | None = None) -> ServerRecord:
    """The record of a model, told apart by kind, address, name and who answers there."""
    # A connection never changes, and every text asks several times.
    keys = _keys.setdefault(connection, {})
    if model not in keys:
        known, preset = target or connection.target(model), connection.preset
        query = (f"{name}={value}" for name, value in known.query.items())
        who = (*query, *known.options.get("answered_by", ()), preset.slug if preset else "")
        keys[model] = connection.kind, " ".join((known.url, *who)), model
    return _records.setdefault(keys[model], ServerRecord())


def forget_capabilities() -> None:
    """Forget everything: the next run asks anew."""
    _records.clear()


def recall_facts(connection: Connection, served: str) -> ServerFacts:
    """What follows from the id of a served model alone; nothing is guessed from its name."""
    bare, facts = served.rpartition("/")[2], None
    if connection.provider.deployments:
        facts = connection.facts(bare) if bare else None
    elif bare:
        known = ((each, each.facts(bare)) for each in PROVIDERS.values())
        provider, facts = next((pair for pair in known if pair[1]), (None, None))
        # Behind a gateway of another format the levels are spelled by that format.
        if facts and provider and provider.dialect_for(bare) is not connection.dialect:
            levels = tuple(map(str.lower, facts.efforts))
            facts = replace(facts, efforts=levels, options={})
    # Of what a server says only an id that is known is kept in a row.
    return ServerFacts(served=facts.id if facts else served, spelled=served, model_facts=facts)


# A dated snapshot, a revision or a tag behind the id is that model: `gpt-6-luna-2026-03-01`,
# `gemini-3.8-flash-001`, `llama3.2:latest`.
_SNAPSHOT = re.compile(r"[-@:](?:latest|[\d-]+)")
# Bedrock writes the maker in front, and Claude's reply leaves it out: `anthropic.claude-opus-5`.
_MAKER = re.compile(r"^[a-z]{2,30}\.")
_LONGEST = 120


def substitution_notice(connection: Connection, asked: str, served: str | None) -> str:
    """A sentence if another model answered than was asked for; empty otherwise.

    A deployment's own name says nothing of its model, so it is compared only if it is the name of
    a known one.
    """
    provider = connection.provider
    if not served or served == asked or (provider.deployments and provider.facts(asked) is None):
        return ""
    wanted, answered = (_MAKER.sub("", each.lower().rpartition("/")[2]) for each in (asked, served))
    snapshot = answered.startswith(wanted) and _SNAPSHOT.fullmatch(answered.removeprefix(wanted))
    # Behind a router the id can carry where it is to be answered: `org/model:provider`.
    if snapshot or answered in (wanted, wanted.partition(":")[0]):
        return ""
    return f"The server says that {served[:_LONGEST]} answered, not {asked}."


# -- What a model takes: its thinking levels, and the parameters that its server refused.

_SCALE = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


def resolve_effort(facts: ModelFacts | None, effort: str) -> str | None:
    """The model's own word for a thinking level; None if nothing is sent.

    `least` is the weakest level it has, the others the nearest one. If no level is known, one
    that was asked for is sent as it is: a server that does not take it says so.
    """
    if effort == "vendor" or (facts is not None and facts.thinking is False):
        return None
    if facts is None or not facts.efforts:
        return None if effort == "least" else effort
    if effort == "least":
        return facts.efforts[0]
    known = [word for word in facts.efforts if word.lower() in _SCALE]
    wanted = _SCALE.index(effort)
    nearest = min(known, key=lambda word: abs(_SCALE.index(word.lower()) - wanted), default=None)
    return nearest or facts.efforts[0]


_THINKING = frozenset({"reasoning_effort", "thinking", "effort", "thinkingConfig"})
TWINS = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
STREAM = "stream"
"""Not left out but asked for: the server refuses what is not to be streamed."""
_STREAMING = frozenset({STREAM, "stream_options"})
_DROPPABLE = _THINKING | TWINS.keys() | {"temperature", "store", "tool_choice"} | _STREAMING


@dataclass(frozen=True, slots=True)
class DroppedParameters:
    """Parameters that a server refused by name, left out or respelled from then on."""

    names: frozenset[str] = frozenset()

    def respell(self, target: Target) -> Target:
        """The target that does without them."""
        if not self.names:
            return target
        options = dict(target.options)
        if "store" in self.names:
            options["store"] = False
        if STREAM in self.names:
            options[STREAM] = True
        if "stream_options" in self.names:
            options["stream_options"] = False
        if "tool_choice" in self.names:
            options["forced_tool"] = False
        for refused, instead in TWINS.items():
            if refused in self.names:
                options["token_parameter"] = instead
        return replace(target, options=options)

    def with_refused(self, error: Failure) -> DroppedParameters | None:
        """These and the one that the error names; None if it names none, or one anew."""
        name = parameter_refused(error)
        if name is None or name in self.names or name not in _DROPPABLE:
            return None
        # If both spellings of the output limit are refused, another swap cannot help.
        if TWINS.get(name) in self.names:
            return None
        return DroppedParameters(self.names | {name})

    def learnt_by(self, record: ServerRecord) -> DroppedParameters:
        """These and what every question to the model of the record has to do without.

        What these know of it is kept there.
        """
        record.refused |= self.names & _STREAMING
        return (
            self if record.refused <= self.names else DroppedParameters(self.names | record.refused)
        )

    @property
    def levels(self) -> bool:
        """Whether a thinking level can be sent."""
        return not self.names & _THINKING


NONE_DROPPED = DroppedParameters()
