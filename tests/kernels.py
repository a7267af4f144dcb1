"""Kernels for JupyterLab that are forked from one process in which the package is loaded.

A kernel is a process of its own as ever; what it would load, most of what it costs, is there.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

LOADED = (
    "ConnectionForm", "ConnectionPanel", "ComparisonPanel", "Comparison", "Store", "Variant",
    "compare", "start_demo",
)  # fmt: skip


@contextlib.contextmanager
def forked_kernels(home: Path, variables: Mapping[str, str]) -> Iterator[dict[str, str]]:
    """What to set for a server so that it forks its kernels; elsewhere than on Linux nothing."""
    if sys.platform != "linux":
        yield {}
        return
    folder = home / "forked" / "kernels" / "python3"
    folder.mkdir(parents=True)
    with socket.socket(socket.AF_UNIX) as listening:
        address = f"\0llmwidgets-kernels-{os.getpid()}-{home.name}"  # of no file, so of any length
        listening.bind(address)
        listening.listen()
        asks = [sys.executable, "-I", "-S", __file__, address[1:], "{connection_file}"]
        spec = {"argv": asks, "display_name": "Python 3", "language": "python"}
        (folder / "kernel.json").write_text(json.dumps(spec))
        forks = [sys.executable, "-m", "tests.kernels", str(listening.fileno())]
        process = subprocess.Popen(forks, env=variables, pass_fds=[listening.fileno()])
    try:
        yield {"JUPYTER_PATH": str(home / "forked")}
    finally:
        process.kill()
        process.wait()


def fork_kernels(listening: socket.socket) -> None:
    """Load the package, then fork a kernel for each that asks."""
    os.environ["JPY_PARENT_PID"] = str(os.getpid())  # a kernel ends with this process
    os.environ["PYDEVD_DISABLE_FILE_VALIDATION"] = "1"
    sys.path.pop(0)
    import ipykernel.debugger
    import ipykernel.ipkernel
    import ipykernel.kernelapp  # noqa: F401

    import llmwidgets

    for name in LOADED:
        getattr(llmwidgets, name)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # none is left as a zombie
    while True:
        asking, _ = listening.accept()
        if os.fork() == 0:
            listening.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            _be_kernel(asking)
        asking.close()


def _be_kernel(asking: socket.socket) -> None:
    import threading

    from ipykernel.kernelapp import launch_new_instance

    os.setsid()
    head, (out, err), _, _ = socket.recv_fds(asking, 8, 2)
    with asking.makefile("rb") as rest:
        asked = json.loads(rest.read(int.from_bytes(head)))
    for given, number in ((out, 1), (err, 2)):
        os.dup2(given, number)
        os.close(given)
    os.chdir(asked["folder"])
    os.environ.clear()
    os.environ.update(asked["variables"])
    asking.sendall(os.getpid().to_bytes(8))

    def end_with_it() -> None:
        asking.recv(1)
        os.kill(os.getpid(), signal.SIGKILL)

    threading.Thread(target=end_with_it, daemon=True).start()
    sys.argv = ["ipykernel_launcher", "-f", asked["connection_file"]]
    launch_new_instance()
    os._exit(0)


def ask_for_kernel(address: str, connection_file: str) -> None:
    """Stand for a kernel at the server: what is told to this process is told to the kernel."""
    asked = json.dumps(
        {
            "folder": os.getcwd(),
            "variables": dict(os.environ),
            "connection_file": connection_file,
        }
    ).encode()
    with socket.socket(socket.AF_UNIX) as asking:
        asking.connect(f"\0{address}")
        socket.send_fds(asking, [len(asked).to_bytes(8)], [1, 2])
        asking.sendall(asked)
        kernel = int.from_bytes(asking.recv(8, socket.MSG_WAITALL))

        def tell(number: int, _frame: Any) -> None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(kernel, number)

        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, tell)
        asking.recv(1)


if __name__ == "__main__":
    if len(sys.argv) == 2:
        fork_kernels(socket.socket(fileno=int(sys.argv[1])))
    else:
        ask_for_kernel(*sys.argv[1:])
