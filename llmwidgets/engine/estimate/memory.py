"""How much memory a run needs, as it was measured, and how much of it this machine has free."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from llmwidgets.engine.network.pacing import CONCURRENCY_MOST
from llmwidgets.formatting import escape_controls, file_size

if TYPE_CHECKING:
    from llmwidgets.engine.request_builder import Document, Plan


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes that a run is likely to need beyond what is used now; those that are free, if known.

    What it needs is that of the run, its scoreboard and its verdict.
    """

    needed: int
    free: int | None = None

    @property
    def short(self) -> bool:
        """Whether more is needed than is free."""
        return self.free is not None and self.needed > self.free


# What `python -m benchmarks.million` measures, in bytes; docs/one_machine.md has the table.
_RUN_CODE, _SCORE_CODE = 29_000_000, 86_000_000
"""What is loaded for a run and for a scoreboard, with what they need whatever they are about."""
_TEXT, _EXTRACTION, _FIELD = 200, 400, 40
"""For each text; for each extraction, and each field of it that is scored."""
_BESIDE = 80
"""For each extraction and each other variant that it is compared with by the verdict."""
_IN_MEMORY = 1_100
"""The journal's row of an extraction, where it is not on disk."""
_CHARACTER = 4
"""Of a text that is being asked: as a question, as bytes on their way."""


def needed_memory(
    plan: Plan, counted: Sequence[Document] | None = None, *, journal_on_disk: bool = True
) -> int:
    """What the plan would need, in bytes. Its texts are in memory already.

    `counted` are those whose length is looked at, all of them by default.
    """
    sample = plan.texts if counted is None else counted
    texts, columns = len(plan.texts), len(plan.columns)
    schemas = {id(text.schema): text.schema for text in plan.texts}
    times = Counter(id(text.schema) for text in plan.texts)
    fields = sum(len(schemas[each].leaves) * number for each, number in times.items())
    extraction = _EXTRACTION + _BESIDE * max(0, columns - 1)
    extraction += 0 if journal_on_disk else _IN_MEMORY
    each_column = plan.asked * extraction + fields * plan.repeats * _FIELD
    at_once = min(columns * plan.asked, CONCURRENCY_MOST)
    characters = sum(len(text.text) for text in sample) / max(1, len(sample))
    needed = (
        (0 if "aiohttp" in sys.modules else _RUN_CODE)
        + (0 if "pandas" in sys.modules else _SCORE_CODE)
        + texts * _TEXT
        + columns * each_column
        + int(at_once * characters * _CHARACTER)
    )
    return needed if plan.asked * columns else 0


def memory_words(memory: Memory | None, file: str = "") -> str:
    """That more is likely to be needed than is free, with what to do; empty where it is not.

    `file` is what would be read.
    """
    if memory is None or memory.free is None or not memory.short:
        return ""
    need, free = file_size(memory.needed), file_size(memory.free)
    needed = f"Reading {file} needs about {need} of memory" if file else (
        f"About {need} of memory are needed"
    )  # fmt: skip
    return (
        f"{needed} and {free} are free. Give the texts as a Parquet file and cluster=Client() of"
        " dask.distributed, which leaves them on disk (docs/scale.md), or compare them in parts."
    )


def tell_of_memory(needed: int, file: str = "") -> None:
    """Say on stderr that memory may not do; nothing is refused by a guess."""
    if words := memory_words(Memory(needed, free_memory()), file):
        sys.stderr.write(f"llmwidgets: {escape_controls(words)}\n")


# -- What is free: of the machine, and of the container or session that this process is in.

_ROOT = Path("/")


def free_memory() -> int | None:
    """Bytes that this process can still have; None where that is not known."""
    return min((*_free_of_system(), *_free_of_groups()), default=None)


def _free_of_system() -> Iterator[int]:
    with suppress(OSError, ValueError):
        for line in (_ROOT / "proc/meminfo").read_text().splitlines():
            name, _, amount = line.partition(":")
            if name == "MemAvailable":
                yield int(amount.removesuffix("kB")) * 1024
                return
    # Not Linux: psutil is there wherever a Jupyter kernel is.
    with suppress(ImportError):
        yield int(import_module("psutil").virtual_memory().available)


def _free_of_groups() -> Iterator[int]:
    """What the control groups of this process leave, each within those above it."""
    lines = list[str]()
    with suppress(OSError):
        lines = (_ROOT / "proc/self/cgroup").read_text().splitlines()
    top = _ROOT / "sys/fs/cgroup"
    for _, controllers, path in (line.split(":", 2) for line in lines if line.count(":") > 1):
        if not controllers:
            files, start = _NEW, top
        elif "memory" in controllers.split(","):
            files, start = _OLD, top / "memory"
        else:
            continue
        # Inside a container the path can be that of the machine: then its own group is at the top.
        own = start / path.lstrip("/")
        for folder in (own, *own.parents):
            if folder.is_relative_to(start):
                yield from _free_of_group(folder, *files)


_NEW = ("memory.max", "memory.current", "inactive_file")
_OLD = ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file")


def _free_of_group(folder: Path, most: str, used: str, unused: str) -> Iterator[int]:
    """What one group leaves; nothing without a limit, which is not a number."""
    with suppress(OSError, ValueError):
        limit, taken = (int((folder / name).read_text()) for name in (most, used))
        stats = dict(line.split() for line in (folder / "memory.stat").read_text().splitlines())
        # Files that were read are in memory only for as long as nobody needs it.
        yield max(0, limit - taken + int(stats.get(unused, 0)))
