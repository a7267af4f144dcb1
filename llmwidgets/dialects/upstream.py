"""Upstream: failures behind a server that come under the status of a success.

One that is told (an error object, an ending that means one) is an answer like any refusal, so the
usual tries hold. One that only shows, in an answer that breaks off without a word, was perhaps
answered and paid: it is asked at most once more.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from llmwidgets.dialects.refusals import Rule, explained, read_case
from llmwidgets.dialects.types import Call, Payload
from llmwidgets.errors import Failure, Overloaded

_AGAIN = "Try again in a minute."
_FENCE = re.compile(r"```\w*\s*")
_FAILED = re.compile(
    r"error|fail|abort|cancel|time_?out|insufficient_system_resource", re.IGNORECASE
)
"""Endings of a model that failed: OpenRouter and Mistral, vLLM and sglang, Zhipu, DeepSeek."""


def ended_failed(reason: Any) -> bool:
    """Whether the word for how an answer ended means that the model failed.

    >>> ended_failed("network_error"), ended_failed("stop"), ended_failed(None)
    (True, False, False)
    """
    return isinstance(reason, str) and _FAILED.search(reason) is not None


def told(payload: Payload, error: Any, rules: Sequence[Rule], *, call: Call | None) -> Failure:
    """The failure that an error inside a reply stands for: what its code says, else Overloaded."""
    inside = {"error": error if isinstance(error, dict) else {"message": str(error or "")}}
    outer = json.loads(payload.body)
    named = {name: outer[name] for name in ("id", "request_id") if name in outer}
    case = read_case(
        replace(payload, body=json.dumps({**named, **inside}).encode()), "", "", call
    )  # fmt: skip
    if case.said.status is not None:
        return explained(case, rules, lambda each: each.error(Overloaded, "", _AGAIN))
    said = f"The model behind {case.who} failed before its answer was complete."
    return case.error(Overloaded, said, _AGAIN, code=case.said.code or "upstream", quote=True)


def broke_off(payload: Payload, *, call: Call | None) -> Failure:
    """The failure that an answer without its end stands for, where nothing says why."""
    case = read_case(payload, "", "", call)
    return case.error(
        Overloaded,
        f"{case.who} sent an answer that breaks off, and gave no reason.",
        _AGAIN,
        code="broke off",
        perhaps_answered=True,
    )


def unfinished(text: str) -> bool:
    """Whether an answer that nothing calls ended is cut: it is empty, or JSON without its end.

    Other words can be all that was meant to be said.

    >>> unfinished('{"total": 12'), unfinished('{"total": 12}'), unfinished("OK")
    (True, False, False)
    """
    fence = _FENCE.match(bare := text.strip())
    bare = bare[fence.end() :].removesuffix("```").rstrip() if fence else bare
    if not bare.startswith(("{", "[")):
        return not bare
    try:
        json.loads(bare)
    except json.JSONDecodeError as error:
        ended = bare.endswith("}" if bare[0] == "{" else "]")
        cut = not ended or error.pos >= len(bare) or error.msg.startswith("Unterminated string")
        return cut and error.msg != "Extra data"
    except (ValueError, RecursionError):
        return False
    return False
