"""What runs in the process that reads PDFs: each line of input is a path, each of output its pages.

Python runs this file by its path, with its own library and pypdfium2 to import from and no other
package: so it starts in a twentieth of a second, and loads nothing that lies about.
"""

from __future__ import annotations

import json
import math
import os
import re
import sys
from collections import Counter
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

from pypdfium2 import PdfDocument, PdfiumError, PdfPage, PdfTextPage, raw

_MOST_PAGES, _MOST_CHARACTERS = 5_000, 20_000_000
_FEW = 80
"""A page with fewer characters on a picture has them from a stamp, not from a text layer."""

_COVERED, _SHOWN = 0.5, 0.1
"""From these shares on, pictures are what is on a page with few letters, and with none."""

_HYPHEN = "\ufffe"
"""A hyphen and a line end, as pdfium writes them, or a letter that it does not know.

Both stay: whether the hyphen belongs to the word (well-known) is for whoever reads on.
"""

_BREAK = re.compile(f"\r\n|{_HYPHEN}")
_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f\uffff]")
_BLANKS_AT_LINE_ENDS = re.compile(r"[^\S\n]+$", re.MULTILINE)


def main() -> None:
    """Answer line by line, until there is no more input."""
    cpu_seconds, memory = map(int, sys.argv[1:])
    _limit_memory(memory)
    _say({})
    for line in sys.stdin.buffer:
        _limit_time(cpu_seconds)
        try:
            answer = read(os.fsdecode(bytes.fromhex(line.decode())))
        except MemoryError:
            answer = {"problem": "memory"}
        _say(answer)


def _say(answer: dict[str, Any]) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _limit_memory(most: int) -> None:
    """No more memory, no files written, no core dump with a document in it; not on Windows."""
    with suppress(ImportError):
        import resource

        limits = ("RLIMIT_AS", most), ("RLIMIT_FSIZE", 0), ("RLIMIT_CORE", 0)
        for name, value in limits:
            with suppress(AttributeError, OSError, ValueError):
                resource.setrlimit(getattr(resource, name), (value, value))


def _limit_time(seconds: int) -> None:
    """End this process once it has worked for so long from now on; not on Windows."""
    with suppress(ImportError, OSError, ValueError):
        import resource

        used = resource.getrusage(resource.RUSAGE_SELF)
        until = math.ceil(used.ru_utime + used.ru_stime) + seconds
        resource.setrlimit(resource.RLIMIT_CPU, (until, resource.getrlimit(resource.RLIMIT_CPU)[1]))


def read(path: str) -> dict[str, Any]:
    """The text of each page, or what is wrong with the file: a code, and what belongs to it."""
    try:
        with open(path, "rb") as file:
            content = file.read()
    except OSError as error:
        return {"problem": "unreadable", "why": error.strerror or type(error).__name__}
    if b"%PDF-" not in content[:1024]:
        return {"problem": "not a PDF" if content else "empty"}
    opened = raw.FPDF_LoadMemDocument64(content, len(content), None)
    if not opened:
        locked = raw.FPDF_GetLastError() in (raw.FPDF_ERR_PASSWORD, raw.FPDF_ERR_SECURITY)
        return {"problem": "password" if locked else "damaged"}
    with PdfDocument(opened) as document:
        try:
            return _read_pages(document)
        except PdfiumError:
            return {"problem": "damaged"}


def _read_pages(document: PdfDocument) -> dict[str, Any]:
    number = len(document)
    if not 0 < number <= _MOST_PAGES:
        problem = "pages" if number else "no pages"
        return {"problem": problem, "count": number, "most": _MOST_PAGES}
    document.init_forms()
    pages: list[str] = []
    scanned = []
    for at in range(number):
        text, is_scanned = _read_page(document, at)
        pages.append(text)
        if is_scanned:
            scanned.append(at + 1)
        if sum(map(len, pages)) > _MOST_CHARACTERS:
            return {"problem": "characters", "most": _MOST_CHARACTERS}
    if scanned:
        problem = "scan" if len(scanned) == number else "part scan"
        return {"problem": problem, "scanned": scanned, "count": number}
    return {"pages": pages} if any(pages) else {"problem": "no text"}


