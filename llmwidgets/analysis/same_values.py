"""Same values: which of several values of one field say the same, by the rules of scoring."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from llmwidgets.analysis.comparators import FieldComparator
from llmwidgets.analysis.leaves import is_empty


def same_value(one: Any, other: Any, pattern: str, comparing: FieldComparator) -> bool:
    """Whether two values of a field say the same, whichever of them comes first.

    Two empty ones do, an absent one and a null among them; words for nothing ("N/A") are a value.
    """
    if type(one) is type(other) and one == other:
        return True
    if is_empty(one) or is_empty(other):
        return is_empty(one) and is_empty(other)
    # A function of the user's may see a truth and a value differently.
    return comparing.same(pattern, one, other) and comparing.same(pattern, other, one)


def group_values(
    values: Sequence[Any], pattern: str, comparing: FieldComparator
) -> list[list[int]]:
    """The positions of the values that say the same as the first of their group.

    The groups are in the order of their first values.

    >>> from llmwidgets.analysis.comparators import comparator_for
    >>> group_values(["1,250.00", "Köln", 1250, None], "", comparator_for(None, {}))
    [[0, 2], [1], [3]]
    """
    groups: list[list[int]] = []
    for at, value in enumerate(values):
        for group in groups:
            if same_value(values[group[0]], value, pattern, comparing):
                group.append(at)
                break
        else:
            groups.append([at])
    return groups
