"""The pictures of where things are found, as files: `python -m tests.portals` writes them."""

from __future__ import annotations

from pathlib import Path

from llmwidgets.widgets.connection.portal_drawing import all_pictures, draw_picture

FOLDER = Path(__file__).parents[1] / "notebooks" / "pictures" / "portals"


def drawn() -> dict[str, str]:
    """Every picture by the name of its file."""
    return {f"{name}.svg": draw_picture(*named) for name, named in all_pictures().items()}


def main() -> None:
    """Write every picture, and remove those that nobody draws."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    pictures = drawn()
    for old in FOLDER.glob("*.svg"):
        if old.name not in pictures:
            old.unlink()
    for name, svg in pictures.items():
        (FOLDER / name).write_text(svg, "utf-8")


if __name__ == "__main__":
    main()
