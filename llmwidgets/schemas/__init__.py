"""The user's schema: read from many sources, compiled for a dialect, the judge of each reply."""

from llmwidgets.schemas.mapping import Compiled, Loss
from llmwidgets.schemas.passes import SchemaSubset
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
    "parse_json",
    "read_schema",
]
