"""Slices: the texts of a comparison by their metadata, and what is measured of each slice."""

from __future__ import annotations

import re
from array import array
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any
from unicodedata import normalize

from llmwidgets.analysis.statistics.intervals import FEWEST_TEXTS
from llmwidgets.comparison.core import CellKey, ResultData, Results
from llmwidgets.comparison.measures.aggregate import Accumulator, adopt_aggregates, aggregate
from llmwidgets.comparison.measures.kept_scores import kept_scores
from llmwidgets.comparison.measures.text_result import read_text_results
from llmwidgets.comparison.records import with_points
from llmwidgets.comparison.values import Scalar, to_scalar
from llmwidgets.errors import FieldError
from llmwidgets.formatting import count, join_listed, join_truncated
from llmwidgets.schemas.canonical import find_meant

if TYPE_CHECKING:
    import pandas as pd

    from llmwidgets.comparison.texts import TextSource
    from llmwidgets.engine.extraction import Extraction
    from llmwidgets.engine.journal import Row
    from llmwidgets.engine.request_builder import Document

By = str | Sequence[str]
"""The name of a column of the texts, or several: each combination that there is, is a slice."""

NO_VALUE = "(none)"
"""The slice of the texts whose cell is empty."""
GROUP = "group"
"""The name by which the groups of `compare` are slices, whatever their column is called."""

MOST_VALUES = 12
"""From more different numbers or days on, slices are bands; a page shows as many values."""
_BANDS = 4

_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?")
"""A number as a table writes it; a code with zeros in front is not one."""
_DAY = re.compile(r"\d{4}-\d\d-\d\d(?:[T ].*)?")


@dataclass(frozen=True, slots=True)
class Slice:
    """The texts with one value in each column, by their places; a band's value is its name."""

    values: tuple[Scalar, ...]
    texts: Sequence[int]

    @property
    def name(self) -> str:
        return " · ".join(map(str, self.values))

    @property
    def places(self) -> frozenset[int]:
        return frozenset(self.texts)


def column_names(texts: Iterable[Document | TextSource]) -> tuple[str, ...]:
    """What texts can be sliced by, in the order of their columns."""
    names: dict[str, None] = {}
    grouped = False
    for text in texts:
        names |= dict.fromkeys(text.metadata)
        grouped = grouped or bool(text.group)
    return tuple(names | ({GROUP: None} if grouped else {}))


def slice_texts(results: ResultData, by: By) -> tuple[Slice, ...]:
    """The slices, all texts in them: the largest first, numbers and days in their order.

    More than 12 different numbers or days are put into bands of about equally many texts. The
    texts without a value are the last one. FieldError for an unknown name.
    """
    names = read_names(by, column_names(results.texts))
    columns = [_slice_column(results, name) for name in names]
    if len(columns) == 1:
        return columns[0]
    places: dict[int, tuple[Scalar, ...]] = dict.fromkeys(range(len(results.texts)), ())
    ranks: dict[tuple[Scalar, ...], tuple[int, ...]] = {(): ()}
    for column in columns:
        for rank, each in enumerate(column):
            for at in each.texts:
                before = places[at]
                places[at] = (*before, *each.values)
                ranks[places[at]] = (*ranks[before], rank)
    found: dict[tuple[Scalar, ...], array[int]] = {}
    for at, values in places.items():
        found.setdefault(values, array("I")).append(at)
    return tuple(Slice(values, found[values]) for values in sorted(found, key=ranks.__getitem__))


def read_names(by: Any, known: Sequence[str], asked: str = "by") -> tuple[str, ...]:
    """The columns that `by` names; FieldError, with the nearest, where they are not known."""
    several = isinstance(by, Iterable) and not isinstance(by, str | set | frozenset)
    names = tuple(by) if several else (by,)
    hint = f"Name one of {join_truncated(known, 12)}."
    if not known:
        hint = "Give texts as dicts, a DataFrame or a table, with a column to slice them by."
    if not names or not all(isinstance(each, str) for each in names):
        raise FieldError({asked: "is not the name of a column."}, hint)
    if unknown := [each for each in names if each not in known]:
        problem = f"the texts have no column or key {unknown[0]}.{_meant(unknown[0], known)}"
        raise FieldError({asked: problem}, hint)
    return tuple(dict.fromkeys(names))


def _meant(name: str, known: Iterable[str]) -> str:
    near = find_meant(name, list(known))
    return f" Did you mean {near[0]}?" if near else ""


def _values(results: ResultData, name: str) -> list[Scalar | None]:
    if name == GROUP and any(text.group for text in results.texts):
        return [text.group or None for text in results.texts]
    return [text.metadata.get(name) for text in results.texts]


