"""A Variant holds how a model is asked; a setting that is not right is said at once."""

from __future__ import annotations

import dataclasses
import re
import uuid
from inspect import signature

import pytest

from llmwidgets import compare, estimate
from llmwidgets.comparison.variants import Variant
from llmwidgets.dialects.types import Example
from llmwidgets.errors import FieldError

INVOICE = {"type": "object", "properties": {"total": {"type": "number"}}}


def test_a_plain_variant_asks_for_nothing_special() -> None:
    variant = Variant("openai/gpt-6-luna")
    assert variant.settings() == ""
    assert variant.price is None


def test_a_variant_does_not_change() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        Variant("a").label = "b"


def test_settings_are_keywords_alone() -> None:
    with pytest.raises(TypeError):
        Variant("a", "label")


@pytest.mark.parametrize(
    ("price", "read"),
    [
        (0, {"input": 0.0, "output": 0.0}),
        ((0.2, 1.2), {"input": 0.2, "output": 1.2}),
        ({"input": 0.2, "output": 1.2}, {"input": 0.2, "output": 1.2}),
        ((0.2, 1.2, 0.02), {"input": 0.2, "output": 1.2, "cached": 0.02}),
        (
            {"cached": 0, "input": 0.2, "output": 1.2},
            {"input": 0.2, "output": 1.2, "cached": 0.0},
        ),
    ],
)
def test_prices_of_any_shape_are_for_input_and_output(price, read) -> None:
    assert Variant("a", price=price).price == read


@pytest.mark.parametrize(
    ("settings", "field"),
    [
        ({"effort": "maximal"}, "effort"),
        ({"temperature": -1}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"temperature": True}, "temperature"),
        ({"max_output_tokens": 0}, "max_output_tokens"),
        ({"label": " "}, "label"),
        ({"instructions": ""}, "instructions"),
        ({"price": -1}, "price"),
        ({"price": {"input": 1}}, "price"),
        ({"price": {"input": 1, "output": 1, "cached": None}}, "price"),
        ({"price": {"input": 1, "output": 1, "cache": 0.1}}, "price"),
        ({"price": (1, 2, 3, 4)}, "price"),
        ({"price": (1, 2, -3)}, "price"),
        ({"price": "0.2"}, "price"),
        ({"examples": -1}, "examples"),
        ({"examples": ["only a text"]}, "examples"),
    ],
)
def test_a_wrong_setting_is_named(settings, field: str) -> None:
    with pytest.raises(FieldError) as caught:
        Variant("a", **settings)
    assert list(caught.value.problems) == [field]
    assert caught.value.hint


def test_examples_are_pairs_of_text_and_record() -> None:
    variant = Variant("a", examples=[("a text", {"n": 1})])
    assert variant.examples == (Example("a text", {"n": 1}),)
    assert variant.settings() == "1 example"
    assert hash(variant) == hash(Variant("a"))


@pytest.mark.parametrize(
    "wrong", [5, 5.0, object(), uuid.UUID(int=0), [["x"]]], ids=lambda wrong: type(wrong).__name__
)
@pytest.mark.parametrize(
    "give",
    [
        Variant,
        lambda wrong: compare(INVOICE, ["x"], [wrong]),
        lambda wrong: compare(INVOICE, ["x"], wrong if wrong != [["x"]] else 7),
        lambda wrong: compare(INVOICE, [wrong], "demo"),
        lambda wrong: compare(INVOICE, wrong if wrong != [["x"]] else 7, "demo"),
        lambda wrong: compare(INVOICE, ["x"], "demo", truth=wrong if wrong != [["x"]] else 7),
        lambda wrong: compare(INVOICE, ["x"], "demo", group=wrong if wrong != [["x"]] else 7),
        lambda wrong: compare(INVOICE, ["x"], "demo", scoring=wrong),
        lambda wrong: compare(INVOICE, ["x"], "demo", scoring={"total": wrong}),
    ],
)
def test_what_is_of_another_kind_is_named_with_its_article(give, wrong) -> None:
    with pytest.raises(FieldError) as caught:
        give(wrong)
    assert not re.search(r"\ba [aeio]|\ban [^aeio]", str(caught.value))


def test_an_estimate_takes_what_compare_takes() -> None:
    asked, estimated = (signature(each).parameters for each in (compare, estimate))
    assert set(estimated) - set(asked) == {"after"}
    assert all(estimated[name] == each for name, each in asked.items())
