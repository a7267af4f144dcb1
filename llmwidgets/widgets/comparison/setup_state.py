"""What a comparison is asked for before it runs: schema, texts, truth, columns, options."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from keyword import iskeyword
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.comparison.inputs import RunPlan, build_plan, read_documents
from llmwidgets.comparison.run_settings import CompareScript, shared_schema
from llmwidgets.comparison.truth import Blank
from llmwidgets.comparison.variants import (
    ConnectionResolver,
    Variant,
    reference_of,
    resolve_variants,
)
from llmwidgets.connections import Connection, Policy, environment_connections
from llmwidgets.engine.defaults import DEFAULT_INSTRUCTIONS
from llmwidgets.errors import FieldError, LLMWidgetsError, PolicyError, StoreError
from llmwidgets.schemas import Schema, read_schema
from llmwidgets.store.store import Store
from llmwidgets.widgets.comparison.model_picker import ColumnChoices, edit_variant
from llmwidgets.widgets.comparison.run_options import RunOptions

if TYPE_CHECKING:
    from llmwidgets.engine.request_builder import Document


MATERIAL = ("schema", "texts", "truth")


@dataclass(frozen=True, slots=True)
class SetupProblem:
    """Something that stands in the way: where, the sentence, the next step, a button for it."""

    where: str
    sentence: str
    hint: str = ""
    action: Mapping[str, Any] | None = None

    @property
    def blocks(self) -> bool:
        """Whether nothing can run until it is mended."""
        return self.where in MATERIAL


@dataclass(slots=True)
class Setup:
    """The choices of a panel. Nothing here calls a provider.

    `documents` is what the texts were read to; empty while schema or texts are wrong. `named` is
    the store that code named: its rules hold, so it must be open; None is the default one.
    """

    store: Store
    named: Store | None = None
    schema_given: Any = None
    texts_given: Any = None
    truth_given: Any = None
    group: Any = None
    blank: Blank = None
    schema: Schema | None = None
    documents: tuple[Document, ...] = ()
    options: RunOptions = field(default_factory=RunOptions)
    picks: ColumnChoices = field(default_factory=ColumnChoices)
    problems: list[SetupProblem] = field(default_factory=list)
    given: list[Connection] = field(default_factory=list)

    # -- what is read --------------------------------------------------------------------------

    def read_material(self) -> None:
        """Read schema, texts and truth; what is wrong becomes a problem, never a raise."""
        self.problems = [each for each in self.problems if each.where not in MATERIAL]
        self.schema, self.documents = None, ()
        if self.schema_given is not None:
            self.schema = self._try("schema", lambda: read_schema(self.schema_given))
            if self.schema is None:
                return
        if self.texts_given is None:
            return
        plain = self._try("texts", lambda: self._read({}))
        if plain is None:
            return
        self.documents = plain
        read = self._try("truth", lambda: self._read(self.truth_given))
        if read is not None:
            self.documents = read

    def _read(self, truth: Any) -> tuple[Document, ...]:
        return read_documents(
            self.schema, self.texts_given, truth, group=self.group, blank=self.blank
        )

    def _try(self, where: str, read: Callable[[], Any]) -> Any:
        try:
            return read()
        except LLMWidgetsError as error:
            action = None
            if where == "truth":
                action = {"label": "Compare without truth", "type": "drop_truth"}
            self.problems.append(SetupProblem(where, _sentence(where, error), error.hint, action))
            return None

    def read_models(self, models: Any) -> None:
        """Choose what code asked for; what cannot be found becomes a problem, the rest stays."""
        for each in _listed(models):
            try:
                lookup = ConnectionResolver(self.named)
                chosen = resolve_variants([each], lookup)
            except LLMWidgetsError as error:
                self.problems.append(SetupProblem("models", error.message, error.hint))
                continue
            for variant, column in chosen:
                own = variant if isinstance(each, Variant) else None
                self._choose(column.connection, column.model, own)

    def _choose(self, connection: Connection, model: str, variant: Variant | None) -> None:
        known = [each.label for each in self.connections()]
        if connection.label not in known:
            self.given.append(connection)
        try:
            self.policy().permit(connection, model)
        except PolicyError as error:
            self.problems.append(self._refused(connection, model, error))
            return
        ref = reference_of(connection, model)
        if variant is None:
            if self.picks.plain(ref) is None:
                self.picks.add(connection, model, plain=True)
            return
        if variant.instructions == DEFAULT_INSTRUCTIONS:
            variant = edit_variant(variant, {"instructions": ""}, DEFAULT_INSTRUCTIONS)
        if self.picks.plain(ref) is None and variant.label == ref:
            self.picks.add(connection, model, variant, plain=True)
        else:
            self.picks.add(connection, model, variant, plain=False)

    def _refused(self, connection: Connection, model: str, error: PolicyError) -> SetupProblem:
        offered = error.hint.startswith("Allow it") and not self.store.locked and self.store.exists
        content = {"label": connection.label, "model": model}
        action = {"label": f"Allow {model} for this organization", "type": "allow"}
        return SetupProblem(
            f"models {reference_of(connection, model)}",
            error.message,
            error.hint,
            {**action, "content": content} if offered else None,
        )

    # -- who can be asked ----------------------------------------------------------------------

    def connections(self) -> list[Connection]:
        """Given, stored, of this session and of the environment; the first of a label counts."""
        try:
            stored = list(self.store)
        except StoreError:
            stored = list(self.store.for_session)
        first: dict[str, Connection] = {}
        for connection in [*self.given, *stored, *environment_connections()]:
            first.setdefault(connection.label, self.store.informed(connection))
        return list(first.values())

    def policy(self) -> Policy:
        """The organization's rules; the shipped whitelist while the store is locked."""
        try:
            return self.store.policy
        except StoreError:
            return Policy()

    def find(self, ref: str) -> tuple[Connection, str] | None:
        """The connection and model of a row of the picker."""
        policy = self.policy()
        for connection in self.connections():
            for model in policy.allowed(connection):
                if reference_of(connection, model) == ref:
                    return connection, model
        return None

    # -- choosing ------------------------------------------------------------------------------

    def tick(self, ref: str, on: bool) -> None:
        """Choose a model, or take it and the columns made from it away."""
        self.problems = [each for each in self.problems if not each.where.startswith("models")]
        if not on:
            self.picks.drop_ref(ref)
            return
        found = self.find(ref)
        if found is not None and self.picks.plain(ref) is None:
            self.picks.add(*found, plain=True)

    def tick_all(self, label: str, on: bool) -> None:
        """Choose every model of one group of the picker, or none."""
        policy = self.policy()
        for connection in self.connections():
            single = connection.provider.model_field is not None
            if label != (connection.kind if single else connection.label):
                continue
            for model in policy.allowed(connection):
                self.tick(reference_of(connection, model), on)

    def duplicate(self, ref: str) -> None:
        """Add a column of the same model, to be asked another way."""
        first = self.picks.plain(ref)
        if first is None:
            return
        label = self.picks.free_label(first.label)
        variant = edit_variant(first.variant, {"label": label}, self.options.instructions)
        self.picks.add(first.connection, first.model, variant, plain=False)

    def edit(self, key: str, content: Mapping[str, Any]) -> None:
        """Change how one column is asked; FieldError where it cannot be asked so."""
        pick = self.picks.find(key)
        if pick is None:
            return
        changed = edit_variant(pick.variant, content, self.options.instructions)
        others = {each.label for each in self.picks.listed if each is not pick}
        if changed.label in others:
            raise FieldError(
                {"label": f"Another column is named {changed.label}."}, "Give it another name."
            )
        pick.variant = changed

    # -- what is asked -------------------------------------------------------------------------

    def variants(self) -> list[Variant]:
        """The columns as variants, in the order of their letters."""
        return [pick.asked() for pick in self.picks.listed]

    @property
    def columns(self) -> int:
        """How many columns a run has: sets of instructions cross with what is ticked."""
        return len(self.picks.listed) * len(self.options.crossed or [""])

    @property
    def shown(self) -> int:
        """How many labelled texts serve as examples and are not asked."""
        numbers = [pick.variant.examples for pick in self.picks.listed]
        most = max((each for each in numbers if isinstance(each, int)), default=0)
        return min(most, len(self.documents))

    def labelled(self, first: int | None = None) -> int:
        """How many of the texts that are asked, or of the first few, have truth.

        The first labelled ones may serve as examples.
        """
        labelled = [at for at, text in enumerate(self.documents) if text.truth is not NOTHING]
        asked = labelled[self.shown :]
        return len(asked) if first is None else sum(at < first + self.shown for at in asked)

    def asked(self) -> RunPlan:
        """The plan of what is chosen; FieldError or StoreError where it cannot be made."""
        instructions: Any = self.options.crossed or self.options.instructions
        return build_plan(
            self.documents,
            self.variants(),
            instructions=instructions,
            repeats=self.options.repeats,
            store=self.named,
        )

    def script(self) -> CompareScript:
        """The call of `compare` for what is chosen."""
        given, options = self.schema_given, self.options
        name = given.__name__ if isinstance(given, type) else ""
        return CompareScript(
            variants=self.variants(),
            schema=self.schema or shared_schema(self.documents),
            class_name=name if name.isidentifier() and not iskeyword(name) else "",
            truth=self.truth_given is not None,
            group=self.group if self.group is None or isinstance(self.group, str) else "",
            blank=self.blank,
            instructions=options.crossed or options.instructions,
            repeats=options.repeats,
            concurrency=options.concurrency,
            budget=options.budget,
        )

    def one(self, connection: Connection, model: str) -> RunPlan:
        """The plan of one model alone on a few texts, to know its price."""
        return build_plan(
            self.documents[:20],
            [(connection, model)],
            instructions=self.options.instructions,
            store=self.named,
        )

    def missing(self) -> str:
        """The one thing that must come before a run; empty where nothing is missing."""
        blocking = next((each for each in self.problems if each.blocks), None)
        if blocking is not None:
            return f"The {blocking.where} above must be mended first."
        if not self.documents:
            return (
                "There are no texts yet."
                if self.schema
                else "There are no fields and no texts yet."
            )
        return "" if self.picks.listed else "Tick a model first."


