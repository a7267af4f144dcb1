"""What the documents show is generated, executed or checked."""

from __future__ import annotations

import copy
import re
from pathlib import Path

import nbformat
import pytest

from tests import tables
from tests.notebooks import NOTEBOOKS, clean, compared, execute

ROOT = Path(__file__).parents[2]


def test_the_tables_of_providers_are_current() -> None:
    """`python -m tests.tables` has been run after the last change of a provider."""
    for document in tables.DOCUMENTS:
        text = document.read_text("utf-8")
        assert tables.written(text) == text, document
    for name, row in (
        ("connections.md", "| `openai` |"), ("servers.md", "| Ollama |"),
        ("reference/environment.md", "| `GROQ_API_KEY` |"),
    ):  # fmt: skip
        assert (ROOT / "docs" / name).read_text("utf-8").count(row) == 1


def test_links_and_pictures_of_the_documents_exist() -> None:
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        text = (ROOT / name).read_text("utf-8")
        for target in re.findall(r"\]\(([^)#]+)\)", text):
            if not target.startswith("https://"):
                assert (ROOT / target).exists(), f"{name} leads to {target}"


def test_the_page_of_notebooks_has_each() -> None:
    page = (ROOT / "docs" / "notebooks.md").read_text("utf-8")
    assert [path.name for path in NOTEBOOKS if f"](../notebooks/{path.name})" not in page] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_shows_what_its_cells_say(path: Path) -> None:
    """Run anew it shows what is saved in it, but for times and the like.

    After a change on purpose, `python -m tests.notebooks` saves what is shown now.
    """
    saved = nbformat.read(path, as_version=4)
    nbformat.validate(saved)
    assert clean(copy.deepcopy(saved)) == saved
    for cell, again in zip(saved.cells, execute(path).cells, strict=True):
        shown, now = compared(cell.get("outputs", [])), compared(again.get("outputs", []))
        assert now == shown, f"the cell {cell.id} of {path.name}"


def test_the_pictures_of_the_notebooks_are_there_and_small() -> None:
    """A page that does not run a notebook shows pictures of its panels."""
    used = {
        name
        for path in NOTEBOOKS
        for name in re.findall(r"\]\((pictures/[^)\s]+)\)", path.read_text("utf-8"))
    }
    for name in used:
        assert (ROOT / "notebooks" / name).stat().st_size <= 120_000, name


def test_the_three_cells_of_the_readme_run() -> None:
    """The cells at the top of the README are executed as they stand, in one namespace."""
    readme = (ROOT / "README.md").read_text("utf-8")
    section = readme.split("## The three cells")[1].split("With connections")[0]
    cells = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    assert len(cells) == 3
    namespace: dict[str, object] = {}
    for cell in cells:
        exec(compile(cell, "README.md", "exec"), namespace)  # the README is the fixture
    from llmwidgets.demo import invoices, stop_demo

    stop_demo()
    result = namespace["result"]
    assert len(result) == len(invoices.texts) * len(result.variants)  # type: ignore[arg-type,attr-defined]


def test_the_notebooks_travel_in_the_wheel() -> None:
    """`llmwidgets lab` finds them and their pictures also where there is no repository."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert wheel["sources"] == {"notebooks": "llmwidgets/notebooks"}
    named = {path for each in wheel["include"] for path in ROOT.glob(each.removeprefix("/"))}
    pictures = (ROOT / "notebooks" / "pictures").rglob("*.*")
    assert {*NOTEBOOKS, *pictures} <= named


def test_the_readme_installs_from_the_clone_alone() -> None:
    """No index holds this project yet: what is installed by name is looked for in vain."""
    readme = (ROOT / "README.md").read_text("utf-8")
    lines = [
        line
        for block in re.findall(r"```sh\n(.*?)```", readme, re.DOTALL)
        for line in block.splitlines()
    ]
    installs = [line for line in lines if "pip install" in line]
    assert installs
    assert all(re.search(r'pip install (-e )?"?\.(\[\w+\])?"?$', line) for line in installs)
    made = re.findall(r"^([a-z]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert {line.split()[1] for line in lines if line.startswith("make ")} <= set(made)
    shown = {line.split()[1] for line in lines if line.startswith("llmwidgets ")}
    assert shown <= {"demo", "lab", "compare", "connections", "doctor", "scan", "journal"}


def test_no_hint_installs_the_project_by_its_name() -> None:
    for path in (ROOT / "llmwidgets").rglob("*.py"):
        assert not re.search(r"pip install [^.\n]*llmwidgets", path.read_text("utf-8")), path
