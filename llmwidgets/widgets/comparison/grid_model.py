"""The rows the grid shows: every field of every text with the state of each variant's cell."""

from __future__ import annotations

import json
import math
import threading
import time
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

from llmwidgets import formatting
from llmwidgets.analysis.grounding import PAGE_BREAK
from llmwidgets.analysis.leaves import NOTHING, is_empty
from llmwidgets.comparison.core import CellKey
from llmwidgets.comparison.measures.aggregate import Accumulator, Aggregates, adopt_aggregates
from llmwidgets.comparison.measures.text_result import (
    DISAGREEING,
    FieldResult,
    TextResult,
    read_text_result,
)
from llmwidgets.errors import FAILURES, ReplyError
from llmwidgets.formatting import escape_controls
from llmwidgets.widgets.panel import Content, words_in

if TYPE_CHECKING:
    from llmwidgets.comparison.comparison import Comparison
    from llmwidgets.comparison.measures.kept_scores import VariantValue
    from llmwidgets.comparison.measures.text_result import Flag, TextGrounding
    from llmwidgets.engine.request_builder import Document
    from llmwidgets.schemas import Leaf


T = TypeVar("T")

_KEPT = 200
_BEGIN = 10_000
"""The characters in which a text says what it is."""

CHUNK = 10
"""How many texts the page is sent at once; `layout.ts` asks for as many."""


@dataclass(frozen=True, slots=True)
class FieldState:
    """What the index keeps of a field: enough to filter and sort, no value but for search.

    `among` is "among" where models differ, "against" where all that answered say the same and
    the truth says something else, "" else.
    """

    path: str
    pattern: str
    states: tuple[str, ...]
    words: str
    among: str = ""

    @property
    def disagreeing(self) -> int:
        """How many variants say something else."""
        return sum(state in DISAGREEING for state in self.states)


@dataclass(frozen=True, slots=True)
class TextRow:
    """One text (and repeat) with its fields and the variants that failed there.

    `waiting` are those that have not been asked yet, while a run goes on.
    """

    text: int
    repeat: int
    fields: tuple[FieldState, ...]
    failed: tuple[int, ...]
    waiting: tuple[int, ...] = ()

    @property
    def disagreeing(self) -> int:
        """In how many fields variants say something else."""
        return sum(field.disagreeing > 0 for field in self.fields)


