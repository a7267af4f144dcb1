"""Bech32, the spelling of age's keys: `age1…` recipients and `AGE-SECRET-KEY-1…` identities."""

from __future__ import annotations

from collections.abc import Iterable

_CHARSET = "qpzry9x8gf2tvdw0s3jn54khce6mua7l"
_GENERATOR = (0x3B6A57B2, 0x26508E6D, 0x1EA119FA, 0x3D4233DD, 0x2A1462B3)


def encode(prefix: str, data: bytes) -> str:
    """The bytes as a lower-case Bech32 text with this prefix and a checksum (BIP 173)."""
    values = _regroup(data, 8, 5, pad=True) or []
    polymod = _polymod([*_expand(prefix), *values, 0, 0, 0, 0, 0, 0]) ^ 1
    values += [(polymod >> 5 * (5 - place)) & 31 for place in range(6)]
    return prefix + "1" + "".join(_CHARSET[value] for value in values)


def decode(prefix: str, text: str) -> bytes | None:
    """The bytes of a Bech32 text with this prefix; None for any other text.

    It returns rather than raises, since a raise would show the text in a traceback.
    """
    lower = text.lower()
    if text not in {lower, text.upper()} or not lower.startswith(prefix + "1"):
        return None
    values = [_CHARSET.find(letter) for letter in lower[len(prefix) + 1 :]]
    if len(values) < 6 or -1 in values or _polymod([*_expand(prefix), *values]) != 1:
        return None
    whole = _regroup(values[:-6], 5, 8, pad=False)
    return None if whole is None else bytes(whole)


def _expand(prefix: str) -> list[int]:
    return [ord(c) >> 5 for c in prefix] + [0] + [ord(c) & 31 for c in prefix]


def _polymod(values: Iterable[int]) -> int:
    checksum = 1
    for value in values:
        top = checksum >> 25
        checksum = (checksum & 0x1FFFFFF) << 5 ^ value
        for place, factor in enumerate(_GENERATOR):
            checksum ^= factor if (top >> place) & 1 else 0
    return checksum


def _regroup(values: Iterable[int], old: int, new: int, *, pad: bool) -> list[int] | None:
    held, bits, grouped = 0, 0, []
    for value in values:
        held, bits = (held << old | value) & 0xFFF, bits + old
        while bits >= new:
            bits -= new
            grouped.append(held >> bits & ((1 << new) - 1))
    rest = held << (new - bits) & ((1 << new) - 1)
    if pad:
        return [*grouped, rest] if bits else grouped
    return grouped if bits < old and not rest else None
