"""A widget's own module in a real Chromium page, joined to the real widget of this process.

There is no JupyterLab between the two, so a test says when a state arrives: what the kernel sends
waits until `deliver`.

    def test_panel(joined):
        page = joined(lw.ConnectionPanel(store))
        page.field("API key").press_sequentially("sk-ha")
        del store["mistral"]
        page.deliver()
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from typing import Any

import pytest

from llmwidgets.widgets.panel import read_static
from tests.jupyterlab import PATIENCE_MS

ADDRESS = "http://localhost/"
"""Never asked for: the page is made here, and a page of this name may seal secrets."""

KERNEL = """
const model = { listeners: [], sent: [], under_way: [],
  get: () => "panel",
  on(_, listener) { this.listeners.push(listener); },
  off(_, listener) { this.listeners = this.listeners.filter((each) => each !== listener); },
  send(content, _, buffers = []) {
    this.sent.push(content);
    const bytes = (each) => [...new Uint8Array(each.buffer || each)];
    this.under_way.push([content, buffers.map(bytes)]);
  } };
const modules = [];
const makeURL = URL.createObjectURL;
URL.createObjectURL = (blob) => {
  const url = makeURL.call(URL, blob);
  if (blob.type === "text/javascript") modules.push(url);
  return url;
};
// Code that came was run at the end.
window.lwFromKernel = async (content, buffers) => {
  const views = buffers.map((each) =>
    new DataView(Uint8Array.from(atob(each), (one) => one.charCodeAt(0)).buffer));
  for (const listener of model.listeners) listener(content, views);
  if (content.type !== "module") return;
  const next = () => new Promise((resolve) => setTimeout(resolve));
  await next();
  await Promise.all(modules.splice(0).map((url) => import(url)));
  await next();
};
window.lwModel = model;
window.lwHeard = [];
let sealing = 0;
for (const name of ["importKey", "generateKey", "exportKey", "encrypt", "decrypt"]) {
  const real = crypto.subtle[name].bind(crypto.subtle);
  crypto.subtle[name] = (...given) => {
    sealing += 1;
    return real(...given).finally(() => { sealing -= 1; });
  };
}
window.lwSealed = async () => {
  do await new Promise((next) => setTimeout(next)); while (sealing);
};
for (const kind of ["change", "focusin", "focusout", "blur", "toggle"]) {
  document.addEventListener(kind, (e) => window.lwHeard.push([kind, e.target.value ?? ""]), true);
}
"""

DRAW = """async (loader) => {
  const url = URL.createObjectURL(new Blob([loader], { type: "text/javascript" }));
  const { default: widget } = await import(url);
  widget.render({ model: lwModel, el: document.querySelector("main") });
}"""

FRAME = "await new Promise((done) => requestAnimationFrame(() => setTimeout(done)));"
"""Behind it all is drawn that the page put off to its next frame."""


class JoinedPage:
    """The page's end of a widget in a browser; `deliver` lets what the kernel sent arrive."""

    def __init__(self, browser_page: Any, widget: Any, *, settled: bool = True) -> None:
        self.page, self.widget = browser_page, widget
        self._waiting: list[tuple[dict[str, Any], list[Any]]] = []
        widget.comm.publish_msg = self._published
        browser_page.add_script_tag(content=KERNEL)
        browser_page.evaluate(DRAW, read_static("loader.js"))
        self.deliver(settled=settled)

    def _published(self, kind: str, data: Any = None, buffers: Any = None, **_rest: Any) -> None:
        if data and data.get("method") == "custom":
            self._waiting.append((data["content"], list(buffers or [])))

    def settle(self, *, settled: bool = True) -> None:
        """Take all that the page sends to the kernel, and wait until its work there is done.

        `settled=False` leaves alone what the kernel does besides.
        """
        besides = set() if settled else set(self.widget.page.under_way)
        self.page.evaluate("lwSealed()")
        for content, buffers in self.page.evaluate("lwModel.under_way.splice(0)"):
            data = {"method": "custom", "content": content}
            views = [memoryview(bytes(each)) for each in buffers]
            self.widget.comm.handle_msg({"content": {"data": data}, "buffers": views})
        while under_way := set(self.widget.page.under_way) - besides:
            wait(under_way, timeout=30)

    def deliver(self, *, settled: bool = True) -> None:
        """Let all that the kernel sent arrive, and what the page answers, until both rest.

        What the page draws a frame later is drawn then.
        """
        self.settle(settled=settled)
        while self._waiting or self.page.evaluate(
            f"async () => {{ {FRAME} return lwModel.under_way.length; }}"
        ):
            if self._waiting:
                self.arrive()
            self.settle(settled=settled)

    def arrive(self) -> None:
        """Let what the kernel sent up to now arrive, at least one message, before it hears what the
        page sent."""
        while not self._waiting:
            self.page.wait_for_timeout(10)
        messages, self._waiting = self._waiting, []
        for content, buffers in messages:
            raw = [base64.b64encode(bytes(each)).decode() for each in buffers]
            self.page.evaluate("([a, b]) => window.lwFromKernel(a, b)", [content, raw])

    def sent(self, kind: str) -> list[dict[str, Any]]:
        """What the page has sent of a kind."""
        self.settle()
        found: list[dict[str, Any]] = self.page.evaluate(
            "kind => lwModel.sent.filter((each) => each.type === kind)", kind
        )
        return found

    def listen(self) -> None:
        """Forget the events and messages up to now."""
        self.page.evaluate("lwHeard.length = 0; lwModel.sent.length = 0")

    @property
    def heard(self) -> list[list[str]]:
        """Change, focus and toggle events since `listen`."""
        found: list[list[str]] = self.page.evaluate("lwHeard")
        return found


