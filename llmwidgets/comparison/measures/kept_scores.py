"""What scoring a text found, kept in few bytes, so that no further view scores it again."""

from __future__ import annotations

import marshal
import threading
from array import array
from collections.abc import Iterable, Sequence
from dataclasses import fields
from datetime import UTC, datetime
from operator import attrgetter
from typing import TYPE_CHECKING, Any, NamedTuple, get_args

from llmwidgets.analysis.alignment import State as CellState
from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.analysis.scoring import Cell, Rows, TextScore
from llmwidgets.comparison.core import ResultData, measure_once
from llmwidgets.dialects.types import Usage
from llmwidgets.report.scoreboard import State

if TYPE_CHECKING:
    from llmwidgets.engine.extraction import Extraction


class Outcome(NamedTuple):
    """How an extraction ended: its status, whether there is a record to look at, if it was asked.

    It is `flat` if its cells are all that the record says: one value a property, as in the truth.
    """

    status: str
    has_data: bool
    asked: bool
    flat: bool = False


class Facts(NamedTuple):
    """What is summed up of an extraction besides its score, by the names that it has there."""

    status: str
    mode: str | None = None
    usage: Usage = Usage()
    seconds: float | None = None
    waiting_seconds: float | None = None
    cost: float | None = None
    tries: int = 0
    timed_out: int = 0
    paid_before: datetime | None = None


def pack_facts(extraction: Extraction) -> tuple[Any, ...]:
    """The facts without the status; nothing at all where there was no call."""
    packed = _facts_of(extraction)
    if packed == _NO_FACTS:
        return ()
    mode, *rest, paid_before = packed
    return mode and str(mode), *rest, paid_before and paid_before.timestamp()


def unpack_facts(status: str, packed: tuple[Any, ...]) -> Facts:
    """The facts of an extraction that ended so."""
    if not packed:
        return Facts(status)
    mode, *tokens_and_rest, paid_at = packed
    tokens, rest = tokens_and_rest[:4], tokens_and_rest[4:]
    seconds, waiting, cost, tries, timed_out = rest
    paid_before = None if paid_at is None else datetime.fromtimestamp(paid_at, UTC)
    usage = Usage(*tokens)
    return Facts(status, mode, usage, seconds, waiting, cost, tries, timed_out, paid_before)


_facts_of = attrgetter(
    "mode", *(f"usage.{each.name}" for each in fields(Usage)), "seconds", "waiting_seconds",
    "cost", "tries", "timed_out", "paid_before",
)  # fmt: skip
_NO_FACTS = (None,) * 8 + (0, 0, None)


class VariantValue(NamedTuple):
    """What one variant gives for a field; NOTHING if it gives nothing, with its failure if any.

    Of several repeats it is the value that is given most often, the first of several. `given` has
    then the value of each repeat, `groups` the repeats that say the same, counted from 0: the
    largest first. A repeat without a record is in no group.
    """

    state: State
    value: Any = NOTHING
    failure: str = ""
    given: tuple[VariantValue, ...] = ()
    groups: tuple[tuple[int, ...], ...] = ()

    @property
    def unstable(self) -> bool:
        """Whether its repeats say different things."""
        return len(self.groups) > 1

    @property
    def first(self) -> int:
        """The first repeat that has the value."""
        return self.groups[0][0] if self.groups else 0


Among = tuple[tuple[str, tuple[VariantValue, ...]], ...]
"""The fields that have no label: each path with what the variants give."""


class Scored(NamedTuple):
    """One text (and repeat): how each variant ended and was scored; what they say without truth.

    The facts are packed: most views look at none.
    """

    outcomes: tuple[Outcome, ...]
    facts: tuple[tuple[Any, ...], ...]
    scores: tuple[TextScore, ...]
    among: Among = ()


