"""Numbers, dates and times are understood in the ways people write them, and no further."""

from __future__ import annotations

import unicodedata
from datetime import datetime, time
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from llmwidgets.analysis.normalize import plain, plain_with_offsets
from llmwidgets.analysis.parsing import MONTHS, clock_in, number_in, read_days


@pytest.mark.parametrize(
    ("text", "value", "unit"),
    [
        ("1250", "1250", ""), ("1,250", "1250", ""), ("1,25", "1.25", ""), ("1.25", "1.25", ""),
        ("1.250,00", "1250.00", ""), ("1,250.00", "1250.00", ""), ("1 250,5", "1250.5", ""),
        ("1'250'000", "1250000", ""), ("1.250.000", "1250000", ""), ("0.5", "0.5", ""),
        (".5", "0.5", ""), ("-3", "-3", ""), ("−3", "-3", ""), ("(3)", "-3", ""),
        ("$ 5", "5", "USD"), ("5 EUR", "5", "EUR"), ("12%", "12", "%"), ("0", "0", ""),
    ],
)  # fmt: skip
def test_a_number_is_read(text, value, unit):
    found = number_in(text)
    assert found is not None
    assert (found.value, found.unit) == (Decimal(value), unit)


@pytest.mark.parametrize(
    "text",
    ["007", "1.2.3", "12 34", "1,25,3", "1e5", "12 March", "a1", "", "5 USD EUR", "--5", "(5",
     "192.168.0.1", "2024-03-12", "1,2500.00"],
)  # fmt: skip
def test_what_only_looks_like_a_number_is_none(text):
    assert number_in(text) is None


@given(st.decimals(allow_nan=False, allow_infinity=False, places=2, min_value=0, max_value=10**12))
def test_a_number_is_the_same_with_separators(value):
    for written in (f"{value:.2f}", f"{value:,.2f}"):
        found = number_in(written)
        assert found is not None
        assert found.value == value


@pytest.mark.parametrize(
    ("text", "day"),
    [
        ("2024-03-12", datetime(2024, 3, 12)), ("12.03.2024", datetime(2024, 3, 12)),
        ("12 March 2024", datetime(2024, 3, 12)), ("March 12th, 2024", datetime(2024, 3, 12)),
        ("12-Mar-2024", datetime(2024, 3, 12)), ("25/12/2024", datetime(2024, 12, 25)),
        ("12/25/2024", datetime(2024, 12, 25)), ("05/05/2024", datetime(2024, 5, 5)),
        ("2024-03-12T10:00:00Z", datetime(2024, 3, 12, 10)),
        ("2024-03-12T10:00:00+02:00", datetime(2024, 3, 12, 8)),
        ("Tuesday, 12 March 2024", datetime(2024, 3, 12)),
    ],
)  # fmt: skip
def test_a_date_is_read(text, day):
    assert {each.at for each in read_days(text)} == {day}


@pytest.mark.parametrize("text", ["03/04/2024", "2024-13-01", "30.02.2024", "March 2024", "5", ""])
def test_an_ambiguous_or_impossible_date_is_none(text):
    assert len({each.at for each in read_days(text)}) != 1


def test_times_are_read():
    assert clock_in("10:30") == time(10, 30)
    assert clock_in("12:05 am") == time(0, 5)
    assert clock_in("25:00") is None


@given(st.text())
def test_every_reading_takes_any_text(text):
    number_in(text)
    read_days(text)
    clock_in(text)
    flat, offsets = plain_with_offsets(text)
    assert len(flat) == len(offsets)
    assert offsets == sorted(offsets)


@given(st.text(alphabet="abcXYZ äöüÉ.,-!12", max_size=20))
def test_case_and_outer_blanks_change_nothing(text):
    assert plain(f"  {text.upper()} ") == plain(text)


@given(st.text(st.sampled_from("aBé0 7.,-/:%#&'\"()$+_\n\x1c−"), max_size=12))
def test_the_short_way_to_a_plain_text_says_the_same(text):
    assert plain(text) == (plain_with_offsets(text)[0] or text.strip().casefold())


DIGITS = st.text("0123456789", min_size=1, max_size=4)
DASHES = "-‐‑‒–—−－﹣"
SCRIPTS = [0x660, 0x6F0, 0x966, 0x9E6, 0xE50, 0xFF10]


@given(DIGITS, st.sampled_from("-/.:;,()[]_'+*^~|=×–− "), DIGITS)
def test_no_mark_between_digits_is_dropped(one, mark, other):
    """But a comma that groups thousands, and a blank of an identifier, in texts of more letters."""
    grouped = mark in ",'" and len(other) == 3 and 1 <= len(one) <= 3
    assert grouped or plain(f"a {one}{mark}{other} z") != plain(f"a {one}{other} z")


@given(st.sampled_from(DASHES), DIGITS)
def test_a_minus_counts_however_it_is_typed(dash, digits):
    assert plain(f"{dash}{digits} °C") == plain(f"-{digits} °C") != plain(f"{digits} °C")
    assert plain(f"Rh{dash}") == plain("rh-") != plain("Rh")


@given(st.sampled_from(SCRIPTS), st.integers(1, 10**9))
def test_digits_of_any_script_are_the_same_number(zero, value):
    written = "".join(chr(zero + int(each)) for each in str(value))
    assert number_in(written) == number_in(str(value))
    assert plain(f"n {written}") == plain(f"n {value}")


@given(st.integers(0, 10**12), st.sampled_from(["₹{}", "INR {}", "Rs. {}", "{}"]))
def test_lakhs_are_read(value, form):
    text = str(value)
    head, tail = text[:-3], text[-3:]
    pairs = [head[max(0, at - 2) : at] for at in range(len(head), 0, -2)][::-1]
    found = number_in(form.format(",".join([*pairs, tail])))
    assert found is not None
    assert found.value == value


@given(st.dates(), st.sampled_from(["{d}. {n} {y}", "{d} {n} {y}", "{n} {d}, {y}", "{y}-{n}-{d}"]))
def test_every_month_name_is_read(day, form):
    for name, month in MONTHS.items():
        if month == day.month:
            text = form.format(d=day.day, n=name, y=f"{day.year:04}")
            assert [each.day for each in read_days(text)] == [day], text


@given(st.text(max_size=12))
@example("ÙA*")
def test_a_text_is_the_same_composed_or_not(text):
    composed, apart = (unicodedata.normalize(form, text) for form in ("NFC", "NFD"))
    assert plain(composed) == plain(apart)
