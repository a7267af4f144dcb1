"""Check: does this connection work, by the way a run would use it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from llmwidgets.dialects.messages import Capability, Mode


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What a check found: a sentence, and what to do where it is not well.

    `fix` maps field names to the values that mend the connection. `models` are reachable and
    allowed. `details` are (label, value) rows for who wants to know more; `code` is the
    server's own short word.
    """

    ok: bool
    sentence: str
    hint: str = ""
    fix: Mapping[str, str] | None = None
    models: tuple[str, ...] = ()
    mode: Mode | None = None
    capability: Capability | None = None
    seconds: float = 0.0
    details: tuple[tuple[str, str], ...] = ()
    code: str = ""

    def __bool__(self) -> bool:
        return self.ok
