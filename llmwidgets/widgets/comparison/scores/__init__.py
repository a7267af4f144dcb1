"""What the scoreboard and the charts show: scores, slices, kinds of error, doubt."""
