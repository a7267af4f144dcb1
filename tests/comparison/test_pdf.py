"""PDFs: what is read of them, what is refused and why, and what a hostile one cannot do."""

from __future__ import annotations

import gzip
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from fpdf import FPDF
from fpdf.enums import EncryptionMethod

from llmwidgets.comparison.files import pdf, read_texts
from llmwidgets.comparison.files.pdf import PDFReader
from llmwidgets.errors import FieldError
from tests.pdfs import glyphs_of, inflating, join_objects, page_of, picture_of, stream, words

Make = Callable[..., Path]


@pytest.fixture
def make(tmp_path: Path) -> Make:
    """Write a PDF, or what is said to be one."""

    def write(content: bytes | FPDF, name: str = "file.pdf") -> Path:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else bytes(content.output()))
        return path

    return write


@pytest.fixture(scope="module")
def reader() -> Iterator[PDFReader]:
    with PDFReader() as shared:
        yield shared


def wait_until(holds: Callable[[], bool]) -> None:
    while not holds():
        time.sleep(0.01)


def paper(**how) -> FPDF:
    sheet = FPDF(**how)
    sheet.set_font("Helvetica", size=11)
    sheet.add_page()
    return sheet


ROWS = [("Item", "Qty", "Price"), *((f"Part {at}", str(at), "1,250.00") for at in range(12))]
LINES = "\n".join(" ".join(row) for row in ROWS)


# -- what is read ----------------------------------------------------------------------------------


@pytest.mark.parametrize("orientation", ["portrait", "landscape"])
def test_the_cells_of_a_row_are_in_one_line(reader, make, orientation) -> None:
    """Also a cell of one digit, which pdfium begins a line with on a wide page."""
    sheet = paper(orientation=orientation)
    with sheet.table() as table:
        for cells in ROWS:
            row = table.row()
            for cell in cells:
                row.cell(cell)
    assert reader.read(make(sheet)) == LINES


@pytest.mark.parametrize("turned", [0, 90, 180, 270])
@pytest.mark.parametrize("drawn", [0, 90, 180, 270])
def test_a_table_is_read_however_the_page_is_turned(reader, make, drawn, turned) -> None:
    sheet = paper()
    for row, cells in enumerate(ROWS):
        for column, cell in enumerate(cells):
            down, along = 60 + 7 * row, 20 + 45 * column
            x, y = {
                0: (along, down), 90: (down, 210 - along),
                180: (200 - along, 270 - down), 270: (200 - down, along),
            }[drawn]  # fmt: skip
            with sheet.rotation(drawn, x, y):
                sheet.text(x, y, cell)
    content = bytes(sheet.output()).replace(b"/Type /Page\n", b"/Type /Page\n/Rotate %d\n" % turned)
    assert reader.read(make(content)) == LINES


def test_columns_are_read_one_after_the_other(reader, make) -> None:
    sheet = paper()
    with sheet.text_columns(ncols=2, gutter=10, text_align="L") as columns:
        columns.write("Left side of it. " * 400)
    text = reader.read(make(sheet))
    assert " ".join(text.split()) == ("Left side of it. " * 400).strip()


@pytest.mark.parametrize(
    ("drawn", "read"),
    [
        (["e", "ffi", "c", "i", "e", "n", "t"], "efficient"),
        ("東京都港区 1,250 円", "東京都港区 1,250 円"),
        ("שלום עולם"[::-1], "שלום עולם"),
        ("well\xadknown", "well-known"),
        ("Total: 1\u00a0250,00\u00a0€ − x²", "Total: 1\u00a0250,00\u00a0€ − x²"),
        ("a\x00b\x07c\x0cd", "abcd"),
        ("𝒳 and 😀", "𝒳 and 😀"),
    ],
)
def test_letters_are_what_a_reader_sees(reader, make, drawn, read) -> None:
    assert reader.read(make(glyphs_of([drawn]))) == read


@pytest.mark.parametrize("hyphen", ["-", "\xad"])
def test_a_hyphen_at_a_line_end_stays_there(reader, make, hyphen) -> None:
    """Whether it belongs to the word (well-known) or not is for whoever reads on."""
    text = reader.read(make(glyphs_of([f"This is an exam{hyphen}", "ple of well-", "known"])))
    assert text == "This is an exam-\nple of well-\nknown"


def test_line_ends_and_blanks_are_plain(reader, make) -> None:
    lines = ["one  ", "two", "three"]
    drawn = b"".join(words(line, (72, 700 - 20 * row)) for row, line in enumerate(lines))
    assert reader.read(make(page_of(stream(drawn)))) == "one\ntwo\nthree"


