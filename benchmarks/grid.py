"""The grid of differences in a real JupyterLab, beside ipydatagrid and a plain HTML table.

    python benchmarks/grid.py [TEXTS]     # 10,000 texts by default, 8 variants, 10 fields each

Needs the test tools (`make test`), `pip install ipydatagrid` and Chromium. For each: milliseconds
from running the cell to its first rows on the screen, bytes over the websockets till then, the
gaps between frames while the page scrolls and 1,000 cells change. The comparison is made in a cell
before, so its making is not measured; nor are the imports of the panel. The panel's page code is
sent once and counted by itself. The others show one field of each text, the panel ten. A bare
widget that draws one element when its kernel has answered once tells what JupyterLab itself takes.
What has not finished its updates a minute after they began is told as such, with how many it took.
"""

from __future__ import annotations

import importlib.util
import json
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

UPDATES, PATIENCE = 1000, 60.0
"""How many cells change, and how many seconds that may take."""

MAKE = """
import asyncio, json, random, time
import llmwidgets as lw
TEXTS, VARIANTS, FIELDS = {texts}, 8, 10
rng = random.Random(7)
schema = {{"type": "object", "title": "Row", "properties": {{
    f"field_{{n}}": {{"type": "string"}} for n in range(FIELDS)}}}}
def said(text, wrong):
    return {{f"field_{{n}}": f"value {{text}} {{n}}" + (" other" if rng.random() < wrong else "")
            for n in range(FIELDS)}}
truth = [said(text, 0) for text in range(TEXTS)]
outputs = {{f"model-{{v}}": [said(text, 0.02 * v) for text in range(TEXTS)]
           for v in range(VARIANTS)}}
texts = ["Row " + json.dumps(row) for row in truth]
made = lw.Comparison.from_outputs(schema, texts, outputs, truth=truth)
records = outputs["model-1"]
# A run that is still going on: 1,000 replies of the first 250 texts come while it is looked at.
from llmwidgets.comparison.core import CellKey
places = [CellKey(4 + n % 4, n // 4, 0) for n in range(1000)]
held = [(place, made.rows.id(place)) for place in places]
for place in places:
    made.rows.put(place, 0)
"""
FRAME = """
import pandas as pd
rows = TEXTS
frame = pd.DataFrame({"truth": [row["field_0"] for row in truth[:rows]], **{
    label: [row["field_0"] for row in records[:rows]] for label, records in outputs.items()}})
"""
BARE = """
import anywidget
class Bare(anywidget.AnyWidget):
    _esm = "export default { render({ model, el }) { model.on('msg:custom', (said) => {" \
        " el.innerHTML = '<b class=bare>' + said.rows + '</b>'; }); model.send('hello'); } }"
    def __init__(self):
        super().__init__()
        self.on_msg(lambda *_: self.send({"rows": 0}))
Bare();
"""
CELLS = {
    "llmwidgets": (
        "panel = lw.ComparisonPanel(); panel._screen.name = 'results'\n"
        "panel._labels.show(made, live=True); panel",
        ".lw-block .lw-c",
    ),
    "ipydatagrid": (
        "import ipydatagrid\ngrid = ipydatagrid.DataGrid(frame); grid",
        ".jp-OutputArea canvas",
    ),
    "HTML table": (
        "import ipywidgets\ntable = ipywidgets.HTML(frame.to_html()); table",
        ".jp-OutputArea table td",
    ),
}
TURNS = 3
"""How often the first rows are timed, each time in a kernel of its own."""