class KeptScores:
    """What was scored, by text and repeat, each as one string of bytes; safe from any thread.

    A value that is the truth itself is not kept a second time, and what many texts have in common
    (paths, sums) is kept once: ten fields take about 100 bytes. `version` tells how many replies
    had come to a text when it was scored.
    """

    def __init__(self, units: int) -> None:
        self._units: list[bytes | None] = [None] * units
        self._more: list[bytes | None] = [None] * units
        self._versions = array("I", bytes(4 * units))
        self._shapes, self._sums, self._outcomes = _Common(), _Common(), _Common()
        self._changing = threading.Lock()

    def get(self, at: int, version: int) -> Scored | None:
        """What is kept of a text; None if nothing is, or more replies have come."""
        # In this order: the bytes that are there are then of this version, or of a later one.
        kept = self._units[at] if self._versions[at] == version else None
        if kept is None:
            return None
        return self._unpack(*marshal.loads(kept))

    def has(self, at: int, version: int) -> bool:
        """Whether `get` finds something."""
        return self._versions[at] == version and self._units[at] is not None

    def put(self, at: int, version: int, scored: Scored) -> None:
        """Keep what was scored when these replies had come."""
        try:
            kept = marshal.dumps(self._pack(scored))
        except ValueError:  # a value of another type than JSON has: scored for each view
            return
        with self._changing:
            # No other thread takes the old bytes for those of this version.
            self._units[at] = self._more[at] = None
            self._versions[at] = version
            self._units[at] = kept

    def get_more(self, at: int, version: int) -> Any:
        """What is known besides of the cells of a text; None if nothing is."""
        more = self._more[at] if self.has(at, version) else None
        return more and marshal.loads(more)

    def put_more(self, at: int, version: int, more: tuple[Any, ...]) -> None:
        """Keep what else is known of the cells of a text, for as long as its scores."""
        kept = marshal.dumps(more)
        with self._changing:
            if self.has(at, version):
                self._more[at] = kept

    def take(self, units: Sequence[int], versions: Sequence[int]) -> KeptScores:
        """Those of these texts (and repeats) for an index of them alone, where they are kept."""
        taken = KeptScores(len(units))
        taken._shapes, taken._sums, taken._outcomes = self._shapes, self._sums, self._outcomes
        for at, (unit, version) in enumerate(zip(units, versions, strict=True)):
            if self.has(unit, version):
                taken._units[at], taken._more[at] = self._units[unit], self._more[unit]
        return taken

    def without(self, units: Iterable[int]) -> KeptScores:
        """The same for results that differ in these texts and repeats."""
        other = KeptScores(0)
        other.__dict__ |= self.__dict__ | {"_changing": threading.Lock()}
        with self._changing:
            other._units, other._more = list(self._units), list(self._more)
            other._versions = self._versions[:]
        for at in units:
            other._units[at] = other._more[at] = None
        return other

    # -- what the bytes are made of --------------------------------------------------------------

    def _pack(self, scored: Scored) -> tuple[Any, ...]:
        scores = {id(each): each for each in scored.scores}
        places = {each: at for at, each in enumerate(scores)}
        layouts: list[tuple[Any, ...]] = []
        return (
            tuple([self._outcomes.number(each) for each in scored.outcomes]),
            scored.facts,
            tuple([places[id(each)] for each in scored.scores]),
            [self._pack_score(each, layouts) for each in scores.values()],
            layouts,
            self._pack_among(scored) if scored.among else None,
        )

    def _unpack(
        self, numbers: Any, facts: Any, places: Any, packs: Any, layouts: Any, among: Any
    ) -> Scored:
        known = [(self._shapes.of(shape), truths) for shape, truths in layouts]
        unpacked = [self._unpack_score(*known[at], *rest) for at, *rest in packs]
        scores = tuple([unpacked[at] for at in places])
        outcomes = tuple([Outcome(*self._outcomes.of(each)) for each in numbers])
        without = self._unpack_among(outcomes, scores, *among or ((), (), ()))
        return Scored(outcomes, facts, scores, without)

    def _pack_score(self, score: TextScore, layouts: list[tuple[Any, ...]]) -> tuple[Any, ...]:
        """The score; its paths and truth go into `layouts`, which other variants share."""
        paths, patterns, given, truths, states, _, parts = (
            zip(*score.cells, strict=True) if score.cells else _NO_CELLS
        )
        codes, values = bytearray(), []
        for state, value, truth in zip(states, given, truths, strict=True):
            if value is NOTHING:
                codes.append(_CODES[state] | _ABSENT)
            elif value is truth:
                codes.append(_CODES[state] | _OF_TRUTH)
            else:
                codes.append(_CODES[state])
                values.append(value)
        known = tuple([... if each is NOTHING else each for each in truths])
        layout = self._shapes.number((paths, patterns)), known
        if layout not in layouts:
            layouts.append(layout)
        lists = tuple([(name, *rows) for name, rows in score.lists.items()])
        sums = self._sums.number((lists, *_SUMS(score)))
        return layouts.index(layout), bytes(codes), values, parts if any(parts) else (), sums

    def _unpack_score(
        self, shape: Any, truths: Any, codes: bytes, values: Any, parts: Any, sums: Any
    ) -> TextScore:
        rest, cells = iter(values), []
        for path, pattern, truth, code in zip(*shape, truths, codes, strict=True):
            if code == _RIGHT:
                cells.append(Cell(path, pattern, truth, truth, "agree", True))
                continue
            state, right = _STATES[code & _STATE]
            value = truth if code & _OF_TRUTH else NOTHING if code & _ABSENT else next(rest)
            known = NOTHING if truth is ... else truth
            cells.append(Cell(path, pattern, value, known, state, right))
        if parts:
            cells = [cell._replace(part=part) for cell, part in zip(cells, parts, strict=True)]
        lists, *figures = self._sums.of(sums)
        rows = {name: Rows(*each) for name, *each in lists}
        return TextScore(tuple(cells), lists=rows, **dict(zip(_FIGURES, figures, strict=True)))

    def _pack_among(self, scored: Scored) -> tuple[Any, ...]:
        """Fields without a label: a value that is a variant's own cell is not written again."""
        own = [{cell.path: cell.value for cell in score.cells} for score in scored.scores]
        codes, values = bytearray(), []
        for path, given in scored.among:
            for each, cells in zip(given, own, strict=True):
                code = _CODES[each.state]
                if each.value is NOTHING:
                    code |= _ABSENT
                elif cells.get(path, NOTHING) is each.value:
                    code |= _OF_CELL
                else:
                    values.append(each.value)
                codes.append(code)
        paths = self._shapes.number((tuple([path for path, _ in scored.among]),))
        return paths, bytes(codes), values

    def _unpack_among(
        self, outcomes: Sequence[Outcome], scores: Sequence[TextScore], paths: Any, codes: Any,
        values: Any,
    ) -> Among:  # fmt: skip
        if not codes:
            return ()
        own = [{cell.path: cell.value for cell in score.cells} for score in scores]
        rest, left, among = iter(values), iter(codes), []
        for path in self._shapes.of(paths)[0]:
            given = []
            for outcome, cells, code in zip(outcomes, own, left, strict=False):
                state, _ = _STATES[code & _STATE]
                value = (
                    NOTHING if code & _ABSENT else cells[path] if code & _OF_CELL else next(rest)
                )
                given.append(
                    VariantValue(state, value, outcome.status if state == "failed" else "")
                )
            among.append((path, tuple(given)))
        return tuple(among)


