"""The rows the grid shows: every field of every text with the state of each variant's cell."""

from __future__ import annotations

import json
import math
import threading
import time
from collections import Counter
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, TypeVar, cast

from llmwidgets import formatting
from llmwidgets.analysis.grounding import PAGE_BREAK
from llmwidgets.analysis.leaves import NOTHING, is_empty
from llmwidgets.analysis.same_values import group_values
from llmwidgets.comparison.core import CellKey
from llmwidgets.comparison.measures.aggregate import Accumulator, Aggregates, adopt_aggregates
from llmwidgets.comparison.measures.doubt import read_fields
from llmwidgets.comparison.measures.stability import (
    RepeatedText,
    merge_repeats,
)
from llmwidgets.comparison.measures.text_result import (
    DISAGREEING,
    FieldResult,
    TextResult,
    comparator_of,
    read_text_results,
)
from llmwidgets.errors import FAILURES, ReplyError
from llmwidgets.formatting import escape_controls
from llmwidgets.widgets.panel import Content, words_in

if TYPE_CHECKING:
    from llmwidgets.analysis.comparators import FieldComparator
    from llmwidgets.comparison.comparison import Comparison
    from llmwidgets.comparison.measures.kept_scores import VariantValue
    from llmwidgets.comparison.measures.text_result import Flag, TextGrounding
    from llmwidgets.engine.request_builder import Document
    from llmwidgets.schemas import Leaf, Schema


T = TypeVar("T")

_KEPT = 200
_BEGIN = 10_000
"""The characters in which a text says what it is."""

CHUNK = 10
"""How many texts the page is sent at once; `layout.ts` asks for as many."""


@dataclass(frozen=True, slots=True)
class FieldState:
    """What the index keeps of a field: enough to filter and sort, no value but for search.

    With repeats, the state of a variant is that of its most frequent value; `unstable` says that
    a variant's repeats differ. `among` is "among" where models differ, "against" where all that
    answered say the same and the truth says something else, "" else.
    """

    path: str
    pattern: str
    states: tuple[str, ...]
    words: str
    among: str = ""
    unstable: bool = False

    @property
    def disagreeing(self) -> int:
        """How many variants say something else."""
        return sum(state in DISAGREEING for state in self.states)


@dataclass(frozen=True, slots=True)
class TextRow:
    """One text, all its repeats, with its fields and the variants that failed there.

    `failed` are those of which no repeat brought a record, `partly` those of which some did not.
    `waiting` have not been asked yet, while a run goes on; `to_come` is how many repeats of each
    variant have not.
    """

    text: int
    fields: tuple[FieldState, ...]
    failed: tuple[int, ...]
    waiting: tuple[int, ...] = ()
    partly: tuple[int, ...] = ()
    to_come: tuple[int, ...] = ()

    @property
    def disagreeing(self) -> int:
        """In how many fields variants say something else."""
        return sum(field.disagreeing > 0 for field in self.fields)

    @property
    def unstable(self) -> int:
        """In how many fields a variant's repeats differ."""
        return sum(field.unstable for field in self.fields)


