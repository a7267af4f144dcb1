"""One payload without an answer, with what is known about its call, on the way to an error."""

from __future__ import annotations

from llmwidgets.dialects.error_body import Said, quoted, read_body, request_id
from llmwidgets.dialects.token_limits import read_limits
from llmwidgets.dialects.types import Call, Payload
from llmwidgets.errors import CallError


class Case:
    """One payload to explain, with what is known about the call."""

    def __init__(
        self, payload: Payload, said: Said, label: str, model: str, call: Call | None
    ) -> None:
        self.payload, self.said, self.label, self.model, self.call = (
            payload, said, label, model, call,
        )  # fmt: skip
        self.who = label or "The server"
        self.model_words = f"the model {model}" if model else "the model"
        self.words = f"{said.code} {said.type} {said.inner} {said.param} {said.message}"

    def error(
        self,
        kind: type[CallError],
        message: str,
        hint: str = "",
        *,
        code: str = "",
        quote: bool = False,
        after: float | None = None,
        perhaps_answered: bool = False,
    ) -> CallError:
        words = quoted(self.said.message, self.call) if quote else ""
        error = kind(
            f"{message} It says: {words}" if words else message,
            hint,
            label=self.label,
            model=self.model,
            status=self.payload.status,
            request_id=request_id(self.payload, read_body(self.payload)),
            code=code or self.said.code or self.said.type,
            retry_after=after,
            perhaps_answered=perhaps_answered,
        )
        error.limits = read_limits(self.said.message)
        return error
