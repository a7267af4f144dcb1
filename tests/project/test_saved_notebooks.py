"""What `python -m tests.notebooks` keeps of a run, and when two runs show the same."""

from __future__ import annotations

import nbformat
from nbformat.v4 import new_code_cell, new_notebook, new_output

from tests.notebooks import clean, compared, keep_unchanged

LIVE = {"application/vnd.jupyter.widget-view+json": {"model_id": "1f"}, "text/plain": "Panel()"}
STILL = {"text/html": '<div class="llmwidgets-static">Run this cell.</div>'}


def saved(*outputs: nbformat.NotebookNode) -> nbformat.NotebookNode:
    """A cleaned notebook of one cell with these outputs."""
    return clean(new_notebook(cells=[new_code_cell("panel", id="one", outputs=list(outputs))]))


def shown(*outputs: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return saved(*outputs).cells[0].outputs


def test_a_widget_is_kept_as_what_stands_in_its_place() -> None:
    live = new_output("display_data", data=dict(LIVE))
    still = new_output("display_data", data=dict(STILL))
    assert [each.data for each in shown(live, still)] == [STILL]
    alone = new_output("display_data", data=dict(LIVE))
    assert [each.data for each in shown(alone)] == [{"text/plain": "Panel()"}]
    assert shown(new_output("display_data", data={"text/html": ""})) == []


def test_what_a_library_logs_is_left_out_and_a_warning_is_not() -> None:
    logged = "2026-11-29 06:52:01,697 - distributed.nanny - WARNING - Worker still alive\n"
    assert shown(new_output("stream", name="stderr", text=logged)) == []
    (kept,) = shown(new_output("stream", name="stderr", text=f"{logged}UserWarning: odd\n"))
    assert kept.text.endswith("odd\n")


def test_outputs_that_differ_in_time_and_port_stay_as_they_were() -> None:
    def said(seconds: str, port: int, right: str) -> nbformat.NotebookNode:
        text = f"{right} right in {seconds} s, at 127.0.0.1:{port}, on 29 Nov 2026"
        return saved(new_output("stream", name="stdout", text=text))

    before, again, other = said("0.10", 4711, "97"), said("1.52", 39, "97"), said("0.10", 39, "96")
    keep_unchanged(again, before)
    assert again == before
    assert compared(other.cells[0].outputs) != compared(before.cells[0].outputs)
    keep_unchanged(other, before)
    assert "96 right" in other.cells[0].outputs[0].text
