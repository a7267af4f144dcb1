"""A number out of somebody else's text is one in plain digits, wherever it is read."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmwidgets.analysis.comparators import _read_rule
from llmwidgets.cli.parser import read_arguments
from llmwidgets.dialects.error_body import ErrorBody
from llmwidgets.dialects.types import HTTPResponse
from llmwidgets.dialects.waits import read_wait
from llmwidgets.errors import FieldError, LLMWidgetsError
from llmwidgets.formatting import parse_number, parse_whole
from llmwidgets.schemas import read_schema
from llmwidgets.widgets.comparison import schema_editor
from llmwidgets.widgets.comparison.labels import parse_edit
from llmwidgets.widgets.comparison.results import _read_points
from llmwidgets.widgets.comparison.setup import RunOptions, read_whole
from llmwidgets.widgets.connection.form_draft import _price

ODD = ["1_0", "1__0", "_1", "nan", "inf", "-inf", "Infinity", "1٠", "１０", "1e999", "0x10", "1 0"]
TOTAL = read_schema([{"name": "total", "type": "number"}]).leaves[0]
COUNT = read_schema([{"name": "count", "type": "integer"}]).leaves[0]


def wait(text: str) -> float | None:
    response = HTTPResponse(429, {"retry-after": text}, b"", 0.0, 0.0)
    return read_wait(response, ErrorBody())


def budget(text: str) -> float | None:
    options = RunOptions()
    options.take_budget(text)
    return options.budget


def argument(name: str, text: str) -> object:
    command = ["compare", "--schema", "s.json", "--texts", "t.txt", "--models", "demo"]
    return getattr(read_arguments([*command, f"--{name}={text}"])[1], name)


READERS = {
    "header": wait,
    "stop before": budget,
    "repeats": lambda text: read_whole("repeats", text, 10**6),
    "difference": _read_points,
    "label": lambda text: parse_edit(text, TOTAL),
    "whole label": lambda text: parse_edit(text, COUNT),
    "allowed value": lambda text: schema_editor._value(text, "number"),
    "whole allowed value": lambda text: schema_editor._value(text, "integer"),
    "price": lambda text: _price({"input": text, "output": "1"}, None),
    "rule": lambda text: _read_rule(f"number:{text}"),
    "--budget": lambda text: argument("budget", text),
    "--repeats": lambda text: argument("repeats", text),
}


@pytest.mark.parametrize("odd", ODD)
@pytest.mark.parametrize("reader", READERS)
def test_no_reader_takes_what_is_not_plain(reader, odd):
    """It is refused, or stays the text that it is; a number never comes of it."""
    try:
        read = READERS[reader](odd)
    except (FieldError, LLMWidgetsError, ValueError):
        return
    assert read is None or read == odd or read == {"input": odd, "output": "1"}


@pytest.mark.parametrize("reader", READERS)
def test_every_reader_takes_a_plain_number(reader):
    assert READERS[reader]("2") not in (None, "2")


@given(st.floats(allow_nan=False, allow_infinity=False), st.integers(-(10**30), 10**30))
def test_what_python_writes_is_read_back(number, whole):
    assert parse_number(repr(number)) == number
    assert parse_whole(str(whole)) == whole


@given(st.text(alphabet="0123456789.+-eE_ \n\t٣３naif", max_size=8))
def test_a_number_is_finite_and_plain_or_refused(text):
    for parse in (parse_number, parse_whole):
        try:
            read = parse(text)
        except ValueError:
            continue
        assert math.isfinite(read)
        assert set(text) <= set("0123456789.+-eE")


@pytest.mark.parametrize("index", ["٠", "0_0", "9" * 5000, "00", "-1"])
def test_a_pointer_into_a_list_is_one_in_plain_digits(index):
    schema = {
        "type": "object",
        "properties": {"a": {"$ref": f"#/properties/b/anyOf/{index}"}, "b": {"anyOf": [{}]}},
    }
    with pytest.raises(FieldError):
        read_schema(schema)
