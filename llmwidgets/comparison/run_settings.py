"""How a comparison was asked: what differs from an earlier one, and code that asks the same."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Protocol

from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.analysis.statistics.verdict import MATTERS
from llmwidgets.comparison.core import MADE_ELSEWHERE, WRONG, ResultData, Rules
from llmwidgets.comparison.measures.text_result import (
    name_in_code,
    python_literal,
    python_name,
    rule_text,
)
from llmwidgets.comparison.truth import Blank
from llmwidgets.comparison.variants import SETTINGS, Variant
from llmwidgets.engine.request_builder import DEFAULT_INSTRUCTIONS, EFFORT
from llmwidgets.formatting import join_truncated

if TYPE_CHECKING:
    from llmwidgets.engine.request_builder import Document
    from llmwidgets.schemas import Schema


_SETTINGS = (
    ("effort", "thinking"),
    ("temperature", "temperature"),
    ("max_output_tokens", "output limit"),
)


class Asked(Protocol):
    """How a comparison asked, or an earlier run of which no more is known."""

    @property
    def labels(self) -> tuple[str, ...]: ...
    @property
    def models(self) -> tuple[str, ...]: ...
    @property
    def variants(self) -> tuple[Variant, ...]: ...
    @property
    def repeats(self) -> int: ...


def match_variants(now: Asked, before: Asked) -> list[tuple[int, int]]:
    """Which column of the earlier comparison each column answers to.

    By label; columns left over on both sides in equal number by their order.
    """
    pairs = {
        at: before.labels.index(label)
        for at, label in enumerate(now.labels)
        if label in before.labels
    }
    left = [at for at in range(len(now.labels)) if at not in pairs]
    right = [at for at in range(len(before.labels)) if at not in pairs.values()]
    if len(left) == len(right):
        pairs |= zip(left, right, strict=True)
    return sorted(pairs.items())


def describe_changes(now: ResultData, before: ResultData) -> tuple[str, ...]:
    """What changed besides the answers; empty if nothing did."""
    pairs = match_variants(now, before)
    changes = [*_of_columns(now, before, pairs), *_of_texts(now, before)]
    if now.scoring != before.scoring:
        changes.append(f"Scoring: {_rules(before.scoring)}, now {_rules(now.scoring)}.")
    changes += _of_repeats(now, before)
    for now_at, before_at in pairs:
        changes += _of_variant(now, before, now_at, before_at)
        changes += _of_served(now, before, now_at, before_at)
    return tuple(changes)


def describe_asked(now: Asked, before: Asked) -> list[str]:
    """What changed in how the models were asked; nothing of texts, truth and replies."""
    pairs = match_variants(now, before)
    changes = [*_of_columns(now, before, pairs), *_of_repeats(now, before)]
    for now_at, before_at in pairs:
        changes += _of_variant(now, before, now_at, before_at)
    return changes


def _of_repeats(now: Asked, before: Asked) -> list[str]:
    if now.repeats == before.repeats:
        return []
    return [f"Repeats: {before.repeats}, now {now.repeats}."]


def _of_columns(now: Asked, before: Asked, pairs: Sequence[tuple[int, int]]) -> list[str]:
    changes = []
    for at, earlier in pairs:
        if now.labels[at] != before.labels[earlier]:
            changes.append(f"{now.labels[at]} takes the place of {before.labels[earlier]}.")
        elif now.models[at] != before.models[earlier]:
            model, old_model = now.models[at], before.models[earlier]
            changes.append(f"{now.labels[at]}: model {old_model}, now {model}.")
    both = [{pair[side] for pair in pairs} for side in (0, 1)]
    for words, results, matched in (("New", now, both[0]), ("No more compared", before, both[1])):
        if alone := [label for at, label in enumerate(results.labels) if at not in matched]:
            changes.append(f"{words}: {join_truncated(alone)}.")
    return changes


_OF_A_TEXT = (
    ("Texts with other words", attrgetter("text")),
    ("Texts with another schema", attrgetter("schema.digest")),
    ("Texts in another group", attrgetter("group")),
    ("Texts with other truth", attrgetter("truth")),
)


def _of_texts(now: ResultData, before: ResultData) -> list[str]:
    new, old = ({text.id: text for text in results.texts} for results in (now, before))
    found = [
        ("Texts added", [name for name in new if name not in old]),
        ("Texts left out", [name for name in old if name not in new]),
    ]
    for words, read in _OF_A_TEXT:
        both = [name for name in new if name in old]
        found.append((words, [name for name in both if read(new[name]) != read(old[name])]))
    return [f"{words}: {len(names)} ({join_truncated(names)})." for words, names in found if names]


def _of_variant(now: Asked, before: Asked, at: int, earlier: int) -> list[str]:
    new, old, label = now.variants[at], before.variants[earlier], now.labels[at]
    changes = []
    if new.instructions != old.instructions:
        changes.append(f"{label}: other instructions.")
    if (new.examples or ()) != (old.examples or ()):
        changes.append(f"{label}: other examples.")
    for name, words in _SETTINGS:
        one, other = getattr(old, name), getattr(new, name)
        if one != other:
            changes.append(f"{label}: {words} {_word(one)}, now {_word(other)}.")
    return changes


def _of_served(now: ResultData, before: ResultData, at: int, earlier: int) -> list[str]:
    served = _served(before, earlier), _served(now, at)
    if now.models[at] != before.models[earlier] or not all(served) or served[0] == served[1]:
        return []
    old, new = map(join_truncated, served)
    return [f"{now.labels[at]}: answered by {old}, now by {new}."]


def _served(results: ResultData, variant: int) -> list[str]:
    """The versions that answered, as the servers name them."""
    rows = (results.row(cell) for cell in results.rows.cells() if cell.variant == variant)
    return sorted({row.served_model for row in rows if row.served_model})


def _rules(scoring: Any) -> str:
    if scoring is None:
        return "the default rules"
    named = (f"{path or 'the whole record'} ({rule_text(rule)})" for path, rule in scoring.items())
    return f"own rules for {join_truncated(named)}"


def _word(value: Any) -> str:
    return "unset" if value is None else str(value)


# -- Copy as code: Python that runs the same comparison, with no secret and no text in it.

_WIDE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class CompareScript:
    """A call of `compare` as text; names take the place of texts, truth, examples and functions.

    For `outputs` that were made elsewhere it is the call of `Comparison.from_outputs`, in which
    they are a name as well.

    `schema` is written out, so that the code needs no class, unless `class_name` names one that
    the reader has; without both, each text brings its own. `instructions` by name cross with
    the variants; `group` is the name of a column, or empty where it is a name as well; `budget`
    is in US dollars. `matters` is the difference of the verdict, where it is another than the
    usual one.
    """

    variants: Sequence[Variant]
    outputs: bool = False
    schema: Schema | None = None
    class_name: str = ""
    truth: bool = False
    group: str | None = None
    blank: Blank = None
    missing: str | None = None
    instructions: str | Mapping[str, str] | None = None
    repeats: int = 1
    scoring: Rules = None
    concurrency: int | None = None
    budget: float | None = None
    matters: float = MATTERS

    def __str__(self) -> str:
        written = self.schema is not None and not self.class_name
        lines = [*(["import json", ""] if written else []), "import llmwidgets as lw"]
        if written and self.schema is not None:
            lines += ["", f"schema = json.loads({python_literal(json.dumps(self.schema.json))})"]
        name = self.class_name or ("schema" if written else "None")
        call = "lw.Comparison.from_outputs(" if self.outputs else "lw.compare("
        lines += ["", f"result = {call}", f"    {name},", "    texts,"]
        lines += [f"    {key}={value}," for key, value in self._keywords()]
        lines.append(")")
        if self.matters != MATTERS:
            lines.append(f"print(result.verdict(matters={self.matters:g}))")
        return "\n".join(lines) + "\n"

    def _keywords(self) -> Iterator[tuple[str, str]]:
        """The arguments that differ from the defaults, as they are written."""
        named = self.group is not None and (python_literal(self.group) if self.group else "group")
        own = self.instructions != DEFAULT_INSTRUCTIONS and self.instructions
        arguments = {
            "outputs": self.outputs and "outputs",
            "models": not self.outputs and _listed([_variant(each) for each in self.variants]),
            "truth": self.truth and "truth",
            "group": named,
            "blank": self.blank and python_literal(self.blank),
            "missing": self.missing and python_literal(self.missing),
            "instructions": own and python_literal(own),
            "repeats": self.repeats > 1 and str(self.repeats),
            "scoring": self.scoring is not None and _scoring(self.scoring),
            "concurrency": self.concurrency and str(self.concurrency),
            "budget": self.budget is not None and f"{self.budget:g}",
        }
        return ((name, written) for name, written in arguments.items() if written)


def script_of(
    results: ResultData,
    *,
    concurrency: int | None = None,
    budget: float | None = None,
    matters: float = MATTERS,
) -> CompareScript:
    """The call that makes this comparison again, within these limits."""
    cells = results.rows.cells()
    return CompareScript(
        variants=results.variants,
        outputs=MADE_ELSEWHERE in results.notes,
        schema=shared_schema(results.texts),
        truth=any(text.truth is not NOTHING for text in results.texts),
        missing="wrong" if any(results.row(cell).message == WRONG for cell in cells) else None,
        group="" if any(text.group for text in results.texts) else None,
        repeats=results.repeats,
        scoring=results.scoring,
        concurrency=concurrency,
        budget=budget,
        matters=matters,
    )


def shared_schema(texts: Sequence[Document]) -> Schema | None:
    """The schema of all texts; None where they have several."""
    schemas = {text.schema.digest: text.schema for text in texts}
    return next(iter(schemas.values())) if len(schemas) == 1 else None


def _scoring(rules: Mapping[str, Any]) -> str:
    """Rules by place; of a function its name, or one to be replaced where it has none."""
    written, functions = [], dict[str, Any]()
    for at, how in rules.items():
        if isinstance(how, str):
            rule = python_literal(how)
        else:
            others = {name for name, function in functions.items() if function is not how}
            rule = python_name(name_in_code(at, how), others)
            functions[rule] = how
        written.append(f"{python_literal(at)}: {rule}")
    return f"{{{', '.join(written)}}}"


def _listed(models: list[str]) -> str:
    line = f"[{', '.join(models)}]"
    if len(line) < _WIDE - 16:
        return line
    return "\n".join(["[", *(f"        {each}," for each in models), "    ]"])


def _variant(variant: Variant) -> str:
    model = variant.reference
    usual = {"label": model, "instructions": DEFAULT_INSTRUCTIONS, "effort": EFFORT}
    own = [
        f"{name}={python_literal(value)}"
        for name in ("label", *SETTINGS)
        if (value := getattr(variant, name)) is not None and value != usual.get(name)
    ]
    if isinstance(variant.examples, int):
        own.append(f"examples={variant.examples}")
    elif variant.examples:
        own.append("examples=examples")
    return (
        f"lw.Variant({', '.join([python_literal(model), *own])})" if own else python_literal(model)
    )
