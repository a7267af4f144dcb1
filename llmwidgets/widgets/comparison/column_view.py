"""What the panel shows of a column made by *Duplicate column*: how it is asked otherwise."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from llmwidgets.comparison.variants import count_examples, schema_words
from llmwidgets.formatting import count
from llmwidgets.schemas.canonical import display_path
from llmwidgets.schemas.difference import find_changes, read_facts
from llmwidgets.widgets.comparison.setup import ColumnChoice, Setup

if TYPE_CHECKING:
    from llmwidgets.schemas import Leaf, Schema


EFFORTS = (
    ("least", "least: off where the model allows it"),
    ("vendor", "vendor: as the vendor sets it"),
    ("low", "low"),
    ("medium", "medium"),
    ("high", "high"),
)
TYPE_WORDS = {
    "text": "text", "number": "number", "integer": "whole number", "boolean": "yes or no",
    "date": "date", "datetime": "date and time", "time": "time", "email": "e-mail", "url": "URL",
}  # fmt: skip


class _ExamplesState(TypedDict):
    """How many examples a column shows; `given` where code gave them as pairs."""

    count: int
    given: str


class CopyState(TypedDict):
    """One such column; `descriptions` has those of its own by path, `schema` all that differs."""

    key: str
    letter: str
    label: str
    said: str
    examples: _ExamplesState
    instructions: str
    effort: str
    efforts: list[list[str]]
    schema: str
    descriptions: dict[str, str]


class PlaceState(TypedDict):
    """A field, a group or a list of the schema, to be described otherwise in a column."""

    path: str
    name: str
    type: str
    description: str


def copy_view(pick: ColumnChoice, letter: str, setup: Setup) -> CopyState:
    """The form of a column beside its model's first one."""
    usual, changed, examples = setup.options.instructions, list[str](), pick.variant.examples
    number = count_examples(examples) if examples else 0
    if pick.variant.instructions not in (None, usual):
        changed.append("own instructions")
    if pick.variant.effort not in (None, "least"):
        changed.append(f"thinking {pick.variant.effort}")
    if number:
        changed.append(count(number, "example"))
    pairs = examples and not isinstance(examples, int)
    schema, descriptions = _own_schema(pick, setup)
    changed += [schema] if schema else []
    return {
        "key": pick.key,
        "letter": letter,
        "label": pick.label,
        "said": ", ".join(changed) or "the same as the first, until it is edited",
        "examples": {
            "count": number,
            "given": "Given in code as pairs of text and record." if pairs else "",
        },
        "instructions": pick.variant.instructions or usual,
        "effort": pick.variant.effort or "least",
        "efforts": [list(each) for each in EFFORTS],
        "schema": schema,
        "descriptions": descriptions,
    }


def _own_schema(pick: ColumnChoice, setup: Setup) -> tuple[str, dict[str, str]]:
    """How a column's own schema differs, in words, and its other descriptions by path."""
    own: Schema | None = pick.variant.schema
    usual = setup.shared_schema
    if own is None or usual is None:
        return ("" if own is None else "own schema"), {}
    changes = find_changes(usual, own)
    return schema_words(changes) or "own schema", {
        each.path: each.new or "" for each in changes if each.aspect == "description"
    }


def list_places(setup: Setup) -> list[PlaceState]:
    """Whatever can be described otherwise: the record, its groups, lists and fields."""
    schema = setup.shared_schema
    if schema is None or all(pick.plain for pick in setup.picks):
        return []
    leaves = {leaf.path: leaf for leaf in schema.leaves}
    return [
        {
            "path": path,
            "name": display_path(path),
            "type": type_words(leaves[path])
            if path in leaves
            else ("list" if "array" in facts["type"] else "group"),
            "description": facts.get("description", ""),
        }
        for path, facts in read_facts(schema).items()
    ]


def type_words(leaf: Leaf) -> str:
    """The type of a field in a reader's words: `text or none`, `one of 6`."""
    kind = "text" if leaf.type == "string" else leaf.type
    words = TYPE_WORDS.get(kind, kind)
    if leaf.type == "enum":
        words = f"one of {len(leaf.values or ())}"
    if leaf.path.endswith("[]"):
        words = f"list of {words}"
    return f"{words} or none" if leaf.nullable else words
