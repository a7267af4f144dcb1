"""Texts in a real JupyterLab: chosen, dropped, pasted; what was read and refused is said there."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
from openpyxl import Workbook
from playwright.sync_api import expect

from tests.pdfs import picture_of, two_pages

pytestmark = pytest.mark.browser

CELL = """import llmwidgets as lw
schema = {"type": "object", "properties": {"total": {"type": ["number", "null"]}}}
panel = lw.ComparisonPanel(schema, models="demo", store=lw.Store.in_memory())
panel"""
GERMAN = "ID;Text;total\r\nR-1;Tischlerei Groß, zu zahlen 1.234,50 €;1.234,50\r\n"
DROP = """(place, [name, content]) => {
    const bytes = Uint8Array.from(atob(content), (each) => each.charCodeAt(0));
    const dataTransfer = new DataTransfer();
    dataTransfer.items.add(new File([bytes], name));
    for (const kind of ["dragover", "drop"])
        place.dispatchEvent(new DragEvent(kind, { dataTransfer, bubbles: true, cancelable: true }));
}"""


@pytest.fixture
def panel(lab, page) -> Any:
    lab.notebook("texts.ipynb", [CELL])
    page.open("texts.ipynb").run_all()
    shown = page.output()
    shown.get_by_role("button", name="Choose", exact=True).click()
    return shown


def choose(panel: Any, *files: Path) -> None:
    panel.locator("input[type=file]").set_input_files(files)


def test_files_of_a_german_office_are_read_and_said_before_the_run(panel, tmp_path) -> None:
    """A `;` table in Windows-1252, a workbook with two sheets, a PDF with pages; then the run."""
    table, book, paper = (tmp_path / name for name in ("r.csv", "r.xlsx", "r.pdf"))
    table.write_bytes(GERMAN.encode("cp1252"))
    choose(panel, table)
    panel.get_by_text("1, all with truth").wait_for()
    for said in (
        "r.csv is not in UTF-8 and was read as Windows-1252, the encoding of Excel.",
        "The column total was read as truth: it is named like a field.",
        "Decimal commas were read in the truth of total.",
    ):
        expect(panel.get_by_text(said)).to_be_visible()
    expect(panel.locator(".lw-texts")).to_contain_text("Tischlerei Groß")
    expect(panel.get_by_label("Use total as")).to_have_value("field:total")
    sheets = Workbook()
    sheets.active.title = "Rechnungen"
    for row in [("Text", "total"), ("Zu zahlen 12,00 €", 12), ("Zu zahlen 7 €", 7)]:
        sheets.active.append(row)
    sheets.create_sheet("Notizen")
    sheets.save(book)
    panel.get_by_role("button", name="Choose", exact=True).click()
    choose(panel, book)
    panel.get_by_text("2, all with truth").wait_for()
    panel.get_by_text("r.xlsx has 2 sheets; only the first, Rechnungen, was read.").wait_for()
    expect(panel.get_by_text("Windows-1252")).to_have_count(0)
    paper.write_bytes(two_pages(["Invoice", "Larkfield"], ["Total 1,234.50 EUR"]))
    panel.get_by_role("button", name="Choose", exact=True).click()
    choose(panel, paper, table)
    titles = ["Invoice", "Tischlerei Groß, zu zahlen 1.234,50 €"]
    expect(panel.locator(".lw-texts li > span")).to_have_text(titles)
    panel.get_by_role("button", name="Run 8 calls").click()
    panel.get_by_role("grid").wait_for()
    panel.get_by_role("tab", name="Text").click()
    panel.locator(".lw-doc").get_by_text("[page 2]").wait_for()


LETTERS = "Nr;Brief;Summe;Haus\n7;Zu zahlen 12,50 EUR;12.5;A\n8;Zu zahlen 7 EUR;sieben;A\n"


def test_the_columns_of_a_table_are_chosen_by_keyboard(panel, page, tmp_path) -> None:
    """Text, id and truth of a table that calls them otherwise; a misfit is named at its column."""
    table = tmp_path / "briefe.csv"
    table.write_text(LETTERS, "utf-8")
    choose(panel, table)
    panel.get_by_text("Which column has the texts is not known.").wait_for()
    text = panel.get_by_label("Use Brief as")
    text.focus()
    page.browser_page.keyboard.press("T")  # as in any list: the first that begins so
    expect(text).to_have_value("text")
    panel.get_by_text("2, without truth").wait_for()
    expect(text).to_be_focused()
    panel.get_by_label("Use Nr as").select_option("Id")
    panel.get_by_label("Use Summe as").select_option("Truth: total")
    amount = panel.get_by_label("Use Summe as")
    expect(amount).to_have_attribute("aria-invalid", "true")
    misfit = "8: “sieben” must be null or a number."
    expect(amount).to_have_accessible_description(misfit)
    expect(panel.get_by_text(misfit)).to_be_visible()
    panel.get_by_label("Use Haus as").select_option("Group: texts that belong together")
    panel.get_by_role("button", name="Compare without truth").click()
    expect(amount).to_have_value("")
    expect(panel.get_by_label("Use Haus as")).to_have_value("group")
    panel.get_by_text("2, without truth").wait_for()


def test_an_error_of_a_file_is_shown_where_it_was_chosen(panel, tmp_path) -> None:
    """Beside the chooser, which stays; the texts that were there stay too; a good file ends it."""
    paper, text = tmp_path / "scan.pdf", tmp_path / "a.txt"
    paper.write_bytes(picture_of(1.0))
    text.write_text("Total 7")
    choose(panel, text)
    panel.get_by_text("1, without truth").wait_for()
    panel.get_by_role("button", name="Choose", exact=True).click()
    for _ in range(2):  # the same file again is a choice as well
        choose(panel, paper)
        alert = panel.get_by_role("alert").filter(has_text="scan.pdf is a scan")
        alert.wait_for()
        expect(alert.locator("xpath=..")).to_contain_text("Choose files")
        expect(panel.locator(".lw-texts")).to_contain_text("Total 7")
    choose(panel, text)
    panel.get_by_text("scan.pdf is a scan").wait_for(state="detached")
    expect(panel.locator("input[type=file]")).to_have_count(0)


def test_files_are_dropped_and_texts_pasted(panel) -> None:
    content = base64.b64encode(GERMAN.encode("cp1252")).decode()
    place = panel.get_by_role("heading", name="Texts").locator("xpath=ancestor::div[2]")
    place.evaluate(DROP, ["r.csv", content])
    panel.get_by_text("1, all with truth").wait_for()
    panel.get_by_role("button", name="Choose", exact=True).click()
    panel.get_by_label("Paste texts").fill("One\n---\nTwo")
    panel.get_by_role("button", name="Use what is pasted").click()
    panel.get_by_text("2, without truth").wait_for()
    panel.get_by_role("button", name="Choose", exact=True).click()
    panel.get_by_role("button", name="Use what is pasted").click()
    alert = panel.get_by_role("alert").filter(has_text="Nothing was pasted.")
    expect(alert.locator("xpath=..")).to_contain_text("Paste texts")


def test_more_than_a_server_takes_at_once_is_refused_by_name(panel, tmp_path) -> None:
    """Beyond 10 MB the server would hang up without a word; just below, the file arrives."""
    large = tmp_path / "large.txt"
    large.write_bytes(b"a" * 10_000_001)
    choose(panel, large)
    panel.get_by_text("The file has 10.1 MB; a page takes up to 10 MB at once.").wait_for()
    large.write_bytes(b"a" * 9_999_999)
    choose(panel, large)
    panel.get_by_text("1, without truth").wait_for()
