"""Panel: what every widget shares. State goes to the page, actions come back, errors are shown.

A widget of this package is one Python class, one module and one style sheet: `static/` holds what
`make javascript` builds from the sources in `javascript/`, and `bundle = "mine"` names it. A saved
notebook holds a widget's `_esm` once for each panel in it, so that is a loader of 1 kB, which asks
for the module by `{type: "module"}`, and later for a part that the module leaves out.

No trait holds data, so nothing of it lands in a saved notebook. A view asks by `{type: "hello"}`
when it is drawn; the widget answers by `{type: "state", …}` and sends a new state when something
changed. Every other message is an action of a controller: `{type: "store.unlock", …}` runs
`async def act_unlock(content)` of the controller registered as `store`, on the engine's loop. The
callback itself only submits and returns, because it may run on any thread and during a running
cell. An error ends as a redacted sentence in the state. An action carries the act of a person that
led to it (`act`), and so does all that is sent on account of it: the page moves the focus for an
answer alone, never for a state that arrives by itself.
"""

from __future__ import annotations

import asyncio
import contextvars
import threading
import uuid
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import Future
from functools import cached_property, lru_cache
from importlib import resources
from types import MappingProxyType
from typing import Any, NoReturn, TypedDict

import anywidget

from llmwidgets.errors import LLMWidgetsError
from llmwidgets.formatting import escape_controls, escape_html
from llmwidgets.secret import redact

_BATCH_SECONDS = 0.05
_LONGEST_NAME = 64

_act: contextvars.ContextVar[str] = contextvars.ContextVar("act", default="")
"""The act in a page on whose account this runs; tasks and threads begun meanwhile inherit it."""

_kind: contextvars.ContextVar[str] = contextvars.ContextVar("kind", default="")
"""The type of the message on whose account this runs, inherited like the act."""

Content = dict[str, Any]
"""A message of the page; what came in binary is in `buffers`."""


def whole_in(content: Content, name: str, default: int = -1) -> int:
    """A whole number of a message; the default where the page sent something else."""
    value = content.get(name)
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def words_in(content: Content, name: str) -> list[str]:
    """A list of words of a message; anything else in it is left out."""
    value = content.get(name)
    return [each for each in value if isinstance(each, str)] if isinstance(value, list) else []


def values_in(content: Content, name: str) -> Content:
    """The values by name of a message; none where the page sent something else."""
    value = content.get(name)
    return value if isinstance(value, dict) else {}


class Sentence(TypedDict):
    """What happened, and what to do now."""

    sentence: str
    hint: str


class PanelError(Sentence):
    """An error, and the type of the message that led to it: it is shown where that began."""

    of: str


@lru_cache
def read_static(name: str) -> str:
    """A built file of `static/`: the loader, or the module or the style sheet of one widget."""
    return (resources.files("llmwidgets.widgets") / "static" / name).read_text("utf-8")


class Page:
    """The page of a widget, as its controllers know it; every method can be called on any thread.

    `under_way` is the work that was submitted and has not ended.
    """

    def __init__(self, widget: Panel) -> None:
        self._widget = widget
        self._due = False
        self._turn = threading.Lock()
        self.error: PanelError | None = None
        self.last_error: str | None = None
        self.under_way: set[Future[None]] = set()

    def send(self, content: Mapping[str, Any], buffers: Sequence[Any] | None = None) -> None:
        """Send a message to every view, with the act that it answers if there is one."""
        act = _act.get()
        self._widget.send({**content, "act": act} if act else content, buffers)

    def push(self) -> None:
        """Send the whole state to every view, and bring the HTML output up to date."""
        self.send({"type": "state", "error": self.error, **self._widget.state()})
        self.refresh_static()

    def refresh_static(self) -> None:
        """Bring the HTML output up to date, where it changed."""
        self._widget.refresh_static()

    def push_soon(self) -> None:
        """Send the state once within 50 ms, however often this is called meanwhile."""
        with self._turn:
            if self._due:
                return
            self._due = True
        self.submit(self._push_later())

    async def _push_later(self) -> None:
        await asyncio.sleep(_BATCH_SECONDS)
        with self._turn:
            self._due = False
        self.push()

    def show_error(self, error: BaseException) -> None:
        """Put the error before the user as a sentence and the next step, redacted."""
        self.error = {**error_sentence(error), "of": _kind.get()}
        self.last_error = f"{self.error['sentence']} {self.error['hint']}".strip()
        self.push()

    def submit(self, work: Coroutine[Any, Any, None]) -> Future[None]:
        """Run the coroutine on the engine's loop; its exception ends in the widget."""
        from llmwidgets.engine.event_loop import submit_task

        future: Future[None] = submit_task(self._show_errors(work))
        self.under_way.add(future)
        future.add_done_callback(self.under_way.discard)
        return future

    async def _show_errors(self, work: Awaitable[None]) -> None:
        try:
            await work
        except Exception as error:  # noqa: BLE001 - nobody reads this future but the user
            self.show_error(error)


