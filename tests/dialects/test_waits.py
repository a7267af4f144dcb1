"""The wait that a server asks for is read in every way in which servers say it, and only then."""

from __future__ import annotations

import json
import math
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmwidgets import errors
from llmwidgets.dialects import anthropic, gemini, openai
from llmwidgets.dialects.types import HTTPResponse
from llmwidgets.dialects.waits import format_wait

NOW = datetime(2026, 11, 28, 4, 0, tzinfo=UTC)
DATE = {"date": "Sat, 28 Nov 2026 04:00:00 GMT"}
DIALECTS = (openai, anthropic, gemini)


def refused(
    message: str = "Slow down.", status: int = 429, headers: Any = None, **beside: Any
) -> errors.CallError:
    body = {"error": {"message": message, **beside}}
    payload = HTTPResponse(status, {**DATE, **(headers or {})}, json.dumps(body).encode(), 0.1)
    found = [each.explain(payload, label="mine", model="m") for each in DIALECTS]
    assert isinstance(found[0], errors.RateLimited if status == 429 else errors.Overloaded)
    # Every dialect reads the same.
    assert len({each.retry_after for each in found}) == 1  # type: ignore[attr-defined]
    return found[0]


@pytest.mark.parametrize(
    ("words", "seconds"),
    [
        ("1h12m0s", 4320), ("1m3s", 63), ("7m12s", 432), ("1m3.5s", 63.5), ("2m59.56s", 179.56),
        ("2 hours", 7200), ("1 hour 5 minutes", 3900), ("1 hour, 5 minutes and 3 seconds", 3903),
        ("1 h 12 min", 4320), ("350ms", 0.35), ("350 milliseconds", 0.35), ("20s", 20),
        ("5 seconds", 5),
        ("1.5 minutes", 90), ("2 days", 172_800), ("1d2h", 93_600), ("1 week", 604_800),
        ("a minute", 60), ("an hour", 3600), ("PT30S", 30), ("PT1H12M", 4320), ("P1DT2H", 93_600),
        ("0s", 0), ("26", 26), ("37.8s", 37.8), ("6M", 360), ("3 Seconds", 3),
    ],
)  # fmt: skip
@pytest.mark.parametrize(
    "sentence",
    [
        "Rate limit reached: Limit 10000, Used 9000, Requested 2000. Please try again in {}.",
        "Please retry after {}. See https://example.com/limits",
        "Too many requests, retry in {}",
        "You may only send 20 requests per 60s. Please retry your request in {}.",
        "Try your request again in about {}!",
        "Your limit of 3 requests per day resets in {} (tier 1).",
        "retry_after: {}",
        "Please wait for {}, then go on.",
    ],
)
def test_a_wait_in_words_is_read(sentence, words, seconds):
    assert refused(sentence.format(words)).retry_after == pytest.approx(seconds)


@pytest.mark.parametrize(
    "words",
    [
        "Try again later.", "Please try again in a moment.", "Try again in a few minutes.",
        "Retry 3 times.", "Retry after 3 attempts.", "Please wait.", "Limit: 20 requests per 60s.",
        "Try again in -5s.", "Try again in NaN seconds.", "Try again in 1e9 hours.",
        "Try again in 99999999999 hours.", "Try again in 1.2.3s.", "Available in 3 regions.",
        "Try again in 30 requests.", "Wait 2026-99-99T99:99:99Z.", "Retry after 2026.11.28",
    ],
)  # fmt: skip
def test_words_that_name_no_wait_are_not_taken_for_one(words):
    assert refused(words).retry_after is None


def test_a_moment_in_words_is_read():
    assert refused("Try again at 2026-11-28T05:00:00Z.").retry_after == 3600
    assert refused("Your limit resets at 2026-11-28 04:30:00 UTC").retry_after == 1800
    assert refused("Wait until 2026-11-28T03:00:00+00:00").retry_after == 0


