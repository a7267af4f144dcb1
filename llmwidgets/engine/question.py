"""Question: one text for one column, put into a request; and the key it has in the journal."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from llmwidgets import __version__
from llmwidgets.dialects.messages import BEST, Capability, Form, Mode, Request, Target, TextPart
from llmwidgets.engine import defaults
from llmwidgets.engine.enforcement import Enforcement
from llmwidgets.engine.plan import Column, Text
from llmwidgets.errors import Failure
from llmwidgets.providers.base import ModelFacts
from llmwidgets.schemas import Compiled, Schema

_OFF = frozenset({"none", "off", "disabled", "between_tools", "0"})
_SCALE = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


def effort_sent(facts: ModelFacts | None, effort: str) -> str | None:
    """The model's own word for a thinking level; None where the control is not known.

    `least` is the weakest level it has, the others the nearest one.
    """
    if facts is None or not facts.efforts or effort == "vendor":
        return None
    if effort == "least":
        return facts.efforts[0]
    known = [word for word in facts.efforts if word.lower() in _SCALE]
    wanted = _SCALE.index(effort)
    nearest = min(known, key=lambda word: abs(_SCALE.index(word.lower()) - wanted), default=None)
    return nearest or facts.efforts[0]


def thinks(facts: ModelFacts | None, sent: str | None) -> bool:
    """Whether the model is known to think at this level."""
    if facts is None or not facts.efforts:
        return False
    return sent is None or sent.lower() not in _OFF


class Manner:
    """How a column asks about one schema: all that stays the same from text to text."""

    def __init__(self, column: Column, schema: Schema) -> None:
        self.column = column
        self.schema = schema
        self.facts = column.connection.facts(column.model)
        self.compiled: Compiled = schema.compile(column.connection.dialect.SUBSET)
        self.effort_sent = effort_sent(self.facts, column.effort)
        self.thinking = thinks(self.facts, self.effort_sent)
        dialect = column.connection.dialect
        self._form_for = dialect.form_for
        takes_sampling = dialect.SAMPLING and (self.facts is None or self.facts.sampling)
        self.temperature = column.temperature if takes_sampling else None
        self.max_output_tokens = column.max_output_tokens or self._limit()
        self.unheld = False
        """Whether a reply showed that the server does not enforce this schema."""

    def _limit(self) -> int:
        wanted = defaults.OUTPUT_TOKENS + defaults.OUTPUT_TOKENS_PER_FIELD * len(self.schema.leaves)
        if self.thinking:
            wanted += defaults.OUTPUT_TOKENS_THINKING
        return min(wanted, (self.facts and self.facts.output_limit) or wanted)

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What was asked for and is not sent, each in a sentence."""
        model, said = self.column.model, []
        if self.column.temperature is not None and self.temperature is None:
            said.append(f"The temperature was not sent: {model} does not take one.")
        if self.column.effort not in {"least", "vendor"} and self.effort_sent is None:
            said.append(f"The thinking level was not sent: it is not known for {model}.")
        if self.compiled.excess:
            said.append(f"The schema is not enforced: {self.compiled.excess}.")
        return tuple(said)

    def sent(self, capability: Capability) -> tuple[Form, Mode]:
        """The form in which this schema travels, and what it can bring.

        Some schemas are beyond what a dialect's strictest form takes.
        """
        form: Form = self._form_for(capability.form, self.compiled)
        mode = capability.mode if form is capability.form else BEST[form]
        return form, Mode.JSON if self.unheld and mode is Mode.SCHEMA else mode

    @cached_property
    def enforcement(self) -> Enforcement:
        """The judge of what the server holds to."""
        return Enforcement(self.compiled)

    def request(self, text: Text, capability: Capability) -> Request:
        """The question about one text, in the form that the model takes."""
        form, mode = self.sent(capability)
        return Request(
            model=self.column.model,
            instructions=self.column.instructions,
            parts=(TextPart(text.text),),
            schema=self.compiled,
            form=form,
            max_output_tokens=self.max_output_tokens,
            examples=self.column.examples,
            schema_in_prompt=mode is not Mode.SCHEMA,
            effort_sent=self.effort_sent,
            temperature=self.temperature,
        )

    def prefix(self, form: Form) -> hashlib._Hash:
        """What the journal's keys of this column and schema have in common, hashed."""
        column = self.column
        examples = [[each.text, _plain(each.record)] for each in column.examples]
        same = [
            defaults.INSTRUCTIONS_VERSION,
            column.instructions,
            self.schema.digest,
            form.value,
            column.model,
            _place(column),
            [column.effort, self.effort_sent],
            self.temperature,
            self.max_output_tokens,
            examples,
        ]
        return hashlib.sha256(json.dumps(same, sort_keys=True, default=repr).encode())


def _place(column: Column) -> str:
    """Where the model answers. The demo's port changes with each process, its rules do not."""
    if column.connection.origin == "demo":
        return f"demo {__version__}"
    return column.connection.target(column.model).url


def _plain(record: Any) -> Any:
    return record.model_dump(mode="json") if hasattr(record, "model_dump") else record


def digest_of(text: str) -> bytes:
    """The hash that stands for a text in the journal's key."""
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()


def key_of(prefix: hashlib._Hash, text_digest: bytes, occurrence: int, repeat: int) -> str:
    """The journal's key: the same question, asked the same way, for the n-th time.

    `occurrence` counts identical texts, so that each of them is asked.
    """
    whole = prefix.copy()
    whole.update(text_digest + f"{occurrence}:{repeat}".encode())
    return whole.hexdigest()


@dataclass(frozen=True, slots=True)
class Dropped:
    """Parameters that a server refused by name, left out or respelled from then on."""

    names: frozenset[str] = frozenset()

    def apply(self, request: Request, target: Target) -> tuple[Request, Target]:
        """The request and target without them."""
        options = dict(target.options)
        if "temperature" in self.names:
            request = replace(request, temperature=None)
        if self.names & _THINKING:
            request = replace(request, effort_sent=None)
        if "store" in self.names:
            options["store"] = False
        if "tool_choice" in self.names:
            options["forced_tool"] = False
        for refused, instead in _TWINS.items():
            if refused in self.names:
                options["token_parameter"] = instead
        return request, replace(target, options=options)

    def with_refused(self, error: Failure, dialect: Any) -> Dropped | None:
        """These and the one that the error names; None where it names none, or one anew."""
        name: str | None = dialect.parameter_refused(error)
        if name is None or name in self.names or name not in _KNOWN:
            return None
        # Where both spellings of the output limit are refused, another swap cannot help.
        if _TWINS.get(name) in self.names:
            return None
        return Dropped(self.names | {name})

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence for each parameter that was left out."""
        return tuple(
            f"{name} was refused by the server and sent as {_TWINS[name]}."
            if name in _TWINS
            else f"{name} was refused by the server and left out."
            for name in sorted(self.names)
        )


_THINKING = frozenset({"reasoning_effort", "thinking", "effort", "thinkingConfig"})
_TWINS = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
_KNOWN = _THINKING | _TWINS.keys() | {"temperature", "store", "tool_choice"}
