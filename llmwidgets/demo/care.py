"""How careful a demo model is: which of the rules it follows."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Care:
    """The rules a model follows.

    `reads_descriptions`: a field's description counts, not its name alone.
    `weighs_context`: every candidate is weighed by the words around it; else the first that
    stands near a fitting word is taken.
    `knows_absence`: null where no fitting word stands near a candidate; else the first one.
    `speaks`: languages beside English.
    `whole_lists`: every row of a list; else the first alone.
    `reads_prose`: looks into sentences where no label, table or bullet gives the value.
    """

    reads_descriptions: bool
    weighs_context: bool
    knows_absence: bool
    speaks: bool
    whole_lists: bool
    reads_prose: bool


CAREFUL = Care(True, True, True, True, True, True)
QUICK = Care(False, True, True, False, True, False)
BRISK = Care(False, True, True, True, True, False)
HASTY = Care(False, False, False, False, False, False)
