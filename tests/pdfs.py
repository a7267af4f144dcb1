"""PDFs for tests: objects put together by hand, where a library would not write them so."""

from __future__ import annotations

import zlib
from collections.abc import Sequence

HELVETICA = b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>"


def join_objects(objects: Sequence[bytes], trailer: bytes = b"") -> bytes:
    """A PDF of these objects, of which the first is the catalog."""
    out, offsets = b"%PDF-1.7\n", []
    for number, each in enumerate(objects, 1):
        offsets.append(len(out))
        out += b"%d 0 obj\n%b\nendobj\n" % (number, each)
    table = b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    size = len(objects) + 1
    head = b"xref\n0 %d\n0000000000 65535 f \n" % size
    tail = b"trailer<</Root 1 0 R/Size %d%b>>\nstartxref\n%d\n%%%%EOF" % (size, trailer, len(out))
    return out + head + table + tail


def stream(data: bytes, entries: bytes = b"") -> bytes:
    return b"<</Length %d%b>>stream\n%b\nendstream" % (len(data), entries, data)


def page_of(
    content: bytes,
    resources: bytes = b"",
    entries: bytes = b"",
    *,
    more: Sequence[bytes] = (),
    tree: bytes = b"<</Type/Pages/Kids[3 0 R]/Count 1>>",
    trailer: bytes = b"",
) -> bytes:
    """A PDF of one page; `content` is object 4, Helvetica is /F and 5, and `more` begins at 6."""
    page = (
        b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 612 792]/Contents 4 0 R"
        b"/Resources<</Font<</F 5 0 R>>%b>>%b>>" % (resources, entries)
    )
    catalog = b"<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[]>>>>"
    return join_objects([catalog, tree, page, content, HELVETICA, *more], trailer)


def words(text: str, at: tuple[int, int] = (72, 700), mode: int = 0) -> bytes:
    """The content that draws a text; with `mode` 3 it is there, and nobody sees it."""
    escaped = text.encode("latin-1").replace(b"(", b"\\(").replace(b")", b"\\)")
    return b"BT /F 12 Tf %d Tr %d %d Td (%b) Tj ET\n" % (mode, *at, escaped)


def glyphs_of(lines: Sequence[str | Sequence[str]]) -> bytes:
    """A PDF in which each glyph stands for the letters given, as its font says."""
    mapped: list[str] = []
    content = b""
    for row, line in enumerate(lines):
        codes = b""
        for each in line:
            if each not in mapped:
                mapped.append(each)
            codes += b"%04x" % (mapped.index(each) + 1)
        content += b"BT /G 12 Tf 72 %d Td <%b> Tj ET\n" % (700 - 20 * row, codes)
    pairs = b"".join(
        b"<%04x><%b>\n" % (code, each.encode("utf-16-be").hex().encode())
        for code, each in enumerate(mapped, 1)
    )
    to_unicode = (
        b"/CIDInit /ProcSet findresource begin 12 dict begin begincmap /CMapName /X def\n"
        b"1 begincodespacerange <0000><ffff> endcodespacerange\n"
        b"%d beginbfchar\n%bendbfchar endcmap end end" % (len(mapped), pairs)
    )
    return page_of(
        stream(content),
        b"/Font<</G 6 0 R>>",
        more=[
            b"<</Type/Font/Subtype/Type0/BaseFont/X/Encoding/Identity-H"
            b"/DescendantFonts[7 0 R]/ToUnicode 8 0 R>>",
            b"<</Type/Font/Subtype/CIDFontType2/BaseFont/X/DW 600/FontDescriptor 9 0 R"
            b"/CIDSystemInfo<</Registry(Adobe)/Ordering(Identity)/Supplement 0>>>>",
            stream(to_unicode),
            b"<</Type/FontDescriptor/FontName/X/Flags 4/FontBBox[0 0 600 700]/Ascent 700"
            b"/Descent -200/CapHeight 700/StemV 80/ItalicAngle 0>>",
        ],
    )


def picture_of(share: float, text: bytes = b"") -> bytes:
    """A page of which a picture covers this share from above, with a text on it."""
    height = round(792 * share)
    drawn = b"q 612 0 0 %d 0 %d cm /X Do Q\n" % (height, 792 - height)
    image = stream(
        zlib.compress(b"\x80" * 100),
        b"/Type/XObject/Subtype/Image/Width 10/Height 10/BitsPerComponent 8"
        b"/ColorSpace/DeviceGray/Filter/FlateDecode",
    )
    return page_of(stream(drawn + text), b"/XObject<</X 6 0 R>>", more=[image])


def inflating(unit: bytes, times: int) -> bytes:
    """A stream of a few kilobytes that inflates to `times` units."""
    packer = zlib.compressobj(9)
    # What follows a full flush does not refer to what came before: it can be said again as it is.
    first, again = (packer.compress(unit) + packer.flush(zlib.Z_FULL_FLUSH) for _ in range(2))
    packed = first + again * (times - 1) + packer.flush()
    return stream(zlib.compress(packed, 9), b"/Filter[/FlateDecode/FlateDecode]")


def two_pages(first: Sequence[str], second: Sequence[str]) -> bytes:
    """A PDF of two pages, each of these lines."""
    tree = b"<</Type/Pages/Kids[4 0 R 6 0 R]/Count 2>>"
    objects = [b"<</Type/Catalog/Pages 2 0 R>>", tree, HELVETICA]
    for number, lines in ((5, first), (7, second)):
        page = b"/Parent 2 0 R/MediaBox[0 0 612 792]/Resources<</Font<</F 3 0 R>>>>"
        drawn = b"".join(words(line, (72, 700 - 20 * at)) for at, line in enumerate(lines))
        objects += [b"<</Type/Page%b/Contents %d 0 R>>" % (page, number), stream(drawn)]
    return join_objects(objects)
