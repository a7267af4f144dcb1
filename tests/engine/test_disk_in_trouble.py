"""A run whose disk fails under it: the result is whole, nothing is asked twice, and it is said."""

from __future__ import annotations

import json
import re
from contextlib import ExitStack, closing

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from llmwidgets.comparison import Comparison, compare, extract, load
from llmwidgets.connections import Connection
from llmwidgets.engine import journal as journals
from llmwidgets.engine import journal_file
from llmwidgets.engine.journal import Journal
from llmwidgets.schemas import read_schema
from tests.engine.conftest import Model
from tests.engine.test_journal_trouble import LASTING, TROUBLES

SCHEMA = read_schema([{"name": "number", "type": "integer", "required": True}])


class Numbers(Model):
    """Answers the number in the document; trouble begins and ends with the numbers given."""

    def __init__(self, begins: int = -1, ends: int = -1, trouble=None, path=None) -> None:
        super().__init__()
        self.begins, self.ends, self.trouble, self.path = begins, ends, trouble, path
        self.stack = ExitStack()

    async def __call__(self, seen, wire) -> None:
        document = seen.json["messages"][-1]["content"] if seen.body else ""
        found = re.search(r"number (\d+)\.", document)
        if found is not None:
            at = int(found[1])
            self.record = {"number": at}
            if at == self.begins:
                self.stack.enter_context(self.trouble(self.path))
            if at == self.ends:
                self.stack.close()
        await super().__call__(seen, wire)

    @property
    def numbers(self) -> list[int]:
        asked = (each["messages"][-1]["content"] for each in self.asked)
        return sorted(int(re.search(r"number (\d+)\.", each)[1]) for each in asked)


def texts(many: int) -> list[str]:
    return [f"The number {at}." for at in range(many)]


def connected(end) -> Connection:
    return Connection("custom", name="m", endpoint=end.url, api_key="sk-test-000")


def ask(connection, many, path, **more):
    more = {"concurrency": 1, "progress": False, "journal": path, **more}
    return compare(SCHEMA, texts(many), connection, **more)


def whole(result, many) -> None:
    assert [each.status for each in result] == ["ok"] * many
    assert [each.data for each in result] == [{"number": at} for at in range(many)]


@pytest.fixture(autouse=True)
def short_waits(monkeypatch):
    monkeypatch.setattr(journals, "BUSY_SECONDS", 0.05)
    monkeypatch.setattr(journal_file, "BUSY_SECONDS", 0.05)


@pytest.mark.parametrize("name", TROUBLES)
@pytest.mark.parametrize("retried", [True, False], ids=["tried at once", "tried at the end"])
@settings(max_examples=4, deadline=None, suppress_health_check=list(HealthCheck))
@given(begins=st.integers(0, 7), lasts=st.integers(1, 9))
def test_trouble_from_one_text_to_another(
    name, retried, begins, lasts, far_end, tmp_path_factory, monkeypatch
):
    """Each text is asked once, whatever happens to the disk; and on disk afterwards."""
    if retried:
        monkeypatch.setattr(journals, "_RETRY_SECONDS", 0.0)
        monkeypatch.setattr(journals, "_LOOK_SECONDS", 0.0)
    path = tmp_path_factory.mktemp("run") / "folder" / "j.sqlite"
    model = Numbers(begins, begins + lasts, TROUBLES[name], path)
    connection = connected(far_end(model))
    result = ask(connection, 8, path)
    whole(result, 8)
    assert model.numbers == list(range(8))
    board = result.scoreboard()
    assert (board.valid[0], board.InternalError[0], board.BadRequest[0]) == (1.0, 0, 0)
    still = name in LASTING and begins + lasts >= 8
    if still:
        assert re.search(r"journal: .* kept in memory", " ".join(result.notes))
        # The same cell run again, and the comparison's own way, in the midst of it.
        whole(ask(connection, 8, path), 8)
        whole(result.rerun(progress=False), 8)
    model.stack.close()
    again = result.rerun(progress=False)
    whole(again, 8)
    assert not any("kept in memory," in note for note in again.notes)
    assert model.numbers == list(range(8))
    with closing(Journal(path)) as journal:
        assert len(journal) == 8 + (name == "replaced")
    whole(ask(connection, 8, path), 8)
    assert model.numbers == list(range(8))


def test_a_file_that_was_damaged_before_the_run_is_told_once(far_end, tmp_path):
    path = tmp_path / "j.sqlite"
    path.write_bytes(b"no database" * 500)
    connection = connected(far_end(Numbers()))
    result = ask(connection, 2, path)
    whole(result, 2)
    (kept,) = tmp_path.glob("j.sqlite.damaged-*[0-9]")
    assert f"journal: {path} is damaged, and kept as {kept.name}" in " ".join(result.notes)
    assert "damaged" not in " ".join(result.rerun(progress=False).notes)
    assert "damaged" not in " ".join(ask(connection, 2, path).notes)


def test_the_note_reaches_every_view(far_end, tmp_path):
    """Static HTML, text, the page, the saved file: what is in memory and what to do now."""
    path = tmp_path / "folder" / "j.sqlite"
    model = Numbers(2, 99, TROUBLES["locked"], path)
    with model.stack:
        result = ask(connected(far_end(model)), 5, path)
        said = f"journal: {path} is locked by another process. 3 replies are kept in memory"
        assert said in " ".join(result.notes)
        assert said in " ".join(repr(result).replace("\n", " ").split())
        assert said in result._repr_html_()
        assert said in result.to_html(tmp_path / "page.html").read_text()
        saved = load(result.save(tmp_path / "saved.json"))
        assert said in " ".join(saved.notes)
        assert [each.data for each in saved] == [each.data for each in result]
        assert len(result.to_frame()) == 5


