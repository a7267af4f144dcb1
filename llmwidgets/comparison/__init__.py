"""What a run is asked for and what it returns: variants, texts, truth and the Comparison."""

from __future__ import annotations

from llmwidgets.comparison.api import compare, estimate, extract
from llmwidgets.comparison.comparison import Comparison
from llmwidgets.comparison.serialization import load
from llmwidgets.comparison.variants import Variant

__all__ = ["Comparison", "Variant", "compare", "estimate", "extract", "load"]
