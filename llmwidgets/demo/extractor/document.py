"""A document as the rules see it: folded text, lines, labels, quotations."""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, lru_cache
from importlib.resources import files
from typing import Any

from llmwidgets.demo.conform import Node, nullable, resolve, types, value_branch

_SENTENCE = re.compile(r"(?<=[a-zà-ÿ)»\"]{2})[.!?;]\s+(?=[A-ZÀ-Þ\"«])|(?<=\d{4})\.\s+(?=[A-ZÀ-Þ])")
_REACH = 300
_LABEL = re.compile(
    r"(?:^|\|)[ \t>*-]*(?P<label>[^\W\d][^\n:|=]{1,38}?)"
    r"(?:[ \t]*+:[ \t]++|[ \t]{3,}+)(?P<value>[^\n|]*\S)",
    re.M,
)


@dataclass(frozen=True, slots=True)
class Match:
    """A candidate for a value, with its place in the document."""

    value: str
    start: int
    end: int


def fold(text: str) -> str:
    """Lower case without accents, letter by letter, so that places stay the same."""
    return "".join(_letter(letter) for letter in text)


def _letter(letter: str) -> str:
    if letter < "\x80":
        return letter.lower()
    base = unicodedata.normalize("NFD", letter)[0].lower()
    return base if len(base) == 1 else letter


class Document:
    """A text with what the rules look up in it."""

    def __init__(self, text: str, *, quotes: bool = True) -> None:
        kept = text if quotes else re.sub(r"^>.*$", "", text, flags=re.M)
        self.text = kept.replace("\u00a0", " ").replace("\u202f", " ")

    @cached_property
    def folded(self) -> str:
        return fold(self.text)

    @cached_property
    def lines(self) -> list[str]:
        return self.text.splitlines()

    @cached_property
    def labels(self) -> list[tuple[str, Match]]:
        """Folded labels with their values: `Label: value` and `Label   value`."""
        return [
            (fold(match["label"]).strip(), Match(match["value"].strip(), *match.span("value")))
            for match in _LABEL.finditer(self.text)
        ]

    def before(self, start: int, *, above: bool = True) -> str:
        """Folded words before a place: of its sentence on its line, or else the line above."""
        line = max(self.text.rfind("\n", 0, start) + 1, start - _REACH)
        words = self.folded[line:start]
        cuts = [match.end() for match in _SENTENCE.finditer(self.text, line, start)]
        if cuts:
            words = self.folded[cuts[-1] : start]
        if above and not cuts and not re.search(r"[^\W\d]", words):
            higher = self.folded[max(0, line - _REACH) : line].rstrip("\n")
            words = higher[higher.rfind("\n") + 1 :] + " " + words
        return words[-90:]

    def after(self, end: int) -> str:
        """Folded words after a place, to the end of its clause."""
        words = self.folded[end : end + _REACH].partition("\n")[0]
        return re.split(r"[.;,:|]\s|\d", words, maxsplit=1)[0][:40]


# -- How careful a demo model is: which of the rules it follows.


@dataclass(frozen=True, slots=True)
class Profile:
    """The rules a model follows.

    `reads_descriptions`: a field's description counts, not its name alone.
    `weighs_context`: every candidate is weighed by the words around it; else the first that
    stands near a fitting word is taken.
    `knows_absence`: null where no fitting word stands near a candidate; else the first one.
    `speaks`: languages beside English.
    `whole_lists`: every row of a list; else the first alone.
    `reads_prose`: looks into sentences where no label, table or bullet gives the value.
    """

    reads_descriptions: bool
    weighs_context: bool
    knows_absence: bool
    speaks: bool
    whole_lists: bool
    reads_prose: bool


CAREFUL = Profile(True, True, True, True, True, True)
QUICK = Profile(False, True, True, False, True, False)
BRISK = Profile(False, True, True, True, True, False)
HASTY = Profile(False, False, False, False, False, False)


# -- A field of the schema as the rules see it: name, description, type, what it allows.


@dataclass(frozen=True, slots=True)
class Field:
    """One place to fill. `around` are the words of the objects it lies in."""

    name: str
    description: str
    node: Node
    nullable: bool
    around: tuple[str, ...] = ()

    @property
    def words(self) -> set[str]:
        return set(words_of(self.name)) | set(self.around)

    @property
    def told(self) -> set[str]:
        """Words of name and description."""
        return self.words | set(words_of(self.description))

    @property
    def type(self) -> str:
        said = [kind for kind in types(self.node) if kind != "null"]
        return said[0] if said else "string"

    @property
    def values(self) -> list[Any] | None:
        allowed = self.node.get("enum")
        return [each for each in allowed if each is not None] if allowed else None


def read_field(name: str, node: Any, root: Node, around: tuple[str, ...] = ()) -> Field:
    """The field of a property, its references followed and its null branch noted."""
    inner = resolve(node, root)
    value = value_branch(inner, root)
    words = value.get("description") or inner.get("description") or ""
    title = value.get("title") or inner.get("title") or ""
    description = inner.get("description") or words
    told = f"{title}. {description}" if title and str(title) != name else str(description)
    return Field(name, told, value, nullable(inner, root), around)


# -- Cues: the words that stand near a value in documents, found from a field's name and
# description.
#
# The vocabulary is general business language in several languages; it knows no sample.

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


def is_said(group: str, concept: str, care: Profile) -> Iterator[str]:
    """The phrases by which documents say a concept, in the languages a model speaks."""
    cue = _vocabulary()[group][concept]
    yield from cue["en"].split("|")
    if care.speaks:
        yield from cue["more"].split("|")


def read_cues(group: str, name: str, description: str, care: Profile) -> Cues:
    """The cues of a field within a group of concepts."""
    words = words_of(name)
    known = concepts(group, words)
    if not known and care.reads_descriptions:
        known = concepts(group, words_of(description))
    telling = [word for word in words if word not in _TYPE_WORDS] or words
    own = [*telling, *(phrase for each in known for phrase in is_said(group, each, care))]
    rest = [
        each
        for each in _vocabulary()[group]
        if each not in known and "weak" not in _vocabulary()[group][each]
    ]
    rival = (phrase for each in rest for phrase in is_said(group, each, care))
    return Cues(pattern(*own), pattern(*(phrase for phrase in rival if phrase not in own)))
