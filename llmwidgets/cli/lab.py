"""llmwidgets lab: the notebook in JupyterLab, which ends with this command."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from importlib.util import find_spec
from pathlib import Path
from types import FrameType

import llmwidgets
from llmwidgets.cli import report
from llmwidgets.cli.arguments import LabOptions
from llmwidgets.errors import LLMWidgetsError

NOTEBOOK = "01_connect_and_compare.ipynb"
_LOOK_SECONDS = 0.1
_END_SECONDS = 20
"""How long JupyterLab has for ending its kernels and itself."""
_AS_ROOT = ["--allow-root", "--ServerApp.ip=127.0.0.1"]
"""JupyterLab refuses root, since whoever reaches the server is root then. In a container everybody
is, so it is allowed where only this machine reaches it, whatever a configuration says, and the
token that JupyterLab makes by itself is asked for.
"""
_SIGNALS = [getattr(signal, name, None) for name in ("SIGINT", "SIGTERM", "SIGHUP")]


def run_lab(options: LabOptions) -> int:
    """Open the notebook in JupyterLab with the words after --, and return its exit status.

    Ctrl-C, and whatever else ends this command, ends JupyterLab and its kernels: then the status is
    128 and the signal's number.
    """
    if find_spec("jupyterlab") is None:
        raise LLMWidgetsError(
            "JupyterLab is not installed.", "Install it with: pip install jupyterlab."
        )
    extra = options.more[1:] if options.more[:1] == ["--"] else options.more
    own = [] if options.port is None else [f"--port={options.port}"]
    own += ["--no-browser"] if options.no_browser else []
    if _is_root() and not extra:
        own += _AS_ROOT
        report("Started as root: JupyterLab listens to this machine alone, and asks for a token.")
    notebook = find_notebook(Path.cwd())
    # The address that it prints, for where no browser opens by itself, leads to the notebook too.
    start = f"--LabApp.default_url=/lab/tree/{notebook.name}"
    command = [sys.executable, "-m", "jupyterlab", str(notebook), start, *own, *extra]
    received: list[int] = []
    with _ending(received) as servers:
        # Of a session of its own: a Ctrl-C would have it ask whether it is to stop.
        server = subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True)
        servers.append(server)
        if received:  # before there was a server to end
            server.terminate()
        try:
            listened = _tell_port(server, options.port)
            status = server.wait()
        finally:
            _end(server)
    if status and not listened and _is_root() and "--allow-root" not in command:
        again = shlex.join(
            [sys.executable, "-m", "llmwidgets", "lab", "--", *extra, "--allow-root"]
        )
        report(f"JupyterLab runs as root only if it is told to. In a container: {again}")
    return 128 + received[0] if received else status


@contextmanager
def _ending(received: list[int]) -> Iterator[list[subprocess.Popen[bytes]]]:
    """Signals end the servers of the list; the numbers of those that came are kept."""
    servers: list[subprocess.Popen[bytes]] = []

    def end(number: int, _frame: FrameType | None) -> None:
        received.append(number)
        for server in servers:
            server.terminate()

    # What is ignored stays so: `nohup` is to outlive its terminal.
    known = [each for each in _SIGNALS if each and signal.getsignal(each) != signal.SIG_IGN]
    before = [signal.signal(each, end) for each in known]
    try:
        yield servers
    finally:
        for each, handler in zip(known, before, strict=True):
            signal.signal(each, handler)


def _end(server: subprocess.Popen[bytes]) -> None:
    if server.poll() is None:
        server.terminate()
        with suppress(subprocess.TimeoutExpired):
            server.wait(_END_SECONDS)
        # Its kernels look for their server each second, and end without it.
        server.kill()
        server.wait()


def _is_root() -> bool:
    return getattr(os, "geteuid", lambda: 1)() == 0


def _tell_port(server: subprocess.Popen[bytes], wished: int | None) -> bool:
    """Say where it listens once it does, and return whether it did: it may end before."""
    from jupyter_core.paths import jupyter_runtime_dir

    file = Path(jupyter_runtime_dir()) / f"jpserver-{server.pid}.json"
    port = None
    while port is None:
        try:
            server.wait(_LOOK_SECONDS)
        except subprocess.TimeoutExpired:
            with suppress(OSError, ValueError, KeyError):  # absent, or half written
                port = json.loads(file.read_text("utf-8"))["port"]
        else:
            return False
    taken = f"; {wished} was taken" if wished and port != wished else ""
    report(f"JupyterLab listens on port {port}{taken}. Ctrl-C ends it, and its kernels.")
    return True


def find_notebook(folder: Path) -> Path:
    """The repository's first notebook, or that of a copy of the packaged ones in `folder`.

    All are copied, once, with their pictures: they lead to each other.
    """
    package = Path(llmwidgets.__file__).parent
    repository = package.parent / "notebooks" / NOTEBOOK
    if repository.is_file() and (package.parent / "pyproject.toml").is_file():
        return repository
    copy = folder / "llmwidgets-notebooks" / NOTEBOOK
    if copy.exists():
        return copy
    packaged = package / "notebooks" / NOTEBOOK
    if not packaged.is_file():
        raise LLMWidgetsError(
            "The notebook is not in this installation.", "Install llmwidgets from its wheel."
        )
    try:
        shutil.copytree(packaged.parent, copy.parent, dirs_exist_ok=True)
    except OSError as error:
        raise LLMWidgetsError(
            f"The notebooks cannot be copied into {folder}: {error.strerror or 'some failed'}.",
            "Change to a folder that you may write to.",
        ) from None
    return copy
