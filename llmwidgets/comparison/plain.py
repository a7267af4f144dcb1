"""Values from notebooks (pydantic, dataclass, pandas, numpy, dates) as plain JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from datetime import date, datetime, time
from decimal import Decimal
from enum import Enum
from typing import Any

from pydantic import BaseModel


def plain(value: Any) -> Any:
    """The value as JSON; a key whose cell is blank (NaN, NaT, NA) is left out as not labelled."""
    if value is None or isinstance(value, str | bool | int):
        return value.value if isinstance(value, Enum) else value
    if isinstance(value, float):
        return int(value) if value.is_integer() and abs(value) < 2**53 else value
    if isinstance(value, BaseModel):
        return plain(value.model_dump(mode="json", by_alias=True, exclude_unset=True))
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return plain(dataclasses.asdict(value))
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items() if not blank(each)}
    if isinstance(value, list | tuple | set | frozenset):
        return [None if blank(each) else plain(each) for each in value]
    return _scalar(value)


def blank(value: Any) -> bool:
    """Whether a cell holds nothing at all: NaN, NaT or NA. None is a value: a labelled null."""
    if value is None or isinstance(value, str | bool | int | Mapping | list | tuple):
        return False
    if type(value).__name__ in ("NaTType", "NAType"):
        return True
    return isinstance(value, float | Decimal) and value != value


def _scalar(value: Any) -> Any:
    if isinstance(value, datetime):
        return value.date().isoformat() if _is_day(value) else value.isoformat()
    if isinstance(value, date | time):
        return value.isoformat()
    if isinstance(value, Decimal):
        return plain(float(value))
    if isinstance(value, Enum):
        return plain(value.value)
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    return str(value)


def _is_day(value: datetime) -> bool:
    # pandas turns a column of dates into midnight timestamps.
    return type(value).__name__ == "Timestamp" and value.time() == time() and value.tzinfo is None
