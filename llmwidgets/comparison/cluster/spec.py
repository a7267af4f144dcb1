"""What every worker is told of a run: variants by reference, texts by place; never a secret."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

from llmwidgets.comparison.cluster.sent.connection_spec import (
    ConnectionSpec,
    connect,
    describe_connection,
    pin_knowledge,
)
from llmwidgets.comparison.cluster.sent.misfits import name_misfit, pack_or_none, refuse_keys
from llmwidgets.comparison.cluster.text_files import TextFiles
from llmwidgets.connections import Policy
from llmwidgets.connections.policy_file import machine_rules
from llmwidgets.dialects.types import Example
from llmwidgets.engine.request_builder import Document, Plan, ResolvedVariant
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


@dataclass(frozen=True, slots=True)
class VariantSpec:
    """A ResolvedVariant whose connection and schema are named, not held."""

    label: str
    connection: ConnectionSpec
    model: str
    settings: Mapping[str, Any]
    examples: tuple[Example, ...]
    schema: int | None


class SchemaSpec(NamedTuple):
    """What a schema is made from: its Python type by name or by value, never its validators."""

    json: dict[str, Any]
    name: str
    judged: dict[str, Any] | None
    type: Any


@dataclass(frozen=True, slots=True)
class RunSpec:
    """A run as its workers read it. `files` has the texts by reference, None where by value."""

    variants: tuple[VariantSpec, ...]
    schemas: tuple[SchemaSpec, ...]
    repeats: int
    scoring: Mapping[str, Any] | None
    policy: Mapping[str, Any]
    files: TextFiles | None = None


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


def describe_variant(column: ResolvedVariant, schemas: SchemaNumbers) -> VariantSpec:
    """A variant as workers read it."""
    return VariantSpec(
        column.label,
        describe_connection(column),
        column.model,
        {name: getattr(column, name) for name in SETTINGS},
        column.examples,
        None if column.schema is None else schemas.number(column.schema),
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
