"""The requests of a check as a user may look at them, and as curl; every secret is cut."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from llmwidgets.dialects.curl import curl
from llmwidgets.dialects.messages import Call
from llmwidgets.secret import redact

MOST = 6


def requests_view(calls: Sequence[Call]) -> dict[str, Any]:
    """The last requests, newest last, and how many came before them."""
    return {"before": max(0, len(calls) - MOST), "shown": [_shown(call) for call in calls[-MOST:]]}


def _shown(call: Call) -> dict[str, str]:
    shown = call.shown()
    headers = "\n".join(f"{name}: {value}" for name, value in shown["headers"].items())
    body = "" if call.body is None else json.dumps(call.body, indent=2, ensure_ascii=False)
    return {
        "line": redact(f"{call.method} {call.url}"),
        "text": redact("\n\n".join(part for part in (headers, body) if part)),
        "curl": redact(curl(call)),
    }
