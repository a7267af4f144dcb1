"""The documentation site: `make docs` builds it into build/docs, without a network."""

from __future__ import annotations

import os
import re
from contextlib import redirect_stdout, suppress
from io import StringIO
from typing import TYPE_CHECKING, Any

from docutils import nodes
from sphinx.util import inspect

import llmwidgets
from llmwidgets.cli import main
from llmwidgets.engine.troubleshooting import SYMPTOMS
from llmwidgets.errors import FailureCode

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx

project = "llmwidgets"
copyright = "The llmwidgets developers"  # noqa: A001 (what Sphinx calls it)
version = release = llmwidgets.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
# Pygments stumbles over preact's elements and colours the rest.
suppress_warnings = ["misc.highlighting_failure"]
myst_heading_anchors = 4

html_theme = "furo"
html_title = f"llmwidgets {version}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
# furo's own fonts are those of the system; nothing is fetched from elsewhere.
html_theme_options = {"navigation_with_keys": True}

# In a docstring, `name` is code; where it is the name of something documented it is a link too.
default_role = "py:obj"
autodoc_member_order = "alphabetical"
autodoc_typehints = "none"
smartquotes = False
toc_object_entries_show_parents = "hide"


def show_as_code(
    app: Sphinx, env: Any, node: pending_xref, contnode: nodes.Element
) -> nodes.Element | None:
    """A name in a docstring that is documented nowhere stays code and is no broken link."""
    return contnode if node.get("reftype") == "obj" else None


def read_docstring(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]
) -> None:
    """Make a page of what is plain text in a docstring: code, doctests, names of other pages."""
    read: list[str] = []
    for line in lines:
        begins = line.startswith("    ") and not (read and read[-1])
        if begins and not any(each.startswith("    ") for each in read[-2:]):
            read += ["::", ""]
        read.append(_read_line(line))
    lines[:] = read


def _read_line(line: str) -> str:
    line = re.sub(r"\s*# doctest: \+SKIP$", "", line)
    if line.startswith((" ", ">>>", "...")):
        return line
    line = re.sub(r"\bdocs/([\w/]+)\.md\b", r":doc:`/\1`", line)
    return re.sub(r"(?<![:`\w])`([^`]+)`(?!`)", _read_code, line)


def _read_code(found: re.Match[str]) -> str:
    # Only what can be a name is looked up: `.attrs["notes"]` is code and no more.
    is_name = re.fullmatch(r"[A-Za-z_]\w*(\.\w+)*(\(\))?", found[1])
    return found[0] if is_name else f"``{found[1]}``"


def read_signature(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, signature: str, returns: str
) -> tuple[str, str] | None:
    """A widget's class hides the arguments of its `__init__` behind traitlets' own."""
    if what == "class" and signature == "(*args, **kwargs)":
        own = inspect.signature(obj.__init__, bound_method=True)
        return inspect.stringify_signature(own, show_annotation=False), returns
    return None


def read_page(app: Sphinx, docname: str, source: list[str]) -> None:
    """Lead to pages of the site, not out of docs/; list from the code what a comment names."""
    source[0] = re.sub(r"\]\(((?:\.\./)*)\.\./(\w+)\.md\b", _lead_inside, source[0])
    lists = {"command": _list_commands, "code": _list_codes, "cause": _list_causes}
    for name, each in lists.items():
        place = re.compile(f"<!-- every {name}: .*? -->")
        source[0] = place.sub(lambda _, each=each: "\n".join(each()), source[0])


def _lead_inside(found: re.Match[str]) -> str:
    pages = {"README": "index", "CONTRIBUTING": "contributing", "CHANGELOG": "changelog"}
    page = pages.get(found[2])
    return f"]({found[1]}{page}.md" if page else found[0]


def _list_codes() -> Iterator[str]:
    yield ", ".join(f"`{code}`" for code in FailureCode)


def _list_causes() -> Iterator[str]:
    """A row for each symptom that has a sentence of its own."""
    yield "| class | it says | what to do | fixed by a click |"
    yield "|---|---|---|---|"
    for symptom in SYMPTOMS:
        if re.search(r"\{(message|no_access|unknown_model|key_problem)\}", symptom.sentence):
            continue
        kinds = symptom.error if isinstance(symptom.error, tuple) else (symptom.error,)
        classes = [symptom.status] if symptom.status else [kind.__name__ for kind in kinds]
        named = ", ".join(f"`{name}`" for name in classes)
        sentence, hint = _show_names(symptom.sentence), _show_names(symptom.hint)
        fixed = "yes" if symptom.fixes else ""
        yield f"| {named} | {sentence} | {hint or 'what the hint says'} | {fixed} |"


def _show_names(words: str) -> str:
    """Words with their names in capitals, without what is said in some cases only."""
    words = re.sub(r" ?\{(ending|near|on|step|instead)\}", "", words)
    return re.sub(r"\{(\w+)\}", lambda found: f"`{found[1].upper()}`", words).strip()


def _list_commands(*command: str) -> Iterator[str]:
    """What a command prints with `--help`, then each of the commands that it has below it."""
    os.environ["COLUMNS"] = "79"
    if command:
        yield f"## {' '.join(('llmwidgets', *command))}\n"
    printed = StringIO()
    with redirect_stdout(printed), suppress(SystemExit):
        main([*command, "--help"])  # argparse ends by an exit of its own
    yield f"```text\n{printed.getvalue()}```\n"
    for below in re.findall(r"^    (\w+)(?: |$)", printed.getvalue(), re.MULTILINE):
        yield from _list_commands(*command, below)


def setup(app: Sphinx) -> None:
    app.connect("source-read", read_page)
    app.connect("autodoc-process-signature", read_signature)
    app.connect("missing-reference", show_as_code)
    app.connect("autodoc-process-docstring", read_docstring)
