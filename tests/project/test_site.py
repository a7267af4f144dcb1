"""The documentation site: it builds without a warning or a network, and leads nowhere in vain."""

from __future__ import annotations

import dataclasses
import inspect
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import unquote, urldefrag

import pytest
from sphinx.util.inventory import InventoryFile

import llmwidgets as lw
from llmwidgets import errors

ROOT = Path(__file__).parents[2]
PANELS = {
    "ConnectionPanel": {"store"},
    "ConnectionForm": {"store", "connection"},
    "ComparisonPanel": {"schema", "texts", "truth", "comparison", "code", "stop"},
}
"""What a panel has for its user: the rest is the page's."""


class Page(NamedTuple):
    """What a built page loads, where its links lead, and where others can lead into it."""

    loads: list[str]
    links: list[str]
    anchors: set[str]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.page = Page([], [], set())

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        found = dict(attributes)
        if name := found.get("id"):
            self.page.anchors.add(name)
        if tag in ("script", "img", "iframe", "source") and (source := found.get("src")):
            self.page.loads.append(source)
        if tag == "link" and found.get("rel") not in ("canonical",) and (at := found.get("href")):
            self.page.loads.append(at)
        if tag == "a" and (at := found.get("href")):
            self.page.links.append(at)


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Built as `make docs` builds it; a proxy that is not there keeps it from any network."""
    built = tmp_path_factory.mktemp("site")
    nowhere = {f"{each}_proxy": "http://127.0.0.1:9" for each in ("http", "https", "all")}
    done = subprocess.run(
        [
            sys.executable, "-m", "sphinx", "-W", "-n", "--keep-going", "-q", "-b", "html",
            "-d", str(built / "doctrees"), str(ROOT / "docs"), str(built / "html"),
        ],
        capture_output=True, text=True, check=False, env={**os.environ, **nowhere},
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")
    return built / "html"


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    read = {}
    for path in site.rglob("*.html"):
        reader = _Reader()
        reader.feed(path.read_text("utf-8"))
        read[path] = reader.page
    return read


@pytest.fixture(scope="module")
def documented(site: Path) -> set[str]:
    """Every name of Python that the reference has."""
    inventory = InventoryFile.loads((site / "objects.inv").read_bytes(), uri="")
    return {
        name for kind, names in inventory.data.items() if kind.startswith("py:") for name in names
    }


def test_a_page_loads_nothing_from_elsewhere(site: Path, pages: dict[Path, Page]) -> None:
    assert len(pages) > 40
    for path, page in pages.items():
        for source in page.loads:
            assert not re.match(r"(https?:)?//", source), (path, source)
    for style in site.rglob("*.css"):
        assert not re.search(r"(url\(|@import)\s*['\"]?https?:", style.read_text("utf-8")), style


def test_every_link_and_anchor_within_the_site_leads_somewhere(
    site: Path, pages: dict[Path, Page]
) -> None:
    checked = 0
    for path, page in pages.items():
        for link in (*page.links, *page.loads):
            if re.match(r"[a-z]+:", link):
                continue
            address, anchor = urldefrag(link)
            name = unquote(address.split("?")[0])
            target = (path.parent / name).resolve() if name else path
            assert target.exists(), f"{path.relative_to(site)} leads to {link}"
            if anchor and target in pages:
                assert unquote(anchor) in pages[target].anchors, f"{path}: {link}"
            checked += 1
    assert checked > 1000


def members(name: str) -> Iterator[tuple[str, Any]]:
    """The public members of a public class, as its user has them."""
    kind = getattr(lw, name)
    values = dataclasses.fields(kind) if dataclasses.is_dataclass(kind) else ()
    fields = [each.name for each in values]
    for member in {*dir(kind), *fields}:
        if not member.startswith("_") and (name not in PANELS or member in PANELS[name]):
            yield member, inspect.getattr_static(kind, member, None)


def public() -> Iterator[tuple[str, Any]]:
    """Every public name and member, the errors too, with what can bear a docstring."""
    for name in lw.__all__:
        value = getattr(lw, name)
        if callable(value):
            yield f"llmwidgets.{name}", value
        if inspect.isclass(value):
            for member, found in members(name):
                yield f"llmwidgets.{name}.{member}", found
    for name in ("LLMWidgetsError", "StoreError", "FieldError", "PolicyError", "Failure"):
        yield f"llmwidgets.errors.{name}", getattr(errors, name)


def test_every_public_name_is_in_the_reference(site: Path, documented: set[str]) -> None:
    names = {name for name, _ in public()}
    assert sum(name.startswith("llmwidgets.Comparison.") for name in names) >= 43
    assert names - documented == set()
    listed = (site / "reference" / "index.html").read_text("utf-8")
    assert [name for name in lw.__all__ if f"lw.{name}" not in listed] == []


def test_everything_in_the_reference_says_what_it_is(site: Path) -> None:
    """A name alone, with nothing below it, tells nobody anything."""
    bare = re.compile(r'<dt [^>]*id="([^"]+)">(?:(?!</dt>).)*</dt>\s*<dd>\s*</dd>', re.DOTALL)
    pages = sorted((site / "reference").glob("*.html"))
    empty = [name for path in pages for name in bare.findall(path.read_text("utf-8"))]
    assert empty == []


def test_what_is_listed_from_the_code_is_there(site: Path) -> None:
    """Commands, codes and causes stand where the page has a comment for them."""
    commands = (site / "reference" / "command_line.html").read_text("utf-8")
    for command in ("compare", "connections", "doctor", "journal"):
        assert f'id="llmwidgets-{command}"' in commands
    assert "--not-worse-than" in commands
    codes = (site / "reference" / "errors.html").read_text("utf-8")
    assert [code for code in errors.FailureCode if f">{code.split()[0]}<" not in codes] == []
    assert "Something answers at" in (site / "errors.html").read_text("utf-8")


def test_a_docstring_names_what_its_function_raises() -> None:
    """Each error that a public function raises itself is in its docstring."""
    silent = []
    for name, value in public():
        function = getattr(value, "fget", value)
        function = getattr(function, "__func__", function)
        if not inspect.isfunction(function):
            continue
        raised = set(re.findall(r"raise (\w+)\(", inspect.getsource(function)))
        said = f"{inspect.getdoc(function)}"
        for error in raised:
            kind = getattr(errors, error, None)
            if kind and not any(each.__name__ in said for each in kind.__mro__):
                silent.append(f"{name}: {error}")
    assert silent == []


def test_the_page_of_errors_has_every_error_with_cause_and_cure() -> None:
    text = (ROOT / "docs" / "errors.md").read_text("utf-8")
    rows = re.findall(r"^\| `(\w+)` \|(.*)\|$", text, re.MULTILINE)
    classes = {
        name for name, value in vars(errors).items()
        if inspect.isclass(value) and issubclass(value, errors.LLMWidgetsError)
    }  # fmt: skip
    groups = {"Failure", "CallError", "ReplyError", "NotAsked"}
    assert sorted(name for name, _ in rows) == sorted(classes - groups)
    for name, row in rows:
        cells = [cell.strip() for cell in row.split("|")]
        assert len(cells) == 3, name
        assert all(cells) or name == "LLMWidgetsError", name
    assert all(f"`{name}`" in text for name in groups)


def test_the_pages_of_variables_name_each_that_is_read() -> None:
    text = (ROOT / "docs" / "reference" / "environment.md").read_text("utf-8")
    code = "".join(path.read_text("utf-8") for path in (ROOT / "llmwidgets").rglob("*.py"))
    own = set(re.findall(r"\bLLMWIDGETS_[A-Z_]+[A-Z]\b", code))
    assert own
    assert {name for name in own if f"`{name}`" not in text} == set()
