"""Outputs made elsewhere as a comparison: rows in a journal in memory, no call."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, Literal, get_args

from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.comparison.jsonable import plain
from llmwidgets.comparison.scored import Place, Rows
from llmwidgets.comparison.texts import few
from llmwidgets.engine.extraction import Extraction
from llmwidgets.engine.journal.journal import Journal
from llmwidgets.engine.journal.row import NO_OUTPUT, Row
from llmwidgets.errors import FieldError, InvalidJSON, InvalidRecord, Stopped
from llmwidgets.schemas import parse_json

if TYPE_CHECKING:
    from llmwidgets.engine.plan import Text


NONE = "There is no output for this text."
WRONG = f"{NONE} It counts as wrong."
"""What a row says where an output is None."""

MADE_ELSEWHERE = "Outputs made elsewhere; nothing was called."
"""The note by which such a comparison is known, also after it was saved and loaded."""


def read_outputs(outputs: Any, texts: Sequence[Text]) -> dict[str, list[Any]]:
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
            {"outputs": f"has the label {few(twice)} more than once, as a text and as a number."},
            "Give every variant a label of its own.",
        )
    return {str(label): _by_place(str(label), each, texts) for label, each in outputs.items()}


def _by_place(label: str, outputs: Any, texts: Sequence[Text]) -> list[Any]:
    if isinstance(outputs, Mapping):
        named = {str(name): value for name, value in outputs.items()}
        unknown = set(named) - {text.id for text in texts}
        if unknown:
            raise FieldError(
                {f"outputs of {label}": f"no text has the id {few(sorted(unknown))}."},
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
class Given:
    """Rows that no call made, and how to read one."""

    rows: Rows
    journal: Journal
    read: Callable[[Row, Place], Extraction]


def given(
    rows: Iterable[Row],
    labels: Sequence[str],
    models: Sequence[str],
    texts: Sequence[Text],
    repeats: int = 1,
    records: Sequence[Any] = (),
    reused: Sequence[bool] = (),
) -> Given:
    """The rows, in the order of their places, in a journal in memory.

    `records` has, for each row, the record as JSON where it is not the reply, else NOTHING;
    `reused` whether the reply was paid before the run that brought it.
    """
    places, journal = Rows(len(labels), len(texts), repeats), Journal(False)
    other = {}
    for at, (place, row) in enumerate(zip(places.places(), rows, strict=True)):
        places.put(place, journal.put(row), reused=bool(reused) and reused[at])
        if records and records[at] is not NOTHING:
            other[place] = records[at]

    def read(row: Row, place: Place) -> Extraction:
        at = place.variant
        found = read_row(row, labels[at], models[at], texts[place.text], place.repeat)
        paid_before = row.when if places.reused(place) else None
        if paid_before is None and place not in other:
            return found
        return replace(found, record=other.get(place, found.record), paid_before=paid_before)

    return Given(places, journal, read)


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


def row_of(label: str, output: Any, text: Text, missing: Missing = "unanswered") -> Row:
    """The output as a journal's row: judged by the text's schema, a string parsed first."""
    if output is None and missing == "wrong":
        wrong = InvalidJSON(WRONG, "Give one, or leave the text out.")
        return Row.of_failure("", wrong, label=label)
    if output is None:
        failure = Stopped(NONE, "Give one, or leave the text out.")
        return Row.of_failure("", failure, code=NO_OUTPUT)
    reply = output if isinstance(output, str) else json.dumps(plain(output), ensure_ascii=False)
    try:
        text.schema.judge(parse_json(reply))
    except (InvalidJSON, InvalidRecord) as failure:
        return Row.of_failure("", failure, reply=reply, label=label)
    return Row(key="", status="ok", reply=reply, label=label)


def read_row(row: Row, label: str, model: str, text: Text, repeat: int) -> Extraction:
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
