"""List rules: how the user has the rows of a list recognised, by a key or from a share on."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ListRule:
    """How the user has the rows of one list recognised: by `names` of leaves, or from a `share`.

    >>> str(ListRule(("sku", "date"))), str(ListRule(share=0.7))
    ('key:sku,date', 'match:0.7')
    """

    names: tuple[str, ...] = ()
    share: float = 0.0

    def __str__(self) -> str:
        return f"key:{','.join(self.names)}" if self.names else f"match:{self.share:g}"


def read_list_rule(said: str) -> ListRule | None:
    """The rule of a list as the user writes it: `key:sku,date` or `match:0.7`; None for others."""
    kind, _, rest = said.partition(":")
    if kind == "key":
        names = tuple(name for each in rest.split(",") if (name := each.strip()))
        return ListRule(tuple(dict.fromkeys(names))) if names else None
    if kind != "match":
        return None
    try:
        share = float(rest)
    except ValueError:
        return None
    return ListRule(share=share) if 0 < share <= 1 else None


def keys_of(pattern: str, rule: ListRule) -> list[str]:
    """The patterns of the leaves that a rule names under the items of a list.

    >>> keys_of("lines[]", ListRule(("sku", "made.on")))
    ['lines[].sku', 'lines[].made.on']
    """
    return [pattern + (each if each.startswith("[") else f".{each}") for each in rule.names]
