"""How the files of tests are shared among the processes of pytest-xdist.

A test of the browser waits most of its time, and the more browsers there are, the more each of
them draws while it waits. So half of the processes take the files with such tests, and the other
half what needs a processor; whichever is through helps the rest.
"""

from __future__ import annotations

import contextlib
import os
from functools import cache
from pathlib import Path

from xdist.scheduler import LoadFileScheduling
from xdist.workermanage import WorkerController

ROOT = Path(__file__).parents[1]


@cache
def needs_browser(file: Path) -> bool:
    """Whether some test of a file is marked so; also where nothing was collected."""
    return "mark.browser" in file.read_text("utf-8")


def count_processes() -> int:
    """Two more than there are cores, which waits for pages and servers leave idle; 2 GB for each.

    At most six: each collects all tests and perhaps starts a JupyterLab and a Chromium of its own.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count()
    memory = 1 << 40
    with contextlib.suppress(AttributeError, OSError, ValueError):  # no such question on Windows
        memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return max(1, min((cores or 1) + 2, memory >> 31, 6))


class HalfForTheBrowser(LoadFileScheduling):  # type: ignore[misc]
    """A file stays on one process, and which process it is depends on what the file needs."""

    def _assign_work_unit(self, node: WorkerController) -> None:
        half = self.nodes.index(node) % 2 == 0
        for file in self.workqueue:
            if needs_browser(ROOT / file) == half:
                self.workqueue.move_to_end(file, last=False)
                break
        super()._assign_work_unit(node)
