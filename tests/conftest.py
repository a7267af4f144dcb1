"""What every test shares: no host but loopback, no user folder, no key of the user."""

from __future__ import annotations

import contextlib
import gc
import os
import re
import signal
import socket
import sys
from collections.abc import Generator, Iterator
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import settings

from tests.lock_order import watch_locks

LOCKS = watch_locks("llmwidgets")  # those of every module that is loaded from here on

from llmwidgets.providers.presets import PRESETS
from tests.clocks import hurry
from tests.jupyterlab import (
    KEPT,
    browser,  # noqa: F401
    find_chromium,
    fresh_page,  # noqa: F401
    lab,  # noqa: F401
    page,  # noqa: F401
)
from tests.node import sources  # noqa: F401
from tests.pages import (
    blank,  # noqa: F401
    joined,  # noqa: F401
)

if TYPE_CHECKING:
    from tests.google_cloud import GoogleCloud

# A busy machine is no fault of an example. On CI the examples are the same each time, so that
# a red build is the change's; at a desk they are new each time, and find what is left.
settings.register_profile("desk", deadline=None)
settings.register_profile("ci", deadline=None, derandomize=True, database=None)
settings.load_profile("ci" if os.environ.get("CI") == "true" else "desk")


SHARED_DATA = Path(__file__).parents[2] / "shared" / "data"

_KEY_VARIABLES = (
    "OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY", "GOOGLE_API_KEY",
    "AZURE_OPENAI_API_KEY", "AZURE_OPENAI_ENDPOINT", "GOOGLE_APPLICATION_CREDENTIALS",
    *(each.variable for each in PRESETS if each.variable),
    "LLMWIDGETS_STORE_KEY", "LLMWIDGETS_STORE_KEY_FILE", "LLMWIDGETS_STORE_KEY_FILE_MOUNTED",
    "LLMWIDGETS_POLICY",
    "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "ALL_PROXY",
    "http_proxy", "https_proxy", "no_proxy", "all_proxy",
)  # fmt: skip


@pytest.fixture(autouse=True)
def clean_surroundings(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """The user's keys, proxies and folders are out of reach of every test."""
    for name in _KEY_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / "config"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    monkeypatch.setenv("XDG_DATA_HOME", str(home / "data"))
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(home))
    monkeypatch.setenv("XDG_CONFIG_DIRS", str(home / "etc"))
    monkeypatch.setenv("XDG_STATE_HOME", str(home / "state"))


@pytest.fixture(autouse=True)
def one_order_of_locks() -> Iterator[None]:
    """No two locks are taken both ways round, in whatever order threads came this time."""
    yield
    if LOCKS.inversions:
        pytest.fail("Two threads can wait for each other.\n" + LOCKS.inversions.pop())


@pytest.fixture(autouse=True)
def nothing_taken() -> Iterator[None]:
    """An identity that a test took from the environment opens no store of a later one."""
    from llmwidgets.store import identity_sources as unlock

    yield
    unlock.forget_identity()


@pytest.fixture(autouse=True)
def cheap_passphrases(monkeypatch: pytest.MonkeyPatch) -> None:
    """A store's passphrase is stretched a little, where a test does not say otherwise."""
    from llmwidgets.store import age as sealing

    monkeypatch.setattr(sealing, "WORK_FACTOR", 10)


@pytest.fixture(autouse=True)
def no_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    """No second is spent on a wait of a run or of a check, nor by the demo on seeming a model."""
    from llmwidgets.demo.models import RuleModel
    from llmwidgets.engine import check, run
    from llmwidgets.engine.network import pacing

    for module in (pacing, check, run):
        monkeypatch.setattr(module, "Clock", hurry)
    monkeypatch.setattr(RuleModel, "seconds", lambda _model, _length: 0.0)


