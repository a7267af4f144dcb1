"""Texts that belong together: said by a column, a list or a dict, and kept wherever they go."""

from __future__ import annotations

import json

import pandas as pd
import pytest
from pydantic import BaseModel

from llmwidgets import Comparison, ComparisonPanel, compare, estimate, load
from llmwidgets.demo import invoices
from llmwidgets.errors import FieldError


class Letter(BaseModel):
    """A made-up letter with one field."""

    total: int | None = None


COUNT = 24
TRUTH = [{"total": n} for n in range(COUNT)]
TEXTS = [{"id": f"t{n}", "text": "x", "sender": n // 4, "empty": None} for n in range(COUNT)]
SENDERS = [str(n // 4) for n in range(COUNT)]
OUTPUTS = {
    "A": [{"total": n} for n in range(COUNT)],
    "B": [{"total": n if n % 8 < 4 else None} for n in range(COUNT)],
}
FRAME = pd.DataFrame(TEXTS)


def made(texts=TEXTS, group="sender", truth=TRUTH) -> Comparison:
    return Comparison.from_outputs(Letter, texts, OUTPUTS, truth=truth, group=group)


def groups(comparison: Comparison) -> list[str]:
    return [text.group for text in comparison.texts]


@pytest.mark.parametrize(
    ("texts", "group"),
    [
        (TEXTS, "sender"),
        (FRAME, "sender"),
        (FRAME.astype({"sender": float}), "sender"),
        (FRAME.astype({"sender": "category"}), "sender"),
        (iter(TEXTS), "sender"),
        (TEXTS, SENDERS),
        (TEXTS, pd.Series(SENDERS)),
        (TEXTS, iter(SENDERS)),
        (TEXTS, {f"t{n}": n // 4 for n in range(COUNT)}),
        (["x"] * COUNT, [n // 4 for n in range(COUNT)]),
    ],
)
def test_a_column_a_list_and_a_dict_say_the_same(texts, group):
    comparison = made(texts, group)
    assert groups(comparison) == SENDERS
    assert "24 texts in 6 groups" in repr(comparison)


def test_the_verdict_hears_of_them():
    """Four copies of one text count as one: the bound is wider than that of texts of their own."""
    alone, together = made(group=None).verdict(), made().verdict()
    assert "6 groups" in together.sentence
    assert "groups" not in alone.sentence
    (one,), (many,) = alone.table, together.table
    assert many.high - many.low > one.high - one.low


def test_without_a_word_each_text_stands_alone():
    comparison = made(group=None)
    assert set(groups(comparison)) == {""}
    assert "group" not in repr(comparison)


def test_they_stay_through_corrections_rules_and_files(tmp_path):
    comparison = made()
    corrected = comparison.correct("t3", "total", 7)
    assert groups(corrected) == groups(corrected.as_given()) == SENDERS
    assert groups(comparison.rescore({"total": "number:0.1"})) == SENDERS
    path = comparison.save(tmp_path / "saved.json")
    assert groups(load(path)) == SENDERS
    assert load(path).verdict() == comparison.verdict()
    assert "Texts in another group: 24" in " ".join(comparison.changes_since(made(group=None)))


def test_a_file_without_groups_still_loads(tmp_path):
    path = made().save(tmp_path / "saved.json")
    saved = json.loads(path.read_text())
    for each in saved["texts"]:
        del each["group"]
    path.write_text(json.dumps(saved))
    assert set(groups(load(path))) == {""}


def test_a_run_and_a_rerun_keep_them(demo):
    texts = [{**text, "sender": text["id"][-1]} for text in invoices.texts[:4]]
    more = {"truth": {t["id"]: invoices.truth[t["id"]] for t in texts}, "group": "sender"}
    result = compare(invoices.Schema, texts, "demo-careful", journal=False, progress=False, **more)
    wanted = [text["sender"] for text in texts]
    assert groups(result) == groups(result.rerun(progress=False)) == wanted
    assert "group=group" in result.code()
    assert estimate(invoices.Schema, texts, "demo-careful", **more).calls == 4


@pytest.mark.parametrize(
    ("group", "said"),
    [
        ("sendr", "the texts have no column or key sendr. Did you mean sender?"),
        ("zzz", "the texts have no column or key zzz."),
        (SENDERS[:5], "has 5 entries for 24 texts."),
        ([*SENDERS, "9"], "has 25 entries for 24 texts."),
        ([*SENDERS[:-1], None], "is missing for 1 of 24 texts: t23."),
        ([*SENDERS[:-1], float("nan")], "is missing for 1 of 24 texts: t23."),
        ([*SENDERS[:-1], "  "], "is missing for 1 of 24 texts: t23."),
        ("empty", "is missing for 24 of 24 texts"),
        ({"t1": "a"}, "is missing for 23 of 24 texts"),
        ({f"t{n}": "a" for n in range(25)}, "no text has the id t24."),
        ([["a"]] * COUNT, "is a list or a dict for t0"),
        (7, "is of type int"),
        (b"sender", "is of type bytes"),
    ],
)
@pytest.mark.parametrize("texts", [TEXTS, FRAME], ids=["dicts", "frame"])
def test_what_is_wrong_is_said_before_any_call(texts, group, said):
    with pytest.raises(FieldError) as error:
        made(texts, group)
    assert said in str(error.value.problems["group"])
    assert error.value.hint


def test_a_name_needs_texts_with_columns():
    with pytest.raises(FieldError, match="no column or key sender"):
        made(["x"] * COUNT, "sender")


def test_the_panel_takes_them():
    panel = ComparisonPanel(Letter, FRAME, TRUTH, group="sender")
    assert [text.group for text in panel.controllers["setup"].setup.documents] == SENDERS
    assert 'group="sender"' in panel.code()
    wrong = ComparisonPanel(Letter, FRAME, TRUTH, group="sendr")
    assert "Did you mean sender?" in wrong._setup.problems[0].sentence
    for each in (panel, wrong):
        each.close()
