"""A real JupyterLab in a real Chromium, for tests and pictures.

`lab` is a server with folders of its own, once a session; `page` opens a notebook of it, in a
JupyterLab that the tests share: it takes seconds to load, and a notebook a moment. Both are
fixtures of the whole suite:

    def test_panel(lab, page):
        lab.notebook("a.ipynb", ["import llmwidgets as lw", "lw.ConnectionPanel()"])
        page.open("a.ipynb").run_all()
        page.output().get_by_role("button", name="OpenAI").click()
        page.save()
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

REPOSITORY = Path(__file__).parents[1]
LIGHT, DARK = "JupyterLab Light", "JupyterLab Dark"
PANEL_WIDTH = 1000
WINDOW = {"width": 1280, "height": 1400}

_SETTINGS: dict[str, dict[str, Any]] = {
    "@jupyterlab/docmanager-extension/plugin": {"autosave": False},
    "@jupyterlab/apputils-extension/notification": {
        "checkForUpdates": False,
        "fetchNews": "false",
        "doNotDisturbMode": True,
    },
    "@jupyter-widgets/jupyterlab-manager/plugin": {"saveState": True},
}
# A busy machine is slow, which is not a failure; on a quick one nothing here takes that long.
PATIENCE_MS = 60_000
POLL_MS = 50
"""How often a page is asked while it waits: asked at each frame, it would draw all the time."""
START_SECONDS = 200
CHROMIUM_FLAGS = [
    "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-sync",
    "--disable-background-networking", "--disable-component-update", "--font-render-hinting=none",
]  # fmt: skip
CHROMIUM = ("chromium-headless-shell", "chromium", "chromium-browser", "google-chrome")
"""The shell comes first: it draws a fifth faster than the browser that can have a window."""
JUPYTER = (
    "--no-browser", "--ip=127.0.0.1", "--port={port}", "--allow-root", "--expose-app-in-browser",
    "--ServerApp.port_retries=0", "--ServerApp.root_dir={root}",
    "--IdentityProvider.token={token}",
)  # fmt: skip
"""How a Jupyter server is started, as `launch` fills it in."""

_OURS = {"PYTHONPATH": str(REPOSITORY)}
_FRAMES = """async () => { for (let n = 0; n < 3; n += 1)
  await new Promise(requestAnimationFrame); }"""
READY = "window.jupyterapp?.shell.currentWidget?.sessionContext?.session?.kernel?.status === 'idle'"
"""The notebook that is open has a kernel, and it rests."""


def find_chromium() -> str:
    """The browser's path; FileNotFoundError where there is none."""
    if path := next(filter(None, map(shutil.which, CHROMIUM)), None):
        return path
    message = f"Chromium is not installed; on Debian: apt-get install {CHROMIUM[0]}"
    raise FileNotFoundError(message)


@dataclass
class Lab:
    """A running server: its notebook folder, address, token and log."""

    root: Path
    url: str
    token: str
    home: Path
    log: Path
    chromium: str
    process: subprocess.Popen[bytes]

    def notebook(
        self, name: str, cells: list[str], tags: dict[int, list[str]] | None = None
    ) -> Path:
        """Write a notebook of code cells into the server's folder."""
        path = self.root / name
        written = [
            {
                "cell_type": "code",
                "id": f"cell-{number}",
                "metadata": {"tags": tags[number]} if tags and number in tags else {},
                "source": source,
                "outputs": [],
                "execution_count": None,
            }
            for number, source in enumerate(cells)
        ]
        kernel = {"name": "python3", "display_name": "Python 3", "language": "python"}
        path.write_text(
            json.dumps(
                {
                    "cells": written,
                    "metadata": {"kernelspec": kernel},
                    "nbformat": 4,
                    "nbformat_minor": 5,
                }
            )
        )
        return path

    def stop(self) -> None:
        """Ask the server to end, and make sure it does."""
        request = urllib.request.Request(
            f"{self.url}/api/shutdown?token={self.token}", method="POST", data=b""
        )
        with contextlib.suppress(OSError), urllib.request.urlopen(request, timeout=10):
            pass
        try:
            self.process.wait(20)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


