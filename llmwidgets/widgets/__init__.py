"""The widgets: connection form and panel, comparison panel. Each is loaded on first use."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llmwidgets.widgets.comparison_panel import ComparisonPanel
    from llmwidgets.widgets.connection_panel import ConnectionForm, ConnectionPanel


_HOMES = {
    "ComparisonPanel": "llmwidgets.widgets.comparison_panel",
    "ConnectionForm": "llmwidgets.widgets.connection_panel",
    "ConnectionPanel": "llmwidgets.widgets.connection_panel",
}

__all__ = ["ComparisonPanel", "ConnectionForm", "ConnectionPanel"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(import_module(_HOMES[name]), name)
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)


def __dir__() -> list[str]:
    return sorted(__all__)
