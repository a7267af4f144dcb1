"""Every view of a comparison whose workers are others: of the run itself, and of its folder."""

from __future__ import annotations

import json
import pickle
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

import llmwidgets as lw
from llmwidgets.comparison import serialization
from llmwidgets.comparison.cluster.replies.folder import RunFolder
from llmwidgets.comparison.cluster.replies.saved_run import RunEnd, note_end
from llmwidgets.comparison.cluster.texts.text_files import TextFiles
from llmwidgets.comparison.core import CellKey
from llmwidgets.demo import invoices
from llmwidgets.engine.journal import Row
from llmwidgets.errors import FieldError, Stopped
from tests.comparison.cluster.conftest import WORKERS
from tests.samples import TEXTS, TRUTH

if TYPE_CHECKING:
    from distributed import Client, LocalCluster

MODELS = ["demo-careful", "demo-flaky"]
VENDORS = ("ACME", "Umbrella")
MARKER = "zyxmarker-of-a-document"
BLANK = " "


class Ran:
    """A comparison of the demo's invoices and one blank text, its texts and folder."""

    def __init__(self, folder: Path, client: Client) -> None:
        rows = [
            {**row, "vendor": VENDORS[at % 2], "text": f"\n{row['text']}\n{MARKER}"}
            for at, row in enumerate(TEXTS)
        ]
        # Hidden from what the file says of its least text: that begins with a line end.
        rows.append({"id": "blank", "text": BLANK, "vendor": "ACME"})
        self.rows, self.folder, self.client = rows, folder / "run", client
        self.texts = folder / "texts.parquet"
        pd.DataFrame(rows).to_parquet(self.texts, row_group_size=3)
        self.result = lw.compare(
            invoices.Schema, self.texts, MODELS, truth=TRUTH, cluster=client,
            journal=self.folder, progress=False,
        )  # fmt: skip
        self.alone = lw.compare(
            invoices.Schema, rows[:-1], MODELS, truth=TRUTH, journal=False, progress=False
        )


_RAN: list[Ran] = []


@pytest.fixture
def ran(tmp_path_factory: pytest.TempPathFactory, cluster: LocalCluster) -> Iterator[Ran]:
    """One run for all tests of this file, with a client of each test's own."""
    from distributed import Client

    with Client(cluster) as client:
        client.wait_for_workers(WORKERS)
        if not _RAN:
            _RAN.append(Ran(tmp_path_factory.mktemp("views"), client))
        _RAN[0].client = client
        yield _RAN[0]


@pytest.fixture(params=["run", "loaded"])
def result(request: pytest.FixtureRequest, ran: Ran) -> lw.Comparison:
    return ran.result if request.param == "run" else lw.load(ran.folder)


def test_its_figures_are_those_of_one_process(ran: Ran, result: lw.Comparison) -> None:
    one, many = ran.alone.scoreboard(), result.scoreboard()

    columns = ["variant", "accuracy", "perfect"]
    pd.testing.assert_frame_equal(one[columns], many[columns])
    assert [each.data for each in result if each.text_id != "blank"] == [
        each.data for each in ran.alone
    ]


def test_a_blank_text_is_a_row_and_never_a_question(result: lw.Comparison) -> None:
    ended = [each for each in result if each.text_id == "blank"]

    assert {(each.status, each.tries) for each in ended} == {("BadRequest", 0)}
    assert "The text is empty." in str(ended[0].failure)


VIEWS: dict[str, Any] = {
    "scoreboard by": lambda result: result.scoreboard(by="vendor"),
    "to_frame": lambda result: result.to_frame(),
    "differences": lambda result: result.differences(),
    "by_field": lambda result: result.by_field(),
    "by_text": lambda result: result.by_text(),
    "records": lambda result: result.records("demo-careful"),
    "errors": lambda result: result.errors(),
    "error_kinds": lambda result: result.error_kinds(),
    "agreement": lambda result: result.agreement(),
    "grounding": lambda result: result.grounding(),
    "doubtful_labels": lambda result: result.doubtful_labels(),
    "metadata": lambda result: result.metadata(),
    "stability": lambda result: result.stability(),
    "review": lambda result: result.review(),
    "corrections": lambda result: result.corrections(),
}


@pytest.mark.parametrize("name", VIEWS)
def test_every_table_is_made(ran: Ran, name: str) -> None:
    here, loaded = (VIEWS[name](each) for each in (ran.result, lw.load(ran.folder)))

    assert list(here.columns) == list(loaded.columns)
    assert len(here) == len(loaded)


def test_without_its_files_there_is_all_but_the_words(
    ran: Ran, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: Any) -> None:
        raise FieldError({"texts": "there is no file."}, "Bring it back.")

    result = lw.load(ran.folder)
    monkeypatch.setattr(TextFiles, "words", refuse)

    assert len(result.scoreboard()) == len(MODELS)
    assert result._repr_html_()
    with pytest.raises(FieldError, match=r"there is no file\."):
        _ = result.texts[0].text