class GridIndex:
    """The fields of a whole comparison by state: what is counted, filtered and laid out.

    `grow` reads texts until its time is up, so that the first rows show while the rest is read;
    what it reads is summed up too, so that no text is scored a second time for the scoreboard.
    `changes` counts what was read. Values are read again from the comparison when a row comes into
    sight. `labels` says where a truth that was made while reading came from, by text and path.
    """

    def __init__(self, comparison: Comparison, *, live: bool = False) -> None:
        self.comparison = comparison
        self.units: list[TextRow] = []
        self.total = len(comparison.texts) * comparison.repeats
        self._names = [text.id.casefold() for text in comparison.texts]
        self._sums: Counter[str] = Counter()
        self.labels: dict[tuple[int, str], str] = {}
        self._patterns: dict[str, None] = {}
        self._kept: dict[int, TextResult] = {}
        self._scored = Accumulator(comparison)
        self._growing = threading.RLock()
        self.live = live
        self.changes = 0

    @property
    def whole(self) -> bool:
        """Whether every text has been read."""
        return len(self.units) == self.total

    def place(self, at: int) -> CellKey:
        """The text and repeat of a unit, read already or not."""
        text, repeat = divmod(at, self.comparison.repeats)
        return CellKey(0, text, repeat)

    def read_first(self) -> None:
        """Read as many texts as the page is sent at once, or all there are."""
        while len(self.units) < min(CHUNK, self.total):
            self.grow(0)

    def grow(self, seconds: float = math.inf) -> None:
        """Read texts for about `seconds`, at least one."""
        until = time.monotonic() + seconds
        while True:
            with self._growing:
                if self.whole:
                    return
                unit = self._unit(len(self.units))
                self._sums.update(_sums(unit))
                self.units.append(unit)
                self.changes += 1
            if time.monotonic() >= until:
                return

    def reading(self) -> Aggregates:
        """The sums over every text; what is not read yet is read first."""
        self.grow()
        with self._growing:
            return self._scored.aggregates()

    def so_far(self) -> Comparison | None:
        """The texts that were read, as a comparison with its sums; None once that is all."""
        with self._growing:
            while len(self.units) % self.comparison.repeats:
                self.grow(0)
            if self.whole:
                return None
            texts, whole = len(self.units) // self.comparison.repeats, self.comparison
            part = replace(whole, texts=whole.texts[:texts], rows=whole.rows.first(texts))
            adopt_aggregates(part, lambda: self._scored.aggregates(len(self.units)))
            return part

    def answers(self, at: int) -> TextResult:
        """The fields of one text (and repeat) by variant; the last few texts are remembered."""
        kept = self._kept.get(at)
        if kept is None:
            kept = read_text_result(self.comparison, *divmod(at, self.comparison.repeats))
            if len(self._kept) >= _KEPT:
                self._kept.clear()
            self._kept[at] = kept
        return kept

    def _unit(self, at: int) -> TextRow:
        text, repeat = divmod(at, self.comparison.repeats)
        # Looked up before the replies are read: one that comes meanwhile is counted next time.
        keys = [CellKey(each, text, repeat) for each in range(len(self.comparison.variants))]
        asked = [not self.live or bool(self.comparison.rows.id(key)) for key in keys]
        if self.live:
            self._kept.pop(at, None)
        answers = self.answers(at)
        self._scored.add(answers, asked)
        self._patterns.update(dict.fromkeys(field.pattern for field in answers.values))
        first = answers.values[0].values if answers.values else ()
        silent = [
            each
            for each, status in enumerate(answers.statuses)
            if (first[each].state == "failed" if first else status != "ok")
        ]
        return TextRow(
            text,
            repeat,
            tuple(_field_state(field) for field in answers.values),
            failed=tuple(each for each in silent if asked[each]),
            waiting=tuple(each for each in silent if not asked[each]),
        )

    @property
    def answered(self) -> int:
        """How many texts have something to show; all that were read unless a run goes on."""
        return self._sums["answered"] if self.live else len(self.units)

    def again(self, comparison: Comparison, texts: Iterable[int]) -> list[int]:
        """Take a comparison in that differs in these texts only; the units read anew."""
        repeats = comparison.repeats
        with self._growing:
            before, self.comparison = self.comparison, comparison
            read = []
            for text in texts:
                units = range(text * repeats, (text + 1) * repeats)
                for at in units:
                    self._kept.pop(at, None)
                units = range(units.start, min(units.stop, len(self.units)))
                if before.texts[text] is not comparison.texts[text] and units:
                    old, new = (
                        [read_text_result(each, text, at % repeats) for at in units]
                        for each in (before, comparison)
                    )
                    self._scored.score_again(old, new)
                for at in units:
                    fresh = self._unit(at)
                    self._sums.subtract(_sums(self.units[at]))
                    self._sums.update(_sums(fresh))
                    self.units[at] = fresh
                    self.changes += 1
                    read.append(at)
            return read

    def counts(self) -> dict[str, int]:
        """Rows, rows that disagree, rows by what models say among themselves, cells by state."""
        states = ("agree", "differ", "missing", "invented", "null in words", "failed")
        return {name: self._sums[name] for name in (*states, "rows", "disagree", AMONG, AGAINST)}

    def patterns(self) -> list[str]:
        """The schema paths that have rows, in the order they were met."""
        return list(self._patterns)

    @property
    def unlabelled(self) -> int:
        """How many texts have no truth yet."""
        return sum(text.truth is NOTHING for text in self.comparison.texts)

    def layout(self, wanted: Filter) -> list[Shown]:
        """The texts to show; those with most disagreement first, else in their own order."""
        units, texts = list(self.units), self.comparison.texts
        shown = [
            each
            for at, unit in enumerate(units)
            if (wanted.only != "unlabelled" or texts[unit.text].truth is NOTHING)
            and (each := _shown(at, unit, self._names[unit.text], wanted))
        ]
        if wanted.only != "all" and wanted.sort == "loud":
            shown.sort(
                key=lambda each: (-units[each.unit].disagreeing, -len(units[each.unit].failed))
            )
        return shown

    def matching_elsewhere(self, wanted: Filter) -> int:
        """How many rows the search finds in fields other than the chosen one."""
        return sum(
            wanted.query in field.words and field.pattern != wanted.field
            for unit in list(self.units)
            for field in unit.fields
        )


def _field_state(field: FieldResult) -> FieldState:
    states = tuple(value.state for value in field.values)
    words = {display_value(each.value) for each in field.values} | {display_value(field.truth)}
    known = "\n".join(words).casefold()
    return FieldState(field.path, field.pattern, states, known, _among(field))


def _sums(unit: TextRow) -> Counter[str]:
    sums = Counter(state for field in unit.fields for state in field.states)
    sums.update(field.among for field in unit.fields if field.among)
    sums["rows"] += len(unit.fields)
    sums["disagree"] += unit.disagreeing
    sums["failed"] -= len(unit.waiting) * len(unit.fields)
    sums["failed"] += 0 if unit.fields else len(unit.failed)
    sums["answered"] += bool(unit.fields or unit.failed)
    return sums


