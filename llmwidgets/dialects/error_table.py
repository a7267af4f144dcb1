"""The table that turns a response without an answer into one failure, and its shared rows.

A row names the responses that it covers, and what they mean: see `error_meanings.py`. What a 404
means is found in the `_TABLE` of each format, which puts its own rows between the shared ones.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, replace
from typing import Any

from llmwidgets.dialects.error_meanings import (
    BAD_REQUEST,
    BLOCKED,
    BROKE_OFF,
    DAMAGED,
    KEY_REFUSED,
    NESTED,
    NO_MODEL,
    NO_RIGHT,
    OVERLOADED,
    RATE_LIMITED,
    REDIRECTED,
    STREAM_ONLY,
    UPSTREAM,
    ErrorResponse,
    Meaning,
    parameter_not_taken,
)
from llmwidgets.dialects.response_body import read_body
from llmwidgets.dialects.types import Call, HTTPResponse
from llmwidgets.errors import Failure, FailureCode, UnknownModel


@dataclass(frozen=True, slots=True)
class ErrorRule:
    """One row: it covers a response that is all that it names.

    `words` is looked for in everything the server says, `message` in its message alone, `url` in
    the address called; their named groups are facts for the sentence. `reasons`, `types` and
    `param` are the body's own words for what happened.
    """

    meaning: Meaning
    statuses: Container[int] = range(1000)
    words: re.Pattern[str] | None = None
    message: re.Pattern[str] | None = None
    url: re.Pattern[str] | None = None
    reasons: Container[str] | None = None
    types: Container[str] | None = None
    param: str = ""
    when: Callable[[ErrorResponse], bool] | None = None

    def explain(self, response: ErrorResponse) -> Failure | None:
        """The failure, or None if the row does not cover the response."""
        body = response.body
        if response.status not in self.statuses:
            return None
        if self.reasons is not None and body.reason not in self.reasons:
            return None
        if self.types is not None and body.type not in self.types:
            return None
        if self.param and body.param != self.param:
            return None
        named: dict[str, str] = {}
        for pattern, text in (
            (self.words, response.words), (self.message, body.message), (self.url, response.url),
        ):  # fmt: skip
            if pattern is None:
                continue
            match = pattern.search(text)
            if match is None:
                return None
            named |= match.groupdict()
        if self.when is not None and not self.when(response):
            return None
        return self.meaning.failure(response, named)


@dataclass(frozen=True, slots=True)
class ErrorTable:
    """The rows of one format, tried in their order; `wrong_format` is for what is not of it."""

    wrong_format: Meaning
    rules: tuple[ErrorRule, ...]

    def explain(
        self, payload: HTTPResponse, *, label: str = "", model: str = "", call: Call | None = None
    ) -> Failure:
        """The failure that a payload without an answer means.

        A CallError, except if the provider judged the text or the answer: Filtered, Truncated.
        With the `call`, words that repeat the document are left out, and the address is named.
        """
        return self._explain(ErrorResponse.read(payload, call, label, model))

    def nothing_answers(self, payload: HTTPResponse, *, call: Call | None = None) -> Failure:
        """The error for a web page, or JSON of another kind, in place of an answer."""
        return self.wrong_format.failure(ErrorResponse.read(payload, call), {})

    def explain_upstream(
        self, payload: HTTPResponse, error: Any, *, call: Call | None = None
    ) -> Failure:
        """The failure that an error inside a reply means: what its code says, else Overloaded.

        It came under the status of a success, and is an answer like any other refusal: the usual
        tries hold.
        """
        inside = {"error": error if isinstance(error, dict) else {"message": str(error or "")}}
        outer = read_body(payload)
        named = {name: outer[name] for name in ("id", "request_id") if name in outer}
        payload = replace(payload, body=json.dumps({**named, **inside}).encode())
        response = ErrorResponse.read(payload, call)
        if response.body.status is None:
            return UPSTREAM.failure(response, {})
        return self._explain(response)

    def _explain(self, response: ErrorResponse) -> Failure:
        if damage := response.body.damage:
            said = "{who} sent an empty reply ({status}) from {address}."
            empty = replace(self.wrong_format, sentence=said, code=FailureCode.EMPTY)
            return _DAMAGED.get(damage, empty).failure(response, {})
        page = ErrorRule(self.wrong_format, _PAGES, when=lambda response: response.body.page)
        rows = (ErrorRule(REDIRECTED, range(300, 400)), page, *self.rules, *_LAST)
        return next(failure for row in rows if (failure := row.explain(response)))


# -- Rows: what every format has in common.

_DAMAGED: dict[str, Meaning] = {"cut": BROKE_OFF, "nested": NESTED, "damaged": DAMAGED}
"""What was to be JSON and is not, by what is wrong with it: nothing says that the address is."""
_PAGES = frozenset(range(500)) - {401, 402, 403, 408, 413, 429}
"""Statuses of a web page that say nothing but that the address is a wrong one."""
_SLOW_DOWN = re.compile(r"rate.?limit|too many requests", re.I)
_TROUBLE = re.compile(
    r"overloaded|upstream|provider returned|internal (?:server )?error|server error|timed? ?out"
    r"|temporarily|service unavailable|bad gateway",
    re.I,
)
"""Words of an error that comes under the status of a success, without a code."""

_STREAM_WORDS = re.compile(
    r"\bnon[-_ ]?stream(?:ing|ed)?.{0,60}?(?:\bnot\b|_not_|n.t\b|unsupported|disabled|unavailable)"
    r"|(?:\bnot|n.t) (?:support|allow|accept|permit)\w* non[-_ ]?stream"
    r"|for non[-_ ]?stream\w* (?:calls?|requests?|mode)"
    r"|\bonly (?:support|allow|accept|take|work|handle)\w*(?: with)?(?: the)? ['\"`]?stream"
    r"|\bonly ['\"`]?stream\w*.{0,40}?(?:support|allow|accept|available|permitted)"
    r"|\bstream(?:ing)?\b['\"`]?(?: mode)? (?:is |are )?(?:required|mandatory)"
    r"|\brequires? (?:the use of )?['\"`]?stream|\bmust (?:be streamed|stream\b|use stream)"
    r"|\bstream\b['\"`]?\W{0,3}(?:[\w']+ ){0,4}\W{0,2}true\b|\btrue at \W{0,2}(?:\w+\.)?stream\b"
    r"|\b(?:enable|turn on) (?:the )?['\"`]?stream|\bstream\W{0,3}false\W{0,2} is not"
    r"|does not support http call|(?:仅|只)支持流式|不支持非流式",
    re.I,
)
"""How servers say that they answer only what is to be streamed; one that cannot says otherwise."""
_CANNOT_STREAM = re.compile(
    r"\b(?:remove|without|omit)\b.{0,20}\bstream\b|(?<!non)(?<!non[-_ ])\bstream(?:ing)?\b['\"`]?"
    r"(?:\W{0,3}true['\"`]?)? (?:completion )?(?:is|are) (?:not|n.t)",
    re.I,
)

STREAMED = ErrorRule(
    STREAM_ONLY,
    {200, 400, 404, 405, 406, 415, 422, 426, 500, 501},
    words=_STREAM_WORDS,
    when=lambda response: not _CANNOT_STREAM.search(response.words),
)
"""It comes before what is said of forms and parameters: some name them in the same breath."""
LIMITED = (
    ErrorRule(RATE_LIMITED, {429}),
    ErrorRule(RATE_LIMITED, {200}, message=_SLOW_DOWN),
)
FAILED = (
    ErrorRule(replace(OVERLOADED, perhaps_answered=True), {504}),
    ErrorRule(OVERLOADED, {408, 409, 425, *range(500, 1000)}),
)
FORBIDDEN = (
    ErrorRule(BLOCKED, {403}, when=lambda response: response.body.page),
    ErrorRule(NO_RIGHT, {403}),
)

# -- What AWS says, by the class of its error, which is in a header or in the body.

_AMAZON_LIMITS = {
    "ThrottlingException", "TooManyRequestsException", "ServiceQuotaExceededException",
    "ModelNotReadyException",
}  # fmt: skip
_AMAZON_TROUBLE = {
    "ModelErrorException", "ModelTimeoutException", "ServiceUnavailableException",
    "InternalServerException", "InternalFailure",
}  # fmt: skip
_AMAZON_KEYS = {
    "ExpiredTokenException", "ExpiredToken", "UnrecognizedClientException", "InvalidClientTokenId",
    "InvalidSignatureException", "IncompleteSignature", "MissingAuthenticationTokenException",
    "MissingAuthenticationToken",
}  # fmt: skip
_EXPIRED = re.compile(r"ExpiredToken|bearer token has expired|security token .{0,40}expired", re.I)
_NO_KEY = re.compile(r"make sure your API key is valid|authentication failed", re.I)
_NOT_ASKED_FOR = re.compile(r"use case details have not been submitted", re.I)
_NO_SUCH_ID = re.compile(r"model identifier is invalid|on-demand throughput isn", re.I)
_OTHER_ROUTE = re.compile(
    r"does(?: not|n.t) support the '?/\S{1,40} API|(?:is not|isn.t) supported on this route", re.I
)
_KEY_ENDED = replace(
    KEY_REFUSED,
    sentence="The key was not accepted by {owner}: it has expired.",
    hint="Make a new key and save it.",
)
_NO_GRANT = replace(
    NO_RIGHT,
    hint="In the Amazon Bedrock console, under Model access, request the model for this region; "
    "the policy of the key has to allow bedrock-mantle:CreateInference.",
)
_OTHER_ENDPOINT = Meaning(
    UnknownModel,
    "{who} serves {the_model} at another endpoint than this one.",
    "Take another model: that endpoint cannot be called yet.",
    FailureCode.OTHER_ENDPOINT,
    quote=True,
)
AMAZON = (
    ErrorRule(_KEY_ENDED, {400, 401, 403}, words=_EXPIRED),
    ErrorRule(KEY_REFUSED, {400, 401, 403}, types=_AMAZON_KEYS),
    ErrorRule(KEY_REFUSED, {403}, words=_NO_KEY, types={"AccessDeniedException", ""}),
    ErrorRule(_NO_GRANT, types={"AccessDeniedException"}),
    ErrorRule(_NO_GRANT, {403, 404}, message=_NOT_ASKED_FOR),
    ErrorRule(RATE_LIMITED, types=_AMAZON_LIMITS),
    ErrorRule(OVERLOADED, types=_AMAZON_TROUBLE),
    ErrorRule(_OTHER_ENDPOINT, {400, 404, 405}, message=_OTHER_ROUTE),
    ErrorRule(NO_MODEL, types={"ResourceNotFoundException"}),
    ErrorRule(NO_MODEL, {400, 404}, message=_NO_SUCH_ID),
)
_LAST = (ErrorRule(OVERLOADED, {200}, message=_TROUBLE), ErrorRule(BAD_REQUEST))


def parameter_rules(
    names: Iterable[str], statuses: Container[int], refused: re.Pattern[str]
) -> list[ErrorRule]:
    """Rows for a parameter that is not taken: the one named as such, else the first mentioned."""
    meanings = [parameter_not_taken(name) for name in names]
    return [
        *(ErrorRule(each, statuses, words=refused, param=each.parameter) for each in meanings),
        *(
            ErrorRule(each, statuses, refused, re.compile(rf"\b{each.parameter}\b"))
            for each in meanings
        ),
    ]
