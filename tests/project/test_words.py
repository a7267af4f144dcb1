"""English: phrases that are wrong wherever they occur stay out of messages and docstrings."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from llmwidgets.analysis.statistics.verdict_sentences import conclude_unscored
from llmwidgets.comparison import Variant
from llmwidgets.comparison.runs import read_documents
from llmwidgets.dialects.waits import format_wait
from llmwidgets.errors import FieldError
from llmwidgets.schemas import read_schema

PACKAGE = Path(__file__).parents[2] / "llmwidgets"

WRONG = re.compile(
    r"""
    (?<!here\ )\bis\ no\ (?!longer\b|more\b|older\b|and\b)[a-z]+  # is not a …
    | (?<!here\ )\bis\ none\b                         # is not one of …
    | \b(?:[Aa]|[Oo]ne)\ (?:row|line|cell|column|file)\ an?\b   # one row per …
    | \bof\ the\ way\b | \bthe\ way\ on\b             # of the connection; the next step
    | \bgoe?s?\ before\b                              # takes precedence over
    | \bleads?\ to\ no\b                              # cannot resolve
    | \bwants\ https\b                                # requires HTTPS
    | \b[Ss]o\ many\b                                    # a number
    """,
    re.VERBOSE,
)


def sentences(path: Path) -> Iterator[tuple[int, str]]:
    """Every text in a Python file, each in one line; of a page's source file every line."""
    source = path.read_text("utf-8")
    if path.suffix != ".py":
        yield from enumerate(source.split("\n"), start=1)
        return
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, " ".join(node.value.split())


@pytest.mark.parametrize(
    "text",
    [
        "total is no number",
        "place: is none.",
        "One line, a row a variant.",
        "A failure of the way, never scored.",
        "it goes before the tables",
        "The name x leads to no address.",
        "x wants https: it hangs up",
        "Have so many texts read.",
    ],
)
def test_what_is_wrong_is_seen(text: str) -> None:
    assert WRONG.search(text)


@pytest.mark.parametrize(
    "text",
    ["There is no connection for x.", "it is no longer sold", "there is none", "1 row per variant"],
)
def test_what_is_right_is_left(text: str) -> None:
    assert not WRONG.search(text)


@pytest.mark.parametrize("suffix", [".py", ".ts", ".tsx"])
def test_no_phrase_is_one_that_a_native_reader_stumbles_over(suffix: str) -> None:
    files = [each for each in PACKAGE.rglob(f"*{suffix}") if "node_modules" not in each.parts]
    assert files
    found = [
        f"{path.relative_to(PACKAGE)}:{line}: {match[0]}"
        for path in files
        for line, text in sentences(path)
        for match in WRONG.finditer(text)
    ]
    assert found == []


# -- A number, its noun and its verb: "2 try was" and "1 rows" come of writing them by hand.

NOUNS = (
    "answers?|calls?|characters?|columns?|connections?|days?|documents?|entr(?:y|ies)|examples?|"
    "extractions?|fields?|files?|groups?|hours?|items?|keys|labels?|lines|minutes?|models?|"
    "outputs?|pages?|places?|problems?|propert(?:y|ies)|records?|repeats?|repl(?:y|ies)|rows?|"
    "schemas|seconds?|tasks?|texts?|times|tokens?|tr(?:y|ies)|values?|variants?|words"
)
ADJECTIVES = "more|other|new|labelled|whitelisted|temporary"
BY_HAND = re.compile(rf" (?:(?:{ADJECTIVES}) )?(?:{NOUNS})\b")
VERB = re.compile(
    r" (?:is|are|was|were|has|have|does|do|needs?|differs?|match(?:es)?|(?:dis)?agrees?)\b"
)
NOT_ONE = {
    "at": "the numbers of texts at which a verdict was shown",
    "fields": "a mean: 1 of 12.5 fields",
    "format_times(ratio)": "never once as much",
    "format_times(more / less)": "never once as much",
    "rough_count(round(whole.likely))": "of a text with many tokens",
    "tokens": "rounded, ten at least",
    "usage.output_tokens": "input and output together",
    "formatting.format_thousands(row.reasoning_tokens)": "4.1k",
    "whose": "its texts, their texts",
    "self.model": "a name",
    "connection.provider.title": "a name",
    "noun": "column or key",
    "_N.format('requested')": "a pattern of what servers write",
    "percent(low)": "a share",
    "points": "a share",
    "percent(max(0.001, bound))": "a share",
    "percent(best.accuracy)": "a share",
}
"""What is in front of such a noun and cannot be 1, or is not a number."""


