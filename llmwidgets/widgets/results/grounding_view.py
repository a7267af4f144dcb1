"""How many values stand nowhere in their text, a row a variant, as JSON for the page."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from llmwidgets import formatting
from llmwidgets.comparison.grounded import Count, counts_of
from llmwidgets.comparison.texts import spread

if TYPE_CHECKING:
    from llmwidgets.comparison.comparison import Comparison


_MOST_TEXTS = 500


def grounding_view(comparison: Comparison) -> dict[str, Any]:
    """By letter: the share of values that are not in their text, and of those that were copied.

    Over 500 texts evenly spread where there are more; `said` tells so.
    """
    total = len(comparison.texts)
    texts = spread(total, _MOST_TEXTS)
    counts = counts_of(comparison, texts)
    shown = any(copying.values for copying in comparison.copyings)
    few = f"“Not in the text” is counted in {len(texts):,} of {total:,} texts, evenly spread."
    return {
        "rows": {formatting.letter(at): _row(count, shown) for at, count in enumerate(counts)},
        "any": any(count.values for count in counts),
        "said": few if len(texts) < total else "",
    }


def _row(count: Count, shown: bool) -> dict[str, Any]:
    if not count.values:
        return {"absent": "–", "copied": "", "title": "No value was looked for in a text."}
    return {
        "absent": formatting.percent(count.absent / count.values),
        "copied": f"{formatting.percent(count.copied / count.values)} copied" if shown else "",
        "loud": count.copied > 0,
        "title": f"{count.absent:,} of {count.values:,} values"
        + (f", {count.copied:,} of them stand in an example" if shown else ""),
    }