class GridIndex:
    """The fields of a whole comparison by state: what is counted, filtered and laid out.

    `grow` reads texts until its time is up, so that the first rows show while the rest is read;
    what it reads is summed up too, so that no text is scored a second time for the scoreboard.
    `changes` counts what was read. Values are read again from the comparison when a row comes into
    sight. `labels` says where a truth that was made while reading came from, and in place of
    which, by text and path.
    """

    def __init__(self, comparison: Comparison, *, live: bool = False) -> None:
        self.comparison = comparison
        self.units: list[TextRow] = []
        self.total = len(comparison.texts)
        self._names = [text.id.casefold() for text in comparison.texts]
        self._sums: Counter[str] = Counter()
        self.labels: dict[tuple[int, str], tuple[str, str]] = {}
        self._patterns: dict[str, None] = {}
        self._kept: dict[int, RepeatedText] = {}
        self._scored = Accumulator(comparison)
        self._growing = threading.RLock()
        self.live = live
        self.changes = 0

    @property
    def whole(self) -> bool:
        """Whether every text has been read."""
        return len(self.units) == self.total

    def place(self, at: int) -> CellKey:
        """The text of a unit, read already or not; its first repeat."""
        return CellKey(0, at, 0)

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
            if self.whole:
                return None
            texts, whole = len(self.units), self.comparison
            part = replace(whole, texts=whole.texts[:texts], rows=whole.rows.first(texts))
            adopt_aggregates(part, lambda: self._scored.aggregates(texts * whole.repeats))
            return part

    def answers(self, at: int) -> RepeatedText:
        """The fields of one text by variant; the last few texts are remembered."""
        return self._kept.get(at) or self._keep(at, read_text_results(self.comparison, at))

    def field(self, at: int, path: str) -> FieldResult | None:
        """One field of a text, also one without a label that only one variant answered."""
        fields = (self.answers(at).values, read_fields(self.comparison, at))
        return next((each for some in fields for each in some if each.path == path), None)

    def _keep(self, at: int, repeats: Sequence[TextResult]) -> RepeatedText:
        if len(self._kept) >= _KEPT:
            self._kept.clear()
        kept = self._kept[at] = merge_repeats(self.comparison, repeats)
        return kept

    def _unit(self, at: int) -> TextRow:
        rows, variants = self.comparison.rows, range(len(self.comparison.variants))
        # Looked up before the replies are read: one that comes meanwhile is counted next time.
        asked = [
            [not self.live or bool(rows.id(CellKey(each, at, repeat))) for each in variants]
            for repeat in range(self.comparison.repeats)
        ]
        repeats = read_text_results(self.comparison, at)
        for result, known in zip(repeats, asked, strict=True):
            self._scored.add(result, known)
        values = self._keep(at, repeats).values
        self._patterns.update(dict.fromkeys(field.pattern for field in values))
        comparing = comparator_of(repeats[0].document.schema, self.comparison.scoring)
        to_come = [sum(not each[variant] for each in asked) for variant in variants]
        silent = [each for each in variants if _is_silent(values, repeats, each)]
        return TextRow(
            at,
            tuple(_field_state(field, comparing) for field in values),
            failed=tuple(each for each in silent if not to_come[each]),
            waiting=tuple(each for each in silent if to_come[each]),
            partly=tuple(
                each
                for each in variants
                if each not in silent and count_failed(values[:1], each) > to_come[each]
            ),
            to_come=tuple(to_come) if any(to_come) else (),
        )

    @property
    def answered(self) -> int:
        """How many texts have something to show; all that were read unless a run goes on."""
        return self._sums["answered"] if self.live else len(self.units)

    def again(self, comparison: Comparison, texts: Iterable[int]) -> list[int]:
        """Take a comparison in that differs in these texts only; the units read anew."""
        with self._growing:
            before, self.comparison = self.comparison, comparison
            read = []
            for at in texts:
                self._kept.pop(at, None)
                if at >= len(self.units):
                    continue
                if before.texts[at] is not comparison.texts[at]:
                    old, new = (read_text_results(each, at) for each in (before, comparison))
                    self._scored.score_again(old, new)
                fresh = self._unit(at)
                self._sums.subtract(_sums(self.units[at]))
                self._sums.update(_sums(fresh))
                self.units[at] = fresh
                self.changes += 1
                read.append(at)
            return read

    def counts(self, texts: Container[int] | None = None) -> dict[str, int]:
        """Rows, rows that disagree, rows by what models say among themselves, cells by state.

        Those of these texts, by their places, or of all. A field of a text is one row and a cell
        for each variant, however often the text was asked: a cell counts by its most frequent
        value, and as failed too if some repeat failed. `unstable` rows are those in which a
        variant's repeats differ.
        """
        sums = self._sums
        if texts is not None:
            sums = Counter[str]()
            for unit in list(self.units):
                if unit.text in texts:
                    sums.update(_sums(unit))
        states = ("agree", "differ", "missing", "invented", "null in words", "failed")
        names = (*states, "rows", "disagree", AMONG, AGAINST, UNSTABLE)
        return {name: sums[name] for name in names}

    def patterns(self) -> list[str]:
        """The schema paths that have rows, in the order they were met."""
        return list(self._patterns)

    def unlabelled(self, texts: Iterable[int] | None = None) -> int:
        """How many texts, of these or of all, have no truth yet."""
        own = self.comparison.texts
        return sum(own[at].truth is NOTHING for at in (range(len(own)) if texts is None else texts))

    def layout(self, wanted: Filter) -> list[Shown]:
        """The texts to show; those with most disagreement first, else in their own order."""
        units, texts = list(self.units), self.comparison.texts
        shown = [
            each
            for at, unit in enumerate(units)
            if (wanted.texts is None or unit.text in wanted.texts)
            and (wanted.only != "unlabelled" or texts[unit.text].truth is NOTHING)
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
            if wanted.texts is None or unit.text in wanted.texts
            for field in unit.fields
        )