HEADERS: list[tuple[dict[str, str], float | None]] = [
    # A header made for it.
    ({"retry-after": "17"}, 17), ({"retry-after": "2.5"}, 2.5), ({"retry-after": "0"}, 0),
    ({"retry-after-ms": "1500", "retry-after": "9"}, 1.5), ({"x-ms-retry-after-ms": "350"}, 0.35),
    ({"retry-after": "Sat, 28 Nov 2026 04:00:30 GMT"}, 30),
    ({"retry-after": "Sat, 28 Nov 2026 03:00:00 GMT"}, 0),
    ({"retry-after": "1m30s"}, 90), ({"retry-after": "2026-11-28T04:01:00Z"}, 60),
    ({"retry-after": "soon"}, None), ({"retry-after": "-5"}, None), ({"retry-after": "inf"}, None),
    ({"retry-after": "9" * 400}, None),
    # OpenAI, Groq: durations; the limit that is used up decides.
    ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "8.64s",
      "x-ratelimit-remaining-tokens": "149984", "x-ratelimit-reset-tokens": "6m0s"}, 8.64),
    ({"x-ratelimit-remaining-requests": "12", "x-ratelimit-reset-requests": "8.64s",
      "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1m3.5s"}, 63.5),
    ({"x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "20ms",
      "x-ratelimit-remaining-tokens": "0", "x-ratelimit-reset-tokens": "1m0s"}, 60),
    ({"x-ratelimit-remaining-requests": "5", "x-ratelimit-reset-requests": "1h0m0s",
      "x-ratelimit-remaining-tokens": "7", "x-ratelimit-reset-tokens": "6m0s"}, None),
    # Where nothing tells what is left, the nearest moment.
    ({"x-ratelimit-reset-requests": "1s", "x-ratelimit-reset-tokens": "6m0s"}, 1),
    ({"x-ratelimit-remaining-requests-day": "0", "x-ratelimit-reset-requests-day": "33011.38",
      "x-ratelimit-remaining-tokens-minute": "9", "x-ratelimit-reset-tokens-minute": "11.4"},
     33011.38),
    # Anthropic: RFC 3339.
    ({"anthropic-ratelimit-requests-remaining": "0",
      "anthropic-ratelimit-requests-reset": "2026-11-28T04:00:42Z",
      "anthropic-ratelimit-input-tokens-remaining": "50000",
      "anthropic-ratelimit-input-tokens-reset": "2026-11-28T04:10:00Z"}, 42),
    ({"anthropic-ratelimit-output-tokens-remaining": "0",
      "anthropic-ratelimit-output-tokens-reset": "2026-11-28T04:01:00.123456789+00:00"}, 60.123456),
    # A moment in seconds or milliseconds, or the seconds until then.
    ({"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(NOW.timestamp()) + 30)}, 30),
    ({"x-ratelimit-reset": str((int(NOW.timestamp()) + 30) * 1000)}, 30),
    ({"x-rate-limit-reset": "30"}, 30), ({"ratelimit-reset": "30"}, 30),
    ({"x-ratelimit-reset": str(int(NOW.timestamp()) - 30)}, 0),
    ({"x-ratelimit-reset": "12345678"}, None), ({"x-ratelimit-reset": "nan"}, None),
    ({"x-ratelimit-remaining": "5", "x-ratelimit-reset": "30"}, None),
    ({"x-ratelimit-remaining": "-3", "x-ratelimit-reset": "30"}, 30),
]  # fmt: skip


@pytest.mark.parametrize(("headers", "seconds"), HEADERS)
def test_a_wait_in_headers_is_read(headers, seconds):
    told = refused(headers=headers).retry_after
    assert told == (None if seconds is None else pytest.approx(seconds, abs=1e-4))


@pytest.mark.parametrize(
    ("beside", "seconds"),
    [
        ({"details": [{"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": "37s"}]},
         37),
        ({"details": [{"@type": "x/google.rpc.RetryInfo", "retryDelay": "0.5s"}]}, 0.5),
        ({"metadata": {"headers": {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset":
                                   str((int(NOW.timestamp()) + 15) * 1000)}}}, 15),
        ({"metadata": {"headers": {"Retry-After": 12}}}, 12),
        ({"retry_after": 7}, 7), ({"metadata": {"retry_after_seconds": 3.5}}, 3.5),
        ({"retry_after_ms": 250}, 0.25),
        ({"retry_after": True}, None), ({"retry_after": -1}, None), ({"retry_after": [5]}, None),
        ({"retry_after": 10**400}, None), ({"retry_after": float("nan")}, None),
    ],
)  # fmt: skip
def test_a_wait_in_the_body_is_read(beside, seconds):
    assert refused(**beside).retry_after == seconds


def test_the_order_of_trust():
    """The header made for it, the body's own field, the limits' headers, the words."""
    told: dict[str, Any] = {
        "headers": {"retry-after": "1", "x-ratelimit-reset": "3"}, "retry_after": 2,
    }  # fmt: skip
    assert refused("Try again in 4s.", **told).retry_after == 1
    del told["headers"]["retry-after"]
    assert refused("Try again in 4s.", **told).retry_after == 2
    del told["retry_after"]
    assert refused("Try again in 4s.", **told).retry_after == 3
    assert refused("Try again in 4s.").retry_after == 4


def test_the_limits_say_nothing_of_a_server_that_is_overloaded():
    """They stand on every reply of some vendors, whatever went wrong."""
    headers = {"x-ratelimit-reset-requests": "6m0s"}
    assert refused(status=503, headers=headers).retry_after is None
    assert refused(status=503, headers={**headers, "retry-after": "5"}).retry_after == 5


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(5, "5 s"), (119, "119 s"), (480, "8 min"), (4320, "1 h 12 min"), (7200, "2 h"),
     (90_000, "25 h"), (172_800, "2 days"), (183_600, "2 days 3 h")],
)  # fmt: skip
def test_a_wait_is_told_as_people_read_it(seconds, words):
    assert format_wait(seconds) == words
    assert words in refused(f"Please retry after {seconds} seconds").hint


