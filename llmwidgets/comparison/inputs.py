"""What was asked: schema, texts, truth, rules and models read together, before the first call."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from llmwidgets.analysis.comparators import RECORD, Comparator, ListRule, places_of, read_scoring
from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.comparison.jsonable import to_jsonable
from llmwidgets.comparison.scored import CellKey, ResultIndex, rule_of
from llmwidgets.comparison.texts import TextSource, join_truncated, read_sources
from llmwidgets.comparison.truth import (
    Blank,
    count_blanks,
    given_as_records,
    is_blank,
    read_blank,
    read_truth,
)
from llmwidgets.comparison.variants import ChosenVariant, ConnectionResolver, Variant, read_models
from llmwidgets.connections import Policy
from llmwidgets.connections.catalog import model_notes
from llmwidgets.dialects.types import Example
from llmwidgets.engine.extraction import Extraction
from llmwidgets.engine.journal import NO_OUTPUT, Journal, Row
from llmwidgets.engine.request_builder import Document, Plan
from llmwidgets.errors import FieldError, InvalidJSON, InvalidRecord, Stopped
from llmwidgets.schemas import Schema, parse_json, read_schema
from llmwidgets.store.store import Store

if TYPE_CHECKING:
    from llmwidgets.comparison.variants import Examples


@dataclass(frozen=True, slots=True)
class RunPlan:
    """A plan, and the variants it came from, in the order of its columns."""

    plan: Plan
    variants: tuple[Variant, ...]
    policy: Policy
    notes: tuple[str, ...] = ()


def build_plan(
    texts: Sequence[Document],
    models: Any,
    *,
    instructions: str | Mapping[str, str] | None = None,
    examples: Examples | None = None,
    repeats: int = 1,
    store: Store | None = None,
) -> RunPlan:
    """The plan of these texts on these models; FieldError or StoreError before any call."""
    if isinstance(repeats, bool) or not isinstance(repeats, int) or repeats < 1:
        raise FieldError({"repeats": "is not a whole number of 1 or more."}, "Give repeats=1.")
    lookup = ConnectionResolver(store)
    chosen = read_models(models, lookup, instructions=instructions, examples=examples)
    policy = lookup.policy()
    for each in chosen:
        policy.permit(each.connection, each.model)
    shown = max((_taken(each.variant) for each in chosen), default=0)
    pool, rest = _split(texts, shown)
    columns = tuple(each.column(_examples(each.variant, pool)) for each in chosen)
    variants = tuple(
        replace(each.variant, examples=column.examples or None)
        for each, column in zip(chosen, columns, strict=True)
    )
    return RunPlan(Plan(columns, rest, repeats), variants, policy, _notes(chosen, pool))


def read_documents(
    schema: Any,
    texts: Any,
    truth: Any = None,
    *,
    group: Any = None,
    blank: Blank = None,
    allow_empty: bool = False,
) -> tuple[Document, ...]:
    """The texts with schema, truth and group, each read and checked; FieldError names misfits."""
    named = group if isinstance(group, str) else None
    sources = read_sources(texts, allow_empty=allow_empty, group=named)
    schemas = _schemas(schema, sources)
    truth = list(truth) if isinstance(truth, Iterator) else truth
    nulls = read_blank(blank)
    labels = read_truth(truth, sources, schemas, nulls=nulls)
    records = given_as_records(truth, sources)
    groups = read_groups(group, sources)
    blanks = [0] * len(sources) if nulls else count_blanks(truth, sources)
    return tuple(
        Document(
            source.id,
            source.text,
            schemas[at],
            labels[at],
            by_record=records[at],
            group=groups[at],
            blanks=blanks[at],
        )
        for at, source in enumerate(sources)
    )


def read_rules(scoring: Any, texts: Sequence[Document]) -> dict[str, Any] | None:
    """The scoring rules by place, each known to a schema of the texts; FieldError otherwise.

    Rules are texts; the user's functions stay what they are. A function alone scores the record.
    """
    if scoring is None:
        return None
    if callable(scoring):
        scoring = {RECORD: scoring}
    if not isinstance(scoring, Mapping):
        given = repr(scoring) if isinstance(scoring, str) else type(scoring).__name__
        raise FieldError(
            {"scoring": f"must be rules by field or a function, not {given}."},
            'Give {"total": "number:0.01", "address": "similar:0.9"}, or a function of '
            "(value, truth) that scores a whole record.",
        )
    schemas = list(dict.fromkeys(text.schema for text in texts))
    read: dict[str, Any] = {}
    for name, rule in scoring.items():
        known = [each for each in schemas if name in places_of(each)]
        fitting = (each for each in known if rule_of(name, rule, each) is not None)
        home = next(fitting, known[0] if known else schemas[0])
        how = read_scoring({name: rule}, home)[name]
        read[name] = str(how) if isinstance(how, Comparator | ListRule) else rule
    return read


def _schemas(schema: Any, sources: Sequence[TextSource]) -> list[Schema]:
    common = None if schema is None else read_schema(schema)
    known: dict[int, Schema] = {}
    read = []
    for source in sources:
        if source.schema is None and common is None:
            raise FieldError(
                {source.id: "has no schema."},
                "Give a schema for all texts, or one in each text's key schema.",
            )
        if source.schema is None:
            read.append(common)
            continue
        if id(source.schema) not in known:
            known[id(source.schema)] = read_schema(source.schema)
        read.append(known[id(source.schema)])
    return [each for each in read if each is not None]


def _taken(variant: Variant) -> int:
    return variant.examples if isinstance(variant.examples, int) else 0


def _split(
    texts: Sequence[Document], shown: int
) -> tuple[tuple[Document, ...], tuple[Document, ...]]:
    """The first `shown` texts with a whole valid truth, which serve as examples, and the rest."""
    if not shown:
        return (), tuple(texts)
    whole = [
        text for text in texts if text.truth is not NOTHING and not text.schema.problems(text.truth)
    ]
    if len(whole) < shown or len(texts) <= shown:
        raise FieldError(
            {"examples": f"{shown} asked for, but {len(whole)} texts have a whole truth."},
            "Label more texts in full, ask for fewer, or give (text, record) pairs.",
        )
    pool = tuple(whole[:shown])
    taken = {text.id for text in pool}
    return pool, tuple(text for text in texts if text.id not in taken)


def _examples(variant: Variant, pool: Sequence[Document]) -> tuple[Example, ...]:
    if isinstance(variant.examples, int):
        return tuple(Example(text.text, text.truth) for text in pool[: variant.examples])
    return tuple(each for each in variant.examples or () if isinstance(each, Example))


def _notes(chosen: Sequence[ChosenVariant], pool: Sequence[Document]) -> tuple[str, ...]:
    notes = []
    if any(each.connection.origin == "demo" for each in chosen):
        notes.append("Rule-based demo models, no LLM; cost unknown.")
    notes += dict.fromkeys(
        note for each in chosen for note in model_notes(each.connection, each.model)
    )
    if pool:
        notes.append(f"Shown as examples and left out: {join_truncated(text.id for text in pool)}.")
    return tuple(notes)


# -- Groups: which texts belong together, by a column, a list as long as the texts or a dict by id.


def read_groups(group: Any, sources: Sequence[TextSource]) -> tuple[str, ...]:
    """The group of each text, empty without `group`; FieldError names what is wrong.

    `group` is the name of a column or key, whose values the sources have, a list, or a dict by
    id. Numbers are compared as numbers: 7 and 7.0 are one group.
    """
    if group is None:
        return ("",) * len(sources)
    given = [to_jsonable(each) for each in _given(group, sources)]
    bare = [source.id for source, each in zip(sources, given, strict=True)
            if each is None or is_blank(each)]  # fmt: skip
    if bare:
        raise FieldError(
            {
                "group": f"is missing for {len(bare):,} of {len(sources):,} texts: "
                f"{join_truncated(bare)}."
            },
            "Give every text a group; a text that belongs to no other has one of its own.",
        )
    odd = [s.id for s, each in zip(sources, given, strict=True) if isinstance(each, dict | list)]
    if odd:
        raise FieldError(
            {"group": f"is a list or a dict for {join_truncated(odd)}."},
            "A group is a name or a number.",
        )
    return tuple(str(each).strip() for each in given)


def _given(group: Any, sources: Sequence[TextSource]) -> list[Any]:
    if isinstance(group, str):
        return [source.group for source in sources]
    if isinstance(group, Mapping):
        named = {str(key): value for key, value in group.items()}
        unknown = named.keys() - {source.id for source in sources}
        if unknown:
            raise FieldError(
                {"group": f"no text has the id {join_truncated(sorted(unknown))}."},
                "The keys of a dict of groups are the ids of the texts.",
            )
        return [named.get(source.id) for source in sources]
    if isinstance(group, bytes) or not isinstance(group, Iterable):
        raise FieldError(
            {"group": f"is of type {type(group).__name__}, which names no groups."},
            "Give the name of a column, a list as long as the texts, or a dict by id.",
        )
    listed = list(group)
    if len(listed) != len(sources):
        raise FieldError(
            {"group": f"has {len(listed):,} entries for {len(sources):,} texts."},
            "Give one for each text, or a dict by id.",
        )
    return listed


# -- Outputs made elsewhere as a comparison: rows in a journal in memory, no call.

NONE = "There is no output for this text."
WRONG = f"{NONE} It counts as wrong."
"""What a row says where an output is None."""

MADE_ELSEWHERE = "Outputs made elsewhere; nothing was called."
"""The note by which such a comparison is known, also after it was saved and loaded."""


def read_outputs(outputs: Any, texts: Sequence[Document]) -> dict[str, list[Any]]:
    """A list of outputs as long as the texts for each label; FieldError where one does not fit."""
    if not isinstance(outputs, Mapping) or not outputs:
        raise FieldError(
            {"outputs": "is not a dict of outputs by label."},
            'Give {"A": […], "B": […]}, each as long as the texts, or by id.',
        )
    labels = [str(label) for label in outputs]
    twice = sorted({label for label in labels if labels.count(label) > 1})
    if twice:
        raise FieldError(
            {
                "outputs": f"has the label {join_truncated(twice)} more than once, "
                "as a text and as a number."
            },
            "Give every variant a label of its own.",
        )
    return {str(label): _by_place(str(label), each, texts) for label, each in outputs.items()}


def _by_place(label: str, outputs: Any, texts: Sequence[Document]) -> list[Any]:
    if isinstance(outputs, Mapping):
        named = {str(name): value for name, value in outputs.items()}
        unknown = set(named) - {text.id for text in texts}
        if unknown:
            raise FieldError(
                {f"outputs of {label}": f"no text has the id {join_truncated(sorted(unknown))}."},
                "The keys are the ids of the texts.",
            )
        return [named.get(text.id) for text in texts]
    listed = list(outputs)
    if len(listed) != len(texts):
        raise FieldError(
            {f"outputs of {label}": f"has {len(listed)} outputs for {len(texts)} texts."},
            "Give one for each text, None where there is none.",
        )
    return listed


@dataclass(frozen=True, slots=True)
class ExternalRows:
    """Rows that no call made, and how to read one."""

    rows: ResultIndex
    journal: Journal
    read: Callable[[Row, CellKey], Extraction]


def journal_outputs(
    rows: Iterable[Row],
    labels: Sequence[str],
    models: Sequence[str],
    texts: Sequence[Document],
    repeats: int = 1,
    records: Sequence[Any] = (),
    reused: Sequence[bool] = (),
) -> ExternalRows:
    """The rows, in the order of their places, in a journal in memory.

    `records` has, for each row, the record as JSON where it is not the reply, else NOTHING;
    `reused` whether the reply was paid before the run that brought it.
    """
    places, journal = ResultIndex(len(labels), len(texts), repeats), Journal(False)
    other = {}
    for at, (place, row) in enumerate(zip(places.places(), rows, strict=True)):
        places.put(place, journal.put(row), reused=bool(reused) and reused[at])
        if records and records[at] is not NOTHING:
            other[place] = records[at]

    def read(row: Row, place: CellKey) -> Extraction:
        at = place.variant
        found = read_row(row, labels[at], models[at], texts[place.text], place.repeat)
        paid_before = row.when if places.reused(place) else None
        if paid_before is None and place not in other:
            return found
        return replace(found, record=other.get(place, found.record), paid_before=paid_before)

    return ExternalRows(places, journal, read)


Missing = Literal["unanswered", "wrong"]
"""What an output of None means: no answer came and nothing is scored, or the model failed."""


def read_missing(missing: object) -> Missing:
    """What an output of None means; FieldError for another word."""
    if missing == "unanswered" or missing == "wrong":
        return missing
    raise FieldError(
        {"missing": f"must be one of {', '.join(get_args(Missing))}."},
        'missing="wrong" counts a text without an output as wrong; "unanswered" leaves it out of '
        "the accuracy and says so.",
    )


def is_missing(row: Row) -> bool:
    """Whether this stands for an output of None that counts as wrong."""
    return row.status == "InvalidJSON" and row.message == WRONG


def output_row(label: str, output: Any, text: Document, missing: Missing = "unanswered") -> Row:
    """The output as a journal's row: judged by the text's schema, a string parsed first."""
    if output is None and missing == "wrong":
        wrong = InvalidJSON(WRONG, "Give one, or leave the text out.")
        return Row.of_failure("", wrong, label=label)
    if output is None:
        failure = Stopped(NONE, "Give one, or leave the text out.")
        return Row.of_failure("", failure, code=NO_OUTPUT)
    reply = (
        output if isinstance(output, str) else json.dumps(to_jsonable(output), ensure_ascii=False)
    )
    try:
        text.schema.judge(parse_json(reply))
    except (InvalidJSON, InvalidRecord) as failure:
        return Row.of_failure("", failure, reply=reply, label=label)
    return Row(key="", status="ok", reply=reply, label=label)


def read_row(row: Row, label: str, model: str, text: Document, repeat: int) -> Extraction:
    """The extraction of a row whose reply is in the user's own shape."""
    data = record = None
    if row.reply is not None and row.status in ("ok", "InvalidRecord"):
        data = parse_json(row.reply)
        record = text.schema.judge(data) if row.status == "ok" else None
    return Extraction(
        variant=label,
        text_id=text.id,
        repeat=repeat,
        model=model,
        status=row.status,
        data=data,
        record=record,
        failure=row.failure(),
        mode=row.mode,
        usage=row.usage,
        seconds=row.seconds,
        waiting_seconds=row.waiting_seconds,
        cost=row.cost,
        served_model=row.served_model,
        reply_text=row.reply,
        request_id=row.request_id,
        tries=row.tries,
        timed_out=row.timed_out,
        asked=row.asked,
        notes=row.notes,
    )