@dataclass
class LabPage:
    """One page of the browser, on one notebook; `frames` is all that crossed its websockets."""

    lab: Lab
    browser_page: Any
    name: str = ""
    frames: list[str | bytes] = field(default_factory=list)
    sent: list[str | bytes] = field(default_factory=list)
    troubles: list[str] = field(default_factory=list)

    def open(self, name: str) -> LabPage:
        """Open a notebook in place of those that are open, and wait for its kernel."""
        self.name = name
        page = self.browser_page
        if page.evaluate("window.jupyterapp === undefined"):
            page.goto(f"{self.lab.url}/lab/tree/{name}?token={self.lab.token}&reset")
            page.wait_for_function("window.jupyterapp !== undefined", polling=POLL_MS)
        else:
            self.close()
            self.command("docmanager:open", path=name)
        page.wait_for_function(READY, polling=POLL_MS)
        if page.evaluate("document.body.dataset.jpThemeLight") == "false":
            self.theme(LIGHT)
        if page.evaluate("!document.querySelector('.jp-SideBar.jp-mod-left .lm-mod-current')"):
            return self
        self.command("application:toggle-left-area")
        return self

    def close(self) -> None:
        """Close what is open, without a question, and end its kernels."""
        self.browser_page.evaluate(
            "() => { for (const each of [...window.jupyterapp.shell.widgets('main')])"
            " each.dispose(); }"
        )
        self.end_kernels()

    def command(self, command: str, **arguments: Any) -> None:
        """Run a command of JupyterLab."""
        self.browser_page.evaluate(
            "async ([name, args]) => { await window.jupyterapp.commands.execute(name, args); }",
            [command, arguments],
        )

    def run_all(self) -> LabPage:
        """Run every cell, and wait until the kernel is idle."""
        self.command("notebook:run-all-cells")
        self.browser_page.wait_for_function(READY, polling=POLL_MS)
        return self

    def execute(self, code: str) -> None:
        """Run code in the kernel, as another program on the same kernel would."""
        self.browser_page.evaluate(
            "code => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel"
            ".requestExecute({ code }).done.then(() => undefined)",
            code,
        )

    def restart_kernel(self) -> None:
        """Restart the kernel of the notebook that is open."""
        self.browser_page.evaluate(
            "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.restart()"
        )

    def end_kernels(self) -> None:
        """End every kernel of the server: what is opened next has none."""
        address = f"{self.lab.url}/api/sessions"
        with urllib.request.urlopen(f"{address}?token={self.lab.token}") as reply:
            sessions = json.load(reply)
        for each in sessions:
            end = urllib.request.Request(
                f"{address}/{each['id']}?token={self.lab.token}", method="DELETE"
            )
            urllib.request.urlopen(end).close()

    def output(self, number: int = -1) -> Any:
        """The widget panel of one output, the last by default."""
        panels = self.browser_page.locator(".jp-OutputArea .lw")
        return panels.nth(number) if number >= 0 else panels.last

    def static(self, words: str) -> None:
        """Wait until the output behind a panel, which is saved and not seen, holds these words."""
        behind = self.browser_page.locator(".llmwidgets-static").filter(has_text=words)
        behind.first.wait_for(state="attached")

    def save(self) -> dict[str, Any]:
        """Save the notebook and return it as it lies on the disk."""
        saved = self.browser_page.expect_response(
            lambda reply: reply.request.method == "PUT" and self.name in reply.url and reply.ok
        )
        with saved:
            self.command("docmanager:save")
        content: dict[str, Any] = json.loads((self.lab.root / self.name).read_text())
        return content

    def theme(self, name: str) -> None:
        """Change JupyterLab's theme, and wait until the page wears it."""
        self.command("apputils:change-theme", theme=name)
        light, other = ("true", "#212121") if "Light" in name else ("false", "white")
        self.browser_page.wait_for_function(
            # The attribute changes before the colours do.
            f"document.body.dataset.jpThemeLight === '{light}' && !['', '{other}'].includes("
            "getComputedStyle(document.body).getPropertyValue('--jp-layout-color1').trim())"
        )

    def widen(self, width: int = PANEL_WIDTH, height: int = 1400) -> None:
        """Make the window such that the panels are `width` pixels wide."""
        page, panel = self.browser_page, self.output()
        page.set_viewport_size({**page.viewport_size, "height": height})
        for _ in range(9):
            now = panel.evaluate("each => each.offsetWidth")
            if now == width:
                break
            wide = page.viewport_size["width"] + width - now
            page.set_viewport_size({"width": wide, "height": height})
            # JupyterLab lays itself out some frames after the window has changed.
            becomes(panel, f"each => each.offsetWidth !== {now}")
            page.evaluate(_FRAMES)
        becomes(panel, f"each => each.offsetWidth === {width}")

    def picture(self, path: Path, number: int = -1, theme: str = LIGHT) -> None:
        """Write a picture of one panel in a theme."""
        self.theme(theme)
        page, panel = self.browser_page, self.output(number)
        tall = round(panel.evaluate("each => each.offsetHeight")) + 400
        if tall > page.viewport_size["height"]:
            page.set_viewport_size({"width": page.viewport_size["width"], "height": tall})
        path.parent.mkdir(parents=True, exist_ok=True)
        panel.screenshot(path=str(path), animations="disabled")


