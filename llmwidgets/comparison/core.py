"""The results below a comparison: every extraction of every variant, read from a journal."""

from __future__ import annotations

import json
import threading
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial, wraps
from itertools import product, starmap
from os import PathLike
from typing import TYPE_CHECKING, Any, Literal, NamedTuple, TypeVar, cast, get_args

from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.comparison.files import read_labels
from llmwidgets.comparison.files.hugging_face import read_data_set
from llmwidgets.comparison.files.names import has_table_name, names_file
from llmwidgets.comparison.records import follow_ids, is_frame, read_records
from llmwidgets.comparison.texts import TextNames, align, file_notes, pandas_index, row_names
from llmwidgets.comparison.truth import Correction
from llmwidgets.comparison.values import (
    decode_text,
    find_repeated,
    is_bytes,
    is_empty_cell,
    name_of,
    to_jsonable,
    whole_text,
)
from llmwidgets.comparison.variants import Variant
from llmwidgets.engine.extraction import Extraction, RecordLater, facts_of, read_extraction
from llmwidgets.engine.journal import NO_OUTPUT, Journal, Row
from llmwidgets.errors import FieldError, InvalidJSON, InvalidRecord, Stopped
from llmwidgets.formatting import count, join_truncated, with_article
from llmwidgets.schemas import choose_schema, parse_json

if TYPE_CHECKING:
    from llmwidgets.engine.request_builder import Document, ResolvedVariant
    from llmwidgets.engine.run import Run
    from llmwidgets.schemas import Schema

Results = TypeVar("Results", bound="ResultData")
Measure = TypeVar("Measure", bound=Callable[..., Any])

Rules = Mapping[str, Any] | None
"""Rules of scoring by path, "" for the whole record; None for the default rules."""

Scoring = Rules | Callable[..., Any]
"""The same, or a function that scores the whole record."""

_NOT_ASKED = Row.of_failure(
    "", Stopped("The run was stopped before this text's turn.", "Run it again to go on."), at=0.0
)


class CellKey(NamedTuple):
    """One extraction of a comparison, counted from 0."""

    variant: int
    text: int
    repeat: int


