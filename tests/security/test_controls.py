"""No control of what a server says or a document holds acts on a terminal, a look or a notebook.

Writing from right to left is left as it is; the data itself, and the files of data, are too.
"""

from __future__ import annotations

import io
import json
import logging
import re
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from IPython.core.ultratb import FormattedTB
from rich.console import Console

import llmwidgets as lw
from llmwidgets import formatting
from llmwidgets.cli import main
from llmwidgets.cli.tables import scoreboard_table, side_by_side_table
from llmwidgets.formatting import escape_controls, escape_html, escape_in_place
from llmwidgets.widgets.panel import error_sentence
from tests.security.test_canaries_in_replies import (
    chat,
    error,
    far,  # noqa: F401
)

ACTING = re.compile(
    "\r(?!\n)|[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u206f"
    "\ud800-\udfff]"
)
TITLE = "\x1b]0;owned\x07"
HOSTILE = {
    "a colour": "\x1b[31mred",
    "a title": TITLE,
    "a link": "\x1b]8;;http://elsewhere.example\x1b\\here\x1b]8;;\x1b\\",
    "C1": "\x9b31mred\x9d0;owned\x9c",
    "over the line": "right\rwrong",
    "back": "wrong\x08\x08\x08\x08\x08right",
    "a bell": "ding\x07",
    "a null": "a\x00b",
    "deleted": "a\x7fb",
    "turned around": "\u202etxt.exe",
    "isolated": "\u2066a\u2069\u2067b\u2068c",
    "marks": "a\u200eb\u200fc\u061cd",
    "old marks": "a\u206ab\u206fc",
    "separators": "a\u2028b\u2029c",
    "half a character": "a\ud800b",
}
SCHEMA = {"title": "A", "type": "object", "properties": {"a": {"type": "string"}}}

PLACES: dict[str, Callable[[str], tuple[int, Any, dict[str, str]]]] = {
    "model": lambda word: chat(model=word),
    "id": lambda word: chat(id=word),
    "content": lambda word: chat(message={"content": json.dumps({"a": word})}),
    "content that is no JSON": lambda word: chat(message={"content": word}),
    "content of another schema": lambda word: chat(message={"content": json.dumps({"a": [word]})}),
    "refusal": lambda word: chat(message={"content": None, "refusal": word}),
    "finish reason": lambda word: chat(choice={"finish_reason": word}),
    "filter": lambda word: chat(
        choice={
            "finish_reason": "content_filter",
            "content_filter_results": {word: {"filtered": True}},
        }
    ),
    "message": lambda word: error(400, message=word),
    "message of 404": lambda word: error(404, message=word),
    "code": lambda word: error(400, code=word),
    "id of a refusal": lambda word: (400, {"id": word, "error": {"message": "no"}}, {}),
}


def acts(said: str) -> list[str]:
    """The controls in a text that is shown."""
    return ACTING.findall(said)


def looks(result: lw.Comparison, folder: Path) -> Iterator[str]:
    """All that is shown of a run: looks, errors, terminal, notebook, page, panel."""
    for each in result:
        yield repr(each)
        yield from (str(note) for note in each.notes)
        yield f"{each.served_model} {each.request_id}"
        if each.failure is not None:
            yield from shown_of(each.failure)
    yield repr(result)
    yield from result._repr_mimebundle_().values()
    yield from result.changes_since(result)
    yield result.verdict().sentence
    yield result.to_html(folder / "a.html", values=True).read_text("utf-8")
    page = io.StringIO()
    console = Console(file=page, width=160)
    scoreboard_table(console, result)
    side_by_side_table(console, result, 0)
    yield page.getvalue()
    yield from panel_of(result)


def shown_of(failure: lw.errors.LLMWidgetsError) -> Iterator[str]:
    """An error as it is printed."""
    yield from (str(failure), repr(failure), failure.message, failure.hint)
    yield from failure._render_traceback_()
    yield from error_sentence(failure).values()
    yield "".join(traceback.format_exception(failure))
    yield FormattedTB(mode="Verbose", theme_name="nocolor").text(type(failure), failure, None)
    page = io.StringIO()
    logging.StreamHandler(page).handle(
        logging.LogRecord(
            "a", 40, "a.py", 1, "failed: %s", (failure,), (type(failure), failure, None)
        )
    )
    yield page.getvalue()


def panel_of(result: lw.Comparison) -> Iterator[str]:
    """What the panel says without a kernel, and every view that it sends to the page."""
    from llmwidgets.widgets.comparison.detail_view import detail_view, request_view, text_view
    from llmwidgets.widgets.comparison.grid_model import GridIndex

    panel = result.explore()
    yield from (repr(panel), panel.static_html(), panel._repr_mimebundle_()[0]["text/plain"])
    yield from strings(panel.state())
    panel.close()
    index = GridIndex(result)
    yield from strings(text_view(index, 0))
    for column in (-1, *range(len(result.variants))):
        yield from strings(detail_view(index, 0, "a", column))
    yield from strings(request_view(index, 0, 0))


def strings(value: Any) -> Iterator[str]:
    """Every text in what is sent to the page."""
    if isinstance(value, dict):
        for each in value.values():
            yield from strings(each)
    elif isinstance(value, list | tuple):
        for each in value:
            yield from strings(each)
    elif isinstance(value, str):
        yield value