class CutConnection:
    """What joins a page to its kernels, to be cut and mended; JupyterLab is loaded anew."""

    def __init__(self, page: LabPage) -> None:
        self._page, self._away, self._open = page, False, []  # type: ignore[var-annotated]
        page.browser_page.goto("about:blank")
        page.browser_page.route_web_socket(re.compile("/channels"), self._meet)

    def _meet(self, websocket: Any) -> None:
        if self._away:
            websocket.close()
        else:
            websocket.connect_to_server()
            self._open.append(websocket)

    def cut(self) -> None:
        """Cut what is open, and let nothing be opened."""
        self._away = True
        for each in self._open:
            each.close()
        self._open.clear()

    def mend(self) -> None:
        """Let the page open it again, and have it try now."""
        self._away = False
        self._page.browser_page.evaluate(
            "() => window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.reconnect()"
        )


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory, chromium: str) -> Iterator[Lab]:
    """One JupyterLab for the session; widget state is saved into notebooks."""
    home = tmp_path_factory.mktemp("lab")
    server = start_lab(home, chromium)
    yield server
    server.stop()


class KeptBrowser:
    """One Chromium and the JupyterLab loaded in it, kept from one file of the browser to the next.

    They take seconds to start. They end before the tests of other files: while Playwright runs, no
    other test can use asyncio.run.
    """

    def __init__(self) -> None:
        self.loaded: list[LabPage] = []
        self._started: Any = None
        self._ends = contextlib.ExitStack()

    def start(self, chromium: str) -> Any:
        """The browser, started where it does not run."""
        from playwright.sync_api import expect, sync_playwright

        if self._started is None:
            expect.set_options(timeout=PATIENCE_MS)
            playwright = self._ends.enter_context(sync_playwright())
            self._started = playwright.chromium.launch(
                executable_path=chromium, args=CHROMIUM_FLAGS
            )
            self._ends.callback(self._started.close)
        return self._started

    def end(self) -> None:
        """Close all pages, the browser and Playwright."""
        for each in self.loaded:
            each.browser_page.context.close()
        self.loaded, self._started = [], None
        self._ends.close()


KEPT = KeptBrowser()
"""Of this process; `tests/conftest.py` ends it."""


@pytest.fixture(scope="module")
def browser(chromium: str) -> Any:
    """The Chromium of this process."""
    return KEPT.start(chromium)


@pytest.fixture
def page(lab: Lab, browser: Any, request: pytest.FixtureRequest) -> Iterator[LabPage]:
    """A page with nothing open; a script error fails the test.

    The next test has another page behind a failure, and where JupyterLab still asks something.
    """
    opened = KEPT.loaded.pop() if KEPT.loaded else _new_page(lab, browser)
    for heard in (opened.frames, opened.sent, opened.troubles):
        heard.clear()
    opened.browser_page.set_viewport_size(WINDOW)
    failed = request.session.testsfailed
    yield opened
    spoilt = request.session.testsfailed > failed or opened.troubles
    if spoilt or opened.browser_page.locator(".jp-Dialog").count():
        opened.browser_page.context.close()
    else:
        KEPT.loaded.append(opened)
    assert not opened.troubles, opened.troubles


@pytest.fixture
def fresh_page(lab: Lab, browser: Any) -> Iterator[LabPage]:
    """A page that no other test has used, for what must be there before JupyterLab is loaded."""
    opened = _new_page(lab, browser)
    yield opened
    opened.browser_page.context.close()
    assert not opened.troubles, opened.troubles


def _new_page(lab: Lab, browser: Any) -> LabPage:
    context = browser.new_context(viewport=WINDOW)
    opened = LabPage(lab, context.new_page())
    listen(opened)
    return opened


def becomes(element: Any, condition: str) -> None:
    """Wait until a condition holds for an element: `each => each.scrollWidth <= 640`.

    For what Playwright's `expect` has no word; a value read at once may be one of a moment ago.
    """
    element.page.wait_for_function(f"each => ({condition})(each)", arg=element.element_handle())


