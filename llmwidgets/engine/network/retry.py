"""Which failed calls are tried again, when and how often; every network failure by its code."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from enum import Enum, Flag, auto
from typing import Any
from urllib.parse import urlsplit

from llmwidgets.dialects.types import Call
from llmwidgets.errors import (
    CallError,
    FailureCode,
    Overloaded,
    RateLimited,
    Unauthorized,
    Unreachable,
)
from llmwidgets.providers.urls import host_of, is_this_computer, port_of

CONNECT_SECONDS = 10.0
TOTAL_SECONDS = 120.0
STALL_SECONDS = 60.0
"""How long a reply that has begun may pause."""

RATE_LIMIT_TRIES = 8
OVERLOADED_TRIES = 5
UNSENT_TRIES = 3
PERHAPS_ANSWERED_TRIES = 2
LONGEST_WAIT_SECONDS = 120.0
"""A server that asks for a longer wait than this is not waited for."""

AWAY_TRIES = 8
"""How often a gateway may say that its server is away, while nothing else is answered."""
AWAY_SECONDS = 90.0
"""How long a server that answered before is waited for once it cannot be reached."""


class _Trait(Flag):
    """What a failure says about another try."""

    PERHAPS_ANSWERED = auto()
    """The server may have read the whole request, and counted it."""
    HOPELESS = auto()
    """Asking again cannot change it."""
    PASSING = auto()
    """The call was never sent, for a reason that can pass where calls came through before: a
    restart, a network that is down, the page of a network that asks for a login."""


_NONE = _Trait(0)


@dataclass(frozen=True, slots=True)
class NetworkFailure:
    """What a code of the network says to the user, and about another try."""

    traits: _Trait
    sentence: str
    hint: str


NETWORK_FAILURES: dict[FailureCode, NetworkFailure] = {
    FailureCode.REFUSED: NetworkFailure(_Trait.PASSING,
        "Nothing is listening at {place}.",
        "Check the address and the port, and that the server is started."),
    FailureCode.DNS: NetworkFailure(_Trait.PASSING,
        "Cannot resolve {host} (DNS lookup failed).",
        "Check how the host is spelled, and that this computer is online."),
    FailureCode.UNREACHABLE: NetworkFailure(_Trait.PASSING,
        "No route to {place}.",
        "Check the network, a VPN or a firewall, and whether a proxy is needed (HTTPS_PROXY)."),
    FailureCode.CONNECT_TIMEOUT: NetworkFailure(_Trait.PASSING,
        "{place} did not accept the connection within {connect:g} s.",
        "Check the address, a firewall, and whether a proxy is needed (HTTPS_PROXY)."),
    FailureCode.TLS: NetworkFailure(_Trait.HOPELESS | _Trait.PASSING,
        "The certificate of {host} is not trusted here.",
        "Behind a company's proxy, name its certificate file in the field CA bundle."),
    FailureCode.TLS_SPOKEN: NetworkFailure(_Trait.HOPELESS | _Trait.PASSING,
        "{place} does not speak https as it should.",
        "Check the port, and whether the server expects http:// instead of https://."),
    FailureCode.HUNG_UP: NetworkFailure(_Trait.PERHAPS_ANSWERED,
        "{host} hung up without a reply after it was sent the request.",
        "Ask again; if it happens again, look into the server's own log."),
    FailureCode.CUT_SHORT: NetworkFailure(_Trait.PERHAPS_ANSWERED,
        "{host} broke the connection in the middle of its reply.",
        "Ask again; if it happens again, a proxy or gateway in between may cut long replies."),
    FailureCode.TOO_SLOW: NetworkFailure(_Trait.PERHAPS_ANSWERED,
        "{host} did not finish its reply in {total:g} s.",
        "Ask again later: it may still be at an earlier question, even a stopped one. Or ask fewer"
        " texts at a time, or take a faster model."),
    FailureCode.STALLED: NetworkFailure(_Trait.PERHAPS_ANSWERED,
        "{host} began its reply and then fell silent for {stall:g} s.",
        "Ask again; if it happens again, look into the server's own log."),
    FailureCode.TOO_BIG: NetworkFailure(_Trait.PERHAPS_ANSWERED | _Trait.HOPELESS,
        "The reply of {host} is larger than 16 MB.",
        "Check that the address is that of a model server."),
    FailureCode.NOT_HTTP: NetworkFailure(_Trait.PERHAPS_ANSWERED,
        "What answers at {place} does not speak HTTP, or breaks its rules.",
        "Check the port of the address; if other replies were read, look at the gateway in front"
        " of the server."),
    FailureCode.COMPRESSED: NetworkFailure(_Trait.PERHAPS_ANSWERED | _Trait.HOPELESS,
        "The reply of {host} is compressed with {encoding}, which is not read here.",
        "Turn that off at the server or the proxy in front of it: gzip and deflate are asked for,"
        " and read."),
    FailureCode.LONG_HEADER: NetworkFailure(_Trait.PERHAPS_ANSWERED | _Trait.HOPELESS,
        "The reply of {host} has a header that is too long, or too many headers.",
        "Look at what the server, or a gateway in front of it, puts into the headers of its"
        " replies."),
    FailureCode.REDIRECT: NetworkFailure(_Trait.HOPELESS,
        "{host} sends the call on to {target}; keys and texts are not sent there.",
        "Enter the final address as the endpoint."),
    FailureCode.PROXY_UNREACHABLE: NetworkFailure(_Trait.PASSING,
        "The proxy {proxy} does not answer.",
        "Check {variable}, or name {host} in NO_PROXY if it is reached without one."),
    FailureCode.PROXY_REFUSED: NetworkFailure(_Trait.HOPELESS | _Trait.PASSING,
        "The proxy {proxy} refuses to connect to {host}.",
        "Check the user and the password in {variable}, or ask who runs the proxy."),
    FailureCode.PROXY_KIND: NetworkFailure(_Trait.HOPELESS,
        "The proxy {proxy} is of a kind that is not supported.",
        "Give an http:// proxy in {variable}, or name {host} in NO_PROXY."),
    FailureCode.PLAIN_HTTP: NetworkFailure(_Trait.HOPELESS,
        "{place} is plain http: the key and the texts would cross the network unencrypted.",
        "Use https://, or turn on Allow plain http for this connection."),
    FailureCode.ADDRESS: NetworkFailure(_Trait.HOPELESS,
        "The endpoint is not an address that can be called.",
        "An address looks like https://host/v1."),
    FailureCode.CA_BUNDLE: NetworkFailure(_Trait.HOPELESS,
        "The CA bundle of this connection cannot be read.",
        "Give the path of a PEM file."),
    FailureCode.KEY_SHAPE: NetworkFailure(_NONE,
        "The key has characters that cannot be sent in a header.",
        "Copy the key again, without line ends or typographic characters."),
    FailureCode.NETWORK: NetworkFailure(_Trait.PERHAPS_ANSWERED,
        "The call to {host} failed on the way.",
        "Ask again."),
}  # fmt: skip
"""Every way in which a call fails to bring a response."""
_HERE = (
    "Is the server started? When the kernel runs in a container or on another computer, localhost"
    " is that computer: give the server's outside address."
)


def _having(trait: _Trait) -> frozenset[str]:
    return frozenset(code for code, each in NETWORK_FAILURES.items() if trait in each.traits)


PASSING = _having(_Trait.PASSING)
_HOPELESS = _having(_Trait.HOPELESS)


_NAMES, _LIMITS = ("proxy", "variable", "encoding"), ("connect", "total", "stall")


class Ended(Exception):
    """An exchange that ended in a way with a code of its own; `words` are for its sentence."""

    def __init__(self, code: FailureCode, **words: str) -> None:
        self.code, self.words = code, words


def network_error(code: FailureCode, call: Call, **words: Any) -> CallError:
    """The failure of this code, in words that name the host and contain nothing of the call.

    `words` are what the rows above name: `proxy` and its `variable`, `target`, `encoding`, limits.
    """
    host = place = "the address"
    try:
        parts = urlsplit(call.url)
        host = host_of(call.url) or host
        shown = f"[{host}]" if ":" in host else host
        place = f"{parts.scheme}://{shown}:{port_of(parts)}"
    except ValueError:
        pass
    words = {**dict.fromkeys(_NAMES, ""), **dict.fromkeys(_LIMITS, 0.0), **words}
    words |= {"host": host, "place": place}
    words["target"] = ", ".join(filter(None, ("another address", words.get("target"))))
    failure, proxy = NETWORK_FAILURES[code], words["proxy"]
    kind = Unauthorized if code is FailureCode.KEY_SHAPE else Unreachable
    here = code is FailureCode.REFUSED and is_this_computer(host)
    sentence, hint = failure.sentence.format(**words), failure.hint.format(**words)
    if proxy and proxy not in sentence:
        hint += " The call went through the proxy {proxy} ({variable}).".format(**words)
    return kind(
        sentence,
        _HERE if here else hint,
        label=call.label,
        model=call.model,
        code=code.value,
        perhaps_answered=_Trait.PERHAPS_ANSWERED in failure.traits,
    )


class _Way(Enum):
    """A way to fail that another try can help, and how often a call may fail so.

    Each way has its own count, so that their order does not matter.
    """

    PERHAPS_ANSWERED = ("perhaps answered", PERHAPS_ANSWERED_TRIES)
    LIMITED = ("limited", RATE_LIMIT_TRIES)
    OVERLOADED = ("overloaded", OVERLOADED_TRIES)
    UNSENT = ("unsent", UNSENT_TRIES)


def _way(failure: CallError) -> _Way | None:
    """The way in which a call failed; None if another try cannot help."""
    # A web page in place of the model's answer is a wrong address; it has a status.
    away = isinstance(failure, Unreachable) and not failure.status
    if failure.code == FailureCode.NO_RETRY or (away and failure.code in _HOPELESS):
        return None
    if failure.perhaps_answered and (away or isinstance(failure, Overloaded)):
        return _Way.PERHAPS_ANSWERED
    if isinstance(failure, RateLimited):
        return _Way.LIMITED
    if isinstance(failure, Overloaded):
        return _Way.OVERLOADED
    return _Way.UNSENT if away else None


@dataclass(slots=True)
class Attempts:
    """How often a call was sent, how it failed, and how often it was perhaps paid in vain."""

    tries: int = 0
    perhaps_answered: int = 0
    timed_out: int = 0
    failed: Counter[_Way] = field(default_factory=Counter)
    failing_since: float | None = None
    unsent_since: float | None = None

    def next_wait(
        self, failure: CallError, jitter: float, *, most: int | None = None, growing: bool = True
    ) -> float | None:
        """Seconds until the next try, or None if the call is not tried again.

        `most` replaces the number of failures that is usual; `jitter` is from 0 to 1.
        """
        way = _way(failure)
        if way is None:
            return None
        self.failed[way] += 1
        times, wanted = self.failed[way], failure.retry_after or 0.0
        if times >= (most or way.value[1]) or wanted > LONGEST_WAIT_SECONDS:
            return None
        backoff = min(8.0, 0.5 * 2.0 ** (times - 1 if growing else 0)) * (0.75 + 0.5 * jitter)
        # A little later than asked: clocks differ, and too early counts as one more refusal.
        return max(wanted + 0.05 + 0.1 * jitter, backoff) if wanted > 0 else backoff


_GATEWAY_STATUSES = frozenset({502, 503, 521, 522, 523, 530})
"""By which a gateway says that it did not reach the server behind it."""
_IN_A_ROW = 3
_FIRST_LOOK_SECONDS = 0.5
_LONGEST_LOOK_SECONDS = 5.0


@dataclass(slots=True)
class Outage:
    """Whether a server that answered before is away.

    It is once several calls in a row could not be sent. From then on one call at a time looks for
    it, until the server is back or the patience is over.
    """

    since: float | None = None
    given_up: CallError | None = None
    looker: object = None
    """The call that is out to look for the server."""
    next_look: float = 0.0
    _answered_at: float | None = None
    _in_a_row: int = 0
    _looks: int = 0

    def seconds_left(self, now: float) -> float:
        """How long the server is still waited for."""
        return 0.0 if self.since is None else self.since + AWAY_SECONDS - now

    def answered(self, now: float) -> None:
        """Note that a call was answered."""
        self._answered_at = now
        if self._in_a_row:
            self._reached()

    def _reached(self) -> None:
        self.since, self._in_a_row, self._looks = None, 0, 0

    def unsent(self, failure: CallError, sent: float, now: float) -> bool:
        """Count a call that failed; whether it never reached a server that answered before.

        While it waits for the server, no try of its own is used up.
        """
        unreachable = isinstance(failure, Unreachable) and not failure.status
        if not unreachable or failure.perhaps_answered or failure.code not in PASSING:
            self._reached()
            return False
        if self._answered_at is None:
            return False
        if sent < self._answered_at:
            return True
        self._in_a_row += 1
        if self.since is None and self._in_a_row >= _IN_A_ROW:
            self.since = now
        if self.since is not None:
            pause = min(_LONGEST_LOOK_SECONDS, _FIRST_LOOK_SECONDS * 2**self._looks)
            self._looks += self.looker is not None
            self.next_look = now + pause
            if self.seconds_left(now) <= 0:
                self.given_up, self.since = failure, None
        return True

    def explain(self, error: Exception) -> str:
        """A sentence for the error that ended the waiting; empty for any other."""
        if self.given_up is None or error is not self.given_up:
            return ""
        return f" It answered before, then could not be reached for {AWAY_SECONDS:g} s."

    def silent_behind(self, failure: CallError, since: float) -> bool:
        """Whether a gateway reports its server away, and nothing was answered since then."""
        gateway = isinstance(failure, Overloaded) and failure.status in _GATEWAY_STATUSES
        return gateway and self._answered_at is not None and self._answered_at < since
