"""What a release is made from fits together: version, lock, workflows, citation, pages."""

from __future__ import annotations

import re
from importlib import metadata
from pathlib import Path

import pytest
import yaml

import llmwidgets
from tests.release.check import AWAY_FROM_THE_TREE
from tests.release.lock import (
    EXTRAS,
    LOCK,
    RUNTIME,
    find_misfits,
    read_pins,
    read_project,
    read_python,
    requirements,
)

ROOT = Path(__file__).parents[2]
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))


def test_the_version_has_one_place() -> None:
    """The package says it; what is built and what is cited take it from there."""
    project = read_project()
    assert "version" not in project["project"]
    assert project["tool"]["hatch"]["version"] == {"path": "llmwidgets/__init__.py"}
    assert metadata.version("llmwidgets") == llmwidgets.__version__
    assert f"## {llmwidgets.__version__}" in (ROOT / "CHANGELOG.md").read_text("utf-8")


def test_the_lock_has_what_pyproject_asks_for() -> None:
    """`make lock` writes it again where this fails."""
    wanted = list(requirements(read_project()))
    assert len(wanted) > 25
    assert find_misfits(wanted, read_pins(LOCK.read_text("utf-8"))) == []


def test_a_lock_that_does_not_fit_is_noticed() -> None:
    pins = read_pins("A_b==1.2 \\\n    --hash=sha256:0\nzope.x==3\n")
    assert pins == {"a-b": "1.2", "zope-x": "3"}
    found = find_misfits(requirements(read_project()), pins | {"pandas": "1.5", "numpy": "2.9"})
    assert "pandas>=2.2: 1.5" in found
    assert "hatchling>=1.27: not there" in found
    assert not [each for each in found if each.startswith("numpy")]


def test_every_package_of_the_lock_has_a_hash_and_no_address() -> None:
    text = LOCK.read_text("utf-8")
    pins = re.findall(r"^\S+==.*(?:\\\n    --hash=sha256:[0-9a-f]{64} ?)+$", text, re.MULTILINE)
    assert len(pins) == len(re.findall(r"^[^#\s]", text, re.MULTILINE)) > 60
    assert "://" not in text


def test_binder_installs_the_project_over_its_lock() -> None:
    """repo2docker installs the lock before the repository is there; postBuild adds the project."""
    text = (ROOT / "binder" / "postBuild").read_text("utf-8")
    assert "--no-deps --no-index --no-build-isolation ." in text
    assert (ROOT / "binder" / "postBuild").stat().st_mode & 0o111
    assert re.fullmatch(r"python-3\.1[1-9]\n", RUNTIME.read_text("utf-8"))
    assert {"lab", "dask"} <= set(EXTRAS)


def test_the_classifiers_name_what_is_tried() -> None:
    """No system that only a workflow is written for; each Python that the matrix has."""
    project = read_project()["project"]
    systems = [each for each in project["classifiers"] if each.startswith("Operating System")]
    assert systems == ["Operating System :: POSIX :: Linux"]
    pythons = re.findall(r"Python :: (3\.\d+)", "\n".join(project["classifiers"]))
    matrix = _load("ci.yml")["jobs"]["systems"]["strategy"]["matrix"]
    assert matrix["python"] == [pythons[0], pythons[-1]]
    assert project["requires-python"] == f">={pythons[0]}"
    assert read_python() in pythons


def _load(name: str):
    # YAML 1.1 reads the key `on` as a truth.
    return yaml.safe_load((ROOT / ".github" / "workflows" / name).read_text("utf-8"))


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_a_workflow_is_valid_and_pinned(path: Path) -> None:
    """Each job runs somewhere, each step does one thing, each action is that of one major."""
    workflow = _load(path.name)
    assert set(workflow) == {"name", True, "permissions", "jobs"}
    assert set(workflow[True]) == {"push", "pull_request"}
    assert workflow["permissions"] == {"contents": "read"}
    for job in workflow["jobs"].values():
        assert job["runs-on"]
        assert job["timeout-minutes"] <= 60
        for step in job["steps"]:
            assert len({"uses", "run"} & set(step)) == 1
            assert re.fullmatch(r"actions/[\w-]+@v\d+", step.get("uses", "actions/checkout@v1"))


def test_the_three_systems_are_tested_without_make() -> None:
    """On each: unit, store and command line, as they are tried over an installed wheel."""
    job = _load("ci.yml")["jobs"]["systems"]
    systems = {each.partition("-")[0] for each in job["strategy"]["matrix"]["os"]}
    assert systems == {"ubuntu", "macos", "windows"}
    commands = [step["run"] for step in job["steps"] if "run" in step]
    assert not [each for each in commands if re.search(r"\bmake\b|\bbash\b|&&", each)]
    tests = {f"tests/{each}" for each in AWAY_FROM_THE_TREE}
    assert set(re.findall(r"tests/\w+", commands[-1])) == tests
    assert all((ROOT / each).is_dir() for each in tests)


def test_the_citation_can_be_read() -> None:
    """With what the format requires, and no version that would have to be kept up."""
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text("utf-8"))
    project = read_project()["project"]
    assert {"cff-version", "message", "title", "authors"} <= set(citation)
    assert (citation["title"], citation["license"]) == (project["name"], project["license"])
    assert citation["repository-code"] == project["urls"]["Repository"]
    assert citation["keywords"] == project["keywords"]
    assert "version" not in citation


def test_the_page_about_installation_promises_what_is_there() -> None:
    """Its extras, its commands, and no installation by the name alone."""
    text = (ROOT / "docs" / "installation.md").read_text("utf-8")
    project = read_project()["project"]
    table = text.partition("| extra | for |")[2].partition("\n\n")[0]
    extras = project["optional-dependencies"].keys() - {"test", "docs", "release"}
    named = [row.split("|")[1] for row in table.splitlines() if row.startswith("| `")]
    assert set(re.findall(r"`(\w+)`", " ".join(named))) == extras
    installs = re.findall(r'pip install "?([^"\n`]+)', text)
    assert not [each for each in installs if re.fullmatch(r"llmwidgets(\[\w+\])?", each.strip())]
    assert f'{project["urls"]["Repository"]}"' in text
    assert f"llmwidgets-{llmwidgets.__version__}-py3" in text
    made = re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
    assert set(re.findall(r"`make ([a-z-]+)", text)) <= set(made)
