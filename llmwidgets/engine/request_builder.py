"""Question: one text for one column, put into a request; and the key it has in the journal."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

from llmwidgets import __version__
from llmwidgets.connections.connection import Connection
from llmwidgets.dialects.types import (
    BEST,
    Capability,
    Effort,
    Enforcement,
    Example,
    Reply,
    Request,
    ResponseFormat,
    Target,
    TextPart,
)
from llmwidgets.engine import defaults
from llmwidgets.engine.defaults import DEFAULT_INSTRUCTIONS
from llmwidgets.engine.journal.row import Row
from llmwidgets.engine.server_facts import NOTHING, ServerFacts
from llmwidgets.errors import Failure, FieldError, InvalidJSON
from llmwidgets.providers.base import ModelFacts
from llmwidgets.schemas import Compiled, Schema, parse_json
from llmwidgets.schemas.validation import make_validator

_OFF = frozenset({"none", "off", "disabled", "between_tools", "0"})
_SCALE = ("none", "minimal", "low", "medium", "high", "xhigh", "max")


def resolve_effort(facts: ModelFacts | None, effort: str) -> str | None:
    """The model's own word for a thinking level; None where nothing is sent.

    `least` is the weakest level it has, the others the nearest one. Where no level is known, a
    level that was asked for is sent as it is: a server that does not take it says so.
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


def thinks(facts: ModelFacts | None, sent: str | None) -> bool | None:
    """Whether the model thinks at this level; None where that is not known."""
    if facts is not None and facts.thinking is False:
        return False
    if facts is None or not facts.efforts:
        told = facts.thinking if facts else None
        return told if sent is None else True
    return sent is None or sent.lower() not in _OFF


class Settings:
    """What is asked of a model beside the question, by what is known of the model.

    `levels` False says that its server refused the thinking level: then none is sent.
    """

    def __init__(
        self, column: ResolvedVariant, facts: ModelFacts | None, fields: int, *, levels: bool = True
    ) -> None:
        self.effort_sent = resolve_effort(facts, column.effort) if levels else None
        self.thinking = thinks(facts, self.effort_sent)
        wanted = defaults.OUTPUT_TOKENS + defaults.OUTPUT_TOKENS_PER_FIELD * fields
        if self.thinking is not False:
            wanted += defaults.OUTPUT_TOKENS_THINKING
        self.output_limit = column.max_output_tokens or wanted
        if facts is not None and facts.output_limit is not None:
            self.output_limit = min(self.output_limit, facts.output_limit)
        takes = column.connection.dialect.SAMPLING and (facts is None or facts.sampling)
        # A model of which nothing is known may take it: its server says if not.
        while_thinking = facts is None or facts.sampling_thinking or self.thinking is False
        self.takes_sampling, self.cool = takes, while_thinking
        self.temperature = column.temperature if takes and while_thinking else None


