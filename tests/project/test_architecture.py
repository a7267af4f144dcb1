"""docs/architecture.md: the picture is that of the import graph, and what is named is there."""

from __future__ import annotations

import re

import pytest

from tests.architecture import PICTURE, ROOT, draw

TOPS = ("llmwidgets", "tests", "benchmarks", "docs")
YET_TO_WRITE = {
    "llmwidgets/dialects/plain.py",
    "llmwidgets/providers/acme.py",
    "llmwidgets/widgets/comparison/lengths.py",
}
"""What the pages have their reader write."""
PAGES = ("docs/architecture.md", "CONTRIBUTING.md")


def test_the_picture_is_drawn_from_the_import_graph() -> None:
    """`python -m tests.architecture` draws it again."""
    assert PICTURE.read_text("utf-8") == draw()


@pytest.mark.parametrize("page", PAGES)
def test_every_file_that_a_page_names_is_there(page: str) -> None:
    text = (ROOT / page).read_text("utf-8")
    named = set(re.findall(r"`([a-z_]+(?:/[a-z_]+)*\.py)`", text))
    ours = [f"/{each.relative_to(ROOT)}" for top in TOPS for each in (ROOT / top).rglob("*.py")]
    missing = [name for name in named if not any(each.endswith(f"/{name}") for each in ours)]
    assert named
    assert set(missing) <= YET_TO_WRITE


def test_the_glossary_is_short() -> None:
    """At most 25 words: who has to learn more learns none."""
    text = (ROOT / "CONTRIBUTING.md").read_text("utf-8")
    table = text.partition("| word | means |\n|---|---|\n")[2].partition("\n\n")[0]
    assert 15 <= table.count("\n") + 1 <= 25
