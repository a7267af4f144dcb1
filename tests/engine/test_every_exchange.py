"""Every exchange of a token: one that soon ends, one that is refused once, a service that is away.

Each goes to a service on loopback, and a hundred calls wait for it at once.
"""

from __future__ import annotations

import time
import types
from collections.abc import Iterator

import pytest

import llmwidgets as lw
from llmwidgets.engine.network.sign_in import tokens
from tests.exchanges import GOOGLE, WAYS, Begin, exchanging

SCHEMA = {"type": "object", "properties": {"total": {"type": "number"}}, "required": ["total"]}


@pytest.fixture
def begin(request, monkeypatch, tmp_path) -> Iterator[Begin]:
    with exchanging(request, monkeypatch, tmp_path) as start:
        yield start


@pytest.mark.parametrize("way", WAYS)
def test_a_token_of_two_seconds_is_asked_for_once_and_once_more_when_it_ends(
    begin, way, monkeypatch
):
    there = begin(way, 2)
    first = there.signed_at_once()
    assert (len(first), there.count()) == (1, 1)
    assert there.signed_at_once() == first
    now = time.time
    monkeypatch.setattr(tokens, "time", types.SimpleNamespace(time=lambda: now() + 2))
    second = there.signed_at_once()
    assert (len(second), there.count()) == (1, 2)
    assert second != first


@pytest.mark.parametrize("way", WAYS)
def test_a_token_that_is_refused_once_is_replaced_once(begin, way):
    there = begin(way)
    there.far.bad = {there.each}
    texts = [f"Bill {number}" for number in range(40)]
    models = [(there.connection, there.model)]
    found = lw.compare(SCHEMA, texts, models, journal=False, progress=False, concurrency=40)
    assert {each.status for each in found} == {"ok"}
    assert there.count() == 2


@pytest.mark.parametrize("way", [each for each in WAYS if each != "az"])
def test_a_service_that_is_away_first_is_asked_once_more(begin, way):
    """The command line is not a service: what it says without a token is an answer."""
    there = begin(way)
    there.away()
    assert len(there.signed_at_once()) == 1
    assert (there.far.made if way in GOOGLE else there.count()) == there.each
