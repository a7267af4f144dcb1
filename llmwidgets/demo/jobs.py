"""Eight job advertisements: the place, the pay, the contract and what is asked for.

    from llmwidgets.demo import jobs
    lw.compare(jobs.Schema, jobs.texts, models="demo", truth=jobs.truth)

The texts are written for this project; no person or company in them exists.
"""

from __future__ import annotations

import datetime as dt
from typing import Literal

from pydantic import BaseModel, Field

from llmwidgets.demo import read_samples


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


Schema = Job
texts, truth = read_samples("jobs")
