"""Slices: what else is known of a text is kept, and every figure is there for each slice."""

from __future__ import annotations

import datetime as dt
import json
from dataclasses import replace
from decimal import Decimal
from enum import Enum
from pathlib import Path
from typing import Any
from uuid import UUID

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from llmwidgets import Comparison, Connection, Variant, compare, load
from llmwidgets.comparison.measures.slices import fold_slices, slice_texts
from llmwidgets.engine.request_builder import NO_METADATA
from llmwidgets.errors import FieldError
from llmwidgets.secret import Secret
from tests.engine.conftest import serving

SCHEMA = {
    "type": "object",
    "properties": {"total": {"type": ["number", "null"]}, "name": {"type": "string"}},
}
VENDORS = ("ACME", "ACME", "NORDA", None, "Zeta")


def made(rows: Any, wrong: int = 3, **more: Any) -> Comparison:
    """Two variants on these texts: A is right, B is wrong in every third and lost in each 7th."""
    count = len(rows)
    truth = [{"total": n, "name": "Ada"} for n in range(count)]
    other: list[Any] = [{"total": n + (n % wrong == 0), "name": "Ada"} for n in range(count)]
    other[::7] = ["nothing to read"] * len(other[::7])
    return Comparison.from_outputs(SCHEMA, rows, {"A": truth, "B": other}, truth, **more)


def rows_of(vendors: Any) -> list[dict[str, Any]]:
    return [{"id": f"t{n}", "text": f"Bill {n}", "vendor": each} for n, each in enumerate(vendors)]


SIXTY = rows_of(VENDORS * 12)


# -- What is kept of a row.


class Colour(Enum):
    """A value of a class."""

    RED = "red"


KEPT = [
    ("ACME", "ACME"),
    (" ACME ", "ACME"),
    (7, 7),
    (7.0, 7),
    (2.5, 2.5),
    (True, True),
    (Decimal("12.50"), 12.5),
    (dt.date(2026, 11, 28), "2026-11-28"),
    (pd.Timestamp("2026-11-28"), "2026-11-28"),
    (np.datetime64("2026-11-28"), "2026-11-28"),
    (dt.datetime(2026, 11, 28, 9, 30), "2026-11-28T09:30:00"),
    (np.int64(7), 7),
    (np.float32(12.3), 12.3),
    (np.bool_(True), True),
    (np.str_("ACME"), "ACME"),
    (Colour.RED, "red"),
    (pd.Interval(0, 10), "(0, 10]"),
    (UUID(int=7), "00000000-0000-0000-0000-000000000007"),
    (b"ACME", "ACME"),
]
LEFT = [
    None, "", "  ", float("nan"), pd.NA, pd.NaT, float("inf"), Decimal("NaN"), ["a"], {"a": 1},
    (1,), {1}, np.array([1, 2]), object(), Secret("sk-test-000000000000"), b"\xff\xfe\x00",
    "x" * 501, Variant("x"),
]  # fmt: skip


@pytest.mark.parametrize(("cell", "value"), KEPT, ids=[repr(each) for each, _ in KEPT])
def test_a_cell_with_one_value_is_metadata(cell: Any, value: Any) -> None:
    """In a dict as in a DataFrame; what JSON can say, of its own type."""
    rows = [{"text": "a", "more": cell}, {"text": "b", "more": cell}]
    for texts in (rows, pd.DataFrame(rows)):
        kept = made(texts).texts[0].metadata["more"]
        assert (kept, type(kept)) == (value, type(value))
        json.dumps(kept)


@pytest.mark.parametrize(
    "cell", LEFT, ids=[type(each).__name__ + str(n) for n, each in enumerate(LEFT)]
)
def test_a_cell_with_no_value_or_several_is_not(cell: Any) -> None:
    rows = [{"text": "a", "more": cell, "vendor": "ACME"}, {"text": "b", "vendor": "ACME"}]
    assert dict(made(rows).texts[0].metadata) == {"vendor": "ACME"}


