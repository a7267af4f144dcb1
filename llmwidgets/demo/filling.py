from __future__ import annotations
from typing import Any
from llmwidgets.demo.care import Care


def fill(schema: Any, document: str, care: Care) -> Any:
    return None
