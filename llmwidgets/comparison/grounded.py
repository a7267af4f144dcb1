"""Grounded: which values of the variants stand in their text, and which were copied or made up."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

from llmwidgets.analysis.grounding import Grounding, SourceText, ground
from llmwidgets.analysis.leaves import NOTHING, says_no_value
from llmwidgets.comparison.answers import answers_in

if TYPE_CHECKING:
    import pandas as pd

    from llmwidgets.analysis.grounding import ExampleLeakage
    from llmwidgets.comparison.comparison import Comparison
    from llmwidgets.engine.plan import Text

Flag = Literal["", "absent", "copied"]
FLAGS: tuple[Flag, ...] = ("", "absent", "copied")
FLAG_WORDS: dict[Flag, str] = {
    "": "", "absent": "not in the text", "copied": "copied from an example"
}  # fmt: skip
"""A fact beside a value's state: it stands nowhere in the text, or in an example alone."""
KINDS = ("exact", "normalised", "fuzzy", "absent")


class Grounds:
    """One text in which values are looked for; each is looked for once, whoever gave it."""

    def __init__(self, text: Text, copying: Sequence[ExampleLeakage] = ()) -> None:
        self._source = SourceText(text.text)
        self._leaves = {leaf.path: leaf for leaf in text.schema.leaves}
        self._copying = copying
        self._found: dict[tuple[type, Any, str], Grounding] = {}

    def locate(self, value: Any, pattern: str) -> Grounding | None:
        """Where a field's value stands; None where there is nothing to look for, or in."""
        unreadable = value is None or value is NOTHING or isinstance(value, list | dict)
        # Words for nothing are not a value that the text could hold.
        if unreadable or says_no_value(value) or not self._source.text:
            return None
        key = (type(value), value, pattern)
        if key not in self._found:
            self._found[key] = ground(value, self._source, self._leaves.get(pattern))
        return self._found[key]

    def flag(self, value: Any, pattern: str, variant: int) -> Flag:
        """Whether the value stands nowhere in the text, or in this variant's examples alone."""
        found = self.locate(value, pattern)
        if found is None or found.kind != "absent":
            return ""
        own = self._copying[variant] if variant < len(self._copying) else None
        leaf = self._leaves.get(pattern)
        return "copied" if own and own.is_copied(value, self._source, leaf) else "absent"


@dataclass(slots=True)
class Count:
    """One variant's values by where they stand; `copied` ones are among the absent."""

    exact: int = 0
    normalised: int = 0
    fuzzy: int = 0
    absent: int = 0
    copied: int = 0

    @property
    def values(self) -> int:
        """How many values were looked for."""
        return self.exact + self.normalised + self.fuzzy + self.absent

    def add(self, kind: str, flag: Flag) -> None:
        """Count one value that was looked for."""
        setattr(self, kind, getattr(self, kind) + 1)
        self.copied += flag == "copied"


def counts_of(comparison: Comparison, texts: Sequence[int] | None = None) -> list[Count]:
    """A count a variant over these texts, all of them by default."""
    counts = [Count() for _ in comparison.variants]
    for at in range(len(comparison.texts)) if texts is None else texts:
        grounds = Grounds(comparison.texts[at], comparison.copyings)
        for answers in answers_in(comparison, at):
            for variant, marked in enumerate(answers.marks):
                for cell in marked.cells:
                    found = grounds.locate(cell.value, cell.pattern)
                    if found is not None and found.kind in KINDS:
                        flag = grounds.flag(cell.value, cell.pattern, variant)
                        counts[variant].add(found.kind, flag)
    return counts


def grounding_frame(comparison: Comparison) -> pd.DataFrame:
    """One row per variant: values by where they are found; rates are shares of those looked for."""
    import pandas as pd

    rows = []
    for label, count in zip(comparison.labels, counts_of(comparison), strict=True):
        kinds = [getattr(count, kind) for kind in KINDS]
        of = count.values or float("nan")
        rows.append(
            (label, count.values, *kinds, count.copied, count.absent / of, count.copied / of)
        )
    names = ["variant", "values", *KINDS, "copied", "absent_rate", "copied_rate"]
    return pd.DataFrame(rows, columns=pd.Index(names))
