"""Results: what a run returned, as the grid, the text, the scores and the labels show it."""
