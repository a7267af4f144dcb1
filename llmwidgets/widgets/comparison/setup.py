"""Setup: what is chosen before a run. Schema, texts, truth, columns, options."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal, NotRequired, Self, TypedDict, TypeVar

from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.comparison.files.names import has_table_name
from llmwidgets.comparison.measures.text_result import is_free_name
from llmwidgets.comparison.run_settings import CompareScript, find_sample, shared_schema
from llmwidgets.comparison.runs import RunPlan, build_plan, read_documents
from llmwidgets.comparison.texts import TextSource, read_sources
from llmwidgets.comparison.truth import Blank
from llmwidgets.comparison.variants import (
    ConnectionResolver,
    Variant,
    free_label,
    reference_of,
    resolve_variants,
)
from llmwidgets.connections import Connection, Policy, environment_connections
from llmwidgets.connections.catalog import find_end
from llmwidgets.engine.network.pacing import CONCURRENCY_MOST
from llmwidgets.engine.request_builder import DEFAULT_INSTRUCTIONS
from llmwidgets.errors import FieldError, LLMWidgetsError, PolicyError, StoreError
from llmwidgets.formatting import parse_number
from llmwidgets.schemas import Schema, read_schema
from llmwidgets.schemas.difference import find_changes
from llmwidgets.store.store import Store
from llmwidgets.widgets.comparison.table_columns import TableColumns
from llmwidgets.widgets.connection.check_view import is_liftable

if TYPE_CHECKING:
    from llmwidgets.comparison.files import StrPath
    from llmwidgets.engine.request_builder import Document


T = TypeVar("T")

_MOST_EXAMPLES = 50
_MOST_REPEATS = 20


@dataclass(slots=True)
class RunOptions:
    """How every column is asked. `budget` is in US dollars; None means no limit."""

    instructions: str = DEFAULT_INSTRUCTIONS
    crossed: Mapping[str, str] | None = None
    repeats: int = 1
    concurrency: int | None = None
    budget: float | None = None

    @classmethod
    def of(cls, instructions: str | Mapping[str, str] | None) -> Self:
        """The defaults with these instructions: a text, or texts by name; FieldError else."""
        if isinstance(instructions, str) and instructions.strip():
            return cls(instructions=instructions)
        if isinstance(instructions, Mapping) and instructions:
            return cls(crossed=dict(instructions))
        if instructions is None:
            return cls()
        raise FieldError(
            {"instructions": "are neither a text nor texts by name."},
            'Give one text, or {"name": "text"} to compare several.',
        )

    def take(self, content: Mapping[str, Any]) -> None:
        """Instructions, repeats, parallel calls out of the form; FieldError for what is wrong."""
        if "instructions" in content:
            text = str(content["instructions"])
            self.instructions = text if text.strip() else DEFAULT_INSTRUCTIONS
        if "repeats" in content:
            self.repeats = read_whole("repeats", content["repeats"], _MOST_REPEATS) or 1
        if "concurrency" in content:
            given = content["concurrency"]
            self.concurrency = read_whole("parallel calls", given, CONCURRENCY_MOST)

    def take_budget(self, given: object) -> None:
        """US dollars to stop before, out of the form; empty means no limit."""
        words = str(given or "").strip().lstrip("$").replace(",", ".").strip()
        if not words:
            self.budget = None
            return
        try:
            budget = parse_number(words)
        except ValueError:
            budget = -1.0
        if not 0 < budget < 1e6:
            raise FieldError(
                {"Stop before": "This is not an amount of US dollars."},
                "Write a number such as 1.50, or leave it empty for no limit.",
            )
        self.budget = budget


def read_whole(name: str, given: object, most: int, *, least: int = 1) -> int | None:
    """A whole number out of the form, None where it is empty; FieldError for anything else."""
    words = str(given if given is not None else "").strip()
    if not words:
        return None
    short = words.isascii() and words.isdecimal() and len(words) <= len(str(most))
    if not short or not least <= int(words) <= most:
        raise FieldError({name: f"This is not a whole number from {least} to {most}."})
    return int(words)


@dataclass(slots=True)
class ColumnChoice:
    """One column that is chosen: a model and the way it is asked.

    `plain` is the tick of a row; the others are columns made from it.
    """

    key: str
    connection: Connection
    model: str
    variant: Variant
    plain: bool = True

    @property
    def ref(self) -> str:
        return reference_of(self.connection, self.model)

    @property
    def label(self) -> str:
        """What heads the column."""
        return self.variant.label or self.ref


def _edit_variant(variant: Variant, content: Mapping[str, Any], usual: str) -> Variant:
    """The variant with a form's values; empty or usual instructions follow the comparison's."""
    changes: dict[str, Any] = {}
    if "label" in content:
        changes["label"] = str(content["label"]).strip() or variant.label
    if "instructions" in content:
        instructions = str(content["instructions"]).strip()
        changes["instructions"] = None if instructions in ("", usual.strip()) else instructions
    if "effort" in content:
        changes["effort"] = content["effort"]
    if "examples" in content:
        changes["examples"] = read_whole("examples", content["examples"], _MOST_EXAMPLES, least=0)
    return replace(variant, **changes)


ScreenName = Literal["setup", "fields", "running", "results", "runs"]


@dataclass(slots=True)
class Screen:
    """Which screen of the panel is shown."""

    name: ScreenName = "setup"


Where = Literal["schema", "texts", "truth", "models", "policy", "store", "estimate"]
MATERIAL: tuple[Where, ...] = ("schema", "texts", "truth")


class ActionState(TypedDict):
    """A button: its label, and the message it sends."""

    label: str
    type: str
    content: NotRequired[dict[str, Any]]


@dataclass(frozen=True, slots=True)
class SetupProblem:
    """Something that keeps a run from starting: where, the sentence, the next step, a button.

    `ref` is the model that it is about, if it is about one.
    """

    where: Where
    sentence: str
    hint: str = ""
    action: ActionState | None = None
    ref: str = ""


@dataclass(slots=True)
class Setup:
    """The choices of a panel. Nothing here calls a provider.

    `documents` is what the texts were read to; empty while schema or texts are wrong. `named` is
    the store that code named: its rules hold, so it must be open; None is the default one. `picks`
    are the columns in the order of their letters. `table` has the texts where files that came
    through the page are tables. `named_models` are the models, each behind a
    label, that were named here for connections that serve any.
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
    picks: list[ColumnChoice] = field(default_factory=list)
    problems: list[SetupProblem] = field(default_factory=list)
    given: list[Connection] = field(default_factory=list)
    named_models: list[tuple[str, str]] = field(default_factory=list)
    table: TableColumns | None = None
    _keys: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    def read_material(self) -> None:
        """Read schema, texts and truth; what is wrong becomes a problem, never a raise."""
        self.problems = [each for each in self.problems if each.where not in MATERIAL]
        self.schema, self.documents = None, ()
        if self.schema_given is not None:
            self.schema = self._read("schema", lambda: read_schema(self.schema_given))
            if self.schema is None:
                return
        if self.table is not None and not self._take_table(self.table):
            return
        if self.texts_given is None:
            return
        # Files are read once, also where their truth does not fit.
        named = self.group if isinstance(self.group, str) else None
        sources = self._read("texts", lambda: read_sources(self.texts_given, group=named))
        if sources is None:
            return
        self.documents = self._read("texts", lambda: self._documents(sources, {})) or ()
        if self.documents:
            truth = self._read("truth", lambda: self._documents(sources, self.truth))
            if self.table is not None and self.schema is not None:
                self.table.misfits = {}
                if truth is None:
                    self.table.find_misfits(self.schema)
            self.documents = truth or self.documents

    def _take_table(self, table: TableColumns) -> bool:
        """Take the texts and their group out of the table; False where none is known to be them."""
        self.texts_given, self.group = table.texts(self.schema), table.group(self.schema)
        if table.has_text(self.schema):
            return True
        sentence = "Which column has the texts is not known."
        self.problems.append(SetupProblem("texts", sentence, "Choose it below, under Columns."))
        return False

    @property
    def truth(self) -> Any:
        """The truth that was given; of a table that came through the page, its columns."""
        given, table = self.truth_given, self.table
        if given is not None or self.schema is None or table is None:
            return given
        return table.truth(self.schema)

    def _documents(self, sources: tuple[TextSource, ...], truth: Any) -> tuple[Document, ...]:
        return read_documents(
            self.schema, sources, truth, group=self.group, blank=self.blank, given=self.texts_given
        )

    def _read(self, where: Where, read: Callable[[], T]) -> T | None:
        try:
            return read()
        except LLMWidgetsError as error:
            action: ActionState | None = None
            if where == "truth":
                action = {"label": "Compare without truth", "type": "setup.drop_truth"}
            self.problems.append(SetupProblem(where, _sentence(where, error), error.hint, action))
            return None

    def read_models(self, models: Any) -> None:
        """Choose what code asked for; what cannot be found becomes a problem, the rest stays."""
        for each in _listed(models):
            try:
                chosen = resolve_variants([each], ConnectionResolver(self.named))
            except LLMWidgetsError as error:
                self.problems.append(SetupProblem("models", error.message, error.hint))
                continue
            for variant, column in chosen:
                own = variant if isinstance(each, Variant) else None
                if own and own.schema and each.label is None:
                    taken = {pick.label: pick.variant.schema for pick in self.picks}
                    own = replace(own, label=free_label(column.label, own.schema, taken))
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
        ticked = self.find_tick(ref) is not None
        if variant is None:
            if not ticked:
                self._add(connection, model)
            return
        if variant.instructions == DEFAULT_INSTRUCTIONS:
            variant = replace(variant, instructions=None)
        self._add(connection, model, variant, plain=not ticked and variant.label == ref)

    def _add(
        self, connection: Connection, model: str, variant: Variant | None = None, plain: bool = True
    ) -> None:
        key, variant = f"c{next(self._keys)}", variant or Variant((connection, model))
        self.picks.append(ColumnChoice(key, connection, model, variant, plain))

    def find_tick(self, ref: str) -> ColumnChoice | None:
        """The plain column of this model, if it is ticked."""
        return next((pick for pick in self.picks if pick.plain and pick.ref == ref), None)

    def offered(self, connection: Connection, policy: Policy) -> tuple[str, ...]:
        """The models of a connection that can be ticked: those allowed, chosen or named here.

        A dated snapshot is on no list and can be chosen where its alias can.
        """
        label = connection.label
        chosen = (each.model for each in self.picks if each.connection.label == label)
        named = (model for at, model in self.named_models if at == label)
        return tuple(dict.fromkeys((*policy.allowed(connection), *named, *chosen)))

    def _refused(self, connection: Connection, model: str, error: PolicyError) -> SetupProblem:
        ref = reference_of(connection, model)
        offered = (
            connection.provider.single
            and find_end(connection, model) is None
            and is_liftable(self.policy(), error)
            and self.store.exists
            and not self.store.locked
        )
        action: ActionState = {
            "label": f"Allow {model} for this organization",
            "type": "setup.allow",
            "content": {"label": connection.label, "model": model},
        }
        shown = action if offered else None
        return SetupProblem("models", error.message, error.hint, shown, ref)

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

    def _all_offered(self) -> Iterator[tuple[Connection, str, str]]:
        """Each connection with each model that can be ticked, and the reference of the two."""
        policy = self.policy()
        for connection in self.connections():
            for model in self.offered(connection, policy):
                yield connection, model, reference_of(connection, model)

    def tick(self, ref: str, on: bool) -> None:
        """Choose a model, or take it and the columns made from it away."""
        self.problems = [each for each in self.problems if each.where != "models"]
        if not on:
            self.picks = [pick for pick in self.picks if pick.ref != ref]
        elif self.find_tick(ref) is None:
            same = ((each, model) for each, model, name in self._all_offered() if name == ref)
            if chosen := next(same, None):
                self._add(*chosen)

    def tick_all(self, label: str, on: bool) -> None:
        """Choose every model of one group of the picker, or none."""
        for connection, _, ref in list(self._all_offered()):
            if label == group_of(connection):
                self.tick(ref, on)

    def name_model(self, label: str, model: str) -> None:
        """Choose a model by its name, for a connection that serves any."""
        self.problems = [each for each in self.problems if each.where != "models"]
        serving = (each for each in self.connections() if each.any_model and each.label == label)
        connection, name = next(serving, None), model.strip()
        if connection is None or not name:
            return
        self._choose(connection, name, None)
        ref = reference_of(connection, name)
        if self.find_tick(ref) is not None and (label, name) not in self.named_models:
            self.named_models.append((label, name))

    def duplicate(self, ref: str) -> None:
        """Add a column of the same model, to be asked another way."""
        first = self.find_tick(ref)
        if first is None:
            return
        taken = {pick.label for pick in self.picks}
        labels = (f"{first.label} · {number}" for number in itertools.count(2))
        label = next(label for label in labels if label not in taken)
        self._add(first.connection, first.model, replace(first.variant, label=label), plain=False)

    def edit(self, key: str, content: Mapping[str, Any]) -> None:
        """Change how one column is asked; FieldError where it cannot be asked so."""
        pick = next((each for each in self.picks if each.key == key), None)
        if pick is None:
            return
        changed = _edit_variant(pick.variant, content, self.options.instructions)
        if "schema" in content:
            given = content["schema"]
            own = self._own_schema(pick.variant, given if isinstance(given, Mapping) else {})
            changed = replace(changed, schema=own)
        others = {each.label for each in self.picks if each is not pick}
        if changed.label in others:
            raise FieldError(
                {"label": f"Another column is named {changed.label}."}, "Give it another name."
            )
        pick.variant = changed

    def _own_schema(self, variant: Variant, descriptions: Mapping[str, object]) -> Schema | None:
        """A column's schema with other descriptions by path; the comparison's where none is other.

        Without any, it is the comparison's again.
        """
        usual = self.shared_schema
        if usual is None or not descriptions:
            return None
        own: Schema = variant.schema or usual
        own = own.described({path: str(words or "") for path, words in descriptions.items()})
        return own if find_changes(usual, own) else None

    def drop(self, key: str) -> None:
        self.picks = [pick for pick in self.picks if pick.key != key]

    def variants(self) -> list[Variant]:
        """The columns as variants, in the order of their letters."""
        return [
            replace(pick.variant, model=(pick.connection, pick.model), label=pick.label)
            for pick in self.picks
        ]

    @property
    def shared_schema(self) -> Schema | None:
        """The schema of all texts, or the one that is there before them; None where several are."""
        return shared_schema(self.documents) if self.documents else self.schema

    @property
    def columns(self) -> int:
        """How many columns a run has: one per ticked model and set of instructions."""
        return len(self.picks) * len(self.options.crossed or [""])

    @property
    def shown(self) -> int:
        """How many labelled texts serve as examples and are not asked."""
        numbers = [pick.variant.examples for pick in self.picks]
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
        options = self.options
        return build_plan(
            self.documents,
            self.variants(),
            instructions=options.crossed or options.instructions,
            repeats=options.repeats,
            store=self.named,
        )

    def script(self) -> CompareScript:
        """The call of `compare` for what is chosen."""
        schema, options = self.schema_given, self.options
        name = schema.__name__ if isinstance(schema, type) else ""
        return CompareScript(
            variants=self.variants(),
            schema=self.schema or shared_schema(self.documents),
            class_name=name if is_free_name(name) else "",
            sample=find_sample(self.documents) if self.documents else None,
            files=_given_files(self),
            truth=self.truth is not None,
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
        blocking = next((each for each in self.problems if each.where in MATERIAL), None)
        if blocking is not None:
            return f"Fix the {blocking.where} above first."
        if not self.documents:
            fields = "" if self.schema else "fields and no "
            return f"There are no {fields}texts yet."
        return "" if self.picks else "Tick a model first."


def _given_files(setup: Setup) -> dict[str, StrPath]:
    """The paths that texts and truth were given as."""
    given = {"texts": setup.texts_given, "truth": setup.truth_given}
    return {
        name: path
        for name, path in given.items()
        if isinstance(path, os.PathLike) or (isinstance(path, str) and has_table_name(path))
    }


def files_of(setup: Setup, texts: Sequence[Document]) -> tuple[dict[str, StrPath], int | None]:
    """The paths these texts are from, and how many they are if not all; none for others."""
    known = {(text.id, text.text) for text in setup.documents}
    if not all((text.id, text.text) in known for text in texts):
        return {}, None
    whole = len(texts) >= len(setup.documents) - setup.shown
    return _given_files(setup), None if whole else len(texts)


def group_of(connection: Connection) -> str:
    """The group of the picker that a connection is in.

    One that lists its models or serves any has a group to itself; the others are grouped by kind,
    and those of the demo stand apart from what is the user's own.
    """
    if connection.origin == "demo":
        return "the demo server"
    names_one = connection.provider.model_field is not None and not connection.any_model
    return connection.kind if names_one else connection.label


def _listed(models: Any) -> list[Any]:
    if models is None:
        return []
    pair = isinstance(models, tuple) and len(models) == 2 and isinstance(models[0], Connection)
    one = pair or isinstance(models, str | Connection | Variant) or not isinstance(models, Iterable)
    return [models] if one else list(models)


def _sentence(where: str, error: LLMWidgetsError) -> str:
    if not isinstance(error, FieldError):
        return error.message
    places: dict[str, list[str]] = {}
    for name, problem in error.problems.items():
        places.setdefault(problem, []).append("" if name == where else name)
    sentences = []
    for problem, names in places.items():
        whole = f"The {where} {problem}" if problem[:1].islower() else problem
        named = "; ".join(name for name in names if name)
        sentences.append(f"{named}: {problem}" if named else whole)
    return " ".join(sentences)
