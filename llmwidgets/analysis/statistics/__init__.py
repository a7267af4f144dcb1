"""Statistics: intervals, tests in pairs, and what may be concluded of them."""
