"""Ten questions of a run, each answered in the panel within three clicks: by mouse and by keyboard."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.widgets.ten_questions import DOCUMENT, QUESTIONS, Click, Question, find, made, written

_WORDS = """each => [each.innerText, ...[...each.querySelectorAll("textarea")].map((it) => it.value)]
  .join(" ").replace(/\\s+/g, " ")"""
_FOCUSED = "(each) => each === document.activeElement || each.classList.contains('on')"
_NEAR = """(each) => each.closest("[role=tablist], [role=grid]")?.contains(document.activeElement)"""
_ROW = "(each) => each.closest('tr')?.contains(document.activeElement)"
_FIRST = "() => document.activeElement"
MOST_KEYS = 300


def by_mouse(page: Any, click: Click) -> None:
    control = find(page.page.locator(".lw"), click)
    if click.option:
        control.select_option(label=click.option)
    else:
        control.click()


def by_keyboard(page: Any, click: Click) -> None:
    """Tab to the control, or to the group it is in and by arrows inside it; then Enter."""
    control, keyboard = find(page.page.locator(".lw"), click), page.page.keyboard
    control.wait_for()
    for _ in range(MOST_KEYS):
        if control.evaluate(_FOCUSED):
            break
        if not control.evaluate(_NEAR):
            keyboard.press("Tab")
        elif control.evaluate("each => each.closest('table') !== null") and not control.evaluate(
            _ROW
        ):
            keyboard.press("ArrowDown")
        else:
            keyboard.press("ArrowRight")
    assert control.evaluate(_FOCUSED), f"{click.words} is not reached by keys"
    if click.option:
        keyboard.type(click.option)
    else:
        keyboard.press("Enter")


@pytest.mark.browser
@pytest.mark.parametrize("act", [by_mouse, by_keyboard])
@pytest.mark.parametrize("question", QUESTIONS, ids=[each.name for each in QUESTIONS])
def test_a_question_is_answered_within_three_clicks(joined, question: Question, act) -> None:
    """From the first screen of the result, by the clicks of the documentation and no others."""
    assert sum(click.clicks for click in question.clicks) <= 3
    page = joined(made(question.code))
    panel = page.page.locator(".lw")
    expect(panel.get_by_role("tab", name="Differences")).to_have_attribute("aria-selected", "true")
    for click in question.clicks:
        act(page, click)
        page.deliver()
    words = panel.evaluate(_WORDS)
    print(words)
    assert [each for each in question.answer if each not in words] == []


def test_the_documentation_says_the_clicks() -> None:
    """`python -m tests.widgets.ten_questions` has been run after the last change of a question."""
    text = DOCUMENT.read_text("utf-8")
    assert text == written(text)
    assert len(QUESTIONS) == 10
    assert len(re.findall(r"^\| \d+ \|", text, re.M)) == 10
