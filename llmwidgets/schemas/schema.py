"""Schema: what the user wants to know of each text, read once, judge of every record."""

from __future__ import annotations

import hashlib
import json
import threading
from functools import cached_property
from typing import Any

from llmwidgets.errors import InvalidRecord, LLMWidgetsError
from llmwidgets.schemas.canonical import canonical, subschemas
from llmwidgets.schemas.compiler import compile_schema
from llmwidgets.schemas.fields import Leaf, read_leaves
from llmwidgets.schemas.loaders import Source, read_source
from llmwidgets.schemas.paths import display_path
from llmwidgets.schemas.presence import without_presence
from llmwidgets.schemas.subset import Compiled, SchemaCapabilities
from llmwidgets.schemas.validation import Problem, find_problems, format_path, make_validator

_SHOWN = 5


class Schema:
    """A schema as read by `read_schema`: immutable, equal and hashable by content.

    >>> schema = read_schema([{"name": "total", "type": "number"}])
    >>> [leaf.path for leaf in schema.leaves]
    ['total']
    >>> schema.problems({"total": "much"})
    [Problem(path='total', said='must be a number or null')]
    """

    def __init__(self, source: Source) -> None:
        self.name: str = source.name
        self.json: dict[str, Any] = source.json
        self.digest: str = hashlib.sha256(_canonical_text(source.json)).hexdigest()
        self._adapter = source.adapter
        self._validator = make_validator(self.json)
        self._compiled: dict[SchemaCapabilities, Compiled] = {}
        self._canonical = canonical(self.json)
        self.leaves: tuple[Leaf, ...] = read_leaves(self._canonical)

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Schema):
            return NotImplemented
        return self.digest == other.digest and self._adapter is other._adapter

    def __hash__(self) -> int:
        return hash(self.digest)

    def __repr__(self) -> str:
        return f"Schema({self.name!r}, {len(self.leaves)} fields)"

    def problems(self, data: Any) -> list[Problem]:
        """Where `data` breaks the JSON Schema; empty where it does not. Values are never named."""
        return list(find_problems(self._validator, data, self._names))

    def judge(self, data: Any) -> Any:
        """The record: a pydantic object where the schema is a Python type, else the JSON itself.

        InvalidRecord names the places and rules broken: JSON Schema's first, then the type's.
        """
        problems = self.problems(data)
        if not problems and self._adapter is None:
            return data
        if not problems:
            record, problems = self._build(data)
            if not problems:
                return record
        raise _invalid(problems)

    def judge_partial(self, data: Any) -> list[Problem]:
        """Where truth breaks the schema, absent keys allowed: what is absent is not labelled."""
        return list(find_problems(self._partial_validator, data, self._names))

    def compile(self, subset: SchemaCapabilities) -> Compiled:
        """The schema in a dialect's subset, made once for each subset."""
        if subset not in self._compiled:
            self._compiled[subset] = compile_schema(self._canonical, subset)
        return self._compiled[subset]

    def _build(self, data: Any) -> tuple[Any, list[Problem]]:
        from pydantic import ValidationError

        try:
            return self._adapter.validate_json(json.dumps(data)), []
        except ValidationError as error:
            found = error.errors(include_url=False, include_context=False, include_input=False)
        except LLMWidgetsError:
            # A validator that asks a model itself is not a reply that is wrong.
            raise
        except BaseException as error:
            # A validator of the user's may raise anything; one Ctrl-C is the user's own.
            if isinstance(error, KeyboardInterrupt) and _on_main_thread():
                raise
            return None, [Problem("", f"is refused by {self.name}: its own check failed")]
        return None, [
            Problem(
                format_path(_known_steps(each["loc"], self._names), self._names),
                f"is refused by {self.name}: {each['type'].replace('_', ' ')}",
            )
            for each in found
        ]

    @cached_property
    def _names(self) -> frozenset[str]:
        names: set[str] = set()
        waiting: list[Any] = [self.json, *self._canonical.defs.values()]
        while waiting:
            node = waiting.pop()
            if isinstance(node, dict):
                if isinstance(node.get("properties"), dict):
                    names.update(node["properties"])
                waiting.extend(subschemas(node))
        return frozenset(names)

    @cached_property
    def _partial_validator(self) -> Any:
        return make_validator(without_presence(self._canonical))


def _on_main_thread() -> bool:
    """Whether an interrupt of the user's can arrive here: elsewhere it is a validator's own."""
    return threading.current_thread() is threading.main_thread()


def read_schema(source: Any) -> Schema:
    """The schema that `source` describes; FieldError with the next step where it is none.

    Takes a pydantic class, TypedDict, dataclass, `list[X]` or any type pydantic knows, a JSON
    Schema as dict, JSON text or `Path` to a .json file, and field rows. A Schema comes back as
    it is.

    >>> read_schema({"title": "Invoice", "type": "object", "properties": {"total": {}}}).name
    'Invoice'
    """
    return source if isinstance(source, Schema) else Schema(read_source(source))


def _canonical_text(schema: dict[str, Any]) -> bytes:
    return json.dumps(schema, sort_keys=True, separators=(",", ":")).encode()


def _known_steps(location: tuple[str | int, ...], names: frozenset[str]) -> list[str | int]:
    """A pydantic location without the names of union branches and validators in it."""
    return [part for part in location if isinstance(part, int) or part in names]


def _invalid(problems: list[Problem]) -> InvalidRecord:
    told = "; ".join(f"{display_path(each.path)} {each.said}" for each in problems[:_SHOWN])
    more = f"; and {len(problems) - _SHOWN} more" if len(problems) > _SHOWN else ""
    return InvalidRecord(
        f"The record does not fit the schema: {told}{more}.",
        "The raw reply is kept with the extraction.",
    )