class ResultIndex:
    """The journal's row id of each cell, 9 bytes each; 0 for a cell that was not asked yet.

    >>> rows = ResultIndex(2, 3, 1)
    >>> rows.put(CellKey(1, 2, 0), 7)
    >>> rows.id(CellKey(1, 2, 0)), rows.id(CellKey(0, 0, 0)), len(rows)
    (7, 0, 6)
    """

    __slots__ = ("_ids", "_reused", "_versions", "repeats", "texts", "variants")

    def __init__(
        self, variants: int, texts: int, repeats: int, ids: Iterable[int] | None = None,
        reused: Iterable[bool] = (),
    ) -> None:  # fmt: skip
        self.variants, self.texts, self.repeats = variants, texts, repeats
        count = variants * texts * repeats
        self._ids = array("q", bytes(8 * count) if ids is None else ids)
        self._reused = bytearray(reused) or bytearray(len(self._ids))
        self._versions = array("I", bytes(4 * texts * repeats))
        if not len(self._ids) == len(self._reused) == count:
            message = f"cells: {count}, ids: {len(self._ids)}"
            raise ValueError(message)

    def __len__(self) -> int:
        return len(self._ids)

    def id(self, cell: CellKey) -> int:
        """The journal's id of this cell, 0 if there is none."""
        return self._ids[self._at(cell)]

    @property
    def ids(self) -> frozenset[int]:
        return frozenset(self._ids)

    @property
    def open(self) -> bool:
        """Whether something is still to come."""
        return 0 in self._ids

    def reused(self, cell: CellKey) -> bool:
        """Whether an earlier run paid for this cell's reply."""
        return bool(self._reused[self._at(cell)])

    def put(self, cell: CellKey, row: int, *, reused: bool = False) -> None:
        """Note that this cell's extraction is the journal's row of this id."""
        at = self._at(cell)
        self._ids[at], self._reused[at] = row, reused
        self._versions[cell.text * self.repeats + cell.repeat] += 1

    def version(self, unit: int) -> int:
        """How many rows were put for a text (and repeat) since this index was made."""
        return self._versions[unit]

    def first(self, texts: int) -> ResultIndex:
        """The rows of the first texts alone, as far as they have come."""
        size = texts * self.repeats
        starts = [at * self.texts * self.repeats for at in range(self.variants)]
        ids = [id_ for start in starts for id_ in self._ids[start : start + size]]
        reused = [again for start in starts for again in self._reused[start : start + size]]
        return ResultIndex(self.variants, texts, self.repeats, ids, map(bool, reused))

    def take(self, texts: Sequence[int]) -> ResultIndex:
        """The index of these texts alone, as it is now."""
        ids, reused = array("q"), bytearray()
        for variant, text in product(range(self.variants), texts):
            start = self._at(CellKey(variant, text, 0))
            ids += self._ids[start : start + self.repeats]
            reused += self._reused[start : start + self.repeats]
        return ResultIndex(self.variants, len(texts), self.repeats, ids, map(bool, reused))

    def cells(self) -> Iterator[CellKey]:
        """Every cell: variant by variant, each text with its repeats."""
        return starmap(CellKey, product(*map(range, (self.variants, self.texts, self.repeats))))

    def _at(self, cell: CellKey) -> int:
        return (cell.variant * self.texts + cell.text) * self.repeats + cell.repeat


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class ResultData:
    """Variants, texts with their truth, and an index of the replies in a journal.

    Nothing is kept in memory but row ids: extractions are read when they are looked at. What is
    measured of them is computed once. `label_log` has the labels made since the run, `looks` the
    numbers of scored texts at which a verdict was shown, `columns` the variants as they were asked,
    where that was done by this process. `slice_by` names the columns by which these texts were
    chosen out of more; looks at them are their own, and not in the journal.
    """

    variants: tuple[Variant, ...]
    """What was compared: each model and how it was asked."""
    models: tuple[str, ...]
    """The model id behind each variant."""
    texts: tuple[Document, ...]
    """The texts, with `.id`, `.text`, `.truth`, `.group` and `.metadata`."""
    rows: ResultIndex
    """Which row of the journal each extraction is."""
    journal: Journal
    """Where the replies are kept."""
    read: Callable[[Row, CellKey], Extraction]
    """Makes an Extraction of a row of the journal."""
    scoring: Rules = None
    """The rules of scoring by field, as they were given; None for the default rules."""
    notes: tuple[str, ...] = ()
    """What happened on the way, in sentences."""
    label_log: tuple[Correction, ...] = ()
    """The labels made since the run, the oldest first."""
    looks: set[int] = field(default_factory=set)
    """The numbers of scored texts at which a verdict was looked at."""
    columns: tuple[ResolvedVariant, ...] = ()
    """The variants as they were asked, everything filled in; empty for what was made elsewhere."""
    made_at: datetime = field(default_factory=lambda: datetime.now(UTC))
    """When the comparison was made, in UTC."""
    slice_by: str = ""
    """The columns by which `where` chose these texts; empty for all texts."""
    _measured: dict[Callable[..., Any], Any] = field(default_factory=dict, init=False)
    _measuring: threading.RLock = field(default_factory=threading.RLock, init=False)

    @property
    def labels(self) -> tuple[str, ...]:
        """The variants' labels, in the order of the columns."""
        return tuple(variant.label or "" for variant in self.variants)

    @property
    def repeats(self) -> int:
        """How often each text was asked of each variant."""
        return self.rows.repeats

    def __len__(self) -> int:
        """How many extractions there are, failures included."""
        return len(self.rows)

    def __iter__(self) -> Iterator[Extraction]:
        """Every extraction: variant by variant, text by text."""
        return map(self.extraction, self.rows.cells())

    def row(self, cell: CellKey) -> Row:
        """The journal's row of a cell; a `Stopped` one if nothing was asked."""
        known = self.rows.id(cell)
        return self.journal.get(known) if known else _NOT_ASKED

    def extraction(self, cell: CellKey) -> Extraction:
        """The extraction of a cell, read from the journal."""
        return self.read(self.row(cell), cell)