class WrittenDown:
    """What an element shows from now on, also what is gone before anybody looks."""

    def __init__(self, element: Any) -> None:
        self._element = element
        element.evaluate(
            """each => {
              window.lwShown = [];
              const look = () => window.lwShown.push(each.textContent);
              new MutationObserver(look).observe(
                each, { childList: true, characterData: true, subtree: true });
            }"""
        )

    def has(self, words: str) -> None:
        """Wait until these words were there."""
        becomes(self._element, f"() => lwShown.some((all) => all.includes({json.dumps(words)}))")


def listen(opened: LabPage) -> None:
    """Keep what crosses the websockets, and the script errors of the widgets."""

    def heard(websocket: Any) -> None:
        websocket.on("framesent", lambda payload: opened.sent.append(payload))
        websocket.on("framesent", lambda payload: opened.frames.append(payload))
        websocket.on("framereceived", lambda payload: opened.frames.append(payload))

    def failed(error: Any) -> None:
        # JupyterLab's own scripts fail at a change of theme; widgets run from blob: addresses.
        # What it still asked of a kernel that ends is refused without a stack.
        stack = getattr(error, "stack", "") or ""
        own = "/static/lab/" in stack or "/static/notebook/" in stack
        if not own and "Canceled future" not in str(error):
            opened.troubles.append(str(error))

    opened.browser_page.set_default_timeout(PATIENCE_MS)
    opened.browser_page.on("websocket", heard)
    opened.browser_page.on("pageerror", failed)


def start_lab(
    home: Path,
    chromium: str,
    python: Sequence[str] = (sys.executable,),
    variables: Mapping[str, str] = _OURS,
) -> Lab:
    """Start a server with folders of its own and wait until it answers.

    `python` begins the command, and `variables` are set beside those that every server has.
    """
    for plugin, settings in _SETTINGS.items():
        path = home / "settings" / f"{plugin}.jupyterlab-settings"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(settings))
    server = launch(home, chromium, ["jupyterlab", *JUPYTER], python, variables)
    await_answer(server, "/api/status?token={token}")
    return server


def launch(
    home: Path,
    chromium: str,
    command: Sequence[str],
    python: Sequence[str] = (sys.executable,),
    variables: Mapping[str, str] = _OURS,
) -> Lab:
    """Start the server of a front end, a module of Python, and wait for nothing.

    `{port}`, `{token}` and `{root}` in the command are those of the Lab that is returned.
    """
    root = home / "notebooks"
    root.mkdir(exist_ok=True)
    token, port = secrets.token_hex(16), free_port()
    log = home / "server.log"
    words = [each.format(port=port, token=token, root=root) for each in command]
    with log.open("wb") as output:
        process = subprocess.Popen(
            [*python, "-m", *words],
            cwd=root, env={**_surroundings(home), **variables}, stdout=output, stderr=output,
        )  # fmt: skip
    return Lab(root, f"http://127.0.0.1:{port}", token, home, log, chromium, process)


def _surroundings(home: Path) -> dict[str, str]:
    kept = {name: os.environ[name] for name in ("PATH", "LANG", "TZ") if name in os.environ}
    names = ("CONFIG", "DATA", "RUNTIME")
    return {
        **kept,
        **{f"JUPYTER_{name}_DIR": str(home / f"jupyter-{name.lower()}") for name in names},
        "JUPYTERLAB_SETTINGS_DIR": str(home / "settings"),
        "JUPYTERLAB_WORKSPACES_DIR": str(home / "workspaces"),
        "IPYTHONDIR": str(home / "ipython"),
        "HOME": str(home),
        "XDG_CONFIG_HOME": str(home / "config"),
        "XDG_CACHE_HOME": str(home / "cache"),
        "XDG_DATA_HOME": str(home / "data"),
    }


def await_answer(server: Lab, path: str) -> None:
    """Wait until a server answers at a path of its address."""
    address = server.url + path.format(token=server.token)
    ends = time.monotonic() + START_SECONDS
    while time.monotonic() < ends:
        if server.process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(address, timeout=5):
                return
        except (OSError, urllib.error.URLError):
            with contextlib.suppress(subprocess.TimeoutExpired):
                server.process.wait(0.1)
    pytest.fail(f"The server did not start: {server.log.read_text()[-2000:]}")


def free_port() -> int:
    """A port that is free, also some seconds later, when the server takes it.

    The systems give those from 32768 on to whoever asks for any, a kernel or another test.
    """
    for port in secrets.SystemRandom().sample(range(20_000, 32_000), 100):
        with socket.socket() as probe, contextlib.suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port
    pytest.fail("None of a hundred ports below 32000 is free on this machine.")
