"""Other programs open what we seal, and we open what they seal."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.store import round_trips

if TYPE_CHECKING:
    from collections.abc import Callable


@pytest.mark.parametrize("name", list(round_trips.TOOLS))
def test_there_and_back(name: str) -> None:
    """Random texts of awkward lengths, by identity and by passphrase; 500 in `make torture`."""
    missing: Callable[[], str]
    missing, trips = round_trips.TOOLS[name]
    why = missing()
    if why:
        pytest.skip(why)
    assert trips(20) == 20


def test_a_changed_byte_would_be_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """The control: a sealer that changes one bit of the text makes no good trip."""
    if round_trips.missing_pyrage():
        pytest.skip(round_trips.missing_pyrage())
    seal = round_trips.ours
    monkeypatch.setattr(
        round_trips, "ours", lambda plain, by_word: seal(b"!" + plain, by_word=by_word)
    )
    assert round_trips.with_pyrage(5) == 0