_SAID = st.sampled_from(
    ["in ", "after ", "try again ", "retry ", "wait ", "1", "0", "59", ".", "5", "h", "m", "s",
     "ms", " hours", " minutes", "PT", "S", "-", ":", "=", " ", "\t", "2026-11-28T04:00:42Z", "Z",
     "+", "e9",
     "nan", "inf", "²", "٣", "a ", "and ", ",", "days", "Sat, 28 Nov 2026 04:00:30 GMT", "9999"]
)  # fmt: skip
_TEXTS = st.lists(_SAID, max_size=9).map("".join) | st.text(max_size=30)
_NAMES = st.sampled_from([
    "retry-after", "retry-after-ms", "x-ms-retry-after-ms", "date", "x-ratelimit-reset",
    "x-ratelimit-remaining", "x-ratelimit-reset-tokens", "x-ratelimit-remaining-tokens",
    "anthropic-ratelimit-tokens-reset", "anthropic-ratelimit-tokens-remaining",
])  # fmt: skip
_BESIDE = st.dictionaries(
    st.sampled_from(["retry_after", "retry_after_ms", "details", "metadata", "estimated_time"]),
    st.recursive(
        st.none() | st.booleans() | st.integers() | st.floats() | _TEXTS,
        lambda inner: (
            st.lists(inner, max_size=2)
            | st.dictionaries(
                st.sampled_from(["headers", "@type", "retryDelay", "Retry-After", "retry_after"]),
                inner,
                max_size=3,
            )
        ),
        max_leaves=5,
    ),
    max_size=3,
)


@given(_TEXTS, st.dictionaries(_NAMES, _TEXTS, max_size=4), _BESIDE, st.sampled_from([429, 503]))
def test_nonsense_is_ignored_and_a_wait_is_always_a_sane_number(message, headers, beside, status):
    body = json.dumps({"error": {"message": message, **beside}}).encode()
    for dialect in DIALECTS:
        failure = dialect.explain(HTTPResponse(status, headers, body, 0.1), label="mine", model="m")
        assert isinstance(failure, errors.CallError)
        after = failure.retry_after
        assert after is None or (math.isfinite(after) and 0 <= after < 10**7)


@given(st.integers(0, 47), st.integers(0, 59), st.integers(0, 59), st.sampled_from(["", " ", ", "]))
def test_every_duration_is_read_as_what_it_is(hours, minutes, seconds, gap):
    whole = timedelta(hours=hours, minutes=minutes, seconds=seconds).total_seconds()
    said = f"{hours}h{gap}{minutes}m{gap}{seconds}s"
    assert refused(f"Please try again in {said}.").retry_after == whole
    assert refused(headers={"x-ratelimit-reset": said}).retry_after == whole
    iso = f"PT{hours}H{minutes}M{seconds}S"
    assert refused(headers={"retry-after": iso}).retry_after == whole


def test_a_server_that_is_away_for_longer_says_for_how_long():
    assert refused(status=503, headers={"retry-after": "600"}).hint == "Try again in 10 min."
    assert refused(status=503, headers={"retry-after": "6"}).hint == "Try again in a minute."