def read_extractions(
    results: ResultData, places: Iterable[tuple[int, int]]
) -> tuple[Extraction, ...]:
    """Those of all variants for these texts and repeats, read from the journal at once."""
    variants = range(len(results.variants))
    cells = [CellKey(at, text, repeat) for text, repeat in places for at in variants]
    ids = list(map(results.rows.id, cells))
    rows = iter(results.journal.get_all([each for each in ids if each]))
    pairs = zip(ids, cells, strict=True)
    return tuple([results.read(next(rows) if id_ else _NOT_ASKED, cell) for id_, cell in pairs])


def measure_once(measure: Measure) -> Measure:
    """Decorates a function of results: what it measures is computed once and kept with them."""

    @wraps(measure)
    def measured(results: ResultData) -> Any:
        if measured in results._measured:
            return results._measured[measured]
        with results._measuring:
            if measured not in results._measured:
                results._measured[measured] = measure(results)
            return results._measured[measured]

    return cast("Measure", measured)


def results_of_run(
    kind: type[Results], run: Run, *, variants: tuple[Variant, ...], scoring: Rules = None,
    notes: tuple[str, ...] = (),
) -> Results:  # fmt: skip
    """What a run has returned so far; what is still open is `Stopped`."""
    plan = run.plan
    size = len(plan.columns), len(plan.texts), plan.repeats
    ids, reused = array("q"), bytearray()
    for id_, again in starmap(run.cell, product(*map(range, size))):
        ids.append(id_)
        reused.append(again)
    rows = ResultIndex(*size, ids, map(bool, reused))

    def read(row: Row, cell: CellKey) -> Extraction:
        column, document = plan.columns[cell.variant], plan.texts[cell.text]
        again = rows.reused(cell)
        return read_extraction(column, document, cell.repeat, row, reused=again, judged=not again)

    notes += run.notes
    if run.error is not None:
        notes += (f"The run ended early by an internal error, {type(run.error).__name__}.",)
    return kind(
        variants=variants, models=tuple(column.model for column in plan.columns), texts=plan.texts,
        rows=rows, journal=run.journal, read=read, scoring=scoring, notes=notes,
        columns=plan.columns,
    )  # fmt: skip


# -- Outputs made elsewhere: rows in a journal in memory, no call.

NONE = "There is no output for this text."
WRONG = f"{NONE} It counts as wrong."
"""The message of a row whose output is None."""

MADE_ELSEWHERE = "Outputs made elsewhere; nothing was called."
"""The note by which such a comparison is known, also after it was saved and loaded."""

Missing = Literal["unanswered", "wrong"]
"""What an output of None means: no answer came and nothing is scored, or the model failed."""


def results_of_outputs(
    kind: type[Results],
    documents: Sequence[Document],
    outputs: Any,
    scoring: Rules,
    missing: Missing,
    rows: Sequence[str] | None = None,
    repeats: int = 1,
) -> Results:
    """Outputs read and judged as rows of a journal in memory; FieldError for what does not fit.

    `rows` are pandas' names of the texts.
    """
    listed, assumed = _outputs_by_label(outputs, documents, rows, repeats)
    if missing not in get_args(Missing):
        raise FieldError(
            {"missing": f"must be one of {', '.join(get_args(Missing))}."},
            'missing="wrong" counts a text without an output as wrong; "unanswered" leaves it out '
            "of the accuracy and says so.",
        )
    labels = tuple(listed)
    return results_of_rows(
        kind,
        (
            _output_row(label, output, document, missing)
            for label, runs in listed.items()
            for document, *outputs in zip(documents, *runs, strict=True)
            for output in outputs
        ),
        variants=tuple(Variant(label, label=label) for label in labels),
        models=labels,
        texts=tuple(documents),
        repeats=repeats,
        scoring=scoring,
        notes=(MADE_ELSEWHERE, *assumed),
        judged=True,
    )