def test_one_extraction_tells_of_its_journal(far_end, tmp_path):
    path = tmp_path / "folder" / "j.sqlite"
    model = Numbers(2, 99, TROUBLES["locked"], path)
    with model.stack:
        told = extract(SCHEMA, "number 2.", connected(far_end(model)), journal=path)
    assert told.data == {"number": 2}
    assert f"journal: {path} is locked by another process" in " ".join(told.notes)


def test_an_error_of_this_package_is_a_row_of_its_own_class(far_end, tmp_path, monkeypatch):
    """It says what it was about, keeps what was paid, is not scored, and is asked again."""
    path = tmp_path / "j.sqlite"
    model = Numbers()
    connection = connected(far_end(model))
    broken = {1: KeyError, 2: MemoryError, 3: RecursionError, 4: OSError}
    judge = type(SCHEMA).judge

    def failing(self, data):
        if (kind := broken.get(data["number"])) is not None:
            raise kind("the text itself")
        return judge(self, data)

    with monkeypatch.context() as patched:
        patched.setattr(type(SCHEMA), "judge", failing)
        result = ask(connection, 6, path, truth=[{"number": at} for at in range(6)])
        found = list(result)
    assert [each.status for each in found] == ["ok", *["InternalError"] * 4, "ok"]
    abouts = ("KeyError", "memory", "nested", "OSError")
    for number, (each, about) in enumerate(zip(found[1:5], abouts, strict=True), 1):
        assert about in each.failure.message
        assert "the text itself" not in str(each.failure)
        assert each.failure.hint
        assert each.usage.input_tokens == 100
        assert json.loads(each.reply_text) == {"number": number}
    board = result.scoreboard()
    assert (board.InternalError[0], board.BadRequest[0], board.scored[0]) == (4, 0, 2)
    assert board.accuracy[0] == 1.0
    back = load(result.save(tmp_path / "saved.json"))
    assert [each.status for each in back] == [each.status for each in result]
    whole(result.rerun(progress=False), 6)
    assert model.numbers == sorted([*range(6), 1, 2, 3, 4])


def test_a_bug_that_strikes_twice_does_not_end_the_column(far_end, tmp_path, monkeypatch):
    """Also where what is said of the question beside its answer fails, for one text."""
    from llmwidgets.engine import extraction as asking

    tell = asking.Extractor._circumstances

    def failing(self, question, *more):
        if question.text.text == "The number 2.":
            raise KeyError("the text itself")
        return tell(self, question, *more)

    model = Numbers()
    connection = connected(far_end(model))
    with monkeypatch.context() as patched:
        patched.setattr(asking.Extractor, "_circumstances", failing)
        result = ask(connection, 5, tmp_path / "j.sqlite")
    assert [each.status for each in result] == ["ok", "ok", "InternalError", "ok", "ok"]


def test_rows_of_before_are_read_as_the_class_that_they_are(tmp_path):
    """Failures of this package were once written as bad requests with the code `internal`."""
    from llmwidgets.engine.journal import Row
    from llmwidgets.errors import BadRequest, InternalError

    path = tmp_path / "j.sqlite"
    journal = Journal(path)
    old = BadRequest("An internal error (KeyError).", "Report it.", label="l", code="internal")
    real = BadRequest("No.", "Mend it.", label="l", code="field")
    rows = [journal.get(journal.put(Row.of_failure("k", each))) for each in (old, real)]
    assert [type(each.failure()) for each in rows] == [InternalError, BadRequest]
    assert rows[0].failure().label == "l"
    journal.close()
    saved = Comparison.from_outputs(SCHEMA, ["x"], {"A": [{"number": 1}]}).save(tmp_path / "saved")
    told = json.loads(saved.read_text())
    told["rows"][0] |= {"status": "BadRequest", "code": "internal", "message": "An internal error."}
    saved.write_text(json.dumps(told))
    assert [each.status for each in load(saved)] == ["InternalError"]


def test_a_check_that_fails_by_itself_is_no_bad_request(far_end, monkeypatch):
    from llmwidgets.engine import check

    def broken(self):
        raise KeyError("the key itself")

    monkeypatch.setattr(check._Checker, "run", broken)
    report = check.check(connected(far_end(Numbers())))
    assert (report.ok, report.status) == (False, "InternalError")
    assert "the key itself" not in report.sentence + report.hint


def test_a_bug_beside_the_questions_ends_the_column_as_what_it_is(far_end, tmp_path, monkeypatch):
    """The first error of a group is named, not that there was a group; the others go on."""
    from llmwidgets.engine.runs.variant_run import VariantRun

    note, struck = VariantRun._note, []

    def failing(self, index, *more, **words):
        if self.label == "bad" and index == 2 and not struck:
            struck.append(index)
            raise ZeroDivisionError
        return note(self, index, *more, **words)

    monkeypatch.setattr(VariantRun, "_note", failing)
    end = far_end(Numbers())
    bad = Connection("custom", name="m", label="bad", endpoint=end.url, api_key="sk-test-000")
    result = ask([bad, connected(end)], 5, tmp_path / "j.sqlite")
    assert [each.status for each in result][5:] == ["ok"] * 5
    failed = [each for each in result if each.status != "ok"]
    assert {each.status for each in failed} == {"InternalError"}
    assert "ZeroDivisionError in llmwidgets.engine.run" in failed[0].failure.message