def _is_silent(values: Sequence[FieldResult], repeats: Sequence[TextResult], variant: int) -> bool:
    if values:
        return values[0].values[variant].state == "failed"
    return all(each.statuses[variant] != "ok" for each in repeats)


def count_failed(values: Sequence[FieldResult], variant: int) -> int:
    """In how many repeats the first of these fields failed; 0 without repeats."""
    shown = values[0].values[variant] if values else None
    given = shown.given if shown else ()
    return sum(each.state == "failed" for each in given)


def _field_state(field: FieldResult, comparing: FieldComparator) -> FieldState:
    states = tuple(value.state for value in field.values)
    repeated = [each for each in field.values if each.given]
    values = [each for value in repeated for each in value.given] or field.values
    words = {display_value(each.value) for each in values} | {display_value(field.truth)}
    known = "\n".join(words).casefold()
    unstable = any(each.unstable for each in repeated)
    return FieldState(field.path, field.pattern, states, known, _among(field, comparing), unstable)


def _sums(unit: TextRow) -> Counter[str]:
    sums = Counter(state for field in unit.fields for state in field.states)
    sums.update(field.among for field in unit.fields if field.among)
    sums["rows"] += len(unit.fields)
    sums["disagree"] += unit.disagreeing
    sums["failed"] -= len(unit.waiting) * len(unit.fields)
    sums["failed"] += len(unit.partly) * len(unit.fields) if unit.fields else len(unit.failed)
    sums[UNSTABLE] += unit.unstable
    sums["answered"] += bool(unit.fields or unit.failed)
    return sums


def _among(field: FieldResult, comparing: FieldComparator) -> str:
    answered = [each for each in field.values if each.state != "failed"]
    if all(each.state == "agree" for each in answered):
        return ""
    if len(group_values([each.value for each in answered], field.pattern, comparing)) > 1:
        return AMONG
    return AGAINST if len(answered) > 1 and field.truth is not NOTHING else ""


WHOLE = "all fields"
"""The name of the one row that carries a failure where no field disagrees."""

AMONG, AGAINST = "among", "against"
"""States of a row, not of a cell: models differ; models agree, but not with the truth."""

UNSTABLE = "unstable"
"""The state of a row in which the repeats of a variant differ."""


@dataclass(frozen=True, slots=True)
class Filter:
    """What the page wants to see. `sort` is "loud" or "given".

    `only` is "disagree", "all", or "unlabelled": every row of the texts without truth. `texts` are
    those of the slice that is shown, by their places; None for all.
    """

    only: str = "disagree"
    states: tuple[str, ...] = ()
    field: str = ""
    query: str = ""
    sort: str = "loud"
    texts: frozenset[int] | None = None

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
    if wanted.query == f'"{name}"':  # a text's name in quotes is that text alone
        wanted = replace(wanted, query="")
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
    if unit.partly and not loud and "failed" in states:
        loud = fields
    if not loud and not failed:
        return None
    rows = tuple(field.path for field in loud) or (WHOLE,)
    return Shown(at, rows, tuple(field.path for field in fields if field.path not in rows))


def _has(field: FieldState, states: Sequence[str] | set[str]) -> bool:
    if field.unstable and UNSTABLE in states:
        return True
    return field.among in states or any(state in states for state in field.states)


LONGEST = 400


def leaf_at(field: FieldResult, schema: Schema) -> Leaf | None:
    """The schema's leaf that the field fills."""
    return next((leaf for leaf in schema.leaves if leaf.path == field.pattern), None)


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


def share_of_repeats(value: VariantValue, to_come: int = 0) -> str:
    """How often the value came; `to_come` repeats have not been asked yet."""
    asked = len(value.given) - to_come
    return f"{len(value.groups[0])} of {asked}{' so far' if to_come else ''}"


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


def text_name(text: Document) -> str:
    """The id of a text as a reader sees it."""
    return escape_controls(text.id)


def text_title(text: Document) -> str:
    """The first line of the text that says something, shortened; the mark of a page does not."""
    begin = PAGE_BREAK.sub("\n", text.text[:_BEGIN])
    first = next((line for line in begin.splitlines() if line.strip()), "")
    return formatting.shorten(first, 90)


def may_ask_again(status: str) -> bool:
    """Whether asking again can help: the model itself did not answer."""
    failure = FAILURES.get(status)
    return failure is not None and not issubclass(failure, ReplyError)
