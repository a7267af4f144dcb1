"""How a field of the schema is searched for: its words, the vocabulary, a model's rules."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from importlib.resources import files
from typing import Any

from llmwidgets.demo.conform import flatten, list_branches, list_types
from llmwidgets.demo.document import Candidate, Document, fold
from llmwidgets.schemas.canonical import Canonical, Node


@dataclass(frozen=True, slots=True)
class Profile:
    """How careful a model is: the rules that it follows.

    `reads_descriptions`: a field's description counts, not its name alone.
    `weighs_context`: every candidate is weighed by the words around it; else the first one
    near a fitting word is taken.
    `knows_absence`: null if no fitting word is near a candidate; else the first one.
    `speaks`: languages besides English.
    `whole_lists`: every row of a list; else the first alone.
    `reads_prose`: looks into sentences if no label, table or bullet gives the value.
    """

    reads_descriptions: bool = False
    weighs_context: bool = False
    knows_absence: bool = False
    speaks: bool = False
    whole_lists: bool = False
    reads_prose: bool = False


CAREFUL = Profile(True, True, True, True, True, True)
QUICK = Profile(weighs_context=True, knows_absence=True, whole_lists=True)
BRISK = Profile(weighs_context=True, knows_absence=True, whole_lists=True, speaks=True)
HASTY = Profile()


@dataclass(frozen=True, slots=True)
class Field:
    """A value to fill in. `around` are the words of the objects it lies in."""

    name: str
    description: str
    node: Node
    nullable: bool
    around: tuple[str, ...] = ()

    @property
    def own_words(self) -> list[str]:
        """The words of its name, those of the objects around it first."""
        return [*self.around, *words_of(self.name)]

    @property
    def words(self) -> set[str]:
        return set(self.own_words)

    @property
    def all_words(self) -> set[str]:
        return self.words | set(words_of(self.description))

    @property
    def type(self) -> str:
        return next((kind for kind in list_types(self.node) if kind != "null"), "string")


def read_field(name: str, node: Any, schema: Canonical, around: tuple[str, ...] = ()) -> Field:
    """The field of a property, its references followed and its null branch noted."""
    whole = flatten(node, schema)
    value = _value_branch(whole, schema)
    description = str(whole.get("description") or value.get("description") or "")
    title = value.get("title") or whole.get("title")
    if title and title != name:
        description = f"{title}. {description}"
    return Field(name, description, value, _is_nullable(whole, schema), around)


def _value_branch(node: Node, schema: Canonical) -> Node:
    """What a value other than null looks like: the first such branch of a union."""
    for branch in list_branches(node, schema):
        if list_types(branch) != ["null"] and branch.get("const", ...) is not None:
            return _value_branch(branch, schema)
    return node


def _is_nullable(node: Node, schema: Canonical) -> bool:
    if "enum" in node:
        return None in node["enum"]
    return "null" in list_types(node) or any(
        _is_nullable(branch, schema) for branch in list_branches(node, schema)
    )


def words_of(name: str) -> list[str]:
    """The words of a field's name: snake_case, camelCase, kebab-case, folded."""
    spaced = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", " ", name)
    return re.findall(r"[a-z0-9]+", fold(spaced))


# -- The vocabulary: general business language in several languages; it knows no sample.


@lru_cache(maxsize=1)
def _vocabulary() -> dict[str, dict[str, dict[str, str]]]:
    text = (files("llmwidgets.demo") / "vocabulary.json").read_text(encoding="utf-8")
    vocabulary: dict[str, dict[str, dict[str, str]]] = json.loads(text)
    return vocabulary


def find_concepts(group: str, words: Iterable[str]) -> list[str]:
    """The concepts of a group that any of the words names."""
    named = set(words)
    return [
        concept
        for concept, cue in _vocabulary()[group].items()
        if named & set(cue["field"].split())
    ]


def phrases_of(group: str, concept: str, profile: Profile) -> list[str]:
    """The phrases by which documents express a concept, in the languages a model speaks."""
    cue = _vocabulary()[group][concept]
    return cue["en"].split("|") + (cue["more"].split("|") if profile.speaks else [])


@lru_cache(maxsize=4096)
def pattern(*phrases: str) -> re.Pattern[str]:
    """Folded phrases as one pattern on whole words; a closing star lets the word go on."""
    spelled = (
        re.escape(phrase.rstrip("*")).replace(r"\ ", r"\s+")
        + ("" if phrase.endswith("*") else r"(?![^\W_])")
        for phrase in sorted(set(phrases), key=lambda phrase: (-len(phrase), phrase))
    )
    return re.compile(rf"(?<![^\W_])(?:{'|'.join(spelled) or '(?!)'})")


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


def _pull(phrases: re.Pattern[str], before: str, after: str) -> float:
    pull = 0.0
    for match in phrases.finditer(before):
        length = 1 + 0.06 * (match.end() - match.start())
        pull = max(pull, length / (1 + (len(before) - match.end()) / 30))
    behind = phrases.search(after)
    return max(pull, 0.6 / (1 + behind.start() / 15)) if behind else pull


@dataclass(frozen=True, slots=True)
class Search:
    """One field searched for in one document by one model's rules."""

    document: Document
    field: Field
    profile: Profile

    def concepts(self, group: str) -> list[str]:
        """The concepts that the field's name contains, or else its description."""
        known = find_concepts(group, self.field.own_words)
        if known or not self.profile.reads_descriptions:
            return known
        return find_concepts(group, words_of(self.field.description))

    def cues(self, group: str) -> Cues:
        """The phrases of the field's concepts and its name, against those of all other concepts."""
        words, known = self.field.own_words, self.concepts(group)
        own = [word for word in words if word not in _TYPE_WORDS] or words
        own += [phrase for each in known for phrase in phrases_of(group, each, self.profile)]
        rival = [
            phrase
            for concept, cue in _vocabulary()[group].items()
            if concept not in known and "weak" not in cue
            for phrase in phrases_of(group, concept, self.profile)
            if phrase not in own
        ]
        return Cues(pattern(*own), pattern(*rival))

    def weigh(self, candidate: Candidate[Any], cues: Cues) -> float:
        """How well the words around a candidate fit the field."""
        around = self.document.before(candidate.start), self.document.after(candidate.end)
        return cues.weigh(*around)

    def near(self, candidates: Sequence[Candidate[Any]], cues: Cues) -> list[Candidate[Any]]:
        """The candidates with a fitting word before them on their line."""
        before = self.document.before
        return [each for each in candidates if cues.own.search(before(each.start, above=False))]

    def best(
        self, candidates: Sequence[Candidate[str]], group: str, *, optional: bool | None = None
    ) -> str | None:
        """The candidate that the words around it fit; None if none fits and none is needed."""
        if not candidates:
            return None
        cues = self.cues(group)
        absent = self.field.nullable if optional is None else optional
        absent = absent and self.profile.knows_absence
        if not self.profile.weighs_context:
            near = self.near(candidates, cues)
            return near[0].value if near else None if absent else candidates[0].value
        score, winner = max(
            ((self.weigh(each, cues), each) for each in candidates), key=lambda rated: rated[0]
        )
        return winner.value if score > 0.25 or not absent else None

    def label(self, group: str) -> Candidate[str] | None:
        """The value behind the first label that names the field."""
        named = self.cues(group).own.search
        labels = self.document.labels
        return next((value for label, value in labels if len(label) < 40 and named(label)), None)
