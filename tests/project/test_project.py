"""What holds for the project as a whole: layout, lint, types, cost of import, public names."""

from __future__ import annotations

import ast
import os
import re
import subprocess
import sys
from collections import Counter
from inspect import getattr_static
from pathlib import Path
from types import FunctionType

import pytest

import llmwidgets
from tests.type_checks import check_types, checks_types

ROOT = Path(__file__).parents[2]

# Loaded on first use only: `import llmwidgets` must not pay for them.
HEAVY = (
    "pandas", "numpy", "aiohttp", "httpx", "google.auth", "genai_prices", "ipywidgets",
    "anywidget", "cryptography", "pydantic", "jsonschema_rs", "rapidfuzz", "rich", "IPython",
)  # fmt: skip


def run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def test_import_loads_nothing_heavy() -> None:
    """`import llmwidgets` loads none of the packages that only some uses need."""
    code = f"import sys, llmwidgets; print([m for m in {HEAVY!r} if m in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"


def test_public_names_load() -> None:
    """Every name of the contract is there, and no other."""
    assert set(llmwidgets.__all__) == {
        "Connection", "Store", "ConnectionForm", "ConnectionPanel", "ComparisonPanel",
        "Comparison", "Variant", "PROVIDERS", "compare", "extract", "estimate", "check",
        "start_demo", "load", "errors", "__version__",
    }  # fmt: skip
    for name in llmwidgets.__all__:
        assert getattr(llmwidgets, name) is not None
    with pytest.raises(AttributeError, match="llmwidgets has no nonsense"):
        llmwidgets.nonsense  # noqa: B018


def test_a_wrong_call_names_the_method() -> None:
    """Also where another module wrote it: nobody knows `verdict_of` who called `verdict`."""
    for kind in (getattr(llmwidgets, name) for name in llmwidgets.__all__):
        if not isinstance(kind, type):
            continue
        names = {f"{base.__name__}.{name}" for base in kind.__mro__ for name in vars(base)}
        methods = [getattr_static(kind, name) for name in dir(kind) if not name.startswith("_")]
        named = {each.__qualname__ for each in methods if isinstance(each, FunctionType)}
        assert named - names == set()


def test_imports_go_one_way() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports"), "--no-cache"],
        cwd=ROOT, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout


@pytest.mark.parametrize("words", [("check",), ("format", "--check")], ids=["lint", "format"])
def test_ruff(words: tuple[str, ...]) -> None:
    done = run("ruff", *words, "llmwidgets", "tests", "benchmarks")
    assert done.returncode == 0, done.stdout + done.stderr


@checks_types
def test_types() -> None:
    check_types()


def test_no_file_and_no_folder_of_the_package_is_too_large_to_read() -> None:
    """At most 600 lines a file and 16 files of code a folder, the page's sources included."""
    sources = [
        path
        for suffix in ("*.py", "*.ts", "*.tsx")
        for path in (ROOT / "llmwidgets").rglob(suffix)
        if "node_modules" not in path.parts
    ]
    long = [path.name for path in sources if len(path.read_text("utf-8").splitlines()) > 600]
    full = [folder for folder, n in Counter(path.parent for path in sources).items() if n > 16]
    assert (long, full) == ([], [])


def test_only_the_doors_open_secrets() -> None:
    """`reveal` is called by the transport, the token exchange, the sealed store, the search for
    keys in files, the two named exits, and what shows a new recovery identity once, alone."""
    openers = set()
    for path in (ROOT / "llmwidgets").rglob("*.py"):
        tree = ast.parse(path.read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Attribute) and node.attr == "reveal":
                openers.add(path.relative_to(ROOT / "llmwidgets").as_posix())
    assert openers == {
        "secret.py",
        "connections/connection.py",
        "known_keys.py",
        "connections/sdk_export.py",
        "store/identity_sources.py",
        "store/age.py",
        "store/document.py",
        "engine/network/sign_in/google_credentials.py",
        "engine/network/sign_in/tokens.py",
        "engine/network/transport.py",
        "widgets/secret_field.py",
    }


def test_no_revealed_secret_gets_a_name() -> None:
    """What `reveal` returns is used inside its expression: a local would show in a traceback."""
    for path in (ROOT / "llmwidgets").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Assign | ast.AnnAssign | ast.NamedExpr):
                value = node.value
                direct = isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute)
                assert not (direct and value.func.attr == "reveal"), f"{path}:{node.lineno}"


def test_the_project_speaks_of_itself_alone() -> None:
    """No path of a machine and no unfinished mark stands in a tracked file."""
    tracked = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.splitlines()
    path_of_a_machine = re.compile(r"(?<![\w.])/(?:root|home/\w+|Users/\w+)/\w")
    mark = re.compile(r"\b(?:TODO|FIXME|XXX)\b")
    found = []
    for name in tracked:
        if Path(name).suffix in {".png", ".svg"} or not (ROOT / name).is_file():
            continue
        text = (ROOT / name).read_text("utf-8")
        if path_of_a_machine.search(text):
            found.append(f"{name}: a path of a machine")
        if name.startswith("llmwidgets/") and mark.search(text):
            found.append(f"{name}: an unfinished mark")
    assert found == []