class RequestBuilder:
    """How a column asks about one schema: all that stays the same from text to text.

    `learned` is what the server told of itself meanwhile. It changes what is sent and not the
    journal's key, so that a later process finds the answers.
    """

    def __init__(
        self,
        column: ResolvedVariant,
        schema: Schema,
        learned: ServerFacts = NOTHING,
        *,
        levels: bool = True,
    ) -> None:
        self.column, self.schema, self.learned = column, schema, learned
        dialect, told = column.connection.dialect, column.connection.facts(column.model)
        self.facts = learned.facts or told
        self.compiled: Compiled = schema.compile(dialect.SUBSET)
        self._form_for = dialect.form_for
        fields = len(schema.leaves)
        self._declared = Settings(column, told, fields)
        self.settings = Settings(column, self.facts, fields, levels=levels)
        self.effort_sent, self.temperature = self.settings.effort_sent, self.settings.temperature
        self.thinking = self.settings.thinking is not False
        """Whether the model thinks, or may: what is not known is not excluded."""
        most = learned.output_limit or self.settings.output_limit
        self.max_output_tokens = min(self.settings.output_limit, most)
        self.unheld = False
        """Whether a reply showed that the server does not enforce this schema."""

    @cached_property
    def target(self) -> Target:
        """Where the model answers, and how it wants to be spoken to."""
        target = self.column.connection.target(self.column.model)
        if self.learned.facts is None:
            return target
        return replace(target, options={**target.options, **self.learned.facts.options})

    @property
    def window(self) -> int | None:
        """How many tokens question and answer can have together, where the server told."""
        hosted = self.column.connection.provider.self_hosted
        if self.learned.window is not None or not hosted:
            return self.learned.window
        return self.facts.input_limit if self.facts and self.learned.facts is None else None

    @cached_property
    def notes(self) -> tuple[str, ...]:
        """What was asked for and is not sent, each in a sentence."""
        model, said = self.column.model, []
        if self.column.temperature is not None and self.temperature is None:
            never = not self.settings.takes_sampling
            why = "does not take one" if never else "takes one only while its thinking is off"
            said.append(f"The temperature was not sent: {model} {why}.")
        if self.column.effort not in {"least", "vendor"} and self.settings.thinking is False:
            said.append(f"The thinking level was not sent: {model} does not think.")
        wanted = self.column.max_output_tokens
        if wanted is not None and wanted > self.max_output_tokens:
            said.append(
                f"The output limit was lowered from {wanted:,} to {self.max_output_tokens:,} "
                f"tokens: {model} takes no more."
            )
        if self.compiled.excess:
            said.append(f"The schema is not enforced: {self.compiled.excess}.")
        return tuple(said)

    def sent(self, capability: Capability) -> tuple[ResponseFormat, Enforcement]:
        """The form in which this schema travels, and what it can bring.

        Some schemas are beyond what a dialect's strictest form takes.
        """
        form: ResponseFormat = self._form_for(capability.form, self.compiled)
        mode = capability.mode if form is capability.form else BEST[form]
        return form, Enforcement.JSON if self.unheld and mode is Enforcement.SCHEMA else mode

    @cached_property
    def enforcement(self) -> EnforcementWatch:
        """The judge of what the server holds to."""
        return EnforcementWatch(self.compiled)

    def request(self, text: Document, capability: Capability, limit: int | None = None) -> Request:
        """The question about one text, in the form that the model takes.

        `limit` is the most tokens of this answer, where the window leaves less than usual.
        """
        form, mode = self.sent(capability)
        return Request(
            model=self.column.model,
            instructions=self.column.instructions,
            parts=(TextPart(text.text),),
            schema=self.compiled,
            form=form,
            max_output_tokens=limit or self.max_output_tokens,
            examples=self.column.examples,
            schema_in_prompt=mode is not Enforcement.SCHEMA,
            effort_sent=self.effort_sent,
            temperature=self.temperature,
        )

    def prefix(self, form: ResponseFormat) -> hashlib._Hash:
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
            [column.effort, self._declared.effort_sent],
            self._declared.temperature,
            self._declared.output_limit,
            examples,
        ]
        return hashlib.sha256(json.dumps(same, sort_keys=True, default=repr).encode())


def _place(column: ResolvedVariant) -> str:
    """Where the model answers. The demo's port changes with each process, its rules do not."""
    if column.connection.origin == "demo":
        return f"demo {__version__}"
    return column.connection.target(column.model).url


def _plain(record: Any) -> Any:
    return record.model_dump(mode="json") if hasattr(record, "model_dump") else record


def digest_of(text: str) -> bytes:
    """The hash that stands for a text in the journal's key."""
    return hashlib.sha256(text.encode("utf-8", "replace")).digest()


def cache_key(prefix: hashlib._Hash, text_digest: bytes, occurrence: int, repeat: int) -> str:
    """The journal's key: the same question, asked the same way, for the n-th time.

    `occurrence` counts identical texts, so that each of them is asked.
    """
    whole = prefix.copy()
    whole.update(text_digest + f"{occurrence}:{repeat}".encode())
    return whole.hexdigest()


@dataclass(frozen=True, slots=True)
class DroppedParameters:
    """Parameters that a server refused by name, left out or respelled from then on."""

    names: frozenset[str] = frozenset()

    def apply(self, request: Request, target: Target) -> tuple[Request, Target]:
        """The request and target without them."""
        options = dict(target.options)
        if "temperature" in self.names:
            request = replace(request, temperature=None)
        if not self.levels:
            request = replace(request, effort_sent=None)
        if "store" in self.names:
            options["store"] = False
        if "tool_choice" in self.names:
            options["forced_tool"] = False
        for refused, instead in _TWINS.items():
            if refused in self.names:
                options["token_parameter"] = instead
        return request, replace(target, options=options)

    def with_refused(self, error: Failure, dialect: Any) -> DroppedParameters | None:
        """These and the one that the error names; None where it names none, or one anew."""
        name: str | None = dialect.parameter_refused(error)
        if name is None or name in self.names or name not in _KNOWN:
            return None
        # Where both spellings of the output limit are refused, another swap cannot help.
        if _TWINS.get(name) in self.names:
            return None
        return DroppedParameters(self.names | {name})

    @property
    def levels(self) -> bool:
        """Whether a thinking level can be sent."""
        return not self.names & THINKING

    @property
    def notes(self) -> tuple[str, ...]:
        """A sentence for each parameter that was left out."""
        return tuple(
            f"{name} was refused by the server and sent as {_TWINS[name]}."
            if name in _TWINS
            else f"{name} was refused by the server and left out."
            for name in sorted(self.names)
        )


