"""The truth of each text: read from a list, a dict by id or a DataFrame, and corrected later."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Literal

from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.comparison.records import (
    ITEM,
    Table,
    columns_of,
    empty_for,
    is_frame,
    no_such_field,
    parse_cell,
    parse_path,
    put_at,
    put_at_path,
    read_cell,
    read_columns,
    rows_of,
    split_ids,
)
from llmwidgets.comparison.texts import TextSource, align, names_of
from llmwidgets.comparison.values import (
    decode_text,
    find_secrets,
    is_blank,
    is_bytes,
    is_empty_cell,
    is_nothing,
    is_record,
    name_of,
    to_jsonable,
    too_deep,
)
from llmwidgets.errors import FieldError
from llmwidgets.formatting import count, join_truncated, with_article
from llmwidgets.schemas.canonical import (
    display_path,
    find_meant,
    item_path,
    pattern_of,
    prefixes,
    property_path,
)

if TYPE_CHECKING:
    from llmwidgets.engine.request_builder import Document
    from llmwidgets.schemas import Schema


_SHOWN = 5
_NAMED = 2
"""In more texts than this, what is alike is said once."""

Blank = Literal["null"] | None
"""What a blank label means: None, nothing at all; "null", that the text has no value."""


@dataclass(frozen=True, slots=True)
class Label:
    """The truth of one text: JSON, or NOTHING if it is not labelled.

    `by_record` tells that it came as an object of the user's own class and is compared with what
    the class reads the reply as; `blanks` counts its blank labels, which may be all it has.
    """

    truth: Any = NOTHING
    by_record: bool = False
    blanks: int = 0


def read_truth(
    truth: Any, sources: Sequence[TextSource], schemas: Sequence[Schema], blank: Blank = None
) -> list[Label]:
    """The label of each text.

    Without `truth` the rows' own `truth` holds. An absent key, a blank cell and a text of its
    own that is None are not labelled; null inside a record is the label null, and so is a blank
    one with `blank="null"`. FieldError names row, field and why a truth does not fit the schema,
    never the value.
    """
    if blank not in (None, "null"):
        raise FieldError(
            {"blank": 'must be "null" or left out.'},
            'blank="null" reads a blank label as: the text has no value. Without it a blank is '
            "not labelled.",
        )
    nulls = blank == "null"
    if is_frame(truth):
        labels = _read_frame(truth, sources, schemas, nulls)
    else:
        rows = _align(truth, sources, schemas)
        _refuse_secrets(rows, sources)
        pairs = zip(rows, schemas, strict=True)
        labels = [
            Label() if row is None else _read_label(row, schema, nulls) for row, schema in pairs
        ]
    _refuse_misfits(labels, sources, schemas)
    return labels


def _align(
    truth: Any, sources: Sequence[TextSource], schemas: Sequence[Schema], index: Any = None
) -> list[Any]:
    """The rows of truth in the order of the texts, None for a text without one."""
    if truth is None:
        return [each.truth for each in sources]
    if isinstance(truth, str | bytes) or not isinstance(truth, Iterable):
        raise FieldError(
            {"truth": f"is {with_article(type(truth).__name__)}."},
            "Give a list as long as the texts, a dict by id, or a DataFrame with a column for each "
            "field.",
        )
    hint = "Give one for each text, None if it has no truth, or a dict by the ids of the texts."
    if isinstance(truth, Mapping):
        fields = {step for leaf in schemas[0].leaves for step in parse_path(leaf.path)[:1]}
        if fields.issuperset(map(str, truth)):
            hint = "This looks like one record: put it in a list, truth=[…], one for each text."
    return align(truth, names_of(sources), "truth", ("row",), hint, index)


def _refuse_secrets(rows: Sequence[Any], sources: Sequence[TextSource]) -> None:
    try:
        problems = {
            f"truth of {source.id}, {display_path(path)}": f"is a secret ({kind})."
            for source, row in zip(sources, rows, strict=True)
            if row is not None
            for path, kind in find_secrets(row)
        }
    except RecursionError:
        raise too_deep() from None
    if problems:
        raise FieldError(
            dict(list(problems.items())[:_SHOWN]),
            "Truth is shown and saved, so leave this field out of it: give the other fields as a "
            "dict.",
        )


def _read_label(row: Any, schema: Schema, nulls: bool) -> Label:
    """The row as a label; a record that is JSON text, as a table may have it, is read first."""
    if is_empty_cell(row):
        return Label()
    if is_bytes(row):
        row = decode_text(row, "a row of truth")
    is_text = isinstance(row, str) and not any(leaf.path == "" for leaf in schema.leaves)
    value = parse_cell(row) if is_text else to_jsonable(row, keep_blanks=True)
    if not isinstance(value, dict | list):
        return Label(to_jsonable(value))
    blanks, leaves = _count_blanks(value)
    if nulls and blanks:
        value = _with_nulls(value)
    elif blanks and blanks == leaves:
        return Label(blanks=blanks)
    # A record without blank cells is JSON already.
    return Label(
        to_jsonable(value) if is_text or blanks else value,
        by_record=is_record(row),
        blanks=0 if nulls else blanks,
    )


def _with_nulls(value: Any) -> Any:
    """The record with null for each blank in an object; blanks in a list go."""
    if isinstance(value, dict):
        return {key: None if is_blank(each) else _with_nulls(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_with_nulls(each) for each in value if not is_blank(each)]
    return value


def _count_blanks(value: dict[str, Any] | list[Any]) -> tuple[int, int]:
    """How many leaves of a record are blank, and how many it has."""
    blanks = leaves = 0
    waiting: list[dict[str, Any] | list[Any]] = [value]
    for folded in waiting:
        for each in folded.values() if isinstance(folded, dict) else folded:
            if isinstance(each, dict | list):
                waiting.append(each)
                continue
            leaves += 1
            blanks += not each.strip() if type(each) is str else is_empty_cell(each)
    return blanks, leaves


def _read_frame(
    frame: Any, sources: Sequence[TextSource], schemas: Sequence[Schema], nulls: bool
) -> list[Label]:
    distinct = dict.fromkeys(schemas)
    frame, ids = split_ids(frame, distinct, [each.id for each in sources], "truth")
    table = read_columns(frame, distinct, "truth", "")
    rows: Any = rows_of(frame)
    if ids is not None:
        rows = dict(zip(ids, rows, strict=True))
    own = {schema: columns_of(leaf.path for leaf in schema.leaves) for schema in distinct}
    pairs = zip(_align(rows, sources, schemas, frame.index), schemas, strict=True)
    return [
        Label() if row is None else _read_row(row, table, own[schema], nulls)
        for row, schema in pairs
    ]


def _read_row(row: Mapping[Any, Any], table: Table, own: Container[str], nulls: bool) -> Label:
    """A row as a label; of the columns that are not its `own`, one that is blank says nothing."""
    record: dict[str, Any] = {}
    blanks = 0
    for name, steps, leaf in table:
        cell = row[name]
        empty = is_nothing(cell)
        if empty and name not in own:
            continue
        blanks += empty
        if nulls or not empty:
            put_at(record, steps, None if empty else read_cell(to_jsonable(cell), leaf))
    return Label(record or NOTHING, blanks=0 if nulls else blanks)


@dataclass(frozen=True, slots=True)
class Misfit:
    """A place of a truth that does not fit, and why; `meant` is the place of the nearest name."""

    path: str
    rule: str
    meant: str = ""

    @property
    def sentence(self) -> str:
        """What is wrong in all texts with this misfit."""
        place, meant = map(pattern_of, (self.path, self.meant))
        return f"{place} → {meant}" if meant else f"{display_path(place)}: {self.rule}"


def _refuse_misfits(
    labels: Sequence[Label], sources: Sequence[TextSource], schemas: Sequence[Schema]
) -> None:
    """FieldError for what does not fit; the same in many texts is said once."""
    alike: dict[str, list[tuple[str, Misfit]]] = {}
    for label, source, schema in zip(labels, sources, schemas, strict=True):
        for each in _misfits(label.truth, schema) if label.truth is not NOTHING else ():
            alike.setdefault(each.sentence, []).append((source.id, each))
    if not alike:
        return
    listed: list[tuple[str, str]] = []
    for sentence, places in alike.items():
        ids = list(dict.fromkeys(name for name, _ in places))
        if len(ids) > _NAMED:
            said = f"{sentence} ({join_truncated(ids, 3)})"
            listed.append((f"truth of {count(len(ids), 'text')}", said))
            continue
        for name, each in places:
            listed.append((f"truth of {name}" + (each.path and f", {each.path}"), each.rule))
    problems: dict[str, list[str]] = {}
    for name, said in listed[:_SHOWN]:
        problems.setdefault(name, []).append(said)
    more = len(listed) - _SHOWN
    rest = f"{count(more, 'more place does', 'more places do')} not fit. "
    raise FieldError(
        {name: f"{'; '.join(each)}." for name, each in problems.items()},
        (rest if more > 0 else "") + "Correct the truth, or the schema where the truth is right.",
    )


def _misfits(value: Any, schema: Schema) -> list[Misfit]:
    known = _known_keys(schema)
    unknown = [] if known is None else list(unknown_keys(value, known))
    # Judged without them: a schema only says that there is a key that it does not list.
    for each in unknown:
        value = set_at_path(value, each.path, NOTHING)
    problems = schema.judge_partial(_without_nulls(value))
    return unknown + [Misfit(each.path, f"{each.rule}{each.takes}") for each in problems]


@lru_cache(maxsize=128)
def _known_keys(schema: Schema) -> Tree | None:
    """The keys that a record may have; None if some object takes keys that it does not name."""
    if _is_open(schema.json):
        return None
    return tree_of(leaf.path for leaf in schema.leaves)


def _without_nulls(value: Any) -> Any:
    """Null says that the text has no value: a label for any field, nullable or not."""
    if isinstance(value, list):
        return [_without_nulls(each) for each in value]
    if isinstance(value, dict):
        return {key: _without_nulls(each) for key, each in value.items() if each is not None}
    return value


def _is_open(schema: Any) -> bool:
    """Whether some object of the schema takes keys that it does not name."""
    if isinstance(schema, list):
        return any(_is_open(each) for each in schema)
    if not isinstance(schema, dict):
        return False
    # An object without names of its own takes any: a leaf of it is `*`.
    if schema.get("properties") and schema.get("additionalProperties") in (True, {}):
        return True
    return any(_is_open(each) for each in schema.values())


def blank_note(texts: Sequence[Document]) -> tuple[str, ...]:
    """A sentence on the labels that are blank and not scored, with what would score them.

    A text whose labels are several and all blank is one that nobody has labelled yet.
    """
    blanks = sum(text.blanks for text in texts if text.truth is not NOTHING)
    bare = sum(text.blanks == 1 for text in texts if text.truth is NOTHING)
    if not blanks and not bare:
        return ()
    labels = count(blanks, "label is", "labels are") + " blank and not scored" if blanks else ""
    only = count(bare, "text has", "texts have") + " only a blank label" if bare else ""
    said = f"{labels}, and {only}" if blanks and bare else labels or f"{only}: not scored"
    return (
        f'{said}; blank="null" (in a shell --blank null) reads a blank as “the text has no value”.',
    )


# -- The fields of a schema by name: which keys a truth or a column of it may have.

_ANY = "*"

Tree = dict[str, "Tree"]
"""The names of a schema, nested; "[]" leads into a list, "*" means any name."""


def tree_of(paths: Iterable[str]) -> Tree:
    """The paths as nested names."""
    tree: Tree = {}
    for path in paths:
        inside = tree
        for step in parse_path(path):
            inside = inside.setdefault(str(step), {})
    return tree


def unknown_keys(value: Any, tree: Tree, path: str = "") -> Iterator[Misfit]:
    """The keys of a record that the schema does not name."""
    if isinstance(value, list):
        for at, each in enumerate(value):
            yield from unknown_keys(each, tree.get(ITEM, {}), item_path(path, at))
    if not isinstance(value, dict) or _ANY in tree:
        return
    names = [name for name in tree if name != ITEM]
    for key, inside in value.items() if names else ():
        if key not in tree:
            meant = "".join(property_path(path, name) for name in find_meant(key, names)[:1])
            rule = no_such_field(key, names).removesuffix(".")
            yield Misfit(property_path(path, key), rule, meant)
        elif isinstance(inside, dict | list):
            yield from unknown_keys(inside, tree[key], property_path(path, key))


# -- Corrections: labels made after the run, with what was there before, and who made them.


@dataclass(frozen=True, slots=True, kw_only=True)
class Correction:
    """One label made or changed. `old` and `new` are NOTHING if there was not, or is not, a label.

    `by` is who made it or where the value came from; `seen` whether the models' values were
    seen before, which makes a label less independent of them.
    """

    text_id: str
    field: str
    old: Any = NOTHING
    new: Any = NOTHING
    by: str = ""
    seen: bool = True
    made_at: datetime = dataclasses.field(default_factory=lambda: datetime.now(UTC))


def correct(
    texts: Sequence[Document], text_id: str, path: str, value: Any, *, by: str, seen: bool
) -> tuple[tuple[Document, ...], Correction]:
    """The texts with this label, and the correction; FieldError for what is unknown or misfits.

    A path in a list that has no truth yet is refused: a list is labelled whole, then corrected.
    """
    text_id = name_of(text_id)
    at = next((at for at, text in enumerate(texts) if text.id == text_id), None)
    if at is None:
        raise FieldError(
            f"There is no text {text_id}.", "Give the id of a text of this comparison."
        )
    if not isinstance(path, str):
        raise FieldError(
            {"field": f"is {with_article(type(path).__name__)}, not a path."},
            'Give the path of a field, such as "total" or "lines[0].total".',
        )
    text = texts[at]
    if unlabelled := list_without_truth(text.truth, path):
        raise FieldError(
            {path: f"the list {unlabelled} has no truth yet."},
            f"Label the whole list first: correct({text.id!r}, {unlabelled!r}, […]).",
        )
    old = get_at_path(text.truth, path)
    truth = set_at_path(text.truth, path, value)
    if truth is not NOTHING:
        truth = read_truth([truth], [TextSource(text.id, text.text)], [text.schema])[0].truth
    # As it is in the truth, JSON: what came as a date, or out of a table, could not be saved.
    new = get_at_path(truth, path)
    name = "" if is_nothing(by) else str(by)
    correction = Correction(text_id=text_id, field=path, old=old, new=new, by=name, seen=bool(seen))
    blanks = text.blanks - (old is NOTHING and new is not NOTHING)
    labelled = replace(text, truth=truth, blanks=max(0, blanks))
    return (*texts[:at], labelled, *texts[at + 1 :]), correction


def truth_before(
    texts: Sequence[Document], corrections: Sequence[Correction]
) -> tuple[Document, ...]:
    """The texts with the truth as it was before these corrections."""
    known = {text.id: at for at, text in enumerate(texts)}
    before = list(texts)
    for each in reversed(corrections):
        if each.text_id in known:
            at = known[each.text_id]
            truth = set_at_path(before[at].truth, each.field, each.old)
            bare = each.old is NOTHING and truth in ({}, [])
            before[at] = replace(before[at], truth=NOTHING if bare else truth)
    return tuple(before)


def get_at_path(truth: Any, path: str) -> Any:
    """The truth at a path; NOTHING if it is not labelled."""
    value = truth
    for step in parse_path(path):
        if isinstance(step, int) and isinstance(value, list) and step < len(value):
            value = value[step]
        elif isinstance(step, str) and isinstance(value, dict):
            value = value.get(step, NOTHING)
        else:
            return NOTHING
    return value


def list_without_truth(truth: Any, path: str) -> str:
    """The outermost list around the path that has no truth yet, if there is one."""
    value, around = truth, ""
    for step, prefix in zip(parse_path(path), prefixes(path), strict=False):
        if isinstance(step, int):
            if not isinstance(value, list):
                return around
            value = value[step] if step < len(value) else {}
        else:
            value = value.get(step, NOTHING) if isinstance(value, dict) else NOTHING
        around = prefix
    return ""


def set_at_path(truth: Any, path: str, value: Any) -> Any:
    """The truth with one value set; NOTHING takes the label away, the rest stays as it is.

    An item set to null leaves its list; an item beyond the end is added.
    """
    steps = parse_path(path)
    if not steps:
        return value
    whole = copy.deepcopy(truth) if isinstance(truth, dict | list) else empty_for(steps[0])
    put_at_path(whole, steps, value)
    return whole
