"""How one text asked of one variant ended: the class of a reply or an error, and the value."""

from __future__ import annotations

import os
import re
import sqlite3
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from llmwidgets import formatting
from llmwidgets.connections.connection import Connection
from llmwidgets.dialects.types import Capability, Enforcement, Reply, Usage
from llmwidgets.engine.capability import DroppedParameters, recall_facts
from llmwidgets.engine.estimate import count_tokens_in, tokens_in
from llmwidgets.engine.journal import Row
from llmwidgets.engine.request_builder import Document, RequestBuilder, ResolvedVariant
from llmwidgets.errors import (
    BadRequest,
    CallError,
    CutInput,
    Failure,
    FailureCode,
    Filtered,
    Forbidden,
    InternalError,
    InvalidRecord,
    LLMWidgetsError,
    PolicyError,
    Refused,
    Truncated,
)
from llmwidgets.formatting import escape_controls
from llmwidgets.schemas import Loss, parse_json


def _no_request() -> dict[str, Any]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Extraction:
    """How one text asked of one variant ended: a record, or a failure with its class.

    `status` is "ok" or the failure's class. `data` is plain JSON, `record` the pydantic object
    if the schema is a pydantic class, else the JSON; an InvalidRecord has `data` and no
    `record`. `seconds` is the time the model took, waits for a turn left out; the part of it
    until the reply began is `waiting_seconds`, the rest `answering_seconds`; `cost` is in US
    dollars, None if the price is unknown. `paid_before` is when a reused reply was paid.
    `timed_out` of its `tries` took too long; `asked` is False if the question was never put.
    """

    variant: str
    text_id: str
    repeat: int = 0
    model: str = ""
    status: str = "ok"
    data: Any = field(default=None, repr=False)
    record: Any = field(default=None, repr=False)
    failure: Failure | None = None
    mode: Enforcement | None = None
    usage: Usage = field(default_factory=Usage)
    seconds: float | None = None
    waiting_seconds: float | None = None
    cost: float | None = None
    served_model: str | None = None
    losses: tuple[Loss, ...] = ()
    reply_text: str | None = field(default=None, repr=False)
    request_id: str | None = None
    tries: int = 0
    timed_out: int = 0
    asked: bool = True
    notes: tuple[str, ...] = ()
    paid_before: datetime | None = None
    encoded: Callable[[], dict[str, Any]] = field(default=_no_request, repr=False, compare=False)

    @property
    def ok(self) -> bool:
        """Whether there is a valid record."""
        return self.status == "ok"

    @property
    def request(self) -> dict[str, Any]:
        """The request as it was sent, every secret cut; empty if nothing was asked."""
        return self.encoded()

    @property
    def answering_seconds(self) -> float | None:
        """The time from the reply's beginning to its end; None if it was not measured."""
        if self.seconds is None or self.waiting_seconds is None:
            return None
        return max(0.0, self.seconds - self.waiting_seconds)

    def __repr__(self) -> str:
        parts = [f"{self.variant}, text {self.text_id}", self.status]
        if self.mode:
            parts.append(self.mode)
        if self.seconds is not None:
            parts.append(f"{formatting.seconds(self.seconds)} s")
        parts.append("cost unknown" if self.cost is None else formatting.dollars(self.cost))
        return escape_controls(f"Extraction({', '.join(parts)})")


_SAME_IN_A_ROW = (
    "mode", "usage", "seconds", "waiting_seconds", "cost", "served_model", "request_id", "tries",
    "timed_out", "asked", "notes",
)  # fmt: skip


