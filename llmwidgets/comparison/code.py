"""Copy as code: Python that runs the same comparison, with no secret and no text in it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.analysis.verdict import MATTERS
from llmwidgets.comparison.blanks import Blank
from llmwidgets.comparison.marks import name_in_code
from llmwidgets.comparison.outputs import MADE_ELSEWHERE, is_missing
from llmwidgets.engine.defaults import DEFAULT_INSTRUCTIONS, EFFORT

if TYPE_CHECKING:
    from llmwidgets.comparison.comparison import Comparison
    from llmwidgets.comparison.marks import Rules
    from llmwidgets.comparison.variants import Variant
    from llmwidgets.engine.plan import Text
    from llmwidgets.schemas import Schema


_WIDE = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Script:
    """A call of `compare` to be written down; names stand for texts, truth, examples, functions.

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
            lines += ["", f"schema = json.loads({_spelled(json.dumps(self.schema.json))})"]
        name = self.class_name or ("schema" if written else "None")
        call = "lw.Comparison.from_outputs(" if self.outputs else "lw.compare("
        lines += ["", f"result = {call}", f"    {name},", "    texts,"]
        lines += [f"    {key}={value}," for key, value in self._keywords()]
        lines.append(")")
        if self.matters != MATTERS:
            lines.append(f"print(result.verdict(matters={self.matters:g}))")
        return "\n".join(lines) + "\n"

    def _keywords(self) -> Iterator[tuple[str, str]]:
        if self.outputs:
            yield "outputs", "outputs"
        else:
            yield "models", _listed([_variant(each) for each in self.variants])
        if self.truth:
            yield "truth", "truth"
        if self.group is not None:
            yield "group", _spelled(self.group) if self.group else "group"
        if self.blank is not None:
            yield "blank", _spelled(self.blank)
        if self.missing is not None:
            yield "missing", _spelled(self.missing)
        if self.instructions and self.instructions != DEFAULT_INSTRUCTIONS:
            yield "instructions", _literal(self.instructions)
        if self.repeats > 1:
            yield "repeats", str(self.repeats)
        if self.scoring is not None:
            yield "scoring", _scoring(self.scoring)
        if self.concurrency:
            yield "concurrency", str(self.concurrency)
        if self.budget is not None:
            yield "budget", f"{self.budget:g}"


def script_of(
    comparison: Comparison,
    *,
    concurrency: int | None = None,
    budget: float | None = None,
    matters: float = MATTERS,
) -> Script:
    """The call that makes this comparison again, within these limits."""
    return Script(
        variants=comparison.variants,
        outputs=MADE_ELSEWHERE in comparison.notes,
        schema=shared_schema(comparison.texts),
        truth=any(text.truth is not NOTHING for text in comparison.texts),
        missing="wrong" if any(map(is_missing, map(comparison.row, comparison.places()))) else None,
        group="" if any(text.group for text in comparison.texts) else None,
        repeats=comparison.repeats,
        scoring=comparison.scoring,
        concurrency=concurrency,
        budget=budget,
        matters=matters,
    )


def shared_schema(texts: Sequence[Text]) -> Schema | None:
    """The schema of all texts; None where they have several."""
    schemas = {text.schema.digest: text.schema for text in texts}
    return next(iter(schemas.values())) if len(schemas) == 1 else None


def _scoring(rules: Mapping[str, Any]) -> str:
    """Rules by place; of a function its name, or one to be replaced where it has none."""
    written = ", ".join(
        f"{_spelled(at)}: {_spelled(how) if isinstance(how, str) else name_in_code(at, how)}"
        for at, how in rules.items()
    )
    return f"{{{written}}}"


def _listed(models: list[str]) -> str:
    line = f"[{', '.join(models)}]"
    if len(line) < _WIDE - 16:
        return line
    return "\n".join(["[", *(f"        {each}," for each in models), "    ]"])


def _variant(variant: Variant) -> str:
    said: dict[str, Any] = {
        "label": variant.label,
        "instructions": variant.instructions,
        "effort": variant.effort,
        "temperature": variant.temperature,
        "max_output_tokens": variant.max_output_tokens,
        "price": variant.price,
    }
    model = variant.reference
    usual = {"label": model, "instructions": DEFAULT_INSTRUCTIONS, "effort": EFFORT}
    own = [
        f"{name}={_literal(value)}"
        for name, value in said.items()
        if value is not None and value != usual.get(name)
    ]
    if isinstance(variant.examples, int):
        own.append(f"examples={variant.examples}")
    elif variant.examples:
        own.append("examples=examples")
    return f"lw.Variant({', '.join([_spelled(model), *own])})" if own else _spelled(model)


def _literal(value: Any) -> str:
    return _spelled(value) if isinstance(value, str) else repr(value)


def _spelled(value: str) -> str:
    """The text as Python writes it: what cannot be seen is escaped, nothing ends the literal."""
    literal = repr(value)
    return literal if "'" in value or '"' in value else f'"{literal[1:-1]}"'
