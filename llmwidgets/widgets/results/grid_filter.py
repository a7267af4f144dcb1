"""Which rows of the grid are shown, and in which order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llmwidgets.comparison.answers import LOUD

if TYPE_CHECKING:
    from llmwidgets.widgets.comparison.grid_model import Known, Unit


WHOLE = "all fields"
"""The name of the one row that carries a failure where no field disagrees."""

AMONG, AGAINST = "among", "against"
"""States of a row, not of a cell: models differ; models agree, but not with the truth."""


@dataclass(frozen=True, slots=True)
class Filter:
    """What the page wants to see. `sort` is "loud" or "given".

    `only` is "disagree", "all", or "unlabelled": every row of the texts without truth.
    """

    only: str = "disagree"
    states: tuple[str, ...] = ()
    field: str = ""
    query: str = ""
    sort: str = "loud"

    @property
    def said(self) -> str:
        """Which texts are shown, behind their number."""
        return {"all": "", "unlabelled": " without truth"}.get(self.only, " with a disagreement")

    @classmethod
    def read(cls, content: Mapping[str, Any]) -> Filter:
        """The filter out of a message of the page."""
        return cls(
            only=only if (only := content.get("only")) in ("all", "unlabelled") else "disagree",
            states=tuple(str(each) for each in content.get("states") or ()),
            field=str(content.get("field") or ""),
            query=str(content.get("query") or "").strip().casefold(),
            sort="given" if content.get("sort") == "given" else "loud",
        )


@dataclass(frozen=True, slots=True)
class Shown:
    """One text of a layout: the rows that stand open and those that are folded."""

    unit: int
    loud: tuple[str, ...]
    quiet: tuple[str, ...]

    def after(self, unit: Unit) -> Shown:
        """The same place when the text's fields changed: what stood open stays open."""
        there = [field.path for field in unit.fields]
        loud = [path for path in self.loud if path in there]
        quiet = [path for path in self.quiet if path in there]
        fresh = [path for path in there if path not in loud and path not in quiet]
        return Shown(self.unit, (*loud, *fresh) or (WHOLE,), tuple(quiet))


def lay_out(
    units: Sequence[Unit], names: Sequence[str], wanted: Filter, bare: Sequence[bool]
) -> list[Shown]:
    """The texts to show; those with most disagreement first, else in their own order.

    `bare` says which texts have no truth.
    """
    shown = [
        each
        for at, unit in enumerate(units)
        if (bare[unit.text] or wanted.only != "unlabelled")
        and (each := _shown(at, unit, names[unit.text], wanted))
    ]
    if wanted.only != "all" and wanted.sort == "loud":
        shown.sort(key=lambda each: _rank(units[each.unit]))
    return shown


def _shown(at: int, unit: Unit, name: str, wanted: Filter) -> Shown | None:
    fields = [field for field in unit.fields if not wanted.field or field.pattern == wanted.field]
    if wanted.query:
        if wanted.query not in name:
            fields = [field for field in fields if wanted.query in field.words]
        if wanted.states:
            fields = [field for field in fields if _has(field, wanted.states)]
        return Shown(at, tuple(field.path for field in fields), ()) if fields else None
    if wanted.only != "disagree" and not wanted.states:
        rows = tuple(field.path for field in fields) or ((WHOLE,) if unit.failed else ())
        return Shown(at, rows, ()) if rows else None
    states = wanted.states or tuple(LOUD)
    loud = sorted(
        (field for field in fields if _has(field, set(states) - {"failed"})),
        key=lambda field: -field.disagreeing,
    )
    failed = bool(unit.failed) and not wanted.field and (not wanted.states or "failed" in states)
    if not loud and not failed:
        return None
    rows = tuple(field.path for field in loud) or (WHOLE,)
    return Shown(at, rows, tuple(field.path for field in fields if field.path not in rows))


def _has(field: Known, states: Sequence[str] | set[str]) -> bool:
    return field.among in states or any(state in states for state in field.states)


def _rank(unit: Unit) -> tuple[int, int]:
    return -sum(field.disagreeing > 0 for field in unit.fields), -len(unit.failed)
