"""PDFs with a text layer as texts, read in a process of its own with limits of time and memory."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from threading import Timer
from time import monotonic
from typing import Any

from llmwidgets.analysis.grounding import mark_pages
from llmwidgets.errors import FieldError, read_path
from llmwidgets.formatting import shorten

CPU_SECONDS, WALL_SECONDS = 60, 120
MEMORY = 2**30
_LONGEST_ANSWER = 2**28
_ENVIRONMENT = ("PATH", "SYSTEMROOT", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH")
"""What a Python may need to start, and nothing else: keys are variables too."""

_WORKER = Path(__file__).with_name("pdf_worker.py")
_RUN = (
    "import runpy, sys; sys.path.append(sys.argv.pop(1));"
    "runpy.run_path(sys.argv.pop(1), run_name='__main__')"
)
_NEW_COPY = "Open it and print it to a new PDF, or run: qpdf in.pdf out.pdf"
_SPLIT = "Split it: qpdf --split-pages=100 in.pdf out.pdf"
_OCR = "Have the pages read first: ocrmypdf in.pdf out.pdf. Or give the text as a string."
_PROBLEMS = {
    "not a PDF": ("is not a PDF, whatever its name says.", "Check what it is."),
    "empty": ("is an empty file.", "Export or download it again."),
    "unreadable": ("cannot be read: {why}.", "Check its permissions."),
    "damaged": ("is damaged: it, or one of its pages, cannot be opened.", _NEW_COPY),
    "no pages": ("has no pages.", "Export it again."),
    "password": (
        "is protected by a password.",
        "Save a copy without one: qpdf --password=… --decrypt in.pdf out.pdf",
    ),
    "pages": ("has {count:,} pages; at most {most:,} are read.", _SPLIT),
    "characters": ("has more than {most:,} characters.", _SPLIT),
    "no text": ("has no text: its pages are empty, or drawn without letters.", _OCR),
    "scan": ("is a scan: its pages have no text layer that can be read.", _OCR),
    "part scan": (
        "has pages without a text layer that can be read: {listed} of {count:,}.",
        _OCR.replace("in.pdf", "--redo-ocr in.pdf"),
    ),
    "memory": (f"needs more than {MEMORY / 2**30:g} GB of memory to be read.", _NEW_COPY),
    "slow": ("was not read to its end: reading it took too long.", _NEW_COPY),
    "crash": ("makes what reads PDFs crash.", _NEW_COPY),
    "start": (
        "is a PDF, and what reads PDFs does not start here.",
        "To see why, run: python -c 'import pypdfium2'",
    ),
    "not installed": (
        "is a PDF, and what reads PDFs is not installed.",
        "The extra llmwidgets[pdf] has what reads PDFs, and so has: pip install pypdfium2.",
    ),
}
"""What is wrong with a PDF and what to do, by what the process says of it or how it ends."""


class PDFReader:
    """Reads one PDF after another in a process of its own, which ends with the `with` block.

    A file that ends the process takes no other one with it: the next file gets a new process.
    """

    def __init__(self) -> None:
        self._process: subprocess.Popen[bytes] | None = None

    def __enter__(self) -> PDFReader:
        return self

    def __exit__(self, *_: object) -> None:
        self._end()

    def read(self, path: Path) -> str:
        """The text of a PDF; where it has several pages, each begins with a mark.

        FieldError names the file, what is wrong with it and what to do.
        """
        path = read_path(path)
        if not path.is_file():
            missing = "is not a file." if path.exists() else "does not exist."
            raise FieldError(f"{path} {missing}", "Check the path.")
        try:
            answer = self._ask(path)
        except BaseException:  # an Interrupt above all
            self._end()
            raise
        if "problem" in answer:
            raise _misfit(path, answer)
        return mark_pages(answer["pages"])

    def _ask(self, path: Path) -> Mapping[str, Any]:
        """What the process answers about a file, or how it ended over it."""
        if self._process is None:
            try:
                self._process = _start()
            except PackageNotFoundError:
                return {"problem": "not installed"}
            except OSError:
                return {"problem": "start"}
            if _exchange(self._process, b"") != {}:
                self._end()
                return {"problem": "start"}
        start = monotonic()
        answer = _exchange(self._process, os.fsencode(path.absolute()).hex().encode() + b"\n")
        if answer is not None:
            return answer
        code = self._end()
        late = monotonic() - start >= WALL_SECONDS
        return {"problem": "slow" if late else _ENDS.get(code, "crash")}

    def _end(self) -> int | None:
        """End the process, whatever it does; how it ended."""
        if self._process is None:
            return None
        process, self._process = self._process, None
        process.kill()
        with suppress(OSError), process:  # closes its pipes
            pass
        return process.wait()


_ENDS = {
    -getattr(signal, name): problem
    for name, problem in {"SIGXCPU": "slow", "SIGABRT": "memory", "SIGKILL": "memory"}.items()
    if hasattr(signal, name)
}
"""Signals: pdfium aborts where it gets no memory, and a system that has none left kills."""


def _start() -> subprocess.Popen[bytes]:
    site_packages = str(distribution("pypdfium2").locate_file(""))
    limits = str(CPU_SECONDS), str(MEMORY)
    return subprocess.Popen(
        [sys.executable, "-I", "-S", "-c", _RUN, site_packages, str(_WORKER), *limits],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env={name: os.environ[name] for name in _ENVIRONMENT if name in os.environ},
        # An Interrupt goes to a whole session; it is to come here alone, and to end the process.
        start_new_session=True,
        creationflags=getattr(subprocess, "CREATE_NO_WINDOW", 0),
    )


def _exchange(process: subprocess.Popen[bytes], line: bytes) -> Mapping[str, Any] | None:
    """Send a line and wait for the answer; None if the process ended, or had to be ended."""
    timer = Timer(WALL_SECONDS, process.kill)
    timer.daemon = True
    timer.start()
    try:
        if process.stdin is None or process.stdout is None:
            return None
        process.stdin.write(line)
        process.stdin.flush()
        answer = json.loads(process.stdout.readline(_LONGEST_ANSWER))
    except (OSError, ValueError):
        return None
    finally:
        timer.cancel()
    return answer if isinstance(answer, dict) else None


def _misfit(path: Path, answer: Mapping[str, Any]) -> FieldError:
    sentence, hint = _PROBLEMS[answer["problem"]]
    listed = shorten(", ".join(map(str, answer.get("scanned", ()))), 60)
    return FieldError(f"{path} {sentence.format_map({**answer, 'listed': listed})}", hint)
