"""Storage: what a store's files hold, how they are spelled, written and read back."""
