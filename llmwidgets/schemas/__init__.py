"""The user's schema: read from many sources, compiled for a dialect, the judge of each reply."""

from llmwidgets.schemas.mapping import Compiled, Loss
from llmwidgets.schemas.passes import SchemaSubset, inline_definitions
from llmwidgets.schemas.schema import Leaf, Schema, choose_schema, read_schema
from llmwidgets.schemas.validation import Problem, parse_json

__all__ = [
    "Compiled",
    "Leaf",
    "Loss",
    "Problem",
    "Schema",
    "SchemaSubset",
    "choose_schema",
    "inline_definitions",
    "parse_json",
    "read_schema",
]
