"""Ten questions of a run, each answered in the panel within three clicks, by mouse and by keys."""

from __future__ import annotations

import re
from typing import Any

import pytest
from playwright.sync_api import expect

from tests.widgets.ten_questions import DOCUMENT, QUESTIONS, Click, Question, find, made, written

_WORDS = """each => { const unseen = [...each.querySelectorAll(".spoken")];
  for (const it of unseen) it.style.display = "none";
  const words = each.innerText.replace(/\\s+/g, " ");
  for (const it of unseen) it.style.display = "";
  return words; }"""
_NEXT_KEY = """each => {
  const cell = each.dataset.at && each.closest(".lw-grid");
  const group = each.closest("[role=tablist], table") ?? cell;
  const focused = document.activeElement;
  if (!group?.contains(focused)) return each === focused ? "" : "Tab";
  const at = group.querySelector(".on[data-at]") ?? focused;
  if (at === each) return "";
  const column = (it) => it.dataset.at?.split(" ")[2] ?? it.closest("td, th")?.cellIndex ?? it;
  return column(at) === column(each) ? "ArrowDown" : "ArrowRight";
}"""
"""The key that leads on to a control: to the next one, or inside the tabs, a table, the grid."""
_FOCUS_SEEN = """() => { const { top, bottom } = document.activeElement.getBoundingClientRect();
  return top < innerHeight && bottom > 0; }"""
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
        key = control.evaluate(_NEXT_KEY)
        if not key:
            break
        keyboard.press(key)
    assert not key, f"{click.words} is not reached by keys"
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
    seen = []
    for click in question.clicks:
        act(page, click)
        page.deliver()
        seen.append(panel.evaluate(_WORDS))
    missing = [each for each in question.answer if not any(each in words for words in seen)]
    assert missing == [], seen
    assert question.answer[-1] in seen[-1]
    assert page.page.evaluate(_FOCUS_SEEN), "what the last click led to is out of sight"


@pytest.mark.browser
@pytest.mark.parametrize("name", ["worse", "code"])
def test_the_buttons_of_the_header_are_there_where_it_is_narrow(joined, name: str) -> None:
    """At 640 pixels: their last words are left, and their whole names are spoken."""
    question = next(each for each in QUESTIONS if each.name == name)
    page = joined(made(question.code))
    page.page.set_viewport_size({"width": 640, "height": 900})
    for click in question.clicks:
        by_mouse(page, click)
        page.deliver()
    assert question.answer[-1] in page.page.locator(".lw").evaluate(_WORDS)


def test_the_documentation_says_the_clicks() -> None:
    """`python -m tests.widgets.ten_questions` has been run after the last change of a question."""
    text = DOCUMENT.read_text("utf-8")
    assert text == written(text)
    assert len(QUESTIONS) == 10
    assert len(re.findall(r"^\| \d+ \|", text, re.M)) == 10