def results_of_rows(
    kind: type[Results],
    rows: Iterable[Row],
    *,
    variants: tuple[Variant, ...],
    models: tuple[str, ...],
    texts: tuple[Document, ...],
    repeats: int = 1,
    records: Sequence[Any] = (),
    reused: Sequence[bool] = (),
    judged: bool = False,
    **more: Any,
) -> Results:
    """Rows that no call made, in the order of their cells, in a journal in memory.

    `records` has, for each row, the record as JSON where it is not the reply, else NOTHING;
    `reused` whether the reply was paid before the run that returned it. Rows that were not `judged`
    in this process are when they are read: a file can be edited by hand.
    """
    journal = Journal(False)
    ids = [journal.put(row) for row in rows]
    index = ResultIndex(len(variants), len(texts), repeats, ids, reused)
    own_records = {
        cell: record
        for cell, record in zip(index.cells(), records, strict=bool(records))
        if record is not NOTHING
    }

    def read(row: Row, cell: CellKey) -> Extraction:
        text = texts[cell.text]
        schema = choose_schema(variants[cell.variant].schema, text.schema)
        row, data, record = _read_reply(row, schema, judged)
        return Extraction(
            variant=variants[cell.variant].label or "", text_id=text.id, repeat=cell.repeat,
            model=models[cell.variant], status=row.status, data=data,
            record=own_records.get(cell, record), failure=row.failure(), reply_text=row.reply,
            paid_before=row.when if index.reused(cell) else None,
            **facts_of(row),
        )  # fmt: skip

    return kind(
        variants=variants, models=models, texts=texts, rows=index, journal=journal, read=read,
        **more,
    )  # fmt: skip


def _read_reply(row: Row, schema: Schema, judged: bool) -> tuple[Row, Any, Any]:
    """The row with its data and record; judged again unless it was `judged` before."""
    if row.reply is None or row.status not in ("ok", "InvalidRecord"):
        return row, None, None
    data = None
    try:
        data = parse_json(row.reply)
        if row.status != "ok":
            return row, data, None
        make = partial(schema.judge, data)
        return row, data, RecordLater(make) if judged else make()
    except (InvalidJSON, InvalidRecord) as error:
        return row.ended_in(error), data, None


def _outputs_by_label(
    outputs: Any, texts: Sequence[Document], rows: Sequence[str] | None, repeats: int
) -> tuple[dict[str, list[list[Any]]], list[str]]:
    """For each label its runs, outputs in the order of the texts; what was assumed of files."""
    if not isinstance(outputs, Mapping) or not outputs:
        raise FieldError(
            {"outputs": "is not a dict of outputs by label."},
            'Give {"A": […], "B": […]}, each as long as the texts, or by id, or a DataFrame with a '
            "column for each field.",
        )
    if twice := find_repeated(whole_text(str(each)) for each in outputs):
        raise FieldError(
            {
                "outputs": f"has the label {join_truncated(twice)} more than once, "
                "as a text and as a number."
            },
            "Give every variant a label of its own.",
        )
    names = TextNames([text.id for text in texts], rows)
    hint = "Give one for each text, None if there is none; the keys of a dict are the texts' ids."
    schemas = dict.fromkeys(text.schema for text in texts)
    listed: dict[str, list[list[Any]]] = {}
    assumed: dict[str, None] = {}
    for label, given in outputs.items():
        runs = listed[whole_text(str(label))] = []
        several = repeats == 1 and isinstance(given, list) and len(given) > 0
        runs_given = several and all(_may_be_run(each, ()) for each in given)
        way = f"If these are runs, say repeats={len(given)}. {hint}" if runs_given else hint
        for at, each in enumerate(_runs(given, label, names, repeats, assumed)):
            name = f"outputs of {label}{f', run {at + 1}' if repeats > 1 else ''}"
            each = read_data_set(each, name)
            if names_file(each, name):
                each, note = read_labels(each, "output")
                assumed |= dict.fromkeys([note] if note else [])
            own = read_records(each, schemas, names.ids, name) if is_frame(each) else each
            own = follow_ids(own, schemas, names.ids, "output", name)
            runs.append(align(own, names, name, ("output",), way, pandas_index(each)))
    return listed, [each for each in assumed if each not in file_notes(texts)]


