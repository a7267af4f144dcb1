"""The user's schema: read from many sources, compiled for a dialect, judge of every reply."""

from llmwidgets.schemas.fields import Leaf
from llmwidgets.schemas.reply_json import parse_json
from llmwidgets.schemas.schema import Schema, read_schema
from llmwidgets.schemas.subset import Compiled, Loss, SchemaCapabilities
from llmwidgets.schemas.validation import Problem

__all__ = [
    "Compiled",
    "Leaf",
    "Loss",
    "Problem",
    "Schema",
    "SchemaCapabilities",
    "parse_json",
    "read_schema",
]
