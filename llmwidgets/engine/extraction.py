"""Extraction: one text asked of one variant, and how it ended; read from its journal row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from llmwidgets.dialects.messages import Mode, Usage
from llmwidgets.errors import Failure
from llmwidgets.schemas import Loss


def _no_request() -> dict[str, Any]:
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Extraction:
    """How one text asked of one variant ended: a record, or a failure with its class.

    `status` is "ok" or the failure's class. `data` is plain JSON, `record` the pydantic object
    where the schema is a pydantic class, else the JSON; an InvalidRecord has `data` and no
    `record`. `seconds` is the time the model took, waits left out; `cost` is in US dollars,
    None where the price is unknown. `paid_before` tells when a reused reply was paid.
    """

    variant: str
    text_id: str
    repeat: int = 0
    model: str = ""
    status: str = "ok"
    data: Any = field(default=None, repr=False)
    record: Any = field(default=None, repr=False)
    failure: Failure | None = None
    mode: Mode | None = None
    usage: Usage = field(default_factory=Usage)
    seconds: float | None = None
    cost: float | None = None
    served_model: str | None = None
    losses: tuple[Loss, ...] = ()
    reply_text: str | None = field(default=None, repr=False)
    request_id: str | None = None
    tries: int = 0
    notes: tuple[str, ...] = ()
    paid_before: datetime | None = None
    encoded: Callable[[], dict[str, Any]] = field(default=_no_request, repr=False, compare=False)

    @property
    def ok(self) -> bool:
        """Whether there is a valid record."""
        return self.status == "ok"

    @property
    def request(self) -> dict[str, Any]:
        """The request as it was sent, every secret cut; empty where nothing was asked."""
        return self.encoded()

    def __repr__(self) -> str:
        parts = [f"{self.variant}, text {self.text_id}", self.status]
        if self.mode:
            parts.append(self.mode)
        if self.seconds is not None:
            parts.append(f"{self.seconds:.1f} s")
        parts.append("cost unknown" if self.cost is None else f"${self.cost:.4f}")
        return f"Extraction({', '.join(parts)})"
