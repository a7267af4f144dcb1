"""A keyless demo: sample tasks with truth, and rule-based models behind a loopback server.

No LLM is involved: the models are rules of different care, and say so in every reply.

    from llmwidgets.demo import invoices
    lw.compare(invoices.Schema, invoices.texts, models="demo", truth=invoices.truth)
"""

from __future__ import annotations

import atexit
import os
import threading
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llmwidgets.connections.connection import Connection
    from llmwidgets.demo import emails, invoices, jobs
    from llmwidgets.demo.server import DemoServer


__all__ = ["DEMO_MODELS", "emails", "invoices", "jobs", "start_demo", "stop_demo"]

DEMO_MODELS = ("demo-careful", "demo-quick", "demo-hasty", "demo-flaky")
"""The demo's models, most careful first."""


class _Running:
    """The one server of this process."""

    def __init__(self) -> None:
        self.guard = threading.Lock()
        self.server: DemoServer | None = None
        self.hooked = False


_running = _Running()


def start_demo() -> list[Connection]:
    """Start the keyless demo server, once a process, and return a connection for each model.

    The connections are Custom ones, labelled with the model's id; no store is needed.

        careful, *others = lw.start_demo()
    """
    from llmwidgets.connections.connection import Connection

    url = demo_url()
    return [
        Connection("custom", name=name, endpoint=url, label=name).with_origin("demo")
        for name in DEMO_MODELS
    ]


def demo_url() -> str:
    """The address of the demo server, started where it does not run yet."""
    from llmwidgets.demo.server import DemoServer

    with _running.guard:
        if _running.server is None:
            _running.server = DemoServer()
        if not _running.hooked:
            _running.hooked = True
            atexit.register(stop_demo)
            if hasattr(os, "register_at_fork"):
                os.register_at_fork(after_in_child=_forget)
        return _running.server.url


def stop_demo() -> None:
    """End the demo server; nothing happens where none runs."""
    with _running.guard:
        server, _running.server = _running.server, None
    if server is not None:
        server.close()


def _forget() -> None:
    """A forked child has the server's socket but not its thread: it starts its own."""
    server = _running.server
    _running.guard, _running.server = threading.Lock(), None
    if server is not None:
        server.abandon()


def __getattr__(name: str) -> Any:
    if name in ("emails", "invoices", "jobs"):
        return import_module(f"llmwidgets.demo.{name}")
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
