"""Subset: what one dialect takes of JSON Schema, as data; Compiled: a schema cut to it."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from llmwidgets.schemas.mapping import ValueMapping
from llmwidgets.schemas.paths import display_path


@dataclass(frozen=True, slots=True)
class SchemaCapabilities:
    """The part of JSON Schema that a dialect enforces. Each dialect owns one, named `SUBSET`.

    `keywords` are the constraints and annotations it takes as they are; the structure
    (`type properties required additionalProperties items anyOf enum $ref $defs`) is always
    taken. `formats` are the string formats it takes. Limits are None where there is none.

    OpenAI's strict mode, in full:

    >>> openai = Subset(
    ...     name="OpenAI",
    ...     keywords=frozenset(
    ...         "description const pattern format minimum maximum exclusiveMinimum "
    ...         "exclusiveMaximum multipleOf minItems maxItems".split()
    ...     ),
    ...     formats=frozenset(
    ...         "date-time time date duration email hostname ipv4 ipv6 uuid".split()
    ...     ),
    ...     all_required=True,
    ...     closed=True,
    ...     root_object=True,
    ...     distinct_first_keys=True,
    ...     max_depth=10,
    ...     max_properties=5000,
    ...     max_enum_values=1000,
    ...     large_enum=250,
    ...     max_large_enum_chars=15_000,
    ...     max_chars=120_000,
    ... )
    """

    name: str
    """The provider, as the reader of a loss knows it."""
    keywords: frozenset[str] = frozenset({"description"})
    """Constraints and annotations taken as they are."""
    formats: frozenset[str] = frozenset()
    """String formats taken, where `format` is among the keywords."""
    all_required: bool = False
    """Every property must be required: an optional one is sent as nullable."""
    closed: bool = False
    """Every object lists its properties: an open one is sent as a list of key and value."""
    root_object: bool = False
    """The root must be an object and no union: anything else is wrapped in one."""
    distinct_first_keys: bool = False
    """The objects of a union may not begin with the same property."""
    recursion: bool = True
    """A definition may refer to itself; where not, a recursive schema has an excess."""
    required_cycles: bool = True
    """A definition may lead back to itself through required properties alone."""
    ref_siblings: bool = False
    """`$ref` may have other keywords beside it."""
    look_around: bool = False
    """Patterns may look ahead and behind."""
    min_items_up_to: int | None = None
    """The largest `minItems` taken, where it is among the keywords."""
    enum_types: frozenset[str] = frozenset({"string", "number", "integer", "boolean", "null"})
    """The types of values that an enum may list."""
    enum_with_type: bool = True
    """`type` stands beside `enum` and `const`; where not, they stand alone."""
    notes: bool = True
    """A constraint that is not taken is told to the model in the description."""
    max_depth: int | None = None
    max_properties: int | None = None
    max_enum_values: int | None = None
    """Enum values in the whole schema."""
    large_enum: int | None = None
    """An enum of more values than this may hold `max_large_enum_chars` characters in all."""
    max_large_enum_chars: int | None = None
    max_chars: int | None = None
    """Characters of all names of properties and definitions, enum values and constants."""
    max_optional: int | None = None
    """Properties that may be absent, those inside definitions not counted."""
    max_unions: int | None = None
    """Properties that are a union or of several types, those inside definitions not counted."""


@dataclass(frozen=True, slots=True)
class Loss:
    """A constraint of the user's schema that the sent schema does not hold, and why.

    `path` is the place it belonged to, such as `lines[].total`; empty for the record itself.

    >>> str(Loss("maxLength", "name", "OpenAI does not enforce it"))
    'maxLength at name: OpenAI does not enforce it; the reply is still checked.'
    """

    keyword: str
    path: str
    why: str

    def __str__(self) -> str:
        return (
            f"{self.keyword} at {display_path(self.path)}: {self.why}; the reply is still checked."
        )


@dataclass(frozen=True, slots=True)
class Compiled:
    """A schema as it is sent, what it lost on the way, and the way back for replies.

    `wrapped` says that the root was no object and travels as the property `value` of one.

    `excess` is empty where the provider takes the schema to be enforced, and else says in a few
    words which of its limits cannot be kept, such as "Anthropic takes no recursion". A schema
    with an excess must not be sent to be enforced (the provider would answer 400): the dialect
    takes the form below that one (Anthropic a tool without `strict`, OpenAI and Gemini JSON mode
    with the schema in the prompt), and the excess is told beside the result.
    """

    schema: dict[str, Any]
    losses: tuple[Loss, ...] = ()
    wrapped: bool = False
    excess: str = ""
    shape: ValueMapping | None = field(default=None, repr=False, compare=False)

    def restore(self, data: Any) -> Any:
        """The reply in the shape of the user's schema: unwrapped, absent where null stood for it.

        Data of another shape comes back as it is; the user's schema judges it.
        """
        return self.shape.restore(data) if self.shape else data

    def adapt(self, data: Any) -> Any:
        """A record of the user's schema in the shape that is sent, for examples."""
        return self.shape.adapt(data) if self.shape else data