def test_the_columns_that_mean_something_are_not_metadata() -> None:
    """Text, id, truth, schema in any spelling, and the column of the groups."""
    rows = [
        {
            "ID": "a",
            " Text ": "Bill",
            "TRUTH": {"total": 1},
            "Schema": SCHEMA,
            "mail": 7,
            "vendor": 1,
        }
    ]
    for texts in (rows, pd.DataFrame(rows)):
        document = Comparison.from_outputs(None, texts, {"A": [{}]}, group="mail").texts[0]
        assert (dict(document.metadata), document.group) == ({"vendor": 1}, "7")


def test_texts_without_further_columns_share_one_empty_metadata() -> None:
    for texts in (["a", "b"], {"x": "a", "y": "b"}, [{"text": "a"}, {"text": "b", "id": "z"}]):
        assert all(each.metadata is NO_METADATA for each in made(texts).texts)


def test_a_column_named_like_a_field_is_its_own_value_never_that_of_truth() -> None:
    rows = [{"text": f"Bill {n}", "total": "paid" if n % 2 else "open"} for n in range(4)]
    result = made(rows)
    assert result.texts[1].truth["total"] == 1
    assert list(result.scoreboard(by="total").total.unique()) == ["open", "paid"]


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".jsonl", ".json", ".xlsx", ".parquet"])
def test_further_columns_of_any_table_are_kept(tmp_path: Path, suffix: str) -> None:
    frame = pd.DataFrame(rows_of(["ACME", "NORDA", None]))
    path = tmp_path / f"texts{suffix}"
    write = {
        ".csv": lambda: frame.to_csv(path, index=False),
        ".tsv": lambda: frame.to_csv(path, index=False, sep="\t"),
        ".jsonl": lambda: frame.to_json(path, orient="records", lines=True),
        ".json": lambda: frame.to_json(path, orient="records"),
        ".xlsx": lambda: frame.to_excel(path, index=False),
        ".parquet": lambda: frame.to_parquet(path),
    }
    if suffix == ".xlsx":
        pytest.importorskip("openpyxl")
    if suffix == ".parquet":
        pytest.importorskip("pyarrow")
    write[suffix]()
    truth = [{"total": 1, "name": "Ada"}] * 3
    texts = Comparison.from_outputs(SCHEMA, path, {"A": truth}, truth).texts
    assert [dict(each.metadata) for each in texts] == [{"vendor": "ACME"}, {"vendor": "NORDA"}, {}]


# -- What becomes of it.


def test_metadata_stays_through_everything_that_keeps_the_texts(tmp_path: Path) -> None:
    result = made(rows_of(["ACME", 7, True, 2.5, None]))
    wanted = [dict(each.metadata) for each in result.texts]
    slices = list(result.scoreboard(by="vendor").vendor.unique())
    saved = result.save(tmp_path / "saved.json")
    kept = [
        load(saved),
        load(load(saved).save(tmp_path / "again.json")),
        result.correct("t1", "total", 3),
        result.correct("t1", "total", 3).as_given(),
        result.rescore({"total": "number:1"}),
    ]
    for each in kept:
        assert [dict(text.metadata) for text in each.texts] == wanted
        assert [type(v) for t in each.texts for v in t.metadata.values()] == [str, int, bool, float]
        assert list(each.scoreboard(by="vendor").vendor.unique()) == slices


def test_a_saved_file_with_other_metadata_is_damaged(tmp_path: Path) -> None:
    path = made(SIXTY).save(tmp_path / "saved.json")
    for wrong in (["ACME"], {"vendor": ["ACME"]}, {"vendor": {"a": 1}}, {"vendor": None}):
        saved = json.loads(path.read_text())
        saved["texts"][0]["metadata"] = wrong
        path.write_text(json.dumps(saved))
        with pytest.raises(FieldError, match="damaged"):
            load(path)