ROWS = {
    "first_ms": ("first rows, median ms", "200"),
    "first_range": (f"fastest … slowest of {TURNS}", ""),
    "bytes": ("bytes until then", "100,000"),
    "code_bytes": ("bytes of page code", ""),
    "frame_median_ms": ("gap between frames, median ms", ""),
    "frame_p95_ms": ("gap between frames, 95th percentile, ms", "20"),
    "frame_max_ms": ("gap between frames, longest, ms", ""),
    "updates": (f"{UPDATES:,} updates", "4 s"),
    "update_bytes": ("bytes of the updates", ""),
    "notebook_bytes": ("bytes of the saved notebook", ""),
    "elements": ("elements in the page", ""),
}
CELLS |= {"bare widget": ("Bare()", "b.bare")}
WHERE = {"llmwidgets": ".lw-grid", "ipydatagrid": ".jp-OutputArea canvas"}
UPDATE = {
    "llmwidgets": """
async def update():
    for place, row in held:
        made.rows.put(place, row)
        panel._grid.grew([place.text])
        taken.append(time.time())
        await asyncio.sleep(0.0025)
    while panel._grid._growing:
        await asyncio.sleep(0.01)
    done.append(time.time())
""",
    "ipydatagrid": """
async def update():
    for n in range(1000):
        grid.set_cell_value_by_index("model-1", n % 40, f"typed {n}")
        taken.append(time.time())
        await asyncio.sleep(0.0025)
    done.append(time.time())
""",
}
GAPS = """(seconds) => new Promise((resolve) => {
  const gaps = [];
  let last = performance.now();
  const ends = last + seconds * 1000;
  const step = (now) => {
    gaps.push(now - last);
    last = now;
    if (now < ends) requestAnimationFrame(step);
    else resolve(gaps.slice(1));
  };
  requestAnimationFrame(step);
})"""
FIRST = """(selector) => new Promise((resolve) => {
  const look = () => document.querySelector(selector)
    ? resolve(performance.now() - window.started) : requestAnimationFrame(look);
  window.started = performance.now();
  window.jupyterapp.commands.execute("notebook:run-cell");
  look();
})"""


def main() -> None:
    """Measure the three, one notebook each, and print a table."""
    texts = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    lab_module = _tests("jupyterlab")
    from playwright.sync_api import sync_playwright

    found: dict[str, dict[str, Any]] = {}
    with tempfile.TemporaryDirectory() as home, sync_playwright() as playwright:
        lab = lab_module.start_lab(Path(home), "/usr/bin/chromium")
        flags = lab_module.CHROMIUM_FLAGS
        try:
            for name in sys.argv[2:] or CELLS:
                times = []
                for turn in range(TURNS):
                    browser = playwright.chromium.launch(
                        executable_path="/usr/bin/chromium", args=flags
                    )
                    context = browser.new_context(viewport={"width": 1280, "height": 1000})
                    page = lab_module.LabPage(lab, context.new_page())
                    lab_module.listen(page)
                    page.browser_page.set_default_timeout(90_000)
                    found[name] = _measure(lab, page, name, texts, last=turn == TURNS - 1)
                    times.append(found[name]["first_ms"])
                    page.end_kernels()
                    browser.close()
                found[name] |= {
                    "first_ms": round(statistics.median(times)),
                    "first_range": f"{min(times)} … {max(times)}",
                }
        finally:
            lab.stop()
    _show(found, texts)


def _show(found: dict[str, dict[str, Any]], texts: int) -> None:
    table = Table(
        title=f"{texts:,} texts × 8 variants, while {UPDATES:,} cells change", title_justify="left"
    )
    table.add_column("what")
    for name in found:
        table.add_column(name, justify="right")
    table.add_column("bar", justify="right")
    for key, (words, bar) in ROWS.items():
        table.add_row(words, *(_spelled(each.get(key)) for each in found.values()), bar)
    Console(width=110).print(table)


def _spelled(value: Any) -> str:
    return "–" if value is None else f"{value:,}" if isinstance(value, int | float) else str(value)