class Panel(anywidget.AnyWidget):
    """The base of every widget: a DOMWidget without data in its traits.

    Subclasses give `bundle`, `state()`, `summary()`, and `controllers`: by the prefix of its
    messages, what answers them with one `async def act_<name>(content)` each. They make them before
    they call this class: a page asks as soon as it knows of the widget, while the cell still runs.
    """

    _esm, _css = read_static("loader.js"), ""
    bundle = ""
    """What the built module and style sheet in `static/` are called."""
    parts: tuple[str, ...] = ()
    """What the module leaves out until the page needs it: `BUNDLE.PART.js` and `.css`."""
    heading = "Panel"
    controllers: Mapping[str, object] = MappingProxyType({})

    def __init__(self) -> None:
        self.on_msg(self._arrive)
        super().__init__()

    def __copy__(self) -> NoReturn:
        name = type(self).__name__
        message = (
            f"A {name} cannot be copied or pickled: it is joined to its pages and to this process. "
            f"Make another by lw.{name}(…)."
        )
        raise TypeError(message)

    def __deepcopy__(self, memo: object) -> NoReturn:
        self.__copy__()

    def __reduce_ex__(self, protocol: object) -> NoReturn:
        self.__copy__()

    def open(self) -> None:
        """Open what joins the widget to its pages."""
        super().open()
        _hear_every_page(self.comm)

    @cached_property
    def page(self) -> Page:
        """The page of this widget, for its controllers."""
        return Page(self)

    @cached_property
    def _static(self) -> StaticOutput:
        return StaticOutput()

    def state(self) -> Mapping[str, Any]:
        """What the page shows now, as JSON; never a secret."""
        return {}

    def summary(self) -> tuple[str, list[str]]:
        """A sentence and lines that say the same without a kernel; never a secret."""
        return type(self).__name__, []

    async def hello(self) -> None:
        """A view was drawn and asks for the state."""
        self.page.push()

    def static_html(self, now: str = "") -> str:
        """What shows where the widget cannot: without a kernel, on GitHub.

        `now` is what holds for a while; what the widget's own output says as text is never renewed.
        """
        sentence, lines = self.summary()
        sentence = ", ".join(filter(None, (sentence, now)))
        items = "".join(f"<li>{escape_html(line)}</li>" for line in lines)
        return (
            f"<p><b>{escape_html(self.heading)}:</b> {escape_html(sentence)}. "
            "Run this cell to open the panel.</p>" + (f"<ul>{items}</ul>" if items else "")
        )

    @property
    def last_error(self) -> str | None:
        """The newest error that the page was shown."""
        return self.page.last_error

    def _arrive(self, _widget: object, content: object, buffers: Sequence[memoryview]) -> None:
        if not isinstance(content, dict) or not isinstance(kind := content.get("type"), str):
            return
        if kind == "hello":
            self.page.submit(self.hello())
        elif kind == "module":
            self.page.submit(self._send_module(content.get("part")))
        elif action := self._find_action(kind):
            self.page.error = None
            work = action({**content, "buffers": buffers})
            self.page.submit(_on_account_of(kind, content.get("act"), work))

    def _find_action(self, kind: str) -> Callable[[Content], Coroutine[Any, Any, None]] | None:
        prefix, _, name = kind.partition(".")
        return getattr(self.controllers.get(prefix), f"act_{name}", None)

    async def _send_module(self, part: object) -> None:
        """The page has no code yet, or not this part of it: send a module and its style sheet."""
        known = part if part in self.parts else ""
        name = f"{self.bundle}.{known}" if known else self.bundle
        code = [read_static(f"{name}.{kind}").encode() for kind in ("js", "css")]
        self.page.send({"type": "module", "part": known}, code)

    def close(self) -> None:
        """Leave the page; controllers stop what they do."""
        for controller in self.controllers.values():
            if close := getattr(controller, "close", None):
                close()
        super().close()

    def __repr__(self) -> str:
        return escape_controls(f"{type(self).__name__}({self.summary()[0]})")

    def refresh_static(self) -> None:
        """Bring the HTML output up to date."""
        self._static.update(self.static_html())

    def _ipython_display_(self) -> None:
        """Two outputs: the widget, and HTML that shows where the widget cannot.

        A reopened notebook without a kernel draws only the second one; a live panel hides it.
        """
        data, metadata = self._repr_mimebundle_()
        data.pop("text/html", None)
        self._static.display(data, metadata, self.static_html())

    def _repr_mimebundle_(self, **_options: Any) -> tuple[Content, Content]:
        data, metadata = super()._repr_mimebundle_() or ({}, {})
        lines = [repr(self), *(f"  {line}" for line in self.summary()[1])]
        data["text/plain"] = escape_controls("\n".join(lines))
        data["text/html"] = self.static_html()
        return data, metadata


