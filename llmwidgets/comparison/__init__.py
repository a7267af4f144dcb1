"""What a run is asked for and what it returns: variants, texts, truth and the Comparison."""

from __future__ import annotations

from llmwidgets.comparison.calls import compare, estimate, extract
from llmwidgets.comparison.comparison import Comparison
from llmwidgets.comparison.saved import load
from llmwidgets.comparison.variant import Variant

__all__ = ["Comparison", "Variant", "compare", "estimate", "extract", "load"]