def _slice_column(results: ResultData, column: str) -> tuple[Slice, ...]:
    """The slices of one column; what reads alike (7 and "7") is one."""
    values = _values(results, column)
    found: dict[str, array[int]] = {}
    known: dict[str, Scalar] = {}
    for at, value in enumerate(values):
        name = _name_value(value)
        found.setdefault(name, array("I")).append(at)
        known.setdefault(name, name if value is None else value)
    none = found.pop(NO_VALUE, None)
    # What groups are called says nothing about them, also where it is a number.
    ranks = None if column == GROUP else _rank([known[name] for name in found])
    if ranks is None:
        parts = [Slice((known[name],), found[name]) for name in found]
        parts.sort(key=lambda each: (-len(each.texts), str(each.values[0])))
    else:
        order = sorted(zip(ranks, found, strict=True))
        parts = [Slice((known[name],), found[name]) for _, name in order]
        if len(parts) > MOST_VALUES:
            parts = list(_put_in_bands(parts))
    return (*parts, *([Slice((NO_VALUE,), none)] if none is not None else []))


def fold_slices(slices: Sequence[Slice], most: int = MOST_VALUES) -> tuple[Slice, ...]:
    """The largest slices as they are, all others as one, the texts without a value last."""
    whole = [each for each in slices if each.values != (NO_VALUE,)]
    if len(whole) <= most:
        return tuple(slices)
    rest = array("I", sorted(at for each in whole[most:] for at in each.texts))
    others = Slice((f"{len(whole) - most:,} others",), rest)
    return (*whole[:most], others, *slices[len(whole) :])


def _rank(values: Sequence[Scalar]) -> Sequence[float] | Sequence[str] | None:
    """What puts numbers or days in order; None for other values."""
    if any(isinstance(each, bool) for each in values):
        return None
    words = [each if isinstance(each, str) else str(each) for each in values]
    if words and all(map(_DAY.fullmatch, words)):
        return words
    if any(isinstance(each, str) for each in values):
        words = with_points(words) or words
        return [*map(float, words)] if all(map(_NUMBER.fullmatch, words)) else None
    return [float(each) for each in values]