def numbers_by_hand(source: str) -> Iterator[str]:
    """Where an f-string has a number with a plural, or a counted noun with a verb of its own."""
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.JoinedStr):
            continue
        for value, after in zip(node.values, node.values[1:], strict=False):
            if not isinstance(value, ast.FormattedValue) or not isinstance(after, ast.Constant):
                continue
            written, rest = ast.unparse(value.value), str(after.value)
            is_counted = re.match(r"(?:\w+\.)?count\(", written)
            if is_counted and VERB.match(rest):
                yield f"{written}{rest[:20]}"
            names_one = written.rpartition(".")[2].isupper() or written in NOT_ONE
            if not is_counted and not names_one and BY_HAND.match(rest):
                yield f"{{{written}}}{rest[:20]}"


@pytest.mark.parametrize(
    "source",
    [
        'f"{n} try was answered, {len(rows)} rows"',
        'f"{left} more texts were not asked."',
        "f\"{count(n, 'row')} match in other fields\"",
        'f"{some:,} of {total:,} texts"',
    ],
)
def test_a_number_by_hand_is_seen(source: str) -> None:
    assert list(numbers_by_hand(source))


@pytest.mark.parametrize(
    "source",
    ["f\"{count(n, 'row matches', 'rows match')} here\"", 'f"{LONGEST:,} characters"', 'f"{n} s"'],
)
def test_a_number_by_count_is_left(source: str) -> None:
    assert not list(numbers_by_hand(source))


@pytest.mark.parametrize(
    ("sentence", "said"),
    [
        (lambda: conclude(1, 1), "1 of 1 reply is a valid record"),
        (lambda: conclude(0, 1), "0 of 1 reply is a valid record"),
        (lambda: conclude(2, 3), "2 of 3 replies are valid records"),
        (lambda: refusal(["a"], [{}, {}]), "has 2 rows for 1 text."),
        (lambda: refusal(["a", "b"], [{}]), "has 1 row for 2 texts."),
        (lambda: refusal([1] * 6, None), "1 more text has a problem."),
        (lambda: refusal([1] * 7, None), "2 more texts have a problem."),
        (lambda: format_wait(2 * 86400), "2 days"),
        (lambda: Variant("m", max_output_tokens=1).settings(), "at most 1 token"),
        (lambda: Variant("m", examples=1).settings(), "1 example"),
        (lambda: repr(read_schema([{"name": "a"}])), "1 field)"),
    ],
)
def test_one_and_several_agree(sentence: Callable[[], str], said: str) -> None:
    assert said in sentence()


def conclude(valid: int, replies: int) -> str:
    return conclude_unscored(
        valid=valid, replies=replies, variants=1, labelled=0, differing=0
    ).headline


def refusal(texts: list[Any], truth: Any) -> str:
    with pytest.raises(FieldError) as caught:
        read_documents([{"name": "a"}], texts, truth)
    return str(caught.value)


def test_a_number_and_its_noun_are_written_by_count() -> None:
    found = [
        f"{path.relative_to(PACKAGE)}: {each}"
        for path in PACKAGE.rglob("*.py")
        if "node_modules" not in path.parts
        for each in numbers_by_hand(path.read_text("utf-8"))
    ]
    assert found == []