@pytest.mark.parametrize("subtype", [b"/Widget/FT/Tx/T(name)/V(Ada Lovelace)", b"/FreeText"])
def test_what_was_typed_into_a_form_or_on_a_page_is_read(reader, make, subtype) -> None:
    look = stream(
        b"BT /F 12 Tf 2 5 Td (Ada Lovelace) Tj ET",
        b"/Type/XObject/Subtype/Form/BBox[0 0 200 20]/Resources<</Font<</F 5 0 R>>>>",
    )
    field = b"<</Type/Annot/Subtype%b/F 4/Rect[150 695 350 715]/AP<</N 7 0 R>>>>" % subtype
    content = page_of(stream(words("Name:")), entries=b"/Annots[6 0 R]", more=[field, look])
    assert reader.read(make(content)) == "Name: Ada Lovelace"


def test_pages_begin_with_a_mark_where_there_are_several(reader, make) -> None:
    assert reader.read(make(WHOLE)) == "Hello"
    sheet = paper()
    sheet.text(20, 20, "First")
    sheet.add_page()
    sheet.add_page()
    sheet.text(20, 20, "Third")
    assert reader.read(make(sheet)) == "\f[page 1]\nFirst\n\f[page 2]\n\n\f[page 3]\nThird"


def test_the_suffix_does_not_matter_and_names_may_be_odd(reader, make, monkeypatch) -> None:
    content = page_of(stream(words("Hello")))
    for name in ("a.txt", "ü 名 'x'.pdf", "line\nend.pdf", os.fsdecode(b"half\xff.pdf")):
        assert reader.read(make(content, name)) == "Hello"
    path = make(b"\n\n junk \n" + content)
    assert reader.read(path) == "Hello"
    monkeypatch.chdir(path.parent)
    assert reader.read(Path(path.name)) == "Hello"


def test_a_packed_file_is_unpacked_first(make) -> None:
    packed = make(gzip.compress(WHOLE), "letter.pdf.gz")
    assert read_texts(packed) == [{"id": "letter", "text": "Hello"}]


# -- what is refused -------------------------------------------------------------------------------


def refusal(reader: PDFReader, path: Path) -> str:
    with pytest.raises(FieldError) as caught:
        reader.read(path)
    assert path.name in caught.value.message
    assert caught.value.hint
    return str(caught.value)


STAMP = words("Scanned with CamScanner")


@pytest.mark.parametrize("content", [picture_of(1), picture_of(1, STAMP), picture_of(0.6, STAMP)])
def test_a_scan_is_refused_with_what_reads_it(reader, make, content) -> None:
    said = refusal(reader, make(content))
    assert "is a scan" in said
    assert "ocrmypdf in.pdf out.pdf" in said


def test_a_picture_on_a_page_or_one_that_ocr_has_read_is_not_a_scan(reader, make) -> None:
    assert reader.read(make(picture_of(0.3, words("Small")))) == "Small"
    assert reader.read(make(picture_of(1, words("Read by OCR", mode=3)))) == "Read by OCR"
    long = "A page of words on a coloured ground, " * 3
    assert reader.read(make(picture_of(1, words(long)))) == long.strip()


def test_pages_that_are_scans_among_others_are_named(reader, make, tmp_path) -> None:
    picture = tmp_path / "picture.png"
    write_png(picture)
    sheet = paper()
    for page in range(2, 10):
        sheet.text(20, 20, "Text")
        sheet.add_page()
        if page % 4 == 0:
            sheet.image(picture, 0, 0, 210, 297)
    sheet.text(20, 20, "Text")
    said = refusal(reader, make(sheet))
    assert "has pages without a text layer that can be read: 4, 8 of 9." in said
    assert "--redo-ocr" in said


def write_png(path: Path) -> None:
    from PIL import Image

    Image.new("L", (20, 20), 128).save(path)


PRIVATE = glyphs_of(["\ue001\ue002\ue003 \ue004\ue005"])
UNKNOWN = glyphs_of(["Hello there"]).replace(b"/ToUnicode 8 0 R", b" " * 16)


@pytest.mark.parametrize("content", [PRIVATE, UNKNOWN], ids=["private", "unknown"])
def test_letters_without_a_meaning_are_not_a_text(reader, make, content) -> None:
    """What a font draws may be signs of its own, or it does not say which letters they are."""
    assert "is a scan" in refusal(reader, make(content))


