"""Exports are whole files that no spreadsheet runs."""

from __future__ import annotations

import csv
import importlib.util
import io
import json
import re

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from llmwidgets import formatting
from llmwidgets.errors import FieldError
from llmwidgets.report.writers import (
    format_csv,
    format_jsonl,
    safe_cell,
    unmark_cell,
    write_csv,
    write_jsonl,
    write_parquet,
    write_text,
)

STARTS = [
    "=", "+", "-", "@", "\t", "\r", "\n", "\uff1d", "\uff0b", "\uff0d", "\uff20", "\ufe66",
    " =", "\u00a0=", "\u3000+", "\ufeff=", "\u200b@", "\u2060\u00ad-", "\x0b=", "\r\n=", "\n\t =",
    "\0=", "\u0301=", "\u202e=",
]  # fmt: skip


@pytest.mark.parametrize("start", STARTS)
def test_a_cell_that_starts_like_a_formula_is_quoted(start: str, tmp_path) -> None:
    """In the head as well, where labels and fields are names of columns; numbers stay numbers."""
    text = f"{start}cmd|' /C calc'!A0"
    frame = pd.DataFrame({f"{start}name": [text, "plain"], "n": [-5, 1], "f": [-0.5, None]})
    path = write_csv(frame, tmp_path / "out.csv")
    with path.open(newline="", encoding="utf-8") as file:
        head, first, second = list(csv.reader(file))
    assert head == [f"'{start}name", "n", "f"]
    assert first == [f"'{text}", "-5", "-0.5"]
    assert second == ["plain", "1", ""]


ODD = st.text(
    st.one_of(
        st.sampled_from("=+-@\t\r\n \u00a0\ufeff\u200b\uff1d'\";|,sepx1"),
        st.characters(codec="utf-8"),
    )
)


@given(ODD)
def test_no_text_cell_starts_like_a_formula(value: str) -> None:
    """Whatever blanks and unseen characters a spreadsheet cuts; and the mark can be undone."""
    cell = safe_cell(value)
    seen = re.sub(r"^[\s\0-\x20\u00ad\u200b\u2060\ufeff]+", "", cell)
    assert not seen.startswith(("=", "+", "-", "@", "\uff1d", "\uff0b", "\uff0d", "\uff20"))
    assert not cell.startswith(("\t", "\r", "\n"))
    assert cell.endswith(value)
    assert len(cell) <= len(value) + 1
    assert unmark_cell(cell) == value


@given(st.lists(st.tuples(ODD, ODD, st.integers()), min_size=1), st.tuples(ODD, ODD))
def test_a_csv_is_read_as_it_was_and_quotes_the_separators_of_every_locale(rows, names) -> None:
    frame = pd.DataFrame(rows, columns=[*names, "n"])
    written = format_csv(frame)
    read = [
        [unmark_cell(cell) for cell in row] for row in csv.reader(io.StringIO(written, newline=""))
    ]
    assert read[0] == [*names, "n"]
    assert [(a, b, int(n)) for a, b, n in read[1:]] == rows
    bare = re.sub(r'"(?:[^"]|"")*"', "", written)
    assert not set(bare) & set(";\t|")
    assert not written.lower().startswith("sep=")


@pytest.mark.parametrize("separator", [";", "\t", "|", ","])
def test_a_cell_with_a_separator_is_in_quotes(separator: str) -> None:
    value = f"a{separator}=1+1"
    head, row = format_csv(pd.DataFrame({value: [value]})).splitlines()
    assert head == row == f'"{value}"'


def test_numbers_flags_and_gaps_are_written_as_pandas_writes_them() -> None:
    frame = pd.DataFrame(
        {"f": [0.1, 1e-7, float("nan")], "i": [-1, 0, 2**60], "b": [True, False, True],
         "o": [None, -3, "x"], "n": pd.array([1, None, 3], "Int64")}
    )  # fmt: skip
    assert format_csv(frame) == frame.to_csv(index=False, lineterminator="\r\n")
    assert format_csv(pd.DataFrame({"only": [None, "x"]})) == 'only\r\n""\r\nx\r\n'


@pytest.mark.parametrize("start", STARTS)
def test_jsonl_is_not_touched_by_what_a_spreadsheet_runs(start: str) -> None:
    assert json.loads(format_jsonl([{start: start}])) == {start: start}


def test_lists_in_a_cell_become_json(tmp_path) -> None:
    path = write_csv(pd.DataFrame({"tags": [["a", "b"]]}), tmp_path / "out.csv")
    assert list(csv.reader(path.read_text("utf-8").splitlines()))[1] == ['["a", "b"]']


def test_jsonl_is_one_object_a_line(tmp_path) -> None:
    rows = [{"text": "two\nlines \u2028 é"}, {"n": None}]
    lines = write_jsonl(rows, tmp_path / "out.jsonl").read_text("utf-8").split("\n")
    assert [json.loads(line) for line in lines[:-1]] == rows
    assert lines[-1] == ""


