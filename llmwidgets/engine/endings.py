"""How an extraction ends: the answer in a reply, the failure that it is, or that of an error."""

from __future__ import annotations

import os
import sqlite3
from typing import TYPE_CHECKING, Any

from llmwidgets.dialects.answer import fenced_block
from llmwidgets.dialects.types import Enforcement, Reply
from llmwidgets.engine.troubleshooting import diagnose
from llmwidgets.errors import (
    BadRequest,
    CutInput,
    Failure,
    FailureCode,
    Filtered,
    Forbidden,
    InternalError,
    InvalidJSON,
    LLMWidgetsError,
    PolicyError,
    QuotaExhausted,
    Refused,
    Stopped,
    Truncated,
    Unauthorized,
    UnknownModel,
    Unreachable,
    name_call,
)
from llmwidgets.formatting import count, escape_controls
from llmwidgets.schemas import parse_json

if TYPE_CHECKING:
    from llmwidgets.engine.request_builder import ResolvedVariant

FENCED = "The reply was prose around one fenced block; only the block was read."
_PARSER_HINT = (
    "Check the server's reasoning parser for this model (vLLM and sglang: --reasoning-parser,"
    " llama.cpp: --reasoning-format) and its chat template, or turn its thinking off (Ollama:"
    ' "think": false).'
)
_VENDOR_HINT = "Lower its thinking, or take another model."
_NEARLY = 0.9
"""Servers do not count alike: an answer with this share of its limit reached it."""


def stopped_early() -> Stopped:
    """The failure of what is open when a run is stopped."""
    return Stopped("The run was stopped before this text was answered.", "Run it again to go on.")


def find_answer(text: str, mode: Enforcement | None) -> str:
    """The part of a reply that is read: all of it, or the one fenced block in its prose.

    A block is looked for only in a server's reply of text, which was held to no form.
    """
    if mode is not Enforcement.TEXT or not isinstance(parse_reply(text), InvalidJSON):
        return text
    return fenced_block(text) or text


def parse_reply(text: str) -> Any:
    """The JSON of a reply; the error as a value (InvalidJSON, say) if it cannot be parsed."""
    try:
        return parse_json(text)
    except Exception as error:  # noqa: BLE001 - whoever judges the reply raises it
        return error


def thinking_hint(*, self_hosted: bool) -> str:
    """What to do about a model whose answers are lost in its thinking."""
    return _PARSER_HINT if self_hosted else _VENDOR_HINT


def read_reply(
    reply: Reply, mode: Enforcement, *, self_hosted: bool
) -> tuple[Any, tuple[str, ...]]:
    """The JSON of a whole reply, or the error that it is, and what to note about the reading."""
    words = find_answer(reply.text, mode)
    parsed = parse_reply(words)
    if not isinstance(parsed, InvalidJSON):
        return parsed, (FENCED,) if words is not reply.text else ()
    if not reply.thinking:
        odd = "" if reply.text.strip() else escape_controls(reply.explanation)
        return InvalidJSON(f"The reply is empty. {odd}", parsed.hint) if odd else parsed, ()
    sentence = f"Thinking in the reply ({reply.thinking}) cannot be told apart from an answer."
    if not reply.text.strip():
        sentence = f"The reply is nothing but thinking ({reply.thinking})."
    return InvalidJSON(sentence, thinking_hint(self_hosted=self_hosted)), ()


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
    if reply.ending != "truncated":
        return None
    if reply.explanation:
        hint = "Ask fewer fields, split the text, or take another model."
        return Truncated(reply.explanation, hint)
    hint = "Raise max_output_tokens of this variant, lower its thinking, or ask fewer fields."
    tokens, used = count(limit, "token"), reply.usage.output_tokens
    if used and used < limit * _NEARLY and reply.text.strip():
        return Truncated(
            f"The answer was cut off after {count(used, 'token')}, before its limit of {tokens}:"
            " the model's window is full, or the server has a limit of its own.",
            "Raise the server's own limits (context window, output), split the text, or ask fewer"
            " fields.",
        )
    if reply.text.strip():
        return Truncated(f"The answer reached the output limit of {tokens}.", hint)
    if reply.thinking or reply.usage.reasoning_tokens:
        sentence = f"Thinking used up the output limit of {tokens} before the answer began."
        return Truncated(sentence, hint)
    return Truncated(f"The output limit of {tokens} was reached without a word.", hint)


# -- The failure that an error stands for.

_OF_THE_CONNECTION = (Unreachable, Unauthorized, Forbidden, UnknownModel, QuotaExhausted)
"""Failures that a change of the connection fixes."""


def to_failure(error: LLMWidgetsError, variant: ResolvedVariant) -> Failure:
    """What an extraction ends in for an error; one of the connection reads as in its check."""
    connection, model = variant.connection, variant.model
    if isinstance(error, _OF_THE_CONNECTION):
        found = diagnose(error, connection, model=model)
        failure = error.reworded(found.sentence, found.hint or error.hint)
        failure.name_call(connection.label, model, connection.host)
        return failure
    if isinstance(error, Failure):
        return error
    refused = isinstance(error, PolicyError)
    return (Forbidden if refused else BadRequest)(
        name_call(error.message, connection.label, model, connection.host, made=False),
        error.hint,
        label=connection.label,
        model=model,
        code=FailureCode.POLICY if refused else FailureCode.FIELD,
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
    hint = "The other texts went on; report it with the class and place named here."
    return "internal", sentence, hint
