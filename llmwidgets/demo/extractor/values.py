"""Enums and booleans: which value's words the document uses."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from llmwidgets.demo.care import Care
from llmwidgets.demo.cues import concepts, pattern, said, words_of
from llmwidgets.demo.extractor.document import Document, fold
from llmwidgets.demo.extractor.finders import currency_of

_ENDINGS = re.compile(r"(?:ations?|ition|ing|ed|ment|ies|es|s|e|y)$")
_NOT = re.compile(r"\b(?:not|no|never|non|nicht|kein\w*|pas|nie|niet|senza|sin|isn't)\b")
_SMALL = frozenset(
    [
        "the",
        "a",
        "an",
        "of",
        "or",
        "is",
        "it",
        "from",
        "in",
        "to",
        "for",
        "by",
        "some",
        "what",
        "where",
        "when",
        "before",
    ]
)


def choose(
    document: Document, values: Sequence[Any], name: str, description: str, care: Care
) -> Any | None:
    """The value whose words the document says most and earliest; None where it says none."""
    texts = [value for value in values if isinstance(value, str)]
    if texts and all(re.fullmatch(r"[A-Z]{3}", value) for value in texts):
        code = currency_of(document)
        if code in texts:
            return code
    told = {value: _weight(document, value, texts, description, care) for value in texts}
    best = max(told, key=lambda value: told[value], default=None)
    return best if best is not None and told[best] > 0 else None


def _weight(
    document: Document, value: str, values: Sequence[str], description: str, care: Care
) -> float:
    weight = 0.0
    exact = pattern(" ".join(words_of(value)) or fold(value))
    for phrase, worth in (
        (exact, 1.5),
        *((p, 1.0) for p in _phrases(value, values, description, care)),
    ):
        for match in phrase.finditer(document.folded):
            early = 1.0 if match.start() < len(document.folded) / 3 else 0.0
            weight += worth + 0.5 * early
            if not care.weighs_context:
                return weight
    return weight


def _phrases(
    value: str, values: Sequence[str], description: str, care: Care
) -> list[re.Pattern[str]]:
    words = words_of(value)
    phrases = {_ENDINGS.sub("", word) + "*" for word in words if len(word) > 4}
    if care.weighs_context:
        for concept in concepts("choice", words):
            phrases.update(said("choice", concept, care))
    if care.reads_descriptions:
        for word in _explained(value, values, description):
            phrases.add(_ENDINGS.sub("", word) + "*" if len(word) > 5 else word)
    return [pattern(phrase) for phrase in sorted(phrases) if len(phrase) > 2]


def _explained(value: str, values: Sequence[str], description: str) -> list[str]:
    """The words by which a description explains one value: `value: words; value: words`."""
    folded = fold(description)
    others = "|".join(re.escape(fold(each)) for each in values)
    match = re.search(
        rf"\b{re.escape(fold(value))}\s*[:=(]\s*(.*?)(?=\b(?:{others})\s*[:=(]|$)", folded
    )
    words = re.findall(r"[a-z]{4,}", match[1]) if match else []
    return [word for word in words if word not in _SMALL]


def says_so(document: Document, name: str, description: str, care: Care) -> bool:
    """Whether the document says what a boolean field asks, and does not deny it."""
    words = [word for word in words_of(name) if word not in ("is", "has", "was", "are")]
    phrases = {_ENDINGS.sub("", word) + "*" for word in words if len(word) > 3}
    for concept in concepts("choice", words):
        phrases.update(said("choice", concept, care))
    for phrase in phrases:
        for match in pattern(phrase).finditer(document.folded):
            if not care.weighs_context:
                return True
            near = document.folded[max(0, match.start() - 20) : match.end() + 12]
            if not _NOT.search(near):
                return True
    return False