def test_parquet_without_pyarrow_says_what_to_install(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("llmwidgets.report.writers.find_spec", lambda name: None)
    with pytest.raises(FieldError, match="pyarrow") as caught:
        write_parquet(pd.DataFrame({"a": [1]}), tmp_path / "out.parquet")
    assert "pip install pyarrow" in caught.value.hint


@pytest.mark.skipif(importlib.util.find_spec("pyarrow") is None, reason="pyarrow is not installed")
def test_parquet_keeps_values_as_json(tmp_path) -> None:
    path = write_parquet(pd.DataFrame({"value": [1, None, ["a"], "b"]}), tmp_path / "out.parquet")
    values = pd.read_parquet(path)["value"]
    assert list(values.astype(object).where(values.notna(), None)) == ["1", None, '["a"]', "b"]


def test_a_place_that_cannot_be_written_is_said(tmp_path) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(FieldError, match="cannot be written") as caught:
        write_text(tmp_path / "file" / "out.html", "x")
    assert caught.value.hint


def test_an_old_file_is_replaced_whole(tmp_path) -> None:
    path = tmp_path / "out.txt"
    path.write_text("old and longer")
    write_text(path, "new")
    assert path.read_text() == "new"
    assert [each.name for each in tmp_path.iterdir() if each.is_file()] == ["out.txt"]


def test_half_a_pair_of_surrogates_is_written_as_a_question_mark(tmp_path) -> None:
    """A text may hold one, and no file has bytes for it."""
    assert write_text(tmp_path / "out", "a\ud800 é").read_text("utf-8") == "a? é"
    frame = pd.DataFrame({"value": pd.Series(["a\ud800 é", ["\ud800"]], dtype=object)})
    path = write_parquet(frame, tmp_path / "out.parquet")
    assert pd.read_parquet(path)["value"].tolist() == ["a? é", '["?"]']


@pytest.mark.parametrize(
    ("at", "letter"), [(0, "A"), (25, "Z"), (26, "AA"), (51, "AZ"), (52, "BA"), (701, "ZZ")]
)
def test_letters_go_on_after_z(at: int, letter: str) -> None:
    assert formatting.variant_letter(at) == letter


@pytest.mark.parametrize(
    ("name", "said"),
    [("InvalidRecord", "invalid record"), ("InvalidJSON", "invalid JSON"), ("TooLong", "too long")],
)
def test_failures_are_words(name: str, said: str) -> None:
    assert formatting.format_count_words(name) == said


def test_unknown_is_never_zero() -> None:
    assert (formatting.money(None), formatting.money(0), formatting.money(0.012)) == (
        "unknown",
        "0",
        "0.012",
    )
    assert formatting.seconds(None) == "unknown"
    assert formatting.percent(None) == "–"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        (1234.5, "1,234.50"), (2.14, "2.14"), (0.16, "0.16"), (0.1, "0.10"), (0.0999, "0.10"),
        (0.064, "0.064"), (0.005, "0.005"), (0.00000123, "0.0000012"), (0, "0"),
    ],
)  # fmt: skip
def test_money_has_cents_or_two_digits(value: float, said: str) -> None:
    assert formatting.money(value) == said
    assert formatting.dollars(value) == f"${said}"


@given(st.floats(min_value=1e-12, max_value=1e9))
def test_money_is_near_and_never_in_powers_of_ten(value: float) -> None:
    said = formatting.money(value)
    assert "e" not in said
    assert float(said.replace(",", "")) == pytest.approx(value, rel=0.06)


@given(st.floats(min_value=0, max_value=1))
def test_a_share_has_one_decimal_in_every_view(share: float) -> None:
    said = formatting.percent(share)
    assert len(said.partition(".")[2]) == 1
    assert float(said) == pytest.approx(100 * share, abs=0.0501)


def test_counts_have_separators_and_a_fitting_noun() -> None:
    assert (formatting.count(1, "text"), formatting.count(1200, "text")) == (
        "1 text",
        "1,200 texts",
    )
    assert [formatting.join_listed("ABC"[:n]) for n in range(4)] == [
        "",
        "A",
        "A and B",
        "A, B and C",
    ]


def test_guesses_are_rounded_as_roughly_as_they_are_known() -> None:
    shares = (0.036, 0.0994, 0.0996, 0.131)
    assert [formatting.rough_share(each) for each in shares] == ["3.6", "9.9", "10", "14"]
    counts = (7, 64, 186, 12_345)
    assert [formatting.rough_count(each) for each in counts] == ["7", "64", "190", "13,000"]
    assert [formatting.average(each) for each in (3.0, 2.25, 56.4)] == ["3", "2.2", "56"]
    assert [formatting.margin(each) for each in (0.05, 0.005, 0.075)] == ["5", "0.5", "7.5"]
    assert formatting.count(2, "reply", "replies") == "2 replies"


def test_an_escape_sequence_does_not_reach_a_terminal() -> None:
    assert formatting.shorten("\x1b[31mred\u202e", 40) == "\ufffd[31mred\ufffd"