THINKING = frozenset({"reasoning_effort", "thinking", "effort", "thinkingConfig"})
_TWINS = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}
_KNOWN = THINKING | _TWINS.keys() | {"temperature", "store", "tool_choice"}


# -- What a run asks: columns (who, and how) times texts (what), times repeats.


@dataclass(frozen=True, slots=True)
class Document:
    """One document with the schema of its record; `truth` is NOTHING where it has no label.

    With `by_record`, truth came as a record of the user's class, and replies are compared as such.
    Texts of the same `group` belong together (pages of one document, mails of one sender); empty
    where nothing was said about that. `blanks` labels of its truth are empty and not scored.
    """

    id: str
    text: str
    schema: Schema
    truth: Any
    by_record: bool = False
    group: str = ""
    blanks: int = 0


@dataclass(frozen=True, slots=True)
class ResolvedVariant:
    """One variant, resolved: a model of a connection and the way it is asked.

    `price` is in US dollars for a million tokens, {"input": …, "output": …}; None looks it up.
    """

    label: str
    connection: Connection
    model: str
    instructions: str = DEFAULT_INSTRUCTIONS
    examples: tuple[Example, ...] = ()
    effort: Effort = "least"
    temperature: float | None = None
    max_output_tokens: int | None = None
    price: Mapping[str, float] | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """Every column is asked every text, `repeats` times."""

    columns: tuple[ResolvedVariant, ...]
    texts: tuple[Document, ...]
    repeats: int = 1

    @property
    def asked(self) -> int:
        """How many extractions each column ends with."""
        return len(self.texts) * self.repeats


# -- Enforcement: whether a reply shows that the server does not hold to the schema it was sent.
#
# And how the row of such a reply says so.

UNHELD = (
    "The server does not enforce this schema, whatever it does with others, so the schema"
    " was put into the prompt as well."
)
BROKE = "The reply did not keep to the schema that was sent: the server does not enforce it."
OTHERS_BROKE = "Asked as if the server enforced the schema; other replies showed that it does not."

_BEGUN = ("{", "[", '"', "`")


class EnforcementWatch:
    """Judges replies by the schema as it was sent, not by the user's own, which can be stricter.

    A reply that was cut, refused or empty shows nothing, and neither does a format, which JSON
    Schema lets a reader take for a remark.
    """

    def __init__(self, compiled: Compiled) -> None:
        self._compiled = compiled

    def broken_by(self, reply: Reply, limit: int) -> bool:
        """Whether the whole reply is something that an enforced schema cannot bring."""
        used, text = reply.usage.output_tokens, reply.text.strip()
        if not text or reply.ending != "complete" or (used is not None and used >= limit):
            return False
        try:
            data = parse_json(text)
        except InvalidJSON:
            # What begins as JSON and ends early may have been cut without a word.
            return not text.startswith(_BEGUN)
        try:
            return self._validator is not None and not self._validator.is_valid(data)
        except (ValueError, TypeError, OverflowError, RecursionError):
            return False

    @cached_property
    def _validator(self) -> Any:
        try:
            return make_validator(self._compiled.schema, formats=False)
        except FieldError:
            # A pattern in a spelling that only the provider reads.
            return None


def relied_on(sent_as: Request) -> bool:
    """Whether the question relied on the schema being enforced."""
    return BEST[sent_as.form] is Enforcement.SCHEMA and not sent_as.schema_in_prompt


def unheld_row(row: Row, note: str) -> Row:
    """The row of a reply that was asked for under a schema that turned out not to be enforced."""
    notes = tuple(each for each in row.notes if each != UNHELD)
    return replace(row, mode=Enforcement.JSON, schema_shown=False, notes=(*notes, note), id=0)
