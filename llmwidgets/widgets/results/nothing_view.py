"""What the page shows where no row fits: why, and the ways on."""

from __future__ import annotations

from llmwidgets.analysis.leaves import NOTHING
from llmwidgets.formatting import count
from llmwidgets.widgets.comparison.grid_model import GridIndex
from llmwidgets.widgets.panel import Content
from llmwidgets.widgets.results.grid_filter import Filter


def nothing_view(index: GridIndex, wanted: Filter) -> Content:
    """A sentence, why, and what leads on, as a change of the filter each."""
    counts = index.counts()
    whole = {"only": "all", "states": [], "field": "", "query": ""}
    if wanted.query:
        where = f" in {wanted.field}" if wanted.field else ""
        found = index.matching_elsewhere(wanted) if wanted.field else 0
        ways = [{"label": "Clear search", "filter": {"query": ""}}]
        if found:
            ways.insert(0, {"label": "Search all fields", "filter": {"field": ""}})
        hint = f"{count(found, 'row')} match in other fields." if found else ""
        return {"good": False, "sentence": f"No row matches the search{where}", "hint": hint,
                "ways": ways}  # fmt: skip
    everything = {"label": f"Show all {count(counts['rows'], 'row')}", "filter": whole}
    if counts["disagree"] or counts["failed"] or not counts["rows"]:
        return {"good": False, "sentence": "No row fits these filters", "hint": "",
                "ways": [everything] if counts["rows"] else []}  # fmt: skip
    labelled = any(text.truth is not NOTHING for text in index.comparison.texts)
    hint = "They also agree with the truth. " if labelled else ""
    return {
        "good": True,
        "sentence": f"All models agree on all {count(counts['rows'], 'value')}",
        "hint": f"{hint}Harder texts would tell more than more texts of this sort.",
        "ways": [everything],
    }
