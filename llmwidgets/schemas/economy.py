"""Economy: optional properties spread over two limits, where one of them does not hold them all.

A provider may limit how many properties are optional and how many are unions. A property that
may be absent counts towards the first; required, with null for absence, it counts towards the
second. An enum counts towards neither when null is one of its values.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from llmwidgets.schemas import limits
from llmwidgets.schemas.canonical import Node
from llmwidgets.schemas.presence import is_union, without_null
from llmwidgets.schemas.subset import Subset

Way = Literal["absent", "null"]


@dataclass(slots=True)
class Economy:
    """What is left of each limit."""

    optional: int
    unions: int

    @classmethod
    def left_by(cls, schema: Node, subset: Subset) -> Economy:
        """What the properties that cannot be spread leave of the limits."""
        fixed = 0
        for node in limits.nodes_reached(schema):
            for name, each in node.get("properties", {}).items():
                needed = name in node.get("required", ()) or is_union(without_null(each))
                fixed += is_union(each) and needed
        return cls(subset.max_optional or 0, max(0, (subset.max_unions or 0) - fixed))

    def way_of(self, sent: Node) -> Way:
        """How an optional property is sent, paid from what is left."""
        if "enum" in sent or "const" in sent or is_union(without_null(sent)):
            return "null"
        if self.optional > 0 or self.unions <= 0:
            self.optional -= 1
            return "absent"
        self.unions -= 1
        return "null"