@measure_once
def kept_scores(results: ResultData) -> KeptScores:
    """What was scored of these results so far."""
    return KeptScores(len(results.texts) * results.repeats)


_STATE, _OF_TRUTH, _OF_CELL, _ABSENT = 15, 16, 32, 64
"""The bits of a cell's code: its state; whether its value is the truth, the cell's, or nothing."""

_CODES: dict[CellState, int] = {state: at for at, state in enumerate(get_args(CellState))}
_STATES = [(state, None if state == "unlabelled" else state == "agree") for state in _CODES]
_NO_CELLS: tuple[tuple[Any, ...], ...] = ((),) * len(Cell._fields)
_RIGHT = _CODES["agree"] | _OF_TRUTH
_FIGURES = tuple(each.name for each in fields(TextScore) if each.name not in ("cells", "lists"))
_SUMS = attrgetter(*_FIGURES)


class _Common:
    """What many texts have in common, by number; once there is too much of it, as it is."""

    _MOST = 200_000

    def __init__(self) -> None:
        self._numbers: dict[tuple[Any, ...], int] = {}
        self._listed: list[tuple[Any, ...]] = []
        self._size = 0
        self._adding = threading.Lock()

    def number(self, value: tuple[Any, ...]) -> int | tuple[Any, ...]:
        """The number of a value, which stands for it from now on."""
        number = self._numbers.get(value)
        if number is not None:
            return number
        with self._adding:
            if value in self._numbers:
                return self._numbers[value]
            if self._size >= self._MOST:
                return value
            self._size += sum([len(each) for each in value if isinstance(each, tuple)], 1)
            self._listed.append(value)
            number = self._numbers[value] = len(self._listed) - 1
            return number

    def of(self, number: int | tuple[Any, ...]) -> tuple[Any, ...]:
        """The value that a number stands for."""
        return self._listed[number] if isinstance(number, int) else number