def test_metadata_is_neither_sent_nor_in_the_journal(tmp_path: Path) -> None:
    """Not in a request, not in the file that keeps replies; a rerun has it again."""
    seen: list[str] = []

    async def behave(asked, wire):
        seen.append(f"{asked.line} {asked.body!r}")
        wire.chat({"total": 1, "name": "Ada"})

    rows = rows_of(["QQVENDORQQ", "QQOTHERQQ"])
    truth = {"t0": {"total": 1, "name": "Ada"}, "t1": {"total": 2, "name": "Ada"}}
    journal = tmp_path / "journal.sqlite"
    with serving(behave) as end:
        model = Connection("custom", name="a", endpoint=end.url, label="a")
        more = {"journal": journal, "progress": False}
        result = compare(SCHEMA, rows, model, truth=truth, **more)
        plain = [{"id": each["id"], "text": each["text"]} for each in rows]
        asked = len(seen)
        compare(SCHEMA, plain, model, truth=truth, **more)
        again = result.rerun(progress=False)
        part = result.where(vendor="QQVENDORQQ").rerun(progress=False)
    assert seen
    assert "QQ" not in "".join(seen)
    assert len(seen) == asked, "the same question, whatever else is known of its text"
    assert [text.metadata["vendor"] for text in again.texts] == ["QQVENDORQQ", "QQOTHERQQ"]
    assert (len(part.texts), part.slice_by, again.slice_by) == (1, "vendor", "")
    for each in filter(Path.is_file, tmp_path.rglob("*")):
        assert b"QQ" not in each.read_bytes()
    html = result.to_html(tmp_path / "page.html").read_text("utf-8")
    part = result.where(vendor="QQVENDORQQ")
    assert "QQ" not in f"{html}{result!r}{result._repr_html_()}{part!r}{part._repr_html_()}"
    assert "QQ" not in result.code()
    assert "chosen by vendor" in repr(part)


def test_texts_taken_as_examples_leave_the_metadata_of_the_others() -> None:
    rows = rows_of(["ACME", "NORDA", "Zeta", "Zeta"])
    truth = [{"total": n, "name": "Ada"} for n in range(4)]
    result = compare(
        SCHEMA, rows, "demo-hasty", truth=truth, examples=1, journal=False, progress=False
    )
    assert [each.metadata["vendor"] for each in result.texts] == ["NORDA", "Zeta", "Zeta"]


# -- The scoreboard by slice.

SUMS = ("scored", "texts", "lost", "invented", "missed", "InvalidJSON", "unanswered", "rows_missed")


@settings(max_examples=25, deadline=None)
@given(st.lists(st.sampled_from([*VENDORS, 7, 7.0, "7", True, 2.5, ""]), min_size=1, max_size=40))
def test_the_counts_of_slices_add_up_to_those_of_the_whole(vendors: list[Any]) -> None:
    result = made(rows_of(vendors))
    if not any(text.metadata for text in result.texts):
        with pytest.raises(FieldError, match="no column or key vendor"):
            result.scoreboard(by="vendor")
        return
    whole, frame = result.scoreboard(), result.scoreboard(by="vendor")
    assert list(frame.columns) == ["vendor", *whole.columns]
    added = frame.groupby("variant", sort=False)[list(SUMS)].sum()
    assert (added == whole.set_index("variant")[list(SUMS)]).all(axis=None)
    fields = result.by_field(by="vendor").groupby(["field", "variant"])[["labelled", "right"]].sum()
    both = result.by_field().set_index(["field", "variant"])[["labelled", "right"]]
    assert (fields == both.loc[fields.index]).all(axis=None)


