"""Changes: what differs from an earlier comparison, other than the answers, in sentences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.comparison.marks import spelled
from llmwidgets.comparison.scored import Place
from llmwidgets.comparison.texts import few

if TYPE_CHECKING:
    from llmwidgets.comparison.comparison import Comparison


_SETTINGS = (
    ("effort", "thinking"),
    ("temperature", "temperature"),
    ("max_output_tokens", "output limit"),
)


def pairs_of(now: Comparison, before: Comparison) -> list[tuple[int, int]]:
    """Which column of the earlier comparison each column answers to.

    By label; columns left over on both sides in equal number by their order.
    """
    found = [
        (at, before.labels.index(label))
        for at, label in enumerate(now.labels)
        if label in before.labels
    ]
    here, there = ({pair[side] for pair in found} for side in (0, 1))
    left = [at for at in range(len(now.labels)) if at not in here]
    right = [at for at in range(len(before.labels)) if at not in there]
    if len(left) == len(right):
        found += zip(left, right, strict=True)
    return sorted(found)


def sentences(now: Comparison, before: Comparison) -> tuple[str, ...]:
    """What changed beside the answers; empty where nothing did."""
    pairs = pairs_of(now, before)
    said = [*_of_columns(now, before, pairs), *_of_texts(now, before)]
    if now.scoring != before.scoring:
        said.append(f"Scoring: {_rules(before.scoring)}, now {_rules(now.scoring)}.")
    if now.repeats != before.repeats:
        said.append(f"Repeats: {before.repeats}, now {now.repeats}.")
    for now_at, before_at in pairs:
        said += _of_variant(now, before, now_at, before_at)
    return tuple(said)


def _of_columns(now: Comparison, before: Comparison, pairs: Sequence[tuple[int, int]]) -> list[str]:
    said = []
    for at, there in pairs:
        old, new = (before.labels[there], before.models[there]), (now.labels[at], now.models[at])
        if old[0] != new[0]:
            said.append(f"{new[0]} stands where {old[0]} stood.")
        elif old[1] != new[1]:
            said.append(f"{new[0]}: model {old[1]}, now {new[1]}.")
    here, gone = {pair[0] for pair in pairs}, {pair[1] for pair in pairs}
    added = [label for at, label in enumerate(now.labels) if at not in here]
    lost = [label for at, label in enumerate(before.labels) if at not in gone]
    said += [f"New: {few(added)}."] if added else []
    return said + ([f"No more compared: {few(lost)}."] if lost else [])


def _of_texts(now: Comparison, before: Comparison) -> list[str]:
    new = {text.id: text for text in now.texts}
    old = {text.id: text for text in before.texts}
    both = [name for name in new if name in old]
    said = []
    for words, names in (
        ("Texts added", [name for name in new if name not in old]),
        ("Texts left out", [name for name in old if name not in new]),
        ("Texts with other words", [n for n in both if new[n].text != old[n].text]),
        ("Texts with another schema", [n for n in both if _digest(new[n]) != _digest(old[n])]),
        ("Texts in another group", [n for n in both if new[n].group != old[n].group]),
        ("Texts with other truth", [n for n in both if _truth(new[n]) != _truth(old[n])]),
    ):
        if names:
            said.append(f"{words}: {len(names)} ({few(names)}).")
    return said


def _of_variant(now: Comparison, before: Comparison, at: int, there: int) -> list[str]:
    new, old, label = now.variants[at], before.variants[there], now.labels[at]
    said = []
    if new.instructions != old.instructions:
        said.append(f"{label}: other instructions.")
    if (new.examples or ()) != (old.examples or ()):
        said.append(f"{label}: other examples.")
    for name, words in _SETTINGS:
        one, other = getattr(old, name), getattr(new, name)
        if one != other:
            said.append(f"{label}: {words} {_word(one)}, now {_word(other)}.")
    if now.models[at] == before.models[there]:
        served = _served(before, there), _served(now, at)
        if all(served) and served[0] != served[1]:
            said.append(f"{label}: answered by {few(served[0])}, now by {few(served[1])}.")
    return said


def _served(comparison: Comparison, variant: int) -> list[str]:
    """The versions that answered, as the servers name them."""
    rows = (
        comparison.row(Place(variant, text, repeat))
        for text in range(len(comparison.texts))
        for repeat in range(comparison.repeats)
    )
    return sorted({row.served_model for row in rows if row.served_model})


def _digest(text: Any) -> str:
    return str(text.schema.digest)


def _truth(text: Any) -> Any:
    return ("unlabelled",) if text.truth is NOTHING else text.truth


def _rules(scoring: Any) -> str:
    if scoring is None:
        return "the default rules"
    named = (f"{place or 'the whole record'} ({spelled(rule)})" for place, rule in scoring.items())
    return f"own rules for {few(named)}"


def _word(value: Any) -> str:
    return "unset" if value is None else str(value)
