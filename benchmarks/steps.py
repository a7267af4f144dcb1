"""How many distinct functions of ours the everyday calls enter, each in a process of its own.

python benchmarks/steps.py [--list CALL]

One row per call (compare, extract, check, store[label], store.save): functions entered, their
files, how often in all. `--list` prints the functions of one of them, with how often each was.
Modules are imported before, so that only the call itself counts. The demo's server counts nowhere:
it is the far end of the wire.
"""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
import tempfile
import threading
import warnings
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

import llmwidgets as lw
from llmwidgets.demo import invoices

PACKAGE = Path(lw.__file__).parent
_OTHER_CODE = frozenset({"<module>", "<lambda>", "<genexpr>", "<listcomp>", "<dictcomp>"})


def count_entries(act: Callable[[], object]) -> Counter[CodeType]:
    """How often each function of ours is entered on any thread while `act` runs."""
    entered: Counter[CodeType] = Counter()

    def note(frame: FrameType, event: str, _argument: object) -> None:
        code = frame.f_code
        if event == "call" and code.co_filename.startswith(f"{PACKAGE}/"):
            entered[code] += 1

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        act()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return Counter({code: times for code, times in entered.items() if _is_function(code)})


def _is_function(code: CodeType) -> bool:
    inside = Path(code.co_filename).relative_to(PACKAGE).parts
    class_body = not code.co_flags & 0x2 or code.co_name in _OTHER_CODE
    return inside[0] != "demo" and not class_body


def prepare(name: str, folder: str) -> Callable[[], object]:
    """The call to measure, with all that it needs made before."""
    warnings.simplefilter("ignore")
    for module in pkgutil.walk_packages(lw.__path__, "llmwidgets."):
        if module.name != "llmwidgets.__main__":
            importlib.import_module(module.name)
    key = "sk-test-000000000000000000000000"
    mine = lw.Connection("custom", name="m", endpoint="http://localhost:9/v1", api_key=key)
    store, demo = lw.Store.in_memory(), mine
    if name.startswith("store"):
        store = lw.Store.create("steps", passphrase="made-up words for a benchmark", path=folder)
        store.save(mine)
    else:
        demo = lw.start_demo()[0]
    settings: dict[str, Any] = {"store": store, "journal": False}
    acts: dict[str, Callable[[], object]] = {
        "compare": lambda: lw.compare(
            invoices.Schema, invoices.texts[:1], [demo], progress=False, **settings
        ),
        "extract": lambda: lw.extract(invoices.Schema, invoices.texts[0], demo, **settings),
        "check": lambda: lw.check(demo, policy=store.policy),
        "store[label]": lambda: store["m"],
        "store.save": lambda: store.save(mine.with_label("again")),
    }
    return acts[name]


NAMES = ("compare", "extract", "check", "store[label]", "store.save")


def _measure(name: str, *, listed: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        entered = count_entries(prepare(name, folder))
    places = {code: Path(code.co_filename).relative_to(PACKAGE) for code in entered}
    _say(f"{name:14}{len(entered):>10}{len(set(places.values())):>8}{entered.total():>8}")
    if listed:
        _say(str(dict(Counter(place.parts[0] for place in places.values()).most_common())))
        for code in sorted(entered, key=lambda code: (places[code], code.co_firstlineno)):
            place = f"{places[code]}:{code.co_firstlineno}"
            _say(f"{entered[code]:>6}  {place} {code.co_qualname}")


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    if sys.argv[1:2] in (["--one"], ["--list"]):
        _measure(sys.argv[2], listed=sys.argv[1] == "--list")
    else:
        _say(f"{'call':14}{'functions':>10}{'files':>8}{'calls':>8}")
        for each in NAMES:
            subprocess.run([sys.executable, __file__, "--one", each], check=True)
