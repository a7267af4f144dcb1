"""A keyless demo: sample tasks with truth, and rule-based models behind a loopback server.

No LLM is involved: the models are rules of different care, and every reply of theirs says so.

    from llmwidgets.demo import invoices
    lw.compare(invoices.Schema, invoices.texts, models="demo", truth=invoices.truth)
"""

from __future__ import annotations

import atexit
import datetime as dt
import json
import os
import sys
import threading
from functools import cached_property
from importlib import import_module
from importlib.resources import files
from importlib.resources.abc import Traversable
from types import ModuleType
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, Field

if TYPE_CHECKING:
    from llmwidgets.connections.connection import Connection
    from llmwidgets.demo.server import DemoServer


__all__ = ["DEMO_MODELS", "emails", "invoices", "jobs", "start_demo", "stop_demo"]

DEMO_MODELS = ("demo-careful", "demo-quick", "demo-hasty", "demo-flaky")
"""The demo's models, most careful first."""


def start_demo() -> list[Connection]:
    """Start the keyless demo server, once per process, and return a connection for each model.

    The connections are Custom ones, labelled with the model's id; no store is needed.

        careful, *others = lw.start_demo()
    """
    from llmwidgets.connections.connection import Connection

    url = demo_url()
    return [
        Connection("custom", name=name, endpoint=url, label=name).with_origin("demo")
        for name in DEMO_MODELS
    ]


class _Running:
    """The one server of this process."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.server: DemoServer | None = None
        self.hooked = False


_running = _Running()


def demo_url() -> str:
    """The address of the demo server, which is started if it is not running."""
    from llmwidgets.demo.server import DemoServer

    with _running.lock:
        if _running.server is None:
            _running.server = DemoServer()
        if not _running.hooked:
            _running.hooked = True
            atexit.register(stop_demo)
            if hasattr(os, "register_at_fork"):
                os.register_at_fork(after_in_child=_abandon_in_child)
        return _running.server.url


def stop_demo() -> None:
    """Stop the demo server, if it is running."""
    with _running.lock:
        server, _running.server = _running.server, None
    if server is not None:
        server.close()


def _abandon_in_child() -> None:
    """A forked child has the server's socket but not its thread: it starts its own."""
    server = _running.server
    _running.lock, _running.server = threading.Lock(), None
    if server is not None:
        server.abandon()


# -- Sample tasks. The texts are written for this project; no person or company in them exists.


class Line(BaseModel):
    """One line of an invoice."""

    description: str = Field(description="What was sold, as written, without quantity or price")
    quantity: float = Field(description="How many")
    amount: float = Field(description="Amount of this line, as printed")


class Invoice(BaseModel):
    """What an accountant types in from a supplier's invoice."""

    number: str = Field(description="Invoice number, as written")
    date: dt.date = Field(description="Date of the invoice")
    due_date: dt.date | None = Field(
        description="Date the payment is due, if the invoice names one"
    )
    supplier: str = Field(description="Name of the company that issued the invoice")
    total: float = Field(description="Total amount to pay, with tax")
    currency: Literal["EUR", "USD", "GBP", "CHF"]
    vat_id: str | None = Field(description="VAT identification number of the supplier")
    lines: list[Line]


class Email(BaseModel):
    """What a service desk needs to know of an e-mail before anyone reads it."""

    sender_name: str = Field(description="Name of the person who writes")
    sender_email: str = Field(
        description="E-mail address to answer to", json_schema_extra={"format": "email"}
    )
    order_number: str | None = Field(description="Order number, as written")
    intent: Literal["cancellation", "return", "delivery", "invoice", "complaint", "question"] = (
        Field(
            description=(
                "What the sender wants. cancellation: call off an order; return: send goods back "
                "for a refund; delivery: where a parcel is, or when it comes; invoice: a bill or "
                "receipt; complaint: goods arrived broken, damaged or wrong; question: asks "
                "before buying"
            )
        )
    )
    requested_date: dt.date | None = Field(
        description="Day by which the sender wants something done, if named"
    )
    urgent: bool = Field(description="Whether the sender says that it is urgent")
    products: list[str] = Field(
        description="Products the sender wants something done about, as written"
    )


class Job(BaseModel):
    """What a job board shows of an advertisement."""

    title: str = Field(description="Job title, as written")
    company: str = Field(description="Company where the work is done")
    location: str | None = Field(description="City of the workplace")
    remote: Literal["on-site", "hybrid", "remote"] = Field(
        description=(
            "on-site: at the office or workshop; hybrid: some days from home; remote: from anywhere"
        )
    )
    salary_min: int | None = Field(
        description="Lowest salary offered; a single figure is lowest and highest"
    )
    salary_max: int | None = Field(
        description="Highest salary offered; a single figure is lowest and highest"
    )
    currency: Literal["EUR", "USD", "GBP", "CHF"] | None = Field(
        description="Currency of the salary"
    )
    contract: Literal["permanent", "fixed-term", "freelance", "internship"] = Field(
        description=(
            "permanent: unlimited; fixed-term: limited, temporary; freelance: contractor paid by "
            "the day; internship: intern, trainee"
        )
    )
    start_date: dt.date | None = Field(description="First day of work, if a day is named")
    skills: list[str] = Field(description="Skills asked for, as written")
    contact_email: str | None = Field(
        description="E-mail address for applications", json_schema_extra={"format": "email"}
    )


class Task(ModuleType):
    """A task to compare models on: a schema, its texts with their ids, and the truth by id.

    Each text has its `language` too, which `scoreboard(by="language")` takes.

    A module, so that code can import its parts: `from llmwidgets.demo.invoices import texts`.
    """

    def __init__(self, name: str, schema: type[BaseModel]) -> None:
        super().__init__(f"{__name__}.{name}")
        self.name, self.Schema = name, schema
        sys.modules[self.__name__] = self

    def __reduce__(self) -> tuple[Any, ...]:
        return import_module, (self.__name__,)  # as a module it is what this name imports

    @cached_property
    def texts(self) -> list[dict[str, str]]:
        """The texts, each with `id`, `text` and `language`."""
        languages = json.loads((self._folder / "languages.json").read_text("utf-8"))
        return [
            {
                "id": name,
                "text": (self._folder / f"{name}.txt").read_text("utf-8").strip(),
                "language": languages[name],
            }
            for name in self.truth
        ]

    @cached_property
    def truth(self) -> dict[str, Any]:
        """The true record of each text, by its id."""
        truth: dict[str, Any] = json.loads((self._folder / "truth.json").read_text("utf-8"))
        return truth

    @property
    def _folder(self) -> Traversable:
        return files("llmwidgets.demo") / "sample_texts" / self.name


invoices = Task("invoices", Invoice)
"""Sixteen invoices in eight languages: header fields and the list of lines."""
emails = Task("emails", Email)
"""E-mails to a shop: who writes, what they want, by when, about which products."""
jobs = Task("jobs", Job)
"""Job advertisements: the place, the pay, the contract and what is asked for."""
