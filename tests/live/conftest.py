"""A real model server for the tests of this folder; without one they are skipped, saying so."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from llmwidgets.engine import capability, event_loop
from tests.live.server import PYTHON, RealServer, make_model, running


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs the real server where `make live-local` has not made one."""
    if PYTHON in os.environ:
        return
    skip = pytest.mark.skip(
        reason="needs llama-cpp-python: make live-local builds it and runs this"
    )
    for item in items:
        if item.get_closest_marker("live"):
            item.add_marker(skip)


@pytest.fixture(autouse=True)
def fresh_engine() -> Iterator[None]:
    """Each test has an engine of its own, which knows nothing of the server."""
    yield
    event_loop.stop_engine()
    capability.forget_capabilities()


@pytest.fixture(scope="session")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny model's file."""
    return make_model(os.environ[PYTHON], tmp_path_factory.mktemp("live") / "tiny.gguf")


@pytest.fixture(scope="module")
def server(model: Path) -> Iterator[RealServer]:
    """The server that all tests of a file share."""
    with running(os.environ[PYTHON], model, "--n_ctx", "8192") as started:
        yield started