def encrypted(password: str | None) -> FPDF:
    sheet = paper()
    sheet.text(20, 20, "Text")
    sheet.set_encryption("owner", password, encryption_method=EncryptionMethod.RC4)
    return sheet


def test_a_password_is_asked_for_only_if_it_is_needed(reader, make) -> None:
    assert "is protected by a password." in refusal(reader, make(encrypted("user")))
    assert reader.read(make(encrypted(None))) == "Text"


WHOLE = page_of(stream(words("Hello")))
CATALOG = b"<</Type/Catalog/Pages 2 0 R>>"
HOSTILE = {
    "not a PDF": (b"PK\x03\x04 something else", "is not a PDF"),
    "a text": (b"Hello", "is not a PDF"),
    "empty": (b"", "is an empty file."),
    "cut": (WHOLE[: len(WHOLE) // 2], "is damaged"),
    "garbage": (b"%PDF-1.7\n" + bytes(range(256)) * 50, "is damaged"),
    "no pages": (join_objects([CATALOG, b"<</Type/Pages/Kids[]/Count 0>>"]), "has no pages."),
    "pages that are not there": (
        page_of(stream(words("x")), tree=b"<</Type/Pages/Kids[3 0 R]/Count 4000>>"),
        "is damaged",
    ),
    "a loop of pages": (
        join_objects([CATALOG, b"<</Type/Pages/Kids[2 0 R 2 0 R]/Count 100000>>"]),
        "has 100,000 pages; at most 5,000 are read.",
    ),
    "nothing on it": (page_of(stream(b"")), "has no text"),
    "arrays in arrays": (page_of(stream(b"BT " + b"[" * 10**6 + b"] TJ ET")), "has no text"),
    "objects in objects": (join_objects([CATALOG, b"[" * 10**6 + b"]" * 10**6]), "has no pages"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_not_a_whole_pdf_is_called_by_its_name(reader, make, name) -> None:
    content, sentence = HOSTILE[name]
    assert sentence in refusal(reader, make(content))
    assert reader.read(make(WHOLE)) == "Hello"


def test_a_loop_in_the_table_of_objects_ends(reader, make) -> None:
    at = int(WHOLE.rsplit(b"startxref", 1)[1].split()[0])
    looped = page_of(stream(words("Hello")), trailer=b"/Prev %d" % at)
    assert reader.read(make(looped)) == "Hello"


def test_a_path_that_is_not_a_file_is_said(reader, tmp_path) -> None:
    assert "does not exist." in refusal(reader, tmp_path / "none.pdf")
    (tmp_path / "folder.pdf").mkdir()
    assert "is not a file." in refusal(reader, tmp_path / "folder.pdf")
    if hasattr(os, "mkfifo"):
        os.mkfifo(tmp_path / "pipe.pdf")
        assert "is not a file." in refusal(reader, tmp_path / "pipe.pdf")


# -- what a hostile one cannot do ------------------------------------------------------------------

_needs_limits = pytest.mark.skipif(sys.platform != "linux", reason="the limits are Linux's")
FORMS = b"/XObject<</X 6 0 R>>"
ENTRIES = b"/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</X 6 0 R>>>>"
BOMBS = {
    "blanks": page_of(inflating(b" " * 10**6, 4000)),
    "states": page_of(inflating(b"q " * 500_000, 500)),
    "words": page_of(inflating(words("A" * 40) * 1000, 5000)),
    "a form in itself": page_of(
        stream(b"/X Do " * 1000), FORMS, more=[stream(b"/X Do /X Do", ENTRIES)]
    ),
}


@_needs_limits
@pytest.mark.parametrize("name", BOMBS)
def test_a_file_that_inflates_ends_at_the_limit_of_memory(reader, make, name) -> None:
    assert "needs more than 1 GB of memory" in refusal(reader, make(BOMBS[name]))
    assert reader.read(make(WHOLE)) == "Hello"


def slow() -> bytes:
    """A page of much text, thousands of times."""
    kids = b"3 0 R " * 4000
    tree = b"<</Type/Pages/Kids[%b]/Count 4000>>" % kids
    return page_of(inflating(words("A" * 40, (1, 1)), 20_000), tree=tree)


@_needs_limits
@pytest.mark.parametrize("limit", ["CPU_SECONDS", "WALL_SECONDS"])
def test_a_file_that_takes_too_long_is_ended(make, monkeypatch, limit) -> None:
    monkeypatch.setattr(pdf, limit, 1)
    with PDFReader() as own:
        assert "reading it took too long" in refusal(own, make(slow()))


@pytest.fixture
def busy(make) -> Iterator[tuple[PDFReader, threading.Thread, list[BaseException]]]:
    """A reader in the midst of a file that takes minutes."""
    caught: list[BaseException] = []
    with PDFReader() as own:
        own.read(make(WHOLE))

        def work() -> None:
            try:
                own.read(make(slow(), "slow.pdf"))
            except FieldError as error:
                caught.append(error)

        thread = threading.Thread(target=work)
        thread.start()
        yield own, thread, caught
        if own._process is not None:
            own._process.kill()
        thread.join()


@_needs_limits
def test_a_crash_is_said_and_takes_no_other_file_with_it(busy, make) -> None:
    own, thread, caught = busy
    os.kill(own._process.pid, signal.SIGSEGV)
    thread.join()
    assert "slow.pdf makes what reads PDFs crash." in str(caught[0])
    assert own.read(make(WHOLE)) == "Hello"


@_needs_limits
def test_the_process_has_no_secret_and_nothing_is_left_of_it(make, monkeypatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-test-0000000000000000")
    with PDFReader() as own:
        own.read(make(WHOLE))
        process = own._process
        environment = Path(f"/proc/{process.pid}/environ").read_bytes()
        limits = Path(f"/proc/{process.pid}/limits").read_text()
        assert process.pid == os.getsid(process.pid)
    assert {each.split(b"=")[0].decode() for each in environment.split(b"\0")[:-1]} <= {
        "PATH", "LD_LIBRARY_PATH",
    }  # fmt: skip
    wanted = {"Max address space": "1073741824", "Max file size": "0", "Max core file size": "0"}
    for name, value in wanted.items():
        row = next(each for each in limits.splitlines() if each.startswith(name))
        assert row.removeprefix(name).split()[0] == value
    assert process.returncode is not None
    assert not Path(f"/proc/{process.pid}").exists()


INTERRUPTED = """
import sys
from pathlib import Path
from llmwidgets.comparison.files import pdf
start = pdf._start
def started():
    process = start()
    print(process.pid, flush=True)
    return process
pdf._start = started
try:
    pdf.PDFReader().read(Path(sys.argv[1]))
except KeyboardInterrupt:
    print("interrupted", flush=True)
"""


@_needs_limits
def test_an_interrupt_ends_the_reading_and_its_process(make) -> None:
    path = make(slow())
    with subprocess.Popen(
        [sys.executable, "-c", INTERRUPTED, path], stdout=subprocess.PIPE, text=True
    ) as done:
        pid = int(done.stdout.readline())
        busy_with = Path(f"/proc/{pid}/stat")
        wait_until(lambda: int(busy_with.read_text().split()[13]) > 20)
        done.send_signal(signal.SIGINT)
        assert done.stdout.read() == "interrupted\n"
    assert not busy_with.exists()


def test_a_module_that_lies_about_is_not_loaded(make, tmp_path, monkeypatch) -> None:
    """Neither from the folder of the notebook nor from PYTHONPATH."""
    path = make(WHOLE)
    trace = tmp_path / "trace"
    for name in ("pypdfium2", "json", "runpy", "sitecustomize", "usercustomize"):
        (tmp_path / f"{name}.py").write_text(f"open({str(trace)!r}, 'w')\nraise SystemExit\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.syspath_prepend(str(tmp_path))
    with PDFReader() as own:
        assert own.read(path) == "Hello"
    assert not trace.exists()


def test_the_kernel_itself_never_loads_what_reads_pdfs(make) -> None:
    code = (
        "import sys; from pathlib import Path;"
        "from llmwidgets.comparison.files.pdf import PDFReader;"
        "print(PDFReader().read(Path(sys.argv[1])), 'pypdfium2' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, make(WHOLE)], capture_output=True, text=True, check=True
    )
    assert done.stdout == "Hello False\n"


def test_without_the_extra_the_line_that_installs_it_is_said(make, tmp_path, monkeypatch) -> None:
    path = make(WHOLE)
    monkeypatch.setattr(sys, "path", [str(tmp_path)])
    with PDFReader() as own:
        said = refusal(own, path)
    assert "pip install pypdfium2" in said
    assert "llmwidgets[pdf]" in said


def test_a_reader_that_does_not_start_is_not_the_fault_of_the_file(make, monkeypatch) -> None:
    for executable in (str(make(b"", "nothing")), "/nowhere/python", "/bin/false"):
        monkeypatch.setattr(sys, "executable", executable)
        with PDFReader() as own:
            assert "what reads PDFs does not start here." in refusal(own, make(WHOLE))
