"""llmwidgets compare held to an earlier run, its JUnit XML, and llmwidgets journal."""

from __future__ import annotations

import json
import re
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from llmwidgets import Comparison, load
from llmwidgets.cli import main
from llmwidgets.demo import invoices, stop_demo
from llmwidgets.engine.journal import Journal
from llmwidgets.engine.journal_runs import read_runs
from llmwidgets.report.junit import TestCase, write_junit

SCHEMA = "llmwidgets.demo.invoices:Schema"
USED = ("druckerei-de", "traiteur-fr")
COPIES = 12


@pytest.fixture(scope="module", autouse=True)
def demo():
    yield
    stop_demo()


@pytest.fixture
def files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with 24 texts, and truth that the careful model meets and the hasty one does not."""
    folder = tmp_path / "work"
    folder.mkdir()
    monkeypatch.chdir(folder)
    texts = [text for text in invoices.texts if text["id"] in USED]
    rows = [
        {"id": f"{copy}-{text['id']}", "text": f"{text['text']}\n({copy})"}
        for copy in range(COPIES)
        for text in texts
    ]
    truth = {row["id"]: invoices.truth[row["id"].split("-", 1)[1]] for row in rows}
    Path("texts.jsonl").write_text("\n".join(map(json.dumps, rows)) + "\n")
    Path("truth.json").write_text(json.dumps(truth))
    return folder


def run(*more: str, model: str = "demo-careful") -> int:
    words = ["compare", "--schema", SCHEMA, "--texts", "texts.jsonl", "--models", model]
    journal = [] if "--journal" in more else ["--journal", "none"]
    return main([*words, "--truth", "truth.json", *journal, *more])


def read_rows() -> tuple[list[dict], list[dict]]:
    rows = [json.loads(line) for line in Path("texts.jsonl").read_text().splitlines()]
    truth = json.loads(Path("truth.json").read_text())
    return rows, [truth[row["id"]] for row in rows]


def baseline(right: bool = True) -> None:
    """Save a run in which all, or nothing, was right as base.json."""
    rows, truth = read_rows()
    said = truth if right else [{"number": "wrong"}] * len(rows)
    made = Comparison.from_outputs(invoices.Schema, rows, {"demo-careful": said}, truth)
    made.save("base.json")


def told(capsys: pytest.CaptureFixture[str]) -> tuple[str, str]:
    printed = capsys.readouterr()
    return " ".join(printed.out.split()), printed.err


def test_a_run_saved_is_what_the_next_one_is_held_to(files: Path, capsys) -> None:
    assert run("--save", "base.json") == 0
    assert load("base.json").labels == ("demo-careful",)
    assert run("--not-worse-than", "base.json", "--margin", "0.1") == 0
    out, err = told(capsys)
    assert err == ""
    assert "cannot be told apart from before" in out
    assert "shown not to be worse by more than 10 in 100" in out


def test_a_run_in_which_nothing_got_worse_passes_and_says_how_little_that_shows(files, capsys):
    assert run("--save", "base.json") == 0
    assert run("--not-worse-than", "base.json", "--margin", "0.02") == 0
    said = told(capsys)[0]
    assert re.search(r"nothing got worse on these texts, but 24 texts can rule out a loss of", said)


def test_too_few_texts_are_said_with_what_would_do(files: Path, capsys) -> None:
    """One field of one text is wrong now."""
    labels = json.loads(Path("truth.json").read_text())
    next(iter(labels.values()))["number"] = "another"
    Path("truth.json").write_text(json.dumps(labels))
    baseline()
    assert run("--not-worse-than", "base.json", "--margin", "0.02") == 1
    line = told(capsys)[1]
    assert re.search(r"24 texts can show [\d.]+ in 100 at best; give --margin 0\.\d+ or", line)
    proposed = re.search(r"--margin (0\.\d+)", line)[1]  # type: ignore[index]
    assert run("--not-worse-than", "base.json", "--margin", proposed) == 0


def test_a_worse_run_ends_with_1_and_does_not_take_the_place_of_the_other(files, capsys) -> None:
    baseline()
    before = Path("base.json").read_bytes()
    assert run("--not-worse-than", "base.json", "--save", "base.json", model="demo-hasty") == 1
    out, err = told(capsys)
    assert "got" in err
    assert "fields in 100 worse" in err
    assert "5 in 100 are allowed" in err
    assert "Left base.json as it was" in out
    assert Path("base.json").read_bytes() == before
    assert "demo-hasty takes the place of demo-careful." in out


def test_a_better_run_passes_and_may_take_its_place(files: Path, capsys) -> None:
    baseline(right=False)
    assert run("--not-worse-than", "base.json", "--save", "base.json") == 0
    assert "fields in 100 better" in told(capsys)[0]
    assert load("base.json").scoreboard().accuracy[0] > 0.5


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--not-worse-than", "nothing.json"], "nothing.json cannot be read"),
        (["--not-worse-than", "truth.json"], "not a saved comparison"),
        (["--margin", "0.02"], "--not-worse-than FILE"),
        (["--not-worse-than", "base.json", "--margin", "0"], "not between 0.001 and 1"),
        (["--not-worse-than", "base.json", "--margin", "2"], "not between 0.001 and 1"),
        (["--not-worse-than", "base.json", "--margin", "much"], "much is not a number"),
    ],
)
def test_a_mistake_ends_with_2_before_anything_is_asked(files, capsys, words, said) -> None:
    baseline()
    assert run(*words, "--jsonl", "out.jsonl") == 2
    assert said in told(capsys)[1]
    assert not Path("out.jsonl").exists()


def test_without_truth_nothing_is_shown(files: Path, capsys) -> None:
    baseline()
    words = ["compare", "--schema", SCHEMA, "--texts", "texts.jsonl"]
    words += ["--models", "demo-careful", "--journal", "none"]
    assert main([*words, "--not-worse-than", "base.json"]) == 1
    assert "is not scored: give truth" in told(capsys)[1]


def test_a_run_without_a_variant_of_the_earlier_one_does_not_pass(files: Path, capsys) -> None:
    rows, truth = read_rows()
    Comparison.from_outputs(invoices.Schema, rows, {"X": truth, "Y": truth}, truth).save(
        "base.json"
    )
    assert run("--not-worse-than", "base.json") == 1
    assert "no variant is in both runs" in told(capsys)[1]


# -- JUnit XML -------------------------------------------------------------------------------------

# What the schemas of Ant (JUnit.xsd) and of Jenkins (junit-10.xsd) both take.
ALLOWED = {
    "testsuites": (set(), set(), ["testsuite"]),
    "testsuite": (
        {"name", "timestamp", "hostname", "tests", "failures", "errors", "time", "package", "id"},
        set(), ["properties", "testcase", "system-out", "system-err"],
    ),
    "properties": (set(), set(), ["property"]),
    "property": ({"name", "value"}, set(), []),
    "testcase": ({"name", "classname", "time"}, set(), ["failure", "error"]),
    "failure": ({"type"}, {"message"}, []),
    "error": ({"type"}, {"message"}, []),
    "system-out": (set(), set(), []),
    "system-err": (set(), set(), []),
}  # fmt: skip


def judge(path: str) -> ET.Element:
    """The suite of a file that both schemas take."""
    root = ET.parse(path).getroot()
    for element in root.iter():
        required, optional, children = ALLOWED[element.tag]
        assert required <= set(element.attrib) <= required | optional, element.tag
        names = [each.tag for each in element]
        assert sorted(names, key=children.index) == names
        if element.tag == "testcase":
            assert len(names) <= 1
    suite = root.find("testsuite")
    assert suite is not None
    assert [each.tag for each in suite].count("properties") == 1
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d", suite.attrib["timestamp"])
    for name, tag in (("tests", "testcase"), ("failures", "failure"), ("errors", "error")):
        assert int(suite.attrib[name]) == len(suite.findall(f".//{tag}"))
    return suite


def test_a_build_server_reads_each_bar_of_each_variant(files: Path) -> None:
    baseline()
    bars = ["--min-accuracy", "0.999", "--min-valid", "0.5", "--not-worse-than", "base.json"]
    assert run(*bars, "--junit", "report.xml", model="demo-hasty") == 1
    suite = judge("report.xml")
    cases = {each.attrib["name"]: each.find("failure") for each in suite.iter("testcase")}
    assert list(cases) == ["finished", "accuracy", "valid", "not worse"]
    assert [name for name, failure in cases.items() if failure is not None] == [
        "accuracy", "not worse",
    ]  # fmt: skip
    assert "is under 0.999" in cases["accuracy"].attrib["message"]  # type: ignore[union-attr]
    figures = {each.attrib["name"]: each.attrib["value"] for each in suite.iter("property")}
    assert 0 < float(figures["demo-hasty.accuracy"]) < 0.999
    assert figures["margin"] == "0.05"
    assert float(figures["demo-hasty.change"]) < 0


@pytest.mark.parametrize("option", ["--save", "--junit", "--html", "--jsonl"])
@pytest.mark.parametrize(
    ("wanted", "why"),
    [
        (".", "Is a directory"),
        ("texts.jsonl/report", "File exists"),
        ("twice.json", "is that of --"),
        ("./twice.json", "is that of --"),
    ],
)
def test_a_file_that_cannot_be_written_is_told_before_anything_is_asked(
    files: Path, capsys, option: str, wanted: str, why: str
) -> None:
    other = ["--jsonl" if option != "--jsonl" else "--html", "twice.json"]
    assert run(*other, option, wanted, "--journal", "journal.sqlite") == 2
    printed, error = told(capsys)
    assert why in error
    assert not printed
    assert sorted(each.name for each in files.iterdir()) == ["texts.jsonl", "truth.json"]


def test_no_change_is_no_minus_nought(files: Path) -> None:
    baseline()
    assert run("--not-worse-than", "base.json", "--junit", "report.xml") == 0
    assert 'change" value="0"' in Path("report.xml").read_text("utf-8")
    assert 'value="-0"' not in Path("report.xml").read_text("utf-8")


def test_no_text_and_no_value_is_in_the_report(files: Path) -> None:
    baseline()
    run("--not-worse-than", "base.json", "--junit", "report.xml", model="demo-hasty")
    report = Path("report.xml").read_text("utf-8")
    values = {
        value for name in USED for value in invoices.truth[name].values()
        if isinstance(value, str) and len(value) > 3
    }  # fmt: skip
    assert values
    assert not any(value in report for value in values)


def test_any_label_makes_a_file_that_can_be_read(tmp_path: Path) -> None:
    hostile = "a<b>&\"'\x00\x1b[31m\ud800\ufffe\r\n]]>\u202e\t𝄞"
    cases = [
        TestCase(hostile, "accuracy", f"{hostile} is under 1"),
        TestCase(hostile, "finished", "interrupted", ended_early=True),
        TestCase(hostile, "valid"),
    ]
    path = write_junit(
        tmp_path / "report.xml", hostile, cases, {hostile: hostile}, made_at=datetime.now(UTC)
    )
    suite = judge(str(path))
    assert suite.attrib["errors"] == suite.attrib["failures"] == "1"
    name = suite.findall("testcase")[0].attrib["classname"]
    assert name.startswith("a<b>&\"'␀␛[31m⟨U+D800⟩⟨U+FFFE⟩")
    assert name.endswith("𝄞")


# -- llmwidgets journal ----------------------------------------------------------------------------


def journaled(*more: str, model: str = "demo-careful") -> int:
    words = ["compare", "--schema", SCHEMA, "--texts", "texts.jsonl", "--models", model]
    return main([*words, "--truth", "truth.json", "--journal", "journal.sqlite", *more])


def journal(*more: str) -> int:
    return main(["journal", "--journal", "journal.sqlite", *more])


def test_runs_are_listed_and_two_compared(files: Path, capsys, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "160")
    assert journaled() == 0
    assert journaled(model="demo-hasty") == 0
    capsys.readouterr()
    assert journal() == 0
    out = told(capsys)[0]
    assert "Run Date Schema Texts Models Most fields right Calls Cost paid" in out
    assert "Invoice 24, all with truth demo-hasty demo-hasty" in out
    assert "unknown" in out
    for pair in (("1", "2"), ("2", "1")):
        assert journal("--compare", *pair) == 0
        out = told(capsys)[0]
        assert re.search(r"demo-hasty got [\d.]+ fields in 100 worse \(", out)
        assert "demo-hasty takes the place of demo-careful." in out


def test_a_run_that_is_not_there_is_a_mistake(files: Path, capsys) -> None:
    assert journaled() == 0
    capsys.readouterr()
    assert journal("--compare", "1", "7") == 2
    assert "There is no run 7. The runs are 1." in told(capsys)[1]
    assert journal("--compare", "1") == 2
    assert journal("--compare", "1", "x") == 2


def test_clearing_takes_old_runs_and_what_later_ones_have_of_the_rows(files, capsys) -> None:
    assert journaled() == 0
    assert journaled() == 0
    with closing(sqlite3.connect("journal.sqlite")) as database, database:
        database.execute("UPDATE extraction SET at = 1000000000")
        database.execute("UPDATE run SET at = 1000000000 WHERE id = 1")
    assert journal("--clear-before", "2020-01-01") == 0
    assert "Deleted 24 rows and 1 run from before 2020-01-01." in told(capsys)[0]
    (left,) = read_runs(Journal("journal.sqlite").query)
    assert left.id == 2
    assert set(left.rows()) == {0}
    assert journal("--compare", "2", "1") == 2


def test_a_journal_without_runs_is_read_and_gets_them(files: Path, capsys) -> None:
    """One of an older version has no such table."""
    assert journaled() == 0
    with closing(sqlite3.connect("journal.sqlite")) as database, database:
        database.execute("DROP TABLE run")
    capsys.readouterr()
    assert journal() == 0
    assert "24 rows" in told(capsys)[0]
    assert journal("--compare", "1", "2") == 2
    assert "The runs are none." in told(capsys)[1]
    assert journaled() == 0
    assert len(read_runs(Journal("journal.sqlite").query)) == 1
