"""The screens of a comparison: what is chosen, how the run goes, what it returned."""