@pytest.fixture(autouse=True)
def one_day(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Models end by the day on which their table was written; what a test taught ends with it."""
    from llmwidgets.connections import catalog as live_list
    from llmwidgets.store import identity_sources as unlock

    monkeypatch.setattr(live_list, "today", lambda: date(2026, 11, 23))
    yield
    live_list.forget_models()
    unlock.forget_identity()


_connect = socket.socket.connect
_connect_ex = socket.socket.connect_ex


def _refuse_strangers(address: object) -> None:
    if isinstance(address, tuple):
        host = str(address[0])
        if not (host.startswith("127.") or host in {"::1", "localhost"}):
            message = f"A test tried to reach {host}; only loopback is allowed."
            raise AssertionError(message)


_WITH_BROWSER: set[Path] = set()
"""The files with tests of the browser."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The files that take longest come first: they would else be waited for at the end.

    Those of the browser follow each other, so that it is started once.

    An address in the id of a test is refused: it differs among the processes that share the tests.
    """
    if odd := [item.nodeid for item in items if re.search(r" at 0x[0-9a-f]+", item.nodeid)]:
        raise pytest.UsageError(f"Name this case, whose id has an address in it: {odd[0]}")
    long = {item.path for item in items if item.get_closest_marker("long")}
    _WITH_BROWSER.update(item.path for item in items if item.get_closest_marker("browser"))
    items.sort(key=lambda item: (item.path not in long, item.path not in _WITH_BROWSER))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(nextitem: pytest.Item | None) -> Generator[None, None, None]:
    """The browser ends where the next file has no test of it."""
    yield
    if nextitem is None or nextitem.path not in _WITH_BROWSER:
        KEPT.end()


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_auto_num_workers() -> int:
    """One more than there are cores, which waits for pages and servers leave idle; 2 GB for each.

    At most six: each collects all tests and starts a JupyterLab and a Chromium of its own.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = 1 << 40
    with contextlib.suppress(AttributeError, OSError, ValueError):  # no such question on Windows
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min((cores or 1) + 1, memory >> 31, 6))


def pytest_sessionfinish() -> None:
    """Also where the suite ends at its first failure."""
    KEPT.end()


def pytest_collection() -> None:
    """Ten thousand collected tests would else be looked through by every garbage collection."""
    gc.disable()


def pytest_collection_finish() -> None:
    """What was collected is left alone from now on."""
    gc.collect()
    gc.freeze()
    gc.enable()


def pytest_configure(config: pytest.Config) -> None:
    # Hundreds of processes load the package: it is compiled once, whatever the shell says.
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)
    sys.dont_write_bytecode = False
    # A shell that ignores Ctrl-C, or nohup, hands that down; tests send such signals themselves.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is signal.SIG_IGN:
        signal.signal(signal.SIGHUP, signal.SIG_DFL)

    def connect(self: socket.socket, address: object) -> None:
        _refuse_strangers(address)
        return _connect(self, address)  # type: ignore[arg-type]

    def connect_ex(self: socket.socket, address: object) -> int:
        _refuse_strangers(address)
        return _connect_ex(self, address)  # type: ignore[arg-type]

    socket.socket.connect = connect  # type: ignore[assignment,method-assign]
    socket.socket.connect_ex = connect_ex  # type: ignore[assignment,method-assign]


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of real test data; tests that need it skip where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip("the folder shared/data with real test data is not beside the repository")
    return SHARED_DATA


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's path; a missing browser fails on CI and skips elsewhere."""
    try:
        return find_chromium()
    except FileNotFoundError as missing:
        if os.environ.get("CI") == "true":
            raise
        pytest.skip(str(missing))


@pytest.fixture
def closed_port() -> Iterator[int]:
    """A port of loopback at which nobody listens, as long as the test lasts."""
    from tests.servers import holding_port

    with holding_port() as port:
        yield port


@pytest.fixture
def cloud(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[GoogleCloud]:
    """Google's far ends, which this machine and gcloud's file lead to."""
    from tests.google_cloud import google_cloud

    with google_cloud(monkeypatch, tmp_path) as running:
        yield running


@pytest.fixture
def ways(cloud: GoogleCloud, tmp_path: Path) -> dict[str, dict[str, Any]]:
    """The fields of each way to sign in at Google without a key."""
    from tests.google_cloud import fields_of_ways

    return fields_of_ways(cloud, tmp_path)
