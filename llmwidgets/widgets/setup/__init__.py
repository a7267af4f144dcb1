"""Setup: what is given and chosen before a comparison runs, and what it is expected to cost."""
