"""The picture of docs/architecture.md, drawn from the import graph: `python -m tests.architecture`.

A box is a package or a module of the top level, in the order in which imports go: what it is for,
its modules, and what it imports. An arc at the right is an import that no chain of others implies.
"""

from __future__ import annotations

import ast
import textwrap
import tomllib
from html import escape
from pathlib import Path

import grimp

ROOT = Path(__file__).parent.parent
PICTURE = ROOT / "docs" / "architecture.svg"
PACKAGE = "llmwidgets"
WIDTH, LEFT, RIGHT, GAP, LINE = 960, 20, 700, 14, 17
LETTERS = 92


def layers() -> list[str]:
    """The layers of the import contract, the highest first."""
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    contracts = settings["tool"]["importlinter"]["contracts"]
    return next(each["layers"] for each in contracts if each["type"] == "layers")


def dependencies(names: list[str]) -> set[tuple[str, str]]:
    """Which layer imports which at run time."""
    graph = grimp.build_graph(PACKAGE, exclude_type_checking_imports=True)
    found = set()
    for module in graph.modules:
        for imported in graph.find_modules_directly_imported_by(module):
            ends = [name.split(".")[1:2] for name in (module, imported)]
            if all(ends) and ends[0] != ends[1]:
                found.add((ends[0][0], ends[1][0]))
    return {(one, other) for one, other in found if one in names and other in names}


def reduced(pairs: set[tuple[str, str]]) -> set[tuple[str, str]]:
    """The pairs without those that lead through a third: the arcs worth drawing."""

    def below(name: str) -> set[str]:
        direct = {other for one, other in pairs if one == name}
        return direct.union(*map(below, direct))

    beyond = {
        name: set().union(*(below(other) for one, other in pairs if one == name))
        for name, _ in pairs
    }
    return {(one, other) for one, other in pairs if other not in beyond[one]}


def job(name: str) -> str:
    """The first sentence of a package's docstring."""
    folder = ROOT / PACKAGE / name
    file = folder / "__init__.py" if folder.is_dir() else folder.with_suffix(".py")
    return (ast.get_docstring(ast.parse(file.read_text("utf-8"))) or "").split("\n")[0]


def modules(name: str) -> list[str]:
    """The modules of a package; those of a folder in it under the folder's name."""
    folder = ROOT / PACKAGE / name
    if not folder.is_dir():
        return []
    named = [each.stem for each in sorted(folder.glob("*.py")) if each.stem != "__init__"]
    for inner in sorted(each.parent for each in folder.glob("*/__init__.py")):
        stems = [each.stem for each in sorted(inner.glob("*.py")) if each.stem != "__init__"]
        named.append(f"{inner.name}/ ({', '.join(stems)})")
    return named


def draw() -> str:
    """The picture as SVG; the same tree gives the same text."""
    names = layers()
    pairs = dependencies(names)
    boxes, parts, top = {}, [], 20
    for name in names:
        words = textwrap.wrap(" · ".join(modules(name)), LETTERS)
        imported = [each for each in names if (name, each) in pairs]
        words += textwrap.wrap(f"→ {', '.join(imported)}", LETTERS) if imported else []
        height = LINE * (2 + len(words)) + 10
        boxes[name] = (top, height)
        parts.append(
            f'<rect x="{LEFT}" y="{top}" width="{RIGHT - LEFT}" height="{height}" rx="6" '
            'class="box"/>'
        )
        title = f"{name}/" if (ROOT / PACKAGE / name).is_dir() else f"{name}.py"
        lines = [(title, "name"), (job(name), "job"), *((each, "files") for each in words)]
        for number, (text, kind) in enumerate(lines, start=1):
            parts.append(
                f'<text x="{LEFT + 12}" y="{top + LINE * number}" class="{kind}">'
                f"{escape(text)}</text>"
            )
        top += height + GAP
    for one, other in sorted(reduced(pairs)):
        start, end = (boxes[each][0] + boxes[each][1] / 2 for each in (one, other))
        bulge = RIGHT + 20 + min((end - start) * 0.28, 230)
        parts.append(
            f'<path d="M{RIGHT} {start:.0f} C{bulge:.0f} {start:.0f} {bulge:.0f} {end:.0f} '
            f'{RIGHT} {end:.0f}" class="arc" marker-end="url(#head)"/>'
        )
    return _page(parts, top)


def _page(parts: list[str], height: int) -> str:
    style = (
        "text{font:12px system-ui,sans-serif;fill:#24292f}.name{font-weight:600;font-size:13px}"
        ".job{fill:#57606a}.files{font-family:ui-monospace,monospace;font-size:11px}"
        ".box{fill:#f6f8fa;stroke:#8c959f}.arc{fill:none;stroke:#0969da;opacity:.45}"
        "#head path{fill:#0969da}"
        "@media(prefers-color-scheme:dark){text{fill:#e6edf3}.job{fill:#9198a1}"
        ".box{fill:#161b22;stroke:#6e7681}.arc{stroke:#4493f8}#head path{fill:#4493f8}}"
    )
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img">',
            "<title>The packages of llmwidgets, and which imports which</title>",
            f"<style>{style}</style>",
            '<defs><marker id="head" viewBox="0 0 8 8" refX="7" refY="4" markerWidth="7" '
            'markerHeight="7" orient="auto"><path d="M0 0L8 4L0 8z"/></marker></defs>',
            *parts,
            "</svg>\n",
        ]
    )


if __name__ == "__main__":
    PICTURE.write_text(draw(), "utf-8")
