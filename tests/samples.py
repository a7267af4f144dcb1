"""Eight of the demo's invoices with their truth: what a test needs, in half the time of all."""

from __future__ import annotations

from llmwidgets.demo import invoices

TEXTS = invoices.texts[:8]
TRUTH = {text["id"]: invoices.truth[text["id"]] for text in TEXTS}
