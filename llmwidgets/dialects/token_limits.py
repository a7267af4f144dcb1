"""Token limits: how much room a server's refusal says that there is, read out of its words."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TokenLimits:
    """What a refusal tells in tokens; None for what it does not.

    `window` is for question and answer together, `prompt` what the question takes of it,
    `requested` both with the answer asked for, `output` the most that one answer can have.
    """

    window: int | None = None
    prompt: int | None = None
    requested: int | None = None
    output: int | None = None

    def room(self, asked: int) -> int | None:
        """The most that an answer can ask for, where `asked` was refused; None where untold."""
        prompt = self.prompt
        if prompt is None and self.requested is not None and self.requested > asked:
            prompt = self.requested - asked
        rooms = [self.output] if self.output is not None else []
        if self.window is not None and prompt is not None:
            rooms.append(self.window - prompt)
        return min(rooms, default=None)


_LONGEST = 2000
_N = r"`?(\d[\d,]{0,11})`?"
_NAME = r"[`']?max[_ ](?:completion_|output_|new_)?tokens[`']?"
_WINDOWS = (
    rf"maximum context length (?:is|of) {_N}",
    rf"context (?:window|length|size|limit)(?: is| of|:)? {_N}",
    rf"max_model_len(?:gth)?(?: is| of|[=:])? ?{_N}",
)
_PROMPTS = (
    rf"{_N} (?:tokens )?(?:in|from) (?:the|your) (?:input )?(?:messages|prompt|input)",
    rf"(?:prompt|request|input|messages) (?:contains?|has|have|resulted in)(?: at least)? {_N}",
)
_REQUESTED = (rf"requested (?:a total of )?{_N} tokens",)
_OUTPUTS = (
    rf"supports at most {_N} (?:completion|output) tokens",
    rf"max_tokens: [\d,]+ > {_N}, which is the maximum",
    rf"range of {_NAME} (?:is|should be) \[\d+, ?{_N}\]",
    rf"{_NAME} must be (?:less than or equal to|at most|<=) {_N}",
    rf"{_NAME}.{{0,80}}? expected a value <= {_N}",
    rf"maximum tokens you requested exceeds the model limit of {_N}",
)
_SUM = re.compile(rf"context limit: {_N} \+ {_N} > {_N}", re.I)
_TGI = re.compile(rf"`?max_new_tokens`? must be <= {_N}\. Given: {_N} `inputs`", re.I)
_BELOW = re.compile(rf"supported range is from \d+ \(inclusive\) to {_N} \(exclusive\)", re.I)


def read_limits(message: str) -> TokenLimits | None:
    """The limits in a server's words, by the phrases of servers that are known; None without one.

    >>> read_limits("This model's maximum context length is 8192 tokens. However, you requested "
    ...     "20500 tokens (404 in the messages, 20096 in the completion).").room(20096)
    7788
    """
    said = " ".join(message[:_LONGEST].split())
    total = _SUM.search(said)
    if total:
        return TokenLimits(window=_number(total[3]), prompt=_number(total[1]))
    given = _TGI.search(said)
    if given:
        return TokenLimits(window=_number(given[1]), prompt=_number(given[2]))
    below = _BELOW.search(said)
    output = _number(below[1]) - 1 if below else _first(_OUTPUTS, said)
    window = _first(_WINDOWS, said)
    if window is None and output is None:
        return None
    return TokenLimits(window, _first(_PROMPTS, said), _first(_REQUESTED, said), output)


def _first(patterns: tuple[str, ...], said: str) -> int | None:
    found = (re.search(pattern, said, re.I) for pattern in patterns)
    return next((_number(each[1]) for each in found if each), None)


def _number(text: str) -> int:
    return int(text.replace(",", ""))