def _listed(models: Any) -> list[Any]:
    if models is None:
        return []
    if isinstance(models, str | Connection | Variant):
        return [models]
    if isinstance(models, tuple) and len(models) == 2 and isinstance(models[0], Connection):
        return [models]
    try:
        return list(models)
    except TypeError:
        return [models]


def _sentence(where: str, error: LLMWidgetsError) -> str:
    if not isinstance(error, FieldError):
        return error.message
    lines = []
    for name, said in error.problems.items():
        if name == where or not name:
            lines.append(f"The {where} {said}" if said[:1].islower() else said)
        else:
            lines.append(f"{name}: {said}")
    return " ".join(lines)


# -- Texts that are pasted into the panel, or read from files chosen there.

_BETWEEN = re.compile(r"^[^\S\n]*+-{3,}[^\S\n]*$", re.MULTILINE)
_KEPT = ("id", "text", "truth", "schema")


def read_pasted(words: str) -> list[dict[str, str]]:
    """The texts between lines of three dashes; FieldError where there is none."""
    found = [part.strip() for part in _BETWEEN.split(words) if part.strip()]
    if not found:
        raise FieldError({"texts": "Nothing was pasted."}, "Paste a text; --- stands between two.")
    return [{"text": part} for part in found]


def read_files(files: Sequence[tuple[str, str]]) -> list[dict[str, Any]]:
    """The texts of files: a .csv or .jsonl has a column or key `text`, others are one text each."""
    found: list[dict[str, Any]] = []
    for name, content in files:
        kind = PurePath(name).suffix.lower()
        if kind == ".csv":
            found += _rows(name, list(csv.DictReader(io.StringIO(content.lstrip("\ufeff")))))
        elif kind == ".jsonl":
            found += _rows(
                name, [_line(name, line) for line in content.splitlines() if line.strip()]
            )
        else:
            found.append({"id": PurePath(name).stem, "text": content})
    if not found:
        raise FieldError({"texts": "The files hold no text."}, "Choose .txt, .csv or .jsonl files.")
    return found


def _rows(name: str, rows: Sequence[Any]) -> list[dict[str, Any]]:
    if not all(isinstance(row, dict) and row.get("text") for row in rows):
        raise FieldError(
            {name: "A row has no text."}, "Name the column or key that holds the documents text."
        )
    return [{key: row[key] for key in _KEPT if row.get(key)} for row in rows]


def _line(name: str, line: str) -> Any:
    try:
        return json.loads(line)
    except ValueError:
        raise FieldError({name: "A line is not JSON."}, "One JSON object a line.") from None
