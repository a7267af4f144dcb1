"""How the values of each variant are in their text: looked for once, whichever view asks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.comparison.core import ResultData
from llmwidgets.comparison.measures.kept_scores import kept_scores
from llmwidgets.comparison.measures.text_result import (
    KINDS,
    TextGrounding,
    TextResult,
    ground_text,
    read_all_results,
    read_leakage,
    read_text_results,
)

_KINDS = ("", *KINDS, "not applicable")
_CODES = {kind: code for code, kind in enumerate(_KINDS)}
_COPIED = len(_KINDS)

WORDS = tuple(kind or None for kind in (*_KINDS, *_KINDS))
"""How a value is in its text, by its code: one of KINDS, or not applicable; None without one."""

COPIED = (None, *(code >= _COPIED for code in range(1, len(WORDS))))
"""By its code, whether a value is in an example and not in its text; None without one."""


class Groundings(NamedTuple):
    """How the values of one text (and repeat) are in it: for each variant a code for each cell.

    `pages` has the page of each, 0 if it is on none; it is empty where no value is on a page.
    """

    codes: tuple[bytes, ...]
    pages: tuple[tuple[int, ...], ...] = ()


def read_groundings(results: ResultData, result: TextResult) -> Groundings:
    """How the values of one text are in it; looked for where that is not known yet."""
    at = result.text * results.repeats + result.repeat
    version, found = results.rows.version(at), known_groundings(results, result)
    if found is None:
        found = _look_for(results, result)
        kept_scores(results).put_more(at, version, tuple(found))
    return found


def known_groundings(results: ResultData, result: TextResult) -> Groundings | None:
    """The same where some view has looked for the values already."""
    at = result.text * results.repeats + result.repeat
    known = kept_scores(results).get_more(at, results.rows.version(at))
    return None if known is None else Groundings(*known)


def _look_for(results: ResultData, result: TextResult) -> Groundings:
    if not result.document.text:
        return Groundings(tuple([bytes(len(each.cells)) for each in result.scores]))
    grounds, leakage = ground_text(results, result.text), read_leakage(results)
    # The same answer of two variants is looked for once, unless they were shown examples.
    known: dict[object, tuple[bytes, tuple[int, ...]]] = {}
    found = []
    values: dict[object, dict[object, tuple[int, int]]] = {}
    for variant, score in enumerate(result.scores):
        shown = variant if leakage[variant].sources or leakage[variant].values else None
        key = id(score), shown
        if key not in known:
            own = values.setdefault(shown, {})
            pairs = []
            for _, pattern, value, *_ in score.cells:
                # An empty list or object is no value, and nothing to look up by.
                place = pattern, type(value), value if type(value) in _PLAIN else None
                if place not in own:
                    own[place] = ground_value(grounds, value, pattern, variant)
                pairs.append(own[place])
            known[key] = bytes([code for code, _ in pairs]), tuple([page for _, page in pairs])
        found.append(known[key])
    pages = tuple([pages for _, pages in found])
    return Groundings(tuple([codes for codes, _ in found]), pages if any(map(any, pages)) else ())


_PLAIN = frozenset({str, int, float, bool, type(None)})


def ground_value(
    grounds: TextGrounding, value: object, pattern: str, variant: int
) -> tuple[int, int]:
    """The code of a variant's value, and its page."""
    if value is None or value is NOTHING:
        return 0, 0
    grounding = grounds.locate(value, pattern)
    if grounding is None:
        return _CODES["not applicable"], 0
    code = _CODES[grounding.kind]
    if grounding.kind == "absent" and grounds.flag(value, pattern, variant) == "copied":
        code += _COPIED
    return code, grounding.page or 0


@dataclass(slots=True)
class GroundingCount:
    """One variant's values by how they are in the text; `copied` ones are among the absent."""

    exact: int = 0
    normalised: int = 0
    fuzzy: int = 0
    absent: int = 0
    copied: int = 0

    @property
    def values(self) -> int:
        """How many values were looked for."""
        return self.exact + self.normalised + self.fuzzy + self.absent

    def add(self, codes: bytes) -> None:
        """Count the values of one text."""
        for kind in KINDS:
            code = _CODES[kind]
            found = codes.count(code) + codes.count(code + _COPIED)
            setattr(self, kind, getattr(self, kind) + found)
        self.copied += codes.count(_CODES["absent"] + _COPIED)


def count_grounding(
    results: ResultData, texts: Sequence[int] | None = None
) -> list[GroundingCount]:
    """One count per variant over these texts, all of them by default."""
    counts = [GroundingCount() for _ in results.variants]
    read = read_all_results(results) if texts is None else (
        each for at in texts for each in read_text_results(results, at)
    )  # fmt: skip
    for result in read:
        for count, codes in zip(counts, read_groundings(results, result).codes, strict=True):
            count.add(codes)
    return counts