def test_parts_corrections_and_rules_are_those_of_any_comparison(
    ran: Ran, result: lw.Comparison
) -> None:
    part = result.where(vendor="Umbrella")
    assert [each.id for each in part.texts] == [row["id"] for row in ran.rows[1::2] if "id" in row]

    first = ran.rows[0]["id"]
    corrected = result.correct(first, "number", "another", by="Ada")
    assert len(corrected.corrections()) == 1
    assert corrected.texts[0].text == ran.rows[0]["text"]
    assert corrected.as_given().scoreboard().equals(result.scoreboard())

    strict = result.rescore(lambda value, truth: value == truth)
    assert strict.verdict() is not None
    assert len(strict.scoreboard()) == len(MODELS)


def test_it_is_shown_saved_and_exported(ran: Ran, result: lw.Comparison, tmp_path: Path) -> None:
    assert "demo-careful" in repr(result)
    assert MARKER not in result._repr_html_()
    result.explore()
    for suffix in ("csv", "jsonl", "parquet", "html", "json"):
        assert result.export(tmp_path / f"result.{suffix}").stat().st_size
    result.to_label_studio(tmp_path / "studio.json")

    saved = lw.load(result.save(tmp_path / "saved.json"))
    assert saved.scoreboard()["accuracy"].equals(result.scoreboard()["accuracy"])
    assert saved.texts[0].text == ran.rows[0]["text"]
    assert result.code()
    assert result.against(saved).empty


def test_it_is_asked_again_with_workers_and_without(ran: Ran, result: lw.Comparison) -> None:
    """What was answered is paid once; the blank text is refused again."""
    for again in (
        result.rerun(progress=False),
        result.rerun(cluster=ran.client, progress=False),
        result.where(vendor="ACME").rerun(cluster=ran.client, progress=False, models=MODELS[0]),
    ):
        answered = [each for each in again if each.ok]
        assert answered
        if len(again) == len(result):
            assert {each.paid_before is not None for each in answered} == {True}
            assert again.scoreboard()["accuracy"].equals(result.scoreboard()["accuracy"])


