"""The rules by which the demo's models fill in a schema; no LLM behind any of them."""
