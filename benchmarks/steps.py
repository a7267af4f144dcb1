"""How many distinct functions of llmwidgets one `compare()` of one text enters, by package.

python -m benchmarks.steps [--list]
"""

from __future__ import annotations

import sys
import threading
from collections import Counter
from inspect import CO_OPTIMIZED
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

PACKAGE = str(Path(__file__).parents[1] / "llmwidgets") + "/"


def entered() -> set[CodeType]:
    """The functions that a comparison of one text enters in every thread, imports left out.

    What the demo's server does for the other end of the wire is left out as well.
    """
    import llmwidgets as lw
    from llmwidgets.demo import invoices

    compare = lw.compare
    connection, truth = lw.start_demo()[0], next(iter(invoices.truth.values()))
    found: set[CodeType] = set()

    def note(frame: FrameType, event: str, _: Any) -> None:
        code = frame.f_code
        is_function = code.co_flags & CO_OPTIMIZED
        if event == "call" and is_function and code.co_filename.startswith(PACKAGE):
            found.add(code)

    threading.setprofile(note)
    sys.setprofile(note)
    try:
        compare(
            invoices.Schema, invoices.texts[:1], connection, truth=[truth], journal=False,
            progress=False,
        )  # fmt: skip
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    own = (code for code in found if not code.co_name.startswith("<"))
    return {code for code in own if not code.co_filename.startswith(f"{PACKAGE}demo/")}


def main() -> None:
    """Print the number, and where the functions are."""
    found = entered()
    places = {code: code.co_filename.removeprefix(PACKAGE) for code in found}
    sys.stdout.write(f"{len(found)} distinct functions in {len(set(places.values()))} files\n")
    packages = Counter(place.partition("/")[0] for place in places.values())
    for name, count in packages.most_common():
        sys.stdout.write(f"{count:5} {name}\n")
    if "--list" in sys.argv:
        for code in sorted(found, key=lambda code: (places[code], code.co_firstlineno)):
            sys.stdout.write(f"{places[code]}:{code.co_firstlineno} {code.co_qualname}\n")


if __name__ == "__main__":
    main()