def _among(field: FieldResult) -> str:
    answered = [each for each in field.values if each.state != "failed"]
    if all(each.state == "agree" for each in answered):
        return ""
    alike = len({display_value(each.value).strip().casefold() for each in answered}) == 1
    if not alike:
        return AMONG
    return AGAINST if len(answered) > 1 and field.truth is not NOTHING else ""


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

    @classmethod
    def read(cls, content: Content) -> Filter:
        """The filter out of a message of the page."""
        return cls(
            only=only if (only := content.get("only")) in ("all", "unlabelled") else "disagree",
            states=tuple(words_in(content, "states")),
            field=str(content.get("field") or ""),
            query=str(content.get("query") or "").strip().casefold(),
            sort="given" if content.get("sort") == "given" else "loud",
        )


@dataclass(frozen=True, slots=True)
class Shown:
    """One text of a layout: the rows that are open and those that are folded."""

    unit: int
    loud: tuple[str, ...]
    quiet: tuple[str, ...]

    def after(self, unit: TextRow) -> Shown:
        """The same text when its fields changed: what was open stays open."""
        paths = [field.path for field in unit.fields]
        loud = [path for path in self.loud if path in paths]
        quiet = [path for path in self.quiet if path in paths]
        fresh = [path for path in paths if path not in loud and path not in quiet]
        return Shown(self.unit, (*loud, *fresh) or (WHOLE,), tuple(quiet))


def _shown(at: int, unit: TextRow, name: str, wanted: Filter) -> Shown | None:
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
    states = wanted.states or tuple(DISAGREEING)
    loud = sorted(
        (field for field in fields if _has(field, set(states) - {"failed"})),
        key=lambda field: -field.disagreeing,
    )
    failed = bool(unit.failed) and not wanted.field and (not wanted.states or "failed" in states)
    if not loud and not failed:
        return None
    rows = tuple(field.path for field in loud) or (WHOLE,)
    return Shown(at, rows, tuple(field.path for field in fields if field.path not in rows))


def _has(field: FieldState, states: Sequence[str] | set[str]) -> bool:
    return field.among in states or any(state in states for state in field.states)


LONGEST = 400


def leaf_at(field: FieldResult, text: Document) -> Leaf | None:
    """The schema's leaf that the field fills."""
    return next((leaf for leaf in text.schema.leaves if leaf.path == field.pattern), None)


def grounding_flag(field: FieldResult, variant: int, grounds: TextGrounding) -> Flag:
    """What to note next to a value that was not found in its text."""
    value = field.values[variant]
    if value.state in ("failed", "missing", "null in words"):
        return ""
    return grounds.flag(value.value, field.pattern, variant)


def truth_cell(truth: Any) -> list[str]:
    """The truth as a cell: its words, and whether it is a value, none, or not labelled."""
    if truth is NOTHING:
        return ["not labelled", "blank"]
    if truth is None:
        return ["none", "none"]
    return [formatting.shorten(display_value(truth), LONGEST), "value"]


def display_value(value: Any, nothing: str = "") -> str:
    """A value as a reader sees it: text as it is, everything else as JSON."""
    if value is None or value is NOTHING:
        return nothing
    if value == "":
        return "“”"
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def value_words(given: VariantValue) -> str:
    """A variant's value for a field: words for nothing too, where it did not leave it out."""
    if given.state == "missing" and is_empty(given.value):
        return "no value"
    return display_value(given.value, "none")


def spell_out(view: T) -> T:
    """What a view shows, its controls spelled out; a `path` comes back from the page as it is."""
    shown: Any = view
    if isinstance(view, dict):
        shown = {name: each if name == "path" else spell_out(each) for name, each in view.items()}
    elif isinstance(view, list | tuple):
        shown = [spell_out(each) for each in view]
    elif isinstance(view, str):
        shown = escape_controls(view)
    return cast("T", shown)


def text_name(text: Document, repeat: int, repeats: int) -> str:
    """The id of a text, and which repeat where there are several."""
    return escape_controls(f"{text.id} · {repeat + 1}" if repeats > 1 else text.id)


def text_title(text: Document) -> str:
    """The first line of the text that says something, shortened; the mark of a page does not."""
    begin = PAGE_BREAK.sub("\n", text.text[:_BEGIN])
    first = next((line for line in begin.splitlines() if line.strip()), "")
    return formatting.shorten(first, 90)


def may_ask_again(status: str) -> bool:
    """Whether asking again can help: the model itself did not answer."""
    failure = FAILURES.get(status)
    return failure is not None and not issubclass(failure, ReplyError)
