"""What runs in the process that reads PDFs: each line of input is a path, each of output its pages.

Python runs this file by its path, with nothing to import from but its own library and the one
folder that is named: it starts in a twentieth of a second and loads nothing that lies about.
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

MOST_PAGES = 5_000
MOST_CHARACTERS = 20_000_000
_FEW = 80
"""A page with fewer characters on a picture has them from a stamp, not from a text layer."""

_COVERED = 0.5
"""From this share of a page on, pictures are what is on it."""

_HYPHEN_AND_LINE_END = re.compile("[\ufffe\x02]")
"""How pdfium writes both; which hyphens belong to the word is not known here."""

_CONTROLS = re.compile("[\x00-\x08\x0b-\x1f\x7f\uffff]")
_UNREADABLE = re.compile("[\ue000-\uf8ff\ufffd]")
_BLANKS_AT_LINE_ENDS = re.compile(r"[^\S\n]+$", re.MULTILINE)


def main() -> None:
    """Answer line by line, until there is no more input."""
    site_packages, cpu_seconds, memory = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    sys.path.append(site_packages)
    import pypdfium2  # noqa: F401 - whether it can be loaded is known before the first file

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
    from pypdfium2 import PdfDocument, PdfiumError, raw

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


def _read_pages(document: Any) -> dict[str, Any]:
    number = len(document)
    if not 0 < number <= MOST_PAGES:
        return {"problem": "pages" if number else "no pages", "count": number}
    document.init_forms()
    pages: list[str] = []
    scanned = []
    for at in range(number):
        text, is_scanned = _read_page(document, at)
        pages.append(text)
        if is_scanned:
            scanned.append(at + 1)
        if sum(map(len, pages)) > MOST_CHARACTERS:
            return {"problem": "characters"}
    if scanned:
        return {"problem": "scan" if len(scanned) == number else "part scan",
                "scanned": scanned, "count": number}  # fmt: skip
    return {"pages": pages} if any(pages) else {"problem": "no text"}


def _read_page(document: Any, at: int) -> tuple[str, bool]:
    """The text of a page, and whether the page is a picture without a text layer."""
    from pypdfium2 import raw

    page = document[at]
    # What was typed into a form, or put on a page later, is not in its text otherwise.
    if raw.FPDFPage_GetAnnotCount(page) and raw.FPDFPage_Flatten(page, raw.FLAT_NORMALDISPLAY) == 1:
        page.close()
        page = document[at]
    shown = page.get_textpage()
    if (upright := _upright(shown)) not in {None, page.get_rotation()}:
        page.set_rotation(upright)
        shown = page.get_textpage()
    text = _clean(_join_rows(shown, page.get_rotation()))
    unreadable = len(_UNREADABLE.findall(text)) > len(text) / 2
    few = sum(not each.isspace() for each in text) < _FEW
    is_scanned = unreadable or (few and _is_covered(page) and not _has_hidden_text(page))
    page.close()
    return text, is_scanned


def _upright(shown: Any) -> int | None:
    """How a page is turned so that most of its letters stand upright; None if it has none."""
    from pypdfium2 import raw

    number = shown.count_chars()
    angles = Counter(
        round(math.degrees(raw.FPDFText_GetCharAngle(shown, at))) % 360
        for at in range(0, number, number // 50 + 1)
        if not raw.FPDFText_IsGenerated(shown, at)
    )
    common = max(angles, key=lambda each: angles[each], default=None)
    return None if common is None or common % 90 else -common % 360


def _join_rows(shown: Any, turned: int) -> str:
    """The text of a page; a cell that pdfium begins a line with stays in its row."""
    from pypdfium2 import raw

    text = shown.get_text_range()
    lines = text.split("\r\n")
    parts, at = lines[:1], len(lines[0])
    for line in lines[1:]:
        end = raw.FPDFText_GetCharIndexFromTextIndex(shown, at)
        is_end = end > 0 and raw.FPDFText_GetUnicode(shown, end) == ord("\r")
        same = line and is_end and _follows(*(
            _as_shown(shown.get_charbox(each, loose=True), turned) for each in (end - 1, end + 2)
        ))  # fmt: skip
        parts += (" " if same else "\n", line)
        at += 2 + len(line)
    return "".join(parts)


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
    """Whether one box is to the right of another, in the same row."""
    overlap = min(one[3], other[3]) - max(one[1], other[1])
    return other[0] > one[2] and overlap > min(one[3] - one[1], other[3] - other[1]) / 2 > 0


def _clean(text: str) -> str:
    """Plain line ends and hyphens, and no controls; a form feed is what begins a page."""
    text = _HYPHEN_AND_LINE_END.sub("-\n", text.replace("\xad", "-"))
    return _BLANKS_AT_LINE_ENDS.sub("", _CONTROLS.sub("", text)).strip()


def _is_covered(page: Any) -> bool:
    """Whether pictures take up half of the page or more."""
    width, height = page.get_size()
    area = sum(
        max(0.0, right - left) * max(0.0, top - bottom)
        for left, bottom, right, top in _pictures(page)
    )
    return bool(area >= _COVERED * width * height)


def _pictures(page: Any) -> Iterator[tuple[float, float, float, float]]:
    """The bounds of each picture, or of the group that holds it."""
    from pypdfium2 import raw

    for item in page.get_objects(max_depth=1):
        inside = (
            page.get_objects(form=item, level=1) if item.type == raw.FPDF_PAGEOBJ_FORM else (item,)
        )
        if any(each.type == raw.FPDF_PAGEOBJ_IMAGE for each in inside):
            yield item.get_bounds()


def _has_hidden_text(page: Any) -> bool:
    """Whether there is text under a picture that is not drawn: somebody's OCR has read it."""
    from pypdfium2 import raw

    return any(
        raw.FPDFTextObj_GetTextRenderMode(each) == raw.FPDF_TEXTRENDERMODE_INVISIBLE
        for each in page.get_objects(filter=[raw.FPDF_PAGEOBJ_TEXT])
    )


if __name__ == "__main__":
    main()
