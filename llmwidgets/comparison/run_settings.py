"""How a comparison was asked: what differs from an earlier one, and code that asks the same."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from operator import attrgetter
from typing import TYPE_CHECKING, Any, Protocol

from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.analysis.rules import split_weight
from llmwidgets.analysis.statistics.verdict import MATTERS
from llmwidgets.comparison.core import MADE_ELSEWHERE, WRONG, ResultData, Rules
from llmwidgets.comparison.measures.changes import match_results
from llmwidgets.comparison.measures.text_result import function_in_code, name_in_code, rule_text
from llmwidgets.comparison.truth import Blank
from llmwidgets.comparison.variants import SETTINGS, Variant
from llmwidgets.demo import emails, invoices, jobs
from llmwidgets.engine.request_builder import DEFAULT_INSTRUCTIONS, EFFORT
from llmwidgets.formatting import count, join_truncated
from llmwidgets.schemas import choose_schema, read_schema
from llmwidgets.schemas.difference import find_changes
from llmwidgets.schemas.python_code import python_literal, python_name

if TYPE_CHECKING:
    from llmwidgets.comparison.files import StrPath
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
        changes += _of_own_schema(now, before, now_at, before_at)
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
    ("Texts with another id", attrgetter("id")),
    ("Texts with other words", attrgetter("text")),
    ("Texts with another schema", attrgetter("schema.digest")),
    ("Texts in another group", attrgetter("group")),
    ("Texts with other truth", attrgetter("truth")),
)


def _of_texts(now: ResultData, before: ResultData) -> list[str]:
    pairs = _pair_texts(now, before)
    both = [{text.id for text in side} for side in zip(*pairs, strict=True)] or [set(), set()]
    found = [
        (words, [text.id for text in results.texts if text.id not in matched])
        for words, results, matched in (
            ("Texts added", now, both[0]), ("Texts left out", before, both[1]),
        )
    ]  # fmt: skip
    for words, read in _OF_A_TEXT:
        found.append((words, [new.id for new, old in pairs if read(new) != read(old)]))
    changes = [
        f"{words}: {len(names)} ({join_truncated(names)})." for words, names in found if names
    ]
    schemas = dict.fromkeys((old.schema, new.schema) for new, old in pairs)
    return changes + [f"{words}." for pair in schemas if (words := _schema_change(*pair))]


def _pair_texts(now: ResultData, before: ResultData) -> list[tuple[Document, Document]]:
    """Each text now and then: those that are the same, and those that have their id alone."""
    places = dict(match_results(now, before))
    taken = set(places.values())
    by_id = {text.id: at for at, text in enumerate(before.texts) if at not in taken}
    for at, text in enumerate(now.texts):
        if at not in places and text.id in by_id:
            places[at] = by_id[text.id]
    return [(now.texts[at], before.texts[then]) for at, then in sorted(places.items())]


def _schema_change(before: Schema, now: Schema) -> str:
    """How the same fields are described otherwise: "Schema changed: total.description"."""
    changes = find_changes(before, now) if before.paths == now.paths else ()
    names = [change.name for change in changes]
    return f"Schema changed: {join_truncated(names)}" if names else ""


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


def _of_own_schema(now: ResultData, before: ResultData, at: int, earlier: int) -> list[str]:
    """What changed of the schema by which a column was asked, where it had or has its own."""
    new, old = now.variants[at].schema, before.variants[earlier].schema
    if new is None and old is None:
        return []
    pairs = dict.fromkeys(
        (choose_schema(old, then.schema), choose_schema(new, text.schema))
        for text, then in _pair_texts(now, before)
    )
    words = filter(None, (_schema_change(*pair) for pair in pairs))
    return [f"{now.labels[at]}: {each[:1].lower()}{each[1:]}." for each in words]


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
    """A call of `compare` as text, which runs as pasted: stand-ins take the place of data.

    For `outputs` that were made elsewhere it is the call of `Comparison.from_outputs`, and they are
    a stand-in as well; so are texts, truth, examples and functions, unless the texts are those of a
    demo task, which is imported (`sample`), or were read from `files`: the paths as they were
    given, by argument. `some` is how many of a file's texts were asked, if not all.

    `schema` is written out, so that the code needs no class (`class_name` is the reader's own, if
    one is known); without it, each text brings its own. `instructions` by name cross with
    the variants; `group` is the name of a column, or empty where it is a list; `budget`
    is in US dollars. `matters` is the difference of the verdict, where it is another than the
    usual one.
    """

    variants: Sequence[Variant]
    outputs: bool = False
    schema: Schema | None = None
    class_name: str = ""
    sample: SampleTexts | None = None
    files: Mapping[str, StrPath] = field(default_factory=dict)
    some: int | None = None
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
        call = "lw.Comparison.from_outputs(" if self.outputs else "lw.compare("
        written = dict(self._keywords())
        lines = ["import json"] if self._named_schemas() else []
        if not self.sample and any(not isinstance(each, str) for each in self.files.values()):
            lines.append("from pathlib import Path")
        lines += ["", "import llmwidgets as lw"] if lines else ["import llmwidgets as lw"]
        if self.sample:
            lines.append(f"from llmwidgets.demo import {self.sample.task}")
        lines += ["", *self._schemas(), *self._inputs(written)]
        lines += [
            "",
            f"result = {call}",
            f"    {self._schema_name},",
            "    texts,",
        ]
        lines += [f"    {key}={value}," for key, value in written.items()]
        lines.append(")")
        if self.matters != MATTERS:
            lines.append(f"print(result.verdict(matters={self.matters:g}))")
        return "\n".join([*lines, "result"]) + "\n"

    @property
    def _is_sample(self) -> bool:
        """Whether the schema is that of the demo task."""
        return bool(self.sample and self.schema and self.sample.schema == self.schema.digest)

    @property
    def _schema_name(self) -> str:
        if self.sample and self._is_sample:
            return f"{self.sample.task}.Schema"
        return "None" if self.schema is None else "schema"

    def _schemas(self) -> Iterator[str]:
        for text, name in self._named_schemas().items():
            own = f"  # your class {self.class_name} serves as well"
            own = own if self.class_name and name == "schema" else ""
            yield f"{name} = json.loads({python_literal(text)}){own}"

    def _inputs(self, written: Mapping[str, str]) -> Iterator[str]:
        """What is the user's own and not in the code: a stand-in for what is not there yet."""
        outputs = "[None] * len(texts)"
        outputs = f"[{outputs}] * {self.repeats}" if self.repeats > 1 else outputs
        labels = (f"{python_literal(each.label)}: {outputs}" for each in self.variants)
        # They fit whatever texts there are: the user may have put in those alone.
        stand_ins = {
            "texts": (f"[{', '.join(self._texts())}]", "strings, a DataFrame, a Path"),
            "outputs": (f"{{{', '.join(labels)}}}", "by label, a list as long as texts"),
            "truth": ("None", "a list as long as texts, a dict by id, a DataFrame"),
            "group": ("None", "a list as long as texts, a dict by id"),
            "examples": ("[]", "pairs of a text and its record"),
        }
        used = {"texts", *(name for name, value in written.items() if name == value)}
        if any(isinstance(each.examples, tuple) and each.examples for each in self.variants):
            used.add("examples")
        if self.sample:
            yield f"texts = {self.sample.texts}"
            if "truth" in used:
                yield f"truth = {self.sample.truth}"
            used -= {"texts", "truth"}
        yield from (self._read(name) for name in self.files if name in used)
        used -= {*self.files}
        for name, (value, words) in stand_ins.items():
            if name in used:
                yield f'if "{name}" not in globals():  # yours: {words}'
                yield f"    {name} = {value}"
        for name in _named_functions(self.scoring or {}).values():
            yield from ("", f'if "{name}" not in globals():  # yours: True, False or a share')
            yield from ("", f"    def {name}(value, truth):", "        return value == truth")

    def _read(self, argument: str) -> str:
        """The line that names the file of texts or of truth; often they are one."""
        path, texts = self.files[argument], self.files.get("texts")
        if argument != "texts" and str(path) == str(texts):
            return f"{argument} = texts"
        named = python_literal(str(path))
        named = named if isinstance(path, str) else f"Path({named})"
        some = argument == "texts" and self.some
        about = f"  # all of them; what was shown is of {count(some, 'text')}" if some else ""
        return f"{argument} = {named}{about}"

    def _texts(self) -> Iterator[str]:
        """A text; where each brings its schema, one for each that a variant describes anew."""
        one = {"text": "Put your text here."} | ({self.group: "a group"} if self.group else {})
        if self.schema is not None:
            yield python_literal(one if len(one) > 1 else one["text"])
            return
        parts = [f"{python_literal(name)}: {python_literal(value)}" for name, value in one.items()]
        for schema in [*self._named_schemas().values()] or ['{"type": "object"}']:
            yield f'{{{", ".join(parts)}, "schema": {schema}}}'

    def _named_schemas(self) -> dict[str, str]:
        """The names of the schemas that are written out, by their JSON: the texts' first."""
        first = [] if self._is_sample else [self.schema]
        own = [] if self.outputs else [each.schema for each in self.variants]
        given = (each for each in (*first, *own) if each is not None)
        texts = dict.fromkeys(json.dumps(each.json) for each in given)
        least = 1 if first and self.schema is not None else 2
        return {
            text: f"schema_{number}" if number > 1 else "schema"
            for number, text in enumerate(texts, least)
        }

    def _keywords(self) -> Iterator[tuple[str, str]]:
        """The arguments that differ from the defaults, as they are written."""
        named = self.group is not None and (python_literal(self.group) if self.group else "group")
        own = self.instructions != DEFAULT_INSTRUCTIONS and self.instructions
        arguments = {
            "outputs": self.outputs and "outputs",
            "models": not self.outputs and self._models(),
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

    def _models(self) -> str:
        schemas = self._named_schemas()
        return _listed([_variant(each, schemas) for each in self.variants])


def script_of(
    results: ResultData,
    *,
    chosen: Sequence[str] | None = None,
    concurrency: int | None = None,
    budget: float | None = None,
    matters: float = MATTERS,
) -> CompareScript:
    """The call that makes this comparison again, of the chosen labels alone if any are named."""
    cells = results.rows.cells()
    return CompareScript(
        variants=[each for each in results.variants if chosen is None or each.label in chosen],
        outputs=MADE_ELSEWHERE in results.notes,
        schema=shared_schema(results.texts),
        sample=find_sample(results.texts),
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


@dataclass(frozen=True, slots=True)
class SampleTexts:
    """Texts and truth of a demo task, as expressions, and the digest of its schema."""

    task: str
    texts: str
    truth: str
    schema: str


def find_sample(texts: Sequence[Document]) -> SampleTexts | None:
    """The demo task that all the texts are of, as they are; None for texts of the user's."""
    for task in (invoices, emails, jobs):
        if not all(text.id in task.truth for text in texts):
            continue
        known = {each["id"]: each["text"] for each in task.texts}
        names = [text.id for text in texts]
        if any(known[text.id] != text.text for text in texts):
            return None
        rows, truth = f"{task.name}.texts", f"{task.name}.truth"
        if names != [*known]:
            chosen = python_literal(names)
            rows = f'[each for each in {rows} if each["id"] in {chosen}]'
            truth = f"{{each: {truth}[each] for each in {chosen}}}"
        return SampleTexts(task.name, rows, truth, read_schema(task.Schema).digest)
    return None


def _named_functions(rules: Mapping[str, Any]) -> dict[int, str]:
    """A name for each function of the rules, by its identity."""
    names: dict[int, str] = {}
    for at, how in rules.items():
        function = split_weight(how)[0]
        if not isinstance(how, str) and id(function) not in names:
            names[id(function)] = python_name(name_in_code(at, how), {*names.values()})
    return names


def _scoring(rules: Mapping[str, Any]) -> str:
    """Rules by place; of a function its name, or one to be replaced where it has none."""
    names = _named_functions(rules)
    written = (f"{python_literal(at)}: {_rule(how, names)}" for at, how in rules.items())
    return f"{{{', '.join(written)}}}"


def _rule(how: Any, names: Mapping[int, str]) -> str:
    if isinstance(how, str):
        return python_literal(how)
    function, weight = split_weight(how)
    return function_in_code(names[id(function)], weight)


def _listed(models: list[str]) -> str:
    line = f"[{', '.join(models)}]"
    if len(line) < _WIDE - 16:
        return line
    return "\n".join(["[", *(f"        {each}," for each in models), "    ]"])


def _variant(variant: Variant, schemas: Mapping[str, str]) -> str:
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
    if variant.schema is not None:
        own.append(f"schema={schemas[json.dumps(variant.schema.json)]}")
    return (
        f"lw.Variant({', '.join([python_literal(model), *own])})" if own else python_literal(model)
    )
