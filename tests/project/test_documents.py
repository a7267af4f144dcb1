"""What the documents show is generated, executed or checked."""

from __future__ import annotations

import importlib.util
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def _load(name: str, path: Path):
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_provider_table_of_the_readme_is_current() -> None:
    """`python -m tests.readme` has been run after the last change of a provider."""
    readme = _load("readme", ROOT / "tests" / "readme.py")
    text = (ROOT / "README.md").read_text("utf-8")
    assert readme.written(text) == text
    assert text.count("| `openai` |") == 1
    servers = (ROOT / "docs" / "servers.md").read_text("utf-8")
    assert readme.written(servers) == servers
    assert servers.count("| Ollama |") == 1


def test_links_and_pictures_of_the_documents_exist() -> None:
    for name in ("README.md", "CONTRIBUTING.md", "CHANGELOG.md"):
        text = (ROOT / name).read_text("utf-8")
        for target in re.findall(r"\]\(([^)#]+)\)", text):
            if not target.startswith("https://"):
                assert (ROOT / target).exists(), f"{name} leads to {target}"


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_is_kept_without_outputs(path: Path) -> None:
    """Outputs are made where the notebook is run; the repository keeps none."""
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    for cell in notebook.cells:
        assert cell.get("outputs", []) == []
        assert cell.get("execution_count") is None
    assert "widgets" not in notebook.metadata


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_from_top_to_bottom(path: Path, tmp_path: Path) -> None:
    """nbval executes every cell in a real kernel, without a key."""
    copy = tmp_path / path.name
    shutil.copy(path, copy)
    done = subprocess.run(
        [
            sys.executable, "-m", "pytest", "--nbval-lax", "--nbval-current-env",
            "--nbval-cell-timeout", "120", "-q", "-p", "no:cacheprovider", "-c", "/dev/null",
            "--rootdir", str(tmp_path), str(copy),
        ],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:]
    assert re.search(r"\d+ passed", done.stdout)


def test_the_three_cells_of_the_readme_run() -> None:
    """The cells at the top of the README are executed as they stand, in one namespace."""
    readme = (ROOT / "README.md").read_text("utf-8")
    section = readme.split("## The three cells")[1].split("With connections")[0]
    cells = re.findall(r"```python\n(.*?)```", section, re.DOTALL)
    assert len(cells) == 3
    namespace: dict[str, object] = {}
    for cell in cells:
        exec(compile(cell, "README.md", "exec"), namespace)  # the README is the fixture
    from llmwidgets.demo import stop_demo

    stop_demo()
    result = namespace["result"]
    assert len(result) == 8 * len(result.variants)  # type: ignore[arg-type,attr-defined]


def test_the_notebook_travels_in_the_wheel() -> None:
    """`llmwidgets lab` finds its notebook also where there is no repository."""
    import tomllib

    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    included = project["tool"]["hatch"]["build"]["targets"]["wheel"]["force-include"]
    for source, target in included.items():
        assert (ROOT / source).is_file()
        assert target == f"llmwidgets/{source}"
    assert json.dumps(included).count(".ipynb") == len(NOTEBOOKS) * 2


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
