"""Rows of lists: how many of truth are wholly right or missed, and how many were invented."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from llmwidgets.schemas.place import prefixes

if TYPE_CHECKING:
    from llmwidgets.analysis.scoring import Cell

_RIGHT, _MISSED, _INVENTED, _WRONG = 1, 2, 4, 8
_STATES = {"agree": _RIGHT, "missing": _MISSED, "failed": _MISSED, "invented": _INVENTED}
_ENDS_A_ROW = re.compile(r"\[\d*\]$")


@dataclass(frozen=True, slots=True)
class Rows:
    """The rows of one list: of truth in all, wholly right, without an answer; and invented ones."""

    total: int = 0
    right: int = 0
    missed: int = 0
    invented: int = 0

    def plus(self, other: Rows, times: int = 1) -> Rows:
        """Both together; `times` -1 takes the other away."""
        return Rows(
            self.total + times * other.total,
            self.right + times * other.right,
            self.missed + times * other.missed,
            self.invented + times * other.invented,
        )


class WithRows:
    """The rows of all lists together, for whatever has `lists`: the rows of each, by pattern."""

    __slots__ = ()
    lists: Mapping[str, Rows]

    @property
    def rows(self) -> int:
        """Rows of truth in all."""
        return sum(each.total for each in self.lists.values())

    @property
    def rows_right(self) -> int:
        """Rows of truth that are wholly right."""
        return sum(each.right for each in self.lists.values())

    @property
    def rows_missed(self) -> int:
        """Rows of truth without an answer."""
        return sum(each.missed for each in self.lists.values())

    @property
    def rows_invented(self) -> int:
        """Rows that truth does not have."""
        return sum(each.invented for each in self.lists.values())


def rows_of(cells: Iterable[Cell]) -> dict[str, Rows]:
    """The rows of each list of a record, by pattern (`lines[]`); a list in a list has its own.

    A row counts where truth labels any of its leaves. It is missed where nothing of it was given,
    and invented where truth has nothing of it.
    """
    found: dict[str, dict[str, int]] = {}
    for cell in cells:
        if cell.right is None or "[]" not in cell.pattern:
            continue
        path, pattern, state = cell.path, cell.pattern, _STATES.get(cell.state, _WRONG)
        if pattern.count("[]") == 1 and '"' not in path:
            rows = found.setdefault(pattern[: pattern.index("]") + 1], {})
            row = path[: path.index("]") + 1]
            rows[row] = rows.get(row, 0) | state
            continue
        for row, around in _around(path, pattern):
            rows = found.setdefault(around, {})
            rows[row] = rows.get(row, 0) | state
    return {pattern: _counted(rows.values()) for pattern, rows in found.items()}


def _around(path: str, pattern: str) -> list[tuple[str, str]]:
    """Each row that a leaf is in, and the pattern of its list."""
    places = zip(prefixes(path), prefixes(pattern), strict=False)
    return [(row, each) for row, each in places if _ENDS_A_ROW.search(row) and each.endswith("[]")]


def _counted(rows: Iterable[int]) -> Rows:
    states = list(rows)
    invented = states.count(_INVENTED)
    return Rows(len(states) - invented, states.count(_RIGHT), states.count(_MISSED), invented)
