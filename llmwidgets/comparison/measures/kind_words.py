"""What the kinds of error are called, what happened, and what to do about each."""

from __future__ import annotations

from typing import NamedTuple

from llmwidgets.analysis.error_kinds import ErrorKind


class KindWords(NamedTuple):
    """What happened to a wrong value of a kind, and what may help."""

    happened: str
    advice: str


KIND_WORDS: dict[ErrorKind, KindWords] = {
    "format": KindWords(
        "the same value, written another way",
        "Say the format in the field's description, or set a rule of scoring that accepts it.",
    ),
    "unit": KindWords(
        "another unit: too large or too small by a factor such as 1,000",
        "Say the unit in the field's description.",
    ),
    "sign": KindWords(
        "a credit for a debit, or the other way round",
        "Say in the description which way is negative.",
    ),
    "other row": KindWords(
        "the right column, another row of the list",
        "Look at how the table is written in the text; an example with a table may help.",
    ),
    "cut": KindWords(
        "only a part of the value, or the value rounded",
        "Say in the description what belongs to the value.",
    ),
    "too much": KindWords(
        "the value, and more around it",
        "Say in the description what does not belong to the value.",
    ),
    "other entity": KindWords(
        "another person, firm, place, day or amount of the text, or of another field",
        "Say in the description which one is meant, and how to tell it from the others.",
    ),
    "misread": KindWords(
        "nearly the same: a letter, a digit or a mark or two differ",
        "Check the text where it was scanned, and the truth for a slip.",
    ),
    "other choice": KindWords(
        "another of the allowed values",
        "Say in the description when each of the allowed values applies.",
    ),
    "invented": KindWords(
        "a value where the truth has none",
        "Let the field be null, and say when there is no value.",
    ),
    "null in words": KindWords(
        "words such as N/A where the truth has no value",
        "Say that a missing value is null, or count these words as null when they are read.",
    ),
    "missed": KindWords(
        "no value where there is one",
        "Say in the description where the value is, or by which other words it is known.",
    ),
    "failed": KindWords(
        "no usable reply, so that the whole text counts as wrong",
        "Look at the request; a larger output limit or another mode may help.",
    ),
    "other": KindWords("none of these", "Read these one by one."),
}
