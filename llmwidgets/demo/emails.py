"""Eight e-mails to a shop: who writes, what they want, by when, about which products.

    from llmwidgets.demo import emails
    lw.compare(emails.Schema, emails.texts, models="demo", truth=emails.truth)

The texts are written for this project; no person or company in them exists.
"""

from __future__ import annotations

import datetime as dt
from typing import Literal

from pydantic import BaseModel, Field

from llmwidgets.demo import read_samples


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


Schema = Email
texts, truth = read_samples("emails")
