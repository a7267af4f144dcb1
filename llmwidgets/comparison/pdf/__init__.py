"""PDFs with a text layer as texts."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType

from llmwidgets.errors import FieldError


class PDFReader:
    """Reads one PDF after another."""

    def __enter__(self) -> PDFReader:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        return None

    def read(self, path: Path) -> str:
        """The text of a PDF."""
        return read_pdf(path)


def read_pdf(path: Path) -> str:
    """The text of a PDF."""
    raise FieldError(
        f"{path} is a PDF, not a text.",
        "Turn it into text first: from pypdf import PdfReader; "
        'text = "\\n".join(page.extract_text() for page in PdfReader(path).pages)',
    )