def read(
    variant: ResolvedVariant, text: Document, repeat: int, row: Row, *, reused: bool = False
) -> Extraction:
    """The extraction that a journal's row contains for this variant and text."""
    compiled = text.schema.compile(variant.connection.dialect.SUBSET)
    status, data, record, failure = row.status, None, None, row.failure()
    if row.reply is not None and status in {"ok", "InvalidRecord"}:
        data = compiled.restore(parse_json(row.reply))
    if status == "ok":
        try:
            record = text.schema.judge(data)
        except InvalidRecord as error:
            status, failure = "InvalidRecord", error
    return Extraction(
        variant=variant.label,
        text_id=text.id,
        repeat=repeat,
        model=variant.model,
        status=status,
        data=data,
        record=record,
        failure=failure,
        losses=compiled.losses,
        reply_text=row.reply,
        paid_before=row.when if reused else None,
        encoded=lambda: _encoded(variant, text, row),
        **{name: getattr(row, name) for name in _SAME_IN_A_ROW},
    )


def _encoded(variant: ResolvedVariant, text: Document, row: Row) -> dict[str, Any]:
    if row.form is None or row.mode is None or not row.tries:
        return {}
    connection, dropped = variant.connection, DroppedParameters(frozenset(row.dropped))
    learned = recall_facts(connection, row.known_as)
    builder = RequestBuilder(variant, text.schema, learned, levels=dropped.levels)
    question = builder.build(text, Capability(row.form, row.mode), row.output_limit)
    if row.schema_shown is not None:
        question = replace(question, schema_in_prompt=row.schema_shown)
    return dict(connection.dialect.encode(*dropped.apply(question, builder.target)).shown())


# -- The failure that a reply is before it is judged.


def parse_reply(text: str) -> Any:
    """The JSON of a reply; the error as a value (InvalidJSON, say) if it cannot be parsed."""
    try:
        return parse_json(text)
    except Exception as error:  # noqa: BLE001 - whoever judges the reply raises it
        return error


def classify_ending(reply: Reply, limit: int, cut: CutInput | None) -> Failure | None:
    """The failure that a reply is before it is read, or None; `cut` if its input was cut.

    `limit` is the number of tokens that the answer could have.
    """
    if reply.ending == "refused":
        return Refused("The model declined to answer.", "Its own words are kept with the reply.")
    if reply.ending == "filtered":
        category = f" ({reply.explanation})" if reply.explanation else ""
        return Filtered(f"The provider's safety filter stopped this text or its answer{category}.")
    if cut is not None:
        return cut
    if reply.ending == "truncated" and reply.explanation:
        return Truncated(
            reply.explanation, "Ask fewer fields, split the text, or take another model."
        )
    if reply.ending == "truncated":
        return Truncated(
            f"The answer reached the output limit of {limit} tokens.",
            "Raise max_output_tokens of this variant, lower its thinking, or ask fewer fields.",
        )
    return None


