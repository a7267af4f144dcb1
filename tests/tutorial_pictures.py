"""The pictures of panels that stand in the notebooks and the README: `notebooks/pictures/*.png`."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from PIL import Image

from tests.forms import open_kind
from tests.jupyterlab import PANEL_WIDTH, REPOSITORY

if TYPE_CHECKING:
    from tests.pictures import Camera

FOLDER = REPOSITORY / "notebooks" / "pictures"
TALLEST = 900
COLORS = 96

CONNECT = "import llmwidgets as lw\nlw.ConnectionPanel(lw.Store.in_memory())"
COMPARE = """import llmwidgets as lw
from llmwidgets.demo import invoices
lw.start_demo()
lw.ComparisonPanel(
    invoices.Schema, invoices.texts, truth=invoices.truth, models="demo", store=lw.Store.in_memory()
)"""
HALF_LABELLED = """import llmwidgets as lw
from llmwidgets.demo import invoices
careful, quick, hasty, flaky = lw.start_demo()
models = [
    lw.Variant(careful, price={"input": 2.0, "output": 8.0}),
    lw.Variant(quick, price={"input": 0.2, "output": 0.8}),
    lw.Variant(hasty, price={"input": 0.1, "output": 0.4}),
]
known = {text["id"]: invoices.truth[text["id"]] for text in invoices.texts[:12]}
lw.compare(invoices.Schema, invoices.texts, models, truth=known, journal=False,
    progress=False).explore()"""
EDITED = """import llmwidgets as lw
lw.ComparisonPanel([
    {"name": "number", "type": "string", "description": "Invoice number, as written"},
    {"name": "date", "type": "date"},
    {"name": "total", "type": "number", "description": "Total amount to pay, with tax"},
], ["Invoice 7 of 3 May 2025: 12.00 EUR"], store=lw.Store.in_memory())"""


def tutorials(camera: Camera) -> None:
    """What the notebooks show where no kernel runs: connecting, comparing, reading, the editor."""
    panel = camera.open(CONNECT)
    open_kind(panel, "openai")
    panel.get_by_label("API key").wait_for()
    keep(camera, "connect")
    panel = camera.open(COMPARE)
    panel.get_by_text("and to no other host").wait_for()
    keep(camera, "before_a_run")
    panel.get_by_role("button", name=re.compile(r"^Run \d+ calls")).click()
    panel.get_by_role("grid").get_by_text("druckerei-de").first.wait_for()
    keep(camera, "differences")
    panel = camera.open(HALF_LABELLED)
    panel.get_by_role("tab", name="Scoreboard").click()
    panel.get_by_role("heading", name="In pairs").wait_for()
    keep(camera, "scoreboard")
    panel.get_by_role("tab", name="Differences").click()
    panel.get_by_label("Order").select_option("review")
    panel.get_by_text("chance that the value is wrong").wait_for()
    panel.get_by_role("grid").focus()
    camera.page.browser_page.keyboard.press("1")
    panel.get_by_text("set with key 1").first.wait_for()
    keep(camera, "review")
    panel = camera.open(EDITED)
    panel.get_by_role("button", name="Edit a copy").click()
    panel.get_by_role("textbox", name=re.compile("Description")).first.wait_for()
    keep(camera, "schema_editor")


def keep(camera: Camera, name: str) -> None:
    """Draw the panel in light, in few colours, so that a notebook stays quick to load."""
    camera.page.widen(PANEL_WIDTH)
    path = FOLDER / f"{name}.png"
    camera.page.picture(path)
    with Image.open(path) as drawn:
        width, height = drawn.size
        small = drawn.convert("RGB").crop((0, 0, width, min(height, TALLEST)))
    small.quantize(COLORS, dither=Image.Dither.NONE).save(path, optimize=True)
    print(f"  {name}: {path.stat().st_size:,} bytes")  # noqa: T201
