"""The demo's models, started once for these tests and ended after them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from llmwidgets.connections import Connection
from llmwidgets.demo import start_demo, stop_demo


@pytest.fixture(scope="module")
def demo() -> Iterator[list[Connection]]:
    yield start_demo()
    stop_demo()
