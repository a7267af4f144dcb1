"""A keyless demo: sample tasks with truth, and rule-based models behind a loopback server.

No LLM is involved: the models are rules of different care, and every reply of theirs says so.

    from llmwidgets.demo import invoices
    lw.compare(invoices.Schema, invoices.texts, models="demo", truth=invoices.truth)
"""

from __future__ import annotations

import atexit
import json
import os
import threading
from importlib import import_module
from importlib.resources import files
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llmwidgets.connections.connection import Connection
    from llmwidgets.demo import emails, invoices, jobs
    from llmwidgets.demo.server import DemoServer


__all__ = ["DEMO_MODELS", "emails", "invoices", "jobs", "start_demo", "stop_demo"]

DEMO_MODELS = ("demo-careful", "demo-quick", "demo-hasty", "demo-flaky")
"""The demo's models, most careful first."""


def start_demo() -> list[Connection]:
    """Start the keyless demo server, once per process, and return a connection for each model.

    The connections are Custom ones, labelled with the model's id; no store is needed.

        careful, *others = lw.start_demo()
    """
    from llmwidgets.connections.connection import Connection

    url = demo_url()
    return [
        Connection("custom", name=name, endpoint=url, label=name).with_origin("demo")
        for name in DEMO_MODELS
    ]


class _Running:
    """The one server of this process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.server: DemoServer | None = None
        self.hooked = False


_running = _Running()


def demo_url() -> str:
    """The address of the demo server, which is started if it is not running."""
    from llmwidgets.demo.server import DemoServer

    with _running.lock:
        if _running.server is None:
            _running.server = DemoServer()
        if not _running.hooked:
            _running.hooked = True
            atexit.register(stop_demo)
            if hasattr(os, "register_at_fork"):
                os.register_at_fork(after_in_child=_abandon_in_child)
        return _running.server.url


def stop_demo() -> None:
    """Stop the demo server, if it is running."""
    with _running.lock:
        server, _running.server = _running.server, None
    if server is not None:
        server.close()


def _abandon_in_child() -> None:
    """A forked child has the server's socket but not its thread: it starts its own."""
    server = _running.server
    _running.lock, _running.server = threading.Lock(), None
    if server is not None:
        server.abandon()


def read_samples(task: str) -> tuple[list[dict[str, str]], dict[str, Any]]:
    """The texts of a task, each with `id` and `text`, and the true record of each id."""
    folder = files("llmwidgets.demo") / "sample_texts" / task
    truth: dict[str, Any] = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    texts = [
        {"id": name, "text": (folder / f"{name}.txt").read_text(encoding="utf-8").strip()}
        for name in truth
    ]
    return texts, truth


def __getattr__(name: str) -> Any:
    if name in ("emails", "invoices", "jobs"):
        return import_module(f"llmwidgets.demo.{name}")
    message = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(message)
