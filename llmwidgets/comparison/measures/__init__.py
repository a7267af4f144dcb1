"""What is measured of a comparison: texts side by side, sums over all of them, scores."""
