"""Endings: the failure that a reply or an error stands for, before a row says it."""

from __future__ import annotations

from llmwidgets.dialects.types import Reply
from llmwidgets.engine.internal import what_failed
from llmwidgets.engine.network.retry import Tried
from llmwidgets.engine.plan import Column
from llmwidgets.errors import (
    BadRequest,
    CutInput,
    Failure,
    Filtered,
    Forbidden,
    InternalError,
    LLMWidgetsError,
    PolicyError,
    Refused,
    Truncated,
)


def ending_of(reply: Reply, limit: int, cut: CutInput | None) -> Failure | None:
    """The failure that a reply is before it is read, or None; `cut` where the input was cut.

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


def as_failure(error: LLMWidgetsError, column: Column) -> Failure:
    """The class an extraction ends in for an error that is no failure by itself."""
    if isinstance(error, Failure):
        return error
    kind = Forbidden if isinstance(error, PolicyError) else BadRequest
    code = "policy" if isinstance(error, PolicyError) else "field"
    return kind(
        error.message, error.hint, label=column.connection.label, model=column.model, code=code
    )


def internal(error: BaseException, column: Column, tried: Tried | None = None) -> InternalError:
    """The failure for an error of this package; its words stay here, they may hold the text."""
    told = what_failed(error)
    return InternalError(
        f"{told.sentence} The model is not at fault, and this text is not scored.",
        told.hint,
        label=column.connection.label,
        model=column.model,
        code=told.about,
        perhaps_answered=bool(tried and tried.perhaps_answered),
    )
