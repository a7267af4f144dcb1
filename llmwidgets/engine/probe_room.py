"""Probe room: how many tokens a test question may be answered with."""

from __future__ import annotations

from dataclasses import dataclass

from llmwidgets.errors import BadRequest, CallError, TooLong
from llmwidgets.providers.base import ModelFacts

_FIRST = 2_048
_STEP = 8
_MOST = 65_536
_LEAST = 256
_QUESTION_TOKENS = 256
_REFUSING = frozenset({400, 413, 422})


@dataclass(slots=True)
class ProbeRoom:
    """The output limit: raised while answers are cut, lowered where the server does not take it.

    `taken` is the largest limit that brought a reply so far.

    >>> room = ProbeRoom()
    >>> room.raised(), room.limit
    (True, 16384)
    """

    limit: int = _FIRST
    most: int = _MOST
    taken: int = 0

    @classmethod
    def of(cls, facts: ModelFacts | None) -> ProbeRoom:
        """The room within what is known of the model's limits."""
        output, window = (facts.output_limit, facts.input_limit) if facts else (None, None)
        within = [_MOST, *([output] if output else [])]
        within += [max(_LEAST, window - _QUESTION_TOKENS)] if window else []
        return cls(min(_FIRST, *within), min(within))

    @property
    def thinking(self) -> bool:
        """Whether the model has shown that it needs long to begin."""
        return self.limit > _FIRST

    def took(self, limit: int) -> None:
        """A reply came under this limit, whole or cut."""
        self.taken = max(self.taken, limit)

    def raised(self) -> bool:
        """Whether a cut answer can be asked for anew with more room; `limit` is then larger."""
        wanted = min(self.limit * _STEP, self.most)
        raised, self.limit = wanted > self.limit, max(wanted, self.limit)
        return raised

    def doubtful(self, error: CallError) -> bool:
        """Whether the error may mean that this limit is more than the server takes."""
        if self.limit <= self.taken:
            return False
        if isinstance(error, TooLong):
            return True
        return self.taken > 0 and isinstance(error, BadRequest) and error.status in _REFUSING

    def refused(self) -> bool:
        """Whether a lower limit is left to try; it is not raised above that one any more."""
        lower = max(self.limit // 2, self.taken)
        if lower >= self.limit or lower < _LEAST:
            return False
        self.limit = self.most = lower
        return True
