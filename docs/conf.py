"""The documentation site: `make docs` builds it into build/docs, without a network."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

from docutils import nodes

import llmwidgets

if TYPE_CHECKING:
    from sphinx.addnodes import pending_xref
    from sphinx.application import Sphinx

project = "llmwidgets"
copyright = "The llmwidgets developers"
version = release = llmwidgets.__version__

extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["live.json"]
myst_heading_anchors = 4
# A table of figures has an empty corner, a page may begin below its group.
myst_enable_extensions = ["colon_fence", "fieldlist"]

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
autodoc_preserve_defaults = True
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
    """Make what docstrings say in plain text good for a page: code, doctests, names of pages."""
    lines[:] = [_read_line(line) for line in lines]


def _read_line(line: str) -> str:
    line = re.sub(r"\s*# doctest: \+SKIP$", "", line)
    if line.startswith((" ", ">>>", "...")):
        return line
    line = re.sub(r"\bdocs/(\w+)\.md\b", r":doc:`/\1`", line)
    # Only what can be a name is looked up: `.attrs["notes"]` is code.
    return re.sub(r"(?<![:`\w])`(?![\w.]*`)([^`]+)`(?!`)|(?<![:`\w])`(\.[^`]*)`(?!`)", _code, line)


def _code(found: re.Match[str]) -> str:
    return f"``{found[1] or found[2]}``"


def setup(app: Sphinx) -> None:
    app.connect("missing-reference", show_as_code)
    app.connect("autodoc-process-docstring", read_docstring)