@settings(max_examples=15, deadline=None)
@given(st.lists(st.sampled_from(VENDORS), min_size=2, max_size=40).filter(any))
def test_a_slice_is_the_comparison_of_its_texts_alone(vendors: list[Any]) -> None:
    """Every figure: intervals, losses, fields; apart from looks."""
    rows = rows_of(vendors)
    result = made(rows)
    frame, fields = result.scoreboard(by="vendor"), result.by_field(by="vendor")
    for vendor in dict.fromkeys(vendors):
        at = [n for n, each in enumerate(vendors) if each == vendor]
        alone = Comparison.from_outputs(
            SCHEMA,
            [rows[n] for n in at],
            {
                label: [
                    each.reply_text
                    for each in result
                    if each.variant == label and int(each.text_id[1:]) in at
                ]
                for label in result.labels
            },
            [result.texts[n].truth for n in at],
        )
        name = "(none)" if vendor is None else vendor
        for whole, own in ((frame, alone.scoreboard()), (fields, alone.by_field())):
            part = whole[whole.vendor == name].drop(columns="vendor").reset_index(drop=True)
            pd.testing.assert_frame_equal(part, own, check_dtype=False)
        part = result.where(vendor=name)
        assert part.verdict().sentence == alone.verdict().sentence
        pd.testing.assert_frame_equal(part.to_frame(), alone.to_frame())
        pd.testing.assert_frame_equal(part.differences(), alone.differences())
        pd.testing.assert_frame_equal(part.by_text(), alone.by_text())


def test_slices_come_largest_first_and_the_empty_cells_last() -> None:
    frame = made(SIXTY).scoreboard(by="vendor")
    assert list(frame.vendor.unique()) == ["ACME", "NORDA", "Zeta", "(none)"]
    numbers = made([{"text": str(n), "year": [2026, 2024, 2025][n % 3]} for n in range(9)])
    assert list(numbers.scoreboard(by="year").year.unique()) == [2024, 2025, 2026]


@pytest.mark.parametrize(
    ("cells", "bands"),
    [
        ([n * 10 for n in range(40)], ["0–90", "100–190", "200–290", "300–390"]),
        ([n - 20 for n in range(40)], ["-20 to -11", "-10 to -1", "0–9", "10–19"]),
        ([f"{n}.5" for n in range(40)], ["0.5–9.5", "10.5–19.5", "20.5–29.5", "30.5–39.5"]),
        ([f"{n},5" for n in range(40)], ["0,5–9,5", "10,5–19,5", "20,5–29,5", "30,5–39,5"]),
        (
            [dt.date(2026, 1, 1) + dt.timedelta(days=n) for n in range(20)],
            ["2026-01-01 to 2026-01-10", "2026-01-11 to 2026-01-20"],
        ),
        ([0] * 30 + list(range(1, 13)), ["0", "1–12"]),
    ],
    ids=["whole", "negative", "decimals", "commas", "days", "mostly the same"],
)
def test_many_numbers_or_days_are_bands(cells: list[Any], bands: list[str]) -> None:
    """Of about equally many texts, each value in one band, and none torn apart."""
    result = made([{"text": f"Bill {n}", "price": each} for n, each in enumerate(cells)])
    assert list(result.scoreboard(by="price").price.unique()) == bands
    parts = slice_texts(result, "price")
    assert sorted(at for each in parts for at in each.texts) == list(range(len(cells)))


@settings(max_examples=25, deadline=None)
@given(
    st.lists(
        st.one_of(st.none(), st.floats(-1e6, 1e6), st.integers(-99, 99)), min_size=1, max_size=60
    )
)
def test_every_text_is_in_one_slice_and_every_slice_can_be_asked_for(cells: list[Any]) -> None:
    result = made([{"text": f"Bill {n}", "x": 1, "price": each} for n, each in enumerate(cells)])
    if not any("price" in text.metadata for text in result.texts):
        return
    parts = slice_texts(result, "price")
    assert sorted(at for each in parts for at in each.texts) == list(range(len(cells)))
    assert len({each.name for each in parts}) == len(parts)
    for each in parts:
        part = result.where(price=each.values[0])
        assert [text.id for text in part.texts] == [result.texts[at].id for at in each.texts]


