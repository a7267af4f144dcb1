"""Cues: the words that stand near a value in documents, found from a field's name and description.

The vocabulary is general business language in several languages; it knows no sample.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files

from llmwidgets.demo.care import Care
from llmwidgets.demo.extractor.document import fold

_TYPE_WORDS = frozenset({
    "date", "day", "number", "no", "id", "name", "amount", "value", "text", "string", "code",
    "type", "is", "has", "was", "be", "the", "a", "and", "or", "not", "as", "to", "in", "on", "of",
    "at", "for", "with", "by", "from", "it", "who", "when", "which", "that", "if", "any",
})  # fmt: skip


@dataclass(frozen=True, slots=True)
class Cues:
    """Phrases for (`own`) and against (`rival`) a field, each set as one pattern."""

    own: re.Pattern[str]
    rival: re.Pattern[str]

    def weigh(self, before: str, after: str) -> float:
        """How well the words around a candidate fit: near ones weigh more, earlier ones most."""
        return _pull(self.own, before, after) - 0.8 * _pull(self.rival, before, after)

    def near(self, before: str, after: str) -> bool:
        """Whether any own phrase stands there."""
        return bool(self.own.search(before) or self.own.search(after))

    def label(self, text: str) -> bool:
        """Whether a label, such as a column's head, names the field."""
        return self.own.search(text) is not None


def _pull(phrases: re.Pattern[str], before: str, after: str) -> float:
    pull = 0.0
    for match in phrases.finditer(before):
        length = 1 + 0.06 * (match.end() - match.start())
        pull = max(pull, length / (1 + (len(before) - match.end()) / 30))
    behind = phrases.search(after)
    return max(pull, 0.6 / (1 + behind.start() / 15)) if behind else pull


@lru_cache(maxsize=1)
def _vocabulary() -> dict[str, dict[str, dict[str, str]]]:
    text = (files("llmwidgets.demo") / "vocabulary.json").read_text(encoding="utf-8")
    vocabulary: dict[str, dict[str, dict[str, str]]] = json.loads(text)
    return vocabulary


@lru_cache(maxsize=4096)
def pattern(*phrases: str) -> re.Pattern[str]:
    """Folded phrases as one pattern on whole words; a closing star lets the word go on."""
    spelled = (
        re.escape(phrase.rstrip("*")).replace(r"\ ", r"\s+")
        + ("" if phrase.endswith("*") else r"(?![^\W_])")
        for phrase in sorted(set(phrases), key=lambda phrase: (-len(phrase), phrase))
    )
    return re.compile(rf"(?<![^\W_])(?:{'|'.join(spelled) or '(?!)'})")


def words_of(name: str) -> list[str]:
    """The words of a field's name: snake_case, camelCase, kebab-case, folded."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return [word for word in re.split(r"[^a-z0-9]+", fold(spaced)) if word]


def concepts(group: str, words: Iterable[str]) -> list[str]:
    """The concepts of a group that any of the words stands for."""
    told = set(words)
    return [name for name, cue in _vocabulary()[group].items() if told & set(cue["field"].split())]


def said(group: str, concept: str, care: Care) -> Iterator[str]:
    """The phrases by which documents say a concept, in the languages a model speaks."""
    cue = _vocabulary()[group][concept]
    yield from cue["en"].split("|")
    if care.speaks:
        yield from cue["more"].split("|")


def read_cues(group: str, name: str, description: str, care: Care) -> Cues:
    """The cues of a field within a group of concepts."""
    words = words_of(name)
    known = concepts(group, words)
    if not known and care.reads_descriptions:
        known = concepts(group, words_of(description))
    telling = [word for word in words if word not in _TYPE_WORDS] or words
    own = [*telling, *(phrase for each in known for phrase in said(group, each, care))]
    rest = [
        each
        for each in _vocabulary()[group]
        if each not in known and "weak" not in _vocabulary()[group][each]
    ]
    rival = (phrase for each in rest for phrase in said(group, each, care))
    return Cues(pattern(*own), pattern(*(phrase for phrase in rival if phrase not in own)))
