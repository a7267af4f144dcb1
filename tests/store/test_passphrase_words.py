"""The proposed passphrase: six words that can be said, hard enough to guess, never twice."""

from __future__ import annotations

import math
import re
import secrets

from mnemonic import Mnemonic

from llmwidgets.store import identity_sources


def spelled() -> list[str]:
    return identity_sources.propose_passphrase().reveal().split(" ")


def test_six_words_of_the_list() -> None:
    """Short plain words, each told from all others by its first four letters."""
    known = Mnemonic("english").wordlist
    assert len({word[:4] for word in known}) == len(known) == 2048
    for _ in range(50):
        assert len(spelled()) == 6
        assert all(re.fullmatch(r"[a-z]{3,8}", word) for word in spelled())
        assert set(spelled()) <= set(known)
    identity_sources.check_passphrase(identity_sources.propose_passphrase())


def test_the_bits_that_are_said_are_the_bits_that_are_there(monkeypatch) -> None:
    """At least 64 bits: every word is drawn from the whole list, by the system's random source."""
    drawn: list[int] = []
    monkeypatch.setattr(secrets, "choice", lambda words: (drawn.append(len(words)), words[0])[1])
    spelled()
    assert drawn == [2048] * 6
    assert 64 <= identity_sources.BITS == 6 * math.log2(2048)


def test_no_two_are_the_same() -> None:
    assert len({identity_sources.propose_passphrase().reveal() for _ in range(500)}) == 500


def test_it_is_closed() -> None:
    assert spelled()[0] not in repr(identity_sources.propose_passphrase())