def test_words_and_codes_are_no_numbers() -> None:
    codes = made([{"text": f"Bill {n}", "code": f"0{n:03}"} for n in range(20)])
    assert len(codes.scoreboard(by="code").code.unique()) == 20


def test_a_page_shows_the_largest_twelve_and_the_others_as_one() -> None:
    vendors = [f"v{n}" for n in range(20) for _ in range(20 - n)] + [None]
    parts = fold_slices(slice_texts(made(rows_of(vendors)), "vendor"))
    assert [each.name for each in parts][-3:] == ["v11", "8 others", "(none)"]
    assert sum(len(each.texts) for each in parts) == len(vendors)
    assert len(made(rows_of(vendors)).scoreboard(by="vendor").vendor.unique()) == 21


def test_several_columns_make_a_slice_of_each_combination() -> None:
    rows = [{**each, "paid": n % 2 == 0} for n, each in enumerate(SIXTY)]
    result = made(rows)
    frame = result.scoreboard(by=["vendor", "paid"])
    assert list(frame.columns[:3]) == ["vendor", "paid", "variant"]
    assert frame.scored.sum() == result.scoreboard().scored.sum()
    for names in (("vendor", "paid"), pd.Index(["vendor", "paid"]), iter(["vendor", "paid"])):
        assert result.scoreboard(by=names).equals(frame)
    for _, row in frame[frame.variant == "A"].iterrows():
        assert len(result.where(vendor=row.vendor, paid=row.paid).texts) == row.texts


