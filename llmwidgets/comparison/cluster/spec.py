"""What every worker is told of a run: variants by reference, texts by place; never a secret."""

from __future__ import annotations

import hashlib
import pickle
import re
import secrets
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, NamedTuple

from llmwidgets.comparison.cluster.sent.connection_spec import (
    ConnectionSpec,
    connect,
    describe_connection,
    pin_knowledge,
)
from llmwidgets.comparison.cluster.sent.misfits import name_misfit, pack_or_none, refuse_keys
from llmwidgets.comparison.cluster.texts.text_files import TextFiles
from llmwidgets.connections import Policy
from llmwidgets.connections.policy_file import machine_rules
from llmwidgets.dialects.types import Dialect, Example, ResponseFormat
from llmwidgets.engine.request_builder import (
    Document,
    Plan,
    RequestBuilder,
    ResolvedVariant,
)
from llmwidgets.errors import FieldError
from llmwidgets.schemas import Schema, read_schema
from llmwidgets.schemas.loaders import LoadedSchema


class Chunk(NamedTuple):
    """Texts that one task asks of one variant: places from `start` to before `stop`.

    `digest` is that of the file that tells about them, so that nobody can put another there.
    """

    number: int
    start: int
    stop: int
    digest: str

    @property
    def size(self) -> int:
        """How many texts it has."""
        return self.stop - self.start

    @property
    def documents(self) -> str:
        """The name of that file in the run's folder."""
        return documents_name(self.number, self.digest)


@dataclass(frozen=True, slots=True)
class VariantSpec:
    """A ResolvedVariant whose connection and schema are named, not held.

    `name` is that of the folders with its replies: the same question has it in every run.
    """

    name: str
    label: str
    connection: ConnectionSpec
    model: str
    settings: Mapping[str, Any]
    examples: tuple[Example, ...]
    schema: int | None
    dialect: Dialect


class SchemaSpec(NamedTuple):
    """What a schema is made from: its Python type by name or by value, never its validators."""

    json: dict[str, Any]
    name: str
    judged: dict[str, Any] | None
    type: Any


@dataclass(frozen=True, slots=True)
class RunSpec:
    """A run as its workers read it. `files` has the texts by reference, None where by value.

    `mark` is another one in each run: what a worker has read for one run (keys, rules of its
    policy files) it reads anew for the next.
    """

    variants: tuple[VariantSpec, ...]
    schemas: tuple[SchemaSpec, ...]
    repeats: int
    scoring: Mapping[str, Any] | None
    policy: Mapping[str, Any]
    files: TextFiles | None = None
    mark: str = field(default_factory=partial(secrets.token_hex, 8), compare=False)


class TextSpec(NamedTuple):
    """What is known of a text besides its words, by the schema's number in the spec."""

    id: str
    schema: int
    truth: Any
    by_record: bool
    group: str
    blanks: int


def digest_of(data: bytes) -> str:
    """What tells that a file is the one that the driver wrote."""
    return hashlib.sha256(data).hexdigest()


def spec_name(digest: str) -> str:
    """The file of a RunSpec: two runs in one folder have files of their own."""
    return f"spec/{digest}"


def documents_name(chunk: int, digest: str) -> str:
    """The file that tells about the texts of a chunk, besides their words."""
    return f"documents/part-{chunk:05}-{digest[:16]}"


def pack(value: object) -> bytes:
    """The value as bytes, with the user's own classes and functions; FieldError for a secret.

    What is defined in a notebook travels by value, what can be imported by its name. The error
    names the function or class that cannot travel, and nothing of what is in it.
    """
    packed = pack_or_none(value)
    if packed is not None:
        return packed
    raise FieldError(
        {"cluster": f"{name_misfit(value)}."},
        "Keys, connections, clients, locks and open files stay where they are: a function that "
        'needs a key reads it where it runs, by os.environ["NAME"].',
    )


def pack_run(spec: RunSpec, plan: Plan) -> bytes:
    """What every worker reads first; FieldError for a secret, or for a key written in a part."""
    packed = pack(spec)
    written = [(f"instructions of {each.label}", each.instructions) for each in plan.columns]
    shown = [(f"examples of {each.label}", each.examples) for each in plan.columns]
    refuse_keys(
        [("scoring", spec.scoring), ("schema", list(spec.schemas)), *written, *shown],
        (each.connection for each in plan.columns),
    )
    return packed


def unpack(data: bytes | None, digest: str) -> Any:
    """What `pack` made; FieldError if it is not what the driver wrote."""
    if data is None:
        raise FieldError(
            {"journal": "this worker does not find the run's files."},
            "Give journal= a folder that every worker reaches by the same name.",
        )
    if digest_of(data) != digest:
        raise FieldError(
            {"journal": "a file of the run was changed since the driver wrote it."},
            "Run again into a new folder.",
        )
    return pickle.loads(data)


# -- From the driver's plan to a spec, and back on a worker.

SETTINGS = ("instructions", "effort", "temperature", "max_output_tokens", "price")


