"""The tables of a comparison as pandas frames: cell by cell, by record, by field, in pairs."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator, Sequence
from itertools import chain, islice
from operator import attrgetter
from tempfile import TemporaryFile
from typing import TYPE_CHECKING, Any, TypeVar

from llmwidgets.analysis.leaves import NOTHING, leaves_of
from llmwidgets.analysis.same_values import group_values
from llmwidgets.analysis.scoring import Cell, Rows
from llmwidgets.comparison.core import ResultData
from llmwidgets.comparison.measures.aggregate import aggregate, measure_agreement, read_differences
from llmwidgets.comparison.measures.changes import match_results
from llmwidgets.comparison.measures.doubt import review_frame
from llmwidgets.comparison.measures.error_kinds import error_frame
from llmwidgets.comparison.measures.groundings import (
    COPIED,
    WORDS,
    Groundings,
    count_grounding,
    read_groundings,
)
from llmwidgets.comparison.measures.scores import (
    lost_functions,
    read_weights,
    scoreboard_frame,
    verdict_of,
)
from llmwidgets.comparison.measures.slices import By, frame_by, metadata_frame
from llmwidgets.comparison.measures.stability import stability_frame
from llmwidgets.comparison.measures.text_result import (
    KINDS,
    TextResult,
    comparator_of,
    has_data,
    read_all_results,
)
from llmwidgets.comparison.measures.variant_stats import FieldCount, VariantStats, count_cells
from llmwidgets.errors import FieldError
from llmwidgets.report.scoreboard import GLYPHS

if TYPE_CHECKING:
    from collections.abc import Callable

    import pandas as pd

    from llmwidgets.engine.extraction import Extraction
    from llmwidgets.engine.request_builder import Document

T = TypeVar("T")


def read_frames(results: ResultData, name: str, most: int = 10_000) -> Iterator[pd.DataFrame]:
    """One of the tables by name, as one frame after the other; FieldError for another name.

    However many texts there are, one frame of about `most` rows is in memory at a time.
    """
    if name not in [*TABLES]:  # a name of any type, hashable or not
        raise FieldError(
            {"table": f"there is no table {name}."}, f"Name one of: {', '.join(TABLES)}."
        )
    return CHUNKED[name](results, most) if name in CHUNKED else iter([TABLES[name](results)])


COLUMNS = (
    "variant", "text_id", "repeat", "field", "value", "truth", "right", "status", "grounded",
    "copied", "page",
)  # fmt: skip


def long_frame(results: ResultData) -> pd.DataFrame:
    """Long: variant, text_id, repeat, field, value, truth, right, status, grounded, copied; page.

    One row per field of each extraction; `right` is None where it is not labelled or not scored.

    `grounded` is how the value is in the text: exact, normalised, fuzzy, absent or
    not applicable; `copied` whether it is in an example and not in the text; `page` where it is
    in a text with pages (there is no such column if no text has them). An extraction without a
    record and without a label keeps one row. `.attrs["notes"]` has a sentence for each
    rule that a file could not keep, and each place of a text too large to compare in full.

    It takes about 400 bytes of memory a row while it is made: 800 MB for 200,000 extractions of
    ten fields. `export` writes the same rows to a file in memory that does not grow with them.
    """

    by_variant = _no_cells(results)
    notes: dict[str, None] = {}
    for answers in read_all_results(results):
        _add_text(answers, by_variant, read_groundings(results, answers))
        for label, score in zip(results.labels, answers.scores, strict=True):
            notes |= {f"{label}, {answers.document.id}: {each}": None for each in score.notes}
    frame = _fields(results.labels, by_variant)
    if frame["page"].isna().all():
        frame = frame.drop(columns="page")
    frame.attrs["notes"] = [*lost_functions(results), *notes]
    return frame


def _long_chunks(results: ResultData, most: int) -> Iterator[pd.DataFrame]:
    """`long_frame` chunk by chunk: cells wait in a nameless file for those of other variants."""
    with TemporaryFile() as file:
        places: list[list[int]] = [[] for _ in results.variants]
        pages = False
        # A record has some ten fields.
        for group in _batches(read_all_results(results, keep=False), max(1, most // 10)):
            by_variant = _no_cells(results)
            for answers in group:
                _add_text(answers, by_variant, read_groundings(results, answers))
            for columns, place in zip(by_variant, places, strict=True):
                pages = pages or any(columns[-1])
                place.append(file.tell())
                pickle.dump(columns, file)
        for label, place in zip(results.labels, places, strict=True):
            for at in place:
                file.seek(at)
                frame = _fields([label], [pickle.load(file)])
                yield frame if pages else frame.drop(columns="page")


_Columns = list[list[Any]]
"""The cells of one variant, as a list for each of COLUMNS."""


def _no_cells(results: ResultData) -> list[_Columns]:
    return [[[] for _ in COLUMNS] for _ in results.variants]


def _fields(labels: Sequence[str], by_variant: Sequence[_Columns]) -> pd.DataFrame:
    import pandas as pd

    for label, columns in zip(labels, by_variant, strict=True):
        columns[0] = [label] * len(columns[1])
    # Column by column: rows of so many cells would take three times as long.
    return pd.DataFrame(
        {
            name: pd.Series(list(chain(*(columns[at] for columns in by_variant))), dtype=object)
            for at, name in enumerate(COLUMNS)
        }
    ).astype({"repeat": int})


def _add_text(answers: TextResult, by_variant: Sequence[_Columns], grounded: Groundings) -> None:
    """The cells of one text (and repeat), at the end of each column but that of the variants."""
    for variant, columns in enumerate(by_variant):
        _add_cells(columns, answers, variant, grounded)


def _add_cells(
    columns: Sequence[list[Any]], answers: TextResult, variant: int, grounded: Groundings
) -> None:
    """The cells of one extraction, at the end of each column but that of the variants."""
    cells, codes = answers.scores[variant].cells, grounded.codes[variant]
    pages = grounded.pages[variant] if grounded.pages else bytes(len(cells))
    if not cells:
        cells, codes, pages = (_NO_CELL,), b"\0", b"\0"
    paths, _, values, truths, _, rights, _ = zip(*cells, strict=True)
    count = len(cells)
    added: tuple[Iterable[Any], ...] = (
        (), [answers.document.id] * count, [answers.repeat] * count, paths,
        [None if each is NOTHING else each for each in values],
        [None if each is NOTHING else each for each in truths],
        rights, [answers.outcomes[variant].status] * count, [WORDS[code] for code in codes],
        [COPIED[code] for code in codes], [page or None for page in pages],
    )  # fmt: skip
    for column, more in zip(columns, added, strict=True):
        column.extend(more)


_NO_CELL = Cell("", "", NOTHING, NOTHING, "unlabelled", None)
"""What stands for an extraction without a record and without a label."""


def doubtful_frame(results: ResultData) -> pd.DataFrame:
    """Where the models agree against the truth: probably wrong labels, the surest first.

    At least two variants have one and the same value, and more than half of those that answered.
    """
    schemas = {text.id: text.schema for text in results.texts}
    rows = []
    for field in read_differences(results):
        answered = [each for each in field.values if each.state != "failed"]
        against = [each.value for each in answered if each.state != "agree"]
        if field.truth is NOTHING or len(against) < 2:
            continue
        comparing = comparator_of(schemas[field.text_id], results.scoring)
        common = max(group_values(against, field.pattern, comparing), key=len)
        if len(common) >= 2 and 2 * len(common) > len(answered):
            start = (field.text_id, field.repeat, field.path, _shown(field.truth))
            rows.append((*start, _shown(against[common[0]]), len(common), len(answered)))
    rows.sort(key=lambda row: (-row[5] / row[6], -row[5]))
    names = ("text_id", "repeat", "field", "truth", "value", "variants", "answered")
    return _frame(rows, names)


def _shown(value: Any) -> Any:
    return None if value is NOTHING else value


def record_frame(results: ResultData, variant: int) -> pd.DataFrame:
    """One row per text, one column per leaf; in an array it is a list. Failed rows are empty."""
    import pandas as pd

    paths = dict.fromkeys(leaf.path for text in results.texts for leaf in text.schema.leaves)
    cells = [cell for cell in results.rows.cells() if cell.variant == variant]
    rows = [_record(results.extraction(cell), results.texts[cell.text]) for cell in cells]
    frame = pd.DataFrame(rows, columns=pd.Index([path or "value" for path in paths]))
    index = [(results.texts[cell.text].id, cell.repeat) for cell in cells]
    frame.index = pd.MultiIndex.from_tuples(index, names=["text_id", "repeat"])
    return frame if results.repeats > 1 else frame.droplevel("repeat")


def _record(extraction: Extraction, text: Document) -> dict[str, Any]:
    if not has_data(extraction):
        return {}
    record: dict[str, Any] = {}
    for _path, pattern, value in leaves_of(text.schema, extraction.data):
        name = pattern or "value"
        if "[]" in pattern:
            record.setdefault(name, []).append(_shown(value))
        else:
            record[name] = _shown(value)
    return record


def difference_frame(results: ResultData) -> pd.DataFrame:
    """One row per field where variants disagree or differ from the truth, a column for each.

    `marks` has a glyph for each variant, in the order of the columns: = agrees, ≠ differs,
    − missing, + invented, ∅ null in words, ! failed.
    """
    return next(_difference_chunks(results, None))


def _difference_chunks(results: ResultData, most: int | None) -> Iterator[pd.DataFrame]:
    rows = (
        (
            each.text_id, each.repeat, each.path, _shown(each.truth),
            *(_shown(own.value) for own in each.values),
            " ".join(GLYPHS[own.state] for own in each.values),
        )
        for each in read_differences(results)
    )  # fmt: skip
    names = ("text_id", "repeat", "field", "truth", *results.labels, "marks")
    return (_frame(each, names).astype({"repeat": int}) for each in _batches(rows, most))


def flipped_frame(
    results: ResultData, earlier: ResultData, pairs: Sequence[tuple[int, int]]
) -> pd.DataFrame:
    """One row per field whose value, rightness or status has changed since the earlier one.

    `pairs` say which columns answer to one another, now and earlier; others are left out, and
    so are texts and repeats that only one of the two has.
    """
    import pandas as pd

    names = {earlier.labels[before]: results.labels[at] for at, before in pairs}
    texts = match_results(results, earlier)
    ids = {earlier.texts[then].id: results.texts[at].id for at, then in texts}
    repeats = min(results.repeats, earlier.repeats)

    key = ["variant", "text_id", "repeat", "field"]
    old, new = (_values(each)[[*key, "value", "right", "status"]] for each in (earlier, results))
    old, new = (each[each.repeat < repeats] for each in (old, new))
    old = old[old.variant.isin(list(names)) & old.text_id.isin(list(ids))]
    new = new[new.variant.isin(list(names.values())) & new.text_id.isin(list(ids.values()))]
    old = old.assign(
        variant=old.variant.map(names).astype(object), text_id=old.text_id.map(ids).astype(object)
    )
    both = pd.merge(old, new, how="outer", on=key, suffixes=("_before", "_now")).astype(object)
    both = both.where(both.notna(), None)
    changed = [
        (row.value_before, row.right_before, row.status_before)
        != (row.value_now, row.right_now, row.status_now)
        for row in both.itertuples()
    ]
    return both[changed].reset_index(drop=True)


def _values(results: ResultData) -> pd.DataFrame:
    """`long_frame` for whoever asks nothing of the texts, in which no value is looked for."""
    by_variant = _no_cells(results)
    for answers in read_all_results(results):
        unknown = Groundings(tuple([bytes(len(each.cells)) for each in answers.scores]))
        _add_text(answers, by_variant, unknown)
    return _fields(results.labels, by_variant)


# -- By field: precision, recall, F1 and accuracy of each field, over all texts or of one.

FIGURES = (
    "labelled", "f1", "recall", "precision", "nulls_in_words", "missed", "invented", "right",
    "accuracy",
)  # fmt: skip
ROWS = ("rows", "rows_right", "rows_invented", "rows_missed")
"""Of the rows of a list: those of truth in all, wholly right, invented, and without an answer."""

_SHARES = ("accuracy", "precision", "recall", "f1")


def field_frame(results: ResultData, by: By | None = None) -> pd.DataFrame:
    """One row per field and variant: labelled, right, accuracy, precision, recall, f1 (0–1).

    In the order of the schema; NaN is unknown. A list has its rows counted next to its pattern
    (`lines[]`). Where `scoring` has weights, `weight` is what the field counts in the accuracy of
    a text; the figures here are of each field alone. `by` is that of `scoreboard`: the same for
    each slice of the texts.
    """
    if by is not None:
        return frame_by(results, by, field_frame)
    columns = aggregate(results).stats
    names = dict.fromkeys(
        [leaf.path for text in results.texts for leaf in text.schema.leaves]
        + [name for stats in columns for name in (*stats.counts, *stats.lists)]
    )
    rows = (
        (name, label, *_figures(stats.counts.get(name, FieldCount())), *_rows(stats, name))
        for name in names
        for label, stats in zip(results.labels, columns, strict=True)
        if name in stats.counts or name in stats.lists
    )
    frame = _figures_frame(results, rows, ("field", "variant"))
    if (weights := read_weights(results)) is not None:
        frame["weight"] = [weights[name] for name in frame.field]
    return frame


def text_frame(results: ResultData) -> pd.DataFrame:
    """One row per scored text and variant, with the figures of `by_field`.

    Where a function scores the whole record, `accuracy` is the share that it gives.
    """
    by_variant: list[list[tuple[Any, ...]]] = [[] for _ in results.variants]
    for answers in read_all_results(results):
        for rows, label, score in zip(by_variant, results.labels, answers.scores, strict=True):
            if score.accuracy is not None:
                figures = dict(zip(FIGURES, _figures(count_cells(score)), strict=True))
                figures["accuracy"] = score.accuracy
                of_lists = [getattr(score, name) for name in ROWS]
                start = (label, answers.document.id, answers.repeat)
                rows.append((*start, *figures.values(), *of_lists))
    return _figures_frame(results, chain(*by_variant), ("variant", "text_id", "repeat"))


def _figures_frame(
    results: ResultData, rows: Iterable[tuple[Any, ...]], start: Sequence[str]
) -> pd.DataFrame:
    frame = _frame(rows, (*start, *FIGURES, *ROWS), dtype=None)
    # Of many columns a terminal shows the first and the last ones.
    labelled, *figures = FIGURES
    frame = frame[[*start, labelled, *ROWS, *figures]]
    frame.attrs["notes"] = list(lost_functions(results))
    return frame.astype(dict.fromkeys(_SHARES, float))


def _rows(stats: VariantStats, name: str) -> tuple[int, ...]:
    rows = stats.lists.get(name, Rows())
    return rows.total, rows.right, rows.invented, rows.missed


_figures = attrgetter(*FIGURES)


def grounding_frame(results: ResultData) -> pd.DataFrame:
    """One row per variant: how many values are found in their text, and how many nowhere.

    Rates are shares of the values looked for.
    """
    rows = []
    for label, count in zip(results.labels, count_grounding(results), strict=True):
        of = count.values or float("nan")
        kinds = [getattr(count, kind) for kind in (*KINDS, "copied")]
        rows.append((label, count.values, *kinds, count.absent / of, count.copied / of))
    names = ("variant", "values", *KINDS, "copied", "absent_rate", "copied_rate")
    return _frame(rows, names, dtype=None)


def agreement_frame(results: ResultData, field: str | None = None) -> pd.DataFrame:
    """The share of cells (0–1) in which each two variants say the same; needs no truth.

    One variant's record serves as the truth, and the other's is compared by the same rules;
    the share is the mean of both directions. `field` keeps one field.
    """
    labels = results.labels
    table = [[1.0 if a == b else float("nan") for b in labels] for a in labels]
    for (a, b), shared in measure_agreement(results).pairs.items():
        if share := shared.share(field):
            table[a][b] = table[b][a] = share[0]
    frame = _frame(table, labels, dtype=None)
    frame.index = frame.columns
    return frame


def corrections_frame(results: ResultData) -> pd.DataFrame:
    """One row per label made since the run: text_id, field, old, new, by, seen, made_at.

    `labelled_before` tells a label from none.
    """
    rows = (
        (
            each.text_id, each.field, _shown(each.old), _shown(each.new), each.old is not NOTHING,
            each.by, each.seen, each.made_at.isoformat(timespec="seconds"),
        )
        for each in results.label_log
    )  # fmt: skip
    names = ("text_id", "field", "old", "new", "labelled_before", "by", "seen", "made_at")
    return _frame(rows, names)


def pair_frame(results: ResultData) -> pd.DataFrame:
    """One row per two variants: how far apart they are, as the verdict tests it."""
    names = ("a", "b", "texts", "difference", "low", "high", "p", "p_holm", "verdict")
    return _frame(map(attrgetter(*names), verdict_of(results).table), names, dtype=None)


def truth_frame(results: ResultData) -> pd.DataFrame:
    """One row per labelled text, a column for each field of its record."""
    return next(_truth_chunks(results, None))


def _truth_chunks(results: ResultData, most: int | None) -> Iterator[pd.DataFrame]:
    import pandas as pd

    def rows() -> Iterator[dict[str, Any]]:
        for text in results.texts:
            if text.truth is not NOTHING:
                yield {"id": text.id, **(text.truth if isinstance(text.truth, dict) else {})}

    names = list(dict.fromkeys(chain.from_iterable(rows())))
    return (pd.DataFrame(each, columns=names, dtype=object) for each in _batches(rows(), most))


def _batches(items: Iterable[T], most: int | None) -> Iterator[list[T]]:
    """The items in lists of at most `most`; one list, if only an empty one, there always is."""
    items = iter(items)
    batch = list(islice(items, most))
    yield batch
    while batch := list(islice(items, most)):
        yield batch


def _frame(
    rows: Iterable[Sequence[Any]], names: Sequence[str], dtype: type | None = object
) -> pd.DataFrame:
    """Rows of values, kept as they are; without `dtype` each column has that of its values."""
    import pandas as pd

    return pd.DataFrame(list(rows), columns=pd.Index(names), dtype=dtype)


TABLES: dict[str, Callable[[ResultData], pd.DataFrame]] = {
    "fields": long_frame,
    "scoreboard": scoreboard_frame,
    "by_field": field_frame,
    "stability": stability_frame,
    "differences": difference_frame,
    "errors": error_frame,
    "review": review_frame,
    "corrections": corrections_frame,
    "verdict": pair_frame,
    "truth": truth_frame,
    "metadata": metadata_frame,
}
"""The tables that can be written to a file, by name."""

CHUNKED: dict[str, Callable[[ResultData, int], Iterator[pd.DataFrame]]] = {
    "fields": _long_chunks,
    "differences": _difference_chunks,
    "truth": _truth_chunks,
}
"""Those that grow with the texts, as one frame of about this many rows after the other."""