_SMALLEST = 1500
_WORD = re.compile(r"[^\W\u1100-\uffff]+")
_REPEATED = re.compile(r"([\W_])\1+")
_WINDOWS = frozenset(2**power * part // 2 for power in range(11, 18) for part in (2, 3))
# Measured ranges of tokenizers: a count of characters is at most this far above theirs.
_LEAST, _LEAST_WORDS, _AT_A_WINDOW = 0.6, 0.8, 1.1


def cut_input(
    connection: Connection, builder: RequestBuilder, text: Document, read: int | None
) -> CutInput | None:
    """The failure of an answer to a part of the text; None if nothing shows that it is one.

    `read` is the number of tokens that the server says it read, of the whole question. Ollama and
    others cut what is longer than their context, and answer as if nothing were missing. Only
    servers of the user's own are doubted: the vendors refuse what is too long.
    """
    hosted = connection.provider.self_hosted
    if not hosted or read is None or len(text.text) < 2 * _SMALLEST:
        return None
    # Rulers and blanks are a token however long they are.
    document = count_tokens_in(_REPEATED.sub(r"\1", text.text))
    if document < _SMALLEST:
        return None
    words = sum(1 for _ in _WORD.finditer(text.text))
    far_below = read < max(_LEAST * document, _LEAST_WORDS * words)
    filled = read in _WINDOWS and read * _AT_A_WINDOW < document
    if not (far_below or filled):
        return None
    ollama = connection.host.endswith(":11434")
    likely = round(tokens_in(builder, text).likely, -2)
    return CutInput(
        f"{'Ollama' if ollama else 'The server'} read {read:,} of about {likely:,} tokens.",
        "Set OLLAMA_CONTEXT_LENGTH to a larger number, and start Ollama anew."
        if ollama
        else "Give the server a larger context (Ollama: OLLAMA_CONTEXT_LENGTH).",
    )


# A dated snapshot, a revision or a tag behind the id is that model: `gpt-6-luna-2026-03-01`,
# `gemini-3.8-flash-001`, `llama3.2:latest`.
_SNAPSHOT = re.compile(r"[-@:](?:latest|[\d-]+)")
_LONGEST = 120


def substitution_notice(connection: Connection, asked: str, served: str | None) -> str:
    """A sentence if another model answered than was asked for; empty otherwise.

    A deployment's own name says nothing of its model, so it is compared only if it is the name of
    a known one.
    """
    provider = connection.provider
    if not served or (provider.deployments and provider.facts(asked) is None):
        return ""
    wanted, answered = (each.lower().rpartition("/")[2] for each in (asked, served))
    if answered == wanted or (
        answered.startswith(wanted) and _SNAPSHOT.fullmatch(answered.removeprefix(wanted))
    ):
        return ""
    # Behind a router the id can carry where it is to be answered: `org/model:provider`.
    if wanted.partition(":")[0] == answered:
        return ""
    return f"The server says that {served[:_LONGEST]} answered, not {asked}."


# -- The failure that an error stands for.


def to_failure(error: LLMWidgetsError, variant: ResolvedVariant) -> Failure:
    """The class an extraction ends in for an error that is not a failure by itself."""
    if isinstance(error, Failure):
        return error
    kind: type[CallError] = BadRequest
    code = FailureCode.FIELD
    if isinstance(error, PolicyError):
        kind, code = Forbidden, FailureCode.POLICY
    return kind(
        error.message, error.hint, label=variant.connection.label, model=variant.model, code=code
    )


def internal_failure(
    error: BaseException, variant: ResolvedVariant, *, perhaps_answered: bool = False
) -> InternalError:
    """The failure for an error of this package; its words stay here, they may contain the text."""
    code, sentence, hint = _describe(error)
    return InternalError(
        f"{sentence} The model is not at fault, and this text is not scored.",
        hint,
        label=variant.connection.label,
        model=variant.model,
        code=code,
        perhaps_answered=perhaps_answered,
    )


def _describe(error: BaseException) -> tuple[str, str, str]:
    """What an error was about (memory, nesting, disk, internal), a sentence and the next step."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    name = type(error).__name__
    if isinstance(error, MemoryError):
        return "memory", f"There was not enough memory ({name}).", "Free some memory and run again."
    if isinstance(error, RecursionError):
        sentence = f"The reply or the schema is nested too deeply to be read here ({name})."
        return "nesting", sentence, "Ask for a flatter record."
    if isinstance(error, OSError | sqlite3.Error):
        why = f": {os.strerror(error.errno)}" if isinstance(error, OSError) and error.errno else ""
        sentence = f"A file could not be read or written ({name}{why})."
        return "disk", sentence, "Free space or repair the disk, then run again."
    # The innermost module of this package that the error passed.
    module, frame = "", error.__traceback__
    while frame is not None:
        name_here = str(frame.tb_frame.f_globals.get("__name__", ""))
        module = name_here if name_here.split(".")[0] == "llmwidgets" else module
        frame = frame.tb_next
    sentence = f"An internal error ({name}{module and f' in {module}'}) ended this extraction."
    return (
        "internal",
        sentence,
        "The other texts went on; report it with the class and place named here.",
    )
