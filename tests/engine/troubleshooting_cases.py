"""Broken set-ups and the answers expected of a check, written before the diagnosis was."""

from __future__ import annotations

from tests.engine.set_ups.addresses import ADDRESSES
from tests.engine.set_ups.azure import AZURE
from tests.engine.set_ups.google import GOOGLE
from tests.engine.set_ups.keys import KEYS
from tests.engine.set_ups.models import MODELS
from tests.engine.set_ups.money import MONEY
from tests.engine.set_ups.perturbed import PERTURBED
from tests.engine.set_ups.set_up import CHAT, SetUp

__all__ = ["CASES", "CHAT", "PERTURBED", "SetUp"]

CASES = (*ADDRESSES, *KEYS, *AZURE, *GOOGLE, *MODELS, *MONEY)
