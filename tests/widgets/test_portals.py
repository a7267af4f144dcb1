"""Pictures of where things are found: what they show, that a form has its own, how they look."""

from __future__ import annotations

from collections import Counter
from typing import Any
from xml.etree import ElementTree

import pytest

from llmwidgets import PROVIDERS, ConnectionForm
from llmwidgets.providers.base import Portal
from llmwidgets.store.store import Store
from llmwidgets.widgets.connection.portal_drawing import (
    all_pictures,
    describe_picture,
    draw_picture,
)
from tests.portals import FOLDER, drawn

PICTURES = all_pictures()
SVG = "{http://www.w3.org/2000/svg}"
MOST_BYTES = 6000

named = pytest.mark.parametrize("name", PICTURES)


def pictures(page: Any) -> list[str]:
    return [each["name"] for each in page.form["pictures"]]


# -- what is drawn ---------------------------------------------------------------------------------


def test_the_files_are_as_they_are_drawn() -> None:
    """`python -m tests.portals` writes them."""
    assert {each.name: each.read_text("utf-8") for each in FOLDER.iterdir()} == drawn()


def test_the_kinds_that_are_shipped_have_pictures() -> None:
    """A kind that is added can do without."""
    assert {*PICTURES} >= {
        "openai", "gemini", "vertex_ai", "anthropic", "azure_openai", "azure_ai_foundry", "bedrock",
        "ollama", "hugging_face", "outside_address",
    }  # fmt: skip
    assert PROVIDERS["custom"].portals


@named
def test_a_picture_is_small_and_plain(name: str) -> None:
    """Shapes and words alone: no script, no link, nothing from elsewhere."""
    svg = draw_picture(*PICTURES[name])
    root = ElementTree.fromstring(svg)
    assert len(svg.encode()) <= MOST_BYTES
    kinds = {each.tag.removeprefix(SVG) for each in root.iter()}
    assert kinds <= {"svg", "title", "desc", "style", "rect", "circle", "path", "text"}
    assert {each for it in root.iter() for each in it.attrib} <= {
        "x", "y", "width", "height", "rx", "class", "d", "cx", "cy", "r", "viewBox", "role",
        "aria-labelledby", "id",
    }  # fmt: skip
    assert "url(" not in svg
    assert "@import" not in svg


@named
def test_each_number_is_in_the_drawing_once_and_below_it_once(name: str) -> None:
    picture, _ = PICTURES[name]
    root = ElementTree.fromstring(draw_picture(*PICTURES[name]))
    numbers = Counter(each.text for each in root.iter(f"{SVG}text") if each.get("class") == "n")
    assert numbers == {str(number): 2 for number in range(1, len(picture.steps) + 1)}


@named
def test_a_picture_names_the_fields_of_the_form(name: str) -> None:
    """In the drawing, and in the words that a person hears in its place."""
    picture, provider = PICTURES[name]
    fields = {step.field for step in picture.steps} - {""}
    titles = {str(provider.all_fields[field].title) for field in fields}
    root = ElementTree.fromstring(draw_picture(picture, provider))
    assert titles == {each.text for each in root.iter(f"{SVG}text") if each.get("class") == "k i"}
    assert root.find(f"{SVG}title").text == picture.title
    said = root.find(f"{SVG}desc").text
    assert said == describe_picture(picture, provider)
    assert all(f"→ {title}." in said for title in titles)


@named
def test_a_page_is_one_that_the_kind_links_to(name: str) -> None:
    picture, provider = PICTURES[name]
    links = [link.url for link in provider.links]
    links += [each.key_page for each in provider.presets if picture in each.portals]
    if isinstance(picture, Portal) and "." in picture.address:
        assert any(url.startswith(f"https://{picture.address}") for url in links)


# -- in a form -------------------------------------------------------------------------------------


def test_a_form_has_the_pictures_of_what_it_asks(wire: Any) -> None:
    """Of Custom those of the preset; none of a way that asks for nothing in them."""
    page = wire(ConnectionForm("custom", Store.in_memory()))
    assert pictures(page) == ["outside_address"]
    page.submit("form.preset", title="Ollama", values={})
    assert pictures(page) == ["ollama", "outside_address"]
    page.submit("form.preset", title="Groq", values={})
    assert pictures(page) == []
    page = wire(ConnectionForm("vertex_ai", Store.in_memory()))
    assert pictures(page) == ["vertex_ai"]
    page.submit("form.edit", values={"sign_in": "machine"})
    assert pictures(page) == []
    page = wire(ConnectionForm("azure_openai", Store.in_memory(), sign_in="entra"))
    assert pictures(page) == ["azure_openai"]


def test_a_picture_is_sent_when_it_is_asked_for(wire: Any) -> None:
    """Never with the state; and nothing is sent for a name that the form does not have."""
    page = wire(ConnectionForm("openai", Store.in_memory()))
    page.submit("form.picture", name="gemini")
    assert "<svg" not in str(page.messages)
    page.submit("form.picture", name="openai")
    (sent,) = [each for each in page.messages if each["type"] == "picture"]
    assert sent["svg"] == draw_picture(*PICTURES["openai"])
    assert sent["said"] == describe_picture(*PICTURES["openai"])


# -- in a browser ----------------------------------------------------------------------------------

LAID = """([before, width]) => {
  document.body.innerHTML = before;
  const svg = document.querySelector("svg");
  svg.style.width = `${width}px`;
  const found = [], words = [...svg.querySelectorAll("text")];
  const room = svg.viewBox.baseVal;
  const boxes = words.map((each) => [each.textContent, each.getBBox()]);
  boxes.forEach(([said, box], at) => {
    const end = room.x + room.width - 8;
    if (box.x < room.x + 8 || box.x + box.width > end) found.push(`cut: ${said}`);
    for (const [other, there] of boxes.slice(at + 1))
      if (box.x < there.x + there.width && there.x < box.x + box.width &&
          box.y + 3 < there.y + there.height && there.y + 3 < box.y + box.height)
        found.push(`${said} over ${other}`);
  });
  for (const shape of svg.querySelectorAll("rect, path, circle")) {
    const box = shape.getBBox();
    if (box.x < room.x || box.x + box.width > room.x + room.width) found.push("a shape is cut");
  }
  for (const chip of svg.querySelectorAll("text.k")) {
    const box = chip.getBBox(), frame = chip.previousElementSibling.getBBox();
    if (box.x < frame.x + 3 || box.x + box.width > frame.x + frame.width - 3)
      found.push(`no room: ${chip.textContent}`);
  }
  return found;
}"""


@pytest.mark.browser
def test_no_word_is_cut_or_covered(blank: Any) -> None:
    """In every picture, by the fonts of this machine."""
    found = {name: blank.evaluate(LAID, [draw_picture(*of), 640]) for name, of in PICTURES.items()}
    assert {name: said for name, said in found.items() if said} == {}