def _read_page(document: PdfDocument, at: int) -> tuple[str, bool]:
    """The text of a page, and whether the page is a picture without a text layer."""
    page = document[at]
    # What was typed into a form, or put on a page later, is not in its text otherwise.
    if raw.FPDFPage_GetAnnotCount(page):
        raw.FPDFPage_Flatten(page, raw.FLAT_NORMALDISPLAY)
        page.close()
        page = document[at]
    shown = page.get_textpage()
    letters = _sample(shown)
    if (upright := _upright(shown, letters)) not in {None, page.get_rotation()}:
        page.set_rotation(upright)
        shown = page.get_textpage()
    text = _read_text(shown, page.get_rotation())
    few = len(text) < _FEW and _is_picture(page, _COVERED if text else _SHOWN)
    unreadable = 2 * sum(_has_no_meaning(shown, each) for each in letters) > len(letters)
    page.close()
    return text, few or unreadable


def _sample(shown: PdfTextPage) -> list[int]:
    """The places of some letters of a page, evenly spread."""
    number = shown.count_chars()
    places = range(0, number, number // 50 + 1)
    return [at for at in places if not raw.FPDFText_IsGenerated(shown, at)]


def _has_no_meaning(shown: PdfTextPage, at: int) -> bool:
    """Whether a font does not say which letter it draws."""
    private = 0xE000 <= raw.FPDFText_GetUnicode(shown, at) <= 0xF8FF
    return private or bool(raw.FPDFText_HasUnicodeMapError(shown, at) == 1)


def _upright(shown: PdfTextPage, letters: list[int]) -> int | None:
    """How a page is turned so that most of its letters stand upright; None if it has none."""
    angles = Counter(
        round(math.degrees(raw.FPDFText_GetCharAngle(shown, at))) % 360 for at in letters
    )
    common = max(angles, key=lambda each: angles[each], default=None)
    return None if common is None or common % 90 else -common % 360


def _read_text(shown: PdfTextPage, turned: int) -> str:
    """The text of a page without controls, so that form feeds can begin the pages."""

    def read(match: re.Match[str]) -> str:
        at = raw.FPDFText_GetCharIndexFromTextIndex(shown, match.start())
        if match.group() == _HYPHEN:
            return "-\n" if raw.FPDFText_IsHyphen(shown, at) == 1 else ""
        if not 0 < at < shown.count_chars() - 2:
            return "\n"
        before, after = (
            _as_shown(shown.get_charbox(each, loose=True), turned) for each in (at - 1, at + 2)
        )
        return " " if _follows(before, after) else "\n"

    text = _BREAK.sub(read, shown.get_text_range()).replace("\xad", "-")
    return _BLANKS_AT_LINE_ENDS.sub("", _CONTROLS.sub("", text)).strip()


Box = tuple[float, float, float, float]
"""Left, bottom, right and top."""


def _as_shown(box: Box, turned: int) -> Box:
    """A box of a page as it is on the page that is turned clockwise."""
    left, bottom, right, top = box
    return {
        0: box,
        90: (bottom, -right, top, -left),
        180: (-right, -top, -left, -bottom),
        270: (-top, left, -bottom, right),
    }[turned]


def _follows(one: Box, other: Box) -> bool:
    """Whether one box is to the right of another in its row: a cell, which pdfium breaks off."""
    overlap = min(one[3], other[3]) - max(one[1], other[1])
    return other[0] > one[2] and overlap > min(one[3] - one[1], other[3] - other[1]) / 2 > 0


def _is_picture(page: PdfPage, share: float) -> bool:
    """Whether pictures take up this share of a page, and nobody's OCR has read them."""
    area = sum(
        max(0.0, right - left) * max(0.0, top - bottom)
        for left, bottom, right, top in _pictures(page)
    )
    if area < share * page.get_width() * page.get_height():
        return False
    # What OCR read lies under the picture and is not drawn.
    return not any(
        raw.FPDFTextObj_GetTextRenderMode(each) == raw.FPDF_TEXTRENDERMODE_INVISIBLE
        for each in page.get_objects(filter=[raw.FPDF_PAGEOBJ_TEXT])
    )


def _pictures(page: PdfPage) -> Iterator[tuple[float, float, float, float]]:
    """The bounds of each picture, or of the group that holds it."""
    for item in page.get_objects(max_depth=1):
        inside = (
            page.get_objects(form=item, level=1) if item.type == raw.FPDF_PAGEOBJ_FORM else (item,)
        )
        if any(each.type == raw.FPDF_PAGEOBJ_IMAGE for each in inside):
            yield item.get_bounds()


if __name__ == "__main__":
    main()