_CLIPPED = """() => {
  const root = document.querySelector(".lw"), edge = root.getBoundingClientRect(), found = [];
  const scrolls = (each) => ["auto", "scroll"].includes(getComputedStyle(each).overflowX);
  for (const each of [root, ...root.querySelectorAll("*")]) {
    const look = getComputedStyle(each), box = each.getBoundingClientRect();
    if (each.closest("svg, .spoken, .i") || look.display === "inline" || !box.width) continue;
    if (scrolls(each) || look.textOverflow === "ellipsis") continue;
    let above = each.parentElement, inside = false;
    for (; above && above !== root; above = above.parentElement) inside ||= scrolls(above);
    const cut = look.overflowX !== "visible" && each.scrollWidth > each.clientWidth + 1;
    const out = !inside && (box.right > edge.right + 1 || box.left < edge.left - 1);
    if (cut || out) found.push(`${each.tagName}.${each.className} ${each.scrollWidth}`);
  }
  return found;
}"""


def clipped(browser_page: Any) -> list[str]:
    """What of a panel stands outside it or is cut off, where nothing can be scrolled.

    A panel that was made narrower is drawn anew a frame later.
    """
    browser_page.evaluate(f"async () => {{ {FRAME} }}")
    found: list[str] = browser_page.evaluate(_CLIPPED)
    return found


@pytest.fixture
def blank(browser: Any) -> Iterator[Any]:
    """An empty page in which a panel may stand; a script error in it fails the test."""
    context = browser.new_context(viewport={"width": 1100, "height": 900})
    page, troubles = context.new_page(), []
    page.set_default_timeout(PATIENCE_MS)
    page.on("pageerror", lambda error: troubles.append(str(error)))
    body = "<!doctype html><title>panel</title><main></main>"
    page.route(f"{ADDRESS}**", lambda route: route.fulfill(body=body, content_type="text/html"))
    page.goto(ADDRESS)
    yield page
    context.close()
    assert not troubles, troubles


@pytest.fixture
def joined(blank: Any) -> Iterator[Callable[[Any], JoinedPage]]:
    """Draw a widget in a page of its own."""
    widgets: list[Any] = []

    def join(widget: Any, **options: Any) -> JoinedPage:
        widgets.append(widget)
        return JoinedPage(blank, widget, **options)

    yield join
    for widget in widgets:
        widget.close()
