"""Words: a passphrase of six made-up words that can be said, from the system's random source."""

from __future__ import annotations

import math
import secrets

from llmwidgets.secret import Secret

WORDS = 6

_CONSONANTS = "bdfgjklmnprstvz"
_VOWELS = "aeiou"
_SYLLABLES = tuple(consonant + vowel for consonant in _CONSONANTS for vowel in _VOWELS)

BITS = WORDS * math.log2(len(_SYLLABLES) * (len(_SYLLABLES) - 1))
"""How many bits a guesser has to try: 74.6, each word being two different syllables of 75."""


def proposed() -> Secret:
    """Six words such as `ravo kimu teda solu bipo nafe`, closed; 74.6 bits.

    The words mean nothing in any language on purpose: a list of real words would have to be
    shipped and kept, and two syllables are as quick to type.
    """
    return Secret(" ".join(_word() for _ in range(WORDS)))


def _word() -> str:
    first = secrets.choice(_SYLLABLES)
    return first + secrets.choice([each for each in _SYLLABLES if each != first])
