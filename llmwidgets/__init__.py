"""Which model extracts my fields best from my texts, at what price? Inside Jupyter.

    import llmwidgets as lw
    from llmwidgets.demo import invoices

    lw.ConnectionPanel()
    lw.ComparisonPanel(invoices.Schema, invoices.texts, truth=invoices.truth)
    result = lw.compare(invoices.Schema, invoices.texts, models="demo", truth=invoices.truth)

The names load on first use, so that `import llmwidgets` costs nothing that is not needed.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llmwidgets import errors
    from llmwidgets.comparison import Comparison, Variant, compare, estimate, extract, load
    from llmwidgets.connections import Connection
    from llmwidgets.demo import start_demo
    from llmwidgets.engine.check import check
    from llmwidgets.providers import PROVIDERS
    from llmwidgets.store.store import Store
    from llmwidgets.widgets.comparison_panel import ComparisonPanel
    from llmwidgets.widgets.connection_panel import ConnectionForm, ConnectionPanel


__version__ = "0.1.0"

__all__ = [
    "PROVIDERS",
    "Comparison",
    "ComparisonPanel",
    "Connection",
    "ConnectionForm",
    "ConnectionPanel",
    "Store",
    "Variant",
    "__version__",
    "check",
    "compare",
    "errors",
    "estimate",
    "extract",
    "load",
    "start_demo",
]

_HOMES = {
    "PROVIDERS": "llmwidgets.providers",
    "Comparison": "llmwidgets.comparison",
    "ComparisonPanel": "llmwidgets.widgets.comparison_panel",
    "Connection": "llmwidgets.connections",
    "ConnectionForm": "llmwidgets.widgets.connection_panel",
    "ConnectionPanel": "llmwidgets.widgets.connection_panel",
    "Store": "llmwidgets.store.store",
    "Variant": "llmwidgets.comparison",
    "check": "llmwidgets.engine.check",
    "compare": "llmwidgets.comparison",
    "estimate": "llmwidgets.comparison",
    "extract": "llmwidgets.comparison",
    "load": "llmwidgets.comparison",
    "start_demo": "llmwidgets.demo",
}


_RUN = "compare(schema, texts, models) runs it."
_CONNECT = "ConnectionPanel() has the forms, Connection(kind, …) is one in code."
_LIST = "list(Store()) has the saved connections, PROVIDERS the kinds and their models."
_MEANT = {
    **dict.fromkeys(("run", "evaluate", "score", "benchmark"), _RUN),
    **dict.fromkeys(("connect", "login", "configure", "setup"), _CONNECT),
    **dict.fromkeys(("connections", "models"), _LIST),
    "from_outputs": "Comparison.from_outputs(schema, texts, outputs) compares what is there.",
}
"""What people look for, and what it is called here."""


def __getattr__(name: str) -> Any:
    from importlib import import_module

    if name == "errors":
        return import_module("llmwidgets.errors")
    if name not in _HOMES:
        from llmwidgets.errors import no_such_name

        raise no_such_name("llmwidgets", name, __all__, _MEANT)
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return [*__all__]
