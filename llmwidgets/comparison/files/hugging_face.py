"""Data sets of Hugging Face, read as DataFrames; its package need not be installed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from llmwidgets.comparison.values import to_jsonable
from llmwidgets.errors import FieldError
from llmwidgets.formatting import join_truncated

_NOT_WORDS = ("Image", "Audio", "Video", "Pdf", "Nifti")
"""The features of Hugging Face that are neither text nor a value; reading decodes them."""


def is_data_set(value: Any) -> bool:
    """Whether this is one of Hugging Face's `datasets`."""
    return type(value).__module__.partition(".")[0] == "datasets"


def read_data_set(value: Any, argument: str) -> Any:
    """A data set of Hugging Face as a DataFrame, one column of it as a Series; else the value.

    A class label is its name, an object inside a row the columns of its fields. FieldError for a
    dict of splits, for a data set that streams and for one whose rows are computed when looked at.
    """
    if not is_data_set(value):
        return value
    kind = type(value).__name__
    if isinstance(value, Mapping):
        splits = [*map(str, value)]
        raise FieldError(
            {argument: f"is a {kind}, with the splits {join_truncated(splits)}."},
            f"Give one of them: {argument}[{splits[0] if splits else 'train'!r}].",
        )
    if kind.startswith("Iterable"):
        raise FieldError(
            {argument: f"is an {kind}, whose rows are not here."},
            f"Take the rows that are meant: datasets.Dataset.from_list(list({argument}.take(1000)),"
            f" features={argument}.features).",
        )
    if hasattr(value, "column_name"):
        whole = getattr(value, "source", None)
        if whole is not None and hasattr(whole, "select_columns"):
            return read_data_set(whole.select_columns(value.column_name), argument).iloc[:, 0]
        return value
    if not hasattr(value, "flatten"):
        return value
    if value.format["type"] == "custom":
        raise FieldError(
            {argument: "has a transform of its own (with_transform), which is not run here."},
            f"Give {argument}.map(…) with the same function, or {argument}.with_format(None) for "
            "the rows without it.",
        )
    return _frame_of(value)


def _frame_of(data_set: Any) -> Any:
    import pandas as pd

    features = dict(data_set.features)
    kept = [name for name, each in features.items() if type(each).__name__ not in _NOT_WORDS]
    # As Python's own values, whatever format was set for training.
    flat = data_set.with_format(None).select_columns(kept).flatten()
    cells = flat[:]
    return pd.DataFrame(
        {name: pd.Series([_with_names(each, feature) for each in cells[name]], dtype=object)
         for name, feature in flat.features.items()},
    )  # fmt: skip


def _with_names(cell: Any, feature: Any) -> Any:
    """The cell with the name of a class in place of its number; an unlabelled one is None."""
    if cell is None:
        return None
    if type(feature).__name__ == "ClassLabel":
        return feature.names[cell] if 0 <= cell < len(feature.names) else None
    if isinstance(feature, Mapping) and isinstance(cell, Mapping):
        return {name: _with_names(each, feature.get(name)) for name, each in cell.items()}
    inner = getattr(feature, "feature", None)
    if isinstance(feature, list) and feature:
        inner = feature[0]
    if inner is not None and isinstance(cell, list):
        return [_with_names(each, inner) for each in cell]
    half = getattr(feature, "dtype", "") in ("float16", "float32")
    return to_jsonable(_single(cell)) if half and isinstance(cell, float) else cell


def _single(number: float) -> Any:
    """A number of half the digits as numpy has it, which is then written with no more."""
    import numpy as np

    return np.float32(number)
