"""The proposed passphrase: six words that can be said, hard enough to guess, never twice."""

from __future__ import annotations

import math
import re
from collections import Counter

from llmwidgets.store import identity_sources


def spelled() -> list[str]:
    return identity_sources.propose_passphrase().reveal().split(" ")


def test_six_words_of_two_syllables() -> None:
    for _ in range(50):
        assert len(spelled()) == 6
        assert all(re.fullmatch(r"([b-z][aeiou]){2}", word) for word in spelled())
    identity_sources.check_passphrase(identity_sources.propose_passphrase())


def test_the_bits_that_are_said_are_the_bits_that_are_there() -> None:
    """At least 70 bits by counting the words that can come, and every one of them does come."""
    syllables = len(identity_sources._SYLLABLES)
    assert len(set(identity_sources._SYLLABLES)) == syllables
    assert identity_sources.BITS >= 70
    assert math.isclose(identity_sources.BITS, 6 * math.log2(syllables * (syllables - 1)))
    drawn = Counter(word[:2] for _ in range(2000) for word in spelled())
    assert len(drawn) == syllables
    # Even within seven standard deviations of 160: one in a hundred thousand million runs fails.
    assert all(70 < count < 250 for count in drawn.values())


def test_no_two_are_the_same() -> None:
    assert len({identity_sources.propose_passphrase().reveal() for _ in range(500)}) == 500


def test_it_is_closed() -> None:
    assert spelled()[0] not in repr(identity_sources.propose_passphrase())
