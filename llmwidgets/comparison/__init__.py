"""What a run is asked for and what it returns: variants, texts, truth and the Comparison."""

from __future__ import annotations

from llmwidgets.comparison.comparison import Comparison, compare, estimate, extract, load
from llmwidgets.comparison.variants import Variant

__all__ = ["Comparison", "Variant", "compare", "estimate", "extract", "load"]
