"""The columns of a table that came through the page: which is the text, the id, the truth."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypedDict

from llmwidgets.comparison.files.tables import KEYS, Row, match_names
from llmwidgets.comparison.records import (
    columns_of,
    put_at,
    read_cell,
    read_truth_columns,
    truth_of_rows,
)
from llmwidgets.comparison.values import is_nothing, name_of, to_jsonable
from llmwidgets.formatting import count, shorten

if TYPE_CHECKING:
    import pandas as pd

    from llmwidgets.schemas import Schema

TEXT, ID, TRUTH, GROUP, SLICE, UNUSED = "text", "id", "truth", "group", "", "unused"
FIELD = "field:"
"""Before the name of the field whose truth a column has."""

_SHOWN = 3
_LONGEST = 40


class ColumnState(TypedDict):
    """One column: its name, its first value, what it is used as, and which of its cells misfit."""

    name: str
    sample: str
    use: str
    misfits: str


@dataclass(slots=True)
class TableColumns:
    """Rows as their file has them, and what each column is used as.

    `chosen` is what a person said, by column; the rest is as its name says. `misfits` has what
    does not fit the schema, by column.
    """

    rows: Sequence[Row]
    chosen: dict[str, str] = field(default_factory=dict)
    misfits: dict[str, str] = field(default_factory=dict)

    samples: dict[str, str] = field(init=False)

    def __post_init__(self) -> None:
        """Take the first value of each column, which is empty where all of its cells are."""
        self.samples = {}
        for row in self.rows:
            for name, cell in row.items() if row.path is None else ():
                if not self.samples.get(name):
                    self.samples[name] = "" if is_nothing(cell) else _shown(cell)

    def uses(self, schema: Schema | None) -> dict[str, str]:
        """What each column is used as, by its name."""
        names = self.samples
        found, _ = match_names(names)
        found = {name: key for name, key in found.items() if key != TRUTH or names[name]}
        fields = columns_of(leaf.path for leaf in schema.leaves) if schema else {}
        uses = dict.fromkeys(names, SLICE)
        if TRUTH not in found.values():
            known = [name for name in names if name in fields and name not in KEYS]
            uses |= {name: f"{FIELD}{name}" for name in known}
        uses |= {name: key for name, key in found.items() if name == key or name not in fields}
        taken = {use for use in self.chosen.values() if use not in (SLICE, UNUSED)}
        uses = {name: SLICE if use in taken else use for name, use in uses.items()}
        return uses | {name: use for name, use in self.chosen.items() if name in uses}

    def choose(self, name: str, use: str) -> None:
        """Use a column as something, which no other column is then."""
        if use not in (SLICE, UNUSED):
            others = [each for each, other in self.chosen.items() if other == use]
            self.chosen |= dict.fromkeys(others, SLICE)
        self.chosen[name] = use

    def drop_truth(self, schema: Schema | None) -> None:
        """Have no column as truth."""
        uses = self.uses(schema)
        truth = [name for name, use in uses.items() if use == TRUTH or use.startswith(FIELD)]
        self.chosen |= dict.fromkeys(truth, SLICE)

    def group(self, schema: Schema | None) -> str | None:
        """The column that says which texts belong together."""
        return self._column(GROUP, schema)

    def _column(self, use: str, schema: Schema | None) -> str | None:
        return next((name for name, each in self.uses(schema).items() if each == use), None)

    def has_text(self, schema: Schema | None) -> bool:
        """Whether it is known where the texts are."""
        return not self.samples or TEXT in self.uses(schema).values()

    def texts(self, schema: Schema | None) -> list[Row]:
        """The rows as texts: the text, the id, and what they can be told apart by."""
        uses = self.uses(schema)
        return [row if row.path else _as_text(row, uses) for row in self.rows]

    def truth(self, schema: Schema) -> pd.DataFrame | None:
        """The columns that are the truth of a field, under its name; None if there are none.

        What was assumed is said of those that nobody chose.
        """
        uses = self.uses(schema)
        fields = {name: use.removeprefix(FIELD) for name, use in uses.items()
                  if use.startswith(FIELD)}  # fmt: skip
        assumed = [name for name in fields if name not in self.chosen]
        return truth_of_rows(self.rows, fields, assumed)

    def find_misfits(self, schema: Schema) -> None:
        """Note the first cells of each column of truth that do not fit, each with its value."""
        self.misfits = {}
        truth = read_truth_columns(self.truth(schema), [schema])
        if truth is None:
            return
        leaves = {leaf.path: leaf for leaf in schema.leaves}
        steps, own = columns_of(leaves), self._column(ID, schema)
        columns = {use.removeprefix(FIELD): name for name, use in self.uses(schema).items()}
        for path in filter(steps.__contains__, truth.columns):
            found = []
            for at, (row, cell) in enumerate(zip(self.rows, truth[path], strict=True), 1):
                if is_nothing(cell):
                    continue
                record: dict[str, Any] = {}
                put_at(record, steps[path], read_cell(to_jsonable(cell), leaves.get(path)))
                for problem in schema.judge_partial(record)[:1]:
                    where = row.get(own) if own else None
                    where = f"row {at}" if is_nothing(where) else name_of(where)
                    found.append(f"{where}: “{_shown(cell)}” {problem.rule}{problem.takes}")
            if found:
                more = count(len(found) - _SHOWN, "more cell does", "more cells do")
                rest = f"; {more} not fit" if len(found) > _SHOWN else ""
                self.misfits[columns[path]] = f"{'; '.join(found[:_SHOWN])}{rest}."

    def view(self, schema: Schema | None) -> list[ColumnState]:
        """The columns as the page shows them; none where no table is read."""
        return [
            {
                "name": name,
                "sample": self.samples[name],
                "use": use,
                "misfits": self.misfits.get(name, ""),
            }
            for name, use in self.uses(schema).items()
        ]


def _shown(cell: Any) -> str:
    return shorten(" ".join(str(cell)[: 10 * _LONGEST].split()), _LONGEST)


def _as_text(row: Mapping[str, Any], uses: Mapping[str, str]) -> Row:
    """The row with its text and id under these names; nothing else takes them."""
    kept = Row()
    kept.note = getattr(row, "note", "")
    for name, cell in row.items():
        use = uses.get(name, UNUSED)
        if use in KEYS:
            if use == TEXT and not isinstance(cell, str):
                cell = None if is_nothing(cell) else str(cell)
            if use == TEXT or not is_nothing(cell):
                kept[use] = cell
        elif use != UNUSED and name not in KEYS:
            kept[name] = cell
    return kept


def list_uses(schema: Schema | None, columns: Sequence[ColumnState]) -> list[list[str]]:
    """What a column can be used as, each with its words."""
    fields = columns_of(leaf.path for leaf in schema.leaves) if schema else {}
    uses = [[TEXT, "Text"], [ID, "Id"], *([f"{FIELD}{name}", f"Truth: {name}"] for name in fields)]
    uses += [
        [TRUTH, "Truth: whole records"],
        [GROUP, "Group: texts that belong together"],
        [SLICE, "To slice by"],
        [UNUSED, "Not used"],
    ]
    if any(each["use"] == "schema" for each in columns):
        uses.append(["schema", "Schema of each text"])
    return uses if columns else []