def test_looks_are_counted_in_the_folder(ran: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    from llmwidgets.comparison.measures import scores

    monkeypatch.setattr(scores, "FEWEST_TEXTS", 2)
    one, two = lw.load(ran.folder), lw.load(ran.folder)
    looks = scores.record_look(one)

    assert looks
    assert scores.known_looks(two) == looks
    assert two.looks == set(looks)


# -- What is in the folder, and who may have written it.


def test_no_word_of_a_document_is_in_the_folder(ran: Ran) -> None:
    files = [each for each in ran.folder.rglob("*") if each.is_file()]

    assert len(files) > 5
    assert [each.name for each in files if MARKER.encode() in each.read_bytes()] == []


def test_a_folder_is_loaded_without_unpickling(ran: Ran, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise AssertionError

    monkeypatch.setattr(pickle, "loads", refuse)
    monkeypatch.setattr(pickle, "load", refuse)

    assert len(lw.load(ran.folder)) == len(ran.result)


def copy_of(ran: Ran, place: Path) -> Path:
    for each in ran.folder.rglob("*"):
        if each.is_file():
            target = place / each.relative_to(ran.folder)
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(each.read_bytes())
    return place


def test_a_run_whose_driver_died_shows_the_parts_there_are(ran: Ran, tmp_path: Path) -> None:
    folder = copy_of(ran, tmp_path / "run")
    (folder / "ended.json").unlink()
    lost = sorted(folder.glob("replies/*/*.parquet"))[0]
    lost.unlink()

    states = {each.status for each in lw.load(folder) if not each.ok}

    assert "Stopped" in states
    assert "InternalError" not in states


@pytest.mark.parametrize("same", [True, False], ids=["same models", "other models"])
def test_another_run_that_ends_later_hides_no_part(ran: Ran, tmp_path: Path, same: bool) -> None:
    folder = copy_of(ran, tmp_path / "run")
    names = json.loads((folder / "comparison.json").read_text())["names"]
    stopped = Row.of_failure("", Stopped("The run was stopped.", "Run it again."))
    rest = {(variant, 0): stopped for variant in range(len(names))}
    note_end(RunFolder(folder), names if same else ["other-1a2b3c4d"], RunEnd({}, rest))

    found = lw.load(folder)
    assert [each.status for each in found] == [each.status for each in ran.result]


@pytest.mark.parametrize(
    "harm",
    [
        {"repeats": 0}, {"repeats": 10**9}, {"names": []}, {"dialects": ["nothing"] * 2},
        {"names": ["a/b"] * 2}, {"chunks": []}, {"chunks": [[3, "no"]]}, {"files": [{"place": 1}]},
        {"format": "other"},
    ],
    ids=str,
)  # fmt: skip
def test_a_damaged_folder_is_refused(ran: Ran, tmp_path: Path, harm: dict[str, Any]) -> None:
    folder = copy_of(ran, tmp_path / "run")
    path = folder / "comparison.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | harm))

    with pytest.raises(FieldError, match=r"damaged|not a saved comparison"):
        lw.load(folder)


@pytest.mark.parametrize("name", ["texts", "replies"])
def test_nothing_outside_of_a_folder_is_read(ran: Ran, tmp_path: Path, name: str) -> None:
    """What somebody else wrote may name files that would be there."""
    folder = copy_of(ran, tmp_path / "run")
    path = folder / "comparison.json"
    saved = json.loads(path.read_text())
    if name == "texts":
        for at, (_, documents) in enumerate(saved["chunks"]):
            (folder / f"{documents}.json").rename(tmp_path / f"{at}.json")
        saved["chunks"] = [[size, f"../{at}"] for at, (size, _) in enumerate(saved["chunks"])]
    else:
        (folder / "replies" / "variant=a").mkdir()
        saved["names"] = [f"a/../variant={each}" for each in saved["names"]]
    path.write_text(json.dumps(saved))

    with pytest.raises(FieldError, match="damaged"):
        lw.load(folder)


def test_more_rows_than_memory_takes_are_refused(ran: Ran, tmp_path: Path) -> None:
    folder = copy_of(ran, tmp_path / "run")
    path = folder / "comparison.json"
    saved = json.loads(path.read_text())
    few = json.loads((folder / f"{saved['chunks'][0][1]}.json").read_text())[:1]
    (folder / f"{saved['chunks'][0][1]}.json").write_text(json.dumps(few))
    variant = saved["variants"][0]
    saved |= {
        "variants": [{**variant, "label": f"v{at}"} for at in range(200)],
        "names": saved["names"][:1] * 200, "dialects": saved["dialects"][:1] * 200,
        "chunks": [[1, saved["chunks"][0][1]]], "repeats": 1_000_000,
    }  # fmt: skip
    path.write_text(json.dumps(saved))

    with pytest.raises(FieldError, match="names and repeats do not fit"):
        lw.load(folder)


def test_another_folder_is_named(tmp_path: Path) -> None:
    with pytest.raises(FieldError, match="not the folder of a run on a cluster"):
        lw.load(tmp_path)


@pytest.mark.parametrize("change", ["gone", "changed"])
def test_without_its_texts_a_folder_says_so(ran: Ran, tmp_path: Path, change: str) -> None:
    folder = copy_of(ran, tmp_path / "run")
    path = folder / "comparison.json"
    saved = json.loads(path.read_text())
    texts = tmp_path / "texts.parquet"
    if change == "changed":
        pd.DataFrame(ran.rows[::-1]).to_parquet(texts)
    saved["files"][0]["place"] = str(texts)
    path.write_text(json.dumps(saved))

    result = lw.load(folder)

    assert any("the texts are not shown" in note for note in result.notes)
    assert result.texts[0].text == ""
    assert result.scoreboard()["accuracy"].equals(ran.result.scoreboard()["accuracy"])
    result.explore()


def test_texts_by_value_are_in_no_folder(ran: Ran, tmp_path: Path) -> None:
    texts = ran.rows[:3]
    lw.compare(
        invoices.Schema, texts, MODELS[0], truth=[invoices.truth[each["id"]] for each in texts],
        cluster=ran.client, journal=tmp_path, progress=False,
    )  # fmt: skip

    result = lw.load(tmp_path)

    assert [each.text for each in result.texts] == [""] * 3
    assert any("given by value" in note for note in result.notes)
    assert [each.ok for each in result] == [True] * 3
    assert MARKER.encode() not in b"".join(
        each.read_bytes() for each in tmp_path.rglob("*") if each.is_file()
    )
    with pytest.raises(FieldError, match="no text to ask about"):
        result.rerun(progress=False)


def test_a_dask_frame_is_written_into_the_folder_by_the_workers(ran: Ran, tmp_path: Path) -> None:
    dask = pytest.importorskip("dask.dataframe")
    frame = dask.from_pandas(pd.DataFrame(ran.rows[:4]), npartitions=2)

    result = lw.compare(
        invoices.Schema, frame, MODELS[0], cluster=ran.client, journal=tmp_path / "run",
        progress=False,
    )  # fmt: skip

    assert [each.text for each in result.texts] == [row["text"] for row in ran.rows[:4]]
    assert len(list((tmp_path / "run" / "texts").rglob("*.parquet"))) == 2
    assert any("Dask DataFrame" in note for note in serialization.file_notes(result.texts))
    assert result.extraction(CellKey(0, 0, 0)).ok