def _hear_every_page(comm: Any) -> None:
    """Take each message on the subshell that its page names, or on the main one.

    ipykernel takes it on the subshell of the page that was answered last, and refuses it if that
    one has ended: with a tab that was closed, or with the kernel before a restart.
    """
    if not hasattr(comm, "_reply_subshell_for"):
        return
    threads = getattr(comm.kernel, "shell_channel_thread", None)

    def route(_data: object, named: str | None) -> str | None:
        return named if threads and named in threads.manager.list_subshell() else None

    comm._reply_subshell_for = route


async def _on_account_of(kind: str, act: object, work: Awaitable[None]) -> None:
    _kind.set(kind)
    _act.set(act[:_LONGEST_NAME] if isinstance(act, str) else "")
    await work


def error_sentence(error: BaseException) -> Sentence:
    """What to show for an error: the sentence and the next step, every secret masked."""
    if isinstance(error, LLMWidgetsError):
        return {"sentence": redact(error.message), "hint": redact(error.hint)}
    words = escape_controls(redact(str(error))).strip()
    return {
        "sentence": f"This stopped with an unexpected {type(error).__name__}.",
        "hint": f"It says: {words}" if words else "",
    }


class StaticOutput:
    """An HTML-only output below the widget: the result for where the widget cannot be shown.

    A live panel hides it by its own style; a notebook reopened without a kernel, GitHub and
    nbviewer show it. It holds no extracted value and no text.
    """

    def __init__(self) -> None:
        self._name = uuid.uuid4().hex
        self._turn = threading.Lock()
        self._shown = False
        self._fragment = ""

    def display(self, data: dict[str, Any], metadata: dict[str, Any], fragment: str) -> None:
        """Publish the widget's own output, and the HTML as a second one."""
        _publish(data, metadata=metadata)
        with self._turn:
            self._fragment = fragment
            _publish(_bundle(fragment), display_id=self._name)
            self._shown = True

    def update(self, fragment: str) -> None:
        """Put newer HTML in the place of the second output, wherever it is displayed."""
        with self._turn:
            if self._shown and fragment != self._fragment:
                self._fragment = fragment
                _publish(_bundle(fragment), display_id=self._name, update=True)


def _publish(data: dict[str, Any], **options: Any) -> None:
    from IPython import display

    display.display(data, raw=True, **options)


def _bundle(fragment: str) -> dict[str, Any]:
    return {"text/html": f'<div class="llmwidgets-static">{fragment}</div>'}
