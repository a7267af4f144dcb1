"""The proposed passphrase: six words that can be said, hard enough to guess, never twice."""

from __future__ import annotations

import math
import re
from collections import Counter

from llmwidgets.connections.opening import passphrase, words
from llmwidgets.store.store import Store


def spelled() -> list[str]:
    return words.proposed().reveal().split(" ")


def test_six_words_of_two_syllables() -> None:
    for _ in range(50):
        assert len(spelled()) == 6
        assert all(re.fullmatch(r"([b-z][aeiou]){2}", word) for word in spelled())
    passphrase.check(Store.proposed_passphrase())


def test_the_bits_that_are_said_are_the_bits_that_are_there() -> None:
    """At least 70 bits by counting the words that can come, and every one of them does come."""
    syllables = len(words._SYLLABLES)
    assert len(set(words._SYLLABLES)) == syllables
    assert words.BITS >= 70
    assert math.isclose(words.BITS, 6 * math.log2(syllables * (syllables - 1)))
    drawn = Counter(word[:2] for _ in range(2000) for word in spelled())
    assert len(drawn) == syllables
    # Even within seven standard deviations of 160: one in a hundred thousand million runs fails.
    assert all(70 < count < 250 for count in drawn.values())


def test_no_two_are_the_same() -> None:
    assert len({words.proposed().reveal() for _ in range(500)}) == 500


def test_it_is_closed() -> None:
    assert spelled()[0] not in repr(words.proposed())