class SchemaNumbers:
    """The schemas of a run, each with a number by which texts and variants name it."""

    def __init__(self) -> None:
        self._numbers: dict[Schema, int] = {}

    def number(self, schema: Schema) -> int:
        """The number of a schema, a new one if it has none."""
        return self._numbers.setdefault(schema, len(self._numbers))

    @property
    def numbered(self) -> tuple[Schema, ...]:
        """The schemas so far."""
        return tuple(self._numbers)

    @property
    def specs(self) -> tuple[SchemaSpec, ...]:
        """The schemas by their numbers."""
        return tuple(
            SchemaSpec(
                each.json, each.name, None if each.canonical.formats else each.judged, each._type
            )
            for each in self._numbers
        )


def rebuild_schema(spec: SchemaSpec) -> Schema:
    """The schema on another machine."""
    adapter = None if spec.type is None else read_schema(spec.type)._adapter
    return Schema(LoadedSchema(spec.json, spec.name, adapter, spec.judged, spec.type))


def describe_variants(
    columns: Sequence[ResolvedVariant], schemas: SchemaNumbers, found: Iterable[str] = ()
) -> tuple[VariantSpec, ...]:
    """The variants as workers read them; `found` are the names with replies in the run's folder.

    The schemas have those of the texts, and get those of the variants.
    """
    asked = schemas.numbered
    names = find_names([name_variant(each, asked) for each in columns], found)
    return tuple(
        describe_variant(column, name, schemas) for column, name in zip(columns, names, strict=True)
    )


_NAME_LENGTH = 40


def name_variant(column: ResolvedVariant, schemas: Iterable[Schema]) -> str:
    """A name by what is asked: of the label what any file system takes, and a short hash.

    The hash is that of what the journal's keys have in common, whatever form the model takes.
    """
    whole = hashlib.sha256()
    for prefix in sorted(
        RequestBuilder(column, each).prefix(ResponseFormat.TEXT).digest() for each in schemas
    ):
        whole.update(prefix)
    slug = re.sub("[^a-z0-9]+", "-", column.label.lower())[:_NAME_LENGTH].strip("-")
    return f"{slug or 'variant'}-{whole.hexdigest()[:8]}"


def find_names(wanted: Sequence[str], found: Iterable[str]) -> list[str]:
    """A name for each that is wanted, no two alike: the one under which its replies are there.

    A variant with another label asks the same, so that its replies are found by the hash.

    >>> find_names(["luna-1a2b3c4d", "sol-5e6f7a8b"], ["gpt-6-luna-1a2b3c4d"])
    ['gpt-6-luna-1a2b3c4d', 'sol-5e6f7a8b']
    """
    free = sorted(set(found))
    names = [each if each in free and each not in wanted[:at] else ""
             for at, each in enumerate(wanted)]  # fmt: skip
    for at, name in enumerate(wanted):
        if not names[at]:
            same = [each for each in free if each[-8:] == name[-8:] and each not in names]
            names[at] = same[0] if same else _free_name(name, names)
    return names


def _free_name(name: str, taken: Collection[str]) -> str:
    slug, _, code = name.rpartition("-")
    numbered = (f"{slug}-{number}-{code}" for number in range(2, len(taken) + 2))
    return next(each for each in (name, *numbered) if each not in taken)


def describe_variant(column: ResolvedVariant, name: str, schemas: SchemaNumbers) -> VariantSpec:
    """A variant as workers read it."""
    return VariantSpec(
        name,
        column.label,
        describe_connection(column),
        column.model,
        {name: getattr(column, name) for name in SETTINGS},
        column.examples,
        None if column.schema is None else schemas.number(column.schema),
        column.dialect,
    )


def resolve_variant(spec: VariantSpec, schemas: Sequence[Schema]) -> ResolvedVariant:
    """The variant with the connection of this machine; LLMWidgetsError where it has none."""
    connection = connect(spec.connection, spec.model)
    own = None if spec.schema is None else schemas[spec.schema]
    column = ResolvedVariant(
        label=spec.label, connection=connection, model=spec.model, examples=spec.examples,
        schema=own, **spec.settings,
    )  # fmt: skip
    return pin_knowledge(column, spec.connection.known)


def describe_policy(policy: Policy) -> dict[str, Any]:
    """The rules of a run as data, without the connections that its policy files provide."""
    layers = tuple(replace(each, connections=()) for each in policy.layers)
    names = ("additions", "denials", "organization")
    return {name: getattr(policy, name) for name in names} | {"layers": layers}


def read_policy(spec: Mapping[str, Any]) -> Policy:
    """The rules of the driver and, in front of them, those of this machine's policy files."""
    return Policy(
        spec["additions"], spec["denials"], organization=spec["organization"],
        layers=(*machine_rules(), *spec["layers"]),
    )  # fmt: skip


def describe_text(text: Document, schemas: SchemaNumbers) -> TextSpec:
    """A text without its words."""
    number = schemas.number(text.schema)
    return TextSpec(text.id, number, text.truth, text.by_record, text.group, text.blanks)
