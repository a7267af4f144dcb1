"""Portal and Route: where a key, an address or a file is found, as data to draw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Look = Literal[
    "heading", "button", "choice", "value", "row", "tabs", "tick", "file", "line", "reply", "text"
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Step:
    """What a number in the picture says, and the field of our form that the thing belongs in."""

    text: str
    field: str = ""


@dataclass(frozen=True, slots=True)
class Part:
    """One thing on a page, from top to bottom; one with a `step` is ringed and has its number.

    A `heading` has `button` and `choice` that follow it at its right. `value` is a text that can be
    copied, with its label; `row` one line of a table, a gray bar where a cell is empty; `tabs` are
    separated by `|`, the open one is `value`; `tick` is a permission that is ticked, `file` what is
    downloaded, `line` what is typed into a terminal, `reply` what that answers, `text` a remark.
    """

    look: Look
    text: str
    value: str = ""
    step: int = 0


@dataclass(frozen=True, slots=True)
class Portal:
    """A page of a vendor, or a terminal, in which a person finds what a form asks for.

    It is our own drawing: it has the words that lead there, and gray bars for all others. `address`
    is the page's, and names a window without one. `menu` is what stands at the left, with bars for
    empty names; `at` is the entry that is open, ringed with `menu_step` if that is set.
    """

    name: str
    title: str
    address: str
    steps: tuple[Step, ...]
    parts: tuple[Part, ...]
    menu: tuple[str, ...] = ()
    at: str = ""
    menu_step: int = 0


@dataclass(frozen=True, slots=True)
class Route:
    """How a kernel that runs elsewhere reaches a server of one's own.

    `kernel`, `outside` and `server` are boxes, each a `heading` with `text` and `reply` below it.
    `dead` is the address that leads nowhere from the kernel, and why.
    """

    name: str
    title: str
    steps: tuple[Step, ...]
    kernel: tuple[Part, ...]
    outside: tuple[Part, ...]
    server: tuple[Part, ...]
    dead: tuple[str, str]