def connection(url: str) -> lw.Connection:
    return lw.Connection("custom", name="m", endpoint=f"{url}/v1", label="one")


@pytest.mark.parametrize("place", PLACES)
def test_no_control_of_a_reply_acts_where_it_is_shown(
    far: Any,  # noqa: F811
    tmp_path: Path,
    place: str,
) -> None:
    for word in HOSTILE.values():
        far.answer = lambda _path, word=word: PLACES[place](word)
        result = lw.compare(
            SCHEMA, [word or "t"], [connection(far.url)], truth=[{"a": word}], progress=False,
            journal=False,
        )  # fmt: skip
        said = [(each, acts(each)) for each in looks(result, tmp_path)]
        assert [each for each in said if each[1]] == [], word


def test_no_control_of_a_reply_is_told_by_a_check(far: Any) -> None:  # noqa: F811
    for word in HOSTILE.values():
        answers = [
            error(400, message=word, code=word),
            error(401, message=word),
            chat(model=word),
            (200, {"data": [{"id": word, "object": "model"}, {"id": f"m{word}"}]}, {}),
        ]
        for answer in answers:
            far.answer = lambda _path, answer=answer: answer
            report = lw.check(connection(far.url))
            told = [report.sentence, report.hint, report.code, *strings(report.details)]
            told += [repr(report), *strings(dict(report.fix or {}))]
            assert [each for each in told if acts(each)] == []


def test_no_control_reaches_the_terminal_by_the_commands(
    far: Any,  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys,
) -> None:
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA))
    row = {"id": TITLE, "text": f"a{TITLE}"}
    (tmp_path / "texts.jsonl").write_text(json.dumps(row))
    (tmp_path / "policy.toml").write_text(
        f'[connections.lab]\nkind = "custom"\nname = "m"\nendpoint = "{far.url}/v1"\n'
    )
    monkeypatch.setenv("LLMWIDGETS_POLICY", str(tmp_path / "policy.toml"))
    monkeypatch.chdir(tmp_path)
    asked = ["compare", "--schema", "schema.json", "--texts", "texts.jsonl", "--models", "lab",
             "--journal", "none", "--jsonl", f"rows{TITLE}.jsonl"]  # fmt: skip
    for word in HOSTILE.values():
        for answer in (
            chat(message={"content": json.dumps({"a": word})}),
            error(400, message=word),
        ):
            far.answer = lambda _path, answer=answer: answer
            for words in (asked, ["connections", "check", "lab"], ["connections"], ["doctor"],
                          ["connections", "check", f"x{word}"]):  # fmt: skip
                main(words)
                said = capsys.readouterr()
                assert acts(said.out + said.err) == [], words


def test_the_data_is_left_as_it_came(far: Any, tmp_path: Path) -> None:  # noqa: F811
    """What is shown is spelled out; the values, and files of values, are the document's."""
    word = "\u202eab\u200f\x07"
    far.answer = lambda _path: chat(message={"content": json.dumps({"a": word})})
    result = lw.compare(SCHEMA, ["t"], [connection(far.url)], progress=False, journal=False)
    (extraction,) = result
    assert extraction.data == {"a": word}
    assert result.to_frame()["value"][0] == word
    rows = result.to_jsonl(tmp_path / "a.jsonl").read_text("utf-8")
    assert json.loads(rows.splitlines()[0])["value"] == word
    assert lw.load(result.save(tmp_path / "a.json")).to_frame()["value"][0] == word


RIGHT_TO_LEFT = st.text(st.sampled_from("שלום עולם مرحبا بالعالم ۱۲۳ می‌خواهم abc é漢\t\n\r\n‌‍"))


@given(RIGHT_TO_LEFT)
def test_writing_of_any_direction_stays(text: str) -> None:
    text = text.replace("\r", "")
    assert escape_controls(text) == escape_in_place(text) == text
    assert formatting.shorten(text, 1000) == " ".join(text.split())


@given(st.text() | st.text(st.sampled_from("".join(HOSTILE.values()))))
def test_nothing_acts_in_whatever_is_made_visible(text: str) -> None:
    """By a look, an error of any kind, markup, one line; and once is enough."""
    assert (
        acts(escape_controls(text)) == acts(escape_in_place(text)) == acts(escape_html(text)) == []
    )
    assert len(escape_in_place(text)) == len(text)
    assert escape_controls(escape_controls(text)) == escape_controls(text)
    assert acts(formatting.shorten(text, 80)) == []
    made = [
        lw.errors.FieldError({"a": text}, text),
        lw.errors.BadRequest(text, text, label=text, model=text, request_id=text, code=text),
        lw.errors.PolicyError(text, text, rule=text),
        lw.errors.Refused(text, text),
    ]
    for each in made:
        carried = [*strings(vars(each)), str(each), repr(each), *map(str, each.args)]
        assert [said for said in carried if acts(said)] == []


def test_a_line_end_of_windows_is_no_control() -> None:
    assert escape_controls("a\r\nb") == "a\r\nb"
    assert escape_controls("a\rb") == "a␍b"