_BOTH_WAYS = (
    "The outputs of {label} were read as {runs} of all texts; those of each text can be given by "
    "its id."
)


def _runs(
    given: Any, label: Any, names: TextNames, repeats: int, assumed: dict[str, None]
) -> Sequence[Any]:
    """The runs of one label: given one after the other, or for each text one output of each."""
    if repeats == 1:
        return [given]
    name = f"outputs of {label}"
    by_id = isinstance(given, Mapping) or not {*names.ids}.isdisjoint(row_names(given) or ())
    runs_wanted = count(repeats, "run")
    each_text = f"a list of {count(repeats, 'output')} for each text"
    if isinstance(given, Iterator):
        given = list(given)
    if is_frame(given) or isinstance(given, str | bytes) or not isinstance(given, Iterable):
        found = f"is {with_article(type(given).__name__)}, and repeats={repeats}"
    else:
        entries = list(given.values() if isinstance(given, Mapping) else given)
        runs = not by_id and all(_may_be_run(each, names.ids) for each in entries)
        by_text = all(_is_missing(each) or _is_list(each, repeats) for each in entries)
        if runs and len(entries) == repeats:
            if by_text and len(names.ids) == repeats:
                assumed[_BOTH_WAYS.format(label=label, runs=runs_wanted)] = None
            return entries
        if entries and by_text:
            aligned = align(given, names, name, ("list", "lists"), f"Give {each_text}.")
            filled = ([None] * repeats if _is_missing(each) else each for each in aligned)
            return list(zip(*filled, strict=True))
        found = f"has {count(len(entries), 'entry', 'entries')}, which are not {runs_wanted}"
        if by_id:
            found = f"is {with_article(type(given).__name__)}, and does not have {each_text}"
        elif runs:
            found = f"has {count(len(entries), 'run')}, and repeats={repeats}"
    raise FieldError(
        {name: f"{found}."},
        f"Give a list of {runs_wanted}, each as without repeats, or {each_text}. Where an output "
        "is missing, give None.",
    )


def _may_be_run(entry: Any, ids: Sequence[str]) -> bool:
    """Whether this can be the outputs of all texts, and not one output."""
    if isinstance(entry, str):
        return has_table_name(entry)
    if isinstance(entry, Mapping):
        return not entry or not set(map(name_of, entry)).isdisjoint(ids)
    return isinstance(entry, Iterable | PathLike) and not isinstance(entry, bytes)


def _is_missing(output: Any) -> bool:
    return output is None or is_empty_cell(output)


def _is_list(entry: Any, length: int) -> bool:
    listed = isinstance(entry, Sequence) or hasattr(entry, "__array__")
    return listed and not isinstance(entry, str | bytes) and len(entry) == length


def _output_row(label: str, output: Any, text: Document, missing: Missing) -> Row:
    """The output as a journal's row: judged by the text's schema, a string parsed first."""
    if _is_missing(output):
        output = None
    if output is None and missing == "wrong":
        wrong = InvalidJSON(WRONG, "Give one, or leave the text out.")
        return Row.of_failure("", wrong, label=label)
    if output is None:
        failure = Stopped(NONE, "Give one, or leave the text out.")
        return Row.of_failure("", failure, code=NO_OUTPUT)
    if is_bytes(output):
        output = decode_text(output, f"the output of {label} for {text.id}")
    written = isinstance(output, str)
    reply = output if written else json.dumps(to_jsonable(output), ensure_ascii=False)
    try:
        text.schema.judge(parse_json(reply))
    except (InvalidJSON, InvalidRecord) as error:
        return Row.of_failure("", error, reply=reply, label=label)
    return Row(key="", status="ok", reply=reply, label=label)