def _measure(lab: Any, page: Any, name: str, texts: int, *, last: bool) -> dict[str, Any]:
    cell, selector = CELLS[name]
    file = f"{name.replace(' ', '-')}.ipynb"
    prepare = MAKE.format(texts=texts) + FRAME + BARE + "\ndone, taken = [], []"
    lab.notebook(file, [prepare, "lw.ComparisonPanel(); lw.ConnectionForm('custom')", cell])
    page.open(file)
    browser = page.browser_page
    for _ in range(2):
        page.command("notebook:run-cell-and-select-next")
        browser.wait_for_function(
            "window.jupyterapp.shell.currentWidget.sessionContext.session.kernel.status === 'idle'"
        )
    browser.wait_for_timeout(1000)
    before = len(page.frames)
    first = browser.evaluate(FIRST, selector)
    frames = page.frames[before:]
    words = "_esm", '"type": "module"'
    code = sum(len(each) for each in frames if any(_holds(each, word) for word in words))
    found = {"first_ms": round(first), "bytes": sum(map(len, frames)) - code, "code_bytes": code}
    found["elements"] = browser.locator(".jp-OutputArea *").count()
    found["notebook_bytes"] = len(json.dumps(page.save()))
    return found | (_stream(page, name) if last and name in UPDATE else {})


def _stream(page: Any, name: str) -> dict[str, Any]:
    browser = page.browser_page
    browser.locator(WHERE[name]).last.scroll_into_view_if_needed()
    box = browser.locator(WHERE[name]).last.bounding_box()
    browser.mouse.move(box["x"] + 300, box["y"] + 200)
    before, began = len(page.frames), time.monotonic()
    _ask(browser, UPDATE[name])
    _ask(browser, "begun = time.time(); task = asyncio.ensure_future(update())")
    browser.evaluate(f"window.gaps = ({GAPS})(6)")
    ends, turn = time.monotonic() + 5.5, 0
    while time.monotonic() < ends:
        turn += 1
        browser.mouse.wheel(0, 120 if turn % 20 < 10 else -120)
        browser.wait_for_timeout(90)
    gaps = sorted(browser.evaluate("window.gaps"))
    took = _took(page, before, began)
    return {
        "frame_median_ms": round(gaps[len(gaps) // 2], 1),
        "frame_p95_ms": round(gaps[int(len(gaps) * 0.95)], 1),
        "frame_max_ms": round(gaps[-1], 1),
        "updates": took,
        "update_bytes": sum(map(len, page.frames[before:])),
    }


def _took(page: Any, before: int, began: float) -> str:
    """How long the updates took, or how many there were within the time they have."""
    said: list[str] = []
    while time.monotonic() - began < PATIENCE:
        _ask(page.browser_page, "print('TOOK', done[0] - begun if done else 0, len(taken))")
        page.browser_page.wait_for_timeout(1000)
        said = [_text(each) for each in page.frames[before:] if _holds(each, "TOOK ")]
        ended = [words for each in said if (words := each.split("TOOK ")[1].split())[0] != "0"]
        ended = [words for words in ended if words[0].replace(".", "").isdigit()]
        if ended:
            return f"{float(ended[0][0]):.1f} s"
    taken = [each.split("TOOK 0 ")[1].split("\\n")[0] for each in said if "TOOK 0 " in each]
    return f"{taken[-1] if taken else 'none told'} in {PATIENCE:.0f} s"


def _ask(browser: Any, code: str) -> None:
    """Run code in the kernel without waiting for it."""
    browser.evaluate(
        "code => { window.jupyterapp.shell.currentWidget.sessionContext.session.kernel"
        ".requestExecute({ code }); }",
        code,
    )


def _text(frame: str | bytes) -> str:
    return frame.decode("utf-8", "replace") if isinstance(frame, bytes) else frame


def _holds(frame: str | bytes, word: str) -> bool:
    return word.encode() in frame if isinstance(frame, bytes) else word in frame


def _tests(name: str) -> Any:
    path = Path(__file__).parents[1] / "tests" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"tests_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    return module


if __name__ == "__main__":
    main()