def test_groups_are_slices_and_a_name_that_the_frame_has_is_set_apart() -> None:
    rows = [{**each, "model": "m", "mail": n // 2} for n, each in enumerate(SIXTY)]
    result = made(rows, group="mail")
    assert len(result.scoreboard(by="group")) == 60
    assert "mail" not in result.texts[0].metadata
    frame = result.scoreboard(by="model")
    assert list(frame.columns[:3]) == ["text_model", "variant", "model"]


@given(
    names=st.lists(
        st.sampled_from(["variant", "field", "text_id", "model"]).flatmap(
            lambda name: st.integers(0, 3).map(lambda times: "text_" * times + name)
        ),
        min_size=1, max_size=6, unique=True,
    )
)  # fmt: skip
@settings(deadline=None, max_examples=25)
def test_a_slice_never_has_the_name_of_another_column(names: list[str]) -> None:
    rows = [{"text": f"{n}", **{name: f"{name} {n % 2}" for name in names}} for n in range(4)]
    result = made(rows)
    for frame in (result.scoreboard(by=names), result.by_field(by=names)):
        assert frame.columns.is_unique
        for place, name in enumerate(names):
            assert set(frame.iloc[:, place]) == {f"{name} 0", f"{name} 1"}
    frame = result.metadata()
    assert frame.columns.is_unique
    assert [set(frame.iloc[:, at]) for at in range(1, len(names) + 1)] == [
        {f"{name} 0", f"{name} 1"} for name in names
    ]


def test_accents_that_are_letters_of_their_own_make_no_slice_of_their_own() -> None:
    names = ["Orléans", "Orle\u0301ans"]
    result = made([{**each, "site": names[n % 2]} for n, each in enumerate(SIXTY)])
    assert result.scoreboard(by="site").texts.tolist() == [60, 60]
    assert [len(result.where(site=name).texts) for name in names] == [60, 60]


def test_few_texts_are_named_and_so_is_chance() -> None:
    notes = made(SIXTY[:30]).scoreboard(by="vendor").attrs["notes"]
    few = "Too few texts to tell, under 10: NORDA (6 texts), Zeta (6 texts), (none) (6 texts)."
    assert few in notes
    assert any("among 4 slices, some differences come by chance" in each for each in notes)
    assert made(SIXTY[:30]).where(vendor="NORDA").verdict().recommended is None


def test_a_frame_says_once_what_holds_for_all_slices() -> None:
    """A rule that a file could not keep is said once; what holds for a slice, with its name."""
    rows = [{"text": f"Bill {n}", "vendor": n % 2} for n in range(40)]
    empty = {name: {"type": ["string", "null"]} for name in "abcdef"}
    truth = [
        dict.fromkeys("abcdef") | ({} if n % 2 else dict.fromkeys("abcde", "x")) for n in range(40)
    ]
    result = Comparison.from_outputs(
        {"type": "object", "properties": empty}, rows, {"A": truth}, truth
    )
    notes = result.scoreboard(by="vendor").attrs["notes"]
    assert [each for each in notes if "have a value" in each] == [
        each for each in notes if each.startswith("1: 0 of 6 fields have a value")
    ]


# -- One slice alone.


def test_a_slice_is_asked_for_by_value_list_name_or_function() -> None:
    rows = [{**each, "price": n, "paid": n % 2 == 0} for n, each in enumerate(SIXTY)]
    result = made(rows)
    sizes = {
        "vendor": [("ACME", 24), (["ACME", "Zeta"], 36), (None, 12), ("(none)", 12), (pd.NA, 12)],
        "price": [
            ("0–14", 15),
            (3, 1),
            ("3", 1),
            ([3, 4], 2),
            (lambda each: each < 10, 10),
            (range(3, 5), 2),
            (pd.Series([3, 4], index=["a", "b"]), 2),
            (np.array([3, 4]), 2),
            (pd.Index([3]), 1),
            ({3: "", 4: ""}.keys(), 2),
            ((each for each in (3, 4)), 2),
            (np.array(3), 1),
        ],
        "paid": [(True, 30), (np.bool_(False), 30)],
    }
    for name, wanted in sizes.items():
        for value, size in wanted:
            assert len(result.where(**{name: value}).texts) == size
    part = result.where(vendor="ACME", paid=True).where(price=lambda each: each < 20)
    assert (len(part.texts), part.slice_by) == (4, "vendor, paid, price")


@pytest.mark.parametrize("by", ["vendr", "x", "", 7, [], ["vendor", "no"], None])
def test_an_unknown_column_is_named_with_the_nearest_and_the_others(by: Any) -> None:
    result = made(SIXTY)
    calls = [lambda: result.scoreboard(by=by), lambda: result.by_field(by=by)]
    if by is None:
        assert "vendor" not in calls[0]().columns
        return
    if isinstance(by, str):
        calls.append(lambda: result.where(**{by: 1}))
    for call, option in zip(calls, ["by", "by", "where"], strict=False):
        with pytest.raises(FieldError, match=f"^{option}: .*Name one of vendor"):
            call()
    if by == "vendr":
        with pytest.raises(FieldError, match="Did you mean vendor"):
            result.scoreboard(by=by)


def test_a_value_that_no_text_has_is_named_with_those_there_are() -> None:
    result = made(SIXTY)
    with pytest.raises(FieldError, match=r"no text has ACMA. Did you mean ACME.*NORDA, Zeta"):
        result.where(vendor="ACMA")
    with pytest.raises(FieldError, match="No text has what is asked of vendor"):
        result.where(vendor=lambda _: False)
    for function in (lambda each: len(each) > 3, lambda each: pd.NA, int):
        with pytest.raises(FieldError, match=r"vendor: the function raised \w+Error for t\d"):
            result.where(vendor=function)
    with pytest.raises(FieldError, match="has no column"):
        result.where()
    with pytest.raises(FieldError, match="with a column to slice them by"):
        made(["a", "b"]).scoreboard(by="vendor")


def test_a_look_at_a_slice_is_no_look_at_the_whole(tmp_path: Path) -> None:
    """Nor in the journal that later runs read; the slice's own bounds are those of one look."""

    async def behave(asked, wire):
        wire.chat({"total": 1, "name": "Ada"})

    rows = rows_of(["ACME", "NORDA"] * 20)
    truth = {each["id"]: {"total": n % 2, "name": "Ada"} for n, each in enumerate(rows)}
    with serving(behave) as end:
        models = [
            Connection("custom", name=name, endpoint=end.url, label=name) for name in ("a", "b")
        ]
        more = {"truth": truth, "journal": tmp_path / "journal.sqlite", "progress": False}
        first = compare(SCHEMA, rows, models, **more)
        part = first.where(vendor="ACME")
        part.verdict()
        first.scoreboard(by="vendor")
        again = compare(SCHEMA, rows, models, **more)
    assert part.looks == {20}
    assert (first.looks, again.looks) == (set(), set())
    again.verdict()
    assert again.looks == {40}


def test_a_slice_takes_labels_and_keeps_those_of_its_texts() -> None:
    result = made(SIXTY).correct("t0", "total", 5).correct("t2", "total", 5)
    part = result.where(vendor="ACME")
    assert [each.text_id for each in part.label_log] == ["t0"]
    before, after = part.scoreboard(), part.correct("t1", "total", 99).scoreboard()
    assert after.accuracy[0] < before.accuracy[0]
    assert part.as_given().scoreboard().accuracy[0] == 1


def test_repeats_and_what_was_paid_before_follow_a_slice() -> None:
    rows = rows_of(["ACME", "NORDA", "ACME"])
    truth = {each["id"]: {"total": 1, "name": "Ada"} for each in rows}
    result = compare(
        SCHEMA, rows, ["demo-hasty", "demo-careful"], truth=truth, repeats=2, journal=False,
        progress=False,
    )  # fmt: skip
    part = result.where(vendor="ACME")
    assert len(part) == 8
    wanted = {(e.variant, e.text_id, e.repeat): e.reply_text for e in result if e.text_id != "t1"}
    assert {(e.variant, e.text_id, e.repeat): e.reply_text for e in part} == wanted
    frame = result.scoreboard(by="vendor")
    assert list(frame[frame.vendor == "ACME"].input_tokens) == list(part.scoreboard().input_tokens)


def test_a_slice_is_saved_and_shown_as_any_comparison(tmp_path: Path) -> None:
    part = made(SIXTY).where(vendor="NORDA")
    again = load(part.save(tmp_path / "part.json"))
    assert again.scoreboard().equals(part.scoreboard())
    assert {text.metadata["vendor"] for text in again.texts} == {"NORDA"}
    assert again.slice_by == "vendor"
    assert "Only some of the texts, chosen by vendor." in repr(again)
    panel = part.explore()
    assert len(panel.comparison.texts) == 12
    panel.close()


def test_metadata_is_a_frame_to_join_and_a_table_to_write(tmp_path: Path) -> None:
    rows = [{**each, "price": n / 2, "text_id": "own"} for n, each in enumerate(SIXTY)]
    result = made(rows)
    frame = result.metadata()
    assert list(frame.columns) == ["text_id", "vendor", "price", "text_text_id"]
    joined = result.to_frame().merge(frame, on="text_id")
    assert joined[joined.vendor == "NORDA"].text_id.nunique() == 12
    assert frame.price.mean() == pytest.approx(14.75)
    written = pd.read_csv(result.to_csv(tmp_path / "m.csv", table="metadata"))
    assert list(written.price) == list(frame.price)
    assert list(made(["a", "b"]).metadata().columns) == ["text_id"]


def test_each_text_is_read_once_for_all_slices() -> None:
    """One pass over the extractions, however many slices there are."""
    result = made(SIXTY)
    reads: list[Any] = []

    def counting(row: Any, cell: Any) -> Any:
        reads.append(cell)
        return result.read(row, cell)

    counted = replace(result, read=counting)
    counted.scoreboard(by="vendor")
    assert len(reads) == len(result)
