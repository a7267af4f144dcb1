"""What every worker is told of a run: variants by reference, texts by place; never a secret."""

from __future__ import annotations

import hashlib
import pickle
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

from llmwidgets.comparison.cluster.text_files import TextFiles
from llmwidgets.comparison.variants import ConnectionResolver, reference_of
from llmwidgets.connections import Policy
from llmwidgets.connections.connection import Connection
from llmwidgets.connections.policy_file import machine_rules
from llmwidgets.dialects.types import Example
from llmwidgets.engine.request_builder import Document, ResolvedVariant
from llmwidgets.errors import FieldError
from llmwidgets.schemas import Schema, read_schema
from llmwidgets.schemas.loaders import LoadedSchema
from llmwidgets.store.store import Store


class Chunk(NamedTuple):
    """Texts that one task asks of one variant: places from `start` to before `stop`.

    `digest` is that of the file that tells about them, so that nobody can put another there.
    """

    number: int
    start: int
    stop: int
    digest: str


@dataclass(frozen=True, slots=True)
class ConnectionSpec:
    """A connection as another machine finds it: by its reference, or by fields without a secret.

    `address` is where the key may go; the connection that a worker finds has to have the same.
    """

    kind: str
    label: str
    reference: str
    address: str
    organization: str = ""
    fields: Mapping[str, Any] | None = None


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

    What is defined in a notebook travels by value, what can be imported by its name.
    """
    import cloudpickle

    try:
        packed: bytes = cloudpickle.dumps(value)
    except Exception as error:  # noqa: BLE001 - a foreign class can raise anything
        refused = type(error).__name__
        raise FieldError(
            {"cluster": f"what the workers need cannot be sent to them ({refused})."},
            "Define the schema's class and the scoring functions in a module, without open files, "
            "connections or keys in them.",
        ) from None
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


def describe_connection(connection: Connection, model: str, store: Store | None) -> ConnectionSpec:
    """How a worker finds this connection; FieldError for a key that is nowhere but here."""
    reference, fields = reference_of(connection, model), None
    if connection.origin in {"given", "session"}:
        typed = [name for _, name, secret in connection.secrets if secret.reference is None]
        if typed:
            raise FieldError(
                {f"{typed[0]} of {connection.label}": "is here alone, and a key is never sent."},
                f'Name what the workers have: Connection("{connection.kind}", {typed[0]}='
                '"env:NAME") or "file:PATH", or a store that they can open (docs/scale.md).',
            )
        secret = {name: each.reference for name, each in connection.secret_fields.items()}
        headers = {name: each.reference for name, each in connection.fields.headers.items()}
        fields = {**connection.plain_fields, **secret, **({"headers": headers} if headers else {})}
    path = store.path if store is not None else None
    return ConnectionSpec(
        connection.kind, connection.label, reference, connection.address,
        str(path) if path else "", fields,
    )  # fmt: skip


def connect(spec: ConnectionSpec, model: str) -> tuple[Connection, str]:
    """The connection as this machine has it, and the model; LLMWidgetsError where it has none."""
    if spec.fields is not None:
        connection = Connection(spec.kind, label=spec.label, **spec.fields)
        return connection, model
    store = Store(path=spec.organization) if spec.organization else None
    connection, model = ConnectionResolver(store).resolve(spec.reference)
    local = connection.origin == "demo"
    if not local and (connection.kind, connection.address) != (spec.kind, spec.address):
        raise FieldError(
            {spec.label: f"is {connection.kind} at {connection.address} on this worker, not "
                         f"{spec.kind} at {spec.address}."},
            "Give both the same connection, or name it otherwise.",
        )  # fmt: skip
    return connection, model


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


def describe_variant(
    column: ResolvedVariant, schemas: SchemaNumbers, store: Store | None
) -> VariantSpec:
    """A variant as workers read it."""
    return VariantSpec(
        column.label,
        describe_connection(column.connection, column.model, store),
        column.model,
        {name: getattr(column, name) for name in SETTINGS},
        column.examples,
        None if column.schema is None else schemas.number(column.schema),
    )


def resolve_variant(spec: VariantSpec, schemas: Sequence[Schema]) -> ResolvedVariant:
    """The variant with the connection of this machine."""
    connection, model = connect(spec.connection, spec.model)
    own = None if spec.schema is None else schemas[spec.schema]
    return ResolvedVariant(
        label=spec.label, connection=connection, model=model, examples=spec.examples, schema=own,
        **spec.settings,
    )  # fmt: skip


def describe_policy(policy: Policy) -> dict[str, Any]:
    """The rules of a run as data."""
    names = ("additions", "denials", "organization", "layers")
    return {name: getattr(policy, name) for name in names}


def read_policy(spec: Mapping[str, Any]) -> Policy:
    """The rules of the driver and, in front of them, those of this machine's policy files."""
    own = {id(each): each for each in (*machine_rules(), *spec["layers"])}
    return Policy(
        spec["additions"], spec["denials"], organization=spec["organization"],
        layers=tuple(own.values()),
    )  # fmt: skip


def describe_text(text: Document, schemas: SchemaNumbers) -> TextSpec:
    """A text without its words."""
    number = schemas.number(text.schema)
    return TextSpec(text.id, number, text.truth, text.by_record, text.group, text.blanks)
