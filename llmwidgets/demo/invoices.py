"""Eight invoices from six countries: header fields and the list of lines.

    from llmwidgets.demo import invoices
    lw.compare(invoices.Schema, invoices.texts, models="demo", truth=invoices.truth)

The texts are written for this project; no person or company in them exists.
"""

from __future__ import annotations

import datetime as dt
from typing import Literal

from pydantic import BaseModel, Field

from llmwidgets.demo import read_samples


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


Schema = Invoice
texts, truth = read_samples("invoices")