def _put_in_bands(parts: Sequence[Slice]) -> Iterator[Slice]:
    """Values in their order as bands; texts with the same value stay together."""
    left, bands = sum(len(each.texts) for each in parts), _BANDS
    band, size = list[Slice](), 0
    for at, each in enumerate(parts):
        band.append(each)
        size += len(each.texts)
        # The bands that are still to be filled share what is left, and are not too small to tell.
        share = left / max(1, min(bands, left // FEWEST_TEXTS))
        if size >= share or at == len(parts) - 1:
            texts = array("I", sorted(at for each in band for at in each.texts))
            yield Slice((_name_band(band[0].name, band[-1].name),), texts)
            left, bands, band, size = left - size, bands - 1, [], 0


def _name_band(low: str, high: str) -> str:
    if low == high:
        return low
    # A dash would read as a minus, or as a part of a day.
    return f"{low} to {high}" if "-" in f"{low}{high}" else f"{low}–{high}"


# -- The comparison of some texts alone.


def where(results: Results, /, **columns: Any) -> Results:
    """The comparison of the texts with these values: `where(vendor="ACME")`. Nothing is called.

    A column is given with a value, a list of values, None for the texts without one, what
    `scoreboard(by=…)` calls a slice (such as a band), or a function of the value, which is None
    where there is none. A look at its verdict is not one at the whole. FieldError where no text
    fits.

    >>> result.where(vendor="ACME", total=lambda total: total and total > 900)  # doctest: +SKIP
    """
    if not columns:
        raise FieldError("where has no column.", "Give one with its value: where(vendor=…).")
    texts = range(len(results.texts))
    kept = set(texts)
    for name, wanted in columns.items():
        kept &= _find_texts(results, name, wanted)
    if not kept:
        raise FieldError(
            f"No text has what is asked of {join_listed([*columns])}.", "Ask for less."
        )
    return take_texts(results, [at for at in texts if at in kept], ", ".join(columns))


def _find_texts(results: ResultData, name: str, wanted: Any) -> set[int]:
    read_names(name, column_names(results.texts), "where")
    values = _values(results, name)
    if callable(wanted):
        return set(_ask_function(results, name, wanted, values))
    one = isinstance(wanted, str | bytes) or not isinstance(wanted, Iterable)
    listed = [wanted] if one or getattr(wanted, "ndim", 1) == 0 else wanted
    asked = [_name_value(to_scalar(each)) for each in listed]
    slices = {each.name: each.texts for each in _slice_column(results, name)}
    found: dict[str, list[int]] = {name: [] for name in asked}
    for at, value in enumerate(values):
        if (own := _name_value(value)) in found:
            found[own].append(at)
    if unknown := [each for each in asked if not found[each] and each not in slices]:
        raise FieldError(
            {name: f"no text has {unknown[0]}.{_meant(unknown[0], slices)}"},
            f"There are {join_truncated(slices, 12)}.",
        )
    return {at for each in asked for at in found[each] or slices[each]}


def _ask_function(
    results: ResultData, name: str, wanted: Callable[[Any], Any], values: Iterable[Any]
) -> Iterator[int]:
    """The places of the values that a function of the user's takes."""
    for at, value in enumerate(values):
        try:
            taken = bool(wanted(value))
        except Exception as error:
            problem = f"the function raised {type(error).__name__} for {results.texts[at].id}."
            hint = "The value of a text without one is None."
            raise FieldError({name: problem}, hint) from error
        if taken:
            yield at


def _name_value(value: Scalar | None) -> str:
    # An accent that is a letter of its own (file names of a Mac have such) is read like any other.
    return NO_VALUE if value is None else normalize("NFC", str(value))


def take_texts(results: Results, texts: Sequence[int], by: str) -> Results:
    """The same replies to these texts alone, by their places; `by` says how they were chosen."""
    places, ids = array("I", texts), {results.texts[at].id for at in texts}
    repeats = range(results.repeats)
    units = [at * len(repeats) + repeat for at in places for repeat in repeats]
    versions = [*map(results.rows.version, units)]
    rows = results.rows.take(places)

    def read(row: Row, cell: CellKey) -> Extraction:
        return results.read(row, cell._replace(text=places[cell.text]))

    part = replace(
        results,
        texts=tuple(results.texts[at] for at in places),
        rows=rows,
        read=read,
        label_log=tuple(each for each in results.label_log if each.text_id in ids),
        looks=set(),
        slice_by=", ".join(dict.fromkeys(filter(None, (results.slice_by, by)))),
    )
    # Where a reply came meanwhile, the part may have it, and its text is scored again.
    now = map(results.rows.version, units)
    same = [each if each == new else -1 for each, new in zip(versions, now, strict=True)]
    part._measured[kept_scores] = kept_scores(results).take(units, same)
    return part


def read_parts(
    results: Results, slices: Sequence[Slice], by: str
) -> Iterator[tuple[Slice, Results]]:
    """Each slice as a comparison that is summed up already: no text is read twice."""
    for each in slices:
        part = take_texts(results, each.texts, by)
        sums = Accumulator(part)
        for place, at in enumerate(each.texts):
            for result in read_text_results(results, at):
                sums.add(result, text=place)
        adopt_aggregates(part, sums.aggregates)
        yield each, part


# -- Frames by slice.


def frame_by(
    results: ResultData, by: By, measure: Callable[[ResultData], pd.DataFrame]
) -> pd.DataFrame:
    """What is measured of each slice, one below the other, the columns of the slices first.

    A column that the frame has itself (`model`) is called `text_model`.
    """
    import pandas as pd

    names = read_names(by, column_names(results.texts))
    slices = slice_texts(results, names)
    frames, notes, sizes = [], Counter[str](), list[int]()
    for each, part in read_parts(results, slices, ", ".join(names)):
        frame = measure(part)
        own = frame.attrs.get("notes", [])
        notes.update(own)
        sizes.append(scored_texts(part))
        columns = zip(_set_apart(names, frame.columns), each.values, strict=True)
        for place, (name, value) in enumerate(columns):
            frame.insert(place, name, [value] * len(frame))
        frames.append((each.name, frame, own))
    whole = pd.concat([frame for _, frame, _ in frames], ignore_index=True)
    shared = [note for note, times in notes.items() if times == len(slices)]
    whole.attrs["notes"] = [
        *shared,
        *slice_notes(slices, sizes),
        *(f"{name}: {note}" for name, _, own in frames for note in own if note not in shared),
    ]
    return whole


def _set_apart(names: Sequence[str], taken: Iterable[str]) -> list[str]:
    """The names, each that is taken with `text_` before it, as often as it needs to be alone."""
    taken, apart = {*taken}, []
    known = taken | {*names}
    for name in names:
        own = name
        while own in (known if own != name else taken):
            own = f"text_{own}"
        known.add(own)
        apart.append(own)
    return apart


def scored_texts(part: ResultData) -> int:
    """How many of its texts were scored for some variant; of all where none is labelled."""
    scored = {name for stats in aggregate(part).stats for name in stats.scores}
    return len(scored) or len(part.texts)


def slice_notes(slices: Sequence[Slice], sizes: Sequence[int]) -> tuple[str, ...]:
    """What to know of slices before concluding anything: those with few texts, and chance."""
    few = [
        f"{each.name} ({count(size, 'text')})"
        for each, size in zip(slices, sizes, strict=True)
        if size < FEWEST_TEXTS
    ]
    notes = []
    if few:
        notes.append(f"Too few texts to tell, under {FEWEST_TEXTS}: {join_truncated(few)}.")
    return (*notes, *filter(None, [chance_note(len(slices))]))


def chance_note(slices: int) -> str:
    """A sentence on how many slices were looked at; empty for one."""
    if slices < 2:
        return ""
    return (
        f"Each interval holds for its slice alone: among {slices:,} slices, some differences come "
        "by chance."
    )


def metadata_frame(results: ResultData) -> pd.DataFrame:
    """One row per text: text_id, and each further column or key that its row had."""
    import pandas as pd

    names = list(dict.fromkeys(name for text in results.texts for name in text.metadata))
    frame = pd.DataFrame([dict(text.metadata) for text in results.texts], columns=pd.Index(names))
    frame.columns = pd.Index(_set_apart(names, ["text_id"]))
    frame.insert(0, "text_id", [text.id for text in results.texts])
    return frame
