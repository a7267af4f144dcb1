"""Pure analysis of records: alignment, scoring, grounding and what differences mean."""
